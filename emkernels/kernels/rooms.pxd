"""Memory that is had again while a fit runs (see rooms.h)."""

# to be given back by leave_room with the same size, or by free(); NULL where there is none
cdef void *take_room(size_t n_bytes) noexcept nogil
cdef void *take_zeros(size_t n_bytes, int n_threads) noexcept nogil
cdef void leave_room(void *room, size_t n_bytes) noexcept nogil
# float64, C order, whatever was there before; or zeros
cdef object array_in_room(tuple shape)
cdef object zeros_in_room(tuple shape, int n_threads)
