"""Blocks of answers to items: levels of all of them, patterns counted, rows drawn."""

import hashlib
from numbers import Real

import numpy as np

from emkernels import _inputs
from emkernels.data import checks
from emkernels.data.changed import Changed
from emkernels.data.items import MISSING, Items, distinct_rows, observed_numbers, positions_of
from emkernels.data.labels import NOTHING, Labels
from emkernels.data.readers import reader_of
from emkernels.data.sampling import drawn_of, uniforms
from emkernels.data.source import SAMPLE_ROWS
from emkernels.data.survey import Block, Survey, Tables, located, print_of

# Bytes of the codes of different rows of answers, up to which these are counted, once, and EM
# goes on with the counts: the number of bytes decides, not what memory there is.
PATTERN_BYTES = 2**23


class ItemSurvey(Survey):
    """What is known of blocks of answers.

    Attributes
    ----------
    items, continuous : list of int
        Their columns.
    found : list of Levels
        The levels of each item.
    seen : ndarray of shape (n_numbers,), bool
        Whether anything is observed in each column of numbers.
    """

    items, continuous, found, seen = (), (), (), np.zeros(0, bool)

    def merge(self, other):
        begins = self.dtype is None
        super().merge(other)
        if begins:
            self.items, self.continuous = other.items, other.continuous
            self.found, self.seen = other.found, other.seen
        elif other.dtype is not None:
            self.seen = self.seen | other.seen
            for j, mine, theirs in zip(self.items, self.found, other.found, strict=True):
                mine.merge(theirs)
                check_many(mine, self.title(j))
        return self

    def title(self, j):
        """What messages call a column."""
        return f"column {j if self.labels.names is None else repr(self.labels.names[j])}"

    @property
    def levels(self):
        """The levels of each item, as :class:`Items` has them."""
        if "_levels" not in vars(self):
            self._levels = [each.sorted() for each in self.found]
        return self._levels

    @property
    def prints(self):
        """A number for each level of each item, the last of them for a missing answer."""
        if "_prints" not in vars(self):
            self._prints = [_prints(levels, at) for at, levels in enumerate(self.levels)]
        return self._prints

    def check_observed(self):
        """ValueError naming the first column without an answer or number."""
        empty = {j for j, each in zip(self.items, self.found, strict=True) if not len(each)}
        empty |= {j for j, seen in zip(self.continuous, self.seen, strict=True) if not seen}
        if empty:
            raise ValueError(f"X has no observed value in {self.title(min(empty))}")


