"""Slow and plain NumPy answers to what the kernels compute; knows nothing of emkernels."""

import itertools
import math

import numpy as np
from scipy import linalg, stats
from scipy.special import logsumexp

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


# --- rows with missing values (NaN), one row at a time ---------------------------------


def full_covariances(precisions_cholesky, covariance_type, n_components, n_features):
    """Covariances (K, D, D) of factors U with U U' = covariance^-1."""
    factors = full_factors(precisions_cholesky, covariance_type, n_components, n_features)
    inverses = [np.linalg.inv(factor) for factor in factors]
    return np.array([inverse.T @ inverse for inverse in inverses])


def observed_block(x, mean, covariance):
    """Of one row: log density of what is observed, conditional mean of the whole row and
    conditional covariance of the whole row (zero where it is observed)."""
    m = np.isnan(x)
    o = ~m
    filled, conditional = np.where(m, mean, x), np.zeros_like(covariance)
    diff = x[o] - mean[o]
    lower = np.linalg.cholesky(covariance[np.ix_(o, o)])
    z = np.linalg.solve(lower, diff)
    log_density = -(o.sum() * np.log(2 * np.pi) + z @ z) / 2 - np.log(np.diag(lower)).sum()
    cross = np.linalg.solve(lower, covariance[np.ix_(o, m)])
    filled[m] = mean[m] + cross.T @ z
    conditional[np.ix_(m, m)] = covariance[np.ix_(m, m)] - cross.T @ cross
    return log_density, filled, conditional


def incomplete_log_density(X, means, precisions_cholesky, covariance_type="full"):
    X, means = np.asarray(X, float), np.asarray(means, float)
    K, D = means.shape
    covariances = full_covariances(precisions_cholesky, covariance_type, K, D)
    return np.array([[observed_block(x, means[k], covariances[k])[0] for k in range(K)]
                     for x in X]).reshape(len(X), K)


def incomplete_statistics(X, weights, means, precisions_cholesky, covariance_type="full",
                          sample_weight=None):
    """Expected moments about the means, the conditional covariance of what is missing
    included; the log-likelihood is that of what is observed."""
    X, means = np.asarray(X, float), np.asarray(means, float)
    K, D = means.shape
    covariances = full_covariances(precisions_cholesky, covariance_type, K, D)
    with np.errstate(divide="ignore"):
        log_weights = np.log(np.asarray(weights, float))
    log_prob = incomplete_log_density(X, means, precisions_cholesky, covariance_type)
    resp, norm = responsibilities(log_prob, log_weights)
    row_weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    counts, first, second = np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D))
    for i, x in enumerate(X):
        for k in range(K):
            _, filled, conditional = observed_block(x, means[k], covariances[k])
            weight, diff = row_weight[i] * resp[i, k], filled - means[k]
            counts[k] += weight
            first[k] += weight * diff
            second[k] += weight * (np.outer(diff, diff) + conditional)
    if covariance_type == "tied":
        second = second.sum(axis=0)
    elif covariance_type == "diag":
        second = np.array([np.diag(s) for s in second])
    elif covariance_type == "spherical":
        second = np.array([np.trace(s) for s in second])
    return counts, first, second, norm @ row_weight


def conditional_moments(X, weights, means, precisions_cholesky, covariance_type="full"):
    """The rows with the conditional mean of the mixture where a value is missing, and for every
    row the conditional covariance of its missing values (within and between components)."""
    X, means = np.asarray(X, float), np.asarray(means, float)
    K, D = means.shape
    covariances = full_covariances(precisions_cholesky, covariance_type, K, D)
    with np.errstate(divide="ignore"):
        log_weights = np.log(np.asarray(weights, float))
    log_prob = incomplete_log_density(X, means, precisions_cholesky, covariance_type)
    resp, _ = responsibilities(log_prob, log_weights)
    imputed, blocks = X.copy(), []
    for i, x in enumerate(X):
        m = np.isnan(x)
        parts = [observed_block(x, means[k], covariances[k]) for k in range(K)]
        filled = np.array([part[1] for part in parts])
        mean = resp[i] @ filled
        total = np.zeros((D, D))
        for k in range(K):
            total += resp[i, k] * (parts[k][2] + np.outer(filled[k] - mean, filled[k] - mean))
        imputed[i, m] = mean[m]
        blocks.append(total[np.ix_(m, m)])
    return imputed, blocks


