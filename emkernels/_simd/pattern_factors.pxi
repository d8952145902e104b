# The small matrices of rows with missing values: the factor of L_mm, its inverse and the regression
# of a pattern (see incomplete.pxi).


cdef Py_ssize_t mixed_rows(Py_ssize_t n_missing) noexcept nogil:
    """How many rows a mixed tile has at most where one of them lacks so many values: what their
    conditional covariances take is bounded. 0: none."""
    return min(<Py_ssize_t>TILE, row_of(MIXED_MISSING) * TILE // row_of(n_missing)
               // DLANES * DLANES)


cdef Py_ssize_t mixed_cells(Py_ssize_t n_rows, Py_ssize_t n_missing) noexcept nogil:
    """What these take, of one component."""
    return (n_rows + DLANES - 1) // DLANES * DLANES * row_of(n_missing)


cdef inline Py_ssize_t conditional_cells(const Incomplete *inc) noexcept nogil:
    """The same of any tile."""
    return max(row_of(inc.most_missing), inc.most_cells)


cdef inline Py_ssize_t small_size(Py_ssize_t most, Py_ssize_t n_features) noexcept nogil:
    """Of each of the matrices of pattern_factor, where at most so many values are missing."""
    return max(max(row_of(most), wide(n_features)),
               n_features * n_features // 4 if 2 * most > n_features else 0)


cdef inline Py_ssize_t lanes_size(Py_ssize_t most) noexcept nogil:
    return row_of(most) + 3 * most


cdef void prepare_incomplete(const Gaussians *g, const Incomplete *inc) noexcept nogil:
    """The float64 matrices that missing values need, from the factors."""
    cdef Py_ssize_t D = g.n_features, W = wide(D), K = g.n_components, k, i, j, r
    cdef const double *u
    cdef double *out
    cdef double *row
    cdef double value
    if g.covariance_type != FULL:
        for k in range(K):
            for i in range(D):
                value = g.precisions_cholesky[k * D + i if g.covariance_type == DIAG else k]
                inc.log_scales[k * D + i] = log(value) - 0.5 * log(2 * M_PI)
        return
    for k in range(K):
        u = g.precisions_cholesky + k * D * D
        out = inc.precisions + k * D * W
        memset(out, 0, D * W * sizeof(double))
        for i in range(D):
            for j in range(i + 1):
                value = dot(u + i * D + i, u + j * D + i, D - i)
                out[i * W + j] = value
                out[j * W + i] = value
        if inc.covariances == NULL:
            continue
        # Sigma = C C' with C = P^-1, P = u' lower: rows of C by substitution, into the lower
        # triangle, then products of rows from the last to the first
        out = inc.covariances + k * D * W
        memset(out, 0, D * W * sizeof(double))
        for i in range(D):
            row = out + i * W
            for r in range(i):
                add_scaled(-u[r * D + i], out + r * W, r + 1, row)
            value = 1 / u[i * D + i]
            for j in range(i):
                row[j] *= value
            row[i] = value
        for i in range(D - 1, -1, -1):
            for j in range(i, -1, -1):
                value = dot(out + i * W, out + j * W, j + 1)
                out[j * W + i] = value      # the upper triangle, until row i is done with
            for j in range(i + 1):
                out[i * W + j] = out[j * W + i]


cdef void list_missing(const Panels *p, const Job *job, Py_ssize_t t,
                       Py_ssize_t start) noexcept nogil:
    """Note where the values of a packed tile are missing, and put zeros there. More missing values
    than the schedule has (it is of other rows) stay what they are: NaN goes on, and nothing is
    written out of bounds."""
    cdef const Incomplete *inc = job.incomplete
    cdef Py_ssize_t D = job.gaussians.n_features, n = padded(D), d, i, j, most = 0
    cdef Py_ssize_t rows = 0, limit = inc.most_mixed
    cdef real *x = <real*>(p.x + t * n * VECTORS)
    cdef int *lists = p.missing + t * p.missing_stride
    cdef int *lengths = p.lane_missing + t * TILE
    p.mixed[t] = inc.kinds[start // TILE] == MIXED
    if not p.mixed[t]:
        for d in range(D):
            if x[d * TILE] != x[d * TILE] and most < inc.most_missing:
                lists[most] = <int>d
                most += 1
                for j in range(TILE):
                    x[d * TILE + j] = 0
        for j in range(TILE):
            lengths[j] = <int>most
    else:
        while rows < TILE and row_at(&job.rows, start + rows) >= 0:
            rows += 1
        while mixed_cells(rows, limit) > inc.most_cells:
            limit -= 1
        rows = (rows + DLANES - 1) // DLANES * DLANES
        memset(lengths, 0, TILE * sizeof(int))
        for d in range(D):
            for j in range(TILE):
                # one list element too many is written, and there is room for it
                i = lengths[j]
                lists[i * TILE + j] = <int>d
                if x[d * TILE + j] != x[d * TILE + j] and i < limit:
                    lengths[j] += 1
                    x[d * TILE + j] = 0
        for j in range(rows):
            most = max(most, lengths[j])
        for j in range(rows, TILE):     # lanes without a row
            lengths[j] = 0
    p.n_missing[t] = most
    p.fill_at[t] = 0 if t == 0 else (
        p.fill_at[t - 1] + job.gaussians.n_components * p.n_missing[t - 1] * VECTORS)


cdef double pattern_factor(const Job *job, Py_ssize_t k, const int *missing, Py_ssize_t m,
                           const Panels *p, double *inverse) noexcept nogil:
    """Component k given one pattern: p.regression (m, o) = B, inverse = L_mm^-1 packed;
    returns the log density where the form is 0. Without p.regression B is left out."""
    cdef const Gaussians *g = &job.gaussians
    cdef const Incomplete *inc = job.incomplete
    cdef Py_ssize_t D = g.n_features, W = wide(D), o = D - m, i, j
    cdef const double *matrix = inc.precisions + k * D * W
    cdef const double *row
    cdef double *a = p.small
    cdef double *t = p.small + p.small_stride
    cdef double *y = p.small + 2 * p.small_stride
    cdef double constant = (<const real*>g.packed)[k * component_stride(g) + NORMAL], log_det
    if m == 0:
        return constant
    if o < m and o > 0 and inc.covariances != NULL:
        return observed_factor(job, k, missing, m, p, inverse)
    for i in range(m):
        row = matrix + missing[i] * W
        for j in range(i + 1):
            a[row_of(i) + j] = row[missing[j]]
    log_det = cholesky(a, m)
    invert_lower(a, m, t)
    gram_lower(t, m, inverse)
    if o == 0:
        # nothing is known of the row: any filling has the same density
        return g.log_weights[k] if g.log_weights != NULL else 0
    for i in range(m if p.regression != NULL else 0):
        memset(y, 0, W * sizeof(double))
        for j in range(m):
            add_scaled(-inverse[row_of(max(i, j)) + min(i, j)], matrix + missing[j] * W, W, y)
        for j in range(o):
            p.regression[i * o + j] = <real>y[p.observed[j]]
    return constant - log_det + 0.5 * m * log(2 * M_PI)


cdef double observed_factor(const Job *job, Py_ssize_t k, const int *missing, Py_ssize_t m,
                            const Panels *p, double *inverse) noexcept nogil:
    """The same from the covariance of the observed part, which is smaller here: R R' =
    Sigma_oo, Y = R^-1 Sigma_om, B = Y' R^-1, L_mm^-1 = Sigma_mm - Y' Y."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t D = g.n_features, W = wide(D), o = D - m, i, j, r
    cdef const double *matrix = job.incomplete.covariances + k * D * W
    cdef double *a = p.small
    cdef double *t = p.small + p.small_stride
    cdef double *y = p.small + 2 * p.small_stride       # (o, m)
    cdef double *cross = p.small + 3 * p.small_stride   # (m,), then (o,)
    cdef double log_det
    for i in range(o):
        for j in range(i + 1):
            a[row_of(i) + j] = matrix[p.observed[i] * W + p.observed[j]]
    log_det = cholesky(a, o)
    invert_lower(a, o, t)
    memset(y, 0, o * m * sizeof(double))
    for j in range(o):
        for i in range(m):
            cross[i] = matrix[p.observed[j] * W + missing[i]]
        for i in range(j, o):
            add_scaled(t[row_of(i) + j], cross, m, y + i * m)
    for i in range(m):
        memset(cross, 0, o * sizeof(double))
        for r in range(o):
            add_scaled(y[r * m + i], t + row_of(r), r + 1, cross)
        for j in range(o if p.regression != NULL else 0):
            p.regression[i * o + j] = <real>cross[j]
        for j in range(i + 1):
            inverse[row_of(i) + j] = matrix[missing[i] * W + missing[j]]
        for r in range(o):
            add_scaled(-y[r * m + i], y + r * m, i + 1, inverse + row_of(i))
    return (g.log_weights[k] if g.log_weights != NULL else 0) - log_det - 0.5 * o * log(2 * M_PI)


cdef void note_observed(const Panels *p, const int *missing, Py_ssize_t m,
                        Py_ssize_t D) noexcept nogil:
    cdef Py_ssize_t d, o = 0
    for d in range(D):
        if d - o < m and missing[d - o] == d:
            continue
        p.observed[o] = <int>d
        o += 1
