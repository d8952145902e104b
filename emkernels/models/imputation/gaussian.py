"""Imputation by one Gaussian."""

import numpy as np

from emkernels import _inputs
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.structures import Full, structure_of
from emkernels.data import checks
from emkernels.latent.mixture import MixtureParameters
from emkernels.models.imputation import information
from emkernels.models.imputation.base import BaseGaussianImputer, raw_components
from emkernels.models.imputation.stepwise import StepwiseImputer
from emkernels.models.loaded import check_values
from emkernels.models.steps import STEPS

# Smallest variance of a combination of standardised columns, for each precision of the rows.
FLOOR = {np.dtype(np.float64): 1e-8, np.dtype(np.float32): 1e-6}


class GaussianImputer(StepwiseImputer, BaseGaussianImputer):
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
        Iterations between two plain lines.
    callback : callable, default=None
        ``callback(EMState)`` after each iteration, with parameters of standardised columns;
        a true result ends the fit.
    step_exponent : float in (0.5, 1], default=0.6
        The larger, the less late batches of :meth:`partial_fit` count.
    step_offset : float, default=10
        How much a batch of :meth:`partial_fit` counts, which reads them each time.

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
    n_patterns_ : int or None
        Different sets of missing columns; None after a fit of blocks that have more than 65,536.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.
    indicator_ : MissingIndicator or None

    See Also
    --------
    GaussianMixtureImputer : Rows of several groups, each with a covariance of its own.
    pool : Put together what was estimated from several completed copies.
    missing_data_summary : What is missing, and where, before any model.
    little_mcar_test : Whether it is missing completely at random.
    sklearn.impute.IterativeImputer : Regressions in turn, without a likelihood.

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
                 random_state=None, verbose=0, verbose_interval=10, callback=None,
                 step_exponent=0.6, step_offset=10):
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
        self.step_exponent = step_exponent
        self.step_offset = step_offset

    _parameter_constraints: dict = {**BaseGaussianImputer._parameter_constraints, **STEPS}

    def _floor(self, dtype):
        return FLOOR[np.dtype(dtype)]

    def _starter(self, model, rows):
        """Observed means and variances, no correlation."""
        p = rows.n_features
        return lambda i: MixtureParameters(np.ones(1), Gaussians(
            model.model.components.structure, np.zeros((1, p)), np.eye(p)[None],
            np.eye(p)[None]))

    def _set_parameters(self, parameters, constants):
        vars(self).pop("_stream", None)     # statistics of others
        self.location_ = constants
        self.covariance_ = self.precision_ = np.zeros((len(constants), len(constants)))
        if parameters is None:      # no column varies
            self.precision_ = self.covariance_.copy()
            return
        raw, inside = raw_components(parameters, self._scaling), self._columns.inside
        factor = raw.precisions_cholesky[0]
        self.location_[inside] = raw.means[0]
        self.covariance_ = raw.structure.embed(raw.covariances[0], inside, len(constants))
        self.precision_ = raw.structure.embed(factor @ factor.T, inside, len(constants))

    def _check_shapes(self, structure, n):
        check_values(self, shapes={
            "location_": (n,), "covariance_": (n, n), "precision_": (n, n)})
        if not isinstance(structure, Full):
            raise ValueError("its covariance is of another type")

    def _raw(self):
        inside = self._columns.inside
        location, covariance = (_inputs.float64(each)[None] for each in (
            self.location_[inside], self.covariance_[np.ix_(inside, inside)]))
        full = structure_of("full")
        return MixtureParameters(np.ones(1), Gaussians(
            full, location, covariance, full.factors(covariance)))

    def _locations(self):
        return self.location_

    def standard_errors(self, X, sample_weight=None):
        """Standard errors of location and covariance from the observed information.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows of the fit.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        Uncertainty
            Of the columns that vary, in the units of the parameters.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
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
            A weight of 2 is the same as the row twice.

        Returns
        -------
        Uncertainty
            Its `location` and `covariance` are shares, of the columns that vary: one minus
            the variance that complete rows would give over that which the observed values give.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        arguments_, names = self._for_information(X, sample_weight)
        if not names:
            return information.Uncertainty(np.zeros(0), np.zeros((0, 0)))
        return information.missing_information(*arguments_, names=names)

    def _for_information(self, X, sample_weight):
        """X, location, covariance, patterns and weights of the columns that vary, and their
        names (positions where the fit saw none)."""
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        rows = self._inner(self._read(X))
        known = getattr(self, "feature_names_in_", np.arange(self.n_features_in_))
        names = list(known[self._columns.varying])
        if not names:
            return None, names
        p = self._raw()
        weight = checks.check_sample_weight(sample_weight, rows.X)
        weight = rows.weight_given if weight is None else weight
        return (rows.X, p.means[0], p.covariances[0], rows.all_patterns, weight), names
