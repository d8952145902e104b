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
        FINE_MARKS "EMK_FINE_MARKS"
    Py_ssize_t FINE "EMK_FINE"(Py_ssize_t n)
    Py_ssize_t WORDS "EMK_WORDS"(Py_ssize_t n)
    bint can_sketch "emk_can_sketch"()
    float length_of_line "emk_length"(const float *y, Py_ssize_t n, float more, float *largest)
    float to_bytes "emk_to_bytes"(const float *y, Py_ssize_t n, float largest, int bias, float more,
                                  unsigned char *out, float *unit)
    void pack_sketch "emk_pack_sketch"(
        const char **row, Py_ssize_t n_features, const real *origin, real scale, float more,
        float *y, unsigned char *bytes, float *x, float *marks, short *fine, float *fine_marks)
    float to_halves "emk_to_halves"(const float *y, Py_ssize_t n, float largest, float norm,
                                    float more, short *out, float *unit)
    void fine_products "emk_fine_products"(const short *x, const short *c, Py_ssize_t n,
                                           const int *which, int *out)
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
                    p.row_marks + p.n_sketched * ROW_MARKS * CROWD, NULL, NULL)
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
