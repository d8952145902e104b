/* The vector type of one SIMD level and one precision.

   setup.py defines EMK_DOUBLE (1 or 0) and EMK_VECTOR_BYTES. With GCC and
   Clang `emk_vec` is a GNU vector of that many bytes; other compilers get a "vector"
   of one lane, so that the same Cython source compiles everywhere. Only what plain
   arithmetic cannot say is spelled out here. */
#ifndef EMK_VECTOR_H
#define EMK_VECTOR_H

#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

#if EMK_DOUBLE
typedef double emk_real;
typedef int64_t emk_int;
#define EMK_REAL_BYTES 8
#else
typedef float emk_real;
typedef int32_t emk_int;
#define EMK_REAL_BYTES 4
#endif

#if defined(__GNUC__) && EMK_VECTOR_BYTES >= 16
#define EMK_LANES (EMK_VECTOR_BYTES / EMK_REAL_BYTES)
typedef emk_real emk_vec __attribute__((vector_size(EMK_VECTOR_BYTES), may_alias));
typedef emk_int emk_ivec __attribute__((vector_size(EMK_VECTOR_BYTES), may_alias));
static inline emk_vec emk_splat(emk_real x) { return x - (emk_vec){0}; }
static inline emk_vec emk_from_bits(emk_ivec i) { return (emk_vec)i; }
static inline emk_ivec emk_to_bits(emk_vec v) { return (emk_ivec)v; }
/* v where a >= b, 0 elsewhere (and where either is NaN) */
static inline emk_vec emk_keep_if_ge(emk_vec v, emk_vec a, emk_vec b) {
  return (emk_vec)((emk_ivec)v & (a >= b));
}
/* a where x < y, b elsewhere (and where either is NaN) */
static inline emk_vec emk_where_less(emk_vec x, emk_vec y, emk_vec a, emk_vec b) {
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64 && EMK_DOUBLE
  return (emk_vec)_mm512_mask_blend_pd(_mm512_cmp_pd_mask(x, y, _CMP_LT_OQ), b, a);
#elif defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
  return (emk_vec)_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a);
#else
  emk_ivec m = x < y;
  return (emk_vec)(((emk_ivec)a & m) | ((emk_ivec)b & ~m));
