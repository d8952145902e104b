"""Lloyd's algorithm over blocks of rows: a pass an iteration, nothing of the size of the rows."""

import numpy as np

from emkernels.components.gaussian.moments import seen
from emkernels.data.source import Sums
from emkernels.kernels import passes
from emkernels.starts.lloyd import Clustering, distances_to_centers, new_centers
from emkernels.starts.lloyd_bounds import Bounded, checksums

# Bounds are kept as soon as clusters gain less than one part of the weight in so many.
FEW = 20


def lloyd_of_blocks(source, centers, *, max_iter=300, tol=1e-4, report=None):
    """Iterate as :func:`emkernels.starts.lloyd.lloyd` does, over blocks.

    That no label changed is seen by a checksum of the labels. From the iteration on
    in which few rows change their cluster, bounds are kept where there is room.

    Parameters
    ----------
    source : Source
    centers : ndarray of shape (n_clusters, n_features)
    max_iter, tol : int, float
    report : callable, optional

    Returns
    -------
    Clustering
        Without labels.
    """
    spread = source.reduce(_spread)
    limit = tol * spread.variance
    centers = seen(np.array(centers, dtype=np.float64), source)
    end = last = counts = bounded = None
    for n_iter in range(1, max_iter + 1):
        if bounded is None or report:
            found = source.reduce(_assigned, centers)
        if report:
            report(f"Iteration {n_iter}, inertia {found.inertia:.10g}")
        if bounded:
            found = bounded.found(source, centers)
            if not bounded.resolves(found.counts, centers):
                bounded, found = None, source.reduce(_assigned, centers)
        same = (False, False) if last is None else found.checksums == last
        if same[0]:
            end = "no label changed (strict convergence)"
            break
        n_empty, far = np.count_nonzero(found.counts == 0), ()
        if n_empty:
            far = source.reduce(_farthest, centers, n_empty).taken()
        before, last, shift = centers, found.checksums, 0.0
        settled = counts is not None and _few_moved(counts, found.counts)
        counts = found.counts
        if n_empty or not same[1]:
            centers = seen(new_centers(counts, found.sums, centers, far), source)
            found, shift = None, ((centers - before) ** 2).sum()
        if shift <= limit:
            end = f"center shift {shift:.3g} within tolerance {limit:.3g}"
            break
        if settled and not bounded:
            bounded = Bounded.of(source, centers, counts, spread)
    if report:
        report(f"Ended at iteration {n_iter}: {end or 'max_iter reached'}")
    if found is None or bounded:    # the centres have moved since, or the inertia is not known
        found = source.reduce(_assigned, centers)
    return Clustering(None, centers, float(found.inertia), n_iter, end is not None, found.counts,
                      np.count_nonzero(found.found))


def _few_moved(before, counts):
    """Whether clusters have gained little weight in a pass."""
    return FEW * np.maximum(counts - before, 0).sum() <= counts.sum()


def _assigned(rows, centers):
    """What a pass over a block leaves: weights and sums of x - center of the clusters, inertia,
    which have rows, and checksums of the labels, and of those of rows that have a weight."""
    labels = np.zeros(len(rows), np.int32)
    counts, sums, inertia, _ = passes.kmeans_pass(
        rows.X, centers, labels, rows.sample_weight, rows.n_threads, about_centers=True)
    unit, n_clusters = rows.unit, len(centers)
    found = counts > 0
    if rows.n_positive < len(rows):
        found = np.bincount(labels, minlength=n_clusters) > 0
    return Sums(counts=unit * counts, sums=unit * sums, inertia=unit * inertia,
                found=found.astype(np.int64), checksums=checksums(rows, labels, n_clusters))


class Spread:
    """How rows of positive weight spread, each counting the same: parts are merged about their
    own means (T. F. Chan, G. H. Golub, R. J. LeVeque, Updating formulae and a pairwise algorithm
    for computing sample variances, COMPSTAT 1982). And the smallest and the largest value of each
    column."""

    def __init__(self, n, mean, squares, low, high):
        self.n, self.mean, self.squares, self.low, self.high = n, mean, squares, low, high

    def merge(self, other):
        n = self.n + other.n
        self.low = np.minimum(self.low, other.low)
        self.high = np.maximum(self.high, other.high)
        if other.n:
            gap, share = other.mean - self.mean, other.n / n
            self.squares += other.squares + (gap @ gap) * self.n * share
            self.n, self.mean = n, self.mean + gap * share
        return self

    @property
    def variance(self):
        """Mean variance of the columns."""
        return max(0.0, self.squares / self.n / len(self.mean))

    @property
    def scale(self):
        """A typical distance."""
        return float(np.sqrt(self.variance)) if self.variance > 0 else 1.0


def _spread(rows):
    X, n, present = rows.X, rows.n_positive, None
    if n < len(X):
        present = (rows.sample_weight > 0).astype(np.float64)
    origin = X[:1].astype(np.float64)
    _, sums, inertia, _ = passes.kmeans_pass(
        X, origin, None, present, rows.n_threads, about_centers=True)
    shift = sums[0] / max(n, 1)
    return Spread(n, origin[0] + shift, inertia - n * (shift @ shift),
                  *passes.column_reach(X, rows.sample_weight))


class Far:
    """Rows that are farthest from their centres, ties to the lower row.

    Attributes
    ----------
    n_rows : int
        How many are wanted.
    distances, index, labels, weights, X : ndarray
        Of these: squared distances, numbers among all rows, labels, weights, values.
    somewhere : bool
        Whether any row is away from its centre by more than rounding.
    """

    def __init__(self, n_rows, somewhere, distances, index, labels, weights, X):
        self.n_rows, self.somewhere = n_rows, somewhere
        self.distances, self.index, self.labels = distances, index, labels
        self.weights, self.X = weights, X

    def merge(self, other):
        self.somewhere = self.somewhere or other.somewhere
        for name in ("distances", "index", "labels", "weights", "X"):
            setattr(self, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        order = np.lexsort((self.index, -self.distances))[:self.n_rows]
        for name in ("distances", "index", "labels", "weights", "X"):
            setattr(self, name, getattr(self, name)[order])
        return self

    def taken(self):
        """Label, weight and values of each, the farthest first; none where every row is at its
        centre."""
        return zip(self.labels, self.weights, self.X) if self.somewhere else ()


def _farthest(rows, centers, n):
    labels = np.zeros(len(rows), np.int32)
    passes.kmeans_pass(rows.X, centers, labels, rows.sample_weight, rows.n_threads)
    distances, somewhere = distances_to_centers(rows, labels, centers)
    at = np.flatnonzero(distances >= 0)
    if len(at) > n:
        limit = np.partition(distances, -n)[-n]
        at = np.flatnonzero(distances >= max(limit, 0))
    at = at[np.lexsort((at, -distances[at]))[:n]]
    weights = np.ones(len(at)) if rows.sample_weight is None else rows.weight_given[at]
    return Far(n, somewhere, distances[at], at + rows.first_row, labels[at], weights,
               rows.X[at].astype(np.float64))
