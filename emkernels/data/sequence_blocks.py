"""Blocks of rows each of which is a sequence."""

import contextlib
import itertools
from dataclasses import dataclass, replace

import numpy as np

from emkernels import _inputs
from emkernels.data import checks
from emkernels.data.changed import Changed
from emkernels.data.readers import reader_of
from emkernels.data.readers.memory import SlicesReader
from emkernels.data.rows import Rows
from emkernels.data.sampling import uniforms
from emkernels.data.sequences import Sequences
from emkernels.data.source import Source
from emkernels.data.survey import Tables, located
from emkernels.em.tree import Tree

# Rows of a long sequence that are drawn together.
WINDOW = 1000
# Values of short sequences that follow each other and are worked on together: one by one they
# would not fill the lanes of the kernels.
TOGETHER = 2**18


class SequenceTables(Tables):
    """The door for blocks that are sequences of rows: what it makes are :class:`Sequences` of one.

    A block has one weight; one of weight 0 is absent.
    """

    by_row, joins = False, True

    def reader(self, source, sample_weight=None, columns=None, chunk_rows=None):
        """An array or a table is one sequence, and a row group of a file, unless it is said how
        long each is; weights are by block."""
        if chunk_rows is None and SlicesReader.reads(source):
            chunk_rows = max(1, source.shape[0])
        if sample_weight is None or isinstance(sample_weight, str):
            return reader_of(source, sample_weight, columns, chunk_rows, whole=True)
        return WeightedBlocks(
            reader_of(source, None, columns, chunk_rows, whole=True), sample_weight)

    def survey(self, values, weight, number, with_print):
        out = super().survey(values, None, number, with_print)
        out.weighted, block = weight is not None, out.blocks[0]
        if out.weighted and block.n_rows:
            with located(number):
                weight = weight_of(weight, block.n_rows)
                most = block.n_rows * (4 * out.n_features * block.largest * block.largest + 1)
                if most < np.inf and not weight * most < np.inf:
                    raise ValueError(f"sample_weight is too large: with {weight:.6g} weighted sums "
                                     "of squares overflow")
            out.blocks[0] = replace(block, total=weight * block.n_rows)
            if weight == 0:
                out.blocks[0] = replace(
                    out.blocks[0], n_positive=0, has_missing=False, largest=0.0)
        return out

    def rows(self, values, weight, number, survey, n_threads, lasting):
        rows = super().rows(values, None, number, survey, n_threads, {})
        block = survey.blocks[number]
        if rows is None:
            return None
        try:
            own = 1.0 if weight is None else weight_of(weight, len(rows))
        except ValueError as error:
            raise Changed(str(error)) from None
        if own * len(rows) != block.total:
            raise Changed("its weight is another")
        if not block.n_positive:
            return None
        own = np.array([own]) if survey.weighted else None
        out = Sequences(rows, np.array([0, len(rows)]), own, n_threads=n_threads,
                        numbers=np.array([number]), kind="block")
        out.block = number
        return out

    def together(self, blocks):
        held = []
        for number, one in blocks:
            size = 0 if one is None else one.rows.X.size
            if held and (one is None or number % Tree.ARITY == 0
                         or sum(X.size for X, _ in held) + size > TOGETHER
                         or one.rows.has_missing != held[0][1].rows.has_missing):
                yield _joined(held), len(held)
                held = []
            if one is None or size > TOGETHER:
                yield one, 1
            else:       # what is read next may be where these values are
                held.append((np.array(one.rows.X, order="C"), one))
            one = None
        if held:
            yield _joined(held), len(held)


