"""How the driver deals a pass over Gaussian mixtures out to threads: its own plan, made and
thrown away. For tests, benchmarks and the page about numerics; nothing is computed."""

import heapq
from typing import NamedTuple

from libc.string cimport memset

from emkernels._simd.table cimport FULL, UNIFORM, Incomplete, Job, second_size
from emkernels.kernels.dispatch cimport table_of
from emkernels.kernels.driver cimport (
    MIXTURE, Plan, check_status, free_plan, make_plan, piece_at)
from emkernels.kernels.gaussians cimport covariance_code
from emkernels.kernels.threads cimport check_threads


class ThreadPlan(NamedTuple):
    """What the driver makes of a shape.

    Attributes
    ----------
    shared : bool
        Whether the threads share panels of rows and there is one copy of the sums.
    n_threads : int
        Threads that have something to do, of those that there may be.
    n_groups : int
        Copies of the sums, each with rows of its own; merged in order.
    n_blocks : int
        Blocks of rows: of a panel where these are shared, else of all rows.
    block_rows : int
        Rows of a block.
    n_steps : int
        Times that all threads wait for each other: panels and one more, or parts of all groups.
    n_units, n_bands : int
        Parts of the sums that threads take one after the other, and of these how many one
        component's triangle is cut into; 0 and 1 where there are groups.
    sum_bytes, scratch_bytes, panel_bytes : int
        Memory of all copies of the sums, of all threads and of the panels, of which one thread
        needs one and more need two.
    steps : list of list of tuple
        ``steps[s]`` holds the pieces of step s in the order in which they are dealt out: pairs of
        what is done ("densities", "moments" or "both") and how much it is, in rows, times a share
        of the sums for moments.
    """

    shared: bool
    n_threads: int
    n_groups: int
    n_blocks: int
    block_rows: int
    n_steps: int
    n_units: int
    n_bands: int
    sum_bytes: int
    scratch_bytes: int
    panel_bytes: int
    steps: list


class Share(NamedTuple):
    """How evenly work is dealt out.

    Attributes
    ----------
    efficiency : float
        Work over threads times what the busiest thread has, of one step after the other.
    least : float
        What the idlest thread has, over a fair share.
    """

    efficiency: float
    least: float


