/* Many rows against many centres as a product in float32, and exact distances of single pairs: the
   loops of nearest.pxi, which says what is computed. */
#ifndef EMK_NEAREST_H
#define EMK_NEAREST_H

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

/* Bit j: whether not a[j] > limit[j], of CROWD values. */
static inline unsigned long long emk_not_above(const float *a, const float *limit) {
  unsigned long long bits = 0;
#if defined(__AVX512F__)
  for (int j = 0; j < EMK_CROWD; j += 16)
    bits |= (unsigned long long)_mm512_cmp_ps_mask(
              _mm512_loadu_ps(a + j), _mm512_loadu_ps(limit + j), _CMP_NGT_UQ) << j;
#elif defined(__AVX__)
  for (int j = 0; j < EMK_CROWD; j += 8)
    bits |= (unsigned long long)(unsigned)_mm256_movemask_ps(_mm256_cmp_ps(
              _mm256_loadu_ps(a + j), _mm256_loadu_ps(limit + j), _CMP_NGT_UQ)) << j;
#elif defined(__SSE4_1__)
  for (int j = 0; j < EMK_CROWD; j += 4)
    bits |= (unsigned long long)(unsigned)_mm_movemask_ps(_mm_cmpngt_ps(
              _mm_loadu_ps(a + j), _mm_loadu_ps(limit + j))) << j;
#else
  for (int j = 0; j < EMK_CROWD; j++) bits |= (unsigned long long)!(a[j] > limit[j]) << j;
#endif
  return bits;
}

/* What bounds.pxi keeps of the least distance of CROWD rows to n centres, from `first` on, but their
   own: form (n, CROWD) has l, `near` at most |x - o|^2, and unit times a square is scaled. */
static inline void emk_group_bounds(const float *form, int n, int first, const int *own,
                                    const double *near, double unit, float down, float travelled,
                                    uint16_t *out) {
  float least[EMK_CROWD];
  for (int j = 0; j < EMK_CROWD; j++) least[j] = INFINITY;
  for (int k = 0; k < n; k++, form += EMK_CROWD)
    for (int j = 0; j < EMK_CROWD; j++) {
      float value = own[j] == first + k ? INFINITY : form[j];
      least[j] = value < least[j] ? value : least[j];
    }
  for (int j = 0; j < EMK_CROWD; j++) {
    double low = near[j] + 2 * (double)least[j];
    low = low > 0 ? low * unit : 0;     /* and where nothing is known */
    low = low < 1e30 ? low : 1e30;
    float far = (sqrtf((float)low) * down + travelled) * (1 - 2e-7f);
    uint32_t bits;
    memcpy(&bits, &far, 4);
    out[j] = (uint16_t)(bits >> 16);
  }
}

/* Of n numbers as in emk_bits_below those below, listed; how many. Without a list, whether any. */
static inline int emk_list_below(const uint16_t *a, const float *b, int n, float limit, int *list) {
  int found = 0;
  for (int i = 0; i < n; i += 64) {
    unsigned long long bits = emk_bits_below(a + i, b + i, n - i < 64 ? n - i : 64, limit);
    if (!list && bits) return 1;
    for (; bits; bits &= bits - 1) list[found++] = i + emk_lowest_bit(bits);
  }
  return found;
}

/* As emk_pack_crowd, of one row, which stays a row; its length. A part is summed in 16 lanes of
   DEPTH / 16, what is left behind these (up to 15), and the lanes: 15 + 16 additions, less than DEPTH. */
static inline float emk_pack_line(const char *row, Py_ssize_t n_features, const emk_real *origin,
                                  emk_real scale, float more, float *line) {
  float total = 0;
  for (Py_ssize_t d = 0; d < n_features; d++)
    line[d] = (float)((emk_at(row, d) - origin[d]) * scale);
  for (Py_ssize_t d = 0; d < n_features;) {
    const Py_ssize_t end = n_features - d < EMK_DEPTH ? n_features : d + EMK_DEPTH;
    float sum = 0, lane[16] = {0};
    for (; d + 16 <= end; d += 16)
      for (int i = 0; i < 16; i++) lane[i] += line[d + i] * line[d + i];
    for (; d < end; d++) sum += line[d] * line[d];
    for (int i = 0; i < 16; i++) sum += lane[i];
    total += sum;
  }
  return sqrtf(total) * more;
}

