"""The same table written again, with more in it."""

import itertools

import numpy as np

from emkernels._extras import optional
from emkernels.cli._csv import CsvSource, CsvWriter, as_text
from emkernels.cli._formats import PARQUET, format_of
from emkernels.cli._messages import CommandError, quoted
from emkernels.cli._output import replacing
from emkernels.cli._parquet import ParquetSource, ParquetWriter, output_schema

_ROWS = 1 << 16     # written at once


def check_names(source, names, advice):
    """CommandError where the table has a column of a name that is to be added."""
    known = set(source.names)
    taken = [name for name in names if name in known]
    if taken:
        raise CommandError(f"{source.path}: has a column {quoted(taken[0])} already; {advice}")


class _InStep:
    """Parts of rows, taken so many rows at a time."""

    def __init__(self, parts):
        self._parts, self._held = iter(parts), []

    def over(self):
        """Whether all parts were taken."""
        return not self._held and next(self._parts, None) is None

    def take(self, n_rows):
        """Values, values without gaps (or None) and added columns of the next rows."""
        taken = []
        while n_rows:
            part = self._held.pop() if self._held else next(self._parts, None)
            if part is None:
                break
            n = len(part[0])
            if n > n_rows:
                self._held.append(_rows_of(part, slice(n_rows, None)))
                part = _rows_of(part, slice(n_rows))
            n_rows -= len(part[0])
            taken.append(part)
        if len(taken) == 1:
            return taken[0]
        values, filled, added = zip(*taken, strict=True)
        return (np.concatenate(values), None if filled[0] is None else np.concatenate(filled),
                {name: np.concatenate([each[name] for each in added]) for name in added[0]})

    def rest(self):
        """All that was not taken yet, part by part."""
        yield from self._parts


def _rows_of(part, rows):
    values, filled, added = part
    return (values[rows], None if filled is None else filled[rows],
            {name: column[rows] for name, column in added.items()})


def write_table(options, source, numbers, copies, *, carry=True):
    """Write the table again, filled in and with columns added.

    Its rows go through in batches, as they did when the numbers were read.

    Parameters
    ----------
    options : argparse.Namespace
    source, numbers
        From :func:`open_table`, with `again` unless `carry` is False, and :func:`read_numbers`.
    copies : iterable of iterables of (ndarray, ndarray or None, dict of str to ndarray)
        Of every copy of the table its rows, part by part: the numbers (n, n_used), the same
        without gaps (None: as they are), and the columns to add.
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
    copies = iter(copies)
    first = iter(next(copies))
    _, filled, added = part = next(first)
    copies = itertools.chain([itertools.chain([part], first)], copies)
    kinds, left = {}, {}
    if parquet:
        changed = (numbers.n_missing > 0) & (filled is not None)
        kinds = _kinds(source, numbers, changed) if carry else {}
        kinds.update({name: pa.from_numpy_dtype(column.dtype) for name, column in added.items()})
    with replacing(options.output, [source.file], force=options.force) as file:
        if parquet:
            typed = carry and isinstance(source, ParquetSource)
            old = source.schema if typed else pa.schema([])
            writer = ParquetWriter(file, output_schema(old, kinds))
        else:
            names = [*(source.names if carry else []), *added] if source.headed else None
            writer = CsvWriter(file, options.output, format_, names, options)
        for nth, parts in enumerate(copies):
            parts = _InStep(parts)
            rows = _carried(source, numbers, parts, kinds, options, None if nth else left) if (
                carry) else _added(parts)
            for arrays, more in rows:
                writer.write(arrays + [
                    pa.array(np.ascontiguousarray(column)) for column in more.values()])
            if not parts.over():
                raise CommandError(f"{source.path}: changed while it was being worked on")
        writer.close()
    reasons = {**dict.fromkeys(numbers.text, "text"), **dict.fromkeys(numbers.empty, "no value")}
    return [{"name": source.names[j], "cells": n, "reason": reasons.get(
        source.names[j], "not used")} for j, n in left.items() if n]


def _added(parts):
    """The added columns alone, some rows at a time."""
    for part in parts.rest():
        for first in range(0, len(part[0]), _ROWS):
            yield [], _rows_of(part, slice(first, first + _ROWS))[2]


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


def _carried(source, numbers, parts, kinds, options, left):
    """(columns of the table, columns to add), batch by batch, with what was missing filled in;
    how many cells of the columns that are not used are empty comes into `left`, unless it is
    None."""
    pa, pc = optional("pyarrow", "a table", "cli"), optional("pyarrow.compute", "a table", "cli")
    place, typed = {j: at for at, j in enumerate(numbers.positions)}, None
    for arrays in source.batches(range(len(source.names))):
        arrays = list(arrays)
        values, filled, added = parts.take(len(arrays[0]))
        if typed is None:
            typed = _from_numbers(source, numbers, kinds,
                                  filled is None and bool(options.missing_values))
        for j, array in enumerate(arrays):
            at, kind = place.get(j), kinds.get(source.names[j])
            if at is None and left is not None:
                left[j] = left.get(j, 0) + pc.sum(source.gaps(array)).as_py()
            if j in typed:
                gaps = np.isnan(values[:, at])
                if filled is not None:
                    column, gaps = np.where(gaps, filled[:, at], values[:, at]), None
                else:
                    column = values[:, at]
                arrays[j] = pa.array(column, mask=gaps).cast(kind)
            elif kind is not None:
                arrays[j] = _typed(source, array, kind)
            elif at is not None and filled is not None and numbers.n_missing[at]:
                # of a file of text: what is there keeps its digits
                gaps = np.isnan(values[:, at])
                new = pa.array(filled[:, at][gaps])
                arrays[j] = pc.replace_with_mask(
                    as_text(array, options.decimal), pa.array(gaps), as_text(new, options.decimal))
        yield arrays, added


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
