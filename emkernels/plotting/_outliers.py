"""Outliers, as a mixture of Student t distributions weighs them."""

import numpy as np

from emkernels import _inputs
from emkernels.data import Rows
from emkernels.models.mixture.fitted import fitted_type
from emkernels.plotting._canvas import (
    add_legend,
    column_positions,
    component_colors,
    count,
    ink,
    line,
    mark_size,
    marker,
    mpl,
    one_axes,
    percent,
    rows_to_draw,
    set_title,
)
from emkernels.plotting._gaussians import (
    check_mixture,
    check_n_std,
    draw_centres,
    draw_ellipses,
    kind_of,
    projected,
    selecting,
    table_for,
)


def plot_outliers(model, X, other=None, *, columns=(0, 1), n_std=2, threshold=0.25,
                  max_points=20_000, random_state=0, ax=None):
    """Draw rows by what a fitted mixture of Student t distributions makes of them.

    Two columns: the darker a row, the less its `outlier_weight`; those below `threshold` have a
    ring. The ellipses ``(x - mean)' scatter^-1 (x - mean) = n_std^2`` are those of the components;
    those of another mixture, a Gaussian one of the same rows say, are dashed.

    Parameters
    ----------
    model : StudentTMixture
        Fitted.
    X : array-like of shape (n_samples, n_features)
        NaN is a missing value; rows with NaN in the drawn columns are left out.
    other : GaussianMixture or StudentTMixture, optional
        Fitted to the same columns; of scikit-learn, too.
    columns : sequence of two int or str, default=(0, 1)
        Positions or names.
    n_std : float or sequence of float, default=2
        Radii of the ellipses, in scales of a t component, and in standard deviations of a normal
        one.
    threshold : float, default=0.25
    max_points : int, default=20_000
        Of more rows, so many are drawn; the title says so.
    random_state : int, RandomState instance or None, default=0
        Chooses them.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    NotFittedError, TypeError
        A model that is not fitted, or has no `outlier_weight`; a threshold that is no number.
    ValueError
        Columns that are not there, an X of other columns, an infinity in X, a threshold that is
        not positive.
    MissingExtraError
        Without matplotlib.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import GaussianMixture, StudentTMixture
    >>> from emkernels.plotting import plot_outliers
    >>> X = np.random.default_rng(0).standard_t(2, size=(100, 2))
    >>> ax = plot_outliers(StudentTMixture(df=2).fit(X), X, GaussianMixture().fit(X))
    >>> len(ax.patches)
    2
    """
    check_mixture(model)
    if not hasattr(model, "outlier_weight"):
        raise TypeError(f"model must be a StudentTMixture, got {type(model).__name__}")
    if X is None:
        raise TypeError("X must be a table of rows, got None")
    values, names = table_for(model, X)
    if len(names) < 2:
        raise ValueError("the picture has two columns, and X has one")
    at = column_positions(columns, names)
    if len(at) != 2:
        raise ValueError("columns must name 2 columns, got 1")
    n_std = check_n_std(n_std)
    if not _inputs.real(threshold, "threshold") > 0:
        raise ValueError(f"threshold must be positive, got {threshold}")
    if other is not None:
        check_mixture(other)
        table_for(other, X)
    rows, notes = rows_to_draw(~np.isnan(values[:, at]).any(axis=1), max_points, random_state)
    weight = model.outlier_weight(Rows.read(values[rows]))      # names were compared
    points, out = values[rows][:, at], weight < threshold
    ax = one_axes(ax, figsize=(8, 4.8))
    options = {"rasterized": len(rows) > 5000}
    drawn = ax.scatter(*points.T, c=np.minimum(weight, 1), s=mark_size(len(rows)), linewidths=0,
                       cmap="viridis", vmin=0, vmax=1, alpha=0.8, zorder=2, **options)
    ax.scatter(*points[out].T, facecolors="none", s=4 * mark_size(len(rows)), edgecolors=ink(),
               linewidths=0.9, zorder=3, **options)
    directions = selecting(at, len(names))
    students, radii = projected(model, directions), ", ".join(f"{n:g}" for n in n_std[::-1])
    colors = component_colors(len(students.weights))
    draw_ellipses(ax, students, colors, n_std, facecolor="none", linewidth=2)
    draw_centres(ax, students.means, colors, numbered=False)
    handles = [line(colors[0], f"Student t: {radii} scales", linewidth=2)]
    if other is not None:
        gaussians = projected(other, directions)
        grey = np.resize(mpl(".colors").to_rgb(ink()), (len(gaussians.weights), 3))
        draw_ellipses(ax, gaussians, grey, n_std, facecolor="none", linestyle="--", linewidth=1.2)
        what = "scales" if hasattr(other, "scatters_") else "std. dev."
        handles.append(line(ink(), f"{kind_of(other)}: {radii} {what}", linestyle="--"))
    handles.append(marker(ink(), f"weight below {threshold:g}\n({percent(out.mean())} of rows)",
                          fillstyle="none", markersize=8))
    ax.set(xlabel=names[at[0]], ylabel=names[at[1]])
    ax.figure.colorbar(drawn, ax=ax, label="weight u of the row")
    add_legend(ax, handles)
    set_title(ax, f"{kind_of(model)}, {count(len(colors), 'component')} ({fitted_type(model)})",
              notes)
    return ax
