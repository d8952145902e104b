"""How messages name columns and lists."""

from emkernels import _inputs


def column_names(X, n_features):
    """How messages call the columns: by name, else by position."""
    names = _inputs.names_of(X)
    return [str(i) for i in range(n_features)] if names is None else [repr(n) for n in names]


def some(names, most=6):
    """The first few of a list, in words."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
