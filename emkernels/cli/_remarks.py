"""What to tell the owner of a table about its columns: text that may be numbers, numbers that may
stand for missing values, and numbers that may only tell rows apart."""

import re
import shlex

import numpy as np

from emkernels.cli._columns import CODES
from emkernels.cli._messages import listed, quoted
from emkernels.cli._spellings import stands_for_missing

_IDENTIFIER = re.compile(r"(.*[\W_])?ids?|index|idx|rownames?|row|unnamed: ?\d+", re.IGNORECASE)
_CAMEL = re.compile(r".*[a-z0-9](ID|Id)")
# rows from which on it is no chance that whole numbers are all different
_MANY = 20


class Texts:
    """Columns that are not of numbers, though they may have been meant to be: one line for all
    that have the same reason."""

    def __init__(self, path):
        self._path, self._found = path, {}

    def add(self, place, name, problem):
        """A column is left as it is."""
        key = problem.hint or problem.text
        self._found.setdefault(key, (place, [], problem))[1].append(name)

    def line(self, place, names, problem):
        """``t.csv: line 3, column "b" (and "c"): "x" is not a number; ...``"""
        more = f" (and {listed([quoted(name) for name in names[1:]])})" if names[1:] else ""
        where = f"{place}, " if place else ""
        return f"{self._path}: {where}column {quoted(names[0])}{more}: {problem.reason}"

    def say(self, console):
        """The lines."""
        for place, names, problem in self._found.values():
            left = ("the columns are left as they are" if names[1:] else
                    "the column is left as it is")
            console.warn(self.line(place, names, problem) + f", so {left}" + (
                problem.hint or stands_for_missing(problem.text)))


def about_codes(source, numbers, console):
    """A line for each number that is far from all others in several columns."""
    found, suspect = {}, np.isin(numbers.ends, CODES).any(axis=0)
    for at in np.flatnonzero(suspect):
        facts = numbers.facts[at]
        low, high = facts.within
        for code in CODES:
            apart = low - code if code < 0 else code - high
            if np.isfinite(apart) and apart > high - low and code in facts.codes:
                found.setdefault(code, []).append((at, numbers.names[at]))
    for code, columns in found.items():
        if len(columns) > 1:
            row = min(numbers.facts[at].codes[code] for at, _ in columns)
            which = "smallest" if code < 0 else "largest"
            # beside 99 there may be 999
            ends = numbers.ends[0 if code < 0 else 1]
            alone = all(ends[at] == code for at, _ in columns)
            what = f"the {which} value" if alone else f"among the {which} values"
            console.warn(
                f"{source.path}: {code} is {what}, far from the others, of the columns "
                f"{listed([quoted(name) for _, name in columns])} (first on "
                f"{source.place(row)}); if it stands for a missing value, say "
                f"--missing-values {code}")


def about_identifiers(source, numbers, console):
    """A line for columns that seem to tell rows apart and nothing else, so far as the first of
    many rows show."""
    named = {name for at, name in enumerate(numbers.names)
             if numbers.whole[at] and identifies(name)}
    different = [at for at, name in enumerate(numbers.names)
                 if numbers.whole[at] and name not in named and not numbers.n_missing[at]
                 and numbers.ends[0][at] >= 0 and _all_different(numbers.first[:, at])]
    if len(different) > 2:      # so many are measures, but for those that leave no gaps
        different = [at for at in different if _by_no_chance(numbers.first[:, at])]
    names = [name for at, name in enumerate(numbers.names) if name in named or at in different]
    if not names:
        return
    option = shlex.quote(",".join(f'"{name}"' if "," in name else name for name in names))
    what = "column {} looks like an identifier, and is used like the others; --ignore {} leaves it"
    if len(names) > 1:
        what = ("columns {} look like identifiers, and are used like the others; --ignore {} "
                "leaves them")
    shown = listed([quoted(name) for name in names])
    console.warn(f"{source.path}: {what.format(shown, option)} out")


def identifies(name):
    """Whether a column is called as what only tells rows apart."""
    return bool(_IDENTIFIER.fullmatch(name.strip()) or _CAMEL.fullmatch(name.strip()))


def _all_different(values):
    """None twice."""
    return len(values) >= _MANY and len(np.unique(values)) == len(values)


def _by_no_chance(values):
    """Whether some of as many numbers drawn from the same range would be the same."""
    n, span = len(values), np.max(values) - np.min(values) + 1
    return n * (n - 1) / (2 * span) > 5
