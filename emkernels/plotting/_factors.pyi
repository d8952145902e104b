from typing import Any

from emkernels._typing import OnAxes, Table
from emkernels.models.factors.estimator import FactorAnalysis
from emkernels.models.factors.parallel import ParallelAnalysis

def plot_loadings(
    model: FactorAnalysis,
    *,
    cutoff: float = 0.3,
    sort: bool = False,
    ax: OnAxes | None = None,
) -> OnAxes: ...
def plot_scree(
    X: ParallelAnalysis | Table, *, ax: OnAxes | None = None, **parameters: Any
) -> OnAxes: ...
