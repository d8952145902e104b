"""Mixtures of factor analysers."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context

from emkernels import _inputs
from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels._words import some
from emkernels.components.factors.mixed import Analysers, FactorComponents
from emkernels.components.gaussian import arguments
from emkernels.components.gaussian.moments import column_means, near_zero, seen
from emkernels.data import Rows, checks
from emkernels.data.checks import Interval, one_of
from emkernels.em import DegenerateWarning, EMWarning
from emkernels.kernels import weighted_moments
from emkernels.latent.mixture import Mixture
from emkernels.models.base import LatentModel
from emkernels.models.chunked import ChunkedFit
from emkernels.models.factors.estimator import about_constant
from emkernels.models.factors.fitting import LEAST_DEVIATION
from emkernels.models.factors.mixture_fitted import FittedFactorMixture
from emkernels.starts.factors import FactorStarts, GivenAnalysers

# Variances with which sums of squares of rows keep their digits.
RANGE = {np.dtype(np.float64): (1e-280, 1e280), np.dtype(np.float32): (1e-24, 1e24)}
# Least deviation of noise: its square has half of the digits.
LEAST_FLOOR = 1e-157
# A component is dead with less than this of a row; collapsed where the noise of such a share of its
# columns is at its bound; what factors explain of a column is too much from this share on.
DEAD, COLLAPSED, EXPLAINED = 1e-2, 0.9, 0.9
# A bound as high as this is there to be reached: that is not worth a word.
HIGH = 1e-2


class MixtureOfFactorAnalyzers(ChunkedFit, FittedFactorMixture):
    """Mixture of factor analysers: the Gaussian mixture for rows of many columns.

    Rows are from one of `n_components` components, drawn by weight, and there ``x = mean_k + L_k z
    + e`` with z standard normal of `n_factors` factors and e normal of the noise variances psi_k:
    the covariance is ``L_k L_k' + diag(psi_k)``, which takes D q numbers where a full one takes
    D^2 / 2. Neither fit nor densities make a matrix of the columns. Values may be missing (at
    random).

    Parameters
    ----------
    n_components : int, default=1
        Number of components.
    n_factors : int, default=1
        Number q of factors of each component.
    shared_noise : bool, default=False
        Whether all components have the same noise variances.
    min_uniqueness : float, default=1e-4
        Least noise variance, as a share of the column's variance over all rows, a bound that does
        not move during a fit (a shared noise variance is averaged first, then bounded). Without it
        the likelihood has no maximum. For tables with columns that hardly vary within some
        components, as pictures have them, 1e-2 is better. Below 1e-6 float32 rows have no digits
        for it, and the objective may fall (with a warning): pass float64 there.
    tol : float, default=1e-3
        EM stops when the objective for one unit of weight (`lower_bound_`) changes by less; 0:
        never.
    max_iter : int, default=100
        Most iterations of EM of a start.
    n_init : int, default=1
        Number of starts; the best is kept. One that ends with a collapsed component is kept only
        where all do.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'} or tuple of these, \
default='kmeans'
        How rows are put together for a start, on standardised columns and at most 20,000 rows;
        loadings are the leading principal components of each cluster, noise what these leave. The
        kinds of a tuple take turns over the starts.
    weights_init : array-like of shape (n_components,), default=None
        Mixing proportions to begin with.
    means_init : array-like of shape (n_components, n_features), default=None
        Means to begin with, in the units of the columns.
    components_init : array-like of shape (n_components, n_factors, n_features), default=None
        Loadings to begin with.
    noise_variance_init : array-like of shape (n_components, n_features), or (n_features,) where \
