/* Loops over components without correlations that need what plain Cython cannot say: inlining that
   is insisted on. Numbers of components are literals where they are called. */
#ifndef EMK_DIAGONAL_H
#define EMK_DIAGONAL_H

#include "distances.h"

/* A value that is loaded once, not by every instruction that takes it. */
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
#define EMK_IN_REGISTER(v) __asm__("" : "+v"(v))
#elif defined(__AVX__) && EMK_VECTOR_BYTES == 32
#define EMK_IN_REGISTER(v) __asm__("" : "+x"(v))
#else
#define EMK_IN_REGISTER(v) ((void)0)
#endif

/* Components whose sums over rows are made together: as many as there are registers for two sums
   each; and tiles of which their weights fit the first cache. */
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
#define EMK_AXES 12
#define EMK_CHUNK_TILES 8
#else
#define EMK_AXES 6
#define EMK_CHUNK_TILES 16
#endif

/* q (n, TILE) = sum_d (scale_d z_d + offset_d)^2 of n components side by side, which lie `stride`
   apart: one multiplication and addition less than by differences. */
static EMK_ALWAYS_INLINE void emk_near_group(const emk_real *scale, const emk_real *offset,
                                             Py_ssize_t stride, const emk_vec *z,
                                             Py_ssize_t n_features, const int n, emk_vec *q) {
  for (int half = 0; half < EMK_VECTORS; half += 2) {
    emk_vec acc[8];
#pragma GCC unroll 8
    for (int k = 0; k < 2 * n; k++) acc[k] = emk_splat(0);
    for (Py_ssize_t d = 0; d < n_features; d++) {
      emk_vec z0 = z[d * EMK_VECTORS + half], z1 = z[d * EMK_VECTORS + half + 1];
#pragma GCC unroll 4
      for (int k = 0; k < n; k++) {
        emk_vec s = emk_splat(scale[k * stride + d]), o = emk_splat(offset[k * stride + d]);
        emk_vec t0 = o + s * z0, t1 = o + s * z1;
        acc[2 * k] = acc[2 * k] + t0 * t0;
        acc[2 * k + 1] = acc[2 * k + 1] + t1 * t1;
      }
    }
#pragma GCC unroll 4
    for (int k = 0; k < n; k++) {
      q[k * EMK_VECTORS + half] = acc[2 * k];
      q[k * EMK_VECTORS + half + 1] = acc[2 * k + 1];
    }
  }
}

static inline void emk_near_forms(const emk_real *scale, const emk_real *offset, Py_ssize_t stride,
                                  const emk_vec *z, Py_ssize_t n_features, int n, emk_vec *q) {
#define EMK_CASE(n) \
  case n: emk_near_group(scale, offset, stride, z, n_features, n, q); break;
  switch (n) { EMK_CASE(1) EMK_CASE(2) EMK_CASE(3) EMK_CASE(4) }
#undef EMK_CASE
}

/* out (n,) = the sums over the lanes of n accumulators: a tree of pairwise adds for every LANES. */
static EMK_ALWAYS_INLINE void emk_sums_of_lanes(const emk_vec *acc, const int n, emk_real *out) {
  for (int i = 0; i < n; i += EMK_LANES) {
    emk_vec t[EMK_LANES];
#pragma GCC unroll 16
    for (int j = 0; j < EMK_LANES; j++) t[j] = i + j < n ? acc[i + j] : emk_splat(0);
#pragma GCC unroll 4
    for (int m = EMK_LANES / 2; m >= 1; m /= 2) {
#pragma GCC unroll 8
      for (int j = 0; j < m; j++) t[j] = emk_pair_add(t[2 * j], t[2 * j + 1]);
    }
    memcpy(out + i, t, sizeof(emk_real) * (n - i < EMK_LANES ? n - i : EMK_LANES));
  }
}

/* One feature of tiles at x + at[0], x + at[1], ... under the weights r (n, r_stride) of n components:
   out = the n sums of r y, then, where squares are wanted, those of r y^2, with y = x - centre. */
static EMK_ALWAYS_INLINE void emk_centred_group(const emk_vec *x, const Py_ssize_t *at,
                                                Py_ssize_t n_tiles, const emk_vec *r,
                                                Py_ssize_t r_stride, emk_real centre, const int n,
                                                const int squares, emk_real *out) {
  const int n_sums = squares ? 2 * n : n;
  emk_vec acc[2 * EMK_AXES], c = emk_splat(centre);
#pragma GCC unroll 24
  for (int i = 0; i < n_sums; i++) acc[i] = emk_splat(0);
  for (Py_ssize_t t = 0; t < n_tiles; t++) {
    const emk_vec *tile = x + at[t];
#pragma GCC unroll 1
    for (int v = 0; v < EMK_VECTORS; v++, r++) {
      emk_vec y = tile[v] - c, square = y * y;
#pragma GCC unroll 12
      for (int k = 0; k < n; k++) {
        emk_vec w = r[k * r_stride];
        if (squares) EMK_IN_REGISTER(w);
        acc[k] = acc[k] + w * y;
        if (squares) acc[n + k] = acc[n + k] + w * square;
      }
    }
  }
  emk_sums_of_lanes(acc, n_sums, out);
}

static inline void emk_centred_sums(const emk_vec *x, const Py_ssize_t *at, Py_ssize_t n_tiles,
                                    const emk_vec *r, Py_ssize_t r_stride, emk_real centre, int n,
                                    int squares, emk_real *out) {
#define EMK_SUMS(n, squares) \
  emk_centred_group(x, at, n_tiles, r, r_stride, centre, n, squares, out)
#define EMK_CASE(n) case n: if (squares) EMK_SUMS(n, 1); else EMK_SUMS(n, 0); break;
  switch (n) {
    EMK_CASE(1) EMK_CASE(2) EMK_CASE(3) EMK_CASE(4) EMK_CASE(5) EMK_CASE(6)
#if EMK_AXES == 12
    EMK_CASE(7) EMK_CASE(8) EMK_CASE(9) EMK_CASE(10) EMK_CASE(11) EMK_CASE(12)
#endif
  }
#undef EMK_CASE
#undef EMK_SUMS
}

