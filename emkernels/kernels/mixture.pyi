from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emkernels.kernels.density import e_step as e_step
from emkernels.kernels.density import log_density as log_density
from emkernels.kernels.density import responsibilities as responsibilities
from emkernels.kernels.moments import Moments as Moments
from emkernels.kernels.moments import weighted_moments as weighted_moments

# capsules of the compiled functions, for cffi and numba
__pyx_capi__: dict[str, Any]

_CovarianceType: TypeAlias = Literal["full", "tied", "diag", "spherical"]

class EMStatistics(NamedTuple):
    counts: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    log_likelihood: float

def em_statistics(
    X: ArrayLike,
    weights: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    covariance_type: _CovarianceType = "full",
    sample_weight: ArrayLike | None = None,
    *,
    n_threads: int | None = None,
    check_finite: bool = True,
) -> EMStatistics: ...
