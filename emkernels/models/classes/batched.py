"""Maxima of one table from many starts, side by side to the end.

The starts are the last axis of all parameters. Every one has accelerated steps of its own (SQUAREM:
R. Varadhan, C. Roland, Scandinavian Journal of Statistics 35, 2008), on the roots of probabilities,
means and log variances; those that fall back are dropped on the way.
"""

import numpy as np

from emkernels.components.categorical import Classes
from emkernels.starts.classes import marginals

# Steps of all random starts, and how many go on: as many as there are lanes.
SHORT, KEPT = 8, 8
MAX_CYCLES = 1000
# A start is given up where it would take more than so many cycles as its last to reach the best.
FAR = 40


class Batch:
    """Parameters of several starts: weights (C, S) and classes, whose last axis is S long."""

    def __init__(self, weights, classes):
        self.weights, self.classes = weights, classes

    def take(self, which):
        return Batch(*_each(lambda a: np.ascontiguousarray(a[..., which]), self))

    def joined(self, other):
        return Batch(*_each(lambda a, b: np.concatenate([a, b], axis=-1), self, other))

    def where(self, which, other):
        """The starts of `self` where `which`, else of `other`."""
        return Batch(*_each(lambda a, b: np.where(which, a, b), self, other))

    def parts(self):
        return self.weights, self.classes.probs, self.classes.means, self.classes.variances


def _each(function, *batches):
    weights, *parts = (function(*each) for each in zip(*(b.parts() for b in batches), strict=True))
    return weights, Classes(*parts)


def random_batch(items, components, n_classes, n_starts, rng):
    """Random starts, as :func:`emkernels.starts.classes.random_classes` has them."""
    mean, variance = marginals(items)
    variance = np.maximum(variance, components.reg_covar)
    shape = n_classes, n_starts
    probs = rng.standard_exponential((len(components.item), *shape))
    if len(probs):
        probs /= np.add.reduceat(probs, components.first, axis=0)[components.item]
    means = np.zeros((0, *shape))
    if items.numbers is not None:
        drawn = rng.choice(len(items.numbers), shape,
                           p=items.sample_weight / items.sample_weight.sum())
        means = np.moveaxis(items.numbers[drawn], -1, 0)
        means = np.where(np.isnan(means), mean[:, None, None], means)
    return Batch(np.full(shape, 1 / n_classes),
                 Classes(probs, means, np.tile(variance[:, None, None], (1, *shape))))


def split_batch(weights, classes, rng):
    """Starts with a class more than a fit: one for each of its classes, cut in two halves that
    answer a little differently."""
    n = len(weights)
    origin = np.stack([np.append(np.arange(n), k) for k in range(n)], axis=-1)
    new = weights[origin]
    own = np.arange(n)
    new[own, own] /= 2
    new[n, own] /= 2
    probs, means, variances = (each[:, origin] for each in (
        classes.probs, classes.means, classes.variances))
    tilt = 0.5 * rng.standard_exponential((len(probs), n)) + 0.5
    step = 0.5 * np.sqrt(classes.variances) * rng.standard_normal((len(means), n))
    for k in range(n):
        probs[:, k, k] = classes.probs[:, k] * tilt[:, k]
        probs[:, n, k] = classes.probs[:, k] / tilt[:, k]
        means[:, k, k] += step[:, k]
        means[:, n, k] -= step[:, k]
    return Batch(new, Classes(probs, means, variances))


def maxima(items, components, batch, *, tol, max_cycles=MAX_CYCLES):
    """The likeliest end of the starts.

    Parameters
    ----------
    items : Items
    components : ClassComponents
    batch : Batch
        Their probabilities are made to sum to one.
    tol : float
        Log-likelihood that three steps must add, or a start is at its end.
    max_cycles : int

    Returns
    -------
    log_likelihood : float
    weights, classes
        Of the best.
    """
    batch = _normalised(components, batch)
    while batch.weights.shape[1] > KEPT:
        for _ in range(SHORT):
            reached, batch = _step(items, components, batch)
        best = np.argsort(-reached, kind="stable")
        batch = batch.take(np.sort(best[:max(KEPT, len(best) // 2)]))
    variance = np.maximum(marginals(items)[1], components.reg_covar)
    unit = 1 / np.sqrt(variance)[:, None, None]
    done = []           # (log-likelihood, batch of one)
    before, first = None, batch
    for _ in range(max_cycles):
        reached, one = _step(items, components, first)
        if before is not None:
            gain = reached - before
            best = max([reached.max(), *(value for value, _ in done)])
            ends = (gain < tol) | (reached + FAR * gain < best - tol)
            if ends.any():
                done += [(reached[s], first.take([s])) for s in np.flatnonzero(ends)]
                if ends.all():
                    break
                first, one, reached = first.take(~ends), one.take(~ends), reached[~ends]
        before = reached
        middle, two = _step(items, components, one)
        leap = _extrapolated(components, first, one, two, unit)
        ahead, three = _step(items, components, leap)
        first = three.where(ahead >= middle, two)
    else:
        reached, _ = _step(items, components, first)
        done += [(value, first.take([s])) for s, value in enumerate(reached)]
    value, best = max(done, key=lambda end: end[0])
    return float(value), best.weights[:, 0], best.classes.start(0)


def _step(items, components, batch):
    """Log-likelihoods of the starts, and what a step of EM makes of them."""
    statistics = components.mixed(items, batch.weights, batch.classes)
    classes = components.maximise(statistics, batch.classes)
    counts = statistics.positive_counts()
    return statistics.log_likelihood, Batch(counts / counts.sum(axis=0), classes)


def _extrapolated(components, zero, one, two, unit):
    """A leap of each start along its last two steps, kept near enough to be probabilities."""
    before, middle, after = (_coordinates(batch, unit) for batch in (zero, one, two))
    r = [b - a for a, b in zip(before, middle, strict=True)]
    v = [c - b - d for b, c, d in zip(middle, after, r, strict=True)]
    squares = _squares(r), _squares(v)
    length = np.sqrt(squares[0] / np.maximum(squares[1], 1e-300))
    length = np.where(squares[1] > 0, np.maximum(length, 1), 1)
    weights, probs, means, logs = (
        a + 2 * length * b + length * length * c for a, b, c in zip(before, r, v, strict=True))
    limits = two.parts()
    # what goes to zero does so by a quarter at most, and variances stay near
    weights = np.maximum(weights, 0.5 * np.sqrt(limits[0])) ** 2
    probs = np.maximum(probs, 0.5 * np.sqrt(limits[1])) ** 2
    variances = np.exp(np.clip(logs, after[3] - 1, after[3] + 1)) if len(logs) else limits[3]
    means = means / unit if len(means) else means
    return _normalised(components, Batch(weights, Classes(probs, means, variances)))


def _coordinates(batch, unit):
    weights, probs, means, variances = batch.parts()
    return np.sqrt(weights), np.sqrt(probs), means * unit, np.log(variances)


def _squares(parts):
    return sum((part * part).sum(axis=tuple(range(part.ndim - 1))) for part in parts)


def _normalised(components, batch):
    weights, probs, means, variances = batch.parts()
    if len(probs):
        probs = probs / np.add.reduceat(probs, components.first, axis=0)[components.item]
    if len(variances):
        variances = np.maximum(variances, components.reg_covar[:, None, None])
    return Batch(weights / weights.sum(axis=0), Classes(probs, means, variances))
