from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emkernels.kernels.mixture import EMStatistics

_CovarianceType: TypeAlias = Literal["full", "tied", "diag", "spherical"]

class ConditionalMoments(NamedTuple):
    imputed: NDArray[Any]
    covariances: NDArray[np.float64] | None
    offsets: NDArray[np.int64] | None

class MissingPatterns:
    n_features: int
    order: NDArray[np.int32]
    offsets: NDArray[np.int64]
    def __init__(
        self,
        n_features: int,
        order: NDArray[np.int32],
        offsets: NDArray[np.int64],
        bits: NDArray[np.uint64],
        largest: float = 0.0,
    ) -> None: ...
    @property
    def n_samples(self) -> int: ...
    @property
    def n_patterns(self) -> int: ...
    @property
    def counts(self) -> NDArray[np.int64]: ...
    @property
    def n_missing(self) -> NDArray[np.int64]: ...
    @property
    def masks(self) -> NDArray[np.bool_]: ...
    @property
    def largest(self) -> float: ...
    @property
    def n_missing_values(self) -> int: ...
    def masks_of(self, patterns: Any) -> NDArray[np.bool_]: ...

def missing_patterns(X: ArrayLike) -> MissingPatterns: ...
def incomplete_statistics(
    X: ArrayLike,
    weights: ArrayLike,
    means: ArrayLike,
    precisions_cholesky: ArrayLike,
    covariance_type: _CovarianceType = "full",
    sample_weight: ArrayLike | None = None,
    patterns: MissingPatterns | None = None,
    *,
    n_threads: int | None = None,
) -> EMStatistics: ...
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
