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
#elif defined(__AVX__) && EMK_VECTOR_BYTES == 32
  __m256d t[8], u[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    const __m256 a = _mm256_loadu_ps(in + i * stride), b = _mm256_loadu_ps(in + (i + 1) * stride);
    t[i] = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
    t[i + 1] = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const int at = i / 2 * 4 + i % 2;
    u[2 * i] = _mm256_unpacklo_pd(t[at], t[at + 2]);
    u[2 * i + 1] = _mm256_unpackhi_pd(t[at], t[at + 2]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __m256 a = _mm256_castpd_ps(u[i]), b = _mm256_castpd_ps(u[i + 4]);
    _mm256_storeu_ps(out + i * EMK_PART, _mm256_permute2f128_ps(a, b, 0x20));
    _mm256_storeu_ps(out + (i + 4) * EMK_PART, _mm256_permute2f128_ps(a, b, 0x31));
  }
#elif defined(__SSE4_1__) && EMK_VECTOR_BYTES == 16
  __m128 a = _mm_loadu_ps(in), b = _mm_loadu_ps(in + stride), c = _mm_loadu_ps(in + 2 * stride);
  __m128 d = _mm_loadu_ps(in + 3 * stride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(out, a);
  _mm_storeu_ps(out + EMK_PART, b);
  _mm_storeu_ps(out + 2 * EMK_PART, c);
  _mm_storeu_ps(out + 3 * EMK_PART, d);
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
  const __m512 unit = _mm512_set1_ps(scale);
  Py_ssize_t d = 0;
  for (; d + 16 <= n; d += 16)
    _mm512_storeu_ps(out + d, _mm512_mul_ps(
      _mm512_sub_ps(_mm512_loadu_ps(row + 4 * d), _mm512_loadu_ps(origin + d)), unit));
  if (d < n) {
    const __mmask16 some = (__mmask16)((1u << (n - d)) - 1);
    _mm512_storeu_ps(out + d, _mm512_mul_ps(
      _mm512_sub_ps(_mm512_maskz_loadu_ps(some, row + 4 * d), _mm512_maskz_loadu_ps(some, origin + d)),
      unit));
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

/* Few centres are compared with rows as they lie, two at a time with LINES centres, which fills the
   registers: to pack the rows would take longer than what it saves. */
#if EMK_FLANES == 16 && defined(__AVX512F__)
#define EMK_LINES 8
#define EMK_FEW_CENTRES 8
/* Lane i: the lanes of acc[i]. */
static EMK_ALWAYS_INLINE emk_fvec emk_sums_of_lines(const emk_fvec *acc) {
  __m512 t[8], u[4], a, b;
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    a = (__m512)acc[i], b = (__m512)acc[i + 8];
    t[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    u[i] = _mm512_add_ps(_mm512_shuffle_f32x4(t[i], t[i + 4], 0x88),
                         _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd));
  a = _mm512_add_ps(_mm512_unpacklo_ps(u[0], u[1]), _mm512_unpackhi_ps(u[0], u[1]));
  b = _mm512_add_ps(_mm512_unpacklo_ps(u[2], u[3]), _mm512_unpackhi_ps(u[2], u[3]));
  __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
  a = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
  return (emk_fvec)_mm512_shuffle_f32x4(a, a, 0xd8);
}
#elif EMK_FLANES == 8 && defined(__AVX__)
#define EMK_LINES 4
#define EMK_FEW_CENTRES 8
static EMK_ALWAYS_INLINE emk_fvec emk_sums_of_lines(const emk_fvec *acc) {
  __m256 u[4], a, b;
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    a = (__m256)acc[i], b = (__m256)acc[i + 4];
    u[i] = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
  }
  a = _mm256_add_ps(_mm256_unpacklo_ps(u[0], u[1]), _mm256_unpackhi_ps(u[0], u[1]));
  b = _mm256_add_ps(_mm256_unpacklo_ps(u[2], u[3]), _mm256_unpackhi_ps(u[2], u[3]));
  __m256d x = _mm256_castps_pd(a), y = _mm256_castps_pd(b);
  return (emk_fvec)_mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)),
                                 _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)));
}
#else
#define EMK_FEW_CENTRES 0
#endif

#if EMK_FEW_CENTRES
#define EMK_IN_FLIGHT 2048
/* out (2, LINES): products of two packed lines y (2, n) and centres c (LINES, n), whole vectors; squares of
   the lines are left in lanes. */
