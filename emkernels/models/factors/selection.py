"""Choosing a number of factors by an information criterion."""

from dataclasses import dataclass

import numpy as np

from emkernels._callers import listening, warn
from emkernels._words import some
from emkernels.data import Rows
from emkernels.em import DegenerateFitError, EMWarning
from emkernels.models.candidates import Selection, check_sizes, note_falls
from emkernels.models.factors.estimator import FactorAnalysis, degrees_of_freedom
from emkernels.models.jobs import Seeded, fitted

CRITERIA = ("bic", "aic")


@dataclass(repr=False)
class FactorSelection(Selection):
    """Result of :func:`emkernels.select_factors`.

    Attributes
    ----------
    best : FactorAnalysis
        The fitted model with the lowest criterion.
    criterion : str
    table : list of dict
        One row for each number of factors: n_components, n_parameters, degrees_of_freedom (how
        many more variances and covariances there are than parameters for them), log_likelihood,
        bic, aic, converged, n_iter, heywood (columns that the factors explain entirely, a list of
        str), below (None, or a smaller number of factors that is likelier: this fit has missed
        its maximum) and error (None, or why there is no fit).

    See Also
    --------
    select_factors : What makes it.
    emkernels.plotting.plot_selection : The criteria of the table, drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import select_factors
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 8)) + rng.normal(size=(300, 8))
    >>> result = select_factors(X, range(1, 4))
    >>> [row["n_parameters"] for row in result.table], result.best.n_components
    ([24, 31, 37], 2)
    """

    best: FactorAnalysis
    criterion: str
    table: list

    _printed = (("n_components", "12d"), ("n_parameters", "12d"), ("degrees_of_freedom", "8d"),
                ("log_likelihood", "16.3f"), (None, "16.3f"))

    @staticmethod
    def _remarks(row):
        return [f"Heywood: {some(row['heywood'], 3)}"] if row["heywood"] else []


def select_factors(X, n_components=range(1, 7), criterion="bic", *, sample_weight=None,
                   n_jobs=None, progress=False, **parameters):
    """Fit a factor analysis for every number of factors, keep the best.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        NaN where missing.
    n_components : int or iterable of int
        Numbers with more parameters than there are variances and covariances are left out, as
        their rows of the table say, unless all have.
    criterion : {'bic', 'aic'}
        The lower the better.
    sample_weight : array-like of shape (n_samples,), optional
        The criteria take a weight for a number of rows.
    n_jobs : int, optional
        Candidates that are fitted side by side, each in a process of joblib's; -1: as many as
        there are processors. The result has the same bits for every number. A `callback` is
        called in those processes, unseen by this one, which a warning says. None: one after
        the other, in all threads.
    progress : bool or callable, default=False
        True: a bar in a notebook (with tqdm), a line on a terminal, else a line for each
        candidate. A function is called with (done, total, text).
    **parameters
        Of :class:`emkernels.FactorAnalysis`.

    Returns
    -------
    FactorSelection
        The best model, and a table of all.

    Raises
    ------
    ValueError
        An unknown criterion, or no number of factors.

    Warns
    -----
    EMWarning
        The number chosen is the largest that was tried, and more are identified. What the fit of
        the chosen one warned about comes as well.

    See Also
    --------
    parallel_analysis : Compare eigenvalues with those of noise.
    FactorAnalysis : The model.
    FactorSelection : What is returned.
    emkernels.plotting.plot_selection : The criteria of the table, drawn.

    References
    ----------
    G. Schwarz, Annals of Statistics 6, 1978; H. Akaike, Psychometrika 52, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import select_factors
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 8)) + rng.normal(size=(300, 8))
    >>> select_factors(X, range(1, 5)).best.n_components
    2
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}")
    sizes = check_sizes(n_components, "n_components")
    rows = Rows.read(X, FactorAnalysis(), min_samples=2)
    isotropic = parameters.get("noise") == "isotropic"
    columns = rows.n_features if isotropic else np.count_nonzero(
        ~rows.weighed(sample_weight).summary().constant)
    table, fits = [], []
    freedom = [degrees_of_freedom(columns, q, isotropic) for q in sizes]
    wanted, seeded = [free >= 0 or max(freedom) < 0 for free in freedom], Seeded(parameters, 0)
    tasks = [(q, seeded.next()) for q, is_wanted in zip(sizes, wanted, strict=True) if is_wanted]
    with fitted(fit_candidate, tasks, (rows, sample_weight), n_jobs=n_jobs, progress=progress,
                told=_told, callback=parameters.get("callback")) as results:
        found = iter(list(results))
    for q, free, is_wanted in zip(sizes, freedom, wanted, strict=True):
        row = {"n_components": q, "n_parameters": 0, "degrees_of_freedom": free,
               "log_likelihood": -np.inf, "bic": np.inf, "aic": np.inf, "converged": False,
               "n_iter": 0, "heywood": [], "below": None, "error": None}
        table.append(row)
        if not is_wanted:
            row["error"] = "more parameters than variances and covariances"
            continue
        each = next(found)
        if isinstance(each, str):
            row["error"] = each
            continue
        model, said, facts = each
        row.update(facts)
        fits.append((row, seeded.restore(model), said))
    if not fits:
        raise DegenerateFitError(f"no candidate could be fitted; the last: {table[-1]['error']}")
    note_falls([row for row, _, _ in fits], "n_components")
    row, best, said = min(fits, key=lambda fit: fit[0][criterion])
    tried = [row["n_components"] for row, _, _ in fits]
    if (len(tried) > 1 and row["n_components"] == max(tried) == max(sizes)
            and degrees_of_freedom(columns, max(sizes) + 1, isotropic) >= 0):
        warn(f"the number of factors chosen, {max(tried)}, is the largest that was tried: there "
             "may be more", EMWarning)
    for text, category in said:
        warn(text, category)
    return FactorSelection(best, criterion, table)


def fit_candidate(rows, sample_weight, q, parameters):
    """A fit, what it had to say, and its row of the table; or why there is none."""
    model = FactorAnalysis(q, **parameters)
    try:
        with listening() as said:
            model.fit(rows, sample_weight=sample_weight)
    except DegenerateFitError as error:
        return str(error)
    total, weight = model._log_likelihood(rows, sample_weight)
    p = model.n_parameters_
    return model, said, {
        "n_parameters": p, "log_likelihood": total,
        "bic": -2 * total + p * float(np.log(weight)), "aic": -2 * total + 2 * p,
        "converged": model.converged_, "n_iter": model.n_iter_,
        "heywood": [rows.titles[j] for j in model.heywood_]}


def _told(found):
    """What progress says of a candidate."""
    if isinstance(found, str):
        return found
    model, _, facts = found
    return f"n_components {model.n_components}: BIC {facts['bic']:.3f}"
