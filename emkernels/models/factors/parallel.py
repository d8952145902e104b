"""How many factors: those that explain more than factors of columns without any relation do."""

from dataclasses import dataclass

import numpy as np

from emkernels import _inputs
from emkernels._callers import listening
from emkernels._one_thread import one_thread
from emkernels._results import Result, Table
from emkernels.components.gaussian.moments import total_covariance
from emkernels.data import Rows, checks
from emkernels.models.imputation.gaussian import GaussianImputer

KINDS, METHODS = ("components", "factors"), ("normal", "permute")
# Of the means and covariances of draws: their eigenvalues differ by far more from each other.
DRAWN_TOL = 1e-3


@dataclass(repr=False)
class ParallelAnalysis(Result):
    """Result of :func:`emkernels.parallel_analysis`.

    Attributes
    ----------
    n_components : int
        How many of the first eigenvalues are above their thresholds, up to the first that is not.
    eigenvalues : ndarray of shape (n_features,)
        Of the table, the largest first.
    thresholds : ndarray of shape (n_features,)
        The percentile of those of the draws, one by one.
    means : ndarray of shape (n_features,)
        Means of those of the draws.
    percentile : float
    n_draws : int
    kind, method : str
    n_missing : int
        Cells of the table.

    See Also
    --------
    emkernels.parallel_analysis : What makes it.
    emkernels.plotting.plot_scree : The eigenvalues, drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import parallel_analysis
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 8)) + rng.normal(size=(300, 8))
    >>> result = parallel_analysis(X)
    >>> result.n_components, bool(result.eigenvalues[2] < result.thresholds[2])
    (2, True)
    """

    n_components: int
    eigenvalues: np.ndarray
    thresholds: np.ndarray
    means: np.ndarray
    percentile: float
    n_draws: int
    kind: str
    method: str
    n_missing: int

    def _headline(self):
        what = self.kind if self.n_components != 1 else self.kind[:-1]
        drawn = "normal" if self.method == "normal" else "permuted"
        return f"Parallel analysis: {self.n_components} {what} ({self.n_draws} {drawn} tables)"

    def _tables(self):
        rank = np.arange(len(self.eigenvalues))
        return [Table([(self.kind[:-1], rank + 1), ("eigenvalue", self.eigenvalues),
                       ("mean_of_draws", self.means), ("threshold", self.thresholds),
                       ("kept", rank < self.n_components)])]

    def __str__(self):
        head = f"{self.percentile:g} % of draws"
        lines = [self._headline(),
                 f"{self.kind[:-1]:>9} {'eigenvalue':>12} {'mean of draws':>14} {head:>16}"]
        shown = min(len(self.eigenvalues), max(self.n_components + 3, 10))
        for j in range(shown):
            lines.append(f"{j + 1:9d} {self.eigenvalues[j]:12.4f} {self.means[j]:14.4f} "
                         f"{self.thresholds[j]:16.4f}" + (" *" if j < self.n_components else ""))
        if shown < len(self.eigenvalues):
            lines.append(f"{'...':>9} {len(self.eigenvalues) - shown} more")
        return "\n".join(lines)


def parallel_analysis(X, *, n_draws=100, percentile=95, kind="components", method="normal",
                      sample_weight=None, random_state=0, n_threads=None):
    """Compare the eigenvalues of the correlations with those of tables without any correlation.

    A component (or factor) is kept while its eigenvalue is above the percentile of the eigenvalues
    of the same rank of `n_draws` tables of the same size, whose columns are independent: columns
    of few rows are correlated by chance, so that 1 is no bound for the first eigenvalues.

    Where values are missing, the correlations are those of maximum likelihood (missing at random,
    as :class:`emkernels.GaussianImputer` has them), and every drawn table has the same missing
    cells and is estimated in the same way: gaps make the eigenvalues of independent columns more
    unequal, and the thresholds know of it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        NaN where a value is missing. At least two columns, none of which is constant.
    n_draws : int, default=100
        Tables to draw.
    percentile : float in [1, 100], default=95
        Horn's own comparison, with the mean of the draws, keeps too many; those means come with
        the result.
    kind : {'components', 'factors'}, default='components'
        Eigenvalues of the correlations, or of the correlations with the squared multiple
        correlations of each column with the others on the diagonal (of common factors; it keeps
        more). As psych's ``fa.parallel(SMC=TRUE)`` in R; needs columns that do not determine each
        other.
    method : {'normal', 'permute'}, default='normal'
        Draws of independent normal columns, or the columns themselves, each with its observed
        values in random order, which keeps their distributions.
    sample_weight : array-like of shape (n_samples,), optional
        A drawn table has the same weights. Rows of weight 0 are absent.
    random_state : int, RandomState, Generator or None, default=0
        The same number gives the same result, whatever `n_threads` is.
    n_threads : int, optional
        For the covariances of tables with missing values.

    Returns
    -------
    ParallelAnalysis
        The number of factors, eigenvalues and thresholds.

    Raises
    ------
    ValueError, TypeError
        Fewer than three rows of positive weight or two columns; a column that is constant or never
        observed; for factors, columns that determine each other; parameters out of their range.

    See Also
    --------
    select_factors : Choose the number of factors by a criterion.
    FactorAnalysis : The model.
    emkernels.plotting.plot_scree : The eigenvalues, drawn.

    References
    ----------
    J. L. Horn, Psychometrika 30, 1965; L. G. Humphreys, R. G. Montanelli, Multivariate Behavioral
    Research 10, 1975 (factors); L. W. Glorfeld, Educational and Psychological Measurement 55, 1995
    (the percentile); A. Buja, N. Eyuboglu, Multivariate Behavioral Research 27, 1992
    (permutations).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import parallel_analysis
    >>> rng = np.random.default_rng(0)
    >>> Z = rng.normal(size=(200, 2)) @ [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]
    >>> parallel_analysis(Z + rng.normal(size=(200, 6))).n_components
    2
    """
    n_draws = _inputs.whole(n_draws, "n_draws")
    _check(percentile, kind, method, n_threads)
    random = _inputs.as_random_state(random_state)
    rows = _rows(X, sample_weight, n_threads)
    with one_thread(rows.n_features):
        found = _eigenvalues(_correlation(rows, 1e-6), kind, rows)
        seeds = random.randint(0, 2**32, size=n_draws, dtype=np.uint32)
        drawn = np.empty((n_draws, rows.n_features))
        with listening():       # what is to be said of the table was said of it
            for values, seed in zip(drawn, seeds):
                correlation = _drawn(rows, method, np.random.RandomState(seed))
                values[:] = _eigenvalues(correlation, kind, rows)
    thresholds = np.percentile(drawn, percentile, axis=0)
    above = found > thresholds
    return ParallelAnalysis(
        len(above) if above.all() else int(above.argmin()), found, thresholds, drawn.mean(axis=0),
        float(percentile), n_draws, kind, method,
        0 if rows.patterns is None else rows.patterns.n_missing_values)


