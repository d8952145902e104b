"""Rows: checked once, then handed from pass to pass."""

from dataclasses import replace
from numbers import Real

import numpy as np

from emkernels import _inputs
from emkernels.data import checks
from emkernels.data.columns import all_columns, columns_of
from emkernels.data.labels import NOTHING, Labelled, Labels
from emkernels.data.patterns import complete_patterns, pattern_of_rows, take_patterns
from emkernels.data.summary import Rounding, summarise_columns
from emkernels.kernels import passes

# A pass over so few cells is over before a second thread has begun; on a busy machine every pass
# would wait for it to get a CPU.
FEW_CELLS = 2048
BLOCK_ROWS = 65536


class Rows(Labelled):
    """Checked rows, and what passes over them leave for the next pass.

    Made by :meth:`read`, which looks at every cell once; nothing behind it looks for missing
    values, infinities or names again. Estimators, functions and plots that take a table take `Rows`
    too; the kernels take arrays.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
        NaN where missing; the user's array where it is one of these.
    patterns : MissingPatterns or None
        Of the missing values; None where there are none.
    largest : float
        Largest absolute value.
    names : tuple of str or None
        Names of the columns, where all are texts.
    places : tuple of str or None
        What messages call the column of a cell, whatever names it.
    feature_names : ndarray of str or None
        What scikit-learn calls them.
    index : object or None
        Labels of the rows (pandas).
    sample_weight : ndarray of shape (n_rows,), float64, or None
        As the kernels can have them, in a `unit`: statistics times the unit are those of the
        weights that were given.
    unit : float
    known : ndarray of shape (n_rows,), int32, or None
        Components of rows that are known, -1 elsewhere.
    n_threads : int or None
    total : float
        Sum of the weights; the number of rows without.
    n_positive : int
        Rows of positive weight.
    kept : dict
        What passes leave: an order of the rows, labels, scatters, summaries.

    See Also
    --------
    Chunks : Blocks of rows, one in memory at a time.
    emkernels.em.run_em : The loop that reads such a source.
    emkernels.kernels.missing_patterns : Finds the patterns that rows keep.

    Examples
    --------
    >>> from emkernels import GaussianMixture, little_mcar_test
    >>> from emkernels.data import Rows
    >>> rows = Rows.read([[1.0, 2.0], [2.0, float("nan")], [4.0, 3.0], [3.0, 5.0]])
    >>> rows.n_rows, rows.patterns.n_patterns
    (4, 2)
    >>> GaussianMixture().fit(rows).means_.shape
    (1, 2)
    """

    block, first_row, lasting = 0, 0, None      # of a block of many: see :meth:`Source.reduce`

    def __init__(self, X, *, patterns=None, largest=0.0, labels=None, sample_weight=None,
                 known=None, n_threads=None):
        self.X, self.patterns, self.largest = X, patterns, largest
        self.labels = NOTHING if labels is None else labels
        sample_weight = _of_each_row(sample_weight, "sample_weight", np.float64, len(X))
        known = _of_each_row(known, "known", np.int32, len(X))
        self.known, self.n_threads = known, 1 if X.size <= FEW_CELLS else n_threads
        self.sample_weight, self.unit = passes.weights_in_unit(sample_weight, X.dtype)
        if sample_weight is None:
            self.total, self.n_positive = float(len(X)), len(X)
        else:
            self.total = float(sample_weight.sum())
            self.n_positive = int(np.count_nonzero(sample_weight))
        self.kept = {}

    @classmethod
    def read(cls, X, estimator=None, *, complete=None, min_samples=1, missing_values=np.nan,
             fitted=False, expect_missing=False):
        """The one door: whatever people call a table, checked.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or Rows
            `Rows` come back as they are.
        estimator : estimator, optional
            Named in messages.
        complete : str, optional
            Who needs complete rows: NaN and masked cells are errors then.
        min_samples : int
            Fewer rows are an error.
        missing_values : float
            The number that stands for a missing value.
        fitted : bool
            Whether the columns must be those that the estimator was fitted to.
        expect_missing : bool
            Whether missing values are likely, so that patterns are looked for at once.

        Returns
        -------
        Rows
            Looked through once.

        Raises
        ------
        ValueError, TypeError
            What is no table of real numbers; infinities; the cell is named.
        """
        if isinstance(X, cls):
            if fitted:
                checks.check_rows_of_fit(estimator, X)
            return X._again(estimator, complete, min_samples, missing_values)
        if fitted:
            checks.check_columns_of_fit(estimator, X)
        if complete is not None:
            checks.refuse_masked(X, complete)
        array, places = checks.read_array(X, estimator, min_samples)
        labels = NOTHING
        if type(X) is not np.ndarray:
            labels = Labels(_inputs.names_of(X), places, checks.feature_names_of(X, estimator),
                            checks.index_of(X))
        if fitted:
            checks.check_width(estimator, array)
            if places is None:      # an array without names has those of the fit
                places = checks.names_of_fit(estimator)
                labels = replace(labels, places=places) if places else labels
        array = with_nan(array, missing_values, places)
        n_threads = getattr(estimator, "n_threads", 1)
        if complete is not None:
            patterns, largest = None, checks.check_complete(array, complete, places, n_threads)
        else:
            patterns, largest = _look(array, places, expect_missing, n_threads)
        return cls(array, patterns=patterns, largest=largest, labels=labels)

    def _again(self, estimator, complete, min_samples, missing_values):
        """These rows for someone else."""
        checks.check_enough(self, estimator, min_samples)
        array = with_nan(self.X, missing_values, self.places)
        if complete is not None and self.patterns is not None:
            checks.check_complete(array, complete, self.places)
        if array is self.X:
            return self
        patterns, largest = _look(array, self.places, True)
        return Rows(array, patterns=patterns, largest=largest, labels=self.labels,
                    sample_weight=self.weight_given, known=self.known, n_threads=self.n_threads)

    # --- what is in them ------------------------------------------------------------------

    @property
    def dtype(self):
        """Of the values, float32 or float64."""
        return self.X.dtype

    @property
    def n_rows(self):
        """Number of rows."""
        return self.X.shape[0]

    @property
    def n_features(self):
        """Number of columns."""
        return self.X.shape[1]

    @property
    def has_missing(self):
        """Whether values are missing."""
        return self.patterns is not None

    @property
    def weighted(self):
        """Whether rows have weights."""
        return self.sample_weight is not None

    def __repr__(self):
        missing = 0 if self.patterns is None else self.patterns.n_missing_values
        return (f"Rows({self.n_rows} x {self.n_features}, {self.dtype}, {missing} missing"
                + (")" if self.sample_weight is None else f", weight {self.total:.6g})"))

    def __len__(self):
        return self.X.shape[0]

    @property
    def shape(self):
        """Pair of n_rows and n_features."""
        return self.X.shape

    @property
    def n_named(self):
        """Components that the labels in `known` ask for, the largest of them and one more."""
        if self.known is None:
            return 0
        return self._keep("n_named", lambda: int(self.known.max(initial=-1)) + 1)

    @property
    def weight_given(self):
        """The weights in the unit of the user, (n_rows,), or None."""
        return self.sample_weight if self.unit == 1 else self.sample_weight * self.unit

    @property
    def index(self):
        """Labels of the rows, those of a pandas frame, or None."""
        return self.labels.index

    @property
    def all_patterns(self):
        """The patterns, the one of complete rows included."""
        if self.patterns is not None:
            return self.patterns
        return self._keep("complete", lambda: complete_patterns(*self.X.shape))

    @property
    def empty(self):
        """Whether nothing is observed in each row, (n_rows,) bool."""
        out = np.zeros(self.n_rows, bool)
        if self.patterns is not None:
            p = self.patterns
            out[p.order] = np.repeat(p.n_missing == self.n_features, p.counts)
        return out

    def summary(self):
        """The ``ColumnSummary`` of the observed cells, by weight as given.

        Returns
        -------
        ColumnSummary
            Means, deviations, ranges and counts of the columns.
        """
        return self._keep("summary", lambda: summarise_columns(self.X, self.weight_given))

    def rounding(self):
        """The ``Rounding`` of the columns' values, in rows of positive weight.

        Returns
        -------
        Rounding
            Variances that the values have from being rounded.
        """
        some = slice(None) if self.n_positive == self.n_rows else self.sample_weight > 0
        return self._keep("rounding", lambda: Rounding.of(self.X[some]))

    def _keep(self, name, make):
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    def random_state(self, given):
        """What an estimator's `random_state` stands for, in a fit of these rows.

        Parameters
        ----------
        given : int, RandomState, Generator or None
            None: numpy's global state.

        Returns
        -------
        numpy.random.RandomState
            What draws.
        """
        return _inputs.as_random_state(given)

    def draw(self, size, random_state):
        """Indices of different rows, drawn by weight; equal weights are as none.

        Parameters
        ----------
        size : int
            How many, no more than rows of positive weight.
        random_state : numpy.random.RandomState
            What draws.

        Returns
        -------
        ndarray of shape (size,), int
            In the order in which they were drawn.
        """
        weight, among = self.sample_weight, self.n_rows
        if self.n_positive < self.n_rows:
            among = np.flatnonzero(weight)
            weight = weight[among]
        even = weight is None or weight.min() == weight.max()
        return random_state.choice(
            among, size=size, replace=False, p=None if even else weight / weight.sum())

    # --- parts, and the same rows with other company ------------------------------------------

    def with_(self, **changes):
        """The same rows with other weights, labels or threads.

        Parameters
        ----------
        **changes
            `sample_weight` (in the unit of the user), `known` or `n_threads`.

        Returns
        -------
        Rows
            Without what passes have left in `kept`.
        """
        company = {"sample_weight": self.weight_given, "known": self.known,
                   "n_threads": self.n_threads, **changes}
        out = Rows(self.X, patterns=self.patterns, largest=self.largest, labels=self.labels,
                   **company)
        for name in ("complete", "rounding", "pattern_of_rows"):        # of X alone
            if name in self.kept:
                out.kept[name] = self.kept[name]
        return out

    def weighed(self, sample_weight, largest=0.0):
        """The same rows with checked weights; those they have where None is given.

        Parameters
        ----------
        sample_weight : array-like of shape (n_rows,), or None
            One for each row, not negative.
        largest : float
            Largest absolute value of the rows, which may not overflow with the weights.

        Returns
        -------
        Rows
            With `sample_weight`.

        Raises
        ------
        ValueError
            A negative or missing weight, by row; all are zero; another number than of rows.
        """
        if sample_weight is None:
            if self.n_rows and not self.n_positive:
                raise ValueError("the weights in the rows are all zero")
            return self
        weight = checks.check_sample_weight(sample_weight, self.X, largest)
        return self.with_(sample_weight=weight)

    def labelled(self, codes):
        """The same rows, the components of some of which are known.

        Parameters
        ----------
        codes : ndarray of shape (n_rows,), int32, or None
            -1 where it is not known; None: the rows as they are.

        Returns
        -------
        Rows
            With `known`.
        """
        if codes is None:
            return self
        return self.with_(known=codes)

    def take(self, rows=slice(None), columns=None, *, X=None):
        """Some rows and columns; patterns follow without another look.

        Parameters
        ----------
        rows : slice or ndarray of int or bool
            All by default.
        columns : ndarray of int or bool, optional
            All where None.
        X : ndarray, optional
            The values of that part, with NaN where it lacks them, where they are others.

        Returns
        -------
        Rows
            Views of X where it can be.
        """
        if columns is not None:
            columns = np.arange(self.n_features)[columns]
            if all_columns(columns, self.n_features):
                columns = None
        whole = isinstance(rows, slice) and rows == slice(None)
        if X is None:
            X = self.X if whole else self.X[rows]
            X = X if columns is None else columns_of(X, columns)
        if whole and columns is None and X is self.X:
            return self
        patterns = self.patterns
        if patterns is not None and not (whole and columns is None):
            of_rows = self._keep("pattern_of_rows", lambda: pattern_of_rows(self.patterns))
            patterns = take_patterns(patterns, of_rows[rows], columns)
            if not patterns.n_missing.any():
                patterns = None
        weight = self.weight_given
        return Rows(
            X, patterns=patterns, largest=self.largest, n_threads=self.n_threads,
            labels=NOTHING if self.labels is NOTHING else self.labels.of(rows, columns),
            sample_weight=None if weight is None else np.ascontiguousarray(weight[rows]),
            known=None if self.known is None else np.ascontiguousarray(self.known[rows]))

    def blocks(self, n_rows=BLOCK_ROWS):
        """The rows in parts of `n_rows`, in their order.

        Parameters
        ----------
        n_rows : int
            Most rows of a part.

        Yields
        ------
        Rows
        """
        for first in range(0, self.n_rows, n_rows):
            part = self.take(slice(first, first + n_rows))
            if self.patterns is not None and part.patterns is None:
                part.patterns = part.all_patterns       # one kernel reads all of them
            yield part

    # --- a source of one part ---------------------------------------------------------------

    def reduce(self, function, *arguments):
        """``function(rows, *arguments)`` of all rows.

        Parameters
        ----------
        function : callable
            Of the rows and the arguments.
        *arguments
            What else it needs.

        Returns
        -------
        object
            What the function returns.
        """
        return function(self, *arguments)


