"""Little's test that values are missing completely at random."""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc
from sklearn.exceptions import ConvergenceWarning

from emkernels._callers import listening, warn
from emkernels._one_thread import one_thread
from emkernels._results import Result, Table
from emkernels._words import some
from emkernels.components.gaussian.degenerate import along, at_floor
from emkernels.data import Rows
from emkernels.models.imputation.gaussian import FLOOR, GaussianImputer
from emkernels.models.imputation.information import observed_inverses, stacks
from emkernels.models.missing.patterns import patterns_of, sums_by_pattern, unweighted
from emkernels.models.missing.tables import p_text


@dataclass(repr=False)
class LittleTest(Result):
    """Result of :func:`emkernels.little_mcar_test`.

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

    See Also
    --------
    emkernels.little_mcar_test : What makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import little_mcar_test
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> X[rng.random((200, 3)) < 0.1] = np.nan
    >>> test = little_mcar_test(X)
    >>> test.n_patterns, test.df, test.p_value > 0.05
    (6, 8, True)
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
        return p_text(self.p_value)

    def _tables(self):
        return [Table([(name, [getattr(self, name)]) for name in (
            "statistic", "df", "p_value", "n_patterns", "n_samples", "ddof")], 0)]

    def _headline(self):
        return str(self)

    def __str__(self):
        return (f"Little's test of missing completely at random: chi-squared = "
                f"{self.statistic:.4g}, df = {self.df}, p {p_text(self.p_value, '= ')} "
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
    X : array-like or data frame of shape (n_samples, n_features), or Chunks
        NaN, None, NA, a null or a masked cell where a value is missing.
    ddof : {0, 1}, default=0
        Divisor n - ddof of Sigma: 0, the ML estimate, as in R's naniar and BaylorEdPsych, or 1,
        Little's own correction, as in Stata's mcartest: a statistic (n - 1) / n times as large.
    tol : float, default=1e-8
        Tolerance of the ML estimates.
    max_iter : int, default=10000
        Most iterations of EM.

    Returns
    -------
    LittleTest
        Statistic, degrees of freedom and p-value.

    Raises
    ------
    ValueError
        When there is nothing to test: all rows observe the same columns, or none is observed
        under two patterns. No more rows than columns, or a column that is observed in too few
        rows for the other columns that are known in them. A column that is constant, never
        observed, or a linear combination of others; infinity (row and column are named); text.

    See Also
    --------
    missing_data_summary : Counts of what is missing, by column and pattern.
    GaussianImputer : Imputation where values are missing at random.
    emkernels.models.missing.LittleTest : What is returned.

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
    rows = unweighted(X)
    names, n_features = rows.titles, rows.n_features
    patterns, summary = rows.reduce(patterns_of), rows.summary()
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
    _check_information(patterns, names)
    with one_thread(n_features):
        location, covariance, converged = estimate(rows, tol, max_iter)
        statistic = _distance_of_means(rows, location, covariance)
    if not converged:
        warn(f"the ML estimates did not converge in {max_iter} iterations", ConvergenceWarning)
    n_samples = int(patterns.counts[kept].sum())
    statistic *= (n_samples - ddof) / n_samples
    return LittleTest(float(statistic), df, float(chdtrc(df, statistic)), int(kept.sum()),
                      n_samples, location, covariance, ddof)


def _check_information(patterns, names):
    """ValueError where it is certain before any work that the likelihood has no maximum.

    A hyperplane goes through as many rows as there are columns; and through those that observe a
    column, where they are no more than the columns that all of them observe.
    """
    observed = ~patterns.masks
    counts = np.where(observed.any(axis=1), patterns.counts, 0)
    n_rows, n_features = int(counts.sum()), len(names)
    if n_rows <= n_features:
        raise ValueError(
            f"Little's test needs more rows than columns: {n_rows} rows have a value, and there "
            f"are {n_features} columns; use fewer columns")
    for j, name in enumerate(names):
        seen = observed[:, j]
        n_seen, known = int(counts[seen].sum()), int(observed[seen].all(axis=0).sum()) - 1
        if n_seen <= known + 1:
            raise ValueError(
                f"column {name!r} has a value in {n_seen} rows only, in all of which "
                f"{known} other column{'s are' if known > 1 else ' is'} known: Little's test needs "
                f"{known + 2} such rows, or leave the column out")


def estimate(rows, tol, max_iter):
    """ML location and covariance of one normal distribution, and whether EM converged."""
    with listening():       # the caller says what they mean for the test
        imputer = GaussianImputer(tol=tol, max_iter=max_iter)
        imputer = imputer.fit(rows) if isinstance(rows, Rows) else imputer.fit_chunks(rows)
    return imputer.location_, imputer.covariance_, imputer.converged_


def _distance_of_means(rows, location, covariance):
    """Little's sum over patterns of ``n_p (mean_p - mu_p)' Sigma_p^-1 (mean_p - mu_p)``;
    ValueError, with the columns, where the covariance is singular."""
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / scale[:, None] / scale
    # a likelihood without a maximum was kept from it by the floor of the variances
    combinations = at_floor(correlation, 2 * FLOOR[rows.dtype])
    if len(combinations):
        columns = some([repr(name) for name in along(combinations, rows.titles)])
        raise ValueError(
            f"the covariance of the columns {columns} is singular: they determine each other, or "
            "too few rows have all of them. Little's test needs some of them left out")
    total, found = 0.0, rows.reduce(sums_by_pattern, location, scale)
    for part in stacks(found.n_patterns, rows.n_features):
        inverses = observed_inverses(correlation, ~found.masks_of(part))
        weights, sums = (found.sums[name][part] for name in ("weights", "sums"))
        products = np.einsum("pi,pij,pj->p", sums, inverses, sums, optimize=True)
        total += float((products / weights).sum())
    return total
