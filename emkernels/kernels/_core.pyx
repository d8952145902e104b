"""Dispatch, threads, validation and the chunk driver that every kernel runs through."""

import importlib
import math
import os
import warnings

import numpy as np

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_GetPointer
from cython.parallel cimport prange
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from emkernels import _inputs
from emkernels._simd.table cimport FULL

cdef extern from "Python.h":
    int PyErr_CheckSignals()    # declared plain: the exception it sets is passed on as a status

cdef extern from "parallel.h" nogil:
    const char *EMK_LEVELS
    int EMK_OPENMP
    int emk_max_threads()
    int emk_num_procs()
    int emk_thread_num()
    int emk_in_parallel()
    long emk_process()
    int emk_processor_level()

# --- SIMD levels ---------------------------------------------------------------------

cdef const Table *tables[2]     # float, double
cdef str level_in_use = None
_LEVEL_RANK = {"baseline": 1, "v3": 2, "v4": 3}


def available_levels():
    """SIMD levels that were built and that this processor can run, best first."""
    built = EMK_LEVELS.decode().split(",")
    return [level for level in built if _LEVEL_RANK[level] <= emk_processor_level()]


def simd_level():
    """The SIMD level in use."""
    return level_in_use


def set_simd_level(str level):
    """Use another SIMD level from now on; for tests and benchmarks."""
    global level_in_use
    if level not in available_levels():
        raise ValueError(
            f"SIMD level {level!r} cannot be used: this build and processor offer "
            f"{', '.join(available_levels())}"
        )
    # only a level that the processor supports is ever imported
    for i, precision in enumerate(("float", "double")):
        module = importlib.import_module(f"emkernels._simd.{level}_{precision}")
        tables[i] = <const Table*>PyCapsule_GetPointer(module.table, b"emkernels._simd.Table")
    level_in_use = level


def _choose_level():
    available = available_levels()
    if not available:
        raise ImportError("emkernels needs an x86-64-v2 processor (SSE4.2, POPCNT)")
    wanted = os.environ.get("EMKERNELS_SIMD") or available[0]
    if wanted not in available:
        raise ImportError(
            f"EMKERNELS_SIMD={wanted} cannot be used: this build and processor offer "
            f"{', '.join(available)}"
        )
    set_simd_level(wanted)


_choose_level()


cdef const Table *table_of(bint is_double) noexcept nogil:
    return tables[is_double]


# --- threads -------------------------------------------------------------------------

cdef int cgroup_threads = 0
cdef long threaded_process = 0      # the process that has started OpenMP threads
cdef bint fork_warned = False


def has_openmp():
    """Whether the kernels were built with OpenMP."""
    return bool(EMK_OPENMP)


def _cgroup_cpus():
    """The CPU quota of the control group, as a number of CPUs, or None."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        try:
            with open("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") as file:
                quota = file.read().strip()
            with open("/sys/fs/cgroup/cpu/cpu.cfs_period_us") as file:
                period = file.read().strip()
        except OSError:
            return None
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return max(1, math.ceil(int(quota) / int(period)))


def effective_n_threads():
    """Threads used for ``n_threads=None``: the CPUs this process may run on, less where
    OMP_NUM_THREADS, an OpenMP limit set at run time or a control group's quota says so."""
    global cgroup_threads
    if cgroup_threads == 0:
        cgroup_threads = _cgroup_cpus() or 1024
    return min(emk_max_threads(), emk_num_procs(), cgroup_threads)


cdef int check_threads(object n_threads) except -1:
    """The number of threads to use; ValueError for what cannot be one."""
    global fork_warned
    cdef int n
    if n_threads is None:
        n = effective_n_threads()
    elif isinstance(n_threads, (bool, np.bool_)) or not hasattr(n_threads, "__index__"):
        raise TypeError(f"n_threads must be None, -1 or a positive integer, got {n_threads!r}")
    elif n_threads == -1:
        n = emk_num_procs()
    elif n_threads < 1:
        raise ValueError(f"n_threads must be None, -1 or a positive integer, got {n_threads!r}")
    else:
        n = min(n_threads, 1024)
    if n > 1 and forked():
        if not fork_warned:
            fork_warned = True
            warnings.warn(
                "this process was forked after emkernels had started threads: it runs on one "
                "thread (use the 'spawn' or 'forkserver' start method to have more)",
                RuntimeWarning,
                stacklevel=2,
            )
        n = 1
    return n


cdef bint forked() noexcept nogil:
    # libgomp's threads do not survive a fork, and waiting for them hangs
    return threaded_process != 0 and threaded_process != emk_process()


