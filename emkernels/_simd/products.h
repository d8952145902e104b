/* Sums of products of pairs of features over scaled rows: the loops of moments.pxi.

   The rows of a chunk lie by strips of LANES features: a strip has the values of the first row, those
   of the second, and so on, EMK_STRIP_REALS in all. LEFT features of every row, one by one, times up
   to EMK_ABREAST strips: their sums are in registers while the rows go by. One more row's room between the
   strips keeps them off the same lines of the first cache. */
#ifndef EMK_PRODUCTS_H
#define EMK_PRODUCTS_H

#include "distances.h"

#define EMK_MOMENT_ROWS (EMK_DOUBLE ? 64 : 128)
#define EMK_TOGETHER 4      /* strips whose rows are read at once: what adjacent lines of the cache have */
#define EMK_STRIP_REALS ((EMK_MOMENT_ROWS + 1) * EMK_LANES)
#if EMK_VECTOR_BYTES == 64
#define EMK_LEFT 8
#else
#define EMK_LEFT 4
#endif
#if defined(__FMA__) || defined(__aarch64__)
#define EMK_ABREAST 3
#else
#define EMK_ABREAST 2      /* the products take registers as well */
#endif

/* Up to so many features, rows along the lanes are faster: products with features along them spend
   more on what they do not need, above the diagonal. */
#if EMK_LANES == 16
#define EMK_NARROW 192
#else
#define EMK_NARROW (EMK_DOUBLE && EMK_VECTOR_BYTES == 64 ? 72 : 24)
#endif
/* Features that FEATURES others are multiplied with at a time then. */
#if EMK_VECTOR_BYTES == 64 || defined(__aarch64__)
#define EMK_PAIRED 4
#else
#define EMK_PAIRED 2
#endif

/* Strips that a group of LEFT features has columns of behind its first row. */
#if EMK_LEFT > EMK_LANES
#define EMK_CORNERS (EMK_LEFT / EMK_LANES)
#else
#define EMK_CORNERS 1
#endif

/* target += v, in float64 */
static EMK_ALWAYS_INLINE void emk_add_wide(double *target, const emk_vec *v) {
  for (int i = 0; i < EMK_HALVES; i++) {
    emk_dvec t;
    memcpy(&t, target + i * EMK_DLANES, sizeof t);
    t += emk_widen((const emk_real *)v + i * EMK_DLANES);
    memcpy(target + i * EMK_DLANES, &t, sizeof t);
  }
}

/* The first n values at an address, zeros behind them. */
static EMK_ALWAYS_INLINE emk_vec emk_load_some(const void *x, int n) {
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64 && EMK_DOUBLE
  return (emk_vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), x);
#elif defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
  return (emk_vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), x);
#elif defined(__AVX2__) && EMK_VECTOR_BYTES == 32 && EMK_DOUBLE
  const __m256i some = _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  return (emk_vec)_mm256_maskload_pd(x, some);
#elif defined(__AVX2__) && EMK_VECTOR_BYTES == 32
  const __m256i some = _mm256_cmpgt_epi32(_mm256_set1_epi32(n),
                                          _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  return (emk_vec)_mm256_maskload_ps(x, some);
#elif EMK_LANES > 1 && EMK_LANES <= 4
  emk_vec v = emk_splat(0);     /* put together in a register: what is stored in parts is read late */
#pragma GCC unroll 4
  for (int i = 0; i < EMK_LANES; i++)
    if (i < n) {
      emk_real value;
      memcpy(&value, (const char *)x + i * sizeof value, sizeof value);
      v[i] = value;
    }
  return v;
#else
  emk_real lane[EMK_LANES] = {0};
  emk_vec v;
  memcpy(lane, x, n * sizeof(emk_real));
  memcpy(&v, lane, sizeof v);
  return v;
#endif
}

/* Some strips: e = root (x - mean) of their features, of which the last has n, of rows wherever they are,
   or of what is there already (row NULL); sums (n_strips, LANES) += sum root e. n_strips is a literal. */
