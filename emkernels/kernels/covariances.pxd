"""Scatters about means, and the factors of their inverses."""

# out: upper triangular U with U U' the inverse of each covariance, both (K, D, D) and contiguous;
# of a covariance the lower triangle is read. *component: the first that is not positive definite,
# or whose U has a value too large to be squared, -1: none; then U is not finished. The bits do not
# depend on the threads.
cdef int precision_factors(const double *covariances, Py_ssize_t K, Py_ssize_t D, double *out,
                           Py_ssize_t *component, int n_threads, bint interruptible) noexcept nogil
