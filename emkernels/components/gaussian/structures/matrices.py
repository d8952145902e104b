"""Structures of matrices: one for each component, or one for all."""

import functools

import numpy as np
from scipy.linalg import lapack

from emkernels.components.gaussian.structures.base import Structure, ill_defined
from emkernels.kernels import passes


def factor(covariance, what):
    """Upper triangular U with U U' = covariance^-1 (the transpose of the inverse of the
    Cholesky factor), or DegenerateFitError naming `what`."""
    factors, failed = passes.precision_factors(covariance[None])
    if failed >= 0:
        raise ill_defined(what)
    return factors[0]


def triangular_inverse(matrix, lower):
    """The inverse of a triangular matrix, and what LAPACK says of it."""
    if not matrix.size:     # of no column that varies: LAPACK complains to the terminal
        return matrix, 0
    return lapack.dtrtri(matrix, lower=lower)


def symmetric(matrices):
    """Matrices (..., d, d) with the lower triangle, the one that is factored, in both places."""
    return np.where(_lower(matrices.shape[-1]), matrices, np.swapaxes(matrices, -1, -2))


@functools.lru_cache(maxsize=16)
def _lower(d):
    return np.tri(d, dtype=bool)


def check_matrices(precisions, name, shared=False):
    """ValueError for a precision that is not symmetric and positive definite."""
    with np.errstate(over="ignore"):
        gaps = np.abs(precisions - np.swapaxes(precisions, 1, 2))
        even = (gaps <= 1e-8 + 1e-5 * np.abs(precisions)).all(axis=(1, 2))
    for k, precision in enumerate(precisions):
        if not even[k] or lapack.dpotrf(precision, lower=1)[1] != 0:
            raise ValueError(
                f"'{name} precision' should be symmetric, positive-definite"
                + ("" if shared else f", but that of component {k} is not")
            )


class _Matrices(Structure):
    """What full and tied covariances have in common."""

    n_axes = 2

    def of_matrix(self, matrix):
        return matrix

    def select(self, values, columns):
        return values[..., columns[:, None], columns]

    def projected(self, covariances, directions):
        return directions.T @ covariances @ directions

    def conditional(self):
        return Full()

    def embed(self, values, inside, n_columns):
        out = np.zeros((*values.shape[:-2], n_columns, n_columns))
        out[..., inside[:, None], inside] = values
        return out

    def lift(self, covariances):
        values, vectors = np.linalg.eigh(covariances)
        if values.min() >= self.floor:
            return covariances
        values = np.maximum(values, self.floor)
        lifted = (vectors * values[..., None, :]) @ np.swapaxes(vectors, -1, -2)
        return (lifted + np.swapaxes(lifted, -1, -2)) / 2

    def log_prior(self, factors, n_features):
        u, prior = self.each(factors), self.prior
        log_det = 2 * np.log(np.diagonal(u, axis1=1, axis2=2)).sum()
        trace = np.sum(u * (prior.scale @ u))
        return 0.5 * (prior.dof + n_features + 1) * log_det - 0.5 * trace

    def least_dof(self, n_features):
        return -(n_features + 1)

    def from_factors(self, factors):
        out = []
        for upper in self.each(factors):
            inverse, _ = triangular_inverse(upper, lower=0)
            out.append(inverse.T @ inverse)
        return out[0] if self.shared else np.array(out)

    def precisions(self, factors):
        return factors @ np.swapaxes(factors, -1, -2)

    def from_precisions(self, precisions):
        out = []
        for precision in self.each(precisions):
            # U U' = precision with U upper triangular: Cholesky of the reversed matrix
            lower, _ = lapack.dpotrf(precision[::-1, ::-1], lower=1, clean=1)
            out.append(lower[::-1, ::-1])
        return np.ascontiguousarray(out[0] if self.shared else out)

    def check_definite(self, precisions):
        check_matrices(self.each(precisions), self.name, self.shared)

    def units(self, scale):
        return np.outer(scale, scale)

    def factors_to_raw(self, factors, scale):
        return np.ascontiguousarray(factors / scale[:, None])

    def deviations(self, covariances):
        deviations = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
        return deviations, deviations[..., :, None] * deviations[..., None, :]

    def to_vector(self, factors):
        u = self.each(factors)
        n = u.shape[1]
        rows, columns = np.triu_indices(n, 1)
        return [np.log(u[:, np.arange(n), np.arange(n)]).ravel(), u[:, rows, columns].ravel()]

    def from_vector(self, vector, shape):
        with np.errstate(over="ignore", under="ignore"):
            u = np.zeros((1, *shape) if self.shared else shape)
            n = u.shape[1]
            diagonal = np.exp(vector[: len(u) * n]).reshape(-1, n)
            u[:, np.arange(n), np.arange(n)] = diagonal
            rows, columns = np.triu_indices(n, 1)
            u[:, rows, columns] = vector[len(u) * n :].reshape(len(u), -1)
            u = u.reshape(shape)
        return u if np.isfinite(u).all() and (diagonal > 0).all() else None


