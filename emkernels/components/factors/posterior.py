"""Factors given rows: means, covariances, densities, and what is missing of a row."""

import numpy as np

from emkernels.components.factors.updates import LOG_2_PI

STACK = 1 << 20         # numbers in a stack of small matrices


class Posterior:
    """A normal distribution of rows ``mean + z' components + noise``, z of a correlation.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
    components : ndarray of shape (n_factors, n_features)
    noise : ndarray of shape (n_features,)
        Positive.
    correlation : ndarray of shape (n_factors, n_factors), optional
        Of the factors; none of them with another where None.
    """

    def __init__(self, mean, components, noise, correlation=None):
        self.mean, self.deviation = mean, np.sqrt(noise)
        self.components = components
        # columns in units of their noise
        self.loadings = components / self.deviation
        q = len(components)
        self.inverse = np.eye(q) if correlation is None else np.linalg.inv(correlation)
        _, log_determinant = np.linalg.slogdet(self.inverse)
        self.log_determinant = -log_determinant

    def covariances(self, observed):
        """Of the factors, given which columns are observed.

        Parameters
        ----------
        observed : ndarray of bool of shape (n, n_features)

        Returns
        -------
        covariances : ndarray of shape (n, n_factors, n_factors)
        log_determinants : ndarray of shape (n,)
            Of their inverses.
        """
        q = len(self.components)
        products = (self.loadings[:, None] * self.loadings).reshape(q * q, -1)
        inner = (observed @ products.T).reshape(-1, q, q) + self.inverse
        inner = (inner + np.swapaxes(inner, 1, 2)) / 2
        return np.linalg.inv(inner), np.linalg.slogdet(inner)[1]

    def _each(self, rows):
        """Parts of the rows: positions, X in units of the noise with zeros where it is missing,
        what is observed (of each row or of all), covariances and log determinants."""
        X = rows.X
        if rows.patterns is None:
            C, log_inner = self.covariances(np.ones((1, rows.n_features), bool))
            step = max(1, STACK // rows.n_features)
            for first in range(0, len(X), step):
                part = slice(first, first + step)
                z = (X[part] - self.mean) / self.deviation
                yield part, z, None, C, log_inner
            return
        patterns, q = rows.patterns, len(self.components)
        step = max(1, STACK // max(rows.n_features, q * q))
        of_pattern = np.repeat(np.arange(patterns.n_patterns), patterns.counts)
        for first in range(0, len(X), step):
            part = patterns.order[first:first + step]
            own = of_pattern[first:first + step]
            low = own[0]
            C, log_inner = self.covariances(~patterns.masks_of(slice(low, own[-1] + 1)))
            z = (X[part] - self.mean) / self.deviation
            observed = ~np.isnan(z)
            z[~observed] = 0
            yield part, z, observed, C[own - low], log_inner[own - low]

    def _means(self, z, C):
        """Posterior means of rows in units of the noise."""
        y = z @ self.loadings.T
        return y @ C[0] if len(C) == 1 else np.einsum("nq,nqr->nr", y, C)

    def means(self, rows, bartlett=False):
        """E[z | x] of each row, (n_rows, n_factors) float64; or the scores of Bartlett, weighted
        least squares without a prior (of least length where a row has too few values)."""
        out = np.empty((len(rows), len(self.components)))
        for part, z, observed, C, _ in self._each(rows):
            if bartlett:
                seen = np.ones((1, z.shape[1]), bool) if observed is None else observed
                q = len(self.components)
                products = (self.loadings[:, None] * self.loadings).reshape(q * q, -1)
                inner = (seen @ products.T).reshape(-1, q, q)
                C = np.linalg.pinv(inner, rcond=1e-12, hermitian=True)
            out[part] = self._means(z, C)
        return out

    def posterior_covariances(self, rows):
        """Of the factors given each row, (n_rows, n_factors, n_factors)."""
        q = len(self.components)
        out = np.empty((len(rows), q, q))
        for part, _, _, C, _ in self._each(rows):
            out[part] = C
        return out

    def log_density(self, rows):
        """Of what is observed in each row, (n_rows,); 0 where nothing is.

        The squared distance is ``|x - L m|^2 + m' Phi^-1 m`` at the posterior mean m, which it is
        least at: rounding of m enters squared.
        """
        out = np.empty(len(rows))
        log_noise = 2 * np.log(self.deviation)
        for part, z, observed, C, log_inner in self._each(rows):
            m = self._means(z, C)
            left = z - m @ self.loadings
            if observed is not None:
                left *= observed
            distance = np.einsum("nd,nd->n", left, left) + np.einsum(
                "nq,qr,nr->n", m, self.inverse, m)
            n = len(self.mean) if observed is None else observed.sum(axis=1)
            noise = log_noise.sum() if observed is None else observed @ log_noise
            out[part] = -0.5 * (distance + n * LOG_2_PI + noise + log_inner
                                + self.log_determinant)
            if observed is not None:
                out[part[n == 0]] = 0.0
        return out

    def impute(self, rows):
        """A copy of the rows with the conditional mean of each missing value."""
        out = rows.X.copy(order="C")
        if rows.patterns is None:
            return out
        for part, z, observed, C, _ in self._each(rows):
            complete = self.mean + self._means(z, C) @ self.components
            out[part] = np.where(observed, out[part], complete.astype(out.dtype))
        return out
