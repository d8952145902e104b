"""Hidden Markov models: how they are fitted."""

from abc import abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context

from emkernels._callers import warn
from emkernels.components.probabilities import check_probabilities
from emkernels.data import checks
from emkernels.data.checks import Interval
from emkernels.data.sequence_blocks import SequenceTables, rows_of
from emkernels.em import DegenerateFitError, DegenerateWarning
from emkernels.models.base import LatentModel
from emkernels.models.chains import arguments
from emkernels.models.chains.fitted import FittedChain
from emkernels.models.chunked import ChunkedFit

KEPT = 3        # starts that go on to convergence
# names of parameters that are probabilities
SHARES = ("startprob", "transmat", "emissionprob", "weights")


class ChainModel(ChunkedFit, FittedChain):
    """A hidden Markov model: what all of them do to fit."""

    _not_of_blocks = ("score_samples",)     # which says two things
    _parameter_constraints: dict = {
        **LatentModel._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "startprob_init": ["array-like", None],
        "transmat_init": ["array-like", None],
        "startprob_concentration": ["array-like", Interval(Real, 1, None, closed="left"), None],
        "transmat_concentration": ["array-like", Interval(Real, 1, None, closed="left"), None],
        "fixed": [tuple, list, set, frozenset, str],
    }

    # --- what a subclass gives ----------------------------------------------------------

    @abstractmethod
    def _prepare(self, sequences, given, fixed):
        """Everything checked, before any work: the :class:`Starts` with their chain, and what
        :meth:`_said_of` needs of them."""

    def _remember_kind(self):
        """What a fit leaves beside its parameters."""

    def _said_of(self, result, starts, spikes, fixed):
        """What there is to say of the states, texts."""
        return []

    @abstractmethod
    def _given(self, sequences):
        """Checked ``*_init`` by name, None where nothing is said."""

    @abstractmethod
    def _to_attributes(self, emissions):
        """Values of the attributes from the parameters of emissions, by name."""

    # --- fit ------------------------------------------------------------------------------

    def fit(self, X, y=None, *, lengths=None, sample_weight=None):
        """Estimate the parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or list of these
            All sequences, one after the other; or a list, each sequence by itself. NaN is a
            missing value.
        y : ignored
            Not used: there for pipelines.
        lengths : array-like of shape (n_sequences,), optional
            How many rows each sequence has. None: X is one sequence.
        sample_weight : array-like of shape (n_sequences,), optional
            One for each sequence: a weight of 2 is the same as the sequence twice, one of 0 as
            none.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        ValueError
            Bad parameters or data (the argument, row or column is named), an impossible sequence,
            or every start collapsed; the estimator then stays as it was.
        TypeError
            Sparse and lazy tables. A cell that is no real number is both.
        KeyboardInterrupt
            Ctrl-C. Where an iteration was complete, the estimator then has the parameters of the
            last one, with ``converged_`` False.
        """
        self._fit(X, y, lengths, sample_weight)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, y, lengths, sample_weight):
        sequences = self._read_sequences(X, lengths, sample_weight=sample_weight)
        if lengths is None:
            arguments.check_no_lengths(y, sequences.n_rows)
        checks.check_magnitude_of(sequences.rows)
        self._fit_source(sequences.weighed())

    def _door(self):
        return SequenceTables()

    def _fit_source(self, sequences):
        """Fit to sequences, or to blocks that are sequences."""
        rows = rows_of(sequences)
        if hasattr(sequences, "n_blocks"):
            checks.check_magnitude_of(rows)
        fixed = arguments.check_fixed(self.fixed, self._names)
        given = self._given(sequences)
        starts, spikes = self._prepare(sequences, given, fixed)
        result = self._best_run(starts)
        if self._is_symmetric(given):
            result.parameters = starts.chain.in_order(result.parameters)
        values = {"startprob": result.parameters.startprob, "transmat": result.parameters.transmat,
                  **self._to_attributes(result.parameters.emissions)}
        for name, value in given.items():
            if value is not None and (name in fixed or self.max_iter == 0):
                values[name] = value
        texts = self._said_of(result, starts, spikes, fixed)
        # --- nothing can fail from here on
        self._remember(result, rows)
        for name, value in values.items():
            setattr(self, f"{name}_", np.array(value))
        self._remember_kind()
        vars(self).pop("table_", None)
        self._fitted_fixed = fixed
        self._fitted_zeros = {name: int(np.count_nonzero(value == 0)) for name, value in
                              given.items() if value is not None and name in SHARES}
        self._tell(result, sequences)
        n_free, n_values = self._n_parameters(), sequences.n_positive * rows.n_features
        if n_free > n_values and result.history and all(each is None for each in given.values()):
            texts.append(f"{n_free} free parameters are more than the {n_values} values of X: what "
                         "the states differ in is chance. Use fewer states, or priors")
        for text in texts:
            warn(text, DegenerateWarning)

    def _is_symmetric(self, given):
        """Whether nothing that is given or set tells the states apart."""
        priors = [self.startprob_concentration, self.transmat_concentration,
                  getattr(self, "emissionprob_concentration", None),
                  getattr(self, "weight_concentration", None)]
        return all(value is None for value in given.values()) and all(
            np.ndim(each) == 0 for each in priors)

    def _best_run(self, starts):
        """EM from the likeliest starts; from others, a few at a time, while all end degenerate."""
        def run(start, n_init):
            return self._run(starts.chain, starts.sequences, start, n_init=n_init,
                             is_degenerate=starts.is_degenerate)

        if starts.n_init == 1 or self.max_iter == 0:
            return run(starts, 1)
        ranked, best, failure = starts.ranked(self.max_iter), None, None
        for first in range(0, len(ranked), KEPT):
            own = ranked[first:first + KEPT]
            try:
                result = run(own.__getitem__, len(own))
            except DegenerateFitError as error:
                failure = error
                continue
            if result.degenerate is None and starts.is_degenerate is not None:
                result.degenerate = starts.is_degenerate(result.parameters)     # one start alone
            if best is None or (best.degenerate and (
                    not result.degenerate or result.lower_bound > best.lower_bound)):
                best = result
            if not best.degenerate or result.stopped or result.interrupted:
                break
        if best is None:
            raise failure
        return best

    def _chain_given(self, n):
        """Checked starts of what every chain has."""
        return {
            "startprob": check_probabilities(self.startprob_init, "startprob_init", (n,)),
            "transmat": check_probabilities(self.transmat_init, "transmat_init", (n, n))}

    def _chain_options(self, fixed):
        """Of the :class:`Chain`, checked."""
        n = self.n_components
        return {"fixed": fixed & {"startprob", "transmat"},
                "start_concentration": arguments.check_concentration(
                    self.startprob_concentration, "startprob_concentration", (n,)),
                "transition_concentration": arguments.check_concentration(
                    self.transmat_concentration, "transmat_concentration", (n, n))}