/* The same of one to four components where squares may overflow that have no weight: y is 0 where no
   component has any. Or, unless masked, by differences: the `about` are n means, not one centre. */
static EMK_ALWAYS_INLINE void emk_careful_group(const emk_vec *x, const Py_ssize_t *at,
                                                Py_ssize_t n_tiles, const emk_vec *r,
                                                Py_ssize_t r_stride, const emk_real *about,
                                                const int n, const int masked, emk_real *out) {
  emk_vec acc[8];
#pragma GCC unroll 8
  for (int i = 0; i < 2 * n; i++) acc[i] = emk_splat(0);
  for (Py_ssize_t t = 0; t < n_tiles; t++) {
    const emk_vec *tile = x + at[t];
    for (int v = 0; v < EMK_VECTORS; v++, r++) {
      emk_vec most = r[0];
      for (int k = 1; k < n; k++) most = emk_max(most, r[k * r_stride]);
#pragma GCC unroll 4
      for (int k = 0; k < n; k++) {
        emk_vec y = tile[v] - emk_splat(about[masked ? 0 : k]), w = r[k * r_stride];
        if (masked) {       // otherwise to the bit what is made without
          y = emk_keep_if_ge(y, most, emk_splat(EMK_DOUBLE ? (emk_real)4e-324 : (emk_real)1e-45));
          acc[k] = acc[k] + w * y;
          acc[n + k] = acc[n + k] + w * (y * y);
        } else {
          w = w * y;
          acc[k] = acc[k] + w;
          acc[n + k] = acc[n + k] + w * y;
        }
      }
    }
  }
  emk_sums_of_lanes(acc, 2 * n, out);
}

static inline void emk_careful_sums(const emk_vec *x, const Py_ssize_t *at, Py_ssize_t n_tiles,
                                    const emk_vec *r, Py_ssize_t r_stride, const emk_real *about,
                                    int n, int masked, emk_real *out) {
#define EMK_SUMS(n, masked) emk_careful_group(x, at, n_tiles, r, r_stride, about, n, masked, out)
#define EMK_CASE(n) case n: if (masked) EMK_SUMS(n, 1); else EMK_SUMS(n, 0); break;
  switch (n) { EMK_CASE(1) EMK_CASE(2) EMK_CASE(3) EMK_CASE(4) }
#undef EMK_CASE
#undef EMK_SUMS
}

/* bad (n,) = whether a sum of the feature is not finite: of n_sums, `stride` apart. */
static inline void emk_not_finite(const emk_real *sums, int n_sums, Py_ssize_t stride, Py_ssize_t n,
                                  unsigned char *bad) {
  emk_real total[64];
  for (Py_ssize_t d = 0; d < n; d++) total[d] = 0;
  for (int i = 0; i < n_sums; i++, sums += stride)
    for (Py_ssize_t d = 0; d < n; d++) total[d] += sums[d] * 0;
  for (Py_ssize_t d = 0; d < n; d++) bad[d] = total[d] != 0;
}

/* Sums of a strip of n features, moved from the centre to the mean by its gap, 0 where they are by
   differences: added in float64. squares may be NULL. */
static inline void emk_move_sums(const emk_real *s, const emk_real *q, const double *gap,
                                 double count, Py_ssize_t n, double *sums, double *squares) {
  for (Py_ssize_t d = 0; d < n; d++) sums[d] += s[d] - count * gap[d];
  if (squares)
    for (Py_ssize_t d = 0; d < n; d++) {
      double moved = q[d] - gap[d] * (2 * (double)s[d] - count * gap[d]);
      squares[d] += gap[d] != 0 ? moved : q[d];     // a sum may have overflowed
    }
}

/* largest (n,) = the largest |offset| of each feature, NaN where one is: of n_components, `stride`
   apart. */
static inline void emk_largest_offsets(const emk_real *offset, Py_ssize_t stride, int n_components,
                                       Py_ssize_t n, emk_real *largest) {
  for (Py_ssize_t d = 0; d < n; d++) largest[d] = 0;
  for (int k = 0; k < n_components; k++, offset += stride)
    for (Py_ssize_t d = 0; d < n; d++) {
      emk_real value = offset[d] < 0 ? -offset[d] : offset[d];
      largest[d] = value <= largest[d] || largest[d] != largest[d] ? largest[d] : value;
    }
}

/* Sums of one component by differences and 4 features, EMK_VECTORS vectors apart, of which the
   `about` are the means; out = the 4 sums of r y, then those of r y^2. */
static inline void emk_four_sums(const emk_vec *x, const Py_ssize_t *at, Py_ssize_t n_tiles,
                                 const emk_vec *r, const emk_real *about, emk_real *out) {
  emk_vec acc[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) acc[i] = emk_splat(0);
  for (Py_ssize_t t = 0; t < n_tiles; t++) {
    const emk_vec *tile = x + at[t];
    for (int v = 0; v < EMK_VECTORS; v++, r++) {
#pragma GCC unroll 4
      for (int d = 0; d < 4; d++) {
        emk_vec y = tile[d * EMK_VECTORS + v] - emk_splat(about[d]), w = *r * y;
        acc[d] = acc[d] + w;
        acc[4 + d] = acc[4 + d] + w * y;
      }
    }
  }
  emk_lane_sums(acc, 8, out);
}

#endif
