"""Factor analysis, Student t, mclust's families and mixtures of factor analysers."""

import warnings

import numpy as np
from sklearn.decomposition import FactorAnalysis as SklearnFactors
from sklearn.exceptions import ConvergenceWarning

from emkernels import (
    FactorAnalysis,
    GaussianMixture,
    MixtureOfFactorAnalyzers,
    StudentTMixture,
)

from ._cases import blobs

warnings.simplefilter("ignore", ConvergenceWarning)
FAMILIES = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV",
            "EVV", "VVV")
SHAPES = {"100000x2 K=8": (100_000, 2, 8), "20000x16 K=8": (20_000, 16, 8)}


def of_factors(n, d, q, seed=0):
    """Rows of q common factors and noise of its own for each column."""
    rng = np.random.default_rng(seed)
    noise = np.sqrt(rng.uniform(0.3, 2.0, d))
    return (rng.normal(size=(n, q)) @ rng.normal(size=(q, d)) + rng.normal(size=(n, d)) * noise)


class Factors:
    """Default fits of factor analysis, with and without gaps."""

    params = [["20000x32 q=4", "1000x300 q=5"], [0.0, 0.05]]
    param_names = ["shape", "missing"]

    def setup(self, shape, missing):
        n, d, q = {"20000x32 q=4": (20_000, 32, 4), "1000x300 q=5": (1_000, 300, 5)}[shape]
        if missing:
            n //= 10
        self.X, self.q = of_factors(n, d, q), q
        ours, theirs = FactorAnalysis(q).fit(self.X), SklearnFactors(q).fit(self.X)
        # a maximum is not below where another fit has stopped
        assert ours.score(self.X) > theirs.score(self.X) - 1e-6
        self.X[np.random.default_rng(1).random(self.X.shape) < missing] = np.nan

    def time_fit(self, shape, missing):
        FactorAnalysis(self.q).fit(self.X)


class Student:
    """Ten iterations of a t mixture, degrees of freedom estimated."""

    params = [list(SHAPES), ["float64", "float32"]]
    param_names = ["shape", "dtype"]

    def setup(self, shape, dtype):
        n, d, k = SHAPES[shape]
        self.X = blobs(n, d, k, dtype=np.dtype(dtype))
        whole = np.repeat(np.cov(self.X.T.astype(np.float64))[None], k, axis=0)
        self.model = StudentTMixture(
            k, tol=0, max_iter=10, weights_init=np.full(k, 1 / k),
            means_init=self.X[:k].astype(np.float64), scatters_init=whole)

    def time_fit(self, shape, dtype):
        self.model.fit(self.X)


class Families:
    """Ten iterations of each of mclust's families, and with noise."""

    params = [list(FAMILIES), [None, True]]
    param_names = ["covariance_type", "noise"]

    def setup(self, covariance_type, noise):
        self.X = blobs(20_000, 8, 4)
        start = GaussianMixture(
            4, covariance_type=covariance_type, noise=noise, max_iter=0, random_state=0).fit(self.X)
        self.model = GaussianMixture(
            4, covariance_type=covariance_type, noise=noise, tol=0, max_iter=10,
            weights_init=start.weights_, means_init=start.means_,
            precisions_init=start.precisions_)

    def time_fit(self, covariance_type, noise):
        self.model.fit(self.X)


class FactorMixtures:
    """Ten iterations of a mixture of factor analysers of wide rows."""

    params = ["float64", "float32"]
    param_names = ["dtype"]

    def setup(self, dtype):
        n, d, k, q = 2_000, 400, 10, 4
        rng = np.random.default_rng(0)
        means = rng.normal(size=(k, d))
        self.X = (of_factors(n, d, q) + means[rng.integers(k, size=n)]).astype(dtype)
        start = MixtureOfFactorAnalyzers(k, q, max_iter=0, random_state=0).fit(self.X)
        self.model = MixtureOfFactorAnalyzers(
            k, q, tol=0, max_iter=10, weights_init=start.weights_, means_init=start.means_,
            components_init=start.components_, noise_variance_init=start.noise_variance_)

    def time_fit(self, dtype):
        self.model.fit(self.X)
