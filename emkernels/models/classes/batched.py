"""Maxima of one table from many starts, side by side to the end.

The starts are the last axis of all parameters. Every one has accelerated steps of its own (SQUAREM:
R. Varadhan, C. Roland, Scandinavian Journal of Statistics 35, 2008), on the roots of probabilities,
means and log variances; those that fall back are dropped on the way.
"""

import numpy as np

from emkernels.components.categorical import Classes
from emkernels.starts.classes import marginals

# Where there are more starts than so many, the better half goes on after so many steps. A few steps
# tell little of where classes that overlap end, and a start more costs less than a pass more.
SHORT, KEPT = 5, 64
MAX_CYCLES = 1000
# A start is given up where it would take more than so many cycles as its last to reach the best.
FAR = 100


class Batch:
    """Parameters of several starts, one above another: weights, probabilities, means, variances.

    Attributes
    ----------
    table : ndarray of shape (1 + n_rows + 2 n_numbers, n_classes, n_starts)
    n_numbers : int
    """

    def __init__(self, table, n_numbers):
        self.table, self.n_numbers = table, n_numbers

    @classmethod
    def of(cls, weights, classes):
        """Of (C, S) and classes whose last axis is S long."""
        parts = [weights[None], classes.probs]
        if len(classes.means):
            parts += [classes.means, classes.variances]
        return cls(np.concatenate(parts), len(classes.means))

    @property
    def n_starts(self):
        return self.table.shape[-1]

    @property
    def weights(self):
        return self.table[0]

    @property
    def classes(self):
        end = len(self.table) - 2 * self.n_numbers
        return Classes(self.table[1:end], self.table[end:end + self.n_numbers],
                       self.table[end + self.n_numbers:])

    def take(self, which):
        return Batch(np.ascontiguousarray(self.table[..., which]), self.n_numbers)

    def joined(self, other):
        return Batch(np.concatenate([self.table, other.table], axis=-1), self.n_numbers)


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
    return Batch.of(np.full(shape, 1 / n_classes),
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
    return Batch.of(new, Classes(probs, means, variances))


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
    batch = _normalised(components, batch.table, batch.n_numbers)
    while batch.n_starts > KEPT:
        for _ in range(SHORT):
            reached, batch = _step(items, components, batch)
        best = np.argsort(-_ranked(components, batch, reached), kind="stable")
        batch = batch.take(np.sort(best[:max(KEPT, len(best) // 2)]))
    variance = np.maximum(marginals(items)[1], components.reg_covar)
    unit = 1 / np.sqrt(variance)[:, None, None]
    done = []           # (log-likelihood, -inf where it is high for nothing; itself; batch of one)
    before, first = None, batch
    for _ in range(max_cycles):
        reached, one = _step(items, components, first)
        if before is not None:
            gain, rank = reached - before, _ranked(components, first, reached)
            # beside numbers one may be on its way to a collapse, and is the best where it ends
            best = max([-np.inf if batch.n_numbers else rank.max(), *(end[0] for end in done)])
            ends = (gain < tol) | (reached + FAR * gain < best - tol)
            if ends.any():
                done += [(rank[s], reached[s], first.take([s])) for s in np.flatnonzero(ends)]
                if ends.all():
                    break
                first, one, reached = first.take(~ends), one.take(~ends), reached[~ends]
        before = reached
        middle, two = _step(items, components, one)
        leap = _extrapolated(components, first, one, two, unit)
        ahead, three = _step(items, components, leap)
        first = Batch(np.where(ahead >= middle, three.table, two.table), two.n_numbers)
    else:
        reached, _ = _step(items, components, first)
        rank = _ranked(components, first, reached)
        done += [(rank[s], reached[s], first.take([s])) for s in range(first.n_starts)]
    _, value, best = max(done, key=lambda end: end[:2])
    return float(value), best.weights[:, 0], best.classes.start(0)


def _ranked(components, batch, reached):
    """Log-likelihoods by which starts are compared: of one with a variance that collapsed, which is
    as high as `reg_covar` is small, -inf."""
    return np.where(components.spikes(batch.classes).any(axis=(0, 1)), -np.inf, reached)


def _step(items, components, batch):
    """Log-likelihoods of the starts, and what a step of EM makes of them."""
    classes = batch.classes
    statistics = components.mixed(items, batch.weights, classes)
    classes = components.maximise(statistics, classes)
    counts = statistics.positive_counts()
    return statistics.log_likelihood, Batch.of(counts / counts.sum(axis=0), classes)


def _extrapolated(components, zero, one, two, unit):
    """A leap of each start along its last two steps, kept near enough to be probabilities."""
    p = two.n_numbers
    before, middle, after = (_coordinates(batch, unit) for batch in (zero, one, two))
    r = middle - before
    v = after - middle - r
    long_, bent = np.einsum("rcs,rcs->s", r, r), np.einsum("rcs,rcs->s", v, v)
    length = np.where(bent > 0, np.sqrt(long_ / np.maximum(bent, 1e-300)), 1)
    length = np.maximum(length, 1)
    leap = before + 2 * length * r + length * length * v
    end = len(leap) - 2 * p
    # what goes to zero does so by a quarter at most, and variances stay near
    leap[:end] = np.maximum(leap[:end], 0.5 * after[:end]) ** 2
    if p:
        leap[end:end + p] /= unit
        leap[end + p:] = np.exp(np.clip(leap[end + p:], after[end + p:] - 1, after[end + p:] + 1))
    return _normalised(components, leap, p)


def _coordinates(batch, unit):
    p = batch.n_numbers
    if not p:
        return np.sqrt(batch.table)
    end = len(batch.table) - 2 * p
    return np.concatenate([np.sqrt(batch.table[:end]), batch.table[end:end + p] * unit,
                           np.log(batch.table[end + p:])])


def _normalised(components, table, n_numbers):
    end = len(table) - 2 * n_numbers
    table[0] /= table[0].sum(axis=0)
    if end > 1:
        table[1:end] /= np.add.reduceat(table[1:end], components.first, axis=0)[components.item]
    if n_numbers:
        least = components.reg_covar[:, None, None]
        table[end + n_numbers:] = np.maximum(table[end + n_numbers:], least)
    return Batch(table, n_numbers)
