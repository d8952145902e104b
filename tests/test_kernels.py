"""Every kernel against the plain NumPy answers."""

import functools

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from problems import LAYOUTS, problem
from reference import COVARIANCE_TYPES
from sklearn.cluster import kmeans_plusplus as sklearn_kmeans_plusplus

from emkernels import kernels

# features across the small, padded and tiled code; rows across part of a tile, several
# tiles, several blocks
SHAPES = [
    (1, 1, 1), (7, 1, 2), (1003, 1, 5), (33, 2, 1), (1000, 2, 5), (1, 3, 2), (1500, 3, 2),
    (7, 4, 5), (1000, 4, 2), (33, 5, 2), (1000, 5, 1), (1000, 8, 5), (5003, 8, 2), (7, 13, 2),
    (1000, 13, 5), (1, 33, 5), (33, 33, 1), (1000, 33, 2),
]
DTYPES = ("f4", "f8")
LOG_DENSITY = {"f4": 2e-6, "f8": 1e-14}      # relative to 1 + |value|
RESP = {"f4": 1e-4, "f8": 1e-12}             # absolute
MOMENTS = {"f4": 2e-6, "f8": 2e-14}          # relative to the sum of absolute terms


def assert_near(actual, expected, bound):
    assert np.shape(actual) == np.shape(expected)
    error = np.abs(np.asarray(actual, float) - expected) / bound
    assert np.max(error) <= 1, f"{np.max(error)} times the tolerance"


def moment_scales(X, resp, centers, covariance_type, sample_weight):
    """Sums of the absolute values of what the moments add up."""
    absolute = reference.weighted_moments(X, resp, centers, "diag", sample_weight)[2]
    counts = reference.weighted_moments(X, resp, centers, "diag", sample_weight)[0]
    first = np.sqrt(absolute * counts[:, None])
    second = np.sqrt(absolute[:, :, None] * absolute[:, None, :])
    if covariance_type == "tied":
        # the common scatter is taken about one centre
        spread = np.asarray(X, float) - centers.mean(axis=0)
        weight = np.ones(len(X)) if sample_weight is None else sample_weight
        total = np.sqrt(weight @ (spread * spread)) + np.sqrt(
            counts @ (centers - centers.mean(axis=0)) ** 2)
        second = total[:, None] * total
    elif covariance_type == "diag":
        second = absolute
    elif covariance_type == "spherical":
        second = absolute.sum(axis=1)
    return counts + 1e-30, first + 1e-30, second + 1e-30


def assert_moments(moments, expected, scales, tolerance):
    for actual, wanted, scale in zip(moments, expected, scales):
        assert actual.dtype == np.float64
        assert_near(actual, wanted, tolerance * scale)


def same_for_all_threads(function, n_threads=(1, 2, 3)):
    results = [function(n) for n in n_threads]
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert_array_equal(a, b)
    return results[0]


# --- plain answers, made once for all SIMD levels: each is the key of a problem

@functools.lru_cache(maxsize=160)
def densities(*key):
    p = problem(*key)
    return reference.log_density(p.X, p.means, p.factors, key[3])


@functools.lru_cache(maxsize=320)
def moments_of(weighted, *key):
    """(Responsibilities, their moments, scales of these), soft ones and hard ones."""
    p, rng = problem(*key), np.random.default_rng(20240229)
    weight, K = p.sample_weight if weighted else None, len(p.means)
    soft = rng.dirichlet(np.full(K, 0.5), size=len(p.X)).astype(key[4])
    soft[rng.random(soft.shape) < 0.2] = 0
    hard = rng.integers(-1, K, size=len(p.X))
    return [(resp, reference.weighted_moments(p.X, resp, p.means, key[3], weight),
             moment_scales(p.X, resp, p.means, key[3], weight)) for resp in (soft, hard)]


