from matplotlib.axes import Axes

from emkernels._typing import Table

def plot_missing_patterns(
    X: Table,
    *,
    max_patterns: int = 20,
    ax: Axes | None = None,
) -> Axes: ...
