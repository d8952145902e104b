"""K-means of many centres: labels are those of distances by difference, whatever the data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans as SklearnKMeans

from emkernels import EMWarning, KMeans
from emkernels.data import Rows
from emkernels.kernels import dispatch, kmeans_plusplus
from emkernels.kernels.passes import LloydBounds, bounded_pass, center_distances, kmeans_pass
from emkernels.models.kmeans_starts import SEEDS
from emkernels.starts import coresets
from emkernels.starts.coresets import coreset
from emkernels.starts.lloyd import lloyd

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


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("d", [1024, 1536, 4096])
def test_rounding_that_goes_one_way(simd, d, dtype):
    """Rows and centres with one number in all columns: equal products, whose sums round alike."""
    rng = np.random.default_rng(d)
    centers = np.sort(rng.uniform(-1, 1, 40)).astype(dtype).astype("f8")
    X = (rng.choice((centers[1:] + centers[:-1]) / 2, 1500)
         * (1 + rng.choice([-1, 1], 1500) * 10 ** rng.uniform(-6, -4, 1500))).astype(dtype)
    labels = np.zeros(1500, np.int32)
    kmeans_pass(np.repeat(X[:, None], d, 1), np.repeat(centers[:, None], d, 1), labels)
    squares = (X.astype("f8")[:, None] - centers) ** 2
    mine = squares[np.arange(1500), labels]
    assert (mine <= (1 + 4 * d * np.finfo(dtype).eps) * squares.min(axis=1)).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("d", [48, 65, 500, 1537])
@pytest.mark.parametrize("outlying", [0, 1, 1000])
def test_rows_that_bytes_do_not_tell_apart(simd, d, dtype, outlying):
    """Rows near the middle of two centres, on either side of it, of which bytes lose more than
    that; and where a column that all share, or half of the rows, outweighs all others."""
    rng = np.random.default_rng(d)
    centers = rng.normal(size=(40, d))
    centers[::2, 0] += outlying * np.sqrt(d)
    first, second = rng.choice(20, (2, 300)) * 2
    second = np.where(first == second, (second + 2) % 40, second)
    side = rng.choice([-1, 1], 300) * 10 ** rng.uniform(-2.5, -1, 300)
    X = ((centers[first] + centers[second]) / 2
         + side[:, None] * (centers[first] - centers[second])).astype(dtype)
    centers = centers.astype(dtype).astype("f8")
    labels = np.zeros(300, np.int32)
    kmeans_pass(X, centers, labels)
    squares = np.array([((row - centers) ** 2).sum(axis=1) for row in X.astype("f8")])
    assert_array_equal(labels, squares.argmin(axis=1))


@pytest.mark.parametrize("d", [5120, 8192])
def test_rows_of_one_number_far_from_all_centres(simd, d):
    """Their lengths round one way, too: bounds may not take them for longer than they are."""
    rng = np.random.default_rng(0)
    scale = 1 / np.sqrt(d)
    centers, before = scale * rng.normal(size=(30, d)), None
    centers = np.concatenate([centers, -centers])
    X = centers[rng.integers(60, size=200)] + 1e-3 * scale * rng.normal(size=(200, d))
    X[:3] = 1024 * np.array([[1.4086459875106812], [1.73670494556427], [1.9248898]])
    labels, bounds = np.zeros(200, np.int32), LloydBounds(X, 60, 1.0)
    for i in range(6):
        bounded_pass(X, centers, labels, bounds, np.zeros(d), None, before, 1)
        exact = ((X[:3, None] - centers) ** 2).sum(axis=2)
        assert_array_equal(labels[:3], exact.argmin(axis=1), err_msg=f"pass {i}")
        step = scale * (0.02 * rng.normal(size=(30, d)) + 0.006 * rng.normal(size=(30, 1)))
        before, centers = centers, centers + np.concatenate([step, -step])
    assert bounds.n_groups


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


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("far", [1e9, 1e15])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("d, k", [(3, 12), (40, 30)])
def test_labels_and_inertia_beside_a_far_row(simd, d, k, dtype, far, own):
    """Against squares in extended precision; the far row has a centre of its own, or moves one."""
    rng = np.random.default_rng(d)
    X = 3 * rng.normal(size=(k, d))[rng.integers(k, size=1000)] + rng.normal(size=(1000, d))
    X[17, d // 2] += far
    X = X.astype(dtype)
    model = KMeans(k, init=np.concatenate([X[100:99 + k], X[17:18] if own else X[99:100]]),
                   tol=0, max_iter=20).fit(X)
    rows, centers = X.astype(np.longdouble), model.cluster_centers_.astype(np.longdouble)
    squares = np.array([((rows - c) ** 2).sum(axis=1) for c in centers]).T
    mine = squares[np.arange(1000), model.labels_]
    assert (mine <= squares.min(axis=1) * (1 + 8 * d * np.finfo(dtype).eps)).all()
    assert_allclose(model.inertia_, float(mine.sum()), rtol=1e-12 if dtype == "f8" else 1e-5)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", ["plain", "shifted", "a far row", "huge", "small", "columns"])
@pytest.mark.parametrize("n, d, k", [(101, 1, 3), (203, 16, 11), (101, 67, 9), (77, 257, 20)])
def test_distances_to_centres(simd, n, d, k, kind, dtype):
    X = table(kind, n, d, k, dtype)
    if kind == "huge":
        X = (X * {"f4": 10, "f8": 1e40}[dtype]).astype(dtype)     # squares overflow
    centers = X[:k]
    found = center_distances(X, centers, 2)
    unit = np.abs(X).max()
    gaps = (X[:, None].astype("f8") - centers[None]) / float(unit)
    expected = np.sqrt((gaps ** 2).sum(axis=2)) * float(unit)
    assert found.dtype == X.dtype
    assert_array_equal(found[:k].diagonal(), 0)
    assert_allclose(found, expected, rtol=(8 + d) * np.finfo(dtype).eps, atol=0)
    assert_array_equal(found, center_distances(X, centers, 1))
    assert_array_equal(found[5:6], center_distances(X[5:6], centers, 1))
    if kind == "huge":
        return      # refused
    model = KMeans(k, init=centers, max_iter=1, n_threads=1).fit(X)
    assert_array_equal(model.transform(np.asfortranarray(X)), model.transform(X))


@pytest.mark.parametrize("init", ["k-means||", "coreset"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_seeds_of_a_few_passes(dtype, init, monkeypatch):
    """As good as those of k-means++, the same for every number of threads."""
    monkeypatch.setattr(coresets, "n_sampled", lambda n_clusters: 50 * n_clusters)
    rng = np.random.default_rng(4)
    X = (1.5 * rng.normal(size=(90, 20))[rng.integers(90, size=6000)]
         + rng.normal(size=(6000, 20))).astype(dtype)
    rows, found = Rows.read(X), {}
    for seeds in (SEEDS["k-means++"], SEEDS[init]):
        found[seeds] = np.mean([
            lloyd(rows, seeds(rows, 60, np.random.RandomState(i))).inertia for i in range(3)])
    assert found[SEEDS[init]] <= 1.05 * found[SEEDS["k-means++"]]
    fits = [KMeans(60, init=init, random_state=0, n_threads=t).fit(X) for t in (1, 2, 3)]
    for fit in fits[1:]:
        assert_array_equal(fit.cluster_centers_, fits[0].cluster_centers_)


def seeds_without_bytes(*args, **options):
    """By passes over the rows: the baseline level keeps no bytes."""
    own = dispatch.simd_level()
    dispatch.set_simd_level("baseline")
    try:
        return kmeans_plusplus(*args, **options)
    finally:
        dispatch.set_simd_level(own)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_seeds_do_not_depend_on_the_bytes_that_are_kept(simd, kind, weighted, dtype):
    rng = np.random.default_rng(3)
    X = table(kind, 4003, 70, 40, dtype)
    weight = None
    if weighted:
        weight = rng.gamma(0.5, size=len(X))
        weight[rng.choice(len(X), 2000, replace=False)] = 0
    for n_local_trials in (None, 1, 20):
        options = {"sample_weight": weight, "random_state": 0, "n_local_trials": n_local_trials}
        wanted = seeds_without_bytes(X, 41, **options)
        for n_threads in (1, 3):
            found = kmeans_plusplus(X, 41, n_threads=n_threads, **options)
            assert_array_equal(found[1], wanted[1])
            assert_array_equal(found[0], wanted[0])


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("dtype, big", [("f4", 1e19), ("f8", 1e100), ("f8", 1e155)])
def test_seeds_of_bytes_among_rows_too_far_for_them(simd, dtype, big, first):
    """Candidates that bytes have no unit for, and distances that overflow: of rows that say where
    the origin is, and of others."""
    X = table("plain", 4003, 70, 40, dtype)
    X[first::1000] *= big
    for weight in (None, np.arange(4003) % 3):
        options = {"random_state": 1, "sample_weight": weight}
        found = kmeans_plusplus(X, 41, **options)[1]
        assert_array_equal(found, seeds_without_bytes(X, 41, **options)[1])
        far = np.arange(first, 4003, 1000)
        assert set(far if weight is None else far[weight[far] > 0]) <= set(found)


def test_bounds_do_not_choose_between_seeds_that_are_nearly_the_same(simd):
    """Several candidates of a step are drawn from one of 41 groups: which is best shows far behind
    the digits that 16 bits have."""
    X = table("plain", 41, 70, 40, "f8")[np.arange(4003) % 41]
    X += 1e-3 * np.random.default_rng(1).normal(size=X.shape)
    for seed in range(3):
        options = {"random_state": seed, "n_local_trials": 20}
        assert_array_equal(kmeans_plusplus(X, 41, **options)[1],
                           seeds_without_bytes(X, 41, **options)[1])


@pytest.mark.parametrize("far", [1e5, 1e8])
def test_potentials_that_fall_far(simd, far):
    """One seed among rows far away leaves hardly anything of the sum before."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4096, 64))
    X[rng.permutation(4096)[:400]] += far
    for seed in range(4):
        assert_array_equal(kmeans_plusplus(X, 24, random_state=seed)[1],
                           seeds_without_bytes(X, 24, random_state=seed)[1])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_seeds_of_all_layouts(simd, dtype):
    """Among these rows are candidates that are nearer to each other only: equally good."""
    for n, d, k, options in ((515, 511, 41, {}), (9000, 48, 300, {"n_local_trials": 1})):
        X = np.random.default_rng(1).normal(size=(n, d)).astype(dtype)
        more = np.zeros((2 * n, 2 * d), dtype)
        more[::2, ::2] = X
        for seed in range(4):
            found = kmeans_plusplus(X, k, random_state=seed, **options)[1]
            for rows in (np.asfortranarray(X), more[::2, ::2], X[::-1].copy()[::-1]):
                for threads in (1, 3):
                    other = kmeans_plusplus(rows, k, random_state=seed, n_threads=threads,
                                            **options)
                    assert_array_equal(other[1], found)


