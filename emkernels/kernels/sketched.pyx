"""Seeds of greedy k-means++ over rows that are kept in bytes."""

from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from emkernels._simd.table cimport CANDIDATE_MARKS, MOST_SEEDS, Job
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.draws cimport copy_row, pick, pick_by_weight
from emkernels.kernels.driver cimport look_for_signal
from emkernels.kernels.nearest cimport free_nearest, set_nearest
from emkernels.kernels.threads cimport forked, note_threads

cdef extern from "parallel.h" nogil:
    int emk_in_parallel()
    int emk_thread_num()
    void *emk_room(size_t n_bytes)

cdef enum:
    FEW_SEEDS = 20          # which most rows are near enough to be read; and in float32
    FEW_OF_FLOAT32 = 40
    FEW_VALUES = 1 << 18    # of rows that are in the cache
    BLOCK_CROWDS = 8
    COPIED_ROWS = 64        # at a time

cdef enum Step:
    KEEP
    TRY
    TAKE


cdef bint copy_rows(Kept *kept, Py_ssize_t each) noexcept nogil:
    """Rows whose values do not lie together are copied, so that no layout has other seeds."""
    cdef Rows *rows = &kept.rows
    cdef Py_ssize_t D = rows.n_features, first = 0, i, d
    cdef const char *x = rows.x
    kept.copy = <char*>emk_room(rows.n_samples * D * each)
    if kept.copy == NULL:
        return False
    while first < rows.n_samples:
        for d in range(D):
            for i in range(first, min(first + COPIED_ROWS, rows.n_samples)):
                memcpy(kept.copy + (i * D + d) * each,
                       x + i * rows.row_stride + d * rows.column_stride, each)
        first += COPIED_ROWS
    rows.x, rows.row_stride, rows.column_stride = kept.copy, D * each, each
    return True


