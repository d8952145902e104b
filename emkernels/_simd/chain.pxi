# Hidden Markov models: scaled forward-backward over sequences side by side, in float64.
#
# A lane of the vectors is a stream of sequences, one after the other, and a tile is VECTORS steps
# of LANES streams. So the tile functions of mixtures give the densities of a step in the layout
# that the recursions read, these have neither sums across lanes nor transposes, every state is a
# chain of its own for the processor, and posteriors are written where `moments` reads them.
#
# Steps are done in chunks, whose forward probabilities are kept; a stream of several chunks goes
# forward once for the probabilities at their ends, and then from the last to the first again.
#
# Forward probabilities that fall below LEAST are lost. Whether this may matter later, which only
# transition probabilities near zero allow, is followed: what LEAST in every state that can be
# reached would have become. Where it does, or a step has no probability left, the span is astray:
# plain_span does it with logarithms.

cdef enum:
    SUBCHUNK = 32       # tiles that are in the first caches when their sums are made

cdef double LEAST = 1e-200 if IS_DOUBLE else 1e-36       # of a forward probability that counts
cdef double LEAST_STEP = 1e-100 if IS_DOUBLE else 1e-20  # of a step given the past
cdef double MARGIN = 1e20 if IS_DOUBLE else 1e10         # how much less is as nothing
cdef double SMALLEST = 2.3e-308 if IS_DOUBLE else 1.2e-38    # that the exponential gives
cdef double SMALL = 1e-8                                 # of a sum that is made one again
cdef double TINY = 5e-324


cdef inline void mix_group(const double *A, Py_ssize_t K, Py_ssize_t stride, const dvec *x,
                           dvec *out, Py_ssize_t n) noexcept nogil:
    """out (n, HALVES) = sum_i A[i, j] x[i] of n columns; n is a literal."""
    cdef dvec acc[8]
    cdef dvec a
    cdef Py_ssize_t i, j, h
    for j in range(n * HALVES):
        acc[j] = dsplat(0)
    for i in range(K):
        for j in range(n):
            a = dsplat(A[i * stride + j])
            for h in range(HALVES):
                acc[j * HALVES + h] = acc[j * HALVES + h] + a * x[i * HALVES + h]
    for j in range(n * HALVES):
        out[j] = acc[j]


cdef void mix(const double *A, Py_ssize_t K, Py_ssize_t n_padded, const dvec *x,
              dvec *out) noexcept nogil:
    """out (n_padded, HALVES) = A' x in every lane, A (K, n_padded)."""
    cdef Py_ssize_t j = 0
    if HALVES == 1:
        while j + 8 <= n_padded:
            mix_group(A + j, K, n_padded, x, out + j * HALVES, 8)
            j += 8
    while j < n_padded:
        mix_group(A + j, K, n_padded, x, out + j * HALVES, 4)
        j += 4


cdef void open_spans(Streams *s, const Chain *m, Py_ssize_t t) noexcept nogil:
    """Lanes whose span begins at step t, or that have none: what is expected is given."""
    cdef Py_ssize_t lane, h, k, at, i
    cdef const double *before
    cdef double *ahead = <double*>s.ahead
    cdef bint opens
    for lane in range(LANES):
        at = t * LANES + lane
        if s.span[at] >= 0 and not begins_at(m, s, at):
            continue
        opens = s.span[at] < 0 or m.spans[s.span[at]].opens
        before = m.spans[s.span[at]].before if s.span[at] >= 0 else m.start
        for k in range(m.n_states):
            ahead[k * LANES + lane] = before[k]
            (<double*>s.ghost_ahead)[k * LANES + lane] = before[k] > 0 or not opens
        (<double*>s.scale)[lane] = 1
        (<double*>s.product)[lane] = 1
        (<double*>s.logs)[lane] = 0
        (<double*>s.tops)[lane] = 0


