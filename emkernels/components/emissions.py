"""What rows of a hidden Markov chain are distributed as, given their state."""

from dataclasses import dataclass

import numpy as np

from emkernels import kernels
from emkernels.components.gaussian.density import GaussianComponents, as_read
from emkernels.components.gaussian.moments import seen
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.components.probabilities import from_logs, log_dirichlet, logs, shares
from emkernels.kernels import passes


@dataclass
class GaussianStates:
    """Mixtures of Gaussian components, one mixture for each state.

    Attributes
    ----------
    weights : ndarray of shape (n_states, n_mix)
        Of the components within a state.
    gaussians : Gaussians
        Those of state k are k n_mix .. (k + 1) n_mix - 1.
    occupancy : ndarray of shape (n_states * n_mix,), or None
        Shares of the rows that the components had in the last E-step.
    """

    weights: np.ndarray
    gaussians: Gaussians
    occupancy: np.ndarray | None = None


class GaussianEmissions:
    """Rows that are normal, or mixtures of normal ones, given the state.

    Missing values are left out of the densities; their conditional moments, given the state and
    what is observed, are in the statistics. A row without any value says nothing.

    Parameters
    ----------
    components : GaussianComponents
    fixed_weights : bool
        Whether an M-step leaves the weights within the states as they are.
    concentration : float, optional
        Of Dirichlet priors of these weights, at least 1.
    """

    def __init__(self, components: GaussianComponents, *, fixed_weights=False,
                 concentration=None):
        self.components, self.fixed_weights = components, fixed_weights
        self.concentration = concentration

    # --- E-step ---------------------------------------------------------------------

    def chained(self, sequences, startprob, transmat, parameters):
        """Log-likelihoods of the sequences, expected starts and transitions in the unit of the
        weights, and the :class:`SufficientStatistics` of the components."""
        rows, kernel = sequences.rows, self.components.structure.kernel
        centers, factors = self._as_read(rows, parameters)
        if rows.patterns is not None:
            out = self._incomplete(sequences, startprob, transmat, parameters)
        else:
            with np.errstate(divide="ignore"):
                log_weights = np.log(parameters.weights).ravel()
            out = passes.chain_gaussian(
                rows.X, startprob, transmat, log_weights, centers, factors, kernel,
                sequences.offsets, sequences.sequence_weight,
                n_mix=parameters.weights.shape[1], n_threads=sequences.n_threads)
        log_likelihoods, starts, transitions, counts, first, second = out
        statistics = SufficientStatistics.trusted(
            kernel, centers, counts, first, second, 0.0, sequences.total / sequences.unit,
            sequences.n_rows)
        statistics.n_threads = sequences.n_threads
        if sequences.unit != 1:
            statistics.scale(sequences.unit)
        return log_likelihoods, starts, transitions, statistics

    def _as_read(self, rows, parameters):
        """Means and factors as the kernels read them; moments are about these means."""
        gaussians = parameters.gaussians
        centers = np.ascontiguousarray(seen(gaussians.means, rows))
        _, factors = as_read(np.ones(len(centers)), gaussians.precisions_cholesky, centers, rows,
                             self.components.structure.kernel)
        return centers, factors

    def _incomplete(self, sequences, startprob, transmat, parameters):
        """The same of rows with missing values: densities, the chain, then the moments of each
        component under its posterior."""
        rows, structure = sequences.rows, self.components.structure
        centers, factors = self._as_read(rows, parameters)
        log_density, within = self._by_state(rows, parameters)
        log_likelihoods, starts, transitions, resp = kernels.chain_statistics(
            log_density, startprob, transmat, sequences.lengths,
            sequence_weight=sequences.sequence_weight, return_resp=True,
            n_threads=sequences.n_threads)
        n_states, n_mix = parameters.weights.shape
        weight = resp.astype(np.float64)
        weight[rows.empty] = 0
        if sequences.sequence_weight is not None:
            weight *= np.repeat(sequences.sequence_weight, sequences.lengths)[:, None]
        counts, first, second = [], [], []
        for c in range(n_states * n_mix):
            own = weight[:, c // n_mix]
            if within is not None:
                own = own * within[:, c // n_mix, c % n_mix]
            moments = passes.incomplete_pass(
                rows.X, np.ones(1), centers[c:c + 1],
                np.ascontiguousarray(structure.reordered(factors, [c])), structure.kernel,
                np.ascontiguousarray(own), rows.patterns, leave_empty_out=True,
                n_threads=rows.n_threads)
            for parts, part in zip((counts, first, second), moments[:3], strict=True):
                parts.append(part)
        second = sum(second) if structure.shared else np.concatenate(second)
        return (log_likelihoods, starts, transitions, np.concatenate(counts),
                np.concatenate(first), second)

    def _by_state(self, rows, parameters):
        """Log densities of the rows in each state, (n_rows, n_states), and the posteriors of the
        components within, (n_rows, n_states, n_mix), None where there is one. In float64, as the
        fused pass adds them up: a row far out is beyond float32."""
        if rows.dtype == np.float32:
            rows = rows.take(X=rows.X.astype(np.float64))
        centers, factors = self._as_read(rows, parameters)
        kernel, n_mix = self.components.structure.kernel, parameters.weights.shape[1]
        if rows.patterns is not None:
            log_prob = passes.incomplete_rows(
                rows.X, np.ones(len(centers)), centers, factors, kernel, rows.patterns,
                ("log_prob",), n_threads=rows.n_threads)["log_prob"]
        else:
            log_prob = kernels.log_density(rows.X, centers, factors, kernel,
                                           n_threads=rows.n_threads, check_finite=False)
        if n_mix == 1:
            return log_prob, None
        with np.errstate(divide="ignore"):
            log_prob = log_prob + np.log(parameters.weights).ravel().astype(log_prob.dtype)
        resp, log_density = kernels.responsibilities(
            log_prob.reshape(-1, n_mix), n_threads=rows.n_threads)
        shape = len(rows), len(parameters.weights)
        return log_density.reshape(shape), resp.reshape(*shape, n_mix)

    def log_density(self, sequences, parameters):
        """Log densities of the rows in each state, (n_rows, n_states)."""
        return self._by_state(sequences.rows, parameters)[0]

    # --- M-step ---------------------------------------------------------------------

    def maximise(self, statistics, parameters):
        """The likeliest emissions; a component without rows keeps what it has."""
        weights, gaussians = parameters.weights, parameters.gaussians
        counts = statistics.counts
        row = statistics.total / statistics.n_rows
        visited = counts > max(10 * np.finfo(np.float64).eps * row, np.finfo(np.float64).tiny)
        if visited.all():
            gaussians = self.components.maximise(statistics, gaussians)
        elif visited.any():
            gaussians = self._of_visited(statistics, gaussians, visited)
        if not self.fixed_weights and weights.shape[1] > 1:
            weights = shares(counts.reshape(weights.shape), weights, self.concentration)
        return GaussianStates(weights, gaussians, counts / max(counts.sum(), 1e-300))

    def _of_visited(self, statistics, before, visited):
        """An M-step of some of the components; the others stay."""
        structure, own = before.structure, np.flatnonzero(visited)
        part = SufficientStatistics.trusted(
            statistics.covariance_type, statistics.centers[own], statistics.counts[own],
            statistics.first[own], structure.reordered(statistics.second, own), 0.0,
            statistics.total, statistics.n_rows)
        part.n_threads = statistics.n_threads
        new = self.components.maximise(part, Gaussians(
            structure, before.means[own], structure.reordered(before.covariances, own),
            structure.reordered(before.precisions_cholesky, own)))
        means = before.means.copy()
        means[own] = new.means
        covariances, factors = new.covariances, new.precisions_cholesky
        if not structure.shared:
            covariances, factors = before.covariances.copy(), before.precisions_cholesky.copy()
            covariances[own], factors[own] = new.covariances, new.precisions_cholesky
        return Gaussians(structure, means, covariances, factors)

    def order(self, parameters):
        """The states by their means, the first column first."""
        means = parameters.gaussians.means.reshape(*parameters.weights.shape, -1)
        means = np.einsum("km,kmd->kd", parameters.weights, means)
        return np.lexsort(means.T[::-1])

    def reordered(self, parameters, order):
        """State i becomes the one that was ``order[i]``."""
        n_mix, before = parameters.weights.shape[1], parameters.gaussians
        own = (order[:, None] * n_mix + np.arange(n_mix)).ravel()
        gaussians = Gaussians(before.structure, before.means[own], *(
            np.ascontiguousarray(before.structure.reordered(each, own))
            for each in (before.covariances, before.precisions_cholesky)))
        occupancy = parameters.occupancy
        return GaussianStates(np.ascontiguousarray(parameters.weights[order]), gaussians,
                              None if occupancy is None else occupancy[own])

    def log_prior(self, parameters):
        """Log densities of the priors of weights and covariances, without normalisers."""
        return (log_dirichlet(parameters.weights, self._concentration(parameters))
                + self.components.log_prior(parameters.gaussians))

    def _concentration(self, parameters):
        if self.concentration is None or parameters.weights.shape[1] == 1:
            return None
        return np.broadcast_to(self.concentration, parameters.weights.shape)

    # --- parameters as vectors, for acceleration and convergence ----------------------

    def to_vector(self, parameters):
        return [logs(parameters.weights).ravel(),
                *self.components.to_vector(parameters.gaussians)]

    def from_vector(self, vector, like):
        n = like.weights.size
        gaussians = self.components.from_vector(vector[n:], like.gaussians)
        if gaussians is None:
            return None
        weights = like.weights
        if not self.fixed_weights:
            weights = from_logs(vector[:n].reshape(weights.shape), weights)
        return GaussianStates(weights, gaussians, like.occupancy)

    def relative_change(self, old, new):
        return max(float(np.max(np.abs(new.weights - old.weights))),
                   float(self.components.relative_change(old.gaussians, new.gaussians)))


@dataclass
class SymbolStatistics:
    """Expected symbols of the states, (n_states, n_symbols)."""

    counts: np.ndarray

    def merge(self, other):
        self.counts += other.counts
        return self


class SymbolEmissions:
    """Rows that are symbols, with probabilities of their own in each state; a missing one says
    nothing. The parameters are an ndarray of shape (n_states, n_symbols).

    Parameters
    ----------
    fixed : bool
        Whether an M-step leaves the probabilities as they are.
    concentration : ndarray of shape (n_states, n_symbols), optional
        Of Dirichlet priors of the probabilities that are not zero, at least 1.
    """

    def __init__(self, *, fixed=False, concentration=None):
        self.fixed, self.concentration = fixed, concentration

    def chained(self, sequences, startprob, transmat, parameters):
        """Log-likelihoods of the sequences, expected starts and transitions in the unit of the
        weights, and :class:`SymbolStatistics`."""
        codes, _ = sequences.symbols(parameters.shape[1])
        log_likelihoods, starts, transitions, counts = passes.chain_symbols(
            codes, startprob, transmat, np.ascontiguousarray(parameters), sequences.offsets,
            sequences.sequence_weight, n_threads=sequences.n_threads)
        if sequences.unit != 1:
            counts = counts * sequences.unit
        return log_likelihoods, starts, transitions, SymbolStatistics(counts)

    def log_density(self, sequences, parameters):
        """Log probabilities of the rows in each state, (n_rows, n_states)."""
        codes, _ = sequences.symbols(parameters.shape[1])
        with np.errstate(divide="ignore"):
            table = np.log(parameters.T)
        return np.where(codes[:, None] < 0, 0.0, table[codes])

    def maximise(self, statistics, parameters):
        """The likeliest probabilities; a state without rows keeps what it has."""
        if self.fixed:
            return parameters
        return shares(statistics.counts, parameters, self.concentration)

    def order(self, parameters):
        """The states by the probability of the first symbol, the largest first, then of the
        next."""
        return np.lexsort(-parameters.T[::-1])

    def reordered(self, parameters, order):
        return np.ascontiguousarray(parameters[order])

    def log_prior(self, parameters):
        return log_dirichlet(parameters, self.concentration)

    def to_vector(self, parameters):
        return [logs(parameters).ravel()]

    def from_vector(self, vector, like):
        return like if self.fixed else from_logs(vector.reshape(like.shape), like)

    def relative_change(self, old, new):
        return float(np.max(np.abs(new - old)))
