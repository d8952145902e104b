"""Pooling by Rubin's rules, the summary of missing values and Little's test."""

import doctest
import sys

import numpy as np
import pytest
import tables
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from emkernels.models.missing import (
    little,
    little_mcar_test,
    missing_data_summary,
    pool,
    pooling,
    summary,
)

NAN = np.nan


def with_gaps(X, share=0.3, seed=0):
    X = np.array(X, float)
    X[np.random.default_rng(seed).uniform(size=X.shape) < share] = NAN
    return X


# --- pooling --------------------------------------------------------------------------

# What R's mice 3 prints for linear models of nhanes in five imputations: estimate, within, between,
# total, complete df, df, r, lambda, fmi; standard error, t and p where its summary is printed too
MICE = {
    "age on bmi, intercept": (3.85793713, 1.101684619, 0.1435955094, 1.273999230, 23, 16.93708,
                              0.1564101, 0.1352549, 0.2220023, 1.12871574, 3.417988, 0.003292004),
    "age on bmi": (-0.07826576, 0.001498793, 0.0002086205, 0.001749137, 23, 16.64170, 0.1670308,
                   0.1431246, 0.2303752, 0.04182269, -1.871371, 0.078980518),
    "age on bmi, other draws": (3.91587204, 1.154102714, 0.3341192913, 1.555045863, 23, 12.48683,
                                0.3474068, 0.2578336, 0.3536785, 1.24701478, 3.140197, 0.00816489),
    "bmi on hyp": (-0.3542480, 3.706792, 2.6254225741, 6.857299, 22, 6.93623, 0.8499281, 0.4594385,
                   0.5682446, 2.61864457, -0.1352791, 0.89623320),
    "bmi on chl": (0.0320654, 6.292612e-04, 0.0001111273, 7.626139e-04, 22, 14.81005, 0.2119196,
                   0.1748627, 0.2675225, 0.02761547, 1.1611391, 0.26395911),
}


def draws(mean, between):
    """Five numbers of this mean and variance."""
    z = np.array([-1.2, 0.4, 0.9, -0.7, 0.6])
    z = (z - z.mean()) / z.std(ddof=1)
    return mean + np.sqrt(between) * z


@pytest.mark.parametrize("name", MICE)
def test_pool_prints_what_mice_prints(name):
    estimate, within, between, total, complete, df, r, lam, fmi, error, t, p = MICE[name]
    spread = within * np.array([0.9, 1.1, 1.05, 0.95, 1.0])
    result = pool(draws(estimate, between), spread, complete_df=complete)
    assert_allclose(
        [result.estimate, result.within, result.between, result.total, result.df, result.r,
         result.lam, result.fmi, result.standard_error, result.t, result.p_value],
        [estimate, within, between, total, df, r, lam, fmi, error, t, p], rtol=2e-6)
    half = stats.t.ppf(0.975, result.df) * result.standard_error
    assert_allclose([result.low, result.high], [estimate - half, estimate + half], rtol=1e-10)


def test_pool_without_complete_df_is_rubins():
    rng = np.random.default_rng(0)
    q, u = rng.normal(size=(7, 3)), rng.uniform(0.5, 2, size=(7, 3))
    result = pool(q, u, confidence=0.9)
    between = q.var(axis=0, ddof=1)
    total = u.mean(axis=0) + 8 / 7 * between
    df = 6 * (1 + u.mean(axis=0) / (8 / 7 * between)) ** 2      # Rubin 1987, (3.1.6)
    assert_allclose(result.df, df)
    assert_allclose(result.total, total)
    t = stats.t(df, loc=q.mean(axis=0), scale=np.sqrt(total))
    assert_allclose([result.low, result.high], t.interval(0.9))
    assert_allclose(result.p_value, 2 * stats.t.sf(np.abs(q.mean(axis=0) / np.sqrt(total)), df))
    for complete in (1e12, np.inf, [1e12, np.inf, 1e15]):
        assert_allclose(pool(q, u, complete_df=complete).df, df, rtol=1e-9)
    mixed = pool(q, u, complete_df=[10, np.inf, 20]).df
    assert_allclose(mixed, [pool(q[:, j], u[:, j], complete_df=c).df
                            for j, c in enumerate([10, None, 20])])
    assert (mixed <= np.minimum(df, [10, np.inf, 20])).all()


