"""Blocks of what is in memory, or looks as if it were."""

import numpy as np

from emkernels import _inputs
from emkernels.data.readers.picking import (
    as_known,
    check_chosen,
    column_of,
    names_in,
    pick,
    taken,
)
from emkernels.data.readers.prefetch import prefetched
from emkernels.data.readers.weights import ArrayWeights
from emkernels.data.rows import Rows

BLOCK_CELLS = 2**21     # 16 MB of float64, where nothing says how many rows a block has
FEWEST_ROWS = 1024


class SlicesReader:
    """Rows of an array, a frame or a table, so many at a time.

    Of arrays on a disk that are neither NumPy's nor in memory (zarr) the next block is read while
    the last is in work, and a block is a whole number of the parts in which they are stored.
    """

    def __init__(self, X, columns=None, weight_name=None, chunk_rows=None):
        self.X = X = as_known(X)
        self.names = names_in(X)
        if self.names is None and len(X.shape) != 2:
            raise ValueError(f"source must be a 2-d array, got {len(X.shape)} dimension(s)")
        self.n_rows, n_columns = X.shape
        self.columns = check_chosen(columns, self.names, weight_name, n_columns)
        self.weight_name = weight_name
        self.stored = self.names is None and not isinstance(X, np.ndarray)
        self.resident = not self.stored
        # others may write into the file of a map, or a store
        self.volatile = self.stored or isinstance(X, np.memmap)
        if chunk_rows is None:
            width = max(1, n_columns if self.columns is None else len(self.columns))
            chunk_rows = max(FEWEST_ROWS, BLOCK_CELLS // width)
            whole = getattr(X, "chunks", None) if self.stored else None
            if whole:
                chunk_rows = max(1, chunk_rows // whole[0]) * whole[0]
        self.chunk_rows = _inputs.whole(chunk_rows, "chunk_rows")

    @staticmethod
    def reads(source):
        """Whether it has rows that can be cut."""
        if isinstance(source, Rows) or hasattr(source, "nnz"):
            return False
        return (names_in(source) is not None and hasattr(source, "shape")) or (
            hasattr(source, "shape") and hasattr(source, "dtype")
            and hasattr(source, "__getitem__"))

    def identity(self):
        return None

    def weights_of(self, sample_weight):
        _inputs.check_same_rows(self.X, sample_weight, "sample_weight")
        return ArrayWeights(sample_weight, (
            min(self.chunk_rows, self.n_rows - first)
            for first in range(0, self.n_rows, self.chunk_rows)))

    def blocks(self, start=0):
        firsts = range(start * self.chunk_rows, self.n_rows, self.chunk_rows)
        if not self.stored:
            return (self._block(first) for first in firsts)

        def produce(take):
            for first in firsts:
                slot = take()
                yield self._block(first), slot
        return prefetched(produce)

    def _block(self, first):
        part = slice(first, first + self.chunk_rows)
        if hasattr(self.X, "iloc"):
            part = self.X.iloc[part]
        elif hasattr(self.X, "slice"):      # Arrow, polars
            part = self.X.slice(first, self.chunk_rows)
        else:
            part = self.X[part]
            if not isinstance(part, np.ma.MaskedArray):
                part = np.asarray(part)
        weight = None if self.weight_name is None else column_of(part, self.weight_name)
        return taken(part, self.columns), weight


class PartsReader:
    """Tables in a list."""

    volatile, resident = False, True

    def __init__(self, parts, columns=None, weight_name=None, chunk_rows=None):
        if chunk_rows is not None:
            raise ValueError("chunk_rows means nothing for a list of tables: each is a block")
        self.parts, self.columns, self.weight_name = parts, columns, weight_name

    def identity(self):
        return None

    def blocks(self, start=0):
        for i in range(start, len(self.parts)):
            yield picked(self.parts[i], i, self.columns, self.weight_name)


def picked(part, number, columns, weight_name):
    """What is wanted of a block, and its weights."""
    try:
        values, weight = pick(part, columns, weight_name)
    except (TypeError, ValueError) as error:
        raise type(error)(f"block {number}: {error}") from error
    if weight is None and isinstance(part, Rows):
        weight = part.weight_given
    return values, weight
