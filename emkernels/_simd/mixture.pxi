# One block of rows through density, log-sum-exp, row outputs and moments while it is in
# cache. No n_samples x n_components array exists.

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
    double *corner          # (n_features / LEFT, CORNERS, LEFT, LANES) sums at the diagonal
    double *unused          # like sums: of features past the last
    unsigned char *active   # (n_tiles, n_components): any responsibility that matters
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
    Py_ssize_t *own_numbers # where a thread has the lists of one tile, of several components
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


cdef bint tile_density(const Gaussians *g, Py_ssize_t k, const Panels *p, Py_ssize_t t, bint skip,
                       const vec *best, vec *out) noexcept nogil:
    """out (TILE) = log weight + log N(x | k), -inf where it overflows, or the forms of a Student t
    component; False when skipped."""
    cdef Py_ssize_t D = g.n_features, n = padded(D), v
    cdef const real *mean = <const real*>g.packed + k * component_stride(g) + HEADER
    cdef const real *factor = mean + n
    cdef const vec *x = p.x + t * n * VECTORS
    cdef real constant = mean[-HEADER]
    cdef vec q[VECTORS]
    cdef vec limit[VECTORS]
    if skip and g.dfs != NULL:
        student_limit(mean - HEADER, (mean - HEADER)[HALF], constant, best, limit)
    if D == 1:
        quadratic_small(mean, factor, x, 1, q)
    elif D == 2:
        quadratic_small(mean, factor, x, 2, q)
    elif D == 3:
        quadratic_small(mean, factor, x, 3, q)
    elif D == 4:
        quadratic_small(mean, factor, x, 4, q)
    elif not quadratic_full(mean, factor, x, p.diff, n // FEATURES, q, skip, constant, best,
                            limit if g.dfs != NULL else NULL):
        return False
    for v in range(VECTORS):
        out[v] = q[v] if g.dfs != NULL else splat(constant) - splat(0.5) * q[v]
    return True


