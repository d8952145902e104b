"""Latent class analysis, the estimator."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context

from emkernels.components.probabilities import check_probabilities, exact
from emkernels.data import checks
from emkernels.data.checks import Interval, one_of
from emkernels.data.item_blocks import ItemBlocks, ItemTables
from emkernels.data.items import Items
from emkernels.data.source import Sums
from emkernels.latent.mixture import Mixture
from emkernels.models.base import LatentModel
from emkernels.models.chunked import ChunkedFit
from emkernels.models.classes import examination
from emkernels.models.classes.fitted import FittedClasses, entropy_of
from emkernels.models.classes.newton import Patient
from emkernels.starts.classes import (
    GivenClasses,
    best_classes,
    components_of,
    marginals,
    of_all_rows,
    random_classes,
)

# Starts that end so near to the best objective, for one unit of weight, have reached it.
SAME = 1e-6


class LatentClassAnalysis(ChunkedFit, FittedClasses):
    """Classes that are not seen, within which answers to items are independent.

    The probability of a row is ``sum_k weights_k prod_j probs_j[k, answer_j]``, missing answers
    being left out of the product (missing at random); numbers beside the items are independent
    normal ones with a mean and a variance for each class.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    continuous : sequence of int or str, optional
        Columns of numbers, by position or name. All other columns are items, in their order.
    n_init : int
        Random starts. They take 40 steps side by side, the better half takes 40 more, and so on;
        the best 5 go on to convergence. One where nothing of a start is drawn: where
        `response_probs_init` is given, and of numbers `means_init`.
    tol : float
        With 'distance' EM ends where all the steps to come would add less than that to the
        log-likelihood of all rows, to a probability, to a mean (in deviations), to a variance or
        weight (in parts of it). With 'lower_bound' where the log-likelihood for one row
        (`lower_bound_`) changes by less in an iteration, with 'parameters' where these do; 0:
        never.
    max_iter : int
        0: the start is the fit.
    weights_init : array-like of shape (n_classes,), optional
        Shares of the classes to begin with.
    response_probs_init : list of array-like of shape (n_classes, n_levels), optional
        One for each item; rows sum to one. Probabilities of zero stay zero, and a row of X that
        is impossible then is an error.
    means_init, variances_init : array-like of shape (n_classes, n_continuous), optional
        What is not given is drawn, for every start anew.
    response_concentration : float, optional
        Of a Dirichlet prior of the probabilities of each item and class, at least 1: a little over
        1 keeps probabilities from 0. It is part of the objective. None: no prior.
    reg_covar : float or 'auto'
        Added to the variances; not part of the objective. 'auto' is a millionth of each column's
        variance. A class that sits on one value has no other variance, and is said in a warning;
        a start that ends so is kept only where all do.
    random_state : int, RandomState, Generator or None
        What is drawn comes of it: the same number, the same result.
    n_threads : int, optional
        Results have the same bits for every number of threads.
    convergence : {'distance', 'lower_bound', 'parameters'}
        What is compared with `tol`.
    acceleration : {'auto', 'squarem', None}
        'auto': 50 iterations of EM as it is, then squared extrapolation, then, where there are no
        numbers and not too many parameters, Newton steps: the same maximum, where EM would take
        thousands of iterations. Neither lets the objective fall. None: EM as it is.
    verbose, verbose_interval : int
        1 or more shows iterations; how many lie between two plain lines.
    callback : callable, optional
        ``callback(EMState)`` after each iteration; a true result ends the fit.

    Attributes
    ----------
    weights_ : ndarray of shape (n_classes,)
        Descending, the order of the classes; of equal ones that comes first which gives the first
        level of the first item more.
        (With `response_probs_init` or `means_init`, classes stay in the order of these.)
    response_probs_ : list of ndarray of shape (n_classes, n_levels)
        Of each item.
    categories_ : list of ndarray
        The levels of each item: those that occur in the rows of the fit, sorted (numbers before
        texts); the categories of pandas in their order.
    means_, variances_ : ndarray of shape (n_classes, n_continuous)
        Weighted by the posteriors of the rows in which the number is seen, whose sum divides.
    continuous_ : list of int
        Positions of the columns of numbers.
    n_best_ : int
        Starts, of those that went on to convergence, that reached the best objective (to 1e-6 for
        one row).
    entropy_ : float
        ``1 - E / (n log n_classes)`` with E the entropy of the posteriors of the rows of the fit: 1
        where every row is sure of its class, and for one class.
    identified_ : bool
        Whether rows can tell these parameters from others near by: the derivatives of the
        probabilities of rows by the parameters have full rank (local identification), those that
        are 0 being taken as held there unless the likelihood is as high with larger ones. A
        warning says where not, as with two items and three classes.
    n_iter_ : int
    converged_ : bool
    lower_bound_ : float
    lower_bounds_ : list of float
        Of the best start; the bounds are for one unit of weight.
    n_parameters_ : int
        ``C - 1 + C sum(levels - 1) + 2 C p``; probabilities at 0 or 1 count.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where columns have names.
    n_blocks_, n_rows_ : int
        After :meth:`fit_chunks` alone.

    See Also
    --------
    select_classes : Choose the number of classes.
    blrt : Test a number of classes against one less.
    CategoricalHMM : Symbols that follow one another in time.
    emkernels.plotting.plot_response_probs : Picture of the answers of each class.

    Notes
    -----
    The likelihood has many maxima: another may be better where `n_best_` is 1. Estimates of 0 and
    1 are common; they are at the boundary, where neither standard errors nor the distribution of
    likelihood ratios are as usual (:func:`emkernels.blrt` draws that). A row that has probability
    zero (an answer that no class gives) has the score -inf, and posteriors by the classes to which
    the fewest of its answers are impossible.

    :meth:`fit_chunks` finds the levels of all blocks in its first pass. Without numbers the second
    counts different rows, and where their codes take no more than 8 MiB (a byte an item) EM goes on
    with the counts: that is the fit in memory, and nothing is read any more. Else every pass reads
    the blocks; starts then take their first steps on 20,000 rows, which the seed draws by the
    numbers of the rows and their weights, and a share of 1e-4 of their probabilities is spread
    over all levels before they go on. Columns of categories keep the order of these where all
    blocks have the same.

    References
    ----------
    L. A. Goodman, Exploratory latent structure analysis using both identifiable and unidentifiable
    models, Biometrika 61, 1974.

    Examples
    --------
    >>> from emkernels import LatentClassAnalysis
    >>> X = [["yes", "yes", "no"], ["yes", "yes", None], ["no", "no", "yes"],
    ...      ["no", None, "yes"], ["yes", "yes", "no"]]
    >>> model = LatentClassAnalysis(2, random_state=0).fit(X)
    >>> model.weights_.round(3)
    array([0.6, 0.4])
    >>> model.predict(X)
    array([0, 0, 1, 1, 0])
    """

    _parameter_constraints: dict = {
        **LatentModel._parameter_constraints,
        "n_classes": [Interval(Integral, 1, None, closed="left")],
        "continuous": ["array-like", None],
        "weights_init": ["array-like", None],
        "response_probs_init": ["array-like", None],
        "means_init": ["array-like", None],
        "variances_init": ["array-like", None],
        "response_concentration": [Interval(Real, 1, None, closed="left"), None],
        "reg_covar": [Interval(Real, 0.0, None, closed="left"), one_of("auto")],
        "acceleration": [one_of("auto", "squarem"), None],
    }

    def __init__(self, n_classes=2, *, continuous=None, n_init=50, tol=1e-6, max_iter=2000,
                 weights_init=None, response_probs_init=None, means_init=None,
                 variances_init=None, response_concentration=None, reg_covar="auto",
                 random_state=None, n_threads=None, convergence="distance", acceleration="auto",
                 verbose=0, verbose_interval=10, callback=None):
        self.n_classes = n_classes
        self.continuous = continuous
        self.n_init = n_init
        self.tol = tol
        self.max_iter = max_iter
        self.weights_init = weights_init
        self.response_probs_init = response_probs_init
        self.means_init = means_init
        self.variances_init = variances_init
        self.response_concentration = response_concentration
        self.reg_covar = reg_covar
        self.random_state = random_state
        self.n_threads = n_threads
        self.convergence = convergence
        self.acceleration = acceleration
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback

    def fit(self, X, y=None, *, sample_weight=None):
        """Estimate the parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), data frame or table
            Answers: whole or other numbers, bool, texts, any value that can be a key; None, NaN,
            NA, masked cells are missing. Numbers in the columns `continuous`.
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
            Bad parameters or data (the argument, row or column is named); the estimator then stays
            as it was.
        TypeError
            Sparse and lazy tables. A value that cannot be a level is both.
        KeyboardInterrupt
            Ctrl-C. Where an iteration was complete, the estimator then has the parameters of the
            last one, with ``converged_`` False.

        Warns
        -----
        EMWarning
            An item has many values, not all of them whole, as numbers have: each is an answer of
            its own unless `continuous` names the column. The rows do not determine the classes;
            a variance collapsed; the fit stopped early.
        """
        self._fit(X, sample_weight)
        return self

    def fit_predict(self, X, y=None, *, sample_weight=None):
        """Fit, then the most probable class of every row; parameters as in :meth:`fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), data frame or table
            As :meth:`fit` takes it.
        y : ignored
            Not used: there for pipelines.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same as the row twice.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            Numbers of classes, in the order of `weights_`.

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`; the estimator then stays as it was.
        """
        self._fit(X, sample_weight)
        return self.predict(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight):
        self._fit_source(Items.read(
            X, self, continuous=self.continuous, sample_weight=sample_weight, min_samples=1,
            n_threads=self.n_threads))

    def _door(self):
        return ItemTables(self.continuous)

    def _fit_source(self, source):
        """Fit to items, or to blocks of them."""
        items = source
        if hasattr(source, "n_blocks"):
            items = ItemBlocks(source)
            items = items.counted() or items
        given = self._given(items)
        components = components_of(
            items, concentration=self.response_concentration or 1.0,
            reg_covar=None if self.reg_covar == "auto" else self.reg_covar)
        random_state = source.random_state(self.random_state)
        examination.check_possible(items, components, given, self.n_classes)
        n_starts = self.n_init if self.max_iter and given.leaves_open(items) else 1
        some = items.sample(random_state)
        begun = random_classes(
            some, components, self.n_classes, n_starts, random_state, given, marginals(items))
        starts = best_classes(some, components, begun, self.max_iter)
        if some.n_rows < items.n_positive and len(starts) < n_starts:
            starts = [of_all_rows(start, components, given) for start in starts]
        ends = _Ends(self.callback)
        collapsed = lambda parameters: components.spikes(parameters.components).any()   # noqa: E731
        result = self._run(
            Mixture(components), items, lambda i: starts[i], n_init=len(starts),
            acceleration=self._acceleration(items), objective_scale=items.total,
            is_degenerate=collapsed, callback=ends)
        entropy = 1.0
        if self.n_classes > 1:
            entropy -= items.reduce(_entropy, components, result.parameters).entropy / (
                items.total * np.log(self.n_classes))
        # --- nothing can fail from here on
        kept = given.probs is not None or given.means is not None
        self._set_parameters(result.parameters, items, keep_order=kept)
        self._remember(result, items, components)
        checks.remember_blocks(self, source)
        self.n_best_ = ends.n_at(result, collapsed) or 1
        self.entropy_ = entropy
        self._tell(result, items)
        examination.say_numbers(items)
        self.identified_ = examination.say(
            some, components, self.weights_, self._classes, items.total)

    def _acceleration(self, items):
        """What the loop takes."""
        if self.acceleration != "auto":
            return self.acceleration
        return lambda model: Patient(model, items)

    def _remember(self, result, items, components):
        self.n_features_in_ = items.n_features
        if items.names is not None:
            self.feature_names_in_ = np.array(items.names, dtype=object)
        elif "feature_names_in_" in vars(self):
            del self.feature_names_in_
        self._continuous, self._columns = list(items.continuous), items.names
        self._kinds = getattr(items, "kinds", [])
        self._reg_covar, self._concentration = components.reg_covar, components.concentration
        self.n_iter_, self.converged_ = result.n_iter, result.converged
        self.lower_bound_, self.lower_bounds_ = result.lower_bound, result.history

    def _set_parameters(self, parameters, items, *, keep_order):
        weights, classes = parameters.weights, parameters.components
        order = np.arange(len(weights))
        if not keep_order:
            first = classes.probs[:items.n_levels[0]] if items.n_levels else classes.means
            # the last key is the first to sort by
            order = np.lexsort((*(-row for row in first[::-1]), -weights.round(12)))
        cuts = np.cumsum(items.n_levels)[:-1]
        parts = np.split(classes.probs[:, order], cuts) if items.n_levels else []
        self.weights_ = weights[order]
        self.response_probs_ = [np.ascontiguousarray(part.T) for part in parts]
        self.categories_ = list(items.levels)
        self.means_ = np.ascontiguousarray(classes.means[:, order].T)
        self.variances_ = np.ascontiguousarray(classes.variances[:, order].T)

    # --- what is given ---------------------------------------------------------------

    def _given(self, items):
        n, p = self.n_classes, len(items.continuous)
        weights = exact(check_probabilities(self.weights_init, "weights_init", (n,)))
        probs = None
        if self.response_probs_init is not None:
            given = self.response_probs_init
            if len(given) != items.n_items:
                raise ValueError(f"response_probs_init must have one table for each of the "
                                 f"{items.n_items} items, got {len(given)}")
            if any(each is None for each in given):
                raise ValueError("response_probs_init must have a table for every item, got None")
            probs = np.concatenate([
                exact(check_probabilities(
                    each, f"response_probs_init of item {j}", (n, levels))).T
                for j, (each, levels) in enumerate(zip(given, items.n_levels, strict=True))]
                or [np.zeros((0, n))])
        means = checks.check_parameter(self.means_init, "means_init", (n, p))
        variances = checks.check_parameter(self.variances_init, "variances_init", (n, p))
        if variances is not None and not (variances > 0).all():
            row, column = np.argwhere(~(variances > 0))[0]
            raise ValueError(f"variances_init must be positive, got {variances[row, column]:.6g} "
                             f"for class {row}, number {column}")
        return GivenClasses(weights, probs, None if means is None else means.T,
                            None if variances is None else variances.T)


def _entropy(items, components, parameters):
    """Of the posteriors of the rows."""
    resp = components.rows(items, parameters.weights, parameters.components, "resp")["resp"]
    return Sums(entropy=entropy_of(resp, items.sample_weight))


class _Ends:
    """A callback that notes where each start is, beside the user's own."""

    def __init__(self, own):
        self.last, self.own = {}, own       # a start that fails at once is never called with

    def __call__(self, state):
        self.last[state.init] = state
        return False if self.own is None else self.own(state)

    def n_at(self, result, collapsed):
        """How many reached the best; collapsed ones, which are higher for nothing, only where it is
        one of them."""
        best = collapsed(result.parameters)
        return sum(bool(state.lower_bound >= result.lower_bound - SAME
                        and collapsed(state.parameters) == best) for state in self.last.values())
