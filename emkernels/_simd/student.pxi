# Student t components. With q the quadratic form of the o observed values of a row and nu the
# degrees of freedom, the log density is that of a normal component at q = 0, plus the excess
#   log Gamma((nu + o) / 2) - log Gamma(nu / 2) - o / 2 log(nu / 2),
# less (nu + o) / 2 log(1 + q / nu); and u = (nu + o) / (nu + q) is what the row pulls with. The
# moments are weighted by responsibility and u (the conditional covariance of missing values by
# responsibility alone: u is divided out of it), and an M-step needs besides the sums of
# responsibilities, by o, and of responsibilities times log u - (u - 1), a bend that vanishes as
# the square of u - 1.
#
# A power law does not underflow as exp(-q / 2) does, and two components may both matter to a row
# however far out it is. So where a form has overflowed, all components of the row are computed
# again in float64, from the logarithm of the form.
#
# K. L. Lange, R. J. A. Little, J. M. G. Taylor, JASA 84, 1989.

cdef enum:
    # places in the header of a component
    DF = 2
    INVERSE = 3
    TOP = 4         # nu + D
    HALF = 5        # (nu + D) / 2
    LOG = 6         # log(1 + D / nu)
    VERGE = 7       # of 1 + q / nu: beyond it the form or its share of nu counts as overflowed


cdef inline double huge() noexcept nogil:
    """From here a form counts as overflowed."""
    return 1e300 if IS_DOUBLE else 1e36


cdef inline vec vlog1p(vec x) noexcept nogil:
    """log(1 + x) for x >= 0, relative precision also where x is small: with c near 1 / (1 + x) and
    r = (1 + x) c - 1, it is log(1 + r) - log c. c is 1 where x is below 1/32."""
    cdef vec c, rest, n, r, p
    n = near_inverse(splat(1) + x, &c, &rest)
    r = x * c + (c - splat(1))
    if IS_DOUBLE:
        p = splat(0.11080865852548172)
        p = p * r + splat(-0.12518995507687528)
        p = p * r + splat(0.14285771953578866)
        p = p * r + splat(-0.16666655382632584)
        p = p * r + splat(0.1999999997496489)
        p = p * r + splat(-0.25000000002147754)
        p = p * r + splat(0.3333333333333585)
        p = p * r + splat(-0.49999999999999933)
        rest = rest + n * splat(0.6931471805599453)
    else:
        p = splat(0.19973952097725345)
        p = p * r + splat(-0.2501587033157462)
        p = p * r + splat(0.3333335062649765)
        p = p * r + splat(-0.4999999810920195)
        rest = rest + n * splat(0.6931471824645996)
    return rest + (r + r * r * p)


cdef void student_header(const Gaussians *g, Py_ssize_t k, double constant,
                         real *out) noexcept nogil:
    cdef Py_ssize_t D = g.n_features
    cdef double nu = g.dfs[k], log_ratio = log1p(D / nu)
    out[0] = <real>(constant + g.excess[k * (D + 1) + D])
    out[DF] = <real>nu
    out[INVERSE] = <real>(1 / nu)
    out[TOP] = <real>(nu + D)
    out[HALF] = <real>(0.5 * (nu + D))
    out[LOG] = <real>log_ratio
    out[VERGE] = <real>(huge() * min(1.0, 1 / nu))


cdef void open_student(Panels *p, const Gaussians *g, double *accumulators) noexcept nogil:
    cdef Py_ssize_t K = g.n_components, D = g.n_features, t
    p.sizes = accumulators + K + K * D + second_size(g) + 2
    p.bends = p.sizes + K * (D + 1)
    for t in range(p.n_tiles):
        p.far[t] = splat(0)
    for t in range(2 * K):
        p.tally[t] = splat(0)


cdef void close_student(Panels *p, const Gaussians *g) noexcept nogil:
    """The sums that were made lane by lane over the block go into the accumulators."""
    cdef Py_ssize_t K = g.n_components, D = g.n_features, k
    cdef const real *header = <const real*>g.packed
    cdef double size
    for k in range(K):
        size = lanes(&p.tally[2 * k])
        p.sizes[k * (D + 1) + D] += size
        # with what rounding took of the logarithm
        p.bends[k] += lanes(&p.tally[2 * k + 1]) + size * (log1p(D / g.dfs[k]) - header[LOG])
        header += component_stride(g)


