"""Sums without rounding: the same bits in whatever order rows are added and taken away."""

import numpy as np

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from emkernels._simd.table cimport Rows
from emkernels.kernels.arrays cimport address, is_double, pointer, real_at, set_rows
from emkernels.kernels.driver cimport OUT_OF_MEMORY, check_status

cdef enum:
    N_PARTS = 3


def _exact_grids(largest, total, n_rows):
    """What splits weighted values into parts that add up exactly, (3, n_columns).

    A column's values are at most `largest` (n_columns,) for a unit of weight, and the weights of
    the rows, at most 2^31, sum up to `total`. With ``2^c > total * largest`` the first part of a
    value is its nearest multiple of ``2^(c - 51)``. Sums of these are below ``2^(c + 1)``, so they
    have at most 52 bits, and none is rounded. What is left of each is at most ``2^(c - 52)``, of
    all rows ``n_rows 2^(c - 52)``, and is split in the same way, and again. What the third part
    leaves is dropped: where all weights are one, at most 2^-60 of `largest` for 2^31 rows, and
    2^-91 for 2^20. A number ``1.5 * 2^(c + 1)`` that is added and taken away rounds to the
    multiples.
    """
    grids, bound = [], np.asarray(largest) * total
    for _ in range(N_PARTS):
        exponent = np.frexp(bound)[1]
        grids.append(np.ldexp(1.5, exponent + 1))
        bound = np.ldexp(float(n_rows), exponent - 52)
    return np.array(grids)


cdef void read_row(const Rows *rows, bint double_, Py_ssize_t row, double *x) noexcept nogil:
    cdef const char *at = rows.x + row * rows.row_stride
    cdef Py_ssize_t d
    cdef float value
    if double_ and rows.column_stride == sizeof(double):
        memcpy(x, at, rows.n_features * sizeof(double))
    elif not double_ and rows.column_stride == sizeof(float):
        for d in range(rows.n_features):
            memcpy(&value, at + d * <Py_ssize_t>sizeof(float), sizeof(float))   # may be unaligned
            x[d] = value
    else:
        for d in range(rows.n_features):
            x[d] = real_at(at + d * rows.column_stride, double_)


cdef int move(const Rows *rows, bint double_, const int *new, const int *old,
              const Py_ssize_t *some, Py_ssize_t n, const double *origin, const double *grids,
              double *sums) noexcept nogil:
    cdef Py_ssize_t D = rows.n_features, size = N_PARTS * (D + 1), i, d, p, row
    cdef double *x = <double*>malloc((D + 1 + size) * sizeof(double))
    cdef double *parts = x + D + 1
    cdef const double *grid
    cdef double *part
    cdef double *total
    cdef double weight = 1
    if x == NULL:
        return OUT_OF_MEMORY
    for i in range(n):
        row = i if some == NULL else some[i]
        if rows.sample_weight != NULL:
            weight = rows.sample_weight[row]
            if weight == 0:
                continue
        read_row(rows, double_, row, x)
        for d in range(D):
            x[d] = weight * (x[d] - origin[d])
        x[D] = weight
        for p in range(N_PARTS):
            grid, part = grids + p * (D + 1), parts + p * (D + 1)
            for d in range(D + 1):
                part[d] = (x[d] + grid[d]) - grid[d]
                x[d] -= part[d]
        total = sums + new[i] * size
        for d in range(size):
            total[d] += parts[d]
        if old != NULL:
            total = sums + old[i] * size
            for d in range(size):
                total[d] -= parts[d]
    free(x)
    return 0


def _exact_sums(X, labels, origin, grids, sums, sample_weight=None, some=None, before=None):
    """sums (K, 3, D + 1) += the parts of w (x - origin), and of w, by label (int32).

    Of `some` rows (intp), all where None; labels are theirs, and those `before`, which they are
    taken away from. The sums depend on which rows there are alone: see :func:`_exact_grids`. Every
    array already checked and contiguous.
    """
    cdef Rows rows
    cdef bint double_ = is_double(X)
    cdef const int *new = NULL
    cdef const int *old = NULL
    cdef const Py_ssize_t *index = NULL
    cdef const double *about = <const double*>address(origin)
    cdef const double *grid = <const double*>address(grids)
    cdef double *out = <double*>address(sums)
    cdef Py_ssize_t n = len(labels)
    cdef int status
    if n == 0:
        return
    new = <const int*>address(labels)
    if some is not None:
        index = <const Py_ssize_t*>address(some)
    if before is not None:
        old = <const int*>address(before)
    set_rows(&rows, X)
    rows.sample_weight = pointer(sample_weight)
    with nogil:
        status = move(&rows, double_, new, old, index, n, about, grid, out)
    check_status(status)


def _column_reach(X, sample_weight=None):
    """The smallest and the largest value of every column, of rows that have a weight."""
    cdef Rows rows
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t D = X.shape[1], n = X.shape[0], row, d
    cdef double *low
    cdef double *high
    cdef double *x
    set_rows(&rows, X)
    rows.sample_weight = pointer(sample_weight)
    out = np.empty((3, D))
    out[0], out[1] = np.inf, -np.inf
    low = <double*>address(out)
    with nogil:
        high, x = low + D, low + 2 * D
        for row in range(n):
            if rows.sample_weight != NULL and rows.sample_weight[row] == 0:
                continue
            read_row(&rows, double_, row, x)
            for d in range(D):
                low[d] = x[d] if x[d] < low[d] else low[d]
                high[d] = x[d] if x[d] > high[d] else high[d]
    return out[0], out[1]


def _label_sum(labels, first_row, some=None):
    """A number that other labels (int32) hardly share, of rows that begin with `first_row`, or of
    `some` of them (intp): modulo 2^64 it adds up over rows, in any order."""
    cdef const int *label
    cdef const Py_ssize_t *index = NULL
    cdef Py_ssize_t n = len(labels), i
    cdef unsigned long long first = first_row, total = 0, row
    if n == 0:
        return 0
    label = <const int*>address(labels)
    if some is not None:
        index = <const Py_ssize_t*>address(some)
    with nogil:
        for i in range(n):
            row = first + <unsigned long long>(i if index == NULL else index[i])
            total += mixed(row * 0x9E3779B97F4A7C15ULL + <unsigned long long>label[i])
    return total


cdef inline unsigned long long mixed(unsigned long long z) noexcept nogil:
    """Whole numbers of 64 bits, spread evenly (G. Steele, D. Lea, C. Flood, Fast splittable
    pseudorandom number generators, OOPSLA 2014)."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL
    return z ^ (z >> 31)
