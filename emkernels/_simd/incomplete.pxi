# Rows with missing values, NaN. With d = x - mean, zero where missing, and L the precision,
# the missing part of a row is filled by its conditional mean: fill = -L_mm^-1 (L d)_m. The
# quadratic form of the observed part is then that of the filled row, |P (d + fill)|^2: a sum
# of squares, in which an error of the fill counts squared. The log density has besides
# -log|L_mm| / 2 + n_missing log(2 pi) / 2, the scatter the conditional covariance L_mm^-1.
#
# Rows come sorted by pattern. A tile of one pattern shares the factor of L_mm, its inverse
# and the regression B = -L_mm^-1 L_mo, so that a row costs n_missing products more than a
# complete one. Patterns of few rows are mixed in a tile: each lane then has a small matrix
# of its own, and the more values are missing the fewer lanes have a row. Small matrices are
# float64 whatever the rows are.
#
# R. J. A. Little, D. B. Rubin, Statistical Analysis with Missing Data, 2002, section 11.2.


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


cdef void open_tile(const Panels *p, const Job *job, Py_ssize_t t) noexcept nogil:
    """Where no list of missing values is needed: rows become indicators, or get a mask."""
    cdef Py_ssize_t n = padded(job.gaussians.n_features), j
    cdef real *x = <real*>(p.x + t * n * VECTORS)
    cdef real *mask = NULL
    if job.incomplete.indicator:
        for j in range(job.gaussians.n_features * TILE):
            x[j] = x[j] == x[j]
        return
    mask = <real*>(p.mask + t * n * VECTORS)
    for j in range(n * TILE):
        mask[j] = x[j] == x[j]
        x[j] = x[j] if x[j] == x[j] else 0


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


cdef void deviations(const Panels *p, Py_ssize_t t, Py_ssize_t n, const real *mean,
                     vec *diff) noexcept nogil:
    cdef const vec *x = p.x + t * n * VECTORS
    cdef const vec *mask
    cdef Py_ssize_t d, v
    if p.mask != NULL:
        mask = p.mask + t * n * VECTORS
        for d in range(n):
            for v in range(VECTORS):
                diff[d * VECTORS + v] = (x[d * VECTORS + v]
                                         - splat(mean[d]) * mask[d * VECTORS + v])
        return
    for d in range(n):
        for v in range(VECTORS):
            diff[d * VECTORS + v] = x[d * VECTORS + v] - splat(mean[d])


cdef void put_fill(const Panels *p, Py_ssize_t t, bint mixed, const vec *fill,
                   vec *diff) noexcept nogil:
    """Missing values of one tile's deviations <- fill (n_missing, TILE), or zeros for NULL."""
    cdef const int *lists = p.missing + t * p.missing_stride
    cdef const int *lengths = p.lane_missing + t * TILE
    cdef real *target = <real*>diff
    cdef const real *source = <const real*>fill
    cdef Py_ssize_t i, j, v
    if mixed:
        for j in range(TILE):
            for i in range(lengths[j]):
                target[lists[i * TILE + j] * TILE + j] = (
                    source[i * TILE + j] if fill != NULL else 0)
        return
    for i in range(p.n_missing[t]):
        for v in range(VECTORS):
            diff[lists[i] * VECTORS + v] = fill[i * VECTORS + v] if fill != NULL else splat(0)


cdef void filled_deviations(const Panels *p, Py_ssize_t t, Py_ssize_t k, Py_ssize_t n,
                            const real *mean, vec *diff) noexcept nogil:
    deviations(p, t, n, mean, diff)
    if p.mask == NULL:
        put_fill(p, t, p.mixed[t], p.fill + p.fill_at[t] + k * p.n_missing[t] * VECTORS, diff)


cdef inline void regress_rows(const real *b, Py_ssize_t o, const int *observed, Py_ssize_t rows,
                              const vec *diff, vec *fill) noexcept nogil:
    """fill (rows, TILE) = B diff_o, rows a literal, 4 or 1."""
    cdef vec acc[8]
    cdef const vec *x
    cdef Py_ssize_t d, r, half
    for half in range(0, VECTORS, 2):
        for r in range(2 * rows):
            acc[r] = splat(0)
        for d in range(o):
            x = diff + observed[d] * VECTORS + half
            for r in range(rows):
                acc[2 * r] = acc[2 * r] + splat(b[r * o + d]) * x[0]
                acc[2 * r + 1] = acc[2 * r + 1] + splat(b[r * o + d]) * x[1]
        for r in range(rows):
            fill[r * VECTORS + half] = acc[2 * r]
            fill[r * VECTORS + half + 1] = acc[2 * r + 1]