def test_pool_takes_covariances_and_frames():
    rng = np.random.default_rng(1)
    q = rng.normal(size=(4, 2))
    factors = rng.normal(size=(4, 2, 2))
    u = factors @ np.swapaxes(factors, 1, 2)
    result, plain = pool(q, u), pool(q, np.diagonal(u, axis1=1, axis2=2))
    assert_array_equal(result.standard_error, plain.standard_error)
    assert plain.total_covariance is None
    assert_allclose(result.total_covariance, u.mean(axis=0) + 1.25 * np.cov(q.T))
    assert_allclose(np.diag(result.total_covariance), result.total)
    pd = pytest.importorskip("pandas")
    framed = pool(pd.DataFrame(q, columns=["slope", "level"]), u)
    assert framed.names == ("slope", "level")
    assert "slope" in str(framed) and "level" in str(framed)
    single = pool([1.0, 2.0], [1.0, 1.0])
    assert isinstance(single.estimate, float) and isinstance(single.df, float)
    lines = str(single).splitlines()
    assert lines[0] == "2 imputations, 95 % intervals"
    assert lines[1].split() == ["estimate", "std.", "error", "t", "df", "p", "low", "high", "r",
                                "lambda", "fmi"]
    assert "1.5" in lines[2] and "1.323" in lines[2]


def finite_enough(result):
    return not any(np.isnan(np.asarray(value, float)).any() for key, value in vars(result).items()
                   if key not in ("names", "total_covariance"))


def test_pool_where_variances_vanish():
    agree = pool([0.1 + 0.2] * 3, [0.3, 0.28, 0.32])
    assert agree.between == 0 and agree.df == np.inf and agree.fmi == 0
    assert_allclose(agree.p_value, 2 * stats.norm.sf(agree.t))
    for value in (0.1, 0.7, 1 / 3, 1e17 / 7):       # a mean of three may be rounded to another
        same = pool([value] * 3, [1.0] * 3)
        assert same.between == same.r == same.lam == 0 and same.df == np.inf
        assert pool([[value, 1.0]] * 3, np.ones((3, 2))).between.tolist() == [0, 0]
    small = pool([4.1] * 3, [0.3, 0.28, 0.32], complete_df=40)
    assert_allclose(small.df, 41 / 43 * 40)
    nearly = pool([4.1, 4.1, 4.1 + 1e-9], [0.3, 0.28, 0.32], complete_df=40)
    assert_allclose(nearly.df, small.df)
    certain = pool([4.1, 4.2], [0.0, 0.0])      # the estimates have no variance of their own
    assert certain.df == 1 and certain.fmi == 1 and certain.r == np.inf
    nothing = pool([4.1, 4.2], [0.0, 0.0], complete_df=10)
    assert nothing.df == 0 and nothing.low == -np.inf and nothing.p_value == 1
    fixed = pool([[4.1, 0.0], [4.1, 0.0]], np.zeros((2, 2)))
    assert_array_equal(fixed.t, [np.inf, 0])
    assert_array_equal(fixed.p_value, [0, 1])
    assert_array_equal(fixed.low, [4.1, 0])
    for result in (agree, small, nearly, certain, nothing, fixed):
        assert finite_enough(result)
        str(result)


@pytest.mark.parametrize(("estimates", "variances", "options", "message"), [
    ([1.0], [1.0], {}, "at least 2 imputations, got 1"),
    ([[1.0, 2.0]], [[1.0, 2.0]], {}, "at least 2 imputations, got 1"),
    ([1.0, 2.0], [1.0], {}, r"variances must have shape \(2,\).*got \(1,\)"),
    ([1.0, 2.0], [[1.0], [1.0]], {}, r"variances must have shape \(2,\)"),
    (np.ones((3, 2)), np.ones((3, 3)), {}, r"\(3, 2\) or \(3, 2, 2\).*got \(3, 3\)"),
    (np.ones((3, 2)), np.ones(3), {}, r"\(3, 2\) or \(3, 2, 2\)"),
    (1.0, 1.0, {}, "estimates must have shape"),
    (np.ones((2, 2, 2)), np.ones((2, 2, 2)), {}, "estimates must have shape"),
    ([1.0, NAN], [1.0, 1.0], {}, "estimates contains NaN"),
    ([1.0, 2.0], [1.0, np.inf], {}, "variances contains NaN or infinity"),
    ([1.0, 2.0], [1.0, -0.5], {}, "parameter 0 in imputation 1 is negative: -0.5"),
    (np.ones((2, 2)), [[[1, 0], [0, 1]], [[1, 0], [0, -1]]], {}, "parameter 1 in imputation 1"),
    (np.ones((2, 2)), [[[1, 0], [0, 1]], [[1, 0.5], [0, 1]]], {}, "not symmetric"),
    ([1.0, 2.0], [1.0, 1.0], {"complete_df": 0}, "complete_df"),
    ([1.0, 2.0], [1.0, 1.0], {"complete_df": NAN}, "complete_df"),
    ([1.0, 2.0], [1.0, 1.0], {"complete_df": [1, 2]}, "complete_df"),
    ([1.0, 2.0], [1.0, 1.0], {"confidence": 95}, "confidence"),
])
def test_pool_names_what_is_wrong(estimates, variances, options, message):
    with pytest.raises(ValueError, match=message):
        pool(estimates, variances, **options)


