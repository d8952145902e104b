# Passes of nearest.pxi that keep bounds, see bounds.pxi.

cdef void nearest_bounded_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                                double *accumulators) noexcept nogil:
    """The same with bounds. A row in doubt about few centres is compared with these alone.
    Accumulators: labels that changed; where bounds say so behind those of bounded_block."""
    cdef const Bounds *bounds = job.bounds
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features
    cdef Py_ssize_t t, j, row, size, n = count
    cdef double n_changed = 0
    cdef Rows needed = job.rows
    cdef Crowd p
    carve_crowd(job, scratch, &p)
    if bounds.summed:
        memset(p.sums, 0, K * p.sums_stride * sizeof(double))
    needed.x += first * needed.row_stride
    if not (bounds.fill or bounds.n_groups == 0):
        n = settle_some(job, first, rows_in_doubt(job, first, count, &p), &p, &n_changed)
        needed.order = p.order
    for t in range((n + CROWD - 1) // CROWD):
        size = min(<Py_ssize_t>CROWD, n - t * CROWD)
        crowd_forms(job, &needed, 0, t, n, &p)
        settle(job.nearest, K, D, &p)
        for j in range(size):
            if p.exact[j] == INFINITY:
                settled_square(job, j, &p)
        if bounds.n_groups > 0:
            bound_crowd(job, &needed, first, t * CROWD, size, &p)
        for j in range(size):
            row = first + row_at(&needed, t * CROWD + j)
            if bounds.first_pass or job.labels_out[row] != p.found[j]:
                n_changed += 1
                if bounds.summed:
                    move_contiguous(job, row, p.row[j], p.found[j], &p)
                job.labels_out[row] = p.found[j]
    accumulators[K + K * D if bounds.summed else 0] += n_changed
    for j in range(K if bounds.summed else 0):
        accumulators[j] += p.sums[j * p.sums_stride + D]
        for t in range(D):
            accumulators[K + j * D + t] += p.sums[j * p.sums_stride + t]


cdef inline void move_contiguous(const Job *job, Py_ssize_t row, const char *x, Py_ssize_t k,
                                 const Crowd *p) noexcept nogil:
    """As move_row, of a row whose values at x lie side by side; its label stays."""
    cdef Py_ssize_t D = job.rows.n_features
    cdef double weight = job.rows.sample_weight[row] if job.rows.sample_weight != NULL else 1
    cdef double *sums = p.sums + k * p.sums_stride
    sums[D] += weight
    add_deviations(x, job.bounds.origin, D, weight, sums)
    if not job.bounds.first_pass:
        sums = p.sums + job.labels_out[row] * p.sums_stride
        sums[D] -= weight
        add_deviations(x, job.bounds.origin, D, -weight, sums)


cdef inline int groups_in_doubt(const Bounds *bounds, Py_ssize_t row, Py_ssize_t own,
                                int *groups) noexcept nogil:
    """As in_doubt: how many groups, and which; without a list, whether there are any."""
    cdef Py_ssize_t G = bounds.n_groups
    cdef float limit = ((bounds.upper[row] + bounds.travelled[own]) * <float>(1 + 4e-7)
                        + bounds.absolute)
    if limit <= bounds.half_gap[own]:
        return 0
    return list_below(bounds.lower + row * G, bounds.group_travelled, <int>G, limit, groups)


cdef Py_ssize_t rows_in_doubt(const Job *job, Py_ssize_t first, Py_ssize_t count,
                              const Crowd *p) noexcept nogil:
    """How many rows of the block may change their cluster, and p.order, their positions by
    cluster."""
    cdef Py_ssize_t j, n = 0
    for j in range(count):
        p.need[n] = <int>j
        n += groups_in_doubt(job.bounds, first + j, job.labels_out[first + j], NULL)
    order_by_cluster(job.labels_out + first, p.need, n, job.gaussians.n_components, p.starts,
                     p.order)
    return n


cdef Py_ssize_t settle_some(const Job *job, Py_ssize_t first, Py_ssize_t n, Crowd *p,
                            double *accumulators) noexcept nogil:
    """Settle the rows of p.order whose distance to their own centre leaves no or few others; how
    many are left in it."""
    cdef const Bounds *bounds = job.bounds
    cdef const real *centers = <const real*>job.nearest.centers
    cdef Py_ssize_t D = job.gaussians.n_features, K = job.gaussians.n_components, i, row, own
    cdef Py_ssize_t left = 0, n_rest
    cdef double square
    cdef Rows block = job.rows
    # of a product with all centres, in pairs of which the row is read by itself
    cdef double affordable = K / ((25 if job.nearest.sketched else 3) + 480.0 / D)
    cdef int n_groups
    block.x += first * block.row_stride
    block.order = p.order
    for i in range(n):
        row = first + p.order[i]
        own = job.labels_out[row]
        if i + 2 < n:
            fetch_row(&block, i + 2)
        open_row(&block, i, p)
        square = pair_square(p.row[0], centers + own * D, D)
        bounds.upper[row] = upper_bound(bounds, square * bounds.scale * bounds.scale, own)
        n_groups = groups_in_doubt(bounds, row, own, p.doubts)
        if n_groups == 0:
            continue
        if (n_groups * bounds.group_size > affordable or not job.nearest.usable
                or not square < INFINITY or not settle_row(job, row, square, n_groups, p,
                                                           accumulators)):
            p.order[left] = p.order[i]
            left += 1
    n_rest = left % CROWD
    if n_rest > FEW_ROWS or not job.nearest.usable:
        return left
    # too few for a product
    for n_groups in range(<int>bounds.n_groups):
        p.doubts[n_groups] = n_groups
    n, left = left, left - n_rest
    for i in range(left, n):
        row = first + p.order[i]
        open_row(&block, i, p)
        square = pair_square(p.row[0], centers + job.labels_out[row] * D, D)
        if not square < INFINITY or not settle_row(job, row, square, <int>bounds.n_groups, p,
                                                   accumulators):
            p.order[left] = p.order[i]
            left += 1
    return left


cdef inline void open_row(const Rows *rows, Py_ssize_t position, Crowd *p) noexcept nogil:
    """Where a row is, as the first of a wide tile."""
    cdef Py_ssize_t d
    p.row[0] = rows.x + row_at(rows, position) * rows.row_stride
    if rows.column_stride != sizeof(real):
        for d in range(rows.n_features):
            p.copied[d] = read(p.row[0] + d * rows.column_stride)
        p.row[0] = <const char*>p.copied


cdef bint settle_row(const Job *job, Py_ssize_t row, double own_square, int n_groups, Crowd *p,
                     double *accumulators) noexcept nogil:
    """Label and bounds of a row that may be of some groups of centres (p.doubts), or of its own
    centre; False where it is too far from the origin."""
    cdef const Bounds *bounds = job.bounds
    cdef const Nearest *nearest = job.nearest
    cdef const real *centers = <const real*>nearest.centers
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features
    cdef Py_ssize_t m = bounds.group_size, own = job.labels_out[row], found = own, i, k, g, at = 0
    cdef double best = own_square, square, near, low, top
    cdef double unit = 1 / (nearest.scale * nearest.scale), scaled = bounds.scale * bounds.scale
    cdef float down = <float>(1 - bounds.slack), least
    cdef float norm = pack_line(p.row[0], D, <const real*>nearest.origin, <real>nearest.scale,
                                nearest.more, p.line)
    cdef unsigned short *lower = bounds.lower + row * bounds.n_groups
    if not norm < FAR:
        return False
    near = near_square(nearest, norm)
    top = largest_l(nearest, best, near)
    for i in range(n_groups):
        g = p.doubts[i] * m
        line_products(p.line, norm, nearest.lines + g * (D + 1), nearest.half + g,
                      <int>min(m, K - g), D, p.value + at)
        for k in range(g, min(K, g + m)):
            if not p.value[at] > top and k != own:
                square = pair_square(p.row[0], centers + k * D, D)
                if square < best or (square == best and k < found):
                    best = square
                    found = k
                    top = largest_l(nearest, best, near)
            at += 1
    at = 0
    for i in range(n_groups):
        g = p.doubts[i]
        least = INFINITY
        for k in range(g * m, min(K, (g + 1) * m)):
            if k != own and k != found and not p.value[at] > least:
                least = p.value[at]
            at += 1
        low = near + 2 * <double>least
        low = unit * low if low > 0 else 0
        lower[g] = lower_bound(low * scaled, down, bounds.group_travelled[g])
    if found != own:
        g = own // m
        lower[g] = min(lower[g],
                       lower_bound(own_square * scaled, down, bounds.group_travelled[g]))
    bounds.upper[row] = upper_bound(bounds, best * scaled, found)
    accumulators[0] += found != own
    job.labels_out[row] = <int>found
    return True


cdef inline double near_square(const Nearest *nearest, double norm) noexcept nogil:
    """At most |x - o|^2, scaled, of a row of some length: see nearest.pxi."""
    return (1 - 4.2 * (<double>nearest.more - 1)) * norm * norm


cdef inline double largest_l(const Nearest *nearest, double square, double near) noexcept nogil:
    """l of a centre that is at least as near by difference is at most this."""
    cdef double top = 0.5 * (
        (1 + 2.2 * nearest.relative) * square * nearest.scale * nearest.scale - near)
    return top + 1e-9 * fabs(top) + UNDERFLOW


cdef void bound_crowd(const Job *job, const Rows *needed, Py_ssize_t first, Py_ssize_t start,
                      Py_ssize_t size, Crowd *p) noexcept nogil:
    """Bounds of the rows of a wide tile from l of all centres."""
    cdef const Bounds *bounds = job.bounds
    cdef const Nearest *nearest = job.nearest
    cdef const real *centers = <const real*>nearest.centers
    cdef Py_ssize_t G = bounds.n_groups, m = bounds.group_size, K = job.gaussians.n_components
    cdef Py_ssize_t D = job.gaussians.n_features, g, j, row
    cdef double unit = bounds.scale * bounds.scale / (nearest.scale * nearest.scale), square
    cdef float down = <float>(1 - bounds.slack)
    cdef unsigned short *target
    for j in range(CROWD):
        p.near[j] = near_square(nearest, p.norm[j]) if p.norm[j] < FAR else -INFINITY
    for g in range(G):
        group_bounds(p.form + g * m * CROWD, <int>min(m, K - g * m), <int>(g * m), p.found, p.near,
                     unit, down, bounds.group_travelled[g], p.lower + g * CROWD)
    for j in range(size):
        row = first + row_at(needed, start + j)
        target = bounds.lower + row * G
        for g in range(G):
            target[g] = p.lower[g * CROWD + j]
        if p.exact[j] < 0 and p.square[j] < INFINITY:
            square = p.square[j] * unit
        else:
            if p.exact[j] < 0:
                p.exact[j] = pair_square(p.row[j], centers + p.found[j] * D, D)
            square = p.exact[j] * bounds.scale * bounds.scale
        bounds.upper[row] = upper_bound(bounds, square, p.found[j])
