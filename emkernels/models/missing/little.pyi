from dataclasses import dataclass

from emkernels._results import Result
from emkernels._typing import Floats, Table

@dataclass
class LittleTest(Result):
    statistic: float
    df: int
    p_value: float
    n_patterns: int
    n_samples: int
    location: Floats
    covariance: Floats
    ddof: int
    @property
    def p_text(self) -> str: ...

def little_mcar_test(
    X: Table,
    *,
    ddof: int = 0,
    tol: float = 1e-08,
    max_iter: int = 10000,
) -> LittleTest: ...
