"""Reading images: axes, masks, counting of pixels that repeat."""

import numpy as np
import pytest
import reference

from emkernels import GaussianMixture, kernels, segment_image
from emkernels.image._pixels import AllPixels, CountedPixels, mean_variance, read_pixels
from emkernels.image._raster import CHUNK, read_raster

INTEGERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i2", ">u4"]


def integers(rng, dtype, shape, span=200):
    if dtype == "?":
        return rng.random(shape) < 0.4
    info = np.iinfo(dtype)
    low = max(info.min, -span // 3)
    return rng.integers(low, min(info.max, low + span), shape, endpoint=True).astype(dtype)


@pytest.mark.parametrize("shape, channel_axis, spatial, n_channels", [
    ((5, 7), "auto", (5, 7), 1),
    ((5, 7, 1), "auto", (5, 7), 1),
    ((5, 7, 3), "auto", (5, 7), 3),
    ((5, 7, 4), "auto", (5, 7), 4),
    ((5, 7, 2), "auto", (5, 7, 2), 1),
    ((5, 7, 6), "auto", (5, 7, 6), 1),
    ((5, 7, 6, 2), "auto", (5, 7, 6), 2),
    ((5, 7, 6, 4), "auto", (5, 7, 6), 4),
    ((5, 7, 3), None, (5, 7, 3), 1),
    ((5, 7, 4), -1, (5, 7), 4),
    ((5, 7, 6), 0, (7, 6), 5),
    ((5, 7, 6), np.int64(1), (5, 6), 7),
    ((5, 7, 6, 2), 1, (5, 6, 2), 7),
])
def test_axes(rng, shape, channel_axis, spatial, n_channels):
    image = rng.random(shape) + 0.1
    raster = read_raster(image, channel_axis)
    assert raster.shape == spatial
    assert raster.values.shape == (np.prod(spatial), n_channels)
    axis = -1 if channel_axis == "auto" else channel_axis
    if n_channels > 1:
        moved = np.moveaxis(image, axis, -1)[..., :n_channels]
        np.testing.assert_array_equal(raster.values.reshape(moved.shape), moved)
    else:
        np.testing.assert_array_equal(raster.values.reshape(spatial), image.reshape(spatial))


def test_values_are_a_view_where_the_layout_allows(rng):
    image = rng.integers(256, size=(20, 30, 4), dtype=np.uint8)
    assert np.shares_memory(read_raster(image).values, image)
    image = rng.random((20, 30, 3), dtype=np.float32)
    assert np.shares_memory(read_pixels(read_raster(image)).rows, image)


def test_transparent_pixels_are_outside(rng):
    image = rng.integers(1, 256, size=(6, 7, 4), dtype=np.uint8)
    assert read_raster(image).inside is None
    image[2, 3, 3] = image[4, 4, 3] = 0
    inside = read_raster(image).inside.reshape(6, 7)
    assert not inside[2, 3] and not inside[4, 4] and inside.sum() == 40
    mask = np.ones((6, 7), bool)
    mask[0, 0] = False
    assert read_raster(image, mask=mask).n_inside == 39
    assert read_raster(image, -1).inside is None


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("n_channels, span", [(1, 7), (3, 7), (3, 100)])    # the last: no table
@pytest.mark.parametrize("dtype", INTEGERS)
def test_counting_is_exact(rng, dtype, n_channels, span, masked):
    image = integers(rng, dtype, (31, 23, n_channels), span=span)
    mask = rng.random((31, 23)) < 0.7 if masked else None
    raster = read_raster(image, -1, mask)
    pixels = read_pixels(raster)
    assert isinstance(pixels, CountedPixels)
    inside = image.reshape(-1, n_channels)
    inside = inside if mask is None else inside[mask.ravel()]
    distinct, counts = np.unique(inside, axis=0, return_counts=True)
    np.testing.assert_array_equal(pixels.values, distinct)
    np.testing.assert_array_equal(pixels.weight, counts)
    np.testing.assert_allclose(pixels.rows, distinct / raster.divisor, rtol=1e-6)
    # back to every pixel
    out = np.full((31 * 23, n_channels), 111, pixels.values.dtype)
    pixels.spread(pixels.values, out)
    expected = image.astype(out.dtype).reshape(-1, n_channels)
    if masked:
        expected[~mask.ravel()] = 111
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("low", [-2**63, -5, 2**62])
def test_counting_far_from_zero(rng, low):
    image = low + rng.integers(0, 50, (20, 20))
    pixels = read_pixels(read_raster(image))
    np.testing.assert_array_equal(pixels.values[:, 0], np.unique(image))
    image = np.uint64(2**64 - 60) + rng.integers(0, 50, (20, 20)).astype(np.uint64)
    np.testing.assert_array_equal(read_pixels(read_raster(image)).values[:, 0], np.unique(image))


def test_more_pixels_than_a_block(rng):
    image = rng.integers(9, size=(CHUNK // 100, 321), dtype=np.uint8)
    mask = rng.random(image.shape) < 0.5
    pixels = read_pixels(read_raster(image, mask=mask))
    np.testing.assert_array_equal(pixels.weight, np.bincount(image[mask]))
    out = np.full(image.size, -1, np.int32)
    pixels.spread(np.arange(9, dtype=np.int32), out)
    np.testing.assert_array_equal(out.reshape(image.shape), np.where(mask, image, np.int32(-1)))


def test_what_is_counted(rng):
    def kind(image, channel_axis="auto", **options):
        return type(read_pixels(read_raster(image, channel_axis), **options))

    assert kind(integers(rng, "u1", (9, 9, 3))) is CountedPixels
    assert kind(integers(rng, "u2", (9, 9))) is CountedPixels
    assert kind(integers(rng, "i8", (9, 9, 3))) is CountedPixels         # few bits in use
    assert kind(rng.integers(2**15, 2**16, (9, 9, 3), dtype="u2")) is AllPixels
    assert kind(rng.integers(256, size=(9, 9, 4), dtype="u1"), -1) is AllPixels
    assert kind(rng.random((9, 9, 3))) is AllPixels
    assert kind(integers(rng, "u1", (9, 9, 3)), coordinates=1.0) is AllPixels


@pytest.mark.parametrize("covariance_type", reference.COVARIANCE_TYPES)
def test_the_fit_is_that_of_all_pixels(rng, covariance_type):
    image = np.clip(rng.normal([60, 90, 160], 12, (40, 50, 3)), 0, 255).astype(np.uint8)
    image[10:30, 10:25] //= 2
    pixels = read_pixels(read_raster(image))
    assert 1000 < len(pixels.rows) < 2000
    every = (image.reshape(-1, 3) / 255).astype(np.float32)
    start = GaussianMixture(3, covariance_type=covariance_type, random_state=0, max_iter=2, tol=9)
    start.fit(every)
    given = {"weights_init": start.weights_, "means_init": start.means_,
             "precisions_init": start.precisions_, "max_iter": 8, "tol": 0.0,
             "reg_covar": pixels.reg_covar, "covariance_type": covariance_type}
    with pytest.warns(UserWarning, match="did not converge"):
        counted = GaussianMixture(3, **given).fit(pixels.rows, sample_weight=pixels.weight)
        plain = GaussianMixture(3, **given).fit(every)
    np.testing.assert_allclose(counted.lower_bounds_, plain.lower_bounds_, rtol=1e-6)
    np.testing.assert_allclose(counted.means_, plain.means_, rtol=1e-5)
    np.testing.assert_allclose(counted.weights_, plain.weights_, rtol=1e-4)
    np.testing.assert_allclose(
        counted.covariances_, plain.covariances_, rtol=1e-3,
        atol=1e-4 * np.abs(plain.covariances_).max())
    model = (counted.weights_, counted.means_, counted.precisions_cholesky_, covariance_type)
    found = kernels.em_statistics(pixels.rows, *model, sample_weight=pixels.weight)
    for ours, theirs in zip(found, reference.em_statistics(every, *model)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dtype, divisor", [
    ("?", 1), ("u1", 255), ("i1", 127), ("u2", 65535), ("i2", 32767), ("i4", 40), ("u8", 40)])
def test_scale_and_least_variance_of_integers(dtype, divisor):
    image = np.array([[0, 1, 1], [1, 0, 1]]) * (1 if dtype == "?" else 40)
    for coordinates in (0.0, 1.0):
        pixels = read_pixels(read_raster(image.astype(dtype)), coordinates=coordinates)
        np.testing.assert_allclose(pixels.rows[:, 0].max(), image.max() / divisor, rtol=1e-6)
        if dtype != "?":
            np.testing.assert_allclose(pixels.reg_covar, 1 / divisor**2 / 12)
        else:
            assert 0 < pixels.reg_covar < 1e-6


def test_rows_of_floats(rng):
    image = rng.random((30, 20, 3))
    pixels = read_pixels(read_raster(image))
    assert pixels.rows.dtype == np.float64 and pixels.weight is None
    np.testing.assert_allclose(pixels.reg_covar, 1e-6 * image.reshape(-1, 3).var(axis=0).mean())
    for dtype in ("f2", "f4", ">f4"):
        assert read_pixels(read_raster(image.astype(dtype))).rows.dtype == np.float32
    assert read_pixels(read_raster(image.astype(">f8"))).rows.dtype == np.float64
    assert read_pixels(read_raster((image * 1e20).astype("f4"))).rows.dtype == np.float64
    assert read_pixels(read_raster(rng.integers(2**40, size=(5, 5)))).rows.dtype == np.float64


def test_mean_variance_leaves_nan_out(rng):
    rows = rng.normal(size=(CHUNK + 5, 2)) * [1, 3] + 100
    rows[rng.random(rows.shape) < 0.2] = np.nan
    np.testing.assert_allclose(mean_variance(rows), np.nanvar(rows, axis=0).mean())


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
@pytest.mark.parametrize("shape", [(12, 30), (5, 20, 8)])
def test_coordinates(rng, shape, dtype):
    image = (rng.random((*shape, 3)) * 255).astype(dtype)
    mask = rng.random(shape) < 0.8
    for inside in (None, mask):
        raster = read_raster(image, -1, inside)
        plain = AllPixels(raster, lambda values: values / np.float32(255), 0.0).rows
        rows = read_pixels(raster, coordinates=2.0).rows
        colours, place = rows[:, :3], rows[:, 3:]
        if dtype == "u1":
            np.testing.assert_allclose(colours, plain, rtol=1e-6)
        where = np.argwhere(np.ones(shape, bool) if inside is None else inside)
        # the longest side spans 2 sqrt(12) standard deviations of the colours
        span = 2 * np.sqrt(12 * np.mean(colours.astype(float).var(axis=0)))
        np.testing.assert_allclose(place, where * span / (max(shape) - 1), rtol=1e-5)


def test_coordinates_past_the_second_block(rng):
    shape = 3, CHUNK - 100
    mask = rng.random(shape) < 0.8
    mask[:, -1] = True
    pixels = read_pixels(read_raster(np.zeros(shape, np.float32), mask=mask), coordinates=2.0)
    np.testing.assert_allclose(
        pixels.rows[:, 1:], np.argwhere(mask) * 2 / (CHUNK - 101), rtol=1e-5, atol=1e-7)


def test_lab_is_that_of_scikit_image(rng):
    from skimage.color import rgb2lab

    image = rng.integers(256, size=(30, 20, 3), dtype=np.uint8)
    expected = rgb2lab(image).reshape(-1, 3) / 100
    pixels = read_pixels(read_raster(image), color_space="lab")
    out = np.empty((600, 3), np.float32)
    pixels.spread(pixels.rows, out)
    np.testing.assert_allclose(out, expected, atol=1e-6)
    np.testing.assert_allclose(pixels.colours(pixels.rows), pixels.values, atol=0.02)
    for other in (image / 255, (image / 255).astype("f4"), image.astype("u2") * 257):
        rows = read_pixels(read_raster(other), color_space="lab").rows
        if len(rows) == 600:
            np.testing.assert_allclose(rows, expected, atol=1e-5)
    assert len(rows) == 600


def test_distinct_rows(rng):
    def found(image, enough=9, **options):
        return read_pixels(read_raster(image), **options).n_distinct(enough)

    steps = np.repeat(np.arange(5.0), 8).reshape(5, 8)
    assert found(steps) == 5 and found(steps.astype(np.uint8)) == 5
    assert found(steps, 3) == 3
    steps[0] = np.nan
    assert found(steps) == 4            # NaN alone is no value
    colours = np.stack([steps, steps, np.zeros_like(steps)], axis=-1)
    assert found(colours) == 5          # but a value beside NaN is
    assert found(steps, 2, coordinates=1.0) == 32
    late = np.zeros((CHUNK // 64 + 1, 64))
    late[-1, -3:] = 1, 2, 3
    assert found(late) == 4


@pytest.mark.filterwarnings("ignore:Best performing")      # noise has no segments
def test_wide_integers_have_a_variance_that_float32_tells():
    # four bands, one of which the others give: no likelihood has a maximum without it
    rng = np.random.default_rng(0)
    bands = rng.integers(0, 250, (40, 50, 3)).astype(np.uint16) * 40
    bands = np.concatenate([bands, 10_000 - bands[..., :1]], axis=-1)
    result = segment_image(bands, 3, channel_axis=-1, random_state=0)
    assert result.sizes.sum() == 2000
    mean = (bands.reshape(-1, 4) / 65535.0).var(axis=0).mean()
    pixels = read_pixels(read_raster(bands, -1))
    assert pixels.reg_covar == pytest.approx(1e-7 * mean, rel=1e-4)
    eight = read_pixels(read_raster((bands // 40).astype(np.uint8), -1))
    assert eight.reg_covar == 1 / 255**2 / 12


def test_integers_with_an_unknown_channel_are_divided_as_others():
    """What is unknown changes neither the units of the features, nor the picture."""
    image = np.random.default_rng(0).integers(0, 60, (40, 50, 3), dtype=np.uint8)
    image[10:30, 10:30] += 150
    whole = segment_image(image, 2, random_state=0)
    hidden = np.zeros(image.shape, bool)
    hidden[:2, :, 1] = True
    result = segment_image(np.ma.masked_array(image, hidden), 2, random_state=0)
    np.testing.assert_allclose(result.model.means_, whole.model.means_, atol=0.01)
    assert result.model.reg_covar == whole.model.reg_covar == 1 / 255**2 / 12
    assert result.limits is None
    np.testing.assert_array_equal(result.displayed()[2:], image[2:])
    np.testing.assert_array_equal(result.labels[2:], whole.labels[2:])
    # outside of the mask nothing is unknown: pixels are counted, those of signed types too
    mask = np.ones(image.shape[:2], bool)
    mask[:2] = False
    grey = image[..., 1].astype(np.int16) - 100
    two = np.ma.masked_array(np.dstack([grey, grey]), np.dstack([hidden[..., 1], hidden[..., 0]]))
    inside = segment_image(two, 2, mask=mask, channel_axis=-1, random_state=0)
    wanted = segment_image(grey, 2, mask=mask, random_state=0)
    np.testing.assert_array_equal(inside.labels, wanted.labels)
    np.testing.assert_allclose(inside.colors[:, 0], wanted.colors[:, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_pixel_without_a_channel_has_no_lab(dtype):
    pytest.importorskip("skimage")
    image = np.random.default_rng(0).integers(0, 60, (40, 50, 3), dtype=np.uint8)
    image[10:30, 10:30] += 150
    if dtype == np.float32:
        image = image.astype(np.float32) / 255
    hidden = np.zeros(image.shape, bool)
    hidden[:2, :, 1] = True
    result = segment_image(
        np.ma.masked_array(image, hidden), 2, color_space="lab", random_state=0)
    assert (result.labels[:2] == -1).all() and result.n_nodata == 100
    mask = ~hidden[..., 1]
    np.testing.assert_array_equal(result.labels, segment_image(
        image, 2, color_space="lab", mask=mask, random_state=0).labels)
