"""Compiled faces of the K-means kernels; the conventions are those of mixture.pxd, but that
there are no factors."""

# ADDS into counts (K,), sums (K, D) of the rows themselves, inertia (1,); labels
# (n_samples,) or NULL is overwritten
cdef int kmeans_statistics_f64(
    const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *centers, Py_ssize_t n_clusters,
    const double *sample_weight, int *labels, double *counts, double *sums, double *inertia,
    int n_threads) noexcept nogil
cdef int kmeans_statistics_f32(
    const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *centers, Py_ssize_t n_clusters,
    const double *sample_weight, int *labels, double *counts, double *sums, double *inertia,
    int n_threads) noexcept nogil

# indices (n_clusters,) of the seeds, from 1 + (n_clusters - 1) * n_local_trials uniform
# numbers in [0, 1); with fewer than n_clusters distinct rows some index comes twice
cdef int kmeans_plusplus_f64(
    const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *sample_weight, Py_ssize_t n_clusters,
    Py_ssize_t n_local_trials, const double *uniforms, Py_ssize_t *indices,
    int n_threads) noexcept nogil
cdef int kmeans_plusplus_f32(
    const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
    Py_ssize_t column_stride, const double *sample_weight, Py_ssize_t n_clusters,
    Py_ssize_t n_local_trials, const double *uniforms, Py_ssize_t *indices,
    int n_threads) noexcept nogil
