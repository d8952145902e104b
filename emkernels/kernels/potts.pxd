"""Compiled faces of the mean-field kernel.

X is float64 (``_f64``) or float32 (``_f32``), the pixels of a grid in C order, read through
its strides in elements, of any sign; a row with a NaN is an unknown pixel. shape (3,), leading
ones where the grid has fewer axes; mask (n_pixels,) or NULL, 0 where there is no pixel. READS
AND OVERWRITES resp (n_pixels, n_components), C-contiguous, of the precision of X; ADDS into
counts (K,), first (K, D), second, in the shape of the covariance type (0 full, 1 tied, 2 diag,
3 spherical), and free_energy. Every other array is C-contiguous float64. ``n_threads`` is 1 or
more. Nothing is validated, nothing may alias an output. Each returns 0, or -1 when memory is
short. None needs the GIL.
``precisions_cholesky`` holds upper triangular factors U with U U' = precision, entries below the
diagonal not read: (K, D, D) for full, (D, D) for tied; 1 / sqrt(variance), which is such a factor
of a diagonal precision, for the others: (K, D) for diag, (K,) for spherical.
"""

cdef int potts_statistics_f64(
    const double *X, const Py_ssize_t *shape, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const unsigned char *mask, double smoothness,
    const double *weights, const double *means, const double *precisions_cholesky,
    Py_ssize_t n_components, int covariance_type, double *resp, double *counts,
    double *first, double *second, double *free_energy, int n_threads) noexcept nogil
cdef int potts_statistics_f32(
    const float *X, const Py_ssize_t *shape, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const unsigned char *mask, double smoothness,
    const double *weights, const double *means, const double *precisions_cholesky,
    Py_ssize_t n_components, int covariance_type, float *resp, double *counts,
    double *first, double *second, double *free_energy, int n_threads) noexcept nogil
