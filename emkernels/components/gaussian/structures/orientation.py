"""Families whose components share their axes, whatever the volumes and shapes."""

import functools
from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from emkernels.components.gaussian.structures.alternating import (
    Oriented,
    along_axes,
    axes_of,
    eigen,
    unit,
)

STEPS = 200         # towards the common axes, at most
# What is minimised, for one unit of weight, has arrived where a step foretells less than this; a
# Newton step that foretells less than NEAR leaves the square of that.
ARRIVED, NEAR = 1e-13, 1e-6
HALVINGS = 30
LONGEST = 0.8       # turn of two axes in a step
# With more columns than this a step knows the curvature of every rotation by itself only.
MOST_COLUMNS = 24
# The first axes of a start are looked for from so many places.
TRIALS = 3


class _CommonAxes(Oriented):
    """``Sigma_k = Q diag(b_k) Q'`` with axes Q for all.

    Given Q, the lengths b_k follow from the diagonals t_k of ``T_k = Q' W_k Q`` in closed form,
    which leaves a function f of Q alone, whose derivative is that of ``sum_kj c_k log t_kj`` with
    weights c_k that do not depend on Q (VVE) or are looked up (EVE). It goes down by Newton steps
    on rotations, ``Q <- Q cayley(S)`` with S skew-symmetric: to second order

    ``f + sum_{i<j} g_ij S_ij + sum_j s_j' P_j s_j``, s_j being column j of S, with

    - ``g_ij = 2 (B_ji - B_ij)``, ``A_j = sum_k c_k T_k / t_kj``, B_j the row j of A_j,
    - ``P_j = A_j - (B + B') / 2 - 2 sum_k c_k T_kj T_kj' / t_kj^2``, T_kj the row j of T_k.

    Where that is not convex, the curvatures count by their size. A step is halved until f falls,
    so none goes up, and an M-step goes on from the axes of the last: near a limit one is enough.

    References
    ----------
    B. N. Flury, W. Gautschi, An algorithm for simultaneous orthogonal transformation of several
    positive definite symmetric matrices to nearly diagonal form, SIAM J. Sci. Stat. Comput. 7,
    1986 (the function). R. P. Browne, P. D. McNicholas, Estimating common principal components in
    high dimensions, Adv. Data Anal. Classif. 8, 2014 (the families in mixtures, by another
    descent).
    """

    @abstractmethod
    def lengths(self, t, counts):
        """Variances along the axes from scatters along these, (n_components, n_features)."""

    @abstractmethod
    def value(self, t, counts):
        """What is minimised, for diagonals (..., n_components, n_features), and the weights c_k."""

    def curvature_of_weights(self, slopes, c, n_features):
        """What the curvature gains as the weights c_k change; `slopes`: of ``sum_j log t_kj``,
        (n_components, n_pairs)."""
        return 0.0

    def fitted(self, scatter, counts, previous=None):
        if not np.isfinite(scatter).all():
            return np.full(scatter.shape, np.nan)
        if previous is None or len(scatter) == 1:
            axes = self._first_axes(scatter, counts)
        else:
            axes = self._descend(axes_before(previous), scatter, counts)[0]
        t = np.diagonal(axes.T @ scatter @ axes, axis1=1, axis2=2)
        return along_axes(axes, self.lengths(t, counts))

    def _first_axes(self, scatter, counts):
        """Axes of all scatters together, of each and of the columns, the most promising
        improved. None are better than if each component had its own."""
        sizes = np.trace(scatter, axis1=1, axis2=2)[:, None, None]
        pooled = scatter.sum(axis=0)[None], (scatter / sizes).sum(axis=0)[None]
        lengths, trials = axes_of(np.concatenate([*pooled, scatter]))
        least = self.value(lengths[2:], counts)[0] + ARRIVED * counts.sum()
        trials = np.concatenate([trials, np.eye(scatter.shape[1])[None]])
        t = np.swapaxes(trials, 1, 2)[:, None] @ scatter @ trials[:, None]
        values = self.value(np.diagonal(t, axis1=2, axis2=3), counts)[0]
        best, lowest = None, np.inf
        for i in np.argsort(values, kind="stable")[:TRIALS]:
            axes, value = trials[i], values[i]
            if not value <= least:
                axes, value = self._descend(axes, scatter, counts)
            if best is None or value < lowest:
                best, lowest = axes, value
            if value <= least:
                break
        return best

    def _descend(self, axes, scatter, counts):
        """Axes where steps from these end, the last a Newton step that foretells less than
        NEAR, and the value there."""
        d, identity = len(axes), np.eye(len(axes))
        pairs = _pairs(d)
        turned = axes.T @ scatter @ axes
        t = np.diagonal(turned, axis1=1, axis2=2)
        value, c = self.value(t, counts)
        n = counts.sum()
        for _ in range(STEPS if d > 1 else 0):
            turns, foretold = self._step(turned, t, c)
            if not foretold > ARRIVED * n:
                break
            half = np.zeros((d, d))
            half.ravel()[pairs.upper] = turns * (0.5 * min(1.0, LONGEST / np.abs(turns).max()))
            half -= half.T
            for _ in range(HALVINGS):
                turn = lapack.dgesv(identity - half, identity + half)[2]
                new = turn.T @ turned @ turn
                t_new = np.diagonal(new, axis1=1, axis2=2)
                value_new, c_new = self.value(t_new, counts)
                if value_new < value:
                    break
                half = half / 2
            else:
                break
            axes, turned, t, value, c = axes @ turn, new, t_new, value_new, c_new
            if foretold < NEAR * n and d <= MOST_COLUMNS:
                break
        return axes, value

    def _step(self, turned, t, c):
        """Turns of the pairs of axes, and by how much the function should fall."""
        k, d = t.shape
        pairs = _pairs(d)
        upper = pairs.upper
        ratios = turned / t[:, :, None]
        a = ((c[:, None] / t).T @ turned.reshape(k, -1)).reshape(d, d, d)
        b = np.einsum("jji->ji", a)
        squares = ratios.transpose(1, 2, 0) @ (c[:, None, None] * ratios).transpose(1, 0, 2)
        gradient = 2 * (b.T - b).ravel()[upper]
        if d > MOST_COLUMNS:
            own = np.einsum("jii->ji", a + squares)
            own = own - np.diagonal(b)
            turns = -gradient / np.maximum(2 * (own + own.T).ravel()[upper], 1e-10 * c.sum())
            return turns, -0.5 * (turns @ gradient)
        p = a - (b + b.T) / 2 - 2 * squares
        own = np.einsum("jii->ji", p)
        hessian = np.zeros((len(upper), len(upper)))
        flat = hessian.ravel()
        flat[pairs.where] = pairs.signs * p.ravel()[pairs.source]
        flat[:: len(upper) + 1] = 2 * (own + own.T).ravel()[upper]
        slopes = 2 * (np.swapaxes(ratios, 1, 2) - ratios).reshape(k, -1)[:, upper]
        hessian += self.curvature_of_weights(slopes, c, d)
        _, turns, info = lapack.dposv(hessian, -gradient)
        if info != 0:
            sizes, directions = np.linalg.eigh(hessian)
            sizes = np.maximum(np.abs(sizes), 1e-8 * np.abs(sizes).max() + 1e-300)
            turns = -directions @ ((directions.T @ gradient) / sizes)
        return turns, -0.5 * (turns @ gradient)


