from collections.abc import Mapping, Sequence
from typing import Any, Literal

from emkernels._typing import Estimator, OnAxes
from emkernels.models.classes.selection import ClassSelection
from emkernels.models.factors.selection import FactorSelection
from emkernels.models.mixture.candidates import SelectionResult

def plot_selection(
    selection: SelectionResult | FactorSelection | ClassSelection,
    *,
    criterion: Literal["bic", "aic", "icl"] | None = None,
    ax: OnAxes | None = None,
) -> OnAxes: ...
def plot_history(
    model: Estimator | Sequence[float] | Mapping[str, Any], *, ax: OnAxes | None = None
) -> OnAxes: ...
