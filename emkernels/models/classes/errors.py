"""Standard errors of latent classes, from the observed information."""

from typing import NamedTuple

import numpy as np

from emkernels._callers import warn
from emkernels._one_thread import one_thread
from emkernels._results import Result, Table
from emkernels.components.categorical import ClassComponents
from emkernels.em import EMWarning
from emkernels.models.classes.examination import jacobian_rank
from emkernels.models.classes.information import Layout, free_directions, information

# What is that near to 0 has no error, and does not move.
BOUNDARY = 1e-5
# Below this a probability is held too where a step of EM takes more than so much of it away: it
# is on its way to 0.
SMALL, FALLS = 1e-2, 0.02
# log-likelihood that a step of Newton's promises, above which the parameters are at no maximum
PROMISE = 0.05
# smallest eigenvalue of the information, to its largest
SINGULAR = 1e-10


class _Errors(NamedTuple):
    weights: np.ndarray
    response_probs: list
    means: np.ndarray
    variances: np.ndarray


class ClassErrors(Result, _Errors):
    """Result of :meth:`emkernels.LatentClassAnalysis.standard_errors`, a named tuple.

    Attributes
    ----------
    weights : ndarray of shape (n_classes,)
    response_probs : list of ndarray of shape (n_classes, n_levels)
        Of each item.
    means, variances : ndarray of shape (n_classes, n_continuous)
    items : list of (name, levels), or None
        Of `response_probs`.
    numbers : list of str, or None
        Names of the columns of `means`.

    See Also
    --------
    emkernels.LatentClassAnalysis : Whose `standard_errors` give it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import LatentClassAnalysis
    >>> rng = np.random.default_rng(0)
    >>> high = rng.random(300) < 0.4
    >>> X = (rng.random((300, 6)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
    >>> model = LatentClassAnalysis(2, random_state=0).fit(X)
    >>> model.standard_errors(X).weights.round(2)
    array([0.03, 0.03])
    """

    items = numbers = None

    def _tables(self):
        items, numbers = self.items, self.numbers
        if items is None:
            items = [(f"item{j}", range(probs.shape[1]))
                     for j, probs in enumerate(self.response_probs)]
        if numbers is None:
            numbers = [f"number{j}" for j in range(self.means.shape[1])]
        rows = []
        for k, weight in enumerate(self.weights):
            rows.append((k, "weight", "", "", weight))
            for (name, levels), probs in zip(items, self.response_probs):
                rows += [(k, "response_prob", name, level, error)
                         for level, error in zip(levels, probs[k])]
            for what, values in (("mean", self.means), ("variance", self.variances)):
                rows += [(k, what, name, "", error) for name, error in zip(numbers, values[k])]
        heads = ("class", "parameter", "column", "level", "standard_error")
        return [Table(list(zip(heads, map(list, zip(*rows)))), 4)]

    def _headline(self):
        return "Standard errors of the parameters of the classes"


def standard_errors(items, resp, weights, classes, *, concentration=1.0, reg_covar=0.0):
    """The :class:`ClassErrors` of parameters at a maximum, of the distinct rows `items` and their
    posteriors."""
    found = FirstStep(items, resp, weights, classes, concentration, reg_covar)
    own, probs, means, variances = found.layout.parted(found.deviations())
    return ClassErrors(own.copy(), np.split(probs, found.layout.first[1:-1], axis=1)
                       if len(items.n_levels) else [], means.copy(), variances.copy())


class FirstStep:
    """Parameters of classes at a maximum, and how they vary.

    Attributes
    ----------
    layout : Layout
    units : ndarray of shape (layout.size,)
    half : ndarray of shape (layout.size, q)
        In units, the covariance of the parameters is ``half half'``.
    moved : ndarray of shape (layout.size,), bool
        What is not held at the boundary.
    """

    def __init__(self, items, resp, weights, classes, concentration=1.0, reg_covar=0.0):
        self.layout = layout = Layout(items.n_levels, len(weights), len(classes.means))
        with one_thread(layout.size):
            gradient, matrix = information(
                layout, weights, classes, items.codes, items.numbers, resp, items.sample_weight)
            vector, self.units = layout.joined(weights, classes), layout.units(weights, classes)
            steps = _step_ratios(layout, vector, gradient)
            more = concentration - 1
            if more:
                gradient, matrix = _with_prior(layout, vector, gradient, matrix, more)
                steps = np.ones(layout.size)
            free = _free(layout, vector, steps, reg_covar)
            basis = free_directions(layout, vector, self.units, free)
            self.moved = (basis != 0).any(axis=1)
            rank, n_free = jacobian_rank(
                items, ClassComponents(items.n_levels), weights, classes)
            identified = more > 0 or (rank is not None and rank >= n_free)
            self.half = _half(basis, gradient, matrix, identified)

    def deviations(self):
        """Standard errors of all parameters, NaN of what is held."""
        return np.where(self.moved, self.units * np.sqrt((self.half**2).sum(axis=1)), np.nan)


def _step_ratios(layout, vector, gradient):
    """What a step of EM would make of each probability, in parts of it; 1 of what is none."""
    out = np.ones(layout.size)
    root = np.sqrt(np.abs(vector))
    for group in layout.sums():
        expected = root[group] * gradient[group]        # rows of the class that gave the level
        if expected.sum() > 0:
            out[group] = expected / expected.sum() / np.maximum(vector[group], 1e-300)
    return out


def _with_prior(layout, vector, gradient, matrix, more):
    """Of the log-likelihood and the log density of the Dirichlet priors."""
    gradient, matrix = gradient.copy(), matrix.copy()
    for group in layout.sums()[1:]:
        p = np.maximum(vector[group], 1e-300)
        gradient[group] += more / np.sqrt(p)
        matrix[group, group] += more / p
    return gradient, matrix


def _free(layout, vector, steps, reg_covar):
    """Which parameters are not held where they are."""
    free = np.ones(layout.size, bool)
    for group in layout.sums():
        free[group] = (vector[group] > BOUNDARY) & ~(
            (vector[group] < SMALL) & (steps[group] < 1 - FALLS))
    table = free.reshape(layout.n_classes, layout.width)        # a view
    if layout.n_numbers:
        table[:, -layout.n_numbers:] = layout.parted(vector)[3] > 2 * reg_covar
    table[~table[:, 0]] = False
    return free


def _half(basis, gradient, matrix, identified):
    """A square root of the covariance, in units."""
    if not basis.shape[1]:
        return np.zeros((len(basis), 0))
    inner = basis.T @ matrix @ basis
    scaled, scale = _scaled((inner + inner.T) / 2)
    values, vectors = np.linalg.eigh(scaled)
    if not identified or not values[0] > SINGULAR * values[-1]:
        raise ValueError(
            "the observed information is not positive definite: the rows do not determine the "
            "parameters (too many classes for these items), or the fit is not at a maximum of the "
            "likelihood (fit with a smaller tol, and more starts)")
    vectors = scale[:, None] * vectors / np.sqrt(values)
    promised = 0.5 * float(((vectors.T @ (basis.T @ gradient)) ** 2).sum())
    if promised > PROMISE:
        warn(f"the parameters are not at a maximum of the likelihood of these rows (a step would "
             f"add {promised:.2g} to it), and the standard errors are those of a maximum: fit "
             "with a smaller tol (or reg_covar), or pass the rows of the fit", EMWarning)
    return basis @ vectors


def _scaled(matrix):
    """With ones on the diagonal, and what it was multiplied with."""
    diagonal = np.diagonal(matrix)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1))
    return matrix * scale * scale[:, None], scale
