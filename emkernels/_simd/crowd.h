/* Many rows packed side by side, and their products with panels of centres in float32, whatever the
   precision of the rows: the loops of nearest.pxi, which says what is computed. */
#ifndef EMK_CROWD_H
#define EMK_CROWD_H

#include "distances.h"

/* float32 lanes, whatever the precision of the rows. */
#if defined(__GNUC__) && EMK_VECTOR_BYTES >= 16
#define EMK_FLANES (EMK_VECTOR_BYTES / 4)
typedef float emk_fvec __attribute__((vector_size(EMK_VECTOR_BYTES), may_alias));
typedef int32_t emk_fivec __attribute__((vector_size(EMK_VECTOR_BYTES), may_alias));
static inline emk_fvec emk_fsplat(float x) { return x - (emk_fvec){0}; }
#else
#define EMK_FLANES 1
typedef float emk_fvec;
typedef int32_t emk_fivec;
static inline emk_fvec emk_fsplat(float x) { return x; }
#endif

/* A wide tile is CROWD rows, in SUBS parts of SUB vectors; a panel is CENTRE_PANEL centres, side by side
   column by column. CENTRE_PANEL * SUB sums, SUB vectors of rows and a centre's value fit the registers:
   32 of them, or 16. Rows and centres are taken DEPTH columns at a time: those of a part are in the
   first cache while all panels go by. */
#define EMK_CROWD 64
#define EMK_CENTRE_PANEL 6
#define EMK_DEPTH 128
#if defined(__AVX512F__) || defined(__aarch64__)
#define EMK_SUB 4
#else
#define EMK_SUB 2
#endif
#define EMK_PART (EMK_SUB * EMK_FLANES)
#define EMK_PARTS (EMK_CROWD / EMK_PART)

/* The least so far of each row, the next one, and where the least is: value is that of centre k. */
static EMK_ALWAYS_INLINE void emk_rank(emk_fvec value, int k, emk_fvec *least, emk_fvec *next,
                                       emk_fivec *at) {
#if EMK_FLANES == 1
  if (value < *least) {
    *next = *least;
    *least = value;
    *at = k;
  } else if (value < *next) {
    *next = value;
  }
#elif defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
  const __m512 v = (__m512)value, l = (__m512)*least;
  const __mmask16 less = _mm512_cmp_ps_mask(v, l, _CMP_LT_OQ);
  *at = (emk_fivec)_mm512_mask_mov_epi32((__m512i)*at, less, _mm512_set1_epi32(k));
  *next = (emk_fvec)_mm512_min_ps(_mm512_max_ps(v, l), (__m512)*next);
  *least = (emk_fvec)_mm512_min_ps(v, l);
#else
  const emk_fivec less = value < *least;
  const emk_fvec above = (emk_fvec)(((emk_fivec)*least & less) | ((emk_fivec)value & ~less));
  const emk_fivec below = above < *next;
  *at = (k & less) | (*at & ~less);
  *next = (emk_fvec)(((emk_fivec)above & below) | ((emk_fivec)*next & ~below));
  *least = (emk_fvec)(((emk_fivec)value & less) | ((emk_fivec)*least & ~less));
#endif
}

/* form (n, CROWD) of one part: the products of its rows x (depth, PART) and the first n centres, from
   number k on, of a panel c (depth, CENTRE_PANEL), summed from zero, and then added to what is there unless
   `first`: sums that went on from there would be in error like sums of all columns. When `last`, half
   less the sum; best and next (PART,) are the two least so far, and found (PART,) where the least is. n,
   first and last are literals. */