#endif
}
/* a < b ? a : b and a > b ? a : b, lane by lane, as the instructions have it */
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64 && EMK_DOUBLE
static inline emk_vec emk_min(emk_vec a, emk_vec b) { return (emk_vec)_mm512_min_pd(a, b); }
static inline emk_vec emk_max(emk_vec a, emk_vec b) { return (emk_vec)_mm512_max_pd(a, b); }
#elif defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
static inline emk_vec emk_min(emk_vec a, emk_vec b) { return (emk_vec)_mm512_min_ps(a, b); }
static inline emk_vec emk_max(emk_vec a, emk_vec b) { return (emk_vec)_mm512_max_ps(a, b); }
#else
static inline emk_vec emk_min(emk_vec a, emk_vec b) { return emk_where_less(a, b, a, b); }
static inline emk_vec emk_max(emk_vec a, emk_vec b) { return emk_where_less(b, a, a, b); }
#endif
/* Square roots to an ulp or two: an estimate and two steps of Goldschmidt's iteration take a third of
   the time of the instruction, which is there for what is close to no normal number. */
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64 && EMK_DOUBLE
static inline emk_vec emk_root(emk_vec x) {
  __mmask8 some = _mm512_cmp_pd_mask((__m512d)x, _mm512_setzero_pd(), _CMP_GT_OQ);
  if (some & _mm512_cmp_pd_mask((__m512d)x, _mm512_set1_pd(1e-300), _CMP_LT_OQ))
    return (emk_vec)_mm512_sqrt_pd((__m512d)x);
  emk_vec y = (emk_vec)_mm512_maskz_rsqrt14_pd(some, (__m512d)x);
  emk_vec root = x * y, half = emk_splat(0.5) * y, rest = emk_splat(0.5) - root * half;
  root = root + root * rest;
  half = half + half * rest;
  return root + root * (emk_splat(0.5) - root * half);
}
#elif defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
static inline emk_vec emk_root(emk_vec x) {
  __mmask16 some = _mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_GT_OQ);
  if (some & _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(1e-37f), _CMP_LT_OQ))
    return (emk_vec)_mm512_sqrt_ps((__m512)x);
  emk_vec y = (emk_vec)_mm512_maskz_rsqrt14_ps(some, (__m512)x);
  emk_vec root = x * y;
  return root + root * (emk_splat(0.5f) - root * (emk_splat(0.5f) * y));
}
#else
static inline emk_vec emk_root(emk_vec x) {
  emk_real lane[EMK_LANES];
  memcpy(lane, &x, sizeof x);
  for (int i = 0; i < EMK_LANES; i++) lane[i] = EMK_DOUBLE ? (emk_real)sqrt(lane[i]) : sqrtf(lane[i]);
  memcpy(&x, lane, sizeof x);
  return x;
}
#endif
#if EMK_LANES == 2
#define EMK_EVEN 0, 2
#define EMK_ODD 1, 3
#define EMK_LOW 0, 2
#define EMK_HIGH 1, 3
#elif EMK_LANES == 4
#define EMK_EVEN 0, 2, 4, 6
#define EMK_ODD 1, 3, 5, 7
#define EMK_LOW 0, 4, 1, 5
#define EMK_HIGH 2, 6, 3, 7
#elif EMK_LANES == 8
#define EMK_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define EMK_ODD 1, 3, 5, 7, 9, 11, 13, 15
#define EMK_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define EMK_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define EMK_EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define EMK_ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define EMK_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define EMK_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif
#if defined(__clang__)
#define emk_shuffle(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define emk_shuffle(a, b, ...) __builtin_shuffle(a, b, (emk_ivec){__VA_ARGS__})
#endif
/* (a0 + a1, a2 + a3, ..., b0 + b1, b2 + b3, ...) */
static inline emk_vec emk_pair_add(emk_vec a, emk_vec b) {
  return emk_shuffle(a, b, EMK_EVEN) + emk_shuffle(a, b, EMK_ODD);
}
/* v[i][j] = *(row[j] + offset + i): a LANES x LANES block of rows, transposed. */
#if defined(__AVX512F__) && defined(__AVX512DQ__) && EMK_VECTOR_BYTES == 64 && EMK_DOUBLE
/* Quarters of four rows are put into one vector by the loads; pairs of those interleave. */
static inline void emk_load_transposed(const char *const *row, Py_ssize_t offset, emk_vec *v) {
#pragma GCC unroll 4
  for (int q = 0; q < 4; q++) {
    __m512d half[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
      const char *const *r = row + i;
      const Py_ssize_t at = offset + 16 * q;
#define EMK_QUARTER(n) _mm_loadu_pd((const double *)(r[n] + at))
      half[i] = _mm512_castpd128_pd512(EMK_QUARTER(0));
      half[i] = _mm512_mask_broadcast_f64x2(half[i], 0x0c, EMK_QUARTER(2));
      half[i] = _mm512_mask_broadcast_f64x2(half[i], 0x30, EMK_QUARTER(4));
      half[i] = _mm512_mask_broadcast_f64x2(half[i], 0xc0, EMK_QUARTER(6));
#undef EMK_QUARTER
    }
    v[2 * q] = (emk_vec)_mm512_unpacklo_pd(half[0], half[1]);
    v[2 * q + 1] = (emk_vec)_mm512_unpackhi_pd(half[0], half[1]);
  }
}
#elif defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
static inline void emk_load_transposed(const char *const *row, Py_ssize_t offset, emk_vec *v) {
#pragma GCC unroll 4
  for (int q = 0; q < 4; q++) {
    __m512 a[4];
    __m512d b[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      const char *const *r = row + i;
      const Py_ssize_t at = offset + 16 * q;
#define EMK_QUARTER(n) _mm_loadu_ps((const float *)(r[n] + at))
      a[i] = _mm512_castps128_ps512(EMK_QUARTER(0));
      a[i] = _mm512_mask_broadcast_f32x4(a[i], 0x00f0, EMK_QUARTER(4));
      a[i] = _mm512_mask_broadcast_f32x4(a[i], 0x0f00, EMK_QUARTER(8));
      a[i] = _mm512_mask_broadcast_f32x4(a[i], 0xf000, EMK_QUARTER(12));
#undef EMK_QUARTER
    }
    b[0] = _mm512_castps_pd(_mm512_unpacklo_ps(a[0], a[1]));
    b[1] = _mm512_castps_pd(_mm512_unpacklo_ps(a[2], a[3]));
    b[2] = _mm512_castps_pd(_mm512_unpackhi_ps(a[0], a[1]));
    b[3] = _mm512_castps_pd(_mm512_unpackhi_ps(a[2], a[3]));
    v[4 * q] = (emk_vec)_mm512_unpacklo_pd(b[0], b[1]);
    v[4 * q + 1] = (emk_vec)_mm512_unpackhi_pd(b[0], b[1]);
    v[4 * q + 2] = (emk_vec)_mm512_unpacklo_pd(b[2], b[3]);
    v[4 * q + 3] = (emk_vec)_mm512_unpackhi_pd(b[2], b[3]);
  }
}
#else
/* Each round interleaves the two halves; after log2(LANES) rounds every lane is in place. */
static inline void emk_load_transposed(const char *const *row, Py_ssize_t offset, emk_vec *v) {
  emk_vec t[EMK_LANES];
#pragma GCC unroll 16
  for (int i = 0; i < EMK_LANES; i++) memcpy(&v[i], row[i] + offset, sizeof(emk_vec));
#pragma GCC unroll 4
  for (int n = 1; n < EMK_LANES; n *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < EMK_LANES / 2; i++) {
      t[2 * i] = emk_shuffle(v[i], v[i + EMK_LANES / 2], EMK_LOW);
      t[2 * i + 1] = emk_shuffle(v[i], v[i + EMK_LANES / 2], EMK_HIGH);
    }
#pragma GCC unroll 16
    for (int i = 0; i < EMK_LANES; i++) v[i] = t[i];
  }
}
#endif
#else
#define EMK_LANES 1
typedef emk_real emk_vec;
typedef emk_int emk_ivec;
static inline emk_vec emk_splat(emk_real x) { return x; }
static inline emk_vec emk_from_bits(emk_ivec i) { emk_vec v; memcpy(&v, &i, sizeof v); return v; }
static inline emk_ivec emk_to_bits(emk_vec v) { emk_ivec i; memcpy(&i, &v, sizeof i); return i; }
static inline emk_vec emk_keep_if_ge(emk_vec v, emk_vec a, emk_vec b) { return a >= b ? v : 0; }
static inline emk_vec emk_where_less(emk_vec x, emk_vec y, emk_vec a, emk_vec b) {
  return x < y ? a : b;
}
static inline emk_vec emk_min(emk_vec a, emk_vec b) { return a < b ? a : b; }
static inline emk_vec emk_max(emk_vec a, emk_vec b) { return a > b ? a : b; }
static inline emk_vec emk_pair_add(emk_vec a, emk_vec b) { (void)b; return a; }
static inline emk_vec emk_root(emk_vec x) { return EMK_DOUBLE ? (emk_real)sqrt(x) : sqrtf(x); }
static inline void emk_load_transposed(const char *const *row, Py_ssize_t offset, emk_vec *v) {
  memcpy(v, row[0] + offset, sizeof(emk_vec));
}
#endif

