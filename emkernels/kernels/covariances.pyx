"""Scatters about means, and the factors of their inverses, of all components: the M-step's share of
the work on matrices, in threads."""

import numpy as np

from cython.parallel cimport prange
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free

from emkernels._simd.table cimport (
    INVERSE_PANEL, PACKED_PANEL, TRIANGLE_TILE, WHOLE_TRIANGLE, Table, Triangle)
from emkernels.kernels.arrays cimport address, pointer
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport INTERRUPTED, OUT_OF_MEMORY, check_status, look_for_signal
from emkernels.kernels.rooms cimport array_in_room, leave_room, take_room
from emkernels.kernels.threads cimport check_threads, forked, note_threads

cdef extern from "parallel.h" nogil:
    int emk_thread_num()
    int emk_in_parallel()

cdef enum:
    BAND = 32           # rows of a scatter that are made together, and mirrored by squares
    MANY = 3            # threads for each matrix, from where on they share one
    PANELS = 4          # of a matrix that threads share, between two waits for each other
    LONG = 2000         # columns of one that takes so long that a signal is looked for
    THREAD_WORK = 5000000       # operations that are worth a thread
    SHARED_WORK = 10000000      # the same where threads share a matrix, and wait more often
    STEP_WORK = 1000000000      # of one thread between looks for a signal

cdef double LARGEST = 1e153     # below the square root of what float64 holds


cdef struct Scatter:
    Py_ssize_t n_components
    Py_ssize_t n_features
    const double *second
    const double *counts
    const double *offsets
    const double *residual      # or NULL
    double *out


cdef int threads_worth(double work, double least, int n_threads) noexcept nogil:
    """How many threads have at least so many operations each, of those that there may be."""
    if forked() or emk_in_parallel():
        return 1
    return <int>max(1.0, min(<double>n_threads, work / least))


# --- scatters ----------------------------------------------------------------------------

cdef void scatter_band(const Scatter *s, Py_ssize_t k, Py_ssize_t band) noexcept nogil:
    """Some rows of one component's scatter up to the diagonal, and what they are mirrored in."""
    cdef Py_ssize_t D = s.n_features, first = band * BAND, end = min(first + BAND, D)
    cdef Py_ssize_t b, begin, i, j, stop
    cdef const double *second = s.second + k * D * D
    cdef const double *offset = s.offsets + k * D
    cdef const double *residual = NULL
    cdef double *out = s.out + k * D * D
    cdef double square[BAND * BAND]
    cdef double at, left
    if s.residual != NULL:
        residual = s.residual + k * D
    for b in range(band + 1):
        begin = b * BAND
        for i in range(first, end):
            stop = min(begin + BAND, i + 1)
            at = s.counts[k] * offset[i]
            for j in range(begin, stop):
                square[(i - first) * BAND + j - begin] = second[i * D + j] - at * offset[j]
            if residual != NULL:
                left = s.counts[k] * residual[i]
                for j in range(begin, stop):
                    square[(i - first) * BAND + j - begin] += left * residual[j]
            for j in range(begin, stop):
                out[i * D + j] = square[(i - first) * BAND + j - begin]
        for j in range(begin, min(begin + BAND, end)):
            for i in range(max(first, j + 1), end):
                out[j * D + i] = square[(i - first) * BAND + j - begin]


