"""Components on the grid of an image, whose neighbouring pixels tend to be alike."""

import numpy as np

from emkernels.components.gaussian.moments import seen, statistics_of
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.kernels import passes, weighted_moments
from emkernels.latent.mixture import MixtureParameters

CHUNK = 1 << 18     # pixels that NumPy looks at together
SLABS = 8           # parts of a large image that starts are judged by
JUDGED = 1 << 18    # pixels of all of them
SWEEPS = 3          # until hidden pixels know what their neighbours say
STEPS = 20          # towards the field of a start


class FieldStatistics(SufficientStatistics):
    """With the sums of the prior over the known pixels, as a sweep found them, (n_components,)."""

    __slots__ = ("prior",)
    _sums = (*SufficientStatistics._sums, "prior")

    def __reduce__(self):
        return _with_prior, (self.to_bytes(), self.prior)


def _with_prior(data, prior):
    """Statistics of a field from those without, and their prior."""
    out = FieldStatistics.from_bytes(data)
    out.prior = prior
    return out


class Field:
    """The pixels of a grid and their posteriors, which a sweep reads and overwrites.

    Parameters
    ----------
    rows : Rows
        Pixels of the grid in C order; a row with a NaN is an unknown pixel, and `known` the
        components of pixels that keep theirs. They keep the field as ``kept["field"]``.
    shape : tuple of int
    mask : bool ndarray of shape (n_pixels,) or None

    Attributes
    ----------
    resp : ndarray of shape (n_pixels, n_components) or None
        Posteriors, dtype of X.
    n_known : int
        Pixels that are known and inside the mask.
    """

    def __init__(self, rows, shape, mask):
        self.X, self.dtype, self.known, self.n_threads = (
            rows.X, rows.dtype, rows.known, rows.n_threads)
        self.shape, self.mask = shape, mask
        self.grid = passes.potts_grid(shape, mask, len(rows))
        self.resp = None
        self.n_known = sum(np.count_nonzero(self.known_pixels(part)) for part in self.parts())
        rows.kept["field"] = self

    def parts(self):
        return [slice(first, first + CHUNK) for first in range(0, len(self.X), CHUNK)]

    def known_pixels(self, part):
        known = ~np.isnan(self.X[part]).any(axis=1)
        return known if self.mask is None else known & self.mask[part]

    def all_known_pixels(self):
        return np.concatenate([self.known_pixels(part) for part in self.parts()])

    def clear_outside(self):
        """Zero posteriors outside of the mask."""
        if self.mask is not None:
            for part in self.parts():
                self.resp[part][~self.mask[part]] = 0

    def sweep(self, model, parameters):
        """One pass over the posteriors, which change; counts, first, second, free energy,
        log-likelihood, sums of the prior."""
        return passes.potts_pass(
            self.X, parameters.weights, seen(parameters.means, self),
            parameters.precisions_cholesky, model.components.structure.kernel, self.grid,
            model.smoothness, self.resp, known=self.known, n_threads=self.n_threads)

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

    def weights_of(self, weights, smoothness):
        """The external field that belongs to `resp`, beginning from `weights`."""
        if smoothness == 0:
            return weights
        fields, counts = [], 0
        for pixels, shape in self.slabs():
            known = np.isfinite(self.X[pixels]).all(axis=1)
            known = known if self.mask is None else known & self.mask[pixels]
            resp = self.resp[pixels]
            fields.append(smoothness * _sums_of_neighbours(resp, shape)[known])
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

    def held_out(self, model, parameters):
        """How well pixels are foretold by neighbours that have not seen them: the mean log
        density of every second pixel of the checkerboard, its prior made of posteriors for
        which it was unknown. Higher is better; `resp` is not touched."""
        centers = seen(parameters.means, self)
        total, n = 0.0, 0
        for pixels, shape in self.slabs():
            mask = None if self.mask is None else self.mask[pixels]
            if mask is not None and not mask.any():
                continue
            even = np.indices(shape, sparse=True)
            even = (sum(even) % 2 == 0).reshape(-1)
            resp, X = self.resp[pixels].copy(), self.X[pixels]
            grid = passes.potts_grid(shape, mask, len(X))
            known = None if self.known is None else np.ascontiguousarray(self.known[pixels])
            # the even pixels are visited first: what is foretold does not depend on the odd ones
            for hidden in [even] * SWEEPS + [~even]:
                part = np.where(hidden[:, None], X.dtype.type(np.nan), X)
                score = passes.potts_pass(
                    part, parameters.weights, centers, parameters.precisions_cholesky,
                    model.components.structure.kernel, grid, model.smoothness, resp,
                    known=known, n_threads=self.n_threads)[4]
            judged = even & ~np.isnan(X).any(axis=1)
            judged = judged if mask is None else judged & mask
            total, n = total + score, n + np.count_nonzero(judged)
        return total / max(n, 1)


class PottsMixture:
    """Components on a grid with a Potts prior and an external field, by mean field.

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

    Its rows have a :class:`Field` in ``kept["field"]``.

    Parameters
    ----------
    components : GaussianComponents
        What is added to their variances is not part of the objective.
    smoothness : float

    References
    ----------
    G. Celeux, F. Forbes, N. Peyrard, EM procedures using mean field-like approximations for
    Markov model-based image segmentation, Pattern Recognition 36, 2003.
    """

    def __init__(self, components, smoothness):
        self.components, self.smoothness = components, float(smoothness)

    def accumulate(self, rows, parameters):
        field = rows.kept["field"]
        counts, first, second, _, log_likelihood, prior = field.sweep(self, parameters)
        out = FieldStatistics.trusted(
            self.components.structure.kernel, seen(parameters.means, rows), counts, first, second,
            log_likelihood, float(field.n_known), len(rows))
        out.prior, out.n_threads = prior, rows.n_threads
        return out

    def objective(self, statistics, parameters):
        return statistics.log_likelihood / statistics.total

    def maximise(self, statistics, parameters):
        components = self.components.maximise(statistics, parameters.components)
        weights = _step(parameters.weights, statistics.counts, statistics.prior)
        return MixtureParameters(weights, components)

    def of_labels(self, rows, labels, n_components):
        """Components of known pixels with labels, and their weights; the labels of others are
        ignored."""
        known = rows.kept["field"].all_known_pixels()
        known &= labels >= 0
        X = rows.X if known.all() else rows.X[known]
        labels = labels if known.all() else labels[known]
        centers = np.repeat(X[:1].astype(np.float64), n_components, axis=0)
        for _ in range(2):      # then the second moments are about the means
            centers = seen(centers, rows)
            moments = weighted_moments(
                X, labels, centers, self.components.structure.kernel, n_threads=rows.n_threads,
                check_finite=False)
            about, found = centers, moments.counts > 0
            centers = centers.copy()
            centers[found] += moments.first[found] / moments.counts[found, None]
        statistics = statistics_of(rows, self.components.structure.kernel, about, *moments,
                                   total=float(rows.kept["field"].n_known))
        counts = statistics.positive_counts()
        return MixtureParameters(
            counts / counts.sum(), self.components.maximise(statistics, None))


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
