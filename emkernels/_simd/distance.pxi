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


cdef inline const char *behind_tile(const Rows *rows, Py_ssize_t start) noexcept nogil:
    """Address of the rows behind the tile that begins at `start`, where they are one piece of
    memory; else NULL."""
    if (rows.order != NULL or rows.column_stride != sizeof(real)
            or rows.row_stride != rows.n_features * <Py_ssize_t>sizeof(real)):
        return NULL
    return rows.x + (start + TILE) * rows.row_stride


cdef inline void nearest_two(const vec *form, Py_ssize_t n_centers, vec *best, vec *second,
                             vec *label) noexcept nogil:
    """The smallest of the forms (n_centers, TILE), unless NULL the second smallest, and the
    first index of the smallest, as numbers."""
    cdef vec b[VECTORS]
    cdef vec s[VECTORS]
    cdef vec at[VECTORS]
    cdef vec number, f
    cdef Py_ssize_t k, v
    for v in range(VECTORS):
        b[v] = s[v] = splat(INFINITY)
        at[v] = splat(0)
    for k in range(n_centers):
        number = splat(<real>k)
        for v in range(VECTORS):
            f = form[k * VECTORS + v]
            at[v] = where_less(f, b[v], number, at[v])
            if second != NULL:
                s[v] = vmin(vmax(f, b[v]), s[v])
            b[v] = vmin(f, b[v])
    for v in range(VECTORS):
        best[v] = b[v]
        label[v] = at[v]
        if second != NULL:
            second[v] = s[v]


cdef inline void add_gap(const Rows *rows, Py_ssize_t row, const real *x, const real *centre,
                         double weight, double *sums) noexcept nogil:
    """sums += weight * (row - centre); x is the row's lane of a tile."""
    cdef Py_ssize_t D = rows.n_features, d = 0
    cdef const char *at = rows.x + row * rows.row_stride
    if rows.column_stride == sizeof(real):
        while d + LANES <= D:
            add_gaps(sums + d, at + d * <Py_ssize_t>sizeof(real), centre + d, weight)
            d += LANES
    while d < D:
        sums[d] += weight * (<double>x[d * TILE] - <double>centre[d])
        d += 1


