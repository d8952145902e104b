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


# The same with one matrix on every lane, for patterns that few rows share.

cdef void lanes_cholesky(dvec *a, Py_ssize_t n, dvec *pivots) noexcept nogil:
    """Factors in place, but for the diagonal, which goes into `pivots` inverted; it keeps the
    factors' diagonal."""
    cdef Py_ssize_t i, j, k
    cdef dvec s
    for j in range(n):
        s = a[row_of(j) + j]
        for k in range(j):
            s = s - a[row_of(j) + k] * a[row_of(j) + k]
        s = droot(dmax(s, dmax(dsplat(1e-15) * a[row_of(j) + j], dsplat(2.3e-308))))
        a[row_of(j) + j] = s
        pivots[j] = dsplat(1) / s
        for i in range(j + 1, n):
            s = a[row_of(i) + j]
            for k in range(j):
                s = s - a[row_of(i) + k] * a[row_of(j) + k]
            a[row_of(i) + j] = s * pivots[j]


cdef void lanes_invert_lower(const dvec *c, const dvec *pivots, Py_ssize_t n,
                             dvec *t) noexcept nogil:
    cdef Py_ssize_t i, j, k
    cdef dvec s
    for i in range(n):
        for j in range(i):
            s = dsplat(0)
            for k in range(j, i):
                s = s - c[row_of(i) + k] * t[row_of(k) + j]
            t[row_of(i) + j] = s * pivots[i]
        t[row_of(i) + i] = pivots[i]


cdef void lanes_gram_lower(const dvec *t, Py_ssize_t n, dvec *a, Py_ssize_t stride) noexcept nogil:
    """a = t' t, its elements `stride` vectors apart."""
    cdef Py_ssize_t i, j, k
    cdef dvec s
    for i in range(n):
        for j in range(i + 1):
            s = t[row_of(i) + i] * t[row_of(i) + j]
            for k in range(i + 1, n):
                s = s + t[row_of(k) + i] * t[row_of(k) + j]
            a[(row_of(i) + j) * stride] = s
