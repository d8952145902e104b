"""What the first pass over blocks finds, and the door that every block comes through."""

import contextlib
from dataclasses import dataclass

import numpy as np

from emkernels import _inputs
from emkernels._words import some
from emkernels.data import checks
from emkernels.data.changed import Changed
from emkernels.data.labels import NOTHING, Labels
from emkernels.data.readers import reader_of
from emkernels.data.rows import Rows, with_nan
from emkernels.data.sampling import mixed

PIECE = 8192    # rows whose bits are looked at together

@dataclass(frozen=True)
class Block:
    """What is known of a block.

    Attributes
    ----------
    n_rows : int
    print : int
        Of its values and weights; 0 where it was not asked for.
    has_missing : bool
    largest : float
    total : float
        Sum of the weights.
    n_positive : int
        Rows of positive weight.
    """

    n_rows: int
    print: int
    has_missing: bool
    largest: float
    total: float
    n_positive: int


class Survey:
    """What is known of blocks that follow each other; a merge looks whether they go together.

    Attributes
    ----------
    blocks : list of Block
    first : int
        The number of the first.
    dtype, n_features, labels
        Of the first that has rows; None before.
    named : (int, tuple or None)
        The number and the names of the first that has names.
    weighted, labelled : bool
        Whether rows of any block have weights, or known components.
    """

    def __init__(self, number, blocks=(), dtype=None, n_features=None, labels=NOTHING):
        self.blocks, self.number, self.dtype = list(blocks), number, dtype
        self.n_features, self.labels, self.named = n_features, labels, (number, labels.names)
        self.weighted = self.labelled = False

    def merge(self, other):
        if self.dtype is None:
            self.number, self.dtype, self.n_features = other.number, other.dtype, other.n_features
            self.labels = other.labels
        elif other.dtype is not None:
            self._check(other)
        if self.named[1] is None:
            self.named = other.named
        self.weighted = self.weighted or other.weighted
        self.labelled = self.labelled or other.labelled
        self.blocks += other.blocks
        return self

    def _check(self, other):
        here, there = f"block {other.number}", f"block {self.number}"
        if other.n_features != self.n_features or other.dtype != self.dtype:
            raise ValueError(f"{here} has {other.n_features} columns of {other.dtype}, {there} has "
                             f"{self.n_features} of {self.dtype}"
                             + (": give all the same dtype (astype)"
                                if other.n_features == self.n_features else ""))
        # the first that has names, as blocks without go with all
        (there, mine), (here, theirs) = self.named, other.named
        if None not in (mine, theirs) and mine != theirs:
            raise ValueError(
                f"block {here} has the columns {some([*map(repr, theirs)])}, block {there} "
                f"{some([*map(repr, mine)])}: name them alike, in one order")

    @property
    def n_blocks(self):
        return len(self.blocks)

    @property
    def n_rows(self):
        return sum(block.n_rows for block in self.blocks)

    @property
    def largest_block(self):
        """Bytes of the largest block."""
        rows = max((block.n_rows for block in self.blocks), default=0)
        return rows * self.n_features * np.dtype(self.dtype).itemsize

    @property
    def n_positive(self):
        return sum(block.n_positive for block in self.blocks)

    @property
    def total(self):
        return float(np.sum([block.total for block in self.blocks]))

    @property
    def largest(self):
        return max((block.largest for block in self.blocks), default=0.0)

    @property
    def has_missing(self):
        return any(block.has_missing for block in self.blocks)

    @property
    def first_rows(self):
        """The number of the first row of each block, and of all rows."""
        return np.concatenate([[0], np.cumsum([block.n_rows for block in self.blocks])]).astype(
            np.int64)


