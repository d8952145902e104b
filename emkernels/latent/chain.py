"""Hidden Markov chains: what a row is distributed as depends on the state, states on the last."""

from dataclasses import dataclass

import numpy as np

from emkernels.components.probabilities import from_logs, log_dirichlet, logs, shares


@dataclass
class ChainParameters:
    """Parameters of a hidden Markov model.

    Attributes
    ----------
    startprob : ndarray of shape (n_states,)
    transmat : ndarray of shape (n_states, n_states)
        Rows sum to one.
    emissions : object
        As the emissions keep them.
    """

    startprob: np.ndarray
    transmat: np.ndarray
    emissions: object


@dataclass
class ChainStatistics:
    """What sequences leave.

    Attributes
    ----------
    starts : ndarray of shape (n_states,)
        Expected first states.
    transitions : ndarray of shape (n_states, n_states)
        Expected transitions.
    emissions : object
        As the emissions leave them, with a `merge`.
    log_likelihood, total : float
        Of all sequences, and the weight of their rows.
    impossible : str or None
        The first sequence of probability zero, as messages call it.
    """

    starts: np.ndarray
    transitions: np.ndarray
    emissions: object
    log_likelihood: float
    total: float
    impossible: str | None = None

    def merge(self, other):
        self.starts += other.starts
        self.transitions += other.transitions
        self.emissions.merge(other.emissions)
        self.log_likelihood += other.log_likelihood
        self.total += other.total
        if self.impossible is None:
            self.impossible = other.impossible
        return self


class Chain:
    """A hidden Markov model as the EM loop sees it, an :class:`emkernels.em.protocol.Model`.

    Parameters
    ----------
    emissions : GaussianEmissions or SymbolEmissions
        What rows are distributed as, given their state.
    fixed : frozenset of {'startprob', 'transmat'}
        What an M-step leaves as it is.
    start_concentration : ndarray of shape (n_states,), optional
        Of a Dirichlet prior of startprob, at least 1. Probabilities that are zero stay so, and
        the prior is that of the others.
    transition_concentration : ndarray of shape (n_states, n_states), optional
        Of one of each row of transmat.
    """

    def __init__(self, emissions, *, fixed=frozenset(), start_concentration=None,
                 transition_concentration=None):
        self.emissions, self.fixed = emissions, fixed
        self.start_concentration = start_concentration
        self.transition_concentration = transition_concentration

    def accumulate(self, sequences, parameters):
        """E-step: expected starts and transitions, and what emissions need."""
        log_likelihoods, starts, transitions, own = self.emissions.chained(
            sequences, parameters.startprob, parameters.transmat, parameters.emissions)
        weight = sequences.sequence_weight
        lost = log_likelihoods == -np.inf
        if weight is not None:
            lost &= weight > 0
        if sequences.unit != 1:
            starts, transitions = starts * sequences.unit, transitions * sequences.unit
        return ChainStatistics(
            starts, transitions, own, sequences.weighted_sum(log_likelihoods), sequences.total,
            sequences.title(int(lost.argmax())) if lost.any() else None)

    def objective(self, statistics, parameters):
        """The log-likelihood and the log densities of the priors, for one row of weight 1."""
        value = statistics.log_likelihood + self.log_prior(parameters)
        if not statistics.total > 0:
            raise ValueError("the weights of all sequences are zero")
        return value / statistics.total

    def log_prior(self, parameters):
        """Of all parameters, without the normalisers."""
        return (log_dirichlet(parameters.startprob, self.start_concentration)
                + log_dirichlet(parameters.transmat, self.transition_concentration)
                + self.emissions.log_prior(parameters.emissions))

    def maximise(self, statistics, parameters):
        """M-step; ValueError for a sequence that the parameters cannot have made."""
        if statistics.impossible is not None:
            raise ValueError(
                f"{statistics.impossible} is impossible: under the start of the fit its "
                "probability is zero. Look at the zeros of startprob_init, transmat_init and "
                "emissionprob_init, or leave the sequence out")
        startprob, transmat = parameters.startprob, parameters.transmat
        if "startprob" not in self.fixed:
            startprob = shares(statistics.starts, startprob, self.start_concentration)
        if "transmat" not in self.fixed:
            transmat = shares(statistics.transitions, transmat, self.transition_concentration)
        return ChainParameters(
            startprob, transmat, self.emissions.maximise(statistics.emissions,
                                                         parameters.emissions))

    def in_order(self, parameters):
        """The same with the states in the order of their emissions."""
        order = self.emissions.order(parameters.emissions)
        return ChainParameters(
            parameters.startprob[order],
            np.ascontiguousarray(parameters.transmat[order[:, None], order]),
            self.emissions.reordered(parameters.emissions, order))

    def endless(self, parameters, source):
        """EM goes on to the end that it is given."""
        return False

    # --- parameters as vectors, for acceleration and convergence ----------------------

    def to_vector(self, parameters):
        """Log probabilities, then the emissions."""
        return np.concatenate([
            logs(parameters.startprob).ravel(), logs(parameters.transmat).ravel(),
            *self.emissions.to_vector(parameters.emissions)])

    def from_vector(self, vector, like):
        """The chain of a vector, shaped as `like`; None where it overflows."""
        k = len(like.startprob)
        startprob, transmat = like.startprob, like.transmat
        emissions = self.emissions.from_vector(vector[k + k * k:], like.emissions)
        if emissions is None:
            return None
        if "startprob" not in self.fixed:
            startprob = from_logs(vector[:k], startprob)
        if "transmat" not in self.fixed:
            transmat = from_logs(vector[k:k + k * k].reshape(k, k), transmat)
        return ChainParameters(startprob, transmat, emissions)

    def relative_change(self, old, new):
        """Largest change of a probability, and of any other parameter in its own unit."""
        return float(max(np.max(np.abs(new.startprob - old.startprob)),
                         np.max(np.abs(new.transmat - old.transmat)),
                         self.emissions.relative_change(old.emissions, new.emissions)))
