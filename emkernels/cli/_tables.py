"""Tables in and out: which columns are used, their numbers, and the same table with more in it."""

import itertools
import os
from dataclasses import dataclass, field

import numpy as np

from emkernels._extras import optional
from emkernels.cli import _memory as memory
from emkernels.cli import _remarks as remarks
from emkernels.cli._csv import CsvSource, CsvWriter, as_text
from emkernels.cli._formats import PARQUET, Stored, format_of
from emkernels.cli._messages import (
    CommandError,
    NotANumber,
    count,
    listed,
    not_among,
    quoted,
)
from emkernels.cli._output import check_output, replacing
from emkernels.cli._parquet import ParquetSource, ParquetWriter, output_schema

_ROWS = 1 << 16     # written at once
_LARGEST = np.float64(1e140)      # sums of squares of larger numbers may overflow


def check_target(options):
    """CommandError, before any work, where OUT cannot be written."""
    format_of(options.output, options)
    check_output(options.output, [options.input], force=options.force)


def open_table(options):
    """The source of a table; its header is read, not yet its rows."""
    stored = Stored(options.input, options)
    return (ParquetSource if stored.format in PARQUET else CsvSource)(stored, options)


@dataclass
class Numbers:
    """The columns of a table that are used.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_used), float64 or float32
        NaN where a value is missing.
    positions : list of int
        Of the used columns in the table.
    names : list of str
    whole : list of bool
        Whether a column has whole numbers only.
    text : dict of str to int
        Columns that are not of numbers, and how many of their cells are missing.
    empty : list of str
        Columns without any value.
    stamp : tuple
        Tells whether the file is still the same.
    """

    X: np.ndarray
    positions: list
    names: list
    whole: list
    text: dict
    empty: list = field(default_factory=list)
    stamp: tuple = ()

    def __post_init__(self):
        self.n_missing = np.isnan(self.X).sum(axis=0)

    @property
    def constant(self):
        """Names of the columns with one value only."""
        low, high = np.fmin.reduce(self.X, axis=0), np.fmax.reduce(self.X, axis=0)
        return [name for name, same in zip(self.names, low == high) if same]

    def frame(self, X=None):
        """X (or other rows of its columns) as a data frame, for the names; no copy."""
        return optional("pandas", "a table", "cli").DataFrame(
            self.X if X is None else X, columns=self.names, copy=False)

    def without(self, names):
        """The same without some columns."""
        if not names:
            return self
        keep = [at for at, name in enumerate(self.names) if name not in names]
        return Numbers(self.X[:, keep], [self.positions[at] for at in keep],
                       [self.names[at] for at in keep], [self.whole[at] for at in keep],
                       self.text, self.empty, self.stamp)


def _stamp(path):
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size, status.st_ino


def _positions(source, names, *, every=False):
    """Where the named columns are; with `every`, all of the same name."""
    found = []
    for name in names:
        at = [j for j, other in enumerate(source.names) if other == name]
        if not at or (len(at) > 1 and not every):
            raise CommandError(f"{source.path}: " + (
                not_among(name, source.names) if not at else
                f"{len(at)} columns are called {quoted(name)}: it does not say which"))
        found += at
    return sorted(set(found))


def read_numbers(source, options, console, *, copies, least_rows=2):
    """The columns that are to be used, as numbers.

    Parameters
    ----------
    source : CsvSource or ParquetSource
    options : argparse.Namespace
        With columns, ignore and missing_values.
    console : Console
    copies : float
        How often the numbers are in memory at the worst moment of what the command does.
    least_rows : int

    Raises
    ------
    CommandError
        Naming the file, the line (or row) and the column.
    """
    stamp, asked = _stamp(source.file), options.columns is not None
    n_rows, likely = source.estimate()
    positions = _positions(source, options.columns) if asked else source.usual()
    positions = sorted(set(positions) - set(_positions(source, options.ignore or [], every=True)))
    if not positions:
        raise CommandError(f"{source.path}: --ignore leaves no column to use")
    used = len(positions if asked else set(positions) & set(likely))
    size = 4 if source.single([j for j in positions if j in likely]) else 8
    memory.check_fits(
        source.path, n_rows * used * size * copies,
        "use fewer --columns, a Parquet file of float32 columns, or some of the rows")
    markers = _markers(source, options)
    with console.progress(f"reading {os.path.basename(source.path)}"):
        parts, whole, text = _read(source, positions, asked, markers, console)
    n_rows = max((sum(map(len, part)) for part in parts.values()), default=0)
    used = [j for j in positions if j in parts]
    if not used:
        raise CommandError(f"{source.path}: no column is of numbers: "
                           f"{listed([quoted(name) for name in text])}")
    if n_rows < least_rows:
        raise CommandError(f"{source.path}: has {count(n_rows, 'row')}, and {least_rows} are "
                           "needed at least")
    _check_different(source, used)
    X = np.empty((n_rows, len(used)), np.float32 if source.single(used) else np.float64, order="F")
    for at, j in enumerate(used):
        np.concatenate(parts.pop(j), out=X[:, at], casting="same_kind")
    numbers = Numbers(X, used, [source.names[j] for j in used], [whole[j] for j in used], text,
                      stamp=stamp)
    empty = [name for name, n in zip(numbers.names, numbers.n_missing) if n == n_rows]
    if empty and (asked or len(empty) == len(used)):
        raise CommandError(f"{source.path}: column {quoted(empty[0])} has no value in any row")
    if empty:
        numbers = numbers.without(empty)
        numbers.empty = empty
    remarks.about_codes(source, numbers, console)
    if not asked:
        remarks.about_identifiers(source, numbers, console)
    return numbers


