"""Tables as people pass them, where no estimator is asked."""

from emkernels import _inputs
from emkernels.data.checks import check_table
from emkernels.data.rows import Rows


def as_table(X, name="X"):
    """Rows as a float array with NaN where a value is missing, and the names of the columns.

    An array of float32 or float64 is returned as it is; for what else is taken see
    :func:`emkernels._inputs.as_table`.
    """
    values, names = (X.X, X.names) if isinstance(X, Rows) else _inputs.as_table(X, name)
    check_table(values, name)
    return values, tuple(f"x{j}" for j in range(values.shape[1])) if names is None else names
