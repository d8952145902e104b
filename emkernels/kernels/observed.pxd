"""A job over the observed values of rows, which every kernel of incomplete rows runs.

``precisions_cholesky`` holds upper triangular factors U with U U' = precision, entries below the
diagonal not read: (K, D, D) for full, (D, D) for tied; 1 / sqrt(variance), which is such a factor
of a diagonal precision, for the others: (K, D) for diag, (K,) for spherical.
"""

from emkernels._simd.table cimport Incomplete, Job
from emkernels.kernels.patterns cimport Patterns


ctypedef struct Schedule:
    Py_ssize_t n_tiles
    Py_ssize_t n_runs           # tiles that open a pattern, or are mixed
    Py_ssize_t typical_missing
    Py_ssize_t most_missing
    Py_ssize_t most_mixed
    Py_ssize_t most_cells
    int *order              # (n_tiles, tile), -1: no row
    signed char *kinds      # (n_tiles,)


cdef object schedule_of(object patterns, bint double_, bint leave_empty_out, Schedule *out)
cdef int run_incomplete(Job *job, Incomplete *inc, bint double_, const Patterns *patterns,
                        const Schedule *schedule, const double *weights, const double *means,
                        const double *precisions_cholesky, Py_ssize_t K, int type_,
                        double *counts, double *first, double *second, double *tail,
                        int n_threads, bint interruptible) noexcept nogil
