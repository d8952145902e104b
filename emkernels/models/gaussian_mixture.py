"""Gaussian mixtures by Expectation-Maximisation."""

import math
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs, kernels
from emkernels._callers import warn
from emkernels.em import DegenerateFitError, DegenerateWarning, Progress, run_em, warn_about
from emkernels.kernels.passes import incomplete_rows
from emkernels.models import _arguments as arguments
from emkernels.models import _conditional as conditional
from emkernels.models import _degenerate as degenerate
from emkernels.models import _persistence as persistence
from emkernels.models._arguments import Interval
from emkernels.models._covariance import (
    COVARIANCE_TYPES,
    factors_from_precisions,
    full_covariance,
    n_covariance_parameters,
    precisions_from_factors,
)
from emkernels.models._gaussian import GaussianProblem, Gaussians
from emkernels.models._sampled_start import SampledStarts, column_scaling
from emkernels.models._start import start_parameters
from emkernels.models._state import Stateful
from emkernels.models._words import column_names

AUTO = 1e-6     # reg_covar="auto", in variances of the columns
# A fall of the objective, relative to it, that is said with such a reg_covar: what it takes itself
# is a ten-thousandth at most, where columns determine each other, and asks for nothing.
AUTO_FALL = 1e-3


class GaussianMixture(Stateful, DensityMixin, BaseEstimator):
    """Gaussian mixture, a drop-in for :class:`sklearn.mixture.GaussianMixture`.

    Maximises ``sum_i w_i log sum_k weights_k N(x_i | means_k, covariances_k)`` (plus the log
    densities of the priors, where set) by EM. Parameters, attributes and methods are
    scikit-learn's; what comes on top is marked *more*.

    Parameters
    ----------
    n_components : int, default=1
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
    tol : float, default=1e-3
        EM stops when the objective for one row (`lower_bound_`) changes by less.
    reg_covar : float or 'auto', default=1e-6
        Added to every variance. Not part of the objective, which may therefore fall a
        little; `covariance_prior` is the alternative that EM maximises exactly. *More*:
        'auto' is a millionth of each column's variance (of their mean for 'spherical'),
        whatever the columns are measured in.
    max_iter : int, default=100
    n_init : int, default=1
        Number of starts; the best is kept, collapsed ones are dropped with a warning. A
        start that ends with degenerate components is kept only where all do.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'} or tuple of these, \
default='kmeans'
        *More*: the kinds of a tuple take turns over the starts.
    weights_init : array-like of shape (n_components,), default=None
    means_init : array-like of shape (n_components, n_features), default=None
    precisions_init : array-like, default=None
        Start precisions (inverse covariances), of the shape of the covariance type.
    random_state : int, RandomState, Generator or None, default=None
    warm_start : bool, default=False
    verbose : int, default=0
        1 or more: iterations; a bar on a terminal, plain lines elsewhere.
    verbose_interval : int, default=10
    n_threads : int, default=None
        *More.* None: the CPUs this process may use; -1: all. The fit has the same bits for
        every number.
    convergence : {'lower_bound', 'parameters', 'distance'}, default='lower_bound'
        *More.* 'parameters': stop when no parameter moves by more than `tol`: weights
        relative to themselves, means in standard deviations, covariances relative to the
        variances. 'distance': stop when all that is left to go, estimated from how fast
        steps shrink, is less than `tol`, in every parameter and in the objective for one
        row; a short step may be one of very many.
    acceleration : {None, 'squarem'}, default=None
        *More.* Squared extrapolation with a guard that keeps the objective monotone.
    callback : callable, default=None
        *More.* ``callback(EMState)`` after each iteration; a true result ends the fit.
    covariance_prior : None, 'empirical' or pair (dof, scale), default=None
        *More.* Inverse-Wishart prior on every covariance (inverse gamma on every variance
        for 'diag' and 'spherical'), part of the objective. scale is a number (times the
        identity), a vector (a diagonal) or a matrix. 'empirical': ``n_features + 2``
        degrees of freedom and the covariance of X divided by ``n_components ** (2 /
        n_features)``, as in mclust.
    weight_concentration : None, float or array-like of shape (n_components,), default=None
        *More.* Dirichlet prior on the weights, at least 1, part of the objective.
    fixed : tuple of {'weights', 'means', 'covariances'}, default=()
        *More.* Parameters that keep their `*_init` values (on a warm start those of the last
        fit).
    init_scaling : {None, 'standard'}, default=None
        *More.* 'standard': starts are made of columns in units of their standard deviations,
        so that each counts the same whatever it is measured in, and of at most 20,000 rows,
        drawn with `random_state`. None: as scikit-learn, of the rows as they are; K-means
        then sees little but the column of the largest numbers.
    short_iter : int, default=None
        *More.* Starts of the same kind (`init_params`) are compared after so many iterations,
        the best of each kind when EM ends, all on at most 20,000 rows, and the best goes on
        with all rows: ten starts cost little more than one. `callback` and `verbose` see that
        last run. None: every start runs to its end.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
    covariances_, precisions_, precisions_cholesky_ : ndarray
        Shapes (n_components, n_features, n_features), (n_features, n_features),
        (n_components, n_features) or (n_components,) by covariance type.
    converged_ : bool
    n_iter_ : int
        Passes over the data of the best start; those of cheap starts do not count.
    lower_bound_ : float
        Objective of the best start for one unit of weight.
    lower_bounds_ : list of float
        Its history.
    classes_ : ndarray
        *More.* After a fit with `labels`: what component k is called. Components that no label
        names come behind and have no entry.
    degenerate_components_ : ndarray of int
        Components without extent in some direction, a spike in the data: their variance there
        is within ten times `reg_covar` or what the rounding of the data makes, and less than
        a hundredth of the data's, or less than a millionth of that. A warning names them and
        the columns.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    Methods go by the fit: of parameters set after it they read `n_threads`, `verbose` and
    `random_state` alone.

    References
    ----------
    A. P. Dempster, N. M. Laird, D. B. Rubin, JRSS B 39, 1977.
    C. Fraley, A. E. Raftery, Bayesian regularization for normal mixture estimation and
    model-based clustering, Journal of Classification 24, 2007 (the priors).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianMixture
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> gm = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> gm.means_
    array([[10.,  2.],
           [ 1.,  2.]])
    >>> gm.predict([[0, 0], [12, 3]])
    array([1, 0])
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions(set(COVARIANCE_TYPES))],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "reg_covar": [Interval(Real, 0.0, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions(set(arguments.STARTS)), tuple],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", None],
        "random_state": ["random_state", np.random.Generator],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
        "convergence": [StrOptions({"lower_bound", "parameters", "distance"})],
        "acceleration": [StrOptions({"squarem"}), None],
        "callback": [callable, None],
        "covariance_prior": [StrOptions({"empirical"}), tuple, list, None],
        "weight_concentration": [Interval(Real, 1, None, closed="left"), "array-like", None],
        "fixed": [tuple, list, set, frozenset],
        "init_scaling": [StrOptions({"standard"}), None],
        "short_iter": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, n_components=1, *, covariance_type="full", tol=1e-3, reg_covar=1e-6,
                 max_iter=100, n_init=1, init_params="kmeans", weights_init=None,
                 means_init=None, precisions_init=None, random_state=None, warm_start=False,
                 verbose=0, verbose_interval=10, n_threads=None, convergence="lower_bound",
                 acceleration=None, callback=None, covariance_prior=None,
                 weight_concentration=None, fixed=(), init_scaling=None, short_iter=None):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_threads = n_threads
        self.convergence = convergence
        self.acceleration = acceleration
        self.callback = callback
        self.covariance_prior = covariance_prior
        self.weight_concentration = weight_concentration
        self.fixed = fixed
        self.init_scaling = init_scaling
        self.short_iter = short_iter

    _elsewhere = {
        "labels_": "fit_predict(X) gives the labels of the rows of a fit, predict(X) of any rows",
        "cluster_centers_": "the means of the components are means_",
        "inertia_": "the objective is lower_bound_",
    }

    # whether a start that ends with spikes is worse than any without
    _avoid_spikes = True

    # --- fitting ---------------------------------------------------------------------

    def fit(self, X, y=None, *, sample_weight=None, labels=None):
        """Estimate the parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            Read in place, in any layout. NaN (None, NA, a masked cell, a null) is a missing
            value: the likelihood is then that of the observed values (missing at random).
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.
        labels : array-like of shape (n_samples,), optional
            The component of rows that are known: whole numbers of any type, or False and True,
            or texts, which are numbered in the order of sorting (a categorical: of its
            categories), see `classes_`. -1 or missing for the others.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad parameters or data (the argument, row or column is named), or every start
            collapsed; the estimator then stays as it was.
        TypeError
            Sparse and lazy tables, masked weights. A cell that is no real number is both.
        KeyboardInterrupt
            Ctrl-C, within a second. Where an iteration was complete, the estimator then has
            the parameters of the last one, with ``converged_`` False; else, and while starts
            are compared by `short_iter`, it stays as it was.

        Notes
        -----
        With `labels`, the start is made from them and not from `init_params`.
        """
        self._fit(X, sample_weight, labels)
        return self

    def fit_predict(self, X, y=None, *, sample_weight=None, labels=None):
        """Fit, then the most probable component of every row; parameters as in :meth:`fit`."""
        rows = self._fit(X, sample_weight, labels)
        return self._rows(*rows, "labels").astype(np.int64)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight, labels):
        named, (X, patterns, largest) = X, self._rows_to_fit(X)
        arguments.check_labelled(self, named, sample_weight, labels)
        labels, classes = arguments.check_labels(labels, X.shape[0], self.n_components)
        warm = self.warm_start and hasattr(self, "converged_")
        problem, given = self._prepare(X, patterns, largest, sample_weight, labels, warm)
        result = self._run(problem, given, warm)
        names, found = column_names(named, X.shape[1]), self._examine(problem, result)
        # --- nothing can fail from here on
        arguments.remember_columns(self, named)
        self._set_parameters(result.parameters, X.dtype)
        self._remember_labels(classes)
        self.n_iter_ = result.n_iter
        self.converged_ = result.converged
        self.lower_bound_ = result.lower_bound
        self.lower_bounds_ = result.history
        self.degenerate_components_ = np.array(sorted(found.spikes), dtype=np.int64)
        self._examination = found
        if result.interrupted:
            raise KeyboardInterrupt
        precision = 1e-10 if X.dtype == np.float64 else 1e-5
        if isinstance(self.reg_covar, str):
            precision = AUTO_FALL
        warn_about(
            result, precision,
            reason=(": reg_covar is not part of it, as covariance_prior='empirical' would be"
                    if self.reg_covar else ""))
        if not self.converged_ and not result.stopped and self.max_iter > 0:
            warn("Best performing initialization did not converge. Try different init "
                 "parameters, or increase max_iter, tol, or check for degenerate data.",
                 ConvergenceWarning)
        for text in found.texts(names):
            warn(text, DegenerateWarning)
        return X, patterns

    def _run(self, problem, given, warm):
        """EM from the starts that the parameters ask for."""
        options = {"max_iter": self.max_iter, "tol": self.tol, "convergence": self.convergence,
                   "acceleration": self.acceleration, "callback": self.callback}
        if warm:
            return run_em(problem, lambda i: self._parameters(), progress=self._progress(1),
                          previous_bound=self.lower_bound_, **options)
        kinds = arguments.check_init_params(self.init_params)
        random_state = _inputs.as_random_state(self.random_state)
        # one component has one maximum
        n_init = 1 if self.short_iter is not None and self.n_components == 1 else self.n_init
        short = self.short_iter is not None and n_init > 1
        if self.init_scaling is None and not short:
            def start(i):
                return start_parameters(
                    problem, self.n_components, kinds[i % len(kinds)], random_state, given)
        else:
            start = SampledStarts(problem, self.n_components, kinds, random_state, given,
                                  standardise=self.init_scaling is not None)
        if not short:
            return run_em(problem, start, n_init=n_init,
                          progress=self._progress(n_init), **options)
        best, n_failed = start.best_of(
            n_init, self.short_iter, **{**options, "callback": None})
        try:
            result = run_em(problem, lambda i: best, progress=self._progress(1), **options)
        except DegenerateFitError:      # it collapsed after all: the others, to their ends
            n_failed = 0
            result = run_em(problem, start, n_init=n_init,
                            progress=self._progress(n_init), **options)
        result.n_failed += n_failed
        return result

    def _progress(self, n_init):
        if not self.verbose:
            return None
        return Progress(self.verbose, self.verbose_interval, n_init, self.max_iter)

    def _examine(self, problem, result):
        """What is wrong with the components; nothing where there was no iteration."""
        if not result.history:
            return degenerate.Examination()
        return degenerate.examine(
            result.parameters, self.covariance_type, problem.reg_covar,
            problem.least_variances, problem.n_rows, fixed=problem.fixed)

    def _rows_to_fit(self, X):
        """The rows, the patterns of their missing values and the largest absolute value."""
        X, patterns, largest = arguments.check_rows(self, X, min_samples=2)
        if X.shape[0] < self.n_components:
            raise ValueError(
                f"Expected n_samples >= n_components but got n_components = "
                f"{self.n_components}, n_samples = {X.shape[0]}"
            )
        return X, patterns, largest

    def _validate(self, X):
        """The rows and the patterns of their missing values, None where there are none."""
        X, names = arguments.read_new_rows(self, X)
        return X, arguments.patterns_where_missing(X, names)[0]

    def _prepare(self, X, patterns, largest, sample_weight, labels, warm):
        """Everything checked, before any work."""
        k, n_features, type_ = self.n_components, X.shape[1], self.covariance_type
        given = {
            "weights": arguments.check_weights(self.weights_init, k),
            "means": arguments.check_means(self.means_init, k, n_features),
            "precisions_cholesky": None,
        }
        precisions = arguments.check_start_precisions(self.precisions_init, type_, k, n_features)
        if precisions is not None:
            given["precisions_cholesky"] = factors_from_precisions(precisions, type_)
        sample_weight = arguments.check_sample_weight(sample_weight, X, largest)
        problem = GaussianProblem(
            X, type_, self._reg_covar(X, sample_weight, patterns), sample_weight=sample_weight,
            known=labels,
            covariance_prior=arguments.check_covariance_prior(
                self.covariance_prior, type_, X, sample_weight, k, self.n_threads, patterns),
            weight_concentration=arguments.check_concentration(self.weight_concentration, k),
            fixed=arguments.check_fixed(self.fixed, given, warm),
            n_threads=self.n_threads, patterns=patterns,
        )
        problem.avoid_spikes = self._avoid_spikes
        if warm and (self.means_.shape != (k, n_features) or self._type != type_):
            raise ValueError(
                "warm_start cannot go on: n_components, covariance_type or the number of "
                "columns differ from the last fit"
            )
        return problem, given

    def _reg_covar(self, X, sample_weight, patterns):
        """What is added to the variances, a number or one for each column."""
        if not isinstance(self.reg_covar, str):
            return self.reg_covar
        scale = column_scaling(
            X, sample_weight, self.covariance_type, self.n_threads, patterns).scale
        return AUTO * (scale[0] if self.covariance_type == "spherical" else scale) ** 2

    # --- parameters --------------------------------------------------------------------

    def _parameters(self):
        return Gaussians(*[np.ascontiguousarray(p, dtype=np.float64) for p in (
            self.weights_, self.means_, self.covariances_, self.precisions_cholesky_)])

    def _remember_labels(self, classes):
        if classes is not None:
            self.classes_ = classes
        elif "classes_" in vars(self):
            del self.classes_

    def _set_parameters(self, parameters, dtype=np.float64, fitted=None):
        """What was fitted; `fitted` are its type and what was fixed, those set now when None."""
        type_, fixed = (self.covariance_type, self.fixed) if fitted is None else fitted
        factors = parameters.precisions_cholesky
        precisions = precisions_from_factors(factors, type_)
        if not np.abs(precisions).max() < np.finfo(dtype).max:
            dtype = np.float64      # tiny float32 data: its precisions need the range
        self._fitted_type, self._fitted_fixed = type_, frozenset(fixed)
        self.weights_ = parameters.weights.astype(dtype)
        self.means_ = parameters.means.astype(dtype)
        self.covariances_ = parameters.get_covariances(type_).astype(dtype)
        self.precisions_cholesky_ = factors.astype(dtype)
        self.precisions_ = precisions.astype(dtype)

    # of the fit; of parameters put in by hand, as they are set

    @property
    def _type(self):
        return vars(self).get("_fitted_type", self.covariance_type)

    @property
    def _fixed(self):
        return vars(self).get("_fitted_fixed", self.fixed)

    def _reorder(self, order):
        """Component i becomes the one that was ``order[i]``, in all that is fitted."""
        names = ["weights_", "means_"]
        if self._type != "tied":
            names += ["covariances_", "precisions_", "precisions_cholesky_"]
        for name in names:
            setattr(self, name, getattr(self, name)[order])
        self._examination = self._examination.reordered(order)
        self.degenerate_components_ = np.array(sorted(self._examination.spikes), dtype=np.int64)

    def _n_parameters(self):
        k, n_features = self.means_.shape
        counts = {"covariances": n_covariance_parameters(self._type, k, n_features),
                  "means": k * n_features, "weights": k - 1}
        return sum(n for name, n in counts.items() if name not in self._fixed)

    # --- rows --------------------------------------------------------------------------

    def _rows(self, X, patterns, *want):
        p = self._parameters()
        if patterns is not None:
            out = incomplete_rows(
                X, p.weights, p.means, p.precisions_cholesky, self._type, patterns,
                want, n_threads=self.n_threads)
            return out[want[0]] if len(want) == 1 else [out[name] for name in want]
        out = kernels.e_step(
            X, p.weights, p.means, p.precisions_cholesky, self._type, want=want,
            n_threads=self.n_threads, check_finite=False)
        return out[0] if len(want) == 1 else out

    def score_samples(self, X):
        """Log density of each row, (n_samples,)."""
        return self._rows(*self._validate(X), "log_prob_norm")

    def score(self, X, y=None, *, sample_weight=None):
        """Mean log density of the rows (weighted where weights are given)."""
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        X, patterns = self._validate(X)
        weight = arguments.check_sample_weight(sample_weight, X)
        values = self._rows(X, patterns, "log_prob_norm").astype(np.float64)
        return float(values.mean() if weight is None else np.average(values, weights=weight))

    def predict(self, X):
        """Most probable component of each row, (n_samples,)."""
        return self._rows(*self._validate(X), "labels").astype(np.int64)

    def predict_proba(self, X):
        """Posterior probability of each component for each row, (n_samples, n_components)."""
        return self._rows(*self._validate(X), "resp")

    def impute(self, X):
        """X with every missing value replaced by its mean given the row's observed values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            A copy, float32 for float32 input; observed values are unchanged. A row without any
            value gets the mean of the mixture.
        """
        X, patterns = self._validate(X)
        return X.copy(order="C") if patterns is None else self._rows(X, patterns, "imputed")

    def bic(self, X, *, sample_weight=None):
        """Bayesian information criterion ``-2 log L + p log n``; the lower the better.

        p counts the parameters that are not `fixed`; with weights, n is their sum.
        """
        return self._criteria(X, sample_weight)["bic"]

    def aic(self, X, *, sample_weight=None):
        """Akaike information criterion ``-2 log L + 2 p``; the lower the better."""
        return self._criteria(X, sample_weight)["aic"]

    def icl(self, X, *, sample_weight=None):
        """Integrated completed likelihood: BIC plus twice the entropy of the posterior.

        ``bic + 2 sum_i w_i -sum_k resp_ik log resp_ik``: components that overlap cost; the
        lower the better.

        References
        ----------
        C. Biernacki, G. Celeux, G. Govaert, IEEE Trans. PAMI 22, 2000.
        """
        return self._criteria(X, sample_weight, entropy=True)["icl"]

    def _criteria(self, X, sample_weight, *, entropy=False):
        """log_likelihood, bic, aic and, on request, icl: one pass over the rows."""
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        X, patterns = self._validate(X)
        weight = arguments.check_sample_weight(sample_weight, X)
        n = X.shape[0] if weight is None else float(weight.sum())
        log_likelihood = uncertain = 0.0
        for first in range(0, X.shape[0], 65536):
            rows = slice(first, first + 65536)
            missing = None if patterns is None else kernels.missing_patterns(X[rows])
            w = np.ones(len(X[rows])) if weight is None else weight[rows]
            if entropy:
                resp, densities = self._rows(X[rows], missing, "resp", "log_prob_norm")
                resp = resp.astype(np.float64)
                uncertain -= w @ (resp * np.log(np.where(resp > 0, resp, 1))).sum(axis=1)
            else:
                densities = self._rows(X[rows], missing, "log_prob_norm")
            log_likelihood += float(w @ densities.astype(np.float64))
        p = self._n_parameters()
        out = {"log_likelihood": log_likelihood, "bic": -2 * log_likelihood + p * math.log(n),
               "aic": -2 * log_likelihood + 2 * p}
        if entropy:
            out["icl"] = out["bic"] + 2 * float(uncertain)
        return out

    def sample(self, n_samples=1):
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Grouped by component; drawn with `random_state`.
        y : ndarray of shape (n_samples,)
            Their components.
        """
        check_is_fitted(self)
        if _inputs.whole(n_samples, "n_samples", least=None) < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {n_samples} . The sampling requires at least "
                "one sample."
            )
        rng = _inputs.as_random_state(self.random_state)
        weights = np.asarray(self.weights_, dtype=np.float64)
        counts = rng.multinomial(n_samples, weights / weights.sum())
        n_features = self.means_.shape[1]
        parts = []
        for k, (mean, count) in enumerate(zip(self.means_, counts, strict=True)):
            if self._type in ("full", "tied"):
                covariance = full_covariance(
                    self.covariances_, self._type, k, n_features)
                parts.append(rng.multivariate_normal(mean, covariance, int(count)))
            else:
                normal = rng.standard_normal(size=(count, n_features))
                parts.append(mean + normal * np.sqrt(self.covariances_[k]))
        return np.vstack(parts), np.repeat(np.arange(len(counts)), counts)

    # --- mixtures of some columns --------------------------------------------------------

    def marginal(self, columns):
        """The mixture of some columns.

        Parameters
        ----------
        columns : sequence of int or str
            Which columns, in the order wanted; names where the fit saw names.

        Returns
        -------
        GaussianMixture
        """
        check_is_fitted(self)
        return conditional.marginal(self, columns)

    def condition(self, columns, values):
        """The mixture of the other columns, given values of some.

        Weights are the posterior probabilities given the values; means and covariances are
        the conditional ones of each component.

        Parameters
        ----------
        columns : sequence of int or str
        values : array-like of shape (len(columns),)
            A series whose index are names must have those of the columns, in their order.

        Returns
        -------
        GaussianMixture
            Of covariance type 'full' where the fitted one is 'full' or 'tied', else as fitted.

        References
        ----------
        C. M. Bishop, Pattern Recognition and Machine Learning, 2006, equations 2.81, 2.82.
        """
        check_is_fitted(self)
        return conditional.condition(self, columns, values)

    def regress(self, columns, X):
        """Mean and covariance of the other columns given some, for many rows.

        Parameters
        ----------
        columns : sequence of int or str
            The columns that X holds.
        X : array-like of shape (n_samples, len(columns))
            NaN is a missing value: a row goes by what it has of the columns. A data frame must
            have the names of the columns, in their order.

        Returns
        -------
        mean : ndarray of shape (n_samples, n_others)
        covariance : ndarray of shape (n_samples, n_others, n_others)
            Of the conditional mixture, between components included.
        """
        check_is_fitted(self)
        return conditional.regress(self, columns, X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # --- files ---------------------------------------------------------------------------

    def save(self, path):
        """Write the parameters and the fit to one file (npz with JSON, no pickle).

        The file is written beside `path` and then renamed. A `callback` is not saved; a
        `random_state` only where it is an integer.
        """
        persistence.save(self, path)

    @classmethod
    def load(cls, path):
        """A mixture from :meth:`save`; ValueError for a damaged or foreign file."""
        return persistence.load(cls, path)
