"""Jobs over the observed values of rows, in tiles of one pattern; passes of starts."""

import numpy as np

from libc.math cimport INFINITY, log
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from emkernels._simd.table cimport (
    DIAG, FULL, MIXED, SAME, TIED, UNIFORM, WIDE, Incomplete, Job, Rows, Table,
    second_size, tail_size)
from emkernels.kernels.arrays cimport address, is_double, pointer, set_rows, shaped
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport OUT_OF_MEMORY, check_status
from emkernels.kernels.gaussians cimport add_statistics, run_job, set_model
from emkernels.kernels.patterns cimport Patterns, bits_set, view_of, words_of
from emkernels.kernels.threads cimport check_threads


# --- the order in which rows are visited -------------------------------------------------

cdef int make_schedule(const Patterns *p, Py_ssize_t n_features, const Table *table,
                       bint leave_empty_out, Schedule *out) noexcept nogil:
    """Tiles of one pattern each; what is left of a pattern goes into tiles of mixed ones when
    it would fill less than half of one. Its arrays are to be freed."""
    cdef Py_ssize_t W = words_of(n_features), i, j, _row, rows, left, m, t = 0, filled
    cdef Py_ssize_t tile = table.tile, pool = 0     # rows in the mixed tile that is being filled
    cdef Py_ssize_t total_missing = 0, total_rows = 0, n = p.n_patterns, mixed = 0, place
    cdef int *order
    cdef const int *row
    memset(out, 0, sizeof(Schedule))
    if leave_empty_out and n > 0 and bits_set(p.masks + (n - 1) * W, W) == n_features:
        n -= 1
    for i in range(n):
        rows = p.offsets[i + 1] - p.offsets[i]
        m = bits_set(p.masks + i * W, W)
        total_rows += rows
        total_missing += rows * m
        left = mixed_part(table, rows, m)
        rows -= left
        if rows > 0:
            out.most_missing = max(out.most_missing, m)
            out.n_runs += 1
        out.n_tiles += (rows + tile - 1) // tile
        if left > 0:
            out.most_mixed = max(out.most_mixed, m)
        for _row in range(left):
            if pool == 0 or pool >= table.mixed_rows(m):
                mixed += 1
                pool = 0
            pool += 1
            out.most_cells = max(out.most_cells, table.mixed_cells(pool, m))
    filled = out.n_tiles
    out.n_tiles += mixed
    out.n_runs += mixed
    if total_rows > 0:
        out.typical_missing = (total_missing + total_rows - 1) // total_rows
    out.order = <int*>malloc(max(<Py_ssize_t>1, out.n_tiles * tile) * sizeof(int))
    out.kinds = <signed char*>malloc(max(<Py_ssize_t>1, out.n_tiles))
    if out.order == NULL or out.kinds == NULL:
        free(out.order)
        free(out.kinds)
        return OUT_OF_MEMORY
    order = out.order
    for i in range(filled * tile, out.n_tiles * tile):
        order[i] = -1
    pool, place = 0, (filled - 1) * tile
    for i in range(n):
        row = p.order + p.offsets[i]
        rows = p.offsets[i + 1] - p.offsets[i]
        m = bits_set(p.masks + i * W, W)
        left = mixed_part(table, rows, m)
        rows -= left
        for j in range((rows + tile - 1) // tile):
            out.kinds[t + j] = UNIFORM if j == 0 else SAME
        for j in range((rows + tile - 1) // tile * tile):
            order[t * tile + j] = row[j] if j < rows else -1
        t += (rows + tile - 1) // tile
        for j in range(left):
            if pool == 0 or pool >= table.mixed_rows(m):
                place += tile
                pool = 0
            order[place + pool] = row[rows + j]
            pool += 1
    for i in range(filled, out.n_tiles):
        out.kinds[i] = MIXED
    return 0


cdef inline Py_ssize_t mixed_part(const Table *table, Py_ssize_t n_rows,
                                  Py_ssize_t n_missing) noexcept nogil:
    """How many rows of a pattern go into mixed tiles."""
    cdef Py_ssize_t left = n_rows % table.tile
    return left if n_missing > 0 and 2 * left < table.mixed_rows(n_missing) else 0


cdef object schedule_of(object patterns, bint double_, bint leave_empty_out, Schedule *out):
    """Fill `out` from the schedule that the patterns keep; the arrays that it points to."""
    cdef Patterns view
    cdef Py_ssize_t tile = table_of(double_).tile
    cdef int status
    cdef Py_ssize_t D = patterns.n_features
    key = (tile, table_of(double_).mixed_cells(1, 1), leave_empty_out)    # both of the level
    if key not in patterns._schedules:
        view = view_of(patterns)
        with nogil:
            status = make_schedule(&view, D, table_of(double_), leave_empty_out, out)
        check_status(status)
        try:
            order = np.empty(out.n_tiles * tile, np.int32)
            kinds = np.empty(out.n_tiles, np.int8)
            if out.n_tiles > 0:
                memcpy(address(order), out.order, order.nbytes)
                memcpy(address(kinds), out.kinds, kinds.nbytes)
        finally:
            free(out.order)
            free(out.kinds)
        patterns._schedules[key] = (
            order, kinds, out.typical_missing, out.most_missing, out.most_mixed, out.n_runs,
            out.most_cells)
    kept = patterns._schedules[key]
    out.order, out.kinds = <int*>address(kept[0]), <signed char*>address(kept[1])
    out.n_tiles = len(kept[1])
    out.typical_missing, out.most_missing, out.most_mixed = kept[2], kept[3], kept[4]
    out.n_runs, out.most_cells = kept[5], kept[6]
    return kept


# --- the job -------------------------------------------------------------------------------

cdef int run_incomplete(Job *job, Incomplete *inc, bint double_, const Patterns *patterns,
                        const Schedule *schedule, const double *weights, const double *means,
                        const double *precisions_cholesky, Py_ssize_t K, int type_,
                        double *counts, double *first, double *second, double *tail,
                        int n_threads, bint interruptible) noexcept nogil:
    """A job with missing values: outputs as job and inc have them, statistics where `counts`
    is given. The full and tied types visit the rows by a schedule, made here from `patterns`
    where none is given. weights NULL: none in the densities."""
    cdef Py_ssize_t D = job.rows.n_features, W = (D + WIDE - 1) // WIDE * WIDE, k, i, length = 0
    # one factor for each component; imputed values have correlations in general
    cdef bint expand = type_ == TIED or (inc.imputed_out != NULL and type_ != FULL)
    cdef int code = FULL if expand else type_
    cdef const Table *table = table_of(double_)
    cdef Schedule own
    cdef double *log_weights = <double*>malloc(K * sizeof(double))
    cdef double *factors = NULL
    cdef double *sums = NULL
    cdef int status = 0
    memset(&own, 0, sizeof(Schedule))
    job.incomplete = inc
    if log_weights == NULL:
        return OUT_OF_MEMORY
    if weights != NULL:
        for k in range(K):
            log_weights[k] = log(weights[k]) if weights[k] > 0 else -INFINITY
    if code == FULL and job.labels == NULL and job.resp == NULL:
        if schedule == NULL:
            status = make_schedule(patterns, D, table, False, &own)
            schedule = &own
        inc.n_tiles = schedule.n_tiles
        inc.n_runs = schedule.n_runs
        inc.kinds = schedule.kinds
        inc.typical_missing = schedule.typical_missing
        inc.most_missing = schedule.most_missing
        inc.most_mixed = schedule.most_mixed
        inc.most_cells = schedule.most_cells
        job.rows.order = schedule.order
        inc.precisions = <double*>malloc(K * D * W * sizeof(double))
        if inc.precisions == NULL:
            status = OUT_OF_MEMORY
        if 2 * inc.most_missing > D:
            inc.covariances = <double*>malloc(K * D * W * sizeof(double))
            if inc.covariances == NULL:
                status = OUT_OF_MEMORY
    elif code != FULL:
        inc.log_scales = <double*>malloc(K * D * sizeof(double))
        if inc.log_scales == NULL:
            status = OUT_OF_MEMORY
    if expand:
        factors = <double*>calloc(K * D * D, sizeof(double))
        if factors == NULL:
            status = OUT_OF_MEMORY
        else:
            for k in range(K):
                if type_ == TIED:
                    memcpy(factors + k * D * D, precisions_cholesky, D * D * sizeof(double))
                else:
                    for i in range(D):
                        factors[(k * D + i) * D + i] = precisions_cholesky[
                            k * D + i if type_ == DIAG else k]
            precisions_cholesky = factors
    if status == 0:
        status = set_model(job, table, code, K, log_weights if weights != NULL else NULL, means,
                           precisions_cholesky, n_threads)
    if status == 0 and (inc.precisions != NULL or code != FULL) and not inc.hard:
        table.prepare_incomplete(&job.gaussians, inc)
    elif status == 0 and inc.hard:
        memset(inc.log_scales, 0, K * D * sizeof(double))
    if status == 0:
        if counts != NULL:
            job.first_moments = True
            job.second_moments = True
            length = (K + K * D + second_size(&job.gaussians) + tail_size(&job.gaussians)
                      + (job.noise != NULL))
        status = run_job(job, double_, length, &sums, n_threads, interruptible)
        if status == 0 and counts != NULL:
            add_statistics(&job.gaussians, type_, sums, counts, first, second, tail, n_threads)
            if job.noise != NULL:
                tail[2] += sums[length - 1]
    free(job.gaussians.packed)
    free(inc.precisions)
    free(inc.covariances)
    free(inc.log_scales)
    free(own.order)
    free(own.kinds)
    free(factors)
    free(sums)
    free(log_weights)
    return status


# --- for starts ------------------------------------------------------------------------

def _observed_kmeans_pass(X, centers, labels, sample_weight=None, n_threads=None):
    """One pass of K-means on observed values: `labels` (int32) receives the nearest centre of
    every row over its observed columns. Returns, for each centre and column, the weight and
    the sum of deviations of the observed values, and the weighted sum of squared distances."""
    cdef Job job
    cdef Incomplete inc
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = centers.shape[0], D = X.shape[1]
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    set_rows(&job.rows, X)
    job.rows.sample_weight = pointer(sample_weight)
    job.labels_out = <int*>address(labels)
    inc.hard = True
    inc.count_observed = True
    counts, first, observed = np.zeros(K), np.zeros((K, D)), np.zeros((K, D))
    ones = np.ones((K, D))
    cdef const double *mean = shaped(centers, "centers", (K, X.shape[1]))
    cdef const double *factor = pointer(ones)
    cdef double *c = <double*>address(counts)
    cdef double *f = <double*>address(first)
    cdef double *s = <double*>address(observed)
    cdef double tail[2]
    tail[0] = 0
    tail[1] = 0
    with nogil:
        status = run_incomplete(&job, &inc, double_, NULL, NULL, NULL, mean, factor, K, DIAG,
                                c, f, s, tail, threads, True)
    check_status(status)
    return observed, first, -2 * tail[0]


def _observed_distances(X, centers, n_threads=None):
    """Squared distances (n_samples, n_centers) over the observed columns of each row, in the
    precision of X."""
    cdef Job job
    cdef Incomplete inc
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = centers.shape[0]
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    set_rows(&job.rows, X)
    out = np.empty((X.shape[0], centers.shape[0]), X.dtype)
    job.log_prob_out = <char*>address(out)
    inc.hard = True
    ones = np.ones(centers.shape)
    cdef const double *mean = shaped(centers, "centers", (K, X.shape[1]))
    cdef const double *factor = pointer(ones)
    with nogil:
        status = run_incomplete(&job, &inc, double_, NULL, NULL, NULL, mean, factor, K, DIAG,
                                NULL, NULL, NULL, NULL, threads, True)
    check_status(status)
    out *= -2
    return out


def _available_moments(X, resp, centers, sample_weight=None, n_threads=None):
    """Under labels (int32) or responsibilities of the dtype of X, over the rows in which both
    values of a pair are observed: the weight (K, D, D), and the sum of products of deviations
    (K, D, D) from the centres."""
    cdef Job job
    cdef Incomplete inc
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X), indicator
    cdef Py_ssize_t K = centers.shape[0], D = X.shape[1]
    cdef Rows resp_rows
    cdef const double *mean
    cdef const double *factor
    cdef double *c
    cdef double *f
    cdef double *s
    factors = np.repeat(np.eye(D)[None], K, axis=0)
    counts, first = np.zeros(K), np.zeros((K, D))
    weight, products = np.zeros((K, D, D)), np.zeros((K, D, D))
    zeros = np.zeros((K, D))
    for indicator in (True, False):
        memset(&job, 0, sizeof(Job))
        memset(&inc, 0, sizeof(Incomplete))
        set_rows(&job.rows, X)
        job.rows.sample_weight = pointer(sample_weight)
        if resp.ndim == 1:
            job.labels = <const int*>address(resp)
        else:
            set_rows(&resp_rows, resp)
            job.resp = resp_rows.x
            job.resp_row_stride = resp_rows.row_stride
            job.resp_column_stride = resp_rows.column_stride
        inc.indicator = indicator
        mean, factor = pointer(zeros if indicator else centers), pointer(factors)
        c, f = <double*>address(counts), <double*>address(first)
        s = <double*>address(weight if indicator else products)
        with nogil:
            status = run_incomplete(&job, &inc, double_, NULL, NULL, NULL, mean, factor, K, FULL,
                                    c, f, s, NULL, threads, True)
        check_status(status)
    return weight, products