def gaussian_em(X, n_iter, start=None):
    """Plain EM for one multivariate normal: mean, covariance and the log-likelihoods before the
    first step and after every step. It starts at `start` or at the observed means and variances."""
    X = np.asarray(X, float)
    mean, covariance = start or (np.nanmean(X, axis=0), np.diag(np.nanvar(X, axis=0)))
    mean, covariance, trace = np.array(mean, float), np.array(covariance, float), []
    for step in range(n_iter + 1):
        parts = [observed_block(x, mean, covariance) for x in X]
        trace.append(sum(part[0] for part in parts))
        if step < n_iter:
            filled = np.array([part[1] for part in parts])
            mean = filled.mean(axis=0)
            covariance = (filled - mean).T @ (filled - mean) / len(X)
            covariance += sum(part[2] for part in parts) / len(X)
    return mean, covariance, np.array(trace)


# --- mixtures on a grid ----------------------------------------------------------------


def neighbour_sums(field, shape, there):
    """Of every pixel the sum of field (n_pixels, K) over the neighbours that are there."""
    grid = np.where(there[:, None], field, 0).reshape(*shape, -1)
    total = np.zeros_like(grid)
    for axis in range(len(shape)):
        before = (slice(None),) * axis + (slice(None, -1),)
        behind = (slice(None),) * axis + (slice(1, None),)
        total[before] += grid[behind]
        total[behind] += grid[before]
    return total.reshape(field.shape)


def potts_statistics(X, weights, means, precisions_cholesky, covariance_type="full", *, shape,
                     smoothness, resp, mask=None):
    """One sweep of the mean field `resp`, in place; moments, free energy, likelihood given the
    neighbours and the priors' sums."""
    X, means = np.asarray(X, float), np.asarray(means, float)
    there = np.ones(len(X), bool) if mask is None else np.asarray(mask).reshape(-1)
    known = there & ~np.isnan(X).any(axis=1)
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    energy = np.tile(log_weights, (len(X), 1))
    energy[known] += log_density(X[known], means, precisions_cholesky, covariance_type)
    parity = np.indices(shape).sum(axis=0).reshape(-1) % 2
    log_likelihood, prior = 0.0, np.zeros(len(means))
    for colour in range(2):
        field = smoothness * neighbour_sums(resp.astype(float), shape, there)
        now = there & (parity == colour)
        resp[now] = responsibilities((energy + field)[now])[0]
        seen = known & now
        if seen.any():
            share, log_norm = responsibilities((log_weights + field)[seen])
            prior += share.sum(axis=0)
            log_likelihood += (
                responsibilities((energy + field)[seen])[1] - log_norm).sum()
    q = np.where(there[:, None], resp.astype(float), 0)
    counts, first, second = weighted_moments(X[known], q[known], means, covariance_type)
    positive = q > 0
    free_energy = (q[positive] * (energy[positive] - np.log(q[positive]))).sum()
    # every pair is counted from both ends
    free_energy += smoothness / 2 * (q * neighbour_sums(q, shape, there)).sum()
    return counts, first, second, free_energy, log_likelihood, prior


def factor_covariance(components, noise, correlation=None):
    """Of rows with the loadings `components` (q, D), psi, and the correlation of the factors."""
    components = np.asarray(components, float)
    between = np.eye(len(components)) if correlation is None else correlation
    return components.T @ between @ components + np.diag(
        np.broadcast_to(noise, components.shape[1]))


