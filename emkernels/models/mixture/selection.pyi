from collections.abc import Iterable
from typing import Any, Literal

from numpy.typing import ArrayLike

from emkernels._typing import CovarianceType, Table, Told
from emkernels.models.mixture.candidates import SelectionResult

def select_mixture(
    X: Table,
    n_components: int | Iterable[int] = ...,
    covariance_types: CovarianceType | Literal["all"] | Iterable[CovarianceType] = ("full",),
    criterion: Literal["bic", "aic", "icl"] = "bic",
    *,
    sample_weight: ArrayLike | None = None,
    allow_degenerate: bool = False,
    n_jobs: int | None = None,
    progress: bool | Told = False,
    **parameters: Any,
) -> SelectionResult: ...
