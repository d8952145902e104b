"""The one driver of block kernels: cuts rows into blocks, runs them in threads, adds up."""

from cython.parallel cimport prange
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from emkernels._simd.table cimport FULL, TIED, Incomplete, second_size
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.rooms cimport leave_room, take_room, take_zeros
from emkernels.kernels.threads cimport forked, note_threads

cdef extern from "Python.h":
    int PyErr_CheckSignals()    # declared plain: the exception it sets is passed on as a status

cdef extern from "parallel.h" nogil:
    int emk_thread_num()
    int emk_in_parallel()
    double emk_seconds()
    int emk_is_up(const int *flag)
    void emk_raise(int *flag)

cdef enum:
    GROUPS = 64
    MOST_GROUPS = 256               # of small sums of many rows, so that many threads end together
    GROUP_ROWS = 1024               # of each of these at least
    EVEN_BLOCKS = 8                 # of a group, up to which they are made even
    SMALL_BUDGET = 8388608          # bytes for all of these
    MIN_GROUPS = 4
    ACCUMULATOR_BUDGET = 33554432   # bytes for all groups
    SLICE = 1024                    # sums that one thread merges at a time
    SHARED_LENGTH = 65536           # sums from which on there is one copy of them
    PANEL_TILES = 64                # at most
    FORMER_GROUPS = 4               # extra memory is at most what so many groups of rows, each
    FORMER_SUMS = 16777216          # with sums of its own, would take: so many bytes at least,
    FORMER_SCRATCH = 1000000        # and scratch for each, and more of wide rows
    MANY_THREADS = 32               # that this is kept with
    PANEL_BUDGET = 67108864         # bytes of both panels at most
    LEAST_BUDGET = 16777216         # and so many where scratch leaves nothing
    MOST_UNITS = 256
    # rows with missing values
    RUN_QUARTERS = 5                # of a tile, that a pattern may have in the mean
    GAP_TILES = 14                  # of a panel at least,
    PART_TILES = 2                  # or these where threads share a tile, by components
    PART_PIECES = 64                # as many pieces then
    MOST_GAP_TILES = 16             # at most
    FORMER_GAPS = 4000000           # instead of FORMER_SCRATCH
    GAP_BUDGET = 36000000           # bytes of both panels at most
    TAIL = 3
    STEP_WORK = 1000000000          # operations of one thread between looks for a signal

cdef double LOOK_SECONDS = 0.02     # the same where threads share panels


