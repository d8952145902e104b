"""Statistics of rows with missing values against slow answers in observed-block form."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from incomplete_problems import (
    DESIGNS,
    answer,
    cached_answer,
    imputed,
    incomplete,
    moments,
    of_type,
    posterior,
    statistics,
)
from numpy.testing import assert_allclose, assert_array_equal
from problems import LAYOUTS, problem
from reference import COVARIANCE_TYPES

from emkernels import kernels
from emkernels.kernels.passes import available_moments, incomplete_pass

DTYPES = ("f4", "f8")
# relative to the sum of the absolute values of what is added up
MOMENTS = {"f4": 1e-6, "f8": 1e-14}
LOG_LIKELIHOOD = {"f4": 2e-6, "f8": 1e-14}

# n, D, K, design, share: by chance (mixed tiles), in few patterns (tiles of one pattern over
# many tiles and blocks), part of a tile, several blocks, mostly missing (observed blocks)
SHAPES = [
    (1, 1, 1, "chance", 0.2), (1, 3, 2, "few", 0.7), (203, 1, 3, "chance", 0.4),
    (500, 2, 2, "dropout", 0.4), (1003, 3, 2, "few", 0.4), (1000, 4, 5, "chance", 0.2),
    (33, 5, 2, "blocks", 0.2), (5003, 5, 3, "few", 0.5), (1500, 5, 3, "chance", 0.7),
    (1000, 8, 1, "blocks", 0.3), (700, 13, 5, "chance", 0.2), (3001, 13, 2, "dropout", 0.4),
    (700, 13, 3, "few", 0.8), (203, 33, 2, "chance", 0.1), (203, 33, 2, "few", 0.7),
]


def assert_statistics(actual, a, p, covariance_type, dtype, sample_weight=None, slack=1):
    """Statistics within the tolerances; `a` answers for the rows of p."""
    wanted = statistics(a, p.weights, p.means, covariance_type, sample_weight)
    n, K = a.log_prob.shape
    weight = np.ones(n) if sample_weight is None else sample_weight
    # of all rows in every component: a responsibility is as exact as the densities behind it
    counts, first, second = moments(a, np.repeat(weight[:, None], K, axis=1), p.means, "full",
                                    absolute=True)
    # fills and covariances near zero are as exact as others
    spread = np.sqrt(np.diagonal(second, axis1=1, axis2=2))
    scales = (counts, first + np.sqrt(counts)[:, None] * spread,
              of_type(second + spread[:, :, None] * spread[:, None, :], covariance_type))
    for value, expected, scale in zip(actual[:3], wanted, scales):
        assert value.dtype == np.float64
        assert value.shape == expected.shape
        assert np.all(np.abs(value - expected) <= slack * MOMENTS[dtype] * scale)
    total = (1 + np.abs(posterior(a, p.weights)[1])) @ weight
    assert abs(actual[3] - wanted[3]) <= slack * LOG_LIKELIHOOD[dtype] * total


def assert_same_bits(results):
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert_array_equal(a, b)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_the_answers_by_pattern_are_those_row_by_row(covariance_type):
    for design in DESIGNS:
        key = (70, 4, 3, covariance_type, "f8", design, 0.5)
        p, a = incomplete(*key), cached_answer(*key)
        model = (p.weights, p.means, p.factors, covariance_type)
        assert_allclose(a.log_prob, reference.incomplete_log_density(p.X, *model[1:]), rtol=1e-12)
        for x, y in zip(statistics(a, p.weights, p.means, covariance_type, p.sample_weight),
                        reference.incomplete_statistics(p.X, *model, p.sample_weight)):
            assert_allclose(x, y, rtol=1e-11, atol=1e-11)
        rows, blocks = reference.conditional_moments(p.X, *model)
        ours, our_blocks = imputed(p.X, a, p.weights)
        assert_allclose(ours, rows, rtol=1e-11, atol=1e-11)
        for x, y in zip(our_blocks, blocks):
            assert_allclose(x, y, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_incomplete_statistics(simd, shape, covariance_type, dtype):
    n, D, K, design, share = shape
    key = (n, D, K, covariance_type, dtype, design, share)
    p, a = incomplete(*key), cached_answer(*key)
    model = (p.weights, p.means, p.factors, covariance_type)
    before = p.X.tobytes()
    for weight in (None, p.sample_weight if n > 1 else np.array([2.5])):
        results = [kernels.incomplete_statistics(p.X, *model, weight, n_threads=threads)
                   for threads in (1, 2, 3, 7, 2)]
        assert_same_bits(results)
        assert_statistics(results[0], a, p, covariance_type, dtype, weight)
    patterns = kernels.missing_patterns(p.X)
    assert_same_bits([results[0], kernels.incomplete_statistics(p.X, *model, weight, patterns)])
    assert p.X.tobytes() == before
    assert type(results[0]) is kernels.EMStatistics


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_more_than_64_missing(simd, covariance_type, share, dtype):
    """Never in mixed tiles; some rows have fewer, most of them of their own pattern."""
    p = problem(60, 150, 2, covariance_type, dtype)
    rng = np.random.default_rng(0)
    X = p.X.copy()
    X[rng.random(X.shape) < rng.uniform(0, 2 * share, size=(60, 1))] = np.nan
    X[40:50, 30:] = np.nan
    X[50:, 70:] = np.nan
    a = answer(X, p.means, p.factors, covariance_type)
    model = (p.weights, p.means, p.factors, covariance_type)
    results = [kernels.incomplete_statistics(X, *model, n_threads=n) for n in (1, 3)]
    assert_same_bits(results)
    assert_statistics(results[0], a, p, covariance_type, dtype, slack=5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("D, K", [(1, 1), (3, 2), (5, 1), (13, 5), (33, 2)])
def test_complete_rows_have_the_statistics_of_complete_rows(simd, D, K, covariance_type, dtype):
    p = problem(1003, D, K, covariance_type, dtype)
    model = (p.weights, p.means, p.factors, covariance_type, p.sample_weight)
    ours, theirs = kernels.incomplete_statistics(p.X, *model), kernels.em_statistics(p.X, *model)
    for a, b in zip(ours, theirs):
        # tied: em_statistics takes the scatter about one centre
        rounding = 1e-12 if dtype == "f8" else 1e-5
        assert_allclose(a, b, rtol=rounding, atol=rounding * np.abs(b).max())


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_rows_without_any_value(simd, covariance_type):
    p = incomplete(500, 5, 3, covariance_type)
    model = (p.weights, p.means, p.factors, covariance_type)
    empty = np.full((70, 5), np.nan)
    few, more = (kernels.incomplete_statistics(X, *model)
                 for X in (p.X, np.concatenate([empty, p.X])))
    alone = kernels.incomplete_statistics(empty, *model)
    assert_allclose(alone.counts, 70 * p.weights, rtol=1e-14)
    assert not alone.first.any()
    covariances = reference.full_covariances(p.factors, covariance_type, 3, 5)
    second = reference.weighted_moments(np.zeros((1, 5)), np.ones((1, 3)), p.means)[2] * 0
    for k in range(3):
        second[k] += 70 * p.weights[k] * covariances[k]
    second = {"full": second, "tied": second.sum(axis=0),
              "diag": np.diagonal(second, axis1=1, axis2=2),
              "spherical": np.trace(second, axis1=1, axis2=2)}[covariance_type]
    assert_allclose(alone.second, second, rtol=1e-13, atol=1e-13)
    assert abs(alone.log_likelihood) < 1e-12
    for a, b, c in zip(few, alone, more):
        assert_allclose(a + b, c, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("design, share", [("chance", 0.3), ("few", 0.6)])
def test_statistics_of_parts_add_up(simd, covariance_type, design, share):
    p = incomplete(2000, 8, 3, covariance_type, "f8", design, share)
    model = (p.weights, p.means, p.factors, covariance_type)
    whole = kernels.incomplete_statistics(p.X, *model, p.sample_weight)
    parts = [kernels.incomplete_statistics(p.X[i:i + 300], *model, p.sample_weight[i:i + 300])
             for i in range(0, 2000, 300)]
    for i, field in enumerate(whole):
        assert_allclose(sum(part[i] for part in parts), field, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("design, share", [("chance", 0.3), ("few", 0.6)])
def test_the_order_of_rows_does_not_matter(simd, covariance_type, design, share):
    p = incomplete(2000, 8, 3, covariance_type, "f8", design, share)
    model = (p.weights, p.means, p.factors, covariance_type)
    order = np.random.default_rng(0).permutation(2000)
    for a, b in zip(kernels.incomplete_statistics(p.X, *model, p.sample_weight),
                    kernels.incomplete_statistics(p.X[order], *model, p.sample_weight[order])):
        assert_allclose(a, b, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("design", ["chance", "few"])
def test_weight_zero_takes_rows_out_and_two_repeats_them(simd, covariance_type, design):
    p = incomplete(500, 5, 3, covariance_type, "f8", design, 0.4)
    model = (p.weights, p.means, p.factors, covariance_type)
    times = np.random.default_rng(1).integers(0, 3, size=500)
    for a, b in zip(kernels.incomplete_statistics(p.X, *model, times),
                    kernels.incomplete_statistics(np.repeat(p.X, times, axis=0), *model)):
        assert_allclose(a, b, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_component_of_weight_zero_gets_nothing(simd, covariance_type):
    p = incomplete(203, 5, 2, covariance_type)
    for weights in ([0.0, 1.0], [1.0, 0.0]):
        s = kernels.incomplete_statistics(p.X, weights, p.means, p.factors, covariance_type)
        empty = weights.index(0.0)
        assert s.counts[empty] == 0 and not s.first[empty].any()
        if covariance_type != "tied":
            assert not s.second[empty].any()
        assert s.counts[1 - empty] == pytest.approx(203, rel=1e-14)
        assert np.isfinite(s.log_likelihood)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
@pytest.mark.parametrize("D, separation", [(5, 3.0), (13, 2.0), (33, 1.2), (13, 30.0)])
@pytest.mark.parametrize("design", ["chance", "few"])
def test_left_out_work_does_not_matter(simd, covariance_type, D, separation, design):
    key = (1000, D, 5, covariance_type, "f8", design, 0.15, separation)
    p, a = incomplete(*key), cached_answer(*key)
    actual = kernels.incomplete_statistics(p.X, p.weights, p.means, p.factors, covariance_type)
    assert_statistics(actual, a, p, covariance_type, "f8", slack=10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("D", [1, 3, 5, 8])
def test_layouts_give_the_same_bits(simd, layout, D, dtype, tmp_path):
    p = incomplete(203, D, 2, "full", dtype, "chance", 0.3)
    X = LAYOUTS[layout](p.X, tmp_path)
    before = X.tobytes()

    def everything(X):
        out = []
        for covariance_type in ("full", "diag"):
            factors = p.factors if covariance_type == "full" else (
                np.ascontiguousarray(np.diagonal(p.factors, axis1=1, axis2=2)))
            model = (p.weights, p.means, factors, covariance_type)
            out += [*kernels.incomplete_statistics(X, *model, p.sample_weight),
                    *kernels.incomplete_e_step(X, *model, want=("resp", "labels", "log_prob"))]
            out += kernels.conditional_moments(
                X, p.means, factors, covariance_type, p.weights, covariances=True)
        return out

    for a, b in zip(everything(p.X), everything(X)):
        assert_array_equal(a, b)
    assert X.tobytes() == before


@pytest.mark.parametrize("dtype", DTYPES)
def test_means_are_rounded_to_the_precision_of_X(simd, dtype):
    p = incomplete(203, 3, 2, "full", dtype)
    means = p.means + 1e-9
    for a, b in zip(kernels.incomplete_statistics(p.X, p.weights, means, p.factors),
                    kernels.incomplete_statistics(
                        p.X, p.weights, means.astype(dtype).astype(float), p.factors)):
        assert_array_equal(a, b)


def test_entries_below_the_diagonal_are_not_read(simd):
    p = incomplete(203, 5, 2, "full", "f8", "few", 0.6)
    noisy = p.factors + np.tril(np.full((5, 5), 1e6), -1)
    for a, b in zip(kernels.incomplete_statistics(p.X, p.weights, p.means, p.factors),
                    kernels.incomplete_statistics(p.X, p.weights, p.means, noisy)):
        assert_array_equal(a, b)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_known_components(simd, covariance_type, dtype):
    """Rows whose component is known have it, rows without any value too."""
    p = incomplete(500, 5, 3, covariance_type, dtype, "few", 0.5)
    X = p.X.copy()
    X[::9] = np.nan
    a = answer(X, p.means, p.factors, covariance_type)
    known = np.random.default_rng(0).integers(-1, 3, size=500).astype(np.int32)
    joint = a.log_prob + np.log(p.weights)
    joint[(known >= 0)[:, None] & (known[:, None] != np.arange(3))] = -np.inf
    resp, norm = reference.responsibilities(joint)
    wanted = moments(a, resp, p.means, covariance_type)
    patterns = kernels.missing_patterns(X)
    actual = incomplete_pass(X, p.weights, p.means, p.factors, covariance_type, None, patterns,
                              known=known)
    tolerance = 1e-12 if dtype == "f8" else 2e-5
    for x, y in zip(actual, wanted):
        assert_allclose(x, y, rtol=tolerance, atol=tolerance * 500)
    assert actual[3] == pytest.approx(norm.sum(), rel=tolerance)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_rows_without_any_value_may_be_left_out(simd, covariance_type):
    p = incomplete(203, 5, 2, covariance_type)
    X = p.X.copy()
    X[:100] = np.nan
    model = (p.weights, p.means, p.factors, covariance_type)
    left = incomplete_pass(X, *model, None, kernels.missing_patterns(X), leave_empty_out=True)
    for a, b in zip(left, kernels.incomplete_statistics(X[100:], *model)):
        assert_allclose(a, b, rtol=1e-12, atol=1e-11)
    X[:] = np.nan
    left = incomplete_pass(X, *model, None, kernels.missing_patterns(X), leave_empty_out=True)
    assert not any(np.any(field) for field in left)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 5), st.floats(0, 1),
       st.sampled_from(COVARIANCE_TYPES), st.sampled_from(DESIGNS), st.sampled_from(DTYPES),
       st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_any_shape(n, D, K, share, covariance_type, design, dtype, repeats, seed):
    p = problem(n, D, K, covariance_type, dtype)
    rng = np.random.default_rng(seed)
    X = p.X.copy()
    X[rng.random(X.shape) < share] = np.nan
    X = X[rng.integers(n, size=n * repeats)]       # patterns of several rows
    weight = rng.integers(0, 3, size=len(X)) * rng.uniform(size=len(X))
    weight[rng.integers(len(X))] = 1
    weight = weight.astype(dtype).astype(float)
    a = answer(X, p.means, p.factors, covariance_type)
    model = (p.weights, p.means, p.factors, covariance_type)
    one, two = (kernels.incomplete_statistics(X, *model, weight, n_threads=t) for t in (1, 2))
    assert_same_bits([one, two])
    assert_statistics(one, a, p, covariance_type, dtype, weight, slack=4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("D", [3, 24, 25, 47, 130])
def test_weights_of_what_is_observed_together(simd, rng, D, dtype):
    X = rng.normal(size=(300, D)).astype(dtype)
    X[rng.uniform(size=X.shape) < 0.1] = np.nan
    labels = rng.integers(2, size=300).astype(np.int32)
    weight, products = available_moments(X, labels, np.zeros((2, D)))
    for k in range(2):
        rows = X[labels == k].astype(float)
        seen, rows = (~np.isnan(rows)).astype(float), np.nan_to_num(rows)
        assert_array_equal(weight[k], seen.T @ seen)
        assert_allclose(products[k], rows.T @ rows, rtol=0, atol=1e3 * MOMENTS[dtype])
