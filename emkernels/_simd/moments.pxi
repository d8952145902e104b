# Weighted moments about the components' current means, from the panels of a block:
# n_k = sum r, s_k = sum r d, S_k = sum r d d' with d = x - mean_k, added in float64 into
# the accumulators. The rows run along the vector lanes; a register tile of feature pairs
# is summed over all tiles of the block, then over its lanes.

cdef inline void pair_tile(const vec *e, Py_ssize_t n_tiles, Py_ssize_t stride, Py_ssize_t a,
                           Py_ssize_t b, double *second) noexcept nogil:
    """Features a .. a + 3 against b .. b + MB - 1, all below the diagonal."""
    cdef vec acc[ACC]
    cdef real sums[16]
    cdef const vec *left
    cdef const vec *right
    cdef Py_ssize_t t, v, i, j
    for i in range(ACC):
        acc[i] = splat(0)
    for t in range(n_tiles):
        left = e + t * stride + a * VECTORS
        right = e + t * stride + b * VECTORS
        for v in range(VECTORS):
            for i in range(FEATURES):
                for j in range(MB):
                    acc[i * MB + j] = (acc[i * MB + j]
                                       + left[i * VECTORS + v] * right[j * VECTORS + v])
    lane_sums(acc, ACC, sums)
    for i in range(FEATURES):
        for j in range(MB):
            second[(a + i) * (a + i + 1) // 2 + b + j] += sums[i * MB + j]


cdef inline void diagonal_tile(const vec *e, Py_ssize_t n_tiles, Py_ssize_t stride, Py_ssize_t a,
                               double *second) noexcept nogil:
    """Features a .. a + 3 against themselves, lower triangle."""
    cdef vec acc[10]
    cdef real sums[16]
    cdef const vec *x
    cdef Py_ssize_t t, v, i, j
    for i in range(10):
        acc[i] = splat(0)
    for t in range(n_tiles):
        x = e + t * stride + a * VECTORS
        for v in range(VECTORS):
            for i in range(FEATURES):
                for j in range(i + 1):
                    acc[i * (i + 1) // 2 + j] = (acc[i * (i + 1) // 2 + j]
                                                 + x[i * VECTORS + v] * x[j * VECTORS + v])
    lane_sums(acc, 10, sums)
    for i in range(FEATURES):
        for j in range(i + 1):
            second[(a + i) * (a + i + 1) // 2 + a + j] += sums[i * (i + 1) // 2 + j]


cdef inline void small_moments(const vec *x, const vec *r, Py_ssize_t r_stride, const vec *w,
                               Py_ssize_t n_tiles, Py_ssize_t x_stride, const real *mean,
                               Py_ssize_t n_features, double *count, double *first,
                               double *second) noexcept nogil:
    """All moments of one component at n_features <= FEATURES, in registers; called with a
    literal so that it unrolls."""
    cdef vec acc[16]
    cdef vec diff[FEATURES]
    cdef vec weight, weighted
    cdef real sums[16]
    cdef Py_ssize_t t, v, i, j, pairs = 1 + n_features
    for i in range(16):
        acc[i] = splat(0)
    for t in range(n_tiles):
        for v in range(VECTORS):
            weight = r[t * r_stride + v] * w[t * VECTORS + v]
            acc[0] = acc[0] + weight
            for i in range(n_features):
                diff[i] = x[t * x_stride + i * VECTORS + v] - splat(mean[i])
            for i in range(n_features):
                weighted = weight * diff[i]
                acc[1 + i] = acc[1 + i] + weighted
                for j in range(i + 1):
                    acc[pairs + i * (i + 1) // 2 + j] = (acc[pairs + i * (i + 1) // 2 + j]
                                                         + weighted * diff[j])
    lane_sums(acc, 16, sums)
    count[0] += sums[0]
    for i in range(n_features):
        first[i] += sums[1 + i]
    for i in range(n_features * (n_features + 1) // 2):
        second[i] += sums[pairs + i]


cdef inline double lanes(const vec *v) noexcept nogil:
    cdef real lane[LANES]
    cdef double total = 0
    cdef Py_ssize_t i
    memcpy(lane, v, sizeof(vec))
    for i in range(LANES):
        total += lane[i]
    return total


cdef void full_moments(const Panels *p, const Job *job, Py_ssize_t k, const real *mean,
                       double *count, double *first, double *second) noexcept nogil:
    """One component: the rows that matter are scaled to e = sqrt(r) (x - mean), and
    S_k = sum e e'."""
    cdef Py_ssize_t D = job.gaussians.n_features, n = padded(D), K = job.gaussians.n_components
    cdef Py_ssize_t t, d, v, a, b, active = 0, stride = n * VECTORS
    cdef vec weight[VECTORS]
    cdef vec root[VECTORS]
    cdef vec total = splat(0), m, sum_
    cdef vec least = splat(<real>(1e-162 if IS_DOUBLE else 1e-23))   # less than any positive root
    cdef const vec *x
    cdef const vec *r
    cdef const vec *w
    cdef vec *e
    for d in range(n):
        p.lane_first[d] = splat(0)
    for t in range(p.n_tiles):
        if not p.active[t * K + k]:
            continue
        x = p.x + t * stride
        r = p.resp + (t * K + k) * VECTORS
        w = p.weight + t * VECTORS
        e = p.scaled + active * stride
        for v in range(VECTORS):
            weight[v] = r[v] * w[v]
            total = total + weight[v]
        square_roots(<const real*>weight, <real*>root)
        if p.best != NULL or p.mask != NULL:
            filled_deviations(p, t, k, n, mean, e)
            for d in range(n):
                sum_ = splat(0)
                for v in range(VECTORS):
                    # a fill may have overflowed where the row has no weight here
                    e[d * VECTORS + v] = keep_if_ge(root[v] * e[d * VECTORS + v], root[v], least)
                    sum_ = sum_ + root[v] * e[d * VECTORS + v]
                p.lane_first[d] = p.lane_first[d] + sum_
            active += 1
            continue
        for d in range(n):
            m = splat(mean[d])
            sum_ = splat(0)
            for v in range(VECTORS):
                e[d * VECTORS + v] = root[v] * (x[d * VECTORS + v] - m)
                sum_ = sum_ + root[v] * e[d * VECTORS + v]
            p.lane_first[d] = p.lane_first[d] + sum_
        active += 1
    if active == 0:
        return
    count[0] += lanes(&total)
    for d in range(D):
        first[d] += lanes(&p.lane_first[d])
    # the last rows of a padded triangle fall outside the accumulators: use a spare one
    cdef double *target = second if n == D else p.spare
    if n != D:
        memset(target, 0, n * (n + 1) // 2 * sizeof(double))
    for t in range(n // FEATURES):
        a = t * FEATURES
        for b in range(a // MB):
            pair_tile(p.scaled, active, stride, a, b * MB, target)
        diagonal_tile(p.scaled, active, stride, a, target)
    if n != D:
        for d in range(D * (D + 1) // 2):
            second[d] += target[d]


cdef inline void square_roots(const real *w, real *root) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(TILE):
        root[j] = <real>sqrt(w[j]) if IS_DOUBLE else sqrtf(w[j])


cdef void diag_moments(const Panels *p, const Job *job, Py_ssize_t k, const real *mean,
                       double *count, double *first, double *second) noexcept nogil:
    """One component, S_k kept to its diagonal, or not at all."""
    cdef Py_ssize_t D = job.gaussians.n_features, stride = padded(D) * VECTORS
    cdef Py_ssize_t K = job.gaussians.n_components, t, d, v, active = 0
    cdef vec total = splat(0), m, diff, weighted
    cdef vec s[VECTORS]
    cdef vec q[VECTORS]
    cdef const vec *x
    cdef const vec *r
    cdef const vec *w
    for t in range(p.n_tiles):
        if not p.active[t * K + k]:
            continue
        r = p.resp + (t * K + k) * VECTORS
        w = p.weight + t * VECTORS
        for v in range(VECTORS):
            p.scaled[active * VECTORS + v] = r[v] * w[v]
            total = total + p.scaled[active * VECTORS + v]
        p.tile_index[active] = t
        active += 1
    if active == 0:
        return
    count[0] += lanes(&total)
    for d in range(D):
        m = splat(mean[d])
        for v in range(VECTORS):
            s[v] = splat(0)
            q[v] = splat(0)
        for t in range(active):
            x = p.x + p.tile_index[t] * stride + d * VECTORS
            for v in range(VECTORS):
                diff = x[v] - m
                weighted = p.scaled[t * VECTORS + v] * diff
                s[v] = s[v] + weighted
                if job.second_moments:
                    q[v] = q[v] + weighted * diff
        total = s[0]
        for v in range(1, VECTORS):
            total = total + s[v]
        first[d] += lanes(&total)
        if job.second_moments:
            total = q[0]
            for v in range(1, VECTORS):
                total = total + q[v]
            second[d] += lanes(&total)


cdef void moments(const Panels *p, const Job *job, double *accumulators) noexcept nogil:
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, n = padded(D), k, size
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef double *count = accumulators
    cdef double *first = count + K
    cdef double *second = first + K * D
    cdef const vec *r
    size = D * (D + 1) // 2 if g.covariance_type == FULL else D
    for k in range(K):
        r = p.resp + k * VECTORS
        if g.covariance_type == TIED and job.second_moments:
            full_moments(p, job, k, mean, count + k, first + k * D, second)
        elif p.mask != NULL and g.covariance_type != FULL:
            masked_moments(p, job, k, mean, count + k, first + k * D, second + k * D)
        elif g.covariance_type != FULL:
            diag_moments(p, job, k, mean, count + k, first + k * D, second + k * size)
        elif p.best != NULL or p.mask != NULL:
            full_moments(p, job, k, mean, count + k, first + k * D, second + k * size)
        elif D == 1:
            small_moments(p.x, r, K * VECTORS, p.weight, p.n_tiles, n * VECTORS, mean, 1,
                          count + k, first + k * D, second + k * size)
        elif D == 2:
            small_moments(p.x, r, K * VECTORS, p.weight, p.n_tiles, n * VECTORS, mean, 2,
                          count + k, first + k * D, second + k * size)
        elif D == 3:
            small_moments(p.x, r, K * VECTORS, p.weight, p.n_tiles, n * VECTORS, mean, 3,
                          count + k, first + k * D, second + k * size)
        elif D == 4:
            small_moments(p.x, r, K * VECTORS, p.weight, p.n_tiles, n * VECTORS, mean, 4,
                          count + k, first + k * D, second + k * size)
        else:
            full_moments(p, job, k, mean, count + k, first + k * D, second + k * size)
        mean += component_stride(g)
