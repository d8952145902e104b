"""GaussianImputer and GaussianMixtureImputer: the maximum they find and what they put in."""

import doctest
import pickle
import warnings

import numpy as np
import pytest
import reference
import tables
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from emkernels import GaussianImputer, GaussianMixtureImputer
from emkernels.em import EMWarning
from emkernels.models.imputation import gaussian, mixture, multiple
from emkernels.starts import sampled

TYPES = ("full", "tied", "diag", "spherical")
UNITS = np.array([1.0, 100.0, 1e-3, 1e4, 1.0, 10.0])
OFFSETS = np.array([0.0, 5.0, 1.0, 1e6, -3.0, 0.0])


def table(n=300, p=4, share=0.2, seed=0, noise=1.0):
    """Correlated columns in different units, and the same with cells knocked out."""
    rng = np.random.default_rng(seed)
    complete = rng.normal(size=(n, p)) @ (np.eye(p) + noise * rng.normal(size=(p, p)))
    complete = complete * UNITS[:p] + OFFSETS[:p]
    missing = rng.random((n, p)) < share
    missing[missing.all(axis=1)] = False
    return complete, np.where(missing, np.nan, complete)


def clusters(n=500, p=3, k=3, share=0.2, seed=0):
    rng = np.random.default_rng(seed)
    centers = 5 * rng.normal(size=(k, p))
    X = (centers[rng.integers(k, size=n)] + rng.normal(size=(n, p))) * UNITS[:p] + OFFSETS[:p]
    missing = rng.random((n, p)) < share
    missing[missing.all(axis=1)] = False
    return X, np.where(missing, np.nan, X)


def log_likelihood(X, location, covariance):
    return sum(reference.observed_block(x, location, covariance)[0] for x in X)


def relative(a, b):
    """Largest difference of covariances in units of the standard deviations."""
    deviations = np.sqrt(np.diag(b))
    return np.abs((a - b) / np.outer(deviations, deviations)).max()


# --- the maximum ------------------------------------------------------------------------------


def test_same_maximum_as_plain_em():
    _, X = table(150, 3)
    mean, covariance, trace = reference.gaussian_em(X, 120)
    fit = GaussianImputer(tol=1e-9).fit(X)
    assert fit.converged_
    assert_allclose(fit.location_, mean, rtol=1e-8)
    assert relative(fit.covariance_, covariance) < 1e-8
    assert_allclose(fit.log_likelihood_, trace[-1], rtol=0, atol=1e-8)
    assert_allclose(fit.precision_ @ fit.covariance_, np.eye(3), atol=1e-7)


def test_first_steps_are_those_of_plain_em():
    _, X = table(100, 3)
    for steps in (1, 2, 3):
        mean, covariance, trace = reference.gaussian_em(X, steps)
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            fit = GaussianImputer(max_iter=steps, acceleration=None).fit(X)
        assert_allclose(fit.location_, mean, rtol=1e-10)
        assert relative(fit.covariance_, covariance) < 1e-10
        assert_allclose(np.array(fit.lower_bounds_) * 100, trace[:steps], rtol=1e-12)
        assert_allclose(fit.log_likelihood_, trace[steps], rtol=1e-12)


@pytest.mark.parametrize("name", ["APPLE", "CEMENT"])
def test_published_estimates(name):
    X = getattr(tables, name).X
    fit = GaussianImputer(max_iter=100_000).fit(X)
    assert fit.converged_
    assert_allclose(fit.location_, getattr(tables, name + "_MEAN"), rtol=1e-4)
    assert_allclose(fit.covariance_, getattr(tables, name + "_COVARIANCE"), rtol=5e-3)
    published = getattr(tables, name + "_LOG_LIKELIHOOD")
    # the published optimiser stops with six digits: a little below the maximum
    assert published - 1e-6 < fit.log_likelihood_ < published + 1e-3


@pytest.mark.parametrize("prior", [None, "ridge", ("ridge", 7.5), "matrix"])
def test_gradient_vanishes_at_the_fit(prior):
    complete, X = table(120, 3)
    n, p = X.shape
    variances = np.nanvar(X, axis=0)
    dof, scale = -(p + 1.0), np.zeros((p, p))
    if prior == "matrix":
        dof, scale = 4.5, np.cov(complete[:30].T) * 3
        prior = (dof, scale)
    elif prior is not None:
        dof = 1.0 if prior == "ridge" else prior[1]
        scale = dof * np.diag(variances)
    fit = GaussianImputer(prior=prior, tol=1e-10).fit(X)

    def objective(location, covariance):
        sign, log_det = np.linalg.slogdet(covariance)
        return (log_likelihood(X, location, covariance) - (dof + p + 1) / 2 * log_det
                - np.trace(scale @ np.linalg.inv(covariance)) / 2)

    deviations, step = np.sqrt(np.diag(fit.covariance_)), 1e-5
    for j in range(p):
        d = step * deviations[j] * np.eye(p)[j]
        slope = (objective(fit.location_ + d, fit.covariance_)
                 - objective(fit.location_ - d, fit.covariance_)) / (2 * step)
        assert abs(slope) < 1e-3
        for k in range(j + 1):
            d = np.zeros((p, p))
            d[j, k] = d[k, j] = step * deviations[j] * deviations[k]
            slope = (objective(fit.location_, fit.covariance_ + d)
                     - objective(fit.location_, fit.covariance_ - d)) / (2 * step)
            assert abs(slope) < 1e-3
    # the objective that the loop saw, but for a constant
    differences = np.diff(fit.lower_bounds_)
    assert (differences > -1e-12 * np.abs(fit.lower_bounds_[1:])).all()


def test_a_prior_of_nothing_is_maximum_likelihood():
    _, X = table(100, 3)
    plain = GaussianImputer(tol=1e-9).fit(X)
    nothing = GaussianImputer(tol=1e-9, prior=(-4, 0.0)).fit(X)
    assert_allclose(nothing.location_, plain.location_, rtol=1e-12)
    assert relative(nothing.covariance_, plain.covariance_) < 1e-10


