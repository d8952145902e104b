from typing import Literal, Self

from numpy.typing import ArrayLike

from emkernels._typing import (
    Acceleration,
    Callback,
    Convergence,
    Floats,
    Ints,
    OfBlocks,
    RandomState,
    Reals,
    Table,
)
from emkernels.models.chunked import ChunkedFit
from emkernels.models.factors.fitted import FittedFactors

class FactorAnalysis(ChunkedFit, FittedFactors):
    n_components: int
    noise: Literal["diagonal", "isotropic"]
    rotation: Literal["varimax", "quartimax", "promax", "oblimin"] | None
    kaiser: bool | None
    scores: Literal["regression", "bartlett"]
    n_init: int | None
    method: Literal["newton", "em"]
    tol: float
    max_iter: int
    convergence: Convergence
    acceleration: Acceleration | None
    min_uniqueness: float
    noise_variance_init: ArrayLike | float | None
    components_init: ArrayLike | None
    n_threads: int | None
    random_state: RandomState | None
    verbose: int
    verbose_interval: int
    callback: Callback | None
    components_: Floats
    noise_variance_: float | Floats
    mean_: Floats
    factor_correlation_: Floats
    rotation_matrix_: Floats
    communalities_: Floats
    heywood_: Ints
    def __init__(
        self,
        n_components: int = 1,
        *,
        noise: Literal["diagonal", "isotropic"] = "diagonal",
        rotation: Literal["varimax", "quartimax", "promax", "oblimin"] | None = None,
        kaiser: bool | None = None,
        scores: Literal["regression", "bartlett"] = "regression",
        n_init: int | None = None,
        method: Literal["newton", "em"] = "newton",
        tol: float = 1e-06,
        max_iter: int = 1000,
        convergence: Convergence = "distance",
        acceleration: Acceleration | None = None,
        min_uniqueness: float = 1e-08,
        noise_variance_init: ArrayLike | float | None = None,
        components_init: ArrayLike | None = None,
        n_threads: int | None = None,
        random_state: RandomState | None = 0,
        verbose: int = 0,
        verbose_interval: int = 10,
        callback: Callback | None = None,
    ) -> None: ...
    def fit(
        self,
        X: Table,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self: ...
    def fit_transform(
        self,
        X: Table,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Reals: ...
    def set_fit_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    def set_score_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    def set_transform_request(self, *, method: bool | str | None = ...) -> Self: ...
    score_samples_chunks: OfBlocks[Reals]
    transform_chunks: OfBlocks[Reals]
    impute_chunks: OfBlocks[Reals]
