"""What passes over blocks of rows would keep in memory, as functions of the block alone.

Rows in memory keep an order by component, and their scatter, from pass to pass. What is known of a
block may be forgotten, or the block may be elsewhere in the next pass, and still every pass must
have the same bits: so both are made of components that the parameters name, the reference, and can
be made again.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from emkernels.components.gaussian.moments import seen
from emkernels.kernels import passes

# A pass over rows sorted by component skips most of the work of separated data; below this
# share of pairs that matter, and from this many features on, sorting them pays.
SORT_SHARE = 0.5
SORT_FEATURES = 8
SORT_COMPONENTS = 4
# Passes after which the components by which rows are sorted are taken anew: first and, as EM slows
# down, each time so many times later.
RENEWED, SLOWER = 4, 4


@dataclass(frozen=True)
class Reference:
    """Components of an earlier pass.

    Attributes
    ----------
    means, factors : ndarray
    age, limit : int
        Passes since, and after how many others take their place.
    key : bytes
        Of these components alone.
    """

    means: np.ndarray
    factors: np.ndarray
    age: int
    limit: int
    key: bytes

    @classmethod
    def of(cls, gaussians, limit=0):
        parts = (np.ascontiguousarray(gaussians.means),
                 np.ascontiguousarray(gaussians.precisions_cholesky))
        digest = hashlib.blake2b(b"".join(part.tobytes() for part in parts), digest_size=16)
        return cls(*parts, 0, limit, digest.digest())

    def after(self, gaussians):
        """That of the next pass, `gaussians` being the components of this one."""
        if self.limit and self.age >= self.limit:
            return Reference.of(gaussians, self.limit * SLOWER)
        return Reference(self.means, self.factors, self.age + 1, self.limit, self.key)

    def order(self, rows, kernel):
        """The rows of a block sorted by their component."""
        n, labels = len(self.means), self._of("labels", rows)
        if labels is None:
            labels, = passes.complete_rows(
                rows.X, np.full(n, 1 / n), np.ascontiguousarray(seen(self.means, rows)),
                self.factors, kernel, ("labels",), n_threads=rows.n_threads)
            rows.lasting["labels"] = self.key, labels.astype(_smallest(n))
        return passes.order_by_label(np.ascontiguousarray(labels, np.int32), n)

    def scatter(self, rows):
        """A centre, and the scatter of the rows of a block about it."""
        centre, scatter = seen(self.means.mean(axis=0), rows), self._of("scatter", rows)
        if scatter is None:
            scatter = passes.total_scatter(rows.X, centre, rows.sample_weight, rows.n_threads)
            rows.lasting["scatter"] = self.key, scatter
        return centre, scatter

    def _of(self, name, rows):
        """What is known of the block, where it was made with these components."""
        key, value = rows.lasting.get(name, (None, None))
        return value if key == self.key else None


def _smallest(n_components):
    """The type of labels that need little memory."""
    return np.uint8 if n_components <= 256 else np.uint16 if n_components <= 2**16 else np.int32


def label_bytes(n_components):
    """What a row's label takes."""
    return np.dtype(_smallest(n_components)).itemsize


def next_reference(components, statistics, gaussians):
    """The reference of the pass after one with these components, None where there is none."""
    if gaussians.reference is not None:
        return gaussians.reference.after(gaussians)
    structure, (n, n_features) = components.structure, gaussians.means.shape
    if structure.keeps_scatter:
        return Reference.of(gaussians)
    few = statistics.pairs is not None and (
        statistics.pairs < SORT_SHARE * n * (statistics.n_rows or 0))
    if (components.sorts_blocks and structure.sorts and few and n_features >= SORT_FEATURES
            and n >= SORT_COMPONENTS):
        return Reference.of(gaussians, RENEWED)
    return None
