"""Sequences of rows: one table, cut at given lengths, or a list of tables."""

from numbers import Real

import numpy as np

from emkernels import _inputs
from emkernels.data import checks
from emkernels.data.labels import Labels
from emkernels.data.rows import Rows
from emkernels.kernels import passes

# A largest code beyond this is taken for a mistake, where nothing says how many symbols there are.
MOST_SYMBOLS = 1_000_000


class Sequences:
    """Checked rows, and where each sequence of them begins and ends.

    Made by :meth:`read`. A :class:`emkernels.em.protocol.Source`.

    Attributes
    ----------
    rows : Rows
        Of all sequences, one after the other; without weights.
    offsets : ndarray of shape (n_sequences + 1,), int64
        Rows ``offsets[s]:offsets[s + 1]`` are sequence s.
    sequence_weight : ndarray of shape (n_sequences,), float64, or None
        As the kernels can have them, in a `unit`: statistics times the unit are those of the
        weights that were given.
    unit : float
    n_threads : int or None
    numbers : ndarray of shape (n_sequences,), or None
        What messages call the sequences, where these are some of the user's.
    kind : str
        What messages call a sequence.
    n_rows, n_positive : int
        Rows, and those in sequences of positive weight.
    total : float
        Weight of all rows, each having that of its sequence.

    Examples
    --------
    >>> from emkernels.data.sequences import Sequences
    >>> sequences = Sequences.read([[1.0], [2.0], [3.0]], lengths=[1, 2])
    >>> sequences.offsets.tolist(), sequences.total
    ([0, 1, 3], 3.0)
    """

    lasting = None      # of a block: nothing is kept of sequences

    def __init__(self, rows, offsets, sequence_weight=None, *, n_threads=None, numbers=None,
                 kind="sequence"):
        self.rows, self.offsets, self.n_threads = rows, offsets, n_threads
        self.numbers, self.kind = numbers, kind
        self.sequence_weight, self.unit = passes.weights_in_unit(sequence_weight, rows.dtype)
        self.n_rows = self.n_positive = len(rows)
        self.total = float(self.n_rows)
        if sequence_weight is not None:
            lengths = self.lengths
            self.total = float(sequence_weight @ lengths)
            self.n_positive = int(lengths[sequence_weight > 0].sum())

    @classmethod
    def read(cls, X, lengths=None, estimator=None, *, sample_weight=None, fitted=False):
        """Whatever people call sequences, checked.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or list of these
            All sequences one after the other, or a list with a table for each.
        lengths : array-like of shape (n_sequences,), optional
            How many rows each sequence has; None: all rows are one sequence.
        estimator : estimator, optional
            Named in messages; results are for its `n_threads`.
        sample_weight : array-like of shape (n_sequences,), optional
        fitted : bool
            Whether the columns must be those that the estimator was fitted to.

        Raises
        ------
        ValueError, TypeError
            What is no table of real numbers, infinities; lengths that are no positive whole
            numbers or whose sum is not the number of rows; weights that are not one for each
            sequence.
        """
        if is_list_of_tables(X):
            if lengths is not None:
                raise ValueError("lengths must be None where X is a list of sequences, which have "
                                 "lengths of their own")
            rows, lengths = _joined(X, estimator, fitted)
        else:
            try:
                rows = Rows.read(X, estimator, fitted=fitted)
            except _inputs.UnusableInputError as error:
                if not _is_ragged(X):
                    raise
                raise _inputs.UnusableInputError(
                    f"{error}; where these are sequences, make each a table, as by "
                    "reshape(-1, 1)") from error
            lengths = check_lengths(lengths, len(rows))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        weight = check_weights(sample_weight, len(lengths), rows)
        n_threads = getattr(estimator, "n_threads", None)
        return cls(rows.with_(n_threads=n_threads), offsets, weight, n_threads=n_threads)

    @property
    def dtype(self):
        return self.rows.dtype

    @property
    def n_features(self):
        return self.rows.n_features

    @property
    def n_sequences(self):
        return len(self.offsets) - 1

    @property
    def lengths(self):
        return np.diff(self.offsets)

    @property
    def kept(self):
        return self.rows.kept

    def __len__(self):
        return self.n_rows

    def __repr__(self):
        return f"Sequences({self.n_sequences} of {self.rows!r})"

    def reduce(self, function, *arguments):
        """``function(sequences, *arguments)`` of all sequences."""
        return function(self, *arguments)

    def select(self, sequences):
        """Some of the sequences, by their numbers or a mask."""
        chosen = np.zeros(self.n_sequences, bool)
        chosen[sequences] = True
        if chosen.all():
            return self
        lengths = self.lengths
        weight = self.sequence_weight
        return Sequences(
            self.rows.take(np.repeat(chosen, lengths)),
            np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64),
            None if weight is None else (weight * self.unit)[chosen], n_threads=self.n_threads,
            numbers=np.flatnonzero(chosen) if self.numbers is None else self.numbers[chosen],
            kind=self.kind)

    def title(self, s):
        """What messages call a sequence."""
        return f"{self.kind} {s if self.numbers is None else int(self.numbers[s])}"

    def alone(self):
        """The same, for one thread, without what passes have left in the rows."""
        weight = self.sequence_weight
        return Sequences(self.rows.with_(n_threads=1), self.offsets,
                         None if weight is None else weight * self.unit, n_threads=1,
                         numbers=self.numbers, kind=self.kind)

    def random_state(self, random_state):
        """What an estimator's `random_state` stands for, in a fit of these."""
        return _inputs.as_random_state(random_state)

    def weighed(self):
        """Those of positive weight: others are absent from a fit."""
        if self.sequence_weight is None:
            return self
        return self.select(self.sequence_weight > 0)

    def of_rows(self):
        """Weights of the rows, (n_rows,), in the unit of the user; None where there are none."""
        if self.sequence_weight is None:
            return None
        return np.repeat(self.sequence_weight * self.unit, self.lengths)

    def weighted_sum(self, values):
        """Sum of a value for each sequence by weight, in the user's unit."""
        if self.sequence_weight is None:
            return float(values.sum())
        inside = self.sequence_weight > 0   # nothing times an infinite value is nothing
        return float(self.sequence_weight[inside] @ values[inside]) * self.unit

    def symbols(self, n_symbols=None):
        """The rows as codes, (n_rows,) int32, -1 where missing; and how many symbols there are,
        one more than the largest code unless it is given."""
        if "symbols" not in self.kept:
            self.kept["symbols"] = symbols_of(self.rows)
        codes, largest = self.kept["symbols"]
        if n_symbols is None:
            if largest >= MOST_SYMBOLS:
                raise ValueError(
                    f"X has the code {largest} at row {int(codes.argmax())}, and codes are the "
                    "numbers of symbols from 0: renumber them (numpy.unique(X, "
                    "return_inverse=True)), or pass n_symbols if there are so many")
            return codes, largest + 1
        if largest >= n_symbols:
            row = int(np.argmax(codes >= n_symbols))
            raise ValueError(f"X has the symbol {codes[row]} at row {row}, but the model knows "
                             f"those from 0 to {n_symbols - 1} (n_symbols={n_symbols})")
        return codes, n_symbols