static EMK_ALWAYS_INLINE void emk_scale(const char *const *row, Py_ssize_t offset,
                                        const int n_strips, const int n, const emk_real *mean,
                                        const emk_real *root, Py_ssize_t n_rows, emk_real *e,
                                        double *sums) {
  emk_vec m[EMK_TOGETHER], sum[2][EMK_TOGETHER];
#pragma GCC unroll 4
  for (int s = 0; s < n_strips; s++) {
    m[s] = emk_load_some(mean + s * EMK_LANES, s < n_strips - 1 ? EMK_LANES : n);
    sum[0][s] = sum[1][s] = emk_splat(0);
  }
  for (Py_ssize_t c = 0; c < n_rows; c += 2) {
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
      if (i == 1 && c + 1 == n_rows) break;
      const emk_vec r = emk_splat(root[c + i]);
      const char *from = row == NULL ? NULL : row[c + i] + offset;
      emk_real *to = e + (c + i) * EMK_LANES;
#pragma GCC unroll 4
      for (int s = 0; s < n_strips; s++, to += EMK_STRIP_REALS) {
        emk_vec x;
        emk_prefetch_to(to + 8 * EMK_LANES);   /* stores wait for their lines one by one */
        if (row == NULL)
          memcpy(&x, to, sizeof x);
        else if (s < n_strips - 1 || n == EMK_LANES)
          memcpy(&x, from + s * sizeof x, sizeof x);
        else
          x = emk_load_some(from + s * sizeof x, n);
        if (row != NULL) x = x - m[s];
        x = r * x;
        sum[i][s] = sum[i][s] + r * x;
        memcpy(to, &x, sizeof x);
      }
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < n_strips; s++) {
    const emk_vec total = sum[0][s] + sum[1][s];
    emk_add_wide(sums + s * EMK_LANES, &total);
  }
}

/* The strips from that at `offset` on, as many as go well together, of n_left features that are left;
   how many strips. */
static Py_ssize_t emk_scale_strips(const char *const *row, Py_ssize_t offset, Py_ssize_t n_left,
                                   const emk_real *mean, const emk_real *root, Py_ssize_t n_rows,
                                   emk_real *e, double *sums) {
  const int n = EMK_LANES;
  if (n_left >= EMK_TOGETHER * n) {
    if (row == NULL)
      emk_scale(NULL, 0, EMK_TOGETHER, n, mean, root, n_rows, e, sums);
    else
      emk_scale(row, offset, EMK_TOGETHER, n, mean, root, n_rows, e, sums);
    return EMK_TOGETHER;
  }
  if (n_left >= 2 * n) {
    if (row == NULL)
      emk_scale(NULL, 0, 2, n, mean, root, n_rows, e, sums);
    else
      emk_scale(row, offset, 2, n, mean, root, n_rows, e, sums);
    return 2;
  }
  if (row == NULL)
    emk_scale(NULL, 0, 1, n_left < n ? (int)n_left : n, mean, root, n_rows, e, sums);
  else if (n_left >= n)
    emk_scale(row, offset, 1, n, mean, root, n_rows, e, sums);
  else
    emk_scale(row, offset, 1, (int)n_left, mean, root, n_rows, e, sums);
  return 1;
}

/* out[i] (from `column` on) += the products of feature i of `left` and m strips; the last strip's go to
   corner (l, LANES) where it has columns beyond its rows. l, m and `last` are literals. */
