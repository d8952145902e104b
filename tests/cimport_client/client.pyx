# Calls one compiled kernel of each kind, without the GIL, as another package would.
from emkernels.kernels.cluster cimport kmeans_plusplus_f64, kmeans_statistics_f64
from emkernels.kernels.factors cimport factor_statistics_f32, factor_statistics_f64
from emkernels.kernels.incomplete cimport (
    conditional_moments_f32, conditional_moments_f64, incomplete_statistics_f32,
    incomplete_statistics_f64, missing_patterns_f32, missing_patterns_f64)
from emkernels.kernels.mixture cimport (
    em_statistics_f64, log_density_f64, responsibilities_f64, weighted_moments_f32)
from emkernels.kernels.potts cimport potts_statistics_f64
from emkernels.kernels.student cimport student_statistics_f32, student_statistics_f64


def log_density(const double[:, :] X, const double[:, ::1] means, const double[:, :, ::1] factors,
                double[:, ::1] out, int n_threads):
    cdef int status
    with nogil:
        status = log_density_f64(&X[0, 0], X.shape[0], X.shape[1], X.strides[0] // 8,
                                 X.strides[1] // 8, &means[0, 0], &factors[0, 0, 0],
                                 means.shape[0], 0, &out[0, 0], n_threads)
    return status


def responsibilities(const double[:, ::1] log_prob, const double[::1] log_weights,
                     double[:, ::1] resp, double[::1] log_prob_norm, int n_threads):
    cdef int status
    with nogil:
        status = responsibilities_f64(&log_prob[0, 0], log_prob.shape[0], log_prob.shape[1],
                                      &log_weights[0], &resp[0, 0], &log_prob_norm[0], n_threads)
        # both outputs and the weights are optional
        status += responsibilities_f64(&log_prob[0, 0], log_prob.shape[0], log_prob.shape[1],
                                       NULL, NULL, NULL, n_threads)
    return status


def weighted_moments(const float[:, :] X, const float[:, ::1] resp, const double[:, ::1] centers,
                     const double[::1] sample_weight, double[::1] counts, double[:, ::1] first,
                     double[:, :, ::1] second, int n_threads):
    cdef int status
    with nogil:
        status = weighted_moments_f32(&X[0, 0], X.shape[0], X.shape[1], X.strides[0] // 4,
                                      X.strides[1] // 4, &resp[0, 0], &centers[0, 0],
                                      centers.shape[0], 0, &sample_weight[0], &counts[0],
                                      &first[0, 0], &second[0, 0, 0], n_threads)
    return status


def em_statistics(const double[:, :] X, const double[::1] weights, const double[:, ::1] means,
                  const double[:, ::1] factor, double[::1] counts, double[:, ::1] first,
                  double[:, ::1] second, double[::1] log_likelihood, int n_threads):
    """The tied type, without sample weights."""
    cdef int status
    with nogil:
        status = em_statistics_f64(&X[0, 0], X.shape[0], X.shape[1], X.strides[0] // 8,
                                   X.strides[1] // 8, &weights[0], &means[0, 0], &factor[0, 0],
                                   means.shape[0], 1, NULL, &counts[0], &first[0, 0],
                                   &second[0, 0], &log_likelihood[0], n_threads)
    return status


def kmeans_statistics(const double[:, :] X, const double[:, ::1] centers, int[::1] labels,
                      double[::1] counts, double[:, ::1] sums, double[::1] inertia,
                      int n_threads):
    cdef int status
    with nogil:
        status = kmeans_statistics_f64(&X[0, 0], X.shape[0], X.shape[1], X.strides[0] // 8,
                                       X.strides[1] // 8, &centers[0, 0], centers.shape[0], NULL,
                                       &labels[0], &counts[0], &sums[0, 0], &inertia[0],
                                       n_threads)
    return status


def kmeans_plusplus(const double[:, :] X, const double[::1] uniforms, Py_ssize_t n_local_trials,
                    Py_ssize_t[::1] indices, int n_threads):
    cdef int status
    with nogil:
        status = kmeans_plusplus_f64(&X[0, 0], X.shape[0], X.shape[1], X.strides[0] // 8,
                                     X.strides[1] // 8, NULL, indices.shape[0], n_local_trials,
                                     &uniforms[0], &indices[0], n_threads)
    return status


