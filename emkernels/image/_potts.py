"""Gaussian components on the grid of an image, whose neighbouring pixels tend to be alike."""

import numpy as np

from emkernels import kernels
from emkernels.image._raster import CHUNK
from emkernels.kernels.passes import potts_grid, potts_pass
from emkernels.models._gaussian import GaussianProblem, Gaussians

SLABS = 8           # parts of a large image that starts are judged by
JUDGED = 1 << 18    # pixels of all of them
SWEEPS = 3          # until hidden pixels know what their neighbours say
STEPS = 20          # towards the field of a start


class PottsProblem(GaussianProblem):
    """Gaussian components on a grid with a Potts prior and an external field, by mean field.

    Labels z have the prior ``p(z)`` proportional to ``prod_i weights[z_i] exp(smoothness *
    number of neighbouring pairs with equal labels)``. An E-step is one sweep over `resp`, the
    posteriors. An M-step is that of a mixture for means and covariances; weights, the external
    field, maximise the likelihood of the posteriors given their neighbours, ``sum_ik resp_ik
    log prior_ik`` with ``prior_ik`` proportional to ``weights_k exp(smoothness * sum of
    resp_jk over the neighbours j of i)``. Its maximum is where the mean prior equals the mean
    posterior, and each ``weights_k *= mean posterior_k / mean prior_k`` is a step up. Without
    smoothness the step is that of a mixture. Weights that were the shares of the labels would
    count what neighbours say twice: where components overlap, one would take all.

    The objective, for one known pixel, is ``log sum_k prior_ik N(x_i | k)``, with the
    neighbours as the sweep found them: without smoothness the log-likelihood of the mixture.
    As the neighbours change it may fall a little on the way; where it has settled, so has the
    fit.

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
    known : int32 ndarray of shape (n_pixels,) or None
        Components of pixels that keep theirs, -1 for the others.
    n_threads : int or None

    References
    ----------
    G. Celeux, F. Forbes, N. Peyrard, EM procedures using mean field-like approximations for
    Markov model-based image segmentation, Pattern Recognition 36, 2003.
    """

    def __init__(self, X, covariance_type, reg_covar, *, shape, mask, smoothness, known=None,
                 n_threads=None):
        super().__init__(X, covariance_type, reg_covar, known=known, n_threads=n_threads)
        self.grid, self.mask = potts_grid(shape, mask, len(X)), mask
        self.shape, self.smoothness = shape, float(smoothness)
        self.resp = None    # (n_pixels, n_components), dtype of X: read and overwritten
        self.prior = None   # (n_components,) sums over the known pixels of the last sweep
        self.total = float(sum(np.count_nonzero(self.known_pixels(part)) for part in self.parts()))

    def parts(self):
        return [slice(first, first + CHUNK) for first in range(0, len(self.X), CHUNK)]

    def known_pixels(self, part):
        known = ~np.isnan(self.X[part]).any(axis=1)
        return known if self.mask is None else known & self.mask[part]

    def accumulate(self, parameters):
        centers = parameters.means.astype(self.X.dtype).astype(np.float64)
        counts, first, second, _, log_likelihood, self.prior = potts_pass(
            self.X, parameters.weights, centers, parameters.precisions_cholesky,
            self.covariance_type, self.grid, self.smoothness, self.resp, known=self.known,
            n_threads=self.n_threads)
        return self._statistics(centers, counts, first, second, log_likelihood)

    def maximise(self, statistics, parameters):
        new = super().maximise(statistics, parameters)
        new.weights = _step(parameters.weights, statistics.counts, self.prior)
        return new

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
        nothing = Gaussians(None, None, None, None)
        return super().maximise(self._statistics(about, *moments, 0.0), nothing)

    # --- what a part of the image is enough for ------------------------------------------

    def slabs(self):
        """(pixels, shape) of the whole grid, or of parts of it along its first axis."""
        shape, row = self.shape, int(np.prod(self.shape[1:]))
        length = max(2, JUDGED // row)
        if length >= shape[0]:
            return [(slice(None), shape)]
        n = min(SLABS, length // 2)
        firsts = np.linspace(0, shape[0] - length // n, n).astype(int)
        return [(slice(first * row, (first + length // n) * row), (length // n, *shape[1:]))
                for first in firsts.tolist()]

    def field_of(self, weights):
        """The external field that belongs to `resp`, beginning from `weights`."""
        if self.smoothness == 0:
            return weights
        fields, counts = [], 0
        for pixels, shape in self.slabs():
            known = np.isfinite(self.X[pixels]).all(axis=1)
            known = known if self.mask is None else known & self.mask[pixels]
            resp = self.resp[pixels]
            fields.append(self.smoothness * _sums_of_neighbours(resp, shape)[known])
            counts = counts + resp[known].sum(axis=0, dtype=np.float64)
        for _ in range(STEPS):
            with np.errstate(divide="ignore"):
                log_weights = np.log(weights)
            prior = 0
            for field in fields:
                for first in range(0, len(field), CHUNK):
                    share = field[first : first + CHUNK] + log_weights
                    share -= share.max(axis=1, keepdims=True)
                    np.exp(share, out=share)
                    share /= share.sum(axis=1, keepdims=True)
                    prior = prior + share.sum(axis=0)
            before, weights = weights, _step(weights, counts, prior)
            if np.abs(weights - before).max() < 1e-3:
                break
        return weights

    def held_out(self, parameters):
        """How well pixels are foretold by neighbours that have not seen them: the mean log
        density of every second pixel of the checkerboard, its prior made of posteriors for
        which it was unknown. Higher is better; `resp` is not touched."""
        centers = parameters.means.astype(self.X.dtype).astype(np.float64)
        total, n = 0.0, 0
        for pixels, shape in self.slabs():
            mask = None if self.mask is None else self.mask[pixels]
            if mask is not None and not mask.any():
                continue
            even = np.indices(shape, sparse=True)
            even = (sum(even) % 2 == 0).reshape(-1)
            resp, X = self.resp[pixels].copy(), self.X[pixels]
            grid = potts_grid(shape, mask, len(X))
            known = None if self.known is None else np.ascontiguousarray(self.known[pixels])
            # the even pixels are visited first: what is foretold does not depend on the odd ones
            for hidden in [even] * SWEEPS + [~even]:
                part = np.where(hidden[:, None], X.dtype.type(np.nan), X)
                score = potts_pass(
                    part, parameters.weights, centers, parameters.precisions_cholesky,
                    self.covariance_type, grid, self.smoothness, resp, known=known,
                    n_threads=self.n_threads)[4]
            seen = even & ~np.isnan(X).any(axis=1)
            total, n = total + score, n + np.count_nonzero(seen if mask is None else seen & mask)
        return total / max(n, 1)


def _step(weights, counts, prior):
    """Weights that make the mean prior more like the mean posterior."""
    least = 10 * np.finfo(np.float64).eps
    weights = weights * (counts + least) / (prior + least)
    return weights / weights.sum()


def _sums_of_neighbours(resp, shape):
    """For each pixel the sum of its neighbours' posteriors."""
    values = resp.reshape(*shape, -1)
    sums = np.zeros_like(values)
    for axis in range(len(shape)):
        before = (slice(None),) * axis + (slice(None, -1),)
        behind = (slice(None),) * axis + (slice(1, None),)
        sums[before] += values[behind]
        sums[behind] += values[before]
    return sums.reshape(resp.shape)
