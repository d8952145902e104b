from matplotlib.axes import Axes

from emkernels._typing import Columns
from emkernels.models.classes.estimator import LatentClassAnalysis

def plot_response_probs(
    model: LatentClassAnalysis,
    *,
    items: Columns | None = None,
    sort: bool = False,
    ax: Axes | None = None,
) -> Axes: ...
