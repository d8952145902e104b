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

    @property
    def chosen(self):
        """The row of `best` in `table`; None without one."""
        if self.best is None:
            return None
        key = self.best.n_components, self.best.covariance_type
        return next(row for row in self.table
                    if (row["n_components"], row["covariance_type"]) == key)

    @staticmethod
    def remarks(row):
        """What there is to say of a row of the table, in a few words.

        Parameters
        ----------
        row : dict
            One of `table`.

        Returns
        -------
        str
            Empty where there is nothing to say.
        """
        found = [row["error"]] if row["error"] else []
        if row.get("degenerate"):
            columns = row["degenerate_columns"]
            found.append(f"collapsed: {some([str(k) for k in row['degenerate']])}"
                         + (f" (in {some(list(columns), 3)})" if columns else ""))
        if row.get("below"):
            found.append(f"a poor maximum: likelier with {row['below']}")
        return "; ".join(found)

    def __str__(self):
        lines = [f"{'n_components':>12} {'covariance_type':>15} {'n_parameters':>12} "
                 f"{'log_likelihood':>16} {self.criterion:>16}"]
        chosen = self.chosen
        for row in self.table:
            mark = " *" if row is chosen else ""
            remarks = self.remarks(row)
            lines.append(
                f"{row['n_components']:12d} {row['covariance_type']:>15} "
                f"{row['n_parameters']:12d} {row['log_likelihood']:16.3f} "
                f"{row[self.criterion]:16.3f}{mark}"
                + (f"  {remarks}" if remarks else "")
            )
        return "\n".join(lines)
