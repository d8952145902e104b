"""Methods go by the fit; pickles know their version; whole numbers and random states."""

import copy
import inspect
import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils._param_validation import validate_parameter_constraints

import emkernels
from emkernels import (
    FactorAnalysis,
    GaussianHMM,
    GaussianImputer,
    GaussianMixture,
    GaussianMixtureImputer,
    KMeans,
    LatentClassAnalysis,
    MixtureHMM,
    MixtureOfFactorAnalyzers,
    StudentTMixture,
    compare_clusterings,
    kernels,
    plotting,
    pool,
    segment_image,
    select_mixture,
)

X = load_iris().data
GAPS = X.copy()
GAPS[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
BOUNDED = np.where(np.isnan(GAPS), np.nan, GAPS)

MIXTURE = {
    **{name: lambda m, name=name: getattr(m, name)(GAPS) for name in (
        "predict", "predict_proba", "score_samples", "score", "impute", "bic", "aic", "icl")},
    "sample": lambda m: m.sample(20),
    "marginal": lambda m: vars(m.marginal([0, 2])),
    "condition": lambda m: vars(m.condition([0], [5.0])),
    "regress": lambda m: m.regress([0, 1], GAPS[:, :2]),
    "tags": lambda m: m.__sklearn_tags__().input_tags.sparse,
}
IMPUTER = {
    **{name: lambda m, name=name: getattr(m, name)(GAPS) for name in (
        "transform", "score_samples", "score")},
    "sample": lambda m: m.sample(GAPS, 2),
    "get_feature_names_out": lambda m: m.get_feature_names_out(),
}
INFORMATION = {name: lambda m, name=name: getattr(m, name)(GAPS) for name in (
    "standard_errors", "missing_information")}
IMPUTER_PARAMETERS = {
    "missing_values": -1.0, "prior": ["ridge", 50.0], "tol": 1e-1, "max_iter": 1,
    "acceleration": None, "min_value": 100.0, "max_value": -100.0, "add_indicator": True,
    "keep_empty_features": True, "n_threads": 2, "random_state": 0, "verbose": 0,
    "verbose_interval": 5, "callback": print,
}
STEPS = {"step_exponent": 0.9, "step_offset": 1.0}
MIXTURE_PARAMETERS = {
    "n_components": 5, "covariance_type": "spherical", "tol": 1.0, "reg_covar": 10.0,
    "max_iter": 1, "n_init": 3, "init_params": "random", "weights_init": [1.0],
    "means_init": [[0.0]], "precisions_init": [[[1.0]]], "random_state": 0, "warm_start": True,
    "verbose": 0, "verbose_interval": 5, "n_threads": 2, "convergence": "parameters",
    "acceleration": "squarem", "callback": print, "covariance_prior": [10, 1.0],
    "weight_concentration": 7.0, "fixed": ("means",), "init_scaling": "standard", "short_iter": 5,
    "noise": 0.5, **STEPS,
}
STUDENT = {
    **{name: lambda m, name=name: getattr(m, name)(GAPS) for name in (
        "predict", "predict_proba", "score_samples", "score", "impute", "bic", "aic", "icl",
        "outlier_weight")},
    "sample": lambda m: m.sample(20),
    "n_parameters_": lambda m: m.n_parameters_,
    "tags": lambda m: m.__sklearn_tags__().input_tags.sparse,
}
STUDENT_PARAMETERS = {
    "n_components": 5, "covariance_type": "spherical", "df": 9.0, "tol": 1.0, "reg_covar": 10.0,
    "max_iter": 1, "n_init": 3, "init_params": "random", "weights_init": [1.0],
    "means_init": [[0.0]], "scatters_init": [[[1.0]]], "random_state": 0, "verbose": 0,
    "verbose_interval": 5, "n_threads": 2, "convergence": "parameters",
    "acceleration": "squarem", "callback": print,
}
ANALYSERS = {name: lambda m, name=name: getattr(m, name)(GAPS) for name in (
    "predict", "predict_proba", "score_samples", "score", "impute", "bic", "aic", "icl",
    "transform")}
ANALYSERS["sample"] = lambda m: m.sample(20)
ANALYSERS["get_covariance"] = lambda m: m.get_covariance(1)
ANALYSERS_PARAMETERS = {
    "n_components": 5, "n_factors": 3, "shared_noise": True, "min_uniqueness": 0.5, "tol": 1.0,
    "max_iter": 1, "n_init": 3, "init_params": "random", "weights_init": [1.0],
    "means_init": [[0.0]], "components_init": [[[1.0]]], "noise_variance_init": [1.0],
    "convergence": "parameters", "acceleration": "squarem", "random_state": 0, "n_threads": 2,
    "verbose": 0, "verbose_interval": 5, "callback": print,
}
FACTORS = {
    **{name: lambda m, name=name: getattr(m, name)(GAPS) for name in (
        "score_samples", "score", "impute", "bic", "aic", "posterior_covariance")},
    "transform": lambda m: m.transform(GAPS, method="bartlett"),
    **{name: lambda m, name=name: getattr(m, name)() for name in (
        "get_covariance", "get_precision", "get_feature_names_out")},
    **{name: lambda m, name=name: getattr(m, name) for name in (
        "n_parameters_", "standardized_components_")},
    "sample": lambda m: m.sample(20, random_state=3),
    "inverse_transform": lambda m: m.inverse_transform(np.ones((2, len(m.components_)))),
}
FACTORS_PARAMETERS = {
    "n_components": 3, "noise": "isotropic", "rotation": "quartimax", "kaiser": True, "n_init": 2,
    "method": "em", "tol": 1.0, "max_iter": 1, "min_uniqueness": 0.5, "components_init": [[1.0]],
    "noise_variance_init": 1.0, "scores": "regression", "convergence": "parameters",
    "acceleration": "squarem", "random_state": 1, "n_threads": 2, "verbose": 0,
    "verbose_interval": 5, "callback": print,
}
CLASSES = {
    **{name: lambda m, name=name: getattr(m, name)(GAPS) for name in (
        "predict", "predict_proba", "score_samples", "score", "impute", "bic", "aic", "icl",
        "abic", "caic", "bivariate_residuals")},
    "sample": lambda m: m.sample(20),
    "n_parameters_": lambda m: m.n_parameters_,
}
CLASSES_PARAMETERS = {
    "n_classes": 5, "continuous": [1], "n_init": 3, "tol": 1.0, "max_iter": 1,
    "weights_init": [1.0], "response_probs_init": [[[1.0]]], "means_init": [[0.0]],
    "variances_init": [[1.0]], "response_concentration": 3.0, "reg_covar": 10.0,
    "random_state": 0, "n_threads": 2, "convergence": "parameters", "acceleration": "squarem",
    "verbose": 0, "verbose_interval": 5, "callback": print,
}
CHAIN = {
    **{name: lambda m, name=name: getattr(m, name)(GAPS, [60, 90]) for name in (
        "predict", "predict_proba", "score_samples", "score", "decode", "bic", "aic")},
    "sample": lambda m: m.sample(20),
    "n_parameters_": lambda m: m.n_parameters_,
}
CHAIN_PARAMETERS = {
    "n_components": 5, "covariance_type": "spherical", "startprob_init": [1.0],
    "transmat_init": [[1.0]], "means_init": [[0.0]], "covars_init": [[[1.0]]], "tol": 1.0,
    "max_iter": 1, "n_init": 3, "reg_covar": 10.0, "random_state": 0, "n_threads": 2,
    "fixed": ("means",), "startprob_concentration": 2.0, "transmat_concentration": 2.0,
    "covariance_prior": [10, 1.0], "convergence": "parameters", "acceleration": "squarem",
    "verbose": 0, "verbose_interval": 5, "callback": print,
}
ESTIMATORS = [
    *[(GaussianHMM(3, type_, random_state=0, max_iter=20), CHAIN, CHAIN_PARAMETERS)
      for type_ in ("full", "tied", "diag")],
    (MixtureHMM(2, 2, random_state=0, max_iter=20), CHAIN, {
        **CHAIN_PARAMETERS, "n_mix": 3, "weights_init": [[1.0]], "weight_concentration": 2.0}),
    *[(LatentClassAnalysis(2, continuous=columns, random_state=0), CLASSES, CLASSES_PARAMETERS)
      for columns in (None, [0, 2])],
    (FactorAnalysis(1), {**FACTORS, "standard_errors": lambda m: tuple(m.standard_errors(GAPS))},
     FACTORS_PARAMETERS),
    (FactorAnalysis(2, rotation="promax"), FACTORS, FACTORS_PARAMETERS),
    (FactorAnalysis(2, noise="isotropic"), FACTORS, {**FACTORS_PARAMETERS, "noise": "diagonal"}),
    *[(StudentTMixture(3, type_, df, random_state=0, max_iter=20), STUDENT, STUDENT_PARAMETERS)
      for type_, df in (("full", None), ("tied", "shared"), ("diag", 4.0))],
    *[(GaussianMixture(3, covariance_type=type_, random_state=0), MIXTURE, MIXTURE_PARAMETERS)
      for type_ in ("full", "tied", "diag")],
    (GaussianMixture(3, covariance_type="spherical", random_state=0, fixed=("means",),
                     means_init=X[[0, 60, 120]]), MIXTURE,
     {**MIXTURE_PARAMETERS, "covariance_type": "full", "fixed": ()}),
    (GaussianMixture(2, noise=True, random_state=0),
     {name: method for name, method in MIXTURE.items()
      if not name.startswith(("marginal", "condition", "regress"))},     # they leave it out
     {**MIXTURE_PARAMETERS, "noise": None}),
    (KMeans(3, random_state=0), {
        **{name: lambda m, name=name: getattr(m, name)(X) for name in (
            "predict", "transform", "score")},
        "get_feature_names_out": lambda m: m.get_feature_names_out()},
     {"n_clusters": 5, "init": "random", "n_init": 4, "max_iter": 1, "tol": 1.0, "verbose": 0,
      "random_state": 0, "copy_x": False, "algorithm": "elkan", "n_threads": 2,
      **STEPS}),
    (MixtureOfFactorAnalyzers(2, random_state=0), ANALYSERS, ANALYSERS_PARAMETERS),
    (GaussianImputer(random_state=0), {**IMPUTER, **INFORMATION},
     {**IMPUTER_PARAMETERS, **STEPS}),
    (GaussianImputer(random_state=0, prior=("ridge", 3.0), min_value=5.0, max_value=[6, 7, 8, 9]),
     {**IMPUTER, **INFORMATION}, {**IMPUTER_PARAMETERS, **STEPS, "prior": None}),
    (GaussianMixtureImputer(2, random_state=0), IMPUTER, {
        **IMPUTER_PARAMETERS, "n_components": 4, "covariance_type": "diag", "n_init": 2,
        "init_params": "random"}),
]


def same(one, other):
    if isinstance(one, dict):
        for name in one.keys() | other.keys():
            if name.endswith("_"):
                same(one[name], other[name])
        return
    if isinstance(one, (tuple, list)):
        for part, its in zip(one, other, strict=True):
            same(part, its)
        return
    assert_array_equal(one, other)


@pytest.mark.parametrize(("estimator", "methods", "parameters"), ESTIMATORS, ids=lambda v: (
    repr(v)[:60] if hasattr(v, "fit") else ""))
def test_methods_go_by_the_fit(estimator, methods, parameters, tmp_path):
    """Every parameter set to another value, one by one and all together; copies and files too."""
    model = clone(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X if isinstance(model, (KMeans, LatentClassAnalysis)) else GAPS)
    # a new parameter has to come here
    assert model.get_params().keys() == parameters.keys()
    methods = dict(methods)

    def loaded(m):
        m.save(tmp_path / "model.npz")
        back = type(m).load(tmp_path / "model.npz")
        return {name: vars(back)[name] for name in vars(back) if name.endswith("_")}

    methods["save and load"] = loaded
    methods["loaded"] = lambda m: (loaded(m), type(m).load(
        tmp_path / "model.npz").score(X))[1]
    methods["pickle"] = lambda m: pickle.loads(pickle.dumps(m)).score(X)
    expected = {name: method(model) for name, method in methods.items()}
    before = {name: value for name, value in vars(model).items() if name not in parameters}
    changes = [{name: value} for name, value in parameters.items()] + [parameters]
    for change in changes:
        if change.get("callback"):
            change = {name: value for name, value in change.items() if name != "callback"}
        other = copy.deepcopy(model).set_params(**change)
        for name, method in methods.items():
            same(method(other), expected[name])
        assert {n: v for n, v in vars(other).items() if n not in parameters}.keys() == before.keys()


def test_parameters_put_in_by_hand():
    """As users of scikit-learn do; there is no fit to go by."""
    fitted = GaussianMixture(2, covariance_type="diag", random_state=0).fit(X)
    model = GaussianMixture(2, covariance_type="diag", random_state=0)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_", "n_features_in_"):
        setattr(model, name, getattr(fitted, name))
    assert_array_equal(model.predict(X), fitted.predict(X))
    assert model.bic(X) == fitted.bic(X)
    assert_array_equal(model.sample(5)[0], fitted.sample(5)[0])


# --- pickles ----------------------------------------------------------------------------

FITTED = [GaussianMixture(2, random_state=0).fit(X), KMeans(2, random_state=0).fit(X),
          GaussianImputer().fit(GAPS), GaussianMixtureImputer(2, random_state=0).fit(GAPS),
          StudentTMixture(df=3).fit(X)]


@pytest.mark.parametrize("model", FITTED, ids=lambda m: type(m).__name__)
def test_pickles_know_their_version(model, monkeypatch):
    data = pickle.dumps(model)
    back = pickle.loads(data)       # a warning would be an error
    assert vars(back).keys() == vars(model).keys()
    assert model.__getstate__()["_emkernels_version"] == emkernels.__version__
    clone(model), copy.deepcopy(model)
    for version in ("0.0.9", None):
        state = model.__getstate__()
        del state["_emkernels_version"]
        if version:
            state["_emkernels_version"] = version
        other = type(model).__new__(type(model))
        with pytest.warns(InconsistentVersionWarning,
                          match=f"{type(model).__name__} was pickled by emkernels "
                                f"{version or 'of an unknown version'} and .*"
                                f"{emkernels.__version__}"):
            other.__setstate__(state)
        assert other.score(X) == model.score(X)


@pytest.mark.parametrize(("model", "name", "words"), [
    (FITTED[0], "labels_", r"fit_predict\(X\)"), (FITTED[0], "cluster_centers_", "means_"),
    (GaussianMixture(), "labels_", r"fit_predict\(X\)"), (FITTED[1], "means_", "cluster_centers_"),
    (FITTED[2], "statistics_", "location_"), (FITTED[3], "labels_", "fit_predict")])
def test_attributes_of_relatives(model, name, words):
    assert not hasattr(model, name)
    with pytest.raises(AttributeError, match=f"{type(model).__name__}.*{name!r}: .*{words}"):
        getattr(model, name)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'$"):
        _ = model.nonsense


# --- whole numbers, random states, pairs ------------------------------------------------

@pytest.mark.parametrize("estimator", [
    GaussianMixture(True), GaussianMixture(max_iter=True), GaussianMixture(n_init=True),
    GaussianMixture(n_threads=True), GaussianMixture(tol=True), KMeans(True),
    KMeans(2, n_init=True), KMeans(2, max_iter=True), GaussianImputer(max_iter=True),
    GaussianImputer(n_threads=True),
    GaussianMixtureImputer(True), GaussianMixtureImputer(n_init=True),
    GaussianMixture(np.True_)])
def test_true_is_no_number(estimator):
    with pytest.raises(ValueError, match="parameter of .* must be .*Got (np.)?True"):
        estimator.fit(X)


def test_whole_numbers():
    for n, error in ((2.5, TypeError), (2.0, TypeError), ("5", TypeError), (True, TypeError),
                     (None, TypeError), (0, ValueError), (-1, ValueError)):
        with pytest.raises(error, match="n_samples"):
            FITTED[0].sample(n)
    assert FITTED[0].sample(np.int8(3))[0].shape == (3, 4)
    for call in (lambda: select_mixture(X, True), lambda: compare_clusterings(X, True),
                 lambda: kernels.kmeans_plusplus(X, True),
                 lambda: FITTED[2].sample(GAPS, True), lambda: FITTED[2].sample(GAPS, 2.0)):
        with pytest.raises((TypeError, ValueError), match="True|2.0"):
            call()


def test_generators():
    """A Generator does everywhere, and two of one seed give the same."""
    def rng():
        return np.random.default_rng(5)

    for make in (
            lambda r: GaussianMixture(3, random_state=r).fit(X).means_,
            lambda r: GaussianMixture(3, init_params="random", random_state=r).fit(X).means_,
            lambda r: GaussianMixture(3, random_state=r).fit(GAPS).means_,
            lambda r: FITTED[0].set_params(random_state=r).sample(7)[0],
            lambda r: KMeans(3, init="random", random_state=r).fit(X).cluster_centers_,
            lambda r: GaussianMixtureImputer(2, random_state=r).fit(GAPS).means_,
            lambda r: FITTED[2].sample(GAPS, 2, random_state=r),
            lambda r: select_mixture(X, 2, random_state=r).best.means_,
            lambda r: compare_clusterings(X, 2, random_state=r).mixture.means_,
            lambda r: kernels.kmeans_plusplus(X, 3, random_state=r)[1],
            lambda r: segment_image(X.reshape(20, 30), 2, random_state=r).labels,
            lambda r: segment_image(X.reshape(20, 30), 2, smoothness=0.5, random_state=r).labels):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert_array_equal(make(rng()), make(rng()))
    ax = plotting.plot_mixture(GaussianMixture(2, random_state=0).fit(X), X, max_points=20,
                               random_state=rng())
    assert len(ax.collections[0].get_offsets()) == 20
    plotting._canvas.mpl(".pyplot").close("all")
    FITTED[0].set_params(random_state=0)


def test_pairs_as_lists(tmp_path):
    for estimator in (GaussianMixture(2, random_state=0), GaussianImputer()):
        name = "covariance_prior" if hasattr(estimator, "covariance_prior") else "prior"
        fits = [clone(estimator).set_params(**{name: pair}).fit(X)
                for pair in ([10, 2.0], (10, 2.0), [10, [2.0] * 4])]
        for fit in fits[1:]:
            assert_array_equal(fit.score_samples(X), fits[0].score_samples(X))
        for bad in ([1], [1, 2, 3], ["a", 1.0], [[1, 2], 1.0], [1, "a"], [None, 1.0]):
            with pytest.raises((TypeError, ValueError), match="prior"):
                clone(estimator).set_params(**{name: bad}).fit(X)


@pytest.mark.parametrize(("name", "value", "message"), [
    ("weights_init", list("abc"), "weights_init is not numeric: 'a' at row 0"),
    ("means_init", [["a"] * 4] * 3, "column 0 of means_init is not numeric: 'a' at row 0"),
    ("means_init", np.ma.masked_less(X[:3], 2), "means_init is a masked array"),
    ("precisions_init", [[["x"] * 4] * 4] * 3, "precisions_init is not numeric"),
    ("weight_concentration", ["a", "b", "c"], "weight_concentration is not numeric"),
    ("covariance_prior", ("a", 1.0), "the dof of covariance_prior"),
])
def test_cells_of_parameters_are_named(name, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        GaussianMixture(3, **{name: value}).fit(X)


def test_cells_of_other_arguments_are_named():
    for call, message in [
            (lambda: pool([1.0, "x"], [1.0, 1.0]), "estimates is not numeric: 'x' at row 1"),
            (lambda: pool([1.0, 2.0], [1.0, None]), "variances contains NaN.*row 1"),
            (lambda: GaussianImputer(min_value=["x", 1, 2, 3]).fit(X), "min_value is not numeric"),
            (lambda: KMeans(2, init=[["x"] * 4] * 2).fit(X), "column 0 of init is not numeric"),
            (lambda: FITTED[0].condition([0], ["x"]), "values is not numeric: 'x'"),
            (lambda: FITTED[0].condition([0, 1], [1.0, None]), "values contains NaN.*column 1"),
            (lambda: emkernels.SufficientStatistics("diag", [["x"]]), "centers is not numeric")]:
        with pytest.raises((TypeError, ValueError), match=message):
            call()


# --- what is known decides ---------------------------------------------------------------

def test_regress_on_what_is_known():
    """Against the conditional normal written out, row by row."""
    model = GaussianMixture(2, random_state=0).fit(X)
    given = np.array([0, 2, 3])
    rows = X[:8, given].copy()
    for i in range(8):      # every pattern, all missing too
        rows[i, [bool(i & 1), bool(i & 2), bool(i & 4)]] = np.nan
    mean, covariance = model.regress(given, rows)
    for i in range(8):
        seen = ~np.isnan(rows[i])
        at, value = given[seen], rows[i, seen]
        weights = model.weights_.copy()
        means, spreads = [], []
        for k in range(2):
            m, S = model.means_[k], model.covariances_[k]
            if seen.any():
                weights[k] *= stats.multivariate_normal(m[at], S[np.ix_(at, at)]).pdf(value)
                gain = S[1, at] @ np.linalg.inv(S[np.ix_(at, at)])
                means.append(m[1] + gain @ (value - m[at]))
                spreads.append(S[1, 1] - gain @ S[at, 1])
            else:
                means.append(m[1])
                spreads.append(S[1, 1])
        weights /= weights.sum()
        expected = weights @ means
        assert_allclose(mean[i, 0], expected, rtol=1e-9)
        assert_allclose(covariance[i, 0, 0],
                        weights @ (spreads + np.square(means)) - expected**2, rtol=1e-6)
    complete = model.regress(given, X[:8, given])
    assert_allclose(mean[0], complete[0][0], rtol=1e-12)
    for type_ in ("tied", "diag", "spherical"):
        other = GaussianMixture(2, covariance_type=type_, random_state=0).fit(X)
        filled = other.impute(np.c_[rows[:, 0], np.full(8, np.nan), rows[:, 1:]])
        assert_allclose(other.regress(given, rows)[0][:, 0], filled[:, 1], rtol=1e-9)


@pytest.mark.parametrize("cls", [
    each for each in map(emkernels.__dict__.get, emkernels.__all__)
    if isinstance(each, type) and issubclass(each, BaseEstimator)])
def test_what_a_fit_need_not_validate_is_valid(cls):
    names = BaseEstimator._get_param_names.__func__(cls)
    assert cls._get_param_names() == names
    defaults = {name: parameter.default
                for name, parameter in inspect.signature(cls).parameters.items()
                if parameter.default is not parameter.empty}
    assert defaults
    validate_parameter_constraints(cls._parameter_constraints, defaults, cls.__name__)
    for name in defaults:
        with pytest.raises(ValueError, match=name):
            cls(**{name: object()})._validate_params()


def test_defaults_of_a_subclass_are_looked_at():
    class Mine(emkernels.FactorAnalysis):
        def __init__(self, n_components=0):
            super().__init__(n_components)

    with pytest.raises(ValueError, match="n_components"):
        Mine().fit(np.random.default_rng(0).normal(size=(20, 3)))
