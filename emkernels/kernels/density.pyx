"""What each row has from a mixture: log densities, responsibilities, labels."""

import numpy as np

from libc.stdlib cimport free
from libc.string cimport memset

from emkernels import _inputs
from emkernels._simd.table cimport Job, Rows
from emkernels.kernels.arrays cimport (
    address, as_centers, as_matrix, as_packed, check_rows_finite, is_double, length_of, output,
    pointer, set_rows, shaped)
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport check_status
from emkernels.kernels.gaussians cimport (
    as_factors, as_mixture_weights, covariance_code, factor_shape, run_job, set_model, set_noise)
from emkernels.kernels.threads cimport check_threads

cdef int run_rows(const Rows *rows, bint double_, const double *log_weights, const double *means,
                  const double *precisions_cholesky, Py_ssize_t n_components, int covariance_type,
                  char *log_prob, char *resp, char *log_prob_norm, int *labels, int n_threads,
                  bint interruptible) noexcept nogil:
    """Outputs for each row, no statistics."""
    cdef Job job
    memset(&job, 0, sizeof(Job))
    job.rows = rows[0]
    job.log_prob_out = log_prob
    job.resp_out = resp
    job.log_prob_norm_out = log_prob_norm
    job.labels_out = labels
    return run_rows_job(&job, double_, log_weights, means, precisions_cholesky, n_components,
                        covariance_type, n_threads, interruptible)


cdef int run_rows_job(Job *job, bint double_, const double *log_weights, const double *means,
                      const double *precisions_cholesky, Py_ssize_t n_components,
                      int covariance_type, int n_threads, bint interruptible) noexcept nogil:
    """The same of a job that has rows, outputs, and noise where there is any."""
    cdef int status
    job.skip = (job.labels_out != NULL and job.resp_out == NULL and job.log_prob_out == NULL
                and job.log_prob_norm_out == NULL)
    status = set_model(job, table_of(double_), covariance_type, n_components, log_weights,
                       means, precisions_cholesky, n_threads)
    if status == 0:
        status = run_job(job, double_, 0, NULL, n_threads, interruptible)
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


# --- the Python faces ------------------------------------------------------------------

def log_density(X, means, precisions_cholesky, covariance_type="full", *, out=None,
                n_threads=None, check_finite=True):
    """Log density of every row under every Gaussian component.

    ``out[i, k] = log N(x_i | mean_k, Sigma_k) = c_k - |P_k (x_i - mean_k)|^2 / 2`` with
    ``P_k = precisions_cholesky_k'``, ``P_k' P_k = Sigma_k^-1`` and
    ``c_k = sum(log(diag(P_k))) - n_features log(2 pi) / 2``.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        Rows in any layout; read in place, never copied whole. Other real dtypes, objects and
        data frames are converted.
    means : array-like of shape (n_components, n_features)
        Of the components, in the units of X.
    precisions_cholesky : array-like
        Upper triangular factors U with U U' = precision: (n_components, n_features,
        n_features) for 'full', (n_features, n_features) for 'tied', (n_components,
        n_features) for 'diag', (n_components,) for 'spherical'. Entries below the
        diagonal are not read.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which precisions are the same, or zero.
    out : ndarray of shape (n_samples, n_components), optional
        C-contiguous, of the dtype of X; no memory of it in that of another argument.
    n_threads : int, optional
        None: the CPUs this process may use; -1: all.
    check_finite : bool
        False skips the look for NaN and infinity in X.

    Returns
    -------
    ndarray of shape (n_samples, n_components), the dtype of X
        -inf where the density underflows; never NaN for finite X.

    Raises
    ------
    ValueError
        Wrong shapes, NaN or infinity (the row and column are named), a factor without a
        positive diagonal, an unusable `out`, n_threads of 0 or below -1.
    TypeError
        Text, dates, complex numbers and other objects that are no real numbers (the column and
        row are named; a ValueError too), masked cells, sparse and lazy tables.

    See Also
    --------
    responsibilities : Posterior probabilities of these.
    e_step : Both at once, without an array of log densities.

    References
    ----------
    C. M. Bishop, Pattern Recognition and Machine Learning, 2006, equation 2.43.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import log_density
    >>> log_density(np.zeros((1, 2)), np.zeros((1, 2)), np.eye(2)[None]).round(4)
    array([[-1.8379]])
    """
    cdef Rows rows
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef const double *mean
    cdef const double *factor
    cdef char *target
    cdef bint double_
    cdef Py_ssize_t K
    X = as_matrix(X, "X")
    means = as_centers(means, "means", X)
    K = means.shape[0]
    precisions_cholesky = as_factors(precisions_cholesky, code, K, X.shape[1])
    double_ = is_double(X)
    set_rows(&rows, X)
    if check_finite:
        check_rows_finite(&rows, double_, "X")
    out = output(out, (X.shape[0], K), X.dtype, "out",
                 {"X": X, "means": means, "precisions_cholesky": precisions_cholesky})
    mean, factor, target = pointer(means), pointer(precisions_cholesky), <char*>address(out)
    with nogil:
        status = run_rows(&rows, double_, NULL, mean, factor, K, code, target, NULL, NULL, NULL,
                          threads, True)
    check_status(status)
    return out


