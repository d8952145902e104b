"""E-step of a factor model of rows with missing values, by matrices of the size of the factors."""

import numpy as np

from emkernels.components.factors.posterior import Posterior


def completed_moments(rows, posterior):
    """What rows leave, their missing values being what the model expects of them.

    With C the covariance of the factors given what a row has, m their mean and M its missing
    columns, a missing value is ``L m``, and ``M (L C L' + psi) M`` is added to the products. A
    pattern of missing values costs O(D q^2 + D^2 q), a row O(D q + D^2), and so much is matrix
    products.

    Parameters
    ----------
    rows : Rows
        Those with nothing observed are left out.
    posterior : Posterior
        In units of the rows.

    Returns
    -------
    weight : float
    first : ndarray of shape (n_features,)
        Weighted sum of the completed rows less the mean, in units of the noise.
    second : ndarray of shape (n_features, n_features)
        Their products, and what is not known of them.
    log_likelihood : float
    """
    size = rows.n_features
    total, first, second = 0.0, np.zeros(size), np.zeros((size, size))
    weights, log_likelihood = rows.weight_given, 0.0
    L = posterior.loadings
    for part in posterior.parts(rows):
        w = np.ones(len(part.z)) if weights is None else weights[part.rows].astype(float)
        w = np.where(part.observed.any(axis=1), w, 0.0)
        m = posterior.scores(part)
        left = part.z - m @ L
        expected = np.where(part.observed, part.z, part.z - left)
        left *= part.observed
        log_likelihood += w @ posterior.densities(part, m, left)
        total += w.sum()
        weighted = w[:, None] * expected
        first += weighted.sum(axis=0)
        second += weighted.T @ expected
        # what is not known, a pattern at a time
        of_pattern = np.bincount(part.pattern, w, len(part.masks))
        factor = np.linalg.cholesky(part.covariances) * np.sqrt(of_pattern)[:, None, None]
        missing = np.where(part.masks[:, :, None], L.T @ factor, 0.0)
        missing = np.swapaxes(missing, 0, 1).reshape(size, -1)
        second += missing @ missing.T
        second[np.diag_indices(size)] += of_pattern @ part.masks
    return total, first, (second + second.T) / 2, log_likelihood


def expected(rows, mean, scale, components, noise):
    """The moments of rows with missing values under standardised parameters.

    Parameters
    ----------
    rows : Rows
    mean, scale : ndarray of shape (n_features,)
        Of the rows: parameters are of ``(x - mean) / scale``, about zero.
    components, noise : ndarray of shape (n_factors, n_features), (n_features,)

    Returns
    -------
    weight : float
    offset : ndarray of shape (n_features,)
        Mean of the completed rows, standardised.
    covariance : ndarray of shape (n_features, n_features)
        About it, divisor `weight`.
    log_likelihood : float
        In the units of the rows.
    """
    posterior = Posterior(mean, components * scale, noise * scale**2,
                          deviation=np.sqrt(noise) * scale)
    total, first, second, log_likelihood = completed_moments(rows, posterior)
    unit = np.sqrt(noise)
    first /= total
    covariance = (second / total - np.outer(first, first)) * unit * unit[:, None]
    return total, first * unit, covariance, log_likelihood
