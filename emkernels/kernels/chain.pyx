"""Hidden Markov models: forward-backward with its sums, fused with emissions; the best path."""

from typing import NamedTuple

import numpy as np

from libc.stdlib cimport free
from libc.string cimport memset

from emkernels._simd.table cimport Chain, Job, second_size
from emkernels.kernels.arrays cimport (
    address, as_float64, as_matrix, is_double, length_of, pointer, set_rows, shaped,
    weights_in_unit)
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport check_status
from emkernels.kernels.gaussians cimport (
    add_statistics, covariance_code, empty_statistics, factor_shape, set_model)
from emkernels.kernels.streams cimport _Streams, up
from emkernels.kernels.threads cimport check_threads


class ChainStatistics(NamedTuple):
    """What the E-step of a hidden Markov model gives.

    Attributes
    ----------
    log_likelihoods : ndarray of shape (n_sequences,)
        -inf where a sequence is impossible.
    starts : ndarray of shape (n_states,)
        Expected numbers of sequences that begin in a state.
    transitions : ndarray of shape (n_states, n_states)
        Expected numbers of transitions.
    resp : ndarray of shape (n_samples, n_states) or None
        Posteriors of the states, in the precision of the log densities; None where not asked for.

    See Also
    --------
    chain_statistics : What makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import chain_statistics
    >>> s = chain_statistics(np.log([[0.9, 0.2], [0.1, 0.7]]), [0.5, 0.5], [[0.8, 0.2], [0.2, 0.8]])
    >>> round(s.transitions.sum(), 6), s.resp
    (np.float64(1.0), None)
    """

    log_likelihoods: np.ndarray
    starts: np.ndarray
    transitions: np.ndarray
    resp: np.ndarray | None


# --- passes over checked rows ----------------------------------------------------------------

def _chain_gaussian(X, startprob, transmat, log_weights, means, precisions_cholesky,
                    covariance_type, offsets, sequence_weight=None, *, n_mix=1, n_threads=None):
    """Forward-backward of Gaussian emissions, fused: no array of a value for each row exists.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        Finite.
    startprob : float64 ndarray of shape (n_states,)
    transmat : float64 ndarray of shape (n_states, n_states)
    log_weights : float64 ndarray of shape (n_states * n_mix,)
        Of the components within their states; those of a state follow one another.
    means : float64 ndarray of shape (n_states * n_mix, n_features)
    precisions_cholesky : float64 ndarray
        As :func:`emkernels.kernels.log_density` has it.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
    offsets : int64 ndarray of shape (n_sequences + 1,)
        Rows of sequence s are offsets[s] .. offsets[s + 1] - 1.
    sequence_weight : float64 ndarray of shape (n_sequences,), optional
    n_mix : int
    n_threads : int, optional

    Returns
    -------
    log_likelihoods : ndarray of shape (n_sequences,)
        -inf for a sequence that cannot be; it leaves nothing in the sums.
    starts, transitions : as in :func:`chain_statistics`
    counts, first, second : ndarray
        Of the components, about their means in the precision of X.
    """
    cdef Job job
    cdef _Streams streams
    cdef int code = covariance_code(covariance_type), threads = check_threads(n_threads), status
    cdef bint double_ = is_double(X)
    cdef Py_ssize_t M = length_of(means), D = X.shape[1], K = startprob.shape[0], row_bytes
    cdef const double *log_w
    cdef const double *mean
    cdef const double *factor
    cdef double *c
    cdef double *f
    cdef double *s
    memset(&job, 0, sizeof(Job))
    set_rows(&job.rows, X)
    weights, unit = weights_in_unit(sequence_weight, X.dtype)
    row_bytes = X.dtype.itemsize * (up(D, 4) + M + 2 + (K if n_mix > 1 else 0))
    streams = _Streams(startprob, transmat, np.ascontiguousarray(offsets, np.int64), weights,
                       double_, n_mix, row_bytes)
    job.first_moments = job.second_moments = True
    counts, first, second = empty_statistics(code, M, D, threads)
    c, f, s = <double*>address(counts), <double*>address(first), <double*>address(second)
    log_w, mean = shaped(log_weights, "weights", (M,)), shaped(means, "means", (M, D))
    factor = shaped(precisions_cholesky, "precisions_cholesky", factor_shape(code, M, D))
    status = set_model(&job, table_of(double_), code, M, log_w, mean, factor, threads)
    check_status(status)
    try:
        streams.expect(&job, M + M * D + second_size(&job.gaussians), threads)
        rest = streams.of_emissions()
        add_statistics(&job.gaussians, code, pointer(rest), c, f, s, NULL, threads)
    finally:
        free(job.gaussians.packed)
    starts, transitions = streams.expectations()
    return (streams.likelihoods(), starts * unit, transitions * unit, counts * unit,
            first * unit, second * unit)


