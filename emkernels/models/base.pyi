from numpy.typing import ArrayLike
from sklearn.base import DensityMixin

from emkernels._typing import Estimator, Reals, Table
from emkernels.models._state import Stateful

class LatentModel(Stateful, DensityMixin, Estimator):
    n_iter_: int
    converged_: bool
    lower_bound_: float
    lower_bounds_: list[float]
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
