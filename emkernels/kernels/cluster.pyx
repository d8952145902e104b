"""Kernels of K-means: seeding by k-means++ and one fused Lloyd pass."""

from typing import NamedTuple

import numpy as np

from libc.math cimport INFINITY, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from emkernels._simd.table cimport (
    MAX_GROUPS, SPHERICAL, Bounds, Gaussians, Job, Rows, Seeding, Table)
from emkernels.kernels._core cimport (
    BOUNDED, CLOSEST, KMEANS, OUT_OF_MEMORY, Plan, address, as_centers, as_matrix, as_weights,
    check_rows_finite, check_status, check_threads, free_plan, is_double, look_for_signal,
    make_plan, output, rows_at, run, set_rows, stored, table_of)

cdef enum:
    NO_BOUNDS = 64      # centres times features up to which distances cost less than bounds
    FEW = 20            # one row in so many
    MOST_TRIALS = 65536


class KMeansStatistics(NamedTuple):
    """Result of :func:`kmeans_statistics`; labels is None when not asked for."""

    labels: np.ndarray | None
    counts: np.ndarray
    sums: np.ndarray
    inertia: float


# --- bodies, for both precisions and both kinds of caller ------------------------------

cdef int set_centers(Job *job, const Table *table, const double *centers, Py_ssize_t K,
                     double *ones) noexcept nogil:
    """Pack the centres, as the means of a spherical model of unit scale."""
    cdef Gaussians *g = &job.gaussians
    cdef Py_ssize_t k
    for k in range(K):
        ones[k] = 1
    g.covariance_type = SPHERICAL
    g.n_components = K
    g.n_features = job.rows.n_features
    g.means = centers
    g.precisions_cholesky = ones
    if g.packed == NULL:
        g.packed = <char*>malloc(table.packed_bytes(g))
        if g.packed == NULL:
            return OUT_OF_MEMORY
    table.prepare(g)
    return 0


cdef int run_kmeans(const Rows *rows, bint double_, const double *centers, Py_ssize_t K,
                    int *labels, double *counts, double *sums, double *tail, int n_threads,
                    bint interruptible) noexcept nogil:
    """tail (2,) += inertia, number of labels that changed."""
    cdef Job job
    cdef Plan plan
    cdef Py_ssize_t D = rows.n_features, k, d
    cdef double *ones = <double*>malloc(K * sizeof(double))
    cdef double *acc
    cdef int status
    if ones == NULL:
        return OUT_OF_MEMORY
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.labels_out = labels
    status = set_centers(&job, table_of(double_), centers, K, ones)
    if status == 0:
        status = make_plan(&plan, &job, double_, KMEANS, K + K * D + 2, n_threads)
    if status == 0:
        status = run(&plan, interruptible)
        if status == 0:
            acc = plan.accumulators
            for k in range(K):
                counts[k] += acc[k]
                for d in range(D):
                    # summed about the centre, so that a far origin costs no digits
                    sums[k * D + d] += (acc[K + k * D + d]
                                        + acc[k] * stored(centers[k * D + d], double_))
            tail[0] += acc[K + K * D]
            tail[1] += acc[K + K * D + 1]
        free_plan(&plan)
    free(job.gaussians.packed)
    free(ones)
    return status


cdef inline double row_weight(const Rows *rows, Py_ssize_t i) noexcept nogil:
    return rows.sample_weight[i] if rows.sample_weight != NULL else 1.0


cdef double total_weight(const Rows *rows) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t i
    if rows.sample_weight == NULL:
        return rows.n_samples
    for i in range(rows.n_samples):
        total += rows.sample_weight[i]
    return total


cdef Py_ssize_t pick_by_weight(const Rows *rows, double target) noexcept nogil:
    """First row at which the running sum of the weights passes the target."""
    cdef Py_ssize_t i, last = 0
    cdef double total = 0
    for i in range(rows.n_samples):
        total += row_weight(rows, i)
        if total > target:
            return i
        if row_weight(rows, i) > 0:
            last = i
    return last


