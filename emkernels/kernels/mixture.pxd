"""Compiled faces of the mixture kernels.

X is float64 (``_f64``) or float32 (``_f32``), read through its strides in elements, of
any sign; every other array is C-contiguous float64. Outputs for each row have the precision
of X; statistics are float64, about the means or centres rounded to that precision.
``covariance_type`` is 0 full, 1 tied, 2 diag, 3 spherical. ``n_threads`` is 1 or more.
``precisions_cholesky`` holds upper triangular factors U with U U' = precision, entries below the
diagonal not read: (K, D, D) for full, (D, D) for tied; 1 / sqrt(variance), which is such a factor
of a diagonal precision, for the others: (K, D) for diag, (K,) for spherical.
Nothing is validated, nothing may alias an output. Each returns 0, or -1 when memory is
short (outputs are then untouched). None needs the GIL.
"""

# out (n_samples, n_components) = log N(x_i | k)
cdef int log_density_f64(
    const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *means, const double *precisions_cholesky,
    Py_ssize_t n_components, int covariance_type, double *out, int n_threads) noexcept nogil
cdef int log_density_f32(
    const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *means, const double *precisions_cholesky,
    Py_ssize_t n_components, int covariance_type, float *out, int n_threads) noexcept nogil

# resp (n_samples, n_components) or NULL, log_prob_norm (n_samples,) or NULL, from
# log_prob (n_samples, n_components) C-contiguous and log_weights (n_components,) or NULL
cdef int responsibilities_f64(
    const double *log_prob, Py_ssize_t n_samples, Py_ssize_t n_components,
    const double *log_weights, double *resp, double *log_prob_norm, int n_threads) noexcept nogil
cdef int responsibilities_f32(
    const float *log_prob, Py_ssize_t n_samples, Py_ssize_t n_components,
    const double *log_weights, float *resp, float *log_prob_norm, int n_threads) noexcept nogil

# ADDS into counts (K,), first (K, D) and second: (K, D, D) for full, (D, D) for tied,
# (K, D) for diag, (K,) for spherical. resp (n_samples, K) C-contiguous, sample_weight
# (n_samples,) or NULL.
cdef int weighted_moments_f64(
    const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *resp, const double *centers,
    Py_ssize_t n_components, int covariance_type, const double *sample_weight,
    double *counts, double *first, double *second, int n_threads) noexcept nogil
cdef int weighted_moments_f32(
    const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const float *resp, const double *centers,
    Py_ssize_t n_components, int covariance_type, const double *sample_weight,
    double *counts, double *first, double *second, int n_threads) noexcept nogil

# the same statistics under the posterior of the model, ADDED, and log_likelihood (1,)
cdef int em_statistics_f64(
    const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *weights, const double *means,
    const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
    const double *sample_weight, double *counts, double *first, double *second,
    double *log_likelihood, int n_threads) noexcept nogil
cdef int em_statistics_f32(
    const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *weights, const double *means,
    const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
    const double *sample_weight, double *counts, double *first, double *second,
    double *log_likelihood, int n_threads) noexcept nogil
