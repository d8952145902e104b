"""Rows far from everything, data of extreme scale, data far from the origin."""

import math
from fractions import Fraction

import numpy as np
import pytest
import reference
from numpy.testing import assert_array_equal
from reference import COVARIANCE_TYPES

from emkernels import kernels

FAR = [("f8", 1e150), ("f8", 1e200), ("f8", 1e300), ("f8", 1.2e308),
       ("f4", 1e15), ("f4", 1e20), ("f4", 1e38), ("f4", 3e38)]


def factors_of(covariance_type, K, D, scale=1.0):
    upper = np.eye(D) + np.triu(np.full((D, D), 0.2 / D), 1)
    return scale * {
        "full": np.array([upper * (1 + 0.1 * k) for k in range(K)]),
        "tied": upper,
        "diag": np.array([np.full(D, 1 + 0.1 * k) for k in range(K)]),
        "spherical": 1 + 0.1 * np.arange(K),
    }[covariance_type]


def exact_log_density(x, mean, factors):
    """With Python's integers and fractions of unlimited range."""
    D = len(x)
    diff = [Fraction(float(a)) - Fraction(float(b)) for a, b in zip(x, mean)]
    z = [sum(diff[d] * Fraction(float(factors[d, r])) for d in range(r + 1)) for r in range(D)]
    constant = np.log(np.diag(factors)).sum() - D / 2 * math.log(2 * math.pi)
    return Fraction(float(constant)) - sum(v * v for v in z) / 2


def far_rows(rng, D, dtype, big):
    """40 rows near the origin but for six, and which those are."""
    X = rng.normal(size=(40, D))
    X[3, 0], X[7, 0], X[11] = big, -big, big
    X[20] = big * rng.choice([-1, 1], size=D)
    X[21], X[39, -1] = big / 2, -big / 3
    return X.astype(dtype), [3, 7, 11, 20, 21, 39]


def far_model(covariance_type, D, dtype, big):
    """Three components, two of them far."""
    means = np.zeros((3, D))
    means[:, 0] = -big / 8, 0, big / 8
    means = means.astype(dtype).astype(float)
    factors = factors_of(covariance_type, 3, D).astype(dtype).astype(float)
    return np.array([0.3, 0.3, 0.4]), means, factors, covariance_type


@pytest.mark.parametrize("dtype, big", FAR)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("D", [1, 2, 5, 13])
class TestFarRows:
    def test_every_row_goes_to_the_best_component(self, simd, rng, D, covariance_type, dtype,
                                                  big):
        X, far = far_rows(rng, D, dtype, big)
        weights, means, factors, _ = model = far_model(covariance_type, D, dtype, big)
        upper = reference.full_factors(factors, covariance_type, 3, D)
        resp, norm, labels = kernels.e_step(X, *model, want=("resp", "log_prob_norm", "labels"))
        assert np.isfinite(resp).all() and not np.isnan(norm).any()
        np.testing.assert_allclose(resp.sum(axis=1), 1, rtol=1e-6)
        for i in range(40):
            exact = [exact_log_density(X[i], means[k], upper[k]) for k in range(3)]
            best = max(range(3), key=lambda k: exact[k])
            assert labels[i] == best
            assert resp[i, best] == 1
            value = exact[best] + Fraction(math.log(weights[best]))
            if value < -float(np.finfo(dtype).max):
                assert norm[i] == -np.inf
            else:
                assert norm[i] == pytest.approx(float(value), rel=2e-6)
        log_prob = kernels.log_density(X, *model[1:])
        assert not np.isnan(log_prob).any()
        assert (log_prob < np.inf).all()
        near = np.setdiff1d(np.arange(40), far)
        expected = reference.log_density(X[near, :], means[1:2], upper[1:2])[:, 0]
        np.testing.assert_allclose(log_prob[near, 1], expected, rtol=1e-5)

    def test_statistics(self, simd, rng, D, covariance_type, dtype, big):
        X, far = far_rows(rng, D, dtype, big)
        model = far_model(covariance_type, D, dtype, big)
        labels = kernels.e_step(X, *model, want=["labels"])[0]
        statistics = kernels.em_statistics(X, *model, check_finite=False)
        if any(np.isnan(each).any() for each in statistics):    # infinity less infinity
            with pytest.raises(ValueError, match="the sums over X overflow"):
                kernels.em_statistics(X, *model)
        else:
            for a, b in zip(kernels.em_statistics(X, *model), statistics, strict=True):
                assert_array_equal(a, b)
        assert_array_equal(statistics.counts, np.bincount(labels, minlength=3))
        assert not np.isnan(statistics.log_likelihood)
        if float(X.dtype.type(big)) < 1e308 and big < 1e38:
            assert np.isfinite(statistics.first).all()
        # squares may overflow, but then to infinity
        second = statistics.second
        if second.ndim == 3 or covariance_type == "tied":
            second = np.diagonal(second, axis1=-2, axis2=-1)
        assert (second >= 0).all()

    def test_weight_zero_takes_a_far_row_out(self, simd, rng, D, covariance_type, dtype, big):
        X, far = far_rows(rng, D, dtype, big)
        model = far_model(covariance_type, D, dtype, big)
        weight = np.ones(40)
        weight[far] = 0
        without = X.copy()
        without[far] = 0
        *moments, log_likelihood = kernels.em_statistics(X, *model, weight)
        *expected, expected_likelihood = kernels.em_statistics(without, *model, weight)
        for a, b in zip(moments, expected):
            assert_array_equal(a, b)
        assert log_likelihood == pytest.approx(expected_likelihood, rel=1e-6)


