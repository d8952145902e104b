"""What all sources of blocks have in common, wherever the blocks are."""

from abc import abstractmethod

import numpy as np

from emkernels import _inputs
from emkernels.data.labels import Labelled
from emkernels.data.packing import digest
from emkernels.data.rows import Rows
from emkernels.data.sampling import sample_block, sample_with_value
from emkernels.data.summary import ColumnSummary, Rounding, column_moments, column_ranges
from emkernels.em.tree import Tree

# What may be kept of all blocks, as a share of the largest, where nothing else is said: beside the
# two that are in memory and what reading takes, it is not to be a third.
KEPT = 0.25
# Rows that starts look at.
SAMPLE_ROWS = 20_000
# Rows that have a value of a column which few rows have, in a sample.
FEW = 16
ROUNDING_ROWS = 512


class Sums:
    """Named arrays that add up."""

    def __init__(self, **arrays):
        vars(self).update(arrays)

    def merge(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


class Source(Labelled):
    """Blocks of rows that are read again in each pass, an :class:`emkernels.em.protocol.Source`.

    A subclass gives :meth:`_pass` and calls :meth:`_describe` once.

    Attributes
    ----------
    survey : Survey
        What the first pass has found.
    dtype, n_features, n_rows, n_positive, total, largest
        Of all rows.
    n_blocks : int
    first_rows : ndarray of shape (n_blocks + 1,)
        Where blocks begin among all rows.
    has_missing : bool
    labels : Labels
        Names of the columns.
    n_threads : int or None
    kept : dict
        What passes leave, of the size of parameters.
    journal : emkernels.data.journal.Journal or None
        Where what passes return is kept, so that they need not be made again.
    progress : emkernels.em.progress.Passes or None
        Who is told how far a pass is.
    level : str or None
        The SIMD level of its passes; None: that of who makes them.
    n_passes : int
        How many there were after the survey, those had from the journal too.
    """

    known, n_named = None, 0
    journal = progress = None       # of a fit: what its passes have given; who is told of them
    n_passes = 0
    _key = level = None

    def _describe(self, survey, n_threads):
        self.survey, self.n_threads, self.kept = survey, n_threads, {}
        self.dtype, self.n_features = survey.dtype, survey.n_features
        self.labels = survey.labels
        self.n_blocks, self.n_rows = survey.n_blocks, survey.n_rows
        self.first_rows = survey.first_rows
        self.n_positive, self.total = survey.n_positive, survey.total
        self.has_missing, self.largest = survey.has_missing, survey.largest
        if not self.n_positive:
            raise ValueError("the weights of all blocks are zero")

    def reduce(self, function, *arguments):
        """``function(rows, *arguments)`` of every block, merged by a fixed tree.

        The function and its arguments must be such as can be pickled: a function of a module, or
        a method of a model. ``rows.block`` is the number of the block, ``rows.first_row`` that of
        its first row among all; ``rows.lasting`` a dict of (key, array), small things that are
        kept for the next pass where there is room. What comes back must depend on the rows and the
        arguments alone: where there is a journal it is not asked for twice.

        Parameters
        ----------
        function : callable
            Of :class:`Rows` and the arguments; what it returns has ``merge`` or can be added.
        *arguments
            What else it needs.

        Returns
        -------
        object
            What the function returns, of all rows.
        """
        self.n_passes += 1
        journal = self.journal
        if journal is None:
            return self._told(function, arguments)
        key = digest(function, arguments)
        if key in journal:
            if self.progress is not None:
                self.progress.n_kept += 1
        else:
            self._key = key
            journal.keep(key, self._told(function, arguments))
        return journal.result(key)

    def _told(self, function, arguments):
        """A pass, of which the progress is told."""
        if self.progress is None:
            return self._pass(function, *arguments)
        with self.progress.one(self.n_passes, self.n_rows):
            return self._pass(function, *arguments)

    @abstractmethod
    def _pass(self, function, *arguments):
        """One pass over all blocks: those that are not in :meth:`_tree` yet are added to it, in
        their order."""

    def _tree(self):
        """The tree of a pass: empty, or with the first blocks of a pass that was left."""
        tree = Growing(self)
        if self.journal is not None:
            tree.levels = self.journal.begun(self._key)
        tree.first = tree.n_blocks
        return tree

    def _reached(self, tree, number):
        """There are `number` blocks in the tree; None: it is about to change."""
        if self.journal is not None:
            self.journal.reached(self._key, None if number is None else tree)
        if self.progress is not None and number is not None:
            number = min(number, self.n_blocks)     # a short group counts as a whole one
            self.progress.reached(
                self.first_rows[number], self.first_rows[number] - self.first_rows[tree.first])

    def verify(self):
        """That the rows are those of the journal, where no pass has seen them all."""

    @property
    def weighted(self):
        """Whether rows have weights of their own."""
        return self.survey.weighted

    def __len__(self):
        return self.n_rows

    def __repr__(self):
        return (f"{type(self).__name__}({self.n_rows} x {self.n_features}, {self.dtype}, "
                f"{self.n_blocks} blocks)")

    def may_keep(self, n_bytes, share=KEPT):
        """Whether so many bytes a row take no more than a share of the largest block: the same
        answer wherever the blocks are."""
        return n_bytes * self.n_rows <= share * self.survey.largest_block

    def random_state(self, random_state):
        """What an estimator's `random_state` stands for, in a fit of these rows.

        Parameters
        ----------
        random_state : int, RandomState, Generator or None
            None: numpy's global state, or what the journal says that it was.

        Returns
        -------
        numpy.random.RandomState
            What draws.
        """
        if random_state is None and self.journal is not None and self.journal.rng is not None:
            return self.journal.rng
        return _inputs.as_random_state(random_state)

    def take(self, columns):
        """Some of the columns, a source of its own.

        Parameters
        ----------
        columns : ndarray of int or bool, or slice
            Which, by position.

        Returns
        -------
        Source
            Itself where these are all.
        """
        columns = np.arange(self.n_features)[columns]
        if len(columns) == self.n_features and (columns == np.arange(self.n_features)).all():
            return self
        return Columns(self, columns)

    def present(self):
        """The rows of positive weight, a source of its own where there are others.

        Returns
        -------
        Source
            Itself where all weights are positive.
        """
        return self if self.n_positive == self.n_rows else Present(self)

    def mapped(self, make, *arguments):
        """The source of ``make(rows, *arguments)`` of every block.

        Parameters
        ----------
        make : callable
            ``make(rows, *arguments)`` gives rows, or None where none are left; to be pickled.
        *arguments
            What else it needs, to be pickled.

        Returns
        -------
        Source
            Its blocks are made anew in every pass.
        """
        return Mapped(self, make, *arguments)

    # --- what columns are like ------------------------------------------------------------

    def ranges(self):
        """Observed cells, smallest and largest value of every column, by one pass.

        Returns
        -------
        Ranges
            With counts, low and high, (n_features,).
        """
        return self._keep("ranges", lambda: self.reduce(_ranges))

    def summary(self):
        """The ``ColumnSummary`` of the observed cells, by weight as given, in two passes.

        Returns
        -------
        ColumnSummary
            Means, deviations, ranges and counts of the columns.
        """
        return self._keep("summary", self._summary)

    def _summary(self):
        ranges = self.ranges()
        low, high = ranges.low.astype(np.float64), ranges.high.astype(np.float64)
        sums = self.reduce(_moments, low, np.where(high > low, high - low, 1.0))
        return ColumnSummary.of_moments(
            ranges.counts, low, high, sums.total, sums.first, sums.second)

    def rounding(self):
        """The ``Rounding`` of the columns' values, of some rows.

        Returns
        -------
        Rounding
            Variances that the values have from being rounded.
        """
        return self._keep("rounding", lambda: Rounding.of(
            self.sample(ROUNDING_ROWS, np.random.RandomState(0)).X))

    def sample(self, n_rows, random_state):
        """Rows drawn by weight without replacement, in their order.

        Which they are depends on the seed, that `random_state` gives, on the numbers of the rows
        and on their weights, not on the blocks. A row that is heavier than what each of the others
        stands for keeps its weight (N. Duffield, C. Lund, M. Thorup, Priority sampling for
        estimation of arbitrary subset sums, JACM 54, 2007). Of columns that few of them have a
        value of, some rows that have one are added.

        Parameters
        ----------
        n_rows : int
            All rows where there are no more.
        random_state : numpy.random.RandomState
            Gives the seed.

        Returns
        -------
        Rows
            Weighted where the rows are, and their weights differ.
        """
        seed = 0
        if self.n_positive > n_rows:    # where all are wanted, nothing is drawn
            seed = int(random_state.randint(2**32, dtype=np.uint64))
        # of many rows few come into question: those of half the priority that is likely the least
        least = self.total / (2 * n_rows) if self.n_positive > 4 * n_rows else 0.0
        drawn = self.reduce(sample_block, n_rows, seed, least)
        if least and len(drawn.index) <= n_rows:
            drawn = self.reduce(sample_block, n_rows, seed)
        if self.has_missing and self.n_positive > n_rows:
            seen = (~np.isnan(drawn.X)).sum(axis=0)
            rare = np.flatnonzero(seen < FEW)
            if len(rare):
                drawn = drawn.with_more(self.reduce(sample_with_value, rare, FEW, seed))
        X, weight = drawn.taken()
        rows = Rows.read(X)
        rows.labels = self.labels
        return rows.with_(sample_weight=weight, n_threads=self.n_threads)

    def _keep(self, name, make):
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]


