"""Divide a picture into segments of like colour.

Fits a mixture of normal distributions to the colours of the pixels and gives each pixel to its
most probable component; --smoothness lets neighbours agree, against noise and grain. Segments are
numbered from the darkest, 0, to the brightest, with --labels as there. What OUT shows is said by
--view:

  recolored  every segment in its mean colour (default)
  overlay    the picture, tinted by segment, with lines between the segments (where they would not
             cover strokes as thin as themselves, or a quarter of the picture)
  labels     an indexed picture, whose pixel values are the numbers of the segments (255 outside
             the mask and where there are no data), for other programs to read
  triptych   the picture, its overlay and the segments side by side

Light blue is what is in no segment: outside of the mask, transparent or without data. Pictures of
other types than 8 bits and floats from 0 to 1 are shown between percentiles 0.5 and 99.5.

Pictures are read in their own depth and sign: TIFF of 1 to 64 bits, integers or floats, of any
number of bands, pages and planes; what stands for no data (GDAL's tag, NaN) is in no segment. A
.tif keeps where on the Earth the pixels lie (GeoTIFF). A volume is written as the pages of a .tif.

examples:
  emkernels segment photo.jpg -o segments.png
  emkernels segment photo.jpg -k 2:8 --color-space lab --smoothness 1 --view triptych -o seen.png
  emkernels segment scan.png -k 3 --mask tissue.png --view labels -o labels.png
  emkernels segment bands.tif -k 4 --nodata 0 --view labels -o classes.tif
  emkernels segment stack.tif -k 3 --stack volume --smoothness 0.5 --view labels -o labels.tif

--json prints: command, input, output, width, height, depth (null but for a volume), channels,
dtype, view, method, k, smoothness, color_space, coordinates, converged, iterations, segments (a
list: segment, pixels, share, color), empty_segments (their numbers), outside (of the mask),
transparent (of alpha 0), without_data, nodata (the value that stands for no data), criterion and
candidates (a list: k, parameters, log_likelihood, bic, aic, icl, converged, iterations, error,
below, a smaller k that is likelier, else null; both null where -k is one number), warnings.
"""

import argparse

import numpy as np

import emkernels
from emkernels.cli import _images as images
from emkernels.cli import _options as options_of
from emkernels.cli._messages import CommandError, about, count
from emkernels.cli._output import check_output, replacing

PACKAGES = ("PIL", "rich")
# what the picture, its copies in floats and the result take at the worst moment
BYTES_FOR_PIXEL = 100
# and with smoothing the posterior of every segment
BYTES_FOR_POSTERIOR = 8
VIEWS = ("recolored", "overlay", "labels", "triptych")
MAKING = ("starts", "n_init"), ("tol", "tol"), ("max_iter", "max_iter"), ("reg_covar", "reg_covar")


def _sizes(text):
    """``auto``, a number, a range or a list."""
    if text == "auto":
        return text
    try:
        return options_of.sizes(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error} (or auto)") from None


def _nodata(text):
    """A number, nan or ``none``."""
    if text == "none":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"needs a number, nan or none, got {text!r}") from None


def add_arguments(parser):
    parser.add_argument("input", metavar="IMAGE", help="picture: PNG, JPEG, TIFF, or another "
                                                       "format that Pillow reads")
    group = parser.add_argument_group("input")
    group.add_argument("--nodata", type=_nodata, metavar="X",
                       help="the value that stands for no data, as in --nodata 0 or --nodata=-1e38 "
                            "(default: what a TIFF says of itself); none: no value does")
    group.add_argument("--alpha", choices=("auto", "yes", "no"), default="auto",
                       help="whether the last channel is alpha: pixels whose alpha is 0 are left "
                            "out, and it is no colour (default auto: where the file says so)")
    group.add_argument("--page", type=options_of.integer(1), metavar="N",
                       help="which picture of a file with several, from 1 (default: the first)")
    group.add_argument("--stack", choices=("volume", "channels"),
                       help="all pictures of the file together: the slices of a volume, or the "
                            "channels of one picture")
    group = options_of.add_output(parser, ".png, .tif or .jpg")
    group.add_argument("--view", choices=VIEWS, default="recolored", help="see above")
    group = parser.add_argument_group("segments")
    group.add_argument("-k", "--segments", type=_sizes, default=[5], metavar="K",
                       help="how many: 5 (default), 2:8 (the best by --criterion), 2,4,8, or auto "
                            "(1:10)")
    group.add_argument("--method", choices=("em", "kmeans"), default="em",
                       help="em: a mixture of normal distributions (default)")
    group.add_argument("--criterion", choices=("bic", "aic", "icl"), default="bic",
                       help="what chooses among several -k (default bic)")
    group.add_argument("--smoothness", type=options_of.real, default=0.0, metavar="S",
                       help="how much neighbours agree: 0 not at all (default), 0.5 to 2 usual")
    group.add_argument("--color-space", choices=("rgb", "lab"), default="rgb",
                       help="lab: as different as eyes see it (needs scikit-image)")
    group.add_argument("--coordinates", type=options_of.real, default=0.0, metavar="C",
                       help="how much the place of a pixel counts beside its colour: 0 (default) "
                            "not, 1 as much as a colour")
    group.add_argument("--mask", metavar="MASK",
                       help="picture of the same size: only where it is white pixels take part")
    group.add_argument("--labels", metavar="SEEDS",
                       help="picture of the same size, indexed or grey: pixels whose segment is "
                            "known, by its number from 0; 255 where it is not")
    group = parser.add_argument_group("fitting")
    group.add_argument("--starts", type=options_of.integer(1), metavar="N",
                       help="begin N times, keep the best (default: 30 short starts, 10 of several "
                            "-k, 1 with --labels; kmeans 1)")
    group.add_argument("--tol", type=options_of.real, metavar="T",
                       help="end when less than this is left to go, in standard deviations of the "
                            "segments (default 0.01; kmeans: when centres move less, 0.0001)")
    group.add_argument("--max-iter", type=options_of.integer(1), metavar="N",
                       help="most iterations (default 1000, of several -k or with --smoothness "
                            "200; kmeans 300)")
    group.add_argument("--reg-covar", type=options_of.real, metavar="V",
                       help="added to every variance, in units of the features (default: that of "
                            "rounding, or a millionth of the colours')")
    options_of.add_common(parser)