@pytest.mark.parametrize("dtype, big", FAR)
@pytest.mark.parametrize("D", [1, 2, 4, 5, 13])
def test_nearest_centre(simd, rng, D, dtype, big):
    X = far_rows(rng, D, dtype, big)[0]
    centers = far_model("spherical", D, dtype, big)[1]
    labels, counts, sums, inertia = kernels.kmeans_statistics(X, centers)
    scaled = reference.squared_distances(X.astype(float) / big, centers / big)
    assert_array_equal(labels, scaled.argmin(axis=1))
    assert_array_equal(counts, np.bincount(labels, minlength=3))
    if big < 1e100:
        assert inertia == pytest.approx(scaled.min(axis=1).sum() * big * big, rel=1e-5)
    elif big > 1e154:
        assert inertia == np.inf


@pytest.mark.parametrize("dtype, big", FAR)
@pytest.mark.parametrize("D", [1, 2, 5])
def test_seeds_among_far_rows(simd, rng, D, dtype, big):
    X = far_rows(rng, D, dtype, big)[0]
    for seed in range(5):
        seeds = kernels.kmeans_plusplus(X, 5, random_state=seed)[1]
        assert ((seeds >= 0) & (seeds < 40)).all()
        if big < 1e154:
            assert len(set(seeds)) == 5


def test_nearest_where_even_the_distance_overflows(simd):
    X = np.array([[1e300, 0.0], [-1e300, 1.0]])
    means = np.array([[-1e299, 0], [0, 0], [1e299, 0]])
    for covariance_type in COVARIANCE_TYPES:
        factors = factors_of(covariance_type, 3, 2, 1e20)
        if covariance_type != "tied":
            factors[:] = factors[0]
        resp, norm = kernels.e_step(X, [0.3, 0.3, 0.4], means, factors, covariance_type)
        assert_array_equal(resp, [[0, 0, 1], [1, 0, 0]])
        assert_array_equal(norm, [-np.inf, -np.inf])


@pytest.mark.parametrize("dtype, ends", [("f8", 1.7e308), ("f4", 3.3e38)])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_difference_overflows(simd, dtype, ends, covariance_type):
    X = np.array([[ends, ends], [0, 0]], dtype)
    means = np.array([[-ends, -ends], [-ends, 0]])
    resp, norm = kernels.e_step(X, [0.5, 0.5], means, factors_of(covariance_type, 2, 2),
                                covariance_type)
    assert_array_equal(resp, [[0, 1], [0, 1]])
    assert_array_equal(norm, [-np.inf, -np.inf])


def test_a_far_row_never_goes_to_a_component_of_weight_zero(simd):
    means = np.array([[0.0], [5e199], [-5e199]])
    X = np.array([[1e200], [-1e200]])
    resp = kernels.e_step(X, [0.5, 0.0, 0.5], means, np.ones(3), "spherical")[0]
    assert_array_equal(resp, [[1, 0, 0], [0, 0, 1]])


def test_far_rows_of_float32_count_exactly_in_the_log_likelihood(simd):
    X = np.array([[1e20], [3e25], [0]], np.float32)
    expected = reference.em_statistics(X, [1.0], [[0.0]], [1.0], "spherical")[3]
    actual = kernels.em_statistics(X, [1.0], [[0.0]], [1.0], "spherical").log_likelihood
    assert actual == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype, scale", [
    ("f8", 1e150), ("f8", 1e-150), ("f4", 1e15), ("f4", 1e-15)])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("D", [1, 3, 5, 13])
