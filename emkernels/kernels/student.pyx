"""The E-step of a mixture of Student t components, complete rows and rows with missing values."""

from typing import NamedTuple

import numpy as np

from libc.math cimport INFINITY, log, log1p
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from emkernels._simd.table cimport (
    FULL, TIED, Incomplete, Job, Rows, second_size, tail_size)
from emkernels.kernels.arrays cimport (
    address, as_centers, as_float64, as_matrix, as_weights, checked_sums, indices, is_double,
    length_of, pointer, rows_at, set_rows, shaped, weights_in_unit)
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport OUT_OF_MEMORY, check_status
from emkernels.kernels.gaussians cimport (
    add_statistics, as_factors, as_mixture_weights, covariance_code, empty_statistics,
    factor_shape, run_job, set_model)
from emkernels.kernels.observed cimport Schedule, run_incomplete, schedule_of
from emkernels.kernels.patterns cimport as_patterns, check_shape
from emkernels.kernels.threads cimport check_threads

__all__ = ["StudentMoments", "student_e_step", "student_statistics"]


class StudentMoments(NamedTuple):
    """Moments under the posterior of Student t components, and the log-likelihood.

    With r_ik the posterior of component k, u_ik what the row pulls with, e_ik the row less mean_k.

    Attributes
    ----------
    counts, pulls : ndarray of shape (n_components,), float64
        ``sum_i r_ik`` and ``sum_i r_ik u_ik``.
    first : ndarray of shape (n_components, n_features), float64
        ``sum_i r_ik u_ik e_ik``.
    second : ndarray, float64
        ``sum_i r_ik (u_ik e_ik e_ik' + C_ik)``, of the shape of the covariance type.
    sizes : ndarray of shape (n_components, n_features + 1), float64
        The counts by the number of observed values.
    bends : ndarray of shape (n_components,), float64
        ``sum_i r_ik (log u_ik - u_ik + 1)``, which degrees of freedom go by.
    log_likelihood : float
        By weight, in natural logarithms.

    See Also
    --------
    student_statistics : What makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import student_statistics
    >>> X = np.array([[0.0], [1.0], [50.0]])
    >>> s = student_statistics(X, [1.0], [[0.0]], np.ones((1, 1, 1)), [1.0])
    >>> (s.first / s.pulls[:, None]).round(2)       # the mean that EM goes to next
    array([[0.35]])
    """

    counts: np.ndarray
    pulls: np.ndarray
    first: np.ndarray
    second: np.ndarray
    sizes: np.ndarray
    bends: np.ndarray
    log_likelihood: float


# --- bodies, for both precisions and both kinds of caller ------------------------------

cdef void excess_of(double nu, Py_ssize_t D, double *out) noexcept nogil:
    """out (D + 1): log Gamma((nu + o) / 2) - log Gamma(nu / 2) - o / 2 log(nu / 2) for o of 0 to D,
    to full precision also where nu is large: every second one is a product, and the first half
    step a series in 1 / nu."""
    cdef double a = 0.5 * nu, b = a, half = 0, s
    cdef Py_ssize_t o
    # Gamma(b + 1/2) / Gamma(b) from that of b + 1, until the series is good for it
    while b < 12:
        half += log(b / (b + 0.5))
        b += 1
    s = 1 / (b * b)
    half += (-0.125 + s * (1.0 / 192 + s * (-1.0 / 640 + s * (17.0 / 14336 + s * (
        -31.0 / 18432 + s * (691.0 / 180224)))))) / b
    half += 0.5 * (log1p((b - a) / a) if b > a else 0)
    out[0] = 0
    if D > 0:
        out[1] = half
    for o in range(2, D + 1):
        out[o] = out[o - 2] + log1p(0.5 * (o - 2) / a)


cdef int set_student(Job *job, const double *dfs, Py_ssize_t K, double **buffer) noexcept nogil:
    """Describe the degrees of freedom, within 1e-20 to 1e20; *buffer is to be freed."""
    cdef Py_ssize_t D = job.rows.n_features, k
    cdef double *values = <double*>malloc(K * (D + 2) * sizeof(double))
    buffer[0] = values
    if values == NULL:
        return OUT_OF_MEMORY
    for k in range(K):
        values[k] = min(max(dfs[k], 1e-20), 1e20)
        excess_of(values[k], D, values + K + k * (D + 1))
    job.gaussians.dfs = values
    job.gaussians.excess = values + K
    return 0


