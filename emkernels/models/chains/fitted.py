"""What a hidden Markov model can do, fitted or put in by hand."""

import math
from abc import abstractmethod

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs, kernels
from emkernels.components.probabilities import check_probabilities, exact
from emkernels.data.sequences import Sequences
from emkernels.latent.chain import ChainParameters
from emkernels.models.base import LatentModel
from emkernels.models.chains import arguments
from emkernels.models.containers import FrameOutput, framed


class FittedChain(FrameOutput, LatentModel):
    """The part of a hidden Markov model that does not fit.

    A subclass names its parameters in ``_names`` (without "_" and "_init").
    """

    _names: tuple = ("startprob", "transmat")
    _saved = ("_fitted_fixed", "_fitted_zeros")
    _elsewhere = {
        "monitor_": "the history of a fit is lower_bounds_, n_iter_ and converged_",
        "n_features": "the number of columns is n_features_in_",
    }

    @abstractmethod
    def _emissions_of(self, values):
        """Emissions and their parameters from checked values of the attributes, by name."""

    @abstractmethod
    def _check_emissions(self, values, n_components):
        """Checked values of the attributes that are not the chain's, by name."""

    @abstractmethod
    def _n_free(self, values):
        """Free parameters by name, of checked values."""

    @abstractmethod
    def _draw(self, values, states, rng):
        """Rows, given their states."""

    # --- the parameters, as they are now ------------------------------------------------------

    def _values(self):
        """The attributes, checked: they may have been set by hand."""
        names = [f"{name}_" for name in self._names]
        there = [name in vars(self) for name in names]
        if not any(there):
            check_is_fitted(self)
        for name, is_there in zip(names, there, strict=True):
            if not is_there:
                raise NotFittedError(
                    f"this {type(self).__name__} has no {name}: fit it, or set "
                    f"{', '.join(names)}")
        n = len(np.atleast_1d(_inputs.as_rows(self.startprob_, "startprob_", missing=False)))
        if np.shape(self.transmat_) != (n, n):
            raise ValueError(
                f"transmat_ must have shape ({n}, {n}), a row and a column for each state of "
                f"startprob_, got {np.shape(self.transmat_)}")
        return {
            "startprob": exact(check_probabilities(self.startprob_, "startprob_", (n,))),
            "transmat": exact(check_probabilities(self.transmat_, "transmat_", (n, n))),
            **self._check_emissions(vars(self), n)}

    def _current(self):
        """The emissions, and :class:`ChainParameters`, of the attributes."""
        values = self._values()
        emissions, own = self._emissions_of(values)
        return emissions, ChainParameters(values["startprob"], values["transmat"], own)

    def _read_sequences(self, X, lengths, **more):
        return Sequences.read(X, lengths, self, **more)

    def _read_with(self, X, lengths):
        """Sequences of the columns of the fit, the emissions and the parameters."""
        emissions, parameters = self._current()
        # (parameters put in by hand know no names of columns)
        sequences = self._read_sequences(X, lengths, fitted="n_features_in_" in vars(self))
        self._check_width(sequences, parameters)
        return sequences, emissions, parameters

    def _check_width(self, sequences, parameters):
        """ValueError where the rows cannot be of these parameters."""

    def _chained(self, sequences, emissions, parameters):
        """Log-likelihood of each sequence."""
        return emissions.chained(
            sequences, parameters.startprob, parameters.transmat, parameters.emissions)[0]

    def _log_density(self, rows):
        """Each row as a sequence of its own."""
        emissions, parameters = self._current()
        sequences = Sequences(rows, np.arange(len(rows) + 1))
        return self._chained(sequences, emissions, parameters)

    # --- what a fit can do --------------------------------------------------------------------

    def score(self, X, lengths=None):
        """Log-likelihood of all sequences, their total; -inf where one is impossible.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or list of these
            As :meth:`fit` takes it.
        lengths : array-like of shape (n_sequences,), optional
            Numbers of rows of the sequences; None: one sequence.

        Returns
        -------
        float
            Natural logarithms, summed over the sequences.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows or lengths, or other columns than those of the fit, by cell or column.
        """
        return float(self._chained(*self._read_with(X, lengths)).sum())

    def score_samples(self, X, lengths=None):
        """Log-likelihood of all sequences, and posterior probabilities of the states.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of all sequences, one sequence after the other; NaN where missing.
        lengths : array-like of shape (n_sequences,), optional
            Numbers of rows of the sequences; None: one sequence.

        Returns
        -------
        log_likelihood : float
            Natural logarithm, summed over the sequences.
        posteriors : ndarray of shape (n_samples, n_components)
            As of :meth:`predict_proba`.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows or lengths, or other columns than those of the fit, by cell or column.

        References
        ----------
        L. R. Rabiner, A tutorial on hidden Markov models and selected applications in speech
        recognition, Proceedings of the IEEE 77, 1989.
        """
        out = self._posteriors(X, lengths)
        return float(out.log_likelihoods.sum()), out.resp

    def predict_proba(self, X, lengths=None):
        """Posterior probability of each state for each row, given the whole sequence.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of all sequences, one sequence after the other; NaN where missing.
        lengths : array-like of shape (n_sequences,), optional
            Numbers of rows of the sequences; None: one sequence.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Zeros in a sequence that is impossible.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows or lengths, or other columns than those of the fit, by cell or column.
        """
        return self._posteriors(X, lengths).resp

    def _posteriors(self, X, lengths):
        sequences, emissions, parameters = self._read_with(X, lengths)
        return kernels.chain_statistics(
            emissions.log_density(sequences, parameters.emissions), parameters.startprob,
            parameters.transmat, sequences.lengths, return_resp=True, n_threads=self.n_threads)

    def decode(self, X, lengths=None):
        """The likeliest path of states (Viterbi's algorithm).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of all sequences, one sequence after the other; NaN where missing.
        lengths : array-like of shape (n_sequences,), optional
            Numbers of rows of the sequences; None: one sequence.

        Returns
        -------
        log_prob : float
            Joint log probability of path and data, summed over the sequences.
        states : ndarray of shape (n_samples,)
            Of equally likely ones the lowest; -1 in a sequence that is impossible.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows or lengths, or other columns than those of the fit, by cell or column.

        References
        ----------
        A. J. Viterbi, IEEE Transactions on Information Theory 13, 1967.
        """
        sequences, emissions, parameters = self._read_with(X, lengths)
        paths, log_probs = kernels.viterbi(
            emissions.log_density(sequences, parameters.emissions), parameters.startprob,
            parameters.transmat, sequences.lengths, n_threads=self.n_threads)
        return float(np.sum(log_probs)), paths.astype(np.int64)

    def predict(self, X, lengths=None):
        """The states of the likeliest path, see :meth:`decode`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of all sequences, one sequence after the other; NaN where missing.
        lengths : array-like of shape (n_sequences,), optional
            Numbers of rows of the sequences; None: one sequence.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            Of equally likely ones the lowest; -1 in a sequence that is impossible.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows or lengths, or other columns than those of the fit, by cell or column.
        """
        return self.decode(X, lengths)[1]

    def aic(self, X, lengths=None):
        """Akaike information criterion ``-2 log L + 2 p``; the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of all sequences, one sequence after the other; NaN where missing.
        lengths : array-like of shape (n_sequences,), optional
            Numbers of rows of the sequences; None: one sequence.

        Returns
        -------
        float
            Of the log-likelihood L of the rows, with p free parameters.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows or lengths, or other columns than those of the fit, by cell or column.
        """
        return -2 * self.score(X, lengths) + 2 * self._n_parameters()

    def bic(self, X, lengths=None):
        """Bayesian information criterion ``-2 log L + p log n``; the lower the better.

        n is the number of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of all sequences, one sequence after the other; NaN where missing.
        lengths : array-like of shape (n_sequences,), optional
            Numbers of rows of the sequences; None: one sequence.

        Returns
        -------
        float
            Of the log-likelihood L of the n rows, with p free parameters.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows or lengths, or other columns than those of the fit, by cell or column.
        """
        sequences, emissions, parameters = self._read_with(X, lengths)
        total = float(self._chained(sequences, emissions, parameters).sum())
        return -2 * total + self._n_parameters() * math.log(sequences.n_rows)

    def sample(self, n_samples=1, random_state=None):
        """Draw one sequence.

        Parameters
        ----------
        n_samples : int
            Its length.
        random_state : int, RandomState, Generator or None
            None: that of the constructor.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features), or the container of `set_output`
            Symbols are of int64, all else is of float64.
        states : ndarray of shape (n_samples,)
            Those that the rows were drawn in.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            A number of rows that is not whole, or below 1.
        """
        values = self._values()
        n_samples = _inputs.whole(n_samples, "n_samples")
        rng = _inputs.as_random_state(
            self.random_state if random_state is None else random_state)
        states = _walk(values["startprob"], values["transmat"], rng.uniform(size=n_samples))
        return framed(self, self._draw(values, states, rng)), states

    # --- criteria -----------------------------------------------------------------------------

    @property
    def n_parameters_(self):
        """Free parameters, which the criteria count.

        Those that are `fixed` and the zeros of `startprob_init`, `transmat_init` and the like do
        not count; what ended at zero does.
        """
        return self._n_parameters()

    def _n_parameters(self):
        values = self._values()
        free = {"startprob": len(values["startprob"]) - 1,
                "transmat": values["transmat"].size - len(values["transmat"]),
                **self._n_free(values)}
        zeros = vars(self).get("_fitted_zeros", {})
        fixed = vars(self).get("_fitted_fixed")
        if fixed is None:
            fixed = arguments.check_fixed(self.fixed, self._names)
        return sum(n - zeros.get(name, 0) for name, n in free.items() if name not in fixed)

    # --- files --------------------------------------------------------------------------------

    def _check_loaded(self):
        fit = {"_fitted_fixed", "_fitted_zeros", "n_iter_", "lower_bound_"} & vars(self).keys()
        if fit and not (isinstance(self._fitted_fixed, frozenset)
                        and isinstance(self._fitted_zeros, dict)):
            raise ValueError("what it says of the fit is not what a fit says")
        values = self._values()
        # (parameters put in by hand have none)
        n = vars(self).get("n_features_in_")
        if "means" in values and n not in (None, values["means"].shape[-1]):
            raise ValueError("n_features_in_ is not that of means_")

    def _try_out(self):
        """ValueError or the like where what was read from a file cannot do the work of a fit.
        (Parameters put in by hand are all that there is.)"""
        if "_fitted_fixed" in vars(self):
            super()._try_out()
        self._n_parameters()


def draw(probabilities, rows, rng):
    """For each number of a row of probabilities, a column drawn by these."""
    last = probabilities.shape[1] - 1 - (probabilities[:, ::-1] > 0).argmax(axis=1)
    sums, u = np.cumsum(probabilities, axis=1), rng.uniform(size=len(rows))
    out = np.empty(len(rows), np.int64)
    for k in range(len(probabilities)):
        own = rows == k
        # (rounding may leave a sum a little below one)
        out[own] = np.minimum(sums[k].searchsorted(u[own], "right"), last[k])
    return out


def _walk(startprob, transmat, uniforms):
    """A path of states, from numbers in [0, 1)."""
    last = [int(np.flatnonzero(row)[-1]) for row in transmat]
    rows = np.cumsum(transmat, axis=1)
    states = np.empty(len(uniforms), np.int64)
    state = min(int(np.searchsorted(np.cumsum(startprob), uniforms[0], "right")),
                int(np.flatnonzero(startprob)[-1]))
    for t, u in enumerate(uniforms):
        if t:
            # (rounding may leave a sum a little below one)
            state = min(int(rows[state].searchsorted(u, "right")), last[state])
        states[t] = state
    return states
