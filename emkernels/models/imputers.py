"""Imputation of missing values by Gaussian models."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import StrOptions

from emkernels import _inputs, kernels
from emkernels.models import _arguments as arguments
from emkernels.models import _information as information
from emkernels.models._arguments import Interval
from emkernels.models._covariance import COVARIANCE_TYPES, precision_cholesky
from emkernels.models._gaussian import Gaussians
from emkernels.models._imputer import BaseGaussianImputer
from emkernels.models._sampled_start import draw_rows
from emkernels.models._standardised import Scaling, StandardisedProblem
from emkernels.models._start import start_parameters
from emkernels.statistics import second_shape

# Smallest variance of a combination of standardised columns, for each precision of the rows;
# a component of a mixture needs more to stay clear of single rows.
FLOOR = {np.dtype(np.float64): 1e-8, np.dtype(np.float32): 1e-6}
COMPONENT_FLOOR = 1e-6


class GaussianImputer(BaseGaussianImputer):
    """Imputation by the multivariate normal distribution, fitted by EM to incomplete rows.

    Maximises ``sum_i w_i log N(x_i,observed | location_observed, covariance_observed)`` (plus
    the log density of a prior, where set), under values missing at random, and puts the
    conditional mean in place of each missing cell: ``mu_m + Sigma_mo Sigma_oo^-1 (x_o - mu_o)``.

    Parameters
    ----------
    missing_values : NaN or number, default=NaN
        What stands for a missing value. NaN includes None, the NA of pandas, nulls and masked
        cells.
    prior : None, 'ridge', ('ridge', amount) or (dof, scale), default=None
        Inverse-Wishart prior of the covariance, of density proportional to
        ``|Sigma|^(-(dof + p + 1) / 2) exp(-tr(scale Sigma^-1) / 2)``; the maximum is where
        ``Sigma = (T + scale) / (n + dof + p + 1)``, T being the expected scatter of n rows.
        scale (a number, a vector or a matrix) is in the units of X. ('ridge', amount) has
        dof = amount and scale = amount times the observed variances of the columns: it draws
        correlations towards zero with the weight of so many rows; 'ridge' is of one row.
        None: maximum likelihood, the same as dof = -(p + 1) and scale = 0.
    tol : float, default=1e-6
        EM stops when the estimated distance from the maximum is less: in every parameter of
        the standardised columns, and in the log-likelihood (of weights of mean 1).
    max_iter : int, default=1000
        Most passes over the rows.
    acceleration : {'squarem', None}, default='squarem'
        Squared extrapolation with a guard that keeps the objective monotone.
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
        For :meth:`sample`.
    verbose : int, default=0
        1 or more: iterations; a bar on a terminal, plain lines elsewhere.
    verbose_interval : int, default=10
    callback : callable, default=None
        ``callback(EMState)`` after each iteration, with parameters of standardised columns;
        a true result ends the fit.

    Attributes
    ----------
    location_ : ndarray of shape (n_columns,)
        Mean; n_columns are those of the output, without indicators.
    covariance_ : ndarray of shape (n_columns, n_columns)
        With divisor n, as maximum likelihood has it. Constant columns have zeros.
    precision_ : ndarray of shape (n_columns, n_columns)
        Inverse of `covariance_` over the columns that vary, zero elsewhere.
    log_likelihood_ : float
        Of the observed cells of the columns that vary, in the units of X.
    lower_bounds_ : list of float
        The objective for one unit of weight, iteration by iteration. With a prior, up to a
        constant.
    n_iter_ : int
        Passes over the rows.
    converged_ : bool
        False, too, where the likelihood has no maximum.
    n_patterns_ : int
        Different sets of missing columns.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
    indicator_ : MissingIndicator or None

    Notes
    -----
    Where columns determine each other (an exact sum, as many columns as rows), or too few rows
    have the same columns, the likelihood has no maximum. It is then maximised over the
    covariances in which no combination of standardised columns has a variance below 1e-8
    (1e-6 for float32 rows), with a warning that names the columns; an exact relation is imputed
    with a relative error of about that. EM ends after 100 passes with a variance there (10 where
    there are no more rows than columns) even if it has not converged: ``prior='ridge'`` is the
    better model of such a table.

    Rows with nothing missing have a maximum in closed form: one pass. Rows with nothing observed
    are left out of the fit and imputed by the mean. A constant column is left out of the model
    and imputed by its value, with a warning where it has missing cells.

    Methods go by the fit: of parameters set after it they read `n_threads`, `verbose` and
    `random_state` alone.

    References
    ----------
    R. J. A. Little, D. B. Rubin, Statistical Analysis with Missing Data, 2002, section 11.2.
    J. L. Schafer, Analysis of Incomplete Multivariate Data, 1997, chapter 5 (the priors).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianImputer
    >>> X = np.array([[1.0, 2.1], [2.0, 3.9], [3.0, 6.2], [4.0, 7.8], [5.0, np.nan]])
    >>> imputer = GaussianImputer().fit(X)
    >>> imputer.transform([[np.nan, 6.0], [3.5, np.nan]]).round(2)
    array([[3.02, 6.  ],
           [3.5 , 6.94]])
    """

    def __init__(self, *, missing_values=np.nan, prior=None, tol=1e-6, max_iter=1000,
                 acceleration="squarem", min_value=-np.inf, max_value=np.inf,
                 add_indicator=False, keep_empty_features=False, n_threads=None,
                 random_state=None, verbose=0, verbose_interval=10, callback=None):
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

    def _floor(self, dtype):
        return FLOOR[np.dtype(dtype)]

    def _starter(self, problem):
        """Observed means and variances, no correlation."""
        p = problem.X.shape[1]
        return lambda i: Gaussians(
            np.ones(1), np.zeros((1, p)), np.eye(p)[None], np.eye(p)[None])

    def _set_parameters(self, parameters, constants):
        self.location_ = constants
        self.covariance_ = self.precision_ = np.zeros((len(constants), len(constants)))
        if parameters is None:      # no column varies
            self.precision_ = self.covariance_.copy()
            return
        raw = self._scaling.to_raw(parameters, "full")
        factor = raw.precisions_cholesky[0]
        self.location_[self._columns.inside] = raw.means[0]
        self.covariance_ = self._embed(
            self._scaling.covariances_to_raw(parameters.get_covariances("full"), "full")[0], 2)
        self.precision_ = self._embed(factor @ factor.T, 2)

    def _raw(self):
        inside = self._columns.inside
        covariance = np.ascontiguousarray(self.covariance_[np.ix_(inside, inside)])[None]
        return Gaussians(np.ones(1), self.location_[inside][None], covariance,
                         precision_cholesky(covariance, "full"))

    def _locations(self):
        return self.location_

    def standard_errors(self, X, sample_weight=None):
        """Standard errors of location and covariance from the observed information.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of the fit.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        As :func:`emkernels.models._information.standard_errors`, over the columns that vary.
        """
        arguments_, names = self._for_information(X, sample_weight)
        if not names:       # no column varies
            return information.Uncertainty(np.zeros(0), np.zeros((0, 0)))
        return information.standard_errors(*arguments_, names=names)

    def missing_information(self, X, sample_weight=None):
        """Fractions of information that the missing cells take away.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of the fit.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        As :func:`emkernels.models._information.missing_information`, over the columns that
        vary.
        """
        arguments_, names = self._for_information(X, sample_weight)
        if not names:
            return information.Uncertainty(np.zeros(0), np.zeros((0, 0)))
        return information.missing_information(*arguments_, names=names)

    def _for_information(self, X, sample_weight):
        """X, location, covariance, patterns and weights of the columns that vary, and their
        names (positions where the fit saw none)."""
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        rows = self._columns_of(X)
        known = getattr(self, "feature_names_in_", np.arange(self.n_features_in_))
        names = list(known[self._columns.varying])
        if not names:
            return None, names
        p = self._raw()
        return (rows, p.means[0], p.covariances[0], self._patterns(rows),
                arguments.check_sample_weight(sample_weight, rows)), names


class GaussianMixtureImputer(BaseGaussianImputer):
    """Imputation by a Gaussian mixture, fitted by EM to incomplete rows.

    Maximises ``sum_i w_i log sum_k weights_k N(x_i,observed | means_k, covariances_k)`` (plus
    the log densities of the prior, where set), under values missing at random. A missing cell
    gets its conditional mean: ``sum_k r_k E[x_m | x_o, k]``, r being the posterior
    probabilities of the components given what is observed.

    Parameters
    ----------
    n_components : int, default=2
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
        'spherical' has one variance for all columns in the units of X.
    n_init : int, default=1
        Number of starts; the best is kept, collapsed ones are dropped.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}, default='kmeans'
        As :class:`emkernels.GaussianMixture` begins, on standardised columns of at most
        20,000 rows.
    missing_values, prior, tol, max_iter, acceleration, min_value, max_value, add_indicator, \