/* l (n,) of one such row of length `norm` and n centres c (n, n_features + 1), sums of DEPTH columns
   being added up: in acc DEPTH / (4 FLANES) + 3 of a part at most, then 2 additions, those of the parts,
   log2(FLANES) and 2; in rest less than FLANES. */
static inline void emk_line_products(const float *line, float norm, const float *c,
                                     const float *half, int n, Py_ssize_t n_features, float *l) {
  for (int k = 0; k < n; k++, c += n_features + 1) {
    emk_fvec total = emk_fsplat(0);
    float lane[EMK_FLANES], rest = 0;
    Py_ssize_t d = 0;
    while (d + EMK_FLANES <= n_features) {
      Py_ssize_t end = n_features - d < EMK_DEPTH ? n_features : d + EMK_DEPTH;
      emk_fvec acc[4], a, b;
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) acc[i] = emk_fsplat(0);
      for (; d + 4 * EMK_FLANES <= end; d += 4 * EMK_FLANES) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
          memcpy(&a, line + d + i * EMK_FLANES, sizeof a);
          memcpy(&b, c + d + i * EMK_FLANES, sizeof b);
          acc[i] = acc[i] + a * b;
        }
      }
      for (; d + EMK_FLANES <= end; d += EMK_FLANES) {
        memcpy(&a, line + d, sizeof a);
        memcpy(&b, c + d, sizeof b);
        acc[0] = acc[0] + a * b;
      }
      total = total + ((acc[0] + acc[1]) + (acc[2] + acc[3]));
    }
    memcpy(lane, &total, sizeof total);
    for (; d < n_features; d++) rest += line[d] * c[d];
    for (int w = EMK_FLANES / 2; w > 0; w /= 2)
      for (int j = 0; j < w; j++) lane[j] += lane[j + w];
    l[k] = half[k] - (lane[0] + rest + norm * c[n_features]);
  }
}

/* The largest l that the nearest centre of each of CROWD rows may have, given norms N and the least l;
   and a bound on the squared distance to it, infinite where most of that would be error. See
   nearest.pxi. With t = |x - c_b| and near = N^2 + 2 l_b, t^2 is at most near + 4 e_b; |c_b - o| is at
   most N + t, and 2 u less than a / 70, so that 4 e_b <= a (6.2 N^2 + 2.2 t^2): `most` has twice that.
   A centre whose form by difference is not above that of b has s <= s_b + t^2 r / (1 - r). */
#define EMK_UNIT 5.9604644775390625e-8
#define EMK_FAR 1e9f
#define EMK_UNDERFLOW 1e-20
static inline void emk_limits(const float *norm, const float *best, Py_ssize_t size, double slope,
                              double relative, float *limit, float *square) {
  for (int j = 0; j < EMK_CROWD; j++) {
    double x = norm[j], low = best[j], near = x * x + 2 * low;
    near = near > 0 ? near : 0;
    double most = (1 + 12 * slope) * near + 14 * slope * x * x;
    double far = x + sqrt(most);        /* of the nearest centre from the origin, at most */
    double error = 1.1 * (slope * x * far + 4 * EMK_UNIT * far * far);
    double top = low + 2 * error + 1.05 * relative * most + EMK_UNDERFLOW;
    top += 2e-7 * fabs(top);
    limit[j] = norm[j] < EMK_FAR ? (float)top : INFINITY;
    square[j] = norm[j] < EMK_FAR && 0.999 * most <= near ? (float)(most * (1 + 1e-6)) : INFINITY;
  }
  for (Py_ssize_t j = size; j < EMK_CROWD; j++) limit[j] = -INFINITY;
}

