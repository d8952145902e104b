# k-means++ over rows whose bytes are kept, for seeds that come one after the other.
#
# Bytes (see sketch.pxi) tell of most rows that they are not nearer to a candidate than to the
# nearest seed so far. Of the others bounds of the distance are taken from 16 bits, which lose 1 to
# 4 parts in 10,000 of |x| |c|: potentials of the candidates have bounds then, which nearly always
# tell the best. Distances by difference are those of rows that may be nearer to the new seed, which
# are read two at a time, and where bounds do not tell, of all candidates.
#
# The product of 16 bits has the bounds of that of bytes, line by line as there: the product of
# integers is exact, its sum fits 32 bits, and the rest is in float64. |x|^2 is at least near_square
# and at most the square of the length, as in nearest.pxi. A distance by difference is that of the
# numbers but for a relative 2.2 `relative`.

cdef enum:
    ROWS_AHEAD = 2048       # bytes of a row that are asked for before it is read


cdef inline Py_ssize_t bytes_of_crowd(Py_ssize_t n_features) noexcept nogil:
    return (ROW_MARKS + WORDS(n_features)) * CROWD * sizeof(float)


cdef Py_ssize_t fine_values(Py_ssize_t n_features) noexcept nogil:
    """Values in 16 bits of a row or a centre."""
    return FINE(n_features)


cdef Py_ssize_t sketch_bytes(Py_ssize_t n_features) noexcept nogil:
    """Of a wide tile: bytes, then 16 bits, each behind their marks."""
    return (bytes_of_crowd(n_features) + FINE_MARKS * CROWD * <Py_ssize_t>sizeof(float)
            + FINE(n_features) * CROWD * <Py_ssize_t>sizeof(short))


cdef void sketch_rows(const Rows *rows, const Nearest *nearest, Py_ssize_t crowd, char *out,
                      float *scratch) noexcept nogil:
    """out (sketch_bytes,) of a wide tile of contiguous rows. scratch (FLANES + 4, WORDS)."""
    cdef Py_ssize_t D = rows.n_features, start = crowd * CROWD, j
    cdef const char *row[CROWD]
    cdef float *marks = <float*>out
    cdef float *fine_marks = <float*>(out + bytes_of_crowd(D))
    for j in range(CROWD):
        row[j] = rows.x + min(start + j, rows.n_samples - 1) * rows.row_stride
    pack_sketch(row, D, <const real*>nearest.origin, <real>nearest.scale, nearest.more, scratch,
                <unsigned char*>(scratch + 4 * WORDS(D)), marks + ROW_MARKS * CROWD, marks,
                <short*>(fine_marks + FINE_MARKS * CROWD), fine_marks)


cdef void replace_centres(Trial *trial, const double *centers, Py_ssize_t D,
                          float *scratch) noexcept nogil:
    """Other candidates, about the same origin and in the same scale. scratch (FLANES + 4,
    WORDS)."""
    cdef Nearest *p = &trial.nearest
    cdef real *exact = <real*>p.centers
    cdef const real *origin = <const real*>p.origin
    cdef Py_ssize_t K = trial.n_candidates, n = FINE(D), k, d
    cdef double length, lost
    cdef double *mark
    cdef float largest = 0, unit = 0
    p.n_panels = (K + CENTRE_PANEL - 1) // CENTRE_PANEL
    p.usable = True
    for k in range(K):
        for d in range(D):
            exact[k * D + d] = <real>centers[k * D + d]
            p.sums[d] = <double>exact[k * D + d] - <double>origin[d]
        p.norms[k] = sqrt(dot(p.sums, p.sums, D))
        p.usable = p.usable and p.norms[k] * p.scale < 1e15
    if not p.usable:
        return
    pack_centres(p, K, D, 0, p.n_panels, scratch)
    for k in range(K):
        mark = trial.fine_marks + k * CANDIDATE_MARKS
        memset(scratch + D, 0, (4 * WORDS(D) - D) * sizeof(float))
        memcpy(scratch, p.lines + k * (D + 1), D * sizeof(float))
        length_of_line(scratch, n, 1, &largest)
        length = p.norms[k] * p.scale * (1 + 1e-6)
        lost = to_halves(scratch, n, largest, <float>(length * (1 + 1e-6)), p.more,
                         trial.fine + k * n, &unit)
        lost = (lost + 6 * UNIT * length + 1e-20) * (1 + 1e-6)
        mark[0] = p.half[k]
        mark[1] = unit
        mark[2] = lost + 16 * UNIT * (length + lost)
        mark[3] = length
        mark[4] = 16 * UNIT * p.half[k]


