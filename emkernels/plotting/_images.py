"""Segmented images and the posteriors of their segments."""

import numpy as np

from emkernels.plotting._canvas import (
    MAX_LEGEND,
    add_legend,
    component_colors,
    count,
    many_axes,
    marker,
    percent,
    set_title,
)

METHODS = {"em": "EM", "kmeans": "K-means"}
OUTSIDE = "#B5CDE3"     # of the mask: not a grey


def plot_segmentation(result, *, axes=None):
    """Draw an image, its segments in their mean colours, and their overlay on the image.

    Of a volume the middle slice is drawn; shares and colours in the legend are those of all of it.

    Parameters
    ----------
    result : Segmentation
    axes : sequence of 3 matplotlib.axes.Axes, optional

    Returns
    -------
    ndarray of 3 matplotlib.axes.Axes

    Raises
    ------
    TypeError
        Not a segmentation.
    ValueError
        Another number of axes.
    MissingExtraError
        Without matplotlib.

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
    recolored = result.recolored()
    pictures = [_slice(picture, labels.ndim)
                for picture in (result.displayed(), recolored, result.overlay())]
    height, width = pictures[0].shape[:2]
    panel = float(np.clip(4 * height / width, 2, 7))
    axes = many_axes(axes, 3, n_columns=3, figsize=(13.5, panel + 0.6), layout="compressed")
    method = METHODS.get(result.method, result.method)
    titles = (("Image", labels.ndim == 3 and
               f"slice {len(labels) // 2} (of 0 to {len(labels) - 1})"),
              (f"{count(result.n_segments, 'segment')} by {method}",
               result.smoothness and f"smoothness {result.smoothness:g}"),
              ("Overlay",))
    for ax, picture, title in zip(axes, pictures, titles):
        ax.imshow(picture)
        ax.set(xticks=[], yticks=[])
        set_title(ax, *title)
    add_legend(axes[2], _shares(labels, recolored, np.asarray(result.fractions)),
               title="segment: colour, tint")
    return axes


def _shares(labels, recolored, fractions):
    """Entries of the legend: the segments by share, the largest first, each with its mean colour
    and its tint in the overlay."""
    labels, colors = labels.ravel(), recolored.reshape(-1, 3)
    tints = component_colors(len(fractions))
    order = np.argsort(-fractions, kind="stable")
    handles = []
    for k in order[:MAX_LEGEND]:
        at = int((labels == k).argmax())
        empty = labels[at] != k
        handles.append(marker(
            "none" if empty else colors[at] / 255, f"{k} ({percent(fractions[k])})", "s",
            fillstyle="left", markerfacecoloralt="none" if empty else tints[k],
            markeredgecolor="grey", markeredgewidth=0.5, markersize=11))
    if len(order) > MAX_LEGEND:
        rest = order[MAX_LEGEND:]
        handles.append(marker("none", f"{len(rest)} more ({percent(fractions[rest].sum())})", "s"))
    return handles


def plot_posteriors(result, *, axes=None):
    """Draw the posterior probability of each segment, a grey map each: black is 0, white is 1.

    Of a volume the middle slice is drawn. What lies outside of the mask is light blue. A figure
    of its own gets a colour bar.

    Parameters
    ----------
    result : Segmentation
        With posteriors.
    axes : sequence of n_segments matplotlib.axes.Axes, optional

    Returns
    -------
    ndarray of n_segments matplotlib.axes.Axes

    Raises
    ------
    TypeError
        Not a segmentation.
    ValueError
        Another number of axes; a segmentation without posteriors.
    MissingExtraError
        Without matplotlib.

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
    posteriors = _slice(np.asarray(posteriors), labels.ndim)
    inside = _slice(labels, labels.ndim) >= 0
    height, width = inside.shape
    n_columns = min(n_segments, 4)
    panel = float(np.clip(3 * height / width, 1.5, 6)) + 0.4
    own = axes is None
    axes = many_axes(axes, n_segments, n_columns=n_columns, layout="compressed",
                     figsize=(max(3.2 * n_columns, 4) + 0.8, panel * -(-n_segments // n_columns)))
    for k, ax in enumerate(axes):
        picture = ax.imshow(np.ma.masked_where(~inside, posteriors[..., k]), cmap="gray", vmin=0,
                            vmax=1, interpolation="nearest")
        ax.set(xticks=[], yticks=[], facecolor=OUTSIDE)
        set_title(ax, f"segment {k} ({percent(result.fractions[k])})")
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


def _slice(array, n_axes):
    """The image, or the middle slice of a volume."""
    return array[len(array) // 2] if n_axes == 3 else array
