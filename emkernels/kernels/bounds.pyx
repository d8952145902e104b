"""Passes of Lloyd's loop that hand on bounds."""

import numpy as np

from libc.math cimport fabs, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from cython.parallel cimport prange

from emkernels._simd.table cimport CENTRE_GROUPS, Bounds, Job, Nearest, Rows, Table
from emkernels.kernels.arrays cimport address, is_double, length_of, pointer, set_rows, shaped
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport (
    BOUNDED, OUT_OF_MEMORY, Plan, apart, check_status, free_plan, make_plan, run)
from emkernels.kernels.gaussians cimport set_centers
from emkernels.kernels.nearest cimport (
    add_by_cluster, free_nearest, is_crowded, set_nearest)
from emkernels.kernels.threads cimport check_threads, forked, note_threads

cdef extern from "parallel.h" nogil:
    int emk_in_parallel()

cdef enum:
    NO_BOUNDS = 64      # centres times features up to which distances cost less than bounds
    FEW = 20            # one row in so many
    READ = 24           # centres that a row could be compared with in the time that reading takes
    FEW_NUMBERS = 1 << 15   # of centres, that one thread is done with sooner
    FEW_CENTRES = 64
    MUCH = 1200000      # numbers of centres at which bounds always cost less than a product
    FEW_SUMS = 32768    # that each group of rows may have
    MANY_MOVED = 32     # one row in so many


cdef int run_bounded(const Rows *rows, bint double_, const double *centers, Py_ssize_t K,
                     int *labels, Bounds *bounds, double *changes, int n_threads) noexcept nogil:
    """changes (K + K * D + 1,) += those of counts, sums, and labels."""
    cdef Job job
    cdef Plan plan
    cdef Py_ssize_t n = K + K * rows.n_features + 1, i
    cdef double *ones = <double*>malloc(K * sizeof(double))
    cdef int status
    if ones == NULL:
        return OUT_OF_MEMORY
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.labels_out = labels
    job.bounds = bounds
    status = set_centers(&job, table_of(double_), centers, K, ones)
    if status == 0:
        status = make_plan(&plan, &job, double_, BOUNDED, apart(n), n_threads)
    if status == 0:
        status = run(&plan, True)
        if status == 0:
            for i in range(n):
                changes[i] += plan.accumulators[i]
        free_plan(&plan)
    free(job.gaussians.packed)
    free(ones)
    return status


cdef int run_crowded(const Rows *rows, bint double_, const double *centers, Py_ssize_t K,
                     int *labels, Bounds *bounds, double *counts, double *sums,
                     double *n_changed, int n_threads) noexcept nogil:
    """The same with many centres: counts and sums, unless NULL, += their changes."""
    cdef Job job
    cdef Plan plan
    cdef Nearest nearest
    cdef Py_ssize_t D = rows.n_features, n = rows.n_samples, i
    cdef const Table *table = table_of(double_)
    cdef int *before = NULL
    cdef int status
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.labels_out = labels
    job.bounds = bounds
    status = set_nearest(&job, &nearest, table, double_, centers, K, True, n_threads)
    if sums != NULL and not (bounds.summed or bounds.first_pass):
        before = <int*>malloc(n * sizeof(int))
        if before == NULL:
            status = OUT_OF_MEMORY
        else:
            memcpy(before, labels, n * sizeof(int))
    if status == 0:
        if bounds.n_groups > 0 and not bounds.fill:
            set_half_gaps(&nearest, table, K, D, bounds, n_threads)
        status = make_plan(&plan, &job, double_, BOUNDED,
                           apart(K + K * D + 1) if bounds.summed else 1, n_threads)
    if status == 0:
        status = run(&plan, True)
        n_changed[0] = plan.accumulators[K + K * D if bounds.summed else 0]
        for i in range(K + K * D if bounds.summed and status == 0 else 0):
            if i < K:
                counts[i] += plan.accumulators[i]
            else:
                sums[i - K] += plan.accumulators[i]
        free_plan(&plan)
    if status == 0 and sums != NULL and not bounds.summed:
        status = add_by_cluster(rows, double_, labels, before, bounds.origin, 0, K, counts, sums,
                                n_threads)
    free_nearest(&nearest)
    free(before)
    return status


cdef void set_half_gaps(const Nearest *nearest, const Table *table, Py_ssize_t K, Py_ssize_t D,
                        Bounds *bounds, int n_threads) noexcept nogil:
    """Half the distance of each centre to its nearest other centre, where bounds tell it."""
    cdef Py_ssize_t i
    cdef Py_ssize_t size = (8 if table == table_of(True) else 4) * D
    if n_threads == 1 or forked() or emk_in_parallel():
        for i in range(K):
            set_half_gap(nearest, table, i, K, D, size, bounds)
        return
    note_threads()
    for i in prange(K, schedule="static", num_threads=n_threads):
        set_half_gap(nearest, table, i, K, D, size, bounds)


