"""Tables and columns of any container as plain float arrays.

Missing is None, NaN, the NA of pandas, NaT among objects, a masked cell, a null of Arrow and
polars: NaN in the array. All else that is no real number is refused by column and row.
"""

import warnings
from decimal import Decimal

import numpy as np

from emkernels._inputs._names import NamedTable, place

TEXTS = "turn texts of numbers into numbers (pandas.to_numeric), categories into columns of 0 and 1"
REMEDIES = {
    "U": TEXTS, "S": TEXTS,
    "M": "turn dates into numbers, as days since the first: (t - t.min()) / pandas.Timedelta('1D')",
    "m": "divide durations by a unit, as pandas.Timedelta('1D')",
    "c": "Complex data not supported: pass real and imaginary parts as columns",
    "V": "pass a data frame, or numpy.lib.recfunctions.structured_to_unstructured",
    "O": "a cell of this argument must be no string, date or other object, but a number",
}


PLAIN = {type(None), bool, bytes, float, int, str}


class UnusableInputError(TypeError, ValueError):
    """What is passed holds something that is no real number.

    Of a wrong type to who thinks of arrays, of a wrong value to who thinks of cells: both.
    """


def is_plain(values):
    """Whether it is a float32 or float64 array that can be used as it is."""
    return type(values) is np.ndarray and values.dtype.char in "fd" and values.dtype.isnative


def as_rows(X, name="X", *, missing=True):
    """The array of :func:`as_table`."""
    return X if is_plain(X) else as_table(X, name, missing=missing)[0]


