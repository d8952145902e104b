"""Segments of images of every kind, without smoothing."""

import doctest
import pickle

import numpy as np
import pytest
from phantoms import as_uint8, ball, colours, dice, discs
from problems import LAYOUTS
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning

import emkernels
from emkernels import GaussianMixture, Segmentation, segment_image
from emkernels.em import EMWarning
from emkernels.image import _result, _segment
from emkernels.image._raster import CHUNK
from emkernels.models.kmeans import KMeans

METHODS = ["em", "kmeans"]


def axes(make):
    """A volume is named as one: 'auto' would warn."""
    return {"channel_axis": None} if make is ball else {}


def features(image, n_channels=1):
    divisor = np.iinfo(image.dtype).max if image.dtype.kind in "iu" else 1
    return (image.reshape(-1, n_channels) / divisor).astype(
        image.dtype if image.dtype.kind == "f" else np.float32)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i8", "f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize("make, n", [(discs, 3), (colours, 3), (ball, 2)])
def test_every_kind_of_image(make, n, dtype, method):
    image, truth = make(0.05)
    image = image.astype(dtype) if dtype[-2] == "f" else as_uint8(image).astype(dtype)
    before = image.copy()
    image.flags.writeable = False
    result = segment_image(image, n, method, random_state=0, **axes(make))
    assert isinstance(result, Segmentation) and result.image is image
    np.testing.assert_array_equal(image, before)
    assert result.labels.shape == truth.shape and result.labels.dtype == np.int32
    assert dice(result.labels, truth) > 0.97
    assert result.n_segments == n and result.converged and result.n_iter >= 1
    np.testing.assert_array_equal(result.sizes, np.bincount(result.labels.ravel()))
    np.testing.assert_allclose(result.fractions, result.sizes / truth.size)
    values = image.reshape(truth.size, -1).astype(float)
    for k in range(n):
        np.testing.assert_allclose(
            result.colors[k], values[result.labels.ravel() == k].mean(axis=0), rtol=1e-6)
    assert (np.diff(result.colors.mean(axis=1)) > 0).all()
    assert isinstance(result.model, GaussianMixture if method == "em" else KMeans)
    assert result.selection is None and result.method == method and result.smoothness == 0
    assert result.lower_bounds[-1] >= result.lower_bounds[0] - 1e-6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_components_are_the_segments(dtype, method):
    image = as_uint8(colours(0.12)[0])
    image = image if dtype == "u1" else (image / 255).astype(dtype)
    order = set()
    for seed in range(4):
        result = segment_image(image, 4, method, random_state=seed)
        X = features(image, 3)
        np.testing.assert_array_equal(result.model.predict(X), result.labels.ravel())
        order.add(tuple(result.sizes))
        if method == "em":
            np.testing.assert_allclose(
                result.posteriors.reshape(-1, 4), result.model.predict_proba(X), atol=2e-6)
            np.testing.assert_array_equal(result.posteriors.argmax(axis=-1), result.labels)
            np.testing.assert_allclose(result.model.precisions_ @ result.model.covariances_,
                                       np.broadcast_to(np.eye(3), (4, 3, 3)), atol=1e-2)
        else:
            expected = result.labels[..., None] == np.arange(4)
            np.testing.assert_array_equal(result.posteriors, expected.astype(np.float32))
    assert result.posteriors.dtype == np.float32


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_covariance_types(covariance_type):
    image, truth = colours(0.08)
    result = segment_image(image, 3, covariance_type=covariance_type, random_state=1)
    assert dice(result.labels, truth) > 0.97
    np.testing.assert_array_equal(result.model.predict(features(image, 3)), result.labels.ravel())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, tmp_path):
    image = discs(0.1)[0].astype(np.float32)
    expected = segment_image(image, 3, random_state=0)
    result = segment_image(LAYOUTS[layout](image, tmp_path), 3, random_state=0)
    np.testing.assert_array_equal(result.labels, expected.labels)


