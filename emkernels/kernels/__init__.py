"""The kernels: stateless functions on arrays, threaded, float32 and float64."""

from emkernels.kernels._core import check_finite, check_labels, check_sample_weight
from emkernels.kernels.cluster import KMeansStatistics, kmeans_plusplus, kmeans_statistics
from emkernels.kernels.mixture import (
    EMStatistics,
    Moments,
    e_step,
    em_statistics,
    log_density,
    responsibilities,
    weighted_moments,
)

__all__ = [
    "EMStatistics",
    "KMeansStatistics",
    "Moments",
    "check_finite",
    "check_labels",
    "check_sample_weight",
    "e_step",
    "em_statistics",
    "kmeans_plusplus",
    "kmeans_statistics",
    "log_density",
    "responsibilities",
    "weighted_moments",
]
