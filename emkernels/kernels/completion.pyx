"""What each incomplete row has from a mixture: posteriors, its missing values, draws of them."""

from typing import NamedTuple

import numpy as np

from libc.string cimport memset

from emkernels._simd.table cimport FULL, TIED, Incomplete, Job
from emkernels.kernels.arrays cimport (
    address, as_centers, as_float64, as_matrix, is_double, length_of, pointer, set_rows, shaped)
from emkernels.kernels.driver cimport check_status
from emkernels.kernels.gaussians cimport (
    as_factors, as_mixture_weights, covariance_code, factor_shape, set_noise)
from emkernels.kernels.observed cimport Schedule, run_incomplete, schedule_of
from emkernels.kernels.patterns cimport as_patterns, check_shape
from emkernels.kernels.threads cimport check_threads


class ConditionalMoments(NamedTuple):
    """Completed rows and conditional covariances.

    Attributes
    ----------
    imputed : ndarray of shape (n_samples, n_features)
        Of the dtype of X: observed values bit for bit, missing ones replaced.
    covariances : ndarray of shape (n_values,), float64, or None
        One row's block after the other; None where not asked for.
    offsets : ndarray of shape (n_samples + 1,), int64, or None
        ``covariances[offsets[i]:offsets[i + 1]]`` is the m x m block of the m missing values of row
        i, in column order.

    See Also
    --------
    conditional_moments : What makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import conditional_moments
    >>> X = np.array([[2.0, np.nan], [1.0, 1.0]])
    >>> moments = conditional_moments(X, [[0.0, 0.0]], np.eye(2)[None], covariances=True)
    >>> moments.covariances, moments.offsets
    (array([1.]), array([0, 1, 1]))
    """

    imputed: np.ndarray
    covariances: np.ndarray | None
    offsets: np.ndarray | None


def _incomplete_rows(X, weights, means, precisions_cholesky, covariance_type, patterns, want,
                     *, normals=None, uniforms=None, noise=None, n_threads=None):
    """Outputs for each row, all arguments checked: a dict of 'resp', 'log_prob_norm', 'labels',
    'log_prob', 'imputed', 'covariances' and 'offsets', those that `want` names. The missing
    values of 'imputed' are conditional means, or draws where normals are given. With noise (as
    of the passes) 'resp' has a last column for it, and its label is -1; it imputes nothing."""
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
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    check_shape(patterns, X)
    set_rows(&job.rows, X)
    set_noise(&job, noise)
    out = {}
    n = X.shape[0]
    if "log_prob" in want:
        out["log_prob"] = np.empty((n, K), X.dtype)
        job.log_prob_out = <char*>address(out["log_prob"])
    if "resp" in want:
        out["resp"] = np.empty((n, K + (noise is not None)), X.dtype)
        job.resp_out = <char*>address(out["resp"])
    if "log_prob_norm" in want:
        out["log_prob_norm"] = np.empty(n, X.dtype)
        job.log_prob_norm_out = <char*>address(out["log_prob_norm"])
    if "labels" in want:
        out["labels"] = np.empty(n, np.int32)
        job.labels_out = <int*>address(out["labels"])
    if "imputed" in want:
        out["imputed"] = np.array(X, order="C")
        inc.imputed_out = <char*>address(out["imputed"])
        if "covariances" in want or normals is not None:
            lengths = np.zeros(n + 1, np.int64)
            lengths[1 + patterns.order] = np.repeat(patterns.n_missing, patterns.counts)
        if "covariances" in want:
            offsets = np.cumsum(lengths**2)
            out["offsets"], out["covariances"] = offsets, np.empty(offsets[n])
            inc.block_offsets = <const long long*>address(offsets)
            inc.covariances_out = <double*>address(out["covariances"])
        if normals is not None:
            cells = np.cumsum(lengths)
            inc.cell_offsets = <const long long*>address(cells)
            inc.normals = pointer(normals)
            inc.uniforms = pointer(uniforms)
    kept = None
    if code in (FULL, TIED) or "imputed" in want:
        kept = schedule_of(patterns, double_, False, &schedule)
    with nogil:
        status = run_incomplete(&job, &inc, double_, NULL, &schedule, w, mean, factor, K, code,
                                NULL, NULL, NULL, NULL, threads, True)
    check_status(status)
    return out


