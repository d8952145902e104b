"""Where files of 0.1.0 look for a class."""

from emkernels.components.gaussian.parameters import Scaling

__all__ = ["Scaling"]