/* A tile is TILE data rows: VECTORS vectors of LANES rows. */
#define EMK_VECTORS 4
#define EMK_TILE (EMK_VECTORS * EMK_LANES)

/* Vectors of a tile that four features are multiplied with at a time: what registers there are for. */
#if EMK_VECTOR_BYTES == 64
#define EMK_WIDTH 4
#else
#define EMK_WIDTH 2
#endif

/* float64 lanes, whatever the precision of the rows: small matrices, one for each lane. */
#if defined(__GNUC__) && EMK_VECTOR_BYTES >= 16
#define EMK_DLANES (EMK_VECTOR_BYTES / 8)
typedef double emk_dvec __attribute__((vector_size(EMK_VECTOR_BYTES), may_alias));
typedef int64_t emk_divec __attribute__((vector_size(EMK_VECTOR_BYTES), may_alias));
static inline emk_dvec emk_dsplat(double x) { return x - (emk_dvec){0}; }
static inline emk_dvec emk_dmax(emk_dvec a, emk_dvec b) {
  emk_divec m = a > b;
  return (emk_dvec)(((emk_divec)a & m) | ((emk_divec)b & ~m));
}
#else
#define EMK_DLANES 1
typedef double emk_dvec;
static inline emk_dvec emk_dsplat(double x) { return x; }
static inline emk_dvec emk_dmax(emk_dvec a, emk_dvec b) { return a > b ? a : b; }
#endif
/* A vector of the rows' precision is EMK_HALVES vectors of float64. */
#define EMK_HALVES (EMK_LANES / EMK_DLANES)
/* v where a >= b, 0 elsewhere (and where either is NaN) */
#if EMK_DLANES == 1
static inline emk_dvec emk_dkeep_if_ge(emk_dvec v, emk_dvec a, emk_dvec b) {
  return a >= b ? v : 0;
}
#else
static inline emk_dvec emk_dkeep_if_ge(emk_dvec v, emk_dvec a, emk_dvec b) {
  return (emk_dvec)((emk_divec)v & (a >= b));
}
#endif
/* whether a >= b in every lane */
static inline int emk_dall_ge(emk_dvec a, emk_dvec b) {
#if defined(__AVX512F__) && EMK_DLANES == 8
  return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GE_OQ) == 0xff;
