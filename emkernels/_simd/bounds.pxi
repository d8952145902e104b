# Lloyd passes that compute a distance only where it may change a label: lower bounds on the
# distances of every row to groups of centres follow from how far the centres have travelled
# (Elkan, ICML 2003, with one centre a group; Ding et al., ICML 2015, with several). Rows in doubt
# are put side by side by cluster, so that the rows of a tile are in doubt about the same centres.
# A distance has the bits that it has in a plain pass.

cdef unsigned long long ALL_GROUPS = <unsigned long long>-1     # even where there are fewer


ctypedef struct Doubts:
    # of one block: scratch, and the centres that a tile is in doubt about
    int *need               # (block_rows,) positions
    int *order              # (block_rows,) the same by cluster
    int *starts             # (n_clusters + 1,)
    int *centre             # (n_clusters,) candidates, ascending
    real *packed            # their parameters, packed like those of all
    vec *x                  # (n_padded, TILE)
    vec *form               # (n_clusters, TILE)


cdef Py_ssize_t carve_doubts(const Job *job, char *scratch, Doubts *p) noexcept nogil:
    """Lay the arrays out in `scratch`; the number of bytes they take."""
    cdef Py_ssize_t K = job.gaussians.n_components, tile = TILE * sizeof(real), used = 0
    p.x = <vec*>(scratch + used)
    used += padded(job.gaussians.n_features) * tile
    p.form = <vec*>(scratch + used)
    used += K * tile
    p.packed = <real*>(scratch + used)
    used = aligned(used + K * component_stride(&job.gaussians) * <Py_ssize_t>sizeof(real))
    p.need = <int*>(scratch + used)
    used = aligned(used + job.block_rows * <Py_ssize_t>sizeof(int))
    p.order = <int*>(scratch + used)
    used = aligned(used + job.block_rows * <Py_ssize_t>sizeof(int))
    p.starts = <int*>(scratch + used)
    used = aligned(used + (K + 1) * <Py_ssize_t>sizeof(int))
    p.centre = <int*>(scratch + used)
    return aligned(used + K * <Py_ssize_t>sizeof(int))