cdef inline double element(const char *at, bint double_) noexcept nogil:
    """A value of X, which may be unaligned."""
    cdef double wide
    cdef float narrow
    if double_:
        memcpy(&wide, at, sizeof(double))
        return wide
    memcpy(&narrow, at, sizeof(float))
    return narrow


cdef double square_to(const Rows *rows, bint double_, Py_ssize_t i,
                      const double *seed) noexcept nogil:
    """|x_i - seed|^2."""
    cdef const char *x = rows.x + i * rows.row_stride
    cdef double total[4]
    cdef double gap
    cdef Py_ssize_t d
    for d in range(4):
        total[d] = 0
    for d in range(rows.n_features):
        gap = element(x + d * rows.column_stride, double_) - seed[d]
        total[d & 3] += gap * gap
    return (total[0] + total[1]) + (total[2] + total[3])


ctypedef struct Draw:
    # what rows are drawn from: weight * squared distance to the nearest seed
    Py_ssize_t block_rows
    Py_ssize_t n_blocks
    const double *potentials    # of blocks, `stride` apart
    Py_ssize_t stride
    const double *closest       # (n_samples,) without `seed`
    const double *seed


cdef Py_ssize_t pick(const Rows *rows, bint double_, const Draw *draw,
                     double target) noexcept nogil:
    """First row at which the running sum reaches the target."""
    cdef Py_ssize_t block = 0, i, last = 0
    cdef double total = 0, value
    while (block < draw.n_blocks - 1
            and total + draw.potentials[block * draw.stride] < target):
        total += draw.potentials[block * draw.stride]
        block += 1
    for i in range(block * draw.block_rows, rows.n_samples):
        value = row_weight(rows, i)
        if value > 0:
            last = i
            value *= min(draw.closest[i], square_to(rows, double_, i, draw.seed))
        total += value
        if total >= target:
            return i
    return last


cdef void copy_row(const Rows *rows, bint double_, Py_ssize_t i, double *out) noexcept nogil:
    cdef Py_ssize_t d
    for d in range(rows.n_features):
        out[d] = element(rows.x + i * rows.row_stride + d * rows.column_stride, double_)


cdef int closest_pass(Job *job, bint double_, const double *centers, Py_ssize_t n_centers,
                      double *ones, Seeding *seeding, Draw *draw, int n_threads,
                      bint interruptible) noexcept nogil:
    """potentials (n_blocks, n_candidates) of the candidates, and the cut into blocks."""
    cdef Plan plan
    cdef int status = set_centers(job, table_of(double_), centers, n_centers, ones)
    if status == 0:
        status = make_plan(&plan, job, double_, CLOSEST, 0, n_threads)
    if status == 0:
        plan.seeding = seeding
        status = run(&plan, interruptible)
        draw.block_rows = job.block_rows
        draw.n_blocks = plan.n_blocks
        free_plan(&plan)
    if status == 0 and interruptible:
        status = look_for_signal()      # there may be many passes, each of a single step
    return status


