"""Some rows of many, whichever blocks they come in."""

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniforms(seed, first, n):
    """Numbers in (0, 1) of the rows first, first + 1, ...: each from the seed and the number of
    the row alone (G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators,
    OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        state = mixed(np.array([seed], np.uint64) * _GOLDEN + _GOLDEN)
        z = mixed(state + (np.arange(first, first + n, dtype=np.uint64) + np.uint64(1)) * _GOLDEN)
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def mixed(z):
    """Whole numbers of 64 bits, spread evenly."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Drawn:
    """The rows of the highest priorities, one more than are wanted.

    Attributes
    ----------
    n_rows : int
        How many are wanted.
    X, weight, priority, index : ndarray
        Of these rows: values, weights (None where there are none), priorities, and numbers.
    more : Drawn or None
        Others that are wanted whatever their priorities.
    """

    def __init__(self, n_rows, X, weight, priority, index):
        self.n_rows, self.X, self.weight = n_rows, X, weight
        self.priority, self.index, self.more = priority, index, None

    def merge(self, other):
        priority = np.concatenate([self.priority, other.priority])
        kept = _highest(priority, np.concatenate([self.index, other.index]), self.n_rows + 1)
        for name in ("X", "index", "priority", "weight"):
            mine = getattr(self, name)
            if mine is not None:
                setattr(self, name, _joined(mine, getattr(other, name), kept))
        return self

    def with_more(self, more):
        self.more = more
        return self

    def taken(self):
        """The rows that are wanted, in their order, and their weights, None where these are all
        the same."""
        X, index = self.X, self.index
        weight = np.ones(len(X)) if self.weight is None else self.weight
        if len(X) > self.n_rows:
            least = int(np.argmin(self.priority))
            weight = np.maximum(weight, self.priority[least])
            kept = np.delete(np.arange(len(X)), least)
            if self.more is None:
                kept = kept[np.argsort(index[kept], kind="stable")]
            X, index, weight = X[kept], index[kept], weight[kept]
            # what was not drawn weighs what it weighs, little beside what was
            if self.more is not None:
                new = ~np.isin(self.more.index, index)
                own = self.more.weight
                own = np.ones(len(new)) if own is None else own
                X, index, weight = (np.concatenate(pair) for pair in (
                    (X, self.more.X[new]), (index, self.more.index[new]), (weight, own[new])))
        if (np.diff(index) < 0).any():
            order = np.argsort(index, kind="stable")
            X, weight = X[order], weight[order]
        X = np.ascontiguousarray(X)
        return X, None if len(weight) and weight.min() == weight.max() else weight


def _joined(first, second, kept):
    """Some of the rows of two arrays, without a copy of all."""
    if not len(first) or not len(second):
        return (first if len(first) else second)[kept]
    out = np.take(first, np.minimum(kept, len(first) - 1), axis=0)
    later = kept >= len(first)
    out[later] = second[kept[later] - len(first)]
    return out


def _highest(priority, index, n):
    """Positions of the n highest priorities, of equal ones those of lower rows, in the order of
    the rows."""
    if len(priority) <= n:
        return np.argsort(index, kind="stable")
    at = np.argpartition(priority, len(priority) - n)
    limit = priority[at[len(priority) - n]]
    above = np.flatnonzero(priority > limit)
    equal = np.flatnonzero(priority == limit)
    equal = equal[np.argsort(index[equal], kind="stable")][:n - len(above)]
    at = np.concatenate([above, equal])
    return at[np.argsort(index[at], kind="stable")]


def _priorities(rows, seed):
    out, weight = np.empty(len(rows)), rows.weight_given
    for first in range(0, len(rows), 8192):     # what is made on the way is of a piece
        part = slice(first, min(first + 8192, len(rows)))
        u = uniforms(seed, rows.first_row + first, part.stop - first)
        out[part] = (1 if weight is None else weight[part]) / u
    return out


def _drawn(rows, at, priority, n_rows):
    weight = rows.weight_given
    return Drawn(n_rows, np.array(rows.X[at], order="C"), None if weight is None else weight[at],
                 priority[at], at + rows.first_row)


def sample_block(rows, n_rows, seed, least=0.0, factor=1.0):
    """The rows of a block with the highest priorities, of those above `least`. `factor`: of the
    weight of each row, which is then the weight of what is drawn."""
    priority = _priorities(rows, seed)
    priority *= factor
    at = np.flatnonzero(priority > least)       # rows of no weight are absent
    at = at[_highest(priority[at], at, n_rows + 1)]
    drawn = _drawn(rows, at, priority, n_rows)
    if np.ndim(factor):
        drawn.weight = (1.0 if drawn.weight is None else drawn.weight) * factor[at]
    return drawn


def drawn_of(parts, weight, priority, index, n_rows):
    """Those of the highest priorities among rows of these numbers, the values of whose columns are
    in several arrays."""
    at = _highest(priority, index, n_rows + 1)
    X = np.column_stack([part[at].astype(np.float64) for part in parts])
    return Drawn(n_rows, X, weight[at], priority[at], index[at])


class Several:
    """A :class:`Drawn` for each of some columns."""

    def __init__(self, parts):
        self.parts = parts

    def merge(self, other):
        for mine, theirs in zip(self.parts, other.parts, strict=True):
            mine.merge(theirs)
        return self

    def _joined(self, name):
        return np.concatenate([getattr(part, name) for part in self.parts])

    @property
    def index(self):
        return self._unique(self._joined("index"))

    @property
    def X(self):
        return self._unique(self._joined("X"))

    @property
    def weight(self):
        return None if self.parts[0].weight is None else self._unique(self._joined("weight"))

    def _unique(self, values):
        return values[np.unique(self._joined("index"), return_index=True)[1]]


def sample_with_value(rows, columns, n_rows, seed):
    """The same for each of some columns, among the rows that have a value there."""
    priority, parts = _priorities(rows, seed), []
    for column in columns:
        at = np.flatnonzero((priority > 0) & ~np.isnan(rows.X[:, column]))
        at = at[_highest(priority[at], at, n_rows)]
        parts.append(_drawn(rows, at, priority, n_rows - 1))
    return Several(parts)
