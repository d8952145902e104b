# The Python faces: validate, allocate, run without the GIL, raise.


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
    sample_weight : array-like of shape (n_samples,), optional
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
    return EMStatistics(*[total * unit for total in _incomplete_pass(
        X, weights, means, precisions_cholesky, covariance_type, sample_weight, patterns,
        n_threads=n_threads)[:4]])


def _incomplete_pass(X, weights, means, precisions_cholesky, covariance_type, sample_weight,
                     patterns, *, known=None, leave_empty_out=False, n_threads=None):
    """incomplete_statistics for the EM loop: every array already checked and contiguous.
    leave_empty_out: rows without any value are not visited ('full' and 'tied')."""
    cdef Job job
    cdef Incomplete inc
    cdef Schedule schedule
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = means.shape[0]
    cdef const double *w = pointer(weights)
    cdef const double *mean = pointer(means)
    cdef const double *factor = pointer(precisions_cholesky)
    cdef double *c
    cdef double *f
    cdef double *s
    cdef double tail[2]
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    set_rows(&job.rows, X)
    job.rows.sample_weight = pointer(sample_weight)
    if known is not None:
        job.rows.known = <const int*>address(known)
    job.skip = K > 1 and X.shape[1] > 4 and code in (FULL, TIED)
    check_shape(patterns, X)
    kept = None
    if code in (FULL, TIED):
        kept = schedule_of(patterns, double_, leave_empty_out, &schedule)
    counts, first, second = empty_statistics(code, K, X.shape[1])
    c, f, s = <double*>address(counts), <double*>address(first), <double*>address(second)
    tail[0] = 0
    tail[1] = 0
    with nogil:
        status = run_incomplete(&job, &inc, double_, NULL, &schedule, w, mean, factor, K, code,
                                c, f, s, tail, threads, True)
    check_status(status)
    return counts, first, second, tail[0], tail[1]


def _incomplete_rows(X, weights, means, precisions_cholesky, covariance_type, patterns, want,
                     *, normals=None, uniforms=None, n_threads=None):
    """Outputs for each row, all arguments checked: a dict of 'resp', 'log_prob_norm', 'labels',
    'log_prob', 'imputed', 'covariances' and 'offsets', those that `want` names. The missing
    values of 'imputed' are conditional means, or draws where normals are given."""
    cdef Job job
    cdef Incomplete inc
    cdef Schedule schedule
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = means.shape[0]
    cdef const double *w = pointer(weights)
    cdef const double *mean
    cdef const double *factor
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    check_shape(patterns, X)
    set_rows(&job.rows, X)
    out = {}
    n = X.shape[0]
    if "log_prob" in want:
        out["log_prob"] = np.empty((n, K), X.dtype)
        job.log_prob_out = <char*>address(out["log_prob"])
    if "resp" in want:
        out["resp"] = np.empty((n, K), X.dtype)
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
    mean, factor = pointer(means), pointer(precisions_cholesky)
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
    weights, means, precisions_cholesky, covariance_type
        As in :func:`incomplete_statistics`.
    want : sequence of {'resp', 'log_prob_norm', 'labels', 'log_prob'}
        What to compute: posterior probabilities (n_samples, n_components), the log density of
        the observed values under the mixture (n_samples,), the most probable component
        (n_samples,) int32, ``log weights_k + log N(x_io | k)`` (n_samples, n_components).
    patterns : MissingPatterns, optional
        Those of X.
    n_threads : int, optional

    Returns
    -------
    tuple of ndarrays
        In the order of `want`. A row without any value has the weights as its posterior, and
        the log of their sum as its log density.

    Raises
    ------
    ValueError, TypeError
        As :func:`incomplete_statistics`; an unknown name in `want`.

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
    means, precisions_cholesky, covariance_type
        As in :func:`log_density`.
    weights : array-like of shape (n_components,), optional
        Mixing proportions; may be left out for one component.
    patterns : MissingPatterns, optional
        Those of X.
    covariances : bool
        Whether to compute the covariances.
    n_threads : int, optional

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
        As :func:`incomplete_statistics`.

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
    return ConditionalMoments(out["imputed"], out.get("covariances"), out.get("offsets"))