class Growing(Tree):
    """The tree of a pass over a source, which is told of every block."""

    def __init__(self, source):
        super().__init__()
        self.source, self.first = source, 0

    def add(self, part, level=0, n_parts=1):
        self.source._reached(self, None)
        super().add(part, level, n_parts)
        self.source._reached(self, self.n_blocks)

    def total(self):
        self.source._reached(self, None)
        return super().total()


class Mapped(Source):
    """Blocks of rows that are made of those of another source, in every pass anew.

    Parameters
    ----------
    source : Source
    make : callable
        ``make(rows, *arguments)`` gives rows, or None where none are left; picklable, as the
        arguments are.
    """

    DESCRIBED = ("survey", "n_threads", "dtype", "n_features", "labels", "n_blocks", "n_rows",
                 "n_positive", "total", "first_rows", "has_missing", "largest", "progress", "level")

    def __init__(self, source, make, *arguments):
        self.source, self.make, self.arguments = source, make, arguments
        vars(self).update({name: getattr(source, name) for name in self.DESCRIBED})
        self.kept = {}

    def reduce(self, function, *arguments):
        return self.source.reduce(of_mapped, self.make, self.arguments, function, *arguments)

    def random_state(self, random_state):
        return self.source.random_state(random_state)


def of_mapped(rows, make, own, function, *arguments):
    """A function of the rows that are made of a block."""
    made = make(rows, *own)
    if made is None:
        return None
    made.block, made.first_row = rows.block, rows.first_row
    return function(made, *arguments)


