"""Parameters of Gaussian components, and the units they are in."""

from dataclasses import dataclass

import numpy as np

from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.components.gaussian.structures import Structure


class Gaussians:
    """Means and covariances of Gaussian components.

    Attributes
    ----------
    structure : Structure
    means : ndarray of shape (n_components, n_features)
    precisions_cholesky : ndarray
        Upper triangular U with U U' = precision; of the shape of the structure.
    covariances : ndarray
        Of the shape of the structure; made from the factors when first asked for.
    n_floored : int
        M-steps since the last one without a variance at the floor.
    reference : Reference or None
        Components of an earlier pass, by which blocks of rows are sorted.
    """

    __slots__ = ("_covariances", "means", "n_floored", "precisions_cholesky", "reference",
                 "structure")

    def __init__(self, structure, means, covariances, precisions_cholesky, n_floored=0,
                 reference=None):
        self.structure, self.means = structure, means
        self._covariances, self.precisions_cholesky = covariances, precisions_cholesky
        self.n_floored, self.reference = n_floored, reference

    def __reduce__(self):
        return Gaussians, (self.structure, self.means, self._covariances, self.precisions_cholesky,
                           self.n_floored, self.reference)

    @property
    def covariances(self):
        if self._covariances is None:
            self._covariances = self.structure.from_factors(self.precisions_cholesky)
        return self._covariances

    @property
    def known_covariances(self):
        """The covariances where they are there, None where they would be made of the factors."""
        return self._covariances

    def with_covariances(self):
        """The same, its covariances made from the factors where there are none yet."""
        return Gaussians(
            self.structure, self.means, self.covariances, self.precisions_cholesky)

    def from_factors_only(self):
        """The same without covariances that may have been rounded another way."""
        return Gaussians(self.structure, self.means, None, self.precisions_cholesky)

    def covariance(self, component):
        """The (n_features, n_features) covariance of one component."""
        return self.structure.matrix(self.covariances, component, self.means.shape[1])

    def select(self, columns):
        """The components of some columns."""
        covariances = np.ascontiguousarray(self.structure.select(self.covariances, columns))
        means = np.ascontiguousarray(self.means[:, columns])
        structure = self.structure.marginal()
        return Gaussians(structure, means, covariances, structure.factors(covariances))


@dataclass
class Scaling:
    """``standardised = (raw - center) / scale``, column by column."""

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def none(cls, n_features):
        """Columns as they are."""
        return cls(np.zeros(n_features), np.ones(n_features))

    @property
    def inverse(self):
        return Scaling(-self.center / self.scale, 1 / self.scale)

    def to_raw(self, gaussians):
        """The components of the raw columns; their covariances only where they are known."""
        structure, covariances = gaussians.structure, gaussians._covariances
        if covariances is not None:
            covariances = covariances * structure.units(self.scale)
        return Gaussians(
            structure, self.center + self.scale * gaussians.means, covariances,
            structure.factors_to_raw(gaussians.precisions_cholesky, self.scale),
            gaussians.n_floored)

    def statistics(self, raw, structure: Structure):
        """Statistics of the standardised rows from those of the raw ones."""
        out = SufficientStatistics.trusted(
            raw.covariance_type, (raw.centers - self.center) / self.scale, raw.counts,
            raw.first / self.scale, raw.second / structure.units(self.scale), raw.log_likelihood,
            raw.total, raw.n_rows)
        out.noise, out.n_threads = raw.noise, raw.n_threads
        return out
