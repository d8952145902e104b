"""Few factors behind many columns."""

from emkernels.models.factors.estimator import FactorAnalysis

__all__ = ["FactorAnalysis"]
