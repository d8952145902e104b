from typing import NamedTuple

from emkernels._results import Result
from emkernels._typing import Floats

class _Uncertainty(NamedTuple):
    location: Floats
    covariance: Floats

class Uncertainty(Result, _Uncertainty):
    names: list[str] | None
    what: str