/* The lanes of v, added by halves. */
static EMK_ALWAYS_INLINE emk_real emk_by_halves(emk_vec v) {
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
#if EMK_DOUBLE
  return _mm512_reduce_add_pd((__m512d)v);
#else
  return _mm512_reduce_add_ps((__m512)v);
#endif
#elif defined(__AVX__) && EMK_VECTOR_BYTES == 32
#if EMK_DOUBLE
  __m128d h = _mm_add_pd(_mm256_castpd256_pd128((__m256d)v), _mm256_extractf128_pd((__m256d)v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(h, _mm_unpackhi_pd(h, h)));
#else
  __m128 h = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
  h = _mm_add_ps(h, _mm_movehl_ps(h, h));
  return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
#endif
#else
  emk_real lane[EMK_LANES];
  memcpy(lane, &v, sizeof v);
  for (int w = EMK_LANES / 2; w > 0; w /= 2)
    for (int j = 0; j < w; j++) lane[j] += lane[j + w];
  return lane[0];
#endif
}

/* |x - c|^2 of one row and one centre, both contiguous: sums of lanes, then what is left. */
static inline emk_real emk_pair_square(const char *x, const emk_real *c, Py_ssize_t n_features) {
  Py_ssize_t d = 0;
  emk_vec acc[4], a, b;
  emk_real total;
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) acc[i] = emk_splat(0);
  for (; d + 4 * EMK_LANES <= n_features; d += 4 * EMK_LANES) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      memcpy(&a, x + (d + i * EMK_LANES) * (Py_ssize_t)sizeof(emk_real), sizeof a);
      memcpy(&b, c + d + i * EMK_LANES, sizeof b);
      acc[i] = acc[i] + (a - b) * (a - b);
    }
  }
  for (; d + EMK_LANES <= n_features; d += EMK_LANES) {
    memcpy(&a, x + d * (Py_ssize_t)sizeof(emk_real), sizeof a);
    memcpy(&b, c + d, sizeof b);
    acc[0] = acc[0] + (a - b) * (a - b);
  }
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
  if (d < n_features) {     // and what is left, beside zeros
    const unsigned some = (1u << (n_features - d)) - 1;
#if EMK_DOUBLE
    a = (emk_vec)_mm512_sub_pd(_mm512_maskz_loadu_pd((__mmask8)some, (const emk_loose *)x + d),
                               _mm512_maskz_loadu_pd((__mmask8)some, c + d));
#else
    a = (emk_vec)_mm512_sub_ps(_mm512_maskz_loadu_ps((__mmask16)some, (const emk_loose *)x + d),
                               _mm512_maskz_loadu_ps((__mmask16)some, c + d));
#endif
    acc[1] = acc[1] + a * a;
    d = n_features;
  }
#endif
  acc[0] = (acc[0] + acc[1]) + (acc[2] + acc[3]);
  total = emk_by_halves(acc[0]);
  for (; d < n_features; d++) {
    emk_real gap = emk_at(x, d) - c[d];
    total += gap * gap;
  }
  return total;
}

/* |x - c|^2 in float64 of a row whose values are `step` bytes apart; away: whether any gap is larger
   than what rounding leaves. */
static inline double emk_gap_square(const char *x, Py_ssize_t step, const double *c,
                                    const double *rounding, Py_ssize_t n_features,
                                    unsigned char *away) {
  double acc[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  int far = 0;
  for (Py_ssize_t d = 0; d < n_features; d += 8) {
    const int n = n_features - d < 8 ? (int)(n_features - d) : 8;
    for (int i = 0; i < n; i++) {
      double gap = (double)emk_at(x + (d + i) * step, 0) - c[d + i];
      acc[i] += gap * gap;
      far |= fabs(gap) > rounding[d + i];
    }
  }
  *away = (unsigned char)far;
  return ((acc[0] + acc[4]) + (acc[1] + acc[5])) + ((acc[2] + acc[6]) + (acc[3] + acc[7]));
}

/* sums += weight * (row - origin), n columns of a contiguous row. */
static inline void emk_add_deviations(const char *x, const double *origin, Py_ssize_t n, double weight,
                               double *sums) {
  for (Py_ssize_t d = 0; d < n; d++) sums[d] += weight * ((double)emk_at(x, d) - origin[d]);
}

#endif
