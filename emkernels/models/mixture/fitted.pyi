from numpy.typing import ArrayLike
from sklearn.base import DensityMixin

from emkernels._typing import Columns, Estimator, Floats, Table
from emkernels.models._state import Stateful
from emkernels.models.mixture.estimator import GaussianMixture
from emkernels.models.mixture.exchange import Exchange
from emkernels.models.mixtures import MixtureMethods

class FittedMixture(Exchange, MixtureMethods, Stateful, DensityMixin, Estimator):
    def marginal(self, columns: Columns | int) -> GaussianMixture: ...
    def condition(self, columns: Columns | int, values: ArrayLike) -> GaussianMixture: ...
    def regress(self, columns: Columns | int, X: Table) -> tuple[Floats, Floats]: ...