cdef void e_step(const Panels *p, const Job *job, Py_ssize_t first, Py_ssize_t count,
                 double *log_likelihood, double *pairs) noexcept nogil:
    """Responsibilities, up to the factor that goes into p.weight, and row outputs."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, t, k, i, v, start, size, hint = 0
    cdef bint skip = job.skip and job.rows.known == NULL
    cdef bint look
    cdef Py_ssize_t skipped = K      # in the last tile that was looked at
    cdef vec best[VECTORS]
    cdef vec *lp
    if skip and g.covariance_type == FULL:
        hint = nearest_mean(p, g)
    for t in range(p.n_tiles):
        start = first + t * TILE
        size = min(<Py_ssize_t>TILE, first + count - start)
        lp = p.resp + t * K * VECTORS
        noise_densities(job, start, size, best)
        # where skipping has just not paid, look again only now and then
        look = skip and (8 * skipped >= K or t % 8 == 0)
        if look:
            skipped = 0
        # the neighbouring tile's best component first: it makes the others skippable
        if p.mask != NULL:
            masked_densities(job, p, t, best, lp)
        elif g.covariance_type != FULL:
            axis_densities(g, p, t, best, lp)
        for i in range(K if g.covariance_type == FULL else 0):
            k = hint if i == 0 else (i - 1 if i <= hint else i)
            p.active[t * K + k] = tile_density(g, k, p, t, look, best, lp + k * VECTORS)
            if not p.active[t * K + k]:
                skipped += 1
            elif g.dfs == NULL:
                for v in range(VECTORS):
                    best[v] = vmax(lp[k * VECTORS + v], best[v])
            elif look:
                power_law(p, g, t, k, k + 1, lp, best)
        if g.dfs != NULL:
            if g.covariance_type == FULL and not look:
                power_law(p, g, t, 0, K, lp, best)
            rescue_far(p, job, t, start, size, <real*>lp, <real*>best)
        if job.field != NULL:
            add_field(p, job, t, start, size, <real*>lp, <real*>best)
        if job.rows.known != NULL:
            keep_known(job, start, size, <real*>lp, <real*>best)
        if job.log_prob_out != NULL:
            write_rows(job, job.log_prob_out, start, size, <const real*>lp, NULL)
            continue
        if job.incomplete != NULL and job.incomplete.hard:
            harden(p, job, t, start, size, log_likelihood)
            continue
        normalise(p, job, t, start, size, best, lp, log_likelihood, pairs)
        if job.field != NULL:
            close_field(p, job, t, lp)
        if skip:
            hint = best_component(p, t, K)
        if g.dfs != NULL:
            pull_rows(p, job, t, start, size)


cdef inline void noise_densities(const Job *job, Py_ssize_t start, Py_ssize_t size,
                                 vec *out) noexcept nogil:
    """out (TILE) = log weight + log density of the noise, -inf where there is none."""
    cdef real *lane = <real*>out
    cdef Py_ssize_t j, v, row
    for v in range(VECTORS):
        out[v] = splat(<real>job.noise[0] if job.noise != NULL else -INFINITY)
    if job.noise == NULL or (job.noise_stride == 0 and job.rows.known == NULL):
        return
    for j in range(TILE):
        row = row_at(&job.rows, start + (j if j < size else 0))
        row = row if row >= 0 else row_at(&job.rows, start)
        lane[j] = <real>job.noise[row * job.noise_stride]
        if job.rows.known != NULL and job.rows.known[row] >= 0:
            lane[j] = -INFINITY


cdef Py_ssize_t nearest_mean(const Panels *p, const Gaussians *g) noexcept nogil:
    """The component whose mean is nearest to the first row in the first features: a guess at the
    most probable one, on which no result depends."""
    cdef Py_ssize_t stride = component_stride(g), k, d, nearest = 0
    cdef Py_ssize_t n = min(<Py_ssize_t>8, padded(g.n_features) // LANES)
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef const real *x = <const real*>p.x
    cdef real row[8 * LANES]
    cdef vec total, part
    cdef double value, least = INFINITY
    for d in range(n * LANES):
        row[d] = x[d * TILE]
    for k in range(g.n_components):
        total = splat(0)
        for d in range(n):
            memcpy(&part, mean + k * stride + d * LANES, sizeof(vec))
            part = (<const vec*>row)[d] - part
            total = total + part * part
        value = lanes(&total)
        if value < least:
            least = value
            nearest = k
    return nearest


cdef inline Py_ssize_t best_component(const Panels *p, Py_ssize_t t, Py_ssize_t K) noexcept nogil:
    """The component with the largest responsibility in the tile's last row."""
    cdef const real *resp = <const real*>(p.resp + t * K * VECTORS)
    cdef Py_ssize_t k, best = 0
    cdef real value = -1
    for k in range(K):
        if p.active[t * K + k] and resp[k * TILE + TILE - 1] > value:
            value = resp[k * TILE + TILE - 1]
            best = k
    return best


cdef inline void out_of_reach(real *lp, const double *far) noexcept nogil:
    """Log densities of a component that was not computed for the tile, but for rescued rows."""
    cdef Py_ssize_t j
    for j in range(TILE):
        if far[j] != far[j]:
            lp[j] = -INFINITY


