# Rows of the caller's array into panels: one tile of TILE rows, feature-major, rows
# along the vector lanes. The only copy of X that is ever made.


cdef inline Py_ssize_t padded(Py_ssize_t n_features) noexcept nogil:
    return (n_features + FEATURES - 1) // FEATURES * FEATURES


cdef inline real read(const char *address) noexcept nogil:
    cdef real value
    memcpy(&value, address, sizeof(real))   # X may be unaligned
    return value


cdef inline Py_ssize_t row_at(const Rows *rows, Py_ssize_t position) noexcept nogil:
    return rows.order[position] if rows.order != NULL else position


cdef void pack_tile(const Rows *rows, Py_ssize_t first, Py_ssize_t count, Py_ssize_t n_padded,
                    real *x) noexcept nogil:
    """x (n_padded, TILE) = rows first .. first + count - 1, count <= TILE.

    Lanes past `count` repeat the first row (finite, and of weight zero later);
    features past n_features are zero.
    """
    cdef const char *row[TILE]
    cdef const real *source
    cdef Py_ssize_t d, j, offset
    if rows.order == NULL and rows.row_stride == sizeof(real) and count == TILE:
        for d in range(rows.n_features):
            memcpy(x + d * TILE, rows.x + first * rows.row_stride + d * rows.column_stride,
                   TILE * sizeof(real))
    elif (rows.order == NULL and rows.column_stride == sizeof(real) and count == TILE
            and rows.row_stride == rows.n_features * <Py_ssize_t>sizeof(real)
            and <size_t>rows.x % sizeof(real) == 0):
        source = <const real*>(rows.x + first * rows.row_stride)
        for j in range(TILE):
            for d in range(rows.n_features):
                x[d * TILE + j] = source[d]
            source += rows.n_features
    else:
        for j in range(TILE):
            row[j] = rows.x + row_at(rows, first + (j if j < count else 0)) * rows.row_stride
        for d in range(rows.n_features):
            offset = d * rows.column_stride
            for j in range(TILE):
                x[d * TILE + j] = read(row[j] + offset)
    for j in range(rows.n_features * TILE, n_padded * TILE):
        x[j] = 0


cdef void pack_weights(const Rows *rows, Py_ssize_t first, Py_ssize_t count,
                       real *w) noexcept nogil:
    """w (TILE) = sample weights, 0 for lanes past `count`."""
    cdef Py_ssize_t j
    for j in range(TILE):
        w[j] = 0
    for j in range(count):
        w[j] = 1
    if rows.sample_weight != NULL:
        for j in range(count):
            w[j] = rows.sample_weight[row_at(rows, first + j)]


cdef Py_ssize_t first_nonfinite(const Rows *rows, Py_ssize_t first,
                                Py_ssize_t count) noexcept nogil:
    """Index row * n_features + column of the first NaN or infinity in rows
    first .. first + count - 1, or -1."""
    cdef Py_ssize_t i, d, total
    cdef const real *flat
    cdef real nothing = 0, value
    if (rows.column_stride == sizeof(real)
            and rows.row_stride == rows.n_features * <Py_ssize_t>sizeof(real)
            and <size_t>rows.x % sizeof(real) == 0):
        flat = <const real*>(rows.x + first * rows.row_stride)
        total = count * rows.n_features
        if sum_of_zeros(flat, total) == 0:
            return -1
    for i in range(first, first + count):
        for d in range(rows.n_features):
            value = read(rows.x + i * rows.row_stride + d * rows.column_stride)
            if value - value != nothing:
                return i * rows.n_features + d
    return -1


cdef real sum_of_zeros(const real *flat, Py_ssize_t n) noexcept nogil:
    """0 when every value is finite, else NaN."""
    cdef real lane[TILE]
    cdef real total = 0
    cdef Py_ssize_t i = 0, j
    for j in range(TILE):
        lane[j] = 0
    while i + TILE <= n:
        for j in range(TILE):
            lane[j] += flat[i + j] * 0
        i += TILE
    while i < n:
        lane[0] += flat[i] * 0
        i += 1
    for j in range(TILE):
        total += lane[j]
    return total
