"""Where EM begins for latent classes: many random starts side by side, the best go on."""

from dataclasses import dataclass

import numpy as np

from emkernels.components.categorical import Classes
from emkernels.latent.mixture import MixtureParameters

# Steps of a round, after which the better half of the starts goes on, until so many are left.
STEPS = 40
KEPT = 5


@dataclass
class GivenClasses:
    """What is given of a start: weights (n_classes,), probs (n_rows, n_classes), means and
    variances (n_numbers, n_classes); None where it is not."""

    weights: np.ndarray | None = None
    probs: np.ndarray | None = None
    means: np.ndarray | None = None
    variances: np.ndarray | None = None

    def all_of(self, n_numbers):
        """Whether nothing is left to be drawn."""
        return self.probs is not None and (n_numbers == 0 or (
            self.means is not None and self.variances is not None))


def random_classes(items, components, n_classes, random_state, given):
    """A start: probabilities from flat Dirichlet distributions, means from rows, variances of all
    rows; what is given, as it is."""
    mean, variance = marginals(items)
    variance = np.maximum(variance, components.reg_covar)
    parts = [random_state.dirichlet(np.ones(n), n_classes).T for n in components.n_levels]
    probs = np.concatenate(parts) if parts else np.zeros((0, n_classes))
    means = np.zeros((0, n_classes))
    if items.numbers is not None:
        drawn = random_state.choice(len(items.numbers), n_classes, p=items.sample_weight
                                    / items.sample_weight.sum())
        means = items.numbers[drawn].T
        means = np.where(np.isnan(means), mean[:, None], means)
    variances = np.repeat(variance[:, None], n_classes, axis=1)
    weights = np.full(n_classes, 1 / n_classes)
    return MixtureParameters(
        weights if given.weights is None else given.weights,
        Classes(*(own if wanted is None else wanted for own, wanted in (
            (probs, given.probs), (means, given.means), (variances, given.variances)))))


def marginals(items):
    """Means and variances of the numbers of all rows."""
    if items.numbers is None:
        return np.zeros(0), np.zeros(0)
    weight = items.sample_weight[:, None] * ~np.isnan(items.numbers)
    total = weight.sum(axis=0)
    x = np.where(np.isnan(items.numbers), 0, items.numbers)
    # of columns whose values are nearly equal, or would overflow, no digit is lost
    origin = np.nanmin(items.numbers, axis=0)
    shift = (weight * (x - origin)).sum(axis=0) / total
    variance = (weight * (x - origin - shift) ** 2).sum(axis=0) / total
    mean = origin + shift
    # what is left of a constant column is rounding
    variance[variance <= (4 * np.finfo(np.float64).eps * mean) ** 2] = 0
    return mean, variance


def best_classes(items, components, starts):
    """The starts that are worth going on with, the likeliest first.

    All take some steps side by side, and the better half goes on, until few are left.

    Parameters
    ----------
    items : Items
    components : ClassComponents
    starts : list of MixtureParameters

    Returns
    -------
    list of MixtureParameters
        At most 5, after their steps; all where no more were given, before any.
    """
    if len(starts) <= KEPT:
        return starts
    left = np.arange(len(starts))
    weights = np.stack([start.weights for start in starts], axis=-1)
    classes = Classes(*(np.stack([getattr(start, name) for start in starts], axis=-1)
                        for name in ("probs", "means", "variances")))
    while len(left) > KEPT:
        for _ in range(STEPS):
            statistics = components.mixed(items, weights, classes)
            reached = statistics.log_likelihood + components.log_prior(classes)
            classes = components.maximise(statistics, classes)
            counts = statistics.positive_counts()
            weights = counts / counts.sum(axis=0)
        reached = np.where(components.spikes(classes).any(axis=(0, 1)), -np.inf, reached)
        best = np.argsort(-reached, kind="stable")[:max(KEPT, len(left) // 2)]
        left, weights = left[best], np.ascontiguousarray(weights[..., best])
        classes = Classes(*(np.ascontiguousarray(each[..., best]) for each in (
            classes.probs, classes.means, classes.variances)))
    return [MixtureParameters(np.ascontiguousarray(weights[..., s]), classes.start(s))
            for s in range(len(left))]