cdef void normalise(const Panels *p, const Job *job, Py_ssize_t t, Py_ssize_t start,
                    Py_ssize_t size, vec *best, vec *lp, double *log_likelihood,
                    double *pairs) noexcept nogil:
    """Log-sum-exp of one tile: lp becomes exp(lp - best), p.weight its factor. The weight of
    the noise, where there is any, is added behind the pairs."""
    cdef Py_ssize_t K = job.gaussians.n_components, k, v, j
    cdef vec sum_[VECTORS]
    cdef vec inverse[VECTORS]
    cdef vec log_norm[VECTORS]
    cdef vec noise[VECTORS]
    cdef vec mattering = splat(0), largest, r
    cdef real *norm = <real*>log_norm
    cdef real *weight = <real*>(p.weight + t * VECTORS)
    cdef const real *top = <const real*>best
    cdef vec tiny = splat(<real>1e-19)
    cdef bint every = job.resp_out != NULL
    cdef bint lost = False
    cdef double far[TILE]
    cdef real lane_best[TILE]
    cdef int label[TILE]
    for j in range(TILE):
        # only overflow of the quadratic form of every component comes to this
        lost |= not (top[j] > -INFINITY)
    if lost:
        rescue_tile(p, job, start, size, <real*>lp, <real*>best, far)
        # the rescued rows may belong to a component that was skipped: it then holds them alone
        for k in range(K):
            if not p.active[t * K + k]:
                out_of_reach(<real*>(lp + k * VECTORS), far)
            p.active[t * K + k] = True
    for v in range(VECTORS):
        sum_[v] = splat(0)
    for k in range(K):
        if not p.active[t * K + k]:
            if every or job.labels_out != NULL:
                for v in range(VECTORS):
                    lp[k * VECTORS + v] = splat(0)
            continue
        largest = splat(0)
        for v in range(VECTORS):
            r = vexp(lp[k * VECTORS + v] - best[v])
            sum_[v] = sum_[v] + r
            lp[k * VECTORS + v] = r
            if job.skip:
                r = keep_if_ge(splat(1), r, tiny)
                largest = largest + r
        if job.skip:
            p.active[t * K + k] = lanes(&largest) > 0
            mattering = mattering + largest
    if job.noise != NULL:
        noise_densities(job, start, size, noise)
        for v in range(VECTORS):
            noise[v] = vexp(noise[v] - best[v])
            sum_[v] = sum_[v] + noise[v]
    for v in range(VECTORS):
        inverse[v] = splat(1) / sum_[v]
        log_norm[v] = best[v] + vlog(sum_[v])
    if lost:
        for j in range(TILE):
            if far[j] == far[j]:
                norm[j] = <real>far[j]
        for j in range(size):
            if weight[j] != 0:
                log_likelihood[0] += weight[j] * (far[j] if far[j] == far[j] else <double>norm[j])
    else:
        largest = splat(0)
        for v in range(VECTORS):
            largest = largest + p.weight[t * VECTORS + v] * log_norm[v]
        log_likelihood[0] += lanes(&largest)
    pairs[0] += lanes(&mattering)
    if job.noise != NULL:
        largest = splat(0)
        for v in range(VECTORS):
            largest = largest + p.weight[t * VECTORS + v] * noise[v] * inverse[v]
        pairs[1] += lanes(&largest)
    if job.log_prob_norm_out != NULL:
        write_values(job, job.log_prob_norm_out, start, size, norm)
    if job.resp_out != NULL:
        write_rows(job, job.resp_out, start, size, <const real*>lp, <const real*>inverse)
        if job.noise != NULL:
            write_noise(job, start, size, <const real*>noise, <const real*>inverse)
    if job.labels_out != NULL:
        best_components(<const real*>lp, K, lane_best, label)
        if job.noise != NULL:
            for j in range(TILE):
                label[j] = -1 if (<real*>noise)[j] > lane_best[j] else label[j]
        put_labels(job, start, size, label)
    for v in range(VECTORS):
        p.weight[t * VECTORS + v] = p.weight[t * VECTORS + v] * inverse[v]


cdef void write_values(const Job *job, char *target, Py_ssize_t start, Py_ssize_t size,
                       const real *values) noexcept nogil:
    cdef real *out = <real*>target
    cdef Py_ssize_t j, row
    for j in range(size):
        row = row_at(&job.rows, start + j)
        if row >= 0:
            out[row] = values[j]