def factor_log_density(X, mean, components, noise, correlation=None):
    """Of the observed values of each row, one at a time."""
    covariance = factor_covariance(components, noise, correlation)
    out = np.zeros(len(X))
    for i, x in enumerate(np.asarray(X, float)):
        seen = ~np.isnan(x)
        if seen.any():
            block = covariance[np.ix_(seen, seen)]
            left = (x - mean)[seen]
            out[i] = -0.5 * (seen.sum() * np.log(2 * np.pi) + np.linalg.slogdet(block)[1]
                             + left @ np.linalg.solve(block, left))
    return out


def factor_scores(X, mean, components, noise, correlation=None):
    """Posterior means and covariances of the factors given each row."""
    components = np.asarray(components, float)
    covariance = factor_covariance(components, noise, correlation)
    between = np.eye(len(components)) if correlation is None else correlation
    means, covariances = [], []
    for x in np.asarray(X, float):
        seen = ~np.isnan(x)
        weights = np.linalg.solve(covariance[np.ix_(seen, seen)],
                                  components[:, seen].T @ between).T
        means.append(weights @ (x - mean)[seen])
        covariances.append(between - weights @ components[:, seen].T @ between)
    return np.array(means), np.array(covariances)


def factor_em(X, mean, components, noise, n_iter, weight=None, isotropic=False):
    """EM for a factor model of rows with missing values: the completed moments, then one step of
    EM on these. Parameters, and the log-likelihood for one unit of weight before each step."""
    X = np.asarray(X, float)
    weight = np.ones(len(X)) if weight is None else weight
    history, D = [], X.shape[1]
    for _ in range(n_iter):
        history.append(weight @ factor_log_density(X, mean, components, noise) / weight.sum())
        covariance = factor_covariance(components, noise)
        first, second = np.zeros(D), np.zeros((D, D))
        for x, w in zip(X, weight, strict=True):
            seen = ~np.isnan(x)
            slope = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[seen]).T
            whole = mean + slope @ (x - mean)[seen]
            first += w * whole
            second += w * (np.outer(whole, whole) + covariance - slope @ covariance[seen])
        mean = first / weight.sum()
        S = second / weight.sum() - np.outer(mean, mean)
        B = np.linalg.solve(covariance, components.T).T
        inner = np.eye(len(components)) - B @ components.T + B @ S @ B.T
        components = np.linalg.solve(inner, B @ S)
        noise = np.diag(S - components.T @ B @ S)
        noise = np.full(D, noise.mean()) if isotropic else noise
    return mean, components, noise, history


# --- mixtures of factor analysers ------------------------------------------------------------


def factor_mixture_e_step(X, weights, means, components, noise):
    """Log densities of the observed values (n,) and responsibilities (n, K), by dense covariances;
    0 and the weights for rows of which nothing is observed."""
    log_prob = np.empty((len(X), len(weights)))
    for k, (mean, L, psi) in enumerate(zip(means, components, noise)):
        covariance = L.T @ L + np.diag(psi)
        for o in np.unique(~np.isnan(X), axis=0):
            own = (~np.isnan(X) == o).all(axis=1)
            value = 0.0
            if o.any():
                value = stats.multivariate_normal.logpdf(
                    X[own][:, o], mean[o], covariance[np.ix_(o, o)])
            log_prob[own, k] = np.log(weights[k]) + value
    norm = logsumexp(log_prob, axis=1)
    return norm, np.exp(log_prob - norm[:, None])


