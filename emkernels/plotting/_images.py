"""Segmented images and the posteriors of their segments."""

from numbers import Integral

import numpy as np

from emkernels.plotting._canvas import (
    add_legend,
    component_colors,
    count,
    many_axes,
    marker,
    mpl,
    percent,
    set_title,
)

METHODS = {"em": "EM", "kmeans": "K-means"}
# outside of the mask, and where there are no data: hatched, as no segment is
OUTSIDE, HATCH = "#B5CDE3", "#6F8CA8"
LONGEST = 10        # sides that differ by more than this factor are not drawn to scale
MOST_COLUMNS = 3    # of a legend; more segments get a colour bar


def plot_segmentation(result, *, axes=None, axis=0, index=None):
    """Draw an image, its segments in their mean colours, and their overlay on the image.

    Of a volume a slice is drawn; shares and colours in the legend are those of all of it. Values
    other than of uint8 and from 0 to 1 are stretched between percentiles 0.5 and 99.5, and the
    title says which are black and white. Pixels without data are light blue and hatched, and so
    is, among the segments, what is outside of the mask. The legend has every segment in the order
    of the numbers; where there are too many, a colour bar has their tints.

    Parameters
    ----------
    result : Segmentation
        Of :func:`emkernels.segment_image`.
    axes : sequence of 3 matplotlib.axes.Axes, optional
        None: those of a new figure.
    axis : {0, 1, 2}
        Of a volume, the axis across which it is cut.
    index : int, optional
        Of a volume, which slice along `axis`; by default the middle one.

    Returns
    -------
    ndarray of 3 matplotlib.axes.Axes
        Those that were drawn on.

    Raises
    ------
    TypeError
        Not a segmentation.
    ValueError
        Another number of axes; a slice that there is not.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_posteriors : How sure each pixel is.
    emkernels.segment_image : What gives the segmentation.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import segment_image
    >>> from emkernels.plotting import plot_segmentation
    >>> image = np.random.default_rng(0).integers(0, 60, (20, 30), dtype=np.uint8)
    >>> image[5:15, 10:20] += 180
    >>> axes = plot_segmentation(segment_image(image, 2, random_state=0))
    >>> [ax.get_title() for ax in axes]
    ['Image', '2 segments by EM', 'Overlay']
    """
    labels = _labels(result, "n_segments", "fractions", "method", "smoothness", "recolored",
                     "overlay", "displayed")
    cut, where = _slice(labels, axis, index)
    recolored, overlay = result.recolored(), result.overlay()
    outside = cut(labels) < 0
    unknown = getattr(result, "without_data", None)
    unknown = np.zeros(outside.shape, bool) if unknown is None else cut(unknown)
    height, width = outside.shape
    panel = float(np.clip(4 * height / width, 2, 7))
    # a row of the legend is 14 points high, and its title is one
    n_rows = int(panel * 72 / 14) - 1
    n_columns = -(-len(result.fractions) // n_rows)
    axes = many_axes(axes, 3, n_columns=3, layout="compressed", figsize=(
        13.5 + 1.2 * (min(n_columns, MOST_COLUMNS) - 1), panel + 0.6))
    method = METHODS.get(result.method, result.method)
    limits, lines = getattr(result, "limits", None), getattr(result, "lines", None)
    titles = (("Image", where, limits and "black to {:.4g}, white from {:.4g}".format(*limits)),
              (f"{count(result.n_segments, 'segment')} by {method}",
               result.smoothness and f"smoothness {result.smoothness:g}"),
              ("Overlay", lines is not None and not lines.any()
               and len(np.unique(labels[labels >= 0])) > 1 and "without lines: too many edges"))
    pictures = (result.displayed(), unknown), (recolored, outside), (overlay, unknown)
    for ax, (picture, hidden), title in zip(axes, pictures, titles):
        _show(ax, cut(picture), hidden)
        set_title(ax, *title)
    if n_columns > MOST_COLUMNS:
        _tint_bar(axes[2], len(result.fractions))
    else:
        add_legend(axes[2], _shares(labels, recolored, np.asarray(result.fractions)),
                   title="segment: colour, tint", ncols=n_columns)
    return axes


def _show(ax, picture, hidden, **options):
    """A picture, and a hatched ground where it is hidden; not to scale where that is a hairline."""
    height, width = hidden.shape
    if hidden.any():
        ax.patch.set(hatch="////", edgecolor=HATCH, linewidth=0)
        if picture.ndim == 3:
            picture = np.dstack([picture, np.where(hidden, 0, 255).astype(np.uint8)])
        else:
            picture = np.ma.masked_where(hidden, picture)
    ax.set(xticks=[], yticks=[], facecolor=OUTSIDE)
    if max(height, width) > LONGEST * min(height, width):
        options.update(aspect="auto", interpolation="nearest")
        ax.set_xlabel("not to scale", fontsize="small")
    return ax.imshow(picture, **options)


def _tint_bar(ax, n):
    """Tints of many segments with their numbers."""
    kinds = mpl(".colors")
    scale = mpl(".cm").ScalarMappable(
        kinds.BoundaryNorm(np.arange(n + 1) - 0.5, n), kinds.ListedColormap(component_colors(n)))
    ticks = np.unique(np.linspace(0, n - 1, 11).round().astype(int))
    ax.figure.colorbar(scale, ax=ax, label="segment: tint", ticks=ticks)


def _shares(labels, recolored, fractions):
    """Entries of the legend: the segments by number, each with its mean colour and its tint in
    the overlay."""
    labels, colors = labels.ravel(), recolored.reshape(-1, 3)
    tints = component_colors(len(fractions))
    handles = []
    for k in range(len(fractions)):
        at = int((labels == k).argmax())
        empty = labels[at] != k
        handles.append(marker(
            "none" if empty else colors[at] / 255, f"{k} ({percent(fractions[k])})", "s",
            fillstyle="left", markerfacecoloralt="none" if empty else tints[k],
            markeredgecolor="grey", markeredgewidth=0.5, markersize=11))
    return handles


def plot_posteriors(result, *, axes=None, axis=0, index=None):
    """Draw the posterior probability of each segment, a grey map each: black is 0, white is 1.

    Of a volume a slice is drawn. What lies outside of the mask or has no data is light blue and
    hatched. A figure of its own gets a colour bar.

    Parameters
    ----------
    result : Segmentation
        With posteriors.
    axes : sequence of n_segments matplotlib.axes.Axes, optional
        None: those of a new figure.
    axis, index : int
        As in :func:`plot_segmentation`.

    Returns
    -------
    ndarray of n_segments matplotlib.axes.Axes
        Those that were drawn on.

    Raises
    ------
    TypeError
        Not a segmentation.
    ValueError
        Another number of axes; a segmentation without posteriors; a slice that there is not.
    MissingExtraError
        Without matplotlib.

    See Also
    --------
    plot_segmentation : The picture and its segments.
    emkernels.segment_image : What gives the segmentation.

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import segment_image
    >>> from emkernels.plotting import plot_posteriors
    >>> image = np.random.default_rng(0).integers(0, 60, (20, 30), dtype=np.uint8)
    >>> image[5:15, 10:20] += 180
    >>> axes = plot_posteriors(segment_image(image, 2, random_state=0))
    >>> axes[1].get_title()
    'segment 1 (16.7 %)'
    """
    labels = _labels(result, "n_segments", "fractions")
    posteriors = getattr(result, "posteriors", None)    # may be computed at each access
    if posteriors is None:
        raise ValueError("result has no posteriors")
    n_segments = int(result.n_segments)
    cut, where = _slice(labels, axis, index)
    posteriors, outside = cut(np.asarray(posteriors)), cut(labels) < 0
    height, width = outside.shape
    n_columns = min(n_segments, 4)
    panel = float(np.clip(3 * height / width, 1.5, 6)) + 0.4
    own = axes is None
    axes = many_axes(axes, n_segments, n_columns=n_columns, layout="compressed",
                     figsize=(max(3.2 * n_columns, 4) + 0.8, panel * -(-n_segments // n_columns)))
    for k, ax in enumerate(axes):
        picture = _show(ax, posteriors[..., k], outside, cmap="gray", vmin=0, vmax=1,
                        interpolation="nearest")
        set_title(ax, f"segment {k} ({percent(result.fractions[k])})", k == 0 and where)
    if own:
        axes[0].figure.colorbar(picture, ax=list(axes), label="posterior probability")
    return axes


def _labels(result, *needed):
    """The labels, 2-d or 3-d; TypeError for what is not a segmentation."""
    for name in ("labels", *needed):
        if not hasattr(result, name):
            raise TypeError(f"result must be a segmentation, got {type(result).__name__} without "
                            f"{name}")
    labels = np.asarray(result.labels)
    if labels.ndim not in (2, 3):
        raise ValueError(f"an image has 2 or 3 axes, the labels of result have {labels.ndim}")
    return labels


def _slice(labels, axis, index):
    """A function that cuts a plane out of an array of the labels' first axes, and which plane it
    is, in words; an image is its own plane."""
    if labels.ndim == 2:
        if axis != 0 or index is not None:
            raise ValueError("axis and index choose the slice of a volume; result is of an image")
        return lambda array: array, ""
    for name, value in (("axis", axis), ("index", index)):
        if isinstance(value, bool) or not (isinstance(value, Integral) or (
                name == "index" and value is None)):
            raise TypeError(f"{name} must be a whole number, got {value!r}")
    if not 0 <= axis < 3:
        raise ValueError(f"axis must be 0, 1 or 2, got {axis}")
    n = labels.shape[axis]
    index = n // 2 if index is None else index
    if not -n <= index < n:
        raise ValueError(f"index={index}: there are {n} slices along axis {axis}")
    index %= n
    return (lambda array: np.take(array, index, axis=axis),
            f"slice {index} (of 0 to {n - 1}) along axis {axis}")
