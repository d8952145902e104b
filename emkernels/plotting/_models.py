"""How a model was chosen, and how its fit went."""

import itertools

import numpy as np
from sklearn.exceptions import NotFittedError

from emkernels.models.factors.selection import CRITERIA as FACTOR_CRITERIA
from emkernels.models.factors.selection import FactorSelection
from emkernels.models.mixture.selection import CRITERIA
from emkernels.plotting._canvas import (
    add_legend,
    component_colors,
    count,
    ink,
    line,
    marker,
    mpl,
    one_axes,
    set_title,
)

SHAPES = "osD^vP"
STYLES = ("-", "--", "-.", ":")


def plot_selection(selection, *, criterion=None, ax=None):
    """Draw an information criterion against the number of components or factors.

    One line for each covariance type of mixtures; the best candidate has a star. Fits that failed
    are left out and counted in the legend; hollow marks are fits that did not converge, crosses
    those with collapsed components.

    Parameters
    ----------
    selection : SelectionResult or FactorSelection
        Of :func:`emkernels.select_mixture` or :func:`emkernels.select_factors`.
    criterion : {'bic', 'aic', 'icl'}, optional
        Without, the one that chose; icl is of mixtures.
    ax : matplotlib.axes.Axes, optional
        None: that of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn on.

    Raises
    ------
    TypeError
        Not a SelectionResult.
    ValueError
        An unknown criterion.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_history : The objective over the iterations of one fit.
    emkernels.select_mixture : One of those that give the table.
    emkernels.select_factors : Numbers of factors.
    emkernels.select_classes : Numbers of classes.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import select_mixture
    >>> from emkernels.plotting import plot_selection
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> ax = plot_selection(select_mixture(X, range(1, 4), ("full", "diag"), random_state=0))
    >>> ax.get_ylabel()
    'BIC (lower is better)'
    """
    table = getattr(selection, "table", None)
    if table is None or not hasattr(selection, "criterion"):
        raise TypeError("selection must be what select_mixture or select_factors returns, got "
                        f"{type(selection).__name__}")
    criterion = selection.criterion if criterion is None else criterion
    of_factors = isinstance(selection, FactorSelection)
    known = FACTOR_CRITERIA if of_factors else CRITERIA
    if criterion not in known:
        raise ValueError(f"criterion must be one of {', '.join(known)}, got {criterion!r}")
    if all(row["error"] is not None for row in table):
        raise ValueError("selection has no candidate that was fitted")
    ax = one_axes(ax)
    types = list(dict.fromkeys(map(_type, table)))
    fitted = [row for row in table if row["error"] is None]
    handles = []
    for type_, color, shape in zip(types, component_colors(len(types)), itertools.cycle(SHAPES)):
        rows = sorted((row for row in fitted if _type(row) == type_),
                      key=lambda row: row["n_components"])
        if not rows:
            continue
        face = [color if row["converged"] else "none" for row in rows]
        x, y = [row["n_components"] for row in rows], [row[criterion] for row in rows]
        ax.plot(x, y, color=color, linewidth=1.5, zorder=2)
        ax.scatter(x, y, marker=shape, s=36, facecolors=face, edgecolors=color, zorder=3)
        handles.append(line(color, type_, marker=shape))
    broken = [row for row in fitted if row.get("degenerate")]
    # with the selection's own criterion what it chose, collapsed or not
    best = getattr(selection, "chosen", None) if criterion == selection.criterion else None
    if best is None:
        sound = [row for row in fitted if not row.get("degenerate")]
        best = min(sound or fitted, key=lambda row: row[criterion])
    if broken:
        ax.scatter([row["n_components"] for row in broken], [row[criterion] for row in broken],
                   marker="x", s=90, color=ink(), linewidths=1.3, zorder=5)
    ax.scatter(best["n_components"], best[criterion], marker="*", s=260, facecolors="none",
               edgecolors=ink(), linewidths=1.3, zorder=4)
    handles.append(marker("none", "best", "*", markeredgecolor=ink(), markersize=13))
    if broken:
        handles.append(marker("none", "with collapsed components", "x", markeredgecolor=ink(),
                              markersize=8))
    if not all(row["converged"] for row in fitted):
        handles.append(marker("none", "not converged", markeredgecolor=ink()))
    n_failed = len(table) - len(fitted)
    if n_failed:
        handles.append(marker("none", f"{n_failed} failed, left out"))
    add_legend(ax, handles)
    ax.xaxis.set_major_locator(mpl(".ticker").MaxNLocator(integer=True))
    ax.ticklabel_format(axis="y", style="plain", useOffset=False)
    what = "factor" if of_factors else "component"
    ax.set(xlabel=f"number of {what}s", ylabel=f"{criterion.upper()} (lower is better)")
    set_title(ax, f"Best: {count(best['n_components'], what)}"
                  + ("" if of_factors else f", {_type(best)}"))
    return ax


