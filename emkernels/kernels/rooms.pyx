"""Memory that is had again while a fit runs: see rooms.h."""

import numpy as np

from cython.parallel cimport prange
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport uintptr_t
from libc.string cimport memset

from emkernels.kernels.threads cimport forked, note_threads

cdef extern from "parallel.h" nogil:
    int emk_in_parallel()

cdef extern from "rooms.h" nogil:
    size_t EMK_LEAST_ROOM
    void *emk_take_room(size_t n_bytes)
    void *emk_zeros(size_t n_bytes)
    void emk_leave_room(void *room, size_t n_bytes)
    void emk_keep_rooms(int more)
    size_t emk_bytes_kept()

cdef enum:
    PIECE = 2097152     # bytes that one thread clears at a time: a large page


cdef void *take_room(size_t n_bytes) noexcept nogil:
    return emk_take_room(n_bytes)


cdef void *take_zeros(size_t n_bytes, int n_threads) noexcept nogil:
    cdef void *room
    if n_bytes < EMK_LEAST_ROOM:
        return emk_zeros(n_bytes)
    room = emk_take_room(n_bytes)
    if room != NULL:
        clear(<char*>room, n_bytes, n_threads)
    return room


cdef void clear(char *at, size_t n_bytes, int n_threads) noexcept nogil:
    cdef Py_ssize_t n_pieces = (n_bytes + PIECE - 1) // PIECE, i
    n_threads = <int>min(<Py_ssize_t>n_threads, n_pieces // 2)
    if n_threads < 2 or forked() or emk_in_parallel():
        memset(at, 0, n_bytes)
        return
    note_threads()
    for i in prange(n_pieces, schedule="static", num_threads=n_threads):
        memset(at + i * PIECE, 0, min(<size_t>PIECE, n_bytes - i * PIECE))


cdef void leave_room(void *room, size_t n_bytes) noexcept nogil:
    emk_leave_room(room, n_bytes)


cdef class _Room:
    """The memory of an array."""

    cdef void *at
    cdef size_t n_bytes

    def __cinit__(self, size_t n_bytes):
        self.n_bytes = n_bytes
        self.at = emk_take_room(n_bytes)
        if self.at == NULL:
            raise MemoryError(f"not enough memory for an array of {n_bytes} bytes")

    def __dealloc__(self):
        emk_leave_room(self.at, self.n_bytes)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.at, self.n_bytes, 0, flags)


cdef object array_in_room(tuple shape):
    cdef size_t n_bytes = 8
    for length in shape:
        n_bytes *= <size_t>length
    if n_bytes < EMK_LEAST_ROOM:
        return np.empty(shape)
    return np.frombuffer(_Room(n_bytes), np.float64).reshape(shape)


cdef object zeros_in_room(tuple shape, int n_threads):
    out = array_in_room(shape)
    cdef uintptr_t at = out.ctypes.data
    cdef size_t n_bytes = out.nbytes
    with nogil:
        clear(<char*>at, n_bytes, n_threads)
    return out


class _KeptRooms:
    """While this context lasts, large pieces of memory that passes and M-steps leave are kept
    for the next ones, 256 MiB at most: the system need not clear them in every iteration."""

    def __enter__(self):
        emk_keep_rooms(1)

    def __exit__(self, *error):
        emk_keep_rooms(-1)


def _bytes_kept():
    """Of rooms that nobody is in."""
    return emk_bytes_kept()
