"""The fused E-step of a Gaussian mixture; the compiled faces of all kernels of complete rows."""

from typing import NamedTuple

import numpy as np

from libc.math cimport INFINITY, log
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from emkernels._simd.table cimport FULL, TIED, Job, Rows
from emkernels.kernels.arrays cimport (
    address, as_centers, as_matrix, as_weights, check_rows_finite, checked_sums, in_unit,
    indices, is_double, length_of, pointer, rows_at, set_rows, shaped, weights_in_unit)
from emkernels.kernels.density cimport run_responsibilities, run_rows
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport OUT_OF_MEMORY, check_status
from emkernels.kernels.gaussians cimport (
    as_factors, as_mixture_weights, covariance_code, empty_statistics, factor_shape, set_model,
    set_noise)
from emkernels.kernels.moments cimport run_moments, run_statistics, run_tied_scatter
from emkernels.kernels.threads cimport check_threads

from emkernels.kernels.density import e_step, log_density, responsibilities
from emkernels.kernels.moments import Moments, weighted_moments

__all__ = ["EMStatistics", "Moments", "e_step", "em_statistics", "log_density", "responsibilities",
           "weighted_moments"]


class EMStatistics(NamedTuple):
    """Moments under the posterior, and the log-likelihood.

    Attributes
    ----------
    counts : ndarray of shape (n_components,), float64
        ``sum_i r_ik``, with r_ik the posterior of component k times the weight of row i.
    first : ndarray of shape (n_components, n_features), float64
        ``sum_i r_ik (x_i - mean_k)``.
    second : ndarray, float64
        ``sum_i r_ik (x_i - mean_k)(x_i - mean_k)'``, of the shape of the covariance type.
    log_likelihood : float
        By weight, in natural logarithms.

    See Also
    --------
    em_statistics : What makes it.
    emkernels.SufficientStatistics : Such sums that can be added, kept and sent.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import em_statistics
    >>> X = np.array([[0.0], [2.0]])
    >>> s = em_statistics(X, [1.0], [[0.5]], np.ones((1, 1, 1)))
    >>> means = 0.5 + s.first / s.counts[:, None]
    >>> means
    array([[1.]])
    """

    counts: np.ndarray
    first: np.ndarray
    second: np.ndarray
    log_likelihood: float


cdef int run_em(const Rows *rows, bint double_, const double *weights, const double *means,
                const double *precisions_cholesky, Py_ssize_t K, int covariance_type,
                const double *scatter, const double *centre, double *counts,
                double *first, double *second, double *tail, int n_threads,
                bint interruptible) noexcept nogil:
    """Fused E-step and statistics."""
    cdef Job job
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    return run_em_job(&job, double_, weights, means, precisions_cholesky, K, covariance_type,
                      scatter, centre, counts, first, second, tail, n_threads, interruptible)


cdef int run_em_job(Job *job, bint double_, const double *weights, const double *means,
                    const double *precisions_cholesky, Py_ssize_t K, int covariance_type,
                    const double *scatter, const double *centre, double *counts, double *first,
                    double *second, double *tail, int n_threads,
                    bint interruptible) noexcept nogil:
    """The same of a job that has rows, and labels to write and noise where there are any."""
    cdef double *buffer = NULL
    cdef double *log_weights = <double*>malloc(K * sizeof(double))
    cdef Py_ssize_t k
    cdef int status = 0
    if log_weights == NULL:
        return OUT_OF_MEMORY
    for k in range(K):
        log_weights[k] = log(weights[k]) if weights[k] > 0 else -INFINITY
    # leaving work out costs a look at each tile: worth it where a row costs much
    job.skip = job.rows.n_features > 4 and K > 1 and covariance_type == FULL
    if covariance_type == TIED and scatter == NULL and job.noise == NULL:
        status = run_tied_scatter(&job.rows, double_, means, K, &buffer, n_threads,
                                  interruptible)
        centre = buffer
        scatter = buffer + job.rows.n_features
    if status == 0:
        status = set_model(job, table_of(double_), covariance_type, K, log_weights, means,
                           precisions_cholesky, n_threads)
    if status == 0:
        status = run_statistics(job, double_, scatter, centre, counts, first, second, tail,
                                n_threads, interruptible)
    free(buffer)
    free(log_weights)
    return status


