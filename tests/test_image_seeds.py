"""What the user knows of an image: axes, pixels without data, segments of some pixels, means."""

import warnings

import numpy as np
import pytest
from phantoms import as_uint8, colours, dice, discs, tissue

from emkernels import segment_image
from emkernels.em import EMWarning

SILENT = [((40, 50), "f4"), ((40, 50, 1), "f8"), ((40, 50, 3), "u1"), ((4, 5, 3), "u1"),
          ((40, 50, 4), "u1"), ((32, 40, 3), "f4"), ((40, 50, 3), "u2"), ((6, 7, 8, 3), "f4")]
GUESSED = [((31, 50, 3), "f4", (31, 50), 3), ((17, 21, 3), "u2", (17, 21), 3),
           ((40, 50, 4), "u2", (40, 50), 4), ((40, 50, 4), "f4", (40, 50), 4),
           ((4, 40, 50), "u2", (4, 40, 50), 1), ((40, 50, 8), "u1", (40, 50, 8), 1),
           ((40, 50, 2), "u1", (40, 50, 2), 1), ((6, 7, 8, 4), "u1", (6, 7, 8), 4)]


def noise(shape, dtype):
    image = np.random.default_rng(0).integers(1, 200, shape)
    return image.astype(dtype) if np.dtype(dtype).kind != "f" else (image / 200).astype(dtype)


@pytest.mark.parametrize("shape, dtype", SILENT)
def test_axes_that_are_no_guess(shape, dtype):
    result = segment_image(noise(shape, dtype), 2, "kmeans", random_state=0)
    n = 1 if len(shape) == 2 else 3 if shape[-1] == 4 else shape[-1]
    assert result.labels.shape == (shape if len(shape) == 2 else shape[:-1])
    assert result.colors.shape == (2, n)


@pytest.mark.parametrize("shape, dtype, grid, n_channels", GUESSED)
def test_guessed_axes_are_said(shape, dtype, grid, n_channels):
    image = noise(shape, dtype)
    with pytest.warns(UserWarning, match="channel_axis") as seen:
        result = segment_image(image, 2, "kmeans", random_state=0)
    assert len(seen) == 1 and seen[0].filename == __file__
    assert result.labels.shape == grid and result.colors.shape == (2, n_channels)
    # what the warning says ends it
    axis = -1 if n_channels > 1 else None
    again = segment_image(image, 2, "kmeans", channel_axis=axis, random_state=0)
    np.testing.assert_array_equal(again.labels, result.labels)


def test_alpha_is_no_feature_where_it_is_said_to_be_alpha():
    image = noise((20, 30, 2), "u2")
    image[:5, :, 1] = 0
    for axis, array in ((-1, image), ("auto", image), (0, np.moveaxis(image, -1, 0))):
        result = segment_image(array, 2, alpha=True, channel_axis=axis, random_state=0)
        assert (result.labels[:5] == -1).all() and result.labels[5:].min() == 0
        assert result.colors.shape == (2, 1) and result.n_nodata == 0


# --- no data ----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"method": "kmeans"}, {"smoothness": 0.8}])
@pytest.mark.parametrize("dtype, mark", [
    ("f4", np.nan), ("f4", -9999), ("f4", -3.4028234663852886e38), ("f8", 1e20), ("i2", -32768),
    ("u1", 0), ("f8", np.inf)])
def test_pixels_without_data_have_no_label_and_no_part(dtype, mark, options):
    image, truth = discs(0.05)
    image = (as_uint8(image) if dtype in ("u1", "i2") else image).astype(dtype)
    mask = np.ones(image.shape, bool)
    mask[:9] = mask[20:30, 5:25] = False
    spoilt = np.where(mask, image, np.array(mark).astype(dtype))
    more = {} if np.isnan(mark) else {"nodata": mark}
    options = {"random_state": 0, "n_threads": 1, **options}
    result = segment_image(spoilt, 3, **more, **options)
    expected = segment_image(image, 3, mask=mask, **options)
    np.testing.assert_array_equal(result.labels, expected.labels)
    np.testing.assert_array_equal(result.sizes, expected.sizes)
    np.testing.assert_array_equal(result.posteriors, expected.posteriors)
    assert (result.labels == -1).sum() == (~mask).sum() == result.n_nodata
    assert result.sizes.sum() == mask.sum() and expected.n_nodata == 0
    assert f"no data            {(~mask).sum():10d}" in repr(result)
    assert "no data" not in repr(expected)
    hidden = segment_image(np.ma.array(image, mask=~mask), 3, **options)
    np.testing.assert_array_equal(hidden.labels, expected.labels)
    assert hidden.n_nodata == result.n_nodata


