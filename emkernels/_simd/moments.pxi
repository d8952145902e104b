# Weighted moments about the components' current means, from the panels of a block:
# n_k = sum r, s_k = sum r d, S_k = sum r d d' with d = x - mean_k, added in float64 into
# the accumulators. The rows run along the vector lanes. A chunk of tiles is scaled for the
# component, feature by feature, with one vector between features, so that no two of them fall
# on the same lines of the first cache; a register tile of feature pairs is summed over the chunk,
# then over its lanes.

cdef enum:
    MOMENT_TILES = 12       # of a chunk: four features of it fit the first cache twice
    CHUNK_STRIDE = MOMENT_TILES * VECTORS + 1
    NEAR_BYTES = 524288     # of rows that stay in the second cache
    NEAR_GROUPS = 64        # of features of a chunk, likewise


# Rows of the triangle of second moments, in groups of FEATURES
ctypedef struct Band:
    Py_ssize_t first
    Py_ssize_t end


cdef Py_ssize_t carve_moments(char *scratch, Py_ssize_t used, Py_ssize_t n_padded,
                              Py_ssize_t n_tiles, Panels *p) noexcept nogil:
    """Lay out what the moments of blocks of n_tiles tiles are made in."""
    p.scaled = <vec*>(scratch + used)
    used += max(n_tiles * VECTORS, n_padded * CHUNK_STRIDE) * <Py_ssize_t>sizeof(vec)
    p.roots = <vec*>(scratch + used)
    used += MOMENT_TILES * VECTORS * sizeof(vec)
    p.lane_first = <vec*>(scratch + used)
    used = aligned(used + n_padded * <Py_ssize_t>sizeof(vec))
    p.spare = <double*>(scratch + used)
    used += n_padded * (n_padded + FEATURES) // 2 * sizeof(double)
    p.tile_index = <Py_ssize_t*>(scratch + used)
    return aligned(used + max(n_tiles, <Py_ssize_t>MOMENT_TILES) * <Py_ssize_t>sizeof(Py_ssize_t))


cdef inline void pair_tile(const vec *left, const vec *right, Py_ssize_t n_vectors,
                           double *out) noexcept nogil:
    """out (FEATURES, MB) += the products of FEATURES features and MB others, before them."""
    cdef vec acc[ACC]
    cdef real sums[16]
    cdef Py_ssize_t v, i, j
    for i in range(ACC):
        acc[i] = splat(0)
    for v in range(n_vectors):
        for i in range(FEATURES):
            for j in range(MB):
                acc[i * MB + j] = (acc[i * MB + j]
                                   + left[i * CHUNK_STRIDE + v] * right[j * CHUNK_STRIDE + v])
    lane_sums(acc, ACC, sums)
    for i in range(ACC):
        out[i] += sums[i]


