"""How a factor model is fitted: moments of the rows, starts, the loop."""

from dataclasses import dataclass

import numpy as np

from emkernels import _inputs
from emkernels.components.factors import profile, starts, updates
from emkernels.components.factors.moments import SMALL, Dense, Wide
from emkernels.components.gaussian.moments import column_means, pair_covariance, seen
from emkernels.components.gaussian.parameters import Scaling
from emkernels.data import Rows, checks
from emkernels.data.source import Sums
from emkernels.kernels import passes, weighted_moments
from emkernels.latent.factors import FactorModel, Factors, IncompleteFactorModel, Table

# So many more columns than rows, and at least so many: no matrix of the columns is made.
WIDE, MANY = 2, 256
# Variances with which sums of squares of rows keep their digits.
RANGE = {np.dtype(np.float64): (1e-280, 1e280), np.dtype(np.float32): (1e-24, 1e24)}
LEAST_DEVIATION = 1e-153
# Starts that end this near to each other, in uniquenesses, are one.
SAME = 1e-3
# Starts of tables of few columns (of which all eigenpairs are had), and of many.
STARTS, STARTS_LARGE = 6, 1
# By so much, for one unit of weight, a maximum is another.
CLEARLY = 1e-6
# Rows whose mean is near enough to that of all to take moments about.
NEAR = 256
# Numbers that are standardised together.
CELLS = 1 << 20
# Noise variances to begin with, in variances of the columns, from which a fit to rows with
# gaps does not come back.
FARTHEST = 1e20
# Uniquenesses that EM with missing values begins with, at least.
LEAST = 1e-2


@dataclass
class Scaled:
    """Rows as they are fitted: columns that vary, their means and units.

    Attributes
    ----------
    varying : ndarray of int
    rows : Rows or None
        Of these columns, where values are missing.
    table : Table or None
        Their moments, where none are.
    mean, scale : ndarray of shape (n_varying,)
    """

    varying: np.ndarray
    rows: object
    table: object
    mean: np.ndarray
    scale: np.ndarray


def scaled(rows, isotropic):
    """The columns that vary, in units of their standard deviations (of one unit for all, where
    the noise is the same in all, and so are columns that do not vary)."""
    if not rows.has_missing:
        rows = _small(rows)
    if rows.has_missing:
        summary = rows.summary()
        variance = summary.deviations**2
        mean, scale = summary.means, summary.deviations
        constant = summary.constant
    else:
        mean, scatter, variance = None, None, np.zeros(1)
        low, high = RANGE[rows.dtype]
        if not _is_wide(rows):
            moments = rows.reduce(_moments)
            mean, scatter, variance = moments.mean, moments.scatter, np.diagonal(moments.scatter)
            if not isinstance(rows, Rows):      # means of blocks are rounded
                low = np.maximum(low, (4 * np.finfo(rows.dtype).eps * mean) ** 2)
        if (low < variance).all() and variance.max() < high:
            scale, constant = np.sqrt(variance), np.zeros(len(mean), bool)
        else:       # columns of one value, squares that underflow, or no matrix is wanted
            summary, scatter = rows.summary(), None
            mean, scale, constant = summary.means, summary.deviations, summary.constant
    constant = constant | (scale == 0)
    if constant.all():
        raise ValueError("no column of X varies: there is nothing to fit")
    varying = np.arange(len(mean)) if isotropic else np.flatnonzero(~constant)
    if isotropic:
        largest = scale.max()
        scale = np.full(len(scale), largest * np.sqrt(((scale / largest) ** 2).mean()))
    mean, scale = mean[varying], scale[varying]
    if scale.min() < LEAST_DEVIATION:
        column = rows.column_names[varying[int(scale.argmin())]]
        raise ValueError(f"column {column} varies by {scale.min():.3g}, whose square is no number "
                         "of float64 with all digits. Rescale the column")
    inner = rows.take(columns=varying)
    if rows.has_missing and not inner.has_missing:      # gaps where nothing varies
        found = scaled(inner, isotropic)
        found.varying = varying
        return found
    if rows.has_missing:
        return Scaled(varying, inner, None, mean, scale)
    if scatter is None:
        moments = _standardised_moments(inner, mean, scale)
    else:
        moments = Dense(scatter[np.ix_(varying, varying)] / scale / scale[:, None])
    return Scaled(varying, None, Table(moments, mean, scale, rows), mean, scale)


