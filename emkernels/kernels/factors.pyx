"""The fused E-step of a mixture of factor analysers: no matrix of columns by columns is made."""

from typing import NamedTuple

import numpy as np

from libc.math cimport M_PI, log
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from emkernels.kernels.analysers import _factor_pass

from emkernels._simd.table cimport FACTOR_CHUNK, Factors, Job, Rows
from emkernels.kernels.analysers cimport run_factors
from emkernels.kernels.arrays cimport (
    address, as_centers, as_float64, as_matrix, as_weights, check_rows_finite, checked_sums,
    is_double, pointer, rows_at, set_rows, weights_in_unit)
from emkernels.kernels.driver cimport OUT_OF_MEMORY, check_status
from emkernels.kernels.gaussians cimport as_mixture_weights
from emkernels.kernels.threads cimport check_threads

__all__ = ["FactorSums", "factor_e_step", "factor_statistics"]

# Squared lengths of loadings in units of the noise beyond which distances would cancel.
cdef double STIFF_F64 = 1e6, STIFF_F32 = 2e3


class FactorSums(NamedTuple):
    """Sums under the posterior of components and factors, and the log-likelihood.

    With e_ik the row less mean_k, and m_ik, C_k mean and covariance of the factors given the row.

    Attributes
    ----------
    counts : ndarray of shape (n_components,), float64
        ``sum_i r_ik``.
    first, square : ndarray of shape (n_components, n_features), float64
        ``sum_i r_ik e_ik`` and ``sum_i r_ik e_ik^2``.
    cross : ndarray of shape (n_components, n_factors, n_features), float64
        ``sum_i r_ik m_ik e_ik'``.
    factors : ndarray of shape (n_components, n_factors), float64
        ``sum_i r_ik m_ik``.
    second : ndarray of shape (n_components, n_factors, n_factors), float64
        ``sum_i r_ik (m_ik m_ik' + C_k)``.
    log_likelihood : float
        By weight, in natural logarithms.

    See Also
    --------
    factor_statistics : What makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import factor_statistics
    >>> s = factor_statistics(np.eye(2), [1.0], np.zeros((1, 2)), np.ones((1, 1, 2)),
    ...                       np.ones((1, 2)))
    >>> loadings = np.linalg.solve(s.second[0], s.cross[0])     # the M-step, means being known
    >>> loadings.round(3)
    array([[0.375, 0.375]])
    """

    counts: np.ndarray
    first: np.ndarray
    square: np.ndarray
    cross: np.ndarray
    factors: np.ndarray
    second: np.ndarray
    log_likelihood: float


