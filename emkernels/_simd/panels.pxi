# Large models, whose sums would be too many to have once a thread: the threads share a panel of
# rows, first its tiles for the densities, then the components, or bands of their triangles, for
# the sums, of which there is one copy that nobody else writes to.

cdef enum:
    SHARED_BYTES = 262144   # of rows that several units go over in turns
    NEAR_SUMS = 128         # features up to which they do


cdef Py_ssize_t panel_bytes(const Job *job, Py_ssize_t n_tiles) noexcept nogil:
    cdef Panels p
    if job.incomplete != NULL:
        return carve_gaps(job, NULL, n_tiles, &p)
    return carve_rows(job, NULL, n_tiles, &p)


cdef inline Py_ssize_t sub_tiles(const Job *job) noexcept nogil:
    """How many tiles fit the second cache."""
    return max(<Py_ssize_t>8, SHARED_BYTES // (
        padded(job.gaussians.n_features) * TILE * <Py_ssize_t>sizeof(real)))


cdef Py_ssize_t carve_share(const Job *job, char *scratch, Panels *p) noexcept nogil:
    """What a thread needs beside them."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t used = padded(g.n_features) * TILE * <Py_ssize_t>sizeof(real)
    if job.incomplete != NULL:
        return carve_gap_work(job, scratch, p)
    p.diff = <vec*>scratch
    if g.covariance_type != FULL:
        return used
    return carve_moments(scratch, used, g.n_features, 0, p)


cdef Py_ssize_t share_bytes(const Job *job) noexcept nogil:
    """Scratch of a thread."""
    cdef Panels p
    return carve_share(job, NULL, &p)


cdef void open_panel(const Job *job, const Panel *panel, Py_ssize_t tile, char *scratch,
                     Panels *p) noexcept nogil:
    """The panels, from a tile on."""
    memset(p, 0, sizeof(Panels))
    carve_share(job, scratch, p)
    if job.incomplete != NULL:
        carve_gaps(job, panel.memory, panel.n_tiles, p)
        skip_gaps(job, p, tile)
        return
    carve_rows(job, panel.memory, panel.n_tiles, p)
    skip_tiles(job, p, tile)


cdef inline void skip_tiles(const Job *job, Panels *p, Py_ssize_t tile) noexcept nogil:
    cdef Py_ssize_t K = job.gaussians.n_components
    p.start += tile * TILE
    p.x += tile * padded(job.gaussians.n_features) * VECTORS
    p.resp += tile * K * VECTORS
    p.weight += tile * VECTORS
    p.active += tile * K


cdef void panel_rows(const Job *job, const Panel *panel, Py_ssize_t piece, Py_ssize_t first,
                     Py_ssize_t count, char *scratch, double *tail) noexcept nogil:
    """Rows (positions) first .. first + count - 1 into the panel, from tile `piece` on, their
    outputs; tail (3,) = log-likelihood, pairs that mattered, weight of the noise. Where there are
    parts, one of a tile, and close_rows does the rest."""
    cdef Panels p
    if panel.n_parts > 1:
        part_of_rows(job, panel, piece // panel.n_parts, piece % panel.n_parts, first, scratch)
        return
    tail[0] = tail[1] = tail[2] = 0
    open_panel(job, panel, piece, scratch, &p)
    p.n_tiles = (count + TILE - 1) // TILE
    pack_rows(&p, job, first, count)
    if job.incomplete != NULL:
        memset(p.zeros, 0, padded(job.gaussians.n_features) * sizeof(real))
        incomplete_e_step(&p, job, first, tail, tail + 1, NULL)
        keep_filled(&p, job, 0, job.gaussians.n_components)
        return
    if job.resp != NULL or job.labels != NULL or job.all_ones:
        given_responsibilities(&p, job, first, count)
    else:
        e_step(&p, job, first, count, tail, tail + 1)


cdef void part_of_rows(const Job *job, const Panel *panel, Py_ssize_t tile, Py_ssize_t part,
                       Py_ssize_t first, char *scratch) noexcept nogil:
    """Log densities and filled deviations of one tile with gaps under some components. Lists of
    what is missing are the first part's; others have theirs beside the rows."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t n = padded(g.n_features), low, high
    cdef Panels p
    low = part * g.n_components // panel.n_parts
    high = (part + 1) * g.n_components // panel.n_parts
    open_panel(job, panel, tile, scratch, &p)
    p.n_tiles = 1
    pack_tile(&job.rows, first, TILE, n, <real*>p.x)
    if part == 0:
        pack_weights(&job.rows, first, TILE, <real*>p.weight)
    else:
        own_lists(&p)
    memset(p.zeros, 0, n * sizeof(real))
    list_missing(&p, job, 0, first)
    noise_densities(job, first, TILE, p.best)
    if p.mixed[0]:
        mixed_densities(job, &p, 0, first, low, high)
    else:
        pattern_densities(job, &p, 0, 1, low, False, low, high)
    keep_filled(&p, job, low, high)


