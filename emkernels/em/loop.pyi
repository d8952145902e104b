from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from emkernels._typing import Acceleration, Callback
from emkernels.em.progress import Progress

@dataclass
class EMState:
    n_iter: int
    init: int
    lower_bound: float
    change: float
    parameters: Any

@dataclass
class EMResult:
    parameters: Any
    lower_bound: float = ...
    n_iter: int = ...
    converged: bool = ...
    history: list[float] = ...
    statistics: Any = ...
    n_failed: int = ...
    largest_fall: float = ...
    moved: float = ...
    stopped: bool = ...
    interrupted: bool = ...
    degenerate: bool | None = ...

class _Model(Protocol):
    """What every model has; see emkernels.em.protocol for what else it may have."""

    def accumulate(self, rows: Any, parameters: Any, /) -> Any: ...
    def objective(self, statistics: Any, parameters: Any, /) -> Any: ...
    def maximise(self, statistics: Any, parameters: Any, /) -> Any: ...

class _Source(Protocol):
    @property
    def dtype(self) -> Any: ...
    def reduce(self, function: Any, /, *arguments: Any) -> Any: ...

def run_em(
    model: _Model,
    source: _Source,
    start: Callable[[int], Any],
    *,
    n_init: int = 1,
    max_iter: int = 100,
    tol: float = 0.001,
    convergence: Literal["lower_bound", "parameters", "distance", "exact"] = "lower_bound",
    acceleration: Callable[[Any], Any] | Acceleration | None = None,
    callback: Callback | None = None,
    progress: Progress | None = None,
    previous_bound: float = ...,
    objective_scale: float = 1.0,
    is_degenerate: Callable[[Any], object] | None = None,
) -> EMResult: ...
