"""What is known of a column of numbers, found while its values go by."""

import numpy as np

# what is written where a value is missing, if at all by a number
CODES = (-99999, -9999, -999, -99, -9, 99, 999, 9999, 99999)


class Column:
    """A column of numbers, part by part.

    Parameters
    ----------
    keep : bool
        Whether the values are kept.

    Attributes
    ----------
    parts : list of ndarray or None
    n_rows, n_missing : int
    first_gap : int or None
        The first row without a value.
    whole : bool
        Whether there are whole numbers only.
    low, high : float
        Smallest and largest value, NaN without any.
    within : list of float
        The same of the values that are no code.
    codes : dict of int to int
        The first row of each code that occurs.
    """

    def __init__(self, keep):
        self.parts = [] if keep else None
        self.n_rows = self.n_missing = 0
        self.first_gap, self.whole, self.low, self.high = None, True, np.nan, np.nan
        self.within, self.codes = [np.inf, -np.inf], {}

    @property
    def empty(self):
        return self.n_missing == self.n_rows

    def add(self, values):
        """The next of its values, NaN where one is missing."""
        gaps = np.isnan(values)
        n = int(np.count_nonzero(gaps))
        if n and self.first_gap is None:
            self.first_gap = self.n_rows + int(gaps.argmax())
        self.whole = self.whole and bool(np.all((values == np.rint(values)) | gaps))
        low, high = (float(end.reduce(values, initial=np.nan)) for end in (np.fmin, np.fmax))
        self.low, self.high = np.fmin(self.low, low), np.fmax(self.high, high)
        rest = values
        if low <= CODES[-1] and high >= CODES[0]:
            coded = np.isin(values, CODES)
            if coded.any():
                found, first = np.unique(values[coded], return_index=True)
                for code, at in zip(found.tolist(), np.flatnonzero(coded)[first].tolist()):
                    self.codes.setdefault(int(code), self.n_rows + at)
                rest = values[~coded]
        self.within = [float(np.fmin.reduce(rest, initial=self.within[0])),
                       float(np.fmax.reduce(rest, initial=self.within[1]))]
        if self.parts is not None:
            self.parts.append(values)
        self.n_rows, self.n_missing = self.n_rows + len(values), self.n_missing + n

    def let_go(self):
        """The values, which are kept no longer."""
        parts, self.parts = self.parts, None
        return parts
