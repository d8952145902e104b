"""K-means over blocks: bounds that are kept of them, and exact sums."""

from fractions import Fraction

import numpy as np
import pytest
from chunk_models import agree
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from emkernels import KMeans
from emkernels.data import Chunks
from emkernels.data.memory import Memory
from emkernels.kernels import passes
from emkernels.starts.kmeans import telling_rows
from emkernels.starts.lloyd_bounds import Bounded


def overlapping(n=3000, d=9, k=12, seed=0, dtype="f8"):
    """Blobs on which bounds are kept for many passes."""
    rng = np.random.default_rng(seed)
    X = 1.5 * rng.normal(size=(k, d))[rng.integers(k, size=n)] + rng.normal(size=(n, d))
    return X.astype(dtype)


def some_forgotten(keep, share):
    """Memory.keep that forgets a share of what it is given."""
    rng = np.random.default_rng(5)
    return lambda memory, block, things: keep(
        memory, block, things if rng.uniform() >= share else {})


@pytest.fixture
def passes_with_bounds(monkeypatch):
    """How many blocks had been kept, and how many not, in each pass."""
    seen = []

    def assigned(self, rows, centers, method=Bounded.assigned):
        seen.append("clusters" in rows.lasting)
        return method(self, rows, centers)

    monkeypatch.setattr(Bounded, "assigned", assigned)
    return seen


def weights_of(name, n):
    rng = np.random.default_rng(8)
    return {"no": None, "any": rng.gamma(2, size=n),
            "some zero": rng.integers(0, 3, n) * 700.0}[name]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("weights", ["no", "any", "some zero"])
@pytest.mark.parametrize("kind", ["plain", "duplicates", "whole numbers", "far", "more than 256"])
def test_kept_or_forgotten(monkeypatch, passes_with_bounds, dtype, weights, kind):
    """What is kept of blocks changes no bit, nor do threads and layouts."""
    many = kind == "more than 256"
    X = overlapping(*(6000, 16, 100) if many else (3000, 12, 12), dtype=dtype)
    if kind == "duplicates":
        X = X[np.random.default_rng(1).integers(500, size=len(X))]
    elif kind == "whole numbers":       # ties
        X = np.round(X)
    elif kind == "far":
        X += {"f4": 1e3, "f8": 1e8}[dtype]
    k, n_blocks = (280, 1) if many else (12, 2)
    distinct = np.unique(X, axis=0)
    init = distinct[np.random.default_rng(2).choice(len(distinct), k, replace=False)]
    options = {"init": init, "tol": 0, "max_iter": 40}
    source = {"sample_weight": weights_of(weights, len(X)), "chunk_rows": len(X) // n_blocks}
    whole, keep = KMeans(k, **options).fit(X, sample_weight=source["sample_weight"]), Memory.keep
    found = []
    for forgotten, n_threads, values in ((0, 1, X), (1, 2, X), (0.5, 3, np.asfortranarray(X))):
        monkeypatch.setattr(Memory, "keep", some_forgotten(keep, forgotten))
        passes_with_bounds.clear()
        found.append(KMeans(k, n_threads=n_threads, **options).fit_chunks(values, **source))
        n_kept = sum(passes_with_bounds)
        assert passes_with_bounds
        assert {0: n_kept == len(passes_with_bounds) - n_blocks, 1: n_kept == 0}.get(
            forgotten, 0 < n_kept < len(passes_with_bounds))
        assert_array_equal(found[-1].cluster_centers_, found[0].cluster_centers_)
        assert (found[-1].inertia_, found[-1].n_iter_) == (found[0].inertia_, found[0].n_iter_)
    agree(whole, found[0], 1e-14 if dtype == "f8" else 1e-6)


@pytest.mark.parametrize("chunk_rows", [300, 1500, 3000])
def test_against_plain_lloyd(passes_with_bounds, chunk_rows):
    X, weight = overlapping(), weights_of("some zero", 3000)
    centers, labels = X[:12], None
    for n_iter in range(1, 300):
        last, labels = labels, cdist(X, centers).argmin(axis=1)
        if (labels == last).all():
            break
        centers = np.array([np.average(X[labels == k], axis=0, weights=weight[labels == k])
                            for k in range(12)])
    model = KMeans(12, init=X[:12], tol=0).fit_chunks(
        X, sample_weight=weight, chunk_rows=chunk_rows)
    assert model.n_iter_ == n_iter > 10
    # as long as what is kept takes no more than a block
    assert bool(passes_with_bounds) == (chunk_rows >= 1500)
    assert_allclose(model.cluster_centers_, centers, rtol=0, atol=1e-14 * np.abs(X).max())
    assert_allclose(model.inertia_, weight @ cdist(X, centers, "sqeuclidean").min(1), rtol=1e-13)


def test_columns_of_other_sizes_and_rows_far_away(passes_with_bounds):
    """Sums lose nothing where a column, or a row, is much larger than others."""
    scales = np.array([1e9, 1e9, 1e9, 1, 1, 1, 1e-9, 1e-9, 1e-9])
    X = overlapping() * scales
    X[17, 0] = 1e16
    weight = np.ones(len(X))
    weight[40], X[40, 1] = 0, 1e100
    init = np.concatenate([X[:11], X[17:18]])
    model = KMeans(12, init=init, tol=0).fit_chunks(X, sample_weight=weight, chunk_rows=1500)
    assert len(passes_with_bounds) > 6
    labels = model.predict(X)
    centers = [np.average(X[labels == k], axis=0, weights=weight[labels == k]) for k in range(12)]
    assert (np.abs(model.cluster_centers_ - centers)[:-1] <= 1e-14 * scales).all()
    assert_allclose(model.cluster_centers_[-1], X[17], rtol=1e-15)


@pytest.mark.parametrize("what", ["two places", "a far row", "light rows"])
def test_small_things_beside_large_ones(what):
    """Whether bounds are kept: rows or weights that are much larger take nobody's digits."""
    X, weight, init = overlapping(), np.ones(3000), overlapping()[:12]
    if what == "two places":
        X[::2] += 1e12
        init = X[:12]
    elif what == "a far row":
        X[17, 0] = 1e60
        init = X[6:18]
    else:
        X[:300] += 50
        weight[:300] = 1e-40
        init = X[299:311]
    few, many = (KMeans(12, init=init, tol=0).fit_chunks(
        X, sample_weight=weight, chunk_rows=chunk_rows) for chunk_rows in (100, 1500))
    assert few.n_iter_ == many.n_iter_
    assert_allclose(many.cluster_centers_, few.cluster_centers_, rtol=1e-10)
    assert_allclose(many.inertia_, few.inertia_, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-140, 1e-120, 1e120])
