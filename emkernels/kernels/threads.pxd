"""The number of threads, and the one reason not to start any that OpenMP does not know of."""

cdef int check_threads(object n_threads) except -1
# whether this process was forked after threads had been started
cdef bint forked() noexcept nogil
cdef void note_threads() noexcept nogil