def _check_different(source, used):
    names = [source.names[j] for j in used]
    for name in names:
        if names.count(name) > 1:
            raise CommandError(f"{source.path}: {names.count(name)} columns are called "
                               f"{quoted(name)}; give each a name of its own")


def _read(source, positions, asked, markers, console):
    """Arrays of numbers by position, which columns are whole, and the columns of text."""
    parts, whole, text = {j: [] for j in positions}, dict.fromkeys(positions, True), {}
    row, texts = 0, remarks.Texts(source.path)
    for arrays in source.batches(positions):
        for j, array in zip(positions, arrays):
            name = source.names[j]
            if j not in parts:
                text[name] += int(np.sum(source.gaps(array).to_numpy(zero_copy_only=False)))
                continue
            try:
                values = source.to_numbers(array)
            except NotANumber as problem:
                place = "" if problem.index is None else source.place(row + problem.index)
                if asked:
                    raise CommandError(
                        texts.line(place, [name], problem) + problem.hint) from None
                before = sum(int(np.isnan(part).sum()) for part in parts[j])
                if problem.likely or (problem.index is not None and before < row):
                    texts.add(place, name, problem)
                del parts[j]
                text[name] = before + int(np.sum(
                    source.gaps(array).to_numpy(zero_copy_only=False)))
                continue
            whole[j] &= bool(np.all((values == np.rint(values)) | np.isnan(values)))
            parts[j].append(_checked(source, values, name, row, markers))
        row += len(arrays[0])
    texts.say(console)
    return parts, whole, text


def _markers(source, options):
    """The numbers that stand for missing values; of words the source of a text takes care."""
    markers = []
    for text in options.missing_values:
        try:
            markers.append(float(text.replace(options.decimal, ".")))
        except ValueError:
            if not isinstance(source, CsvSource):
                raise CommandError(
                    f"{source.path}: no number equals --missing-values {text}") from None
    return markers


def _checked(source, values, name, row, markers):
    """The values with NaN for the markers; CommandError for an infinity and the like."""
    for marker in markers:
        values = np.where(values == marker, values.dtype.type(np.nan), values)
    large = np.flatnonzero(np.abs(values) > _LARGEST)
    if len(large):
        raise CommandError(
            f"{source.path}: {source.place(row + int(large[0]))}, column {quoted(name)}: "
            f"infinite, or too large a number (above {_LARGEST:g})")
    return values


# --- writing -----------------------------------------------------------------------------

def check_names(source, names, advice):
    """CommandError where the table has a column of a name that is to be added."""
    known = set(source.names)
    taken = [name for name in names if name in known]
    if taken:
        raise CommandError(f"{source.path}: has a column {quoted(taken[0])} already; {advice}")


