"""Seeds of greedy k-means++ over rows that are kept in bytes."""

from emkernels._simd.table cimport Rows, Table, Trial
from emkernels.kernels.draws cimport Draw

ctypedef struct Kept:
    const Table *table
    Rows rows
    bint double_
    Trial trial
    Draw draw
    char *memory
    char *copy                  # (n_samples, n_features) rows that do not lie so, or NULL
    float *scratch              # of each thread, `line` of it
    Py_ssize_t line
    Py_ssize_t n_crowds         # wide tiles
    Py_ssize_t n_blocks         # of them
    Py_ssize_t n_trials
    Py_ssize_t best             # of the candidates
    unsigned long long *near    # (n_crowds, n_trials) rows that may be near a candidate
    double *bounds              # (n_blocks, 2, n_trials) of the potentials
    double *potentials          # (n_blocks,) with all seeds
    double current              # their sum
    double *buffer              # (n_trials, n_features) candidates
    Py_ssize_t *row             # (n_trials,) which rows they are
    int n_threads


# What rows are kept in, where that saves time: False: it does not, or there is no memory. To be let
# go in any case
cdef bint keep_bytes(Kept *kept, const Rows *rows, bint double_, Py_ssize_t n_clusters,
                     Py_ssize_t n_trials, int n_threads) noexcept nogil
cdef int kept_seeds(Kept *kept, Py_ssize_t n_clusters, const double *uniforms, Py_ssize_t *indices,
                    bint interruptible) noexcept nogil
cdef void let_go(Kept *kept) noexcept nogil
