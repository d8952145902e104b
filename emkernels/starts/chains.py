"""Where EM begins for hidden Markov models: states from the rows, and a chain that stays."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from emkernels._one_thread import one_thread
from emkernels.components.emissions import GaussianStates
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.data.available import pairwise_covariances
from emkernels.data.sequences import Sequences
from emkernels.em import DegenerateFitError, run_em
from emkernels.kernels import kmeans_plusplus, passes
from emkernels.latent.chain import ChainParameters
from emkernels.latent.mixture import Mixture, MixtureParameters
from emkernels.starts.lloyd import lloyd
from emkernels.starts.observed import observed_kmeans, observed_seeds

# Rows that starts look at, in windows of so many.
START_ROWS, WINDOW = 20_000, 1000
# Steps after which starts are compared, and the gain for one row below which they end before.
STEPS, SHORT_TOL = 20, 1e-6
# Steps of the mixture that some starts begin with.
MIXTURE_STEPS = 15
STAYS = 0.9         # probability of staying in a state


@dataclass
class GivenChain:
    """What is given of a start, None where nothing is; of Gaussian states all components in one
    axis, covariances as the structure has them; `emissions`: of symbols."""

    startprob: np.ndarray | None = None
    transmat: np.ndarray | None = None
    weights: np.ndarray | None = None
    means: np.ndarray | None = None
    covariances: np.ndarray | None = None
    emissions: np.ndarray | None = None

    def startprob_of(self, n):
        return np.full(n, 1 / n) if self.startprob is None else self.startprob

    @property
    def goes_right(self):
        """Whether the given chain cannot go back."""
        a = self.transmat
        return a is not None and len(a) > 1 and not np.tril(a, -1).any() and bool(
            np.triu(a, 1).any())


def persistent(n, stays=STAYS):
    """A transition matrix that stays where it is, and goes anywhere else alike."""
    if n == 1:
        return np.ones((1, 1))
    out = np.full((n, n), (1 - stays) / (n - 1))
    np.fill_diagonal(out, stays)
    return out


def counted(sequences, labels, n):
    """Shares of the transitions between labels, -1 being none; every one counts once more."""
    before, after = labels[:-1], labels[1:]
    inside = (before >= 0) & (after >= 0)
    inside[sequences.offsets[1:-1] - 1] = False
    out = np.ones((n, n))
    np.add.at(out, (before[inside], after[inside]), 1.0)
    return out / out.sum(axis=1, keepdims=True)


def excerpt(sequences, whole):
    """Some of the rows, themselves sequences; all rows where they are few. `whole`: entire
    sequences, else windows of them."""
    n = sequences.n_rows
    if n <= START_ROWS:
        return sequences
    if whole:
        most = max(1, int(START_ROWS / n * sequences.n_sequences))
        out = sequences.select(np.unique(np.linspace(
            0, sequences.n_sequences - 1, most).astype(np.int64)))
    else:
        begun = np.linspace(0, n - WINDOW, START_ROWS // WINDOW).astype(np.int64)
        begun = begun[np.append(True, np.diff(begun) >= WINDOW)]
        cuts = np.unique(np.concatenate([begun, begun + WINDOW, sequences.offsets]))
        firsts, ends = cuts[:-1], cuts[1:]
        inside = firsts < begun[np.searchsorted(begun, firsts, "right") - 1] + WINDOW
        firsts, ends = firsts[inside], ends[inside]
        own = np.searchsorted(sequences.offsets, firsts, "right") - 1
        weight = sequences.sequence_weight
        out = Sequences(
            sequences.rows.take(np.concatenate([
                np.arange(a, b) for a, b in zip(firsts, ends, strict=True)])),
            np.concatenate([[0], np.cumsum(ends - firsts)]),
            None if weight is None else weight[own] * sequences.unit,
            n_threads=sequences.n_threads)
    # a column that has few values may have none there
    return out if (~np.isnan(out.rows.X)).any(axis=0).all() else sequences


class Starts:
    """Starts of a chain: a function of their number, and the order of all after some steps.

    Parameters
    ----------
    sequences : Sequences
    chain : Chain
    n_init : int
        How many starts there are.
    given : GivenChain
    is_degenerate : callable, optional
        As for :func:`emkernels.em.run_em`.
    """

    def __init__(self, sequences, chain, n_init, given, is_degenerate=None):
        self.sequences, self.chain, self.n_init = sequences, chain, n_init
        self.given, self.is_degenerate = given, is_degenerate
        self.looked_at = excerpt(sequences, given.startprob is not None)

    def ranked(self, max_iter):
        """Where the starts are after some steps, on some of the rows, the likeliest first; those
        that collapse are left out.

        C. Biernacki, G. Celeux, G. Govaert, Choosing starting values for the EM algorithm for
        getting the highest likelihood in multivariate Gaussian mixture models, Computational
        Statistics & Data Analysis 41, 2003.
        """
        starts = [self(i) for i in range(self.n_init)]
        n_threads = self.sequences.n_threads
        if n_threads is None or n_threads < 0:
            n_threads = passes.effective_n_threads()
        n_threads = min(n_threads, len(starts))

        def run(start):
            # (rows of their own: passes leave in them what the next ones use)
            own = self.looked_at.alone() if n_threads > 1 else self.looked_at
            try:
                result = run_em(self.chain, own, lambda i: start, max_iter=min(STEPS, max_iter),
                                tol=SHORT_TOL)
            except DegenerateFitError as error:
                return error
            if result.interrupted:
                raise KeyboardInterrupt
            return result

        if n_threads > 1:
            with one_thread(self.sequences.n_features), ThreadPoolExecutor(n_threads) as pool:
                results = list(pool.map(run, starts))
        else:
            results = [run(start) for start in starts]
        reached = []
        for i, result in enumerate(results):
            if not isinstance(result, DegenerateFitError):
                spoiled = self.is_degenerate is not None and bool(
                    self.is_degenerate(result.parameters))
                reached.append((spoiled, -result.lower_bound, i, result.parameters))
        if not reached:
            raise results[0]
        reached.sort(key=lambda each: each[:3])
        out = [each[3] for each in reached]
        if self.looked_at is not self.sequences:
            # windows begin anywhere
            out = [replace(p, startprob=self.given.startprob_of(len(p.startprob))) for p in out]
        return out


class GaussianStarts(Starts):
    """Starts of chains of Gaussian rows, of labels for the rows they look at: by K-means in units
    of the columns' deviations, by a mixture that goes on from there, by stretches of the
    sequences.

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
        self.random_state = random_state
        nothing = self.n_states * self.n_mix == 1 or (given.means is not None and (
            self.n_mix == 1 or (given.covariances is not None and given.weights is not None)))
        super().__init__(sequences, chain, 1 if nothing else n_init, given, is_degenerate)
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
            if given.means is None:
                labels = self._states(i)
                parts = labels if self.n_mix == 1 else self._within(labels)
            else:
                parts = self._nearest()
                labels = np.where(parts < 0, -1, parts // self.n_mix)
            if transmat is None and i % 2:
                transmat = counted(self.looked_at, labels, n)
            emissions = self._emissions(parts, mixed=i % 4 == 1)
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

    def _emissions(self, labels, mixed):
        """Components with the moments of the rows of their labels."""
        n, m, given = self.n_states, self.n_mix, self.given
        total = n * m
        X, weight = self.rows.X, self.weight
        means = _means(X, labels, weight, total)
        covariances = pairwise_covariances(
            self.rows, labels, means, np.diagonal(self.total))
        kept = labels >= 0
        counts = np.bincount(labels[kept], weight[kept], total)
        # one row more has the covariance of all rows: no component begins without extent
        covariances = (counts[:, None, None] * covariances + self.total) / (counts + 1)[
            :, None, None]
        center, scale = self.units
        if mixed and total > 1 and given.means is None:
            means, covariances, counts = self._mixture(means, covariances, counts)
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
            counts.sum(), len(X))
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
        bare = self.chain.emissions.components.structure.bare
        inner = bare.maximise(SufficientStatistics.trusted(
            bare.kernel, means, counts + 1, np.zeros(means.shape),
            np.array(bare.second_of((counts + 1)[:, None, None] * covariances)), 0.0),
            counts + 1, np.zeros(means.shape), means)
        start = MixtureParameters((counts + 1) / (counts + 1).sum(), Gaussians(
            bare, means, *inner[:2]))
        components = replace(self.chain.emissions.components, structure=bare.with_(
            reg_covar=1e-4), fixed=frozenset())
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
