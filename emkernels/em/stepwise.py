"""Stepwise EM: how much each batch of a stream counts."""

from dataclasses import dataclass

# A batch counts for no more than this, or than its share of all weight where that is more.
MOST = 0.5
# Small batches count together, as so many at least.
STEPS = 20


@dataclass(frozen=True)
class Pace:
    """The step sizes of a stream of batches.

    A batch moves the statistics ``s`` for one unit of weight to ``(1 - g) s + g s_batch``, with
    ``g = (t + offset) ** -exponent w``: w is the weight of the batch, and t that of all so far, by
    the mean weight of a batch; or, where that is more, by `least`, but by no more than a twentieth
    of all weight so far. So batch t of equal ones counts ``(t + offset) ** -exponent``, a batch of
    one row moves little beside such of a thousand, and small ones count as if they came together.
    Exponent 1 and offset 0: every row counts the same, whatever batch it came in.

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

    @classmethod
    def of_fit(cls, weight, n_rows=None):
        """That of a fit to rows of that weight, which counts as one batch; of no weight where it
        is not known."""
        if not weight:
            return cls()
        n_rows = max(1, round(float(weight))) if n_rows is None else int(n_rows)
        return cls(1, float(weight), n_rows)

    def share_of_weight(self, weight):
        """The share of all weight that the next batch has."""
        return weight / (self.weight + weight)

    def share(self, weight, exponent, offset, least=0.0):
        """The step of the next batch, of that weight; `least`: what a batch should weigh."""
        total = self.weight + weight
        unit = max(total / (self.n_batches + 1), min(least, total / STEPS))
        step = min(1.0, (total / unit + offset) ** -exponent) * weight / unit
        return min(step, max(weight / total, MOST))

    def after(self, weight, n_rows):
        """The pace behind that batch."""
        return Pace(self.n_batches + 1, self.weight + weight, self.n_rows + n_rows)