def test_ridge_of_complete_rows_is_its_formula():
    complete, _ = table(80, 4)
    scatter = 80 * np.cov(complete.T, bias=True)
    for amount in (0.5, 30.0):
        fit = GaussianImputer(prior=("ridge", amount)).fit(complete)
        expected = (scatter + amount * np.diag(np.diag(scatter)) / 80) / (80 + amount + 4 + 1)
        assert relative(fit.covariance_, expected) < 1e-12
    scale = np.cov(complete[:20].T)
    fit = GaussianImputer(prior=(3.0, scale)).fit(complete)
    assert relative(fit.covariance_, (scatter + scale) / (80 + 3 + 5)) < 1e-12
    # the scale is one of all columns, those that do not vary too
    wide = np.insert(complete, 1, 7.0, axis=1)
    all_columns = np.insert(np.insert(scale, 1, 0, axis=0), 1, 0, axis=1)
    all_columns[1, 1] = 1e3
    fit = GaussianImputer(prior=(3.0, all_columns)).fit(wide)
    others = np.ix_([0, 2, 3, 4], [0, 2, 3, 4])
    assert relative(fit.covariance_[others], (scatter + scale) / (80 + 3 + 5)) < 1e-12


def test_complete_rows_give_their_moments():
    complete, _ = table(200, 5)
    fit = GaussianImputer().fit(complete)
    assert fit.converged_ and fit.n_patterns_ == 1
    assert fit.n_iter_ == 1
    assert_allclose(fit.log_likelihood_, fit.score(complete) * 200, rtol=1e-12)
    assert_allclose(fit.location_, complete.mean(axis=0), rtol=1e-12)
    assert relative(fit.covariance_, np.cov(complete.T, bias=True)) < 1e-12
    assert_array_equal(fit.covariance_, fit.covariance_.T)
    expected = [reference.observed_block(x, fit.location_, fit.covariance_)[0] for x in complete]
    assert_allclose(fit.score_samples(complete), expected, rtol=1e-9)
    assert_array_equal(fit.transform(complete), complete)
    assert fit.transform(complete) is not complete


@pytest.mark.parametrize("type_", TYPES)
def test_one_component_of_complete_rows_is_its_moments(type_):
    complete, _ = table(200, 4)
    X = np.insert(complete, [0, 7, 7, 200], np.nan, axis=0)
    fit = GaussianMixtureImputer(1, covariance_type=type_, n_init=3, random_state=0).fit(X)
    assert fit.n_iter_ == 1 and fit.converged_
    covariance = np.cov(complete.T, bias=True)
    expected = {"full": covariance[None], "tied": covariance, "diag": np.diag(covariance)[None],
                "spherical": np.diag(covariance).mean()[None]}[type_]
    assert_allclose(fit.covariances_, expected, rtol=1e-9, atol=1e-12)
    assert_allclose(fit.means_[0], complete.mean(axis=0), rtol=1e-12, atol=1e-12)
    assert_allclose(fit.log_likelihood_, fit.score_samples(X).sum(), rtol=1e-12)


def test_complete_rows_that_determine_each_other_take_one_pass():
    complete, _ = table(300, 5)
    wide = np.c_[complete, complete.sum(axis=1), complete[:, 0] - complete[:, 1]]
    with pytest.warns(EMWarning, match="in 2 of 7 directions"):
        fit = GaussianImputer().fit(wide)
    assert fit.n_iter_ == 1 and not fit.converged_
    assert relative(fit.covariance_, np.cov(wide.T, bias=True)) < 1e-6


def test_objective_rises_with_and_without_acceleration():
    _, X = table(150, 5, share=0.4, seed=3)
    fits = [GaussianImputer(acceleration=a, max_iter=5000).fit(X) for a in (None, "squarem")]
    for fit in fits:
        assert fit.converged_
        assert (np.diff(fit.lower_bounds_) > -1e-12 * np.abs(fit.lower_bounds_[1:])).all()
    assert fits[1].n_iter_ < 0.7 * fits[0].n_iter_
    assert_allclose(fits[0].log_likelihood_, fits[1].log_likelihood_, rtol=0, atol=2e-6)


def test_column_order_and_units_do_not_matter():
    _, X = table(200, 5)
    fit = GaussianImputer(tol=1e-10).fit(X)
    order = [3, 0, 4, 2, 1]
    other = GaussianImputer(tol=1e-10).fit(X[:, order])
    assert_allclose(other.location_, fit.location_[order], rtol=1e-8)
    assert relative(other.covariance_, fit.covariance_[np.ix_(order, order)]) < 1e-8
    units, offsets = np.array([1e6, 1e-7, 3.0, -2.0, 1e3]), np.array([0, 1e-3, 1e3, 5, -1e6])
    other = GaussianImputer(tol=1e-10).fit(X * units + offsets)
    assert relative(other.covariance_, fit.covariance_ * np.outer(units, units)) < 1e-8
    assert_allclose(other.location_, fit.location_ * units + offsets, rtol=1e-8)
    n_observed = (~np.isnan(X)).sum(axis=0)
    assert_allclose(other.log_likelihood_,
                    fit.log_likelihood_ - n_observed @ np.log(np.abs(units)), rtol=1e-10)
    assert_allclose(other.transform(X * units + offsets), fit.transform(X) * units + offsets,
                    rtol=1e-7)


def test_what_slow_em_stops_at():
    """Half of the cells missing: a step is far shorter than what is left to go."""
    _, X = table(120, 4, share=0.5, seed=1)
    best = GaussianImputer(tol=1e-11, max_iter=20_000).fit(X)
    for acceleration in (None, "squarem"):
        fit = GaussianImputer(acceleration=acceleration, max_iter=20_000).fit(X)
        assert fit.converged_
        assert relative(fit.covariance_, best.covariance_) < 2e-6
        assert abs(fit.log_likelihood_ - best.log_likelihood_) < 1e-6


