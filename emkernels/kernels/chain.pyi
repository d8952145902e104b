from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

class ChainStatistics(NamedTuple):
    log_likelihoods: NDArray[np.float64]
    starts: NDArray[np.float64]
    transitions: NDArray[np.float64]
    resp: NDArray[Any] | None

def chain_statistics(
    log_density: ArrayLike,
    startprob: ArrayLike,
    transmat: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    sequence_weight: ArrayLike | None = None,
    return_resp: bool = False,
    n_threads: int | None = None,
) -> ChainStatistics: ...
def viterbi(
    log_density: ArrayLike,
    startprob: ArrayLike,
    transmat: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    n_threads: int | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
