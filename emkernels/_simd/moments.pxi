# Weighted moments about the components' current means, from the panels of a block:
# n_k = sum r, s_k = sum r d, S_k = sum r d d' with d = x - mean_k, added in float64 into
# the accumulators. Of up to NARROW features the rows run along the vector lanes, and a register
# tile of feature pairs is summed over a chunk of rows, then over its lanes. More features, and
# components to which few rows matter: products.pxi.

cdef enum:
    NARROW_TILES = 12           # of a chunk: four features of it fit the first cache twice
    NARROW_STRIDE = NARROW_TILES * VECTORS + 1      # keeps features off the same lines of it


cdef inline double lanes(const vec *v) noexcept nogil:
    cdef real lane[LANES]
    cdef double total = 0
    cdef Py_ssize_t i
    memcpy(lane, v, sizeof(vec))
    for i in range(LANES):
        total += lane[i]
    return total


cdef inline void small_moments(const vec *x, const vec *r, Py_ssize_t r_stride, const vec *w,
                               Py_ssize_t n_tiles, Py_ssize_t x_stride, const real *mean,
                               Py_ssize_t n_features, double *count, double *first,
                               double *second) noexcept nogil:
    """All moments of one component at n_features <= FEATURES, in registers; called with a
    literal so that it unrolls."""
    cdef vec acc[16]
    cdef vec diff[FEATURES]
    cdef vec weight, weighted
    cdef real sums[16]
    cdef Py_ssize_t t, v, i, j, pairs = 1 + n_features
    for i in range(16):
        acc[i] = splat(0)
    for t in range(n_tiles):
        for v in range(VECTORS):
            weight = r[t * r_stride + v] * w[t * VECTORS + v]
            acc[0] = acc[0] + weight
            for i in range(n_features):
                diff[i] = x[t * x_stride + i * VECTORS + v] - splat(mean[i])
            for i in range(n_features):
                weighted = weight * diff[i]
                acc[1 + i] = acc[1 + i] + weighted
                for j in range(i + 1):
                    acc[pairs + i * (i + 1) // 2 + j] = (acc[pairs + i * (i + 1) // 2 + j]
                                                         + weighted * diff[j])
    lane_sums(acc, 16, sums)
    count[0] += sums[0]
    for i in range(n_features):
        first[i] += sums[1 + i]
    for i in range(n_features * (n_features + 1) // 2):
        second[i] += sums[pairs + i]


cdef inline void pair_tile(const vec *left, const vec *right, Py_ssize_t n_vectors,
                           double *second, Py_ssize_t row) noexcept nogil:
    """The products of FEATURES features, from the one numbered `row` on, and PAIRED others before
    them, which begin where `second` does."""
    cdef vec acc[16]
    cdef real sums[16]
    cdef Py_ssize_t v, i, j
    for i in range(FEATURES * PAIRED):
        acc[i] = splat(0)
    for v in range(n_vectors):
        for i in range(FEATURES):
            for j in range(PAIRED):
                acc[i * PAIRED + j] = (
                    acc[i * PAIRED + j]
                    + left[i * NARROW_STRIDE + v] * right[j * NARROW_STRIDE + v])
    lane_sums(acc, FEATURES * PAIRED, sums)
    for i in range(FEATURES):
        for j in range(PAIRED):
            second[j] += sums[i * PAIRED + j]
        second += row + i + 1


cdef inline void diagonal_tile(const Panels *p, Py_ssize_t a, Py_ssize_t n_vectors) noexcept nogil:
    """The products of FEATURES features, from a on, with themselves, lower triangle."""
    cdef vec acc[16]
    cdef const vec *e = p.scaled + a * NARROW_STRIDE
    cdef Py_ssize_t v, i, j
    for i in range(16):
        acc[i] = splat(0)
    for v in range(n_vectors):
        for i in range(FEATURES):
            for j in range(i + 1):
                acc[i * FEATURES + j] = (acc[i * FEATURES + j]
                                         + e[i * NARROW_STRIDE + v] * e[j * NARROW_STRIDE + v])
    add_diagonal(acc, a, p.corner)


cdef inline void first_tile(const Panels *p, Py_ssize_t n, const real *mean,
                            const Py_ssize_t *tile, Py_ssize_t n_tiles,
                            Py_ssize_t a) noexcept nogil:
    """The same of features that are scaled, and summed, at once: what waits for rows does not
    wait for products."""
    cdef vec acc[16]
    cdef vec total[FEATURES]
    cdef vec centre[FEATURES]
    cdef vec value[FEATURES]
    cdef vec root
    cdef vec *e = p.scaled + a * NARROW_STRIDE
    cdef vec *sums = <vec*>p.sums + a
    cdef const vec *roots = <const vec*>p.roots
    cdef const vec *x
    cdef Py_ssize_t c, v, i, j
    for i in range(FEATURES):
        for j in range(FEATURES):
            acc[i * FEATURES + j] = splat(0)
        total[i] = splat(0)
        centre[i] = splat(mean[a + i])
    for c in range(n_tiles):
        x = p.x + (tile[c] * n + a) * VECTORS
        for v in range(VECTORS):
            root = roots[v]
            for i in range(FEATURES):
                value[i] = root * (x[i * VECTORS + v] - centre[i])
                e[i * NARROW_STRIDE + v] = value[i]
                total[i] = total[i] + root * value[i]
            for i in range(FEATURES):
                for j in range(i + 1):
                    acc[i * FEATURES + j] = acc[i * FEATURES + j] + value[i] * value[j]
        e += VECTORS
        roots += VECTORS
    for i in range(FEATURES):
        sums[i] = sums[i] + total[i]
    add_diagonal(acc, a, p.corner)


cdef inline void add_diagonal(const vec *acc, Py_ssize_t a, double *second) noexcept nogil:
    cdef real sums[16]
    cdef Py_ssize_t i, j
    lane_sums(acc, 16, sums)
    second += a * (a + 1) // 2 + a
    for i in range(FEATURES):
        for j in range(i + 1):
            second[j] += sums[i * FEATURES + j]
        second += a + i + 1


cdef bint is_crowded(const Panels *p, const Job *job, Py_ssize_t k) noexcept nogil:
    """Whether so many rows of a component's tiles matter to it that going over all of them is
    faster than gathering these; measured. It is the same for every layout of the rows."""
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features, t
    cdef Py_ssize_t n_rows = 0, n_tiles = 0
    if sums_of_rows(job):
        return False
    # r is counted, not u r of Student t components
    if job.gaussians.dfs != NULL or not (job.skip or job.resp != NULL or job.labels != NULL):
        return True
    if D < 8 or (D <= FEW_FEATURES and job.incomplete != NULL):
        return True
    for t in range(p.n_tiles):
        n_rows += p.active[t * K + k]
        n_tiles += p.active[t * K + k] != 0
    return n_rows * (D + 2 * LANES) >= n_tiles * TILE * D


cdef void narrow_moments(const Panels *p, const Job *job, Py_ssize_t k, const Band *band,
                         const real *mean, double *count, double *first,
                         double *second) noexcept nogil:
    """One component of at most NARROW features, complete rows: S_k = sum e e' with
    e = sqrt(r) (x - mean), a band of it. Of responsibilities that do not matter the products would
    be subnormal, which takes a processor long."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, n = padded(g.n_features), t, v, c = 0
    cdef bint skip = job.skip and job.resp == NULL and g.dfs == NULL
    cdef vec least = splat(<real>1e-19)
    cdef vec total = splat(0), weight
    cdef vec *root = <vec*>p.roots
    cdef Py_ssize_t tile[NARROW_TILES]
    cdef const vec *r
    open_narrow(p, n)
    for t in range(p.n_tiles):
        if not p.active[t * K + k]:
            continue
        r = p.resp + (t * K + k) * VECTORS
        for v in range(VECTORS):
            weight = r[v] * p.weight[t * VECTORS + v]
            if skip:
                weight = keep_if_ge(weight, r[v], least)
            total = total + weight      # shows one that is not a number
            root[c * VECTORS + v] = vroot(weight)
        tile[c] = t
        c += 1
        if c == NARROW_TILES:
            narrow_chunk(p, n, band, mean, tile, c)
            c = 0
    narrow_chunk(p, n, band, mean, tile, c)
    close_narrow(p, g.n_features, band, lanes(&total), count, first, second)


cdef inline void open_narrow(const Panels *p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t d
    for d in range(n):
        (<vec*>p.sums)[d] = splat(0)
    memset(p.corner, 0, n * (n + 1) // 2 * sizeof(double))


cdef inline void close_narrow(const Panels *p, Py_ssize_t n_features, const Band *band,
                              double total, double *count, double *first,
                              double *second) noexcept nogil:
    """The sums of a component, or of a band of it, into the accumulators."""
    cdef Py_ssize_t begin = band.first * LEFT, end = min(n_features, band.end * LEFT), i
    if begin == 0:
        count[0] += total
    for i in range(begin, end):
        first[i] += lanes(<vec*>p.sums + i)
    for i in range(begin * (begin + 1) // 2, end * (end + 1) // 2):
        second[i] += p.corner[i]


cdef void narrow_filled(const Panels *p, const Job *job, Py_ssize_t k, const Band *band,
                        const real *mean, double *count, double *first,
                        double *second) noexcept nogil:
    """The same of rows that were filled in. What is filled in for a row that the component has
    nothing of may have overflowed, and is left out."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t n = padded(g.n_features), K = g.n_components, t, c = 0, d, v
    cdef bint skip = job.skip and job.resp == NULL and g.dfs == NULL
    cdef vec least = splat(<real>1e-19 if skip else 0), tiny = splat(
        <real>(1e-170 if IS_DOUBLE else 1e-30))     # less than any root but that of zero
    cdef vec total = splat(0), weight, value
    cdef vec root[VECTORS]
    cdef vec *sums = <vec*>p.sums
    cdef vec *e
    cdef const vec *r
    open_narrow(p, n)
    for t in range(p.n_tiles):
        if not p.active[t * K + k]:
            continue
        r = p.resp + (t * K + k) * VECTORS
        for v in range(VECTORS):
            weight = keep_if_ge(r[v] * p.weight[t * VECTORS + v], r[v], least)
            total = total + weight
            root[v] = vroot(weight)
        filled_deviations(p, t, k, n, mean, p.diff)
        for d in range(n):
            e = p.scaled + d * NARROW_STRIDE + c * VECTORS
            for v in range(VECTORS):
                value = keep_if_ge(root[v] * p.diff[d * VECTORS + v], root[v], tiny)
                e[v] = value
                sums[d] = sums[d] + root[v] * value
        c += 1
        if c == NARROW_TILES:
            narrow_chunk(p, n, band, mean, NULL, c)
            c = 0
    narrow_chunk(p, n, band, mean, NULL, c)
    close_narrow(p, g.n_features, band, lanes(&total), count, first, second)


cdef void narrow_chunk(const Panels *p, Py_ssize_t n, const Band *band, const real *mean,
                       const Py_ssize_t *tile, Py_ssize_t n_tiles) noexcept nogil:
    """p.corner += sum e e' of a chunk, in rows of the band and some before; p.sums += sum
    sqrt(r) e. Features are scaled just before they are first read, or have been where no tiles are
    given. Twice FEATURES of them are near while those before go by."""
    cdef Py_ssize_t n_vectors = n_tiles * VECTORS
    cdef Py_ssize_t a = 0, left, b, begin = band.first * LEFT, end = min(n, band.end * LEFT)
    while a < end and n_tiles > 0:
        b = a
        while b < min(end, a + 2 * FEATURES):
            if tile != NULL:
                first_tile(p, n, mean, tile, n_tiles, b)
            else:
                diagonal_tile(p, b, n_vectors)
            b += FEATURES
        b = 0 if a + 2 * FEATURES <= begin else min(a + FEATURES, end - FEATURES)
        while b > 0:
            b -= PAIRED
            left = a if b < a else a + FEATURES
            while left < min(end, a + 2 * FEATURES):
                add_pairs(p, left, b, n_vectors)
                left += FEATURES
        a += 2 * FEATURES


cdef inline void add_pairs(const Panels *p, Py_ssize_t a, Py_ssize_t b,
                           Py_ssize_t n_vectors) noexcept nogil:
    pair_tile(p.scaled + a * NARROW_STRIDE, p.scaled + b * NARROW_STRIDE, n_vectors,
              p.corner + a * (a + 1) // 2 + b, a)


cdef void moments(const Panels *p, const Job *job, double *accumulators) noexcept nogil:
    cdef Band band
    band.first, band.end = 0, bands_of(job.gaussians.n_features)
    some_moments(p, job, 0, job.gaussians.n_components, &band, accumulators)


cdef void some_moments(const Panels *p, const Job *job, Py_ssize_t begin, Py_ssize_t end,
                       const Band *band, double *accumulators) noexcept nogil:
    """Components begin .. end - 1."""
    cdef Py_ssize_t k
    cdef int type_ = job.gaussians.covariance_type
    if p.mask == NULL and type_ != FULL and not (type_ == TIED and job.second_moments):
        axis_moments(p, job, begin, end, accumulators)
        return
    for k in range(begin, end):
        component_moments(p, job, k, band, accumulators)


cdef void component_moments(const Panels *p, const Job *job, Py_ssize_t k, const Band *band,
                            double *accumulators) noexcept nogil:
    """The sums of one component, or a band of them where its covariances are full."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D), size
    cdef const real *mean = <const real*>g.packed + k * component_stride(g) + HEADER
    cdef double *count = accumulators + k
    cdef double *first = accumulators + K + k * D
    cdef double *second = accumulators + K + K * D
    cdef const vec *r = p.resp + k * VECTORS
    size = D * (D + 1) // 2 if g.covariance_type == FULL else D
    if g.covariance_type != TIED:
        second += k * size
    if g.covariance_type == TIED and job.second_moments:
        full_moments(p, job, k, band, count, first, second)
    elif p.mask != NULL and g.covariance_type != FULL:
        masked_moments(p, job, k, mean, count, first, second)
    elif (D > NARROW or p.ready != NULL or p.mask != NULL
          or D > 4 and not is_crowded(p, job, k)):
        full_moments(p, job, k, band, count, first, second)
    elif p.best != NULL:
        narrow_filled(p, job, k, band, mean, count, first, second)
    elif D > 4:
        narrow_moments(p, job, k, band, mean, count, first, second)
    elif D == 1:
        small_moments(p.x, r, K * VECTORS, p.weight, p.n_tiles, n * VECTORS, mean, 1, count,
                      first, second)
    elif D == 2:
        small_moments(p.x, r, K * VECTORS, p.weight, p.n_tiles, n * VECTORS, mean, 2, count,
                      first, second)
    elif D == 3:
        small_moments(p.x, r, K * VECTORS, p.weight, p.n_tiles, n * VECTORS, mean, 3, count,
                      first, second)
    else:
        small_moments(p.x, r, K * VECTORS, p.weight, p.n_tiles, n * VECTORS, mean, 4, count,
                      first, second)
