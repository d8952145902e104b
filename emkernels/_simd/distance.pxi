# K-means on tiles: squared distances by difference (no |x|^2 - 2 x c + |c|^2, which
# cancels), nearest centre, sums about the centres. The centres are read from
# job.gaussians.means, packed like a diagonal model whose scale is one.

cdef enum:
    ACROSS = TILE * sizeof(real)    # bytes from a value of a row of a tile to the next


cdef double far_distance(const char *x, Py_ssize_t step, const real *centre,
                         Py_ssize_t n_features, double *scaled) noexcept nogil:
    """|x - centre|^2 of a row, whose values are `step` bytes apart, in float64, where `real`
    overflows; and 1e-154 of the distance, which does not overflow."""
    cdef double scale = 0, q = 0, half
    cdef Py_ssize_t d
    for d in range(n_features):
        scale = max(scale, fabs(0.5 * <double>read(x + d * step) - 0.5 * <double>centre[d]))
    scaled[0] = 0
    if scale == 0:
        return 0
    for d in range(n_features):
        half = (0.5 * <double>read(x + d * step) - 0.5 * <double>centre[d]) / scale
        q += half * half
    scaled[0] = 1e-154 * scale * sqrt(q)
    return 4 * scale * scale * q


cdef Py_ssize_t nearest_far(const char *x, Py_ssize_t step, const real *centre, Py_ssize_t stride,
                            Py_ssize_t n_features, Py_ssize_t n_centers,
                            double *square) noexcept nogil:
    """The centre nearest to such a row and its squared distance, in float64."""
    cdef double value, scaled, least = INFINITY
    cdef Py_ssize_t k, nearest = 0
    for k in range(n_centers):
        value = far_distance(x, step, centre + k * stride, n_features, &scaled)
        if scaled < least:
            least = scaled
            nearest = k
            square[0] = value
    return nearest


cdef inline const char *behind_tile(const Rows *rows, Py_ssize_t start) noexcept nogil:
    """Address of rows that are read soon after the tile that begins at `start`, where all are one
    piece of memory; else NULL."""
    cdef Py_ssize_t here = start * rows.row_stride
    if (rows.order != NULL or rows.column_stride != sizeof(real)
            or rows.row_stride != rows.n_features * <Py_ssize_t>sizeof(real)):
        return NULL
    return rows.x + here + max(TILE * rows.row_stride, <Py_ssize_t>AHEAD)


