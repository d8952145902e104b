/* Many rows against many centres in bytes, where the processor multiplies four at a time: the loops of
   sketch.pxi, which says what is computed. */
#ifndef EMK_SKETCH_H
#define EMK_SKETCH_H

#include "nearest.h"

#if defined(__x86_64__) && EMK_VECTOR_BYTES == 64 && defined(__AVX512BW__) \
    && (defined(__clang__) || __GNUC__ >= 9)
#define EMK_BYTES __attribute__((target("avx512vnni")))
#define EMK_FOUR_PRODUCTS(acc, x, c) \
  ((emk_fivec)_mm512_dpbusd_epi32((__m512i)(acc), (__m512i)(x), (__m512i)(c)))
#define EMK_TWO_PRODUCTS(acc, x, c) \
  ((emk_fivec)_mm512_dpwssd_epi32((__m512i)(acc), (__m512i)(x), (__m512i)(c)))
#elif defined(__x86_64__) && EMK_VECTOR_BYTES == 32 && defined(__AVX2__) \
    && ((defined(__clang__) && __clang_major__ >= 12) || (!defined(__clang__) && __GNUC__ >= 11))
#define EMK_BYTES __attribute__((target("avxvnni")))
#define EMK_FOUR_PRODUCTS(acc, x, c) \
  ((emk_fivec)_mm256_dpbusd_avx_epi32((__m256i)(acc), (__m256i)(x), (__m256i)(c)))
#define EMK_TWO_PRODUCTS(acc, x, c) \
  ((emk_fivec)_mm256_dpwssd_avx_epi32((__m256i)(acc), (__m256i)(x), (__m256i)(c)))
#endif

/* Of a crowd: the unit of its bytes, what is lost by them, their length, at least the least form so far,
   and at least their distance to the origin, each (CROWD,); of a panel: half, the same three and what
   half is in error by, each (CENTRE_PANEL,), and its offsets. */
#define EMK_ROW_MARKS 5
#define EMK_CENTRE_MARKS 5
/* Words of four bytes, in whole vectors. */
#define EMK_WORDS(n) (((n) + 4 * EMK_FLANES - 1) / (4 * EMK_FLANES) * EMK_FLANES)
/* Values of 16 bits, in whole vectors; marks of a row in these: its unit, what is lost by them, and the
   length of what is not, each (CROWD,). */
#define EMK_FINE(n) (((n) + 31) / 32 * 32)
#define EMK_FINE_MARKS 3

#ifdef EMK_BYTES
#include <cpuid.h>

/* Whether this processor has what EMK_FOUR_PRODUCTS is. */
static int emk_can_sketch(void) {
  unsigned a, b, c, d;
#if EMK_VECTOR_BYTES == 64
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 11 & 1);
#else
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && a >= 1
         && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#endif
}

/* out (FLANES,) = the low byte of each number. */
static EMK_ALWAYS_INLINE void emk_low_bytes(emk_fvec v, uint8_t *out) {
#if EMK_VECTOR_BYTES == 64
  _mm_storeu_si128((__m128i *)out, _mm512_cvtepi32_epi8((__m512i)v));
#else
  const __m256i first = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                         0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i bytes = _mm256_shuffle_epi8((__m256i)v, first);
  const int32_t low = _mm256_extract_epi32(bytes, 0), high = _mm256_extract_epi32(bytes, 4);
  memcpy(out, &low, 4);
  memcpy(out + 4, &high, 4);
#endif
}

static EMK_ALWAYS_INLINE emk_fvec emk_fmin(emk_fvec a, emk_fvec b) {
#if EMK_VECTOR_BYTES == 64
  return (emk_fvec)_mm512_min_ps((__m512)a, (__m512)b);
#else
  return (emk_fvec)_mm256_min_ps((__m256)a, (__m256)b);
#endif
}

static EMK_ALWAYS_INLINE emk_fvec emk_fmax(emk_fvec a, emk_fvec b) {
#if EMK_VECTOR_BYTES == 64
  return (emk_fvec)_mm512_max_ps((__m512)a, (__m512)b);
#else
  return (emk_fvec)_mm256_max_ps((__m256)a, (__m256)b);
#endif
}

