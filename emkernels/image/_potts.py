"""Mixtures whose neighbouring pixels tend to belong to the same component."""

import copy
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from emkernels.em import run_em, warn_about
from emkernels.image._raster import CHUNK
from emkernels.kernels.potts import _potts_grid, _potts_pass
from emkernels.models._gaussian import GaussianProblem


class PottsProblem(GaussianProblem):
    """A Gaussian mixture on a grid with a Potts prior, solved by mean field.

    The objective, for one known pixel, is the free energy ``sum_ik resp_ik (log(weights_k
    N(x_i | k)) - log resp_ik) + smoothness sum_(i, j) sum_k resp_ik resp_jk`` over pixels i and
    pairs of neighbours (i, j). Every E-step is one sweep over resp, every M-step that of the
    mixture with its weights fixed; neither lowers it.

    Weights that followed the smoothed labels would count what neighbours say twice: where
    components overlap, one would take all.

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
    resp : ndarray of shape (n_pixels, n_components), dtype of X
        Read and overwritten.
    n_threads : int or None

    References
    ----------
    G. Celeux, F. Forbes, N. Peyrard, EM procedures using mean field-like approximations for
    Markov model-based image segmentation, Pattern Recognition 36, 2003.
    """

    def __init__(self, X, covariance_type, reg_covar, *, shape, mask, smoothness, resp,
                 n_threads=None):
        super().__init__(X, covariance_type, reg_covar, fixed=frozenset({"weights"}),
                         n_threads=n_threads)
        self.grid = _potts_grid(shape, mask, len(X))
        self.smoothness, self.resp = float(smoothness), resp
        self.total = 0.0
        for first in range(0, len(X), CHUNK):
            part = slice(first, first + CHUNK)
            known = ~np.isnan(X[part]).any(axis=1)
            self.total += np.count_nonzero(known if mask is None else known & mask[part])

    def accumulate(self, parameters):
        centers = parameters.means.astype(self.X.dtype).astype(np.float64)
        return self._statistics(centers, *_potts_pass(
            self.X, parameters.weights, centers, parameters.precisions_cholesky,
            self.covariance_type, self.grid, self.smoothness, self.resp,
            n_threads=self.n_threads))


def smooth(model, pixels, patterns, smoothness):
    """A mixture fitted to rows goes on as one on the grid of the image, from its posteriors.

    Parameters
    ----------
    model : GaussianMixture
        Fitted; it is not touched. Its tol, max_iter, reg_covar, callback and n_threads hold.
    pixels : CountedPixels or AllPixels
    patterns : MissingPatterns or None
        Of the rows.
    smoothness : float

    Returns
    -------
    model : GaussianMixture
        With the weights of the other.
    resp : ndarray of shape (n_pixels, n_components)
        Zero outside of the mask.
    """
    raster = pixels.raster
    X, resp = pixels.rows, model._rows(pixels.rows, patterns, "resp")
    if pixels.weight is not None or raster.inside is not None:
        X, resp = _on_grid(pixels, X), _on_grid(pixels, resp)
    problem = PottsProblem(
        X, model.covariance_type, model.reg_covar, shape=raster.shape, mask=raster.inside,
        smoothness=smoothness, resp=resp, n_threads=model.n_threads)
    if problem.total == 0:
        raise ValueError("every pixel has a NaN: smoothness needs pixels that are known")
    result = run_em(
        problem, lambda i: model._parameters(), max_iter=model.max_iter, tol=model.tol,
        callback=model.callback)
    if result.interrupted:
        raise KeyboardInterrupt
    warn_about(result, 1e-10 if X.dtype == np.float64 else 1e-5, stacklevel=4,
               reason=": reg_covar is not part of it" if model.reg_covar else "")
    if not result.converged and not result.stopped:
        warnings.warn(
            f"the smoothed segmentation did not converge in {model.max_iter} iterations: "
            "increase max_iter or tol", ConvergenceWarning, stacklevel=3)
    smoothed = copy.copy(model)
    smoothed._set_parameters(result.parameters, X.dtype)
    smoothed.n_iter_, smoothed.converged_ = result.n_iter, result.converged
    smoothed.lower_bound_, smoothed.lower_bounds_ = result.lower_bound, result.history
    return smoothed, resp


def _on_grid(pixels, per_row):
    out = np.zeros((pixels.raster.n_pixels, per_row.shape[1]), per_row.dtype)
    pixels.spread(per_row, out)
    return out