cdef void close_rows(const Job *job, const Panel *panel, Py_ssize_t tile, Py_ssize_t first,
                     Py_ssize_t count, char *scratch, double *tail) noexcept nogil:
    """What is left of panel_rows when all parts of a tile are there."""
    cdef Py_ssize_t K = job.gaussians.n_components, k, v
    cdef Panels p
    tail[0] = tail[1] = tail[2] = 0
    open_panel(job, panel, tile, scratch, &p)
    p.n_tiles = 1
    noise_densities(job, first, TILE, p.best)
    for k in range(K):
        for v in range(VECTORS):
            p.best[v] = vmax(p.resp[k * VECTORS + v], p.best[v])
    if job.rows.known != NULL:
        keep_known(job, first, TILE, <real*>p.resp, <real*>p.best)
    normalise(&p, job, 0, first, TILE, p.best, p.resp, tail, tail + 1)


cdef void unit_of(const Job *job, const Panel *panel, Py_ssize_t unit, Py_ssize_t n_units,
                  Py_ssize_t *first, Py_ssize_t *end, Band *band) noexcept nogil:
    """Which components, or which band of one, of about the same area as the others."""
    cdef Py_ssize_t K = job.gaussians.n_components
    cdef Py_ssize_t groups = bands_of(job.gaussians.n_features)
    band.first, band.end = 0, groups
    first[0], end[0] = unit * K // n_units, (unit + 1) * K // n_units
    if panel.n_bands > 1:
        first[0] = unit // panel.n_bands
        end[0] = first[0] + 1
        band.first = band_end(unit % panel.n_bands, panel.n_bands, groups)
        band.end = band_end(unit % panel.n_bands + 1, panel.n_bands, groups)


