"""Rows drawn in proportion to what they weigh."""

from emkernels._simd.table cimport Rows

ctypedef struct Draw:
    # what rows are drawn from: weight * squared distance to the nearest seed
    Py_ssize_t block_rows
    Py_ssize_t n_blocks
    const double *potentials    # of blocks, `stride` apart
    Py_ssize_t stride
    const double *closest       # (n_samples,) without `seed`
    const double *seed          # NULL: with all


cdef inline double row_weight(const Rows *rows, Py_ssize_t i) noexcept nogil:
    return rows.sample_weight[i] if rows.sample_weight != NULL else 1.0


# The first row at which the running sum of the weights passes this share of it
cdef Py_ssize_t pick_by_weight(const Rows *rows, double share) noexcept nogil
# The first row of a weight at which the running sum reaches the target
cdef Py_ssize_t pick(const Rows *rows, bint double_, const Draw *draw, double target) noexcept nogil
cdef void copy_row(const Rows *rows, bint double_, Py_ssize_t i, double *out) noexcept nogil