def _chain_symbols(codes, startprob, transmat, emissionprob, offsets, sequence_weight=None, *,
                   n_threads=None):
    """The same of symbols.

    Parameters
    ----------
    codes : int32 ndarray of shape (n_samples,)
        Below n_symbols; -1 where one is missing.
    emissionprob : float64 ndarray of shape (n_states, n_symbols)

    Returns
    -------
    log_likelihoods, starts, transitions : as above
    counts : ndarray of shape (n_states, n_symbols)
    """
    cdef Job job
    cdef _Streams streams
    cdef int threads = check_threads(n_threads)
    cdef Py_ssize_t K = emissionprob.shape[0], S = emissionprob.shape[1], W
    memset(&job, 0, sizeof(Job))
    streams = _Streams(startprob, transmat, np.ascontiguousarray(offsets, np.int64),
                       sequence_weight, True, 1, 8 * (K + 2))
    W = streams.chain.n_lanes
    tables = np.zeros((S + 1, W))
    tables[0, :K] = 1
    tables[1:, :K] = emissionprob.T
    largest = tables.max(axis=1)
    tables /= np.where(largest > 0, largest, 1)[:, None]
    with np.errstate(divide="ignore"):
        logs = np.log(largest)
    codes = np.ascontiguousarray(codes, np.int32)
    streams.chain.codes = <const int*>address(codes)
    streams.chain.n_symbols = S
    streams.chain.emission, streams.chain.log_largest = pointer(tables), pointer(logs)
    job.gaussians.n_components = K
    job.first_moments = True
    streams.expect(&job, (S + 1) * W, threads)
    counts = streams.of_emissions().reshape(S + 1, W)
    starts, transitions = streams.expectations()
    return (streams.likelihoods(), starts, transitions,
            np.ascontiguousarray(counts[1:, :K].T))


# --- the Python faces ------------------------------------------------------------------------

cdef object as_log_density(object log_density):
    log_density = as_matrix(log_density, "log_density")
    if not log_density.max() < np.inf:
        row, column = np.argwhere(~(log_density < np.inf))[0]
        raise ValueError(f"log_density contains {log_density[row, column]}, first at row {row}, "
                         f"column {column}; it must be below +inf and not NaN")
    return log_density


cdef tuple as_chain(object startprob, object transmat, Py_ssize_t K):
    """Checked probabilities of a chain of K states."""
    startprob = as_float64(startprob, "startprob", (K,))
    transmat = as_float64(transmat, "transmat", (K, K))
    for name, rows in (("startprob", startprob[None]), ("transmat", transmat)):
        if rows.min() < 0:
            at = tuple(map(int, np.argwhere(rows < 0)[0]))
            raise ValueError(f"{name} must not be negative, got {rows[at]} at index "
                             f"{at[1] if name == 'startprob' else at}")
        sums = rows.sum(axis=1)
        off = np.abs(sums - 1) > 1e-6
        if off.any():
            i = int(off.argmax())
            raise ValueError(f"{name} must sum to one"
                             + ("" if name == "startprob" else " in every row")
                             + f", got {sums[i]}"
                             + ("" if name == "startprob" else f" in row {i}"))
    return startprob, transmat