cdef void bounded_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                        double *accumulators) noexcept nogil:
    """Rows first .. first + count - 1: their labels and bounds. Accumulators: the change of
    counts (K,) | of sums of x - origin (K, D) | labels that changed."""
    cdef const Gaussians *g = &job.gaussians
    cdef const Bounds *bounds = job.bounds
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D), n_centers
    cdef Py_ssize_t stride = component_stride(g), t, j, row, size, n_needed = count
    cdef bint all_rows = bounds.fill or bounds.n_groups == 0
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef unsigned long long groups = ALL_GROUPS
    cdef vec best[VECTORS]
    cdef vec label[VECTORS]
    cdef int found[TILE]
    cdef Rows needed = job.rows
    cdef Doubts p
    if job.nearest != NULL:
        nearest_bounded_block(job, first, count, scratch, accumulators)
        return
    carve_doubts(job, scratch, &p)
    if not all_rows:
        n_needed = doubtful_rows(job, first, count, &p)
        needed.order = p.order
    needed.x += first * needed.row_stride
    for t in range((n_needed + TILE - 1) // TILE):
        size = min(<Py_ssize_t>TILE, n_needed - t * TILE)
        pack_tile(&needed, t * TILE, size, n, <real*>p.x)
        if not all_rows:
            fetch_tile(&needed, (t + 1) * TILE, n_needed)
            groups = doubtful_groups(job, first, p.order + t * TILE, size, mean, p.x)
            if groups == 0:
                continue
        n_centers = K
        if groups != ALL_GROUPS:
            n_centers = candidates(g, bounds, groups, &p)
        axis_forms(mean if groups == ALL_GROUPS else p.packed + HEADER, NULL, stride, p.x, D,
                   n_centers, behind_tile(&needed, t * TILE), p.form)
        nearest(p.form, n_centers, best, label)
        if bounds.n_groups > 0:
            set_bounds(bounds, &needed, first, t * TILE, size, K, groups, p.form, best, label)
        for j in range(TILE):
            found[j] = <int>(<const real*>label)[j]
        for j in range(size):
            row = first + row_at(&needed, t * TILE + j)
            if groups != ALL_GROUPS:
                found[j] = p.centre[found[j]]
            if bounds.n_groups > 0:
                bounds.upper[row] = upper_bound(
                    bounds, (<const real*>best)[j] * bounds.scale * bounds.scale, found[j])
            if bounds.first_pass or job.labels_out[row] != found[j]:
                move_row(job, bounds, row, found[j], accumulators)


cdef Py_ssize_t doubtful_rows(const Job *job, Py_ssize_t first, Py_ssize_t count,
                              const Doubts *p) noexcept nogil:
    """How many rows of the block may change their cluster, and p.order, their positions by
    cluster."""
    cdef Py_ssize_t K = job.gaussians.n_components, j, n = 0
    cdef const int *label = job.labels_out + first
    cdef unsigned long long doubt
    for j in range(count):
        p.need[n] = <int>j
        n += in_doubt(job.bounds, first + j, label[j], &doubt)
    order_by_cluster(label, p.need, n, K, p.starts, p.order)
    return n


cdef void order_by_cluster(const int *label, const int *need, Py_ssize_t n, Py_ssize_t K,
                           int *starts, int *order) noexcept nogil:
    """Put n positions side by side by cluster; starts (K + 1,) is scratch."""
    cdef Py_ssize_t j, k
    memset(starts, 0, (K + 1) * sizeof(int))
    for j in range(n):
        starts[label[need[j]] + 1] += 1
    for k in range(K):
        starts[k + 1] += starts[k]
    for j in range(n):
        k = label[need[j]]
        order[starts[k]] = need[j]
        starts[k] += 1


cdef inline void fetch_tile(const Rows *rows, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Ask for the rows at positions start .. start + TILE - 1."""
    cdef Py_ssize_t j, b
    cdef const char *x
    if rows.column_stride != sizeof(real):
        return
    for j in range(start, min(end, start + TILE)):
        x = rows.x + rows.order[j] * rows.row_stride
        for b in range(rows.n_features * <Py_ssize_t>sizeof(real) // CACHE_LINE + 1):
            prefetch(x + b * CACHE_LINE)


cdef unsigned long long doubtful_groups(const Job *job, Py_ssize_t first, const int *order,
                                        Py_ssize_t size, const real *mean,
                                        const vec *x) noexcept nogil:
    """The groups that may hold the nearest centres of the rows of a tile, given their distances to
    their own; 0 where these settle all of them."""
    cdef const Bounds *bounds = job.bounds
    cdef Py_ssize_t D = job.gaussians.n_features, stride = component_stride(&job.gaussians)
    cdef Py_ssize_t G = bounds.n_groups, j, row, own, last = -1
    cdef unsigned long long doubt, doubts = 0, owners = 0
    cdef vec form[VECTORS]
    for j in range(size):
        row = first + order[j]
        own = job.labels_out[row]
        if own != last:
            axis_group(mean + own * stride, NULL, stride, x, D, 1, NULL, form)
            last = own
        owners |= <unsigned long long>1 << (own // bounds.group_size)
        bounds.upper[row] = upper_bound(
            bounds, (<const real*>form)[j] * bounds.scale * bounds.scale, own)
        if in_doubt(bounds, row, own, &doubt):
            doubts |= doubt
    if doubts == 0:
        return 0
    doubts |= owners
    return ALL_GROUPS if 5 * count_bits(doubts) > 4 * G else doubts


cdef Py_ssize_t candidates(const Gaussians *g, const Bounds *bounds, unsigned long long groups,
                           const Doubts *p) noexcept nogil:
    """List and pack the centres of some groups; how many there are."""
    cdef Py_ssize_t K = g.n_components, stride = component_stride(g), m = bounds.group_size
    cdef Py_ssize_t n = 0, k, i
    cdef const real *packed = <const real*>g.packed
    while groups != 0:
        i = lowest_bit(groups)
        groups &= groups - 1
        for k in range(i * m, min(K, (i + 1) * m)):
            p.centre[n] = <int>k
            # without the scale behind the mean
            memcpy(p.packed + n * stride, packed + k * stride,
                   (HEADER + g.n_features) * sizeof(real))
            n += 1
    return n


cdef void set_bounds(const Bounds *bounds, const Rows *needed, Py_ssize_t first, Py_ssize_t start,
                     Py_ssize_t size, Py_ssize_t K, unsigned long long groups, const vec *form,
                     const vec *best, const vec *label) noexcept nogil:
    """Lower bounds of the rows of a tile from the squared distances to the centres of some
    groups, one after the other; label is the position of the smallest."""
    cdef Py_ssize_t G = bounds.n_groups, m = bounds.group_size, g = 0, i, j, k, v, at = 0, n = 0
    cdef float down = <float>(1 - bounds.slack)
    cdef double square = bounds.scale * bounds.scale
    cdef vec gap
    cdef vec least[VECTORS]
    cdef unsigned short *target
    cdef unsigned short lower[CENTRE_GROUPS * TILE]
    cdef int group[CENTRE_GROUPS]
    if groups == ALL_GROUPS and G < CENTRE_GROUPS:
        groups = (<unsigned long long>1 << G) - 1
    while groups != 0:
        g = lowest_bit(groups)
        groups &= groups - 1
        for v in range(VECTORS):
            least[v] = splat(INFINITY)
        for k in range(g * m, min(K, (g + 1) * m)):
            for v in range(VECTORS):
                # others than the row's own
                gap = label[v] - splat(<real>at)
                least[v] = where_less(splat(<real>0.25), gap * gap,
                                      vmin(form[at * VECTORS + v], least[v]), least[v])
            at += 1
        for j in range(TILE):
            lower[n * TILE + j] = lower_bound(
                (<const real*>least)[j] * square, down, bounds.group_travelled[g])
        group[n] = <int>g
        n += 1
    for j in range(size):
        target = bounds.lower + (first + row_at(needed, start + j)) * G
        for i in range(n):
            target[group[i]] = lower[i * TILE + j]


cdef inline float upper_bound(const Bounds *bounds, double square, Py_ssize_t k) noexcept nogil:
    """What is kept of a (scaled) squared distance to centre k; 2e-19 is the root of what
    underflows."""
    cdef float up = sqrtf(<float>square) * <float>(1 + bounds.slack) + <float>2e-19
    cdef float travelled = bounds.travelled[k]
    return up - travelled + (up + travelled) * <float>2e-7


cdef inline unsigned short lower_bound(double square, float down, float travelled) noexcept nogil:
    """What is kept of the least (scaled) squared distance to a group, infinite where it has no
    other centre: the upper half of a float32, at most the distance times `down`."""
    cdef float far = sqrtf(<float>min(square, <double>1e30)) * down + travelled
    cdef unsigned int bits
    far = far * <float>(1 - 2e-7)
    memcpy(&bits, &far, 4)
    return <unsigned short>(bits >> 16)


cdef inline bint in_doubt(const Bounds *bounds, Py_ssize_t row, Py_ssize_t own,
                          unsigned long long *doubt) noexcept nogil:
    """Whether another centre than the row's own may be nearer, and which groups may hold it."""
    cdef Py_ssize_t G = bounds.n_groups
    cdef float limit = ((bounds.upper[row] + bounds.travelled[own]) * <float>(1 + 4e-7)
                        + bounds.absolute)
    if limit <= bounds.half_gap[own]:
        return False
    doubt[0] = bits_below(bounds.lower + row * G, bounds.group_travelled, <int>G, limit)
    return doubt[0] != 0


cdef void move_row(const Job *job, const Bounds *bounds, Py_ssize_t row, Py_ssize_t k,
                   double *accumulators) noexcept nogil:
    """Take the row from its cluster, if it has one, to cluster k."""
    cdef const Rows *rows = &job.rows
    cdef Py_ssize_t K = job.gaussians.n_components, D = rows.n_features, d
    cdef Py_ssize_t old = -1 if bounds.first_pass else job.labels_out[row]
    cdef double weight = rows.sample_weight[row] if rows.sample_weight != NULL else 1
    cdef const char *x = rows.x + row * rows.row_stride
    cdef double *sums = accumulators + K
    cdef double value
    job.labels_out[row] = <int>k
    sums[K * D] += 1
    accumulators[k] += weight
    if old >= 0:
        accumulators[old] -= weight
    for d in range(D):
        value = weight * (<double>read(x + d * rows.column_stride) - bounds.origin[d])
        sums[k * D + d] += value
        if old >= 0:
            sums[old * D + d] -= value