def _check(percentile, kind, method, n_threads):
    for name, value, known in ("kind", kind, KINDS), ("method", method, METHODS):
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    if not 0 < _inputs.real(percentile, "percentile") <= 100:
        raise ValueError(f"percentile must be from 1 to 100, got {percentile!r}")
    if percentile < 1:
        raise ValueError(f"percentile is of 100, not of 1: did you mean {100 * percentile:g} "
                         f"instead of {percentile!r}?")
    if n_threads is not None and n_threads != -1:
        _inputs.whole(n_threads, "n_threads")


def _rows(X, sample_weight, n_threads):
    """Rows of positive weight, columns about their means in units of their deviations."""
    rows = Rows.read(X)
    checks.check_magnitude(rows.X, rows.largest, names=rows.places)
    _inputs.check_same_rows(rows, sample_weight, "sample_weight")
    rows = rows.weighed(sample_weight, rows.largest).with_(n_threads=n_threads)
    if rows.n_positive < len(rows):
        rows = rows.take(rows.sample_weight > 0)
    for what, n, least in ("row", len(rows), 3), ("column", rows.n_features, 2):
        if n < least:
            raise ValueError(f"parallel analysis needs at least {least} {what}s, got {n}")
    checks.check_columns_observed(rows)
    summary = rows.summary()
    for name, constant in zip(rows.titles, summary.constant):
        if constant:
            raise ValueError(f"column {name!r} has one value only, and no correlation with "
                             "others: leave it out")
    Z = (rows.X.astype(np.float64) - summary.means) / summary.deviations
    return rows.take(X=Z)


def _correlation(rows, tol):
    """Correlations of the columns, by maximum likelihood where values are missing."""
    if rows.patterns is None:
        return _scaled(total_covariance(rows))
    imputer = GaussianImputer(tol=tol, n_threads=rows.n_threads)
    return _scaled(imputer.fit(rows).covariance_)


def _scaled(covariance):
    scale = np.sqrt(np.diagonal(covariance))
    # a drawn column may be constant where two or three of its cells are observed
    scale = np.where(scale > 0, scale, 1.0)
    correlation = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _drawn(rows, method, random):
    """Correlations of a table like this one, whose columns are independent."""
    n, p = rows.X.shape
    if method == "permute":
        Z = rows.X.copy()
        for column in Z.T:
            seen = np.flatnonzero(~np.isnan(column))
            column[seen] = column[random.permutation(seen)]
    elif rows.patterns is None and rows.sample_weight is None and n > p:
        return _scaled(_wishart(n - 1, p, random))
    else:
        Z = random.standard_normal((n, p))
        Z[np.isnan(rows.X)] = np.nan
    return _correlation(rows.take(X=Z), DRAWN_TOL)


def _wishart(df, p, random):
    """The scatter of df + 1 normal rows about their mean, by Bartlett's decomposition."""
    factor = np.zeros((p, p))
    factor[np.tril_indices(p, -1)] = random.standard_normal(p * (p - 1) // 2)
    np.fill_diagonal(factor, np.sqrt(random.chisquare(df - np.arange(p))))
    return factor @ factor.T


def _eigenvalues(correlation, kind, rows):
    """The largest first."""
    if kind == "factors":
        if np.linalg.eigvalsh(correlation)[0] < 1e-10:
            raise ValueError(
                f"the {rows.n_features} columns of {len(rows)} rows determine each other, so that "
                "factors have no multiple correlations to begin from: kind='components', or leave "
                "columns out")
        inverse = np.linalg.inv(correlation)
        correlation = correlation - np.diag(1 / np.diagonal(inverse))
    return np.linalg.eigvalsh(correlation)[::-1]