def ill_conditioned(seed, incomplete=0.5):
    """2000 x 50, a random mixing matrix, 10 % of the cells missing, all in a share of the rows
    (with missing cells in all of them ten rows are complete: no maximum exists then)."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2000, 50)) @ rng.normal(size=(50, 50))
    missing = rng.random(X.shape) < 0.1 / incomplete
    missing[int(2000 * incomplete):] = False
    X[missing] = np.nan
    return X


@pytest.mark.parametrize(("incomplete", "prior"), [(0.5, None), (0.9, None), (1.0, "ridge")])
def test_ill_conditioned_columns_reach_the_maximum(incomplete, prior):
    X = ill_conditioned(1, incomplete)
    fit = GaussianImputer(prior=prior).fit(X)
    best = GaussianImputer(prior=prior, tol=1e-10, max_iter=5000).fit(X)
    assert fit.converged_ and best.converged_
    assert np.linalg.cond(fit.covariance_) > (1e3 if prior else 5e4)
    assert 2000 * (best.lower_bounds_[-1] - fit.lower_bounds_[-1]) < 1e-6
    assert np.linalg.eigvalsh(fit.covariance_).min() > 0


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("imputer", [
    GaussianImputer(), GaussianMixtureImputer(2, random_state=0, n_init=2)])
def test_bits_do_not_depend_on_threads(imputer, n_threads):
    _, X = clusters(2000, 5)
    one = clone(imputer).set_params(n_threads=1).fit(X)
    more = clone(imputer).set_params(n_threads=n_threads).fit(X)
    assert one.lower_bounds_ == more.lower_bounds_
    assert_array_equal(one.transform(X), more.transform(X))
    assert_array_equal(one.score_samples(X), more.score_samples(X))
    assert_array_equal(one.sample(X, 3, random_state=0), more.sample(X, 3, random_state=0))


@pytest.mark.parametrize("imputer", [
    GaussianImputer(tol=1e-10), GaussianImputer(tol=1e-10, prior="ridge"),
    *[GaussianMixtureImputer(2, covariance_type=t, tol=1e-9, random_state=0) for t in TYPES]])
def test_integer_weights_are_repeated_rows(imputer):
    _, X = clusters(150, 3, 2)
    weight = np.random.default_rng(1).integers(0, 4, size=len(X))
    weighted = clone(imputer).fit(X, sample_weight=weight)
    repeated = clone(imputer).fit(np.repeat(X, weight, axis=0))
    deviations = np.nanstd(X, axis=0)
    assert_allclose(weighted.transform(X) / deviations, repeated.transform(X) / deviations,
                    atol=1e-7)
    assert_allclose(weighted.log_likelihood_, repeated.log_likelihood_, rtol=1e-9)
    assert_allclose(weighted.score(X, sample_weight=weight),
                    repeated.score(np.repeat(X, weight, axis=0)), rtol=1e-9)


def test_float32_is_close_to_float64():
    _, X = table(500, 4)
    X = X * [1, 1, 1, 1e-3]
    wide, narrow = GaussianImputer().fit(X), GaussianImputer().fit(X.astype(np.float32))
    assert narrow.converged_
    assert relative(narrow.covariance_, wide.covariance_) < 1e-4
    filled = narrow.transform(X.astype(np.float32))
    assert filled.dtype == np.float32
    assert_allclose(filled / np.nanstd(X, axis=0), wide.transform(X) / np.nanstd(X, axis=0),
                    atol=1e-3)


def test_slow_convergence_is_admitted():
    _, X = table(100, 4, share=0.5, seed=2)
    with pytest.warns(ConvergenceWarning, match="did not converge in 5 iterations"):
        fit = GaussianImputer(max_iter=5).fit(X)
    assert not fit.converged_
    assert fit.n_iter_ == 5
    assert_allclose(fit.log_likelihood_, fit.score(X) * 100, rtol=1e-12)


def test_no_iteration_leaves_the_start():
    _, X = table(100, 3)
    fit = GaussianImputer(max_iter=0).fit(X)
    assert_allclose(fit.location_, np.nanmean(X, axis=0), rtol=1e-12)
    assert_allclose(fit.covariance_, np.diag(np.nanvar(X, axis=0)), rtol=1e-10, atol=1e-12)
    assert not fit.converged_


def test_callback_and_ctrl_c(capsys):
    _, X = table()
    seen = []
    fit = GaussianImputer(callback=lambda state: seen.append(state) or len(seen) == 3).fit(X)
    assert len(seen) == 3 and not fit.converged_
    assert fit.n_iter_ == seen[-1].n_iter

    def stop(state):
        if state.n_iter == 2:
            raise KeyboardInterrupt

    fit = GaussianImputer(callback=stop)
    with pytest.raises(KeyboardInterrupt):
        fit.fit(X)
    assert fit.n_iter_ == 2 and not fit.converged_
    assert np.isfinite(fit.transform(X)).all()
    GaussianImputer(verbose=1, verbose_interval=1).fit(X)
    assert capsys.readouterr().out.startswith("Initialization 0\n  Iteration 1")


# --- what is put in ---------------------------------------------------------------------------


def test_missing_cells_get_their_conditional_mean():
    complete, X = table()
    fit = GaussianImputer().fit(X)
    filled = fit.transform(X)
    for x, y in zip(X[:60], filled[:60], strict=True):
        m, o = np.isnan(x), ~np.isnan(x)
        by_hand = fit.location_[m] + fit.covariance_[np.ix_(m, o)] @ np.linalg.solve(
            fit.covariance_[np.ix_(o, o)], (x - fit.location_)[o])
        assert_allclose(y[m], by_hand, rtol=1e-8)
    seen = ~np.isnan(X)
    assert_array_equal(filled[seen].view(np.int64), X[seen].view(np.int64))
    assert_array_equal(clone(fit).fit_transform(X), filled)
    mean = np.where(seen, X, np.nanmean(X, axis=0))
    units = np.std(complete, axis=0)
    errors = [np.sqrt((((Y - complete) / units)[~seen] ** 2).mean()) for Y in (filled, mean)]
    assert errors[0] < 0.8 * errors[1]


def test_held_out_rows_one_by_one():
    _, X = table()
    fit = GaussianImputer().fit(X[:200])
    together = fit.transform(X[200:])
    for i in range(200, 230):
        assert_allclose(fit.transform(X[i:i + 1])[0], together[i - 200], rtol=1e-10)
    # a column that had no missing value in the fit
    full = np.where(np.isnan(X[:, 2]), 1.0, X[:, 2])
    fit = GaussianImputer().fit(np.column_stack([X[:, :2], full]))
    assert np.isfinite(fit.transform([[0.0, np.nan, np.nan]])).all()


def test_score_is_the_density_of_what_is_observed():
    _, X = table()
    fit = GaussianImputer().fit(X)
    expected = [reference.observed_block(x, fit.location_, fit.covariance_)[0] for x in X]
    assert_allclose(fit.score_samples(X), expected, rtol=1e-9)
    assert_allclose(fit.score(X), np.mean(expected), rtol=1e-12)
    assert_allclose(fit.log_likelihood_, np.sum(expected), rtol=1e-9)
    weight = np.arange(len(X))
    assert_allclose(fit.score(X, sample_weight=weight), np.average(expected, weights=weight))


def test_limits_hold_for_imputed_cells_only():
    _, X = table(200, 3)
    low, high = np.nanquantile(X, 0.4, axis=0), np.nanquantile(X, 0.6, axis=0)
    fit = GaussianImputer(min_value=low, max_value=high).fit(X)
    filled, missing = fit.transform(X), np.isnan(X)
    assert_array_equal(filled[~missing], X[~missing])
    for j in range(3):
        values = filled[missing[:, j], j]
        assert values.min() == low[j] and values.max() == high[j]
    drawn = fit.sample(X, 2, random_state=0)
    assert (drawn[:, missing[:, 1], 1] >= low[1]).all()
    assert_array_equal(drawn[0][~missing], X[~missing])
    scalar = GaussianImputer(min_value=0.0).fit(X).transform(X)
    assert (scalar[missing] >= 0).all() and (scalar[~missing] < 0).any()

    # limits go by the columns of the input, whichever of them the output has
    empty = np.column_stack([np.full(200, np.nan), X])
    fit = GaussianImputer(min_value=[7e9, *low], max_value=[8e9, *high]).fit(empty)
    with pytest.warns(UserWarning, match="without any observed values"):
        assert_allclose(fit.transform(empty), filled, rtol=1e-12)


def test_columns_and_weights_count_past_the_first_block():
    """65,536 cells are summarised at a time; the start has their means and variances."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50_000, 2)) * [1, 20] + [3, -100]
    X[rng.random(X.shape) < 0.1] = np.nan
    X[40_000:] += 5
    weight = rng.integers(0, 4, 50_000).astype(float)
    weight[20_000:30_000] *= 10
    fit = GaussianImputer(max_iter=0).fit(X, sample_weight=weight)
    for j in range(2):
        seen = ~np.isnan(X[:, j])
        mean = np.average(X[seen, j], weights=weight[seen])
        assert_allclose(fit.location_[j], mean, rtol=1e-12)
        assert_allclose(fit.covariance_[j, j], np.average(
            (X[seen, j] - mean) ** 2, weights=weight[seen]), rtol=1e-10)
    # one value, in whatever block, makes a column vary
    for row, value in ((0, 0.0), (0, 2.0), (-1, 0.0), (-1, 2.0)):
        column = np.ones((50_000, 2))
        column[:, 0] = weight
        column[row, 1] = value
        assert_allclose(GaussianImputer().fit(column).covariance_[1, 1], column[:, 1].var())


