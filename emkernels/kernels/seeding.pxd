"""The body of greedy k-means++; its compiled faces are in cluster.pxd."""

from emkernels._simd.table cimport Rows

cdef int run_plusplus(const Rows *rows, bint double_, Py_ssize_t K, Py_ssize_t n_trials,
                      const double *uniforms, Py_ssize_t *indices, int n_threads,
                      bint interruptible) noexcept nogil
