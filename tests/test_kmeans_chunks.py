"""K-means over blocks of rows: the centres of fit, whatever the blocks are."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from chunk_models import agree
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans as TheirKMeans
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from emkernels import KMeans
from emkernels.data import Chunks, Rows
from emkernels.data.sampling import uniforms
from emkernels.starts.kmeans import telling_rows
from emkernels.starts.lloyd_blocks import lloyd_of_blocks

DIGITS = load_digits().data


def blobs(n=3000, d=3, k=6, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return 3 * rng.normal(size=(k, d))[rng.integers(k, size=n)] + rng.normal(size=(n, d)) + shift


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("tol", [0, 1e-4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("chunk_rows", [1, 97, 1000])
def test_the_centres_of_fit(dtype, tol, weighted, chunk_rows):
    X = (DIGITS[:400] if chunk_rows == 1 else DIGITS).astype(dtype)
    rng = np.random.default_rng(1)
    weight = rng.integers(0, 3, len(X)) * 0.7 if weighted else None
    centers = X[rng.choice(len(X), 10, replace=False)]
    whole = KMeans(10, init=centers, tol=tol).fit(X, sample_weight=weight)
    parts = KMeans(10, init=centers, tol=tol).fit_chunks(
        X, sample_weight=weight, chunk_rows=chunk_rows)
    agree(whole, parts, 1e-10 if dtype == "f8" else 1e-6)
    assert whole.n_iter_ > 5 and parts.cluster_centers_.dtype == X.dtype
    assert (parts.n_blocks_, parts.n_rows_) == (-(-len(X) // chunk_rows), len(X))
    assert_array_equal(parts.predict(X), whole.labels_)


def test_far_from_the_origin():
    X = blobs(shift=1e8)
    whole, parts = KMeans(6, init=X[:6], tol=0).fit(X), KMeans(6, init=X[:6], tol=0)
    agree(whole, parts.fit_chunks(X, chunk_rows=211), 1e-15)
    near = TheirKMeans(6, init=X[:6] - 1e8, n_init=1, tol=0).fit(X - 1e8)
    assert_allclose(parts.cluster_centers_ - 1e8, near.cluster_centers_, atol=1e-6)


def test_the_bits_do_not_depend_on_threads_readers_or_random_numbers():
    X = blobs()
    found = [KMeans(6, random_state=3, n_threads=n).fit_chunks(source, chunk_rows=rows)
             for n, source, rows in ((1, X, 500), (2, X, 500), (None, np.asfortranarray(X), 500),
                                     (3, lambda: iter(np.split(X, 6)), None),
                                     (1, np.split(X, 6), None))]
    for each in found[1:]:
        assert_array_equal(each.cluster_centers_, found[0].cluster_centers_)
        assert each.inertia_ == found[0].inertia_
    again = KMeans(6, random_state=3).fit_chunks(X, chunk_rows=100)     # other blocks
    agree(again, found[0])


def test_empty_clusters_get_the_farthest_rows():
    X = blobs(400, 2, 4)
    X[[17, 301]] = [[60.0, 60.0], [-70.0, 20.0]]
    init = np.concatenate([X[:3], [[1e4, 1e4]]])        # nearest to no row
    whole, parts = (KMeans(4, init=init) for _ in range(2))
    agree(whole.fit(X), parts.fit_chunks(X, chunk_rows=60))
    weight = np.ones(len(X))
    weight[301] = 0     # a row of no weight is never one
    agree(whole.fit(X, sample_weight=weight),
          parts.fit_chunks(X, chunk_rows=60, sample_weight=weight))
    # several are empty: the farthest rows, ties to the lower row
    init = np.concatenate([X[:2], [[1e4, 1e4], [1e4, -1e4]]])
    parts = KMeans(4, init=init, max_iter=1).fit_chunks(X, chunk_rows=60)
    assert_array_equal(parts.cluster_centers_[2:], X[[17, 301]])
    ends = {rows: KMeans(4, init=init).fit_chunks(X, chunk_rows=rows) for rows in (7, 60, 400)}
    for each in ends.values():
        agree(each, ends[400])
    both = [np.sort(model.cluster_centers_, axis=0)
            for model in (KMeans(4, init=init).fit(X), ends[60])]
    assert_allclose(*both, rtol=1e-12)


def test_ties_go_to_the_lower_row():
    X = np.array([[0.0], [4.0], [-4.0], [4.0], [0.0]])
    for rows in (1, 2, 5):
        model = KMeans(2, init=[[0.0], [1e3]], max_iter=1).fit_chunks(X, chunk_rows=rows)
        assert model.cluster_centers_[1] == 4.0


def test_fewer_distinct_rows_than_clusters():
    X = np.repeat([[1.0, 2.0], [3.0, 4.0]], 20, axis=0)
    for init in ("k-means++", "random", X[[0, 1, 20, 21]]):
        model = KMeans(4, init=init, n_init=1, random_state=0)
        with pytest.warns(ConvergenceWarning, match=r"distinct clusters \(2\) found smaller"):
            model.fit_chunks(X, chunk_rows=7)
        assert_allclose(model.inertia_, 0, atol=1e-25)


def test_labels_are_not_kept():
    X = blobs()
    model = KMeans(3, random_state=0).fit(X)
    model.fit_chunks(X, chunk_rows=1000)
    with pytest.raises(AttributeError, match="predict gives the labels"):
        model.labels_       # noqa: B018
    assert model.fit(X).labels_.shape == (3000,) and not hasattr(model, "n_blocks_")


@pytest.mark.parametrize("source, sample_weight, options, text", [
    ([np.ones((3, 2)), np.array([[1.0, 2.0], [1.0, np.nan]])], None, {},
     r"first at block 1, row 1, column 1.*K-means needs complete rows"),
    ([np.ones((3, 2)), np.array([[1.0, np.inf]])], None, {}, "block 1, row 0, column 1"),
    ([np.ones((1, 2))], None, {}, r"n_samples=1 should be >= n_clusters=2"),
    ([np.ones((5, 2))], None, {"init": np.ones((2, 3))}, "number of features of the data 2"),
    ([np.ones((5, 2))], [np.array([1.0, 0, 0, 0, 0])], {"init": "random"}, "only 1 have a pos"),
    ([np.ones((5, 2))], [np.zeros(5)], {}, "the weights of all blocks are zero"),
    ([np.ones((5, 2))], [np.array([1.0, 0, 0, 0, 0])], {}, "n_samples=1 of positive weight"),
    ([np.ones((5, 2)), np.full((2, 2), 1e200)], None, {}, "block 1"),
    ([np.ones((5, 2)), np.full((2, 2), 1e200)], [np.full(5, 0.5), np.full(2, 0.5)], {},
     "X is too large for float64: 1e.200 at block 1"),
    (iter([np.ones((5, 2))]), None, {}, "callable"),
])
def test_bad_sources(source, sample_weight, options, text):
    model = KMeans(2, **options)
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError), match=text):
        model.fit_chunks(source, sample_weight=sample_weight)
    assert vars(model) == before


def test_blocks_and_rows_without_weight():
    X, rng = blobs(), np.random.default_rng(0)
    keep = rng.uniform(size=len(X)) < 0.5
    keep[:500] = False
    weight = np.where(keep, 1.7, 0.0)
    X[~keep] += 1e3
    parts = KMeans(5, init=X[keep][:5]).fit_chunks(X, sample_weight=weight, chunk_rows=250)
    whole = KMeans(5, init=X[keep][:5]).fit(X[keep], sample_weight=weight[keep])
    assert_allclose(parts.cluster_centers_, whole.cluster_centers_, rtol=1e-11)
    assert_allclose(parts.inertia_, whole.inertia_, rtol=1e-11)
    # starts draw none of them
    for init in ("k-means++", "random"):
        parts = KMeans(5, init=init, random_state=0).fit_chunks(
            X, sample_weight=weight, chunk_rows=250)
        assert np.abs(parts.cluster_centers_).max() < 100


def test_names_and_starts():
    X = blobs()
    frames = [pd.DataFrame(part, columns=["a", "b", "c"]) for part in np.array_split(X, 3)]
    model = KMeans(3, random_state=0).fit_chunks(frames)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    seen = []

    def init(part, k, random_state):
        seen.append(part)
        return part[random_state.choice(len(part), k, replace=False)]

    model = KMeans(3, init=init, n_init=4, random_state=0).fit_chunks(X, chunk_rows=700)
    assert len(seen) == 4 and not seen[0].flags.writeable
    assert_array_equal(seen[0], X)      # so few rows: all
    best = min(KMeans(3, init=init(X, 3, np.random.RandomState(s)), n_init=1).fit(X).inertia_
               for s in range(4))
    assert model.inertia_ < 1.05 * best
    with pytest.warns(RuntimeWarning, match="performing only one init in KMeans"):
        KMeans(3, init=X[:3], n_init=5).fit_chunks(X)


def test_starts_of_many_rows():
    """Rows that tell most: weights that sum to about those of all, and small groups far away."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, 3))
    X[1000:1004], X[50_000:50_003] = [300, 0, 0], [0, -500, 0]
    few = telling_rows(Chunks(X, chunk_rows=7000), 4, np.random.RandomState(0))
    assert len(few) == 20_000
    assert_allclose(few.total, len(X), rtol=0.03)
    for where in (X[1000], X[50_000]):
        weight = few.weight_given[(where == few.X).all(axis=1)]
        assert_allclose(weight.sum(), (where == X).all(axis=1).sum(), rtol=1e-6)
    centers = rng.normal(size=(4, 3))
    costs = [Rows.read(each).X for each in (X, few.X)]
    costs = [((each[:, None] - centers) ** 2).sum(-1).min(1) for each in costs]
    assert_allclose(few.weight_given @ costs[1], costs[0].sum(), rtol=0.05)
    # one that looks at some rows only would not see the specks
    parts = KMeans(4, random_state=0).fit_chunks(X, chunk_rows=7000)
    whole = KMeans(4, random_state=0).fit(X)
    assert parts.inertia_ <= 1.01 * whole.inertia_
    # blocks do not matter
    again = KMeans(4, random_state=0).fit_chunks(X, chunk_rows=20_000)
    assert_allclose(parts.cluster_centers_, again.cluster_centers_, rtol=1e-9, atol=1e-9)


