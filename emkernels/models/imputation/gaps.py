"""What rows lack together, and rows that lack everything."""

import numpy as np

from emkernels.data.rows import Rows
from emkernels.data.source import Sums

# Patterns of missing values of blocks that are told apart; more are not counted.
MOST_PATTERNS = 65536
STEP = 4096     # patterns whose masks are unpacked together


class Gaps:
    """What is missing in rows; those of parts are merged.

    Attributes
    ----------
    together : ndarray of bool of shape (n_features, n_features), or None
        Whether a row of some weight has both columns.
    whole : bool
        Whether every row has all of its values, or none.
    total : float
        The weight of the rows with something observed.
    n_positive : int
        How many of these have a weight.
    n_empty : int
        Rows with nothing observed.
    n_patterns : int or None
        Different sets of missing columns; None where blocks have too many to be told apart.
    """

    def __init__(self, rows, pairs):
        patterns, weight = rows.all_patterns, rows.weight_given
        empty = rows.empty
        self.whole = bool(np.isin(patterns.n_missing, (0, rows.n_features)).all())
        self.n_empty = int(np.count_nonzero(empty))
        self.total, self.n_positive = float(len(rows) - self.n_empty), len(rows) - self.n_empty
        if weight is not None:
            self.total = float(weight[~empty].sum())
            self.n_positive = int(np.count_nonzero(weight[~empty]))
        self.together = together(rows) if pairs else None
        self.n_patterns, self._masks = patterns.n_patterns, None
        if self.n_patterns <= MOST_PATTERNS:
            self._masks = np.concatenate([
                np.packbits(patterns.masks_of(slice(first, first + STEP)), axis=1)
                for first in range(0, self.n_patterns, STEP)])

    def merge(self, other):
        if self.together is not None:
            self.together = self.together | other.together
        self.whole = self.whole and other.whole
        self.total, self.n_positive = self.total + other.total, self.n_positive + other.n_positive
        self.n_empty += other.n_empty
        self._merge_patterns(other)
        return self

    def _merge_patterns(self, other):
        masks, self._masks, self.n_patterns = self._masks, None, None
        if masks is None or other._masks is None:
            return
        masks = np.unique(np.concatenate([masks, other._masks]), axis=0)
        if len(masks) <= MOST_PATTERNS:
            self._masks, self.n_patterns = masks, len(masks)

    @property
    def never_together(self):
        """Pairs (i, j), i < j, of columns that no row (of some weight) has both of."""
        return np.argwhere(np.triu(~self.together, 1))


def together(rows):
    """Whether a row (of some weight) has both of two columns, (n_features, n_features)."""
    patterns, sample_weight = rows.all_patterns, rows.sample_weight
    seen = ~patterns.masks
    if sample_weight is not None:
        weighted = (sample_weight > 0)[patterns.order]
        seen = seen[np.add.reduceat(weighted, patterns.offsets[:-1], dtype=np.int64) > 0]
    counts = np.zeros((seen.shape[1], seen.shape[1]))
    step = max(1, 2**22 // max(1, seen.shape[1]))
    for first in range(0, len(seen), step):
        block = seen[first:first + step].astype(np.float32)
        with np.errstate(all="ignore"):     # some processors' products raise flags for nothing
            counts += block.T @ block
    return counts > 0


def lacking(rows):
    """In how many rows each column is missing, in `missing`."""
    return Sums(missing=np.isnan(rows.X).sum(axis=0))


def without_empty(rows):
    """The rows, those with nothing observed without weight: they add nothing to an M-step."""
    empty = rows.empty
    if not empty.any():
        return rows
    weight = rows.weight_given
    return rows.with_(sample_weight=np.where(empty, 0.0, 1.0 if weight is None else weight))


def source_without_empty(source, gaps):
    """The same of rows or blocks of rows, whose :class:`Gaps` are known."""
    if isinstance(source, Rows):
        return without_empty(source)
    if not gaps.n_empty:
        return source
    out = source.mapped(_weighted)
    out.total, out.n_positive = gaps.total, gaps.n_positive
    return out


def _weighted(rows):
    """Weights in every block, for a sample of them has weights or has none."""
    rows = without_empty(rows)
    return rows if rows.weighted else rows.with_(sample_weight=np.ones(len(rows)))
