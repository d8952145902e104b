"""Lloyd's algorithm by distance bounds: the labels of the plain pass, whatever happens."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans

from emkernels.data import Rows
from emkernels.kernels.passes import LloydBounds, bounded_pass, kmeans_pass
from emkernels.starts.lloyd import lloyd as lloyd_of_rows


def lloyd(X, centers, *, sample_weight=None, n_threads=None):
    rows = Rows.read(X).weighed(sample_weight).with_(n_threads=n_threads)
    return lloyd_of_rows(rows, centers)


def check_passes(X, centers, n_passes, move, few=None, weight=None):
    """Passes with bounds beside plain ones: the same labels to the bit, counts and sums of their
    rows. `few`: from how many changes on there are bounds. Returns the bounds."""
    (n, d), k = X.shape, len(centers)
    labels, bounds = np.zeros(n, np.int32), LloydBounds(X, k, float(X.std()))
    bounds.few = n if few is None else few
    origin, before, plain = centers.mean(axis=0), None, np.zeros(n, np.int32)
    counts, sums = np.zeros(k), np.zeros((k, d))
    for i in range(n_passes):
        old = labels.copy()
        changed = bounded_pass(X, centers, labels, bounds, origin, weight, before,
                               into=(counts, sums))
        full_counts, full_sums, _, _ = kmeans_pass(X, centers, plain, weight)
        assert_array_equal(labels, plain, err_msg=f"pass {i}")
        assert changed == (n if before is None else (labels != old).sum())
        assert_allclose(counts, full_counts, atol=1e-9 * n)
        assert_allclose(full_counts[:, None] * origin + sums, full_sums,
                        atol=1e-7 * n * np.abs(X).max())
        before = centers
        centers = move(i, centers, full_sums / np.maximum(full_counts, 1e-9)[:, None])
        centers = centers.astype(X.dtype).astype(np.float64)
    return bounds


def to_the_mean(i, centers, means):
    return means


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("d", [1, 2, 4, 8, 12, 16, 28, 40])
def test_bounded_passes_give_the_labels_of_plain_ones(simd, dtype, d):
    rng = np.random.default_rng(d)
    X = rng.normal(size=(6000, d)).astype(dtype)
    bounds = check_passes(X, X[:16].astype(np.float64), 9, to_the_mean)
    assert bounds.n_groups == (16 if X[0].nbytes >= 32 and d < 40 else 8)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("d, k", [(3, 20), (5, 150), (40, 64), (40, 150)])
def test_groups_of_centres(simd, dtype, d, k):
    rng = np.random.default_rng(k)
    X = (4 * rng.normal(size=(40, d))[rng.integers(40, size=5000)] + rng.normal(size=(5000, d)))
    bounds = check_passes(X.astype(dtype), X[:k].astype(dtype).astype(np.float64), 8, to_the_mean,
                          weight=rng.random(5000))
    assert bounds.n_groups <= (64 if bounds.panel == 1 else k)
    assert bounds.n_groups > 1 and bounds.n_groups * bounds.group_size >= k
    assert 2 * bounds.n_groups <= max(16, X.astype(dtype)[0].nbytes)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_bounds_while_centres_jump(simd, dtype):
    """Some centres go far away and come back, others meet, others hardly move."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 10)).astype(dtype)
    steps = 10.0 ** rng.integers(-9, 3, size=(12, 24, 1)) * rng.normal(size=(12, 24, 10))

    def jump(i, centers, means):
        moved = means + steps[i]
        if i % 3 == 0:
            moved[5] = moved[6]
        return moved if i % 4 else means

    check_passes(X, X[:24].astype(np.float64), 12, jump)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_ties_are_the_first_of_equals(simd, dtype):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 3, size=(4000, 6)).astype(dtype)
    centers = rng.integers(0, 3, size=(30, 6)).astype(np.float64)

    def step(i, centers, means):
        moved = centers.copy()
        moved[rng.integers(30, size=3), rng.integers(6)] += rng.choice([-1, 1])
        return moved

    check_passes(X, centers, 15, step)


@pytest.mark.parametrize("few", [0, 30, 300, 3000])
def test_bounds_from_any_pass_on(few):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(3000, 20)) + 3 * rng.normal(size=(12, 20))[rng.integers(12, size=3000)]
    check_passes(X, X[:12].copy(), 15, to_the_mean, few=few)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_same_clustering_as_scikit_learn(n_threads):
    X = np.random.default_rng(0).normal(size=(3000, 5))
    seeds = X[:7]
    weight = np.random.default_rng(1).random(3000)
    labels, centers, inertia, n_iter, *_ = lloyd(
        X, seeds, sample_weight=weight, n_threads=n_threads)
    peer = KMeans(7, init=seeds, n_init=1).fit(X, sample_weight=weight)
    assert_array_equal(labels, peer.labels_)
    assert_allclose(centers, peer.cluster_centers_, rtol=1e-10, atol=1e-12)
    assert_allclose(inertia, peer.inertia_, rtol=1e-10)
    assert n_iter == peer.n_iter_


