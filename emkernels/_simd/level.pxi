# The block kernels of one SIMD level and one precision. Every module of this folder
# that is named LEVEL_PRECISION includes this text; setup.py gives each its flags.
from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport (
    INFINITY, M_PI, NAN, exp, fabs, frexp, ldexp, log, log1p, sqrt, sqrtf)
from libc.string cimport memcpy, memset

from emkernels._simd.table cimport (
    CANDIDATE_MARKS, CENTRE_GROUPS, CENTRE_MARKS, DIAG, FIELD_DIMENSIONS, FULL, INVERSE_PANEL,
    MIXED, MIXED_MISSING, MOST_SEEDS, PACKED_PANEL, SAME, SPHERICAL, TIED, TRIANGLE_TILE, WIDE,
    Bounds, Chain, Classes, Factors, Field, Gaussians, Incomplete, Job, Nearest, Panel, Rows,
    Seeding, Span, Table, Trial, Triangle, second_size)

cdef extern from "vector.h" nogil:
    ctypedef double real "emk_real"
    ctypedef double vec "emk_vec"
    ctypedef double dvec "emk_dvec"
    enum:
        IS_DOUBLE "EMK_DOUBLE"
        LANES "EMK_LANES"
        DLANES "EMK_DLANES"
        VECTORS "EMK_VECTORS"
        TILE "EMK_TILE"
        AHEAD "EMK_AHEAD"
        HALVES "EMK_HALVES"
    vec splat "emk_splat"(real x)
    vec keep_if_ge "emk_keep_if_ge"(vec v, vec a, vec b)
    vec vmax "emk_max"(vec a, vec b)
    vec vroot "emk_root"(vec x)
    dvec dsplat "emk_dsplat"(double x)
    dvec droot "emk_droot"(dvec x)
    dvec dmax "emk_dmax"(dvec a, dvec b)
    dvec dkeep_if_ge "emk_dkeep_if_ge"(dvec v, dvec a, dvec b)
    bint dall_ge "emk_dall_ge"(dvec a, dvec b)
    dvec widen "emk_widen"(const real *x)
    void narrow "emk_narrow"(dvec v, real *out)
    double tile_dot "emk_tile_dot"(const real *a, const real *b)
    double dot "emk_dot"(const double *a, const double *b, Py_ssize_t n)
    vec power_of_two "emk_power_of_two"(vec shifted)
    vec split_exponent "emk_split_exponent"(vec x, vec *mantissa)
    void load_transposed "emk_load_transposed"(const char **row, Py_ssize_t offset, vec *v)
    vec near_inverse "emk_near_inverse"(vec z, vec *c, vec *minus_log)
    vec vmin "emk_min"(vec a, vec b)
    vec where_less "emk_where_less"(vec x, vec y, vec a, vec b)
    void add_gaps "emk_add_gaps"(double *target, const char *x, const real *c, double w)
    void prefetch "emk_prefetch"(const char *address)
    void lane_sums "emk_lane_sums"(const vec *acc, int n, real *out)

cdef extern from "products.h" nogil:
    enum:
        MOMENT_ROWS "EMK_MOMENT_ROWS"
        STRIP_REALS "EMK_STRIP_REALS"
        LEFT "EMK_LEFT"
        ABREAST "EMK_ABREAST"
        NARROW "EMK_NARROW"
        PAIRED "EMK_PAIRED"
        CORNERS "EMK_CORNERS"
    Py_ssize_t scale_strips "emk_scale_strips"(
        const char **row, Py_ssize_t offset, Py_ssize_t n_left, const real *mean,
        const real *root, Py_ssize_t n_rows, real *e, double *sums)
    void strip_products "emk_strip_products"(
        const real *left, const real *right, Py_ssize_t n_rows, int l, int m, bint last,
        double **out, Py_ssize_t column, double *corner)
    Py_ssize_t weighted_lanes "emk_weighted_lanes"(const vec *weight, real *root, int *lane)