def _of_each_row(values, name, dtype, n_rows):
    """An array as the kernels read it, unchecked, one value for each row; None for None."""
    if values is None:
        return None
    out = np.ascontiguousarray(values, dtype)
    if out.shape != (n_rows,):
        raise ValueError(f"{name} must have shape ({n_rows},), got {out.shape}")
    if out is not values and dtype is np.int32 and not np.array_equal(out, values):
        raise ValueError(f"{name} must be whole numbers, -1 where unknown")
    return out


def _look(array, places, expect_missing, n_threads=1):
    """The patterns of missing values, None where there are none, and the largest value."""
    if not expect_missing:
        return checks.patterns_where_missing(array, places, n_threads)
    patterns = checks.missing_patterns(array, places)
    return patterns if patterns.n_missing.any() else None, patterns.largest


def with_nan(array, missing_values, names):
    """The array with NaN for a number that stands for a missing value."""
    if not isinstance(missing_values, Real) or np.isnan(missing_values):
        return array
    nan = np.isnan(array)
    if nan.any():
        raise ValueError(
            f"X contains NaN at {_inputs.place(np.argwhere(nan)[0], names)}, but missing_values is "
            f"{missing_values!r}: only that stands for a missing value")
    missing = array == missing_values
    return np.where(missing, array.dtype.type(np.nan), array) if missing.any() else array
