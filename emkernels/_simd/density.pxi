# Quadratic forms |P (x - mu)|^2 of one tile of rows for one component, and the packed
# parameters they read.
#
# P is the lower triangular factor with P' P = inverse covariance (the transpose of
# scikit-learn's precisions_cholesky). It is packed in groups of FEATURES output rows,
# column by column, so that one register tile reads it in order. The mean is subtracted
# before the product: P x - P mu would cancel on shifted data.
#
# Skipping is exact to rounding: |z|^2 only grows from group to group, so once
# c - |z|^2 / 2 is REACH below the best value already found for every row of the tile,
# the responsibilities are below exp(-REACH) = 3e-20 and nothing further is computed.

cdef enum:
    # reals before a component's mean: its constant, that of a normal one at NORMAL, what a
    # Student t component needs at the places of student.pxi, then padding
    HEADER = 16
    NORMAL = 1
    REACH = 45
    CACHE_LINE = 64     # bytes


cdef inline Py_ssize_t triangle(Py_ssize_t n_padded) noexcept nogil:
    """Packed length of a lower triangular factor."""
    cdef Py_ssize_t groups = n_padded // FEATURES
    return FEATURES * FEATURES * groups * (groups + 1) // 2


cdef inline Py_ssize_t component_stride(const Gaussians *g) noexcept nogil:
    cdef Py_ssize_t n = padded(g.n_features)
    if g.covariance_type == FULL:
        return HEADER + n + triangle(n)
    # mean and scale; and offsets from the centre that components share
    return HEADER + (2 if g.covariance_type == TIED or g.only_means else 3) * n


cdef Py_ssize_t packed_bytes(const Gaussians *g) noexcept nogil:
    cdef Py_ssize_t n = padded(g.n_features)
    cdef Py_ssize_t shared = 0 if g.covariance_type == FULL or g.only_means else n
    if g.covariance_type == TIED:
        shared += triangle(n)
    return (g.n_components * component_stride(g) + shared) * sizeof(real)