cdef void rows_near(const Trial *trial, Py_ssize_t start, Py_ssize_t size, Py_ssize_t D,
                    float *kept, unsigned long long *near) noexcept nogil:
    """near (n_candidates,), bit j: whether row j of a wide tile may be nearer to a candidate than
    to all seeds."""
    cdef const Nearest *nearest = &trial.nearest
    cdef float limit[CROWD]
    cdef float form[MOST_SEEDS * CROWD]
    cdef double norm, value, unit = nearest.scale * nearest.scale * (1 + 2.2 * nearest.relative)
    cdef Py_ssize_t j, k
    for j in range(size):
        norm = kept[4 * CROWD + j]
        value = 0.5 * (trial.closest[start + j] * unit - near_square(nearest, norm))
        value += 1e-6 * fabs(value) + UNDERFLOW
        limit[j] = <float>value if norm < FAR else INFINITY
    for j in range(size, CROWD):
        limit[j] = -INFINITY
    sketch_products(kept + ROW_MARKS * CROWD, nearest.sketch, D, kept, nearest.marks,
                    nearest.offsets, nearest.n_panels, 1, NULL, 0, form)
    for k in range(trial.n_candidates):
        near[k] = not_above(form + k * CROWD, limit)


cdef void pair_squares(const char *row0, const char *row1, const real *centers, Py_ssize_t n,
                       Py_ssize_t D, double *square0, double *square1) noexcept nogil:
    """Squared distances of two rows to n centres, by difference; in float64 where these
    overflow."""
    cdef Py_ssize_t n_vectors = D // LANES, first = 0, some, k, d, i
    cdef const char *row[2]
    cdef double *square[2]
    cdef real total[2 * SOME]
    cdef real gap
    cdef double scaled
    row[0], row[1] = row0, row1
    square[0], square[1] = square0, square1
    while first < n:
        some = min(<Py_ssize_t>SOME, n - first)
        row_forms(row0, row1, centers + first * D, D, n_vectors, <int>some, total)
        for i in range(2):
            for k in range(some):
                gap = total[i * SOME + k]
                for d in range(n_vectors * LANES, D):
                    gap += squared(read(row[i] + d * <Py_ssize_t>sizeof(real))
                                   - centers[(first + k) * D + d])
                square[i][first + k] = gap
                if not gap < INFINITY:
                    square[i][first + k] = far_distance(
                        row[i], sizeof(real), centers + (first + k) * D, D, &scaled)
        first += SOME


cdef inline Py_ssize_t list_rows(unsigned long long bits, int *row) noexcept nogil:
    cdef Py_ssize_t n = 0
    while bits != 0:
        row[n] = lowest_bit(bits)
        bits &= bits - 1
        n += 1
    return n


