"""One fused Lloyd pass; the compiled faces of all kernels of K-means."""

from typing import NamedTuple

import numpy as np

from libc.stdlib cimport free, malloc
from libc.string cimport memset

from emkernels._simd.table cimport Job, Nearest, Rows
from emkernels.kernels.arrays cimport (
    address, as_centers, as_matrix, as_weights, check_rows_finite, checked_sums, in_unit,
    is_double, length_of, output, pointer, rows_at, set_rows, shaped, stored, weights_in_unit)
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport (
    KMEANS, OUT_OF_MEMORY, Plan, apart, check_status, free_plan, make_plan, run)
from emkernels.kernels.gaussians cimport set_centers
from emkernels.kernels.nearest cimport (
    add_by_cluster, free_nearest, is_crowded, set_nearest)
from emkernels.kernels.seeding cimport run_plusplus
from emkernels.kernels.threads cimport check_threads

from emkernels.kernels.seeding import kmeans_plusplus

__all__ = ["KMeansStatistics", "kmeans_plusplus", "kmeans_statistics"]


cdef enum:
    FEW_ROWS = 32           # to which distances are made by difference


class KMeansStatistics(NamedTuple):
    """What one pass of Lloyd's algorithm gives.

    Attributes
    ----------
    labels : ndarray of shape (n_samples,), int32, or None
        The nearest centre of each row; None where not asked for.
    counts : ndarray of shape (n_clusters,), float64
        Sums of the weights.
    sums : ndarray of shape (n_clusters, n_features), float64
        Weighted sums of the rows.
    inertia : float
        Weighted sum of the squared distances to the nearest centres.

    See Also
    --------
    kmeans_statistics : What makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import kmeans_statistics
    >>> s = kmeans_statistics(np.array([[0.0], [1.0], [5.0]]), [[0.0], [4.0]])
    >>> s.sums / s.counts[:, None]
    array([[0.5],
           [5. ]])
    """

    labels: np.ndarray | None
    counts: np.ndarray
    sums: np.ndarray
    inertia: float


cdef int run_kmeans(const Rows *rows, bint double_, const double *centers, Py_ssize_t K,
                    int *labels, double *counts, double *sums, double *tail, int n_threads,
                    bint interruptible, bint about_centers, bint given=False) noexcept nogil:
    """tail (2,) += inertia, number of labels that changed. about_centers: sums of x - center; sums
    may be NULL. given: the labels are right."""
    cdef Job job
    cdef Plan plan
    cdef Py_ssize_t D = rows.n_features, k, d
    cdef double *ones = <double*>malloc(K * sizeof(double))
    cdef double *acc
    cdef int status
    if is_crowded(K, D):
        free(ones)
        return run_crowded(rows, double_, centers, K, labels, counts, sums, tail, n_threads,
                           interruptible, about_centers, given)
    if ones == NULL:
        return OUT_OF_MEMORY
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.labels_out = labels
    job.first_moments = sums != NULL
    status = set_centers(&job, table_of(double_), centers, K, ones)
    if status == 0:
        status = make_plan(&plan, &job, double_, KMEANS, apart(K + K * D + 2), n_threads)
    if status == 0:
        status = run(&plan, interruptible)
        if status == 0:
            acc = plan.accumulators
            for k in range(K):
                counts[k] += acc[k]
                for d in range(D if sums != NULL else 0):
                    # summed about the centre, so that a far origin costs no digits
                    if about_centers:
                        sums[k * D + d] += acc[K + k * D + d]
                        continue
                    sums[k * D + d] += (acc[K + k * D + d]
                                        + acc[k] * stored(centers[k * D + d], double_))
            tail[0] += acc[K + K * D]
            tail[1] += acc[K + K * D + 1]
        free_plan(&plan)
    free(job.gaussians.packed)
    free(ones)
    return status


