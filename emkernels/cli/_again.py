"""Classes and states of the rows of a table by a saved model."""

from dataclasses import dataclass, field

import numpy as np

from emkernels.cli import _hidden as hidden
from emkernels.cli import _remarks as remarks
from emkernels.cli._answers import are_numbers, as_numbers, codes_among, read_cells
from emkernels.cli._memory import check_fits
from emkernels.cli._messages import CommandError, about, count, listed, quoted
from emkernels.cli._series import read_series_again
from emkernels.cli._spellings import is_number
from emkernels.cli._tables import positions_of


@dataclass
class Assigned:
    """What a model says of the rows of a table.

    Attributes
    ----------
    numbers : Numbers
        Of the table, for writing it again.
    labels, resp : ndarray
    names : list of str
        The columns that were used.
    n_missing : int
        Cells.
    facts : dict
        For JSON.
    """

    numbers: object
    labels: np.ndarray
    resp: np.ndarray
    names: list
    n_missing: int
    facts: dict = field(default_factory=dict)

    def parts(self, added):
        """Part by part, of which there is one, as a table is written with columns more."""
        yield self.numbers.X, None, hidden.new_columns(added, self.labels, self.resp)

    @property
    def sizes(self):
        """Rows of each class or state."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.resp.shape[1])


def by_position(options, model, names, console, what="column"):
    """The names of columns that are taken in their order by a model that knows none.

    Raises
    ------
    CommandError
        There are not as many as it has.
    """
    if len(names) != model.n_features_in_:
        raise CommandError(
            f"{options.model}: was fitted to {count(model.n_features_in_, 'column')} without "
            f"names, and {options.input} has {count(len(names), 'column')}"
            f"{' of numbers' if what != 'column' else ''}: --columns says which")
    console.note(f"{options.model}: knows no names of columns: takes "
                 f"{listed([quoted(name) for name in names])} in this order")
    return names


def classes_again(source, options, model, names, console):
    """Classes of the rows; `names` of columns where the model knows any."""
    if names is not None:
        positions_of(source, names)         # none is there twice
        positions = [source.names.index(name) for name in names]
    else:
        asked = options.columns is not None
        positions = positions_of(source, options.columns) if asked else source.usual()
        ignored = set(positions_of(source, options.ignore or [], every=True))
        positions = [j for j in positions if j not in ignored]
        names = by_position(options, model, [source.names[j] for j in positions], console)
    continuous = set(model.continuous_)
    items = [at for at in range(len(positions)) if at not in continuous]
    levels = dict(zip(items, model.categories_, strict=True))
    cells, others = read_cells(
        source, sorted(positions), options, console,
        known={positions[at]: not are_numbers(levels[at]) if at in levels else False
               for at in range(len(positions))})
    if others:
        raise CommandError(f"{source.path}: column {quoted(others[0])} is neither of texts nor of "
                           "numbers")
    found = {each.position: each for each in cells}
    n_rows = len(cells[0].codes)
    check_fits(source.path, 8 * n_rows * (len(model.weights_) + len(positions)),
               "use some of the rows")
    X = np.full((n_rows, len(positions)), None, object)
    for at, j in enumerate(positions):
        each = found[j]
        if at in continuous:
            if each.numbers is None:
                raise CommandError(f"{source.path}: {_no_number(source, each, options)} is not "
                                   f"a number, as {options.model} has them")
            X[:, at] = each.numbers
        else:
            codes = codes_among(source, each, levels[at], options)
            X[codes >= 0, at] = levels[at][codes[codes >= 0]].astype(object)
    numbers = as_numbers(cells, n_rows)
    if continuous:
        remarks.about_codes(source, as_numbers([found[positions[at]] for at in sorted(continuous)],
                                               n_rows), console)
    with about(source.path), console.progress("predicting"):
        named = hasattr(model, "feature_names_in_")
        resp = model.predict_proba(
            numbers.framed(X, model.feature_names_in_) if named else X)
    return Assigned(numbers, resp.argmax(axis=1), resp, names,
                    sum(int(each.missing.sum()) for each in cells),
                    {"rows_without_values": int(np.all([each.missing for each in cells],
                                                       axis=0).sum())})


def _no_number(source, cells, options):
    """Where the first cell is that is none."""
    texts = cells.shown()
    bad = np.array([*(not is_number(text, options.decimal) for text in texts), False])
    rows = np.flatnonzero(bad[cells.codes])
    if not len(rows):       # categories that are digits
        return f"column {quoted(cells.name)}"
    row = int(rows[0])
    return (f"{source.place(row)}, column {quoted(cells.name)}: "
            f"{quoted(texts[cells.codes[row]])}")


def states_again(source, options, model, names, console):
    """States of the rows; `names` of columns where the model knows any."""
    series = read_series_again(source, options, model, names, console)
    numbers, columns = series.numbers, series.columns
    if series.symbols is None:
        columns = names if names is not None else by_position(
            options, model, numbers.names, console, "number")
    X = series.data()
    if series.symbols is None:
        X = X[columns].to_numpy()
    if hasattr(model, "feature_names_in_"):
        X = numbers.framed(X, model.feature_names_in_)
    check_fits(source.path, 16 * len(X) * (len(model.startprob_) + 1), "use some of the rows")
    with about(source.path), console.progress("predicting"):
        path = np.asarray(model.decode(X, series.lengths)[1])
        resp = np.minimum(model.predict_proba(X, series.lengths), 1)     # but for rounding
    n_impossible = int((path < 0).sum())
    if n_impossible:
        console.warn(f"{source.path}: {count(n_impossible, 'row')} in sequences that are "
                     f"impossible by {options.model}: their state is -1")
    return Assigned(
        numbers, series.as_in_file(path), series.as_in_file(resp), columns,
        int(series.gaps.sum()),
        {"sequences": len(series.lengths), "by": options.by, "order": options.order,
         "impossible": n_impossible, "rows_without_values": int(series.gaps.all(axis=1).sum()),
         # symbols are found by the name that the model, or the option, has
         **({} if series.symbols is None else {"matched": "name"})})
