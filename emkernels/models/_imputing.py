"""Where files of 0.1.0 look for classes."""

from emkernels.models.imputation.arguments import Columns, Fitted

__all__ = ["Columns", "Fitted"]
