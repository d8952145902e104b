"""The families that have three letters: what they have in common, and those without constraints
beyond one matrix for all components or one each.

Every covariance is ``volume * Q diag(shape) Q'``: a number, positive lengths with product one and
an orthogonal matrix of axes. A letter says what the components do with each of the three in turn:
E, they share it; V, each has its own; I, the shape is a sphere, or the axes are those of the
columns.

G. Celeux, G. Govaert, Gaussian parsimonious clustering models, Pattern Recognition 28, 1995.
"""

from abc import abstractmethod

import numpy as np

from emkernels.components.gaussian.structures.base import Structure, ill_defined
from emkernels.components.gaussian.structures.matrices import Full, Tied, check_matrices
from emkernels.components.gaussian.structures.variances import Diagonal, Spherical

LEAST_WEIGHT = 1e-12    # of a component, where given covariances are averaged by weight


class Lettered(Structure):
    """What families of three letters have in common: users see a matrix for each component,
    whatever the kernel takes."""

    seeds_alone = False

    @property
    def own_volumes(self):
        return self.name[0] == "V"

    def n_parameters(self, n_components, n_features):
        """One volume or one for each component; likewise ``d - 1`` lengths of axes and
        ``d (d - 1) / 2`` angles."""
        times = {"I": 0, "E": 1, "V": n_components}
        volume, shape, axes = (times[letter] for letter in self.name)
        return volume + shape * (n_features - 1) + axes * n_features * (n_features - 1) // 2

    def outer_shape(self, n_components, n_features):
        return n_components, n_features, n_features

    def outer(self, values, n_components, n_features):
        if self.n_axes == 2:
            return np.repeat(values[None], n_components, axis=0) if self.shared else values
        out = np.zeros((n_components, n_features, n_features))
        index = np.arange(n_features)
        out[:, index, index] = self.by_column(values)
        return out

    def inner(self, values):
        if self.n_axes == 2:
            return values[0] if self.shared else values
        diagonals = np.diagonal(values, axis1=1, axis2=2)
        return np.ascontiguousarray(diagonals if self.n_axes else diagonals[:, 0])

    def conditional(self):
        return self.marginal()

    def check_definite(self, precisions):
        check_matrices(precisions, self.name)

    def start_factors(self, precisions, weights):
        """What the M-step makes of components that have these precisions and weights (the same
        where None): themselves where they are of the family."""
        n_components, n_features = precisions.shape[:2]
        weights = np.ones(n_components) if weights is None else np.maximum(
            weights[:n_components], LEAST_WEIGHT)
        full, bare = Full(), self.bare
        spreads = full.from_factors(full.from_precisions(precisions))
        second = np.array(self.second_of(weights[:, None, None] * spreads))
        scatter = self.scatter(second, weights, np.zeros((n_components, n_features)))
        scatter, divisor, _ = self.divided(scatter, weights, n_features)
        return bare.factors(bare.imposed(scatter, divisor, n_features))


class VII(Lettered, Spherical):
    """Spheres of any sizes."""

    name = "VII"


class VVI(Lettered, Diagonal):
    """Any variances of the columns, which are independent given the component."""

    name = "VVI"


class EEE(Lettered, Tied):
    """The same covariance for all."""

    name = "EEE"


class VVV(Lettered, Full):
    """Any covariances."""

    name = "VVV"

    def start_factors(self, precisions, weights):
        return self.from_precisions(precisions)


class _Repeated(Lettered):
    """Variances that all components share, repeated for the kernel; a prior is of these, once."""

    def log_prior(self, factors, n_features):
        return super().log_prior(factors[:1], n_features)

    def to_vector(self, factors):
        return super().to_vector(factors[:1])

    def from_vector(self, vector, shape):
        one = super().from_vector(vector, (1, *shape[1:]))
        return None if one is None else np.repeat(one, shape[0], axis=0)


class EII(_Repeated, Spherical):
    """Spheres of one size: ``sum_k tr W_k / (n d)``."""

    name = "EII"

    def divided(self, scatter, counts, n_features):
        return np.full(len(counts), max(scatter.sum(), 0.0)), counts.sum() * n_features, 2


class EEI(_Repeated, Diagonal):
    """The same variances of the columns for all: ``diag(sum_k W_k) / n``."""

    name = "EEI"

    def divided(self, scatter, counts, n_features):
        pooled = np.maximum(scatter.sum(axis=0), 0)
        return np.repeat(pooled[None], len(counts), axis=0), counts.sum(), 2


class Constrained(Lettered):
    """A family whose components have matrices of their own that share some of volume, shape and
    axes.

    The M-step minimises ``sum_k n_k log |Sigma_k| + tr(W_k Sigma_k^-1)`` over the family.
    The prior is that of every component's matrix, so it adds its scale to each scatter W_k and
    ``dof + d + 1`` (of variances, ``dof + 2``) to each count n_k, and what is minimised stays of
    this form. So does the ridge, ``n_k diag(reg_covar)`` being added to W_k: without constraints
    that is the same as adding it to the covariance, with them it does not leave the family.
    """

    def __post_init__(self):
        if self.floor:
            raise ValueError(f"covariances {self.name} have no floor: a lifted eigenvalue would "
                             "leave the family")

    def imposed(self, scatter, divisor, n_features, previous=None):
        if np.any(self.reg_covar):
            scatter = scatter.copy()
            scatter[self.variances(n_features)] += divisor.reshape(-1, 1) * self.reg_covar
        try:
            with np.errstate(all="ignore"):     # what has collapsed has no factors
                return self.fitted(scatter, divisor.reshape(-1), previous)
        except np.linalg.LinAlgError as error:
            raise ill_defined("what components share") from error

    @abstractmethod
    def fitted(self, scatter, counts, previous=None):
        """Covariances of the family that fit scatters best; not finite where there are none."""
