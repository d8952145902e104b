"""What passes of K-means with many centres share."""

import numpy as np

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from emkernels._simd.table cimport CENTRE_MARKS, SPHERICAL
from emkernels.kernels.arrays cimport address, is_double, length_of, pointer, set_rows, shaped
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport OUT_OF_MEMORY, check_status, look_for_signal
from emkernels.kernels.threads cimport check_threads, forked, note_threads

cdef extern from "parallel.h" nogil:
    int emk_in_parallel()

cdef enum:
    # centres times features from which tiles of differences are slower; and of few features
    LITTLE = 512
    FEW_FEATURES = 16
    MUCH = 4096
    LEAST_FEATURES = 8
    BAND = 256              # columns that a thread sums
    SOME_ROWS = 512         # that a thread looks at
    FEW_ROWS = 64           # the same where each has many distances
    SOME_WORK = 1 << 28     # differences between looks for a signal
    FEW_SKETCHED = 40       # centres that float32 is done with sooner; and of wide rows
    FEW_OF_WIDE = 24
    WIDE_ROWS = 200
    FEW_PACKED = 1 << 15    # numbers of centres that are packed sooner than threads begin
    FEW_MOVED = 256         # rows that are added sooner than threads begin


ctypedef struct Moved:
    # rows that have changed their cluster, or all
    Py_ssize_t n
    Py_ssize_t n_sides      # 2: there was a cluster before
    int *list               # (n,) in their order; by cluster; by that before
    Py_ssize_t *starts      # (n_sides, n_clusters + 1) of these


cdef bint is_crowded(Py_ssize_t n_clusters, Py_ssize_t n_features) noexcept nogil:
    cdef Py_ssize_t size = n_clusters * n_features
    return n_clusters > 1 and (size >= LITTLE if n_features >= FEW_FEATURES else
                               size >= MUCH and n_features >= LEAST_FEATURES)


