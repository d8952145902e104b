"""Where EM begins for hidden Markov models of symbols: chance, drawn towards what is seen."""

import numpy as np

from emkernels.data.sequence_blocks import heaviest_of
from emkernels.data.source import Sums
from emkernels.latent.chain import ChainParameters
from emkernels.starts.chains import UNSEEN, Starts, random_chain

# Of every four starts two have random probabilities that are drawn towards those of all rows.
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
        self._shares = None
        nothing = self.n_states == 1 or given.emissions is not None
        super().__init__(sequences, chain, 1 if nothing else n_init, given, random_state)

    def __call__(self, i):
        """The parameters that start i begins with."""
        n, given, rng = self.n_states, self.given, self.random_state
        emissions, transmat = given.emissions, given.transmat
        if emissions is None:
            emissions = self._marginal()[None]
            if n > 1:
                emissions = rng.dirichlet(np.ones(self.n_symbols), n)
                if i % 4 >= 2:
                    emissions = PULL * self._marginal() + (1 - PULL) * emissions
        if transmat is None:
            transmat = random_chain(n, rng, stays=0.8 * (i % 2 == 0))
        return ChainParameters(given.startprob_of(n), transmat, emissions)

    def _of_all_rows(self, parameters):
        out = super()._of_all_rows(parameters)
        if not self.chain.emissions.fixed and self.given.emissions is None:
            out.emissions = (1 - UNSEEN) * out.emissions + UNSEEN * self._marginal()
        return out

    def _marginal(self):
        """Shares of the symbols, each seen once more than it is."""
        if self._shares is None:
            counts = self.sequences.reduce(
                _counted, self.n_symbols, heaviest_of(self.sequences)).counts + 1.0
            self._shares = counts / counts.sum()
        return self._shares


def _counted(sequences, n_symbols, heaviest):
    """How often each symbol is seen, by weight."""
    codes, _ = sequences.symbols(n_symbols)
    weight, seen = sequences.of_rows(), codes >= 0
    return Sums(counts=np.bincount(
        codes[seen], None if weight is None else weight[seen] / heaviest, minlength=n_symbols))