#elif defined(__AVX__) && EMK_DLANES == 4
  return _mm256_movemask_pd(_mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_GE_OQ)) == 0xf;
#else
  double x[EMK_DLANES], y[EMK_DLANES];
  int all = 1;
  memcpy(x, &a, sizeof a);
  memcpy(y, &b, sizeof b);
  for (int i = 0; i < EMK_DLANES; i++) all &= x[i] >= y[i];
  return all;
#endif
}
/* DLANES values of the rows' precision to float64, and back */
static inline emk_dvec emk_widen(const emk_real *x) {
#if EMK_DLANES == 1
  return *x;
#elif EMK_DOUBLE
  emk_dvec v;
  memcpy(&v, x, sizeof v);
  return v;
#else
  typedef float half __attribute__((vector_size(EMK_VECTOR_BYTES / 2), may_alias));
  half v;
  memcpy(&v, x, sizeof v);
  return __builtin_convertvector(v, emk_dvec);
#endif
}
static inline void emk_narrow(emk_dvec v, emk_real *out) {
#if EMK_DLANES == 1
  *out = (emk_real)v;
#elif EMK_DOUBLE
  memcpy(out, &v, sizeof v);
#else
  typedef float half __attribute__((vector_size(EMK_VECTOR_BYTES / 2), may_alias));
  half x = __builtin_convertvector(v, half);
  memcpy(out, &x, sizeof x);
#endif
}
/* target[i] += w * (x[i] - c[i]) over LANES values, in float64; x may be unaligned */
static inline void emk_add_gaps(double *target, const char *x, const emk_real *c, double w) {
#if EMK_LANES == 1
  emk_real a;
  memcpy(&a, x, sizeof a);
  *target += w * ((double)a - (double)*c);
#elif EMK_DOUBLE
  emk_dvec a, b, t;
  memcpy(&a, x, sizeof a);
  memcpy(&b, c, sizeof b);
  memcpy(&t, target, sizeof t);
  t += emk_dsplat(w) * (a - b);
  memcpy(target, &t, sizeof t);
#else
  typedef float half __attribute__((vector_size(EMK_VECTOR_BYTES / 2), may_alias));
  for (int i = 0; i < 2; i++, x += sizeof(half), c += EMK_DLANES, target += EMK_DLANES) {
    half a, b;
    emk_dvec t;
    memcpy(&a, x, sizeof a);
    memcpy(&b, c, sizeof b);
    memcpy(&t, target, sizeof t);
    t += emk_dsplat(w)
         * (__builtin_convertvector(a, emk_dvec) - __builtin_convertvector(b, emk_dvec));
    memcpy(target, &t, sizeof t);
  }
#endif
}
static inline emk_dvec emk_droot(emk_dvec x) {
  double lane[EMK_DLANES];
  memcpy(lane, &x, sizeof x);
  for (int i = 0; i < EMK_DLANES; i++) lane[i] = sqrt(lane[i]);
  memcpy(&x, lane, sizeof x);
  return x;
}
/* sum a[i] b[i], in an order that depends on n only */
static inline double emk_dot(const double *a, const double *b, Py_ssize_t n) {
  Py_ssize_t i = 0;
  double total = 0, lane[EMK_DLANES];
  if (n >= EMK_DLANES) {
    emk_dvec s = emk_dsplat(0), t = emk_dsplat(0), u, v;
    for (; i + 2 * EMK_DLANES <= n; i += 2 * EMK_DLANES) {
      memcpy(&u, a + i, sizeof u);
      memcpy(&v, b + i, sizeof v);
      s += u * v;
      memcpy(&u, a + i + EMK_DLANES, sizeof u);
      memcpy(&v, b + i + EMK_DLANES, sizeof v);
      t += u * v;
    }
    if (i + EMK_DLANES <= n) {
      memcpy(&u, a + i, sizeof u);
      memcpy(&v, b + i, sizeof v);
      s += u * v;
      i += EMK_DLANES;
    }
    s += t;
    memcpy(lane, &s, sizeof s);
    for (int w = EMK_DLANES / 2; w > 0; w /= 2)
      for (int j = 0; j < w; j++) lane[j] += lane[j + w];
    total = lane[0];
  }
  for (; i < n; i++) total += a[i] * b[i];
  return total;
}

