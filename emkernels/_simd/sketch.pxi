# The nearest of many centres by products of bytes, before those of nearest.pxi.
#
# A row and a centre, less the origin and scaled as there, are multiples of a unit of their own in
# one byte: x = s X + d, c = t C + g, with X and C integers of at most 127. Their product is s t
# (X C) + d c + s X g, the first exact but for its factors, and by Cauchy and Schwarz the others
# are at most |d| |c| + |s X| |g|, lengths that are computed as the bytes are. So half of the
# squared distance less |x|^2 / 2 has two bounds, and all centres whose lower one is above the
# least upper one are out. What rows of hundreds of columns lose is 1 to 2 hundredths of |x| |c|:
# one or a few centres are left, of which distances by difference tell the nearest, as in
# nearest.pxi. So labels do not depend on whether this was done; where it leaves many, products in
# float32 are made after all.
#
# Line by line, u = 2^-24, N = |x| by `more` as in nearest.pxi:
# - x is in float32 with 2 u of each value, and what is lost of that rounded by 3 u of N; 6 u N are
#   added to its length, which `more` rounds up. 1e-20 for squares that underflow.
# - the length of s X: N and |d|. Those of centres: see sketch_centre.
# - X C is a sum of integers; X is 128 more in its bytes, and `offset` takes 128 times the sum of
#   C away. As float32, u, times units, 2 u, taken from half of the square, u of both; bounds u of
#   themselves three times over: less than 16 u (|x| + |d|) (|c| + |g|), added to |g|, and 16 u of
#   half of the square, which makes up for its being 4 u less, too.

cdef extern from "sketch.h" nogil:
    enum:
        ROW_MARKS "EMK_ROW_MARKS"
    Py_ssize_t WORDS "EMK_WORDS"(Py_ssize_t n)
    bint can_sketch "emk_can_sketch"()
    float length_of_line "emk_length"(const float *y, Py_ssize_t n, float more, float *largest)
    float to_bytes "emk_to_bytes"(const float *y, Py_ssize_t n, float largest, int bias, float more,
                                  unsigned char *out, float *unit)
    void pack_sketch "emk_pack_sketch"(
        const char **row, Py_ssize_t n_features, const real *origin, real scale, float more,
        float *y, unsigned char *bytes, float *x, float *marks)
    void sketch_products "emk_sketch_products"(
        const float *x, const int *sketch, Py_ssize_t n_features, float *row_marks,
        const float *marks, const int *offsets, Py_ssize_t n_panels, int n_crowds,
        const char *ahead, Py_ssize_t n_bytes, float *form)
    void sketch_limits "emk_sketch_limits"(
        const float *norm, const float *top, Py_ssize_t size, double relative, float *limit,
        float *square)

cdef enum:
    # columns from which bytes save more than they cost, and to which sums of their products fit
    LEAST_SKETCHED = 48
    MOST_SKETCHED = 32768
    MUCH_SKETCHED = 1 << 20     # bytes of centres that leave no room in the second cache
    MOST_CROWDS = 4


cdef bint sketches(Py_ssize_t n_features) noexcept nogil:
    """Whether rows of so many columns are compared in bytes."""
    return LEAST_SKETCHED <= n_features <= MOST_SKETCHED and can_sketch()


