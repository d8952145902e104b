"""Ways to read blocks again and again."""

import numpy as np

from emkernels import _inputs
from emkernels.data.rows import Rows

BLOCK_CELLS = 2**21     # of an array, where nothing says how many rows a block has
FEWEST_ROWS = 1024


def reader_of(source, sample_weight=None, columns=None, chunk_rows=None):
    """The reader of a source; TypeError for what cannot be read again.

    A reader gives ``blocks(start)``, an iterator of pairs of values and weights (None without)
    from block `start` on, and says by ``volatile`` whether what it reads may change unseen.
    """
    if isinstance(source, np.ndarray):
        return ArrayReader(source, sample_weight, columns, chunk_rows)
    if isinstance(source, (list, tuple)):
        return PartsReader(source, sample_weight, columns)
    if callable(source):
        return CallableReader(source, sample_weight, columns)
    if hasattr(source, "__next__"):
        raise TypeError(
            f"source is an iterator ({type(source).__name__}), which can be read once, and EM "
            "reads the rows in every pass: pass a callable that returns a new iterator, as the "
            "function that made this one, or lambda: (load(name) for name in names)")
    raise TypeError(f"source must be a callable that returns an iterator of tables, an array or "
                    f"memory map, or a list of tables; got {type(source).__name__}")


class ArrayReader:
    """Rows of an array, so many at a time."""

    volatile = False

    def __init__(self, X, sample_weight=None, columns=None, chunk_rows=None):
        if X.ndim != 2:
            raise ValueError(f"source must be a 2-d array, got {X.ndim} dimension(s)")
        self.X, self.weight, self.columns = X, sample_weight, columns
        if chunk_rows is None:
            chunk_rows = max(FEWEST_ROWS, BLOCK_CELLS // max(1, X.shape[1]))
        self.chunk_rows = _inputs.whole(chunk_rows, "chunk_rows")
        if sample_weight is not None:
            self.weight = np.asarray(sample_weight)
            if self.weight.shape != (len(X),):
                raise ValueError(f"sample_weight must have shape ({len(X)},), got "
                                 f"{self.weight.shape}")

    def blocks(self, start=0):
        for first in range(start * self.chunk_rows, len(self.X), self.chunk_rows):
            part = slice(first, first + self.chunk_rows)
            X = self.X[part]
            if self.columns is not None:
                X = X[:, self.columns]
            yield np.asarray(X), None if self.weight is None else self.weight[part]


class PartsReader:
    """Tables in a list."""

    volatile = False

    def __init__(self, parts, sample_weight=None, columns=None):
        self.parts, self.weights, self.columns = parts, sample_weight, columns

    def blocks(self, start=0):
        for i in range(start, len(self.parts)):
            part, weight = self.parts[i], None
            if self.weights is not None:
                weight = self.weights[i]
            elif isinstance(part, Rows):
                weight = part.weight_given
            yield part, weight


class CallableReader:
    """What a callable returns, anew in every pass."""

    volatile = True

    def __init__(self, source, sample_weight=None, columns=None):
        self.source, self.weights, self.columns = source, sample_weight, columns

    def blocks(self, start=0):
        weights = iter(self.weights()) if self.weights is not None else None
        for i, block in enumerate(self.source()):
            weight = None if weights is None else next(weights)
            if i >= start:
                yield block, weight
