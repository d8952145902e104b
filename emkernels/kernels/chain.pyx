"""Hidden Markov models: forward-backward with its sums, fused with emissions; the best path."""

from typing import NamedTuple

import numpy as np

from libc.math cimport INFINITY
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from emkernels import _inputs
from emkernels._simd.table cimport Chain, Job, Span, second_size
from emkernels.kernels.arrays cimport (
    address, as_float64, as_matrix, is_double, pointer, set_rows, weights_in_unit)
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport (
    CHAINS, OUT_OF_MEMORY, PATHS, Plan, Work, check_status, free_plan, make_plan, run)
from emkernels.kernels.gaussians cimport (
    add_statistics, covariance_code, empty_statistics, set_model)
from emkernels.kernels.threads cimport check_threads

cdef enum:
    STATES = 4              # states are padded to a multiple of this
    WIDEST = 8              # lanes of float64 of any level
    STEPS = 128             # chunks are a multiple of this
    CHUNK_BYTES = 2000000   # of what is kept of a chunk
    STREAMS = 32            # blocks that there are at least, where there are rows for them
    SHORTEST = 64           # steps of a lane, where there are rows for them

# Transition probabilities above this lose nothing that could matter later (see chain.pxi).
cdef double SAFE = 1e-60
cdef double SAFE_FLOAT = 1e-10


cdef inline Py_ssize_t up(Py_ssize_t n, Py_ssize_t unit) noexcept nogil:
    return (n + unit - 1) // unit * unit


class ChainStatistics(NamedTuple):
    """What the E-step of a hidden Markov model gives (see :func:`chain_statistics`)."""

    log_likelihoods: np.ndarray
    starts: np.ndarray
    transitions: np.ndarray
    resp: np.ndarray | None


