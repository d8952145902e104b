"""Columns of values that are told apart and nothing else, as codes."""

import itertools
import math
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Real

import numpy as np

from emkernels._inputs._tables import (
    UnusableInputError,
    _array,
    _array_of,
    _columns,
    _real,
    _short,
    _where_missing,
    column_array,
    refuse_unread,
)

MISSING = -1
# Whole numbers up to here are counted instead of sorted.
COUNTED = 65536


@dataclass(frozen=True)
class Column:
    """A column as it was passed, and where it has no value.

    Attributes
    ----------
    values : ndarray of shape (n_samples,)
    missing : ndarray of shape (n_samples,), bool
    order : tuple or None
        The categories in their order, where the column has them.
    title : str
        What messages call it, as ``column 'age'`` or ``column 3``.
    alone : bool
        Whether it is no column of X, but an argument of its own.
    """

    values: np.ndarray
    missing: np.ndarray
    order: tuple | None
    title: str
    alone: bool = False

    @property
    def place(self):
        return self.title if self.alone else f"{self.title} of X"

    def masked(self, mask):
        """With fewer values."""
        return replace(self, missing=self.missing | mask)

    def infinite(self, value, row):
        """The words of an error."""
        return (f"{self.title} is infinite ({value}) at row {row}" if self.alone else
                f"X is infinite ({value}) at row {row}, {self.title}")


def as_columns(X, name="X"):
    """The columns of a table of any values, and their names.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_columns), data frame or table
        Missing are None, NaN, the NA of pandas, NaT, masked cells, nulls.
    name : str
        What messages call it.

    Returns
    -------
    columns : list of Column
    names : tuple of str or None
    """
    refuse_unread(X, name)
    parts, names = _columns(X), None
    if parts is not None:
        titles, parts = parts
        names = tuple(map(str, titles))
        if isinstance(parts, np.ndarray):
            parts = list(parts.T)
        return [_column(part, f"column {title!r}", name)
                for part, title in zip(parts, names, strict=True)], names
    mask = None
    if isinstance(X, np.ma.MaskedArray):
        mask, X = np.ma.getmaskarray(X), X.data
    array = _array(X, name)
    if array.ndim != 2:
        raise ValueError(f"{name} must be a 2-d table, got {array.ndim} dimension(s). Reshape "
                         f"your data: {name}.reshape(-1, 1) is one column, {name}.reshape(1, -1) "
                         "one row")
    for axis, what in enumerate(("sample", "feature")):
        if array.shape[axis] == 0:
            raise ValueError(f"Found array with 0 {what}(s) (shape={array.shape}) while a minimum "
                             "of 1 is required.")
    array = np.asfortranarray(array)        # columns are read one by one, several times
    columns = [_column(array[:, j], f"column {j}", name) for j in range(array.shape[1])]
    if mask is not None:
        columns = [c.masked(mask[:, j]) for j, c in enumerate(columns)]
    return columns, names


def _column(values, title, name):
    dtype = getattr(values, "dtype", None)
    order = getattr(dtype, "categories", None)
    if order is not None and type(dtype).__name__ == "CategoricalDtype":
        order, codes = tuple(order), np.asarray(getattr(values, "cat", values).codes)
        values, missing = np.asarray(values, dtype=object), codes < 0
    elif getattr(dtype, "kind", None) == "b" and not isinstance(dtype, np.dtype):
        order, values, missing = None, np.asarray(values, dtype=object), None   # nullable
    else:
        order, values, missing = None, column_array(values, name)[0], None
    if values.dtype.kind in "cV":
        raise UnusableInputError(
            f"{title if title == name else f'{title} of {name}'} has dtype {values.dtype}, whose "
            "values are no levels"
            + ("; Complex data not supported" if values.dtype.kind == "c" else ""))
    if missing is None:
        missing = _where_missing(values)
    if values.dtype == np.float16:      # which cannot be compared with COUNTED
        values = values.astype(np.float64)
    if values.dtype.kind == "M":        # whatever the unit, equal times are equal
        times = values.astype("datetime64[us]")
        if (times.astype(values.dtype) == values)[~missing].all():
            values = times.astype(object)
    elif values.dtype.kind == "O" and order is None:
        cells = values.tolist()
        if any(issubclass(kind, Decimal) for kind in set(map(type, cells))):
            cells = [float(cell) if isinstance(cell, Decimal) else cell for cell in cells]
            values = _array_of(cells)
    return Column(values, missing, order, title, title == name)