def _is_wide(rows):
    return rows.n_features >= MANY and rows.n_features >= WIDE * len(rows)


def _small(rows):
    """The rows; of blocks the rows themselves where these are fewer numbers than the matrix of
    their columns."""
    if isinstance(rows, Rows) or not _is_wide(rows):
        return rows
    return rows.sample(len(rows), np.random.RandomState(0))


@dataclass
class Moments:
    """Weight, mean and covariance of complete rows; those of parts are merged about the mean of
    both, where nothing cancels."""

    total: float
    mean: np.ndarray
    scatter: np.ndarray

    def merge(self, other):
        """T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance,
        The American Statistician 37, 1983."""
        total = self.total + other.total
        mine, theirs, apart = self.total / total, other.total / total, other.mean - self.mean
        self.scatter = mine * self.scatter + theirs * other.scatter + (
            mine * theirs * np.outer(apart, apart))
        self.total, self.mean = total, self.mean + theirs * apart
        return self


def _moments(rows):
    """The :class:`Moments` of rows."""
    weight = rows.sample_weight
    if weight is None:
        # one pass, about what is near the mean: a row among these that is far out widens the
        # columns, too
        some = np.array(rows.X[::max(1, len(rows) // NEAR)], dtype=float, order="C")
        centre = seen(some.mean(axis=0), rows)
        one = weighted_moments(rows.X, np.zeros(len(rows), np.int32), centre[None], "full",
                               n_threads=rows.n_threads, check_finite=False)
        offset = one.first[0] / one.counts[0]
        mean, scatter = centre + offset, one.second[0] / one.counts[0]
    else:
        mean = column_means(rows)
        centre = seen(mean, rows)
        scatter = passes.total_scatter(rows.X, centre, weight, rows.n_threads) / weight.sum()
        offset = mean - centre
    return Moments(rows.total, mean, scatter - np.outer(offset, offset))


def _standardised_moments(rows, mean, scale):
    """Moments of a standardised copy of the rows."""
    if not isinstance(rows, Rows):
        sums = rows.reduce(_standardised_sums, mean, scale)
        offset = sums.first / sums.total
        return Dense(sums.second / sums.total - np.outer(offset, offset))
    weight = rows.weight_given
    share = np.full(len(rows), 1 / len(rows)) if weight is None else weight / weight.sum()
    Z = (rows.X - mean) / scale
    Z -= share @ Z
    Z *= np.sqrt(share)[:, None]
    return Wide(Z) if _is_wide(rows) else Dense(Z.T @ Z)


def _standardised_sums(rows, mean, scale):
    """What :func:`_standardised_moments` needs of a block, some rows at a time."""
    weight, size = rows.weight_given, rows.n_features
    first, second = np.zeros(size), np.zeros((size, size))
    step = max(1, CELLS // size)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        Z = np.array(rows.X[part], dtype=float, order="C")
        Z -= mean
        Z /= scale
        weighted = Z if weight is None else Z * weight[part, None]
        first += weighted.sum(axis=0)
        second += weighted.T @ Z
    return Sums(total=rows.total, first=first, second=(second + second.T) / 2)


# --- the fit ----------------------------------------------------------------------------------


class Fit:
    """A fit of one table.

    Parameters
    ----------
    estimator : FactorAnalysis
        Whose parameters it goes by.
    data : Scaled
    given : Given
        What the first start begins with.
    run : callable
        ``run(model, source, start, ...)``, the loop with the options of the estimator.
    random_state : numpy.random.RandomState
    """

    def __init__(self, estimator, data, given, run, random_state):
        self.data, self.given, self.run = data, given.scaled(data), run
        self.n_factors, self.isotropic = estimator.n_components, estimator.noise == "isotropic"
        self.newton, self.n_init = estimator.method == "newton", estimator.n_init
        if self.n_init is None:
            self.n_init = STARTS if len(data.scale) <= SMALL else STARTS_LARGE
        self.floor = np.full(len(data.scale), float(estimator.min_uniqueness))
        self.rng = random_state

    def result(self):
        """The model, and the best :class:`EMResult` of the starts."""
        if self.data.table is not None:
            return self._complete()
        return self._incomplete()

    def _complete(self):
        table = self.data.table
        model = FactorModel(self.n_factors, self.floor, isotropic=self.isotropic,
                            newton=self.newton, log_scale=float(np.log(table.scale).sum()))
        mean = np.zeros(table.n_features)
        more = {"objective_scale": table.n_positive, "n_init": self.n_init}
        if self.newton:
            more["acceleration"] = None
            if self.isotropic:
                more["n_init"] = 1

        def start(i):
            if table.last is not None and table.last.point is not None:
                table.ends.append(table.last)
            return self._start(model, table.moments, mean, i)

        return model, self.run(model, table, start, **more)

    def _start(self, model, moments, mean, i):
        """Parameters of start i, by the moments."""
        components, noise = self.given if i == 0 else (None, None)
        if noise is None and components is not None:
            with np.errstate(over="ignore"):
                noise = np.maximum(moments.diagonal - (components**2).sum(axis=0),
                                   np.maximum(0.005 * moments.diagonal, self.floor))
            if self.isotropic:
                noise = np.full(len(mean), noise.mean())
        if noise is None and self.isotropic:
            noise = np.full(len(mean), moments.diagonal.mean() * (
                0.5 if i == 0 else self.rng.uniform(0.1, 1.0)))
        if noise is None:
            noise = np.exp(starts.start(moments, self.n_factors, i, self.rng))
        noise = np.maximum(noise, self.floor)
        if components is not None and not model.newton:
            return Factors(mean, components, noise)
        point = profile.evaluate(moments, np.log(noise), self.n_factors)
        out = model.at(mean, point)
        if model.newton and not self.isotropic:
            return out
        components = out.components
        if not model.newton and len(point.values) < self.n_factors:  # EM leaves zeros so
            small = self.rng.standard_normal(components.shape) * 0.1
            components = np.where((components != 0).any(axis=1)[:, None], components, small)
        return Factors(mean, components, noise)

    def _incomplete(self):
        data = self.data
        model = IncompleteFactorModel(
            self.n_factors, self.floor, Scaling(data.mean, data.scale),
            isotropic=self.isotropic, newton=self.newton)
        rows = data.rows
        moments = self._available(model, rows)
        begin = self._distinct(model, moments)
        more = {"objective_scale": rows.n_positive}
        result = self.run(model, rows, lambda i: begin[i], n_init=len(begin), **more)
        while self.n_init > 1 and result.converged:
            # another maximum for the completed moments is a better step than any near by
            other = self._elsewhere(model, result)
            if other is None:
                break
            try:
                found = self.run(model, rows, lambda i, start=other: start, n_init=1, **more)
            except KeyboardInterrupt:
                result.interrupted = True
                break
            found.interrupted = result.interrupted = found.interrupted
            if not found.lower_bound > result.lower_bound + CLEARLY:
                break
            result = found
        return model, result

    def _available(self, model, rows):
        """Moments to begin with: those of the pairs of columns; of rows completed as if columns
        were independent, where the former leave the range of numbers."""
        data = self.data
        with np.errstate(divide="ignore", invalid="ignore"):
            covariance = pair_covariance(rows, data.mean)
            covariance = covariance / data.scale / data.scale[:, None]
        if np.isfinite(covariance).all() and np.diagonal(covariance).min() > LEAST:
            return Dense(covariance)
        D = len(data.scale)
        return rows.reduce(model.accumulate, Factors(
            np.zeros(D), np.zeros((self.n_factors, D)), np.ones(D))).moments

    def _elsewhere(self, model, result):
        """A higher maximum of the likelihood of the completed moments; None where there is none,
        or one for every start."""
        if self.isotropic or result.statistics is None:
            return None
        moments, mean = result.statistics.moments, result.statistics.mean
        here = updates.discrepancy(moments, result.parameters.components, result.parameters.noise)
        ends = [profile.fit(
            moments, starts.start(moments, self.n_factors, i, self.rng), self.n_factors,
            model.log_floor, tol=1e-8) for i in range(self.n_init)]
        best = min(ends, key=lambda point: point.value)
        if not best.value < here - 2 * CLEARLY:
            return None
        out = model.at(mean, best)
        return out if model.newton else Factors(mean, out.components, out.noise)

    def _distinct(self, model, moments):
        """Starts from the moments of pairs of columns; those that end in the same maximum there
        are one."""
        mean = np.zeros(moments.size)
        out = []
        for i in range(self.n_init):
            start = self._start(model, moments, mean, i)
            if i == 0 and any(each is not None for each in self.given):
                out.append(start)
                continue
            if not self.isotropic:
                point = profile.fit(moments, np.log(start.noise), self.n_factors,
                                    model.log_floor, tol=1e-8)
                start = model.at(mean, point)
            start = Factors(mean, start.components, np.maximum(start.noise, LEAST))
            if all(np.abs(start.noise - each.noise).max() > SAME for each in out):
                out.append(start)
        return out


# --- what the first start begins with -----------------------------------------------------------


@dataclass
class Given:
    """Start values in the units of the rows, each None where it is not given."""

    components: np.ndarray | None
    noise: np.ndarray | None

    def scaled(self, data):
        """Components and noise of the columns that vary, in their units."""
        v = data.varying
        with np.errstate(over="ignore"):
            noise = None if self.noise is None else self.noise[v] / data.scale / data.scale
        if noise is not None and data.rows is not None and noise.max() > FARTHEST:
            column = data.rows.column_names[int(noise.argmax())]
            raise ValueError(f"noise_variance_init must be at most {FARTHEST:g} times the columns' "
                             f"variances where values are missing, got {noise.max():.3g} times "
                             f"that of column {column}")
        return None if self.components is None else self.components[:, v] / data.scale, noise


def check_starts(estimator, rows):
    """The :class:`Given` of an estimator; ValueError for what cannot be loadings or variances."""
    components, noise = estimator.components_init, estimator.noise_variance_init
    D, q = rows.n_features, estimator.n_components
    for name in ("components_init", "noise_variance_init"):
        if rows.names is not None:
            _inputs.check_names(getattr(estimator, name), rows.names, name, "X")
    if components is not None:
        components = checks.numbers(components, "components_init")
        if components.shape != (q, D):
            raise ValueError(f"components_init must have shape ({q}, {D}), got {components.shape}")
        if not np.isfinite(components).all():
            factor, column = np.argwhere(~np.isfinite(components))[0]
            raise ValueError(f"components_init must be finite, got {components[factor, column]} "
                             f"for factor {factor}, column {rows.column_names[column]}")
    if noise is not None:
        noise = checks.numbers(noise, "noise_variance_init")
        if noise.ndim == 0:
            noise = np.full(D, float(noise))
        if noise.shape != (D,):
            raise ValueError("noise_variance_init must be a number or have shape "
                             f"({D},), got {noise.shape}")
        wrong = ~(np.isfinite(noise) & (noise > 0))
        if wrong.any():
            column = int(wrong.argmax())
            raise ValueError(f"noise_variance_init must be positive and finite, got "
                             f"{noise[column]:g} for column {rows.column_names[column]}")
        if estimator.noise == "isotropic" and (noise != noise[0]).any():
            raise ValueError("noise_variance_init must be one number where noise is 'isotropic'")
    return Given(components, noise)
