"""The Gaussian mixture as the EM loop sees it: statistics in, parameters out."""

from dataclasses import dataclass

import numpy as np

from emkernels.kernels import passes, weighted_moments
from emkernels.models._available import observed_means, pairwise_covariances
from emkernels.models._covariance import (
    covariances_from_factors,
    ill_defined,
    precision_cholesky,
)
from emkernels.models._degenerate import Rounding, find_spikes
from emkernels.statistics import SufficientStatistics

# A pass over rows sorted by component skips most of the work of separated data; below this
# share of pairs that matter, and from this many features on, sorting them pays.
SORT_SHARE = 0.5
SORT_FEATURES = 8
# A pass over so few cells is over before a second thread has begun; on a busy machine every pass
# would wait for it to get a CPU.
FEW_CELLS = 2048


def column_means(X, sample_weight, n_threads, patterns=None):
    """Weighted column means in float64, about the first row so that a shift costs no digits;
    of the observed values where patterns are given."""
    if patterns is not None:
        return observed_means(X, sample_weight, n_threads)[0]
    moments = weighted_moments(
        X, np.zeros(len(X), np.int32), X[:1], "spherical", sample_weight, n_threads=n_threads,
        check_finite=False)
    return X[0].astype(np.float64) + moments.first[0] / moments.counts[0]


def total_covariance(X, sample_weight, n_threads, patterns=None):
    """Weighted covariance of all rows, about their mean as the kernels see it; where patterns
    are given, that of the pairs of observed values."""
    sample_weight, _ = passes.weights_in_unit(sample_weight, X.dtype)
    if patterns is not None:
        mean = observed_means(X, sample_weight, n_threads)[0]
        return pairwise_covariances(
            X, np.zeros(len(X), np.int32), mean[None], sample_weight, n_threads)[0]
    mean = column_means(X, sample_weight, n_threads)
    centre = mean.astype(X.dtype).astype(np.float64)
    total = len(X) if sample_weight is None else sample_weight.sum()
    scatter = passes.total_scatter(X, centre, sample_weight, n_threads)
    return scatter / total - np.outer(mean - centre, mean - centre)


