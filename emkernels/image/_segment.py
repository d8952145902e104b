"""Segmenting an image: pixels counted, a mixture or K-means fitted, labels read back."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import validate_parameter_constraints

from emkernels._callers import listening, warn
from emkernels.em import DegenerateFitError, DegenerateWarning, EMWarning
from emkernels.image._fit import choose_mixture, fit_mixture
from emkernels.image._pixels import read_pixels
from emkernels.image._raster import CHUNK, read_raster
from emkernels.image._result import Segmentation
from emkernels.image._seeds import check_means, check_seeds, read_labels
from emkernels.image._smoothing import smooth
from emkernels.kernels.potts import MOST_SMOOTHNESS
from emkernels.models.kmeans import KMeans
from emkernels.models.mixture.estimator import GaussianMixture
from emkernels.models.mixture.fitted import examination_of, labels_of, reorder
from emkernels.models.mixture.selection import CRITERIA

AUTO = range(1, 11)


def segment_image(image, n_segments=5, method="em", *, channel_axis="auto", mask=None,
                  alpha=None, nodata=None, color_space="rgb", smoothness=0.0, coordinates=0.0,
                  covariance_type="full", criterion="bic", labels=None, means_init=None,
                  tol=None, max_iter=None, n_init=None, reg_covar=None, random_state=None,
                  n_threads=None, callback=None):
    """Divide the pixels of an image into segments of like colour.

    'em' fits a Gaussian mixture to the pixels; each gets the segment of its most probable
    component. With ``smoothness`` beta, EM goes on with the labels' prior ``p(z)`` proportional
    to ``prod_i weights[z_i] exp(beta * number of neighbouring pairs with equal labels)``, and
    their posterior approximated by mean field; these weights are such that the mean prior is
    the mean posterior. As beta goes to 0, that is the mixture. Where integers repeat, they are
    counted once: the fit is that of all pixels, at a fraction of the work.

    Parameters
    ----------
    image : array-like of bool, integers or floats
        (height, width), (height, width, channels) or a volume (depth, height, width) with or
        without channels behind. Read in place and not changed. NaN and what a masked array masks
        are unknown: 'em' uses the channels that there are; with smoothness the neighbours alone
        decide about such a pixel. One without any (with 'lab': without all) has no data: -1.
    n_segments : int, iterable of int or 'auto', default=5
        Of several numbers the best by `criterion`, as far as there are different pixels; 'auto':
        of 1 to 10.
    method : {'em', 'kmeans'}, default='em'
        The model of the colours: a Gaussian mixture, or K-means.
    channel_axis : 'auto', int or None, default='auto'
        'auto': the last axis of a 4-d array, and of a 3-d array if it has 1, 3 or 4 entries.
        Another 3-d array is a volume. A warning says what was guessed, but for (height,
        width, 1), for 3 or 4 channels of uint8, for 3 channels of another type where no side
        is under 32, and for volumes with up to 3 channels. None: there are no channels.
    mask : array-like of bool, of the image's shape without channels, optional
        False: the pixel takes no part, and its label is -1. Numbers are taken where they are 0 and
        one other value, as in a picture of black and white.
    alpha : bool, optional
        Whether the last channel is alpha, which is no feature: pixels whose alpha is 0 are left
        out. None: in uint8 (height, width, 4) with ``channel_axis='auto'`` alone.
    nodata : number or one for each channel, optional
        The value that means no data. In uint8 a pixel has none where all its channels have
        this value; in other types each such channel is unknown, as NaN is.
    color_space : {'rgb', 'lab'}, default='rgb'
        'rgb': channels as they are; 'lab': CIE Lab (needs scikit-image), for RGB images of
        uint8, uint16 or floats between 0 and 1.
    smoothness : float, default=0
        What a like neighbour adds to the log probability of a label; neighbours share a side
        (in a volume a face). 0.5 takes single pixels away, 1 to 2 are for noise. Not with
        'kmeans'.
    coordinates : float, default=0
        Above 0 the pixel's coordinates are features too. The longest side of the image spans
        ``coordinates * sqrt(12) * s``, s the root of the mean variance of the colour features:
        at 1 the position along that side varies as much as a colour. K-means and spherical
        covariances weigh coordinates by this scale; the other covariances have a scale of
        their own, so that it matters for where EM begins only.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
        'em' only.
    criterion : {'bic', 'icl', 'aic'}, default='bic'
        See :func:`select_mixture`. Its number of samples is that of the pixels; the mixtures
        compared are those without smoothing.
    labels : array-like of int, of the image's shape without channels, optional
        The segment of pixels that are known (brush strokes, an atlas), -1 for the others.
        These pixels keep it, with smoothness too. 'em' only, with one `n_segments`.
    means_init : array-like of shape (n_segments, n_channels), optional
        Means to begin with, in the image's units.
    tol : float, optional
        When EM stops: when all that is left to go, estimated from how fast steps shrink, is
        less, for means in standard deviations, for variances and weights relative to
        themselves (default 1e-2); with smoothness when the objective of a pixel then changes
        by less than a tenth of it. K-means: as :class:`KMeans` has it.
    max_iter : int, optional
        By default 1000 for 'em', but 200 for each of several `n_segments`, and 200 for the
        fit and for each start of the smoothing where there is `smoothness`; 300 for K-means.
    n_init : int, optional
        Starts of 'em' are of several kinds; they are compared after a few iterations on a sample
        of pixels, and the best goes on. By default 30, but 10 for each of several `n_segments`,
        and one where `labels` or `means_init` are given. K-means: as :class:`KMeans` has it.
        The smoothing begins twice, from the best fit and from K-means of the blurred image, and
        that is kept whose pixels are better foretold by neighbours that have not seen them.
    reg_covar : float, default=None
        Added to every variance ('em' only). None: the variance of rounding to integers, ``1 /
        (12 m^2)``, m what integers are divided by (see `Segmentation.model`), and of more than
        8 bits at least 1e-7 of the mean variance of the channels; for floats and bool 1e-6 of
        it. No part of the objective, which may fall
        a little because of it.
    random_state : int, RandomState instance or None, default=None
        What is drawn comes of it: the same number, the same result.
    n_threads : int, default=None
        The result has the same bits for every number of threads.
    callback : callable, default=None
        ``callback(EMState)`` after each iteration; a true result ends the fit, and then the
        smoothing. 'em' only.

    Returns
    -------
    Segmentation
        Labels, colours and pictures of the segments.

    Raises
    ------
    ValueError, TypeError
        Bad arguments, an infinity or, for 'kmeans', a NaN in the image, fewer different pixels
        than segments (of one number of them); or every start collapsed.
    MissingExtraError
        color_space='lab' without scikit-image.

    See Also
    --------
    Segmentation : What is returned.
    GaussianMixture : The model of the colours.
    KMeans : The model of the colours, with hard borders.
    emkernels.kernels.potts_statistics : The pass that smooths.
    emkernels.plotting.plot_segmentation : Picture, segments and their overlay.

    Notes
    -----
    Segments are numbered from dark to bright; where `labels` or `means_init` are given they
    keep the order of these.

    Besides the image there are in memory the labels, a table of at most 64 MB and the distinct
    pixels, where integers can be counted (channels of 24 bits together, for instance RGB of
    uint8) and no `labels` are given; else the features of all pixels, in float32 where these are
    not float32 already (float64 for float64). Smoothing needs the features of all pixels, their
    posteriors in the same dtype, and a quarter more. Of posteriors above 64 MB only one start's
    are held: where the start that ran first wins, it runs again.

    References
    ----------
    C. Carson, S. Belongie, H. Greenspan, J. Malik, Blobworld: image segmentation using
    expectation-maximization, IEEE Trans. PAMI 24, 2002.
    G. Celeux, F. Forbes, N. Peyrard, EM procedures using mean field-like approximations for
    Markov model-based image segmentation, Pattern Recognition 36, 2003 (the smoothing).

    Examples
    --------
    >>> import numpy as np
    >>> from emkernels import segment_image
    >>> image = np.full((20, 30), 50, np.uint8)
    >>> image[5:15, 10:20] = 200
    >>> image += np.random.default_rng(0).integers(0, 20, image.shape, dtype=np.uint8)
    >>> result = segment_image(image, 2, random_state=0)
    >>> result.sizes
    array([500, 100])
    >>> result.labels[10, 8:12]
    array([0, 0, 1, 1], dtype=int32)
    """
    sizes, several = _check_sizes(n_segments)
    _check_choice("method", method, ("em", "kmeans"))
    _check_choice("color_space", color_space, ("rgb", "lab"))
    _check_choice("criterion", criterion, CRITERIA)
    _check_number("smoothness", smoothness, MOST_SMOOTHNESS)
    _check_number("coordinates", coordinates)
    given = {name: value for name, value in (
        ("tol", tol), ("max_iter", max_iter), ("n_init", n_init)) if value is not None}
    parameters = {"random_state": random_state, "n_threads": n_threads, **given}
    ordered = labels is not None or means_init is not None
    if ordered:
        check_seeds(several, labels, means_init, coordinates)
    if method == "kmeans":
        _check_kmeans(several, smoothness, callback, labels)
        _check_choice("covariance_type", covariance_type, ("full", "tied", "diag", "spherical"))
        validate_parameter_constraints(
            KMeans._parameter_constraints, parameters, "segment_image")
    else:
        parameters = {
            "tol": 1e-2, "max_iter": 200 if several or smoothness > 0 else 1000,
            "n_init": 1 if ordered else 10 if several else 30,
            "convergence": "distance", "acceleration": "squarem",
            "covariance_type": covariance_type, "callback": callback,
            "reg_covar": 0.0 if reg_covar is None else reg_covar, **parameters}
        validate_parameter_constraints(
            GaussianMixture._parameter_constraints, parameters, "segment_image")
    raster = read_raster(image, channel_axis, mask, alpha, nodata, together=color_space == "lab")
    for note in raster.notes:
        warn(note, UserWarning)
    if labels is not None:
        labels = read_labels(labels, raster, sizes[0])
    if method == "kmeans" and raster.has_nan:
        raise ValueError(
            f"image is NaN at {_first_nan(raster)}, which K-means cannot use; method='em' can, "
            "and a mask leaves pixels out")
    options = {"color_space": color_space, "coordinates": coordinates}
    pixels = read_pixels(raster, counted=labels is None, **options)
    if smoothness > 0 and raster.has_nan and not any(
            (~np.isnan(block)).all(axis=1).any() for _, block in raster.blocks()):
        raise ValueError("every pixel has a NaN: smoothness needs pixels that are known")
    asked, sizes = sizes, _check_distinct(pixels, sizes, several)
    means = None
    if means_init is not None:
        means = pixels.features_of(check_means(means_init, sizes[0], raster))
    if method == "em" and reg_covar is None:
        # of pixels that are all the same any variance will do
        parameters["reg_covar"] = pixels.reg_covar or 1e-6
    found = {"options": options, "smoothness": float(smoothness), "ordered": ordered}
    if method == "kmeans":
        if means is not None:
            parameters.update(init=means, n_init=1)
        model = KMeans(sizes[0], **parameters).fit(pixels.checked, sample_weight=pixels.weight)
        return _said(_finish(image, pixels, model, method, model.labels_, **found))
    found["known"] = labels
    with listening() as heard:
        try:
            if several:
                found["selection"] = choose_mixture(pixels, sizes, criterion, parameters)
                model = found["selection"].best
            else:
                model = fit_mixture(pixels, sizes[0], parameters, labels, means)
                # a start that did not collapse may be one segment, several times
                alike = {k for twins in examination_of(model).twins for k in twins}
                if len(alike) == sizes[0] and any("collapsed and were" in text
                                                  for text, _ in heard):
                    raise DegenerateFitError("all components are the same")
            if smoothness > 0:
                model, field = smooth(model, pixels.onto_grid(), raster, smoothness, known=labels,
                                      ordered=ordered)
        except DegenerateFitError as error:
            raise DegenerateFitError(
                "every start collapsed: a segment shrank to pixels of one colour, or of colours "
                "in one plane. Fewer segments or a larger reg_covar (now "
                f"{parameters['reg_covar']:.3g}) keep it from that, more starts (n_init) may"
            ) from error
    fit_matters = smoothness == 0 and (not several or not model.converged_)
    for text, category in heard:
        # of components below, by the numbers of the segments
        # nor may there be more than there are different pixels
        more = text.endswith("there may be more")
        if not (issubclass(category, DegenerateWarning) or (more and sizes != asked)
                or _is_no_news(text, reg_covar is None, fit_matters)):
            warn(text, category)
    if smoothness > 0:
        result = _said(_finish(image, pixels, model, method, None, field, **found))
    else:
        row_labels = labels_of(model, pixels.checked)
        if labels is not None:
            inside = labels if raster.inside is None else labels[raster.inside]
            row_labels = np.where(inside >= 0, inside, row_labels).astype(np.int32)
        result = _said(_finish(image, pixels, model, method, row_labels, **found))
    for text in examination_of(model).texts([str(j) for j in range(model.n_features_in_)]):
        if not _is_no_news(text, reg_covar is None, fit_matters):
            warn(text, DegenerateWarning)
    return result


def _is_no_news(text, automatic, fit_matters):
    """Whether what a mixture says of itself is as it should be with pixels: with an `automatic`
    reg_covar, rounding is the variance of flat segments, and the objective falls a little where
    there are few levels. A fit that is not the result need not converge. Of components without
    pixels `_said` speaks."""
    if text.startswith("Best performing initialization did not converge"):
        return not fit_matters
    return " without a row" in text or (automatic and text.startswith(
        ("the objective fell", "collapsed: ", "reg_covar=", "column", "the columns")))


def _said(result):
    """The result; a warning names segments without pixels."""
    empty = np.flatnonzero(result.sizes == 0)
    if len(empty):
        word, verb = ("segment", "is") if len(empty) == 1 else ("segments", "are")
        warn(
            f"{word} {', '.join(map(str, empty))} of {len(result.sizes)} {verb} empty: no pixel "
            "belongs there most probably. Fewer segments, other starts or a smaller tol may "
            "help; so may nodata= or a mask, where values far from all others mean no data",
            EMWarning)
    return result


def _finish(image, pixels, model, method, row_labels, field=None, *, ordered, **found):
    """Segments in order of brightness, in the labels, the model and the field alike; `ordered`:
    in the order that they have."""
    raster = pixels.raster
    means = model.means_ if method == "em" else model.cluster_centers_
    if field is None:
        labels, values, weight = row_labels, pixels.values, pixels.weight
    else:
        labels, values, weight = _labels_of_field(field, raster), raster.values, None
    sizes, colors = _measure(labels, values, weight, pixels.colours(means))
    order = np.argsort(colors.mean(axis=1), kind="stable")
    if ordered:
        order = np.arange(len(order))
    rank = np.full(len(order) + 1, -1, np.int32)        # the last for label -1
    rank[order] = np.arange(len(order))
    labels = rank[labels]
    if method == "kmeans":
        model.cluster_centers_, model.labels_ = model.cluster_centers_[order], labels
    else:
        reorder(model, order)
    if field is None:
        row_labels, labels = labels, np.full(raster.n_pixels, -1, np.int32)
        pixels.spread(row_labels, labels)
    else:
        field = _in_order(field, order)
    return Segmentation(
        np.asarray(image), raster, labels.reshape(raster.shape), colors[order], sizes[order],
        model, method, field=field, **found)


def _measure(labels, values, weight, otherwise):
    """Sizes of the segments and means of their values; `otherwise` (n_segments, n_channels)
    where a segment has none."""
    n_segments, n_channels = otherwise.shape
    sizes, counts, sums = np.zeros(n_segments), np.zeros(otherwise.shape), np.zeros(otherwise.shape)
    for first in range(0, len(labels), CHUNK):
        part = slice(first, first + CHUNK)
        inside = labels[part] >= 0
        label, block = labels[part][inside], values[part][inside].astype(np.float64)
        w = np.ones(len(label)) if weight is None else weight[part][inside]
        counted = np.bincount(label, w, n_segments)
        sizes += counted
        for channel in range(n_channels):
            value = block[:, channel]
            known = ~np.isnan(value)
            if known.all():
                counts[:, channel] += counted
                sums[:, channel] += np.bincount(label, w * value, n_segments)
            else:
                counts[:, channel] += np.bincount(label, w * known, n_segments)
                sums[:, channel] += np.bincount(label, w * np.where(known, value, 0), n_segments)
    colors = np.array(otherwise, dtype=np.float64)
    np.divide(sums, counts, out=colors, where=counts > 0)
    return np.rint(sizes).astype(np.int64), colors


def _labels_of_field(field, raster):
    """The most probable segment of each pixel, -1 outside of the mask."""
    labels = np.empty(len(field), np.int32)
    for first in range(0, len(field), CHUNK):
        labels[first : first + CHUNK] = field[first : first + CHUNK].argmax(axis=1)
    if raster.inside is not None:
        labels[~raster.inside] = -1
    return labels


def _in_order(field, order):
    """float32 with its columns in order; the same memory where it is float32 already."""
    out = field if field.dtype == np.float32 else np.empty(field.shape, np.float32)
    for first in range(0, len(field), CHUNK):
        part = slice(first, first + CHUNK)
        out[part] = field[part][:, order]
    return out


# --- checks --------------------------------------------------------------------------------


def _check_sizes(n_segments):
    """The numbers of segments to try, and whether there may be several."""
    if isinstance(n_segments, str):
        if n_segments != "auto":
            raise ValueError(
                f"n_segments must be an int, several ints or 'auto', got {n_segments!r}")
        return list(AUTO), True
    several = not isinstance(n_segments, (bool, Real))
    try:
        sizes = list(n_segments) if several else [n_segments]
    except TypeError:
        sizes = [n_segments]
    for size in sizes:
        if isinstance(size, (bool, np.bool_)) or not isinstance(size, Integral) or size < 1:
            raise ValueError(f"n_segments must be 1 or more, and whole, got {size!r}")
    if not sizes:
        raise ValueError("n_segments names no number to try")
    return [int(size) for size in sizes], several


def _check_choice(name, value, choices):
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def _check_number(name, value, most=None):
    if (isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < np.inf
            or (most is not None and value > most)):
        limit = "finite number of 0 or more" if most is None else f"number from 0 to {most:.0e}"
        raise ValueError(f"{name} must be a {limit}, got {value!r}")


def _check_kmeans(several, smoothness, callback, labels):
    if several:
        raise ValueError(
            "method='kmeans' takes one n_segments: K-means has no likelihood, so no criterion "
            "can choose among several; method='em' has")
    if smoothness > 0:
        raise ValueError(
            "smoothness needs method='em': method='kmeans' has no probabilities to smooth")
    if labels is not None:
        raise ValueError(
            "labels need method='em': method='kmeans' cannot use pixels whose segment is known; "
            "it can begin from means_init")
    if callback is not None:
        raise ValueError("callback sees iterations of EM; method='kmeans' has none")


def _check_distinct(pixels, sizes, several):
    """The sizes, of several those that there are pixels for; ValueError where one is too many."""
    found = pixels.n_distinct(max(sizes))
    if max(sizes) <= found:
        return sizes
    many = f"only {found} different pixels take part"
    if found == 1:
        many = "all pixels that take part are the same"
    if not several:
        raise ValueError(f"n_segments={max(sizes)} is too many: {many}")
    kept = [size for size in sizes if size <= found] or [found]
    warn(f"{many}, so that no number of segments above {max(kept)} is tried", EMWarning)
    return kept


def _first_nan(raster):
    for part, block in raster.blocks():
        missing = np.argwhere(np.isnan(block))
        if len(missing):
            return raster.pixel(part, *missing[0])
