# Forward-backward with logarithms, for spans that are astray (see chain.pxi).

cdef void row_densities(const Job *job, Py_ssize_t row, double *parts, double *out) noexcept nogil:
    """out (n_states,) log densities, and of a mixture's components, parts (n_states n_mix,)."""
    cdef const Chain *m = job.chain
    cdef Py_ssize_t k, i, code
    cdef Far form
    cdef double distance
    for k in range(m.n_states):
        if m.codes != NULL:
            code = code_at(m, row)
            out[k] = m.log_largest[code] + log(m.emission[code * m.n_lanes + k])
            continue
        if job.log_prob_given:
            out[k] = read(job.rows.x + row * job.rows.row_stride + k * job.rows.column_stride)
            continue
        for i in range(k * m.n_mix, (k + 1) * m.n_mix):
            far_complete(job, row, i, &form)
            parts[i] = far_log_density(&form, &distance)
        out[k] = log_sum(parts + k * m.n_mix, m.n_mix)


cdef double log_sum(const double *x, Py_ssize_t n) noexcept nogil:
    cdef double top = -INFINITY, total = 0
    cdef Py_ssize_t i
    for i in range(n):
        top = max(top, x[i])
    if not (top > -INFINITY):
        return -INFINITY
    for i in range(n):
        total += exp(x[i] - top)
    return top + log(total)


cdef double plain_step(const Job *job, Py_ssize_t row, const double *logs, const double *before,
                       double *parts, double *alpha) noexcept nogil:
    """alpha (n_states,) = logarithms of the forward probabilities, the largest taken out and
    returned; of the first step where `logs` says what is expected."""
    cdef const Chain *m = job.chain
    cdef Py_ssize_t K = m.n_states, i, j
    cdef double top = -INFINITY
    cdef double *density = parts + K * m.n_mix
    cdef double *terms = density + K
    row_densities(job, row, parts, density)
    for j in range(K):
        if logs != NULL:
            terms[0] = log(logs[j])
        else:
            for i in range(K):
                terms[i] = before[i] + m.log_forward[i * m.n_padded + j]
        alpha[j] = density[j] + (terms[0] if logs != NULL else log_sum(terms, K))
        top = max(top, alpha[j])
    for j in range(K if top > -INFINITY else 0):
        alpha[j] -= top
    return top


