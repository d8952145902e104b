/* Register tiles of triangular factors in float64 (see triangles.pxi).

   A panel is EMK_PANEL rows of a lower triangle, one column after the other; the last one of a
   matrix may be narrower, by whole steps. A strip is EMK_STRIP columns of a panel, which stay in
   registers while products with the columns before them (or behind) are taken away. */
#ifndef EMK_TRIANGLES_H
#define EMK_TRIANGLES_H

#include "distances.h"

#if EMK_DLANES == 8
#define EMK_STRIP 8
#define EMK_WIDEST 3
#elif EMK_DLANES == 4
#define EMK_STRIP 4
#define EMK_WIDEST 3
#elif EMK_DLANES == 2
#define EMK_STRIP 4
#define EMK_WIDEST 2
#else
#define EMK_STRIP 4
#define EMK_WIDEST 4
#endif
/* widths of panels are multiples of EMK_STEP */
#define EMK_STEP (EMK_DLANES > EMK_STRIP ? EMK_DLANES : EMK_STRIP)
#define EMK_PANEL (EMK_WIDEST * EMK_DLANES)

static EMK_ALWAYS_INLINE emk_dvec emk_dload(const double *x) {
  emk_dvec v;
  memcpy(&v, x, sizeof v);
  return v;
}

/* acc -= x_k l_k' for n columns x_k of nv vectors, `width` values apart; l_kc is at
   l + k step + c across. */
static EMK_ALWAYS_INLINE void emk_take_away(int nv, emk_dvec acc[EMK_STRIP][EMK_WIDEST], const double *x,
                              Py_ssize_t width, const double *l, Py_ssize_t step,
                              Py_ssize_t across, Py_ssize_t n) {
  for (Py_ssize_t k = 0; k < n; k++, x += width, l += step) {
    emk_dvec v[EMK_WIDEST];
#pragma GCC unroll 4
    for (int i = 0; i < nv; i++) v[i] = emk_dload(x + i * EMK_DLANES);
#pragma GCC unroll 8
    for (int c = 0; c < EMK_STRIP; c++) {
      emk_dvec s = emk_dsplat(l[c * across]);
#pragma GCC unroll 4
      for (int i = 0; i < nv; i++) acc[c][i] -= s * v[i];
    }
  }
}

static EMK_ALWAYS_INLINE void emk_load_strip(int nv, emk_dvec acc[EMK_STRIP][EMK_WIDEST], const double *x,
                               Py_ssize_t width) {
#pragma GCC unroll 8
  for (int c = 0; c < EMK_STRIP; c++) {
#pragma GCC unroll 4
    for (int i = 0; i < nv; i++) acc[c][i] = emk_dload(x + c * width + i * EMK_DLANES);
  }
}

static EMK_ALWAYS_INLINE void emk_store_column(int nv, const emk_dvec *v, double *x) {
#pragma GCC unroll 4
  for (int i = 0; i < nv; i++) memcpy(x + i * EMK_DLANES, v + i, sizeof(emk_dvec));
}

/* Columns first .. first + EMK_STRIP of the panel x, where it is below the diagonal: less the
   products with the columns before, then solved with the triangle of the rows that panel `l`
   has from `lane` on. inverse_roots: of the diagonal of the factor, by column. */
static EMK_ALWAYS_INLINE int emk_below(int nv, double *x, const double *l, Py_ssize_t l_width, Py_ssize_t lane,
                          Py_ssize_t first, const double *inverse_roots) {
  const Py_ssize_t width = nv * EMK_DLANES;
  emk_dvec acc[EMK_STRIP][EMK_WIDEST];
  double *target = x + first * width;
  const double *triangle = l + first * l_width + lane;
  emk_load_strip(nv, acc, target, width);
  emk_take_away(nv, acc, x, width, l + lane, l_width, 1, first);
#pragma GCC unroll 8
  for (int c = 0; c < EMK_STRIP; c++) {
    emk_dvec r = emk_dsplat(inverse_roots[first + c]);
#pragma GCC unroll 4
    for (int i = 0; i < nv; i++) acc[c][i] *= r;
    emk_store_column(nv, acc[c], target + c * width);
#pragma GCC unroll 8
    for (int d = c + 1; d < EMK_STRIP; d++) {
      emk_dvec s = emk_dsplat(triangle[c * l_width + d]);
#pragma GCC unroll 4
      for (int i = 0; i < nv; i++) acc[d][i] -= s * acc[c][i];
    }
  }
  return 1;
}

/* The same where the strip's own rows are in the panel, from `lane` on: a step of Cholesky's
   factorisation. Returns 0 at a pivot that is not positive. */
static EMK_ALWAYS_INLINE int emk_pivots(int nv, double *x, Py_ssize_t lane, Py_ssize_t first,
                          double *inverse_roots) {
  const Py_ssize_t width = nv * EMK_DLANES;
  emk_dvec acc[EMK_STRIP][EMK_WIDEST];
  double *target = x + first * width;
  emk_load_strip(nv, acc, target, width);
  emk_take_away(nv, acc, x, width, x + lane, width, 1, first);
#pragma GCC unroll 8
  for (int c = 0; c < EMK_STRIP; c++) {
    double *column = target + c * width;
    emk_store_column(nv, acc[c], column);
    double pivot = column[lane + c];
    if (!(pivot > 0)) return 0;
    double root = sqrt(pivot);
    inverse_roots[first + c] = 1 / root;
    emk_dvec r = emk_dsplat(1 / root);
#pragma GCC unroll 4
    for (int i = 0; i < nv; i++) acc[c][i] *= r;
    emk_store_column(nv, acc[c], column);
#pragma GCC unroll 8
    for (int d = c + 1; d < EMK_STRIP; d++) {
      emk_dvec s = emk_dsplat(column[lane + d]);
#pragma GCC unroll 4
      for (int i = 0; i < nv; i++) acc[d][i] -= s * acc[c][i];
    }
    memset(column, 0, (lane + c) * sizeof(double));
    column[lane + c] = root;
  }
  return 1;
}

