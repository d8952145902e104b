"""States of hidden Markov models over time."""

import itertools

import numpy as np
from sklearn.exceptions import NotFittedError

from emkernels import _inputs
from emkernels.plotting._canvas import (
    MAX_LEGEND,
    add_legend,
    check_count,
    column_positions,
    component_colors,
    count,
    ink,
    line,
    mpl,
    one_axes,
    percent,
    set_title,
)

# more rows than this: so many bins of rows that follow each other
MOST_ROWS = 4000
# how strong the colour of a state is: of one that is not sure, and of one that is
FAINT, STRONG = 0.06, 0.45


def plot_states(model, X, lengths=None, *, column=0, times=None, max_sequences=12, ax=None):
    """Draw a column of sequences over time, on the colours of the states that they are in.

    The states are those of the likeliest path (`decode`), the paler the less probable they are at
    that time given the whole sequence. The signal is a line, broken where a value is missing, with
    the mean of the state upon it; symbols are points. Thin lines end the sequences; one that is
    impossible has no path and no colours, which the title says. Of more than 4,000 rows those that
    follow each other share a bin: its range is drawn, and its most frequent state.

    Parameters
    ----------
    model : GaussianHMM, CategoricalHMM or MixtureHMM
        Fitted; of hmmlearn, too.
    X : array-like of shape (n_samples, n_features), data frame, or list of such
        NaN is a missing value.
    lengths : array-like of int, optional
        How many rows each sequence has. None: one sequence, or those of the list.
    column : int or str, default=0
        Position or name of the column to draw.
    times : array-like of shape (n_samples,), optional
        When each row was, as numbers or dates, ascending within each sequence. Without, the number
        of the row.
    max_sequences : int, default=12
        Of more, so many are drawn, the first; the title says so.
    ax : matplotlib.axes.Axes, optional
        None: that of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn on.

    Raises
    ------
    NotFittedError, TypeError
        A model that is not fitted, or has no states.
    ValueError
        A column that is not there, or times that do not ascend.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_mixture : Components without a time.
    emkernels.GaussianHMM : Whose states they are.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianHMM
    >>> from emkernels.plotting import plot_states
    >>> rng = np.random.default_rng(0)
    >>> X = np.repeat([0.0, 4.0, 0.0], 50)[:, None] + rng.normal(size=(150, 1))
    >>> ax = plot_states(GaussianHMM(2, random_state=0).fit(X), X)
    >>> ax.get_title()
    'GaussianHMM, 2 states: 2 changes'
    """
    if not (hasattr(model, "decode") and hasattr(model, "predict_proba")):
        raise TypeError(f"model must be a hidden Markov model, got {type(model).__name__}")
    if not hasattr(model, "transmat_"):
        raise NotFittedError(f"{type(model).__name__} is not fitted: call fit first")
    values, names, ends = _sequences(X, lengths)
    (at,) = column_positions(column, names, most=1, name="column")
    lengths = None if lengths is None else np.diff(ends)
    check_count(max_sequences, "max_sequences")
    x, n_sequences = _times(times, len(values), ends), len(ends) - 1
    if n_sequences > max_sequences:
        ends = ends[:max_sequences + 1]
        if lengths is None:     # a list
            X = X[:max_sequences]
        else:
            X, lengths = X[:ends[-1]], lengths[:max_sequences]
        values, x = values[:ends[-1]], x[:ends[-1]]
    path = np.asarray(model.decode(X, lengths)[1], np.intp)
    strength = np.asarray(model.predict_proba(X, lengths), np.float64)[np.arange(len(path)), path]
    ax = one_axes(ax, (9.5, 3.2))
    n_states = len(model.transmat_)
    colors = component_colors(n_states)
    bins = _bins(len(values))
    notes = [f"{max_sequences:,} of {n_sequences:,} sequences drawn"] * (
        n_sequences > max_sequences)
    if len(bins) <= len(values):
        notes.append(f"{len(values):,} rows in bins of {int(np.diff(bins).max()):,}")
    lost = int((path[ends[:-1]] < 0).sum())
    if lost:
        notes.append(f"{count(lost, 'sequence')} impossible")
    signal, symbols = values[:, at], hasattr(model, "emissionprob_")
    low, high = _range(signal, symbols)
    _draw_background(ax, x, path, strength, colors, bins, ends, (low, high))
    if symbols:
        _draw_symbols(ax, x, signal, colors, path)
    else:
        _draw_signal(ax, x, signal, bins, ends)
        _draw_means(ax, model, x, path, at, colors, bins, ends)
    for end in ends[1:-1]:
        ax.axvline(_between(x, end), color=ink(), linewidth=0.7, linestyle=(0, (2, 2)), zorder=3)
    ax.set(xlim=(_edge(x, 0), _edge(x, len(x))), ylim=(low, high), ylabel=names[at],
           xlabel="row" if times is None else getattr(times, "name", None) or "time")
    if n_states <= MAX_LEGEND:
        shares = np.bincount(path[path >= 0], minlength=n_states) / len(path)
        add_legend(ax, [line(color, f"{k} ({percent(share)})", linewidth=6, alpha=0.7)
                        for k, (color, share) in enumerate(zip(colors, shares))], title="state")
    changes = int((np.diff(path) != 0).sum() - (np.diff(path)[ends[1:-1] - 1] != 0).sum())
    set_title(ax, f"{type(model).__name__}, {count(n_states, 'state')}: "
                  f"{count(changes, 'change')}"
                  + (f" in {count(len(ends) - 1, 'sequence')}" if len(ends) > 2 else ""),
              "; ".join(notes))
    return ax


