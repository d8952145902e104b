"""Components of a mixture of factor analysers: their E-step by the fused kernel, their M-step."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emkernels.components.factors import mixed_gaps
from emkernels.components.factors.posterior import QUIET
from emkernels.components.factors.updates import LOG_2_PI
from emkernels.components.factors.views import views_of
from emkernels.components.gaussian.moments import seen
from emkernels.em import DegenerateFitError
from emkernels.kernels import passes

# Columns that are looked at together, as the kernels have it, and after which shares of them it is
# looked at whether a component still matters to a row.
CHUNK = 16
LOOKS = (1 / 8, 1 / 4, 1 / 2, 1)
# Looks cost more than they save where there are fewer chunks.
FEW = 8
# Squared lengths of loadings in units of the noise beyond which distances would cancel.
STIFF = {np.dtype(np.float64): 1e6, np.dtype(np.float32): 2e3}
# A component with less than this share of a row stays as it is.
NOTHING = 1e-12


class Analysers:
    """Parameters of the components, in the units of the rows.

    Attributes
    ----------
    means : ndarray of shape (n_components, n_features)
    components : ndarray of shape (n_components, n_factors, n_features)
        Loadings.
    deviations : ndarray of shape (n_components, n_features)
        Of the noise; the same in every row where it is shared.
    """

    __slots__ = ("components", "deviations", "means")

    def __init__(self, means, components, deviations):
        self.means, self.components, self.deviations = means, components, deviations

    @property
    def loadings(self):
        """In units of the noise."""
        return self.components / self.deviations[:, None]


@dataclass
class Model:
    """What the kernel reads of the components beside their means, see `_factor_pass`."""

    deviations: np.ndarray
    loadings: np.ndarray
    whiteners: np.ndarray
    constants: np.ndarray
    chunks: np.ndarray
    ends: np.ndarray
    stiff: np.ndarray

    @property
    def inner(self):
        """Covariances of the factors given a row, (n_components, n_factors, n_factors)."""
        last = self.whiteners[:, -1]
        return np.swapaxes(last, 1, 2) @ last


@dataclass
class FactorMoments:
    """What an M-step sees: sums about the means, in units of the deviations of the noise.

    With responsibilities r, deviations e and means z of the factors: counts ``sum r`` (K,), first
    ``sum r e`` (K, D), square ``sum r e^2`` (K, D), cross ``sum r z e'`` (K, q, D), factors ``sum r
    z`` (K, q), second ``sum r E[z z']`` (K, q, q); what is missing of a row is expected.
    """

    centers: np.ndarray
    counts: np.ndarray
    first: np.ndarray
    square: np.ndarray
    cross: np.ndarray
    factors: np.ndarray
    second: np.ndarray
    log_likelihood: float
    total: float
    n_rows: int
    noise: None = None      # no component of it

    SUMS: ClassVar = ("counts", "first", "square", "cross", "factors", "second")

    @property
    def weight(self):
        """Total weight of the rows, the sum of the counts."""
        return float(self.counts.sum())

    def positive_counts(self):
        """Counts that nothing is divided by zero with."""
        limits = np.finfo(np.float64)
        return self.counts + max(10 * limits.eps * self.total / max(1, self.n_rows), limits.tiny)

    def scale(self, factor):
        """Multiply everything, in place; returns self."""
        for name in self.SUMS:
            setattr(self, name, getattr(self, name) * factor)
        self.log_likelihood *= factor
        return self

    def merge(self, other):
        """Add those of other rows under the same parameters, in place; returns self."""
        if not np.array_equal(self.centers, other.centers):
            raise ValueError("cannot merge statistics made about different centres")
        for name in self.SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.log_likelihood += other.log_likelihood
        self.total, self.n_rows = self.total + other.total, self.n_rows + other.n_rows
        return self


@dataclass(frozen=True)
class FactorComponents:
    """Factor analysers, as :class:`emkernels.em.protocol.Components`.

    Attributes
    ----------
    center, scale : ndarray of shape (n_features,)
        Means and standard deviations of the columns.
    floor : ndarray of shape (n_features,)
        Least deviations of the noise.
    shared : bool
        Whether all components have the same noise.
    """

    center: np.ndarray
    scale: np.ndarray
    floor: np.ndarray
    shared: bool = False

    # --- E-step ----------------------------------------------------------------------------

    @QUIET
    def model(self, weights, parameters, dtype):
        """What the kernel reads of the components and their weights."""
        K, q, D = parameters.components.shape
        loadings, deviations = parameters.loadings, parameters.deviations
        n_chunks = -(-D // CHUNK)
        # first the columns in which rows in general are far from the component
        apart = ((self.center - parameters.means) / deviations) ** 2 + (
            self.scale / deviations) ** 2
        apart = _padded(apart, n_chunks).sum(axis=-1)
        chunks = np.argsort(-apart, axis=1, kind="stable").astype(np.int32)
        blocks = _padded(loadings, n_chunks).swapaxes(1, 2)          # (K, n_chunks, q, CHUNK)
        grams = blocks @ blocks.swapaxes(2, 3)
        looks = np.array(LOOKS if n_chunks >= FEW else LOOKS[-1:])
        ends = np.unique(np.ceil(n_chunks * looks).astype(np.int32))
        grams = np.cumsum(np.take_along_axis(grams, chunks[:, :, None, None], axis=1), axis=1)
        inner = grams[:, ends - 1]
        inner[:, :, np.arange(q), np.arange(q)] += 1
        try:
            whiteners = np.tril(np.linalg.inv(np.linalg.cholesky(inner)))
        except np.linalg.LinAlgError:
            raise DegenerateFitError("loadings are not finite numbers, or as large beside the "
                                     "noise as no numbers can be") from None
        with np.errstate(divide="ignore"):
            log_weights = np.log(weights)
        constants = (log_weights - np.log(deviations).sum(axis=1) - 0.5 * D * LOG_2_PI
                     + np.log(np.diagonal(whiteners[:, -1], axis1=1, axis2=2)).sum(axis=1))
        lengths = np.diagonal(inner[:, -1], axis1=1, axis2=2).max(axis=1)
        return Model(np.ascontiguousarray(deviations), loadings, np.ascontiguousarray(whiteners),
                     constants, chunks, ends, (lengths > STIFF[dtype]).astype(np.uint8))

    def mixed(self, rows, weights, parameters):
        """Statistics of the rows under a mixture of the components: the fused E-step."""
        centers = np.ascontiguousarray(seen(parameters.means, rows))
        if rows.patterns is not None:
            sums = mixed_gaps.moments(rows, weights, parameters, centers)
            return FactorMoments(centers, *sums, rows.total, rows.n_rows)
        model = self.model(weights, parameters, rows.dtype)
        key = "analysers", len(centers)
        if key not in rows.kept:
            rows.kept[key] = {"labels": np.zeros(len(rows), np.int32)}
        elif len(centers) > 1 and len(rows) < 2**31:
            # rows that were together come together
            last = rows.kept[key]
            last["order"] = passes.order_by_label(
                last["labels"], len(centers), last.get("order"))
        kept = rows.kept[key]
        if "order" in kept and "views" not in kept:     # the first pass was another's start
            kept["views"] = views_of(rows, weights, parameters)
        views = kept.get("views")
        counts, second, sums, log_likelihood, _ = passes.factor_pass(
            rows.X, centers, model, rows.sample_weight, labels=kept["labels"],
            order=kept.get("order"), n_threads=rows.n_threads,
            views=None if views is None else views.of(centers, parameters))
        inner = model.inner
        first = sums[:, 1]
        lower = np.tril(second, -1)
        second = second + lower.swapaxes(1, 2) + counts[:, None, None] * inner
        factors = (inner @ (model.loadings @ first[:, :, None]))[:, :, 0]
        out = FactorMoments(centers, counts, first, sums[:, 0], sums[:, 2:], factors, second,
                            log_likelihood, 0.0, 0)
        if rows.unit != 1:
            out.scale(rows.unit)
        out.total, out.n_rows = rows.total, rows.n_rows
        return out

    def each(self, rows, weights, parameters, want):
        """Outputs for each row: 'log_prob_norm', 'resp', 'labels', 'imputed'."""
        centers = np.ascontiguousarray(seen(parameters.means, rows))
        if rows.patterns is not None:
            return mixed_gaps.each(rows, weights, parameters, centers, want)
        out = passes.factor_pass(
            rows.X, centers, self.model(weights, parameters, rows.dtype), want=want,
            n_threads=rows.n_threads)
        if "imputed" in want:
            out["imputed"] = rows.X.copy(order="C")
        return out

    # --- M-step ----------------------------------------------------------------------------

    @QUIET
    def maximise(self, statistics, parameters):
        """Means, then a step of EM of the loadings and the noise about them: the likelihood of
        the rows, each in part in each component, is highest at their means whatever the rest, and
        higher than before at what the factors' moments say of the rest.

        D. B. Rubin, D. T. Thayer, Psychometrika 47, 1982; Z. Ghahramani, G. E. Hinton, The EM
        algorithm for mixtures of factor analyzers, 1996; X.-L. Meng, D. van Dyk, Journal of the
        Royal Statistical Society B 59, 1997 (cycles of conditional maximisations).
        """
        s, unit = statistics, parameters.deviations
        alive = s.counts > NOTHING * s.total / max(1, s.n_rows)
        counts = np.where(alive, s.counts, 1.0)[:, None]
        shift, factors = s.first / counts, s.factors / counts
        cross = s.cross / counts[:, None]
        cross -= factors[:, :, None] * shift[:, None]
        second = s.second / counts[:, None] - factors[:, :, None] * factors[:, None]
        second[~alive] = np.eye(second.shape[1])
        try:
            loadings = np.linalg.inv(second) @ cross     # (solve takes many columns one by one)
        except np.linalg.LinAlgError:
            raise DegenerateFitError("a component's factors have no variance") from None
        # the expected square of what is left, for whatever loadings: nothing cancels below zero
        left = second @ loadings
        left -= cross
        left -= cross
        noise = s.square / counts - shift**2 + np.einsum("kqd,kqd->kd", loadings, left)
        noise = np.maximum(noise, 0, out=noise)
        if self.shared:
            share = np.where(alive, s.counts, 0.0)
            noise[:] = share @ noise / share.sum()
        deviations = np.maximum(unit * np.sqrt(noise), self.floor)
        loadings *= unit[:, None]
        out = Analysers(s.centers + unit * shift, loadings, deviations)
        for name in ("means", "components") if self.shared else Analysers.__slots__:
            getattr(out, name)[~alive] = getattr(parameters, name)[~alive]
        if not (np.isfinite(out.means).all() and np.isfinite(out.components).all()):
            raise DegenerateFitError("a component has no finite parameters")
        return out

    def log_prior(self, parameters):
        return 0.0

    def endless(self, parameters, source):
        """Noise is bounded, so that there is a maximum."""
        return False

    def at_bound(self, parameters):
        """Pairs of a component and a column whose noise is at its bound, (n, 2)."""
        return np.argwhere(parameters.deviations <= self.floor * (1 + 1e-12))

    # --- parameters as vectors, for acceleration and convergence ----------------------

    def to_vector(self, parameters):
        """Means and loadings in units of the columns, logs of the noise: every vector stands for
        components."""
        noise = parameters.deviations[:1] if self.shared else parameters.deviations
        return [((parameters.means - self.center) / self.scale).ravel(),
                (parameters.components / self.scale).ravel(),
                2 * np.log(noise / self.scale).ravel()]

    def from_vector(self, vector, like):
        """The components of a vector, shaped as `like`; None where one overflows."""
        n, m = like.means.size, like.components.size
        means = vector[:n].reshape(like.means.shape) * self.scale + self.center
        components = vector[n:n + m].reshape(like.components.shape) * self.scale
        with np.errstate(over="ignore"):
            deviations = np.exp(0.5 * vector[n + m:].reshape(-1, len(self.scale))) * self.scale
        deviations = np.broadcast_to(np.maximum(deviations, self.floor), like.means.shape).copy()
        if not all(np.isfinite(each).all() for each in (means, components, deviations)):
            return None
        return Analysers(means, components, deviations)

    def relative_change(self, old, new):
        """Largest change of any parameter in units of the component's own columns."""
        unit = np.sqrt((new.components**2).sum(axis=1) + new.deviations**2)
        return float(max(
            np.max(np.abs(new.means - old.means) / unit),
            np.max(np.abs(new.components - old.components) / unit[:, None]),
            np.max(np.abs(new.deviations - old.deviations) / unit
                   * (new.deviations + old.deviations) / unit)))


def _padded(values, n_chunks):
    """The last axis cut into chunks, with zeros behind its end."""
    width = n_chunks * CHUNK - values.shape[-1]
    if width:
        values = np.concatenate(
            [values, np.zeros((*values.shape[:-1], width))], axis=-1)
    return values.reshape(*values.shape[:-1], n_chunks, CHUNK)
