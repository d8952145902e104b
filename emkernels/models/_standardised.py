"""EM in standardised units on rows that stay as they are."""

from dataclasses import dataclass

import numpy as np

from emkernels.em import DegenerateFitError
from emkernels.models._covariance import covariances_from_factors, precision_cholesky
from emkernels.models._gaussian import GaussianProblem, Gaussians
from emkernels.statistics import SufficientStatistics

CHUNK = 2**16       # cells that NumPy looks at together
# M-steps in a row with a variance at the floor after which EM ends: the likelihood has no
# maximum there, and what steps do to the other directions is done. Few where there are no more
# rows than columns, as then nothing else was to be expected.
AT_FLOOR = 100
AT_FLOOR_WIDE = 10


@dataclass
class ColumnSummary:
    """What the observed cells of every column say; rows without weight are not looked at."""

    counts: np.ndarray      # observed cells
    low: np.ndarray         # NaN where nothing is observed
    high: np.ndarray
    means: np.ndarray       # weighted
    deviations: np.ndarray  # weighted standard deviations, divisor the sum of weights

    @property
    def empty(self):
        return self.counts == 0

    @property
    def constant(self):
        return (self.counts > 0) & (self.low == self.high)


def _chunks(X, sample_weight):
    """Blocks of rows with their weights; rows of no weight are left out."""
    step = max(1, CHUNK // max(1, X.shape[1]))
    for first in range(0, X.shape[0], step):
        block = X[first:first + step]
        if sample_weight is None:
            yield block, np.ones(len(block))
            continue
        weight = sample_weight[first:first + step]
        if not weight.all():
            block, weight = block[weight > 0], weight[weight > 0]
        yield block, weight


def summarise_columns(X, sample_weight=None):
    """Counts, extremes, means and standard deviations of the observed cells, a block of rows
    at a time and about the smallest value in units of the range, so that neither an offset
    nor a scale costs digits."""
    n_features = X.shape[1]
    counts = np.zeros(n_features, np.int64)
    low, high = np.full((2, n_features), np.nan)
    for block, _ in _chunks(X, sample_weight):
        counts += len(block) - np.isnan(block).sum(axis=0)
        # fmin and fmax prefer a number to NaN
        low = np.fmin(low, np.fmin.reduce(block, axis=0, initial=np.nan))
        high = np.fmax(high, np.fmax.reduce(block, axis=0, initial=np.nan))
    low, high = low.astype(np.float64), high.astype(np.float64)
    span = np.where(high > low, high - low, 1.0)
    total, first, second = np.zeros((3, n_features))
    for block, weight in _chunks(X, sample_weight):
        # one order of the sums for every layout of X
        shifted = np.array(block, dtype=np.float64, order="C")
        shifted -= low
        shifted /= span
        seen = ~np.isnan(shifted)
        shifted[~seen] = 0
        total += np.einsum("n,nd->d", weight, seen)
        first += np.einsum("n,nd->d", weight, shifted)
        second += np.einsum("n,nd,nd->d", weight, shifted, shifted)
    total = np.where(total > 0, total, 1.0)
    first /= total
    variance = np.maximum(second / total - first**2, 0)
    return ColumnSummary(counts, low, high, low + span * first, span * np.sqrt(variance))


@dataclass
class Scaling:
    """``standardised = (raw - center) / scale``, column by column."""

    center: np.ndarray
    scale: np.ndarray

    def factors_to_raw(self, factors, covariance_type):
        """precisions_cholesky of raw columns: U / scale, as x' U = (scale x)' (U / scale)."""
        if covariance_type in ("full", "tied"):
            return np.ascontiguousarray(factors / self.scale[:, None])
        return factors / (self.scale[0] if covariance_type == "spherical" else self.scale)

    def covariances_to_raw(self, covariances, covariance_type):
        if covariance_type in ("full", "tied"):
            return covariances * np.outer(self.scale, self.scale)
        return covariances * (
            self.scale[0] if covariance_type == "spherical" else self.scale) ** 2

    def to_raw(self, parameters, covariance_type):
        """The mixture of the raw columns; its covariances only where they are known."""
        covariances = parameters.covariances
        if covariances is not None:
            covariances = self.covariances_to_raw(covariances, covariance_type)
        return Gaussians(
            parameters.weights, self.center + self.scale * parameters.means, covariances,
            self.factors_to_raw(parameters.precisions_cholesky, covariance_type))

    def to_standard(self, parameters, covariance_type):
        """The inverse of :meth:`to_raw`."""
        back = Scaling(-self.center / self.scale, 1 / self.scale)
        return back.to_raw(parameters, covariance_type)

    def statistics(self, raw):
        """Statistics of the standardised rows from those of the raw ones."""
        type_, s = raw.covariance_type, self.scale
        if type_ in ("full", "tied"):
            second = raw.second / np.outer(s, s)
        else:
            second = raw.second / (s[0] if type_ == "spherical" else s) ** 2
        out = SufficientStatistics.__new__(SufficientStatistics)
        out.covariance_type, out.centers = type_, (raw.centers - self.center) / s
        out.counts, out.first, out.second = raw.counts, raw.first / s, second
        out.log_likelihood = raw.log_likelihood
        return out


class StandardisedProblem(GaussianProblem):
    """A Gaussian mixture whose parameters the EM loop sees in standardised units.

    The kernels get the raw rows and the parameters in raw units; the statistics come back in
    standardised ones. So priors, tolerances, extrapolations and the floor of the variances
    mean the same whatever the columns are measured in, and X is not copied.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        NaN where missing.
    covariance_type : str
    scaling : Scaling
        One scale for all columns where the type is 'spherical'.
    floor : float
        Smallest variance of a combination of standardised columns of length one. The M-step
        takes the likeliest covariances above it, which have the eigenvalues
        ``max(eigenvalue, floor)``; so the objective does not fall, and columns that depend
        linearly on others have a limit.
    patterns, sample_weight, covariance_prior, n_threads
        As :class:`GaussianProblem` has them; the prior is one of standardised columns.
    """

    def __init__(self, X, covariance_type, scaling, floor, *, patterns=None, sample_weight=None,
                 covariance_prior=None, n_threads=None):
        super().__init__(X, covariance_type, 0.0, sample_weight=sample_weight,
                         covariance_prior=covariance_prior, n_threads=n_threads,
                         patterns=patterns)
        self.scaling, self.floor = scaling, floor
        self.objective_scale = self.n_rows
        self.lift = False
        self.n_floored = 0              # M-steps since the last one without a variance at the floor
        self.log_likelihood = np.nan    # of the last E-step

    @property
    def endless(self):
        """Whether EM has long been where the likelihood has no maximum."""
        if self.covariance_prior is not None or self.n_floored < AT_FLOOR_WIDE:
            return False
        return self.n_rows <= self.X.shape[1] or self.n_floored >= AT_FLOOR

    def accumulate(self, parameters):
        raw = self.scaling.to_raw(parameters, self.covariance_type)
        statistics = super().accumulate(raw)
        self.log_likelihood = statistics.log_likelihood
        return self.scaling.statistics(statistics)

    def maximise(self, statistics, parameters):
        try:
            new = super().maximise(statistics, parameters)
            if not below_floor(new.precisions_cholesky, self.floor):
                self.n_floored = 0
                return new
        except DegenerateFitError:
            if not np.isfinite(statistics.second).all():
                raise
        self.lift = True
        try:
            return super().maximise(statistics, parameters)
        finally:
            self.lift = False

    def is_degenerate(self, parameters):
        """False: the floor is what keeps components from it, in every start alike."""
        return False

    def _check_variances(self, covariances, means):
        """Nothing: small ones come to the floor."""

    def _covariances(self, statistics, counts, offsets, residual):
        covariances = super()._covariances(statistics, counts, offsets, residual)
        if not self.lift:
            return covariances
        lifted = lift(covariances, self.covariance_type, self.floor)
        self.n_floored = 0 if lifted is covariances else self.n_floored + 1
        return lifted

    def from_vector(self, vector, like):
        proposal = super().from_vector(vector, like)
        if proposal is None or not below_floor(proposal.precisions_cholesky, self.floor):
            return proposal
        covariances = lift(
            covariances_from_factors(proposal.precisions_cholesky, self.covariance_type),
            self.covariance_type, self.floor)
        try:
            factors = precision_cholesky(covariances, self.covariance_type)
        except DegenerateFitError:
            return None
        return Gaussians(proposal.weights, proposal.means, covariances, factors)


def below_floor(factors, floor):
    """Whether an eigenvalue may be at the floor or below: no trace of a precision is smaller
    than the inverse of the smallest eigenvalue, so most covariances need no second look."""
    squares = np.square(factors)
    traces = squares.sum(axis=(-2, -1)) if factors.ndim > 1 else squares
    return not np.max(traces) * floor < 1


def lift(covariances, covariance_type, floor):
    """Covariances with every eigenvalue at least `floor`."""
    if covariance_type in ("diag", "spherical"):
        return covariances if covariances.min() >= floor else np.maximum(covariances, floor)
    values, vectors = np.linalg.eigh(covariances)
    if values.min() >= floor:
        return covariances
    values = np.maximum(values, floor)
    lifted = (vectors * values[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return (lifted + np.swapaxes(lifted, -1, -2)) / 2


def at_floor(covariance, floor):
    """Combinations (n, n_features), of length one, whose variance is at the floor."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors[:, values <= floor * (1 + 1e-3)].T


def along(combinations, names):
    """Names of the columns that combinations are of, those that weigh most first."""
    largest = np.abs(combinations).max(axis=0)
    return [names[j] for j in np.argsort(-largest, kind="stable") if largest[j] > 0.05]
