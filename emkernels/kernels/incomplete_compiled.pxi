# The faces for cimport: see incomplete.pxd.


cdef int missing_patterns_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, int *order, long long *offsets,
        Py_ssize_t *n_patterns) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), NULL)
    return run_missing_patterns(&rows, True, order, offsets, n_patterns)


cdef int incomplete_statistics_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const double *sample_weight, const int *order, const long long *offsets,
        Py_ssize_t n_patterns, double *counts, double *first, double *second,
        double *log_likelihood, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), sample_weight)
    return run_incomplete_statistics(
        &rows, True, weights, means, precisions_cholesky, n_components, covariance_type, order,
        offsets, n_patterns, counts, first, second, log_likelihood, n_threads)


cdef int conditional_moments_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const int *order, const long long *offsets, Py_ssize_t n_patterns,
        double *imputed, const long long *block_offsets, double *covariances,
        int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), NULL)
    return run_conditional_moments(
        &rows, True, weights, means, precisions_cholesky, n_components, covariance_type, order,
        offsets, n_patterns, <char*>imputed, block_offsets, covariances, n_threads)


cdef int missing_patterns_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, int *order, long long *offsets,
        Py_ssize_t *n_patterns) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), NULL)
    return run_missing_patterns(&rows, False, order, offsets, n_patterns)


cdef int incomplete_statistics_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const double *sample_weight, const int *order, const long long *offsets,
        Py_ssize_t n_patterns, double *counts, double *first, double *second,
        double *log_likelihood, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), sample_weight)
    return run_incomplete_statistics(
        &rows, False, weights, means, precisions_cholesky, n_components, covariance_type, order,
        offsets, n_patterns, counts, first, second, log_likelihood, n_threads)


cdef int conditional_moments_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const int *order, const long long *offsets, Py_ssize_t n_patterns,
        float *imputed, const long long *block_offsets, double *covariances,
        int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), NULL)
    return run_conditional_moments(
        &rows, False, weights, means, precisions_cholesky, n_components, covariance_type, order,
        offsets, n_patterns, <char*>imputed, block_offsets, covariances, n_threads)
