"""The row-by-row oracle of incomplete data: published maxima, and moments without its formulas."""

import itertools

import numpy as np
import pytest
import tables
from numpy.testing import assert_allclose, assert_array_equal
from problems import problem
from reference import (
    COVARIANCE_TYPES,
    conditional_moments,
    em_statistics,
    full_covariances,
    gaussian_em,
    incomplete_log_density,
    incomplete_statistics,
    log_density,
    responsibilities,
)
from scipy import stats

from emkernels.data import Rows
from emkernels.models.missing import little

NAN = np.nan


def with_gaps(X, share=0.3, seed=0):
    X = np.array(X, float)
    X[np.random.default_rng(seed).uniform(size=X.shape) < share] = NAN
    return X


def monotone_ml(X):
    """ML estimates where each column is observed in a subset of the rows of the one before: a
    regression of every column on those before it."""
    n_features = X.shape[1]
    mean, covariance = np.zeros(n_features), np.zeros((n_features, n_features))
    for j in range(n_features):
        rows = X[~np.isnan(X[:, j])]
        design = np.column_stack([np.ones(len(rows)), rows[:, :j]])
        beta = np.linalg.lstsq(design, rows[:, j], rcond=None)[0]
        mean[j] = beta[0] + beta[1:] @ mean[:j]
        covariance[j, :j] = covariance[:j, j] = covariance[:j, :j] @ beta[1:]
        covariance[j, j] = (((rows[:, j] - design @ beta) ** 2).mean()
                            + beta[1:] @ covariance[:j, :j] @ beta[1:])
    return mean, covariance


@pytest.mark.parametrize(("name", "order", "n_iter", "rtol"), [
    ("APPLE", [0, 1], 200, 1e-10), ("CEMENT", [2, 4, 0, 1, 3], 3000, 1e-6)])
def test_the_oracle_finds_the_published_maxima(name, order, n_iter, rtol):
    X = getattr(tables, name).X
    mean, covariance, trace = gaussian_em(X, n_iter)
    exact_mean, exact_covariance = monotone_ml(X[:, order])
    assert_allclose(mean[order], exact_mean, rtol=rtol)
    assert_allclose(covariance[np.ix_(order, order)], exact_covariance, rtol=rtol)
    digits = 5e-4 if name == "APPLE" else 1e-4
    assert_allclose(mean, getattr(tables, f"{name}_MEAN"), atol=digits)
    assert_allclose(covariance, getattr(tables, f"{name}_COVARIANCE"), atol=digits)
    assert_allclose(trace[-1], getattr(tables, f"{name}_LOG_LIKELIHOOD"), atol=1e-8, rtol=0)
    assert np.diff(trace).min() > -1e-11


@pytest.mark.parametrize(("start", "variance", "rho"), [
    (0.1, 8 / 3, 0.5), (-0.1, 8 / 3, -0.5), (0.0, 2.5, 0.0)])
