"""A table and the models that are fitted to blocks of it, but for plain mixtures and K-means."""

import warnings

import numpy as np
from numpy.testing import assert_allclose

from emkernels import (
    FactorAnalysis,
    GaussianImputer,
    GaussianMixtureImputer,
    MixtureOfFactorAnalyzers,
    StudentTMixture,
)

RESULTS = {
    GaussianImputer: ("location_", "covariance_", "precision_", "log_likelihood_"),
    GaussianMixtureImputer: ("weights_", "means_", "covariances_", "log_likelihood_"),
    StudentTMixture: ("weights_", "means_", "scatters_", "dfs_", "lower_bounds_"),
    FactorAnalysis: ("mean_", "components_", "noise_variance_", "lower_bounds_"),
    MixtureOfFactorAnalyzers: (
        "weights_", "means_", "components_", "noise_variance_", "lower_bounds_"),
}
# (so few iterations that rounding does not decide which step is the better one)
MODELS = [
    GaussianImputer(),
    GaussianImputer(prior="ridge", acceleration=None, max_iter=8, tol=0),
    GaussianMixtureImputer(2, random_state=0, max_iter=6, tol=0),
    GaussianMixtureImputer(2, covariance_type="tied", random_state=0, max_iter=6, tol=0,
                           init_params="random_from_data"),
    GaussianMixtureImputer(2, covariance_type="spherical", random_state=0, max_iter=6, tol=0),
    StudentTMixture(2, random_state=0, max_iter=8, tol=0),
    StudentTMixture(2, "diag", "shared", random_state=0, max_iter=8, tol=0),
    StudentTMixture(1, df=3.0, max_iter=8, tol=0, random_state=0),
    FactorAnalysis(2, max_iter=3, n_init=1, noise_variance_init=1.0),
    FactorAnalysis(1, noise="isotropic", max_iter=4),
    FactorAnalysis(2, method="em", max_iter=8, tol=0, rotation="varimax", n_init=1,
                   noise_variance_init=1.0),
    MixtureOfFactorAnalyzers(2, 2, random_state=0, max_iter=8, tol=0),
    MixtureOfFactorAnalyzers(2, 1, shared_noise=True, random_state=0, max_iter=8, tol=0),
]
SIZES = ([600], [100, 0, 1, 299, 200], [25] * 24)


def table(missing, seed=0):
    """Two groups of rows with a factor; gaps behind the first hundred rows, a row of nothing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(600, 1)) * [2, -1, 1.5, -1.5, 0.5, -1] + rng.normal(size=(600, 6))
    X[rng.random(600) < 0.4] += 5.0
    if missing:
        gaps_ = rng.random(X.shape) < 0.12
        gaps_[:100] = False
        X[gaps_] = np.nan
        X[333] = np.nan
    return X


def weights(seed=1):
    """Some of them zero, all of those of a block of 25."""
    weight = np.random.default_rng(seed).uniform(0.2, 3, 600)
    weight[::9] = 0
    weight[150:175] = 0
    return weight


def cut(values, sizes):
    return np.split(values, np.cumsum(sizes)[:-1])


def quiet(method, *args, **kwargs):
    """The fit, and the texts of its warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        return method(*args, **kwargs), [str(each.message) for each in told]


def assert_same(found, expected, rtol=1e-10):
    for name in RESULTS[type(expected)]:
        a, b = np.asarray(getattr(found, name)), np.asarray(getattr(expected, name))
        assert a.dtype == b.dtype
        assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max(), err_msg=name)


def agreement(model, missing):
    """How near parameters are: of M-steps that are Newton's, which end where a step's gain is lost
    in rounding, as near as those of the same rows in another order."""
    return 1e-7 if isinstance(model, FactorAnalysis) and missing and (
        model.method == "newton") else 1e-10


def bits(model):
    return [np.asarray(getattr(model, name)).tobytes() for name in RESULTS[type(model)]]