class Tables:
    """The door for blocks that are tables of numbers: what it makes are :class:`Rows`.

    Another kind of model has another door, of these methods.
    """

    by_row = True       # whether rows have weights, not blocks
    joins = False       # whether blocks are worked on together

    def __init__(self, *, complete=None, missing_values=np.nan):
        self.complete = complete    # who needs complete rows
        self.missing_values = missing_values    # the number that stands for one

    def reader(self, source, sample_weight=None, columns=None, chunk_rows=None):
        """What reads the blocks of a source, and their weights."""
        return reader_of(source, sample_weight, columns, chunk_rows)

    def survey(self, values, weight, number, with_print):
        """What is to be known of a block, which is checked; a :class:`Survey` of it alone."""
        with located(number):
            known = None
            if isinstance(values, Rows):
                X, places, known = values.X, values.places, values.known
            else:
                X, places = _inputs.as_table(values, "X")
            if X.ndim != 2:
                raise ValueError(f"X must be a 2-d table, got {X.ndim} dimension(s)")
            if not X.shape[1]:
                raise ValueError("X has no columns")
            labels = NOTHING
            if isinstance(values, Rows):
                labels = Labels(values.names, places, values.feature_names)
            elif type(values) is not np.ndarray:
                labels = Labels(
                    _inputs.names_of(values), places, checks.feature_names_of(values, None))
            if weight is not None:
                weight = _inputs.as_rows(weight, "sample_weight")
                if np.shape(weight) != (len(X),):
                    raise ValueError(f"block {number} has {np.size(weight)} weights and {len(X)} "
                                     "rows")
            if not len(X):
                return Survey(number, [Block(0, 0, False, 0.0, 0.0, 0)])
            X = with_nan(X, self.missing_values, places)
            has_missing, largest = self._look(X, places)
            if weight is not None:      # those of a block may be zero
                weight = np.asarray(weight, float)
                if weight.any():
                    weight = checks.check_sample_weight(weight, X, largest)
        total, n_positive = float(len(X)), len(X)
        if weight is not None:
            total, n_positive = float(weight.sum()), int(np.count_nonzero(weight))
        block = Block(len(X), print_of(X, weight, known) if with_print else 0, has_missing,
                      largest, total, n_positive)
        out = Survey(number, [block], X.dtype, X.shape[1], labels)
        out.weighted, out.labelled = weight is not None, known is not None
        return out

    def _look(self, X, places):
        if self.complete is not None:
            return False, checks.check_complete(X, self.complete, places)
        patterns, largest = checks.patterns_where_missing(X, places)
        return patterns is not None, largest

    def rows(self, values, weight, number, survey, n_threads, lasting):
        """The rows of a block that was surveyed; None where there are none. `lasting`: what is
        known of it from the pass before, see :meth:`emkernels.data.source.Source.reduce`."""
        X = _inputs.as_rows(values.X if isinstance(values, Rows) else values)
        block = survey.blocks[number]
        if X.ndim != 2 or len(X) != block.n_rows or (
                len(X) and (X.shape[1] != survey.n_features or X.dtype != survey.dtype)):
            raise Changed(f"it had {block.n_rows} rows, {survey.n_features} columns of "
                          f"{survey.dtype}, and now has the shape {X.shape} of {X.dtype}")
        if not len(X):
            return None
        X = with_nan(X, self.missing_values, survey.labels.places)
        if weight is not None:
            weight = np.ascontiguousarray(_inputs.as_rows(weight), np.float64)
            if weight.shape != (len(X),):
                raise Changed(f"it has {len(X)} rows, and now weights of the shape {weight.shape}")
        known = values.known if isinstance(values, Rows) else None
        if block.print and print_of(X, weight, known) != block.print:
            raise Changed("its values are others")
        if weight is None and survey.weighted and self.by_row:
            weight = np.ones(len(X))
        if known is None and survey.labelled:
            # rows without any value count where some are known: as in one table, so in all blocks
            known = np.full(len(X), -1, np.int32)
        patterns = None
        if block.has_missing:
            if "patterns" not in lasting:
                lasting["patterns"] = None, checks.missing_patterns(X)
            patterns = lasting["patterns"][1]
        rows = Rows(X, patterns=patterns, largest=block.largest, labels=survey.labels,
                    sample_weight=weight, known=known, n_threads=n_threads)
        rows.block, rows.lasting = number, lasting
        return rows


    def together(self, blocks):
        """Rows that are worked on together, and of how many blocks they are, from pairs of the
        number and the rows of each. Which are depends on the blocks alone, and none are of two
        groups of the tree."""
        for _, rows in blocks:
            yield rows, 1
            rows = None         # before the next is read


@contextlib.contextmanager
def located(number):
    """Errors of what is in a block say which it is."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = str(error)
        if text.startswith(f"block {number} "):
            raise
        for words in (" at row ", ", first at row ", " at index "):
            head, found, tail = text.partition(words)
            if found:
                text = f"{head}{words.rpartition('at ')[0]}at block {number}, row {tail}"
                break
        else:
            text = f"block {number}: {text}"
        kind = type(error)
        raise (kind if kind in (TypeError, ValueError, _inputs.UnusableInputError) else ValueError)(
            text) from error


def print_of(X, weight, known=None):
    """A number that other values, in other places, other weights or known components hardly share.

    ``sum_i (2 i + 1) f(sum_j c_j f(bits_ij))`` modulo 2^64, with odd c_j; f brings the upper bits
    down, where those of 0, 1 and 2 differ. Whatever the layout, and not far from the speed of
    memory, as every pass asks for it.
    """
    unsigned = X.dtype if X.dtype.kind == "u" else {4: np.uint32, 8: np.uint64}[X.dtype.itemsize]
    factors, total = _odd(X.shape[1] + 2), 0
    for first in range(0, len(X), PIECE):
        part = slice(first, min(first + PIECE, len(X)))
        bits = _folded(X[part].view(unsigned))
        rows = np.einsum("ij,j->i", bits, factors[:-2], dtype=np.uint64, casting="safe")
        if weight is not None:
            rows += _folded(weight[part].view(np.uint64)) * factors[-2]
        if known is not None:
            rows += known[part].astype(np.uint64) * factors[-1]
        places = 2 * np.arange(first, part.stop, dtype=np.uint64) + np.uint64(1)
        total += int(np.einsum("i,i->", _folded(rows), places))
    return total % 2**64 or 1


def _folded(bits):
    """The upper half of the bits added to the lower one, without a carry."""
    return bits ^ (bits >> (4 * bits.dtype.itemsize))


def _odd(n):
    """Odd numbers of 64 bits."""
    return mixed(np.arange(1, n + 1, dtype=np.uint64)) | np.uint64(1)
