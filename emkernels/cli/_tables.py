"""Tables in and out: which columns are used, their numbers, and the same table with more in it."""

import itertools
import os
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

import emkernels
from emkernels._extras import optional
from emkernels._inputs import NotANumber
from emkernels.cli import _memory as memory
from emkernels.cli import _remarks as remarks
from emkernels.cli._csv import CsvSource, CsvWriter, as_text
from emkernels.cli._formats import PARQUET, Stored, format_of
from emkernels.cli._messages import (
    CommandError,
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


def open_table(options, *, again=False):
    """The source of a table; its header is read, not yet its rows.

    again : bool
        After its numbers all of its columns will be wanted, once or several times.
    """
    stored = Stored(options.input, options)
    kind = ParquetSource if stored.format in PARQUET else CsvSource
    return kind(stored, options, again=again)


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
    gaps : bool ndarray of the shape of X
        Where a value is missing.
    n_missing : ndarray of int
        Of each column.
    """

    X: np.ndarray
    positions: list
    names: list
    whole: list
    text: dict
    empty: list = field(default_factory=list)

    def __post_init__(self):
        self.gaps = np.isnan(self.X)
        self.n_missing = self.gaps.sum(axis=0)

    @cached_property
    def ends(self):
        """The smallest and the largest value of each column."""
        return np.fmin.reduce(self.X, axis=0), np.fmax.reduce(self.X, axis=0)

    @property
    def largest(self):
        """The largest of each column, signs aside."""
        return np.max(np.abs(self.ends), axis=0)

    @cached_property
    def constant(self):
        """Names of the columns with one value only."""
        return [name for name, low, high in zip(self.names, *self.ends) if low == high]

    def rows(self, X=None):
        """X (or other values of its cells) as named rows, looked through here only; no copy."""
        frame = optional("pandas", "a table", "cli").DataFrame(
            self.X if X is None else X, columns=self.names, copy=False)
        # `data` is loaded here, and scikit-learn with it, without which every help is shown
        return emkernels.data.Rows.read(frame, expect_missing=bool(self.n_missing.any()))

    def without(self, names):
        """The same without some columns."""
        if not names:
            return self
        keep = [at for at, name in enumerate(self.names) if name not in names]
        return Numbers(self.X[:, keep], [self.positions[at] for at in keep],
                       [self.names[at] for at in keep], [self.whole[at] for at in keep],
                       self.text, self.empty)


def positions_of(source, names, *, every=False):
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


def read_numbers(source, options, console, *, copies, least_rows=2, identifiers=True):
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
    identifiers : bool
        Point at columns that seem to tell rows apart.

    Raises
    ------
    CommandError
        Naming the file, the line (or row) and the column.
    """
    asked = options.columns is not None
    n_rows, likely = source.estimate()
    positions = set(positions_of(source, options.columns) if asked else source.usual())
    positions = sorted(positions - set(positions_of(source, options.ignore or [], every=True)))
    if not positions:
        raise CommandError(f"{source.path}: --ignore leaves no column to use")
    used = len(positions if asked else set(positions) & set(likely))
    size = 4 if source.single([j for j in positions if j in likely]) else 8
    memory.check_fits(source.path, n_rows * used * size * copies, "use fewer --columns, a Parquet "
                      "file of float32 columns, or some of the rows")
    markers = markers_of(source, options)
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
    empty = [j for j in used if all(np.isnan(part).all() for part in parts[j])]
    if empty and (asked or len(empty) == len(used)):
        raise CommandError(
            f"{source.path}: column {quoted(source.names[empty[0]])} has no value in any row")
    single, used = source.single(used), [j for j in used if j not in empty]
    X = np.empty((n_rows, len(used)), np.float32 if single else np.float64, order="F")
    for at, j in enumerate(used):
        np.concatenate(parts.pop(j), out=X[:, at], casting="same_kind")
    numbers = Numbers(X, used, [source.names[j] for j in used], [whole[j] for j in used], text,
                      [source.names[j] for j in empty])
    remarks.about_codes(source, numbers, console)
    if identifiers and not asked:
        remarks.about_identifiers(source, numbers, console)
    source.forget()
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
            if whole[j]:
                whole[j] = bool(np.all((values == np.rint(values)) | np.isnan(values)))
            parts[j].append(check_values(source, values, name, row, markers))
        row += len(arrays[0])
    texts.say(console)
    return parts, whole, text


def markers_of(source, options):
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


def check_values(source, values, name, row, markers):
    """The values with NaN for the markers; CommandError for an infinity and the like."""
    for marker in markers:
        values = np.where(values == marker, values.dtype.type(np.nan), values)
    large = np.flatnonzero(np.abs(values) > _LARGEST)
    if len(large):
        place = source.place(row + int(large[0]))
        raise CommandError(f"{source.path}: {place}, column {quoted(name)}: infinite, or too large "
                           f"a number (above {_LARGEST:g})")
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

    Its rows go through in batches, as they did when the numbers were read.

    Parameters
    ----------
    options : argparse.Namespace
    source, numbers
        From :func:`open_table`, with `again` unless `carry` is False, and :func:`read_numbers`.
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
    kinds, left = {}, {}
    if parquet:
        changed = (numbers.n_missing > 0) & (first[0] is not None)
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
        for nth, (filled, added) in enumerate(itertools.chain([first], blocks)):
            rows = _carried(
                source, numbers, filled, kinds, options, None if nth else left) if carry else (
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
    """Types of the columns whose type in a Parquet file is not that of the source, by name.

    changed : bool ndarray
        Of the columns of numbers, those that get values.
    """
    pa = optional("pyarrow", "a table", "cli")
    if isinstance(source, CsvSource):
        if len(set(source.names)) < len(source.names):
            raise CommandError(f"{source.path}: several columns have the same name, which a "
                               "Parquet file cannot hold")
        kinds, largest = dict.fromkeys(source.names, pa.string()), numbers.largest
        for at, name in enumerate(numbers.names):
            whole = numbers.whole[at] and largest[at] < 2**63 and not changed[at]
            kinds[name] = pa.int64() if whole else pa.float64()
        return kinds
    kinds = {}
    for at in np.flatnonzero(changed):
        kind = source.schema.field(numbers.positions[at]).type
        small = pa.types.is_float32(kind) or pa.types.is_float16(kind)
        kinds[numbers.names[at]] = pa.float32() if small else pa.float64()
    return kinds


def _from_numbers(source, numbers, kinds, marked):
    """Positions of the columns that are written from the numbers, not from the table's cells.

    marked : bool
        Numbers stand for missing values, and are to stay.
    """
    pa, found = optional("pyarrow", "a table", "cli"), set()
    for at, j in enumerate(numbers.positions):
        kind = kinds.get(numbers.names[at])
        digits = kind == pa.int64() and numbers.largest[at] >= 2**53    # that a float has lost
        if kind is not None and not digits and not (marked and numbers.n_missing[at]):
            found.add(j)
    return found


def _carried(source, numbers, filled, kinds, options, left):
    """(n_rows, columns) of the table, batch by batch, with what was missing filled in; how many
    cells of the columns that are not used are empty comes into `left`, unless it is None."""
    pa, pc = optional("pyarrow", "a table", "cli"), optional("pyarrow.compute", "a table", "cli")
    place, start = {j: at for at, j in enumerate(numbers.positions)}, 0
    typed = _from_numbers(source, numbers, kinds,
                          filled is None and bool(options.missing_values))
    for arrays in source.batches(range(len(source.names))):
        arrays, rows = list(arrays), slice(start, start + len(arrays[0]))
        for j, array in enumerate(arrays):
            at, kind = place.get(j), kinds.get(source.names[j])
            if at is None and left is not None:
                left[j] = left.get(j, 0) + pc.sum(source.gaps(array)).as_py()
            if j in typed:
                values, gaps = numbers.X[rows, at], numbers.gaps[rows, at]
                if filled is not None:
                    values, gaps = np.where(gaps, filled[rows, at], values), None
                arrays[j] = pa.array(values, mask=gaps).cast(kind)
            elif kind is not None:
                arrays[j] = _typed(source, array, kind)
            elif at is not None and filled is not None and numbers.n_missing[at]:
                # of a file of text: what is there keeps its digits
                gaps = numbers.gaps[rows, at]
                new = pa.array(filled[rows, at][gaps])
                arrays[j] = pc.replace_with_mask(
                    as_text(array, options.decimal), pa.array(gaps), as_text(new, options.decimal))
        yield len(arrays[0]), arrays
        start = rows.stop


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