def test_a_coreset_stands_for_all_rows():
    """Weighted sums over it are those over all rows, as far as chance leaves them so; what has no
    weight is never drawn."""
    rng = np.random.default_rng(6)
    X, weight = rng.normal(size=(50_000, 3)) ** 3, rng.gamma(0.5, size=50_000)
    weight[::3] = 0
    X[::3] = 1e6
    few = coreset(Rows.read(X).weighed(weight), 8000, np.random.RandomState(0))
    assert len(few) <= 8000 and np.abs(few.X).max() < 1e6
    assert_allclose(few.weight_given.sum(), weight.sum(), rtol=0.02)
    for power in (1, 2):
        expected = np.average(X ** power, axis=0, weights=weight)
        spread = np.sqrt(np.average(X ** 2, axis=0, weights=weight)) if power == 1 else expected
        found = np.average(few.X ** power, axis=0, weights=few.weight_given)
        assert (np.abs(found - expected) < 0.1 * spread).all()
    same = coreset(Rows.read(np.ones((100, 2))), 30, np.random.RandomState(0))
    assert_allclose(same.weight_given.sum(), 100)


def test_seeds_where_few_rows_differ_or_weigh():
    X = np.random.default_rng(5).normal(size=(400, 4))
    weight = np.r_[np.ones(10), np.zeros(390)]
    model = KMeans(8, init="k-means||", random_state=0).fit(X, sample_weight=weight)
    assert len(np.unique(model.labels_[:10])) == 8
    model = KMeans(8, init="k-means||", random_state=0).fit(np.repeat(X[:8], 50, axis=0))
    assert model.inertia_ < 1e-24