cdef double pack_triangle(const double *upper, Py_ssize_t n_features, real *out) noexcept nogil:
    """Pack P = upper' and return the sum of the logs of its diagonal."""
    cdef Py_ssize_t group, d, r, row
    cdef double log_det = 0
    for group in range(padded(n_features) // FEATURES):
        for d in range((group + 1) * FEATURES):
            for r in range(FEATURES):
                row = group * FEATURES + r
                out[0] = upper[d * n_features + row] if row < n_features and d <= row else 0
                out += 1
    for d in range(n_features):
        log_det += log(upper[d * n_features + d])
    return log_det


cdef void prepare(Gaussians *g, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """Fill g.packed: for each component the constant log weight + log normaliser, the
    mean and the factor, in the precision of the data; components first .. end - 1, with the first
    what they share. Full covariances without factors are for moments alone."""
    cdef Py_ssize_t D = g.n_features, n = padded(D), stride = component_stride(g)
    cdef Py_ssize_t k, d, r
    cdef real *out = <real*>g.packed + first * stride
    cdef real *shared = <real*>g.packed + g.n_components * stride
    cdef real *factor
    cdef double log_det = 0, offset, value
    cdef bint alone = g.covariance_type == FULL and g.precisions_cholesky == NULL
    if not alone:
        memset(out, 0, (end - first) * stride * sizeof(real))
    if first == 0:
        memset(shared, 0, packed_bytes(g) - g.n_components * stride * <Py_ssize_t>sizeof(real))
    if first == 0 and g.covariance_type != FULL and not g.only_means:
        set_centre(g, shared)
    if g.covariance_type == TIED:
        log_det = pack_triangle(g.precisions_cholesky, D, shared + n)
    for k in range(first, end):
        factor = out + HEADER + n
        if alone:
            memset(out, 0, (HEADER + n) * sizeof(real))
        for d in range(D):
            out[HEADER + d] = <real>g.means[k * D + d]
        if alone:
            log_det = 0
        elif g.covariance_type == FULL:
            log_det = pack_triangle(g.precisions_cholesky + k * D * D, D, factor)
        elif g.covariance_type == TIED:
            # the whitened mean P (mu - centre): the component is spherical there
            for r in range(D):
                value = 0
                for d in range(r + 1):
                    offset = <double>out[HEADER + d] - <double>shared[d]
                    value += g.precisions_cholesky[d * D + r] * offset
                factor[r] = <real>value
        else:
            log_det = 0
            for d in range(D):
                value = g.precisions_cholesky[k * D + d if g.covariance_type == DIAG else k]
                log_det += log(value)
                factor[d] = <real>value
            if not g.only_means:
                set_offsets(g, shared, out)
        value = log_det - 0.5 * D * log(2 * M_PI)
        if g.log_weights != NULL:
            value += g.log_weights[k]
        out[0] = <real>value
        out[NORMAL] = out[0]
        if g.dfs != NULL:
            student_header(g, k, value, out)
        out += stride


cdef inline bint in_reach(real constant, const vec *q, const vec *best) noexcept nogil:
    """Whether any row of the tile may still give the component 1e-19 of its mass; a row whose
    form has overflowed to NaN may."""
    cdef vec hits = splat(0), far
    cdef real lane[LANES]
    cdef real total = 0
    cdef Py_ssize_t v
    for v in range(VECTORS):
        far = best[v] - (splat(constant + REACH) - splat(0.5) * q[v])
        hits = hits + (splat(1) - keep_if_ge(splat(1), far, splat(0)))
    memcpy(lane, &hits, sizeof(vec))
    for v in range(LANES):
        total += lane[v]
    return total > 0


cdef inline bint within(const vec *q, const vec *limit) noexcept nogil:
    """Whether any row of the tile has a form below its limit, or one that overflowed to NaN."""
    cdef vec hits = splat(0)
    cdef Py_ssize_t v
    for v in range(VECTORS):
        hits = hits + (splat(1) - keep_if_ge(splat(1), q[v], limit[v]))
    return lanes(&hits) > 0


cdef inline bint quadratic_full(const real *mean, const real *factor, const vec *x, vec *diff,
                                Py_ssize_t groups, vec *q, bint skip, real constant,
                                const vec *best, const vec *limit) noexcept nogil:
    """q (TILE) = |P (x - mean)|^2; False when cut short because out of reach: by far of the best
    log densities or, unless NULL, all above a limit."""
    cdef vec m
    cdef Py_ssize_t g, d, v, first
    for v in range(VECTORS):
        q[v] = splat(0)
    for g in range(groups):
        first = g * FEATURES
        for d in range(first, first + FEATURES):
            m = splat(mean[d])
            for v in range(VECTORS):
                diff[d * VECTORS + v] = x[d * VECTORS + v] - m
        add_rows(factor, diff, first, q)
        factor += FEATURES * (first + FEATURES)
        # after 4, 8, 16, 32 ... rows of P: often enough, at a negligible cost
        if skip and (g & (g + 1)) == 0 and g + 1 < groups:
            if not (in_reach(constant, q, best) if limit == NULL else within(q, limit)):
                return False
    return True


cdef inline void quadratic_small(const real *mean, const real *factor, const vec *x,
                                 Py_ssize_t n_features, vec *q) noexcept nogil:
    """The same for n_features <= FEATURES; called with a literal so that it unrolls."""
    cdef vec diff[FEATURES]
    cdef vec z, total
    cdef Py_ssize_t d, r, v
    for v in range(VECTORS):
        total = splat(0)
        for d in range(n_features):
            diff[d] = x[d * VECTORS + v] - splat(mean[d])
        for r in range(n_features):
            z = splat(factor[r]) * diff[0]
            for d in range(1, r + 1):
                z = z + splat(factor[d * FEATURES + r]) * diff[d]
            total = total + z * z
        q[v] = total


cdef void axis_forms(const real *mean, const real *scale, Py_ssize_t stride, const vec *x,
                     Py_ssize_t n_features, Py_ssize_t n_components, const char *ahead,
                     vec *q) noexcept nogil:
    """Quadratic forms q (n_components, TILE) along the axes. `ahead`: what is read next, or
    NULL; it is fetched meanwhile."""
    cdef Py_ssize_t k = 0
    while k + 4 <= n_components:
        if ahead != NULL and k < 8:
            axis_group(mean, NULL, stride, x, n_features, 4, ahead, q)
            ahead += 2 * n_features * CACHE_LINE
        elif scale == NULL:
            axis_group(mean, NULL, stride, x, n_features, 4, NULL, q)
        else:
            axis_group(mean, scale, stride, x, n_features, 4, NULL, q)
            scale += 4 * stride
        mean += 4 * stride
        q += 4 * VECTORS
        k += 4
    if k >= 8:
        ahead = NULL
    if k + 3 == n_components:
        axis_group(mean, scale, stride, x, n_features, 3, ahead, q)
    elif k + 2 == n_components:
        axis_group(mean, scale, stride, x, n_features, 2, ahead, q)
    elif k + 1 == n_components:
        axis_group(mean, scale, stride, x, n_features, 1, ahead, q)


cdef void whiten(const real *shared, const vec *x, vec *diff, Py_ssize_t n_padded,
                 vec *y) noexcept nogil:
    """y = P (x - centre) for one tile: the tied case becomes the spherical one."""
    cdef Py_ssize_t d, first, v
    cdef const real *factor = shared + n_padded
    for d in range(n_padded):
        for v in range(VECTORS):
            diff[d * VECTORS + v] = x[d * VECTORS + v] - splat(shared[d])
    for d in range(n_padded // FEATURES):
        first = d * FEATURES
        put_rows(factor, diff, first, y + first * VECTORS)
        factor += FEATURES * (first + FEATURES)