cdef tuple model_arguments(object X, object weights, object means, object precisions_cholesky,
                           object covariance_type, object patterns, object n_threads):
    """X, weights, means, factors and patterns, checked; without weights there is one component."""
    X = as_matrix(X, "X", True)
    code = covariance_code(covariance_type)
    means = as_centers(means, "means", X)
    if weights is None:
        if means.shape[0] != 1:
            raise ValueError(f"weights must be given for {means.shape[0]} components")
        weights = np.ones(1)
    weights = as_mixture_weights(weights, means.shape[0])
    precisions_cholesky = as_factors(precisions_cholesky, code, means.shape[0], X.shape[1])
    check_threads(n_threads)
    return X, weights, means, precisions_cholesky, as_patterns(patterns, X)


def incomplete_e_step(X, weights, means, precisions_cholesky, covariance_type="full", *,
                      want=("resp", "log_prob_norm"), patterns=None, n_threads=None):
    """Outputs of the E-step for each row, given its observed values.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        NaN where missing.
    weights : array-like of shape (n_components,)
        Mixing proportions, not negative.
    means : array-like of shape (n_components, n_features)
        Of the components, in the units of X.
    precisions_cholesky : array-like
        Upper triangular factors U with U U' = precision, as in :func:`log_density`.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which precisions are the same, or zero.
    want : sequence of {'resp', 'log_prob_norm', 'labels', 'log_prob'}
        What to compute: posterior probabilities (n_samples, n_components), the log density of
        the observed values under the mixture (n_samples,), the most probable component
        (n_samples,) int32, ``log weights_k + log N(x_io | k)`` (n_samples, n_components).
    patterns : MissingPatterns, optional
        Those of X.
    n_threads : int, optional
        The result has the same bits for every number of threads.

    Returns
    -------
    tuple of ndarrays
        In the order of `want`. A row without any value has the weights as its posterior, and
        the log of their sum as its log density.

    Raises
    ------
    ValueError, TypeError
        As :func:`incomplete_statistics`; an unknown name in `want`.

    See Also
    --------
    e_step : Complete rows.
    incomplete_statistics : The sums of EM.
    missing_patterns : Patterns that can be kept between calls.

    References
    ----------
    Z. Ghahramani, M. I. Jordan, Supervised learning from incomplete data via an EM approach,
    NIPS 6, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import incomplete_e_step
    >>> X = [[-1.0, np.nan], [np.nan, 1.0]]
    >>> means = [[-1.0, -1.0], [1.0, 1.0]]
    >>> incomplete_e_step(X, [0.5, 0.5], means, np.ones(2), "spherical", want=["labels"])
    (array([0, 1], dtype=int32),)
    """
    X, weights, means, precisions_cholesky, patterns = model_arguments(
        X, weights, means, precisions_cholesky, covariance_type, patterns, n_threads)
    for name in want:
        if name not in ("resp", "log_prob_norm", "labels", "log_prob"):
            raise ValueError(
                f"want may name 'resp', 'log_prob_norm', 'labels' and 'log_prob', got {name!r}"
            )
    out = {}
    if "log_prob" in want:
        out = _incomplete_rows(X, weights, means, precisions_cholesky, covariance_type, patterns,
                               ["log_prob"], n_threads=n_threads)
    rest = [name for name in want if name != "log_prob"]
    if rest:
        out |= _incomplete_rows(X, weights, means, precisions_cholesky, covariance_type, patterns,
                                rest, n_threads=n_threads)
    return tuple([out[name] for name in want])


def conditional_moments(X, means, precisions_cholesky, covariance_type="full", weights=None, *,
                        patterns=None, covariances=False, n_threads=None):
    """Missing values by their conditional mean, and on request their conditional covariances.

    ``imputed_im = sum_k r_ik E[x_im | x_io, k]`` and ``cov_i = sum_k r_ik (Cov[x_im | x_io, k]
    + (E[x_im | x_io, k] - imputed_im)(...)')``, with r_ik the posterior of component k given
    the observed values.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        NaN where missing.
    means : array-like of shape (n_components, n_features)
        Of the components, in the units of X.
    precisions_cholesky : array-like
        Upper triangular factors U with U U' = precision, as in :func:`log_density`.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which precisions are the same, or zero.
    weights : array-like of shape (n_components,), optional
        Mixing proportions; may be left out for one component.
    patterns : MissingPatterns, optional
        Those of X.
    covariances : bool
        Whether to compute the covariances.
    n_threads : int, optional
        The result has the same bits for every number of threads.

    Returns
    -------
    ConditionalMoments
        imputed (n_samples, n_features), the dtype of X, C-contiguous: observed values bit for
        bit, missing ones replaced. covariances: float64, one row's block after the other;
        ``covariances[offsets[i]:offsets[i + 1]]`` is the m x m block of the m missing values
        of row i, in column order. Both are None where not asked for.

    Raises
    ------
    ValueError, TypeError
        As :func:`incomplete_statistics`; rows so far out that the answer is not a number.

    See Also
    --------
    conditional_draws : Draws in place of means.
    incomplete_statistics : The sums of EM of incomplete rows.
    emkernels.GaussianImputer : The estimator that completes by it.

    References
    ----------
    C. M. Bishop, Pattern Recognition and Machine Learning, 2006, equations 2.81, 2.82.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import conditional_moments
    >>> factor = np.linalg.inv(np.linalg.cholesky([[1.0, 0.8], [0.8, 1.0]])).T
    >>> X = np.array([[2.0, np.nan]])
    >>> moments = conditional_moments(X, [[0.0, 0.0]], [factor], covariances=True)
    >>> moments.imputed.round(3), moments.covariances.round(3)
    (array([[2. , 1.6]]), array([0.36]))
    """
    X, weights, means, precisions_cholesky, patterns = model_arguments(
        X, weights, means, precisions_cholesky, covariance_type, patterns, n_threads)
    want = ("imputed", "covariances") if covariances else ("imputed",)
    out = _incomplete_rows(X, weights, means, precisions_cholesky, covariance_type, patterns, want,
                           n_threads=n_threads)
    return ConditionalMoments(
        _completed(out["imputed"]), _numbers(out.get("covariances")), out.get("offsets"))


