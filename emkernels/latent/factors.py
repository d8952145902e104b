"""Factor models as the EM loop sees them."""

from dataclasses import dataclass

import numpy as np

from emkernels.components.factors import incomplete, profile, updates
from emkernels.components.factors.moments import SMALL, Dense
from emkernels.em import DegenerateFitError

# Newton steps of an M-step on moments that are completed anew each time.
STEPS = 5
# Uniquenesses whose logarithms differ by less than this are on the way to the same maximum.
JOINED = 0.25


@dataclass
class Factors:
    """Parameters of a factor model, in standardised units.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
    components : ndarray of shape (n_factors, n_features)
    noise : ndarray of shape (n_features,)
    point : Profile or None
        The likelihood profile at the noise, of the moments that they are the maximum for.
    """

    mean: np.ndarray
    components: np.ndarray
    noise: np.ndarray
    point: object = None


@dataclass
class FactorStatistics:
    """What a pass leaves: the moments for one unit of weight, and the log-likelihood for it."""

    moments: object
    mean: np.ndarray
    log_likelihood: float


class IncompleteStatistics:
    """The same of rows with missing values, whose sums add up until they are asked for.

    Parameters
    ----------
    completed : Completed
    mean : ndarray of shape (n_features,)
        That the sums are about, standardised.
    """

    def __init__(self, completed, mean):
        self.completed, self.about = completed, mean
        self._moments = None

    def merge(self, other):
        self.completed.merge(other.completed)
        return self

    @property
    def moments(self):
        if self._moments is None:
            self._moments = Dense(self.completed.covariance)
        return self._moments

    @property
    def mean(self):
        return self.about + self.completed.offset

    @property
    def log_likelihood(self):
        return self.completed.log_likelihood / self.completed.total


class Table:
    """The moments of complete rows, all that a fit sees of them; a source of one part.

    Attributes
    ----------
    moments : Dense or Wide
        About the mean, in units of `scale`.
    mean, scale : ndarray of shape (n_features,)
    dtype, n_rows, n_features, n_positive, total
        Of the rows.
    ends : list of Factors
        Where earlier starts have ended.
    last : Factors or None
        The parameters of the last pass.
    """

    def __init__(self, moments, mean, scale, rows):
        self.moments, self.mean, self.scale = moments, mean, scale
        self.dtype, self.n_rows, self.n_positive = np.dtype(float), len(rows), rows.n_positive
        self.n_features, self.total = moments.size, rows.total
        self.ends, self.last = [], None

    def reduce(self, function, *arguments):
        return function(self, *arguments)


