"""Where EM begins for latent classes: many random starts side by side, the best go on."""

from dataclasses import dataclass, replace

import numpy as np

from emkernels.components.categorical import ClassComponents, Classes
from emkernels.data.source import Sums
from emkernels.latent.mixture import MixtureParameters

# Steps of a round, after which half of the starts goes on, until so many are left.
STEPS = 40
THIN = 2
KEPT = 5
# What is added to variances where nobody says, in variances of the columns.
ADDED = 1e-6
# What rows that starts have not looked at may answer, though those that they have did not: of the
# probabilities this share is spread anew, for what is zero would stay so.
UNSEEN = 1e-4
LEAST_SCALE = 1e-140    # deviations of columns of numbers


@dataclass
class GivenClasses:
    """What is given of a start: weights (n_classes,), probs (n_rows, n_classes), means and
    variances (n_numbers, n_classes); None where it is not."""

    weights: np.ndarray | None = None
    probs: np.ndarray | None = None
    means: np.ndarray | None = None
    variances: np.ndarray | None = None

    def leaves_open(self, items):
        """Whether anything of a start is drawn."""
        return (items.n_items > 0 and self.probs is None) or (
            items.has_numbers and self.means is None)


@dataclass
class Starts:
    """Parameters of several starts, which are the last axis of all: weights (n_classes, n_starts)
    and classes."""

    weights: np.ndarray
    classes: Classes

    def take(self, which):
        """Those of some starts."""
        weights, *parts = (np.ascontiguousarray(each[..., which]) for each in (
            self.weights, self.classes.probs, self.classes.means, self.classes.variances))
        return Starts(weights, Classes(*parts))

    def one_by_one(self):
        """A list of the parameters of each."""
        return [MixtureParameters(np.ascontiguousarray(self.weights[:, s]), self.classes.start(s))
                for s in range(self.weights.shape[1])]


def random_classes(items, components, n_classes, n_starts, random_state, given, spread=None):
    """Random starts: probabilities from flat Dirichlet distributions, means from rows, variances
    of all rows (`spread`, their means and variances, of the items where None); what is given, as
    it is."""
    shape = n_classes, n_starts
    probs = random_state.standard_exponential((*shape[::-1], len(components.item))).T
    if len(probs):
        probs /= np.add.reduceat(probs, components.first, axis=0)[components.item]
    mean, variance = marginals(items) if spread is None else spread
    variance = np.maximum(variance, components.reg_covar)
    means = np.zeros((0, *shape))
    if items.numbers is not None:
        drawn = random_state.choice(len(items.numbers), shape[::-1], p=items.sample_weight
                                    / items.sample_weight.sum())
        means = items.numbers[drawn].T
        means = np.where(np.isnan(means), mean[:, None, None], means)
    parts = (probs, means, np.broadcast_to(variance[:, None, None], (len(mean), *shape)))
    wanted = given.probs, given.means, given.variances
    weights = np.full(n_classes, 1 / n_classes) if given.weights is None else given.weights
    return Starts(np.repeat(weights[:, None], n_starts, axis=1), Classes(*(
        np.array(own if want is None else np.broadcast_to(want[..., None], own.shape), order="C")
        for own, want in zip(parts, wanted, strict=True))))


def marginals(items):
    """Means and variances of the numbers of all rows."""
    if not items.has_numbers:
        return np.zeros(0), np.zeros(0)
    if "marginals" not in items.kept:
        # of columns whose values are nearly equal no digit is lost
        origin = items.reduce(_least).value
        sums = items.reduce(_first, origin)
        shift = sums.first / sums.total
        variance = items.reduce(_second, origin, shift).second / sums.total
        mean = origin + shift
        # what is left of a constant column is rounding
        variance[variance <= (4 * np.finfo(np.float64).eps * mean) ** 2] = 0
        items.kept["marginals"] = mean, variance
    mean, variance = items.kept["marginals"]
    return mean.copy(), variance.copy()


class _Least:
    """The least of values."""

    def __init__(self, value):
        self.value = value

    def merge(self, other):
        self.value = np.fmin(self.value, other.value)
        return self


def _least(items):
    return _Least(np.fmin.reduce(items.numbers, axis=0))


def _from_origin(items, origin):
    """Weights and values of the numbers, zeros where missing."""
    missing = np.isnan(items.numbers)
    return (items.sample_weight[:, None] * ~missing,
            np.where(missing, 0, items.numbers - origin))


def _first(items, origin):
    weight, x = _from_origin(items, origin)
    return Sums(total=weight.sum(axis=0), first=(weight * x).sum(axis=0))


def _second(items, origin, shift):
    weight, x = _from_origin(items, origin)
    return Sums(second=(weight * (x - shift) ** 2).sum(axis=0))


def components_of(items, *, concentration=1.0, reg_covar=None):
    """The components of the items; `reg_covar` is added to the variances, None: a small part of
    those of the columns."""
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = np.sqrt(marginals(items)[1])
    _check_scales(items, deviation, reg_covar)
    if reg_covar is None:
        added = ADDED * np.where(deviation > 0, deviation, 1.0) ** 2
    else:
        added = np.full(len(deviation), float(reg_covar))
    return ClassComponents(
        items.n_levels, concentration=concentration, reg_covar=added, unit=deviation)


def _check_scales(items, deviation, reg_covar):
    """ValueError for a column of numbers whose variances are none, or no numbers."""
    for at, j in enumerate(items.continuous):
        name = f"column {items.column_names[j]} of X"
        if deviation[at] == 0 and reg_covar == 0:
            raise ValueError(f"{name} has one value, and reg_covar=0 leaves it no variance: leave "
                             "the column out, or give reg_covar")
        if deviation[at] and not LEAST_SCALE < deviation[at] < 1 / LEAST_SCALE:
            raise ValueError(f"{name} is too {'small' if deviation[at] < 1 else 'large'}: with a "
                             f"deviation of {deviation[at]:.3g} variances leave the range of "
                             "numbers. Rescale the column")


def best_classes(items, components, starts, max_iter):
    """The starts that are worth going on with, the likeliest first.

    All take some steps side by side, and the better half goes on, until few are left.

    Parameters
    ----------
    items : Items
    components : ClassComponents
    starts : Starts
    max_iter : int
        Of a fit; no more steps than that are taken at once.

    Returns
    -------
    list of MixtureParameters
        At most 5, after their steps; all where no more were given, before any.
    """
    while starts.weights.shape[1] > KEPT:
        weights, classes = starts.weights, starts.classes
        for _ in range(min(STEPS, max_iter)):
            statistics = components.mixed(items, weights, classes)
            reached = statistics.log_likelihood + components.log_prior(classes)
            classes = components.maximise(statistics, classes)
            counts = statistics.positive_counts()
            weights = counts / counts.sum(axis=0)
        reached = np.where(components.spikes(classes).any(axis=(0, 1)), -np.inf, reached)
        best = np.argsort(-reached, kind="stable")[:max(KEPT, len(reached) // THIN)]
        starts = Starts(weights, classes).take(best)
    return starts.one_by_one()


def of_all_rows(parameters, components, given):
    """Where EM on all rows goes on from parameters of some of them."""
    probs = parameters.components.probs
    spread = 1 / np.array(components.n_levels, float)[components.item, None]
    spread = np.broadcast_to(spread, probs.shape) if given.probs is None else given.probs
    classes = replace(parameters.components, probs=(1 - UNSEEN) * probs + UNSEEN * spread)
    return replace(parameters, components=classes)
