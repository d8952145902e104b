"""Looking at missing values, testing them and pooling what came of imputing them."""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, stdtr, stdtrit
from sklearn.exceptions import ConvergenceWarning

from emkernels import _inputs
from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels.models import _missing_table as table
from emkernels.models._arguments import missing_patterns, numbers
from emkernels.models._standardised import summarise_columns

_SHOWN = 20     # patterns that a printed summary lists


@dataclass
class PooledEstimates:
    """Result of :func:`pool`; numbers for one parameter, arrays (p,) for several.

    Attributes
    ----------
    estimate, standard_error : float or ndarray
    low, high : float or ndarray
        Confidence interval.
    t, df, p_value : float or ndarray
        Test of the estimate against 0.
    within, between, total : float or ndarray
        Variances: mean of the given ones, of the estimates, and of the pooled estimate.
    r : float or ndarray
        Relative increase in variance by the missing values.
    lam : float or ndarray
        Share of the variance that the missing values make, lambda.
    fmi : float or ndarray
        Fraction of missing information, for the number of imputations.
    total_covariance : ndarray of shape (p, p) or None
        Of the pooled estimates, when covariances were given.
    m, confidence, names
        Number of imputations, level of the intervals, names of the parameters.
    """

    estimate: float | np.ndarray
    standard_error: float | np.ndarray
    low: float | np.ndarray
    high: float | np.ndarray
    t: float | np.ndarray
    df: float | np.ndarray
    p_value: float | np.ndarray
    within: float | np.ndarray
    between: float | np.ndarray
    total: float | np.ndarray
    r: float | np.ndarray
    lam: float | np.ndarray
    fmi: float | np.ndarray
    total_covariance: np.ndarray | None
    m: int
    confidence: float
    names: tuple

    def __str__(self):
        heads = ["", "estimate", "std. error", "t", "df", "p", "low", "high", "r", "lambda", "fmi"]
        columns = (self.estimate, self.standard_error, self.t, self.df, self.p_value, self.low,
                   self.high, self.r, self.lam, self.fmi)
        rows = [[name, *(f"{value:.4g}" for value in values)]
                for name, *values in zip(self.names, *map(np.atleast_1d, columns))]
        for row, p in zip(rows, np.atleast_1d(self.p_value)):
            row[heads.index("p")] = table.p_text(p)
        return (f"{self.m} imputations, {100 * self.confidence:g} % intervals\n"
                + table.text_table([heads, *rows]))


