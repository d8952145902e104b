"""Values filled in that are smaller or larger than every observed one of their column.

The normal distribution knows no bounds: lengths become negative, shares exceed one, and most where
one group of rows misses a column altogether. That is right for the estimates and wrong in the
table, so it is counted and said.
"""

import numpy as np

from emkernels.cli._messages import count, listed, quoted

# of the width of a column's range: what rounding, to float32 too, puts beyond it
ROUNDING = 1e-6


class Beyond:
    """How many values go beyond, and how far.

    Parameters
    ----------
    numbers : Numbers
        Every column has a value.

    Attributes
    ----------
    lowest, highest : ndarray of shape (n_columns,)
        Of the values filled in and of those observed.
    counts : ndarray of int of shape (n_columns,)
    """

    def __init__(self, numbers):
        self.n_missing = numbers.n_missing
        self.low, self.high = (end.astype(np.float64) for end in numbers.ends)
        self.lowest, self.highest = self.low.copy(), self.high.copy()
        self.counts = np.zeros(len(numbers.names), np.int64)

    def seen(self, parts):
        """Parts of rows (values, the same filled in, columns added) as they are, counted on the
        way."""
        slack = ROUNDING * (self.high - self.low)
        for X, filled, added in parts:
            for at in np.flatnonzero(self.n_missing):
                values = filled[np.isnan(X[:, at]), at]
                if not len(values):
                    continue
                outside = (values < self.low[at] - slack[at]) | (values > self.high[at] + slack[at])
                self.counts[at] += np.count_nonzero(outside)
                self.lowest[at] = min(self.lowest[at], values.min())
                self.highest[at] = max(self.highest[at], values.max())
            yield X, filled, added

    def lines(self, names, m):
        """What is to be said; the columns with most of them first.

        Parameters
        ----------
        names : list of str
        m : int or None
            Copies.
        """
        most = [at for at in np.argsort(-self.counts, kind="stable") if self.counts[at]]
        if not most:
            return []
        each = []
        for at in most:
            ends = [f"{way} to {found:.4g}" for way, found, end in (
                ("down", self.lowest[at], self.low[at]), ("up", self.highest[at], self.high[at]))
                if found != end]
            n_filled = self.n_missing[at] * (m or 1)
            each.append(f"{self.counts[at]} of {n_filled} in {quoted(names[at])} (observed "
                        f"{self.low[at]:.4g} to {self.high[at]:.4g}, filled in "
                        f"{' and '.join(ends)})")
        return [f"{count(int(self.counts.sum()), 'value')} filled in beyond what is observed: "
                f"{listed(each, 4)}; --clip keeps to it"]
