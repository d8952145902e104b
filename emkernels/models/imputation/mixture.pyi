from typing import Literal, Self

from numpy.typing import ArrayLike
from sklearn.impute import MissingIndicator

from emkernels._typing import (
    Acceleration,
    Callback,
    Floats,
    InitParams,
    KernelType,
    OfBlocks,
    RandomState,
    Reals,
)
from emkernels.models.imputation.base import BaseGaussianImputer

class GaussianMixtureImputer(BaseGaussianImputer):
    n_components: int
    covariance_type: KernelType
    n_init: int
    init_params: InitParams
    missing_values: float
    prior: Literal["ridge"] | tuple[Literal["ridge"], float] | tuple[float, ArrayLike] | None
    tol: float
    max_iter: int
    acceleration: Acceleration | None
    min_value: ArrayLike
    max_value: ArrayLike
    add_indicator: bool
    keep_empty_features: bool
    n_threads: int | None
    random_state: RandomState | None
    verbose: int
    verbose_interval: int
    callback: Callback | None
    weights_: Floats
    means_: Floats
    covariances_: Floats
    precisions_cholesky_: Floats
    log_likelihood_: float
    lower_bounds_: list[float]
    n_iter_: int
    converged_: bool
    n_patterns_: int | None
    indicator_: MissingIndicator | None
    def __init__(
        self,
        n_components: int = 2,
        *,
        covariance_type: KernelType = "full",
        n_init: int = 1,
        init_params: InitParams = "kmeans",
        missing_values: float = ...,
        prior: Literal["ridge"]
        | tuple[Literal["ridge"], float]
        | tuple[float, ArrayLike]
        | None = None,
        tol: float = 1e-06,
        max_iter: int = 1000,
        acceleration: Acceleration | None = "squarem",
        min_value: ArrayLike = ...,
        max_value: ArrayLike = ...,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
        n_threads: int | None = None,
        random_state: RandomState | None = None,
        verbose: int = 0,
        verbose_interval: int = 10,
        callback: Callback | None = None,
    ) -> None: ...
    def set_fit_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    def set_score_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    score_samples_chunks: OfBlocks[Reals]
    transform_chunks: OfBlocks[Reals]