# --- mixtures ---------------------------------------------------------------------------------


def as_reference(fit):
    return fit.weights_, fit.means_, fit.precisions_cholesky_, fit.covariance_type


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("prior", [None, "ridge", ("ridge", 2.5), "matrix"])
def test_mixture_is_a_fixed_point_of_plain_em(covariance_type, prior):
    """With a prior every covariance is (scatter + scale) / (count + dof + p + 1), a variance (of
    all columns where there is one) the same with p = 1; the scale of a ridge is its amount
    / 3^(2/p) times the variances of the columns."""
    _, X = clusters(250)
    if covariance_type == "spherical":
        X = (X - OFFSETS[:3]) / UNITS[:3]
    of_matrices = covariance_type in ("full", "tied")
    extra = 4.0 if of_matrices else 2.0
    dof, scale = -extra, np.zeros((3, 3))
    if prior == "matrix":
        units = np.diag(np.nanstd(X, axis=0))
        dof, scale = 2.0, units @ (0.2 * np.eye(3) + 0.1) @ units
        prior = (dof, scale)
    elif prior is not None:
        dof = 1.0 if prior == "ridge" else prior[1]
        variances = np.nanvar(X, axis=0)
        scale = dof / 3 ** (2 / 3) * np.diag(
            variances if covariance_type != "spherical" else np.full(3, variances.mean()))
    fit = GaussianMixtureImputer(3, covariance_type=covariance_type, random_state=0, tol=1e-9,
                                 prior=prior, max_iter=5000).fit(X)
    assert fit.converged_
    counts, first, second, total = reference.incomplete_statistics(X, *as_reference(fit))[:4]
    assert_allclose(fit.log_likelihood_, total, rtol=1e-10)
    assert_allclose(fit.weights_, counts / counts.sum(), atol=1e-7)
    units = np.nanstd(X, axis=0)
    assert_allclose(first / counts[:, None] / units, 0, atol=1e-7)
    more = dof + extra
    if covariance_type == "full":
        expected, units = (second + scale) / (counts + more)[:, None, None], np.outer(units, units)
    elif covariance_type == "tied":
        expected, units = (second + scale) / (counts.sum() + more), np.outer(units, units)
    elif covariance_type == "diag":
        expected, units = (second + scale.diagonal()) / (counts + more)[:, None], units**2
    else:
        expected, units = (second + scale.trace() / 3) / (3 * counts + more), 1.0
    assert_allclose(fit.covariances_ / units, expected / units, atol=1e-6)
    assert (np.diff(fit.lower_bounds_) > -1e-12 * np.abs(fit.lower_bounds_[1:])).all()


