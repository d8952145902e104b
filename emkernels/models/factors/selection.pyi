from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import ArrayLike

from emkernels._typing import Row, Table, Told
from emkernels.models.candidates import Selection
from emkernels.models.factors.estimator import FactorAnalysis

@dataclass
class FactorSelection(Selection):
    best: FactorAnalysis
    criterion: str
    table: list[Row]

def select_factors(
    X: Table,
    n_components: int | Iterable[int] = ...,
    criterion: Literal["bic", "aic"] = "bic",
    *,
    sample_weight: ArrayLike | None = None,
    n_jobs: int | None = None,
    progress: bool | Told = False,
    **parameters: Any,
) -> FactorSelection: ...
