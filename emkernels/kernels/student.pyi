from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emkernels.kernels.patterns import MissingPatterns

# capsules of the compiled functions, for cffi and numba
__pyx_capi__: dict[str, Any]

_CovarianceType: TypeAlias = Literal["full", "tied", "diag", "spherical"]

class StudentMoments(NamedTuple):
    counts: NDArray[np.float64]
    pulls: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    sizes: NDArray[np.float64]
    bends: NDArray[np.float64]
    log_likelihood: float

def student_statistics(
    X: ArrayLike,
    weights: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    dfs: ArrayLike,
    covariance_type: _CovarianceType = "full",
    sample_weight: ArrayLike | None = None,
    patterns: MissingPatterns | None = None,
    *,
    n_threads: int | None = None,
) -> StudentMoments: ...
def student_e_step(
    X: ArrayLike,
    weights: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    dfs: ArrayLike,
    covariance_type: _CovarianceType = "full",
    *,
    want: Sequence[Literal["resp", "log_prob_norm", "labels", "pull"]] = ("resp", "log_prob_norm"),
    patterns: MissingPatterns | None = None,
    n_threads: int | None = None,
) -> tuple[NDArray[Any], ...]: ...
