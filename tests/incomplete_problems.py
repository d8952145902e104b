"""Rows with missing values that the tests share, and answers by pattern in observed-block form.

tests/test_incomplete_kernels.py holds these answers to those of reference.py, which go row by row.
"""

import functools
from typing import NamedTuple

import numpy as np
import reference
from problems import problem

# how the values go missing: by chance (a share of all cells), in one of a few patterns, all
# columns from some column on (dropout), or as by chance with the first rows complete
DESIGNS = ("chance", "few", "dropout", "blocks")


class Incomplete(NamedTuple):
    X: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray
    sample_weight: np.ndarray


def missing_mask(n, D, design, share, rng):
    if design == "chance":
        return rng.random((n, D)) < share
    if design == "few":
        patterns = rng.random((5, D)) < share
        patterns[0] = False
        return patterns[rng.choice(5, size=n, p=[0.5, 0.2, 0.15, 0.1, 0.05])]
    if design == "dropout":
        left = rng.integers(0, D + 1, size=n)
        return (np.arange(D) >= left[:, None]) & (rng.random(n) < 2 * share)[:, None]
    mask = rng.random((n, D)) < share
    mask[: n // 3] = False
    mask[n // 3: n // 2] = np.arange(D) % 2 == 0
    return mask


@functools.lru_cache(maxsize=160)
def incomplete(n, D, K, covariance_type="full", dtype="f8", design="chance", share=0.2,
               separation=1.0):
    """`problem` with missing values; read-only."""
    p = problem(n, D, K, covariance_type, dtype, separation)
    rng = np.random.default_rng([n, D, K, DESIGNS.index(design)])
    X = np.where(missing_mask(n, D, design, share, rng), np.nan, p.X).astype(dtype)
    X.flags.writeable = False
    return Incomplete(X, *p[1:])


class Answer(NamedTuple):
    """By pattern: its rows, its mask, and of each component the conditional covariance; for all
    rows: log densities (n, K) and rows filled by their conditional means (K, n, D)."""

    patterns: list
    log_prob: np.ndarray
    filled: np.ndarray


def answer(X, means, factors, covariance_type="full"):
    X, means = np.asarray(X, float), np.asarray(means, float)
    K, D = means.shape
    covariances = reference.full_covariances(factors, covariance_type, K, D)
    masks, index = np.unique(np.isnan(X), axis=0, return_inverse=True)
    index = index.ravel()
    log_prob, filled, patterns = np.zeros((len(X), K)), np.repeat(X[None], K, axis=0), []
    for i, m in enumerate(masks):
        rows, o, blocks = np.flatnonzero(index == i), ~m, []
        for k in range(K):
            diff = X[np.ix_(rows, o)] - means[k, o]
            lower = np.linalg.cholesky(covariances[k][np.ix_(o, o)])
            z = np.linalg.solve(lower, diff.T)
            log_prob[rows, k] = (-(o.sum() * np.log(2 * np.pi) + (z * z).sum(axis=0)) / 2
                                 - np.log(np.diag(lower)).sum())
            cross = np.linalg.solve(lower, covariances[k][np.ix_(o, m)])
            filled[np.ix_([k], rows, m)] = (means[k, m] + z.T @ cross)[None]
            blocks.append(covariances[k][np.ix_(m, m)] - cross.T @ cross)
        patterns.append((rows, m, blocks))
    return Answer(patterns, log_prob, filled)


@functools.lru_cache(maxsize=160)
def cached_answer(*arguments):
    p = incomplete(*arguments)
    return answer(p.X, p.means, p.factors, arguments[3])


def posterior(a, weights):
    with np.errstate(divide="ignore"):
        return reference.responsibilities(a.log_prob, np.log(np.asarray(weights, float)))


def of_type(second, covariance_type):
    """Second moments (K, D, D) in the shape of a covariance type."""
    return {
        "full": lambda: second,
        "tied": lambda: second.sum(axis=0),
        "diag": lambda: np.diagonal(second, axis1=1, axis2=2),
        "spherical": lambda: np.trace(second, axis1=1, axis2=2),
    }[covariance_type]()


def moments(a, resp, means, covariance_type, *, absolute=False):
    """Counts, first and second moments under weights (n, K); of the absolute values of all that
    is added up, on request."""
    size = np.abs if absolute else np.asarray
    first, second = [], []
    for k in range(len(means)):
        diff = size(a.filled[k] - means[k])
        first.append(resp[:, k] @ diff)
        total = (resp[:, k, None] * diff).T @ diff
        for rows, m, blocks in a.patterns:
            total[np.ix_(m, m)] += resp[rows, k].sum() * size(blocks[k])
        second.append(total)
    return resp.sum(axis=0), np.array(first), of_type(np.array(second), covariance_type)


def statistics(a, weights, means, covariance_type, sample_weight=None):
    resp, norm = posterior(a, weights)
    weight = np.ones(len(norm)) if sample_weight is None else np.asarray(sample_weight, float)
    return *moments(a, resp * weight[:, None], means, covariance_type), norm @ weight


def imputed(X, a, weights):
    """Completed rows, and the conditional covariance (m, m) of each row."""
    resp, _ = posterior(a, weights)
    out = np.array(X, float)
    mean = np.einsum("nk,knd->nd", resp, a.filled)
    blocks = [None] * len(out)
    for rows, m, parts in a.patterns:
        out[np.ix_(rows, m)] = mean[np.ix_(rows, m)]
        for i in rows:
            between = a.filled[:, i][:, m] - mean[i, m]
            blocks[i] = sum(r * (part + np.outer(d, d)) for r, part, d in zip(
                resp[i], parts, between))
    return out, blocks
