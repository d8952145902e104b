"""Where EM begins: responsibilities by K-means, k-means++ or chance, then one M-step."""

from dataclasses import dataclass, replace

import numpy as np

from emkernels.components.gaussian.moments import (
    column_means,
    seen,
    statistics_of,
    total_covariance,
)
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.data.available import observed_means, pairwise_covariances
from emkernels.data.checks import check_known
from emkernels.kernels import kmeans_plusplus, passes, weighted_moments
from emkernels.latent.mixture import MixtureParameters
from emkernels.starts.lloyd import lloyd
from emkernels.starts.noise import start_with_noise
from emkernels.starts.observed import observed_kmeans, observed_seeds


@dataclass(frozen=True)
class Given:
    """What is known of the start of a mixture: what the user says of it, None where nothing; and
    the noise beside the components, where there is any."""

    weights: np.ndarray | None = None
    means: np.ndarray | None = None
    precisions_cholesky: np.ndarray | None = None
    noise: object = None

    @property
    def all(self):
        return not any(each is None for each in (
            self.weights, self.means, self.precisions_cholesky))

    def gaussians(self, structure):
        return Gaussians(structure, self.means, None, self.precisions_cholesky)

    def in_units(self, scaling, structure):
        """The same of standardised columns."""
        means, factors = self.means, self.precisions_cholesky
        if means is not None:
            means = (means - scaling.center) / scaling.scale
        if factors is not None:
            factors = structure.factors_to_raw(factors, 1 / scaling.scale)
        noise = self.noise and self.noise.in_units(scaling.center, scaling.scale)
        return Given(self.weights, means, factors, noise)


def start_parameters(rows, mixture, n_components, init_params, random_state, given, scaling=None):
    """Parameters that a start of a mixture begins with.

    Parameters
    ----------
    rows : Rows
    mixture : Mixture
        Of Gaussian components.
    n_components : int
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}
    random_state : numpy.random.RandomState
    given : Given
    scaling : Scaling, optional
        From the units of the rows to those of the mixture, where these are others.

    Returns
    -------
    MixtureParameters
    """
    structure = mixture.components.structure
    check_known(rows, n_components)
    if given.all:
        return MixtureParameters(given.weights, given.gaussians(structure), given.noise)

    def start(part, share=None):
        if share is not None and scaling is not None:
            part = part.take(X=part.X * scaling.scale + scaling.center)
        return _start(part, mixture, n_components, init_params, random_state, given, scaling,
                      share)

    if given.noise is None:
        return start(rows)
    if scaling is not None:     # where EM compares starts
        rows = rows.take(X=(rows.X - scaling.center) / scaling.scale)
    return start_with_noise(start, rows, mixture, random_state)


def _start(rows, mixture, n_components, init_params, random_state, given, scaling, share):
    """A start of these rows; `share` is the weight of noise, where there is any."""
    structure = mixture.components.structure
    seeds = init_params in ("k-means++", "random_from_data")
    if rows.patterns is not None:
        statistics = _incomplete_statistics(
            rows, structure, n_components, init_params, random_state)
        seeds = False
    else:
        centers, resp = _responsibilities(rows, n_components, init_params, random_state)
        statistics = _statistics(rows, structure.kernel, centers, resp)
    # Single rows have no scatter: begin with that of all rows. (Where reg_covar gives every
    # component a sphere of its own, EM begins from that, as in scikit-learn; beside noise, which
    # would take all that is outside of them, it does not get farther.)
    if seeds and (share is not None or not (
            structure.seeds_alone and np.any(structure.reg_covar))):
        statistics.second[:] = structure.second_of_all(statistics.counts, total_covariance(rows))
    if scaling is not None:
        statistics = scaling.statistics(statistics, structure)
    gaussians = _first_step(mixture.components, statistics, given)
    if given.weights is not None:
        weights = given.weights
    elif share is not None:
        counts = statistics.positive_counts()
        weights = np.append((1 - share) * counts / counts.sum(), share)
    elif rows.patterns is None:
        # as scikit-learn has it: seeds alone do not sum to one, which EM does not mind
        weights = statistics.counts / rows.total
    else:
        weights = mixture.weights(statistics)
    return MixtureParameters(weights, gaussians, given.noise)


