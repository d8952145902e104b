/* Loops over distances that need what plain Cython cannot say: inlining that is insisted on, and
   masks as bits. */
#ifndef EMK_DISTANCES_H
#define EMK_DISTANCES_H

#include "vector.h"

/* q (n, TILE) = sum_d (scale_d (x_d - mean_d))^2 of n components side by side, which lie `stride`
   apart; scale NULL for ones. n is a literal, 1 to 4: in C, where inlining can be insisted on, for
   with n in a variable every step would branch. From `ahead` on, unless NULL, a cache line is
   fetched with each of the 2 * n_features steps. */
#if defined(__GNUC__)
#define EMK_ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define EMK_ALWAYS_INLINE inline
#endif
static EMK_ALWAYS_INLINE void emk_axis_group(const emk_real *mean, const emk_real *scale,
                                             Py_ssize_t stride, const emk_vec *x,
                                             Py_ssize_t n_features, const int n,
                                             const char *ahead, emk_vec *q) {
  for (int half = 0; half < EMK_VECTORS; half += 2) {
    emk_vec acc[8];
#pragma GCC unroll 8
    for (int k = 0; k < 2 * n; k++) acc[k] = emk_splat(0);
    for (Py_ssize_t d = 0; d < n_features; d++) {
      emk_vec x0 = x[d * EMK_VECTORS + half], x1 = x[d * EMK_VECTORS + half + 1];
      if (ahead) {
        emk_prefetch(ahead);
        ahead += 64;
      }
#pragma GCC unroll 4
      for (int k = 0; k < n; k++) {
        emk_vec m = emk_splat(mean[k * stride + d]), z0 = x0 - m, z1 = x1 - m;
        if (scale) {
          emk_vec s = emk_splat(scale[k * stride + d]);
          z0 = z0 * s;
          z1 = z1 * s;
        }
        acc[2 * k] = acc[2 * k] + z0 * z0;
        acc[2 * k + 1] = acc[2 * k + 1] + z1 * z1;
      }
    }
#pragma GCC unroll 4
    for (int k = 0; k < n; k++) {
      q[k * EMK_VECTORS + half] = acc[2 * k];
      q[k * EMK_VECTORS + half + 1] = acc[2 * k + 1];
    }
  }
}

/* Four rows of a lower triangle P times diff (first + 4, TILE): P is packed column by column, its
   last 4 columns are a triangle. out (4, TILE) gets them; or out (TILE) their squares added. */
