"""K-means and its seeds on the values that are there, of rows with missing values."""

import numpy as np

from emkernels.kernels import passes

# K-means ends when the sum of squares falls by less than this share
INERTIA_TOL = 1e-4


def observed_kmeans(rows, centers, *, max_iter=100):
    """Lloyd iterations on the observed values: distances over the columns a row has, centres
    from the values that there are. Returns labels (int32) and centres."""
    X = rows.X
    labels = np.full(len(X), -1, np.int32)
    centers, before = centers.astype(np.float64), np.inf
    for _ in range(max_iter):
        rounded = centers.astype(X.dtype).astype(np.float64)
        weight, sums, inertia = passes.observed_kmeans_pass(
            X, rounded, labels, rows.sample_weight, rows.n_threads)
        if not inertia < (1 - INERTIA_TOL) * before:
            break
        before = inertia
        # a column that a cluster has no value of keeps its centre
        centers = np.where(weight > 0, rounded + sums / np.where(weight > 0, weight, 1), centers)
    return labels, centers


def _distances(rows, centers):
    """Squared distances (n_samples, n_centers) over observed columns, scaled up to all columns;
    zero for rows without any value."""
    X, patterns = rows.X, rows.patterns
    share = np.empty(len(X))
    share[patterns.order] = np.repeat(
        X.shape[1] / np.maximum(X.shape[1] - patterns.n_missing, 1), patterns.counts)
    squared = passes.observed_distances(X, np.ascontiguousarray(centers), rows.n_threads)
    squared *= share[:, None]
    return squared


def observed_seeds(rows, n_seeds, means, random_state, *, centers=None, allowed=None):
    """Greedy k-means++ over observed values; missing values of a seed are the column's means.

    `centers`: those there are already. `allowed`: weights of the rows that may be seeds.
    Returns the seeds (n_seeds, n_features), float64.

    D. Arthur, S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007.
    """
    X = rows.X
    weight = ~rows.empty * (1.0 if rows.sample_weight is None else rows.sample_weight)
    chance = weight if allowed is None else weight * allowed
    n_trials = 2 + int(np.log(n_seeds))
    seeds = []
    closest = None
    if centers is not None and len(centers):
        closest = _distances(rows, centers).min(axis=1)
    while len(seeds) < n_seeds:
        potential = chance if closest is None else chance * closest
        running = np.cumsum(potential if potential.any() else chance)
        n_draws = 1 if closest is None else n_trials
        drawn = np.searchsorted(running, random_state.uniform(size=n_draws) * running[-1], "right")
        del potential, running
        candidates = X[np.minimum(drawn, len(X) - 1)].astype(np.float64)
        candidates = np.where(np.isnan(candidates), means, candidates)
        distances = _distances(rows, candidates)
        if closest is not None:
            np.minimum(distances, closest[:, None], out=distances)
        best = int((weight @ distances).argmin())
        closest = distances[:, best].copy()     # of the others nothing is kept
        del distances
        seeds.append(candidates[best])
    return np.array(seeds)
