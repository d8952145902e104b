# Patterns of missing values as Python sees them.


class MissingPatterns:
    """Rows grouped by which of their values are missing (see :func:`missing_patterns`).

    Attributes
    ----------
    n_samples, n_features, n_patterns : int
    order : ndarray of shape (n_samples,), int32
        The rows, those of a pattern side by side and in their order.
    offsets : ndarray of shape (n_patterns + 1,), int64
        Pattern p has the rows ``order[offsets[p]:offsets[p + 1]]``.
    counts : ndarray of shape (n_patterns,), int64
        Rows of each pattern.
    n_missing : ndarray of shape (n_patterns,), int64
        Missing values in a row of each pattern; patterns are in this order, then in that of
        their first rows.
    masks : ndarray of shape (n_patterns, n_features), bool
        True where missing; unpacked from bits when asked for.
    """

    __slots__ = ("n_features", "offsets", "order", "_bits", "_largest", "_schedules")

    def __init__(self, n_features, order, offsets, bits, largest=0.0):
        self.n_features, self.order, self.offsets, self._bits = n_features, order, offsets, bits
        self._largest, self._schedules = largest, {}
        for array in (order, offsets, bits):    # the kernels follow them
            array.flags.writeable = False

    @property
    def n_samples(self):
        return len(self.order)

    @property
    def n_patterns(self):
        return len(self.offsets) - 1

    @property
    def counts(self):
        return np.diff(self.offsets)

    @property
    def n_missing(self):
        return np.bitwise_count(self._bits).sum(axis=1, dtype=np.int64)

    @property
    def masks(self):
        return self.masks_of(slice(None))

    def masks_of(self, patterns):
        """The masks of some patterns, (n, n_features) bool; for many patterns of many columns."""
        packed = np.ascontiguousarray(self._bits[patterns], dtype="<u8").view(np.uint8)
        return np.unpackbits(packed, axis=-1, bitorder="little",
                             count=self.n_features).astype(bool)

    @property
    def largest(self):
        """The largest absolute value of X."""
        return self._largest

    @property
    def n_missing_values(self):
        """Missing values in all rows."""
        return int(self.n_missing @ self.counts)

    def __reduce__(self):
        return MissingPatterns, (self.n_features, self.order, self.offsets, self._bits,
                                 self._largest)

    def __repr__(self):
        return (f"MissingPatterns(n_samples={self.n_samples}, n_features={self.n_features}, "
                f"n_patterns={self.n_patterns})")


def missing_patterns(X):
    """Group the rows of X by which of their values are missing (NaN, None, NA, masked).

    One pass over X and a hash table of the patterns; X is not copied. Memory: 12 to 20 bytes
    for each row and, for each pattern, one bit for each column.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64

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
    return MissingPatterns(X.shape[1], order, offsets, bits, largest)


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
    if not isinstance(patterns, MissingPatterns):
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


cdef object schedule_of(object patterns, bint double_, bint leave_empty_out, Schedule *out):
    """Fill `out` from the schedule that the patterns keep; the arrays that it points to."""
    cdef Patterns view
    cdef Py_ssize_t tile = table_of(double_).tile
    cdef int status
    cdef Py_ssize_t D = patterns.n_features
    key = (tile, leave_empty_out)
    if key not in patterns._schedules:
        view = view_of(patterns)
        with nogil:
            status = make_schedule(&view, D, tile, leave_empty_out, out)
        check_status(status)
        try:
            order = np.empty(out.n_tiles * tile, np.int32)
            kinds = np.empty(out.n_tiles, np.int8)
            if out.n_tiles > 0:
                memcpy(address(order), out.order, order.nbytes)
                memcpy(address(kinds), out.kinds, kinds.nbytes)
        finally:
            free(out.order)
            free(out.kinds)
        patterns._schedules[key] = (
            order, kinds, out.typical_missing, out.most_missing, out.most_mixed)
    kept = patterns._schedules[key]
    out.order, out.kinds = <int*>address(kept[0]), <signed char*>address(kept[1])
    out.n_tiles = len(kept[1])
    out.typical_missing, out.most_missing, out.most_mixed = kept[2], kept[3], kept[4]
    return kept