cdef bint tile_form(const Job *job, Py_ssize_t t, Py_ssize_t k, const Panels *p, vec *diff,
                    real constant, const vec *constants, bint skip, vec *best,
                    vec *lp) noexcept nogil:
    """lp (TILE) = constants - |P diff|^2 / 2 and best raised to it; False when skipped."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t n = padded(g.n_features), v, o
    cdef const real *mean = <const real*>g.packed + k * component_stride(g) + HEADER
    cdef vec q[VECTORS]
    cdef vec limit[VECTORS]
    if skip and g.dfs != NULL:      # rows of one pattern
        o = g.n_features - p.n_missing[t]
        student_limit(mean - HEADER, <real>(0.5 * (g.dfs[k] + o)),
                      <real>(constant + g.excess[k * (g.n_features + 1) + o]), best, limit)
    if not quadratic_full(p.zeros, mean + n, diff, diff, n // FEATURES, q, skip, constant, best,
                          limit if g.dfs != NULL else NULL):
        return False
    if g.dfs != NULL:
        observed_power_law(p, job, t, k, q, constant, constants, lp)
        for v in range(VECTORS):
            best[v] = vmax(lp[v], best[v])
        return True
    for v in range(VECTORS):
        lp[v] = (constants[v] if constants != NULL else splat(constant)) - splat(0.5) * q[v]
        best[v] = vmax(lp[v], best[v])
    return True


cdef void pattern_densities(const Job *job, const Panels *p, Py_ssize_t begin,
                            Py_ssize_t end, Py_ssize_t hint, bint skip, Py_ssize_t low,
                            Py_ssize_t high) noexcept nogil:
    """Log densities and fills of tiles begin .. end - 1, all of one pattern, under components
    low .. high - 1, the one of the hint first."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D), m = p.n_missing[begin]
    cdef Py_ssize_t o = D - m, i, k, t, r
    cdef const int *missing = p.missing + begin * p.missing_stride
    cdef const real *mean
    cdef vec *fill
    cdef vec *diff = p.whitened
    cdef real constant
    note_observed(p, missing, m, D)
    for i in range(low, high):
        k = hint if i == low else (i - 1 if i <= hint else i)
        mean = <const real*>g.packed + k * component_stride(g) + HEADER
        constant = <real>pattern_factor(job, k, missing, m, p, p.inverse + k * row_of(m))
        for t in range(begin, end):
            deviations(p, t, n, mean, diff)
            fill = p.fill + p.fill_at[t] + k * m * VECTORS
            if m > 0:
                r = 0
                while r + 4 <= m:
                    regress_rows(p.regression + r * o, o, p.observed, 4, diff, fill + r * VECTORS)
                    r += 4
                while r < m:
                    regress_rows(p.regression + r * o, o, p.observed, 1, diff, fill + r * VECTORS)
                    r += 1
                put_fill(p, t, False, fill, diff)
            p.active[t * K + k] = tile_form(
                job, t, k, p, diff, constant, NULL, skip, p.best + t * VECTORS,
                p.resp + (t * K + k) * VECTORS)


cdef void mixed_densities(const Job *job, const Panels *p, Py_ssize_t t, Py_ssize_t start,
                          Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    """The same for one tile whose lanes have patterns of their own."""
    cdef const Gaussians *g = &job.gaussians
    cdef const Incomplete *inc = job.incomplete
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D), m = p.n_missing[t], k, j
    cdef Py_ssize_t v
    cdef bint wanted = (job.second_moments or inc.normals != NULL
                        or inc.covariances_out != NULL)
    cdef const real *mean
    cdef const double *matrix
    cdef vec *fill
    cdef vec constants[VECTORS]
    cdef Py_ssize_t W = wide(D), size = row_of(m)
    for k in range(low, high):
        mean = <const real*>g.packed + k * component_stride(g) + HEADER
        matrix = job.incomplete.precisions + k * D * W
        fill = p.fill + p.fill_at[t] + k * m * VECTORS
        for v in range(VECTORS):
            constants[v] = splat(mean[NORMAL - HEADER])
        j = 0
        while j < TILE and row_at(&job.rows, start + j) >= 0:
            lanes_fill(p, t, j, mean, matrix, D, m, mean[NORMAL - HEADER], <real*>constants,
                       p.inverse + (j * K + k) * size if wanted else NULL, K * size, <real*>fill)
            j += DLANES
        deviations(p, t, n, mean, p.whitened)
        put_fill(p, t, True, fill, p.whitened)
        p.active[t * K + k] = tile_form(
            job, t, k, p, p.whitened, 0, constants, False, p.best + t * VECTORS,
            p.resp + (t * K + k) * VECTORS)