def test_very_large_and_small_numbers(size):
    X = overlapping() * size
    whole, parts = (getattr(KMeans(12, init=X[:12]), fit)(X, **options) for fit, options in (
        ("fit", {}), ("fit_chunks", {"chunk_rows": 1500})))
    agree(whole, parts, 1e-13)


def test_bounds_of_a_resumed_fit(tmp_path, passes_with_bounds):
    """Nothing is kept of blocks beyond the process: the same bits."""
    X = overlapping()
    options = {"n_clusters": 12, "init": X[:12], "tol": 0}
    whole, n_passes = KMeans(**options).fit_chunks(np.array_split(X, 2)), 0
    for last in (8, 10, 12):
        n_passes, path = 0, tmp_path / str(last)

        def source(last=last):
            nonlocal n_passes
            n_passes += 1
            for i, part in enumerate(np.array_split(X, 2)):
                if n_passes > last and i == 1:
                    raise RuntimeError("stop")
                yield part

        passes_with_bounds.clear()
        with pytest.raises(RuntimeError, match="stop"):
            KMeans(**options).fit_chunks(source, checkpoint=path)
        assert any(passes_with_bounds)
        model = KMeans(**options).fit_chunks(
            lambda: iter(np.array_split(X, 2)), checkpoint=path, resume=True)
        assert_array_equal(model.cluster_centers_, whole.cluster_centers_)
        assert (model.inertia_, model.n_iter_) == (whole.inertia_, whole.n_iter_)


def test_starts_do_not_depend_on_the_layout():
    X = overlapping(25_000, 20, 5)
    few = [telling_rows(Chunks(values, chunk_rows=7000), 4, np.random.RandomState(0))
           for values in (X, np.asfortranarray(X))]
    assert_array_equal(few[0].X, few[1].X)
    assert_array_equal(few[0].weight_given, few[1].weight_given)


def test_exact_sums():
    """Rows in any order, with some put in and taken away again: the same bits, and no rounding."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3)) * [1, 1e-6, 1e12]
    weight, labels = rng.gamma(1, size=500), rng.integers(4, size=500).astype(np.int32)
    weight[::7], origin = 0, X[3]
    largest = np.append(np.abs(X - origin).max(axis=0), 1.0)
    grids = passes.exact_grids(largest, weight.sum(), len(X))

    def sums():
        return np.zeros((4, 3, 4))

    whole, parts, moved = sums(), sums(), sums()
    passes.exact_sums(X, labels, origin, grids, whole, weight)
    order = rng.permutation(500)
    passes.exact_sums(np.asfortranarray(X), labels[order], origin, grids, parts, weight, order)
    assert_array_equal(parts, whole)
    before = rng.integers(4, size=500).astype(np.int32)
    passes.exact_sums(X, before, origin, grids, moved, weight)
    passes.exact_sums(X, labels, origin, grids, moved, weight, np.arange(500), before)
    assert_array_equal(moved, whole)
    values = np.column_stack([weight[:, None] * (X - origin), weight])
    for k in range(4):
        for d in range(4):
            exact = sum(map(Fraction, values[labels == k, d]), Fraction(0))
            ours = sum(map(Fraction, whole[k, :, d]), Fraction(0))
            assert abs(ours - exact) <= 2.0**-80 * largest[d] * weight.sum()


def test_grids_of_very_many_rows():
    """At most 2^31 rows: no part of a sum needs more than 53 bits."""
    for n, total in ((2**31, 2.0**31), (2**31, 1e-9), (2**20, 2.0**20), (1, 1.0)):
        grids = passes.exact_grids(np.array([0.7]), total, n)
        bound = 0.7 * total
        for grid in grids[:, 0]:
            unit = np.spacing(grid)
            assert (bound + n * unit / 2) / unit <= 2.0**53 and bound < grid / 2
            bound = n * unit / 2
        assert bound <= 0.7 * total * 2.0**-60