class Full(_Matrices):
    """Every component has a covariance of its own."""

    name = kernel = "full"
    sorts = own_volumes = True

    def n_parameters(self, n_components, n_features):
        return n_components * n_features * (n_features + 1) // 2

    def matrix(self, covariances, component, n_features):
        return covariances[component]

    def within(self, weights, covariances, n_features):
        return np.tensordot(weights, covariances, 1)

    def scatter(self, second, counts, offsets, residual=None):
        return passes.scatters(second, counts, offsets, residual)

    def about_means(self, second, counts, offsets):
        return second - self.between(counts, offsets)

    def between(self, counts, residual):
        return counts[:, None, None] * residual[:, :, None] * residual[:, None, :]

    def divided(self, scatter, counts, n_features):
        return scatter, counts[:, None, None], n_features + 1

    def central(self, second, counts, safe, offsets):
        return second / safe[:, None, None] - offsets[:, :, None] * offsets[:, None, :]

    def variances(self, n_features):
        return slice(None), np.arange(n_features), np.arange(n_features)

    def lost(self, covariances, rounding):
        return np.diagonal(covariances, axis1=1, axis2=2) <= rounding

    def second_of(self, spreads):
        return spreads

    def second_of_all(self, counts, covariance):
        return np.multiply.outer(counts, covariance)

    def factors(self, covariances):
        out, failed = passes.precision_factors(covariances)
        if failed >= 0:
            raise ill_defined(f"the covariance of component {failed}")
        return out


class Tied(_Matrices):
    """All components have the same covariance."""

    name = kernel = "tied"
    shared = keeps_scatter = True
    seeds_alone = False

    def n_parameters(self, n_components, n_features):
        return n_features * (n_features + 1) // 2

    def matrix(self, covariances, component, n_features):
        return covariances

    def within(self, weights, covariances, n_features):
        return covariances

    def scatter(self, second, counts, offsets, residual=None):
        return symmetric(super().scatter(second, counts, offsets, residual))

    def about_means(self, second, counts, offsets):
        return second - self.between(counts, offsets)

    def between(self, counts, residual):
        return (counts[:, None] * residual).T @ residual

    def divided(self, scatter, counts, n_features):
        return scatter, counts.sum(), n_features + 1

    def central(self, second, counts, safe, offsets):
        return (second - self.between(counts, offsets)) / max(counts.sum(), np.finfo(float).tiny)

    def variances(self, n_features):
        return np.arange(n_features), np.arange(n_features)

    def lost(self, covariances, rounding):
        return np.diagonal(covariances)[None] <= rounding.min(axis=0)

    def second_of(self, spreads):
        return spreads.sum(axis=0)

    def second_of_all(self, counts, covariance):
        return float(counts.sum()) * covariance

    def factors(self, covariances):
        return factor(covariances, "the tied covariance")
