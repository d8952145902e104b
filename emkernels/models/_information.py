"""Where files of 0.1.0 look for a class."""

from emkernels.models.imputation.information import Uncertainty

__all__ = ["Uncertainty"]