def _joined(held):
    """One :class:`Sequences` of several, of which the values were copied."""
    parts = [one for _, one in held]
    first, rows = parts[0], parts[0].rows
    X = np.concatenate([X for X, _ in held]) if len(held) > 1 else held[0][0]
    patterns = rows.patterns
    if patterns is not None and len(held) > 1:
        patterns = checks.missing_patterns(X)
    weight = None
    if first.sequence_weight is not None:
        weight = np.array([one.sequence_weight[0] * one.unit for one in parts])
    out = Sequences(
        Rows(X, patterns=patterns, largest=max(one.rows.largest for one in parts),
             labels=rows.labels, n_threads=rows.n_threads),
        np.cumsum([0, *(len(X) for X, _ in held)]), weight, n_threads=first.n_threads,
        numbers=np.concatenate([one.numbers for one in parts]), kind=first.kind)
    out.block, out.first_row = first.block, first.first_row
    return out


class SymbolTables(SequenceTables):
    """The same where rows are symbols.

    Parameters
    ----------
    n_symbols : int or None
        How many there are, where that is known.
    texts : str
        What an error says of texts.
    """

    def __init__(self, n_symbols, texts):
        super().__init__()
        self.n_symbols, self.texts = n_symbols, texts

    def survey(self, values, weight, number, with_print):
        try:
            return super().survey(values, weight, number, with_print)
        except _inputs.UnusableInputError as error:
            raise _inputs.UnusableInputError(
                str(error).replace(_inputs.TEXTS, self.texts)) from error

    def _look(self, X, places):
        out = super()._look(X, places)
        Sequences(Rows(X), np.array([0, len(X)])).symbols(self.n_symbols)
        return out


class WeightedBlocks:
    """What a reader reads, and a weight for each block."""

    weight_name = None

    def __init__(self, reader, weights):
        if hasattr(weights, "__next__"):
            raise TypeError("sample_weight is an iterator, which can be read once: pass a "
                            "callable that returns a new one, or a list of a weight for each block")
        if not callable(weights) and not isinstance(weights, (list, tuple)):
            weights = np.asarray(weights)
            if not weights.ndim:
                raise ValueError(f"sample_weight must have a weight for each block, got {weights}")
        self.reader, self.weights = reader, weights
        self.volatile, self.resident = reader.volatile, reader.resident

    def identity(self):
        return None

    def blocks(self, start=0):
        weights = iter(self.weights() if callable(self.weights) else self.weights)
        for _ in range(start):
            next(weights, None)
        number = start - 1
        with contextlib.closing(self.reader.blocks(start)) as blocks:
            for values, _ in blocks:        # enumerate would hold the last
                number += 1
                weight = next(weights, None)
                if weight is None:
                    raise ValueError(f"sample_weight has {number} weights, and there is a block "
                                     f"{number}: give one for each block")
                yield values, weight
                values = None
        if next(weights, None) is not None:
            raise ValueError(f"sample_weight has more weights than the {number + 1} blocks")


def weight_of(weight, n_rows):
    """The one weight of a block, which may have been said of each of its rows."""
    values = np.atleast_1d(_inputs.as_rows(np.atleast_1d(weight), "sample_weight"))
    if values.shape not in ((1,), (n_rows,)):
        raise ValueError("sample_weight must have one weight for each sequence, got shape "
                         f"{values.shape}")
    if (values != values[0]).any():
        raise ValueError("its rows have several weights, and a sequence has one")
    weight = float(values[0])
    if not 0 <= weight < np.inf:
        raise ValueError(f"sample_weight must be finite and not negative, got {weight:.6g}")
    return weight


class RowsOf(Source):
    """The rows of a source of sequences, each with the weight of its own."""

    def __init__(self, source):
        self.source = source
        self._describe(source.survey, source.n_threads)

    def reduce(self, function, *arguments):
        return self.source.reduce(_on_rows, function, *arguments)

    def _pass(self, function, *arguments):
        return self.reduce(function, *arguments)

    def random_state(self, random_state):
        return self.source.random_state(random_state)


def _on_rows(sequences, function, *arguments):
    rows = sequences.rows.with_(sample_weight=sequences.of_rows())
    rows.block, rows.first_row = sequences.block, sequences.first_row
    return function(rows, *arguments)


def rows_of(sequences):
    """The rows of sequences, or of blocks that are sequences, by weight: what columns are like."""
    if hasattr(sequences, "n_blocks"):
        return RowsOf(sequences)
    return sequences.rows.with_(sample_weight=sequences.of_rows())


