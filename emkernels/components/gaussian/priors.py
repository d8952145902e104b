"""Priors of covariances."""

from dataclasses import dataclass

import numpy as np


@dataclass
class CovariancePrior:
    """Inverse-Wishart prior of every covariance: density proportional to
    ``|Sigma|^(-(dof + n_features + 1) / 2) exp(-tr(scale Sigma^-1) / 2)``; for variances the same
    in one dimension for every variance."""

    dof: float
    scale: np.ndarray   # of the shape of one covariance of the type

    def in_units(self, square):
        """The prior of covariances divided by `square` (:meth:`Structure.units`)."""
        return CovariancePrior(self.dof, self.scale / square)
