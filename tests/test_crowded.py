"""K-means of many centres: labels are those of distances by difference, whatever the data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from emkernels import KMeans
from emkernels.data import Rows
from emkernels.kernels.passes import LloydBounds, bounded_pass, kmeans_pass
from emkernels.starts.kmeans import plusplus
from emkernels.starts.lloyd import lloyd
from emkernels.starts.oversampling import oversampled

KINDS = ["plain", "shifted", "ties", "duplicates", "a far row", "tight", "huge", "small", "columns"]


def table(kind, n, d, k, dtype):
    rng = np.random.default_rng(d)
    X = 2 * rng.normal(size=(k, d))[rng.integers(k, size=n)] + rng.normal(size=(n, d))
    if kind == "shifted":
        X += 1e6
    elif kind == "ties":
        X = np.round(X)
    elif kind == "duplicates":
        X = X[rng.integers(60, size=n)]
    elif kind == "a far row":
        X[-1] *= 1e9
    elif kind == "tight":
        X = 1e3 * X[:, :1] + 1e-3 * X
    elif kind == "huge":
        X *= {"f4": 1e17, "f8": 1e120}[dtype]
    elif kind == "small":
        X *= {"f4": 1e-18, "f8": 1e-150}[dtype]
    elif kind == "columns":
        X *= 10.0 ** rng.integers(-9, 9, size=d)
    return X.astype(dtype)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n, d, k", [(700, 16, 40), (600, 130, 23), (300, 257, 70)])
def test_nearest_by_difference(simd, n, d, k, kind, dtype):
    X = table(kind, n, d, k, dtype)
    rng = np.random.default_rng(0)
    centers, before = X[rng.choice(n, k, replace=False)].astype(np.float64), None
    labels, bounds = np.zeros(n, np.int32), LloydBounds(X, k, float(X.astype("f8").std()))
    bounds.few = n
    for i in range(4):
        bounded_pass(X, centers, labels, bounds, centers.mean(axis=0), None, before, 2)
        plain = np.zeros(n, np.int32)
        _, _, inertia, _ = kmeans_pass(np.asfortranarray(X), centers, plain, None, 1)
        assert_array_equal(labels, plain, err_msg=f"pass {i}")
        unit = np.abs(centers).max()
        squares = np.array([(((row - centers) / unit) ** 2).sum(axis=1)
                            for row in X.astype(np.float64)])
        mine, eps = squares[np.arange(n), labels], 4 * d * np.finfo(dtype).eps
        assert (mine <= (1 + eps) * squares.min(axis=1)).all()
        assert_allclose(inertia / unit / unit, mine.sum(), rtol=1e-12 if dtype == "f8" else 1e-5)
        means = [X[labels == c].astype(np.float64).mean(axis=0) if (labels == c).any()
                 else centers[c] for c in range(k)]
        before, centers = centers, np.array(means).astype(dtype).astype(np.float64)


def test_equal_centres_are_the_first():
    X = np.random.default_rng(0).normal(size=(200, 40))
    centers = np.concatenate([X[:10], X[:10], X[:10]])
    labels = np.zeros(200, np.int32)
    kmeans_pass(X, centers, labels)
    assert labels.max() < 10


@pytest.mark.parametrize("d, k", [(3, 12), (40, 30)])
def test_a_far_row_takes_no_digits(d, k):
    rng = np.random.default_rng(3)
    X = 1.5 * rng.normal(size=(k, d))[rng.integers(k, size=2000)] + rng.normal(size=(2000, d))
    X[17, 0] = 1e16
    model = KMeans(k, init=np.concatenate([X[:k - 1], X[17:18]]), tol=0).fit(X)
    centers = np.array([X[model.labels_ == c].mean(axis=0) for c in range(k)])
    near = np.abs(centers[:, 0]) < 1e3
    assert near.sum() == k - 1
    assert_allclose(model.cluster_centers_[near], centers[near], rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_seeds_of_a_few_passes(dtype):
    """As good as those of k-means++, the same for every number of threads."""
    rng = np.random.default_rng(4)
    X = (1.5 * rng.normal(size=(90, 20))[rng.integers(90, size=6000)]
         + rng.normal(size=(6000, 20))).astype(dtype)
    rows, found = Rows.read(X), {}
    for seeds in (plusplus, oversampled):
        found[seeds] = np.mean([
            lloyd(rows, seeds(rows, 60, np.random.RandomState(i))).inertia for i in range(3)])
    assert found[oversampled] <= 1.05 * found[plusplus]
    fits = [KMeans(60, init="k-means||", random_state=0, n_threads=t).fit(X) for t in (1, 2, 3)]
    for fit in fits[1:]:
        assert_array_equal(fit.cluster_centers_, fits[0].cluster_centers_)


def test_seeds_where_few_rows_differ_or_weigh():
    X = np.random.default_rng(5).normal(size=(400, 4))
    weight = np.r_[np.ones(10), np.zeros(390)]
    model = KMeans(8, init="k-means||", random_state=0).fit(X, sample_weight=weight)
    assert len(np.unique(model.labels_[:10])) == 8
    model = KMeans(8, init="k-means||", random_state=0).fit(np.repeat(X[:8], 50, axis=0))
    assert model.inertia_ < 1e-24
