# Cuts of long sequences of hidden Markov models.
#
# Before a cut every state of `run_in` steps earlier is followed to it, as if it were certain: when
# all lead to the same probabilities of states, to all digits, these do not depend on the past,
# whatever it is; and so behind it, backwards.

cdef void chain_cuts(const Job *job, Py_ssize_t block, char *scratch) noexcept nogil:
    cdef const Chain *m = job.chain
    cdef Streams s
    cdef Py_ssize_t lane, t, steps, row
    cdef int side
    cdef bint all_known
    carve_chain(job, scratch, &s)
    memset(s.p.active, 1, m.chunk // VECTORS * m.n_states * m.n_mix)
    for side in range(1, 3):
        steps = 32
        while steps <= m.run_in:
            all_known = True
            for lane in range(LANES):
                row = block * LANES + lane
                if row < m.n_cuts:
                    all_known &= (m.cut_known[row] & side) != 0
            if all_known:
                break
            for lane in range(LANES):
                for t in range(steps):
                    s.row[t * LANES + lane] = -1
                    if block * LANES + lane < m.n_cuts:
                        s.row[t * LANES + lane] = m.cut_rows[block * LANES + lane] + t - (
                            steps if side == 1 else 0)
            for t in range(steps // VECTORS):
                step_densities(&s, job, t)
            follow_states(&s, m, steps, side)
            for lane in range(LANES):
                if block * LANES + lane < m.n_cuts:
                    take_known(&s, m, block * LANES + lane, lane, side)
            steps *= 4


cdef void follow_states(Streams *s, const Chain *m, Py_ssize_t steps, int side) noexcept nogil:
    """s.alpha (n_states, n_padded, HALVES) = where each state leads to in the steps: forward and
    through the last density, or backward and through the first."""
    cdef Py_ssize_t K = m.n_states, size = s.n_padded * HALVES, i, t, k, h, at
    cdef dvec *x
    cdef const real *e
    cdef dvec total[HALVES]
    cdef bint well
    cdef const double *A = m.forward if side == 1 else m.backward
    for i in range(K):
        x = s.alpha + i * size
        for k in range(size):
            x[k] = dsplat(0)
        for h in range(HALVES):
            x[i * HALVES + h] = dsplat(1)
    for t in range(steps):
        at = t if side == 1 else steps - 1 - t
        e = <const real*>(s.state + at // VECTORS * K * VECTORS + at % VECTORS)
        for i in range(K):
            x = s.alpha + i * size
            mix(A, K, s.n_padded, x, s.ahead)
            for h in range(HALVES):
                total[h] = dsplat(0)
            for k in range(K):
                for h in range(HALVES):
                    x[k * HALVES + h] = s.ahead[k * HALVES + h] * widen(
                        e + k * TILE + h * DLANES)
                    total[h] = total[h] + x[k * HALVES + h]
            well = True
            for h in range(HALVES):
                well &= dall_ge(total[h], dsplat(SMALL))
            if t % VECTORS == VECTORS - 1 or not well:
                for h in range(HALVES):
                    # after a step like that too much is lost: infinite, and so not known
                    total[h] = dsplat(1) / dkeep_if_ge(
                        total[h], total[h], dsplat(SMALL * LEAST_STEP))
                for k in range(K):
                    for h in range(HALVES):
                        x[k * HALVES + h] = x[k * HALVES + h] * total[h]


cdef void take_known(Streams *s, const Chain *m, Py_ssize_t cut, Py_ssize_t lane,
                     int side) noexcept nogil:
    """What all states lead to, where it is the same."""
    cdef Py_ssize_t K = m.n_states, size = s.n_padded * LANES, i, k
    cdef const double *found = <const double*>s.alpha + lane
    cdef double least, most, value
    cdef double *out
    if m.cut_known[cut] & side:
        return
    for k in range(K):
        least = INFINITY
        most = 0
        for i in range(K):
            value = found[i * size + k * LANES]
            if not (value < INFINITY):
                return
            least = min(least, value)
            most = max(most, value)
        if most > LEAST and not (most - least <= 2e-14 * most):
            return
    out = (m.cut_before if side == 1 else m.cut_behind) + cut * m.n_padded
    for k in range(K):
        value = found[k * LANES]
        if side == 2:
            out[k] = value
            continue
        for i in range(K):
            out[i] += value * m.forward[k * m.n_padded + i]
    m.cut_known[cut] |= side
