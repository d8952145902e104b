"""Smoothed segmentations, against the oracle and against the truth."""

import contextlib
import tracemalloc

import numpy as np
import pytest
import reference
from phantoms import as_uint8, ball, colours, dice, discs, tissue
from sklearn.exceptions import ConvergenceWarning

from emkernels import GaussianMixture, kernels, segment_image
from emkernels.components.gaussian.density import GaussianComponents
from emkernels.components.gaussian.structures import structure_of
from emkernels.data import Rows
from emkernels.em import EMWarning, run_em
from emkernels.image import _smoothing
from emkernels.image._raster import CHUNK
from emkernels.latent import field as field_module
from emkernels.latent.field import Field, FieldStatistics, PottsMixture
from emkernels.models.mixture.fitted import parameters_of


def grid(shape, n_features, covariance_type, seed=0):
    """Rows of a grid with unknown pixels, a mask, a field and a model."""
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    X = rng.normal(size=(n, n_features))
    X[rng.random(n) < 0.1, 0] = np.nan
    mask = rng.random(n) < 0.85
    resp = rng.dirichlet(np.ones(3), size=n)
    factors = {
        "full": np.triu(rng.normal(size=(3, n_features, n_features)), 1) + 1.5 * np.eye(n_features),
        "tied": np.triu(rng.normal(size=(n_features, n_features)), 1) + 1.5 * np.eye(n_features),
        "diag": rng.uniform(0.5, 2, (3, n_features)), "spherical": rng.uniform(0.5, 2, 3),
    }[covariance_type]
    return X, mask, resp, (rng.dirichlet(np.ones(3)), rng.normal(size=(3, n_features)), factors,
                           covariance_type)


@pytest.mark.parametrize("covariance_type", reference.COVARIANCE_TYPES)
@pytest.mark.parametrize("shape", [(7, 9), (4, 5, 6), (1, 8)])
@pytest.mark.parametrize("masked", [False, True])
def test_the_kernel_is_the_oracle(shape, covariance_type, masked):
    X, mask, resp, model = grid(shape, 2, covariance_type)
    options = {"shape": shape, "smoothness": 0.7, "mask": mask if masked else None}
    ours, theirs = resp.copy(), resp.copy()
    for _ in range(3):
        found = kernels.potts_statistics(X, *model, resp=ours, **options)
        expected = reference.potts_statistics(X, *model, resp=theirs, **options)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
        for a, b in zip(found, expected):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def axes(make):
    """A volume is named as one: 'auto' would warn."""
    return {"channel_axis": None} if make is ball else {}


def model_on_grid(X, covariance_type, shape, smoothness, *, mask=None, kind=PottsMixture):
    rows = Rows(X)
    field = Field(rows, shape, mask)
    return kind(GaussianComponents(structure_of(covariance_type)), smoothness), rows, field


class OracleMixture(PottsMixture):
    def accumulate(self, rows, parameters):
        field, type_ = rows.kept["field"], self.components.structure.name
        counts, first, second, _, log_likelihood, prior = reference.potts_statistics(
            rows.X, parameters.weights, parameters.means, parameters.precisions_cholesky,
            type_, shape=field.shape, smoothness=self.smoothness, resp=field.resp,
            mask=field.mask)
        out = FieldStatistics(type_, parameters.means, counts, first, second, log_likelihood)
        out.prior, out.total, out.n_rows = prior, field.n_known, len(rows)
        return out


def test_em_on_the_grid_is_that_of_the_oracle():
    image, truth = discs(0.15)
    image[5:8, 5:8] = np.nan
    mask = np.random.default_rng(0).random(image.size) < 0.9
    X, labels = image.reshape(-1, 1), truth.ravel().astype(np.int32)
    histories, fields, fitted = [], [], []
    for kind in (PottsMixture, OracleMixture):
        model, rows, field = model_on_grid(X, "full", image.shape, 1.0, mask=mask, kind=kind)
        known = mask & ~np.isnan(X[:, 0])
        assert field.n_known == np.count_nonzero(known)
        start = model.of_labels(rows, labels, 3)
        for k in range(3):
            of_it = X[known & (labels == k), 0]
            np.testing.assert_allclose(start.means[k], of_it.mean())
            np.testing.assert_allclose(start.covariances[k], of_it.var())
        field.resp = np.full((len(X), 3), 1 / 3)
        result = run_em(model, rows, lambda i: start, max_iter=6, tol=0.0)
        fitted.append(result.parameters.weights)
        histories.append(result.history)
        fields.append(field.resp)
    np.testing.assert_allclose(*histories, rtol=1e-10)
    np.testing.assert_allclose(*fitted, rtol=1e-8)
    np.testing.assert_allclose(fields[0][mask], fields[1][mask], atol=1e-8)


