"""Labels and weights of any container, type and unit; what goes with them."""

import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris

from emkernels import (
    EMWarning,
    FactorAnalysis,
    GaussianImputer,
    GaussianMixture,
    GaussianMixtureImputer,
    KMeans,
    MixtureOfFactorAnalyzers,
    StudentTMixture,
    compare_clusterings,
    kernels,
    select_mixture,
)
from emkernels.models.mixture.fitted import reorder

X = load_iris().data
KNOWN = np.repeat([0, 1, -1], 50)
KNOWN[10:40] = -1
SPECIES = np.array(["virginica", "setosa", None], dtype=object)[KNOWN]     # -1 is the last


def fit(labels, X=X):
    return GaussianMixture(3, random_state=0).fit(X, labels=labels)


LABELS = {
    "int8": KNOWN.astype("i1"),
    "float": np.where(KNOWN < 0, np.nan, KNOWN),
    "float32, -1": KNOWN.astype("f4"),
    "list with None": [None if k < 0 else int(k) for k in KNOWN],
    "list with NaN": [np.nan if k < 0 else int(k) for k in KNOWN],
    "Int64": pd.Series(KNOWN, dtype="Int64").where(KNOWN >= 0),
    "objects": pd.Series([pd.NA if k < 0 else k for k in KNOWN], dtype=object),
    "Arrow in pandas": pd.Series([None if k < 0 else k for k in KNOWN], dtype="int64[pyarrow]"),
    "polars": pl.Series([None if k < 0 else int(k) for k in KNOWN]),
    "Arrow": pa.array([None if k < 0 else int(k) for k in KNOWN]),
    "masked": np.ma.masked_array(np.where(KNOWN < 0, 99, KNOWN), KNOWN < 0),
    "categorical of numbers": pd.Series([None if k < 0 else k for k in KNOWN], dtype="category"),
    "bool": pd.array([None if k < 0 else bool(k) for k in KNOWN], dtype="boolean"),
    "list of bool": [None if k < 0 else bool(k) for k in KNOWN],
}


@pytest.mark.parametrize("container", LABELS)
def test_labels(container):
    model, expected = fit(LABELS[container]), fit(KNOWN)
    assert_array_equal(model.means_, expected.means_)
    classes = [False, True] if "bool" in container else [0, 1, 2]
    assert_array_equal(model.classes_, classes)
    if container != "bool" and "bool" not in container:
        assert_array_equal(kernels.check_labels(LABELS[container], 150, 3), KNOWN)


@pytest.mark.parametrize("container", [
    list, np.array, pd.Series, pl.Series, pa.array,
    lambda s: np.ma.masked_array(np.where(KNOWN < 0, "?", s).astype(str), KNOWN < 0),
    lambda s: pd.Series(s, dtype="category"), lambda s: pa.array(s).dictionary_encode(),
    lambda s: pa.chunked_array([pa.array(s).dictionary_encode()]),
    lambda s: pl.Series(s.tolist(), dtype=pl.Categorical)])
def test_texts_are_sorted(container):
    model = fit(container(SPECIES))
    # setosa, which is code 1, comes first
    expected = fit(np.where(KNOWN < 0, -1, 1 - KNOWN))
    assert list(model.classes_) == ["setosa", "virginica"]
    assert_array_equal(model.means_, expected.means_)
    predicted = model.predict(X)
    assert predicted.dtype == np.int64
    assert model.classes_[predicted[0]] == "virginica"


@pytest.mark.parametrize("make", [
    lambda order: pd.Categorical(SPECIES, categories=order),
    lambda order: pl.Series(SPECIES.tolist(), dtype=pl.Enum(order))])
def test_categories_keep_their_order(make):
    order = ["virginica", "setosa", "versicolor"]
    model = fit(make(order))
    assert list(model.classes_) == order
    assert_array_equal(model.means_, fit(KNOWN).means_)


def test_classes_come_and_go(tmp_path):
    model = fit(SPECIES)
    model.save(tmp_path / "m.npz")
    assert list(GaussianMixture.load(tmp_path / "m.npz").classes_) == list(model.classes_)
    assert list(model.marginal([0]).classes_) == list(model.classes_)
    assert not hasattr(model.fit(X), "classes_")
    assert not hasattr(GaussianMixture(2).fit(X), "classes_")


@pytest.mark.parametrize(("labels", "error", "message"), [
    (KNOWN + 0.5, ValueError, "labels must hold integers, got 0.5 at row 0"),
    (KNOWN + 2, ValueError, "labels must lie in -1 .. 2, got 3 at row 50"),
    (np.where(KNOWN < 0, "a", KNOWN.astype(object)), TypeError, "labels mixes texts and int: 0"),
    (list("abcde") * 30, ValueError, "labels must name at most 3 components, got 5: 'a', 'b'"),
    (pd.Categorical(["a"] * 150, categories=list("abcd")), ValueError, "categories without rows"),
    (KNOWN.astype(complex), TypeError, "labels must hold integers.*complex128"),
    (pd.date_range("2020", periods=150), TypeError, "labels must hold integers.*datetime64"),
    ([{}] * 150, TypeError, "labels must hold integers.*{} at row 0"),
    (KNOWN[1:], ValueError, r"labels must have shape \(150,\), got \(149,\)"),
    (pl.LazyFrame({"a": KNOWN}), TypeError, "labels is a LazyFrame"),
])
def test_bad_labels(labels, error, message):
    model = GaussianMixture(3)
    with pytest.raises(error, match=message):
        model.fit(X, labels=labels)
    assert not hasattr(model, "means_")


