"""Moments of rows about given centres: counts, sums and products, weighted."""

from typing import NamedTuple

import numpy as np

from libc.stdlib cimport free, malloc
from libc.string cimport memset

from emkernels._simd.table cimport FULL, TIED, Job, Rows, second_size
from emkernels.kernels.arrays cimport (
    address, as_centers, as_labels, as_matrix, as_weights, check_rows_finite, checked_sums,
    in_unit, is_double, pointer, real_at, set_rows, stored, weights_in_unit)
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport OUT_OF_MEMORY, check_status
from emkernels.kernels.gaussians cimport (
    add_statistics, covariance_code, empty_statistics, run_job, set_model)
from emkernels.kernels.rooms cimport leave_room
from emkernels.kernels.threads cimport check_threads

# share of a variance within components below which it is not had by subtraction: 10 digits
# are left in float64, 4 in float32 data
cdef double TIED_LIMIT = 1e-5
cdef double TIED_LIMIT_FLOAT = 1e-2


class Moments(NamedTuple):
    """Weighted moments about given centres.

    Attributes
    ----------
    counts : ndarray of shape (n_components,), float64
        ``sum_i r_ik``.
    first : ndarray of shape (n_components, n_features), float64
        ``sum_i r_ik (x_i - center_k)``.
    second : ndarray, float64
        ``sum_i r_ik (x_i - center_k)(x_i - center_k)'``, of the shape of the covariance type.

    See Also
    --------
    weighted_moments : What makes it.
    emkernels.SufficientStatistics : Such sums that can be added, kept and sent.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import weighted_moments
    >>> moments = weighted_moments(np.array([[1.0], [3.0]]), np.ones((2, 1)), [[1.0]])
    >>> moments.first / moments.counts[:, None]     # the mean, from the centre
    array([[1.]])
    """

    counts: np.ndarray
    first: np.ndarray
    second: np.ndarray


# --- bodies, for both precisions and both kinds of caller ------------------------------

cdef int run_statistics(Job *job, bint double_, const double *scatter, const double *centre,
                        double *counts, double *first, double *second, double *tail,
                        int n_threads, bint interruptible) noexcept nogil:
    """Add the statistics of a prepared job into the caller's arrays, in the shapes of
    the covariance type. tail (2,) = log-likelihood, pairs that mattered, and with noise its
    weight. For a tied model, the scatter (D, D) of all rows about `centre` saves the second
    moments, where it can."""
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features
    cdef int type_ = job.gaussians.covariance_type
    cdef Py_ssize_t length = K + K * D + second_size(&job.gaussians) + 2 + (
        job.noise != NULL)
    cdef double *sums = NULL
    cdef int status
    job.first_moments = True
    # the scatter of all rows has that of the noise in it
    job.second_moments = type_ != TIED or job.noise != NULL
    status = run_job(job, double_, length, &sums, n_threads, interruptible)
    if status == 0 and not job.second_moments and not tied_second(
            job, double_, sums, scatter, centre, sums + K + K * D):
        leave_room(sums, length * sizeof(double))
        sums = NULL
        job.second_moments = True
        status = run_job(job, double_, length, &sums, n_threads, interruptible)
    leave_room(job.gaussians.packed, table_of(double_).packed_bytes(&job.gaussians))
    job.gaussians.packed = NULL
    if status == 0:
        add_statistics(&job.gaussians, type_, sums, counts, first, second, tail, n_threads)
        if job.noise != NULL:
            tail[2] += sums[length - 1]
    leave_room(sums, length * sizeof(double))
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
    cdef Py_ssize_t D = rows.n_features
    cdef int status
    cdef double *extra = <double*>malloc((1 + D) * sizeof(double))      # count and first moments
    if extra == NULL:
        return OUT_OF_MEMORY
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.all_ones = True
    memset(extra, 0, (1 + D) * sizeof(double))
    status = set_model(&job, table_of(double_), FULL, 1, NULL, centre, NULL, n_threads)
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
    cdef double *ones = NULL
    cdef int *order = NULL
    cdef double total
    cdef int status = 0
    if covariance_type != FULL:
        n_factor = max(K * D, D * D)
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
                    total += real_at(resp + i * resp_row_stride + k * resp_column_stride, double_)
            row_weights[i] = total * (rows.sample_weight[i] if rows.sample_weight != NULL else 1)
        weighted.sample_weight = row_weights
        status = run_tied_scatter(&weighted, double_, centers, K, &buffer, n_threads, interruptible)
        free(row_weights)
    if status == 0:
        status = set_model(&job, table_of(double_), covariance_type, K, NULL, centers, ones,
                           n_threads)
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


# --- the Python faces ------------------------------------------------------------------

