"""Streams of batches: what a model holds, what it goes on from, what is refused."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from streams import groups, same, streamed

from emkernels import GaussianImputer, GaussianMixture, KMeans
from emkernels.em import DegenerateWarning


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


@pytest.mark.parametrize("model", [
    GaussianMixture(3, random_state=0), GaussianMixture(3, random_state=0, covariance_type="EVE"),
    GaussianMixture(3, random_state=0, covariance_prior="empirical", weight_concentration=2.0,
                    noise=1e-4), GaussianImputer(prior="ridge"), KMeans(3, random_state=0)])
@pytest.mark.parametrize("batches", [1, 6])
def test_files_keep_the_stream(model, batches, tmp_path):
    X = groups(1000)
    model = streamed(clone(model), X[:batches * 100], batches)
    model.save(tmp_path / "m.emk")
    loaded = type(model).load(tmp_path / "m.emk")
    same(model, loaded)
    for each in (model, loaded):
        streamed(each, X[600:], 4)
        assert each.n_iter_ == batches + 4
    same(model, loaded)
    model.fit(X).save(tmp_path / "m.emk")
    same(model.partial_fit(X[:5]), type(model).load(tmp_path / "m.emk").partial_fit(X[:5]))


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


def test_float32_and_mixed_precisions():
    X = groups(2000)
    model = streamed(GaussianMixture(3, random_state=0), X.astype("f4"), 10)
    assert model.means_.dtype == np.float32
    wide = streamed(GaussianMixture(3, random_state=0), X, 10)
    assert_allclose(model.means_, wide.means_, atol=1e-3)
    assert model.partial_fit(X[:100]).means_.dtype == np.float64
    assert streamed(KMeans(3, random_state=0), X.astype("f4"), 10).cluster_centers_.dtype == "f4"


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
