"""The shapes that the loops of this package share with the kernels above them.

One `Job` says where the rows are, what the model is and what is wanted; one `Table` a
SIMD level and precision holds the functions that do it, a block of rows at a time.
"""


cdef enum:
    FULL = 0, TIED = 1, DIAG = 2, SPHERICAL = 3


ctypedef struct Rows:
    const char *x                 # address of X[0, 0]; may be unaligned
    Py_ssize_t row_stride         # bytes, any sign
    Py_ssize_t column_stride
    Py_ssize_t n_samples
    Py_ssize_t n_features
    const double *sample_weight   # (n_samples,) or NULL
    const int *known              # component each row is known to come from, -1: unknown; or NULL
    const int *order              # the row visited at each position, -1: none; or NULL


ctypedef struct Gaussians:
    int covariance_type
    Py_ssize_t n_components
    Py_ssize_t n_features
    const double *log_weights           # (n_components,) or NULL for none
    const double *means                 # (n_components, n_features)
    const double *precisions_cholesky   # as scikit-learn keeps them, for the type
    # Student t components (see student.pxi); NULL for normal ones
    const double *dfs                   # (n_components,) degrees of freedom
    const double *excess                # (n_components, n_features + 1), see student.pxi
    char *packed                        # filled by Table.prepare
    bint only_means                     # of scale one: K-means, by differences


cdef enum:
    # what the tiles of a schedule of incomplete rows hold
    SAME = 0        # rows of one pattern of missing values, that of the tile before
    UNIFORM = 1     # rows of one pattern
    MIXED = 2       # rows of any patterns, of which one may lack MIXED_MISSING values, fewer rows
    MIXED_MISSING = 64      # of those that lack more (see Table.mixed_rows)
    WIDE = 8        # rows of float64 matrices are padded to a multiple of this
    FIELD_DIMENSIONS = 3    # of a grid, at most


ctypedef struct Incomplete:
    # NaN in Rows.x is a missing value. The full type visits rows in the order of a
    # schedule: one kind for each tile of positions; the other types take them as they come
    const signed char *kinds
    Py_ssize_t n_tiles
    Py_ssize_t n_runs             # tiles that open a pattern, or are mixed
    Py_ssize_t typical_missing    # of a row, rounded up
    Py_ssize_t most_missing       # of a row in a tile of one pattern
    Py_ssize_t most_mixed         # of a row in a mixed tile
    Py_ssize_t most_cells         # of the conditional covariances of the rows of a mixed tile
    double *precisions            # full: (K, D, wide), filled by Table.prepare_incomplete
    double *covariances           # the same, or NULL: not needed
    double *log_scales            # other types: (K, D)
    bint hard                     # every row wholly to its most probable component
    bint count_observed           # second moments are weights of observed values (diag)
    bint indicator                # rows are replaced by 1 where observed and 0 where not
    # for each row, by row: where its missing values begin in a list of all, and where the
    # conditional covariance of them begins
    const long long *cell_offsets
    const long long *block_offsets
    char *imputed_out             # (n_samples, n_features): missing values are written
    double *covariances_out
    const double *normals         # draws: for every missing value, in row order
    const double *uniforms        # draws: (n_samples,), which component


# A Potts prior on the pixels of a grid (see field.pxi); their responsibilities, read and
# written, are Job.resp_out
ctypedef struct Field:
    double smoothness
    const unsigned char *links    # (n_samples,) bit b: the row has a neighbour at offsets[b]
    Py_ssize_t offsets[2 * FIELD_DIMENSIONS]
    bint first_half               # of the checkerboard


cdef enum:
    CENTRE_GROUPS = 64     # bits of an unsigned long long
    CENTRE_MARKS = 5       # as EMK_CENTRE_MARKS
    MOST_SEEDS = 66        # that k-means++ compares rows with in bytes: whole panels
    CANDIDATE_MARKS = 5    # half, unit, loss, length, what half is in error by


