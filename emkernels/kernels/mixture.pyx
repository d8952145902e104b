"""Kernels of the Gaussian mixture: densities, responsibilities, moments, fused E-step."""

from typing import NamedTuple

import numpy as np

from libc.math cimport INFINITY, log
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from emkernels import _inputs
from emkernels._simd.table cimport FULL, TIED, Job, Rows, second_size
from emkernels.kernels._core cimport (
    OUT_OF_MEMORY, address, as_centers, as_labels, as_matrix, as_weights, check_rows_finite,
    check_status, check_threads, is_double, output, rows_at, set_rows, stored, table_of,
    weights_in_unit)
from emkernels.kernels._gaussians cimport (
    add_statistics, as_factors, as_mixture_weights, covariance_code, empty_statistics, pointer,
    run_job, set_model)


# share of a variance within components below which it is not had by subtraction: 10 digits
# are left in float64, 4 in float32 data
cdef double TIED_LIMIT = 1e-5
cdef double TIED_LIMIT_FLOAT = 1e-2


class Moments(NamedTuple):
    """Weighted moments about given centres (see :func:`weighted_moments`)."""

    counts: np.ndarray
    first: np.ndarray
    second: np.ndarray


class EMStatistics(NamedTuple):
    """Moments under the posterior, and the log-likelihood (see :func:`em_statistics`)."""

    counts: np.ndarray
    first: np.ndarray
    second: np.ndarray
    log_likelihood: float


# --- bodies, for both precisions and both kinds of caller ------------------------------

cdef int run_rows(const Rows *rows, bint double_, const double *log_weights, const double *means,
                  const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
                  char *log_prob, char *resp, char *log_prob_norm, int *labels, int n_threads,
                  bint interruptible) noexcept nogil:
    """Outputs for each row, no statistics."""
    cdef Job job
    cdef int status
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.log_prob_out = log_prob
    job.resp_out = resp
    job.log_prob_norm_out = log_prob_norm
    job.labels_out = labels
    job.skip = labels != NULL and resp == NULL and log_prob == NULL and log_prob_norm == NULL
    status = set_model(&job, table_of(double_), covariance_type, n_components, log_weights,
                       means, precisions_cholesky)
    if status == 0:
        status = run_job(&job, double_, 0, NULL, n_threads, interruptible)
    free(job.gaussians.packed)
    return status


cdef int run_responsibilities(const Rows *rows, bint double_, const double *log_weights,
                              char *resp, char *log_prob_norm, int n_threads,
                              bint interruptible) noexcept nogil:
    cdef Job job
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.log_prob_given = True
    job.gaussians.n_components = rows.n_features
    job.gaussians.n_features = 1
    job.gaussians.log_weights = log_weights
    job.resp_out = resp
    job.log_prob_norm_out = log_prob_norm
    return run_job(&job, double_, 0, NULL, n_threads, interruptible)


cdef int run_statistics(Job *job, bint double_, const double *scatter, const double *centre,
                        double *counts, double *first, double *second, double *tail,
                        int n_threads, bint interruptible) noexcept nogil:
    """Add the statistics of a prepared job into the caller's arrays, in the shapes of
    the covariance type. tail (2,) = log-likelihood, pairs that mattered. For a tied model,
    the scatter (D, D) of all rows about `centre` saves the second moments, where it can."""
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features
    cdef int type_ = job.gaussians.covariance_type
    cdef Py_ssize_t length = K + K * D + second_size(&job.gaussians) + 2
    cdef double *sums = <double*>malloc(length * sizeof(double))
    cdef double *moments
    cdef int status = OUT_OF_MEMORY
    if sums != NULL:
        moments = sums + K + K * D
        job.first_moments = True
        job.second_moments = type_ != TIED
        status = run_job(job, double_, length, sums, n_threads, interruptible)
        if status == 0 and type_ == TIED and not tied_second(
                job, double_, sums, scatter, centre, moments):
            job.second_moments = True
            status = run_job(job, double_, length, sums, n_threads, interruptible)
    free(job.gaussians.packed)
    job.gaussians.packed = NULL
    if status == 0:
        add_statistics(&job.gaussians, type_, sums, counts, first, second, tail)
    free(sums)
    return status


