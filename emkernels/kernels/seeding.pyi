from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Real: TypeAlias = NDArray[np.float32] | NDArray[np.float64]

def kmeans_plusplus(
    X: ArrayLike,
    n_clusters: int,
    *,
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | np.random.Generator | None = None,
    n_local_trials: int | None = None,
    n_threads: int | None = None,
    check_finite: bool = True,
) -> tuple[_Real, NDArray[np.intp]]: ...