cdef void make_scatters(const Scatter *s, int n_threads) noexcept nogil:
    cdef Py_ssize_t D = s.n_features, n_bands = (D + BAND - 1) // BAND, i
    cdef Py_ssize_t n_tasks = s.n_components * n_bands
    n_threads = threads_worth(8.0 * s.n_components * D * D, THREAD_WORK, n_threads)
    if n_threads == 1:
        for i in range(n_tasks):
            scatter_band(s, i // n_bands, i % n_bands)
        return
    note_threads()
    for i in prange(n_tasks, schedule="static", chunksize=8, num_threads=n_threads):
        scatter_band(s, i // n_bands, i % n_bands)


def _scatters(second, counts, offsets, residual=None, n_threads=None):
    """Second moments (n_components, n_features, n_features) about the means, from those about
    centres that are `offsets` away: ``second_k - counts_k offset_k offset_k'``; `residual` away
    from the means, ``+ counts_k residual_k residual_k'``. Of `second` the lower triangles are
    read, so the result is symmetric to the bit. A new array."""
    cdef Scatter s
    cdef int threads = check_threads(n_threads)
    second = np.ascontiguousarray(second, dtype=np.float64)
    counts = np.ascontiguousarray(counts, dtype=np.float64)
    offsets = np.ascontiguousarray(offsets, dtype=np.float64)
    out = array_in_room(second.shape)
    s.n_components, s.n_features = offsets.shape
    s.second, s.counts, s.offsets = pointer(second), pointer(counts), pointer(offsets)
    s.residual = NULL
    if residual is not None:
        residual = np.ascontiguousarray(residual, dtype=np.float64)
        s.residual = pointer(residual)
    s.out = <double*>address(out)
    with nogil:
        make_scatters(&s, threads)
    return out


# --- factors -----------------------------------------------------------------------------

cdef struct Factors:
    const Table *table
    Triangle *triangles         # one for each component
    Py_ssize_t n_components
    Py_ssize_t n
    int n_threads
    unsigned char *failed       # (n_components,)
    # triangles, one for each thread or one for each component, and rows for each thread
    double *lower
    double *rows
    Py_ssize_t lower_size
    Py_ssize_t rows_size


cdef void factor_whole(const Factors *f, Py_ssize_t k, int thread) noexcept nogil:
    f.triangles[k].lower = f.lower + thread * f.lower_size
    f.failed[k] = not f.table.factorise(f.triangles + k, WHOLE_TRIANGLE, 0, 0, NULL)


cdef int by_component(const Factors *f, double work, bint interruptible) noexcept nogil:
    """Each matrix by one thread."""
    cdef Py_ssize_t k, begin = 0, end, step = f.n_components
    if work * step > STEP_WORK:
        step = max(<Py_ssize_t>f.n_threads, <Py_ssize_t>(STEP_WORK / work) * f.n_threads)
    while begin < f.n_components:
        end = min(begin + step, f.n_components)
        if begin > 0 and interruptible and look_for_signal() != 0:
            return INTERRUPTED
        if f.n_threads == 1:
            for k in range(begin, end):
                factor_whole(f, k, 0)
        else:
            for k in prange(begin, end, schedule="dynamic", chunksize=1,
                            num_threads=f.n_threads):
                factor_whole(f, k, emk_thread_num())
        begin = end
    return 0


cdef void tiles_of(const Factors *f, Py_ssize_t k, Py_ssize_t p, Py_ssize_t first,
                   Py_ssize_t end) noexcept nogil:
    """The tiles of panel p in the columns of panels first .. end, as far as it has them."""
    cdef Py_ssize_t q
    if first == 0:
        f.table.factorise(f.triangles + k, PACKED_PANEL, p, 0, NULL)
    for q in range(first, min(end, p + 1)):
        # (below the pivots no tile fails)
        if not f.failed[k] and not f.table.factorise(f.triangles + k, TRIANGLE_TILE, p, q, NULL):
            f.failed[k] = True


cdef void pivots_of(const Factors *f, Py_ssize_t k, Py_ssize_t first,
                    Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t p
    for p in range(first, end):
        tiles_of(f, k, p, first, end)


cdef bint rows_of(const Factors *f, Py_ssize_t k, Py_ssize_t p) noexcept nogil:
    if f.failed[k]:
        return False
    return f.table.factorise(f.triangles + k, INVERSE_PANEL, p, 0,
                             f.rows + emk_thread_num() * f.rows_size)


cdef int side_by_side(const Factors *f, bint interruptible) noexcept nogil:
    """All matrices by all threads: the pivots of some panels, then what is below them, again and
    again; then the inverse, whose rows do not wait for each other."""
    cdef Py_ssize_t K = f.n_components
    cdef Py_ssize_t P = (f.n + f.table.triangle_panel - 1) // f.table.triangle_panel
    cdef Py_ssize_t n_steps = (P + PANELS - 1) // PANELS, step, first, end, left, k, i
    cdef unsigned char *fine = <unsigned char*>calloc(K * P, 1)
    if fine == NULL:
        return OUT_OF_MEMORY
    for k in range(K):
        f.triangles[k].lower = f.lower + k * f.lower_size
    for step in range(n_steps):
        if interruptible and f.n > LONG and look_for_signal() != 0:
            free(fine)
            return INTERRUPTED
        first, end = step * PANELS, min((step + 1) * PANELS, P)
        left = P - end
        if K == 1:
            pivots_of(f, 0, first, end)
        else:
            for k in prange(K, schedule="static", chunksize=1, num_threads=f.n_threads):
                pivots_of(f, k, first, end)
        for i in prange(K * left, schedule="static", num_threads=f.n_threads):
            tiles_of(f, i // left, end + i % left, first, end)
    # those that are most work first
    for i in prange(K * P, schedule="dynamic", chunksize=1, num_threads=f.n_threads):
        fine[i] = rows_of(f, i % K, P - 1 - i // K)
    for i in range(K * P):
        if not fine[i]:
            f.failed[i % K] = True
    free(fine)
    return 0


cdef int precision_factors(const double *covariances, Py_ssize_t K, Py_ssize_t D, double *out,
                           Py_ssize_t *component, int n_threads,
                           bint interruptible) noexcept nogil:
    cdef Factors f
    cdef Py_ssize_t k, n_lower
    cdef double work = 30.0 * D + 2.0 / 3 * D * D * D
    cdef bint shared
    cdef int status
    cdef char *memory
    cdef size_t n_bytes
    component[0] = -1
    if K == 0 or D == 0:
        return 0
    f.table = table_of(True)
    f.n_components, f.n = K, D
    f.n_threads = threads_worth(work * K, SHARED_WORK, n_threads)
    shared = f.n_threads >= MANY * K
    if not shared:
        f.n_threads = <int>min(<Py_ssize_t>threads_worth(work * K, THREAD_WORK, n_threads), K)
    n_lower = K if shared else f.n_threads
    f.lower_size = (f.table.triangle_size(D, False) + 7) // 8 * 8
    f.rows_size = f.table.triangle_size(D, True) if shared else 0
    n_bytes = ((n_lower * f.lower_size + f.n_threads * f.rows_size) * sizeof(double) + 64
               + K * (sizeof(Triangle) + 1))
    memory = <char*>take_room(n_bytes)
    if memory == NULL:
        return OUT_OF_MEMORY
    f.lower = <double*>((<uintptr_t>memory + 63) // 64 * 64)
    f.rows = f.lower + n_lower * f.lower_size
    f.triangles = <Triangle*>(f.rows + f.n_threads * f.rows_size)
    f.failed = <unsigned char*>(f.triangles + K)
    for k in range(K):
        f.triangles[k].matrix = covariances + k * D * D
        f.triangles[k].n = D
        f.triangles[k].inverse = out + k * D * D
        f.triangles[k].limit = LARGEST
        f.failed[k] = False
    if f.n_threads > 1:
        note_threads()
    if shared:
        status = side_by_side(&f, interruptible)
    else:
        status = by_component(&f, work, interruptible)
    if status == 0:
        for k in range(K - 1, -1, -1):
            if f.failed[k]:
                component[0] = k
    leave_room(memory, n_bytes)
    return status


def _precision_factors(covariances, n_threads=None):
    """Upper triangular U with U U' the inverse of each covariance (n_components, n_features,
    n_features), of which the lower triangle is read; and the first component whose covariance is
    not positive definite, or whose U has a value that is too large to be squared, -1: none."""
    cdef int threads = check_threads(n_threads), status
    cdef Py_ssize_t component
    covariances = np.ascontiguousarray(covariances, dtype=np.float64)
    cdef Py_ssize_t K = covariances.shape[0], D = covariances.shape[1]
    cdef const double *given = pointer(covariances)
    out = array_in_room(covariances.shape)
    cdef double *target = <double*>address(out)
    with nogil:
        status = precision_factors(given, K, D, target, &component, threads, True)
    check_status(status)
    return out, component
