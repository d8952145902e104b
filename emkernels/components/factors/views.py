"""Directions in which components are far apart, and what rows are like along them.

A distance along some directions is never longer than the whole one: it tells most components out of
reach of a row at a small part of the work.
"""

from dataclasses import dataclass

import numpy as np

# So many directions at most, and of tables of how many columns, components and rows.
DIRECTIONS, COLUMNS, COMPONENTS, ROWS = 16, 128, 4, 256
# Numbers that are copied together.
CELLS = 1 << 18
# Vectors of the components that directions are looked for in.
VECTORS = 512


@dataclass
class Views:
    """Rows along directions that stay, whatever becomes of the components.

    Attributes
    ----------
    directions : ndarray of shape (n_views, n_features)
        In units `unit` of the columns.
    origin, unit : ndarray of shape (n_features,)
    rows : ndarray of shape (n_samples, n_views)
        ``(x - origin) / unit @ directions.T``, in the precision of the rows.
    products : ndarray of shape (n_views (n_views + 1) / 2, n_features)
        Of pairs of directions.
    """

    directions: np.ndarray
    origin: np.ndarray
    unit: np.ndarray
    rows: np.ndarray
    products: np.ndarray

    def of(self, centers, parameters):
        """What the kernel takes: rows, means and whiteners; None where the components have no
        covariance there."""
        P, (K, q, D) = self.directions, parameters.components.shape
        n = len(P)
        i, j = np.tril_indices(n)
        covariances = np.empty((K, n, n))
        covariances[:, i, j] = (parameters.deviations / self.unit) ** 2 @ self.products.T
        covariances[:, j, i] = covariances[:, i, j]
        factors = ((parameters.components / self.unit).reshape(K * q, D) @ P.T).reshape(K, q, n)
        covariances += factors.swapaxes(1, 2) @ factors
        unit = np.sqrt(covariances[:, np.arange(n), np.arange(n)])
        try:
            factor = np.linalg.cholesky(covariances / unit[:, None] / unit[:, :, None])
            whiteners = np.tril(np.linalg.inv(factor)) / unit[:, None]
        except np.linalg.LinAlgError:
            return None
        return self.rows, (centers - self.origin) / self.unit @ P.T, np.ascontiguousarray(whiteners)


def views_of(rows, weights, parameters):
    """The :class:`Views` that tell the components best apart: leading directions of what lies
    between them and of what their factors do, in units of their mean noise. None where the table is
    too small for it."""
    K, _, D = parameters.components.shape
    if D < COLUMNS or K < COMPONENTS or len(rows) < ROWS:
        return None
    weights = weights / weights.sum()
    unit = np.sqrt(weights @ parameters.deviations**2)
    origin = weights @ parameters.means
    root = np.sqrt(weights)
    vectors = np.concatenate([
        root[:, None] * (parameters.means - origin) / unit,
        (root[:, None, None] * parameters.components).reshape(-1, D)[:VECTORS] / unit])
    values, left = np.linalg.eigh(vectors @ vectors.T)
    wanted = np.flatnonzero(values > 1e-10 * values[-1])[-min(DIRECTIONS, D // 8):][::-1]
    if not len(wanted) or not np.isfinite(values).all():
        return None
    P = (left[:, wanted] / np.sqrt(values[wanted])).T @ vectors
    out = np.empty((len(rows), len(P)), rows.dtype)
    scaled = (P / unit).T.copy()
    step = max(1, CELLS // D)
    for first in range(0, len(rows), step):
        part = slice(first, first + step)
        out[part] = (rows.X[part] - origin) @ scaled
    i, j = np.tril_indices(len(P))
    return Views(P, origin, unit, out, P[i] * P[j])
