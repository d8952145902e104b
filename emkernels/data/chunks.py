"""Rows in chunks: statistics add up, so no chunk sees another."""

import numpy as np

from emkernels._inputs import whole
from emkernels._words import some
from emkernels.data.rows import Rows


class Chunks:
    """Chunks of rows as one source for :func:`emkernels.em.run_em`.

    Their statistics are merged in the order of the chunks, so the same chunks give the same
    bits; other borders may round otherwise.

    Parameters
    ----------
    parts : sequence of array-like of shape (n_rows, n_features), or of Rows
        All of one precision and as many columns; each is read once, and not copied. Where the
        components of rows are known in one, those of the others are unknown.
    n_threads : int, optional

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.data import Chunks
    >>> chunks = Chunks([np.zeros((3, 2)), np.ones((2, 2))])
    >>> chunks.n_rows, chunks.n_features
    (5, 2)
    """

    def __init__(self, parts, *, n_threads=None):
        if hasattr(parts, "shape") or isinstance(parts, Rows) or not hasattr(parts, "__iter__"):
            raise TypeError("parts must be a sequence of tables, as np.array_split(X, 10), got "
                            f"one {type(parts).__name__}")
        if n_threads is not None and n_threads != -1:
            whole(n_threads, "n_threads")
        self.parts = []
        for i, part in enumerate(parts):
            try:
                rows = Rows.read(part)
            except (TypeError, ValueError) as error:
                raise type(error)(f"chunk {i}: {error}") from error
            first = self.parts[0] if self.parts else rows
            if rows.n_features != first.n_features or rows.dtype != first.dtype:
                raise ValueError(
                    f"chunk {i} has {rows.n_features} columns of {rows.dtype}, chunk 0 has "
                    f"{first.n_features} of {first.dtype}")
            if None not in (rows.names, first.names) and rows.names != first.names:
                raise ValueError(
                    f"chunk {i} has the columns {some([*map(repr, rows.names)])}, chunk 0 "
                    f"{some([*map(repr, first.names)])}: name them alike, in one order")
            self.parts.append(rows.with_(n_threads=n_threads))
        if not self.parts:
            raise ValueError("there is no chunk")
        if any(rows.known is not None for rows in self.parts):
            # rows without any value count where some are known: as in one table, so in all chunks
            self.parts = [rows if rows.known is not None
                          else rows.labelled(np.full(len(rows), -1, np.int32))
                          for rows in self.parts]
        self.dtype, self.n_features = self.parts[0].dtype, self.parts[0].n_features
        self.n_rows = sum(len(rows) for rows in self.parts)
        self.n_positive = sum(rows.n_positive for rows in self.parts)
        self.total = float(np.sum([rows.total for rows in self.parts]))
        if not self.n_positive:
            raise ValueError("the weights of all chunks are zero")

    def reduce(self, function, *arguments):
        """``function(rows, *arguments)`` of every chunk, merged in their order."""
        total = None
        for rows in self.parts:
            part = function(rows, *arguments)
            total = part if total is None else total.merge(part)
        return total