def factor_mixture_update(X, sample_weight, weights, means, components, noise, floor,
                          shared=False):
    """One update, from completed scatter matrices: weights and means by the responsibilities, then
    a step of EM for factors on each scatter about the new mean. `floor`: least noise variances."""
    _, resp = factor_mixture_e_step(X, weights, means, components, noise)
    n, D = X.shape
    seen = ~np.isnan(X).all(axis=1)
    w = np.where(seen, np.ones(n) if sample_weight is None else sample_weight, 0.0)
    counts, new_means, new_components, new_noise = [], [], [], []
    for k, (mean, L, psi) in enumerate(zip(means, components, noise)):
        covariance = L.T @ L + np.diag(psi)
        filled, extra = np.array(X), np.zeros((D, D))
        for i, row in enumerate(X):
            m = np.isnan(row)
            o = ~m
            if m.any() and o.any():
                gain = covariance[np.ix_(m, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
                filled[i, m] = mean[m] + gain @ (row[o] - mean[o])
                extra[np.ix_(m, m)] += w[i] * resp[i, k] * (
                    covariance[np.ix_(m, m)] - gain @ covariance[np.ix_(o, m)])
        r = w * resp[:, k]
        filled[r == 0] = 0
        count = r.sum()
        new_mean = r @ filled / count
        scatter = ((filled - new_mean).T * r @ (filled - new_mean) + extra) / count
        B = np.linalg.solve(np.eye(len(L)) + L / psi @ L.T, L / psi)
        second = B @ scatter @ B.T + np.linalg.inv(np.eye(len(L)) + L / psi @ L.T)
        new_L = np.linalg.solve(second, B @ scatter)
        counts.append(count)
        new_means.append(new_mean)
        new_components.append(new_L)
        new_noise.append(np.diagonal(scatter) - np.einsum("qd,qd->d", new_L, B @ scatter))
    counts, new_noise = np.array(counts), np.array(new_noise)
    if shared:
        new_noise = np.broadcast_to(counts @ new_noise / counts.sum(), new_noise.shape)
    return (counts / counts.sum(), np.array(new_means), np.array(new_components),
            np.maximum(new_noise, floor))


# --- families of three letters -----------------------------------------------------------------

def deviance(covariances, scatters, counts):
    """``sum_k n_k log |Sigma_k| + tr(W_k Sigma_k^-1)``, which their M-step minimises."""
    return sum(n * np.linalg.slogdet(sigma)[1] + np.trace(np.linalg.solve(sigma, w))
               for sigma, w, n in zip(covariances, scatters, counts))


def fitted_family(name, scatters, counts, n_starts=4, seed=0):
    """Covariances ``volume Q diag(shape) Q'`` that minimise the deviance, the letters of `name`
    saying what is shared: BFGS on logarithms of volumes and lengths and on the skew-symmetric
    logarithms of Q, from several starts."""
    from scipy.linalg import expm
    from scipy.optimize import minimize

    K, D = scatters.shape[:2]
    pairs = np.triu_indices(D, 1)
    numbers = [{"I": 0, "E": 1, "V": K}[letter] for letter in name]
    sizes = np.multiply(numbers, [1, D - 1, D * (D - 1) // 2])
    rng = np.random.default_rng(seed)

    def covariances(x, begin):
        volume, shape, turn = np.split(x, np.cumsum(sizes)[:2])
        out = []
        for k in range(K):
            lengths = np.zeros(D)
            if sizes[1]:
                free = shape.reshape(numbers[1], D - 1)[k % numbers[1]]
                lengths = np.append(free, -free.sum())
            axes = np.eye(D)
            if sizes[2]:
                skew = np.zeros((D, D))
                skew[pairs] = turn.reshape(numbers[2], -1)[k % numbers[2]]
                axes = begin[k % numbers[2]] @ expm(skew - skew.T)
            out.append(np.exp(volume[k % numbers[0]]) * (axes * np.exp(lengths)) @ axes.T)
        return np.array(out)

    best, found = np.inf, None
    pooled = np.linalg.eigh(scatters.sum(axis=0))[1]
    for start in range(n_starts if sizes[2] else 1):
        # common axes have several minima, axes of its own are those of a scatter
        begin = [np.linalg.eigh(scatter)[1] for scatter in scatters]
        if numbers[2] == 1:
            begin = [pooled, *begin][start % (K + 1):]
        x = np.concatenate([np.zeros(sizes[0]), 0.1 * rng.normal(size=sizes[1]),
                            np.zeros(sizes[2])])
        result = minimize(lambda x: deviance(covariances(x, begin), scatters, counts), x,
                          method="BFGS", options={"gtol": 1e-6, "maxiter": 2000})
        if result.fun < best:
            best, found = result.fun, covariances(result.x, begin)
    return found


def letters(covariances, tol=1e-8):
    """The most special name of three letters that covariances allow: what they share."""
    covariances = np.asarray(covariances, float)
    D = covariances.shape[1]
    sigmas = covariances / np.abs(covariances).max()
    volumes = np.exp(np.array([np.linalg.slogdet(s)[1] for s in sigmas]) / D)
    scaled = sigmas / volumes[:, None, None]
    shapes = np.array([np.linalg.eigvalsh(s) for s in scaled])
    size = np.abs(scaled).max()

    def same(values, of=1.0):
        return np.abs(values - values[0]).max() <= tol * of

    volume = "E" if same(volumes, volumes.max()) else "V"
    if np.abs(scaled - np.eye(D)).max() <= tol * size:
        return volume + "II"
    diagonal = np.abs(scaled * (1 - np.eye(D))).max() <= tol * size
    commute = max(np.abs(a @ b - b @ a).max() for a in scaled for b in scaled) <= tol * size**2
    # with axes in common, the shapes are the same along the same axes
    if diagonal or commute:
        shape = "E" if same(scaled, size) else "V"
        return volume + shape + ("I" if diagonal else "E")
    return volume + ("E" if same(shapes, shapes.max()) else "V") + "V"


# --- Student t components ------------------------------------------------------------------

def student_log_density(x, mean, scatter, df):
    """Of one complete row, and its squared distance."""
    d = len(x)
    gap = x - mean
    q = gap @ np.linalg.solve(scatter, gap) if d else 0.0
    value = math.lgamma((df + d) / 2) - math.lgamma(df / 2) - d / 2 * math.log(df * math.pi)
    value -= np.linalg.slogdet(scatter)[1] / 2 + (df + d) / 2 * math.log1p(q / df)
    return value, q


def student_rows(X, weights, means, scatters, dfs):
    """Log joint densities, u (n, K), filled deviations (n, K, D) and conditional covariances
    (n, K, D, D) of rows with missing values."""
    (n, D), K = X.shape, len(weights)
    joint, u = np.empty((n, K)), np.ones((n, K))
    filled, spread = np.zeros((n, K, D)), np.zeros((n, K, D, D))
    for i, x in enumerate(X):
        o, m = ~np.isnan(x), np.isnan(x)
        for k in range(K):
            S = scatters[k]
            value, q = student_log_density(x[o], means[k, o], S[np.ix_(o, o)], dfs[k])
            joint[i, k] = math.log(weights[k]) + value
            u[i, k] = (dfs[k] + o.sum()) / (dfs[k] + q)
            solved = np.linalg.solve(S[np.ix_(o, o)], np.c_[x[o] - means[k, o], S[np.ix_(o, m)]])
            filled[i, k, o] = x[o] - means[k, o]
            filled[i, k, m] = S[np.ix_(m, o)] @ solved[:, 0]
            spread[i, k][np.ix_(m, m)] = S[np.ix_(m, m)] - S[np.ix_(m, o)] @ solved[:, 1:]
    return joint, u, filled, spread


def student_statistics(X, weights, means, scatters, dfs, covariance_type="full",
                       sample_weight=None):
    """counts, pulls, first, second, sizes, bends, log-likelihood."""
    X = np.asarray(X, float)
    joint, u, filled, spread = student_rows(X, weights, means, scatters, dfs)
    resp, norm = responsibilities(joint)
    w = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    resp = resp * w[:, None]
    second = (np.einsum("nk,nkd,nke->kde", resp * u, filled, filled)
              + np.einsum("nk,nkde->kde", resp, spread))
    if covariance_type == "tied":
        second = second.sum(axis=0)
    elif covariance_type == "diag":
        second = np.array([np.diag(s) for s in second])
    elif covariance_type == "spherical":
        second = np.array([np.trace(s) for s in second])
    observed = (~np.isnan(X)).sum(axis=1)
    sizes = np.array([np.bincount(observed, r, X.shape[1] + 1) for r in resp.T])
    return (resp.sum(axis=0), (resp * u).sum(axis=0),
            np.einsum("nk,nkd->kd", resp * u, filled), second, sizes,
            (resp * (np.log(u) - u + 1)).sum(axis=0), norm @ w)


def student_log_likelihood(X, weights, means, scatters, dfs, sample_weight=None):
    return student_statistics(X, weights, means, scatters, dfs, "full", sample_weight)[-1]


def student_em(X, weights, means, scatters, dfs, n_iter):
    """Textbook EM of the full type at fixed degrees of freedom (Peel & McLachlan 2000, section 3):
    scatters are divided by the sums of responsibilities."""
    for _ in range(n_iter):
        counts, pulls, first, second, *_ = student_statistics(X, weights, means, scatters, dfs)
        offsets = first / pulls[:, None]
        scatters = np.array([
            (s - p * np.outer(o, o)) / n for s, p, o, n in zip(second, pulls, offsets, counts)])
        weights, means = counts / counts.sum(), means + offsets
    return weights, means, scatters


def class_rows(codes, weights, probs, numbers=None, means=None, variances=None):
    """Log joint densities (n, C) of rows of answers, -1 where missing, and numbers; probs: a table
    (C, levels) for each item, means and variances (C, p)."""
    joint = np.empty((len(codes), len(weights)))
    for i, row in enumerate(codes):
        for k, weight in enumerate(weights):
            value = math.log(weight)
            for j, code in enumerate(row):
                if code >= 0:
                    p = probs[j][k][code]
                    value += math.log(p) if p > 0 else -math.inf
            for j in range(0 if numbers is None else numbers.shape[1]):
                x = numbers[i, j]
                if not math.isnan(x):
                    v = variances[k][j]
                    value -= 0.5 * (math.log(2 * math.pi * v) + (x - means[k][j])**2 / v)
            joint[i, k] = value
    return joint


def class_em(codes, weights, probs, n_iter, sample_weight=None, concentration=1.0,
             numbers=None, means=None, variances=None):
    """Textbook EM of latent classes: parameters, and the log-likelihood before each step."""
    w = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight, float)
    history = []
    for _ in range(n_iter):
        resp, norm = responsibilities(
            class_rows(codes, weights, probs, numbers, means, variances))
        history.append(float(w @ norm))
        resp = resp * w[:, None]
        new = []
        for j, table in enumerate(probs):
            sums = np.array([[resp[codes[:, j] == level, k].sum() for level in range(len(table[0]))]
                             for k in range(len(weights))]) + concentration - 1
            new.append(sums / sums.sum(axis=1, keepdims=True))
        if numbers is not None:
            seen = ~np.isnan(numbers)
            total = resp.T @ seen
            means = resp.T @ np.where(seen, numbers, 0) / total
            squares = np.where(seen[:, None], (numbers[:, None] - means) ** 2, 0)
            variances = np.einsum("nk,nkp->kp", resp, squares) / total
        weights, probs = resp.sum(axis=0) / w.sum(), new
    return weights, probs, means, variances, history


def chain_paths(log_b, startprob, transmat):
    """One sequence by every path: log-likelihood, posteriors, expected transitions, and the best
    path (the lowest in the order of its reverse) with its joint log probability."""
    T, K = np.shape(log_b)
    with np.errstate(divide="ignore"):
        log_start, log_trans = np.log(startprob), np.log(transmat)
    paths = np.array(list(itertools.product(range(K), repeat=T)))[:, ::-1]
    joint = log_start[paths[:, 0]] + np.asarray(log_b)[np.arange(T), paths].sum(axis=1)
    joint = joint + log_trans[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    top = joint.max()
    if top == -np.inf:
        return -np.inf, np.zeros((T, K)), np.zeros((K, K)), np.full(T, -1), -np.inf
    p = np.exp(joint - top)
    log_likelihood = top + np.log(p.sum())
    p /= p.sum()
    resp, transitions = np.zeros((T, K)), np.zeros((K, K))
    for path, share in zip(paths, p, strict=True):
        resp[np.arange(T), path] += share
        np.add.at(transitions, (path[:-1], path[1:]), share)
    return log_likelihood, resp, transitions, paths[joint.argmax()], top


def chain_statistics(log_b, startprob, transmat, lengths=None, sequence_weight=None):
    """Forward-backward with logarithms: log-likelihoods, starts, transitions, resp."""
    log_b = np.asarray(log_b, float)
    n, K = log_b.shape
    lengths = [n] if lengths is None else lengths
    weight = np.ones(len(lengths)) if sequence_weight is None else sequence_weight
    with np.errstate(divide="ignore"):
        log_start, log_trans = np.log(startprob), np.log(transmat)
    norms, starts, transitions = [], np.zeros(K), np.zeros((K, K))
    resp = np.zeros((n, K))
    end = 0
    for length, w in zip(lengths, weight, strict=True):
        rows = slice(end, end + length)
        b, end = log_b[rows], end + length
        alpha, beta, steps = np.empty((length, K)), np.zeros((length, K)), np.empty(length)
        for t in range(length):
            ahead = log_start if t == 0 else log_sums(alpha[t - 1][:, None] + log_trans, 0)
            steps[t] = log_sums(ahead + b[t], 0)
            if steps[t] == -np.inf:
                break
            alpha[t] = ahead + b[t] - steps[t]      # small numbers keep their digits
        if steps[t] == -np.inf:
            norms.append(-np.inf)
            continue
        norms.append(steps.sum())
        for t in range(length - 2, -1, -1):
            behind = log_trans + b[t + 1] + beta[t + 1] - steps[t + 1]
            beta[t] = log_sums(behind, 1)
            transitions += w * np.exp(alpha[t][:, None] + behind)
        resp[rows] = np.exp(alpha + beta)
        starts += w * resp[rows][0]
    return np.array(norms), starts, transitions, resp


def log_sums(x, axis):
    top = x.max(axis=axis, keepdims=True)
    top = np.where(top > -np.inf, top, 0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - top).sum(axis=axis)) + np.squeeze(top, axis)


def best_paths(log_b, startprob, transmat, lengths=None):
    """Viterbi: paths, -1 where there is none, and their joint log probabilities."""
    log_b = np.asarray(log_b, float)
    n, K = log_b.shape
    paths, logs, end = np.full(n, -1), [], 0
    with np.errstate(divide="ignore"):
        log_start, log_trans = np.log(startprob), np.log(transmat)
    for length in [n] if lengths is None else lengths:
        b, first, end = log_b[end:end + length], end, end + length
        delta, back = log_start + b[0], np.zeros((length, K), int)
        for t in range(1, length):
            reached = delta[:, None] + log_trans
            back[t] = reached.argmax(axis=0)
            delta = reached.max(axis=0) + b[t]
        logs.append(delta.max())
        if logs[-1] > -np.inf:
            paths[end - 1] = delta.argmax()
            for t in range(length - 1, 0, -1):
                paths[first + t - 1] = back[t][paths[first + t]]
    return paths, np.array(logs)


def precision_factor(covariance):
    """Upper triangular U with U U' = covariance^-1."""
    lower = linalg.cholesky(covariance, lower=True)
    return linalg.solve_triangular(lower, np.eye(len(covariance)), lower=True).T
