"""Imputed values beside observed ones."""

import numpy as np

from emkernels._inputs import check_names, names_of
from emkernels.data.tables import as_table
from emkernels.plotting._canvas import (
    BLUE,
    PALETTE,
    VERMILION,
    add_legend,
    column_positions,
    count,
    histogram_edges,
    line,
    mark_size,
    marker,
    mpl,
    one_axes,
    rows_to_draw,
    set_title,
)


def plot_imputed(X, imputed, *, column=None, columns=None, max_points=20_000, random_state=0,
                 ax=None):
    """Draw imputed values against observed ones, over one column or a pair.

    Over one column: density histograms of the observed values and of the imputed ones, with a thin
    line for each of several completed tables. Over two: the rows, those with imputed cells marked
    by which cell was imputed.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        NaN where missing.
    imputed : array-like of shape (n_samples, n_features), or several
        The completed table; a list, or an array (n_tables, n_samples, n_features), of them.
    column : int or str, optional
        The column; without `column` and `columns` the one with most missing values.
    columns : pair of int or str, optional
        Two columns, in place of `column`.
    max_points : int, default=20_000
        Of more rows with both values observed, and of more with one imputed, so many are drawn
        (of the latter in all tables together); the title says so.
    random_state : int, RandomState instance or None, default=0
        Chooses them.
    ax : matplotlib.axes.Axes, optional
        None: that of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn on.

    Raises
    ------
    ValueError
        Tables of different shapes, nothing missing in the columns, nothing observed, a missing
        value that is still missing, an infinity, columns that are not there.
    TypeError
        Both `column` and `columns`.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_missing_patterns : What is missing, before any model.
    emkernels.GaussianImputer : What completes rows.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianImputer
    >>> from emkernels.plotting import plot_imputed
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> X[:40, 1] = np.nan
    >>> ax = plot_imputed(X, GaussianImputer().fit_transform(X), column=1)
    >>> ax.get_xlabel()
    'x1'
    """
    values, names = as_table(X)
    tables = _tables(imputed, values.shape, names_of(X))
    if column is not None and columns is not None:
        raise TypeError("give column or columns, not both")
    missing = np.isnan(values)
    if not missing.any():
        raise ValueError("X has no missing value")
    if columns is not None:
        at = column_positions(columns, names)
        if len(at) != 2:
            raise ValueError(f"columns must name 2 columns, got {len(at)}; one goes by column")
    else:
        most = int(missing.sum(axis=0).argmax())
        at = column_positions(most if column is None else column, names, most=1, name="column")
    missing = missing[:, at]
    if not missing.any():
        raise ValueError(
            f"X has no missing value in {' and '.join(repr(names[j]) for j in at)}")
    for number, table in enumerate(tables):
        _check_cells(table[:, at], missing, values[:, at], [names[j] for j in at],
                     "imputed" if len(tables) == 1 else f"imputed[{number}]")
    if len(at) == 1:
        ax = one_axes(ax)
        _draw_column(ax, values[~missing[:, 0], at[0]],
                     [table[missing[:, 0], at[0]] for table in tables])
        ax.set(xlabel=names[at[0]], ylabel="density")
        return ax
    return _draw_pair(values[:, at], [table[:, at] for table in tables], missing,
                      [names[j] for j in at], max_points, random_state, ax)


def _tables(imputed, shape, names):
    """Completed tables as arrays, each of the shape of X."""
    several = isinstance(imputed, (list, tuple)) and len(imputed) and np.ndim(imputed[0]) == 2
    if not several and isinstance(imputed, np.ndarray):
        several = imputed.ndim == 3 and len(imputed) > 0
    tables = []
    for number, item in enumerate(imputed if several else [imputed]):
        name = f"imputed[{number}]" if several else "imputed"
        table, _ = as_table(item, name)
        check_names(item, names, name, "X")
        if table.shape != shape:
            raise ValueError(f"{name} has shape {table.shape}, X has {shape}")
        tables.append(table)
    return tables


def _check_cells(table, missing, values, names, title):
    """ValueError for an infinity or a cell that is still missing."""
    for j, name in enumerate(names):
        for array, what in ((values, "X"), (table, title)):
            if np.isinf(array[:, j]).any():
                row = int(np.isinf(array[:, j]).argmax())
                raise ValueError(f"{what} has an infinity at row {row}, column {name!r}")
        if np.isnan(table[:, j]).any():
            row = int(np.isnan(table[:, j]).argmax())
            raise ValueError(f"{title} has NaN at row {row}, column {name!r}")
        if missing[:, j].all():
            raise ValueError(f"X has no observed value in column {name!r}")


def _draw_column(ax, observed, filled):
    """Histograms of the observed values and of those of each table, and of all tables."""
    edges = histogram_edges(np.concatenate([observed, *filled]), len(observed))
    ax.hist(observed, bins=edges, density=True, color=BLUE, alpha=0.4)
    for part in filled if len(filled) > 1 else ():
        ax.hist(part, bins=edges, density=True, histtype="step", color=VERMILION, linewidth=0.6,
                alpha=0.35)
    ax.hist(np.concatenate(filled), bins=edges, density=True, histtype="step", color=VERMILION,
            linewidth=2)
    tables = f",\n{len(filled)} tables" if len(filled) > 1 else ""
    add_legend(ax, [
        mpl(".patches").Patch(color=BLUE, alpha=0.4, label=f"observed ({len(observed):,})"),
        line(VERMILION, f"imputed ({len(filled[0]):,}{tables})", linewidth=2)])
    set_title(ax, f"{count(len(filled[0]), 'value')} imputed, {len(observed):,} observed")


def _draw_pair(values, tables, missing, names, max_points, random_state, ax):
    """Rows by which of the two cells was imputed."""
    kinds = missing @ (1, 2)
    some_imputed = kinds > 0
    chosen = [(values[~some_imputed], kinds[~some_imputed], "observed"),
              (np.concatenate([table[some_imputed] for table in tables]),
               np.tile(kinds[some_imputed], len(tables)), "imputed")]
    parts, notes = [], []
    for points, kind, what in chosen:
        if len(points):
            rows, note = rows_to_draw(np.ones(len(points), bool), max_points, random_state)
            parts.append((points[rows], kind[rows]))
            notes.append(note and f"{what}: {note}")
    points, kinds = (np.concatenate(part) for part in zip(*parts))
    ax = one_axes(ax)
    handles = []
    faint, size = 0.8 / len(tables) ** 0.5, mark_size(len(points))
    for kind, (label, color, shape) in enumerate((
            ("both observed", BLUE, "o"), (f"{names[0]} imputed", PALETTE[1], ">"),
            (f"{names[1]} imputed", VERMILION, "^"), ("both imputed", PALETTE[6], "D"))):
        part = points[kinds == kind]
        if len(part):
            ax.scatter(*part.T, color=color, marker=shape, linewidths=0,
                       s=1.6 * size if kind else size, alpha=faint if kind else 0.4,
                       rasterized=len(part) > 5000)
            handles.append(marker(color, label, shape))
    add_legend(ax, handles)
    ax.set(xlabel=names[0], ylabel=names[1])
    in_tables = f" in {len(tables)} tables" if len(tables) > 1 else ""
    set_title(ax, f"{count(int(some_imputed.sum()), 'row')} with imputed values{in_tables}", *notes)
    return ax
