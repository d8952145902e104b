from typing import Any, Literal, TypeAlias

from numpy.typing import ArrayLike

from emkernels.kernels.completion import ConditionalMoments as ConditionalMoments
from emkernels.kernels.completion import conditional_draws as conditional_draws
from emkernels.kernels.completion import conditional_moments as conditional_moments
from emkernels.kernels.completion import incomplete_e_step as incomplete_e_step
from emkernels.kernels.mixture import EMStatistics
from emkernels.kernels.patterns import MissingPatterns as MissingPatterns
from emkernels.kernels.patterns import missing_patterns as missing_patterns

# capsules of the compiled functions, for cffi and numba
__pyx_capi__: dict[str, Any]

_CovarianceType: TypeAlias = Literal["full", "tied", "diag", "spherical"]

def incomplete_statistics(
    X: ArrayLike,
    weights: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    covariance_type: _CovarianceType = "full",
    sample_weight: ArrayLike | None = None,
    patterns: MissingPatterns | None = None,
    *,
    n_threads: int | None = None,
) -> EMStatistics: ...