cdef int make_plan(Plan *plan, Job *job, bint is_double, Work work, Py_ssize_t accumulator_length,
                   int n_threads) noexcept nogil:
    """Cut the rows into blocks and the blocks into groups; -1 when memory is short.

    The cut depends on the shape of the problem alone, each group has its own
    accumulators, and they are merged in order: the result has the same bits for every
    number of threads.
    """
    cdef Py_ssize_t n = job.rows.n_samples, budget, each, most_blocks
    cdef double work_of_block, m
    memset(plan, 0, sizeof(Plan))
    plan.table = table_of(is_double)
    plan.job = job
    plan.work = work
    if job.incomplete != NULL and job.incomplete.kinds != NULL:
        plan.dealt = True
        n = job.incomplete.n_tiles * plan.table.tile
    if job.chain != NULL:
        n = job.chain.n_blocks
    plan.n_positions = n
    plan.accumulator_length = accumulator_length
    if is_shared(plan):
        return plan_panels(plan, n_threads)
    job.block_rows = plan.table.block_rows(job)
    plan.n_blocks = (n + job.block_rows - 1) // job.block_rows
    each = 8 * max(<Py_ssize_t>1, accumulator_length)
    plan.n_groups = max(<Py_ssize_t>GROUPS, min(
        min(<Py_ssize_t>MOST_GROUPS, n // GROUP_ROWS), SMALL_BUDGET // each) // GROUPS * GROUPS)
    budget = ACCUMULATOR_BUDGET // each
    while plan.n_groups > MIN_GROUPS and plan.n_groups > budget:
        plan.n_groups //= 2
    if job.factors != NULL:     # wide sums, which rows that are few would hardly fill
        plan.n_groups = max(<Py_ssize_t>MIN_GROUPS, min(
            plan.n_groups, n // (32 * job.gaussians.n_components)))
    if work == MIXTURE and plan.n_groups >= GROUPS and not plan.dealt:
        even_blocks(plan)
    plan.n_groups = max(<Py_ssize_t>1, min(plan.n_groups, plan.n_blocks))
    plan.n_threads = allowed_threads(n_threads, plan.n_groups)
    work_of_block = (<double>job.block_rows * job.gaussians.n_components
                     * (30 + job.gaussians.n_features * (4.0 + (
                         2.0 * job.gaussians.n_features
                         if job.gaussians.covariance_type == FULL else 0.0)
                         + (4.0 * job.factors.n_factors if job.factors != NULL else 0.0))))
    if plan.dealt:
        m = job.incomplete.typical_missing
        work_of_block += (<double>job.block_rows * job.gaussians.n_components
                          * m * m * (m + job.gaussians.n_features))
    if job.chain != NULL:
        m = job.chain.n_padded
        work_of_block += 6 * m * m
        work_of_block *= <double>job.rows.n_samples / job.chain.n_blocks
    most_blocks = (plan.n_blocks + plan.n_groups - 1) // plan.n_groups
    plan.blocks_per_step = <Py_ssize_t>min(
        <double>most_blocks,
        1 + STEP_WORK * <double>plan.n_threads / plan.n_groups / work_of_block)
    plan.blocks_per_step = max(<Py_ssize_t>1, plan.blocks_per_step)
    plan.n_steps = (most_blocks + plan.blocks_per_step - 1) // plan.blocks_per_step
    return allocate(plan, plan.table.scratch_bytes(job), 0)


cdef void even_blocks(Plan *plan) noexcept nogil:
    """Blocks that are few for a group are made a little longer or shorter, so that every group has
    as many."""
    cdef Py_ssize_t n = plan.n_positions, G = plan.n_groups, tile = plan.table.tile
    cdef Py_ssize_t of_group = (n + G - 1) // G, old = plan.job.block_rows, rows, blocks
    for blocks in range(max(<Py_ssize_t>1, of_group // old), of_group // old + 2):
        rows = (of_group + blocks * tile - 1) // (blocks * tile) * tile
        if blocks <= EVEN_BLOCKS and plan.n_blocks > G and 7 * old <= 8 * rows <= 9 * old:
            plan.job.block_rows = rows
            plan.n_blocks = (n + rows - 1) // rows
            return


cdef int allocate(Plan *plan, Py_ssize_t scratch_bytes, Py_ssize_t panel_bytes) noexcept nogil:
    plan.scratch_bytes = (scratch_bytes + 4096 + 127) // 64 * 64
    plan.memory_bytes = plan.n_threads * plan.scratch_bytes + panel_bytes + 64
    plan.memory = take_room(plan.memory_bytes)
    plan.accumulators = <double*>take_zeros(sums_bytes(plan), plan.n_threads)
    if plan.memory == NULL or plan.accumulators == NULL:
        free_plan(plan)
        return OUT_OF_MEMORY
    plan.scratch = <char*>((<uintptr_t>plan.memory + 63) // 64 * 64)
    plan.panel.memory = plan.scratch + plan.n_threads * plan.scratch_bytes
    return 0


cdef inline size_t sums_bytes(const Plan *plan) noexcept nogil:
    return 8 * plan.n_groups * max(<Py_ssize_t>1, plan.accumulator_length)


cdef int allowed_threads(int n_threads, Py_ssize_t parts) noexcept nogil:
    if forked() or emk_in_parallel():
        return 1
    return <int>min(<Py_ssize_t>n_threads, parts)


cdef bint is_shared(const Plan *plan) noexcept nogil:
    """Whether the sums are too many to have them several times. That the threads share the rows
    instead depends on the shape of the problem alone."""
    cdef const Job *job = plan.job
    cdef const Incomplete *inc = job.incomplete
    if not (plan.work == MIXTURE and plan.accumulator_length >= SHARED_LENGTH
            and job.first_moments and job.field == NULL and job.gaussians.dfs == NULL
            and job.gaussians.covariance_type != TIED):
        return False
    if inc == NULL:
        return True
    # tiles of one pattern would each have its matrices made again
    return (plan.dealt and job.second_moments and job.gaussians.n_features > 4
            and RUN_QUARTERS * inc.n_runs >= 4 * inc.n_tiles and gap_tiles(plan) > 0)


cdef Py_ssize_t room_of(const Plan *plan) noexcept nogil:
    """Bytes of both panels."""
    cdef const Job *job = plan.job
    cdef Py_ssize_t each = 8 * plan.accumulator_length, D = job.gaussians.n_features, room
    room = max(FORMER_GROUPS * each, <Py_ssize_t>FORMER_SUMS) + FORMER_GROUPS * (
        (FORMER_SCRATCH if job.incomplete == NULL else FORMER_GAPS) + 4 * D * D)
    return min(room - each - MANY_THREADS * plan.table.share_bytes(job), <Py_ssize_t>PANEL_BUDGET)


cdef Py_ssize_t gap_tiles(const Plan *plan) noexcept nogil:
    """Of a panel of rows with missing values; 0: there is no room for enough of them."""
    cdef Py_ssize_t each = 2 * plan.table.panel_bytes(plan.job, 1), tiles
    tiles = min(<Py_ssize_t>MOST_GAP_TILES, room_of(plan) // each)
    if tiles < GAP_TILES and GAP_TILES * each <= GAP_BUDGET:
        return GAP_TILES
    if tiles < GAP_TILES and (plan.job.gaussians.n_components == 1 or tiles < PART_TILES
                              or plan.job.incomplete.imputed_out != NULL):
        return 0
    return tiles


cdef int plan_panels(Plan *plan, int n_threads) noexcept nogil:
    """Panels of rows, their blocks and the parts of the sums; -1 when memory is short."""
    cdef Job *job = plan.job
    cdef Py_ssize_t tile = plan.table.tile, K = job.gaussians.n_components, tiles, all_tiles
    cdef Py_ssize_t room = room_of(plan)
    all_tiles = max(<Py_ssize_t>1, (plan.n_positions + tile - 1) // tile)
    tiles = PANEL_TILES
    plan.panel.n_parts = 1
    if job.incomplete != NULL:
        tiles = gap_tiles(plan)
        if tiles < GAP_TILES:
            plan.panel.n_parts = min(K, (PART_PIECES + tiles - 1) // tiles)
    while job.incomplete == NULL and tiles > 4 and 2 * plan.table.panel_bytes(job, tiles) > max(
            room, LEAST_BUDGET if tiles <= PANEL_TILES // 2 else 0):
        tiles //= 2
    plan.n_panels = (all_tiles + tiles - 1) // tiles
    tiles = (all_tiles + plan.n_panels - 1) // plan.n_panels
    plan.n_panels = (all_tiles + tiles - 1) // tiles    # fewer, where that was rounded up
    plan.shared = True
    plan.n_groups = 1
    plan.panel.n_tiles = plan.n_blocks = tiles      # a block is a tile
    plan.panel.n_bands = min(bands_of_triangles(job, n_threads), plan.table.most_bands(job))
    job.block_rows = tile
    plan.panel_bytes = plan.table.panel_bytes(job, tiles)
    plan.n_units = min(<Py_ssize_t>MOST_UNITS, K)
    if plan.panel.n_bands > 1:
        plan.n_units = K * plan.panel.n_bands
    plan.n_threads = allowed_threads(
        n_threads, plan.n_blocks * plan.panel.n_parts + plan.n_units)
    plan.in_turns = units_in_turns(plan.n_units, plan.n_threads)
    plan.tails = <double*>malloc(plan.n_blocks * TAIL * sizeof(double))
    if plan.tails == NULL:
        return OUT_OF_MEMORY
    return allocate(plan, plan.table.share_bytes(job),
                    plan.panel_bytes * (1 if plan.n_threads == 1 else 2))


cdef int run_panels(Plan *plan) noexcept nogil:
    """The densities of a panel's rows, and meanwhile the sums of the panel before; then both of
    the next. One thread needs but one panel, for it makes the sums first."""
    cdef Py_ssize_t s, i, n_runs, n_blocks, n_pieces
    cdef char *memory = plan.panel.memory
    if plan.n_threads > 1:
        note_threads()
    for s in range(plan.n_panels + 1):
        n_runs = 0 if s == 0 else runs_of(plan)
        plan.full = plan.panel
        plan.panel.first = s * plan.panel.n_tiles * plan.job.block_rows
        n_blocks = 0
        if s < plan.n_panels:
            n_blocks = blocks_in(plan, &plan.panel)
        n_pieces = n_blocks * plan.panel.n_parts
        if plan.n_threads == 1:
            for i in range(n_runs + n_pieces):
                run_piece(plan, i, n_runs, 0)
        else:
            plan.panel.memory = memory + s % 2 * plan.panel_bytes
            for i in prange(n_runs + n_pieces, schedule="dynamic", chunksize=1,
                            num_threads=plan.n_threads):
                run_piece(plan, piece_at(i, n_runs, n_pieces), n_runs, emk_thread_num())
        if plan.stopped:
            return INTERRUPTED
        if plan.panel.n_parts > 1:      # little beside the densities
            for i in range(n_blocks):
                plan.table.close_rows(
                    plan.job, &plan.panel, i, plan.panel.first + i * plan.job.block_rows,
                    plan.job.block_rows, plan.scratch, plan.tails + i * TAIL)
        add_tails(plan, n_blocks)
    return 0


cdef inline Py_ssize_t blocks_in(const Plan *plan, const Panel *panel) noexcept nogil:
    cdef Py_ssize_t tile = plan.table.tile
    return min(panel.n_tiles, (plan.n_positions - panel.first + tile - 1) // tile)


cdef void run_piece(Plan *plan, Py_ssize_t i, Py_ssize_t n_runs, int thread) noexcept nogil:
    """Units of one panel's sums, or behind them a block of the other's rows."""
    cdef char *scratch = plan.scratch + thread * plan.scratch_bytes
    cdef Py_ssize_t piece = i - n_runs, block = piece // plan.panel.n_parts, first
    if thread == 0 and plan.interruptible and emk_seconds() - plan.looked > LOOK_SECONDS:
        if look_for_signal() != 0:
            emk_raise(&plan.stopped)
        plan.looked = emk_seconds()
    if emk_is_up(&plan.stopped):
        return
    if i < n_runs:
        plan.table.panel_sums(plan.job, &plan.full, blocks_in(plan, &plan.full),
                              i * plan.in_turns, min(plan.n_units, (i + 1) * plan.in_turns),
                              plan.n_units, scratch, plan.accumulators)
        return
    first = plan.panel.first + block * plan.job.block_rows
    plan.table.panel_rows(plan.job, &plan.panel, piece, first,
                          min(plan.job.block_rows, plan.n_positions - first), scratch,
                          plan.tails + block * TAIL)


cdef void add_tails(Plan *plan, Py_ssize_t n_blocks) noexcept nogil:
    cdef const Job *job = plan.job
    cdef Py_ssize_t i, j
    cdef double *tail = plan.accumulators + (
        job.gaussians.n_components * (1 + job.gaussians.n_features)
        + second_size(&job.gaussians))
    for i in range(n_blocks):
        for j in range(2 + (job.noise != NULL)):
            tail[j] += plan.tails[i * TAIL + j]


cdef void run_step(Plan *plan, Py_ssize_t step) noexcept nogil:
    """The step's blocks of every group, groups side by side."""
    cdef Py_ssize_t g
    if plan.n_threads == 1:
        for g in range(plan.n_groups):
            run_group(plan, g, step, plan.scratch)
        return
    note_threads()
    for g in prange(plan.n_groups, schedule="dynamic", chunksize=1, num_threads=plan.n_threads):
        run_group(plan, g, step, plan.scratch + emk_thread_num() * plan.scratch_bytes)


cdef void run_group(const Plan *plan, Py_ssize_t g, Py_ssize_t step, char *scratch) noexcept nogil:
    cdef const Job *job = plan.job
    cdef double *accumulators = plan.accumulators + g * plan.accumulator_length
    cdef Py_ssize_t block, first, count, stride = 1
    cdef Py_ssize_t end = (g + 1) * plan.n_blocks // plan.n_groups
    block = g * plan.n_blocks // plan.n_groups + step * plan.blocks_per_step
    if plan.dealt:
        stride = plan.n_groups
        block = g + step * plan.blocks_per_step * stride
        end = plan.n_blocks
    end = min(end, block + plan.blocks_per_step * stride)
    while block < end:
        first = block * job.block_rows
        count = min(job.block_rows, plan.n_positions - first)
        if plan.work == MIXTURE:
            plan.table.mixture_block(job, first, count, scratch, accumulators)
        elif plan.work == KMEANS:
            plan.table.kmeans_block(job, first, count, scratch, accumulators)
        elif plan.work == BOUNDED:
            plan.table.bounded_block(job, first, count, scratch, accumulators)
        elif plan.work == FACTORS:
            plan.table.factor_block(job, first, count, scratch, accumulators)
        elif plan.work == CLASSES:
            plan.table.class_block(job, first, count, scratch, accumulators)
        elif plan.work == CHAINS:
            plan.table.chain_block(job, first, scratch, accumulators)
        elif plan.work == CUTS:
            plan.table.chain_cuts(job, first, scratch)
        elif plan.work == PATHS:
            plan.table.best_path(job, first, scratch)
        else:
            plan.table.closest_block(job, first, count, scratch, plan.seeding)
        block += stride


cdef void merge(Plan *plan) noexcept nogil:
    """Add the groups into the first, in order."""
    cdef Py_ssize_t i, n = plan.accumulator_length, n_slices = (n + SLICE - 1) // SLICE
    if plan.n_threads == 1 or n_slices * plan.n_groups < 64:
        merge_slice(plan, 0, n)
        return
    for i in prange(n_slices, schedule="static", num_threads=plan.n_threads):
        merge_slice(plan, i * SLICE, min(n, (i + 1) * SLICE))


cdef void merge_slice(Plan *plan, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t i, g, n = plan.accumulator_length
    cdef double *total = plan.accumulators
    for g in range(1, plan.n_groups):
        for i in range(first, end):
            total[i] += plan.accumulators[g * n + i]


cdef void free_plan(Plan *plan) noexcept nogil:
    leave_room(plan.memory, plan.memory_bytes)
    leave_room(plan.accumulators, sums_bytes(plan))
    free(plan.tails)
    plan.tails = NULL
    plan.memory = NULL
    plan.accumulators = NULL


cdef int run(Plan *plan, bint interruptible) noexcept nogil:
    """All steps, then the merge. INTERRUPTED, with the exception set, when a signal
    handler raised meanwhile; only callers from Python ask for that."""
    cdef Py_ssize_t step
    if plan.shared:
        plan.interruptible, plan.looked = interruptible, emk_seconds()
        return run_panels(plan)
    for step in range(plan.n_steps):
        run_step(plan, step)
        if interruptible and step + 1 < plan.n_steps and look_for_signal() != 0:
            return INTERRUPTED
    merge(plan)
    return 0


cdef double *take_sums(Plan *plan) noexcept nogil:
    """The merged sums, which are the caller's to free."""
    cdef double *sums = plan.accumulators
    plan.accumulators = NULL
    return sums


cdef void *room(size_t n_bytes) noexcept nogil:
    """Memory to be freed."""
    return take_room(n_bytes)


cdef int look_for_signal() noexcept nogil:
    """INTERRUPTED, with the exception set, when a signal handler raised; else 0."""
    with gil:
        return INTERRUPTED if PyErr_CheckSignals() != 0 else 0


cdef int check_status(int status) except -1:
    """Turn the status of a nogil kernel into its exception."""
    if status == OUT_OF_MEMORY:
        raise MemoryError("not enough memory for the kernel's buffers")
    return -1 if status == INTERRUPTED else 0