cdef inline void nearest(const vec *form, Py_ssize_t n_centers, vec *best,
                         vec *label) noexcept nogil:
    """The smallest of the forms (n_centers, TILE), and its first index as a number."""
    cdef vec b[VECTORS]
    cdef vec at[VECTORS]
    cdef vec number, f
    cdef Py_ssize_t k, v
    for v in range(VECTORS):
        b[v] = splat(INFINITY)
        at[v] = splat(0)
    for k in range(n_centers):
        number = splat(<real>k)
        for v in range(VECTORS):
            f = form[k * VECTORS + v]
            at[v] = where_less(f, b[v], number, at[v])
            b[v] = vmin(f, b[v])
    for v in range(VECTORS):
        best[v] = b[v]
        label[v] = at[v]


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
    """Rows first .. first + count - 1: labels and sums of x - centre (if wanted), counts and
    the inertia. Accumulators: counts (K,) | sums (K, D) | inertia | labels that changed."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D)
    cdef Py_ssize_t stride = component_stride(g)
    cdef Py_ssize_t t, j, k, start, size, row
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef double *sums = accumulators + K
    cdef double *tail = sums + K * D
    cdef double weight, square, inertia = 0
    cdef Py_ssize_t n_changed = 0
    cdef vec best[VECTORS]
    cdef vec label[VECTORS]
    cdef Panels p
    if job.nearest != NULL:
        nearest_kmeans_block(job, first, count, scratch, accumulators)
        return
    carve(job, scratch, &p)
    cdef real *x = <real*>p.x
    cdef real *w = <real*>p.weight
    if K == 1:
        one_centre_block(job, first, count, x, accumulators)
        return
    for t in range((count + TILE - 1) // TILE):
        start = first + t * TILE
        size = min(<Py_ssize_t>TILE, first + count - start)
        pack_tile(&job.rows, start, size, n, x)
        pack_weights(&job.rows, start, size, w)
        axis_forms(mean, NULL, stride, <const vec*>x, D, K, behind_tile(&job.rows, start), p.resp)
        nearest(p.resp, K, best, label)
        for j in range(size):
            k = <Py_ssize_t>(<const real*>label)[j]
            row = row_at(&job.rows, start + j)
            weight = w[j]
            square = (<const real*>best)[j]
            if square == INFINITY:
                k = nearest_far(<const char*>(x + j), ACROSS, mean, stride, D, K, &square)
            accumulators[k] += weight
            inertia += weight * square if weight != 0 else 0
            if job.first_moments:
                add_gap(&job.rows, row, x + j, mean + k * stride, weight, sums + k * D)
            if job.labels_out != NULL:
                n_changed += job.labels_out[row] != k
                job.labels_out[row] = <int>k
    tail[0] += inertia
    tail[1] += n_changed


cdef void one_centre_block(const Job *job, Py_ssize_t first, Py_ssize_t count, real *x,
                           double *accumulators) noexcept nogil:
    """The same with one centre: rows are read as they lie, in float64. x, several tiles, is
    scratch."""
    cdef Py_ssize_t D = job.gaussians.n_features, start = first, j, row, size
    cdef const real *mean = <const real*>job.gaussians.packed + HEADER
    # in whole cache lines
    cdef double *sums = <double*>(x + padded(D) * TILE)
    cdef double *centre = sums + (D + 7) // 8 * 8
    cdef double weight, square, total = 0, inertia = 0
    cdef Py_ssize_t n_changed = 0
    cdef Rows rows
    cdef const char *at
    for j in range(D):
        centre[j], sums[j] = mean[j], 0
    while start < first + count:
        size = min(<Py_ssize_t>TILE, first + count - start)
        rows = job.rows
        rows.x += start * rows.row_stride
        if rows.column_stride != sizeof(real):
            rows = gather(&job.rows, start, size, x)
        for j in range(size):
            row, at = start + j, rows.x + j * rows.row_stride
            weight = job.rows.sample_weight[row] if job.rows.sample_weight != NULL else 1
            square = add_gap_squares(at, centre, D, weight, sums)
            if not square < INFINITY:
                nearest_far(at, sizeof(real), mean, D, D, 1, &square)
            total += weight
            inertia += weight * square if weight != 0 else 0
            if job.labels_out != NULL:
                n_changed += job.labels_out[row] != 0
                job.labels_out[row] = 0
        start += size
    accumulators[0] += total
    for j in range(D):
        accumulators[1 + j] += sums[j]
    accumulators[1 + D] += inertia
    accumulators[2 + D] += n_changed


cdef void wide_forms(const Rows *rows, Py_ssize_t start, Py_ssize_t size, const real *mean,
                     Py_ssize_t stride, Py_ssize_t n_centers, real *form) noexcept nogil:
    """Squared distances (n_centers, TILE) of rows start .. start + size - 1 to a few centres. Wide
    rows are read as they lie: to put them into a tile would take as long as the distances. The
    columns are contiguous."""
    cdef Py_ssize_t D = rows.n_features, first, j, k, d, n
    cdef Py_ssize_t n_vectors = D // LANES
    cdef const char *row[2]
    cdef real total[2 * SOME]
    cdef real gap, value
    for j in range(0, TILE, 2):
        # lanes past `size` repeat the first row
        row[0] = rows.x + row_at(rows, start + (j if j < size else 0)) * rows.row_stride
        row[1] = rows.x + row_at(rows, start + (j + 1 if j + 1 < size else 0)) * rows.row_stride
        first = 0
        while first < n_centers:
            n = min(<Py_ssize_t>SOME, n_centers - first)
            row_forms(row[0], row[1], mean + first * stride, stride, n_vectors, <int>n, total)
            for k in range(n):
                for d in range(2):
                    form[(first + k) * TILE + j + d] = total[d * SOME + k]
            first += SOME
        for k in range(n_centers if n_vectors * LANES < D else 0):
            for n in range(2):
                value = form[k * TILE + j + n]
                for d in range(n_vectors * LANES, D):
                    gap = read(row[n] + d * <Py_ssize_t>sizeof(real)) - mean[k * stride + d]
                    value = value + gap * gap
                form[k * TILE + j + n] = value


cdef Rows gather(const Rows *rows, Py_ssize_t start, Py_ssize_t size, real *x) noexcept nogil:
    """Rows start .. start + size - 1, copied to x (size, n_features)."""
    cdef Rows out = rows[0]
    cdef const char *row[TILE]
    cdef Py_ssize_t D = rows.n_features, j, d
    for j in range(size):
        row[j] = rows.x + row_at(rows, start + j) * rows.row_stride
    for d in range(D):
        for j in range(size):
            x[j * D + d] = read(row[j] + d * rows.column_stride)
    out.x, out.order = <const char*>x, NULL
    out.row_stride, out.column_stride = D * <Py_ssize_t>sizeof(real), sizeof(real)
    return out


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
    cdef Rows gathered
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
        pack_weights(&job.rows, start, size, w)
        for j in range(TILE):
            closest[j] = 0
        for j in range(size):
            closest[j] = <real>seeding.closest[start + j]
        if D >= 4 * LANES and job.rows.column_stride == sizeof(real):
            wide_forms(&job.rows, start, size, mean, stride, K, <real*>p.resp)
        elif D >= 4 * LANES:        # the same sums for every layout
            gathered = gather(&job.rows, start, size, x)
            wide_forms(&gathered, 0, size, mean, stride, K, <real*>p.resp)
        else:
            pack_tile(&job.rows, start, size, n, x)
            axis_forms(mean, NULL, stride, <const vec*>x, D, K, behind_tile(&job.rows, start),
                       p.resp)
        overflow = splat(0)
        for v in range(K * VECTORS):
            overflow = overflow + splat(0) * p.resp[v]
        if lanes(&overflow) != 0:
            pack_tile(&job.rows, start, size, n, x)
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
            closest[j] = min(closest[j], far_distance(
                <const char*>(x + j), ACROSS, mean, D, &scaled))
        if w[j] != 0:
            for k in range(seeding.n_candidates):
                potentials[k] += w[j] * min(closest[j], far_distance(
                    <const char*>(x + j), ACROSS, mean + (new + k) * stride, D, &scaled))
