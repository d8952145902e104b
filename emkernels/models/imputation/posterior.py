"""Parameters drawn with their uncertainty: bootstrap EM and data augmentation."""

import numpy as np

from emkernels.components.gaussian.moments import seen
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.em import run_em
from emkernels.kernels import passes, weighted_moments
from emkernels.latent.mixture import MixtureParameters
from emkernels.models.imputation.gaps import without_empty

# How near to its limit EM has to come in a bootstrap replicate, in standard deviations: far
# below what one resampled table differs from the next.
BOOTSTRAP_TOL = 1e-4
RESAMPLES = 100


def draw(rows, raw, rng):
    """The rows with the missing cells drawn given the observed ones and the parameters."""
    patterns = rows.all_patterns
    normals = rng.standard_normal(int(patterns.counts @ patterns.n_missing))
    uniforms = rng.random(len(rows)) if len(raw.weights) > 1 else None
    return passes.incomplete_rows(
        rows.X, raw.weights, raw.means, raw.precisions_cholesky, raw.structure.kernel, patterns,
        ("imputed",), normals=normals, uniforms=uniforms, n_threads=1)["imputed"]


class Bootstrap:
    """Parameters from EM on resampled rows, begun at the maximum (as Amelia does).

    Parameters
    ----------
    model : Standardised
        Without a prior, a few rows would give draws that hardly differ, and are refused.
    rows : Rows
        Their weights are what rows count; the size of a resample is the sum, rounded.
    start : MixtureParameters
        Where EM begins, in standardised units.
    max_iter, acceleration
        As the estimator has them.
    """

    def __init__(self, model, rows, start, max_iter, acceleration):
        self.model, self.rows, self.start = model, rows, start
        self.patterns = patterns = rows.all_patterns
        n, sample_weight = len(rows), rows.weight_given
        total = rows.total
        if not 0.5 <= total < 2**62:
            raise ValueError(
                f"sample_weight sums to {total:.6g}: method='bootstrap' takes it for a number of "
                "rows; scale the weights to sum to theirs")
        self.size = max(1, round(total))
        self.chances = np.full(n, 1 / n) if sample_weight is None else sample_weight / total
        self.max_iter, self.acceleration = max_iter, acceleration
        has_prior = model.model.components.structure.prior is not None
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
        rows = without_empty(self.rows.with_(sample_weight=weight.astype(np.float64)))
        return run_em(
            self.model, rows, lambda i: self.start, max_iter=max(1, self.max_iter),
            tol=BOOTSTRAP_TOL, convergence="distance", acceleration=self.acceleration,
            objective_scale=rows.n_positive).parameters


class Augmentation:
    """Parameters from a Markov chain: draw the missing cells, then the parameters given all.

    The P-step is ``Sigma ~ inverse-Wishart(n - 1 + dof, S + scale)``, ``mu ~ N(mean, Sigma / n)``
    (dof = 0 and scale = 0, Jeffreys' prior, where the estimator has none).

    Parameters
    ----------
    model : Standardised
    rows : Rows
    start : MixtureParameters
        In standardised units.

    References
    ----------
    J. L. Schafer, Analysis of Incomplete Multivariate Data, 1997, sections 5.2.2 and 5.4.
    """

    def __init__(self, model, rows, start):
        self.model, self.rows, self.start = model, rows, start
        p, prior = rows.n_features, model.model.components.structure.prior
        self.dof, self.scale = 0.0, np.zeros((p, p))
        if prior is not None:
            self.dof, self.scale = prior.dof, prior.scale
        patterns = rows.all_patterns
        observed = np.add.reduceat(np.ones(len(rows))[patterns.order],
                                   patterns.offsets[:-1]) @ (~patterns.masks)
        if prior is None and (observed < 2).any():
            raise ValueError(
                "a column has fewer than two values: too few to draw parameters from without a "
                "prior. Pass the rows of the fit as training_data")
        if not rows.total - 1 + self.dof > p - 1:
            raise ValueError(
                f"method='augmentation' needs a proper posterior: {rows.total:.6g} rows and a "
                f"prior of {self.dof:.6g} degrees of freedom are too few for {p} columns")

    def step(self, parameters, rng):
        rows, scaling = self.rows, self.model.scaling
        raw = self.model.to_raw(parameters)
        completed = draw(rows, raw, rng)
        centers = seen(raw.means, rows)
        moments = weighted_moments(
            completed, np.zeros(len(completed), np.int32), centers, "full",
            rows.sample_weight, n_threads=1)
        n, s = moments.counts[0] * rows.unit, scaling.scale
        offset = moments.first[0] / moments.counts[0]
        scatter = moments.second[0] * rows.unit - n * np.outer(offset, offset)
        scatter = scatter / np.outer(s, s) + self.scale
        mean = (centers[0] + offset - scaling.center) / s
        # the precision is Wishart: T T' with T upper triangular, between factors of its scale
        p = len(mean)
        upper = np.triu(rng.standard_normal((p, p)), 1)
        upper[np.diag_indices(p)] = np.sqrt(
            rng.chisquare(n - 1 + self.dof - np.arange(p)[::-1]))
        structure = parameters.structure
        factor = structure.factors(scatter[None])[0] @ upper
        mean = mean + np.linalg.solve(factor.T, rng.standard_normal(p)) / np.sqrt(n)
        return MixtureParameters(np.ones(1), Gaussians(
            structure, mean[None], None, np.ascontiguousarray(factor[None])))

    def chain(self, rng, steps, parameters=None):
        parameters = self.start if parameters is None else parameters
        for _ in range(steps):
            parameters = self.step(parameters, rng)
        return parameters
