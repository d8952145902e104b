"""Sequences in a table: whose each row is, in which order, and what was measured."""

import argparse
from dataclasses import dataclass, replace

import numpy as np

from emkernels._extras import optional
from emkernels.cli import _remarks as remarks
from emkernels.cli._answers import are_numbers, as_numbers, codes_among, read_cells
from emkernels.cli._messages import CommandError, count, listed, quoted
from emkernels.cli._numbers import Numbers
from emkernels.cli._tables import positions_of, read_numbers


@dataclass
class Series:
    """Rows of sequences, put in order.

    Attributes
    ----------
    numbers : Numbers
        In the order of the file.
    symbols : Cells or None
        Of a model of symbols, whose codes are the data.
    order : ndarray of shape (n_rows,), int
        Rows of the file, sequence by sequence.
    lengths : ndarray of int
    names : list of str
        What the sequences are called.
    times : ndarray of shape (n_rows,) or None
        When each row of `order` was, where a column says it in numbers.
    time_name : str or None
    constant : list of str
        Columns with one value only, which are not used.
    gathered : bool
        Rows of one sequence were not together.
    """

    numbers: Numbers
    symbols: object
    order: np.ndarray
    lengths: np.ndarray
    names: list
    times: np.ndarray | None
    time_name: str | None
    constant: list
    gathered: bool

    def data(self):
        """What a hidden Markov model takes: named columns, or a column of codes."""
        if self.symbols is None:
            return optional("pandas", "a table", "cli").DataFrame(
                self.numbers.X[self.order], columns=self.numbers.names)
        codes = self.symbols.codes[self.order].astype(np.float64)
        return np.where(codes < 0, np.nan, codes)[:, None]

    def told(self, options):
        """What the file of a model says of the table: columns, and what symbols stand for."""
        symbols = self.symbols
        return {"by": options.by, "order": options.order,
                "symbols": None if symbols is None else symbols.name,
                "levels": None if symbols is None else symbols.levels.tolist()}

    def as_in_file(self, values):
        """Values of the rows in `order`, in the order of the file."""
        out = np.empty_like(values)
        out[self.order] = values
        return out

    @property
    def columns(self):
        return self.numbers.names if self.symbols is None else [self.symbols.name]

    @property
    def gaps(self):
        """Where values are missing, rows in the order of the file."""
        return self.numbers.gaps if self.symbols is None else self.symbols.missing[:, None]


def read_series(source, options, console):
    """The sequences of a table; what is guessed is said.

    Raises
    ------
    CommandError
        Naming the file, the line (or row) and the column.
    """
    by, order, symbols = (_position(source, getattr(options, name))
                          for name in ("by", "order", "symbols"))
    told = {"by": by, "order": order, "symbols": symbols}
    asked = positions_of(source, options.columns) if options.columns is not None else []
    ignored = positions_of(source, options.ignore or [], every=True)
    for name, j in told.items():
        for other, positions in (("--columns", asked), ("--ignore", ignored)):
            if j is not None and j in positions:
                raise CommandError(f"{source.path}: --{name} and {other} both name "
                                   f"{quoted(source.names[j])}")
    used = [j for j in told.values() if j is not None]
    if len(set(used)) < len(used):
        raise CommandError(f"{source.path}: --by, --order and --symbols need columns of their own")
    if symbols is not None and asked:
        raise CommandError("--symbols is a column of its own: --columns are of numbers")
    if symbols is None and options.columns is None:
        symbols = _lone_text(source, {*used, *ignored}, console)
    read = sorted({by, order, symbols} - {None})
    cells, others = read_cells(source, read, options, console,
                               times=[order]) if read else ([], [])
    if others:
        raise CommandError(f"{source.path}: column {quoted(others[0])} is neither of texts nor of "
                           "numbers")
    found = {each.position: each for each in cells}
    if cells:       # while lines of the file can be named
        ordered = _ordered(source, found.get(by), found.get(order), len(cells[0].codes), console)
    if symbols is None:
        numbers = read_numbers(source, _without(options, source, by, order), console, copies=5,
                               identifiers=False)
        n_rows = len(numbers.X)
        if not cells:
            ordered = np.arange(n_rows), np.array([n_rows]), [""], False
    else:
        numbers = as_numbers(cells, len(found[symbols].codes))
    rows, lengths, names, gathered = ordered
    times = None if order is None or found[order].numbers is None else (
        found[order].numbers[rows])
    time_name, constant = None if order is None else source.names[order], []
    if symbols is None:
        if options.columns is None:
            constant = numbers.constant
            clock = None if order is not None else _clock(numbers, rows, lengths)
            if clock is not None:
                time_name, times = clock, numbers.X[rows, numbers.names.index(clock)]
                console.warn(f"{source.path}: column {quoted(clock)} ascends from row to row: it "
                             "is taken for the time, and tells states nothing; --columns names "
                             "those to use")
            numbers = numbers.without([*constant, *([] if clock is None else [clock])])
            remarks.about_identifiers(source, numbers, console)
        if not numbers.names:
            raise CommandError(f"{source.path}: no column is left that varies: there is nothing "
                               "to tell states apart by")
        symbol_cells = None
    else:
        symbol_cells = _symbols(source, found[symbols], console)
    return Series(numbers, symbol_cells, rows, lengths, names, times, time_name, constant, gathered)