def responsibilities(log_prob, log_weights=None, *, out=None, n_threads=None):
    """Posterior probabilities of the components, and the log of their normaliser.

    ``log_prob_norm[i] = log sum_k exp(log_weights[k] + log_prob[i, k])`` and
    ``resp[i, k] = exp(log_weights[k] + log_prob[i, k] - log_prob_norm[i])``, the largest
    term taken out before the exponential.

    Parameters
    ----------
    log_prob : array-like of shape (n_samples, n_components), float32 or float64
        Log densities; -inf is allowed.
    log_weights : array-like of shape (n_components,), optional
        Log mixing proportions; -inf is allowed. None counts as zeros.
    out : ndarray of shape (n_samples, n_components), optional
        Receives the responsibilities; C-contiguous, of the dtype of `log_prob`, memory of its
        own or `log_prob` itself.
    n_threads : int, optional
        None: the CPUs this process may use; -1: all.

    Returns
    -------
    resp : ndarray of shape (n_samples, n_components)
        Rows sum to one. A row whose every log density is -inf gets the mixing proportions.
    log_prob_norm : ndarray of shape (n_samples,)
        Natural logarithms.

    Raises
    ------
    ValueError
        NaN or +inf, wrong shapes, an unusable `out`.

    See Also
    --------
    log_density : Log densities of Gaussian components.
    e_step : Both at once.

    References
    ----------
    C. M. Bishop, Pattern Recognition and Machine Learning, 2006, equation 9.23.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import responsibilities
    >>> resp, norm = responsibilities(np.log([[0.2, 0.6]]))
    >>> resp.round(2), norm.round(4)
    (array([[0.25, 0.75]]), array([-0.2231]))
    """
    cdef Rows rows
    cdef int threads = check_threads(n_threads), status
    cdef const double *weights = NULL
    cdef char *resp
    cdef char *norm_out
    cdef bint double_
    log_prob = as_matrix(log_prob, "log_prob")
    largest = log_prob.max()
    if not largest < np.inf:
        row, column = np.argwhere(~(log_prob < np.inf))[0]
        raise ValueError(
            f"log_prob contains {log_prob[row, column]}, first at row {row}, column {column}"
        )
    if log_weights is not None:
        log_weights = as_packed(_inputs.as_rows(log_weights, "log_weights", missing=False),
                                np.float64)
        if log_weights.shape != (log_prob.shape[1],):
            raise ValueError(
                f"log_weights must have shape ({log_prob.shape[1]},), got {log_weights.shape}"
            )
        if not log_weights.max() < np.inf or not log_weights.max() > -np.inf:
            raise ValueError("log_weights must be below +inf, not NaN, and not all -inf")
        with np.errstate(over="ignore"):
            if not log_prob.dtype.type(log_weights.max()) + largest < np.inf:
                raise ValueError(
                    f"log_weights must not make log_prob overflow {log_prob.dtype}"
                )
        weights = pointer(log_weights)
    double_ = is_double(log_prob)
    set_rows(&rows, log_prob)
    read = {"log_prob": log_prob, "log_weights": log_weights}
    if (isinstance(out, np.ndarray) and out.strides == log_prob.strides
            and address(out) == address(log_prob)):
        del read["log_prob"]            # each row is read before it is written
    out = output(out, log_prob.shape, log_prob.dtype, "out", read)
    norm = np.empty(log_prob.shape[0], log_prob.dtype)
    resp, norm_out = <char*>address(out), <char*>address(norm)
    with nogil:
        status = run_responsibilities(&rows, double_, weights, resp, norm_out, threads, True)
    check_status(status)
    return out, norm