def test_channels_elsewhere_and_alpha():
    image = as_uint8(colours(0.1)[0])
    expected = segment_image(image, 3, random_state=0)
    first = np.moveaxis(image, -1, 0)
    result = segment_image(first, 3, channel_axis=0, random_state=0)
    np.testing.assert_array_equal(result.labels, expected.labels)
    alpha = np.random.default_rng(0).integers(1, 256, (*image.shape[:2], 1), dtype=np.uint8)
    rgba = np.concatenate([image, alpha], axis=-1)
    result = segment_image(rgba, 3, random_state=0)
    np.testing.assert_array_equal(result.labels, expected.labels)
    assert result.colors.shape == (3, 3)
    rgba[5:9, 5:9, 3] = 0
    result = segment_image(rgba, 3, random_state=0)
    assert (result.labels == -1).sum() == 16 and result.sizes.sum() == alpha.size - 16
    assert segment_image(rgba, 3, channel_axis=-1, random_state=0).colors.shape == (3, 4)
    assert segment_image(rgba, 3, alpha=False, random_state=0).colors.shape == (3, 4)
    for more in ({"channel_axis": -1}, {}):
        wide = segment_image(rgba.astype(np.uint16), 3, alpha=True, random_state=0, **more)
        np.testing.assert_array_equal(wide.labels == -1, result.labels == -1)
        assert wide.colors.shape == (3, 3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_mask(dtype, method):
    image, truth = discs(0.05)
    image = as_uint8(image) if dtype == "u1" else image.astype(dtype)
    mask = np.random.default_rng(1).random(image.shape) < 0.6
    spoilt = np.where(mask, image, 251 if dtype == "u1" else np.inf).astype(dtype)
    result = segment_image(spoilt, 3, method, mask=mask, random_state=0)
    assert ((result.labels == -1) == ~mask).all()
    assert dice(result.labels[mask], truth[mask]) > 0.97
    assert result.sizes.sum() == mask.sum() and np.isclose(result.fractions.sum(), 1)
    assert (result.posteriors[~mask] == 0).all()
    np.testing.assert_allclose(result.posteriors[mask].sum(axis=1), 1, rtol=1e-5)
    # what lies outside has no influence
    again = segment_image(image, 3, method, mask=mask, random_state=0)
    np.testing.assert_array_equal(result.labels, again.labels)
    np.testing.assert_array_equal(result.colors, again.colors)


def test_lists_and_bool():
    result = segment_image([[1, 2, 3], [200, 201, 202]], 2)
    np.testing.assert_array_equal(result.labels, [[0, 0, 0], [1, 1, 1]])
    image = np.arange(300).reshape(15, 20) % 7 < 2
    result = segment_image(image, 2, random_state=0)
    np.testing.assert_array_equal(result.labels, image)
    np.testing.assert_array_equal(result.colors, [[0], [1]])


def test_unknown_values():
    image, truth = colours(0.05)
    rng = np.random.default_rng(0)
    image[rng.random(image.shape) < 0.1] = np.nan
    image[3, 4] = np.nan
    result = segment_image(image, 3, random_state=0)
    assert dice(result.labels, truth) > 0.95
    known = ~np.isnan(image).all(axis=-1)
    np.testing.assert_array_equal(result.model.predict(image[known]), result.labels[known])
    assert not known[3, 4] and (result.posteriors[~known] == 0).all()
    assert (result.labels[~known] == -1).all() and result.n_nodata == (~known).sum()
    for k in range(3):
        np.testing.assert_allclose(
            result.colors[k], np.nanmean(image[result.labels == k], axis=0))
    grey = discs(0.05)[0]
    grey[10:20] = np.nan
    for method in METHODS:
        labels = segment_image(grey, 3, method, random_state=0).labels
        assert (labels[10:20] == -1).all() and labels[:10].min() >= 0 and labels[20:].min() >= 0


def test_lab():
    image = as_uint8(colours(0.05)[0])
    result = segment_image(image, 3, color_space="lab", random_state=0)
    assert dice(result.labels, colours(0.05)[1]) > 0.97
    np.testing.assert_allclose(result.colors[0], image[result.labels == 0].mean(axis=0))
    from skimage.color import rgb2lab
    X = (rgb2lab(image).reshape(-1, 3) / 100).astype(np.float32)
    np.testing.assert_array_equal(result.model.predict(X), result.labels.ravel())


@pytest.mark.parametrize("method", METHODS)
def test_coordinates_tell_places_apart(method):
    image = np.random.default_rng(0).normal(0.5, 0.01, (20, 60))
    image[:, 20:40] += 1
    image[:, 40:] -= 0.001      # the ends have one colour
    result = segment_image(image, 3, method, coordinates=3.0, random_state=0)
    for columns in np.split(result.labels, 3, axis=1):
        values, counts = np.unique(columns, return_counts=True)
        assert counts.max() > 0.95 * columns.size
    assert len({np.bincount(part.ravel()).argmax() for part in np.split(result.labels, 3, 1)}) == 3
    assert result.colors.shape == (3, 1)
    flat = segment_image(np.zeros((10, 40)), 4, method, coordinates=1.0, random_state=0)
    assert flat.sizes.min() > 60 and (np.diff(flat.labels, axis=0) == 0).mean() > 0.85


@pytest.mark.filterwarnings("ignore:the number of components chosen, 3, is the largest")
def test_number_of_segments_by_a_criterion():
    image, truth = discs(0.04)
    for make in (lambda x: x, as_uint8):
        result = segment_image(make(image), "auto", random_state=0)
        assert result.n_segments == 3 and dice(result.labels, truth) > 0.97
        assert [row["n_components"] for row in result.selection.table] == list(range(1, 11))
        assert result.selection.best is result.model
    X = features(as_uint8(image))
    for criterion in ("bic", "icl", "aic"):
        with pytest.warns(EMWarning, match="chosen, 3, is the largest that was tried"):
            result = segment_image(as_uint8(image), [1, 3], criterion=criterion, random_state=0)
        assert result.n_segments == 3 and result.selection.criterion == criterion
        # pixels count, not distinct ones
        np.testing.assert_allclose(
            result.selection.table[1][criterion], getattr(result.model, criterion)(X), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:the number of components chosen, 3, is the largest")
@pytest.mark.filterwarnings("ignore:the number of components chosen, 1, is the smallest")
def test_the_criterion_that_is_asked_for_chooses():
    # of such overlapping segments the three criteria see three numbers
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 240, p=[0.45, 0.4, 0.15])
    values = np.array([0, 2.2, 5.0])[truth] + rng.normal(size=240)
    image = np.clip(np.rint(20 * values + 80), 0, 255).astype(np.uint8).reshape(12, 20)
    for criterion, n in (("aic", 3), ("bic", 2), ("icl", 1)):
        result = segment_image(image, [1, 2, 3], criterion=criterion, random_state=0)
        assert result.n_segments == n
        for row in result.selection.table:
            p = 3 * row["n_components"] - 1
            assert row["aic"] == pytest.approx(2 * p - 2 * row["log_likelihood"])
            assert row["bic"] == pytest.approx(p * np.log(240) - 2 * row["log_likelihood"])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "f8"])
