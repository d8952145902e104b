"""Factors: what loads on them, and how many there are."""

import numpy as np
from sklearn.decomposition import FactorAnalysis as Peer
from sklearn.exceptions import NotFittedError

from emkernels import _inputs
from emkernels.models.factors.estimator import FactorAnalysis
from emkernels.models.factors.parallel import ParallelAnalysis, parallel_analysis
from emkernels.plotting._canvas import (
    BLUE,
    VERMILION,
    add_legend,
    count,
    ink,
    line,
    marker,
    mpl,
    one_axes,
    percent,
    set_title,
)

PALE = "#9AA0A6"
# more columns than this: no numbers in the cells, and not every name
MOST_NUMBERS = 60
# so many eigenvalues at least are drawn where there are more
MOST_EIGENVALUES = 40


def plot_loadings(model, *, cutoff=0.3, sort=False, ax=None):
    """Draw the loadings of a factor analysis as a coloured table.

    A row for each column of the data, a column for each factor, in the order of the model. The
    loadings are those of standardised columns: divided by the columns' standard deviations in the
    model, so that they are correlations with the factors where these are uncorrelated. The
    communality, the share of a column's variance that the factors explain, stands at the right,
    with a star where the noise variance is at its bound (a Heywood case).

    Parameters
    ----------
    model : FactorAnalysis
        Fitted; of emkernels or of scikit-learn.
    cutoff : float, default=0.3
        Loadings of a smaller absolute value are pale.
    sort : bool, default=False
        Whether columns are put together by the factor that they load most, the largest first.
    ax : matplotlib.axes.Axes, optional
        None: that of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn on.

    Raises
    ------
    NotFittedError, TypeError
        A model that is not fitted, or none of factors; a cutoff that is no number.
    ValueError
        A negative cutoff.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_scree : How many factors there may be.
    emkernels.FactorAnalysis : Whose loadings they are.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from emkernels import FactorAnalysis
    >>> from emkernels.plotting import plot_loadings
    >>> ax = plot_loadings(FactorAnalysis(2, rotation="varimax").fit(load_wine().data))
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['factor 1', 'factor 2']
    """
    _check_factors(model)
    if not _inputs.real(cutoff, "cutoff") >= 0:
        raise ValueError(f"cutoff must be 0 or more, got {cutoff!r}")
    loadings, communalities = standardised_loadings(model)
    names = _names(model, len(loadings))
    order = sorted_by_factor(loadings) if sort else np.arange(len(loadings))
    loadings, communalities = loadings[order], communalities[order]
    starred = np.isin(order, getattr(model, "heywood_", []))
    n, q = loadings.shape
    ax = one_axes(ax, (float(np.clip(3 + 0.8 * q, 4.5, 14)), float(np.clip(1.5 + 0.24 * n, 3, 14))))
    _draw_cells(ax, loadings, cutoff)
    shown = np.arange(0, n, -(-n // MOST_NUMBERS))
    ax.set_yticks(shown, [_short(names[order[i]]) for i in shown], fontsize="small")
    ax.set_xticks(range(q), [f"factor {j + 1}" for j in range(q)], fontsize="small",
                  rotation=90 if q > 12 else 0)
    ax.tick_params(length=0)
    right = ax.secondary_yaxis("right")
    right.set_yticks(shown, [f"{communalities[i]:.2f}" + "*" * bool(starred[i]) for i in shown],
                     fontsize="small")
    right.tick_params(length=0)
    right.set_ylabel("communality" + (" (* Heywood)" if starred.any() else ""))
    set_title(ax, _title(model, q, communalities), _correlations(model))
    return ax


def standardised_loadings(model):
    """Loadings (D, q) of columns of variance 1 and communalities (D,); zeros for a column that
    does not vary."""
    covariance = model.get_covariance()
    variance = np.diagonal(covariance)
    scale = np.sqrt(np.where(variance > 0, variance, 1.0))
    loadings = model.components_.T / scale[:, None]
    correlation = getattr(model, "factor_correlation_", np.eye(loadings.shape[1]))
    return loadings, np.clip(((loadings @ correlation) * loadings).sum(axis=1), 0, 1)


def sorted_by_factor(loadings):
    """Rows by the factor of their largest loading, within each the largest first."""
    highest = np.abs(loadings).argmax(axis=1)
    return np.lexsort((-np.abs(loadings).max(axis=1), highest))


def _check_factors(model):
    if not isinstance(model, (FactorAnalysis, Peer)):
        raise TypeError(f"model must be a FactorAnalysis, got {type(model).__name__}")
    if not hasattr(model, "components_"):
        raise NotFittedError(f"{type(model).__name__} is not fitted: call fit first")


def _names(model, n):
    return [str(name) for name in getattr(model, "feature_names_in_", [f"x{j}" for j in range(n)])]


def _short(name):
    return name if len(name) <= 24 else name[:23] + "\N{HORIZONTAL ELLIPSIS}"


def _draw_cells(ax, loadings, cutoff):
    n, q = loadings.shape
    colors = mpl(".colors").LinearSegmentedColormap.from_list(
        "loadings", [VERMILION, "white", BLUE])
    end = max(1.0, float(np.abs(loadings).max()))
    ax.pcolormesh(np.arange(q + 1) - 0.5, np.arange(n + 1) - 0.5, loadings, cmap=colors,
                  vmin=-end, vmax=end, edgecolors="white", linewidth=1 if n <= MOST_NUMBERS else 0)
    ax.set(xlim=(-0.5, q - 0.5), ylim=(n - 0.5, -0.5))
    if n > MOST_NUMBERS:
        return
    for i, row in enumerate(loadings):
        for j, value in enumerate(row):
            small = abs(value) < cutoff
            # on a white or a saturated cell, whatever the style
            color = PALE if small else "white" if abs(value) > 0.6 * end else "black"
            ax.text(j, i, f"{value:.2f}".replace("-0.00", "0.00"), ha="center", va="center",
                    fontsize="x-small" if small else "small", color=color)


def _title(model, q, communalities):
    rotation = getattr(model, "rotation", None)
    return (f"{count(q, 'factor')}" + (f", {rotation}" if rotation else "")
            + f": {percent(communalities.sum() / max(1, np.count_nonzero(communalities)))} "
            "of the variance")


def _correlations(model):
    """What to say of correlated factors."""
    correlation = getattr(model, "factor_correlation_", None)
    if correlation is None or np.array_equal(correlation, np.eye(len(correlation))):
        return ""
    beside = np.where(np.eye(len(correlation)), 0, correlation)
    i, j = sorted(np.unravel_index(np.abs(beside).argmax(), beside.shape))
    return f"factors correlate by up to {beside[i, j]:.2f} ({i + 1} and {j + 1})"


def plot_scree(X, *, ax=None, **parameters):
    """Draw the eigenvalues of the correlations and what they are without any correlation.

    The components (or factors) that parallel analysis keeps are those whose eigenvalues are above
    the percentile of the draws, up to the first that is not; the others are hollow.

    Parameters
    ----------
    X : ParallelAnalysis, or array-like of shape (n_samples, n_features)
        What :func:`emkernels.parallel_analysis` returned, or a table for it.
    ax : matplotlib.axes.Axes, optional
        None: that of a new figure.
    **parameters
        Of `parallel_analysis`, for a table.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn on.

    Raises
    ------
    TypeError
        Parameters beside a result.
    ValueError, TypeError
        What `parallel_analysis` does not take.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_loadings : What the factors are.
    emkernels.parallel_analysis : What gives the eigenvalues.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from emkernels.plotting import plot_scree
    >>> ax = plot_scree(load_wine().data)
    >>> ax.get_title()
    '3 components above 95 % of 100 draws'
    """
    if isinstance(X, ParallelAnalysis):
        if parameters:
            raise TypeError(f"{next(iter(parameters))} is for a table: X is the result of a "
                            "parallel analysis")
        result = X
    else:
        result = parallel_analysis(X, **parameters)
    ax = one_axes(ax)
    n = result.n_components
    shown = min(len(result.eigenvalues), max(n + 10, MOST_EIGENVALUES))
    x = np.arange(1, shown + 1)
    above = f"{result.percentile:g} % of draws"
    ax.plot(x, result.means[:shown], color=VERMILION, linewidth=1, linestyle=":", zorder=1)
    ax.plot(x, result.thresholds[:shown], color=VERMILION, linewidth=1.5, linestyle="--", zorder=2)
    ax.plot(x, result.eigenvalues[:shown], color=BLUE, linewidth=1.5, zorder=3)
    ax.scatter(x, result.eigenvalues[:shown], s=30, zorder=4, edgecolors=BLUE,
               facecolors=[BLUE if j < n else "none" for j in range(shown)])
    what = result.kind[:-1]
    handles = [line(BLUE, "eigenvalue", marker="o"), line(VERMILION, above, linestyle="--"),
               line(VERMILION, "mean of draws", linestyle=":")]
    if n < shown:
        handles.append(marker("none", "not kept", markeredgecolor=ink()))
    add_legend(ax, handles)
    ax.xaxis.set_major_locator(mpl(".ticker").MaxNLocator(integer=True))
    ax.set(xlabel=what, ylabel="eigenvalue" if what == "component" else
           "eigenvalue, communalities on the diagonal")
    set_title(ax, f"{count(n, what)} above {result.percentile:g} % of {result.n_draws} draws",
              f"{shown} of {len(result.eigenvalues)} drawn"
              if shown < len(result.eigenvalues) else "")
    return ax
