from collections.abc import Sequence

from emkernels._typing import Columns, OnAxes, RandomState, Table
from emkernels.models.mixture.estimator import GaussianMixture
from emkernels.models.student.estimator import StudentTMixture

def plot_outliers(
    model: StudentTMixture | GaussianMixture,
    X: Table,
    other: StudentTMixture | GaussianMixture | None = None,
    *,
    columns: Columns | int | str | None = (0, 1),
    n_std: float | Sequence[float] = 2,
    threshold: float | None = None,
    max_points: int = 20000,
    random_state: RandomState | None = 0,
    ax: OnAxes | None = None,
) -> OnAxes: ...
