"""Hidden Markov models whose states are mixtures."""

from numbers import Integral, Real

import numpy as np

from emkernels.components.probabilities import check_probabilities
from emkernels.data.checks import Interval
from emkernels.models.chains import arguments
from emkernels.models.chains.continuous import ContinuousChain


class MixtureHMM(ContinuousChain):
    """Hidden Markov model whose states are mixtures of Gaussian components.

    As :class:`emkernels.GaussianHMM`, but that the density of a row in state k is ``sum_m
    weights[k, m] N(x | means[k, m], covars[k, m])``. (hmmlearn calls it GMMHMM.)

    Parameters
    ----------
    n_components : int
        States.
    n_mix : int
        Components of each state.
    covariance_type : {'diag', 'full', 'tied', 'spherical'}
        'tied': one matrix for all states and components.
    startprob_init : array-like of shape (n_components,), optional
        As :class:`emkernels.GaussianHMM` has it.
    transmat_init : array-like of shape (n_components, n_components), optional
        As of :class:`emkernels.GaussianHMM`.
    weights_init : array-like of shape (n_components, n_mix), optional
        Of the components within each state. Zeros stay zero.
    means_init : array-like of shape (n_components, n_mix, n_features), optional
        Means to begin with, in the units of the columns.
    covars_init : array-like of shape (n_components, n_mix, n_features, n_features), optional
        Covariances to begin with, of that shape for every covariance type.
    tol : float
        As :class:`emkernels.GaussianHMM` has it.
    max_iter, n_init : int
        As :class:`emkernels.GaussianHMM` has it.
    reg_covar : float or 'auto'
        As :class:`emkernels.GaussianHMM` has it.
    random_state : int, RandomState, Generator or None
        What is drawn comes of it: the same number, the same result.
    n_threads : int, optional
        As of :class:`emkernels.GaussianHMM`.
    fixed : tuple of {'startprob', 'transmat', 'weights', 'means', 'covars'}
        What stays as it is given, bit for bit, or as the start has it.
    startprob_concentration : float or array-like of shape (n_components,), optional
        As :class:`emkernels.GaussianHMM` has it.
    transmat_concentration : float or array-like of shape (n_components, n_components), optional
        As of :class:`emkernels.GaussianHMM`.
    weight_concentration : float or array-like of shape (n_components, n_mix), optional
        Of Dirichlet priors of the weights, at least 1.
    covariance_prior : None, 'empirical' or pair (dof, scale)
        As :class:`emkernels.GaussianHMM` has it.
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
    weights_ : ndarray of shape (n_components, n_mix)
    means_ : ndarray of shape (n_components, n_mix, n_features)
    covars_ : ndarray of shape (n_components, n_mix, n_features, n_features)
        Of that shape for every covariance type.
    n_parameters_ : int
    n_iter_ : int
    converged_ : bool
    lower_bound_ : float
    lower_bounds_ : list of float
    n_features_in_ : int
        As of :class:`emkernels.GaussianHMM`.
    feature_names_in_ : ndarray of str
        Where columns have names.
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.
    table_ : dict
        After ``emkernels states`` alone: names of the columns `by`, `order` and `symbols`, and the
        `levels` that symbols stand for; None where there is none.

    See Also
    --------
    GaussianHMM : One component a state.
    CategoricalHMM : Rows that are symbols.
    emkernels.kernels.viterbi : The likeliest path alone, of given log densities.
    emkernels.plotting.plot_states : Picture of the states over time.

    Notes
    -----
    States are in the order of their means, those of all their components together; where any
    `*_init` is given, in that of the start. Warnings call component m of state k component
    ``k n_mix + m``. In :meth:`fit_chunks` a block is one sequence, as of
    :class:`emkernels.GaussianHMM`.

    References
    ----------
    B.-H. Juang, Maximum-likelihood estimation for mixture multivariate stochastic observations of
    Markov chains, AT&T Technical Journal 64, 1985.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import MixtureHMM
    >>> rng = np.random.default_rng(0)
    >>> state = np.repeat([0, 1, 0, 1], 50)
    >>> X = rng.normal(size=(200, 1)) + 10 * state[:, None] + 4 * rng.choice([-1, 1], (200, 1))
    >>> model = MixtureHMM(2, 2, random_state=0).fit(X)
    >>> np.sort(model.means_.ravel()).round(1)
    array([-4. ,  4.1,  6.1, 13.8])
    """

    _names = ("startprob", "transmat", "weights", "means", "covars")
    _parameter_constraints: dict = {
        **ContinuousChain._parameter_constraints,
        "n_mix": [Interval(Integral, 1, None, closed="left")],
        "weights_init": ["array-like", None],
        "weight_concentration": [Interval(Real, 1, None, closed="left"), "array-like", None],
    }

    def __init__(self, n_components=1, n_mix=1, *, covariance_type="diag", startprob_init=None,
                 transmat_init=None, weights_init=None, means_init=None, covars_init=None,
                 tol=1e-8, max_iter=1000, n_init=16, reg_covar=1e-6, random_state=None,
                 n_threads=None, fixed=(), startprob_concentration=None,
                 transmat_concentration=None, weight_concentration=None, covariance_prior=None,
                 convergence="lower_bound", acceleration=None, verbose=0, verbose_interval=10,
                 callback=None):
        self.n_components = n_components
        self.n_mix = n_mix
        self.covariance_type = covariance_type
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
        self.weights_init = weights_init
        self.means_init = means_init
        self.covars_init = covars_init
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.reg_covar = reg_covar
        self.random_state = random_state
        self.n_threads = n_threads
        self.fixed = fixed
        self.startprob_concentration = startprob_concentration
        self.transmat_concentration = transmat_concentration
        self.weight_concentration = weight_concentration
        self.covariance_prior = covariance_prior
        self.convergence = convergence
        self.acceleration = acceleration
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback

    @property
    def _mix(self):
        return (self.n_mix,)

    def _given(self, sequences):
        weights = check_probabilities(
            self.weights_init, "weights_init", (self.n_components, self.n_mix))
        return {**super()._given(sequences), "weights": weights}

    def _weight_options(self, fixed):
        concentration = arguments.check_concentration(
            self.weight_concentration, "weight_concentration", (self.n_components, self.n_mix))
        return {"fixed_weights": "weights" in fixed, "concentration": concentration}

    def _to_attributes(self, emissions):
        return {"weights": np.array(emissions.weights), **super()._to_attributes(emissions)}
