"""Looking at missing values."""

from dataclasses import dataclass

import numpy as np

from emkernels._results import Result, Table
from emkernels.models.missing.patterns import patterns_of, unweighted
from emkernels.models.missing.tables import text_table

_SHOWN = 20     # patterns that a printed summary lists


@dataclass(repr=False)
class MissingDataSummary(Result):
    """Result of :func:`emkernels.missing_data_summary`.

    Attributes
    ----------
    columns : dict of ndarray of shape (n_features,)
        name, n_missing, share (of the rows, that are missing), n_observed, and of the observed
        values mean, std (divisor n_observed - 1), min, max; NaN where there are too few.
    patterns : dict of ndarray
        The most frequent first: count, share (of the rows), n_missing (n_patterns,) and missing
        (n_patterns, n_features), True where the column is missing.
    pairwise_observed : ndarray of shape (n_features, n_features)
        Rows that observe both columns.
    n_samples, n_features, n_missing, n_complete, n_empty : int
        The last two: rows with nothing missing, and with everything missing.

    See Also
    --------
    emkernels.missing_data_summary : What makes it.
    emkernels.plotting.plot_missing_patterns : Picture of the patterns.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import missing_data_summary
    >>> summary = missing_data_summary([[1.0, np.nan], [2.0, 3.0], [4.0, np.nan]])
    >>> summary.n_complete, summary.columns["n_missing"], summary.patterns["count"]
    (1, array([0, 2]), array([2, 1]))
    """

    columns: dict
    patterns: dict
    pairwise_observed: np.ndarray
    n_samples: int
    n_features: int
    n_missing: int
    n_complete: int
    n_empty: int

    def to_pandas(self):
        """The columns and the patterns as two pandas data frames.

        Returns
        -------
        columns : pandas.DataFrame
            A row for each column.
        patterns : pandas.DataFrame
            A row for each pattern, the most frequent first.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        columns, patterns = self._tables()
        return columns.to_pandas(), patterns.to_pandas()

    def _tables(self):
        names, masks = self.columns["name"], self.patterns["missing"]
        return [Table([("column", names), *((key, self.columns[key]) for key in self.columns
                                            if key != "name")]),
                Table([*((key, self.patterns[key]) for key in ("count", "share", "n_missing")),
                       *zip(names, masks.T)], 0)]

    def _headline(self):
        return str(self).partition("\n")[0]

    def __str__(self):
        columns, patterns = self.columns, self.patterns
        size = self.n_samples * self.n_features
        lines = [f"{self.n_samples} rows, {self.n_features} columns: {self.n_missing} of {size} "
                 f"values missing ({100 * self.n_missing / size:.3g} %); {self.n_complete} rows "
                 f"complete, {self.n_empty} empty", ""]
        rows = [["column", "missing", "share", "observed", "mean", "std", "min", "max"]]
        rows += [[str(name), str(missing), f"{100 * share:.1f} %", str(observed),
                  *("-" if np.isnan(value) else f"{value:.5g}" for value in values)]
                 for name, missing, share, observed, *values in zip(*columns.values())]
        lines += [text_table(rows), ""]
        rows = [["pattern", "rows", "share", "missing", " columns"]]
        for at in range(min(len(patterns["count"]), _SHOWN)):
            names = ", ".join(columns["name"][patterns["missing"][at]]) or "none"
            rows.append([str(at + 1), str(patterns["count"][at]),
                         f"{100 * patterns['share'][at]:.1f} %", str(patterns["n_missing"][at]),
                         " " + (names if len(names) <= 50 else names[:47] + "...")])
        lines.append(text_table(rows, left=(4,)))
        if len(patterns["count"]) > _SHOWN:
            lines.append(f"... and {len(patterns['count']) - _SHOWN} patterns more")
        return "\n".join(lines)


def missing_data_summary(X):
    """Count what is missing, by column, by pair of columns and by pattern.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features), or Chunks
        NaN, None, NA, a null or a masked cell where a value is missing.

    Returns
    -------
    MissingDataSummary
        Prints as tables.

    Raises
    ------
    ValueError
        Infinity (row and column are named), text, an empty table.

    See Also
    --------
    little_mcar_test : Whether values are missing completely at random.
    emkernels.plotting.plot_missing_patterns : Picture of the patterns.
    emkernels.kernels.missing_patterns : Which rows have which pattern.
    emkernels.models.missing.MissingDataSummary : What is returned.

    References
    ----------
    R. J. A. Little, D. B. Rubin, Statistical Analysis with Missing Data, Wiley, 2002, section 1.2.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.models.missing import missing_data_summary
    >>> X = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 4.0], [np.nan, np.nan]])
    >>> summary = missing_data_summary(X)
    >>> summary.columns["n_missing"], summary.patterns["count"]
    (array([1, 2]), array([2, 1, 1]))
    >>> summary.pairwise_observed
    array([[3, 2],
           [2, 2]])
    """
    rows = unweighted(X)
    n_samples, n_features = len(rows), rows.n_features
    found, summary = rows.reduce(patterns_of), rows.summary()
    n_observed = summary.counts
    # divisor n - 1
    deviation = np.where(n_observed > 1, summary.deviations, np.nan)
    deviation *= np.sqrt(n_observed / np.maximum(n_observed - 1, 1))
    order = np.lexsort((*found.masks.T[::-1], found.n_missing, -found.counts))
    counts, masks, n_missing = found.counts[order], found.masks[order], found.n_missing[order]
    together = np.zeros((n_features, n_features))
    for begin in range(0, len(counts), 4096):
        seen = (~masks[begin:begin + 4096]).astype(np.float64)
        together += (seen * counts[begin:begin + 4096, None]).T @ seen
    columns = {"name": np.array(rows.titles), "n_missing": n_samples - n_observed,
               "share": 1 - n_observed / n_samples, "n_observed": n_observed,
               "mean": summary.means, "std": deviation, "min": summary.low, "max": summary.high}
    patterns = {"count": counts, "share": counts / n_samples, "n_missing": n_missing,
                "missing": masks}
    return MissingDataSummary(
        columns, patterns, together.round().astype(np.int64), n_samples, n_features,
        int((n_samples - n_observed).sum()), int(counts[n_missing == 0].sum()),
        int(counts[n_missing == n_features].sum()))