@functools.lru_cache(maxsize=320)
def statistics_of(weighted, *key):
    """The sums of an E-step, and what they are exact to."""
    p = problem(*key)
    weight = p.sample_weight if weighted else None
    expected = reference.em_statistics(p.X, p.weights, p.means, p.factors, key[3], weight)
    resp, norm = reference.responsibilities(densities(*key), np.log(p.weights))
    # a responsibility is as exact as the log densities behind it
    scales = [s + 1 for s in moment_scales(p.X, np.ones_like(resp), p.means, key[3], weight)]
    return expected, scales, np.abs(norm).sum() if weight is None else np.abs(norm) @ weight


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestMixtureKernels:
    @pytest.fixture
    def key(self, shape, covariance_type, dtype):
        return *shape, covariance_type, dtype

    @pytest.fixture
    def p(self, key):
        return problem(*key)

    def test_log_density(self, simd, p, key, covariance_type, dtype):
        expected = densities(*key)
        (out,) = same_for_all_threads(lambda n: (kernels.log_density(
            p.X, p.means, p.factors, covariance_type, n_threads=n),))
        assert out.dtype == p.X.dtype
        assert_near(out, expected, LOG_DENSITY[dtype] * (1 + np.abs(expected)))

    def test_responsibilities(self, simd, p, key, dtype):
        log_prob = densities(*key).astype(dtype)
        for log_weights in (None, np.log(p.weights)):
            resp, norm = same_for_all_threads(
                lambda n: kernels.responsibilities(log_prob, log_weights, n_threads=n))
            expected, expected_norm = reference.responsibilities(log_prob, log_weights)
            assert resp.dtype == norm.dtype == p.X.dtype
            assert_near(resp, expected, RESP[dtype])
            assert_near(norm, expected_norm, LOG_DENSITY[dtype] * (1 + np.abs(expected_norm)))
            assert_near(resp.sum(axis=1), np.ones(len(resp)), RESP[dtype])

    @pytest.mark.parametrize("weighted", [False, True])
    def test_weighted_moments(self, simd, p, key, covariance_type, dtype, weighted):
        sample_weight = p.sample_weight if weighted else None
        for resp, expected, scales in moments_of(weighted, *key):
            moments = same_for_all_threads(lambda n: kernels.weighted_moments(
                p.X, resp, p.means, covariance_type, sample_weight, n_threads=n))
            assert_moments(moments, expected, scales, MOMENTS[dtype])

    @pytest.mark.parametrize("weighted", [False, True])
    def test_em_statistics(self, simd, p, key, covariance_type, dtype, weighted):
        sample_weight = p.sample_weight if weighted else None
        *moments, log_likelihood = same_for_all_threads(lambda n: kernels.em_statistics(
            p.X, p.weights, p.means, p.factors, covariance_type, sample_weight, n_threads=n))
        expected, scales, total = statistics_of(weighted, *key)
        assert_moments(moments, expected[:3], scales, RESP[dtype] / 10)
        assert_near(log_likelihood, expected[3], LOG_DENSITY[dtype] * (1 + 2 * total))

    def test_e_step(self, simd, p, key, covariance_type, dtype):
        want = ("labels", "resp", "log_prob_norm")
        arguments = (p.X, p.weights, p.means, p.factors, covariance_type)
        labels, resp, norm = same_for_all_threads(
            lambda n: kernels.e_step(*arguments, want=want, n_threads=n))
        expected, expected_norm = reference.responsibilities(densities(*key), np.log(p.weights))
        assert (labels.dtype, resp.dtype, norm.dtype) == (np.int32, p.X.dtype, p.X.dtype)
        assert_near(resp, expected, RESP[dtype])
        assert_near(norm, expected_norm, 2 * LOG_DENSITY[dtype] * (1 + np.abs(expected_norm)))
        assert_array_equal(labels, resp.argmax(axis=1))
        for name, wanted in zip(want, (labels, resp, norm)):
            (alone,) = kernels.e_step(*arguments, want=[name])
            assert_array_equal(alone, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_kmeans_statistics(simd, shape, dtype, weighted):
    p = problem(*shape, "spherical", dtype, 3.0)
    sample_weight = p.sample_weight if weighted else None
    labels, counts, sums, inertia = same_for_all_threads(lambda n: kernels.kmeans_statistics(
        p.X, p.means, sample_weight, n_threads=n))
    assert labels.dtype == np.int32
    distances = reference.squared_distances(p.X, p.means)
    chosen = distances[np.arange(len(p.X)), labels]
    # a tie to rounding may fall either way
    assert_near(chosen, distances.min(axis=1), MOMENTS[dtype] * (1 + chosen))
    weight = np.ones(len(p.X)) if sample_weight is None else sample_weight
    one_hot = (labels[:, None] == np.arange(len(p.means))) * weight[:, None]
    assert_near(counts, one_hot.sum(axis=0), MOMENTS[dtype] * (1 + counts))
    X = p.X.astype(float)
    assert_near(sums, one_hot.T @ X, MOMENTS[dtype] * (1 + one_hot.T @ np.abs(X)))
    assert_near(inertia, weight @ chosen, MOMENTS[dtype] * (1 + weight @ chosen))
    if dtype == "f8":
        assert_array_equal(labels, reference.kmeans_statistics(p.X, p.means)[0])


def test_kmeans_statistics_first_of_equal_centres(simd):
    X = np.zeros((40, 3))
    centers = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert_array_equal(kernels.kmeans_statistics(X, centers).labels, np.zeros(40))


def test_kmeans_statistics_without_labels(simd):
    p = problem(1000, 4, 2, "spherical")
    everything = kernels.kmeans_statistics(p.X, p.means)
    rest = kernels.kmeans_statistics(p.X, p.means, return_labels=False)
    assert rest.labels is None
    for a, b in zip(everything[1:], rest[1:]):
        assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(7, 1, 3), (200, 2, 1), (1500, 3, 12), (1000, 13, 5)], ids=str)