# --- the chunk driver ----------------------------------------------------------------

cdef enum:
    MAX_GROUPS = 64
    MIN_GROUPS = 4
    ACCUMULATOR_BUDGET = 33554432   # bytes for all groups
    STEP_WORK = 1000000000          # operations of one thread between looks for a signal


cdef int make_plan(Plan *plan, Job *job, bint is_double, Work work, Py_ssize_t accumulator_length,
                   int n_threads) noexcept nogil:
    """Cut the rows into blocks and the blocks into groups; -1 when memory is short.

    The cut depends on the shape of the problem alone, each group has its own
    accumulators, and they are merged in order: the result has the same bits for every
    number of threads.
    """
    cdef Py_ssize_t n = job.rows.n_samples, budget, most_blocks
    cdef double work_of_block, m
    memset(plan, 0, sizeof(Plan))
    plan.table = table_of(is_double)
    plan.job = job
    plan.work = work
    if job.incomplete != NULL and job.incomplete.kinds != NULL:
        plan.dealt = True
        n = job.incomplete.n_tiles * plan.table.tile
    plan.n_positions = n
    job.block_rows = plan.table.block_rows(job)
    plan.n_blocks = (n + job.block_rows - 1) // job.block_rows
    plan.accumulator_length = accumulator_length
    plan.n_groups = MAX_GROUPS
    budget = ACCUMULATOR_BUDGET // (8 * max(<Py_ssize_t>1, accumulator_length))
    while plan.n_groups > MIN_GROUPS and plan.n_groups > budget:
        plan.n_groups //= 2
    plan.n_groups = max(<Py_ssize_t>1, min(plan.n_groups, plan.n_blocks))
    plan.n_threads = <int>min(<Py_ssize_t>n_threads, plan.n_groups)
    if forked() or emk_in_parallel():
        plan.n_threads = 1
    work_of_block = (<double>job.block_rows * job.gaussians.n_components
                     * (30 + job.gaussians.n_features * (4.0 + (
                         2.0 * job.gaussians.n_features
                         if job.gaussians.covariance_type == FULL else 0.0))))
    if plan.dealt:
        m = job.incomplete.typical_missing
        work_of_block += (<double>job.block_rows * job.gaussians.n_components
                          * m * m * (m + job.gaussians.n_features))
    most_blocks = (plan.n_blocks + plan.n_groups - 1) // plan.n_groups
    plan.blocks_per_step = <Py_ssize_t>min(
        <double>most_blocks,
        1 + STEP_WORK * <double>plan.n_threads / plan.n_groups / work_of_block)
    plan.blocks_per_step = max(<Py_ssize_t>1, plan.blocks_per_step)
    plan.n_steps = (most_blocks + plan.blocks_per_step - 1) // plan.blocks_per_step
    plan.scratch_bytes = (plan.table.scratch_bytes(job) + 4096 + 127) // 64 * 64
    plan.memory = malloc(plan.n_threads * plan.scratch_bytes + 64)
    plan.accumulators = <double*>calloc(plan.n_groups * max(<Py_ssize_t>1, accumulator_length), 8)
    if plan.memory == NULL or plan.accumulators == NULL:
        free_plan(plan)
        return OUT_OF_MEMORY
    plan.scratch = <char*>((<uintptr_t>plan.memory + 63) // 64 * 64)
    return 0


cdef void run_step(Plan *plan, Py_ssize_t step) noexcept nogil:
    """The step's blocks of every group, groups side by side."""
    global threaded_process
    cdef Py_ssize_t g
    if plan.n_threads == 1:
        for g in range(plan.n_groups):
            run_group(plan, g, step, plan.scratch)
        return
    threaded_process = emk_process()
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
        else:
            plan.table.closest_block(job, first, count, scratch, plan.seeding)
        block += stride


cdef void merge(Plan *plan) noexcept nogil:
    """Add the groups into the first, in order."""
    cdef Py_ssize_t i, g, n = plan.accumulator_length
    cdef double *total = plan.accumulators
    for g in range(1, plan.n_groups):
        for i in range(n):
            total[i] += plan.accumulators[g * n + i]


cdef void free_plan(Plan *plan) noexcept nogil:
    free(plan.memory)
    free(plan.accumulators)
    plan.memory = NULL
    plan.accumulators = NULL


cdef int run(Plan *plan, bint interruptible) noexcept nogil:
    """All steps, then the merge. INTERRUPTED, with the exception set, when a signal
    handler raised between two steps; only callers from Python ask for that."""
    cdef Py_ssize_t step
    for step in range(plan.n_steps):
        run_step(plan, step)
        if interruptible and step + 1 < plan.n_steps and look_for_signal() != 0:
            return INTERRUPTED
    merge(plan)
    return 0


cdef int look_for_signal() noexcept nogil:
    """INTERRUPTED, with the exception set, when a signal handler raised; else 0."""
    with gil:
        return INTERRUPTED if PyErr_CheckSignals() != 0 else 0


cdef int check_status(int status) except -1:
    """Turn the status of a nogil kernel into its exception."""
    if status == OUT_OF_MEMORY:
        raise MemoryError("not enough memory for the kernel's buffers")
    return -1 if status == INTERRUPTED else 0


# --- arguments -----------------------------------------------------------------------

cdef bint is_double(object X) except -1:
    return X.dtype.itemsize == 8


cdef object as_matrix(object array, str name, bint missing=False):
    """A 2-d float32 or float64 array, the caller's own where it is one; missing: whether masked
    cells may be missing values."""
    array = _inputs.as_rows(array, name, missing=missing)
    if array.ndim != 2:
        raise ValueError(f"{name} must be a 2-d array, got {array.ndim} dimension(s)")
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise ValueError(f"{name} must have at least one row and one column, got {array.shape}")
    return array


cdef object as_float64(object array, str name, tuple shape):
    """A finite C-contiguous float64 array of the given shape (None: any size)."""
    cdef const double *values
    cdef Py_ssize_t i, n
    array = np.ascontiguousarray(_inputs.as_rows(array, name, missing=False), dtype=np.float64)
    if array.ndim != len(shape):
        raise ValueError(f"{name} must have {len(shape)} dimension(s), got shape {array.shape}")
    for i in range(len(shape)):
        if shape[i] is not None and array.shape[i] != shape[i]:
            wanted = str(shape).replace("None", "any")
            raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
    values = <const double*>address(array)
    n = array.size
    for i in range(n):
        if values[i] - values[i] != 0:
            raise ValueError(
                f"{name} contains {values[i]} at index "
                f"{', '.join(map(str, np.unravel_index(i, array.shape)))}"
            )
    return array


cdef object as_centers(object centers, str name, object X):
    """Checked centres of at least one component, for the columns of X."""
    centers = as_float64(centers, name, (None, X.shape[1]))
    if centers.shape[0] == 0:
        raise ValueError(f"{name} must have at least one row")
    if not is_double(X) and max(centers.max(), -centers.min()) > np.finfo(np.float32).max:
        raise ValueError(f"{name} must fit into float32, the precision of X")
    return centers


cdef object as_weights(object sample_weight, Py_ssize_t n_samples):
    """Contiguous float64 weights, none negative, some positive; None stays None."""
    cdef const double *w
    cdef Py_ssize_t i
    cdef double total = 0
    if sample_weight is None:
        return None
    sample_weight = as_float64(sample_weight, "sample_weight", (n_samples,))
    w = <const double*>address(sample_weight)
    for i in range(n_samples):
        if w[i] < 0:
            raise ValueError(f"sample_weight must not be negative, got {w[i]} at row {i}")
        total += w[i]
    if not total > 0:
        raise ValueError("sample_weight must have a positive sum, every weight is zero")
    return sample_weight


cpdef tuple weights_in_unit(object sample_weight, object dtype):
    """Checked weights as rows of `dtype` can have them, and the unit that they are then in.

    float32 blocks hold the weights in float32: the largest is brought into [1/2, 1) by a power of
    two, which rounds nothing. Statistics times the unit are those of the weights given.
    """
    if sample_weight is None or dtype != np.float32:
        return sample_weight, 1.0
    largest = sample_weight.max()
    if 2.0**-40 < largest <= 1:
        return sample_weight, 1.0
    exponent = int(np.frexp(largest)[1])
    return np.ldexp(sample_weight, -exponent), math.ldexp(1.0, exponent)


cdef object as_labels(object labels, Py_ssize_t n_samples, Py_ssize_t n_components, str name):
    """Contiguous int32 labels in -1 .. n_components - 1."""
    cdef const int *values
    cdef Py_ssize_t i
    if type(labels) is not np.ndarray or labels.dtype.kind not in "iu":
        labels = _inputs.as_labels(labels, n_samples, n_components, name, classes=False)[0]
    if labels.shape != (n_samples,):
        raise ValueError(f"{name} must have shape ({n_samples},), got {labels.shape}")
    if labels.dtype != np.int32:
        outside = (labels < -1) | (labels >= n_components)
        if outside.any():
            i = int(outside.argmax())
            raise ValueError(
                f"{name} must lie in -1 .. {n_components - 1}, got {labels[i]} at row {i}"
            )
    labels = np.ascontiguousarray(labels, dtype=np.int32)
    values = <const int*>address(labels)
    for i in range(n_samples):
        if values[i] < -1 or values[i] >= n_components:
            raise ValueError(
                f"{name} must lie in -1 .. {n_components - 1}, got {values[i]} at row {i}"
            )
    return labels


cdef object output(object out, tuple shape, object dtype, str name):
    """A C-contiguous array to write to: `out` checked, or a new one."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be a numpy array, got {type(out).__name__}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(
            f"{name} must have shape {shape} and dtype {np.dtype(dtype)}, "
            f"got {out.shape} and {out.dtype}"
        )
    if not out.flags.c_contiguous or not out.flags.aligned:
        raise ValueError(f"{name} must be C-contiguous and aligned")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only")
    return out


cdef void *address(object array) except? NULL:
    """Address of the first element; the array must outlive its use."""
    cdef Py_buffer view
    cdef void *data
    PyObject_GetBuffer(array, &view, PyBUF_STRIDES)
    data = view.buf
    PyBuffer_Release(&view)
    return data


cdef Rows rows_at(const char *X, Py_ssize_t n_samples, Py_ssize_t n_features,
                  Py_ssize_t row_stride, Py_ssize_t column_stride, Py_ssize_t itemsize,
                  const double *sample_weight) noexcept nogil:
    cdef Rows rows
    memset(&rows, 0, sizeof(Rows))
    rows.x = X
    rows.n_samples = n_samples
    rows.n_features = n_features
    rows.row_stride = row_stride * itemsize
    rows.column_stride = column_stride * itemsize
    rows.sample_weight = sample_weight
    return rows


cdef int set_rows(Rows *rows, object X) except -1:
    cdef Py_buffer view
    memset(rows, 0, sizeof(Rows))
    PyObject_GetBuffer(X, &view, PyBUF_STRIDES)
    rows.x = <const char*>view.buf
    rows.n_samples = view.shape[0]
    rows.n_features = view.shape[1]
    rows.row_stride = view.strides[0]
    rows.column_stride = view.strides[1]
    PyBuffer_Release(&view)
    return 0


cdef double check_rows_finite(const Rows *rows, bint is_double, str name) except -1:
    """The largest absolute value; ValueError naming the row and column of the first NaN or
    infinity."""
    cdef Py_ssize_t chunk = 65536 // rows.n_features + 1, first = 0, found = -1, _i
    cdef const Table *table = table_of(is_double)
    cdef double largest = 0
    while first < rows.n_samples and found < 0:
        with nogil:
            for _i in range(256):
                if first < rows.n_samples and found < 0:
                    found = table.first_nonfinite(
                        rows, first, min(chunk, rows.n_samples - first), &largest)
                    first += chunk
        check_status(look_for_signal())
    if found >= 0:
        raise ValueError(
            f"{name} contains NaN or infinity, first at row {found // rows.n_features}, "
            f"column {found % rows.n_features}"
        )
    return largest


def check_finite(X, name="X"):
    """The largest absolute value of X (2-d, real); ValueError naming the first row and column
    with NaN (or a masked cell) or infinity."""
    cdef Rows rows
    X = as_matrix(X, name, True)
    set_rows(&rows, X)
    return check_rows_finite(&rows, is_double(X), name)


def check_sample_weight(sample_weight, Py_ssize_t n_samples):
    """Contiguous float64 weights (n_samples,), none negative, some positive; ValueError naming
    the row otherwise."""
    return as_weights(sample_weight, n_samples)


def check_labels(labels, Py_ssize_t n_samples, Py_ssize_t n_components, name="labels"):
    """Contiguous int32 labels (n_samples,) in -1 .. n_components - 1, -1 where one is missing;
    ValueError naming the row otherwise."""
    return as_labels(labels, n_samples, n_components, name)


# --- for the tests -------------------------------------------------------------------

def _vector_function(x, str name):
    """exp or log of a contiguous array by the vector code of the level in use."""
    x = np.ascontiguousarray(x)
    out = np.empty_like(x)
    cdef const Table *table = table_of(is_double(x))
    if name == "exp":
        table.exp_array(<const char*>address(x), <char*>address(out), x.size)
    else:
        table.log_array(<const char*>address(x), <char*>address(out), x.size)
    return out