cdef void plain_span(const Job *job, Streams *s, Py_ssize_t index,
                     double *accumulators) noexcept nogil:
    cdef const Chain *m = job.chain
    cdef const Span *span = &m.spans[index]
    cdef Py_ssize_t K = m.n_states, n = m.n_padded, t, i, k, part, parts, first, end, T
    cdef Py_ssize_t size = m.chunk
    cdef double *alpha = <double*>s.alpha       # at least (size + 1, n)
    cdef double *kept = <double*>s.kept
    cdef double *beta = <double*>s.beta
    cdef double *follows = <double*>s.follows
    cdef double *work = <double*>s.right        # at least 16 n
    cdef double *gamma = work + K * m.n_mix + 2 * K
    cdef double total = 0, top, norm, w
    w = m.sequence_weight[span.sequence] if m.sequence_weight != NULL else 1
    T = span.end - span.first
    parts = (T + size - 1) // size
    for t in range(T):
        if t % size == 0 and t > 0:
            memcpy(kept + t // size * n, alpha + (size - 1) * n, K * sizeof(double))
            memcpy(beta, alpha + (size - 1) * n, K * sizeof(double))
        top = plain_step(job, span.first + t, span.before if t == 0 else NULL,
                         beta if t % size == 0 else alpha + (t % size - 1) * n, work,
                         alpha + t % size * n)
        total += top
        if not (top > -INFINITY):
            m.log_likelihoods[index] = -INFINITY
            for t in range(T * K if job.resp_out != NULL else 0):
                (<real*>job.resp_out)[span.first * K + t] = 0
            return
    m.log_likelihoods[index] = total + log_sum(alpha + (T - 1) % size * n, K)
    if not job.first_moments and job.resp_out == NULL:
        return
    for k in range(K):
        beta[k] = 0
        for i in range(K if span.behind != NULL else 0):
            beta[k] += m.backward[i * n + k] * span.behind[i]
        if span.behind != NULL:
            beta[k] = log(beta[k])
    for part in range(parts - 1, -1, -1):
        first = part * size
        end = min(T, first + size)
        if part < parts - 1:
            for t in range(first, end):
                plain_step(job, span.first + t, span.before if t == 0 else NULL,
                           kept + part * n if t == first else alpha + (t - 1 - first) * n, work,
                           alpha + (t - first) * n)
        for t in range(end - 1, first - 1, -1):
            if t < T - 1 or span.behind != NULL:
                # the transition to the step that `follows` has, with its density
                pair_posteriors(m, alpha + (t - first) * n, follows, span.behind if t == T - 1
                                else NULL, w, gamma, accumulators + n + n * n)
            if t < T - 1:
                top = -INFINITY
                for k in range(K):
                    for i in range(K):
                        gamma[i] = m.log_forward[k * n + i] + follows[i]
                    beta[k] = log_sum(gamma, K)
                    # what cannot be here may have a future far more probable
                    top = max(top, alpha[(t - first) * n + k] + beta[k])
                for k in range(K):
                    beta[k] -= top
            for k in range(K):
                gamma[k] = alpha[(t - first) * n + k] + beta[k]
            norm = log_sum(gamma, K)
            row_densities(job, span.first + t, work, work + K * m.n_mix)
            for k in range(K):
                gamma[k] = exp(gamma[k] - norm)
                follows[k] = work[K * m.n_mix + k] + beta[k]
                if job.resp_out != NULL:
                    (<real*>job.resp_out)[(span.first + t) * K + k] = <real>gamma[k]
                if t == 0 and span.opens:
                    accumulators[k] += w * gamma[k]
            if job.second_moments or m.codes != NULL:
                add_plain(job, span.first + t, w, gamma, work, work + K * m.n_mix,
                          accumulators + n + 2 * n * n)


cdef void pair_posteriors(const Chain *m, const double *alpha, const double *follows,
                          const double *behind, double w, double *terms,
                          double *sums) noexcept nogil:
    """Add the posteriors of a transition."""
    cdef Py_ssize_t K = m.n_states, n = m.n_padded, i, j
    cdef double top = -INFINITY, total = 0, value
    cdef int turn
    for turn in range(3):
        for i in range(K):
            for j in range(K):
                value = (alpha[i] + m.log_forward[i * n + j]
                         + (follows[j] if behind == NULL else log(behind[j])))
                if turn == 0:
                    top = max(top, value)
                elif turn == 1:
                    total += exp(value - top)
                else:
                    sums[i * n + j] += w * exp(value - top) / total
        if not (top > -INFINITY):
            return


cdef void add_plain(const Job *job, Py_ssize_t row, double w, const double *gamma,
                    const double *parts, const double *density, double *sums) noexcept nogil:
    """Add what one row leaves."""
    cdef const Chain *m = job.chain
    cdef const Gaussians *g = &job.gaussians
    cdef Py_ssize_t M = m.n_states * m.n_mix, D = g.n_features, k, c, a, b
    cdef const real *mean
    cdef double *second
    cdef double r, x
    if m.codes != NULL:
        for k in range(m.n_states):
            sums[code_at(m, row) * m.n_lanes + k] += w * gamma[k]
        return
    for c in range(M):
        k = c // m.n_mix
        if not (gamma[k] > 0):
            continue
        r = w * gamma[k] * exp(parts[c] - density[k])
        mean = <const real*>g.packed + c * component_stride(g) + HEADER
        second = sums + M + M * D
        if g.covariance_type != TIED:
            second += c * (D * (D + 1) // 2 if g.covariance_type == FULL else D)
        sums[c] += r
        for a in range(D):
            x = gap(job, row, a, mean)
            sums[M + c * D + a] += r * x
            if g.covariance_type == FULL or g.covariance_type == TIED:
                for b in range(a + 1):
                    second[a * (a + 1) // 2 + b] += r * x * gap(job, row, b, mean)
            else:
                second[a] += r * x * x


cdef inline double gap(const Job *job, Py_ssize_t row, Py_ssize_t column,
                       const real *mean) noexcept nogil:
    return <double>read(job.rows.x + row * job.rows.row_stride
                        + column * job.rows.column_stride) - <double>mean[column]
