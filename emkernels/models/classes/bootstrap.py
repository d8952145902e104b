"""How many classes: the bootstrap likelihood-ratio test."""

from dataclasses import dataclass

import numpy as np

from emkernels import _inputs
from emkernels._callers import warn
from emkernels._results import Result, Table
from emkernels.data.items import Items
from emkernels.em import EMWarning
from emkernels.models.classes.batched import Batch, maxima, random_batch, split_batch
from emkernels.models.imputation.multiple import in_threads
from emkernels.starts.classes import components_of

# Log-likelihood that a cycle of steps must add: of the rows, and of samples, whose statistics
# differ by far more from each other.
TOL, DRAWN_TOL = 1e-8, 1e-3
# A statistic below this is one of a missed maximum.
NEGATIVE = -1e-3


@dataclass(repr=False)
class BootstrapTest(Result):
    """Result of :func:`emkernels.blrt`.

    Attributes
    ----------
    statistic : float
        ``2 (L1 - L0)``.
    p_value : float
        ``(1 + number of bootstrap statistics at least as large) / (1 + n_bootstrap)``.
    bootstrap_statistics : ndarray of shape (n_bootstrap,)
    n_classes : int
        Of the larger model.
    log_likelihoods : tuple of float
        L0 with a class less, and L1.
    n_negative : int
        Bootstrap statistics below zero: maxima of the larger model that were missed.

    See Also
    --------
    emkernels.blrt : What makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import blrt
    >>> rng = np.random.default_rng(0)
    >>> high = rng.random(300) < 0.4
    >>> X = (rng.random((300, 6)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
    >>> test = blrt(X, 2, n_bootstrap=9)
    >>> test.p_value, test.bootstrap_statistics.shape, test.statistic > 100
    (0.1, (9,), True)
    """

    statistic: float
    p_value: float
    bootstrap_statistics: np.ndarray
    n_classes: int
    log_likelihoods: tuple
    n_negative: int

    def _tables(self):
        return [Table([
            ("n_classes", [self.n_classes]), ("statistic", [self.statistic]),
            ("p_value", [self.p_value]), ("n_bootstrap", [len(self.bootstrap_statistics)]),
            ("log_likelihood_0", [self.log_likelihoods[0]]),
            ("log_likelihood_1", [self.log_likelihoods[1]]),
            ("n_negative", [self.n_negative])], 0)]

    def _headline(self):
        return str(self)

    def __str__(self):
        n = len(self.bootstrap_statistics)
        return (f"Bootstrap test of {self.n_classes - 1} against {self.n_classes} classes: "
                f"2 (L1 - L0) = {self.statistic:.4f}, p = {self.p_value:.4g} ({n} samples, whose "
                f"statistics have the median {np.median(self.bootstrap_statistics):.4f})")


def blrt(X, n_classes, *, n_bootstrap=99, n_init=20, random_state=0, n_threads=None,
         continuous=None, sample_weight=None):
    """Bootstrap likelihood-ratio test of ``n_classes - 1`` against ``n_classes`` classes.

    ``2 (L1 - L0)`` has no chi-squared distribution here. Its distribution is that in tables drawn
    from the fit with a class less, of as many rows, with the same missing cells and levels, each
    fitted with both numbers of classes. Values are missing at random.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_columns), data frame or table
        As :meth:`emkernels.LatentClassAnalysis.fit` takes it.
    n_classes : int
        At least 2.
    n_bootstrap : int
        Tables to draw. The smallest p-value is ``1 / (1 + n_bootstrap)``.
    n_init : int
        Random starts of the larger number of classes for every drawn table, half as many of the
        smaller, thrice as many of both for X. Beside them start the parameters that a table was
        drawn from and, of the larger number, each way to cut one of the fitted classes in two.
    random_state : int, RandomState, Generator or None
        What is drawn comes of it: the same number, the same result.
    n_threads : int, optional
        Tables are fitted side by side; the same bits for every number.
    continuous : sequence of int or str, optional
        Columns of numbers, as of :class:`emkernels.LatentClassAnalysis`.
    sample_weight : array-like of shape (n_samples,), optional
        How many rows each stands for, whole numbers.

    Returns
    -------
    BootstrapTest
        Statistic, p-value and the statistics of the drawn tables.

    Raises
    ------
    ValueError, TypeError
        Bad rows or parameters; weights that are no numbers of rows.
    KeyboardInterrupt
        Ctrl-C, after the fits that are running.

    Warns
    -----
    EMWarning
        A statistic is negative: more classes are never less likely, so a maximum was missed, and
        more starts are needed.

    See Also
    --------
    select_classes : Fits and criteria for a range of numbers of classes, with this test on demand.
    LatentClassAnalysis : The model.
    emkernels.models.classes.BootstrapTest : What is returned.

    References
    ----------
    G. J. McLachlan, Applied Statistics 36, 1987; K. L. Nylund, T. Asparouhov, B. O. Muthen,
    Structural Equation Modeling 14, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import blrt
    >>> rng = np.random.default_rng(0)
    >>> high = rng.random(300) < 0.4
    >>> X = (rng.random((300, 6)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
    >>> blrt(X, 2, n_bootstrap=19).p_value
    0.05
    >>> blrt(X, 3, n_bootstrap=19).p_value > 0.05
    True
    """
    n_classes = _inputs.whole(n_classes, "n_classes")
    if n_classes < 2:
        raise ValueError("n_classes must be at least 2: it is compared with a class less, got "
                         f"{n_classes}")
    n_bootstrap = _inputs.whole(n_bootstrap, "n_bootstrap")
    n_init = _inputs.whole(n_init, "n_init")
    if n_threads not in (None, -1):
        n_threads = _inputs.whole(n_threads, "n_threads")
    random = _inputs.as_random_state(random_state)
    table = _Table(X, continuous, sample_weight)
    seeds = random.randint(0, 2**32, size=n_bootstrap + 1, dtype=np.uint32)
    items = table.items(n_threads)
    rng = np.random.RandomState(seeds[0])
    smaller = table.fit(items, n_classes - 1, 3 * n_init, rng, TOL)
    larger = table.fit(items, n_classes, 3 * n_init, rng, TOL, below=smaller)
    drawn = in_threads(
        lambda seed: table.drawn(smaller, n_classes, n_init, np.random.RandomState(seed)),
        seeds[1:], n_threads)
    return _result(smaller[0], larger[0], np.array(drawn), n_classes)


