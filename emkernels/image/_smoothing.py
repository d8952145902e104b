"""Smoothing a segmentation: where it begins, which start is kept, what is said of it."""

import copy

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.exceptions import ConvergenceWarning

from emkernels._callers import listening, warn
from emkernels._inputs import as_random_state
from emkernels.components.gaussian.degenerate import Spikes, examine, find_spikes
from emkernels.components.gaussian.density import GaussianComponents
from emkernels.components.gaussian.structures import structure_of
from emkernels.data import Rows
from emkernels.em import DegenerateFitError, run_em, warn_about
from emkernels.latent.field import Field, PottsMixture
from emkernels.models.kmeans import KMeans
from emkernels.models.mixture.fitted import parameters_of, put, responsibilities_of

BLUR = 1.5          # standard deviation in pixels
SAMPLE = 1 << 16    # pixels that K-means sees of a blurred image
STARTS = 10
KEPT = 1 << 26      # bytes of posteriors that one start keeps while the other runs


def smooth(model, X, raster, smoothness, *, known=None, ordered=False):
    """A mixture fitted to rows goes on as components on the grid of the image.

    There are two starts: K-means of the blurred image, good where there is much noise, and the
    fitted mixture with its posteriors, good where there is little. That is kept whose pixels
    are better foretold by neighbours that have not seen them (`Field.held_out`), unless
    it alone has a component on one value, as of pixels that are cut off at black; the
    objective of EM itself is higher where posteriors repeat what a pixel has told its
    neighbours. Large posteriors of the first are not kept beside those of the second; where
    the first wins it runs again.

    Parameters
    ----------
    model : GaussianMixture
        Fitted; it is not touched. Its tol (a tenth of it, for a step of the objective),
        max_iter, reg_covar, callback, random_state and n_threads hold.
    X : ndarray of shape (n_pixels, n_features)
        Features of every pixel of the grid; outside of the mask they are ignored.
    raster : Raster
    smoothness : float
    known : int32 ndarray of shape (n_pixels,) or None
        Components of pixels that keep theirs, -1 for the others.
    ordered : bool
        Components keep the order that they have: K-means begins from the fitted means.

    Returns
    -------
    model : GaussianMixture
        Its weights are the shares of the components.
    resp : ndarray of shape (n_pixels, n_components)
        Zero outside of the mask.
    """
    n_components = model.n_components
    rows = Rows(X, known=known, n_threads=model.n_threads)
    field = Field(rows, raster.shape, raster.inside)
    structure = structure_of(model.covariance_type, reg_covar=model.reg_covar)
    potts = PottsMixture(GaussianComponents(structure), smoothness)
    seed = as_random_state(model.random_state).randint(2**31 - 1)

    def from_blurred():
        labels = _labels_of_blurred(field, n_components, seed, model.means_ if ordered else None)
        if known is not None:
            labels = np.where(known >= 0, known, labels)
        parameters = potts.of_labels(rows, labels, n_components)
        field.resp = _posteriors_of(labels, field, n_components)
        field.clear_outside()
        return parameters

    def from_mixture():
        field.resp = responsibilities_of(model, Rows.read(X) if raster.has_nan else rows)
        if known is not None:
            keep_known(field.resp, known)
        field.clear_outside()
        return parameters_of(model)

    def fit(start, callback=None):
        field.resp = None       # before the next one is made
        parameters = start()
        parameters.weights = field.weights_of(parameters.weights, smoothness)
        return run_em(potts, rows, lambda i: parameters, max_iter=model.max_iter,
                      tol=model.tol / 10, callback=callback)

    best, winner, kept, failure, highest = None, None, None, None, None
    for start in (from_blurred, from_mixture):
        try:
            result = fit(start, model.callback)
        except DegenerateFitError as error:
            failure = error
            continue
        if result.interrupted:
            raise KeyboardInterrupt
        # pixels cut off at black or white are foretold well, and are no segment
        score = (not _cut_off(result.parameters, raster),
                 field.held_out(potts, result.parameters))
        if best is None or score >= highest:
            best, winner, highest = result, start, score
            kept = field.resp if result.stopped or start is from_mixture or (
                field.resp.nbytes <= KEPT) else None
        if result.stopped:
            break
    if best is None:
        raise failure
    if kept is None:
        best, kept = fit(winner), field.resp
    return _smoothed(model, rows, structure, best, kept), kept