def as_table(X, name="X", *, missing=True):
    """A float32 or float64 array of any number of axes, and the names of its columns.

    Parameters
    ----------
    X : array-like, data frame, series or table
        A plain array of float32 or float64 is returned as it is. A table is float32 where every
        column fits it, as NumPy has it.
    name : str
        What messages call it.
    missing : bool
        Whether masked cells are missing values; else they are a TypeError.

    Returns
    -------
    values : ndarray
        NaN where missing.
    names : tuple of str or None
    """
    if is_plain(X):
        return X, None
    if isinstance(X, NamedTable):
        return X.X, X.names
    refuse_unread(X, name)
    columns = _columns(X)
    if columns is not None:
        return _from_columns(*columns, name)
    mask = None
    if isinstance(X, (list, tuple)) and any(isinstance(row, np.ma.MaskedArray) for row in X):
        X = np.ma.stack([np.ma.asarray(row) for row in X])
    if isinstance(X, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(X)
        if mask.dtype != bool:      # of records
            raise _not_numbers(np.asarray(X.data), name)
        mask = mask if mask.any() else None
        if mask is not None and not missing:
            raise TypeError(
                f"{name} is a masked array, and masked cells (the first at "
                f"{place(np.argwhere(mask)[0])}) cannot be missing here: leave such rows out, or "
                "fill them")
        X = X.data
    array = _array(X, name)
    if mask is not None and array.dtype.kind == "O":
        array = np.where(mask, None, array)
    values = _real(array, lambda index, what: f"{_subject(index, name)} is not numeric: {what}",
                   name)
    if mask is not None:
        values = np.where(mask, values.dtype.type(np.nan), values)
    return values, None


def column_array(values, name):
    """One column or series as the NumPy array that holds it best, and its dtype."""
    dtype = getattr(values, "dtype", None)
    own = getattr(dtype, "numpy_dtype", None)       # of a nullable column
    if isinstance(own, np.dtype) and own.kind in "biuf" and not isinstance(dtype, np.dtype):
        wide = np.float32 if own == np.float32 else np.float64
        return values.to_numpy(dtype=wide, na_value=np.nan), own
    if own is not None and hasattr(values, "to_numpy") and not isinstance(dtype, np.dtype):
        array = values.to_numpy(dtype=object)       # strings, decimals and dates of Arrow
        return array, array.dtype
    if hasattr(values, "to_pylist"):                # Arrow
        # of a dictionary in chunks Arrow makes the last entry of a null
        if hasattr(getattr(values, "type", None), "value_type") and hasattr(
                values.type, "index_type"):
            values = values.cast(values.type.value_type)
        try:
            array = np.asarray(values.to_numpy(**(
                {} if hasattr(values, "chunks") else {"zero_copy_only": False})))
        except (TypeError, ValueError, NotImplementedError):
            array = _array_of(values.to_pylist())
        return array, array.dtype
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    array = _array(values, name)
    return array, array.dtype


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _array_of(items):
    """A 1-d array of objects, whatever they are."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def refuse_unread(X, name):
    """TypeError for what holds no dense rows, with what to call."""
    kind = type(X).__name__
    if kind == "LazyFrame":
        raise TypeError(f"{name} is a LazyFrame, which has no rows yet: pass {name}.collect()")
    if hasattr(X, "columns") and hasattr(X, "compute"):     # of dask
        raise TypeError(f"{name} is a {kind} whose rows are not read yet: pass {name}.compute()")
    if hasattr(X, "nnz") and (hasattr(X, "toarray") or hasattr(X, "todense")):
        raise TypeError(f"{name} is sparse ({kind}), and dense rows are needed: pass "
                        f"{name}.toarray()")


def _columns(X):
    """The names of a frame or table as texts, and its columns; None for anything else."""
    if isinstance(X, NamedTable):
        return X.names, X.X
    if hasattr(X, "column_names") and hasattr(X, "column"):         # Arrow
        return X.column_names, [X.column(j) for j in range(len(X.column_names))]
    if hasattr(X, "columns") and hasattr(X, "get_columns"):         # polars
        return X.columns, X.get_columns()
    if hasattr(X, "columns") and hasattr(X, "iloc"):                # pandas
        kinds = set(X.dtypes)
        if len(kinds) == 1 and next(iter(kinds)) in (np.float32, np.float64):
            return X.columns, X.to_numpy()
        return X.columns, [X.iloc[:, j] for j in range(X.shape[1])]
    return None


def _from_columns(names, columns, name):
    names = tuple(map(str, names))
    if isinstance(columns, np.ndarray):
        return columns, names
    parts, dtypes = [], []
    for title, column in zip(names, columns, strict=True):
        array, dtype = column_array(column, name)
        parts.append(_real(
            array, lambda index, what, title=title:
            f"column {title!r} of {name} is not numeric: {what}", name, title))
        dtypes.append(dtype if dtype.kind in "biuf" else np.dtype(np.float64))
    narrow = parts and np.result_type(*dtypes) == np.float32
    n_rows = len(parts[0]) if parts else 0
    values = np.empty((n_rows, len(parts)), np.float32 if narrow else np.float64, order="F")
    for j, part in enumerate(parts):
        values[:, j] = part
    return values, names


def _array(X, name):
    """np.asarray with errors that say what to do, and texts beside numbers left as they are."""
    try:
        if isinstance(X, (list, tuple)):
            with warnings.catch_warnings():
                # NumPy says that it makes a masked cell NaN, and so it shall
                warnings.filterwarnings("ignore", "Warning: converting a masked element to nan")
                array = np.asarray(X)
        else:
            array = np.asarray(X)
    except ValueError as error:
        rows = X if isinstance(X, (list, tuple)) else []
        for i, row in enumerate(rows):
            for j, cell in enumerate(row if isinstance(row, (list, tuple)) else []):
                if isinstance(cell, (list, tuple, np.ndarray)):
                    raise UnusableInputError(
                        f"{name} holds {_short(cell)} at {place((i, j))}, where one value is "
                        "needed") from None
        lengths = [np.shape(row) for row in rows]
        odd = [i for i, length in enumerate(lengths) if length != lengths[0]]
        if not odd:
            raise UnusableInputError(f"{name} cannot be read as a table: {error}") from None
        raise UnusableInputError(
            f"{name} is not rectangular: row {odd[0]} has shape {lengths[odd[0]]}, row 0 "
            f"{lengths[0]}") from None
    except Exception as error:
        call = "get()" if hasattr(X, "get") and not hasattr(X, "cpu") else "detach().cpu().numpy()"
        raise UnusableInputError(
            f"{name} ({type(X).__module__.split('.')[0]}.{type(X).__name__}) cannot be read as a "
            f"NumPy array where it is: pass {name}.{call}") from error
    if array.dtype.kind in "US" and not isinstance(X, np.ndarray) and hasattr(X, "__len__"):
        return np.array(X, dtype=object)
    return array


def _subject(index, name):
    return f"column {int(index[1])} of {name}" if len(index) == 2 else name


def _real(array, subject, name, title=None):
    """float32 or float64; `subject` makes the words of an error of an index and a cell."""
    kind = array.dtype.kind
    if kind == "f":
        if array.dtype.itemsize == 4:
            return array.astype(np.float32, copy=False)
        return array.astype(np.float64, copy=False)
    if kind in "biu":
        return array.astype(np.float64)
    if kind == "O" and array.ndim > 0:
        return _from_objects(array, subject)
    if title is not None:
        row = (_unusable_text(array),)
        raise UnusableInputError(
            f"{subject(row, f'{array[row]!s} ({array.dtype}) at row {row[0]}')}; "
            f"{REMEDIES.get(kind, REMEDIES['O'])}" if array.size else f"{subject((0,), kind)}")
    raise _not_numbers(array, name)


def _not_numbers(array, name):
    """The error of an array whose dtype holds no real numbers."""
    where = ""
    if array.size and array.ndim:
        index = np.unravel_index(_unusable_text(array.reshape(-1)), array.shape)
        where = f" ({array[index]!s} at {place(index)})"
    elif array.ndim == 0 and array.dtype.kind == "O":
        where = f" ({type(array.item()).__name__})"
        return UnusableInputError(
            f"{name} must hold real numbers, got dtype object{where}: pass an array, rows of "
            "numbers or a data frame")
    dtype = "of records" if array.dtype.kind == "V" else array.dtype
    return UnusableInputError(f"{name} must hold real numbers, got dtype {dtype}{where}; "
                              + REMEDIES.get(array.dtype.kind, REMEDIES["O"]))


def _unusable_text(array):
    """The first that is no number; 0 where all are texts of numbers."""
    if array.dtype.kind in "US":
        for i, text in enumerate(array):
            if not _is_number(text):
                return i
    return 0


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _from_objects(array, subject):
    out = np.empty(array.shape)
    flat, cells = out.reshape(-1), array.reshape(-1)
    bad = -1
    for i, value in enumerate(cells):
        number = number_of(value)
        if number is not None:
            flat[i] = number
        elif bad < 0 or (_text_of_number(cells[bad]) and not _text_of_number(value)):
            bad = i
            if not _text_of_number(value):
                break
    if bad < 0:
        return out
    value, index = cells[bad], np.unravel_index(bad, array.shape)
    kind = ("U" if isinstance(value, (str, bytes)) else
            "c" if isinstance(value, (complex, np.complexfloating)) else
            "M" if hasattr(value, "year") or isinstance(value, np.datetime64) else
            "m" if hasattr(value, "total_seconds") or isinstance(value, np.timedelta64) else "O")
    raise UnusableInputError(f"{subject(index, f'{_short(value)} at row {int(index[0])}')}; "
                             f"{REMEDIES[kind]}")


def _text_of_number(value):
    return isinstance(value, (str, bytes)) and _is_number(value)


def is_missing(value):
    """None, the NA of pandas, NaT and masked; NaN is a number here."""
    return (value is None or value is np.ma.masked
            or type(value).__name__ in ("NAType", "NaTType", "_NoValueType")
            or (isinstance(value, (np.datetime64, np.timedelta64)) and np.isnat(value)))


def number_of(value):
    """A float, NaN for what is missing, None for what is no real number."""
    if type(value) in (float, int, np.float64):
        try:
            return float(value)
        except OverflowError:
            return None
    if is_missing(value):
        return np.nan
    if isinstance(value, (str, bytes, complex, np.complexfloating, np.datetime64, np.timedelta64,
                          np.ndarray)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def missing_cells(X, name="X"):
    """Where cells are missing, bool, whatever they hold otherwise, and the names of columns."""
    refuse_unread(X, name)
    columns = _columns(X)
    if columns is not None:
        names, parts = columns
        if not isinstance(parts, np.ndarray):
            parts = [_where_missing(column_array(column, name)[0]) for column in parts]
            parts = np.stack(parts, axis=1) if parts else np.zeros((len(X), 0), bool)
            return parts, tuple(map(str, names))
        return np.isnan(parts), tuple(map(str, names))
    if isinstance(X, np.ma.MaskedArray):
        return np.ma.getmaskarray(X) | _where_missing(X.data), None
    return _where_missing(_array(X, name)), None


def _where_missing(array):
    if array.dtype.kind in "fc":
        return np.isnan(array)
    if array.dtype.kind in "Mm":
        return np.isnat(array)
    if array.dtype.kind != "O":
        return np.zeros(array.shape, bool)
    cells = array.reshape(-1).tolist()
    if set(map(type, cells)) <= PLAIN:      # what most columns hold, cell by cell in few words
        missing = [value is None or value != value for value in cells]
    else:
        missing = [is_missing(value) or (isinstance(value, (float, np.floating, Decimal))
                                         and value != value) for value in cells]
    return np.array(missing, bool).reshape(array.shape)
