from emkernels._typing import Columns, OnAxes
from emkernels.models.classes.estimator import LatentClassAnalysis

def plot_response_probs(
    model: LatentClassAnalysis,
    *,
    items: Columns | None = None,
    sort: bool = False,
    ax: OnAxes | None = None,
) -> OnAxes: ...
