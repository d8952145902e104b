"""Where files of 0.1.0 look for classes."""

from dataclasses import dataclass

import numpy as np

from emkernels.components.gaussian.priors import CovariancePrior

__all__ = ["CovariancePrior", "Gaussians"]


@dataclass
class Gaussians:
    """The parameters that a callback saw."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray | None
    precisions_cholesky: np.ndarray
