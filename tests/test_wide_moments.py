"""Sums of components without correlations where rows are wide: against extended precision."""

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