@pytest.mark.parametrize("covariance_type", reference.COVARIANCE_TYPES)
@pytest.mark.parametrize("make, n", [(discs, 3), (colours, 3), (ball, 2)])
def test_where_it_settles_the_mean_prior_is_the_mean_posterior(make, n, covariance_type):
    image, truth = make(0.12)
    X = image.reshape(truth.size, -1)
    model, rows, field = model_on_grid(X, covariance_type, truth.shape, 0.4)
    labels = truth.reshape(-1).astype(np.int32)
    parameters = model.of_labels(rows, labels, n)
    field.resp = np.eye(n)[labels]
    result = run_em(model, rows, lambda i: parameters, max_iter=2000, tol=1e-13)
    assert result.converged
    weights, q = result.parameters.weights, field.resp
    joint = np.log(weights) + 0.4 * reference.neighbour_sums(q, truth.shape, np.ones(len(q), bool))
    prior = reference.responsibilities(joint)[0].mean(axis=0)
    np.testing.assert_allclose(prior, q.mean(axis=0), atol=1e-5)
    # the weights are not the shares: neighbours have said most of what these say
    if make is not colours:     # whose shares are equal
        assert np.abs(weights - q.mean(axis=0)).max() > 0.02


def test_without_smoothness_it_is_the_mixture():
    X = colours(0.2)[0].reshape(-1, 3)
    given = GaussianMixture(3, random_state=0, max_iter=3, tol=9).fit(X)
    with pytest.warns(ConvergenceWarning):
        plain = GaussianMixture(
            3, weights_init=given.weights_, means_init=given.means_, reg_covar=0,
            precisions_init=given.precisions_, max_iter=12, tol=0).fit(X)
    model, rows, field = model_on_grid(X, "full", (40, 60), 0.0)
    field.resp = np.full((len(X), 3), 1 / 3)
    result = run_em(model, rows, lambda i: parameters_of(given), max_iter=12, tol=0)
    np.testing.assert_allclose(result.history, plain.lower_bounds_, rtol=1e-10)
    np.testing.assert_allclose(result.parameters.weights, plain.weights_, rtol=1e-8)
    np.testing.assert_allclose(result.parameters.means, plain.means_, rtol=1e-8)


@pytest.mark.parametrize("noise, inhomogeneity", [(0.03, 0.4), (0.09, 0.0)])
def test_little_smoothness_is_nearly_none(noise, inhomogeneity):
    image, truth = tissue(noise, inhomogeneity)
    options = {"channel_axis": None, "random_state": 0}
    plain = segment_image(image, 3, **options)
    little = segment_image(image, 3, smoothness=1e-6, **options)
    assert (little.labels == plain.labels).mean() > 0.998
    np.testing.assert_allclose(little.fractions, plain.fractions, atol=2e-3)
    np.testing.assert_allclose(little.lower_bounds[-1], plain.lower_bounds[-1], atol=1e-3)
    # and more of it never costs
    scores = [dice(plain.labels, truth)]
    for smoothness in (0.1, 0.3, 0.5, 1.0):
        scores.append(dice(
            segment_image(image, 3, smoothness=smoothness, **options).labels, truth))
    assert np.diff(scores).min() > -2e-3 and scores[-1] > scores[0], scores
    assert scores[0] > (0.98 if noise < 0.05 else 0.92) and scores[-1] > 0.98


def test_the_start_is_chosen_by_what_neighbours_foretell():
    # where noise is large, the objective itself prefers posteriors that repeat each pixel
    image, truth = discs(0.3, shape=(96, 128))
    truth = np.kron(discs(0)[1], np.ones((2, 2), int))
    image = np.array([0.2, 0.5, 0.8])[truth] + np.random.default_rng(0).normal(0, 0.3, truth.shape)
    result = segment_image(as_uint8(image), 3, smoothness=1.0, random_state=0)
    assert dice(result.labels, truth) > 0.9


