"""Moments of the values that are there, of rows with missing values."""

import numpy as np

from emkernels.kernels import passes

# K-means ends when the sum of squares falls by less than this share
INERTIA_TOL = 1e-4
# start covariances from pairs of columns need not be positive definite: their correlations
# are shrunk until the smallest eigenvalue is this
LEAST_EIGENVALUE = 1e-2


def observed_means(X, sample_weight, n_threads):
    """Weighted means of the observed values of each column, and their weights, both (n_features,)
    float64; the mean is 0 where nothing is observed."""
    first = np.zeros(X.shape[1])
    for d in range(X.shape[1]):
        # about a value of the column, so that a shift costs no digits
        for rows in (slice(0, 1024), slice(1024, None)):
            seen = np.flatnonzero(X[rows, d] == X[rows, d])
            if len(seen):
                first[d] = X[rows.start + seen[0], d]
                break
    labels = np.zeros(len(X), np.int32)
    weight, sums, _ = passes.observed_kmeans_pass(
        X, first[None], labels, sample_weight, n_threads)
    return first + sums[0] / np.where(weight[0] > 0, weight[0], 1), weight[0]


def pairwise_covariances(X, resp, centers, sample_weight, n_threads, usual=None):
    """Covariances (n_components, n_features, n_features) about given centres, each entry over the
    rows in which both columns are observed, shrunk to be positive definite.

    `resp` are labels (int32, -1: none) or responsibilities. `usual` (n_features,): variances
    where a component has fewer than two values of a column (by weight); else they are 0.
    """
    rounded = centers.astype(X.dtype).astype(np.float64)
    weight, products = passes.available_moments(X, resp, rounded, sample_weight, n_threads)
    covariances = products / np.where(weight > 0, weight, 1)
    if usual is not None:
        least = 2 * (1.0 if sample_weight is None else sample_weight[sample_weight > 0].min())
        for covariance, pairs in zip(covariances, weight, strict=True):
            few = np.flatnonzero(np.diagonal(pairs) < least)
            covariance[few], covariance[:, few] = 0, 0
            covariance[few, few] = usual[few]
    for covariance in covariances:
        deviations = np.sqrt(np.diagonal(covariance))
        safe = np.where(deviations > 0, deviations, 1)
        correlations = covariance / np.outer(safe, safe)
        np.fill_diagonal(correlations, 1)
        least = np.linalg.eigvalsh(correlations)[0]
        if least < LEAST_EIGENVALUE:
            share = (LEAST_EIGENVALUE - least) / (1 - least)
            diagonal = np.diagonal(covariance).copy()
            covariance *= 1 - share
            np.fill_diagonal(covariance, diagonal)
    return covariances


def observed_kmeans(X, centers, sample_weight, n_threads, *, max_iter=100):
    """Lloyd iterations on the observed values: distances over the columns a row has, centres
    from the values that there are. Returns labels (int32) and centres."""
    labels = np.full(len(X), -1, np.int32)
    centers, before = centers.astype(np.float64), np.inf
    for _ in range(max_iter):
        rounded = centers.astype(X.dtype).astype(np.float64)
        weight, sums, inertia = passes.observed_kmeans_pass(
            X, rounded, labels, sample_weight, n_threads)
        if not inertia < (1 - INERTIA_TOL) * before:
            break
        before = inertia
        # a column that a cluster has no value of keeps its centre
        centers = np.where(weight > 0, rounded + sums / np.where(weight > 0, weight, 1), centers)
    return labels, centers


def _distances(X, centers, patterns, n_threads):
    """Squared distances (n_samples, n_centers) over observed columns, scaled up to all columns;
    zero for rows without any value."""
    observed = np.empty(len(X))
    observed[patterns.order] = np.repeat(X.shape[1] - patterns.n_missing, patterns.counts)
    squared = passes.observed_distances(X, np.ascontiguousarray(centers), n_threads)
    return squared * (X.shape[1] / np.maximum(observed, 1))[:, None]


def observed_seeds(X, n_seeds, patterns, means, sample_weight, random_state, n_threads, *,
                   centers=None, allowed=None):
    """Greedy k-means++ over observed values; missing values of a seed are the column's means.

    `centers`: those there are already. `allowed`: weights of the rows that may be seeds.
    Returns the seeds (n_seeds, n_features), float64.

    D. Arthur, S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007.
    """
    observed = np.empty(len(X), bool)
    observed[patterns.order] = np.repeat(patterns.n_missing < X.shape[1], patterns.counts)
    weight = observed * (1.0 if sample_weight is None else sample_weight)
    chance = weight if allowed is None else weight * allowed
    n_trials = 2 + int(np.log(n_seeds))
    seeds = []
    closest = None
    if centers is not None and len(centers):
        closest = _distances(X, centers, patterns, n_threads).min(axis=1)
    while len(seeds) < n_seeds:
        potential = chance if closest is None else chance * closest
        running = np.cumsum(potential if potential.any() else chance)
        n_draws = 1 if closest is None else n_trials
        rows = np.searchsorted(running, random_state.uniform(size=n_draws) * running[-1], "right")
        candidates = X[np.minimum(rows, len(X) - 1)].astype(np.float64)
        candidates = np.where(np.isnan(candidates), means, candidates)
        distances = _distances(X, candidates, patterns, n_threads)
        if closest is not None:
            np.minimum(distances, closest[:, None], out=distances)
        best = int((weight @ distances).argmin())
        closest = distances[:, best]
        seeds.append(candidates[best])
    return np.array(seeds)