static EMK_ALWAYS_INLINE void emk_tile_products(const emk_real *left, const emk_real *right,
                                                Py_ssize_t n_rows, const int l, const int m,
                                                const int last, double *const *out,
                                                Py_ssize_t column, double *corner) {
  emk_vec acc[EMK_LEFT * EMK_ABREAST];
#pragma GCC unroll 24
  for (int i = 0; i < l * m; i++) acc[i] = emk_splat(0);
  for (Py_ssize_t c = 0; c < n_rows; c++) {
    emk_vec x[EMK_ABREAST];
#pragma GCC unroll 3
    for (int v = 0; v < m; v++)
      x[v] = *(const emk_vec *)(right + v * EMK_STRIP_REALS + c * EMK_LANES);
#pragma GCC unroll 8
    for (int i = 0; i < l; i++) {
      emk_vec value = emk_splat(left[i / EMK_LANES * EMK_STRIP_REALS + c * EMK_LANES + i % EMK_LANES]);
#pragma GCC unroll 3
      for (int v = 0; v < m; v++) acc[i * m + v] = acc[i * m + v] + value * x[v];
    }
  }
  emk_fence();
#if !EMK_DOUBLE && EMK_LANES > 1
  /* halves are taken from memory: a register of which halves are taken is none of the upper 16 */
  emk_vec kept[EMK_LEFT * EMK_ABREAST];
#pragma GCC unroll 24
  for (int i = 0; i < l * m; i++) kept[i] = acc[i];
  __asm__ volatile("" : : "r"(kept) : "memory");
#else
  const emk_vec *kept = acc;
#endif
#pragma GCC unroll 8
  for (int i = 0; i < l; i++) {
#pragma GCC unroll 3
    for (int v = 0; v < m; v++)
      emk_add_wide(last && v == m - 1 ? corner + i * EMK_LANES : out[i] + column + v * EMK_LANES,
                   kept + i * m + v);
  }
}

static inline void emk_strip_products(const emk_real *left, const emk_real *right,
                                      Py_ssize_t n_rows, int l, int m, int last,
                                      double *const *out, Py_ssize_t column, double *corner) {
#define EMK_CASE(L, M)                                                              \
  if (m == M && last)                                                               \
    emk_tile_products(left, right, n_rows, L, M, 1, out, column, corner);           \
  else if (m == M)                                                                  \
    emk_tile_products(left, right, n_rows, L, M, 0, out, column, corner);
  if (l == EMK_LEFT) {
    EMK_CASE(EMK_LEFT, 1)
    EMK_CASE(EMK_LEFT, 2)
#if EMK_ABREAST == 3
    EMK_CASE(EMK_LEFT, 3)
#endif
  } else {
    EMK_CASE(EMK_LEFT / 2, 1)
    EMK_CASE(EMK_LEFT / 2, 2)
#if EMK_ABREAST == 3
    EMK_CASE(EMK_LEFT / 2, 3)
#endif
  }
#undef EMK_CASE
}

/* The lanes of a tile whose weight is positive, or no number, which is to show in all sums: their roots behind
   one another, which lane each is, and how many. There is room for one vector more in `root`, for LANES more in `lane`. */
static inline Py_ssize_t emk_weighted_lanes(const emk_vec *weight, emk_real *root, int *lane) {
  Py_ssize_t n = 0;
  for (int v = 0; v < EMK_VECTORS; v++) {
    emk_vec roots = emk_root(weight[v]);
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64 && EMK_DOUBLE
    __mmask8 some = _mm512_cmp_pd_mask((__m512d)weight[v], _mm512_setzero_pd(), _CMP_NLE_UQ);
    __m512i at = _mm512_add_epi32(_mm512_set1_epi32(v * EMK_LANES), _mm512_setr_epi32(
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    roots = (emk_vec)_mm512_maskz_compress_pd(some, (__m512d)roots);
    at = _mm512_maskz_compress_epi32(some, at);
    memcpy(root + n, &roots, sizeof roots);
    _mm256_storeu_si256((__m256i *)(lane + n), _mm512_castsi512_si256(at));
    n += __builtin_popcount(some);
#elif defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
    __mmask16 some = _mm512_cmp_ps_mask((__m512)weight[v], _mm512_setzero_ps(), _CMP_NLE_UQ);
    __m512i at = _mm512_add_epi32(_mm512_set1_epi32(v * EMK_LANES), _mm512_setr_epi32(
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    roots = (emk_vec)_mm512_maskz_compress_ps(some, (__m512)roots);
    at = _mm512_maskz_compress_epi32(some, at);
    memcpy(root + n, &roots, sizeof roots);
    memcpy(lane + n, &at, sizeof at);
    n += __builtin_popcount(some);
#else
    emk_real w[EMK_LANES], r[EMK_LANES];
    memcpy(w, &weight[v], sizeof w);
    memcpy(r, &roots, sizeof r);
    for (int i = 0; i < EMK_LANES; i++) {
      root[n] = r[i];
      lane[n] = v * EMK_LANES + i;
      n += !(w[i] <= 0);
    }
#endif
  }
  return n;
}

#endif