# What Lloyd passes know from the passes before (see bounds.pxi); all distances are multiplied by
# `scale`, to fit float32. A bound is kept as it was when it was set, less (upper) or plus (lower)
# how far the centres had travelled until then.
ctypedef struct Bounds:
    double scale
    double slack                  # relative error of a distance, and of a float32
    # of centres side by side, at most CENTRE_GROUPS but in nearest.pxi; 0: no bounds
    Py_ssize_t n_groups
    Py_ssize_t group_size
    float *upper                  # (n_samples,) the distance to the row's own centre
    unsigned short *lower         # (n_samples, n_groups) upper halves of float32: to any other
    const float *travelled        # (n_clusters,) the sum of the moves of each centre
    const float *group_travelled  # (n_groups,) the sum of the largest moves of the group
    float absolute                # error of these sums
    const float *half_gap         # (n_clusters,) half the distance to the nearest other centre
    const double *origin          # (n_features,) the point that sums are taken about
    bint fill                     # they are not set yet
    bint first_pass               # there are no labels yet
    bint summed                   # many rows move: counts and sums are made meanwhile


# Centres as nearest.pxi takes them: in the precision of the rows, and packed for a product in
# float32, and in bytes. Table.prepare_nearest fills what is up to `sums`, scale and what follows
# it, Table.pack_centres the rest, but n_panels, sketched and the addresses.
ctypedef struct Nearest:
    Py_ssize_t n_panels           # of Table.panel centres
    char *centers                 # (n_clusters, n_features)
    char *origin                  # (n_features,) in the precision of the rows
    double *norms                 # (n_clusters,) distances of the centres to it
    double *sums                  # (n_features,) scratch
    float *panels                 # (n_panels, n_features + 1, panel)
    float *half                   # (n_panels, panel)
    float *lines                  # (n_clusters, n_features + 1) what panels have, by centre
    bint sketched                 # there are bytes too; see sketch.pxi, WORDS
    int *sketch                   # (n_panels, (n_features + 3) / 4, panel) four bytes each
    float *marks                  # (n_panels, CENTRE_MARKS, panel)
    int *offsets                  # (n_panels, panel)
    float *bytes                  # scratch of each thread: twice n_features and 64 more
    double scale                  # a power of two
    double slope                  # what is a in nearest.pxi
    double relative               # error of a distance by difference, squared
    float more                    # what norms of rows are rounded up by
    bint usable                   # the product says something


cdef enum:
    FACTOR_CHUNK = 16      # columns that are looked at together, as EMK_CHUNK


# What components of a mixture of factor analysers are beside their means (see factors.pxi)
ctypedef struct Factors:
    Py_ssize_t n_factors
    int n_checks                  # looks at what a row is from a component so far, the last too
    const int *ends               # (n_checks,) after how many chunks of columns
    const int *chunks             # (K, n_chunks) the order in which they are looked at
    const double *deviations      # (K, n_features) of the noise
    const double *loadings        # (K, n_factors, n_features) in these units
    const double *whiteners       # (K, n_checks, n_factors, n_factors) lower triangular A
    const double *constants       # (K,) log weight and log normaliser
    const unsigned char *stiff    # (K,) distances would cancel
    # rows along a few directions, where most components are seen to be out of reach
    Py_ssize_t n_views            # 0: none
    const char *views             # (n_samples, n_views) in the precision of the rows
    const double *view_means      # (K, n_views)
    const double *view_whiteners  # (K, n_views, n_views) as above, of the covariances of views


# Classes of answers to items (see classes.pxi). A row of a table has a value for every lane: of
# one start the classes, padded; of several the starts, padded, of the first class, then those of
# the next
ctypedef struct Classes:
    Py_ssize_t n_classes
    Py_ssize_t n_starts           # 1, or a multiple of the vector
    Py_ssize_t n_lanes            # a multiple of the vector
    Py_ssize_t n_groups           # of items that are looked up together
    Py_ssize_t n_codes            # of all groups
    const unsigned char *codes    # (n_samples, n_groups)
    const Py_ssize_t *first_code  # (n_groups,) where the table of a group begins
    const double *tables          # (n_codes, n_lanes) log probabilities
    const double *log_weights     # (n_lanes,)
    Py_ssize_t n_numbers
    const double *numbers         # (n_samples, n_numbers), NaN where missing
    const double *means           # (n_numbers, n_lanes)
    const double *scales          # (n_numbers, n_lanes) one over the deviations
    const double *log_scales      # (n_numbers, n_lanes) their logarithms, less log(2 pi) / 2


