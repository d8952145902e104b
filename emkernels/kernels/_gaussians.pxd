"""Arguments, packing and running of a Gaussian mixture."""

from emkernels._simd.table cimport Gaussians, Job, Table
from emkernels.kernels._core cimport Plan

cdef int set_model(Job *job, const Table *table, int covariance_type, Py_ssize_t n_components,
                   const double *log_weights, const double *means,
                   const double *precisions_cholesky) noexcept nogil
cdef int run_job(Job *job, bint double_, Py_ssize_t accumulator_length, double *target,
                 int n_threads, bint interruptible) noexcept nogil
cdef void add_statistics(const Gaussians *g, int type_, const double *sums, double *counts,
                         double *first, double *second, double *tail) noexcept nogil

cdef int covariance_code(object covariance_type) except -1
cdef tuple factor_shape(int code, object K, object D)
cdef object as_factors(object factors, int code, Py_ssize_t K, Py_ssize_t D)
cdef object as_mixture_weights(object weights, Py_ssize_t K)
cdef tuple empty_statistics(int code, Py_ssize_t K, Py_ssize_t D)
cdef const double *pointer(object array) except? NULL