def test_the_bound_of_kmeans_is_of_one_pixel(dtype, masked):
    image, _ = colours(0.1)
    image = as_uint8(image) if dtype == "u1" else image
    mask = np.random.default_rng(0).random(image.shape[:2]) < 0.7 if masked else None
    result = segment_image(image, 3, "kmeans", mask=mask, random_state=0)
    inside = result.labels >= 0
    assert inside.all() != masked
    X = image[inside] / (255 if dtype == "u1" else 1)
    gaps = X - result.model.cluster_centers_[result.labels[inside]]
    np.testing.assert_allclose(result.lower_bounds, [-(gaps**2).sum(axis=1).mean()], rtol=1e-5)


def test_integers_beyond_what_single_precision_holds_are_told_apart():
    # neighbours of 2^30 are 64 apart there
    truth = np.zeros((20, 30), int)
    truth[5:15, 10:20] = 1
    image = 2**30 + 3 * truth + np.random.default_rng(0).integers(2, size=truth.shape)
    image = image.astype(np.uint32)
    for method in METHODS:
        result = segment_image(image, 2, method, random_state=0)
        np.testing.assert_array_equal(result.labels, truth)
        means = result.model.means_ if method == "em" else result.model.cluster_centers_
        np.testing.assert_allclose(
            means[:, 0] * int(image.max()) - 2**30,
            [image[truth == k].astype(float).mean() - 2**30 for k in (0, 1)], atol=0.01)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("counted", [False, True])