def _result(smaller, larger, drawn, n_classes):
    statistic = 2 * (larger - smaller)
    n_negative = int((drawn < NEGATIVE).sum())
    if statistic < NEGATIVE or n_negative:
        what = "the statistic is" if statistic < NEGATIVE else (
            f"{n_negative} of {len(drawn)} bootstrap statistics "
            + ("are" if n_negative > 1 else "is"))
        warn(f"{what} negative, as more classes never are less likely: starts have missed a "
             "maximum, increase n_init", EMWarning)
    p_value = (1 + int((drawn >= statistic).sum())) / (1 + len(drawn))
    return BootstrapTest(statistic, p_value, drawn, n_classes, (smaller, larger), n_negative)


class _Table:
    """The rows as they were, one by one, for tables to be drawn like them."""

    def __init__(self, X, continuous, sample_weight):
        items = Items.read(X, continuous=continuous, sample_weight=sample_weight)
        self.levels, self.n_levels = items.levels, items.n_levels
        rows = items.inverse
        if sample_weight is not None:
            weight = items.sample_weight
            bad = np.flatnonzero(weight != np.floor(weight))
            if len(bad):
                raise ValueError(
                    "sample_weight must be whole numbers here, of the rows that each stands for, "
                    f"got {weight[bad[0]]:.6g}: a table is drawn of as many rows")
            rows = np.repeat(np.arange(len(weight)), weight.astype(np.intp))
        self.codes = items.codes[rows]
        self.numbers = None if items.numbers is None else items.numbers[rows]
        self.missing = self.codes == 255
        # of the rows as they were: what is added is the same for all tables
        self.components = components_of(items)

    def items(self, n_threads, codes=None, numbers=None):
        return Items(self.codes if codes is None else codes, self.levels,
                     self.numbers if numbers is None else numbers, n_threads=n_threads)

    def fit(self, items, n_classes, n_init, rng, tol, *, below=None, truth=None):
        """The log-likelihood, weights and classes of the best of random starts, of those that have
        a class more than `below`, a fit, and of the parameters `truth`."""
        if n_classes == 1:
            n_init = 1
        batch = random_batch(items, self.components, n_classes, n_init, rng)
        if below is not None:
            batch = batch.joined(split_batch(*below[1:], rng))
        if truth is not None:
            batch = Batch.of(*_as_batch(*truth)).joined(batch)
        return maxima(items, self.components, batch, tol=tol)

    def drawn(self, parameters, n_classes, n_init, rng):
        """The statistic of a table drawn from the smaller model."""
        _, weights, classes = parameters
        items = self.items(1, *self._draw(weights, classes, rng))
        smaller = self.fit(items, n_classes - 1, (n_init + 1) // 2, rng, DRAWN_TOL,
                           truth=(weights, classes))
        larger = self.fit(items, n_classes, n_init, rng, DRAWN_TOL, below=smaller)
        return 2 * (larger[0] - smaller[0])

    def _draw(self, weights, classes, rng):
        n = len(self.codes)
        z = rng.choice(len(weights), n, p=weights / weights.sum())
        codes, numbers, first = np.empty_like(self.codes), None, 0
        for j, size in enumerate(self.n_levels):
            above = np.cumsum(classes.probs[first:first + size - 1], axis=0)
            codes[:, j] = (rng.random_sample(n) >= above[:, z]).sum(axis=0)
            first += size
        codes[self.missing] = 255
        if self.numbers is not None:
            numbers = classes.means.T[z] + np.sqrt(classes.variances).T[z] * rng.standard_normal(
                self.numbers.shape)
            numbers[np.isnan(self.numbers)] = np.nan
        return codes, numbers


def _as_batch(weights, classes):
    return weights[:, None], type(classes)(*(each[..., None] for each in (
        classes.probs, classes.means, classes.variances)))
