"""Patterns of missing values of blocks of rows, merged."""

import numpy as np

from emkernels.data import Rows
from emkernels.data.source import Source
from emkernels.models.imputation.information import pattern_moments

STEP = 4096     # patterns whose masks are unpacked together


class Patterns:
    """Which columns are missing together in rows; those of blocks are merged.

    Attributes
    ----------
    n_features : int
    bits : ndarray of uint8 of shape (n_patterns, n_bytes)
        The columns that are missing, packed.
    sums : dict of ndarray of shape (n_patterns, ...)
        What is known of the rows of each pattern; it adds up.
    """

    def __init__(self, bits, n_features, **sums):
        self.bits, self.n_features, self.sums = bits, n_features, sums

    @classmethod
    def of(cls, patterns, **sums):
        """Those that the kernels have found, and their rows in `counts`."""
        bits = [np.packbits(patterns.masks_of(slice(first, first + STEP)), axis=1)
                for first in range(0, patterns.n_patterns, STEP)]
        return cls(np.concatenate(bits), patterns.n_features, counts=patterns.counts, **sums)

    @property
    def masks(self):
        """Where columns are missing, (n_patterns, n_features) bool."""
        return self.masks_of(slice(None))

    @property
    def counts(self):
        return self.sums["counts"]

    @property
    def n_missing(self):
        return np.bitwise_count(self.bits).sum(axis=1, dtype=np.int64)

    @property
    def n_patterns(self):
        return len(self.bits)

    def masks_of(self, part):
        return np.unpackbits(self.bits[part], axis=1, count=self.n_features).astype(bool)

    def merge(self, other):
        bits, place = np.unique(
            np.concatenate([self.bits, other.bits]), axis=0, return_inverse=True)
        place = place.reshape(-1)
        mine, theirs = place[:len(self.bits)], place[len(self.bits):]
        for name, values in self.sums.items():
            total = np.zeros((len(bits), *values.shape[1:]), values.dtype)
            total[mine] = values
            total[theirs] += other.sums[name]
            self.sums[name] = total
        self.bits = bits
        return self


def unweighted(X):
    """Rows of a table, or a source of blocks as it is; without weights."""
    if not isinstance(X, Source):
        return Rows.read(X, expect_missing=True).with_(sample_weight=None)
    if X.weighted:
        raise ValueError("rows are counted here: leave the weights of the blocks out")
    return X


def patterns_of(rows):
    """The patterns of rows."""
    return Patterns.of(rows.all_patterns)


def sums_by_pattern(rows, location, scale):
    """The patterns, with the weights and the sums of ``(x - location) / scale``."""
    found = [(weights, sums) for _, _, weights, sums, _ in pattern_moments(
        rows.X, location, scale, rows.all_patterns)]
    weights, sums = (np.concatenate(each) for each in zip(*found, strict=True))
    return Patterns.of(rows.all_patterns, weights=weights, sums=sums)
