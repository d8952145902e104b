"""Where the sufficient statistics were before they had a room."""

from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.components.gaussian.structures import kernel_structure

__all__ = ["SufficientStatistics", "second_shape"]


def second_shape(covariance_type, n_components, n_features):
    """Shape of the second moments (and of covariances) of a covariance type."""
    return kernel_structure(covariance_type).shape(n_components, n_features)
