from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emkernels._typing import Flags, Floats, Ints, RandomState, Reals, Table
from emkernels.data.labels import Labelled, Labels
from emkernels.data.summary import ColumnSummary, Rounding
from emkernels.kernels.patterns import MissingPatterns

_Result = TypeVar("_Result")

class Rows(Labelled):
    X: Reals
    patterns: MissingPatterns | None
    largest: float
    labels: Labels
    sample_weight: Floats | None
    unit: float
    known: NDArray[np.int32] | None
    n_threads: int | None
    total: float
    n_positive: int
    kept: dict[Any, Any]
    block: int
    first_row: int
    lasting: Any
    def __init__(
        self,
        X: Reals,
        *,
        patterns: MissingPatterns | None = None,
        largest: float = 0.0,
        labels: Labels | None = None,
        sample_weight: Floats | None = None,
        known: NDArray[np.int32] | None = None,
        n_threads: int | None = None,
    ) -> None: ...
    @classmethod
    def read(
        cls,
        X: Table,
        estimator: Any = None,
        *,
        complete: str | None = None,
        min_samples: int = 1,
        missing_values: float = ...,
        fitted: bool = False,
        expect_missing: bool = False,
    ) -> Self: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def n_features(self) -> int: ...
    @property
    def has_missing(self) -> bool: ...
    @property
    def weighted(self) -> bool: ...
    def __len__(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def n_named(self) -> int: ...
    @property
    def weight_given(self) -> Floats | None: ...
    @property
    def index(self) -> Any: ...
    @property
    def all_patterns(self) -> MissingPatterns: ...
    @property
    def empty(self) -> Flags: ...
    def summary(self) -> ColumnSummary: ...
    def rounding(self) -> Rounding: ...
    def random_state(self, given: RandomState | None) -> np.random.RandomState: ...
    def draw(self, size: int, random_state: np.random.RandomState) -> Ints: ...
    def with_(self, **changes: Any) -> Self: ...
    def weighed(self, sample_weight: ArrayLike | None, largest: float = 0.0) -> Self: ...
    def labelled(self, codes: NDArray[np.int32] | None) -> Self: ...
    def take(
        self,
        rows: slice | NDArray[Any] = ...,
        columns: NDArray[Any] | None = None,
        *,
        X: Reals | None = None,
    ) -> Self: ...
    def blocks(self, n_rows: int = 65536) -> Iterator[Self]: ...
    def reduce(self, function: Callable[..., _Result], *arguments: Any) -> _Result: ...
