"""Hidden Markov models the slow way: sums over every path, and M-steps written out."""

import itertools

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal


def path_log_probs(log_b, startprob, transmat):
    """Every path of states, and the log of its joint probability with the data."""
    with np.errstate(divide="ignore"):
        log_start, log_trans = np.log(startprob), np.log(transmat)
    paths = list(itertools.product(range(len(startprob)), repeat=len(log_b)))
    values = [log_start[p[0]] + log_b[0, p[0]] + sum(
        log_trans[p[t - 1], p[t]] + log_b[t, p[t]] for t in range(1, len(p))) for p in paths]
    return np.array(paths), np.array(values)


def expectations(log_b, startprob, transmat):
    """Log-likelihood, posteriors (T, K) and expected transitions (K, K)."""
    paths, values = path_log_probs(log_b, startprob, transmat)
    n_states = len(startprob)
    total = logsumexp(values)
    if total == -np.inf:
        return total, np.zeros(log_b.shape), np.zeros((n_states, n_states))
    share = np.exp(values - total)
    posteriors = np.array([[share[paths[:, t] == k].sum() for k in range(n_states)]
                           for t in range(len(log_b))])
    transitions = np.zeros((n_states, n_states))
    for t in range(1, len(log_b)):
        for i, j in itertools.product(range(n_states), repeat=2):
            transitions[i, j] += share[(paths[:, t - 1] == i) & (paths[:, t] == j)].sum()
    return total, posteriors, transitions


def log_densities(X, weights, means, covars):
    """Log weight times density of the observed values, (T, K, M)."""
    out = np.zeros((len(X), *weights.shape))
    with np.errstate(divide="ignore"):
        out += np.log(weights)
    for t, x in enumerate(X):
        seen = ~np.isnan(x)
        if not seen.any():
            continue
        for k, m in np.ndindex(weights.shape):
            out[t, k, m] += multivariate_normal.logpdf(
                x[seen], means[k, m, seen], covars[k, m][np.ix_(seen, seen)])
    return out


def completed(x, mean, covariance):
    """Mean and covariance of a row, given what is observed of it."""
    seen = ~np.isnan(x)
    value, spread = x.copy(), np.zeros(covariance.shape)
    gone = ~seen
    if gone.any():
        b = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, gone)]).T
        value[gone] = mean[gone] + b @ (x[seen] - mean[seen])
        spread[np.ix_(gone, gone)] = covariance[np.ix_(gone, gone)] - b @ covariance[
            np.ix_(seen, gone)]
    return value, spread


def baum_welch_step(sequences, parameters, covariance_type, sequence_weight=None):
    """One step of EM, and the log-likelihood it began with: startprob, transmat, weights (K, M),
    means (K, M, D), covars (K, M, D, D)."""
    startprob, transmat, weights, means, covars = parameters
    w = np.ones(len(sequences)) if sequence_weight is None else sequence_weight
    total, starts, moves = 0.0, np.zeros(len(startprob)), np.zeros(transmat.shape)
    rows, resp = [], []
    for X, own in zip(sequences, w, strict=True):
        parts = log_densities(X, weights, means, covars)
        log_b = logsumexp(parts, axis=2)
        value, posteriors, transitions = expectations(log_b, startprob, transmat)
        total += own * value
        starts += own * posteriors[0]
        moves += own * transitions
        within = np.exp(parts - log_b[..., None])
        for t, x in enumerate(X):
            if not np.isnan(x).all():       # a row without any value says nothing
                rows.append(x)
                resp.append(own * posteriors[t, :, None] * within[t])
    resp = np.array(resp)
    counts = resp.sum(axis=0)
    d = means.shape[-1]
    new_means, scatter = means.copy(), np.zeros(covars.shape)
    for k, m in np.ndindex(weights.shape):
        filled = [completed(x, means[k, m], covars[k, m]) for x in rows]
        values = np.array([each[0] for each in filled])
        new_means[k, m] = resp[:, k, m] @ values / counts[k, m]
        for r, (value, spread) in zip(resp[:, k, m], filled, strict=True):
            gap = value - new_means[k, m]
            scatter[k, m] += r * (np.outer(gap, gap) + spread)
    own = scatter / counts[..., None, None]
    if covariance_type == "tied":
        own = np.broadcast_to(scatter.sum(axis=(0, 1)) / counts.sum(), covars.shape)
    elif covariance_type == "diag":
        own = own * np.eye(d)
    elif covariance_type == "spherical":
        own = np.trace(own, axis1=2, axis2=3)[..., None, None] / d * np.eye(d)
    return total, (starts / starts.sum(), moves / moves.sum(axis=1, keepdims=True),
                   counts / counts.sum(axis=1, keepdims=True), new_means, own)
