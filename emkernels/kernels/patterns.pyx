"""Patterns of missing values: the rows grouped by which of their values are NaN."""

import numpy as np

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from emkernels._simd.table cimport Rows, Table
from emkernels.kernels.arrays cimport address, as_matrix, is_double, set_rows
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport OUT_OF_MEMORY, check_status, look_for_signal

from emkernels.kernels.grouping import MissingPatterns, _trusted_patterns


cdef inline unsigned long long mixed_bits(const unsigned long long *words,
                                          Py_ssize_t n) noexcept nogil:
    cdef unsigned long long h = 0x9E3779B97F4A7C15ull
    cdef Py_ssize_t i
    for i in range(n):
        h = (h ^ words[i]) * 0xBF58476D1CE4E5B9ull
        h ^= h >> 29
    h *= 0x94D049BB133111EBull
    return h ^ (h >> 32)


cdef void free_patterns(Patterns *p) noexcept nogil:
    free(p.order)
    free(p.offsets)
    free(p.masks)


cdef int find_patterns(const Rows *rows, bint double_, Patterns *out, Py_ssize_t *infinite,
                       double *largest, bint interruptible) noexcept nogil:
    """Group the rows by which values are NaN. Patterns come by number of missing values, then
    by first row; rows of a pattern in their order. INFINITE and the index of the value where
    one is infinite. `out` is then to be freed, whatever the status."""
    cdef Py_ssize_t n = rows.n_samples, W = words_of(rows.n_features), i, at, p, chunk, first = 0
    cdef Py_ssize_t n_patterns = 0, size = 16, room = 1024, m
    cdef const Table *table = table_of(double_)
    cdef unsigned long long *bits
    cdef unsigned long long *grown
    cdef int *slots
    cdef int *pattern_of
    cdef int *rank
    cdef long long *place
    cdef int status = OUT_OF_MEMORY
    memset(out, 0, sizeof(Patterns))
    while size < 2 * n:
        size *= 2
    chunk = max(<Py_ssize_t>1, min(n, <Py_ssize_t>(65536 // rows.n_features + 1)))
    bits = <unsigned long long*>malloc(chunk * W * 8)
    pattern_of = <int*>malloc(n * sizeof(int))
    slots = <int*>malloc(size * sizeof(int))
    out.masks = <unsigned long long*>malloc(room * W * 8)
    rank = NULL
    place = NULL
    if bits != NULL and pattern_of != NULL and slots != NULL and out.masks != NULL:
        status = 0
        memset(slots, 0xff, size * sizeof(int))
    while status == 0 and first < n:
        chunk = min(chunk, n - first)
        infinite[0] = table.missing_bits(rows, first, chunk, bits, largest)
        if infinite[0] >= 0:
            status = INFINITE
            break
        for i in range(chunk):
            at = mixed_bits(bits + i * W, W) & (size - 1)
            while slots[at] >= 0 and memcmp(out.masks + slots[at] * W, bits + i * W, W * 8) != 0:
                at = (at + 1) & (size - 1)
            if slots[at] < 0:
                if n_patterns == room:
                    room *= 2
                    grown = <unsigned long long*>malloc(room * W * 8)
                    if grown == NULL:
                        status = OUT_OF_MEMORY
                        break
                    memcpy(grown, out.masks, n_patterns * W * 8)
                    free(out.masks)
                    out.masks = grown
                memcpy(out.masks + n_patterns * W, bits + i * W, W * 8)
                slots[at] = <int>n_patterns
                n_patterns += 1
            pattern_of[first + i] = slots[at]
        first += chunk
        if status == 0 and interruptible and first % (1024 * chunk) == 0:
            status = look_for_signal()
    free(bits)
    free(slots)
    if status == 0:
        # rank: the place of each pattern, by number of missing values
        status = OUT_OF_MEMORY
        rank = <int*>malloc(n_patterns * sizeof(int))
        place = <long long*>calloc(rows.n_features + 2, 8)
        out.order = <int*>malloc(n * sizeof(int))
        out.offsets = <long long*>calloc(n_patterns + 2, 8)
        grown = <unsigned long long*>malloc(n_patterns * W * 8)
        if (rank != NULL and place != NULL and out.order != NULL and out.offsets != NULL
                and grown != NULL):
            status = 0
            for p in range(n_patterns):
                place[bits_set(out.masks + p * W, W) + 1] += 1
            for m in range(rows.n_features + 1):
                place[m + 1] += place[m]
            for p in range(n_patterns):
                m = bits_set(out.masks + p * W, W)
                rank[p] = <int>place[m]
                place[m] += 1
                memcpy(grown + rank[p] * W, out.masks + p * W, W * 8)
            for i in range(n):
                out.offsets[rank[pattern_of[i]] + 2] += 1
            for p in range(1, n_patterns):
                out.offsets[p + 1] += out.offsets[p]
            for i in range(n):
                p = rank[pattern_of[i]] + 1
                out.order[out.offsets[p]] = <int>i
                out.offsets[p] += 1
            free(out.masks)
            out.masks = grown
            out.n_patterns = n_patterns
        else:
            free(grown)
    free(pattern_of)
    free(rank)
    free(place)
    return status


cdef int known_patterns(const Rows *rows, bint double_, const int *order,
                        const long long *offsets, Py_ssize_t n_patterns,
                        Patterns *out) noexcept nogil:
    """Patterns found earlier; only their masks are made, and are to be freed."""
    cdef Py_ssize_t W = words_of(rows.n_features), p
    cdef double largest = 0
    out.n_patterns = n_patterns
    out.order = <int*>order
    out.offsets = <long long*>offsets
    out.masks = <unsigned long long*>malloc(n_patterns * W * 8)
    if out.masks == NULL:
        return OUT_OF_MEMORY
    for p in range(n_patterns):
        table_of(double_).missing_bits(rows, order[offsets[p]], 1, out.masks + p * W, &largest)
    return 0


cdef Py_ssize_t first_stranger(const Rows *rows, bint double_, const Patterns *p) noexcept nogil:
    """The first row that has another pattern of missing values than p says, or -1; -2 when
    memory is short."""
    cdef Py_ssize_t W = words_of(rows.n_features), n = rows.n_samples, i, k, chunk, first = 0
    cdef Py_ssize_t found = -1
    cdef double largest = 0
    cdef int *pattern_of = <int*>malloc(n * sizeof(int))
    cdef unsigned long long *bits
    chunk = max(<Py_ssize_t>1, min(n, <Py_ssize_t>(65536 // rows.n_features + 1)))
    bits = <unsigned long long*>malloc(chunk * W * 8)
    if bits == NULL or pattern_of == NULL:
        free(bits)
        free(pattern_of)
        return -2
    memset(pattern_of, 0xff, n * sizeof(int))
    for k in range(p.n_patterns):
        for i in range(p.offsets[k], p.offsets[k + 1]):
            pattern_of[p.order[i]] = <int>k
    while first < n and found < 0:
        chunk = min(chunk, n - first)
        # an infinity ends the look, and its row keeps the bits of another
        found = rows_with_infinity(rows, double_, first, chunk, bits, &largest)
        for i in range(chunk):
            if found >= 0 and first + i >= found:
                break
            k = pattern_of[first + i]
            if k < 0 or memcmp(bits + i * W, p.masks + k * W, W * 8) != 0:
                found = first + i
                break
        first += chunk
    free(bits)
    free(pattern_of)
    return found


cdef inline Py_ssize_t rows_with_infinity(const Rows *rows, bint double_, Py_ssize_t first,
                                          Py_ssize_t count, unsigned long long *bits,
                                          double *largest) noexcept nogil:
    """The first row of the chunk with an infinity, or -1; bits as Table.missing_bits has them."""
    cdef Py_ssize_t index = table_of(double_).missing_bits(rows, first, count, bits, largest)
    return index // rows.n_features if index >= 0 else -1


# --- the Python faces ------------------------------------------------------------------

def missing_patterns(X):
    """Group the rows of X by which of their values are missing (NaN, None, NA, masked).

    One pass over X and a hash table of the patterns; X is not copied. Memory: 12 to 20 bytes
    for each row and, for each pattern, one bit for each column.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        NaN, None, NA or a masked cell where missing.

    Returns
    -------
    MissingPatterns
        To be passed to the kernels as `patterns`, for as long as X keeps its missing values.

    Raises
    ------
    ValueError
        An infinity (its row and column are named), 2^31 rows or more.
    TypeError
        What holds no real numbers (a ValueError too), sparse and lazy tables.

    See Also
    --------
    MissingPatterns : What is returned.
    emkernels.missing_data_summary : Counts of patterns, with names of columns.
    check_finite : Where nothing may be missing.

    References
    ----------
    J. L. Schafer, Analysis of Incomplete Multivariate Data, 1997, section 5.3 (patterns).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import missing_patterns
    >>> patterns = missing_patterns([[1.0, np.nan], [1.0, 2.0], [3.0, np.nan]])
    >>> patterns.order, patterns.counts
    (array([1, 0, 2], dtype=int32), array([1, 2]))
    >>> patterns.masks
    array([[False, False],
           [False,  True]])
    """
    return _patterns_of(as_matrix(X, "X", True))


def _patterns_of(X):
    cdef Rows rows
    cdef Patterns found
    cdef Py_ssize_t infinite = -1, W = words_of(X.shape[1])
    cdef double largest = 0
    cdef int status
    cdef bint double_ = is_double(X)
    if X.shape[0] >= 2**31:
        raise ValueError(
            "X has 2^31 rows or more: take parts of it, their statistics add up"
        )
    set_rows(&rows, X)
    with nogil:
        status = find_patterns(&rows, double_, &found, &infinite, &largest, True)
    try:
        if status == INFINITE:
            row, column = divmod(infinite, X.shape[1])
            raise ValueError(f"X contains infinity, first at row {row}, column {column}")
        check_status(status)
        order = np.empty(X.shape[0], np.int32)
        offsets = np.empty(found.n_patterns + 1, np.int64)
        bits = np.empty((found.n_patterns, W), np.uint64)
        memcpy(address(order), found.order, order.nbytes)
        memcpy(address(offsets), found.offsets, offsets.nbytes)
        memcpy(address(bits), found.masks, bits.nbytes)
    finally:
        free_patterns(&found)
    return _trusted_patterns(X.shape[1], order, offsets, bits, largest)


cdef int check_shape(object patterns, object X) except -1:
    if (patterns.n_samples, patterns.n_features) != X.shape:
        raise ValueError(
            f"patterns are of an array of shape {(patterns.n_samples, patterns.n_features)}, "
            f"X has {X.shape}"
        )
    return 0


cdef object as_patterns(object patterns, object X):
    """The patterns of X: found, or those given."""
    if patterns is None:
        return _patterns_of(X)
    # of the class itself: a subclass could say other numbers than those that were checked
    if type(patterns) is not MissingPatterns:
        raise TypeError(
            f"patterns must come from missing_patterns, got {type(patterns).__name__}"
        )
    check_shape(patterns, X)
    cdef Rows rows
    cdef Patterns view = view_of(patterns)
    cdef Py_ssize_t found
    cdef bint double_ = is_double(X)
    set_rows(&rows, X)
    with nogil:
        found = first_stranger(&rows, double_, &view)
    if found >= 0:
        column = np.isinf(X[found]).argmax()
        if np.isinf(X[found, column]):
            raise ValueError(f"X contains infinity, first at row {found}, column {column}")
        raise ValueError(
            f"patterns are not those of X: row {found} differs"
        )
    check_status(OUT_OF_MEMORY if found == -2 else 0)
    return patterns


cdef Patterns view_of(object patterns) except *:
    cdef Patterns view
    view.n_patterns = patterns.n_patterns
    view.order = <int*>address(patterns.order)
    view.offsets = <long long*>address(patterns.offsets)
    view.masks = <unsigned long long*>address(patterns._bits)
    return view
