"""TIFF files in and out, by tifffile: every depth, sign and number of bands as it is stored."""

import contextlib
import logging
import math

import numpy as np

from emkernels._extras import optional
from emkernels.cli._memory import check_fits
from emkernels.cli._messages import CommandError, one_line
from emkernels.cli._picture import Picture, as_stored, from_pillow, page_of, pillow, upright

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NODATA = 42113                      # GDAL's, a number as text
ORIENTATION, COLORMAP = 274, 320
# scale, tie points, transformation, and the keys of GeoTIFF with their numbers and texts
PLACES = (33550, 33922, 34264, 34735, 34736, 34737)
RAW = {32803: "raw data of a sensor (CFA)", 32844: "LogL", 32845: "LogLuv", 9: "ICC Lab",
       10: "ITU Lab"}
JPEG = (6, 7, 33007)
# compressions that Pillow's libtiff undoes; of others it complains on standard error by itself
LIBTIFF = (1, 2, 3, 4, 5, *JPEG, 8, 32773, 32946, 34925, 50000)


def is_tiff(file):
    """Whether an open file begins as TIFF and BigTIFF do; it stays at its beginning."""
    head = file.read(4)
    file.seek(0)
    return head in SIGNATURES


def _tifffile():
    return optional("tifffile", "a TIFF file", "cli")


def read_tiff(path, opened, console, *, size_of, page=None, stack=None, indices=False):
    """The Picture of a TIFF file.

    Parameters
    ----------
    path : str
    opened : binary file
        Of its pages only those are read that are wanted.
    console : Console
    size_of : callable
        Bytes for a number of pixels and of channels.
    page : int or None
        Which of several, from 1.
    stack : {None, 'volume', 'channels'}
        All pages as planes, or as channels; 'volume' takes those for channels that the file calls
        so.
    indices : bool
        Of an indexed picture the indices instead of the colours.

    Raises
    ------
    CommandError
    """
    try:
        with _silent(), _tifffile().TiffFile(opened) as file:
            return _File(path, file, console, indices).picture(size_of, page, stack)
    except (MemoryError, CommandError, ImportError):
        raise
    except Exception as error:          # whatever a decoder stumbles over
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise CommandError(f"{path}: is damaged: {one_line(error)}") from error


@contextlib.contextmanager
def _silent():
    """tifffile's remarks about tags that it does not know are nobody's business."""
    log = logging.getLogger("tifffile")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


