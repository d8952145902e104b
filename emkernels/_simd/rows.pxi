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


cdef inline void pack_narrow(const char *x0, Py_ssize_t n_features, real *x) noexcept nogil:
    """x (n_features, TILE) of rows that lie one after the other; n_features is a literal."""
    cdef Py_ssize_t d, j
    for d in range(n_features):
        for j in range(TILE):
            x[d * TILE + j] = read(x0 + (j * n_features + d) * <Py_ssize_t>sizeof(real))


cdef void pack_tile(const Rows *rows, Py_ssize_t first, Py_ssize_t count, Py_ssize_t n_padded,
                    real *x) noexcept nogil:
    """x (n_padded, TILE) = rows first .. first + count - 1, count <= TILE.

    Lanes past `count`, or without a row, repeat the first row (finite, and of weight zero
    later); features past n_features are zero.
    """
    cdef const char *row[TILE]
    cdef Py_ssize_t d, j, at
    if rows.order == NULL and rows.row_stride == sizeof(real) and count == TILE:
        for d in range(rows.n_features):
            memcpy(x + d * TILE, rows.x + first * rows.row_stride + d * rows.column_stride,
                   TILE * sizeof(real))
    elif (rows.order == NULL and rows.column_stride == sizeof(real) and count == TILE
            and rows.row_stride == 2 * sizeof(real) and rows.n_features == 2):
        pack_narrow(rows.x + first * rows.row_stride, 2, x)
    elif (rows.order == NULL and rows.column_stride == sizeof(real) and count == TILE
            and rows.row_stride == 3 * sizeof(real) and rows.n_features == 3):
        pack_narrow(rows.x + first * rows.row_stride, 3, x)
    else:
        for j in range(TILE):
            at = row_at(rows, first + (j if j < count else 0))
            row[j] = rows.x + (at if at >= 0 else row_at(rows, first)) * rows.row_stride
        pack_lines(rows, row, x)
    for j in range(rows.n_features * TILE, n_padded * TILE):
        x[j] = 0


cdef inline void pack_lines(const Rows *rows, const char **row, real *x) noexcept nogil:
    """x (n_features, TILE) of TILE rows wherever they are."""
    cdef vec block[LANES]
    cdef Py_ssize_t d = 0, i, j, v, offset
    # the next tile's, where it is known
    cdef Py_ssize_t ahead = 0 if rows.order != NULL else TILE * rows.row_stride
    if rows.column_stride == sizeof(real):
        for v in range(VECTORS):
            d = 0
            while d + LANES <= rows.n_features:
                for i in range(LANES):
                    prefetch(row[v * LANES + i] + d * sizeof(real) + ahead)
                load_transposed(row + v * LANES, d * sizeof(real), block)
                for i in range(LANES):
                    memcpy(x + (d + i) * TILE + v * LANES, block + i, sizeof(vec))
                d += LANES
    while d < rows.n_features:
        offset = d * rows.column_stride
        for j in range(TILE):
            x[d * TILE + j] = read(row[j] + offset)
        d += 1


cdef void pack_weights(const Rows *rows, Py_ssize_t first, Py_ssize_t count,
                       real *w) noexcept nogil:
    """w (TILE) = sample weights, 0 for lanes past `count` or without a row."""
    cdef Py_ssize_t j, at
    for j in range(TILE):
        w[j] = 0
    for j in range(count):
        w[j] = 1
    if rows.sample_weight != NULL or rows.order != NULL:
        for j in range(count):
            at = row_at(rows, first + j)
            w[j] = 0 if at < 0 else (
                rows.sample_weight[at] if rows.sample_weight != NULL else 1)


cdef Py_ssize_t first_nonfinite(const Rows *rows, Py_ssize_t first, Py_ssize_t count,
                                double *largest) noexcept nogil:
    """Index row * n_features + column of the first NaN or infinity in rows first .. first +
    count - 1, or -1; then the largest absolute value is put into `largest` if it is larger."""
    cdef Py_ssize_t i, d
    cdef real nothing = 0, value
    if (rows.column_stride == sizeof(real)
            and rows.row_stride == rows.n_features * <Py_ssize_t>sizeof(real)
            and <size_t>rows.x % sizeof(real) == 0
            and flat_largest(<const real*>(rows.x + first * rows.row_stride),
                             count * rows.n_features, largest)):
        return -1
    for i in range(first, first + count):
        for d in range(rows.n_features):
            value = read(rows.x + i * rows.row_stride + d * rows.column_stride)
            if value - value != nothing:
                return i * rows.n_features + d
            largest[0] = max(largest[0], fabs(value))
    return -1


cdef Py_ssize_t missing_bits(const Rows *rows, Py_ssize_t first, Py_ssize_t count,
                             unsigned long long *bits, double *largest) noexcept nogil:
    """bits (count, words) = one bit for each value, set where it is NaN; the index of the first
    infinity as in `first_nonfinite`, or -1."""
    cdef Py_ssize_t D = rows.n_features, i, d, end
    cdef unsigned long long word
    cdef const char *row
    cdef real nothing = 0, value, top = 0
    for i in range(first, first + count):
        row = rows.x + i * rows.row_stride
        d = 0
        while d < D:
            word = 0
            end = min(D, d + 64)
            for d in range(d, end):
                value = read(row + d * rows.column_stride)
                word |= (<unsigned long long>(value != value)) << (d & 63)
                value = value if value > nothing else -value
                top = value if value > top else top
            bits[0] = word
            bits += 1
            d = end
        if top - top != nothing:
            for d in range(D):
                value = read(row + d * rows.column_stride)
                if value == value and value - value != nothing:
                    return i * D + d
    largest[0] = max(largest[0], top)
    return -1


cdef bint flat_largest(const real *flat, Py_ssize_t n, double *largest) noexcept nogil:
    """The same on adjacent values; False when one is not finite."""
    cdef real top[TILE]
    cdef real zero[TILE]
    cdef real value, total = 0, nothing = 0
    cdef Py_ssize_t i = 0, j
    for j in range(TILE):
        top[j] = 0
        zero[j] = 0
    while i + TILE <= n:
        for j in range(TILE):
            value = flat[i + j] if flat[i + j] > 0 else -flat[i + j]
            zero[j] += value * nothing
            top[j] = value if value > top[j] else top[j]
        i += TILE
    while i < n:
        value = flat[i] if flat[i] > 0 else -flat[i]
        zero[0] += value * nothing
        top[0] = value if value > top[0] else top[0]
        i += 1
    for j in range(TILE):
        total += zero[j]
        largest[0] = max(largest[0], top[j])
    return total == 0