def test_kernels_have_no_names_for_components():
    with pytest.raises(TypeError, match="labels must hold integers, got 'a' at row 1"):
        kernels.check_labels([None, "a"], 2, 2)
    moments = kernels.weighted_moments(X, LABELS["float"], X[:3])
    assert_array_equal(moments.counts, [20, 50, 0])


# --- weights --------------------------------------------------------------------------

WEIGHT = 1.0 + np.arange(150) % 3
WEIGHTS = {
    "int": WEIGHT.astype(int), "float32": WEIGHT.astype("f4"), "float16": WEIGHT.astype("f2"),
    "objects": WEIGHT.astype(object), "Decimal": [decimal.Decimal(int(w)) for w in WEIGHT],
    "Int64": pd.Series(WEIGHT).astype("Int64"), "Arrow": pa.array(WEIGHT), "polars":
    pl.Series(WEIGHT), "nothing masked": np.ma.masked_array(WEIGHT, False),
}
FITS = {
    "GaussianMixture": lambda X, w: GaussianMixture(3, random_state=0).fit(X, sample_weight=w),
    "diag": lambda X, w: GaussianMixture(
        3, covariance_type="diag", init_params="random", random_state=0).fit(X, sample_weight=w),
    "tied, seeds": lambda X, w: GaussianMixture(
        3, covariance_type="tied", init_params="k-means++", random_state=0).fit(
            X, sample_weight=w),
    "labels": lambda X, w: GaussianMixture(3, random_state=0).fit(
        X, sample_weight=w, labels=KNOWN),
    "KMeans": lambda X, w: KMeans(3, random_state=0).fit(X, sample_weight=w),
    "KMeans, random": lambda X, w: KMeans(3, init="random", n_init=2, random_state=0).fit(
        X, sample_weight=w),
    "GaussianImputer": lambda X, w: GaussianImputer().fit(X, sample_weight=w),
    "GaussianMixtureImputer": lambda X, w: GaussianMixtureImputer(2, random_state=0).fit(
        X, sample_weight=w),
    "select_mixture": lambda X, w: select_mixture(
        X, 2, sample_weight=w, random_state=0).best,
    "compare_clusterings": lambda X, w: compare_clusterings(
        X, 3, sample_weight=w, random_state=0).mixture,
}
# parameters that are of rows, and others that add up with the weights
PER_ROW = ("weights_", "means_", "covariances_", "location_", "covariance_", "cluster_centers_",
           "labels_", "lower_bound_")
SUMS = ("inertia_", "log_likelihood_")


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("name", ["GaussianMixture", "KMeans", "GaussianImputer"])
def test_weights_of_any_type(name, kind):
    found, expected = FITS[name](X, WEIGHTS[kind]), FITS[name](X, WEIGHT)
    for attribute in PER_ROW + SUMS:
        if hasattr(expected, attribute):
            assert_array_equal(getattr(found, attribute), getattr(expected, attribute))


@pytest.mark.parametrize("unit", [1e-100, 1e-46, 1e-30, 3.0, 1e12, 1e39])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", FITS)
@pytest.mark.filterwarnings("ignore:sample_weight sums to")
def test_the_unit_of_weights_does_not_matter(name, dtype, unit):
    rows = X.astype(dtype)
    incomplete = rows.copy()
    incomplete[::7, 1] = incomplete[3::11, 2] = np.nan
    for part in [rows] if name.startswith(("KM", "comp")) else [rows, incomplete]:
        found, expected = FITS[name](part, unit * WEIGHT), FITS[name](part, WEIGHT)
        if name == "select_mixture":    # of several starts at one maximum, rounding takes one
            for model in (found, expected):
                reorder(model, model.means_[:, 0].argsort())
        seen = 0
        for attribute in PER_ROW + SUMS:
            if hasattr(expected, attribute):
                seen += 1
                value = getattr(expected, attribute)
                assert_allclose(
                    getattr(found, attribute) / (unit if attribute in SUMS else 1), value,
                    rtol=1e-3 if dtype == "f4" else 1e-7,
                    atol=(1e-4 if dtype == "f4" else 1e-7) * np.abs(value).max())
        assert seen >= 3
        if dtype == "f8" and name != "select_mixture":
            assert abs(found.n_iter_ - expected.n_iter_) <= 1