class ItemTables(Tables):
    """The door for blocks of answers: what it makes are :class:`Items`, each row by itself.

    Parameters
    ----------
    continuous : sequence of int or str, optional
        Columns of numbers.
    """

    def __init__(self, continuous=None):
        super().__init__()
        self.continuous = continuous

    def reader(self, source, sample_weight=None, columns=None, chunk_rows=None):
        return reader_of(source, sample_weight, columns, chunk_rows, raw=True)

    def survey(self, values, weight, number, with_print):
        with located(number):
            if not _length(values):
                return ItemSurvey(number, [Block(0, 0, False, 0.0, 0.0, 0)])
            columns, names = _inputs.as_columns(values)
            n, continuous = len(columns[0].values), positions_of(
                self.continuous, names, len(columns))
            items = [j for j in range(len(columns)) if j not in set(continuous)]
            weight, used = _weight(weight, n)
            found = [_inputs.Levels(columns[j], used) for j in items]
            for j, each in zip(items, found, strict=True):
                check_many(each, columns[j].title)
            numbers = observed_numbers(columns, continuous)
        seen = np.zeros(0, bool)
        if numbers is not None:
            seen = (~np.isnan(numbers if used is None else numbers[used])).any(axis=0)
        total, n_positive = float(n), n
        if weight is not None:
            total, n_positive = float(weight.sum()), int(np.count_nonzero(weight))
        print_ = 0
        if with_print:
            own = [each.sorted() for each in found]
            print_ = _print(_codes(columns, items, own, used),
                            [_prints(levels, at) for at, levels in enumerate(own)], numbers, weight)
        out = ItemSurvey(number, [Block(n, print_, False, 0.0, total, n_positive)],
                         np.dtype(np.float64), len(columns),
                         NOTHING if names is None else Labels(names=names))
        out.items, out.continuous, out.found, out.seen = items, continuous, found, seen
        out.weighted = weight is not None
        return out

    def rows(self, values, weight, number, survey, n_threads, lasting):
        block, n = survey.blocks[number], _length(values)
        if n != block.n_rows:
            raise Changed(f"it had {block.n_rows} rows, and now has {n}")
        if not n:
            return None
        try:        # what was surveyed could be read
            columns, _ = _inputs.as_columns(values)
            if len(columns) != survey.n_features:
                raise Changed(f"it had {survey.n_features} columns, and now has {len(columns)}")
            weight, used = _weight(weight, n)
            codes = _codes(columns, survey.items, survey.levels, used)
            numbers = observed_numbers(columns, survey.continuous)
        except (TypeError, ValueError) as error:
            raise Changed(error) from error
        if block.print and _print(codes, survey.prints, numbers, weight) != block.print:
            raise Changed("its values are others")
        if not block.n_positive:
            return None
        if weight is None:
            weight = np.ones(n)
        out = Items.of_used(codes, survey.levels, numbers, weight, used, n_threads, apart=True)
        out.n_table, out.block = n, number
        return out.placed(survey.items, survey.continuous, survey.labels.names, None)


def _length(values):
    shape = np.shape(values) if isinstance(values, (list, tuple)) else getattr(
        values, "shape", None)
    return len(values) if not shape else int(shape[0])


def _weight(weight, n):
    """Checked weights, and which are positive, None where all are."""
    if weight is None:
        return None, None
    weight = np.ascontiguousarray(_inputs.as_rows(weight, "sample_weight"), np.float64)
    if len(weight) != n or weight.any():        # those of a block may be zero
        weight = checks.check_sample_weight(weight, np.empty((n, 0)))
    return weight, weight > 0


def _codes(columns, items, levels, used):
    """Codes of the answers, (n, n_items); of rows that are not used all are missing."""
    out = np.full((len(columns[0].values), len(items)), MISSING, np.uint8, order="F")
    for at, j in enumerate(items):
        code = _inputs.codes_of(columns[j], levels[at], strict=False)
        out[:, at] = np.where(code < 0, MISSING, code)
    if used is not None:
        out[~used] = MISSING
    return out


def check_many(found, title):
    """ValueError for an item of more levels than there are codes."""
    if len(found) > MISSING:
        raise ValueError(f"{title} of X has {len(found)} levels, and an item at most {MISSING}: "
                         "is it a column of numbers (continuous=)?")


def _prints(levels, at):
    """A number for each level, by its value alone, in an array of 256."""
    out = np.zeros(MISSING + 1, np.uint64)
    for code, value in enumerate(levels.tolist()):
        if isinstance(value, Real):
            text = repr(float(value) + 0.0)     # -0.0 is 0.0
        else:
            text = repr(value) if isinstance(value, (str, bytes, tuple)) else str(type(value))
        digest = hashlib.blake2b(f"{at} {text}".encode(), digest_size=8).digest()
        out[code] = int.from_bytes(digest, "little")
    return out


def _print(codes, prints, numbers, weight):
    """A number that other answers, numbers or weights hardly share."""
    answers = np.zeros(len(codes), np.uint64)
    for at, each in enumerate(prints):      # (the place of an item is in its numbers)
        answers += each[codes[:, at]]
    out = print_of(answers[:, None], weight)
    return out if numbers is None else out ^ print_of(numbers, None)


# --- all blocks ---------------------------------------------------------------------------


