from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import ArrayLike

from emkernels._typing import Floats, Table
from emkernels.data.rows import Rows

@dataclass(frozen=True)
class ClusterStream:
    centers: Floats
    counts: Floats
    pace: Any
    inertia: float = ...
    def after(self, rows: Rows, exponent: float, offset: float) -> ClusterStream: ...

class StepwiseKMeans:
    def partial_fit(
        self,
        X: Table,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Self: ...
