"""Columns of a table as they are, numbers or texts: answers to questions, names of sequences."""

from dataclasses import dataclass

import numpy as np

from emkernels._extras import optional
from emkernels._inputs import NotANumber
from emkernels.cli import _memory as memory
from emkernels.cli import _remarks as remarks
from emkernels.cli._messages import CommandError, count, listed, quoted
from emkernels.cli._numbers import Numbers
from emkernels.cli._spellings import UNKNOWN, is_number, stands_for_missing
from emkernels.cli._tables import check_values, markers_of

# bytes that a cell takes at the worst moment, as text and as what it is made into
_CELL = 64


@dataclass
class Cells:
    """One column.

    Attributes
    ----------
    name : str
    position : int
        In the table.
    levels : ndarray
        What there is in it: numbers and texts sorted, categories of a data frame in their order.
    codes : ndarray of shape (n_rows,), int
        Positions in `levels`, -1 where a value is missing.
    numbers : ndarray of shape (n_rows,), float64, or None
        NaN where missing; None of a column that is not of numbers.
    """

    name: str
    position: int
    levels: np.ndarray
    codes: np.ndarray
    numbers: np.ndarray | None = None

    @property
    def missing(self):
        return self.codes < 0

    def shown(self):
        """The levels as texts."""
        return shown(self.levels)

    def values(self):
        """What the classes take: numbers, or a column of categories."""
        if self.numbers is not None:
            return self.numbers
        return optional("pandas", "a table", "cli").Categorical.from_codes(
            self.codes, categories=self.levels)


def shown(levels):
    """Answers as texts."""
    return [f"{value:.10g}" if isinstance(value, (int, float)) and not isinstance(value, bool)
            else str(value) for value in levels.tolist()]


def are_numbers(levels):
    """Whether answers are numbers."""
    return levels.dtype.kind in "iuf"


def codes_among(source, cells, levels, options):
    """The codes that answers have among the `levels` of a model, -1 where missing.

    Numbers are compared with numbers, all else as it is shown.

    Raises
    ------
    CommandError
        For an answer that is no level, with its line.
    """
    found = cells.shown()
    if are_numbers(levels):
        at = {value: code for code, value in enumerate(levels.tolist())}
        values = cells.levels.tolist()
        if cells.numbers is None:       # some of it is none
            values = [float(text.replace(options.decimal, ".")) if is_number(
                text, options.decimal) else None for text in found]
        at = [at.get(value, -1) for value in values]
    else:
        at = {text: code for code, text in enumerate(shown(levels))}
        if len(at) < len(levels):
            raise CommandError(f"{options.model}: has answers in column {quoted(cells.name)} that "
                               "a table shows alike; emkernels.load in Python reads it")
        at = [at.get(text, -1) for text in found]
    at = np.array([*at, -1], np.intp)
    unknown = np.flatnonzero((at[cells.codes] < 0) & ~cells.missing)
    if len(unknown):
        row = int(unknown[0])
        text = found[cells.codes[row]]
        raise CommandError(
            f"{source.path}: {source.place(row)}: column {quoted(cells.name)}: {quoted(text)} is "
            f"no answer that {options.model} knows, which are "
            f"{listed([quoted(each) for each in shown(levels)])}" + stands_for_missing(text))
    return at[cells.codes]


def read_cells(source, positions, options, console, *, needed=1, times=(), known=None):
    """Some columns of a table.

    Parameters
    ----------
    source : CsvSource or ParquetSource
    positions : list of int
    options : argparse.Namespace
        With missing_values.
    console : Console
    needed : int
        Rows at least.
    times : sequence of int
        Positions of columns that may hold dates and times, which become numbers.
    known : dict of int to bool, optional
        Positions of columns of which it is known whether they are of texts: there is nothing to
        say of these.

    Returns
    -------
    cells : list of Cells
    others : list of str
        Names of the columns of a Parquet file that hold neither numbers nor texts: times, lists.
    """
    n_rows, _ = source.estimate()
    memory.check_fits(source.path, n_rows * len(positions) * _CELL,
                      "use fewer --columns, or some of the rows")
    markers, parts = markers_of(source, options), []
    with console.progress(f"reading {source.path}"):
        parts = [list(arrays) for arrays in source.batches(positions)]
        n_rows = sum(len(arrays[0]) for arrays in parts)
        if n_rows < needed:
            raise CommandError(f"{source.path}: has {count(n_rows, 'row')}, and {needed} are "
                               "needed at least")
        cells, others = [], []
        for at, j in enumerate(positions):
            column = [arrays[at] for arrays in parts]
            if j in times:
                column = [_without_dates(array) for array in column]
            found = _cells(source, j, column, markers, console, (known or {}).get(j))
            if found is None:
                others.append(source.names[j])
            else:
                cells.append(found)
    return cells, others


