"""Choosing a mixture by an information criterion."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from emkernels._callers import user_level
from emkernels.em import DegenerateFitError, DegenerateWarning, EMWarning
from emkernels.models import _arguments as arguments
from emkernels.models._words import column_names, some
from emkernels.models.gaussian_mixture import GaussianMixture

CRITERIA = ("bic", "aic", "icl")

# How a mixture is fitted where a number of components is to be chosen, or a result to be looked
# at: a criterion compares maxima, so they are looked for with care, and units do not matter.
CAREFUL = {
    "n_init": 30, "short_iter": 10, "init_params": ("kmeans", "k-means++", "random_from_data"),
    "init_scaling": "standard", "reg_covar": "auto", "convergence": "distance", "tol": 1e-3,
    "max_iter": 1000, "acceleration": "squarem",
}


@dataclass
class SelectionResult:
    """Result of :func:`select_mixture`.

    Attributes
    ----------
    best : GaussianMixture
        The fitted mixture with the lowest criterion, degenerate ones left aside unless they
        were allowed or there is no other.
    criterion : str
    table : list of dict
        One row for each candidate: n_components, covariance_type, n_parameters,
        log_likelihood, bic, aic, icl, converged, n_iter, error (None, or why no fit was had),
        degenerate (collapsed components, a list of int) and degenerate_columns (where, a list of
        str).
    """

    best: GaussianMixture
    criterion: str
    table: list

    @property
    def chosen(self):
        """The row of `best` in `table`; None without one."""
        if self.best is None:
            return None
        key = self.best.n_components, self.best.covariance_type
        return next(row for row in self.table
                    if (row["n_components"], row["covariance_type"]) == key)

    def __str__(self):
        lines = [f"{'n_components':>12} {'covariance_type':>15} {'n_parameters':>12} "
                 f"{'log_likelihood':>16} {self.criterion:>16}"]
        chosen = self.chosen
        for row in self.table:
            mark = " *" if row is chosen else ""
            remarks = [row["error"]] if row["error"] else []
            if row.get("degenerate"):
                remarks.append(collapsed(row["degenerate"], row["degenerate_columns"]))
            lines.append(
                f"{row['n_components']:12d} {row['covariance_type']:>15} "
                f"{row['n_parameters']:12d} {row['log_likelihood']:16.3f} "
                f"{row[self.criterion]:16.3f}{mark}"
                + (f"  {'; '.join(remarks)}" if remarks else "")
            )
        return "\n".join(lines)


def collapsed(components, columns):
    """What tables say of collapsed components."""
    return (f"collapsed: {some([str(k) for k in components])}"
            + (f" (in {some(list(columns), 3)})" if columns else ""))


def select_mixture(X, n_components=range(1, 10), covariance_types=("full",), criterion="bic", *,
                   sample_weight=None, allow_degenerate=False, **parameters):
    """Fit a mixture for every number of components and covariance type, keep the best.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    n_components : int or iterable of int
        Numbers above that of the rows are left out, as their rows of the table say.
    covariance_types : str or iterable of str
    criterion : {'bic', 'aic', 'icl'}
        The lower the better.
    sample_weight : array-like of shape (n_samples,), optional
        The criteria take a weight for a number of rows, so that its unit matters to them.
    allow_degenerate : bool, default=False
        Choose among the mixtures with collapsed components too (see
        `GaussianMixture.degenerate_components_`). Their criterion is low for nothing, a spike
        in the data being as likely as one likes, so they are marked in the table, and by
        default not chosen unless there is no other.
    **parameters
        Further parameters of :class:`GaussianMixture`. Not all defaults are those of the class:
        ``n_init=30, short_iter=10, init_params=('kmeans', 'k-means++', 'random_from_data'),
        init_scaling='standard', reg_covar='auto', convergence='distance', tol=1e-3,
        max_iter=1000, acceleration='squarem'``: maxima are compared, so they are looked for
        with more care, and the units of the columns do not matter.

    Returns
    -------
    SelectionResult

    Raises
    ------
    ValueError
        An unknown criterion, no candidate, or no candidate that could be fitted.

    Warns
    -----
    DegenerateWarning
        Candidates with collapsed components have a lower criterion than the one chosen, or there
        is no other.
    EMWarning
        The number chosen is the largest or the smallest (above 1) that was tried. What the fit
        of the chosen one warned about comes as well.

    References
    ----------
    G. Schwarz, Annals of Statistics 6, 1978 (BIC); C. Biernacki, G. Celeux, G. Govaert, IEEE
    Trans. PAMI 22, 2000 (ICL).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import select_mixture
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) + 8])
    >>> result = select_mixture(X, range(1, 5), random_state=0)
    >>> result.best.n_components
    2
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}")
    sizes = [n_components] if isinstance(n_components, (int, np.integer)) else list(n_components)
    types = [covariance_types] if isinstance(covariance_types, str) else list(covariance_types)
    if not sizes or not types:
        raise ValueError("n_components and covariance_types must name at least one candidate")
    rows, _ = arguments.read_rows(X, GaussianMixture())
    n_rows = len(rows)
    few = [size for size in sizes if size <= n_rows]
    names = None
    fits, table = [], []
    for type_ in types:
        for size in sizes:
            row = {"n_components": size, "covariance_type": type_, "n_parameters": 0,
                   "log_likelihood": -np.inf, "bic": np.inf, "aic": np.inf, "icl": np.inf,
                   "converged": False, "n_iter": 0, "error": None, "degenerate": [],
                   "degenerate_columns": []}
            table.append(row)
            if few and size > n_rows:
                row["error"] = f"more components than the {n_rows} rows"
                continue
            model = GaussianMixture(size, covariance_type=type_, **{**CAREFUL, **parameters})
            try:
                said = _fit(model, X, sample_weight)
            except DegenerateFitError as error:
                row["error"] = str(error)
                continue
            names = names or column_names(X, model.n_features_in_)
            row.update(
                n_parameters=model._n_parameters(),
                **model._criteria(X, sample_weight, entropy=True),
                converged=model.converged_, n_iter=model.n_iter_,
                degenerate=model.degenerate_components_.tolist(),
                degenerate_columns=sorted({names[j] for columns in
                                           model._examination.spikes.values() for j in columns}))
            fits.append((row, model, said))
    if not fits:
        raise DegenerateFitError(f"no candidate could be fitted; the last: {table[-1]['error']}")
    if sample_weight is not None:
        _warn_about_unit(sample_weight, rows)
    return _chosen(fits, table, criterion, allow_degenerate, few)