def test_kmeans_plusplus_is_the_plain_algorithm(simd, shape, dtype, weighted):
    n, D, K = shape
    p = problem(n, D, 5, "spherical", dtype, 3.0)
    sample_weight = p.sample_weight if weighted else None
    for seed, trials in [(0, None), (1, 1), (2, 4)]:
        centers, indices = same_for_all_threads(lambda t: kernels.kmeans_plusplus(
            p.X, K, sample_weight=sample_weight, random_state=seed, n_local_trials=trials,
            n_threads=t))
        used = 2 + int(np.log(K)) if trials is None else trials
        uniforms = np.random.RandomState(seed).uniform(size=1 + (K - 1) * used)
        expected = reference.kmeans_plusplus(p.X, K, uniforms, used, sample_weight)
        assert_array_equal(indices, expected)
        assert_array_equal(centers, p.X[expected])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(50, 2, 8), (1500, 3, 10), (1000, 33, 4)], ids=str)
def test_kmeans_plusplus_has_the_seeds_of_sklearn(shape, weighted):
    n, D, K = shape
    p = problem(n, D, K, "spherical", "f8", 3.0)
    sample_weight = p.sample_weight if weighted else None
    for seed in range(5):
        theirs = sklearn_kmeans_plusplus(
            p.X, K, sample_weight=sample_weight, random_state=np.random.RandomState(seed))[1]
        for state in (seed, np.random.RandomState(seed)):
            ours = kernels.kmeans_plusplus(
                p.X, K, sample_weight=sample_weight, random_state=state)[1]
            assert_array_equal(ours, theirs)


def test_kmeans_plusplus_with_few_distinct_rows(simd):
    X = np.repeat([[0.0, 0.0], [5.0, 5.0]], 20, axis=0)
    centers, indices = kernels.kmeans_plusplus(X, 4, random_state=0)
    assert set(map(tuple, centers)) == {(0.0, 0.0), (5.0, 5.0)}
    assert ((indices >= 0) & (indices < 40)).all()


def test_kmeans_plusplus_never_picks_a_row_without_weight(simd, rng):
    X = rng.normal(size=(60, 2))
    weight = np.zeros(60)
    weight[[5, 20, 21, 59]] = 1, 1e-3, 2, 5
    for seed in range(20):
        indices = kernels.kmeans_plusplus(X, 4, sample_weight=weight, random_state=seed)[1]
        assert sorted(indices) == [5, 20, 21, 59]


@pytest.mark.parametrize("n, D, K", [(60, 2, 8), (4003, 70, 41)])
def test_kmeans_plusplus_with_fewer_rows_of_a_weight_than_seeds(simd, rng, n, D, K):
    """What is left then is zero everywhere, rows without a weight included."""
    X, weight = rng.normal(size=(n, D)), np.zeros(n)
    weight[[5, 20, 21, 59]] = 1, 1e-3, 2, 5
    indices = kernels.kmeans_plusplus(X, K, sample_weight=weight, random_state=0)[1]
    assert set(indices) == {5, 20, 21, 59}