def _first_step(components, statistics, given):
    """M-step of the start; what is given stays, whatever is fixed later."""
    stays = set()
    if given.precisions_cholesky is not None:
        # covariances of a start are about its own means, given ones come on top
        stays = {"covariances"} if given.means is None else {"means", "covariances"}
    gaussians = replace(components, fixed=frozenset(stays)).maximise(
        statistics, given.gaussians(components.structure))
    if given.means is not None:
        gaussians.means = given.means
    gaussians.n_floored = 0
    return gaussians


def _responsibilities(rows, n_components, init_params, random_state):
    """Centres to take moments about, and labels or a source of responsibilities."""
    X, weight, n_threads = rows.X, rows.sample_weight, rows.n_threads
    known = rows.known
    if known is not None and ((known >= 0) & (True if weight is None else weight > 0)).any():
        return _from_known(rows, n_components, random_state)
    if init_params == "random":
        return np.repeat(column_means(rows)[None], n_components, axis=0), random_state
    if init_params == "random_from_data":
        indices = _random_rows(rows, n_components, random_state)
        return X[indices].astype(np.float64), _seed_labels(X, indices)
    seeds, indices = kmeans_plusplus(
        X, n_components, sample_weight=weight, random_state=random_state,
        n_threads=n_threads, check_finite=False)
    if init_params == "k-means++":
        return seeds.astype(np.float64), _seed_labels(X, indices)
    labels, centers, *_ = lloyd(rows, seeds)
    return centers, labels


def _from_known(rows, n_components, random_state):
    """Centres of the components with known rows, seeds for the others, then the nearest
    centre for every row that is not known."""
    X, known, weight, n_threads = rows.X, rows.known, rows.sample_weight, rows.n_threads
    centers = np.repeat(column_means(rows)[None], n_components, axis=0)
    moments = weighted_moments(X, known, centers, "spherical", weight, n_threads=n_threads,
                               check_finite=False)
    found = moments.counts > 0
    centers[found] += moments.first[found] / moments.counts[found, None]
    unknown = np.flatnonzero((known < 0) & (True if weight is None else weight > 0))
    missing = np.flatnonzero(~found)
    if len(missing):
        if len(unknown) < len(missing):
            raise ValueError(
                f"labels name no row for {len(missing)} of {n_components} components, and only "
                f"{len(unknown)} rows are unlabelled"
            )
        others = X[unknown]
        # far from the known components is where the others are: the next k-means++ draw
        distance = np.min(
            [((others - center) ** 2).sum(axis=1) for center in centers[found]], axis=0)
        chance = distance if weight is None else distance * weight[unknown]
        centers[missing] = kmeans_plusplus(
            others, len(missing), random_state=random_state, n_threads=n_threads,
            sample_weight=chance if chance.any() else None, check_finite=False)[0]
    labels = np.empty(len(X), np.int32)
    passes.kmeans_pass(X, centers, labels, weight, n_threads)
    return centers, np.where(known >= 0, known, labels).astype(np.int32)


def _seed_labels(X, indices):
    """One row for each component, every other row in none."""
    labels = np.full(X.shape[0], -1, np.int32)
    labels[indices] = np.arange(len(indices))
    return labels


def _statistics(rows, covariance_type, centers, resp):
    """Moments under labels, or under random responsibilities drawn a chunk at a time."""
    X, weight = rows.X, rows.sample_weight
    centers = seen(centers, rows)
    if isinstance(resp, np.ndarray):
        moments = weighted_moments(X, resp, centers, covariance_type, weight,
                                   n_threads=rows.n_threads, check_finite=False)
        return statistics_of(rows, covariance_type, centers, *moments)
    total = SufficientStatistics.zeros(covariance_type, centers)
    # rows of no weight draw nothing
    present = None if rows.n_positive == len(X) else np.flatnonzero(weight)
    for first in range(0, rows.n_positive, 65536):
        part = slice(first, first + 65536)
        part = part if present is None else present[part]
        chunk = resp.uniform(size=(len(X[part]), len(centers))).astype(X.dtype)
        chunk /= chunk.sum(axis=1)[:, None]
        moments = weighted_moments(X[part], chunk, centers, covariance_type,
                                   None if weight is None else weight[part],
                                   n_threads=rows.n_threads, check_finite=False)
        total += SufficientStatistics(covariance_type, centers, *moments)
    return statistics_of(rows, covariance_type, centers, total.counts, total.first, total.second)


