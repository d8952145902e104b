from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from emkernels._typing import Floats, Reals, Table, Transformer
from emkernels.models.base import LatentModel
from emkernels.models.mixtures import MixtureMethods

class FittedFactorMixture(
    MixtureMethods, ClassNamePrefixFeaturesOutMixin, Transformer, LatentModel
):
    def transform(self, X: Table) -> Reals: ...
    def fit_transform(
        self,
        X: Table,
        y: object = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Reals: ...
    def get_covariance(self, component: int) -> Floats: ...
    @property
    def covariances_(self) -> Floats: ...