def conditional_draws(X, means, precisions_cholesky, normals, covariance_type="full", weights=None,
                      uniforms=None, *, patterns=None, n_threads=None):
    """Missing values drawn from their distribution given the observed ones.

    ``x_im = E[x_im | x_io, k] + L z`` with ``L L' = Cov[x_im | x_io, k]`` and z the row's
    normals; k is the first component whose cumulated posterior exceeds the row's uniform.

    Parameters
    ----------
    X, means, precisions_cholesky, covariance_type, weights, patterns, n_threads
        As in :func:`conditional_moments`.
    normals : array-like of shape (n_missing_values,)
        Standard normal numbers, one for each missing value, row by row.
    uniforms : array-like of shape (n_samples,), optional
        In [0, 1); needed for more than one component.

    Returns
    -------
    ndarray of shape (n_samples, n_features), the dtype of X
        Complete; observed values bit for bit. The same for every number of threads.

    Raises
    ------
    ValueError, TypeError
        As :func:`conditional_moments`; too many or too few random numbers.

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
    return _incomplete_rows(X, weights, means, precisions_cholesky, covariance_type, patterns,
                            ("imputed",), normals=normals, uniforms=uniforms,
                            n_threads=n_threads)["imputed"]


# --- for starts ------------------------------------------------------------------------

def _observed_kmeans_pass(X, centers, labels, sample_weight=None, n_threads=None):
    """One pass of K-means on observed values: `labels` (int32) receives the nearest centre of
    every row over its observed columns. Returns, for each centre and column, the weight and
    the sum of deviations of the observed values, and the weighted sum of squared distances."""
    cdef Job job
    cdef Incomplete inc
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = centers.shape[0], D = X.shape[1]
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    set_rows(&job.rows, X)
    job.rows.sample_weight = pointer(sample_weight)
    job.labels_out = <int*>address(labels)
    inc.hard = True
    inc.count_observed = True
    counts, first, observed = np.zeros(K), np.zeros((K, D)), np.zeros((K, D))
    ones = np.ones((K, D))
    cdef const double *mean = pointer(centers)
    cdef const double *factor = pointer(ones)
    cdef double *c = <double*>address(counts)
    cdef double *f = <double*>address(first)
    cdef double *s = <double*>address(observed)
    cdef double tail[2]
    tail[0] = 0
    tail[1] = 0
    with nogil:
        status = run_incomplete(&job, &inc, double_, NULL, NULL, NULL, mean, factor, K, DIAG,
                                c, f, s, tail, threads, True)
    check_status(status)
    return observed, first, -2 * tail[0]


def _observed_distances(X, centers, n_threads=None):
    """Squared distances (n_samples, n_centers) over the observed columns of each row, in the
    precision of X."""
    cdef Job job
    cdef Incomplete inc
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t K = centers.shape[0]
    memset(&job, 0, sizeof(Job))
    memset(&inc, 0, sizeof(Incomplete))
    set_rows(&job.rows, X)
    out = np.empty((X.shape[0], centers.shape[0]), X.dtype)
    job.log_prob_out = <char*>address(out)
    inc.hard = True
    ones = np.ones(centers.shape)
    cdef const double *mean = pointer(centers)
    cdef const double *factor = pointer(ones)
    with nogil:
        status = run_incomplete(&job, &inc, double_, NULL, NULL, NULL, mean, factor, K, DIAG,
                                NULL, NULL, NULL, NULL, threads, True)
    check_status(status)
    out *= -2
    return out


def _available_moments(X, resp, centers, sample_weight=None, n_threads=None):
    """Under labels (int32) or responsibilities of the dtype of X, over the rows in which both
    values of a pair are observed: the weight (K, D, D), and the sum of products of deviations
    (K, D, D) from the centres."""
    cdef Job job
    cdef Incomplete inc
    cdef int threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X), indicator
    cdef Py_ssize_t K = centers.shape[0], D = X.shape[1]
    cdef Rows resp_rows
    cdef const double *mean
    cdef const double *factor
    cdef double *c
    cdef double *f
    cdef double *s
    factors = np.repeat(np.eye(D)[None], K, axis=0)
    counts, first = np.zeros(K), np.zeros((K, D))
    weight, products = np.zeros((K, D, D)), np.zeros((K, D, D))
    zeros = np.zeros((K, D))
    for indicator in (True, False):
        memset(&job, 0, sizeof(Job))
        memset(&inc, 0, sizeof(Incomplete))
        set_rows(&job.rows, X)
        job.rows.sample_weight = pointer(sample_weight)
        if resp.ndim == 1:
            job.labels = <const int*>address(resp)
        else:
            set_rows(&resp_rows, resp)
            job.resp = resp_rows.x
            job.resp_row_stride = resp_rows.row_stride
            job.resp_column_stride = resp_rows.column_stride
        inc.indicator = indicator
        mean, factor = pointer(zeros if indicator else centers), pointer(factors)
        c, f = <double*>address(counts), <double*>address(first)
        s = <double*>address(weight if indicator else products)
        with nogil:
            status = run_incomplete(&job, &inc, double_, NULL, NULL, NULL, mean, factor, K, FULL,
                                    c, f, s, NULL, threads, True)
        check_status(status)
    return weight, products
