"""The Gaussian mixture: how it is fitted."""

from dataclasses import replace

import numpy as np
from sklearn.base import _fit_context

from emkernels.components.gaussian import arguments
from emkernels.components.gaussian.degenerate import Spikes
from emkernels.data import Rows, checks
from emkernels.data.source import Source
from emkernels.em import DegenerateFitError, Progress, run_em
from emkernels.kernels import passes
from emkernels.models.chunked import ChunkedFit
from emkernels.models.mixture.fitted import FittedMixture
from emkernels.models.mixture.options import OPTIONS, check_rows
from emkernels.models.mixture.preparing import prepare
from emkernels.models.mixture.report import examined, tell
from emkernels.models.mixture.stepwise import StepwiseMixture
from emkernels.starts.mixture import start_parameters
from emkernels.starts.sampled import SampledStarts


class GaussianMixture(ChunkedFit, StepwiseMixture, FittedMixture):
    """Gaussian mixture, a drop-in for :class:`sklearn.mixture.GaussianMixture`.

    Maximises ``sum_i w_i log sum_k weights_k N(x_i | means_k, covariances_k)`` (plus the log
    densities of the priors, where set) by EM. Parameters, attributes and methods are
    scikit-learn's; what comes on top is marked *more*.

    Parameters
    ----------
    n_components : int, default=1
        Number of components.
    covariance_type : {'full', 'tied', 'diag', 'spherical', 'EII', 'VII', 'EEI', 'VEI', 'EVI', \
'VVI', 'EEE', 'VEE', 'EVE', 'VVE', 'EEV', 'VEV', 'EVV', 'VVV'}, default='full'
        *More*: those of three letters, see Notes.
    tol : float, default=1e-3
        EM stops when the objective for one row (`lower_bound_`) changes by less.
    reg_covar : float or 'auto', default=1e-6
        Added to every variance. Not part of the objective, which may therefore fall a
        little; `covariance_prior` is the alternative that EM maximises exactly. *More*:
        'auto' is a millionth of each column's variance (of their mean for 'spherical'),
        whatever the columns are measured in.
    max_iter : int, default=100
        Most iterations of EM of a start.
    n_init : int, default=1
        Number of starts; the best is kept, collapsed ones are dropped with a warning. A
        start that ends with degenerate components is kept only where all do.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'} or tuple of these, \
default='kmeans'
        *More*: the kinds of a tuple take turns over the starts.
    weights_init : array-like of shape (n_components,), default=None
        With `noise` one more, its own, the last.
    means_init : array-like of shape (n_components, n_features), default=None
        Means to begin with, in the units of the columns.
    precisions_init : array-like, default=None
        Start precisions (inverse covariances), of the shape of the covariance type. Where those
        for a type of three letters are not of it, EM begins with what its M-step makes of
        components that have them, weighed by `weights_init`.
    random_state : int, RandomState, Generator or None, default=None
        What is drawn comes of it: the same number, the same result.
    warm_start : bool, default=False
        Whether a fit begins with the parameters of the last one.
    verbose : int, default=0
        1 or more: iterations; a bar on a terminal, plain lines elsewhere.
    verbose_interval : int, default=10
        Iterations between two plain lines.
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
        *More.* Squared extrapolation with a guard that keeps the objective monotone; a start that
        collapses is made again by plain steps (`callback` sees both).
    callback : callable, default=None
        *More.* ``callback(EMState)`` after each iteration; a true result ends the fit.
    covariance_prior : None, 'empirical' or pair (dof, scale), default=None
        *More.* Inverse-Wishart prior on every covariance (inverse gamma on every variance
        for 'diag' and 'spherical'), part of the objective. scale is a number (times the
        identity), a vector (a diagonal) or a matrix. 'empirical': ``n_features + 2``
        degrees of freedom and the covariance of X divided by ``n_components ** (2 /
        n_features)``, as in mclust. One covariance for all (tied, EEE, EEI, EII) has it once.
    weight_concentration : None, float or array-like of shape (n_components,), default=None
        *More.* Dirichlet prior on the weights, at least 1, part of the objective. With `noise`
        one more, its own, the last.
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
    noise : None, True or float, default=None
        *More.* A component of constant density beside the others, for rows that belong to none:
        ``weights_noise density`` is added to the density of a row. True: one over a volume, by
        mclust's rule that of the smaller box about the rows of those along the columns and along
        the principal axes. A number: the density itself. See Notes.
    step_exponent : float in (0.5, 1], default=0.6
        The larger, the less late batches of :meth:`partial_fit` count.
    step_offset : float, default=10
        *More.* How much a batch of :meth:`partial_fit` counts, which reads them each time.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        With `noise` one more, its own, the last.
    means_ : ndarray of shape (n_components, n_features)
    covariances_, precisions_, precisions_cholesky_ : ndarray
        Shapes (n_components, n_features, n_features), (n_features, n_features),
        (n_components, n_features) or (n_components,) by covariance type; for those of three
        letters the first of these.
    n_parameters_ : int
        *More.* How many free parameters there are, those that are `fixed` left out.
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
    noise_box_ : ndarray of shape (2, n_features)
        *More.* With `noise`: the lower and the upper corner of the box along the columns about the
        rows, shrunk or stretched about its centre to the volume that the noise has.
    noise_log_density_ : float
        *More.* Minus the log of that volume.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.

    See Also
    --------
    select_mixture : Choose the number of components and the covariance type.
    StudentTMixture : Components with heavy tails, for rows with outliers.
    KMeans : Spheres of one size and hard labels, in less time.
    GaussianMixtureImputer : Completed rows by a mixture.
    MixtureOfFactorAnalyzers : Mixtures of rows of many columns.
    sklearn.mixture.GaussianMixture : What this is a drop-in for.
    emkernels.plotting.plot_mixture : Picture of the components.

    Notes
    -----
    Methods go by the fit: of parameters set after it they read `n_threads`, `verbose` and
    `random_state` alone.

    The types of three letters are those of mclust. Every covariance is ``volume * Q diag(shape)
    Q'``, with lengths of axes whose product is one and axes Q; a letter for each of volume, shape
    and axes says that the components share it (E), have one each (V), or that there is none (I: a
    sphere, or the axes of the columns). With k components and d columns the covariances have

    - EII spheres of one size: 1 parameter; VII spheres: k;
    - EEI one diagonal: d; VEI diagonals of one shape: k + d - 1; EVI diagonals of one volume:
      1 + k (d - 1); VVI any diagonals, as 'diag': k d;
    - EEE one matrix, as 'tied': d (d + 1) / 2; VEE multiples of one: k - 1 + d (d + 1) / 2;
    - EVE one volume, the same axes: 1 + k (d - 1) + a with a = d (d - 1) / 2; VVE the same axes:
      k d + a;
    - EEV one volume and shape: d + k a; VEV one shape: k + d - 1 + k a; EVV one volume:
      1 + k (d - 1) + k a; VVV any matrices, as 'full': k d (d + 1) / 2.

    Of these, `reg_covar` is added to what the data say of each component before what is shared is
    imposed. VII, EII and the types that share a shape or axes but not both (EVE, VVE, EEV, VEV)
    depend on the units of the columns. Starts of single rows ('k-means++',
    'random_from_data') begin with the covariance of all rows, where 'full', 'diag' and 'spherical'
    begin with `reg_covar` alone, as in scikit-learn.

    With `noise`, `predict` gives -1 for rows that are most probably noise, and `predict_proba`
    has a last column for it. Its density is the same outside of the box too. Weight and volume
    count as two parameters. `sample` draws noise evenly in `noise_box_`, after the components. A
    row with missing values has the density of the edges of `noise_box_` along the columns that it
    has (and with such rows in a fit, only the box along the columns is looked at). `labels` cannot
    say that a row is noise, and a row with a label is none. `marginal`, `condition` and `regress`
    leave noise out, with a warning. A start is made of the rows that have near neighbours (S.
    Byers, A. E. Raftery, JASA 93, 1998); noise begins with the share of the others.

    References
    ----------
    A. P. Dempster, N. M. Laird, D. B. Rubin, JRSS B 39, 1977.
    C. Fraley, A. E. Raftery, Bayesian regularization for normal mixture estimation and
    model-based clustering, Journal of Classification 24, 2007 (the priors).
    G. Celeux, G. Govaert, Gaussian parsimonious clustering models, Pattern Recognition 28, 1995;
    R. P. Browne, P. D. McNicholas, Estimating common principal components in high dimensions,
    Adv. Data Anal. Classif. 8, 2014 (the types of three letters).
    J. D. Banfield, A. E. Raftery, Model-based Gaussian and non-Gaussian clustering, Biometrics
    49, 1993; C. Fraley, A. E. Raftery, Model-based clustering, discriminant analysis, and density
    estimation, JASA 97, 2002 (noise).

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

    _parameter_constraints: dict = OPTIONS

    def __init__(self, n_components=1, *, covariance_type="full", tol=1e-3, reg_covar=1e-6,
                 max_iter=100, n_init=1, init_params="kmeans", weights_init=None,
                 means_init=None, precisions_init=None, random_state=None, warm_start=False,
                 verbose=0, verbose_interval=10, n_threads=None, convergence="lower_bound",
                 acceleration=None, callback=None, covariance_prior=None,
                 weight_concentration=None, fixed=(), init_scaling=None, short_iter=None,
                 noise=None, step_exponent=0.6, step_offset=10):
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
        self.noise = noise
        self.step_exponent = step_exponent
        self.step_offset = step_offset

    _elsewhere = {
        **FittedMixture._elsewhere,
        "cluster_centers_": "the means of the components are means_",
        "inertia_": "the objective is lower_bound_",
        **dict.fromkeys(("n_iter_", "converged_", "lower_bound_", "lower_bounds_"),
                        "fit sets it, and this mixture was made of parameters or is not fitted"),
    }

    # --- fitting ---------------------------------------------------------------------

    def fit(self, X, y=None, *, sample_weight=None, labels=None):
        """Estimate the parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            Read in place, in any layout. NaN (None, NA, a masked cell, a null) is a missing
            value: the likelihood is then that of the observed values (missing at random).
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.
        labels : array-like of shape (n_samples,), optional
            The component of rows that are known: whole numbers of any type, or False and True,
            or texts, which are numbered in the order of sorting (a categorical: of its
            categories), see `classes_`. -1 or missing for the others.

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
        """Fit, then the most probable component of every row; parameters as in :meth:`fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN where missing.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.
        labels : array-like of shape (n_samples,), optional
            The component of rows that are known; -1 or missing for the others.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            -1 for noise, where there is any.

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`; the estimator then stays as it was.
        """
        return self._each(self._fit(X, sample_weight, labels), "labels").astype(np.int64)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight, labels, avoid_spikes=True):
        """Fit; the rows. `avoid_spikes`: whether a start that ends with spikes is worse than any
        without."""
        if isinstance(X, Source):
            return self._fit_source(X, None, avoid_spikes)
        rows = Rows.read(X, self, min_samples=2)
        check_rows(self, rows)
        checks.check_labelled(self, rows, sample_weight, labels)
        codes, classes = checks.check_labels(labels, len(rows), self.n_components)
        rows = rows.weighed(sample_weight, rows.largest).labelled(codes)
        return self._fit_source(rows.with_(n_threads=self.n_threads), classes, avoid_spikes)

    def _fit_source(self, rows, classes=None, avoid_spikes=True):
        """Fit to rows, or to blocks of rows."""
        if not isinstance(rows, Rows):
            check_rows(self, rows)
            checks.check_labelled(self, rows)
        warm = self.warm_start and hasattr(self, "converged_")
        mixture, given = prepare(self, rows, warm)
        spikes = Spikes(rows, mixture.components.structure)
        result = self._run(rows, mixture, given, warm, spikes if avoid_spikes else None)
        found = examined(rows, mixture, result, spikes)
        # --- nothing can fail from here on
        checks.remember_columns(self, rows)
        self._set_parameters(result.parameters, rows.dtype, fixed=self.fixed)
        self._remember_labels(classes)
        self._remember_examination(found)
        self.n_iter_, self.converged_ = result.n_iter, result.converged
        self.lower_bound_, self.lower_bounds_ = result.lower_bound, result.history
        self._fitted_weight, self._fitted_rows = rows.total, rows.n_positive
        if result.interrupted:
            raise KeyboardInterrupt
        tell(self, result, found, rows)
        return rows

    def _run(self, rows, mixture, given, warm, spikes, max_iter=None):
        """EM from the starts that the parameters ask for."""
        max_iter = self.max_iter if max_iter is None else max_iter
        options = {"max_iter": max_iter, "tol": self.tol, "convergence": self.convergence,
                   "acceleration": self.acceleration, "callback": self.callback}

        def run(start, n_init, **more):
            progress = None if not self.verbose else Progress(
                self.verbose, self.verbose_interval, n_init, max_iter)
            with passes.KeptRooms():
                return run_em(mixture, rows, start, n_init=n_init, progress=progress,
                              is_degenerate=spikes, **options, **more)

        if warm:
            return run(lambda i: replace(self._parameters(), noise=given.noise), 1,
                       previous_bound=self.lower_bound_)
        kinds = arguments.check_init_params(self.init_params)
        random_state = rows.random_state(self.random_state)
        # one component has one maximum, but beside noise several
        alone = self.n_components == 1 and given.noise is None
        n_init = 1 if self.short_iter is not None and alone else self.n_init
        short = self.short_iter is not None and n_init > 1
        if given.all or (self.init_scaling is None and not short and isinstance(rows, Rows)):
            def start(i):
                return start_parameters(rows, mixture, self.n_components, kinds[i % len(kinds)],
                                        random_state, given)
        else:
            start = SampledStarts(
                rows, mixture, self.n_components, kinds, random_state, given,
                standardise=self.init_scaling is not None, avoid_spikes=spikes is not None)
        if not short:
            return run(start, n_init)
        best, n_failed = start.best_of(
            n_init, self.short_iter, **{**options, "callback": None})
        try:
            result = run(lambda i: best, 1)
        except DegenerateFitError:      # it collapsed after all: the others, to their ends
            n_failed = 0
            result = run(start, n_init)
        result.n_failed += n_failed
        return result

