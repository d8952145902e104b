from collections.abc import Sequence
from typing import Literal, Self

from numpy.typing import ArrayLike

from emkernels._typing import (
    Acceleration,
    Callback,
    Floats,
    Ints,
    OfBlocks,
    RandomState,
    Reals,
)
from emkernels.models.chains.base import ChainModel

class CategoricalHMM(ChainModel):
    n_components: int
    n_symbols: int | None
    startprob_init: ArrayLike | None
    transmat_init: ArrayLike | None
    emissionprob_init: ArrayLike | None
    tol: float
    max_iter: int
    n_init: int
    random_state: RandomState | None
    n_threads: int | None
    fixed: Sequence[Literal["startprob", "transmat", "emissionprob"]]
    startprob_concentration: ArrayLike | None
    transmat_concentration: ArrayLike | None
    emissionprob_concentration: ArrayLike | None
    convergence: str
    acceleration: Acceleration | None
    verbose: int
    verbose_interval: int
    callback: Callback | None
    startprob_: Floats
    transmat_: Floats
    emissionprob_: Floats
    def __init__(
        self,
        n_components: int = 1,
        *,
        n_symbols: int | None = None,
        startprob_init: ArrayLike | None = None,
        transmat_init: ArrayLike | None = None,
        emissionprob_init: ArrayLike | None = None,
        tol: float = 1e-08,
        max_iter: int = 1000,
        n_init: int = 20,
        random_state: RandomState | None = None,
        n_threads: int | None = None,
        fixed: Sequence[Literal["startprob", "transmat", "emissionprob"]] = (),
        startprob_concentration: ArrayLike | None = None,
        transmat_concentration: ArrayLike | None = None,
        emissionprob_concentration: ArrayLike | None = None,
        convergence: str = "lower_bound",
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