def as_column(values, name):
    """One column of any values, see :func:`as_columns`; messages call it by `name`."""
    refuse_unread(values, name)
    if hasattr(values, "to_numpy") and np.ndim(values) == 1:
        return _column(values, name, name)
    mask = None
    if isinstance(values, np.ma.MaskedArray):
        mask, values = np.ma.getmaskarray(values), values.data
    array = _array(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} must be a 1-d array, got {array.ndim} dimension(s)")
    column = _column(array, name, name)
    return column if mask is None else column.masked(mask)


def numbers_of(column):
    """A column of numbers as float64, NaN where missing.

    Raises
    ------
    UnusableInputError
        For what is no finite number, with its row.
    """
    values = column.values
    if values.dtype.kind == "O":
        values = np.where(column.missing, None, values)
    out = _real(values, lambda index, what: f"{column.place} is not numeric: {what}", "X",
                column.title).astype(np.float64)
    if column.missing.any():
        out = np.where(column.missing, np.nan, out)
    bad = np.flatnonzero(np.isinf(out))
    if len(bad):
        raise UnusableInputError(column.infinite(out[bad[0]], int(bad[0])))
    return out


class Levels:
    """The values of a column that are levels; a merge adds those of rows that follow.

    Parameters
    ----------
    column : Column
    used : ndarray of shape (n_samples,), bool, optional
        Rows whose values are levels.

    Raises
    ------
    UnusableInputError
        For an infinity, and for what cannot be a key, with its row.
    """

    def __init__(self, column, used=None):
        inside = ~column.missing if used is None else ~column.missing & used
        _refuse_infinities(column, inside)
        self.numbers, self.others, self.order = None, None, column.order
        if column.values.dtype.kind in "biuf":
            self.numbers = _numbers(column.values, inside)
        else:
            self.others = _found(column, inside)

    def __len__(self):
        return len(self.others if self.numbers is None else self.numbers)

    def merge(self, other):
        if self.numbers is not None and other.numbers is not None:
            self.numbers = np.unique(np.concatenate([self.numbers, other.numbers]))
        else:
            self.others = self._values() | other._values()      # of equal ones the first
            self.numbers = None
        if self.order != other.order:       # as of columns that are joined
            self.order = None
        return self

    def _values(self):
        return self.others if self.numbers is None else set(self.numbers.tolist())

    def sorted(self):
        """Whole and other numbers, bool and texts sorted, categories in their order; values of
        several types by these, numbers first."""
        if self.numbers is not None:
            return self.numbers
        if self.order is not None:
            return _objects([value for value in self.order if value in self.others])
        return _sorted(self.others)


def levels_of(column, used=None):
    """The levels of a column, sorted, and the code of each row.

    Parameters
    ----------
    column : Column
    used : ndarray of shape (n_samples,), bool, optional
        Rows whose values are levels; those of other rows that are none have the code -1.

    Returns
    -------
    levels : ndarray
        Whole and other numbers, bool and texts sorted, categories in their order; values of
        several types by these, numbers first.
    codes : ndarray of shape (n_samples,), int64
        -1 where missing.

    Raises
    ------
    UnusableInputError
        For an infinity, and for what cannot be a key, with its row.
    """
    levels = Levels(column, used).sorted()
    codes = codes_of(column, levels, strict=False)
    if used is not None:
        codes[~used] = MISSING
    return levels, codes


def codes_of(column, levels, *, strict=True):
    """The code of each row among levels that are known, -1 where missing.

    Raises
    ------
    ValueError
        For a value that is no level, unless not `strict`: it then is -1 too.
    """
    if strict:
        _refuse_infinities(column, ~column.missing)
    values, missing = column.values, column.missing
    if values.dtype.kind in "biuf" and levels.dtype.kind in "biuf":
        codes = _codes_of_numbers(values, missing, levels)
    else:
        key = {value: code for code, value in enumerate(levels.tolist())}
        codes = np.full(len(values), MISSING)
        try:
            codes[~missing] = list(map(
                key.get, values[~missing].tolist(), itertools.repeat(MISSING)))
        except TypeError:
            _found(column, ~missing)        # names the row
            raise
    if strict:
        unseen = np.flatnonzero((codes == MISSING) & ~missing)
        if len(unseen):
            row = int(unseen[0])
            shown = ", ".join(repr(value) for value in levels[:6].tolist())
            raise ValueError(
                f"{column.place} has the value {_shown(values[row])} at row {row}, which the "
                f"fit has not seen: its levels are {shown}" + (", ..." if len(levels) > 6 else ""))
    return codes