cdef int run_student(Job *job, bint double_, const double *weights, const double *means,
                     const double *precisions_cholesky, Py_ssize_t K, int covariance_type,
                     double *counts, double *first, double *second, double *tail,
                     int n_threads, bint interruptible) noexcept nogil:
    """A job of complete rows: outputs as it has them, statistics where `counts` is given."""
    cdef Py_ssize_t k, length = 0
    cdef double *log_weights = <double*>malloc(K * sizeof(double))
    cdef double *sums = NULL
    cdef int status
    if log_weights == NULL:
        return OUT_OF_MEMORY
    for k in range(K):
        log_weights[k] = log(weights[k]) if weights[k] > 0 else -INFINITY
    status = set_model(job, table_of(double_), covariance_type, K, log_weights, means,
                       precisions_cholesky, n_threads)
    if status == 0 and counts != NULL:
        job.first_moments = True
        job.second_moments = True
        length = (K + K * job.gaussians.n_features + second_size(&job.gaussians)
                  + tail_size(&job.gaussians))
    if status == 0:
        status = run_job(job, double_, length, &sums, n_threads, interruptible)
        if status == 0 and counts != NULL:
            add_statistics(&job.gaussians, covariance_type, sums, counts, first, second, tail,
                           n_threads)
    free(job.gaussians.packed)
    job.gaussians.packed = NULL
    free(sums)
    free(log_weights)
    return status


# --- passes over checked rows ------------------------------------------------------------

def _student_pass(X, weights, means, precisions_cholesky, dfs, covariance_type,
                  sample_weight=None, patterns=None, *, order=None, labels=None,
                  leave_empty_out=False, n_threads=None):
    """student_statistics for the EM loop: every array already checked and contiguous; the moments
    are about `means` as they are. order, labels, leave_empty_out: as for Gaussian mixtures.
    Returns pulls, first, second, sizes (K, D + 1), bends, log_likelihood, and the number of pairs
    of a row and a component that mattered."""
    cdef Job job
    cdef Incomplete inc
    cdef Schedule schedule
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X), complete = patterns is None
    cdef Py_ssize_t K = length_of(means), D = X.shape[1]
    cdef const double *w = shaped(weights, "weights", (K,))
    cdef const double *mean = shaped(means, "means", (K, X.shape[1]))
    cdef const double *factor = shaped(
        precisions_cholesky, "precisions_cholesky", factor_shape(code, K, X.shape[1]))
    cdef const double *df = shaped(dfs, "dfs", (K,))
    cdef double *buffer = NULL
    cdef double *c
    cdef double *f
    cdef double *s
    cdef double *t
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    set_rows(&job.rows, X)
    job.rows.sample_weight = pointer(sample_weight)
    job.skip = K > 1 and D > 4 and (code == FULL or (code == TIED and not complete))
    kept = None
    if complete:
        job.rows.order = indices(order)
        job.labels_out = NULL if labels is None else <int*>address(labels)
    else:
        check_shape(patterns, X)
        if code in (FULL, TIED):
            kept = schedule_of(patterns, double_, leave_empty_out, &schedule)
    counts, first, second = empty_statistics(code, K, D, threads)
    tail = np.zeros(2 + K * (D + 2))
    c, f, s = <double*>address(counts), <double*>address(first), <double*>address(second)
    t = <double*>address(tail)
    with nogil:
        status = set_student(&job, df, K, &buffer)
        if status == 0 and complete:
            status = run_student(&job, double_, w, mean, factor, K, code, c, f, s, t, threads,
                                 True)
        elif status == 0:
            status = run_incomplete(&job, &inc, double_, NULL, &schedule, w, mean, factor, K, code,
                                    c, f, s, t, threads, True)
        free(buffer)
    check_status(status)
    sizes = tail[2:2 + K * (D + 1)].reshape(K, D + 1)
    return (counts, first, second, sizes, tail[2 + K * (D + 1):].copy(), float(tail[0]),
            float(tail[1]))


