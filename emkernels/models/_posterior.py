"""Parameters drawn with their uncertainty: bootstrap EM and data augmentation."""

import numpy as np

from emkernels import kernels
from emkernels.em import run_em
from emkernels.models._covariance import precision_cholesky
from emkernels.models._gaussian import Gaussians

# How near to its limit EM has to come in a bootstrap replicate, in standard deviations: far
# below what one resampled table differs from the next.
BOOTSTRAP_TOL = 1e-4
RESAMPLES = 100


def draw(rows, patterns, raw, covariance_type, rng):
    """`rows` with the missing cells drawn given the observed ones and the parameters."""
    n_missing = int(patterns.counts @ patterns.n_missing)
    normals = rng.standard_normal(n_missing)
    uniforms = rng.random(len(rows)) if len(raw.weights) > 1 else None
    return kernels.conditional_draws(
        rows, raw.means, raw.precisions_cholesky, normals, covariance_type, raw.weights,
        uniforms, patterns=patterns, n_threads=1)


class Bootstrap:
    """Parameters from EM on resampled rows, begun at the maximum (as Amelia does).

    Parameters
    ----------
    make_problem : callable
        ``make_problem(weight) -> StandardisedProblem`` of the rows with these weights.
    patterns : MissingPatterns
        Of the same rows.
    start : Gaussians
        Where EM begins, in standardised units.
    sample_weight : ndarray or None
        What the rows count; the size of a resample is the sum, rounded.
    max_iter, acceleration
        As the estimator has them.
    has_prior : bool
        Without a prior, a few rows would give draws that hardly differ, and are refused.
    """

    def __init__(self, make_problem, patterns, start, sample_weight, max_iter, acceleration,
                 has_prior):
        self.make_problem, self.patterns, self.start = make_problem, patterns, start
        n = patterns.n_samples
        total = n if sample_weight is None else float(sample_weight.sum())
        if not 0.5 <= total < 2**62:
            raise ValueError(
                f"sample_weight sums to {total:.6g}: method='bootstrap' takes it for a number of "
                "rows; scale the weights to sum to theirs")
        self.size = max(1, round(total))
        self.chances = np.full(n, 1 / n) if sample_weight is None else sample_weight / total
        self.max_iter, self.acceleration = max_iter, acceleration
        present = self._present(self.chances > 0)
        if not has_prior and (
                (present < 2).any() or np.count_nonzero(self.chances) <= patterns.n_features):
            raise ValueError(
                f"{np.count_nonzero(self.chances)} rows of {patterns.n_features} varying columns "
                "are too few to draw parameters from without a prior: more rows than columns are "
                "needed, and two values in every column. Pass the rows of the fit as "
                "training_data, or set a prior")
        self.needed = np.minimum(present, 2)

    def _present(self, chosen):
        """In how many of the chosen rows each column is observed."""
        per_pattern = np.add.reduceat(
            chosen[self.patterns.order], self.patterns.offsets[:-1], dtype=np.int64)
        return per_pattern @ (~self.patterns.masks)

    def parameters(self, rng):
        """One draw, in standardised units."""
        for _ in range(RESAMPLES):
            weight = rng.multinomial(self.size, self.chances)
            if (self._present(weight > 0) >= self.needed).all():
                break
        else:
            raise ValueError(
                f"{RESAMPLES} resamples each lost a column that few rows have: too few rows "
                "for method='bootstrap'; method='augmentation' with a prior needs fewer")
        return run_em(
            self.make_problem(weight.astype(np.float64)), lambda i: self.start,
            max_iter=max(1, self.max_iter), tol=BOOTSTRAP_TOL, convergence="distance",
            acceleration=self.acceleration).parameters


class Augmentation:
    """Parameters from a Markov chain: draw the missing cells, then the parameters given all.

    The P-step is ``Sigma ~ inverse-Wishart(n - 1 + dof, S + scale)``, ``mu ~ N(mean, Sigma / n)``
    (dof = 0 and scale = 0, Jeffreys' prior, where the estimator has none).

    Parameters
    ----------
    problem : StandardisedProblem
    patterns : MissingPatterns
    start : Gaussians
        In standardised units.

    References
    ----------
    J. L. Schafer, Analysis of Incomplete Multivariate Data, 1997, sections 5.2.2 and 5.4.
    """

    def __init__(self, problem, patterns, start):
        self.problem, self.patterns, self.start = problem, patterns, start
        p = problem.X.shape[1]
        self.dof, self.scale = 0.0, np.zeros((p, p))
        if problem.covariance_prior is not None:
            self.dof, self.scale = problem.covariance_prior.dof, problem.covariance_prior.scale
        seen = np.add.reduceat(np.ones(patterns.n_samples)[patterns.order],
                               patterns.offsets[:-1]) @ (~patterns.masks)
        if problem.covariance_prior is None and (seen < 2).any():
            raise ValueError(
                "a column has fewer than two values: too few to draw parameters from without a "
                "prior. Pass the rows of the fit as training_data")
        if not problem.total - 1 + self.dof > p - 1:
            raise ValueError(
                f"method='augmentation' needs a proper posterior: {problem.total:.6g} rows and a "
                f"prior of {self.dof:.6g} degrees of freedom are too few for {p} columns")

    def step(self, parameters, rng):
        problem = self.problem
        raw = problem.scaling.to_raw(parameters, "full")
        completed = draw(problem.X, self.patterns, raw, "full", rng)
        centers = raw.means.astype(completed.dtype).astype(np.float64)
        moments = kernels.weighted_moments(
            completed, np.zeros(len(completed), np.int32), centers, "full",
            problem.sample_weight, n_threads=1)
        n, s = moments.counts[0] * problem.unit, problem.scaling.scale
        offset = moments.first[0] / moments.counts[0]
        scatter = moments.second[0] * problem.unit - n * np.outer(offset, offset)
        scatter = scatter / np.outer(s, s) + self.scale
        mean = (centers[0] + offset - problem.scaling.center) / s
        # the precision is Wishart: T T' with T upper triangular, between factors of its scale
        p = len(mean)
        upper = np.triu(rng.standard_normal((p, p)), 1)
        upper[np.diag_indices(p)] = np.sqrt(
            rng.chisquare(n - 1 + self.dof - np.arange(p)[::-1]))
        factor = precision_cholesky(scatter[None], "full")[0] @ upper
        mean = mean + np.linalg.solve(factor.T, rng.standard_normal(p)) / np.sqrt(n)
        return Gaussians(np.ones(1), mean[None], None, np.ascontiguousarray(factor[None]))

    def chain(self, rng, steps, parameters=None):
        parameters = self.start if parameters is None else parameters
        for _ in range(steps):
            parameters = self.step(parameters, rng)
        return parameters
