from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes

from emkernels._typing import Estimator
from emkernels.models.classes.selection import ClassSelection
from emkernels.models.factors.selection import FactorSelection
from emkernels.models.mixture.selection import SelectionResult

def plot_selection(
    selection: SelectionResult | FactorSelection | ClassSelection,
    *,
    criterion: Literal["bic", "aic", "icl"] | None = None,
    ax: Axes | None = None,
) -> Axes: ...
def plot_history(
    model: Estimator | Sequence[float] | Mapping[str, Any], *, ax: Axes | None = None
) -> Axes: ...
