"""What the uncertainty of the classes does to a third step."""

import numpy as np

from emkernels.models.classes.errors import FirstStep
from emkernels.models.classes.information import one_hot, scores_by_class


class KnownFrom:
    """The first two steps, as they vary with the rows.

    The solution of the third step moves with a row by its own score, by what the row does to the
    errors of classification, and by what it does to the parameters of the classes, and these to
    the posteriors and so to the errors and to proportional assignments (Z. Bakk, D. L. Oberski, J.
    K. Vermunt, Political Analysis 22, 2014, with all of it from the same rows).

    Parameters
    ----------
    items : Items
        The rows of the fit, weighed.
    resp : ndarray of shape (n_distinct, C)
    weights, classes : ndarray, Classes
    assigned : Assigned
        Of all rows.
    kept : ndarray of shape (n,), bool
        Those of the third step.
    proportional : bool
    options : dict
        Of :class:`emkernels.models.classes.errors.FirstStep`.
    """

    def __init__(self, items, resp, weights, classes, assigned, kept, proportional, **options):
        self.items, self.resp, self.weights, self.classes = items, resp, weights, classes
        self.assigned, self.kept, self.proportional = assigned, kept, proportional
        self.first = FirstStep(items, resp, weights, classes, **options)

    def influence(self, step):
        """(n, q): the scores of the rows with all that they move, for one unit of weight."""
        assigned, by_errors = self.assigned, step.by_errors
        resp, weight, errors = assigned.resp, assigned.weight[:, None], assigned.errors
        counts = assigned.weight @ resp
        out = np.zeros((len(resp), step.scores.shape[1]))
        out[self.kept] = step.scores
        by_posteriors = np.empty((*resp.shape, out.shape[1]))
        for t in range(len(counts)):
            moved = (assigned.shares - errors[t]) @ by_errors[t] / counts[t]
            out += resp[:, t, None] * moved
            by_posteriors[:, t] = weight * moved
        if self.proportional:
            by_posteriors += weight[:, :, None] * np.einsum(
                "nt,tsq->nsq", resp / counts, by_errors)
            by_posteriors[self.kept] += weight[self.kept][:, :, None] * step.by_shares()
        return out + self._of_parameters(by_posteriors)[self.items.inverse]

    def _of_parameters(self, by_posteriors):
        """What the distinct rows do by way of the parameters, (n_distinct, q)."""
        resp, first = self.resp, self.first
        n, C, q = len(resp), *by_posteriors.shape[1:]
        sums = np.zeros((n, C, q))
        np.add.at(sums, self.items.inverse, by_posteriors)
        sums -= np.einsum("nc,ncq->nq", resp, sums)[:, None]
        answers = one_hot(self.items.codes, first.layout.n_levels)
        numbers, width = self.items.numbers, first.layout.width

        def each():
            return enumerate(scores_by_class(
                first.layout, self.weights, self.classes, answers, numbers))

        slopes = np.concatenate([s.T @ (resp[:, k, None] * sums[:, k]) for k, (s, _) in each()])
        steps = first.half @ (first.half.T @ slopes)
        return sum(resp[:, k, None] * (s @ steps[k * width:(k + 1) * width])
                   for k, (s, _) in each())
