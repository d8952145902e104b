"""What the kernels of Gaussian mixtures share: their arguments, packing, running, unpacking."""

import numpy as np

from cython.parallel cimport prange
from libc.stdlib cimport malloc

from emkernels._simd.table cimport DIAG, FULL, SPHERICAL, TIED, second_size, tail_size
from emkernels.kernels.arrays cimport address, as_float64, pointer
from emkernels.kernels.driver cimport (
    MIXTURE, OUT_OF_MEMORY, Plan, free_plan, make_plan, room, run, take_sums)
from emkernels.kernels.rooms cimport zeros_in_room
from emkernels.kernels.threads cimport forked, note_threads

cdef extern from "parallel.h" nogil:
    int emk_in_parallel()

cdef enum:
    BAND = 32                   # rows of a matrix that are mirrored together
    THREAD_VALUES = 500000      # that are worth a thread


cdef int set_model(Job *job, const Table *table, int covariance_type, Py_ssize_t n_components,
                   const double *log_weights, const double *means,
                   const double *precisions_cholesky, int n_threads) noexcept nogil:
    """Describe and pack the model; job.gaussians.packed is to be freed."""
    cdef Gaussians *g = &job.gaussians
    cdef Py_ssize_t k, K = n_components, D = job.rows.n_features
    g.covariance_type = covariance_type
    g.n_components = n_components
    g.n_features = job.rows.n_features
    g.log_weights = log_weights
    g.means = means
    g.precisions_cholesky = precisions_cholesky
    g.only_means = False
    g.packed = <char*>room(table.packed_bytes(g))
    if g.packed == NULL:
        return OUT_OF_MEMORY
    n_threads = threads_of(2.0 * K * D * D if covariance_type == FULL else 0, K, n_threads)
    if n_threads == 1:
        table.prepare(g, 0, K)
        return 0
    note_threads()
    for k in prange(K, schedule="static", num_threads=n_threads):
        table.prepare(g, k, k + 1)
    return 0


cdef int threads_of(double n_values, Py_ssize_t parts, int n_threads) noexcept nogil:
    """How many threads so many values are worth that are but moved."""
    if forked() or emk_in_parallel():
        return 1
    return <int>max(1.0, min(<double>min(<Py_ssize_t>n_threads, parts), n_values / THREAD_VALUES))


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
    g.only_means = True
    if g.packed == NULL:
        g.packed = <char*>malloc(table.packed_bytes(g))
        if g.packed == NULL:
            return OUT_OF_MEMORY
    table.prepare(g, 0, K)
    return 0


cdef int run_job(Job *job, bint double_, Py_ssize_t accumulator_length, double **sums,
                 int n_threads, bint interruptible) noexcept nogil:
    """Run the blocks; *sums, unless `sums` is NULL, is the merged accumulators, to be freed."""
    cdef Plan plan
    cdef int status = make_plan(&plan, job, double_, MIXTURE, accumulator_length, n_threads)
    if status == 0:
        status = run(&plan, interruptible)
        if status == 0 and sums != NULL:
            sums[0] = take_sums(&plan)
        free_plan(&plan)
    return status


cdef void add_statistics(const Gaussians *g, int type_, const double *sums, double *counts,
                         double *first, double *second, double *tail,
                         int n_threads) noexcept nogil:
    """Add merged accumulators into the caller's arrays, in the shapes of covariance type
    `type_`; one of 'tied' may come from accumulators of 'full'. tail (tail_size) or NULL."""
    cdef Py_ssize_t K = g.n_components, D = g.n_features, k, i, n_bands
    cdef const double *moments = sums + K + K * D
    for k in range(K):
        counts[k] += sums[k]
        for i in range(D):
            first[k * D + i] += sums[K + k * D + i]
    if g.covariance_type == FULL or g.covariance_type == TIED:
        n_bands = (D + BAND - 1) // BAND
        if type_ != FULL:       # all of them into one
            n_threads = threads_of(<double>D * D, n_bands, n_threads)
        else:
            n_threads = threads_of(<double>K * D * D, K * n_bands, n_threads)
        if g.covariance_type != FULL:
            K = 1
        if n_threads == 1:
            for i in range(n_bands):
                add_band(moments, K, D, i, type_ == FULL, second)
        else:
            note_threads()
            for i in prange(n_bands, schedule="dynamic", chunksize=1, num_threads=n_threads):
                add_band(moments, K, D, n_bands - 1 - i, type_ == FULL, second)
        K = g.n_components
    else:
        for k in range(K):
            for i in range(D):
                second[k * D + i if type_ == DIAG else k] += moments[k * D + i]
    if tail != NULL:
        moments += second_size(g)
        for i in range(tail_size(g)):
            tail[i] += moments[i]


