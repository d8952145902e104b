"""exp and log on vectors, and log-sum-exp, against mpmath."""

import functools

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from emkernels import kernels
from emkernels.kernels import arrays

DTYPES = [np.float32, np.float64]
# largest errors found on 60,000 points a level: exp 0.94 (float64) and 1.00 (float32),
# log 0.77 and 0.76
EXP_ULP, LOG_ULP = 1.1, 0.85
LOWEST = {np.float32: -87.33654, np.float64: -708.396418532264}
HIGHEST = {np.float32: 80.0, np.float64: 700.0}


@functools.lru_cache
def exp_points(dtype):
    rng = np.random.default_rng(1)
    lowest, highest = LOWEST[dtype], HIGHEST[dtype]
    near_halves = np.log(2) * (np.arange(-100, 100) + 0.5)
    points = np.concatenate([
        rng.uniform(lowest, highest, 4000), rng.uniform(lowest, 0, 2000),
        rng.uniform(-1, 1, 2000), -10 ** rng.uniform(-20, 1, 1000),
        near_halves * (1 + 1e-7 * rng.normal(size=200)), [0.0, -0.0, lowest, highest],
    ]).astype(dtype)
    return points[(points >= dtype(lowest)) & (points <= highest)]


@functools.lru_cache
def log_points(dtype):
    rng = np.random.default_rng(2)
    info = np.finfo(dtype)
    edges = 2.0 ** np.arange(-60, 60) * np.sqrt(0.5)
    points = np.concatenate([
        np.exp(rng.uniform(np.log(info.tiny), np.log(info.max) * 0.999, 3000)),
        rng.uniform(0.5, 2, 4000), 1 + rng.choice([-1, 1], 2000) * 10 ** rng.uniform(-16, -1, 2000),
        edges * (1 + 1e-7 * rng.normal(size=120)), [info.tiny, info.max, 1 + info.eps],
    ]).astype(dtype)
    return points[(points >= info.tiny) & (points != 1)]


@functools.lru_cache
def exact(name, dtype):
    with mpmath.workprec(120):
        points = exp_points(dtype) if name == "exp" else log_points(dtype)
        return [getattr(mpmath, name)(mpmath.mpf(float(x))) for x in points]


def largest_error(values, truth):
    """In units of the last place of the true value."""
    worst = 0.0
    for value, true in zip(values, truth):
        ulp = float(np.spacing(np.abs(values.dtype.type(float(true)))))
        worst = max(worst, float(abs(mpmath.mpf(float(value)) - true)) / ulp)
    return worst


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp(simd, dtype):
    values = arrays._vector_function(exp_points(dtype), "exp")
    assert largest_error(values, exact("exp", dtype)) < EXP_ULP


@pytest.mark.parametrize("dtype", DTYPES)
def test_log(simd, dtype):
    values = arrays._vector_function(log_points(dtype), "log")
    assert largest_error(values, exact("log", dtype)) < LOG_ULP


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_of_ends(simd, dtype):
    lowest = dtype(LOWEST[dtype])
    below = np.array([
        np.nextafter(lowest, dtype(-np.inf)), lowest - dtype(0.01), lowest - 1, -745.2, -1e4, -1e30,
        np.finfo(dtype).min, -np.inf, np.nan], dtype)
    assert_array_equal(arrays._vector_function(below, "exp"), np.zeros(len(below)))
    assert arrays._vector_function(np.array([lowest]), "exp")[0] >= np.finfo(dtype).tiny
    assert_array_equal(arrays._vector_function(np.zeros(1, dtype), "exp"), [1])
    assert_array_equal(arrays._vector_function(np.ones(1, dtype), "log"), [0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_does_not_fall(simd, dtype):
    """A step function would pass a test of the relative error at steps that are short."""
    x = np.linspace(-2, 0, 200001).astype(dtype)
    rises = np.diff(arrays._vector_function(x, "exp").astype(float))
    assert rises.min() > -2 * np.finfo(dtype).eps
    step = float(x[1]) - float(x[0])
    assert rises.max() < 1.2 * step + 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 3, 17])
def test_any_length(simd, dtype, n):
    x = np.linspace(-3, 0, n).astype(dtype)
    np.testing.assert_allclose(arrays._vector_function(x, "exp"), np.exp(x), rtol=1e-6)


# --- responsibilities ------------------------------------------------------------------

def exact_responsibilities(log_prob, log_weights):
    with mpmath.workprec(200):
        resp, norm = [], []
        for row in log_prob:
            joint = [mpmath.exp(mpmath.mpf(float(v)) + mpmath.mpf(float(w)))
                     for v, w in zip(row, log_weights)]
            total = mpmath.fsum(joint)
            resp.append([float(j / total) for j in joint])
            norm.append(float(mpmath.log(total)))
        return np.array(resp), np.array(norm)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("size", [1e-6, 1.0, 50.0, 1e3, 1e5])
def test_responsibilities_against_mpmath(simd, dtype, K, size):
    rng = np.random.default_rng(3)
    log_prob = (rng.normal(size=(12, K)) * size - size).astype(dtype)
    log_prob[4] = log_prob[4, 0]
    log_weights = np.log(rng.dirichlet(np.ones(K)))
    # sums with the weights are rounded to the precision of the data
    eps = float(np.finfo(dtype).eps)
    for weights in (None, log_weights):
        resp, norm = kernels.responsibilities(log_prob, weights)
        expected, expected_norm = exact_responsibilities(
            log_prob, np.zeros(K) if weights is None else weights)
        spread = np.abs(log_prob).max() + 10
        np.testing.assert_allclose(resp, expected, rtol=0, atol=2 * eps * spread)
        np.testing.assert_allclose(norm, expected_norm, rtol=2 * eps, atol=4 * eps * spread)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ties_and_empty_rows(simd, dtype):
    inf = np.inf
    log_prob = np.array([[0, 0], [-1e3, -1e3], [-inf, 0], [-inf, -inf], [-1e3, 0], [5, -inf],
                         [-inf, -inf]], dtype)
    resp, norm = kernels.responsibilities(log_prob)
    half, log2 = [0.5, 0.5], float(np.log(2))
    assert_array_equal(resp, [half, half, [0, 1], half, [0, 1], [1, 0], half])
    np.testing.assert_allclose(norm, [log2, log2 - 1e3, 0, -inf, 0, 5, -inf], rtol=1e-6)
    resp, norm = kernels.responsibilities(log_prob, np.log([0.25, 0.75]))
    np.testing.assert_allclose(resp[[0, 1, 3, 6]], np.tile([0.25, 0.75], (4, 1)), rtol=1e-4)
    assert_array_equal(norm[[3, 6]], [-inf, -inf])
    resp, norm = kernels.responsibilities(log_prob, np.array([0, -inf]))
    assert_array_equal(resp[[0, 1, 3, 4, 5, 6]], np.tile([1, 0], (6, 1)))
    assert np.isfinite(resp).all() and not np.isnan(norm).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_log_densities(simd, dtype):
    """Of any size and sign: only differences count."""
    big = dtype(1e30)
    resp, norm = kernels.responsibilities(np.array([[big, -big], [-big, -big]], dtype))
    assert_array_equal(resp, [[1, 0], [0.5, 0.5]])
    assert_array_equal(norm, [big, -big])