cdef Py_ssize_t most_bands(const Job *job) noexcept nogil:
    """Parts that a triangle can be cut into, none of them empty."""
    cdef Py_ssize_t D = job.gaussians.n_features
    if job.gaussians.covariance_type != FULL or (job.incomplete == NULL and D <= FEW_FEATURES):
        return 1
    return max(<Py_ssize_t>1, bands_of(D) // 2)


cdef inline Py_ssize_t band_end(Py_ssize_t bands, Py_ssize_t n_bands,
                                Py_ssize_t groups) noexcept nogil:
    return <Py_ssize_t>(groups * sqrt(<double>bands / n_bands) + 0.5)


cdef double unit_share(const Job *job, const Panel *panel, Py_ssize_t unit,
                       Py_ssize_t n_units) noexcept nogil:
    """Of all sums."""
    cdef Py_ssize_t first, end, whole
    cdef Band band
    unit_of(job, panel, unit, n_units, &first, &end, &band)
    whole = bands_of(job.gaussians.n_features)
    return (<double>(end - first) / job.gaussians.n_components
            * (band.end * (band.end + 1.0) - band.first * (band.first + 1.0))
            / (whole * (whole + 1.0)))


cdef Py_ssize_t near_tiles(const Job *job, Py_ssize_t n_tiles) noexcept nogil:
    """How many of the panel's tiles the sums of all units go over before the next."""
    cdef Py_ssize_t D = job.gaussians.n_features
    if job.gaussians.covariance_type == FULL and D > 4 and (D <= NARROW or D > NEAR_SUMS):
        return n_tiles      # in long chunks; reading wide sums again would take longer
    return min(n_tiles, sub_tiles(job))


cdef void panel_sums(const Job *job, const Panel *panel, Py_ssize_t n_tiles, Py_ssize_t begin,
                     Py_ssize_t stop, Py_ssize_t n_units, char *scratch,
                     double *accumulators) noexcept nogil:
    """Parts begin .. stop - 1 of all sums, over the tiles of the panel: each some components, or
    a band of one. They go over the same rows in turns while these are near."""
    cdef Py_ssize_t first, end, step, unit, t
    cdef Panels p
    cdef Band band
    open_panel(job, panel, 0, scratch, &p)
    if job.incomplete != NULL:
        for unit in range(begin, stop):
            unit_of(job, panel, unit, n_units, &first, &end, &band)
            gap_sums(&p, job, n_tiles, first, end, &band, accumulators)
        return
    step = near_tiles(job, n_tiles)
    p.start, p.direct = panel.first, True
    for t in range((n_tiles + step - 1) // step):
        p.n_tiles = min(step, n_tiles - t * step)
        for unit in range(begin, stop):
            unit_of(job, panel, unit, n_units, &first, &end, &band)
            some_moments(&p, job, first, end, &band, accumulators)
        skip_tiles(job, &p, step)


# --- rows with missing values: what is filled in, and the conditional covariances ---------

cdef inline Py_ssize_t inverse_stride(const Job *job) noexcept nogil:
    """From tile to tile: of its conditional covariances."""
    return wide(job.gaussians.n_components * conditional_cells(job.incomplete))


cdef inline Py_ssize_t lists_size(const Job *job) noexcept nogil:
    return max(job.gaussians.n_features, (job.incomplete.most_mixed + 1) * <Py_ssize_t>TILE)


cdef Py_ssize_t carve_gaps(const Job *job, char *memory, Py_ssize_t T, Panels *p) noexcept nogil:
    """What T tiles leave for the sums: filled deviations, row by row, and conditional
    covariances, with where they belong."""
    cdef Py_ssize_t D = job.gaussians.n_features, K = job.gaussians.n_components
    cdef Py_ssize_t tile = TILE * sizeof(real), used
    p.resp = <vec*>memory
    used = T * K * tile
    p.weight = <vec*>(memory + used)
    used += T * tile
    p.ready = <real*>(memory + used)
    used = aligned(used + T * K * D * tile)
    p.inverse = <double*>(memory + used)
    used += aligned(T * inverse_stride(job) * <Py_ssize_t>sizeof(double))
    p.n_missing = <Py_ssize_t*>(memory + used)
    used += aligned(T * sizeof(Py_ssize_t))
    p.fill_at = <Py_ssize_t*>(memory + used)
    used += aligned(T * sizeof(Py_ssize_t))
    p.lane_missing = <int*>(memory + used)
    used += aligned(T * TILE * sizeof(int))
    p.missing_stride = lists_size(job)
    p.missing = <int*>(memory + used)
    used += aligned(T * p.missing_stride * <Py_ssize_t>sizeof(int))
    p.mixed = <unsigned char*>(memory + used)
    used += T
    p.active = <unsigned char*>(memory + used)
    return aligned(used + T * K)


cdef void skip_gaps(const Job *job, Panels *p, Py_ssize_t tile) noexcept nogil:
    cdef Py_ssize_t D = job.gaussians.n_features, K = job.gaussians.n_components
    p.resp += tile * K * VECTORS
    p.weight += tile * VECTORS
    p.ready += tile * K * D * TILE
    p.inverse += tile * inverse_stride(job)
    p.n_missing += tile
    p.fill_at += tile
    p.lane_missing += tile * TILE
    p.missing += tile * p.missing_stride
    p.mixed += tile
    p.active += tile * K


cdef inline void own_lists(Panels *p) noexcept nogil:
    """The lists of one tile in the scratch of a thread."""
    p.n_missing, p.fill_at = p.own_numbers, p.own_numbers + 1
    p.lane_missing, p.missing = p.own_lists, p.own_lists + TILE
    p.mixed = <unsigned char*>(p.own_numbers + 2)


cdef Py_ssize_t carve_gap_work(const Job *job, char *scratch, Panels *p) noexcept nogil:
    """What a thread needs for one tile, or for sums in the same place."""
    cdef const Incomplete *inc = job.incomplete
    cdef Py_ssize_t D = job.gaussians.n_features, n = padded(D), used, begin, sums
    cdef Py_ssize_t K = job.gaussians.n_components, tile = TILE * sizeof(real)
    cdef Py_ssize_t most = max(inc.most_missing, inc.most_mixed)
    p.zeros = <real*>scratch
    begin = aligned(n * sizeof(real))
    sums = carve_moments(scratch, begin, D, 0, p)
    p.x = <vec*>(scratch + begin)
    used = begin + n * tile
    p.best = <vec*>(scratch + used)
    used += tile
    p.fill = <vec*>(scratch + used)
    used += K * most * tile
    p.deviation = <double*>(scratch + used)
    used += aligned(DLANES * wide(D) * sizeof(double))
    p.observed = <int*>(scratch + used)
    used += aligned(D * sizeof(int))
    p.far_missing = <int*>(scratch + used)
    used += aligned(D * sizeof(int))
    p.own_numbers = <Py_ssize_t*>(scratch + used)
    used += aligned(3 * sizeof(Py_ssize_t))
    p.own_lists = <int*>(scratch + used)
    used += aligned((TILE + lists_size(job)) * <Py_ssize_t>sizeof(int)) if K > 1 else 0
    p.small_stride = small_size(most, D)
    p.small = <double*>(scratch + used)
    used += aligned(4 * p.small_stride * <Py_ssize_t>sizeof(double))
    p.far_inverse = <double*>(scratch + used)
    used += aligned(row_of(most) * <Py_ssize_t>sizeof(double))
    # matrices of a mixed tile are done with when its deviations are filled in
    p.lane_matrices = <dvec*>(scratch + used)
    p.whitened = p.diff = <vec*>(scratch + used)
    p.regression = <real*>(scratch + used + n * tile)
    used += max(n * tile + inc.most_missing * n * <Py_ssize_t>sizeof(real),
                lanes_size(inc.most_mixed) * <Py_ssize_t>sizeof(dvec))
    return aligned(max(used, sums))


cdef void keep_filled(const Panels *p, const Job *job, Py_ssize_t low,
                      Py_ssize_t high) noexcept nogil:
    """The deviations of one tile from those of the components that matter there, filled in, by
    rows."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t D = g.n_features, n = padded(D), k, s, d, v, i, j, some
    cdef const char *feature[LANES]
    cdef vec block[LANES]
    cdef real nothing[TILE]
    cdef real *out
    memset(nothing, 0, sizeof(nothing))
    for k in range(low, high):
        if not p.active[k]:
            continue
        filled_deviations(p, 0, k, n, <const real*>g.packed + k * component_stride(g) + HEADER,
                          p.diff)
        for s in range(strips_of(D)):
            d = s * LANES
            some = min(<Py_ssize_t>LANES, D - d)
            for i in range(LANES):
                feature[i] = (<const char*>(p.diff + (d + i) * VECTORS) if i < some
                              else <const char*>nothing)
            for v in range(VECTORS):
                load_transposed(feature, v * <Py_ssize_t>sizeof(vec), block)
                for j in range(LANES):
                    out = p.ready + (k * TILE + v * LANES + j) * D + d
                    memcpy(out, block + j, some * sizeof(real))


cdef void gap_sums(Panels *p, const Job *job, Py_ssize_t n_tiles, Py_ssize_t first,
                   Py_ssize_t end, const Band *band, double *accumulators) noexcept nogil:
    """panel_sums of rows that were filled in."""
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features, k, t
    p.n_tiles = n_tiles
    memset(p.zeros, 0, padded(D) * sizeof(real))
    for k in range(first, end):
        component_moments(p, job, k, band, accumulators)
        for t in range(n_tiles):
            if p.n_missing[t] > 0:
                add_conditional(p, job, t, t + 1, k, band, p.inverse + t * inverse_stride(job),
                                accumulators + K + K * D)
