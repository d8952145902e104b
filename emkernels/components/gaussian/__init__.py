"""Gaussian components: statistics, parameters, structures of covariances, priors, densities."""

from emkernels.components.gaussian.density import GaussianComponents
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.priors import CovariancePrior
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.components.gaussian.structures import structure_of

__all__ = ["CovariancePrior", "GaussianComponents", "Gaussians", "SufficientStatistics",
           "structure_of"]
