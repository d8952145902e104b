"""Answers as columns of frames, of the types that they came in."""

import numpy as np


def columns_of(model, values, X=None):
    """What :func:`emkernels.models.containers.framed` calls for the columns of answers.

    A column is of the type that it has in X, a frame of the same library, where that holds the
    values; else a category where the fit saw one; else of the type of the levels.
    """
    items = [j for j in range(values.shape[1]) if j not in set(model.continuous_)]
    levels = dict(zip(items, model.categories_, strict=True))
    known = {j: (ordered, categories) for j, ordered, categories in model._kinds}

    def columns(library, kind, names):
        types = list(X.dtypes) if _is_frame(X, kind) else [None] * len(names)
        make = _of_pandas if kind == "pandas" else _of_polars
        return [make(library, name, _cells(values[:, j], levels.get(j)), types[j], known.get(j))
                for j, name in enumerate(names)]
    return columns


def check_kinds(kinds, n_columns):
    """ValueError for what a file says of categories, and is not that."""
    whole = isinstance(kinds, (list, tuple)) and all(
        isinstance(kind, tuple) and len(kind) == 3 for kind in kinds)
    if not whole or not all(
            isinstance(j, int) and not isinstance(j, bool) and 0 <= j < n_columns
            and isinstance(ordered, bool) and (categories is None or (
                isinstance(categories, tuple) and len(set(categories)) == len(categories)))
            for j, ordered, categories in kinds):
        raise ValueError("what it says of categories is not what a fit says")


def _is_frame(X, kind):
    return type(X).__module__.partition(".")[0] == kind and hasattr(X, "dtypes")


def _cells(cells, levels):
    """Values of one column, of the type of its levels; numbers have none."""
    if levels is None:
        return cells.astype(np.float64)
    if levels.dtype != object:
        return cells.astype(levels.dtype)
    out = np.empty(len(cells), object)
    out[:] = cells.tolist()
    return out


def _of_pandas(pandas, name, cells, like, known):
    plain = pandas.Series(cells)
    if isinstance(like, pandas.CategoricalDtype):
        known = like.ordered, tuple(like.categories)
    if known is not None and (like is None or isinstance(like, pandas.CategoricalDtype)):
        return pandas.Series(pandas.Categorical(
            cells, categories=_with(known[1], cells), ordered=known[0]))
    if like is not None:
        try:
            found = plain.astype(like)
        except (TypeError, ValueError):     # a mean among whole numbers
            return plain
        if _is_real(found) or bool((found == plain).all()):
            return found
    return plain


def _of_polars(polars, name, cells, like, known):
    try:
        plain = polars.Series(name, cells.tolist() if cells.dtype.kind not in "biuf" else cells)
    except TypeError:       # levels of several types
        return polars.Series(name, cells.tolist(), dtype=polars.Object)
    if like is None and known is not None and plain.dtype == polars.String:
        ordered, categories = known
        categories = _with(categories, cells)
        texts = all(isinstance(value, str) for value in categories)
        like = polars.Enum(categories) if ordered and texts else polars.Categorical
    if like is not None:
        try:
            found = plain.cast(like)
        except polars.exceptions.PolarsError:
            return plain
        # (categories compare as texts)
        if found.dtype.is_float() or found.cast(plain.dtype).equals(plain):
            return found
    return plain


def _is_real(series):
    return getattr(series.dtype, "kind", "") == "f"


def _with(categories, cells):
    """The categories, and values that are none of them, in the order in which they come."""
    found = list(categories or ())
    seen = set(found)
    return [*found, *(value for value in dict.fromkeys(cells.tolist()) if value not in seen)]
