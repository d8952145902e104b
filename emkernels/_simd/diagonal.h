/* Loops over components without correlations that need what plain Cython cannot say: inlining that
   is insisted on. Numbers of components are literals where they are called. */
#ifndef EMK_DIAGONAL_H
#define EMK_DIAGONAL_H

#include "distances.h"

/* Components whose sums over rows are made together: as many as there are registers for two sums
   each. */
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
#define EMK_AXES 8
#else
#define EMK_AXES 4
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

/* One feature of tiles at x + at[0], x + at[1], ... under the weights r (n, r_stride) of n components:
   out = the n sums of r y, then those of r y^2. `about` is one centre, y = x - centre, or as many
   means, y = x - mean. MASKED: y is 0 where no component has any weight, as its square may overflow. */
enum { EMK_CENTRED, EMK_MASKED, EMK_DIFFERENCES };
static EMK_ALWAYS_INLINE void emk_feature_sums(const emk_vec *x, const Py_ssize_t *at,
                                               Py_ssize_t n_tiles, const emk_vec *r,
                                               Py_ssize_t r_stride, const emk_real *about,
                                               const int n, const int way, emk_real *out) {
  emk_vec acc[2 * EMK_AXES];
#pragma GCC unroll 16
  for (int i = 0; i < 2 * n; i++) acc[i] = emk_splat(0);
  for (Py_ssize_t t = 0; t < n_tiles; t++) {
    const emk_vec *tile = x + at[t];
    for (int v = 0; v < EMK_VECTORS; v++, r++) {
      if (way == EMK_DIFFERENCES) {
#pragma GCC unroll 8
        for (int k = 0; k < n; k++) {
          emk_vec y = tile[v] - emk_splat(about[k]), w = r[k * r_stride] * y;
          acc[k] = acc[k] + w;
          acc[n + k] = acc[n + k] + w * y;
        }
      } else {
        emk_vec y = tile[v] - emk_splat(about[0]), square;
        if (way == EMK_MASKED) {
          emk_vec most = r[0];
          for (int k = 1; k < n; k++) most = emk_max(most, r[k * r_stride]);
          y = emk_keep_if_ge(y, most, emk_splat(EMK_DOUBLE ? (emk_real)4e-324 : (emk_real)1e-45));
        }
        square = y * y;
#pragma GCC unroll 8
        for (int k = 0; k < n; k++) {
          emk_vec w = r[k * r_stride];
          acc[k] = acc[k] + w * y;
          acc[n + k] = acc[n + k] + w * square;
        }
      }
    }
  }
  emk_lane_sums(acc, 2 * n, out);
}

static inline void emk_axis_sums(const emk_vec *x, const Py_ssize_t *at, Py_ssize_t n_tiles,
                                 const emk_vec *r, Py_ssize_t r_stride, const emk_real *about,
                                 int n, int way, emk_real *out) {
#define EMK_SUMS(n, way) emk_feature_sums(x, at, n_tiles, r, r_stride, about, n, way, out)
#define EMK_CASE(n) \
  case n: \
    if (way == EMK_CENTRED) EMK_SUMS(n, EMK_CENTRED); \
    else if (way == EMK_MASKED) EMK_SUMS(n, EMK_MASKED); \
    else EMK_SUMS(n, EMK_DIFFERENCES); \
    break;
  switch (n) {
    EMK_CASE(1) EMK_CASE(2) EMK_CASE(3) EMK_CASE(4)
#if EMK_AXES == 8
    EMK_CASE(5) EMK_CASE(6) EMK_CASE(7) EMK_CASE(8)
#endif
  }
#undef EMK_CASE
#undef EMK_SUMS
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
      largest[d] = value <= largest[d] ? largest[d] : value;
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
