"""What came of the candidates of which one mixture is chosen."""

from dataclasses import dataclass

from emkernels._words import some
from emkernels.models.candidates import Selection
from emkernels.models.mixture.estimator import GaussianMixture


@dataclass(repr=False)
class SelectionResult(Selection):
    """Result of :func:`emkernels.select_mixture`.

    Attributes
    ----------
    best : GaussianMixture
        The fitted mixture with the lowest criterion, degenerate ones left aside unless they
        were allowed or there is no other.
    criterion : str
    table : list of dict
        One row for each candidate: n_components, covariance_type, n_parameters,
        log_likelihood, bic, aic, icl, converged, n_iter, error (None, or why no fit was had),
        degenerate (collapsed components, a list of int), degenerate_columns (where, a list of
        str) and below (None, or a smaller number of components with a higher likelihood: this
        fit has missed its maximum).

    See Also
    --------
    select_mixture : What makes it.
    emkernels.plotting.plot_selection : The criteria of the table, drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from emkernels import select_mixture
    >>> result = select_mixture(load_iris().data, (1, 2), ("full", "diag"), random_state=0)
    >>> result.best.n_components, result.best.covariance_type
    (2, 'full')
    >>> [round(row["bic"]) for row in result.table]
    [830, 574, 1522, 858]
    """

    best: GaussianMixture
    criterion: str
    table: list

    _keys = "n_components", "covariance_type"
    _printed = (("n_components", "12d"), ("covariance_type", ">15"), ("n_parameters", "12d"),
                ("log_likelihood", "16.3f"), (None, "16.3f"))

    @staticmethod
    def _remarks(row):
        if not row.get("degenerate"):
            return []
        columns = row["degenerate_columns"]
        return [f"collapsed: {some([str(k) for k in row['degenerate']])}"
                + (f" (in {some(list(columns), 3)})" if columns else "")]
