"""Where EM begins for hidden Markov models: many starts, ranked by some steps of each."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from emkernels._one_thread import one_thread
from emkernels.data.sequence_blocks import WINDOW, sample_sequences
from emkernels.data.sequences import Sequences
from emkernels.em import DegenerateFitError, run_em
from emkernels.kernels import passes
from emkernels.kernels.dispatch import own_simd_level, simd_level

START_ROWS = 20_000     # that starts look at, in windows
# Steps after which starts are compared, and the gain for one row below which they end before.
STEPS, SHORT_TOL = 60, 1e-6
# Starts that are so near to each other then, for one row, are on their way to one maximum.
SAME = 1e-5
STAYS = 0.9         # probability of staying in a state
# What rows that starts have not looked at may show, though those that they have did not: of a
# probability this share is spread anew, for what is zero would stay so.
UNSEEN = 1e-4


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


def random_chain(n, random_state, stays=0.0):
    """A random transition matrix, of rows drawn evenly from all, that stays with that probability
    and more."""
    return stays * np.eye(n) + (1 - stays) * random_state.dirichlet(np.ones(n), n)


def counted(sequences, labels, n):
    """Shares of the transitions between labels, -1 being none; every one counts once more."""
    before, after = labels[:-1], labels[1:]
    inside = (before >= 0) & (after >= 0)
    inside[sequences.offsets[1:-1] - 1] = False
    out = np.ones((n, n))
    np.add.at(out, (before[inside], after[inside]), 1.0)
    return out / out.sum(axis=1, keepdims=True)


def excerpt(sequences, whole, random_state=None):
    """Some of the rows, themselves sequences; all rows where they are few. `whole`: entire
    sequences, else windows of them. (Of blocks drawn at random.)"""
    if hasattr(sequences, "n_blocks"):
        return sample_sequences(sequences, START_ROWS, whole, random_state)
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
    sequences : Sequences, or a source of blocks that are sequences
    chain : Chain
    n_init : int
        How many starts there are.
    given : GivenChain
    random_state : numpy.random.RandomState
    is_degenerate : callable, optional
        As for :func:`emkernels.em.run_em`.
    """

    def __init__(self, sequences, chain, n_init, given, random_state, is_degenerate=None):
        self.sequences, self.chain, self.n_init = sequences, chain, n_init
        self.given, self.is_degenerate = given, is_degenerate
        self.random_state, self._looked_at = random_state, None

    @property
    def looked_at(self):
        """The rows that starts look at, sequences."""
        if self._looked_at is None:
            self._looked_at = excerpt(
                self.sequences, self.given.startprob is not None, self.random_state)
        return self._looked_at

    def ranked(self, max_iter):
        """Where the starts are after some steps, on some of the rows, the likeliest first; those
        that collapse, and all but one of those that came to the same, are left out.

        C. Biernacki, G. Celeux, G. Govaert, Choosing starting values for the EM algorithm for
        getting the highest likelihood in multivariate Gaussian mixture models, Computational
        Statistics & Data Analysis 41, 2003.
        """
        starts = []
        for i in range(self.n_init):
            with contextlib.suppress(DegenerateFitError):
                starts.append(self(i))
        starts = starts or [self(0)]        # which says why there is none
        n_threads = self.sequences.n_threads
        if n_threads is None or n_threads < 0:
            n_threads = passes.effective_n_threads()
        n_threads = min(n_threads, len(starts))
        looked_at, level = self.looked_at, simd_level()     # one for all threads

        def run(start):
            # (rows of their own: passes leave in them what the next ones use)
            own = looked_at.alone() if n_threads > 1 else looked_at
            try:
                with own_simd_level(level):
                    result = run_em(self.chain, own, lambda i: start,
                                    max_iter=min(STEPS, max_iter), tol=SHORT_TOL)
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
        out, bounds = [], []
        for _, bound, _, parameters in reached:
            if all(abs(bound - other) > SAME for other in bounds):
                out.append(parameters)
                bounds.append(bound)
        if self.looked_at.n_rows < self.sequences.n_positive:
            out = [self._of_all_rows(parameters) for parameters in out]
        return out

    def _of_all_rows(self, parameters):
        """Where EM on all rows goes on from parameters of some of them."""
        n, transmat = len(parameters.startprob), parameters.transmat
        if "transmat" not in self.chain.fixed:
            spread = np.full((n, n), 1 / n) if self.given.transmat is None else self.given.transmat
            transmat = (1 - UNSEEN) * transmat + UNSEEN * spread
        # windows begin anywhere
        return replace(parameters, startprob=self.given.startprob_of(n), transmat=transmat)
