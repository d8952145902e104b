"""Labels of rows whose component is known."""

import numpy as np

from emkernels._inputs._tables import (
    UnusableInputError,
    column_array,
    is_missing,
    refuse_unread,
)


def as_labels(labels, n_samples, n_components, name="labels", *, classes=True):
    """Known components of rows, and what they are called.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        Whole numbers of any type (floats with NaN, nullable integers), -1 or missing where a
        row's component is not known; bool, component 0 being False; texts or a categorical,
        whose order is that of its categories, else that of sorting.
    n_samples, n_components : int
    name : str
    classes : bool
        Whether texts are taken; else they are an error.

    Returns
    -------
    codes : int32 ndarray of shape (n_samples,)
        -1 where not known.
    classes : ndarray
        What component k is called, for the first components at least.
    """
    refuse_unread(labels, name)
    categories = _categories(labels)
    if categories is not None:
        return _from_texts(labels, n_samples, n_components, name, categories, classes)
    mask = None
    if isinstance(labels, np.ma.MaskedArray):
        mask, labels = np.ma.getmaskarray(labels), labels.data
    array, dtype = column_array(labels, name)
    if array.shape != (n_samples,):
        raise ValueError(f"{name} must have shape ({n_samples},), got {array.shape}")
    if mask is not None and mask.any():
        array = np.where(mask, None, array)
    if array.dtype.kind in "USO":
        known = np.array([not is_missing(value) and value == value for value in array], bool)
        if any(isinstance(value, (str, bytes)) for value in array[known]):
            return _from_texts(array, n_samples, n_components, name, None, classes)
        return _from_numbers(array, known, n_components, name)
    if array.dtype.kind not in "biuf":
        raise UnusableInputError(
            f"{name} must hold integers, bool or texts, got dtype {array.dtype}")
    known = ~np.isnan(array) if array.dtype.kind == "f" else np.ones(n_samples, bool)
    return _from_numbers(array, known, n_components, name, dtype.kind == "b")


def _from_numbers(array, known, n_components, name, is_bool=False):
    codes = np.full(len(array), -1, np.int32)
    values = array[known]
    if array.dtype.kind == "O":
        is_bool = len(values) > 0 and all(isinstance(value, (bool, np.bool_)) for value in values)
        bad = [i for i, value in zip(np.flatnonzero(known), values, strict=True)
               if not hasattr(value, "__float__") or isinstance(value, (complex, np.ndarray))]
        if bad:
            raise UnusableInputError(
                f"{name} must hold integers, bool or texts, got {array[bad[0]]!r} at row {bad[0]}")
        values = values.astype(np.float64)
    off = np.flatnonzero((values != np.floor(values)) | (values < -1) | (values >= n_components))
    if len(off):
        row = int(np.flatnonzero(known)[off[0]])
        value = array[row]
        if not float(value).is_integer():
            raise ValueError(f"{name} must hold integers, got {value} at row {row}")
        raise ValueError(
            f"{name} must lie in -1 .. {n_components - 1}, got {value} at row {row}: "
            "components are counted from 0, or named by texts")
    codes[known] = values.astype(np.int32)
    return codes, np.array([False, True])[:n_components] if is_bool else np.arange(n_components)


def _categories(labels):
    """The categories of a categorical of texts, or None."""
    dtype = getattr(labels, "dtype", None)
    categories = getattr(dtype, "categories", None)
    if categories is None or type(dtype).__name__ == "Categorical":     # of polars: no order
        return None
    try:
        categories = list(categories)
    except TypeError:
        return None
    texts = any(isinstance(value, str) for value in categories)
    return [str(value) for value in categories] if texts else None


def _from_texts(values, n_samples, n_components, name, categories, classes):
    array = np.asarray(values, dtype=object)
    if array.shape != (n_samples,):
        raise ValueError(f"{name} must have shape ({n_samples},), got {array.shape}")
    known = np.array([not is_missing(value) and value == value for value in array], bool)
    if not classes:
        row = int(np.flatnonzero(known)[0]) if known.any() else 0
        raise UnusableInputError(f"{name} must hold integers, got {array[row]!r} at row {row}")
    for row in np.flatnonzero(known):
        if isinstance(array[row], bytes):
            array[row] = array[row].decode(errors="replace")
        if not isinstance(array[row], str):
            raise UnusableInputError(
                f"{name} mixes texts and {type(array[row]).__name__}: {array[row]!r} at row {row}")
    found = sorted(set(array[known])) if categories is None else categories
    if len(found) > n_components:
        raise ValueError(
            f"{name} must name at most {n_components} components, got {len(found)}: "
            f"{', '.join(map(repr, found[:5]))}" + (", ..." if len(found) > 5 else "")
            + ("" if categories is None else " (categories without rows count too)"))
    code_of = {value: k for k, value in enumerate(found)}
    codes = np.full(n_samples, -1, np.int32)
    codes[known] = [code_of[value] for value in array[known]]
    return codes, np.array(found, dtype=object if not found else None)
