# Rows so far from every component that their quadratic forms overflow.

cdef inline void out_of_reach(real *lp, const double *far) noexcept nogil:
    """Log densities of a component that was not computed for the tile, but for rescued rows."""
    cdef Py_ssize_t j
    for j in range(TILE):
        if far[j] != far[j]:
            lp[j] = -INFINITY


ctypedef struct Far:
    double constant         # of the log density of a normal component
    double scale            # |P (x - mean)| = 2 scale root, where the product may overflow
    double root
    Py_ssize_t n_observed


cdef double far_log_density(const Far *far, double *distance) noexcept nogil:
    """Log density in float64; and 1e-154 |P (x - mean)|, which does not overflow."""
    cdef double z = far.scale * (2 * far.root)
    distance[0] = 1e-154 * far.scale * far.root if far.constant > -INFINITY else INFINITY
    return far.constant - 0.5 * z * z


cdef void far_form(const Job *job, const Panels *p, Py_ssize_t row, Py_ssize_t k,
                   Far *far) noexcept nogil:
    if job.incomplete != NULL:
        far_incomplete(job, p, row, k, far)
    else:
        far_complete(job, row, k, far)


cdef void far_complete(const Job *job, Py_ssize_t row, Py_ssize_t k, Far *far) noexcept nogil:
    """The form of one row in float64, scaled against overflow."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t D = g.n_features, d, r
    cdef const char *x = job.rows.x + row * job.rows.row_stride
    cdef const double *mean = g.means + k * D
    cdef const double *factor = g.precisions_cholesky
    cdef double scale = 0, q = 0, z, half
    for d in range(D):
        # halves: the difference itself may overflow
        scale = max(scale, fabs(0.5 * <double>read(x + d * job.rows.column_stride) - 0.5 * mean[d]))
    if g.covariance_type == FULL:
        factor += k * D * D
    for r in range(D if scale > 0 else 0):
        if g.covariance_type == FULL or g.covariance_type == TIED:
            z = 0
            for d in range(r + 1):
                half = 0.5 * <double>read(x + d * job.rows.column_stride) - 0.5 * mean[d]
                z += half / scale * factor[d * D + r]
        else:
            z = (0.5 * <double>read(x + r * job.rows.column_stride) - 0.5 * mean[r]) / scale
            z *= factor[k * D + r] if g.covariance_type == DIAG else factor[k]
        q += z * z
    far.constant = (<const real*>g.packed)[k * component_stride(g) + NORMAL]
    far.scale = scale
    far.root = sqrt(q)
    far.n_observed = D


cdef void rescue_tile(const Panels *p, const Job *job, Py_ssize_t start, Py_ssize_t size,
                      real *lp, real *best, double *far) noexcept nogil:
    """Rows so far out that every quadratic form overflowed: recomputed in float64 and
    given wholly to the component of largest log density, by distance where even float64
    has only -inf. far (TILE) gets their log densities, NaN for the other rows."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, j, k, row, nearest
    cdef int known
    cdef double value, top, distance, least
    cdef Far form
    for j in range(TILE):
        far[j] = NAN
        if best[j] > -INFINITY:
            continue
        row = row_at(&job.rows, start + (j if j < size else 0))
        if row < 0:
            row = row_at(&job.rows, start)
        if job.log_prob_given:
            # no density is left to choose by: the weights alone decide
            for k in range(K):
                lp[k * TILE + j] = <real>g.log_weights[k] if g.log_weights != NULL else 0
                best[j] = lp[k * TILE + j] if lp[k * TILE + j] > best[j] else best[j]
            far[j] = -INFINITY
            continue
        known = job.rows.known[row] if job.rows.known != NULL else -1
        nearest = max(known, 0)
        top = -INFINITY
        least = INFINITY
        for k in range(K):
            if known >= 0 and k != known:
                continue
            far_form(job, p, row, k, &form)
            value = far_log_density(&form, &distance)
            if value > top or (not (top > -INFINITY) and distance < least):
                top = value
                least = distance
                nearest = k
        for k in range(K):
            lp[k * TILE + j] = -INFINITY
        lp[nearest * TILE + j] = 0
        best[j] = 0
        far[j] = top
