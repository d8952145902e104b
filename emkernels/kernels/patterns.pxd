"""Patterns of missing values, found by one pass over the rows."""

from emkernels._simd.table cimport Rows

cdef enum:
    INFINITE = -3               # status: an infinity was found

ctypedef struct Patterns:
    Py_ssize_t n_patterns
    int *order                  # (n_samples,) rows by pattern
    long long *offsets          # (n_patterns + 1,) into order
    unsigned long long *masks   # (n_patterns, words), a bit for each column, set where missing


cdef inline Py_ssize_t words_of(Py_ssize_t n_features) noexcept nogil:
    return (n_features + 63) // 64


cdef inline Py_ssize_t bits_set(const unsigned long long *words, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, total = 0
    cdef unsigned long long word
    for i in range(n):
        word = words[i]
        while word:
            word &= word - 1
            total += 1
    return total


cdef void free_patterns(Patterns *p) noexcept nogil
cdef int find_patterns(const Rows *rows, bint double_, Patterns *out, Py_ssize_t *infinite,
                       double *largest, bint interruptible) noexcept nogil
cdef int known_patterns(const Rows *rows, bint double_, const int *order,
                        const long long *offsets, Py_ssize_t n_patterns,
                        Patterns *out) noexcept nogil

cdef int check_shape(object patterns, object X) except -1
cdef object as_patterns(object patterns, object X)
cdef Patterns view_of(object patterns) except *
