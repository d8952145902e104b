"""Hidden Markov models of Gaussian rows."""

from emkernels.models.chains.continuous import ContinuousChain


class GaussianHMM(ContinuousChain):
    """Hidden Markov model of Gaussian rows.

    A state that is not seen goes from row to row by a Markov chain, and a row is normal given its
    state. Maximises the log-likelihood ``sum_s w_s log sum_z startprob[z_1] prod_t transmat[z_t-1,
    z_t] prod_t N(x_t | means[z_t], covars[z_t])`` of the sequences, the sum being over all paths z
    of states, plus the log densities of the priors, where set, by EM (Baum-Welch). Names are those
    of hmmlearn; there are no hidden priors.

    Parameters
    ----------
    n_components : int
        States.
    covariance_type : {'diag', 'full', 'tied', 'spherical'}
        'tied': one matrix for all states.
    startprob_init : array-like of shape (n_components,), optional
        Probabilities of the first state. Of these and the others below any may be given; the rest
        of the start comes from the rows. Zeros stay zero.
    transmat_init : array-like of shape (n_components, n_components), optional
        Probabilities of going from the state of the row to that of the column. Zeros stay zero:
        so models are made that go from left to right.
    means_init : array-like of shape (n_components, n_features), optional
        Means to begin with, in the units of the columns.
    covars_init : array-like of shape (n_components, n_features, n_features), optional
        Of that shape for every covariance type, and of its form.
    tol : float
        EM ends where the objective for one row (`lower_bound_`) grows by less in an iteration
        (`convergence`); 0: never. Of float32 rows, which it is rounded by, also where ten
        iterations have not raised it.
    max_iter : int
        0 leaves the start as the fit.
    n_init : int
        Starts. They take 60 steps each, on at most 20,000 rows, and the best three go on
        to convergence. There is one where means are given.
    reg_covar : float or 'auto'
        Added to every variance. Not part of the objective, which may therefore fall a little;
        with 0 it never does. 'auto' is a millionth of each column's variance.
    random_state : int, RandomState, Generator or None
        What is drawn comes of it: the same number, the same result.
    n_threads : int, optional
        None: the CPUs this process may use; -1: all. Results have the same bits for every number.
    fixed : tuple of {'startprob', 'transmat', 'means', 'covars'}
        What stays as it is given, bit for bit, or as the start has it.
    startprob_concentration : float or array-like of shape (n_components,), optional
        Of a Dirichlet prior, at least 1, part of the objective. (Probabilities that are zero from
        the start stay so, and the prior is that of the others.) None: no prior.
    transmat_concentration : float or array-like of shape (n_components, n_components), optional
        The same of the rows of `transmat_`.
    covariance_prior : None, 'empirical' or pair (dof, scale)
        Inverse-Wishart prior of every covariance, as that of
        :class:`emkernels.GaussianMixture`.
    convergence : {'lower_bound', 'parameters', 'distance'}
        As of :class:`emkernels.GaussianMixture`.
    acceleration : {None, 'squarem'}
        Squared extrapolation with a guard that keeps the objective monotone.
    verbose, verbose_interval : int
        1 or more shows iterations; how many lie between two plain lines.
    callback : callable, optional
        ``callback(EMState)`` after each iteration; a true result ends the fit.

    Attributes
    ----------
    startprob_ : ndarray of shape (n_components,)
    transmat_ : ndarray of shape (n_components, n_components)
    means_ : ndarray of shape (n_components, n_features)
    covars_ : ndarray of shape (n_components, n_features, n_features)
        Of that shape for every covariance type.
    n_parameters_ : int
        Free parameters, which the criteria count: those that are `fixed` and the zeros of
        `startprob_init` and `transmat_init` do not, probabilities that ended at zero do.
    n_iter_ : int
    converged_ : bool
    lower_bound_ : float
    lower_bounds_ : list of float
        Of the best start; the bounds are for one row. (Without an iteration -inf and an empty
        list.)
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where columns have names.
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.
    table_ : dict
        After ``emkernels states`` alone: names of the columns `by`, `order` and `symbols`, and the
        `levels` that symbols stand for; None where there is none.

    See Also
    --------
    MixtureHMM : States that are mixtures themselves.
    CategoricalHMM : Rows that are symbols.
    GaussianMixture : The same components without a time.
    emkernels.kernels.chain_statistics : Forward and backward passes alone, of given log densities.
    emkernels.plotting.plot_states : Picture of the states over time.

    Notes
    -----
    States are in the order of their means, the first column first; where any `*_init` is given, in
    that of the start.

    All methods go by the attributes as they are, which may be set by hand: `startprob_`,
    `transmat_`, `means_` and `covars_` are a model without a fit. Probabilities that do not sum to
    one are refused.

    NaN is a missing value: a row counts with the density of what is observed (missing at random),
    and one without any value says nothing but that time goes on. A state that no row is ever
    expected in keeps its parameters.

    In :meth:`fit_chunks` a block is one sequence, and `sample_weight` has a weight for each block,
    as a list, an array or a callable. (An array or a table of which `chunk_rows` does not say how
    long sequences are is one.) Of more than 20,000 rows starts look at windows of 1,000, or at
    entire sequences where `startprob_init` is given, which the seed draws by the numbers of the
    rows. Short sequences that follow each other are worked on together; which are depends on their
    lengths.

    References
    ----------
    L. E. Baum, T. Petrie, G. Soules, N. Weiss, Annals of Mathematical Statistics 41, 1970.
    L. R. Rabiner, A tutorial on hidden Markov models and selected applications in speech
    recognition, Proceedings of the IEEE 77, 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianHMM
    >>> X = np.array([0.1, -0.2, 0.0, 4.9, 5.2, 5.1, 0.2, 0.0, -0.1, 0.1, 5.0, 4.8])[:, None]
    >>> model = GaussianHMM(2, random_state=0).fit(X)
    >>> model.means_.round(2).ravel()
    array([0.01, 5.  ])
    >>> model.predict(X)
    array([0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1])
    >>> round(model.score(X), 2)
    0.9
    """

    _names = ("startprob", "transmat", "means", "covars")
    _mix = ()

    def __init__(self, n_components=1, covariance_type="diag", *, startprob_init=None,
                 transmat_init=None, means_init=None, covars_init=None, tol=1e-8, max_iter=1000,
                 n_init=16, reg_covar=1e-6, random_state=None, n_threads=None, fixed=(),
                 startprob_concentration=None, transmat_concentration=None, covariance_prior=None,
                 convergence="lower_bound", acceleration=None, verbose=0, verbose_interval=10,
                 callback=None):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
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
        self.covariance_prior = covariance_prior
        self.convergence = convergence
        self.acceleration = acceleration
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback
