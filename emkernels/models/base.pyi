from sklearn.base import DensityMixin

from emkernels._typing import Estimator
from emkernels.models._state import Stateful
from emkernels.models.likelihood import Likelihood

class LatentModel(Likelihood, Stateful, DensityMixin, Estimator):
    n_iter_: int
    converged_: bool
    lower_bound_: float
    lower_bounds_: list[float]