def potts_statistics(const double[:, :] X, const Py_ssize_t[::1] shape,
                     const unsigned char[::1] mask, double smoothness,
                     const double[::1] weights, const double[:, ::1] means,
                     const double[:, ::1] factor, double[:, ::1] resp, double[::1] counts,
                     double[:, ::1] first, double[:, ::1] second, double[::1] free_energy,
                     int n_threads):
    """The tied type; mask may be None."""
    cdef int status
    cdef const unsigned char *there = NULL if mask is None else &mask[0]
    with nogil:
        status = potts_statistics_f64(
            &X[0, 0], &shape[0], X.shape[1], X.strides[0] // 8, X.strides[1] // 8, there,
            smoothness, &weights[0], &means[0, 0], &factor[0, 0], means.shape[0], 1, &resp[0, 0],
            &counts[0], &first[0, 0], &second[0, 0], &free_energy[0], n_threads)
    return status


ctypedef fused real:
    float
    double


def missing_patterns(const real[:, :] X, int[::1] order, long long[::1] offsets):
    """The status and the number of patterns."""
    cdef int status
    cdef Py_ssize_t n_patterns = -1, rows = X.strides[0] // sizeof(real)
    cdef Py_ssize_t columns = X.strides[1] // sizeof(real)
    with nogil:
        if real is double:
            status = missing_patterns_f64(&X[0, 0], X.shape[0], X.shape[1], rows, columns,
                                          &order[0], &offsets[0], &n_patterns)
        else:
            status = missing_patterns_f32(&X[0, 0], X.shape[0], X.shape[1], rows, columns,
                                          &order[0], &offsets[0], &n_patterns)
    return status, n_patterns


def incomplete_statistics(const real[:, :] X, const double[::1] weights,
                          const double[:, ::1] means, const double[::1] factors,
                          int covariance_type, const double[::1] sample_weight,
                          const int[::1] order, const long long[::1] offsets,
                          double[::1] counts, double[:, ::1] first, double[::1] second,
                          double[::1] log_likelihood, int n_threads):
    """Factors and second moments flat; sample_weight, order and offsets may be None."""
    cdef int status
    cdef Py_ssize_t rows = X.strides[0] // sizeof(real), columns = X.strides[1] // sizeof(real)
    cdef Py_ssize_t n_patterns = 0 if order is None else offsets.shape[0] - 1
    cdef const double *weight = NULL if sample_weight is None else &sample_weight[0]
    cdef const int *order_at = NULL if order is None else &order[0]
    cdef const long long *offsets_at = NULL if order is None else &offsets[0]
    with nogil:
        if real is double:
            status = incomplete_statistics_f64(
                &X[0, 0], X.shape[0], X.shape[1], rows, columns, &weights[0], &means[0, 0],
                &factors[0], means.shape[0], covariance_type, weight, order_at, offsets_at,
                n_patterns, &counts[0], &first[0, 0], &second[0], &log_likelihood[0], n_threads)
        else:
            status = incomplete_statistics_f32(
                &X[0, 0], X.shape[0], X.shape[1], rows, columns, &weights[0], &means[0, 0],
                &factors[0], means.shape[0], covariance_type, weight, order_at, offsets_at,
                n_patterns, &counts[0], &first[0, 0], &second[0], &log_likelihood[0], n_threads)
    return status


