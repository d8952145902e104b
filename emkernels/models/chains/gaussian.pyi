from collections.abc import Sequence
from typing import Literal, Self

from numpy.typing import ArrayLike

from emkernels._typing import (
    Acceleration,
    Callback,
    Convergence,
    Floats,
    Ints,
    KernelType,
    OfBlocks,
    Prior,
    RandomState,
    Reals,
)
from emkernels.models.chains.continuous import ContinuousChain

class GaussianHMM(ContinuousChain):
    n_components: int
    covariance_type: KernelType
    startprob_init: ArrayLike | None
    transmat_init: ArrayLike | None
    means_init: ArrayLike | None
    covars_init: ArrayLike | None
    tol: float
    max_iter: int
    n_init: int
    reg_covar: float | Literal["auto"]
    random_state: RandomState | None
    n_threads: int | None
    fixed: Sequence[Literal["startprob", "transmat", "means", "covars"]]
    startprob_concentration: ArrayLike | None
    transmat_concentration: ArrayLike | None
    covariance_prior: Prior | None
    convergence: Convergence
    acceleration: Acceleration | None
    verbose: int
    verbose_interval: int
    callback: Callback | None
    startprob_: Floats
    transmat_: Floats
    means_: Floats
    covars_: Floats
    def __init__(
        self,
        n_components: int = 1,
        covariance_type: KernelType = "diag",
        *,
        startprob_init: ArrayLike | None = None,
        transmat_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        covars_init: ArrayLike | None = None,
        tol: float = 1e-08,
        max_iter: int = 1000,
        n_init: int = 16,
        reg_covar: float | Literal["auto"] = 1e-06,
        random_state: RandomState | None = None,
        n_threads: int | None = None,
        fixed: Sequence[Literal["startprob", "transmat", "means", "covars"]] = (),
        startprob_concentration: ArrayLike | None = None,
        transmat_concentration: ArrayLike | None = None,
        covariance_prior: Prior | None = None,
        convergence: Convergence = "lower_bound",
        acceleration: Acceleration | None = None,
        verbose: int = 0,
        verbose_interval: int = 10,
        callback: Callback | None = None,
    ) -> None: ...
    def set_fit_request(
        self,
        *,
        lengths: bool | str | None = ...,
        sample_weight: bool | str | None = ...,
    ) -> Self: ...
    def set_predict_request(self, *, lengths: bool | str | None = ...) -> Self: ...
    def set_predict_proba_request(self, *, lengths: bool | str | None = ...) -> Self: ...
    def set_score_request(self, *, lengths: bool | str | None = ...) -> Self: ...
    predict_chunks: OfBlocks[Ints]
    predict_proba_chunks: OfBlocks[Reals]