cdef int set_nearest(Job *job, Nearest *nearest, const Table *table, bint double_,
                     const double *centers, Py_ssize_t n_clusters, bint packed,
                     int n_threads) noexcept nogil:
    cdef Py_ssize_t D = job.rows.n_features, size = 8 if double_ else 4, line = D + 64, i
    cdef Py_ssize_t n_panels = (n_clusters + table.centre_panel - 1) // table.centre_panel
    cdef Py_ssize_t n = n_panels * table.centre_panel
    cdef int n_shares = <int>min(<Py_ssize_t>max(n_threads, 1), n_panels)
    memset(nearest, 0, sizeof(Nearest))
    job.nearest = nearest
    job.gaussians.covariance_type = SPHERICAL
    job.gaussians.n_components = n_clusters
    job.gaussians.n_features = D
    nearest.n_panels = n_panels
    nearest.centers = <char*>malloc(n_clusters * D * size)
    nearest.origin = <char*>malloc(D * size)
    nearest.norms = <double*>malloc(n_clusters * sizeof(double))
    nearest.sums = <double*>malloc(D * sizeof(double))
    if (nearest.centers == NULL or nearest.origin == NULL or nearest.norms == NULL
            or nearest.sums == NULL):
        return OUT_OF_MEMORY
    table.prepare_nearest(nearest, centers, n_clusters, D, packed)
    if not nearest.usable:
        return 0
    nearest.sketched = table.sketches(D) and n_clusters > (
        FEW_OF_WIDE if D >= WIDE_ROWS else FEW_SKETCHED)
    nearest.panels = <float*>malloc(n * (D + 1) * sizeof(float))
    nearest.half = <float*>malloc(n * sizeof(float))
    nearest.lines = <float*>malloc(n_clusters * (D + 1) * sizeof(float))
    if nearest.sketched:
        nearest.sketch = <int*>malloc(n * ((D + 3) // 4) * sizeof(int))
        nearest.marks = <float*>malloc(CENTRE_MARKS * n * sizeof(float))
        nearest.offsets = <int*>malloc(n * sizeof(int))
        nearest.bytes = <float*>malloc(n_shares * line * 2 * sizeof(float))
    if (nearest.panels == NULL or nearest.half == NULL or nearest.lines == NULL
            or (nearest.sketched and (nearest.sketch == NULL or nearest.marks == NULL
                                      or nearest.offsets == NULL or nearest.bytes == NULL))):
        return OUT_OF_MEMORY
    if n_shares == 1 or n * D < FEW_PACKED or forked() or emk_in_parallel():
        table.pack_centres(nearest, n_clusters, D, 0, n_panels, nearest.bytes)
    else:
        note_threads()
        for i in prange(n_shares, schedule="static", chunksize=1, num_threads=n_shares):
            table.pack_centres(nearest, n_clusters, D, n_panels * i // n_shares,
                               n_panels * (i + 1) // n_shares, nearest.bytes + i * line * 2)
    return 0


cdef void free_nearest(Nearest *nearest) noexcept nogil:
    free(nearest.centers)
    free(nearest.origin)
    free(nearest.norms)
    free(nearest.sums)
    free(nearest.panels)
    free(nearest.half)
    free(nearest.lines)
    free(nearest.sketch)
    free(nearest.marks)
    free(nearest.offsets)
    free(nearest.bytes)
    memset(nearest, 0, sizeof(Nearest))


cdef int add_by_cluster(const Rows *rows, bint double_, const int *labels, const int *before,
                        const double *origins, Py_ssize_t origin_stride, Py_ssize_t n_clusters,
                        double *counts, double *sums, int n_threads) noexcept nogil:
    """Each sum by one thread, over the rows in their order."""
    cdef Py_ssize_t n = rows.n_samples, K = n_clusters, n_moved = 0, i
    cdef Py_ssize_t n_bands = (rows.n_features + BAND - 1) // BAND
    cdef int threads = <int>min(<Py_ssize_t>n_threads, K * n_bands)
    cdef Moved moved
    if sums == NULL and before == NULL:
        for i in range(n):
            counts[labels[i]] += row_weight(rows, i)
        return 0
    for i in range(n):
        n_moved += before == NULL or labels[i] != before[i]
    moved.n_sides = 1 if before == NULL else 2
    moved.list = <int*>malloc((3 * n_moved + 1) * sizeof(int))
    moved.starts = <Py_ssize_t*>malloc(2 * (K + 1) * sizeof(Py_ssize_t))
    if moved.list == NULL or moved.starts == NULL:
        free(moved.list)
        free(moved.starts)
        return OUT_OF_MEMORY
    moved.n = 0
    for i in range(n):
        moved.list[moved.n] = <int>i     # written over unless it has
        moved.n += before == NULL or labels[i] != before[i]
    sort_moved(&moved, 0, labels, K)
    if before != NULL:
        sort_moved(&moved, 1, before, K)
    if n_moved < FEW_MOVED or forked() or emk_in_parallel():
        threads = 1
    if threads == 1:
        for i in range(K * n_bands):
            add_band(rows, double_, &moved, origins, origin_stride, K, i, counts, sums)
    else:
        note_threads()
        for i in prange(K * n_bands, schedule="dynamic", chunksize=1, num_threads=threads):
            add_band(rows, double_, &moved, origins, origin_stride, K, i, counts, sums)
    free(moved.list)
    free(moved.starts)
    return 0


cdef inline double row_weight(const Rows *rows, Py_ssize_t i) noexcept nogil:
    return rows.sample_weight[i] if rows.sample_weight != NULL else 1.0


cdef void sort_moved(const Moved *moved, int side, const int *key, Py_ssize_t K) noexcept nogil:
    """Those rows by key, in their order."""
    cdef Py_ssize_t i, k
    cdef int *order = moved.list + (1 + side) * moved.n
    cdef Py_ssize_t *starts = moved.starts + side * (K + 1)
    memset(starts, 0, (K + 1) * sizeof(Py_ssize_t))
    for i in range(moved.n):
        starts[key[moved.list[i]]] += 1
    for k in range(1, K + 1):
        starts[k] += starts[k - 1]
    for i in range(moved.n - 1, -1, -1):
        k = key[moved.list[i]]
        starts[k] -= 1
        order[starts[k]] = moved.list[i]


cdef void add_band(const Rows *rows, bint double_, const Moved *moved, const double *origins,
                   Py_ssize_t origin_stride, Py_ssize_t K, Py_ssize_t at, double *counts,
                   double *sums) noexcept nogil:
    """Some columns of one cluster."""
    cdef Py_ssize_t D = rows.n_features, n_bands = (D + BAND - 1) // BAND
    cdef Py_ssize_t k = at // n_bands, first = at % n_bands * BAND, side, n, i
    cdef const Table *table = table_of(double_)
    cdef const Py_ssize_t *starts
    cdef const int *row
    for side in range(moved.n_sides):
        starts = moved.starts + side * (K + 1) + k
        row = moved.list + (1 + side) * moved.n + starts[0]
        n = starts[1] - starts[0]
        if sums != NULL:
            table.add_gap_rows(rows, row, n, origins + k * origin_stride + first, first,
                               min(D - first, <Py_ssize_t>BAND), 1 - 2 * side,
                               sums + k * D + first)
        for i in range(n if first == 0 else 0):
            counts[k] += (1 - 2 * side) * row_weight(rows, row[i])


def _cluster_sums(X, labels, origin, n_clusters, sample_weight=None, n_threads=None):
    """Counts, and sums of x - origin, of the rows of each cluster. Every array already checked and
    contiguous, labels int32."""
    cdef Rows rows
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = n_clusters
    cdef const int *label = <const int*>address(labels)
    cdef const double *about = <const double*>address(origin)
    cdef double *c
    cdef double *s
    set_rows(&rows, X)
    rows.sample_weight = pointer(sample_weight)
    counts, sums = np.zeros(K), np.zeros((K, X.shape[1]))
    c, s = <double*>address(counts), <double*>address(sums)
    with nogil:
        status = add_by_cluster(&rows, double_, label, NULL, about, 0, K, c, s, threads)
    check_status(status)
    return counts, sums


def _gap_squares(X, labels, centers, rounding, n_threads=None):
    """Squared distances of rows to their centres, in float64, and whether each is away from it by
    more than `rounding` (n_features,) in any column. Every array already checked and contiguous."""
    cdef Rows rows
    cdef int threads = check_threads(n_threads)
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t n = X.shape[0], i
    cdef const int *label = <const int*>address(labels)
    cdef const double *center = shaped(centers, "centers", (length_of(centers), X.shape[1]))
    cdef const double *limit = <const double*>address(rounding)
    cdef double *square
    cdef unsigned char *far
    cdef const Table *table = table_of(double_)
    set_rows(&rows, X)
    squares, away = np.empty(n), np.empty(n, np.uint8)
    square, far = <double*>address(squares), <unsigned char*>address(away)
    with nogil:
        if threads == 1 or forked() or emk_in_parallel():
            table.gap_squares(&rows, 0, n, label, center, limit, square, far)
        else:
            note_threads()
            for i in prange((n + SOME_ROWS - 1) // SOME_ROWS, schedule="static",
                            num_threads=threads):
                table.gap_squares(&rows, i * SOME_ROWS, min(SOME_ROWS, n - i * SOME_ROWS), label,
                                  center, limit, square, far)
    return squares, away


def _center_distances(X, centers, n_threads=None):
    """Distances (n_samples, n_centers) by difference, in the precision of X. Every array already
    checked; the rows contiguous, the centres rounded to their precision and contiguous."""
    cdef Rows rows
    cdef int threads = check_threads(n_threads)
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t n = X.shape[0], K = length_of(centers), width = K * X.itemsize
    cdef Py_ssize_t first, size, some, i
    cdef const char *center = <const char*>address(centers)
    cdef char *to
    cdef const Table *table = table_of(double_)
    set_rows(&rows, X)
    if centers.dtype != X.dtype or centers.shape[1] != X.shape[1] or X.strides[1] != X.itemsize:
        raise ValueError("rows and centres are not alike")
    out = np.empty((n, K), X.dtype)
    to = <char*>address(out)
    some = max(1, SOME_WORK // (K * X.shape[1]) // FEW_ROWS) * FEW_ROWS
    for first in range(0, n, some):
        size = min(some, n - first)
        with nogil:
            if threads == 1 or forked() or emk_in_parallel():
                table.center_distances(&rows, first, size, center, K, to + first * width)
            else:
                note_threads()
                for i in prange((size + FEW_ROWS - 1) // FEW_ROWS, schedule="static",
                                num_threads=threads):
                    table.center_distances(
                        &rows, first + i * FEW_ROWS, min(FEW_ROWS, size - i * FEW_ROWS), center, K,
                        to + (first + i * FEW_ROWS) * width)
        check_status(look_for_signal())
    return out
