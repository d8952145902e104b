# A Potts prior on a grid, by mean field: what the neighbours of a pixel are thought to be is
# added to its log densities. Only pixels of one colour of the checkerboard are visited in one
# run, and all their neighbours are of the other, so that no row is read that is being written.


cdef void open_field(const Panels *p, const Job *job, Py_ssize_t t) noexcept nogil:
    """Find the rows of a tile with a NaN; these unknown pixels get a finite place."""
    cdef Py_ssize_t D = job.gaussians.n_features, d, j
    cdef real *x = <real*>(p.x + t * padded(D) * VECTORS)
    cdef const real *mean = <const real*>job.gaussians.packed + HEADER
    cdef unsigned char *unknown = p.flags + t * TILE
    memset(unknown, 0, TILE)
    for d in range(D):
        for j in range(TILE):
            unknown[j] |= x[d * TILE + j] != x[d * TILE + j]
    for j in range(TILE):
        if unknown[j]:
            for d in range(D):
                x[d * TILE + j] = mean[d]


cdef void add_field(const Panels *p, const Job *job, Py_ssize_t t, Py_ssize_t start,
                    Py_ssize_t size, real *lp, real *best) noexcept nogil:
    """From log densities and log weights to log densities and log priors: each pixel's prior is
    proportional to weights * exp(smoothness * responsibilities of the neighbours). Unknown
    pixels have nothing else. Adds to the sums of known pixels' priors."""
    cdef const Field *f = job.field
    cdef const double *log_weights = job.gaussians.log_weights
    cdef Py_ssize_t K = job.gaussians.n_components, j, k, b, n, row, v
    cdef const unsigned char *unknown = p.flags + t * TILE
    cdef const real *weight = <const real*>(p.weight + t * VECTORS)
    cdef const real *neighbour[2 * FIELD_DIMENSIONS]
    cdef real *field = <real*>p.field
    cdef real smoothness = <real>f.smoothness, total, log_weight
    cdef vec top[VECTORS]
    cdef vec log_norm[VECTORS]
    cdef vec share[VECTORS]     # of known pixels: 1 / normaliser
    cdef real *most = <real*>top
    cdef real *norm = <real*>log_norm
    cdef real *known = <real*>share
    cdef vec sum_
    memset(field, 0, K * TILE * sizeof(real))
    for j in range(size):
        row = row_at(&job.rows, start + j)
        n = 0
        for b in range(2 * FIELD_DIMENSIONS):
            if f.links[row] >> b & 1:
                neighbour[n] = <const real*>job.resp_out + (row + f.offsets[b]) * K
                n += 1
        for k in range(K):
            total = 0
            for b in range(n):
                total += neighbour[b][k]
            field[k * TILE + j] = smoothness * total
    for j in range(TILE):
        most[j] = -INFINITY
    for k in range(K):
        log_weight = <real>log_weights[k]
        for j in range(TILE):
            total = field[k * TILE + j] + log_weight
            most[j] = total if total > most[j] else most[j]
    for v in range(VECTORS):
        log_norm[v] = splat(0)
    for k in range(K):
        for v in range(VECTORS):
            p.prior[k * VECTORS + v] = vexp(
                p.field[k * VECTORS + v] + splat(<real>log_weights[k]) - top[v])
            log_norm[v] = log_norm[v] + p.prior[k * VECTORS + v]
    for v in range(VECTORS):
        share[v] = splat(1) / log_norm[v]
        log_norm[v] = top[v] + vlog(log_norm[v])
    for j in range(TILE):
        known[j] = 0 if unknown[j] else known[j] * weight[j]
        p.field_sums[0] += weight[j] * <double>norm[j]
    for k in range(K):
        sum_ = splat(0)
        for v in range(VECTORS):
            sum_ = sum_ + p.prior[k * VECTORS + v] * share[v]
        p.field_sums[1 + k] += lanes(&sum_)
    for j in range(TILE):
        best[j] = -INFINITY
    for k in range(K):
        log_weight = <real>log_weights[k]
        for j in range(TILE):
            total = log_weight if unknown[j] else lp[k * TILE + j]
            total += field[k * TILE + j] - norm[j]
            lp[k * TILE + j] = total
            best[j] = total if total > best[j] else best[j]


cdef void close_field(const Panels *p, const Job *job, Py_ssize_t t, const vec *lp) noexcept nogil:
    """After the first half each pair of neighbours is not yet to be counted; unknown pixels
    have no part in the moments."""
    cdef Py_ssize_t K = job.gaussians.n_components, i, j, v
    cdef const unsigned char *unknown = p.flags + t * TILE
    cdef real *weight = <real*>(p.weight + t * VECTORS)
    cdef vec total
    if job.field.first_half:
        total = splat(0)
        for i in range(K):
            for v in range(VECTORS):
                total = total + (lp[i * VECTORS + v] * p.field[i * VECTORS + v]
                                 * p.weight[t * VECTORS + v])
        p.field_sums[0] -= lanes(&total)
    for j in range(TILE):
        if unknown[j]:
            weight[j] = 0
