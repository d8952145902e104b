"""A mixture of factor analysers, fused: densities, posteriors and the sums of an M-step.

A component k is ``mean + sum_i z_i component_i + noise``, given by deviations of the noise (K, D)
and loadings in units of these (K, q, D); see Factors in the table for what else is prepared.
"""

from emkernels._simd.table cimport Factors, Job, Rows

cdef int run_factors(Job *job, bint double_, const Rows *rows, const double *means,
                     const Factors *factors, Py_ssize_t n_components, double *counts,
                     double *second, double *sums, double *tail, int n_threads,
                     bint interruptible) noexcept nogil
