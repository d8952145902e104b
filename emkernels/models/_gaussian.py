"""Where files of 0.1.0 look for a class."""

from emkernels.components.gaussian.priors import CovariancePrior

__all__ = ["CovariancePrior"]