cdef void best_components(const real *resp, Py_ssize_t K, real *best, int *label) noexcept nogil:
    """The first component with the largest responsibility or log density, for each lane."""
    cdef Py_ssize_t k, j
    for j in range(TILE):
        best[j] = resp[j]
        label[j] = 0
    for k in range(1, K):
        for j in range(TILE):
            label[j] = <int>k if resp[k * TILE + j] > best[j] else label[j]
            best[j] = resp[k * TILE + j] if resp[k * TILE + j] > best[j] else best[j]


cdef void put_labels(const Job *job, Py_ssize_t start, Py_ssize_t size,
                     const int *label) noexcept nogil:
    cdef Py_ssize_t j, row
    for j in range(size):
        row = row_at(&job.rows, start + j)
        if row >= 0:
            job.labels_out[row] = label[j]


cdef void write_rows(const Job *job, char *out, Py_ssize_t start, Py_ssize_t size,
                     const real *panel, const real *factor) noexcept nogil:
    """Rows at positions start .. start + size - 1 of a C-contiguous (n_samples, K) array, K + 1
    with noise, from a panel (K, TILE), times `factor` (TILE) or, without, with NaN (an overflow)
    as -inf."""
    cdef Py_ssize_t K = job.gaussians.n_components, j, k, row
    cdef real *target
    cdef real value
    for j in range(size):
        row = row_at(&job.rows, start + j)
        if row < 0:
            continue
        target = <real*>out + row * (K + (job.noise != NULL))
        for k in range(K):
            value = panel[k * TILE + j]
            if factor != NULL:
                value *= factor[j]
            elif not (value > -INFINITY):
                value = -INFINITY
            target[k] = value


cdef void write_noise(const Job *job, Py_ssize_t start, Py_ssize_t size, const real *noise,
                      const real *factor) noexcept nogil:
    """The last column of the responsibilities."""
    cdef Py_ssize_t K = job.gaussians.n_components, j, row
    for j in range(size):
        row = row_at(&job.rows, start + j)
        if row >= 0:
            (<real*>job.resp_out)[row * (K + 1) + K] = noise[j] * factor[j]


cdef void keep_known(const Job *job, Py_ssize_t start, Py_ssize_t size, real *lp,
                     real *best) noexcept nogil:
    """Rows whose component is known: every other component gets -inf."""
    cdef Py_ssize_t K = job.gaussians.n_components, j, k
    cdef Py_ssize_t row
    cdef int known
    for j in range(size):
        row = row_at(&job.rows, start + j)
        known = job.rows.known[row] if row >= 0 else -1
        if known < 0:
            continue
        best[j] = lp[known * TILE + j]
        for k in range(K):
            if k != known:
                lp[k * TILE + j] = -INFINITY


ctypedef struct Far:
    double constant         # of the log density of a normal component
    double scale            # |P (x - mean)| = 2 scale root, where the product may overflow
    double root
    Py_ssize_t n_observed


cdef double far_log_density(const Far *far, double *distance) noexcept nogil:
    """Log density in float64; and 1e-154 |P (x - mean)|, which does not overflow."""
    cdef double z = far.scale * (2 * far.root)
    distance[0] = 1e-154 * far.scale * far.root if far.constant > -INFINITY else INFINITY
    return far.constant - 0.5 * z * z


cdef void far_form(const Job *job, const Panels *p, Py_ssize_t row, Py_ssize_t k,
                   Far *far) noexcept nogil:
    if job.incomplete != NULL:
        far_incomplete(job, p, row, k, far)
    else:
        far_complete(job, row, k, far)


