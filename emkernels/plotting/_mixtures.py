"""Mixtures and the responsibilities of their components."""

import numpy as np

from emkernels import _inputs
from emkernels._inputs import as_labels, check_same_rows
from emkernels.models.mixture.fitted import fitted_type
from emkernels.plotting._canvas import (
    MAX_LEGEND,
    UNLABELLED,
    add_legend,
    column_positions,
    component_colors,
    count,
    histogram_edges,
    ink,
    line,
    mark_size,
    marker,
    one_axes,
    percent,
    rows_to_draw,
    set_title,
)
from emkernels.plotting._gaussians import (
    check_mixture,
    check_n_std,
    check_spread,
    draw_centres,
    draw_contours,
    draw_curves,
    draw_ellipses,
    has_noise,
    kind_of,
    projected,
    responsibilities,
    selecting,
    table_for,
)

GREY = int(UNLABELLED[1:3], 16) / 255      # each channel of it


def plot_mixture(model, X=None, *, columns=(0, 1), n_std=(1, 2), density=False, labels=None,
                 max_points=20_000, random_state=0, ax=None):
    """Draw a fitted Gaussian mixture, with the rows it describes, over one or two columns.

    Over two columns: points in the colours of their components and, for each component, the
    ellipses ``(x - mean)' covariance^-1 (x - mean) = n_std^2`` of its marginal on these columns.
    Over one: a histogram stacked by component, and the densities of the components (times their
    weights) and of the mixture. Rows that are noise are grey; the densities are without it.

    Parameters
    ----------
    model : GaussianMixture or StudentTMixture
        Fitted; of scikit-learn, too. The ellipses of Student t components are those of their
        scale matrices.
    X : array-like of shape (n_samples, n_features), optional
        Rows to draw. NaN is a missing value; rows with NaN in the drawn columns are left out.
    columns : int, str or sequence of one or two, default=(0, 1)
        Positions or names. A model of one feature is drawn over it.
    n_std : float or sequence of float, default=(1, 2)
        Radii of the ellipses in standard deviations; 1 and 2 hold 39 % and 86 % of a component.
    density : bool, default=False
        Contours of the density of the mixture over two columns, a factor of ``sqrt(10)`` between
        them.
    labels : array-like of shape (n_samples,), optional
        Components that colour the rows, by number or as the fit had them, -1 or missing for grey;
        without, the most probable ones.
    max_points : int, default=20_000
        Of more rows, so many are drawn; the title says so.
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
    NotFittedError, TypeError
        The model is not fitted, or not a Gaussian mixture.
    ValueError
        Columns that are not there, an X of other columns, an infinity in X, labels of
        components that are not there.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_responsibilities : How sure each row is of its component.
    plot_outliers : What each row of a Student t mixture weighs.
    emkernels.GaussianMixture : What is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianMixture
    >>> from emkernels.plotting import plot_mixture
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) + 5])
    >>> ax = plot_mixture(GaussianMixture(2, random_state=0).fit(X), X)
    >>> len(ax.patches)
    4
    """
    check_mixture(model)
    values, names = table_for(model, X)
    at = _drawn_columns(columns, names)
    n_std = check_n_std(n_std)
    n_components = len(model.means_)
    gaussians = projected(model, selecting(at, len(names)))
    if density or len(at) == 1:
        check_spread(gaussians, [names[j] for j in at])
    if labels is not None:
        if X is None:
            raise ValueError("labels are those of the rows of X, which is not given")
        check_same_rows(X, labels, "labels")
        labels = _component_numbers(model, labels, len(values))
    notes, points = "", None
    if X is not None:
        rows, notes = rows_to_draw(
            ~np.isnan(values[:, at]).any(axis=1), max_points, random_state)
        points = values[rows][:, at]
        if labels is not None:
            labels = labels[rows]
        else:
            labels = responsibilities(model, values[rows]).argmax(axis=1)
            labels[labels == n_components] = -1     # noise
    ax = one_axes(ax)
    handles = draw_mixture(ax, gaussians, points, labels, [names[j] for j in at], n_std=n_std,
                           density=density)
    add_mixture_legend(ax, handles, n_components)
    set_title(ax, f"{kind_of(model)}, {count(n_components, 'component')} "
                  f"({fitted_type(model)})", notes)
    return ax