# --- the summary ----------------------------------------------------------------------


def test_summary_of_airquality():
    summary = missing_data_summary(tables.AIRQUALITY.X)
    X = tables.AIRQUALITY.X
    columns, patterns = summary.columns, summary.patterns
    assert columns["name"].tolist() == ["x0", "x1", "x2", "x3", "x4", "x5"]
    assert columns["n_missing"].tolist() == [37, 7, 0, 0, 0, 0]
    assert columns["n_observed"].tolist() == [116, 146, 153, 153, 153, 153]
    assert_allclose(columns["share"], np.isnan(X).mean(axis=0))
    for name, function in (("mean", np.nanmean), ("min", np.nanmin), ("max", np.nanmax)):
        assert_allclose(columns[name], function(X, axis=0), rtol=1e-13)
    assert_allclose(columns["std"], np.nanstd(X, axis=0, ddof=1), rtol=1e-13)
    assert patterns["count"].tolist() == [111, 35, 5, 2]
    assert patterns["n_missing"].tolist() == [0, 1, 1, 2]
    assert patterns["missing"].astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]]
    assert_allclose(patterns["share"], np.array([111, 35, 5, 2]) / 153)
    seen = (~np.isnan(X)).astype(int)
    assert_array_equal(summary.pairwise_observed, seen.T @ seen)
    assert (summary.n_samples, summary.n_features, summary.n_missing, summary.n_complete,
            summary.n_empty) == (153, 6, 44, 111, 0)
    text = str(summary)
    assert "153 rows, 6 columns: 44 of 918 values missing (4.79 %); 111 rows complete" in text
    assert text.splitlines()[3].split()[:5] == ["x0", "37", "24.2", "%", "116"]
    assert text.splitlines()[-1].split() == ["4", "2", "1.3", "%", "2", "x0,", "x1"]


def test_summary_of_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({
        "object": [1, None, 2.5, pd.NA], "nullable": pd.array([1, None, 3, 4], dtype="Int64"),
        "whole": [1, 2, 3, 4], "flag": pd.array([True, None, False, True], dtype="boolean"),
        7: [1.0, NAN, 3.0, 4.0]})
    before = frame.copy(deep=True)
    summary = missing_data_summary(frame)
    assert summary.columns["name"].tolist() == ["object", "nullable", "whole", "flag", "7"]
    assert summary.columns["n_missing"].tolist() == [2, 1, 0, 1, 1]
    assert_allclose(summary.columns["mean"], [1.75, 8 / 3, 2.5, 2 / 3, 8 / 3])
    assert "object, nullable, flag, 7" in str(summary)
    pd.testing.assert_frame_equal(frame, before)
    columns, patterns = summary.to_pandas()
    assert columns.index.tolist() == summary.columns["name"].tolist()
    assert columns.loc["object", "n_missing"] == 2
    assert patterns.columns.tolist() == ["count", "share", "n_missing", "object", "nullable",
                                         "whole", "flag", "7"]
    assert patterns["count"].tolist() == [2, 1, 1]
    pl = pytest.importorskip("polars")
    other = pl.DataFrame({"a": [1, None, 3], "b": [0.5, NAN, None], "c": [1, 2, 3]})
    assert missing_data_summary(other).columns["n_missing"].tolist() == [1, 2, 0]
    assert missing_data_summary(other).columns["name"].tolist() == ["a", "b", "c"]


def test_summary_without_pandas(monkeypatch):
    summary = missing_data_summary(tables.NHANES.X)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas"):
        summary.to_pandas()
    str(summary)


@pytest.mark.parametrize("X", [
    [[1, 2], [3, None]], [[1.0, 2.0], [3.0, NAN]], np.array([[1, 2], [3, None]], dtype=object),
    np.array([[1, 2], [3, NAN]], dtype=np.float32), np.array([[1, 2], [3, NAN]], dtype=np.float16),
], ids=["lists with None", "lists", "objects", "float32", "float16"])
def test_summary_of_other_input(X):
    assert missing_data_summary(X).columns["n_missing"].tolist() == [0, 1]


