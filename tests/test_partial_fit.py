"""Streams of batches: stepwise EM of mixtures and imputers, K-means with exact counts."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from emkernels import GaussianImputer, GaussianMixture, KMeans, SufficientStatistics
from emkernels.components.gaussian.structures import COVARIANCE_TYPES, structure_of
from emkernels.data import Rows
from emkernels.em import DegenerateWarning
from emkernels.em.stepwise import Pace

TYPES = ("full", "tied", "diag", "spherical")


def groups(n, gap=3.0, k=3, d=3, seed=0, missing=0.0, shift=0.0):
    rng = np.random.default_rng(seed)
    centers = gap * rng.normal(size=(k, d))
    X = centers[rng.integers(k, size=n)] + rng.normal(size=(n, d)) + shift
    if missing:
        X[rng.uniform(size=X.shape) < missing] = np.nan
    return X


def streamed(model, X, n_batches, weight=None):
    weights = [None] * n_batches if weight is None else np.array_split(weight, n_batches)
    for part, w in zip(np.array_split(X, n_batches), weights):
        model.partial_fit(part, sample_weight=w)
    return model


def start_of(model):
    return {"weights_init": model.weights_, "means_init": model.means_,
            "precisions_init": model.precisions_}


def same(a, b):
    for name in ("weights_", "means_", "covariances_", "location_", "covariance_",
                 "cluster_centers_"):
        if hasattr(a, name):
            assert_array_equal(getattr(a, name), getattr(b, name))


# --- statistics about other centres ----------------------------------------------------------


@pytest.mark.parametrize("name", TYPES)
def test_recentred_is_what_a_pass_about_these_centres_gives(name):
    rng = np.random.default_rng(0)
    X, resp = rng.normal(size=(200, 3)), rng.dirichlet(np.ones(2), size=200)

    def about(centers):
        gaps = X[:, None] - centers
        first = np.einsum("nk,nkd->kd", resp, gaps)
        products = np.einsum("nk,nkd,nke->kde", resp, gaps, gaps)
        second = {"full": products, "tied": products.sum(axis=0),
                  "diag": np.einsum("kdd->kd", products),
                  "spherical": np.einsum("kdd->k", products)}[name]
        return SufficientStatistics(name, centers, resp.sum(axis=0), first, second, -3.0)

    old, new = rng.normal(size=(2, 2, 3))
    found, expected = about(old).recentred(new), about(new)
    assert_allclose(found.first, expected.first, atol=1e-12)
    assert_allclose(found.second, expected.second, rtol=1e-12, atol=1e-11)
    assert_array_equal(found.centers, new)
    assert found.log_likelihood == -3.0
    assert_allclose(found.means(), about(old).means(), rtol=1e-12)
    found.merge(expected)       # they can be merged now
    for bad in (new[:1], new[:, :2], np.full((2, 3), np.nan)):
        with pytest.raises(ValueError, match="centers"):
            found.recentred(bad)


@pytest.mark.parametrize("name", TYPES)
def test_recentred_far_from_the_origin(name):
    X = np.random.default_rng(0).normal(size=(500, 3))
    model = {"weights": [0.4, 0.6], "precisions_cholesky": np.ones(
        structure_of(name).shape(2, 3)) if name in ("diag", "spherical") else
        np.broadcast_to(np.eye(3), structure_of(name).shape(2, 3)).copy(), "covariance_type": name}
    near = SufficientStatistics.from_data(X, means=X[:2], **model)
    far = SufficientStatistics.from_data(X + 1e6, means=X[:2] + 1e6, **model)
    for _ in range(50):     # there and back
        far = far.recentred(far.means()).recentred(X[:2] + 1e6)
    exact = SufficientStatistics.from_data((X + 1e6) - 1e6, means=(X[:2] + 1e6) - 1e6, **model)
    assert_allclose(far.covariances(), exact.covariances(), rtol=0, atol=5e-12)
    assert_allclose(near.recentred(np.zeros((2, 3))).covariances(), near.covariances(),
                    atol=1e-14)
    empty = SufficientStatistics.zeros(name, X[:2]).recentred(X[2:4])
    assert not empty.first.any() and not empty.second.any()


@pytest.mark.parametrize("centers, text", [
    ([[1e200]], "too far away"), (None, "shape"), ([1.0], "shape"), ([[np.nan]], "NaN")])
def test_centres_that_statistics_cannot_have(centers, text):
    statistics = SufficientStatistics("full", [[0.0]], [2.0], [[4.0]], [[[10.0]]])
    with pytest.raises(ValueError, match=text):
        statistics.recentred(centers)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_leave_rows_with_nothing_out(name, weighted):
    X = groups(300, missing=0.2)
    X[::7] = np.nan
    weight = np.random.default_rng(0).uniform(size=300) if weighted else None
    model = GaussianMixture(3, covariance_type=name, random_state=0).fit(X, sample_weight=weight)
    arguments = model.weights_, model.means_, model.precisions_cholesky_, name
    there = ~np.isnan(X).all(axis=1)
    whole = SufficientStatistics.from_data(X, *arguments, weight)
    clean = SufficientStatistics.from_data(
        X[there], *arguments, None if weight is None else weight[there])
    parts = sum((SufficientStatistics.from_data(
        X[i::10], *arguments, None if weight is None else weight[i::10]) for i in range(10)),
        start=SufficientStatistics.zeros(name, model.means_))
    rows = SufficientStatistics.from_data(
        Rows.read(X).with_(sample_weight=weight), *arguments)
    for each in (whole, parts, rows):
        for what in ("counts", "first", "second", "log_likelihood"):
            expected = np.asarray(getattr(clean, what))
            assert_allclose(getattr(each, what), expected, rtol=1e-10,
                            atol=1e-9 * np.abs(expected).max())
    assert_allclose(whole.weight, there.sum() if weight is None else weight[there].sum())
    nothing = SufficientStatistics.from_data(X[::7], *arguments)
    assert nothing.weight == 0 and nothing.log_likelihood == 0 and not nothing.second.any()
    with pytest.raises(ValueError, match="sample_weight"):
        SufficientStatistics.from_data(X, *arguments, np.ones(3))


# --- how much a batch counts -------------------------------------------------------------------


def test_pace():
    pace = Pace()
    for t in range(1, 8):
        assert pace.share(10.0, 0.6, 10) == pytest.approx((t + 10) ** -0.6)
        assert pace.share(10.0, 1.0, 0) == pytest.approx(1 / t)
        pace = pace.after(10.0, 10)
    assert pace.share(1.0, 0.6, 10) == pytest.approx(18**-0.6 * 8 / 71)
    assert pace.share(1e9, 0.6, 10) == pytest.approx(1, abs=1e-6)    # all that there is
    assert pace.share(60.0, 0.6, 0) == 0.5


# --- mixtures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("gap, limit", [(3.0, 3e-3), (1.2, 1e-2)])
@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("name", TYPES)
def test_one_sweep_comes_near_batch_em(gap, limit, missing, name):
    X = groups(60_000, gap, seed=2, missing=missing)
    options = {"n_components": 3, "covariance_type": name, "random_state": 0}
    found = streamed(GaussianMixture(**options), X, 200)
    batch = GaussianMixture(**options, tol=1e-6, max_iter=300, acceleration="squarem").fit(X)
    assert batch.score(X) - found.score(X) < limit
    assert found.n_iter_ == 200 and found.converged_ is False
    assert_allclose(found.lower_bound_, found.score(X), atol=0.05)
    assert len(found.lower_bounds_) == 200 and found.lower_bounds_[-1] == found.lower_bound_


@pytest.mark.parametrize("name", COVARIANCE_TYPES)
def test_every_type_with_a_start_of_single_rows(name):
    X = groups(3000, 6, seed=1)
    fit = GaussianMixture(3, covariance_type=name, random_state=0, max_iter=300).fit(X)
    start = {**start_of(fit), "means_init": fit.means_ + 0.3}
    model = GaussianMixture(3, covariance_type=name, **start)
    for row in X[:20]:
        model.partial_fit(row[None])
    assert model.n_iter_ == 20
    streamed(model, X[20:], 60)
    assert fit.score(X) - model.score(X) < 0.03
    assert_allclose(model.weights_.sum(), 1)
    assert np.mean(model.predict(X) == fit.predict(X)) > 0.98
    assert model.n_parameters_ == fit.n_parameters_


def test_exact_sums():
    """exponent 1, offset 0: where the E-step has no choice all rows count the same."""
    X = groups(1000, shift=1e6)
    weight = np.random.default_rng(0).integers(0, 3, 1000) * 0.7
    model = GaussianMixture(step_exponent=1, step_offset=0, reg_covar=0)
    for part in np.split(np.arange(1000), [40, 41, 45, 700]):
        model.partial_fit(X[part], sample_weight=weight[part])
    whole = GaussianMixture(reg_covar=0).fit(X, sample_weight=weight)
    assert_allclose(model.means_, whole.means_, rtol=1e-15)
    assert_allclose(model.covariances_, whole.covariances_, rtol=1e-10)


def test_one_step_by_hand():
    X, batch = groups(5000), groups(1000, seed=5)
    fit = GaussianMixture(3, random_state=0, reg_covar=0).fit(X)
    start = start_of(fit)
    model = GaussianMixture(3, reg_covar=0, **start).partial_fit(batch)
    share = 11**-0.6
    resp = fit.predict_proba(batch) * share / 1000
    counts = (1 - share) * fit.weights_ + resp.sum(axis=0)
    means = ((1 - share) * fit.weights_[:, None] * fit.means_ + resp.T @ batch) / counts[:, None]
    assert_allclose(model.weights_, counts, rtol=1e-10)
    assert_allclose(model.means_, means, rtol=1e-9)
    for k in range(3):
        old, gaps = fit.means_[k] - means[k], batch - means[k]
        covariance = ((1 - share) * fit.weights_[k] * (fit.covariances_[k] + np.outer(old, old))
                      + (resp[:, k, None] * gaps).T @ gaps) / counts[k]
        assert_allclose(model.covariances_[k], covariance, rtol=1e-8, atol=1e-10)
    # after a fit: the fit is the first of two batches
    after = copy.deepcopy(fit).partial_fit(batch)
    share = 12**-0.6 * 2 * 1000 / 6000
    resp = fit.predict_proba(batch) * share / 1000
    assert_allclose(after.weights_, (1 - share) * fit.weights_ + resp.sum(axis=0), rtol=1e-10)
    assert after.n_iter_ == 2


def test_one_row_moves_little():
    X = groups(20_000)
    model = streamed(GaussianMixture(3, random_state=0), X, 20)
    before = model.means_
    model.partial_fit(np.full((1, 3), 30.0))
    assert 0 < np.abs(model.means_ - before).max() < 0.1
    thousand = streamed(GaussianMixture(3, random_state=0), X, 20)
    thousand.partial_fit(np.full((1000, 3), 30.0) + groups(1000, 0))
    assert np.abs(thousand.means_ - before).max() > 3


@pytest.mark.parametrize("model, tolerance", [
    (GaussianMixture(3, random_state=0), 0.3), (GaussianImputer(), 0.3),
    (KMeans(3, random_state=0, step_exponent=0.6, step_offset=10), 0.5)])
def test_a_drift_is_followed(model, tolerance):
    for t in range(150):
        X = groups(300, seed=3)[np.random.default_rng(t).permutation(300)] + 0.1 * t
        model.partial_fit(X)
    means = {"GaussianMixture": lambda: model.weights_ @ model.means_,
             "GaussianImputer": lambda: model.location_,
             "KMeans": lambda: model._stream.counts @ model.cluster_centers_}
    # behind by about what the stream has moved in 1 / g batches
    lag = 0.1 * 160**0.6
    assert_allclose(means[type(model).__name__](), X.mean(axis=0), atol=lag + tolerance)
    assert np.abs(means[type(model).__name__]() - (X.mean(axis=0) - 0.1 * 75)).min() > 3


def test_bits():
    X = groups(4000, missing=0.1)
    for make in (lambda n: GaussianMixture(3, random_state=0, n_threads=n),
                 lambda n: GaussianImputer(n_threads=n)):
        one, *others = (streamed(make(n), X, 10) for n in (1, 2, 3))
        for each in others:
            same(one, each)
    X = groups(4000)
    same(*(streamed(KMeans(3, random_state=0, n_threads=n), X, 10) for n in (1, 3)))


@pytest.mark.parametrize("model", [
    GaussianMixture(3, random_state=0), GaussianMixture(3, random_state=0, covariance_type="EVE"),
    GaussianImputer(prior="ridge"), KMeans(3, random_state=0)])
def test_pickles_copies_and_clones(model):
    X = groups(1000)
    model = streamed(clone(model), X[:600], 6)
    others = pickle.loads(pickle.dumps(model)), copy.deepcopy(model)
    for each in (model, *others):
        streamed(each, X[600:], 4)
        assert each.n_iter_ == 10
        same(model, each)
    fresh = clone(model)
    assert "_stream" not in vars(fresh)
    streamed(fresh, X, 10)
    same(model, fresh)
    # a fit begins anew
    model.fit(X)
    same(model, clone(model).fit(X))
    assert "_stream" not in vars(model)


def test_files_go_on_as_a_fit(tmp_path):
    X = groups(1000)
    model = streamed(GaussianMixture(3, random_state=0), X[:900], 9)
    model.save(tmp_path / "m.npz")
    loaded = GaussianMixture.load(tmp_path / "m.npz")
    same(model, loaded)
    before = loaded.means_
    loaded.partial_fit(X[900:901])
    assert np.abs(loaded.means_ - before).max() < 0.05
    model.fit(X).save(tmp_path / "m.npz")
    same(model.partial_fit(X[:5]), GaussianMixture.load(tmp_path / "m.npz").partial_fit(X[:5]))


def test_nothing_happens_without_weight():
    X = groups(300, missing=0.1)
    empty, zeros = np.full((4, 3), np.nan), np.zeros(50)
    for model in (GaussianMixture(3, random_state=0), GaussianImputer()):
        model.partial_fit(X[:50], sample_weight=zeros).partial_fit(empty)
        with pytest.raises(NotFittedError):
            model.predict(X) if hasattr(model, "predict") else model.transform(X)
        model.partial_fit(X)
        before = dict(vars(model))
        model.partial_fit(X[:50], sample_weight=zeros).partial_fit(empty)
        assert vars(model) == before
    model = KMeans(3, random_state=0).partial_fit(groups(50), sample_weight=zeros)
    assert "cluster_centers_" not in vars(model)
    # rows of no weight are absent
    X, weight = groups(300), np.tile([0.0, 2.0], 150)
    for model in (GaussianMixture(2, random_state=0), GaussianImputer(), KMeans(2, init=X[1:5:2])):
        a, b = clone(model), clone(model)
        streamed(a, X, 3, weight)
        streamed(b, X[1::2], 3, weight[1::2])
        for name in ("means_", "location_", "cluster_centers_"):
            if hasattr(a, name):
                assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9)


@pytest.mark.parametrize("model, batch, text", [
    (GaussianMixture(3), groups(2), "the first batch has 2 rows of positive weight.*needs 3"),
    (GaussianMixture(), groups(1), "the first batch has 1 row of positive weight.*needs 2"),
    (GaussianMixture(), groups(5) * [1, np.nan, 1], "the first batch: .*no observed value in col"),
    (GaussianMixture(2, noise=True), groups(50), "noise=True is spread over the box"),
    (GaussianMixture(step_exponent=0.5), groups(9), "step_exponent"),
    (GaussianMixture(step_offset=-1), groups(9), "step_offset"),
    (GaussianMixture(2, weights_init=[1]), groups(9), "weights"),
    (KMeans(3), groups(2), "the first batch has 2 rows of positive weight.*needs 3"),
    (KMeans(2, init=np.zeros((2, 2))), groups(2), "number of features"),
    (KMeans(2), groups(9) * [1, np.nan, 1], "row 0, column 1.*complete rows"),
    (GaussianImputer(), groups(1), "the first batch has not two different values of columns 0, 1"),
    (GaussianImputer(), groups(9) * [1, 0, np.nan], "not two different values of columns 1, 2"),
    (GaussianImputer(add_indicator=True), groups(9), "add_indicator=True"),
    (GaussianMixture(), np.full((3, 2), np.inf), "infinit"),
])
def test_bad_first_batches(model, batch, text):
    model = clone(model)
    before = set(vars(model))
    with pytest.raises(ValueError, match=text):
        model.partial_fit(batch)
    assert set(vars(model)) == before


@pytest.mark.parametrize("model", [
    GaussianMixture(2, random_state=0), GaussianImputer(), KMeans(2, random_state=0)])
def test_bad_later_batches(model):
    X = groups(200)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = clone(model).partial_fit(frame)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    before = dict(vars(model))
    for bad, text in ((frame[["b", "a", "c"]], "feature names"), (frame[["a"]], "feature names"),
                      (frame * [np.inf, 1, 1], "infinit|overflow")):
        with pytest.raises(ValueError, match=text), np.errstate(all="ignore"):
            model.partial_fit(bad)
        assert vars(model) == before
    for weight in (np.ones(3), np.full(200, -1.0), np.full(200, np.nan)):
        with pytest.raises(ValueError, match="sample_weight"):
            model.partial_fit(frame, sample_weight=weight)
        assert vars(model) == before
    name = {"KMeans": "n_clusters", "GaussianMixture": "n_components"}.get(type(model).__name__)
    if name:
        with pytest.raises(ValueError, match="partial_fit cannot go on: " + name):
            model.set_params(**{name: 3}).partial_fit(frame)


def test_after_fits_of_each_kind():
    X = groups(2000)
    for fitted in (GaussianMixture(3, random_state=0).fit(X),
                   GaussianMixture(3, random_state=0).fit_chunks(X, chunk_rows=300)):
        before = fitted.means_
        fitted.partial_fit(X[:200])
        assert 0 < np.abs(fitted.means_ - before).max() < 0.2
        assert not hasattr(fitted, "n_blocks_")
    model = KMeans(3, random_state=0, step_exponent=1.0, step_offset=0).fit(X)
    counts = np.bincount(model.labels_)
    expected = model.cluster_centers_.copy()
    labels = model.predict(X[:7] + 0.1)
    model.partial_fit(X[:7] + 0.1)
    for k in range(3):
        own = X[:7][labels == k] + 0.1
        expected[k] = (counts[k] * expected[k] + own.sum(axis=0)) / (counts[k] + len(own))
    assert_allclose(model.cluster_centers_, expected, rtol=1e-12)
    assert not hasattr(model, "labels_")
    imputer = GaussianImputer().fit(np.column_stack([X, np.full(2000, 5.0)]))
    imputer.partial_fit(np.column_stack([X[:50], np.full(50, 5.0)]))
    with pytest.raises(ValueError, match="column 3 had one value or none in the fit, and has 7"):
        imputer.partial_fit(np.column_stack([X[:50], np.full(50, 7.0)]))


def test_priors_noise_and_what_is_fixed():
    X = groups(3000, seed=4)
    rng = np.random.default_rng(0)
    outliers = rng.uniform(-30, 30, size=(300, 3))
    options = {"n_components": 3, "random_state": 0}
    both = rng.permutation(np.concatenate([X, outliers]))
    model = streamed(GaussianMixture(noise=60.0**-3, **options), both, 11)
    assert_allclose(model.weights_[-1], 300 / 3300, atol=0.04)
    fit = GaussianMixture(noise=True, **options).fit(both)
    assert fit.score(both) - streamed(copy.deepcopy(fit), both, 11).score(both) < 0.01
    # priors weigh what they weigh in a fit of all rows
    prior = {"covariance_prior": (2000.0, 1500.0), "weight_concentration": 500.0}
    whole = GaussianMixture(**options, **prior, tol=1e-8, max_iter=500).fit(X)
    parts = streamed(GaussianMixture(**options, **prior), X, 60)
    assert_allclose(parts.weights_, whole.weights_, atol=0.03)
    assert_allclose(parts.covariances_, whole.covariances_, atol=0.12)
    plain = GaussianMixture(**options).fit(X)
    assert np.abs(plain.covariances_ - whole.covariances_).max() > 0.15
    fixed = GaussianMixture(3, fixed=("means", "weights"), **start_of(plain))
    streamed(fixed, X + 0.5, 10)
    assert_array_equal(fixed.means_, plain.means_)
    assert_array_equal(fixed.weights_, plain.weights_)
    assert np.abs(fixed.covariances_ - plain.covariances_).max() > 0.05
    for more in ({"reg_covar": "auto"}, {"covariance_prior": "empirical"},
                 {"init_scaling": "standard"}, {"n_init": 3, "short_iter": 2}):
        model = streamed(GaussianMixture(**options, **more), X, 20)
        assert plain.score(X) - model.score(X) < 0.05
        model = GaussianMixture(3, **more, **start_of(plain)).partial_fit(X[:1])
        assert_allclose(model.means_.mean(), plain.means_.mean(), atol=2)


def test_float32_and_mixed_precisions():
    X = groups(2000)
    model = streamed(GaussianMixture(3, random_state=0), X.astype("f4"), 10)
    assert model.means_.dtype == np.float32
    wide = streamed(GaussianMixture(3, random_state=0), X, 10)
    assert_allclose(model.means_, wide.means_, atol=1e-3)
    assert model.partial_fit(X[:100]).means_.dtype == np.float64
    assert streamed(KMeans(3, random_state=0), X.astype("f4"), 10).cluster_centers_.dtype == "f4"


def test_small_first_batches():
    X = groups(6000)
    whole = GaussianMixture(3, random_state=0).fit(X)
    for size in (3, 5, 20):
        model = GaussianMixture(3, random_state=0)
        for first in range(0, len(X), size):
            model.partial_fit(X[first:first + size])
            if first > 1500:
                break
        assert np.isfinite(model.score(X)) and whole.score(X) - model.score(X) < 2.5


def test_a_collapse_leaves_the_stream_as_it_was():
    X = groups(300, k=1)
    model = GaussianMixture(reg_covar=0, step_exponent=1, step_offset=0)
    with pytest.raises(ValueError, match="ill-defined empirical covariance"):
        model.partial_fit(np.zeros((300, 3)))
    assert "means_" not in vars(model)
    streamed(model, X, 4)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="ill-defined empirical covariance"):
        model.partial_fit(np.zeros((300, 3)), sample_weight=np.full(300, 1e290))
    assert vars(model) == before
    model.partial_fit(X)


def test_a_spike_is_said_once():
    X = groups(4000, 9, k=2)
    model = streamed(GaussianMixture(2, random_state=0), X, 10)
    spike = np.where((model.predict(X) == 0)[:, None], model.means_[0], X)
    with pytest.warns(DegenerateWarning, match="collapsed: component 0") as found:
        for _ in range(300):
            model.partial_fit(spike)
    assert len(found) == 1 and list(model.degenerate_components_) == [0]


# --- K-means ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_the_centres_of_mini_batch_kmeans(weighted):
    X = load_digits().data
    rng = np.random.default_rng(0)
    X = X[rng.permutation(len(X))]
    theirs = MiniBatchKMeans(10, init=X[:10], n_init=1, reassignment_ratio=0)
    ours = KMeans(10, init=X[:10], step_exponent=1.0, step_offset=0)
    for part in np.split(X, [10, 60, 61, 64, 1000]):
        weight = rng.uniform(size=len(part)) if weighted else None
        score = None if not hasattr(ours, "n_iter_") else ours.score(part, sample_weight=weight)
        ours.partial_fit(part, sample_weight=weight)
        assert score is None or ours.inertia_ == pytest.approx(-score)
        theirs.partial_fit(part, sample_weight=weight)
        assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-10, atol=1e-12)
    assert ours.n_iter_ == 6 and ours.converged_ is False
    assert_array_equal(ours.predict(X), theirs.predict(X))


def test_kmeans_of_one_batch_is_the_fit():
    X = groups(500)
    a, b = KMeans(3, random_state=0).partial_fit(X), KMeans(3, random_state=0).fit(X)
    assert_array_equal(a.cluster_centers_, b.cluster_centers_)
    X = groups(20_000, seed=8)
    near = streamed(KMeans(3, random_state=0), X, 40)
    assert near.score(X) > 1.02 * KMeans(3, random_state=0).fit(X).score(X)
    far = streamed(KMeans(3, random_state=0), groups(2000) + 1e8, 20)
    here = streamed(KMeans(3, random_state=0), (groups(2000) + 1e8) - 1e8, 20)
    assert_allclose(np.sort(far.cluster_centers_ - 1e8, axis=0),
                    np.sort(here.cluster_centers_, axis=0), atol=1e-6)


# --- the imputer --------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [None, "ridge"])
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_imputer_near_batch_em(prior, shift):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 4)) @ rng.normal(size=(4, 4)) + shift
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    X[::50] = np.nan
    whole, parts = GaussianImputer(prior=prior).fit(X), streamed(
        GaussianImputer(prior=prior), X, 200)
    there = ~np.isnan(X).all(axis=1)
    assert (whole.score_samples(X[there]) - parts.score_samples(X[there])).mean() < 3e-3
    assert_allclose(parts.transform(X[:100]) - shift, whole.transform(X[:100]) - shift, atol=0.5)
    assert_allclose(parts.log_likelihood_, whole.log_likelihood_, rtol=0.02)
    assert parts.n_iter_ == 200 and len(parts.lower_bounds_) == 200 and not parts.converged_
    assert len(parts.sample(X[:20], 2, method="augmentation", training_data=X[:200],
                            burn_in=2, thinning=1, random_state=0)) == 2
    # every row counts the same: nearer
    exact = streamed(GaussianImputer(prior=prior, step_exponent=1, step_offset=0), X, 200)
    assert_allclose(exact.location_, whole.location_, atol=0.02)


def test_imputer_with_another_sign_for_missing():
    X = groups(500, missing=0.2)
    a = streamed(GaussianImputer(), X, 5)
    b = streamed(GaussianImputer(missing_values=-1.0), np.where(np.isnan(X), -1.0, X), 5)
    same(a, b)
    assert_array_equal(a.transform(X[:9]), b.transform(np.where(np.isnan(X[:9]), -1.0, X[:9])))


def test_noise_that_differs_is_refused():
    X = groups(600, seed=6)
    model = GaussianMixture(3, noise=1e-4, random_state=0)
    for begun in (copy.deepcopy(model).fit(X), copy.deepcopy(model).partial_fit(X)):
        for noise in (None, 2e-4):
            before = copy.deepcopy(begun.set_params(noise=noise))
            with pytest.raises(ValueError, match="cannot go on.*noise"):
                begun.partial_fit(X[:50])
            assert_array_equal(begun.means_, before.means_)
        begun.set_params(noise=1e-4).partial_fit(X[:50])
        begun.set_params(noise=True).partial_fit(X[:50])        # that of the start


def test_rows_of_a_fit_are_counted_not_weighed(tmp_path):
    X = groups(600, seed=7)
    weight = np.full(600, 1 / 600)
    weight[:100] = 0
    model = GaussianMixture(3, random_state=0).fit(X, sample_weight=weight)
    model.save(tmp_path / "model")
    for begun in (model, GaussianMixture.load(tmp_path / "model")):
        begun.partial_fit(X[:1], sample_weight=weight[-1:])
        assert begun._stream.pace.n_rows == 501
        assert begun._examination.few_rows is None


def test_means_beyond_float32_and_batches_of_it():
    X = groups(300, seed=8)
    for model in (KMeans(3, random_state=0), GaussianMixture(3, random_state=0),
                  GaussianImputer()):
        for far in (1e39, 1e20):
            begun = copy.deepcopy(model).fit(X * far)
            before = pickle.dumps(begun)
            try:
                begun.partial_fit(X.astype(np.float32))
            except ValueError:
                assert pickle.dumps(begun) == before
            else:
                assert far < 1e30
                begun.score(X) if not isinstance(model, GaussianImputer) else begun.transform(X)