def _type(row):
    """What a line of a picture is of."""
    return row.get("covariance_type", "factor analysis")


def plot_history(model, *, ax=None):
    """Draw the objective of a fit, for one row, against the iterations.

    Parameters
    ----------
    model : estimator, sequence of float, or dict
        A fitted estimator with ``lower_bounds_``, such numbers themselves, or several of either by
        name.
    ax : matplotlib.axes.Axes, optional
        None: that of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn on.

    Raises
    ------
    NotFittedError, TypeError
        A model that is not fitted, or what is neither a model nor numbers.
    ValueError
        A history that is empty, or not finite.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_selection : Criteria of several models.
    emkernels.em.EMState : What a callback sees while a fit runs.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianMixture
    >>> from emkernels.plotting import plot_history
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> ax = plot_history(model)
    >>> len(ax.lines[0].get_xdata()) == len(model.lower_bounds_)
    True
    """
    named = isinstance(model, dict)
    if named:
        histories = {str(name): _history(item, f"model {name!r}") for name, item in model.items()}
    else:
        histories = {"": _history(model, "model")}
    if not histories:
        raise ValueError("model names no history")
    ax = one_axes(ax)
    handles = []
    for i, (color, (name, history)) in enumerate(
            zip(component_colors(len(histories)), histories.items())):
        options = {"linewidth": 1.5, "linestyle": STYLES[i // 4 % len(STYLES)]}
        if len(history) <= 30:
            options.update(marker=SHAPES[i % len(SHAPES)], markersize=3.5)
        ax.plot(np.arange(1, len(history) + 1), history, color=color, **options)
        handles.append(line(color, name, **options))
    if named:
        add_legend(ax, handles)
    ax.xaxis.set_major_locator(mpl(".ticker").MaxNLocator(integer=True))
    ax.ticklabel_format(axis="y", style="plain", useOffset=False)
    ax.set(xlabel="iteration", ylabel="objective for one row")
    if not named:
        what = type(model).__name__ if hasattr(model, "lower_bounds_") else "Objective"
        set_title(ax, f"{what}, {count(len(histories['']), 'iteration')}")
    return ax


def _history(item, name):
    """The finite numbers of one history."""
    if hasattr(item, "fit") and not hasattr(item, "lower_bounds_"):
        if hasattr(item, "n_iter_"):
            raise TypeError(f"{name} ({type(item).__name__}) keeps no history of an objective")
        raise NotFittedError(f"{name} ({type(item).__name__}) has no lower_bounds_: call fit first")
    numbers = getattr(item, "lower_bounds_", item)
    try:
        history = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError):
        history = None
    if history is None or history.ndim != 1:
        raise TypeError(f"{name} must be a fitted estimator or a sequence of numbers, got "
                        f"{type(item).__name__}")
    if len(history) == 0:
        raise ValueError(f"{name} has an empty history")
    if not np.isfinite(history).all():
        at = int(np.flatnonzero(~np.isfinite(history))[0])
        raise ValueError(f"{name} has {history[at]} as objective of iteration {at + 1}")
    return history
