"""Rows of weight 0 are absent: they change no start, and so no fit."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris

from emkernels import GaussianMixture, KMeans, MixtureOfFactorAnalyzers, StudentTMixture

INITS = ("kmeans", "k-means++", "random", "random_from_data")


def tables(missing, even):
    """Iris and weights; the same among eighty rows of weight 0, twenty deviations out."""
    rng = np.random.default_rng(0)
    X = load_iris().data.copy()
    if missing:
        X[rng.uniform(size=X.shape) < 0.1] = np.nan
        X = X[~np.isnan(X).all(axis=1)]
    weight = np.ones(len(X)) if even else rng.uniform(0.5, 3, len(X))
    places = np.sort(rng.integers(len(X) + 1, size=80))
    more = np.insert(X, places, 20 * rng.normal(size=(80, 4)), axis=0)
    return X, None if even else weight, more, np.insert(weight, places, 0.0)


def check(model, X, weight, more, more_weight, names):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")         # few iterations
        fits = [{name: getattr(model.fit(*table[:1], sample_weight=table[1]), name)
                 for name in names} for table in ((X, weight), (more, more_weight))]
    for name in names:
        assert_allclose(fits[1][name], fits[0][name], rtol=1e-8, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("init_params", INITS)
def test_mixtures_begin_without_rows_of_no_weight(init_params, missing, even):
    options = {"n_components": 3, "init_params": init_params, "random_state": 1, "max_iter": 3}
    for more in ({}, {"noise": True}, {"init_scaling": "standard"}, {"short_iter": 2, "n_init": 2}):
        check(GaussianMixture(**options, **more), *tables(missing, even),
              ("weights_", "means_", "covariances_", "lower_bounds_"))
    for family in (StudentTMixture, MixtureOfFactorAnalyzers):
        check(family(**options), *tables(missing, even), ("weights_", "means_", "lower_bounds_"))


@pytest.mark.parametrize("init_params", ["kmeans", "random"])
@pytest.mark.parametrize("missing", [False, True])
def test_seeds_beside_known_rows_are_none_of_no_weight(missing, init_params):
    """Of the four rows that are not known, two have weight: they are the seeds."""
    X = np.repeat([[0.0, 0.0], [5.0, 1.0], [1.0, 7.0], [90.0, 9.0], [9.0, 90.0]],
                  [10, 1, 1, 1, 1], axis=0)
    X[:10] += np.random.default_rng(0).normal(size=(10, 2))
    if missing:
        X[0, 1] = np.nan
    labels = np.r_[np.zeros(10, int), np.full(4, -1)]
    weight = np.r_[np.ones(12), 0.0, 0.0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GaussianMixture(3, init_params=init_params, random_state=0, max_iter=0)
        means = model.fit(X, sample_weight=weight, labels=labels).means_
        assert_allclose(means, model.fit(X[:12], labels=labels[:12]).means_, atol=1e-12)
        # one row is too few
        weight[10] = 0
        with pytest.raises(ValueError, match="only 1 rows are unlabelled"):
            model.fit(X, sample_weight=weight, labels=labels)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_k_means_ends_by_the_spread_of_rows_that_count(init, even):
    check(KMeans(3, init=init, n_init=2, random_state=1, tol=1e-2), *tables(False, even),
          ("cluster_centers_", "inertia_", "n_iter_"))
