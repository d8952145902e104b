from numpy.typing import ArrayLike

from emkernels._typing import Reals, Table

class Likelihood:
    @property
    def n_parameters_(self) -> int: ...
    def score_samples(self, X: Table) -> Reals: ...
    def score(
        self,
        X: Table,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> float: ...
    def bic(self, X: Table, *, sample_weight: ArrayLike | None = None) -> float: ...
    def aic(self, X: Table, *, sample_weight: ArrayLike | None = None) -> float: ...