cdef object as_offsets(object lengths, Py_ssize_t n_samples):
    """Where sequences begin and end (n_sequences + 1,), from their checked lengths."""
    if lengths is None:
        return np.array([0, n_samples], np.int64)
    given = np.asarray(lengths)
    if given.ndim != 1 or given.size == 0:
        raise ValueError(f"lengths must be a sequence of positive integers, got {lengths!r}")
    if given.dtype.kind not in "iu":
        whole = given.dtype.kind == "f" and (given == np.floor(given)).all()
        if not whole or not (np.abs(given) < 2**53).all():
            raise ValueError(f"lengths must be positive integers, got {lengths!r}")
    if given.min() <= 0:
        i = int((given <= 0).argmax())
        raise ValueError(f"lengths must be positive, got {given[i]} for sequence {i}")
    total = sum(map(int, given))
    if total != n_samples:
        raise ValueError(f"lengths must sum to the number of rows, {n_samples}, got {total}")
    return np.concatenate([[0], np.cumsum(given)]).astype(np.int64)


def chain_statistics(log_density, startprob, transmat, lengths=None, *, sequence_weight=None,
                     return_resp=False, n_threads=None):
    """Forward-backward of a hidden Markov model with given log densities.

    With alpha_t = (A' alpha_{t-1}) * b_t / c_t, where c_t makes it sum to one, and
    beta_t = A (b_{t+1} * beta_{t+1}) / c_{t+1}: log-likelihood sum log c_t, posteriors
    gamma_t = alpha_t * beta_t, transitions A * sum_t alpha_t (b_{t+1} * beta_{t+1} / c_{t+1})'.

    Parameters
    ----------
    log_density : array-like of shape (n_samples, n_states), float32 or float64
        Log densities log b of each row in each state; -inf is allowed.
    startprob : array-like of shape (n_states,)
        Probabilities of the first state of a sequence.
    transmat : array-like of shape (n_states, n_states)
        ``transmat[i, j]`` is the probability of state j behind state i.
    lengths : array-like of shape (n_sequences,), optional
        Numbers of rows of the sequences, which follow one another; None: one sequence.
    sequence_weight : array-like of shape (n_sequences,), optional
        Factors of what the sequences add to the sums; the rest is without them.
    return_resp : bool
        Whether the posteriors of the rows are wanted. Otherwise no array of them exists.
    n_threads : int, optional
        The result has the same bits for every number of threads.

    Returns
    -------
    ChainStatistics
        log_likelihoods (n_sequences,), -inf where a sequence is impossible; starts (n_states,),
        expected numbers of sequences that begin in a state; transitions (n_states, n_states),
        expected numbers of transitions, 0 where the probability is; resp (n_samples, n_states)
        in the precision of `log_density`, or None. An impossible sequence leaves nothing in
        the sums, and its resp is 0.

    Raises
    ------
    ValueError, TypeError
        NaN or +inf, wrong shapes; probabilities that are negative or do not sum to one;
        lengths that are not positive integers or do not sum to the number of rows; negative
        weights.

    See Also
    --------
    viterbi : The most probable path.
    log_density : Log densities of Gaussian states.
    emkernels.GaussianHMM : The model that is fitted by it.

    References
    ----------
    L. R. Rabiner, A tutorial on hidden Markov models and selected applications in speech
    recognition, Proceedings of the IEEE 77, 1989, equations 90-97 and 109-111.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import chain_statistics
    >>> s = chain_statistics(np.log([[0.9, 0.2], [0.1, 0.7]]), [0.5, 0.5], [[0.8, 0.2], [0.2, 0.8]])
    >>> s.log_likelihoods.round(4), s.starts.round(4)
    (array([-1.8515]), array([0.6306, 0.3694]))
    """
    cdef Job job
    cdef _Streams streams
    cdef int threads = check_threads(n_threads)
    cdef bint double_
    log_density = as_log_density(log_density)
    startprob, transmat = as_chain(startprob, transmat, log_density.shape[1])
    offsets = as_offsets(lengths, log_density.shape[0])
    if sequence_weight is not None:
        sequence_weight = as_float64(sequence_weight, "sequence_weight", (len(offsets) - 1,))
        if sequence_weight.min() < 0:
            i = int((sequence_weight < 0).argmax())
            raise ValueError(f"sequence_weight must not be negative, got {sequence_weight[i]} "
                             f"for sequence {i}")
    double_ = is_double(log_density)
    weights, unit = sequence_weight, 1.0
    if weights is not None and weights.max() > 0:
        weights, unit = weights_in_unit(weights, log_density.dtype)
    streams = _Streams(startprob, transmat, offsets, weights, double_, 1,
                       log_density.dtype.itemsize * (log_density.shape[1] + 2))
    memset(&job, 0, sizeof(Job))
    set_rows(&job.rows, log_density)
    job.log_prob_given = job.first_moments = True
    job.gaussians.n_components = log_density.shape[1]
    resp = None
    if return_resp:
        resp = np.empty(log_density.shape, log_density.dtype)
        job.resp_out = <char*>address(resp)
    streams.expect(&job, 0, threads)
    starts, transitions = streams.expectations()
    return ChainStatistics(streams.likelihoods(), starts * unit, transitions * unit, resp)


