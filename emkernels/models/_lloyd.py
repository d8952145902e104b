"""Lloyd's algorithm on the fused kernel."""

import numpy as np

from emkernels.kernels.cluster import _kmeans_pass


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
    limit = tol * _mean_variance(X, n_threads) if tol > 0 else 0.0
    centers = np.array(centers, dtype=np.float64)
    labels = np.full(X.shape[0], -1, np.int32)
    for n_iter in range(1, max_iter + 1):
        counts, sums, inertia, changed = _kmeans_pass(X, centers, labels, sample_weight, n_threads)
        empty = np.flatnonzero(counts == 0)
        if len(empty):
            _relocate(X, centers, labels, counts, sums, empty, sample_weight)
        filled = counts > 0
        new = centers.copy()
        new[filled] = sums[filled] / counts[filled, None]
        if changed == 0:
            return labels, centers, inertia, n_iter
        shift = ((new - centers) ** 2).sum()
        centers = new
        if shift <= limit:
            break
    inertia = _kmeans_pass(X, centers, labels, sample_weight, n_threads)[2]
    return labels, centers, inertia, n_iter


def _mean_variance(X, n_threads):
    """Mean over the columns of their variance, in one pass about a row of X."""
    origin = X[:1].astype(np.float64)
    _, sums, inertia, _ = _kmeans_pass(X, origin, n_threads=n_threads)
    shift = sums[0] / len(X) - origin[0]
    return max(0.0, (inertia / len(X) - shift @ shift) / X.shape[1])


def _relocate(X, centers, labels, counts, sums, empty, sample_weight):
    """Give each empty cluster the row farthest from its centre, in order."""
    distances = np.empty(X.shape[0])
    for start in range(0, X.shape[0], 4096):
        rows = slice(start, start + 4096)
        distances[rows] = ((X[rows].astype(np.float64) - centers[labels[rows]]) ** 2).sum(axis=1)
    for k in empty:
        row = int(distances.argmax())
        if distances[row] == 0:
            return      # fewer distinct rows than clusters
        weight = 1.0 if sample_weight is None else sample_weight[row]
        distances[row] = 0
        old = labels[row]
        counts[old] -= weight
        sums[old] -= weight * X[row].astype(np.float64)
        labels[row] = k
        counts[k], sums[k] = weight, weight * X[row].astype(np.float64)
