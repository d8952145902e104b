from dataclasses import dataclass

from numpy.typing import ArrayLike

from emkernels._results import Result
from emkernels._typing import Answers, Columns, Floats, RandomState

@dataclass
class BootstrapTest(Result):
    statistic: float
    p_value: float
    bootstrap_statistics: Floats
    n_classes: int
    log_likelihoods: tuple[float, float]
    n_negative: int

def blrt(
    X: Answers,
    n_classes: int,
    *,
    n_bootstrap: int = 99,
    n_init: int = 20,
    random_state: RandomState | None = 0,
    n_threads: int | None = None,
    continuous: Columns | None = None,
    sample_weight: ArrayLike | None = None,
) -> BootstrapTest: ...
