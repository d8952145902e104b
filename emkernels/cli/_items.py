"""Which columns of a table are answers, and what is to be said of the others."""

import math
from dataclasses import dataclass, field

import numpy as np

from emkernels._extras import optional
from emkernels.cli import _remarks as remarks
from emkernels.cli._answers import as_numbers, read_cells
from emkernels.cli._messages import CommandError, count, listed, quoted
from emkernels.cli._tables import positions_of

MOST = 255      # levels that an item may have
# what columns are called that say how often a row was seen
COUNTS = frozenset(("n", "count", "counts", "freq", "frequency", "observed", "weight", "weights"))


@dataclass
class ItemTable:
    """Answers to items, and numbers beside them.

    Attributes
    ----------
    cells : list of Cells
        All that were read.
    items, continuous : list of Cells
    weight : ndarray of shape (n_rows,), or None
    kept : dict of str to list of str
        Names of the columns that are not used, by reason.
    n_rows, most_levels : int
    table : DataFrame
        What the classes take: the columns of the file's order.
    """

    cells: list
    items: list
    continuous: list
    weight: np.ndarray | None
    kept: dict
    n_rows: int
    most_levels: int
    table: object = field(init=False)

    def __post_init__(self):
        self.used = sorted([*self.items, *self.continuous], key=lambda each: each.position)
        self.table = optional("pandas", "a table", "cli").DataFrame(
            {each.name: each.values() for each in self.used}, copy=False)

    @property
    def total(self):
        """The weight of all rows."""
        return self.n_rows if self.weight is None else float(self.weight.sum())

    def described(self):
        """The items for JSON."""
        return [{"name": each.name, "kind": "text" if each.numbers is None else "number",
                 "levels": each.levels, "missing": int(each.missing.sum())}
                for each in self.items]

    def observed(self):
        """Shares of the levels of each item among all answers to it."""
        out = []
        for each in self.items:
            seen = ~each.missing
            weight = None if self.weight is None else self.weight[seen]
            counts = np.bincount(each.codes[seen], weight, minlength=len(each.levels))
            out.append(counts / max(counts.sum(), math.ulp(0)))
        return out


def read_items(source, options, console):
    """The table's answers, with what is guessed and left out said.

    Raises
    ------
    CommandError
        Naming the file and the column.
    """
    asked = options.columns is not None
    numbers = positions_of(source, options.continuous)
    weights = None if options.weights is None else positions_of(source, [options.weights])[0]
    if weights in numbers:
        raise CommandError(f"{source.path}: --weights and --continuous both name "
                           f"{quoted(options.weights)}")
    positions = positions_of(source, options.columns) if asked else source.usual()
    ignored = set(positions_of(source, options.ignore or [], every=True))
    both = ignored & {*numbers, weights}
    if both:
        raise CommandError(f"{source.path}: --ignore names {quoted(source.names[both.pop()])}, "
                           "which another option names to be used")
    positions = sorted({*positions, *numbers} - ignored - {weights})
    if set(positions) <= set(numbers):
        raise CommandError(f"{source.path}: there is no column of answers" + (
            "" if not numbers else " beside the --continuous ones; emkernels cluster is for "
            "numbers alone"))
    read = sorted({*positions, weights} - {None})
    _check_names(source, read)
    cells, others = read_cells(source, read, options, console)
    by_position = {each.position: each for each in cells}
    n_rows = len(cells[0].codes) if cells else 0
    weight = _weight(source, by_position, weights, others)
    continuous = [_number(source, by_position, j, others) for j in numbers]
    candidates = [by_position[j] for j in positions if j in by_position and j not in numbers]
    kept = {"constant": [], "empty": [], "identifiers": [], "many": [], "others": others}
    items = [each for each in candidates
             if not _left_out(source, each, options, asked, n_rows, kept)]
    if asked and others:
        raise CommandError(f"{source.path}: column {quoted(others[0])} is neither of texts nor of "
                           "numbers")
    if not items:
        raise CommandError(f"{source.path}: no column is left that may be an item" + _why(kept))
    found = ItemTable(cells, items, continuous, weight, kept, n_rows, options.most_levels)
    remarks.about_codes(source, as_numbers(found.used, n_rows), console)
    if not asked and weight is None:
        _say_counts(source, found, console)
    return found


def _say_counts(source, found, console):
    """A column that may say how often each row was seen is pointed at."""
    for each in found.items:
        if each.name.strip().lower() in COUNTS and each.numbers is not None:
            console.warn(f"{source.path}: column {quoted(each.name)} is an item like the others; "
                         "if it says how often each row was seen, name it by --weights")


def _check_names(source, positions):
    names = [source.names[j] for j in positions]
    for name in names:
        if names.count(name) > 1:
            raise CommandError(f"{source.path}: {names.count(name)} columns are called "
                               f"{quoted(name)}; give each a name of its own")


def _number(source, cells, j, others):
    """A column that has to be of numbers."""
    each = cells.get(j)
    if each is None or each.numbers is None:
        raise CommandError(f"{source.path}: column {quoted(source.names[j])} is not of numbers" + (
            "" if each is None else f": {quoted(each.shown()[0])} is none"))
    if not len(each.levels):
        raise CommandError(f"{source.path}: column {quoted(each.name)} has no value in any row")
    return each


def _weight(source, cells, j, others):
    if j is None:
        return None
    weight = _number(source, cells, j, others).numbers
    bad = np.flatnonzero(~(weight >= 0))
    if len(bad):
        what = "no value" if np.isnan(weight[bad[0]]) else f"{weight[bad[0]]:g}"
        raise CommandError(f"{source.path}: {source.place(int(bad[0]))}: the --weights column "
                           f"{quoted(source.names[j])} has {what}; each row needs 0 or more")
    if not weight.any():
        raise CommandError(f"{source.path}: every row has --weights 0")
    return weight


def _left_out(source, each, options, asked, n_rows, kept):
    """Whether a column is no item, its reason noted; CommandError where it was asked for."""
    n = len(each.levels)
    if asked:
        if n == 0:
            raise CommandError(f"{source.path}: column {quoted(each.name)} has no value in any row")
        if n > MOST:
            raise CommandError(
                f"{source.path}: column {quoted(each.name)} has {n} different values, and an item "
                f"{MOST} at most" + ("" if each.numbers is None else
                                     "; is it a column of numbers (--continuous)?"))
        return False
    reason = None
    if n == 0:
        reason = "empty"
    elif n == 1:
        reason = "constant"
    elif n_rows > 2 and (remarks.identifies(each.name) or n == n_rows > 20):
        reason = "identifiers"
    elif n > options.most_levels:
        reason = "many"
    if reason:
        kept[reason].append(each.name)
    return reason is not None


def _why(kept):
    words = {"constant": "one value only", "empty": "no value", "identifiers": "identifiers",
             "many": "too many different values", "others": "neither texts nor numbers"}
    found = [f"{listed([quoted(name) for name in names], 3)} ({words[reason]})"
             for reason, names in kept.items() if names]
    return ": " + ", ".join(found) if found else ""


def say_kept(console, kept, most):
    """A line for each reason why columns are not used."""
    words = {"constant": "with one value only", "empty": "without any value",
             "identifiers": "which only tell rows apart (--columns names those to use)",
             "many": f"of more than {count(most, 'different value')} (--most-levels; --continuous "
                     "for numbers that are no codes)",
             "others": "neither of texts nor of numbers"}
    for reason, names in kept.items():
        if names:
            console.say(f"columns not used, {words[reason]}: "
                        f"{listed([quoted(name) for name in names])}")
