# The faces for cimport: see mixture.pxd. One line of translation for each precision.


cdef int log_density_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *means, const double *precisions_cholesky,
        Py_ssize_t n_components, int covariance_type, double *out, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), NULL)
    return run_rows(&rows, True, NULL, means, precisions_cholesky, n_components,
                    covariance_type, <char*>out, NULL, NULL, NULL, n_threads, False)


cdef int responsibilities_f64(
        const double *log_prob, Py_ssize_t n_samples, Py_ssize_t n_components,
        const double *log_weights, double *resp, double *log_prob_norm,
        int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>log_prob, n_samples, n_components, n_components, 1,
                             sizeof(double), NULL)
    return run_responsibilities(&rows, True, log_weights, <char*>resp, <char*>log_prob_norm,
                                n_threads, False)


cdef int weighted_moments_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *resp, const double *centers,
        Py_ssize_t n_components, int covariance_type, const double *sample_weight,
        double *counts, double *first, double *second, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), sample_weight)
    return run_moments(&rows, True, <const char*>resp, n_components * sizeof(double),
                       sizeof(double), NULL, centers, n_components, covariance_type, counts,
                       first, second, n_threads, False)


cdef int em_statistics_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const double *sample_weight, double *counts, double *first, double *second,
        double *log_likelihood, int n_threads) noexcept nogil:
    cdef double tail[2]
    cdef int status
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), sample_weight)
    tail[0] = 0
    status = run_em(&rows, True, weights, means, precisions_cholesky, n_components,
                    covariance_type, NULL, NULL, NULL, counts, first, second, tail, n_threads,
                    False)
    log_likelihood[0] += tail[0]
    return status


cdef int log_density_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *means, const double *precisions_cholesky,
        Py_ssize_t n_components, int covariance_type, float *out, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), NULL)
    return run_rows(&rows, False, NULL, means, precisions_cholesky, n_components,
                    covariance_type, <char*>out, NULL, NULL, NULL, n_threads, False)


cdef int responsibilities_f32(
        const float *log_prob, Py_ssize_t n_samples, Py_ssize_t n_components,
        const double *log_weights, float *resp, float *log_prob_norm, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>log_prob, n_samples, n_components, n_components, 1,
                             sizeof(float), NULL)
    return run_responsibilities(&rows, False, log_weights, <char*>resp, <char*>log_prob_norm,
                                n_threads, False)


cdef int weighted_moments_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const float *resp, const double *centers,
        Py_ssize_t n_components, int covariance_type, const double *sample_weight,
        double *counts, double *first, double *second, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), sample_weight)
    return run_moments(&rows, False, <const char*>resp, n_components * sizeof(float), sizeof(float),
                       NULL, centers, n_components, covariance_type, counts, first, second,
                       n_threads, False)


cdef int em_statistics_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const double *sample_weight, double *counts, double *first, double *second,
        double *log_likelihood, int n_threads) noexcept nogil:
    cdef double tail[2]
    cdef int status
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), sample_weight)
    tail[0] = 0
    status = run_em(&rows, False, weights, means, precisions_cholesky, n_components,
                    covariance_type, NULL, NULL, NULL, counts, first, second, tail, n_threads,
                    False)
    log_likelihood[0] += tail[0]
    return status
