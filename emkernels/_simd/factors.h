/* Rows against the factors of a component: columns run along the vector lanes, so that any rows can
   be taken together. Inlining has to be insisted on: with the number of sums in a variable every
   step would branch. */
#ifndef EMK_FACTORS_H
#define EMK_FACTORS_H

#include "distances.h"

/* Columns are looked at so many at a time, in an order of each component's own. */
#define EMK_CHUNK 16
/* Sums of one row that are kept in registers, and rows (or vectors of columns) beside them. */
#define EMK_MOST 6
#if EMK_VECTOR_BYTES == 64
#define EMK_BESIDE 4
#else
#define EMK_BESIDE 2
#endif

static EMK_ALWAYS_INLINE emk_vec emk_load(const emk_real *x) {
  emk_vec v;
  memcpy(&v, x, sizeof v);
  return v;
}

/* out[i * out_stride + r] += sums over the columns of some chunks, of R rows: of e^2 (square) and of
   e times each of n loadings, `stride` apart; e = (x - mean) * scale. R, n, square are literals. */
static EMK_ALWAYS_INLINE void emk_project(const emk_real *const *row, const emk_real *mean,
                                          const emk_real *scale, const emk_real *loadings,
                                          Py_ssize_t stride, const int *chunks, int n_chunks,
                                          const int R, const int n, const int square,
                                          emk_real *out, Py_ssize_t out_stride) {
  emk_vec acc[EMK_MOST * EMK_BESIDE];
  emk_real sums[EMK_MOST * EMK_BESIDE];
  const int count = (n + square) * R;
#pragma GCC unroll 24
  for (int i = 0; i < count; i++) acc[i] = emk_splat(0);
  for (int c = 0; c < n_chunks; c++) {
    const Py_ssize_t first = (Py_ssize_t)chunks[c] * EMK_CHUNK;
    for (Py_ssize_t d = first; d < first + EMK_CHUNK; d += EMK_LANES) {
      emk_vec e[EMK_BESIDE], m = emk_load(mean + d), s = emk_load(scale + d);
#pragma GCC unroll 4
      for (int r = 0; r < R; r++) e[r] = (emk_load(row[r] + d) - m) * s;
      if (square) {
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) acc[r] += e[r] * e[r];
      }
#pragma GCC unroll 6
      for (int i = 0; i < n; i++) {
        emk_vec l = emk_load(loadings + i * stride + d);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) acc[(i + square) * R + r] += l * e[r];
      }
    }
  }
  emk_lane_sums(acc, count < 16 ? count : 16, sums);
  if (count > 16) emk_lane_sums(acc + 16, count - 16, sums + 16);
#pragma GCC unroll 6
  for (int i = 0; i < n + square; i++) {
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) out[i * out_stride + r] += sums[i * R + r];
  }
}

/* The same of any number of rows: the square and up to five loadings first, then six at a time. */
static inline void emk_project_rows(const emk_real *const *row, Py_ssize_t n_rows,
                                    const emk_real *mean, const emk_real *scale,
                                    const emk_real *loadings, Py_ssize_t stride,
                                    Py_ssize_t n_factors, const int *chunks, int n_chunks,
                                    emk_real *out, Py_ssize_t out_stride) {
  int square = 1;
  do {
    const int n = (int)(n_factors < EMK_MOST - square ? n_factors : EMK_MOST - square);
    Py_ssize_t r = 0;
#define EMK_CASE(N, S)                                                                             \
  case 10 * S + N:                                                                                 \
    for (; r + EMK_BESIDE <= n_rows; r += EMK_BESIDE)                                              \
      emk_project(row + r, mean, scale, loadings, stride, chunks, n_chunks, EMK_BESIDE, N, S,      \
                  out + r, out_stride);                                                            \
    for (; r < n_rows; r++)                                                                        \
      emk_project(row + r, mean, scale, loadings, stride, chunks, n_chunks, 1, N, S, out + r,      \
                  out_stride);                                                                     \
    break;
    switch (10 * square + n) {
      EMK_CASE(1, 1) EMK_CASE(2, 1) EMK_CASE(3, 1) EMK_CASE(4, 1) EMK_CASE(5, 1)
      EMK_CASE(1, 0) EMK_CASE(2, 0) EMK_CASE(3, 0) EMK_CASE(4, 0) EMK_CASE(5, 0) EMK_CASE(6, 0)
    }
#undef EMK_CASE
    out += (n + square) * out_stride;
    loadings += n * stride;
    n_factors -= n;
    square = 0;
  } while (n_factors > 0);
}

