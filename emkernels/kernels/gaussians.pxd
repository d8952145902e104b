"""Arguments, packing and running of a Gaussian mixture.

``precisions_cholesky`` holds upper triangular factors U with U U' = precision, entries below the
diagonal not read: (K, D, D) for full, (D, D) for tied; 1 / sqrt(variance), which is such a factor
of a diagonal precision, for the others: (K, D) for diag, (K,) for spherical.
"""

from emkernels._simd.table cimport Gaussians, Job, Table

cdef int set_model(Job *job, const Table *table, int covariance_type, Py_ssize_t n_components,
                   const double *log_weights, const double *means,
                   const double *precisions_cholesky, int n_threads) noexcept nogil
cdef int set_centers(Job *job, const Table *table, const double *centers, Py_ssize_t K,
                     double *ones) noexcept nogil
cdef int run_job(Job *job, bint double_, Py_ssize_t accumulator_length, double **sums,
                 int n_threads, bint interruptible) noexcept nogil
cdef void add_statistics(const Gaussians *g, int type_, const double *sums, double *counts,
                         double *first, double *second, double *tail,
                         int n_threads) noexcept nogil

cdef int covariance_code(object covariance_type) except -1
cdef tuple factor_shape(int code, object K, object D)
cdef object as_factors(object factors, int code, Py_ssize_t K, Py_ssize_t D)
cdef object as_mixture_weights(object weights, Py_ssize_t K)
cdef int set_noise(Job *job, object noise) except -1
cdef tuple empty_statistics(int code, Py_ssize_t K, Py_ssize_t D, int n_threads)
