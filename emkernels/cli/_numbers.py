"""The numbers of a table: all in memory, or a block of rows after the other."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

import emkernels
from emkernels._extras import optional
from emkernels.cli._columns import Column
from emkernels.cli._messages import CommandError

# Numbers of a block of rows, and rows it has at least. A table of more than one block is fitted
# block by block, whether it is in memory or not, so that the result does not depend on that.
BLOCK_CELLS, FEWEST_ROWS = 1 << 21, 1024


class Used:
    """The columns of a table that are used; whatever holds their numbers inherits from it.

    Attributes
    ----------
    n_rows : int
    dtype : numpy.dtype
    positions : list of int
        Of the used columns in the table.
    names : list of str
    whole : list of bool
        Whether a column has whole numbers only.
    text : dict of str to int
        Columns that are not of numbers, and how many of their cells are missing.
    empty : list of str
        Columns without any value.
    facts : list of Column
    forced : bool
        Whether even one block is fitted as blocks are.
    n_without : int
        Rows without any value.
    """

    forced = False

    @property
    def block_rows(self):
        """Rows of a block."""
        return max(FEWEST_ROWS, BLOCK_CELLS // max(1, len(self.names)))

    @property
    def over_blocks(self):
        """Whether the table is fitted block by block."""
        return self.forced or self.n_rows > self.block_rows

    @property
    def n_missing(self):
        """Of each column."""
        return np.array([each.n_missing for each in self.facts], dtype=np.int64)

    @cached_property
    def ends(self):
        """The smallest and the largest value of each column."""
        return np.array([[each.low for each in self.facts], [each.high for each in self.facts]])

    @property
    def largest(self):
        """The largest of each column, signs aside."""
        return np.max(np.abs(self.ends), axis=0)

    @cached_property
    def constant(self):
        """Names of the columns with one value only."""
        return [name for name, low, high in zip(self.names, *self.ends) if low == high]

    @property
    def incomplete(self):
        """The column of the first value that is missing in the table, or None."""
        gaps = [(each.first_gap, at) for at, each in enumerate(self.facts) if each.n_missing]
        return self.names[min(gaps)[1]] if gaps else None

    def _picked(self, names):
        """What the constructor takes, of all columns but some; and where those left are."""
        keep = [at for at, name in enumerate(self.names) if name not in names]
        return keep, ([self.positions[at] for at in keep], [self.names[at] for at in keep],
                      [self.whole[at] for at in keep], self.text, self.empty,
                      [self.facts[at] for at in keep])

    def framed(self, X, names):
        """Values of columns of other names, or in another order, as a data frame."""
        return optional("pandas", "a table", "cli").DataFrame(X, columns=names, copy=False)

    def _frame(self, X):
        return optional("pandas", "a table", "cli").DataFrame(X, columns=self.names, copy=False)

    def rows(self, X):
        """Values as named rows, looked through here only; no copy."""
        # `data` is loaded here, and scikit-learn with it, without which every help is shown
        return emkernels.data.Rows.read(
            self._frame(X), expect_missing=bool(self.n_missing.any()))


@dataclass
class Numbers(Used):
    """The columns of a table that are used, in memory.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_used), float64 or float32
        NaN where a value is missing.
    gaps : bool ndarray of the shape of X
        Where a value is missing.
    """

    X: np.ndarray
    positions: list
    names: list
    whole: list
    text: dict
    empty: list = ()
    facts: list = None

    def __post_init__(self):
        if self.facts is None:
            self.facts = [Column(keep=False) for _ in self.names]
            for at, each in enumerate(self.facts):
                each.add(self.X[:, at])

    @property
    def n_rows(self):
        return len(self.X)

    @property
    def dtype(self):
        return self.X.dtype

    @cached_property
    def gaps(self):
        return np.isnan(self.X)

    @property
    def n_without(self):
        return int(self.gaps.all(axis=1).sum())

    @property
    def first(self):
        """The first block."""
        return self.X[:self.block_rows]

    def parts(self):
        """The rows, block by block where they are fitted so."""
        step = self.block_rows if self.over_blocks else max(1, self.n_rows)
        for first in range(0, self.n_rows, step):
            yield self.X[first:first + step]

    def frames(self, change=None):
        """The source of the blocks of rows.

        Parameters
        ----------
        change : callable, optional
            ``change(X)``: other values of the same cells.
        """
        return [self._frame(X if change is None else change(X)) for X in self.parts()]

    def without(self, names):
        """The same without some columns."""
        if not names:
            return self
        keep, rest = self._picked(names)
        return Numbers(self.X[:, keep], *rest)


@dataclass
class Cells:
    """Where numbers are read again.

    Attributes
    ----------
    values : callable
        Returns an iterator of lists of columns.
    n_rows : int
    dtype : numpy.dtype
    path : str
    """

    values: object
    n_rows: int
    dtype: object
    path: str

    def of(self, at):
        """Some of the columns."""
        def values():
            for columns in self.values():
                yield [columns[j] for j in at]
        return Cells(values, self.n_rows, self.dtype, self.path)


class Reread(Used):
    """The columns of a table that are used, which are read again in every pass."""

    def __init__(self, cells, positions, names, whole, text, empty, facts, forced=False):
        self.cells, self.forced = cells, forced
        self.n_rows, self.dtype = cells.n_rows, np.dtype(cells.dtype)
        self.positions, self.names, self.whole = positions, names, whole
        self.text, self.empty, self.facts, self.n_without = text, empty, facts, None

    @property
    def first(self):
        """The first block."""
        return next(self._blocks())

    def parts(self):
        """The rows, block by block; `n_without` is known when all were seen."""
        n_rows = n_without = 0
        for X in self._blocks():
            n_rows += len(X)
            if self.n_missing.any():
                n_without += int(np.isnan(X).all(axis=1).sum())
            yield X
        if n_rows != self.n_rows:
            raise CommandError(f"{self.cells.path}: changed while it was being worked on")
        self.n_without = n_without

    def _blocks(self):
        X, at, n_block = None, 0, self.block_rows
        for columns in self.cells.values():
            first, n_rows = 0, len(columns[0])
            while first < n_rows:
                if X is None:
                    X, at = np.empty((n_block, len(columns)), self.dtype, order="F"), 0
                n = min(n_rows - first, n_block - at)
                for j, column in enumerate(columns):
                    X[at:at + n, j] = column[first:first + n]
                first, at = first + n, at + n
                if at == n_block:
                    yield X
                    X = None
        if X is not None:
            yield X[:at]

    def frames(self, change=None):
        """The source of the blocks of rows; parameters as in :meth:`Numbers.frames`."""
        def frames():
            for X in self.parts():
                yield self._frame(X if change is None else change(X))
        return frames

    def without(self, names):
        """The same without some columns."""
        if not names:
            return self
        keep, rest = self._picked(names)
        return Reread(self.cells.of(keep), *rest, self.forced).settled()

    def settled(self):
        """A table of one block, which need not be fitted as blocks are, is held in memory."""
        if self.over_blocks:
            return self
        X = next(self._blocks())
        return Numbers(X, self.positions, self.names, self.whole, self.text, self.empty,
                       self.facts)
