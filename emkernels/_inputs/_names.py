"""The labels of rows and columns: which there are, and whether they are those of the fit."""

import numpy as np


class Named:
    """A container that says itself, as `names`, what :func:`names_of` says of others."""


class NamedTable(Named):
    """Numbers whose columns have names, as readers of files make them.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_columns), float32 or float64
    names : tuple of str
    """

    def __init__(self, X, names):
        self.X, self.names = X, names

    def __len__(self):
        return len(self.X)

    @property
    def shape(self):
        return self.X.shape


def names_of(values):
    """What a container calls its columns (a series its values), where all are texts; else None."""
    if isinstance(values, Named):
        return values.names
    if type(values).__name__ == "LazyFrame":
        return None
    for attribute in ("columns", "column_names", "index"):
        names = getattr(values, attribute, None)
        if attribute == "index" and not hasattr(names, "equals"):
            continue        # the index of a list is a method
        # the column_names of Arrow, whose columns are arrays
        if names is not None and not (attribute == "columns" and hasattr(values, "column_names")):
            names = tuple(names)
            return names if names and all(isinstance(name, str) for name in names) else None
    return None


def categories_of(X):
    """The columns of a frame that are categories: their position, whether they have an order, and
    the categories, None where the column does not say."""
    out = []
    for j, dtype in enumerate(getattr(X, "dtypes", ())):
        kind = type(dtype).__name__
        if kind == "CategoricalDtype":
            out.append((j, bool(dtype.ordered), tuple(dtype.categories)))
        elif kind in ("Categorical", "Enum"):       # of polars
            known = tuple(dtype.categories) if kind == "Enum" else None
            out.append((j, kind == "Enum", known))
    return out


def check_names(values, wanted, name, of="the fit"):
    """ValueError where both have names, and not the same ones in the same order."""
    names = names_of(values)
    if names is None or wanted is None:
        return
    wanted = tuple(wanted)
    if names == wanted:
        return
    text = f"{name} must have the names of {of}"
    if sorted(names) == sorted(wanted):
        at = next(i for i, pair in enumerate(zip(names, wanted, strict=True)) if len(set(pair)) > 1)
        raise ValueError(f"{text} in their order: {names[at]!r} is in the place of "
                         f"{wanted[at]!r}")
    missing = [repr(n) for n in wanted if n not in names]
    extra = [repr(n) for n in names if n not in wanted]
    words = [f"{what} {', '.join(part[:5])}" for what, part in
             (("it lacks", missing), ("it has", extra)) if part]
    raise ValueError(f"{text}: {' and '.join(words) or 'a name is there twice'}")


def check_same_rows(X, values, name):
    """ValueError where X and the values are labelled by row (pandas), and differently."""
    rows, own = getattr(X, "index", None), getattr(values, "index", None)
    if not hasattr(rows, "equals") or not hasattr(own, "equals") or len(rows) != len(own):
        return              # a wrong length has an error of its own
    if rows.equals(own):
        return
    at = next((i for i, (a, b) in enumerate(zip(rows, own, strict=True)) if not _is_same(a, b)),
              None)
    if at is None:
        return              # the same in a column of another type
    raise ValueError(
        f"the index of {name} is not that of X: row {at} is {_shown(own[at])}, that of X "
        f"{_shown(rows[at])}. "
        f"Align it ({name}.loc[X.index]), or pass {name}.to_numpy() to go by position")


def _shown(label):
    return repr(label.item() if isinstance(label, np.generic) else label)


def _is_same(a, b):
    try:
        return bool(a is b or a == b or (a != a and b != b))
    except (TypeError, ValueError):     # the NA of pandas is neither the same nor not
        return False


def place(index, names=None):
    """The words for where a cell is: by row and, where columns have names, by name."""
    if len(index) == 0:
        return "all"
    if len(index) == 1:
        return f"row {int(index[0])}"
    if len(index) == 2:
        column = int(index[1])
        return f"row {int(index[0])}, column {column if names is None else repr(names[column])}"
    return f"index {tuple(int(i) for i in index)}"
