# Latent classes. A row is some lookups: for each group of items the log probabilities of its code
# in all lanes, which add up; a missing answer adds zero. With one start lanes are classes, and
# LANES rows are turned round so that the maximum, the exponentials and the sum of the classes run
# across vectors; with several starts lanes are these, and nothing is to be turned.
#
# Codes have no precision, and all is float64: only that level's table runs this.

cdef enum:
    CLASS_ROWS = 256


cdef Py_ssize_t class_bytes(const Job *job) noexcept nogil:
    return 2 * LANES * job.classes.n_lanes * sizeof(real) + 128


cdef inline vec read_vec(const double *at) noexcept nogil:
    cdef vec out
    memcpy(&out, at, sizeof(vec))
    return out


cdef inline void add_vec(double *at, vec x) noexcept nogil:
    cdef vec total
    memcpy(&total, at, sizeof(vec))
    total = total + x
    memcpy(at, &total, sizeof(vec))


cdef void look_up_tile(const Classes *m, const Py_ssize_t *rows, vec *lp) noexcept nogil:
    """lp (LANES,) = log weight and log probabilities of LANES rows, one vector each."""
    cdef Py_ssize_t g, i, start
    cdef const unsigned char *codes
    cdef const vec *table = <const vec*>m.tables
    cdef vec sums[LANES]
    for i in range(LANES):
        sums[i] = (<const vec*>m.log_weights)[0]
    for g in range(m.n_groups):
        start = m.first_code[g]
        codes = m.codes + g
        for i in range(LANES):
            sums[i] = sums[i] + table[start + codes[rows[i] * m.n_groups]]
    for i in range(LANES):
        lp[i] = sums[i]


cdef void look_up(const Classes *m, Py_ssize_t row, vec *lp) noexcept nogil:
    """lp (n_lanes) = log weight and log probabilities of a row."""
    cdef Py_ssize_t V = m.n_lanes // LANES, g, v
    cdef const unsigned char *codes = m.codes + row * m.n_groups
    cdef const vec *table
    for v in range(V):
        lp[v] = (<const vec*>m.log_weights)[v]
    for g in range(m.n_groups):
        table = <const vec*>m.tables + (m.first_code[g] + codes[g]) * V
        for v in range(V):
            lp[v] = lp[v] + table[v]


cdef void add_numbers(const Classes *m, Py_ssize_t row, vec *lp) noexcept nogil:
    """The log densities of the row's numbers."""
    cdef Py_ssize_t V = m.n_lanes // LANES, j, v
    cdef const double *x = m.numbers + row * m.n_numbers
    cdef vec e
    for j in range(m.n_numbers):
        if x[j] != x[j]:
            continue
        for v in range(V):
            e = ((splat(<real>x[j]) - (<const vec*>m.means)[j * V + v])
                 * (<const vec*>m.scales)[j * V + v])
            e = vmin(e * e, splat(<real>1e300))
            lp[v] = lp[v] + ((<const vec*>m.log_scales)[j * V + v] - splat(<real>0.5) * e)


