"""Sums where rows are wide, or few of them have a weight: against extended precision."""

import numpy as np
import pytest

from emkernels import kernels


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("covariance_type", ["diag", "spherical"])
@pytest.mark.parametrize("shift, apart", [(0.0, 0.1), (100.0, 1.0), (0.0, 30.0)])
def test_sums_of_wide_rows(simd, dtype, covariance_type, shift, apart):
    """Means near the centre they share, and far from it; rows that overflow without a weight."""
    n, D, K = 700, 133, 14
    rng = np.random.default_rng(3)
    means = shift + apart * rng.normal(size=(K, D))
    label = rng.integers(K, size=n)
    X = (means[label] + rng.normal(size=(n, D))).astype(dtype)
    precisions = np.ones((K, D)) if covariance_type == "diag" else np.ones(K)
    means = means.astype(dtype).astype(float)
    weight = rng.random(n)
    weight[::50] = 0
    model = np.full(K, 1 / K), means, precisions, covariance_type, weight
    log = kernels.log_density(X.astype(float), means, precisions, covariance_type)
    r = np.exp(log - log.max(axis=1, keepdims=True))
    r = (r / r.sum(axis=1, keepdims=True) * weight[:, None]).astype(np.longdouble)
    gap = X[:, None, :].astype(np.longdouble) - means[None]
    first, second = np.einsum("nk,nkd->kd", r, gap), np.einsum("nk,nkd->kd", r, gap**2)
    if covariance_type == "spherical":
        second = second.sum(axis=1)
    s = kernels.em_statistics(X, *model)
    bound = (1e-11 if dtype == np.float64 else 2e-3) * (1 + apart**2) * n
    assert np.abs(s.first - first.astype(float)).max() < bound
    assert np.abs(s.second - second.astype(float)).max() < bound * (
        1 if covariance_type == "diag" else D)
    far = X.copy()
    far[::50] = 1e300 if dtype == np.float64 else 1e30
    t = kernels.em_statistics(far, *model)
    np.testing.assert_array_equal(t.second, s.second)
    np.testing.assert_array_equal(t.first, s.first)
    one = kernels.em_statistics(X, *model, n_threads=1)
    np.testing.assert_array_equal(one.second, s.second)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n, D, K", [(900, 7, 5), (1100, 22, 3), (700, 70, 4), (333, 150, 2)])
def test_sums_of_the_rows_that_matter(simd, dtype, order, n, D, K):
    """One component has every row, others a few of each tile, whole runs, or none."""
    rng = np.random.default_rng(5)
    X = np.asarray(rng.normal(size=(n, D)) + 3, dtype=dtype, order=order)
    centres = rng.normal(size=(K, D)).astype(dtype).astype(float)
    resp = rng.random((n, K)).astype(dtype)
    for k in range(1, K):
        resp[rng.random(n) < 1 - 0.3 / k, k] = 0
    resp[n // 3:n // 2, 1] = 0.5
    resp[:, K - 1] *= K == 2 or np.arange(n) % 190 == 7
    X[5] = 1e30 if dtype == np.float32 else 1e300       # a row of nobody
    resp[5] = 0
    gap = np.delete(X, 5, axis=0)[:, None, :].astype(np.longdouble) - centres
    r = np.delete(resp, 5, axis=0).astype(np.longdouble)
    s = kernels.weighted_moments(X, resp, centres)
    tolerance = 1e-12 if dtype == np.float64 else 3e-6
    for found, wanted in ((s.counts, r.sum(axis=0)), (s.first, np.einsum("nk,nki->ki", r, gap)),
                          (s.second, np.einsum("nk,nki,nkj->kij", r, gap, gap))):
        np.testing.assert_allclose(found, wanted.astype(float), rtol=0,
                                   atol=tolerance * np.abs(wanted).max())
    ordered = kernels.weighted_moments(np.ascontiguousarray(X), resp, centres, n_threads=1)
    np.testing.assert_array_equal(ordered.second, s.second)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("D, K", [(70, 28), (150, 7), (190, 4)])
def test_separated_components_leave_the_same_bits_for_every_number_of_threads(simd, dtype, D, K):
    """Threads share panels there, and have bands of triangles where components are few."""
    rng = np.random.default_rng(6)
    means = rng.normal(size=(K, D))
    label = rng.integers(K, size=600)
    X = (means[label] + rng.normal(size=(600, D))).astype(dtype)
    means = means.astype(dtype).astype(float)
    model = np.full(K, 1 / K), means, np.repeat(np.eye(D)[None], K, axis=0)
    one, *more = (kernels.em_statistics(X, *model, n_threads=t) for t in (1, 2, 5, 32))
    for s in more:
        np.testing.assert_array_equal(s.second, one.second)
        np.testing.assert_array_equal(s.first, one.first)
    log = kernels.log_density(X.astype(float), *model[1:])
    r = np.exp(log - log.max(axis=1, keepdims=True))
    r /= r.sum(axis=1, keepdims=True)
    for k in (0, K - 1):
        gap = X.astype(float) - means[k]
        np.testing.assert_allclose(one.second[k], (r[:, k, None] * gap).T @ gap, rtol=0,
                                   atol=(1e-9 if dtype == np.float64 else 2e-3) * D)
