"""The likelihood of the uniquenesses alone, the loadings being the best for them.

With S the covariance matrix, ``psi = exp(x)`` the noise variances, and w, v the eigenpairs of
``A = psi^-1/2 S psi^-1/2``, the best loadings of q factors are ``psi^1/2 V_q (W_q - I)^1/2``, over
the pairs with w > 1, and

    f(x) = log |Sigma| + tr(Sigma^-1 S) = sum x + tr A - sum_m (w_m - 1 - log w_m)
    df / dx_i = 1 - A_ii + sum_m (w_m - 1) v_im^2

(the log-likelihood for one unit of weight is ``-(D log 2 pi + f) / 2``). Nothing here knows units:
f changes by a constant where columns are scaled. What follows are functions of matrices.

K. G. Joreskog, Psychometrika 32, 1967; D. N. Lawley, A. E. Maxwell, Factor Analysis as a
Statistical Method, 1971, chapter 4.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from emkernels.components.factors.moments import RESIDUAL

LONGEST = 4.0           # step in a log uniqueness
HALVINGS = 25
ROUNDING = 1e-14        # of f, relative to it
CONVEX = 1e-3           # least eigenvalue of a Hessian, where it has others below zero
# Below this share of a column's variance digits of f are lost in its eigenvalues, and are had from
# the covariance itself (of so many columns at most).
TINY, EXACT = 1e-5, 1000
# Uniquenesses below this share, whose logarithms fall by so much in a step, are tried at the bound.
# So is what hardly differs from it.
NEAR, FALLING, HARDLY = 0.05, -0.4, 1e-5


@dataclass
class Profile:
    """The profile likelihood at some uniquenesses.

    Attributes
    ----------
    x : ndarray of shape (n_features,)
        Log noise variances.
    value : float
        f, to be made small.
    gradient : ndarray of shape (n_features,)
        Of f in x.
    values, vectors : ndarray of shape (k,), (n_features, k)
        Leading eigenpairs of A with w > 1, at most as many as factors.
    rest : tuple of ndarray or None
        The other pairs, where all are known.
    guess : ndarray
        Where the search of the pairs of the next point begins.
    """

    x: np.ndarray
    value: float
    gradient: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    rest: tuple | None
    guess: np.ndarray


def evaluate(moments, x, n_factors, before=None, digits=True):
    """The :class:`Profile` at log noise variances x.

    Parameters
    ----------
    moments : Dense or Wide
        Of :mod:`emkernels.components.factors.moments`.
    x : ndarray of shape (n_features,)
    n_factors : int
    before : Profile, optional
        One near by: its eigenvectors are begun with, and where it is far from the minimum those of
        large matrices are had with fewer digits.
    digits : bool
        Whether value and gradient have all digits where noise variances are tiny.
    """
    n = min(n_factors, moments.size)
    scale = np.exp(-x / 2)
    if before is None:
        values, vectors = moments.pairs(scale, n)
    else:
        residual = np.clip(1e-3 * np.abs(before.gradient).max(), RESIDUAL, 1e-3)
        values, vectors = moments.pairs(scale, n, before.guess, residual)
    k = int(np.count_nonzero(values[:n] > 1))
    w, v = values[:k], vectors[:, :k]
    diagonal = moments.diagonal * scale**2
    value = x.sum() + diagonal.sum() - (w - 1 - np.log(w)).sum()
    gradient = 1 - diagonal + v**2 @ (w - 1)
    complete = len(values) == moments.size
    point = Profile(x, float(value), gradient, w, v,
                    (values[k:], vectors[:, k:]) if complete else None, vectors)
    if (digits and moments.matrix is not None and moments.size <= EXACT
            and (scale**2 * moments.diagonal).max() > 1 / TINY):
        _with_all_digits(moments.matrix, point)
    return point


def _with_all_digits(matrix, point):
    """Value and gradient from the covariance, whose condition does not depend on the
    uniquenesses."""
    L = loadings(point).T
    covariance = L @ L.T
    covariance[np.diag_indices(len(L))] += np.exp(point.x)
    unit = np.sqrt(np.diagonal(covariance))
    covariance /= unit * unit[:, None]
    factor, info = lapack.dpotrf(covariance, lower=1)
    if info:
        return
    inverse, info = lapack.dpotri(factor, lower=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    inverse /= unit * unit[:, None]
    half = inverse @ matrix
    point.value = float(2 * np.log(np.diagonal(factor) * unit).sum() + np.trace(half))
    point.gradient = np.exp(point.x) * (
        np.diagonal(inverse) - np.einsum("ij,ji->i", half, inverse))


def loadings(point, n_factors=None):
    """The best loadings for the uniquenesses, in canonical form.

    Returns
    -------
    ndarray of shape (n_factors, n_features)
        ``L' psi^-1 L`` is diagonal and falls; factors beyond those with w > 1 are zero; signs are
        as they come.
    """
    k = len(point.values)
    out = np.zeros((k if n_factors is None else n_factors, len(point.x)))
    out[:k] = (point.vectors * np.sqrt(point.values - 1)).T * np.exp(point.x / 2)
    return out


def with_signs(components):
    """Factors turned so that each one's loadings do not sum to less than zero; where the sum is
    rounding, so that the largest is positive."""
    sums = components.sum(axis=1)
    size = np.abs(components).sum(axis=1)
    largest = np.take_along_axis(
        components, np.abs(components).argmax(axis=1)[:, None], axis=1)[:, 0]
    sums = np.where(np.abs(sums) > 1e-9 * size, sums, largest)
    return components * np.where(sums < 0, -1.0, 1.0)[:, None]


def hessian(moments, point):
    """Second derivatives of f, (n_features, n_features); all eigenpairs must be known.

    The pairs of two leading eigenvectors need no division by the gap between them.
    """
    w, v = point.values, point.vectors
    rest, u = point.rest
    leading = v @ v.T
    out = -0.5 * ((v * (w + 1)) @ v.T) * leading
    gaps = w[:, None] - rest
    gaps = np.maximum(gaps, 1e-12 * np.maximum(w[:, None], 1))
    share = 0.5 * (w[:, None] - 1) * (w[:, None] + 3 * rest) / gaps
    products = (v[:, :, None] * u[:, None, :]).reshape(len(v), -1)
    out -= (products * share.ravel()) @ products.T
    out[np.diag_indices(len(v))] += moments.diagonal * np.exp(-point.x) - 0.5 * (v**2 @ (w - 1))
    return (out + out.T) / 2


def _newton(moments, point, free):
    """The Newton step of the free columns; where f is not convex, that of the Hessian with the
    sizes of its eigenvalues. None where the Hessian is not known."""
    if point.rest is None:
        return None
    H = hessian(moments, point)[np.ix_(free, free)]
    if not np.isfinite(H).all():        # from far away
        return None
    g = point.gradient[free]
    unit = 1 / np.sqrt(np.maximum(np.abs(np.diagonal(H)), 1e-8))
    H *= unit * unit[:, None]
    factor, info = lapack.dpotrf(H, lower=1)
    if info == 0 and np.diagonal(factor).min() > 1e-6:
        return -unit * lapack.dpotrs(factor, unit * g, lower=1)[0]
    values, vectors = np.linalg.eigh(H)
    sizes = np.abs(values)
    sizes = np.maximum(sizes, CONVEX * (sizes.max() or 1.0))
    return -unit * (vectors @ ((vectors.T @ (unit * g)) / sizes))


def _scoring(point, free):
    """The step by Lawley's matrix ``((I - V V')_ij)^2``, which is never negative."""
    v, g = point.vectors[free], point.gradient[free]
    k = v.shape[1]
    if len(v) <= 128:
        H = (np.eye(len(v)) - v @ v.T) ** 2
        # the smaller the entry, the worse the approximation
        H[np.diag_indices(len(v))] += 1e-3 * np.diagonal(H) + 1e-10
        return -np.linalg.solve(H, g)
    # H = diag(1 - 2 c) + K K', K being the products of pairs of columns of V
    c = (v**2).sum(axis=1)
    rows, columns = np.triu_indices(k)
    K = v[:, rows] * v[:, columns] * np.where(rows == columns, 1.0, np.sqrt(2.0))
    diagonal = (1 - c) ** 2
    ridge = 1e-3 * diagonal + 1e-10
    p, r = np.zeros_like(g), -g.copy()
    precondition = 1 / (diagonal + ridge)
    z = precondition * r
    d, rz = z.copy(), r @ z
    for _ in range(60):
        Hd = (1 - 2 * c + ridge) * d + K @ (K.T @ d)
        curvature = d @ Hd
        if not curvature > 0:
            break
        p += rz / curvature * d
        r -= rz / curvature * Hd
        z = precondition * r
        rz, before = r @ z, rz
        if rz <= 1e-8 * (g @ (precondition * g)):
            break
        d = z + rz / before * d
    return p


def improve(moments, point, n_factors, floor):
    """One projected Newton step; by scoring where the Hessian is not known, or does not go down.

    Parameters
    ----------
    moments : Dense or Wide
    point : Profile
    n_factors : int
    floor : ndarray of shape (n_features,)
        Least log noise variances.

    Returns
    -------
    Profile
        `point` itself where no step lowers f.
    """
    g = point.gradient
    free = np.flatnonzero((point.x > floor) | (g < 0))
    if not len(free):
        return point
    for direction in (_newton, None, "steepest"):
        if direction is _newton:
            p = _newton(moments, point, free)
        elif direction is None:
            p = _scoring(point, free)
        else:
            p = -g[free]
        if p is None or not np.isfinite(p).all() or not p @ g[free] < 0:
            continue
        new = _search(moments, point, n_factors, floor, free, p)
        if new is not point:
            return new
    return _at_bound(moments, point, n_factors, floor, free[:0])


def _search(moments, point, n_factors, floor, free, p):
    """The first point along p, halved as often as needed, that is low enough."""
    p = p * min(1.0, LONGEST / np.abs(p).max())
    step = 1.0
    for _ in range(HALVINGS):
        x = point.x.copy()
        x[free] = np.maximum(x[free] + step * p, floor[free])
        promised = point.gradient @ (x - point.x)
        new = evaluate(moments, x, n_factors, point)
        if new.value < point.value + 1e-4 * min(promised, 0):
            return _at_bound(moments, new, n_factors, floor, free[p < FALLING])
        if -promised < ROUNDING * max(1.0, abs(point.value)):
            # f is level up to rounding, but its gradient need not be
            if (new.value <= point.value + ROUNDING * max(1.0, abs(point.value))
                    and _slope(new, floor) < 0.5 * _slope(point, floor)):
                new.value = min(new.value, point.value)
                return new
            break
        step /= 2
    return point


def _slope(point, floor):
    """Largest element of the gradient along which f can fall."""
    free = (point.x > floor) | (point.gradient < 0)
    return np.abs(point.gradient[free]).max(initial=0)


def _at_bound(moments, point, n_factors, floor, falling):
    """A uniqueness that falls to zero gets there in equal steps of its logarithm: where it is
    small, the bound is tried; `falling` are columns that fall fast."""
    share = np.exp(point.x) / moments.diagonal
    small = share < HARDLY
    small[falling] |= share[falling] < NEAR
    small &= (point.x > floor) & (point.gradient > 0)
    if not small.any():
        return point
    x = np.where(small, floor, point.x)
    new = evaluate(moments, x, n_factors, point, digits=False)
    if new.value < point.value + 1e-6:
        new = evaluate(moments, x, n_factors, new)
    return new if new.value <= point.value else point


def fit(moments, x, n_factors, floor, *, tol=1e-12, max_iter=100):
    """The minimum of f from log noise variances x, a :class:`Profile`.

    Ends where a step lowers f by less than `tol`, or not at all.
    """
    point = evaluate(moments, np.maximum(x, floor), n_factors)
    for _ in range(max_iter):
        new = improve(moments, point, n_factors, floor)
        gain = point.value - new.value
        point = new
        if gain <= tol:
            break
    return point
