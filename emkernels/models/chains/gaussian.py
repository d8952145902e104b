"""Hidden Markov models of Gaussian rows."""

from emkernels.models.chains.continuous import ContinuousChain


class GaussianHMM(ContinuousChain):
    """Hidden Markov model: rows are normal, given a state that goes from row to row by a chain."""

    _names = ("startprob", "transmat", "means", "covars")
    _mix = ()

    def __init__(self, n_components=1, covariance_type="diag", *, startprob_init=None,
                 transmat_init=None, means_init=None, covars_init=None, tol=1e-8, max_iter=1000,
                 n_init=8, reg_covar=1e-6, random_state=None, n_threads=None, fixed=(),
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
