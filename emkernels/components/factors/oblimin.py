"""Oblique axes that make loadings simple: direct oblimin with gamma 0."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from emkernels.components.factors.rotations import LEVEL, best_of, total_of

# axes that move by less stand still
STILL = 1e-9


def oblimin_criterion(L):
    """``sum_{j<k} sum_i l_ij^2 l_ik^2`` of loadings (..., D, q): direct quartimin."""
    squares = np.square(L)
    return (squares * (squares.sum(axis=-1, keepdims=True) - squares)).sum(axis=(-2, -1)) / 2


def oblimin(L, starts, *, max_iter=500):
    """Axes T with columns of length 1 and the lowest :func:`oblimin_criterion` of L inv(T').

    Gradient projection for all starts together: steps along the gradient without its part that
    changes the lengths, as long as the last two gradients suggest, halved until the criterion
    falls. Weak factors beside strong ones would take it tens of thousands of steps; Newton's method
    finishes the best of the starts then.

    Parameters
    ----------
    L : ndarray of shape (D, q)
    starts : ndarray of shape (n, q, q)
        Columns of length 1.
    max_iter : int
        Of either.

    Returns
    -------
    Axes

    References
    ----------
    R. I. Jennrich, P. F. Sampson, Psychometrika 31, 1966 (direct oblimin); R. I. Jennrich,
    Psychometrika 67, 2002 (gradient projection, oblique); C. A. Bernaards, R. I. Jennrich,
    Educational and Psychological Measurement 65, 2005; J. Barzilai, J. M. Borwein, IMA Journal of
    Numerical Analysis 8, 1988 (the length of a step).
    """
    total = total_of(L)
    T, value, slope = _projected(L, starts.copy(), total, max_iter)
    while slope[(best := int(value.argmin()))] > LEVEL * total:
        T[best], value[best], slope[best] = _newton(L, T[best], total, max_iter)
        if slope[best] > LEVEL * total:     # as level as it gets
            break
    return best_of(T, value, slope, total)


def _projected(L, T, total, max_iter):
    """Ends of gradient projection, their values and the steepness there."""
    value, slope = _oblimin_at(L, T)
    size = np.sqrt(np.square(slope).sum(axis=(1, 2)))
    step = np.full(len(T), 1 / total)
    moving = np.flatnonzero(size > LEVEL * total)
    for _ in range(max_iter):
        if len(moving) == 0:
            break
        at, before, below = T[moving], slope[moving], value[moving]
        new, new_value, new_slope, moved = _downhill(
            L, (at, below, before), step[moving], LEVEL * total)
        T[moving], value[moving], slope[moving] = new, new_value, new_slope
        size[moving] = np.sqrt(np.square(new_slope).sum(axis=(1, 2)))
        s, y = new - at, new_slope - before
        length, bend = np.square(s).sum(axis=(1, 2)), np.abs((s * y).sum(axis=(1, 2)))
        step[moving] = np.clip(np.divide(
            length, bend, out=4 * step[moving], where=bend > 0), 1e-3 / total, 1e6 / total)
        moving = moving[moved & (size[moving] > LEVEL * total)]
    return T, value, size


def _downhill(L, here, step, slack):
    """One step of each start: matrices, values, slopes and whether it went anywhere.

    slack : float
        How much a value may rise, within its rounding.
    """
    T, value, slope = here
    new, new_value, new_slope = T.copy(), value.copy(), slope.copy()
    size = np.square(slope).sum(axis=(1, 2))
    step, left = step.copy(), np.arange(len(T))
    for _ in range(40):
        tried = T[left] - step[left, None, None] * slope[left]
        tried /= np.sqrt(np.square(tried).sum(axis=1, keepdims=True))
        found, steep = _oblimin_at(L, tried)
        good = found <= value[left] - 1e-4 * step[left] * size[left] + 1e-2 * slack
        new[left[good]], new_value[left[good]] = tried[good], found[good]
        new_slope[left[good]] = steep[good]
        left = left[~good]
        if len(left) == 0:
            break
        step[left] /= 2
    moved = np.ones(len(T), bool)
    moved[left] = False
    return new, new_value, new_slope, moved


def _oblimin_at(L, T):
    """Values and projected gradients at each T; no number where T is singular."""
    with np.errstate(all="ignore"):
        inverse = _inverse(T)
        rotated = L @ inverse.transpose(0, 2, 1)
        squares = np.square(rotated)
        others = squares.sum(axis=2, keepdims=True) - squares
        value = (squares * others).sum(axis=(1, 2)) / 2
        slope = -((rotated.transpose(0, 2, 1) @ (2 * rotated * others)) @ inverse)
        slope = slope.transpose(0, 2, 1)
        return value, slope - T * (T * slope).sum(axis=1, keepdims=True)


def _inverse(T):
    try:
        return np.linalg.inv(T)
    except LinAlgError:       # of one of them
        found = np.full_like(T, np.nan)
        for each, matrix in zip(found, T):
            if np.linalg.cond(matrix) < 1e15:
                each[...] = np.linalg.inv(matrix)
        return found


def _newton(L, T, total, max_iter):
    """The end of Newton's method from T, its value and the steepness there.

    A column of T moves by multiples of the others, E[a, b] of column a in column b, and is brought
    back to length 1. They mean the same for strong factors and for weak ones, unlike the elements
    of T. Steps are as short as it takes for the criterion to fall (D. W. Marquardt, Journal of the
    Society for Industrial and Applied Mathematics 11, 1963).
    """
    q = L.shape[1]
    free = np.flatnonzero(~np.eye(q, dtype=bool).ravel())
    damping, V = 1e-2, _on_axes(L, T)
    value = oblimin_criterion(V)
    for _ in range(max_iter):
        slope, bend, size = _quadratic(V, T.T @ T)
        slope, bend, size = slope[free], bend[np.ix_(free, free)], size[free]
        if not (np.abs(slope) > LEVEL * size).any():
            return T, value, 0.0
        while damping < 1e12:
            step = _step(slope, bend, damping * size)
            if step is not None:
                E = np.zeros(q * q)
                E[free] = step
                new = T + T @ E.reshape(q, q)
                new /= np.sqrt(np.square(new).sum(axis=0))
                V = _on_axes(L, new)
                new_value = oblimin_criterion(V)
                # equal within rounding near the end, where the slope is what still tells
                if new_value <= value + 1e-14 * value:
                    break
            damping = max(10 * damping, 1e-6)
        else:
            break
        T, value, damping = new, new_value, damping / 10
        if np.abs(step).max() < STILL:
            return T, value, 0.0
    return T, value, float(np.abs(slope).max())


def _step(slope, bend, damping):
    """Newton's step with a damped matrix of second derivatives; None where that has no minimum."""
    bend = bend.copy()
    bend[np.diag_indices(len(bend))] += damping
    try:
        factor = cho_factor(bend, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return None
    return -cho_solve(factor, slope, check_finite=False)


def _on_axes(L, T):
    """L inv(T'), no numbers where T is singular."""
    try:
        return np.linalg.solve(T, L.T).T
    except LinAlgError:
        return np.full(L.shape, np.nan)


def _quadratic(V, Phi):
    """First and second derivatives of the criterion by E, and a size of the latter that is
    positive.

    With n_b the length of column b of ``T (I + E)``, the loadings become ``V (I + E)^-T diag(n)``:
    to first order ``dv_j = v_j sum_a Phi_ja E_aj - sum_k v_k E_jk``.

    Parameters
    ----------
    V : ndarray of shape (D, q)
    Phi : ndarray of shape (q, q)

    Returns
    -------
    slope, size : ndarray of shape (q * q,)
    bend : ndarray of shape (q * q, q * q)
    """
    q = V.shape[1]
    squares = np.square(V)
    others = squares.sum(axis=1, keepdims=True) - squares
    R = (2 * V * others).T @ V
    slope = Phi * np.diagonal(R) - R
    # sums over rows of v_b v_d times second derivatives by v_j and v_m
    products = (V[:, :, None] * V[:, None, :]).reshape(len(V), -1)
    H = 4 * (products.T @ products).reshape(q, q, q, q)
    at = np.arange(q)
    H[:, :, at, at] += (products.T @ (2 * others - 4 * squares)).reshape(q, q, q)
    # from [b, d, j, m] to [a, b, c, d]
    bend = (np.einsum("ab,cd,bdbd->abcd", Phi, Phi, H)
            - np.einsum("ab,bdbc->abcd", Phi, H) - np.einsum("cd,bdad->abcd", Phi, H)
            + np.einsum("bdac->abcd", H))
    # and what the curves of the loadings add to their slopes
    for j in range(q):
        bend[:, j, :, j] += R[j, j] * (Phi - np.outer(Phi[j], Phi[j]))
        crossed = np.outer(Phi[j], R[j])
        bend[:, j, j, :] -= crossed
        bend[j, :, :, j] -= crossed.T
        bend[j, at, at, :] += R[j]
        bend[at, :, j, at] += R[j]
    size = 2 * (others.T @ squares + np.square(Phi) * (squares * others).sum(axis=0))
    return slope.ravel(), bend.reshape(q * q, q * q), size.ravel()