cdef int run_crowded(const Rows *rows, bint double_, const double *centers, Py_ssize_t K,
                     int *labels, double *counts, double *sums, double *tail, int n_threads,
                     bint interruptible, bint about_centers, bint given) noexcept nogil:
    """The same with many centres: labels, then the sums of each cluster."""
    cdef bint packed
    cdef Job job
    cdef Plan plan
    cdef Nearest nearest
    cdef Py_ssize_t D = rows.n_features, k, d
    cdef int *found = labels
    cdef double *count = <double*>malloc(K * sizeof(double))
    cdef double *about = NULL
    cdef double *sum_ = NULL
    cdef int status
    if sums != NULL:
        about = <double*>malloc(K * D * sizeof(double))
        sum_ = <double*>malloc(K * D * sizeof(double))
    if labels == NULL:
        found = <int*>malloc(rows.n_samples * sizeof(int))
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.labels_out = found
    if given:
        job.labels = found
    # packing the centres takes longer than all distances of so few rows to them
    packed = not given and rows.n_samples >= FEW_ROWS
    status = set_nearest(&job, &nearest, table_of(double_), double_, centers, K, packed, n_threads)
    if found == NULL or count == NULL or (sums != NULL and (sum_ == NULL or about == NULL)):
        status = OUT_OF_MEMORY
    if status == 0:
        if labels == NULL:
            memset(found, 0, rows.n_samples * sizeof(int))
        memset(count, 0, K * sizeof(double))
        if sums != NULL:
            memset(sum_, 0, K * D * sizeof(double))
            for d in range(K * D):
                about[d] = stored(centers[d], double_)
        status = make_plan(&plan, &job, double_, KMEANS, 2, n_threads)
    if status == 0:
        status = run(&plan, interruptible)
        tail[0] += plan.accumulators[0]
        tail[1] += plan.accumulators[1]
        free_plan(&plan)
    if status == 0:
        status = add_by_cluster(rows, double_, found, NULL, about, D, K, count, sum_, n_threads)
    if status == 0:
        for k in range(K):
            counts[k] += count[k]
            for d in range(k * D, (k + 1) * D if sums != NULL else 0):
                sums[d] += sum_[d] + (0 if about_centers else count[k] * about[d])
    free_nearest(&nearest)
    free(count)
    free(sum_)
    free(about)
    if labels == NULL:
        free(found)
    return status


# --- the Python faces --------------------------------------------------------------------

def kmeans_statistics(X, centers, sample_weight=None, *, return_labels=True, out=None,
                      n_threads=None, check_finite=True):
    """One Lloyd pass: nearest centres, counts, sums and inertia, fused.

    ``labels_i = argmin_k |x_i - center_k|^2`` (the first of equals), ``counts_k = sum w_i``
    and ``sums_k = sum w_i x_i`` over the rows of cluster k, ``inertia = sum_i w_i |x_i -
    center_labels_i|^2``.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        Rows in any layout, read in place.
    centers : array-like of shape (n_clusters, n_features)
        Rounded to the precision of X.
    sample_weight : array-like of shape (n_samples,), optional
        A weight of 2 is the same as the row twice.
    return_labels : bool
        False leaves the labels out.
    out : ndarray of shape (n_samples,), int32, optional
        Receives the labels; memory of its own.
    n_threads : int, optional
        The result has the same bits for every number of threads.
    check_finite : bool
        False skips the look for NaN and infinity in X.

    Returns
    -------
    KMeansStatistics
        labels (n_samples,) int32 or None, counts (n_clusters,), sums (n_clusters,
        n_features), inertia; float64.

    Raises
    ------
    ValueError, TypeError
        As :func:`em_statistics`; an unusable `out`.

    See Also
    --------
    kmeans_plusplus : Centres to begin with.
    emkernels.KMeans : The estimator that is fitted by it.

    References
    ----------
    S. P. Lloyd, Least squares quantization in PCM, IEEE Trans. Inf. Theory 28, 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import kmeans_statistics
    >>> s = kmeans_statistics(np.array([[0.0], [1.0], [5.0]]), [[0.0], [4.0]])
    >>> s.labels, s.counts, s.inertia
    (array([0, 0, 1], dtype=int32), array([2., 1.]), 2.0)
    """
    cdef Rows rows
    X = as_matrix(X, "X")
    centers = as_centers(centers, "centers", X)
    sample_weight, unit = weights_in_unit(as_weights(sample_weight, X.shape[0]), X.dtype)
    if check_finite:
        set_rows(&rows, X)
        check_rows_finite(&rows, is_double(X), "X")
    if out is not None:
        output(out, (X.shape[0],), np.int32, "out",
               {"X": X, "centers": centers, "sample_weight": sample_weight})
    elif return_labels:
        out = np.zeros(X.shape[0], np.int32)
    counts, sums, inertia, _ = _kmeans_pass(X, centers, out, sample_weight, n_threads)
    sums = KMeansStatistics(out, in_unit(counts, unit), in_unit(sums, unit), inertia * unit)
    return checked_sums(sums) if check_finite else sums


