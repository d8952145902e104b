from typing import Any, NamedTuple

from emkernels._results import Result
from emkernels._typing import Floats

class _Errors(NamedTuple):
    weights: Floats
    response_probs: list[Floats]
    means: Floats
    variances: Floats

class ClassErrors(Result, _Errors):
    items: list[tuple[str, list[Any]]] | None
    numbers: list[str] | None
