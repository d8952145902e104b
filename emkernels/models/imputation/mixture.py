"""Imputation by a Gaussian mixture."""

from numbers import Integral

import numpy as np

from emkernels import _inputs
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.structures import PLAIN, structure_of
from emkernels.data.checks import Interval, one_of
from emkernels.latent.mixture import MixtureParameters
from emkernels.models.imputation.base import BaseGaussianImputer, raw_components
from emkernels.models.loaded import check_values, check_weights
from emkernels.starts.mixture import Given, start_parameters
from emkernels.starts.sampled import sampled_rows

# Smallest variance of a combination of standardised columns: a component needs more than a lone
# Gaussian to stay clear of single rows.
FLOOR = 1e-6


class GaussianMixtureImputer(BaseGaussianImputer):
    """Imputation by a Gaussian mixture, fitted by EM to incomplete rows.

    Maximises ``sum_i w_i log sum_k weights_k N(x_i,observed | means_k, covariances_k)`` (plus
    the log densities of the prior, where set), under values missing at random. A missing cell
    gets its conditional mean: ``sum_k r_k E[x_m | x_o, k]``, r being the posterior
    probabilities of the components given what is observed.

    Parameters
    ----------
    n_components : int, default=2
        Number of components.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
        'spherical' has one variance for all columns in the units of X.
    n_init : int, default=1
        Number of starts; the best is kept, collapsed ones are dropped.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}, default='kmeans'
        As :class:`emkernels.GaussianMixture` begins, on standardised columns of at most
        20,000 rows.
    missing_values : NaN or number, default=NaN
        What stands for a missing value, as :class:`GaussianImputer` has it.
    prior : None, 'ridge', ('ridge', amount) or (dof, scale), default=None
        That of :class:`GaussianImputer`, for every component, the ridge divided by
        ``n_components ** (2 / p)`` (for 'diag' and 'spherical' the prior is an inverse gamma
        one of every variance).
    tol : float, default=1e-6
        As :class:`GaussianImputer` has it.
    max_iter : int, default=1000
        Most iterations of EM of a start.
    acceleration : {'squarem', None}, default='squarem'
        As :class:`GaussianImputer` has them.
    min_value, max_value : float or array-like of shape (n_features,), default=-inf, inf
        Imputed values are clipped to these; observed ones are not.
    add_indicator : bool, default=False
        Append a :class:`sklearn.impute.MissingIndicator`.
    keep_empty_features : bool, default=False
        Columns with nothing observed in the fit: kept and filled with 0, or left out of the
        output.
    n_threads : int, default=None
        None: the CPUs this process may use; -1: all. The same bits for every number.
    random_state : int, RandomState, Generator or None, default=None
        For the starts, and for :meth:`sample`.
    verbose : int, default=0
        1 or more: iterations; a bar on a terminal, plain lines elsewhere.
    verbose_interval : int, default=10
        Iterations between two plain lines.
    callback : callable, default=None
        ``callback(EMState)`` after each iteration, with parameters of standardised columns;
        a true result ends the fit.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_columns)
        n_columns are the columns of the output, without indicators.
    covariances_, precisions_cholesky_ : ndarray
        Shapes (n_components, n_columns, n_columns), (n_columns, n_columns),
        (n_components, n_columns) or (n_components,) by covariance type. Constant columns have
        zeros.
    log_likelihood_ : float
        Of the observed cells of the columns that vary, in the units of X.
    lower_bounds_ : list of float
        The objective of the best start for one unit of weight, as :class:`GaussianImputer` has it.
    n_iter_ : int
    converged_ : bool
        Of the best start.
    n_patterns_ : int or None
        Different sets of missing columns; None after a fit of blocks that have more than 65,536.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.
    indicator_ : MissingIndicator or None

    See Also
    --------
    GaussianImputer : One normal distribution for all rows.
    GaussianMixture : The mixture itself, fitted to incomplete rows.
    pool : Put together what was estimated from several completed copies.
    missing_data_summary : What is missing, and where, before any model.

    Notes
    -----
    No combination of standardised columns has a variance below 1e-6 in any component: the
    likelihood is maximised over those mixtures. EM ends early at such a variance, as that of
    :class:`GaussianImputer` does.

    References
    ----------
    Z. Ghahramani, M. I. Jordan, Supervised learning from incomplete data via an EM approach,
    NIPS 6, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianMixtureImputer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2)) + np.where(rng.random((200, 1)) < 0.5, 0, 20)
    >>> imputer = GaussianMixtureImputer(2, random_state=0).fit(X)
    >>> imputer.transform([[0.0, np.nan], [20.0, np.nan]]).round()
    array([[ 0., -0.],
           [20., 20.]])
    """

    _parameter_constraints: dict = {
        **BaseGaussianImputer._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [one_of(*PLAIN)],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [one_of("kmeans", "random", "random_from_data", "k-means++")],
    }

    def __init__(self, n_components=2, *, covariance_type="full", n_init=1,
                 init_params="kmeans", missing_values=np.nan, prior=None, tol=1e-6,
                 max_iter=1000, acceleration="squarem", min_value=-np.inf, max_value=np.inf,
                 add_indicator=False, keep_empty_features=False, n_threads=None,
                 random_state=None, verbose=0, verbose_interval=10, callback=None):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.n_init = n_init
        self.init_params = init_params
        self.missing_values = missing_values
        self.prior = prior
        self.tol = tol
        self.max_iter = max_iter
        self.acceleration = acceleration
        self.min_value = min_value
        self.max_value = max_value
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback

    def _shape(self):
        return self.covariance_type, self.n_components, self.n_init

    def _floor(self, dtype):
        return FLOOR

    def _starter(self, model, rows):
        """The starts of a mixture of standardised rows, some of them where there are many."""
        random_state = rows.random_state(self.random_state)
        if rows.n_positive < self.n_components:
            raise ValueError(
                f"Expected n_samples >= n_components but got n_components = "
                f"{self.n_components}, n_samples = {rows.n_positive} (rows with something "
                "observed)")
        sample = sampled_rows(rows, model.scaling, random_state)

        def start(i):
            return start_parameters(sample, model.model, self.n_components, self.init_params,
                                    random_state, Given())

        return start

    def _set_parameters(self, parameters, constants):
        structure, k = structure_of(self.covariance_type), self.n_components
        self.means_ = np.repeat(constants[None], k, axis=0)
        if parameters is None:      # no column varies
            self.weights_ = np.full(k, 1 / k)
            shape = structure.shape(k, len(constants))
            self.covariances_, self.precisions_cholesky_ = np.zeros((2, *shape))
            return
        raw, inside = raw_components(parameters, self._scaling), self._columns.inside
        self.weights_ = parameters.weights
        self.means_[:, inside] = raw.means
        self.covariances_ = structure.embed(raw.covariances, inside, len(constants))
        self.precisions_cholesky_ = structure.embed(
            raw.precisions_cholesky, inside, len(constants))

    def _check_shapes(self, structure, n):
        k = len(self.weights_)
        shape = structure.shape(k, n)
        check_values(self, shapes={"weights_": (k,), "means_": (k, n), "covariances_": shape,
                                   "precisions_cholesky_": shape})
        check_weights(self.weights_)

    def _raw(self):
        structure, inside = structure_of(self._fitted_type), self._columns.inside
        weights, means, covariances, factors = (
            _inputs.float64(each) for each in (
                self.weights_, self.means_[:, inside], structure.select(self.covariances_, inside),
                structure.select(self.precisions_cholesky_, inside)))
        return MixtureParameters(weights, Gaussians(structure, means, covariances, factors))

    def _locations(self):
        return self.means_[0]
