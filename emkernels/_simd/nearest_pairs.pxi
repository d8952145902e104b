# Single rows, and distances by difference in the precision of the rows.

cdef enum:
    IN_FLIGHT = 2048        # bytes of rows apart that are asked for before they are read
    TILED = 4 * LANES      # features below which rows are put into tiles


cdef double square_of_pair(const char *x, const char *centre,
                           Py_ssize_t n_features) noexcept nogil:
    return pair_square(x, <const real*>centre, n_features)


cdef void add_gap_rows(const Rows *rows, const int *order, Py_ssize_t n_rows, const double *origin,
                       Py_ssize_t first, Py_ssize_t n_columns, double sign,
                       double *sums) noexcept nogil:
    """sums (n_columns,) += sign * weight * (x - origin) of some rows, of columns from `first` on,
    which `origin` and `sums` begin with."""
    cdef Py_ssize_t i, d, ahead = 2 + IN_FLIGHT // (n_columns * <Py_ssize_t>sizeof(real))
    cdef double weight
    cdef const char *x
    for i in range(n_rows):
        x = rows.x + order[i] * rows.row_stride + first * rows.column_stride
        if i + ahead < n_rows and rows.column_stride == sizeof(real):
            for d in range(n_columns * <Py_ssize_t>sizeof(real) // CACHE_LINE + 1):
                prefetch(x + (order[i + ahead] - order[i]) * rows.row_stride + d * CACHE_LINE)
        weight = sign * (rows.sample_weight[order[i]] if rows.sample_weight != NULL else 1.0)
        if rows.column_stride == sizeof(real):
            add_deviations(x, origin, n_columns, weight, sums)
            continue
        for d in range(n_columns):
            sums[d] += weight * (<double>read(x + d * rows.column_stride) - origin[d])


cdef void gap_squares(const Rows *rows, Py_ssize_t first, Py_ssize_t count, const int *labels,
                      const double *centers, const double *rounding, double *squares,
                      unsigned char *away) noexcept nogil:
    """Of rows first .. first + count - 1 the squared distances to their centres, in float64."""
    cdef Py_ssize_t i
    for i in range(first, first + count):
        squares[i] = gap_square(rows.x + i * rows.row_stride, rows.column_stride,
                                centers + labels[i] * rows.n_features, rounding, rows.n_features,
                                away + i)


cdef void center_distances(const Rows *rows, Py_ssize_t first, Py_ssize_t count,
                           const char *centers, Py_ssize_t n_centers, char *out) noexcept nogil:
    """out (count, n_centers): distances of rows whose columns are contiguous."""
    cdef const real *center = <const real*>centers
    cdef real *o = <real*>out
    cdef Py_ssize_t D = rows.n_features, n_vectors = D // LANES, i, j, k, d, n, size
    cdef const char *row[2]
    cdef vec x[TILED * VECTORS]
    cdef vec form[SOME * VECTORS]
    cdef real total[2 * SOME]
    cdef real gap
    i = 0
    while i < count:
        size = min(<Py_ssize_t>2 if D >= TILED else <Py_ssize_t>TILE, count - i)
        if D < TILED:
            pack_tile(rows, first + i, size, D, <real*>x)
        for j in range(2):
            row[j] = rows.x + (first + i + min(j, size - 1)) * rows.row_stride
        k = 0
        while k < n_centers:
            n = min(<Py_ssize_t>SOME, n_centers - k)
            if D < TILED:
                axis_forms(center + k * D, NULL, D, x, D, n, NULL, form)
                for j in range(size):
                    for d in range(n):
                        o[j * n_centers + k + d] = (<const real*>form)[d * TILE + j]
                k += n
                continue
            row_forms(row[0], row[1], center + k * D, D, n_vectors, <int>n, total)
            for j in range(size):
                for n in range(k, min(k + SOME, n_centers)):
                    gap = total[j * SOME + n - k]
                    for d in range(n_vectors * LANES, D):
                        gap += squared(read(row[j] + d * <Py_ssize_t>sizeof(real))
                                       - center[n * D + d])
                    o[j * n_centers + n] = gap
            k += SOME
        for j in range(size):
            if not roots(o, n_centers):
                # what overflows or underflows
                row[0] = rows.x + (first + i + j) * rows.row_stride
                for k in range(n_centers):
                    if not is_root(o[k]):
                        o[k] = <real>scaled_distance(row[0], sizeof(real), center + k * D, D)
            o += n_centers
        i += size


cdef inline real squared(real x) noexcept nogil:
    return x * x


cdef double scaled_distance(const char *x, Py_ssize_t step, const real *centre,
                            Py_ssize_t n_features) noexcept nogil:
    """|x - centre| in float64, where squares overflow or underflow."""
    cdef double scale = 0, total = 0, half
    cdef Py_ssize_t d
    for d in range(n_features):
        scale = max(scale, fabs(0.5 * <double>read(x + d * step) - 0.5 * <double>centre[d]))
    if scale == 0:
        return 0
    for d in range(n_features):
        half = (0.5 * <double>read(x + d * step) - 0.5 * <double>centre[d]) / scale
        total += half * half
    return 2 * scale * sqrt(total)
