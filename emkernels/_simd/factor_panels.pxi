# The rows of a block and what is known of them, for mixtures of factor analysers.

cdef enum:
    FACTOR_PANEL = 400000       # bytes of rows
    AHEAD_ROWS = 3              # rows that are asked for before they are copied


ctypedef struct FactorPanels:
    Py_ssize_t rows             # that there is room for, a multiple of TILE
    Py_ssize_t n_padded
    real *x                     # (rows, n_padded)
    real *resp                  # (K, rows) log densities, then responsibilities
    real *z                     # (K, q, rows) means of factors
    real *y                     # (q + 1, rows) sums of a list: of e^2, then of e and loadings
    real *white                 # (q, rows) A y of a list
    real *form                  # (rows,) distances of a list
    real *best                  # (rows,)
    real *weight                # (rows,)
    real *coefficients          # (rows, q + 1)
    const real **row            # (rows,)
    int *list                   # (rows,)
    int *label                  # (rows,)
    double *exact               # (D + 3 q,)
    real *views                 # (n_views, rows)
    vec *gap                    # (n_views, TILE)


cdef Py_ssize_t factor_columns(const Job *job) noexcept nogil:
    return (job.gaussians.n_features + CHUNK - 1) // CHUNK * CHUNK


cdef Py_ssize_t factor_rows(const Job *job) noexcept nogil:
    cdef Py_ssize_t K = job.gaussians.n_components, q = job.factors.n_factors
    cdef Py_ssize_t each = (factor_columns(job) + K * (q + 1)) * sizeof(real)
    return TILE * max(<Py_ssize_t>1, min(<Py_ssize_t>256, FACTOR_PANEL // each) // TILE)


cdef Py_ssize_t carve_factors(const Job *job, char *scratch, FactorPanels *p) noexcept nogil:
    cdef Py_ssize_t K = job.gaussians.n_components, q = job.factors.n_factors
    cdef Py_ssize_t n = factor_columns(job)
    cdef Py_ssize_t rows = factor_rows(job), used = 0
    p.rows = rows
    p.n_padded = n
    p.x = <real*>(scratch + used)
    used += aligned(rows * n * sizeof(real))
    p.resp = <real*>(scratch + used)
    used += aligned(K * rows * sizeof(real))
    p.z = <real*>(scratch + used)
    used += aligned(K * q * rows * sizeof(real))
    p.y = <real*>(scratch + used)
    used += aligned((q + 1) * rows * sizeof(real))
    p.white = <real*>(scratch + used)
    used += aligned(q * rows * sizeof(real))
    p.form = <real*>(scratch + used)
    used += aligned(rows * sizeof(real))
    p.best = <real*>(scratch + used)
    used += aligned(rows * sizeof(real))
    p.weight = <real*>(scratch + used)
    used += aligned(rows * sizeof(real))
    p.coefficients = <real*>(scratch + used)
    used += aligned(rows * (q + 1) * sizeof(real))
    p.row = <const real**>(scratch + used)
    used += aligned(rows * sizeof(real*))
    p.list = <int*>(scratch + used)
    used += aligned(rows * sizeof(int))
    p.label = <int*>(scratch + used)
    used += aligned(rows * sizeof(int))
    p.exact = <double*>(scratch + used)
    used += aligned((job.gaussians.n_features + 3 * q) * sizeof(double))
    p.views = <real*>(scratch + used)
    used += aligned(job.factors.n_views * rows * sizeof(real))
    p.gap = <vec*>(scratch + used)
    return used + aligned(job.factors.n_views * TILE * sizeof(real))


cdef Py_ssize_t factor_bytes(const Job *job) noexcept nogil:
    return (job.gaussians.n_components * (job.factors.n_factors + 2) * factor_columns(job)
            * sizeof(real))


cdef void prepare_factors(const Job *job) noexcept nogil:
    """Fill gaussians.packed: means, inverses of deviations and loadings of each component, in the
    precision of the rows, padded by zeros."""
    cdef Py_ssize_t D = job.gaussians.n_features, K = job.gaussians.n_components
    cdef Py_ssize_t q = job.factors.n_factors, n = factor_columns(job), k, i, d
    cdef real *out = <real*>job.gaussians.packed
    memset(out, 0, factor_bytes(job))
    for k in range(K):
        for d in range(D):
            out[d] = <real>job.gaussians.means[k * D + d]
            out[n + d] = <real>(1 / job.factors.deviations[k * D + d])
        for i in range(q):
            for d in range(D):
                out[(2 + i) * n + d] = <real>job.factors.loadings[(k * q + i) * D + d]
        out += (q + 2) * n


cdef inline void fetch_row(const Rows *rows, Py_ssize_t position) noexcept nogil:
    """Ask for the row at a position, where there is one."""
    cdef Py_ssize_t b
    cdef const char *x
    if position >= rows.n_samples or rows.column_stride != sizeof(real):
        return
    x = rows.x + row_at(rows, position) * rows.row_stride
    for b in range(rows.n_features * <Py_ssize_t>sizeof(real) // CACHE_LINE + 1):
        prefetch(x + b * CACHE_LINE)


cdef void pack_factor_rows(const Job *job, const FactorPanels *p, Py_ssize_t first,
                           Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t D = job.gaussians.n_features, n = p.n_padded, b, d, at
    cdef const char *source
    cdef const real *view
    cdef real *x
    memset(p.views, 0, job.factors.n_views * p.rows * sizeof(real))
    for b in range(p.rows):
        p.weight[b] = 0
        p.label[b] = -1
    for b in range(count):
        at = row_at(&job.rows, first + b)
        fetch_row(&job.rows, first + b + AHEAD_ROWS)
        source = job.rows.x + at * job.rows.row_stride
        x = p.x + b * n
        if job.rows.column_stride == sizeof(real):
            memcpy(x, source, D * sizeof(real))
        else:
            for d in range(D):
                x[d] = read(source + d * job.rows.column_stride)
        for d in range(D, n):
            x[d] = 0
        p.weight[b] = <real>(job.rows.sample_weight[at] if job.rows.sample_weight != NULL else 1)
        p.label[b] = job.labels[at] if job.labels != NULL else 0
        view = <const real*>job.factors.views + at * job.factors.n_views
        for d in range(job.factors.n_views):
            p.views[d * p.rows + b] = view[d]