shared, default=None
        What the start begins with; what is not given comes from clusters (about `means_init`, where
        these are given). Noise variances below the bound of `min_uniqueness` begin at it.
    convergence : {'lower_bound', 'parameters', 'distance'}, default='lower_bound'
        As :class:`GaussianMixture` has it.
    acceleration : {None, 'squarem'}, default=None
        Squared extrapolation with a guard that keeps the objective monotone.
    random_state : int, RandomState, Generator or None, default=None
        What is drawn comes of it: the same number, the same result.
    n_threads : int, default=None
        None: the CPUs this process may use; -1: all. The fit has the same bits for every number.
    verbose : int, default=0
        1 or more: iterations; a bar on a terminal, plain lines elsewhere.
    verbose_interval : int, default=10
        Iterations between two plain lines.
    callback : callable, default=None
        ``callback(EMState)`` after each iteration; a true result ends the fit.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
    components_ : ndarray of shape (n_components, n_factors, n_features)
        Loadings L_k'. They may be turned without a change of the model.
    noise_variance_ : ndarray of shape (n_components, n_features), or (n_features,) where shared
        The covariance of component k is ``components_[k].T @ components_[k] +
        diag(noise_variance_[k])``, see :meth:`get_covariance`.
    covariances_ : ndarray of shape (n_components, n_features, n_features)
        All of them, made when asked for.
    heywood_ : ndarray of int of shape (n, 2)
        Pairs of a component and a column whose noise variance is at its bound.
    converged_ : bool
    n_iter_ : int
        Passes over the data of the best start.
    lower_bound_ : float
        Objective of the best start for one unit of weight.
    lower_bounds_ : list of float
        Its history, which never falls.
    n_parameters_ : int
        ``K - 1 + K D + K (D q - q (q - 1) / 2) + K D`` (shared noise: ``+ D``), D being the columns
        that vary.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.

    See Also
    --------
    FactorAnalysis : One component, with rotations and standard errors.
    GaussianMixture : Covariances of any kind, where the columns are few.
    emkernels.kernels.factor_statistics : The pass of an iteration alone.
    emkernels.plotting.plot_loadings : Picture of the loadings.

    Notes
    -----
    An iteration is one pass over the rows. It updates weights and means by the posterior
    probabilities of the components, then, about the new means, loadings and noise by one step of EM
    for factors: cycles of conditional maximisation with the probabilities of the first one.

    Columns of one value are left out of the model, with a warning: their loadings and noise
    variances are zero, and densities are those of the other columns. A component of few rows
    collapses to the bound of the noise, which `min_uniqueness` makes harmless or not; a warning
    names it. Rows with nothing observed are left out of a fit and have density 1.

    Rows in memory are put in the order of their components, and of more than 128 columns seen along
    a few directions first: both save work in later passes, and neither is kept of blocks of rows
    (:meth:`fit_chunks`), whose passes of many columns take longer.

    References
    ----------
    Z. Ghahramani, G. E. Hinton, The EM algorithm for mixtures of factor analyzers, University of
    Toronto, CRG-TR-96-1, 1996; G. J. McLachlan, D. Peel, Finite Mixture Models, 2000, chapter 8;
    X.-L. Meng, D. van Dyk, Journal of the Royal Statistical Society B 59, 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import MixtureOfFactorAnalyzers
    >>> rng = np.random.default_rng(0)
    >>> z, noise = rng.normal(size=(400, 1)), rng.normal(size=(400, 6))
    >>> X = z * [2, 1, 0, -1, 2, 1] + noise + 8 * (np.arange(400) % 2)[:, None]
    >>> model = MixtureOfFactorAnalyzers(2, random_state=0).fit(X)
    >>> model.components_.shape, sorted(abs(model.means_[:, 2]).round().tolist())
    ((2, 1, 6), [0.0, 8.0])
    >>> bool((model.predict(X[::2]) == model.predict(X[:1])).all())
    True
    """

    _parameter_constraints = {
        **LatentModel._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_factors": [Interval(Integral, 1, None, closed="left")],
        "shared_noise": ["boolean"],
        "min_uniqueness": [Interval(Real, 0.0, 1.0, closed="neither")],
        "init_params": [one_of(*arguments.STARTS), tuple],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "components_init": ["array-like", None],
        "noise_variance_init": ["array-like", None],
    }

    def __init__(self, n_components=1, n_factors=1, *, shared_noise=False, min_uniqueness=1e-4,
                 tol=1e-3, max_iter=100, n_init=1, init_params="kmeans", weights_init=None,
                 means_init=None, components_init=None, noise_variance_init=None,
                 convergence="lower_bound", acceleration=None, random_state=None, n_threads=None,
                 verbose=0, verbose_interval=10, callback=None):
        self.n_components = n_components
        self.n_factors = n_factors
        self.shared_noise = shared_noise
        self.min_uniqueness = min_uniqueness
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.components_init = components_init
        self.noise_variance_init = noise_variance_init
        self.convergence = convergence
        self.acceleration = acceleration
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback

    def fit(self, X, y=None, *, sample_weight=None):
        """Estimate the parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            NaN is a missing value: the likelihood is then that of the observed values.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice; rows of weight 0 are left out.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        ValueError
            Bad parameters or data (the argument, row or column is named), no column varies, or
            every start collapsed; the estimator then stays as it was.
        KeyboardInterrupt
            Ctrl-C. Where an iteration was complete, the estimator then has the parameters of the
            last one, with ``converged_`` False; else it stays as it was.
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
        return self._fit(X, sample_weight).predict(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight):
        return self._fit_source(self._rows_to_fit(X, sample_weight))

    def _fit_source(self, rows):
        """Fit to rows, or to blocks of rows."""
        if not isinstance(rows, Rows):
            rows = self._source_to_fit(rows)
        if len(rows) < self.n_components:
            raise ValueError(f"Expected n_samples >= n_components but got n_components = "
                             f"{self.n_components}, n_samples = {len(rows)} (of positive weight)")
        given = self._given(rows)
        kinds = arguments.check_init_params(self.init_params)
        varying, center, scale = column_units(rows)
        inner, origin = near_zero(rows.take(columns=varying), center, scale)
        floor = np.sqrt(self.min_uniqueness) * scale
        if scale.min() < LEAST_DEVIATION or floor.min() < LEAST_FLOOR:
            column = rows.column_names[varying[int(scale.argmin())]]
            raise ValueError(f"column {column} varies by {scale.min():.3g}: the square of that, or "
                             "min_uniqueness times it, is no number of float64 with all digits. "
                             "Rescale the column")
        family = FactorComponents(center - origin, scale, floor, self.shared_noise)
        start = FactorStarts(
            inner, family, (self.n_components, self.n_factors), kinds,
            rows.random_state(self.random_state), given.of_columns(varying).about(origin))
        with one_thread(self.n_components * self.n_factors):    # no matrix of the columns
            result = self._run(
                Mixture(family), inner, start, callback=_of_origin(self.callback, origin),
                is_degenerate=lambda p: len(_collapsed(family.at_bound(p), p)) > 0)
        result.parameters = _moved(result.parameters, origin)
        # --- nothing can fail from here on
        self._set_parameters(result.parameters, rows, varying, self.shared_noise)
        pairs = family.at_bound(result.parameters)
        self.heywood_ = np.column_stack([pairs[:, 0], varying[pairs[:, 1]]])
        self._remember(result, rows)
        self._tell(result, rows)
        if result.history:
            self._tell_of_components(result, rows, varying, pairs)
        return self

    def _given(self, rows):
        """What the parameters say of the start, checked."""
        K, q, D = self.n_components, self.n_factors, rows.n_features
        if rows.names is not None:
            for name in ("means_init", "noise_variance_init"):
                _inputs.check_names(getattr(self, name), rows.names, name, "X")
        weights = arguments.check_weights(self.weights_init, K)
        means = arguments.check_means(self.means_init, K, D)
        components = _checked(self.components_init, "components_init", (K, q, D))
        noise = _checked(self.noise_variance_init, "noise_variance_init",
                         (D,) if self.shared_noise else (K, D), positive=True)
        if noise is not None and noise.ndim == 1:
            noise = np.repeat(noise[None], K, axis=0)
        return GivenAnalysers(weights, means, components, noise)

    def _tell_of_components(self, result, rows, varying, pairs):
        """What is wrong with the components."""
        p, names = result.parameters, rows.column_names
        for text in about_constant(names, varying):
            warn(text, EMWarning)
        if self.n_factors > len(varying):
            warn(f"n_factors={self.n_factors} is more than the {len(varying)} columns that vary: "
                 "so many factors say no more than fewer do", EMWarning)
        collapsed = _collapsed(pairs, p)
        dead = np.flatnonzero(p.weights * rows.total < DEAD * rows.total / len(rows))
        collapsed = [k for k in collapsed if k not in dead]
        if len(dead):
            numbers = some([str(k) for k in dead])
            warn(f"component(s) {numbers} without a row: use fewer components, or another start "
                 "(init_params, n_init)", DegenerateWarning)
        if collapsed:
            numbers = some([str(k) for k in collapsed])
            warn(f"component(s) {numbers} collapsed: the noise of nine in ten of their columns, or "
                 "of more, is at its bound, and likelihood, BIC and AIC grow by it for "
                 "nothing. Use fewer components or factors, or a larger min_uniqueness",
                 DegenerateWarning)
        if self.min_uniqueness >= HIGH:
            return
        explained = (p.components.components**2).sum(axis=1)
        surprising = [
            (k, j) for k, j in pairs if k not in collapsed and k not in dead
            and explained[k, j] > EXPLAINED * (explained[k, j] + p.deviations[k, j]**2)]
        if surprising:
            texts = [f"column {names[varying[j]]} in component {k}" for k, j in surprising]
            warn(f"factors explain {some(texts, 3)} entirely (Heywood cases): the noise variance "
                 "is at its bound, see heywood_. Use fewer factors, or a larger min_uniqueness",
                 EMWarning)


