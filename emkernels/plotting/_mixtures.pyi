from collections.abc import Sequence

from numpy.typing import ArrayLike

from emkernels._typing import Columns, OnAxes, RandomState, Table
from emkernels.models.mixture.estimator import GaussianMixture
from emkernels.models.student.estimator import StudentTMixture

def plot_mixture(
    model: GaussianMixture | StudentTMixture,
    X: Table | None = None,
    *,
    columns: Columns | int | str | None = (0, 1),
    n_std: float | Sequence[float] = (1, 2),
    density: bool = False,
    labels: ArrayLike | None = None,
    max_points: int = 20000,
    random_state: RandomState | None = 0,
    ax: OnAxes | None = None,
) -> OnAxes: ...
def plot_responsibilities(
    model: GaussianMixture,
    X: Table,
    *,
    columns: Columns | int | str | None = (0, 1),
    threshold: float = 0.9,
    max_points: int = 20000,
    random_state: RandomState | None = 0,
    ax: OnAxes | None = None,
) -> OnAxes: ...
