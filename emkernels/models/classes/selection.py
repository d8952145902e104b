"""Choosing a number of classes by an information criterion."""

from dataclasses import dataclass

import numpy as np

from emkernels import _inputs
from emkernels._callers import listening, warn
from emkernels.data.items import Items
from emkernels.em import DegenerateFitError, EMWarning
from emkernels.models.candidates import Selection, check_sizes, note_falls
from emkernels.models.classes.bootstrap import blrt
from emkernels.models.classes.estimator import LatentClassAnalysis
from emkernels.models.jobs import Seeded, fitted

CRITERIA = ("bic", "aic", "abic", "caic", "icl")


@dataclass(repr=False)
class ClassSelection(Selection):
    """Result of :func:`emkernels.select_classes`.

    Attributes
    ----------
    best : LatentClassAnalysis
        The fitted model with the lowest criterion.
    criterion : str
    table : list of dict
        One row for each number of classes: n_classes, n_parameters, log_likelihood, bic, aic,
        abic, caic, icl, entropy (`entropy_`), n_best (`n_best_`), converged, n_iter, blrt (p-value
        of the test against a class less, None where it was not asked for, and of one class),
        below (None, or a smaller number of classes that is likelier: this fit has missed its
        maximum) and error (None, or why there is no fit).

    See Also
    --------
    emkernels.select_classes : What makes it.
    emkernels.plotting.plot_selection : The criteria of the table, drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import select_classes
    >>> rng = np.random.default_rng(0)
    >>> high = rng.random(300) < 0.4
    >>> X = (rng.random((300, 6)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
    >>> result = select_classes(X, range(1, 4), random_state=0)
    >>> [row["n_parameters"] for row in result.table], result.best.n_classes
    ([6, 13, 20], 2)
    """

    best: LatentClassAnalysis
    criterion: str
    table: list

    _keys = ("n_classes",)
    _printed = (("n_classes", "9d"), ("n_parameters", "12d"), ("log_likelihood", "16.3f"),
                (None, "16.3f"), ("entropy", "8.3f"), ("n_best", "6d"), ("blrt", "8.4f"))

    @staticmethod
    def _remarks(row):
        return [] if row["error"] or row["converged"] else ["not converged"]


