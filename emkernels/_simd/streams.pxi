# The sequences of a block as streams side by side, a lane of the vectors each: the memory of their
# recursions, and where their steps are.


ctypedef struct Streams:
    Panels p
    Py_ssize_t n_padded     # of the states
    dvec *alpha             # (chunk + 1, n_padded, HALVES); of the step before the chunk first
    dvec *inverse           # (chunk, HALVES) one over the probability of the step
    dvec *leads             # (chunk, HALVES) weight of the transition to the step
    dvec *right             # (steps of a subchunk, n_padded, HALVES)
    dvec *raw               # (n_padded, HALVES) forward probabilities, up to `scale`
    dvec *ahead             # the same before the step is seen
    dvec *follows           # the same: what follows, likelihood of the next states
    dvec *beta
    dvec *transitions       # (n_padded, n_padded)
    dvec *kept              # (most_chunks, n_padded, HALVES) alpha before each chunk
    dvec scale[HALVES]
    dvec product[HALVES]    # of the probabilities of steps, logarithms of it, and of maxima
    dvec logs[HALVES]
    dvec tops[HALVES]
    # (n_padded, HALVES) bounds of what was lost, over LEAST; of states that cannot be reached 0
    dvec *ghost
    dvec *ghost_ahead
    vec *state              # (tiles, n_states, TILE): e, with n_mix > 1
    vec *top                # (tiles, VECTORS) largest log densities
    Py_ssize_t *row         # (chunk, LANES), -1: none
    Py_ssize_t *span        # the same
    unsigned char *begins   # (chunk,) a span does, in some lane
    unsigned char *ends
    Py_ssize_t chunk_bytes  # of alpha


cdef Py_ssize_t carve_chain(const Job *job, char *scratch, Streams *s) noexcept nogil:
    cdef const Chain *m = job.chain
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t T = m.chunk // VECTORS, n = padded(g.n_features), K = m.n_states
    cdef Py_ssize_t tile = TILE * sizeof(real), used = 0, M = K * m.n_mix, sub = min(
        T, <Py_ssize_t>SUBCHUNK), states = m.n_padded * HALVES * sizeof(dvec)
    cdef Panels *p = &s.p
    memset(p, 0, sizeof(Panels))
    s.n_padded = m.n_padded
    p.x = <vec*>(scratch + used)
    used += T * n * tile
    p.whitened = <vec*>(scratch + used)
    used += n * tile
    p.resp = <vec*>(scratch + used)
    used += T * max(M, m.n_lanes) * tile
    p.weight = <vec*>(scratch + used)
    used += T * tile
    p.diff = <vec*>(scratch + used)
    used += n * tile
    s.state = p.resp
    if m.n_mix > 1:
        s.state = <vec*>(scratch + used)
        used += T * K * tile
    s.top = <vec*>(scratch + used)
    used += T * tile
    used = aligned(used)
    s.alpha = <dvec*>(scratch + used)
    s.chunk_bytes = (m.chunk + 1) * states
    used += s.chunk_bytes
    s.right = <dvec*>(scratch + used)
    used += aligned(sub * VECTORS * states + (M + 4 * m.n_padded) * sizeof(double))
    s.raw = <dvec*>(scratch + used)
    used += states
    s.ahead = <dvec*>(scratch + used)
    used += states
    s.ghost = <dvec*>(scratch + used)
    used += states
    s.ghost_ahead = <dvec*>(scratch + used)
    used += states
    s.follows = <dvec*>(scratch + used)
    used += states
    s.beta = <dvec*>(scratch + used)
    used += states
    s.kept = <dvec*>(scratch + used)
    used += m.most_chunks * states
    s.transitions = <dvec*>(scratch + used)
    used += m.n_padded * m.n_padded * sizeof(dvec)
    s.inverse = <dvec*>(scratch + used)
    used += m.chunk * HALVES * sizeof(dvec)
    s.leads = <dvec*>(scratch + used)
    used += m.chunk * HALVES * sizeof(dvec)
    used = carve_moments(scratch, used, job.gaussians.n_features, T, p)
    s.row = <Py_ssize_t*>(scratch + used)
    used += m.chunk * LANES * sizeof(Py_ssize_t)
    s.span = <Py_ssize_t*>(scratch + used)
    used += m.chunk * LANES * sizeof(Py_ssize_t)
    s.begins = <unsigned char*>(scratch + used)
    used += aligned(m.chunk)
    s.ends = <unsigned char*>(scratch + used)
    used += aligned(m.chunk)
    p.active = <unsigned char*>(scratch + used)
    used += aligned(T * M)
    return used


cdef Py_ssize_t chain_bytes(const Job *job) noexcept nogil:
    cdef Streams s
    if job.chain.paths != NULL:
        return 6 * job.chain.n_padded * sizeof(double)
    return carve_chain(job, NULL, &s)


cdef Py_ssize_t lane_steps(const Chain *m, Py_ssize_t lane) noexcept nogil:
    cdef Py_ssize_t i, total = 0
    for i in range(m.lane_first[lane], m.lane_first[lane + 1]):
        total += m.spans[i].end - m.spans[i].first
    return total


cdef void lay_out(const Chain *m, Py_ssize_t block, Py_ssize_t start, Py_ssize_t steps,
                  Streams *s) noexcept nogil:
    """Rows and spans at steps start .. start + steps - 1 of the block's streams."""
    cdef Py_ssize_t lane, t, i, end, offset, length
    memset(s.begins, 0, steps)
    memset(s.ends, 0, steps)
    for lane in range(LANES):
        i = m.lane_first[block * LANES + lane]
        end = m.lane_first[block * LANES + lane + 1]
        offset = start
        while i < end and offset >= m.spans[i].end - m.spans[i].first:
            offset -= m.spans[i].end - m.spans[i].first
            i += 1
        for t in range(steps):
            if i == end:
                s.row[t * LANES + lane] = -1
                s.span[t * LANES + lane] = -1
                s.begins[t] |= offset == 0
                offset = 1
                continue
            s.row[t * LANES + lane] = m.spans[i].first + offset
            s.span[t * LANES + lane] = i
            length = m.spans[i].end - m.spans[i].first
            s.begins[t] |= offset == 0
            offset += 1
            if offset == length:
                s.ends[t] = True
                offset = 0
                i += 1


cdef inline bint begins_at(const Chain *m, const Streams *s, Py_ssize_t at) noexcept nogil:
    return s.span[at] >= 0 and s.row[at] == m.spans[s.span[at]].first


cdef inline bint ends_at(const Chain *m, const Streams *s, Py_ssize_t at) noexcept nogil:
    return s.span[at] >= 0 and s.row[at] == m.spans[s.span[at]].end - 1