def _sequences(X, lengths):
    """The rows of all sequences, the names of columns, and where sequences begin and end."""
    if isinstance(X, (list, tuple)) and X and np.ndim(X[0]) == 2:
        if lengths is not None:
            raise ValueError("lengths are those of one array: X is a list of sequences")
        parts = [_inputs.as_table(part) for part in X]
        values, names = np.concatenate([part[0] for part in parts]), parts[0][1]
        lengths = [len(part[0]) for part in parts]
    else:
        values, names = _inputs.as_table(X)
    if values.ndim != 2 or len(values) == 0:
        raise ValueError(f"X must be a 2-d table with rows, got shape {values.shape}")
    names = list(names) if names is not None else [f"x{j}" for j in range(values.shape[1])]
    ends = np.concatenate([[0], np.cumsum([len(values)] if lengths is None else lengths)])
    if ends[-1] != len(values) or (np.diff(ends) < 1).any():
        raise ValueError(f"lengths must be positive and sum to the {len(values)} rows of X")
    return values, names, ends.astype(np.intp)


def _times(times, n, ends):
    """Numbers or dates along the axis, checked."""
    if times is None:
        return np.arange(n, dtype=np.float64)
    x = np.asarray(times)
    if x.shape != (n,):
        raise ValueError(f"times must hold one for each of the {n} rows, got shape {x.shape}")
    if x.dtype.kind == "M":
        x = mpl(".dates").date2num(x)
    x = x.astype(np.float64)
    inside = np.ones(max(n - 1, 0), bool)
    inside[ends[1:-1] - 1] = False
    if not np.isfinite(x).all() or (np.diff(x)[inside] < 0).any():
        raise ValueError("times must be finite, and ascend within each sequence")
    if (np.diff(x) < 0).any():      # every sequence has a clock of its own: one after the other
        step = np.median(np.diff(x)[inside]) if inside.any() else 1.0
        for end in ends[1:-1]:
            x[end:] += x[end - 1] + step - x[end]
    return x