class ItemBlocks:
    """A source of blocks of answers, with what latent classes ask of :class:`Items`."""

    def __init__(self, source):
        self.source, survey = source, source.survey
        survey.check_observed()
        self.levels, self.first_rows = survey.levels, survey.first_rows
        self.items, self.continuous = list(survey.items), list(survey.continuous)
        self.names, self.column_names = source.names, source.column_names
        self.n_features, self.n_rows, self.dtype = source.n_features, source.n_rows, source.dtype
        self.n_positive, self.total = source.n_positive, source.total
        self.n_threads, self.kept = source.n_threads, source.kept
        self.n_distinct, self.n_items = source.n_positive, len(self.items)
        self.has_numbers = bool(self.continuous)

    n_levels, place = Items.n_levels, Items.place

    def reduce(self, function, *arguments):
        """``function(items, *arguments)`` of all blocks, merged."""
        return self.source.reduce(function, *arguments)

    def counted(self):
        """The different rows, each once, as :class:`Items` has them; None where they are many, or
        have numbers."""
        if self.has_numbers:
            return None
        most = max(1, PATTERN_BYTES // max(1, self.n_items))
        patterns = self.reduce(_patterns, most)
        if patterns.codes is None:
            return None
        out = Items(patterns.codes, self.levels, None, patterns.weight, n_threads=self.n_threads)
        out.n_rows, out.n_positive, out.total = self.n_rows, self.n_positive, self.total
        out.origin, out.first_rows = patterns.first[out.inverse], self.first_rows
        return out.placed(self.items, self.continuous, self.names, None)

    def sample(self, random_state):
        """Rows drawn as :meth:`emkernels.data.source.Source.sample` draws them; all where they are
        few."""
        seed = 0
        if self.n_positive > SAMPLE_ROWS:
            seed = int(random_state.randint(2**32, dtype=np.uint64))
        drawn = self.reduce(_sample, SAMPLE_ROWS, seed)
        X, weight = drawn.taken()
        if weight is None:      # all the same, that of a row or what each stands for
            least = drawn.priority.min() if len(drawn.X) > SAMPLE_ROWS else 0.0
            weight = np.full(len(X), max(drawn.weight[0], least))
        codes, numbers = X[:, :self.n_items].astype(np.uint8), None
        if self.has_numbers:
            numbers = np.ascontiguousarray(X[:, self.n_items:])
        out = Items(codes, self.levels, numbers, weight, n_threads=self.n_threads)
        return out.placed(self.items, self.continuous, self.names, None)


class Patterns:
    """Different rows of codes in the order of their first, their weights, and the numbers of
    these; None where there are more than `most`."""

    def __init__(self, codes, weight, first, most):
        self.codes, self.weight, self.first, self.most = codes, weight, first, most
        if codes is not None and len(codes) > most:
            self.codes = self.weight = self.first = None

    def merge(self, other):
        if self.codes is None or other.codes is None:
            self.codes = self.weight = self.first = None
            return self
        codes = np.concatenate([self.codes, other.codes])
        at, inverse = distinct_rows(codes)
        weight = np.bincount(inverse, np.concatenate([self.weight, other.weight]))
        first = np.concatenate([self.first, other.first])[at]
        Patterns.__init__(self, codes[at], weight, first, self.most)
        return self


def _patterns(items, most):
    at, inverse = distinct_rows(items.codes)
    return Patterns(items.codes[at], np.bincount(inverse, items.sample_weight),
                    items.row_numbers()[at], most)


def _sample(items, n_rows, seed):
    """The rows of a block with the highest priorities."""
    rows = items.row_numbers()
    u = uniforms(seed, items.first_row, items.n_table)[rows - items.first_row]
    parts = [part for part in (items.codes, items.numbers) if part is not None]
    return drawn_of(parts, items.sample_weight, items.sample_weight / u, rows, n_rows)