def _cut_off(parameters, raster):
    """Whether a component is of integers that are cut off: on the smallest or the largest value,
    with no variance but what is added."""
    if raster.divisor is None:
        return False
    least = np.broadcast_to(2.0 * parameters.structure.reg_covar, parameters.means.shape[1])
    spikes = find_spikes(parameters, least)
    ends = np.array([raster.low, raster.high]) / raster.divisor
    near = np.abs(parameters.means[..., None] - ends).min(axis=-1) * raster.divisor < 0.5
    return any(near[k, columns].any() for k, (columns, _) in spikes.items())


def keep_known(resp, known):
    """Posteriors of pixels whose component is known."""
    rows = np.flatnonzero(known >= 0)
    resp[rows] = 0
    resp[rows, known[rows]] = 1


def _smoothed(model, rows, structure, result, resp):
    """The mixture of a result, and what is to be said of it."""
    # the objective is not one that never falls
    warn_about(result, np.inf)
    if not result.converged and not result.stopped and model.max_iter > 0:
        warn(
            f"the smoothed segmentation did not converge in {model.max_iter} iterations: "
            "increase max_iter or tol", ConvergenceWarning)
    counts = sum(resp[part].sum(axis=0, dtype=np.float64) for part in rows.kept["field"].parts())
    counts += 10 * np.finfo(np.float64).eps
    result.parameters.weights = counts / counts.sum()
    smoothed = copy.copy(model)
    put(smoothed, result.parameters, resp.dtype, examine(
        result.parameters, structure.reg_covar, Spikes(rows, structure).least, len(rows)))
    smoothed.n_iter_, smoothed.converged_ = result.n_iter, result.converged
    smoothed.lower_bound_, smoothed.lower_bounds_ = result.lower_bound, result.history
    return smoothed


def _labels_of_blurred(field, n_components, seed, means=None):
    """K-means of the image, blurred over the pixels that are known; -1 where none is near. It
    begins from `means`, where they are given."""
    X, shape = field.X, field.shape
    known = field.all_known_pixels()
    near = usable = None
    if not known.all():
        near = gaussian_filter(known.reshape(shape).astype(X.dtype), BLUR, mode="constant").ravel()
        usable = near > 1e-3
        if field.mask is not None:
            usable &= field.mask
    blurred = np.empty((X.shape[1], len(X)), X.dtype)       # a filter writes to a column
    for values, column in zip(X.T, blurred):
        gaussian_filter((values if near is None else np.where(known, values, 0)).reshape(shape),
                        BLUR, output=column.reshape(shape),
                        mode="reflect" if near is None else "constant")
        if near is not None:
            np.divide(column, near, out=column, where=usable)
    n_usable = len(X) if usable is None else np.count_nonzero(usable)
    if n_usable < n_components:
        raise DegenerateFitError(f"{n_usable} pixels are known, of {n_components} segments")
    sample = slice(None) if usable is None else np.flatnonzero(usable)
    if n_usable > SAMPLE:
        chosen = as_random_state(seed).randint(n_usable, size=SAMPLE)
        sample = chosen if usable is None else sample[chosen]
    # fewer colours than components: the components without pixels end this start
    with listening():
        clusters = KMeans(
            n_components, init="k-means++" if means is None else means,
            n_init=STARTS if means is None else 1, random_state=seed,
            n_threads=field.n_threads).fit(blurred[:, sample].T)
    labels = np.full(len(X), -1, np.int32)
    for part in field.parts():
        if usable is None:
            labels[part] = clusters.predict(blurred[:, part].T)
        elif usable[part].any():
            labels[part][usable[part]] = clusters.predict(blurred[:, part][:, usable[part]].T)
    return labels


def _posteriors_of(labels, field, n_components):
    """One-hot posteriors; equal ones where the label is -1."""
    resp = np.zeros((len(labels), n_components), field.X.dtype)
    for part in field.parts():
        label, block = labels[part], resp[part]
        block[:] = label[:, None] == np.arange(n_components)
        block[label < 0] = 1 / n_components
    return resp