cdef void power_law(const Panels *p, const Gaussians *g, Py_ssize_t t, Py_ssize_t first,
                    Py_ssize_t end, vec *lp, vec *best) noexcept nogil:
    """lp (K, TILE): of the components first .. end - 1 the forms of complete rows become log
    densities, -inf where a form overflowed; and the best log densities are brought up to date."""
    cdef const real *header
    cdef vec *pull
    cdef vec *bend
    cdef vec nu, inverse, top, half, log_ratio, verge, constant, x, form, power, scale, value
    cdef vec n_observed = splat(<real>g.n_features), far = p.far[t]
    cdef Py_ssize_t k, v, stride = component_stride(g)
    for k in range(first, end):
        header = <const real*>g.packed + k * stride
        pull = p.pull + t * p.pull_stride + k * VECTORS
        bend = p.bend + t * p.pull_stride + k * VECTORS
        constant, nu, inverse = splat(header[0]), splat(header[DF]), splat(header[INVERSE])
        top, half = splat(header[TOP]), splat(header[HALF])
        log_ratio, verge = splat(header[LOG]), splat(header[VERGE])
        for v in range(VECTORS):
            form = lp[k * VECTORS + v]
            x = form * inverse
            power = vlog1p(x)
            scale = splat(1) / (nu + form)
            pull[v] = top * scale
            bend[v] = (log_ratio - power) - (n_observed - form) * scale
            value = where_less(x, verge, constant - half * power, splat(-INFINITY))
            lp[k * VECTORS + v] = value
            best[v] = vmax(value, best[v])
            far = far + (form + x)
    p.far[t] = far


cdef void observed_counts(const Panels *p, const Job *job, Py_ssize_t t, real *out) noexcept nogil:
    """out (TILE) = how many values of each row are observed."""
    cdef Py_ssize_t D = job.gaussians.n_features, n = padded(D), j, d
    cdef const real *mask
    if job.incomplete == NULL:
        for j in range(TILE):
            out[j] = <real>D
    elif p.mask == NULL:
        for j in range(TILE):
            out[j] = <real>(D - p.lane_missing[t * TILE + j])
    else:
        mask = <const real*>(p.mask + t * n * VECTORS)
        for j in range(TILE):
            out[j] = 0
        for d in range(D):
            for j in range(TILE):
                out[j] += mask[d * TILE + j]