cdef void kmeans_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                       double *accumulators) noexcept nogil:
    """Rows first .. first + count - 1: labels (if wanted), counts, sums of x - centre and
    the inertia. Accumulators: counts (K,) | sums (K, D) | inertia | labels that changed."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D)
    cdef Py_ssize_t stride = component_stride(g)
    cdef Py_ssize_t t, j, k, start, size, row
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef double *sums = accumulators + K
    cdef double *tail = sums + K * D
    cdef double weight, square
    cdef vec best[VECTORS]
    cdef vec label[VECTORS]
    cdef Panels p
    carve(job, scratch, &p)
    cdef real *x = <real*>p.x
    cdef real *w = <real*>p.weight
    for t in range((count + TILE - 1) // TILE):
        start = first + t * TILE
        size = min(<Py_ssize_t>TILE, first + count - start)
        pack_tile(&job.rows, start, size, n, x)
        pack_weights(&job.rows, start, size, w)
        axis_forms(mean, NULL, stride, <const vec*>x, D, K, behind_tile(&job.rows, start), p.resp)
        nearest_two(p.resp, K, best, NULL, label)
        for j in range(size):
            k = <Py_ssize_t>(<const real*>label)[j]
            row = row_at(&job.rows, start + j)
            weight = w[j]
            square = (<const real*>best)[j]
            if square == INFINITY:
                k = nearest_far(x, j, mean, stride, D, K, &square)
            accumulators[k] += weight
            tail[0] += weight * square if weight != 0 else 0
            add_gap(&job.rows, row, x + j, mean + k * stride, weight, sums + k * D)
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
    # the bounds are kept in float32 and computed in the precision of the data
    cdef double slack = 4e-7 + (D + 8) * (2.3e-16 if IS_DOUBLE else 1.2e-7)
    cdef double upper
    # all distances of a tile of rows cost little more than one distance of each row
    cdef bint direct = K * D <= 256
    cdef vec best_two[2 * VECTORS]
    cdef vec label[VECTORS]
    cdef const real *best = <const real*>best_two
    cdef const real *second = best + TILE
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
    needed.order = need if n_needed < count else NULL
    needed.x += first * needed.row_stride
    for t in range((n_needed + TILE - 1) // TILE):
        size = min(<Py_ssize_t>TILE, n_needed - t * TILE)
        pack_tile(&needed, t * TILE, size, n, x)
        axis_forms(mean, NULL, stride, <const vec*>x, D, K, behind_tile(&needed, t * TILE), p.resp)
        nearest_two(p.resp, K, best_two, best_two + VECTORS, label)
        for j in range(size):
            row = first + need[t * TILE + j]
            bounds.upper[row] = <float>(sqrt(<double>best[j]) * bounds.scale * (1 + slack))
            bounds.lower[row] = <float>(sqrt(<double>second[j]) * bounds.scale * (1 - slack))
            move_row(job, bounds, row, <Py_ssize_t>(<const real*>label)[j], x + j, accumulators)


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
                        const Seeding *seeding) noexcept nogil:
    """k-means++ seeding: take the last seed into `closest`, then potentials of the block's rows
    with each candidate: sums of w min(closest, |x - candidate|^2)."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D)
    cdef Py_ssize_t stride = component_stride(g), new = seeding.take_in
    cdef Py_ssize_t t, j, k, v, start, size
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef double *potentials
    cdef vec overflow      # 0, or NaN
    cdef vec limit[VECTORS]
    cdef vec value[VECTORS]
    cdef real *closest = <real*>limit
    cdef Panels p
    carve(job, scratch, &p)
    cdef real *x = <real*>p.x
    cdef real *w = <real*>p.weight
    potentials = seeding.potentials + first // job.block_rows * seeding.n_candidates
    for k in range(seeding.n_candidates):
        potentials[k] = 0
    for t in range((count + TILE - 1) // TILE):
        start = first + t * TILE
        size = min(<Py_ssize_t>TILE, first + count - start)
        pack_tile(&job.rows, start, size, n, x)
        pack_weights(&job.rows, start, size, w)
        for j in range(TILE):
            closest[j] = 0
        for j in range(size):
            closest[j] = <real>seeding.closest[start + j]
        axis_forms(mean, NULL, stride, <const vec*>x, D, K, behind_tile(&job.rows, start), p.resp)
        overflow = splat(0)
        for v in range(K * VECTORS):
            overflow = overflow + splat(0) * p.resp[v]
        if lanes(&overflow) != 0:
            closest_far(job, seeding, start, size, x, w, potentials)
            continue
        if new:
            for v in range(VECTORS):
                limit[v] = vmin(p.resp[v], limit[v])
            for j in range(size):
                seeding.closest[start + j] = closest[j]
        for k in range(seeding.n_candidates):
            for v in range(VECTORS):
                value[v] = vmin(p.resp[(new + k) * VECTORS + v], limit[v])
            potentials[k] += tile_dot(<const real*>value, w)


cdef void closest_far(const Job *job, const Seeding *seeding, Py_ssize_t start, Py_ssize_t size,
                      const real *x, const real *w, double *potentials) noexcept nogil:
    """The same for a tile with distances that overflow in the precision of the rows."""
    cdef Py_ssize_t D = job.gaussians.n_features, stride = component_stride(&job.gaussians)
    cdef Py_ssize_t j, k, new = seeding.take_in
    cdef const real *mean = <const real*>job.gaussians.packed + HEADER
    cdef double *closest = seeding.closest + start
    cdef double scaled
    for j in range(size):
        if new:
            closest[j] = min(closest[j], far_distance(x, j, mean, D, &scaled))
        if w[j] != 0:
            for k in range(seeding.n_candidates):
                potentials[k] += w[j] * min(closest[j], far_distance(
                    x, j, mean + (new + k) * stride, D, &scaled))