def _student_rows(X, weights, means, precisions_cholesky, dfs, covariance_type, patterns, want, *,
                  n_threads=None):
    """Outputs for each row, all arguments checked: a dict of 'resp', 'log_prob_norm', 'labels',
    'pull' and, of rows with missing values, 'imputed', those that `want` names."""
    cdef Job job
    cdef Incomplete inc
    cdef Schedule schedule
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X), complete = patterns is None
    cdef Py_ssize_t K = length_of(means), n = X.shape[0]
    cdef const double *w = shaped(weights, "weights", (K,))
    cdef const double *mean = shaped(means, "means", (K, X.shape[1]))
    cdef const double *factor = shaped(
        precisions_cholesky, "precisions_cholesky", factor_shape(code, K, X.shape[1]))
    cdef const double *df = shaped(dfs, "dfs", (K,))
    cdef double *buffer = NULL
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    set_rows(&job.rows, X)
    out = {}
    if "resp" in want:
        out["resp"] = np.empty((n, K), X.dtype)
        job.resp_out = <char*>address(out["resp"])
    if "log_prob_norm" in want:
        out["log_prob_norm"] = np.empty(n, X.dtype)
        job.log_prob_norm_out = <char*>address(out["log_prob_norm"])
    if "pull" in want:
        out["pull"] = np.empty(n, X.dtype)
        job.pull_out = <char*>address(out["pull"])
    if "labels" in want:
        out["labels"] = np.empty(n, np.int32)
        job.labels_out = <int*>address(out["labels"])
    kept = None
    if not complete:
        check_shape(patterns, X)
        if "imputed" in want:
            out["imputed"] = np.array(X, order="C")
            inc.imputed_out = <char*>address(out["imputed"])
        if code in (FULL, TIED) or "imputed" in want:
            kept = schedule_of(patterns, double_, False, &schedule)
    with nogil:
        status = set_student(&job, df, K, &buffer)
        if status == 0 and complete:
            status = run_student(&job, double_, w, mean, factor, K, code, NULL, NULL, NULL, NULL,
                                 threads, True)
        elif status == 0:
            status = run_incomplete(&job, &inc, double_, NULL, &schedule, w, mean, factor, K, code,
                                    NULL, NULL, NULL, NULL, threads, True)
        free(buffer)
    check_status(status)
    return out


# --- the Python faces ------------------------------------------------------------------

cdef tuple student_arguments(object X, object weights, object means, object precisions_cholesky,
                             object dfs, object covariance_type, object patterns,
                             object n_threads):
    """Everything that both faces take, checked; patterns None where no value is missing."""
    X = as_matrix(X, "X", True)
    code = covariance_code(covariance_type)
    means = as_centers(means, "means", X)
    weights = as_mixture_weights(weights, means.shape[0])
    precisions_cholesky = as_factors(precisions_cholesky, code, means.shape[0], X.shape[1])
    dfs = as_float64(dfs, "dfs", (means.shape[0],))
    if not dfs.min() > 0:
        raise ValueError(f"dfs must be positive, got {dfs.min():.6g} for component {dfs.argmin()}")
    check_threads(n_threads)
    patterns = as_patterns(patterns, X)
    if patterns.n_missing_values == 0:
        patterns = None
    return X, weights, means, precisions_cholesky, dfs, patterns


def student_statistics(X, weights, means, precisions_cholesky, dfs, covariance_type="full",
                       sample_weight=None, patterns=None, *, n_threads=None):
    """Sufficient statistics of the E-step of Student t components, and the log-likelihood.

    With ``r_ik`` the posterior of component k, q_ik the squared distance ``|P_k (x_i - mean_k)|^2``
    of the o observed values of row i and ``u_ik = (df_k + o) / (df_k + q_ik)``, what the row
    pulls with: ``pulls_k = sum_i r_ik u_ik``, ``first_k = sum_i r_ik u_ik e_ik`` and ``second_k =
    sum_i r_ik (u_ik e_ik e_ik' + C_ik)``, with e_ik the row less mean_k, its missing values
    replaced by their conditional means, and C_ik their conditional covariance for u = 1. The log
    density of row i is that of ``t(mean_k, (P_k' P_k)^-1, df_k)``.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        NaN where missing. Read in place.
    weights : array-like of shape (n_components,)
        Mixing proportions, not negative; ``[1.0]`` for one component.
    means : array-like of shape (n_components, n_features)
        Rounded to the precision of X; the moments are about the rounded means.
    precisions_cholesky : array-like
        Of the scale matrices, as in :func:`log_density`.
    dfs : array-like of shape (n_components,)
        Degrees of freedom, positive; those beyond 1e-20 and 1e20 count as these.
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
    StudentMoments
        counts ``sum_i r_ik`` and pulls (n_components,), first (n_components, n_features), second
        of the shape of the covariance type, sizes (n_components, n_features + 1): the counts by
        the number of observed values, bends (n_components,) ``sum_i r_ik (log u_ik - u_ik + 1)``,
        and log_likelihood; all float64.

    Raises
    ------
    ValueError, TypeError
        As :func:`incomplete_statistics`; degrees of freedom that are not positive.

    See Also
    --------
    student_e_step : Outputs for each row.
    incomplete_statistics : The same of normal components.
    emkernels.StudentTMixture : The model that is fitted by it.

    Notes
    -----
    For 'full' with more than 4 features, work for responsibilities below 3e-20 is left out. A row
    so far out that its squared distance overflows has the log density of the power law.

    References
    ----------
    K. L. Lange, R. J. A. Little, J. M. G. Taylor, JASA 84, 1989. D. Peel, G. J. McLachlan, Robust
    mixture modelling using the t distribution, Statistics and Computing 10, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import student_statistics
    >>> X = np.array([[0.0], [3.0]])
    >>> s = student_statistics(X, [1.0], [[0.0]], np.ones((1, 1, 1)), [1.0])
    >>> s.counts, s.pulls, round(s.log_likelihood, 4)
    (array([2.]), array([2.2]), -4.592)
    """
    X, weights, means, precisions_cholesky, dfs, patterns = student_arguments(
        X, weights, means, precisions_cholesky, dfs, covariance_type, patterns, n_threads)
    means = means.astype(X.dtype).astype(np.float64)
    sample_weight, unit = weights_in_unit(as_weights(sample_weight, X.shape[0]), X.dtype)
    pulls, first, second, sizes, bends, log_likelihood, _ = _student_pass(
        X, weights, means, precisions_cholesky, dfs, covariance_type, sample_weight, patterns,
        n_threads=n_threads)
    return checked_sums(StudentMoments(sizes.sum(axis=1) * unit, *[each * unit for each in (
        pulls, first, second, sizes, bends, log_likelihood)]))