def test_channels_without_data():
    image, truth = colours(0.05)
    image = np.rint(1000 * image).astype(np.int16)
    gone = np.random.default_rng(0).random(image.shape) < 0.1
    gone[3, 4], gone[5, 6] = True, False
    spoilt, floats = image.copy(), image.astype(np.float32)
    spoilt[gone], floats[gone] = -9999, np.nan
    expected = segment_image(floats, 3, random_state=0)
    assert expected.labels[3, 4] == -1 and dice(expected.labels[~gone.all(-1)],
                                                truth[~gone.all(-1)]) > 0.95
    for result in (segment_image(spoilt, 3, nodata=-9999, random_state=0),
                   segment_image(np.ma.array(image, mask=gone), 3, random_state=0)):
        np.testing.assert_array_equal(result.labels, expected.labels)
        assert result.n_nodata == expected.n_nodata == gone.all(axis=-1).sum()
    # one mark for each channel; and a picture of uint8, whose every value is a colour
    image = as_uint8(colours(0.05)[0])
    image[0, :5], image[1, :5], image[2, 0] = (9, 8, 7), (9, 9, 9), (9, 50, 60)
    result = segment_image(image, 3, nodata=[9, 8, 7], random_state=0)
    assert (result.labels == -1).sum() == 5 and (result.labels[0, :5] == -1).all()
    assert segment_image(image, 3, nodata=9, random_state=0).n_nodata == 5


def test_marks_that_nobody_has_named_are_said():
    image = (200 * discs(0.05)[0]).astype(np.float32)
    image[:3] = -9999
    with pytest.warns(UserWarning, match=r"192 values .* exactly -9999, .*nodata=-9999") as seen:
        result = segment_image(image, 3, random_state=0)
    assert seen[0].filename == __file__ and result.sizes[0] == 192
    image[:3] = -3.4e38
    with pytest.raises(ValueError, match=r"192 values .*cannot be told apart: say nodata=-3\.4"):
        segment_image(image, 3, random_state=0)
    assert segment_image(image, 3, nodata=image[0, 0], random_state=0).n_nodata == 192


@pytest.mark.parametrize("make", [
    lambda rng: np.where(rng.random((40, 50)) < 0.5, 0, rng.normal(1500, 60, (40, 50))),
    lambda rng: (rng.random((40, 50)) < 0.3) * 1.0,
    lambda rng: np.clip(rng.normal(0.7, 0.3, (40, 50)), 0, 1),
    lambda rng: rng.standard_cauchy((40, 50)),
    lambda rng: np.clip(rng.gamma(1, 900, (40, 50)), 0, 4095).astype(np.uint16)])