class _Pairs(NamedTuple):
    """Pairs i < j of axes as flat indices of a matrix; and of two pairs that have one axis in
    common where they stand in the curvature, where that is in P, and with which sign."""

    upper: np.ndarray
    where: np.ndarray
    source: np.ndarray
    signs: np.ndarray


@functools.lru_cache(maxsize=16)
def _pairs(d):
    i, j = np.triu_indices(d, 1)
    where, source, signs = [], [], []
    for mine, theirs, other, others, sign in ((j, j, i, i, 2.0), (i, i, j, j, 2.0),
                                              (j, i, i, j, -2.0), (i, j, j, i, -2.0)):
        first, second = np.nonzero((mine[:, None] == theirs) & (other[:, None] != others))
        where.append(first * len(i) + second)
        source.append((mine[first] * d + other[first]) * d + others[second])
        signs.append(np.full(len(first), sign))
    return _Pairs(i * d + j, *(np.concatenate(each) for each in (where, source, signs)))


def axes_before(factors):
    """The common axes of precisions ``U U'``: eigenvectors of a combination of these in which no
    two axes are likely to have one length."""
    sizes = np.square(factors).sum(axis=(1, 2))
    odd = np.sqrt(np.arange(len(factors)) + 2.0)
    beside = factors / np.sqrt(sizes * odd)[:, None, None]
    beside = np.swapaxes(beside, 0, 1).reshape(factors.shape[1], -1)
    return eigen(beside @ beside.T)[1]


class EVE(_CommonAxes):
    """One volume and axes, any shapes: along the axes what `EVI` has; ``n d log sum_k g_k`` is
    minimised, g_k being the geometric mean of ``diag(Q' W_k Q)``, so that ``c_k = n g_k / sum_l
    g_l``."""

    name = "EVE"

    def lengths(self, t, counts):
        shapes = unit(t)
        return (t[:, :1] / shapes[:, :1]).sum() / counts.sum() * shapes

    def value(self, t, counts):
        means = np.log(t).sum(axis=-1) / t.shape[-1]
        top = means.max(axis=-1, keepdims=True)
        volumes = np.exp(means - top)
        total, n = volumes.sum(axis=-1, keepdims=True), counts.sum()
        value = n * t.shape[-1] * (np.log(total) + top)[..., 0]
        return value, n * volumes / total

    def curvature_of_weights(self, slopes, c, n_features):
        mean = c @ slopes
        return ((slopes.T * c) @ slopes - np.multiply.outer(mean, mean) / c.sum()) / n_features


class VVE(_CommonAxes):
    """One set of axes, any volumes and shapes: ``diag(Q' W_k Q) / n_k`` along them; ``sum_k n_k
    log |diag(Q' W_k Q)|`` is minimised, so that ``c_k = n_k``."""

    name = "VVE"

    def lengths(self, t, counts):
        return t / counts[:, None]

    def value(self, t, counts):
        return np.log(t).sum(axis=-1) @ counts, counts
