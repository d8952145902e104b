# The nearest of many centres. A product in float32 leaves few centres for each row, and distances
# by difference, in the precision of the rows, say which of these it is: labels are those of
# distances by difference to all centres, ties going to the lower one.
#
# With an origin o near the centres, and everything multiplied by a power of two that brings
# centres to about 1 from it, s_k = |c_k - o|^2 / 2 - (x - o)(c_k - o) is half of the squared
# distance less |x - o|^2 / 2. Its error, with rows, centres and squares rounded to float32 (u =
# 2^-24) and sums of DEPTH columns and of those, is at most e_k = a |x - o| |c_k - o| + 4 u |c_k -
# o|^2 / 2 with a = SLOPE (DEPTH + D / DEPTH + 11) u (N. J. Higham, Accuracy and stability of
# numerical algorithms, 2002, 3.1). The product has a column more, |x - o| times a |c_k - o|, and
# the squares are less by their part, so what is computed, l_k, lies between s_k - 2 e_k and s_k.
# Where l is least, at b, |c_b - o| is at most |x - o| + |x - c_b|, so e_b has a bound in terms of
# the row and l_b. A centre with l_k > l_b + 2 e_b + r |x - c_b|^2 is not the nearest by difference
# either, r being the relative error of that form. What underflows is below UNDERFLOW, unless the
# row is further than FAR from o; then the row is compared with all centres, as all rows are where
# centres are that far.
#
# Line by line, P = ceil(D / DEPTH), n u standing for n u / (1 - n u), which SLOPE covers while
# (DEPTH + P) u < 0.04:
# - x - o or what it is in float32, and c - o: u each (their difference in float64, or the
#   conversion of one in float32, adds next to nothing); the power of two nothing.
# - a part of DEPTH columns from zero, the last with a column more: DEPTH + 1; the parts: P - 1;
#   half less the sum: u of both. So DEPTH + P + 3 of |x - o| |c_k - o|, of which a has 8 more.
#   The order of sums differs by loop (emk_line_products, emk_row_products) and level; none has
#   more.
# - the square, rounded, less 4 u, and u of the subtraction: -6 u to -2 u of it.
# - |x - o|^2: 2 for the rows, DEPTH for a part, P - 1; half of that for the root, u for rounding
#   it, u for the product with `more` and u for `more` itself: (DEPTH + P + 1) / 2 + 3 at most,
#   which is less than `more` - 1, so that N = `norm` is between |x - o| and |x - o| (1 + 2 m), m
#   being `more` as it is in float32, less 1; then N^2 (1 - 4.2 m) is at most |x - o|^2.
# - a form by difference: 3 for the square of a gap, D / (4 LANES) + 3 for those of a lane,
#   2 + log2(LANES) for the sum of lanes, LANES - 1 for the columns behind these; r is twice that.

cdef enum:
    NEAREST_ROWS = 4096     # at most, of a block: long ones have more rows of a cluster
    DISTRUST = 31           # most tiles that are compared in float32 because others had to be
    FEW_ROWS = 20           # at which a product takes as long as rows by themselves
    MOST_BY_ROWS = (DEPTH - 8) * FLANES     # columns whose sums by lanes are in error no more


cdef double SLOPE = 1.05