# --- the Python faces ------------------------------------------------------------------

def em_statistics(X, weights, means, precisions_cholesky, covariance_type="full",
                  sample_weight=None, *, n_threads=None, check_finite=True):
    """Sufficient statistics of the E-step and the log-likelihood, in one fused pass.

    The same as :func:`log_density`, :func:`responsibilities` and :func:`weighted_moments`
    about ``means``, a block of rows at a time: no (n_samples, n_components) array exists.
    For 'full' with more than 4 features, work for responsibilities below 1e-19 is left out.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        Finite. Read in place, in any layout.
    weights : array-like of shape (n_components,)
        Mixing proportions, not negative.
    means : array-like of shape (n_components, n_features)
        Rounded to the precision of X; the moments are about the rounded means.
    precisions_cholesky : array-like
        As in :func:`log_density`.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which precisions are the same, or zero.
    sample_weight : array-like of shape (n_samples,), optional
        A weight of 2 is the same as the row twice.
    n_threads : int, optional
        The result has the same bits for every number of threads.
    check_finite : bool
        False skips the look for NaN and infinity in X.

    Returns
    -------
    EMStatistics
        counts, first, second as :func:`weighted_moments` gives them, and log_likelihood
        ``sum_i sample_weight_i log sum_k weights_k N(x_i | k)``; all float64.

    Raises
    ------
    ValueError, TypeError
        As :func:`log_density`; negative or all-zero weights; sums that overflow so that they are
        not a number (infinite ones are returned).

    See Also
    --------
    e_step : Outputs for each row.
    weighted_moments : The sums by responsibilities that are there.
    incomplete_statistics : Rows with missing values.
    emkernels.SufficientStatistics : Such sums that can be added, kept and sent.

    References
    ----------
    A. P. Dempster, N. M. Laird, D. B. Rubin, Maximum likelihood from incomplete data via
    the EM algorithm, JRSS B 39, 1977.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import em_statistics
    >>> X = np.array([[-1.0], [1.0]])
    >>> s = em_statistics(X, [0.5, 0.5], [[-1.0], [1.0]], np.ones((2, 1, 1)))
    >>> s.counts, round(s.log_likelihood, 4)
    (array([1., 1.]), -2.9703)
    """
    X = as_matrix(X, "X")
    code = covariance_code(covariance_type)
    means = as_centers(means, "means", X)
    means = means.astype(X.dtype).astype(np.float64)
    weights = as_mixture_weights(weights, means.shape[0])
    precisions_cholesky = as_factors(precisions_cholesky, code, means.shape[0], X.shape[1])
    sample_weight, unit = weights_in_unit(as_weights(sample_weight, X.shape[0]), X.dtype)
    cdef Rows rows
    if check_finite:
        set_rows(&rows, X)
        check_rows_finite(&rows, is_double(X), "X")
    counts, first, second, log_likelihood = _em_pass(
        X, weights, means, precisions_cholesky, covariance_type, sample_weight,
        n_threads=n_threads)[:4]
    sums = EMStatistics(
        in_unit(counts, unit), in_unit(first, unit), in_unit(second, unit), log_likelihood * unit)
    return checked_sums(sums) if check_finite else sums


def _em_pass(X, weights, means, precisions_cholesky, covariance_type, sample_weight=None, *,
             known=None, order=None, labels=None, centre=None, scatter=None, noise=None,
             n_threads=None):
    """em_statistics for the EM loop: every array already checked and contiguous.

    known (int32): components of rows that are known, -1 elsewhere. order (int32): a
    permutation in which the rows are visited. labels (int32): receives the most probable
    component of every row, -1 for noise. centre, scatter: those of all rows (tied), kept
    between passes. noise: log (weight times density) of a component without parameters, of one
    value or one for each row. Returns counts, first, second, log_likelihood, the number of pairs
    of a row and a component with a responsibility above 1e-19 (0 where that is not looked at),
    and the weight of the noise.
    """
    cdef Job job
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = length_of(means)
    cdef const double *w = shaped(weights, "weights", (K,))
    cdef const double *mean = shaped(means, "means", (K, X.shape[1]))
    cdef const double *factor = shaped(
        precisions_cholesky, "precisions_cholesky", factor_shape(code, K, X.shape[1]))
    cdef const double *total = shaped(scatter, "scatter", (X.shape[1], X.shape[1]))
    cdef const double *origin = shaped(centre, "centre", (X.shape[1],))
    cdef double *c
    cdef double *f
    cdef double *s
    cdef double tail[3]
    memset(&job, 0, sizeof(Job))
    set_rows(&job.rows, X)
    set_noise(&job, noise)
    job.rows.sample_weight = pointer(sample_weight)
    job.rows.known = indices(known)
    job.rows.order = indices(order)
    job.labels_out = NULL if labels is None else <int*>address(labels)
    counts, first, second = empty_statistics(code, K, X.shape[1], threads)
    c, f, s = <double*>address(counts), <double*>address(first), <double*>address(second)
    memset(tail, 0, sizeof(tail))
    with nogil:
        status = run_em_job(&job, double_, w, mean, factor, K, code, total, origin, c, f, s,
                            tail, threads, True)
    check_status(status)
    return counts, first, second, tail[0], tail[1], tail[2]


