"""The kernels: stateless functions on arrays, threaded, float32 and float64."""

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
    "Moments",
    "e_step",
    "em_statistics",
    "log_density",
    "responsibilities",
    "weighted_moments",
]