cdef extern from "distances.h" nogil:
    enum:
        SOME "EMK_SOME"
    void axis_group "emk_axis_group"(const real *mean, const real *scale, Py_ssize_t stride,
                                     const vec *x, Py_ssize_t n_features, int n,
                                     const char *ahead, vec *q)
    void add_rows "emk_add_rows"(const real *factor, const vec *diff, Py_ssize_t first, vec *q)
    void put_rows "emk_put_rows"(const real *factor, const vec *diff, Py_ssize_t first, vec *y)
    bint roots "emk_roots"(real *x, Py_ssize_t n)
    bint is_root "emk_is_root"(real x)
    void row_forms "emk_row_forms"(const char *row0, const char *row1, const real *mean,
                                   Py_ssize_t stride, Py_ssize_t n_vectors, int n, real *out)
    unsigned long long bits_below "emk_bits_below"(
        const unsigned short *a, const float *b, int n, float limit)
    int count_bits "emk_count_bits"(unsigned long long bits)
    int lowest_bit "emk_lowest_bit"(unsigned long long bits)

cdef extern from "diagonal.h" nogil:
    enum:
        AXES "EMK_AXES"
        CHUNK_TILES "EMK_CHUNK_TILES"
    void near_forms "emk_near_forms"(const real *scale, const real *offset, Py_ssize_t stride,
                                     const vec *z, Py_ssize_t n_features, int n, vec *q)
    void centred_sums "emk_centred_sums"(
        const vec *x, const Py_ssize_t *at, Py_ssize_t n_tiles, const vec *r, Py_ssize_t r_stride,
        real centre, int n, bint squares, real *out)
    void careful_sums "emk_careful_sums"(
        const vec *x, const Py_ssize_t *at, Py_ssize_t n_tiles, const vec *r, Py_ssize_t r_stride,
        const real *about, int n, bint masked, real *out)
    void not_finite "emk_not_finite"(const real *sums, int n_sums, Py_ssize_t stride, Py_ssize_t n,
                                     unsigned char *bad)
    void move_sums "emk_move_sums"(
        const real *s, const real *q, const double *gap, double count, Py_ssize_t n, double *sums,
        double *squares)
    void largest_offsets "emk_largest_offsets"(const real *offset, Py_ssize_t stride,
                                               int n_components, Py_ssize_t n, real *largest)
    void four_sums "emk_four_sums"(const vec *x, const Py_ssize_t *at, Py_ssize_t n_tiles,
                                   const vec *r, const real *about, real *out)

cdef extern from "nearest.h" nogil:
    enum:
        CROWD "EMK_CROWD"
        CENTRE_PANEL "EMK_CENTRE_PANEL"
        DEPTH "EMK_DEPTH"
        PART "EMK_PART"
        FLANES "EMK_FLANES"
        FEW_CENTRES "EMK_FEW_CENTRES"
    const double UNIT "EMK_UNIT"
    const float FAR "EMK_FAR"
    const double UNDERFLOW "EMK_UNDERFLOW"
    void pack_crowd "emk_pack_crowd"(
        const char **row, Py_ssize_t n_features, const real *origin, real scale, float more,
        float *y, float *x, float *norm)
    void products "emk_products"(
        const float *x, const float *panels, const float *half, Py_ssize_t n_centers,
        Py_ssize_t n_features, const char *ahead, Py_ssize_t n_bytes, float *form, float *best)
    void row_products "emk_row_products"(
        const char **row, Py_ssize_t n_features, const real *origin, real scale, float more,
        const float *c, const float *half, int n_centers, const char *ahead, float *x,
        float *form, float *norm, float *best)
    void limits "emk_limits"(const float *norm, const float *best, Py_ssize_t size, double slope,
                             double relative, float *limit, float *square)
    unsigned long long not_above "emk_not_above"(const float *a, const float *limit)
    void group_bounds "emk_group_bounds"(
        const float *form, int n, int first, const int *own, const double *near, double unit,
        float down, float travelled, unsigned short *out)
    int list_below "emk_list_below"(const unsigned short *a, const float *b, int n, float limit,
                                    int *found)
    float pack_line "emk_pack_line"(const char *row, Py_ssize_t n_features, const real *origin,
                                    real scale, float more, float *line)
    void line_products "emk_line_products"(
        const float *line, float norm, const float *c, const float *half, int n,
        Py_ssize_t n_features, float *l)
    real pair_square "emk_pair_square"(const char *x, const real *c, Py_ssize_t n_features)
    double gap_square "emk_gap_square"(
        const char *x, Py_ssize_t step, const double *c, const double *rounding,
        Py_ssize_t n_features, unsigned char *away)
    double add_gap_squares "emk_add_gap_squares"(const char *x, const double *c, Py_ssize_t n,
                                                 double w, double *sums)
    void add_deviations "emk_add_deviations"(const char *x, const double *origin, Py_ssize_t n,
                                             double weight, double *sums)