@pytest.mark.parametrize("covariance_type", TYPES)
def test_mixture_imputes_its_conditional_mean(covariance_type):
    _, X = clusters(200)
    fit = GaussianMixtureImputer(3, covariance_type=covariance_type, random_state=0).fit(X)
    weights, means, factors, type_ = as_reference(fit)
    expected = reference.conditional_moments(X, weights, means, factors, type_)[0]
    filled = fit.transform(X)
    units = np.nanstd(X, axis=0)
    assert_allclose(filled / units, expected / units, rtol=1e-7, atol=1e-9)
    assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    densities = reference.incomplete_log_density(X, means, factors, type_) + np.log(weights)
    assert_allclose(fit.score_samples(X), np.logaddexp.reduce(densities, axis=1), rtol=1e-8)
    assert_allclose(fit.score(X) * 200, fit.log_likelihood_, rtol=1e-9)


def test_mixture_of_one_is_the_normal():
    _, X = table()
    one = GaussianMixtureImputer(1, tol=1e-9).fit(X)
    normal = GaussianImputer(tol=1e-9).fit(X)
    assert_allclose(one.means_[0], normal.location_, rtol=1e-8)
    assert relative(one.covariances_[0], normal.covariance_) < 1e-8
    assert_allclose(one.log_likelihood_, normal.log_likelihood_, atol=1e-8)


def test_mixture_sees_clusters_whatever_the_units():
    """One column is 1e4 times as wide as another: K-means of raw columns sees only that one."""
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=400)
    X = np.column_stack([6.0 * label, 6.0 * label, np.zeros(400)]) + rng.normal(size=(400, 3))
    X *= [1.0, 1.0, 1e4]
    Y = X.copy()
    Y[::3, 0] = np.nan
    fit = GaussianMixtureImputer(2, random_state=0).fit(Y)
    assert_allclose(np.sort(fit.weights_), np.sort(np.bincount(label) / 400), atol=0.01)
    normal = GaussianImputer().fit(Y)
    errors = [np.abs((f.transform(Y) - X)[::3, 0]).mean() for f in (fit, normal)]
    assert errors[0] < 0.95 * errors[1]


@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "random", "random_from_data"])
@pytest.mark.parametrize("prior", [None, "ridge", (5.0, 1.0)])
def test_mixture_starts_and_priors(init_params, prior):
    _, X = clusters(200)
    X = (X - OFFSETS[:3]) / UNITS[:3]
    fit = GaussianMixtureImputer(3, init_params=init_params, prior=prior, n_init=3, max_iter=5000,
                                 random_state=0).fit(X)
    assert fit.converged_
    assert np.isfinite(fit.transform(X)).all()
    again = clone(fit).fit(X)
    assert_array_equal(again.means_, fit.means_)
    generator = clone(fit).set_params(random_state=np.random.default_rng(0)).fit(X)
    assert np.isfinite(generator.log_likelihood_)


def test_mixture_starts_on_part_of_many_rows(monkeypatch):
    _, X = clusters(1000)
    whole = GaussianMixtureImputer(3, random_state=0, n_init=3).fit(X)
    monkeypatch.setattr(sampled, "START_ROWS", 300)
    part = GaussianMixtureImputer(3, random_state=0, n_init=3).fit(X)
    assert_allclose(part.log_likelihood_, whole.log_likelihood_, atol=1e-5)


# --- multiple imputation ----------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    {}, {"method": "augmentation", "burn_in": 20},
    {"method": "augmentation", "burn_in": 20, "thinning": 5}])
def test_draws_differ_where_cells_are_missing(options):
    _, X = table()
    fit = GaussianImputer(prior="ridge").fit(X)
    drawn = fit.sample(X, 4, random_state=3, **options)
    assert drawn.shape == (4, *X.shape)
    seen = ~np.isnan(X)
    for copy in drawn:
        assert_array_equal(copy[seen], X[seen])
    assert (np.ptp(drawn, axis=0)[~seen] > 0).all()
    assert_array_equal(drawn, fit.sample(X, 4, random_state=3, **options))
    assert not np.array_equal(drawn, fit.sample(X, 4, random_state=4, **options))
    for n_threads in (1, 3):
        fit.set_params(n_threads=n_threads)
        assert_array_equal(drawn, fit.sample(X, 4, random_state=3, **options))


def test_every_kind_of_random_state():
    _, X = table(60, 3)
    fit = GaussianImputer(random_state=5).fit(X)
    default = fit.sample(X, 2)
    assert_array_equal(default, fit.sample(X, 2, random_state=5))
    for make in (np.random.default_rng, np.random.RandomState):
        assert_array_equal(fit.sample(X, 2, random_state=make(0)),
                           fit.sample(X, 2, random_state=make(0)))
    sequence = np.random.SeedSequence(9)
    assert_array_equal(fit.sample(X, 2, random_state=np.random.SeedSequence(9)),
                       fit.sample(X, 2, random_state=sequence))
    assert not np.array_equal(GaussianImputer().fit(X).sample(X, 2),
                              GaussianImputer().fit(X).sample(X, 2))
    state = np.random.RandomState(0)
    assert not np.array_equal(fit.sample(X, 2, random_state=state),
                              fit.sample(X, 2, random_state=state))


def parameters_of_copies(fit, n_copies, n_rows=300, **options):
    """Means (n_copies, p) and covariances (n_copies, p, p) that copies are drawn with, as many
    rows with nothing observed show them."""
    empty = np.full((n_rows, fit.n_features_in_), np.nan)
    drawn = fit.sample(empty, n_copies, random_state=1, **options)
    means = drawn.mean(axis=1)
    gaps = drawn - means[:, None]
    return means, np.swapaxes(gaps, 1, 2) @ gaps / (n_rows - 1)


def scatter_of(X, weight=None):
    """The weight of the rows, their mean and their scatter about it."""
    weight = np.ones(len(X)) if weight is None else weight
    mean = np.average(X, axis=0, weights=weight)
    return weight.sum(), mean, (weight[:, None] * (X - mean)).T @ (X - mean)


@pytest.mark.parametrize(("prior", "weighted"), [
    (None, False), (None, True), ((5.0, [60.0, 3.0, 400.0]), False)],
    ids=["Jeffreys", "weights", "prior"])