cdef void close_spans(Streams *s, const Chain *m, Py_ssize_t t) noexcept nogil:
    """Lanes whose span ends at step t: its log-likelihood."""
    cdef Py_ssize_t lane
    for lane in range(LANES):
        if ends_at(m, s, t * LANES + lane):
            m.log_likelihoods[s.span[t * LANES + lane]] = (
                (<double*>s.logs)[lane] + log((<double*>s.product)[lane]) + (<double*>s.tops)[lane])


cdef void mend_step(Streams *s, const Chain *m, Py_ssize_t t, bint again,
                    dvec *c) noexcept nogil:
    """Lanes without a probability of the step, or too small a one, go on from nothing known."""
    cdef Py_ssize_t lane, k, i = 0
    cdef double *value = <double*>c
    for lane in range(LANES):
        if not (value[lane] >= LEAST_STEP):
            lead_astray(s, m, t, lane, again)
            for k in range(m.n_states):
                (<double*>s.raw)[k * LANES + lane] = 1.0 / m.n_states
            value[lane] = 1
        # steps of mixtures are over the largest component's density, and so may be above one
        if not 1e-150 <= (<double*>s.product)[lane] <= 1e150:
            (<double*>s.logs)[lane] += log((<double*>s.product)[lane])
            (<double*>s.product)[lane] = 1


cdef void lead_astray(Streams *s, const Chain *m, Py_ssize_t t, Py_ssize_t lane,
                      bint again) noexcept nogil:
    cdef Py_ssize_t k, i = s.span[t * LANES + lane]
    if i >= 0 and not again:
        m.astray[i] = True
    for k in range(m.n_states):
        (<double*>s.ghost)[k * LANES + lane] = 0


cdef inline bint follow_ghosts(Streams *s, Py_ssize_t K, const real *e,
                               const dvec *inverse) noexcept nogil:
    """One step of what was lost; whether all of it is as nothing still."""
    cdef Py_ssize_t k, h
    cdef dvec ahead, ghost
    cdef dvec most[HALVES]
    cdef dvec floor[HALVES]
    cdef bint well = True
    for h in range(HALVES):
        most[h] = dsplat(0)
        # what the exponential drops at this step, too
        floor[h] = dmax(dsplat(1), dsplat(SMALLEST / LEAST) * inverse[h])
    for k in range(K):
        for h in range(HALVES):
            ahead = s.ghost_ahead[k * HALVES + h]
            ghost = dmax(ahead * widen(e + k * TILE + h * DLANES) * inverse[h], floor[h])
            ghost = dkeep_if_ge(ghost, ahead, dsplat(TINY))
            s.ghost[k * HALVES + h] = ghost
            most[h] = dmax(most[h], ghost)
    for h in range(HALVES):
        well &= dall_ge(dsplat(1 / (LEAST * MARGIN)), most[h])
    return well


