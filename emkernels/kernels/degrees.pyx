"""Degrees of freedom of Student t components from the sums of an E-step."""

import numpy as np

from libc.math cimport exp, fabs, isfinite, log

from emkernels.kernels.arrays cimport address, pointer


cdef void about_log(double x, double *value, double *slope) noexcept nogil:
    """``g(x) = digamma(x) - log(x)`` and its derivative, precise also where x is large: a series,
    brought down from x + n where x is small."""
    cdef double first = x, sums = 0, squares = 0, s
    while x < 12:
        sums += 1 / x
        squares += 1 / (x * x)
        x += 1
    s = 1 / (x * x)
    value[0] = -s * (1 / 12. - s * (1 / 120. - s * (1 / 252. - s * (1 / 240. - s * (
        1 / 132. - s * (691 / 32760.)))))) - 0.5 / x
    slope[0] = s / 2 + s / x * (1 / 6. - s * (1 / 30. - s * (1 / 42. - s * (
        1 / 30. - s * (5 / 66.)))))
    if x > first:
        value[0] += log(x / first) - sums
        slope[0] += (1 / x - 1 / first) + squares


cdef double root(const double *sizes, Py_ssize_t n_features, double bend, double start,
                 double least, double most) noexcept nogil:
    """The root for one component, not yet moved onto a bound: the logarithm of what the bends are
    set against falls nearly in a line with log df, so it is Newton there, within a bracket."""
    cdef double tiny = 2.2250738585072014e-308, low = log(least), high = log(most), new, gap
    cdef double at = min(max(log(start), low), high), limit = log(max(-bend, tiny))
    cdef double df, value, slope, g, dg, g0, dg0
    cdef Py_ssize_t _, o
    for _ in range(100):
        df = exp(at)
        about_log(df / 2, &g0, &dg0)
        value = slope = 0
        for o in range(1, n_features + 1):
            if sizes[o] != 0:
                about_log((df + o) / 2, &g, &dg)
                value += sizes[o] * (g - g0)
                slope += sizes[o] * (dg - dg0)
        value = max(value, tiny)
        slope = slope / 2 * df / value
        gap = limit - log(value)
        if gap < 0:
            low = at
        else:
            high = at
        new = at + gap / slope
        new = min(max(new, low), high) if isfinite(new) else (low + high) / 2
        if fabs(new - at) <= 1e-11:
            return new
        at = new
    return at


def _df_roots(sizes, bends, start, double least, double most):
    """Degrees of freedom that maximise the minorant, see components/student.py; all float64."""
    sizes = np.ascontiguousarray(sizes)
    bends = np.ascontiguousarray(bends)
    start = np.ascontiguousarray(start)
    cdef Py_ssize_t n = sizes.shape[0], D = sizes.shape[1] - 1, k
    cdef const double *size = pointer(sizes)
    cdef const double *bend = pointer(bends)
    cdef const double *begin = pointer(start)
    out = np.empty(n)
    cdef double *found = <double*>address(out)
    cdef double at
    with nogil:
        for k in range(n):
            at = root(size + k * (D + 1), D, bend[k], begin[k], least, most)
            # (the bounds themselves, without the rounding of their logarithms)
            found[k] = most if at >= log(most) else (least if at <= log(least) else exp(at))
    return out
