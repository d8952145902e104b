from emkernels._typing import OnAxes, Table

def plot_missing_patterns(
    X: Table,
    *,
    max_patterns: int = 20,
    ax: OnAxes | None = None,
) -> OnAxes: ...
