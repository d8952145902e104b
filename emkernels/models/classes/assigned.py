"""Rows as they are assigned to classes, and how often they are assigned to a wrong one."""

from dataclasses import dataclass

import numpy as np

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
    """

    shares: np.ndarray
    errors: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, resp, weight, assignment):
        shares = resp
        if assignment == "modal":
            shares = np.zeros_like(resp)
            shares[np.arange(len(resp)), resp.argmax(axis=1)] = 1
        counts = weight @ resp
        if not (counts > 0).all():
            raise ValueError(f"class {int(counts.argmin())} has no rows: nothing can be said of it")
        return cls(shares, (weight[:, None] * resp).T @ shares / counts[:, None], weight)

    def take(self, which):
        return Assigned(self.shares[which], self.errors, self.weight[which])

    def corrected(self):
        """The weights of Bolck, Croon and Hagenaars, (n, C): they sum to one in each row, and some
        are negative."""
        values = np.linalg.svd(self.errors, compute_uv=False)
        if not values[-1] > 1e-8 * values[0]:
            never = np.flatnonzero(self.errors.sum(axis=0) <= 0)
            raise ValueError(
                "the classification errors cannot be undone: "
                + (f"no row is assigned to class {never[0]} (assignment='proportional', or fewer "
                   "classes)" if len(never) else "some classes are not told apart by the items"))
        return self.shares @ np.linalg.inv(self.errors)

    def expanded(self):
        """The rows that the likelihood is of: for each row and class that it is assigned to, the
        row, the class and the share."""
        row, class_ = np.nonzero(self.shares)
        return row, class_, self.shares[row, class_]


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


def wald(difference, covariance):
    """Statistic and degrees of freedom of the hypothesis that all differences are zero; of
    differences that depend on each other, by the generalised inverse."""
    covariance = (covariance + covariance.T) / 2
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-10 * max(values[-1], 0)
    if not kept.any() or not values[-1] > 0:
        return np.nan, 0
    along = vectors[:, kept].T @ difference
    return float((along**2 / values[kept]).sum()), int(kept.sum())