cdef void far_complete(const Job *job, Py_ssize_t row, Py_ssize_t k, Far *far) noexcept nogil:
    """The form of one row in float64, scaled against overflow."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t D = g.n_features, d, r
    cdef const char *x = job.rows.x + row * job.rows.row_stride
    cdef const double *mean = g.means + k * D
    cdef const double *factor = g.precisions_cholesky
    cdef double scale = 0, q = 0, z, half
    for d in range(D):
        # halves: the difference itself may overflow
        scale = max(scale, fabs(0.5 * <double>read(x + d * job.rows.column_stride) - 0.5 * mean[d]))
    if g.covariance_type == FULL:
        factor += k * D * D
    for r in range(D if scale > 0 else 0):
        if g.covariance_type == FULL or g.covariance_type == TIED:
            z = 0
            for d in range(r + 1):
                half = 0.5 * <double>read(x + d * job.rows.column_stride) - 0.5 * mean[d]
                z += half / scale * factor[d * D + r]
        else:
            z = (0.5 * <double>read(x + r * job.rows.column_stride) - 0.5 * mean[r]) / scale
            z *= factor[k * D + r] if g.covariance_type == DIAG else factor[k]
        q += z * z
    far.constant = (<const real*>g.packed)[k * component_stride(g) + NORMAL]
    far.scale = scale
    far.root = sqrt(q)
    far.n_observed = D


cdef void rescue_tile(const Panels *p, const Job *job, Py_ssize_t start, Py_ssize_t size,
                      real *lp, real *best, double *far) noexcept nogil:
    """Rows so far out that every quadratic form overflowed: recomputed in float64 and
    given wholly to the component of largest log density, by distance where even float64
    has only -inf. far (TILE) gets their log densities, NaN for the other rows."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, j, k, row, nearest
    cdef int known
    cdef double value, top, distance, least
    cdef Far form
    for j in range(TILE):
        far[j] = NAN
        if best[j] > -INFINITY:
            continue
        row = row_at(&job.rows, start + (j if j < size else 0))
        if row < 0:
            row = row_at(&job.rows, start)
        if job.log_prob_given:
            # no density is left to choose by: the weights alone decide
            for k in range(K):
                lp[k * TILE + j] = <real>g.log_weights[k] if g.log_weights != NULL else 0
                best[j] = lp[k * TILE + j] if lp[k * TILE + j] > best[j] else best[j]
            far[j] = -INFINITY
            continue
        known = job.rows.known[row] if job.rows.known != NULL else -1
        nearest = max(known, 0)
        top = -INFINITY
        least = INFINITY
        for k in range(K):
            if known >= 0 and k != known:
                continue
            far_form(job, p, row, k, &form)
            value = far_log_density(&form, &distance)
            if value > top or (not (top > -INFINITY) and distance < least):
                top = value
                least = distance
                nearest = k
        for k in range(K):
            lp[k * TILE + j] = -INFINITY
        lp[nearest * TILE + j] = 0
        best[j] = 0
        far[j] = top


cdef void given_responsibilities(const Panels *p, const Job *job, Py_ssize_t first,
                                 Py_ssize_t count) noexcept nogil:
    """Fill the panels from job.resp or job.labels instead of from densities."""
    cdef Py_ssize_t K = job.gaussians.n_components, t, j, k, start, size, row_index
    cdef real *resp
    cdef bint any_
    cdef Rows columns = job.rows
    columns.x, columns.n_features = job.resp, K
    columns.row_stride, columns.column_stride = job.resp_row_stride, job.resp_column_stride
    memset(p.active, 0, p.n_tiles * K)
    for t in range(p.n_tiles):
        start = first + t * TILE
        size = min(<Py_ssize_t>TILE, first + count - start)
        resp = <real*>(p.resp + t * K * VECTORS)
        if job.resp != NULL:
            pack_tile(&columns, start, size, K, resp)
            for k in range(K):
                any_ = False
                for j in range(TILE):
                    resp[k * TILE + j] = resp[k * TILE + j] if j < size else 0
                    any_ |= resp[k * TILE + j] != 0
                p.active[t * K + k] = any_
            continue
        memset(resp, 0, K * TILE * sizeof(real))
        if job.all_ones:
            for j in range(size):
                resp[j] = 1
            p.active[t] = True
            continue
        for j in range(size):
            row_index = row_at(&job.rows, start + j)
            k = job.labels[row_index] if row_index >= 0 else -1
            if k >= 0:
                resp[k * TILE + j] = 1
                p.active[t * K + k] = True


