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
    return max(<Py_ssize_t>1, SHARED_BYTES // (
        padded(job.gaussians.n_features) * TILE * <Py_ssize_t>sizeof(real)))


cdef Py_ssize_t carve_share(const Job *job, char *scratch, Panels *p) noexcept nogil:
    """What a thread needs beside them."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t n = padded(g.n_features)
    p.diff = <vec*>scratch
    if g.covariance_type != FULL:
        return carve_moments(scratch, 0, 0, sub_tiles(job), p)
    return carve_moments(scratch, n * TILE * <Py_ssize_t>sizeof(real), g.n_features, 0, p)


cdef Py_ssize_t share_bytes(const Job *job) noexcept nogil:
    """Scratch of a thread."""
    cdef Panels p
    return carve_share(job, NULL, &p)


cdef void open_panel(const Job *job, const Panel *panel, Py_ssize_t tile, char *scratch,
                     Panels *p) noexcept nogil:
    """The panels, from a tile on."""
    memset(p, 0, sizeof(Panels))
    carve_share(job, scratch, p)
    carve_rows(job, panel.memory, panel.n_tiles, p)
    skip_tiles(job, p, tile)


cdef inline void skip_tiles(const Job *job, Panels *p, Py_ssize_t tile) noexcept nogil:
    cdef Py_ssize_t K = job.gaussians.n_components
    p.start += tile * TILE
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


cdef void panel_sums(const Job *job, const Panel *panel, Py_ssize_t n_tiles, Py_ssize_t unit,
                     Py_ssize_t n_units, char *scratch, double *accumulators) noexcept nogil:
    """One part of all sums, over the tiles of the panel: some components, or a band of one."""
    cdef Py_ssize_t first, end, step = n_tiles, k, t
    cdef Panels p
    cdef Band band
    unit_of(job, panel, unit, n_units, &first, &end, &band)
    if job.gaussians.covariance_type != FULL or job.gaussians.n_features <= 4:
        step = sub_tiles(job)
    open_panel(job, panel, 0, scratch, &p)
    p.start, p.direct = panel.first, True
    for t in range((n_tiles + step - 1) // step):
        p.n_tiles = min(step, n_tiles - t * step)
        for k in range(first, end):
            component_moments(&p, job, k, &band, accumulators)
        skip_tiles(job, &p, step)