def _refuse_infinities(column, inside):
    values = column.values
    if values.dtype.kind == "f":
        bad = np.isinf(values)
    elif values.dtype.kind == "O":
        cells = values.tolist()
        if not any(issubclass(kind, (float, np.floating)) for kind in set(map(type, cells))):
            return
        bad = np.array([isinstance(value, (float, np.floating))
                        and math.isinf(value) for value in cells], bool)
    else:
        return
    bad = np.flatnonzero(bad & inside)
    if len(bad):
        raise UnusableInputError(
            f"{column.infinite(values[bad[0]], int(bad[0]))}: that is no level")


def _numbers(values, inside):
    values = values if inside.all() else values[inside]
    if values.dtype.kind == "b" or not len(values):
        return np.unique(values)
    least, most = values.min(), values.max()
    if least >= 0 and most < COUNTED:
        whole = values.astype(np.int64)
        if values.dtype.kind != "f" or np.array_equal(whole, values):
            return np.flatnonzero(np.bincount(whole)).astype(values.dtype)
    return np.unique(values)


def _codes_of_numbers(values, missing, levels):
    codes = np.full(len(values), MISSING)
    if not len(levels):
        return codes
    levels = levels.astype(np.result_type(levels, values), copy=False)
    known = ~missing
    least, most = levels.min(), levels.max()    # categories of numbers may be in any order
    if least >= 0 and most < COUNTED and (
            levels.dtype.kind != "f" or np.array_equal(levels, np.floor(levels))):
        table = np.full(int(most) + 2, MISSING)
        table[levels.astype(np.int64)] = np.arange(len(levels))
        # the last of the table is for what is missing
        filled = np.where(missing, most + 1, values) if missing.any() else values
        if filled.dtype.kind != "b" and filled.min() >= 0 and filled.max() <= most + 1:
            whole = filled.astype(np.intp)
            if filled.dtype.kind != "f" or np.array_equal(whole, filled):
                return table[whole]
        inside = known & (values >= 0) & (values <= most)
        whole = np.where(inside, values, 0).astype(np.int64)
        inside &= whole == values
        codes[inside] = table[whole[inside]]
        return codes
    order = np.argsort(levels, kind="stable")
    ranked = levels[order]
    at = np.minimum(np.searchsorted(ranked, values[known]), len(levels) - 1)
    codes[known] = np.where(ranked[at] == values[known], order[at], MISSING)
    return codes


def _found(column, inside):
    """The values of some rows as a set."""
    values = column.values[inside].tolist()
    try:
        return set(values)
    except TypeError:
        rows = np.flatnonzero(inside)
        for row, value in zip(rows, values, strict=True):
            try:
                hash(value)
            except TypeError:
                raise UnusableInputError(
                    f"{column.place} holds {_shown(value)} at row {int(row)}, which is no "
                    "level: an argument must be a string or a number") from None
        raise


def _sorted(found):
    try:
        ordered = sorted(found)
    except TypeError:
        numbers = [value for value in found if isinstance(value, Real)]
        ordered, kinds = sorted(numbers), {}
        for value in found.difference(numbers):
            kinds.setdefault(type(value).__name__, []).append(value)
        for kind in sorted(kinds):
            try:
                ordered += sorted(kinds[kind])
            except TypeError:
                ordered += sorted(kinds[kind], key=repr)
    return _objects(ordered)


def _objects(values):
    """An array of texts, bool or numbers where all are of one of these, else of objects."""
    if values and all(type(value) is type(values[0]) for value in values) and isinstance(
            values[0], (str, bool, int, float)):
        array = np.array(values)
        if array.ndim == 1 and array.dtype.kind in "Ubif":
            return array
    return _array_of(values)


def _shown(value):
    return _short(value.item() if isinstance(value, np.generic) else value)
