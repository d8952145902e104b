from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emkernels.kernels.patterns import MissingPatterns

_CovarianceType: TypeAlias = Literal["full", "tied", "diag", "spherical"]

class ConditionalMoments(NamedTuple):
    imputed: NDArray[Any]
    covariances: NDArray[np.float64] | None
    offsets: NDArray[np.int64] | None

def incomplete_e_step(
    X: ArrayLike,
    weights: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    covariance_type: _CovarianceType = "full",
    *,
    want: Sequence[Literal["resp", "log_prob_norm", "labels", "log_prob"]] = (
        "resp",
        "log_prob_norm",
    ),
    patterns: MissingPatterns | None = None,
    n_threads: int | None = None,
) -> tuple[NDArray[Any], ...]: ...
def conditional_moments(
    X: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    covariance_type: _CovarianceType = "full",
    weights: ArrayLike | None = None,
    *,
    patterns: MissingPatterns | None = None,
    covariances: bool = False,
    n_threads: int | None = None,
) -> ConditionalMoments: ...
def conditional_draws(
    X: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    normals: ArrayLike,
    covariance_type: _CovarianceType = "full",
    weights: ArrayLike | None = None,
    uniforms: ArrayLike | None = None,
    *,
    patterns: MissingPatterns | None = None,
    n_threads: int | None = None,
) -> NDArray[Any]: ...