static EMK_ALWAYS_INLINE void emk_part_products(const float *x, const float *c, Py_ssize_t depth,
                                                const int n, const int first, const int last, int k,
                                                const float *half, float *form, float *best) {
  emk_fvec acc[EMK_CENTRE_PANEL * EMK_SUB];
#pragma GCC unroll 24
  for (int i = 0; i < n * EMK_SUB; i++) acc[i] = emk_fsplat(0);
  for (Py_ssize_t d = 0; d < depth; d++) {
    emk_fvec row[EMK_SUB];
#pragma GCC unroll 4
    for (int v = 0; v < EMK_SUB; v++)
      row[v] = *(const emk_fvec *)(x + d * EMK_PART + v * EMK_FLANES);
#pragma GCC unroll 6
    for (int m = 0; m < n; m++) {
      emk_fvec value = emk_fsplat(c[d * EMK_CENTRE_PANEL + m]);
#pragma GCC unroll 4
      for (int v = 0; v < EMK_SUB; v++)
        acc[m * EMK_SUB + v] = acc[m * EMK_SUB + v] + value * row[v];
    }
  }
  emk_fence();
#pragma GCC unroll 4
  for (int v = 0; v < EMK_SUB; v++) {
    float *top = best + v * EMK_FLANES;
    emk_fvec least, next;
    emk_fivec at;
    if (last) {
      memcpy(&least, top, sizeof least);
      memcpy(&next, top + EMK_CROWD, sizeof next);
      memcpy(&at, top + 2 * EMK_CROWD, sizeof at);
    }
#pragma GCC unroll 6
    for (int m = 0; m < n; m++) {
      emk_fvec value = acc[m * EMK_SUB + v], before;
      if (!first) {
        memcpy(&before, form + m * EMK_CROWD + v * EMK_FLANES, sizeof before);
        value = value + before;
      }
      if (last) {
        value = emk_fsplat(half[m]) - value;
        emk_rank(value, k + m, &least, &next, &at);
      }
      memcpy(form + m * EMK_CROWD + v * EMK_FLANES, &value, sizeof value);
    }
    if (last) {
      memcpy(top, &least, sizeof least);
      memcpy(top + EMK_CROWD, &next, sizeof next);
      memcpy(top + 2 * EMK_CROWD, &at, sizeof at);
    }
  }
}

/* The same of the centres of a panel that there are: n of them, or one more, which is none. */
static EMK_ALWAYS_INLINE void emk_panel_products(const float *x, const float *c, Py_ssize_t depth,
                                                 Py_ssize_t n, const int first, const int last, int k,
                                                 const float *half, float *form, float *best) {
  if (n > 4)
    emk_part_products(x, c, depth, 6, first, last, k, half, form, best);
  else if (n > 2)
    emk_part_products(x, c, depth, 4, first, last, k, half, form, best);
  else
    emk_part_products(x, c, depth, 2, first, last, k, half, form, best);
}

/* form (n_centers, CROWD) of packed rows x and panels (n_features + 1, CENTRE_PANEL), half (n_centers,);
   best (3, CROWD): the least of each row, the next and, as int, where the least is. The rows have
   n_features columns and one more. From `ahead` on, unless NULL, n_bytes are asked for meanwhile. */
