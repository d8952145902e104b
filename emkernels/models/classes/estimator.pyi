from collections.abc import Sequence
from typing import Any, Literal, Self

from numpy.typing import ArrayLike, NDArray

from emkernels._typing import (
    Answers,
    Callback,
    Columns,
    Convergence,
    Floats,
    Ints,
    OfBlocks,
    RandomState,
    Reals,
)
from emkernels.models.chunked import ChunkedFit
from emkernels.models.classes.fitted import FittedClasses

class LatentClassAnalysis(ChunkedFit, FittedClasses):
    n_classes: int
    continuous: Columns | None
    n_init: int
    tol: float
    max_iter: int
    weights_init: ArrayLike | None
    response_probs_init: Sequence[ArrayLike] | None
    means_init: ArrayLike | None
    variances_init: ArrayLike | None
    response_concentration: float | None
    reg_covar: float | Literal["auto"]
    random_state: RandomState | None
    n_threads: int | None
    convergence: Convergence
    acceleration: Literal["auto", "squarem"] | None
    verbose: int
    verbose_interval: int
    callback: Callback | None
    weights_: Floats
    response_probs_: list[Floats]
    categories_: list[NDArray[Any]]
    means_: Floats
    variances_: Floats
    n_best_: int
    entropy_: float
    identified_: bool
    def __init__(
        self,
        n_classes: int = 2,
        *,
        continuous: Columns | None = None,
        n_init: int = 50,
        tol: float = 1e-06,
        max_iter: int = 2000,
        weights_init: ArrayLike | None = None,
        response_probs_init: Sequence[ArrayLike] | None = None,
        means_init: ArrayLike | None = None,
        variances_init: ArrayLike | None = None,
        response_concentration: float | None = None,
        reg_covar: float | Literal["auto"] = "auto",
        random_state: RandomState | None = None,
        n_threads: int | None = None,
        convergence: Convergence = "distance",
        acceleration: Literal["auto", "squarem"] | None = "auto",
        verbose: int = 0,
        verbose_interval: int = 10,
        callback: Callback | None = None,
    ) -> None: ...
    def fit(
        self,
        X: Answers,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Self: ...
    def fit_predict(
        self,
        X: Answers,
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