def test_empty_clusters_move_to_far_rows_that_weigh_something():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 20, [[1e3, 1e3]]])
    weight = np.r_[np.ones(100), 0]
    labels, _, inertia, *_ = lloyd(X, [[0, 0], [1e4, 1e4]], sample_weight=weight)
    assert_array_equal(np.bincount(labels[:100]), [50, 50])
    assert inertia < 300


@pytest.mark.parametrize("dtype, large", [("f4", 4.5e6), ("f4", 1e8), ("f8", 1.7e18)])
def test_a_large_column_hides_no_distances(dtype, large):
    """A column that rounds by more than another holds, as coordinates and times do."""
    X = np.column_stack([np.full(40, large), np.tile([0, 1, 2, 3], 10)]).astype(dtype)
    start = np.array([[large, 0], [large, 1], [large, 1e3], [large, 2e3]])
    labels, _, inertia, *_ = lloyd(X, start)
    assert len(np.unique(labels)) == 4 and inertia == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1, 1e30, 1e150])
def test_any_scale(scale):
    X = np.random.default_rng(0).normal(size=(500, 2))
    expected = lloyd(X, X[:4])
    labels, centers, _, n_iter, *_ = lloyd(X * scale, X[:4] * scale)
    assert_array_equal(labels, expected[0])
    assert n_iter == expected[3]
    assert_allclose(centers / scale, expected[1], rtol=1e-10)


def layouts(X):
    """The same rows in four layouts."""
    wide = np.zeros((len(X), X.shape[1] + 3), X.dtype)
    wide[:, 2:-1] = X
    return [X, np.asfortranarray(X), wide[:, 2:-1], np.repeat(X, 2, axis=1)[:, ::2]]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k, d", [(8, 100), (32, 48), (5, 130), (13, 45)])
def test_sums_of_many_moved_rows(simd, dtype, weighted, k, d):
    """Those of a pass that makes them as it reads the rows, whatever layout and threads."""
    rng = np.random.default_rng(d)
    X = (rng.normal(size=(k, d))[rng.integers(k, size=4000)]
         + rng.normal(size=(4000, d)) + 3).astype(dtype)
    weight = rng.integers(0, 3, 4000) * 0.7 if weighted else None
    w = np.ones(4000) if weight is None else weight
    first, second = X[:k].astype(np.float64), X[k:2 * k].astype(np.float64)
    origin, seen = X[5].astype(np.float64), set()
    for values in layouts(X):
        for n_threads in (1, 2, 32):
            labels, bounds = np.zeros(4000, np.int32), LloydBounds(values, k, 1.0)
            counts, sums = np.zeros(k), np.zeros((k, d))
            for before, centers in ((None, first), (first, second)):
                bounded_pass(values, centers, labels, bounds, origin, weight, before, n_threads,
                             into=(counts, sums))
                members = (labels == np.arange(k)[:, None]) * w
                assert_allclose(counts, members.sum(axis=1), atol=1e-9)
                assert_allclose(sums, members @ (X - origin), rtol=0, atol=1e-9)
            assert bounds.n_changed > 4000 // 4
            seen.add(counts.tobytes() + sums.tobytes() + labels.tobytes())
    assert len(seen) == 1


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", range(2, 15))
def test_any_number_of_centres(simd, dtype, k):
    """Whole numbers, so that squares are exact: of equally near centres the first."""
    rng = np.random.default_rng(k)
    X = rng.integers(-3, 4, size=(300, 260)).astype(dtype)
    centers = X[rng.integers(30, size=k)].astype(np.float64)
    labels = np.zeros(300, np.int32)
    inertia = kmeans_pass(X, centers, labels, with_sums=False)[2]
    squares = ((X[:, None].astype(np.float64) - centers) ** 2).sum(axis=2)
    assert_array_equal(labels, squares.argmin(axis=1))
    assert inertia == squares.min(axis=1).sum()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("d", [1, 3, 8, 50, 77])
def test_one_centre(simd, dtype, weighted, d):
    rng = np.random.default_rng(d)
    X = (rng.normal(size=(1500, d)) + 1e3).astype(dtype)
    weight = rng.integers(0, 3, 1500) * 0.5 if weighted else None
    w = np.ones(1500) if weight is None else weight
    center = X[:1].astype(np.float64)
    seen = set()
    for values in layouts(X):
        for n_threads in (1, 3):
            labels = np.full(1500, 7, np.int32)
            counts, sums, inertia, changed = kmeans_pass(
                values, center, labels, weight, n_threads, about_centers=True)
            assert changed == 1500 and not labels.any()
            seen.add(counts.tobytes() + sums.tobytes() + np.float64(inertia).tobytes())
    assert len(seen) == 1
    gaps = X - center
    assert_allclose(counts, [w.sum()])
    assert_allclose(sums[0], w @ gaps, rtol=0, atol=1e-9)
    assert_allclose(inertia, w @ (gaps**2).sum(axis=1), rtol=1e-13)
