"""Factor analysis."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context

from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels._words import some
from emkernels.components.factors import updates
from emkernels.data import Rows
from emkernels.data.checks import Interval, one_of
from emkernels.em import EMWarning
from emkernels.models.base import LatentModel
from emkernels.models.chunked import ChunkedFit
from emkernels.models.factors.fitted import SCORES, FittedFactors
from emkernels.models.factors.fitting import Fit, check_starts, scaled
from emkernels.models.factors.rotation import ROTATIONS, rotate


class FactorAnalysis(ChunkedFit, FittedFactors):
    """Factor analysis by maximum likelihood, and probabilistic principal components.

    Rows are ``x = mean + L z + e``: z standard normal of `n_components` factors, e normal with
    the noise variances psi, so that x has the covariance ``L L' + diag(psi)``. Values may be
    missing (at random).

    Parameters
    ----------
    n_components : int, default=1
        Number q of factors.
    noise : {'diagonal', 'isotropic'}, default='diagonal'
        A noise variance of each column, or one of all: probabilistic principal components, for
        which the units of the columns matter.
    rotation : {'varimax', 'quartimax', 'promax', 'oblimin'}, optional
        As :func:`emkernels.models.factors.rotation.rotate` does it to the loadings of
        standardised columns; the fit is the same. Factors are correlated after the last two.
    kaiser : bool, optional
        Kaiser's normalisation of the rows of loadings while they are rotated. None: True for
        varimax and promax, False for quartimax and oblimin, as R has it.
    scores : {'regression', 'bartlett'}, default='regression'
        What `transform` gives.
    n_init : int, optional
        Starts, the best is kept: the likelihood of factors has several maxima. They begin with
        squared multiple correlations, with columns as factors, with pairs of columns, and then at
        random; one that comes to where another has ended is left there. None: 6, of more than 128
        columns 1, from their principal components. Isotropic noise without missing values has one
        maximum, in closed form.
    method : {'newton', 'em'}, default='newton'
        Newton's method on the likelihood of the noise variances, the loadings being the best for
        them; or plain EM, which can take thousands of iterations. With missing values it is what
        the M-step does to the completed moments.
    tol : float, default=1e-6
        The iterations stop by it as `convergence` says; 0: never.
    max_iter : int, default=1000
        Most iterations of a start.
    convergence : {'distance', 'lower_bound', 'parameters'}, default='distance'
        'distance': the estimated distance from the maximum is less than `tol`, in every parameter
        of the standardised columns and in the log-likelihood (of weights of mean 1). 'lower_bound'
        and 'parameters' look at the last step, of the log-likelihood for one unit of weight, or
        of the parameters of standardised columns.
    acceleration : {'squarem', None}, default=None
        Of the steps of EM (of all but Newton's on rows that lack nothing).
    min_uniqueness : float, default=1e-8
        Least noise variance, as a share of the column's variance (of their mean where isotropic):
        the likelihood of some tables grows as it goes to zero. R's `factanal` has 0.005.
    noise_variance_init : array-like of shape (n_features,) or float, optional
        Noise variances that the first start begins with, positive.
    components_init : array-like of shape (n_components, n_features), optional
        Loadings that it begins with. Of what is not given, the best for the other is taken.
    n_threads : int, default=None
        None: the CPUs this process may use; -1: all. The same bits for every number.
    random_state : int, RandomState, Generator or None, default=0
        For the random starts, and those of rotations.
    verbose : int, default=0
        1 or more: iterations; a bar on a terminal, plain lines elsewhere.
    verbose_interval : int, default=10
        Iterations between two plain lines.
    callback : callable, default=None
        ``callback(EMState)`` after each iteration, with parameters of standardised columns; a
        true result ends the fit.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Loadings L', in the units of the columns. Unrotated they are canonical: ``L' psi^-1 L`` is
        diagonal and falls, and each factor's loadings sum to 0 or more. Rotated: factors in the
        order of their sums of squared loadings of standardised columns, with the same signs.
    noise_variance_ : ndarray of shape (n_features,), or float where isotropic
    mean_ : ndarray of shape (n_features,)
    factor_correlation_ : ndarray of shape (n_components, n_components)
        Phi; the identity where factors are not correlated. The covariance of x is
        ``components_.T @ Phi @ components_ + diag(noise_variance_)``.
    rotation_matrix_ : ndarray of shape (n_components, n_components)
        T: unrotated factors z become ``T' z``; ``Phi = T' T``.
    standardized_components_ : ndarray of shape (n_components, n_features)
        The loadings of standardised columns, which have no unit.
    communalities_ : ndarray of shape (n_features,)
        Share of each column's variance in the model that the factors explain.
    heywood_ : ndarray of int
        Columns whose noise variance is at its bound; all of them or none where isotropic.
    n_iter_ : int
        Iterations of the best start.
    converged_ : bool
    lower_bound_ : float
    lower_bounds_ : list of float
        Log-likelihood for one unit of weight, at the parameters that each iteration of the best
        start began with; it never falls.
    n_parameters_ : int
        ``D + D q - q (q - 1) / 2 + D`` (isotropic: + 1), D being the columns that vary.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.

    See Also
    --------
    select_factors : Choose how many factors there are.
    parallel_analysis : Compare eigenvalues with those of noise.
    MixtureOfFactorAnalyzers : Factors within each of several components.
    sklearn.decomposition.FactorAnalysis : Without missing values or standard errors.
    emkernels.plotting.plot_loadings : Picture of the loadings.

    Notes
    -----
    The likelihood does not depend on the units of the columns (that of isotropic noise does), and
    rows that lack nothing are read once: what follows works on their correlations.

    Columns of one value are left out of the model (but for isotropic noise): their loadings and
    noise variances are zero, and densities are those of the other columns. Columns that the factors
    explain entirely (Heywood cases, equal columns, no more rows than columns) have a noise variance
    at the bound, with a warning. A model with more parameters than there are variances and
    covariances fits, with a warning that it is not identified.

    Rows with nothing observed are left out of the fit, and have density 1 and the scores 0.

    Blocks of rows (:meth:`fit_chunks`) that lack nothing are read twice, the survey included, and
    five times where a column has one value; others in every iteration. Of 256 columns and more that
    are twice as many as the rows in all blocks, no matrix is made, as in `fit`: the rows, which are
    fewer numbers than that, are put together in memory.

    References
    ----------
    K. G. Joreskog, Psychometrika 32, 1967; D. N. Lawley, A. E. Maxwell, Factor Analysis as a
    Statistical Method, 1971; D. B. Rubin, D. T. Thayer, Psychometrika 47, 1982; M. E. Tipping, C.
    M. Bishop, Journal of the Royal Statistical Society B 61, 1999.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import FactorAnalysis
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(500, 1))
    >>> X = z * [1.0, 2.0, 0.5, 1.5] + rng.normal(size=(500, 4))
    >>> model = FactorAnalysis().fit(X)
    >>> model.components_.round(1)
    array([[1. , 2. , 0.6, 1.5]])
    >>> X[0, 1] = np.nan
    >>> model.transform(X[:2]).shape
    (2, 1)
    """

    _parameter_constraints = {
        **LatentModel._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left"), None],
        "noise": [one_of("diagonal", "isotropic")],
        "rotation": [one_of(*ROTATIONS), None],
        "kaiser": ["boolean", None],
        "scores": [one_of(*SCORES)],
        "method": [one_of("newton", "em")],
        "min_uniqueness": [Interval(Real, 0.0, 1.0, closed="neither")],
        "noise_variance_init": ["array-like", Interval(Real, 0.0, None, closed="neither"), None],
        "components_init": ["array-like", None],
    }

    def __init__(self, n_components=1, *, noise="diagonal", rotation=None, kaiser=None,
                 scores="regression", n_init=None, method="newton", tol=1e-6, max_iter=1000,
                 convergence="distance", acceleration=None, min_uniqueness=1e-8,
                 noise_variance_init=None, components_init=None, n_threads=None,
                 random_state=0, verbose=0, verbose_interval=10, callback=None):
        self.n_components = n_components
        self.noise = noise
        self.rotation = rotation
        self.kaiser = kaiser
        self.scores = scores
        self.n_init = n_init
        self.method = method
        self.tol = tol
        self.max_iter = max_iter
        self.convergence = convergence
        self.acceleration = acceleration
        self.min_uniqueness = min_uniqueness
        self.noise_variance_init = noise_variance_init
        self.components_init = components_init
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback

    def fit(self, X, y=None, sample_weight=None):
        """Estimate the parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), float32 or float64
            NaN where missing.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        ValueError
            Bad parameters or data, which are named, or a table in which nothing varies; the
            estimator stays as it was.
        KeyboardInterrupt
            Ctrl-C. Where an iteration was complete, the estimator then has the parameters of
            the last one, with ``converged_`` False; else it stays as it was.

        Warns
        -----
        EMWarning
            Columns at the bound of the noise variances, or left out; too many factors.
        ConvergenceWarning
            `max_iter` was too small.
        """
        self._fit(X, sample_weight)
        return self

    def fit_transform(self, X, y=None, sample_weight=None):
        """Fit, then the scores of the same rows; parameters as in :meth:`fit`.

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
        ndarray of shape (n_samples, n_components), or the container of `set_output`
            Scores, as :meth:`transform` gives them.

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`; the estimator then stays as it was.
        """
        rows = Rows.read(X, self, min_samples=2)
        self._fit(rows, sample_weight)
        scores = self._posterior().means(self._inner(rows), self.scores == "bartlett")
        return scores.astype(rows.dtype)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight):
        self._fit_source(self._rows_to_fit(X, sample_weight))

    def _fit_source(self, rows):
        """Fit to rows, or to blocks of rows."""
        if not isinstance(rows, Rows):
            rows = self._source_to_fit(rows)
        given = check_starts(self, rows)
        with one_thread(rows.n_features):
            data = scaled(rows, self.noise == "isotropic")
            _, result = Fit(self, data, given, self._run,
                            rows.random_state(self.random_state)).result()
            found = self._attributes(rows, data, result)
        # --- nothing can fail from here on
        self._remember(result, rows)
        self._varying = data.varying
        for name, value in found.items():
            setattr(self, name, value)
        for text in self._remarks(rows, data):
            warn(text, EMWarning)
        self._tell(result, rows)

    def _attributes(self, rows, data, result):
        """What was fitted, in the units of the rows."""
        p, D, q, v = result.parameters, rows.n_features, self.n_components, data.varying
        isotropic = self.noise == "isotropic"
        standard = updates.canonical(p.components, p.noise)
        signs = np.where((standard * data.scale / data.scale.max()).sum(axis=1) < 0, -1.0, 1.0)
        standard *= signs[:, None]
        shared = (standard**2).sum(axis=0)
        matrix, correlation, loadings = np.eye(q), np.eye(q), standard * data.scale
        if self.rotation is not None:
            rotation = rotate(loadings.T, self.rotation, kaiser=self.kaiser,
                              scale=data.scale * np.sqrt(shared + p.noise),
                              random_state=self.random_state)
            loadings, matrix, correlation = (
                rotation.loadings.T, rotation.matrix, rotation.correlation)
        out = {"mean_": np.empty(D), "components_": np.zeros((q, D)),
               "factor_correlation_": correlation, "rotation_matrix_": matrix,
               "communalities_": np.zeros(D),
               "noise_variance_": float(p.noise[0] * data.scale[0]**2) if isotropic else (
                   np.zeros(D))}
        if len(v) < D:
            out["mean_"][:] = rows.summary().low
        out["mean_"][v] = data.mean + p.mean * data.scale
        out["components_"][:, v] = loadings
        out["communalities_"][v] = shared / (shared + p.noise)
        at_bound = p.noise <= self.min_uniqueness * (1 + 1e-6)
        out["heywood_"] = v[at_bound]
        if not isotropic:
            out["noise_variance_"][v] = p.noise * data.scale**2
        return out

    def _remarks(self, rows, data):
        """What there is to say of the table and the fit."""
        names, D, q = rows.column_names, len(data.varying), self.n_components
        isotropic = self.noise == "isotropic"
        yield from about_constant(names, data.varying)
        if self.kaiser and self.rotation is None:
            yield "kaiser=True is for a rotation, and without one says nothing"
        if degrees_of_freedom(D, q, isotropic) < 0:
            most = max((k for k in range(1, D) if degrees_of_freedom(D, k, isotropic) >= 0),
                       default=0)
            yield (f"{q} factor{'s' * (q > 1)} of {D} varying column{'s' * (D > 1)} "
                   f"{'are' if q > 1 else 'is'} not identified: the model has more parameters than "
                   "there are variances and covariances, and other loadings fit as well; "
                   + (f"at most {most} {'are' if most > 1 else 'is'}" if most else
                      f"one factor needs {2 if isotropic else 3} columns"))
        if rows.n_positive <= D and not isotropic:
            yield (f"{rows.n_positive} rows are no more than the {D} varying columns: their "
                   "covariance is singular, and where factors explain columns entirely only "
                   "min_uniqueness keeps the likelihood finite")
        if isotropic and len(self.heywood_):
            yield ("the factors explain all there is: the noise variance is at its bound, "
                   f"{self.min_uniqueness:.0e} of the mean variance of the columns")
        elif len(self.heywood_):
            several = len(self.heywood_) > 1
            yield (f"column{'s' * several} {some([names[j] for j in self.heywood_])} "
                   f"{'are' if several else 'is'} explained entirely by the factors (Heywood "
                   f"case{'s' * several}): the noise variance is at its bound, "
                   f"{self.min_uniqueness:g} of the column's variance. Fewer factors, or leaving "
                   "out one of the columns that say the same, may help")


def about_constant(names, varying):
    """What there is to say of columns of one value."""
    fixed = np.setdiff1d(np.arange(len(names)), varying)
    if len(fixed):
        yield (f"column{'s' * (len(fixed) > 1)} {some([names[j] for j in fixed])} "
               f"{'have' if len(fixed) > 1 else 'has'} one value only: left out of the model, "
               "with loadings and noise variance 0")


def degrees_of_freedom(n_features, n_factors, isotropic=False):
    """Variances and covariances less the parameters for them; negative: a model that is not
    identified."""
    D, q = n_features, n_factors
    if isotropic:
        return D * (D + 1) // 2 - (D * q - q * (q - 1) // 2 + 1) if q < D else -1
    return ((D - q) ** 2 - (D + q)) // 2 if q < D else -max(1, (D + q) // 2)
