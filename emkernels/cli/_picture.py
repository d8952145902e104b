"""A picture as a file holds it, and what Pillow makes of one."""

from dataclasses import dataclass, field

import numpy as np

from emkernels._extras import optional
from emkernels.cli._messages import CommandError


@dataclass
class Picture:
    """Pixels in the file's own depth and sign.

    Attributes
    ----------
    pixels : ndarray
        (height, width), or (depth, height, width) of a volume; then the channels, if any.
    channels : bool
        The last axis is that of the channels.
    alpha : bool
        The last channel is alpha.
    known : bool ndarray of the shape without channels, or None
        False where the file says that there are no data, by a mask or an index of its own.
    nodata : float or None
        The value that stands for no data, in `pixels`.
    places : list of (tag, type, count, value)
        TIFF tags that say where on the Earth the pixels lie.
    """

    pixels: np.ndarray
    channels: bool = False
    alpha: bool = False
    known: np.ndarray | None = None
    nodata: float | None = None
    places: list = field(default_factory=list)

    @property
    def shape(self):
        """Of the grid."""
        return self.pixels.shape[:-1] if self.channels else self.pixels.shape

    def colours(self):
        """The pixels with an axis of channels, alpha left out."""
        pixels = self.pixels if self.channels else self.pixels[..., None]
        return pixels[..., :-1] if self.alpha else pixels


def pillow(module="PIL.Image"):
    """A module of Pillow."""
    return optional(module, "an image", "cli")


def size_in_words(shape):
    """``451 x 300``, or of a volume ``384 x 303 x 6``: width first, as people say it."""
    return " x ".join(str(n) for n in shape[:-3:-1] + shape[:-2])


def page_of(path, n, page, console, *, what="pages", axes=""):
    """Index of the page to read: `page`, counted from 1, or the first of several, and a warning.

    axes : str
        How the pages are arranged, in words.
    """
    if page is None:
        if n > 1:
            console.warn(f"{path}: the first of {n} {what}{axes} is used; --page N takes another, "
                         "--stack volume all of them")
        return 0
    if page > n:
        raise CommandError(f"{path}: there is no page {page}: it has {n}")
    return page - 1


def as_stored(mode):
    """Whether Pillow's pixels of a mode are what a picture of that kind stores."""
    return mode in ("1", "L", "LA", "RGB", "RGBA", "F", "I") or mode.startswith("I;16")


def from_pillow(image):
    """The Picture of an image of Pillow's.

    Palettes, CMYK, Lab and the like become RGB, with alpha where there is some.
    """
    mode = image.mode
    if mode == "P":
        mode = "RGBA" if "transparency" in image.info else "RGB"
    elif mode in ("PA", "RGBa"):
        mode = "RGBA"
    elif mode == "La":
        mode = "LA"
    elif mode == "LAB":
        cms = pillow("PIL.ImageCms")
        image = cms.profileToProfile(image, cms.createProfile("LAB"), cms.createProfile("sRGB"),
                                     outputMode="RGB")
        mode = "RGB"
    elif not as_stored(mode):
        mode = "RGB"
    if mode != image.mode:
        image = image.convert(mode)
    pixels = np.array(image)
    if pixels.dtype.byteorder == ">":       # Pillow's I;16B
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    return Picture(pixels, channels=pixels.ndim == 3, alpha=mode in ("LA", "RGBA"))


def upright(array, orientation):
    """Rows and columns as the camera was held; `orientation` is the value of the EXIF tag."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array[:, ::-1] if orientation in (2, 3, 6, 7) else array