def test_a_coreset_of_few_rows_that_weigh():
    """Fewer rows than clusters have nearly all of the weight: which is said."""
    X, weight = np.random.default_rng(7).normal(size=(30_000, 2)), np.full(30_000, 1e-12)
    weight[:5] = 1e12
    said = r"drew 5 different rows for 8 clusters.*'k-means\|\|'"
    with pytest.warns(EMWarning, match=said) as seen:
        model = KMeans(8, init="coreset", n_init=1, random_state=0).fit(X, sample_weight=weight)
    assert len(seen) == 1 and seen[0].filename == __file__
    other = KMeans(8, init="k-means||", n_init=1, random_state=0).fit(X, sample_weight=weight)
    assert model.inertia_ <= 1.2 * other.inertia_
    assert len(np.unique(model.labels_)) == 8
    assert len(np.unique(model.labels_[:5])) == 5


def test_a_coreset_of_rows_that_differ_where_nothing_weighs():
    X, weight = np.zeros((30_000, 2)), np.ones(30_000)
    X[-1], weight[-1] = 5, 0
    few = coreset(Rows.read(X).weighed(weight), 100, np.random.RandomState(0))
    assert_array_equal(few.X, np.zeros((len(few), 2)))
    assert_allclose(few.weight_given.sum(), weight.sum())


def test_distances_that_are_hardly_any():
    """Differences of float32 rows are taken in float64: their squares are too small for float32,
    and in the end they themselves."""
    X = np.array([[0.0], [1e-44], [1e-42], [1e-30]], np.float32)
    model = KMeans.from_sklearn(SklearnKMeans(1, n_init=1).fit(X))
    model.cluster_centers_ = X[:1].copy()
    assert_allclose(model.transform(X)[:, 0], X[:, 0], rtol=1e-6)


def test_distances_of_one_column_of_any_strides():
    x = np.random.default_rng(8).normal(size=(50, 1))
    model = KMeans(3, random_state=0).fit(x)
    expected = np.abs(x - model.cluster_centers_.T)
    for X in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], np.tile(x, 3)[:, 1:2]):
        assert_allclose(model.transform(X), expected, rtol=1e-15)
