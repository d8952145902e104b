from typing import NamedTuple

from emkernels._results import Result
from emkernels._typing import Floats

class _Errors(NamedTuple):
    mean: Floats
    components: Floats
    noise_variance: Floats | float

class StandardErrors(Result, _Errors):
    names: list[str] | None