/* sum a[j] b[j] over a tile, in float64 */
static inline double emk_tile_dot(const emk_real *a, const emk_real *b) {
#if EMK_DOUBLE
  return emk_dot(a, b, EMK_TILE);
#elif EMK_LANES == 1
  double total = 0;
  for (int i = 0; i < EMK_TILE; i++) total += (double)a[i] * b[i];
  return total;
#else
  typedef float half __attribute__((vector_size(EMK_VECTOR_BYTES / 2), may_alias));
  emk_dvec total = emk_dsplat(0);
  double lane[EMK_DLANES];
  for (int i = 0; i < EMK_TILE; i += EMK_DLANES) {
    half x, y;
    memcpy(&x, a + i, sizeof x);
    memcpy(&y, b + i, sizeof y);
    total += __builtin_convertvector(x, emk_dvec) * __builtin_convertvector(y, emk_dvec);
  }
  memcpy(lane, &total, sizeof total);
  for (int w = EMK_DLANES / 2; w > 0; w /= 2)
    for (int j = 0; j < w; j++) lane[j] += lane[j + w];
  return lane[0];
#endif
}

/* Loads are not moved across: keeps a loop's accumulators in registers where the compiler
   would rather fill them with constants of the code behind the loop. */
#if defined(__GNUC__)
#define emk_fence() __asm__ volatile("" ::: "memory")
#else
#define emk_fence() ((void)0)
#endif

/* Ask for the cache line of an address that will be read soon; any address will do. */
#if defined(__GNUC__)
#define emk_prefetch(address) __builtin_prefetch(address, 0, 2)
#define emk_prefetch_to(address) __builtin_prefetch(address, 1, 3)
#else
#define emk_prefetch_to(address) ((void)(address))
#define emk_prefetch(address) ((void)(address))
#endif
/* How many bytes ahead of a stream, as measured: into the second cache, not the first. */
#define EMK_AHEAD 16384

/* 2**n where the low mantissa bits of `shifted` hold the biased exponent n + bias. */
static inline emk_vec emk_power_of_two(emk_vec shifted) {
  return emk_from_bits(emk_to_bits(shifted) << (EMK_DOUBLE ? 52 : 23));
}

/* x = m 2**n with sqrt(1/2) <= m < sqrt(2): returns n. x positive and normal. */
static inline emk_vec emk_split_exponent(emk_vec x, emk_vec *m) {
  const emk_int root_half = EMK_DOUBLE ? (emk_int)0x3fe6a09e667f3bcdLL : (emk_int)0x3f3504f3;
  const int mantissa_bits = EMK_DOUBLE ? 52 : 23;
  const emk_real shift = EMK_DOUBLE ? (emk_real)6755399441055744.0 : (emk_real)12582912.0;
  emk_ivec n = (emk_to_bits(x) - root_half) >> mantissa_bits;
  *m = emk_from_bits(emk_to_bits(x) - (n << mantissa_bits));
  return emk_from_bits(n + emk_to_bits(emk_splat(shift))) - emk_splat(shift);
}