def _warn_about_unit(sample_weight, rows):
    """Weights that are shares, not numbers of rows: nothing is left of the penalty."""
    weight = arguments.check_sample_weight(sample_weight, rows)
    total, n_rows = weight.sum(), np.count_nonzero(weight)
    if total < 0.1 * n_rows:
        warnings.warn(
            f"sample_weight sums to {total:.6g} for {n_rows} rows: the criteria take it for a "
            "number of rows, and so few bear no penalty, or a negative one. Scale the weights to "
            "sum to the number of rows", EMWarning, stacklevel=user_level())


def _fit(model, X, sample_weight):
    """Fit; what it warned about its own state is returned, for the chosen one to say."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, sample_weight=sample_weight)
    own = [each for each in caught if issubclass(each.category, (EMWarning, ConvergenceWarning))]
    for each in caught:
        if each not in own:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return own


def _chosen(fits, table, criterion, allow_degenerate, sizes):
    """The result, and what has to be said of the choice."""
    lowest = min(fits, key=lambda fit: fit[0][criterion])
    sound = fits if allow_degenerate else [fit for fit in fits if not fit[0]["degenerate"]]
    row, best, said = min(sound or fits, key=lambda fit: fit[0][criterion])
    degenerate, notes = [], []
    if not sound:
        degenerate.append(
            "every candidate has collapsed components, so the criterion does not tell how many "
            "there are; fewer components, covariance_prior='empirical', or fewer columns may")
    elif lowest[0] is not row and not allow_degenerate:
        columns = sorted({name for fit in fits for name in fit[0]["degenerate_columns"]})
        better = sum(fit[0][criterion] < row[criterion] for fit in fits)
        degenerate.append(
            f"{better} of {len(fits)} candidates have a lower {criterion} than the chosen "
            f"{row['n_components']} components, but collapsed ones (in {some(columns)}), for which "
            "it says nothing: they were not chosen. covariance_prior='empirical', or leaving "
            "out columns of few values, keeps components from collapsing")
    if len(set(sizes)) > 1 and row["n_components"] == max(sizes):
        notes.append(f"the number of components chosen, {max(sizes)}, is the largest that was "
                     "tried: there may be more")
    elif len(set(sizes)) > 1 and row["n_components"] == min(sizes) > 1:
        notes.append(f"the number of components chosen, {min(sizes)}, is the smallest that was "
                     "tried: there may be fewer")
    for texts, category in ((degenerate, DegenerateWarning), (notes, EMWarning)):
        for text in texts:
            warnings.warn(text, category, stacklevel=user_level())
    for each in said:
        warnings.warn(str(each.message), each.category, stacklevel=user_level())
    return SelectionResult(best, criterion, table)
