from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import ArrayLike

from emkernels._typing import Answers, Row, Told
from emkernels.models.candidates import Selection
from emkernels.models.classes.estimator import LatentClassAnalysis

@dataclass
class ClassSelection(Selection):
    best: LatentClassAnalysis
    criterion: str
    table: list[Row]

def select_classes(
    X: Answers,
    n_classes: int | Iterable[int] = ...,
    criterion: Literal["bic", "aic", "abic", "caic", "icl"] = "bic",
    *,
    sample_weight: ArrayLike | None = None,
    n_bootstrap: int = 0,
    n_jobs: int | None = None,
    progress: bool | Told = False,
    **parameters: Any,
) -> ClassSelection: ...
