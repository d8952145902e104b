"""Sequences in lanes, cut where they are long, and the passes over them."""

from emkernels._simd.table cimport Chain, Job, Span
from emkernels.kernels.driver cimport Work


cdef inline Py_ssize_t up(Py_ssize_t n, Py_ssize_t unit) noexcept nogil:
    """The next multiple of the unit."""
    return (n + unit - 1) // unit * unit


cdef class _Streams:
    cdef Chain chain
    cdef Span *spans            # longest first
    cdef Py_ssize_t n_rows, n_sequences, n_spans, width, chunk
    cdef bint double_
    cdef object transmat, padded, logs, offsets, lengths, weights, held
    cdef object cuts, before, behind
    cdef object lanes, log_likelihoods, astray
    cdef readonly object sums

    cdef int cut(self, Job *job, int n_threads) except -1
    cdef int deal(self) except -1
    cdef int one_pass(self, Job *job, Work work, Py_ssize_t n_sums, int n_threads) except -1
    cdef int expect(self, Job *job, Py_ssize_t n_sums, int n_threads) except -1
    cdef int decode(self, Job *job, int n_threads) except -1
    cdef object likelihoods(self)
    cdef tuple expectations(self)
    cdef object of_emissions(self)