cdef bint keep_bytes(Kept *kept, const Rows *rows, bint double_, Py_ssize_t n_clusters,
                     Py_ssize_t n_trials, int n_threads) noexcept nogil:
    cdef const Table *table = table_of(double_)
    cdef Trial *trial = &kept.trial
    cdef Py_ssize_t D = rows.n_features, n = rows.n_samples, i, each = 8 if double_ else 4
    cdef double *sample
    cdef Job job
    cdef int status
    memset(kept, 0, sizeof(Kept))
    if not (table.sketches(D) and n_clusters >= (FEW_SEEDS if double_ else FEW_OF_FLOAT32)
            and n * D >= FEW_VALUES and n_trials <= MOST_SEEDS):
        return False
    kept.rows = rows[0]
    if rows.column_stride != each and not copy_rows(kept, each):
        return False
    sample = <double*>malloc(MOST_SEEDS * D * sizeof(double))
    if sample == NULL:
        return False
    # they say where the origin is, and are as many as there will be candidates at most
    for i in range(MOST_SEEDS):
        copy_row(&kept.rows, double_, i * (n - 1) // (MOST_SEEDS - 1), sample + i * D)
    memset(&job, 0, sizeof(Job))
    job.rows = kept.rows
    status = set_nearest(&job, &trial.nearest, table, double_, sample, MOST_SEEDS, True, 1)
    free(sample)
    if status != 0 or not (trial.nearest.usable and trial.nearest.sketched):
        return False
    kept.table, kept.double_ = table, double_
    kept.n_trials = n_trials
    kept.n_crowds = (n + table.crowd - 1) // table.crowd
    kept.n_blocks = (kept.n_crowds + BLOCK_CROWDS - 1) // BLOCK_CROWDS
    kept.n_threads = 1 if forked() or emk_in_parallel() else <int>min(
        <Py_ssize_t>n_threads, kept.n_blocks)
    kept.line = 5 * (D + 64)
    each = table.sketch_bytes(D)
    kept.scratch = <float*>malloc(kept.n_threads * kept.line * sizeof(float))
    kept.memory = <char*>emk_room(kept.n_crowds * each + 64)
    kept.near = <unsigned long long*>malloc(
        kept.n_crowds * n_trials * sizeof(unsigned long long))
    kept.bounds = <double*>malloc(2 * kept.n_blocks * n_trials * sizeof(double))
    kept.potentials = <double*>malloc(kept.n_blocks * sizeof(double))
    kept.buffer = <double*>malloc(n_trials * D * sizeof(double))
    kept.row = <Py_ssize_t*>malloc(n_trials * sizeof(Py_ssize_t))
    trial.closest = <double*>malloc(n * sizeof(double))
    trial.fine = <short*>malloc(n_trials * table.fine_values(D) * sizeof(short))
    trial.fine_marks = <double*>malloc(n_trials * CANDIDATE_MARKS * sizeof(double))
    if (kept.scratch == NULL or kept.memory == NULL or kept.near == NULL or kept.bounds == NULL
            or kept.potentials == NULL or kept.buffer == NULL or kept.row == NULL
            or trial.closest == NULL or trial.fine == NULL or trial.fine_marks == NULL):
        return False
    trial.sketches = kept.memory + (64 - <uintptr_t>kept.memory % 64) % 64
    kept.draw.block_rows = BLOCK_CROWDS * table.crowd
    kept.draw.n_blocks, kept.draw.stride = kept.n_blocks, 1
    kept.draw.potentials, kept.draw.closest = kept.potentials, trial.closest
    return True


cdef void let_go(Kept *kept) noexcept nogil:
    free_nearest(&kept.trial.nearest)
    free(kept.copy)
    free(kept.scratch)
    free(kept.memory)
    free(kept.near)
    free(kept.bounds)
    free(kept.potentials)
    free(kept.buffer)
    free(kept.row)
    free(kept.trial.closest)
    free(kept.trial.fine)
    free(kept.trial.fine_marks)


cdef void run_block(Kept *kept, Step step, Py_ssize_t block, int thread) noexcept nogil:
    cdef const Table *table = kept.table
    cdef const Trial *trial = &kept.trial
    cdef Py_ssize_t K = trial.n_candidates, crowd, i, first = block * BLOCK_CROWDS
    cdef Py_ssize_t each = table.sketch_bytes(kept.rows.n_features)
    cdef double bounds[2 * MOST_SEEDS]      # threads would wait for each other's
    cdef double potential = 0
    for i in range(2 * K if step == TRY else 0):
        bounds[i] = 0
    for crowd in range(first, min(first + BLOCK_CROWDS, kept.n_crowds)):
        if step == TRY:
            table.try_rows(&kept.rows, trial, crowd, kept.near + crowd * kept.n_trials, bounds,
                           bounds + K)
            continue
        if step == KEEP:        # and all rows are read, which are in the cache then
            table.sketch_rows(&kept.rows, &trial.nearest, crowd, trial.sketches + crowd * each,
                              kept.scratch + thread * kept.line)
            for i in range(crowd * table.crowd,
                           min((crowd + 1) * table.crowd, kept.rows.n_samples)):
                trial.closest[i] = INFINITY
        potential += table.take_rows(
            &kept.rows, trial, crowd, kept.best, <unsigned long long>-1 if step == KEEP
            else kept.near[crowd * kept.n_trials + kept.best])
    if step == TRY:
        memcpy(kept.bounds + 2 * block * kept.n_trials, bounds, 2 * K * sizeof(double))
    else:
        kept.potentials[block] = potential


cdef void run_blocks(Kept *kept, Step step) noexcept nogil:
    cdef Py_ssize_t block
    if kept.n_threads == 1:
        for block in range(kept.n_blocks):
            run_block(kept, step, block, 0)
        return
    note_threads()
    for block in prange(kept.n_blocks, schedule="dynamic", chunksize=1,
                        num_threads=kept.n_threads):
        run_block(kept, step, block, emk_thread_num())


cdef double bound(const Kept *kept, bint upper, Py_ssize_t t) noexcept nogil:
    """Of a candidate's potential, or the potential itself."""
    cdef Py_ssize_t i
    cdef double total = 0
    # what rounding may be of sums that begin with the potential before; where that is infinite,
    # bounds tell nothing
    cdef double slack = 4.5e-16 * (4096 + kept.n_blocks) * kept.current
    for i in range(kept.n_blocks):
        total += kept.bounds[(2 * i + upper) * kept.n_trials + t]
    if kept.trial.exact:
        return total
    return total + slack if upper else total - slack


cdef bint find_best(Kept *kept) noexcept nogil:
    """The candidate of the least potential, the first of several; False where bounds do not tell.
    """
    cdef Py_ssize_t t
    cdef double least = INFINITY, value
    kept.best = 0
    for t in range(kept.trial.n_candidates):
        value = bound(kept, not kept.trial.exact, t)
        if value < least:
            least, kept.best = value, t
    for t in range(0 if kept.trial.exact else kept.trial.n_candidates):
        if kept.row[t] != kept.row[kept.best] and not bound(kept, False, t) > least:
            return False
    return True


cdef int kept_seeds(Kept *kept, Py_ssize_t n_clusters, const double *uniforms, Py_ssize_t *indices,
                    bint interruptible) noexcept nogil:
    cdef Py_ssize_t D = kept.rows.n_features, T = kept.n_trials, c, t, i
    cdef Trial *trial = &kept.trial
    cdef int status = 0
    for c in range(n_clusters):
        trial.n_candidates = T if c > 0 else 1
        if c == 0:
            kept.row[0] = pick_by_weight(&kept.rows, uniforms[0])
        else:
            kept.current = 0
            for i in range(kept.n_blocks):
                kept.current += kept.potentials[i]
            for t in range(T):
                kept.row[t] = pick(&kept.rows, kept.double_, &kept.draw,
                                   uniforms[1 + (c - 1) * T + t] * kept.current)
        for t in range(trial.n_candidates):
            copy_row(&kept.rows, kept.double_, kept.row[t], kept.buffer + t * D)
        kept.table.replace_centres(trial, kept.buffer, D, kept.scratch)
        kept.best = 0
        if c == 0:
            run_blocks(kept, KEEP)
        elif c + 1 < n_clusters or T > 1:
            trial.exact = not trial.nearest.usable
            run_blocks(kept, TRY)
            if not find_best(kept):
                trial.exact = True
                run_blocks(kept, TRY)
                find_best(kept)
        indices[c] = kept.row[kept.best]
        if 0 < c and c + 1 < n_clusters:
            run_blocks(kept, TAKE)
        status = look_for_signal() if interruptible else 0
        if status != 0:
            break
    return status
