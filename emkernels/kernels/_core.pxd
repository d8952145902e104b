"""What the kernels share: the dispatch table, the threads, the one chunk driver."""

from emkernels._simd.table cimport Bounds, Gaussians, Job, Rows, Seeding, Table

cdef enum Work:
    MIXTURE
    KMEANS
    BOUNDED
    CLOSEST

cdef enum Status:
    OUT_OF_MEMORY = -1
    INTERRUPTED = -2


ctypedef struct Plan:
    const Table *table
    Job *job
    Work work
    int n_threads
    Py_ssize_t n_positions      # of rows; those of a schedule of incomplete rows may be empty
    bint dealt                  # groups take blocks in turn, for their costs differ
    Py_ssize_t n_blocks
    Py_ssize_t n_groups         # depends on the shape of the problem only, never on threads
    Py_ssize_t n_steps          # a signal is looked for between steps
    Py_ssize_t blocks_per_step  # of one group
    Py_ssize_t accumulator_length
    Py_ssize_t scratch_bytes
    double *accumulators        # (n_groups, accumulator_length); merged into the first
    char *scratch
    const Seeding *seeding      # CLOSEST only
    void *memory


cdef const Table *table_of(bint is_double) noexcept nogil
cdef int make_plan(Plan *plan, Job *job, bint is_double, Work work, Py_ssize_t accumulator_length,
                   int n_threads) noexcept nogil
cdef void run_step(Plan *plan, Py_ssize_t step) noexcept nogil
cdef void merge(Plan *plan) noexcept nogil
cdef void free_plan(Plan *plan) noexcept nogil
cdef int run(Plan *plan, bint interruptible) noexcept nogil
cdef int look_for_signal() noexcept nogil
cdef int check_status(int status) except -1

cdef int check_threads(object n_threads) except -1
cdef object as_matrix(object array, str name, bint missing=*)
cdef object as_centers(object centers, str name, object X)
cdef object as_float64(object array, str name, tuple shape)
cdef object as_weights(object sample_weight, Py_ssize_t n_samples)
cpdef tuple weights_in_unit(object sample_weight, object dtype)
cdef object as_labels(object labels, Py_ssize_t n_samples, Py_ssize_t n_components, str name)
cdef object output(object out, tuple shape, object dtype, str name)
cdef void *address(object array) except? NULL
cdef int set_rows(Rows *rows, object X) except -1
cdef double check_rows_finite(const Rows *rows, bint is_double, str name) except -1
cdef bint is_double(object X) except -1
cdef Rows rows_at(const char *X, Py_ssize_t n_samples, Py_ssize_t n_features,
                  Py_ssize_t row_stride, Py_ssize_t column_stride, Py_ssize_t itemsize,
                  const double *sample_weight) noexcept nogil


cdef inline double stored(double value, bint double_) noexcept nogil:
    """The value as the block kernels see it, in the precision of the rows."""
    return value if double_ else <double>(<float>value)
