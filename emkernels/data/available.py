"""Moments of the values that are there, of rows with missing values."""

import numpy as np

from emkernels.kernels import passes

# start covariances from pairs of columns need not be positive definite: their correlations
# are shrunk until the smallest eigenvalue is this
LEAST_EIGENVALUE = 1e-2


def divisors(weights):
    """Weights that sums are divided by, 1 where nothing has any weight: the sums are 0 there.

    Checked rows cannot give a NaN: it is a fault of a kernel, and must not pass for no weight.
    """
    if np.isnan(weights).any():
        where = np.argwhere(np.isnan(weights))[0].tolist()
        raise RuntimeError(
            "a fault of emkernels, please report it: the sum of weights is not a number at "
            f"{where}")
    return np.where(weights > 0, weights, 1.0)


def observed_means(rows, sample_weight=None):
    """Weighted means of the observed values of each column, and their weights, both (n_features,)
    float64; the mean is 0 where nothing is observed. By the weights of the rows, or others."""
    X = rows.X
    weight = rows.sample_weight if sample_weight is None else sample_weight
    first = np.zeros(X.shape[1])
    for d in range(X.shape[1]):
        # about a value of the column, so that a shift costs no digits
        for part in (slice(0, 1024), slice(1024, None)):
            seen = np.flatnonzero(X[part, d] == X[part, d])
            if len(seen):
                first[d] = X[part.start + seen[0], d]
                break
    labels = np.zeros(len(X), np.int32)
    observed, sums, _ = passes.observed_kmeans_pass(
        X, first[None], labels, weight, rows.n_threads)
    return first + sums[0] / divisors(observed[0]), observed[0]


def pairwise_covariances(rows, resp, centers, usual=None):
    """Covariances (n_components, n_features, n_features) about given centres, each entry over the
    rows in which both columns are observed, shrunk to be positive definite.

    `resp` are labels (int32, -1: none) or responsibilities. `usual` (n_features,): variances
    where a component has fewer than two values of a column (by weight); else they are 0.
    """
    sample_weight = rows.sample_weight
    rounded = centers.astype(rows.dtype).astype(np.float64)
    weight, products = passes.available_moments(
        rows.X, resp, rounded, sample_weight, rows.n_threads)
    least = 2 * (1.0 if usual is None or sample_weight is None
                 else sample_weight[sample_weight > 0].min())
    return available(weight, products, usual, least)


def available(weight, products, usual=None, least=0.0):
    """Covariances from the weight and the products of pairs of columns; `least`: the weight below
    which a column has the usual variance."""
    covariances = products / divisors(weight)
    if usual is not None:
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
