/* What products of many rows and many centres leave, and exact distances of single pairs: the loops of
   nearest.pxi. */
#ifndef EMK_NEAREST_H
#define EMK_NEAREST_H

#include "crowd.h"

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

#if EMK_LANES > 1
/* sums (DLANES,) += w * (x - c), and the squares of x - c. */
static EMK_ALWAYS_INLINE emk_dvec emk_add_some_gaps(const char *x, const double *c, double w,
                                                    double *sums) {
  emk_dvec gap, sum;
  memcpy(&gap, c, sizeof gap);
  memcpy(&sum, sums, sizeof sum);
#if !EMK_DOUBLE && EMK_DLANES == 8 && defined(__AVX512F__)
  // as a conversion of vectors it is done in halves
  gap = (emk_dvec)_mm512_cvtps_pd(_mm256_loadu_ps((const float *)x)) - gap;
#else
#if EMK_DOUBLE
  emk_dvec a;
#else
  float __attribute__((vector_size(EMK_VECTOR_BYTES / 2), may_alias)) a;
#endif
  memcpy(&a, x, sizeof a);
  gap = __builtin_convertvector(a, emk_dvec) - gap;
#endif
  sum = sum + emk_dsplat(w) * gap;
  memcpy(sums, &sum, sizeof sum);
  return gap * gap;
}
#endif

/* sums (n,) += w * (row - c) of a contiguous row; |row - c|^2, all in float64. */
static inline double emk_add_gap_squares(const char *x, const double *c, Py_ssize_t n, double w,
                                         double *sums) {
  double total = 0;
  Py_ssize_t d = 0;
#if EMK_LANES > 1
  emk_dvec square[4];
  double lane[EMK_DLANES];
  for (int i = 0; i < 4; i++) square[i] = emk_dsplat(0);
  for (; d + 4 * EMK_DLANES <= n; d += 4 * EMK_DLANES)
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
      square[i] = square[i] + emk_add_some_gaps(
        x + (d + i * EMK_DLANES) * (Py_ssize_t)sizeof(emk_real), c + d + i * EMK_DLANES, w,
        sums + d + i * EMK_DLANES);
  for (; d + EMK_DLANES <= n; d += EMK_DLANES)
    square[0] = square[0] + emk_add_some_gaps(x + d * (Py_ssize_t)sizeof(emk_real), c + d, w, sums + d);
  square[0] = (square[0] + square[1]) + (square[2] + square[3]);
  memcpy(lane, &square[0], sizeof lane);
  for (int i = EMK_DLANES / 2; i > 0; i /= 2)
    for (int j = 0; j < i; j++) lane[j] += lane[j + i];
  total = lane[0];
#endif
  for (; d < n; d++) {
    emk_real a;
    memcpy(&a, x + d * (Py_ssize_t)sizeof a, sizeof a);
    double gap = (double)a - c[d];
    total += gap * gap;
    sums[d] += w * gap;
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
