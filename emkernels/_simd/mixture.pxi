# One block of rows through density, log-sum-exp, row outputs and moments while it is in
# cache. No n_samples x n_components array exists.

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
            p.active[t * K + k] = <unsigned char>lanes(&largest)
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


cdef void pack_rows(const Panels *p, const Job *job, Py_ssize_t first,
                    Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t D = job.gaussians.n_features, n = padded(D), t, size
    cdef bint stay = sums_of_rows(job) and rows_are_near(job)
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