def _kmeans_pass(X, centers, labels=None, sample_weight=None, n_threads=None, *,
                 about_centers=False, with_sums=True, given=False):
    """kmeans_statistics for Lloyd's loop: every array already checked and contiguous.

    Returns counts, sums, inertia and the number of labels (int32, overwritten) that changed.
    about_centers: the sums are of x - center, which lose no digits far from the origin. with_sums
    False leaves them None. given: the labels are those of these centres and are not looked for.
    """
    cdef Rows rows
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X), about = about_centers, labelled = given
    cdef Py_ssize_t K = length_of(centers)
    cdef const double *center = shaped(centers, "centers", (K, X.shape[1]))
    cdef int *label = NULL if labels is None else <int*>address(labels)
    cdef double *c
    cdef double *s = NULL
    cdef double tail[2]
    set_rows(&rows, X)
    rows.sample_weight = pointer(sample_weight)
    counts, sums = np.zeros(K), None
    c = <double*>address(counts)
    if with_sums:
        sums = np.zeros((K, X.shape[1]))
        s = <double*>address(sums)
    tail[0] = tail[1] = 0
    with nogil:
        status = run_kmeans(&rows, double_, center, K, label, c, s, tail, threads, True,
                            about, labelled)
    check_status(status)
    return counts, sums, tail[0], int(tail[1])


# --- the faces for cimport: see cluster.pxd ------------------------------------------------

cdef int kmeans_statistics_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *centers, Py_ssize_t n_clusters,
        const double *sample_weight, int *labels, double *counts, double *sums, double *inertia,
        int n_threads) noexcept nogil:
    cdef double tail[2]
    cdef int status
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), sample_weight)
    tail[0] = tail[1] = 0
    status = run_kmeans(&rows, True, centers, n_clusters, labels, counts, sums, tail, n_threads,
                        False, False)
    inertia[0] += tail[0]
    return status


cdef int kmeans_plusplus_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *sample_weight, Py_ssize_t n_clusters,
        Py_ssize_t n_local_trials, const double *uniforms, Py_ssize_t *indices,
        int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), sample_weight)
    return run_plusplus(&rows, True, n_clusters, n_local_trials, uniforms, indices, n_threads,
                        False)


cdef int kmeans_statistics_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *centers, Py_ssize_t n_clusters,
        const double *sample_weight, int *labels, double *counts, double *sums, double *inertia,
        int n_threads) noexcept nogil:
    cdef double tail[2]
    cdef int status
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), sample_weight)
    tail[0] = tail[1] = 0
    status = run_kmeans(&rows, False, centers, n_clusters, labels, counts, sums, tail, n_threads,
                        False, False)
    inertia[0] += tail[0]
    return status


cdef int kmeans_plusplus_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *sample_weight, Py_ssize_t n_clusters,
        Py_ssize_t n_local_trials, const double *uniforms, Py_ssize_t *indices,
        int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), sample_weight)
    return run_plusplus(&rows, False, n_clusters, n_local_trials, uniforms, indices, n_threads,
                        False)
