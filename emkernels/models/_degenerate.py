"""Where files of 0.1.0 look for a class."""

from emkernels.components.gaussian.degenerate import Examination

__all__ = ["Examination"]