def run(options, console):
    """Segment one picture."""
    sizes = options.segments
    several = sizes == "auto" or len(sizes) > 1
    if options.method == "kmeans" and (several or options.smoothness):
        raise CommandError("--method kmeans takes " + (
            "one -k: it has no likelihood to choose by" if several else "no --smoothness"))
    if options.page is not None and options.stack is not None:
        raise CommandError("--page takes one picture and --stack all of them: give one of the two")
    format_ = images.format_of(options.output, exact=options.view == "labels")
    if options.view == "labels" and max(sizes if sizes != "auto" else [0]) > images.OUTSIDE:
        raise CommandError(f"--view labels holds {images.OUTSIDE} segments at most")
    inputs = [path for path in (options.input, options.mask, options.labels) if path]
    check_output(options.output, inputs, force=options.force)
    most = 10 if sizes == "auto" else max(sizes)
    picture = images.read_image(
        options.input, console, page=options.page, stack=options.stack,
        bytes_for_pixel=BYTES_FOR_PIXEL + (BYTES_FOR_POSTERIOR * most if options.smoothness else 0))
    if len(picture.shape) == 3 and format_ != "TIFF":
        raise CommandError(f"{options.output}: a volume is written as a .tif, a page a slice")
    picture.alpha = _alpha(options, console, picture)
    if options.nodata is not None:
        picture.nodata = None if options.nodata == "none" else options.nodata
    given = _nodata_of(options, console, picture)
    mask = None
    if options.mask is not None:
        mask = images.read_mask(options.mask, picture, console, stack=options.stack)
    if options.labels is not None:
        given["labels"] = images.read_seeds(options.labels, picture, console, stack=options.stack)
    given.update({name: value for option, name in MAKING
                  if (value := getattr(options, option)) is not None})
    takes_part = mask if picture.known is None else (
        picture.known if mask is None else mask & picture.known)
    if takes_part is not None and not takes_part.any():
        raise CommandError(f"{options.input}: there are no data" + (
            " inside of the mask" if mask is not None else ": its own mask leaves out every pixel"))
    with console.progress("segmenting") as bar, about(options.input):
        result = emkernels.segment_image(
            picture.pixels, sizes if several else sizes[0], options.method, mask=takes_part,
            channel_axis=-1 if picture.channels else None, alpha=picture.alpha,
            color_space=options.color_space, smoothness=options.smoothness,
            coordinates=options.coordinates, criterion=options.criterion,
            random_state=options.seed, n_threads=options.threads, **given,
            **({"callback": bar.callback} if options.method == "em" else {}))
    with replacing(options.output, inputs, force=options.force) as file:
        _draw(file, format_, result, options.view, picture.places)
    if picture.places and (format_ != "TIFF" or options.view == "triptych"):
        console.warn(f"{options.output}: where on the Earth the pixels of {options.input} lie is "
                     "not kept in " + ("a triptych" if format_ == "TIFF" else f"{format_}; a .tif "
                                       "keeps it"))
    return _report(options, console, result, picture, mask)


def _alpha(options, console, picture):
    """Whether the last channel is alpha."""
    if options.alpha == "auto" and picture.alpha and picture.places and (
            len(np.unique(picture.pixels[..., -1])) > 2):
        # of four bands of 8 bits GDAL calls the fourth so without being asked
        console.warn(f"{options.input}: its last channel is alpha, as it says, and so no colour: "
                     "--alpha no makes it one, and --alpha yes ends this warning")
    if options.alpha != "yes":
        return options.alpha == "auto" and picture.alpha
    if not picture.channels or picture.pixels.shape[-1] < 2:
        raise CommandError(f"{options.input}: has one channel, which cannot be alpha")
    return True


