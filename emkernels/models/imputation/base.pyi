from typing import Self

from numpy.typing import ArrayLike

from emkernels._typing import Reals, Table
from emkernels.models.chunked import ChunkedFit
from emkernels.models.imputation.completion import Completion
from emkernels.models.imputation.multiple import MultipleImputation

class BaseGaussianImputer(ChunkedFit, MultipleImputation, Completion):
    def fit(
        self,
        X: Table,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self: ...
    def fit_transform(
        self,
        X: Table,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Reals: ...