# A sequence of a hidden Markov model, or a part of one whose surroundings are known
ctypedef struct Span:
    Py_ssize_t first              # row
    Py_ssize_t end
    Py_ssize_t sequence
    bint opens                    # it begins its sequence
    # (n_padded,) state probabilities of its first step, given the past
    const double *before
    # (n_padded,) likelihoods of the next step's states and what follows, up to a factor; NULL: the
    # sequence ends
    const double *behind


# Hidden Markov models (see chain.pxi). Lanes of a block hold spans one after the other
ctypedef struct Chain:
    Py_ssize_t n_states
    Py_ssize_t n_mix              # components of a state
    Py_ssize_t n_padded           # n_states, to a multiple of 4
    const double *start           # (n_padded,)
    const double *forward         # (n_states, n_padded) transition probabilities
    const double *backward        # the transpose
    bint safe                     # none of them is tiny
    const double *sequence_weight     # or NULL
    const Span *spans
    Py_ssize_t n_blocks
    const Py_ssize_t *lane_first  # (n_blocks lanes + 1,) the first span of each lane
    Py_ssize_t chunk              # steps whose probabilities are kept, a multiple of VECTORS
    Py_ssize_t most_chunks        # of a lane
    double *log_likelihoods       # of the spans
    unsigned char *astray         # (n_spans,) set where the scaled recursions do not do
    # places where sequences are cut if what is known there does not depend on what is far away:
    # the row behind each, and what is found
    Py_ssize_t n_cuts
    const Py_ssize_t *cut_rows
    Py_ssize_t run_in             # the most steps that are looked at, on either side
    double *cut_before            # (n_cuts, n_padded) see Span
    double *cut_behind
    unsigned char *cut_known      # (n_cuts,) 1: the first of these is known, 2: the second
    # symbols: codes (n_samples,), -1 where missing; the other two have a place for that first
    const int *codes
    Py_ssize_t n_symbols
    const double *emission        # (n_symbols + 1, n_lanes) over the largest of the row
    const double *log_largest     # (n_symbols + 1,)
    Py_ssize_t n_lanes            # n_states, to a multiple of 8
    const double *log_start       # logarithms (n_padded,), (n_states, n_padded)
    const double *log_forward
    # the best path: for each row and state the state before it, one byte or two
    char *back
    Py_ssize_t back_bytes
    int *paths


ctypedef struct Job:
    Rows rows
    const Incomplete *incomplete  # NULL where no value is missing
    const Field *field            # NULL where rows are independent
    const Bounds *bounds          # NULL but in bounded passes of K-means
    const Nearest *nearest        # NULL but in passes of K-means with many centres
    const Factors *factors        # NULL but in passes of factor analysers
    const Classes *classes        # NULL but in passes of latent classes
    const Chain *chain            # NULL but in passes of hidden Markov models
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
    # log (weight times density) of a component without parameters, behind the others: of every
    # row where the stride is 0, of each (n_samples,) where it is 1; NULL: there is none. Rows
    # that are known are not of it; its label is -1, responsibilities have one column more
    const double *noise
    Py_ssize_t noise_stride
    # what to write for each row, C-contiguous, NULL where not wanted
    char *log_prob_out
    char *resp_out
    char *log_prob_norm_out
    int *labels_out
    char *pull_out                # Student t: posterior means of the weights u, (n_samples,)


# Rows of a large model that all threads share: densities first, then every component's sums
ctypedef struct Panel:
    char *memory                  # Table.panel_bytes of it
    Py_ssize_t first              # the position of its first row
    Py_ssize_t n_tiles            # there is room for
    Py_ssize_t n_bands            # parts of one triangle of second moments
    Py_ssize_t n_parts            # of the components, whose densities of a tile are pieces; 1: all


cdef enum:
    # parts of the work on a triangle, by panels of its rows: all of it; panel p packed; the tile
    # of panel p in the columns of panel q, whose own tile (p = q) comes before those below it and
    # behind all tiles on its left; panel p of the inverse, when the factor is there
    WHOLE_TRIANGLE = 0, PACKED_PANEL = 1, TRIANGLE_TILE = 2, INVERSE_PANEL = 3


