"""K-means: scikit-learn's result from the same random state, and what goes beyond it."""

import doctest
import pickle
from unittest import mock

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import unaligned
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.cluster import KMeans as Peer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import emkernels.models.kmeans
from emkernels import FactorAnalysis, KMeans, kernels


def problem(seed, dtype="f8", n=None, d=None):
    """Rows around some centres, and weights."""
    rng = np.random.default_rng(seed)
    n, d = n or int(rng.integers(60, 1200)), d or int(rng.integers(1, 61))
    X = rng.normal(size=(n, d)) + rng.choice([0, 2, 6]) * rng.normal(size=(5, d))[
        rng.integers(0, 5, n)]
    return X.astype(dtype), rng.random(n)


def assert_same(ours, peer, rtol=1e-10):
    assert_array_equal(ours.labels_, peer.labels_)
    assert ours.n_iter_ == peer.n_iter_
    assert_allclose(ours.inertia_, peer.inertia_, rtol=rtol)
    scale = np.abs(peer.cluster_centers_).max()
    assert_allclose(ours.cluster_centers_, peer.cluster_centers_, rtol=0, atol=10 * rtol * scale)
    assert ours.labels_.dtype == np.int32
    assert ours.cluster_centers_.dtype == peer.cluster_centers_.dtype


# --- the same as scikit-learn ---------------------------------------------------------------

