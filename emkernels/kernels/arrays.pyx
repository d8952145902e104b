"""Arguments of the Python faces: checked, converted where they must be, and their addresses."""

import math

import numpy as np

from cython.parallel cimport prange
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer)
from libc.string cimport memset

from emkernels import _inputs
from emkernels._simd.table cimport Table
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport check_status, look_for_signal
from emkernels.kernels.threads cimport check_threads, forked, note_threads

cdef extern from "parallel.h" nogil:
    int emk_in_parallel()

cdef enum:
    CHUNK_CELLS = 65536     # that a thread looks at
    CHUNKS = 256            # between looks for a signal
    FEW_CHUNKS = 4          # that one thread has looked at sooner

cdef bint is_double(object X) except -1:
    return X.dtype.itemsize == 8


cdef object as_matrix(object array, str name, bint missing=False):
    """A 2-d float32 or float64 array, the caller's own where it is one; missing: whether masked
    cells may be missing values."""
    array = _inputs.as_rows(array, name, missing=missing)
    if array.ndim != 2:
        raise ValueError(f"{name} must be a 2-d array, got {array.ndim} dimension(s)")
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise ValueError(f"{name} must have at least one row and one column, got {array.shape}")
    return array


cdef object as_packed(object array, object dtype):
    """Contiguous and aligned, the caller's own where it is."""
    array = np.ascontiguousarray(array, dtype=dtype)
    return array if array.flags.aligned else array.copy()


cdef object as_float64(object array, str name, tuple shape):
    """A finite C-contiguous float64 array of the given shape (None: any size)."""
    cdef const double *values
    cdef Py_ssize_t i, n
    array = as_packed(_inputs.as_rows(array, name, missing=False), np.float64)
    if array.ndim != len(shape):
        raise ValueError(f"{name} must have {len(shape)} dimension(s), got shape {array.shape}")
    for i in range(len(shape)):
        if shape[i] is not None and array.shape[i] != shape[i]:
            wanted = str(shape).replace("None", "any")
            raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
    values = <const double*>address(array)
    n = array.size
    for i in range(n):
        if values[i] - values[i] != 0:
            raise ValueError(
                f"{name} contains {values[i]} at index "
                f"{', '.join(map(str, np.unravel_index(i, array.shape)))}"
            )
    return array


cdef object as_centers(object centers, str name, object X):
    """Checked centres of at least one component, for the columns of X."""
    centers = as_float64(centers, name, (None, X.shape[1]))
    if centers.shape[0] == 0:
        raise ValueError(f"{name} must have at least one row")
    if not is_double(X) and max(centers.max(), -centers.min()) > np.finfo(np.float32).max:
        raise ValueError(f"{name} must fit into float32, the precision of X")
    return centers


cdef object as_weights(object sample_weight, Py_ssize_t n_samples):
    """Contiguous float64 weights, none negative, some positive; None stays None."""
    cdef const double *w
    cdef Py_ssize_t i
    cdef double total = 0
    if sample_weight is None:
        return None
    sample_weight = as_float64(sample_weight, "sample_weight", (n_samples,))
    w = <const double*>address(sample_weight)
    for i in range(n_samples):
        if w[i] < 0:
            raise ValueError(f"sample_weight must not be negative, got {w[i]} at row {i}")
        total += w[i]
    if not total > 0:
        raise ValueError("sample_weight must have a positive sum, every weight is zero")
    return sample_weight


cpdef tuple weights_in_unit(object sample_weight, object dtype):
    """Checked weights as rows of `dtype` can have them, and the unit that they are then in.

    float32 blocks hold the weights in float32: the largest is brought into [1/2, 1) by a power of
    two, which rounds nothing. Statistics times the unit are those of the weights given.
    """
    if sample_weight is None or dtype != np.float32:
        return sample_weight, 1.0
    largest = sample_weight.max()
    if 2.0**-40 < largest <= 1:
        return sample_weight, 1.0
    exponent = int(np.frexp(largest)[1])
    return np.ldexp(sample_weight, -exponent), math.ldexp(1.0, exponent)


cdef object in_unit(object sums, double unit):
    """Sums times the unit of weights_in_unit."""
    return sums if unit == 1 else sums * unit


cdef object as_labels(object labels, Py_ssize_t n_samples, Py_ssize_t n_components, str name):
    """Contiguous int32 labels in -1 .. n_components - 1."""
    cdef const int *values
    cdef Py_ssize_t i
    if type(labels) is not np.ndarray or labels.dtype.kind not in "iu":
        labels = _inputs.as_labels(labels, n_samples, n_components, name, classes=False)[0]
    if labels.shape != (n_samples,):
        raise ValueError(f"{name} must have shape ({n_samples},), got {labels.shape}")
    if labels.dtype != np.int32:
        outside = (labels < -1) | (labels >= n_components)
        if outside.any():
            i = int(outside.argmax())
            raise ValueError(
                f"{name} must lie in -1 .. {n_components - 1}, got {labels[i]} at row {i}"
            )
    labels = as_packed(labels, np.int32)
    values = <const int*>address(labels)
    for i in range(n_samples):
        if values[i] < -1 or values[i] >= n_components:
            raise ValueError(
                f"{name} must lie in -1 .. {n_components - 1}, got {values[i]} at row {i}"
            )
    return labels