/* Columns first .. first + EMK_STRIP of panel p of the inverse, which has the columns behind them
   in m already. Their rows are in panel q of the factor `lower`, from `lane` on; where q = p it is
   the identity that is solved for. m may be panel p of the factor, of which it takes the place.
   Returns whether all values are below the limit. */
static EMK_ALWAYS_INLINE int emk_inverse_strip(int nv, double *m, Py_ssize_t first, Py_ssize_t lane,
                                 const double *lower, Py_ssize_t q, Py_ssize_t p,
                                 Py_ssize_t q_width, Py_ssize_t p_width,
                                 const double *inverse_roots, double limit) {
  const Py_ssize_t width = nv * EMK_DLANES;
  const Py_ssize_t size = (Py_ssize_t)EMK_PANEL * EMK_PANEL;
  emk_dvec acc[EMK_STRIP][EMK_WIDEST];
  double *target = m + first * width;
  const double *own = lower + size * (q * (q + 1) / 2) + first * q_width;
  const double *x = target + EMK_STRIP * width;
  int fine = 1;
#pragma GCC unroll 8
  for (int c = 0; c < EMK_STRIP; c++) {
#pragma GCC unroll 4
    for (int i = 0; i < nv; i++) acc[c][i] = emk_dsplat(0);
  }
  if (q == p) {
    double unit[EMK_STRIP * EMK_PANEL] = {0};
    for (int c = 0; c < EMK_STRIP; c++) unit[c * width + lane + c] = 1;
    emk_load_strip(nv, acc, unit, width);
  }
  {
    Py_ssize_t rest = q_width - lane - EMK_STRIP;
    emk_take_away(nv, acc, x, width, own + lane + EMK_STRIP, 1, q_width, rest);
    x += rest * width;
  }
  for (Py_ssize_t k = q + 1; k <= p; k++) {
    const double *l = lower + size * (k * (k + 1) / 2);
    if (k < p || p_width == EMK_PANEL) {
      emk_take_away(nv, acc, x, width, l + first * EMK_PANEL, 1, EMK_PANEL, EMK_PANEL);
      x += EMK_PANEL * width;
    } else {
      emk_take_away(nv, acc, x, width, l + first * p_width, 1, p_width, p_width);
    }
  }
#pragma GCC unroll 8
  for (int c = EMK_STRIP - 1; c >= 0; c--) {
    emk_dvec r = emk_dsplat(inverse_roots[first + c]);
    double *column = target + c * width;
#pragma GCC unroll 4
    for (int i = 0; i < nv; i++) acc[c][i] *= r;
    emk_store_column(nv, acc[c], column);
#pragma GCC unroll 8
    for (int d = 0; d < c; d++) {
      emk_dvec s = emk_dsplat(own[d * q_width + lane + c]);
#pragma GCC unroll 4
      for (int i = 0; i < nv; i++) acc[d][i] -= s * acc[c][i];
    }
  }
  for (Py_ssize_t i = 0; i < EMK_STRIP * width; i++) fine &= fabs(target[i]) < limit;
  return fine;
}

/* The same for every width, which the compiler then knows. */
#if EMK_STEP == EMK_PANEL
#define EMK_BY_WIDTH(width, call) return call(EMK_WIDEST);
#else
#define EMK_BY_WIDTH(width, call)                  \
  switch ((width) / EMK_DLANES) {                  \
    case 1: return call(1);                        \
    case 2: return call(2);                        \
    default: return call(3);                       \
  }
#endif

static int emk_strip_below(Py_ssize_t width, double *x, const double *l, Py_ssize_t l_width,
                            Py_ssize_t lane, Py_ssize_t first, const double *inverse_roots) {
#define EMK_CALL(nv) (l_width == EMK_PANEL ? \
    emk_below(nv, x, l, EMK_PANEL, lane, first, inverse_roots) : \
    emk_below(nv, x, l, l_width, lane, first, inverse_roots))
  EMK_BY_WIDTH(width, EMK_CALL)
#undef EMK_CALL
}

static int emk_strip_pivots(Py_ssize_t width, double *x, Py_ssize_t lane, Py_ssize_t first,
                            double *inverse_roots) {
#define EMK_CALL(nv) emk_pivots(nv, x, lane, first, inverse_roots)
  EMK_BY_WIDTH(width, EMK_CALL)
#undef EMK_CALL
}

static int emk_strip_inverse(double *m, Py_ssize_t first, Py_ssize_t lane,
                             const double *lower, Py_ssize_t q, Py_ssize_t p, Py_ssize_t q_width,
                             Py_ssize_t p_width, const double *inverse_roots, double limit) {
#define EMK_CALL(nv) emk_inverse_strip(nv, m, first, lane, lower, q, p, q_width, p_width, \
                                       inverse_roots, limit)
  EMK_BY_WIDTH(p_width, EMK_CALL)
#undef EMK_CALL
}

#endif
