"""The table of block kernels of the SIMD level in use, for each precision."""

from emkernels._simd.table cimport Table

cdef const Table *table_of(bint is_double) noexcept nogil
