"""What the pictures share: colours, axes, legends, columns by name and the rows to draw."""

import numpy as np

from emkernels._extras import optional
from emkernels._inputs import as_random_state

# The first six are those of Okabe and Ito without black and yellow; the others keep their
# distance from them, and from each other, for readers with any of the dichromacies.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00",
           "#4A0A0A", "#1F1F9A", "#8A3010", "#DCCBA6", "#5C4D6B", "#A569FF")
BLUE, VERMILION = PALETTE[0], PALETTE[5]
UNLABELLED = "#9A9A9A"
# more entries than this: numbers in the picture instead of a legend
MAX_LEGEND = 10


def component_colors(n):
    """Colours of n components, told apart by colour-blind readers up to 12.

    The second dozen are the first, lighter; then the colours come again.

    Parameters
    ----------
    n : int
        How many components there are.

    Returns
    -------
    ndarray of shape (n, 3), float64
        Red, green and blue in 0..1.

    Raises
    ------
    ValueError
        A negative n.

    See Also
    --------
    plot_mixture : Draws components in these colours.

    References
    ----------
    M. Okabe, K. Ito, Color Universal Design, 2008.

    Examples
    --------
    >>> from emkernels.plotting import component_colors
    >>> component_colors(2).round(2)
    array([[0.  , 0.45, 0.7 ],
           [0.9 , 0.62, 0.  ]])
    """
    if n < 0:
        raise ValueError(f"n must not be negative, got {n}")
    dark = np.array([[int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)] for color in PALETTE])
    return np.resize(np.concatenate([dark, (1 + dark) / 2]), (n, 3))


def mpl(module=""):
    """A module of matplotlib, or MissingExtraError."""
    return optional("matplotlib" + module, "plotting", "plot")


def ink():
    """The colour of text, which is seen on the background of any style."""
    return mpl().rcParams["text.color"]


# --- axes ------------------------------------------------------------------------------------

def check_axes(ax, name="ax"):
    """TypeError for what is not axes with x and y."""
    if not isinstance(ax, mpl(".axes").Axes):
        raise TypeError(f"{name} must be matplotlib axes, got {type(ax).__name__}")
    if ax.name != "rectilinear":
        raise TypeError(f"{name} must be axes of the plane, got {ax.name!r} axes")
    return ax


def one_axes(ax, figsize=None):
    """The given axes, checked, or those of a new figure."""
    if ax is not None:
        return check_axes(ax)
    return mpl(".pyplot").subplots(figsize=figsize, layout="constrained")[1]


def many_axes(axes, n, *, n_columns, figsize, layout="constrained", **options):
    """n given axes, checked, or those of a new figure; a flat array."""
    if axes is None:
        n_rows = -(-n // n_columns)
        _, axes = mpl(".pyplot").subplots(
            n_rows, n_columns, figsize=figsize, layout=layout, squeeze=False, **options)
        for spare in axes.ravel()[n:]:
            spare.remove()
        return axes.ravel()[:n]
    axes = np.ravel(np.asarray(axes, dtype=object))
    if len(axes) != n:
        raise ValueError(f"axes must hold {n} axes, got {len(axes)}")
    for i, ax in enumerate(axes):
        check_axes(ax, f"axes[{i}]")
    return axes


def add_legend(ax, handles, **options):
    """A legend at the right of the axes where a layout engine makes room for it, else inside."""
    if not handles:
        return
    place = {"loc": "best"}
    if ax.figure.get_layout_engine() is not None:
        place = {"loc": "upper left", "bbox_to_anchor": (1, 1), "borderaxespad": 0.3,
                 "frameon": False}
    ax.legend(handles=handles, fontsize="small", **place, **options)


def marker(color, label, shape="o", **options):
    """An entry of a legend: one mark."""
    return mpl(".lines").Line2D([], [], linestyle="", marker=shape, color=color, label=label,
                                **options)


def line(color, label, **options):
    """An entry of a legend: a line."""
    return mpl(".lines").Line2D([], [], color=color, label=label, **options)


def set_title(ax, *lines):
    """The lines that say something."""
    ax.set_title("\n".join(text for text in lines if text), fontsize="medium")


def percent(share):
    """A share of 0..1 as a text that is neither 0 nor 100 for what is not."""
    if 0 < share < 0.001 or 0.999 < share < 1:
        return "<0.1 %" if share < 0.5 else ">99.9 %"
    return f"{100 * share:.3g} %"


def count(n, what):
    """'1 row', '2,000 rows'."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


# --- columns and rows --------------------------------------------------------------------------

def column_positions(columns, names, *, most=2, name="columns"):
    """Checked positions of columns given by position or name."""
    if isinstance(columns, str) or not np.iterable(columns):
        columns = [columns]
    found = []
    for column in columns:
        if isinstance(column, str):
            if column not in names:
                raise ValueError(f"{name}: there is no column {column!r}, only {some(names)}")
            column = names.index(column)
        if isinstance(column, (bool, np.bool_)) or not isinstance(column, (int, np.integer)):
            raise TypeError(f"{name} must hold positions or names of columns, got {column!r}")
        if not -len(names) <= column < len(names):
            raise ValueError(
                f"{name}: there is no column {column}, only {count(len(names), 'column')}")
        found.append(int(column) % len(names))
    if not 1 <= len(found) <= most:
        wanted = "1 column" if most == 1 else f"1 to {most} columns"
        raise ValueError(f"{name} must name {wanted}, got {len(found)}")
    if len(set(found)) != len(found):
        raise ValueError(f"{name} names column {names[found[0]]!r} twice")
    return np.array(found)


def some(names, most=6):
    """The first names, and how many more there are."""
    shown = ", ".join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def check_count(value, name):
    """ValueError for what is not a whole number from 1 on."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")


def rows_to_draw(usable, max_points, random_state):
    """At most max_points of the usable rows, in random order where some are left out (so that no
    group hides another), and what to say about the others.

    usable : ndarray of shape (n_samples,), bool
    """
    check_count(max_points, "max_points")
    rows, notes = np.flatnonzero(usable), []
    if len(rows) == 0:
        raise ValueError("X has no row without missing values in the drawn columns")
    n_left_out = len(usable) - len(rows)
    if n_left_out:
        notes.append(f"{count(n_left_out, 'row')} with missing values left out")
    if len(rows) > max_points:
        notes.insert(0, f"{max_points:,} of {len(rows):,} rows drawn")
        rows = as_random_state(random_state).choice(rows, int(max_points), replace=False)
    return rows, "\n".join(notes)


def mark_size(n):
    """Area of a mark, in square points, when there are n."""
    return 24 if n <= 500 else 12 if n <= 5000 else 5


def histogram_edges(values, n_values=None, most=60):
    """Edges of bins of equal width over finite values, also when they are all the same; as many
    as n_values (without, all) deserve."""
    low, high = float(values.min()), float(values.max())
    size = max(abs(low), abs(high))
    if high - low <= 1e-12 * size:
        margin = max(0.5, 1e-6 * size)
        low, high = low - margin, high + margin
    n_bins = np.clip(3 * (n_values or len(values)) ** (1 / 3), 8, most)
    return np.linspace(low, high, int(n_bins) + 1)
