"""The SIMD level in use, of the process or of a thread, and its table of block kernels."""

import contextlib
import importlib
import os

from cpython.pycapsule cimport PyCapsule_GetPointer

cdef extern from "parallel.h" nogil:
    const char *EMK_LEVELS
    int emk_processor_level()

cdef extern from *:
    """
    #if defined(_MSC_VER)
    static __declspec(thread) int emk_own_level = 0;
    #else
    static __thread int emk_own_level = 0;
    #endif
    """
    int emk_own_level   # of this thread; 0: that of the process

cdef const Table *tables[4][2]      # level; float, double
cdef int process_level = 0
_NAMES = {}
_LEVEL_RANK = {"baseline": 1, "v3": 2, "v4": 3}


def available_levels():
    """SIMD levels that were built and that this processor can run, best first."""
    built = EMK_LEVELS.decode().split(",")
    return [level for level in built if _LEVEL_RANK[level] <= emk_processor_level()]


def simd_level():
    """The SIMD level in use, by this thread where it has one of its own."""
    return _NAMES[emk_own_level or process_level]


def set_simd_level(str level):
    """Use another SIMD level from now on; for tests and benchmarks."""
    global process_level
    process_level = _load(level)


@contextlib.contextmanager
def own_simd_level(str level):
    """A SIMD level for this thread alone, whatever that of the process is.

    Levels round differently: who adds up what was made at several times or places does it at one.
    """
    global emk_own_level
    rank = _load(level)
    before = emk_own_level
    emk_own_level = rank
    try:
        yield
    finally:
        emk_own_level = before


def _load(level):
    """The rank of a level, whose tables are there from now on."""
    if level not in available_levels():
        raise ValueError(
            f"SIMD level {level!r} cannot be used: this build and processor offer "
            f"{', '.join(available_levels())}"
        )
    rank = _LEVEL_RANK[level]
    # only a level that the processor supports is ever imported
    if level not in _NAMES.values():
        for i, precision in enumerate(("float", "double")):
            module = importlib.import_module(f"emkernels._simd.{level}_{precision}")
            tables[rank][i] = <const Table*>PyCapsule_GetPointer(
                module.table, b"emkernels._simd.Table")
        _NAMES[rank] = level
    return rank


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
    return tables[emk_own_level or process_level][is_double]
