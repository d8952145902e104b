"""Tables as they are read: which columns are used, and their numbers."""

import os
import tempfile

import numpy as np

from emkernels._inputs import NotANumber
from emkernels.cli import _memory as memory
from emkernels.cli import _remarks as remarks
from emkernels.cli._columns import Column
from emkernels.cli._csv import CsvSource
from emkernels.cli._formats import PARQUET, Stored, format_of
from emkernels.cli._messages import (
    CommandError,
    count,
    listed,
    not_among,
    quoted,
)
from emkernels.cli._numbers import Cells, Numbers, Reread
from emkernels.cli._output import check_output
from emkernels.cli._parquet import ParquetSource

_LARGEST = np.float64(1e140)      # sums of squares of larger numbers may overflow


def check_target(options, *others):
    """CommandError, before any work, where OUT cannot be written; other files that are read are
    not written over, either."""
    format_of(options.output, options)
    check_output(options.output, [options.input, *others], force=options.force)


def open_table(options, *, again=False):
    """The source of a table; its header is read, not yet its rows.

    again : bool
        After its numbers all of its columns will be wanted, once or several times.
    """
    stored = Stored(options.input, options)
    kind = ParquetSource if stored.format in PARQUET else CsvSource
    return kind(stored, options, again=again)


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


def read_numbers(source, options, console, *, copies, least_rows=2, identifiers=True,
                 blocks=None, empty_too=False):
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
    blocks : bool, optional
        The command can do with blocks of rows that are read again in every pass: True, it must;
        False, where the rows do not fit in memory. None: it cannot.
    empty_too : bool
        Columns that were asked for may have no value at all.

    Returns
    -------
    Numbers or Reread

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
    n_bytes = n_rows * used * size * copies
    reread = bool(blocks)
    if blocks is None:
        memory.check_fits(source.path, n_bytes, "use fewer --columns, a Parquet file of float32 "
                          "columns, or some of the rows")
    elif not memory.fits(n_bytes):
        console.note(f"{source.path}: needs about {memory.size_text(n_bytes)} of memory, more than "
                     "is free: its rows are read again in every pass")
        reread = True
    if reread:
        source.read_again()
    markers = markers_of(source, options)
    with console.progress(f"reading {os.path.basename(source.path)}"):
        columns, text = _read(source, positions, asked, markers, console, not reread)
    if source.stored:
        console.note(f"{source.path}: is kept in a file in {tempfile.gettempdir()} meanwhile")
    n_rows = max((column.n_rows for column in columns.values()), default=0)
    used = [j for j in positions if j in columns]
    if not used:
        raise CommandError(f"{source.path}: no column is of numbers: "
                           f"{listed([quoted(name) for name in text])}")
    if n_rows < least_rows:
        raise CommandError(f"{source.path}: has {count(n_rows, 'row')}, and {least_rows} are "
                           "needed at least")
    _check_different(source, used)
    empty = [] if empty_too and asked else [j for j in used if columns[j].empty]
    if empty and (asked or len(empty) == len(used)):
        raise CommandError(
            f"{source.path}: column {quoted(source.names[empty[0]])} has no value in any row")
    dtype = np.float32 if source.single(used) else np.float64
    used = [j for j in used if j not in empty]
    told = (used, [source.names[j] for j in used], [columns[j].whole for j in used], text,
            [source.names[j] for j in empty], [columns[j] for j in used])
    if reread:
        def values():
            return _values(source, used, markers)
        numbers = Reread(Cells(values, n_rows, dtype, source.path), *told, bool(blocks)).settled()
    else:
        X = np.empty((n_rows, len(used)), dtype, order="F")
        for at, j in enumerate(used):
            np.concatenate(columns[j].let_go(), out=X[:, at], casting="same_kind")
        numbers = Numbers(X, *told)
    remarks.about_codes(source, numbers, console)
    if identifiers and not asked:
        remarks.about_identifiers(source, numbers, console)
    if not reread:
        source.forget()
    return numbers


def _check_different(source, used):
    names = [source.names[j] for j in used]
    for name in names:
        if names.count(name) > 1:
            raise CommandError(f"{source.path}: {names.count(name)} columns are called "
                               f"{quoted(name)}; give each a name of its own")


def _read(source, positions, asked, markers, console, keep):
    """The columns of numbers by position, and those of text; with the numbers or without."""
    columns, text = {j: Column(keep) for j in positions}, {}
    row, texts = 0, remarks.Texts(source.path)
    for arrays in source.batches(positions):
        for j, array in zip(positions, arrays):
            name = source.names[j]
            if j not in columns:
                text[name] += int(np.sum(source.gaps(array).to_numpy(zero_copy_only=False)))
                continue
            try:
                values = source.to_numbers(array)
            except NotANumber as problem:
                place = "" if problem.index is None else source.place(row + problem.index)
                if asked:
                    raise CommandError(
                        texts.line(place, [name], problem) + problem.hint) from None
                before = columns.pop(j).n_missing
                if problem.likely or (problem.index is not None and before < row):
                    texts.add(place, name, problem)
                text[name] = before + int(np.sum(
                    source.gaps(array).to_numpy(zero_copy_only=False)))
                continue
            columns[j].add(check_values(source, values, name, row, markers))
        row += len(arrays[0])
    texts.say(console)
    return columns, text


def _values(source, positions, markers):
    """The same numbers once more, batch by batch: a list of columns each."""
    row = 0
    for arrays in source.batches(positions):
        values = []
        for j, array in zip(positions, arrays):
            try:
                column = source.to_numbers(array)
            except NotANumber:
                raise CommandError(
                    f"{source.path}: changed while it was being worked on") from None
            values.append(check_values(source, column, source.names[j], row, markers))
        row += len(arrays[0])
        yield values


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
