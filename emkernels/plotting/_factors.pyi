from typing import Any

from matplotlib.axes import Axes

from emkernels._typing import Table
from emkernels.models.factors.estimator import FactorAnalysis
from emkernels.models.factors.parallel import ParallelAnalysis

def plot_loadings(
    model: FactorAnalysis,
    *,
    cutoff: float = 0.3,
    sort: bool = False,
    ax: Axes | None = None,
) -> Axes: ...
def plot_scree(
    X: ParallelAnalysis | Table, *, ax: Axes | None = None, **parameters: Any
) -> Axes: ...