def test_kmeans_plusplus_with_weights_of_any_unit(simd):
    """Their sums, and those of weighted squares, may be no numbers."""
    p = problem(300, 3, 5, "spherical", "f8", 3.0)
    found = [kernels.kmeans_plusplus(p.X, 8, sample_weight=p.sample_weight * unit, random_state=0)
             for unit in (1, 2.0**-1000, 2.0**1000, 2.0**1018)]
    for _, indices in found[1:]:
        assert_array_equal(indices, found[0][1])


def test_kmeans_plusplus_with_a_generator_and_the_global_state():
    X = problem(200, 2, 2).X
    a, b = (kernels.kmeans_plusplus(X, 5, random_state=np.random.default_rng(3))[1]
            for _ in range(2))
    assert_array_equal(a, b)
    state = np.random.get_state()
    try:
        np.random.seed(7)
        drawn = kernels.kmeans_plusplus(X, 5)[1]
    finally:
        np.random.set_state(state)
    assert_array_equal(drawn, kernels.kmeans_plusplus(X, 5, random_state=7)[1])


# --- layouts -------------------------------------------------------------------------

def all_kernels(X, p, covariance_type, resp, n_threads=2):
    """Every result of every kernel on X, flat."""
    model = (p.weights, p.means, p.factors, covariance_type)
    weight = p.sample_weight
    results = [
        kernels.log_density(X, *model[1:], n_threads=n_threads),
        *kernels.e_step(X, *model, want=("resp", "log_prob_norm", "labels"), n_threads=n_threads),
        *kernels.em_statistics(X, *model, weight, n_threads=n_threads),
        *kernels.weighted_moments(X, resp, p.means, covariance_type, weight, n_threads=n_threads),
        *kernels.kmeans_statistics(X, p.means, weight, n_threads=n_threads),
        kernels.kmeans_plusplus(X, 3, random_state=0, n_threads=n_threads)[1],
    ]
    return [np.asarray(r) for r in results]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("D", [1, 3, 5, 8])
def test_layouts_give_the_same_bits(simd, layout, D, dtype, tmp_path):
    p = problem(203, D, 2, "full", dtype)
    X = LAYOUTS[layout](p.X, tmp_path)
    before = X.copy()
    resp = reference.responsibilities(np.tile(p.X[:, :1], (1, 2)))[0].astype(dtype)
    for a, b in zip(all_kernels(p.X, p, "full", resp), all_kernels(X, p, "full", resp)):
        assert_array_equal(a, b)
        assert a.dtype == b.dtype
    assert_array_equal(X, before)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_layouts_of_resp_and_log_prob(simd, layout, covariance_type, tmp_path):
    p = problem(203, 5, 2, covariance_type)
    log_prob = reference.log_density(p.X, p.means, p.factors, covariance_type)
    for a, b in zip(kernels.responsibilities(log_prob),
                    kernels.responsibilities(LAYOUTS[layout](log_prob, tmp_path))):
        assert_array_equal(a, b)
    resp = kernels.responsibilities(log_prob)[0]
    for a, b in zip(
            kernels.weighted_moments(p.X, resp, p.means, covariance_type),
            kernels.weighted_moments(p.X, LAYOUTS[layout](resp, tmp_path), p.means,
                                     covariance_type)):
        assert_array_equal(a, b)


@pytest.mark.parametrize("convert", [
    lambda X: X.astype(np.int8), lambda X: X.astype(np.int64), lambda X: X.astype(np.uint16),
    lambda X: X.astype(np.float16), lambda X: X.astype(np.longdouble), lambda X: X.tolist(),
    lambda X: X.astype(int).tolist(), lambda X: tuple(map(tuple, X)),
], ids=["i1", "i8", "u2", "f2", "g", "list", "list of int", "tuple"])
def test_other_inputs_become_float64(convert):
    p = problem(203, 3, 2)
    X = np.abs(np.round(p.X))
    resp = np.full((203, 2), 0.5)
    for a, b in zip(all_kernels(X, p, "full", resp), all_kernels(convert(X), p, "full", resp)):
        assert a.dtype == b.dtype
        assert_array_equal(a, b)


def test_booleans_are_numbers():
    X = problem(203, 3, 2).X > 0
    p = problem(203, 3, 2)
    assert_array_equal(kernels.log_density(X, p.means, p.factors),
                       kernels.log_density(X.astype(float), p.means, p.factors))


