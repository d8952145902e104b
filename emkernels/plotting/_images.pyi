from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from emkernels._typing import Names
from emkernels.image._result import Segmentation

def plot_segmentation(
    result: Segmentation[Any],
    *,
    axes: Sequence[Axes] | Names | None = None,
    axis: int = 0,
    index: int | None = None,
) -> Names: ...
def plot_posteriors(
    result: Segmentation[Any],
    *,
    axes: Sequence[Axes] | Names | None = None,
    axis: int = 0,
    index: int | None = None,
) -> Names: ...
