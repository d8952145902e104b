"""Where EM begins: responsibilities by K-means, k-means++ or chance, then one M-step."""

import numpy as np

from emkernels.kernels import kmeans_plusplus, passes, weighted_moments
from emkernels.models._available import (
    observed_kmeans,
    observed_means,
    observed_seeds,
    pairwise_covariances,
)
from emkernels.models._gaussian import Gaussians, column_means, total_covariance
from emkernels.models._lloyd import lloyd
from emkernels.statistics import SufficientStatistics


def start_parameters(problem, n_components, init_params, random_state, given):
    """Parameters that a start begins with.

    Parameters
    ----------
    problem : GaussianProblem
    n_components : int
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}
    random_state : numpy.random.RandomState
    given : dict
        weights, means and precisions_cholesky that the user has set, or None each.

    Returns
    -------
    Gaussians
    """
    if all(given[name] is not None for name in given):
        return Gaussians(given["weights"], given["means"], None, given["precisions_cholesky"])
    seeds = init_params in ("k-means++", "random_from_data")
    if problem.patterns is not None:
        statistics = _incomplete_statistics(problem, n_components, init_params, random_state)
        seeds = False
    else:
        centers, resp = _responsibilities(problem, n_components, init_params, random_state)
        statistics = _statistics(problem, centers, resp)
    if seeds and (problem.covariance_type == "tied" or not np.any(problem.reg_covar)):
        _spread(problem, statistics)
    free = [name for name, key in (("means", "means"), ("covariances", "precisions_cholesky"))
            if given[key] is None]
    parameters = _first_step(problem, statistics, given, free)
    if given["weights"] is None and problem.patterns is None:
        # as scikit-learn has it: seeds alone do not sum to one, which EM does not mind
        parameters.weights = statistics.counts / problem.total
    return parameters


def _spread(problem, statistics):
    """Single rows have no scatter: begin with that of all rows. (Where reg_covar gives every
    component a sphere of its own, EM begins from that, as in scikit-learn.)"""
    X, weight = problem.X, problem.sample_weight
    covariance = total_covariance(X, weight, problem.n_threads)
    if problem.covariance_type == "tied":
        statistics.second[:] = statistics.weight * covariance
        return
    shapes = {"full": covariance, "diag": np.diag(covariance), "spherical": np.trace(covariance)}
    shape = shapes[problem.covariance_type]
    statistics.second[:] = np.multiply.outer(statistics.counts, shape)


def _first_step(problem, statistics, given, free):
    """M-step of the start; what is given stays, whatever is fixed later."""
    fixed, problem.fixed = problem.fixed, frozenset({"means", "covariances"} - set(free))
    try:
        # covariances of a start are about its own means, given ones come on top
        guess = Gaussians(given["weights"], given["means"], None, given["precisions_cholesky"])
        if given["means"] is not None and "covariances" in free:
            problem.fixed = frozenset()
        parameters = problem.maximise(statistics, guess)
    finally:
        problem.fixed = fixed
    if given["weights"] is not None:
        parameters.weights = given["weights"]
    if given["means"] is not None:
        parameters.means = given["means"]
    return parameters


def _responsibilities(problem, n_components, init_params, random_state):
    """Centres to take moments about, and labels or a source of responsibilities."""
    X, weight, n_threads = problem.X, problem.sample_weight, problem.n_threads
    known = problem.known
    if known is not None and ((known >= 0) & (True if weight is None else weight > 0)).any():
        return _from_known(problem, n_components, random_state)
    if init_params == "random":
        mean = column_means(X, weight, n_threads)
        return np.repeat(mean[None], n_components, axis=0), random_state
    if init_params == "random_from_data":
        indices = _random_rows(X, n_components, weight, random_state)
        return X[indices].astype(np.float64), _seed_labels(X, indices)
    seeds, indices = kmeans_plusplus(
        X, n_components, sample_weight=weight, random_state=random_state,
        n_threads=n_threads, check_finite=False)
    if init_params == "k-means++":
        return seeds.astype(np.float64), _seed_labels(X, indices)
    labels, centers, *_ = lloyd(X, seeds, sample_weight=weight, n_threads=n_threads)
    return centers, labels


def _from_known(problem, n_components, random_state):
    """Centres of the components with known rows, seeds for the others, then the nearest
    centre for every row that is not known."""
    X, known, weight, n_threads = problem.X, problem.known, problem.sample_weight, problem.n_threads
    centers = np.repeat(column_means(X, weight, n_threads)[None], n_components, axis=0)
    moments = weighted_moments(X, known, centers, "spherical", weight, n_threads=n_threads,
                               check_finite=False)
    seen = moments.counts > 0
    centers[seen] += moments.first[seen] / moments.counts[seen, None]
    unknown = np.flatnonzero(known < 0)
    missing = np.flatnonzero(~seen)
    if len(missing):
        if len(unknown) < len(missing):
            raise ValueError(
                f"labels name no row for {len(missing)} of {n_components} components, and only "
                f"{len(unknown)} rows are unlabelled"
            )
        rows = X[unknown]
        # far from the known components is where the others are: the next k-means++ draw
        distance = np.min([((rows - center) ** 2).sum(axis=1) for center in centers[seen]], axis=0)
        chance = distance if weight is None else distance * weight[unknown]
        centers[missing] = kmeans_plusplus(
            rows, len(missing), random_state=random_state, n_threads=n_threads,
            sample_weight=chance if chance.any() else None, check_finite=False)[0]
    labels = np.empty(len(X), np.int32)
    passes.kmeans_pass(X, centers, labels, weight, n_threads)
    return centers, np.where(known >= 0, known, labels).astype(np.int32)


