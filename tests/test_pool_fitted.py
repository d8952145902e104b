"""Pooling of fitted results: names, covariances and degrees of freedom are theirs."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from test_missing_statistics import MICE, draws

from emkernels import GaussianImputer, pool

NAMES = ["(Intercept)", "bmi"]


class Fit:
    def __init__(self, params, covariance, df_resid=None, model=None):
        self.params, self.covariance = params, covariance
        if df_resid is not None:
            self.df_resid = df_resid
        self.model = model

    def cov_params(self):
        return self.covariance


def fits(df=23, m=5):
    """Of the regression of age on bmi that R's mice pools."""
    rows = [MICE["age on bmi, intercept"], MICE["age on bmi"]]
    q = np.column_stack([draws(row[0], row[2]) for row in rows])
    spread = np.array([0.9, 1.1, 1.05, 0.95, 1.0])
    within = np.array([row[1] for row in rows])
    out = []
    for values, factor in zip(q[:m], spread):
        covariance = np.diag(factor * within)
        covariance[0, 1] = covariance[1, 0] = -0.9 * np.sqrt(np.prod(np.diag(covariance)))
        out.append(Fit(pd.Series(values, NAMES), pd.DataFrame(covariance, NAMES, NAMES), df))
    return out


def test_what_mice_prints():
    result = pool(fits())
    assert result.names == tuple(NAMES)
    frame = result.to_pandas()
    for name, row in zip(NAMES, (MICE["age on bmi, intercept"], MICE["age on bmi"])):
        estimate, within, between, total, _, df, r, lam, fmi, error, t, p = row
        found = frame.loc[name, ["estimate", "within", "between", "total", "df", "r", "lambda",
                                 "fmi", "standard_error", "t", "p_value"]]
        assert_allclose(found.astype(float), [estimate, within, between, total, df, r, lam, fmi,
                                              error, t, p], rtol=2e-6)
        half = stats.t.ppf(0.975, df) * error
        assert_allclose(frame.loc[name, ["low", "high"]].astype(float),
                        [estimate - half, estimate + half], rtol=1e-5)
    assert_allclose(np.diag(result.total_covariance), frame["total"])
    assert result.summary() is result and "(Intercept)" in str(result)
    assert "<th>(Intercept)</th>" in result._repr_html_()


def test_degrees_of_freedom():
    known = pool(fits())
    assert_array_equal(pool(fits(None), complete_df=23).df, known.df)
    rubins = pool(fits(), complete_df=np.inf).df        # said is said
    assert_array_equal(pool(fits(None)).df, rubins)
    assert_array_equal(pool(fits(np.inf)).df, rubins)
    assert (rubins > known.df).all()
    # as the error about other degrees of freedom says
    assert_array_equal(pool([*fits(23)[:2], *fits(20)[2:]], complete_df=23).df, known.df)


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3)) @ [[1.0, 0.5, 0.3], [0.0, 1.0, 0.2], [0.0, 0.0, 1.0]]
    X = pd.DataFrame(X, columns=["dose", "age", "outcome"])
    X.loc[::5, "dose"] = np.nan
    X.loc[1::7, "age"] = np.nan
    return X


@pytest.mark.parametrize("fit", [
    lambda table: smf.ols("outcome ~ dose + age", table).fit(),
    lambda table: sm.GLM(table["outcome"] > 0, sm.add_constant(table[["dose", "age"]]),
                         family=sm.families.Binomial()).fit(),
    lambda table: sm.OLS(table["outcome"], sm.add_constant(table[["dose", "age"]])).fit(
        cov_type="HC3"),
    lambda table: sm.RLM(table["outcome"], sm.add_constant(table[["dose", "age"]])).fit(),
], ids=["formula", "logit", "robust errors", "robust"])
def test_statsmodels(fit):
    X = data()
    imputer = GaussianImputer().set_output(transform="pandas").fit(X)
    results = [fit(table) for table in imputer.sample(X, 4, random_state=0)]
    pooled = pool(results)
    assert list(pooled.names) == list(results[0].params.index)
    q = np.array([each.params for each in results])
    u = np.array([each.cov_params() for each in results])
    # as statsmodels' own MICE.combine has the covariance
    assert_allclose(pooled.total_covariance, u.mean(axis=0) + 1.25 * np.cov(q.T), rtol=1e-10)
    assert_array_equal(pooled.df, pool(q, u, complete_df=117).df)
    assert pooled.to_pandas().index.tolist() == list(pooled.names)