def _component_numbers(model, labels, n_samples):
    """Labels as numbers of components; texts are those that the model was fitted with."""
    codes, names = as_labels(labels, n_samples, len(model.means_))
    if names.dtype.kind != "U":
        return codes
    known = [str(n) for n in getattr(model, "classes_", ()) if isinstance(n, str)]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"labels name {str(unknown[0])!r}, and the components of the model are called "
            f"{', '.join(map(repr, known)) or 'by number'}")
    return np.array([*map(known.index, names), -1], np.int32)[codes]


def draw_mixture(ax, gaussians, points, labels, names, *, n_std, density=False, weight=None):
    """Points by label and the components over one or two directions; what a legend is to show."""
    n_components = len(gaussians.weights)
    colors = component_colors(n_components)
    numbered = n_components > MAX_LEGEND
    handles = []
    if not numbered:
        handles = [marker(color, f"{k} ({percent(weight)})")
                   for k, (color, weight) in enumerate(zip(colors, gaussians.weights))]
    if gaussians.noise is not None:
        handles.append(marker(UNLABELLED, f"noise ({percent(gaussians.noise)})"))
    elif points is not None and (np.asarray(labels) < 0).any():
        handles.append(marker(UNLABELLED, "no label"))
    if len(names) == 1:
        if points is not None:
            draw_histogram(ax, points[:, 0], labels, colors, weight)
        draw_curves(ax, gaussians, colors)
        total = "mixture" if gaussians.noise is None else "without noise"
        handles.append(line(ink(), total, linestyle="--", linewidth=1.2))
        ax.set(xlabel=names[0], ylabel="density")
    else:
        if points is not None:
            draw_points(ax, points, labels, colors)
        draw_ellipses(ax, gaussians, colors, n_std)
        draw_centres(ax, gaussians.means, colors, numbered=numbered)
        if density:
            draw_contours(ax, gaussians)
        if len(n_std):
            radii = ", ".join(f"{n:g}" for n in n_std[::-1])
            unit = "std. dev." if gaussians.dfs is None else "scales"
            handles.append(marker(ink(), f"{radii} {unit}", fillstyle="none", markersize=9))
        ax.set(xlabel=names[0], ylabel=names[1])
    return handles


def add_mixture_legend(ax, handles, n_components):
    """The legend of :func:`draw_mixture`; many components are numbered instead."""
    add_legend(ax, handles, title=None if n_components > MAX_LEGEND else "component")


def draw_points(ax, points, labels, palette, **options):
    """Points in the colours of their labels, -1 in grey, in the order of the rows."""
    n = len(points)
    # the last colour is that of label -1
    colors = np.concatenate([palette, component_colors(1)])
    colors[-1] = GREY
    options = {"s": mark_size(n), "linewidths": 0, "alpha": 0.6, "zorder": 1,
               "rasterized": n > 5000, **options}
    return ax.scatter(points[:, 0], points[:, 1], c=colors[labels], **options)


def draw_histogram(ax, x, labels, palette, weight=None):
    """A density histogram, of rows by weight, stacked by label."""
    present = np.unique(labels)
    weights = None if weight is None else [weight[labels == k] for k in present]
    ax.hist([x[labels == k] for k in present], bins=histogram_edges(x), density=True, stacked=True,
            weights=weights,
            color=[UNLABELLED if k < 0 else tuple(palette[k]) for k in present], alpha=0.45,
            zorder=1)


