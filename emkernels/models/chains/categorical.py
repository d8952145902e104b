"""Hidden Markov models of symbols."""

from numbers import Integral, Real

import numpy as np

from emkernels import _inputs
from emkernels.components.emissions import SymbolEmissions
from emkernels.components.probabilities import check_probabilities, exact
from emkernels.data import checks
from emkernels.data.checks import Interval
from emkernels.data.sequence_blocks import SymbolTables, n_symbols_of, rows_of
from emkernels.latent.chain import Chain
from emkernels.models.chains import arguments
from emkernels.models.chains.base import ChainModel
from emkernels.models.chains.fitted import draw
from emkernels.starts.chains import GivenChain
from emkernels.starts.symbols import SymbolStarts

CODES = ("symbols are whole codes from 0, as numpy.unique(x, return_inverse=True)[1] of a column x "
         "has them")


class CategoricalHMM(ChainModel):
    """Hidden Markov model of symbols.

    As :class:`emkernels.GaussianHMM`, but that a row is a symbol, which has the probability
    ``emissionprob[k, symbol]`` in state k.

    Parameters
    ----------
    n_components : int
        States.
    n_symbols : int, optional
        How many symbols there are. None: as many as `emissionprob_init` has columns, else one more
        than the largest code in X.
    startprob_init : array-like of shape (n_components,), optional
        As :class:`emkernels.GaussianHMM` has it.
    transmat_init : array-like of shape (n_components, n_components), optional
        As of :class:`emkernels.GaussianHMM`.
    emissionprob_init : array-like of shape (n_components, n_symbols), optional
        Zeros stay zero.
    tol : float
        As :class:`emkernels.GaussianHMM` has it.
    max_iter : int
        As of :class:`emkernels.GaussianHMM`.
    n_init : int
        Starts, drawn at random. They take 60 steps each, on at most 20,000 rows, and the best three
        go on to convergence.
    random_state : int, RandomState, Generator or None
        What is drawn comes of it: the same number, the same result.
    n_threads : int, optional
        Results have the same bits for every number.
    fixed : tuple of {'startprob', 'transmat', 'emissionprob'}
        What stays as it is given, bit for bit, or as the start has it.
    startprob_concentration : float or array-like of shape (n_components,), optional
        As :class:`emkernels.GaussianHMM` has it.
    transmat_concentration : float or array-like of shape (n_components, n_components), optional
        As of :class:`emkernels.GaussianHMM`.
    emissionprob_concentration : float or array-like of shape (n_components, n_symbols), optional
        Of Dirichlet priors of the rows of `emissionprob_`, at least 1: a little over 1 keeps
        symbols that a state has not shown from being impossible.
    convergence : {'lower_bound', 'parameters', 'distance'}
        As :class:`emkernels.GaussianHMM` has it.
    acceleration : {None, 'squarem'}
        As :class:`emkernels.GaussianHMM` has it.
    verbose, verbose_interval : int
        1 or more shows iterations; how many lie between two plain lines.
    callback : callable, optional
        As of :class:`emkernels.GaussianHMM`.

    Attributes
    ----------
    startprob_ : ndarray of shape (n_components,)
    transmat_ : ndarray of shape (n_components, n_components)
    emissionprob_ : ndarray of shape (n_components, n_symbols)
    n_parameters_ : int
    n_iter_ : int
    converged_ : bool
    lower_bound_ : float
    lower_bounds_ : list of float
    n_features_in_ : int
        As of :class:`emkernels.GaussianHMM`.
    feature_names_in_ : ndarray of str
        Where the column has a name.
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.
    table_ : dict
        After ``emkernels states`` alone: names of the columns `by`, `order` and `symbols`, and the
        `levels` that symbols stand for; None where there is none.

    See Also
    --------
    GaussianHMM : Rows of numbers, normal given the state.
    MixtureHMM : States that are mixtures themselves.
    LatentClassAnalysis : Answers to several items, without a time.
    emkernels.kernels.chain_statistics : Forward and backward passes alone, of given log densities.
    emkernels.plotting.plot_states : Picture of the states over time.

    Notes
    -----
    X has one column of whole codes from 0; NaN is a missing symbol. A symbol that is possible in
    no state makes a sequence impossible (log-likelihood -inf), one beyond `emissionprob_` is an
    error. States are in the order of their probabilities of symbol 0, the largest first; where any
    `*_init` is given, in that of the start. In :meth:`fit_chunks` a block is one sequence, as of
    :class:`emkernels.GaussianHMM`; the largest code of all blocks says how many symbols there are.

    References
    ----------
    L. R. Rabiner, A tutorial on hidden Markov models and selected applications in speech
    recognition, Proceedings of the IEEE 77, 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import CategoricalHMM
    >>> codes = np.array([0, 0, 1, 0, 0, 2, 2, 2, 1, 2, 2, 0, 0, 0, 0, 2, 2, 2])[:, None]
    >>> model = CategoricalHMM(2, random_state=0).fit(codes)
    >>> states = model.predict(codes)
    >>> bool((states[:5] == states[0]).all()), bool(states[5] == states[0])
    (True, False)
    """

    _names = ("startprob", "transmat", "emissionprob")
    _parameter_constraints: dict = {
        **ChainModel._parameter_constraints,
        "n_symbols": [Interval(Integral, 1, None, closed="left"), None],
        "emissionprob_init": ["array-like", None],
        "emissionprob_concentration": [
            "array-like", Interval(Real, 1, None, closed="left"), None],
    }

    def __init__(self, n_components=1, *, n_symbols=None, startprob_init=None, transmat_init=None,
                 emissionprob_init=None, tol=1e-8, max_iter=1000, n_init=20, random_state=None,
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

    def _read_sequences(self, X, lengths, **more):
        try:
            return super()._read_sequences(X, lengths, **more)
        except _inputs.UnusableInputError as error:
            # (columns of 0 and 1 are not what this model is for)
            raise _inputs.UnusableInputError(
                str(error).replace(_inputs.TEXTS, CODES)) from error

    def _door(self):
        return SymbolTables(self._known_symbols(), CODES)

    def _known_symbols(self):
        """How many symbols there are, None where nothing says."""
        if self.n_symbols is not None or self.emissionprob_init is None:
            return self.n_symbols
        shape = np.shape(self.emissionprob_init)
        return shape[1] if len(shape) == 2 else 1

    def _given(self, sequences):
        n, n_symbols = self.n_components, self._known_symbols()
        given = self._chain_given(n)
        emissionprob = None
        if self.emissionprob_init is not None:
            emissionprob = check_probabilities(
                self.emissionprob_init, "emissionprob_init", (n, n_symbols))
        n_symbols_of(sequences, n_symbols)
        return {**given, "emissionprob": emissionprob}

    def _prepare(self, sequences, given, fixed):
        checks.check_columns_observed(rows_of(sequences))
        n, emissionprob = self.n_components, given["emissionprob"]
        n_symbols = self.n_symbols if emissionprob is None else emissionprob.shape[1]
        n_symbols = n_symbols_of(sequences, n_symbols)
        emissions = SymbolEmissions(
            fixed="emissionprob" in fixed, concentration=arguments.check_concentration(
                self.emissionprob_concentration, "emissionprob_concentration", (n, n_symbols)))
        starts = SymbolStarts(
            sequences, Chain(emissions, **self._chain_options(fixed)), self.n_init, GivenChain(
                exact(given["startprob"]), exact(given["transmat"]),
                emissions=exact(emissionprob)),
            shape=(n, n_symbols), random_state=sequences.random_state(self.random_state))
        return starts, None

    def _to_attributes(self, emissions):
        return {"emissionprob": emissions}

    # --- the parameters, as they are now ------------------------------------------------------

    def _check_emissions(self, values, n_components):
        shape = np.shape(values["emissionprob_"])
        n_symbols = shape[1] if len(shape) == 2 else 1
        return {"emissionprob": exact(check_probabilities(
            values["emissionprob_"], "emissionprob_", (n_components, n_symbols)))}

    def _emissions_of(self, values):
        return SymbolEmissions(), values["emissionprob"]

    def _n_free(self, values):
        emissionprob = values["emissionprob"]
        return {"emissionprob": emissionprob.size - len(emissionprob)}

    def _draw(self, values, states, rng):
        return draw(values["emissionprob"], states, rng)[:, None]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = tags.input_tags.positive_only = True
        return tags
