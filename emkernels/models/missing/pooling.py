"""Pooling what came of multiply imputed data."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy.special import stdtr, stdtrit

from emkernels import _inputs
from emkernels._results import Result, Table
from emkernels.data.checks import numbers
from emkernels.models.missing.fitted import are_results, estimates_of
from emkernels.models.missing.tables import p_text, text_table


@dataclass(repr=False)
class PooledEstimates(Result):
    """Result of :func:`emkernels.pool`; numbers for one parameter, arrays (p,) for several.

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
    m : int
        Number of imputations.
    confidence : float
        Level of the intervals.
    names : tuple of str
        Names of the parameters.

    See Also
    --------
    emkernels.pool : What makes it.

    Examples
    --------
    >>> from emkernels import pool
    >>> pooled = pool([1.0, 1.2, 0.9], [0.04, 0.05, 0.04])
    >>> round(pooled.estimate, 3), round(pooled.standard_error, 3), round(pooled.fmi, 2)
    (1.033, 0.273, 0.5)
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

    def _tables(self):
        columns = {
            "estimate": self.estimate, "standard_error": self.standard_error, "t": self.t,
            "df": self.df, "p_value": self.p_value, "low": self.low, "high": self.high,
            "within": self.within, "between": self.between, "total": self.total, "r": self.r,
            "lambda": self.lam, "fmi": self.fmi}
        return [Table([("", self.names), *((name, np.atleast_1d(values))
                                           for name, values in columns.items())])]

    def _headline(self):
        return f"{self.m} imputations, {100 * self.confidence:g} % intervals"

    def to_pandas(self):
        """The estimates and what the test of each against 0 says, as a pandas data frame.

        Returns
        -------
        pandas.DataFrame
            A row for each parameter, with its name.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        frame = super().to_pandas()
        frame.index.name = None
        return frame

    def summary(self):
        """The result itself, which prints as a table, for those who look for `summary`.

        Returns
        -------
        PooledEstimates
            Of the same numbers.
        """
        return self

    def __str__(self):
        heads = ["", "estimate", "std. error", "t", "df", "p", "low", "high", "r", "lambda", "fmi"]
        columns = (self.estimate, self.standard_error, self.t, self.df, self.p_value, self.low,
                   self.high, self.r, self.lam, self.fmi)
        rows = [[name, *(f"{value:.4g}" for value in values)]
                for name, *values in zip(self.names, *map(np.atleast_1d, columns))]
        for row, p in zip(rows, np.atleast_1d(self.p_value)):
            row[heads.index("p")] = p_text(p)
        return f"{self._headline()}\n" + text_table([heads, *rows])


def pool(estimates, variances=None, *, complete_df=None, confidence=0.95):
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
        series, give the names. Or a list of m fitted results that have ``params`` and
        ``cov_params()``, as those of statsmodels, which give names, covariances and `complete_df`.
    variances : array-like of shape (m,), (m, p) or (m, p, p), optional
        Squared standard errors, or the covariance matrices of the estimates. Their names, where
        they have some, must be those of the estimates. None only with a list of results.
    complete_df : float or array-like of shape (p,), optional
        Degrees of freedom that the analysis has with complete data; None: infinite, and
        of a list of results their ``df_resid``, where they have one, as R's mice takes
        them. Infinity: the formula without.
    confidence : float, default=0.95
        Of the intervals, between 0 and 1.

    Returns
    -------
    PooledEstimates
        Estimates, errors, intervals and fractions of missing information.

    Raises
    ------
    ValueError
        Fewer than two imputations, shapes that differ, NaN or infinity, a negative variance, an
        asymmetric covariance; `confidence` outside (0, 1); a `complete_df` that is not positive;
        results whose parameters have other names than those of the first, or other degrees of
        freedom.
    TypeError
        Neither variances nor results, or both.

    See Also
    --------
    GaussianImputer.sample : Completed copies to estimate from.
    GaussianMixtureImputer : The same by a mixture.
    emkernels.models.missing.PooledEstimates : What is returned.

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

    The regressions of five imputations, with the names of statsmodels:

    >>> import numpy as np
    >>> import pandas as pd
    >>> import statsmodels.api as sm
    >>> from emkernels import GaussianImputer
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(200, 2)) @ [[1.0, 0.5], [0.0, 1.0]], columns=["x", "y"])
    >>> X.loc[::4, "x"] = np.nan
    >>> imputer = GaussianImputer().set_output(transform="pandas").fit(X)
    >>> fits = [sm.OLS(completed["y"], sm.add_constant(completed["x"])).fit()
    ...         for completed in imputer.sample(X, 5, random_state=0)]
    >>> pool(fits).to_pandas().index.tolist()
    ['const', 'x']
    """
    names = None
    if variances is None:
        names, estimates, variances, complete_df = estimates_of(estimates, complete_df)
    elif are_results(estimates):
        raise TypeError("variances is for estimates that are numbers: fitted results have theirs "
                        "in cov_params()")
    names = _names_of_all(estimates, "estimates", names)
    _names_of_all(variances, "variances", names)
    _inputs.check_names(complete_df, names, "complete_df", "the estimates")
    q, single = _finite(estimates, "estimates"), np.ndim(estimates) == 1
    u = _finite(variances, "variances")
    if q.ndim not in (1, 2):
        raise ValueError(f"estimates must have shape (m,) or (m, p), got {q.shape}")
    m, p = q.shape[0], 1 if single else q.shape[1]
    if m < 2:
        raise ValueError(f"pooling needs estimates of at least 2 imputations, got {m}")
    shapes = [q.shape] if single else [q.shape, (m, p, p)]
    if u.shape not in shapes:
        raise ValueError(f"variances must have shape {' or '.join(map(str, shapes))} for estimates "
                         f"of shape {q.shape}, got {u.shape}")
    if not isinstance(confidence, Real) or not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
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


def _finite(values, name):
    """Values as float64, refusing NaN and infinity."""
    values = numbers(values, name)
    if not np.isfinite(values).all():
        where = _inputs.place(np.argwhere(~np.isfinite(values))[0])
        raise ValueError(f"{name} contains NaN or infinity, first at {where}")
    return values


def _names_of_all(tables, name, wanted=None):
    """The names of a frame, or of every one of a list of series or frames, which must agree with
    each other and with those wanted; None where there are none."""
    parts = list(tables) if isinstance(tables, (list, tuple)) else [tables]
    for i, part in enumerate(parts):
        title = name if part is tables else f"{name}[{i}]"
        own = _inputs.names_of(part)
        if own is None or (part is tables and getattr(part, "ndim", 2) == 1):
            continue        # one series is one parameter, and its index the imputations
        _inputs.check_names(part, wanted, title, "the estimates")
        wanted = own
    return wanted