def read_series_again(source, options, model, names, console):
    """The sequences of a table, for a model that was fitted to another.

    Parameters
    ----------
    source, options, console
        As of :func:`read_series`; what is not said by `by`, `order` and `symbols` is as in the
        table of the fit, so far as the model knows.
    model : GaussianHMM, MixtureHMM or CategoricalHMM
    names : list of str or None
        Columns of numbers; None: those that `options` say.
    """
    told = {"by": None, "order": None, "symbols": None, "levels": None,
            **vars(model).get("table_", {})}
    for name, instead in (("by", "they are one sequence"),
                          ("order", "they are in the order of the file")):
        if getattr(options, name) is None and told[name] is not None:
            if told[name] in source.names:
                setattr(options, name, told[name])
            else:
                console.warn(f"{source.path}: has no column {quoted(told[name])}, by which "
                             f"{options.model} had the rows (--{name}): {instead}")
    by, order = (_position(source, name) for name in (options.by, options.order))
    symbols, levels = None, None
    if hasattr(model, "emissionprob_"):
        symbols = _symbols_again(source, options, model, told["symbols"], {by, order}, console)
        levels = np.arange(float(model.emissionprob_.shape[1]))
        if told["levels"] is not None:
            levels = np.array(told["levels"])
            if levels.tolist() != told["levels"]:       # of several types
                levels = np.empty(len(levels), object)
                levels[:] = told["levels"]
    elif options.symbols is not None:
        raise CommandError(f"{options.model}: has states of numbers: --symbols is not for it")
    used = [j for j in (by, order, symbols) if j is not None]
    if len(set(used)) < len(used) or {source.names[j] for j in used} & set(names or []):
        raise CommandError(f"{source.path}: --by, --order and --symbols need columns of their own")
    cells, others = read_cells(
        source, sorted(used), options, console, times=[order],
        known={} if symbols is None else {symbols: not are_numbers(levels)}) if used else ([], [])
    if others:
        raise CommandError(f"{source.path}: column {quoted(others[0])} is neither of texts nor of "
                           "numbers")
    found = {each.position: each for each in cells}
    if cells:
        ordered = _ordered(source, found.get(by), found.get(order), len(cells[0].codes), console)
    if symbols is None:
        numbers, symbol_cells = read_numbers(
            source, options if names is not None else _without(options, source, by, order),
            console, copies=5, least_rows=1, identifiers=False, empty_too=True), None
        if not cells:
            n_rows = len(numbers.X)
            ordered = np.arange(n_rows), np.array([n_rows]), [""], False
    else:
        symbol_cells = replace(found[symbols], levels=levels, codes=codes_among(
            source, found[symbols], levels, options))
        numbers = as_numbers(cells, len(symbol_cells.codes))
    rows, lengths, called, gathered = ordered
    return Series(numbers, symbol_cells, rows, lengths, called, None, None, [], gathered)


