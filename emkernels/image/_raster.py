"""What the user passes as an image: its axes, its channels and which pixels count."""

from dataclasses import dataclass
from numbers import Integral
from os import PathLike

import numpy as np

from emkernels.image._nodata import CHUNK, leave_out, sentinels


@dataclass
class Raster:
    """The pixels of an image in C order; values is a view where the layout allows.

    Attributes
    ----------
    shape : tuple of int
        Of the grid, without channels.
    values : ndarray of shape (n_pixels, n_channels)
        In the image's dtype (bool as uint8), without the alpha channel.
    inside : bool ndarray of shape (n_pixels,) or None
        Which pixels take part; None: all.
    divisor : int or None
        What integers are divided by to become features; None for floats. `values` are floats
        where single channels of integers are unknown, as NaN.
    is_bool : bool
    dtype : numpy.dtype
        Of the image.
    low, high : int or float
        The smallest and the largest value inside, NaN left out.
    has_nan : bool
        Inside, beside channels that are known.
    known : bool ndarray of shape (n_pixels,) or None
        False where no channel is known, inside of the mask or not; None: nowhere.
    n_nodata : int
        Pixels left out because of that.
    clear : bool ndarray of shape (n_pixels,) or None
        Where alpha is 0; None: there is no alpha.
    notes : tuple of str
        What a user should be told of how the image was read.
    """

    shape: tuple
    values: np.ndarray
    inside: np.ndarray | None
    divisor: int | None = None
    is_bool: bool = False
    low: float = 0
    high: float = 0
    has_nan: bool = False
    dtype: np.dtype | None = None
    known: np.ndarray | None = None
    n_nodata: int = 0
    clear: np.ndarray | None = None
    notes: tuple = ()

    @property
    def n_pixels(self):
        return len(self.values)

    @property
    def n_inside(self):
        return self.n_pixels if self.inside is None else int(np.count_nonzero(self.inside))

    def blocks(self):
        """(slice of the pixels, values of those inside) for consecutive blocks of pixels."""
        for first in range(0, self.n_pixels, CHUNK):
            part = slice(first, first + CHUNK)
            block = self.values[part]
            yield part, block if self.inside is None else block[self.inside[part]]

    def position(self, part, found):
        """Index of a pixel in the image's grid: the `found`-th inside of a block."""
        if self.inside is not None:
            found = np.flatnonzero(self.inside[part])[found]
        return tuple(int(i) for i in np.unravel_index(part.start + found, self.shape))

    def pixel(self, part, found, channel):
        """The words for a value in an error message."""
        text = f"pixel {self.position(part, found)}"
        return text if self.values.shape[1] == 1 else f"{text}, channel {int(channel)}"


def read_raster(image, channel_axis="auto", mask=None, alpha=None, nodata=None, together=False):
    """The Raster of an image, checked; ValueError or TypeError says what is wrong with it.
    `together`: a pixel without one of its channels is not known."""
    if isinstance(image, (str, PathLike)):
        raise TypeError(
            f"image must be an array, got the name {str(image)!r}: read the file first, as by "
            f"skimage.io.imread, or use the command `emkernels segment {image}`")
    image, hidden = _unmasked(image)
    if image.dtype.kind not in "buif" or image.dtype.itemsize > 8:
        raise TypeError(
            "image must be an array of bool, integers or floats of at most 64 bits, got "
            f"{image.dtype}")
    if image.size == 0:
        raise ValueError(f"image is empty: its shape is {image.shape}")
    if alpha is not None and not isinstance(alpha, (bool, np.bool_)):
        raise TypeError(f"alpha must be True, False or None, got {alpha!r}")
    axis, alpha, note = _find_channels(image, channel_axis, alpha)
    pixels = image[..., None] if axis is None else np.moveaxis(image, axis, -1)
    shape = pixels.shape[:-1]
    if len(shape) not in (2, 3):
        raise ValueError(
            f"image must have 2 or 3 axes beside that of the channels, got shape {image.shape} "
            f"with channel_axis={channel_axis!r}")
    mask, clear = _check_mask(mask, shape), None
    if alpha:
        clear = (pixels[..., -1] == 0).reshape(-1)
        opaque = pixels[..., -1] != 0
        mask, pixels = opaque if mask is None else mask & opaque, pixels[..., :-1]
        if not mask.any():
            raise ValueError("every pixel that may take part is transparent (alpha is 0); "
                             "alpha=False makes alpha a channel like the others")
    values = pixels.reshape(-1, pixels.shape[-1])
    inside = None if mask is None or mask.all() else np.ascontiguousarray(mask).reshape(-1)
    if hidden is not None:
        hidden = hidden[..., None] if axis is None else np.moveaxis(hidden, axis, -1)
        hidden = hidden[..., : pixels.shape[-1]].reshape(values.shape)
    notes = [note] if note else []
    if nodata is None:
        notes += sentinels(values, inside)
    masked = inside
    values, inside, known = leave_out(values, masked, hidden, nodata, together)
    n_nodata = 0 if known is None else int(np.count_nonzero(
        ~known if masked is None else masked & ~known))
    is_bool = pixels.dtype == bool
    raster = Raster(shape, values.view(np.uint8) if values.dtype == bool else values, inside,
                    is_bool=is_bool, dtype=pixels.dtype, known=known, n_nodata=n_nodata,
                    clear=clear, notes=tuple(notes))
    if values.dtype.kind == "f":
        _scan_floats(raster)
        if pixels.dtype.kind != "f":
            raster.low, raster.high = int(raster.low), int(raster.high)
    else:
        raster.low = min(int(block.min()) for _, block in raster.blocks() if len(block))
        raster.high = max(int(block.max()) for _, block in raster.blocks() if len(block))
    if pixels.dtype.kind != "f":
        raster.divisor = _divisor(pixels.dtype, raster)
    return raster