cdef bint tied_second(const Job *job, bint double_, const double *sums, const double *scatter,
                      const double *centre, double *second) noexcept nogil:
    """sum_k S_k = T - sum_k (s_k o' + o s_k' + n_k o o'), with o = mean_k - centre and T the
    scatter of all rows about the centre: no second moments for each component. False where
    the clusters lie so far apart that the difference would keep too few digits."""
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features, k, i, j
    cdef const double *means = job.gaussians.means
    cdef const double *first = sums + K
    cdef double a, b, value = 0, limit = TIED_LIMIT if double_ else TIED_LIMIT_FLOAT
    for i in range(D):
        for j in range(i + 1):
            value = scatter[i * D + j]
            if value - value != 0:
                second[i * (i + 1) // 2 + j] = value    # squares overflowed: infinite, not NaN
                continue
            for k in range(K):
                a = stored(means[k * D + i], double_) - centre[i]
                b = stored(means[k * D + j], double_) - centre[j]
                value -= first[k * D + i] * b + a * first[k * D + j] + sums[k] * a * b
            second[i * (i + 1) // 2 + j] = value
        if value - value == 0 and not value > limit * scatter[i * D + i]:
            return False
    return True


cdef int run_scatter(const Rows *rows, bint double_, const double *centre, double *scatter,
                     int n_threads, bint interruptible) noexcept nogil:
    """scatter (D, D) = sum_i w_i (x_i - centre)(x_i - centre)'."""
    cdef Job job
    cdef Py_ssize_t D = rows.n_features, i
    cdef int status
    cdef double *extra = <double*>malloc((1 + D + D * D) * sizeof(double))
    if extra == NULL:
        return OUT_OF_MEMORY
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.all_ones = True
    memset(extra, 0, (1 + D + D * D) * sizeof(double))
    for i in range(D):
        extra[1 + D + i * D + i] = 1     # a factor is packed, though no density is asked for
    status = set_model(&job, table_of(double_), FULL, 1, NULL, centre, extra + 1 + D)
    if status == 0:
        memset(scatter, 0, D * D * sizeof(double))
        status = run_statistics(&job, double_, NULL, NULL, extra, extra + 1, scatter, NULL,
                                n_threads, interruptible)
    free(extra)
    return status


cdef int run_tied_scatter(const Rows *rows, bint double_, const double *means, Py_ssize_t K,
                          double **buffer, int n_threads, bint interruptible) noexcept nogil:
    """*buffer (D + D * D) = the mean of the means, then the scatter about it; to be freed."""
    cdef Py_ssize_t D = rows.n_features, k, d
    buffer[0] = <double*>malloc((D + D * D) * sizeof(double))
    if buffer[0] == NULL:
        return OUT_OF_MEMORY
    for d in range(D):
        buffer[0][d] = 0
        for k in range(K):
            buffer[0][d] += means[k * D + d] / K
        buffer[0][d] = stored(buffer[0][d], double_)
    return run_scatter(rows, double_, buffer[0], buffer[0] + D, n_threads, interruptible)


cdef int run_em(const Rows *rows, bint double_, const double *weights, const double *means,
                const double *precisions_cholesky, Py_ssize_t K, int covariance_type,
                const double *scatter, const double *centre, int *labels, double *counts,
                double *first, double *second, double *tail, int n_threads,
                bint interruptible) noexcept nogil:
    """Fused E-step and statistics."""
    cdef Job job
    cdef double *buffer = NULL
    cdef double *log_weights = <double*>malloc(K * sizeof(double))
    cdef Py_ssize_t k
    cdef int status = 0
    if log_weights == NULL:
        return OUT_OF_MEMORY
    for k in range(K):
        log_weights[k] = log(weights[k]) if weights[k] > 0 else -INFINITY
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.labels_out = labels
    # leaving work out costs a look at each tile: worth it where a row costs much
    job.skip = rows.n_features > 4 and K > 1 and covariance_type == FULL
    if covariance_type == TIED and scatter == NULL:
        status = run_tied_scatter(rows, double_, means, K, &buffer, n_threads, interruptible)
        centre = buffer
        scatter = buffer + rows.n_features
    if status == 0:
        status = set_model(&job, table_of(double_), covariance_type, K, log_weights, means,
                           precisions_cholesky)
    if status == 0:
        status = run_statistics(&job, double_, scatter, centre, counts, first, second, tail,
                                n_threads, interruptible)
    free(buffer)
    free(log_weights)
    return status


cdef int run_moments(const Rows *rows, bint double_, const char *resp,
                     Py_ssize_t resp_row_stride, Py_ssize_t resp_column_stride, const int *labels,
                     const double *centers, Py_ssize_t K, int covariance_type, double *counts,
                     double *first, double *second, int n_threads,
                     bint interruptible) noexcept nogil:
    """Statistics under given responsibilities."""
    cdef Job job
    cdef Rows weighted = rows[0]
    cdef Py_ssize_t D = rows.n_features, i, k, n_factor
    cdef double *buffer = NULL
    cdef double *row_weights = NULL
    cdef double *ones
    cdef int *order = NULL
    cdef double total
    cdef int status = 0
    n_factor = D * D * K if covariance_type == FULL else max(K * D, D * D)
    ones = <double*>malloc(n_factor * sizeof(double))
    if ones == NULL:
        return OUT_OF_MEMORY
    for i in range(n_factor):
        ones[i] = 1      # a factor is packed, though no density is asked for
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.resp = resp
    job.resp_row_stride = resp_row_stride
    job.resp_column_stride = resp_column_stride
    job.labels = labels
    if labels != NULL and K > 1 and D > 4 and rows.n_samples < 2147483647:
        # rows of one component side by side: no tile is then visited for every component
        order = <int*>malloc(rows.n_samples * sizeof(int))
        if order != NULL and sort_by_label(labels, rows.n_samples, K, order) == 0:
            job.rows.order = order
    if covariance_type == TIED:
        # a row counts in the common scatter as often as it counts in all components
        row_weights = <double*>malloc(rows.n_samples * sizeof(double))
        if row_weights == NULL:
            free(ones)
            free(order)
            return OUT_OF_MEMORY
        for i in range(rows.n_samples):
            total = labels[i] >= 0 if labels != NULL else 0
            if resp != NULL:
                for k in range(K):
                    total += read_real(resp + i * resp_row_stride + k * resp_column_stride, double_)
            row_weights[i] = total * (rows.sample_weight[i] if rows.sample_weight != NULL else 1)
        weighted.sample_weight = row_weights
        status = run_tied_scatter(&weighted, double_, centers, K, &buffer, n_threads, interruptible)
        free(row_weights)
    if status == 0:
        status = set_model(&job, table_of(double_), covariance_type, K, NULL, centers, ones)
    if status == 0:
        status = run_statistics(&job, double_, buffer + D if buffer != NULL else NULL, buffer,
                                counts, first, second, NULL, n_threads, interruptible)
    free(buffer)
    free(ones)
    free(order)
    return status


cdef int sort_by_label(const int *labels, Py_ssize_t n, Py_ssize_t K, int *order) noexcept nogil:
    """A stable permutation of the rows by label, those without one (-1) first."""
    cdef Py_ssize_t *place = <Py_ssize_t*>malloc((K + 2) * sizeof(Py_ssize_t))
    cdef Py_ssize_t i, k
    if place == NULL:
        return OUT_OF_MEMORY
    memset(place, 0, (K + 2) * sizeof(Py_ssize_t))
    for i in range(n):
        place[labels[i] + 2] += 1
    for k in range(1, K + 2):
        place[k] += place[k - 1]
    for i in range(n):
        order[place[labels[i] + 1]] = <int>i
        place[labels[i] + 1] += 1
    free(place)
    return 0


cdef inline double read_real(const char *source, bint double_) noexcept nogil:
    cdef double d
    cdef float f
    if double_:
        memcpy(&d, source, sizeof(double))
        return d
    memcpy(&f, source, sizeof(float))
    return f


include "mixture_python.pxi"
include "mixture_compiled.pxi"
