"""Axes of factors: the matrices T that make loadings L inv(T') simple.

Every search begins at several matrices at once, which lie along the first axis of an array; what
comes back is the best. Loadings are of full column rank and of a size near 1.
"""

from dataclasses import dataclass

import numpy as np

# of the sum of squared communalities: a slope below is level, angles below NO_ANGLE are rounding
LEVEL, NO_ANGLE = 1e-13, 1e-14
# a slope up to which an end is one, where rounding or a flat criterion lets no search go on
NEARLY_LEVEL = 1e-7
# starts whose ends differ by less, of the sum of squared communalities, have found the same one
SAME = 1e-9
# ratio of the longest to the shortest way across factors that promax may make: beyond, digits of
# the fit would be lost
MOST_OBLIQUE = 1e3


@dataclass
class Axes:
    """The best end of several starts.

    Attributes
    ----------
    matrix : ndarray of shape (q, q)
        T: its columns are of length 1.
    criterion : float
    n_best : int
        Starts that ended as well as the best.
    converged : bool
    """

    matrix: np.ndarray
    criterion: float
    n_best: int = 1
    converged: bool = True


def random_starts(q, n, random):
    """The identity and n - 1 random orthogonal matrices (Haar), of shape (n, q, q)."""
    starts = np.empty((n, q, q))
    starts[0] = np.eye(q)
    for start in starts[1:]:
        Q, R = np.linalg.qr(random.standard_normal((q, q)))
        start[...] = Q * np.where(np.diagonal(R) < 0, -1.0, 1.0)
    return starts


def total_of(L):
    """The sum of squared communalities, in which criteria and slopes are measured."""
    return float((np.square(L).sum(axis=1) ** 2).sum())


def best_of(matrices, values, slopes, total):
    """Axes of the lowest value, of those that are the same the first that is level."""
    near = values <= values.min() + SAME * total
    level = near & (slopes <= LEVEL * total)
    at = int((level if level.any() else near).argmax())
    return Axes(matrices[at], float(values[at]), int(near.sum()),
                bool(slopes[at] <= NEARLY_LEVEL * total))


# --- orthogonal ------------------------------------------------------------------------------

def orthomax_criterion(L, gamma):
    """``sum_ij l_ij^4 - gamma / D sum_j (sum_i l_ij^2)^2`` of loadings (..., D, q).

    gamma 0 is quartimax, and 1 is varimax: D times the variances of the squared loadings within
    the columns, added up.
    """
    squares = np.square(L)
    return (np.square(squares).sum(axis=(-2, -1))
            - gamma / L.shape[-2] * np.square(squares.sum(axis=-2)).sum(axis=-1))


def orthomax(L, gamma, starts, *, max_sweeps=1000):
    """Orthogonal axes of the largest :func:`orthomax_criterion`.

    Two columns at a time turn by the angle that is best for the pair, which has a closed form, so
    that the criterion never falls and two factors need one turn. Pairs that share no column turn
    together.

    Parameters
    ----------
    L : ndarray of shape (D, q)
    gamma : float
    starts : ndarray of shape (n, q, q)
        Orthogonal matrices.
    max_sweeps : int
        Most turns of every pair.

    Returns
    -------
    Axes

    References
    ----------
    H. F. Kaiser, Psychometrika 23, 1958, eq. 9 (the angle); C. B. Crawford, G. A. Ferguson,
    Psychometrika 35, 1970 (orthomax).
    """
    total, rounds = total_of(L), _tournament(L.shape[1])
    T = starts.copy()
    slopes = np.full(len(T), np.inf)
    moving = np.arange(len(T))
    for _ in range(max_sweeps):
        both = np.concatenate([L @ T[moving], T[moving]], axis=1)
        slopes[moving] = _sweep(both, len(L), gamma, rounds)
        T[moving] = both[:, len(L):]
        moving = moving[slopes[moving] > LEVEL * total]
        if len(moving) == 0:
            break
    # thousands of turns leave an error of rounding behind
    U, _, Vt = np.linalg.svd(T)
    T = U @ Vt
    best = best_of(T, -orthomax_criterion(L @ T, gamma), slopes, total)
    best.criterion = -best.criterion
    return best


def _tournament(q):
    """Rounds of pairs of columns: within a round none comes twice, and all pairs meet once."""
    players = [*range(q)] + [-1] * (q % 2)
    rounds = []
    for _ in range(len(players) - 1 if q > 1 else 0):
        half = len(players) // 2
        pairs = [(min(a, b), max(a, b)) for a, b in zip(players[:half], players[:half - 1:-1])
                 if min(a, b) >= 0]
        rounds.append(np.array(pairs).T)
        players = [players[0], players[-1], *players[1:-1]]
    return rounds


def _sweep(both, n_rows, gamma, rounds):
    """Turn every pair once, in place; the steepest slope of each start on the way.

    both : ndarray of shape (n, D + q, q)
        Loadings above the matrix that made them: both turn.
    """
    steepest = np.zeros(len(both))
    for left, right in rounds:
        x, y = both[:, :, left], both[:, :, right]
        above = slice(0, n_rows)
        u = (x[:, above] - y[:, above]) * (x[:, above] + y[:, above])
        v = 2 * x[:, above] * y[:, above]
        a, b = u.sum(axis=1), v.sum(axis=1)
        slope = 2 * ((u * v).sum(axis=1) - gamma / n_rows * a * b)
        squares, other = np.square(u).sum(axis=1), np.square(v).sum(axis=1)
        curve = squares - other - gamma / n_rows * (a - b) * (a + b)
        angle, size = np.arctan2(slope, curve) / 4, np.hypot(slope, curve)
        angle[size <= NO_ANGLE * (squares + other)] = 0
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        both[:, :, left], both[:, :, right] = cos * x + sin * y, cos * y - sin * x
        # at a minimum it is level, too
        steep = np.where(curve < 0, size, np.abs(slope)).max(axis=1)
        np.maximum(steepest, steep, out=steepest)
    return steepest


# --- oblique -----------------------------------------------------------------------------------

def promax(L, T, power):
    """Oblique axes near orthogonal ones: least squares of L T to its own powers.

    With ``V = L T`` and ``P = V |V|^(power - 1)`` the loadings are V U, where U is
    ``inv(V'V) V'P`` with columns scaled to factors of variance 1.

    Parameters
    ----------
    L : ndarray of shape (D, q)
    T : ndarray of shape (q, q)
        Orthogonal.
    power : float

    Returns
    -------
    ndarray of shape (q, q), or None where the powers depend on each other

    References
    ----------
    A. E. Hendrickson, P. O. White, British Journal of Statistical Psychology 17, 1964.
    """
    V = L @ T
    largest = np.abs(V).max(axis=0)
    V /= np.where(largest > 0, largest, 1.0)
    U = np.linalg.lstsq(V, V * np.abs(V) ** (power - 1), rcond=None)[0]
    U /= (largest / largest.max())[:, None]
    length = np.sqrt(np.square(U).sum(axis=0))
    if not length.min() > 0 or np.linalg.cond(U / length) > MOST_OBLIQUE:
        return None
    axes = np.linalg.inv(T @ (U / length)).T
    return axes / np.sqrt(np.square(axes).sum(axis=0))