cdef void go_forward(Streams *s, const Job *job, Py_ssize_t steps, bint again) noexcept nogil:
    """The forward recursion over a chunk; `again`: the log-likelihoods are there."""
    cdef const Chain *m = job.chain
    cdef Py_ssize_t K = m.n_states, t, k, h, lane, size = s.n_padded * HALVES
    cdef const real *e
    cdef dvec *alpha
    cdef dvec a
    cdef dvec c[HALVES]
    cdef dvec odd[HALVES]
    cdef bint well, wary = not m.safe and not again
    for t in range(steps):
        if t % VECTORS == 0:
            step_densities(s, job, t // VECTORS)
        e = <const real*>(s.state + t // VECTORS * K * VECTORS + t % VECTORS)
        alpha = s.alpha + (t + 1) * size
        mix(m.forward, K, s.n_padded, s.raw, s.ahead)
        if wary:
            mix(m.forward, K, s.n_padded, s.ghost, s.ghost_ahead)
        if s.begins[t]:
            open_spans(s, m, t)
        for h in range(HALVES):
            c[h] = dsplat(0)
            odd[h] = dsplat(0)
        for k in range(K):
            for h in range(HALVES):
                a = s.ahead[k * HALVES + h] * s.scale[h] * widen(e + k * TILE + h * DLANES)
                s.raw[k * HALVES + h] = a
                if k % 2 == 0:
                    c[h] = c[h] + a
                else:
                    odd[h] = odd[h] + a
        well = True
        for h in range(HALVES):
            c[h] = c[h] + odd[h]
            s.product[h] = s.product[h] * c[h]
            s.tops[h] = s.tops[h] + widen(<const real*>(s.top + t) + h * DLANES)
            well &= (dall_ge(c[h], dsplat(LEAST_STEP)) & dall_ge(s.product[h], dsplat(1e-150))
                     & dall_ge(dsplat(1e150), s.product[h]))
        if not well:
            mend_step(s, m, t, again, c)
        for h in range(HALVES):
            a = dsplat(1) / c[h]
            s.scale[h] = a
            s.inverse[t * HALVES + h] = a
        for k in range(K):
            for h in range(HALVES):
                alpha[k * HALVES + h] = s.raw[k * HALVES + h] * s.scale[h]
        if wary and not follow_ghosts(s, K, e, s.scale):
            for lane in range(LANES):
                for k in range(K):
                    if (<double*>s.ghost)[k * LANES + lane] > 1 / (LEAST * MARGIN):
                        lead_astray(s, m, t, lane, again)
        if s.ends[t] and not again:
            close_spans(s, m, t)


cdef void step_weights(Streams *s, const Job *job, Py_ssize_t steps) noexcept nogil:
    """Weights of rows, and of the transitions that lead to them; none of spans that are astray."""
    cdef const Chain *m = job.chain
    cdef Py_ssize_t at, i
    cdef double w
    for at in range(steps * LANES):
        i = s.span[at]
        w = 0
        if i >= 0 and not m.astray[i]:
            w = m.sequence_weight[m.spans[i].sequence] if m.sequence_weight != NULL else 1
        (<real*>s.p.weight)[at] = <real>w
        (<double*>s.leads)[at] = 0 if begins_at(m, s, at) else w


cdef void end_spans(Streams *s, const Job *job, Py_ssize_t t, double *extra) noexcept nogil:
    """Lanes whose span ends at step t: what follows is known. The transition into what is behind
    goes to `extra` (n_padded, n_padded), as all of them without its probability."""
    cdef const Chain *m = job.chain
    cdef Py_ssize_t lane, k, i, K = m.n_states
    cdef double *beta = <double*>s.beta
    cdef const double *alpha = <const double*>(s.alpha + (t + 1) * s.n_padded * HALVES)
    cdef const double *behind
    cdef double total, w
    for lane in range(LANES):
        if not ends_at(m, s, t * LANES + lane):
            continue
        behind = m.spans[s.span[t * LANES + lane]].behind
        total = 0
        for k in range(K):
            beta[k * LANES + lane] = 1 if behind == NULL else 0
            if behind != NULL:
                for i in range(K):
                    beta[k * LANES + lane] += m.backward[i * m.n_padded + k] * behind[i]
                total += alpha[k * LANES + lane] * beta[k * LANES + lane]
        if behind == NULL:
            continue
        w = <double>(<real*>s.p.weight)[t * LANES + lane] / total
        for k in range(K):
            beta[k * LANES + lane] /= total
            for i in range(K):
                extra[k * m.n_padded + i] += w * alpha[k * LANES + lane] * behind[i]


cdef void add_starts(Streams *s, const Job *job, Py_ssize_t t, double *starts) noexcept nogil:
    cdef const Chain *m = job.chain
    cdef Py_ssize_t lane, k
    cdef double w
    for lane in range(LANES):
        if not begins_at(m, s, t * LANES + lane) or not m.spans[s.span[t * LANES + lane]].opens:
            continue
        w = <double>(<real*>s.p.weight)[t * LANES + lane]
        for k in range(m.n_states):
            starts[k] += w * (<double*>s.beta)[k * LANES + lane]


cdef void go_back(Streams *s, const Job *job, Py_ssize_t t, Py_ssize_t at,
                  double *sums) noexcept nogil:
    """The backward recursion at step t: e becomes the posterior."""
    cdef const Chain *m = job.chain
    cdef Py_ssize_t K = m.n_states, k, h, i, size = s.n_padded * HALVES
    cdef vec *state = s.state + t // VECTORS * K * VECTORS + t % VECTORS
    cdef vec *part = s.p.resp + t // VECTORS * K * m.n_mix * VECTORS + t % VECTORS
    cdef const dvec *alpha = s.alpha + (t + 1) * size
    cdef dvec *right = s.right + at * size
    cdef dvec e, r, gamma, beta
    cdef vec share
    mix(m.backward, K, s.n_padded, s.follows, s.beta)
    if s.ends[t]:
        end_spans(s, job, t, sums + s.n_padded)
    for k in range(K):
        share = state[k * VECTORS]
        for h in range(HALVES):
            e = widen(<const real*>(state + k * VECTORS) + h * DLANES)
            beta = s.beta[k * HALVES + h]
            # what is lost has no part in what was before; nor can it overflow
            r = dkeep_if_ge(e * beta * s.inverse[t * HALVES + h], alpha[k * HALVES + h],
                            dsplat(LEAST))
            gamma = dkeep_if_ge(alpha[k * HALVES + h] * beta, alpha[k * HALVES + h], dsplat(LEAST))
            s.follows[k * HALVES + h] = r
            right[k * HALVES + h] = r * s.leads[t * HALVES + h]
            narrow(gamma, <real*>(state + k * VECTORS) + h * DLANES)
            s.beta[k * HALVES + h] = gamma
        if m.n_mix > 1:
            share = state[k * VECTORS] / vmax(
                share, splat(<real>(2.3e-308 if IS_DOUBLE else 1.18e-38)))
            for i in range(m.n_mix):
                part[(k * m.n_mix + i) * VECTORS] = part[(k * m.n_mix + i) * VECTORS] * share
    for k in range(K * HALVES, size):
        right[k] = dsplat(0)
    if s.begins[t]:
        add_starts(s, job, t, sums)


cdef void add_transitions(Streams *s, Py_ssize_t first, Py_ssize_t steps) noexcept nogil:
    """transitions += alpha of the step before times what the step has to the right, of the
    chunk's steps from `first`."""
    cdef Py_ssize_t n = s.n_padded, size = n * HALVES, a, b, t, i, j, h
    cdef dvec acc[16]
    cdef const dvec *left
    cdef const dvec *right
    for a in range(0, n, 4):
        for b in range(0, n, 4):
            for i in range(4):
                for j in range(4):
                    acc[i * 4 + j] = s.transitions[(a + i) * n + b + j]
            left = s.alpha + first * size + a * HALVES
            right = s.right + b * HALVES
            for t in range(steps):
                for h in range(HALVES):
                    for i in range(4):
                        for j in range(4):
                            acc[i * 4 + j] = (acc[i * 4 + j]
                                              + left[i * HALVES + h] * right[j * HALVES + h])
                left += size
                right += size
            for i in range(4):
                for j in range(4):
                    s.transitions[(a + i) * n + b + j] = acc[i * 4 + j]


cdef void write_posteriors(Streams *s, const Job *job, Py_ssize_t t) noexcept nogil:
    cdef Py_ssize_t K = job.chain.n_states, j, k, i
    cdef const real *state = <const real*>(s.state + t * K * VECTORS)
    cdef real *out
    for j in range(TILE):
        i = s.span[t * TILE + j]
        if i >= 0 and not job.chain.astray[i]:
            out = <real*>job.resp_out + s.row[t * TILE + j] * K
            for k in range(K):
                out[k] = state[k * TILE + j]


cdef void chunk_back(Streams *s, const Job *job, Py_ssize_t steps, double *sums) noexcept nogil:
    """The backward recursion over a chunk, and its sums: see chain_block."""
    cdef const Chain *m = job.chain
    cdef Py_ssize_t n = padded(job.gaussians.n_features), M = m.n_states * m.n_mix
    cdef Py_ssize_t tiles = steps // VECTORS, first, end = tiles, i
    cdef double *rest = sums + s.n_padded + 2 * s.n_padded * s.n_padded
    cdef Panels p
    step_weights(s, job, steps)
    while end > 0:
        first = max(<Py_ssize_t>0, end - SUBCHUNK)
        for i in range(end * VECTORS - 1, first * VECTORS - 1, -1):
            go_back(s, job, i, i - first * VECTORS, sums)
        add_transitions(s, first * VECTORS, (end - first) * VECTORS)
        if job.resp_out != NULL:
            for i in range(first, end):
                write_posteriors(s, job, i)
        if m.codes != NULL:
            for i in range(first, end):
                add_symbols(s, job, i, rest)
        elif job.second_moments:
            p = s.p
            p.n_tiles = end - first
            p.x += first * n * VECTORS
            p.resp += first * M * VECTORS
            p.weight += first * VECTORS
            p.active += first * M
            moments(&p, job, rest)
        end = first


cdef void chain_block(const Job *job, Py_ssize_t block, char *scratch,
                      double *accumulators) noexcept nogil:
    """The spans of a block's lanes: log-likelihoods, posteriors where wanted, and sums: starts
    (n_padded,) | transitions over their probabilities (n_padded, n_padded) | transitions | of
    symbols (n_symbols + 1, n_lanes), or moments as a mixture's."""
    cdef const Chain *m = job.chain
    cdef Streams s
    cdef Py_ssize_t n = m.n_padded, size = n * HALVES, longest = 0, lane, i, c, chunks, steps
    cdef double *values
    carve_chain(job, scratch, &s)
    for lane in range(LANES):
        longest = max(longest, lane_steps(m, block * LANES + lane))
    longest = (longest + VECTORS - 1) // VECTORS * VECTORS
    chunks = (longest + m.chunk - 1) // m.chunk
    memset(s.p.active, 1, m.chunk // VECTORS * m.n_states * m.n_mix)
    memset(s.transitions, 0, n * n * sizeof(dvec))
    memset(s.alpha, 0, size * sizeof(dvec))
    memset(s.raw, 0, size * sizeof(dvec))
    memset(s.ghost, 0, size * sizeof(dvec))
    memset(s.follows, 0, size * sizeof(dvec))
    for c in range(chunks if chunks > 1 else 0):
        memcpy(s.kept + c * size, s.alpha, size * sizeof(dvec))
        steps = min(m.chunk, longest - c * m.chunk)
        lay_out(m, block, c * m.chunk, steps, &s)
        go_forward(&s, job, steps, False)
        memcpy(s.alpha, s.alpha + steps * size, size * sizeof(dvec))
    for c in range(chunks - 1, -1, -1):
        steps = min(m.chunk, longest - c * m.chunk)
        if chunks > 1:
            memcpy(s.alpha, s.kept + c * size, size * sizeof(dvec))
            memcpy(s.raw, s.alpha, size * sizeof(dvec))
            for i in range(HALVES):
                s.scale[i] = dsplat(1)
                s.product[i] = dsplat(1)
        lay_out(m, block, c * m.chunk, steps, &s)
        go_forward(&s, job, steps, chunks > 1)
        if job.first_moments or job.resp_out != NULL:
            chunk_back(&s, job, steps, accumulators)
    for i in range(n * n):
        values = <double*>(s.transitions + i)
        for lane in range(DLANES):
            accumulators[n + i] += values[lane]
    for lane in range(block * LANES, block * LANES + LANES):
        for i in range(m.lane_first[lane], m.lane_first[lane + 1]):
            if m.astray[i]:
                plain_span(job, &s, i, accumulators)
