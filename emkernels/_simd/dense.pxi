# Small dense matrices in float64. Triangles are packed by rows: row i begins at
# i (i + 1) / 2, so that every inner loop runs over adjacent values. A pivot lost to rounding
# is 1e-15 of its diagonal element, but such that its inverse is finite.


cdef inline Py_ssize_t wide(Py_ssize_t n) noexcept nogil:
    return (n + WIDE - 1) // WIDE * WIDE


cdef inline Py_ssize_t row_of(Py_ssize_t i) noexcept nogil:
    return i * (i + 1) // 2


cdef double cholesky(double *a, Py_ssize_t n) noexcept nogil:
    """Lower factor of a symmetric matrix in place; the sum of the logs of its diagonal. A
    pivot lost to rounding is replaced by the rounding of its diagonal element."""
    cdef Py_ssize_t i, j
    cdef double s, least, log_det = 0
    for i in range(n):
        for j in range(i):
            s = a[row_of(i) + j] - dot(a + row_of(i), a + row_of(j), j)
            a[row_of(i) + j] = s / a[row_of(j) + j]
        least = max(1e-15 * a[row_of(i) + i], 2.3e-308)
        s = a[row_of(i) + i] - dot(a + row_of(i), a + row_of(i), i)
        a[row_of(i) + i] = sqrt(s if s > least else least)
        log_det += log(a[row_of(i) + i])
    return log_det


cdef inline void add_scaled(double factor, const double *x, Py_ssize_t n,
                            double *y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] += factor * x[i]


cdef void invert_lower(const double *c, Py_ssize_t n, double *t) noexcept nogil:
    """t = the inverse of the lower triangle c."""
    cdef Py_ssize_t i, j, k
    cdef double pivot
    for i in range(n):
        for j in range(i):
            t[row_of(i) + j] = 0
        pivot = 1 / c[row_of(i) + i]
        for k in range(i):
            add_scaled(-c[row_of(i) + k], t + row_of(k), k + 1, t + row_of(i))
        for j in range(i):
            t[row_of(i) + j] *= pivot
        t[row_of(i) + i] = pivot


cdef void gram_lower(const double *t, Py_ssize_t n, double *a) noexcept nogil:
    """a = t' t, its lower triangle, of a lower triangle t."""
    cdef Py_ssize_t i, k
    memset(a, 0, row_of(n) * sizeof(double))
    for k in range(n):
        for i in range(k + 1):
            add_scaled(t[row_of(k) + i], t + row_of(k), i + 1, a + row_of(i))


# The same with one matrix on every lane, in place, for patterns that few rows share. Four sums at a
# time, so that they need not wait for each other.

cdef inline void cholesky_column(dvec *a, Py_ssize_t j, Py_ssize_t i, Py_ssize_t rows,
                                 dvec pivot) noexcept nogil:
    """Column j of rows i to i + rows - 1, rows a literal, 4 or 1."""
    cdef dvec s[4]
    cdef dvec y
    cdef Py_ssize_t k, c
    for c in range(rows):
        s[c] = a[row_of(i + c) + j]
    for k in range(j):
        y = a[row_of(j) + k]
        for c in range(rows):
            s[c] = s[c] - a[row_of(i + c) + k] * y
    for c in range(rows):
        a[row_of(i + c) + j] = s[c] * pivot


cdef void lanes_cholesky(dvec *a, Py_ssize_t n, dvec *pivots) noexcept nogil:
    """Factors, and one over their diagonal."""
    cdef Py_ssize_t i, j, k
    cdef dvec s
    for j in range(n):
        s = a[row_of(j) + j]
        for k in range(j):
            s = s - a[row_of(j) + k] * a[row_of(j) + k]
        s = droot(dmax(s, dmax(dsplat(1e-15) * a[row_of(j) + j], dsplat(2.3e-308))))
        a[row_of(j) + j] = s
        pivots[j] = dsplat(1) / s
        i = j + 1
        while i + 4 <= n:
            cholesky_column(a, j, i, 4, pivots[j])
            i += 4
        while i < n:
            cholesky_column(a, j, i, 1, pivots[j])
            i += 1


cdef inline void inverse_columns(dvec *a, Py_ssize_t i, Py_ssize_t j, Py_ssize_t columns,
                                 dvec pivot) noexcept nogil:
    """Row i of the inverse, columns j to j + columns - 1 < i, a literal, 4 or 1; the factor is
    there from column j on, the inverse above."""
    cdef dvec s[4]
    cdef dvec y
    cdef Py_ssize_t k, c
    for c in range(columns):
        s[c] = dsplat(0)
    for k in range(j, min(j + columns - 1, i)):     # the corner of a triangle
        y = a[row_of(i) + k]
        for c in range(k - j + 1):
            s[c] = s[c] - y * a[row_of(k) + j + c]
    for k in range(j + columns - 1, i):
        y = a[row_of(i) + k]
        for c in range(columns):
            s[c] = s[c] - y * a[row_of(k) + j + c]
    for c in range(columns):
        a[row_of(i) + j + c] = s[c] * pivot


cdef void lanes_invert_lower(dvec *a, const dvec *pivots, Py_ssize_t n) noexcept nogil:
    """The inverse of a factor."""
    cdef Py_ssize_t i, j
    for i in range(n):
        j = 0
        while j + 4 <= i:
            inverse_columns(a, i, j, 4, pivots[i])
            j += 4
        while j < i:
            inverse_columns(a, i, j, 1, pivots[i])
            j += 1
        a[row_of(i) + i] = pivots[i]


cdef inline void gram_columns(dvec *a, Py_ssize_t i, Py_ssize_t j, Py_ssize_t n,
                              Py_ssize_t columns) noexcept nogil:
    cdef dvec s[4]
    cdef dvec y
    cdef Py_ssize_t k, c
    for c in range(columns):
        s[c] = dsplat(0)
    for k in range(i, n):
        y = a[row_of(k) + i]
        for c in range(columns):
            s[c] = s[c] + y * a[row_of(k) + j + c]
    for c in range(columns):
        a[row_of(i) + j + c] = s[c]


cdef void lanes_gram_lower(dvec *a, Py_ssize_t n) noexcept nogil:
    """a' a of a lower triangle a."""
    cdef Py_ssize_t i, j
    for i in range(n):
        j = 0
        while j + 4 <= i:
            gram_columns(a, i, j, n, 4)
            j += 4
        while j <= i:
            gram_columns(a, i, j, n, 1)
            j += 1
