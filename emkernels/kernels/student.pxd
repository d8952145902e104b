"""Compiled faces of the kernels of Student t components.

As in :mod:`emkernels.kernels.mixture`: X is float64 (``_f64``) or float32 (``_f32``), read
through its strides in elements, without NaN; every other array is C-contiguous float64;
``covariance_type`` is 0 full, 1 tied, 2 diag, 3 spherical; nothing is validated, nothing may
alias an output. Each returns 0, or -1 when memory is short. None needs the GIL.
``precisions_cholesky`` holds upper triangular factors U with U U' = precision, entries below the
diagonal not read: (K, D, D) for full, (D, D) for tied; 1 / sqrt(variance), which is such a factor
of a diagonal precision, for the others: (K, D) for diag, (K,) for spherical.
"""

# ADDS into pulls (K,), first (K, D), second of the shape of the covariance type, and tail
# (2 + K (D + 2),): the log-likelihood, the pairs of a row and a component that mattered, sizes
# (K, D + 1) and bends (K,); dfs (K,) are positive, sample_weight is (n_samples,) or NULL
cdef int student_statistics_f64(
    const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *weights, const double *means,
    const double *precisions_cholesky, const double *dfs, Py_ssize_t n_components,
    int covariance_type, const double *sample_weight, double *pulls, double *first,
    double *second, double *tail, int n_threads) noexcept nogil
cdef int student_statistics_f32(
    const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *weights, const double *means,
    const double *precisions_cholesky, const double *dfs, Py_ssize_t n_components,
    int covariance_type, const double *sample_weight, double *pulls, double *first,
    double *second, double *tail, int n_threads) noexcept nogil
