from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# capsules of the compiled functions, for cffi and numba
__pyx_capi__: dict[str, Any]

class FactorSums(NamedTuple):
    counts: NDArray[np.float64]
    first: NDArray[np.float64]
    square: NDArray[np.float64]
    cross: NDArray[np.float64]
    factors: NDArray[np.float64]
    second: NDArray[np.float64]
    log_likelihood: float

def factor_statistics(
    X: ArrayLike,
    weights: ArrayLike,
    means: ArrayLike,
    components: ArrayLike,
    noise_variance: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    n_threads: int | None = None,
) -> FactorSums: ...
def factor_e_step(
    X: ArrayLike,
    weights: ArrayLike,
    means: ArrayLike,
    components: ArrayLike,
    noise_variance: ArrayLike,
    *,
    want: Sequence[Literal["resp", "log_prob_norm", "labels"]] = ("resp", "log_prob_norm"),
    n_threads: int | None = None,
) -> tuple[NDArray[Any], ...]: ...