cdef int run_plusplus(const Rows *rows, bint double_, Py_ssize_t K, Py_ssize_t n_trials,
                      const double *uniforms, Py_ssize_t *indices, int n_threads,
                      bint interruptible) noexcept nogil:
    """One pass over the rows for each seed: it takes in the seed before, of which only a block
    was needed so far, and tries the candidates for the next."""
    cdef Job job
    cdef Seeding seeding
    cdef Draw draw
    cdef Py_ssize_t D = rows.n_features, n = rows.n_samples, i, c, t, best = 0, trials = 1
    cdef Py_ssize_t most_blocks = n // table_of(double_).tile + 1
    cdef double current, potential
    cdef double *closest = <double*>malloc(n * sizeof(double))
    # seed and candidates (n_trials + 1, D), ones (n_trials + 1,), the seed before (D,)
    cdef double *buffer = <double*>malloc(((n_trials + 1) * (D + 1) + D) * sizeof(double))
    cdef double *potentials = <double*>malloc(most_blocks * n_trials * sizeof(double))
    cdef Py_ssize_t *row = <Py_ssize_t*>malloc(n_trials * sizeof(Py_ssize_t))
    cdef double *ones
    cdef double *seed
    cdef int status = 0
    memset(&job, 0, sizeof(Job))
    memset(&draw, 0, sizeof(Draw))
    job.rows = rows[0]
    if (closest == NULL or potentials == NULL or buffer == NULL or row == NULL
            or n_trials > MOST_TRIALS):
        status = OUT_OF_MEMORY
    else:
        ones = buffer + (n_trials + 1) * D
        seed = ones + n_trials + 1
        for i in range(n):
            closest[i] = INFINITY
        # packed for the most centres from the start, so that the buffer fits any number
        memset(buffer, 0, (n_trials + 1) * D * sizeof(double))
        status = set_centers(&job, table_of(double_), buffer, n_trials + 1, ones)
        seeding.closest = draw.closest = closest
        seeding.potentials = potentials
        draw.seed = seed
        for c in range(K if status == 0 else 0):
            if c == 0:
                row[0] = pick_by_weight(rows, uniforms[0] * total_weight(rows))
            else:
                memcpy(buffer, seed, D * sizeof(double))
                trials = n_trials
                for t in range(trials):
                    row[t] = pick(rows, double_, &draw,
                                  uniforms[1 + (c - 1) * n_trials + t] * current)
            seeding.take_in = c > 0
            seeding.n_candidates = trials
            for t in range(trials):
                copy_row(rows, double_, row[t], buffer + (seeding.take_in + t) * D)
            if c + 1 == K and trials == 1:
                indices[c] = row[0]      # nothing to choose, and nothing comes after
                break
            status = closest_pass(&job, double_, buffer, seeding.take_in + trials, ones, &seeding,
                                  &draw, n_threads, interruptible)
            if status != 0:
                break
            current = INFINITY
            for t in range(trials):
                potential = 0
                for i in range(draw.n_blocks):
                    potential += potentials[i * trials + t]
                if t == 0 or potential < current:
                    current = potential
                    best = t
            indices[c] = row[best]
            memcpy(seed, buffer + (seeding.take_in + best) * D, D * sizeof(double))
            draw.potentials = potentials + best
            draw.stride = trials
    free(job.gaussians.packed)
    free(closest)
    free(buffer)
    free(potentials)
    free(row)
    return status


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
        status = make_plan(&plan, &job, double_, BOUNDED, n, n_threads)
    if status == 0:
        status = run(&plan, True)
        if status == 0:
            for i in range(n):
                changes[i] += plan.accumulators[i]
        free_plan(&plan)
    free(job.gaussians.packed)
    free(ones)
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
    return_labels : bool
        False leaves the labels out.
    out : ndarray of shape (n_samples,), int32, optional
        Receives the labels.
    n_threads : int, optional
        The result has the same bits for every number of threads.
    check_finite : bool

    Returns
    -------
    KMeansStatistics
        labels (n_samples,) int32 or None, counts (n_clusters,), sums (n_clusters,
        n_features), inertia; float64.

    Raises
    ------
    ValueError, TypeError
        As :func:`log_density`.

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
    sample_weight = as_weights(sample_weight, X.shape[0], is_double(X))
    if check_finite:
        set_rows(&rows, X)
        check_rows_finite(&rows, is_double(X), "X")
    if out is not None:
        output(out, (X.shape[0],), np.int32, "out")
        if np.may_share_memory(out, X):
            raise ValueError("out must be an array of its own, not a part of X")
    elif return_labels:
        out = np.zeros(X.shape[0], np.int32)
    counts, sums, inertia, _ = _kmeans_pass(X, centers, out, sample_weight, n_threads)
    return KMeansStatistics(out, counts, sums, inertia)


