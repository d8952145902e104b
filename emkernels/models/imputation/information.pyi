from collections.abc import Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike

from emkernels._results import Result
from emkernels._typing import Floats, Table
from emkernels.kernels.patterns import MissingPatterns

class _Uncertainty(NamedTuple):
    location: Floats
    covariance: Floats

class Uncertainty(Result, _Uncertainty):
    names: list[str] | None
    what: str

def standard_errors(
    X: Table,
    location: ArrayLike,
    covariance: ArrayLike,
    patterns: MissingPatterns,
    sample_weight: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
) -> Uncertainty: ...

def missing_information(
    X: Table,
    location: ArrayLike,
    covariance: ArrayLike,
    patterns: MissingPatterns,
    sample_weight: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
) -> Uncertainty: ...