def test_murrays_two_maxima_and_saddle_point(start, variance, rho):
    mean, covariance, trace = gaussian_em(
        tables.MURRAY.X, 300, (np.zeros(2), np.array([[2, 2 * start], [2 * start, 2]])))
    assert_allclose(mean, 0, atol=1e-12)
    assert_allclose(covariance, variance * np.array([[1, rho], [rho, 1]]), atol=1e-10)
    assert np.diff(trace).min() > -1e-12


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_the_oracle_without_gaps_is_the_one_of_complete_data(covariance_type):
    p = problem(30, 3, 2, covariance_type)
    arguments = (p.weights, p.means, p.factors, covariance_type, p.sample_weight)
    for found, expected in zip(incomplete_statistics(p.X, *arguments),
                               em_statistics(p.X, *arguments)):
        assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_the_oracle_has_the_moments_of_the_completed_rows(covariance_type):
    # by summing over a fine grid of the one missing value of each row, which needs no formula of
    # conditional moments
    p = problem(6, 2, 3, covariance_type)
    X = p.X.copy()
    X[:3, 0] = X[3:, 1] = NAN
    points = np.linspace(-30, 30, 6001)
    imputed, blocks = conditional_moments(X, p.weights, p.means, p.factors, covariance_type)
    density = incomplete_log_density(X, p.means, p.factors, covariance_type)
    counts, first, second, log_likelihood = np.zeros(3), np.zeros((3, 2)), np.zeros((3, 2, 2)), 0.0
    for i, x in enumerate(X):
        m = int(np.isnan(x).argmax())
        rows = np.repeat(x[None], len(points), axis=0)
        rows[:, m] = points
        joint = np.exp(log_density(rows, p.means, p.factors, covariance_type)) * 0.01
        assert_allclose(np.log(joint.sum(axis=0)), density[i], rtol=1e-9, atol=1e-9)
        joint *= p.weights
        log_likelihood += np.log(joint.sum())
        joint /= joint.sum()
        mean = joint.sum(axis=1) @ points
        assert_allclose(imputed[i, m], mean, rtol=1e-8, atol=1e-8)
        assert_allclose(blocks[i], [[joint.sum(axis=1) @ (points - mean) ** 2]], rtol=1e-8)
        for k in range(3):
            diff = rows - p.means[k]
            counts[k] += joint[:, k].sum()
            first[k] += joint[:, k] @ diff
            second[k] += (joint[:, k, None] * diff).T @ diff
    found = incomplete_statistics(X, p.weights, p.means, p.factors, covariance_type)
    second = {"full": second, "tied": second.sum(axis=0),
              "diag": np.einsum("kii->ki", second), "spherical": np.einsum("kii->k", second),
              }[covariance_type]
    for value, expected in zip(found, (counts, first, second, log_likelihood)):
        assert_allclose(value, expected, rtol=1e-8, atol=1e-8)


def test_the_oracle_on_rows_with_nothing_observed():
    p = problem(4, 3, 2)
    X = np.full((2, 3), NAN)
    assert_array_equal(incomplete_log_density(X, p.means, p.factors), np.zeros((2, 2)))
    imputed, blocks = conditional_moments(X, p.weights, p.means, p.factors)
    assert_allclose(imputed, np.repeat((p.weights @ p.means)[None], 2, axis=0))
    between = p.means - p.weights @ p.means
    total = (p.weights[:, None, None] * full_covariances(p.factors, "full", 2, 3)).sum(axis=0)
    assert_allclose(blocks[1], total + (p.weights[:, None] * between).T @ between)
    counts, _, _, log_likelihood = incomplete_statistics(X, p.weights, p.means, p.factors)
    assert_allclose(counts, 2 * p.weights)
    assert log_likelihood == pytest.approx(0, abs=1e-15)


def test_the_oracle_marginalises_like_scipy():
    p = problem(40, 4, 3)
    X = with_gaps(p.X, 0.4)
    covariances = full_covariances(p.factors, "full", 3, 4)
    expected = np.zeros((40, 3))
    for (i, x), k in itertools.product(enumerate(X), range(3)):
        o = ~np.isnan(x)
        if o.any():
            expected[i, k] = stats.multivariate_normal(
                p.means[k, o], covariances[k][np.ix_(o, o)]).logpdf(x[o])
    found = incomplete_log_density(X, p.means, p.factors)
    assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
    _, norm = responsibilities(found, np.log(p.weights))
    assert_allclose(norm.sum(), incomplete_statistics(X, p.weights, p.means, p.factors)[3])


def test_the_estimates_of_the_models_are_those_of_the_oracle():
    for X, n_iter in ((tables.AIRQUALITY.X, 60), (with_gaps(tables.NHANES.X, 0.05), 300)):
        mean, covariance, _ = gaussian_em(X, n_iter)
        found = little.estimate(Rows.read(X), 1e-11, 10_000)
        scale = np.sqrt(np.diag(covariance))
        assert_allclose((found[0] - mean) / scale, 0, atol=1e-8)
        assert_allclose(found[1] / np.outer(scale, scale), covariance / np.outer(scale, scale),
                        atol=1e-8)
