# Densities of the steps of hidden Markov models, and sums over symbols.

cdef void step_densities(Streams *s, const Job *job, Py_ssize_t t) noexcept nogil:
    """e of the states in tile t, over the largest of each step, whose logarithm goes to s.top."""
    cdef const Chain *m = job.chain
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t K = m.n_states, M = K * m.n_mix, n = padded(g.n_features), j, k, i, v, first
    cdef Panels *p = &s.p
    cdef const Py_ssize_t *row = s.row + t * TILE
    cdef vec *lp = p.resp + t * M * VECTORS
    cdef vec *state = s.state + t * K * VECTORS
    cdef vec best[VECTORS]
    cdef vec total
    cdef const char *lines[TILE]
    cdef bint idle = False
    for j in range(TILE):
        idle |= row[j] < 0
    if m.codes != NULL:
        look_up_symbols(s, job, t)
    else:
        first = m.cut_rows[0] if m.spans == NULL else m.spans[0].first
        for j in range(TILE):
            lines[j] = job.rows.x + (row[j] if row[j] >= 0 else first) * job.rows.row_stride
        for v in range(VECTORS):
            best[v] = splat(-INFINITY)
        if job.log_prob_given:
            pack_lines(&job.rows, lines, <real*>lp)
            for k in range(K):
                for v in range(VECTORS):
                    best[v] = vmax(lp[k * VECTORS + v], best[v])
        else:
            pack_lines(&job.rows, lines, <real*>(p.x + t * n * VECTORS))
            if g.n_features > FEATURES or g.covariance_type == TIED:
                for j in range(g.n_features * TILE, n * TILE):
                    (<real*>(p.x + t * n * VECTORS))[j] = 0
            if g.covariance_type == FULL:
                for k in range(M):
                    tile_density(g, k, p, t, False, best, lp + k * VECTORS)
                    for v in range(VECTORS):
                        best[v] = vmax(lp[k * VECTORS + v], best[v])
            else:
                axis_densities(g, p, t, best, lp)
        for v in range(VECTORS):
            s.top[t * VECTORS + v] = best[v]
        for k in range(M):
            for v in range(VECTORS):
                lp[k * VECTORS + v] = vexp(lp[k * VECTORS + v] - best[v])
        if m.n_mix > 1:
            for k in range(K):
                for v in range(VECTORS):
                    total = lp[k * m.n_mix * VECTORS + v]
                    for i in range(1, m.n_mix):
                        total = total + lp[(k * m.n_mix + i) * VECTORS + v]
                    state[k * VECTORS + v] = total
    if idle:
        for j in range(TILE):
            if row[j] < 0:
                (<real*>(s.top + t * VECTORS))[j] = 0
                for k in range(K):
                    (<real*>state)[k * TILE + j] = 1


cdef inline Py_ssize_t code_at(const Chain *m, Py_ssize_t row) noexcept nogil:
    """The place of a row's symbol in the tables."""
    return m.codes[row] + 1 if row >= 0 else 0


cdef void look_up_symbols(Streams *s, const Job *job, Py_ssize_t t) noexcept nogil:
    cdef const Chain *m = job.chain
    cdef const char *lines[LANES]
    cdef vec found[LANES]
    cdef real tops[LANES]
    cdef Py_ssize_t v, lane, k, i, b, code
    cdef vec *state = s.state + t * m.n_states * VECTORS
    for v in range(VECTORS):
        for lane in range(LANES):
            code = code_at(m, s.row[(t * VECTORS + v) * LANES + lane])
            lines[lane] = <const char*>(m.emission + code * m.n_lanes)
            tops[lane] = <real>m.log_largest[code]
        memcpy(s.top + t * VECTORS + v, tops, sizeof(vec))
        for b in range((m.n_states + LANES - 1) // LANES):
            k = b * LANES
            load_transposed(lines, k * sizeof(double), found)
            for i in range(min(<Py_ssize_t>LANES, m.n_states - k)):
                state[(k + i) * VECTORS + v] = found[i]


cdef void add_symbols(Streams *s, const Job *job, Py_ssize_t t, double *counts) noexcept nogil:
    """counts (n_symbols + 1, n_lanes) += posteriors of tile t."""
    cdef const Chain *m = job.chain
    cdef const char *lines[LANES]
    cdef vec turned[LANES]
    cdef vec nothing = splat(0)
    cdef Py_ssize_t v, lane, k, i, b
    cdef const vec *state = s.state + t * m.n_states * VECTORS
    cdef const vec *weight = s.p.weight + t * VECTORS
    cdef vec weighted[LANES]
    for v in range(VECTORS):
        for b in range((m.n_states + LANES - 1) // LANES):
            k = b * LANES
            for i in range(LANES):
                weighted[i] = (state[(k + i) * VECTORS + v] * weight[v] if k + i < m.n_states
                               else nothing)
                lines[i] = <const char*>(weighted + i)
            load_transposed(lines, 0, turned)
            for lane in range(LANES):
                i = code_at(m, s.row[(t * VECTORS + v) * LANES + lane])
                add_vec(counts + i * m.n_lanes + k, turned[lane])
