from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import ArrayLike

from emkernels._typing import Row, Table
from emkernels.models.factors.estimator import FactorAnalysis

@dataclass
class FactorSelection:
    best: FactorAnalysis
    criterion: str
    table: list[Row]
    @property
    def chosen(self) -> Row: ...
    @staticmethod
    def remarks(row: Row) -> str: ...

def select_factors(
    X: Table,
    n_components: int | Iterable[int] = ...,
    criterion: Literal["bic", "aic"] = "bic",
    *,
    sample_weight: ArrayLike | None = None,
    **parameters: Any,
) -> FactorSelection: ...
