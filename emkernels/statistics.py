"""Where the sufficient statistics were before they had a room."""

from emkernels.components.gaussian.statistics import SufficientStatistics

__all__ = ["SufficientStatistics"]