cdef class _Streams:
    """Sequences laid out in lanes, the chain's parameters, and where results go.

    Parameters
    ----------
    startprob, transmat, offsets, sequence_weight
        As in `_chain_gaussian`; the weights are kept.
    double_ : bool
    n_mix : int
    row_bytes : int
        Of what is kept of a row beside the forward probabilities.
    """

    cdef Chain chain
    cdef Span *spans
    cdef Py_ssize_t n_rows, n_sequences
    cdef object startprob, transmat, padded, offsets, weights, lanes, log_likelihoods, astray
    cdef object held

    def __cinit__(self):
        self.spans = NULL
        memset(&self.chain, 0, sizeof(Chain))

    def __dealloc__(self):
        free(self.spans)

    def __init__(self, startprob, transmat, offsets, sequence_weight, bint double_,
                 Py_ssize_t n_mix, Py_ssize_t row_bytes):
        cdef Chain *m = &self.chain
        cdef Py_ssize_t K = startprob.shape[0], n = up(K, STATES)
        self.startprob, self.transmat, self.offsets = startprob, transmat, offsets
        self.weights = sequence_weight
        self.n_sequences = offsets.shape[0] - 1
        self.padded = np.zeros((1 + 2 * K, n))
        self.padded[0, :K] = startprob
        self.padded[1:K + 1, :K] = transmat
        self.padded[K + 1:, :K] = transmat.T
        m.n_states, m.n_mix, m.n_padded = K, n_mix, n
        m.start = pointer(self.padded)
        m.forward = m.start + n
        m.backward = m.start + (1 + K) * n
        m.safe = transmat.min() >= (SAFE if double_ else SAFE_FLOAT)
        m.sequence_weight = pointer(sequence_weight)
        m.n_lanes = up(K, WIDEST)
        self.log_likelihoods = np.empty(self.n_sequences)
        self.astray = np.zeros(self.n_sequences, np.uint8)
        m.log_likelihoods = <double*>address(self.log_likelihoods)
        m.astray = <unsigned char*>address(self.astray)
        self.deal(table_of(double_).lanes, row_bytes + n * 8 + 16)

    cdef int deal(self, Py_ssize_t width, Py_ssize_t row_bytes) except -1:
        """Sequences to lanes, longest first."""
        cdef Chain *m = &self.chain
        cdef Py_ssize_t n_spans = self.n_sequences, i, at, length, used, room, lane, longest = 0
        cdef Py_ssize_t n_rows
        cdef const long long *offsets = <const long long*>address(self.offsets)
        cdef const Py_ssize_t *order
        cdef Py_ssize_t *lanes
        lengths = np.diff(self.offsets)
        n_rows = self.n_rows = int(self.offsets[n_spans])
        if lengths.min() == lengths.max():
            by_length = np.arange(n_spans, dtype=np.intp)
        else:
            by_length = np.argsort(-lengths, kind="stable").astype(np.intp)
        order = <const Py_ssize_t*>address(by_length)
        m.chunk = CHUNK_BYTES // (width * row_bytes) // STEPS * STEPS
        m.chunk = max(<Py_ssize_t>2 * STEPS, min(<Py_ssize_t>32 * STEPS, m.chunk))
        room = min(m.chunk, max(<Py_ssize_t>SHORTEST, n_rows // (width * STREAMS)))
        self.spans = <Span*>calloc(n_spans, sizeof(Span))
        if self.spans == NULL:
            raise MemoryError("not enough memory for the kernel's buffers")
        self.lanes = np.zeros(n_spans + width + 1, np.intp)
        lanes = <Py_ssize_t*>address(self.lanes)
        lane, used = 0, 0
        for i in range(n_spans):
            at = order[i]
            length = offsets[at + 1] - offsets[at]
            if used > 0 and used + length > room:
                lane, used = lane + 1, 0
                lanes[lane] = i
            used += length
            longest = max(longest, used)
            self.spans[i].first, self.spans[i].end = offsets[at], offsets[at + 1]
            self.spans[i].sequence, self.spans[i].opens = at, True
            self.spans[i].before, self.spans[i].behind = m.start, NULL
        m.n_blocks = lane // width + 1
        for i in range(lane + 1, m.n_blocks * width + 1):
            lanes[i] = n_spans
        m.spans, m.lane_first = self.spans, lanes
        m.chunk = min(m.chunk, up(longest, STATES))
        m.most_chunks = (longest + m.chunk - 1) // m.chunk
        return 0

    cdef int run(self, Job *job, bint double_, Work work, Py_ssize_t n_sums, object sums,
                 int n_threads) except -1:
        """The pass; sums (n_padded + 2 n_padded^2 + n_sums,) are those of `chain_block`."""
        cdef Plan plan
        cdef Py_ssize_t i, length = 0
        cdef double *target = NULL
        cdef int status
        job.chain = &self.chain
        job.rows.n_samples = self.n_rows
        if sums is not None:
            length = self.chain.n_padded * (1 + 2 * self.chain.n_padded) + n_sums
            target = <double*>address(sums)
        status = make_plan(&plan, job, double_, work, length, n_threads)
        if status == 0:
            with nogil:
                status = run(&plan, True)
                if status == 0:
                    for i in range(length):
                        target[i] = plan.accumulators[i]
                free_plan(&plan)
        return check_status(status)

    cdef object likelihoods(self):
        """Of the sequences."""
        out = np.empty(self.n_sequences)
        cdef double *value = <double*>address(out)
        cdef Py_ssize_t i
        for i in range(self.n_sequences):
            value[self.spans[i].sequence] = self.chain.log_likelihoods[i]
        return out

    cdef tuple expectations(self, object sums):
        """starts and transitions."""
        cdef Py_ssize_t K = self.chain.n_states, n = self.chain.n_padded
        over = sums[n:n + n * n].reshape(n, n)[:K, :K]
        other = sums[n + n * n:n + 2 * n * n].reshape(n, n)[:K, :K]
        return sums[:K].copy(), over * self.transmat + other

    cdef object zeros(self, Py_ssize_t n_sums):
        return np.zeros(self.chain.n_padded * (1 + 2 * self.chain.n_padded) + n_sums)


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
    cdef Py_ssize_t M = means.shape[0], D = X.shape[1], size, K = startprob.shape[0], row_bytes
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
    counts, first, second = empty_statistics(code, M, D)
    c, f, s = <double*>address(counts), <double*>address(first), <double*>address(second)
    status = set_model(&job, table_of(double_), code, M, pointer(log_weights), pointer(means),
                       pointer(precisions_cholesky))
    check_status(status)
    try:
        size = M + M * D + second_size(&job.gaussians)
        sums = streams.zeros(size)
        streams.run(&job, double_, CHAINS, size, sums, threads)
        sums, rest = sums[:sums.shape[0] - size], sums[sums.shape[0] - size:]
        add_statistics(&job.gaussians, code, pointer(rest), c, f, s, NULL)
    finally:
        free(job.gaussians.packed)
    starts, transitions = streams.expectations(sums)
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
    sums = streams.zeros((S + 1) * W)
    streams.run(&job, True, CHAINS, (S + 1) * W, sums, threads)
    counts = sums[sums.shape[0] - (S + 1) * W:].reshape(S + 1, W)
    starts, transitions = streams.expectations(sums)
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
    (array([-1.7916]), array([0.594, 0.406]))
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
    sums = streams.zeros(0)
    streams.run(&job, double_, CHAINS, 0, sums, threads)
    starts, transitions = streams.expectations(sums)
    return ChainStatistics(streams.likelihoods(), starts * unit, transitions * unit, resp)


def viterbi(log_density, startprob, transmat, lengths=None, *, n_threads=None):
    """The most probable path of states, and its joint log probability with the rows.

    Parameters
    ----------
    log_density, startprob, transmat, lengths
        As in :func:`chain_statistics`.
    n_threads : int, optional

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
    (array([1, 1], dtype=int32), array([-2.8824]))
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
    with np.errstate(divide="ignore"):
        logs = np.log(streams.padded)
    m.log_start = pointer(logs)
    m.log_forward = m.log_start + m.n_padded
    m.n_blocks = streams.n_sequences
    m.back_bytes = 1 if K <= 256 else 2
    back = np.empty((n, K), np.uint8 if K <= 256 else np.uint16)
    paths = np.empty(n, np.int32)
    m.back, m.paths = <char*>address(back), <int*>address(paths)
    memset(&job, 0, sizeof(Job))
    set_rows(&job.rows, log_density)
    job.gaussians.n_components = K
    streams.run(&job, double_, PATHS, 0, None, threads)
    return paths, streams.likelihoods()
