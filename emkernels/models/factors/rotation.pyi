from dataclasses import dataclass

from emkernels._results import Result
from emkernels._typing import Floats

@dataclass
class Rotation(Result):
    loadings: Floats
    matrix: Floats
    correlation: Floats
    method: str
    kaiser: bool
    criterion: float
    n_init: int
    n_best: int
    converged: bool
    names: list[str] | None = ...