cdef void observed_power_law(const Panels *p, const Job *job, Py_ssize_t t, Py_ssize_t k,
                             const vec *q, real constant, const vec *constants,
                             vec *lp) noexcept nogil:
    """power_law of rows with missing values; the constants are those of normal components, one
    for the tile where `constants` is NULL."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, j, v
    cdef const real *header = <const real*>g.packed + k * component_stride(g)
    cdef const double *excess = g.excess + k * (D + 1)
    cdef vec *pull = p.pull + t * p.pull_stride + k * VECTORS
    cdef vec *bend = p.bend + t * p.pull_stride + k * VECTORS
    cdef vec nu = splat(header[DF]), inverse = splat(header[INVERSE])
    cdef vec verge = splat(header[VERGE])
    cdef vec n_observed[VECTORS]
    cdef vec more[VECTORS]
    cdef vec x, form, power, scale, top, value, far = p.far[t]
    observed_counts(p, job, t, <real*>n_observed)
    for j in range(TILE):
        (<real*>more)[j] = <real>excess[<Py_ssize_t>(<real*>n_observed)[j]]
    for v in range(VECTORS):
        form = q[v]
        x = form * inverse
        power = vlog1p(x)
        scale = splat(1) / (nu + form)
        top = nu + n_observed[v]
        pull[v] = top * scale
        bend[v] = (vlog1p(n_observed[v] * inverse) - power) - (n_observed[v] - form) * scale
        value = (constants[v] if constants != NULL else splat(constant)) + more[v]
        value = value - splat(0.5) * top * power
        lp[v] = where_less(x, verge, value, splat(-INFINITY))
        far = far + (form + x)
    p.far[t] = far


cdef void student_limit(const real *header, real half, real constant, const vec *best,
                        vec *limit) noexcept nogil:
    """limit (TILE): with a form above it a component has less than exp(-REACH) of the best one,
    nu (exp((constant + REACH - best) / half) - 1); NaN, which nothing is above, where that
    overflows: there may be no best one yet, and forms that overflow matter."""
    cdef vec nu = splat(header[DF]), x, small, large
    cdef vec most = splat(<real>(700 if IS_DOUBLE else 80))
    cdef Py_ssize_t v
    for v in range(VECTORS):
        x = (splat(constant + REACH) - best[v]) / splat(half)
        small = x * (splat(1) + x * (splat(0.5) + x * splat(<real>(1.0 / 6))))
        large = vexp(vmin(x, most)) - splat(1)
        x = where_less(most, x, splat(<real>NAN),
                       nu * where_less(x, splat(<real>0.01), small, large))
        limit[v] = where_less(x, splat(<real>huge()), x, splat(<real>NAN))


cdef void rescue_far(const Panels *p, const Job *job, Py_ssize_t t, Py_ssize_t start,
                     Py_ssize_t size, real *lp, real *best) noexcept nogil:
    """Rows of a tile for which a form overflowed, or a component was left out: all of their
    components again, in float64."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, j, k, row
    cdef real *pull = <real*>(p.pull + t * p.pull_stride)
    cdef real *bend = <real*>(p.bend + t * p.pull_stride)
    cdef double nu, z, q, log_q, power, u, value
    cdef bint lost
    cdef Far form
    if lanes(&p.far[t]) < 0.1 * huge():
        return
    for k in range(K):
        if not p.active[t * K + k]:
            for j in range(TILE):
                lp[k * TILE + j] = -INFINITY
        p.active[t * K + k] = True
    for j in range(TILE):
        lost = False
        for k in range(K):
            lost |= not (lp[k * TILE + j] > -INFINITY)
        if not lost:
            continue
        row = row_at(&job.rows, start + (j if j < size else 0))
        if row < 0:
            row = row_at(&job.rows, start)
        best[j] = -INFINITY
        for k in range(K):
            far_form(job, p, row, k, &form)
            nu = g.dfs[k]
            if not (form.root < INFINITY and form.constant < INFINITY):
                # factors whose squares overflow: no number, and no density
                lp[k * TILE + j] = bend[k * TILE + j] = -INFINITY
                pull[k * TILE + j] = 0
                continue
            z = form.scale * (2 * form.root)
            q = z * z
            log_q = 2 * (log(form.scale) + log(2 * form.root)) if form.root > 0 else -INFINITY
            power = log1p(q / nu) if q / nu < 1e300 else log_q - log(nu)
            u = ((nu + form.n_observed) / (nu + q) if q < 1e300
                 else exp(log(nu + form.n_observed) - log_q))
            value = form.constant + g.excess[k * (D + 1) + form.n_observed]
            lp[k * TILE + j] = <real>(value - 0.5 * (nu + form.n_observed) * power)
            pull[k * TILE + j] = <real>u
            bend[k * TILE + j] = <real>(log1p(form.n_observed / nu) - power - (u - 1))
            if lp[k * TILE + j] > best[j]:
                best[j] = lp[k * TILE + j]


cdef void pull_rows(const Panels *p, const Job *job, Py_ssize_t t, Py_ssize_t start,
                    Py_ssize_t size) noexcept nogil:
    """After the responsibilities of a tile: what rows pull with is written out, or the sums of
    the M-step are made and the responsibilities multiplied by it."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = g.n_components, D = g.n_features, j, k, v
    cdef const vec *weight = p.weight + t * VECTORS
    cdef vec *resp
    cdef vec *pull
    cdef vec *bend
    cdef vec size_, bends
    cdef vec values[VECTORS]
    cdef real n_observed[TILE]
    cdef double *sizes
    if job.pull_out != NULL:
        for v in range(VECTORS):
            values[v] = splat(0)
            for k in range(K):
                if p.active[t * K + k]:
                    values[v] = values[v] + (p.resp[(t * K + k) * VECTORS + v]
                                             * p.pull[t * p.pull_stride + k * VECTORS + v])
            values[v] = values[v] * weight[v]
        write_values(job, job.pull_out, start, size, <const real*>values)
    if not job.first_moments:
        return
    if job.incomplete != NULL:
        observed_counts(p, job, t, n_observed)
    for k in range(K):
        if not p.active[t * K + k]:
            continue
        resp = p.resp + (t * K + k) * VECTORS
        pull = p.pull + t * p.pull_stride + k * VECTORS
        bend = p.bend + t * p.pull_stride + k * VECTORS
        size_ = splat(0)
        bends = p.tally[2 * k + 1]
        for v in range(VECTORS):
            values[v] = resp[v] * weight[v]
            size_ = size_ + values[v]
            bends = bends + values[v] * bend[v]
            if job.incomplete != NULL:
                bend[v] = resp[v]
            resp[v] = resp[v] * pull[v]
        p.tally[2 * k + 1] = bends
        if job.incomplete == NULL:
            p.tally[2 * k] = p.tally[2 * k] + size_
        else:
            sizes = p.sizes + k * (D + 1)
            for j in range(TILE):
                sizes[<Py_ssize_t>n_observed[j]] += (<real*>values)[j]