def write_table(options, source, numbers, blocks, *, carry=True):
    """Write the table again, filled in and with columns added.

    The rows are read once more and go through in batches.

    Parameters
    ----------
    options : argparse.Namespace
    source, numbers
        From :func:`open_table` and :func:`read_numbers`.
    blocks : iterable of (ndarray of shape (n_rows, n_used) or None, dict of str to ndarray)
        Every block is one copy of the table: the numbers without gaps (None: as they are), and
        the columns to add.
    carry : bool
        False: only the added columns.

    Returns
    -------
    list of dict
        Columns in which cells stay empty: name, cells, reason (text, no value, not used).
    """
    pa = optional("pyarrow", "a table", "cli")
    format_ = format_of(options.output, options)
    parquet = format_ in PARQUET
    blocks = iter(blocks)
    first = next(blocks)
    changed, left = {}, {}
    if first[0] is not None:
        changed = {j: at for at, j in enumerate(numbers.positions) if numbers.n_missing[at]}
    kinds = {}
    if parquet:
        kinds = _kinds(source, numbers, changed) if carry else {}
        kinds.update({name: pa.from_numpy_dtype(column.dtype) for name, column in first[1].items()})
    with replacing(options.output, [source.file], force=options.force) as file:
        if parquet:
            typed = carry and isinstance(source, ParquetSource)
            old = source.schema if typed else pa.schema([])
            writer = ParquetWriter(file, output_schema(old, kinds))
        else:
            names = [*(source.names if carry else []), *first[1]] if source.headed else None
            writer = CsvWriter(file, options.output, format_, names, options)
        for filled, added in itertools.chain([first], blocks):
            rows = _carried(source, numbers, filled, changed, kinds, options, left) if carry else (
                (n, []) for n in _pieces(len(numbers.X)))
            start = 0
            for n, arrays in rows:
                new = [pa.array(np.ascontiguousarray(column[start:start + n]))
                       for column in added.values()]
                writer.write(arrays + new)
                start += n
        writer.close()
    reasons = {**dict.fromkeys(numbers.text, "text"), **dict.fromkeys(numbers.empty, "no value")}
    return [{"name": source.names[j], "cells": n, "reason": reasons.get(
        source.names[j], "not used")} for j, n in left.items() if n]


def _pieces(n_rows):
    return [min(_ROWS, n_rows - start) for start in range(0, n_rows, _ROWS)]


def _kinds(source, numbers, changed):
    """Types of the columns whose type in a Parquet file is not that of the source, by name."""
    pa = optional("pyarrow", "a table", "cli")
    kinds = {}
    if isinstance(source, CsvSource):
        if len(set(source.names)) < len(source.names):
            raise CommandError(f"{source.path}: several columns have the same name, which a "
                               "Parquet file cannot hold")
        kinds = dict.fromkeys(source.names, pa.string())
        for at, j in enumerate(numbers.positions):
            small = np.nanmax(np.abs(numbers.X[:, at])) < 2**63
            whole = numbers.whole[at] and small and j not in changed
            kinds[source.names[j]] = pa.int64() if whole else pa.float64()
        return kinds
    for j in changed:
        kind = source.schema.field(j).type
        small = pa.types.is_float32(kind) or pa.types.is_float16(kind)
        kinds[source.names[j]] = pa.float32() if small else pa.float64()
    return kinds


def _carried(source, numbers, filled, changed, kinds, options, left):
    """(n_rows, columns) of the table, batch by batch, with what was missing filled in; how many
    cells of the other columns are empty comes into `left`."""
    pa, pc = optional("pyarrow", "a table", "cli"), optional("pyarrow.compute", "a table", "cli")
    everything, start = list(range(len(source.names))), 0
    if _stamp(source.file) != numbers.stamp:
        raise CommandError(f"{source.path}: changed while it was being worked on")
    for arrays in source.batches(everything):
        n, arrays = len(arrays[0]), list(arrays)
        rows = slice(start, start + n)
        if start == 0:
            left.clear()        # of the copy before
        for j, array in enumerate(arrays):
            if j not in changed:
                left[j] = left.get(j, 0) + pc.sum(source.gaps(array)).as_py()
            kind = kinds.get(source.names[j])
            if kind is not None and isinstance(source, CsvSource):
                array = _typed(source, array, kind)
            elif kind is not None:
                array = pa.array(source.to_numbers(array), from_pandas=True).cast(kind)
            if j in changed:
                at = changed[j]
                gaps = np.isnan(numbers.X[rows, at])
                new = pa.array(filled[rows, at][gaps])
                if kind is None:        # of a file of text: what is there keeps its digits
                    array, new = (as_text(each, options.decimal) for each in (array, new))
                else:
                    new = pc.cast(new, kind)
                array = pc.replace_with_mask(array, pa.array(gaps), new)
            arrays[j] = array
        yield n, arrays
        start += n
    if start != len(numbers.X):
        raise CommandError(f"{source.path}: has {count(start, 'row')} on the second reading, and "
                           f"had {count(len(numbers.X), 'row')} on the first")


def _typed(source, array, kind):
    """Texts of a CSV file as a type of Parquet, null where a value is missing."""
    pa, pc = optional("pyarrow", "a table", "cli"), optional("pyarrow.compute", "a table", "cli")
    if kind == pa.string():
        return pc.if_else(pc.equal(array, ""), pa.scalar(None, kind), array)
    if kind == pa.int64():      # digits that a float would lose
        try:
            return pc.cast(pc.utf8_trim_whitespace(array), kind)
        except pa.ArrowInvalid:
            pass
    values = source.to_numbers(array)
    return pa.array(values, mask=np.isnan(values)).cast(kind)
