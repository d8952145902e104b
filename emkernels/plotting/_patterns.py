"""Which values of a table are missing together."""

import numpy as np

from emkernels import kernels
from emkernels._inputs import missing_cells
from emkernels.data import Rows
from emkernels.plotting._canvas import (
    BLUE,
    VERMILION,
    check_count,
    count,
    ink,
    mpl,
    one_axes,
    percent,
    set_title,
)

OBSERVED = "#DCE6EE"
MAX_NAMES = 60


def plot_missing_patterns(X, *, max_patterns=20, ax=None):
    """Draw the most frequent patterns of missing values.

    A matrix of patterns (rows, the most frequent on top) by columns, missing cells dark; the rows
    of the table that each pattern has at its right, the share missing of each column above.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
        NaN, None, NA, NaT, a null or a masked cell is a missing value; columns of texts and
        dates can be drawn too.
    max_patterns : int, default=20
        Of more patterns the most frequent are drawn; the title says so.
    ax : matplotlib.axes.Axes, optional
        None: that of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The frame, with the title; its ``child_axes`` are the matrix, the rows of each pattern and
        the share missing of each column.

    Raises
    ------
    ValueError
        An empty X, or one that is no table.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_imputed : What was put in place.
    emkernels.missing_data_summary : The numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels.plotting import plot_missing_patterns
    >>> ax = plot_missing_patterns([[1.0, np.nan], [1.0, 2.0], [3.0, np.nan]])
    >>> ax.get_title()
    '2 patterns, 33.3 % of the values missing'
    """
    missing, names = _missing(X)
    check_count(max_patterns, "max_patterns")
    patterns = kernels.missing_patterns(np.where(missing, np.float32(np.nan), np.float32(0)))
    counts = patterns.counts
    shown = np.argsort(-counts, kind="stable")[:int(max_patterns)]
    masks, counts = patterns.masks_of(shown), counts[shown]
    names = [name if len(name) <= 24 else name[:23] + "\N{HORIZONTAL ELLIPSIS}" for name in names]
    ax = one_axes(ax, _figsize(len(shown), names))
    ax.set_axis_off()
    matrix = ax.inset_axes([0, 0, 0.8, 0.76])
    _draw_matrix(matrix, masks, names)
    _draw_counts(ax.inset_axes([0.81, 0, 0.19, 0.76], sharey=matrix), counts)
    _draw_shares(ax.inset_axes([0, 0.78, 0.8, 0.22], sharex=matrix), missing.mean(axis=0))
    note = ""
    if len(shown) < patterns.n_patterns:
        note = f"the {len(shown)} most frequent: {percent(counts.sum() / len(missing))} of the rows"
    set_title(ax, f"{count(patterns.n_patterns, 'pattern')}, {percent(missing.mean())} of the "
              "values missing" if missing.any() else "No missing values", note)
    return ax


def _missing(X):
    """Where values are missing, (n_samples, n_features) bool, and the names of the columns."""
    missing, names = (np.isnan(X.X), X.names) if isinstance(X, Rows) else missing_cells(X)
    if missing.ndim != 2:
        raise ValueError(f"X must be a 2-d table, got {missing.ndim} dimension(s)")
    if 0 in missing.shape:
        raise ValueError(f"X is empty: {missing.shape[0]} rows, {missing.shape[1]} columns")
    return missing, [f"x{j}" for j in range(missing.shape[1])] if names is None else list(names)


def _figsize(n_patterns, names):
    """Inches that leave a cell, and names of few columns, enough room, within what a page has."""
    cell = max(0.4, 0.1 * max(map(len, names)) if len(names) <= 6 else 0)
    return (float(np.clip(2.5 + cell * len(names), 6, 14)),
            float(np.clip(2.5 + 0.28 * n_patterns, 4, 10)))


def _draw_matrix(ax, masks, names):
    n_patterns, n_features = masks.shape
    colors = mpl(".colors").ListedColormap([OBSERVED, VERMILION])
    ax.pcolormesh(np.arange(n_features + 1) - 0.5, np.arange(n_patterns + 1) - 0.5, masks,
                  cmap=colors, vmin=0, vmax=1, edgecolors="white",
                  linewidth=1 if masks.size <= 2000 else 0)
    named = np.arange(0, n_features, -(-n_features // MAX_NAMES))
    # inches for the names side by side, of 0.075 a letter
    width = ax.get_window_extent().width / ax.figure.dpi
    crowded = n_features * (1 + max(map(len, names))) * 0.075 > width
    ax.set_xticks(named, [names[j] for j in named], rotation=90 if crowded else 0,
                  fontsize="small")
    ax.set(xlim=(-0.5, n_features - 0.5), ylim=(n_patterns - 0.5, -0.5), yticks=[],
           ylabel="patterns (colour: missing)")
    ax.tick_params(length=0)


def _draw_counts(ax, counts):
    """Bars of the rows of each pattern with their numbers; the first only where there are many."""
    ax.barh(np.arange(len(counts)), counts, color=BLUE, height=0.7)
    for y in range(len(counts) if len(counts) <= MAX_NAMES else 1):
        # inside of long bars, beside short ones
        long = counts[y] > 0.6 * counts[0]
        ax.annotate(f"{counts[y]:,}", (counts[y], y), xytext=(-3 if long else 3, 0),
                    textcoords="offset points", ha="right" if long else "left", va="center",
                    fontsize="small", color="white" if long else ink())
    ax.set_axis_off()
    ax.set_title("rows", fontsize="small")


def _draw_shares(ax, shares):
    """Bars of the share missing of each column with their numbers; the largest only where there
    are many."""
    ax.bar(np.arange(len(shares)), shares, color=VERMILION, width=0.7)
    # inches for the numbers: of 0.07 a letter side by side, of 0.12 upright
    texts = [percent(share) for share in shares]
    width = ax.get_window_extent().width / ax.figure.dpi
    many = len(shares) > MAX_NAMES or 0.12 * len(shares) > width
    crowded = not many and 0.07 * len(shares) * (1 + max(map(len, texts))) > width
    for x in [shares.argmax()] if many else range(len(shares)):
        ax.annotate(texts[x], (x, shares[x]), xytext=(0, 2),
                    textcoords="offset points", ha="center", va="bottom", fontsize="x-small",
                    rotation=90 if crowded else 0)
    # room for the numbers above the bars
    ax.set_ylim(0, max(shares.max(), 1e-3) * (2.2 if crowded else 1.4))
    ax.set_axis_off()