def n_symbols_of(sequences, n_symbols=None):
    """How many symbols there are: as many as are given, else one more than the largest code."""
    if not hasattr(sequences, "n_blocks"):
        return sequences.symbols(n_symbols)[1]
    return int(sequences.largest) + 1 if n_symbols is None else n_symbols


def heaviest_of(sequences):
    """The largest weight of a sequence."""
    if hasattr(sequences, "n_blocks"):
        return max(block.total / block.n_rows for block in sequences.survey.blocks if block.n_rows)
    weight = sequences.sequence_weight
    return 1.0 if weight is None else (weight * sequences.unit).max()


# --- some of the sequences ----------------------------------------------------------------


@dataclass
class Window:
    """Rows of a sequence that follow each other; the lower `rank` is the sooner drawn."""

    rank: float
    first_row: int
    X: np.ndarray
    weight: float | None
    block: int


class Windows:
    """Those of the lowest ranks, until they have so many rows."""

    def __init__(self, n_rows, windows):
        self.n_rows, self.windows = n_rows, windows

    def merge(self, other):
        windows = sorted(self.windows + other.windows, key=lambda w: (w.rank, w.first_row))
        sizes = np.cumsum([len(w.X) for w in windows])
        self.windows = windows[:int(np.searchsorted(sizes, self.n_rows)) + 1]
        return self


def _windows(sequences, n_rows, whole, seed, columns=None):
    """Windows of blocks; entire sequences where `whole`; only such as have a value in one of the
    `columns`."""
    X, weight = sequences.rows.X, sequences.sequence_weight
    steps = [np.arange(a, b, b - a if whole else WINDOW)
             for a, b in itertools.pairwise(sequences.offsets.tolist())]
    firsts, own = np.concatenate(steps), np.repeat(np.arange(len(steps)), list(map(len, steps)))
    ends = np.append(firsts[1:], len(X))
    # by the number of a row alone
    rank = uniforms(seed, sequences.first_row, len(X))[firsts]
    order = np.lexsort((firsts, rank))
    if columns is not None:
        seen = np.logical_or.reduceat((~np.isnan(X[:, columns])).any(axis=1), firsts)
        order = order[seen[order]]
    order = order[:int(np.searchsorted(np.cumsum((ends - firsts)[order]), n_rows)) + 1]
    return Windows(n_rows, [Window(
        float(rank[i]), sequences.first_row + int(firsts[i]),
        np.array(X[firsts[i]:ends[i]], order="C"),
        None if weight is None else float(weight[own[i]] * sequences.unit),
        int(sequences.numbers[own[i]])) for i in order])


def sample_sequences(source, n_rows, whole, random_state):
    """Sequences of some rows of blocks: entire ones where `whole` or where all are few, else
    windows of them, drawn until there are so many rows.

    Which are drawn depends on the seed, that `random_state` gives, and on the numbers of the rows.
    In every column something is observed.
    """
    everything = source.n_positive <= n_rows
    whole = whole or everything
    seed = 0 if everything else int(random_state.randint(2**32, dtype=np.uint64))
    drawn = source.reduce(_windows, n_rows, whole, seed).windows
    if source.has_missing:
        while True:
            rare = np.flatnonzero(~np.logical_or.reduce(
                [(~np.isnan(w.X)).any(axis=0) for w in drawn]))
            if not len(rare):
                break
            drawn += source.reduce(_windows, 1, whole, seed, rare).windows[:1]
    drawn.sort(key=lambda w: w.first_row)
    rows = Rows.read(np.concatenate([w.X for w in drawn]))
    rows.labels = source.labels
    weight = None if drawn[0].weight is None else np.array([w.weight for w in drawn])
    return Sequences(
        rows.with_(n_threads=source.n_threads),
        np.concatenate([[0], np.cumsum([len(w.X) for w in drawn])]).astype(np.int64), weight,
        n_threads=source.n_threads, numbers=np.array([w.block for w in drawn]), kind="block")
