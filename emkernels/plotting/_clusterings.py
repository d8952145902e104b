"""K-means beside a mixture."""

import numpy as np

from emkernels.data.tables import as_table
from emkernels.plotting._canvas import (
    MAX_LEGEND,
    column_positions,
    component_colors,
    count,
    ink,
    many_axes,
    mark_size,
    marker,
    mpl,
    percent,
    rows_to_draw,
    set_title,
)
from emkernels.plotting._gaussians import (
    check_mixture,
    check_n_std,
    check_spread,
    draw_centres,
    projected,
    selecting,
)
from emkernels.plotting._mixtures import (
    add_mixture_legend,
    draw_histogram,
    draw_mixture,
    draw_points,
)


def plot_clusterings(comparison, *, columns=None, n_std=(1, 2), max_points=20_000, random_state=0,
                     axes=None):
    """Draw the clusters of K-means beside the components of a mixture of the same rows.

    Left the labels of K-means, its centres and, for rows of two features, the straight lines that
    separate its clusters; right the labels of the mixture, its ellipses, and rings around the rows
    whose largest responsibility is below 0.9 (or what the comparison has for it). The same colour
    is the corresponding cluster.

    Parameters
    ----------
    comparison : ClusteringComparison
        Label k stands for centre k and component k.
    columns : int, str or sequence of one or two, optional
        Columns to draw. Without, the only one or two of X, else its two leading principal axes
        (of the rows drawn).
    n_std : float or sequence of float, default=(1, 2)
        Radii of the ellipses in standard deviations.
    max_points : int, default=20_000
        Of more rows, so many are drawn; the title says so.
    random_state : int, RandomState instance or None, default=0
        Chooses them.
    axes : sequence of 2 matplotlib.axes.Axes, optional
        None: those of a new figure.

    Returns
    -------
    ndarray of 2 matplotlib.axes.Axes
        Those that were drawn on.

    Raises
    ------
    TypeError
        Not a comparison.
    ValueError
        Another number of axes, columns that are not there.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    emkernels.compare_clusterings : What gives the comparison.
    plot_mixture : One clustering, with the shapes of its components.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from emkernels import compare_clusterings
    >>> from emkernels.plotting import plot_clusterings
    >>> comparison = compare_clusterings(load_iris(as_frame=True).data, 3, random_state=0)
    >>> axes = plot_clusterings(comparison, columns=(2, 3))
    >>> axes[0].get_xlabel()
    'petal length (cm)'
    """
    for name in ("X", "kmeans", "mixture", "kmeans_labels", "mixture_labels", "adjusted_rand",
                 "soft"):
        if not hasattr(comparison, name):
            raise TypeError(
                f"comparison must hold two clusterings, got {type(comparison).__name__} without "
                f"{name}")
    check_mixture(comparison.mixture)
    n_std = check_n_std(n_std)
    X, names = as_table(comparison.X)
    if getattr(comparison, "feature_names", None) is not None:
        names = tuple(map(str, comparison.feature_names))
    rows, note = rows_to_draw(~np.isnan(X).any(axis=1), max_points, random_state)
    values = X[rows]
    if columns is None and X.shape[1] > 2:
        origin, directions, names = _principal_axes(values)
    else:
        at = column_positions(range(X.shape[1]) if columns is None else columns, names)
        origin, directions = np.zeros(X.shape[1]), selecting(at, X.shape[1])
        names = [names[j] for j in at]
    points = (values - origin) @ directions
    centres = np.asarray(comparison.kmeans.cluster_centers_, dtype=np.float64)
    gaussians = projected(comparison.mixture, directions)
    gaussians = gaussians._replace(means=gaussians.means - origin @ directions)
    if len(names) == 1:
        check_spread(gaussians, names)
    labels = [np.asarray(part)[rows] for part in (comparison.kmeans_labels,
                                                  comparison.mixture_labels)]
    soft = np.asarray(comparison.soft)
    axes = many_axes(axes, 2, n_columns=2, figsize=(11, 4.6), sharex=True, sharey=len(names) == 2)
    weight = getattr(comparison, "sample_weight", None)
    weight = None if weight is None else np.asarray(weight)[rows]
    _draw_kmeans(axes[0], (centres - origin) @ directions, points, labels[0], names, weight,
                 bounded=X.shape[1] == len(names))
    set_title(axes[0], f"K-means, {count(len(centres), 'cluster')}", note)
    # rings in the plane, ticks below a histogram
    threshold = getattr(comparison, "soft_below", 0.9)
    rings = marker("none", f"below {threshold:g}\n({percent(soft.mean())} of rows)",
                   "o" if len(names) == 2 else "|", markeredgecolor=ink(), markersize=7)
    handles = draw_mixture(axes[1], gaussians, points, labels[1], names, n_std=n_std,
                           weight=weight)
    add_mixture_legend(axes[1], [*handles, rings], len(gaussians.weights))
    uncertain = points[soft[rows]]
    if len(names) == 2:
        # below the points: many rings would bury their colours
        axes[1].scatter(*uncertain.T, s=2 * mark_size(len(rows)), facecolors="none",
                        edgecolors=ink(), linewidths=1 if len(uncertain) < 200 else 0.5,
                        alpha=1 if len(uncertain) < 200 else 0.5, zorder=0.9,
                        rasterized=len(rows) > 5000)
    elif len(uncertain):
        axes[1].plot(uncertain[:, 0], np.zeros(len(uncertain)), "|", color=ink(), markersize=9,
                     clip_on=False, zorder=5)
    set_title(axes[1], f"EM, {count(len(gaussians.weights), 'component')}",
              f"agreement with K-means (adjusted Rand) {comparison.adjusted_rand:.3f}")
    return axes


