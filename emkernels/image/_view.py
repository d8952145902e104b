"""Images of segmentations as uint8 RGB."""

import numpy as np

from emkernels.image._raster import CHUNK
from emkernels.plotting import component_colors

NEUTRAL = 128       # grey, for what has no colour


def to_rgb(raster, values):
    """Values (n, n_channels) in the image's units as uint8 (n, 3).

    uint8 and bool are shown as they are, floats too where all are between 0 and 1; of other
    images the smallest value inside of the mask becomes black, the largest white. The first
    three channels are red, green and blue; of one or two channels the first is shown as grey.
    """
    low, high = raster.low, raster.high
    if raster.values.dtype == np.uint8:
        low, high = 0, raster.divisor
    elif raster.divisor is None and low >= 0 and high <= 1:
        low, high = 0, 1
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


def tints(colors, n):
    """Colours of segments as uint8 (n, 3): those given, checked, or those of every picture."""
    colors = component_colors(n) if colors is None else np.asarray(colors)
    if colors.shape != (n, 3):
        raise ValueError(f"colors must have shape ({n}, 3), got {colors.shape}")
    top = 1 if colors.dtype.kind == "f" else 255
    if colors.dtype.kind not in "uif" or not ((colors >= 0) & (colors <= top)).all():
        raise ValueError("colors must be integers from 0 to 255 or floats from 0 to 1")
    return np.rint(colors * (255 // top)).astype(np.uint8)