def _symbols_again(source, options, model, known, others, console):
    """The position of the column of symbols."""
    if options.columns is not None:
        raise CommandError("--symbols is a column of its own: --columns are of numbers")
    name = options.symbols or known
    if name is None and hasattr(model, "feature_names_in_"):
        name = str(model.feature_names_in_[0])
    if name is not None:
        if name not in source.names and options.symbols is None:
            raise CommandError(f"{source.path}: has no column {quoted(name)}, which "
                               f"{options.model} was fitted to; --symbols names another")
        return _position(source, name)
    ignored = positions_of(source, options.ignore or [], every=True)
    rest = [j for j in source.usual() if j not in {*others, *ignored}]
    if len(rest) != 1:
        raise CommandError(f"{options.model}: knows no name of its column of symbols, and "
                           f"{source.path} has {count(len(rest), 'column')}: --symbols names it")
    console.note(f"{options.model}: knows no name of its column of symbols: takes "
                 f"{quoted(source.names[rest[0]])}")
    return rest[0]


def _position(source, name):
    return None if name is None else positions_of(source, [name])[0]


def _without(options, source, *positions):
    """The options with some columns ignored."""
    names = [source.names[j] for j in positions if j is not None]
    return argparse.Namespace(**{**vars(options), "ignore": [*(options.ignore or []), *names]})


def _lone_text(source, known, console):
    """The one column of texts of a table that has no numbers besides, or None."""
    rest = [j for j in source.usual() if j not in known]
    _, numbers = source.estimate()
    if len(rest) != 1 or rest[0] in numbers:
        return None
    console.warn(f"{source.path}: column {quoted(source.names[rest[0]])} is of texts: its values "
                 "are symbols (--symbols)")
    return rest[0]


def _symbols(source, cells, console):
    """The column of symbols; their codes are said."""
    n = len(cells.levels)
    if n == 0:
        raise CommandError(f"{source.path}: column {quoted(cells.name)} has no value in any row")
    if n > max(20, len(cells.codes) // 4):
        raise CommandError(f"{source.path}: column {quoted(cells.name)} has {n} different values "
                           f"in {count(len(cells.codes), 'row')}: too many for symbols")
    return cells


def _ordered(source, by, order, n_rows, console):
    """Rows of the file sequence by sequence, the sequences in the order of their first rows."""
    for each, option in ((by, "--by"), (order, "--order")):
        if each is not None and each.missing.any():
            row = int(np.flatnonzero(each.missing)[0])
            raise CommandError(f"{source.path}: {source.place(row)}: column {quoted(each.name)} "
                               f"({option}) has no value")
    codes = np.zeros(n_rows, np.intp) if by is None else by.codes
    _, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    codes = rank[codes]
    gathered = bool((np.diff(codes) < 0).any())
    if order is None:
        rows = np.argsort(codes, kind="stable")
        if gathered:
            back = int(np.flatnonzero(np.diff(codes) < 0)[0]) + 1
            console.warn(f"{source.path}: {source.place(back)}: rows of "
                         f"{quoted(by.shown()[by.codes[back]])} were not together: the rows of "
                         "each sequence are gathered, in the order of the file (--order sorts "
                         "them by a column)")
    else:
        rows = np.lexsort((order.codes, codes))
        same = (np.diff(codes[rows]) == 0) & (np.diff(order.codes[rows]) == 0)
        if same.any():
            at = int(rows[int(np.flatnonzero(same)[0]) + 1])
            console.warn(f"{source.path}: {source.place(at)}: the same {quoted(order.name)} as a "
                         "row before, of the same sequence: such rows stay as in the file")
    names = [""] if by is None else [by.shown()[by.codes[at]] for at in np.sort(first)]
    return rows, np.bincount(codes), names, gathered


def _clock(numbers, rows, lengths):
    """The name of the first column that ascends in every sequence, or None."""
    ends = np.cumsum(lengths)[:-1]
    inside = np.ones(len(rows) - 1, bool)
    inside[ends - 1] = False
    if inside.sum() < 3 or len(numbers.names) < 2:
        return None
    for at, name in enumerate(numbers.names):
        if np.all(np.diff(numbers.X[rows, at])[inside] > 0):
            return name
    return None


def described(series):
    """``3 sequences of 40 to 120 rows``."""
    n, lengths = len(series.lengths), series.lengths
    if n == 1:
        return f"one sequence of {count(int(lengths[0]), 'row')}"
    low, high = int(lengths.min()), int(lengths.max())
    of = count(low, "row") if low == high else f"{low} to {count(high, 'row')}"
    return f"{n} sequences of {of} ({listed(series.names, 3)})"