def student_e_step(X, weights, means, precisions_cholesky, dfs, covariance_type="full", *,
                   want=("resp", "log_prob_norm"), patterns=None, n_threads=None):
    """Outputs of the E-step of Student t components for each row, given its observed values.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        NaN where missing. Read in place.
    weights : array-like of shape (n_components,)
        Mixing proportions, not negative; ``[1.0]`` for one component.
    means : array-like of shape (n_components, n_features)
        Rounded to the precision of X.
    precisions_cholesky : array-like
        Of the scale matrices, as in :func:`log_density`.
    dfs : array-like of shape (n_components,)
        Degrees of freedom, positive.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which precisions are the same, or zero.
    want : sequence of {'resp', 'log_prob_norm', 'labels', 'pull'}
        What to compute: posterior probabilities (n_samples, n_components), the log density of
        the observed values under the mixture (n_samples,), the most probable component
        (n_samples,) int32, what the row pulls with, ``sum_k r_ik u_ik`` (n_samples,).
    patterns : MissingPatterns, optional
        Those of X, kept from an earlier call.
    n_threads : int, optional
        The result has the same bits for every number of threads.

    Returns
    -------
    tuple of ndarrays
        In the order of `want`.

    Raises
    ------
    ValueError, TypeError
        As :func:`student_statistics`; an unknown name in `want`.

    See Also
    --------
    student_statistics : The sums of EM.
    emkernels.StudentTMixture.outlier_weight : What rows pull with, of a fitted model.

    References
    ----------
    D. Peel, G. J. McLachlan, Statistics and Computing 10, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import student_e_step
    >>> student_e_step([[0.0], [3.0]], [1.0], [[0.0]], np.ones((1, 1, 1)), [1.0], want=["pull"])
    (array([2. , 0.2]),)
    """
    X, weights, means, precisions_cholesky, dfs, patterns = student_arguments(
        X, weights, means, precisions_cholesky, dfs, covariance_type, patterns, n_threads)
    for name in want:
        if name not in ("resp", "log_prob_norm", "labels", "pull"):
            raise ValueError("want may name 'resp', 'log_prob_norm', 'labels' and 'pull', "
                             f"got {name!r}")
    out = _student_rows(X, weights, means, precisions_cholesky, dfs, covariance_type, patterns,
                        want, n_threads=n_threads)
    return tuple([out[name] for name in want])


# --- the faces for cimport: see student.pxd -----------------------------------------------

cdef int run_statistics(const Rows *rows, bint double_, const double *weights,
                        const double *means, const double *precisions_cholesky,
                        const double *dfs, Py_ssize_t K, int covariance_type, double *pulls,
                        double *first, double *second, double *tail, int n_threads) noexcept nogil:
    cdef Job job
    cdef double *buffer = NULL
    cdef int status
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.skip = K > 1 and rows.n_features > 4 and covariance_type == FULL
    status = set_student(&job, dfs, K, &buffer)
    if status == 0:
        status = run_student(&job, double_, weights, means, precisions_cholesky, K,
                             covariance_type, pulls, first, second, tail, n_threads, False)
    free(buffer)
    return status


cdef int student_statistics_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, const double *dfs, Py_ssize_t n_components,
        int covariance_type, const double *sample_weight, double *pulls, double *first,
        double *second, double *tail, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), sample_weight)
    return run_statistics(&rows, True, weights, means, precisions_cholesky, dfs, n_components,
                          covariance_type, pulls, first, second, tail, n_threads)


cdef int student_statistics_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *precisions_cholesky, const double *dfs, Py_ssize_t n_components,
        int covariance_type, const double *sample_weight, double *pulls, double *first,
        double *second, double *tail, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), sample_weight)
    return run_statistics(&rows, False, weights, means, precisions_cholesky, dfs, n_components,
                          covariance_type, pulls, first, second, tail, n_threads)
