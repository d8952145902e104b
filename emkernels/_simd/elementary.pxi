# exp and log on vectors. Reduced to a small interval, then a polynomial fitted by
# Chebyshev interpolation with 50 digits; tests hold both to their stated ulp bounds.


cdef inline vec vexp(vec x) noexcept nogil:
    """exp(x); 0 below the smallest normal number and for NaN. x must be under 700 (80)."""
    cdef vec shift, t, n, r, p, lowest
    if IS_DOUBLE:
        # 1.5 * 2**52 + 1023: the low bits of x * log2(e) + shift are the biased exponent
        shift = splat(6755399441056767.0)
        lowest = splat(-708.396418532264)
        t = x * splat(1.4426950408889634) + shift
        n = t - shift
        r = x - n * splat(0.6931471803691238)
        r = r - n * splat(1.9082149292705877e-10)
        p = splat(2.09147553258932e-09)
        p = p * r + splat(2.5105312729622103e-08)
        p = p * r + splat(2.755727347871858e-07)
        p = p * r + splat(2.755725517000089e-06)
        p = p * r + splat(2.480158732567746e-05)
        p = p * r + splat(0.0001984126987500228)
        p = p * r + splat(0.0013888888888883711)
        p = p * r + splat(0.008333333333326084)
        p = p * r + splat(0.04166666666666667)
        p = p * r + splat(0.1666666666666667)
    else:
        shift = splat(12583039.0)   # 1.5 * 2**23 + 127
        lowest = splat(-87.33654)
        t = x * splat(1.44269504) + shift
        n = t - shift
        r = x - n * splat(0.693115234375)
        r = r - n * splat(3.1946184945309415e-05)
        p = splat(0.0013926250831497611)
        p = p * r + splat(0.008363232883682618)
        p = p * r + splat(0.04166655421298415)
        p = p * r + splat(0.16666576666119928)
    p = p * r + splat(0.5)
    p = (p * r) * r + r
    p = p + splat(1.0)
    return keep_if_ge(p * power_of_two(t), x, lowest)


cdef inline vec vlog(vec x) noexcept nogil:
    """log(x) for positive normal x."""
    cdef vec m, n, f, s, z, p, half
    n = split_exponent(x, &m)       # x = m 2**n, sqrt(1/2) <= m < sqrt(2)
    f = m - splat(1.0)
    s = f / (f + splat(2.0))
    z = s * s
    if IS_DOUBLE:
        p = splat(0.14617807153417325)
        p = p * z + splat(0.15331611722055008)
        p = p * z + splat(0.1818289243253687)
        p = p * z + splat(0.22222211089379496)
        p = p * z + splat(0.28571428626253836)
        p = p * z + splat(0.3999999999989889)
        p = p * z + splat(0.666666666666667)
    else:
        p = splat(0.23331614471843498)
        p = p * z + splat(0.28550778633191964)
        p = p * z + splat(0.4000012221181065)
        p = p * z + splat(0.6666666655404201)
    # log(1 + f) = f - f**2 / 2 + s (f**2 / 2 + z p), small terms first
    half = splat(0.5) * f * f
    p = s * (half + z * p)
    if IS_DOUBLE:
        p = p + n * splat(1.9082149292705877e-10)
        return n * splat(0.6931471803691238) - ((half - p) - f)
    p = p + n * splat(3.1946184945309415e-05)
    return n * splat(0.693115234375) - ((half - p) - f)


cdef void exp_array(const char *x, char *out, Py_ssize_t n) noexcept nogil:
    _elementwise(x, out, n, True)


cdef void log_array(const char *x, char *out, Py_ssize_t n) noexcept nogil:
    _elementwise(x, out, n, False)


cdef void _elementwise(const char *x, char *out, Py_ssize_t n, bint exponential) noexcept nogil:
    cdef real buffer[LANES]
    cdef vec v
    cdef Py_ssize_t i = 0, j, size
    while i < n:
        size = min(<Py_ssize_t>LANES, n - i)
        for j in range(LANES):
            buffer[j] = 1
        memcpy(buffer, x + i * sizeof(real), size * sizeof(real))
        memcpy(&v, buffer, sizeof(vec))
        v = vexp(v) if exponential else vlog(v)
        memcpy(buffer, &v, sizeof(vec))
        memcpy(out + i * sizeof(real), buffer, size * sizeof(real))
        i += size
