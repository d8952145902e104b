"""Classes of answers to items and of numbers: E-step by the fused kernel, M-step."""

from dataclasses import dataclass

import numpy as np

from emkernels.em import DegenerateFitError
from emkernels.kernels import passes

# Probabilities are kept below one another by no bound: a level that a class never gives has
# the probability zero, and stays there.
LEAST = 1e-300
# A pass of so few operations of lanes is over before a second thread has begun.
LITTLE = 2**20
# Variances are kept so large in starts that are not gone on with, whatever they collapse to.
SMALLEST = 1e-300
# A variance that is this part of its column's is that of a class on one value.
SPIKE = 1e-10


@dataclass
class Classes:
    """Parameters of classes; behind the last axis may be another, of starts.

    Attributes
    ----------
    probs : ndarray of shape (n_rows, n_classes)
        Probabilities of the levels, item after item.
    means, variances : ndarray of shape (n_numbers, n_classes)
        Of the numbers.
    """

    probs: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    def start(self, s):
        """Those of one start."""
        return Classes(*(np.ascontiguousarray(each[..., s])
                         for each in (self.probs, self.means, self.variances)))


@dataclass
class ClassStatistics:
    """What a pass leaves of classes, see :meth:`ClassComponents.mixed`.

    Attributes
    ----------
    counts : ndarray of shape (n_classes,)
        Sums of the responsibilities.
    sums : ndarray of shape (n_rows, n_classes)
        Of those that gave a level.
    numbers : ndarray of shape (n_numbers, 3, n_classes)
        Sums of r, r e, r e^2 over the observed numbers, e being a number less its mean.
    log_likelihood : float
    total : float
        Weight of the rows.
    """

    counts: np.ndarray
    sums: np.ndarray
    numbers: np.ndarray
    log_likelihood: float
    total: float
    noise: None = None

    def merge(self, other):
        self.counts += other.counts
        self.sums += other.sums
        self.numbers += other.numbers
        self.log_likelihood += other.log_likelihood
        self.total += other.total
        return self

    def positive_counts(self):
        """Counts that nothing is divided by zero with."""
        return np.maximum(self.counts, LEAST)


