# The Python faces: validate, allocate, run without the GIL, raise.

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
    precisions_cholesky : array-like
        Upper triangular factors U with U U' = precision: (n_components, n_features,
        n_features) for 'full', (n_features, n_features) for 'tied', (n_components,
        n_features) for 'diag', (n_components,) for 'spherical'. Entries below the
        diagonal are not read.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
    out : ndarray of shape (n_samples, n_components), optional
        C-contiguous, of the dtype of X.
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
    out = output(out, (X.shape[0], K), X.dtype, "out")
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
        Receives the responsibilities; C-contiguous, dtype of `log_prob`.
    n_threads : int, optional

    Returns
    -------
    resp : ndarray of shape (n_samples, n_components)
        Rows sum to one. A row whose every log density is -inf gets the mixing proportions.
    log_prob_norm : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        NaN or +inf, wrong shapes, an unusable `out`.

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
        log_weights = np.ascontiguousarray(
            _inputs.as_rows(log_weights, "log_weights", missing=False), dtype=np.float64)
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
    out = output(out, log_prob.shape, log_prob.dtype, "out")
    norm = np.empty(log_prob.shape[0], log_prob.dtype)
    resp, norm_out = <char*>address(out), <char*>address(norm)
    with nogil:
        status = run_responsibilities(&rows, double_, weights, resp, norm_out, threads, True)
    check_status(status)
    return out, norm


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
    resp : array-like of shape (n_samples, n_components), or (n_samples,) integers
        Responsibilities, or labels in 0 .. n_components - 1 (-1 or missing: the row counts
        nowhere).
    centers : array-like of shape (n_components, n_features)
        Rounded to the precision of X before use.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
    sample_weight : array-like of shape (n_samples,), optional
    n_threads : int, optional
    check_finite : bool

    Returns
    -------
    Moments
        counts (n_components,), first (n_components, n_features), second of the shape that
        the covariance type gives; all float64.

    Raises
    ------
    ValueError, TypeError
        As :func:`log_density`; negative or all-zero weights.

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
        if resp.min() < 0:
            row, column = np.argwhere(resp < 0)[0]
            raise ValueError(f"resp must not be negative, first at row {row}, column {column}")
    sample_weight, unit = weights_in_unit(as_weights(sample_weight, X.shape[0]), X.dtype)
    rows.sample_weight = pointer(sample_weight)
    if check_finite:
        check_rows_finite(&rows, double_, "X")
    counts, first, second = empty_statistics(code, K, X.shape[1])
    center = pointer(centers)
    c, f, s = <double*>address(counts), <double*>address(first), <double*>address(second)
    with nogil:
        status = run_moments(&rows, double_, resp_rows.x, resp_rows.row_stride,
                             resp_rows.column_stride, labels, center, K, code, c, f, s,
                             threads, True)
    check_status(status)
    return Moments(counts * unit, first * unit, second * unit)


