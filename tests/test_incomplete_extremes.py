"""Incomplete rows far from everything, nearly collinear columns, extreme scales, float32."""

import functools
import math

import mpmath
import numpy as np
import pytest
import reference
from incomplete_problems import answer, imputed, moments, posterior, statistics
from numpy.testing import assert_allclose, assert_array_equal
from reference import COVARIANCE_TYPES
from test_far_rows import FAR, factors_of, far_model, far_rows

from emkernels import kernels


def exact(x, mean, upper):
    """Log density of the observed values and conditional means, with 60 digits."""
    with mpmath.workdps(60):
        inverse = mpmath.matrix(upper.tolist()) ** -1
        covariance = inverse.T * inverse
        o, m = np.flatnonzero(~np.isnan(x)), np.flatnonzero(np.isnan(x))
        if len(o) == 0:
            return mpmath.mpf(0), [mpmath.mpf(float(v)) for v in mean]
        block = mpmath.matrix([[covariance[int(i), int(j)] for j in o] for i in o])
        diff = mpmath.matrix([mpmath.mpf(float(x[i])) - mpmath.mpf(float(mean[i])) for i in o])
        solved = mpmath.lu_solve(block, diff)
        log_density = (-(diff.T * solved)[0] - mpmath.log(mpmath.det(block))
                       - len(o) * mpmath.log(2 * mpmath.pi)) / 2
        means = [mpmath.mpf(float(mean[i])) + mpmath.fsum(
            covariance[int(i), int(j)] * s for j, s in zip(o, solved)) for i in m]
    return log_density, means


# --- far rows ------------------------------------------------------------------------------

@functools.cache
def far_problem(D, covariance_type, dtype, big):
    """Far rows with gaps (not in the first column), the model, and 60 digits of each row's
    log densities under the components."""
    rng = np.random.default_rng(D)
    X, far = far_rows(rng, D, dtype, big)
    gaps = rng.random(X.shape) < 0.4
    gaps[:, 0] &= ~np.isin(np.arange(40), far)
    if D > 1:
        gaps[[3, 39]] = False
        gaps[3, 1:] = True
    X[gaps] = np.nan
    weights, means, factors, _ = model = far_model(covariance_type, D, dtype, big)
    upper = reference.full_factors(factors, covariance_type, 3, D)
    densities = [[exact(X[i], means[k], upper[k])[0] + math.log(weights[k]) for k in range(3)]
                 for i in range(40)]
    X.flags.writeable = False
    return X, far, model, densities


