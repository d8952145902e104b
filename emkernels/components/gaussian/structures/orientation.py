"""Families whose components share their axes, whatever the volumes and shapes."""

import numpy as np

from emkernels.components.gaussian.structures.alternating import Oriented, along_axes, axes_of, unit

# Steps towards the common axes: of an M-step that goes on from the last, and of a first one.
STEPS, FIRST_STEPS = 5, 200
# What is minimised, for one unit of weight, has arrived where a step foretells less than this.
ARRIVED = 1e-13
HALVINGS = 30
# The first axes of a start are looked for from so many places.
TRIALS = 3


class _CommonAxes(Oriented):
    """``Sigma_k = Q diag(b_k) Q'`` with axes Q for all.

    Given Q, the lengths b_k follow from the diagonals t_k of ``Q' W_k Q`` in closed form, which
    leaves a function of Q alone. It goes down by ``Q <- Q cayley(S)``, S skew-symmetric: for the
    axes i, j the step is ``-g_ij / h_ij`` with

    - ``g_ij = 2 sum_k c_k (Q' W_k Q)_ij (1 / t_kj - 1 / t_ki)``, the gradient,
    - ``h_ij = 2 sum_k c_k (t_ki / t_kj + t_kj / t_ki - 2)`` and what the off-diagonals add: the
      curvature along that rotation where the W_k nearly have common axes,

    halved until the function falls; so no step goes up. A few do: the next M-step goes on from the
    axes of the last.

    References
    ----------
    B. N. Flury, W. Gautschi, An algorithm for simultaneous orthogonal transformation of several
    positive definite symmetric matrices to nearly diagonal form, SIAM J. Sci. Stat. Comput. 7,
    1986 (the function). R. P. Browne, P. D. McNicholas, Estimating common principal components in
    high dimensions, Adv. Data Anal. Classif. 8, 2014 (the families in mixtures, by another
    descent).
    """

    def lengths(self, t, counts):
        """Variances along the axes from scatters along these, (n_components, n_features)."""
        raise NotImplementedError

    def value(self, t, counts):
        """What is minimised, for diagonals (..., n_components, n_features), and the weights c_k
        that its gradient has."""
        raise NotImplementedError

    def fitted(self, scatter, counts, previous=None):
        if not np.isfinite(scatter).all():
            return np.full(scatter.shape, np.nan)
        if previous is None:
            axes = self._first_axes(scatter, counts)
        else:
            axes = self._descend(axes_before(previous), scatter, counts, STEPS)[0]
        t = np.diagonal(axes.T @ scatter @ axes, axis1=1, axis2=2)
        return along_axes(axes, self.lengths(t, counts))

    def _first_axes(self, scatter, counts):
        """Axes of all scatters together and of each, the most promising improved."""
        sizes = np.trace(scatter, axis1=1, axis2=2)[:, None, None]
        pooled = scatter.sum(axis=0)[None], (scatter / sizes).sum(axis=0)[None]
        trials = np.concatenate([axes_of(np.concatenate([*pooled, scatter]))[1],
                                 np.eye(scatter.shape[1])[None]])
        t = np.swapaxes(trials, 1, 2)[:, None] @ scatter @ trials[:, None]
        values = self.value(np.diagonal(t, axis1=2, axis2=3), counts)[0]
        order = np.argsort(values, kind="stable")[:TRIALS]
        found = [self._descend(trials[i], scatter, counts, FIRST_STEPS) for i in order]
        return min(found, key=lambda each: each[1])[0]

    def _descend(self, axes, scatter, counts, n_steps):
        """Axes after so many steps, or fewer, and the value there."""
        d, identity = len(axes), np.eye(len(axes))
        turned = axes.T @ scatter @ axes
        t = np.diagonal(turned, axis1=1, axis2=2)
        value, c = self.value(t, counts)
        enough = ARRIVED * counts.sum()
        for _ in range(n_steps if d > 1 else 0):
            over = c[:, None] / t
            gradient = 2 * (turned * (over[:, None, :] - over[:, :, None])).sum(axis=0)
            ratios = t.T @ over
            ratios += ratios.T
            curvature = 2 * (ratios - 2 * c.sum())
            share = turned / t[:, None, :]
            share = (share * share * c[:, None, None]).sum(axis=0)
            curvature += 2 * (share + share.T)
            curvature[np.arange(d), np.arange(d)] = 1.0
            step = -gradient / np.maximum(curvature, 1e-10 * c.sum())
            gain = -0.5 * np.sum(step * gradient)
            if not gain > enough:
                break
            step *= min(1.0, 0.8 / np.abs(step).max())
            for _ in range(HALVINGS):
                turn = np.linalg.solve(identity - step / 2, identity + step / 2)
                new = turn.T @ turned @ turn
                t_new = np.diagonal(new, axis1=1, axis2=2)
                value_new, c_new = self.value(t_new, counts)
                if value_new < value:
                    break
                step = step / 2
            else:
                break
            axes, turned, t, value, c = axes @ turn, new, t_new, value_new, c_new
        return axes, value


def axes_before(factors):
    """The common axes of precisions ``U U'``: eigenvectors of a combination of these in which no
    two axes are likely to have one length."""
    precisions = factors @ np.swapaxes(factors, 1, 2)
    sizes = np.trace(precisions, axis1=1, axis2=2)
    odd = np.sqrt(np.arange(len(factors)) + 2.0)
    return np.linalg.eigh(np.tensordot(1 / (sizes * odd), precisions, 1))[1]


class EVE(_CommonAxes):
    """One volume and axes, any shapes: along the axes what `EVI` has; ``n d log sum_k g_k`` is
    minimised, g_k being the geometric mean of ``diag(Q' W_k Q)``."""

    name = "EVE"

    def lengths(self, t, counts):
        shapes = unit(t)
        return (t[:, :1] / shapes[:, :1]).sum() / counts.sum() * shapes

    def value(self, t, counts):
        means = np.log(t).mean(axis=-1)
        top = means.max(axis=-1, keepdims=True)
        volumes = np.exp(means - top)
        total, n = volumes.sum(axis=-1, keepdims=True), counts.sum()
        value = n * t.shape[-1] * (np.log(total) + top)[..., 0]
        return value, n * volumes / total


class VVE(_CommonAxes):
    """One set of axes, any volumes and shapes: ``diag(Q' W_k Q) / n_k`` along them; ``sum_k n_k
    log |diag(Q' W_k Q)|`` is minimised."""

    name = "VVE"

    def lengths(self, t, counts):
        return t / counts[:, None]

    def value(self, t, counts):
        return np.log(t).sum(axis=-1) @ counts, counts
