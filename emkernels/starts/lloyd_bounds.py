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
GROUPS = 4
# Centres times features up to which distances cost less than bounds.
NO_BOUNDS = 64
# They are kept as soon as the weights of the clusters change by less than one row in so many.
FEW = 20
# Rows up to which exact sums resolve what values of 53 bits do.
MOST_ROWS = 2**25


@dataclass(frozen=True)
class Bounded:
    """A pass that keeps labels, bounds and sums of the blocks.

    Attributes
    ----------
    origin : ndarray of shape (n_features,)
        What the sums are about.
    grids : tuple of float
        See ``passes.exact_grids``.
    scale : float
        A typical distance.
    group_size : int
        Centres of a group.
    key : bytes
        Of what the sums depend on.
    """

    origin: np.ndarray
    grids: tuple
    scale: float
    group_size: int
    key: bytes

    @classmethod
    def of(cls, source, centers, variance):
        """That of a fit from here on; None where there is no room for what it would keep, or no
        use in it. The same answer wherever the blocks are."""
        (n_clusters, n_features), n_groups = centers.shape, _n_groups(source, centers)
        origin = centers.mean(axis=0)
        largest = float(source.largest) + float(np.abs(origin).max())
        if (source.weighted or source.n_rows > MOST_ROWS or n_clusters * n_features <= NO_BOUNDS
                or n_groups == 0 or not 1e-100 < largest < 1e100):
            return None
        grids = passes.exact_grids(largest, source.n_rows)
        key = hashlib.blake2b(origin.tobytes() + np.array(grids).tobytes(), digest_size=16)
        return cls(origin, grids, float(np.sqrt(variance)) if variance > 0 else 1.0,
                   -(-n_clusters // n_groups), key.digest())

    def assigned(self, rows, centers):
        """What a pass over a block leaves: exact sums of x - origin of the clusters, in two parts,
        their counts, and checksums of the labels."""
        X, n_clusters = rows.X, len(centers)
        known = passes.LloydBounds(X, n_clusters, self.scale)
        known.group_size = self.group_size
        few, sums, checksum, before = self._of(rows, known)
        some, labels = None, np.zeros(len(X), np.int32)
        if before is None:
            known.note(0)       # bounds are made in this pass
        else:
            labels[:] = few
        passes.bounded_pass(X, centers, labels, known, self.origin, None, before, rows.n_threads)
        new = labels
        if before is None:
            few = labels.astype(_smallest(n_clusters))
            sums = np.zeros((2, *centers.shape)), np.zeros(n_clusters)
        else:
            some = np.flatnonzero(labels != few)
            old, new = few[some].astype(np.int32), labels[some]
            passes.exact_sums(X, old, self.origin, self.grids, sums, some, -1.0)
            checksum = checksum - np.uint64(passes.label_sum(old, rows.first_row, some))
            few[some] = new
        passes.exact_sums(X, new, self.origin, self.grids, sums, some)
        checksum = checksum + np.uint64(passes.label_sum(new, rows.first_row, some))
        rows.lasting.update({name: (self.key, value) for name, value in (
            ("labels", few), ("sums", sums[0]), ("counts", sums[1]), ("checksum", checksum),
            ("centers", centers), ("upper", known.upper), ("lower", known.lower),
            ("travelled", known.travelled), ("group travelled", known.group_travelled))})
        return Sums(sums=sums[0].copy(), counts=sums[1].copy(),
                    checksums=np.repeat(checksum, 2))

    def about(self, found):
        """The sums of all blocks, and what those of each cluster are about."""
        upper, lower = found.sums
        return upper + lower, np.broadcast_to(self.origin, upper.shape)

    def _of(self, rows, known):
        """Labels, sums, their checksum and centres of the pass before over the block, and its
        bounds in `known`; None where they are not known."""
        if rows.lasting.get("labels", (None,))[0] != self.key:
            return None, None, np.zeros(1, np.uint64), None
        labels, sums, counts, checksum, centers, upper, lower, travelled, groups = (
            rows.lasting[name][1] for name in (
                "labels", "sums", "counts", "checksum", "centers", "upper", "lower", "travelled",
                "group travelled"))
        known.n_groups, known.upper, known.lower = len(groups), upper, lower
        known.travelled, known.group_travelled = travelled, groups
        return labels, (sums, counts), checksum, centers


def _n_groups(source, centers):
    """Of how many groups bounds can be kept."""
    n_clusters, n_features = centers.shape
    label = np.dtype(_smallest(n_clusters)).itemsize
    # of each block sums in two parts, centres, counts, and how far the centres have travelled
    block = 8 * (n_clusters * (3 * n_features + 2) + GROUPS + 1)
    for n_groups in range(min(GROUPS, n_clusters), 0, -1):
        if source.may_keep(label + 4 + 2 * n_groups + block * source.n_blocks / source.n_rows):
            return n_groups
    return 0


def _smallest(n_clusters):
    """The type of labels that need little memory."""
    return np.uint8 if n_clusters <= 2**8 else np.uint16 if n_clusters <= 2**16 else np.int32