cdef void set_half_gap(const Nearest *nearest, const Table *table, Py_ssize_t i, Py_ssize_t K,
                       Py_ssize_t D, Py_ssize_t size, Bounds *bounds) noexcept nogil:
    cdef double least = bounds.half_gap[i], gap
    cdef Py_ssize_t j
    for j in range(K if least > 0 else 0):
        if j != i:
            gap = table.pair_square(nearest.centers + i * size, nearest.centers + j * size, D)
            gap = sqrt(gap) * bounds.scale * (1 - bounds.slack) / 2
            if gap < least:
                least = gap
    (<float*>bounds.half_gap)[i] = <float>(least * (1 - 1e-6))


class _LloydBounds:
    """What passes of :func:`_bounded_pass` over the same rows hand on.

    Bounds cost more than they save while many rows change their cluster; they are kept from the
    pass on that finds few: how few, with many centres, goes by what a pass without costs. For
    each row they are a float32 and numbers of 2 bytes, which are 16 bytes or no more than the row
    has; without many centres at most 64.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    n_clusters : int
    scale : float
        A typical distance.
    """

    def __init__(self, X, n_clusters, scale):
        self.n_samples, self.scale = len(X), scale
        self.few = len(X) // FEW if n_clusters * X.shape[1] > NO_BOUNDS else -1
        self.travelled, self.group_travelled = np.zeros(n_clusters), np.zeros(1)
        self.panel, few = 1, False
        if is_crowded(n_clusters, X.shape[1]):
            self.panel = table_of(is_double(X)).centre_panel
            # to read a row and compare it with all centres costs little where there are few numbers
            few = n_clusters <= FEW_CENTRES
            share = max(0.003, (n_clusters + READ) * X.shape[1] / MUCH)
            if few:     # and bounds cost little
                share *= 5
            self.few = int(min(0.4, share) * len(X))
        most = max(8, X.itemsize * X.shape[1] // 2)
        if few:
            most = min(most, max(8, n_clusters // 4))
        self.set_groups(most if self.panel > 1 else min(CENTRE_GROUPS, most))
        self.n_groups, self.fill = 0, False
        self.n_changed = len(X)
        self.upper, self.lower = np.empty(1, np.float32), np.empty(1, np.uint16)

    def set_groups(self, most):
        """At most so many groups of centres."""
        self.group_size = -(-len(self.travelled) // most)

    def follow(self, before, centers, n_threads=None):
        """The centres have moved."""
        if self.n_groups:
            shift = np.sqrt(_shifts(before, centers, n_threads)) / self.scale * (1 + 1e-6)
            self.travelled += shift
            self.group_travelled += np.maximum.reduceat(
                shift, np.arange(0, len(shift), self.group_size))

    def note(self, n_changed):
        """So many labels have changed in a pass."""
        self.n_changed = n_changed
        self.fill = self.n_groups == 0 and n_changed <= self.few
        if self.fill:
            self.n_groups = -(-len(self.travelled) // self.group_size)
            self.upper = np.empty(self.n_samples, np.float32)
            self.lower = np.empty((self.n_samples, self.n_groups), np.uint16)
            self.group_travelled = np.zeros(self.n_groups)


def _bounded_pass(X, centers, labels, known, origin, sample_weight=None, before=None,
                  n_threads=None, *, into=None):
    """One Lloyd pass for a loop: every array already checked and contiguous.

    labels (int32) and `known` (_LloydBounds) are kept from pass to pass; `before` are the centres
    of the pass before, None in the first. All centres are rounded to the dtype of X. Returns how
    many labels changed. into: counts (n_clusters,) and sums (n_clusters, n_features) of x -
    origin, to which their changes are added.
    """
    cdef Rows rows
    cdef Bounds bounds
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = length_of(centers), D = X.shape[1]
    cdef const double *center = shaped(centers, "centers", (K, D))
    cdef int *label = <int*>address(labels)
    cdef double *out
    cdef double *counts = NULL
    cdef double *sums = NULL
    cdef double n_changed = 0
    cdef bint crowded
    set_rows(&rows, X)
    rows.sample_weight = pointer(sample_weight)
    memset(&bounds, 0, sizeof(Bounds))
    upper, lower = known.upper, known.lower
    if not known.fill:
        known.follow(before, centers, threads)
    travelled = known.travelled.astype(np.float32)
    group_travelled = known.group_travelled.astype(np.float32)
    half_gap = np.full(K, np.inf)
    # the bounds are kept in float32 and computed in the precision of the data
    bounds.scale, bounds.slack = 1 / known.scale, 4e-7 + (D + 8) * np.finfo(X.dtype).eps
    bounds.n_groups, bounds.group_size = known.n_groups, known.group_size
    bounds.upper = <float*>address(upper)
    bounds.lower = <unsigned short*>address(lower)
    bounds.travelled = <const float*>address(travelled)
    bounds.group_travelled = <const float*>address(group_travelled)
    bounds.absolute = 4e-7 * known.group_travelled.max()
    bounds.origin = <const double*>address(origin)
    bounds.fill, bounds.first_pass = known.fill, before is None
    crowded = is_crowded(K, D)
    bounds.summed = (crowded and into is not None and K * (D + 1) <= FEW_SUMS
                     and (known.n_groups == 0 or known.fill)
                     and known.n_changed * MANY_MOVED > len(X))
    if known.n_groups and not known.fill:
        if not crowded:
            half_gaps(center, K, D, <double*>address(half_gap))
        elif K * K > len(X):
            half_gap[:] = 0     # they would take longer than what they save
    half_gap = (half_gap / known.scale * (1 - 1e-6)).astype(np.float32)
    bounds.half_gap = <const float*>address(half_gap)
    changes = np.zeros(1 if crowded else K + K * D + 1)
    out = <double*>address(changes)
    if into is not None:
        counts = <double*>shaped(into[0], "counts", (K,))
        sums = <double*>shaped(into[1], "sums", (K, D))
    with nogil:
        if crowded:
            status = run_crowded(&rows, double_, center, K, label, &bounds, counts, sums,
                                 &n_changed, threads)
        else:
            status = run_bounded(&rows, double_, center, K, label, &bounds, out, threads)
    check_status(status)
    if not crowded:
        n_changed = out[K + K * D]
        if into is not None:
            into[0][:] += changes[:K]
            into[1][:] += changes[K : K + K * D].reshape(K, D)
    known.note(int(n_changed))
    return int(n_changed)


def _shifts(before, centers, n_threads=None):
    """Squared distances (n_clusters,) of float64 centres to those before."""
    cdef int threads = check_threads(n_threads)
    cdef Py_ssize_t K = length_of(centers), D = centers.shape[1], k
    cdef const double *old = shaped(before, "before", (K, D))
    cdef const double *new = shaped(centers, "centers", (K, D))
    cdef double *out
    shifts = np.empty(K)
    out = <double*>address(shifts)
    with nogil:
        if threads == 1 or K * D < FEW_NUMBERS or forked() or emk_in_parallel():
            for k in range(K):
                out[k] = square_between(old + k * D, new + k * D, D)
        else:
            note_threads()
            for k in prange(K, schedule="static", num_threads=threads):
                out[k] = square_between(old + k * D, new + k * D, D)
    return shifts


def _means_about(counts, sums, origin, double_, n_threads=None):
    """sums / counts + origin (n_clusters, n_features), rounded to float32 unless double_, in
    float64; and whether all are in its range."""
    cdef int threads = check_threads(n_threads)
    cdef Py_ssize_t K = length_of(sums), D = sums.shape[1], k
    cdef const double *count = shaped(counts, "counts", (K,))
    cdef const double *sum_ = shaped(sums, "sums", (K, D))
    cdef const double *about = shaped(origin, "origin", (D,))
    cdef bint exact = double_
    cdef double *out
    cdef unsigned char *fit
    means, fits = np.empty((K, D)), np.empty(K, np.uint8)
    out, fit = <double*>address(means), <unsigned char*>address(fits)
    with nogil:
        if threads == 1 or K * D < FEW_NUMBERS or forked() or emk_in_parallel():
            for k in range(K):
                fit[k] = mean_about(count[k], sum_ + k * D, about, D, exact, out + k * D)
        else:
            note_threads()
            for k in prange(K, schedule="static", num_threads=threads):
                fit[k] = mean_about(count[k], sum_ + k * D, about, D, exact, out + k * D)
    return means, bool(fits.all())


cdef double square_between(const double *a, const double *b, Py_ssize_t D) noexcept nogil:
    cdef double total[8]
    cdef double gap
    cdef Py_ssize_t d, i, whole = D // 8 * 8
    for i in range(8):
        total[i] = 0
    for d in range(0, whole, 8):
        for i in range(8):
            gap = b[d + i] - a[d + i]
            total[i] += gap * gap
    for d in range(whole, D):
        gap = b[d] - a[d]
        total[d - whole] += gap * gap
    return ((total[0] + total[4]) + (total[1] + total[5])) + (
        (total[2] + total[6]) + (total[3] + total[7]))


cdef bint mean_about(double count, const double *sums, const double *origin, Py_ssize_t D,
                     bint exact, double *out) noexcept nogil:
    cdef double limit = 1.7976931348623157e308 if exact else 3.4028234663852886e38, value
    cdef int n_beyond = 0
    cdef Py_ssize_t d
    for d in range(D):
        value = sums[d] / count + origin[d]
        n_beyond += fabs(value) > limit
        out[d] = value if exact else <double><float>value
    return n_beyond == 0


cdef void half_gaps(const double *centers, Py_ssize_t K, Py_ssize_t D, double *gaps) noexcept:
    """Half the distance of each centre to its nearest other centre."""
    cdef double total[4]
    cdef double gap
    cdef Py_ssize_t i, j, d
    for i in range(K):
        for j in range(i):
            for d in range(4):
                total[d] = 0
            for d in range(D):
                gap = centers[i * D + d] - centers[j * D + d]
                total[d & 3] += gap * gap
            gap = sqrt(total[0] + total[1] + total[2] + total[3]) / 2
            gaps[i] = min(gaps[i], gap)
            gaps[j] = min(gaps[j], gap)
