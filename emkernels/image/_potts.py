"""Mixtures whose neighbouring pixels tend to belong to the same component."""

import copy
import warnings

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.exceptions import ConvergenceWarning

from emkernels import kernels
from emkernels._callers import user_level
from emkernels._inputs import as_random_state
from emkernels.em import DegenerateFitError, run_em, warn_about
from emkernels.image._raster import CHUNK
from emkernels.kernels.potts import _potts_grid, _potts_pass
from emkernels.models._arguments import patterns_where_missing
from emkernels.models._gaussian import GaussianProblem, Gaussians
from emkernels.models.kmeans import KMeans

BLUR = 1.5          # standard deviation in pixels
SAMPLE = 1 << 16    # pixels that K-means sees of a blurred image
STARTS = 10
KEPT = 1 << 26      # bytes of posteriors that one start keeps while the other runs


class PottsProblem(GaussianProblem):
    """Gaussian components on a grid with a Potts prior, solved by mean field.

    The objective, for one known pixel, is the free energy ``sum_ik resp_ik (log N(x_i | k) -
    log n_components - log resp_ik) + smoothness sum_(i, j) sum_k resp_ik resp_jk`` over pixels
    i and pairs of neighbours (i, j). Every E-step is one sweep over resp, every M-step that of
    a mixture with equal weights; neither lowers it.

    Weights that followed the labels would count what neighbours say twice: where components
    overlap, one would take all.

    Parameters
    ----------
    X : ndarray of shape (n_pixels, n_features)
        Pixels of the grid in C order; a row with a NaN is an unknown pixel.
    covariance_type : str
    reg_covar : float
        Not part of the objective.
    shape : tuple of int
    mask : bool ndarray of shape (n_pixels,) or None
    smoothness : float
    n_threads : int or None

    References
    ----------
    G. Celeux, F. Forbes, N. Peyrard, EM procedures using mean field-like approximations for
    Markov model-based image segmentation, Pattern Recognition 36, 2003.
    """

    def __init__(self, X, covariance_type, reg_covar, *, shape, mask, smoothness,
                 n_threads=None):
        super().__init__(X, covariance_type, reg_covar, fixed=frozenset({"weights"}),
                         n_threads=n_threads)
        self.grid, self.mask = _potts_grid(shape, mask, len(X)), mask
        self.shape, self.smoothness = shape, float(smoothness)
        self.resp = None    # (n_pixels, n_components), dtype of X: read and overwritten
        self.total = float(sum(np.count_nonzero(self.known_pixels(part)) for part in self.parts()))

    def parts(self):
        return [slice(first, first + CHUNK) for first in range(0, len(self.X), CHUNK)]

    def known_pixels(self, part):
        known = ~np.isnan(self.X[part]).any(axis=1)
        return known if self.mask is None else known & self.mask[part]

    def accumulate(self, parameters):
        centers = parameters.means.astype(self.X.dtype).astype(np.float64)
        return self._statistics(centers, *_potts_pass(
            self.X, parameters.weights, centers, parameters.precisions_cholesky,
            self.covariance_type, self.grid, self.smoothness, self.resp,
            n_threads=self.n_threads))

    def parameters_of(self, labels, n_components):
        """Components of known pixels with labels; the labels of others are ignored."""
        known = np.concatenate([self.known_pixels(part) for part in self.parts()])
        known &= labels >= 0
        X = self.X if known.all() else self.X[known]
        labels = labels if known.all() else labels[known]
        centers = np.repeat(X[:1].astype(np.float64), n_components, axis=0)
        for _ in range(2):      # then the second moments are about the means
            centers = centers.astype(X.dtype).astype(np.float64)
            moments = kernels.weighted_moments(
                X, labels, centers, self.covariance_type, n_threads=self.n_threads,
                check_finite=False)
            about, seen = centers, moments.counts > 0
            centers = centers.copy()
            centers[seen] += moments.first[seen] / moments.counts[seen, None]
        equal = Gaussians(np.full(n_components, 1 / n_components), None, None, None)
        return self.maximise(self._statistics(about, *moments, 0.0), equal)