def select_classes(X, n_classes=range(1, 7), criterion="bic", *, sample_weight=None,
                   n_bootstrap=0, n_jobs=None, progress=False, **parameters):
    """Fit a latent class analysis for every number of classes, keep the best.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_columns), data frame or table
        As :meth:`emkernels.LatentClassAnalysis.fit` takes it.
    n_classes : int or iterable of int
        Numbers to try.
    criterion : {'bic', 'aic', 'abic', 'caic', 'icl'}
        The lower the better.
    sample_weight : array-like of shape (n_samples,), optional
        The criteria take a weight for a number of rows.
    n_bootstrap : int
        Tables for :func:`emkernels.blrt` of each number of classes against a class less, whose
        weights must be whole numbers; 0: no such tests.
    n_jobs : int, optional
        Candidates that are fitted side by side, each in a process of joblib's; -1: as many as
        there are processors. The result has the same bits for every number. A `callback` is
        called in those processes, unseen by this one, which a warning says. None: one after
        the other, in all threads.
    progress : bool or callable, default=False
        True: a bar in a notebook (with tqdm), a line on a terminal, else a line for each
        candidate. A function is called with (done, total, text).
    **parameters
        Of :class:`emkernels.LatentClassAnalysis`.

    Returns
    -------
    ClassSelection
        The best model, and a table of all.

    Raises
    ------
    ValueError, TypeError
        An unknown criterion, no number of classes, bad rows or parameters, no candidate that could
        be fitted.

    Warns
    -----
    EMWarning
        The number chosen is the largest or the smallest (above 1) that was tried. What the fit of
        the chosen one warned about comes as well.

    See Also
    --------
    blrt : Test a number of classes against one less.
    LatentClassAnalysis : The model.
    emkernels.models.classes.ClassSelection : What is returned.
    emkernels.plotting.plot_selection : The criteria of the table, drawn.

    References
    ----------
    K. L. Nylund, T. Asparouhov, B. O. Muthen, Deciding on the number of classes in latent class
    analysis and growth mixture modeling, Structural Equation Modeling 14, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import select_classes
    >>> rng = np.random.default_rng(0)
    >>> high = rng.random(400) < 0.4
    >>> X = (rng.random((400, 6)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
    >>> result = select_classes(X, range(1, 5), random_state=0)
    >>> result.best.n_classes
    2
    """
    if not isinstance(criterion, str) or criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}")
    sizes = check_sizes(n_classes, "n_classes")
    n_bootstrap = _inputs.whole(n_bootstrap, "n_bootstrap", 0)
    first = LatentClassAnalysis(sizes[0], **parameters)
    first._validate_params()
    items = Items.read(X, first, continuous=first.continuous, sample_weight=sample_weight,
                       min_samples=1, n_threads=first.n_threads)
    table, fits, seeded = [], [], Seeded(parameters)
    tasks = [(size, seeded.next()) for size in sizes]
    with fitted(fit_candidate, tasks, (items,), n_jobs=n_jobs, progress=progress,
                told=_told, callback=parameters.get("callback")) as results:
        found = list(results)
    for size, each in zip(sizes, found, strict=True):
        row = {"n_classes": size, "n_parameters": 0, "log_likelihood": -np.inf, "bic": np.inf,
               "aic": np.inf, "abic": np.inf, "caic": np.inf, "icl": np.inf, "entropy": np.nan,
               "n_best": 0, "converged": False, "n_iter": 0, "blrt": None, "below": None,
               "error": None}
        table.append(row)
        if isinstance(each, str):
            row["error"] = each
            continue
        model, said, facts = each
        row.update(facts)
        fits.append((row, seeded.restore(model), said))
    if not fits:
        raise DegenerateFitError(f"no candidate could be fitted; the last: {table[-1]['error']}")
    note_falls([row for row, _, _ in fits], "n_classes")
    if n_bootstrap:
        for row, model, _ in fits:
            if row["n_classes"] > 1:
                row["blrt"] = blrt(
                    items, row["n_classes"], n_bootstrap=n_bootstrap,
                    random_state=model.random_state, n_threads=model.n_threads,
                    sample_weight=sample_weight).p_value
    return _chosen(fits, criterion, table)


def fit_candidate(items, size, parameters):
    """A fit, what it had to say, and its row of the table; or why there is none."""
    model = LatentClassAnalysis(size, **parameters)
    try:
        with listening() as said:
            model.fit(items)
    except DegenerateFitError as error:
        return str(error)
    return model, said, {
        "n_parameters": model.n_parameters_, **model._criteria(items, None, entropy=True),
        "entropy": model.entropy_, "n_best": model.n_best_, "converged": model.converged_,
        "n_iter": model.n_iter_}


def _told(found):
    """What progress says of a candidate."""
    if isinstance(found, str):
        return found
    model, _, facts = found
    return f"n_classes {model.n_classes}: BIC {facts['bic']:.3f}"


def _chosen(fits, criterion, table):
    row, best, said = min(fits, key=lambda fit: fit[0][criterion])
    tried = [row["n_classes"] for row, _, _ in fits]
    if len(tried) > 1 and row["n_classes"] == max(tried):
        warn(f"the number of classes chosen, {max(tried)}, is the largest that was tried: there "
             "may be more", EMWarning)
    elif len(tried) > 1 and row["n_classes"] == min(tried) > 1:
        warn(f"the number of classes chosen, {min(tried)}, is the smallest that was tried: there "
             "may be fewer", EMWarning)
    for text, category in said:
        warn(text, category)
    return ClassSelection(best, criterion, table)
