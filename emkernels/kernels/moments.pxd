"""Bodies of the moments of rows; their compiled faces are in mixture.pxd."""

from emkernels._simd.table cimport Job, Rows

cdef int run_statistics(Job *job, bint double_, const double *scatter, const double *centre,
                        double *counts, double *first, double *second, double *tail,
                        int n_threads, bint interruptible) noexcept nogil
cdef int run_tied_scatter(const Rows *rows, bint double_, const double *means, Py_ssize_t K,
                          double **buffer, int n_threads, bint interruptible) noexcept nogil
cdef int run_moments(const Rows *rows, bint double_, const char *resp,
                     Py_ssize_t resp_row_stride, Py_ssize_t resp_column_stride, const int *labels,
                     const double *centers, Py_ssize_t K, int covariance_type, double *counts,
                     double *first, double *second, int n_threads,
                     bint interruptible) noexcept nogil
