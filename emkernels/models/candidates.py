"""Numbers of components, factors or classes of which one is to be chosen."""

from typing import ClassVar

import numpy as np

from emkernels._results import Result, Table

_TITLES = {"degrees_of_freedom": "freedom"}


def _width(form):
    return int(form.lstrip(">").partition(".")[0].rstrip("d"))


class Selection(Result):
    """A `table` of candidates, a dict each, and the `best` by a `criterion`.

    A subclass says what tells candidates apart, and which columns of the table are printed, with
    their formats; the criterion comes where its name is None.
    """

    _keys: ClassVar = ("n_components",)
    _printed: ClassVar = ()

    @property
    def chosen(self):
        """The row of `best` in `table`; None without one."""
        if self.best is None:
            return None
        return next(row for row in self.table
                    if all(row[name] == getattr(self.best, name) for name in self._keys))

    @classmethod
    def remarks(cls, row):
        """What there is to say of a row of the table, in a few words.

        Parameters
        ----------
        row : dict
            One of `table`.

        Returns
        -------
        str
            Empty where there is nothing to say.
        """
        found = [row["error"]] if row["error"] else []
        found += cls._remarks(row)
        if row.get("below"):
            found.append(f"a poor maximum: likelier with {row['below']}")
        return "; ".join(found)

    @staticmethod
    def _remarks(row):
        """What else there is to say of a row."""
        return []

    def __str__(self):
        columns = [(name or self.criterion, form) for name, form in self._printed
                   if name is None or any(row[name] is not None for row in self.table)]
        lines = [" ".join(f"{_TITLES.get(name, name):>{_width(form)}}" for name, form in columns)]
        chosen = self.chosen
        for row in self.table:
            cells = (" " * _width(form) if row[name] is None else f"{row[name]:{form}}"
                     for name, form in columns)
            remarks = self.remarks(row)
            lines.append(" ".join(cells) + " *" * (row is chosen)
                         + (f"  {remarks}" if remarks else ""))
        return "\n".join(lines)

    def _headline(self):
        found = "none" if self.chosen is None else ", ".join(
            f"{name} {self.chosen[name]}" for name in ("n_components", "n_classes",
                                                       "covariance_type") if name in self.chosen)
        n = len(self.table)
        return f"{n} candidate{'s' * (n != 1)}, chosen by {self.criterion}: {found}"

    def _tables(self):
        chosen = self.chosen
        columns = [(name, [row[name] for row in self.table]) for name in self.table[0]
                   if name != "error"]
        return [Table([*columns, ("chosen", [row is chosen for row in self.table]),
                       ("error", [row["error"] for row in self.table])], 0)]


def check_sizes(values, name):
    """The numbers, each once."""
    if isinstance(values, (int, np.integer)) and not isinstance(values, bool):
        values = [values]
    try:
        sizes = list(values) if not isinstance(values, str) else []
    except TypeError:
        sizes = []
    if not sizes or not all(isinstance(size, (int, np.integer)) and size >= 1
                            and not isinstance(size, bool) for size in sizes):
        raise ValueError(f"{name} must be a whole number of 1 or more, or several as in "
                         f"range(1, 7), got {values!r}")
    return list(dict.fromkeys(map(int, sizes)))


def is_below(row, other):
    """Whether a row of a table has a lower likelihood than another, rounding aside."""
    theirs = other["log_likelihood"]
    return row["log_likelihood"] < theirs - 1e-3 - 1e-9 * abs(theirs)


def note_falls(rows, name):
    """Say of each row which smaller number, the entry `name`, is likelier: more are never less
    likely, so its fit has missed the maximum."""
    for row in rows:
        row["below"] = min((other[name] for other in rows if other[name] < row[name]
                            and is_below(row, other)), default=None)