cdef inline void diagonal_tile(const vec *x, Py_ssize_t n_vectors, double *out) noexcept nogil:
    """out (10,) += the products of FEATURES features with themselves, lower triangle."""
    cdef vec acc[10]
    cdef real sums[16]
    cdef Py_ssize_t v, i, j
    for i in range(10):
        acc[i] = splat(0)
    for v in range(n_vectors):
        for i in range(FEATURES):
            for j in range(i + 1):
                acc[i * (i + 1) // 2 + j] = (
                    acc[i * (i + 1) // 2 + j]
                    + x[i * CHUNK_STRIDE + v] * x[j * CHUNK_STRIDE + v])
    lane_sums(acc, 10, sums)
    for i in range(10):
        out[i] += sums[i]


cdef void unpack(const double *tiles, const Band *band, Py_ssize_t n_features,
                 double *second) noexcept nogil:
    """second, packed by rows, += register tiles."""
    cdef Py_ssize_t group, a, b, i, j, rows
    cdef double *row
    for group in range(band.first, band.end):
        a = group * FEATURES
        rows = min(<Py_ssize_t>FEATURES, n_features - a)
        for b in range(a // MB):
            for i in range(rows):
                row = second + (a + i) * (a + i + 1) // 2 + b * MB
                for j in range(MB):
                    row[j] += tiles[i * MB + j]
            tiles += ACC
        for i in range(rows):
            row = second + (a + i) * (a + i + 1) // 2 + a
            for j in range(i + 1):
                row[j] += tiles[i * (i + 1) // 2 + j]
        tiles += FEATURES * FEATURES


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


cdef inline double lanes(const vec *v) noexcept nogil:
    cdef real lane[LANES]
    cdef double total = 0
    cdef Py_ssize_t i
    memcpy(lane, v, sizeof(vec))
    for i in range(LANES):
        total += lane[i]
    return total


cdef void full_moments(const Panels *p, const Job *job, Py_ssize_t k, const Band *band,
                       double *count, double *first, double *second) noexcept nogil:
    """One component: the rows that matter are scaled to e = sqrt(r) (x - mean), and
    S_k = sum e e', a band of it. The first moments are those of the band, the count is made with
    the first."""
    cdef Py_ssize_t D = job.gaussians.n_features, n = padded(D), K = job.gaussians.n_components
    cdef Py_ssize_t t, d, v, c = 0
    cdef const real *mean = (<const real*>job.gaussians.packed
                             + k * component_stride(&job.gaussians) + HEADER)
    cdef bint any_ = False
    cdef bint far = p.n_tiles * n * TILE * <Py_ssize_t>sizeof(real) > NEAR_BYTES
    cdef vec total = splat(0), weight
    cdef const vec *r
    cdef const vec *w
    for t in range(p.n_tiles):
        if not p.active[t * K + k]:
            continue
        if not any_:
            any_ = True
            for d in range(n):
                p.lane_first[d] = splat(0)
            memset(p.spare, 0, n * (n + FEATURES) // 2 * sizeof(double))
        r = p.resp + (t * K + k) * VECTORS
        w = p.weight + t * VECTORS
        for v in range(VECTORS):
            weight = r[v] * w[v]
            total = total + weight
            p.roots[c * VECTORS + v] = vroot(weight)
        p.tile_index[c] = t
        if p.best != NULL or p.mask != NULL:
            scale_filled(p, t, k, n, mean, c)
        c += 1
        if c == MOMENT_TILES:
            close_chunk(p, n, band, mean, c,
                        <const char*>(p.x + (t + 1) * n * VECTORS) if far else NULL)
            c = 0
    if not any_:
        return
    if c > 0:
        close_chunk(p, n, band, mean, c, NULL)
    if band.first == 0:
        count[0] += lanes(&total)
    for d in range(band.first * FEATURES, min(D, band.end * FEATURES)):
        first[d] += lanes(&p.lane_first[d])
    unpack(p.spare, band, D, second)


cdef void close_chunk(const Panels *p, Py_ssize_t n_padded, const Band *band, const real *mean,
                      Py_ssize_t n_tiles, const char *ahead) noexcept nogil:
    """p.spare += sum e e' of a chunk: register tiles, which lie as `unpack` reads them, of all
    features with some that stay near, then with others. Features are scaled just before they are
    first read, where their values are all there. `ahead`: rows that are read next and may be in
    no near cache, or NULL; they are fetched meanwhile."""
    cdef Py_ssize_t block, group, b, i, n_vectors = n_tiles * VECTORS, line, lines = 0
    cdef bint scaled = p.best != NULL or p.mask != NULL
    cdef const vec *left
    cdef double *out
    if ahead != NULL:       # so many lines with every register tile
        lines = 1 + (2 * band.end * FEATURES * n_vectors * <Py_ssize_t>sizeof(vec) * ACC
                     // (CACHE_LINE * FEATURES * FEATURES
                         * (band.end - band.first) * (band.end + band.first)))
    for group in range(0 if scaled else band.first):
        scale_group(p, n_padded, group, mean, n_tiles)
    for i in range((band.end + NEAR_GROUPS - 1) // NEAR_GROUPS):
        block = i * NEAR_GROUPS
        for group in range(max(block, band.first), band.end):
            if block == 0 and not scaled:
                scale_group(p, n_padded, group, mean, n_tiles)
            left = p.scaled + group * FEATURES * CHUNK_STRIDE
            out = p.spare + FEATURES * FEATURES * (
                (group - band.first) * (group + band.first + 1) // 2 + block)
            for b in range(block * FEATURES // MB, min(block + NEAR_GROUPS, group)
                           * FEATURES // MB):
                for line in range(lines):
                    prefetch(ahead)
                    ahead += CACHE_LINE
                pair_tile(left, p.scaled + b * MB * CHUNK_STRIDE, n_vectors, out)
                out += ACC
            if group < block + NEAR_GROUPS:
                diagonal_tile(left, n_vectors, out)


cdef void scale_group(const Panels *p, Py_ssize_t n_padded, Py_ssize_t group, const real *mean,
                      Py_ssize_t n_tiles) noexcept nogil:
    """Some features of a chunk, and their part of the first moments."""
    cdef Py_ssize_t d, c, v
    cdef const Py_ssize_t *tile = p.tile_index
    cdef const vec *root
    cdef const vec *rows
    cdef const vec *x
    cdef vec *e
    cdef vec m, value
    cdef vec first[VECTORS]
    for d in range(group * FEATURES, (group + 1) * FEATURES):
        m = splat(mean[d])
        for v in range(VECTORS):
            first[v] = splat(0)
        e = p.scaled + d * CHUNK_STRIDE
        root = p.roots
        rows = p.x + d * VECTORS
        for c in range(n_tiles):
            x = rows + tile[c] * n_padded * VECTORS
            for v in range(VECTORS):
                value = root[v] * (x[v] - m)
                e[v] = value
                first[v] = first[v] + root[v] * value
            e += VECTORS
            root += VECTORS
        m = first[0]
        for v in range(1, VECTORS):
            m = m + first[v]
        p.lane_first[d] = p.lane_first[d] + m


cdef void scale_filled(const Panels *p, Py_ssize_t t, Py_ssize_t k, Py_ssize_t n_padded,
                       const real *mean, Py_ssize_t c) noexcept nogil:
    """Tile c of the chunk from tile t of rows whose missing values are filled in."""
    cdef Py_ssize_t d, v
    cdef vec least = splat(<real>(1e-162 if IS_DOUBLE else 1e-23))   # less than any positive root
    cdef const vec *root = p.roots + c * VECTORS
    cdef vec sum_
    cdef vec *e
    filled_deviations(p, t, k, n_padded, mean, p.diff)
    for d in range(n_padded):
        sum_ = splat(0)
        e = p.scaled + d * CHUNK_STRIDE + c * VECTORS
        for v in range(VECTORS):
            # a fill may have overflowed where the row has no weight here
            e[v] = keep_if_ge(root[v] * p.diff[d * VECTORS + v], root[v], least)
            sum_ = sum_ + root[v] * e[v]
        p.lane_first[d] = p.lane_first[d] + sum_


cdef void moments(const Panels *p, const Job *job, double *accumulators) noexcept nogil:
    cdef Band band
    band.first, band.end = 0, padded(job.gaussians.n_features) // FEATURES
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
    elif p.best != NULL or p.mask != NULL or D > 4:
        full_moments(p, job, k, band, count, first, second)
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
