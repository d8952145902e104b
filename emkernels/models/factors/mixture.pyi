from collections.abc import Sequence
from typing import Self

from numpy.typing import ArrayLike

from emkernels._typing import (
    Acceleration,
    Callback,
    Convergence,
    Floats,
    InitParams,
    Ints,
    OfBlocks,
    RandomState,
    Reals,
    Table,
)
from emkernels.models.chunked import ChunkedFit
from emkernels.models.factors.mixture_fitted import FittedFactorMixture

class MixtureOfFactorAnalyzers(ChunkedFit, FittedFactorMixture):
    n_components: int
    n_factors: int
    shared_noise: bool
    min_uniqueness: float
    tol: float
    max_iter: int
    n_init: int
    init_params: InitParams | Sequence[InitParams]
    weights_init: ArrayLike | None
    means_init: ArrayLike | None
    components_init: ArrayLike | None
    noise_variance_init: ArrayLike | None
    convergence: Convergence
    acceleration: Acceleration | None
    random_state: RandomState | None
    n_threads: int | None
    verbose: int
    verbose_interval: int
    callback: Callback | None
    weights_: Floats
    means_: Floats
    components_: Floats
    noise_variance_: Floats
    heywood_: Ints
    def __init__(
        self,
        n_components: int = 1,
        n_factors: int = 1,
        *,
        shared_noise: bool = False,
        min_uniqueness: float = 0.0001,
        tol: float = 0.001,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: InitParams | Sequence[InitParams] = "kmeans",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        components_init: ArrayLike | None = None,
        noise_variance_init: ArrayLike | None = None,
        convergence: Convergence = "lower_bound",
        acceleration: Acceleration | None = None,
        random_state: RandomState | None = None,
        n_threads: int | None = None,
        verbose: int = 0,
        verbose_interval: int = 10,
        callback: Callback | None = None,
    ) -> None: ...
    def fit(
        self,
        X: Table,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Self: ...
    def fit_predict(
        self,
        X: Table,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Ints: ...
    def set_fit_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    def set_score_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    predict_chunks: OfBlocks[Ints]
    predict_proba_chunks: OfBlocks[Reals]
    score_samples_chunks: OfBlocks[Reals]
    transform_chunks: OfBlocks[Reals]
    impute_chunks: OfBlocks[Reals]
