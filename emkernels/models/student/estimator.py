"""A mixture of Student t distributions; with one component, robust location and scatter."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Options

from emkernels import _inputs
from emkernels._callers import warn
from emkernels.components.gaussian import arguments
from emkernels.components.gaussian.degenerate import Examination, Spikes, examine
from emkernels.components.gaussian.moments import column_scaling
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.components.gaussian.structures import COVARIANCE_TYPES, structure_of
from emkernels.components.student import StudentComponents
from emkernels.data import Rows
from emkernels.data.checks import Interval, check_numbers_finite, numbers, one_of
from emkernels.em import DegenerateWarning
from emkernels.latent.mixture import Mixture
from emkernels.models.chunked import ChunkedFit
from emkernels.models.student.fitted import FittedStudents
from emkernels.starts.mixture import Given
from emkernels.starts.sampled import START_ROWS
from emkernels.starts.student import student_start

START_DF = 10.0     # of components whose degrees of freedom are estimated
AUTO = 1e-6         # reg_covar="auto", in variances of the columns


class StudentTMixture(ChunkedFit, FittedStudents):
    """Mixture of multivariate Student t distributions.

    Maximises ``sum_i w_i log sum_k weights_k t(x_i | means_k, scatters_k, dfs_k)`` by EM, where t
    is the density ``Gamma((df + d) / 2) / Gamma(df / 2) |df pi scatter|^(-1/2) (1 + q / df)^(-(df
    + d) / 2)`` at the squared distance ``q = (x - mean)' scatter^-1 (x - mean)``. A row pulls at
    the component with ``u = (df + d) / (df + q)``, the less the farther it is out: outliers do not
    spoil means and scatters, and need no component of their own. One component is the robust
    location and scatter of the rows.

    Parameters
    ----------
    n_components : int, default=1
        Number of components.
    covariance_type : str, default='full'
        Structure of the scale matrices, as those of the covariances of
        :class:`emkernels.GaussianMixture`.
    df : None, 'shared', float or array-like of shape (n_components,), default=None
        Degrees of freedom. None: estimated, one for each component; 'shared': one for all;
        numbers stay as they are, and may be any positive ones. Estimates lie between 0.3 (with
        fewer the likelihood may have no bound) and 1e6 (a normal component; where rows have
        lighter tails than a normal, they end there).
    tol : float, default=1e-8
        EM stops when the log-likelihood for one row (`lower_bound_`) changes by less; 0: never.
    reg_covar : float or 'auto', default=1e-6
        Added to the diagonal of every scale matrix. Not part of the objective, which may therefore
        fall a little; with 0 it never does. 'auto' is a millionth of each column's variance (of
        their mean for 'spherical').
    max_iter : int, default=1000
        Most iterations of EM of a start.
    n_init : int, default=1
        Number of starts; the best is kept, collapsed ones are dropped with a warning. A start
        that ends with degenerate components is kept only where all do.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'} or tuple of these, \
default='kmeans'
        The kinds of a tuple take turns over the starts.
    weights_init : array-like of shape (n_components,), default=None
        Mixing proportions to begin with.
    means_init : array-like of shape (n_components, n_features), default=None
        Means to begin with, in the units of the columns.
    scatters_init : array-like of shape (n_components, n_features, n_features), default=None
        Start scale matrices, symmetric and positive definite; of another structure, the likeliest
        of `covariance_type` are made of them. Estimated degrees of freedom begin at 10. What is
        not given comes from `init_params`. With all three, `max_iter` steps of EM begin there.
    random_state : int, RandomState, Generator or None, default=None
        What is drawn comes of it: the same number, the same result.
    n_threads : int, default=None
        None: the CPUs this process may use; -1: all. The fit has the same bits for every number.
    convergence : {'lower_bound', 'parameters', 'distance'}, default='lower_bound'
        As in :class:`emkernels.GaussianMixture`.
    acceleration : {None, 'squarem'}, default=None
        Squared extrapolation with a guard that keeps the objective monotone.
    verbose, verbose_interval : int, default=0, 10
        1 or more shows iterations; how many lie between two plain lines.
    callback : callable, default=None
        ``callback(EMState)`` after each iteration; a true result ends the fit.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
    scatters_ : ndarray of shape (n_components, n_features, n_features)
        Scale matrices; these are no covariances.
    dfs_ : ndarray of shape (n_components,)
        Degrees of freedom, estimated or not.
    covariances_ : ndarray of shape (n_components, n_features, n_features)
        ``scatter df / (df - 2)``; every entry is inf where df <= 2, as there is none.
    precisions_cholesky_ : ndarray
        Factors of the inverse scale matrices, in the shape of the covariance type.
    converged_ : bool
    n_iter_ : int
    lower_bound_ : float
        Log-likelihood of the best start for one unit of weight.
    lower_bounds_ : list of float
        Its history.
    degenerate_components_ : ndarray of int
        Components without extent in some direction, as in :class:`emkernels.GaussianMixture`.
    n_parameters_ : int
        Free parameters, which the criteria count.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.

    See Also
    --------
    GaussianMixture : Normal components; its `noise` is the other way to live with outliers.
    emkernels.kernels.student_statistics : The pass of an iteration alone.
    emkernels.plotting.plot_outliers : Picture of what each row weighs.
    sklearn.covariance.MinCovDet : Robust location and scatter by the rows that lie closest.

    Notes
    -----
    NaN is a missing value, missing at random: the likelihood is that of the observed values. All
    attributes are float64. Starts of blocks of rows (:meth:`fit_chunks`) are all made of the same
    20,000 rows, drawn by `random_state`.

    References
    ----------
    D. Peel, G. J. McLachlan, Robust mixture modelling using the t distribution, Statistics and
    Computing 10, 2000. K. L. Lange, R. J. A. Little, J. M. G. Taylor, Robust statistical modeling
    using the t distribution, JASA 84, 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import StudentTMixture
    >>> X = np.array([[1.0], [2.0], [3.0], [2.5], [1.5], [500.0]])
    >>> model = StudentTMixture(df=2).fit(X)
    >>> model.means_.round(1)
    array([[2.]])
    >>> model.outlier_weight(X).round(3)[-2:]
    array([1.306, 0.   ])
    """

    _parameter_constraints: dict = {
        **FittedStudents._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [one_of(*COVARIANCE_TYPES)],
        "df": [one_of("shared"), Interval(Real, 0, None, closed="neither"),
               Options(Real, {np.inf}), "array-like", None],
        "reg_covar": [Interval(Real, 0.0, None, closed="left"), one_of("auto")],
        "init_params": [one_of(*arguments.STARTS), tuple],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "scatters_init": ["array-like", None],
    }

    def __init__(self, n_components=1, covariance_type="full", df=None, *, tol=1e-8,
                 reg_covar=1e-6, max_iter=1000, n_init=1, init_params="kmeans", weights_init=None,
                 means_init=None, scatters_init=None, random_state=None, n_threads=None,
                 convergence="lower_bound", acceleration=None, verbose=0, verbose_interval=10,
                 callback=None):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.df = df
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.scatters_init = scatters_init
        self.random_state = random_state
        self.n_threads = n_threads
        self.convergence = convergence
        self.acceleration = acceleration
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback

    # --- fitting ---------------------------------------------------------------------

    def fit(self, X, y=None, *, sample_weight=None):
        """Estimate the parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            Read in place, in any layout. NaN (None, NA, a masked cell, a null) is a missing
            value.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice, one of 0 as no row.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        ValueError
            Bad parameters or data (the argument, row or column is named), or every start
            collapsed; the estimator then stays as it was.
        TypeError
            Sparse and lazy tables, masked weights. A cell that is no real number is both.
        KeyboardInterrupt
            Ctrl-C. Where an iteration was complete, the estimator then has the parameters of the
            last one, with ``converged_`` False.
        """
        self._fit(X, sample_weight)
        return self

    def fit_predict(self, X, y=None, *, sample_weight=None):
        """Fit, then the most probable component of every row; parameters as in :meth:`fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            Numbers of components.

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`; the estimator then stays as it was.
        """
        self._fit(X, sample_weight)
        return self.predict(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight):
        self._fit_source(self._rows_to_fit(X, sample_weight))

    def _fit_source(self, rows):
        """Fit to rows, or to blocks of rows."""
        if not isinstance(rows, Rows):
            rows = self._source_to_fit(rows)
        if len(rows) < self.n_components:
            raise ValueError(
                f"Expected n_samples >= n_components but got n_components = {self.n_components}, "
                f"n_samples = {len(rows)}")
        structure, given, fixed_dfs = self._prepare(rows)
        components = StudentComponents(structure, fixed_dfs, isinstance(self.df, str))
        spikes = Spikes(rows, structure)
        result = self._run(Mixture(components), rows,
                           self._starts(rows, components, given, spikes), is_degenerate=spikes)
        found = Examination() if not result.history else examine(
            result.parameters, structure.reg_covar, lambda: spikes.least, rows.n_positive)
        _tell_collapsed(found, result.parameters, rows)
        # --- nothing can fail from here on
        self._remember(result, rows)
        self._set_parameters(result.parameters, components.n_dfs(self.n_components))
        self.degenerate_components_ = np.array(sorted(found.spikes), dtype=np.int64)
        self._tell(result, rows, reason=": reg_covar is not part of it" if self.reg_covar else "")
        for text in found.texts(rows.column_names, has_prior=False):
            warn(text, DegenerateWarning)

    def _prepare(self, rows):
        """Everything checked, before any work: the structure, what is given of the start, and
        degrees of freedom that stay."""
        k, n_features = self.n_components, rows.n_features
        bare = structure_of(self.covariance_type)
        weights = arguments.check_weights(self.weights_init, k)
        means = arguments.check_means(self.means_init, k, n_features)
        scatters = _check_scatters(self.scatters_init, k, n_features)
        factors = None
        if scatters is not None:
            factors = _of_structure(bare, scatters, np.ones(k) if weights is None else weights)
        fixed_dfs = _check_dfs(self.df, k)
        arguments.check_init_params(self.init_params)
        reg_covar = self.reg_covar
        if isinstance(reg_covar, str):
            reg_covar = AUTO * bare.variance_units(column_scaling(rows, bare).scale)
        # where values are missing a variance never arrives at zero
        rounding = 0.0 if not rows.has_missing else np.finfo(rows.dtype).eps
        structure = bare.with_(reg_covar=reg_covar, rounding=rounding)
        return structure, Given(weights, means, factors), fixed_dfs

    def _starts(self, rows, components, given, spikes):
        """A function of the number of the start."""
        kinds = arguments.check_init_params(self.init_params)
        random_state = rows.random_state(self.random_state)
        if not isinstance(rows, Rows) and not given.all:
            rows = rows.sample(START_ROWS, random_state)
        dfs = components.dfs
        if dfs is None:
            dfs = np.full(self.n_components, START_DF)

        def start(i):
            return student_start(rows, components, dfs, kinds[i % len(kinds)], random_state, given,
                                 spikes)
        return start


def _tell_collapsed(found, parameters, rows):
    """Columns in which every scale matrix is as narrow as `reg_covar` are constant only where
    they have one value; elsewhere the components have collapsed onto one, as half of the rows,
    or few degrees of freedom, let them."""
    if not found.constant:
        return
    summary = rows.summary()
    varies = ~summary.constant
    narrow = [j for j in found.constant if varies[j]]
    if not narrow:
        return
    found.constant = [j for j in found.constant if not varies[j]]
    deviations = summary.deviations[narrow]
    for k in set(range(len(parameters.means))) - set(found.dead):
        own = np.diagonal(parameters.covariance(k))[narrow]
        found.spikes.setdefault(k, narrow)
        found.deviations.setdefault(k, float(np.min(np.sqrt(own) / deviations)))


def _check_scatters(scatters, n_components, n_features):
    if scatters is None:
        return None
    scatters = numbers(scatters, "scatters_init")
    shape = (n_components, n_features, n_features)
    if scatters.shape != shape:
        raise ValueError(f"scatters_init must have shape {shape}, got {scatters.shape}")
    check_numbers_finite(scatters, "scatters_init")
    for k, scatter in enumerate(scatters):
        if not np.allclose(scatter, scatter.T) or not np.linalg.eigvalsh(scatter)[0] > 0:
            raise ValueError("scatters_init must be symmetric and positive definite, and that of "
                             f"component {k} is not")
    return scatters


def _check_dfs(df, n_components):
    """Degrees of freedom that stay, or None."""
    if df is None or isinstance(df, str):
        return None
    dfs = np.array(_inputs.as_rows(df, "df", missing=False) if np.ndim(df) else df, float)
    if dfs.ndim == 0:
        dfs = np.full(n_components, float(dfs))
    if dfs.shape != (n_components,):
        raise ValueError(f"df must be a number or have shape ({n_components},), got {dfs.shape}")
    if not (dfs > 0).all():
        component = int(np.argmin(dfs > 0))
        raise ValueError(f"df must be positive, got {dfs[component]:.6g} for component {component}")
    return dfs


def _of_structure(structure, scatters, weights):
    """Factors of the scale matrices of a structure that are likeliest for rows with these."""
    k, n_features, _ = scatters.shape
    weights = np.maximum(weights, 1e-12)
    zeros = np.zeros((k, n_features))
    second = np.array(structure.second_of(weights[:, None, None] * scatters))
    statistics = SufficientStatistics(structure.kernel, zeros, weights, zeros, second)
    return structure.maximise(statistics, weights, zeros, zeros)[1]