@pytest.mark.parametrize("dtype, big", FAR)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("D", [1, 5])
@pytest.mark.parametrize("repeats", [1, 70])
def test_every_far_row_goes_to_the_best_component(simd, D, covariance_type, dtype, big, repeats):
    X, far, model, densities = far_problem(D, covariance_type, dtype, big)
    resp, norm, labels, log_prob = (a.reshape(40, repeats, -1) for a in kernels.incomplete_e_step(
        np.repeat(X, repeats, axis=0), *model,
        want=("resp", "log_prob_norm", "labels", "log_prob")))
    assert np.isfinite(resp).all() and not np.isnan(norm).any()
    assert not np.isnan(log_prob).any() and (log_prob < np.inf).all()
    assert_allclose(resp.sum(axis=2), 1, rtol=1e-6)
    lowest = -float(np.finfo(dtype).max)
    for i in range(40):
        best = max(range(3), key=lambda k: densities[i][k])
        if i in far:
            assert_array_equal(labels[i], best)
            assert_array_equal(resp[i, :, best], 1)
        value = mpmath.log(sum(mpmath.exp(d - densities[i][best]) for d in densities[i]))
        value += densities[i][best]
        if value < lowest:
            assert_array_equal(norm[i], -np.inf)
        else:
            assert_allclose(norm[i], float(value), rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("dtype, big", FAR)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("D", [1, 5])
def test_statistics_of_far_rows(simd, D, covariance_type, dtype, big):
    X, far, model, _ = far_problem(D, covariance_type, dtype, big)
    matrices = covariance_type in ("full", "tied")
    try:
        s = kernels.incomplete_statistics(X, *model)
    except ValueError as error:         # infinity less infinity
        assert "the sums over X overflow, second is not a number" in str(error)
        assert matrices and D > 1 and big * big > float(np.finfo(dtype).max)
    else:
        resp = kernels.incomplete_e_step(X, *model, want=["resp"])[0]
        assert_allclose(s.counts, resp.sum(axis=0, dtype=float), rtol=1e-6)
        assert not math.isnan(s.log_likelihood)
        second = np.diagonal(s.second, axis1=-2, axis2=-1) if matrices else s.second
        assert (second >= 0).all()      # infinite where squares overflow, not NaN
    rows, covariances, _ = kernels.conditional_moments(
        X, *model[1:], model[0], covariances=True)
    assert np.isfinite(rows).all()
    assert np.isfinite(covariances).all() or big > 1e154     # between far components
    weight = np.ones(40)
    weight[far] = 0
    without = X.copy()
    without[far] = np.where(np.isnan(X[far]), np.nan, 0)
    ours = kernels.incomplete_statistics(X, *model, weight)
    theirs = kernels.incomplete_statistics(without, *model, weight)
    for a, b in zip(ours, theirs):
        assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n", [1, 40])
def test_a_fill_that_overflows_adds_nothing_where_the_row_has_no_weight(simd, n):
    """The second component would fill the gap with 5e309; the rows belong to the first."""
    X = np.tile([1e160, np.nan], (n, 1))
    covariances = np.array([np.eye(2), [[1, 5e149], [5e149, 1e300]]])
    factors = np.swapaxes(np.linalg.inv(np.linalg.cholesky(covariances)), 1, 2)
    s = kernels.incomplete_statistics(X, [0.5, 0.5], [[1e160, 0], [0, 0]], factors, "full")
    assert_array_equal(s.counts, [n, 0])
    assert_array_equal(s.first, 0)
    assert_allclose(s.second, [[[0, 0], [0, n]], np.zeros((2, 2))])
    assert_allclose(s.log_likelihood, n * (math.log(0.5) - 0.5 * math.log(2 * math.pi)))


@pytest.mark.parametrize("dtype, big", [
    ("f8", 1e15), ("f8", 1e150), ("f8", 1e200), ("f8", 1e300), ("f4", 1e15), ("f4", 1e30)])
@pytest.mark.parametrize("condition", [1e1, 1e8])
def test_far_rows_under_collinear_columns(simd, dtype, big, condition, rng):
    """Regressions with large coefficients: their fills may overflow, nothing else may."""
    for D in (2, 5, 13):
        factors = np.array([collinear(D, condition, rng)[1] for _ in range(3)])
        X = rng.normal(size=(300, D))
        X[rng.random(X.shape) < 0.4] = np.nan
        far = rng.choice(300, 30, replace=False)
        with np.errstate(over="ignore"):
            X[far] *= big / 10
            X = X.astype(dtype)
        model = (np.array([0.3, 0.3, 0.4]), rng.normal(size=(3, D)), factors)
        resp, norm, log_prob = kernels.incomplete_e_step(
            X, *model, want=("resp", "log_prob_norm", "log_prob"))
        assert np.isfinite(resp).all() and not np.isnan(norm).any()
        assert not np.isnan(log_prob).any()
        assert_allclose(resp.sum(axis=1), 1, rtol=1e-5)
        assert not np.isnan(kernels.conditional_moments(X, *model[1:], weights=model[0])[0]).any()
        weight = np.ones(300)
        weight[far] = 0
        s = kernels.incomplete_statistics(X, *model, "full", weight)
        assert all(np.isfinite(field).all() for field in s)


# --- nearly collinear columns ------------------------------------------------------------

def collinear(D, condition, rng):
    """A covariance of the given condition, and its factor."""
    turned = np.linalg.qr(rng.normal(size=(D, D)))[0]
    covariance = turned * np.logspace(0, -np.log10(condition), D) @ turned.T
    return covariance, np.triu(np.linalg.inv(np.linalg.cholesky(covariance)).T)


@functools.cache
def collinear_problem(D, share, condition):
    rng = np.random.default_rng(D)
    covariance, factor = collinear(D, condition, rng)
    X = rng.multivariate_normal(np.zeros(D), covariance, size=25, method="eigh")
    X[rng.random(X.shape) < share] = np.nan
    answers = [exact(x, np.zeros(D), factor) for x in X]
    return X, factor, np.sqrt(np.diag(covariance)), answers


# errors for a condition of 1e10, 1 / condition being 4e5 roundings: in tiles of one pattern, which
# may take the observed block, and in mixed ones, which take the block of the precision
@pytest.mark.parametrize("repeats, error_of_row, error_of_fill", [
    (64, 5e-11, 5e-10), (1, 2e-7, 1e-6)])
@pytest.mark.parametrize("D, share", [(4, 0.2), (8, 0.2), (8, 0.5), (8, 0.8), (16, 0.5)])
def test_log_likelihood_of_nearly_collinear_columns(simd, D, share, repeats, error_of_row,
                                                    error_of_fill):
    X, factor, deviations, answers = collinear_problem(D, share, 1e10)
    rows, model = np.repeat(X, repeats, axis=0), (np.zeros((1, D)), factor[None])
    expected = np.array([float(a[0]) for a in answers])
    (norm,) = kernels.incomplete_e_step(rows, [1.0], *model, want=["log_prob_norm"])
    assert np.abs(norm.reshape(25, repeats) - expected[:, None]).max() < error_of_row
    s = kernels.incomplete_statistics(rows, [1.0], *model)
    assert abs(s.log_likelihood / repeats - expected.sum()) < 5 * error_of_row
    filled = kernels.conditional_moments(rows, *model).imputed[::repeats]
    for i in range(25):
        m = np.isnan(X[i])
        wanted = np.array([float(v) for v in answers[i][1]])
        assert np.all(np.abs(filled[i, m] - wanted[:m.sum()]) <= error_of_fill * deviations[m])


@pytest.mark.parametrize("repeats", [1, 40])
@pytest.mark.parametrize("D", [2, 5, 13, 33])
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_float32_of_correlated_columns(simd, repeats, D, share):
    """A condition of 1e4, the coefficients of the factors up to 100: densities to 3e-5 relative to
    1 + |value|, posteriors and fills to 2e-5, sums to 3e-6 of what is added up."""
    rng = np.random.default_rng(D)
    covariance, factor = collinear(D, 1e4, rng)
    factors = (factor * np.array([1, 0.75])[:, None, None]).astype("f4").astype(float)
    means = (rng.normal(size=(2, D)) / 2).astype("f4").astype(float)
    X = np.concatenate([rng.multivariate_normal(m, covariance, size=100) for m in means])
    X[rng.random(X.shape) < share] = np.nan
    X, weights = np.repeat(X.astype("f4"), repeats, axis=0), [0.4, 0.6]
    a = answer(X, means, factors)
    resp, norm = posterior(a, weights)
    ours = kernels.incomplete_e_step(
        X, weights, means, factors, want=("resp", "log_prob_norm", "log_prob"))
    joint = a.log_prob + np.log(weights)
    assert np.abs(ours[0] - resp).max() < 2e-5
    assert np.all(np.abs(ours[1] - norm) < 3e-5 * (1 + np.abs(norm)))
    assert np.all(np.abs(ours[2] - joint) < 3e-5 * (1 + np.abs(joint)))
    filled, covariances, _ = kernels.conditional_moments(
        X, means, factors, weights=weights, covariances=True)
    wanted, blocks = imputed(X, a, weights)
    assert np.abs(filled - wanted).max() < 2e-5
    assert np.abs(covariances - np.concatenate([b.ravel() for b in blocks])).max() < 2e-5
    s = kernels.incomplete_statistics(X, weights, means, factors)
    scales = moments(a, np.ones_like(resp), means, "full", absolute=True)
    for value, expected, scale in zip(s, statistics(a, weights, means, "full"), scales):
        assert np.all(np.abs(value - expected) <= 3e-6 * scale)
    assert abs(s.log_likelihood - norm.sum()) < 2e-6 * (1 + np.abs(norm).sum())


# --- scales and shifts --------------------------------------------------------------------

@pytest.mark.parametrize("dtype, scale", [
    ("f8", 1e152), ("f8", 1e150), ("f8", 1e-150), ("f8", 1e-152), ("f4", 1e15), ("f4", 1e-15)])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("D, repeats", [(1, 1), (3, 1), (5, 40), (13, 1)])
def test_scaled_data_has_scaled_statistics(simd, dtype, scale, covariance_type, D, repeats, rng):
    means = np.array([np.zeros(D), np.ones(D)]) * 3
    X = means[rng.integers(2, size=200 // repeats)] + rng.normal(size=(200 // repeats, D))
    X[rng.random(X.shape) < 0.5] = np.nan
    X = np.repeat(X, repeats, axis=0)
    factors = factors_of(covariance_type, 2, D)
    with np.errstate(under="ignore"):
        X, means = (X * scale).astype(dtype), (means * scale).astype(dtype).astype(float)
    a = answer(X.astype(float) / scale, means / scale, factors, covariance_type)
    unit = statistics(a, [0.4, 0.6], means / scale, covariance_type)
    s = kernels.incomplete_statistics(X, [0.4, 0.6], means, factors / scale, covariance_type)
    tolerance = 1e-11 if dtype == "f8" else 1e-4
    for value, expected in zip((s.counts, s.first / scale, s.second / scale / scale), unit):
        assert_allclose(value, expected, rtol=tolerance, atol=tolerance * len(X))
    observed = (~np.isnan(X)).sum()
    assert s.log_likelihood == pytest.approx(
        unit[3] - observed * math.log(scale), rel=tolerance, abs=tolerance * len(X))


@pytest.mark.parametrize("dtype, shift, bound", [("f8", 1e8, 1e-7), ("f4", 1e3, 3e-3)])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_shifted_data(simd, dtype, shift, bound, covariance_type, rng):
    X = rng.normal(size=(500, 5))
    X[rng.random(X.shape) < 0.3] = np.nan
    X = (X + shift).astype(dtype)
    means = (rng.normal(size=(2, 5)) + shift).astype(dtype).astype(float)
    factors = factors_of(covariance_type, 2, 5).astype(dtype).astype(float)
    a = answer(X, means, factors, covariance_type)
    s = kernels.incomplete_statistics(X, [0.4, 0.6], means, factors, covariance_type)
    for value, expected in zip(s, statistics(a, [0.4, 0.6], means, covariance_type)):
        assert_allclose(value, expected, rtol=bound, atol=bound * 500)
