from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import ArrayLike

from emkernels._typing import CovarianceType, Row, Table
from emkernels.models.mixture.estimator import GaussianMixture

@dataclass
class SelectionResult:
    best: GaussianMixture
    criterion: str
    table: list[Row]
    @property
    def chosen(self) -> Row | None: ...
    @staticmethod
    def remarks(row: Row) -> str: ...

def select_mixture(
    X: Table,
    n_components: int | Iterable[int] = ...,
    covariance_types: CovarianceType | Literal["all"] | Iterable[CovarianceType] = ("full",),
    criterion: Literal["bic", "aic", "icl"] = "bic",
    *,
    sample_weight: ArrayLike | None = None,
    allow_degenerate: bool = False,
    **parameters: Any,
) -> SelectionResult: ...