def test_held_out_is_that_of_the_mixture_without_smoothness():
    X = colours(0.2)[0].reshape(-1, 3)
    fitted = GaussianMixture(3, random_state=0).fit(X)
    model, _, field = model_on_grid(X, "full", (40, 60), 0.0)
    field.resp = np.full((len(X), 3), 1 / 3)
    even = np.indices((40, 60)).sum(axis=0).reshape(-1) % 2 == 0
    np.testing.assert_allclose(
        field.held_out(model, parameters_of(fitted)), fitted.score_samples(X)[even].mean(),
        rtol=1e-10)
    assert (field.resp == 1 / 3).all()


def test_parts_of_a_large_image_stand_for_it(monkeypatch):
    image, truth = discs(0.15, shape=(48, 640))
    X, labels = image.reshape(-1, 1), truth.reshape(-1).astype(np.int32)
    model, rows, whole = model_on_grid(X, "full", truth.shape, 0.5)
    parameters = model.of_labels(rows, labels, 3)
    whole.resp = np.eye(3)[labels]
    everything = whole.weights_of(parameters.weights, 0.5), whole.held_out(model, parameters)
    monkeypatch.setattr(field_module, "JUDGED", 640 * 24)
    parts = whole.slabs()
    assert len(parts) == 8 and sum(np.prod(shape) for _, shape in parts) == 640 * 24
    assert parts[0][0].start == 0 and parts[-1][0].stop == len(X)
    np.testing.assert_allclose(whole.weights_of(parameters.weights, 0.5), everything[0], atol=0.05)
    np.testing.assert_allclose(whole.held_out(model, parameters), everything[1], atol=0.05)


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
@pytest.mark.parametrize("make, n, noise", [(discs, 3, 0.15), (colours, 3, 0.2), (ball, 2, 0.2)])
def test_smoothing_comes_nearer_to_the_truth(make, n, noise, dtype):
    image, truth = make(noise)
    image = as_uint8(image) if dtype == "u1" else image.astype(dtype)
    before = image.copy()
    plain = segment_image(image, n, random_state=0, **axes(make))
    smooth = segment_image(image, n, smoothness=1.0, random_state=0, **axes(make))
    assert dice(smooth.labels, truth) > 0.95
    assert dice(smooth.labels, truth) > dice(plain.labels, truth) + 0.03
    np.testing.assert_array_equal(image, before)
    assert smooth.smoothness == 1 and smooth.converged and isinstance(smooth.model, GaussianMixture)
    # what the smoothed result says of itself
    assert smooth.posteriors.shape == (*truth.shape, n) and smooth.posteriors.dtype == np.float32
    np.testing.assert_array_equal(smooth.posteriors.argmax(axis=-1), smooth.labels)
    np.testing.assert_allclose(smooth.posteriors.sum(axis=-1), 1, rtol=1e-5)
    assert smooth.posteriors.base is smooth.posteriors.base is not None     # kept, not made anew
    np.testing.assert_array_equal(smooth.sizes, np.bincount(smooth.labels.ravel(), minlength=n))
    assert (np.diff(smooth.colors.mean(axis=1)) > 0).all()
    values = image.reshape(truth.size, -1)
    for k in range(n):
        np.testing.assert_allclose(
            smooth.colors[k], values[smooth.labels.ravel() == k].mean(axis=0, dtype=float))
    # the means of the model are those of the smoothed posteriors, in the same order
    scale = 255 if dtype == "u1" else 1
    np.testing.assert_allclose(smooth.model.means_ * scale, smooth.colors, rtol=0.03)
    np.testing.assert_allclose(
        smooth.model.weights_, smooth.posteriors.reshape(-1, n).mean(axis=0), rtol=1e-3)


