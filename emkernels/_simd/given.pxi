# Responsibilities and log densities that the caller has, in place of computed ones.

cdef void given_responsibilities(const Panels *p, const Job *job, Py_ssize_t first,
                                 Py_ssize_t count) noexcept nogil:
    """Fill the panels from job.resp or job.labels instead of from densities."""
    cdef Py_ssize_t K = job.gaussians.n_components, t, j, k, start, size, row_index
    cdef real *resp
    cdef int some
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
                some = 0
                for j in range(TILE):
                    resp[k * TILE + j] = resp[k * TILE + j] if j < size else 0
                    some += resp[k * TILE + j] != 0
                p.active[t * K + k] = <unsigned char>some
            continue
        memset(resp, 0, K * TILE * sizeof(real))
        if job.all_ones:
            for j in range(size):
                resp[j] = 1
            p.active[t] = <unsigned char>size
            continue
        for j in range(size):
            row_index = row_at(&job.rows, start + j)
            k = job.labels[row_index] if row_index >= 0 else -1
            if k >= 0:
                resp[k * TILE + j] = 1
                p.active[t * K + k] += 1


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
