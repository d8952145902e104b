from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, overload

from numpy.typing import ArrayLike
from pandas import DataFrame
from typing_extensions import TypeVar

from emkernels._results import Result
from emkernels._typing import Floats

# numbers of one parameter, arrays of several
_Value = TypeVar("_Value", float, Floats, default=Floats)

@dataclass
class PooledEstimates(Result, Generic[_Value]):
    estimate: _Value
    standard_error: _Value
    low: _Value
    high: _Value
    t: _Value
    df: _Value
    p_value: _Value
    within: _Value
    between: _Value
    total: _Value
    r: _Value
    lam: _Value
    fmi: _Value
    total_covariance: Floats | None
    m: int
    confidence: float
    names: tuple[str, ...]
    def summary(self) -> Self: ...
    def to_pandas(self) -> DataFrame: ...

@overload
def pool(
    estimates: Sequence[float],
    variances: ArrayLike,
    *,
    complete_df: ArrayLike | float | None = None,
    confidence: float = 0.95,
) -> PooledEstimates[float]: ...
@overload
def pool(
    estimates: ArrayLike,
    variances: ArrayLike,
    *,
    complete_df: ArrayLike | float | None = None,
    confidence: float = 0.95,
) -> PooledEstimates[Floats]: ...

# fitted results: params and cov_params() of statsmodels, which has no types, are not to be seen
@overload
def pool(
    estimates: Iterable[Any],
    variances: None = None,
    *,
    complete_df: ArrayLike | float | None = None,
    confidence: float = 0.95,
) -> PooledEstimates[Floats]: ...