cdef void given_log_densities(const Panels *p, const Job *job, Py_ssize_t first,
                              Py_ssize_t count) noexcept nogil:
    """Responsibilities from log densities that the caller has."""
    cdef Py_ssize_t K = job.gaussians.n_components, t, k, v, size
    cdef const double *log_weights = job.gaussians.log_weights
    cdef double unused_sum = 0
    cdef vec best[VECTORS]
    cdef vec *lp
    for t in range(p.n_tiles):
        size = min(<Py_ssize_t>TILE, count - t * TILE)
        lp = p.resp + t * K * VECTORS
        pack_tile(&job.rows, first + t * TILE, size, K, <real*>lp)
        for v in range(VECTORS):
            best[v] = splat(-INFINITY)
        for k in range(K):
            p.active[t * K + k] = True
            for v in range(VECTORS):
                if log_weights != NULL:
                    lp[k * VECTORS + v] = lp[k * VECTORS + v] + splat(<real>log_weights[k])
                best[v] = vmax(lp[k * VECTORS + v], best[v])
        normalise(p, job, t, first + t * TILE, size, best, lp, &unused_sum, &unused_sum)


cdef void pack_rows(const Panels *p, const Job *job, Py_ssize_t first,
                    Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t D = job.gaussians.n_features, n = padded(D), t, size
    # densities and narrow sums are made from panels
    cdef bint stay = ((job.resp != NULL or job.labels != NULL or job.all_ones)
                      and job.gaussians.covariance_type == FULL and D > NARROW
                      and rows_are_near(job))
    for t in range(p.n_tiles):
        size = min(<Py_ssize_t>TILE, count - t * TILE)
        if not stay:
            pack_tile(&job.rows, first + t * TILE, size, n, <real*>(p.x + t * n * VECTORS))
        pack_weights(&job.rows, first + t * TILE, size, <real*>(p.weight + t * VECTORS))


cdef void mixture_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                        double *accumulators) noexcept nogil:
    """Rows (positions) first .. first + count - 1, at most job.block_rows of them: write
    the row outputs, add the statistics into the accumulators."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D), t
    cdef double log_likelihood = 0
    cdef double pairs[2]
    cdef double *tail
    cdef Panels p
    pairs[0] = pairs[1] = 0
    carve(job, scratch, &p)
    p.n_tiles = (count + TILE - 1) // TILE
    p.start, p.direct = first, True
    if g.dfs != NULL:
        open_student(&p, g, accumulators)
    if job.field != NULL:
        p.field_sums = accumulators + K + K * D + second_size(g) + 2
    if job.log_prob_given:
        memset(p.weight, 0, p.n_tiles * TILE * sizeof(real))
        given_log_densities(&p, job, first, count)
        return
    pack_rows(&p, job, first, count)
    for t in range(p.n_tiles):
        if job.incomplete != NULL and p.best == NULL:
            open_tile(&p, job, t)
        if job.field != NULL:
            open_field(&p, job, t)
    if job.resp != NULL or job.labels != NULL or job.all_ones:
        given_responsibilities(&p, job, first, count)
    elif p.best != NULL:
        memset(p.zeros, 0, n * sizeof(real))
        incomplete_e_step(&p, job, first, &log_likelihood, pairs, accumulators + K + K * D)
    else:
        e_step(&p, job, first, count, &log_likelihood, pairs)
    if job.first_moments:
        moments(&p, job, accumulators)
        tail = accumulators + K + K * D + second_size(g)
        tail[0] += log_likelihood
        tail[1] += pairs[0]
        if g.dfs != NULL:
            close_student(&p, g)
        if job.noise != NULL:
            tail[2] += pairs[1]