def weighted_moments(X, resp, centers, covariance_type="full", sample_weight=None, *,
                     n_threads=None, check_finite=True):
    """Weighted counts, first and second moments about given centres.

    With ``r_ik = sample_weight_i resp_ik`` and ``d_ik = x_i - center_k``:
    ``counts_k = sum_i r_ik``, ``first_k = sum_i r_ik d_ik`` and ``second_k = sum_i r_ik d_ik
    d_ik'`` ('full'), its sum over k ('tied'), its diagonal ('diag') or its trace
    ('spherical'). Moments about a nearby centre do not cancel on shifted data.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        Finite. Read in place, in any layout.
    resp : array-like of shape (n_samples, n_components), or (n_samples,) integers
        Responsibilities, or labels in 0 .. n_components - 1 (-1 or missing: the row counts
        nowhere).
    centers : array-like of shape (n_components, n_features)
        Rounded to the precision of X before use.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which moments are made.
    sample_weight : array-like of shape (n_samples,), optional
        A weight of 2 is the same as the row twice.
    n_threads : int, optional
        None: the CPUs this process may use; -1: all.
    check_finite : bool
        False skips the look for NaN and infinity in X and resp; in resp they show in every sum of
        their component.

    Returns
    -------
    Moments
        counts (n_components,), first (n_components, n_features), second of the shape that
        the covariance type gives; all float64.

    Raises
    ------
    ValueError, TypeError
        As :func:`em_statistics`; negative `resp`.

    See Also
    --------
    em_statistics : The sums under the posterior, in one pass.
    emkernels.SufficientStatistics : Such sums that can be added, kept and sent.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance,
    The American Statistician 37, 1983 (shifted moments).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import weighted_moments
    >>> moments = weighted_moments(np.array([[1.0], [3.0]]), np.ones((2, 1)), [[2.0]])
    >>> moments.counts, moments.second
    (array([2.]), array([[[2.]]]))
    """
    cdef Rows rows, resp_rows
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef const double *center
    cdef const int *labels = NULL
    cdef double *c
    cdef double *f
    cdef double *s
    cdef bint double_
    cdef Py_ssize_t K
    X = as_matrix(X, "X")
    centers = as_centers(centers, "centers", X)
    centers = centers.astype(X.dtype).astype(np.float64)
    K = centers.shape[0]
    double_ = is_double(X)
    set_rows(&rows, X)
    memset(&resp_rows, 0, sizeof(Rows))
    if np.ndim(resp) == 1:
        resp = as_labels(resp, X.shape[0], K, "resp")
        labels = <const int*>address(resp)
    else:
        resp = as_matrix(resp, "resp")
        if resp.dtype != X.dtype:
            resp = resp.astype(X.dtype)
        if resp.shape != (X.shape[0], K):
            raise ValueError(f"resp must have shape ({X.shape[0]}, {K}), got {resp.shape}")
        set_rows(&resp_rows, resp)
        if check_finite:
            check_rows_finite(&resp_rows, double_, "resp")
        if not resp.min() >= 0 and (resp < 0).any():     # the least of some is no number
            row, column = np.argwhere(resp < 0)[0]
            raise ValueError(f"resp must not be negative, first at row {row}, column {column}")
    sample_weight, unit = weights_in_unit(as_weights(sample_weight, X.shape[0]), X.dtype)
    rows.sample_weight = pointer(sample_weight)
    if check_finite:
        check_rows_finite(&rows, double_, "X")
    counts, first, second = empty_statistics(code, K, X.shape[1], threads)
    center = pointer(centers)
    c, f, s = <double*>address(counts), <double*>address(first), <double*>address(second)
    with nogil:
        status = run_moments(&rows, double_, resp_rows.x, resp_rows.row_stride,
                             resp_rows.column_stride, labels, center, K, code, c, f, s,
                             threads, True)
    check_status(status)
    sums = Moments(in_unit(counts, unit), in_unit(first, unit), in_unit(second, unit))
    return checked_sums(sums) if check_finite else sums


def _total_scatter(X, centre, sample_weight=None, n_threads=None):
    """sum_i w_i (x_i - centre)(x_i - centre)', (n_features, n_features); arguments checked."""
    cdef Rows rows
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef const double *origin = pointer(centre)
    scatter = np.empty((X.shape[1], X.shape[1]))
    cdef double *target = <double*>address(scatter)
    set_rows(&rows, X)
    rows.sample_weight = pointer(sample_weight)
    with nogil:
        status = run_scatter(&rows, double_, origin, target, threads, True)
    check_status(status)
    return scatter


def _order_by_label(labels, Py_ssize_t n_components, out=None):
    """A stable permutation (int32) of the rows by label, both checked; written to `out`."""
    cdef Py_ssize_t n = labels.shape[0]
    cdef const int *label = <const int*>address(labels)
    cdef int *order
    cdef int status
    if out is None:
        out = np.empty(n, np.int32)
    order = <int*>address(out)
    with nogil:
        status = sort_by_label(label, n, n_components, order)
    check_status(status)
    return out