def test_noise_that_no_single_pixel_shows_through():
    # the fit without neighbours is no start here, K-means of the blurred image is
    for make, n, noise in ((ball, 2, 0.4), (colours, 3, 0.4)):
        image, truth = make(noise)
        plain = segment_image(image, n, random_state=0, tol=1.0, **axes(make))
        assert dice(plain.labels, truth) < 0.7
        result = segment_image(image, n, smoothness=1.0, random_state=0, **axes(make))
        assert dice(result.labels, truth) > 0.9


def test_many_components_for_few_colours():
    # blurred, a segment of K-means may be empty: the other start is left
    image = np.repeat(np.array([[0.0, 0.1, 1.0, 1.1]]), 3, axis=0)
    for reg_covar in (None, 1e-9):
        with contextlib.ExitStack() as stack:
            if reg_covar:       # who sets it is told that flat segments have no other variance
                stack.enter_context(pytest.warns(EMWarning, match="collapsed: component 0"))
            result = segment_image(image, 4, smoothness=0.5, random_state=0, reg_covar=reg_covar)
        np.testing.assert_array_equal(result.labels, np.tile(np.arange(4), (3, 1)))


def test_more_smoothness_makes_fewer_borders():
    image = as_uint8(discs(0.15)[0])
    borders = []
    for smoothness in (0, 0.3, 0.8, 1.5):
        labels = segment_image(image, 3, smoothness=smoothness, random_state=0).labels
        borders.append(np.count_nonzero(np.diff(labels, axis=0)))
    assert borders == sorted(borders, reverse=True) and borders[-1] < borders[0] / 5, borders


def test_neighbours_decide_about_unknown_pixels():
    image, truth = colours(0.05)
    image[4:8, 4:8] = np.nan                # nothing is known: no pixel to label
    image[20:24, 28:32, 1] = np.nan         # one channel is enough to be unknown
    result = segment_image(image, 3, smoothness=1.0, random_state=0)
    assert (result.labels[4:8, 4:8] == -1).all() and result.n_nodata == 16
    truth = np.where(np.isnan(image).all(axis=-1), -1, truth)
    np.testing.assert_array_equal(result.labels, truth)
    assert np.isfinite(result.posteriors).all() and np.isfinite(result.colors).all()
    # half of all, no two beside each other
    image[::2, ::2, 0] = image[1::2, 1::2, 1] = np.nan
    result = segment_image(image, 3, smoothness=1.0, random_state=0)
    assert dice(result.labels[truth >= 0], truth[truth >= 0]) > 0.97


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_mask_with_smoothness(dtype):
    image, truth = discs(0.1)
    image = as_uint8(image) if dtype == "u1" else image.astype(dtype)
    mask = np.ones(image.shape, bool)
    mask[:, 30:34] = mask[0] = False
    spoilt = np.where(mask, image, 255 if dtype == "u1" else np.nan).astype(dtype)
    result = segment_image(spoilt, 3, smoothness=1.0, mask=mask, random_state=0)
    assert ((result.labels == -1) == ~mask).all()
    assert (result.posteriors[~mask] == 0).all()
    assert dice(result.labels[mask], truth[mask]) > 0.95
    assert result.sizes.sum() == mask.sum()


def test_smoothed_pixels_past_the_first_block():
    shape = CHUNK // 256 + 6, 256
    truth = np.zeros(shape, int)
    truth[:, 60:] = 1
    truth[-5:] = 0
    image = np.random.default_rng(0).normal(truth, 0.4).astype(np.float32)
    mask = np.ones(shape, bool)
    mask[:, -20:] = False
    # one iteration, and one of smoothing; with this seed the bright ones are found first
    result = segment_image(image, 2, smoothness=1.0, mask=mask, n_init=1, random_state=0,
                           callback=lambda state: True)
    truth = np.where(mask, truth, -1)
    assert (result.labels == truth).mean() > 0.99
    field = result.posteriors
    assert (field[~mask] == 0).all()
    np.testing.assert_array_equal(result.labels, np.where(mask, field.argmax(axis=-1), -1))
    np.testing.assert_array_equal(result.sizes, np.bincount(result.labels[mask]))
    np.testing.assert_allclose(
        result.colors[:, 0], [image[result.labels == k].mean(dtype=float) for k in (0, 1)])
    # the shares of all pixels, not of a block's
    np.testing.assert_allclose(
        result.model.weights_, field[mask].mean(axis=0, dtype=float), rtol=1e-6)


