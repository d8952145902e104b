"""E-step of a mixture of factor analysers of rows with missing values, pattern by pattern."""

from dataclasses import replace

import numpy as np

from emkernels.components.factors.posterior import Posterior

# Responsibilities that change nothing.
TINY = 1e-19


def moments(rows, weights, parameters, centers):
    """The sums of :class:`~emkernels.components.factors.mixed.FactorMoments`, and the
    log-likelihood, the missing values being what each component expects of them.

    With C the covariance of the factors given what a row has, m their mean and M its missing
    columns, a missing value is ``L m``, and ``C L M`` is added to the products with the factors,
    ``diag(M (L C L' + 1) M)`` to the squares. Rows with nothing observed are left out.
    """
    K, q, D = parameters.components.shape
    counts, factors, log_likelihood = np.zeros(K), np.zeros((K, q)), 0.0
    first, square = np.zeros((2, K, D))
    cross, second = np.zeros((K, q, D)), np.zeros((K, q, q))
    given = rows.weight_given
    for posteriors, parts, means, resp, norm in _blocks(rows, weights, parameters, centers):
        part = parts[0]
        w = np.ones(len(norm)) if given is None else given[part.rows].astype(float)
        w = np.where(part.observed.any(axis=1), w, 0.0)
        inside = w > 0
        log_likelihood += w[inside] @ norm[inside]
        for k, (own, L) in enumerate(zip(parts, (p.loadings for p in posteriors), strict=True)):
            r = np.where(resp[:, k] < TINY, 0.0, resp[:, k] * w)
            if not r.any():
                continue
            m = means[k]
            e = np.where(own.observed, own.z, m @ L)
            weighted = r[:, None] * m
            counts[k] += r.sum()
            factors[k] += weighted.sum(axis=0)
            first[k] += r @ e
            square[k] += r @ e**2
            cross[k] += weighted.T @ e
            second[k] += weighted.T @ m
            # what is not known, a pattern at a time
            of_pattern = np.bincount(own.pattern, r, len(own.masks))
            covariances = of_pattern[:, None, None] * own.covariances
            second[k] += covariances.sum(axis=0)
            unknown = (covariances.reshape(-1, q * q).T @ own.masks).reshape(q, q, D)
            more = np.einsum("qrd,rd->qd", unknown, L)
            cross[k] += more
            square[k] += of_pattern @ own.masks + (more * L).sum(axis=0)
    return counts, first, square, cross, factors, second, log_likelihood


def each(rows, weights, parameters, centers, want):
    """Outputs for each row: 'log_prob_norm', 'resp', 'labels', 'imputed'."""
    n, K = len(rows), len(centers)
    shapes = {"log_prob_norm": ((n,), rows.dtype), "resp": ((n, K), rows.dtype),
              "labels": ((n,), np.int32)}
    out = {name: np.empty(*shapes[name]) for name in want if name != "imputed"}
    if "imputed" in want:
        out["imputed"] = rows.X.copy(order="C")
    for posteriors, parts, means, resp, norm in _blocks(rows, weights, parameters, centers):
        at = parts[0].rows
        if "log_prob_norm" in out:
            with np.errstate(over="ignore"):
                out["log_prob_norm"][at] = norm
        if "resp" in out:
            out["resp"][at] = resp
        if "labels" in out:
            out["labels"][at] = resp.argmax(axis=1)
        if "imputed" in out:
            expected = sum(resp[:, k:k + 1] * (p.mean + means[k] @ p.components)
                           for k, p in enumerate(posteriors))
            known = rows.X[at]
            out["imputed"][at] = np.where(
                parts[0].observed, known, expected.astype(rows.dtype))
    return out


def _blocks(rows, weights, parameters, centers):
    """Rows of some patterns at a time: posteriors and parts of each component, means of its
    factors, responsibilities, log densities."""
    posteriors = [
        Posterior(mean, components, None, deviation=deviation)
        for mean, components, deviation in zip(
            centers, parameters.components, parameters.deviations, strict=True)]
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    blocks = zip(*(p.parts(rows) for p in posteriors), strict=True)
    while True:
        with np.errstate(over="ignore", invalid="ignore"):      # rows far out
            parts = next(blocks, None)
            if parts is None:
                return
            means, log_prob = [], np.empty((len(parts[0].z), len(posteriors)))
            for k, (p, part) in enumerate(zip(posteriors, parts, strict=True)):
                m = p.scores(part)
                left = (part.z - m @ p.loadings) * part.observed
                log_prob[:, k] = log_weights[k] + p.densities(part, m, left)
                means.append(m)
            log_prob[np.isnan(log_prob)] = -np.inf
            best = log_prob.max(axis=1, keepdims=True)
            lost = np.flatnonzero(~np.isfinite(best[:, 0]))
            best[lost] = 0
            resp = np.exp(log_prob - best)
            total = resp.sum(axis=1, keepdims=True)
            total[lost] = 1
            norm = best[:, 0] + np.log(total[:, 0])
            if len(lost):
                resp[lost], norm[lost] = 0, -np.inf
                _rescue(rows.X, posteriors, parts, lost, log_weights, means, resp)
        yield posteriors, parts, means, resp / total, norm


def _rescue(X, posteriors, parts, lost, log_weights, means, resp):
    """Rows so far out that every density is nothing go wholly to the nearest component, by
    distances of what they are a multiple of."""
    least, nearest = np.full(len(lost), np.inf), np.zeros(len(lost), int)
    for k, (p, part) in enumerate(zip(posteriors, parts, strict=True)):
        means[k][~np.isfinite(means[k]).all(axis=1)] = 0
        if not log_weights[k] > -np.inf:
            continue
        observed = part.observed[lost]
        z, scale = np.where(observed, 0.5 * X[part.rows][lost] - 0.5 * p.mean, 0), 0.0
        for unit in (1.0, p.deviation):
            z = z / unit
            size = np.maximum(np.abs(z).max(axis=1, keepdims=True), np.finfo(float).tiny)
            z, scale = z / size, scale + np.log(size[:, 0])
        own = replace(part, z=z, observed=observed, pattern=part.pattern[lost])
        m = p.scores(own)
        left = (z - m @ p.loadings) * observed
        distance = scale + 0.5 * np.log((left**2).sum(axis=1) + (m**2).sum(axis=1))
        nearer = distance < least
        least[nearer], nearest[nearer] = distance[nearer], k
        m = 2 * np.exp(scale)[:, None] * m
        means[k][lost] = np.where(np.isfinite(m), m, 0)
    resp[lost, nearest] = 1