def _seed_labels(X, indices):
    """One row for each component, every other row in none."""
    labels = np.full(X.shape[0], -1, np.int32)
    labels[indices] = np.arange(len(indices))
    return labels


def _statistics(problem, centers, resp):
    """Moments under labels, or under random responsibilities drawn a chunk at a time."""
    X, weight = problem.X, problem.sample_weight
    centers = centers.astype(X.dtype).astype(np.float64)
    total = SufficientStatistics.zeros(problem.covariance_type, centers)
    if isinstance(resp, np.ndarray):
        moments = weighted_moments(X, resp, centers, problem.covariance_type, weight,
                                   n_threads=problem.n_threads, check_finite=False)
        return SufficientStatistics(problem.covariance_type, centers, *moments).scale(problem.unit)
    for first in range(0, X.shape[0], 65536):
        rows = slice(first, first + 65536)
        chunk = resp.uniform(size=(len(X[rows]), len(centers))).astype(X.dtype)
        chunk /= chunk.sum(axis=1)[:, None]
        part = None if weight is None else weight[rows]
        if part is not None and not part.any():
            continue
        moments = weighted_moments(X[rows], chunk, centers, problem.covariance_type, part,
                                   n_threads=problem.n_threads, check_finite=False)
        total += SufficientStatistics(problem.covariance_type, centers, *moments)
    return total.scale(problem.unit)


def _random_rows(X, n_components, weight, random_state):
    """Indices of different rows, drawn by weight; where these are too few, of no weight too."""
    if weight is not None and np.count_nonzero(weight) < n_components:
        rows, idle = np.flatnonzero(weight), np.flatnonzero(weight == 0)
        return np.concatenate(
            [rows, random_state.choice(idle, n_components - len(rows), replace=False)])
    chance = None if weight is None else weight / weight.sum()
    return random_state.choice(len(X), size=n_components, replace=False, p=chance)


def _incomplete_statistics(problem, n_components, init_params, random_state):
    """Statistics of the start of rows with missing values, from the values that there are:
    K-means and seeds over observed columns, covariances from pairs of columns."""
    X, weight, n_threads, known = (
        problem.X, problem.sample_weight, problem.n_threads, problem.known)
    mean, observed = observed_means(X, weight, n_threads)
    if not (observed > 0).all():
        raise ValueError(
            f"X has no observed value of positive weight in column {int(observed.argmin())}"
        )
    arguments = (problem.patterns, mean, weight, random_state, n_threads)
    labels = None
    if known is not None and (known >= 0).any():
        centers, labels = _incomplete_known(problem, n_components, mean, random_state)
    elif init_params == "random":
        # every value of a component is drawn near the mean: a start without any structure
        labels = random_state.randint(n_components, size=len(X)).astype(np.int32)
        centers = np.repeat(mean[None], n_components, axis=0)
    elif init_params == "random_from_data":
        rows = X[_random_rows(X, n_components, weight, random_state)]
        centers = np.where(np.isnan(rows), mean, rows).astype(np.float64)
    else:
        centers = observed_seeds(X, n_components, *arguments)
        if init_params == "kmeans":
            labels, centers = observed_kmeans(X, centers, weight, n_threads)
    if labels is not None and problem.patterns.n_missing[-1] == X.shape[1]:
        # rows without any value belong nowhere, unless they are known
        first = problem.patterns.offsets[-2]
        empty = problem.patterns.order[first:]
        labels[empty] = -1 if known is None else known[empty]
    everything = pairwise_covariances(
        X, np.zeros(len(X), np.int32), mean[None], weight, n_threads)
    if labels is None:
        # seeds: all components begin with the covariance of all rows, and equal weights
        covariances = np.repeat(everything, n_components, axis=0)
        counts = np.full(n_components, problem.total / n_components)
    else:
        covariances = pairwise_covariances(
            X, labels, centers, weight, n_threads, np.diagonal(everything[0]))
        kept = labels >= 0
        counts = np.bincount(
            labels[kept], None if weight is None else weight[kept], n_components) * problem.unit
    total = SufficientStatistics.zeros(problem.covariance_type, centers)
    total.counts[:] = counts
    spreads = counts[:, None, None] * covariances
    if problem.covariance_type == "full":
        total.second[:] = spreads
    elif problem.covariance_type == "tied":
        total.second[:] = spreads.sum(axis=0)
    else:
        diagonal = np.diagonal(spreads, axis1=1, axis2=2)
        total.second[:] = diagonal if problem.covariance_type == "diag" else diagonal.sum(axis=1)
    return total


def _incomplete_known(problem, n_components, mean, random_state):
    """Centres of the components with known rows, seeds for the others, and labels."""
    X, weight, known, n_threads = problem.X, problem.sample_weight, problem.known, problem.n_threads
    centers = np.repeat(mean[None], n_components, axis=0)
    seen = np.bincount(known[known >= 0], None if weight is None else weight[known >= 0],
                       n_components) > 0
    for k in np.flatnonzero(seen):
        own = (known == k) * (1.0 if weight is None else weight)
        values, observed = observed_means(X, own, n_threads)
        centers[k] = np.where(observed > 0, values, mean)
    if not seen.all():
        unknown = (known < 0).astype(float)
        n_others = int(n_components - seen.sum())
        if unknown.sum() < n_others:
            raise ValueError(
                f"labels name no row for {n_others} of {n_components} components, and only "
                f"{int(unknown.sum())} rows are unlabelled"
            )
        centers[~seen] = observed_seeds(
            X, n_others, problem.patterns, mean, weight, random_state, n_threads,
            centers=centers[seen], allowed=unknown)
    labels, _ = observed_kmeans(X, centers, weight, n_threads, max_iter=1)
    return centers, np.where(known >= 0, known, labels).astype(np.int32)
