"""Images of segmentations as uint8 RGB."""

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from emkernels.image._raster import CHUNK
from emkernels.plotting import component_colors

NEUTRAL = 128                       # grey, for a channel that is not known
OUTSIDE = (181, 205, 227)           # light blue, for what is in no segment
MOST_LINES = 0.25                   # lines on a larger share of the pixels hide the tints
DARK, BRIGHT = 0.5, 99.5            # percentiles that become black and white
SAMPLE = 1 << 20                    # values that they are judged by


def limits(raster):
    """The values that become black and white, or None where the image is shown as it is."""
    if raster.dtype in (np.uint8, bool) or (
            raster.divisor is None and raster.low >= 0 and raster.high <= 1):
        return None
    step = -(-raster.values.size // SAMPLE) | 1     # odd: not always the same columns
    sample = raster.values[::step] if raster.inside is None else (
        raster.values[np.flatnonzero(raster.inside)[::step]])
    low, high = np.nanpercentile(sample.astype(np.float64), (DARK, BRIGHT))
    # where nearly all pixels are the same, the others are what there is to see
    return (float(low), float(high)) if low < high else (raster.low, raster.high)


def to_rgb(raster, values):
    """Values (n, n_channels) in the image's units as uint8 (n, 3).

    uint8 and bool are shown as they are, floats too where all are between 0 and 1; others from
    black to white between the `limits`. The first three channels are red, green and blue; of one
    or two channels the first is shown as grey.
    """
    low, high = limits(raster) or (0, raster.divisor or 1)
    channels = slice(0, 3) if values.shape[1] >= 3 else slice(0, 1)
    out = np.empty((len(values), 3), np.uint8)
    for first in range(0, len(values), CHUNK):
        part = slice(first, first + CHUNK)
        shades = (values[part, channels].astype(np.float64) - low) * (255 / ((high - low) or 1))
        shades = np.clip(np.rint(shades), 0, 255)
        out[part] = np.where(np.isnan(shades), NEUTRAL, shades)
    return out


def boundaries(labels):
    """Where a pixel's label differs from that of the pixel after it along one of the last two
    axes; bool, of the shape of labels. Label -1 is no segment, and ends none."""
    out = np.zeros(labels.shape, bool)
    out[..., :-1, :] |= labels[..., :-1, :] != labels[..., 1:, :]
    out[..., :-1] |= labels[..., :-1] != labels[..., 1:]
    return out & (labels >= 0)


def lines(labels):
    """Those of the boundaries that hide nothing: none where a segment is less than 3 pixels
    thick, and none at all where boundaries are a quarter of the pixels."""
    out = boundaries(labels)
    if out.mean() >= MOST_LINES:
        return np.zeros_like(out)
    size = (1,) * (labels.ndim - 2) + (3, 3)
    # the middle of 3 x 3 pixels of one label, and all that such squares cover
    middle = (minimum_filter(labels, size, mode="nearest")
              == maximum_filter(labels, size, mode="nearest"))
    return out & maximum_filter(middle, size, mode="nearest")


def tints(colors, n):
    """Colours of segments as uint8 (n, 3): those given, checked, or those of every picture."""
    colors = component_colors(n) if colors is None else np.asarray(colors)
    if colors.shape != (n, 3):
        raise ValueError(f"colors must have shape ({n}, 3), got {colors.shape}")
    top = 1 if colors.dtype.kind == "f" else 255
    if colors.dtype.kind not in "uif" or not ((colors >= 0) & (colors <= top)).all():
        raise ValueError("colors must be integers from 0 to 255 or floats from 0 to 1")
    return np.rint(colors * (255 // top)).astype(np.uint8)
