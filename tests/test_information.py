"""Observed information of a normal distribution with missing values, and standard errors."""

import tracemalloc
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import tables
from numpy.testing import assert_allclose
from problems import LAYOUTS
from reference import gaussian_em

from emkernels.data import Rows
from emkernels.kernels import missing_patterns
from emkernels.models.imputation import information
from emkernels.models.missing import little_mcar_test
from emkernels.models.missing.little import estimate

NAN = np.nan


def triangle(n_features):
    return np.tril_indices(n_features)


def unpack(theta, n_features):
    mean, covariance = theta[:n_features], np.zeros((n_features, n_features))
    rows, columns = triangle(n_features)
    covariance[rows, columns] = covariance[columns, rows] = theta[n_features:]
    return mean, covariance


def pack(mean, covariance):
    return np.r_[mean, covariance[triangle(len(mean))]]


def incomplete(n, d, share, seed=0):
    rng = np.random.default_rng(seed)
    mix = np.tril(rng.normal(size=(d, d)) * 0.4, -1) + np.diag(rng.uniform(0.6, 1.5, d))
    X = rng.normal(size=(n, d)) @ mix.T + rng.normal(size=d)
    X[rng.uniform(size=(n, d)) < share] = NAN
    return X


def fitted(X, tol=1e-12, max_iter=20_000):
    patterns = missing_patterns(X)
    location, covariance, converged = estimate(Rows.read(X), tol, max_iter)
    assert converged
    return location, covariance, patterns


def mp_log_likelihood(X, theta, weights):
    """Of exact numbers, row by row."""
    n_features, rows, total = X.shape[1], triangle(X.shape[1]), mpmath.mpf(0)
    full = mpmath.matrix(n_features, n_features)
    for i, j, value in zip(*rows, theta[n_features:]):
        full[int(i), int(j)] = full[int(j), int(i)] = value
    for x, weight in zip(X, weights):
        o = [int(j) for j in np.flatnonzero(~np.isnan(x))]
        if not o:
            continue
        block = mpmath.matrix([[full[i, j] for j in o] for i in o])
        diff = mpmath.matrix([mpmath.mpf(float(x[j])) - theta[j] for j in o])
        quadratic = (diff.T * mpmath.lu_solve(block, diff))[0]
        total -= mpmath.mpf(float(weight)) * (mpmath.log(mpmath.det(block)) + quadratic) / 2
    return total


def test_the_information_is_the_second_derivative_anywhere():
    # not at a maximum: patterns of one and of several rows, weights, an empty row
    rng = np.random.default_rng(3)
    X = rng.normal(size=(9, 3))
    X[[1, 2], 0] = X[3, 1] = X[4, :2] = X[5, 2] = X[6, 1:] = X[7] = NAN
    weights = rng.uniform(0.2, 2, size=9)
    covariance = np.array([[1.3, 0.4, -0.2], [0.4, 0.8, 0.3], [-0.2, 0.3, 1.1]])
    theta = pack(np.array([0.2, -0.4, 0.1]), covariance)
    found = information.observed_information(X, theta[:3], covariance, missing_patterns(X), weights)
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -15
        exact = [mpmath.mpf(float(value)) for value in theta]

        def at(*steps):
            moved = list(exact)
            for index, sign in steps:
                moved[index] += sign * h
            return mp_log_likelihood(X, moved, weights)

        expected = np.empty((9, 9))
        for a in range(9):
            for b in range(a + 1):
                second = (at((a, 1), (b, 1)) - at((a, 1), (b, -1)) - at((a, -1), (b, 1))
                          + at((a, -1), (b, -1))) / (4 * h * h)
                expected[a, b] = expected[b, a] = -float(second)
    assert_allclose(found, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())


def test_complete_data_has_the_formulas():
    X = incomplete(50, 4, 0.0)
    covariance = np.cov(X.T, bias=True)
    patterns = missing_patterns(X)
    errors, lost = information.uncertainty(X, X.mean(axis=0), covariance, patterns)
    variances = np.diag(covariance)
    assert_allclose(errors.location, np.sqrt(variances / 50), rtol=1e-12)
    assert_allclose(
        errors.covariance, np.sqrt((np.outer(variances, variances) + covariance**2) / 50),
        rtol=1e-11)
    assert np.abs(lost.location).max() < 1e-12
    assert np.abs(lost.covariance).max() < 1e-11
    found = information.observed_information(X, X.mean(axis=0), covariance, patterns)
    assert_allclose(found, information.complete_information(covariance, 50.0),
                    rtol=1e-10, atol=1e-10 * np.abs(found).max())


