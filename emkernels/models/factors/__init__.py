"""Few factors behind many columns."""

from emkernels.models.factors.estimator import FactorAnalysis
from emkernels.models.factors.mixture import MixtureOfFactorAnalyzers
from emkernels.models.factors.selection import FactorSelection, select_factors

__all__ = ["FactorAnalysis", "FactorSelection", "MixtureOfFactorAnalyzers", "select_factors"]
