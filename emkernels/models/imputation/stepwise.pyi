from typing import Self

from numpy.typing import ArrayLike

from emkernels._typing import Table

class StepwiseImputer:
    def partial_fit(
        self,
        X: Table,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Self: ...
