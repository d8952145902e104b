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
    """lp += smoothness * responsibilities of the neighbours; unknown pixels have only these."""
    cdef const Field *f = job.field
    cdef Py_ssize_t K = job.gaussians.n_components, j, k, b, n, row
    cdef const unsigned char *unknown = p.flags + t * TILE
    cdef const real *neighbour[2 * FIELD_DIMENSIONS]
    cdef real *field = <real*>p.field
    cdef real smoothness = <real>f.smoothness, total
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
        best[j] = -INFINITY
    for k in range(K):
        for j in range(TILE):
            total = 0 if unknown[j] else lp[k * TILE + j]
            total += field[k * TILE + j]
            lp[k * TILE + j] = total
            best[j] = total if total > best[j] else best[j]


cdef void close_field(const Panels *p, const Job *job, Py_ssize_t t, const vec *lp,
                      double *free_energy) noexcept nogil:
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
        free_energy[0] -= lanes(&total)
    for j in range(TILE):
        if unknown[j]:
            weight[j] = 0