cdef void lanes_fill(const Panels *p, Py_ssize_t t, Py_ssize_t first, const real *mean,
                     const double *matrix, Py_ssize_t D, Py_ssize_t m, double constant,
                     real *constants, double *inverse, Py_ssize_t apart,
                     real *fill) noexcept nogil:
    """DLANES rows from lane `first` on, each with its own pattern: constants (TILE), inverse
    (m (m + 1) / 2,) of each row, so far `apart`, or NULL, and fill (m, TILE)."""
    cdef Py_ssize_t W = wide(D), lane, i, j, d, size = row_of(m)
    cdef const int *lists = p.missing + t * p.missing_stride + first
    cdef const int *lengths = p.lane_missing + t * TILE + first
    cdef dvec *a = p.lane_matrices
    cdef dvec *v = a + size
    cdef dvec *w = v + m
    cdef dvec *pivots = w + m
    cdef double *flat = <double*>a
    cdef double *target = <double*>v
    cdef const double *inverted = <const double*>pivots
    cdef const double *row
    cdef const real *x = <const real*>(p.x + t * padded(D) * VECTORS) + first
    cdef double *diff = p.deviation
    cdef double product
    cdef dvec s
    memset(diff, 0, DLANES * W * sizeof(double))
    for d in range(D):
        for lane in range(DLANES):
            diff[lane * W + d] = <double>x[d * TILE + lane] - mean[d]
    for lane in range(DLANES):
        diff = p.deviation + lane * W
        for i in range(lengths[lane]):
            diff[lists[i * TILE + lane]] = 0
        for i in range(m):
            if i >= lengths[lane]:
                # lanes with fewer missing values go on with the identity
                for j in range(i):
                    flat[(row_of(i) + j) * DLANES + lane] = 0
                flat[(row_of(i) + i) * DLANES + lane] = 1
                target[i * DLANES + lane] = 0
                continue
            row = matrix + lists[i * TILE + lane] * W
            for j in range(i + 1):
                flat[(row_of(i) + j) * DLANES + lane] = row[lists[j * TILE + lane]]
            target[i * DLANES + lane] = dot(row, diff, W)
    lanes_cholesky(a, m, pivots)
    lanes_invert_lower(a, pivots, m)
    for i in range(m):
        s = dsplat(0)
        for j in range(i + 1):
            s = s + a[row_of(i) + j] * v[j]
        w[i] = s
    for i in range(m):
        s = dsplat(0)
        for j in range(i, m):
            s = s - a[row_of(j) + i] * w[j]
        v[i] = s
    for i in range(m):
        for lane in range(DLANES):
            fill[i * TILE + first + lane] = <real>target[i * DLANES + lane]
    if size > 0 and inverse != NULL:
        lanes_gram_lower(a, m)
        for i in range(size):
            for lane in range(DLANES):
                inverse[lane * apart + i] = flat[i * DLANES + lane]
    for lane in range(DLANES):
        product = 1
        constants[first + lane] = <real>(constant + 0.5 * lengths[lane] * log(2 * M_PI))
        for i in range(lengths[lane]):
            product *= inverted[i * DLANES + lane]
            if not 1e-100 < product < 1e100:
                constants[first + lane] += <real>log(product)
                product = 1
        constants[first + lane] += <real>log(product)


cdef void masked_densities(const Job *job, const Panels *p, Py_ssize_t t, vec *best,
                           vec *out) noexcept nogil:
    """The types whose missing values just drop out of the sums."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D), k, d, v
    cdef const vec *x = p.x + t * n * VECTORS
    cdef const vec *mask = p.mask + t * n * VECTORS
    cdef const real *mean
    cdef const real *scale
    cdef const double *logs
    cdef vec q[VECTORS]
    cdef vec constant[VECTORS]
    cdef vec z
    for k in range(K):
        mean = <const real*>g.packed + k * component_stride(g) + HEADER
        scale = mean + n
        logs = job.incomplete.log_scales + k * D
        for v in range(VECTORS):
            q[v] = splat(0)
            constant[v] = splat(<real>g.log_weights[k] if g.log_weights != NULL else 0)
        for d in range(D):
            for v in range(VECTORS):
                z = x[d * VECTORS + v] - splat(mean[d]) * mask[d * VECTORS + v]
                z = z * splat(scale[d])
                q[v] = q[v] + z * z
                constant[v] = constant[v] + splat(<real>logs[d]) * mask[d * VECTORS + v]
        p.active[t * K + k] = True
        if g.dfs != NULL:
            observed_power_law(p, job, t, k, q, 0, constant, out + k * VECTORS)
        for v in range(VECTORS):
            if g.dfs == NULL:
                out[k * VECTORS + v] = constant[v] - splat(0.5) * q[v]
            best[v] = vmax(out[k * VECTORS + v], best[v])


cdef void harden(const Panels *p, const Job *job, Py_ssize_t t, Py_ssize_t start,
                 Py_ssize_t size, double *log_likelihood) noexcept nogil:
    """Responsibilities <- 1 for the first largest log density of each row, 0 for the others;
    the log densities themselves are compared, for close ones have equal exponentials."""
    cdef Py_ssize_t K = job.gaussians.n_components, j, k
    cdef real *resp = <real*>(p.resp + t * K * VECTORS)
    cdef const real *weight = <const real*>(p.weight + t * VECTORS)
    cdef real best[TILE]
    cdef int label[TILE]
    best_components(resp, K, best, label)
    if job.labels_out != NULL:
        put_labels(job, start, size, label)
    for j in range(TILE):
        if weight[j] != 0:
            log_likelihood[0] += <double>weight[j] * best[j]
    memset(resp, 0, K * TILE * sizeof(real))
    for j in range(TILE):
        resp[label[j] * TILE + j] = 1