def is_list_of_tables(X):
    """Whether X is a list or tuple of tables, each of two axes, not of rows."""
    if not isinstance(X, (list, tuple)) or not len(X):
        return False
    return all(_is_table(each) for each in X)


def _is_table(value):
    shape = getattr(value, "shape", None)
    if shape is not None:
        return isinstance(shape, tuple) and len(shape) == 2
    if not isinstance(value, (list, tuple)) or not len(value):
        return False
    return isinstance(value[0], (list, tuple)) or np.ndim(value[0]) == 1


def _is_ragged(X):
    """Whether X is a list of what has one axis, and not one length."""
    if not isinstance(X, (list, tuple)) or any(isinstance(each, (str, bytes)) for each in X):
        return False
    try:
        shapes = {np.shape(each) for each in X}
    except ValueError:
        return False
    return len(shapes) > 1 and all(len(shape) == 1 for shape in shapes)


def _joined(X, estimator, fitted):
    """Rows of tables one below the other, and how many each has."""
    parts = []
    for s, table in enumerate(X):
        try:
            parts.append(Rows.read(table, estimator, fitted=fitted))
        except (ValueError, TypeError) as error:
            if type(error) not in (ValueError, TypeError):
                raise
            raise type(error)(f"sequence {s} of X: {error}") from error
        width = parts[0].n_features
        if parts[-1].n_features != width:
            raise ValueError(f"sequence {s} of X has {parts[-1].n_features} columns, and sequence "
                             f"0 has {width}")
        if parts[-1].names != parts[0].names:
            raise ValueError(f"the columns of sequence {s} of X have other names than those of "
                             "sequence 0")
    first = parts[0].labels
    array = np.concatenate([part.X for part in parts])
    rows = Rows.read(array) if any(part.patterns is not None for part in parts) else Rows(array)
    rows.labels = Labels(first.names, first.places, first.feature_names)
    rows.largest = max(part.largest for part in parts)
    return rows, np.array([len(part) for part in parts])


