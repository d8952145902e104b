"""Second moments of rows as the profile likelihood asks for them: leading eigenpairs of scaled
matrices."""

import numpy as np
from scipy.linalg import eigh, lapack
from scipy.linalg.blas import dtrsm

# Up to so many columns all eigenpairs are had, and with them the exact Hessian.
SMALL = 128
# Leading eigenpairs of larger matrices: block Krylov spaces of this depth, restarted.
DEPTH, EXTRA, RESTARTS = 4, 4, 12
# Residuals relative to the largest eigenvalue. (Eigenvalues, whose errors are the squares, are
# never too large: more digits later can only raise the likelihood.)
RESIDUAL = 1e-8


class Dense:
    """A covariance or correlation matrix.

    Parameters
    ----------
    matrix : ndarray of shape (n_features, n_features)
        Symmetric, positive semi-definite.
    """

    def __init__(self, matrix):
        self.matrix = matrix
        self.diagonal = np.diagonal(matrix).copy()
        self._root = None

    @property
    def size(self):
        return len(self.diagonal)

    def product(self, vectors):
        """``vectors @ matrix``."""
        return vectors @ self.matrix

    def root(self):
        """F with ``F' F`` the matrix."""
        if self._root is None:
            values, vectors = np.linalg.eigh(self.matrix)
            self._root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
        return self._root

    def pairs(self, scale, n, guess=None, residual=RESIDUAL):
        """Eigenpairs of ``matrix * outer(scale, scale)``, largest first.

        Parameters
        ----------
        scale : ndarray of shape (n_features,)
        n : int
            How many are needed; small matrices give all.
        guess : ndarray of shape (n_features, n_guess), optional
            Vectors near the leading ones, orthonormal.
        residual : float
            Of vectors that are looked for step by step, as they are in large matrices.

        Returns
        -------
        values : ndarray of shape (n_found,)
        vectors : ndarray of shape (n_features, n_found)
        """
        if self.size > SMALL:
            column = scale[:, None]
            found = _krylov(lambda v: column * (self.matrix @ (column * v)), self.size, n, guess,
                            residual)
            if found is not None:
                return found
        scaled = self.matrix * scale
        scaled *= scale[:, None]
        if self.size <= SMALL:
            values, vectors = np.linalg.eigh(scaled)
            return values[::-1], vectors[:, ::-1]
        first = max(0, self.size - n - EXTRA)
        values, vectors = eigh(scaled, subset_by_index=[first, self.size - 1])
        return values[::-1], vectors[:, ::-1]


class Wide:
    """The moments ``rows' rows`` of fewer rows than columns: no matrix of the columns is made.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Centred, times the square root of their shares of the weight.
    """

    def __init__(self, rows):
        self.rows = rows
        self.diagonal = np.einsum("nd,nd->d", rows, rows)
        self.matrix = None

    @property
    def size(self):
        return len(self.diagonal)

    def product(self, vectors):
        """``vectors @ matrix``."""
        return (vectors @ self.rows.T) @ self.rows

    def root(self):
        """As :meth:`Dense.root`."""
        return self.rows

    def pairs(self, scale, n, guess=None, residual=RESIDUAL):
        """As :meth:`Dense.pairs`, by way of the matrix of the rows."""
        scaled = self.rows * scale
        values, left = np.linalg.eigh(scaled @ scaled.T)
        values, left = values[::-1][:n + EXTRA], left[:, ::-1][:, :n + EXTRA]
        inside = values > 1e-14 * max(values[0], 0)
        values, left = values[inside], left[:, inside]
        return values, scaled.T @ left / np.sqrt(values)


def _krylov(product, size, n, guess, least):
    """Leading eigenpairs by block Lanczos with restarts, None where they do not come."""
    width = n + EXTRA
    if (DEPTH + 1) * width > size // 2:
        return None
    if guess is not None and guess.shape[1] >= width:
        block = guess[:, :width]
    else:
        block = _orthonormal(np.random.RandomState(0).standard_normal((size, width)))
    for _ in range(RESTARTS):
        basis = block
        image = product(block)
        for depth in range(DEPTH + 1):
            small = basis.T @ image
            values, vectors = np.linalg.eigh((small + small.T) / 2)
            values, vectors = values[::-1][:width], vectors[:, ::-1][:, :width]
            residual = image @ vectors[:, :n] - basis @ (vectors[:, :n] * values[:n])
            if np.einsum("dn,dn->n", residual, residual).max() <= (least * values[0]) ** 2:
                return values, basis @ vectors
            if depth < DEPTH:
                block = image[:, -width:]
                for _ in range(2):
                    block = _orthonormal(block - basis @ (basis.T @ block))
                basis = np.hstack([basis, block])
                image = np.hstack([image, product(block)])
        block = basis @ vectors
    return None


def _orthonormal(block):
    """An orthonormal basis of the columns: by the Cholesky factor of their products, and by
    Householder's reflections where these are near singular."""
    block = block / np.sqrt(np.einsum("dn,dn->n", block, block))
    factor, info = lapack.dpotrf(block.T @ block, lower=0)
    if info or np.diagonal(factor).min() < 1e-4:
        return np.linalg.qr(block)[0]
    return dtrsm(1.0, factor, block.T, trans_a=1).T