cdef int run_statistics(
        const Rows *rows, bint double_, const double *weights, const double *means,
        const double *deviations, const double *loadings, const double *whiteners, Py_ssize_t K,
        Py_ssize_t q, double *counts, double *first, double *square, double *cross,
        double *factors, double *second, double *log_likelihood, int n_threads,
        bint interruptible) noexcept nogil:
    """What the pass adds up, in the units of the rows, into the sums of FactorSums."""
    cdef Job job
    cdef Factors model
    cdef Py_ssize_t D = rows.n_features, k, i, j, d
    cdef int n_chunks = <int>((D + FACTOR_CHUNK - 1) // FACTOR_CHUNK), status, c
    cdef Py_ssize_t n_numbers = 2 * K + K * q * q + K * (q + 2) * D + 2 * q
    cdef double *memory = <double*>calloc(n_numbers, sizeof(double))
    cdef int *chunks = <int*>malloc(K * n_chunks * sizeof(int) + K)
    cdef unsigned char *stiff = <unsigned char*>(chunks + K * n_chunks)
    cdef double *constants = memory
    cdef double *own = constants + K
    cdef double *own_second = own + K
    cdef double *sums = own_second + K * q * q
    cdef double *turned = sums + K * (q + 2) * D
    cdef double tail[2]
    cdef double value, longest
    cdef const double *unit
    cdef const double *A
    cdef const double *loading
    cdef double *s
    if memory == NULL or chunks == NULL:
        free(memory)
        free(chunks)
        return OUT_OF_MEMORY
    for k in range(K):
        unit, A, loading = deviations + k * D, whiteners + k * q * q, loadings + k * q * D
        value, longest = -0.5 * D * log(2 * M_PI), 0
        for d in range(D):
            value -= log(unit[d])
        for i in range(q):
            value += log(A[i * q + i])
            tail[0] = 1
            for d in range(D):
                tail[0] += loading[i * D + d] * loading[i * D + d]
            longest = max(longest, tail[0])
        constants[k] = value + log(weights[k])
        stiff[k] = longest > (STIFF_F64 if double_ else STIFF_F32)
        for c in range(n_chunks):
            chunks[k * n_chunks + c] = c
    memset(&job, 0, sizeof(Job))
    memset(&model, 0, sizeof(Factors))
    model.n_factors, model.n_checks, model.ends, model.chunks = q, 1, &n_chunks, chunks
    model.deviations, model.loadings, model.whiteners = deviations, loadings, whiteners
    model.constants, model.stiff = constants, stiff
    job.first_moments = True
    job.skip = K > 1
    tail[0] = 0
    status = run_factors(&job, double_, rows, means, &model, K, own, own_second, sums, tail,
                         n_threads, interruptible)
    if status == 0:
        log_likelihood[0] += tail[0]
        for k in range(K):
            unit, A, loading = deviations + k * D, whiteners + k * q * q, loadings + k * q * D
            s = sums + k * (q + 2) * D
            counts[k] += own[k]
            for d in range(D):
                square[k * D + d] += s[d] * unit[d] * unit[d]
                first[k * D + d] += s[D + d] * unit[d]
            for i in range(q):
                for d in range(D):
                    cross[(k * q + i) * D + d] += s[(2 + i) * D + d] * unit[d]
                turned[i] = 0
                for d in range(D):
                    turned[i] += loading[i * D + d] * s[D + d]
            for i in range(q):          # sums of the means: A'A L e
                turned[q + i] = 0
                for j in range(i + 1):
                    turned[q + i] += A[i * q + j] * turned[j]
            for i in range(q):
                for j in range(i, q):
                    factors[k * q + i] += A[j * q + i] * turned[q + j]
                for j in range(q):      # and of z z', of which there is the lower triangle
                    value = own_second[(k * q + max(i, j)) * q + min(i, j)]
                    for d in range(max(i, j), q):
                        value += own[k] * A[d * q + i] * A[d * q + j]
                    second[(k * q + i) * q + j] += value
    free(memory)
    free(chunks)
    return status


class _Model:
    """What :func:`_factor_pass` reads, each component's columns looked at once, in their order."""

    def __init__(self, weights, components, deviations, double_):
        K, q, D = components.shape
        n_chunks = (D + FACTOR_CHUNK - 1) // FACTOR_CHUNK
        self.deviations, self.loadings = deviations, components / deviations[:, None]
        inner = np.eye(q) + self.loadings @ np.swapaxes(self.loadings, 1, 2)
        if not np.isfinite(inner).all():
            raise ValueError("components are too large beside noise_variance")
        whiteners = np.tril(np.linalg.inv(np.linalg.cholesky(inner)))
        with np.errstate(divide="ignore"):
            self.constants = (
                np.log(weights) - np.log(deviations).sum(axis=1) - 0.5 * D * np.log(2 * np.pi)
                + np.log(np.diagonal(whiteners, axis1=1, axis2=2)).sum(axis=1))
        self.whiteners = np.ascontiguousarray(whiteners[:, None])
        self.chunks = np.tile(np.arange(n_chunks, dtype=np.int32), (K, 1))
        self.ends = np.array([n_chunks], np.int32)
        lengths = np.diagonal(inner, axis1=1, axis2=2).max(axis=1)
        self.stiff = (lengths > (STIFF_F64 if double_ else STIFF_F32)).astype(np.uint8)


def _arguments(X, weights, means, components, noise_variance):
    """Checked rows, means and model."""
    cdef Rows rows
    X = as_matrix(X, "X")
    means = as_centers(means, "means", X)
    K, D = means.shape
    weights = as_mixture_weights(weights, K)
    components = as_float64(components, "components", (K, None, D))
    if components.shape[1] == 0:
        raise ValueError("components must have at least one factor")
    noise_variance = as_float64(noise_variance, "noise_variance", (K, D))
    if not (noise_variance > 0).all():
        raise ValueError(f"noise_variance must be positive, got {noise_variance.min()}")
    set_rows(&rows, X)
    check_rows_finite(&rows, is_double(X), "X")
    with np.errstate(over="ignore", invalid="ignore"):
        model = _Model(weights, components, np.sqrt(noise_variance), is_double(X))
    return X, means.astype(X.dtype).astype(np.float64), model


def factor_statistics(X, weights, means, components, noise_variance, sample_weight=None, *,
                      n_threads=None):
    """Sufficient statistics of the E-step of a mixture of factor analysers, and the log-likelihood.

    Rows of component k are ``mean_k + L_k' z + e`` with z standard normal and e normal of variances
    psi_k. With r_ik the posterior of the component and m_ik, C_k mean and covariance of z given the
    row, ``first_k = sum_i r_ik e_ik``, ``square_k = sum_i r_ik e_ik^2``, ``cross_k = sum_i r_ik
    m_ik e_ik'``, ``factors_k = sum_i r_ik m_ik`` and ``second_k = sum_i r_ik (m_ik m_ik' + C_k)``,
    with e_ik the row less mean_k. No matrix of columns by columns is made.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        Finite. Read in place.
    weights : array-like of shape (n_components,)
        Mixing proportions, not negative; ``[1.0]`` for one component.
    means : array-like of shape (n_components, n_features)
        Rounded to the precision of X; the sums are about the rounded means.
    components : array-like of shape (n_components, n_factors, n_features)
        Loadings L.
    noise_variance : array-like of shape (n_components, n_features)
        Variances psi, positive.
    sample_weight : array-like of shape (n_samples,), optional
        A weight of 2 is the same as the row twice.
    n_threads : int, optional
        The result has the same bits for every number of threads.

    Returns
    -------
    FactorSums
        counts ``sum_i r_ik`` (n_components,), first and square (n_components, n_features), cross
        (n_components, n_factors, n_features), factors (n_components, n_factors), second
        (n_components, n_factors, n_factors) and log_likelihood; all float64.

    Raises
    ------
    ValueError, TypeError
        As :func:`em_statistics`; noise that is not positive.

    See Also
    --------
    factor_e_step : Outputs for each row.
    emkernels.MixtureOfFactorAnalyzers : The model that is fitted by it.

    Notes
    -----
    With several components, those with responsibilities below 1e-19 are left out of the sums.

    References
    ----------
    Z. Ghahramani, G. E. Hinton, The EM algorithm for mixtures of factor analyzers, University of
    Toronto, CRG-TR-96-1, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import factor_statistics
    >>> s = factor_statistics(np.eye(2), [1.0], np.zeros((1, 2)), np.ones((1, 1, 2)),
    ...                       np.ones((1, 2)))
    >>> s.counts, s.factors, round(s.log_likelihood, 4)
    (array([2.]), array([[0.66666667]]), -5.441)
    """
    cdef Rows rows
    cdef int threads = check_threads(n_threads), status
    cdef bint double_
    X, means, model = _arguments(X, weights, means, components, noise_variance)
    sample_weight, unit = weights_in_unit(as_weights(sample_weight, X.shape[0]), X.dtype)
    double_ = is_double(X)
    set_rows(&rows, X)
    rows.sample_weight = pointer(sample_weight)
    weights = as_mixture_weights(weights, means.shape[0])
    loadings = model.loadings
    cdef Py_ssize_t K = loadings.shape[0], q = loadings.shape[1], D = loadings.shape[2]
    out = [np.zeros(shape) for shape in (
        K, (K, D), (K, D), (K, q, D), (K, q), (K, q, q), 1)]
    cdef double *at[7]
    for i in range(7):
        at[i] = <double*>address(out[i])
    cdef const double *w = pointer(weights)
    cdef const double *mean = pointer(means)
    cdef const double *deviation = pointer(model.deviations)
    cdef const double *loading = pointer(loadings)
    cdef const double *whitener = pointer(model.whiteners)
    with nogil:
        status = run_statistics(&rows, double_, w, mean, deviation, loading, whitener, K, q,
                                at[0], at[1], at[2], at[3], at[4], at[5], at[6], threads, True)
    check_status(status)
    return checked_sums(FactorSums(
        *[each * unit for each in out[:6]], float(out[6][0] * unit)))


def factor_e_step(X, weights, means, components, noise_variance, *,
                  want=("resp", "log_prob_norm"), n_threads=None):
    """Outputs of the E-step of a mixture of factor analysers for each row.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        Finite. Read in place.
    weights : array-like of shape (n_components,)
        Mixing proportions, not negative; ``[1.0]`` for one component.
    means : array-like of shape (n_components, n_features)
        Rounded to the precision of X.
    components : array-like of shape (n_components, n_factors, n_features)
        Loadings L.
    noise_variance : array-like of shape (n_components, n_features)
        Variances psi, positive.
    want : sequence of {'resp', 'log_prob_norm', 'labels'}
        Which outputs, in this order.
    n_threads : int, optional
        The result has the same bits for every number of threads.

    Returns
    -------
    tuple of ndarray
        resp (n_samples, n_components) and log_prob_norm (n_samples,), the log density, of the
        dtype of X; labels (n_samples,) int32, the most probable component.

    Raises
    ------
    ValueError, TypeError
        As :func:`factor_statistics`; a name in `want` that is none of these.

    See Also
    --------
    factor_statistics : The sums of EM.
    emkernels.MixtureOfFactorAnalyzers : The model.

    References
    ----------
    As :func:`factor_statistics`.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import factor_e_step
    >>> labels, = factor_e_step([[0.0], [3.0]], [0.5, 0.5], [[0.0], [3.0]], np.ones((2, 1, 1)),
    ...                         np.ones((2, 1)), want=["labels"])
    >>> labels
    array([0, 1], dtype=int32)
    """
    want = [want] if isinstance(want, str) else list(want)
    for name in want:
        if name not in ("resp", "log_prob_norm", "labels"):
            raise ValueError(f"want knows 'resp', 'log_prob_norm' and 'labels', not {name!r}")
    X, means, model = _arguments(X, weights, means, components, noise_variance)
    out = _factor_pass(X, means, model, want=want, n_threads=n_threads)
    return tuple(out[name] for name in want)


# --- the faces for cimport: see factors.pxd -----------------------------------------------

cdef int factor_statistics_f64(
        const double *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *deviations, const double *loadings, const double *whiteners,
        Py_ssize_t n_components, Py_ssize_t n_factors, const double *sample_weight,
        double *counts, double *first, double *square, double *cross, double *factors,
        double *second, double *log_likelihood, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(double), sample_weight)
    return run_statistics(&rows, True, weights, means, deviations, loadings, whiteners,
                          n_components, n_factors, counts, first, square, cross, factors, second,
                          log_likelihood, n_threads, False)


cdef int factor_statistics_f32(
        const float *X, Py_ssize_t n_samples, Py_ssize_t n_features, Py_ssize_t row_stride,
        Py_ssize_t column_stride, const double *weights, const double *means,
        const double *deviations, const double *loadings, const double *whiteners,
        Py_ssize_t n_components, Py_ssize_t n_factors, const double *sample_weight,
        double *counts, double *first, double *square, double *cross, double *factors,
        double *second, double *log_likelihood, int n_threads) noexcept nogil:
    cdef Rows rows = rows_at(<const char*>X, n_samples, n_features, row_stride, column_stride,
                             sizeof(float), sample_weight)
    return run_statistics(&rows, False, weights, means, deviations, loadings, whiteners,
                          n_components, n_factors, counts, first, square, cross, factors, second,
                          log_likelihood, n_threads, False)