def test_summary_of_extremes():
    whole = missing_data_summary(np.arange(6).reshape(3, 2))
    assert whole.n_missing == 0 and whole.n_complete == 3
    assert "none" in str(whole)
    X = np.array([[1e9 + 0.25, NAN, 5.0], [1e9 - 0.25, NAN, NAN], [1e9, NAN, NAN],
                  [NAN, NAN, NAN]])
    summary = missing_data_summary(X)
    assert_array_equal(summary.columns["mean"], [1e9, NAN, 5])
    assert_allclose(summary.columns["std"], [0.25, NAN, NAN])
    assert summary.n_empty == 1 and "-" in str(summary)
    large = missing_data_summary(np.array([[1e200], [-1e200], [NAN]]))
    assert_allclose(large.columns["std"], np.sqrt(2) * 1e200)
    many = missing_data_summary(with_gaps(np.zeros((200, 12)), 0.5))
    assert "patterns more" in str(many)
    assert many.patterns["count"].sum() == 200
    assert (np.diff(many.patterns["count"]) <= 0).all()
    many = with_gaps(np.zeros((6000, 14)), 0.5)     # 4096 patterns are looked at together
    summary, seen = missing_data_summary(many), (~np.isnan(many)).astype(int)
    assert len(summary.patterns["count"]) > 4096
    assert_array_equal(summary.pairwise_observed, seen.T @ seen)


@pytest.mark.parametrize("function", [missing_data_summary, little_mcar_test])
@pytest.mark.parametrize(("X", "message"), [
    (np.array([[1, 2], [np.inf, NAN]]), "infinity.*row 1, column 0"),
    (np.array([[1, -np.inf], [2, NAN]]), "infinity.*row 0, column 1"),
    (np.ones(3), "2-d"),
    (np.ones((2, 2, 2)), "2-d"),
    (np.ones((0, 2)), "empty"),
    (np.ones((2, 0)), "empty"),
    (np.array([["a", "b"]]), "X must hold real numbers.*a at row 0, column 0"),
    (np.array([[1, 2], [3, "b"]], dtype=object), "column 1 of X is not numeric: 'b' at row 1"),
    (np.array([[1 + 2j, 2]]), "X must hold real numbers.*Complex"),
    (np.array([["2020-01-01"]], dtype="M8[D]"), "X must hold real numbers.*dates"),
])
def test_bad_tables_are_named(function, X, message):
    with pytest.raises(ValueError, match=message):
        function(X)


# --- Little's test --------------------------------------------------------------------


def test_little_of_airquality_is_naniars():
    statistic, df, p_value, n_patterns = tables.AIRQUALITY_MCAR
    result = little_mcar_test(tables.AIRQUALITY.X)
    assert round(result.statistic, 1) == statistic
    assert result.df == df
    assert round(result.p_value, 5) == p_value
    assert result.n_patterns == n_patterns and result.n_samples == 153
    assert_allclose(result.p_value, stats.chi2.sf(result.statistic, df), rtol=1e-10)
    assert "chi-squared = 35.11, df = 14, p = 0.001418 (153 rows, 4 patterns)" in str(result)
    corrected = little_mcar_test(tables.AIRQUALITY.X, ddof=1)
    assert_allclose(corrected.statistic, result.statistic * 152 / 153)
    assert_array_equal(corrected.covariance, result.covariance)


def test_little_with_one_incomplete_column_is_the_t_test():
    # Little 1988: a comparison of the complete column between the two groups
    X = np.random.default_rng(0).normal(size=(60, 2))
    X[:25, 1] = NAN
    t = stats.ttest_ind(X[:25, 0], X[25:, 0]).statistic
    result = little_mcar_test(X)
    assert result.df == 1
    assert_allclose(result.statistic, 60 * t**2 / (58 + t**2), rtol=1e-9)


def test_little_of_any_units_and_rows():
    X = with_gaps(np.random.default_rng(4).normal(size=(150, 3)), 0.2)
    result = little_mcar_test(X)
    scaled = little_mcar_test(X * [1e8, 1e-6, 3] + [1e9, 5, 0])
    assert_allclose(scaled.statistic, result.statistic, rtol=1e-6)
    empty = little_mcar_test(np.vstack([X, np.full((9, 3), NAN)]), ddof=1)
    kept = ~np.isnan(X).all(axis=1)
    assert_allclose(empty.statistic, little_mcar_test(X[kept], ddof=1).statistic, rtol=1e-6)
    assert empty.n_samples == kept.sum()
    shuffled = np.random.default_rng(0).permutation(X)[:, [2, 0, 1]]
    assert_allclose(little_mcar_test(shuffled).statistic, result.statistic, rtol=1e-6)
    pd = pytest.importorskip("pandas")
    assert_allclose(little_mcar_test(pd.DataFrame(X)).statistic, result.statistic)


