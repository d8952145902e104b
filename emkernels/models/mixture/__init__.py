"""The Gaussian mixture, and the choice of one."""

from emkernels.models.mixture.estimator import GaussianMixture
from emkernels.models.mixture.selection import SelectionResult, select_mixture

__all__ = ["GaussianMixture", "SelectionResult", "select_mixture"]
