"""The shapes that the loops of this package share with the kernels above them.

One `Job` says where the rows are, what the model is and what is wanted; one `Table` a
SIMD level and precision holds the functions that do it, a block of rows at a time.
"""


cdef enum:
    FULL = 0
    TIED = 1
    DIAG = 2
    SPHERICAL = 3


ctypedef struct Rows:
    const char *x                 # address of X[0, 0]; may be unaligned
    Py_ssize_t row_stride         # bytes, any sign
    Py_ssize_t column_stride
    Py_ssize_t n_samples
    Py_ssize_t n_features
    const double *sample_weight   # (n_samples,) or NULL
    const int *known              # component each row is known to come from, -1: unknown; or NULL
    const int *order              # the row visited at each position, or NULL


ctypedef struct Gaussians:
    int covariance_type
    Py_ssize_t n_components
    Py_ssize_t n_features
    const double *log_weights           # (n_components,) or NULL for none
    const double *means                 # (n_components, n_features)
    const double *precisions_cholesky   # as scikit-learn keeps them, for the type
    char *packed                        # filled by Table.prepare


ctypedef struct Job:
    Rows rows
    Gaussians gaussians
    Py_ssize_t block_rows         # a multiple of the tile, set by Table.block_rows
    bint skip                     # leave out work that cannot matter (see density.pxi)
    bint first_moments
    bint second_moments
    # responsibilities given instead of computed: (n_samples, n_components), or labels
    const char *resp
    Py_ssize_t resp_row_stride
    Py_ssize_t resp_column_stride
    const int *labels
    bint all_ones                 # one component that has every row
    bint log_prob_given           # rows.x holds log densities (n_samples, n_components)
    # what to write for each row, C-contiguous, NULL where not wanted
    char *log_prob_out
    char *resp_out
    char *log_prob_norm_out
    int *labels_out


ctypedef struct Bounds:
    double scale                  # that all distances here are multiplied by, to fit float32
    float *upper                  # (n_samples,) at least the distance to the row's own centre
    float *lower                  # (n_samples,) at most the distance to any other centre
    # for each centre, rounded outwards: how far it has moved since the last pass, the largest
    # move of any other centre, half the distance to the nearest other centre
    const float *shift
    const float *other_shift
    const float *half_gap
    const double *origin          # (n_features,) the point that sums are taken about
    bint first_pass


# Accumulators of one group of blocks, all float64, one after the other:
#   counts (K,) | first (K, D) | second (second_size,) | weighted log-likelihood |
#   pairs of a row and a component that mattered
# The second moments are lower triangles, one for each component (full) or one (tied), or
# (K, D) for the other types.
cdef inline Py_ssize_t second_size(const Gaussians *g) noexcept nogil:
    cdef Py_ssize_t D = g.n_features
    if g.covariance_type == FULL:
        return g.n_components * (D * (D + 1) // 2)
    return D * (D + 1) // 2 if g.covariance_type == TIED else g.n_components * D


ctypedef struct Table:
    Py_ssize_t (*block_rows)(const Job *job) noexcept nogil
    Py_ssize_t (*scratch_bytes)(const Job *job) noexcept nogil
    Py_ssize_t (*packed_bytes)(const Gaussians *gaussians) noexcept nogil
    void (*prepare)(Gaussians *gaussians) noexcept nogil
    void (*mixture_block)(const Job *job, Py_ssize_t first, Py_ssize_t count,
                          char *scratch, double *accumulators) noexcept nogil
    void (*kmeans_block)(const Job *job, Py_ssize_t first, Py_ssize_t count,
                         char *scratch, double *accumulators) noexcept nogil
    void (*bounded_block)(const Job *job, Py_ssize_t first, Py_ssize_t count, char *scratch,
                          const Bounds *bounds, double *accumulators) noexcept nogil
    void (*closest_block)(const Job *job, Py_ssize_t first, Py_ssize_t count,
                          char *scratch, double *closest, unsigned short *nearer,
                          int commit, double *potentials) noexcept nogil
    Py_ssize_t (*first_nonfinite)(const Rows *rows, Py_ssize_t first, Py_ssize_t count,
                                  double *largest) noexcept nogil
    void (*exp_array)(const char *x, char *out, Py_ssize_t n) noexcept nogil
    void (*log_array)(const char *x, char *out, Py_ssize_t n) noexcept nogil