class FactorModel:
    """A factor model of complete rows, whose moments are known.

    Parameters
    ----------
    n_factors : int
    floor : ndarray of shape (n_features,)
        Least noise variances, in standardised units.
    isotropic : bool
        One noise variance for all columns.
    newton : bool
        Steps of Newton's method on the profile likelihood (the closed form, where isotropic), or
        of EM.
    log_scale : float
        Sum of the logarithms of the columns' units.
    """

    def __init__(self, n_factors, floor, *, isotropic=False, newton=True, log_scale=0.0):
        self.n_factors, self.floor, self.isotropic = n_factors, floor, isotropic
        self.newton, self.log_scale = newton, log_scale
        self.log_floor = np.log(floor)

    def accumulate(self, table, parameters):
        table.last = parameters
        if parameters.point is not None:
            value = -0.5 * (table.n_features * updates.LOG_2_PI + parameters.point.value)
        else:
            value = updates.log_likelihood(
                table.moments, parameters.components, parameters.noise)
        return FactorStatistics(table.moments, parameters.mean, value - self.log_scale)

    def objective(self, statistics, parameters):
        return statistics.log_likelihood

    def maximise(self, statistics, parameters):
        return self.step(statistics.moments, statistics.mean, parameters, 1)

    def step(self, moments, mean, parameters, n_steps):
        """Better loadings and noise for the moments."""
        if not self.newton:
            components, noise = updates.em_step(
                moments, parameters.components, parameters.noise, self.floor, self.isotropic)
            return Factors(mean, components, noise)
        if self.isotropic:
            components, noise = updates.best_isotropic(
                moments, self.n_factors, float(self.floor[0]))
            return Factors(mean, components, np.full(len(mean), noise))
        point = parameters.point
        if point is None or n_steps > 1:
            x = np.log(parameters.noise)
            point = profile.evaluate(moments, x, self.n_factors)
        for _ in range(n_steps):
            new = profile.improve(moments, point, self.n_factors, self.log_floor)
            gain, point = point.value - new.value, new
            if gain <= 1e-14:
                break
        if point is parameters.point:
            return parameters
        return self.at(mean, point)

    def at(self, mean, point):
        """Parameters of a profile."""
        return Factors(mean, profile.loadings(point, self.n_factors), np.exp(point.x), point)

    def endless(self, parameters, table):
        """Whether a start is about to end where another one has."""
        point = parameters.point
        if point is None or not getattr(table, "ends", ()):
            return False
        return any(
            np.abs(point.x - end.point.x).max() < JOINED and point.value >= end.point.value
            for end in table.ends)

    # --- as vectors ----------------------------------------------------------------------

    def to_vector(self, parameters):
        return np.concatenate([parameters.mean, parameters.components.ravel(),
                               np.log(parameters.noise)])

    def from_vector(self, vector, like):
        n, size = len(like.mean), like.components.size
        with np.errstate(over="ignore"):
            noise = np.maximum(np.exp(vector[n + size:]), self.floor)
        if not np.isfinite(noise).all():
            return None
        return Factors(vector[:n].copy(), vector[n:n + size].reshape(like.components.shape).copy(),
                       noise)

    def relative_change(self, old, new):
        """Largest change of a mean in standard deviations, a covariance of the model relative to
        the two variances, or a uniqueness."""
        if old is new:
            return 0.0
        variance = (new.components**2).sum(axis=0) + new.noise
        unit = np.sqrt(variance)
        a, b = old.components / unit, new.components / unit
        if len(unit) <= SMALL:
            change = np.abs(a.T @ a - b.T @ b).max()
        else:       # without the matrices of the columns: |a'a - b'b| <= |a - b| (|a| + |b|)
            change = np.sqrt(((_aligned(a, b) - b) ** 2).sum(axis=0)).max()
        return float(max(change, np.abs((old.noise - new.noise) / variance).max(),
                         np.abs((old.mean - new.mean) / unit).max()))


def _aligned(a, b):
    """Loadings a turned towards b."""
    left, _, right = np.linalg.svd(b @ a.T)
    return (left @ right) @ a


class IncompleteFactorModel(FactorModel):
    """A factor model of rows with missing values.

    The E-step completes the moments under the normal distribution that the model is; the M-step
    is a step on these as on moments of complete rows, from the last noise variances on.

    Parameters
    ----------
    n_factors, floor, isotropic, newton
        As of :class:`FactorModel`.
    scaling : Scaling
        Units of the columns.
    """

    def __init__(self, n_factors, floor, scaling, *, isotropic=False, newton=True):
        super().__init__(n_factors, floor, isotropic=isotropic, newton=newton)
        self.scaling = scaling

    def accumulate(self, rows, parameters):
        scale = self.scaling.scale
        try:
            completed = incomplete.Completed(
                rows, self.scaling.center + parameters.mean * scale, scale,
                parameters.components, parameters.noise)
        except np.linalg.LinAlgError:
            raise DegenerateFitError(
                "the factors have no covariance given the rows, to the digits of float64: start "
                "values are too far from the data, or min_uniqueness is too small") from None
        return IncompleteStatistics(completed, parameters.mean)

    def maximise(self, statistics, parameters):
        if not np.isfinite(statistics.moments.matrix).all():
            raise DegenerateFitError("the completed moments are not finite")
        return self.step(statistics.moments, statistics.mean, parameters, STEPS)
