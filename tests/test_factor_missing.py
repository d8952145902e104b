"""FactorAnalysis of rows with missing values: the maximum of the likelihood of what is observed."""

import warnings

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from test_factor_analysis import ATTITUDE, IRIS

from emkernels import EMWarning, FactorAnalysis, GaussianMixture
from emkernels.components.factors import incomplete
from emkernels.data import Rows

WINE = datasets.load_wine().data


def with_gaps(X, share=0.15, seed=0):
    gaps = np.array(X, dtype=float)
    gaps[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    return gaps


GAPS = with_gaps(ATTITUDE)
GAPS[3] = np.nan        # nothing observed
NOISES = ("diagonal", "isotropic")


def fitted(X, *args, sample_weight=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EMWarning)
        return FactorAnalysis(*args, **options).fit(X, sample_weight=sample_weight)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("q", [1, 2])
def test_the_maximum_of_a_general_optimiser(q, noise, rng):
    """L-BFGS on the likelihood of the observed values does not get higher, from the end of the fit
    or from elsewhere."""
    X = GAPS / 10
    D = X.shape[1]
    weight = rng.uniform(0.5, 2, len(X))
    model = fitted(X, q, noise=noise, sample_weight=weight)
    n_noise = 1 if noise == "isotropic" else D

    def objective(t):
        mean, L, psi = t[:D], t[D:-n_noise].reshape(q, D), np.exp(t[-n_noise:])
        return -weight @ reference.factor_log_density(X, mean, L, psi) / weight.sum()

    end = np.r_[model.mean_, model.components_.ravel(),
                np.log(np.atleast_1d(model.noise_variance_))]
    for begin in (end, end + 0.1 * rng.normal(size=len(end))):
        found = minimize(objective, begin, method="L-BFGS-B",
                         options={"maxiter": 400, "maxfun": 10**6, "ftol": 1e-13})
        assert -found.fun <= model.score(X, sample_weight=weight) + 1e-8
    assert_allclose(-objective(end), model.score(X, sample_weight=weight), rtol=1e-12)


@pytest.mark.parametrize("noise", NOISES)
def test_em_steps(noise, rng):
    components, psi = rng.normal(size=(2, 7)) * 3, rng.uniform(20, 80, 7)
    if noise == "isotropic":
        psi[:] = 40
    with pytest.warns(ConvergenceWarning):
        model = FactorAnalysis(
            2, noise=noise, method="em", n_init=1, tol=0, max_iter=5, components_init=components,
            noise_variance_init=psi[0] if noise == "isotropic" else psi).fit(GAPS)
    seen = ~np.isnan(GAPS).all(axis=1)
    mean, components, psi, history = reference.factor_em(
        GAPS[seen], np.nanmean(GAPS, axis=0), components, psi, 5,
        isotropic=noise == "isotropic")
    assert_allclose(model.mean_, mean, rtol=1e-10)
    assert_allclose(model.get_covariance(), reference.factor_covariance(components, psi),
                    rtol=1e-10)
    # the row without values counts, with nothing
    assert_allclose(model.lower_bounds_, np.array(history) * seen.mean(), rtol=1e-12)


def test_completed_moments(rng):
    components, psi = rng.normal(size=(2, 7)), rng.uniform(0.2, 0.8, 7)
    mean, scale = np.nanmean(GAPS, axis=0), np.nanstd(GAPS, axis=0)
    weight = rng.uniform(0.5, 2, len(GAPS))
    rows = Rows.read(GAPS).weighed(weight)
    found = incomplete.Completed(rows, mean, scale, components, psi)
    weight[3] = 0
    seen = np.delete(np.arange(30), 3)
    Z, w = ((GAPS - mean) / scale)[seen], weight[seen]
    sigma = reference.factor_covariance(components, psi)
    first, second = np.zeros(7), np.zeros((7, 7))
    for z, each in zip(Z, w, strict=True):
        o = ~np.isnan(z)
        slope = np.linalg.solve(sigma[np.ix_(o, o)], sigma[o]).T
        whole = slope @ z[o]
        first += each * whole
        second += each * (np.outer(whole, whole) + sigma - slope @ sigma[o])
    assert_allclose(found.weight, w.sum())
    assert_allclose(found.offset, first / w.sum(), atol=1e-13)
    assert_allclose(found.covariance, second / w.sum() - np.outer(found.offset, found.offset),
                    atol=1e-12)
    expected = w @ (reference.factor_log_density(Z, np.zeros(7), components, psi)
                    - (~np.isnan(Z)) @ np.log(scale))
    assert_allclose(found.log_likelihood, expected, rtol=1e-12)


@pytest.mark.parametrize("options", [
    {}, {"noise": "isotropic"}, {"rotation": "oblimin"}], ids=str)
def test_rows_go_by_what_they_have(options):
    model = fitted(GAPS, 2, **options)
    parameters = (model.mean_, model.components_, model.noise_variance_,
                  model.factor_correlation_)
    assert_allclose(model.score_samples(GAPS), reference.factor_log_density(GAPS, *parameters),
                    rtol=1e-10)
    means, covariances = reference.factor_scores(GAPS, *parameters)
    assert_allclose(model.transform(GAPS), means, atol=1e-9)
    assert_allclose(model.posterior_covariance(GAPS), covariances, atol=1e-9)
    assert model.score_samples(GAPS)[3] == 0 and not model.transform(GAPS)[3].any()
    # the conditional means of a normal distribution
    normal = GaussianMixture(1, precisions_init=np.linalg.inv(model.get_covariance())[None],
                             means_init=model.mean_[None], weights_init=[1.0], max_iter=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        normal.fit(GAPS)
    assert_allclose(model.impute(GAPS), normal.impute(GAPS), rtol=1e-8)
    seen = ~np.isnan(GAPS)
    assert_array_equal(model.impute(GAPS)[seen], GAPS[seen])
    assert_allclose(model.impute(GAPS)[3], model.mean_)


def test_scores_of_bartlett():
    model = fitted(GAPS, 2)
    L, psi = model.components_.T, model.noise_variance_
    for x, found in zip(GAPS, model.transform(GAPS, "bartlett"), strict=True):
        o = ~np.isnan(x)
        root = np.sqrt(psi[o])
        expected = np.linalg.lstsq(L[o] / root[:, None], (x - model.mean_)[o] / root)[0] if (
            o.any()) else np.zeros(2)
        assert_allclose(found, expected, atol=1e-8)


def test_the_default_arrives():
    """Within the tolerance of a fit that goes on much longer, in parameters too."""
    for X, q in ((with_gaps(WINE, 0.2), 3), (with_gaps(IRIS, 0.2), 1), (GAPS, 2)):
        model, longer = fitted(X, q), fitted(X, q, tol=1e-8)
        assert model.converged_ and longer.converged_
        unit = np.sqrt(np.diag(longer.get_covariance()))
        assert_allclose((model.get_covariance() - longer.get_covariance()) / unit / unit[:, None],
                        0, atol=1e-5)
        assert_allclose(model.score(X) * len(X), longer.score(X) * len(X), atol=1e-5)
        for each in (model, longer):
            assert (np.diff(each.lower_bounds_) > -1e-10).all()


def test_acceleration_and_em_have_the_same_maximum():
    X = with_gaps(WINE, 0.2)
    best = fitted(X, 2)
    fast = fitted(X, 2, acceleration="squarem")
    slow = fitted(X, 2, method="em", acceleration="squarem", n_init=1, max_iter=5000)
    assert fast.n_iter_ <= best.n_iter_ < slow.n_iter_
    for other in (fast, slow):
        assert other.converged_
        assert_allclose(other.score(X), best.score(X), atol=1e-7)
        assert_allclose(other.noise_variance_, best.noise_variance_, rtol=1e-2)


def test_rows_without_gaps_have_the_same_maximum():
    """A row without values makes the rows incomplete, and changes nothing."""
    empty = np.r_[ATTITUDE, np.full((1, 7), np.nan)]
    one, two = FactorAnalysis(2).fit(ATTITUDE), FactorAnalysis(2).fit(empty)
    assert_allclose(two.get_covariance(), one.get_covariance(), rtol=1e-5)
    assert_allclose(two.score(empty) * 31, one.score(ATTITUDE) * 30, rtol=1e-9)


def test_weights_are_numbers_of_rows(rng):
    weight = rng.integers(0, 3, len(GAPS)).astype(float)
    one = fitted(np.repeat(GAPS, weight.astype(int), axis=0), 1)
    two = fitted(GAPS, 1, sample_weight=weight)
    assert_allclose(two.get_covariance(), one.get_covariance(), rtol=1e-5)


def test_units_and_shifts():
    units = np.array([1e100, 1.0, 1e-150, 1e50, 1e-30, 1e10, 3.0])
    plain = fitted(GAPS, 1)
    for X, scale in ((GAPS * units, units), (GAPS + 1e8, np.ones(7))):
        model = fitted(X, 1)
        assert_allclose(model.noise_variance_ / scale**2, plain.noise_variance_, rtol=1e-5)
    for scale in (1.0, 1e-25, 1e12):
        X = (GAPS * scale).astype(np.float32)
        single = fitted(X, 1)
        assert_allclose(single.noise_variance_ / scale**2, plain.noise_variance_, rtol=1e-3)
        assert single.impute(X).dtype == np.float32


def test_the_same_bits():
    X = np.tile(with_gaps(WINE), (20, 1))
    one, two = (fitted(Z, 2, n_threads=n) for n, Z in ((1, X), (3, np.asfortranarray(X))))
    assert_array_equal(one.components_, two.components_)
    assert_array_equal(one.transform(X), two.transform(X))


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("table", ["constant", "equal columns", "few rows", "never together",
                                   "one value"])
def test_degenerate_tables(table, noise, rng):
    X = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 5)) + rng.normal(size=(60, 5)) / 2
    X = with_gaps(X, 0.2)
    if table == "constant":
        X[~np.isnan(X[:, 2]), 2] = 3.3
    elif table == "equal columns":
        X[:, 2] = X[:, 1]
    elif table == "few rows":
        X = X[:4]
    elif table == "one value":
        X[1:, 2] = np.nan
        X[0, 2] = 1.0
    else:
        X[:30, 0] = X[30:, 1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EMWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = FactorAnalysis(2, noise=noise, max_iter=200).fit(X)
    for values in (model.components_, model.noise_variance_, model.mean_, model.transform(X),
                   model.score_samples(X), model.impute(X), model.posterior_covariance(X),
                   model.get_precision()):
        assert np.isfinite(values).all()
    assert (np.diff(model.lower_bounds_) >= -1e-8).all()


def test_gaps_where_nothing_varies():
    X = np.insert(ATTITUDE, 2, 5.0, axis=1)
    X[4:9, 2] = np.nan
    with pytest.warns(EMWarning, match="column 2 has one value only"):
        model = FactorAnalysis(2).fit(X)
    assert_allclose(np.delete(model.components_, 2, axis=1), FactorAnalysis(2).fit(
        ATTITUDE).components_, rtol=1e-5)
    assert (model.impute(X)[:, 2] == 5).all()


def test_columns_that_are_not_observed():
    X = GAPS.copy()
    X[:, 2] = np.nan
    with pytest.raises(ValueError, match="no observed value in column 2"):
        FactorAnalysis().fit(X)


@pytest.mark.parametrize("X", [ATTITUDE, GAPS], ids=["complete", "gaps"])
def test_ctrl_c_leaves_the_last_iteration(X):
    def interrupt(state):
        if state.n_iter == 3:
            raise KeyboardInterrupt

    model = FactorAnalysis(2, callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.n_iter_ == 3 and not model.converged_
    assert np.isfinite(model.transform(X)).all()


@pytest.mark.parametrize("acceleration", [None, "squarem"])
def test_the_likelihood_never_falls_beside_noise_variances_near_zero(acceleration):
    # two Heywood columns: determinants of the factors' covariances have a condition of 1e8
    with pytest.warns(ConvergenceWarning):
        model = fitted(with_gaps(IRIS, 0.1, seed=1), 2, tol=0, max_iter=40, n_init=1,
                       acceleration=acceleration)
    assert len(model.heywood_) == 2
    assert np.diff(model.lower_bounds_).min() > -1e-12


def test_densities_have_their_digits_beside_noise_variances_near_zero():
    mpmath = pytest.importorskip("mpmath")
    X = with_gaps(IRIS, 0.1, seed=1)
    model = fitted(X, 2)
    assert len(model.heywood_) == 2
    L, psi, found = model.components_.T, model.noise_variance_, model.score_samples(X[:12])
    with mpmath.workdps(40):
        covariance = mpmath.matrix(L.tolist()) * mpmath.matrix(L.T.tolist())
        for j in range(len(psi)):
            covariance[j, j] += mpmath.mpf(float(psi[j]))
        for x, value in zip(X[:12], found, strict=True):
            seen = [int(j) for j in np.flatnonzero(~np.isnan(x))]
            part = mpmath.matrix(len(seen))
            for a, i in enumerate(seen):
                for b, j in enumerate(seen):
                    part[a, b] = covariance[i, j]
            r = mpmath.matrix([mpmath.mpf(float(x[j])) - mpmath.mpf(float(model.mean_[j]))
                               for j in seen])
            expected = -(len(seen) * mpmath.log(2 * mpmath.pi) + mpmath.log(mpmath.det(part))
                         + (r.T * mpmath.inverse(part) * r)[0]) / 2
            assert abs(value - float(expected)) < 1e-10


def test_start_values_far_from_the_data(rng):
    X = with_gaps(rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6))
                  + 0.5 * rng.normal(size=(200, 6)), 0.2)
    best = fitted(X, 2, n_init=1).score(X)
    for noise in 1e19, 1e-300:
        assert fitted(X, 2, n_init=1, noise_variance_init=noise).score(X) > best - 1e-6
    with pytest.raises(ValueError, match="at most 1e.20 times .* of column"):
        fitted(X, 2, noise_variance_init=1e250)