static inline void emk_products(const float *x, const float *panels, const float *half,
                                Py_ssize_t n_centers, Py_ssize_t n_features, const char *ahead,
                                Py_ssize_t n_bytes, float *form, float *best) {
  const Py_ssize_t n_panels = (n_centers + EMK_CENTRE_PANEL - 1) / EMK_CENTRE_PANEL;
  const Py_ssize_t n_steps = (n_features + EMK_DEPTH - 1) / EMK_DEPTH * n_panels * EMK_PARTS;
  const Py_ssize_t step = ahead ? 64 * ((n_bytes + 64 * n_steps - 1) / (64 * n_steps)) : 0;
  for (int j = 0; j < EMK_CROWD; j++) best[j] = best[EMK_CROWD + j] = INFINITY;
  memset(best + 2 * EMK_CROWD, 0, EMK_CROWD * sizeof(float));
  for (Py_ssize_t at = 0; at < n_features; at += EMK_DEPTH) {
    const int first = at == 0, last = n_features - at <= EMK_DEPTH;
    const Py_ssize_t depth = last ? n_features - at + 1 : EMK_DEPTH;
    for (Py_ssize_t k = 0; k < n_centers; k += EMK_CENTRE_PANEL) {
      const float *c = panels + k * (n_features + 1) + at * EMK_CENTRE_PANEL, *h = half + k;
      const Py_ssize_t n = n_centers - k;
      for (int s = 0; s < EMK_PARTS; s++) {
        const float *rows = x + s * depth * EMK_PART;
        float *f = form + k * EMK_CROWD + s * EMK_PART, *b = best + s * EMK_PART;
        for (const char *end = ahead + step; ahead < end; ahead += 64) emk_prefetch(ahead);
        if (first && last)
          emk_panel_products(rows, c, depth, n, 1, 1, (int)k, h, f, b);
        else if (first)
          emk_panel_products(rows, c, depth, n, 1, 0, (int)k, h, f, b);
        else if (last)
          emk_panel_products(rows, c, depth, n, 0, 1, (int)k, h, f, b);
        else
          emk_panel_products(rows, c, depth, n, 0, 0, (int)k, h, f, b);
      }
    }
    x += depth * EMK_CROWD;
  }
}

/* out[i * PART] = FLANES values of column i: FLANES rows, `stride` floats apart, transposed. */
static EMK_ALWAYS_INLINE void emk_put_columns(const float *in, Py_ssize_t stride, float *out) {
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
#pragma GCC unroll 4
  for (int q = 0; q < 4; q++) {
    __m512 a[4];
    __m512d b[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      const float *at = in + i * stride + 4 * q;
      a[i] = _mm512_castps128_ps512(_mm_loadu_ps(at));
      a[i] = _mm512_mask_broadcast_f32x4(a[i], 0x00f0, _mm_loadu_ps(at + 4 * stride));
      a[i] = _mm512_mask_broadcast_f32x4(a[i], 0x0f00, _mm_loadu_ps(at + 8 * stride));
      a[i] = _mm512_mask_broadcast_f32x4(a[i], 0xf000, _mm_loadu_ps(at + 12 * stride));
    }
    b[0] = _mm512_castps_pd(_mm512_unpacklo_ps(a[0], a[1]));
    b[1] = _mm512_castps_pd(_mm512_unpacklo_ps(a[2], a[3]));
    b[2] = _mm512_castps_pd(_mm512_unpackhi_ps(a[0], a[1]));
    b[3] = _mm512_castps_pd(_mm512_unpackhi_ps(a[2], a[3]));
    float *to = out + 4 * q * EMK_PART;
    _mm512_storeu_ps(to, _mm512_castpd_ps(_mm512_unpacklo_pd(b[0], b[1])));
    _mm512_storeu_ps(to + EMK_PART, _mm512_castpd_ps(_mm512_unpackhi_pd(b[0], b[1])));
    _mm512_storeu_ps(to + 2 * EMK_PART, _mm512_castpd_ps(_mm512_unpacklo_pd(b[2], b[3])));
    _mm512_storeu_ps(to + 3 * EMK_PART, _mm512_castpd_ps(_mm512_unpackhi_pd(b[2], b[3])));
  }
#else
  for (int i = 0; i < EMK_FLANES; i++)
    for (int j = 0; j < EMK_FLANES; j++) out[i * EMK_PART + j] = in[j * stride + i];
#endif
}

#if defined(__GNUC__)
typedef emk_real emk_loose __attribute__((aligned(1), may_alias));
#endif
static EMK_ALWAYS_INLINE emk_real emk_at(const char *x, Py_ssize_t i) {
#if defined(__GNUC__)
  return ((const emk_loose *)x)[i];
#else
  emk_real value;
  memcpy(&value, x + i * (Py_ssize_t)sizeof value, sizeof value);
  return value;
#endif
}

