"""Newton steps for latent classes, where EM is slow."""

import numpy as np

from emkernels._one_thread import one_thread
from emkernels.components.categorical import Classes
from emkernels.data.source import Sums
from emkernels.em.acceleration import Squarem
from emkernels.latent.mixture import MixtureParameters
from emkernels.models.classes.information import Layout, information

PLAIN = 50              # steps of EM as it is
PATIENCE = 5            # so many more until Newton's begin, where they cost as much as EM's
LARGEST = 1500          # parameters of whose information it is worth solving for
LEAST = 1e-12           # probabilities below are left to EM
# what a Newton step adds to the log-likelihood, and to probabilities, that is nothing
CLOSE, NEAR = 1e-10, 1e-10
RESTS = 4               # steps of EM then, which confirm that the maximum is there
TRIES = 4
SHRINK = 0.1            # of a probability that a step would make negative, what is left


class Patient:
    """Plain EM at first, then its squared extrapolation, then Newton steps.

    EM's rate is that of the missing information, and where classes hardly differ all is missing:
    thousands of steps, which extrapolation makes hundreds. A Newton step costs the information
    (:func:`~emkernels.models.classes.information.information`), and a few do. It is a proposal as
    those of ``emkernels.em.acceleration.Squarem``: the loop takes it where the objective
    does not fall. A step is damped by the complete information (K. Levenberg, Quarterly of Applied
    Mathematics 2, 1944), so that a much damped one has the direction of EM's; what it would make
    negative shrinks to a tenth instead.

    Newton's steps are left out where there are numbers: variances with `reg_covar` added are at
    no maximum.

    Parameters
    ----------
    model : Mixture
        Of :class:`emkernels.components.categorical.ClassComponents`.
    items : Items or ItemBlocks
        The rows of the fit.
    """

    def __init__(self, model, items):
        self.model, self.items = model, items
        self.squarem = Squarem(model)
        self.components = model.components
        self.layout = None
        self.n_steps, self.rest, self.damping = 0, 0, 1e-3
        self.trying = False
        self.last_was_plain = True

    def propose(self, current, new):
        """Parameters to try, or None: a plain step comes next."""
        self.n_steps += 1
        if self.n_steps < PLAIN:
            return None
        if self.layout is None:
            self._prepare(len(new.weights))
        if self.n_steps <= self.patience:
            proposal = self.squarem.propose(current, new)
        elif self.rest > 0:
            self.rest -= 1
            proposal = None
        else:
            proposal = self._step(new)
            self.trying = proposal is not None
        self.last_was_plain = proposal is None
        return proposal

    def pause(self):
        """A plain step comes next."""
        self.squarem.pause()
        self.rest = RESTS
        self.last_was_plain = True

    def judge(self, accepted):
        """Whether the last proposal was good."""
        if not self.trying:
            self.squarem.judge(accepted)
        elif accepted:
            self.damping = max(self.damping / 10, 1e-12)
        else:
            self.damping = min(self.damping * 10, 1e3)
        self.trying = False
        if not accepted:
            self.last_was_plain = True

    def _prepare(self, n_classes):
        items = self.items
        self.layout = layout = Layout(items.n_levels, n_classes, 0)
        n, size = items.n_distinct, float(layout.size)
        self.patience = np.inf
        if size > LARGEST or items.continuous:
            return
        step = 2.4 * n * size**2 + size**3 + 3e6
        em = 30.0 * n * n_classes * items.n_items + 1e6     # of which the last is overhead
        self.patience = PLAIN + PATIENCE * step / em
        # the sum that each parameter is in
        self.group = np.empty(layout.size, np.intp)
        for g, inside in enumerate(layout.sums()):
            self.group[inside] = g

    def _step(self, at):
        """The step from some parameters, None where there is nothing to gain."""
        layout, items = self.layout, self.items
        sums = items.reduce(_informed, self.components, layout, at)
        gradient, matrix = sums.gradient, sums.matrix
        vector = layout.joined(at.weights, at.components)
        units = layout.units(at.weights, at.components)
        counts = np.repeat(np.maximum(sums.counts, 1e-300), layout.width)
        more = self.components.concentration - 1
        free = vector > LEAST
        if more:
            of_probs = free & (np.arange(layout.size) % layout.width != 0)
            extra = np.where(of_probs, more / np.where(of_probs, units, 1), 0)
            gradient = gradient + extra
            # the unit is the root of the probability: minus the second derivative is a / p
            matrix[np.diag_indices_from(matrix)] += extra / np.where(of_probs, units, 1)
            counts = counts + more
        step = self._solve(gradient, matrix, units, counts, free)
        if step is None:
            self.rest = RESTS
            return None
        moved = np.where(free, vector + units * step, vector)
        totals = np.bincount(self.group, moved)
        weights, probs, means, variances = layout.parted(moved / totals[self.group])
        return MixtureParameters(weights, Classes(
            np.ascontiguousarray(probs.T), np.ascontiguousarray(means.T),
            np.ascontiguousarray(variances.T)))

    def _solve(self, gradient, matrix, units, counts, free):
        """The damped step in units; None where there is nothing to gain, or no step."""
        inside, shrunk = free, np.zeros(len(units), bool)
        with one_thread(len(matrix)):
            for _ in range(TRIES):
                step, gain = self._damped(gradient, matrix, units, counts, inside)
                if step is None:
                    return None
                if not gain > 0:        # no maximum near by: damped more, it is EM's direction
                    self.damping = max(self.damping * 100, 1e-2)
                    continue
                below = inside & (units + step < SHRINK * units)
                if not below.any():
                    break
                inside, shrunk = inside & ~below, shrunk | below
        if not gain > CLOSE and not shrunk.any() and np.max(np.abs(units * step)) <= NEAR:
            return None
        return np.where(shrunk, (SHRINK - 1) * units, np.maximum(step, (SHRINK - 1) * units))

    def _damped(self, gradient, matrix, units, counts, inside):
        """The step of the parameters `inside`, which keeps the sums, and twice what it gains."""
        normal = np.zeros((len(units), int(self.group.max()) + 1))
        normal[inside, self.group[inside]] = units[inside]
        sizes = np.sqrt((normal * normal).sum(axis=0))
        normal /= np.where(sizes > 0, sizes, 1)
        slope = np.where(inside, gradient, 0)
        slope = slope - normal @ (normal.T @ slope)
        inner = np.where(np.outer(inside, inside), matrix, 0)
        inner = inner - normal @ (normal.T @ inner)
        inner = inner - (inner @ normal) @ normal.T
        inner += counts.mean() * (normal @ normal.T)
        inner[np.diag_indices_from(inner)] += self.damping * counts + ~inside
        try:
            step = np.linalg.solve(inner, slope)
        except np.linalg.LinAlgError:
            return None, 0.0
        return (step, float(slope @ step)) if np.isfinite(step).all() else (None, 0.0)


def _informed(items, components, layout, at):
    """Gradient, observed information and sums of the posteriors."""
    resp = components.rows(items, at.weights, at.components, "resp")["resp"]
    gradient, matrix = information(
        layout, at.weights, at.components, items.codes, None, resp, items.sample_weight)
    return Sums(gradient=gradient, matrix=matrix, counts=items.sample_weight @ resp)
