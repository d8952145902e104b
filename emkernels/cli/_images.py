"""Images in and out, by Pillow."""

import os
import warnings

import numpy as np

from emkernels._extras import optional
from emkernels.cli._memory import check_fits
from emkernels.cli._messages import CommandError, one_line

WRITTEN = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}
OUTSIDE = 255       # the index of pixels outside of the mask


def _pillow(module="PIL.Image"):
    return optional(module, "an image", "cli")


def format_of(path, *, exact):
    """Which format a name says; CommandError for an unknown one, or a lossy one if `exact`."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in WRITTEN:
        raise CommandError(f"{path}: unknown format {suffix or '(its name has no end)'}; pictures "
                           "are written as .png, .tif or .jpg")
    if exact and WRITTEN[suffix] == "JPEG":
        raise CommandError(f"{path}: JPEG does not keep the numbers of segments; write a .png")
    return WRITTEN[suffix]


def read_image(path, console, *, bytes_for_pixel):
    """Pixels (height, width) or (height, width, channels), upright, in the file's own depth.

    Palettes, CMYK and the like become RGB, with alpha where there is some; the first frame of
    several is read, with a warning.
    """
    with _open(path) as image:
        check_fits(path, image.width * image.height * bytes_for_pixel,
                   "use a smaller picture or a part of it")
        if getattr(image, "n_frames", 1) > 1:
            console.warn(f"{path}: the first of {image.n_frames} pictures is used")
        try:
            image.load()
            # as the camera was held
            image = _pillow("PIL.ImageOps").exif_transpose(image)
            return _pixels(image)
        except MemoryError:
            raise
        except Exception as error:      # whatever a decoder stumbles over
            raise CommandError(f"{path}: is damaged: {one_line(error)}") from error


def _open(path):
    kind = _pillow()
    if os.path.isdir(path):
        raise CommandError(f"{path}: is a folder, not a picture")
    try:
        with warnings.catch_warnings():
            # large pictures are judged by the memory that there is
            warnings.simplefilter("ignore", kind.DecompressionBombWarning)
            return kind.open(path)
    except kind.UnidentifiedImageError:
        raise CommandError(f"{path}: is not a picture in a format that Pillow knows") from None
    except kind.DecompressionBombError as error:
        raise CommandError(f"{path}: is too large: {one_line(error)}") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise       # of the file, not of what is in it
        raise CommandError(f"{path}: is damaged: {one_line(error)}") from error


def _pixels(image):
    mode = image.mode
    if mode == "1":
        image = image.convert("L")
    elif mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif mode in ("LA", "La", "PA", "RGBa"):
        image = image.convert("RGBA")
    elif mode not in ("L", "RGB", "RGBA", "F", "I") and not mode.startswith("I;16"):
        image = image.convert("RGB")
    return np.array(image)


def read_mask(path, shape, console):
    """True where a picture of black and white is white; CommandError for another size."""
    pixels = read_image(path, console, bytes_for_pixel=8)
    if pixels.shape[:2] != tuple(shape[:2]):
        raise CommandError(
            f"{path}: the mask has {pixels.shape[1]} x {pixels.shape[0]} pixels, and the picture "
            f"{shape[1]} x {shape[0]}")
    if pixels.ndim == 3:
        pixels = pixels[:, :, :3].mean(axis=2)
    inside = pixels > pixels.max() / 2
    if not inside.any():
        raise CommandError(f"{path}: the mask is black everywhere: no pixel takes part")
    return inside


def write_image(file, format_, pixels, palette=None):
    """RGB pixels, or with a palette (n, 3) of uint8 labels (height, width) as an indexed picture.

    Labels stay the numbers that they are; `OUTSIDE` is for -1, shown black.
    """
    kind = _pillow()
    if palette is None:
        image = kind.fromarray(np.ascontiguousarray(pixels))
    else:
        image = kind.fromarray(np.where(pixels < 0, OUTSIDE, pixels).astype(np.uint8))
        colors = np.zeros((256, 3), np.uint8)
        colors[:len(palette)] = palette
        image.putpalette(colors.tobytes())
    image.save(file, format=format_, **({"quality": 95} if format_ == "JPEG" else {}))


def side_by_side(pictures, gap=8):
    """RGB pictures of one height in a row, white between them."""
    white = np.full((pictures[0].shape[0], gap, 3), 255, np.uint8)
    row = [pictures[0]]
    for picture in pictures[1:]:
        row += [white, picture]
    return np.concatenate(row, axis=1)
