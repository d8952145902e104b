"""Choosing a mixture by an information criterion."""

import warnings
from dataclasses import dataclass

import numpy as np

from emkernels.em import DegenerateFitError, EMWarning
from emkernels.models import _arguments as arguments
from emkernels.models.gaussian_mixture import GaussianMixture

CRITERIA = ("bic", "aic", "icl")


@dataclass
class SelectionResult:
    """Result of :func:`select_mixture`.

    Attributes
    ----------
    best : GaussianMixture
        The fitted mixture with the lowest criterion.
    criterion : str
    table : list of dict
        One row for each candidate: n_components, covariance_type, n_parameters,
        log_likelihood, bic, aic, icl, converged, n_iter, error (None, or why no fit was had).
    """

    best: GaussianMixture
    criterion: str
    table: list

    def __str__(self):
        lines = [f"{'n_components':>12} {'covariance_type':>15} {'n_parameters':>12} "
                 f"{'log_likelihood':>16} {self.criterion:>16}"]
        lowest = min(row[self.criterion] for row in self.table)
        for row in self.table:
            mark = " *" if row[self.criterion] == lowest else ""
            lines.append(
                f"{row['n_components']:12d} {row['covariance_type']:>15} "
                f"{row['n_parameters']:12d} {row['log_likelihood']:16.3f} "
                f"{row[self.criterion]:16.3f}{mark}"
                + (f"  {row['error']}" if row["error"] else "")
            )
        return "\n".join(lines)


def select_mixture(X, n_components=range(1, 10), covariance_types=("full",), criterion="bic", *,
                   sample_weight=None, **parameters):
    """Fit a mixture for every number of components and covariance type, keep the best.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    n_components : int or iterable of int
    covariance_types : str or iterable of str
    criterion : {'bic', 'aic', 'icl'}
        The lower the better.
    sample_weight : array-like of shape (n_samples,), optional
        The criteria take a weight for a number of rows, so that its unit matters to them.
    **parameters
        Further parameters of :class:`GaussianMixture`.

    Returns
    -------
    SelectionResult

    Raises
    ------
    ValueError
        An unknown criterion, no candidate, or no candidate that could be fitted.

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
    best, table = None, []
    for type_ in types:
        for size in sizes:
            model = GaussianMixture(size, covariance_type=type_, **parameters)
            row = {"n_components": size, "covariance_type": type_}
            try:
                model.fit(X, sample_weight=sample_weight)
            except DegenerateFitError as error:
                row.update(n_parameters=0, log_likelihood=-np.inf, bic=np.inf, aic=np.inf,
                           icl=np.inf, converged=False, n_iter=0, error=str(error))
                table.append(row)
                continue
            row.update(
                n_parameters=model._n_parameters(),
                **model._criteria(X, sample_weight, entropy=True),
                converged=model.converged_, n_iter=model.n_iter_, error=None)
            if best is None or row[criterion] < best[0]:
                best = (row[criterion], model)
            table.append(row)
    if best is None:
        raise DegenerateFitError(f"no candidate could be fitted; the last: {table[-1]['error']}")
    if sample_weight is not None:
        _warn_about_unit(sample_weight, X)
    return SelectionResult(best[1], criterion, table)


def _warn_about_unit(sample_weight, X):
    """Weights that are shares, not numbers of rows: nothing is left of the penalty."""
    rows, _ = arguments.read_rows(X, GaussianMixture())
    weight = arguments.check_sample_weight(sample_weight, rows)
    total, n_rows = weight.sum(), np.count_nonzero(weight)
    if total < 0.1 * n_rows:
        warnings.warn(
            f"sample_weight sums to {total:.6g} for {n_rows} rows: the criteria take it for a "
            "number of rows, and so few bear no penalty, or a negative one. Scale the weights to "
            "sum to the number of rows", EMWarning, stacklevel=3)