cdef inline vec share(vec *lp, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    """Log densities of n classes become responsibilities; the log of the sum."""
    cdef vec best = lp[0], total = splat(0), inverse
    cdef Py_ssize_t c
    for c in range(1, n):
        best = vmax(best, lp[c * stride])
    for c in range(n):
        lp[c * stride] = vexp(lp[c * stride] - best)
        total = total + lp[c * stride]
    inverse = splat(1) / total
    for c in range(n):
        lp[c * stride] = lp[c * stride] * inverse
    return best + vlog(total)


cdef void add_row(const Classes *m, Py_ssize_t row, const vec *r, double *counts) noexcept nogil:
    """Add what a row leaves with the weighted responsibilities r: counts (n_lanes,), tables
    (n_codes, n_lanes), and of the numbers (n_numbers, 3, n_lanes) the sums of r, r e, r e^2."""
    cdef Py_ssize_t W = m.n_lanes, V = W // LANES, g, v, j
    cdef const unsigned char *codes = m.codes + row * m.n_groups
    cdef double *at
    cdef const double *x
    cdef vec e
    for v in range(V):
        add_vec(counts + v * LANES, r[v])
    counts += W
    if V == 1:
        e = r[0]
        for g in range(m.n_groups):
            add_vec(counts + (m.first_code[g] + codes[g]) * LANES, e)
    else:
        for g in range(m.n_groups):
            at = counts + (m.first_code[g] + codes[g]) * W
            for v in range(V):
                add_vec(at + v * LANES, r[v])
    counts += m.n_codes * W
    x = m.numbers + row * m.n_numbers
    for j in range(m.n_numbers):
        if x[j] == x[j]:
            at = counts + j * 3 * W
            for v in range(V):
                e = splat(<real>x[j]) - (<const vec*>m.means)[j * V + v]
                add_vec(at + v * LANES, r[v])
                add_vec(at + W + v * LANES, r[v] * e)
                add_vec(at + 2 * W + v * LANES, r[v] * e * e)


cdef void class_block(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                      double *accumulators) noexcept nogil:
    """Rows first .. first + count - 1: write the row outputs, add the sums: log-likelihoods of
    the starts, then as add_row has it."""
    if not IS_DOUBLE:
        return
    if job.classes.n_starts == 1:
        class_rows(job, first, count, scratch, accumulators)
    else:
        start_rows(job, first, count, scratch, accumulators)


cdef void class_rows(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                     double *accumulators) noexcept nogil:
    """Of one start: lanes are classes."""
    cdef const Classes *m = job.classes
    cdef Py_ssize_t C = m.n_classes, V = m.n_lanes // LANES, b, c, i, v, n, row
    cdef vec *lp = <vec*>scratch                # (LANES, V) of the rows
    cdef vec *turned = lp + LANES * V           # (V LANES,) classes of all the rows
    cdef Py_ssize_t rows[LANES]
    cdef const char *lines[LANES]
    cdef double weights[LANES]
    cdef double norms[LANES]
    cdef vec norm, weight, best
    b = 0
    while b < count:
        n = min(<Py_ssize_t>LANES, count - b)
        for i in range(LANES):
            rows[i] = first + b + (i if i < n else 0)
            weights[i] = 0 if i >= n else (
                job.rows.sample_weight[rows[i]] if job.rows.sample_weight != NULL else 1)
        if V == 1:
            look_up_tile(m, rows, lp)
        else:
            for i in range(LANES):
                look_up(m, rows[i], lp + i * V)
        if m.n_numbers > 0:
            for i in range(LANES):
                add_numbers(m, rows[i], lp + i * V)
        for i in range(LANES):
            lines[i] = <const char*>(lp + i * V)
        for v in range(V):
            load_transposed(lines, v * sizeof(vec), turned + v * LANES)
        norm = share(turned, C, 1)
        for c in range(C, V * LANES):
            turned[c] = splat(0)
        if job.log_prob_norm_out != NULL:
            memcpy(norms, &norm, sizeof(vec))
            for i in range(n):
                (<double*>job.log_prob_norm_out)[rows[i]] = norms[i]
        if job.resp_out != NULL:
            for i in range(n):
                for c in range(C):
                    (<double*>job.resp_out)[rows[i] * C + c] = (<real*>(turned + c))[i]
        if job.labels_out != NULL:
            for i in range(n):
                row = 0
                for c in range(1, C):
                    if (<real*>(turned + c))[i] > (<real*>(turned + row))[i]:
                        row = c
                job.labels_out[rows[i]] = <int>row
        if job.first_moments:
            weight = read_vec(weights)
            norm = norm * weight
            accumulators[0] += lanes_of(norm)
            for c in range(C):
                turned[c] = turned[c] * weight
            for v in range(V):
                for i in range(LANES):
                    lines[i] = <const char*>(turned + v * LANES + i)
                load_transposed(lines, 0, lp + v * LANES)
            # lp is now (V, LANES rows); a row's vectors are put side by side
            if V == 1:
                for i in range(n):
                    add_row(m, rows[i], lp + i, accumulators + 1)
            else:
                for i in range(n):
                    for v in range(V):
                        turned[v] = lp[v * LANES + i]
                    add_row(m, rows[i], turned, accumulators + 1)
        b += n


cdef inline double lanes_of(vec x) noexcept nogil:
    """The sum of the lanes, in order."""
    cdef double values[LANES]
    cdef double total = 0
    cdef Py_ssize_t i
    memcpy(values, &x, sizeof(vec))
    for i in range(LANES):
        total += values[i]
    return total


cdef void start_rows(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                     double *accumulators) noexcept nogil:
    """Of several starts: lanes are starts, a few vectors for each class."""
    cdef const Classes *m = job.classes
    cdef Py_ssize_t V = m.n_lanes // LANES, S = m.n_starts // LANES, row, s, v
    cdef vec *lp = <vec*>scratch
    cdef vec weight
    for row in range(first, first + count):
        look_up(m, row, lp)
        if m.n_numbers > 0:
            add_numbers(m, row, lp)
        weight = splat(<real>(
            job.rows.sample_weight[row] if job.rows.sample_weight != NULL else 1))
        for s in range(S):
            add_vec(accumulators + s * LANES, share(lp + s, m.n_classes, S) * weight)
        for v in range(V):
            lp[v] = lp[v] * weight
        add_row(m, row, lp, accumulators + m.n_starts)