def _kmeans_pass(X, centers, labels=None, sample_weight=None, n_threads=None):
    """kmeans_statistics for Lloyd's loop: every array already checked and contiguous.

    Returns counts, sums, inertia and the number of labels (int32, overwritten) that changed.
    """
    cdef Rows rows
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = centers.shape[0]
    cdef const double *center = <const double*>address(centers)
    cdef int *label = NULL if labels is None else <int*>address(labels)
    cdef double *c
    cdef double *s
    cdef double tail[2]
    set_rows(&rows, X)
    if sample_weight is not None:
        rows.sample_weight = <const double*>address(sample_weight)
    counts, sums = np.zeros(K), np.zeros((K, X.shape[1]))
    c, s = <double*>address(counts), <double*>address(sums)
    tail[0] = tail[1] = 0
    with nogil:
        status = run_kmeans(&rows, double_, center, K, label, c, s, tail, threads, True)
    check_status(status)
    return counts, sums, tail[0], int(tail[1])


class _LloydBounds:
    """What passes of :func:`_bounded_pass` over the same rows hand on.

    Bounds cost more than they save while many rows change their cluster; they are kept from the
    pass on that finds few. For each row they are a float32 and at most 64 numbers of 2 bytes, which
    are 16 bytes or no more than the row has.

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
        most = min(MAX_GROUPS, max(8, X.itemsize * X.shape[1] // 2))
        self.group_size = -(-n_clusters // most)
        self.n_groups, self.fill = 0, False
        self.upper, self.lower = np.empty(1, np.float32), np.empty(1, np.uint16)
        self.travelled, self.group_travelled = np.zeros(n_clusters), np.zeros(1)

    def follow(self, before, centers):
        """The centres have moved."""
        if self.n_groups:
            shift = np.sqrt(((centers - before) ** 2).sum(axis=1)) / self.scale * (1 + 1e-6)
            self.travelled += shift
            self.group_travelled += np.maximum.reduceat(
                shift, np.arange(0, len(shift), self.group_size))

    def note(self, n_changed):
        """So many labels have changed in a pass."""
        self.fill = self.n_groups == 0 and n_changed <= self.few
        if self.fill:
            self.n_groups = -(-len(self.travelled) // self.group_size)
            self.upper = np.empty(self.n_samples, np.float32)
            self.lower = np.empty((self.n_samples, self.n_groups), np.uint16)
            self.group_travelled = np.zeros(self.n_groups)


def _bounded_pass(X, centers, labels, known, origin, sample_weight=None, before=None,
                  n_threads=None):
    """One Lloyd pass for a loop: every array already checked and contiguous.

    labels (int32) and `known` (_LloydBounds) are kept from pass to pass; `before` are the centres
    of the pass before, None in the first. All centres are rounded to the dtype of X. Returns the
    changes of the counts and of the sums of x - origin, and how many labels changed.
    """
    cdef Rows rows
    cdef Bounds bounds
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = centers.shape[0], D = X.shape[1]
    cdef const double *center = <const double*>address(centers)
    cdef int *label = <int*>address(labels)
    cdef double *out
    set_rows(&rows, X)
    if sample_weight is not None:
        rows.sample_weight = <const double*>address(sample_weight)
    memset(&bounds, 0, sizeof(Bounds))
    upper, lower = known.upper, known.lower
    if not known.fill:
        known.follow(before, centers)
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
    if known.n_groups and not known.fill:
        set_half_gaps(center, K, D, <double*>address(half_gap))
    half_gap = (half_gap / known.scale * (1 - 1e-6)).astype(np.float32)
    bounds.half_gap = <const float*>address(half_gap)
    changes = np.zeros(K + K * D + 1)
    out = <double*>address(changes)
    with nogil:
        status = run_bounded(&rows, double_, center, K, label, &bounds, out, threads)
    check_status(status)
    n_changed = int(changes[K + K * D])
    known.note(n_changed)
    return changes[:K], changes[K : K + K * D].reshape(K, D), n_changed


cdef void set_half_gaps(const double *centers, Py_ssize_t K, Py_ssize_t D, double *gaps) noexcept:
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


def kmeans_plusplus(X, n_clusters, *, sample_weight=None, random_state=None,
                    n_local_trials=None, n_threads=None, check_finite=True):
    """Seeds for K-means: greedy k-means++.

    The first seed is drawn with probability proportional to the weights; each next one is
    the best of `n_local_trials` rows drawn with probability proportional to weight times
    squared distance to the nearest seed so far, best meaning the smallest remaining sum.
    The random numbers are used in scikit-learn's order, so that the same `random_state`
    gives the same seeds, up to rounding.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        Rows in any layout, read in place.
    n_clusters : int
    sample_weight : array-like of shape (n_samples,), optional
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None
        None: numpy's global state.
    n_local_trials : int, optional
        2 + floor(log(n_clusters)) when None.
    n_threads : int, optional
    check_finite : bool

    Returns
    -------
    centers : ndarray of shape (n_clusters, n_features), dtype of X
    indices : ndarray of shape (n_clusters,)
        ``centers = X[indices]``. With fewer distinct rows than clusters some come twice.

    Raises
    ------
    ValueError, TypeError
        As :func:`log_density`; n_clusters outside 1 .. n_samples.

    References
    ----------
    D. Arthur, S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import kmeans_plusplus
    >>> centers, indices = kmeans_plusplus(np.array([[0.0], [0.0], [9.0]]), 2, random_state=0)
    >>> sorted(centers.ravel().tolist())
    [0.0, 9.0]
    """
    cdef Rows rows
    cdef int threads = check_threads(n_threads), status
    cdef bint double_
    cdef Py_ssize_t K, trials
    cdef const double *uniform
    cdef Py_ssize_t *index
    X = as_matrix(X, "X")
    double_ = is_double(X)
    set_rows(&rows, X)
    if isinstance(n_clusters, bool) or not hasattr(n_clusters, "__index__"):
        raise TypeError(f"n_clusters must be an integer, got {n_clusters!r}")
    if not 1 <= n_clusters <= X.shape[0]:
        raise ValueError(f"n_clusters must lie in 1 .. n_samples = {X.shape[0]}, got {n_clusters}")
    K = n_clusters
    if n_local_trials is None:
        n_local_trials = 2 + int(np.log(K))
    if isinstance(n_local_trials, bool) or not hasattr(n_local_trials, "__index__"):
        raise TypeError(f"n_local_trials must be a positive integer, got {n_local_trials!r}")
    if not 1 <= n_local_trials <= MOST_TRIALS:
        raise ValueError(
            f"n_local_trials must lie in 1 .. {MOST_TRIALS}, got {n_local_trials!r}")
    trials = n_local_trials
    sample_weight = as_weights(sample_weight, X.shape[0], double_)
    if sample_weight is not None:
        rows.sample_weight = <const double*>address(sample_weight)
    if check_finite:
        check_rows_finite(&rows, double_, "X")
    if random_state is None:
        random_state = np.random.mtrand._rand
    elif isinstance(random_state, (int, np.integer)):
        random_state = np.random.RandomState(random_state)
    if not hasattr(random_state, "uniform"):
        raise TypeError(
            "random_state must be None, an integer, a RandomState or a Generator, "
            f"got {random_state!r}"
        )
    uniforms = random_state.uniform(size=1 + (K - 1) * trials)
    indices = np.empty(K, np.intp)
    uniform, index = <const double*>address(uniforms), <Py_ssize_t*>address(indices)
    with nogil:
        status = run_plusplus(&rows, double_, K, trials, uniform, index, threads, True)
    check_status(status)
    return X[indices], indices


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
                        False)
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
                        False)
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