def test_given_means_begin_with_the_pixels_that_are_nearest(counted, covariance_type):
    image = np.clip(np.rint(10 * colours(0.15)[0]) * 13 + 60, 0, 255).astype(np.uint8)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) < 0.5 * image.size / 3   # colours repeat
    means = np.array([[90.0, 70, 80], [90, 130, 100], [150, 140, 160]])
    X = image.reshape(-1, 3) / 255
    nearest = ((X[:, None] - means / 255) ** 2).sum(axis=-1).argmin(axis=1)
    counts, gaps = np.bincount(nearest), X - means[nearest] / 255
    assert counts.min() > 100
    within = gaps.T @ gaps / len(X) + 1e-4 * np.eye(3)
    if covariance_type == "diag":
        within = np.diag(np.diag(within))
    elif covariance_type == "spherical":
        within = np.trace(within) / 3 * np.eye(3)
    joint = np.log((counts + 1) / (counts + 1).sum()) + np.stack(
        [multivariate_normal(mean, within).logpdf(X) for mean in means / 255], axis=1)
    seen = []
    result = segment_image(
        image if counted else image / 255, 3, means_init=means if counted else means / 255,
        covariance_type=covariance_type, reg_covar=1e-4,
        callback=lambda state: seen.append(state) or True)
    assert result.n_iter == len(seen) == 1
    np.testing.assert_allclose(seen[0].lower_bound, logsumexp(joint, axis=1).mean(), rtol=1e-4)
    resp = softmax(joint, axis=1)
    np.testing.assert_allclose(seen[0].parameters.weights, resp.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(
        seen[0].parameters.means, resp.T @ X / resp.sum(axis=0)[:, None], rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_pixels_past_the_first_block(method):
    # what lies in the second block alone is a segment of its own
    shape = CHUNK // 512 + 24, 512
    truth = np.zeros(shape, int)
    truth[::3, 100:200] = 1
    truth[-6:] = 2
    image = np.array([[0.1, 0.5], [0.5, 0.3], [0.9, 0.7]], np.float32)[truth]
    image += np.random.default_rng(0).normal(0, 0.02, image.shape).astype(np.float32)
    mask = np.ones(shape, bool)
    mask[:, -8:] = False
    truth[~mask] = -1
    assert mask.sum() > CHUNK
    options = {"channel_axis": -1, "means_init": [[0.1, 0.5], [0.5, 0.3], [0.9, 0.7]]}
    result = segment_image(image, 3, method, mask=mask, **options)
    np.testing.assert_array_equal(result.labels, truth)
    np.testing.assert_array_equal(result.sizes, [(truth == k).sum() for k in range(3)])
    np.testing.assert_allclose(
        result.colors, [image[truth == k].mean(axis=0, dtype=float) for k in range(3)], rtol=1e-6)
    np.testing.assert_allclose(
        result.posteriors, truth[..., None] == np.arange(3), atol=1e-6)
    tints = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])
    np.testing.assert_array_equal(
        result.overlay(1.0, boundaries=False, colors=tints)[mask], tints[truth[mask]])


@pytest.mark.parametrize("sizes, tried", [("auto", [1, 2]), (range(2, 9), [2]), ([5, 7], [2])])
def test_no_more_segments_than_different_pixels(sizes, tried):
    two = np.repeat(np.array([[3, 90]], np.uint8), 5, axis=0)
    with pytest.warns(EMWarning, match="only 2 different pixels take part, so that no number of "
                                       "segments above 2 is tried"):
        result = segment_image(two, sizes)
    assert [row["n_components"] for row in result.selection.table] == tried
    np.testing.assert_array_equal(result.colors, [[3], [90]])


@pytest.mark.parametrize("smoothness", [0, 1.0])
@pytest.mark.parametrize("image", [
    np.full((5, 6), 7, np.uint8), np.full((5, 6, 3), 0.3), np.ones((4, 5), bool),
    np.zeros((4, 5)), np.full((1, 1), 9, np.uint8), np.full((2, 3, 4), -2.5, np.float32)])
def test_one_colour_is_one_segment(image, smoothness):
    options = {"smoothness": smoothness, "channel_axis": -1 if image.ndim == 3 else None}
    for sizes in ("auto", [2, 3]):
        with pytest.warns(EMWarning, match="all pixels that take part are the same, so that no"):
            result = segment_image(image, sizes, **options)
        assert result.n_segments == 1 and (result.labels == 0).all()
        np.testing.assert_allclose(result.colors, image.reshape(-1)[0], rtol=1e-6)
    result = segment_image(image, 1, **options)
    assert result.converged and result.sizes == [result.labels.size]
    assert (result.posteriors == 1).all()