def column_units(rows):
    """Which columns vary, their means and standard deviations; ValueError where none does."""
    center = variance = None
    if isinstance(rows, Rows) and rows.patterns is None:
        center = column_means(rows)
        origin = seen(center, rows)
        moments = weighted_moments(
            rows.X, np.zeros(len(rows), np.int32), origin[None], "diag", rows.sample_weight,
            n_threads=rows.n_threads, check_finite=False)
        variance = moments.second[0] / moments.counts[0] - (
            moments.first[0] / moments.counts[0]) ** 2
        low, high = RANGE[rows.dtype]
        low = np.maximum(low, (4 * np.finfo(rows.dtype).eps * center) ** 2)
        if not ((variance > low) & (variance < high)).all():
            variance = None
    if variance is None:    # blocks, missing values, columns of one value, squares that underflow
        summary = rows.summary()
        varying = np.flatnonzero(~summary.constant & (summary.deviations > 0))
        if not len(varying):
            raise ValueError("no column of X varies: there is nothing to fit")
        return varying, summary.means[varying], summary.deviations[varying]
    return np.arange(len(center)), center, np.sqrt(variance)


def _moved(parameters, origin):
    """The parameters of rows from which `origin` was taken, as they are of the rows themselves."""
    own = parameters.components
    return replace(parameters, components=Analysers(
        own.means + origin, own.components, own.deviations))


def _of_origin(callback, origin):
    """A callback that sees the means as they are."""
    if callback is None or not origin.any():
        return callback
    return lambda state: callback(replace(state, parameters=_moved(state.parameters, origin)))


def _checked(values, name, shape, positive=False):
    """Finite numbers of a shape; None for None."""
    if values is None:
        return None
    values = checks.numbers(values, name)
    if values.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {values.shape}")
    checks.check_numbers_finite(values, name)
    if positive and not (values > 0).all():
        *k, column = np.argwhere(~(values > 0))[0]
        where = "".join(f"component {i}, " for i in k) + f"column {column}"
        raise ValueError(f"{name} must be positive, got {values[(*k, column)]} for {where}")
    return values


def _collapsed(pairs, parameters):
    """Components with the noise of so many columns at its bound; a single column that factors
    explain does no harm."""
    K, D = parameters.means.shape
    if D == 1:
        k = pairs[:, 0]
        explained = (parameters.components.components[k, :, 0] ** 2).sum(axis=1)
        pairs = pairs[explained <= parameters.components.deviations[k, 0] ** 2]
    return np.flatnonzero(np.bincount(pairs[:, 0], minlength=K) >= COLLAPSED * D)