def test_as_good_as_fit_on_digits():
    whole, parts = ([getattr(KMeans(10, random_state=seed), how)(DIGITS).inertia_
                     for seed in range(6)] for how in ("fit", "fit_chunks"))
    assert np.mean(parts) <= 1.002 * np.mean(whole)


def test_what_is_reported(capsys):
    X = blobs()
    KMeans(3, verbose=1, init=X[:3]).fit_chunks(X, chunk_rows=500)
    text = [line for line in capsys.readouterr().out.splitlines() if "rows/s" not in line]
    assert text[0].startswith("Initialization complete") and "Ended at iteration" in text[-1]
    KMeans(3, verbose=1, init=X[:3]).fit(X)
    assert [line[:30] for line in capsys.readouterr().out.splitlines()] == [
        line[:30] for line in text]


def test_passes():
    """One for the survey, one for the spread, and one an iteration; nothing else."""
    X, n = blobs(), []

    def source():
        n.append(0)
        return iter(np.split(X, 3))

    model = KMeans(6, init=X[:6], tol=0).fit_chunks(source)
    assert len(n) == 2 + model.n_iter_
    assert uniforms(1, 0, 3).shape == (3,)


def test_picklable_parts():
    chunks = Chunks(blobs(), chunk_rows=700)
    seen = []

    def spy(function, *arguments):
        seen.append(pickle.loads(pickle.dumps((function, arguments)))[0])
        found = type(chunks).reduce(chunks, function, *arguments)
        pickle.dumps(found)
        return found

    chunks.reduce = spy
    init = np.concatenate([blobs()[:2], [[1e4, 1e4, 1e4]]])
    lloyd_of_blocks(chunks, init)
    assert len({each.__name__ for each in seen}) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KMeans(2, random_state=0).fit_chunks(blobs(), chunk_rows=1500)


def test_checkpoints(tmp_path):
    """Stopped in any pass and resumed: the same bits."""
    X = np.concatenate([blobs(), [[500.0, 0.0, 0.0]]])
    init = np.concatenate([X[:4], [[1e4, 1e4, 1e4]]])
    for k, start in ((5, init), (4, "k-means++"), (3, "random")):
        options = {"n_clusters": k, "init": start, "n_init": 2 if k < 5 else 1, "random_state": 1}
        whole = KMeans(**options).fit_chunks(np.array_split(X, 4))
        for last in (0, 2, 4):
            n, path = [], tmp_path / f"{k}-{last}"

            def source(last=last, n=n):
                n.append(0)
                for i, part in enumerate(np.array_split(X, 4)):
                    if len(n) > last and i == 2:
                        raise RuntimeError("stop")
                    yield part

            with pytest.raises(RuntimeError, match="stop"):
                KMeans(**options).fit_chunks(source, checkpoint=path)
            model = KMeans(**options).fit_chunks(
                lambda: iter(np.array_split(X, 4)), checkpoint=path, resume=True)
            assert_array_equal(model.cluster_centers_, whole.cluster_centers_)
            assert (model.inertia_, model.n_iter_) == (whole.inertia_, whole.n_iter_)