static EMK_ALWAYS_INLINE float emk_fsum(emk_fvec v) {
  float lane[EMK_FLANES];
  memcpy(lane, &v, sizeof v);
  for (int w = EMK_FLANES / 2; w > 0; w /= 2)
    for (int j = 0; j < w; j++) lane[j] += lane[j + w];
  return lane[0];
}

/* Length, times `more`, of y (n,), whole vectors; largest: at least the largest of it. Sums of DEPTH columns
   are added up: in a part DEPTH / FLANES additions, then log2(FLANES). */
static inline float emk_length(const float *y, Py_ssize_t n, float more, float *largest) {
  emk_fvec total = emk_fsplat(0), most = emk_fsplat(0);
  for (Py_ssize_t d = 0; d < n;) {
    const Py_ssize_t end = n - d < EMK_DEPTH ? n : d + EMK_DEPTH;
    emk_fvec part = emk_fsplat(0);
    for (; d < end; d += EMK_FLANES) {
      emk_fvec v;
      memcpy(&v, y + d, sizeof v);
      v = v * v;
      part = part + v;
      most = emk_fmax(most, v);
    }
    total = total + part;
  }
  float lane[EMK_FLANES], top = 0;
  memcpy(lane, &most, sizeof most);
  for (int j = 0; j < EMK_FLANES; j++) top = lane[j] > top ? lane[j] : top;
  *largest = sqrtf(top) * (1 + 1e-6f);
  return sqrtf(emk_fsum(total)) * more;
}

/* out (n,) = y (n,), whole vectors, in units of largest / 127 and rounded, plus `bias`; the length of what
   is lost by it, times `more`. Without a largest that is a number all are 0 and lost. */
static inline float emk_to_bytes(const float *y, Py_ssize_t n, float largest, int bias, float more,
                                 uint8_t *out, float *unit) {
  const int some = largest > 1e-15f && largest < 1e30f;
  const float step = some ? largest / 127 : 0, inverse = some ? 127 / largest : 0;
  // its low byte is the number to be had
  const emk_fvec magic = emk_fsplat(12582912.0f + (float)bias), zero = emk_fsplat(12582912.0f);
  const emk_fvec lift = magic - zero;
  emk_fvec total = emk_fsplat(0);
  *unit = step;
  for (Py_ssize_t d = 0; d < n;) {
    const Py_ssize_t end = n - d < EMK_DEPTH ? n : d + EMK_DEPTH;
    emk_fvec part = emk_fsplat(0);
    for (; d < end; d += EMK_FLANES) {
      emk_fvec v, shifted, lost;
      memcpy(&v, y + d, sizeof v);
      shifted = (v * emk_fsplat(inverse) + zero);
      lost = v - (shifted - zero) * emk_fsplat(step);
      part = part + lost * lost;
      emk_low_bytes(shifted + lift, out + d);
    }
    total = total + part;
  }
  return sqrtf(emk_fsum(total)) * more;
}

/* out (FLANES,) = the lower half of each number. */
static EMK_ALWAYS_INLINE void emk_low_halves(emk_fvec v, int16_t *out) {
#if EMK_VECTOR_BYTES == 64
  _mm256_storeu_si256((__m256i *)out, _mm512_cvtepi32_epi16((__m512i)v));
#else
  const __m256i first = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1,
                                         0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i halves = _mm256_permute4x64_epi64(_mm256_shuffle_epi8((__m256i)v, first), 0x08);
  _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(halves));
#endif
}

/* As emk_to_bytes in 16 bits, of a line of length `norm` at most: its length in units is less than the
   root of 2^31, so that products of two, whole or in part, fit 32 bits. */
static inline float emk_to_halves(const float *y, Py_ssize_t n, float largest, float norm, float more,
                                  int16_t *out, float *unit) {
  const int some = largest > 1e-15f && norm < 1e30f;
  const float step = !some ? 0 : largest / 32766 > norm / 46000 ? largest / 32766 : norm / 46000;
  const emk_fvec zero = emk_fsplat(12582912.0f), inverse = emk_fsplat(some ? 1 / step : 0);
  emk_fvec total = emk_fsplat(0);
  *unit = step;
  for (Py_ssize_t d = 0; d < n;) {
    const Py_ssize_t end = n - d < EMK_DEPTH ? n : d + EMK_DEPTH;
    emk_fvec part = emk_fsplat(0);
    for (; d < end; d += EMK_FLANES) {
      emk_fvec v, shifted, lost;
      memcpy(&v, y + d, sizeof v);
      shifted = v * inverse + zero;
      lost = v - (shifted - zero) * emk_fsplat(step);
      part = part + lost * lost;
      emk_low_halves(shifted, out + d);
    }
    total = total + part;
  }
  return sqrtf(emk_fsum(total)) * more;
}