class _File:
    """An open file, its pages without thumbnails, reduced copies and masks."""

    def __init__(self, path, file, console, indices):
        self.path, self.file, self.console, self.indices = path, file, console, indices
        self.all = [page.aspage() for page in file.pages]
        self.pages = [page for page in self.all
                      if not page.is_reduced and not page.is_mask] or self.all[:1]
        if not self.pages:
            raise CommandError(f"{path}: is a TIFF without a picture in it")
        first, series = self.pages[0], file.series[0]
        self.plane = first.axes, first.shape
        # ImageJ writes many planes after one page
        self.virtual = (len(self.pages) == 1 and series.size > first.size > 0
                        and series.size % first.size == 0 and series.dataoffset is not None)
        self.n = series.size // first.size if self.virtual else len(self.pages)
        self.axes = "Q" * (self.n > 1)
        self.lengths = (self.n,) if self.n > 1 else ()
        if series.size == first.size * self.n and series.axes.endswith(first.axes):
            n_lead = len(series.axes) - len(first.axes)
            self.axes, self.lengths = series.axes[:n_lead], series.shape[:n_lead]

    def picture(self, size_of, page, stack):
        """See `read_tiff`."""
        if stack is not None and self.n > 1:
            return self._stack(size_of, stack)
        arranged = ""
        if len(self.lengths) > 1 or self.axes in ("C", "Z", "T"):
            names = {"C": "channels", "Z": "planes", "T": "times"}
            words = [f"{n} {names.get(axis, axis)}" for axis, n in zip(self.axes, self.lengths)]
            arranged = f" ({', '.join(words)})"
        index = page_of(self.path, self.n, page, self.console, axes=arranged)
        self._check_size(size_of, [self.pages[0 if self.virtual else index]])
        if self.virtual:
            planes = self.file.series[0].asarray().reshape(self.n, *self.plane[1])
            return self._converted(self.pages[0], planes[index])
        return self._read(self.pages[index])

    def _stack(self, size_of, stack):
        """All pages as one picture."""
        pages = self.pages
        different = [at for at, page in enumerate(pages)
                     if (page.axes, page.shape, page.dtype, page.photometric) != (
                         *self.plane, pages[0].dtype, pages[0].photometric)]
        if different:
            raise CommandError(f"{self.path}: page {different[0] + 1} is of another size or kind "
                               "than page 1, and they make no stack; --page N takes one")
        self._check_size(size_of, pages * (self.n if self.virtual else 1))
        if self.virtual:
            planes = self.file.series[0].asarray().reshape(self.n, *self.plane[1])
            pictures = [self._converted(pages[0], plane) for plane in planes]
        else:
            pictures = [self._read(page) for page in pages]
        return stacked(self.path, pictures, stack, self.axes, self.lengths)

    def _check_size(self, size_of, pages):
        pixels = channels = 0
        for page in pages:
            grid = math.prod(n for n, axis in zip(page.shape, page.axes) if axis != "S")
            pixels, channels = pixels + grid, max(channels, page.size // max(grid, 1))
        check_fits(self.path, size_of(pixels, channels), "use a smaller picture or a part of it")

    def _read(self, page):
        """The Picture of a page."""
        if page.dtype is None or page.dtype.kind not in "buif" or 0 in page.shape:
            raise CommandError(f"{self.path}: has pixels of {self._kind(page)}, which are not read")
        if int(page.photometric) in RAW:
            raise CommandError(f"{self.path}: is {RAW[int(page.photometric)]}, which is not read; "
                               "save it as grey or RGB")
        if int(page.photometric) == 8 or (
                int(page.photometric) == 6 and int(page.compression) not in JPEG):
            return self._by_pillow(page, "is in Lab or YCbCr")
        try:
            array = page.asarray()
        except Exception as error:
            # tifffile has a few decoders only; imagecodecs has the others
            if isinstance(error, ImportError) or "imagecodecs" in str(error):
                return self._by_pillow(page, "is compressed", error)
            raise
        return self._converted(page, array)

    def _kind(self, page):
        bits = page.bitspersample
        return (f"{bits} bits" if page.dtype is None else str(page.dtype))

    def _by_pillow(self, page, why, error=None):
        """The page as Pillow reads it, where it keeps what is stored."""
        found = None
        with contextlib.suppress(Exception), pillow().open(self.path) as image:
            if isinstance(page.index, int) and int(page.compression) in LIBTIFF:
                image.seek(page.index)
                if image.size == (page.imagewidth, page.imagelength):
                    image.load()
                    found = image.copy()
        if found is not None:
            kind = {"1": "b1", "I": "i4", "F": "f4"}.get(found.mode, "u1")
            kind = "u2" if found.mode.startswith("I;16") else kind
            bands = 1 if found.mode == "P" else len(found.getbands())
            if page.dtype == np.dtype(kind) and bands == page.samplesperpixel:
                picture = from_pillow(found)
                if found.mode == "P" and self.indices:
                    return self._with_tags(Picture(np.array(found)), page)
                return self._with_tags(
                    picture, page, None if as_stored(found.mode) else np.array(found))
        if error is None:
            raise CommandError(f"{self.path}: {why} of {self._kind(page)}, which is not read; save "
                               "it as RGB")
        name = getattr(page.compression, "name", page.compression)
        raise CommandError(
            f"{self.path}: {why} by {name}, and pixels of {self._kind(page)} x "
            f"{page.samplesperpixel} need the package imagecodecs for that: pip install "
            "imagecodecs, or save it without compression") from error

    def _converted(self, page, array):
        """The Picture of what a page stores."""
        axes = page.axes
        if "S" in axes:
            array = np.moveaxis(array, axes.index("S"), -1)
        channels, photometric = "S" in axes, int(page.photometric)
        stored = array
        extra = [int(kind) for kind in page.extrasamples]
        alpha = channels and any(kind in (1, 2) for kind in extra)
        if alpha:
            at = array.shape[-1] - len(extra) + next(
                i for i, kind in enumerate(extra) if kind in (1, 2))
            associated = extra[at - array.shape[-1]] == 1
            array = np.concatenate(
                [np.delete(array, at, axis=-1), array[..., at:at + 1]], axis=-1)
            if associated:
                array = _unmultiplied(array)
        # tifffile itself writes True as black, and means True
        if array.dtype.kind == "b" and str(page.software).startswith("tifffile"):
            photometric = 1
        if photometric == 0 and array.dtype.kind in "bu":       # white is zero
            top = 1 if array.dtype == bool else 2**page.bitspersample - 1
            colours = slice(None, -1) if alpha else slice(None)
            array = array.copy()
            part = array[..., colours] if channels else array
            part[...] = top - part if array.dtype != bool else ~part
        elif photometric == 3 and not self.indices:
            table = np.asarray(page.tags[COLORMAP].value).reshape(3, -1)
            table = table if table.max() < 256 else table >> 8
            index = array[..., 0] if channels else array
            array, channels, alpha = table.T.astype(np.uint8)[index], True, False
        elif photometric == 5:                                  # cyan, magenta, yellow, black
            if array.shape[-1] - len(extra) != 4 or array.dtype.kind != "u":
                raise CommandError(f"{self.path}: has inks of {self._kind(page)} x "
                                   f"{page.samplesperpixel}, which are not read; save it as RGB")
            top = np.iinfo(array.dtype).max
            left = (top - array[..., :4].astype(np.float64)) / top
            colours = np.rint(top * left[..., :3] * left[..., 3:]).astype(array.dtype)
            array = np.concatenate([colours, array[..., -1:]], axis=-1) if alpha else colours
        converted = photometric in (0, 5) or (photometric == 3 and not self.indices)
        return self._with_tags(
            Picture(array, channels, alpha), page, stored if converted else None)

    def _with_tags(self, picture, page, stored=None):
        """What the page's tags say of its pixels: no data, place, which way is up.

        stored : ndarray, optional
            What the page has, where the pixels are others.
        """
        value = self._nodata(page)
        if value is not None:
            if stored is None:
                picture.nodata = value
            else:           # it is about what is stored, and not about the colours made of it
                missing = np.isnan(stored) if np.isnan(value) else stored == value
                picture.known = ~(missing.all(axis=-1) if missing.ndim > len(picture.shape)
                                  else missing)
        mask = self._mask(page)
        if mask is not None and mask.shape == picture.shape:
            picture.known = mask if picture.known is None else mask & picture.known
        tag = page.tags.get(ORIENTATION)
        if tag is not None and tag.value in range(2, 9) and len(picture.shape) == 2:
            picture.pixels = upright(picture.pixels, tag.value)
            if picture.known is not None:
                picture.known = upright(picture.known, tag.value)
        else:
            picture.places = [
                (code, page.tags[code].dtype, page.tags[code].count, page.tags[code].value)
                for code in PLACES if code in page.tags]
        return picture

    def _nodata(self, page):
        """The number in GDAL's tag, or None."""
        if NODATA not in page.tags:
            return None
        text = one_line(page.tags[NODATA].value, 40).strip("\0 ")
        try:
            return float(text)
        except ValueError:
            self.console.warn(f"{self.path}: its tag GDAL_NODATA is {text!r}, no number, and is "
                              "not used; --nodata says what stands for no data")
            return None

    def _mask(self, page):
        """Where a mask that follows the page says that there are data, or None."""
        after = page.index + 1 if isinstance(page.index, int) else None
        if after is None or after >= len(self.all):
            return None
        mask = self.all[after]
        if not mask.is_mask or mask.is_reduced:
            return None
        return np.squeeze(mask.asarray()) != 0


def _unmultiplied(array):
    """Colours that were multiplied by their alpha, the last channel."""
    top = np.iinfo(array.dtype).max if array.dtype.kind in "ui" else 1.0
    alpha = array[..., -1:].astype(np.float64)
    colours = array[..., :-1] * np.divide(top, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    if array.dtype.kind in "ui":
        colours = np.clip(np.rint(colours), 0, top)
    return np.concatenate([colours.astype(array.dtype), array[..., -1:]], axis=-1)


def stacked(path, pictures, stack, axes="Q", lengths=None):
    """Pictures of one shape as a volume or as the channels of one picture.

    axes : str
        What their order means, a letter each of `lengths`; C is channels.
    """
    first = pictures[0]
    lengths = lengths or (len(pictures),)
    pixels = np.stack([picture.pixels for picture in pictures]).reshape(
        *lengths, *first.pixels.shape)
    known = None
    if any(picture.known is not None for picture in pictures):
        known = np.stack([np.ones(p.shape, bool) if p.known is None else p.known
                          for p in pictures]).reshape(*lengths, *first.shape)
    axes = list("C" * len(lengths) if stack == "channels" else axes)
    while "C" in axes:
        at = axes.index("C")
        if first.channels:
            raise CommandError(f"{path}: its pages have channels of their own, and are no "
                               "channels; --page N takes one")
        # the first of several axes of channels becomes the outermost
        pixels = np.moveaxis(pixels, at, -1)
        known = None if known is None else known.all(axis=at)
        del axes[at]
    channels = first.channels or pixels.ndim > len(axes) + len(first.shape)
    if pixels.ndim > len(axes) + len(first.shape) + 1:
        pixels = pixels.reshape(*pixels.shape[:len(axes) + len(first.shape)], -1)
    grid = pixels.shape[:len(axes) + len(first.shape)]
    kept = [n for n in grid[:len(axes)] if n > 1]
    if len(kept) + len(first.shape) > 3:
        raise CommandError(f"{path}: has {' x '.join(map(str, grid[:len(axes)]))} pages, which "
                           "make no volume; --page N takes one")
    shape = (*kept, *first.shape)
    pixels = pixels.reshape(*shape, *pixels.shape[len(grid):])
    known = None if known is None else known.reshape(shape)
    return Picture(pixels, channels, first.alpha, known, first.nodata, first.places)


def write_tiff(file, pixels, *, palette=None, outside=None, places=()):
    """RGB pixels, or indices with their colours (256, 3) of uint8; a volume as pages.

    outside : int, optional
        The index that stands for no data, said by GDAL's tag.
    places : list of (tag, type, count, value)
    """
    options, tags = {"photometric": "rgb"}, [(*place, True) for place in places]
    if palette is not None:
        options = {"photometric": "palette",
                   "colormap": palette.T.astype(np.uint16) * 257}
    if outside is not None:
        tags.append((NODATA, 2, 0, str(outside), True))
    grid = pixels.ndim - (palette is None)
    pages = pixels if grid == 3 else pixels[None]
    with _silent(), _tifffile().TiffWriter(file, bigtiff=pixels.nbytes > 4e9) as out:
        for page in pages:
            out.write(np.ascontiguousarray(page), metadata=None, extratags=tags, **options)