def check_lengths(lengths, n_rows):
    """Lengths of sequences, (n_sequences,) int64; one sequence where they are None."""
    if lengths is None:
        return np.array([n_rows])
    if isinstance(lengths, (str, bytes, Real)) or not hasattr(lengths, "__len__"):
        raise TypeError(
            f"lengths must be a sequence of whole numbers, one for each sequence of X, got "
            f"{lengths!r}")
    values = np.asarray(_inputs.as_rows(lengths, "lengths", missing=False))
    if values.ndim != 1 or not len(values):
        raise ValueError(f"lengths must have one axis and not be empty, got shape {values.shape}")
    whole = np.isfinite(values) & (values == np.floor(values)) & (values > 0)
    if any(isinstance(each, (bool, np.bool_)) for each in list(lengths)[:1]):
        whole[:] = False
    if not whole.all():
        at = int(whole.argmin())
        raise ValueError(f"lengths must be positive whole numbers, got {values[at]:.6g} for "
                         f"sequence {at}")
    total = float(values.sum())
    if total != n_rows:
        raise ValueError(f"lengths sum to {total:.15g}, but X has {n_rows} rows (n_samples="
                         f"{n_rows})")
    return values.astype(np.int64)


def check_weights(sample_weight, n_sequences, rows):
    """Weights of sequences, float64, or None."""
    if sample_weight is None:
        return None
    if not isinstance(sample_weight, Real):
        sample_weight = _inputs.as_rows(sample_weight, "sample_weight", missing=False)
        if sample_weight.ndim == 1 and len(sample_weight) != n_sequences:
            raise ValueError(f"sample_weight must have one weight for each of the {n_sequences} "
                             f"sequences of X, got {len(sample_weight)}")
        if sample_weight.ndim == 1 and (sample_weight < 0).any():
            at = int((sample_weight < 0).argmax())
            raise ValueError(f"sample_weight must not be negative, got {sample_weight[at]:.6g} "
                             f"for sequence {at}")
    weight = checks.check_sample_weight(sample_weight, np.empty((n_sequences, 0)))
    heaviest = float(weight.max())
    squares = len(rows) * (4 * rows.n_features * rows.largest * rows.largest + 1)
    if squares < np.inf and not heaviest * squares < np.inf:
        raise ValueError(f"sample_weight is too large: with {heaviest:.6g} weighted sums of "
                         "squares overflow")
    return weight


def symbols_of(rows):
    """Codes of the rows, int32 with -1 where missing, and the largest of them."""
    X = rows.X
    if X.shape[1] != 1:
        remedy = ""
        if ((X == 1).sum(axis=1) == 1).all() and ((X == 0) | (X == 1)).all():
            remedy = ("; of one-hot rows take the position of the one, "
                      "X.argmax(axis=1)[:, None]")
        elif len(X) == 1:
            remedy = "; a sequence goes down a column, reshape(-1, 1)"
        raise ValueError(f"X must have one column, of whole codes from 0, got {X.shape[1]} "
                         f"columns{remedy}")
    x = X[:, 0]
    missing = np.isnan(x)
    wrong = ~missing & ((x < 0) | (x != np.floor(x)))
    if wrong.any():
        row = int(wrong.argmax())
        what = "negative" if x[row] < 0 else "no whole number"
        raise ValueError(f"X has the code {x[row]:.6g} at row {row}, which is {what}: symbols "
                         "are whole codes from 0, NaN where missing")
    largest = int(np.max(x, where=~missing, initial=-1))
    if largest > np.iinfo(np.int32).max:
        raise ValueError(f"X has the code {largest:.6g} at row {int(np.nanargmax(x))}, the "
                         f"largest possible is {np.iinfo(np.int32).max}")
    if x.dtype == np.float32 and largest >= 2**24:
        raise ValueError(f"X has the code {largest}, which float32 does not hold exactly: pass "
                         "float64")
    return np.where(missing, -1, x).astype(np.int32), largest
