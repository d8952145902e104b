"""Compiled faces of the kernel of factor analysers.

As in :mod:`emkernels.kernels.mixture`: X is float64 (``_f64``) or float32 (``_f32``), read
through its strides in elements, finite; every other array is C-contiguous float64; nothing is
validated, nothing may alias an output. Each returns 0, or -1 when memory is short. None needs the
GIL. A row of component k is ``mean_k + deviation_k (loading_k' z + e)``, z and e standard normal:
deviations (K, D) are those of the noise, loadings (K, q, D) are in units of these, whiteners (K, q,
q) hold lower triangular A with A'A = (I + loading loading')^-1, as the inverse of a Cholesky factor
is; entries above the diagonal are not read.
"""

# ADDS into counts (K,), first and square (K, D), cross (K, q, D), factors (K, q), second (K, q, q)
# and log_likelihood (1,), what :func:`emkernels.kernels.factor_statistics` has by these names;
# weights (K,) are not negative, of float32 rows means (K, D) are such as float32 has,
# sample_weight is (n_samples,) or NULL
cdef int factor_statistics_f64(
    const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *weights, const double *means,
    const double *deviations, const double *loadings, const double *whiteners,
    Py_ssize_t n_components, Py_ssize_t n_factors, const double *sample_weight,
    double *counts, double *first, double *square, double *cross, double *factors,
    double *second, double *log_likelihood, int n_threads) noexcept nogil
cdef int factor_statistics_f32(
    const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *weights, const double *means,
    const double *deviations, const double *loadings, const double *whiteners,
    Py_ssize_t n_components, Py_ssize_t n_factors, const double *sample_weight,
    double *counts, double *first, double *square, double *cross, double *factors,
    double *second, double *log_likelihood, int n_threads) noexcept nogil
