"""Hidden Markov models of symbols."""

from numbers import Integral, Real

import numpy as np

from emkernels import _inputs
from emkernels.components.emissions import SymbolEmissions
from emkernels.data import checks
from emkernels.data.checks import Interval
from emkernels.latent.chain import Chain
from emkernels.models.chains import arguments
from emkernels.models.chains.base import ChainModel, draw
from emkernels.starts.chains import GivenChain
from emkernels.starts.symbols import SymbolStarts


class CategoricalHMM(ChainModel):
    """Hidden Markov model: rows are symbols, with probabilities that depend on the state."""

    _names = ("startprob", "transmat", "emissionprob")
    _parameter_constraints: dict = {
        **ChainModel._parameter_constraints,
        "n_symbols": [Interval(Integral, 1, None, closed="left"), None],
        "emissionprob_init": ["array-like", None],
        "emissionprob_concentration": [
            "array-like", Interval(Real, 1, None, closed="left"), None],
    }

    def __init__(self, n_components=1, *, n_symbols=None, startprob_init=None, transmat_init=None,
                 emissionprob_init=None, tol=1e-8, max_iter=1000, n_init=10, random_state=None,
                 n_threads=None, fixed=(), startprob_concentration=None,
                 transmat_concentration=None, emissionprob_concentration=None,
                 convergence="lower_bound", acceleration=None, verbose=0, verbose_interval=10,
                 callback=None):
        self.n_components = n_components
        self.n_symbols = n_symbols
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
        self.emissionprob_init = emissionprob_init
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state
        self.n_threads = n_threads
        self.fixed = fixed
        self.startprob_concentration = startprob_concentration
        self.transmat_concentration = transmat_concentration
        self.emissionprob_concentration = emissionprob_concentration
        self.convergence = convergence
        self.acceleration = acceleration
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback

    # --- fit ----------------------------------------------------------------------------------

    def _given(self, sequences):
        n, n_symbols = self.n_components, self.n_symbols
        given = self._chain_given(n)
        emissionprob = None
        if self.emissionprob_init is not None:
            if n_symbols is None:
                shape = np.shape(self.emissionprob_init)
                n_symbols = shape[1] if len(shape) == 2 else 1
            emissionprob = arguments.check_probabilities(
                self.emissionprob_init, "emissionprob_init", (n, n_symbols))
        sequences.symbols(n_symbols)
        return {**given, "emissionprob": emissionprob}

    def _prepare(self, sequences, given):
        checks.check_columns_observed(sequences.rows)
        n, emissionprob = self.n_components, given["emissionprob"]
        n_symbols = self.n_symbols if emissionprob is None else emissionprob.shape[1]
        n_symbols = sequences.symbols(n_symbols)[1]
        fixed = arguments.check_fixed(self.fixed, self._names)
        emissions = SymbolEmissions(
            fixed="emissionprob" in fixed, concentration=arguments.check_concentration(
                self.emissionprob_concentration, "emissionprob_concentration", (n, n_symbols)))
        starts = SymbolStarts(
            sequences, Chain(emissions, **self._chain_options()), self.n_init, None,
            shape=(n, n_symbols), given=GivenChain(
                given["startprob"], given["transmat"], emissions=emissionprob),
            random_state=_inputs.as_random_state(self.random_state))
        return starts, None

    def _said_of(self, result, starts, spikes):
        return []

    def _to_attributes(self, emissions):
        return {"emissionprob": emissions}

    # --- the parameters, as they are now ------------------------------------------------------

    def _check_emissions(self, values, n_components):
        shape = np.shape(values["emissionprob_"])
        n_symbols = shape[1] if len(shape) == 2 else 1
        return {"emissionprob": arguments.check_probabilities(
            values["emissionprob_"], "emissionprob_", (n_components, n_symbols))}

    def _emissions_of(self, values):
        return SymbolEmissions(), values["emissionprob"]

    def _n_free(self, values):
        emissionprob = values["emissionprob"]
        return {"emissionprob": emissionprob.size - len(emissionprob)}

    def _draw(self, values, states, rng):
        return draw(values["emissionprob"], states, rng).astype(np.float64)[:, None]
