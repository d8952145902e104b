from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

# capsules of the compiled functions, for cffi and numba
__pyx_capi__: dict[str, Any]

_Real: TypeAlias = NDArray[np.float32] | NDArray[np.float64]

class PottsStatistics(NamedTuple):
    counts: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    free_energy: float
    log_likelihood: float
    prior: NDArray[np.float64]

def potts_statistics(
    X: ArrayLike,
    weights: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    covariance_type: str = "full",
    *,
    shape: Sequence[int],
    smoothness: float,
    resp: _Real,
    mask: ArrayLike | None = None,
    n_threads: int | None = None,
    check_finite: bool = True,
) -> PottsStatistics: ...
