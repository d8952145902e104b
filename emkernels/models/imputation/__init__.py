"""Imputation of missing values by Gaussian models."""

from emkernels.models.imputation.gaussian import GaussianImputer
from emkernels.models.imputation.mixture import GaussianMixtureImputer

__all__ = ["GaussianImputer", "GaussianMixtureImputer"]