@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("init", ["k-means++", "random", "array"])
def test_same_as_scikit_learn(seed, init):
    X, weight = problem(seed)
    k = 1 + seed % 9
    options = {
        "init": X[5 : 5 + k] if init == "array" else init, "random_state": seed,
        "n_init": 1 if init == "array" else [1, 4, "auto"][seed % 3],
        "tol": [1e-4, 0, 1e-2][seed % 3], "max_iter": [300, 300, 3][seed // 3 % 3],
    }
    weight = weight if seed % 2 else None
    ours = KMeans(k, **options).fit(X, sample_weight=weight)
    assert_same(ours, Peer(k, **options).fit(X, sample_weight=weight))


@pytest.mark.parametrize("seed", range(8))
def test_same_as_scikit_learn_float32(seed):
    X, weight = problem(seed, "f4")
    options = {"init": X[:6], "n_init": 1, "max_iter": 4}
    ours = KMeans(6, **options).fit(X, sample_weight=weight)
    peer = Peer(6, **options).fit(X, sample_weight=weight)
    assert (ours.labels_ != peer.labels_).mean() < 0.005       # ties within rounding
    assert_allclose(ours.inertia_, peer.inertia_, rtol=1e-5)
    assert ours.cluster_centers_.dtype == ours.transform(X).dtype == np.float32
    exact = Peer(6, **options).fit(X.astype(np.float64), sample_weight=weight)
    assert_allclose(ours.inertia_, exact.inertia_, rtol=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_empty_clusters_as_in_scikit_learn(seed):
    X, weight = problem(seed, d=1 + seed % 4)
    far = X[:7] + np.array([0, 0, 0, 0, 1, 1, 1])[:, None] * 1e4 * (1 + np.arange(7))[:, None]
    weight = weight if seed % 2 else None
    ours = KMeans(7, init=far).fit(X, sample_weight=weight)
    assert_same(ours, Peer(7, init=far).fit(X, sample_weight=weight))
    assert len(np.unique(ours.labels_)) == 7


@pytest.mark.parametrize("seed", range(5))
def test_duplicates(seed):
    distinct, _ = problem(seed, n=12)
    X = distinct[np.random.default_rng(seed).integers(0, 12, 300)]
    for k in (3, 12):
        ours = KMeans(k, random_state=seed).fit(X)
        assert_allclose(ours.inertia_, Peer(k, random_state=seed).fit(X).inertia_,
                        rtol=1e-10, atol=1e-20)


@pytest.mark.parametrize("tol", [0, 1e-4])
@pytest.mark.parametrize("shift", [0, 1e8])
def test_fewer_distinct_rows_than_clusters(tol, shift):
    distinct = np.random.default_rng(0).normal(size=(9, 3)) + shift
    X = np.repeat(distinct, 5, axis=0)
    with pytest.warns(ConvergenceWarning, match=r"distinct clusters \(9\).*n_clusters \(20\)"):
        model = KMeans(20, init=X[:20], tol=tol).fit(X)
    assert model.inertia_ < 1e-12 * max(1, shift)
    assert model.n_iter_ < 12      # rounding is no reason to go on
    assert_array_equal(model.predict(X), model.labels_)
    distances = np.abs(distinct[:, None] - model.cluster_centers_).max(axis=2)
    assert (distances.min(axis=0) < 1e-7).all()        # the empty ones lie on others


@pytest.mark.parametrize("seed", range(3))
def test_seeds_are_scikit_learns_after_many_starts(seed):
    X, _ = problem(seed, n=800, d=3)
    ours, peer = np.random.RandomState(seed), np.random.RandomState(seed)
    for options in ({"n_init": 3}, {"init": "random"}, {}):
        assert_same(KMeans(5, random_state=ours, **options).fit(X),
                    Peer(5, random_state=peer, **options).fit(X))
    assert ours.uniform() == peer.uniform()


# --- rows, weights, precision ---------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_same_bits_for_every_number_of_threads(dtype):
    X, weight = problem(3, dtype, n=30_000, d=7)
    models = [KMeans(9, random_state=1, n_init=2, n_threads=t).fit(X, sample_weight=weight)
              for t in (1, 2, 3, 7)]
    for model in models[1:]:
        assert model.inertia_ == models[0].inertia_
        assert model.n_iter_ == models[0].n_iter_
        assert_array_equal(model.labels_, models[0].labels_)
        assert_array_equal(model.cluster_centers_, models[0].cluster_centers_)
        assert_array_equal(model.predict(X), models[0].labels_)
        assert model.score(X, sample_weight=weight) == models[0].score(X, sample_weight=weight)


def test_any_layout_in_place():
    X, _ = problem(1, n=500, d=6)
    expected = KMeans(4, random_state=0).fit(X)
    wide = np.zeros((1000, 12))
    wide[::2, ::2] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    for rows in (np.asfortranarray(X), wide[::2, ::2], frozen):
        model = KMeans(4, random_state=0, copy_x=False).fit(rows)
        assert_array_equal(model.cluster_centers_, expected.cluster_centers_)
        assert_array_equal(model.transform(rows), expected.transform(X))
        assert_array_equal(rows, X)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_seeds_do_not_depend_on_the_layout_of_wide_rows(simd, dtype):
    """Rows of one value each, of which many have the same chances but for rounding."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        column = rng.normal(size=(17, 1)).astype(dtype)
        X = np.repeat(column, 66, axis=1)
        expected = kernels.kmeans_plusplus(X, 8, random_state=seed)[1]
        for rows in (np.broadcast_to(column, X.shape), np.asfortranarray(X),
                     np.repeat(X, 2, axis=1)[:, ::2]):
            assert_array_equal(kernels.kmeans_plusplus(rows, 8, random_state=seed)[1], expected)


def test_far_from_the_origin_no_digit_is_lost():
    rng = np.random.default_rng(0)
    X = rng.integers(-2**20, 2**20, size=(400, 3)) / 2**20
    shifted = X + 2.0**27          # exact
    start = X[:4]
    near = KMeans(4, init=start).fit(X)
    far = KMeans(4, init=start + 2.0**27).fit(shifted)
    assert_array_equal(near.labels_, far.labels_)
    assert_allclose(far.inertia_, near.inertia_, rtol=1e-10)
    difference = shifted[:, None].astype(np.longdouble) - far.cluster_centers_
    exact = np.sqrt((difference ** 2).sum(axis=2))
    assert_allclose(far.transform(shifted), exact.astype(np.float64), rtol=1e-13)
    assert_allclose(far.score(shifted), -float((exact.min(axis=1) ** 2).sum()), rtol=1e-13)
    assert_array_equal(far.transform(far.cluster_centers_).diagonal(), 0)


def test_weights_are_repeated_rows():
    X, _ = problem(2, n=300, d=4)
    times = np.random.default_rng(0).integers(0, 4, 300)
    weighted = KMeans(5, init=X[times > 0][:5]).fit(X, sample_weight=times)
    repeated = KMeans(5, init=X[times > 0][:5]).fit(np.repeat(X, times, axis=0))
    assert_allclose(weighted.cluster_centers_, repeated.cluster_centers_, rtol=1e-10, atol=1e-12)
    assert_allclose(weighted.inertia_, repeated.inertia_, rtol=1e-12)
    assert_array_equal(np.repeat(weighted.labels_, times), repeated.labels_)
    assert_allclose(weighted.score(X, sample_weight=times), -weighted.inertia_, rtol=1e-12)


def test_rows_of_no_weight_hold_no_cluster():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(60, 2)), rng.normal(size=(5, 2)) + 100])
    weight = np.r_[np.ones(60), np.zeros(5)]
    model = KMeans(2, init=[[0.0, 0], [100, 100]]).fit(X, sample_weight=weight)
    assert set(model.labels_[:60]) == {0, 1}
    assert np.abs(model.cluster_centers_).max() < 10
    for seed in range(10):
        draw = KMeans(3, init="random", n_init=1, max_iter=1, random_state=seed)
        assert np.abs(draw.fit(X, sample_weight=weight).cluster_centers_).max() < 10


def test_random_centres_are_rows_drawn_by_weight():
    """Of 0, 10 and 11, which weigh 8, 1 and 1, the last two are drawn 2 times in 90."""
    X = np.array([[0.0], [10], [11]])
    n = 0
    for seed in range(200):
        model = KMeans(2, init="random", n_init=1, max_iter=1, random_state=seed)
        n += model.fit(X, sample_weight=[8, 1, 1]).cluster_centers_.min() > 0
    assert n < 15      # without weights it would be 67


def test_rows_past_the_first_block():
    """4096 rows are looked at together: for distances, and for a row to move a centre to."""
    X = np.random.default_rng(0).normal(size=(9000, 2))
    model = KMeans(3, random_state=0, n_init=1, max_iter=2).fit(X)
    assert_allclose(model.transform(X), np.sqrt(
        ((X[:, None] - model.cluster_centers_) ** 2).sum(axis=2)), rtol=1e-12)
    for row in (4500, 8999):
        X, weight = np.zeros((9000, 1)), np.ones(9000)
        X[row], weight[row % 4096] = 3.0, 0
        model = KMeans(2, init=[[0.0], [1e4]]).fit(X, sample_weight=weight)
        assert_array_equal(np.flatnonzero(model.labels_), [row])
        assert_allclose(model.cluster_centers_, [[0], [3]], atol=1e-15)
        # the row farthest from its own centre, which is not that of the first block
        X[4096:] += 100
        X[row] = 97
        model = KMeans(3, init=[[0.0], [100], [1e4]]).fit(X)
        assert_array_equal(np.flatnonzero(model.labels_ == 2), [row])


def test_a_cluster_that_loses_nearly_all_of_its_weight():
    # two heavy rows begin in the middle cluster of light ones, and leave it to either side
    rng = np.random.default_rng(0)
    X = np.concatenate([[0, 100], *[x + rng.normal(size=50) for x in (50, -30, 130)]])[:, None]
    weight = np.r_[1e12, 1e12, np.full(150, 1e-3)]
    model = KMeans(3, init=[[50.0], [-60], [160]], tol=0).fit(X, sample_weight=weight)
    assert_array_equal(np.bincount(model.labels_), [50, 51, 51])
    for k in range(3):
        mine = model.labels_ == k
        assert_allclose(model.cluster_centers_[k],
                        np.average(X[mine], axis=0, weights=weight[mine]), rtol=1e-9, atol=1e-9)


def test_centres_far_from_all_rows_cost_no_digits():
    X, _ = problem(4, n=300, d=2)
    start = np.concatenate([X[:3], [[1e12, 1e12]]])
    model = KMeans(4, init=start).fit(X)
    means = np.array([X[model.labels_ == k].mean(axis=0) for k in range(4)])
    assert_allclose(model.cluster_centers_, means, rtol=1e-9, atol=1e-9)


# --- the interface --------------------------------------------------------------------------

def test_number_of_starts():
    X, _ = problem(0, n=200, d=3)
    seen = []

    def init(rows, n_clusters, random_state):
        seen.append(random_state.uniform())
        assert_array_equal(rows, X)
        assert not rows.flags.writeable
        return rows[len(seen) :: 7][:n_clusters]

    for n_init, expected in (("auto", 10), (3, 3)):
        seen.clear()
        KMeans(4, init=init, n_init=n_init, random_state=5).fit(X)
        assert len(seen) == expected
    assert_allclose(seen, np.random.RandomState(5).uniform(size=3))
    with pytest.warns(RuntimeWarning, match="only one init in KMeans instead of n_init=4"):
        KMeans(4, init=X[:4], n_init=4).fit(X)


def test_the_best_start_is_kept():
    X, _ = problem(7, n=400, d=2)
    state = np.random.RandomState(0)
    single = [KMeans(9, init="random", n_init=1, random_state=state).fit(X) for _ in range(6)]
    best = min(single, key=lambda model: model.inertia_)
    model = KMeans(9, init="random", n_init=6, random_state=0).fit(X)
    assert model.inertia_ == best.inertia_ < max(m.inertia_ for m in single)
    assert model.n_iter_ == best.n_iter_
    assert_array_equal(model.labels_, best.labels_)


def test_methods_agree():
    X, weight = problem(5, n=300, d=3)
    model = KMeans(4, random_state=0)
    labels = model.fit_predict(X, sample_weight=weight)
    assert_array_equal(labels, model.predict(X))
    distances = model.transform(X)
    assert_array_equal(distances, clone(model).fit_transform(X, sample_weight=weight))
    assert_array_equal(distances.argmin(axis=1), labels)
    assert_allclose(model.score(X), -(distances.min(axis=1) ** 2).sum(), rtol=1e-12)
    assert_allclose(model.inertia_, weight @ distances.min(axis=1) ** 2, rtol=1e-12)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), labels)
    assert make_pipeline(StandardScaler(), KMeans(3)).fit(X).predict(X).shape == (300,)


def test_frames():
    pandas = pytest.importorskip("pandas")
    X, _ = problem(0, n=50, d=3)
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = KMeans(2, random_state=0).set_output(transform="pandas").fit(frame)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert list(model.transform(frame).columns) == ["kmeans0", "kmeans1"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["c", "b", "a"]])


def test_verbose(capsys):
    X, _ = problem(0, n=200, d=2)
    model = KMeans(4, n_init=2, random_state=0, verbose=1).fit(X)
    out = capsys.readouterr().out
    assert out.count("Initialization complete") == 2
    assert out.count("Iteration 1, inertia") == 2
    assert f"Ended at iteration {model.n_iter_}: " in out
    KMeans(4, n_init=1, random_state=0, verbose=1, max_iter=1).fit(X)
    assert "Ended at iteration 1: max_iter reached" in capsys.readouterr().out


def nan_at(X, row, column, value=np.nan):
    X = X.copy()
    X[row, column] = value
    return X


BAD = {
    "nan": (lambda X: nan_at(X, 4, 1), {}, None,
            "row 4, column 1. K-means needs complete rows; GaussianMixture"),
    "infinity": (lambda X: nan_at(X, 7, 2, np.inf), {}, None, "infinity, first at row 7, column 2"),
    "sparse": (csr_matrix, {}, None, "[Ss]parse"),
    "too large": (lambda X: X * 1e200, {}, None, "X is too large for float64.*row"),
    "one row": (lambda X: X[0], {}, None, "2D array"),
    "clusters": (None, {"n_clusters": 101}, None, "n_samples=100 should be >= n_clusters=101"),
    "init rows": (lambda X: X, {"init": np.zeros((2, 3))}, None, "number of clusters 3"),
    "init columns": (None, {"init": np.zeros((3, 2))}, None, "number of features of the data 3"),
    "init nan": (None, {"init": np.full((3, 3), np.nan)}, None, "init contains NaN"),
    "init large": (None, {"init": np.full((3, 3), 1e200)}, None, "init is too large"),
    "init name": (None, {"init": "k-means"}, None, "'init' parameter of KMeans"),
    "init writes": (None, {"init": lambda X, k, random_state: X.fill(0)}, None, "read-only"),
    "n_threads": (None, {"n_threads": 0}, None, "'n_threads' parameter"),
    "negative weight": (None, {}, np.r_[-1, np.ones(99)], "negative, got -1.0 at row 0"),
    "no weight": (None, {}, np.zeros(100), "every weight is zero"),
    "short weight": (None, {}, np.ones(99), "shape"),
    "few weights": (None, {"init": "random"}, np.r_[1, np.zeros(99)], "only 1 have a positive"),
    "large weight": (None, {}, np.r_[np.ones(99), 1e306], "sample_weight is too large.*row 99"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_leaves_the_estimator_as_it_was(case):
    change, options, weight, message = BAD[case]
    X, _ = problem(0, n=100, d=3)
    model = KMeans(3, random_state=0).fit(X)
    before = {key: value for key, value in vars(model).items() if key.endswith("_")}
    model.set_params(**options)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X if change is None else change(X), sample_weight=weight)
    after = {key: value for key, value in vars(model).items() if key.endswith("_")}
    assert after.keys() == before.keys()
    assert all(after[key] is before[key] for key in before)


def test_interrupted_and_unfitted():
    X, _ = problem(0, n=100, d=3)
    calls = []

    def init(rows, n_clusters, random_state):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rows[:n_clusters]

    model = KMeans(3, init=init)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert not hasattr(model, "labels_")
    with pytest.raises(NotFittedError):
        model.predict(X)
    with pytest.raises(ValueError, match="row 4, column 1"):
        KMeans(3, random_state=0).fit(X).predict(nan_at(X, 4, 1))
    with pytest.raises(ValueError, match="2 features"):
        KMeans(3, random_state=0).fit(X).predict(X[:, :2])


def test_example():
    result = doctest.testmod(emkernels.models.kmeans)
    assert result.attempted > 4
    assert result.failed == 0


def test_converged():
    X = np.random.default_rng(0).normal(size=(300, 3))
    model = KMeans(5, init=X[:5], n_init=1, tol=0).fit(X)
    assert model.converged_ and model.n_iter_ > 3
    assert KMeans(5, init=X[:5], n_init=1, tol=0, max_iter=model.n_iter_).fit(X).converged_
    assert not KMeans(5, init=X[:5], n_init=1, tol=0, max_iter=3).fit(X).converged_


def test_a_number_is_the_weight_of_every_row():
    X = np.random.default_rng(0).normal(size=(60, 3))
    one, two = (KMeans(3, random_state=0).fit(X, sample_weight=w) for w in (2.0, np.full(60, 2.0)))
    assert one.inertia_ == two.inertia_


def test_names_of_two_kinds_are_refused_before_any_work():
    import pandas as pd

    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["a", 1])
    with (mock.patch("emkernels.models.kmeans_starts.lloyd", side_effect=AssertionError),
          pytest.raises(TypeError, match="string")):
        KMeans(2).fit(frame)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_rows_that_are_not_aligned(dtype):
    X, weights = problem(3, dtype)
    plain = KMeans(7, random_state=0).fit(X, sample_weight=weights)
    again = KMeans(7, random_state=0).fit(unaligned(X), sample_weight=weights)
    assert_array_equal(again.cluster_centers_, plain.cluster_centers_)
    assert_array_equal(again.labels_, plain.labels_)


@pytest.mark.parametrize("method", ["predict", "transform", "score"])
def test_threads_that_were_set_by_hand(method):
    """What is wrong with them is said, and not that a cell is missing."""
    X = np.random.default_rng(0).normal(size=(20, 3))
    for model in (KMeans(2, random_state=0).fit(X), FactorAnalysis(1).fit(X)):
        model.set_params(n_threads=0)
        if hasattr(model, method):
            with pytest.raises(ValueError, match="n_threads must be None, -1 or a positive"):
                getattr(model, method)(X)


@pytest.mark.parametrize("method", ["predict", "transform", "score"])
@pytest.mark.parametrize("centers, said", [
    (np.zeros(3), r"a row for each cluster and 3 columns, as X has, got shape \(3,\)"),
    (np.zeros((2, 4)), "3 columns"), (np.zeros((0, 3)), "a row for each"),
    (np.full((2, 3), np.nan), "finite numbers of float32"), (np.full((2, 3), 1e300), "finite")])
def test_centres_that_were_set_by_hand(method, centers, said):
    X = np.random.default_rng(0).normal(size=(20, 3)).astype("f4")
    model = KMeans(2, random_state=0).fit(X)
    model.cluster_centers_ = centers
    with pytest.raises(ValueError, match=f"cluster_centers_ must .*{said}"):
        getattr(model, method)(X)
