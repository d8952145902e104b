"""The E-step of rows with missing values; the compiled faces of all kernels of such rows."""

import numpy as np

from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from emkernels._simd.table cimport FULL, TIED, Incomplete, Job, Rows
from emkernels.kernels.arrays cimport (
    address, as_centers, as_matrix, as_weights, checked_sums, in_unit, indices, is_double,
    length_of, pointer, rows_at, set_rows, shaped, weights_in_unit)
from emkernels.kernels.driver cimport check_status
from emkernels.kernels.gaussians cimport (
    as_factors, as_mixture_weights, covariance_code, empty_statistics, factor_shape, set_noise)
from emkernels.kernels.observed cimport Schedule, run_incomplete, schedule_of
from emkernels.kernels.patterns cimport (
    Patterns, as_patterns, check_shape, find_patterns, free_patterns, known_patterns)
from emkernels.kernels.threads cimport check_threads

from emkernels.kernels.completion import (
    ConditionalMoments, conditional_draws, conditional_moments, incomplete_e_step)
from emkernels.kernels.mixture import EMStatistics
from emkernels.kernels.patterns import MissingPatterns, missing_patterns

__all__ = ["ConditionalMoments", "MissingPatterns", "conditional_draws", "conditional_moments",
           "incomplete_e_step", "incomplete_statistics", "missing_patterns"]


def incomplete_statistics(X, weights, means, precisions_cholesky, covariance_type="full",
                          sample_weight=None, patterns=None, *, n_threads=None):
    """Sufficient statistics of the E-step, and the log-likelihood, of rows with missing values.

    With o the observed and m the missing columns of row i, ``r_ik`` the posterior of component
    k given ``x_io``, ``e_ik = E[x_i | x_io, k] - mean_k`` and ``C_ik = Cov[x_im | x_io, k]``
    (zero outside the m, m block): ``counts_k = sum_i r_ik``, ``first_k = sum_i r_ik e_ik``,
    ``second_k = sum_i r_ik (e_ik e_ik' + C_ik)``. They add up as those of complete rows do.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        NaN where missing. Read in place.
    weights : array-like of shape (n_components,)
        Mixing proportions, not negative; ``[1.0]`` for one multivariate normal.
    means : array-like of shape (n_components, n_features)
        Rounded to the precision of X; the moments are about the rounded means.
    precisions_cholesky : array-like
        As in :func:`log_density`.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which precisions are the same, or zero.
    sample_weight : array-like of shape (n_samples,), optional
        A weight of 2 is the same as the row twice.
    patterns : MissingPatterns, optional
        Those of X, kept from an earlier call (they are checked); found again when None.
    n_threads : int, optional
        The result has the same bits for every number of threads.

    Returns
    -------
    EMStatistics
        log_likelihood is that of the observed values. A row with none counts in each component
        by its weight and adds nothing to the likelihood.

    Raises
    ------
    ValueError, TypeError
        As :func:`em_statistics`, but that NaN is allowed in X; patterns of another array.

    See Also
    --------
    incomplete_e_step : Outputs for each row.
    em_statistics : Complete rows.
    missing_patterns : Patterns that can be kept between calls.
    emkernels.GaussianImputer : The estimator that is fitted by it.

    Notes
    -----
    For 'full' and 'tied' a pattern with m missing values costs a Cholesky factor of an m x m
    block of the precision for each component, or of the observed block of the covariance
    where that is smaller; its rows cost about m n_features products more than complete ones.

    References
    ----------
    R. J. A. Little, D. B. Rubin, Statistical Analysis with Missing Data, 2002, section 11.2.
    Z. Ghahramani, M. I. Jordan, Supervised learning from incomplete data via an EM approach,
    NIPS 6, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import incomplete_statistics
    >>> X = np.array([[1.0, 1.0], [2.0, np.nan]])
    >>> s = incomplete_statistics(X, [1.0], [[0.0, 0.0]], np.eye(2)[None])
    >>> s.first, s.second
    (array([[3., 1.]]), array([[[5., 1.],
            [1., 2.]]]))
    """
    X = as_matrix(X, "X", True)
    code = covariance_code(covariance_type)
    means = as_centers(means, "means", X)
    means = means.astype(X.dtype).astype(np.float64)
    weights = as_mixture_weights(weights, means.shape[0])
    precisions_cholesky = as_factors(precisions_cholesky, code, means.shape[0], X.shape[1])
    sample_weight, unit = weights_in_unit(as_weights(sample_weight, X.shape[0]), X.dtype)
    check_threads(n_threads)
    patterns = as_patterns(patterns, X)
    return checked_sums(EMStatistics(*[in_unit(total, unit) for total in _incomplete_pass(
        X, weights, means, precisions_cholesky, covariance_type, sample_weight, patterns,
        n_threads=n_threads)[:4]]))


