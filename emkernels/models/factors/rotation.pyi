from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from emkernels._results import Result
from emkernels._typing import Floats, RandomState, Table

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

def rotate(
    loadings: Table,
    method: Literal["varimax", "quartimax", "promax", "oblimin"],
    *,
    kaiser: bool | None = None,
    scale: ArrayLike | None = None,
    n_init: int = 10,
    random_state: RandomState | None = 0,
) -> Rotation: ...
