from collections.abc import Sequence

from emkernels._typing import Columns, OnAxes, RandomState, Table

def plot_imputed(
    X: Table,
    imputed: Table | Sequence[Table],
    *,
    column: int | str | None = None,
    columns: Columns | None = None,
    max_points: int = 20000,
    random_state: RandomState | None = 0,
    ax: OnAxes | None = None,
) -> OnAxes: ...
