"""Where a mixture of factor analysers begins: clusters, and the principal components of each."""

from dataclasses import dataclass, replace

import numpy as np

from emkernels.components.factors.mixed import Analysers
from emkernels.components.gaussian.parameters import Scaling
from emkernels.data.available import observed_means
from emkernels.kernels import kmeans_plusplus, passes
from emkernels.latent.mixture import MixtureParameters
from emkernels.starts.lloyd import lloyd
from emkernels.starts.observed import observed_kmeans, observed_seeds
from emkernels.starts.sampled import sampled_rows

# Leading components are looked for by so many steps with so many vectors more.
POWER_STEPS, EXTRA = 4, 4
# Noise that EM begins with, at least, as a share of the cluster's variance.
LEAST = 5e-2


@dataclass(frozen=True)
class GivenAnalysers:
    """What the user says of the start, in the units of the rows; None where nothing."""

    weights: np.ndarray | None = None
    means: np.ndarray | None = None
    components: np.ndarray | None = None
    noise: np.ndarray | None = None      # (n_components, n_features)

    @property
    def all(self):
        return not any(each is None for each in (
            self.weights, self.means, self.components, self.noise))

    def about(self, origin):
        """The same of rows from which `origin` was taken."""
        return self if self.means is None else replace(self, means=self.means - origin)

    def of_columns(self, columns):
        """The same of some columns."""
        return GivenAnalysers(self.weights, *(
            None if each is None else np.ascontiguousarray(each[..., columns])
            for each in (self.means, self.components, self.noise)))