def _random_rows(rows, n_components, random_state):
    """Indices of different rows, drawn by weight; where these are too few, of no weight too."""
    lacking = n_components - rows.n_positive
    if lacking > 0:
        idle = np.flatnonzero(rows.sample_weight == 0)
        return np.concatenate([np.flatnonzero(rows.sample_weight),
                               random_state.choice(idle, lacking, replace=False)])
    return rows.draw(n_components, random_state)


def _incomplete_statistics(rows, structure, n_components, init_params, random_state):
    """Statistics of the start of rows with missing values, from the values that there are:
    K-means and seeds over observed columns, covariances from pairs of columns."""
    X, weight, known = rows.X, rows.sample_weight, rows.known
    mean, observed = observed_means(rows)
    if not (observed > 0).all():
        raise ValueError(
            f"X has no observed value of positive weight in column {int(observed.argmin())}"
        )
    labels = None
    if known is not None and (known >= 0).any():
        centers, labels = _incomplete_known(rows, n_components, mean, random_state)
    elif init_params == "random":
        # every value of a component is drawn near the mean: a start without any structure
        labels = np.full(len(X), -1, np.int32)
        present = slice(None) if weight is None else weight > 0
        labels[present] = random_state.randint(n_components, size=rows.n_positive)
        centers = np.repeat(mean[None], n_components, axis=0)
    elif init_params == "random_from_data":
        drawn = X[_random_rows(rows, n_components, random_state)]
        centers = np.where(np.isnan(drawn), mean, drawn).astype(np.float64)
    else:
        centers = observed_seeds(rows, n_components, mean, random_state)
        if init_params == "kmeans":
            labels, centers = observed_kmeans(rows, centers)
    empty = rows.empty
    if labels is not None and empty.any():
        # rows without any value belong nowhere, unless they are known
        labels[empty] = -1 if known is None else known[empty]
    everything = pairwise_covariances(rows, np.zeros(len(X), np.int32), mean[None])
    if labels is None:
        # seeds: all components begin with the covariance of all rows, and equal weights
        covariances = np.repeat(everything, n_components, axis=0)
        counts = np.full(n_components, rows.total / n_components)
    else:
        covariances = pairwise_covariances(rows, labels, centers, np.diagonal(everything[0]))
        kept = labels >= 0
        counts = np.bincount(
            labels[kept], None if weight is None else weight[kept], n_components) * rows.unit
    second = np.array(structure.second_of(counts[:, None, None] * covariances))
    return SufficientStatistics.trusted(
        structure.kernel, np.asarray(centers, dtype=np.float64), counts, np.zeros(centers.shape),
        second, 0.0, rows.total, rows.n_rows)


def _incomplete_known(rows, n_components, mean, random_state):
    """Centres of the components with known rows, seeds for the others, and labels."""
    weight, known = rows.sample_weight, rows.known
    centers = np.repeat(mean[None], n_components, axis=0)
    found = np.bincount(known[known >= 0], None if weight is None else weight[known >= 0],
                        n_components) > 0
    for k in np.flatnonzero(found):
        own = (known == k) * (1.0 if weight is None else weight)
        values, observed = observed_means(rows, own)
        centers[k] = np.where(observed > 0, values, mean)
    if not found.all():
        unknown = ((known < 0) & (True if weight is None else weight > 0)).astype(float)
        n_others = int(n_components - found.sum())
        if unknown.sum() < n_others:
            raise ValueError(
                f"labels name no row for {n_others} of {n_components} components, and only "
                f"{int(unknown.sum())} rows are unlabelled"
            )
        centers[~found] = observed_seeds(
            rows, n_others, mean, random_state, centers=centers[found], allowed=unknown)
    labels, _ = observed_kmeans(rows, centers, max_iter=1)
    return centers, np.where(known >= 0, known, labels).astype(np.int32)