@pytest.mark.filterwarnings("ignore:Best performing initialization did not converge")
def test_a_prior_weighs_as_rows_do():
    """The unit matters where a prior has one: weights of 2 are every row twice."""
    for dtype in ("f4", "f8"):
        rows = X.astype(dtype)
        for options in ({"covariance_prior": [10, 2.0]}, {"weight_concentration": 3.0}):
            twice = GaussianMixture(2, random_state=0, tol=1e-8, max_iter=500, **options)
            once = GaussianMixture(2, random_state=0, tol=1e-8, max_iter=500, **options)
            once.fit(rows, sample_weight=2048.0)
            twice.fit(rows, sample_weight=np.full(150, 2048))
            assert_allclose(once.means_, twice.means_)
        assert_allclose(
            GaussianImputer(prior=(5, 1.0)).fit(rows, sample_weight=np.full(150, 2)).covariance_,
            GaussianImputer(prior=(5, 1.0)).fit(np.r_[rows, rows]).covariance_,
            rtol=1e-3 if dtype == "f4" else 1e-9)
        sampled = GaussianImputer(prior=(5, 1.0)).fit(rows)
        holes = np.where(np.arange(600).reshape(150, 4) % 17 == 0, np.nan, rows)
        drawn = sampled.sample(holes, 1, method="augmentation", random_state=0, burn_in=3,
                               sample_weight=np.full(150, 64.0))
        assert np.isfinite(drawn).all()


@pytest.mark.parametrize("fit", [
    lambda w: GaussianMixture(2).fit(X, sample_weight=w),
    lambda w: KMeans(2).fit(X, sample_weight=w),
    lambda w: GaussianImputer().fit(X, sample_weight=w),
    lambda w: select_mixture(X, 2, sample_weight=w),
    lambda w: compare_clusterings(X, 2, sample_weight=w),
    lambda w: kernels.check_sample_weight(w, 150)])
def test_bad_weights(fit):
    texts = ["1"] * 149 + ["x"]
    for weight, error, message in [
            (np.ma.masked_array(WEIGHT, WEIGHT == 2), TypeError, "masked array.*row 1"),
            ([None, *WEIGHT[1:]], ValueError, "sample_weight contains nan at index 0"),
            (pd.Series(WEIGHT, dtype="Float64").where(WEIGHT < 3), ValueError, "nan at index 2"),
            (texts, TypeError, "sample_weight is not numeric: 'x' at row 149"),
            (WEIGHT.astype(complex), TypeError, "sample_weight must hold real numbers")]:
        with pytest.raises(error, match=message):
            fit(weight)


def test_shares_are_no_numbers_of_rows():
    with pytest.warns(EMWarning, match="sums to 1 for 150 rows.*Scale the weights"):
        select_mixture(X, 2, sample_weight=np.full(150, 1 / 150), random_state=0)
    select_mixture(X, 2, sample_weight=WEIGHT, random_state=0)
    imputer = GaussianImputer().fit(X)
    holes = X.copy()
    holes[0, 0] = np.nan
    for unit in (1e-100, 1e39):
        with pytest.raises(ValueError, match="takes it for a number of rows"):
            imputer.sample(holes, 2, sample_weight=unit * WEIGHT)


def test_a_picture_takes_the_labels_of_the_fit():
    plotting = pytest.importorskip("emkernels.plotting")
    model = fit(SPECIES)
    ax = plotting.plot_mixture(model, X, labels=SPECIES)
    colors = ax.collections[0].get_facecolors()
    palette = plotting.component_colors(3)
    assert_allclose(colors[0, :3], palette[1])      # virginica is component 1
    assert_allclose(colors[60, :3], palette[0])
    assert_allclose(colors[20, :3], int("9A", 16) / 255)
    with pytest.raises(ValueError, match="labels name 'other'.*'setosa', 'virginica'"):
        plotting.plot_mixture(model, X, labels=["other"] * 150)
    with pytest.raises(ValueError, match="labels name 'other'.*by number"):
        plotting.plot_mixture(fit(KNOWN), X, labels=["other"] * 150)
    ax.figure.clear()


@pytest.mark.parametrize("model", [
    *(GaussianMixture(2, covariance_type=each, random_state=0) for each in (
        "full", "tied", "diag", "spherical")),
    MixtureOfFactorAnalyzers(2, random_state=0), StudentTMixture(2, df=30.0, random_state=0),
    FactorAnalysis(1, noise="isotropic"), GaussianImputer(),
    GaussianMixtureImputer(2, random_state=0),
], ids=repr)
def test_rows_of_no_weight_have_no_say_however_far(model):
    model.fit(X)
    beyond = np.vstack([X, np.full((1, 4), 1e200)])     # its log density is -inf, but for Student t
    weight = np.append(np.ones(len(X)), 0.0)
    assert_allclose(model.score(beyond, sample_weight=weight), model.score(X), rtol=1e-12)
    for criterion in ("aic", "bic", "icl"):
        if hasattr(model, criterion):
            assert_allclose(getattr(model, criterion)(beyond, sample_weight=weight),
                            getattr(model, criterion)(X), rtol=1e-12)