def test_results_of_arrays_have_the_names_of_statsmodels():
    X = data()
    tables = GaussianImputer().fit(X).sample(X, 3, random_state=0)
    pooled = pool([sm.OLS(t[:, 2], sm.add_constant(t[:, :2])).fit() for t in tables])
    assert pooled.names == ("const", "x1", "x2")
    bare = [Fit(np.ones(2) * i, np.eye(2)) for i in range(2)]
    assert pool(bare).names == ("q0", "q1")


def with_names(names, at=2):
    out = fits()
    out[at] = Fit(pd.Series(out[at].params.to_numpy(), names),
                  pd.DataFrame(out[at].covariance.to_numpy(), names, names), 23)
    return out


@pytest.mark.parametrize(("results", "error", "text"), [
    (with_names(["(Intercept)", "hyp"]), ValueError,
     r"estimates\[2\] must have the names of estimates\[0\]: it lacks 'bmi' and it has 'hyp'"),
    (with_names(["bmi", "(Intercept)"]), ValueError, r"estimates\[2\] .* in their order: 'bmi'"),
    ([Fit(pd.Series([1.0, 2.0], at), np.eye(2)) for at in ([0, 1], [1, 0])], ValueError,
     r"estimates\[1\] .* in their order: '1'"),
    ([*fits()[:2], Fit(np.ones(2), np.eye(2), 23)], ValueError,
     r"estimates\[2\] have no names, and those of estimates\[0\] have some: \(Intercept\), bmi"),
    ([Fit(np.ones(2), np.eye(2), 23), *fits()[:2]], ValueError,
     r"estimates\[1\] have names, and those of estimates\[0\] have none: \(Intercept\), bmi"),
    ([Fit(pd.Series([1.0, 2.0], NAMES), pd.DataFrame(np.eye(2), NAMES[::-1], NAMES[::-1]))] * 2,
     ValueError, r"cov_params\(\) of estimates\[0\] must have the names"),
    ([Fit(np.ones(2), np.eye(3))] * 2, ValueError, r"estimates\[0\] has 2 params, and cov_params"),
    ([Fit(np.ones(2), np.eye(2)), Fit(np.ones(3), np.eye(3))], ValueError,
     r"estimates\[1\] has 3 params, and estimates\[0\] 2"),
    ([Fit(np.ones((2, 2)), np.eye(4))] * 2, ValueError, "must have one dimension"),
    ([*fits(23)[:2], *fits(20)[2:]], ValueError, r"df_resid of estimates\[2\] is 20, .* 23"),
    (fits()[:1], ValueError, "at least 2 imputations, got 1"),
    ([], ValueError, "at least 2 imputations, got 0"),
    ([1.0, 2.0], TypeError, r"estimates\[0\] is float"),
    (fits()[0], TypeError, "got Fit"),
    ("text", TypeError, "got str"),
    (3, TypeError, "got int"),
])
def test_errors(results, error, text):
    with pytest.raises(error, match=text):
        pool(results)


@pytest.mark.parametrize("confidence", [0, 1, 95, np.nan, "0.95", None])
def test_what_is_no_level(confidence):
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        pool(fits(), confidence=confidence)


def test_results_bring_their_variances():
    with pytest.raises(TypeError, match=r"variances is for estimates that are numbers"):
        pool(fits(), np.ones((5, 2)))
