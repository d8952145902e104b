"""Segmentation of images by mixtures of Gaussians and K-means."""

from emkernels.image._result import Segmentation
from emkernels.image._segment import segment_image

__all__ = ["Segmentation", "segment_image"]