def _completed(imputed):
    """Completed rows; ValueError naming the cell where infinities met and left no number."""
    if np.isnan(imputed.min()):
        row, column = np.argwhere(np.isnan(imputed))[0]
        raise ValueError(
            f"the distribution of row {row}, column {column} given the observed values overflows: "
            "X, the means or precisions_cholesky are too large, other units of the columns help")
    return imputed


def _numbers(covariances):
    if covariances is not None and covariances.size and np.isnan(covariances.min()):
        raise ValueError(
            "the conditional covariances overflow: X, the means or precisions_cholesky are too "
            "large, other units of the columns help")
    return covariances


def conditional_draws(X, means, precisions_cholesky, normals, covariance_type="full", weights=None,
                      uniforms=None, *, patterns=None, n_threads=None):
    """Missing values drawn from their distribution given the observed ones.

    ``x_im = E[x_im | x_io, k] + L z`` with ``L L' = Cov[x_im | x_io, k]`` and z the row's
    normals; k is the first component whose cumulated posterior exceeds the row's uniform.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        NaN where missing.
    means : array-like of shape (n_components, n_features)
        Of the components, in the units of X.
    precisions_cholesky : array-like
        Upper triangular factors U with U U' = precision, as in :func:`log_density`.
    normals : array-like of shape (n_missing_values,)
        Standard normal numbers, one for each missing value, row by row.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which precisions are the same, or zero.
    weights : array-like of shape (n_components,), optional
        Mixing proportions; may be left out for one component.
    uniforms : array-like of shape (n_samples,), optional
        In [0, 1); needed for more than one component.
    patterns : MissingPatterns, optional
        Those of X.
    n_threads : int, optional
        The result has the same bits for every number of threads.

    Returns
    -------
    ndarray of shape (n_samples, n_features), the dtype of X
        Complete; observed values bit for bit. The same for every number of threads.

    Raises
    ------
    ValueError, TypeError
        As :func:`conditional_moments`; too many or too few random numbers.

    See Also
    --------
    conditional_moments : Means in place of draws.
    emkernels.GaussianImputer.sample : Multiple imputation, with parameters that are drawn too.

    References
    ----------
    J. L. Schafer, Analysis of Incomplete Multivariate Data, 1997, section 5.4 (the I-step).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import conditional_draws
    >>> X = np.array([[2.0, np.nan]])
    >>> conditional_draws(X, [[0.0, 1.0]], np.eye(2)[None], [0.5])
    array([[2. , 1.5]])
    """
    X, weights, means, precisions_cholesky, patterns = model_arguments(
        X, weights, means, precisions_cholesky, covariance_type, patterns, n_threads)
    normals = as_float64(normals, "normals", (patterns.n_missing_values,))
    if uniforms is None and means.shape[0] > 1:
        raise ValueError("uniforms must be given for more than one component")
    if uniforms is not None:
        uniforms = as_float64(uniforms, "uniforms", (X.shape[0],))
        if uniforms.min() < 0 or uniforms.max() >= 1:
            raise ValueError("uniforms must lie in [0, 1)")
    out = _incomplete_rows(X, weights, means, precisions_cholesky, covariance_type, patterns,
                           ("imputed",), normals=normals, uniforms=uniforms, n_threads=n_threads)
    return _completed(out["imputed"])