/* out (n,) = scale * (row - origin) of a contiguous row, and zeros up to whole vectors. */
static EMK_ALWAYS_INLINE void emk_pack_row(const char *row, const emk_real *origin, emk_real scale,
                                           Py_ssize_t n, float *out) {
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64 && !EMK_DOUBLE
  for (Py_ssize_t d = 0; d < n; d += 16) {
    const __mmask16 some = n - d < 16 ? (__mmask16)((1u << (n - d)) - 1) : (__mmask16)-1;
    _mm512_storeu_ps(out + d, _mm512_mul_ps(
      _mm512_sub_ps(_mm512_maskz_loadu_ps(some, row + 4 * d), _mm512_maskz_loadu_ps(some, origin + d)),
      _mm512_set1_ps(scale)));
  }
#else
  Py_ssize_t d = 0;
  for (; d < n; d++) out[d] = (float)((emk_at(row, d) - origin[d]) * scale);
  for (; d % EMK_FLANES; d++) out[d] = 0;
#endif
}

/* Pack scale * (row - origin) of CROWD contiguous rows, rounded to float32, for emk_products: x by
   DEPTH columns, in each (PARTS, depth, PART); norm (CROWD,) are their lengths, rounded up by
   `more` (see nearest.pxi), and the column behind the last. y (FLANES, DEPTH) is scratch; x has room for
   FLANES * PART floats more. */
static inline void emk_pack_crowd(const char *const *row, Py_ssize_t n_features,
                                  const emk_real *origin, emk_real scale, float more, float *y,
                                  float *x, float *norm) {
  emk_fvec squares[EMK_CROWD / EMK_FLANES];
  for (int v = 0; v < EMK_CROWD / EMK_FLANES; v++) squares[v] = emk_fsplat(0);
  for (Py_ssize_t at = 0; at < n_features; at += EMK_DEPTH) {
    const int last = n_features - at <= EMK_DEPTH;
    const Py_ssize_t n = last ? n_features - at : EMK_DEPTH, depth = n + last;
    for (int s = 0; s < EMK_PARTS; s++) {
      float *part = x + s * depth * EMK_PART;
      emk_fvec total[EMK_SUB];
      for (int v = 0; v < EMK_SUB; v++) {
        for (int i = 0; i < EMK_FLANES; i++)
          emk_pack_row(row[s * EMK_PART + v * EMK_FLANES + i] + at * (Py_ssize_t)sizeof(emk_real),
                       origin + at, scale, n, y + i * EMK_DEPTH);
        for (Py_ssize_t d = 0; d < n; d += EMK_FLANES)
          // columns past the last are written over by the next part
          emk_put_columns(y + d, EMK_DEPTH, part + v * EMK_FLANES + d * EMK_PART);
      }
#pragma GCC unroll 4
      for (int v = 0; v < EMK_SUB; v++) total[v] = emk_fsplat(0);
      for (Py_ssize_t d = 0; d < n; d++)
#pragma GCC unroll 4
        for (int v = 0; v < EMK_SUB; v++) {
          emk_fvec value = *(const emk_fvec *)(part + d * EMK_PART + v * EMK_FLANES);
          total[v] = total[v] + value * value;
        }
#pragma GCC unroll 4
      for (int v = 0; v < EMK_SUB; v++)
        squares[s * EMK_SUB + v] = squares[s * EMK_SUB + v] + total[v];
    }
    if (last) {
      memcpy(norm, squares, sizeof squares);
      for (int j = 0; j < EMK_CROWD; j++) norm[j] = sqrtf(norm[j]) * more;
      for (int s = 0; s < EMK_PARTS; s++)
        memcpy(x + (s * depth + n) * EMK_PART, norm + s * EMK_PART, EMK_PART * sizeof(float));
    }
    x += depth * EMK_CROWD;
  }
}

#endif