cdef inline void ask_for(const char *at, Py_ssize_t n_bytes) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(min(n_bytes, <Py_ssize_t>ROWS_AHEAD) // CACHE_LINE):
        prefetch(at + i * CACHE_LINE)


cdef void fine_bounds(const Trial *trial, const float *marks, const short *fine, Py_ssize_t j,
                      const int *which, Py_ssize_t n, Py_ssize_t D, double *low,
                      double *high) noexcept nogil:
    """Bounds of the squared distances by difference of row j of a wide tile to some candidates, of
    which `which` has whole fours."""
    cdef const Nearest *nearest = &trial.nearest
    cdef Py_ssize_t width = FINE(D), i
    cdef int product[MOST_SEEDS + 4]
    cdef const double *mark
    cdef double norm = marks[4 * CROWD + j], near = near_square(nearest, norm)
    cdef const float *fine_mark = (<const float*>fine) - FINE_MARKS * CROWD
    cdef double unit = fine_mark[j], lost = fine_mark[CROWD + j], length = fine_mark[2 * CROWD + j]
    cdef double square = nearest.scale * nearest.scale, more = 1 + 2.2 * nearest.relative
    cdef double down = 1 / (square * more), up = more / square, middle, error
    for i in range(0, n, 4):
        fine_products(fine + j * width, trial.fine, width, which + i, product + i)
    for i in range(n):
        mark = trial.fine_marks + which[i] * CANDIDATE_MARKS
        middle = mark[0] - unit * mark[1] * product[i]
        error = lost * mark[3] + length * mark[2] + mark[4]
        low[i] = max(0.0, near + 2 * (middle - error) - UNDERFLOW) * down
        high[i] = ((norm * norm + 2 * (middle + error)) * (1 + 1e-6) + UNDERFLOW) * up


cdef double weighted_sum(const double *weight, const double *closest, Py_ssize_t start,
                         Py_ssize_t size) noexcept nogil:
    """Of a wide tile: infinite where a distance is, but of rows without a weight."""
    cdef double total[8]
    cdef Py_ssize_t j
    for j in range(8):
        total[j] = 0
    if weight == NULL:
        for j in range(size):
            total[j & 7] += closest[start + j]
    else:
        for j in range(size):
            total[j & 7] += weight[start + j] * closest[start + j] if weight[start + j] != 0 else 0
    for j in range(1, 8):
        total[0] += total[j]
    return total[0]


cdef void exact_rows(const Rows *rows, const Trial *trial, Py_ssize_t crowd,
                     unsigned long long *near, double *total) noexcept nogil:
    """total (n_candidates,) += the sums of w min(closest, |x - candidate|^2) of a wide tile, of
    which near (n_candidates,) has the rows that may be nearer to one, and then those that are."""
    cdef Py_ssize_t D = rows.n_features, K = trial.n_candidates, start = crowd * CROWD
    cdef Py_ssize_t size = min(<Py_ssize_t>CROWD, rows.n_samples - start), i, j, k
    cdef unsigned long long any_ = 0
    cdef double square[2 * MOST_SEEDS]
    cdef double closest, weight
    cdef const char *x = rows.x + start * rows.row_stride
    for k in range(K):
        any_ |= near[k]
    for j in range(size):
        closest = trial.closest[start + j]
        weight = rows.sample_weight[start + j] if rows.sample_weight != NULL else 1
        i = j & 1
        if i == 0 and any_ >> j & 3:
            pair_squares(x + j * rows.row_stride, x + min(j + 1, size - 1) * rows.row_stride,
                         <const real*>trial.nearest.centers, K, D, square, square + MOST_SEEDS)
        for k in range(K):
            if not any_ >> j & 1 or not square[i * MOST_SEEDS + k] < closest:
                near[k] &= ~(<unsigned long long>1 << j)
                total[k] += weight * closest if weight != 0 else 0
            elif weight != 0:
                total[k] += weight * square[i * MOST_SEEDS + k]


cdef void try_rows(const Rows *rows, const Trial *trial, Py_ssize_t crowd,
                   unsigned long long *near, double *low, double *high) noexcept nogil:
    """low and high (n_candidates,) += bounds of the sums of w min(closest, |x - candidate|^2) of a
    wide tile, or low the sums themselves; near (n_candidates,): rows that may be nearer to one."""
    cdef Py_ssize_t D = rows.n_features, K = trial.n_candidates, start = crowd * CROWD
    cdef Py_ssize_t size = min(<Py_ssize_t>CROWD, rows.n_samples - start), n_rows, n, i, j, k, t
    cdef float *marks = <float*>(trial.sketches + crowd * sketch_bytes(D))
    cdef const float *fine_marks = <const float*>(<const char*>marks + bytes_of_crowd(D))
    cdef const short *fine = <const short*>(fine_marks + FINE_MARKS * CROWD)
    cdef unsigned long long any_ = 0
    cdef int row[CROWD + 1]
    cdef int which[MOST_SEEDS + 4]
    cdef double lower[MOST_SEEDS]
    cdef double upper[MOST_SEEDS]
    cdef double squares[2 * MOST_SEEDS]
    cdef double base, weight, closest
    cdef const char *x
    cdef const double *w = rows.sample_weight
    if trial.nearest.usable:
        rows_near(trial, start, size, D, marks, near)
    else:
        for k in range(K):
            near[k] = (<unsigned long long>-1) >> (CROWD - size)
    if trial.exact:
        exact_rows(rows, trial, crowd, near, low)
        return
    for k in range(K):
        any_ |= near[k]
    base = weighted_sum(w, trial.closest, start, size)
    for k in range(K):
        low[k] += base
        high[k] += base
    n_rows = list_rows(any_, row)
    row[n_rows] = row[n_rows - 1] if n_rows > 0 else 0
    for i in range(n_rows):
        j = row[i]
        weight = w[start + j] if w != NULL else 1
        closest = trial.closest[start + j]
        n = 0
        for k in range(K):
            which[n] = <int>k
            n += near[k] >> j & 1
        if not fine_marks[CROWD + j] < INFINITY:
            x = rows.x + (start + j) * rows.row_stride
            pair_squares(x, x, <const real*>trial.nearest.centers, K, D, squares,
                         squares + MOST_SEEDS)
            for t in range(n):
                lower[t] = upper[t] = squares[which[t]]
        else:
            ask_for(<const char*>(fine + row[i + 1] * FINE(D)), 2 * FINE(D))
            for k in range(n, n + 3):
                which[k] = which[n - 1]
            fine_bounds(trial, marks, fine, j, which, n, D, lower, upper)
        for t in range(n):
            k = which[t]
            if not lower[t] < closest:
                near[k] &= ~(<unsigned long long>1 << j)
            elif weight != 0:
                low[k] += weight * (lower[t] - closest)
                high[k] += weight * (min(upper[t], closest) - closest)


cdef double take_rows(const Rows *rows, const Trial *trial, Py_ssize_t crowd, Py_ssize_t k,
                      unsigned long long near) noexcept nogil:
    """Take candidate k into `closest` of the rows of a wide tile that may be near it; the sum of
    weight * closest of all."""
    cdef Py_ssize_t D = rows.n_features, start = crowd * CROWD, i, j, n_rows
    cdef Py_ssize_t size = min(<Py_ssize_t>CROWD, rows.n_samples - start)
    cdef const real *seed = <const real*>trial.nearest.centers + k * D
    cdef int row[CROWD + 2]
    cdef double square[2]
    cdef const char *x = rows.x + start * rows.row_stride
    n_rows = list_rows(near & (<unsigned long long>-1) >> (CROWD - size), row)
    row[n_rows] = row[n_rows + 1] = row[n_rows - 1] if n_rows > 0 else 0
    for i in range(0, n_rows, 2):
        if i + 2 < n_rows:
            ask_for(x + row[i + 2] * rows.row_stride, D * <Py_ssize_t>sizeof(real))
            ask_for(x + row[i + 3] * rows.row_stride, D * <Py_ssize_t>sizeof(real))
        pair_squares(x + row[i] * rows.row_stride, x + row[i + 1] * rows.row_stride, seed, 1, D,
                     square, square + 1)
        for j in range(2):
            trial.closest[start + row[i + j]] = min(
                trial.closest[start + row[i + j]], square[j])
    return weighted_sum(rows.sample_weight, trial.closest, start, size)
