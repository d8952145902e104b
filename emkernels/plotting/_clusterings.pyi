from collections.abc import Sequence

from matplotlib.axes import Axes

from emkernels._typing import Columns, Names, RandomState
from emkernels.comparison import ClusteringComparison

def plot_clusterings(
    comparison: ClusteringComparison,
    *,
    columns: Columns | int | str | None = None,
    n_std: float | Sequence[float] = (1, 2),
    max_points: int = 20000,
    random_state: RandomState | None = 0,
    axes: Sequence[Axes] | Names | None = None,
) -> Names: ...