static EMK_ALWAYS_INLINE void emk_two_lines(const float *y, const float *c, Py_ssize_t n, float *out,
                                            emk_fvec *squares) {
  emk_fvec acc[2 * EMK_LINES], sums, s = emk_fsplat(0), t = emk_fsplat(0);
#pragma GCC unroll 16
  for (int m = 0; m < 2 * EMK_LINES; m++) acc[m] = emk_fsplat(0);
  for (Py_ssize_t d = 0; d < n; d += EMK_FLANES) {
    const emk_fvec a = *(const emk_fvec *)(y + d), b = *(const emk_fvec *)(y + n + d);
    s = s + a * a;
    t = t + b * b;
#pragma GCC unroll 8
    for (int m = 0; m < EMK_LINES; m++) {
      emk_fvec value = *(const emk_fvec *)(c + m * n + d);
      __asm__("" : "+v"(value));      // loaded once
      acc[m] = acc[m] + value * a;
      acc[EMK_LINES + m] = acc[EMK_LINES + m] + value * b;
    }
  }
  sums = emk_sums_of_lines(acc);
  memcpy(out, &sums, sizeof sums);
  squares[0] = s;
  squares[1] = t;
}

/* As emk_pack_crowd and emk_products with few centres, lines c (n_centers, n_features + 1); x, of the size
   that it has there, is scratch. Sums of n_features / FLANES products, then of lanes, are less than DEPTH. */
static inline void emk_row_products(const char *const *row, Py_ssize_t n_features,
                                    const emk_real *origin, emk_real scale, float more,
                                    const float *c, const float *half, int n_centers,
                                    const char *ahead, float *x, float *form, float *norm,
                                    float *best) {
  const Py_ssize_t n = (n_features + EMK_FLANES - 1) / EMK_FLANES * EMK_FLANES;
  float *y = x, *line = y + 2 * n, *columns = line + EMK_FEW_CENTRES * n;
  float *t = columns + EMK_FLANES * EMK_CROWD;
  emk_fvec squares[EMK_FLANES];
  memset(line, 0, EMK_FEW_CENTRES * n * sizeof(float));
  for (int m = 0; m < n_centers; m++)
    memcpy(line + m * n, c + m * (n_features + 1), n_features * sizeof(float));
  for (int j = 0; j < EMK_CROWD; j += 2) {
    for (int i = 0; i < 2; i++) {
      const char *next = ahead ? row[j + i] + EMK_IN_FLIGHT : row[j + 4 < EMK_CROWD ? j + 4 + i : j];
      for (Py_ssize_t b = 0; b < n_features * (Py_ssize_t)sizeof(emk_real); b += 64)
        emk_prefetch(next + b);
      emk_pack_row(row[j + i], origin, scale, n_features, y + i * n);
    }
    for (int k = 0; k < n_centers; k += EMK_LINES)
      emk_two_lines(y, line + k * n, n, t + k * EMK_CROWD + j * EMK_LINES, squares + j % EMK_FLANES);
    if ((j + 2) % EMK_FLANES == 0) {
      const emk_fvec sums = emk_sums_of_lines(squares);
      memcpy(norm + j + 2 - EMK_FLANES, &sums, sizeof sums);
    }
  }
  for (int j = 0; j < EMK_CROWD; j++) {
    norm[j] = sqrtf(norm[j]) * more;
    best[j] = best[EMK_CROWD + j] = INFINITY;
  }
  memset(best + 2 * EMK_CROWD, 0, EMK_CROWD * sizeof(float));
  for (int k = 0; k < n_centers; k += EMK_LINES)
    for (int j = 0; j < EMK_CROWD; j += EMK_FLANES) {
      emk_fvec length, least, next;
      emk_fivec at;
      memcpy(&length, norm + j, sizeof length);
      memcpy(&least, best + j, sizeof least);
      memcpy(&next, best + EMK_CROWD + j, sizeof next);
      memcpy(&at, best + 2 * EMK_CROWD + j, sizeof at);
      emk_put_columns(t + k * EMK_CROWD + j * EMK_LINES, EMK_LINES, columns);
      for (int m = k; m < k + EMK_LINES && m < n_centers; m++) {
        emk_fvec value = *(const emk_fvec *)(columns + (m - k) * EMK_PART);
        value = emk_fsplat(half[m]) - (value + length * emk_fsplat(c[m * (n_features + 1) + n_features]));
        emk_rank(value, m, &least, &next, &at);
        memcpy(form + m * EMK_CROWD + j, &value, sizeof value);
      }
      memcpy(best + j, &least, sizeof least);
      memcpy(best + EMK_CROWD + j, &next, sizeof next);
      memcpy(best + 2 * EMK_CROWD + j, &at, sizeof at);
    }
}
#else
static inline void emk_row_products(const char *const *row, Py_ssize_t n_features,
                                    const emk_real *origin, emk_real scale, float more,
                                    const float *c, const float *half, int n_centers,
                                    const char *ahead, float *x, float *form, float *norm,
                                    float *best) {
  (void)ahead, (void)row, (void)n_features, (void)origin, (void)scale, (void)more, (void)c, (void)half;
  (void)n_centers, (void)x, (void)form, (void)norm, (void)best;
}
#endif

#endif