cdef void add_band(const double *triangles, Py_ssize_t K, Py_ssize_t D, Py_ssize_t band,
                   bint apart, double *second) noexcept nogil:
    """Some rows of K packed triangles into square matrices, or into one, and what they are
    mirrored in, by squares of BAND. The other side is written along its rows: down its columns,
    lines of matrices of 512 columns push each other out of the first cache."""
    cdef Py_ssize_t first = band * BAND, end = min(first + BAND, D), k, b, i, j
    cdef const double *triangle
    cdef const double *row
    cdef double *out
    for k in range(K):
        triangle = triangles + k * (D * (D + 1) // 2)
        out = second + (k * D * D if apart else 0)
        for b in range(band + 1):
            for i in range(first, end):
                row = triangle + i * (i + 1) // 2
                for j in range(b * BAND, min((b + 1) * BAND, i + 1)):
                    out[i * D + j] += row[j]
            for j in range(b * BAND, min((b + 1) * BAND, end)):
                i = max(first, j + 1)
                row = triangle + i * (i + 1) // 2 + j
                for i in range(i, end):
                    out[j * D + i] += row[0]
                    row += i + 1


cdef dict COVARIANCE_TYPES = {"full": FULL, "tied": TIED, "diag": DIAG, "spherical": SPHERICAL}


cdef int covariance_code(object covariance_type) except -1:
    code = COVARIANCE_TYPES.get(covariance_type) if isinstance(covariance_type, str) else None
    if code is None:
        raise ValueError(
            "covariance_type must be 'full', 'tied', 'diag' or 'spherical', "
            f"got {covariance_type!r}"
        )
    return code


cdef tuple factor_shape(int code, object K, object D):
    if code == FULL:
        return (K, D, D)
    if code == TIED:
        return (D, D)
    return (K, D) if code == DIAG else (K,)


cdef object as_factors(object factors, int code, Py_ssize_t K, Py_ssize_t D):
    """Checked precisions_cholesky: finite, of the type's shape, positive diagonal."""
    cdef const double *values
    cdef Py_ssize_t i, k, size, n
    factors = as_float64(factors, "precisions_cholesky", factor_shape(code, K, D))
    values = <const double*>address(factors)
    n = K if code == FULL else 1
    size = D if code in (FULL, TIED) else factors.size
    for k in range(n):
        for i in range(size):
            if not values[k * size * size + i * (size + 1 if code in (FULL, TIED) else 1)] > 0:
                raise ValueError(
                    "precisions_cholesky must have a positive diagonal"
                    + (f", component {k} has not" if n > 1 else "")
                )
    return factors


cdef object as_mixture_weights(object weights, Py_ssize_t K):
    cdef const double *values
    cdef Py_ssize_t k
    cdef double total = 0
    weights = as_float64(weights, "weights", (K,))
    values = <const double*>address(weights)
    for k in range(K):
        if values[k] < 0:
            raise ValueError(f"weights must not be negative, got {values[k]} for component {k}")
        total += values[k]
    if not total > 0:
        raise ValueError("weights must have a positive sum")
    return weights


cdef int set_noise(Job *job, object noise) except -1:
    """Log (weight times density) of the noise: None, or float64, contiguous, one value or one
    for each row."""
    if noise is not None:
        job.noise = pointer(noise)
        job.noise_stride = noise.shape[0] != 1
    return 0


cdef tuple empty_statistics(int code, Py_ssize_t K, Py_ssize_t D, int n_threads):
    return np.zeros(K), np.zeros((K, D)), zeros_in_room(factor_shape(code, K, D), n_threads)