/* out (4,): products of a line of 16 bits and four others, `n` values apart. */
static EMK_BYTES inline void emk_fine_products(const int16_t *x, const int16_t *c, Py_ssize_t n,
                                               const int *which, int32_t *out) {
  emk_fivec acc[4], a, b;
  const int16_t *line[4];
  __m256i half[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    acc[i] = (emk_fivec){0};
    line[i] = c + which[i] * n;
  }
  for (Py_ssize_t d = 0; d < n; d += 2 * EMK_FLANES) {
    memcpy(&a, x + d, sizeof a);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      memcpy(&b, line[i] + d, sizeof b);
      acc[i] = EMK_TWO_PRODUCTS(acc[i], a, b);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
#if EMK_VECTOR_BYTES == 64
    half[i] = _mm256_add_epi32(_mm512_castsi512_si256((__m512i)acc[i]),
                               _mm512_extracti64x4_epi64((__m512i)acc[i], 1));
#else
    half[i] = (__m256i)acc[i];
#endif
  half[0] = _mm256_hadd_epi32(_mm256_hadd_epi32(half[0], half[1]),
                              _mm256_hadd_epi32(half[2], half[3]));
  _mm_storeu_si128((__m128i *)out, _mm_add_epi32(_mm256_castsi256_si128(half[0]),
                                                 _mm256_extracti128_si256(half[0], 1)));
}

/* Pack scale * (row - origin) of CROWD contiguous rows in bytes for emk_sketch_products: x (PARTS, WORDS,
   PART) words; marks, the last of which are as by emk_pack_crowd. y (4 WORDS) and bytes (FLANES, 4 WORDS) are scratch,
   in whole vectors. And in 16 bits: fine (CROWD, FINE) and their marks, unless NULL. */
static inline void emk_pack_sketch(const char *const *row, Py_ssize_t n_features,
                                   const emk_real *origin, emk_real scale, float more, float *y,
                                   uint8_t *bytes, float *x, float *marks, int16_t *fine,
                                   float *fine_marks) {
  float *norm = marks + 4 * EMK_CROWD;
  const Py_ssize_t n_words = EMK_WORDS(n_features), n = 4 * n_words;
  for (Py_ssize_t d = n_features; d < n; d++) y[d] = 0;
  for (int first = 0; first < EMK_CROWD; first += EMK_FLANES) {
    for (int i = 0; i < EMK_FLANES; i++) {
      const int j = first + i;
      const char *in = row[j];
      float largest;
      for (Py_ssize_t d = 0; d < n_features; d++)
        y[d] = (float)((emk_at(in, d) - origin[d]) * scale);
      norm[j] = emk_length(y, n, more, &largest);
      if (!(norm[j] < EMK_FAR)) largest = 0;
      float lost = emk_to_bytes(y, n, largest, 128, more, bytes + i * n, marks + j);
      lost = norm[j] < EMK_FAR ? lost + 6 * (float)EMK_UNIT * norm[j] + 1e-20f : 0;
      marks[EMK_CROWD + j] = lost;
      marks[2 * EMK_CROWD + j] = norm[j] < EMK_FAR ? norm[j] + lost : 0;
      marks[3 * EMK_CROWD + j] = INFINITY;
      if (!fine) continue;
      lost = emk_to_halves(y, EMK_FINE(n_features), largest, norm[j], more,
                           fine + j * EMK_FINE(n_features), fine_marks + j);
      lost = norm[j] < EMK_FAR ? lost + 6 * (float)EMK_UNIT * norm[j] + 1e-20f : INFINITY;
      fine_marks[EMK_CROWD + j] = lost;
      fine_marks[2 * EMK_CROWD + j] = norm[j] + lost;
    }
    float *to = x + first / EMK_PART * n_words * EMK_PART + first % EMK_PART;
    for (Py_ssize_t w = 0; w < n_words; w += EMK_FLANES)
      emk_put_columns((const float *)bytes + w, n_words, to + w * EMK_PART);
  }
}

/* form (CENTRE_PANEL, CROWD) of one part: at most half of the squared distance of its rows x (n_words, PART)
   to a panel c (n_words, CENTRE_PANEL), less their norms. */
static EMK_BYTES void emk_sketch_part(const float *x, const int32_t *c, Py_ssize_t n_words,
                                      float *row_marks, const float *marks, const int32_t *offset,
                                      float *form) {
  float *top = row_marks + 3 * EMK_CROWD;
  emk_fivec acc[EMK_CENTRE_PANEL * EMK_SUB];
#pragma GCC unroll 6
  for (int m = 0; m < EMK_CENTRE_PANEL; m++)
#pragma GCC unroll 4
    for (int v = 0; v < EMK_SUB; v++) acc[m * EMK_SUB + v] = offset[m] - (emk_fivec){0};
  for (Py_ssize_t w = 0; w < n_words; w++) {
    emk_fivec row[EMK_SUB];
    emk_prefetch((const char *)(c + (w + n_words) * EMK_CENTRE_PANEL));     // of the next panel
#pragma GCC unroll 4
    for (int v = 0; v < EMK_SUB; v++)
      row[v] = *(const emk_fivec *)(x + w * EMK_PART + v * EMK_FLANES);
#pragma GCC unroll 6
    for (int m = 0; m < EMK_CENTRE_PANEL; m++) {
      emk_fivec four = c[w * EMK_CENTRE_PANEL + m] - (emk_fivec){0};
#pragma GCC unroll 4
      for (int v = 0; v < EMK_SUB; v++)
        acc[m * EMK_SUB + v] = EMK_FOUR_PRODUCTS(acc[m * EMK_SUB + v], row[v], four);
    }
  }
  emk_fence();
#pragma GCC unroll 4
  for (int v = 0; v < EMK_SUB; v++) {
    emk_fvec unit, lost, length, most;
    memcpy(&unit, row_marks + v * EMK_FLANES, sizeof unit);
    memcpy(&lost, row_marks + EMK_CROWD + v * EMK_FLANES, sizeof lost);
    memcpy(&length, row_marks + 2 * EMK_CROWD + v * EMK_FLANES, sizeof length);
    memcpy(&most, top + v * EMK_FLANES, sizeof most);
#pragma GCC unroll 6
    for (int m = 0; m < EMK_CENTRE_PANEL; m++) {
      const float *mark = marks + m;
      emk_fvec sum = __builtin_convertvector(acc[m * EMK_SUB + v], emk_fvec);
      emk_fvec middle = emk_fsplat(mark[0])
                        - unit * (emk_fsplat(mark[EMK_CENTRE_PANEL]) * sum);
      emk_fvec error = lost * emk_fsplat(mark[3 * EMK_CENTRE_PANEL])
                       + (length * emk_fsplat(mark[2 * EMK_CENTRE_PANEL])
                          + emk_fsplat(mark[4 * EMK_CENTRE_PANEL]));
      most = emk_fmin(most, middle + error);
      middle = middle - error;
      memcpy(form + m * EMK_CROWD + v * EMK_FLANES, &middle, sizeof middle);
    }
    memcpy(top + v * EMK_FLANES, &most, sizeof most);
  }
}

/* The same of all panels, and of n_crowds, for each of which there are WORDS * CROWD of x, ROW_MARKS * CROWD
   marks and n_panels * CENTRE_PANEL * CROWD forms: centres that do not fit into the second cache are
   read once for all. From `ahead` on, unless NULL, n_bytes are asked for in the meantime. */
static inline void emk_sketch_products(const float *x, const int32_t *sketch, Py_ssize_t n_features,
                                       float *row_marks, const float *marks, const int32_t *offsets,
                                       Py_ssize_t n_panels, int n_crowds, const char *ahead,
                                       Py_ssize_t n_bytes, float *form) {
  const Py_ssize_t n_words = (n_features + 3) / 4, stride = EMK_WORDS(n_features) * EMK_PART;
  const Py_ssize_t step = ahead ? 64 * ((n_bytes + 64 * n_panels - 1) / (64 * n_panels)) : 0;
  const Py_ssize_t n_forms = n_panels * EMK_CENTRE_PANEL * EMK_CROWD;
  for (Py_ssize_t i = 0; i < n_panels; i++) {
    for (const char *end = ahead + step; ahead < end; ahead += 64) emk_prefetch(ahead);
    for (int t = 0; t < n_crowds; t++)
      for (int s = 0; s < EMK_PARTS; s++)
        emk_sketch_part(x + (t * EMK_PARTS + s) * stride, sketch, n_words,
                        row_marks + t * EMK_ROW_MARKS * EMK_CROWD + s * EMK_PART, marks, offsets,
                        form + t * n_forms + s * EMK_PART);
    sketch += n_words * EMK_CENTRE_PANEL;
    marks += EMK_CENTRE_MARKS * EMK_CENTRE_PANEL;
    offsets += EMK_CENTRE_PANEL;
    form += EMK_CENTRE_PANEL * EMK_CROWD;
  }
}

/* As emk_limits, given at least the least half of a squared distance less that to the origin. */
static inline void emk_sketch_limits(const float *norm, const float *top, Py_ssize_t size,
                                     double relative, float *limit, float *square) {
  for (int j = 0; j < EMK_CROWD; j++) {
    double x = norm[j], most = (x * x + 2 * (double)top[j]) * (1 + 1e-6) + EMK_UNDERFLOW;
    most = most > 0 ? most : 0;
    double above = (double)top[j] + 1.05 * relative * most + EMK_UNDERFLOW;
    above += 2e-7 * fabs(above);
    limit[j] = norm[j] < EMK_FAR ? (float)above : INFINITY;
    square[j] = norm[j] < EMK_FAR ? (float)(most * (1 + 1e-6)) : INFINITY;
  }
  for (Py_ssize_t j = size; j < EMK_CROWD; j++) limit[j] = -INFINITY;
}

#else

static int emk_can_sketch(void) { return 0; }
static inline float emk_length(const float *y, Py_ssize_t n, float more, float *largest) {
  (void)y, (void)n, (void)more, (void)largest;
  return 0;
}
static inline float emk_to_bytes(const float *y, Py_ssize_t n, float largest, int bias, float more,
                                 uint8_t *out, float *unit) {
  (void)y, (void)n, (void)largest, (void)bias, (void)more, (void)out, (void)unit;
  return 0;
}
static inline float emk_to_halves(const float *y, Py_ssize_t n, float largest, float norm, float more,
                                  int16_t *out, float *unit) {
  (void)y, (void)n, (void)largest, (void)norm, (void)more, (void)out, (void)unit;
  return 0;
}
static inline void emk_fine_products(const int16_t *x, const int16_t *c, Py_ssize_t n,
                                     const int *which, int32_t *out) {
  (void)x, (void)c, (void)n, (void)which;
  for (int i = 0; i < 4; i++) out[i] = 0;
}
static inline void emk_pack_sketch(const char *const *row, Py_ssize_t n_features,
                                   const emk_real *origin, emk_real scale, float more, float *y,
                                   uint8_t *bytes, float *x, float *marks, int16_t *fine,
                                   float *fine_marks) {
  (void)row, (void)n_features, (void)origin, (void)scale, (void)more, (void)y, (void)bytes;
  (void)x, (void)marks, (void)fine, (void)fine_marks;
}
static inline void emk_sketch_products(const float *x, const int32_t *sketch, Py_ssize_t n_features,
                                       float *row_marks, const float *marks, const int32_t *offsets,
                                       Py_ssize_t n_panels, int n_crowds, const char *ahead,
                                       Py_ssize_t n_bytes, float *form) {
  (void)x, (void)sketch, (void)n_features, (void)row_marks, (void)marks, (void)offsets;
  (void)n_panels, (void)n_crowds, (void)ahead, (void)n_bytes, (void)form;
}
static inline void emk_sketch_limits(const float *norm, const float *top, Py_ssize_t size,
                                     double relative, float *limit, float *square) {
  (void)norm, (void)top, (void)size, (void)relative, (void)limit, (void)square;
}

#endif
#endif