ctypedef struct Crowd:
    # of one wide tile: scratch
    const char *row[CROWD]      # contiguous rows
    float *x                    # packed rows, see emk_pack_crowd
    float *y                    # (FLANES, DEPTH)
    float *form                 # (n_panels, CENTRE_PANEL, CROWD) l of all centres
    float *top                  # (3, CROWD) the least l, the next, and where the least is
    bint ranked                 # whether these are known
    float *norm                 # (CROWD,) at least |x - o|
    float *best                 # the least l
    float *limit                # the largest l of the nearest
    float *square               # at least the squared distance to it; infinite: not known
    double *near                # (CROWD,) at most |x - o|^2, scaled
    unsigned short *lower       # (n_groups, CROWD)
    int *doubts                 # (n_groups,) of one row
    float *line                 # (D,) one row, packed; in whole vectors where there are bytes
    # of wide tiles in bytes, n_together of which are compared at once: see sketch.pxi
    float *sketches             # (n_together, WORDS * CROWD)
    float *row_marks            # (n_together, ROW_MARKS, CROWD)
    float *forms                # (n_together, n_panels, CENTRE_PANEL, CROWD); form is one of them
    unsigned char *bytes        # (FLANES, 4 WORDS) scratch
    int n_together
    int n_sketched              # of them there are forms of
    int n_distrusted            # wide tiles in a row that bytes left many centres of
    int n_passed_over           # of which products are made at once
    float *value                # (n_clusters,) its l
    int *found                  # (CROWD,)
    double *exact               # (CROWD,) its squared distance by difference; -1: not computed
    real *copied                # (CROWD, D) rows whose columns are apart
    double *sums                # (n_clusters, sums_stride) x - origin of rows that move, and 1
    Py_ssize_t sums_stride      # in whole cache lines
    int *need                   # (block_rows,) positions of rows in doubt
    int *order                  # (block_rows,) the same by cluster
    int *starts                 # (n_clusters + 1,)


cdef Py_ssize_t carve_crowd(const Job *job, char *scratch, Crowd *p) noexcept nogil:
    """Lay the arrays out in `scratch`; the number of bytes they take."""
    cdef Py_ssize_t D = job.gaussians.n_features, K = job.gaussians.n_components, used = 0
    cdef Py_ssize_t row = CROWD * sizeof(float), n = job.nearest.n_panels
    cdef Py_ssize_t G = job.bounds.n_groups if job.bounds != NULL else 0
    p.x = <float*>(scratch + used)
    used = aligned(used + (D + 1) * row + FLANES * PART * <Py_ssize_t>sizeof(float))
    p.y = <float*>(scratch + used)
    used += FLANES * DEPTH * <Py_ssize_t>sizeof(float)
    p.top = <float*>(scratch + used)
    used += 3 * row
    p.n_together = crowds_together(job.nearest, D)
    p.n_sketched = p.n_distrusted = p.n_passed_over = 0
    p.forms = <float*>(scratch + used)
    used += p.n_together * n * CENTRE_PANEL * row
    p.row_marks = <float*>(scratch + used)
    used += p.n_together * ROW_MARKS * row
    p.limit = <float*>(scratch + used)
    p.square = p.limit + CROWD
    p.found = <int*>(p.square + CROWD)
    used += 3 * row
    if job.nearest.sketched:
        p.sketches = <float*>(scratch + used)
        used += p.n_together * WORDS(D) * row
        p.bytes = <unsigned char*>(scratch + used)
        used = aligned(used + FLANES * 4 * WORDS(D))
    p.exact = <double*>(scratch + used)
    used += CROWD * sizeof(double)
    p.near = <double*>(scratch + used)
    used += CROWD * sizeof(double)
    p.lower = <unsigned short*>(scratch + used)
    used = aligned(used + G * CROWD * <Py_ssize_t>sizeof(short))
    p.doubts = <int*>(scratch + used)
    used = aligned(used + G * <Py_ssize_t>sizeof(int))
    p.line = <float*>(scratch + used)
    used = aligned(used + (D + 4 * FLANES) * <Py_ssize_t>sizeof(float))
    p.value = <float*>(scratch + used)
    used = aligned(used + K * <Py_ssize_t>sizeof(float))
    p.copied = <real*>(scratch + used)
    if job.rows.column_stride != sizeof(real):
        used = aligned(used + CROWD * D * <Py_ssize_t>sizeof(real))
    p.sums = <double*>(scratch + used)
    p.sums_stride = (D + 8) // 8 * 8
    if job.bounds != NULL and job.bounds.summed:
        used += K * p.sums_stride * sizeof(double)
    p.need = <int*>(scratch + used)
    used = aligned(used + job.block_rows * <Py_ssize_t>sizeof(int))
    p.order = <int*>(scratch + used)
    used = aligned(used + job.block_rows * <Py_ssize_t>sizeof(int))
    p.starts = <int*>(scratch + used)
    return aligned(used + (K + 1) * <Py_ssize_t>sizeof(int))


