"""Lloyd's algorithm on the fused kernels."""

import numpy as np

from emkernels.kernels.cluster import _bounded_pass, _kmeans_pass


def lloyd(X, centers, *, sample_weight=None, max_iter=300, tol=1e-4, n_threads=None):
    """Iterate nearest centres and means from given centres.

    Stops when no label changes, when the squared shift of all centres is at most `tol`
    times the mean variance of the columns, or after `max_iter` iterations. A cluster that
    loses its last row moves to the row farthest from its centre.

    Returns
    -------
    labels : ndarray of shape (n_samples,), int32
    centers : ndarray of shape (n_clusters, n_features), float64
    inertia : float
    n_iter : int
    """
    variance = _mean_variance(X, n_threads)
    limit = tol * variance
    scale = np.sqrt(variance) if variance > 0 else 1.0
    centers = _rounded(np.array(centers, dtype=np.float64), X)
    labels = np.zeros(X.shape[0], np.int32)
    upper, lower = np.empty(X.shape[0], np.float32), np.empty(X.shape[0], np.float32)
    # counts and sums about one point, kept up to date by the rows that move
    origin = centers.mean(axis=0)
    counts, n_rows, sums = np.zeros(len(centers)), np.zeros(len(centers)), np.zeros(centers.shape)
    before, most = None, np.zeros(len(centers))
    for n_iter in range(1, max_iter + 1):
        more, more_rows, further, changed = _bounded_pass(
            X, centers, labels, upper, lower, scale, origin, sample_weight, before, n_threads)
        counts += more
        n_rows += more_rows
        sums += further
        empty = np.flatnonzero(n_rows == 0)
        if len(empty):
            _relocate(X, centers, labels, counts, n_rows, sums, empty, sample_weight, origin)
            # the rows that moved have no bounds: begin again with those of all rows
            upper[:] = np.inf
            lower[:] = 0
        if changed == 0 and before is not None:
            break
        before, centers = centers, centers.copy()
        most = np.maximum(most, counts)
        # what is left of a sum when its rows have gone is rounding
        filled = (n_rows > 0) & (counts > 1e-12 * most)
        centers[filled] = origin + sums[filled] / counts[filled, None]
        centers = _rounded(centers, X)
        if ((centers - before) ** 2).sum() <= limit:
            break
    del upper, lower
    inertia = _kmeans_pass(X, centers, labels, sample_weight, n_threads)[2]
    return labels, centers, inertia, n_iter


def _rounded(centers, X):
    """Centres as the kernels see them, in the precision of X."""
    return centers.astype(X.dtype).astype(np.float64)


def _mean_variance(X, n_threads):
    """Mean over the columns of their variance, in one pass about a row of X."""
    origin = X[:1].astype(np.float64)
    _, sums, inertia, _ = _kmeans_pass(X, origin, n_threads=n_threads)
    shift = sums[0] / len(X) - origin[0]
    return max(0.0, (inertia / len(X) - shift @ shift) / X.shape[1])


def _relocate(X, centers, labels, counts, n_rows, sums, empty, sample_weight, origin):
    """Give each empty cluster the row farthest from its centre, in order."""
    distances = np.empty(X.shape[0])
    for start in range(0, X.shape[0], 4096):
        rows = slice(start, start + 4096)
        distances[rows] = ((X[rows].astype(np.float64) - centers[labels[rows]]) ** 2).sum(axis=1)
    if sample_weight is not None:
        distances[sample_weight == 0] = 0
    for k in empty:
        row = int(distances.argmax())
        if distances[row] == 0:
            return      # fewer distinct rows than clusters
        weight = 1.0 if sample_weight is None else sample_weight[row]
        distances[row] = 0
        moved = weight * (X[row].astype(np.float64) - origin)
        old, labels[row] = labels[row], k
        counts[old] -= weight
        sums[old] -= moved
        n_rows[old] -= 1
        n_rows[k] = 1
        counts[k], sums[k] = weight, moved