def test_complete_information_is_a_kronecker_product():
    covariance = np.cov(incomplete(50, 3, 0.0).T)
    duplication = np.zeros((9, 6))
    for at, (i, j) in enumerate(zip(*triangle(3))):
        duplication[3 * i + j, at] = duplication[3 * j + i, at] = 1
    inverse = np.linalg.inv(covariance)
    expected = np.zeros((9, 9))
    expected[:3, :3] = 7.5 * inverse
    expected[3:, 3:] = 3.75 * duplication.T @ np.kron(inverse, inverse) @ duplication
    assert_allclose(information.complete_information(covariance, 7.5), expected, rtol=1e-11,
                    atol=1e-12 * np.abs(expected).max())


def test_little_and_rubins_variance_of_a_mean_of_the_apples():
    # section 7.2.2 of their book: one column complete, the other observed in r of n rows
    X = tables.APPLE.X
    location, covariance, patterns = fitted(X)
    errors = information.standard_errors(X, location, covariance, patterns)
    both = X[~np.isnan(X[:, 1])]
    n, r = len(X), len(both)
    rho2 = covariance[0, 1] ** 2 / (covariance[0, 0] * covariance[1, 1])
    residual = covariance[1, 1] * (1 - rho2)
    variance = residual * (1 / r + rho2 / (n * (1 - rho2))
                           + (both[:, 0].mean() - location[0]) ** 2 / (r * both[:, 0].var()))
    assert_allclose(errors.location, np.sqrt([covariance[0, 0] / n, variance]), rtol=1e-9)
    assert_allclose(errors.covariance[0, 0], covariance[0, 0] * np.sqrt(2 / n), rtol=1e-9)


@pytest.mark.parametrize("table", [tables.AIRQUALITY, tables.NHANES], ids=["airquality", "nhanes"])
def test_em_converges_at_the_rate_of_the_share_lost(table):
    # Dempster, Laird and Rubin: the derivative of a step of EM is 1 - I_complete^-1 I_observed
    X = table.X
    n_features = X.shape[1]
    location, covariance, patterns = fitted(X)
    observed = information.observed_information(X, location, covariance, patterns)
    complete = information.complete_information(covariance, len(X))
    rates = np.eye(len(observed)) - np.linalg.solve(complete, observed)
    scale = np.sqrt(np.diag(covariance))
    units = np.r_[scale, np.outer(scale, scale)[triangle(n_features)]]
    at, h = pack(location, covariance), 1e-4
    derivative = np.empty_like(rates)
    for parameter, unit in enumerate(units):
        step = np.zeros(len(at))
        step[parameter] = h * unit
        ends = [pack(*gaussian_em(X, 1, unpack(at + side * step, n_features))[:2])
                for side in (1, -1)]
        derivative[:, parameter] = (ends[0] - ends[1]) / (2 * h * unit)
    assert_allclose(derivative * units / units[:, None], rates * units / units[:, None], atol=1e-6)
    lost = information.missing_information(X, location, covariance, patterns)
    assert min(lost.location.min(), lost.covariance.min()) >= 0
    assert max(lost.location.max(), lost.covariance.max()) < np.linalg.eigvals(rates).real.max()
    whole = ~np.isnan(X).any(axis=0)
    assert not lost.location[whole].any()
    assert not lost.covariance[np.ix_(whole, whole)].any()
    assert (lost.location[~whole] > 1e-3).all()


def test_standard_errors_are_the_spread_of_the_estimates():
    rng = np.random.default_rng(1)
    covariance = np.array([[1.0, 0.6, 0.3], [0.6, 1.5, 0.5], [0.3, 0.5, 0.8]])
    lower, estimates, errors = np.linalg.cholesky(covariance), [], []
    for _ in range(400):
        X = rng.normal(size=(250, 3)) @ lower.T
        X[X[:, 0] + rng.normal(size=250) > 0.8, 1] = NAN      # at random, not completely
        X[rng.uniform(size=250) < 0.2, 2] = NAN
        location, scatter, patterns = fitted(X, tol=1e-7)
        found = information.standard_errors(X, location, scatter, patterns)
        estimates.append(pack(location, scatter))
        errors.append(pack(*found))
    # 400 runs know a standard deviation to 3.5 %
    assert_allclose(np.mean(errors, axis=0), np.std(estimates, axis=0), rtol=0.12)
    inside = np.abs(np.array(estimates) - pack(np.zeros(3), covariance)) < 1.96 * np.array(errors)
    assert (np.abs(inside.mean(axis=0) - 0.95) < 0.04).all()