class Columns(Mapped):
    """Some columns of a source."""

    def __init__(self, source, columns):
        super().__init__(source, _columns_of, columns)
        self.columns, self.n_features = columns, len(columns)
        self.labels = source.labels.of(slice(None), columns)
        if source.has_missing:
            summary = self.summary()
            self.has_missing = bool((summary.counts < source.n_positive).any())

    def _summary(self):
        return self.source.summary().of(self.columns)


def _columns_of(rows, columns):
    return rows.take(columns=columns)


class Present(Mapped):
    """The rows of positive weight of a source that has others."""

    def __init__(self, source):
        super().__init__(source, _present_of)
        self.n_rows = source.n_positive
        if source.has_missing:
            self.has_missing = bool((self.summary().counts < self.n_rows).any())

    def _summary(self):
        return self.source.summary()

    def sample(self, n_rows, random_state):
        # none of the others is drawn, and rows keep their numbers
        return self.source.sample(n_rows, random_state)


def _present_of(rows):
    if rows.n_positive == len(rows):
        return rows
    return rows.take(rows.sample_weight > 0) if rows.n_positive else None


class Ranges:
    """Observed cells, smallest and largest value of every column."""

    def __init__(self, counts, low, high):
        self.counts, self.low, self.high = counts, low, high

    def merge(self, other):
        self.counts = self.counts + other.counts
        self.low, self.high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        return self


def _ranges(rows):
    return Ranges(*column_ranges(rows.X, rows.sample_weight))


def _moments(rows, low, span):
    total, first, second = column_moments(rows.X, rows.weight_given, low, span)
    return Sums(total=total, first=first, second=second)
