from typing import Literal, Self

from numpy.typing import ArrayLike
from sklearn.impute import MissingIndicator

from emkernels._typing import (
    Acceleration,
    Callback,
    Floats,
    OfBlocks,
    RandomState,
    Reals,
    Table,
)
from emkernels.models.imputation.base import BaseGaussianImputer
from emkernels.models.imputation.information import Uncertainty
from emkernels.models.imputation.stepwise import StepwiseImputer

class GaussianImputer(StepwiseImputer, BaseGaussianImputer):
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
    step_exponent: float
    step_offset: float
    location_: Floats
    covariance_: Floats
    precision_: Floats
    log_likelihood_: float
    lower_bounds_: list[float]
    n_iter_: int
    converged_: bool
    n_patterns_: int | None
    indicator_: MissingIndicator | None
    def __init__(
        self,
        *,
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
        step_exponent: float = 0.6,
        step_offset: float = 10,
    ) -> None: ...
    def standard_errors(self, X: Table, sample_weight: ArrayLike | None = None) -> Uncertainty: ...
    def missing_information(
        self,
        X: Table,
        sample_weight: ArrayLike | None = None,
    ) -> Uncertainty: ...
    def set_fit_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    def set_partial_fit_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    def set_score_request(self, *, sample_weight: bool | str | None = ...) -> Self: ...
    score_samples_chunks: OfBlocks[Reals]
    transform_chunks: OfBlocks[Reals]
