"""Every public function takes the same containers and names the same faults."""

import decimal
import functools
import inspect
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

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
    SufficientStatistics,
    _inputs,
    blrt,
    compare_clusterings,
    kernels,
    little_mcar_test,
    missing_data_summary,
    parallel_analysis,
    plotting,
    select_classes,
    select_factors,
    select_mixture,
)

mpl.use("Agg")
N, D, K = 40, 3, 2
ROW, COLUMN = 7, 1
rng = np.random.default_rng(0)
FULL = np.round(rng.normal(size=(N, D)) + 6 * (np.arange(N) % 2)[:, None], 2)
GAPS = FULL.copy()
GAPS[ROW, COLUMN] = GAPS[11, 2] = GAPS[12, 0] = np.nan
MODEL = {"means": np.zeros((K, D)) + [[0], [6]],
         "precisions_cholesky": np.repeat(np.eye(D)[None], K, axis=0)}
MIXED = {**MODEL, "weights": [0.5, 0.5]}
ANALYSERS = {"weights": [0.5, 0.5], "means": MODEL["means"],
             "components": np.ones((K, 1, D)), "noise_variance": np.ones((K, D))}
LABELS = np.arange(N) % 2


def fitted(class_, X=FULL, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return class_(*args, random_state=0).fit(X)


mixture = fitted(GaussianMixture, FULL, K)
wide = fitted(GaussianMixture, np.c_[FULL, FULL[:, ::-1]], K)
kmeans = fitted(KMeans, FULL, K)
students = fitted(StudentTMixture, FULL, K)
analysers = fitted(MixtureOfFactorAnalyzers, FULL, K)
imputer, mixed = fitted(GaussianImputer), fitted(GaussianMixtureImputer, FULL, K)
factors = fitted(FactorAnalysis, np.c_[FULL, FULL[:, ::-1] + rng.normal(size=(N, D))], 3)
factor = fitted(FactorAnalysis, FULL)
classes = fitted(LatentClassAnalysis, FULL, K)
marginal = fitted(LatentClassAnalysis, FULL, 1)
chain, mixed_chain = fitted(GaussianHMM, FULL, K), fitted(MixtureHMM, FULL, K)

# what takes rows; those that take missing values
MISSING = {
    **{f"GaussianMixture.{name}": getattr(mixture, name) for name in (
        "predict", "predict_proba", "score_samples", "score", "impute", "bic", "aic", "icl",
        "criteria")},
    "GaussianMixture.fit": lambda X: GaussianMixture(K, random_state=0).fit(X),
    "GaussianMixture.partial_fit": lambda X: GaussianMixture(
        K, random_state=0).partial_fit(X).partial_fit(X),
    "GaussianImputer.partial_fit": lambda X: GaussianImputer().partial_fit(X).partial_fit(X),
    "GaussianMixture.fit_predict": lambda X: GaussianMixture(K, random_state=0).fit_predict(X),
    "GaussianMixture.regress": lambda X: wide.regress([0, 1, 2], X),
    **{f"StudentTMixture.{name}": getattr(students, name) for name in (
        "predict", "predict_proba", "score_samples", "score", "impute", "bic", "aic", "icl",
        "criteria", "outlier_weight")},
    "StudentTMixture.fit": lambda X: StudentTMixture(K, random_state=0).fit(X),
    "StudentTMixture.fit_predict": lambda X: StudentTMixture(K, random_state=0).fit_predict(X),
    **{f"MixtureOfFactorAnalyzers.{name}": getattr(analysers, name) for name in (
        "predict", "predict_proba", "score_samples", "score", "impute", "bic", "aic", "icl",
        "criteria", "transform")},
    "MixtureOfFactorAnalyzers.fit_transform":
        lambda X: MixtureOfFactorAnalyzers(K, random_state=0).fit_transform(X),
    "MixtureOfFactorAnalyzers.fit":
        lambda X: MixtureOfFactorAnalyzers(K, random_state=0).fit(X),
    "MixtureOfFactorAnalyzers.fit_predict":
        lambda X: MixtureOfFactorAnalyzers(K, random_state=0).fit_predict(X),
    **{f"GaussianImputer.{name}": getattr(imputer, name) for name in (
        "transform", "score_samples", "score", "standard_errors", "missing_information")},
    "GaussianImputer.fit": lambda X: GaussianImputer().fit(X),
    "GaussianImputer.fit_transform": lambda X: GaussianImputer().fit_transform(X),
    "GaussianImputer.sample": lambda X: imputer.sample(X, 2, random_state=0),
    **{f"GaussianMixtureImputer.{name}": getattr(mixed, name) for name in (
        "transform", "score_samples", "score")},
    "GaussianMixtureImputer.fit": lambda X: GaussianMixtureImputer(K, random_state=0).fit(X),
    "GaussianMixtureImputer.fit_transform":
        lambda X: GaussianMixtureImputer(K, random_state=0).fit_transform(X),
    "GaussianMixtureImputer.sample": lambda X: mixed.sample(X, 2, random_state=0),
    **{f"FactorAnalysis.{name}": getattr(factor, name) for name in (
        "transform", "score_samples", "score", "bic", "aic", "impute", "posterior_covariance",
        "standard_errors")},
    "FactorAnalysis.fit": lambda X: FactorAnalysis().fit(X),
    "FactorAnalysis.fit_transform": lambda X: FactorAnalysis().fit_transform(X),
    **{f"LatentClassAnalysis.{name}": getattr(classes, name) for name in (
        "predict", "predict_proba", "score_samples", "score", "impute", "bic", "aic", "icl",
        "criteria", "abic", "caic", "bivariate_residuals")},
    "LatentClassAnalysis.covariates":
        lambda X: classes.covariates(X, np.sin(np.arange(N)), first_step=False),
    "LatentClassAnalysis.distal":
        lambda X: classes.distal(X, np.sin(np.arange(N)), first_step=False),
    "blrt": lambda X: blrt(X, 2, n_bootstrap=2, n_init=2),
    "select_classes": lambda X: select_classes(X, [1, 2], n_init=2, random_state=0).table,
    "LatentClassAnalysis.standard_errors": marginal.standard_errors,
    "LatentClassAnalysis.fit": lambda X: LatentClassAnalysis(K, random_state=0).fit(X),
    "LatentClassAnalysis.fit_predict":
        lambda X: LatentClassAnalysis(K, random_state=0).fit_predict(X),
    **{f"{type(model).__name__}.{name}": getattr(model, name) for name in (
        "predict", "predict_proba", "score_samples", "score", "decode", "bic", "aic")
       for model in (chain, mixed_chain)},
    "GaussianHMM.fit": lambda X: GaussianHMM(K, random_state=0).fit(X),
    "MixtureHMM.fit": lambda X: MixtureHMM(K, 1, random_state=0).fit(X),
    "select_factors": lambda X: select_factors(X, 1).table,
    "select_mixture": lambda X: select_mixture(X, (1, 2), random_state=0).table,
    "little_mcar_test": little_mcar_test,
    "missing_data_summary": missing_data_summary,
    "parallel_analysis": lambda X: parallel_analysis(X, n_draws=3),
    "SufficientStatistics.from_data": lambda X: SufficientStatistics.from_data(X, **MIXED).counts,
    "kernels.incomplete_statistics": lambda X: kernels.incomplete_statistics(X, **MIXED),
    "kernels.incomplete_e_step": lambda X: kernels.incomplete_e_step(X, **MIXED),
    "kernels.student_statistics": lambda X: kernels.student_statistics(
        X, **MIXED, dfs=[3.0, 5.0]),
    "kernels.student_e_step": lambda X: kernels.student_e_step(X, **MIXED, dfs=[3.0, 5.0]),
    "kernels.conditional_moments": lambda X: kernels.conditional_moments(X, **MIXED)[0],
    "kernels.conditional_draws": lambda X: kernels.conditional_draws(
        X, normals=np.zeros(np.isnan(np.asarray(kernels.conditional_moments(
            X, **MIXED, covariances=True).covariances)).size), uniforms=np.zeros(N), **MIXED),
    "kernels.missing_patterns": lambda X: kernels.missing_patterns(X).order,
    "kernels.potts_statistics": lambda X: kernels.potts_statistics(
        X, **MIXED, shape=(5, 8), smoothness=0.5, resp=np.full((N, K), 0.5)),
    "plotting.plot_mixture": lambda X: plotting.plot_mixture(mixture, X),
    "plotting.plot_outliers": lambda X: plotting.plot_outliers(students, X),
    "plotting.plot_responsibilities": lambda X: plotting.plot_responsibilities(mixture, X),
    "plotting.plot_states": lambda X: plotting.plot_states(chain, X),
    "plotting.plot_scree": lambda X: plotting.plot_scree(X, n_draws=3),
    "plotting.plot_missing_patterns": plotting.plot_missing_patterns,
    "plotting.plot_imputed": lambda X: plotting.plot_imputed(X, np.where(np.isnan(GAPS), 0, GAPS)),
}
COMPLETE = {
    "FactorAnalysis.inverse_transform": factors.inverse_transform,
    "KMeans.fit": lambda X: KMeans(K, random_state=0).fit(X),
    "KMeans.partial_fit": lambda X: KMeans(K, random_state=0).partial_fit(X).partial_fit(X),
    "KMeans.fit_predict": lambda X: KMeans(K, random_state=0).fit_predict(X),
    "KMeans.fit_transform": lambda X: KMeans(K, random_state=0).fit_transform(X),
    **{f"KMeans.{name}": getattr(kmeans, name) for name in ("predict", "transform", "score")},
    "compare_clusterings": lambda X: compare_clusterings(X, K, random_state=0).table,
    "kernels.log_density": lambda X: kernels.log_density(X, **MODEL),
    "kernels.em_statistics": lambda X: kernels.em_statistics(X, **MIXED),
    "kernels.e_step": lambda X: kernels.e_step(X, **MIXED),
    "kernels.factor_statistics": lambda X: kernels.factor_statistics(X, **ANALYSERS),
    "kernels.factor_e_step": lambda X: kernels.factor_e_step(X, **ANALYSERS),
    "kernels.weighted_moments": lambda X: kernels.weighted_moments(X, LABELS, MODEL["means"]),
    "kernels.kmeans_statistics": lambda X: kernels.kmeans_statistics(X, MODEL["means"]),
    "kernels.kmeans_plusplus": lambda X: kernels.kmeans_plusplus(X, K, random_state=0),
    "kernels.check_finite": kernels.check_finite,
    "kernels.responsibilities": kernels.responsibilities,
}
ENTRIES = {**MISSING, **COMPLETE}
# they look at what is missing only, at one missing value at least, or have columns of their own
ANY_CELLS = {"plotting.plot_missing_patterns"}
NEED_GAPS = {"little_mcar_test", "plotting.plot_imputed"}
# to whom texts, dates and the like are answers, and who only takes those of the fit
LEVELS = ("LatentClassAnalysis", "blrt", "select_classes")
# one column of whole codes, see test_hmm.py
CODES = "CategoricalHMM."
# conditional_draws needs to know how many normals
COUNTS_GAPS = {"kernels.conditional_draws"}


def public_functions_of_rows():
    """Names of whatever has an argument X (or log densities in its place)."""
    for prefix, module in (("", emkernels), ("kernels.", kernels), ("plotting.", plotting)):
        for name in module.__all__:
            item = getattr(module, name)
            if inspect.isclass(item):
                if hasattr(item, "_fields") or issubclass(item, Warning):
                    continue
                for method, function in inspect.getmembers(item, inspect.isroutine):
                    if not method.startswith("_") and takes_rows(function):
                        yield f"{prefix}{name}.{method}"
            elif callable(item) and takes_rows(item):
                yield prefix + name


def takes_rows(function):
    try:
        return {"X", "log_prob"} & inspect.signature(function).parameters.keys()
    except (TypeError, ValueError):
        return False


def test_every_public_function_of_rows_is_here():
    assert {name for name in public_functions_of_rows()
            if not name.startswith(CODES)} == ENTRIES.keys()
    assert len(ENTRIES) > 50


def parts(result):
    """What of a result can be compared, as arrays."""
    if isinstance(result, (tuple, list)):
        return [array for item in result for array in parts(item)]
    if isinstance(result, dict):
        return [array for item in result.values() for array in parts(item)]
    if hasattr(result, "get_params"):
        return [array for name, value in sorted(vars(result).items())
                if name.endswith("_") and name != "feature_names_in_" for array in parts(value)]
    if type(result).__module__.startswith("matplotlib"):
        mpl.pyplot.close("all")
        return [np.asarray(result.get_title())]
    if hasattr(result, "__dataclass_fields__"):
        return [array for name, value in vars(result).items() if name != "columns"
                for array in parts(value)]
    return [np.asarray(result)]


@functools.cache
def of_array(name, gaps):
    return parts(ENTRIES[name](GAPS if gaps else FULL))


def same(name, X, gaps):
    """As of the array with or without gaps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = parts(ENTRIES[name](X)), of_array(name, gaps)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


def frame(X, **options):
    return pd.DataFrame(X, columns=list("abc"), **options)


def objects(X, missing):
    cells = X.astype(object)
    cells[np.isnan(X)] = missing
    return cells


def masked(X):
    mask = np.isnan(X)
    return np.ma.masked_array(np.where(mask, -9999, X), mask)


CONTAINERS = {
    "list": lambda X: [[None if np.isnan(x) else x for x in row] for row in X],
    "frame": frame,
    "frame of objects": lambda X: frame(objects(X, pd.NA)),
    "Float64": lambda X: frame(X).astype("Float64"),
    "Float64 and float64": lambda X: frame(X).astype({"a": "Float64"}),
    "Arrow in pandas": lambda X: frame(X).astype("double[pyarrow]"),
    "polars": lambda X: pl.DataFrame(CONTAINERS["list"](X), schema=list("abc"), orient="row"),
    "Arrow": lambda X: pa.Table.from_pandas(frame(X)),
    "objects, None": lambda X: objects(X, None),
    "objects, NaT": lambda X: objects(X, pd.NaT),
    "list, masked": lambda X: [[np.ma.masked if np.isnan(x) else x for x in row] for row in X],
    "objects, Decimal": lambda X: np.array(
        [[decimal.Decimal(str(x)) for x in row] for row in X], dtype=object),
    "masked": masked,
    "columns": np.asfortranarray,
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", ENTRIES)
def test_containers(name, container):
    gaps = name in NEED_GAPS
    same(name, CONTAINERS[container](GAPS if gaps else FULL), gaps)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", sorted(MISSING.keys() - COUNTS_GAPS))
def test_every_kind_of_missing_is_missing(name, container):
    same(name, CONTAINERS[container](GAPS), True)


@pytest.mark.parametrize("name", COMPLETE)
def test_what_takes_no_missing_value_says_so(name):
    if name == "kernels.check_finite":
        expected = (ValueError, f"row {ROW}, column {COLUMN}")
    elif name == "kernels.responsibilities":
        expected = (ValueError, f"nan, first at row {ROW}, column {COLUMN}")
    else:
        expected = (ValueError, f"X .*row {ROW}, column ({COLUMN}|'b')")
    for container in ("frame", "frame of objects", "polars", "objects, None"):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X has feature names")
            with pytest.raises(expected[0], match=expected[1]):
                ENTRIES[name](CONTAINERS[container](GAPS))
    if name == "kernels.check_finite":
        return
    with pytest.raises(TypeError, match=f"(X|log_prob) is a masked array.*row {ROW}, "
                                        f"column {COLUMN}"):
        ENTRIES[name](masked(GAPS))


class Delayed:
    """As a frame of dask."""

    columns = ("a", "b", "c")

    def compute(self):
        return self


class Tensor:
    """As one that lies on a GPU."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def cpu(self):
        return self


def spoiled(value, dtype=object):
    cells = FULL.astype(dtype)
    cells[ROW, COLUMN] = value
    return cells


BAD = {
    "text": (frame(FULL).assign(b="x"), "column 'b' of .* is not numeric: 'x' at row 0; .*numeric"),
    "text of a number": (frame(FULL).assign(b=["1"] * 9 + ["?"] * 31), "'b'.*'[?]' at row 9"),
    "category": (frame(FULL).assign(b=pd.Categorical(["x"] * N)), "'b'.*'x' at row 0.*0 and 1"),
    "date": (frame(FULL).assign(b=pd.date_range("2020", periods=N)), "'b'.*2020-01-01.*days since"),
    "duration": (frame(FULL).assign(b=pd.to_timedelta(range(N))), "'b'.*divide durations"),
    "cell": (spoiled("x"), "column 1 of .* is not numeric: 'x' at row 7"),
    "object": (spoiled({}), "column 1 of .* is not numeric: {} at row 7"),
    "complex cell": (spoiled(2j), "column 1 of .*2j at row 7.*real and imaginary"),
    "complex": (FULL.astype(complex), "must hold real numbers, got dtype complex128.*row 0"),
    "texts": (FULL.astype(str), "must hold real numbers, got dtype <U.*row 0, column 0.*numeric"),
    "records": (frame(FULL).to_records(index=False), "must hold real numbers.*data frame"),
    "polars text": (pl.DataFrame(FULL, schema=list("abc")).with_columns(b=pl.lit("x")), "'b'.*'x'"),
    "polars date": (pl.DataFrame({"b": pd.date_range("2020", periods=N)}), "'b'.*2020-01-01"),
    "Arrow text": (pa.table({"a": FULL[:, 0], "b": ["x"] * N}), "'b'.*'x' at row 0"),
    "lazy": (pl.DataFrame(FULL).lazy(), "LazyFrame.*collect"),
    "delayed": (Delayed(), r"Delayed.*compute\(\)"),
    "sparse": (scipy.sparse.csr_array(FULL), "sparse.*toarray"),
    "tensor": (Tensor(), r"Tensor.*cpu\(\)"),
    "ragged": ([[1.0, 2.0, 3.0], [1.0]], "not rectangular: row 1"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("name", ENTRIES)
def test_what_cannot_be_used_is_named(name, kind):
    if name in ANY_CELLS and kind not in (
            "lazy", "delayed", "sparse", "tensor", "ragged"):
        return
    X, message = BAD[kind]
    if name.startswith(LEVELS):
        if kind not in ("object", "complex", "lazy", "delayed", "sparse", "tensor", "ragged"):
            return
        message = message.replace("is not numeric:", "of X holds").replace(
            "must hold real numbers", "").replace("of .* of X", "of X").replace(
            ", got dtype complex128.*row 0", "column 0 of X has dtype complex128")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has feature names")
        with pytest.raises((TypeError, ValueError), match=message):
            ENTRIES[name](X)


@pytest.mark.parametrize("name", sorted(
    ENTRIES.keys() - ANY_CELLS - {"kernels.responsibilities", "plotting.plot_imputed"}))
def test_an_infinity_is_named(name):
    X = GAPS.copy()
    if name in COMPLETE:
        X = FULL.copy()
    X[ROW, COLUMN] = np.inf
    with pytest.raises(ValueError, match=f"row {ROW}, column ({COLUMN}|'x1')"):
        ENTRIES[name](X)
    if name.startswith("kernels") or name.startswith("Suff"):
        return      # they know no names
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has feature names")
        # the columns of a regression have the names of the fit, and here it had none
        nameless = name.endswith("regress")
        with pytest.raises(ValueError, match=f"row {ROW}, column {1 if nameless else repr('b')}"):
            ENTRIES[name](frame(X))


def test_a_plain_array_is_not_copied():
    for X in (FULL, FULL.astype("f4"), FULL[::2], np.asfortranarray(FULL)):
        assert _inputs.as_table(X)[0] is X
    assert np.shares_memory(_inputs.as_table(frame(FULL))[0], frame(FULL).to_numpy()) in (0, 1)
    shared = frame(FULL)
    assert np.shares_memory(_inputs.as_table(shared)[0], shared.to_numpy())


def test_float32_stays():
    narrow = FULL.astype("f4")
    for X in (narrow, frame(narrow), pl.DataFrame(narrow), pa.Table.from_pandas(frame(narrow)),
              frame(narrow).astype("Float32"), masked(narrow), frame(narrow).astype({"a": "i1"})):
        assert _inputs.as_rows(X).dtype == np.float32
    assert _inputs.as_rows(frame(narrow).astype({"a": "f8"})).dtype == np.float64
    assert _inputs.as_rows(FULL.astype("f2")).dtype == np.float64
    assert _inputs.as_rows(narrow.astype(">f4")).dtype == np.float32


# --- names of columns -------------------------------------------------------------------

SWAPPED = frame(FULL)[["b", "a", "c"]]


@pytest.mark.parametrize("name", sorted(
    name for name in ENTRIES if "." in name and not name.startswith(("kernels", "plotting", "Suff"))
    and not any(word in name for word in (
        ".fit", "regress", "inverse", "covariates", "distal"))))
def test_other_names_than_those_of_the_fit_are_refused(name):
    class_, method = name.split(".")
    arguments = {"KMeans": (K,), "LatentClassAnalysis": (1,),
                 "GaussianMixture": (K,), "GaussianMixtureImputer": (K,)}
    model = fitted(getattr(emkernels, class_), frame(FULL), *arguments.get(class_, ()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the parameters are not at a maximum")
        getattr(model, method)(frame(GAPS if name in MISSING else FULL))
    with pytest.raises(ValueError, match="feature names"):
        getattr(model, method)(SWAPPED)


def test_condition_and_regress_go_by_name():
    model = fitted(GaussianMixture, frame(FULL), K)
    X = frame(FULL)
    right = model.regress(["a", "b"], FULL[:, :2])
    for given in (X[["a", "b"]], pl.DataFrame(X[["a", "b"]].to_dict("list"))):
        assert_array_equal(model.regress(["a", "b"], given)[0], right[0])
    with pytest.raises(ValueError, match="X must have the names of the columns in their order: "):
        model.regress(["a", "b"], X[["b", "a"]])
    with pytest.raises(ValueError, match="it lacks 'b' and it has 'c'"):
        model.regress(["a", "b"], X[["a", "c"]])
    with pytest.raises(ValueError, match="'b' is in the place of 'a'"):
        model.regress([0, 1], X[["b", "a"]])
    assert_allclose(model.regress(["b", "a"], X[["b", "a"]])[0], right[0], rtol=1e-13)
    values = pd.Series({"a": 5.0, "b": 3.0})
    expected = model.condition(["a", "b"], [5.0, 3.0]).means_
    assert_array_equal(model.condition(["a", "b"], values).means_, expected)
    with pytest.raises(ValueError, match="values must have the names of the columns"):
        model.condition(["a", "b"], values[["b", "a"]])
    for columns, at in ((0, "'a'"), ("a", "'a'"), (iter(["b"]), "'b'")):
        with pytest.raises(ValueError, match=f"values contains NaN.*column {at}: leave out"):
            model.condition(columns, [np.nan])
    for columns in (slice(0, 1), None, 1.5):
        with pytest.raises(TypeError, match="columns must hold positions or names"):
            model.condition(columns, [1.0])


def test_parameters_with_names():
    X = frame(FULL)
    means = frame(MODEL["means"])
    GaussianMixture(K, means_init=means, random_state=0).fit(X)
    scale = pd.DataFrame(np.eye(D), columns=list("abc"), index=list("abc"))
    least = pd.Series({"a": -9.0, "b": -8.0, "c": -7.0})
    GaussianImputer(prior=(5, scale), min_value=least).fit(X)
    for estimator in (
            GaussianMixture(K, means_init=means[["b", "a", "c"]]),
            GaussianMixture(K, covariance_prior=[5, scale[["b", "a", "c"]]]),
            GaussianMixture(K, covariance_type="tied", precisions_init=scale[["c", "b", "a"]]),
            KMeans(K, init=means[["b", "a", "c"]]),
            GaussianImputer(prior=(5, scale[["b", "a", "c"]])),
            GaussianImputer(min_value=least[["b", "a", "c"]]),
            GaussianImputer(max_value=least[["b", "a", "c"]] + 99),
            GaussianImputer(max_value=least.rename({"a": "z"}) + 99)):
        with pytest.raises(ValueError, match="must have the names of X"):
            estimator.fit(X)


def test_pool_goes_by_name():
    estimates = pd.DataFrame({"a": [1.0, 2.0], "b": [30.0, 31.0]})
    variances = pd.DataFrame({"a": [0.1, 0.1], "b": [5.0, 5.0]})
    expected = emkernels.pool(estimates, variances)
    assert expected.names == ("a", "b")
    rows = [row for _, row in estimates.iterrows()], [row for _, row in variances.iterrows()]
    found = emkernels.pool(*rows)
    assert found.names == ("a", "b")
    assert_array_equal(found.standard_error, expected.standard_error)
    covariances = [pd.DataFrame(np.diag(row), columns=["a", "b"]) for row in rows[1]]
    assert_array_equal(emkernels.pool(rows[0], covariances).standard_error, found.standard_error)
    for bad in (variances[["b", "a"]], [row[["b", "a"]] for row in rows[1]],
                [rows[1][0], rows[1][1][["b", "a"]]]):
        with pytest.raises(ValueError, match="must have the names of the estimates"):
            emkernels.pool(estimates, bad)
    degrees = pd.Series({"a": 10.0, "b": 20.0})
    assert_array_equal(emkernels.pool(estimates, variances, complete_df=degrees).df,
                       emkernels.pool(estimates, variances, complete_df=[10, 20]).df)
    with pytest.raises(ValueError, match="complete_df must have the names of the estimates"):
        emkernels.pool(estimates, variances, complete_df=degrees[["b", "a"]])
    with pytest.raises(ValueError, match=r"estimates\[1\] must have the names"):
        emkernels.pool([rows[0][0], rows[0][1][["b", "a"]]], variances)


def test_completed_tables_go_by_name():
    X = frame(GAPS)
    completed = X.fillna(0.0)
    plotting.plot_imputed(X, completed)
    with pytest.raises(ValueError, match="imputed must have the names of X"):
        plotting.plot_imputed(X, completed[["b", "a", "c"]])
    mpl.pyplot.close("all")


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_rows_go_by_index():
    """A series is of the rows of X: with another index it is refused, not taken by position."""
    X = frame(FULL)
    weight = pd.Series(1.0 + np.arange(N) % 3)
    GaussianMixture(K, random_state=0).fit(X, sample_weight=weight, labels=pd.Series(LABELS))
    GaussianMixture(K, random_state=0).fit(FULL, sample_weight=weight[::-1])    # nothing to go by
    part = X.iloc[::-1]
    for call in (
            lambda: GaussianMixture(K).fit(part, sample_weight=weight),
            lambda: GaussianMixture(K).fit(part, labels=pd.Series(LABELS)),
            lambda: mixture.score(part, sample_weight=weight),
            lambda: mixture.bic(part, sample_weight=weight),
            lambda: KMeans(K).fit(part, sample_weight=weight),
            lambda: kmeans.score(part, sample_weight=weight),
            lambda: GaussianImputer().fit(part, sample_weight=weight),
            lambda: imputer.score(part, sample_weight=weight),
            lambda: imputer.sample(part, 2, sample_weight=weight),
            lambda: imputer.standard_errors(part, sample_weight=weight),
            lambda: compare_clusterings(part, K, sample_weight=weight),
            lambda: select_mixture(part, 2, sample_weight=weight),
            lambda: plotting.plot_mixture(mixture, part, labels=pd.Series(LABELS))):
        with pytest.raises(ValueError, match="index of (sample_weight|labels).*row 0 is 0.*39"):
            call()


@pytest.mark.parametrize("rows, own, same", [
    ([0, 1, 2], pd.Index([0, 1, 2], dtype="Int64"), True),
    ([0, 1, None], pd.Index([0, 1, None], dtype="Int64"), False),
    (pd.Index([0, None, 2], dtype="Int64"), pd.Index([0, None, 3], dtype="Int64"), False)])
def test_an_index_is_the_same_in_a_column_of_another_type(rows, own, same):
    X = pd.DataFrame(FULL[:3], index=rows)
    if same:
        _inputs.check_same_rows(X, pd.Series(1.0, index=own), "weight")
        return
    with pytest.raises(ValueError, match="index of weight is not that of X: row"):
        _inputs.check_same_rows(X, pd.Series(1.0, index=own), "weight")


def test_nulls_of_dictionaries_in_chunks_are_missing():
    """Arrow itself makes the last entry of the dictionary of them."""
    for kind in (lambda column: column, pa.chunked_array):
        encoded = pa.array([1.5, None, 4.0, 1.5]).dictionary_encode()
        table = pa.table({"a": kind([encoded, encoded] if kind is pa.chunked_array else encoded)})
        expected = np.array([[1.5, np.nan, 4.0, 1.5] * (len(table) // 4)]).T
        assert_array_equal(_inputs.as_rows(table), expected)
        assert_array_equal(_inputs.missing_cells(table)[0], np.isnan(expected))


def test_statistics_know_names_of_means():
    model = {**MIXED, "means": frame(MODEL["means"])}
    SufficientStatistics.from_data(frame(FULL), **model)
    with pytest.raises(ValueError, match="means must have the names of X"):
        SufficientStatistics.from_data(SWAPPED, **model)
