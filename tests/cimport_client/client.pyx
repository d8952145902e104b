# Calls one compiled kernel of each kind, without the GIL, as another package would.
from emkernels.kernels.cluster cimport kmeans_plusplus_f64, kmeans_statistics_f64
from emkernels.kernels.mixture cimport (
    em_statistics_f64, log_density_f64, responsibilities_f64, weighted_moments_f32)


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
