"""Bodies of the kernels of rows under a mixture; their compiled faces are in mixture.pxd.

``precisions_cholesky`` holds upper triangular factors U with U U' = precision, entries below the
diagonal not read: (K, D, D) for full, (D, D) for tied; 1 / sqrt(variance), which is such a factor
of a diagonal precision, for the others: (K, D) for diag, (K,) for spherical.
"""

from emkernels._simd.table cimport Rows

cdef int run_rows(const Rows *rows, bint double_, const double *log_weights, const double *means,
                  const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
                  char *log_prob, char *resp, char *log_prob_norm, int *labels, int n_threads,
                  bint interruptible) noexcept nogil
cdef int run_responsibilities(const Rows *rows, bint double_, const double *log_weights,
                              char *resp, char *log_prob_norm, int n_threads,
                              bint interruptible) noexcept nogil