keep_empty_features, n_threads, verbose, verbose_interval, callback
        As :class:`GaussianImputer`; every component has the prior, the ridge divided by
        ``n_components ** (2 / p)`` (for 'diag' and 'spherical' the prior is an inverse gamma
        one of every variance).
    random_state : int, RandomState, Generator or None, default=None
        For the starts, and for :meth:`sample`.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_columns)
        n_columns are the columns of the output, without indicators.
    covariances_, precisions_cholesky_ : ndarray
        Shapes (n_components, n_columns, n_columns), (n_columns, n_columns),
        (n_components, n_columns) or (n_components,) by covariance type. Constant columns have
        zeros.
    log_likelihood_, lower_bounds_, n_iter_, converged_, n_patterns_, n_features_in_, \
feature_names_in_, indicator_
        As :class:`GaussianImputer`, of the best start.

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
        "covariance_type": [StrOptions(set(COVARIANCE_TYPES))],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions({"kmeans", "random", "random_from_data", "k-means++"})],
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
        return COMPONENT_FLOOR

    def _starter(self, problem):
        """The starts of a mixture of standardised rows, some of them where there are many."""
        random_state = _inputs.as_random_state(self.random_state)
        weight, type_ = problem.weight_given, problem.covariance_type
        n_rows = len(problem.X) if weight is None else np.count_nonzero(weight)
        if n_rows < self.n_components:
            raise ValueError(
                f"Expected n_samples >= n_components but got n_components = "
                f"{self.n_components}, n_samples = {n_rows} (rows with something observed)")
        rows, weight = draw_rows(problem.X, weight, random_state)
        scaling, p = problem.scaling, problem.X.shape[1]
        sample = (problem.X[rows].astype(np.float64) - scaling.center) / scaling.scale
        patterns = kernels.missing_patterns(sample)
        part = StandardisedProblem(
            sample, type_, Scaling(np.zeros(p), np.ones(p)), problem.floor,
            patterns=patterns if patterns.n_missing.any() else None,
            sample_weight=weight,
            covariance_prior=problem.covariance_prior, n_threads=problem.n_threads)
        given = dict.fromkeys(("weights", "means", "precisions_cholesky"))

        def start(i):
            return start_parameters(
                part, self.n_components, self.init_params, random_state, given)

        return start

    def _set_parameters(self, parameters, constants):
        type_, k = self.covariance_type, self.n_components
        self.means_ = np.repeat(constants[None], k, axis=0)
        if parameters is None:      # no column varies
            self.weights_ = np.full(k, 1 / k)
            shape = second_shape(type_, k, len(constants))
            self.covariances_, self.precisions_cholesky_ = np.zeros((2, *shape))
            return
        n_axes = {"full": 2, "tied": 2, "diag": 1, "spherical": 0}[type_]
        raw = self._scaling.to_raw(parameters, type_)
        covariances = self._scaling.covariances_to_raw(parameters.get_covariances(type_), type_)
        self.weights_ = raw.weights
        self.means_[:, self._columns.inside] = raw.means
        self.covariances_ = self._embed(covariances, n_axes) if n_axes else covariances
        self.precisions_cholesky_ = (
            self._embed(raw.precisions_cholesky, n_axes) if n_axes else raw.precisions_cholesky)

    def _raw(self):
        inside = self._columns.inside
        parts = [self.covariances_, self.precisions_cholesky_]
        if self._fitted_type in ("full", "tied"):
            parts = [part[..., inside[:, None], inside] for part in parts]
        elif self._fitted_type == "diag":
            parts = [part[:, inside] for part in parts]
        return Gaussians(self.weights_, np.ascontiguousarray(self.means_[:, inside]),
                         *[np.ascontiguousarray(part) for part in parts])

    def _locations(self):
        return self.means_[0]