def smooth(model, X, raster, smoothness):
    """A mixture fitted to rows goes on as components on the grid of the image.

    There are two starts, of which that with the higher free energy is kept: K-means of the
    blurred image, good where there is much noise, and the fitted mixture with its posteriors, good
    where there is little. Large posteriors of the first are not kept beside those of the second;
    where the first wins it runs again.

    Parameters
    ----------
    model : GaussianMixture
        Fitted; it is not touched. Its tol, max_iter, reg_covar, callback, random_state and
        n_threads hold.
    X : ndarray of shape (n_pixels, n_features)
        Features of every pixel of the grid; outside of the mask they are ignored.
    raster : Raster
    smoothness : float

    Returns
    -------
    model : GaussianMixture
        Its weights are the shares of the components.
    resp : ndarray of shape (n_pixels, n_components)
        Zero outside of the mask.
    """
    n_components = model.n_components
    problem = PottsProblem(
        X, model.covariance_type, model.reg_covar, shape=raster.shape, mask=raster.inside,
        smoothness=smoothness, n_threads=model.n_threads)

    seed = as_random_state(model.random_state).randint(2**31 - 1)

    def from_blurred():
        labels = _labels_of_blurred(problem, n_components, seed)
        parameters = problem.parameters_of(labels, n_components)
        return parameters, _field_of(labels, problem, n_components)

    def from_mixture():
        patterns = patterns_where_missing(X)[0] if raster.has_nan else None
        resp = model._rows(X, patterns, "resp")
        _clear_outside(resp, problem)
        parameters = model._parameters()
        parameters.weights = np.full(n_components, 1 / n_components)
        return parameters, resp

    def fit(start, callback=None):
        problem.resp = None     # before the next one is made
        parameters, problem.resp = start()
        return run_em(problem, lambda i: parameters, max_iter=model.max_iter, tol=model.tol,
                      callback=callback)

    best, winner, kept, failure = None, None, None, None
    for start in (from_blurred, from_mixture):
        try:
            result = fit(start, model.callback)
        except DegenerateFitError as error:
            failure = error
            continue
        if result.interrupted:
            raise KeyboardInterrupt
        # what is less than tol apart is the same to EM; then the start without noise has it
        if best is None or result.lower_bound > best.lower_bound + model.tol:
            best, winner = result, start
            kept = problem.resp if result.stopped or start is from_mixture or (
                problem.resp.nbytes <= KEPT) else None
        if result.stopped:
            break
    if best is None:
        raise failure
    if kept is None:
        best, kept = fit(winner), problem.resp
    return _smoothed(model, problem, best, kept), kept


def _smoothed(model, problem, result, resp):
    """The mixture of a result, and what is to be said of it."""
    warn_about(result, 1e-10 if resp.dtype == np.float64 else 1e-5, stacklevel=1 + user_level(),
               reason=": reg_covar is not part of it" if model.reg_covar else "")
    if not result.converged and not result.stopped and model.max_iter > 0:
        warnings.warn(
            f"the smoothed segmentation did not converge in {model.max_iter} iterations: "
            "increase max_iter or tol", ConvergenceWarning, stacklevel=user_level())
    counts = sum(resp[part].sum(axis=0, dtype=np.float64) for part in problem.parts())
    counts += 10 * np.finfo(np.float64).eps
    result.parameters.weights = counts / counts.sum()
    smoothed = copy.copy(model)
    smoothed._set_parameters(result.parameters, resp.dtype)
    smoothed.n_iter_, smoothed.converged_ = result.n_iter, result.converged
    smoothed.lower_bound_, smoothed.lower_bounds_ = result.lower_bound, result.history
    return smoothed


def _clear_outside(resp, problem):
    """Zero posteriors outside of the mask."""
    if problem.mask is not None:
        for part in problem.parts():
            resp[part][~problem.mask[part]] = 0


def _labels_of_blurred(problem, n_components, seed):
    """K-means of the image, blurred over the pixels that are known; -1 where none is near."""
    X, shape = problem.X, problem.shape
    known = np.concatenate([problem.known_pixels(part) for part in problem.parts()])
    near = usable = None
    if not known.all():
        near = gaussian_filter(known.reshape(shape).astype(X.dtype), BLUR, mode="constant").ravel()
        usable = near > 1e-3
        if problem.mask is not None:
            usable &= problem.mask
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
    with warnings.catch_warnings():
        # fewer colours than components: the components without pixels end this start
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = KMeans(n_components, n_init=STARTS, random_state=seed,
                          n_threads=problem.n_threads).fit(blurred[:, sample].T)
    labels = np.full(len(X), -1, np.int32)
    for part in problem.parts():
        if usable is None:
            labels[part] = clusters.predict(blurred[:, part].T)
        elif usable[part].any():
            labels[part][usable[part]] = clusters.predict(blurred[:, part][:, usable[part]].T)
    return labels


def _field_of(labels, problem, n_components):
    """One-hot posteriors; equal ones where the label is -1, zero outside of the mask."""
    resp = np.zeros((len(labels), n_components), problem.X.dtype)
    for part in problem.parts():
        label, block = labels[part], resp[part]
        block[:] = label[:, None] == np.arange(n_components)
        block[label < 0] = 1 / n_components
    _clear_outside(resp, problem)
    return resp
