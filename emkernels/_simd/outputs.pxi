# What is written for each row, from the panels of a tile.

cdef void write_values(const Job *job, char *target, Py_ssize_t start, Py_ssize_t size,
                       const real *values) noexcept nogil:
    cdef real *out = <real*>target
    cdef Py_ssize_t j, row
    for j in range(size):
        row = row_at(&job.rows, start + j)
        if row >= 0:
            out[row] = values[j]


cdef void best_components(const real *resp, Py_ssize_t K, real *best, int *label) noexcept nogil:
    """The first component with the largest responsibility or log density, for each lane."""
    cdef Py_ssize_t k, j
    for j in range(TILE):
        best[j] = resp[j]
        label[j] = 0
    for k in range(1, K):
        for j in range(TILE):
            label[j] = <int>k if resp[k * TILE + j] > best[j] else label[j]
            best[j] = resp[k * TILE + j] if resp[k * TILE + j] > best[j] else best[j]


cdef void put_labels(const Job *job, Py_ssize_t start, Py_ssize_t size,
                     const int *label) noexcept nogil:
    cdef Py_ssize_t j, row
    for j in range(size):
        row = row_at(&job.rows, start + j)
        if row >= 0:
            job.labels_out[row] = label[j]


cdef void write_rows(const Job *job, char *out, Py_ssize_t start, Py_ssize_t size,
                     const real *panel, const real *factor) noexcept nogil:
    """Rows at positions start .. start + size - 1 of a C-contiguous (n_samples, K) array, K + 1
    with noise, from a panel (K, TILE), times `factor` (TILE) or, without, with NaN (an overflow)
    as -inf."""
    cdef Py_ssize_t K = job.gaussians.n_components, j, k, row
    cdef real *target
    cdef real value
    for j in range(size):
        row = row_at(&job.rows, start + j)
        if row < 0:
            continue
        target = <real*>out + row * (K + (job.noise != NULL))
        for k in range(K):
            value = panel[k * TILE + j]
            if factor != NULL:
                value *= factor[j]
            elif not (value > -INFINITY):
                value = -INFINITY
            target[k] = value


cdef void write_noise(const Job *job, Py_ssize_t start, Py_ssize_t size, const real *noise,
                      const real *factor) noexcept nogil:
    """The last column of the responsibilities."""
    cdef Py_ssize_t K = job.gaussians.n_components, j, row
    for j in range(size):
        row = row_at(&job.rows, start + j)
        if row >= 0:
            (<real*>job.resp_out)[row * (K + 1) + K] = noise[j] * factor[j]