# --- the faces for cimport: see mixture.pxd. One line of translation for each precision -----

cdef int log_density_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *means, const double *precisions_cholesky,
        Py_ssize_t n_components, int covariance_type, double *out, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), NULL)
    return run_rows(&rows, True, NULL, means, precisions_cholesky, n_components,
                    covariance_type, <char*>out, NULL, NULL, NULL, n_threads, False)


cdef int responsibilities_f64(
        const double *log_prob, Py_ssize_t n_samples, Py_ssize_t n_components,
        const double *log_weights, double *resp, double *log_prob_norm,
        int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>log_prob, n_samples, n_components, n_components, 1,
                             sizeof(double), NULL)
    return run_responsibilities(&rows, True, log_weights, <char*>resp, <char*>log_prob_norm,
                                n_threads, False)


cdef int weighted_moments_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *resp, const double *centers,
        Py_ssize_t n_components, int covariance_type, const double *sample_weight,
        double *counts, double *first, double *second, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), sample_weight)
    return run_moments(&rows, True, <const char*>resp, n_components * sizeof(double),
                       sizeof(double), NULL, centers, n_components, covariance_type, counts,
                       first, second, n_threads, False)


cdef int em_statistics_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const double *sample_weight, double *counts, double *first, double *second,
        double *log_likelihood, int n_threads) noexcept nogil:
    cdef double tail[2]
    cdef int status
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), sample_weight)
    tail[0] = 0
    status = run_em(&rows, True, weights, means, precisions_cholesky, n_components,
                    covariance_type, NULL, NULL, counts, first, second, tail, n_threads,
                    False)
    log_likelihood[0] += tail[0]
    return status


cdef int log_density_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *means, const double *precisions_cholesky,
        Py_ssize_t n_components, int covariance_type, float *out, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), NULL)
    return run_rows(&rows, False, NULL, means, precisions_cholesky, n_components,
                    covariance_type, <char*>out, NULL, NULL, NULL, n_threads, False)


cdef int responsibilities_f32(
        const float *log_prob, Py_ssize_t n_samples, Py_ssize_t n_components,
        const double *log_weights, float *resp, float *log_prob_norm, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>log_prob, n_samples, n_components, n_components, 1,
                             sizeof(float), NULL)
    return run_responsibilities(&rows, False, log_weights, <char*>resp, <char*>log_prob_norm,
                                n_threads, False)


cdef int weighted_moments_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const float *resp, const double *centers,
        Py_ssize_t n_components, int covariance_type, const double *sample_weight,
        double *counts, double *first, double *second, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), sample_weight)
    return run_moments(&rows, False, <const char*>resp, n_components * sizeof(float), sizeof(float),
                       NULL, centers, n_components, covariance_type, counts, first, second,
                       n_threads, False)


cdef int em_statistics_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
        const double *sample_weight, double *counts, double *first, double *second,
        double *log_likelihood, int n_threads) noexcept nogil:
    cdef double tail[2]
    cdef int status
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), sample_weight)
    tail[0] = 0
    status = run_em(&rows, False, weights, means, precisions_cholesky, n_components,
                    covariance_type, NULL, NULL, counts, first, second, tail, n_threads,
                    False)
    log_likelihood[0] += tail[0]
    return status