def pool(estimates, variances, *, complete_df=None, confidence=0.95):
    """Pool the estimates from multiply imputed data by Rubin's rules.

    With estimates Q_i and variances U_i of m analyses: estimate ``mean(Q_i)``, within variance
    ``W = mean(U_i)``, between variance ``B = var(Q_i)`` (divisor m - 1), total variance
    ``T = W + (1 + 1/m) B``, increase ``r = (1 + 1/m) B / W``, ``lambda = (1 + 1/m) B / T``, degrees
    of freedom ``v = (m - 1) / lambda^2`` and fraction of missing information ``fmi =
    (r + 2 / (df + 3)) / (1 + r)``. Given the degrees of freedom c that the analysis has with
    complete data, ``1 / df = 1 / v + 1 / v_obs`` with ``v_obs = (1 - lambda) c (c + 1) / (c + 3)``;
    otherwise df = v. Estimates that agree in all imputations have B = lambda = r = 0, and df is
    infinite or c (c + 1) / (c + 3), the limit of the formulas.

    Parameters
    ----------
    estimates : array-like of shape (m,) or (m, p)
        One row for each imputation; the columns of a data frame, or the index of a list of
        series, give the names.
    variances : array-like of shape (m,), (m, p) or (m, p, p)
        Squared standard errors, or the covariance matrices of the estimates. Their names, where
        they have some, must be those of the estimates.
    complete_df : float or array-like of shape (p,), optional
    confidence : float, default=0.95

    Returns
    -------
    PooledEstimates

    Raises
    ------
    ValueError
        Fewer than two imputations, shapes that differ, NaN or infinity, a negative variance, an
        asymmetric covariance; `confidence` outside (0, 1); a `complete_df` that is not positive.

    References
    ----------
    D. B. Rubin, Multiple Imputation for Nonresponse in Surveys, Wiley, 1987, chapter 3;
    J. Barnard, D. B. Rubin, Biometrika 86, 1999.

    Examples
    --------
    >>> from emkernels.models.missing import pool
    >>> result = pool([4.1, 3.8, 4.4], [0.30, 0.28, 0.32], complete_df=40)
    >>> round(result.estimate, 3), round(result.standard_error, 3), round(result.df, 1)
    (4.1, 0.648, 12.9)
    """
    names = table.names_of_all(estimates, "estimates")
    table.names_of_all(variances, "variances", names)
    _inputs.check_names(complete_df, names, "complete_df", "the estimates")
    q, single = table.finite(estimates, "estimates"), np.ndim(estimates) == 1
    u = table.finite(variances, "variances")
    if q.ndim not in (1, 2):
        raise ValueError(f"estimates must have shape (m,) or (m, p), got {q.shape}")
    m, p = q.shape[0], 1 if single else q.shape[1]
    if m < 2:
        raise ValueError(f"pooling needs estimates of at least 2 imputations, got {m}")
    shapes = [q.shape] if single else [q.shape, (m, p, p)]
    if u.shape not in shapes:
        raise ValueError(f"variances must have shape {' or '.join(map(str, shapes))} for estimates "
                         f"of shape {q.shape}, got {u.shape}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    complete = numbers(np.inf if complete_df is None else complete_df, "complete_df")
    if complete.shape not in ((), (p,)) or not (complete > 0).all():
        raise ValueError("complete_df must be a positive number, or one for each parameter, got "
                         f"{complete_df}")
    q = q.reshape(m, p)
    estimate, factor, covariance = q.mean(axis=0), 1 + 1 / m, None
    if u.ndim == 3:
        if not np.allclose(u, np.swapaxes(u, 1, 2), rtol=1e-8, atol=1e-12 * np.abs(u).max()):
            raise ValueError("variances: a covariance matrix is not symmetric")
        covariance = u.mean(axis=0) + factor * (q - estimate).T @ (q - estimate) / (m - 1)
        u = np.diagonal(u, axis1=1, axis2=2)
    u = u.reshape(m, p)
    if (u < 0).any():
        imputation, parameter = np.argwhere(u < 0)[0]
        raise ValueError(f"the variance of parameter {parameter} in imputation {imputation} is "
                         f"negative: {u[imputation, parameter]:g}")
    within = u.mean(axis=0)
    # exactly 0 for estimates that agree, whatever their mean is rounded to
    between = np.where((q == q[0]).all(axis=0), 0.0, ((q - estimate) ** 2).sum(axis=0) / (m - 1))
    total = within + factor * between
    with np.errstate(divide="ignore", invalid="ignore"):
        lam = np.where(between > 0, factor * between / total, 0.0)
        r = np.where(between > 0, factor * between / within, 0.0)
        df = (m - 1) / lam**2
        observed = (1 - lam) * complete * ((1 + 1 / complete) / (1 + 3 / complete))
        df = np.where(np.isfinite(complete), 1 / (1 / df + 1 / observed), df)
        error = np.sqrt(total)
        t = np.where(estimate == 0, 0.0, estimate / error)
    # no degrees of freedom are left when the within variance is 0: nothing is then known
    usable = np.where(df > 0, df, 1.0)
    p_value = np.where(df > 0, 2 * stdtr(usable, -np.abs(t)), 1.0)
    width = np.where(df > 0, stdtrit(usable, (1 + confidence) / 2), np.inf)
    width = np.where(error > 0, width * error, 0.0)
    values = (estimate, error, estimate - width, estimate + width, t, df, p_value, within, between,
              total, r, lam, lam + (1 - lam) * 2 / (df + 3))
    if single:
        values = tuple(float(value[0]) for value in values)
    names = [f"q{j}" for j in range(p)] if names is None else names
    return PooledEstimates(*values, covariance, m, float(confidence), tuple(map(str, names)))


@dataclass
class MissingDataSummary:
    """Result of :func:`missing_data_summary`.

    Attributes
    ----------
    columns : dict of ndarray of shape (n_features,)
        name, n_missing, share (of the rows, that are missing), n_observed, and of the observed
        values mean, std (divisor n_observed - 1), min, max; NaN where there are too few.
    patterns : dict of ndarray
        The most frequent first: count, share (of the rows), n_missing (n_patterns,) and missing
        (n_patterns, n_features), True where the column is missing.
    pairwise_observed : ndarray of shape (n_features, n_features)
        Rows that observe both columns.
    n_samples, n_features, n_missing, n_complete, n_empty : int
        The last two: rows with nothing missing, and with everything missing.
    """

    columns: dict
    patterns: dict
    pairwise_observed: np.ndarray
    n_samples: int
    n_features: int
    n_missing: int
    n_complete: int
    n_empty: int

    def to_pandas(self):
        """The columns and the patterns as two data frames; needs pandas."""
        import pandas as pd

        names = self.columns["name"]
        columns = pd.DataFrame({key: self.columns[key] for key in self.columns if key != "name"},
                               index=pd.Index(names, name="column"))
        patterns = pd.DataFrame(self.patterns["missing"], columns=names)
        for at, key in enumerate(("count", "share", "n_missing")):
            patterns.insert(at, key, self.patterns[key], allow_duplicates=True)
        return columns, patterns

    def __str__(self):
        columns, patterns = self.columns, self.patterns
        size = self.n_samples * self.n_features
        lines = [f"{self.n_samples} rows, {self.n_features} columns: {self.n_missing} of {size} "
                 f"values missing ({100 * self.n_missing / size:.3g} %); {self.n_complete} rows "
                 f"complete, {self.n_empty} empty", ""]
        rows = [["column", "missing", "share", "observed", "mean", "std", "min", "max"]]
        rows += [[str(name), str(missing), f"{100 * share:.1f} %", str(observed),
                  *("-" if np.isnan(value) else f"{value:.5g}" for value in values)]
                 for name, missing, share, observed, *values in zip(*columns.values())]
        lines += [table.text_table(rows), ""]
        rows = [["pattern", "rows", "share", "missing", " columns"]]
        for at in range(min(len(patterns["count"]), _SHOWN)):
            names = ", ".join(columns["name"][patterns["missing"][at]]) or "none"
            rows.append([str(at + 1), str(patterns["count"][at]),
                         f"{100 * patterns['share'][at]:.1f} %", str(patterns["n_missing"][at]),
                         " " + (names if len(names) <= 50 else names[:47] + "...")])
        lines.append(table.text_table(rows, left=(4,)))
        if len(patterns["count"]) > _SHOWN:
            lines.append(f"... and {len(patterns['count']) - _SHOWN} patterns more")
        return "\n".join(lines)


def missing_data_summary(X):
    """Count what is missing, by column, by pair of columns and by pattern.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
        NaN, None, NA, a null or a masked cell where a value is missing.

    Returns
    -------
    MissingDataSummary
        Prints as tables.

    Raises
    ------
    ValueError
        Infinity (row and column are named), text, an empty table.

    References
    ----------
    R. J. A. Little, D. B. Rubin, Statistical Analysis with Missing Data, Wiley, 2002, section 1.2.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.models.missing import missing_data_summary
    >>> X = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 4.0], [np.nan, np.nan]])
    >>> summary = missing_data_summary(X)
    >>> summary.columns["n_missing"], summary.patterns["count"]
    (array([1, 2]), array([2, 1, 1]))
    >>> summary.pairwise_observed
    array([[3, 2],
           [2, 2]])
    """
    known = _inputs.names_of(X)
    X, names = table.as_table(X)
    n_samples, n_features = X.shape
    found = missing_patterns(X, known)
    summary = summarise_columns(X)
    n_observed = summary.counts
    # divisor n - 1
    deviation = np.where(n_observed > 1, summary.deviations, np.nan)
    deviation *= np.sqrt(n_observed / np.maximum(n_observed - 1, 1))
    order = np.lexsort((*found.masks.T[::-1], found.n_missing, -found.counts))
    counts, masks, n_missing = found.counts[order], found.masks[order], found.n_missing[order]
    together = np.zeros((n_features, n_features))
    for begin in range(0, len(counts), 4096):
        seen = (~masks[begin:begin + 4096]).astype(np.float64)
        together += (seen * counts[begin:begin + 4096, None]).T @ seen
    columns = {"name": np.array(names), "n_missing": n_samples - n_observed,
               "share": 1 - n_observed / n_samples, "n_observed": n_observed,
               "mean": summary.means, "std": deviation, "min": summary.low, "max": summary.high}
    patterns = {"count": counts, "share": counts / n_samples, "n_missing": n_missing,
                "missing": masks}
    return MissingDataSummary(
        columns, patterns, together.round().astype(np.int64), n_samples, n_features,
        int((n_samples - n_observed).sum()), int(counts[n_missing == 0].sum()),
        int(counts[n_missing == n_features].sum()))


@dataclass
class LittleTest:
    """Result of :func:`little_mcar_test`.

    Attributes
    ----------
    statistic : float
    df : int
    p_value : float
    n_patterns, n_samples : int
        Of the rows with at least one value.
    location, covariance : ndarray
        The ML estimates, divisor n whatever ddof is.
    ddof : int
    """

    statistic: float
    df: int
    p_value: float
    n_patterns: int
    n_samples: int
    location: np.ndarray
    covariance: np.ndarray
    ddof: int

    @property
    def p_text(self):
        """The p-value in words: no number where it is too small for one."""
        return table.p_text(self.p_value)

    def __str__(self):
        return (f"Little's test of missing completely at random: chi-squared = "
                f"{self.statistic:.4g}, df = {self.df}, p {table.p_text(self.p_value, '= ')} "
                f"({self.n_samples} rows, {self.n_patterns} patterns)")


def little_mcar_test(X, *, ddof=0, tol=1e-8, max_iter=10_000):
    """Little's test that values are missing completely at random.

    Compares the means under each pattern p of missing values with the ML estimates from all rows:
    ``d2 = sum_p n_p (mean_p - mu_p)' Sigma_p^-1 (mean_p - mu_p)`` over the columns that p observes,
    for many rows chi-squared with df = ``sum_p (columns observed in p) - n_features``.
    Rows with nothing observed are left out. A small p-value speaks against missing completely at
    random; a large one does not show it, and nothing here tells at random from not at random.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
        NaN, None, NA, a null or a masked cell where a value is missing.
    ddof : {0, 1}, default=0
        Divisor n - ddof of Sigma: 0, the ML estimate, as in R's naniar and BaylorEdPsych, or 1,
        Little's own correction, as in Stata's mcartest: a statistic (n - 1) / n times as large.
    tol : float, default=1e-8
        Tolerance of the ML estimates.
    max_iter : int, default=10000

    Returns
    -------
    LittleTest

    Raises
    ------
    ValueError
        When there is nothing to test: all rows observe the same columns, or none is observed
        under two patterns. No more rows than columns, or a column that is observed in too few
        rows for the other columns that are known in them. A column that is constant, never
        observed, or a linear combination of others; infinity (row and column are named); text.

    References
    ----------
    R. J. A. Little, A test of missing completely at random for multivariate data with missing
    values, Journal of the American Statistical Association 83, 1988; C. Li, Little's test of
    missing completely at random, Stata Journal 13, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.models.missing import little_mcar_test
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> X[X[:, 0] > 0.5, 1] = np.nan        # missing where the other column is large
    >>> result = little_mcar_test(X)
    >>> result.df, result.p_value < 0.001
    (1, True)
    """
    if ddof not in (0, 1):
        raise ValueError(f"ddof must be 0 or 1, got {ddof!r}")
    known = _inputs.names_of(X)
    X, names = table.as_table(X)
    n_features = X.shape[1]
    patterns = missing_patterns(X, known)
    summary = summarise_columns(X)
    for name, empty, constant in zip(names, summary.empty, summary.constant):
        if empty or constant:
            raise ValueError(f"column {name!r} is {'never observed' if empty else 'constant'}: "
                             "leave it out of Little's test")
    kept = patterns.n_missing < n_features
    df = int((n_features - patterns.n_missing[kept]).sum()) - n_features
    if df == 0:
        raise ValueError(
            "Little's test has nothing to compare: " + (
                "no column is observed under two patterns of missing values" if kept.sum() > 1 else
                "no value is missing" if kept.all() else
                "no value is missing, other than in rows with nothing observed"))
    table.check_information(patterns, names)
    with one_thread(n_features):
        location, covariance, converged = table.estimate(X, tol, max_iter)
        statistic = table.distance_of_means(X, patterns, location, covariance, names)
    if not converged:
        warn(f"the ML estimates did not converge in {max_iter} iterations", ConvergenceWarning)
    n_samples = int(patterns.counts[kept].sum())
    statistic *= (n_samples - ddof) / n_samples
    return LittleTest(float(statistic), df, float(chdtrc(df, statistic)), int(kept.sum()),
                      n_samples, location, covariance, ddof)
