# K-means on tiles: squared distances by difference (no |x|^2 - 2 x c + |c|^2, which
# cancels), nearest centre, sums about the centres. The centres are read from
# job.gaussians.means, packed like a diagonal model whose scale is one.

cdef double far_distance(const real *x, Py_ssize_t j, const real *centre, Py_ssize_t n_features,
                         double *scaled) noexcept nogil:
    """|x - centre|^2 of row j of a tile in float64, where `real` overflows; and 1e-154 of the
    distance, which does not overflow."""
    cdef double scale = 0, q = 0, half
    cdef Py_ssize_t d
    for d in range(n_features):
        scale = max(scale, fabs(0.5 * x[d * TILE + j] - 0.5 * centre[d]))
    scaled[0] = 0
    if scale == 0:
        return 0
    for d in range(n_features):
        half = (0.5 * x[d * TILE + j] - 0.5 * centre[d]) / scale
        q += half * half
    scaled[0] = 1e-154 * scale * sqrt(q)
    return 4 * scale * scale * q


cdef Py_ssize_t nearest_far(const real *x, Py_ssize_t j, const real *centre, Py_ssize_t stride,
                            Py_ssize_t n_features, Py_ssize_t n_centers,
                            double *square) noexcept nogil:
    """The centre nearest to row j of a tile and its squared distance, in float64."""
    cdef double value, scaled, least = INFINITY
    cdef Py_ssize_t k, nearest = 0
    for k in range(n_centers):
        value = far_distance(x, j, centre + k * stride, n_features, &scaled)
        if scaled < least:
            least = scaled
            nearest = k
            square[0] = value
    return nearest


cdef void kmeans_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                       double *accumulators) noexcept nogil:
    """Rows first .. first + count - 1: labels (if wanted), counts, sums of x - centre and
    the inertia. Accumulators: counts (K,) | sums (K, D) | inertia | labels that changed."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D), stride = component_stride(g)
    cdef Py_ssize_t t, j, k, d, start, size, row
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef const real *centre
    cdef const real *distance
    cdef double *sums = accumulators + K
    cdef double *tail = sums + K * D
    cdef double *target
    cdef double weight, square
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
            square = best[j]
            if square == INFINITY:
                k = nearest_far(x, j, mean, stride, D, K, &square)
            accumulators[k] += weight
            tail[0] += weight * square if weight != 0 else 0
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
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D), stride = component_stride(g)
    cdef Py_ssize_t t, j, k, start, size
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef const real *distance
    cdef double value, total, scaled
    cdef real overflow      # 0, or NaN
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
            overflow = 0
            for j in range(TILE):
                overflow += 0 * distance[j]
                value = distance[j] if distance[j] < limit[j] else limit[j]
                total += w[j] * value
                if commit and j < size:
                    closest[start + j] = value
            if overflow != 0:
                total = 0
                for j in range(size):
                    value = min(far_distance(x, j, mean + k * stride, D, &scaled), limit[j])
                    if w[j] != 0:
                        total += w[j] * value
                    if commit:
                        closest[start + j] = value
            potentials[k] += total
