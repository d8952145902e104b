from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.mixture import GaussianMixture

from emkernels._typing import CovarianceType, Table

class Exchange:
    @classmethod
    def from_parameters(
        cls,
        weights: ArrayLike,
        means: Table,
        covariances: ArrayLike,
        covariance_type: CovarianceType = "full",
        **parameters: Any,
    ) -> Self: ...
    @classmethod
    def from_sklearn(cls, mixture: GaussianMixture) -> Self: ...
    def to_sklearn(self) -> GaussianMixture: ...
