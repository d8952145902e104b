"""Images in and out: TIFF by tifffile, all others by Pillow."""

import os
import warnings

import numpy as np

from emkernels._extras import MissingExtraError, optional
from emkernels.cli._held import Held
from emkernels.cli._memory import check_fits
from emkernels.cli._messages import CommandError, one_line
from emkernels.cli._picture import Picture, from_pillow, page_of, pillow, size_in_words, upright
from emkernels.cli._tiff import is_tiff, read_tiff, stacked, write_tiff

WRITTEN = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}
OUTSIDE = 255       # the index of pixels outside of the mask
# pictures of people's trades that are not read: how they begin, and from which byte
OTHERS = (
    (0, b"#?RADIANCE", "Radiance HDR"), (0, b"#?RGBE", "Radiance HDR"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"), (128, b"DICM", "DICOM"), (344, b"n+1\0", "NIfTI"),
    (0, b"\x93NUMPY", "an array of NumPy"), (0, b"\x89HDF", "HDF5"), (0, b"CDF", "NetCDF"),
    (4, b"ftyphei", "HEIF"), (4, b"ftypmif1", "HEIF"), (0, b"\x1f\x8b", "compressed by gzip"),
    (0, b"%PDF", "PDF"), (0, b"<svg", "SVG"), (0, b"SIMPLE  =", "FITS"),
    (0, b"\xff\x0a", "JPEG XL"), (4, b"JXL ", "JPEG XL"))


def format_of(path, *, exact):
    """Which format a name says; CommandError for an unknown one, or a lossy one if `exact`."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in WRITTEN:
        raise CommandError(f"{path}: unknown format {suffix or '(its name has no end)'}; pictures "
                           "are written as .png, .tif or .jpg")
    if exact and WRITTEN[suffix] == "JPEG":
        raise CommandError(f"{path}: JPEG does not keep the numbers of segments; write a .png")
    return WRITTEN[suffix]


def read_image(path, console, *, bytes_for_pixel, page=None, stack=None, indices=False):
    """The Picture in a file, upright, in the file's own depth and sign.

    Palettes, CMYK and the like become RGB, with alpha where there is some.

    Parameters
    ----------
    path : str
    console : Console
    bytes_for_pixel : int
        That the work takes for pixels of three channels.
    page : int or None
        Which of several, from 1; None: the first, with a warning.
    stack : {None, 'volume', 'channels'}
        What all pages are together.
    indices : bool
        Of an indexed picture the indices instead of the colours.

    Raises
    ------
    CommandError
    """
    if os.path.isdir(path):
        raise CommandError(f"{path}: is a folder, not a picture")

    def size_of(pixels, channels):
        return pixels * (bytes_for_pixel + 16 * max(0, channels - 3))

    with open(path, "rb") as file:
        if is_tiff(file):
            return read_tiff(path, file, console, size_of=size_of, page=page, stack=stack,
                             indices=indices)
        return _read(path, Held(file, path, regular=os.path.isfile(path)), console, size_of, page,
                     stack, indices)


def _read(path, held, console, size_of, page, stack, indices):
    """The Picture of what Pillow reads."""
    with _open(path, held) as image:
        try:
            n = getattr(image, "n_frames", 1)
            all_of_them = stack is not None and n > 1
            check_fits(path, size_of(image.width * image.height * (n if all_of_them else 1), 3),
                       "use a smaller picture or a part of it")
            if not all_of_them:
                image.seek(page_of(path, n, page, console, what="pictures"))
                return _loaded(path, held, image, console, indices)
            frames = []
            for at in range(n):
                image.seek(at)
                frames.append(_loaded(path, held, image, console, indices))
            return stacked(path, frames, stack)
        except (MemoryError, CommandError):
            raise
        except Exception as error:      # whatever a decoder stumbles over
            raise CommandError(f"{path}: is damaged: {one_line(error)}") from error


def _open(path, held):
    kind = pillow()
    try:
        with warnings.catch_warnings():
            # large pictures are judged by the memory that there is
            warnings.simplefilter("ignore", kind.DecompressionBombWarning)
            return kind.open(held.open())
    except kind.UnidentifiedImageError:
        raise CommandError(f"{path}: {_what_else(held)}") from None
    except kind.DecompressionBombError as error:
        raise CommandError(f"{path}: is too large: {one_line(error)}") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise       # of the file, not of what is in it
        raise CommandError(f"{path}: is damaged: {one_line(error)}") from error


def _what_else(held):
    """What a file is that Pillow does not know."""
    head = held.open().read(400)
    if not head:
        return "is empty"
    for at, signature, name in OTHERS:
        if head[at:at + len(signature)] == signature:
            return f"is {name}, which is not read; save it as a TIFF or PNG"
    return "is not a picture in a format that Pillow knows"


def _loaded(path, held, image, console, indices):
    """The Picture of an open image."""
    image.load()
    bits, decoder = _lost_bits(held, image)
    if bits:
        try:
            return _by_codec(path, held, decoder, image)
        except MissingExtraError:
            console.warn(
                f"{path}: is read at 8 of its {bits} bits a channel, all that Pillow keeps"
                + ("; the package imagecodecs reads them all: pip install imagecodecs"
                   if decoder else "; a TIFF keeps them"))
    # as the camera was held
    image = pillow("PIL.ImageOps").exif_transpose(image)
    if indices and image.mode == "P":
        return Picture(np.array(image))
    return from_pillow(image)


def _lost_bits(held, image):
    """Bits of a channel that Pillow cuts to 8, or 0; and the function of imagecodecs that does
    not."""
    if image.mode not in ("RGB", "RGBA", "LA"):
        return 0, None
    if image.format == "PNG":
        bits = held.open().read(25)[24]
        return (bits, "png_decode") if bits > 8 else (0, None)
    head = held.open().read(1 << 16)
    if image.format == "JPEG2000":
        at = head.find(b"\xff\x51")         # sizes; the depth of the first channel in byte 40
        bits = (head[at + 40] & 0x7F) + 1 if 0 <= at < len(head) - 40 else 8
        return (bits, "jpeg2k_decode") if bits > 8 else (0, None)
    if image.format == "AVIF":
        at = head.find(b"pixi")
        bits = head[at + 9] if 0 <= at < len(head) - 9 else 8
        return (bits, None) if bits > 8 else (0, None)
    if image.format == "PPM" and head[:2] in (b"P3", b"P6"):
        words = b" ".join(line.partition(b"#")[0] for line in head[:1000].split(b"\n")).split()
        bits = int(words[3]).bit_length()
        return (bits, None) if bits > 8 else (0, None)
    return 0, None


def _by_codec(path, held, decoder, image):
    """The Picture that imagecodecs reads; MissingExtraError without it."""
    if decoder is None:
        raise MissingExtraError
    codecs = optional("imagecodecs", "16 bits a channel", "image")
    pixels = getattr(codecs, decoder)(held.open().read())
    alpha = image.mode in ("LA", "RGBA")
    if pixels.shape[:2] != (image.height, image.width) or pixels.ndim != 3:
        raise CommandError(f"{path}: imagecodecs and Pillow differ about its size")
    return Picture(upright(pixels, image.getexif().get(274)), True, alpha)


def read_mask(path, picture, console, *, stack=None):
    """True where a picture of black and white is white; CommandError for another size."""
    mask = read_image(path, console, bytes_for_pixel=8, stack=stack)
    if mask.shape != picture.shape:
        raise CommandError(
            f"{path}: the mask has {size_in_words(mask.shape)} pixels, and the picture "
            f"{size_in_words(picture.shape)}")
    pixels = mask.colours().mean(axis=-1, dtype=np.float64)
    known = np.isfinite(pixels)
    if mask.nodata is not None:
        known &= pixels != mask.nodata
    if mask.known is not None:
        known &= mask.known
    if not (pixels[known] > 0).any():
        raise CommandError(f"{path}: the mask is black everywhere: no pixel takes part")
    level = pixels[known].max() / 2
    values = np.unique(pixels[known])
    if len(values) > 2:
        console.warn(f"{path}: the mask has {len(values)} values instead of two; pixels above "
                     f"{level:g} take part")
    return known & (pixels > level)


def read_seeds(path, picture, console, *, stack=None):
    """Numbers of segments (int32, -1 unknown) that a picture of indices or grey holds."""
    seeds = read_image(path, console, bytes_for_pixel=8, stack=stack, indices=True)
    values = seeds.pixels
    if seeds.channels and seeds.alpha and values.shape[-1] == 2:
        values = np.where(values[..., 1] == 0, OUTSIDE, values[..., 0])
    elif seeds.channels:
        raise CommandError(f"{path}: has colours, and not numbers of segments; save the seeds as "
                           "an indexed or grey picture")
    if values.dtype.kind not in "ui":
        raise CommandError(f"{path}: has values of {values.dtype}, and not numbers of segments")
    if values.shape != picture.shape:
        raise CommandError(
            f"{path}: the seeds have {size_in_words(values.shape)} pixels, and the picture "
            f"{size_in_words(picture.shape)}")
    known = (values != OUTSIDE) & (values >= 0)
    if seeds.known is not None:
        known &= seeds.known
    if not known.any():
        raise CommandError(f"{path}: no pixel has the number of a segment: all are {OUTSIDE}")
    return np.where(known, values.astype(np.int32), -1)


def write_image(file, format_, pixels, palette=None, *, places=()):
    """RGB pixels, or with a palette (n, 3) of uint8 labels (height, width) as an indexed picture.

    Labels stay the numbers that they are; `OUTSIDE` is for -1, shown black. A volume becomes the
    pages of a TIFF, and `places`, of the input's, go into a TIFF.
    """
    colors = outside = None
    if palette is not None:
        outside = OUTSIDE if (pixels < 0).any() else None
        pixels = np.where(pixels < 0, OUTSIDE, pixels).astype(np.uint8)
        colors = np.zeros((256, 3), np.uint8)
        colors[:len(palette)] = palette
    if format_ == "TIFF":
        write_tiff(file, pixels, palette=colors, outside=outside, places=places)
        return
    image = pillow().fromarray(np.ascontiguousarray(pixels))
    if palette is not None:
        image.putpalette(colors.tobytes())
    image.save(file, format=format_, **({"quality": 95} if format_ == "JPEG" else {}))


def side_by_side(pictures, gap=8):
    """RGB pictures of one height in a row, white between them."""
    white = np.full((*pictures[0].shape[:-2], gap, 3), 255, np.uint8)
    row = [pictures[0]]
    for picture in pictures[1:]:
        row += [white, picture]
    return np.concatenate(row, axis=-2)