def test_parameters_in_any_layout(tmp_path):
    p = problem(203, 5, 2)
    wanted = kernels.em_statistics(p.X, p.weights, p.means, p.factors, "full", p.sample_weight)
    actual = kernels.em_statistics(
        p.X, p.weights.tolist(), np.asfortranarray(p.means), p.factors[::-1][::-1],
        "full", np.repeat(p.sample_weight, 2)[::2])
    for a, b in zip(wanted, actual):
        assert_array_equal(a, b)


def test_entries_below_the_diagonal_are_not_read(simd):
    p = problem(203, 5, 2)
    noisy = p.factors + np.tril(np.full((5, 5), 1e6), -1)
    assert_array_equal(kernels.log_density(p.X, p.means, noisy),
                       kernels.log_density(p.X, p.means, p.factors))


# --- outputs ---------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", DTYPES)
def test_out(simd, dtype):
    p = problem(203, 5, 2, "full", dtype)
    wanted = kernels.log_density(p.X, p.means, p.factors)
    out = np.full((203, 2), np.nan, dtype)
    assert kernels.log_density(p.X, p.means, p.factors, out=out) is out
    assert_array_equal(out, wanted)
    resp_out = np.full((203, 2), np.nan, dtype)
    resp, norm = kernels.responsibilities(wanted, np.log(p.weights), out=resp_out)
    assert resp is resp_out
    for a, b in zip((resp, norm), kernels.responsibilities(wanted, np.log(p.weights))):
        assert_array_equal(a, b)
    labels = np.full(203, 99, np.int32)
    statistics = kernels.kmeans_statistics(p.X, p.means, out=labels)
    assert statistics.labels is labels
    assert_array_equal(labels, kernels.kmeans_statistics(p.X, p.means).labels)


def test_responsibilities_in_place(simd):
    log_prob = problem(203, 2, 2).X.copy()
    wanted = kernels.responsibilities(log_prob)[0]
    assert_array_equal(kernels.responsibilities(log_prob, out=log_prob)[0], wanted)


def test_names_of_results():
    p = problem(203, 3, 2)
    assert kernels.Moments._fields == ("counts", "first", "second")
    assert kernels.EMStatistics._fields == ("counts", "first", "second", "log_likelihood")
    assert kernels.KMeansStatistics._fields == ("labels", "counts", "sums", "inertia")
    assert type(kernels.em_statistics(*p[:4])) is kernels.EMStatistics
    assert type(kernels.kmeans_statistics(p.X, p.means)) is kernels.KMeansStatistics
    resp = np.full((203, 2), 0.5)
    assert type(kernels.weighted_moments(p.X, resp, p.means)) is kernels.Moments


# --- meaning ---------------------------------------------------------------------------

def test_labels_are_one_hot_responsibilities(simd, rng):
    p = problem(1000, 5, 2)
    labels = rng.integers(-1, 2, size=1000)
    one_hot = (labels[:, None] == np.arange(2)).astype(float)
    for covariance_type in COVARIANCE_TYPES:
        for dtype in (np.int8, np.int32, np.int64):
            for a, b in zip(
                    kernels.weighted_moments(p.X, labels.astype(dtype), p.means, covariance_type),
                    kernels.weighted_moments(p.X, one_hot, p.means, covariance_type)):
                assert_allclose(a, b, rtol=1e-13, atol=1e-12)     # rows in another order


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_integer_weights_repeat_rows(simd, covariance_type, rng):
    p = problem(500, 5, 2, covariance_type)
    times = rng.integers(0, 4, size=500)
    model = (p.weights, p.means, p.factors, covariance_type)
    weighted = kernels.em_statistics(p.X, *model, times)
    repeated = kernels.em_statistics(np.repeat(p.X, times, axis=0), *model)
    for a, b in zip(weighted, repeated):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("D", [2, 8])
