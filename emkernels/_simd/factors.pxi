# A mixture of factor analysers, a block of rows at a time: densities by way of q x q matrices,
# posteriors, and the sums that an M-step needs, in units of the components' noise.
#
# With e = (x - mean) / deviation and loadings in these units, y = sum_j loading_j e_j and A'A the
# inverse of I + sum_j loading_j loading_j', the squared distance is |e|^2 - |A y|^2 and the mean
# of the factors is A'A y. The same sums over some of the columns are the distance of these alone,
# which the others can only add to: a row whose component is out of REACH by then (see density.pxi)
# is left out; so too by the distance along a few directions, the views, which is never longer.
# Each component begins with the columns in which others are farthest from it, a row with the
# component that it was in before. Rows are copied into a panel, which makes one stream of them and
# puts them at the start of a vector; which of them are together decides no bit.

cdef enum:
    LOOK = 4    # views after which it is looked at who is out of reach


cdef void whiten_list(const Job *job, const FactorPanels *p, Py_ssize_t k, int check,
                      Py_ssize_t n) noexcept nogil:
    """white = A y, form = |e|^2 - |A y|^2 of the first n of a list."""
    cdef Py_ssize_t q = job.factors.n_factors, i, j, b, B = p.rows
    cdef const double *A = job.factors.whiteners + (k * job.factors.n_checks + check) * q * q
    cdef vec total, w
    cdef vec *y = <vec*>p.y
    cdef vec *white = <vec*>p.white
    for b in range((n + LANES - 1) // LANES):
        total = y[b]
        for i in range(q):
            w = splat(0)
            for j in range(i + 1):
                w = w + splat(<real>A[i * q + j]) * y[((j + 1) * B) // LANES + b]
            white[(i * B) // LANES + b] = w
            total = total - w * w
        (<vec*>p.form)[b] = total


cdef Py_ssize_t keep_near(const Job *job, const FactorPanels *p, Py_ssize_t k,
                          Py_ssize_t n) noexcept nogil:
    """Leave those out of a list that are out of reach; how many stay, with their sums."""
    cdef Py_ssize_t q = job.factors.n_factors, i, s, kept = 0
    cdef real constant = <real>job.factors.constants[k]
    cdef real slack = <real>(1e-13 if IS_DOUBLE else 1e-5)
    cdef int b
    for s in range(n):
        b = p.list[s]
        # (not: a distance may have overflowed)
        if not (constant - 0.5 * (p.form[s] - slack * p.y[s]) + REACH < p.best[b]):
            p.list[kept] = b
            p.row[kept] = p.row[s]
            for i in range(q + 1):
                p.y[i * p.rows + kept] = p.y[i * p.rows + s]
            kept += 1
    return kept


cdef double exact_form(const Job *job, const FactorPanels *p, Py_ssize_t k, const real *x,
                       double *z, double *scale) noexcept nogil:
    """The squared distance of one row in float64, divided by scale^2, without cancellation:
    |e - loadings z|^2 + |z|^2, least at the means of the factors z, which are mended once."""
    cdef Py_ssize_t D = job.gaussians.n_features, q = job.factors.n_factors, i, j, d
    cdef const double *mean = job.gaussians.means + k * D
    cdef const double *unit = job.factors.deviations + k * D
    cdef const double *loadings = job.factors.loadings + k * q * D
    cdef const double *A = (job.factors.whiteners
                            + ((k + 1) * job.factors.n_checks - 1) * q * q)
    cdef double *e = p.exact
    cdef double *y = e + D
    cdef double *w = y + q
    cdef double total, largest = 0
    cdef int turn
    for d in range(D):
        # halves: the difference itself may overflow
        e[d] = (0.5 * <double>x[d] - 0.5 * <double>mean[d]) / unit[d]
        largest = max(largest, fabs(e[d]))
    scale[0] = 2 * largest
    if not 0 < largest < INFINITY:
        scale[0] = 1 if largest == 0 else INFINITY
        for i in range(q):
            z[i] = 0
        return 0 if largest == 0 else D
    for d in range(D):
        e[d] /= largest
    for i in range(q):
        z[i] = 0
    for turn in range(3):
        for i in range(q):
            y[i] = dot(loadings + i * D, e, D) - z[i]
        for i in range(q):
            w[i] = 0
            for j in range(i + 1):
                w[i] += A[i * q + j] * y[j]
        for j in range(q):
            total = 0
            for i in range(j, q):
                total += A[i * q + j] * w[i]
            y[j] = total
            z[j] += total
        # what is left, of the row without the new part of z
        for i in range(q):
            for d in range(D):
                e[d] -= loadings[i * D + d] * y[i]
    total = dot(e, e, D)
    for i in range(q):
        total += z[i] * z[i]
        z[i] *= scale[0]
    return total


cdef void evaluate(const Job *job, const FactorPanels *p, Py_ssize_t k, Py_ssize_t n,
                   bint skip) noexcept nogil:
    """Log densities of component k and means of its factors for the n rows of a list; with `skip`
    for those only that it may matter to."""
    cdef const Factors *f = job.factors
    cdef Py_ssize_t q = f.n_factors, B = p.rows, width = p.n_padded, n_chunks = width // CHUNK
    cdef Py_ssize_t i, j, s
    cdef const real *model = <const real*>job.gaussians.packed + k * (q + 2) * width
    cdef const int *chunks = f.chunks + k * n_chunks
    cdef const double *A = f.whiteners + ((k + 1) * f.n_checks - 1) * q * q
    cdef double constant = f.constants[k], scale, distance
    cdef double *z = p.exact + job.gaussians.n_features + 2 * q
    cdef int check = 0, start = 0, b
    cdef real value
    cdef vec total
    cdef vec *white = <vec*>p.white
    cdef vec *y = <vec*>p.y
    for i in range(q + 1):
        memset(p.y + i * B, 0, (n + LANES - 1) // LANES * sizeof(vec))
    for s in range(n):
        p.row[s] = p.x + p.list[s] * width
    for check in range(f.n_checks):
        if not skip and check + 1 < f.n_checks:
            continue
        project_rows(p.row, n, model, model + width, model + 2 * width, width, q, chunks + start,
                     f.ends[check] - start, p.y, B)
        start = f.ends[check]
        whiten_list(job, p, k, check, n)
        if check + 1 < f.n_checks:
            n = keep_near(job, p, k, n)
            if n == 0:
                return
    if not f.stiff[k]:
        for s in range((n + LANES - 1) // LANES):
            for j in range(q):
                total = splat(0)
                for i in range(j, q):
                    total = total + splat(<real>A[i * q + j]) * white[(i * B) // LANES + s]
                y[((j + 1) * B) // LANES + s] = total
    for s in range(n):
        b = p.list[s]
        if f.stiff[k]:
            distance = exact_form(job, p, k, p.x + b * width, z, &scale)
            p.form[s] = <real>(distance * scale * scale)
            for i in range(q):
                p.y[(i + 1) * B + s] = <real>z[i]
        value = <real>constant - 0.5 * (p.form[s] if p.form[s] > 0 or p.form[s] != p.form[s] else 0)
        if not value > -INFINITY:
            continue
        p.resp[k * B + b] = value
        for i in range(q):
            p.z[(k * q + i) * B + b] = p.y[(i + 1) * B + s]
        p.best[b] = value if value > p.best[b] else p.best[b]


cdef void view_forms(const Job *job, const FactorPanels *p, Py_ssize_t k) noexcept nogil:
    """form = squared distances of all rows from component k along the views; of rows that are
    together as far only as it takes to tell that all of them are out of reach."""
    cdef Py_ssize_t n = job.factors.n_views, B = p.rows // LANES, t, i, j, v
    cdef const double *mean = job.factors.view_means + k * n
    cdef const double *A = job.factors.view_whiteners + k * n * n
    cdef const vec *view = <const vec*>p.views
    cdef vec *form = <vec*>p.form
    cdef vec *gap = p.gap
    cdef vec w[VECTORS]
    cdef vec total[VECTORS]
    cdef vec m
    for t in range(B // VECTORS):
        for v in range(VECTORS):
            total[v] = splat(0)
        for i in range(n):
            m = splat(<real>mean[i])
            for v in range(VECTORS):
                gap[i * VECTORS + v] = view[i * B + t * VECTORS + v] - m
                w[v] = splat(0)
            for j in range(i + 1):
                m = splat(<real>A[i * n + j])
                for v in range(VECTORS):
                    w[v] = w[v] + m * gap[j * VECTORS + v]
            for v in range(VECTORS):
                total[v] = total[v] + w[v] * w[v]
            if i % LOOK == LOOK - 1:
                for v in range(VECTORS):
                    form[t * VECTORS + v] = total[v]
                if not any_near(job, p, k, t * TILE):
                    break
        for v in range(VECTORS):
            form[t * VECTORS + v] = total[v]


cdef bint any_near(const Job *job, const FactorPanels *p, Py_ssize_t k,
                   Py_ssize_t first) noexcept nogil:
    """Whether component k is in reach of a row of a tile, by the distances so far."""
    cdef Py_ssize_t b
    for b in range(first, first + TILE):
        if p.label[b] >= 0 and p.label[b] != k and in_view(job, p, k, b):
            return True
    return False


cdef bint in_view(const Job *job, const FactorPanels *p, Py_ssize_t k,
                  Py_ssize_t b) noexcept nogil:
    """Whether a component is in reach of a row by the distance along the views, which is at most
    so much too long by rounding. (not: a distance may have overflowed)"""
    cdef real half = <real>(0.499999 if IS_DOUBLE else 0.495)
    return not (<real>job.factors.constants[k] - half * p.form[b] + REACH < p.best[b])


cdef void rescue_row(const Job *job, const FactorPanels *p, int b, double *log_norm) noexcept nogil:
    """A row so far out that every distance overflowed: it goes wholly to the component of the
    largest log density in float64, to the nearest where that too is -inf."""
    cdef Py_ssize_t q = job.factors.n_factors, B = p.rows, k, i, nearest = 0
    cdef double *z = p.exact + job.gaussians.n_features + 2 * q
    cdef double scale, distance, value, root, top = -INFINITY, least = INFINITY
    for k in range(job.gaussians.n_components):
        if not job.factors.constants[k] > -INFINITY:
            continue
        distance = exact_form(job, p, k, p.x + b * p.n_padded, z, &scale)
        root = 1e-154 * scale * sqrt(distance)
        value = scale * sqrt(distance)
        value = job.factors.constants[k] - 0.5 * value * value
        if value > top or (not top > -INFINITY and root < least):
            top = value
            least = root
            nearest = k
    distance = exact_form(job, p, nearest, p.x + b * p.n_padded, z, &scale)
    for i in range(q):
        p.z[(nearest * q + i) * B + b] = <real>z[i]
    for k in range(job.gaussians.n_components):
        p.resp[k * B + b] = 1 if k == nearest else 0
    log_norm[0] = top


cdef void normalise_factors(const Job *job, const FactorPanels *p, Py_ssize_t first,
                            Py_ssize_t count, double *log_likelihood) noexcept nogil:
    """Responsibilities from log densities, and what is written of each row."""
    cdef Py_ssize_t K = job.gaussians.n_components, B = p.rows // LANES, b, k, at
    cdef vec *resp = <vec*>p.resp
    cdef vec *best = <vec*>p.best
    cdef vec *norm = <vec*>p.form
    cdef vec total
    cdef double far = 0
    cdef int label
    cdef real top
    for b in range(B):
        total = splat(0)
        for k in range(K):
            resp[k * B + b] = vexp(resp[k * B + b] - best[b])
            total = total + resp[k * B + b]
        norm[b] = best[b] + vlog(total)
        total = splat(1) / total
        for k in range(K):
            resp[k * B + b] = resp[k * B + b] * total
    for b in range(count):
        at = row_at(&job.rows, first + b)
        if p.label[b] == -2:        # rescued
            rescue_row(job, p, <int>b, &far)
            p.form[b] = <real>far
        if p.weight[b] != 0:
            log_likelihood[0] += p.weight[b] * (far if p.label[b] == -2 else <double>p.form[b])
        label = 0
        top = p.resp[b]
        for k in range(1, K):
            if p.resp[k * p.rows + b] > top:
                label = <int>k
                top = p.resp[k * p.rows + b]
        if job.labels_out != NULL:
            job.labels_out[at] = label
        if job.log_prob_norm_out != NULL:
            (<real*>job.log_prob_norm_out)[at] = p.form[b]
        if job.resp_out != NULL:
            for k in range(K):
                (<real*>job.resp_out)[at * K + k] = p.resp[k * p.rows + b]


cdef void add_factor_moments(const Job *job, const FactorPanels *p, Py_ssize_t count,
                             double *accumulators) noexcept nogil:
    """Sums over the rows that a component has 1e-19 of: counts (K,) | of z z' (K, q, q), lower
    triangles | of e^2, e and e z (K, q + 2, n_padded) | log-likelihood | pairs that mattered."""
    cdef Py_ssize_t K = job.gaussians.n_components, q = job.factors.n_factors, B = p.rows
    cdef Py_ssize_t width = p.n_padded, k, b, i, j, n
    cdef double *second = accumulators + K
    cdef double *sums = second + K * q * q
    cdef double *tail = sums + K * (q + 2) * width
    cdef const real *model
    cdef real *c
    cdef real w, tiny = <real>1e-19
    cdef double total
    for k in range(K):
        n = 0
        total = 0
        for b in range(count):
            if not p.resp[k * B + b] >= tiny:
                continue
            tail[1] += 1
            w = p.resp[k * B + b] * p.weight[b]
            if w == 0:
                continue
            total += w
            c = p.coefficients + n * (q + 1)
            c[0] = w
            for i in range(q):
                c[i + 1] = w * p.z[(k * q + i) * B + b]
                for j in range(i + 1):
                    second[(k * q + i) * q + j] += (
                        <double>c[i + 1] * p.z[(k * q + j) * B + b])
            p.row[n] = p.x + b * width
            n += 1
        if n == 0:
            continue
        accumulators[k] += total
        model = <const real*>job.gaussians.packed + k * (q + 2) * width
        gather_rows(p.row, n, p.coefficients, q + 1, model, model + width, width,
                    sums + k * (q + 2) * width)


cdef void factor_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                       double *accumulators) noexcept nogil:
    """Rows (positions) first .. first + count - 1: write the row outputs, add the sums."""
    cdef Py_ssize_t K = job.gaussians.n_components, q = job.factors.n_factors, k, b, n
    cdef bint look = job.skip and job.factors.n_views > 0
    cdef FactorPanels p
    carve_factors(job, scratch, &p)
    pack_factor_rows(job, &p, first, count)
    for b in range(K * p.rows):
        p.resp[b] = -INFINITY
    for b in range(p.rows):
        p.best[b] = -INFINITY if b < count else 0
    for k in range(K):
        n = 0
        for b in range(count):
            if p.label[b] == k:
                p.list[n] = <int>b
                n += 1
        if n > 0 and job.factors.constants[k] > -INFINITY:
            evaluate(job, &p, k, n, False)
    for k in range(K):
        if not job.factors.constants[k] > -INFINITY:
            continue
        if look:
            view_forms(job, &p, k)
        n = 0
        for b in range(count):
            if p.label[b] != k and not (look and not in_view(job, &p, k, b)):
                p.list[n] = <int>b
                n += 1
        if n > 0:
            evaluate(job, &p, k, n, job.skip)
    for b in range(count):
        if not p.best[b] > -INFINITY:
            p.label[b] = -2
            p.best[b] = 0
    normalise_factors(job, &p, first, count,
                      accumulators + K + K * q * q + K * (q + 2) * p.n_padded)
    if job.first_moments:
        add_factor_moments(job, &p, count, accumulators)
