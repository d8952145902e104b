"""Families that share a volume, a shape or both, each component having axes of its own or those
of the columns."""

import numpy as np

from emkernels.components.gaussian.structures.base import ill_defined
from emkernels.components.gaussian.structures.lettered import VVI, VVV, Constrained
from emkernels.components.gaussian.structures.matrices import Full, factor, symmetric
from emkernels.components.gaussian.structures.variances import Diagonal
from emkernels.em import DegenerateFitError

# Rounds of an alternating step, and the relative change at which it has arrived: what is minimised
# then is within the square of that.
ROUNDS, ARRIVED = 200, 1e-8
# A share of the variance of a column, for each column, that rounding may have made.
LOST = 10 * np.finfo(float).eps


def unit(lengths):
    """Lengths of axes over their geometric mean."""
    return lengths / np.exp(np.log(lengths).sum(axis=-1, keepdims=True) / lengths.shape[-1])


def arrived(change, last):
    """Whether all rounds to come, each to change as much less than this one as this one did than
    the last (0: not known), would change less than ARRIVED."""
    return not change > ARRIVED or change * change < ARRIVED * (last - change)


def one_shape(lengths, counts, shape=None):
    """Volumes (k,) and a shape (d,) that minimise ``sum_k n_k d log volume_k + sum_kj
    lengths_kj / (volume_k shape_j)``.

    Each in turn: ``volume_k = sum_j lengths_kj / shape_j / (n_k d)``, then the shape is
    ``sum_k lengths_kj / volume_k`` over n, and at the end over its geometric mean. In logarithms
    what is minimised is convex, so this ends at the minimum; no round goes up.

    Parameters
    ----------
    lengths : ndarray of shape (n_components, n_features)
        Scatter along the axes.
    counts : ndarray of shape (n_components,)
    shape : ndarray of shape (n_features,), optional
        Where the rounds begin.
    """
    if shape is None:
        shape = unit((lengths / lengths.sum(axis=1, keepdims=True)).T @ counts)
    inner = lengths / (counts * lengths.shape[1])[:, None]
    outer = lengths.T / counts.sum()
    inverse, last = 1 / shape, 0.0
    for _ in range(ROUNDS):
        shape = outer @ (1 / (inner @ inverse))
        change = np.abs(shape * inverse - 1).max()
        inverse = 1 / shape
        if arrived(change, last):
            break
        last = change
    shape = unit(shape)
    return inner @ (1 / shape), shape


def one_matrix(scatter, counts, precision=None):
    """Volumes (k,) and a matrix (d, d), up to a factor, that minimise ``sum_k n_k log |volume_k
    matrix| + tr(W_k matrix^-1) / volume_k``, each in turn as in :func:`one_shape`. `precision`:
    inverse of the matrix that the rounds begin with."""
    k, d = scatter.shape[:2]
    flat = scatter.reshape(k, -1)
    inner, outer = flat / (counts * d)[:, None], flat.T / counts.sum()
    if precision is None:
        traces = np.trace(scatter, axis1=1, axis2=2)
        precision = _inverse((flat.T @ (counts / traces)).reshape(d, d))
    volumes, last = inner @ precision.ravel(), 0.0
    for _ in range(ROUNDS):
        before = volumes
        matrix = (outer @ (1 / volumes)).reshape(d, d)
        volumes = inner @ _inverse(matrix).ravel()
        change = np.abs(volumes / before - 1).max()
        if arrived(change, last):
            break
        last = change
    return volumes, symmetric(matrix)


def _inverse(matrix):
    root = factor(matrix, "what components share")
    return root @ root.T


