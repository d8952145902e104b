"""What the columns of a table are like: extremes, means, deviations, rounding."""

from dataclasses import dataclass

import numpy as np

from emkernels.data.available import divisors

CELLS = 2**16       # that NumPy looks at together
# Rows in which the step of a column's values is looked for.
STEP_ROWS = 512


@dataclass
class ColumnSummary:
    """What the observed cells of every column say; rows without weight are not looked at."""

    counts: np.ndarray      # observed cells
    low: np.ndarray         # NaN where nothing is observed
    high: np.ndarray
    means: np.ndarray       # weighted
    deviations: np.ndarray  # weighted standard deviations, divisor the sum of weights

    @property
    def empty(self):
        return self.counts == 0

    @property
    def constant(self):
        return (self.counts > 0) & (self.low == self.high)

    def of(self, columns):
        """That of some of the columns."""
        return ColumnSummary(*(getattr(self, name)[columns] for name in (
            "counts", "low", "high", "means", "deviations")))

    @classmethod
    def of_moments(cls, counts, low, high, total, first, second):
        """From moments about the smallest values in units of the ranges."""
        span = np.where(high > low, high - low, 1.0)
        total = divisors(total)
        first = first / total
        variance = np.maximum(second / total - first**2, 0)
        return cls(counts, low, high, low + span * first, span * np.sqrt(variance))


def _chunks(X, sample_weight):
    """Blocks of rows with their weights; rows of no weight are left out."""
    step = max(1, CELLS // max(1, X.shape[1]))
    for first in range(0, X.shape[0], step):
        block = X[first:first + step]
        if sample_weight is None:
            yield block, np.ones(len(block))
            continue
        weight = sample_weight[first:first + step]
        if not weight.all():
            block, weight = block[weight > 0], weight[weight > 0]
        yield block, weight


def column_ranges(X, sample_weight=None):
    """Observed cells, and the smallest and the largest value, of each column."""
    n_features = X.shape[1]
    counts = np.zeros(n_features, np.int64)
    low, high = np.full((2, n_features), np.nan)
    for block, _ in _chunks(X, sample_weight):
        columns = np.ascontiguousarray(block.T)     # of short rows NumPy would take one by one
        counts += len(block) - np.isnan(columns).sum(axis=1)
        # fmin and fmax prefer a number to NaN
        low = np.fmin(low, np.fmin.reduce(columns, axis=1, initial=np.nan))
        high = np.fmax(high, np.fmax.reduce(columns, axis=1, initial=np.nan))
    return counts, low, high


def column_moments(X, sample_weight, low, span):
    """Weight, first and second moments of the observed cells of each column, about `low` in units
    of `span`."""
    total, first, second = np.zeros((3, X.shape[1]))
    for block, weight in _chunks(X, sample_weight):
        # one order of the sums for every layout of X
        shifted = np.array(block, dtype=np.float64, order="C")
        shifted -= low
        shifted /= span
        seen = ~np.isnan(shifted)
        shifted[~seen] = 0
        total += np.einsum("n,nd->d", weight, seen)
        first += np.einsum("n,nd->d", weight, shifted)
        second += np.einsum("n,nd,nd->d", weight, shifted, shifted)
    return total, first, second


def summarise_columns(X, sample_weight=None):
    """Counts, extremes, means and standard deviations of the observed cells, a block of rows
    at a time and about the smallest value in units of the range, so that neither an offset
    nor a scale costs digits."""
    counts, low, high = column_ranges(X, sample_weight)
    low, high = low.astype(np.float64), high.astype(np.float64)
    moments = column_moments(X, sample_weight, low, np.where(high > low, high - low, 1.0))
    return ColumnSummary.of_moments(counts, low, high, *moments)


@dataclass
class Rounding:
    """Variances that the columns' values have from being rounded.

    Attributes
    ----------
    steps : ndarray of shape (n_features,)
        To the steps in which they come, as whole numbers do: step^2 / 12; 0 without steps.
    precision : ndarray of shape (n_features,)
        To the floating-point numbers.
    """

    steps: np.ndarray
    precision: np.ndarray

    @classmethod
    def of(cls, X):
        """That of some of the rows."""
        rows = np.array(X[::max(1, -(-len(X) // STEP_ROWS))], dtype=np.float64, order="C")
        rows.sort(axis=0)       # NaN lies at the end
        largest = np.nanmax(np.abs(rows), axis=0, initial=0)
        gaps = np.diff(rows, axis=0)
        step = np.where(gaps > 0, gaps, np.inf).min(axis=0, initial=np.inf)
        # there are steps where all values lie on them
        with np.errstate(over="ignore", invalid="ignore"):     # beside subnormal ones
            places = (rows - rows[0]) / step
            off = np.abs(places - np.rint(places))
        stepped = np.isfinite(step) & (np.nanmax(off, axis=0, initial=0) < 1e-2)
        return cls(np.where(stepped, step, 0.0) ** 2 / 12,
                   (8 * np.finfo(X.dtype).eps * largest) ** 2)
