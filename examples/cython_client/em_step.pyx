# cython: boundscheck=False, wraparound=False
from emkernels.kernels.mixture cimport em_statistics_f64


def statistics(const double[:, ::1] X, const double[::1] weights, const double[:, ::1] means,
               const double[:, :, ::1] precisions_cholesky, double[::1] counts,
               double[:, ::1] first, double[:, :, ::1] second, int n_threads=1):
    """Add to the moments about the means; the log-likelihood."""
    cdef double log_likelihood = 0
    cdef int status
    with nogil:
        status = em_statistics_f64(
            &X[0, 0], X.shape[0], X.shape[1], X.shape[1], 1, &weights[0], &means[0, 0],
            &precisions_cholesky[0, 0, 0], means.shape[0], 0, NULL,
            &counts[0], &first[0, 0], &second[0, 0, 0], &log_likelihood, n_threads)
    if status != 0:
        raise MemoryError
    return log_likelihood