/* c_i near 1 / (1 + i / 16) such that log c_i is close to a number of the precision; their bits
   plus those of 1, and -log c_i. */
#if EMK_DOUBLE
static const emk_int emk_inverse_bits[16] __attribute__((aligned(64))) = {
  0x7fe0000000000000, 0x7fde1e1e1e1e1e1e, 0x7fdc71c71c71c58c, 0x7fdaf286bca1af29,
  0x7fd9999999999b2a, 0x7fd8618618618618, 0x7fd745d1745d18d6, 0x7fd642c8590b22f3,
  0x7fd55555555553c5, 0x7fd47ae147ae147d, 0x7fd3b13b13b13ca3, 0x7fd2f684bda12f61,
  0x7fd2492492492303, 0x7fd1a7b9611a7a0a, 0x7fd1111111111115, 0x7fd0842108421211};
static const emk_real emk_inverse_logs[16] __attribute__((aligned(64))) = {
  0.0, 0.060624621816434854, 0.11778303565643347, 0.17185025692665915,
  0.2231435513141542, 0.2719337154836418, 0.3184537311184735, 0.3629054936893048,
  0.40546510810823105, 0.44628710262841914, 0.48550781578162877, 0.5232481437645492,
  0.5596157879355003, 0.5947071077467725, 0.6286086594223733, 0.6613984822452796};
#else
static const emk_int emk_inverse_bits[16] __attribute__((aligned(64))) = {
  0x7f000000, 0x7ef0f0f1, 0x7ee38e39, 0x7ed79436, 0x7ecccccd, 0x7ec30d6f, 0x7eba2e8c, 0x7eb217d2,
  0x7eaaaaab, 0x7ea3d5ea, 0x7e9d8ad4, 0x7e97b426, 0x7e924ab4, 0x7e8d3c42, 0x7e888886, 0x7e84210d};
static const emk_real emk_inverse_logs[16] __attribute__((aligned(64))) = {
  0.0f, 0.060624618f, 0.117783025f, 0.17185025f, 0.22314353f, 0.27190882f, 0.3184537f, 0.3628713f,
  0.40546507f, 0.44631395f, 0.48548347f, 0.52324814f, 0.55957413f, 0.59474957f, 0.62860894f,
  0.66139793f};
#endif

/* For z >= 1, normal: c = c_i / 2**n with |z c - 1| < 1/31, where i = n = 0 for z near 1;
   and -log c_i. Returns n. */
static inline emk_vec emk_near_inverse(emk_vec z, emk_vec *c, emk_vec *minus_log) {
  const int bits = EMK_DOUBLE ? 52 : 23;
  const emk_int half = (emk_int)1 << (bits - 5);
  const emk_int exponents = (emk_int)(EMK_DOUBLE ? 0x7ff : 0xff) << bits;
  emk_ivec t = emk_to_bits(z) + half;
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64 && EMK_DOUBLE
  __m512i at = _mm512_srli_epi64((__m512i)t, bits - 4);     /* all but the low bits are ignored */
  emk_ivec near = (emk_ivec)_mm512_permutex2var_epi64(
    _mm512_load_si512(emk_inverse_bits), at, _mm512_load_si512(emk_inverse_bits + 8));
  *minus_log = (emk_vec)_mm512_permutex2var_pd(
    _mm512_load_pd(emk_inverse_logs), at, _mm512_load_pd(emk_inverse_logs + 8));
  *c = emk_from_bits(near - (t & exponents));
  return (emk_vec)_mm512_getexp_pd((__m512d)t);
#elif defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
  __m512i at = _mm512_srli_epi32((__m512i)t, bits - 4);
  emk_ivec near = (emk_ivec)_mm512_permutexvar_epi32(at, _mm512_load_si512(emk_inverse_bits));
  *minus_log = (emk_vec)_mm512_permutexvar_ps(at, _mm512_load_ps(emk_inverse_logs));
  *c = emk_from_bits(near - (t & exponents));
  return (emk_vec)_mm512_getexp_ps((__m512)t);
#else
  const emk_real shift = EMK_DOUBLE ? (emk_real)6755399441055744.0 : (emk_real)12582912.0;
  const emk_real bias = EMK_DOUBLE ? 1023 : 127;
  emk_int lane[EMK_LANES], near[EMK_LANES];
  emk_real logs[EMK_LANES];
  emk_ivec found;
  memcpy(lane, &t, sizeof t);
#pragma GCC unroll 16
  for (int i = 0; i < EMK_LANES; i++) {
    int at = (int)(lane[i] >> (bits - 4)) & 15;
    near[i] = emk_inverse_bits[at];
    logs[i] = emk_inverse_logs[at];
  }
  memcpy(&found, near, sizeof found);
  memcpy(minus_log, logs, sizeof logs);
  *c = emk_from_bits(found - (t & exponents));
  return emk_from_bits((t >> bits) + emk_to_bits(emk_splat(shift))) - emk_splat(shift + bias);
#endif
}