cdef void sketch_centre(Nearest *p, Py_ssize_t k, Py_ssize_t K, Py_ssize_t D, float *y,
                        unsigned char *byte) noexcept nogil:
    """Bytes and marks of one centre, or of what fills a panel up. y and byte (4 WORDS) are
    scratch."""
    cdef Py_ssize_t n_words = (D + 3) // 4, n = 4 * WORDS(D), w, d
    cdef int *sketch = p.sketch + (k // CENTRE_PANEL * n_words * CENTRE_PANEL + k % CENTRE_PANEL)
    cdef float *mark = p.marks + (k // CENTRE_PANEL * CENTRE_MARKS * CENTRE_PANEL
                                  + k % CENTRE_PANEL)
    cdef float largest = 0, unit = 0
    cdef double lost = 0, length = 0
    cdef int total = 0
    p.offsets[k] = 0
    memset(byte, 0, n)
    if k < K:
        memset(y + D, 0, (n - D) * sizeof(float))
        memcpy(y, p.lines + k * (D + 1), D * sizeof(float))
        length_of_line(y, n, 1, &largest)
        lost = to_bytes(y, n, largest, 0, p.more, byte, &unit)
        length = p.norms[k] * p.scale * (1 + 1e-6)
        lost = (lost + 6 * UNIT * length + 1e-20) * (1 + 1e-6)
        lost += 16 * UNIT * (length + lost)
        for d in range(D):
            total += (<signed char*>byte)[d]
        p.offsets[k] = -128 * total
    for w in range(n_words):
        memcpy(sketch + w * CENTRE_PANEL, byte + 4 * w, 4)
    mark[0] = p.half[k]
    mark[CENTRE_PANEL] = unit
    mark[2 * CENTRE_PANEL] = <float>lost
    mark[3 * CENTRE_PANEL] = <float>length
    mark[4 * CENTRE_PANEL] = <float>(16 * UNIT * p.half[k]) if k < K else 0


cdef inline int crowds_together(const Nearest *nearest, Py_ssize_t D) noexcept nogil:
    """Wide tiles that are compared with a panel while it is there."""
    if not nearest.sketched:
        return 1
    return MOST_CROWDS if nearest.n_panels * CENTRE_PANEL * D > MUCH_SKETCHED else 1


cdef void sketch_crowds(const Job *job, const Rows *rows, Py_ssize_t start, Py_ssize_t end,
                        Crowd *p) noexcept nogil:
    """Forms of the wide tiles from a row on, to the last row at most: as many as are compared
    together, or none where others have left many centres."""
    cdef const Nearest *nearest = job.nearest
    cdef Py_ssize_t D = job.gaussians.n_features, at
    cdef const char *ahead
    p.n_sketched = 0
    if not (nearest.usable and nearest.sketched) or p.n_passed_over > 0:
        return
    at = start
    while p.n_sketched < p.n_together and at < end:
        open_crowd(rows, at, min(<Py_ssize_t>CROWD, end - at), p)
        pack_sketch(p.row, D, <const real*>nearest.origin, <real>nearest.scale, nearest.more,
                    p.line, p.bytes, p.sketches + p.n_sketched * WORDS(D) * CROWD,
                    p.row_marks + p.n_sketched * ROW_MARKS * CROWD)
        p.n_sketched += 1
        at += CROWD
    ahead = behind_crowd(rows, at - CROWD)
    sketch_products(p.sketches, nearest.sketch, D, p.row_marks, nearest.marks, nearest.offsets,
                    nearest.n_panels, p.n_sketched, ahead,
                    p.n_sketched * CROWD * D * <Py_ssize_t>sizeof(real), p.forms)


cdef bint few_are_left(const Job *job, Py_ssize_t size, Crowd *p) noexcept nogil:
    """Limits of a wide tile that was compared in bytes; False where these leave many centres."""
    cdef Py_ssize_t K = job.gaussians.n_components, k, n = 0
    # one that is left costs as much as 8 or 16 in float32, half of which may be lost
    cdef Py_ssize_t most = size * (1 + K // (2 * <Py_ssize_t>sizeof(real)))
    sketch_limits(p.norm, p.best, size, job.nearest.relative, p.limit, p.square)
    for k in range(K):
        n += count_bits(not_above(p.form + k * CROWD, p.limit))
    return n <= most


# --- rows whose bytes are kept, for seeds that come one after the other ---------------------------

cdef void replace_centres(Nearest *p, const double *centers, Py_ssize_t K, Py_ssize_t D,
                          float *scratch) noexcept nogil:
    """Pack other centres about the same origin, in the same scale."""
    cdef real *exact = <real*>p.centers
    cdef const real *origin = <const real*>p.origin
    cdef Py_ssize_t k, d
    p.n_panels = (K + CENTRE_PANEL - 1) // CENTRE_PANEL
    p.usable = True
    for k in range(K):
        for d in range(D):
            exact[k * D + d] = <real>centers[k * D + d]
            p.sums[d] = <double>exact[k * D + d] - <double>origin[d]
        p.norms[k] = sqrt(dot(p.sums, p.sums, D))
        p.usable = p.usable and p.norms[k] * p.scale < 1e15
    if p.usable:
        pack_centres(p, K, D, 0, p.n_panels, scratch)


cdef Py_ssize_t sketch_bytes(Py_ssize_t n_features) noexcept nogil:
    """Of a wide tile."""
    return (ROW_MARKS + WORDS(n_features)) * CROWD * sizeof(float)


cdef void sketch_rows(const Rows *rows, const Nearest *nearest, Py_ssize_t crowd, char *out,
                      float *scratch) noexcept nogil:
    """out (sketch_bytes,): marks and bytes of one wide tile of contiguous rows. scratch (FLANES +
    4, WORDS)."""
    cdef Py_ssize_t D = rows.n_features, start = crowd * CROWD, j
    cdef const char *row[CROWD]
    cdef float *marks = <float*>out
    for j in range(CROWD):
        row[j] = rows.x + min(start + j, rows.n_samples - 1) * rows.row_stride
    pack_sketch(row, D, <const real*>nearest.origin, <real>nearest.scale, nearest.more, scratch,
                <unsigned char*>(scratch + 4 * WORDS(D)), marks + ROW_MARKS * CROWD, marks)


cdef unsigned long long rows_near(const Seeding *seeding, Py_ssize_t crowd, Py_ssize_t first,
                                  Py_ssize_t end, Py_ssize_t K, Py_ssize_t D,
                                  unsigned long long *near) noexcept nogil:
    """near (K,), bit j: whether row j of a wide tile, if it is one of first .. end - 1, may be
    nearer to a centre than to all seeds; and whether to any."""
    cdef const Nearest *nearest = seeding.nearest
    cdef const float *kept = <const float*>(seeding.sketches + crowd * sketch_bytes(D))
    cdef float marks[ROW_MARKS * CROWD]
    cdef float limit[CROWD]
    cdef float form[MOST_SEEDS * CROWD]
    cdef double norm, value, unit = nearest.scale * nearest.scale * (1 + 2.2 * nearest.relative)
    cdef unsigned long long any_ = 0
    cdef Py_ssize_t j, k, start = crowd * CROWD
    memcpy(marks, kept, sizeof(marks))
    for j in range(CROWD):
        limit[j] = -INFINITY
    for j in range(max(<Py_ssize_t>0, first - start), min(<Py_ssize_t>CROWD, end - start)):
        norm = marks[4 * CROWD + j]
        value = 0.5 * (seeding.closest[start + j] * unit - near_square(nearest, norm))
        value += 1e-6 * fabs(value) + UNDERFLOW
        limit[j] = <float>value if norm < FAR else INFINITY
    sketch_products(kept + ROW_MARKS * CROWD, nearest.sketch, D, marks, nearest.marks,
                    nearest.offsets, nearest.n_panels, 1, NULL, 0, form)
    for k in range(K):
        near[k] = not_above(form + k * CROWD, limit)
        any_ |= near[k]
    return any_


cdef void near_forms_of_rows(const Rows *rows, Py_ssize_t start, Py_ssize_t size,
                             const real *mean, Py_ssize_t stride, Py_ssize_t K,
                             const unsigned long long *near, const real *other,
                             real *form) noexcept nogil:
    """As wide_forms, of pairs of rows and centres of which a bit of near (K,), from that of
    `start` on, says that they are near; else those in `other` (TILE,)."""
    cdef Py_ssize_t D = rows.n_features, n_vectors = D // LANES, j, k, d, n, i
    cdef int shift = <int>(start % CROWD)
    cdef const char *row[2]
    cdef real total[2 * SOME]
    cdef real gap
    for j in range(0, TILE, 2):
        for i in range(2):
            row[i] = rows.x + row_at(rows, start + (j + i if j + i < size else 0)) * rows.row_stride
        k = 0
        while k < K:
            n = 0
            while k + n < K and n < SOME and near[k + n] >> (shift + j) & 3:
                n += 1
            if n == 0:
                form[k * TILE + j] = other[j]
                form[k * TILE + j + 1] = other[j + 1]
                k += 1
                continue
            row_forms(row[0], row[1], mean + k * stride, stride, n_vectors, <int>n, total)
            for n in range(k, k + n):
                for i in range(2):
                    gap = total[i * SOME + n - k]
                    for d in range(n_vectors * LANES, D):
                        gap += squared(read(row[i] + d * <Py_ssize_t>sizeof(real))
                                       - mean[n * stride + d])
                    form[n * TILE + j + i] = gap
            k = n + 1
