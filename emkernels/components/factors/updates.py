"""The likelihood of loadings and noise given second moments, and the steps of EM on them."""

import numpy as np

from emkernels.components.factors.profile import EXACT, TINY, with_signs

LOG_2_PI = float(np.log(2 * np.pi))


def covariance_of(components, noise):
    """``L L' + diag(noise)``, of components L' (n_factors, n_features)."""
    out = components.T @ components
    out[np.diag_indices(len(out))] += noise
    return out


def discrepancy(moments, components, noise):
    """``log |Sigma| + tr(Sigma^-1 S)``, by way of matrices of the size of the factors; where noise
    variances are so small that digits would be lost, by way of their roots.

    With F a root of S, ``tr(Sigma^-1 S)`` is ``|F - M L'|^2`` in units of the noise and ``|M|^2``
    at its least over M: nothing cancels, and rounding of M enters squared.
    """
    if ((moments.matrix is None or moments.size <= EXACT)
            and (noise < TINY * moments.diagonal).any()):
        deviation = np.sqrt(noise)
        scaled, root = (components / deviation).T, moments.root() / deviation
        q = scaled.shape[1]
        Q, R = np.linalg.qr(np.concatenate([np.eye(q), scaled]))
        means = np.linalg.solve(R, Q[q:].T @ root.T)
        left = root.T - scaled @ means
        return float(np.log(noise).sum() + 2 * np.log(np.abs(np.diagonal(R))).sum()
                     + np.square(left).sum() + np.square(means).sum())
    weighted = components / noise
    inner = np.eye(len(components)) + weighted @ components.T
    factor = np.linalg.cholesky(inner)
    half = np.linalg.solve(factor, weighted)
    return float(np.log(noise).sum() + 2 * np.log(np.diagonal(factor)).sum()
                 + (moments.diagonal / noise).sum()
                 - np.einsum("kd,kd->", moments.product(half), half))


def log_likelihood(moments, components, noise):
    """For one unit of weight, about the mean."""
    return -0.5 * (moments.size * LOG_2_PI + discrepancy(moments, components, noise))


def em_step(moments, components, noise, floor, isotropic=False):
    """One step of EM.

    With ``B = (I + L' psi^-1 L)^-1 L' psi^-1``: ``L = S B' (B S B' + (I + L' psi^-1 L)^-1)^-1``,
    ``psi = diag(S - L B S)``, not below the floor; its mean where it is one for all columns.

    Returns
    -------
    components : ndarray of shape (n_factors, n_features)
    noise : ndarray of shape (n_features,)

    References
    ----------
    D. B. Rubin, D. T. Thayer, Psychometrika 47, 1982; M. E. Tipping, C. M. Bishop, Journal of the
    Royal Statistical Society B 61, 1999 (the isotropic one).
    """
    weighted = components / noise
    inner = np.eye(len(components)) + weighted @ components.T
    B = np.linalg.solve(inner, weighted)
    cross = moments.product(B)
    second = cross @ B.T + np.linalg.inv(inner)
    components = np.linalg.solve(second, cross)
    # the expected square of what is left, for whatever loadings: nothing cancels below zero
    unique = (moments.diagonal - 2 * (components * cross).sum(axis=0)
              + (components * (second @ components)).sum(axis=0))
    if isotropic:
        unique = np.full(len(unique), unique.mean())
    return components, np.maximum(unique, floor)


def canonical(components, noise):
    """The loadings turned so that ``L' psi^-1 L`` is diagonal and falls, with signs as of
    :func:`~emkernels.components.factors.profile.with_signs`."""
    scaled = components / np.sqrt(noise)
    _, values, rows = np.linalg.svd(scaled, full_matrices=False)
    out = np.zeros_like(components)
    out[:len(values)] = (values[:, None] * rows) * np.sqrt(noise)
    return with_signs(out)


def best_isotropic(moments, n_factors, floor):
    """Probabilistic principal components: the maximum in closed form.

    The noise is the mean of the eigenvalues of S behind the first q, the loadings are
    ``V_q (W_q - noise)^1/2``; where there are as many factors as columns the last one is left
    out, as it would be noise of the same size.

    Parameters
    ----------
    moments : Dense or Wide
    n_factors : int
    floor : float
        Least noise.

    Returns
    -------
    components : ndarray of shape (n_factors, n_features)
    noise : float

    References
    ----------
    M. E. Tipping, C. M. Bishop, Journal of the Royal Statistical Society B 61, 1999, equations
    7 and 8.
    """
    size = moments.size
    k = min(n_factors, size - 1)
    values, vectors = moments.pairs(np.ones(size), k)
    values = np.maximum(values, 0)
    # what is left, without cancellation where all is known
    left = values[k:].sum() if len(values) == size else moments.diagonal.sum() - values[:k].sum()
    values, vectors = values[:k], vectors[:, :k]
    noise = max(left / max(1, size - k), floor)
    out = np.zeros((n_factors, size))
    kept = values > noise
    out[:len(values)][kept] = (vectors[:, kept] * np.sqrt(values[kept] - noise)).T
    return with_signs(out), float(noise)
