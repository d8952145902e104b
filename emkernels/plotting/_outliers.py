"""Outliers, as a mixture of Student t distributions or one with noise weighs them."""

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
    has_noise,
    kind_of,
    projected,
    responsibilities,
    selecting,
    table_for,
)

# Rows of less weight are outliers of Student t.
STUDENTS = 0.25


def plot_outliers(model, X, other=None, *, columns=(0, 1), n_std=2, threshold=None,
                  max_points=20_000, random_state=0, ax=None):
    """Draw rows by how far a mixture of Student t distributions, or one with noise, counts them.

    Two columns: the darker a row, the less its `outlier_weight`, or the less probable it is that
    it is no noise. Rows of a small weight have a ring, and rows that are noise are crosses. The
    ellipses ``(x - mean)' scatter^-1 (x - mean) = n_std^2`` are those of the components; those of
    another mixture, a Gaussian one of the same rows say, are dashed.

    Parameters
    ----------
    model : StudentTMixture, or GaussianMixture with noise
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
    threshold : float, optional
        Rows of less weight are outliers. None: of Student t 0.25; with noise those that
        `predict` calls noise, whatever their weight.
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
        A model that is not fitted, or has neither `outlier_weight` nor noise; a threshold that is
        no number.
    ValueError
        Columns that are not there, an X of other columns, an infinity in X, a threshold that is
        not positive.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_mixture : The components.
    emkernels.StudentTMixture : Whose weights they are.

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
    noise = has_noise(model)
    if not noise and not hasattr(model, "outlier_weight"):
        raise TypeError("model must be a StudentTMixture, or a GaussianMixture with noise, got "
                        f"{type(model).__name__}" + " without noise" * hasattr(model, "noise"))
    if X is None:
        raise TypeError("X must be a table of rows, got None")
    values, names = table_for(model, X)
    if len(names) < 2:
        raise ValueError("the picture has two columns, and X has one")
    at = column_positions(columns, names)
    if len(at) != 2:
        raise ValueError("columns must name 2 columns, got 1")
    n_std = check_n_std(n_std)
    if threshold is not None and not _inputs.real(threshold, "threshold") > 0:
        raise ValueError(f"threshold must be positive, got {threshold}")
    if other is not None:
        check_mixture(other)
        table_for(other, X)
    rows, notes = rows_to_draw(~np.isnan(values[:, at]).any(axis=1), max_points, random_state)
    points, (weight, out) = values[rows][:, at], _weighed(model, values[rows], threshold)
    ax = one_axes(ax, figsize=(8, 4.8))
    options = {"rasterized": len(rows) > 5000}
    inside = ~out if noise else slice(None)
    drawn = ax.scatter(*points[inside].T, c=np.minimum(weight[inside], 1), s=mark_size(len(rows)),
                       linewidths=0, cmap="viridis", vmin=0, vmax=1, alpha=0.8, zorder=2,
                       **options)
    if noise:
        marks = {"marker": "x", "s": 2 * mark_size(len(rows)), "color": ink()}
    else:
        marks = {"s": 4 * mark_size(len(rows)), "facecolors": "none", "edgecolors": ink()}
    ax.scatter(*points[out].T, linewidths=0.9, zorder=3, **marks, **options)
    directions = selecting(at, len(names))
    mixture, radii = projected(model, directions), ", ".join(f"{n:g}" for n in n_std[::-1])
    colors = component_colors(len(mixture.weights))
    draw_ellipses(ax, mixture, colors, n_std, facecolor="none", linewidth=2)
    draw_centres(ax, mixture.means, colors, numbered=False)
    handles = [line(colors[0], f"{_name(model)}: {radii} {_unit(model)}", linewidth=2)]
    if other is not None:
        gaussians = projected(other, directions)
        grey = np.resize(mpl(".colors").to_rgb(ink()), (len(gaussians.weights), 3))
        draw_ellipses(ax, gaussians, grey, n_std, facecolor="none", linestyle="--", linewidth=1.2)
        handles.append(line(ink(), f"{kind_of(other)}: {radii} {_unit(other)}", linestyle="--"))
    what = f"weight below {threshold or STUDENTS:g}" if threshold or not noise else "noise"
    handles.append(marker(ink(), f"{what}\n({percent(out.mean())} of rows)",
                          **{"shape": "x"} if noise else {"fillstyle": "none", "markersize": 8}))
    ax.set(xlabel=names[at[0]], ylabel=names[at[1]])
    ax.figure.colorbar(drawn, ax=ax, label="probability that the row is no noise" if noise
                       else "weight u of the row")
    add_legend(ax, handles)
    set_title(ax, f"{kind_of(model)}, {count(len(colors), 'component')} ({fitted_type(model)})"
              + ", noise" * noise, notes)
    return ax


def _weighed(model, rows, threshold):
    """Weights of rows, and which of them are out."""
    if has_noise(model):
        resp = responsibilities(model, rows)
        weight = 1 - resp[:, -1]
        out = resp.argmax(axis=1) == resp.shape[1] - 1
    else:
        weight = model.outlier_weight(Rows.read(rows))      # names were compared
        out = weight < STUDENTS
    return weight, out if threshold is None else weight < threshold


def _name(model):
    return "Student t" if hasattr(model, "scatters_") else "normal"


def _unit(model):
    return "scales" if hasattr(model, "scatters_") else "std. dev."
