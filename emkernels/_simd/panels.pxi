# Large models, whose sums would be too many to have once a thread: the threads share a panel of
# rows, first its tiles for the densities, then the components, or bands of their triangles, for
# the sums, of which there is one copy that nobody else writes to.

cdef enum:
    SHARED_BYTES = 262144   # of rows that components without correlations go over together


cdef Py_ssize_t panel_bytes(const Job *job, Py_ssize_t n_tiles) noexcept nogil:
    cdef Panels p
    return carve_rows(job, NULL, n_tiles, &p)


cdef inline Py_ssize_t sub_tiles(const Job *job) noexcept nogil:
    """How many tiles fit the second cache."""
    return max(<Py_ssize_t>8, SHARED_BYTES // (
        padded(job.gaussians.n_features) * TILE * <Py_ssize_t>sizeof(real)))


cdef Py_ssize_t share_bytes(const Job *job) noexcept nogil:
    """Scratch of a thread."""
    cdef Panels p
    return carve_work(job, NULL, 0, max(sub_tiles(job), job.block_rows // TILE), &p)


cdef void open_panel(const Job *job, const Panel *panel, Py_ssize_t tile, char *scratch,
                     Panels *p) noexcept nogil:
    """The panels, from a tile on."""
    cdef Py_ssize_t K = job.gaussians.n_components
    memset(p, 0, sizeof(Panels))
    carve_work(job, scratch, 0, max(sub_tiles(job), job.block_rows // TILE), p)
    carve_rows(job, panel.memory, panel.n_tiles, p)
    skip_tiles(job, p, tile)


cdef inline void skip_tiles(const Job *job, Panels *p, Py_ssize_t tile) noexcept nogil:
    cdef Py_ssize_t K = job.gaussians.n_components
    p.x += tile * padded(job.gaussians.n_features) * VECTORS
    p.resp += tile * K * VECTORS
    p.weight += tile * VECTORS
    p.active += tile * K


cdef void panel_rows(const Job *job, const Panel *panel, Py_ssize_t tile, Py_ssize_t first,
                     Py_ssize_t count, char *scratch, double *tail) noexcept nogil:
    """Rows (positions) first .. first + count - 1 into the panel, from a tile on, their outputs;
    tail (3,) = log-likelihood, pairs that mattered, weight of the noise."""
    cdef Panels p
    tail[0] = tail[1] = tail[2] = 0
    open_panel(job, panel, tile, scratch, &p)
    p.n_tiles = (count + TILE - 1) // TILE
    pack_rows(&p, job, first, count)
    if job.resp != NULL or job.labels != NULL or job.all_ones:
        given_responsibilities(&p, job, first, count)
    else:
        e_step(&p, job, first, count, tail, tail + 1)


cdef void panel_sums(const Job *job, const Panel *panel, Py_ssize_t n_tiles, Py_ssize_t unit,
                     Py_ssize_t n_units, char *scratch, double *accumulators) noexcept nogil:
    """One part of all sums, over the tiles of the panel: some components, or a band of one."""
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features, t
    cdef Py_ssize_t first, end, step = n_tiles, groups = padded(D) // FEATURES
    cdef Panels p
    cdef Band band
    band.first, band.end = 0, groups
    first, end = unit * K // n_units, (unit + 1) * K // n_units
    if panel.n_bands > 1:
        first = unit // panel.n_bands
        end = first + 1
        # of about the same area
        band.first = band_end(unit % panel.n_bands, panel.n_bands, groups)
        band.end = band_end(unit % panel.n_bands + 1, panel.n_bands, groups)
    elif job.gaussians.covariance_type != FULL or D <= 4:
        step = sub_tiles(job)
    open_panel(job, panel, 0, scratch, &p)
    for t in range((n_tiles + step - 1) // step):
        p.n_tiles = min(step, n_tiles - t * step)
        some_moments(&p, job, first, end, &band, accumulators)
        skip_tiles(job, &p, step)


cdef inline Py_ssize_t band_end(Py_ssize_t bands, Py_ssize_t n_bands,
                                Py_ssize_t groups) noexcept nogil:
    return <Py_ssize_t>(groups * sqrt(<double>bands / n_bands) + 0.5)