class ClassComponents:
    """Classes as :class:`emkernels.em.protocol.Components`.

    Given its class a row's answers are independent, an answer of level l having the probability
    ``probs[item l, class]``, and its numbers independent normal ones. Missing are left out.

    Parameters
    ----------
    n_levels : sequence of int
        Of each item.
    concentration : float
        Of a Dirichlet prior of the probabilities of each item and class, at least 1 (none).
    reg_covar : ndarray of shape (n_numbers,)
        Added to the variances.
    unit : ndarray of shape (n_numbers,)
        Deviations of the columns, in which vectors of parameters have means; 0 where one does not
        vary.
    """

    def __init__(self, n_levels, *, concentration=1.0, reg_covar=None, unit=None):
        self.n_levels = list(n_levels)
        self.first = np.concatenate([[0], np.cumsum(self.n_levels)]).astype(np.intp)[:-1]
        self.item = np.repeat(np.arange(len(self.n_levels)), self.n_levels)
        self.concentration = concentration
        self.reg_covar = np.zeros(0) if reg_covar is None else reg_covar
        unit = np.ones(len(self.reg_covar)) if unit is None else unit
        self.varies, self.unit = unit > 0, np.where(unit > 0, unit, 1.0)

    def mixed(self, items, weights, parameters):
        """Statistics of the items under a mixture of the classes: the fused E-step."""
        counts, sums, numbers, log_likelihood = self._pass(items, weights, parameters)
        one = weights.ndim == 1
        return ClassStatistics(counts, sums, numbers,
                               float(log_likelihood[0]) if one else log_likelihood, items.total)

    def rows(self, items, weights, parameters, *want):
        """Outputs for each of the distinct rows, a dict, see the kernel."""
        return self._pass(items, weights, parameters, want=want)

    def _pass(self, items, weights, parameters, want=None):
        groups, codes = items.grouped()
        layout = groups.layout(len(weights), 1 if weights.ndim == 1 else weights.shape[1])
        numbers = {}
        if items.numbers is not None:
            numbers = {"numbers": items.numbers, "means": np.ascontiguousarray(parameters.means),
                       "variances": np.ascontiguousarray(parameters.variances)}
        work = len(codes) * layout.n_lanes * (layout.n_groups + 6 + 3 * len(parameters.means))
        return passes.class_pass(
            layout, codes, np.ascontiguousarray(weights), np.ascontiguousarray(parameters.probs),
            items.sample_weight, want=want, n_threads=1 if work <= LITTLE else items.n_threads,
            **numbers)

    def maximise(self, statistics, parameters):
        """The likeliest classes; one without rows keeps what it has."""
        more = self.concentration - 1
        sums = statistics.sums + more if more else statistics.sums
        totals = np.add.reduceat(sums, self.first, axis=0) if len(self.first) else sums
        with np.errstate(invalid="ignore", divide="ignore"):
            probs = sums / totals[self.item]
        lost = ~(totals > 0)
        if lost.any():
            probs = np.where(lost[self.item], parameters.probs, probs)
        means, variances = parameters.means, parameters.variances
        if len(means):
            shape = (-1, *[1] * (means.ndim - 1))
            seen, first, second = np.moveaxis(statistics.numbers, 1, 0)
            lost = ~(seen > 0)
            seen = np.where(lost, 1.0, seen)
            shift = first / seen
            spread = np.maximum(second / seen - shift * shift, 0) + self.reg_covar.reshape(shape)
            means = np.where(lost, means, means + shift)
            variances = np.where(lost, variances, spread)
            if means.ndim == 2 and not (variances > 0).all():
                raise DegenerateFitError("a class has no variance in a column of numbers: a larger "
                                         "reg_covar or fewer classes keep it from this")
            variances = np.maximum(variances, SMALLEST)     # of one of many starts
        return Classes(probs, means, variances)

    def spikes(self, parameters):
        """Which variances are little more than is added to them, (n_numbers, n_classes)."""
        reg = self.reg_covar.reshape(-1, *[1] * (parameters.means.ndim - 1))
        unit = self.unit.reshape(reg.shape)
        small = parameters.variances <= np.maximum(2 * reg, SPIKE * unit**2)
        return small & self.varies.reshape(reg.shape)

    def log_prior(self, parameters):
        """Log density of the Dirichlet priors, less a constant."""
        if self.concentration == 1:
            return 0.0
        with np.errstate(divide="ignore"):
            return (self.concentration - 1) * np.log(parameters.probs).sum(axis=(0, 1))

    def endless(self, parameters, source):
        """EM goes on to the end that it is given."""
        return False

    # --- parameters as vectors, for acceleration and convergence ----------------------

    def to_vector(self, parameters):
        """Roots of the probabilities, means in units, log variances.

        (Logarithms would let the probabilities that go to zero, which matter to nothing, have the
        longest steps.)
        """
        return [np.sqrt(parameters.probs).ravel(),
                (parameters.means / self.unit[:, None]).ravel(),
                np.log(np.maximum(parameters.variances, LEAST)).ravel()]

    def from_vector(self, vector, like):
        """The classes of a vector, shaped as `like`; None where one overflows."""
        n, p = like.probs.size, like.means.size
        roots = vector[:n].reshape(like.probs.shape)
        # beyond zero is near it; what is impossible stays so
        probs = np.maximum(roots, 0.1 * np.sqrt(like.probs)) ** 2 * (like.probs > 0)
        if n:
            probs = probs / np.add.reduceat(probs, self.first, axis=0)[self.item]
        means = vector[n:n + p].reshape(like.means.shape) * self.unit[:, None]
        with np.errstate(over="ignore"):
            variances = np.exp(vector[n + p:]).reshape(like.variances.shape)
        if not (np.isfinite(probs).all() and np.isfinite(variances).all()
                and (variances > 0).all()):
            return None
        return Classes(probs, means, variances)

    def relative_change(self, old, new):
        """Largest change of a probability, of a mean in deviations, of a variance relative to
        itself."""
        change = np.max(np.abs(new.probs - old.probs), initial=0)
        if len(new.means):
            deviations = np.sqrt(new.variances)
            change = max(change, np.max(np.abs(new.means - old.means) / deviations),
                         np.max(np.abs(new.variances - old.variances) / new.variances))
        return change
