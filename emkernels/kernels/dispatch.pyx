"""The SIMD level in use, and its table of block kernels."""

import importlib
import os

from cpython.pycapsule cimport PyCapsule_GetPointer

cdef extern from "parallel.h" nogil:
    const char *EMK_LEVELS
    int emk_processor_level()

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
