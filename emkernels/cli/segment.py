"""Divide a picture into segments of like colour.

Fits a mixture of normal distributions to the colours of the pixels and gives each pixel to its
most probable component; --smoothness lets neighbours agree, against noise and grain. Segments are
numbered from the darkest, 0, to the brightest. What OUT shows is said by --view:

  recolored  every segment in its mean colour (default)
  overlay    the picture, tinted by segment, with the lines between segments
  labels     an indexed picture, whose pixel values are the numbers of the segments (255 outside
             the mask), for other programs to read
  triptych   the picture, its overlay and the segments side by side

examples:
  emkernels segment photo.jpg -o segments.png
  emkernels segment photo.jpg -k 2:8 --color-space lab --smoothness 1 --view triptych -o seen.png
  emkernels segment scan.png -k 3 --mask tissue.png --view labels -o labels.png

--json prints: command, input, output, width, height, view, method, k, smoothness, color_space,
coordinates, converged, iterations, segments (a list: segment, pixels, share, color), outside
(pixels outside the mask), criterion and candidates (a list: k, parameters, log_likelihood, bic,
aic, icl, converged, iterations, error; both null where -k is one number), warnings.
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


def _sizes(text):
    """``auto``, a number, a range or a list."""
    if text == "auto":
        return text
    try:
        return options_of.sizes(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error} (or auto)") from None


def add_arguments(parser):
    parser.add_argument("input", metavar="IMAGE", help="picture: PNG, JPEG, TIFF, or another "
                                                       "format that Pillow reads")
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
    options_of.add_common(parser)


def run(options, console):
    """Segment one picture."""
    sizes = options.segments
    several = sizes == "auto" or len(sizes) > 1
    if options.method == "kmeans" and (several or options.smoothness):
        raise CommandError("--method kmeans takes " + (
            "one -k: it has no likelihood to choose by" if several else "no --smoothness"))
    format_ = images.format_of(options.output, exact=options.view == "labels")
    if options.view == "labels" and max(sizes if sizes != "auto" else [0]) > images.OUTSIDE:
        raise CommandError(f"--view labels holds {images.OUTSIDE} segments at most")
    inputs = [options.input] + ([options.mask] if options.mask else [])
    check_output(options.output, inputs, force=options.force)
    most = 10 if sizes == "auto" else max(sizes)
    image = images.read_image(
        options.input, console, bytes_for_pixel=BYTES_FOR_PIXEL
        + (BYTES_FOR_POSTERIOR * most if options.smoothness else 0))
    mask = None if options.mask is None else images.read_mask(options.mask, image.shape, console)
    with console.progress("segmenting") as bar, about(options.input):
        result = emkernels.segment_image(
            image, sizes if several else sizes[0], options.method, mask=mask,
            color_space=options.color_space, smoothness=options.smoothness,
            coordinates=options.coordinates, criterion=options.criterion,
            random_state=options.seed, n_threads=options.threads,
            **({"callback": bar.callback} if options.method == "em" else {}))
    with replacing(options.output, inputs, force=options.force) as file:
        _draw(file, format_, result, options.view)
    return _report(options, console, result)


def _draw(file, format_, result, view):
    if view == "labels":
        seen, first = np.unique(result.labels, return_index=True)
        palette = np.zeros((len(result.fractions), 3), np.uint8)
        colors = result.recolored().reshape(-1, 3)[first]
        palette[seen[seen >= 0]] = colors[seen >= 0]
        images.write_image(file, format_, result.labels, palette)
        return
    pictures = {"recolored": lambda: result.recolored(), "overlay": lambda: result.overlay(),
                "triptych": lambda: images.side_by_side(
                    [result.displayed(), result.overlay(), result.recolored()])}
    images.write_image(file, format_, pictures[view]())


def _report(options, console, result):
    height, width = result.labels.shape
    pixels = np.bincount(result.labels[result.labels >= 0], minlength=len(result.fractions))
    segments = [{"segment": k, "pixels": n, "share": share, "color": color} for k, (n, share, color)
                in enumerate(zip(pixels.tolist(), result.fractions, result.colors))]
    outside = int((result.labels < 0).sum())
    console.say(f"{options.input}: {width} x {height} pixels"
                + (f", {count(outside, 'pixel')} left out" if outside else ""))
    console.say()
    candidates = None
    if result.selection is not None:
        candidates = [
            {"k": row["n_components"], "parameters": row["n_parameters"],
             "iterations": row["n_iter"], **{key: row[key] for key in (
                 "log_likelihood", "bic", "aic", "icl", "converged", "error")}}
            for row in result.selection.table]
        console.table(
            ["segments", "log-likelihood", options.criterion, ""],
            [[c["k"], f"{c['log_likelihood']:.6g}", f"{c[options.criterion]:.6g}",
              f"no fit: {c['error']}" if c["error"] else
              "chosen" if c["k"] == len(segments) else ""] for c in candidates], left=(3,))
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
            "view": options.view, "method": options.method, "k": len(segments),
            "smoothness": options.smoothness, "color_space": options.color_space,
            "coordinates": options.coordinates, "converged": result.converged,
            "iterations": result.n_iter, "segments": segments, "outside": outside,
            "criterion": options.criterion if candidates else None, "candidates": candidates}
