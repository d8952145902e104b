"""Factors given rows: means, covariances, densities, and what is missing of a row."""

from dataclasses import dataclass

import numpy as np

from emkernels.components.factors.updates import LOG_2_PI

STACK = 1 << 19         # numbers in a stack of small matrices
# Loadings in units of the noise beyond which matrices of the factors come from their roots, and
# means of factors are refined.
STIFF = 1e2
# What overflows is found by looking at what it comes to.
QUIET = np.errstate(over="ignore", invalid="ignore", divide="ignore")


@dataclass
class Part:
    """Some of the rows.

    Attributes
    ----------
    rows : slice or ndarray of int
    z : ndarray of shape (n, n_features)
        Less the mean, in units of the noise, zero where missing.
    observed : ndarray of bool of shape (n, n_features) or None
        None where nothing is missing.
    masks : ndarray of bool of shape (n_patterns, n_features) or None
        What their patterns lack.
    pattern : ndarray of int of shape (n,)
        Which of these each row has.
    covariances : ndarray of shape (n_patterns, n_factors, n_factors)
        Of the factors given what is observed.
    log_inner : ndarray of shape (n_patterns,)
        Log determinants of their inverses.
    """

    rows: object
    z: np.ndarray
    observed: np.ndarray | None
    masks: np.ndarray | None
    pattern: np.ndarray
    covariances: np.ndarray
    log_inner: np.ndarray


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
    deviation : ndarray of shape (n_features,), optional
        Square root of the noise, where its square might leave the range of numbers.
    """

    def __init__(self, mean, components, noise, correlation=None, deviation=None):
        self.mean, self.components = mean, components
        self.deviation = np.sqrt(noise) if deviation is None else deviation
        # columns in units of their noise
        self.loadings = components / self.deviation
        self.log_noise = 2 * np.log(self.deviation)
        q = len(components)
        self.inverse = np.eye(q) if correlation is None else np.linalg.inv(correlation)
        self.log_determinant = -np.linalg.slogdet(self.inverse)[1]
        self.products = (self.loadings[:, None] * self.loadings).reshape(q * q, -1)
        self.stiff = np.abs(self.loadings).max(initial=0) > STIFF

    def inner(self, observed):
        """``L' psi^-1 L`` of the observed columns, (n, n_factors, n_factors)."""
        q = len(self.components)
        out = (observed @ self.products.T).reshape(-1, q, q)
        return (out + np.swapaxes(out, 1, 2)) / 2

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
        if self.stiff:      # of the roots of the inverses, whose digits are twice as many
            roots = np.where(observed[:, :, None], self.loadings.T, 0.0)
            prior = np.broadcast_to(np.linalg.cholesky(self.inverse).T,
                                    (len(roots), *self.inverse.shape))
            roots = np.linalg.qr(np.concatenate([prior, roots], axis=1), mode="r")
            half = np.linalg.inv(roots)
            diagonal = np.abs(np.diagonal(roots, axis1=1, axis2=2))
            return half @ np.swapaxes(half, 1, 2), 2 * np.log(diagonal).sum(axis=1)
        inner = self.inner(observed) + self.inverse
        covariances = np.linalg.inv(inner)
        return (covariances + np.swapaxes(covariances, 1, 2)) / 2, np.linalg.slogdet(inner)[1]

    def parts(self, rows):
        """The rows, in :class:`Part` by `Part`."""
        X, q = rows.X, len(self.components)
        if rows.patterns is None:
            C, log_inner = self.covariances(np.ones((1, rows.n_features), bool))
            step = max(1, STACK // rows.n_features)
            for first in range(0, len(X), step):
                part = slice(first, first + step)
                z = self._standardised(X[part])
                yield Part(part, z, None, None, np.zeros(len(z), np.intp), C, log_inner)
            return
        patterns = rows.patterns
        step = max(1, STACK // max(rows.n_features * q, q * q))
        of_pattern = np.repeat(np.arange(patterns.n_patterns), patterns.counts)
        for first in range(0, len(X), step):
            order, own = patterns.order[first:first + step], of_pattern[first:first + step]
            low = own[0]
            masks = patterns.masks_of(slice(low, own[-1] + 1))
            C, log_inner = self.covariances(~masks)
            z = self._standardised(X[order])
            observed = ~masks[own - low]
            z[~observed] = 0
            yield Part(order, z, observed, masks, own - low, C, log_inner)

    def _standardised(self, X):
        # one order of the sums for every layout
        z = np.array(X, dtype=np.float64, order="C")
        z -= self.mean
        z /= self.deviation
        return z

    def scores(self, part):
        """Posterior means of the factors, (n, n_factors)."""
        m = _times(part.z @ self.loadings.T, part)
        if self.stiff:      # rounding of C, which is near singular, is mended
            for _ in range(2):
                left = part.z - m @ self.loadings
                if part.observed is not None:
                    left *= part.observed
                m = m + _times(left @ self.loadings.T - m @ self.inverse, part)
        return m

    def densities(self, part, m, left):
        """Log densities of rows, m being the means of their factors and `left` what these leave
        of the observed columns.

        The squared distance is ``|x - L m|^2 + m' Phi^-1 m``, which is least at the posterior
        mean: rounding of m enters squared.
        """
        distance = np.einsum("nd,nd->n", left, left) + ((m @ self.inverse) * m).sum(axis=1)
        distance[np.isnan(distance)] = np.inf       # infinities met, of a row too far out
        if part.observed is None:
            count, noise = np.array([len(self.mean)]), self.log_noise.sum()
        else:
            count = (~part.masks).sum(axis=1)
            noise = ~part.masks @ self.log_noise
        constant = count * LOG_2_PI + noise + part.log_inner + self.log_determinant
        return np.where(count[part.pattern] > 0, -0.5 * (distance + constant[part.pattern]), 0.0)

    # --- of whole tables -------------------------------------------------------------------

    @QUIET
    def means(self, rows, bartlett=False):
        """E[z | x] of each row, (n_rows, n_factors) float64; or the scores of Bartlett, weighted
        least squares without a prior (of least length where a row has too few values)."""
        out = np.empty((len(rows), len(self.components)))
        for part in self.parts(rows):
            if bartlett:
                observed = np.ones((1, rows.n_features), bool) if part.masks is None else (
                    ~part.masks)
                part.covariances = np.linalg.pinv(
                    self.inner(observed), rcond=1e-12, hermitian=True)
                out[part.rows] = _times(part.z @ self.loadings.T, part)
            else:
                out[part.rows] = self.scores(part)
        return out

    @QUIET
    def posterior_covariances(self, rows):
        """Of the factors given each row, (n_rows, n_factors, n_factors)."""
        q = len(self.components)
        out = np.empty((len(rows), q, q))
        for part in self.parts(rows):
            out[part.rows] = part.covariances[part.pattern]
        return out

    @QUIET
    def log_density(self, rows):
        """Of what is observed in each row, (n_rows,); 0 where nothing is."""
        out = np.empty(len(rows))
        for part in self.parts(rows):
            m = self.scores(part)
            left = part.z - m @ self.loadings
            if part.observed is not None:
                left *= part.observed
            out[part.rows] = self.densities(part, m, left)
        return out

    @QUIET
    def impute(self, rows):
        """A copy of the rows with the conditional mean of each missing value."""
        out = rows.X.copy(order="C")
        if rows.patterns is None:
            return out
        for part in self.parts(rows):
            complete = self.mean + self.scores(part) @ self.components
            out[part.rows] = np.where(part.observed, out[part.rows], complete.astype(out.dtype))
        return out


def _times(y, part):
    """Rows of y times the matrices of their patterns."""
    if len(part.covariances) == 1:
        return y @ part.covariances[0]
    return np.einsum("nq,nqr->nr", y, part.covariances[part.pattern])
