"""Where the imputers were before they had a room."""

from emkernels.models.imputation import GaussianImputer, GaussianMixtureImputer

__all__ = ["GaussianImputer", "GaussianMixtureImputer"]