def plan_of(n_samples, n_features, n_components, covariance_type="full", dtype="float64",
            n_threads=None, *, missing=0):
    """The plan of `em_statistics`, by the driver itself; no row is needed.

    Parameters
    ----------
    n_samples, n_features, n_components : int
        The shape, each at least 1.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}
        That of the model.
    dtype : {'float64', 'float32'}
        Of the rows.
    n_threads : int, optional
        How many threads there may be.
    missing : int
        Values missing of every row, in each row others; 0 for complete rows.

    Returns
    -------
    ThreadPlan
        At the SIMD level in use.

    Raises
    ------
    ValueError
        For a shape that cannot be one, or another dtype.

    Examples
    --------
    >>> from emkernels.kernels.planning import plan_of
    >>> plan_of(60_000, 64, 256, n_threads=32).n_threads
    32
    """
    cdef Job job
    cdef Incomplete incomplete
    cdef signed char kind = UNIFORM
    cdef Plan plan
    cdef bint double_ = dtype == "float64"
    cdef Py_ssize_t length
    for name, value in (("n_samples", n_samples), ("n_features", n_features),
                        ("n_components", n_components)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if dtype not in ("float64", "float32"):
        raise ValueError(f"dtype must be 'float64' or 'float32', got {dtype!r}")
    if not 0 <= missing <= n_features:
        raise ValueError(f"missing must be 0 to n_features, got {missing}")
    memset(&job, 0, sizeof(Job))
    job.rows.n_samples, job.rows.n_features = n_samples, n_features
    job.gaussians.n_components, job.gaussians.n_features = n_components, n_features
    job.gaussians.covariance_type = covariance_code(covariance_type)
    job.first_moments = True
    job.second_moments = True
    job.skip = n_features > 4 and n_components > 1 and job.gaussians.covariance_type == FULL
    if missing:
        memset(&incomplete, 0, sizeof(Incomplete))
        incomplete.typical_missing = missing
        rows_of_tile = table_of(double_).mixed_rows(missing)
        if rows_of_tile:
            incomplete.most_mixed = missing
            incomplete.most_cells = table_of(double_).mixed_cells(rows_of_tile, missing)
        else:
            incomplete.most_missing, rows_of_tile = missing, 1
        if job.gaussians.covariance_type == FULL:
            incomplete.kinds = &kind        # not looked into before the pass
            incomplete.n_tiles = -(-n_samples // rows_of_tile)
            incomplete.n_runs = incomplete.n_tiles
        job.incomplete = &incomplete
    length = n_components + n_components * n_features + second_size(&job.gaussians) + 2
    check_status(make_plan(&plan, &job, double_, MIXTURE, length, check_threads(n_threads)))
    try:
        return described(&plan)
    finally:
        free_plan(&plan)


cdef object described(const Plan *plan):
    cdef Py_ssize_t panel = 0
    if plan.shared:
        panel = plan.panel_bytes * (1 if plan.n_threads == 1 else 2)
        steps = panel_steps(plan)
    else:
        steps = [[("both", rows) for rows in pieces] for pieces in group_steps(plan)]
    return ThreadPlan(
        bool(plan.shared), plan.n_threads, plan.n_groups, plan.n_blocks, plan.job.block_rows,
        len(steps), plan.n_units, max(<Py_ssize_t>1, plan.panel.n_bands),
        8 * plan.n_groups * plan.accumulator_length, plan.n_threads * plan.scratch_bytes, panel,
        steps)


cdef list panel_steps(const Plan *plan):
    """The sums of a panel beside the densities of the next."""
    cdef Py_ssize_t rows = plan.job.block_rows, size = plan.panel.n_tiles * plan.table.tile, u, i
    shares = [plan.table.unit_share(plan.job, &plan.panel, u, plan.n_units)
              for u in range(plan.n_units)]
    shares = [sum(shares[u:u + plan.in_turns]) for u in range(0, plan.n_units, plan.in_turns)]
    steps, full = [], 0
    for first in range(0, plan.n_panels * size + 1, size):
        count = max(0, min(size, plan.n_positions - first))
        units = [("moments", full * share) for share in shares] if full else []
        blocks = [("densities", min(rows, count - at) / plan.panel.n_parts)
                  for at in range(0, count, rows) for _ in range(plan.panel.n_parts)]
        pieces = units + blocks
        steps.append([pieces[piece_at(i, len(units), len(blocks))] for i in range(len(pieces))])
        full = count
    return steps


cdef list group_steps(const Plan *plan):
    """Rows of every group in every step, as run_group walks over its blocks."""
    cdef Py_ssize_t g, s, per = plan.blocks_per_step, n = plan.n_blocks, G = plan.n_groups
    cdef Py_ssize_t rows = plan.job.block_rows
    steps = [[] for _ in range(plan.n_steps)]
    for s in range(plan.n_steps):
        for g in range(G):
            if plan.dealt:
                blocks = range(g + s * per * G, min(n, g + (s + 1) * per * G), G)
            else:
                blocks = range(g * n // G + s * per,
                               min((g + 1) * n // G, g * n // G + (s + 1) * per))
            if len(blocks):
                # the last block of all may be short
                short = n * rows - plan.n_positions if max(blocks) == n - 1 else 0
                steps[s].append(len(blocks) * rows - short)
    return steps


def shares(plan, n_threads=None):
    """How evenly the work of a plan is dealt out.

    Each piece goes to the thread that is free first, in order, and all threads wait for the last
    of a step: the schedule of OpenMP's dynamic loops if pieces take as long as they are large,
    and the moments of a row as long as its densities.

    Parameters
    ----------
    plan : ThreadPlan
        As :func:`plan_of` gives it.
    n_threads : int, optional
        The threads there are, of which the plan may use fewer; by default those that it uses.

    Returns
    -------
    Share
        Of all the work.
    """
    n_threads = n_threads or plan.n_threads
    total, longest = [0] * n_threads, 0
    for pieces in plan.steps:
        busy = [(0, thread) for thread in range(min(plan.n_threads, n_threads))]
        for _, piece in pieces:
            until, thread = busy[0]
            heapq.heapreplace(busy, (until + piece, thread))
            total[thread] += piece
        longest += max(until for until, _ in busy)
    return Share(sum(total) / (n_threads * longest), min(total) * n_threads / sum(total))