def test_scaled_data_has_scaled_statistics(simd, dtype, scale, covariance_type, D, rng):
    K, n = 2, 300
    means = np.array([np.zeros(D), np.ones(D)]) * 3
    X = means[rng.integers(K, size=n)] + rng.normal(size=(n, D))
    factors = factors_of(covariance_type, K, D)
    X, means = (X * scale).astype(dtype), (means * scale).astype(dtype).astype(float)
    unit = reference.em_statistics(
        X.astype(float) / scale, [0.4, 0.6], means / scale, factors, covariance_type)
    statistics = kernels.em_statistics(X, [0.4, 0.6], means, factors / scale, covariance_type)
    tolerance = 1e-11 if dtype == "f8" else 1e-4
    np.testing.assert_allclose(statistics.counts, unit[0], rtol=tolerance)
    np.testing.assert_allclose(statistics.first / scale, unit[1], rtol=tolerance,
                               atol=tolerance * n)
    np.testing.assert_allclose(statistics.second / scale / scale, unit[2], rtol=tolerance,
                               atol=tolerance * n)
    assert statistics.log_likelihood == pytest.approx(
        unit[3] - n * D * math.log(scale), rel=tolerance)


@pytest.mark.parametrize("dtype, shift, bound", [("f8", 1e8, 1e-8), ("f4", 1e3, 1e-3)])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("D", [1, 3, 5, 13])
def test_shifted_data(simd, dtype, shift, bound, covariance_type, D, rng):
    """Moments about a nearby centre lose nothing to the shift; the truth is the long-double
    covariance of the stored values."""
    X = (rng.normal(size=(5000, D)) + shift).astype(dtype)
    weight = rng.uniform(0.5, 2, size=5000)
    center = (X[:1].astype(float) + 0.25).astype(dtype).astype(float)
    mean, covariance = reference.long_double_covariance(X, weight)
    counts, first, second = kernels.weighted_moments(
        X, np.zeros(5000, int), center, covariance_type, weight)
    offset = first / counts[:, None]
    true = covariance.astype(float)
    if covariance_type in ("full", "tied"):
        actual = (second[0] if covariance_type == "full" else second) / counts[0]
        actual = actual - offset.T @ offset
    elif covariance_type == "diag":
        actual, true = second[0] / counts[0] - offset[0] ** 2, np.diag(true)
    else:
        actual, true = second / counts - (offset ** 2).sum(), np.trace(true)
    error = np.abs(actual - true).max() / np.abs(true).max()
    assert error < bound
    np.testing.assert_allclose((center + offset)[0], mean.astype(float), rtol=bound * 1e-3)


@pytest.mark.parametrize("dtype, shift, bound", [("f8", 1e8, 1e-7), ("f4", 1e3, 1e-2)])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_densities_of_shifted_data(simd, dtype, shift, bound, covariance_type, rng):
    X = (rng.normal(size=(500, 5)) + shift).astype(dtype)
    means = (rng.normal(size=(2, 5)) + shift).astype(dtype).astype(float)
    factors = factors_of(covariance_type, 2, 5).astype(dtype).astype(float)
    actual = kernels.log_density(X, means, factors, covariance_type)
    expected = reference.log_density(X, means, factors, covariance_type)
    assert np.abs(actual - expected).max() < bound


@pytest.mark.parametrize("dtype, shift", [("f8", 1e8), ("f4", 1e3)])
def test_kmeans_of_shifted_data(simd, dtype, shift, rng):
    centers = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]) + shift
    X = (centers[rng.integers(3, size=900)] + rng.normal(size=(900, 2)) * 0.1).astype(dtype)
    labels, counts, sums, inertia = kernels.kmeans_statistics(X, centers)
    expected = reference.kmeans_statistics(X, centers)
    assert_array_equal(labels, expected[0])
    means = X.astype(np.longdouble)
    for k in range(3):
        mean = means[labels == k].mean(axis=0).astype(float)
        np.testing.assert_allclose(sums[k] / counts[k] - shift, mean - shift,
                                   atol=shift * (1e-15 if dtype == "f8" else 1e-9))
    assert inertia == pytest.approx(expected[3], rel=1e-6)


def test_far_rows_in_a_tile_leave_the_others_alone(simd):
    """A tile where components were skipped, with one row whose every form overflows."""
    rng = np.random.default_rng(0)
    for d in (8, 33):
        for dtype, far in (("f8", 1.5e308), ("f4", 3e38)):
            means = rng.normal(size=(6, d)) * 60
            labels = np.repeat(np.arange(6), 1000)
            X = (means[labels] + rng.normal(size=(6000, d))).astype(dtype)
            lost = np.arange(0, 6000, 97)
            X[lost] = far * (-1.0) ** np.arange(d)
            factors = np.repeat(np.triu(np.full((d, d), 0.3))[None], 6, axis=0)
            factors[:, np.arange(d), np.arange(d)] = 3.0
            near = np.setdiff1d(np.arange(6000), lost)
            weights = np.full(6, 1 / 6)
            found, = kernels.e_step(X, weights, means, factors, want=["labels"])
            alone, = kernels.e_step(X[near], weights, means, factors, want=["labels"])
            assert_array_equal(found[near], alone)
            counts = kernels.em_statistics(X, weights, means, factors).counts
            assert np.isfinite(counts).all()
            assert abs(counts.sum() - 6000) < 1e-2
