"""Lloyd's algorithm on the fused kernels."""

import numpy as np

from emkernels.kernels import passes, weighted_moments


def lloyd(X, centers, *, sample_weight=None, max_iter=300, tol=1e-4, n_threads=None, report=None):
    """Iterate nearest centres and means from given centres.

    Stops when no label changes, when the squared shift of all centres is at most `tol`
    times the mean variance of the columns, or after `max_iter` iterations. A cluster without
    weight moves to the row farthest from its centre; one that finds no such row, to the
    heaviest cluster.

    Parameters
    ----------
    report : callable, optional
        Called with a line of text for each iteration, and for how it ended.

    Returns
    -------
    labels : ndarray of shape (n_samples,), int32
    centers : ndarray of shape (n_clusters, n_features), float64
    inertia : float
    n_iter : int
    converged : bool
    """
    sample_weight, unit = passes.weights_in_unit(sample_weight, X.dtype)
    mean, variance = _mean_and_variance(X, n_threads)
    limit = tol * variance
    scale = np.sqrt(variance) if variance > 0 else 1.0
    centers = _rounded(np.array(centers, dtype=np.float64), X)
    labels = np.zeros(X.shape[0], np.int32)
    bounds = passes.LloydBounds(X, len(centers), scale)
    # counts and sums about one point, kept up to date by the rows that move
    origin = centers.mean(axis=0)
    if ((origin - mean) ** 2).sum() > 1e4 * X.shape[1] * variance:
        origin = mean       # sums about a point far from all rows would lose digits
    counts, sums = np.zeros(len(centers)), np.zeros(centers.shape)
    before, most, end = None, np.zeros(len(centers)), None
    for n_iter in range(1, max_iter + 1):
        more, further, changed = passes.bounded_pass(
            X, centers, labels, bounds, origin, sample_weight, before, n_threads)
        counts += more
        sums += further
        most = np.maximum(most, counts)
        if (counts < 1e-6 * most).any():
            # what is left of a sum when its rows have gone is rounding
            counts, sums = _sums(X, labels, centers, origin, sample_weight, n_threads)
            most = counts.copy()
        if report:
            inertia = passes.kmeans_pass(X, centers, None, sample_weight, n_threads)[2]
            report(f"Iteration {n_iter}, inertia {unit * inertia:.10g}")
        if changed == 0 and before is not None:
            end = "no label changed (strict convergence)"
            break
        before, centers = centers, _rounded(
            _new_centers(X, labels, centers, counts, sums, origin, sample_weight), X)
        shift = ((centers - before) ** 2).sum()
        if shift <= limit:
            end = f"center shift {shift:.3g} within tolerance {limit:.3g}"
            break
    if report:
        report(f"Ended at iteration {n_iter}: {end or 'max_iter reached'}")
    del bounds
    inertia = passes.kmeans_pass(X, centers, labels, sample_weight, n_threads)[2]
    return labels, centers, unit * inertia, n_iter, end is not None


def _rounded(centers, X):
    """Centres as the kernels see them, in the precision of X."""
    return centers.astype(X.dtype).astype(np.float64)


def _mean_and_variance(X, n_threads):
    """Mean of the rows and the columns' mean variance, in one pass about a row of X."""
    origin = X[:1].astype(np.float64)
    _, sums, inertia, _ = passes.kmeans_pass(X, origin, n_threads=n_threads)
    mean = sums[0] / len(X)
    shift = mean - origin[0]
    return mean, max(0.0, (inertia / len(X) - shift @ shift) / X.shape[1])


def _sums(X, labels, centers, origin, sample_weight, n_threads):
    """Counts and sums of x - origin of every cluster, from all rows."""
    moments = weighted_moments(X, labels, centers, "spherical", sample_weight,
                               n_threads=n_threads, check_finite=False)
    return moments.counts, moments.first + moments.counts[:, None] * (centers - origin)


def _new_centers(X, labels, centers, counts, sums, origin, sample_weight):
    """The means of the clusters, after the empty ones have got a row each."""
    whole, empty = counts, np.flatnonzero(counts == 0)
    if len(empty):
        counts, sums = counts.copy(), sums.copy()
        for k, row in zip(empty, _farthest(X, labels, centers, sample_weight, len(empty))):
            weight = 1.0 if sample_weight is None else sample_weight[row]
            moved = weight * (X[row].astype(np.float64) - origin)
            counts[labels[row]] -= weight
            sums[labels[row]] -= moved
            counts[k], sums[k] = weight, moved
    filled = counts > 1e-9 * whole
    new = np.empty(centers.shape)
    new[filled] = origin + sums[filled] / counts[filled, None]
    new[~filled] = new[counts.argmax()]
    return new


def _farthest(X, labels, centers, sample_weight, n):
    """At most n rows of positive weight that are farthest from their centres; none where every
    row is at its centre, up to rounding: there are fewer distinct rows than clusters."""
    distances, somewhere = np.empty(X.shape[0]), False
    # column by column: what one rounds away may be all that another holds
    rounding = 2 * np.finfo(X.dtype).eps * np.abs(centers).max(axis=0)
    for start in range(0, X.shape[0], 4096):
        rows = slice(start, start + 4096)
        gaps = X[rows].astype(np.float64) - centers[labels[rows]]
        distances[rows] = (gaps ** 2).sum(axis=1)
        weighed = slice(None) if sample_weight is None else sample_weight[rows] > 0
        somewhere = somewhere or bool((np.abs(gaps[weighed]) > rounding).any())
    if not somewhere:
        return []
    if sample_weight is not None:
        distances[sample_weight == 0] = -1
    # in scikit-learn's order, so that the clusters have its numbers
    rows = np.argpartition(distances, -n)[:-n - 1:-1]
    return rows[distances[rows] >= 0]
