"""The kernels: stateless functions on arrays, threaded, float32 and float64."""

from emkernels.kernels.arrays import check_finite, check_labels, check_sample_weight
from emkernels.kernels.chain import ChainStatistics, chain_statistics, viterbi
from emkernels.kernels.cluster import KMeansStatistics, kmeans_plusplus, kmeans_statistics
from emkernels.kernels.factors import FactorSums, factor_e_step, factor_statistics
from emkernels.kernels.incomplete import (
    ConditionalMoments,
    MissingPatterns,
    conditional_draws,
    conditional_moments,
    incomplete_e_step,
    incomplete_statistics,
    missing_patterns,
)
from emkernels.kernels.mixture import (
    EMStatistics,
    Moments,
    e_step,
    em_statistics,
    log_density,
    responsibilities,
    weighted_moments,
)
from emkernels.kernels.potts import PottsStatistics, potts_statistics
from emkernels.kernels.student import StudentMoments, student_e_step, student_statistics

__all__ = [
    "ChainStatistics",
    "ConditionalMoments",
    "EMStatistics",
    "FactorSums",
    "KMeansStatistics",
    "MissingPatterns",
    "Moments",
    "PottsStatistics",
    "StudentMoments",
    "chain_statistics",
    "check_finite",
    "check_labels",
    "check_sample_weight",
    "conditional_draws",
    "conditional_moments",
    "e_step",
    "em_statistics",
    "factor_e_step",
    "factor_statistics",
    "incomplete_e_step",
    "incomplete_statistics",
    "kmeans_plusplus",
    "kmeans_statistics",
    "log_density",
    "missing_patterns",
    "potts_statistics",
    "responsibilities",
    "student_e_step",
    "student_statistics",
    "viterbi",
    "weighted_moments",
]