/* out[i * out_stride + j] += sums over rows, of columns d + j of V vectors: of c_0 e^2 (square) and
   of e times each of n coefficients c of the row. V, n, square are literals. */
static EMK_ALWAYS_INLINE void emk_gather(const emk_real *const *row, Py_ssize_t n_rows,
                                         const emk_real *coefficients, Py_ssize_t stride,
                                         const emk_real *mean, const emk_real *scale, Py_ssize_t d,
                                         const int V, const int n, const int square, double *out,
                                         Py_ssize_t out_stride) {
  emk_vec acc[(EMK_MOST + 1) * EMK_BESIDE];
  const int count = (n + square) * V;
#pragma GCC unroll 28
  for (int i = 0; i < count; i++) acc[i] = emk_splat(0);
  for (Py_ssize_t r = 0; r < n_rows; r++) {
    const emk_real *x = row[r] + d, *c = coefficients + r * stride;
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) {
      emk_vec e = (emk_load(x + v * EMK_LANES) - emk_load(mean + d + v * EMK_LANES))
                  * emk_load(scale + d + v * EMK_LANES);
      if (square) acc[v] += emk_splat(c[0]) * e * e;
#pragma GCC unroll 6
      for (int i = 0; i < n; i++) acc[(i + square) * V + v] += emk_splat(c[i]) * e;
    }
  }
  for (int i = 0; i < n + square; i++) {
    emk_real lanes[EMK_BESIDE * EMK_LANES];
    memcpy(lanes, acc + i * V, V * sizeof(emk_vec));
    for (int j = 0; j < V * EMK_LANES; j++) out[i * out_stride + d + j] += lanes[j];
  }
}

/* Of all columns: c_0 e^2, c_0 e, c_1 e, ... into the rows of `out`. n_padded: a multiple of
   EMK_CHUNK, and of the lanes. */
static inline void emk_gather_rows(const emk_real *const *row, Py_ssize_t n_rows,
                                   const emk_real *coefficients, Py_ssize_t n_coefficients,
                                   const emk_real *mean, const emk_real *scale,
                                   Py_ssize_t n_padded, double *out) {
  const Py_ssize_t stride = n_coefficients;
  int square = 1;
  do {
    const int n = (int)(n_coefficients < EMK_MOST ? n_coefficients : EMK_MOST);
    Py_ssize_t d = 0;
#define EMK_CASE(N, S)                                                                             \
  case 10 * S + N:                                                                                 \
    for (; d + EMK_BESIDE * EMK_LANES <= n_padded; d += EMK_BESIDE * EMK_LANES)                    \
      emk_gather(row, n_rows, coefficients, stride, mean, scale, d, EMK_BESIDE, N, S, out,         \
                 n_padded);                                                                        \
    for (; d < n_padded; d += EMK_LANES)                                                           \
      emk_gather(row, n_rows, coefficients, stride, mean, scale, d, 1, N, S, out, n_padded);       \
    break;
    switch (10 * square + n) {
      EMK_CASE(1, 1) EMK_CASE(2, 1) EMK_CASE(3, 1) EMK_CASE(4, 1) EMK_CASE(5, 1) EMK_CASE(6, 1)
      EMK_CASE(1, 0) EMK_CASE(2, 0) EMK_CASE(3, 0) EMK_CASE(4, 0) EMK_CASE(5, 0) EMK_CASE(6, 0)
    }
#undef EMK_CASE
    out += (n + square) * n_padded;
    coefficients += n;
    n_coefficients -= n;
    square = 0;
  } while (n_coefficients > 0);
}

#endif