def _cells(source, j, arrays, markers, console, texts):
    pa = optional("pyarrow", "a table", "cli")
    column, name = pa.chunked_array(arrays), source.names[j]
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _of_categories(column, name, j)
    if pa.types.is_boolean(kind):
        return _of_texts(column, name, j)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    numbers = None
    try:
        if not (texts and is_text):
            numbers = np.concatenate([source.to_numbers(array) for array in arrays])
    except NotANumber:
        if not is_text:
            return None
        if texts is None:
            _say_mixed(source, j, arrays, console)
    if numbers is None:
        trimmed = optional("pyarrow.compute", "a table", "cli").utf8_trim_whitespace(column)
        gaps = pa.chunked_array([source.gaps(array, of_answers=True) for array in arrays])
        found = _of_texts(trimmed, name, j, gaps)
        if texts is None:
            _say_spellings(source, found, console)
        return found
    numbers = check_values(source, numbers, name, 0, markers)
    levels, codes = np.unique(numbers, return_inverse=True)
    if len(levels) and np.isnan(levels[-1]):
        codes = np.where(codes == len(levels) - 1, -1, codes)
        levels = levels[:-1]
    return Cells(name, j, levels, codes, numbers)


def _without_dates(array):
    """Dates and times of a Parquet file as whole numbers; other columns as they are."""
    pa, pc = optional("pyarrow", "a table", "cli"), optional("pyarrow.compute", "a table", "cli")
    if not pa.types.is_temporal(array.type):
        return array
    narrow = array.type.bit_width == 32
    return pc.cast(pc.cast(array, pa.int32()) if narrow else array, pa.int64())


def _of_texts(column, name, j, gaps=None):
    pa, pc = optional("pyarrow", "a table", "cli"), optional("pyarrow.compute", "a table", "cli")
    if gaps is not None:
        column = pc.if_else(gaps, pa.scalar(None, column.type), column)
    coded = column.combine_chunks().dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    found = coded.dictionary.to_pylist()
    order = sorted(range(len(found)), key=found.__getitem__)
    place = np.empty(len(found) + 1, np.intp)
    place[order], place[-1] = np.arange(len(found)), -1
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    levels = np.empty(len(found), object)
    levels[:] = [found[at] for at in order]
    return Cells(name, j, levels, place[codes])


def _of_categories(column, name, j):
    series = column.to_pandas().cat.remove_unused_categories()
    levels = np.empty(len(series.cat.categories), object)
    levels[:] = series.cat.categories.tolist()
    return Cells(name, j, levels, series.cat.codes.to_numpy().astype(np.intp))


def _say_mixed(source, j, arrays, console):
    """A column that is numbers but for a few cells is read as texts, which is said."""
    texts, row = remarks.Texts(source.path), 0
    for array in arrays:
        try:
            source.to_numbers(array)
        except NotANumber as problem:
            if problem.likely and problem.index is not None:
                console.warn(texts.line(source.place(row + problem.index), [source.names[j]],
                                        problem) + ", so its cells are taken for texts"
                             + (problem.hint or stands_for_missing(problem.text)))
            return
        row += len(array)


def _say_spellings(source, cells, console):
    """Texts that may stand for a missing value, or be the same but for the case of letters."""
    levels = cells.shown()
    for text in levels:
        if text.lower() in UNKNOWN or text.lower() == "none":
            console.warn(f"{source.path}: column {quoted(cells.name)}: {quoted(text)} is an answer "
                         "like the others" + stands_for_missing(text))
            break
    same = {}
    for text in levels:
        other = same.setdefault(text.casefold(), text)
        if other != text:
            console.warn(f"{source.path}: column {quoted(cells.name)}: {quoted(other)} and "
                         f"{quoted(text)} are different answers")
            break


def as_numbers(cells, n_rows, others=()):
    """The columns of numbers among some, as what is written again needs them."""
    used = [each for each in cells if each.numbers is not None]
    X = np.empty((n_rows, len(used)), order="F")
    for at, each in enumerate(used):
        X[:, at] = each.numbers
    whole = [bool(np.all(each.levels == np.rint(each.levels))) for each in used]
    text = {each.name: int(each.missing.sum()) for each in cells if each.numbers is None}
    text.update(dict.fromkeys(others, 0))
    return Numbers(X, [each.position for each in used], [each.name for each in used], whole, text)
