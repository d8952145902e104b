"""Lloyd's algorithm by distance bounds: the labels of the plain pass, whatever happens."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans

from emkernels.kernels.cluster import _bounded_pass, _kmeans_pass
from emkernels.models._lloyd import lloyd


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("d", [1, 2, 4, 8, 12, 16, 28, 40])
def test_bounded_passes_give_the_labels_of_plain_ones(simd, dtype, d):
    rng = np.random.default_rng(d)
    n, k = 6000, 16
    X = rng.normal(size=(n, d)).astype(dtype)
    centers = X[rng.choice(n, k, replace=False)].astype(np.float64)
    labels, upper, lower = np.zeros(n, np.int32), np.empty(n, np.float32), np.empty(n, np.float32)
    origin, before, plain = centers.mean(axis=0), None, np.zeros(n, np.int32)
    counts, sums = np.zeros(k), np.zeros((k, d))
    for _ in range(8):
        more, further, _ = _bounded_pass(
            X, centers, labels, upper, lower, 1.0, origin, None, before)
        counts += more
        sums += further
        full_counts, full_sums, _, _ = _kmeans_pass(X, centers, plain)
        if dtype == "f8":
            assert_array_equal(labels, plain)
            assert_array_equal(counts, full_counts)
        else:
            assert (labels != plain).mean() < 1e-3      # ties within rounding
        rows = np.array([X[labels == j].astype(float).sum(axis=0) for j in range(k)])
        assert_allclose(counts[:, None] * origin + sums, rows, atol=1e-6 * n)
        assert_allclose(full_sums.sum(axis=0), rows.sum(axis=0), atol=1e-2)
        before = centers
        centers = (full_sums / full_counts[:, None]).astype(dtype).astype(np.float64)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_same_clustering_as_scikit_learn(n_threads):
    X = np.random.default_rng(0).normal(size=(3000, 5))
    seeds = X[:7]
    weight = np.random.default_rng(1).random(3000)
    labels, centers, inertia, n_iter = lloyd(X, seeds, sample_weight=weight, n_threads=n_threads)
    peer = KMeans(7, init=seeds, n_init=1).fit(X, sample_weight=weight)
    assert_array_equal(labels, peer.labels_)
    assert_allclose(centers, peer.cluster_centers_, rtol=1e-10, atol=1e-12)
    assert_allclose(inertia, peer.inertia_, rtol=1e-10)
    assert n_iter == peer.n_iter_


def test_empty_clusters_move_to_far_rows_that_weigh_something():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 20, [[1e3, 1e3]]])
    weight = np.r_[np.ones(100), 0]
    labels, _, inertia, _ = lloyd(X, [[0, 0], [1e4, 1e4]], sample_weight=weight)
    assert_array_equal(np.bincount(labels[:100]), [50, 50])
    assert inertia < 300


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1, 1e30, 1e150])
def test_any_scale(scale):
    X = np.random.default_rng(0).normal(size=(500, 2))
    expected = lloyd(X, X[:4])
    labels, centers, _, n_iter = lloyd(X * scale, X[:4] * scale)
    assert_array_equal(labels, expected[0])
    assert n_iter == expected[3]
    assert_allclose(centers / scale, expected[1], rtol=1e-10)
