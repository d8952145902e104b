"""Lloyd's algorithm on the fused kernels."""

from typing import NamedTuple

import numpy as np

from emkernels.components.gaussian.moments import seen
from emkernels.kernels import passes

# Centres that an origin is the median of.
MOST_OF_MEDIAN = 101


class Clustering(NamedTuple):
    """What Lloyd's algorithm ends with.

    Attributes
    ----------
    labels : ndarray of shape (n_samples,), int32, or None
        None of blocks of rows.
    centers : ndarray of shape (n_clusters, n_features), float64
    inertia : float
    n_iter : int
    converged : bool
    counts : ndarray of shape (n_clusters,)
        Weight of the rows of each cluster, in the user's unit.
    n_found : int
        Clusters with rows.
    """

    labels: np.ndarray | None
    centers: np.ndarray
    inertia: float
    n_iter: int
    converged: bool
    counts: np.ndarray
    n_found: int

    def is_same(self, other):
        """Whether every cluster lies in one of the other's; without labels, whether the centres
        are the same up to rounding, whatever their order."""
        if self.labels is not None:
            image = np.empty(self.labels.max() + 1, other.labels.dtype)
            image[self.labels] = other.labels
            return bool((image[self.labels] == other.labels).all())
        mine, theirs = self.centers[self.counts > 0], other.centers[other.counts > 0]
        if mine.shape != theirs.shape:
            return False
        mine, theirs = (each[np.lexsort(each.T)] for each in (mine, theirs))
        return np.allclose(mine, theirs, rtol=1e-12, atol=1e-12 * np.ptp(mine, axis=0).max())