def em_statistics(X, weights, means, precisions_cholesky, covariance_type="full",
                  sample_weight=None, *, n_threads=None, check_finite=True):
    """Sufficient statistics of the E-step and the log-likelihood, in one fused pass.

    The same as :func:`log_density`, :func:`responsibilities` and :func:`weighted_moments`
    about ``means``, a block of rows at a time: no (n_samples, n_components) array exists.
    For 'full' with more than 4 features, work for responsibilities below 3e-20 is left out.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), float32 or float64
    weights : array-like of shape (n_components,)
        Mixing proportions, not negative.
    means : array-like of shape (n_components, n_features)
        Rounded to the precision of X; the moments are about the rounded means.
    precisions_cholesky : array-like
        As in :func:`log_density`.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
    sample_weight : array-like of shape (n_samples,), optional
    n_threads : int, optional
        The result has the same bits for every number of threads.
    check_finite : bool

    Returns
    -------
    EMStatistics
        counts, first, second as :func:`weighted_moments` gives them, and log_likelihood
        ``sum_i sample_weight_i log sum_k weights_k N(x_i | k)``; all float64.

    Raises
    ------
    ValueError, TypeError
        As :func:`log_density`; negative or all-zero weights.

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
    counts, first, second, log_likelihood, _ = _em_pass(
        X, weights, means, precisions_cholesky, covariance_type, sample_weight,
        n_threads=n_threads)
    return EMStatistics(counts * unit, first * unit, second * unit, log_likelihood * unit)


def _em_pass(X, weights, means, precisions_cholesky, covariance_type, sample_weight=None, *,
             known=None, order=None, labels=None, centre=None, scatter=None, n_threads=None):
    """em_statistics for the EM loop: every array already checked and contiguous.

    known (int32): components of rows that are known, -1 elsewhere. order (int32): a
    permutation in which the rows are visited. labels (int32): receives the most probable
    component of every row. centre, scatter: those of all rows (tied), kept between passes.
    Returns counts, first, second, log_likelihood and the number of pairs of a row and a
    component with a responsibility above 1e-19 (0 where that is not looked at).
    """
    cdef Rows rows
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = means.shape[0]
    cdef const double *w = pointer(weights)
    cdef const double *mean = pointer(means)
    cdef const double *factor = pointer(precisions_cholesky)
    cdef const double *total = pointer(scatter)
    cdef const double *origin = pointer(centre)
    cdef int *label = NULL if labels is None else <int*>address(labels)
    cdef double *c
    cdef double *f
    cdef double *s
    cdef double tail[2]
    set_rows(&rows, X)
    rows.sample_weight = pointer(sample_weight)
    if known is not None:
        rows.known = <const int*>address(known)
    if order is not None:
        rows.order = <const int*>address(order)
    counts, first, second = empty_statistics(code, K, X.shape[1])
    c, f, s = <double*>address(counts), <double*>address(first), <double*>address(second)
    tail[0] = 0
    tail[1] = 0
    with nogil:
        status = run_em(&rows, double_, w, mean, factor, K, code, total, origin, label, c, f, s,
                        tail, threads, True)
    check_status(status)
    return counts, first, second, tail[0], tail[1]


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


def e_step(X, weights, means, precisions_cholesky, covariance_type="full", *,
           want=("resp", "log_prob_norm"), n_threads=None, check_finite=True):
    """Outputs of the E-step for each row, without an array of log densities.

    Parameters
    ----------
    X, weights, means, precisions_cholesky, covariance_type
        As in :func:`em_statistics`.
    want : sequence of {'resp', 'log_prob_norm', 'labels'}
        What to compute: posterior probabilities (n_samples, n_components), the log density
        of the mixture (n_samples,), the most probable component (n_samples,) int32.
    n_threads : int, optional
    check_finite : bool

    Returns
    -------
    tuple of ndarrays
        In the order of `want`.

    Raises
    ------
    ValueError, TypeError
        As :func:`em_statistics`; an unknown name in `want`.

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
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_
    cdef Py_ssize_t K
    cdef const double *log_w
    cdef const double *mean
    cdef const double *factor
    cdef char *resp = NULL
    cdef char *norm = NULL
    cdef int *labels = NULL
    X = as_matrix(X, "X")
    means = as_centers(means, "means", X)
    K = means.shape[0]
    weights = as_mixture_weights(weights, K)
    precisions_cholesky = as_factors(precisions_cholesky, code, K, X.shape[1])
    double_ = is_double(X)
    set_rows(&rows, X)
    if check_finite:
        check_rows_finite(&rows, double_, "X")
    outputs = {}
    for name in want:
        if name == "resp":
            outputs[name] = np.empty((X.shape[0], K), X.dtype)
            resp = <char*>address(outputs[name])
        elif name == "log_prob_norm":
            outputs[name] = np.empty(X.shape[0], X.dtype)
            norm = <char*>address(outputs[name])
        elif name == "labels":
            outputs[name] = np.empty(X.shape[0], np.int32)
            labels = <int*>address(outputs[name])
        else:
            raise ValueError(
                f"want may name 'resp', 'log_prob_norm' and 'labels', got {name!r}"
            )
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    log_w, mean, factor = pointer(log_weights), pointer(means), pointer(precisions_cholesky)
    with nogil:
        status = run_rows(&rows, double_, log_w, mean, factor, K, code, NULL, resp, norm, labels,
                          threads, True)
    check_status(status)
    return tuple([outputs[name] for name in want])
