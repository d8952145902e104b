from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from emkernels._results import Result
from emkernels._typing import Floats

@dataclass
class DistalOutcome(Result):
    means: Floats | None
    variances: Floats | None
    probs: Floats | None
    levels: NDArray[Any] | None
    standard_errors: Floats
    covariance: Floats
    statistic: float
    df: int
    p_value: float
    pairwise: list[dict[str, Any]]
    method: str
    assignment: str
    classification_errors: Floats
    n_samples: int
    n_left_out: int
