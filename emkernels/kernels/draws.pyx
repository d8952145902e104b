"""Rows drawn in proportion to what they weigh."""

from emkernels.kernels.arrays cimport real_at


cdef Py_ssize_t pick_by_weight(const Rows *rows, double share) noexcept nogil:
    cdef Py_ssize_t i, last = 0
    cdef double total = 0, target
    for i in range(rows.n_samples if rows.sample_weight != NULL else 0):
        total += rows.sample_weight[i]
    target = share * (total if rows.sample_weight != NULL else rows.n_samples)
    total = 0
    for i in range(rows.n_samples):
        total += row_weight(rows, i)
        if total > target:
            return i
        if row_weight(rows, i) > 0:
            last = i
    return last


cdef double square_to(const Rows *rows, bint double_, Py_ssize_t i,
                      const double *seed) noexcept nogil:
    """|x_i - seed|^2."""
    cdef const char *x = rows.x + i * rows.row_stride
    cdef double total[4]
    cdef double gap
    cdef Py_ssize_t d
    for d in range(4):
        total[d] = 0
    for d in range(rows.n_features):
        gap = real_at(x + d * rows.column_stride, double_) - seed[d]
        total[d & 3] += gap * gap
    return (total[0] + total[1]) + (total[2] + total[3])


cdef Py_ssize_t pick(const Rows *rows, bint double_, const Draw *draw,
                     double target) noexcept nogil:
    cdef Py_ssize_t block = 0, i, last = 0
    cdef double total = 0, value
    while (block < draw.n_blocks - 1
            and total + draw.potentials[block * draw.stride] < target):
        total += draw.potentials[block * draw.stride]
        block += 1
    for i in range(block * draw.block_rows, rows.n_samples):
        value = row_weight(rows, i)
        if not value > 0:
            continue        # also where the target is zero, as all distances are
        last = i
        value *= draw.closest[i] if draw.seed == NULL else min(
            draw.closest[i], square_to(rows, double_, i, draw.seed))
        total += value
        if total >= target:
            return i
    return last


cdef void copy_row(const Rows *rows, bint double_, Py_ssize_t i, double *out) noexcept nogil:
    cdef Py_ssize_t d
    for d in range(rows.n_features):
        out[d] = real_at(rows.x + i * rows.row_stride + d * rows.column_stride, double_)