#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
/* Lanes of two vectors are added: the halves of each, those of a below (step 0), then the halves of
   these (1, 2, 3). One exchange each: what stays where it is, is blended. */
static inline emk_vec emk_fold(emk_vec a, emk_vec b, const int step) {
  const __m512d x = (__m512d)a, y = (__m512d)b;
  if (step == 0)
    return (emk_vec)_mm512_mask_blend_pd(0xf0, x, y) + (emk_vec)_mm512_shuffle_f64x2(x, y, 0x4e);
  if (step == 1)
    return (emk_vec)_mm512_mask_blend_pd(0xcc, x, y)
           + (emk_vec)_mm512_permutex2var_pd(x, _mm512_setr_epi64(2, 3, 8, 9, 6, 7, 12, 13), y);
  if (step == 2)
    return (emk_vec)_mm512_mask_blend_pd(0xaa, x, y) + (emk_vec)_mm512_shuffle_pd(x, y, 0x55);
  return (emk_vec)_mm512_mask_blend_ps(0xaaaa, (__m512)a, (__m512)b)
         + (emk_vec)_mm512_permutex2var_ps((__m512)a, _mm512_setr_epi32(
             1, 16, 3, 18, 5, 20, 7, 22, 9, 24, 11, 26, 13, 28, 15, 30), (__m512)b);
}
#endif

/* Sums over the lanes of n <= 16 accumulators, in order. A tree of
   pairwise adds: n vectors become n / LANES vectors of sums. */
static inline void emk_lane_sums(const emk_vec *acc, int n, emk_real *out) {
#if EMK_LANES == 1
  for (int i = 0; i < n; i++) out[i] = acc[i];
#else
  emk_vec t[16];
  emk_real sums[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) t[i] = i < n ? acc[i] : emk_splat(0);
#if defined(__AVX512F__) && EMK_VECTOR_BYTES == 64
  /* written out: loops are unrolled too late to know their steps */
#define EMK_FOLDS(step) _Pragma("GCC unroll 16")                                   \
  for (int i = 0; i < 16; i++)                                                    \
    if (i % EMK_LANES < EMK_LANES >> (step + 1))                                  \
      t[i] = emk_fold(t[i], t[i + (EMK_LANES >> (step + 1))], step);
  EMK_FOLDS(0)
  EMK_FOLDS(1)
  EMK_FOLDS(2)
#if !EMK_DOUBLE
  EMK_FOLDS(3)
#endif
#undef EMK_FOLDS
#pragma GCC unroll 2
  for (int g = 0; g < 16 / EMK_LANES; g++)
    memcpy(sums + g * EMK_LANES, t + g * EMK_LANES, sizeof(emk_vec));
#else
#pragma GCC unroll 4
  for (int m = 8; m >= 16 / EMK_LANES && m >= 1; m /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) t[i] = emk_pair_add(t[2 * i], t[2 * i + 1]);
  }
  memcpy(sums, t, sizeof sums);
#endif
  for (int i = 0; i < n; i++) out[i] = sums[i];
#endif
}

#endif
