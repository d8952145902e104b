# What a block of rows is computed in: panels, and what a thread needs beside them.

cdef enum:
    PANEL_BYTES = 1000000    # of all panels, so that they stay in a 1 MiB cache


ctypedef struct Panels:
    Py_ssize_t n_tiles
    Py_ssize_t start        # the position of the first row
    bint direct             # and the others follow
    vec *x                  # (n_tiles, n_padded, TILE)
    vec *whitened           # (n_padded, TILE), tied, and of rows with gaps
    vec *scaled             # rows weighted for one component, by strips (see products.pxi)
    real *roots             # of their weights
    const char **row        # (MOMENT_ROWS,) where they are
    vec *resp               # (n_tiles, n_components, TILE): log densities, then resp
    vec *weight             # (n_tiles, TILE): sample weight, then weight / normaliser
    vec *diff               # (n_padded, TILE)
    double *sums            # (features,) of their products with the weights
    double *corner          # (n_features / LEFT, CORNERS, LEFT, LANES) sums at the diagonal, or all
    double *unused          # like sums: of features past the last
    unsigned char *active   # (n_tiles, n_components) how many rows matter, or 1 for any
    unsigned char *flags    # (n_tiles, TILE)
    vec *field              # (n_components, TILE), of one tile (see field.pxi)
    vec *prior              # the same
    double *field_sums      # where the field's accumulators are
    # Student t only (see student.pxi)
    vec *pull               # like resp, of complete rows one tile: u
    vec *bend               # the same: log u - (u - 1); then the responsibilities without u
    Py_ssize_t pull_stride  # from tile to tile
    vec *far                # (n_tiles,) sums of the forms and of their shares of nu
    vec *tally              # (n_components, 2) sums over the block: weights, weighted bends
    double *sizes           # where its accumulators are
    double *bends
    # incomplete rows only (see incomplete.pxi)
    vec *mask               # like x: 1 where observed; NULL where the lists below serve
    unsigned char *mixed    # (n_tiles,)
    Py_ssize_t *n_missing   # (n_tiles,) the most of a row of the tile
    int *lane_missing       # (n_tiles, TILE) of every row
    int *missing            # (n_tiles, missing_stride) columns, of a mixed tile by lanes
    Py_ssize_t missing_stride
    vec *fill               # conditional mean - mean, (n_components, n_missing, TILE) a tile
    Py_ssize_t *fill_at     # (n_tiles,) where a tile's begin
    real *ready             # (n_tiles, n_components, TILE, n_features): filled deviations
    Py_ssize_t *own_numbers  # where a thread has the lists of one tile, of several components
    int *own_lists
    vec *best               # (n_tiles, TILE)
    # conditional covariances, packed: (n_components,) of one pattern, (rows, n_components) of a
    # mixed tile
    double *inverse
    double *small           # four matrices `small_stride` apart
    Py_ssize_t small_stride
    double *deviation       # (DLANES, wide)
    double *far_inverse
    dvec *lane_matrices
    real *regression        # (most_missing, n_padded)
    real *zeros             # (n_padded,)
    int *observed           # (n_features,)
    int *far_missing        # (n_features,)