# A covariance and the factor of its inverse (see triangles.pxi)
ctypedef struct Triangle:
    const double *matrix          # (n, n), of which the lower triangle is read
    Py_ssize_t n
    double *inverse               # (n, n) upper U with U U' the inverse of the matrix
    double *lower                 # packed, and one over its diagonal: Table.triangle_size
    double limit                  # what every value of U has to be below


ctypedef struct Seeding:
    double *closest               # (n_samples,) squared distance to the nearest seed
    bint take_in                  # the first centre is a new seed, to be taken into `closest`
    Py_ssize_t n_candidates       # the other centres
    double *potentials            # (n_blocks, n_candidates) sums of weight * closest with each


# The same where rows are kept in bytes (see seeds.pxi)
ctypedef struct Trial:
    Nearest nearest               # the candidates, as they are and in bytes
    Py_ssize_t n_candidates
    short *fine                   # (n_candidates, Table.fine_values) in 16 bits
    double *fine_marks            # (n_candidates, CANDIDATE_MARKS)
    char *sketches                # of the rows, Table.sketch_bytes of each wide tile
    double *closest               # (n_samples,) squared distance to the nearest seed
    bint exact                    # potentials of distances by difference, not their bounds


# Accumulators of one group of blocks, all float64, one after the other:
#   counts (K,) | first (K, D) | second (second_size,) | weighted log-likelihood |
#   pairs of a row and a component that mattered
# and with Student t components: weights of rows by component and number of observed values
#   (K, D + 1) | sums of the rows' weights times log u - (u - 1) (K,); the counts are then those
#   of weights times u
# and with noise: its weight |
# and with a field: what turns the log-likelihood given the neighbours into the free energy |
#   sums of the priors of known pixels (K,)
# The second moments are lower triangles, one for each component (full) or one (tied), or
# (K, D) for the other types.
cdef inline Py_ssize_t second_size(const Gaussians *g) noexcept nogil:
    cdef Py_ssize_t D = g.n_features
    if g.covariance_type == FULL:
        return g.n_components * (D * (D + 1) // 2)
    return D * (D + 1) // 2 if g.covariance_type == TIED else g.n_components * D


cdef inline Py_ssize_t tail_size(const Gaussians *g) noexcept nogil:
    return 2 + (g.n_components * (g.n_features + 2) if g.dfs != NULL else 0)


ctypedef struct Table:
    Py_ssize_t (*block_rows)(const Job *job) noexcept nogil
    Py_ssize_t (*scratch_bytes)(const Job *job) noexcept nogil
    Py_ssize_t (*packed_bytes)(const Gaussians *gaussians) noexcept nogil
    # components first .. end - 1, with the first what they share
    void (*prepare)(Gaussians *gaussians, Py_ssize_t first, Py_ssize_t end) noexcept nogil
    void (*prepare_incomplete)(const Gaussians *gaussians,
                               const Incomplete *incomplete) noexcept nogil
    Py_ssize_t (*missing_bits)(const Rows *rows, Py_ssize_t first, Py_ssize_t count,
                               unsigned long long *bits, double *largest) noexcept nogil
    Py_ssize_t tile
    Py_ssize_t (*mixed_rows)(Py_ssize_t n_missing) noexcept nogil
    Py_ssize_t (*mixed_cells)(Py_ssize_t n_rows, Py_ssize_t n_missing) noexcept nogil
    Py_ssize_t (*factor_bytes)(const Job *job) noexcept nogil
    void (*prepare_factors)(const Job *job) noexcept nogil
    void (*factor_block)(const Job *job, Py_ssize_t first, Py_ssize_t count,
                         char *scratch, double *accumulators) noexcept nogil
    void (*class_block)(const Job *job, Py_ssize_t first, Py_ssize_t count,
                        char *scratch, double *accumulators) noexcept nogil
    Py_ssize_t lanes
    void (*chain_block)(const Job *job, Py_ssize_t block, char *scratch,
                        double *accumulators) noexcept nogil
    void (*chain_cuts)(const Job *job, Py_ssize_t block, char *scratch) noexcept nogil
    void (*best_path)(const Job *job, Py_ssize_t span, char *scratch) noexcept nogil
    void (*mixture_block)(const Job *job, Py_ssize_t first, Py_ssize_t count,
                          char *scratch, double *accumulators) noexcept nogil
    Py_ssize_t (*panel_bytes)(const Job *job, Py_ssize_t n_tiles) noexcept nogil
    Py_ssize_t (*share_bytes)(const Job *job) noexcept nogil
    double (*unit_share)(const Job *job, const Panel *panel, Py_ssize_t unit,
                         Py_ssize_t n_units) noexcept nogil
    void (*panel_rows)(const Job *job, const Panel *panel, Py_ssize_t piece, Py_ssize_t first,
                       Py_ssize_t count, char *scratch, double *tail) noexcept nogil
    void (*close_rows)(const Job *job, const Panel *panel, Py_ssize_t tile, Py_ssize_t first,
                       Py_ssize_t count, char *scratch, double *tail) noexcept nogil
    Py_ssize_t (*most_bands)(const Job *job) noexcept nogil
    void (*panel_sums)(const Job *job, const Panel *panel, Py_ssize_t n_tiles, Py_ssize_t begin,
                       Py_ssize_t stop, Py_ssize_t n_units, char *scratch,
                       double *accumulators) noexcept nogil
    void (*kmeans_block)(const Job *job, Py_ssize_t first, Py_ssize_t count,
                         char *scratch, double *accumulators) noexcept nogil
    void (*bounded_block)(const Job *job, Py_ssize_t first, Py_ssize_t count,
                          char *scratch, double *accumulators) noexcept nogil
    Py_ssize_t centre_panel
    bint (*sketches)(Py_ssize_t n_features) noexcept nogil
    void (*pack_centres)(Nearest *nearest, Py_ssize_t n_clusters, Py_ssize_t n_features,
                         Py_ssize_t first, Py_ssize_t end, float *scratch) noexcept nogil
    void (*prepare_nearest)(Nearest *nearest, const double *centers, Py_ssize_t n_clusters,
                            Py_ssize_t n_features, bint packed) noexcept nogil
    double (*pair_square)(const char *x, const char *centre,
                          Py_ssize_t n_features) noexcept nogil
    void (*add_gap_rows)(const Rows *rows, const int *order, Py_ssize_t n_rows,
                         const double *origin, Py_ssize_t first, Py_ssize_t n_columns, double sign,
                         double *sums) noexcept nogil
    void (*gap_squares)(const Rows *rows, Py_ssize_t first, Py_ssize_t count, const int *labels,
                        const double *centers, const double *rounding, double *squares,
                        unsigned char *away) noexcept nogil
    void (*center_distances)(const Rows *rows, Py_ssize_t first, Py_ssize_t count,
                             const char *centers, Py_ssize_t n_centers, char *out) noexcept nogil
    void (*closest_block)(const Job *job, Py_ssize_t first, Py_ssize_t count,
                          char *scratch, const Seeding *seeding) noexcept nogil
    Py_ssize_t (*first_nonfinite)(const Rows *rows, Py_ssize_t first, Py_ssize_t count,
                                  double *largest) noexcept nogil
    void (*exp_array)(const char *x, char *out, Py_ssize_t n) noexcept nogil
    void (*log_array)(const char *x, char *out, Py_ssize_t n) noexcept nogil
    Py_ssize_t triangle_panel
    Py_ssize_t (*triangle_size)(Py_ssize_t n, bint rows) noexcept nogil
    bint (*factorise)(const Triangle *triangle, int part, Py_ssize_t p, Py_ssize_t q,
                      double *rows) noexcept nogil
    Py_ssize_t crowd
    Py_ssize_t (*sketch_bytes)(Py_ssize_t n_features) noexcept nogil
    void (*sketch_rows)(const Rows *rows, const Nearest *nearest, Py_ssize_t crowd, char *out,
                        float *scratch) noexcept nogil
    void (*replace_centres)(Trial *trial, const double *centers, Py_ssize_t n_features,
                            float *scratch) noexcept nogil
    Py_ssize_t (*fine_values)(Py_ssize_t n_features) noexcept nogil
    void (*try_rows)(const Rows *rows, const Trial *trial, Py_ssize_t crowd,
                     unsigned long long *near, double *low, double *high) noexcept nogil
    double (*take_rows)(const Rows *rows, const Trial *trial, Py_ssize_t crowd, Py_ssize_t k,
                        unsigned long long near) noexcept nogil
