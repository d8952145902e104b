"""Structures of variances: one for each column, or one for all columns."""

import numpy as np

from emkernels.components.gaussian.structures.base import Structure, ill_defined


class _Variances(Structure):
    """What diagonal and spherical covariances have in common; a prior is an inverse gamma one of
    every variance."""

    diagonal = True

    def lift(self, covariances):
        return covariances if covariances.min() >= self.floor else np.maximum(
            covariances, self.floor)

    def log_prior(self, factors, n_features):
        prior, u = self.prior, factors
        return ((prior.dof + 2) * np.log(u).sum()) - 0.5 * (prior.scale * u**2).sum()

    def least_dof(self, n_features):
        return -2       # the inverse gamma prior is the Wishart one of one column

    def factors(self, covariances):
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            out = 1.0 / np.sqrt(covariances)
        usable = (out < 1e153) & (out > 0)
        if not usable.all():
            component = int(np.argwhere(~usable)[0][0])
            raise ill_defined(f"the variance of component {component}")
        return out

    def from_factors(self, factors):
        return factors**-2.0

    def precisions(self, factors):
        return factors**2

    def from_precisions(self, precisions):
        return np.sqrt(precisions)

    def check_definite(self, precisions):
        if (precisions <= 0).any():
            component = int(np.argwhere(precisions <= 0)[0][0])
            raise ValueError(
                f"'{self.name} precision' should be positive, "
                f"but that of component {component} is not"
            )

    def within(self, weights, covariances, n_features):
        return np.eye(n_features) * (weights @ covariances)

    def to_vector(self, factors):
        return [np.log(factors).ravel()]

    def from_vector(self, vector, shape):
        with np.errstate(over="ignore", under="ignore"):
            u = np.exp(vector).reshape(shape)
        return u if np.isfinite(u).all() and (u > 0).all() else None


class Diagonal(_Variances):
    """Columns are independent, given the component."""

    name = kernel = "diag"
    n_axes = 1
    own_volumes = True

    def n_parameters(self, n_components, n_features):
        return n_components * n_features

    def of_matrix(self, matrix):
        return np.diag(matrix).copy()

    def matrix(self, covariances, component, n_features):
        return np.diag(covariances[component])

    def by_column(self, covariances):
        return covariances

    def select(self, values, columns):
        return values[:, columns]

    def projected(self, covariances, directions):
        return directions.T @ (covariances[:, :, None] * directions)

    def embed(self, values, inside, n_columns):
        out = np.zeros((*values.shape[:-1], n_columns))
        out[..., inside] = values
        return out

    def about_means(self, second, counts, offsets):
        return second - self.between(counts, offsets)

    def between(self, counts, residual):
        return counts[:, None] * residual**2

    def divided(self, scatter, counts, n_features):
        return np.maximum(scatter, 0), counts[:, None], 2

    def central(self, second, counts, safe, offsets):
        return np.maximum(second / safe[:, None] - offsets**2, 0)

    def variances(self, n_features):
        return Ellipsis

    def lost(self, covariances, rounding):
        return covariances <= rounding

    def second_of(self, spreads):
        return np.diagonal(spreads, axis1=1, axis2=2)

    def second_of_all(self, counts, covariance):
        return np.multiply.outer(counts, np.diag(covariance))

    def units(self, scale):
        return scale**2

    def factors_to_raw(self, factors, scale):
        return factors / scale

    def deviations(self, covariances):
        return np.sqrt(covariances), covariances


class Spherical(_Variances):
    """One variance in every direction; columns then have one unit."""

    name = kernel = "spherical"
    n_axes = 0
    own_volumes = True

    def n_parameters(self, n_components, n_features):
        return n_components

    def of_matrix(self, matrix):
        return np.array(np.trace(matrix) / max(1, len(matrix)))

    def matrix(self, covariances, component, n_features):
        return covariances[component] * np.eye(n_features)

    def by_column(self, covariances):
        return covariances[:, None]

    def select(self, values, columns):
        return values

    def projected(self, covariances, directions):
        return covariances[:, None, None] * (directions.T @ directions)

    def embed(self, values, inside, n_columns):
        return values

    def about_means(self, second, counts, offsets):
        return second - self.between(counts, offsets)

    def between(self, counts, residual):
        return counts * (residual**2).sum(axis=1)

    def divided(self, scatter, counts, n_features):
        return np.maximum(scatter, 0), counts * n_features, 2

    def central(self, second, counts, safe, offsets):
        variance = (second / safe - (offsets**2).sum(axis=1)) / offsets.shape[1]
        return np.maximum(variance, 0)

    def variances(self, n_features):
        return Ellipsis

    def lost(self, covariances, rounding):
        return (covariances <= rounding.mean(axis=1))[:, None]

    def second_of(self, spreads):
        return np.diagonal(spreads, axis1=1, axis2=2).sum(axis=1)

    def second_of_all(self, counts, covariance):
        return np.multiply.outer(counts, np.trace(covariance))

    def units(self, scale):
        return scale[0] ** 2

    def variance_units(self, scale):
        return scale[0] ** 2

    def factors_to_raw(self, factors, scale):
        return factors / scale[0]

    def pooled(self, variances):
        return np.full(len(variances), variances.mean())

    def common_scale(self, scale):
        return np.full(len(scale), np.sqrt(np.mean(scale**2)))

    def deviations(self, covariances):
        return np.sqrt(covariances)[:, None], covariances