def _incomplete_pass(X, weights, means, precisions_cholesky, covariance_type, sample_weight,
                     patterns, *, known=None, leave_empty_out=False, noise=None, n_threads=None):
    """incomplete_statistics for the EM loop: every array already checked and contiguous.
    leave_empty_out: rows without any value are in no sum. noise and what is returned: as for the
    pass over complete rows."""
    cdef Job job
    cdef Incomplete inc
    cdef Schedule schedule
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = length_of(means)
    cdef const double *w = shaped(weights, "weights", (K,))
    cdef const double *mean = shaped(means, "means", (K, X.shape[1]))
    cdef const double *factor = shaped(
        precisions_cholesky, "precisions_cholesky", factor_shape(code, K, X.shape[1]))
    cdef double *c
    cdef double *f
    cdef double *s
    cdef double tail[3]
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    memset(tail, 0, sizeof(tail))
    check_shape(patterns, X)
    if leave_empty_out and code not in (FULL, TIED):    # those kernels do not visit them
        sample_weight = _without_empty(sample_weight, patterns, X.shape[0])
    set_rows(&job.rows, X)
    set_noise(&job, noise)
    job.rows.sample_weight = pointer(sample_weight)
    job.rows.known = indices(known)
    job.skip = K > 1 and X.shape[1] > 4 and code in (FULL, TIED)
    kept = None
    if code in (FULL, TIED):
        kept = schedule_of(patterns, double_, leave_empty_out, &schedule)
    counts, first, second = empty_statistics(code, K, X.shape[1], threads)
    c, f, s = <double*>address(counts), <double*>address(first), <double*>address(second)
    with nogil:
        status = run_incomplete(&job, &inc, double_, NULL, &schedule, w, mean, factor, K, code,
                                c, f, s, tail, threads, True)
    check_status(status)
    return counts, first, second, tail[0], tail[1], tail[2]


def _without_empty(sample_weight, patterns, n_samples):
    """The weights, but for rows without any value, which have none."""
    cdef Py_ssize_t last = patterns.n_patterns - 1
    if last < 0 or patterns.n_missing[last] < patterns.n_features:
        return sample_weight
    weight = np.ones(n_samples) if sample_weight is None else sample_weight.copy()
    weight[patterns.order[patterns.offsets[last]:]] = 0
    return weight


# --- the faces for cimport: see incomplete.pxd --------------------------------------------

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


cdef int missing_patterns_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, int *order, long long *offsets,
        Py_ssize_t *n_patterns) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), NULL)
    return run_missing_patterns(&rows, True, order, offsets, n_patterns)


cdef int incomplete_statistics_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const double *sample_weight, const int *order, const long long *offsets,
        Py_ssize_t n_patterns, double *counts, double *first, double *second,
        double *log_likelihood, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), sample_weight)
    return run_incomplete_statistics(
        &rows, True, weights, means, precisions_cholesky, n_components, covariance_type, order,
        offsets, n_patterns, counts, first, second, log_likelihood, n_threads)


cdef int conditional_moments_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const int *order, const long long *offsets, Py_ssize_t n_patterns,
        double *imputed, const long long *block_offsets, double *covariances,
        int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), NULL)
    return run_conditional_moments(
        &rows, True, weights, means, precisions_cholesky, n_components, covariance_type, order,
        offsets, n_patterns, <char*>imputed, block_offsets, covariances, n_threads)


cdef int missing_patterns_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, int *order, long long *offsets,
        Py_ssize_t *n_patterns) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), NULL)
    return run_missing_patterns(&rows, False, order, offsets, n_patterns)


cdef int incomplete_statistics_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const double *sample_weight, const int *order, const long long *offsets,
        Py_ssize_t n_patterns, double *counts, double *first, double *second,
        double *log_likelihood, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), sample_weight)
    return run_incomplete_statistics(
        &rows, False, weights, means, precisions_cholesky, n_components, covariance_type, order,
        offsets, n_patterns, counts, first, second, log_likelihood, n_threads)


cdef int conditional_moments_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const int *order, const long long *offsets, Py_ssize_t n_patterns,
        float *imputed, const long long *block_offsets, double *covariances,
        int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), NULL)
    return run_conditional_moments(
        &rows, False, weights, means, precisions_cholesky, n_components, covariance_type, order,
        offsets, n_patterns, <char*>imputed, block_offsets, covariances, n_threads)
