"""Kernels of rows with missing values: patterns, statistics, conditional moments and draws."""

from typing import NamedTuple

import numpy as np

from libc.math cimport INFINITY, log
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from emkernels._simd.table cimport (
    DIAG, FULL, MIXED, MIXED_MISSING, SAME, TIED, UNIFORM, WIDE, Incomplete, Job, Rows, Table,
    second_size)
from emkernels.kernels._core cimport (
    OUT_OF_MEMORY, address, as_centers, as_float64, as_matrix, as_weights,
    check_status, check_threads, is_double, look_for_signal, rows_at, set_rows, table_of,
    weights_in_unit)
from emkernels.kernels._gaussians cimport (
    add_statistics, as_factors, as_mixture_weights, covariance_code, empty_statistics, pointer,
    run_job, set_model)

from emkernels.kernels.mixture import EMStatistics


class ConditionalMoments(NamedTuple):
    """Completed rows and conditional covariances (see :func:`conditional_moments`)."""

    imputed: np.ndarray
    covariances: np.ndarray | None
    offsets: np.ndarray | None


# --- patterns --------------------------------------------------------------------------

cdef enum:
    INFINITE = -3               # status: an infinity was found

ctypedef struct Patterns:
    Py_ssize_t n_patterns
    int *order                  # (n_samples,) rows by pattern
    long long *offsets          # (n_patterns + 1,) into order
    unsigned long long *masks   # (n_patterns, words), a bit for each column, set where missing


cdef inline Py_ssize_t words_of(Py_ssize_t n_features) noexcept nogil:
    return (n_features + 63) // 64


cdef inline unsigned long long mixed_bits(const unsigned long long *words,
                                          Py_ssize_t n) noexcept nogil:
    cdef unsigned long long h = 0x9E3779B97F4A7C15ull
    cdef Py_ssize_t i
    for i in range(n):
        h = (h ^ words[i]) * 0xBF58476D1CE4E5B9ull
        h ^= h >> 29
    h *= 0x94D049BB133111EBull
    return h ^ (h >> 32)