cdef object output(object out, tuple shape, object dtype, str name, dict read):
    """A C-contiguous array to write to: `out` checked, or a new one. read: names and arrays of
    what is read while it is written."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be a numpy array, got {type(out).__name__}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(
            f"{name} must have shape {shape} and dtype {np.dtype(dtype)}, "
            f"got {out.shape} and {out.dtype}"
        )
    if not out.flags.c_contiguous or not out.flags.aligned:
        raise ValueError(f"{name} must be C-contiguous and aligned")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only")
    for other, array in read.items():
        if array is not None and np.may_share_memory(out, array):
            raise ValueError(f"{name} must be an array of its own, it overlaps {other}")
    return out


cdef object checked_sums(object sums):
    """A named tuple of sums over finite rows; ValueError where one is infinity less infinity, or
    zero times infinity, and so no number."""
    for name, values in zip(sums._fields, sums):
        # labels, of which there are as many as rows, are left alone
        if values is None or np.asarray(values).dtype.kind != "f" or not np.isnan(values).any():
            continue
        where = np.argwhere(np.isnan(values))[0].tolist()
        raise ValueError(
            f"the sums over X overflow, {name} is not a number at {where}: X, the means or "
            "sample_weight are too large, other units of the columns help")
    return sums


cdef void *address(object array) except? NULL:
    """Address of the first element; the array must outlive its use."""
    cdef Py_buffer view
    cdef void *data
    PyObject_GetBuffer(array, &view, PyBUF_STRIDES)
    data = view.buf
    PyBuffer_Release(&view)
    return data


cdef void *checked(object array, bytes kinds, Py_ssize_t itemsize) except? NULL:
    """Address of a C-contiguous array of this type, NULL for None. ValueError or TypeError for
    another: what a caller forgot to convert is not read beyond its end."""
    cdef Py_buffer view
    cdef void *data
    cdef bint fits
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
    data = view.buf
    # "=" stands before the type of an array that is not aligned, as those that Dask moves
    fits = view.itemsize == itemsize and view.format != NULL and (
        view.format[view.format[0] == c"="] in kinds)
    PyBuffer_Release(&view)
    if not fits:
        raise TypeError(f"an array of type {chr(kinds[0])!r} is needed, got {array.dtype}")
    return data


cdef const double *pointer(object array) except? NULL:
    """That of an array of float64; NULL for None."""
    return <const double*>checked(array, b"d", sizeof(double))


cdef const double *shaped(object array, str name, tuple shape) except? NULL:
    """The same of an array that must have this shape; ValueError names it where it has another, as
    where a user has set it by hand."""
    if array is not None and np.shape(array) != shape:
        raise ValueError(f"{name} has shape {np.shape(array)}, and {shape} is needed")
    return pointer(array)


cdef Py_ssize_t length_of(object array) except -1:
    """Along the first axis; 1 of a number, whose shape is then found wrong."""
    return np.shape(array)[0] if np.ndim(array) else 1


cdef const int *indices(object array) except? NULL:
    """That of an array of int32; NULL for None."""
    return <const int*>checked(array, b"il", sizeof(int))


cdef Rows rows_at(const char *X, Py_ssize_t n_samples, Py_ssize_t n_features,
                  Py_ssize_t row_stride, Py_ssize_t column_stride, Py_ssize_t itemsize,
                  const double *sample_weight) noexcept nogil:
    cdef Rows rows
    memset(&rows, 0, sizeof(Rows))
    rows.x = X
    rows.n_samples = n_samples
    rows.n_features = n_features
    rows.row_stride = row_stride * itemsize
    rows.column_stride = column_stride * itemsize
    rows.sample_weight = sample_weight
    return rows


cdef int set_rows(Rows *rows, object X) except -1:
    cdef Py_buffer view
    memset(rows, 0, sizeof(Rows))
    PyObject_GetBuffer(X, &view, PyBUF_STRIDES)
    rows.x = <const char*>view.buf
    rows.n_samples = view.shape[0]
    rows.n_features = view.shape[1]
    rows.row_stride = view.strides[0]
    rows.column_stride = view.strides[1]
    PyBuffer_Release(&view)
    return 0


cdef double check_rows_finite(const Rows *rows, bint is_double, str name,
                              object n_threads=1) except -1:
    """The largest absolute value; ValueError naming the row and column of the first NaN or
    infinity."""
    cdef Py_ssize_t chunk = CHUNK_CELLS // rows.n_features + 1, first = 0, at = -1, i, n
    cdef const Table *table = table_of(is_double)
    cdef double largest[CHUNKS]
    cdef Py_ssize_t found[CHUNKS]
    cdef int threads = check_threads(n_threads)
    if (rows.n_samples + chunk - 1) // chunk < FEW_CHUNKS or forked() or emk_in_parallel():
        threads = 1
    for i in range(CHUNKS):
        largest[i] = 0
    while first < rows.n_samples and at < 0:
        # rows with gaps mostly have one in the first
        n = min(<Py_ssize_t>(CHUNKS if first > 0 else 1),
                (rows.n_samples - first + chunk - 1) // chunk)
        with nogil:
            if threads == 1 or n == 1:
                for i in range(n):
                    found[i] = table.first_nonfinite(
                        rows, first + i * chunk,
                        min(chunk, rows.n_samples - first - i * chunk), largest)
            else:
                note_threads()
                for i in prange(n, schedule="static", num_threads=threads):
                    found[i] = table.first_nonfinite(
                        rows, first + i * chunk,
                        min(chunk, rows.n_samples - first - i * chunk), largest + i)
        for i in range(n - 1, -1, -1):
            at = found[i] if found[i] >= 0 else at
        first += n * chunk
        check_status(look_for_signal())
    if at >= 0:
        raise ValueError(
            f"{name} contains NaN or infinity, first at row {at // rows.n_features}, "
            f"column {at % rows.n_features}"
        )
    for i in range(1, CHUNKS):
        largest[0] = max(largest[0], largest[i])
    return largest[0]


def check_finite(X, name="X", n_threads=None):
    """The largest absolute value of X, and an error where it has NaN or infinity.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Real numbers; a masked cell counts as NaN.
    name : str
        What the message calls it.
    n_threads : int, optional
        Of a large X.

    Returns
    -------
    float
        The largest absolute value.

    Raises
    ------
    ValueError, TypeError
        NaN or infinity, whose row and column are named; what is no table of real numbers.

    See Also
    --------
    missing_patterns : Where NaN is a missing value.
    check_sample_weight : The same of weights.

    Examples
    --------
    >>> from emkernels.kernels import check_finite
    >>> check_finite([[1.0, -3.0]])
    3.0
    >>> check_finite([[1.0, float("inf")]])
    Traceback (most recent call last):
        ...
    ValueError: X contains NaN or infinity, first at row 0, column 1
    """
    cdef Rows rows
    X = as_matrix(X, name, True)
    set_rows(&rows, X)
    return check_rows_finite(&rows, is_double(X), name, n_threads)


def check_sample_weight(sample_weight, Py_ssize_t n_samples):
    """Weights as the kernels read them, and an error where one is none.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), or None
        None of them negative, some positive.
    n_samples : int
        How many rows there are.

    Returns
    -------
    ndarray of shape (n_samples,), float64, or None
        Contiguous.

    Raises
    ------
    ValueError, TypeError
        Another number of weights; a negative or missing one, whose row is named; zeros alone.

    See Also
    --------
    check_finite : The same of rows.
    check_labels : The same of labels.

    Examples
    --------
    >>> from emkernels.kernels import check_sample_weight
    >>> check_sample_weight([1, 0, 2], 3)
    array([1., 0., 2.])
    """
    return as_weights(sample_weight, n_samples)


def check_labels(labels, Py_ssize_t n_samples, Py_ssize_t n_components, name="labels"):
    """Labels as the kernels read them, and an error where one is none.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        Whole numbers in -1 .. n_components - 1; -1 where one is missing.
    n_samples, n_components : int
        How many rows and components there are.
    name : str
        What the message calls them.

    Returns
    -------
    ndarray of shape (n_samples,), int32
        Contiguous.

    Raises
    ------
    ValueError, TypeError
        Another number of labels; one that is out of range or not whole, whose row is named.

    See Also
    --------
    check_sample_weight : The same of weights.
    weighted_moments : Takes labels as `resp`.

    Examples
    --------
    >>> from emkernels.kernels import check_labels
    >>> check_labels([0, 2, -1], 3, 3)
    array([ 0,  2, -1], dtype=int32)
    """
    return as_labels(labels, n_samples, n_components, name)


# --- for the tests -------------------------------------------------------------------

def _vector_function(x, str name):
    """exp or log of a contiguous array by the vector code of the level in use."""
    x = np.ascontiguousarray(x)
    out = np.empty_like(x)
    cdef const Table *table = table_of(is_double(x))
    if name == "exp":
        table.exp_array(<const char*>address(x), <char*>address(out), x.size)
    else:
        table.log_array(<const char*>address(x), <char*>address(out), x.size)
    return out
