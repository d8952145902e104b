"""What passes with many centres share: packed centres, and sums of the rows of each cluster."""

from emkernels._simd.table cimport Job, Nearest, Rows, Table

# whether the shape is one for nearest.pxi; the same for every pass over rows of this shape
cdef bint is_crowded(Py_ssize_t n_clusters, Py_ssize_t n_features) noexcept nogil
# job.gaussians, job.nearest from float64 centres; free with free_nearest, also after a failure.
# Not packed for products where labels are given
cdef int set_nearest(Job *job, Nearest *nearest, const Table *table, bint double_,
                     const double *centers, Py_ssize_t n_clusters, bint packed,
                     int n_threads) noexcept nogil
cdef void free_nearest(Nearest *nearest) noexcept nogil
# counts (K,) and sums (K, D), unless NULL, += weights, and weighted x - origin, of the rows of each
# cluster; less those of the labels before, unless NULL. origins lie origin_stride apart, 0 for one
cdef int add_by_cluster(const Rows *rows, bint double_, const int *labels, const int *before,
                        const double *origins, Py_ssize_t origin_stride, Py_ssize_t n_clusters,
                        double *counts, double *sums, int n_threads) noexcept nogil
