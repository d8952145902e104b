from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emkernels.kernels.seeding import kmeans_plusplus as kmeans_plusplus

# capsules of the compiled functions, for cffi and numba
__pyx_capi__: dict[str, Any]

class KMeansStatistics(NamedTuple):
    labels: NDArray[np.int32] | None
    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    inertia: float

def kmeans_statistics(
    X: ArrayLike,
    centers: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    return_labels: bool = True,
    out: NDArray[np.int32] | None = None,
    n_threads: int | None = None,
    check_finite: bool = True,
) -> KMeansStatistics: ...