def _unmasked(image):
    """The array, and where a masked one is masked."""
    if not np.ma.isMaskedArray(image):
        return np.asarray(image), None
    hidden = np.ma.getmaskarray(image)
    return image.data, hidden if hidden.any() else None


def _find_channels(image, channel_axis, alpha):
    """The axis of the channels, or None; whether the last of them is alpha; and what is to be
    said about a guess."""
    shape = image.shape
    if isinstance(channel_axis, str):
        if channel_axis != "auto":
            raise ValueError(f"channel_axis must be 'auto', None or an int, got {channel_axis!r}")
        if len(shape) not in (2, 3, 4):
            raise ValueError(f"image must have 2 to 4 axes, got shape {shape}")
        axis, is_alpha, note = _guess(shape, image.dtype == np.uint8, alpha)
    elif channel_axis is None:
        axis, is_alpha, note = None, False, None
    elif isinstance(channel_axis, bool) or not isinstance(channel_axis, Integral):
        raise TypeError(f"channel_axis must be 'auto', None or an int, got {channel_axis!r}")
    elif not -len(shape) <= channel_axis < len(shape):
        raise ValueError(f"channel_axis={channel_axis} is not an axis of shape {shape}")
    else:
        axis, is_alpha, note = int(channel_axis), bool(alpha), None
    if alpha and (axis is None or shape[axis] < 2):
        raise ValueError(
            f"alpha=True needs a channel beside alpha, but an image of shape {shape} with "
            f"channel_axis={channel_axis!r} has not")
    return axis, is_alpha, note


def _guess(shape, is_uint8, alpha):
    """What 'auto' makes of a shape: the axis, whether there is alpha, and what to say of it."""
    if len(shape) == 2:
        return None, False, None
    n = shape[-1]
    if alpha:
        return -1, True, None
    if len(shape) == 4:
        return -1, False, None if n <= 3 else (
            f"image of shape {shape} is read as a volume with {n} channels; channel_axis=-1 says "
            "so without this warning, another channel_axis that the channels are elsewhere")
    if n == 4 and is_uint8:
        return -1, alpha is None, None
    if n in (1, 3) and (n == 1 or is_uint8 or min(shape[:2]) >= 32):
        return -1, False, None
    if n in (3, 4):
        what = "a picture with 3 channels" if n == 3 else (
            "a picture with 4 channels, each a feature (alpha=True: the last is alpha)")
        return -1, False, (
            f"image of shape {shape} is read as {what}; channel_axis=-1 says so without this "
            "warning, channel_axis=None that it is a volume")
    return None, False, (
        f"image of shape {shape} is read as a volume; channel_axis=None says so without this "
        "warning, channel_axis=-1 or 0 that its last or first axis holds channels")


def _check_mask(mask, shape):
    if mask is None:
        return None
    mask = _two_values(np.asarray(mask))
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"mask must be boolean of shape {shape}, the image's without channels; got "
            f"{mask.dtype} of shape {mask.shape}")
    if not mask.any():
        raise ValueError("mask is False everywhere: no pixel is left to segment")
    return mask


def _two_values(mask):
    """A mask of numbers as bool, where they are 0 and one other; another array as it is."""
    if mask.dtype.kind not in "uif" or mask.size == 0:
        return mask
    first, other = mask.min(), mask.max()
    if first == 0 or first == other:
        between = (mask != first) & (mask != other)
        if not between.any():
            return mask != 0
        value = mask[between].flat[0]
    else:
        value = first
    raise ValueError(
        f"mask has {value} beside {'0 and ' if first == 0 else ''}{other}, and does not say what "
        "takes part: make it boolean, for instance mask > 0")


def _divisor(dtype, raster):
    """The largest value that the dtype can hold; what there is in wider integers, where that
    says nothing about the image."""
    if dtype.kind == "b":
        return 1
    if dtype.itemsize <= 2:
        return int(np.iinfo(dtype).max)
    return max(abs(raster.low), abs(raster.high), 1)


def _scan_floats(raster):
    """Sets low, high and has_nan; an infinity or a channel of NaN alone is an error."""
    seen = np.zeros(raster.values.shape[1], bool)
    raster.low, raster.high = np.inf, -np.inf
    for part, block in raster.blocks():
        finite = np.isfinite(block)
        if not finite.all():
            infinite = np.argwhere(np.isinf(block))
            if len(infinite):
                raise ValueError(
                    f"image is infinite at {raster.pixel(part, *infinite[0])}; leave it out with "
                    "a mask, or make it NaN where it is unknown")
            raster.has_nan = True
        seen |= finite.any(axis=0)
        raster.low = min(raster.low, float(block.min(where=finite, initial=np.inf)))
        raster.high = max(raster.high, float(block.max(where=finite, initial=-np.inf)))
    largest = max(abs(raster.low), abs(raster.high))
    # squares of these, and of a millionth of them, are to be had
    if seen.all() and (largest > 1e140 or 0 < largest < 1e-140):
        raise ValueError(
            f"image has values up to {largest:.3g}, of which the squares overflow or vanish: "
            "rescale it")
    if not seen.all():
        where = "" if len(seen) == 1 else f" in channel {int(seen.argmin())}"
        raise ValueError(f"image has nothing but NaN{where}")
