"""Where EM begins for hidden Markov models of Gaussian rows."""

from dataclasses import replace

import numpy as np

from emkernels.components.emissions import GaussianStates
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.data.available import pairwise_covariances
from emkernels.em import DegenerateFitError, run_em
from emkernels.kernels import kmeans_plusplus
from emkernels.latent.chain import ChainParameters
from emkernels.latent.mixture import Mixture, MixtureParameters
from emkernels.starts.chains import SHORT_TOL, Starts, counted, persistent, random_chain
from emkernels.starts.lloyd import lloyd
from emkernels.starts.observed import observed_kmeans, observed_seeds

MIXTURE_STEPS = 15      # of the mixture that some starts begin with


class GaussianStarts(Starts):
    """Starts of chains of Gaussian rows.

    Every second one has the moments of labels for the rows it looks at: by K-means in units of the
    columns' deviations, by a mixture that goes on from there, by stretches of the sequences. The
    others have single rows for means and random chains: states that rows do not stay in, or that
    differ in their variances, are found from there.

    Parameters
    ----------
    sequences, chain, n_init, given, is_degenerate
        See :class:`Starts`.
    shape : (int, int)
        States, and components in each.
    random_state : numpy.random.RandomState
    """

    def __init__(self, sequences, chain, n_init, given, is_degenerate, *, shape, random_state):
        self.n_states, self.n_mix = shape
        nothing = self.n_states * self.n_mix == 1 or given.means is not None
        super().__init__(sequences, chain, 1 if nothing else n_init, given, random_state,
                         is_degenerate)
        self.units = None

    @property
    def given_emissions(self):
        """Those of a start of which everything is given, else None."""
        given = self.given
        if given.means is None or given.covariances is None:
            return None
        if given.weights is None and self.n_mix > 1:
            return None
        structure = self.chain.emissions.components.structure
        weights = np.ones((self.n_states, 1)) if given.weights is None else given.weights
        return GaussianStates(weights, Gaussians(
            structure, given.means, given.covariances, structure.factors(given.covariances)))

    def __call__(self, i):
        """The parameters that start i begins with."""
        n, given = self.n_states, self.given
        emissions, transmat = self.given_emissions, given.transmat
        if emissions is None:
            if self.units is None:
                self._standardise()
            if i % 2 and given.means is None:
                emissions = self._emissions(*self._drawn())
                if transmat is None:
                    transmat = random_chain(n, self.random_state, stays=0.8 * (i % 4 == 1))
            else:
                labels, parts = self._labels(i // 2)
                if transmat is None and i // 2 % 2:
                    transmat = counted(self.looked_at, labels, n)
                emissions = self._emissions(*self._moments(parts, mixed=i // 2 % 4 == 1))
        if transmat is None:
            transmat = persistent(n)
        return ChainParameters(given.startprob_of(n), transmat, emissions)

    def _standardise(self):
        """Rows in units of the columns' deviations, in float64."""
        rows = self.looked_at.rows
        X = np.array(rows.X, np.float64, order="C")      # one order of sums for every layout
        seen = ~np.isnan(X)
        weight = self.looked_at.of_rows()
        self.weight = np.ones(len(X)) if weight is None else weight / weight.max()
        first = X[seen.argmax(axis=0), np.arange(X.shape[1])]
        X = X - first       # so that a shift costs no digits
        w = self.weight[:, None] * seen
        total = w.sum(axis=0)
        mean = np.where(seen, w * X, 0).sum(axis=0) / total
        X = X - mean
        scale = np.sqrt(np.where(seen, w * X * X, 0).sum(axis=0) / total)
        scale[~(scale > 4 * np.finfo(rows.dtype).eps * np.abs(first + mean))] = 1.0
        self.units = first + mean, scale
        self.rows = rows.take(X=X / scale).with_(sample_weight=self.weight)
        self.total = pairwise_covariances(
            self.rows, np.zeros(len(X), np.int32), np.zeros((1, X.shape[1])))[0]

    def _labels(self, i):
        """A state and a component for each row, -1 for none."""
        if self.given.means is not None:
            parts = self._nearest()
            return np.where(parts < 0, -1, parts // self.n_mix), parts
        labels = self._states(i)
        return labels, labels if self.n_mix == 1 else self._within(labels)

    def _nearest(self):
        """The nearest of the given means for each row, -1 for rows without any value."""
        center, scale = self.units
        labels = observed_kmeans(self.rows, (self.given.means - center) / scale, max_iter=1)[0]
        labels[self.rows.empty] = -1
        return labels

    def _states(self, i):
        """A state for each row, -1 for none."""
        n, given, offsets = self.n_states, self.given, self.looked_at.offsets
        times = _times(offsets)
        if n == 1:
            return np.zeros(len(times), np.int32)
        if given.goes_right and i == 0:
            return np.minimum(n * times, n - 1).astype(np.int32)
        if i % 4 == 2:
            return self._stretches(n)
        labels = self._kmeans(self.rows, n)
        if given.transmat is not None and i and not given.goes_right:
            # which of the clusters is which state the rows do not say
            order = self.random_state.permutation(n)
        elif given.goes_right:
            key = np.array([times[labels == k].mean() if (labels == k).any() else 1
                            for k in range(n)])
            order = np.argsort(key, kind="stable")
        else:
            means = _means(self.rows.X, labels, self.weight, n)
            order = np.lexsort(means.T[::-1])
        rank = np.empty(n + 1, np.int32)
        rank[order], rank[n] = np.arange(n), -1
        return rank[labels]

    def _kmeans(self, rows, n):
        """Clusters of rows, -1 for those without any value."""
        if len(rows) <= n:
            return np.arange(len(rows), dtype=np.int32)
        if rows.patterns is None:
            seeds, _ = kmeans_plusplus(
                rows.X, n, sample_weight=rows.sample_weight, random_state=self.random_state,
                n_threads=rows.n_threads, check_finite=False)
            return lloyd(rows, seeds)[0]
        seeds = observed_seeds(rows, n, np.zeros(rows.n_features), self.random_state)
        labels = observed_kmeans(rows, seeds)[0]
        labels[rows.empty] = -1
        return labels

    def _stretches(self, n):
        """A state for each of some stretches of the rows."""
        size = len(self.rows)
        length = max(1, size // (4 * n))
        labels = np.full(size, -1, np.int32)
        for k, part in enumerate(self.random_state.permutation(max(1, size // length))[:n]):
            labels[part * length:(part + 1) * length] = k
        return labels

    def _drawn(self):
        """Rows for means, and the covariance of all rows made smaller; even counts."""
        total, rng = self.n_states * self.n_mix, self.random_state
        X, d = self.rows.X, len(self.total)
        usable = np.flatnonzero(~np.isnan(X).any(axis=1) & (self.weight > 0))
        if len(usable) < total:
            usable = np.flatnonzero(self.weight > 0)
        own = rng.choice(usable, total, replace=len(usable) < total)
        shrunk = rng.uniform(0.1, 1.0, total)
        if self.chain.emissions.components.structure.shared:
            shrunk[:] = shrunk[0]
        return (np.where(np.isnan(X[own]), 0.0, X[own]),
                shrunk[:, None, None] * np.broadcast_to(self.total, (total, d, d)),
                np.full(total, self.weight.sum() / total))

    def _moments(self, labels, mixed):
        """Means, covariances and counts of the rows of each label, in units of the columns."""
        total = self.n_states * self.n_mix
        X, weight = self.rows.X, self.weight
        means = _means(X, labels, weight, total)
        covariances = pairwise_covariances(
            self.rows, labels, means, np.diagonal(self.total))
        kept = labels >= 0
        counts = np.bincount(labels[kept], weight[kept], total)
        # one row more has the covariance of all rows: no component begins without extent
        covariances = (counts[:, None, None] * covariances + self.total) / (counts + 1)[
            :, None, None]
        if mixed and total > 1 and self.given.means is None:
            means, covariances, counts = self._mixture(means, covariances, counts)
        return means, covariances, counts

    def _emissions(self, means, covariances, counts):
        """Components with these moments, but for what is given."""
        n, m, given = self.n_states, self.n_mix, self.given
        center, scale = self.units
        means, covariances = center + scale * means, covariances * np.outer(scale, scale)
        counts = np.maximum(counts, 1e-3)
        components = self.chain.emissions.components
        structure = components.structure
        stays, before = set(), Gaussians(structure, given.means, None, None)
        if given.covariances is not None:
            stays.add("covariances")
            before = Gaussians(structure, given.means, given.covariances,
                               structure.factors(given.covariances))
        statistics = SufficientStatistics.trusted(
            structure.kernel, means, counts, np.zeros(means.shape),
            np.array(structure.second_of(counts[:, None, None] * covariances)), 0.0,
            counts.sum(), len(self.rows))
        statistics.n_threads = self.rows.n_threads
        gaussians = replace(components, fixed=frozenset(stays)).maximise(statistics, before)
        if given.means is not None:
            gaussians.means = given.means
        weights = counts.reshape(n, m)
        weights = weights / weights.sum(axis=1, keepdims=True)
        return GaussianStates(
            weights if given.weights is None else given.weights, gaussians,
            counts / counts.sum())

    def _within(self, labels):
        """Components within the states, by K-means of the rows of each."""
        out = np.full(len(labels), -1, np.int32)
        for k in range(self.n_states):
            own = np.flatnonzero(labels == k)
            if len(own):
                part = self._kmeans(self.rows.take(own), self.n_mix)
                out[own] = np.where(part < 0, -1, k * self.n_mix + part)
        return out

    def _mixture(self, means, covariances, counts):
        """Means, covariances and counts after some steps of a mixture, all in units of the
        columns."""
        structure = self.chain.emissions.components.structure.bare.with_(reg_covar=1e-4)
        components = replace(self.chain.emissions.components, structure=structure,
                             fixed=frozenset())
        counts = counts + 1
        statistics = SufficientStatistics.trusted(
            structure.kernel, means, counts, np.zeros(means.shape),
            np.array(structure.second_of(counts[:, None, None] * covariances)), 0.0)
        start = MixtureParameters(counts / counts.sum(), components.maximise(statistics, None))
        try:
            p = run_em(Mixture(components), self.rows, lambda i: start, max_iter=MIXTURE_STEPS,
                       tol=SHORT_TOL).parameters
        except DegenerateFitError:
            return means, covariances, counts
        return (p.means, np.array([p.components.covariance(k) for k in range(len(p.means))]),
                p.weights * counts.sum())


def _times(offsets):
    """How far along its sequence each row is, in [0, 1)."""
    lengths = np.diff(offsets)
    first = np.repeat(offsets[:-1], lengths)
    return (np.arange(offsets[-1]) - first) / np.repeat(lengths, lengths)


def _means(X, labels, weight, n):
    """Means of the observed values of each label, 0 where there are none."""
    seen = ~np.isnan(X) & (labels >= 0)[:, None]
    out = np.zeros((n, X.shape[1]))
    own = np.where(labels < 0, 0, labels)
    for d in range(X.shape[1]):
        w = weight * seen[:, d]
        total = np.bincount(own, w, n)
        sums = np.bincount(own, w * np.where(seen[:, d], X[:, d], 0), n)
        out[:, d] = sums / np.where(total > 0, total, 1)
    return out
