"""How many threads a kernel may start, and whether it may start any."""

import contextlib
import math
import warnings

import numpy as np

cdef extern from "parallel.h" nogil:
    int EMK_OPENMP
    int emk_max_threads()
    int emk_num_procs()
    long emk_process()

cdef extern from *:
    """
    #if defined(_MSC_VER)
    static __declspec(thread) int emk_own_threads = 0;
    #else
    static __thread int emk_own_threads = 0;
    #endif
    """
    int emk_own_threads     # what None means in this thread; 0: effective_n_threads()

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
        n = emk_own_threads or effective_n_threads()
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


@contextlib.contextmanager
def own_n_threads(n_threads):
    """What ``n_threads=None`` means to the kernels that this thread calls meanwhile: an M-step
    knows no rows, and has the threads that their passes had."""
    global emk_own_threads
    cdef int before = emk_own_threads
    emk_own_threads = check_threads(n_threads)
    try:
        yield
    finally:
        emk_own_threads = before


cdef bint forked() noexcept nogil:
    # libgomp's threads do not survive a fork, and waiting for them hangs
    return threaded_process != 0 and threaded_process != emk_process()


cdef void note_threads() noexcept nogil:
    """This process starts OpenMP threads."""
    global threaded_process
    threaded_process = emk_process()
