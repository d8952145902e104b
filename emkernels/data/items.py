"""Answers to items, as codes, beside columns of numbers: checked once, equal rows counted."""

import numpy as np

from emkernels import _inputs
from emkernels.data import checks
from emkernels.kernels import passes

MISSING = 255           # the code of a missing answer; levels are fewer
GROUP_CODES = 256       # that items grouped together may have, missing ones included
# of a mixing generator (G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number
# generators, OOPSLA 2014): equal rows have equal sums, others hardly ever
_GOLDEN = 0x9E3779B97F4A7C15


class Items:
    """Checked rows of answers to items, equal ones once, and of numbers.

    Made by :meth:`read`. What the levels of an item are, its values or texts say; from here on
    they are codes. A :class:`emkernels.em.protocol.Source`.

    Attributes
    ----------
    codes : ndarray of shape (n_distinct, n_items), uint8
        255 where missing. Rows that are equal stand once, in the order of their first, unless
        there are numbers, or rows for one pass (`once`) are likely to differ, or they stay apart.
    levels : list of ndarray
        The levels of each item.
    numbers : ndarray of shape (n_distinct, n_numbers), float64, or None
        NaN where missing.
    sample_weight : ndarray of shape (n_distinct,), float64
        Of the rows that are equal, together.
    inverse : ndarray of shape (n_rows,)
        Which of the distinct rows each row is.
    items, continuous : list of int
        Their columns.
    column_names : list of str
        How messages call the columns of the table.
    n_rows, n_features, n_positive, total : int, int, int, float
        Of all rows, before equal ones are put together.
    n_threads : int or None

    Examples
    --------
    >>> from emkernels.data.items import Items
    >>> answers = Items.read([["yes", 1], ["no", None], ["yes", 1]])
    >>> answers.codes.tolist(), answers.sample_weight.tolist()
    ([[1, 0], [0, 255]], [2.0, 1.0])
    """

    # of the rows of a block the number of the first, and how many rows the block has; of rows of
    # several blocks their numbers, and those of the blocks' first
    first_row, n_table, origin, first_rows = 0, None, None, None

    lasting = None      # of a block: nothing is kept of answers

    def __init__(self, codes, levels, numbers=None, sample_weight=None, *, n_threads=None,
                 once=False, apart=False):
        n = len(codes)
        weight = np.ones(n) if sample_weight is None else sample_weight
        self.n_rows, self.levels = n, levels
        self.n_features = codes.shape[1] + (0 if numbers is None else numbers.shape[1])
        self.n_positive, self.total = int(np.count_nonzero(weight)), float(weight.sum())
        if numbers is None and not apart and not (once and self._may_be_many(n)):
            first, self.inverse = distinct_rows(codes)
            codes = codes[first]
            weight = np.bincount(self.inverse, weight, minlength=len(first))
        else:
            self.inverse = np.arange(n)
        self.codes, self.numbers = np.ascontiguousarray(codes), numbers
        self.n_threads = n_threads
        self.sample_weight = weight
        self.dtype, self.places = np.dtype(np.float64), None
        self.kept = {}

    def _may_be_many(self, n):
        """Whether there can be more distinct rows than finding them is worth, for one pass."""
        return np.prod([len(levels) + 1.0 for levels in self.levels]) > 4 * n

    @classmethod
    def read(cls, X, estimator=None, *, continuous=None, sample_weight=None, min_samples=1,
             n_threads=None):
        """Rows to fit: every value that occurs in a row of positive weight is a level.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), data frame or table
            Missing are None, NaN, the NA of pandas, masked cells. Or Items, which stay as they are.
        estimator : estimator, optional
            Named in messages.
        continuous : sequence of int or str, optional
            Columns of numbers, by position or name; the others are items, in their order.
        sample_weight : array-like of shape (n_samples,), optional
            Rows of weight 0 are absent.
        min_samples : int
        n_threads : int, optional

        Raises
        ------
        ValueError, TypeError
            What is no table, an infinity, an item of more than 255 levels or without answers;
            the column and the row are named.
        """
        if isinstance(X, cls):      # read before, weights and all
            X.n_threads = n_threads
            return X
        columns, names = _inputs.as_columns(X)
        n = len(columns[0].values)
        if n < min_samples:
            who = "" if estimator is None else f" of {type(estimator).__name__}"
            raise ValueError(f"a fit{who} needs at least {min_samples} rows (n_samples={n})")
        numeric = positions_of(continuous, names, len(columns))
        items = [j for j in range(len(columns)) if j not in set(numeric)]
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        weight = checks.check_sample_weight(sample_weight, np.empty((n, 0)))
        used = None if weight is None else weight > 0
        codes, levels = np.empty((n, len(items)), np.uint8, order="F"), []
        for at, j in enumerate(items):
            found, code = _inputs.levels_of(columns[j], used)
            if not len(found):
                raise ValueError(f"X has no observed value in {columns[j].title}")
            if len(found) > MISSING:
                raise ValueError(
                    f"{columns[j].title} of X has {len(found)} levels, and an item at most "
                    f"{MISSING}: is it a column of numbers (continuous=)?")
            levels.append(found)
            codes[:, at] = np.where(code < 0, MISSING, code)
        numbers = _numbers(columns, numeric, used)
        out = cls.of_used(codes, levels, numbers, weight, used, n_threads)
        out.kinds = _inputs.categories_of(X)
        return out.placed(items, numeric, names, checks.index_of(X))

    @classmethod
    def read_again(cls, X, estimator, levels, continuous, names, *, sample_weight=None):
        """Rows for a fitted estimator: every value must be one of the `levels`."""
        if isinstance(X, cls):      # those of the fit
            return X
        checks.check_columns_of_fit(estimator, X)
        columns, found = _inputs.as_columns(X)
        n_columns = len(levels) + len(continuous)
        checks.check_width(estimator, np.empty((len(columns[0].values), len(columns))))
        items = [j for j in range(n_columns) if j not in set(continuous)]
        _inputs.check_same_rows(X, sample_weight, "sample_weight")
        n = len(columns[0].values)
        weight = checks.check_sample_weight(sample_weight, np.empty((n, 0)))
        codes = np.empty((n, len(items)), np.uint8, order="F")
        for at, j in enumerate(items):
            code = _inputs.codes_of(columns[j], levels[at])
            codes[:, at] = np.where(code < 0, MISSING, code)
        out = cls(codes, levels, _numbers(columns, continuous, None, again=True), weight,
                  n_threads=estimator.n_threads, once=True)
        return out.placed(items, list(continuous), names or found, checks.index_of(X))

    @classmethod
    def of_used(cls, codes, levels, numbers, weight, used, n_threads, apart=False):
        """Those of positive weight."""
        if used is not None and not used.all():
            codes, weight = codes[used], weight[used]
            numbers = None if numbers is None else np.ascontiguousarray(numbers[used])
        out = cls(codes, levels, numbers, weight, n_threads=n_threads, apart=apart)
        if used is not None and not used.all():
            out.places = np.flatnonzero(used)
        return out

    def row_of(self, at):
        """The number of the first row that is the distinct row `at`."""
        if self.origin is not None:
            return int(self.origin[at])
        row = int(np.flatnonzero(self.inverse == at)[0])
        return self.first_row + (row if self.places is None else int(self.places[row]))

    def row_numbers(self):
        """The numbers of rows that stay apart."""
        return self.first_row + (np.arange(self.n_rows) if self.places is None else self.places)

    def place(self, row):
        """What messages call the row of a number."""
        if self.first_rows is None:
            return f"row {row}"
        block = int(np.searchsorted(self.first_rows, row, "right")) - 1
        return f"block {block}, row {row - int(self.first_rows[block])}"

    def placed(self, items, continuous, names, index):
        self.items, self.continuous, self.names, self.index = items, continuous, names, index
        n = len(items) + len(continuous)
        self.column_names = [str(j) for j in range(n)] if names is None else [
            repr(name) for name in names]
        return self

    @property
    def n_items(self):
        return self.codes.shape[1]

    @property
    def n_distinct(self):
        return len(self.codes)

    @property
    def has_numbers(self):
        return self.numbers is not None

    def random_state(self, random_state):
        """What an estimator's `random_state` stands for, in a fit of these."""
        return _inputs.as_random_state(random_state)

    def sample(self, random_state):
        """The rows that starts look at: all."""
        return self

    @property
    def n_levels(self):
        """How many levels each item has."""
        return [len(levels) for levels in self.levels]

    def reduce(self, function, *arguments):
        """``function(items, *arguments)`` of all rows."""
        return function(self, *arguments)

    def grouped(self):
        """The codes of items that are looked up together, see :class:`Groups`."""
        if "grouped" not in self.kept:
            # tables that are longer than the rows are many would cost more than lookups
            groups = Groups.of(self.n_levels, min(GROUP_CODES, max(1, len(self.codes) // 4)))
            self.kept["grouped"] = groups, groups.codes(self.codes)
        return self.kept["grouped"]


class Groups:
    """Items that are looked up together: a code for every combination of answers.

    The code of a group is ``sum_j place_j answer_j``, `answer_j` being the number of levels
    where it is missing.

    Attributes
    ----------
    members : list of list of int
        The items of each group.
    sizes : list of int
        How many codes each group has, at most 256.
    """

    def __init__(self, members, n_levels):
        self.members, self.n_levels = members, n_levels
        self._layouts = {}
        self.sizes = [int(np.prod([n_levels[j] + 1 for j in group])) for group in members]

    @classmethod
    def of(cls, n_levels, most=GROUP_CODES):
        """Consecutive items, as many together as have at most that many codes."""
        members, size = [], most + 1
        for j, n in enumerate(n_levels):
            if size * (n + 1) > most:
                members.append([])
                size = 1
            members[-1].append(j)
            size *= n + 1
        return cls(members, n_levels)

    def layout(self, n_classes, n_starts=1):
        """What the kernel knows of it, for so many classes and starts."""
        key = n_classes, n_starts
        if key not in self._layouts:
            self._layouts[key] = passes.ClassLayout(
                self.n_levels, [group[-1] + 1 for group in self.members], *key)
        return self._layouts[key]

    def codes(self, codes):
        """Codes of the groups, (n, n_groups) uint8, of those of the items."""
        out = np.empty((len(codes), len(self.members)), np.uint8)
        for g, group in enumerate(self.members):
            total = np.zeros(len(codes), np.int64)
            for j in group:
                answer = codes[:, j].astype(np.int64)
                total = total * (self.n_levels[j] + 1) + np.where(
                    answer == MISSING, self.n_levels[j], answer)
            out[:, g] = total
        return out


def positions_of(columns, names, n_columns):
    """Positions of columns that are called by position or name, in their order."""
    if columns is None:
        return []
    if isinstance(columns, (str, bytes)) or not hasattr(columns, "__iter__"):
        raise TypeError("continuous must be a sequence of positions or names of columns, got "
                        f"{columns!r}")
    out = []
    for column in columns:
        if isinstance(column, str):
            if names is None or column not in names:
                known = "which has no names" if names is None else (
                    f"whose columns are {', '.join(map(repr, names[:6]))}"
                    + (", ..." if len(names) > 6 else ""))
                raise ValueError(f"continuous names {column!r}, which is no column of X, {known}")
            at = names.index(column)
        else:
            at = _inputs.whole(column, "a column of continuous", -n_columns)
            if not -n_columns <= at < n_columns:
                raise ValueError(f"continuous names column {at} of X, which has {n_columns}")
            at %= n_columns
        if at in out:
            raise ValueError(f"continuous names column {column!r} twice")
        out.append(at)
    return sorted(out)


def _numbers(columns, positions, used, again=False):
    out = observed_numbers(columns, positions)
    for at, j in enumerate(positions):
        seen = ~np.isnan(out[:, at]) if used is None else ~np.isnan(out[:, at]) & used
        if not again and not seen.any():
            raise ValueError(f"X has no observed value in {columns[j].title}")
    return out


def observed_numbers(columns, positions):
    """The columns of numbers, (n, n_numbers), NaN where missing; None where there are none."""
    if not positions:
        return None
    return np.ascontiguousarray(np.column_stack(
        [_inputs.numbers_of(columns[j]) for j in positions]))


def distinct_rows(codes):
    """The first of each kind of equal rows, in their order, and which kind every row is.

    Rows are sorted by a sum of their codes and compared with the row before; two kinds of the
    same sum may stand several times, which costs time and nothing else.
    """
    n, n_items = codes.shape
    if n == 0 or n_items == 0:
        return np.zeros(min(n, 1), np.intp), np.zeros(n, np.intp)
    sums, state = np.zeros(n, np.uint64), 0
    for j in range(n_items):
        state = (state + _GOLDEN) % 2**64
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        sums += codes[:, j] * np.uint64(z ^ (z >> 31) | 1)
    order = np.argsort(sums, kind="stable")
    ranked = codes[order]
    new = np.ones(n, bool)
    new[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    kind = np.cumsum(new) - 1
    first = order[new]
    rank = np.empty(len(first), np.intp)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    inverse = np.empty(n, np.intp)
    inverse[order] = rank[kind]
    return np.sort(first), inverse
