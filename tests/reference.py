"""Slow and plain NumPy answers to what the kernels compute; knows nothing of emkernels."""

import numpy as np

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")


def full_factors(precisions_cholesky, covariance_type, n_components, n_features):
    """The factors of any covariance type as upper triangles (K, D, D)."""
    factors = np.asarray(precisions_cholesky, float)
    if covariance_type == "full":
        return np.triu(factors)
    if covariance_type == "tied":
        return np.broadcast_to(np.triu(factors), (n_components, n_features, n_features))
    if covariance_type == "diag":
        return np.array([np.diag(row) for row in factors])
    return np.array([np.eye(n_features) * scale for scale in factors])


def log_density(X, means, precisions_cholesky, covariance_type="full"):
    X, means = np.asarray(X, float), np.asarray(means, float)
    K, D = means.shape
    out = np.empty((len(X), K))
    factors = full_factors(precisions_cholesky, covariance_type, K, D)
    for k in range(K):
        z = (X - means[k]) @ factors[k]
        log_det = np.log(np.diag(factors[k])).sum()
        out[:, k] = log_det - D / 2 * np.log(2 * np.pi) - (z * z).sum(axis=1) / 2
    return out


def responsibilities(log_prob, log_weights=None):
    log_joint = np.asarray(log_prob, float)
    if log_weights is not None:
        log_joint = log_joint + log_weights
    top = log_joint.max(axis=1, keepdims=True)
    joint = np.exp(log_joint - top)
    total = joint.sum(axis=1, keepdims=True)
    return joint / total, (top + np.log(total))[:, 0]


def weighted_moments(X, resp, centers, covariance_type="full", sample_weight=None):
    X, resp, centers = np.asarray(X, float), np.asarray(resp), np.asarray(centers, float)
    K = len(centers)
    if resp.ndim == 1:
        resp = (resp[:, None] == np.arange(K)).astype(float)
    resp = resp.astype(float)
    if sample_weight is not None:
        resp = resp * np.asarray(sample_weight, float)[:, None]
    first, second = [], []
    for k in range(K):
        diff = X - centers[k]
        first.append(resp[:, k] @ diff)
        second.append((resp[:, k, None] * diff).T @ diff)
    second = np.array(second)
    if covariance_type == "tied":
        second = second.sum(axis=0)
    elif covariance_type == "diag":
        second = np.array([np.diag(s) for s in second])
    elif covariance_type == "spherical":
        second = np.array([np.trace(s) for s in second])
    return resp.sum(axis=0), np.array(first), second


def em_statistics(X, weights, means, precisions_cholesky, covariance_type="full",
                  sample_weight=None):
    with np.errstate(divide="ignore"):
        log_weights = np.log(np.asarray(weights, float))
    log_prob = log_density(X, means, precisions_cholesky, covariance_type)
    resp, norm = responsibilities(log_prob, log_weights)
    counts, first, second = weighted_moments(X, resp, means, covariance_type, sample_weight)
    log_likelihood = norm.sum() if sample_weight is None else norm @ sample_weight
    return counts, first, second, log_likelihood


def squared_distances(X, centers):
    X, centers = np.asarray(X, float), np.asarray(centers, float)
    return ((X[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2)


def kmeans_statistics(X, centers, sample_weight=None):
    X = np.asarray(X, float)
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    distances = squared_distances(X, centers)
    labels = distances.argmin(axis=1)
    counts = np.array([weight[labels == k].sum() for k in range(len(centers))])
    sums = np.array([weight[labels == k] @ X[labels == k] for k in range(len(centers))])
    return labels, counts, sums, weight @ distances.min(axis=1)


def kmeans_plusplus_potentials(X, candidates, closest, sample_weight=None):
    """Sum over the rows of weight times squared distance to the nearest centre, if the
    candidate were added to centres that are `closest` (n_samples,) away; one a candidate."""
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    return weight @ np.minimum(squared_distances(X, candidates), np.asarray(closest)[:, None])


def kmeans_plusplus(X, n_clusters, uniforms, n_local_trials, sample_weight=None):
    """Greedy k-means++ with given uniform numbers: the rows that become seeds."""
    X = np.asarray(X, float)
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    indices = [int(np.searchsorted(np.cumsum(weight), uniforms[0] * weight.sum(), "right"))]
    closest = squared_distances(X, X[indices])[:, 0]
    for c in range(1, n_clusters):
        draws = uniforms[1 + (c - 1) * n_local_trials:][:n_local_trials]
        running = np.cumsum(weight * closest)
        rows = np.minimum(np.searchsorted(running, draws * running[-1]), len(X) - 1)
        potentials = kmeans_plusplus_potentials(X, X[rows], closest, weight)
        indices.append(int(rows[potentials.argmin()]))
        closest = np.minimum(closest, squared_distances(X, X[indices[-1:]])[:, 0])
    return np.array(indices)


def long_double_covariance(X, weight=None):
    """Weighted mean and covariance in extended precision, two passes."""
    X = np.asarray(X).astype(np.longdouble)
    weight = np.ones(len(X)) if weight is None else np.asarray(weight)
    weight = weight.astype(np.longdouble)
    mean = (weight[:, None] * X).sum(axis=0) / weight.sum()
    diff = X - mean
    products = weight[:, None, None] * diff[:, :, None] * diff[:, None, :]
    return mean, products.sum(axis=0) / weight.sum()