def _bins(n):
    """Where bins of rows that follow each other begin, and the end of the last."""
    size = -(-n // MOST_ROWS)
    return np.append(np.arange(0, n, size), n)


def _between(x, at):
    return (x[at - 1] + x[at]) / 2


def _edge(x, at):
    """The border before row `at`."""
    n = len(x)
    if n == 1:
        return x[0] + at - 0.5
    if at == 0:
        return x[0] - (x[1] - x[0]) / 2
    if at == n:
        return x[-1] + (x[-1] - x[-2]) / 2
    return _between(x, at)


def _range(signal, symbols):
    seen = signal[~np.isnan(signal)]
    if len(seen) == 0:
        return -1.0, 1.0
    low, high = float(seen.min()), float(seen.max())
    if symbols:
        return low - 0.5, high + 0.5
    margin = 0.06 * (high - low) or max(1.0, abs(high)) * 0.1
    return low - margin, high + margin


def _draw_background(ax, x, path, strength, colors, bins, ends, limits):
    """A cell for each bin in the colour of its state, runs of equal ones with one opacity."""
    first = bins[:-1]
    if len(first) == len(path):
        states, sure = path, strength
    else:
        n_states = len(colors)
        counts = np.zeros((len(first), n_states))
        sums = np.zeros((len(first), n_states))
        where = np.repeat(np.arange(len(first)), np.diff(bins))
        known = path >= 0
        np.add.at(counts, (where[known], path[known]), 1)
        np.add.at(sums, (where[known], path[known]), strength[known])
        states = counts.argmax(axis=1)
        sure = sums[np.arange(len(first)), states] / np.diff(bins)
        states[~counts.any(axis=1)] = -1
    cells = np.empty((1, len(first), 4))
    cells[0, :, :3] = colors[states]
    cells[0, :, 3] = np.where(states < 0, 0, FAINT + (STRONG - FAINT) * np.clip(sure, 0, 1))
    edges = np.array([_edge(x, at) for at in bins])
    ax.pcolormesh(edges, limits, cells, zorder=0, linewidth=0, rasterized=True,
                  antialiased=False)


def _draw_signal(ax, x, signal, bins, ends):
    first = bins[:-1]
    if len(first) == len(signal):
        for start, end in itertools.pairwise(ends):
            few = len(signal) <= 300
            ax.plot(x[start:end], signal[start:end], color=ink(), linewidth=0.8, zorder=2,
                    marker="." if few else None, markersize=3)
        return
    seen = ~np.isnan(signal)
    low = np.minimum.reduceat(np.where(seen, signal, np.inf), first)
    high = np.maximum.reduceat(np.where(seen, signal, -np.inf), first)
    some = np.logical_or.reduceat(seen, first)
    low, high = np.where(some, low, np.nan), np.where(some, high, np.nan)
    ax.fill_between(x[first], low, high, color=ink(), linewidth=0.5, alpha=0.8, zorder=2)


def _draw_means(ax, model, x, path, at, colors, bins, ends):
    """The mean of the state along each run of it; of many short ones nothing would be seen."""
    means = getattr(model, "means_", None)
    if means is None or len(bins) - 1 < len(path):
        return
    means = np.asarray(means, np.float64)
    if means.ndim == 3:             # of mixtures: that of the state
        means = (np.asarray(model.weights_)[:, :, None] * means).sum(axis=1)
    starts = np.union1d(np.flatnonzero(np.diff(path)) + 1, ends[:-1])
    stops = np.append(starts[1:], len(path))
    for start, stop in zip(starts, stops):
        if path[start] < 0:
            continue
        level = means[path[start], at]
        ax.plot([_edge(x, start), _edge(x, stop)], [level, level], color=colors[path[start]],
                linewidth=2.2, solid_capstyle="butt", zorder=2.5)


def _draw_symbols(ax, x, signal, colors, path):
    own = colors[path]
    own[path < 0] = 0.6
    ax.scatter(x, signal, c=own, s=14, linewidths=0.4, edgecolors=ink(), zorder=2,
               rasterized=len(x) > 5000)
    ax.yaxis.set_major_locator(mpl(".ticker").MaxNLocator(integer=True))
