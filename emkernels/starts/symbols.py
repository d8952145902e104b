"""Where EM begins for hidden Markov models of symbols: chance, drawn towards what is seen."""

import numpy as np

from emkernels.latent.chain import ChainParameters
from emkernels.starts.chains import Starts, persistent

# Random probabilities are drawn towards those of all rows.
PULL = 0.3


class SymbolStarts(Starts):
    """Random starts of chains of symbols.

    Parameters
    ----------
    sequences, chain, n_init, given
        See :class:`Starts`.
    shape : (int, int)
        States and symbols.
    random_state : numpy.random.RandomState
    """

    def __init__(self, sequences, chain, n_init, given, *, shape, random_state):
        self.n_states, self.n_symbols = shape
        self.random_state = random_state
        nothing = self.n_states == 1 or given.emissions is not None
        super().__init__(sequences, chain, 1 if nothing else n_init, given)

    @property
    def given_emissions(self):
        return self.given.emissions

    def __call__(self, i):
        """The parameters that start i begins with."""
        n, given, rng = self.n_states, self.given, self.random_state
        emissions, transmat = given.emissions, given.transmat
        if emissions is None:
            emissions = np.repeat(self._marginal()[None], n, axis=0)
            if n > 1:
                drawn = rng.dirichlet(np.ones(self.n_symbols), n)
                emissions = PULL * emissions + (1 - PULL) * drawn
        if transmat is None:
            transmat = persistent(n)
            if i % 2 and n > 1:
                transmat = rng.dirichlet(np.ones(n), n)
        return ChainParameters(given.startprob_of(n), transmat, emissions)

    def _marginal(self):
        """Shares of the symbols, each seen once more than it is."""
        codes, _ = self.sequences.symbols(self.n_symbols)
        weight = self.sequences.of_rows()
        seen = codes >= 0
        counts = np.bincount(codes[seen], None if weight is None else weight[seen] / weight.max(),
                             minlength=self.n_symbols) + 1.0
        return counts / counts.sum()
