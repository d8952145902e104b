"""Mixtures of given parameters, and to scikit-learn, ONNX and back."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skl2onnx
from numpy.testing import assert_allclose, assert_array_equal
from saved_models import GAPS, X
from sklearn import cluster, mixture
from sklearn.exceptions import NotFittedError

import emkernels
from emkernels import GaussianMixture, KMeans
from emkernels.components.gaussian.structures import COVARIANCE_TYPES, LETTERED
from emkernels.em import EMWarning

TYPES = ("full", "tied", "diag", "spherical")
ROWS = X.to_numpy()


# --- from_parameters ------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", COVARIANCE_TYPES)
def test_the_parameters_of_a_fit_are_that_fit(type_, tmp_path):
    fit = GaussianMixture(3, covariance_type=type_, random_state=0, reg_covar=0, tol=1e-5).fit(X)
    made = GaussianMixture.from_parameters(
        fit.weights_, pd.DataFrame(fit.means_, columns=X.columns), fit.covariances_, type_,
        random_state=0)
    assert made.n_components == 3 and made.n_features_in_ == 4 and made.n_parameters_ == (
        fit.n_parameters_)
    assert made.feature_names_in_.tolist() == list("abcd")
    assert_array_equal(made.means_, fit.means_)
    assert_array_equal(made.covariances_, fit.covariances_)
    assert_allclose(made.precisions_, fit.precisions_, rtol=1e-6, atol=1e-8)
    assert_allclose(made.score_samples(GAPS), fit.score_samples(GAPS), rtol=1e-9)
    assert_array_equal(made.predict(X), fit.predict(X))
    for ours, theirs in zip(made.sample(20), fit.sample(20), strict=True):
        assert_allclose(ours, theirs)
    for name in ("n_iter_", "converged_", "lower_bound_", "lower_bounds_"):
        with pytest.raises(AttributeError, match=f"no attribute '{name}': fit sets it"):
            getattr(made, name)
    made.save(tmp_path / "made.emk")
    again = emkernels.load(tmp_path / "made.emk")
    assert_array_equal(again.predict_proba(GAPS), made.predict_proba(GAPS))
    assert made.partial_fit(X).n_iter_ == 1


@pytest.mark.parametrize("type_", sorted(LETTERED))
def test_no_part_of_a_covariance_is_dropped(type_):
    given = {"weights": [0.5, 0.5], "means": np.zeros((2, 2)), "covariance_type": type_}
    leaning = np.array([[1, 0.5], [0.5, 2]])
    for second in (np.diag([1.0, 5]), leaning, np.array([[1, 2.0], [2, 1]]),
                   np.array([[1, 0.5], [0.1, 1]])):
        for covariances in ([np.eye(2), second], [leaning, second]):
            try:
                made = GaussianMixture.from_parameters(covariances=covariances, **given)
            except ValueError as error:
                assert "covariances: that of component" in str(error)
            else:
                assert_allclose(made.covariances_, covariances, atol=1e-6)
                assert second[0, 1] in (0, 0.5) and second[1, 0] in (0, 0.5)


def test_scores_are_densities():
    scipy_stats = pytest.importorskip("scipy.stats")
    rng, weights, means = np.random.default_rng(0), [0.3, 0.7], [[0.0, 1.0], [4.0, -1.0]]
    roots = rng.normal(size=(2, 2, 2))
    covariances = roots @ roots.transpose(0, 2, 1) + np.eye(2)
    made = GaussianMixture.from_parameters(weights, means, covariances, random_state=0)
    back = GaussianMixture.from_sklearn(made.to_sklearn())
    assert_array_equal(back.covariances_, covariances)
    assert not hasattr(back, "n_iter_")
    rows = rng.normal(size=(9, 2))
    density = sum(w * scipy_stats.multivariate_normal(m, c).pdf(rows)
                  for w, m, c in zip(weights, means, covariances, strict=True))
    assert_allclose(made.score_samples(rows), np.log(density), rtol=1e-12)
    drawn, labels = made.sample(20000)
    assert_allclose(drawn[labels == 1].mean(axis=0), means[1], atol=0.06)
    assert_allclose(np.cov(drawn[labels == 1].T), covariances[1], atol=0.15)


@pytest.mark.parametrize(("changes", "words"), [
    ({"weights": [0.5, 0.6]}, "weights must not be negative and add up to one"),
    ({"weights": [-0.5, 1.5]}, "weights must not be negative"),
    ({"weights": [0.5]}, r"weights must have shape \(2,\)"),
    ({"weights": [np.nan, 1]}, r"weights contains NaN or infinity, first at \(0,\)"),
    ({"weights": ["a", "b"]}, "weights"),
    ({"means": [0.0, 1.0]}, "means must have shape"),
    ({"means": [[0.0, np.inf], [0, 0]]}, r"means contains NaN or infinity, first at \(0, 1\)"),
    ({"means": np.zeros((0, 2)), "weights": []}, "means"),
    ({"covariances": np.eye(2)}, r"covariances of .*'full' must have shape \(2, 2, 2\), got"),
    ({"covariances": np.eye(2), "covariance_type": "diag"}, "that of component 0 is not positive"),
    ({"covariances": [np.eye(2), [[1, 2], [2, 1]]]}, "component 1 is not positive definite"),
    ({"covariances": [np.eye(2), [[1, 0.5], [0.2, 1]]]}, "that of component 1 is not symmetric"),
    ({"covariances": [np.eye(2), -np.eye(2)]}, "that of component 1 is not positive definite"),
    ({"covariances": [[1.0, 0.0], [1, 1]], "covariance_type": "diag"}, "0 is not positive"),
    ({"covariances": [np.eye(2), 2 * np.eye(2)], "covariance_type": "EII"}, "not of the family of"),
    ({"covariances": [np.eye(2), np.diag([1.0, 5])], "covariance_type": "EII"}, "'EII'"),
    ({"covariance_type": "round"}, "covariance_type"),
    ({"n_components": 3}, "n_components=3, and there are 2 rows of means"),
    ({"tol": -1.0}, "'tol' parameter"), ({"means_init": 3, "init_params": ()}, "")])
def test_what_is_no_mixture(changes, words):
    given = {"weights": [0.5, 0.5], "means": np.zeros((2, 2)), "covariances": [np.eye(2)] * 2}
    GaussianMixture.from_parameters(**given)
    if words:
        with pytest.raises((ValueError, TypeError), match=words):
            GaussianMixture.from_parameters(**{**given, **changes})
    with pytest.raises(TypeError, match="unexpected keyword"):
        GaussianMixture.from_parameters(**given, colour=3)


def test_names_of_covariances_are_those_of_the_means():
    means = pd.DataFrame(np.zeros((1, 2)), columns=["a", "b"])
    for type_, turned, right in (
            ("diag", pd.DataFrame([[1.0, 4.0]], columns=["b", "a"]), ["a", "b"]),
            ("full", [pd.DataFrame(np.eye(2), columns=["b", "a"])], ["a", "b"])):
        with pytest.raises(ValueError, match="covariances must have the names of means in their"):
            GaussianMixture.from_parameters([1.0], means, turned, type_)
        part = turned if type_ == "diag" else turned[0]
        part.columns = right
        GaussianMixture.from_parameters([1.0], means, turned, type_)


def test_what_was_not_fitted_here_has_parts(tmp_path):
    whole = GaussianMixture(2, random_state=0).fit(X)
    given = GaussianMixture.from_parameters(
        whole.weights_, pd.DataFrame(whole.means_, columns=X.columns), whole.covariances_)
    theirs = GaussianMixture.from_sklearn(whole.to_sklearn())
    for take in (lambda model: model.marginal(["a", "c"]),
                 lambda model: model.condition(["b", "d"], [0.0, 1.0])):
        wanted = take(whole)
        wanted.save(tmp_path / "part.emk")
        for part in (take(given), take(theirs), emkernels.load(tmp_path / "part.emk")):
            assert_allclose(part.score_samples(X[["a", "c"]]),
                            wanted.score_samples(X[["a", "c"]]), rtol=1e-12)
            assert part.feature_names_in_.tolist() == ["a", "c"]
    assert not hasattr(given.marginal([0]), "converged_")
    assert isinstance(whole.set_output(transform="pandas").marginal(["a"]).sample(2)[0],
                      pd.DataFrame)


# --- scikit-learn ---------------------------------------------------------------------------------


def agree(ours, theirs, rows, methods):
    for name in methods:
        assert_allclose(getattr(theirs, name)(rows), getattr(ours, name)(rows), rtol=1e-12,
                        atol=1e-12, err_msg=name)


METHODS = ("predict", "predict_proba", "score_samples", "score", "bic", "aic")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("type_", TYPES)
def test_mixtures_of_scikit_learn(type_, dtype):
    ours = GaussianMixture(3, covariance_type=type_, random_state=0, tol=1e-5).fit(
        ROWS.astype(dtype))
    theirs = ours.to_sklearn()
    assert type(theirs) is mixture.GaussianMixture and theirs.tol == 1e-5
    agree(ours, theirs, ROWS, METHODS)
    back = GaussianMixture.from_sklearn(theirs)
    agree(back, theirs, ROWS, METHODS)
    assert_array_equal(back.predict_proba(ROWS), ours.predict_proba(ROWS))
    fitted = mixture.GaussianMixture(3, covariance_type=type_, random_state=1).fit(X)
    made = GaussianMixture.from_sklearn(fitted)
    agree(made, fitted, X, METHODS)
    assert (made.n_iter_, made.converged_, made.lower_bound_, made.random_state) == (
        fitted.n_iter_, fitted.converged_, fitted.lower_bound_, 1)
    assert made.feature_names_in_.tolist() == list("abcd")
    assert np.isfinite(made.score(GAPS)) and np.isfinite(made.fit(X).score(X))


def test_k_means_of_scikit_learn():
    ours = KMeans(3, random_state=0, tol=1e-6).fit(X)
    theirs = ours.to_sklearn()
    assert type(theirs) is cluster.KMeans and theirs.tol == 1e-6
    methods = ("predict", "transform", "score")
    agree(ours, theirs, X, methods)
    assert_array_equal(theirs.labels_, ours.labels_)
    agree(KMeans.from_sklearn(theirs), theirs, X, methods)
    fitted = cluster.KMeans(4, random_state=1, init="random", n_init=3).fit(X)
    made = KMeans.from_sklearn(fitted)
    agree(made, fitted, X, methods)
    assert (made.n_init, made.init, made.inertia_) == (3, "random", fitted.inertia_)
    assert list(made.get_feature_names_out()) == [f"kmeans{k}" for k in range(4)]
    streamed = KMeans(2, random_state=0).partial_fit(X)
    assert not hasattr(streamed.to_sklearn(), "labels_")
    assert np.isfinite(made.fit(X).inertia_) and np.isfinite(theirs.fit(X).inertia_)


@pytest.mark.parametrize("own", [{"init": "k-means||"}, {"init": "coreset"},
                                 {"random_state": np.random.default_rng(0)}])
def test_what_k_means_of_scikit_learn_does_not_take(own):
    with pytest.warns(EMWarning, match=f"does not take this {next(iter(own))}: it predicts the"):
        theirs = KMeans(**{"n_clusters": 2, "random_state": 0} | own).fit(X).to_sklearn()
    assert np.isfinite(theirs.fit(X).inertia_)


def test_what_was_put_together_by_hand():
    """As people do who have parameters from elsewhere; it predicts in scikit-learn."""
    by_hand = mixture.GaussianMixture(2)
    by_hand.weights_, by_hand.means_ = np.array([0.3, 0.7]), np.array([[0.0], [4.0]])
    by_hand.covariances_ = by_hand.precisions_cholesky_ = np.ones((2, 1, 1))
    made = GaussianMixture.from_sklearn(by_hand)
    assert made.n_features_in_ == 1 and not hasattr(made, "converged_")
    agree(made, by_hand, np.linspace(-1, 5, 20)[:, None], METHODS)
    again = GaussianMixture.from_sklearn(made.to_sklearn())     # nothing of a fit there either
    assert_array_equal(again.means_, made.means_)


def test_what_cannot_be_carried():
    noisy = GaussianMixture(2, noise=True, random_state=0, max_iter=50, tol=0.1).fit(X)
    with pytest.raises(ValueError, match="has no noise component"):
        noisy.to_sklearn()
    letters = GaussianMixture(2, covariance_type="VVI", random_state=0).fit(ROWS)
    with pytest.raises(ValueError, match="has no covariance_type 'VVI'; the same mixture as one of "
                                         "type 'full'"):
        letters.to_sklearn()
    full = GaussianMixture.from_parameters(letters.weights_, letters.means_, letters.covariances_)
    agree(letters, full.to_sklearn(), ROWS, METHODS[:4])
    prior = GaussianMixture(2, covariance_prior="empirical", reg_covar="auto", random_state=0)
    with pytest.warns(EMWarning, match="has no covariance_prior, reg_covar: it predicts the same"):
        theirs = prior.fit(X).to_sklearn()
    agree(prior, theirs, X, METHODS[:4])
    with pytest.raises(ValueError, match="NaN"):
        theirs.predict(GAPS)
    bayes = mixture.BayesianGaussianMixture(n_components=2, random_state=0).fit(X)
    for cls, other in ((GaussianMixture, bayes), (GaussianMixture, KMeans(2)),
                       (KMeans, cluster.BisectingKMeans(2, random_state=0).fit(X))):
        with pytest.raises(TypeError, match=f"from_sklearn takes a fitted sklearn {cls.__name__}, "
                                            f"got .*{type(other).__name__}"):
            cls.from_sklearn(other)
    for unfitted in (lambda: GaussianMixture(2).to_sklearn(), lambda: KMeans(2).to_sklearn(),
                     lambda: KMeans.from_sklearn(cluster.KMeans(2))):
        with pytest.raises(NotFittedError):
            unfitted()


# --- ONNX -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", TYPES)
def test_onnx_of_mixtures(type_):
    ours = GaussianMixture(3, covariance_type=type_, random_state=0, tol=1e-4).fit(ROWS)
    session = session_of(ours)
    labels, probabilities = session.run(None, {"X": ROWS})[:2]
    assert_array_equal(labels.ravel(), ours.predict(ROWS))
    assert_allclose(probabilities, ours.predict_proba(ROWS), atol=1e-9)


def test_onnx_of_k_means():
    ours = KMeans(3, random_state=0).fit(ROWS)
    labels, distances = session_of(ours).run(None, {"X": ROWS})[:2]
    assert_array_equal(labels.ravel(), ours.predict(ROWS))
    assert_allclose(distances, ours.transform(ROWS), rtol=1e-6)


def session_of(model):
    data = skl2onnx.to_onnx(model.to_sklearn(), ROWS[:1]).SerializeToString()
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
