"""Patterns of missing values of parts of a table, from those of the whole."""

import numpy as np

from emkernels.kernels.passes import trusted_patterns

BLOCK = 4096        # patterns whose masks are unpacked together


def complete_patterns(n_rows, n_features):
    """The one pattern of rows that lack nothing."""
    words = max(1, -(-n_features // 64))
    n_patterns = 1 if n_rows else 0
    return trusted_patterns(
        n_features, np.arange(n_rows, dtype=np.int32), np.arange(n_patterns + 1) * n_rows,
        np.zeros((n_patterns, words), np.uint64))


def pattern_of_rows(patterns):
    """The number of each row's pattern."""
    out = np.empty(patterns.n_samples, np.int64)
    out[patterns.order] = np.repeat(np.arange(patterns.n_patterns), patterns.counts)
    return out


def take_patterns(patterns, of_rows, columns=None):
    """The patterns that :func:`~emkernels.kernels.missing_patterns` finds in some rows and
    columns, without a look at them.

    Parameters
    ----------
    patterns : MissingPatterns
    of_rows : ndarray of int
        From :func:`pattern_of_rows`, of the rows wanted.
    columns : ndarray of int, optional
    """
    n_features = patterns.n_features if columns is None else len(columns)
    present, of_rows = np.unique(of_rows, return_inverse=True)
    bits = np.empty((len(present), max(1, -(-n_features // 64))), "<u8")
    for first in range(0, len(present), BLOCK):
        masks = patterns.masks_of(present[first:first + BLOCK])
        if columns is not None:
            masks = masks[:, columns]
        packed = np.zeros((len(masks), 8 * bits.shape[1]), np.uint8)
        small = np.packbits(masks, axis=1, bitorder="little")
        packed[:, :small.shape[1]] = small
        bits[first:first + BLOCK] = packed.view("<u8")
    bits, merged = np.unique(bits, axis=0, return_inverse=True)
    of_rows = merged.reshape(-1)[of_rows]
    _, firsts = np.unique(of_rows, return_index=True)
    n_missing = np.bitwise_count(bits).sum(axis=1, dtype=np.int64)
    sequence = np.lexsort((firsts, n_missing))
    rank = np.empty(len(sequence), np.int64)
    rank[sequence] = np.arange(len(sequence))
    of_rows = rank[of_rows]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(of_rows, minlength=len(sequence)))])
    return trusted_patterns(
        n_features, np.argsort(of_rows, kind="stable").astype(np.int32),
        offsets.astype(np.int64), np.ascontiguousarray(bits[sequence], dtype=np.uint64),
        patterns.largest)


def weights_of_observed(patterns, shape, sample_weight):
    """Weights that leave rows with nothing observed out, and whether no other has any weight; they
    then stay as they are."""
    empty = patterns.n_missing == shape[1]
    if not empty.any():
        return sample_weight, False
    weight = np.ones(shape[0]) if sample_weight is None else np.array(sample_weight, float)
    if weight.shape != shape[:1]:       # an error, which the kernel names
        return sample_weight, False
    weight[patterns.order] *= np.repeat(~empty, patterns.counts)
    return (weight, False) if weight.any() else (sample_weight, True)