cdef inline Py_ssize_t bits_set(const unsigned long long *words, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, total = 0
    cdef unsigned long long word
    for i in range(n):
        word = words[i]
        while word:
            word &= word - 1
            total += 1
    return total


cdef void free_patterns(Patterns *p) noexcept nogil:
    free(p.order)
    free(p.offsets)
    free(p.masks)


cdef int find_patterns(const Rows *rows, bint double_, Patterns *out, Py_ssize_t *infinite,
                       double *largest, bint interruptible) noexcept nogil:
    """Group the rows by which values are NaN. Patterns come by number of missing values, then
    by first row; rows of a pattern in their order. INFINITE and the index of the value where
    one is infinite. `out` is then to be freed, whatever the status."""
    cdef Py_ssize_t n = rows.n_samples, W = words_of(rows.n_features), i, at, p, chunk, first = 0
    cdef Py_ssize_t n_patterns = 0, size = 16, room = 1024, m
    cdef const Table *table = table_of(double_)
    cdef unsigned long long *bits
    cdef unsigned long long *grown
    cdef int *slots
    cdef int *pattern_of
    cdef int *rank
    cdef long long *place
    cdef int status = OUT_OF_MEMORY
    memset(out, 0, sizeof(Patterns))
    while size < 2 * n:
        size *= 2
    chunk = max(<Py_ssize_t>1, min(n, <Py_ssize_t>(65536 // rows.n_features + 1)))
    bits = <unsigned long long*>malloc(chunk * W * 8)
    pattern_of = <int*>malloc(n * sizeof(int))
    slots = <int*>malloc(size * sizeof(int))
    out.masks = <unsigned long long*>malloc(room * W * 8)
    rank = NULL
    place = NULL
    if bits != NULL and pattern_of != NULL and slots != NULL and out.masks != NULL:
        status = 0
        memset(slots, 0xff, size * sizeof(int))
    while status == 0 and first < n:
        chunk = min(chunk, n - first)
        infinite[0] = table.missing_bits(rows, first, chunk, bits, largest)
        if infinite[0] >= 0:
            status = INFINITE
            break
        for i in range(chunk):
            at = mixed_bits(bits + i * W, W) & (size - 1)
            while slots[at] >= 0 and memcmp(out.masks + slots[at] * W, bits + i * W, W * 8) != 0:
                at = (at + 1) & (size - 1)
            if slots[at] < 0:
                if n_patterns == room:
                    room *= 2
                    grown = <unsigned long long*>malloc(room * W * 8)
                    if grown == NULL:
                        status = OUT_OF_MEMORY
                        break
                    memcpy(grown, out.masks, n_patterns * W * 8)
                    free(out.masks)
                    out.masks = grown
                memcpy(out.masks + n_patterns * W, bits + i * W, W * 8)
                slots[at] = <int>n_patterns
                n_patterns += 1
            pattern_of[first + i] = slots[at]
        first += chunk
        if status == 0 and interruptible and first % (1024 * chunk) == 0:
            status = look_for_signal()
    free(bits)
    free(slots)
    if status == 0:
        # rank: the place of each pattern, by number of missing values
        status = OUT_OF_MEMORY
        rank = <int*>malloc(n_patterns * sizeof(int))
        place = <long long*>calloc(rows.n_features + 2, 8)
        out.order = <int*>malloc(n * sizeof(int))
        out.offsets = <long long*>calloc(n_patterns + 2, 8)
        grown = <unsigned long long*>malloc(n_patterns * W * 8)
        if (rank != NULL and place != NULL and out.order != NULL and out.offsets != NULL
                and grown != NULL):
            status = 0
            for p in range(n_patterns):
                place[bits_set(out.masks + p * W, W) + 1] += 1
            for m in range(rows.n_features + 1):
                place[m + 1] += place[m]
            for p in range(n_patterns):
                m = bits_set(out.masks + p * W, W)
                rank[p] = <int>place[m]
                place[m] += 1
                memcpy(grown + rank[p] * W, out.masks + p * W, W * 8)
            for i in range(n):
                out.offsets[rank[pattern_of[i]] + 2] += 1
            for p in range(1, n_patterns):
                out.offsets[p + 1] += out.offsets[p]
            for i in range(n):
                p = rank[pattern_of[i]] + 1
                out.order[out.offsets[p]] = <int>i
                out.offsets[p] += 1
            free(out.masks)
            out.masks = grown
            out.n_patterns = n_patterns
        else:
            free(grown)
    free(pattern_of)
    free(rank)
    free(place)
    return status


cdef int known_patterns(const Rows *rows, bint double_, const int *order,
                        const long long *offsets, Py_ssize_t n_patterns,
                        Patterns *out) noexcept nogil:
    """Patterns found earlier; only their masks are made, and are to be freed."""
    cdef Py_ssize_t W = words_of(rows.n_features), p
    cdef double largest = 0
    out.n_patterns = n_patterns
    out.order = <int*>order
    out.offsets = <long long*>offsets
    out.masks = <unsigned long long*>malloc(n_patterns * W * 8)
    if out.masks == NULL:
        return OUT_OF_MEMORY
    for p in range(n_patterns):
        table_of(double_).missing_bits(rows, order[offsets[p]], 1, out.masks + p * W, &largest)
    return 0


cdef Py_ssize_t first_stranger(const Rows *rows, bint double_, const Patterns *p) noexcept nogil:
    """The first row that has another pattern of missing values than p says, or -1; -2 when
    memory is short."""
    cdef Py_ssize_t W = words_of(rows.n_features), n = rows.n_samples, i, k, chunk, first = 0
    cdef Py_ssize_t found = -1
    cdef double largest = 0
    cdef int *pattern_of = <int*>malloc(n * sizeof(int))
    cdef unsigned long long *bits
    chunk = max(<Py_ssize_t>1, min(n, <Py_ssize_t>(65536 // rows.n_features + 1)))
    bits = <unsigned long long*>malloc(chunk * W * 8)
    if bits == NULL or pattern_of == NULL:
        free(bits)
        free(pattern_of)
        return -2
    memset(pattern_of, 0xff, n * sizeof(int))
    for k in range(p.n_patterns):
        for i in range(p.offsets[k], p.offsets[k + 1]):
            pattern_of[p.order[i]] = <int>k
    while first < n and found < 0:
        chunk = min(chunk, n - first)
        # an infinity ends the look, and its row keeps the bits of another
        found = rows_with_infinity(rows, double_, first, chunk, bits, &largest)
        for i in range(chunk):
            if found >= 0 and first + i >= found:
                break
            k = pattern_of[first + i]
            if k < 0 or memcmp(bits + i * W, p.masks + k * W, W * 8) != 0:
                found = first + i
                break
        first += chunk
    free(bits)
    free(pattern_of)
    return found


cdef inline Py_ssize_t rows_with_infinity(const Rows *rows, bint double_, Py_ssize_t first,
                                          Py_ssize_t count, unsigned long long *bits,
                                          double *largest) noexcept nogil:
    """The first row of the chunk with an infinity, or -1; bits as Table.missing_bits has them."""
    cdef Py_ssize_t index = table_of(double_).missing_bits(rows, first, count, bits, largest)
    return index // rows.n_features if index >= 0 else -1


ctypedef struct Schedule:
    Py_ssize_t n_tiles
    Py_ssize_t typical_missing
    Py_ssize_t most_missing
    Py_ssize_t most_mixed
    int *order              # (n_tiles, tile), -1: no row
    signed char *kinds      # (n_tiles,)


cdef int make_schedule(const Patterns *p, Py_ssize_t n_features, Py_ssize_t tile,
                       bint leave_empty_out, Schedule *out) noexcept nogil:
    """Tiles of one pattern each; what is left of a pattern goes into tiles of mixed ones when
    it would fill less than half a tile. Its arrays are to be freed."""
    cdef Py_ssize_t W = words_of(n_features), i, j, rows, left, m, t = 0, pool = 0, filled
    cdef Py_ssize_t total_missing = 0, total_rows = 0, n = p.n_patterns
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
        left = rows % tile
        if left > 0 and 2 * left < tile and 0 < m <= MIXED_MISSING:
            pool += left
            out.most_mixed = max(out.most_mixed, m)
            rows -= left
        if rows > 0:
            out.most_missing = max(out.most_missing, m)
        out.n_tiles += (rows + tile - 1) // tile
    filled = out.n_tiles
    out.n_tiles += (pool + tile - 1) // tile
    if total_rows > 0:
        out.typical_missing = (total_missing + total_rows - 1) // total_rows
    out.order = <int*>malloc(max(<Py_ssize_t>1, out.n_tiles * tile) * sizeof(int))
    out.kinds = <signed char*>malloc(max(<Py_ssize_t>1, out.n_tiles))
    if out.order == NULL or out.kinds == NULL:
        free(out.order)
        free(out.kinds)
        return OUT_OF_MEMORY
    order = out.order
    pool = filled * tile
    for i in range(n):
        row = p.order + p.offsets[i]
        rows = p.offsets[i + 1] - p.offsets[i]
        m = bits_set(p.masks + i * W, W)
        left = rows % tile
        if not (left > 0 and 2 * left < tile and 0 < m <= MIXED_MISSING):
            left = 0
        rows -= left
        for j in range((rows + tile - 1) // tile):
            out.kinds[t + j] = UNIFORM if j == 0 else SAME
        for j in range((rows + tile - 1) // tile * tile):
            order[t * tile + j] = row[j] if j < rows else -1
        t += (rows + tile - 1) // tile
        for j in range(left):
            order[pool + j] = row[rows + j]
        pool += left
    for i in range(filled, out.n_tiles):
        out.kinds[i] = MIXED
    for i in range(pool, out.n_tiles * tile):
        order[i] = -1
    return 0


# --- bodies ----------------------------------------------------------------------------

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
            status = make_schedule(patterns, D, table.tile, False, &own)
            schedule = &own
        inc.n_tiles = schedule.n_tiles
        inc.kinds = schedule.kinds
        inc.typical_missing = schedule.typical_missing
        inc.most_missing = schedule.most_missing
        inc.most_mixed = schedule.most_mixed
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
                           precisions_cholesky)
    if status == 0 and (inc.precisions != NULL or code != FULL) and not inc.hard:
        table.prepare_incomplete(&job.gaussians, inc)
    elif status == 0 and inc.hard:
        memset(inc.log_scales, 0, K * D * sizeof(double))
    if status == 0:
        if counts != NULL:
            job.first_moments = True
            job.second_moments = True
            length = K + K * D + second_size(&job.gaussians) + 2
            sums = <double*>malloc(length * sizeof(double))
            if sums == NULL:
                status = OUT_OF_MEMORY
        if status == 0:
            status = run_job(job, double_, length, sums, n_threads, interruptible)
        if status == 0 and counts != NULL:
            add_statistics(&job.gaussians, type_, sums, counts, first, second, tail)
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


cdef int run_with_patterns(Job *job, Incomplete *inc, bint double_, const int *order,
                           const long long *offsets, Py_ssize_t n_patterns,
                           const double *weights, const double *means,
                           const double *precisions_cholesky, Py_ssize_t K, int type_,
                           double *counts, double *first, double *second, double *tail,
                           int n_threads) noexcept nogil:
    """run_incomplete for compiled callers: the patterns are found here where order is NULL."""
    cdef Patterns patterns
    cdef Py_ssize_t infinite
    cdef double largest = 0
    cdef int status
    if order != NULL:
        status = known_patterns(&job.rows, double_, order, offsets, n_patterns, &patterns)
    else:
        status = find_patterns(&job.rows, double_, &patterns, &infinite, &largest, False)
    if status == 0:
        status = run_incomplete(job, inc, double_, &patterns, NULL, weights, means,
                                precisions_cholesky, K, type_, counts, first, second, tail,
                                n_threads, False)
    if order != NULL:
        free(patterns.masks)
    else:
        free_patterns(&patterns)
    return status


cdef int run_missing_patterns(const Rows *rows, bint double_, int *order, long long *offsets,
                              Py_ssize_t *n_patterns) noexcept nogil:
    cdef Patterns patterns
    cdef Py_ssize_t infinite
    cdef double largest = 0
    cdef int status = find_patterns(rows, double_, &patterns, &infinite, &largest, False)
    if status == 0:
        n_patterns[0] = patterns.n_patterns
        memcpy(order, patterns.order, rows.n_samples * sizeof(int))
        memcpy(offsets, patterns.offsets, (patterns.n_patterns + 1) * sizeof(long long))
    free_patterns(&patterns)
    return status


cdef int run_conditional_moments(const Rows *rows, bint double_, const double *weights,
                                 const double *means, const double *precisions_cholesky,
                                 Py_ssize_t K, int type_, const int *order,
                                 const long long *offsets, Py_ssize_t n_patterns, char *imputed,
                                 const long long *block_offsets, double *covariances,
                                 int n_threads) noexcept nogil:
    cdef Job job
    cdef Incomplete inc
    cdef Py_ssize_t i, d, size = sizeof(double) if double_ else sizeof(float)
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    job.rows = rows[0]
    inc.imputed_out = imputed
    inc.block_offsets = block_offsets
    inc.covariances_out = covariances
    for i in range(rows.n_samples):
        for d in range(rows.n_features):
            memcpy(imputed + (i * rows.n_features + d) * size,
                   rows.x + i * rows.row_stride + d * rows.column_stride, size)
    return run_with_patterns(&job, &inc, double_, order, offsets, n_patterns, weights, means,
                             precisions_cholesky, K, type_, NULL, NULL, NULL, NULL, n_threads)


cdef int run_incomplete_statistics(const Rows *rows, bint double_, const double *weights,
                                   const double *means, const double *precisions_cholesky,
                                   Py_ssize_t K, int type_, const int *order,
                                   const long long *offsets, Py_ssize_t n_patterns,
                                   double *counts, double *first, double *second,
                                   double *log_likelihood, int n_threads) noexcept nogil:
    cdef Job job
    cdef Incomplete inc
    cdef double tail[2]
    cdef int status
    tail[0] = 0
    tail[1] = 0
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    job.rows = rows[0]
    job.skip = K > 1 and rows.n_features > 4 and (type_ == FULL or type_ == TIED)
    status = run_with_patterns(&job, &inc, double_, order, offsets, n_patterns, weights, means,
                               precisions_cholesky, K, type_, counts, first, second, tail,
                               n_threads)
    log_likelihood[0] += tail[0]
    return status


include "patterns_python.pxi"
include "incomplete_python.pxi"
include "incomplete_compiled.pxi"
