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
        m = posterior.scores(part)
        left, expected = part.z - m @ L, part.z
        if part.observed is not None:       # (a block may lack nothing)
            w = np.where(part.observed.any(axis=1), w, 0.0)
            expected = np.where(part.observed, part.z, part.z - left)
            left *= part.observed
        log_likelihood += w @ posterior.densities(part, m, left)
        total += w.sum()
        weighted = w[:, None] * expected
        first += weighted.sum(axis=0)
        second += weighted.T @ expected
        if part.observed is None:
            continue
        # what is not known, a pattern at a time
        of_pattern = np.bincount(part.pattern, w, len(part.masks))
        factor = np.linalg.cholesky(part.covariances) * np.sqrt(of_pattern)[:, None, None]
        missing = np.where(part.masks[:, :, None], L.T @ factor, 0.0)
        missing = np.swapaxes(missing, 0, 1).reshape(size, -1)
        second += missing @ missing.T
        second[np.diag_indices(size)] += of_pattern @ part.masks
    return total, first, (second + second.T) / 2, log_likelihood


class Completed:
    """The moments of rows with missing values under standardised parameters; those of parts add
    up.

    Attributes
    ----------
    weight : float
        Of the rows that have something.
    total : float
        Of all rows.
    log_likelihood : float
        In the units of the rows.
    """

    def __init__(self, rows, mean, scale, components, noise):
        """`mean` and `scale` are of the rows: parameters are of ``(x - mean) / scale``, about
        zero."""
        posterior = Posterior(mean, components * scale, noise * scale**2,
                              deviation=np.sqrt(noise) * scale)
        self.weight, self.first, self.second, self.log_likelihood = completed_moments(
            rows, posterior)
        self.total, self.unit = rows.total, np.sqrt(noise)

    def merge(self, other):
        for name in ("weight", "first", "second", "log_likelihood", "total"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    @property
    def offset(self):
        """Mean of the completed rows, standardised, (n_features,)."""
        return self.first / self.weight * self.unit

    @property
    def covariance(self):
        """About it, divisor `weight`, (n_features, n_features)."""
        first = self.first / self.weight
        return (self.second / self.weight - np.outer(first, first)) * self.unit * (
            self.unit[:, None])
