# The best path of a hidden Markov model.

cdef void best_path(const Job *job, Py_ssize_t index, char *scratch) noexcept nogil:
    """The most probable path of a span by the recursion of the largest (Viterbi 1967)."""
    cdef const Chain *m = job.chain
    cdef const Span *span = &m.spans[index]
    cdef Py_ssize_t K = m.n_states, n = m.n_padded, i, j, row
    cdef double *delta = <double*>scratch
    cdef double *best = delta + n
    cdef double *source = best + n
    cdef double *swap
    cdef const double *step
    cdef const char *x
    cdef double total = 0, top, from_i
    cdef int state = -1
    for row in range(span.first, span.end):
        x = job.rows.x + row * job.rows.row_stride
        if row == span.first:
            for j in range(K):
                best[j] = m.log_start[j]
        else:
            best_sources(m.log_forward, K, n, delta, best, source)
            if m.back_bytes == 1:
                for j in range(K):
                    (<unsigned char*>m.back)[row * K + j] = <unsigned char>source[j]
            else:
                for j in range(K):
                    (<unsigned short*>m.back)[row * K + j] = <unsigned short>source[j]
        for j in range(K):
            best[j] += read(x + j * job.rows.column_stride)
        if (row - span.first) % 256 == 255:
            # small numbers keep their digits
            top = best[0]
            for j in range(1, K):
                top = max(top, best[j])
            if top > -INFINITY:
                total += top
                for j in range(K):
                    best[j] -= top
        swap = delta
        delta = best
        best = swap
    top = -INFINITY
    for j in range(K):
        if delta[j] > top:
            top = delta[j]
            state = <int>j
    m.log_likelihoods[index] = total + top
    for row in range(span.end - 1, span.first - 1, -1):
        m.paths[row] = state
        if row > span.first and state >= 0:
            if m.back_bytes == 1:
                state = (<unsigned char*>m.back)[row * K + state]
            else:
                state = (<unsigned short*>m.back)[row * K + state]


cdef inline void best_sources(const double *logs, Py_ssize_t K, Py_ssize_t n, const double *delta,
                              double *best, double *source) noexcept nogil:
    """best[j] = max_i delta[i] + logs[i, j], and the first i that has it."""
    cdef Py_ssize_t i, j
    cdef double value
    for j in range(n):
        best[j] = delta[0] + logs[j]
        source[j] = 0
    for i in range(1, K):
        for j in range(n):
            value = delta[i] + logs[i * n + j]
            source[j] = <double>i if value > best[j] else source[j]
            best[j] = value if value > best[j] else best[j]
