"""Rows as they are assigned to classes, and how often they are assigned to a wrong one."""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

# What is so small a part of the rows is none.
NONE = 1e-12
METHODS, ASSIGNMENTS = ("ml", "bch"), ("modal", "proportional")


@dataclass
class Assigned:
    """The second of three steps.

    Attributes
    ----------
    shares : ndarray of shape (n, C)
        What of each row is assigned to each class; of modal assignment one 1 in each row.
    errors : ndarray of shape (C, C)
        ``errors[t, s]``, the probability that a row of class t is assigned to class s.
    weight : ndarray of shape (n,)
    resp : ndarray of shape (n, C)
        Posterior probabilities.
    """

    shares: np.ndarray
    errors: np.ndarray
    weight: np.ndarray
    resp: np.ndarray

    @classmethod
    def of(cls, resp, weight, assignment):
        shares = resp
        if assignment == "modal":
            shares = np.zeros_like(resp)
            shares[np.arange(len(resp)), resp.argmax(axis=1)] = 1
        counts = weight @ resp
        if not (counts > NONE * weight.sum()).all():
            raise ValueError(f"class {int(counts.argmin())} has no rows: nothing can be said of it")
        errors = (weight[:, None] * resp).T @ shares / counts[:, None]
        return cls(shares, errors, weight, resp)

    def take(self, which):
        return Assigned(self.shares[which], self.errors, self.weight[which], self.resp[which])

    def corrected(self):
        """The weights of Bolck, Croon and Hagenaars, (n, C): they sum to one in each row, and some
        are negative."""
        return self.shares @ self.undone()

    def undone(self):
        """The inverse of the errors."""
        values = np.linalg.svd(self.errors, compute_uv=False)
        if not values[-1] > 1e-8 * values[0]:
            never = np.flatnonzero(self.errors.sum(axis=0) <= 0)
            raise ValueError(
                "the classification errors cannot be undone: "
                + (f"no row is assigned to class {never[0]} (assignment='proportional', or fewer "
                   "classes)" if len(never) else "some classes are not told apart by the items"))
        return np.linalg.inv(self.errors)

    def expanded(self):
        """The rows that the likelihood is of: for each row and class that it is assigned to, the
        row, the class and the share."""
        row, class_ = np.nonzero(self.shares)
        return row, class_, self.shares[row, class_]


@dataclass
class ThirdStep:
    """Equations ``sum of the scores = 0`` of a third step, at their solution, of n rows.

    Attributes
    ----------
    scores : ndarray of shape (n, q)
        For one unit of weight.
    bread : ndarray of shape (q, q)
        Their weighted sum, differentiated, with its sign turned.
    by_errors : ndarray of shape (C, C, q)
        What the weighted sum is made larger by each of the errors of classification.
    by_shares : callable
        The (n, C, q) that each score is made larger by what is assigned to each class, in units of
        weight; not asked for where assignment is modal.
    what : str
        What is estimated.
    """

    scores: np.ndarray
    bread: np.ndarray
    by_errors: np.ndarray
    by_shares: object
    what: str

    def covariance(self, assigned, first):
        """Of the solution, by a sandwich; `first` adds the uncertainty of the classes, None takes
        them for known."""
        scores, weight = self.scores, assigned.weight
        if first is not None:
            scores, weight = first.influence(self), first.assigned.weight
        return sandwich(self.bread, (weight[:, None] * scores).T @ scores, self.what)


def sandwich(bread, meat, what):
    """``bread^-1 meat bread^-1``; ValueError where `bread` is not positive definite."""
    diagonal = np.diagonal(bread)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1))
    values, vectors = np.linalg.eigh((bread + bread.T) / 2 * scale * scale[:, None])
    if not values[0] > 1e-11 * values[-1]:
        raise ValueError(f"the rows do not determine {what}")
    half = scale[:, None] * vectors / np.sqrt(values)
    inverse = half @ half.T
    return inverse @ meat @ inverse


def p_value_of(statistic, df):
    """Of a chi-squared statistic; 1 where nothing is free to differ."""
    return float(chdtrc(df, statistic)) if df else 1.0


def wald(difference, covariance):
    """Statistic and degrees of freedom of the hypothesis that all differences are zero; of
    differences that depend on each other, by the generalised inverse."""
    covariance = (covariance + covariance.T) / 2
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-10 * max(values[-1], 0)
    if not kept.any() or not values[-1] > 0:
        return 0.0, 0
    along = vectors[:, kept].T @ difference
    return float((along**2 / values[kept]).sum()), int(kept.sum())
