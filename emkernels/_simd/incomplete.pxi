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