def e_step(X, weights, means, precisions_cholesky, covariance_type="full", *,
           want=("resp", "log_prob_norm"), n_threads=None, check_finite=True):
    """Outputs of the E-step for each row, without an array of log densities.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
        Finite. Read in place.
    weights : array-like of shape (n_components,)
        Mixing proportions, not negative.
    means : array-like of shape (n_components, n_features)
        Rounded to the precision of X.
    precisions_cholesky : array-like
        Upper triangular factors U with U U' = precision, as in :func:`log_density`.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        Which precisions are the same, or zero.
    want : sequence of {'resp', 'log_prob_norm', 'labels'}
        What to compute: posterior probabilities (n_samples, n_components), the log density
        of the mixture (n_samples,), the most probable component (n_samples,) int32.
    n_threads : int, optional
        The result has the same bits for every number of threads.
    check_finite : bool
        False skips the look for NaN and infinity in X.

    Returns
    -------
    tuple of ndarrays
        In the order of `want`.

    Raises
    ------
    ValueError, TypeError
        As :func:`em_statistics`; an unknown name in `want`.

    See Also
    --------
    em_statistics : The sums of EM in place of outputs for each row.
    incomplete_e_step : Rows with missing values.
    responsibilities : From log densities that are there.

    References
    ----------
    C. M. Bishop, Pattern Recognition and Machine Learning, 2006, equation 9.13.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import e_step
    >>> e_step([[-1.0], [1.0]], [0.5, 0.5], [[-1.0], [1.0]], np.ones((2, 1, 1)), want=["labels"])
    (array([0, 1], dtype=int32),)
    """
    cdef Rows rows
    cdef int code = covariance_code(covariance_type)
    cdef Py_ssize_t K
    check_threads(n_threads)
    X = as_matrix(X, "X")
    means = as_centers(means, "means", X)
    K = means.shape[0]
    weights = as_mixture_weights(weights, K)
    precisions_cholesky = as_factors(precisions_cholesky, code, K, X.shape[1])
    if check_finite:
        set_rows(&rows, X)
        check_rows_finite(&rows, is_double(X), "X")
    return _complete_rows(X, weights, means, precisions_cholesky, covariance_type, want,
                          n_threads=n_threads)


def _complete_rows(X, weights, means, precisions_cholesky, covariance_type, want, *, noise=None,
                   n_threads=None):
    """e_step, all other arguments checked. With noise (as of the passes) 'resp' has a last
    column for it, and its label is -1."""
    cdef Job job
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = length_of(means)
    cdef const double *log_w
    cdef const double *mean = shaped(means, "means", (K, X.shape[1]))
    cdef const double *factor = shaped(
        precisions_cholesky, "precisions_cholesky", factor_shape(code, K, X.shape[1]))
    memset(&job, 0, sizeof(Job))
    set_rows(&job.rows, X)
    set_noise(&job, noise)
    outputs = {}
    for name in want:
        if name == "resp":
            outputs[name] = np.empty((X.shape[0], K + (noise is not None)), X.dtype)
            job.resp_out = <char*>address(outputs[name])
        elif name == "log_prob_norm":
            outputs[name] = np.empty(X.shape[0], X.dtype)
            job.log_prob_norm_out = <char*>address(outputs[name])
        elif name == "labels":
            outputs[name] = np.empty(X.shape[0], np.int32)
            job.labels_out = <int*>address(outputs[name])
        else:
            raise ValueError(
                f"want may name 'resp', 'log_prob_norm' and 'labels', got {name!r}"
            )
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    log_w = shaped(log_weights, "weights", (K,))
    with nogil:
        status = run_rows_job(&job, double_, log_w, mean, factor, K, code, threads, True)
    check_status(status)
    return tuple([outputs[name] for name in want])
