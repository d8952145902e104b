from collections.abc import Sequence
from typing import Any, Literal, Self

from numpy.typing import ArrayLike, NDArray

from emkernels._typing import (
    Acceleration,
    Callback,
    Convergence,
    CovarianceType,
    Floats,
    InitParams,
    Ints,
    OfBlocks,
    Prior,
    RandomState,
    Reals,
    Table,
)
from emkernels.models.chunked import ChunkedFit
from emkernels.models.mixture.fitted import FittedMixture
from emkernels.models.mixture.stepwise import StepwiseMixture

class GaussianMixture(ChunkedFit, StepwiseMixture, FittedMixture):
    n_components: int
    covariance_type: CovarianceType
    tol: float
    reg_covar: float | Literal["auto"]
    max_iter: int
    n_init: int
    init_params: InitParams | Sequence[InitParams]
    weights_init: ArrayLike | None
    means_init: ArrayLike | None
    precisions_init: ArrayLike | None
    random_state: RandomState | None
    warm_start: bool
    verbose: int
    verbose_interval: int
    n_threads: int | None
    convergence: Convergence
    acceleration: Acceleration | None
    callback: Callback | None
    covariance_prior: Prior | None
    weight_concentration: ArrayLike | None
    fixed: Sequence[Literal["weights", "means", "covariances"]]
    init_scaling: Literal["standard"] | None
    short_iter: int | None
    noise: Literal[True] | float | None
    step_exponent: float
    step_offset: float
    weights_: Reals
    means_: Reals
    covariances_: Reals
    precisions_: Reals
    precisions_cholesky_: Reals
    converged_: bool
    n_iter_: int
    lower_bound_: float
    lower_bounds_: list[float]
    classes_: NDArray[Any]
    degenerate_components_: Ints
    noise_box_: Floats
    noise_log_density_: float
    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: CovarianceType = "full",
        tol: float = 0.001,
        reg_covar: float | Literal["auto"] = 1e-06,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: InitParams | Sequence[InitParams] = "kmeans",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        precisions_init: ArrayLike | None = None,
        random_state: RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        n_threads: int | None = None,
        convergence: Convergence = "lower_bound",
        acceleration: Acceleration | None = None,
        callback: Callback | None = None,
        covariance_prior: Prior | None = None,
        weight_concentration: ArrayLike | None = None,
        fixed: Sequence[Literal["weights", "means", "covariances"]] = (),
        init_scaling: Literal["standard"] | None = None,
        short_iter: int | None = None,
        noise: Literal[True] | float | None = None,
        step_exponent: float = 0.6,
        step_offset: float = 10,
    ) -> None: ...
    def fit(
        self,
        X: Table,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> Self: ...
    def fit_predict(
        self,
        X: Table,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> Ints: ...
    def set_fit_request(
        self,
        *,
        labels: bool | str | None = ...,
        sample_weight: bool | str | None = ...,
    ) -> Self: ...
    def set_partial_fit_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    def set_score_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    predict_chunks: OfBlocks[Ints]
    predict_proba_chunks: OfBlocks[Reals]
    score_samples_chunks: OfBlocks[Reals]
    impute_chunks: OfBlocks[Reals]
