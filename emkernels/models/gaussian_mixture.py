"""Where the Gaussian mixture was before it had a room."""

from emkernels.models.mixture import GaussianMixture

__all__ = ["GaussianMixture"]