def test_augmentation_of_complete_rows_draws_from_the_posterior(prior, weighted):
    """The precision is Wishart(n - 1 + dof, (S + scale)^-1), the mean N(mean, Sigma / n)."""
    rng = np.random.default_rng(0)
    n, p, n_rows = 8, 3, 300
    X = rng.normal(size=(n, p)) @ (np.eye(p) + np.tri(p, k=-1)) * [1, 2, 30] + [0, 5, 100]
    weight = np.repeat([2.0, 0.5], n // 2) if weighted else None
    total, mean, scatter = scatter_of(X, weight)
    dof = total - 1
    if prior is not None:
        dof, scatter = dof + prior[0], scatter + np.diag(prior[1])
    fit = GaussianImputer(prior=prior, n_threads=1).fit(X, sample_weight=weight)
    means, covariances = parameters_of_copies(
        fit, 2000, n_rows, method="augmentation", burn_in=1, training_data=X, sample_weight=weight)
    precisions = np.linalg.inv(covariances)     # too large by (n_rows - 1) / (n_rows - p - 2)
    large = (n_rows - 1) / (n_rows - p - 2)
    lower = np.linalg.cholesky(scatter)
    assert_allclose(lower.T @ precisions.mean(axis=0) @ lower / dof / large, np.eye(p), atol=0.05)
    squared = np.einsum("mi,mij,mj->m", means - mean, precisions, means - mean) * total / p
    assert_allclose(squared.mean(), (1 + total / n_rows) * large, rtol=0.06)
    assert_allclose((means.mean(axis=0) - mean) / means.std(axis=0), 0, atol=0.07)


def test_a_chain_goes_through_the_posterior_of_incomplete_rows():
    """Where only y has gaps, the regression of y on x has a posterior in closed form, from the
    r complete rows alone: RSS / s^2 is chi-squared with r - 1 degrees of freedom (Jeffreys'
    prior of both columns), and the mean of y at x has variance s^2 (1 / r + (x - mean)^2 / Sxx)."""
    rng = np.random.default_rng(0)
    n, r, n_rows, n_copies = 16, 9, 300, 1500
    X = rng.normal(size=(n, 2)) @ [[1, 30], [0, 20]] + [3, 100]
    X[r:, 1] = np.nan
    x, y = X[:r].T
    slope, constant = np.polyfit(x, y, 1)
    rss = ((y - constant - slope * x) ** 2).sum()
    at = np.tile([x.mean() + 1.5 * x.std(), np.nan], (n_rows, 1))
    fit = GaussianImputer(n_threads=1).fit(X)
    drawn = fit.sample(at, n_copies, method="augmentation", burn_in=20, thinning=4,
                       training_data=X, random_state=0)[:, :, 1]
    means, variances = drawn.mean(axis=1), drawn.var(axis=1, ddof=1)
    # the mean of the inverse of an estimated variance is larger by (n_rows - 1) / (n_rows - 3)
    assert_allclose((rss / variances).mean() * (n_rows - 3) / (n_rows - 1), r - 1, rtol=0.05)
    assert_allclose((rss / variances).var(), 2 * (r - 1), rtol=0.2)
    z = (means - constant - slope * at[0, 0]) / np.sqrt(variances)
    assert abs(z.mean()) < 4 * z.std() / np.sqrt(n_copies / 1.5)
    assert_allclose(z.var(), (1 + 1.5**2) / r + 1 / n_rows, rtol=0.15)


def test_thinning_counts_the_steps_of_one_chain():
    """The second imputation comes `thinning` steps after the first, `burn_in` after the start."""
    _, X = table(60, 3)
    fit = GaussianImputer().fit(X)

    def copies(burn_in, thinning):
        return fit.sample(X, 3, method="augmentation", burn_in=burn_in, thinning=thinning,
                          random_state=0)

    a = copies(5, 3)
    assert_array_equal(a[1], copies(7, 1)[1])       # 8 steps
    assert_array_equal(a[2], copies(9, 1)[2])       # 11
    assert_array_equal(a[0], copies(5, 1)[0])
    assert not np.array_equal(a[1], copies(5, 1)[1])


@pytest.mark.parametrize("weights", ["none", "3 each", "unequal"])
def test_a_bootstrap_resamples_as_many_rows_as_weights_say(weights):
    """Of complete rows: the mean of a resample of N rows has the variance Sigma / N, its
    covariance the mean (1 - 1 / N) Sigma."""
    rng = np.random.default_rng(0)
    n, p = 50, 2
    X = rng.normal(size=(n, p)) @ [[1, 20], [0, 10]] + [5, 0]
    weight = {"none": None, "3 each": np.full(n, 3.0),
              "unequal": np.repeat([0.0, 0.25, 1.0, 3.0, 0.5], 10)}[weights]
    total, mean, scatter = scatter_of(X, weight)
    assert total == {"none": 50, "3 each": 150, "unequal": 47.5}[weights]
    size = round(total)
    fit = GaussianImputer(n_threads=1).fit(X, sample_weight=weight)
    means, covariances = parameters_of_copies(
        fit, 800, 400, training_data=X, sample_weight=weight)
    lower = np.linalg.cholesky(scatter / total)
    z = np.linalg.solve(lower, (means - mean).T)
    assert_allclose(z @ z.T / 800, np.eye(p) * (1 / size + 1 / 400), atol=0.17 / size)
    assert_allclose(z.mean(axis=1), 0, atol=0.15 / np.sqrt(size))
    inner = np.linalg.inv(lower)
    assert_allclose(inner @ covariances.mean(axis=0) @ inner.T, (1 - 1 / size) * np.eye(p),
                    atol=0.03)


def test_a_resample_has_two_values_of_every_column():
    """Else its variance would be zero; half of the resamples lose one of two values."""
    X = np.random.default_rng(0).normal(size=(6, 2))
    fit = GaussianImputer(n_threads=1, max_iter=30).fit(X)
    X[2:, 1] = np.nan
    X[:2, 1] = 0, 1
    _, covariances = parameters_of_copies(fit, 60, training_data=X)
    assert covariances[:, 1, 1].min() > 0.3


@pytest.mark.parametrize("options", [{}, {"method": "augmentation", "burn_in": 15}],
                         ids=["bootstrap", "augmentation"])
def test_draws_have_the_conditional_spread(options):
    """Within a copy: the conditional variance; between copies: that of the parameters too."""
    rng = np.random.default_rng(0)
    n, m = 300, 400
    x = rng.normal(size=n)
    X = np.column_stack([x, 0.8 * x + 0.6 * rng.normal(size=n)])
    X[n // 2:, 1] = np.nan
    fit = GaussianImputer(n_threads=1).fit(X)
    (a, b), gaps = np.split(x, 2), X[n // 2:]
    slope, constant = np.polyfit(a, X[:n // 2, 1], 1)
    variance = ((X[:n // 2, 1] - constant - slope * a) ** 2).sum() / (n // 2 - 2)
    drawn = fit.sample(gaps, m, random_state=0, training_data=X, **options)[:, :, 1]
    slopes, constants = np.polyfit(b, drawn.T, 1)
    residuals = drawn - constants[:, None] - slopes[:, None] * b
    assert_allclose((residuals**2).sum(axis=1).mean() / (n // 2 - 2), variance, rtol=0.03)
    # the slope of a copy: its own draw, and the noise of the cells
    assert_allclose(slopes.mean(), slope, atol=4 * slopes.std() / np.sqrt(m))
    own, noise = (variance / ((v - v.mean()) ** 2).sum() for v in (a, b))
    assert_allclose(slopes.var(ddof=1), own + noise, rtol=0.25)


@pytest.mark.parametrize("options", [{}, {"method": "augmentation", "burn_in": 10}],
                         ids=["bootstrap", "augmentation"])
def test_parameters_come_from_the_training_data(options):
    """Not from the fit, nor from the rows that are completed; weights count."""
    _, X = table(200, 3)
    fit = GaussianImputer(n_threads=1).fit(X)
    few = fit.sample(X[:3], 20, random_state=0, training_data=X, **options)
    assert few.shape == (20, 3, 3)
    assert_array_equal(few[0][~np.isnan(X[:3])], X[:3][~np.isnan(X[:3])])
    units = np.nanstd(X, axis=0)
    other = (X[:100] - np.nanmean(X, axis=0)) * 2 + 7 * units
    both = np.concatenate([other, X[100:]])
    weight = np.repeat([1.0, 0.0], 100)
    own = GaussianImputer(tol=1e-8).fit(other)
    for basis, w in ((other, None), (both, weight)):
        means, covariances = parameters_of_copies(
            fit, 100, training_data=basis, sample_weight=w, **options)
        error = 2 * units / np.sqrt(100)        # of an estimate, and a tenth of it of their mean
        assert_allclose((means.mean(axis=0) - own.location_) / error, 0, atol=0.6)
        ratio = covariances.mean(axis=0).diagonal() / own.covariance_.diagonal()
        assert_allclose(ratio, 1, atol=0.1)


def test_mixture_draws_come_from_its_components():
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=400)
    X = np.column_stack([rng.normal(size=400), 20.0 * label + rng.normal(size=400)])
    Y = X.copy()
    Y[:200, 1] = np.nan
    fit = GaussianMixtureImputer(2, random_state=0).fit(Y)
    drawn = fit.sample(Y, 5, random_state=0)[:, :200, 1]
    assert (np.minimum(np.abs(drawn), np.abs(drawn - 20)) < 6).all()
    assert 0.3 < (drawn > 10).mean() < 0.7
    with pytest.raises(ValueError, match="not for a mixture"):
        fit.sample(Y, method="augmentation")


@pytest.mark.parametrize("covariance_type", TYPES)
def test_a_cell_of_a_mixture_is_drawn_from_its_component_given_the_row(covariance_type):
    """First the component by its posterior probability, then the cell within it."""
    rng = np.random.default_rng(0)
    n = 3000
    label = (rng.random(n) < 0.25).astype(int)
    X = rng.normal(size=(n, 2)) + np.array([[0, 0], [2.5, 20]])[label]
    fit = GaussianMixtureImputer(2, covariance_type=covariance_type, random_state=0).fit(X)
    far = fit.means_[:, 1].argmax()
    for x in (0.5, 1.5, 2.5):
        rows = np.tile([x, np.nan], (2000, 1))
        drawn = fit.sample(rows, 3, random_state=0, training_data=X)[:, :, 1]
        odds = fit.weights_ / fit.weights_[1 - far] * np.exp(
            -0.5 * (x - fit.means_[:, 0]) ** 2 + 0.5 * (x - fit.means_[1 - far, 0]) ** 2)
        # three draws of the parameters, and the standardised distance is one of variance 1 here
        assert_allclose((drawn > 10).mean(), odds[far] / odds.sum(), atol=0.05)
        assert_allclose(drawn[drawn > 10].std(), 1, atol=0.1)


def test_draws_in_float32():
    _, X = table(100, 3)
    X = X.astype(np.float32)
    drawn = GaussianImputer().fit(X).sample(X, 2, random_state=0)
    assert drawn.dtype == np.float32
    assert_array_equal(drawn[1][~np.isnan(X)], X[~np.isnan(X)])


@pytest.mark.parametrize("options", [
    {"n_imputations": 0}, {"n_imputations": 2.5}, {"burn_in": 0}, {"thinning": 0},
    {"method": "guess"}])
def test_bad_arguments_of_sample(options):
    _, X = table(60, 3)
    fit = GaussianImputer().fit(X)
    with pytest.raises(ValueError, match=next(iter(options))):
        fit.sample(X, **{"n_imputations": 2, **options})


def test_too_few_rows_to_draw_parameters_from():
    X = np.random.default_rng(0).normal(size=(5, 4))
    X[0, 0] = X[1, 1] = np.nan
    fit = GaussianImputer(prior="ridge").fit(X)
    assert np.isfinite(fit.sample(X, 2, method="augmentation", random_state=0)).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # no maximum
        fit.set_params(prior=None).fit(X)
    with pytest.raises(ValueError, match="proper posterior"):
        fit.sample(X[:4], 2, method="augmentation")


@pytest.mark.slow
@pytest.mark.parametrize("options", [
    {}, {"method": "augmentation", "burn_in": 25}], ids=["bootstrap", "augmentation"])
def test_pooled_intervals_cover(options):
    """95 % intervals of a mean, a third of it missing at random given another column, pooled by
    Rubin's rules with the degrees of freedom of Barnard and Rubin, Biometrika 86, 1999. (Coverage
    hardly depends on degrees of freedom of the draws: their posteriors are tested above.)"""
    rng = np.random.default_rng(0)
    n, m, n_sets, covered = 100, 20, 500, 0
    for i in range(n_sets):
        x = rng.normal(size=n)
        y = 3 + 0.7 * x + np.sqrt(1 - 0.49) * rng.normal(size=n)
        Y = np.column_stack([x, np.where(rng.random(n) < stats.norm.cdf(x - 0.6), np.nan, y)])
        fit = GaussianImputer(n_threads=1).fit(Y)
        drawn = fit.sample(Y, m, random_state=i, **options)[:, :, 1]
        estimates, within = drawn.mean(axis=1), (drawn.var(axis=1, ddof=1) / n).mean()
        between = (1 + 1 / m) * estimates.var(ddof=1)
        total = within + between
        share = between / total
        observed = (n - 1 + 1) / (n - 1 + 3) * (n - 1) * (1 - share)
        dof = 1 / (share**2 / (m - 1) + 1 / observed)
        covered += abs(estimates.mean() - 3) < stats.t.ppf(0.975, dof) * np.sqrt(total)
    assert 0.93 <= covered / n_sets <= 0.97


# --- scikit-learn -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("default")
@parametrize_with_checks([GaussianImputer(), GaussianMixtureImputer()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("imputer", [GaussianImputer(), GaussianMixtureImputer(random_state=0)])
def test_copies_and_pickles(imputer):
    _, X = clusters(200)
    fit = imputer.fit(X)
    assert clone(fit).get_params() == fit.get_params() or np.isnan(fit.missing_values)
    assert not hasattr(clone(fit), "n_iter_")
    loaded = pickle.loads(pickle.dumps(fit))
    assert_array_equal(loaded.transform(X), fit.transform(X))
    assert_array_equal(loaded.sample(X, 1, random_state=0), fit.sample(X, 1, random_state=0))
    assert len(pickle.dumps(fit)) < 10_000      # no rows inside


def test_in_pipelines():
    pd = pytest.importorskip("pandas")
    _, X = table(200, 3)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    y = np.random.default_rng(0).normal(size=200)
    pipeline = make_pipeline(GaussianImputer(add_indicator=True), StandardScaler(),
                             LinearRegression())
    pipeline.fit(frame, y)
    assert_array_equal(
        pipeline[:-1].get_feature_names_out(),
        ["a", "b", "c", "missingindicator_a", "missingindicator_b", "missingindicator_c"])
    columns = ColumnTransformer([("fill", GaussianImputer(), ["a", "b"])], remainder="drop")
    filled = columns.set_output(transform="pandas").fit_transform(frame)
    assert list(filled.columns) == ["fill__a", "fill__b"]
    assert_allclose(filled.to_numpy(), GaussianImputer().fit_transform(X[:, :2]))


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_output_containers(container):
    module = pytest.importorskip(container)
    _, X = table(50, 3)
    frame = module.DataFrame({name: X[:, j] for j, name in enumerate("abc")})
    if container == "pandas":
        frame.index = np.arange(50) + 100
    fit = GaussianImputer(add_indicator=True).set_output(transform=container).fit(frame)
    filled = fit.transform(frame)
    assert isinstance(filled, module.DataFrame)
    assert list(filled.columns) == list(fit.get_feature_names_out())
    assert_allclose(filled.to_numpy()[:, :3].astype(float), GaussianImputer().fit_transform(X))
    drawn = fit.sample(frame, 2, random_state=0)
    assert isinstance(drawn, list) and all(isinstance(d, module.DataFrame) for d in drawn)
    assert drawn[1].shape == filled.shape
    if container == "pandas":
        assert_array_equal(drawn[0].index, frame.index)


def test_indicator_is_scikit_learns():
    from sklearn.impute import SimpleImputer

    _, X = table(50, 3)
    X[:, 1] = np.where(np.isnan(X[:, 1]), 0.0, X[:, 1])
    ours = GaussianImputer(add_indicator=True).fit(X)
    theirs = SimpleImputer(add_indicator=True).fit(X)
    assert_array_equal(ours.transform(X)[:, 3:], theirs.transform(X)[:, 3:])
    assert_array_equal(ours.get_feature_names_out(), theirs.get_feature_names_out())
    new = X.copy()
    new[0, 1] = np.nan
    assert ours.transform(new).shape == theirs.transform(new).shape == (50, 5)
    assert GaussianImputer().fit(X).indicator_ is None


def test_standard_errors_and_missing_information_by_weight():
    """A weight of 2 is the row twice."""
    _, X = table(80, 3)
    weight = np.random.default_rng(0).integers(1, 4, 80)
    rows = np.repeat(X, weight, axis=0)
    fit = GaussianImputer(tol=1e-9).fit(rows)
    for method in (fit.standard_errors, fit.missing_information):
        for ours, theirs in zip(method(X, weight), method(rows)):
            assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_standard_errors_of_complete_rows():
    complete, X = table(200, 3)
    fit = GaussianImputer().fit(complete)
    errors = fit.standard_errors(complete)
    assert_allclose(errors.location, np.sqrt(np.diag(fit.covariance_) / 200), rtol=1e-6)
    assert_allclose(np.diag(errors.covariance), np.diag(fit.covariance_) * np.sqrt(2 / 200),
                    rtol=1e-6)
    assert_allclose(fit.missing_information(complete).location, 0, atol=1e-6)
    fit = GaussianImputer(tol=1e-8).fit(X)
    assert (fit.standard_errors(X).location > np.sqrt(np.diag(fit.covariance_) / 200)).all()
    share = fit.missing_information(X).location
    assert ((share > 0) & (share < 0.3)).all()


def test_examples():
    for module in (gaussian, mixture, multiple):
        found = doctest.testmod(module)
        assert found == (0, found.attempted) and found.attempted > 3


def test_warnings_are_errors_nowhere_else():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, X = table()
        GaussianImputer().fit(X).sample(X, 1, random_state=0)
    assert issubclass(EMWarning, UserWarning)
