# Cholesky factors of symmetric matrices in float64, and their inverses, by panels of rows (see
# triangles.h). Every value is the same sum in the same order whoever makes which panel when, so
# threads can share a matrix.

cdef enum:
    TOGETHER = 32768    # values of panels that are worked on side by side, to stay in cache


cdef inline Py_ssize_t panels_of(Py_ssize_t n) noexcept nogil:
    return (n + PANEL - 1) // PANEL


cdef inline double *panel_of(const Triangle *t, Py_ssize_t p) noexcept nogil:
    return t.lower + PANEL * PANEL * (p * (p + 1) // 2)


cdef inline double *inverse_roots_of(const Triangle *t) noexcept nogil:
    return panel_of(t, panels_of(t.n))


cdef inline Py_ssize_t width_of(const Triangle *t, Py_ssize_t p) noexcept nogil:
    cdef Py_ssize_t rest = t.n - p * PANEL
    return PANEL if rest >= PANEL else (rest + STEP - 1) // STEP * STEP


cdef Py_ssize_t triangle_size(Py_ssize_t n, bint rows) noexcept nogil:
    """Values of a packed triangle and its roots; or of what a panel of the inverse is made in."""
    cdef Py_ssize_t p = panels_of(n)
    return PANEL * PANEL * p if rows else PANEL * PANEL * (p * (p + 1) // 2) + PANEL * p


cdef inline Py_ssize_t together(Py_ssize_t n) noexcept nogil:
    return max(<Py_ssize_t>1, min(panels_of(n), TOGETHER // (PANEL * n)))


cdef void pack_panel(const Triangle *t, Py_ssize_t p) noexcept nogil:
    """The rows of panel p of the matrix; behind the last row, those of the identity."""
    cdef Py_ssize_t width = width_of(t, p), first = p * PANEL, n = t.n, r, c, begin, end
    cdef Py_ssize_t n_rows = min(width, n - first)
    cdef double *panel = panel_of(t, p)
    cdef const double *row
    if n_rows < width:
        memset(panel, 0, (first + width) * width * sizeof(double))
    else:
        memset(panel + first * width, 0, width * width * sizeof(double))
    for r in range(n_rows, width):
        panel[(first + r) * width + r] = 1
    # columns of a few lines at a time, which then stay where they are written row after row
    begin = 0
    while begin < first + width:
        for r in range(n_rows):
            row = t.matrix + (first + r) * n
            end = min(begin + 2 * PANEL, first + r + 1)
            for c in range(begin, end):
                panel[c * width + r] = row[c]
        begin += 2 * PANEL


cdef bint factor_tile(const Triangle *t, Py_ssize_t p, Py_ssize_t q) noexcept nogil:
    """Columns of panel q of the factor in the rows of panel p; False where it has none."""
    cdef Py_ssize_t width = width_of(t, p), q_width = width_of(t, q), lane, strip
    cdef double *roots = inverse_roots_of(t)
    for strip in range(q_width // STRIP):
        lane = strip * STRIP
        if p > q:
            strip_below(width, panel_of(t, p), panel_of(t, q), q_width, lane, q * PANEL + lane,
                        roots)
        elif not strip_pivots(width, panel_of(t, p), lane, q * PANEL + lane, roots):
            return False
    return True


cdef bint inverse_tile(const Triangle *t, Py_ssize_t p, Py_ssize_t q, double *m) noexcept nogil:
    """Columns of panel q of the inverse in the rows of panel p, which has those behind them in m;
    False where a value is at the limit."""
    cdef Py_ssize_t q_width = width_of(t, q), strip
    cdef bint fine = True
    for strip in range(q_width // STRIP - 1, -1, -1):
        fine &= strip_inverse(m, q * PANEL + strip * STRIP, strip * STRIP, t.lower, q, p, q_width,
                              width_of(t, p), inverse_roots_of(t), t.limit)
    return fine


cdef inline void write_inverse(const Triangle *t, Py_ssize_t p, Py_ssize_t c,
                               const double *m) noexcept nogil:
    """Column c of the rows of panel p of the inverse, where U has it."""
    cdef Py_ssize_t n_rows = min(PANEL, t.n - p * PANEL), begin, r
    cdef double *target = t.inverse + c * t.n + p * PANEL
    m += c * width_of(t, p)
    begin = max(<Py_ssize_t>0, min(n_rows, c - p * PANEL))
    for r in range(begin):
        target[r] = 0
    for r in range(begin, n_rows):
        target[r] = m[r]


cdef bint inverse_rows(const Triangle *t, Py_ssize_t p, double *m) noexcept nogil:
    """One panel of the inverse, made in m, while the factor stays."""
    cdef Py_ssize_t q, c
    cdef bint fine = True
    for q in range(p, -1, -1):
        fine &= inverse_tile(t, p, q, m)
    for c in range(t.n):
        write_inverse(t, p, c, m)
    return fine


cdef bint invert(const Triangle *t) noexcept nogil:
    """The whole inverse, in the place of the factor; the last panels first, as none needs those
    behind it."""
    cdef Py_ssize_t side = together(t.n), begin, end = panels_of(t.n), p, q, c
    cdef bint fine = True
    while end > 0:
        begin = max(<Py_ssize_t>0, end - side)
        for q in range(end - 1, -1, -1):
            for p in range(end - 1, max(q, begin) - 1, -1):
                fine &= inverse_tile(t, p, q, panel_of(t, p))
        end = begin
    for c in range(t.n):
        for p in range(panels_of(t.n)):
            write_inverse(t, p, c, panel_of(t, p))
    return fine


cdef bint factorise(const Triangle *t, int part, Py_ssize_t p, Py_ssize_t q,
                    double *rows) noexcept nogil:
    """A part of the work on a matrix, see `Triangle`; False where it is not well enough defined."""
    cdef Py_ssize_t n_panels = panels_of(t.n), side = together(t.n), begin = 0, end
    if part == PACKED_PANEL:
        pack_panel(t, p)
        return True
    if part == TRIANGLE_TILE:
        return factor_tile(t, p, q)
    if part == INVERSE_PANEL:
        return inverse_rows(t, p, rows)
    while begin < n_panels:
        end = min(begin + side, n_panels)
        for p in range(begin, end):
            pack_panel(t, p)
        for q in range(end):
            for p in range(max(q, begin), end):
                if not factor_tile(t, p, q):
                    return False
        begin = end
    return invert(t)
