"""Compiled faces of the kernels of rows with missing values, NaN.

As in :mod:`emkernels.kernels.mixture`: X is float64 (``_f64``) or float32 (``_f32``), read
through its strides in elements; every other array is C-contiguous; ``covariance_type`` is 0
full, 1 tied, 2 diag, 3 spherical; nothing is validated, nothing may alias an output. Each
returns 0, -1 when memory is short, -3 when X holds an infinity (nothing is then added).
``precisions_cholesky`` holds upper triangular factors U with U U' = precision, entries below the
diagonal not read: (K, D, D) for full, (D, D) for tied; 1 / sqrt(variance), which is such a factor
of a diagonal precision, for the others: (K, D) for diag, (K,) for spherical.
``order`` (n_samples,) and ``offsets`` (n_patterns + 1,) are what ``missing_patterns`` gave for
the same X; with order NULL the patterns are found again. None needs the GIL.
"""

# order (n_samples,) = rows by pattern, offsets (n_samples + 1,) where each begins, of which the
# first n_patterns + 1 are written
cdef int missing_patterns_f64(
    const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, int *order, long long *offsets, Py_ssize_t *n_patterns) noexcept nogil
cdef int missing_patterns_f32(
    const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, int *order, long long *offsets, Py_ssize_t *n_patterns) noexcept nogil

# ADDS into counts (K,), first (K, D), second of the shape of the covariance type, and
# log_likelihood (1,); sample_weight (n_samples,) or NULL
cdef int incomplete_statistics_f64(
    const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *weights, const double *means,
    const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
    const double *sample_weight, const int *order, const long long *offsets,
    Py_ssize_t n_patterns, double *counts, double *first, double *second,
    double *log_likelihood, int n_threads) noexcept nogil
cdef int incomplete_statistics_f32(
    const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *weights, const double *means,
    const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
    const double *sample_weight, const int *order, const long long *offsets,
    Py_ssize_t n_patterns, double *counts, double *first, double *second,
    double *log_likelihood, int n_threads) noexcept nogil

# imputed (n_samples, D) = X with conditional means; covariances, or NULL: the m x m block of
# row i begins at block_offsets[i] (n_samples,); weights (K,) or NULL for one component
cdef int conditional_moments_f64(
    const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *weights, const double *means,
    const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
    const int *order, const long long *offsets, Py_ssize_t n_patterns,
    double *imputed, const long long *block_offsets, double *covariances,
    int n_threads) noexcept nogil
cdef int conditional_moments_f32(
    const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *weights, const double *means,
    const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
    const int *order, const long long *offsets, Py_ssize_t n_patterns,
    float *imputed, const long long *block_offsets, double *covariances,
    int n_threads) noexcept nogil
