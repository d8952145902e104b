"""Passes of Lloyd's algorithm over blocks of which there is room to keep something.

What is known of a block may be forgotten, or the block be elsewhere in the next pass, and still
every pass must have the same bits. Bounds change no label; and sums that the rows which have moved
bring up to date are exact, so they are those that all rows give.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from emkernels.data.source import Sums
from emkernels.kernels import passes

# Groups of centres that bounds are kept of, where there is room.
GROUPS = 16
# Centres times features up to which distances cost less than bounds.
NO_BOUNDS = 64
# Rows that exact sums can be of, and between which limits the largest of them are.
MOST_ROWS, SMALLEST, LARGEST = 2**31, 1e-150, 1e150
# What exact sums may drop, as a part of a weight or of a distance between centres.
DROPPED = 2.0**-34


@dataclass(frozen=True)
class Bounded:
    """A pass that keeps labels, bounds and sums of the blocks.

    Attributes
    ----------
    grids : ndarray of shape (3, n_features + 1)
        See ``passes.exact_grids``; the last column is of the weights.
    scale : float
        A typical distance.
    n_groups : int
        Of centres, at most.
    n_weighted : int
        Rows, where they have weights of their own; else 0.
    key : bytes
        Of what the sums depend on.
    """

    grids: np.ndarray
    scale: float
    n_groups: int
    n_weighted: int
    key: bytes

    @classmethod
    def of(cls, source, centers, counts, spread):
        """That of a fit from here on; None where there is no room for what it would keep, or no
        use in it. The same answer wherever the blocks are."""
        n_groups = _n_groups(source, centers)
        if n_groups == 0 or centers.size <= NO_BOUNDS or source.n_rows > MOST_ROWS:
            return None
        # about zero: values are not rounded, whatever other rows are like
        largest = np.append(np.maximum(np.abs(spread.high), np.abs(spread.low)), 1.0)
        bounds = largest[largest > 0] * source.total
        if not (bounds.min() > SMALLEST and bounds.max() < LARGEST):
            return None
        grids = passes.exact_grids(largest, source.total, source.n_rows)
        key = hashlib.blake2b(grids.tobytes(), digest_size=16).digest()
        made = cls(grids, spread.scale, n_groups,
                   source.n_rows if source.weighted else 0, key)
        return made if made.resolves(counts, centers) else None

    def resolves(self, counts, centers):
        """Whether what the sums drop is nothing beside the clusters: there may be weights, or
        values of a column, that are far larger than those of most."""
        least = counts.min()
        # by a cluster of so little weight: of each row as much, and it may have many
        dropped = np.spacing(self.grids[-1]) / 2 * (self.n_weighted or least)
        gaps = np.abs(centers - np.median(centers, axis=0)).T
        gaps = [np.median(gap[gap > 0]) if gap.any() else np.inf for gap in gaps]
        return bool(least > 0 and (dropped <= DROPPED * least * np.append(gaps, 1.0)).all())

    def found(self, source, centers):
        """Weights of the clusters, sums of x - center, and checksums of the labels."""
        made = source.reduce(self.assigned, centers)
        counts, sums = about_centers(made.parts, centers)
        return Sums(counts=counts, sums=sums, checksums=made.checksums)

    def assigned(self, rows, centers):
        """The same of a block, the sums of w x and of w in parts that are exact."""
        key, known = rows.lasting.get("clusters", (None, None))
        if key != self.key:
            known = Known.of(rows, centers, self)
        labels = known.labels.astype(np.int32)
        passes.bounded_pass(rows.X, centers, labels, known.bounds, np.zeros(rows.n_features), None,
                            known.centers, rows.n_threads)
        known.take(rows, labels, centers, self)
        rows.lasting["clusters"] = self.key, known
        return Sums(parts=known.parts.copy(), checksums=known.checksums.copy())


def about_centers(parts, centers):
    """Weights of the clusters, and sums of w (x - center) from those of w x in three parts: what
    cancels is taken away exactly (T. J. Dekker, A floating-point technique for extending the
    available precision, Numer. Math. 18, 1971)."""
    first, second, third = parts[:, :, :-1].swapaxes(0, 1)
    weights = parts[:, :, -1:]
    counts = weights[:, 0] + (weights[:, 1] + weights[:, 2])
    rest = (weights[:, 0] - counts) + (weights[:, 1] + weights[:, 2])
    product = counts * centers
    (high, low), (at, near) = _halves(counts), _halves(centers)
    lost = ((high * at - product) + high * near + low * at) + low * near + rest * centers
    gap = first - product
    back = gap - first
    lost = ((first - (gap - back)) - (product + back)) - lost
    return counts[:, 0], gap + (lost + (second + third))


def _halves(values):
    """Two numbers of half as many bits that add up to each."""
    scaled = 134217729.0 * values       # 2^27 + 1
    high = scaled - (scaled - values)
    return high, values - high


class Known:
    """What a pass leaves of a block.

    Attributes
    ----------
    labels : ndarray of shape (n_rows,)
    bounds : passes.LloydBounds
    parts : ndarray of shape (n_clusters, 3, n_features + 1)
        Exact sums of w x, and of w.
    checksums : ndarray of shape (2,), uint64
        Of the labels, and of those of rows that have a weight.
    centers : ndarray of shape (n_clusters, n_features) or None
        Those of the pass; None before the first.
    """

    def __init__(self, labels, bounds, parts):
        self.labels, self.bounds, self.parts = labels, bounds, parts
        self.checksums, self.centers = np.zeros(2, np.uint64), None

    @classmethod
    def of(cls, rows, centers, bounded):
        """Nothing yet."""
        n_clusters, n_features = centers.shape
        bounds = passes.LloydBounds(rows.X, n_clusters, bounded.scale)
        bounds.set_groups(bounded.n_groups)
        bounds.note(0)      # so that the first pass fills them
        return cls(np.zeros(len(rows), _smallest(n_clusters)), bounds,
                   np.zeros((n_clusters, 3, n_features + 1)))

    def take(self, rows, labels, centers, bounded):
        """The new labels (int32), nearest to the centres."""
        some = before = None
        new = labels
        if self.centers is not None:
            some = np.flatnonzero(labels != self.labels)
            before, new = self.labels[some].astype(np.int32), labels[some]
            self.checksums -= checksums(rows, before, len(centers), some)
        passes.exact_sums(rows.X, new, np.zeros(rows.n_features), bounded.grids, self.parts,
                          rows.weight_given, some, before)
        self.checksums += checksums(rows, new, len(centers), some)
        self.labels[slice(None) if some is None else some] = new
        self.centers = centers

    @property
    def nbytes(self):
        bounds = self.bounds
        return sum(array.nbytes for array in (
            self.labels, self.parts, self.checksums, self.centers, bounds.upper, bounds.lower,
            bounds.travelled, bounds.group_travelled))


def checksums(rows, labels, n_clusters, some=None):
    """Of the labels (int32) of a block, or of some of its rows, and of rows that have a weight:
    they add up over blocks."""
    found = passes.label_sum(labels, rows.first_row, some)
    weighed = found
    if rows.n_positive < len(rows):
        weight = rows.sample_weight if some is None else rows.sample_weight[some]
        weighed = passes.label_sum(
            np.where(weight > 0, labels, np.int32(n_clusters)), rows.first_row, some)
    return np.array([found, weighed], np.uint64)


def _n_groups(source, centers):
    """Of how many groups bounds can be kept."""
    n_clusters, n_features = centers.shape
    label = np.dtype(_smallest(n_clusters)).itemsize
    # of each block exact sums, centres, how far these have travelled, and checksums
    block = 8 * (n_clusters * (3 * (n_features + 1) + n_features + 1) + GROUPS + 2)
    for n_groups in range(min(GROUPS, n_clusters), 0, -1):
        if source.may_keep(
                label + 4 + 2 * n_groups + block * source.n_blocks / source.n_rows, share=1.0):
            return n_groups
    return 0


def _smallest(n_clusters):
    """The type of labels that need little memory."""
    return np.uint8 if n_clusters <= 2**8 else np.uint16 if n_clusters <= 2**16 else np.int32
