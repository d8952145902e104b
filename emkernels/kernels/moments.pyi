from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CovarianceType: TypeAlias = Literal["full", "tied", "diag", "spherical"]

class Moments(NamedTuple):
    counts: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]

def weighted_moments(
    X: ArrayLike,
    resp: ArrayLike,
    centers: ArrayLike,
    covariance_type: _CovarianceType = "full",
    sample_weight: ArrayLike | None = None,
    *,
    n_threads: int | None = None,
    check_finite: bool = True,
) -> Moments: ...
