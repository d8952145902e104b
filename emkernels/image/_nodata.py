"""Pixels without data: NaN, masked, or of a value that says so; and values that seem to."""

from numbers import Real

import numpy as np

CHUNK = 1 << 18     # pixels worked on at a time
USUAL = (-32768, -9999, -99999)     # what often stands for no data
HUGE = 1e15         # an extreme beyond this may be the only value beside one other
HOPELESS = 1e3      # in floats an extreme so many spans away leaves nothing of the others


def leave_out(values, inside, hidden, nodata, together=False):
    """Take out what is not known.

    Parameters
    ----------
    values : ndarray of shape (n_pixels, n_channels)
        Not changed; copied where single channels of a pixel become NaN.
    inside : bool ndarray of shape (n_pixels,) or None
    hidden : bool ndarray of the shape of values, or None
        The mask of a masked array.
    nodata : None, a number or one for each channel
        Values that mean that there is none. In uint8, where every value is a colour, only a
        pixel with all of them has no data; in other types each channel stands for itself.
    together : bool
        A pixel without one of its channels is not known.

    Returns
    -------
    values : ndarray
        Floats where a channel of an integer pixel became NaN.
    inside : bool ndarray or None
        False too where no channel is known.
    known : bool ndarray of shape (n_pixels,) or None
        False where no channel is, inside of the mask or not; None: nowhere.
    """
    marks = None if nodata is None else _check_nodata(nodata, values.shape[1])
    is_float = values.dtype.kind == "f"
    if marks is None and hidden is None and not is_float:
        return values, inside, None
    known = np.ones(len(values), bool)
    partly = []         # blocks where a channel becomes NaN
    for first in range(0, len(values), CHUNK):
        part = slice(first, first + CHUNK)
        gone = np.zeros(values[part].shape, bool) if hidden is None else hidden[part].copy()
        if marks is not None:
            marked = _equal(values[part], marks)
            if values.dtype == np.uint8:
                marked &= marked.all(axis=1, keepdims=True)
            gone |= marked
        fresh = gone.any()
        unknown = gone | np.isnan(values[part]) if is_float else gone
        empty = unknown.any(axis=1) if together else unknown.all(axis=1)
        known[part] = ~empty
        if fresh:
            gone[empty] = False
            if gone.any():
                partly.append((part, gone))
    if partly:
        if not is_float:
            wide = values.dtype.itemsize > 2
            values = values.astype(np.float64 if wide else np.float32)
        else:
            values = values.copy()
        for part, gone in partly:
            values[part][gone] = np.nan
    if known.all():
        return values, inside, None
    inside = known if inside is None else inside & known
    if not inside.any():
        raise ValueError(
            "every pixel that may take part is without data (NaN" + (
                ", masked" if hidden is not None else "") + (
                f" or {nodata}" if nodata is not None else "") + ")")
    return values, inside, known


def _check_nodata(nodata, n_channels):
    values = list(nodata) if isinstance(nodata, (list, tuple, np.ndarray)) and (
        np.ndim(nodata) == 1) else [nodata] * n_channels
    if len(values) != n_channels or not all(
            isinstance(value, (Real, np.bool_)) for value in values):
        raise ValueError(
            f"nodata must be a number or one for each of {n_channels} channels, got {nodata!r}")
    return values


def _equal(block, marks):
    """Where each channel has its mark, as the image's type holds it."""
    out = np.zeros(block.shape, bool)
    for channel, mark in enumerate(marks):
        column = block[:, channel]
        if block.dtype.kind == "f":
            with np.errstate(over="ignore"):
                mark = block.dtype.type(mark)
            out[:, channel] = np.isnan(column) if np.isnan(mark) else column == mark
        elif mark == mark and abs(mark) < np.inf and int(mark) == mark:
            out[:, channel] = column == int(mark) if _fits(int(mark), block.dtype) else False
    return out


def _fits(value, dtype):
    if dtype.kind == "b":
        return value in (0, 1)
    info = np.iinfo(dtype)
    return info.min <= value <= info.max


def sentinels(values, inside):
    """Sentences about an extreme that looks like a mark for no data: it repeats exactly, in a
    thousandth of the pixels or more, and lies far outside of all other values. ValueError where
    nothing could be seen beside it."""
    if values.dtype.kind == "b" or values.dtype.itemsize == 1:
        return []
    low, high = np.inf, -np.inf
    for block in _blocks(values, inside):
        finite = block if block.dtype.kind != "f" else block[np.isfinite(block)]
        if finite.size:
            low, high = min(low, finite.min().item()), max(high, finite.max().item())
    if not low < high:
        return []
    ends = {low: 0, high: 0}
    rest_low, rest_high, total = np.inf, -np.inf, 0
    for block in _blocks(values, inside):
        finite = block if block.dtype.kind != "f" else block[np.isfinite(block)]
        total += finite.size
        between = finite[(finite != low) & (finite != high)]
        for end in ends:
            ends[end] += int(np.count_nonzero(finite == end))
        if between.size:
            rest_low = min(rest_low, between.min().item())
            rest_high = max(rest_high, between.max().item())
    notes = []
    for end, other in ((low, high), (high, low)):
        if ends[end] < max(4, total / 1000):
            continue
        # the other end is one of the rest, unless it is far out as well
        for most in ((rest_low, rest_high), (min(rest_low, other), max(rest_high, other))):
            if _is_far(end, *most):
                gap = max(most[0] - end, end - most[1])
                if values.dtype.kind == "f" and gap > HOPELESS * (most[1] - most[0]):
                    raise ValueError(
                        f"{ends[end]} values of the image are exactly {end:.8g}, beside which the "
                        f"others ({most[0]:.6g} to {most[1]:.6g}) cannot be told apart: say "
                        f"nodata={end:.8g} where they mean no data, or leave them out with a mask")
                notes.append(
                    f"{ends[end]} values of the image are exactly {end:.8g}, far outside of the "
                    f"others ({most[0]:.6g} to {most[1]:.6g}), and count as they are: where they "
                    f"mean no data, say nodata={end:.8g}")
                break
    return notes


def _is_far(end, low, high):
    if not low <= high:
        return False
    span, gap = float(high) - float(low), max(float(low) - end, float(end) - high)
    size = max(abs(float(low)), abs(float(high)))
    if gap <= 0 or abs(end) <= size:
        return False
    if abs(end) >= HUGE and abs(end) >= 1e3 * size:
        return True
    if span == 0:
        return end in USUAL
    return (gap >= 3 * span and abs(end) >= 3 * size) or (end in USUAL and gap >= span)


def _blocks(values, inside):
    for first in range(0, len(values), CHUNK):
        part = slice(first, first + CHUNK)
        yield values[part] if inside is None else values[part][inside[part]]