def conditional_moments(const real[:, :] X, const double[::1] weights,
                        const double[:, ::1] means, const double[::1] factors,
                        int covariance_type, const int[::1] order, const long long[::1] offsets,
                        real[:, ::1] imputed, const long long[::1] block_offsets,
                        double[::1] covariances, int n_threads):
    """weights, order, offsets, block_offsets and covariances may be None."""
    cdef int status
    cdef Py_ssize_t rows = X.strides[0] // sizeof(real), columns = X.strides[1] // sizeof(real)
    cdef Py_ssize_t n_patterns = 0 if order is None else offsets.shape[0] - 1
    cdef const double *weights_at = NULL if weights is None else &weights[0]
    cdef const int *order_at = NULL if order is None else &order[0]
    cdef const long long *offsets_at = NULL if order is None else &offsets[0]
    cdef const long long *blocks_at = NULL if covariances is None else &block_offsets[0]
    cdef double *covariances_at = NULL if covariances is None else &covariances[0]
    with nogil:
        if real is double:
            status = conditional_moments_f64(
                &X[0, 0], X.shape[0], X.shape[1], rows, columns, weights_at, &means[0, 0],
                &factors[0], means.shape[0], covariance_type, order_at, offsets_at, n_patterns,
                &imputed[0, 0], blocks_at, covariances_at, n_threads)
        else:
            status = conditional_moments_f32(
                &X[0, 0], X.shape[0], X.shape[1], rows, columns, weights_at, &means[0, 0],
                &factors[0], means.shape[0], covariance_type, order_at, offsets_at, n_patterns,
                &imputed[0, 0], blocks_at, covariances_at, n_threads)
    return status


def student_statistics(const double[:, :] X, const float[:, :] narrow, const double[::1] weights,
                       const double[:, ::1] means, const double[:, :, ::1] factors,
                       const double[::1] dfs, double[:, ::1] pulls, double[:, :, ::1] first,
                       double[:, :, :, ::1] second, double[:, ::1] tail, int n_threads):
    """The rows in both precisions; each output has a half for each."""
    cdef int status
    with nogil:
        status = student_statistics_f64(
            &X[0, 0], X.shape[0], X.shape[1], X.strides[0] // 8, X.strides[1] // 8, &weights[0],
            &means[0, 0], &factors[0, 0, 0], &dfs[0], means.shape[0], 0, NULL, &pulls[0, 0],
            &first[0, 0, 0], &second[0, 0, 0, 0], &tail[0, 0], n_threads)
        status += student_statistics_f32(
            &narrow[0, 0], X.shape[0], X.shape[1], narrow.strides[0] // 4,
            narrow.strides[1] // 4, &weights[0], &means[0, 0], &factors[0, 0, 0], &dfs[0],
            means.shape[0], 0, NULL, &pulls[1, 0], &first[1, 0, 0], &second[1, 0, 0, 0],
            &tail[1, 0], n_threads)
    return status


def factor_statistics(const real[:, :] X, const double[::1] weights, const double[:, ::1] means,
                      const double[:, ::1] deviations, const double[:, :, ::1] loadings,
                      const double[:, :, ::1] whiteners, const double[::1] sample_weight,
                      double[::1] counts, double[:, ::1] first, double[:, ::1] square,
                      double[:, :, ::1] cross, double[:, ::1] factors, double[:, :, ::1] second,
                      double[::1] log_likelihood, int n_threads):
    """sample_weight may be None."""
    cdef int status
    cdef Py_ssize_t rows = X.strides[0] // sizeof(real), columns = X.strides[1] // sizeof(real)
    cdef const double *weight = NULL if sample_weight is None else &sample_weight[0]
    with nogil:
        if real is double:
            status = factor_statistics_f64(
                &X[0, 0], X.shape[0], X.shape[1], rows, columns, &weights[0], &means[0, 0],
                &deviations[0, 0], &loadings[0, 0, 0], &whiteners[0, 0, 0], means.shape[0],
                loadings.shape[1], weight, &counts[0], &first[0, 0], &square[0, 0],
                &cross[0, 0, 0], &factors[0, 0], &second[0, 0, 0], &log_likelihood[0], n_threads)
        else:
            status = factor_statistics_f32(
                &X[0, 0], X.shape[0], X.shape[1], rows, columns, &weights[0], &means[0, 0],
                &deviations[0, 0], &loadings[0, 0, 0], &whiteners[0, 0, 0], means.shape[0],
                loadings.shape[1], weight, &counts[0], &first[0, 0], &square[0, 0],
                &cross[0, 0, 0], &factors[0, 0], &second[0, 0, 0], &log_likelihood[0], n_threads)
    return status
