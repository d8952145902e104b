"""The driver of block kernels: a plan is made from a job, run in steps, merged and freed."""

from emkernels._simd.table cimport Job, Panel, Seeding, Table

cdef enum Work:
    MIXTURE
    KMEANS
    BOUNDED
    CLOSEST
    FACTORS
    CLASSES
    CHAINS
    CUTS
    PATHS

cdef enum Status:
    OUT_OF_MEMORY = -1
    INTERRUPTED = -2


ctypedef struct Plan:
    const Table *table
    Job *job
    Work work
    int n_threads
    Py_ssize_t n_positions      # of rows; those of a schedule of incomplete rows may be empty
    bint dealt                  # groups take blocks in turn, for their costs differ
    Py_ssize_t n_blocks
    Py_ssize_t n_groups         # depends on the shape of the problem only, never on threads
    Py_ssize_t n_steps          # a signal is looked for between steps
    Py_ssize_t blocks_per_step  # of one group
    Py_ssize_t accumulator_length
    Py_ssize_t scratch_bytes
    double *accumulators        # (n_groups, accumulator_length); merged into the first
    char *scratch
    const Seeding *seeding      # CLOSEST only
    void *memory
    size_t memory_bytes
    # large models: one copy of the sums, rows in panels that all threads share (see panels.pxi)
    bint shared
    Panel panel                 # the one that rows are read into
    Panel full                  # the one whose sums are made meanwhile
    Py_ssize_t n_panels
    Py_ssize_t panel_bytes      # of each of the two, or of the only one
    Py_ssize_t n_units          # parts of the sums
    Py_ssize_t in_turns         # of which a thread takes so many, over rows that are near
    double *tails               # (blocks of a panel, TAIL)
    bint interruptible          # a signal is looked for between pieces, by the calling thread
    double looked               # when
    int stopped


cdef int make_plan(Plan *plan, Job *job, bint is_double, Work work, Py_ssize_t accumulator_length,
                   int n_threads) noexcept nogil
cdef void free_plan(Plan *plan) noexcept nogil
cdef int run(Plan *plan, bint interruptible) noexcept nogil
cdef double *take_sums(Plan *plan) noexcept nogil
cdef void *room(size_t n_bytes) noexcept nogil
cdef int look_for_signal() noexcept nogil
cdef int check_status(int status) except -1


cdef enum:
    BAND_BYTES = 655360             # of a band of one triangle at most
    LEAST_RUNS = 4                  # of units that go over near rows in turns, for each thread
    MOST_IN_TURNS = 4               # units of these


cdef inline Py_ssize_t bands_of_triangles(const Job *job, int n_threads) noexcept nogil:
    """Parts of each triangle of sums: each stays in the second cache, and there are enough for the
    threads. No sum depends on them; rows are scaled again for each."""
    cdef Py_ssize_t K = job.gaussians.n_components, D = job.gaussians.n_features, near, enough
    near = (4 * D * (D + 1) + BAND_BYTES - 1) // BAND_BYTES
    # one component with gaps: the other threads have the tiles, which are few
    enough = (n_threads + 1) // 2 if job.incomplete != NULL and K == 1 else (
        3 * n_threads + 2 * K - 1) // (2 * K)
    return max(near, enough)


cdef inline Py_ssize_t units_in_turns(Py_ssize_t n_units, Py_ssize_t n_threads) noexcept nogil:
    """As many as leave every thread several pieces, and about as many as the others."""
    cdef Py_ssize_t some, rounds
    for some in range(n_units // (LEAST_RUNS * n_threads), 1, -1):
        rounds = ((n_units + some - 1) // some + n_threads - 1) // n_threads
        if 8 * rounds * some * n_threads <= 9 * n_units and some <= MOST_IN_TURNS:
            return some
    return 1


cdef inline Py_ssize_t apart(Py_ssize_t n_sums) noexcept nogil:
    """So many that those of two groups share no cache line: each row is added to some."""
    return n_sums + 8


cdef inline Py_ssize_t runs_of(const Plan *plan) noexcept nogil:
    """Pieces that the sums of a panel are dealt out in."""
    return (plan.n_units + plan.in_turns - 1) // plan.in_turns


cdef inline Py_ssize_t piece_at(Py_ssize_t i, Py_ssize_t n_runs,
                                Py_ssize_t n_blocks) noexcept nogil:
    """The i-th piece that is dealt out: below n_runs, units of sums, else a block of rows; those
    that take longer come first."""
    return (i + n_runs) % (n_runs + n_blocks) if n_blocks < n_runs else i
