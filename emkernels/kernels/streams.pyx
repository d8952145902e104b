"""Sequences in lanes, cut where they are long, and the passes over them."""

import numpy as np

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from emkernels._simd.table cimport Job, Span
from emkernels.kernels.arrays cimport address, pointer
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport (
    CHAINS, CUTS, PATHS, Plan, Work, check_status, free_plan, make_plan, run)

cdef enum:
    STATES = 4              # states are padded to a multiple of this
    WIDEST = 8              # lanes of float64 of any level
    STEPS = 128             # chunks are a multiple of this
    CHUNK_BYTES = 2000000   # of what is kept of a chunk
    STREAMS = 32            # blocks that there are at least, where there are rows for them
    SHORTEST = 64           # steps of a lane, where there are rows for them
    PARTS = 8               # blocks that long sequences are cut for
    SHORTEST_PART = 512     # steps of a part
    RUN_IN = 512            # steps that are looked at on either side of a cut
    RUN_IN_COST = 8         # how many times a part's forward steps these may cost

# Transition probabilities above this lose nothing that could matter later (see chain.pxi).
cdef double SAFE = 1e-60
cdef double SAFE_FLOAT = 1e-10


cdef class _Streams:
    """Sequences laid out in lanes, the chain's parameters, and where results go.

    Parameters
    ----------
    startprob, transmat, offsets, sequence_weight
        As `passes.chain_gaussian` has them.
    double_ : bool
    n_mix : int
    row_bytes : int
        Of what is kept of a row beside the forward probabilities.
    """

    def __cinit__(self):
        self.spans = NULL
        memset(&self.chain, 0, sizeof(Chain))

    def __dealloc__(self):
        free(self.spans)

    def __init__(self, startprob, transmat, offsets, sequence_weight, bint double_,
                 Py_ssize_t n_mix, Py_ssize_t row_bytes):
        cdef Chain *m = &self.chain
        cdef Py_ssize_t K = startprob.shape[0], n = up(K, STATES)
        self.transmat, self.offsets, self.weights = transmat, offsets, sequence_weight
        self.lengths = np.diff(offsets)
        self.n_sequences, self.n_rows = len(self.lengths), int(offsets[len(self.lengths)])
        self.double_ = double_
        self.width = table_of(double_).lanes
        self.padded = np.zeros((1 + 2 * K, n))
        self.padded[0, :K] = startprob
        self.padded[1:K + 1, :K] = transmat
        self.padded[K + 1:, :K] = transmat.T
        m.n_states, m.n_mix, m.n_padded = K, n_mix, n
        m.start = pointer(self.padded)
        m.forward = m.start + n
        m.backward = m.start + (1 + K) * n
        with np.errstate(divide="ignore"):
            self.logs = np.log(self.padded[:1 + K])
        m.log_start = pointer(self.logs)
        m.log_forward = m.log_start + n
        m.safe = transmat.min() >= (SAFE if double_ else SAFE_FLOAT)
        m.sequence_weight = pointer(sequence_weight)
        m.n_lanes = up(K, WIDEST)
        self.chunk = CHUNK_BYTES // (self.width * (row_bytes + n * 8 + 16)) // STEPS * STEPS
        self.chunk = max(<Py_ssize_t>2 * STEPS, min(<Py_ssize_t>32 * STEPS, self.chunk))

    cdef int cut(self, Job *job, int n_threads) except -1:
        """Look for cuts in long sequences: self.cuts are the rows behind those that are known."""
        cdef Chain *m = &self.chain
        cdef Py_ssize_t part, shortest
        part = min(self.chunk, max(<Py_ssize_t>SHORTEST_PART,
                                   self.n_rows // (self.width * PARTS)))
        self.cuts = np.empty(0, np.intp)
        is_long = np.flatnonzero(2 * self.lengths > 3 * part)
        if len(is_long) == 0 or m.n_states > STEPS:
            return 0
        parts = -(-self.lengths[is_long] // part)
        shortest = int((self.lengths[is_long] // parts).min())
        # part i of n of a sequence begins at its row length * i // n
        of = np.repeat(np.arange(len(is_long)), parts - 1)
        i = np.arange(len(of)) - np.repeat(np.cumsum(parts - 1) - (parts - 1), parts - 1) + 1
        rows = (self.offsets[is_long[of]] + self.lengths[is_long[of]] * i // parts[of]).astype(
            np.intp)
        self.before = np.zeros((len(rows), m.n_padded))
        self.behind = np.zeros((len(rows), m.n_padded))
        known = np.zeros(len(rows), np.uint8)
        m.n_cuts, m.cut_rows = len(rows), <const Py_ssize_t*>address(rows)
        m.cut_before = <double*>address(self.before)
        m.cut_behind = <double*>address(self.behind)
        m.cut_known = <unsigned char*>address(known)
        m.run_in = min(<Py_ssize_t>RUN_IN, shortest, max(
            <Py_ssize_t>32, RUN_IN_COST * shortest // m.n_states))
        m.chunk, m.most_chunks = max(m.run_in, <Py_ssize_t>2 * m.n_states), 1
        m.chunk = up(m.chunk, STEPS)
        m.n_blocks = up(m.n_cuts, self.width) // self.width
        m.spans = NULL
        self.one_pass(job, CUTS, 0, n_threads)
        found = known == 3
        self.cuts = rows[found]
        self.before, self.behind = self.before[found], self.behind[found]
        return 0

    cdef int deal(self) except -1:
        """Sequences and the parts between cuts to lanes, longest first."""
        cdef Chain *m = &self.chain
        cdef Py_ssize_t i, at, length, used, room, lane, longest = 0, n_spans
        cdef const long long *edge
        cdef const Py_ssize_t *order
        cdef const Py_ssize_t *sequence
        cdef const Py_ssize_t *cut
        cdef Py_ssize_t *lanes
        cdef const double *before = NULL
        cdef const double *behind = NULL
        edges = self.offsets
        if len(self.cuts):
            edges = np.sort(np.concatenate([self.offsets, self.cuts]))
            before, behind = pointer(self.before), pointer(self.behind)
        n_spans = len(edges) - 1
        lengths = np.diff(edges)
        if lengths.min() == lengths.max():
            by_length = np.arange(n_spans, dtype=np.intp)
        else:
            by_length = np.argsort(-lengths, kind="stable").astype(np.intp)
        of_sequence = np.arange(n_spans, dtype=np.intp)
        if len(self.cuts):
            of_sequence = np.searchsorted(self.offsets, edges[:n_spans], "right").astype(
                np.intp) - 1
        # the number of cuts up to the beginning of each span
        of_cut = np.searchsorted(self.cuts, edges, "right").astype(np.intp)
        self.held = edges, by_length, of_sequence, of_cut
        edge, order = <const long long*>address(edges), <const Py_ssize_t*>address(by_length)
        sequence = <const Py_ssize_t*>address(of_sequence)
        cut = <const Py_ssize_t*>address(of_cut)
        m.chunk = self.chunk
        room = min(m.chunk, max(<Py_ssize_t>SHORTEST, self.n_rows // (self.width * STREAMS)))
        free(self.spans)
        self.spans = <Span*>calloc(n_spans, sizeof(Span))
        if self.spans == NULL:
            raise MemoryError("not enough memory for the kernel's buffers")
        self.lanes = np.zeros(n_spans + self.width + 1, np.intp)
        lanes = <Py_ssize_t*>address(self.lanes)
        lane, used = 0, 0
        for i in range(n_spans):
            at = order[i]
            length = edge[at + 1] - edge[at]
            if used > 0 and used + length > room:
                lane, used = lane + 1, 0
                lanes[lane] = i
            used += length
            longest = max(longest, used)
            self.spans[i].first, self.spans[i].end = edge[at], edge[at + 1]
            self.spans[i].sequence = sequence[at]
            self.spans[i].opens = at == 0 or sequence[at - 1] != sequence[at]
            self.spans[i].before = m.start if self.spans[i].opens else (
                before + (cut[at] - 1) * m.n_padded)
            self.spans[i].behind = NULL
            if at + 1 < n_spans and sequence[at + 1] == sequence[at]:
                self.spans[i].behind = behind + (cut[at + 1] - 1) * m.n_padded
        m.n_blocks = lane // self.width + 1
        for i in range(lane + 1, m.n_blocks * self.width + 1):
            lanes[i] = n_spans
        self.n_spans = n_spans
        m.spans, m.lane_first = self.spans, lanes
        m.chunk = min(m.chunk, up(longest, STATES))
        m.most_chunks = (longest + m.chunk - 1) // m.chunk
        self.log_likelihoods = np.empty(n_spans)
        self.astray = np.zeros(n_spans, np.uint8)
        m.log_likelihoods = <double*>address(self.log_likelihoods)
        m.astray = <unsigned char*>address(self.astray)
        return 0

    cdef int one_pass(self, Job *job, Work work, Py_ssize_t n_sums, int n_threads) except -1:
        """A pass; self.sums (n_sums,) are what blocks have added up."""
        cdef Plan plan
        cdef Py_ssize_t i
        cdef double *target
        cdef int status
        job.chain = &self.chain
        job.rows.n_samples = self.n_rows
        self.sums = np.zeros(n_sums)
        target = <double*>address(self.sums)
        status = make_plan(&plan, job, self.double_, work, n_sums, n_threads)
        if status == 0:
            with nogil:
                status = run(&plan, True)
                if status == 0:
                    for i in range(n_sums):
                        target[i] = plan.accumulators[i]
                free_plan(&plan)
        return check_status(status)

    cdef int expect(self, Job *job, Py_ssize_t n_sums, int n_threads) except -1:
        """Forward-backward: self.sums are those of `chain_block`, n_sums of emissions."""
        cdef Py_ssize_t i
        n_sums += self.chain.n_padded * (1 + 2 * self.chain.n_padded)
        self.cut(job, n_threads)
        while True:
            self.deal()
            self.one_pass(job, CHAINS, n_sums, n_threads)
            if not self.astray.any():
                return 0
            wrong = [self.spans[i].sequence for i in np.flatnonzero(self.astray)]
            of_cut = np.searchsorted(self.offsets, self.cuts, "right") - 1
            kept = ~np.isin(of_cut, wrong)
            if kept.all():
                return 0
            # what was lost at a cut may matter: these sequences are done as they are
            self.cuts = self.cuts[kept]
            self.before = np.ascontiguousarray(self.before[kept])
            self.behind = np.ascontiguousarray(self.behind[kept])

    cdef int decode(self, Job *job, int n_threads) except -1:
        """The best paths."""
        self.cuts = np.empty(0, np.intp)
        self.deal()
        self.chain.n_blocks = self.n_sequences
        return self.one_pass(job, PATHS, 0, n_threads)

    cdef object likelihoods(self):
        """Of the sequences."""
        out = np.zeros(self.n_sequences)
        cdef double *value = <double*>address(out)
        cdef Py_ssize_t i
        # spans of a sequence in any order of lengths, the same for every number of threads
        for i in range(self.n_spans):
            value[self.spans[i].sequence] += self.chain.log_likelihoods[i]
        return out

    cdef tuple expectations(self):
        """starts and transitions."""
        cdef Py_ssize_t K = self.chain.n_states, n = self.chain.n_padded
        over = self.sums[n:n + n * n].reshape(n, n)[:K, :K]
        other = self.sums[n + n * n:n + 2 * n * n].reshape(n, n)[:K, :K]
        return self.sums[:K].copy(), over * self.transmat + other

    cdef object of_emissions(self):
        """The sums behind these."""
        cdef Py_ssize_t n = self.chain.n_padded
        return self.sums[n * (1 + 2 * n):]