@pytest.mark.parametrize("inside", [np.uint8(255), np.uint8(1), 1, 1.0])
def test_masks_of_numbers(inside):
    image = as_uint8(discs(0.1)[0])
    mask = np.zeros(image.shape, bool)
    mask[5:30, 9:50] = True
    wanted = segment_image(image, 2, mask=mask, random_state=0)
    found = segment_image(image, 2, mask=np.where(mask, inside, inside * 0), random_state=0)
    np.testing.assert_array_equal(found.labels, wanted.labels)
    everywhere = segment_image(image, 2, mask=np.full(image.shape, inside), random_state=0)
    assert (everywhere.labels >= 0).all()


@pytest.mark.parametrize("options", [
    {}, {"method": "kmeans"}, {"smoothness": 1.0}, {"coordinates": 1.0}])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_same_bits_for_every_number_of_threads(dtype, options):
    image = colours(0.2, shape=(90, 120))[0]
    image = as_uint8(image) if dtype == "u1" else image.astype(dtype)
    one, *others = (segment_image(image, 3, random_state=5, n_init=2, n_threads=n, **options)
                    for n in (1, 2, 3))
    for other in others:
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.colors, other.colors)
        np.testing.assert_array_equal(one.posteriors, other.posteriors)
        assert one.lower_bounds == other.lower_bounds


def test_random_only_by_random_state():
    image = as_uint8(colours(0.3)[0])
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    a, b = (segment_image(image, 5, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(a.labels, b.labels)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    generator = np.random.RandomState(3)
    np.testing.assert_array_equal(a.labels, segment_image(image, 5, random_state=generator).labels)


def test_callback_and_starts():
    image = discs(0.1)[0]
    seen = []
    result = segment_image(image, 3, n_init=3, random_state=0,
                           callback=lambda state: seen.append((state.init, state.n_iter)))
    # that of the start that went on
    assert {init for init, _ in seen} == {0} and len(seen) <= result.n_iter == seen[-1][1]
    result = segment_image(image, 3, random_state=0, callback=lambda state: state.n_iter == 2)
    assert result.n_iter == 2 and not result.converged


def test_a_segment_without_pixels():
    # the wide component is nowhere the most probable one
    image = np.concatenate([np.linspace(0, 1, 50), np.full(3000, 0.5)]).reshape(50, 61)
    sizes, colors = _segment._measure(
        np.array([0, 2, 2, -1]), np.array([[1.0], [2], [np.nan], [9]]), None,
        np.array([[7.0], [8], [9]]))
    np.testing.assert_array_equal(sizes, [1, 0, 2])
    np.testing.assert_array_equal(colors, [[1], [8], [2]])
    assert segment_image(image, 2, random_state=0).sizes.sum() == image.size
    values = np.random.default_rng(0).normal(size=(60, 50))
    with (pytest.warns(ConvergenceWarning),
          pytest.warns(EMWarning, match="segment 0 of 2 is empty: no pixel") as seen):
        result = segment_image(values, 2, means_init=[[-50], [0]], max_iter=1)
    np.testing.assert_array_equal(result.sizes, [0, 3000])
    assert seen[-1].filename == __file__


def test_few_levels_do_not_warn_unless_asked_for():
    image = np.random.default_rng(23).integers(0, 2, (50, 60, 3))
    segment_image(image, 2, random_state=23)
    with pytest.warns(EMWarning, match="reg_covar=0.0833 is not small"):
        segment_image(image, 2, random_state=23, reg_covar=1 / 12)


def test_results_can_be_pickled():
    result = segment_image(as_uint8(discs(0.1)[0]), 3, random_state=0)
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(again.labels, result.labels)
    np.testing.assert_array_equal(again.posteriors, result.posteriors)


def test_example_and_names():
    for module, least in ((_segment, 4), (_result, 4)):
        found = doctest.testmod(module)
        assert found.failed == 0 and found.attempted >= least
    assert {"segment_image", "Segmentation"} <= set(emkernels.__all__)


def test_two_colours_are_no_edge_of_the_range():
    """Where pixels end the range, it is said once, and not that there may be more segments."""
    image = np.full((20, 20), 7, np.uint8)
    image[:5] = 200
    with pytest.warns(EMWarning) as caught:
        result = segment_image(image, "auto", random_state=0)
    assert result.sizes.tolist() == [300, 100]
    assert [str(warning.message).partition(",")[0] for warning in caught] == [
        "only 2 different pixels take part"]
