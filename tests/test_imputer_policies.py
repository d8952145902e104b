"""What the imputers do with input that is odd, degenerate or wrong."""

import copy
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.impute import SimpleImputer

from emkernels import GaussianImputer, GaussianMixtureImputer
from emkernels.em import EMWarning
from emkernels.models.imputation.gaps import together

BOTH = pytest.mark.parametrize("imputer", [
    GaussianImputer(), GaussianMixtureImputer(2, random_state=0),
    GaussianMixtureImputer(2, covariance_type="diag", random_state=0)],
    ids=["normal", "full", "diag"])


def table(n=60, p=3, share=0.2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ (np.eye(p) + 0.6 * np.tri(p, k=-1))
    missing = rng.random((n, p)) < share
    missing[missing.all(axis=1)] = False
    X[missing] = np.nan
    return X


def outputs(fit, X):
    """Everything that promises no NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arrays = [fit.transform(X), fit.sample(X, 2, random_state=0)]
    arrays += [fit.score_samples(X), np.array(fit.log_likelihood_), np.array(fit.lower_bounds_)]
    for name in ("location_", "covariance_", "precision_", "weights_", "means_", "covariances_",
                 "precisions_cholesky_"):
        if hasattr(fit, name):
            arrays.append(getattr(fit, name))
    return arrays


def check_finite(fit, X):
    for array in outputs(fit, X):
        assert np.isfinite(array).all()


# --- rows and columns with little in them -----------------------------------------------------


@BOTH
def test_rows_with_nothing_observed_add_nothing(imputer):
    X = table(200)
    empty = np.insert(X, [0, 10, 200], np.nan, axis=0)
    rows = ~np.isnan(empty).all(axis=1)
    fit, other = clone(imputer).fit(X), clone(imputer).fit(empty)
    assert other.n_patterns_ == fit.n_patterns_ + 1
    assert_allclose(other.log_likelihood_, fit.log_likelihood_, rtol=1e-10)
    filled = other.transform(empty)
    assert_allclose(filled[rows], fit.transform(X), rtol=1e-7, atol=1e-8)
    mean = (other.location_ if hasattr(other, "location_") else
            other.weights_ @ other.means_)
    assert_allclose(filled[~rows], np.tile(mean, (3, 1)), rtol=1e-12, atol=1e-12)
    assert_allclose(other.score_samples(empty)[~rows], 0, atol=1e-9)
    check_finite(other, empty)
    ridge = clone(imputer).set_params(prior="ridge")
    assert_allclose(ridge.fit(empty).transform(empty)[rows],
                    clone(ridge).fit(X).transform(X), rtol=1e-6, atol=1e-8)


@BOTH
@pytest.mark.parametrize("position", [0, 1, 3])
def test_empty_columns(imputer, position):
    X = table(200)
    wide = np.insert(X, position, np.nan, axis=1)
    others = np.delete(np.arange(4), position)
    plain = clone(imputer).fit(X).transform(X)
    fit = clone(imputer).fit(wide)
    with pytest.warns(UserWarning, match=rf"without any observed values: \[{position}\]"):
        filled = fit.transform(wide)
    assert_allclose(filled, plain, rtol=1e-6, atol=1e-7)
    names = fit.get_feature_names_out()
    assert_array_equal(names, [f"x{j}" for j in others])
    check_finite(fit, wide)
    kept = clone(imputer).set_params(keep_empty_features=True).fit(wide)
    filled = kept.transform(wide)
    assert_allclose(filled[:, others], plain, rtol=1e-6, atol=1e-7)
    assert_array_equal(filled[:, position], 0)
    assert len(kept.get_feature_names_out()) == 4
    check_finite(kept, wide)
    # as scikit-learn has it, also where values come later
    wide[0, position] = 3.0
    theirs = SimpleImputer(keep_empty_features=True).fit(np.insert(X, position, np.nan, axis=1))
    assert_array_equal(kept.transform(wide)[:, position], theirs.transform(wide)[:, position])


def test_an_empty_column_is_named():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(table(), columns=["a", "b", "c"]).assign(d=np.nan)
    fit = GaussianImputer().set_output(transform="pandas").fit(frame)
    with pytest.warns(UserWarning, match="'d'"):
        assert list(fit.transform(frame).columns) == ["a", "b", "c"]
    with pytest.warns(UserWarning, match="'d'"):
        assert list(fit.sample(frame, 1)[0].columns) == ["a", "b", "c"]


def test_a_column_without_weight_is_empty():
    X = table()
    X[5:, 1] = np.nan
    X[:5, 1] = 1.0
    weight = np.r_[np.zeros(5), np.ones(55)]
    fit = GaussianImputer().fit(X, sample_weight=weight)
    assert_array_equal(fit.get_feature_names_out(), ["x0", "x2"])


@BOTH
def test_constant_columns(imputer):
    X = table(200)
    plain = clone(imputer).fit(X)
    wide = np.insert(X, 1, 7.25, axis=1)
    wide[3, 1] = np.nan
    with pytest.warns(EMWarning, match="column 1 has one value only, which is put"):
        fit = clone(imputer).fit(wide)
    filled = fit.transform(wide)
    assert_array_equal(filled[:, 1], 7.25)
    assert_allclose(filled[:, [0, 2, 3]], plain.transform(X), rtol=1e-6, atol=1e-7)
    assert_allclose(fit.log_likelihood_, plain.log_likelihood_, rtol=1e-9)
    if isinstance(fit, GaussianImputer):
        assert fit.location_[1] == 7.25
        for matrix in (fit.covariance_, fit.precision_):
            assert matrix.shape == (4, 4)
            assert not matrix[1].any() and not matrix[:, 1].any()
    else:
        assert (fit.means_[:, 1] == 7.25).all()
        assert not fit.covariances_[:, 1].any()
    other = wide.copy()
    other[0, 1] = 1e9       # was not seen in the fit: kept, and says nothing
    assert_array_equal(fit.transform(other)[0, [0, 2, 3]], filled[0, [0, 2, 3]])
    assert fit.transform(other)[0, 1] == 1e9
    check_finite(fit, wide)


@BOTH
def test_columns_of_one_value_are_named_where_it_fills_in(imputer):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(table(50), columns=list("abc"))
    frame["whole"] = 2.0            # nothing to fill in: nothing to say
    clone(imputer).fit(frame)
    frame["once"] = [5.0] + 49 * [np.nan]
    with pytest.warns(EMWarning, match="^column 'once' has one value only") as caught:
        clone(imputer).fit(frame)
    assert len(caught) == 1


@BOTH
def test_nothing_varies(imputer):
    X = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, np.nan]])
    with pytest.warns(EMWarning, match="columns 0, 1, 2 have one value .* no column varies"):
        fit = clone(imputer).fit(X)
    assert fit.converged_ and fit.n_iter_ == 0 and fit.log_likelihood_ == 0
    assert_array_equal(fit.transform(X), [[1, 2, 3], [1, 2, 3]])
    assert_array_equal(fit.score_samples(X), [0, 0])
    check_finite(fit, X)


def test_nothing_varies_and_nothing_is_printed(capfd):
    with pytest.warns(EMWarning, match="no column varies"):
        fit = GaussianImputer().fit([[1.0, np.nan], [1.0, 2.0]])
    drawn = fit.sample([[1.0, np.nan]], 2, method="augmentation", random_state=0)
    assert_array_equal(drawn, np.full((2, 1, 2), [1, 2]))
    assert capfd.readouterr() == ("", "")       # LAPACK complains of matrices without columns


def test_one_row():
    with pytest.warns(EMWarning, match="the columns 0, 1, 2 have one value only.*nothing is est"):
        fit = GaussianImputer().fit([[1.0, 2.0, 3.0]])
    assert_array_equal(fit.transform([[np.nan, 5.0, np.nan]]), [[1, 5, 3]])
    assert not fit.covariance_.any()
    with pytest.warns(EMWarning, match="column 0 has one value only"):
        fit = GaussianImputer(keep_empty_features=True).fit([[1.0, np.nan]])
    assert_array_equal(fit.transform([[np.nan, np.nan]]), [[1, 0]])


def test_nothing_observed():
    X = np.full((4, 2), np.nan)
    with pytest.raises(ValueError, match="no observed value in any of its 2 columns"):
        GaussianImputer().fit(X)
    fit = GaussianImputer(keep_empty_features=True).fit(X)
    assert_array_equal(fit.transform(X), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="0 sample"):
        GaussianImputer().fit(np.empty((0, 2)))


# --- where the likelihood has no maximum ------------------------------------------------------


def sums(n=300, share=0.15, seed=0, ratio=1.0):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n, 2)) * [1e3, 1e3 * ratio]
    exact = np.column_stack([A, A.sum(axis=1)])
    X = exact.copy()
    X[rng.random(X.shape) < share] = np.nan
    return exact, X


@pytest.mark.parametrize("acceleration", [None, "squarem"])
def test_an_exact_sum_is_imputed_exactly(acceleration):
    exact, X = sums()
    with pytest.warns(EMWarning, match="no maximum.* 1 of 3 directions"):
        fit = GaussianImputer(acceleration=acceleration).fit(X)
    assert not fit.converged_       # there is no maximum to converge to
    one = np.isnan(X).sum(axis=1) == 1
    assert np.abs((fit.transform(X) - exact)[one] / exact.std(axis=0)).max() < 1e-6
    check_finite(fit, X)
    variances = np.linalg.eigvalsh(fit.covariance_ / np.outer(*[np.nanstd(X, axis=0)] * 2))
    assert_allclose(variances[0], 1e-8, rtol=0.1)
    assert (np.diff(fit.lower_bounds_) > -1e-7).all()
    ridge = GaussianImputer(prior="ridge").fit(X)
    assert ridge.converged_
    assert np.abs((ridge.transform(X) - exact)[one] / exact.std(axis=0)).max() < 0.2


def test_a_small_part_of_a_sum():
    exact, X = sums(ratio=100.0)    # the first column is the difference of two large ones
    with pytest.warns(EMWarning, match="no maximum"):
        fit = GaussianImputer().fit(X)
    one = np.isnan(X).sum(axis=1) == 1
    assert np.abs((fit.transform(X) - exact)[one] / exact.std(axis=0)).max() < 1e-3


def test_an_exact_sum_of_complete_rows():
    exact, _ = sums()
    with pytest.warns(EMWarning, match="along the columns"):
        fit = GaussianImputer().fit(exact)
    assert_allclose(fit.covariance_, np.cov(exact.T, bias=True), rtol=1e-6)


def test_an_exact_sum_in_float32():
    exact, X = sums()
    with pytest.warns(EMWarning, match="no maximum"):
        fit = GaussianImputer().fit(X.astype(np.float32))
    one = np.isnan(X).sum(axis=1) == 1
    filled = fit.transform(X.astype(np.float32))
    assert np.abs((filled - exact)[one] / exact.std(axis=0)).max() < 1e-4


def test_a_column_twice():
    X = table(100)
    X = np.column_stack([X, X[:, 0]])
    X[::7, 3] = np.nan
    with pytest.warns(EMWarning, match="columns [03], [03];"):
        fit = GaussianImputer().fit(X)
    both = np.isnan(X[:, 3]) & ~np.isnan(X[:, 0])
    assert_allclose(fit.transform(X)[both, 3], X[both, 0], atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_more_columns_than_rows(share):
    X = table(8, 20, share)
    with pytest.warns(EMWarning, match="of 20 directions"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "EM did not converge")
        fit = GaussianImputer(max_iter=100).fit(X)
    assert not fit.converged_
    assert np.isfinite(fit.transform(X)).all()
    if share:
        with pytest.raises(ValueError, match="8 rows of 20 varying columns are too few"):
            fit.sample(X)
    fit = GaussianImputer(prior="ridge").fit(X)
    assert fit.converged_
    check_finite(fit, X)


def test_a_mixture_keeps_its_components_from_single_rows():
    _, X = sums(60)
    with pytest.warns(EMWarning, match="in component"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "EM did not converge")
        fit = GaussianMixtureImputer(3, random_state=0, max_iter=200).fit(X)
    check_finite(fit, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for covariance_type in ("tied", "diag", "spherical"):
            fit = GaussianMixtureImputer(
                10, covariance_type=covariance_type, max_iter=100, random_state=0).fit(X[:15])
            check_finite(fit, X[:15])


def test_columns_never_observed_together():
    X = table(200)
    X[:100, 0] = np.nan
    X[100:, 1] = np.nan
    with pytest.warns(EMWarning, match="no row has both of the columns 0 and 1:"):
        fit = GaussianImputer().fit(X)
    check_finite(fit, X)
    fit = GaussianImputer(prior="ridge").fit(X)     # and no warning
    assert fit.converged_
    check_finite(fit, X)
    pd = pytest.importorskip("pandas")
    with pytest.warns(EMWarning, match="'age' and 'size'"):
        GaussianImputer().fit(pd.DataFrame(X, columns=["age", "size", "c"]))
    # only rows of some weight count
    Y, weight = X.copy(), np.ones(200)
    Y[:40, 0] = table(200, seed=1)[:40, 0]
    GaussianImputer().fit(Y)
    weight[:40] = 0
    with pytest.warns(EMWarning, match="0 and 1:"):
        GaussianImputer().fit(Y, sample_weight=weight)


def test_a_variance_at_the_floor_is_named():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(100, 3)), rng.normal(size=(100, 3)) + 9])
    X[100:, 1] = 5.0
    X[::7, 0] = np.nan
    with pytest.warns(EMWarning, match=r"no maximum: the variance of component \d goes to zero in "
                                       "column 1. That"):
        GaussianMixtureImputer(2, covariance_type="diag", random_state=0).fit(X)
    X[100:] = 5.0
    with pytest.warns(EMWarning, match=r"no maximum: the variance of component \d goes to zero. T"):
        GaussianMixtureImputer(2, covariance_type="spherical", random_state=0).fit(X)


def test_pairs_are_looked_for_under_every_pattern():
    """Some thousands of patterns at a time: a pair seen once, at either end, is seen."""
    masks = np.ones((5000, 1024), bool)
    for row, pair in ((0, (0, 1)), (-1, (2, 3))):
        masks[row, pair] = False
    masks[2500, [0, 2]] = False
    never = np.argwhere(np.triu(~together(SimpleNamespace(
        all_patterns=SimpleNamespace(masks=masks), sample_weight=None)), 1))
    assert len(never) == 1024 * 1023 // 2 - 3
    found = {tuple(pair) for pair in never[never[:, 1] < 4].tolist()}
    assert found == {(0, 3), (1, 2), (1, 3)}


def test_many_pairs_are_counted():
    X = np.full((40, 8), np.nan)
    rng = np.random.default_rng(0)
    for i in range(40):
        X[i, [i % 8, (i + 1) % 8]] = rng.normal(size=2)
    with pytest.warns(EMWarning, match="and 14 more"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the likelihood has no maximum|EM did not converge")
        GaussianImputer().fit(X)


# --- what counts as missing -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int16])
def test_a_number_for_missing(dtype):
    X = np.round(10 * table())
    coded = np.where(np.isnan(X), -999, X).astype(dtype)
    fit = GaussianImputer(missing_values=-999).fit(coded)
    filled = fit.transform(coded)
    seen = ~np.isnan(X)
    assert filled.dtype == (np.float32 if dtype == np.float32 else np.float64)
    assert_array_equal(filled[seen], X[seen])
    plain = GaussianImputer().fit_transform(X)
    assert_allclose(filled, plain, rtol=1e-3 if dtype == np.float32 else 1e-12, atol=1e-3)
    assert (coded == -999).sum() == (~seen).sum()
    with pytest.raises(ValueError, match="NaN at row 2, column 1, but missing_values is -999"):
        bad = coded.astype(float)
        bad[2, 1] = np.nan
        fit.transform(bad)
    zeros = np.where(seen & (X != 0), X, 0)
    filled = GaussianImputer(missing_values=0).fit(zeros).transform(zeros)
    assert_array_equal(filled[zeros != 0], X[zeros != 0])
    assert (filled != 0).all()


def test_integers_objects_and_nullable_columns():
    pd = pytest.importorskip("pandas")
    pl = pytest.importorskip("polars")
    X = np.round(10 * table())
    expected = GaussianImputer().fit_transform(X)
    rows = [[None if np.isnan(x) else int(x) for x in row] for row in X]
    assert_array_equal(GaussianImputer().fit_transform(np.array(rows, dtype=object)), expected)
    nullable = pd.DataFrame(rows, columns=["a", "b", "c"]).astype("Int64")
    assert nullable.isna().any().any()
    assert_array_equal(GaussianImputer().fit_transform(nullable), expected)
    assert_array_equal(GaussianImputer().fit_transform(nullable.astype("Float64")), expected)
    arrow = pl.DataFrame(rows, schema=["a", "b", "c"], orient="row")
    assert_array_equal(GaussianImputer().fit_transform(arrow), expected)
    whole = np.random.default_rng(0).integers(9, size=(30, 3))
    filled = GaussianImputer().fit(whole).transform(whole)
    assert filled.dtype == np.float64
    assert_array_equal(filled, whole)
    with pytest.raises(ValueError, match="column 0 of X is not numeric: 'a' at row 0"):
        GaussianImputer().fit([["a", 1.0], ["b", 2.0]])


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("where", ["fit", "transform", "sample", "score"])
def test_infinity_is_named(value, where):
    X = table()
    fit = GaussianImputer().fit(X)
    bad = X.copy()
    bad[7, 2] = value
    with pytest.raises(ValueError, match="infinity.* row 7, column 2"):
        getattr(fit, where)(bad)


def test_sparse_input_is_refused():
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csc_array):
        with pytest.raises(TypeError, match="[Ss]parse"):
            GaussianImputer().fit(kind(np.eye(4)))
        with pytest.raises(TypeError, match="[Ss]parse"):
            GaussianImputer().fit(table()).transform(kind(np.eye(3)))


def test_other_columns_than_in_the_fit():
    pd = pytest.importorskip("pandas")
    X = table()
    fit = GaussianImputer().fit(X)
    for method in (fit.transform, fit.score_samples, fit.sample):
        with pytest.raises(ValueError, match="2 features"):
            method(X[:, :2])
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    fit = GaussianImputer().fit(frame)
    with pytest.raises(ValueError, match="feature names"):
        fit.transform(frame[["b", "a", "c"]])
    with pytest.raises(ValueError, match="feature names"):
        fit.transform(frame.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="2 features|feature names"):
        fit.sample(frame, training_data=frame[["a", "b"]])


# --- numbers at the end of their range --------------------------------------------------------


@pytest.mark.parametrize(("dtype", "scale"), [
    ("f8", 1e-200), ("f8", 1e200), ("f4", 1e-30), ("f4", 1e25)])
def test_columns_beyond_squares_are_named(dtype, scale):
    X = table()
    X[:, 1] *= scale
    with pytest.raises(ValueError, match="column 1 .*Rescale"):
        GaussianImputer().fit(X.astype(dtype))


@BOTH
def test_scales_and_offsets_far_apart(imputer):
    X = table(200)
    plain = clone(imputer).fit(X).transform(X)
    units = np.array([1e-100, 1.0, 1e100])
    fit = clone(imputer).fit(X * units)
    assert_allclose(fit.transform(X * units) / units, plain, atol=1e-4)
    offsets = np.array([1e8, -1e8, 0.0])
    fit = clone(imputer).fit(X + offsets)
    assert_allclose(fit.transform(X + offsets) - offsets, plain, atol=1e-4)


@BOTH
def test_rows_far_away(imputer):
    fit = clone(imputer).fit(table(200))
    for dtype, far in (("f8", 1e300), ("f4", 1e30)):
        rows = np.array([[far, np.nan, 1], [np.nan, -far, np.nan], [np.nan] * 3], dtype)
        assert np.isfinite(fit.transform(rows)).all()
        assert not np.isnan(fit.score_samples(rows)).any()
        assert np.isfinite(fit.sample(rows, 1, training_data=table(200), random_state=0)).all()


def test_layouts_are_read_in_place():
    X = table(200)
    expected = GaussianImputer().fit(X)
    strided = np.zeros((400, 6))
    strided[::2, ::2] = X
    for other in (np.asfortranarray(X), strided[::2, ::2], X.copy()):
        other.setflags(write=False)
        fit = GaussianImputer().fit(other)
        assert_array_equal(fit.covariance_, expected.covariance_)
        assert_array_equal(fit.transform(other), expected.transform(X))


def test_cells_keep_their_bits():
    X = table(100)
    X[3] = [-0.0, 5e-324, np.nan]
    filled = GaussianImputer().fit_transform(X)
    seen = ~np.isnan(X)
    assert_array_equal(filled[seen].view(np.int64), X[seen].view(np.int64))


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "message"), [
    ({"prior": ("ridge", 0.0)}, "amount > 0"),
    ({"prior": ("ridge", "much")}, "amount > 0"),
    ({"prior": ("ridge",)}, "prior must be"),
    ({"prior": ("lasso", 1.0)}, "amount > 0"),
    ({"prior": "lasso"}, "'prior' parameter"),
    ({"prior": (-5.0, 1.0)}, "at least"),
    ({"prior": (3.0, np.eye(2))}, "for 3 columns"),
    ({"prior": (3.0, -np.eye(3))}, "not negative"),
    ({"prior": (3.0, np.nan)}, "finite"),
    ({"prior": (np.nan, 1.0)}, "finite dof"),
    ({"min_value": [0.0, 1.0]}, "min_value"),
    ({"min_value": 2.0, "max_value": 2.0}, "below max_value"),
    ({"max_value": [1.0, np.nan, 1.0]}, "max_value contains NaN"),
    ({"tol": -1.0}, "tol"),
    ({"n_threads": 0}, "n_threads"),
    ({"missing_values": "none"}, "missing_values"),
    ({"acceleration": "fast"}, "acceleration"),
])
@pytest.mark.parametrize("fitted", [False, True])
def test_a_refused_fit_changes_nothing(options, message, fitted):
    X = table()
    imputer = GaussianImputer()
    if fitted:
        imputer.fit(X)
    imputer.set_params(**options)
    before = copy.deepcopy(vars(imputer))
    with pytest.raises(ValueError, match=message):
        imputer.fit(table(40, seed=1))
    unchanged(imputer, before)


@pytest.mark.parametrize("break_", [
    lambda X, w: (np.where(np.isnan(X), np.inf, X), w),
    lambda X, w: (X, -w),
    lambda X, w: (X, w[:-1]),
    lambda X, w: (X, 0 * w),
    lambda X, w: (np.full((9, 3), np.nan), None),
    lambda X, w: (X * 1e200, w),
    lambda X, w: (X[:, :, None], w),
])
def test_bad_data_change_nothing(break_):
    imputer = GaussianMixtureImputer(2, random_state=0).fit(table())
    before = copy.deepcopy(vars(imputer))
    X, weight = break_(table(), np.ones(60))
    with pytest.raises(ValueError):
        imputer.fit(X, sample_weight=weight)
    unchanged(imputer, before)
    imputer.set_params(callback=lambda state: 1 / 0)
    before = copy.copy(vars(imputer))
    with pytest.raises(ZeroDivisionError):
        imputer.fit(table(seed=3))
    unchanged(imputer, before)


def unchanged(imputer, before):
    after = vars(imputer)
    assert after.keys() == before.keys()
    for name, value in before.items():
        if isinstance(value, np.ndarray) or name == "missing_values":
            assert_array_equal(after[name], value)
        elif type(value).__module__.startswith("emkernels"):
            for field, part in vars(value).items():
                assert_array_equal(getattr(after[name], field), part)
        else:
            assert after[name] is value or repr(after[name]) == repr(value)


def test_more_components_than_rows():
    X = table(20)
    X[3:] = np.nan
    with pytest.raises(ValueError, match="n_components = 5, n_samples = 3"):
        GaussianMixtureImputer(5).fit(X)


# --- found by trying -----------------------------------------------------------------

@pytest.fixture
def with_dropped_columns():
    X = np.c_[np.full(60, np.nan), np.full(60, 3.0), table()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield GaussianImputer().fit(X), X


@pytest.mark.parametrize("column", [0, 1, 4])
def test_an_infinity_is_named_in_columns_that_are_left_out(with_dropped_columns, column):
    fit, X = with_dropped_columns
    X = X[:3].copy()
    X[1, column] = np.inf
    for method in (fit.transform, fit.score_samples, fit.sample):
        with pytest.raises(ValueError, match=f"row 1, column {column}"):
            method(X)


def test_standard_errors_name_the_columns_of_the_table():
    pd = pytest.importorskip("pandas")
    X = table(60, 3, 0.1)
    X[:30, 1], X[30:, 2] = np.nan, np.nan
    X = np.c_[np.full(60, 3.0), X]
    for rows, names in ((X, "'2' and '3'"), (pd.DataFrame(X, columns=list("abcd")), "'c' and 'd'")):
        with pytest.warns(EMWarning):
            fit = GaussianImputer().fit(rows)
        with pytest.raises(ValueError, match=names):
            fit.standard_errors(rows)
    constant = np.full((5, 2), 3.0)
    constant[0, 0] = np.nan
    with pytest.warns(EMWarning, match="no column varies"):
        fit = GaussianImputer().fit(constant)
    assert fit.standard_errors(constant).location.shape == (0,)
    assert fit.missing_information(constant).covariance.shape == (0, 0)


@pytest.mark.parametrize("covariance_type", ["tied", "diag", "spherical"])
def test_augmentation_is_for_full_covariances(covariance_type):
    X = table()
    fit = GaussianMixtureImputer(1, covariance_type=covariance_type).fit(X)
    with pytest.raises(ValueError, match="full covariance"):
        fit.sample(X, method="augmentation")


def test_a_start_on_some_rows_has_the_rare_columns():
    """Of 100,000 rows 20,000 are looked at: two given rows are among them once in 25 times."""
    X = np.random.default_rng(0).normal(size=(100_000, 2))
    X[2:, 1] = np.nan
    X[:2, 1] = 3, 5
    for seed in range(3):
        fit = GaussianMixtureImputer(1, max_iter=0, random_state=seed).fit(X)
        assert_allclose(fit.means_[0, 1], 4)
        assert_allclose(fit.covariances_[0, 1, 1], 1)


def test_a_flat_prior_of_variances_is_maximum_likelihood():
    X = table(12, 5, 0.1)
    for covariance_type in ("diag", "spherical"):
        options = {"covariance_type": covariance_type, "tol": 1e-9}
        flat = GaussianMixtureImputer(1, prior=(-2, 0.0), **options).fit(X)
        plain = GaussianMixtureImputer(1, **options).fit(X)
        assert_allclose(flat.covariances_, plain.covariances_, rtol=1e-6)
        with pytest.raises(ValueError, match="at least -2"):
            GaussianMixtureImputer(1, prior=(-6, 0.0), **options).fit(X)


def test_too_few_rows_to_draw_parameters_from():
    X = table(200, 4)
    fit = GaussianImputer().fit(X)
    few = np.where(np.eye(4, dtype=bool)[:2], np.nan, 1.0)
    with pytest.raises(ValueError, match="2 rows of 4 varying columns"):
        fit.sample(few)
    draws = fit.sample(few, 200, training_data=X, random_state=0)
    assert draws[:, 0, 0].std() > 0.3
    lost = X.copy()
    lost[:, 0] = np.nan
    with pytest.raises(ValueError, match="fewer than two values"):
        fit.sample(lost, method="augmentation")
    lost[0, 0] = 1.0
    with pytest.raises(ValueError, match="fewer than two values"):
        fit.sample(lost, method="augmentation")


def test_the_na_of_pandas_is_allowed():
    pd = pytest.importorskip("pandas")
    assert GaussianImputer(missing_values=pd.NA).__sklearn_tags__().input_tags.allow_nan
    assert not GaussianImputer(missing_values=-1).__sklearn_tags__().input_tags.allow_nan
