from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from emkernels._typing import Ints, RandomState
from emkernels.data.journal import Journal
from emkernels.data.labels import Labelled, Labels
from emkernels.data.rows import Rows
from emkernels.data.summary import ColumnSummary, Rounding
from emkernels.em.progress import Passes

_Result = TypeVar("_Result")

class Source(Labelled):
    survey: Any
    dtype: np.dtype[Any]
    n_features: int
    n_rows: int
    n_positive: int
    total: float
    largest: float
    n_blocks: int
    first_rows: Ints
    has_missing: bool
    labels: Labels
    n_threads: int | None
    kept: dict[Any, Any]
    journal: Journal | None
    progress: Passes | None
    level: str | None
    def reduce(self, function: Callable[..., _Result], *arguments: Any) -> _Result: ...
    def verify(self) -> None: ...
    @property
    def weighted(self) -> bool: ...
    def __len__(self) -> int: ...
    def may_keep(self, n_bytes: int, share: float = 0.25) -> bool: ...
    def random_state(self, random_state: RandomState | None) -> np.random.RandomState: ...
    def take(self, columns: NDArray[Any]) -> Source: ...
    def present(self) -> Source: ...
    def mapped(self, make: Callable[..., Rows], *arguments: Any) -> Source: ...
    def ranges(self) -> Any: ...
    def summary(self) -> ColumnSummary: ...
    def rounding(self) -> Rounding: ...
    def sample(self, n_rows: int, random_state: np.random.RandomState) -> Rows: ...