def viterbi(log_density, startprob, transmat, lengths=None, *, n_threads=None):
    """The most probable path of states, and its joint log probability with the rows.

    Parameters
    ----------
    log_density : array-like of shape (n_samples, n_states), float32 or float64
        Log densities of each row in each state; -inf is allowed.
    startprob : array-like of shape (n_states,)
        Probabilities of the first state of a sequence.
    transmat : array-like of shape (n_states, n_states)
        ``transmat[i, j]`` is the probability of state j behind state i.
    lengths : array-like of shape (n_sequences,), optional
        Numbers of rows of the sequences, which follow one another; None: one sequence.
    n_threads : int, optional
        The result has the same bits for every number of threads.

    Returns
    -------
    paths : int32 ndarray of shape (n_samples,)
        States of the rows. Of equally probable ones the lowest, from the last row backwards;
        -1 in an impossible sequence.
    log_probs : ndarray of shape (n_sequences,)
        -inf where a sequence is impossible.

    Raises
    ------
    ValueError, TypeError
        As :func:`chain_statistics`; more than 65,536 states.

    See Also
    --------
    chain_statistics : Posteriors of the states, and the sums of EM.
    emkernels.GaussianHMM.decode : The same of a fitted model.

    References
    ----------
    A. J. Viterbi, Error bounds for convolutional codes and an asymptotically optimum decoding
    algorithm, IEEE Transactions on Information Theory 13, 1967.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.kernels import viterbi
    >>> paths, logs = viterbi(np.log([[0.9, 0.2], [0.1, 0.7]]), [0.5, 0.5],
    ...                       [[0.8, 0.2], [0.2, 0.8]])
    >>> paths, logs.round(4)
    (array([0, 1], dtype=int32), array([-2.7646]))
    """
    cdef Job job
    cdef _Streams streams
    cdef Chain *m
    cdef int threads = check_threads(n_threads)
    cdef bint double_
    cdef Py_ssize_t K, n
    log_density = as_log_density(log_density)
    n, K = log_density.shape
    startprob, transmat = as_chain(startprob, transmat, K)
    offsets = as_offsets(lengths, n)
    if K > 65536:
        raise ValueError(f"viterbi is for at most 65536 states, got {K}")
    double_ = is_double(log_density)
    streams = _Streams(startprob, transmat, offsets, None, double_, 1, 8)
    m = &streams.chain
    m.back_bytes = 1 if K <= 256 else 2
    back = np.empty((n, K), np.uint8 if K <= 256 else np.uint16)
    paths = np.empty(n, np.int32)
    m.back, m.paths = <char*>address(back), <int*>address(paths)
    memset(&job, 0, sizeof(Job))
    set_rows(&job.rows, log_density)
    job.gaussians.n_components = K
    streams.decode(&job, threads)
    return paths, streams.likelihoods()
