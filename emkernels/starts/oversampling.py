"""Seeds of K-means in a few passes over the rows: k-means||."""

import numpy as np

from emkernels.data.rows import Rows
from emkernels.kernels import passes
from emkernels.starts.kmeans import plusplus
from emkernels.starts.lloyd import lloyd

# Rounds that draw, and rows that each of them draws for a cluster.
ROUNDS = 4
DRAWN = 1.0


def oversampled(rows, n_clusters, random_state):
    """Centres far from each other, of rows, or of what stands for blocks of rows.

    Each round draws every row by itself, with a chance in proportion to its weight times its
    squared distance to the nearest of those drawn before, so that about as many come as there are
    clusters. K-means of these, with the weights of the rows that are nearest to each, gives the
    centres (B. Bahmani et al., Scalable k-means++, PVLDB 5, 2012, with r = 4 and l = k). A row is
    compared with about four candidates a cluster, all of a round at once; k-means++ compares it
    with 3 + log(n_clusters) a cluster, one cluster after the other. Distances to the first row and
    to those of each round are two readings of all rows: labels, and squares in float64.
    """
    X = rows.X if isinstance(rows, Rows) else None
    if X is None or len(X) <= 2 * ROUNDS * DRAWN * n_clusters:
        return plusplus(rows, n_clusters, random_state)
    weight = np.ones(len(X)) if rows.weight_given is None else rows.weight_given
    chosen, owners = _candidates(rows, weight, n_clusters, random_state)
    counts = np.bincount(owners, weight, minlength=len(chosen))
    if np.count_nonzero(counts) < n_clusters:       # hardly more distinct rows than clusters
        return plusplus(rows, n_clusters, random_state)
    few = Rows.read(X[chosen]).weighed(counts).with_(n_threads=rows.n_threads)
    return lloyd(few, plusplus(few, n_clusters, random_state)).centers


def _candidates(rows, weight, n_clusters, random_state):
    """Numbers of the rows that were drawn, and which of them is the nearest of each row."""
    X, n, nothing = rows.X, len(rows), np.zeros(rows.n_features)
    target = random_state.uniform() * weight.sum()
    new = np.searchsorted(weight.cumsum(), target, side="right").clip(max=n - 1)[None]
    chosen, owners = new[:0], np.zeros(n, np.intp)
    closest, labels = np.full(n, np.inf), np.zeros(n, np.int32)
    for i in range(ROUNDS + 1):
        seeds = X[new].astype(np.float64, order="C")
        passes.kmeans_pass(X, seeds, labels, None, rows.n_threads, with_sums=False)
        squares, _ = passes.gap_squares(X, labels, seeds, nothing, rows.n_threads)
        nearer = squares < closest
        closest[nearer] = squares[nearer]
        owners[nearer] = len(chosen) + labels[nearer]
        chosen = np.concatenate([chosen, new])
        cost = weight * closest
        total = cost.sum()
        if i == ROUNDS or not total > 0:
            break
        drawn = random_state.uniform(size=n) * total < DRAWN * n_clusters * cost
        new = np.flatnonzero(drawn)
        if not len(new):
            break
    return chosen, owners
