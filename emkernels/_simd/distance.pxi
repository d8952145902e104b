# K-means on tiles: squared distances by difference (no |x|^2 - 2 x c + |c|^2, which
# cancels), nearest centre, sums about the centres. The centres are read from
# job.gaussians.means, packed like a diagonal model whose scale is one.

cdef void kmeans_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                       double *accumulators) noexcept nogil:
    """Rows first .. first + count - 1: labels (if wanted), counts, sums of x - centre and
    the inertia. Accumulators: counts (K,) | sums (K, D) | inertia | labels that changed."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D)
    cdef Py_ssize_t stride = component_stride(g)
    cdef Py_ssize_t t, j, k, d, start, size, row
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef const real *centre
    cdef const real *distance
    cdef double *sums = accumulators + K
    cdef double *tail = sums + K * D
    cdef double *target
    cdef double weight
    cdef real best[TILE]
    cdef real label[TILE]     # as numbers, so that the selection stays on the lanes
    cdef Panels p
    carve(job, scratch, &p)
    cdef real *x = <real*>p.x
    cdef real *w = <real*>p.weight
    for t in range((count + TILE - 1) // TILE):
        start = first + t * TILE
        size = min(<Py_ssize_t>TILE, first + count - start)
        pack_tile(&job.rows, start, size, n, x)
        pack_weights(&job.rows, start, size, w)
        for j in range(TILE):
            best[j] = INFINITY
            label[j] = 0
        axis_forms(mean, NULL, stride, <const vec*>x, D, K, p.resp)
        for k in range(K):
            distance = <const real*>(p.resp + k * VECTORS)
            for j in range(TILE):
                label[j] = <real>k if distance[j] < best[j] else label[j]
                best[j] = distance[j] if distance[j] < best[j] else best[j]
        for j in range(size):
            k = <Py_ssize_t>label[j]
            row = row_at(&job.rows, start + j)
            weight = w[j]
            accumulators[k] += weight
            tail[0] += weight * best[j] if weight != 0 else 0
            target = sums + k * D
            centre = mean + k * stride
            for d in range(D):
                target[d] += weight * (<double>x[d * TILE + j] - <double>centre[d])
            if job.labels_out != NULL:
                tail[1] += job.labels_out[row] != k
                job.labels_out[row] = <int>k


cdef void closest_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                        double *closest, bint commit, double *potentials) noexcept nogil:
    """k-means++ seeding: potentials (K,) += sum w min(closest, |x - candidate|^2), and, to
    `commit`, closest (n_samples,) becomes that minimum for the only candidate."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D)
    cdef Py_ssize_t stride = component_stride(g)
    cdef Py_ssize_t t, j, k, start, size
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef const real *distance
    cdef double value, total
    cdef double limit[TILE]
    cdef Panels p
    carve(job, scratch, &p)
    cdef real *x = <real*>p.x
    cdef real *w = <real*>p.weight
    for t in range((count + TILE - 1) // TILE):
        start = first + t * TILE
        size = min(<Py_ssize_t>TILE, first + count - start)
        pack_tile(&job.rows, start, size, n, x)
        pack_weights(&job.rows, start, size, w)
        for j in range(TILE):
            limit[j] = closest[start + j] if j < size else 0
        axis_forms(mean, NULL, stride, <const vec*>x, D, K, p.resp)
        for k in range(K):
            distance = <const real*>(p.resp + k * VECTORS)
            total = 0
            for j in range(TILE):
                value = distance[j] if distance[j] < limit[j] else limit[j]
                total += w[j] * value
                if commit and j < size:
                    closest[start + j] = value
            potentials[k] += total
