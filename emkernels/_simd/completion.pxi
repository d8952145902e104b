# What becomes of rows with missing values once their densities are known: statistics,
# conditional moments and draws, and rows so far out that their forms overflow.


cdef void incomplete_e_step(const Panels *p, const Job *job, Py_ssize_t first,
                            double *log_likelihood, double *pairs, double *second) noexcept nogil:
    """The full type: e_step, pattern by pattern; the conditional covariances are added into
    the second moments, unless that is NULL."""
    cdef const Gaussians *g = &job.gaussians
    cdef Band band
    cdef Py_ssize_t K = g.n_components, t = 0, end, s, k, hint = 0
    cdef bint skip = job.skip and job.rows.known == NULL
    cdef vec *lp
    band.first, band.end = 0, bands_of(g.n_features)
    for s in range(p.n_tiles):
        noise_densities(job, first + s * TILE, TILE, p.best + s * VECTORS)
    while t < p.n_tiles:
        end = t + 1
        list_missing(p, job, t, first + t * TILE)
        if p.mixed[t]:
            mixed_densities(job, p, t, first + t * TILE, 0, K)
        else:
            while end < p.n_tiles and job.incomplete.kinds[first // TILE + end] == SAME:
                list_missing(p, job, end, first + end * TILE)
                end += 1
            pattern_densities(job, p, t, end, hint, skip, 0, K)
        for s in range(t, end):
            lp = p.resp + s * K * VECTORS
            if g.dfs != NULL:
                rescue_far(p, job, s, first + s * TILE, TILE, <real*>lp,
                           <real*>(p.best + s * VECTORS))
            if job.rows.known != NULL:
                keep_known(job, first + s * TILE, TILE, <real*>lp, <real*>(p.best + s * VECTORS))
            if job.log_prob_out != NULL:
                write_rows(job, job.log_prob_out, first + s * TILE, TILE, <const real*>lp, NULL)
                continue
            normalise(p, job, s, first + s * TILE, TILE, p.best + s * VECTORS, lp,
                      log_likelihood, pairs)
            if skip:
                hint = best_component(p, s, K)
            if job.incomplete.imputed_out != NULL:
                write_missing(p, job, s, first + s * TILE)
        if job.second_moments and second != NULL and p.n_missing[t] > 0:
            for k in range(K):
                add_conditional(p, job, t, end, k, &band, p.inverse, second)
        if g.dfs != NULL:
            for s in range(t, end):
                pull_rows(p, job, s, first + s * TILE, TILE)
        t = end


cdef void add_conditional(const Panels *p, const Job *job, Py_ssize_t begin, Py_ssize_t end,
                          Py_ssize_t k, const Band *band, const double *inverses,
                          double *second) noexcept nogil:
    """second_k, a band of it, += sum of responsibilities times L_mm^-1, of the tiles of one
    pattern or of one mixed tile, whose matrices are given for all components."""
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features
    cdef Py_ssize_t m = p.n_missing[begin], t, i, j, v, lane, size = row_of(m), at
    cdef Py_ssize_t first = band.first * LEFT, last = band.end * LEFT
    cdef const int *lists = p.missing + begin * p.missing_stride
    cdef const int *lengths = p.lane_missing + begin * TILE
    cdef const double *inverse
    cdef double weight
    cdef vec total
    cdef vec product[VECTORS]
    cdef const real *values = <const real*>product
    second += k * row_of(D)
    if p.mixed[begin]:
        if not p.active[begin * K + k]:
            return
        for v in range(VECTORS):
            product[v] = p.resp[(begin * K + k) * VECTORS + v] * p.weight[begin * VECTORS + v]
        for lane in range(TILE):
            if not values[lane] > 0:
                continue
            inverse = inverses + (lane * K + k) * size
            for i in range(lengths[lane]):
                at = lists[i * TILE + lane]
                if not first <= at < last:
                    continue
                at = row_of(at)
                for j in range(i + 1):
                    second[at + lists[j * TILE + lane]] += (
                        values[lane] * inverse[row_of(i) + j])
        return
    weight = 0
    for t in range(begin, end):
        if p.active[t * K + k]:
            total = splat(0)
            for v in range(VECTORS):
                total = total + p.resp[(t * K + k) * VECTORS + v] * p.weight[t * VECTORS + v]
            weight += lanes(&total)
    if weight > 0:
        inverse = inverses + k * size
        for i in range(m):
            if first <= lists[i] < last:
                at = row_of(lists[i])
                for j in range(i + 1):
                    second[at + lists[j]] += weight * inverse[row_of(i) + j]


cdef void write_missing(const Panels *p, const Job *job, Py_ssize_t t,
                        Py_ssize_t start) noexcept nogil:
    """Missing values of one tile's rows: their conditional mean, with, where wanted, their
    conditional covariance; or draws from their conditional distribution."""
    cdef const Gaussians *g = &job.gaussians
    cdef const Incomplete *inc = job.incomplete
    cdef Py_ssize_t K = g.n_components, D = g.n_features, m, k, i, j, lane, row, chosen
    cdef Py_ssize_t step, stride = component_stride(g), most = p.n_missing[t]
    cdef bint mixed = p.mixed[t]
    cdef const int *list_
    cdef const real *mean = <const real*>g.packed + HEADER
    cdef const real *fill = <const real*>(p.fill + p.fill_at[t])
    cdef const real *resp = <const real*>(p.resp + t * K * VECTORS)
    cdef const real *factor = <const real*>(p.weight + t * VECTORS)
    cdef const double *inverse
    cdef double *centre = p.deviation
    cdef double *a = p.small
    cdef double *block
    cdef real *out
    cdef double r, value
    for lane in range(TILE):
        row = row_at(&job.rows, start + lane)
        m = p.lane_missing[t * TILE + lane]
        if row < 0 or m == 0:
            continue
        list_ = p.missing + t * p.missing_stride + (lane if mixed else 0)
        step = TILE if mixed else 1
        out = <real*>inc.imputed_out + row * D
        if inc.normals != NULL:
            chosen = 0
            value = inc.uniforms[row] if inc.uniforms != NULL else 0
            for k in range(K):
                # by rounding, the sum of all may not exceed the uniform: the last one then
                r = resp[k * TILE + lane] * factor[lane] if p.active[t * K + k] else 0
                if not r > 0:
                    continue
                chosen = k
                value -= r
                if value < 0:
                    break
            inverse = p.inverse + ((lane * K + chosen if mixed else chosen) * row_of(most))
            for i in range(row_of(m)):
                a[i] = inverse[i]
            cholesky(a, m)
            for i in range(m):
                value = (<double>mean[chosen * stride + list_[i * step]]
                         + fill[(chosen * most + i) * TILE + lane])
                value += dot(a + row_of(i), inc.normals + inc.cell_offsets[row], i + 1)
                out[list_[i * step]] = <real>value
            continue
        memset(centre, 0, m * sizeof(double))
        for k in range(K):
            # the fill of a component that has nothing of a far row may have overflowed
            r = resp[k * TILE + lane] * factor[lane] if p.active[t * K + k] else 0
            if r > 0:
                for i in range(m):
                    centre[i] += r * (<double>mean[k * stride + list_[i * step]]
                                      + fill[(k * most + i) * TILE + lane])
        for i in range(m):
            out[list_[i * step]] = <real>centre[i]
        if inc.covariances_out == NULL:
            continue
        block = inc.covariances_out + inc.block_offsets[row]
        memset(block, 0, m * m * sizeof(double))
        for k in range(K):
            r = resp[k * TILE + lane] * factor[lane] if p.active[t * K + k] else 0
            if not r > 0:
                continue
            inverse = p.inverse + (lane * K + k if mixed else k) * row_of(most)
            for i in range(m):
                a[i] = (<double>mean[k * stride + list_[i * step]]
                        + fill[(k * most + i) * TILE + lane] - centre[i])
            for i in range(m):
                for j in range(i + 1):
                    block[i * m + j] += r * (inverse[row_of(i) + j] + a[i] * a[j])
        for i in range(m):
            for j in range(i):
                block[j * m + i] = block[i * m + j]


cdef void masked_moments(const Panels *p, const Job *job, Py_ssize_t k, const real *mean,
                         double *count, double *first, double *second) noexcept nogil:
    """One component of the types without correlations: the same sums, and the variance for
    each missing value; or the weights of observed values instead of second moments."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t D = g.n_features, n = padded(D), K = g.n_components, t, d, v
    cdef const vec *x
    cdef const vec *mask
    cdef vec weight, diff, s, q, missing
    cdef double scale
    cdef bint counting = job.incomplete.count_observed
    s = splat(0)
    for t in range(p.n_tiles):
        for v in range(VECTORS):
            weight = p.resp[(t * K + k) * VECTORS + v] * p.weight[t * VECTORS + v]
            p.scaled[t * VECTORS + v] = weight
            s = s + weight
    count[0] += lanes(&s)
    for d in range(D):
        s = splat(0)
        q = splat(0)
        missing = splat(0)
        for t in range(p.n_tiles):
            x = p.x + (t * n + d) * VECTORS
            mask = p.mask + (t * n + d) * VECTORS
            for v in range(VECTORS):
                weight = p.scaled[t * VECTORS + v]
                diff = x[v] - splat(mean[d]) * mask[v]
                s = s + weight * diff
                if counting:
                    q = q + weight * mask[v]
                else:
                    q = q + weight * diff * diff
                    if p.pull != NULL:      # what is missing does not pull
                        weight = (p.bend[t * p.pull_stride + k * VECTORS + v]
                                  * p.weight[t * VECTORS + v])
                    missing = missing + weight * (splat(1) - mask[v])
        first[d] += lanes(&s)
        second[d] += lanes(&q)
        if not counting:
            scale = g.precisions_cholesky[k * D + d if g.covariance_type == DIAG else k]
            second[d] += lanes(&missing) / (scale * scale)


cdef void fill_far(const Job *job, const Panels *p, Py_ssize_t k, Py_ssize_t m,
                   double *diff) noexcept nogil:
    """Missing deviations of one row, 0 so far, behind pattern_factor, from what that leaves."""
    cdef const Incomplete *inc = job.incomplete
    cdef Py_ssize_t D = job.gaussians.n_features, W = wide(D), o = D - m, i, j
    cdef const double *t = p.small + p.small_stride
    cdef const double *y = p.small + 2 * p.small_stride
    cdef double *product = p.small
    cdef double z
    if o == 0:
        return
    if o < m and inc.covariances != NULL:
        for i in range(o):
            product[i] = 0
            for j in range(i + 1):
                product[i] += t[row_of(i) + j] * diff[p.observed[j]]
        for i in range(m):
            z = 0
            for j in range(o):
                z += y[j * m + i] * product[j]
            diff[p.far_missing[i]] = z
        return
    for i in range(m):
        product[i] = dot(inc.precisions + (k * D + p.far_missing[i]) * W, diff, W)
    for i in range(m):
        z = 0
        for j in range(m):
            z -= p.far_inverse[row_of(max(i, j)) + min(i, j)] * product[j]
        diff[p.far_missing[i]] = z


cdef void far_incomplete(const Job *job, const Panels *p, Py_ssize_t row, Py_ssize_t k,
                         Far *far) noexcept nogil:
    """far_complete of a row with missing values."""
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t D = g.n_features, d, i, r, m = 0
    cdef const char *x = job.rows.x + row * job.rows.row_stride
    cdef const double *mean = g.means + k * D
    cdef const double *factor = g.precisions_cholesky
    cdef double *diff = p.deviation
    cdef Panels alone
    cdef double scale = 0, q = 0, z, constant = 0
    cdef real value
    for d in range(D):
        value = read(x + d * job.rows.column_stride)
        if value != value:
            p.far_missing[m] = <int>d
            m += 1
            diff[d] = 0
        else:
            diff[d] = 0.5 * value - 0.5 * mean[d]
            scale = max(scale, fabs(diff[d]))
    far.constant = -INFINITY
    far.scale = scale
    far.root = 0
    far.n_observed = D - m
    if g.covariance_type == FULL and m > max(job.incomplete.most_missing,
                                             job.incomplete.most_mixed):
        return              # the schedule is of other rows
    memset(diff + D, 0, (wide(D) - D) * sizeof(double))
    for d in range(D):
        diff[d] = diff[d] / scale if scale > 0 else 0
    if g.covariance_type == FULL:
        factor += k * D * D
        note_observed(p, p.far_missing, m, D)
        alone = p[0]
        alone.regression = NULL
        constant = pattern_factor(job, k, p.far_missing, m, &alone, p.far_inverse)
        fill_far(job, p, k, m, diff)
        for r in range(D):
            z = 0
            for d in range(r + 1):
                z += diff[d] * factor[d * D + r]
            q += z * z
    else:
        constant = g.log_weights[k] if g.log_weights != NULL else 0
        i = 0
        for d in range(D):
            if i < m and p.far_missing[i] == d:
                i += 1
                continue
            z = diff[d] * (factor[k * D + d] if g.covariance_type == DIAG else factor[k])
            q += z * z
            constant += job.incomplete.log_scales[k * D + d]
    far.constant = constant
    far.root = sqrt(q)
