"""Row outputs of incomplete rows: posteriors, densities, conditional moments and draws."""

import itertools

import numpy as np
import pytest
import reference
from incomplete_problems import (
    answer,
    cached_answer,
    imputed,
    incomplete,
    posterior,
)
from numpy.testing import assert_allclose, assert_array_equal
from problems import problem
from reference import COVARIANCE_TYPES
from scipy.special import kolmogi, ndtr

from emkernels import kernels

DTYPES = ("f4", "f8")
LOG_DENSITY = {"f4": 2e-6, "f8": 1e-14}      # relative to 1 + |value|
RESP = {"f4": 2e-5, "f8": 1e-13}             # absolute
FILL = {"f4": 2e-5, "f8": 2e-13}             # relative to 1 + the largest value
SHAPES = [
    (1, 1, 1, "chance", 0.2), (203, 1, 3, "chance", 0.4), (500, 2, 2, "dropout", 0.4),
    (1003, 3, 2, "few", 0.4), (33, 5, 2, "blocks", 0.2), (2003, 5, 3, "few", 0.5),
    (700, 5, 3, "chance", 0.7), (500, 8, 1, "blocks", 0.3), (500, 13, 5, "chance", 0.2),
    (700, 13, 3, "few", 0.8), (103, 33, 2, "chance", 0.1),
    (41, 120, 2, "chance", 0.6),    # tiles of mixed patterns that lack many values have fewer rows
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestRows:
    @pytest.fixture
    def key(self, shape, covariance_type, dtype):
        return (*shape[:3], covariance_type, dtype, *shape[3:])

    def test_e_step(self, simd, key, covariance_type, dtype):
        p, a = incomplete(*key), cached_answer(*key)
        arguments = (p.X, p.weights, p.means, p.factors, covariance_type)
        want = ("labels", "resp", "log_prob", "log_prob_norm")
        labels, resp, log_prob, norm = kernels.incomplete_e_step(
            *arguments, want=want, n_threads=1)
        expected, expected_norm = posterior(a, p.weights)
        joint = a.log_prob + np.log(p.weights)
        assert labels.dtype == np.int32
        assert {resp.dtype, log_prob.dtype, norm.dtype} == {p.X.dtype}
        assert np.all(np.abs(resp - expected) <= RESP[dtype])
        assert np.all(np.abs(norm - expected_norm)
                      <= LOG_DENSITY[dtype] * (1 + np.abs(expected_norm)))
        assert np.all(np.abs(log_prob - joint) <= LOG_DENSITY[dtype] * (1 + np.abs(joint)))
        assert_array_equal(labels, resp.argmax(axis=1))
        patterns = kernels.missing_patterns(p.X)
        for n_threads, given in ((2, None), (3, patterns), (7, None)):
            again = kernels.incomplete_e_step(
                *arguments, want=want, patterns=given, n_threads=n_threads)
            for x, y in zip((labels, resp, log_prob, norm), again):
                assert_array_equal(x, y)
        for name, wanted in zip(want, (labels, resp, log_prob, norm)):
            assert_array_equal(kernels.incomplete_e_step(*arguments, want=[name])[0], wanted)

    def test_conditional_moments(self, simd, key, covariance_type, dtype):
        p, a = incomplete(*key), cached_answer(*key)
        arguments = (p.X, p.means, p.factors, covariance_type, p.weights)
        before = p.X.tobytes()
        rows, covariances, offsets = kernels.conditional_moments(
            *arguments, covariances=True, n_threads=1)
        expected, blocks = imputed(p.X, a, p.weights)
        missing = np.isnan(p.X)
        assert rows.dtype == p.X.dtype and rows.flags.c_contiguous
        assert covariances.dtype == np.float64 and offsets.dtype == np.int64
        assert rows[~missing].tobytes() == p.X[~missing].tobytes()
        assert not np.isnan(rows).any()
        assert np.all(np.abs(rows - expected) <= FILL[dtype] * (1 + np.abs(expected).max()))
        assert_array_equal(np.diff(offsets), missing.sum(axis=1) ** 2)
        assert offsets[0] == 0 and offsets[-1] == len(covariances)
        wanted = np.concatenate([block.ravel() for block in blocks])
        scale = 1 + np.abs(wanted).max(initial=0) + np.abs(expected).max()
        assert np.all(np.abs(covariances - wanted) <= FILL[dtype] * scale)
        for i in range(0, len(rows), 7):
            block = covariances[offsets[i]:offsets[i + 1]].reshape((missing[i].sum(),) * 2)
            assert_array_equal(block, block.T)
        for n_threads, patterns in ((2, None), (3, kernels.missing_patterns(p.X)), (7, None)):
            again = kernels.conditional_moments(
                *arguments, covariances=True, patterns=patterns, n_threads=n_threads)
            for x, y in zip((rows, covariances, offsets), again):
                assert_array_equal(x, y)
        alone = kernels.conditional_moments(*arguments)
        assert_array_equal(alone.imputed, rows)
        assert alone.covariances is None and alone.offsets is None
        assert p.X.tobytes() == before


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_more_than_64_missing(simd, covariance_type, share, dtype):
    p = problem(40, 150, 2, covariance_type, dtype)
    X = p.X.copy()
    X[np.random.default_rng(0).random(X.shape) < share] = np.nan
    X[20:, 40:] = np.nan
    a = answer(X, p.means, p.factors, covariance_type)
    rows, covariances, _ = kernels.conditional_moments(
        X, p.means, p.factors, covariance_type, p.weights, covariances=True)
    expected, blocks = imputed(X, a, p.weights)
    wanted = np.concatenate([block.ravel() for block in blocks])
    tolerance = 10 * FILL[dtype]
    assert_allclose(rows, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    assert_allclose(covariances, wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("dtype", DTYPES)
def test_observed_values_keep_their_bits(simd, dtype, tmp_path):
    """-0.0, subnormals and the smallest and largest numbers."""
    tiny, big = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    X = np.array([[-0.0, np.nan, tiny], [np.nan, -tiny, -0.0], [0.0, -0.0, np.nan],
                  [big, 1, np.nan], [np.nan] * 3] * 40, dtype)
    factors = np.triu(np.full((3, 3), 0.5))[None]
    for layout in (X, np.asfortranarray(X)):
        for out in (kernels.conditional_moments(layout, np.zeros((1, 3)), factors).imputed,
                    kernels.conditional_draws(layout, np.zeros((1, 3)), factors,
                                              np.zeros(np.isnan(X).sum()))):
            seen = ~np.isnan(X)
            assert out[seen].tobytes() == X[seen].tobytes()
            assert out.flags.c_contiguous and out.dtype == X.dtype


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_complete_rows(simd, covariance_type):
    p = problem(203, 5, 3, covariance_type)
    model = (p.weights, p.means, p.factors, covariance_type)
    for a, b in zip(kernels.incomplete_e_step(p.X, *model, want=("resp", "labels")),
                    kernels.e_step(p.X, *model, want=("resp", "labels"))):
        assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    rows, covariances, offsets = kernels.conditional_moments(
        p.X, *model[1:], p.weights, covariances=True)
    assert_array_equal(rows, p.X)
    assert covariances.shape == (0,) and not offsets.any()
    assert_array_equal(kernels.conditional_draws(
        p.X, *model[1:3], [], covariance_type, p.weights, np.zeros(203)), p.X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_rows_without_any_value_have_the_moments_of_the_mixture(simd, covariance_type, dtype):
    p = problem(50, 5, 3, covariance_type, dtype)
    X = np.full((50, 5), np.nan, dtype)
    X[::2] = p.X[::2]
    resp, norm = kernels.incomplete_e_step(X, p.weights, p.means, p.factors, covariance_type)
    rounding = 1e-6 if dtype == "f4" else 1e-14
    assert_allclose(resp[1::2], np.tile(p.weights, (25, 1)), rtol=rounding)
    assert_allclose(norm[1::2], 0, atol=rounding)
    rows, covariances, _ = kernels.conditional_moments(
        X, p.means, p.factors, covariance_type, p.weights, covariances=True)
    mean = p.weights @ p.means
    within = np.einsum("k,kde->de", p.weights,
                       reference.full_covariances(p.factors, covariance_type, 3, 5))
    between = (p.weights[:, None] * (p.means - mean)).T @ (p.means - mean)
    assert_allclose(rows[1::2], np.tile(mean, (25, 1)), rtol=10 * rounding, atol=10 * rounding)
    assert_allclose(covariances.reshape(25, 5, 5), np.tile(within + between, (25, 1, 1)),
                    rtol=20 * rounding, atol=20 * rounding)


def test_one_component_needs_no_weights(simd):
    p = incomplete(203, 5, 1)
    for a, b in itertools.combinations([kernels.conditional_moments(
            p.X, p.means, p.factors, "full", weights, covariances=True)
            for weights in (None, [1.0], [0.3])], 2):
        for x, y in zip(a, b):
            assert_array_equal(x, y)


# --- draws -------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("design, share", [("chance", 0.4), ("few", 0.7)])
def test_draws_are_means_plus_roots_times_normals(simd, covariance_type, design, share, dtype):
    key = (500, 5, 3, covariance_type, dtype, design, share)
    p, a = incomplete(*key), cached_answer(*key)
    missing = np.isnan(p.X)
    rng = np.random.default_rng(0)
    normals, uniforms = rng.normal(size=missing.sum()), rng.uniform(size=500)
    arguments = (p.X, p.means, p.factors, normals, covariance_type, p.weights, uniforms)
    draws = [kernels.conditional_draws(*arguments, n_threads=n) for n in (1, 2, 3, 7)]
    draws.append(kernels.conditional_draws(*arguments, patterns=kernels.missing_patterns(p.X)))
    for other in draws[1:]:
        assert_array_equal(draws[0], other)
    running = np.cumsum(posterior(a, p.weights)[0], axis=1)
    chosen = np.minimum((running <= uniforms[:, None]).sum(axis=1), 2)
    # posteriors that round to the other side of the uniform may choose another component
    sure = np.abs(running - uniforms[:, None]).min(axis=1) > 1e-4
    assert sure.mean() > 0.9
    expected = np.array(p.X, float)
    starts = np.concatenate([[0], np.cumsum(missing.sum(axis=1))])
    for rows, m, blocks in a.patterns:
        for i in rows if m.any() else ():
            root = np.linalg.cholesky(blocks[chosen[i]])
            expected[i, m] = a.filled[chosen[i], i, m] + root @ normals[starts[i]:starts[i + 1]]
    tolerance = 1e-4 if dtype == "f4" else 1e-12
    assert draws[0].dtype == dtype
    assert_allclose(draws[0][sure], expected[sure], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("repeats", [1, 4000])
def test_draws_have_the_conditional_distribution(simd, covariance_type, repeats):
    """Mean and covariance of many draws of a few rows, from one pattern and from mixed tiles."""
    p = problem(8, 4, 2, covariance_type)
    X = p.X.copy()
    X[[0, 0, 1, 2, 3, 3, 3, 4, 6, 6], [0, 2, 3, 1, 0, 1, 2, 2, 1, 3]] = np.nan
    X[5] = np.nan
    rng = np.random.default_rng(0)
    rows = np.repeat(X, repeats, axis=0)
    draws = []
    for _ in range(4000 // repeats):
        drawn = kernels.conditional_draws(
            rows, p.means, p.factors, rng.normal(size=np.isnan(rows).sum()), covariance_type,
            p.weights, rng.uniform(size=len(rows)))
        draws.append(drawn.reshape(8, repeats, 4))
    draws = np.concatenate(draws, axis=1)
    mean, covariances, offsets = kernels.conditional_moments(
        X, p.means, p.factors, covariance_type, p.weights, covariances=True)
    for i in range(7):
        m = np.isnan(X[i])
        block = covariances[offsets[i]:offsets[i + 1]].reshape(m.sum(), m.sum())
        deviation = np.sqrt(np.diag(block))
        error = (draws[i][:, m].mean(axis=0) - mean[i, m]) / deviation
        assert np.all(np.abs(error) < 5 / np.sqrt(4000))
        sample = np.cov(draws[i][:, m].T, ddof=0).reshape(block.shape)
        assert np.all(np.abs(sample - block) < 0.2 * np.outer(deviation, deviation))
        assert_array_equal(draws[i][:, ~m], np.tile(X[i, ~m], (4000, 1)))


def test_draws_of_one_normal_are_normal(simd):
    X = np.array([[1.0, np.nan]] * 5000)
    factor = np.linalg.inv(np.linalg.cholesky([[1.0, 0.6], [0.6, 1.0]])).T[None]
    draws = kernels.conditional_draws(
        X, [[0.0, 0.0]], factor, np.random.default_rng(0).normal(size=5000))
    # Kolmogorov's distance; larger ones have a probability of 1e-3
    probability = ndtr((np.sort(draws[:, 1]) - 0.6) / 0.8)
    steps = np.arange(5001) / 5000
    distance = max((steps[1:] - probability).max(), (probability - steps[:-1]).max())
    assert distance * np.sqrt(5000) < kolmogi(1e-3)


def test_uniforms_choose_components(simd):
    """By cumulated posterior; never one of posterior zero, not even by rounding."""
    weights = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.0])
    means = np.arange(6.0)[:, None] * [1.0, 0.0]
    below = np.nextafter(1, 0)
    for dtype in DTYPES:
        uniforms = np.array([0.0, 0.05, 0.11, 0.29, 0.31, 0.59, 0.61, below] * 9)
        X = np.full((72, 2), np.nan, dtype)
        out = kernels.conditional_draws(
            X, means, np.full(6, 1e6), np.zeros(144), "spherical", weights, uniforms)
        assert_allclose(out[:, 0], [1, 1, 2, 2, 3, 3, 4, 4] * 9, atol=1e-5)
