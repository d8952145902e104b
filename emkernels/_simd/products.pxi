# Second moments of many features: the rows that have any weight for a component are gathered, up to
# MOMENT_ROWS of them, and scaled to e = sqrt(r) (x - mean), with features along the vector lanes;
# products of pairs of features are summed over them in registers (see products.h).

cdef enum:
    NEAR_BYTES = 524288     # of rows that stay in the second cache
    NEAR_FEATURES = 256     # of a chunk, likewise
    FEW_FEATURES = 24       # of which panels are always better
    FEW_LANES = TILE - TILE // 4     # that are copied one by one rather than turned with their tile


# Rows of the triangle of second moments, in groups of LEFT
ctypedef struct Band:
    Py_ssize_t first
    Py_ssize_t end


cdef inline Py_ssize_t bands_of(Py_ssize_t n_features) noexcept nogil:
    """The groups of LEFT features."""
    return (n_features + LEFT - 1) // LEFT


cdef inline Py_ssize_t strips_of(Py_ssize_t n_features) noexcept nogil:
    return (n_features + LANES - 1) // LANES


cdef Py_ssize_t carve_moments(char *scratch, Py_ssize_t used, Py_ssize_t n_features,
                              Py_ssize_t n_tiles, Panels *p) noexcept nogil:
    """Lay out what the moments of blocks of n_tiles tiles are made in."""
    cdef Py_ssize_t n = padded(n_features), n_strips = strips_of(n_features)
    cdef Py_ssize_t tile = TILE * sizeof(real)
    cdef bint narrow = n_features <= NARROW
    p.scaled = <vec*>(scratch + used)
    used += max(n_tiles * tile, n_strips * STRIP_REALS * <Py_ssize_t>sizeof(real),
                n * NARROW_STRIDE * <Py_ssize_t>sizeof(vec) if narrow else 0)
    p.roots = <real*>(scratch + used)
    used = aligned(used + max((MOMENT_ROWS + LANES) * <Py_ssize_t>sizeof(real),
                              NARROW_TILES * tile))
    p.row = <const char**>(scratch + used)
    used += MOMENT_ROWS * sizeof(char*)
    p.sums = <double*>(scratch + used)
    used += max(n * <Py_ssize_t>sizeof(vec) if narrow else 0,
                n_strips * LANES * <Py_ssize_t>sizeof(double))
    p.unused = <double*>(scratch + used)
    used = aligned(used + n_strips * LANES * sizeof(double))
    p.corner = <double*>(scratch + used)
    used += <Py_ssize_t>sizeof(double) * max(
        bands_of(n_features) * CORNERS * LEFT * LANES, n * (n + 1) // 2 if narrow else 0)
    return aligned(used)


cdef inline bint rows_are_near(const Job *job) noexcept nogil:
    """Whether the sums of many features can be made from the caller's rows as they are."""
    return job.incomplete == NULL and job.rows.column_stride == sizeof(real)


cdef inline bint sums_of_rows(const Job *job) noexcept nogil:
    """Whether sums are all that is asked for, and better made of the caller's rows than of panels:
    of wide rows, by labels, and of few components, which panels are not worth in float64."""
    cdef Py_ssize_t D = job.gaussians.n_features
    return (job.gaussians.covariance_type == FULL and job.incomplete == NULL
            and (job.resp != NULL or job.labels != NULL or job.all_ones) and D > FEW_FEATURES
            and (D > NARROW or job.labels != NULL
                 or (IS_DOUBLE and job.gaussians.n_components < 4)))


cdef void full_moments(const Panels *p, const Job *job, Py_ssize_t k, const Band *band,
                       double *count, double *first, double *second) noexcept nogil:
    """One component: the rows that matter are scaled to e = sqrt(r) (x - mean), and
    S_k = sum e e', a band of it. The first moments are those of the band, the count is made with
    the first."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t D = g.n_features, n = padded(D), K = g.n_components
    cdef Py_ssize_t t, d, i, v, n_lanes, c = 0
    cdef const real *mean = <const real*>g.packed + k * component_stride(g) + HEADER
    cdef bint filled = p.ready == NULL and (p.best != NULL or p.mask != NULL)
    # the rows of the caller, where the panels have nothing else: they are nearer, and not turned
    cdef bint direct = p.ready != NULL or (
        p.direct and rows_are_near(job))
    # u r of a Student t component may be small where its row is far
    cdef bint skip = job.skip and job.resp == NULL and g.dfs == NULL
    cdef vec least = splat(<real>1e-19)
    cdef vec total = splat(0)
    cdef vec weight[VECTORS]
    cdef int lane[TILE + LANES]
    cdef const vec *r
    cdef const char *ahead = NULL
    cdef bint far = p.n_tiles * n * TILE * <Py_ssize_t>sizeof(real) > NEAR_BYTES
    memset(p.sums, 0, strips_of(D) * LANES * sizeof(double))
    if p.ready != NULL:
        mean = p.zeros
    memset(p.corner, 0, bands_of(D) * CORNERS * LEFT * LANES * <Py_ssize_t>sizeof(double))
    for t in range(p.n_tiles):
        if not p.active[t * K + k]:
            continue
        r = p.resp + (t * K + k) * VECTORS
        for v in range(VECTORS):
            prefetch(<const char*>(r + K * VECTORS + v))     # of the next tile, far from these
            weight[v] = r[v] * p.weight[t * VECTORS + v]
            if skip:
                weight[v] = keep_if_ge(weight[v], r[v], least)
            total = total + weight[v]       # shows one that is not a number
        n_lanes = weighted_lanes(weight, p.roots + c, lane)
        if p.ready != NULL:
            for i in range(n_lanes):
                p.row[c + i] = <const char*>(p.ready + ((t * K + k) * TILE + lane[i]) * D)
        elif direct:
            for i in range(n_lanes):
                p.row[c + i] = job.rows.x + (row_at(&job.rows, p.start + t * TILE + lane[i])
                                             * job.rows.row_stride)
        elif not filled and n_lanes <= FEW_LANES:
            copy_rows(p.x + t * n * VECTORS, mean, D, lane, n_lanes, <real*>p.scaled + c * LANES)
        elif n_lanes > 0:
            if filled:
                filled_deviations(p, t, k, n, mean, p.diff)
            else:
                for d in range(n):
                    for v in range(VECTORS):
                        p.diff[d * VECTORS + v] = (p.x[(t * n + d) * VECTORS + v]
                                                   - splat(mean[d]))
            turn_rows(p, D, lane, n_lanes, c)
        c += n_lanes
        if c + TILE > MOMENT_ROWS:
            if far and p.ready != NULL:
                ahead = <const char*>(p.ready + ((t + 1) * K + k) * TILE * D)
            elif far and direct and job.rows.order == NULL:
                ahead = job.rows.x + (p.start + (t + 1) * TILE) * job.rows.row_stride
            elif far:
                ahead = <const char*>(p.x + (t + 1) * n * VECTORS)
            close_chunk(p, D, band, mean, c, direct, ahead, second)
            c = 0
    if c > 0:
        close_chunk(p, D, band, mean, c, direct, NULL, second)
    if band.first == 0:
        count[0] += lanes(&total)
    for d in range(band.first * LEFT, min(D, band.end * LEFT)):
        first[d] += p.sums[d]
    for i in range(band.first, band.end):
        add_corners(p, D, i, second)


cdef void copy_rows(const vec *tile, const real *mean, Py_ssize_t n_features, const int *lane,
                    Py_ssize_t n_lanes, real *e) noexcept nogil:
    """The deviations of few lanes of a tile into the chunk, from e on."""
    cdef const real *x
    cdef Py_ssize_t s, d, i
    for i in range(n_lanes):
        x = <const real*>tile + lane[i]
        for s in range(strips_of(n_features)):
            for d in range(min(<Py_ssize_t>LANES, n_features - s * LANES)):
                e[s * STRIP_REALS + i * LANES + d] = x[(s * LANES + d) * TILE] - mean[s * LANES + d]
            for d in range(n_features - s * LANES, LANES):
                e[s * STRIP_REALS + i * LANES + d] = 0


cdef void turn_rows(const Panels *p, Py_ssize_t n_features, const int *lane, Py_ssize_t n_lanes,
                    Py_ssize_t c) noexcept nogil:
    """The chosen lanes of p.diff into the chunk, from row c on."""
    cdef Py_ssize_t n = padded(n_features), s, d, v, i
    cdef const char *feature[LANES]
    cdef vec block[LANES]
    cdef real nothing[TILE]
    memset(nothing, 0, sizeof(nothing))
    for s in range(strips_of(n_features)):
        for i in range(LANES):
            d = s * LANES + i
            feature[i] = <const char*>(p.diff + d * VECTORS) if d < n else <const char*>nothing
        i = 0
        for v in range(VECTORS):
            load_transposed(feature, v * <Py_ssize_t>sizeof(vec), block)
            while i < n_lanes and lane[i] < (v + 1) * LANES:
                memcpy(<real*>p.scaled + s * STRIP_REALS + (c + i) * LANES,
                       block + lane[i] - v * LANES, sizeof(vec))
                i += 1


cdef void close_chunk(const Panels *p, Py_ssize_t n_features, const Band *band, const real *mean,
                      Py_ssize_t n_rows, bint direct, const char *ahead,
                      double *second) noexcept nogil:
    """second += sum e e' of a chunk: LEFT features with some strips that stay near, then with
    others. Strips are scaled just before they are first read. `ahead`: rows that are read next and
    may be in no near cache, or NULL; they are fetched meanwhile."""
    cdef Py_ssize_t D = n_features, n_strips = strips_of(D), near = NEAR_FEATURES // LANES
    cdef Py_ssize_t start, end, block, a, i, s, whole, total, line, lines = 0, done = 0
    cdef int m
    cdef real *e = <real*>p.scaled
    cdef double *out[LEFT]
    if ahead != NULL:       # so many lines with every register tile
        lines = 1 + (2 * D * n_rows * <Py_ssize_t>sizeof(real) * ABREAST * LANES
                     // (CACHE_LINE * LEFT * (band.end - band.first) * (band.end + band.first)))
    start = 0
    while start < n_strips:
        for block in range(max(band.first, start * LANES // LEFT), band.end):
            a = block * LEFT
            whole = a // LANES      # strips that are wholly before the diagonal
            total = min(n_strips, (a + LEFT + LANES - 1) // LANES)
            while done < total:
                done += scale_strips(
                    p.row if direct else NULL, done * LANES * <Py_ssize_t>sizeof(real),
                    D - done * LANES, mean + done * LANES, p.roots, n_rows,
                    e + done * STRIP_REALS, p.sums + done * LANES)
            for i in range(LEFT):
                out[i] = (second + (a + i) * (a + i + 1) // 2) if a + i < D else p.unused
            s = start
            end = min(total, start + near)
            while s < end:
                m = <int>min(<Py_ssize_t>2, end - s)
                if end - s > 4 or end - s == ABREAST:
                    m = ABREAST
                if CORNERS > 1 and s + m > whole:
                    m = <int>max(<Py_ssize_t>1, min(<Py_ssize_t>m, whole - s))
                for line in range(lines):
                    prefetch(ahead)
                    ahead += CACHE_LINE
                strip_products(e + whole * STRIP_REALS + a % LANES, e + s * STRIP_REALS, n_rows,
                               LEFT if D - a > LEFT // 2 else LEFT // 2, m, s + m > whole,
                               out, s * LANES,
                               p.corner + (block * CORNERS + s + m - 1 - whole) * LEFT * LANES)
                s += m
        start += near


cdef void add_corners(const Panels *p, Py_ssize_t n_features, Py_ssize_t block,
                      double *second) noexcept nogil:
    """The sums of LEFT features with themselves and their neighbours."""
    cdef Py_ssize_t a = block * LEFT, first = a // LANES * LANES, i, j
    cdef const double *corner = p.corner + block * CORNERS * LEFT * LANES
    cdef double *row
    for i in range(min(<Py_ssize_t>LEFT, n_features - a)):
        row = second + (a + i) * (a + i + 1) // 2
        for j in range(first, a + i + 1):
            row[j] += corner[((j - first) // LANES * LEFT + i) * LANES + (j - first) % LANES]
