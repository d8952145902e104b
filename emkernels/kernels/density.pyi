from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CovarianceType: TypeAlias = Literal["full", "tied", "diag", "spherical"]
_Real: TypeAlias = NDArray[np.float32] | NDArray[np.float64]

def log_density(
    X: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    covariance_type: _CovarianceType = "full",
    *,
    out: _Real | None = None,
    n_threads: int | None = None,
    check_finite: bool = True,
) -> _Real: ...
def responsibilities(
    log_prob: ArrayLike,
    log_weights: ArrayLike | None = None,
    *,
    out: _Real | None = None,
    n_threads: int | None = None,
) -> tuple[_Real, _Real]: ...
def e_step(
    X: ArrayLike,
    weights: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    covariance_type: _CovarianceType = "full",
    *,
    want: Sequence[Literal["resp", "log_prob_norm", "labels"]] = ("resp", "log_prob_norm"),
    n_threads: int | None = None,
    check_finite: bool = True,
) -> tuple[NDArray[Any], ...]: ...