def test_units_of_the_columns_do_not_matter():
    X = incomplete(60, 4, 0.2)
    location, covariance, patterns = fitted(X)
    scale, shift = np.array([1e9, 1e-7, 1.0, 3e4]), np.array([1e12, -5e-6, 0.0, 1e5])
    plain = information.uncertainty(X, location, covariance, patterns)
    raw = information.uncertainty(X * scale + shift, location * scale + shift,
                                  covariance * np.outer(scale, scale), patterns)
    assert_allclose(raw[0].location, plain[0].location * scale, rtol=1e-9)
    assert_allclose(raw[0].covariance, plain[0].covariance * np.outer(scale, scale), rtol=1e-9)
    assert_allclose(raw[1].location, plain[1].location, atol=1e-9)
    assert_allclose(raw[1].covariance, plain[1].covariance, atol=1e-9)


def test_stacks_blocks_and_the_order_of_patterns_do_not_matter(monkeypatch):
    X = incomplete(80, 4, 0.3)
    weights = np.random.default_rng(0).integers(1, 4, size=80).astype(float)
    location, covariance, patterns = fitted(X)
    arguments = (X, location, covariance)
    whole = information.observed_information(*arguments, patterns, weights)
    repeated = np.repeat(X, weights.astype(int), axis=0)
    assert_allclose(information.observed_information(
        repeated, location, covariance, missing_patterns(repeated)), whole, rtol=1e-9, atol=1e-9)
    turned = np.random.default_rng(1).permutation(patterns.n_patterns)
    order = np.concatenate([patterns.order[patterns.offsets[p]:patterns.offsets[p + 1]]
                            for p in turned])
    other = SimpleNamespace(
        order=order, offsets=np.r_[0, np.cumsum(patterns.counts[turned])],
        masks_of=lambda part: patterns.masks[turned[part]], n_patterns=patterns.n_patterns,
        n_samples=80, n_features=4)
    assert_allclose(information.observed_information(*arguments, other, weights), whole,
                    rtol=1e-10, atol=1e-10)
    little = little_mcar_test(X)
    monkeypatch.setattr(information, "_STACK", 33)     # 2 patterns, 8 rows or 3 parameters
    assert_allclose(little_mcar_test(X).statistic, little.statistic, rtol=1e-10)
    assert_allclose(information.observed_information(*arguments, patterns, weights), whole,
                    rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_and_float32(layout, tmp_path):
    X = incomplete(40, 3, 0.2).astype(np.float32)
    location, covariance, patterns = fitted(X.astype(float))
    expected = information.observed_information(X.astype(float), location, covariance, patterns)
    view = LAYOUTS[layout](X, tmp_path)
    assert_allclose(information.observed_information(view, location, covariance, patterns),
                    expected, rtol=1e-12, atol=1e-12)


def test_the_rows_are_not_copied_whole():
    X = np.random.default_rng(0).normal(size=(400_000, 8))
    X[::3, 0] = X[1::3, 4] = NAN
    patterns = missing_patterns(X)
    tracemalloc.start()
    information.observed_information(X, np.zeros(8), np.eye(8), patterns)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * 8 * information._STACK < 2 * X.nbytes


def test_rows_with_nothing_observed_could_have_been_complete():
    """20 complete rows of 25: a fifth of the information on every parameter is missing."""
    X = incomplete(20, 3, 0.0)
    more = np.concatenate([X, np.full((5, 3), NAN)])
    patterns = missing_patterns(more)
    arguments = (more, X.mean(axis=0), np.cov(X.T, bias=True), patterns)
    for values in information.missing_information(*arguments):
        assert_allclose(values, 0.2, rtol=1e-9)
    for values in information.missing_information(*arguments, np.full(25, 3.0)):
        assert_allclose(values, 0.2, rtol=1e-9)


def test_as_many_patterns_as_rows():
    X = incomplete(600, 11, 0.5, seed=2)
    location, covariance, patterns = fitted(X, tol=1e-8)
    assert patterns.n_patterns > 450
    errors = information.standard_errors(X, location, covariance, patterns)
    alone = np.sqrt(np.diag(covariance) / (~np.isnan(X)).sum(axis=0))
    everything = np.sqrt(np.diag(covariance) / len(X))
    assert ((errors.location < alone) & (errors.location > everything)).all()


def test_columns_never_observed_together_are_named():
    X = incomplete(40, 3, 0.0)
    X[:20, 0] = X[20:, 2] = NAN
    patterns = missing_patterns(X)
    arguments = (X, np.zeros(3), np.eye(3), patterns)
    with pytest.raises(ValueError, match="columns 0 and 2 are never observed together"):
        information.standard_errors(*arguments)
    with pytest.raises(ValueError, match="columns 'height' and 'age' are never"):
        information.missing_information(*arguments, names=["height", "weight", "age"])
    assert information.observed_information(*arguments)[3 + 3].tolist() == [0.0] * 9
    X[0, 0] = 1.0       # once is enough for the pair, if that row counts
    patterns = missing_patterns(X)
    information.standard_errors(X, *fitted(X, tol=1e-10))
    weights = np.r_[0.0, np.ones(39)]
    with pytest.raises(ValueError, match="columns 0 and 2"):
        information.standard_errors(X, np.zeros(3), np.eye(3), patterns, weights)
    X[:, 1] = NAN
    with pytest.raises(ValueError, match="column 1 is never observed"):
        information.standard_errors(X, np.zeros(3), np.eye(3), missing_patterns(X))


def test_a_saddle_point_is_no_maximum():
    X = tables.MURRAY.X
    patterns = missing_patterns(X)
    with pytest.raises(ValueError, match="not positive definite, first at the covariance of "
                                         "columns 0 and 1.*not at a maximum"):
        information.standard_errors(X, np.zeros(2), 2.5 * np.eye(2), patterns)
    for rho in (0.5, -0.5):
        maximum = 8 / 3 * np.array([[1, rho], [rho, 1]])
        assert np.isfinite(information.standard_errors(X, np.zeros(2), maximum, patterns)[0]).all()


def test_far_from_a_maximum_the_variance_is_named():
    X = incomplete(30, 2, 0.1)
    with pytest.raises(ValueError, match="first at the variance of column 0"):
        information.standard_errors(X, np.zeros(2), 1e3 * np.eye(2), missing_patterns(X))


def test_too_many_columns_are_refused_before_memory_is_taken():
    X = np.zeros((3, 400))
    with pytest.raises(ValueError, match=r"400 columns have 80600 .* GiB; at most 126 columns"):
        information.observed_information(X, np.zeros(400), np.eye(400), missing_patterns(X))
    with pytest.raises(ValueError, match="at most 126 columns"):
        information.complete_information(np.eye(127), 1.0)
    information._check_size(126)


GOOD = incomplete(20, 2, 0.1)


@pytest.mark.parametrize(("arguments", "message"), [
    ((GOOD[:, :1], np.zeros(2), np.eye(2)), "X has shape"),
    ((GOOD[:5], np.zeros(2), np.eye(2)), "X has shape"),
    ((GOOD, np.zeros(3), np.eye(3)), "X has shape"),
    ((GOOD, np.zeros(3), np.eye(2)), "location must have shape"),
    ((GOOD, np.zeros(2), np.ones((2, 3))), "square"),
    ((GOOD, np.zeros(2), np.array([[1, 0.5], [0.4, 1]])), "not symmetric"),
    ((GOOD, np.zeros(2), np.array([[1, 2.0], [2.0, 1]])), "not positive definite"),
    ((GOOD, np.zeros(2), np.diag([1.0, 0.0])), "variance of column 1 is 0"),
    ((GOOD, np.array([0, NAN]), np.eye(2)), "NaN"),
    ((GOOD, np.zeros(2), np.eye(2), -np.ones(20)), "sample_weight"),
    ((GOOD, np.zeros(2), np.eye(2), np.ones(3)), "sample_weight"),
])
def test_bad_arguments_are_named(arguments, message):
    X, location, covariance, *weights = arguments
    with pytest.raises(ValueError, match=message):
        information.observed_information(X, location, covariance, missing_patterns(GOOD), *weights)
