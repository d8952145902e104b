from collections.abc import Sequence
from typing import Literal, Self

from numpy.typing import ArrayLike

from emkernels._typing import (
    Acceleration,
    Callback,
    Convergence,
    CovarianceType,
    Floats,
    InitParams,
    Ints,
    OfBlocks,
    RandomState,
    Reals,
    Table,
)
from emkernels.models.chunked import ChunkedFit
from emkernels.models.student.fitted import FittedStudents

class StudentTMixture(ChunkedFit, FittedStudents):
    n_components: int
    covariance_type: CovarianceType
    df: ArrayLike | float | Literal["shared"] | None
    tol: float
    reg_covar: float | Literal["auto"]
    max_iter: int
    n_init: int
    init_params: InitParams | Sequence[InitParams]
    weights_init: ArrayLike | None
    means_init: ArrayLike | None
    scatters_init: ArrayLike | None
    random_state: RandomState | None
    n_threads: int | None
    convergence: Convergence
    acceleration: Acceleration | None
    verbose: int
    verbose_interval: int
    callback: Callback | None
    weights_: Floats
    means_: Floats
    scatters_: Floats
    dfs_: Floats
    covariances_: Floats
    precisions_cholesky_: Floats
    degenerate_components_: Ints
    def __init__(
        self,
        n_components: int = 1,
        covariance_type: CovarianceType = "full",
        df: ArrayLike | float | Literal["shared"] | None = None,
        *,
        tol: float = 1e-08,
        reg_covar: float | Literal["auto"] = 1e-06,
        max_iter: int = 1000,
        n_init: int = 1,
        init_params: InitParams | Sequence[InitParams] = "kmeans",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        scatters_init: ArrayLike | None = None,
        random_state: RandomState | None = None,
        n_threads: int | None = None,
        convergence: Convergence = "lower_bound",
        acceleration: Acceleration | None = None,
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
    impute_chunks: OfBlocks[Reals]