def _principal_axes(values):
    """The mean, the two directions of largest variance and what to call them."""
    origin = values.mean(axis=0, dtype=np.float64)
    variances, vectors = np.linalg.eigh(np.cov(values - origin, rowvar=False, bias=True))
    directions = vectors[:, [-1, -2]]
    # a sign of their own: the largest entry is positive
    largest = directions[np.abs(directions).argmax(axis=0), [0, 1]]
    shares = variances[[-1, -2]] / max(variances.sum(), np.finfo(float).tiny)
    return (origin, directions * np.where(largest < 0, -1, 1),
            [f"principal axis {i + 1} ({percent(max(share, 0))} of variance)"
             for i, share in enumerate(shares)])


def _draw_kmeans(ax, centres, points, labels, names, weight, *, bounded):
    """Points by label, centres and, where the clusters are seen whole, their boundaries."""
    palette = component_colors(len(centres))
    if len(names) == 1:
        draw_histogram(ax, points[:, 0], labels, palette, weight)
        middle = np.sort(centres[:, 0])
        for x in (middle[1:] + middle[:-1]) / 2 if bounded else ():
            ax.axvline(x, color=ink(), linewidth=1)
        for x, color in zip(centres[:, 0], palette):
            ax.axvline(x, color=color, linestyle="--", linewidth=1.5)
        ax.set(xlabel=names[0], ylabel="density")
        return
    draw_points(ax, points, labels, palette)
    draw_centres(ax, centres, palette, numbered=len(centres) > MAX_LEGEND)
    if bounded:
        reach = 100 * float(np.ptp(np.concatenate([points, centres]), axis=0).max())
        edges = voronoi_edges(np.unique(centres, axis=0), reach)
        ax.add_collection(mpl(".collections").LineCollection(
            edges, colors=ink(), linewidths=1, zorder=2), autolim=False)
    ax.set(xlabel=names[0], ylabel=names[1])


def voronoi_edges(centres, reach):
    """The edges between the regions that are nearest to each of some points of the plane.

    On the line between two regions, ``middle + t * direction`` of their centres, the other centres
    are farther where ``slopes * t <= offsets``: an interval of t, which may be empty.

    Parameters
    ----------
    centres : ndarray of shape (n, 2)
        All different.
    reach : float
        Where edges without an end are cut, from the middle of their centres.

    Returns
    -------
    list of ndarray of shape (2, 2)
        The ends of each edge.
    """
    edges = []
    for i, first in enumerate(centres):
        others = centres - first            # about one of them: far from the origin, too
        squares = (others**2).sum(axis=1)
        for j in range(i + 1, len(centres)):
            if squares[j] == 0:
                continue
            middle = others[j] / 2
            direction = np.array([-others[j, 1], others[j, 0]]) / np.sqrt(squares[j])
            rest = np.delete(np.arange(len(centres)), [i, j])
            slopes, offsets = others[rest] @ direction, squares[rest] / 2 - others[rest] @ middle
            low, high, level = -reach, reach, slopes == 0
            if (offsets[level] < 0).any():
                continue
            bounds = offsets[~level] / slopes[~level]
            high = min([high, *bounds[slopes[~level] > 0]])
            low = max([low, *bounds[slopes[~level] < 0]])
            if low < high:
                edges.append(first + middle + np.outer([low, high], direction))
    return edges