def test_backgrounds_and_saturation_are_no_marks(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", EMWarning)
        segment_image(make(np.random.default_rng(0)), 2, "kmeans", random_state=0)


# --- seeds ------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothness", [0.0, 0.8])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_strokes_say_which_segment_is_which(dtype, smoothness):
    image, truth = discs(0.12)
    image = as_uint8(image) if dtype == "u1" else image.astype(dtype)
    order = np.array([2, 0, 1])         # the numbers that the user wants
    labels = np.full(truth.shape, -1)
    for k in range(3):
        where = np.argwhere(truth == k)[::40]
        labels[tuple(where.T)] = order[k]
    labels[0, 0] = 1                    # against the picture
    mask = np.ones(truth.shape, bool)
    mask[-3:] = False
    result = segment_image(image, 3, labels=labels, smoothness=smoothness, mask=mask,
                           random_state=0)
    assert dice(result.labels[mask], order[truth][mask]) > (0.97 if smoothness else 0.8)
    known = (labels >= 0) & mask
    np.testing.assert_array_equal(result.labels[known], labels[known])
    np.testing.assert_array_equal(result.posteriors[known], np.eye(3)[labels[known]])
    assert result.labels[0, 0] == 1 and (result.labels[~mask] == -1).all()
    assert np.argsort(result.colors[:, 0]).tolist() == [2, 0, 1]
    np.testing.assert_array_equal(np.argsort(result.model.means_[:, 0]), [2, 0, 1])
    np.testing.assert_array_equal(result.posteriors.argmax(axis=-1)[mask], result.labels[mask])
    hidden = np.ma.array(np.where(labels < 0, 7, labels), mask=labels < 0)
    again = segment_image(image, 3, labels=hidden, smoothness=smoothness, mask=mask,
                          random_state=0)
    np.testing.assert_array_equal(again.labels, result.labels)


@pytest.mark.parametrize("options", [
    {}, {"smoothness": 0.8}, {"method": "kmeans"}, {"covariance_type": "tied"},
    {"covariance_type": "diag"}, {"covariance_type": "spherical"}, {"color_space": "lab"}])
def test_means_say_which_segment_is_which(options):
    image, truth = colours(0.08)
    image = as_uint8(image)
    order = np.array([1, 2, 0])
    means = np.array([[160, 140, 160], [100, 75, 85], [85, 125, 100]])
    result = segment_image(image, 3, means_init=means, random_state=0, **options)
    assert dice(result.labels, order[truth]) > 0.98
    np.testing.assert_allclose(
        result.colors, [image[result.labels == k].mean(axis=0) for k in range(3)])


def test_seeds_find_what_no_start_does():
    # a class of five in a thousand between two others
    image, truth = tissue(0.04, 0.0)
    rare = np.zeros(truth.shape, bool)
    rare[18:22, 22:26, 4:9] = True
    image[rare] = np.random.default_rng(1).normal(260, 5, rare.sum())
    labels = np.full(truth.shape, -1)
    labels[19:21, 23:25, 5:7] = 3
    labels[tuple(np.argwhere((truth == 0) & ~rare)[::50].T)] = 0
    result = segment_image(image, 4, labels=labels, channel_axis=None, random_state=0)
    assert ((result.labels == 3) == rare).mean() > 0.999


# --- defaults ---------------------------------------------------------------------------


def test_small_classes_are_found():
    rng = np.random.default_rng(0)
    truth = np.zeros((50, 80), int)
    truth[10:40, 20:50] = 1
    truth[20:26, 30:36] = 2
    image = np.array([1200.0, 1500, 1800])[truth] + rng.normal(0, 60, truth.shape)
    for seed in range(5):
        result = segment_image(image.astype(np.float32), 3, random_state=seed, n_threads=1)
        assert dice(result.labels, truth) > 0.97


def test_the_tolerance_is_about_what_is_left():
    # a slow mixture: steps are short long before the end
    rng = np.random.default_rng(3)
    image = np.concatenate([rng.normal(80, 25, 4000), rng.normal(120, 12, 3000),
                            rng.normal(160, 30, 3000)])
    image = np.clip(np.rint(rng.permutation(image)), 0, 255).astype(np.uint8).reshape(100, 100)
    default = segment_image(image, 3, random_state=0)
    far = segment_image(image, 3, random_state=0, tol=1e-6, max_iter=20000)
    assert default.converged and far.converged
    assert (default.labels == far.labels).mean() > 0.99


def test_flat_segments_are_segments():
    rng = np.random.default_rng(0)
    truth = np.zeros((80, 100), int)
    truth[20:60, 20:50], truth[20:60, 50:80] = 1, 2
    image = np.full(truth.shape, 255.0)
    image[truth == 1] = np.clip(rng.normal(225, 8, 1200), 0, 254)
    image[truth == 2] = rng.normal(120, 15, 1200)
    for made in (np.rint(image).astype(np.uint8), (image / 255).astype(np.float32)):
        for n in (3, "auto"):
            result = segment_image(made, n, random_state=0, n_threads=1)
            assert dice(result.labels, 2 - truth) > 0.99


def test_where_every_segment_is_known_only_the_mask_counts():
    image, truth = colours(0.1)
    mask = np.random.default_rng(0).random(truth.shape) < 0.6
    known = np.ascontiguousarray(truth[:, ::-1])        # not what the pixels themselves say
    result = segment_image(image, 3, labels=known, mask=mask, random_state=0)
    np.testing.assert_array_equal(result.labels, np.where(mask, known, -1))
    for k in range(3):
        of_it = image[mask & (known == k)]
        np.testing.assert_allclose(result.model.means_[k], of_it.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(result.colors[k], of_it.mean(axis=0), rtol=1e-6)
