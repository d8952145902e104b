"""Sums without rounding: the same bits in whatever order rows are added and taken away."""

from math import frexp

import numpy as np

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from emkernels._simd.table cimport Rows
from emkernels.kernels.arrays cimport address, is_double, real_at, set_rows
from emkernels.kernels.driver cimport OUT_OF_MEMORY, check_status


def _exact_grids(largest, n_rows):
    """Two numbers, which added to and taken from a number round it, and what is left of it, to
    multiples that add up exactly: at most `n_rows` numbers of at most `largest`."""
    coarse = frexp(n_rows * largest)[1]
    fine = frexp(n_rows * 2.0 ** (coarse - 52))[1]
    return 1.5 * 2.0 ** (coarse + 1), 1.5 * 2.0 ** (fine + 1)


cdef int add_exactly(const Rows *rows, bint double_, const int *labels, const Py_ssize_t *some,
                     Py_ssize_t n, const double *origin, double coarse, double fine, double sign,
                     double *upper, double *lower, double *counts) noexcept nogil:
    cdef Py_ssize_t D = rows.n_features, i, d, row
    cdef double *x = <double*>malloc((D + 1) * sizeof(double))
    cdef double *up
    cdef double *low
    cdef const char *at
    cdef double value, part
    if x == NULL:
        return OUT_OF_MEMORY
    for i in range(n):
        row = i if some == NULL else some[i]
        at = rows.x + row * rows.row_stride
        if double_ and rows.column_stride == sizeof(double):
            memcpy(x, at, D * sizeof(double))
        else:
            for d in range(D):
                x[d] = real_at(at + d * rows.column_stride, double_)
        up, low = upper + labels[i] * D, lower + labels[i] * D
        counts[labels[i]] += sign
        for d in range(D):
            value = x[d] - origin[d]
            part = (value + coarse) - coarse
            up[d] += sign * part
            value -= part
            low[d] += sign * ((value + fine) - fine)
    free(x)
    return 0


def _exact_sums(X, labels, origin, grids, sums, some=None, sign=1.0):
    """sums (2, K, D) and counts (K,), a pair, += sign times those of x - origin, by label (int32).

    Of `some` rows (intp), all where None; labels are theirs. The two parts of the sums add up to them; they depend on
    which rows there are alone. Every array already checked and contiguous.
    """
    cdef Rows rows
    cdef bint double_ = is_double(X)
    cdef const int *label = <const int*>address(labels)
    cdef const Py_ssize_t *index = NULL
    cdef const double *about = <const double*>address(origin)
    cdef double coarse = grids[0], fine = grids[1], factor = sign
    cdef Py_ssize_t n = X.shape[0]
    cdef double *upper = <double*>address(sums[0][0])
    cdef double *lower = <double*>address(sums[0][1])
    cdef double *counts = <double*>address(sums[1])
    cdef int status
    if some is not None:
        n = len(some)
        if n == 0:
            return
        index = <const Py_ssize_t*>address(some)
    set_rows(&rows, X)
    with nogil:
        status = add_exactly(&rows, double_, label, index, n, about, coarse, fine, factor, upper,
                             lower, counts)
    check_status(status)


def _label_sum(labels, first_row, some=None):
    """A number that other labels (int32) hardly share, of rows that begin with `first_row`, or of
    `some` of them (intp): modulo 2^64 it adds up over rows, in any order."""
    cdef const int *label = <const int*>address(labels)
    cdef const Py_ssize_t *index = NULL
    cdef Py_ssize_t n = len(labels), i
    cdef unsigned long long first = first_row, total = 0, z
    if n == 0:
        return 0
    if some is not None:
        index = <const Py_ssize_t*>address(some)
    with nogil:
        for i in range(n):
            z = first + <unsigned long long>(i if index == NULL else index[i])
            total += mixed(z * 0x9E3779B97F4A7C15ull + <unsigned long long>label[i])
    return total


cdef inline unsigned long long mixed(unsigned long long z) noexcept nogil:
    """Whole numbers of 64 bits, spread evenly (G. Steele, D. Lea, C. Flood, Fast splittable
    pseudorandom number generators, OOPSLA 2014)."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull
    return z ^ (z >> 31)