def test_selection_is_made_before_smoothing():
    image, truth = discs(0.06)
    result = segment_image(as_uint8(image), "auto", smoothness=1.0, random_state=0)
    plain = segment_image(as_uint8(image), "auto", random_state=0)
    assert result.n_segments == plain.n_segments == 3
    assert [row["bic"] for row in result.selection.table] == [
        row["bic"] for row in plain.selection.table]
    assert result.selection.best is not result.model
    assert dice(result.labels, truth) > 0.98


def test_lab_and_coordinates_with_smoothness():
    image, truth = colours(0.1)
    for options in ({"color_space": "lab"}, {"coordinates": 0.5}):
        result = segment_image(as_uint8(image), 3, smoothness=0.8, random_state=0, **options)
        assert dice(result.labels, truth) > 0.97


def test_callback_and_iterations():
    image = discs(0.2)[0]
    seen = []
    segment_image(image, 3, smoothness=1.0, random_state=0,
                  callback=lambda state: seen.append(state.n_iter))
    assert seen.count(1) == 3       # the fit, and the smoothing from there and from elsewhere
    with pytest.warns(ConvergenceWarning) as seen:
        segment_image(image, 3, smoothness=1.0, random_state=0, max_iter=2, tol=1e-9)
    assert len(seen) == 1 and seen[0].filename == __file__
    assert "smoothed segmentation did not converge in 2 iterations" in str(seen[0].message)
    result = segment_image(image, 3, smoothness=1.0, random_state=0,
                           callback=lambda state: True)
    assert result.n_iter == 1 and not result.converged

    def interrupt(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_image(image, 3, smoothness=1.0, random_state=0, callback=interrupt)


def fits_with_posteriors_given_up(image, n, monkeypatch):
    """How many fits there are where none is kept; the result is that of two."""
    runs = []
    monkeypatch.setattr(_smoothing, "run_em", lambda *a, **k: runs.append(1) or run_em(*a, **k))
    kept = segment_image(image, n, smoothness=1.0, random_state=0)
    assert len(runs) == 2
    monkeypatch.setattr(_smoothing, "KEPT", 0)
    again = segment_image(image, n, smoothness=1.0, random_state=0)
    np.testing.assert_array_equal(kept.posteriors, again.posteriors)
    assert kept.lower_bounds == again.lower_bounds
    return len(runs) - 2


def test_a_start_that_won_runs_again_where_its_posteriors_were_given_up(monkeypatch):
    assert fits_with_posteriors_given_up(colours(0.4)[0], 3, monkeypatch) == 3


def test_the_last_start_never_runs_again(monkeypatch):
    image, _ = colours(0.02)
    image[10, 10] = image[20:22, 50] = [0.9, 0.05, 0.05]      # too few for the blurred image
    assert fits_with_posteriors_given_up(image, 4, monkeypatch) == 2


def test_memory_of_smoothing(monkeypatch):
    """Features of all pixels, one field of posteriors, and less than that again."""
    monkeypatch.setattr(_smoothing, "KEPT", 0)
    image = as_uint8(np.kron(colours(0.05)[0], np.ones((40, 40, 1))))
    tracemalloc.start()
    try:
        segment_image(image, 5, smoothness=1.0, random_state=0, tol=1.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * image.size * 4


@pytest.mark.parametrize("white", [False, True])
def test_pixels_that_are_cut_off_at_black_or_white_are_no_segment(white):
    """They are likely, as any spike, and neighbours foretell them no worse than others."""
    rng = np.random.default_rng(0)
    place = np.indices((40, 40, 40)) / 40
    distance = np.linalg.norm(place - 0.48, axis=0)
    truth = np.where(distance < 0.18, 2, np.where(distance < 0.3, 1, 0))
    image = 0.2 + 0.6 * (np.array([0.25, 0.5, 0.75])[truth] + rng.normal(0, 0.3, truth.shape))
    image = np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)
    assert 0.005 < (image == 0).mean() < 0.1
    if white:
        image, truth = 255 - image, 2 - truth
    options = {"channel_axis": None, "smoothness": 1.0, "random_state": 0}
    assert dice(segment_image(image, 3, **options).labels, truth) > 0.9
