"""Sums of components to which many rows matter, or few: these are gathered."""

import numpy as np
import pytest

from emkernels import kernels


def problem(n_features, n_components, dtype):
    """Rows, responsibilities, components' centres: from nearly all rows to hardly any."""
    rng = np.random.default_rng(n_features)
    n = 1500
    X = (3 + rng.normal(size=(n, n_features))).astype(dtype)
    share = np.geomspace(1, 0.01, n_components)
    resp = rng.random((n, n_components)) * (rng.random((n, n_components)) < share)
    resp[700:900] = 0       # whole tiles without any
    resp[900:960, -1] = 1   # and some that are full
    return X, resp.astype(dtype), rng.normal(size=(n_components, n_features)).astype(dtype)


def layouts(X):
    """The same rows: C and Fortran order, every other row and column of more, backwards."""
    n, d = X.shape
    more = np.full((2 * n, 2 * d), np.nan, X.dtype)
    more[::2, ::2] = X
    return X, np.asfortranarray(X), more[::2, ::2], X[::-1].copy()[::-1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_components", [2, 9])
@pytest.mark.parametrize("n_features", [5, 8, 11, 16, 24, 25, 31, 72, 73, 140, 200])
def test_few_and_many_rows(simd, n_features, n_components, dtype):
    X, resp, centers = problem(n_features, n_components, dtype)
    gap = X[:, None, :].astype(float) - centers[None].astype(float)
    weighted = resp[:, :, None].astype(float) * gap
    s = kernels.weighted_moments(X, resp, centers.astype(float))
    tolerance = 1e-12 if dtype == np.float64 else 3e-5
    np.testing.assert_allclose(s.counts, resp.sum(axis=0, dtype=float), rtol=tolerance)
    np.testing.assert_allclose(s.first, weighted.sum(axis=0), rtol=tolerance, atol=50 * tolerance)
    for k in range(n_components):
        np.testing.assert_allclose(s.second[k], weighted[:, k].T @ gap[:, k], rtol=tolerance,
                                   atol=500 * tolerance)
    for rows in layouts(X):
        for threads in (1, 3, 32):
            t = kernels.weighted_moments(rows, resp, centers.astype(float), n_threads=threads)
            for name in ("counts", "first", "second"):
                np.testing.assert_array_equal(getattr(t, name), getattr(s, name))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_features", [6, 16, 24, 40, 72, 140])
def test_components_far_apart(simd, n_features, dtype):
    """Against responsibilities that are computed here; layouts and threads."""
    rng = np.random.default_rng(1)
    n, K = 1200, 8
    means = 2 * rng.normal(size=(K, n_features))
    X = (means[rng.integers(K, size=n)] + rng.normal(size=(n, n_features))).astype(dtype)
    factors = np.ascontiguousarray(np.broadcast_to(np.eye(n_features), (K, *2 * [n_features])))
    model = np.full(K, 1 / K), means, factors
    log = kernels.log_density(X.astype(float), means, factors)
    resp = np.exp(log - log.max(axis=1, keepdims=True))
    resp /= resp.sum(axis=1, keepdims=True)
    gap = X[:, None, :].astype(float) - means[None]
    s = kernels.em_statistics(X, *model)
    tolerance = 1e-10 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(s.counts, resp.sum(axis=0), rtol=tolerance)
    np.testing.assert_allclose(s.second, np.einsum("nk,nkd,nke->kde", resp, gap, gap),
                               rtol=tolerance, atol=200 * tolerance)
    for rows in layouts(X):
        for threads in (1, 3, 32):
            t = kernels.em_statistics(rows, *model, n_threads=threads)
            for name in ("counts", "first", "second"):
                np.testing.assert_array_equal(getattr(t, name), getattr(s, name))
