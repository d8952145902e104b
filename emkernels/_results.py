"""What every result has: a text, HTML in notebooks, and a data frame."""

import html
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

from emkernels._extras import optional

_SHOWN = 60     # rows that a notebook shows


class Table(NamedTuple):
    """Columns with names, which need not differ; the first `n_index` are the labels of rows."""

    columns: list       # of (name, values)
    n_index: int = 1

    def to_pandas(self):
        pandas = optional("pandas", "to_pandas", "frames")
        frame = pandas.DataFrame({
            at: pandas.Series(_values(values)) for at, (_, values) in enumerate(self.columns)})
        names = [name for name, _ in self.columns]
        if self.n_index:
            at = list(range(self.n_index))
            frame = frame.set_index(at)
            frame.index.names = names[:self.n_index]
        frame.columns = names[self.n_index:]
        return frame

    def texts(self):
        """Rows of texts, the names first."""
        parts = [[_text(value) for value in values] for _, values in self.columns]
        return [[str(name) for name, _ in self.columns], *map(list, zip(*parts))]

    def to_html(self):
        heads, *rows = self.texts()
        out = ["<table>", "<thead>", _row(heads, "th"), "</thead>", "<tbody>"]
        out += [_row(row, "td", self.n_index) for row in rows[:_SHOWN]]
        if len(rows) > _SHOWN:
            out.append(f"<tr><td colspan='{len(heads)}'>{len(rows) - _SHOWN} rows more</td></tr>")
        return "\n".join([*out, "</tbody>", "</table>"])


class Result:
    """To be inherited from by what functions return.

    A subclass gives ``_tables()``, of which the first is the data frame, and ``_headline()``, one
    line of text; it may have a text of its own, ``__str__``.
    """

    def _tables(self):
        raise NotImplementedError

    def _headline(self):
        return ""

    def to_pandas(self):
        """The table as a pandas data frame.

        Returns
        -------
        pandas.DataFrame
            The first of the tables that a notebook shows.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        return self._tables()[0].to_pandas()

    def __str__(self):
        parts = [self._headline()] if self._headline() else []
        return "\n".join([*parts, *(_lines(table.texts()) for table in self._tables())])

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        head = html.escape(self._headline())
        return "\n".join(["<div>", *([f"<p>{head}</p>"] if head else []),
                          *(table.to_html() for table in self._tables()), "</div>"])


class NamedMatrix(np.ndarray):
    """A square array whose rows and columns have the same names.

    Parts of it, and what is computed from it, are plain arrays.

    Attributes
    ----------
    names : list of str, or None
        Of the rows and the columns.

    See Also
    --------
    emkernels.LatentClassAnalysis : Whose `bivariate_residuals` give it.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import LatentClassAnalysis
    >>> X = np.random.default_rng(0).integers(0, 2, (100, 3))
    >>> residuals = LatentClassAnalysis(2, random_state=0).fit(X).bivariate_residuals(X)
    >>> residuals.names, residuals.shape, type(residuals[0]).__name__
    (['x0', 'x1', 'x2'], (3, 3), 'ndarray')
    """

    names = None

    @classmethod
    def of(cls, values, names):
        """An array with names.

        Parameters
        ----------
        values : array-like of shape (n, n)
            What is in it; an array is not copied.
        names : sequence of str
            Of the rows and the columns.

        Returns
        -------
        NamedMatrix
            The values under these names.
        """
        out = np.asarray(values).view(cls)
        out.names = list(map(str, names))
        return out

    def __getitem__(self, key):
        return np.asarray(self)[key]

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return array[()] if return_scalar else np.asarray(array)

    def __repr__(self):
        return repr(np.asarray(self))

    def __reduce__(self):
        return NamedMatrix.of, (np.asarray(self), self._labels())

    def _labels(self):
        return [f"x{j}" for j in range(len(self))] if self.names is None else self.names

    def _table(self):
        return Table([("", self._labels()), *zip(self._labels(), np.asarray(self).T)])

    def __str__(self):
        return str(np.asarray(self)) if self.names is None else _lines(self._table().texts())

    def to_pandas(self):
        """A square pandas data frame with the names.

        Returns
        -------
        pandas.DataFrame
            With the names on both sides.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        frame = self._table().to_pandas()
        frame.index.name = None
        return frame

    def _repr_html_(self):
        return self._table().to_html()


def _values(values):
    """As pandas can take them: an array of one dimension, or a list."""
    return values if isinstance(values, np.ndarray) and values.ndim == 1 else list(values)


def _text(value):
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else ""
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return f"{float(value):.5g}"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _lines(rows):
    """Rows of texts in columns of equal width, the labels at the left."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(
        text.rjust(width) if at else text.ljust(width)
        for at, (text, width) in enumerate(zip(row, widths))).rstrip() for row in rows)


def _row(texts, tag, n_index=0):
    cells = "".join(f"<{'th' if at < n_index else tag}>{html.escape(text)}"
                    f"</{'th' if at < n_index else tag}>" for at, text in enumerate(texts))
    return f"<tr>{cells}</tr>"