@dataclass
class Gaussians:
    """Parameters of a mixture; covariances is None until somebody needs it."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray | None
    precisions_cholesky: np.ndarray

    def get_covariances(self, covariance_type):
        if self.covariances is None:
            self.covariances = covariances_from_factors(self.precisions_cholesky, covariance_type)
        return self.covariances


@dataclass
class CovariancePrior:
    """Inverse-Wishart prior of every covariance: density proportional to
    |Sigma|^(-(dof + n_features + 1) / 2) exp(-tr(scale Sigma^-1) / 2); for 'diag' and
    'spherical' the same in one dimension for every variance."""

    dof: float
    scale: np.ndarray   # of the shape of one covariance of the type

    def log_density(self, precisions_cholesky, covariance_type, n_features):
        """Sum over the covariances, without the normaliser."""
        u = precisions_cholesky
        if covariance_type in ("full", "tied"):
            u = u if u.ndim == 3 else u[None]
            log_det = 2 * np.log(np.diagonal(u, axis1=1, axis2=2)).sum()
            trace = np.sum(u * (self.scale @ u))
            return 0.5 * (self.dof + n_features + 1) * log_det - 0.5 * trace
        return ((self.dof + 2) * np.log(u).sum()) - 0.5 * (self.scale * u**2).sum()


class GaussianProblem:
    """The four things that :func:`emkernels.em.run_em` needs of a Gaussian mixture.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Checked rows.
    covariance_type : str
    reg_covar : float or ndarray of shape (n_features,)
        Added to the variances; one for each column where the type is not 'spherical'.
    sample_weight : ndarray or None
        Kept as the kernels can have them, in a `unit`; statistics are in that of the user.
    known : int32 ndarray or None
        Components of rows, -1 where unknown.
    covariance_prior : CovariancePrior or None
    weight_concentration : ndarray or None
        Dirichlet parameters, at least 1.
    fixed : frozenset of {'weights', 'means', 'covariances'}
    n_threads : int or None
    patterns : MissingPatterns or None
        Those of X; None where no value is missing.
    """

    def __init__(self, X, covariance_type, reg_covar, *, sample_weight=None, known=None,
                 covariance_prior=None, weight_concentration=None, fixed=frozenset(),
                 n_threads=None, patterns=None):
        self.X = X
        self.patterns = patterns
        self.covariance_type = covariance_type
        self.reg_covar = reg_covar
        self.sample_weight, self.unit = passes.weights_in_unit(sample_weight, X.dtype)
        self.known = known
        self.covariance_prior = covariance_prior
        self.weight_concentration = weight_concentration
        self.fixed = fixed
        self.n_threads = 1 if X.size <= FEW_CELLS else n_threads
        self.total = float(X.shape[0] if sample_weight is None else sample_weight.sum())
        # a distance from the maximum is one for one row
        self.objective_scale, self.resolution = 1.0, 64 * float(np.finfo(X.dtype).eps)
        self.n_rows = X.shape[0] if sample_weight is None else np.count_nonzero(sample_weight)
        self.scatter = self.centre = None
        self.labels = self.order = None
        self._least, self.avoid_spikes = None, True

    @property
    def weight_given(self):
        """sample_weight in the unit of the user."""
        return self.sample_weight if self.unit == 1 else self.sample_weight * self.unit

    @property
    def least_variances(self):
        """What only a spike has in a column; what a prior bounds gains nothing from steps."""
        if self._least is None:
            self._least = Rounding.of(self.X).least(
                self.reg_covar, bounded=self.covariance_prior is not None)
        return self._least

    def is_degenerate(self, parameters):
        """Whether a component is a spike, without extent in some direction, and that matters."""
        return self.avoid_spikes and bool(
            find_spikes(parameters, self.covariance_type, self.least_variances))

    # --- E-step ---------------------------------------------------------------------

    def accumulate(self, parameters):
        X = self.X
        # the moments are about the means as the kernels see them
        centers = parameters.means.astype(X.dtype).astype(np.float64)
        if self.patterns is not None:
            # a row without any value says nothing, unless its component is known
            counts, first, second, log_likelihood, _ = passes.incomplete_pass(
                X, parameters.weights, centers, parameters.precisions_cholesky,
                self.covariance_type, self.sample_weight, self.patterns, known=self.known,
                leave_empty_out=self.known is None, n_threads=self.n_threads,
            )
            return self._statistics(centers, counts, first, second, log_likelihood)
        if self.covariance_type == "tied" and self.scatter is None:
            # the scatter of all rows is the same in every iteration
            self.centre = centers.mean(axis=0).astype(X.dtype).astype(np.float64)
            self.scatter = passes.total_scatter(
                X, self.centre, self.sample_weight, self.n_threads)
        counts, first, second, log_likelihood, pairs = passes.em_pass(
            X, parameters.weights, centers, parameters.precisions_cholesky,
            self.covariance_type, self.sample_weight, known=self.known, order=self.order,
            labels=self.labels, centre=self.centre, scatter=self.scatter,
            n_threads=self.n_threads,
        )
        self._reorder(pairs, len(counts))
        return self._statistics(centers, counts, first, second, log_likelihood)

    def _statistics(self, centers, counts, first, second, log_likelihood):
        # what the kernels return is float64 of the right shapes: no second look
        statistics = SufficientStatistics.__new__(SufficientStatistics)
        statistics.covariance_type, statistics.centers = self.covariance_type, centers
        statistics.counts, statistics.first, statistics.second = counts, first, second
        statistics.log_likelihood = log_likelihood
        return statistics if self.unit == 1 else statistics.scale(self.unit)

    def _reorder(self, pairs, n_components):
        """Visit the rows sorted by component from the next pass on, where that saves work."""
        n_samples, n_features = self.X.shape
        if (self.covariance_type != "full" or n_features < SORT_FEATURES or n_components < 4
                or self.known is not None or n_samples >= 2**31):
            return
        if self.labels is not None:
            self.order = passes.order_by_label(self.labels, n_components, self.order)
        elif pairs < SORT_SHARE * n_components * n_samples:
            self.labels = np.zeros(n_samples, np.int32)

    def objective(self, statistics, parameters):
        value = statistics.log_likelihood
        if self.covariance_prior is not None:
            value += self.covariance_prior.log_density(
                parameters.precisions_cholesky, self.covariance_type, self.X.shape[1])
        if self.weight_concentration is not None:
            with np.errstate(divide="ignore"):
                log_weights = np.log(parameters.weights)
            above = self.weight_concentration > 1
            value += ((self.weight_concentration - 1)[above] * log_weights[above]).sum()
        return value / self.total

    # --- M-step ---------------------------------------------------------------------

    def maximise(self, statistics, parameters):
        fixed = self.fixed
        # no component divides by zero; in units of a row's weight, whatever that is
        counts = statistics.counts + 10 * np.finfo(np.float64).eps * (self.total / len(self.X))
        offsets = statistics.first / counts[:, None]
        means = parameters.means if "means" in fixed else statistics.centers + offsets
        if "weights" in fixed:
            weights = parameters.weights
        elif self.weight_concentration is None:
            weights = counts / counts.sum()
        else:
            weights = counts + self.weight_concentration - 1
            weights /= weights.sum()
        if "covariances" in fixed:
            return Gaussians(weights, means, parameters.covariances,
                             parameters.precisions_cholesky)
        # about the new mean: S - n d d', and back to a mean that stays elsewhere
        residual = statistics.centers + offsets - means if "means" in fixed else None
        covariances = self._covariances(statistics, counts, offsets, residual)
        if (self.patterns is not None and not np.any(self.reg_covar)
                and self.covariance_prior is None):
            self._check_variances(covariances, means)
        return Gaussians(weights, means, covariances,
                         precision_cholesky(covariances, self.covariance_type))

    def _check_variances(self, covariances, means):
        """DegenerateFitError for a variance below the rounding of the data. Where values are
        missing it never arrives at zero: each step leaves a share of it."""
        rounding = (np.finfo(self.X.dtype).eps * means) ** 2
        if self.covariance_type == "full":
            lost = np.diagonal(covariances, axis1=1, axis2=2) <= rounding
        elif self.covariance_type == "tied":
            lost = np.diagonal(covariances)[None] <= rounding.min(axis=0)
        elif self.covariance_type == "diag":
            lost = covariances <= rounding
        else:
            lost = (covariances <= rounding.mean(axis=1))[:, None]
        if lost.any():
            raise ill_defined(f"the variance of component {int(lost.any(axis=1).argmax())}")

    def _covariances(self, statistics, counts, offsets, residual):
        type_, n_features = self.covariance_type, offsets.shape[1]
        prior, second = self.covariance_prior, statistics.second
        diagonal = Ellipsis
        if type_ == "full":
            scatter = second - counts[:, None, None] * offsets[:, :, None] * offsets[:, None, :]
            if residual is not None:
                scatter += counts[:, None, None] * residual[:, :, None] * residual[:, None, :]
            divisor, extra = counts[:, None, None], n_features + 1
            diagonal = (slice(None), np.arange(n_features), np.arange(n_features))
        elif type_ == "tied":
            scatter = second - (counts[:, None] * offsets).T @ offsets
            if residual is not None:
                scatter += (counts[:, None] * residual).T @ residual
            divisor, extra = counts.sum(), n_features + 1
            diagonal = (np.arange(n_features), np.arange(n_features))
        elif type_ == "diag":
            scatter = second - counts[:, None] * offsets**2
            if residual is not None:
                scatter += counts[:, None] * residual**2
            scatter, divisor, extra = np.maximum(scatter, 0), counts[:, None], 2
        else:
            scatter = second - counts * (offsets**2).sum(axis=1)
            if residual is not None:
                scatter += counts * (residual**2).sum(axis=1)
            scatter, divisor, extra = np.maximum(scatter, 0), counts * n_features, 2
        if prior is None:
            covariances = scatter / divisor
        else:
            covariances = (scatter + prior.scale) / (divisor + prior.dof + extra)
        covariances[diagonal] += self.reg_covar
        return covariances

    # --- parameters as vectors, for acceleration and convergence ----------------------

    def to_vector(self, parameters):
        """Log weights, means, and factors with a log diagonal: every vector is a mixture."""
        with np.errstate(divide="ignore"):
            parts = [np.log(np.maximum(parameters.weights, 1e-300)), parameters.means.ravel()]
        u = parameters.precisions_cholesky
        if self.covariance_type in ("diag", "spherical"):
            parts.append(np.log(u).ravel())
        else:
            u = u if u.ndim == 3 else u[None]
            n = u.shape[1]
            rows, columns = np.triu_indices(n, 1)
            parts.append(np.log(u[:, np.arange(n), np.arange(n)]).ravel())
            parts.append(u[:, rows, columns].ravel())
        return np.concatenate(parts)

    def from_vector(self, vector, like):
        """The mixture of a vector, shaped as `like`; None where it overflows."""
        n_components, n_features = like.means.shape
        weights = vector[:n_components]
        weights = np.exp(weights - weights.max())
        weights /= weights.sum()
        vector = vector[n_components:]
        means = vector[: n_components * n_features].reshape(like.means.shape).copy()
        vector = vector[n_components * n_features :]
        shape = like.precisions_cholesky.shape
        with np.errstate(over="ignore", under="ignore"):
            if self.covariance_type in ("diag", "spherical"):
                u = np.exp(vector).reshape(shape)
                diagonal = u
            else:
                u = np.zeros((1, *shape) if self.covariance_type == "tied" else shape)
                n = u.shape[1]
                diagonal = np.exp(vector[: len(u) * n]).reshape(-1, n)
                u[:, np.arange(n), np.arange(n)] = diagonal
                rows, columns = np.triu_indices(n, 1)
                u[:, rows, columns] = vector[len(u) * n :].reshape(len(u), -1)
                u = u.reshape(shape)
        if not (np.isfinite(u).all() and (diagonal > 0).all()):
            return None
        proposal = Gaussians(weights, means, None, u)
        if "weights" in self.fixed:
            proposal.weights = like.weights
        if "means" in self.fixed:
            proposal.means = like.means
        if "covariances" in self.fixed:
            proposal.covariances = like.covariances
            proposal.precisions_cholesky = like.precisions_cholesky
        return proposal

    def relative_change(self, old, new):
        """Largest change of any parameter in its own unit: of a weight relative to itself, of
        a mean in standard deviations, of a covariance relative to the two variances."""
        change = np.max(np.abs(new.weights - old.weights) / np.maximum(new.weights, 1e-12))
        a = old.get_covariances(self.covariance_type)
        b = new.get_covariances(self.covariance_type)
        if self.covariance_type in ("full", "tied"):
            deviations = np.sqrt(np.diagonal(b, axis1=-2, axis2=-1))
            scale = deviations[..., :, None] * deviations[..., None, :]
        else:
            deviations, scale = np.sqrt(b), b
            if self.covariance_type == "spherical":
                deviations = deviations[:, None]
        change = max(change, np.max(np.abs(b - a) / scale))
        return float(max(change, np.max(np.abs(new.means - old.means) / deviations)))
