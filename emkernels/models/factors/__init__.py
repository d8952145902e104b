"""Factor analysis."""

from emkernels.models.factors.estimator import FactorAnalysis

__all__ = ["FactorAnalysis"]