cdef extern from "factors.h" nogil:
    enum:
        CHUNK "EMK_CHUNK"
    void project_rows "emk_project_rows"(
        const real **row, Py_ssize_t n_rows, const real *mean, const real *scale,
        const real *loadings, Py_ssize_t stride, Py_ssize_t n_factors, const int *chunks,
        int n_chunks, real *out, Py_ssize_t out_stride)
    void gather_rows "emk_gather_rows"(
        const real **row, Py_ssize_t n_rows, const real *coefficients, Py_ssize_t n_coefficients,
        const real *mean, const real *scale, Py_ssize_t n_padded, double *out)

cdef extern from "triangles.h" nogil:
    enum:
        STRIP "EMK_STRIP"
        STEP "EMK_STEP"
        PANEL "EMK_PANEL"
    bint strip_below "emk_strip_below"(
        Py_ssize_t width, double *x, const double *l, Py_ssize_t l_width, Py_ssize_t lane,
        Py_ssize_t first, const double *inverse_roots)
    bint strip_pivots "emk_strip_pivots"(
        Py_ssize_t width, double *x, Py_ssize_t lane, Py_ssize_t first, double *inverse_roots)
    bint strip_inverse "emk_strip_inverse"(
        double *m, Py_ssize_t first, Py_ssize_t lane, const double *lower,
        Py_ssize_t q, Py_ssize_t p, Py_ssize_t q_width, Py_ssize_t p_width,
        const double *inverse_roots, double limit)

# Features are padded to a multiple of FEATURES, the height of a register tile.
cdef enum:
    FEATURES = 4

include "elementary.pxi"
include "rows.pxi"
include "density.pxi"
include "moments.pxi"
include "products.pxi"
include "layout.pxi"
include "outputs.pxi"
include "rescue.pxi"
include "given.pxi"
include "mixture.pxi"
include "diagonal.pxi"
include "panels.pxi"
include "student.pxi"
include "field.pxi"
include "dense.pxi"
include "pattern_factors.pxi"
include "incomplete.pxi"
include "completion.pxi"
include "distance.pxi"
include "bounds.pxi"
include "nearest.pxi"
include "sketch.pxi"
include "seeds.pxi"
include "nearest_bounds.pxi"
include "nearest_pairs.pxi"
include "factor_panels.pxi"
include "factors.pxi"
include "classes.pxi"
include "streams.pxi"
include "chain.pxi"
include "chain_densities.pxi"
include "cuts.pxi"
include "plain.pxi"
include "paths.pxi"
include "triangles.pxi"


cdef Table table_
table_.block_rows = block_rows
table_.scratch_bytes = scratch_bytes
table_.packed_bytes = packed_bytes
table_.prepare = prepare
table_.prepare_incomplete = prepare_incomplete
table_.missing_bits = missing_bits
table_.tile = TILE
table_.mixed_rows = mixed_rows
table_.mixed_cells = mixed_cells
table_.factor_bytes = factor_bytes
table_.prepare_factors = prepare_factors
table_.factor_block = factor_block
table_.class_block = class_block
table_.lanes = LANES
table_.chain_block = chain_block
table_.chain_cuts = chain_cuts
table_.best_path = best_path
table_.mixture_block = mixture_block
table_.panel_bytes = panel_bytes
table_.share_bytes = share_bytes
table_.unit_share = unit_share
table_.panel_rows = panel_rows
table_.close_rows = close_rows
table_.panel_sums = panel_sums
table_.most_bands = most_bands
table_.kmeans_block = kmeans_block
table_.bounded_block = bounded_block
table_.centre_panel = CENTRE_PANEL
table_.sketches = sketches
table_.pack_centres = pack_centres
table_.prepare_nearest = prepare_nearest
table_.pair_square = square_of_pair
table_.add_gap_rows = add_gap_rows
table_.gap_squares = gap_squares
table_.center_distances = center_distances
table_.closest_block = closest_block
table_.first_nonfinite = first_nonfinite
table_.exp_array = exp_array
table_.log_array = log_array
table_.triangle_panel = PANEL
table_.crowd = CROWD
table_.sketch_bytes = sketch_bytes
table_.sketch_rows = sketch_rows
table_.replace_centres = replace_centres
table_.fine_values = fine_values
table_.try_rows = try_rows
table_.take_rows = take_rows
if IS_DOUBLE:    # whatever the rows are, so it is there once
    table_.triangle_size = triangle_size
    table_.factorise = factorise


table = PyCapsule_New(&table_, b"emkernels._simd.Table", NULL)
