"""Seeding of K-means by greedy k-means++."""

import numpy as np

from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from emkernels._simd.table cimport Job, Rows, Seeding
from emkernels.kernels.arrays cimport (
    address, as_matrix, as_weights, check_rows_finite, is_double, pointer, set_rows,
    weights_in_unit)
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.draws cimport Draw, copy_row, pick, pick_by_weight
from emkernels.kernels.driver cimport (
    CLOSEST, OUT_OF_MEMORY, Plan, check_status, free_plan, look_for_signal, make_plan, run)
from emkernels.kernels.gaussians cimport set_centers
from emkernels.kernels.sketched cimport Kept, keep_bytes, kept_seeds, let_go
from emkernels.kernels.threads cimport check_threads

cdef enum:
    MOST_TRIALS = 65536


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
    """Over rows in bytes, where that is faster; the seeds are the same up to rounding."""
    cdef Kept kept
    cdef int status
    if keep_bytes(&kept, rows, double_, K, n_trials, n_threads):
        status = kept_seeds(&kept, K, uniforms, indices, interruptible)
        let_go(&kept)
        return status
    let_go(&kept)
    return seeds_of_rows(rows, double_, K, n_trials, uniforms, indices, n_threads, interruptible)


cdef int seeds_of_rows(const Rows *rows, bint double_, Py_ssize_t K, Py_ssize_t n_trials,
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
    memset(&seeding, 0, sizeof(Seeding))
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
                row[0] = pick_by_weight(rows, uniforms[0])
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
        How many seeds are wanted.
    sample_weight : array-like of shape (n_samples,), optional
        A weight of 2 is the same as the row twice.
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None
        None: numpy's global state.
    n_local_trials : int, optional
        2 + floor(log(n_clusters)) when None.
    n_threads : int, optional
        None: the CPUs this process may use; -1: all.
    check_finite : bool
        False skips the look for NaN and infinity in X.

    Returns
    -------
    centers : ndarray of shape (n_clusters, n_features), dtype of X
        The seeds, in the order in which they were drawn.
    indices : ndarray of shape (n_clusters,)
        ``centers = X[indices]``. With fewer distinct rows than clusters some come twice.

    Raises
    ------
    ValueError, TypeError
        As :func:`log_density`; n_clusters outside 1 .. n_samples.

    See Also
    --------
    kmeans_statistics : The passes that follow.
    sklearn.cluster.kmeans_plusplus : The same draws.

    Notes
    -----
    Of rows of 48 columns and more, 262,144 values in all and more, it keeps three bytes for each
    value, up to six where columns are few, for 20 seeds and more (40 in float32) of up to 66
    trials each, where the processor multiplies bytes (AVX-512 VNNI, AVX-VNNI) and there is memory.
    By one of them most rows are known to be nearer to a seed than to any of the rows drawn; by the
    others the best of these is told, and only rows that may be near it are read again. Rows whose
    values do not lie together are copied for that. The seeds are the same with and without, up to
    rounding: of rows drawn that are as good as each other, another may be taken.

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
    # no unit of weights has other seeds; of float64 their sums may overflow as well
    sample_weight, _ = weights_in_unit(as_weights(sample_weight, X.shape[0]), np.float32)
    rows.sample_weight = pointer(sample_weight)
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