cdef Py_ssize_t nearest_block_rows(const Job *job) noexcept nogil:
    return CROWD * max(<Py_ssize_t>2, min(
        <Py_ssize_t>NEAREST_ROWS, job.rows.n_samples // 64) // CROWD)


cdef void prepare_nearest(Nearest *p, const double *centers, Py_ssize_t K, Py_ssize_t D,
                          bint packed) noexcept nogil:
    """Centres as they are, and if they are to be packed an origin and a scale for them."""
    cdef real *exact = <real*>p.centers
    cdef real *origin = <real*>p.origin
    cdef Py_ssize_t k, d
    cdef double *norm = p.norms
    cdef double most = 0, middle, value
    cdef int exponent
    for d in range(K * D):
        exact[d] = <real>centers[d]
    p.scale, p.usable = 1, False
    if packed:
        middle = middle_of_most(exact, K, D, origin, norm, p.sums)
        for k in range(K):
            most = max(most, norm[k])
        # squares that underflow are no distances that an error bound is known of
        p.usable = middle > (1e-145 if IS_DOUBLE else 1e-10) and most < INFINITY
    if p.usable:
        frexp(middle, &exponent)
        exponent = max(-1000 if IS_DOUBLE else -100, min(1000 if IS_DOUBLE else 100, 1 - exponent))
        p.scale = ldexp(1, exponent)
        p.usable = most * p.scale < 1e15
    value = DEPTH + (D // DEPTH + 1) + 11
    p.slope = SLOPE * value * UNIT
    p.more = 1 + SLOPE * (0.5 * (DEPTH + D // DEPTH + 1) + 4) * UNIT
    p.relative = <double>(1.1 * (D // LANES + LANES + 12)) * (2.3e-16 if IS_DOUBLE else 1.2e-7)


cdef void pack_centres(Nearest *p, Py_ssize_t K, Py_ssize_t D, Py_ssize_t first, Py_ssize_t end,
                       float *scratch) noexcept nogil:
    """Some panels, as lines, side by side, and in bytes."""
    cdef const real *exact = <const real*>p.centers
    cdef const real *origin = <const real*>p.origin
    cdef real scale = <real>p.scale
    cdef Py_ssize_t i, k, m, d
    cdef double value
    cdef float *line
    cdef float *panel
    for i in range(first, end):
        panel = p.panels + i * (D + 1) * CENTRE_PANEL
        for m in range(CENTRE_PANEL):
            k = i * CENTRE_PANEL + m
            if k >= K:
                for d in range(D + 1):
                    panel[d * CENTRE_PANEL + m] = 0
                p.half[k] = INFINITY
                continue
            line = p.lines + k * (D + 1)
            for d in range(D):
                line[d] = <float>((exact[k * D + d] - origin[d]) * scale)
            value = p.norms[k] * p.scale
            line[D] = <float>(p.slope * value)
            for d in range(D + 1):
                panel[d * CENTRE_PANEL + m] = line[d]
            p.half[k] = <float>(0.5 * value * value * (1 - 4 * UNIT))
        for k in range(i * CENTRE_PANEL, (i + 1) * CENTRE_PANEL if p.sketched else 0):
            sketch_centre(p, k, K, D, scratch, <unsigned char*>(scratch + 4 * WORDS(D)))


cdef double middle_of_most(const real *centers, Py_ssize_t K, Py_ssize_t D, real *origin,
                           double *norm, double *sums) noexcept nogil:
    """A point near most of the centres: their mean, without those that are much further from it
    than half of them. Norms are the distances from it, and what comes back is that of the middle
    one."""
    cdef double limit = INFINITY, middle = 0
    cdef Py_ssize_t trial, k, d, n, dropped
    for trial in range(4):
        n = 0
        for d in range(D):
            sums[d] = 0
        for k in range(K):
            if trial == 0 or norm[k] <= limit:
                n += 1
                for d in range(D):
                    sums[d] += centers[k * D + d]
        for d in range(D):
            origin[d] = <real>(sums[d] / n)
        for k in range(K):
            for d in range(D):
                sums[d] = <double>centers[k * D + d] - <double>origin[d]
            norm[k] = sqrt(dot(sums, sums, D))
        middle = median_of(norm, K)
        limit = 8 * middle
        dropped = 0
        for k in range(K):
            dropped += not norm[k] <= limit
        if dropped == 0 or not limit > 0:
            break
    return middle


cdef double median_of(const double *values, Py_ssize_t n) noexcept nogil:
    """About the median of numbers that are not negative: the least power of two that half of them
    do not exceed."""
    cdef int low = -1080, high = 1030, middle
    cdef Py_ssize_t i, count
    cdef double limit
    while high - low > 1:
        middle = (low + high) // 2
        limit = ldexp(1, middle)
        count = 0
        for i in range(n):
            count += values[i] <= limit
        if 2 * count >= n:
            high = middle
        else:
            low = middle
    if high == 1030:
        return INFINITY
    return 0 if high == -1079 else ldexp(1, high)


cdef void open_crowd(const Rows *rows, Py_ssize_t start, Py_ssize_t size,
                     Crowd *p) noexcept nogil:
    """Where the rows of a wide tile are; lanes past `size` repeat the first."""
    cdef Py_ssize_t D = rows.n_features, j, d
    for j in range(CROWD):
        p.row[j] = rows.x + row_at(rows, start + (j if j < size else 0)) * rows.row_stride
    if rows.column_stride != sizeof(real):
        for d in range(D):
            for j in range(CROWD):
                p.copied[j * D + d] = read(p.row[j] + d * rows.column_stride)
        for j in range(CROWD):
            p.row[j] = <const char*>(p.copied + j * D)


cdef inline const char *behind_crowd(const Rows *rows, Py_ssize_t start) noexcept nogil:
    """Where the wide tile behind the one at `start` is, if all rows are one piece of memory."""
    if (rows.order != NULL or rows.column_stride != sizeof(real)
            or rows.row_stride != rows.n_features * <Py_ssize_t>sizeof(real)):
        return NULL
    return rows.x + (start + CROWD) * rows.row_stride


cdef void settle(const Nearest *nearest, Py_ssize_t K, Py_ssize_t D, Crowd *p) noexcept nogil:
    """The nearest centre of each row."""
    cdef Py_ssize_t j, k
    cdef unsigned long long hits
    if p.ranked:
        memcpy(p.found, p.top + 2 * CROWD, CROWD * sizeof(int))
        hits = not_above(p.top + CROWD, p.limit)
        while hits != 0:
            j = lowest_bit(hits)
            hits &= hits - 1
            p.found[j] = -1
            for k in range(K):
                if not p.form[k * CROWD + j] > p.limit[j]:
                    take_nearer(nearest, j, k, D, p)
        return
    for j in range(CROWD):
        p.found[j] = -1
    for k in range(K):
        hits = not_above(p.form + k * CROWD, p.limit)
        while hits != 0:
            j = lowest_bit(hits)
            hits &= hits - 1
            take_nearer(nearest, j, k, D, p)


cdef inline void take_nearer(const Nearest *nearest, Py_ssize_t j, Py_ssize_t k, Py_ssize_t D,
                             Crowd *p) noexcept nogil:
    """Centre k is row j's, unless one before is as near."""
    cdef const real *centers = <const real*>nearest.centers
    cdef double value
    if p.found[j] < 0:
        p.found[j] = <int>k
        return
    if p.exact[j] < 0:
        p.exact[j] = pair_square(p.row[j], centers + p.found[j] * D, D)
    value = pair_square(p.row[j], centers + k * D, D)
    if value < p.exact[j]:
        p.exact[j] = value
        p.found[j] = <int>k


cdef void crowd_forms(const Job *job, const Rows *rows, Py_ssize_t first, Py_ssize_t t,
                      Py_ssize_t count, Crowd *p) noexcept nogil:
    """Open wide tile t of rows first .. first + count - 1; l of its rows and of all centres, and
    which centres may be nearest. Tiles come in their order."""
    cdef const Nearest *nearest = job.nearest
    cdef Py_ssize_t D = job.gaussians.n_features, j
    cdef Py_ssize_t start = first + t * CROWD, size = min(<Py_ssize_t>CROWD, count - t * CROWD)
    cdef Py_ssize_t at = t % p.n_together
    if at == 0:
        sketch_crowds(job, rows, start, first + count, p)
    p.form = p.forms + at * nearest.n_panels * CENTRE_PANEL * CROWD
    p.best = p.row_marks + (at * ROW_MARKS + 3) * CROWD
    p.norm = p.best + CROWD
    open_crowd(rows, start, size, p)
    for j in range(CROWD):
        p.exact[j] = -1
    p.ranked = False
    if at < p.n_sketched:
        if few_are_left(job, size, p):
            p.n_distrusted = 0
            return
        p.n_distrusted = min(2 * p.n_distrusted + 1, <int>DISTRUST)
        p.n_passed_over = p.n_distrusted
    elif p.n_passed_over > 0:
        p.n_passed_over -= 1
    p.ranked = nearest.usable
    if nearest.usable and job.gaussians.n_components <= FEW_CENTRES and D <= MOST_BY_ROWS:
        row_products(p.row, D, <const real*>nearest.origin, <real>nearest.scale, nearest.more,
                     nearest.lines, nearest.half, <int>job.gaussians.n_components,
                     behind_crowd(rows, start), p.x, p.form, p.norm, p.top)
    elif nearest.usable:
        pack_crowd(p.row, D, <const real*>nearest.origin, <real>nearest.scale, nearest.more, p.y,
                   p.x, p.norm)
        products(p.x, nearest.panels, nearest.half, job.gaussians.n_components, D,
                 behind_crowd(rows, start), CROWD * D * sizeof(real), p.form, p.top)
    else:
        memset(p.form, 0, nearest.n_panels * CENTRE_PANEL * CROWD * sizeof(float))
        for j in range(CROWD):
            p.top[j] = p.norm[j] = INFINITY
    limits(p.norm, p.top, size, nearest.slope, nearest.relative, p.limit, p.square)


cdef double settled_square(const Job *job, Py_ssize_t j, Crowd *p) noexcept nogil:
    """The squared distance of a row to its centre, which is looked for in float64 where distances
    overflow."""
    cdef Py_ssize_t D = job.gaussians.n_features, K = job.gaussians.n_components
    cdef const real *centers = <const real*>job.nearest.centers
    if p.exact[j] < 0:
        p.exact[j] = pair_square(p.row[j], centers + p.found[j] * D, D)
    if p.exact[j] == INFINITY:
        p.found[j] = <int>nearest_far(p.row[j], sizeof(real), centers, D, D, K, &p.exact[j])
    return p.exact[j]


cdef void nearest_kmeans_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                               double *accumulators) noexcept nogil:
    """Labels of rows first .. first + count - 1, unless they are given. Accumulators: inertia |
    labels that changed."""
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features
    cdef Py_ssize_t t, j, start, size, row
    cdef double square, weight
    cdef Crowd p
    carve_crowd(job, scratch, &p)
    for t in range((count + CROWD - 1) // CROWD):
        start = first + t * CROWD
        size = min(<Py_ssize_t>CROWD, first + count - start)
        if job.labels != NULL:
            open_crowd(&job.rows, start, size, &p)
            for j in range(size):
                p.found[j] = job.labels[start + j]
                p.exact[j] = -1
        else:
            crowd_forms(job, &job.rows, first, t, count, &p)
            settle(job.nearest, K, D, &p)
        for j in range(size):
            row = start + j
            square = settled_square(job, j, &p)
            weight = job.rows.sample_weight[row] if job.rows.sample_weight != NULL else 1
            accumulators[0] += weight * square if weight != 0 else 0
            accumulators[1] += job.labels_out[row] != p.found[j]
            job.labels_out[row] = p.found[j]