static EMK_ALWAYS_INLINE void emk_triangle_rows(const emk_real *factor, const emk_vec *diff,
                                                Py_ssize_t first, const int squares,
                                                emk_vec *out) {
  for (int part = 0; part < EMK_VECTORS; part += EMK_WIDTH) {
    const emk_real *f = factor;
    const emk_vec *x = diff + part;
    emk_vec acc[4 * EMK_WIDTH];
#pragma GCC unroll 16
    for (int i = 0; i < 4 * EMK_WIDTH; i++) acc[i] = emk_splat(0);
    for (Py_ssize_t d = 0; d < first; d++, f += 4, x += EMK_VECTORS) {
#pragma GCC unroll 4
      for (int r = 0; r < 4; r++) {
        emk_vec m = emk_splat(f[r]);
#pragma GCC unroll 4
        for (int v = 0; v < EMK_WIDTH; v++)
          acc[r * EMK_WIDTH + v] = acc[r * EMK_WIDTH + v] + m * x[v];
      }
    }
    emk_fence();
#pragma GCC unroll 4
    for (int d = 0; d < 4; d++) {
#pragma GCC unroll 4
      for (int r = d; r < 4; r++) {
        emk_vec m = emk_splat(f[4 * d + r]);
#pragma GCC unroll 4
        for (int v = 0; v < EMK_WIDTH; v++)
          acc[r * EMK_WIDTH + v] = acc[r * EMK_WIDTH + v] + m * x[d * EMK_VECTORS + v];
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4 * EMK_WIDTH; i++) {
      const int at = part + i % EMK_WIDTH;
      if (squares) out[at] = out[at] + acc[i] * acc[i];
      else out[i / EMK_WIDTH * EMK_VECTORS + at] = acc[i];
    }
  }
}
static inline void emk_add_rows(const emk_real *factor, const emk_vec *diff, Py_ssize_t first,
                                emk_vec *q) {
  emk_triangle_rows(factor, diff, first, 1, q);
}
static inline void emk_put_rows(const emk_real *factor, const emk_vec *diff, Py_ssize_t first,
                                emk_vec *y) {
  emk_triangle_rows(factor, diff, first, 0, y);
}

/* out[r * EMK_SOME + k] = |row r - mean k|^2 over the first n_vectors * LANES features, of two rows
   and n centres, `stride` apart; n is a literal, at most EMK_SOME. */
#define EMK_SOME 8
static EMK_ALWAYS_INLINE void emk_two_rows(const char *row0, const char *row1,
                                           const emk_real *mean, Py_ssize_t stride,
                                           Py_ssize_t n_vectors, const int n, emk_real *out) {
  emk_vec acc[2 * EMK_SOME];
#pragma GCC unroll 16
  for (int k = 0; k < 2 * EMK_SOME; k++) acc[k] = emk_splat(0);
  for (Py_ssize_t d = 0; d < n_vectors; d++) {
    emk_vec x0, x1, m;
    memcpy(&x0, row0 + d * (Py_ssize_t)sizeof(emk_vec), sizeof x0);
    memcpy(&x1, row1 + d * (Py_ssize_t)sizeof(emk_vec), sizeof x1);
    emk_prefetch(row0 + d * (Py_ssize_t)sizeof(emk_vec) + EMK_AHEAD);
    emk_prefetch(row1 + d * (Py_ssize_t)sizeof(emk_vec) + EMK_AHEAD);
#pragma GCC unroll 8
    for (int k = 0; k < n; k++) {
      memcpy(&m, mean + k * stride + d * EMK_LANES, sizeof m);
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
      __asm__("" : "+v"(m));      // loaded once
#endif
      acc[k] = acc[k] + (x0 - m) * (x0 - m);
      acc[EMK_SOME + k] = acc[EMK_SOME + k] + (x1 - m) * (x1 - m);
    }
  }
  emk_lane_sums(acc, 2 * EMK_SOME, out);
}
static inline void emk_row_forms(const char *row0, const char *row1, const emk_real *mean,
                                 Py_ssize_t stride, Py_ssize_t n_vectors, int n, emk_real *out) {
#define EMK_CASE(n) \
  case n: emk_two_rows(row0, row1, mean, stride, n_vectors, n, out); break;
  switch (n) {
    EMK_CASE(1) EMK_CASE(2) EMK_CASE(3) EMK_CASE(4) EMK_CASE(5) EMK_CASE(6) EMK_CASE(7) EMK_CASE(8)
  }
#undef EMK_CASE
}

/* Whether a root is of a square that has neither overflown nor lost digits to underflow. */
static inline int emk_is_root(emk_real x) {
  return x > (sizeof(emk_real) == 8 ? (emk_real)1e-140 : (emk_real)1e-15) && x < INFINITY;
}

/* x (n,) = their roots; whether all are such. */
static inline int emk_roots(emk_real *x, Py_ssize_t n) {
  int bad = 0;
  for (Py_ssize_t i = 0; i < n; i++) {
    emk_real root = sizeof(emk_real) == 8 ? (emk_real)sqrt(x[i]) : (emk_real)sqrtf((float)x[i]);
    x[i] = root;
    bad |= !emk_is_root(root);
  }
  return !bad;
}

/* Bit i, i < n <= 64: whether a[i] - b[i] < limit; a holds the upper halves of float32. */
static inline unsigned long long emk_bits_below(const uint16_t *a, const float *b, int n,
                                                float limit) {
  unsigned long long bits = 0;
  int i = 0;
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  for (; i < n; i += 16) {
    __mmask16 m = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : (__mmask16)0xffff;
    __m512i wide = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, a + i)), 16);
    __m512 gap = _mm512_sub_ps(_mm512_castsi512_ps(wide), _mm512_maskz_loadu_ps(m, b + i));
    m = _mm512_mask_cmp_ps_mask(m, gap, _mm512_set1_ps(limit), _CMP_LT_OQ);
    bits |= (unsigned long long)m << i;
  }
#else
#if defined(__SSE4_1__)
  for (; i + 4 <= n; i += 4) {
    __m128i wide = _mm_slli_epi32(_mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)(a + i))), 16);
    __m128 gap = _mm_sub_ps(_mm_castsi128_ps(wide), _mm_loadu_ps(b + i));
    int m = _mm_movemask_ps(_mm_cmplt_ps(gap, _mm_set1_ps(limit)));
    bits |= (unsigned long long)m << i;
  }
#endif
  for (; i < n; i++) {
    uint32_t wide = (uint32_t)a[i] << 16;
    float value;
    memcpy(&value, &wide, 4);
    if (value - b[i] < limit) bits |= 1ULL << i;
  }
#endif
  return bits;
}

static inline int emk_count_bits(unsigned long long bits) {
#if defined(__GNUC__)
  return __builtin_popcountll(bits);
#else
  int n = 0;
  for (; bits; bits &= bits - 1) n++;
  return n;
#endif
}

/* Position of the lowest bit that is set; there must be one. */
static inline int emk_lowest_bit(unsigned long long bits) {
#if defined(__GNUC__)
  return __builtin_ctzll(bits);
#else
  int n = 0;
  while (!(bits >> n & 1)) n++;
  return n;
#endif
}

#endif
