from collections.abc import Sequence

from matplotlib.axes import Axes

from emkernels._typing import Columns, RandomState, Table

def plot_imputed(
    X: Table,
    imputed: Table | Sequence[Table],
    *,
    column: int | str | None = None,
    columns: Columns | None = None,
    max_points: int = 20000,
    random_state: RandomState | None = 0,
    ax: Axes | None = None,
) -> Axes: ...
