"""What goes wrong with a fit, and how it is said."""

from emkernels._callers import warn


class DegenerateFitError(ValueError):
    """A start collapsed: no finite parameters maximise the expected log-likelihood.

    A ``ValueError``. Where other starts live the fit goes on with these, and warns.

    See Also
    --------
    DegenerateWarning : Components collapsed, and the fit is there all the same.
    emkernels.GaussianMixture : With `reg_covar` or `covariance_prior` against it.

    Examples
    --------
    >>> from emkernels import GaussianMixture
    >>> from emkernels.em import DegenerateFitError
    >>> try:
    ...     GaussianMixture(2, reg_covar=0.0, random_state=0).fit([[0.0], [0.0], [1.0]])
    ... except DegenerateFitError:
    ...     print("collapsed")
    collapsed
    """


class EMWarning(UserWarning):
    """The objective of an EM fit fell, starts were dropped, or a fit needs a second look.

    A ``UserWarning``, whose text says what was seen and what helps. Its line is that of the caller.

    See Also
    --------
    emkernels.em.DegenerateWarning : The kind of it that is about collapsed components.
    emkernels.em.DegenerateFitError : Every start collapsed.

    Examples
    --------
    >>> import warnings
    >>> from emkernels import EMWarning, GaussianMixture
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", EMWarning)
    ...     model = GaussianMixture(2, random_state=0).fit([[0.0], [0.1], [5.0], [5.2]])
    """


class DegenerateWarning(EMWarning):
    """Components that describe no group of rows: spikes, dead ones or twins.

    Or a regularisation that hides what there is. The text names the components and the columns.

    See Also
    --------
    DegenerateFitError : Every start collapsed, and there is no fit.
    emkernels.EMWarning : What it is a kind of.

    Examples
    --------
    >>> import warnings
    >>> from emkernels import GaussianMixture
    >>> from emkernels.em import DegenerateWarning
    >>> X = [[0.0], [0.0], [0.0], [4.0], [5.0], [6.5], [9.0]]
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", DegenerateWarning)
    ...     try:
    ...         GaussianMixture(2, random_state=0).fit(X)
    ...     except DegenerateWarning:
    ...         print("a spike")
    a spike
    """


def warn_about(result, precision, *, reason=""):
    """One warning for an objective that fell beyond rounding, one for dropped starts.

    Parameters
    ----------
    result : EMResult
        Of :func:`run_em`.
    precision : float
        By what share of the objective rounding may lower it: 1e-10 for float64 rows, 1e-5 for
        float32; inf where it is not looked at.
    reason : str, optional
        Why it may have fallen, for the text.

    Warns
    -----
    EMWarning
        Either of them.

    See Also
    --------
    run_em : Whose result it is.
    emkernels.EMWarning : The kind of the warnings.

    Examples
    --------
    >>> import warnings
    >>> from emkernels.em import EMResult, warn_about
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     warn_about(EMResult(None, lower_bound=-2.0, largest_fall=0.5), 1e-10)
    >>> print(seen[0].message)
    the objective fell by up to 0.5 in an iteration
    """
    if result.largest_fall > precision * max(1.0, abs(result.lower_bound)):
        warn(f"the objective fell by up to {result.largest_fall:.2g} in an iteration{reason}",
             EMWarning)
    if result.n_failed:
        warn(f"{result.n_failed} start(s) collapsed and were dropped", EMWarning)