def _draw(file, format_, result, view, places):
    if view == "labels":
        seen, first = np.unique(result.labels, return_index=True)
        palette = np.zeros((len(result.fractions), 3), np.uint8)
        colors = result.recolored().reshape(-1, 3)[first]
        palette[seen[seen >= 0]] = colors[seen >= 0]
        images.write_image(file, format_, result.labels, palette, places=places)
        return
    pictures = {"recolored": lambda: result.recolored(), "overlay": lambda: result.overlay(),
                "triptych": lambda: images.side_by_side(
                    [result.displayed(), result.overlay(), result.recolored()])}
    images.write_image(file, format_, pictures[view](),
                       places=() if view == "triptych" else places)


def _nodata_of(options, console, picture):
    """The argument of segment_image, as a value of the picture's type; none where there is no
    such value and where no pixel can have it."""
    value, dtype = picture.nodata, picture.pixels.dtype
    if options.nodata == "none":
        return {"nodata": np.nan}       # nor is an extreme value suspected
    if value is None or (np.isnan(value) and dtype.kind == "f"):
        return {}
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return {"nodata": float(dtype.type(value))}
    low, high = (0, 1) if dtype.kind == "b" else (
        np.iinfo(dtype).min, np.iinfo(dtype).max)
    if value != np.rint(value) or not low <= value <= high:
        console.warn(f"{options.input}: {value:g} is to stand for no data, which no pixel of "
                     f"{dtype} can be; every pixel counts as known")
        picture.nodata = None
        return {}
    return {"nodata": int(value)}


def _left_out(result, picture, mask):
    """How many pixels are outside of the mask, transparent, and without data; each counts once,
    as the first of these that it is."""
    masked = np.zeros(result.labels.shape, bool) if mask is None else ~mask
    clear = ~masked & (picture.pixels[..., -1] == 0) if picture.alpha else 0 * masked
    outside, transparent = int(masked.sum()), int(clear.sum())
    return outside, transparent, int((result.labels < 0).sum()) - outside - transparent


def _remark(candidate, chosen):
    remarks = ["chosen"] if chosen else []
    if candidate["error"]:
        remarks.append(f"no fit: {candidate['error']}")
    elif not candidate["converged"]:
        remarks.append("not converged")
    if candidate["below"]:
        remarks.append(f"a poor maximum: likelier with {candidate['below']}")
    return ", ".join(remarks)


def _report(options, console, result, picture, mask):
    *depth, height, width = result.labels.shape
    pixels = np.bincount(result.labels[result.labels >= 0], minlength=len(result.fractions))
    segments = [{"segment": k, "pixels": n, "share": share, "color": color} for k, (n, share, color)
                in enumerate(zip(pixels.tolist(), result.fractions, result.colors))]
    outside, transparent, without_data = _left_out(result, picture, mask)
    empty = [s["segment"] for s in segments if s["pixels"] == 0]
    n_channels = picture.colours().shape[-1]
    console.say(
        f"{options.input}: {images.size_in_words(result.labels.shape)} pixels, "
        f"{count(n_channels, 'channel')} of {picture.pixels.dtype}"
        + (" and alpha" if picture.alpha else ""))
    for n, why in ((outside, "outside of the mask"), (transparent, "transparent"),
                   (without_data, "without data" + (
                       "" if picture.nodata is None else f" ({picture.nodata:g} stands for it)"))):
        if n:
            console.say(f"{count(n, 'pixel')} left out: {why}")
    console.say()
    candidates = None
    if result.selection is not None:
        candidates = [
            {"k": row["n_components"], "parameters": row["n_parameters"],
             "iterations": row["n_iter"], **{key: row[key] for key in (
                 "log_likelihood", "bic", "aic", "icl", "converged", "error", "below")}}
            for row in result.selection.table]
        console.table(
            ["segments", "log-likelihood", options.criterion, ""],
            [[c["k"], f"{c['log_likelihood']:.6g}", f"{c[options.criterion]:.6g}",
              _remark(c, c["k"] == len(segments))] for c in candidates], left=(3,))
        console.say()
    console.table(
        ["segment", "pixels", "share", "colour"],
        [[s["segment"], s["pixels"], f"{100 * s['share']:.1f} %",
          ", ".join(f"{value:.4g}" for value in s["color"])] for s in segments], left=(3,))
    console.say()
    if not result.converged:
        console.say(f"EM did not converge in {count(result.n_iter, 'iteration')}")
    console.say(f"{options.output}: written ({options.view})")
    return {"input": options.input, "output": options.output, "width": width, "height": height,
            "depth": depth[0] if depth else None, "channels": n_channels,
            "dtype": str(picture.pixels.dtype), "view": options.view, "method": options.method,
            "k": len(segments),
            "smoothness": options.smoothness, "color_space": options.color_space,
            "coordinates": options.coordinates, "converged": result.converged,
            "iterations": result.n_iter, "segments": segments,
            "empty_segments": empty, "outside": outside, "transparent": transparent,
            "without_data": without_data, "nodata": picture.nodata,
            "criterion": options.criterion if candidates else None, "candidates": candidates}