class FactorStarts:
    """Starts of a mixture of factor analysers, on at most 20,000 of its rows, standardised.

    Parameters
    ----------
    rows : Rows or Source
    family : FactorComponents
    shape : tuple of int
        Numbers of components and factors.
    init_params : tuple of str
        Kinds of start, one after the other.
    random_state : numpy.random.RandomState
    given : GivenAnalysers
    """

    def __init__(self, rows, family, shape, init_params, random_state, given):
        self.family, self.kinds, self.random_state = family, init_params, random_state
        self.n_components, self.n_factors = shape
        self.given, self.sample = given, None
        if not given.all:
            self.sample = sampled_rows(
                rows, Scaling(family.center, family.scale), random_state, self.n_components)

    @np.errstate(over="ignore")     # of loadings that are given
    def __call__(self, i):
        """Parameters that start i begins with."""
        given, family = self.given, self.family
        if given.all:
            return self._parameters(given.weights, given.means, given.components, given.noise)
        labels = self._labels(self.kinds[i % len(self.kinds)])
        weights, means, components, noise, variance = self._clusters(labels)
        means = means * family.scale + family.center
        components, noise = components * family.scale, noise * family.scale**2
        if given.components is not None:
            components = given.components
            variance = variance * family.scale**2
            noise = np.maximum(variance - (components**2).sum(axis=1), LEAST * variance)
        return self._parameters(
            weights if given.weights is None else given.weights,
            means if given.means is None else given.means, components,
            noise if given.noise is None else given.noise)

    def _parameters(self, weights, means, components, noise):
        family = self.family
        if family.shared and self.given.noise is None:
            noise = np.broadcast_to(weights @ noise / weights.sum(), noise.shape)
        deviations = np.maximum(np.sqrt(noise), family.floor)
        return MixtureParameters(weights, Analysers(
            np.array(means), np.array(components), np.ascontiguousarray(deviations)))

    # --- which rows are together ---------------------------------------------------------------

    def _labels(self, kind):
        """A component for every row of the sample."""
        rows, K, rng, given = self.sample, self.n_components, self.random_state, self.given.means
        if K == 1:
            return np.zeros(len(rows), np.int32)
        if kind == "random" and given is None:
            return rng.randint(K, size=len(rows)).astype(np.int32)
        gaps = rows.patterns is not None
        if given is not None:
            seeds = (given - self.family.center) / self.family.scale
        elif kind == "random_from_data":
            seeds = rows.X[rows.draw(K, rng)]
            seeds = np.where(np.isnan(seeds), 0.0, seeds)
        elif gaps:
            seeds = observed_seeds(rows, K, np.zeros(rows.n_features), rng)
        else:
            seeds = kmeans_plusplus(rows.X, K, sample_weight=rows.sample_weight, random_state=rng,
                                    n_threads=rows.n_threads, check_finite=False)[0]
        iterate = kind == "kmeans" and given is None
        if gaps:
            return observed_kmeans(rows, seeds, max_iter=100 if iterate else 1)[0]
        if iterate:
            return lloyd(rows, seeds)[0]
        labels = np.empty(len(rows), np.int32)
        passes.kmeans_pass(rows.X, np.ascontiguousarray(seeds), labels, rows.sample_weight,
                           rows.n_threads)
        return labels

    # --- what they are like --------------------------------------------------------------------

    def _clusters(self, labels):
        """Weights, means, loadings, noise and variances of the clusters, standardised. Few rows
        say little: what all clusters have in common counts as a few more of each."""
        rows, K, q, D = self.sample, self.n_components, self.n_factors, self.sample.n_features
        w = np.ones(len(rows)) if rows.sample_weight is None else rows.weight_given
        w = np.where(labels < 0, 0.0, w / w.mean())
        counts = np.bincount(np.maximum(labels, 0), w, K)
        means = np.zeros((K, D))
        for k in np.flatnonzero(counts > 0):
            own = np.flatnonzero(labels == k)
            if rows.patterns is None:
                means[k] = w[own] @ rows.X[own] / counts[k]
            else:
                values, observed = observed_means(rows, np.ascontiguousarray(
                    np.where(labels == k, w, 0.0)))
                means[k] = np.where(observed > 0, values, 0.0)
        Z = (rows.X - means[np.maximum(labels, 0)]) * np.sqrt(w)[:, None]
        if rows.patterns is not None:
            seen = ~np.isnan(Z)
            Z[~seen] = 0
        else:
            seen = None
        pooled = self._principal(Z, w, seen)
        prior = q + 2.0
        components, noise, variance = np.empty((K, q, D)), np.empty((K, D)), np.empty((K, D))
        for k in range(K):
            own = labels == k
            if K == 1 or own.sum() < 2 * (q + 1):
                components[k], noise[k], variance[k] = pooled
                continue
            found = self._principal(Z[own], w[own], None if seen is None else seen[own])
            share = counts[k] / (counts[k] + prior)
            components[k] = found[0]
            noise[k] = share * found[1] + (1 - share) * pooled[1]
            variance[k] = share * found[2] + (1 - share) * pooled[2]
        counts += 1e-3
        return counts / counts.sum(), means, components, noise, variance

    def _principal(self, Z, w, seen):
        """Loadings, noise and variances by the leading principal components of weighted rows."""
        q, D = self.n_factors, Z.shape[1]
        if seen is None:
            variance = (Z**2).sum(axis=0) / w.sum()
        else:
            weight = w @ seen
            variance = (Z**2).sum(axis=0) / np.where(weight > 0, weight, 1.0)
            variance[weight == 0] = 1.0
        width = min(q + EXTRA, D, len(Z))
        basis = np.linalg.qr(self.random_state.standard_normal((D, width)))[0]
        for _ in range(POWER_STEPS):
            basis = np.linalg.qr(Z.T @ (Z @ basis))[0]
        _, values, rows = np.linalg.svd(Z @ basis, full_matrices=False)
        values, vectors = values**2 / w.sum(), rows @ basis.T
        vectors[vectors.sum(axis=1) < 0] *= -1      # a factor's sign is not that of an SVD
        k = min(q, width)
        rest = max(0.0, variance.sum() - values[:k].sum()) / max(1, D - k)
        components = np.zeros((q, D))
        components[:k] = np.sqrt(np.maximum(values[:k] - rest, 0))[:, None] * vectors[:k]
        # factors without loadings would stay without
        empty = ~(components**2).any(axis=1)
        components[empty] = 1e-2 * np.sqrt(variance) * self.random_state.standard_normal(
            (int(empty.sum()), D))
        least = np.where(variance > 0, LEAST * variance, LEAST**2)
        return components, np.maximum(variance - (components**2).sum(axis=0), least), variance