COMPLETE = np.random.default_rng(0).normal(size=(30, 3))
HALVES = COMPLETE[:, :2].copy()
HALVES[:15, 0] = HALVES[15:, 1] = NAN
EMPTY_ROWS = np.vstack([COMPLETE, np.full((2, 3), NAN)])
CONSTANT = with_gaps(COMPLETE)
CONSTANT[:, 2] = 7
NEVER = with_gaps(COMPLETE)
NEVER[:, 0] = NAN
DEPENDENT = with_gaps(COMPLETE, 0.2)
DEPENDENT[:, 2] = DEPENDENT[:, 0] - 2 * DEPENDENT[:, 1]


@pytest.mark.parametrize(("X", "message"), [
    (COMPLETE, "nothing to compare: no value is missing$"),
    (EMPTY_ROWS, "no value is missing, other than in rows with nothing observed"),
    (HALVES, "no column is observed under two patterns"),
    (CONSTANT, "column 'x2' is constant"),
    (NEVER, "column 'x0' is never observed"),
    (DEPENDENT, "columns 'x[012]', 'x[012]', 'x[012]' is singular: they determine each other"),
])
def test_little_names_what_cannot_be_tested(X, message):
    with pytest.raises(ValueError, match=message):
        little_mcar_test(X)


def test_little_names_only_the_columns_that_determine_each_other():
    X = with_gaps(np.random.default_rng(1).normal(size=(200, 5)), 0.1)
    X[:, 4] = 3 - 100 * X[:, 1]
    with pytest.raises(ValueError, match="columns 'x[14]', 'x[14]' is singular"):
        little_mcar_test(X)


def test_a_p_value_below_the_range_of_numbers_is_said_so():
    X = np.c_[np.arange(3000.0), np.random.default_rng(0).normal(size=3000)]
    X[2000:, 1] = NAN
    result = little_mcar_test(X)
    # the same by hand: the t-test of two groups
    t = stats.ttest_ind(X[:2000, 0], X[2000:, 0]).statistic
    assert_allclose(result.statistic, 3000 * t**2 / (2998 + t**2), rtol=1e-9)
    assert result.p_value == 0 and ", p < 1e-300 (" in str(result)
    assert "< 1e-300" in str(pool([50.0, 50.0], [1.0, 1.0]))
    assert ", p = 0.001418 (" in str(little_mcar_test(tables.AIRQUALITY.X))


def test_little_options():
    with pytest.raises(ValueError, match="ddof must be 0 or 1"):
        little_mcar_test(tables.AIRQUALITY.X, ddof=2)
    for max_iter in (0, 2):
        with pytest.warns(ConvergenceWarning, match=f"in {max_iter} iterations"):
            little_mcar_test(tables.AIRQUALITY.X, max_iter=max_iter)


def rejections(n_sets, delete):
    covariance = np.array([[1.0, 0.5, 0.3], [0.5, 1.0, 0.4], [0.3, 0.4, 1.0]])
    rng, lower, p_values = np.random.default_rng(11), np.linalg.cholesky(covariance), []
    for _ in range(n_sets):
        X = rng.normal(size=(200, 3)) @ lower.T
        delete(X, rng)
        p_values.append(little_mcar_test(X, tol=1e-5).p_value)
    return (np.array(p_values) < 0.05).mean()


def completely_at_random(X, rng):
    X[rng.uniform(size=X.shape) < 0.15] = NAN


def at_random(X, rng):
    X[rng.uniform(size=len(X)) < 1 / (1 + np.exp(1.5 - 1.5 * X[:, 0])), 1] = NAN
    X[rng.uniform(size=len(X)) < 0.15, 2] = NAN


def test_little_holds_its_level():
    assert abs(rejections(1000, completely_at_random) - 0.05) < 0.02


def test_little_has_power_where_values_are_only_missing_at_random():
    assert rejections(100, at_random) > 0.95


def test_examples():
    results = [doctest.testmod(module) for module in (little, pooling, summary)]
    assert all(result.attempted >= 3 and result.failed == 0 for result in results)