cdef Py_ssize_t block_rows(const Job *job) noexcept nogil:
    cdef Py_ssize_t tile = TILE * sizeof(real)
    cdef Py_ssize_t n = padded(job.gaussians.n_features), K = job.gaussians.n_components
    cdef Py_ssize_t tiles, each = 2 * n + K
    if job.factors != NULL:
        return factor_rows(job)
    if job.classes != NULL:
        return CLASS_ROWS
    if job.chain != NULL:
        return 1        # positions are blocks
    if job.nearest != NULL:
        return nearest_block_rows(job)
    if job.bounds != NULL:
        # long ones have more rows of a cluster; enough of them for many threads
        return TILE * max(<Py_ssize_t>8, min(<Py_ssize_t>4096, job.rows.n_samples // 64) // TILE)
    if job.incomplete != NULL:
        each += K * job.incomplete.typical_missing
        if job.gaussians.dfs != NULL:
            each += 2 * K
    tiles = PANEL_BYTES // (tile * each)
    # sums over lanes want long blocks; few features stay in the first cache with short ones
    return TILE * max(<Py_ssize_t>(4 if job.gaussians.covariance_type == FULL else 8),
                      min(tiles, (8192 if n >= 16 else 4096) // tile))


cdef Py_ssize_t carve(const Job *job, char *scratch, Panels *p) noexcept nogil:
    """Lay the panels out in `scratch`; the number of bytes they take."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t T = job.block_rows // TILE, K = g.n_components, used, kept
    cdef Py_ssize_t tile = TILE * sizeof(real)
    used = carve_work(job, scratch, carve_rows(job, scratch, T, p), T, p)
    p.direct = False
    p.ready = NULL
    p.mask = NULL
    p.best = NULL
    p.pull = NULL
    if g.dfs != NULL:
        used = aligned(used)
        kept = T if job.incomplete != NULL else 1
        p.pull_stride = K * VECTORS if job.incomplete != NULL else 0
        p.pull = <vec*>(scratch + used)
        used += kept * K * tile
        p.bend = <vec*>(scratch + used)
        used += kept * K * tile
        p.far = <vec*>(scratch + used)
        used += T * sizeof(vec)
        p.tally = <vec*>(scratch + used)
        used += 2 * K * sizeof(vec)
    if job.field != NULL:
        used = aligned(used)
        p.field = <vec*>(scratch + used)
        used += K * tile
        p.prior = <vec*>(scratch + used)
        used += K * tile
    if job.incomplete != NULL and not job.incomplete.indicator:
        used = carve_incomplete(job, scratch, aligned(used), p)
    return used


cdef Py_ssize_t carve_rows(const Job *job, char *memory, Py_ssize_t T, Panels *p) noexcept nogil:
    """The rows of T tiles, and what their densities become."""
    cdef Py_ssize_t n = padded(job.gaussians.n_features), K = job.gaussians.n_components
    cdef Py_ssize_t tile = TILE * sizeof(real), used = 0
    p.x = <vec*>memory
    used += T * n * tile
    p.resp = <vec*>(memory + used)
    used += T * K * tile
    p.weight = <vec*>(memory + used)
    used += T * tile
    p.active = <unsigned char*>(memory + used)
    return aligned(used + T * K)


cdef Py_ssize_t carve_work(const Job *job, char *scratch, Py_ssize_t used, Py_ssize_t T,
                           Panels *p) noexcept nogil:
    """What one thread needs beside them."""
    cdef Py_ssize_t n = padded(job.gaussians.n_features), tile = TILE * sizeof(real)
    p.whitened = <vec*>(scratch + used)
    used += n * tile
    p.diff = <vec*>(scratch + used)
    used += n * tile
    used = carve_moments(scratch, used, job.gaussians.n_features, T, p)
    p.flags = <unsigned char*>(scratch + used)
    return aligned(used + T * TILE)


cdef inline Py_ssize_t aligned(Py_ssize_t n_bytes) noexcept nogil:
    return (n_bytes + 63) // 64 * 64


cdef Py_ssize_t carve_incomplete(const Job *job, char *scratch, Py_ssize_t used,
                                 Panels *p) noexcept nogil:
    cdef const Gaussians *g = &job.gaussians
    cdef const Incomplete *inc = job.incomplete
    cdef Py_ssize_t T = job.block_rows // TILE, D = g.n_features, n = padded(D), K = g.n_components
    cdef Py_ssize_t tile = TILE * sizeof(real), W = wide(D)
    cdef Py_ssize_t most = max(inc.most_missing, inc.most_mixed)
    p.deviation = <double*>(scratch + used)
    used += aligned(DLANES * W * sizeof(double))
    p.far_missing = <int*>(scratch + used)
    used += aligned(D * sizeof(int))
    if g.covariance_type != FULL or job.labels != NULL or job.resp != NULL:
        p.mask = <vec*>(scratch + used)
        return used + T * n * tile
    p.best = <vec*>(scratch + used)
    used += T * tile
    p.fill = <vec*>(scratch + used)
    used += T * K * most * tile
    p.zeros = <real*>(scratch + used)
    used += aligned(n * sizeof(real))
    p.observed = <int*>(scratch + used)
    used += aligned(D * sizeof(int))
    p.n_missing = <Py_ssize_t*>(scratch + used)
    used += aligned(T * sizeof(Py_ssize_t))
    p.fill_at = <Py_ssize_t*>(scratch + used)
    used += aligned(T * sizeof(Py_ssize_t))
    p.mixed = <unsigned char*>(scratch + used)
    used += aligned(T)
    p.lane_missing = <int*>(scratch + used)
    used += aligned(T * TILE * sizeof(int))
    p.missing_stride = max(D, (inc.most_mixed + 1) * TILE)
    p.missing = <int*>(scratch + used)
    used += aligned(T * p.missing_stride * sizeof(int))
    p.inverse = <double*>(scratch + used)
    used += aligned(K * conditional_cells(inc) * sizeof(double))
    p.small_stride = small_size(most, D)
    p.small = <double*>(scratch + used)
    used += aligned(4 * p.small_stride * sizeof(double))
    p.far_inverse = <double*>(scratch + used)
    used += aligned(row_of(most) * sizeof(double))
    p.lane_matrices = <dvec*>(scratch + used)
    used += aligned(lanes_size(inc.most_mixed) * sizeof(dvec))
    p.regression = <real*>(scratch + used)
    return used + inc.most_missing * n * sizeof(real)


cdef Py_ssize_t scratch_bytes(const Job *job) noexcept nogil:
    cdef Panels p
    cdef Doubts doubts
    cdef Crowd crowd
    cdef FactorPanels panels
    if job.factors != NULL:
        return carve_factors(job, NULL, &panels)
    if job.classes != NULL:
        return class_bytes(job)
    if job.chain != NULL:
        return chain_bytes(job)
    if job.nearest != NULL:
        return carve_crowd(job, NULL, &crowd)
    if job.bounds != NULL:
        return carve_doubts(job, NULL, &doubts)
    return carve(job, NULL, &p)