def test_statistics_add_up_over_rows(simd, covariance_type, D):
    p = problem(1000, D, 5, covariance_type)
    model = (p.weights, p.means, p.factors, covariance_type)
    whole = kernels.em_statistics(p.X, *model)
    parts = [kernels.em_statistics(p.X[i:i + 300], *model) for i in range(0, 1000, 300)]
    for i, field in enumerate(whole):
        np.testing.assert_allclose(sum(part[i] for part in parts), field, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_component_of_weight_zero_gets_nothing(simd, covariance_type):
    p = problem(203, 5, 2, covariance_type)
    for weights in ([0.0, 1.0], [1.0, 0.0]):
        statistics = kernels.em_statistics(p.X, weights, p.means, p.factors, covariance_type)
        empty = weights.index(0.0)
        assert statistics.counts[empty] == 0 and not statistics.first[empty].any()
        assert statistics.counts[1 - empty] == 203
        assert np.isfinite(statistics.log_likelihood)
        resp, labels = kernels.e_step(p.X, weights, p.means, p.factors, covariance_type,
                                      want=("resp", "labels"))
        assert not resp[:, empty].any() and (labels == 1 - empty).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_are_rounded_to_the_precision_of_X(simd, dtype):
    p = problem(203, 3, 2, "full", dtype)
    means = p.means + 1e-9
    rounded = means.astype(dtype).astype(float)
    for a, b in zip(kernels.em_statistics(p.X, p.weights, means, p.factors),
                    kernels.em_statistics(p.X, p.weights, rounded, p.factors)):
        assert_array_equal(a, b)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("D, separation", [(5, 3.0), (13, 2.0), (33, 1.2), (13, 30.0)])
def test_left_out_work_does_not_matter(simd, covariance_type, D, separation):
    p = problem(3001, D, 5, covariance_type, "f8", separation)
    model = (p.weights, p.means, p.factors, covariance_type)
    orders = [np.arange(3001), np.argsort(kernels.e_step(p.X, *model, want=["labels"])[0])]
    for order in orders:
        X = np.ascontiguousarray(p.X[order])
        *moments, log_likelihood = kernels.em_statistics(X, *model)
        expected = reference.em_statistics(X, *model)
        assert abs(log_likelihood - expected[3]) <= 1e-13 * abs(expected[3])
        resp = reference.responsibilities(
            reference.log_density(X, *model[1:]), np.log(p.weights))[0]
        scales = moment_scales(X, resp, p.means, covariance_type, None)
        assert_moments(moments, expected[:3], scales, 1e-12)
        assert_array_equal(kernels.e_step(X, *model, want=["labels"])[0], resp.argmax(axis=1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("D", [2, 13])
def test_same_bits_for_every_number_of_threads(simd, covariance_type, D, dtype, rng):
    p = problem(20011, D, 5, covariance_type, dtype, 3.0)
    resp = rng.dirichlet(np.ones(5), size=20011).astype(dtype)
    first = all_kernels(p.X, p, covariance_type, resp, n_threads=1)
    for n_threads in (2, 3, 8, 8, None):
        again = all_kernels(p.X, p, covariance_type, resp, n_threads=n_threads)
        for a, b in zip(first, again):
            assert_array_equal(a, b)


@pytest.mark.parametrize("d", [3, 16, 30, 130, 200])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_responsibility_that_is_no_number_shows(simd, dtype, d):
    X, resp = np.ones((50, d), dtype), np.full((50, 2), 0.5, dtype)
    resp[7, 1] = np.nan
    moments = kernels.weighted_moments(X, resp, np.zeros((2, d)), check_finite=False)
    assert moments.counts[0] == 25 and np.isfinite(moments.second[0]).all()
    assert all(np.isnan(sums[1]).all() for sums in moments)
    resp[10:, 1] = 0        # few rows are gathered
    moments = kernels.weighted_moments(X, resp, np.zeros((2, d)), check_finite=False)
    assert all(np.isnan(sums[1]).all() for sums in moments)
    resp[9, 0] = -0.5
    with pytest.raises(ValueError, match="negative, first at row 9, column 0"):
        kernels.weighted_moments(X, resp, np.zeros((2, d)), check_finite=False)


@pytest.mark.parametrize("dtype, tiny", [(np.float32, 2.0**-124), (np.float64, 2.0**-1000)])
def test_faint_responsibilities_count(simd, dtype, tiny):
    X = np.random.default_rng(0).normal(size=(90, 6)).astype(dtype)
    plain = kernels.weighted_moments(X, np.ones((90, 1), dtype), np.zeros((1, 6)))
    faint = kernels.weighted_moments(X, np.full((90, 1), tiny, dtype), np.zeros((1, 6)))
    for one, other in zip(plain, faint, strict=True):
        assert_allclose(other / tiny, one, rtol=1e-5, atol=1e-4)