def lloyd(rows, centers, *, max_iter=300, tol=1e-4, report=None):
    """Iterate nearest centres and means from given centres.

    Stops when no label changes, when the squared shift of all centres is at most `tol`
    times the mean variance of the columns, or after `max_iter` iterations. A cluster without
    weight moves to the row farthest from its centre; one that finds no such row, to the
    heaviest cluster.

    Parameters
    ----------
    rows : Rows
    centers : ndarray of shape (n_clusters, n_features)
    max_iter, tol : int, float
    report : callable, optional
        Called with a line of text for each iteration, and for how it ended.

    Returns
    -------
    Clustering
    """
    X, sample_weight, unit, n_threads = rows.X, rows.sample_weight, rows.unit, rows.n_threads
    mean, variance = _mean_and_variance(rows)
    limit = tol * variance
    scale = np.sqrt(variance) if variance > 0 else 1.0
    centers = seen(np.array(centers, dtype=np.float64), rows)
    labels = np.zeros(X.shape[0], np.int32)
    bounds = passes.LloydBounds(X, len(centers), scale)
    # counts and sums about one point, kept up to date by the rows that move
    # one centre that is far takes no digits from others
    origin = np.median(centers[::-(-len(centers) // MOST_OF_MEDIAN)], axis=0)
    if ((origin - mean) ** 2).sum() > 1e4 * X.shape[1] * variance:
        origin = mean       # sums about a point far from all rows would lose digits
    counts, sums = np.zeros(len(centers)), np.zeros(centers.shape)
    before, most, end = None, np.zeros(len(centers)), None
    for n_iter in range(1, max_iter + 1):
        changed = passes.bounded_pass(X, centers, labels, bounds, origin, sample_weight, before,
                                      n_threads, into=(counts, sums))
        most = np.maximum(most, counts)
        if (counts < 1e-6 * most).any():
            # what is left of a sum when its rows have gone is rounding
            counts, sums = passes.cluster_sums(
                X, labels, origin, len(centers), sample_weight, n_threads)
            most = counts.copy()
        if report:
            inertia = passes.kmeans_pass(
                X, centers, None, sample_weight, n_threads, with_sums=False)[2]
            report(f"Iteration {n_iter}, inertia {unit * inertia:.10g}")
        if changed == 0 and before is not None:
            end = "no label changed (strict convergence)"
            break
        n_empty = np.count_nonzero(counts == 0)
        far = _farthest(rows, labels, centers, n_empty) if n_empty else ()
        before = centers
        centers, shift = _moved(rows, before, counts, sums, origin, far)
        if shift <= limit:
            end = f"center shift {shift:.3g} within tolerance {limit:.3g}"
            break
    if report:
        report(f"Ended at iteration {n_iter}: {end or 'max_iter reached'}")
    # what is known leaves little of the last look for labels
    known = bounds.n_groups > 0 and bounds.panel > 1
    if known and not (changed == 0 and end):
        passes.bounded_pass(X, centers, labels, bounds, origin, sample_weight, before, n_threads)
    known |= changed == 0 and end is not None
    del bounds
    counts, _, inertia, _ = passes.kmeans_pass(
        X, centers, labels, sample_weight, n_threads, with_sums=False, given=known)
    return Clustering(labels, centers, unit * inertia, n_iter, end is not None, unit * counts,
                      np.count_nonzero(np.bincount(labels)))


def _moved(rows, before, counts, sums, origin, far):
    """New centres, as the kernels see them, and the squared shift of all from those before."""
    if counts.all():
        new, fits = passes.means_about(counts, sums, origin, rows.dtype == np.float64,
                                       rows.n_threads)
        if fits:
            return new, passes.shifts(before, new, rows.n_threads).sum()
    new = seen(new_centers(counts, sums, np.broadcast_to(origin, sums.shape), far), rows)
    return new, passes.shifts(before, new, rows.n_threads).sum()


def _mean_and_variance(rows):
    """Mean of the rows of positive weight and the columns' mean variance, each row counting the
    same, in one pass about a row of X."""
    X, n, present = rows.X, rows.n_positive, None
    if n < len(X):
        present = (rows.sample_weight > 0).astype(np.float64)
    origin = X[:1].astype(np.float64)
    _, sums, inertia, _ = passes.kmeans_pass(X, origin, None, present, rows.n_threads)
    mean = sums[0] / n
    shift = mean - origin[0]
    return mean, max(0.0, (inertia / n - shift @ shift) / X.shape[1])


def new_centers(counts, sums, origins, far):
    """The means of the clusters, after the empty ones have got a row each.

    `origins` are what the sums of each cluster are about; `far` gives the label, weight and values
    of rows that are far from their centres.
    """
    whole, empty = counts, np.flatnonzero(counts == 0)
    if not len(empty):
        new = sums / counts[:, None]
        new += origins
        return new
    counts, sums = counts.copy(), sums.copy()
    for k, (label, weight, x) in zip(empty, far):
        counts[label] -= weight
        sums[label] -= weight * (x - origins[label])
        counts[k], sums[k] = weight, weight * (x - origins[k])
    filled = counts > 1e-9 * whole
    new = np.empty(sums.shape)
    new[filled] = origins[filled] + sums[filled] / counts[filled, None]
    new[~filled] = new[counts.argmax()]
    return new


def distances_to_centers(rows, labels, centers):
    """Squared distances of the rows to their centres, and whether any row of positive weight is
    away from its centre by more than rounding."""
    sample_weight = rows.sample_weight
    # column by column: what one rounds away may be all that another holds
    rounding = 2 * np.finfo(rows.dtype).eps * np.abs(centers).max(axis=0)
    distances, away = passes.gap_squares(rows.X, labels, centers, rounding, rows.n_threads)
    if sample_weight is not None:
        distances[sample_weight == 0] = -1
        away = away[sample_weight > 0]
    return distances, bool(away.any())


def _farthest(rows, labels, centers, n):
    """Label, weight and values of at most n rows of positive weight that are farthest from their
    centres; none where every row is at its centre, up to rounding: there are fewer distinct rows
    than clusters."""
    distances, somewhere = distances_to_centers(rows, labels, centers)
    if not somewhere:
        return
    # in scikit-learn's order, so that the clusters have its numbers
    found = np.argpartition(distances, -n)[:-n - 1:-1]
    for row in found[distances[found] >= 0]:
        weight = 1.0 if rows.sample_weight is None else rows.sample_weight[row]
        yield labels[row], weight, rows.X[row].astype(np.float64)
