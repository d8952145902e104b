"""Stepwise EM: how much each batch of a stream counts."""

from dataclasses import dataclass

# A batch counts for no more than this, or than its share of all weight where that is more.
MOST = 0.5


@dataclass(frozen=True)
class Pace:
    """The step sizes of a stream of batches.

    Batch t moves the statistics ``s`` for one unit of weight to ``(1 - g) s + g s_batch``, with
    ``g = (t + offset) ** -exponent``, times the weight of the batch by the mean weight of the
    batches so far. So a batch of one row moves little beside such of a thousand. Exponent 1 and
    offset 0: every row counts the same, whatever batch it came in.

    Attributes
    ----------
    n_batches : int
    weight : float
        Of all of them.
    n_rows : int
        Rows of positive weight.

    References
    ----------
    O. Cappé, E. Moulines, On-line expectation-maximization algorithm for latent data models, JRSS B
    71, 2009.

    Examples
    --------
    >>> from emkernels.em.stepwise import Pace
    >>> pace = Pace(n_batches=4, weight=400.0)
    >>> round(pace.share(100.0, exponent=0.6, offset=10), 3)
    0.197
    >>> round(pace.share(1.0, exponent=0.6, offset=10), 3)
    0.002
    >>> pace.share(100.0, exponent=1.0, offset=0)
    0.2
    """

    n_batches: int = 0
    weight: float = 0.0
    n_rows: int = 0

    def share_of_weight(self, weight):
        """The share of all weight that the next batch has."""
        return weight / (self.weight + weight)

    def share(self, weight, exponent, offset):
        """The step of the next batch, of that weight."""
        t, own = self.n_batches + 1, self.share_of_weight(weight)
        step = min(1.0, (t + offset) ** -exponent) * t * own
        return min(step, max(own, MOST))

    def after(self, weight, n_rows):
        """The pace behind that batch."""
        return Pace(self.n_batches + 1, self.weight + weight, self.n_rows + n_rows)
