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
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D)
    cdef Py_ssize_t stride = component_stride(g)
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


cdef inline double own_distance(const Rows *rows, Py_ssize_t row,
                                const double *centre) noexcept nogil:
    """Distance of one row to one centre."""
    cdef const char *x = rows.x + row * rows.row_stride
    cdef double total = 0, gap
    cdef Py_ssize_t d
    for d in range(rows.n_features):
        gap = read(x + d * rows.column_stride) - centre[d]
        total += gap * gap
    return sqrt(total)


cdef void bounded_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                        const Bounds *bounds, double *accumulators) noexcept nogil:
    """One Lloyd pass that computes distances only where a label may change (Hamerly, SDM
    2010): the others follow from how far the centres have moved. Accumulators: the change
    of counts (K,) | of numbers of rows (K,) | of sums of x - origin (K, D) | labels that
    changed."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D)
    cdef Py_ssize_t stride = component_stride(g)
    cdef Py_ssize_t t, j, k, row, size, n_needed = 0
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef const real *distance
    # the bounds are kept in float32 and computed in the precision of the data
    cdef double slack = 4e-7 + (D + 8) * (2.3e-16 if IS_DOUBLE else 1.2e-7)
    cdef double upper
    # all distances of a tile of rows cost little more than one distance of each row
    cdef bint direct = K * D <= 256
    cdef real best[TILE]
    cdef real second[TILE]
    cdef real label[TILE]
    cdef Rows needed = job.rows
    cdef Panels p
    carve(job, scratch, &p)
    cdef real *x = <real*>p.x
    cdef int *need = <int*>p.scaled     # positions in the block
    cdef unsigned char *doubtful = p.flags
    if bounds.first_pass:
        for j in range(count):
            need[j] = <int>j
        n_needed = count
    else:
        widen_bounds(bounds, job.labels_out + first, bounds.upper + first, bounds.lower + first,
                     count, doubtful)
        for j in range(count):
            if doubtful[j]:
                row = first + j
                k = job.labels_out[row]
                if direct:
                    need[n_needed] = <int>j
                    n_needed += 1
                    continue
                upper = own_distance(&job.rows, row, g.means + k * D) * bounds.scale * (1 + slack)
                bounds.upper[row] = <float>(upper * (1 + 1e-7))
                if upper > max(bounds.lower[row], bounds.half_gap[k]):
                    need[n_needed] = <int>j
                    n_needed += 1
    needed.order = need
    needed.x += first * needed.row_stride
    for t in range((n_needed + TILE - 1) // TILE):
        size = min(<Py_ssize_t>TILE, n_needed - t * TILE)
        pack_tile(&needed, t * TILE, size, n, x)
        axis_forms(mean, NULL, stride, <const vec*>x, D, K, p.resp)
        for j in range(TILE):
            best[j] = INFINITY
            second[j] = INFINITY
            label[j] = 0
        for k in range(K):
            distance = <const real*>(p.resp + k * VECTORS)
            for j in range(TILE):
                second[j] = distance[j] if distance[j] < second[j] else second[j]
                second[j] = best[j] if distance[j] < best[j] else second[j]
                label[j] = <real>k if distance[j] < best[j] else label[j]
                best[j] = distance[j] if distance[j] < best[j] else best[j]
        for j in range(size):
            row = first + need[t * TILE + j]
            bounds.upper[row] = <float>(sqrt(<double>best[j]) * bounds.scale * (1 + slack))
            bounds.lower[row] = <float>(sqrt(<double>second[j]) * bounds.scale * (1 - slack))
            move_row(job, bounds, row, <Py_ssize_t>label[j], x + j, accumulators)


cdef void widen_bounds(const Bounds *bounds, const int *label, float *upper, float *lower,
                       Py_ssize_t count, unsigned char *doubtful) noexcept nogil:
    """Let the bounds follow the centres; doubtful where they no longer settle the label."""
    cdef float up = <float>(1 + 1.3e-7), down = <float>(1 - 1.3e-7)
    cdef Py_ssize_t start = 0, size, j
    # in local arrays, which nothing aliases: the lookups by label then become gathers
    cdef float u[64]
    cdef float low[64]
    cdef unsigned char doubt[64]
    cdef const float *shift = bounds.shift
    cdef const float *other_shift = bounds.other_shift
    cdef const float *half_gap = bounds.half_gap
    while start < count:
        size = min(<Py_ssize_t>64, count - start)
        for j in range(size):
            u[j] = (upper[start + j] + shift[label[start + j]]) * up
            low[j] = lower[start + j] * down - other_shift[label[start + j]]
            doubt[j] = (u[j] > low[j] * down) & (u[j] > half_gap[label[start + j]])
        memcpy(upper + start, u, size * sizeof(float))
        memcpy(lower + start, low, size * sizeof(float))
        memcpy(doubtful + start, doubt, size)
        start += size


cdef inline void move_row(const Job *job, const Bounds *bounds, Py_ssize_t row, Py_ssize_t k,
                          const real *x, double *accumulators) noexcept nogil:
    """Take the row from its cluster, if it has one, to cluster k."""
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features, d
    cdef Py_ssize_t old = -1 if bounds.first_pass else job.labels_out[row]
    cdef double weight = job.rows.sample_weight[row] if job.rows.sample_weight != NULL else 1
    cdef double *sums = accumulators + 2 * K
    cdef double value
    if old == k:
        return
    job.labels_out[row] = <int>k
    sums[K * D] += 1
    accumulators[K + k] += 1
    accumulators[k] += weight
    if old >= 0:
        accumulators[old] -= weight
        accumulators[K + old] -= 1
    for d in range(D):
        value = weight * (<double>x[d * TILE] - bounds.origin[d])
        sums[k * D + d] += value
        if old >= 0:
            sums[old * D + d] -= value


cdef void closest_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                        double *closest, unsigned short *nearer, int commit,
                        double *potentials) noexcept nogil:
    """k-means++ seeding: potentials (K,) += sum w min(closest, |x - candidate|^2), with a bit in
    nearer (n_samples,) for each of the first 16 candidates that is nearer than `closest`.
    With commit = k >= 0, `closest` takes candidate k in, of which only those rows are read."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D)
    cdef Py_ssize_t stride = component_stride(g)
    cdef Py_ssize_t t, j, k, start, size
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef const real *distance
    cdef double value, total, scaled
    cdef real overflow      # 0, or NaN
    cdef double limit[TILE]
    cdef unsigned short bits[TILE]
    cdef Panels p
    if commit >= 0:
        for j in range(first, first + count):
            if commit >= 16 or nearer[j] >> commit & 1:
                value = own_distance(&job.rows, j, g.means + commit * D)
                closest[j] = min(closest[j], value * value)
        return
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
            bits[j] = 0
        axis_forms(mean, NULL, stride, <const vec*>x, D, K, p.resp)
        for k in range(K):
            distance = <const real*>(p.resp + k * VECTORS)
            total = 0
            overflow = 0
            for j in range(TILE):
                overflow += 0 * distance[j]
                bits[j] |= (k < 16 and distance[j] < limit[j]) << k
                value = distance[j] if distance[j] < limit[j] else limit[j]
                total += w[j] * value
            if overflow != 0:
                total = 0
                for j in range(size):
                    value = far_distance(x, j, mean + k * stride, D, &scaled)
                    bits[j] |= (k < 16 and value < limit[j]) << k
                    if w[j] != 0:
                        total += w[j] * min(value, limit[j])
            potentials[k] += total
        memcpy(nearer + start, bits, size * sizeof(unsigned short))
