# Cholesky factors of symmetric matrices in float64, and their inverses, by panels of rows (see
# triangles.h). Every value is the same sum in the same order whoever makes which panel when, so
# threads can share a matrix.

cdef enum:
    TOGETHER = 65536    # values of panels that are worked on side by side, to stay in cache


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
    """Values of a packed triangle and its roots; or of what inverse rows are made in."""
    cdef Py_ssize_t p = panels_of(n)
    if rows:
        return together(n) * p * PANEL * PANEL
    return PANEL * PANEL * (p * (p + 1) // 2) + p * PANEL


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


cdef bint inverse_rows(const Triangle *t, Py_ssize_t first, Py_ssize_t end,
                       double *rows) noexcept nogil:
    """Rows of the inverse factor, which are columns of t.inverse; `rows`: (triangle_size,).
    False where a value is at the limit."""
    cdef Py_ssize_t p, q, lane, strip, c, r, width, n_rows
    cdef Py_ssize_t step = panels_of(t.n) * PANEL * PANEL
    cdef bint fine = True
    cdef double *m
    cdef double *target
    for q in range(end - 1, -1, -1):
        for p in range(max(q, first), end):
            for strip in range(width_of(t, q) // STRIP - 1, -1, -1):
                lane = strip * STRIP
                fine &= strip_inverse(
                    rows + (p - first) * step, q * PANEL + lane, lane, p * PANEL, t.lower, q, p,
                    width_of(t, q), width_of(t, p), inverse_roots_of(t), t.limit)
    for c in range(t.n):
        target = t.inverse + c * t.n
        for p in range(first, end):
            width = width_of(t, p)
            n_rows = min(width, t.n - p * PANEL)
            m = rows + (p - first) * step + c * width
            for r in range(n_rows):
                target[p * PANEL + r] = m[r] if p * PANEL + r >= c else 0
    return fine


cdef bint factorise(const Triangle *t, int part, Py_ssize_t first, Py_ssize_t end,
                    double *rows) noexcept nogil:
    """A part of the work on a matrix, see `Triangle`; False where it is not well enough defined."""
    cdef Py_ssize_t n_panels = panels_of(t.n), side = together(t.n), begin, p, q
    cdef bint fine = True
    if part == PACK:
        for p in range(first, end):
            pack_panel(t, p)
        return True
    if part == PIVOTS:
        return factor_tile(t, first, first)
    if part == BELOW:
        return factor_tile(t, first, end)
    if part == INVERSE_ROWS:
        return inverse_rows(t, first, end, rows)
    begin = 0
    while begin < n_panels:
        end = min(begin + side, n_panels)
        for p in range(begin, end):
            pack_panel(t, p)
        for q in range(end):
            for p in range(max(q, begin), end):
                if not factor_tile(t, p, q):
                    return False
        begin = end
    begin = 0
    while begin < n_panels:
        fine &= inverse_rows(t, begin, min(begin + side, n_panels), rows)
        begin += side
    return fine
