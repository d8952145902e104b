"""Latent classes: how likely each answer is within each class."""

import numpy as np
from sklearn.exceptions import NotFittedError

from emkernels.models.classes.estimator import LatentClassAnalysis
from emkernels.plotting._canvas import (
    BLUE,
    count,
    ink,
    mpl,
    one_axes,
    percent,
    set_title,
    some,
)

# more lines than this: not every name; the widest text in a bar, in shares of its width
MOST_NAMES = 80
GAP = 0.08
HEIGHT = 0.8
# of an item with more levels the others are put together
MOST_LEVELS = 9
PALE, DEEP = "#D6E6F2", "#003A5D"
OTHERS = "#E4E4E4"


def plot_response_probs(model, *, items=None, sort=False, ax=None):
    """Draw how likely each answer is within each class of a latent class analysis.

    A line for each item and a column for each class, the share of the class above it. A bar is cut
    by the probabilities of the answers, in the order of the levels, from pale to dark; the level
    stands in its part where there is room. Numbers beside the items have a line each below: the
    mean of the class and a standard deviation to either side, on one scale for all classes.

    Parameters
    ----------
    model : LatentClassAnalysis
        Fitted.
    items : sequence of int or str, optional
        Items to draw, by number or name. Without: all, and the numbers.
    sort : bool, default=False
        Whether the items that tell the classes apart best come first: by the sum over pairs of
        classes of the total variation distance of their answers, weighed by the classes' shares.
    ax : matplotlib.axes.Axes, optional
        None: that of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn on.

    Raises
    ------
    NotFittedError, TypeError
        A model that is not fitted, or none of latent classes.
    ValueError
        An item that is not there.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_selection : Criteria of several numbers of classes.
    emkernels.LatentClassAnalysis : Whose answers they are.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import LatentClassAnalysis
    >>> from emkernels.plotting import plot_response_probs
    >>> answers = np.random.default_rng(0).integers(2, size=(100, 4))
    >>> ax = plot_response_probs(LatentClassAnalysis(2, random_state=0).fit(answers))
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['item 0', 'item 1', 'item 2', 'item 3']
    """
    if not isinstance(model, LatentClassAnalysis):
        raise TypeError(f"model must be a LatentClassAnalysis, got {type(model).__name__}")
    if not hasattr(model, "response_probs_"):
        raise NotFittedError(f"{type(model).__name__} is not fitted: call fit first")
    names, numbers = names_of(model)
    order = np.arange(len(names)) if items is None else _chosen(items, names)
    if sort:
        order = order[np.argsort(-_distances(model)[order], kind="stable")]
    numbers = list(enumerate(numbers)) if items is None else []
    n_classes, n_lines = len(model.weights_), len(order) + len(numbers)
    ax = one_axes(ax, (float(np.clip(2.5 + 2 * n_classes, 5, 16)),
                       float(np.clip(1.4 + 0.32 * n_lines, 2.5, 40))))
    texts = []
    for y, j in enumerate(order):
        texts += _draw_item(ax, y, model.response_probs_[j], model.categories_[j])
    for y, (at, _) in enumerate(numbers, start=len(order)):
        texts += _draw_number(ax, y, model.means_[:, at], np.sqrt(model.variances_[:, at]))
    lines = [names[j] for j in order] + [name for _, name in numbers]
    shown = np.arange(0, n_lines, -(-n_lines // MOST_NAMES))
    ax.set_yticks(shown, [_short(lines[y]) for y in shown], fontsize="small")
    ax.set_xticks([k + 0.5 for k in range(n_classes)],
                  [f"class {k}\n{percent(share)}" for k, share in enumerate(model.weights_)],
                  fontsize="small")
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set(xlim=(-GAP / 2, n_classes + GAP / 2), ylim=(max(n_lines, 1) - 0.5, -0.5))
    for side in ax.spines.values():
        side.set_visible(False)
    _keep_what_fits(ax, texts)
    set_title(ax, f"{count(n_classes, 'class') if n_classes == 1 else f'{n_classes} classes'} by "
                  f"{count(len(names), 'item')}"
                  + (f" and {count(model.means_.shape[1], 'number')}"
                     if model.means_.shape[1] else ""),
              f"{len(order)} of {len(names)} items drawn" if len(order) < len(names) else "")
    return ax


def names_of(model):
    """Names of the items, and of the columns of numbers."""
    named = getattr(model, "feature_names_in_", None)
    n_items, n_numbers = len(model.categories_), model.means_.shape[1]
    if named is None:
        return [f"item {j}" for j in range(n_items)], [f"number {j}" for j in range(n_numbers)]
    continuous = set(model.continuous_)
    return ([str(name) for j, name in enumerate(named) if j not in continuous],
            [str(name) for j, name in enumerate(named) if j in continuous])


def _chosen(items, names):
    """Positions of items given by number or name."""
    if isinstance(items, (str, int, np.integer)):
        items = [items]
    found = []
    for item in items:
        if isinstance(item, str):
            if item not in names:
                raise ValueError(f"items: there is no item {item!r}, only {some(names)}")
            item = names.index(item)
        if isinstance(item, bool) or not isinstance(item, (int, np.integer)):
            raise TypeError(f"items must hold numbers or names of items, got {item!r}")
        if not -len(names) <= item < len(names):
            raise ValueError(f"items: there is no item {item}, only {count(len(names), 'item')}")
        found.append(int(item) % len(names))
    if not found:
        raise ValueError("items must name at least one item")
    return np.array(found)


def _distances(model):
    """How far the classes' answers to each item are apart."""
    pairs = np.outer(model.weights_, model.weights_)
    return np.array([
        (pairs * np.abs(probs[:, None] - probs[None]).sum(axis=2)).sum() / 2
        for probs in model.response_probs_])


def _short(name):
    return name if len(name) <= 40 else name[:39] + "\N{HORIZONTAL ELLIPSIS}"


def level_texts(levels):
    """How levels are written."""
    return [f"{level:.10g}" if isinstance(level, float) else str(level)
            for level in levels.tolist()]


def _draw_item(ax, y, probs, levels):
    """One line of bars; the texts in them."""
    names = level_texts(levels)
    if len(names) > MOST_LEVELS:
        first = np.sort(np.argsort(-probs.max(axis=0), kind="stable")[:MOST_LEVELS - 1])
        rest = np.setdiff1d(np.arange(len(names)), first)
        names = [*(names[at] for at in first), f"{len(rest)} others"]
        probs = np.column_stack([probs[:, first], probs[:, rest].sum(axis=1)])
    colors = shades(len(names))
    if names[-1].endswith(" others") and len(names) == MOST_LEVELS < len(levels):
        colors[-1] = mpl(".colors").to_rgb(OTHERS)
    out = []
    for k, row in enumerate(probs):
        left = k + GAP / 2
        for color, name, share in zip(colors, names, row):
            width = share * (1 - GAP)
            ax.barh(y, width, HEIGHT, left=left, color=color, linewidth=0)
            dark = color @ (0.299, 0.587, 0.114) < 0.55
            if share > 0.04:
                out.append((ax.text(left + width / 2, y, name, ha="center", va="center",
                                    fontsize="x-small", color="white" if dark else "black",
                                    clip_on=True), width))
            left += width
    return out


def shades(n):
    """Colours of n levels in their order, pale to dark."""
    if n == 1:
        return np.array([mpl(".colors").to_rgb(PALE)])
    scale = mpl(".colors").LinearSegmentedColormap.from_list("levels", [PALE, BLUE, DEEP])
    return scale(np.linspace(0, 0.85, n))[:, :3]


def _draw_number(ax, y, means, deviations):
    """Mean and deviation of each class on one scale; the texts beside."""
    low, high = (means - 1.5 * deviations).min(), (means + 1.5 * deviations).max()
    scale = (1 - 2 * GAP) / (high - low) if high > low else 0.0
    out = []
    for k, (mean, deviation) in enumerate(zip(means, deviations)):
        x = k + GAP + (mean - low) * scale if scale else k + 0.5
        ax.plot([k + GAP / 2, k + 1 - GAP / 2], [y, y], color=OTHERS, linewidth=0.8, zorder=1)
        ax.plot([x - deviation * scale, x + deviation * scale], [y, y], color=BLUE,
                linewidth=3, alpha=0.5, solid_capstyle="butt", zorder=2)
        ax.plot([x], [y], marker="o", markersize=5, color=BLUE, zorder=3)
        out.append((ax.annotate(f"{mean:.4g}", (x, y), xytext=(0, 4), textcoords="offset points",
                                ha="center", va="bottom", fontsize="x-small", color=ink()), 1.0))
    return out


def _keep_what_fits(ax, texts):
    """Take the texts away that are wider than their part of a bar, as the figure is now."""
    figure = ax.figure
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer() if hasattr(figure.canvas, "get_renderer") else None
    unit = ax.transData.transform((1, 0))[0] - ax.transData.transform((0, 0))[0]
    for text, width in texts:
        if text.get_window_extent(renderer).width > 0.96 * width * unit:
            text.remove()