def along_axes(vectors, lengths):
    """Covariances with these axes and variances along them, exactly symmetric."""
    out = (vectors * lengths[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return (out + np.swapaxes(out, -1, -2)) / 2


class VEI(Constrained, Diagonal):
    """Axes of the columns, one shape, any volumes."""

    name = "VEI"

    def fitted(self, scatter, counts, previous=None):
        shape = None if previous is None else unit(previous[0] ** -2.0)
        volumes, shape = one_shape(scatter, counts, shape)
        return volumes[:, None] * shape

    def to_vector(self, factors):
        logs = np.log(factors)
        return [logs[:, 0], logs[0, 1:] - logs[0, 0]]

    def from_vector(self, vector, shape):
        volumes, lengths = np.split(vector, [shape[0]])
        logs = volumes[:, None] + np.concatenate([[0.0], lengths])
        return super().from_vector(logs.ravel(), shape)


class EVI(Constrained, Diagonal):
    """Axes of the columns, one volume, any shapes: with ``g_k`` the geometric mean of the
    variances in W_k, ``volume = sum_k g_k / n`` and ``Sigma_k = volume W_k / g_k``."""

    name = "EVI"

    def marginal(self):
        return VVI()

    def fitted(self, scatter, counts, previous=None):
        shapes = unit(scatter)
        volume = (scatter[:, :1] / shapes[:, :1]).sum() / counts.sum()
        return volume * shapes

    def to_vector(self, factors):
        logs = np.log(factors)
        means = logs.mean(axis=1, keepdims=True)
        return [means[0], (logs - means)[:, :-1].ravel()]

    def from_vector(self, vector, shape):
        lengths = vector[1:].reshape(shape[0], -1)
        logs = vector[0] + np.hstack([lengths, -lengths.sum(axis=1, keepdims=True)])
        return super().from_vector(logs.ravel(), shape)


class Matrices(Constrained, Full):
    """A family of matrices. What they share can make a singular scatter a matrix that is singular
    but for rounding, or its share of a volume a very long one; its factors then mean nothing."""

    def imposed(self, scatter, divisor, n_features, previous=None):
        covariances = super().imposed(scatter, divisor, n_features, previous)
        flat = np.diagonal(scatter, axis1=1, axis2=2).sum(axis=0) <= 0
        if flat.any() and not np.any(self.reg_covar):
            raise ill_defined("the covariance of every component")
        return covariances

    def factors(self, covariances):
        factors = super().factors(covariances)
        # the share of each column's variance that those before it do not determine
        shares = 1 / (np.diagonal(factors, axis1=1, axis2=2) ** 2
                      * np.diagonal(covariances, axis1=1, axis2=2))
        lost = shares <= LOST * shares.shape[1]
        if lost.any():
            raise ill_defined(f"the covariance of component {int(lost.any(axis=1).argmax())}")
        return factors


class VEE(Matrices):
    """One shape and axes, any volumes: ``volume_k C`` with a C for all."""

    name = "VEE"

    def fitted(self, scatter, counts, previous=None):
        # columns of one length, as those of very different ones cost digits
        scale = np.sqrt(np.diagonal(scatter, axis1=1, axis2=2).sum(axis=0))
        units = scale[:, None] * scale
        precision = None if previous is None else previous[0] @ previous[0].T * units
        volumes, matrix = one_matrix(scatter / units, counts, precision)
        return volumes[:, None, None] * (matrix * units)

    def to_vector(self, factors):
        ratios = np.log(factors[1:, 0, 0] / factors[0, 0, 0])
        return [ratios, *super().to_vector(factors[:1])]

    def from_vector(self, vector, shape):
        ratios, one = np.split(vector, [shape[0] - 1])
        one = super().from_vector(one, (1, *shape[1:]))
        if one is None:
            return None
        with np.errstate(over="ignore", under="ignore"):
            u = np.exp(np.concatenate([[0.0], ratios]))[:, None, None] * one
        diagonal = np.diagonal(u, axis1=1, axis2=2)
        return u if np.isfinite(u).all() and (diagonal > 0).all() else None


class EVV(Matrices):
    """One volume, any shapes and axes: ``Sigma_k = volume W_k / |W_k|^(1/d)``, the volume being
    ``sum_k |W_k|^(1/d) / n``."""

    name = "EVV"

    def marginal(self):
        return VVV()

    def fitted(self, scatter, counts, previous=None):
        signs, logs = np.linalg.slogdet(scatter)
        logs = np.where(signs > 0, logs / scatter.shape[1], np.nan)
        volume = np.exp(logs).sum() / counts.sum()
        return scatter * (volume * np.exp(-logs))[:, None, None]

    def to_vector(self, factors):
        diagonal, rest = super().to_vector(factors)
        logs = diagonal.reshape(len(factors), -1)
        means = logs.mean(axis=1, keepdims=True)
        return [means[0], (logs - means)[:, :-1].ravel(), rest]

    def from_vector(self, vector, shape):
        k, d = shape[:2]
        lengths = vector[1 : 1 + k * (d - 1)].reshape(k, d - 1)
        logs = vector[0] + np.hstack([lengths, -lengths.sum(axis=1, keepdims=True)])
        return super().from_vector(
            np.concatenate([logs.ravel(), vector[1 + k * (d - 1) :]]), shape)


class Oriented(Matrices):
    """A family of axes that are neither those of the columns nor free: the columns keep one unit,
    as other scales would turn the axes. Vectors stand for what the M-step makes of any
    covariances, a family that is no flat space having none of its own."""

    one_unit = True

    def marginal(self):
        return VVV()

    def common_scale(self, scale):
        return np.full(len(scale), np.sqrt(np.mean(scale**2)))

    def from_vector(self, vector, shape):
        factors = super().from_vector(vector, shape)
        if factors is None:
            return None
        try:
            return self.factors(self.bare.imposed(
                self.from_factors(factors), np.ones(len(factors)), shape[-1], factors))
        except DegenerateFitError:
            return None


class EEV(Oriented):
    """One volume and shape, any axes: with ``W_k = Q_k O_k Q_k'``, lengths in one order,
    ``Sigma_k = Q_k (sum_k O_k / n) Q_k'``."""

    name = "EEV"

    def fitted(self, scatter, counts, previous=None):
        lengths, vectors = axes_of(scatter)
        return along_axes(vectors, lengths.sum(axis=0) / counts.sum())


class VEV(Oriented):
    """One shape, any volumes and axes: the axes of W_k, and along these what `VEI` has."""

    name = "VEV"

    def fitted(self, scatter, counts, previous=None):
        lengths, vectors = axes_of(scatter)
        shape = None
        if previous is not None:
            before = np.linalg.svd(previous[0], compute_uv=False)
            if before[-1] > 0:
                shape = unit(before**-2.0)
        volumes, shape = one_shape(lengths, counts, shape)
        return along_axes(vectors, volumes[:, None] * shape)


def axes_of(scatter):
    """Lengths of the axes of scatters, none negative and in ascending order, and the axes."""
    if not np.isfinite(scatter).all():
        return np.full(scatter.shape[:-1], np.nan), scatter
    lengths, vectors = eigen(scatter)
    return np.maximum(lengths, 0), vectors


def eigen(matrices):
    """Eigenvalues, ascending, and eigenvectors, of columns sorted by size: LAPACK then keeps the
    digits of the short axes where columns are of very different scales, and else does not."""
    sizes = np.diagonal(matrices, axis1=-2, axis2=-1).reshape(-1, matrices.shape[-1]).sum(axis=0)
    order = np.argsort(-sizes, kind="stable")
    values, sorted_ = np.linalg.eigh(matrices[..., order[:, None], order])
    vectors = np.empty_like(sorted_)
    vectors[..., order, :] = sorted_
    return values, vectors
