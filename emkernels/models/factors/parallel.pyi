from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from emkernels._results import Result
from emkernels._typing import Floats, RandomState, Table

@dataclass
class ParallelAnalysis(Result):
    n_components: int
    eigenvalues: Floats
    thresholds: Floats
    means: Floats
    percentile: float
    n_draws: int
    kind: str
    method: str
    n_missing: int

def parallel_analysis(
    X: Table,
    *,
    n_draws: int = 100,
    percentile: float = 95,
    kind: Literal["components", "factors"] = "components",
    method: Literal["normal", "permute"] = "normal",
    sample_weight: ArrayLike | None = None,
    random_state: RandomState | None = 0,
    n_threads: int | None = None,
) -> ParallelAnalysis: ...