def plot_responsibilities(model, X, *, columns=(0, 1), threshold=0.9, max_points=20_000,
                          random_state=0, ax=None):
    """Draw rows in the colours of the components, mixed by their responsibilities.

    A row has the colour ``sum_k resp_k color_k``, so that rows between components are seen to be
    mixed; those whose largest responsibility is below `threshold` are larger and have a dark
    edge. Noise is grey. Over one column the largest responsibility is drawn against it.

    Parameters
    ----------
    model : GaussianMixture
        Fitted; of scikit-learn, too.
    X : array-like of shape (n_samples, n_features)
        NaN is a missing value; rows with NaN in the drawn columns are left out.
    columns : int, str or sequence of one or two, default=(0, 1)
        Positions or names. A model of one feature is drawn over it.
    threshold : float, default=0.9
        A largest responsibility below it is marked; from 0 to 1.
    max_points : int, default=20_000
        Of more rows, so many are drawn; the title says so.
    random_state : int, RandomState instance or None, default=0
        Chooses them.
    ax : matplotlib.axes.Axes, optional
        As :func:`plot_mixture`.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn on.

    Raises
    ------
    NotFittedError, TypeError, ValueError, MissingExtraError
        As :func:`plot_mixture`; a threshold outside of 0..1.

    See Also
    --------
    plot_mixture : The components.
    emkernels.GaussianMixture : Whose posterior it is.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianMixture
    >>> from emkernels.plotting import plot_responsibilities
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> ax = plot_responsibilities(GaussianMixture(2, random_state=0).fit(X), X)
    >>> ax.get_xlabel()
    'x0'
    """
    check_mixture(model)
    if X is None:
        raise TypeError("X must be a table of rows, got None")
    values, names = table_for(model, X)
    at = _drawn_columns(columns, names)
    if not 0 <= _inputs.real(threshold, "threshold") <= 1:
        raise ValueError(f"threshold must lie in 0 .. 1, got {threshold}")
    rows, notes = rows_to_draw(~np.isnan(values[:, at]).any(axis=1), max_points, random_state)
    resp = responsibilities(model, values[rows])
    ax = one_axes(ax)
    largest = resp.max(axis=1)
    n_components, drawn = len(model.means_), values[rows]
    points = drawn[:, at] if len(at) == 2 else np.column_stack([drawn[:, at[0]], largest])
    palette = component_colors(n_components)
    if has_noise(model):
        palette = np.vstack([palette, np.full(3, GREY)])
    mixed, size = np.clip(resp @ palette, 0, 1), mark_size(len(rows))
    soft = largest < threshold
    options = {"rasterized": len(rows) > 5000}
    ax.scatter(*points[~soft].T, c=mixed[~soft], s=size, linewidths=0, alpha=0.8, **options)
    # edges below the colours: many would bury them
    ax.scatter(*points[soft].T, c="none", s=2.5 * size, edgecolors=ink(), linewidths=1,
               zorder=0.9, **options)
    ax.scatter(*points[soft].T, c=mixed[soft], s=2.5 * size, linewidths=0, zorder=2, **options)
    ax.set_xlabel(names[at[0]])
    ax.set_ylabel(names[at[1]] if len(at) == 2 else "largest responsibility")
    handles = [marker(color, "noise" if k == n_components else str(k))
               for k, color in enumerate(palette)]
    if n_components > MAX_LEGEND:
        handles = []
        if len(at) == 2:
            draw_centres(ax, np.asarray(model.means_, np.float64)[:, at], palette, numbered=True)
    handles.append(marker("none", f"below {threshold:g}\n({percent(soft.mean())} of rows)",
                          markeredgecolor=ink(), markersize=8))
    add_legend(ax, handles, title="component" if n_components <= MAX_LEGEND else None)
    set_title(ax, f"Responsibilities, {count(n_components, 'component')}", notes)
    return ax


def _drawn_columns(columns, names):
    """Positions; the default of two columns is one where the model has only one."""
    if len(names) == 1 and not isinstance(columns, str) and np.array_equal(columns, (0, 1)):
        columns = 0
    return column_positions(columns, names)
