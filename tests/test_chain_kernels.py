"""Kernels of hidden Markov models against all paths, and a slow forward-backward."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from emkernels import kernels
from emkernels.kernels import passes

DTYPES = ("f4", "f8")
RTOL = {"f4": 2e-5, "f8": 1e-11}


def chain(K, rng, zeros=False):
    start, trans = rng.dirichlet(np.ones(K)), rng.dirichlet(np.ones(K), K)
    if zeros and K > 1:
        trans = np.triu(trans)
        trans /= trans.sum(axis=1, keepdims=True)
        start = np.zeros(K)
        start[0] = 1
    return start, trans


def check(log_b, start, trans, lengths=None, weight=None, tolerance=1e-11, **options):
    """All that chain_statistics gives, against the slow one."""
    expected = reference.chain_statistics(log_b, start, trans, lengths, weight)
    actual = kernels.chain_statistics(log_b, start, trans, lengths, sequence_weight=weight,
                                      return_resp=True, **options)
    assert actual.resp.dtype == log_b.dtype
    assert_allclose(actual.log_likelihoods, expected[0], rtol=tolerance, atol=tolerance)
    total = max(1, expected[1].sum())
    assert_allclose(actual.starts, expected[1], rtol=tolerance, atol=tolerance * total)
    total = max(1, expected[2].sum())
    assert_allclose(actual.transitions, expected[2], rtol=tolerance, atol=tolerance * total)
    assert_allclose(actual.resp, expected[3], rtol=tolerance, atol=tolerance)
    assert_array_equal(actual.transitions[np.asarray(trans) == 0], 0)
    return actual


@pytest.mark.parametrize("K", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("zeros", [False, True])
def test_all_paths(simd, rng, K, zeros):
    lengths = [1, 2, 3, 4, 5, 6 if K < 5 else 5]
    start, trans = chain(K, rng, zeros)
    log_b = rng.normal(size=(sum(lengths), K)) * 3
    log_b[rng.random(log_b.shape) < 0.1] = -np.inf
    actual = kernels.chain_statistics(log_b, start, trans, lengths, return_resp=True)
    paths, logs = kernels.viterbi(log_b, start, trans, lengths)
    end, transitions, starts = 0, np.zeros((K, K)), np.zeros(K)
    for s, length in enumerate(lengths):
        rows = slice(end, end + length)
        end += length
        expected = reference.chain_paths(log_b[rows], start, trans)
        assert_allclose(actual.log_likelihoods[s], expected[0], rtol=1e-12, atol=1e-12)
        assert_allclose(actual.resp[rows], expected[1], rtol=1e-11, atol=1e-14)
        assert_array_equal(paths[rows], expected[3])
        assert_allclose(logs[s], expected[4], rtol=1e-12)
        transitions += expected[2]
        starts += expected[1][0]
    assert_allclose(actual.transitions, transitions, rtol=1e-11, atol=1e-14)
    assert_allclose(actual.starts, starts, rtol=1e-11, atol=1e-14)
    assert_array_equal(actual.transitions[trans == 0], 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [1, 2, 3, 4, 7, 8, 9, 16, 17, 40])
def test_many_sequences(simd, rng, K, dtype):
    lengths = rng.integers(1, 60, 30)
    start, trans = chain(K, rng)
    log_b = (rng.normal(size=(lengths.sum(), K)) * 4 - 1000).astype(dtype)
    weight = rng.uniform(0, 5, 30)
    weight[3] = 0
    check(log_b, start, trans, lengths, weight, RTOL[dtype])
    paths, logs = kernels.viterbi(log_b, start, trans, lengths)
    expected = reference.best_paths(log_b, start, trans, lengths)
    assert_array_equal(paths, expected[0])
    assert_allclose(logs, expected[1], rtol=1e-12)


def test_thousands_of_tiny_sequences(simd, rng):
    lengths = rng.integers(1, 4, 3000)
    start, trans = chain(3, rng)
    log_b = rng.normal(size=(lengths.sum(), 3))
    check(log_b, start, trans, lengths)


def test_layouts(simd, rng):
    start, trans = chain(3, rng)
    log_b = rng.normal(size=(50, 3))
    expected = kernels.chain_statistics(log_b, start, trans, return_resp=True)
    paths = kernels.viterbi(log_b, start, trans)[0]
    wide = np.zeros((100, 6))
    wide[::-2, ::2] = log_b
    for other in (np.asfortranarray(log_b), wide[::-2, ::2], log_b.tolist()):
        actual = kernels.chain_statistics(other, start, trans, return_resp=True)
        for one, two in zip(actual, expected):
            assert_array_equal(one, two)
        assert_array_equal(kernels.viterbi(other, start, trans)[0], paths)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_over_threads(rng, dtype):
    lengths = [700, 3, 2000, 1, 40, 5000] * 5
    start, trans = chain(5, rng)
    log_b = rng.normal(size=(sum(lengths), 5)).astype(dtype)
    X = rng.normal(size=(sum(lengths), 2)).astype(dtype)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    results = [[*kernels.chain_statistics(log_b, start, trans, lengths, return_resp=True,
                                          n_threads=n),
                *kernels.viterbi(log_b, start, trans, lengths, n_threads=n),
                *passes.chain_gaussian(X, start, trans, np.zeros(5), np.eye(5, 2),
                                       np.ones((5, 2)), "diag", offsets, None, n_threads=n)]
               for n in (1, 2, 3, 4)]
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert_array_equal(a, b)


# --- impossible, lost, absorbing -----------------------------------------------------------

def test_impossible_sequences(simd, rng):
    start, trans = np.array([1.0, 0, 0]), np.array([[0, 1, 0], [0, 0, 1], [0, 0, 1.0]])
    log_b = rng.normal(size=(12, 3))
    log_b[5, 1] = -np.inf       # sequence 1 must be in state 1 there
    log_b[8] = -np.inf
    lengths = [4, 4, 1, 3]
    actual = check(log_b, start, trans, lengths)
    assert_array_equal(actual.log_likelihoods[[1, 2]], -np.inf)
    assert_array_equal(actual.resp[4:9], 0)
    paths, logs = kernels.viterbi(log_b, start, trans, lengths)
    assert_array_equal(paths, [0, 1, 2, 2, -1, -1, -1, -1, -1, 0, 1, 2])
    assert_array_equal(logs[[1, 2]], -np.inf)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nearer_unreachable_states(simd, rng, dtype):
    # state 2 fits far better than those that can be reached
    start, trans = np.array([0.5, 0.5, 0]), np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0, 0, 1.0]])
    log_b = rng.normal(size=(500, 3)).astype(dtype)
    log_b[:, 2] = 5000
    log_b[::3, 2] = 20
    check(log_b, start, trans, [200, 1, 299], tolerance=RTOL[dtype])


@pytest.mark.parametrize("gap", [30, 300, 3000])
@pytest.mark.parametrize("off", [0.0, 1e-300, 1e-9])
def test_what_is_lost_comes_back(simd, gap, off):
    # the first rows are near state 0, all later ones nearer to state 1: with an identity as
    # transition matrix they come from state 1
    trans = np.array([[1 - off, off], [off, 1 - off]])
    log_b = np.zeros((300, 2))
    log_b[:100, 1] = -gap
    log_b[100:, 0] = -gap
    check(log_b, [0.5, 0.5], trans)
    log_b[100:, 0] = -gap / 300     # slowly
    check(np.tile(log_b, (2, 1)), [0.5, 0.5], trans, [300, 300])


def test_left_to_right(simd, rng):
    K = 6
    trans = np.eye(K) * 0.95 + np.eye(K, k=1) * 0.05
    trans[-1, -1] = 1
    start = np.eye(K)[0]
    log_b = -0.5 * (rng.normal(size=(900, 1)) + np.repeat(np.arange(9) % 6, 100)[:, None]
                    - np.arange(K)) ** 2 * 40
    actual = check(log_b, start, trans, [500, 300, 100])
    assert_array_equal(actual.starts[1:], 0)


@pytest.mark.parametrize("trans", [np.eye(3), np.roll(np.eye(3), 1, axis=1)])
def test_no_mixing(simd, rng, trans):
    log_b = rng.normal(size=(3000, 3))
    check(log_b, [0.2, 0.3, 0.5], trans, [2999, 1], tolerance=1e-10)


def test_values_far_down(simd):
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 60
    log_b = np.array([[-1e4, -2e4], [-5e4, -1e3], [-1e5, -1e5 - 800], [-3.0, -2000]])
    start, trans = [0.9, 0.1], [[1 - 1e-12, 1e-12], [1e-200, 1.0]]
    alpha = [mpmath.mpf(p) * mpmath.exp(b) for p, b in zip(start, log_b[0])]
    for row in log_b[1:]:
        alpha = [sum(alpha[i] * mpmath.mpf(trans[i][j]) for i in range(2)) * mpmath.exp(row[j])
                 for j in range(2)]
    actual = check(log_b, start, trans)
    assert_allclose(actual.log_likelihoods[0], float(mpmath.log(sum(alpha))), rtol=1e-14)


# --- Gaussian emissions and symbols --------------------------------------------------------

def gaussians(K, D, covariance_type, rng):
    means = rng.normal(size=(K, D)) * 3
    if covariance_type == "full":
        factors = np.triu(rng.normal(size=(K, D, D)) * 0.3) + np.eye(D) * 1.5
    elif covariance_type == "tied":
        factors = np.triu(rng.normal(size=(D, D)) * 0.3) + np.eye(D) * 1.5
    else:
        factors = rng.uniform(0.5, 2, (K, D) if covariance_type == "diag" else K)
    return means, factors


def check_gaussian(X, start, trans, log_weights, means, factors, covariance_type, lengths,
                   weight=None, n_mix=1):
    K, dtype = len(start), X.dtype.str[1:]
    means = means.astype(X.dtype).astype(float)
    log_parts = reference.log_density(X, means, factors, covariance_type) + log_weights
    log_parts = log_parts.reshape(len(X), K, n_mix)
    log_b = np.logaddexp.reduce(log_parts, axis=2)
    norms, starts, transitions, resp = reference.chain_statistics(
        log_b, start, trans, lengths, weight)
    parts = (resp[:, :, None] * np.exp(log_parts - log_b[:, :, None])).reshape(len(X), -1)
    row_weight = None if weight is None else np.repeat(weight, lengths)
    expected = reference.weighted_moments(X, parts, means, covariance_type, row_weight)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    actual = passes.chain_gaussian(
        X, start, trans, log_weights, means, factors, covariance_type, offsets, weight,
        n_mix=n_mix, n_threads=2)
    tolerance = {"f4": 1e-4, "f8": 1e-10}[dtype]
    assert_allclose(actual[0], norms, rtol=tolerance)
    for one, two in zip(actual[1:], (starts, transitions, *expected)):
        assert_allclose(one, two, rtol=tolerance, atol=tolerance * max(1, np.abs(two).max()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", reference.COVARIANCE_TYPES)
@pytest.mark.parametrize(("K", "D"), [(1, 1), (3, 2), (8, 4), (5, 9)])
def test_gaussian(simd, rng, K, D, covariance_type, dtype):
    lengths = rng.integers(1, 100, 12)
    start, trans = chain(K, rng)
    means, factors = gaussians(K, D, covariance_type, rng)
    X = (means[rng.integers(0, K, lengths.sum())] + rng.normal(size=(lengths.sum(), D)))
    check_gaussian(X.astype(dtype), start, trans, np.zeros(K), means, factors, covariance_type,
                   lengths, rng.uniform(0, 2, 12))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", reference.COVARIANCE_TYPES)
def test_gaussian_mixtures(simd, rng, covariance_type, dtype):
    lengths, K, M, D = [40, 7, 1, 90], 3, 2, 3
    start, trans = chain(K, rng)
    means, factors = gaussians(K * M, D, covariance_type, rng)
    log_weights = np.log(rng.dirichlet(np.ones(M), K)).ravel()
    X = rng.normal(size=(sum(lengths), D)) * 3
    check_gaussian(X.astype(dtype), start, trans, log_weights, means, factors, covariance_type,
                   lengths, None, M)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stay", [0.7, 1.0])
def test_many_components_that_are_alike(simd, rng, stay, dtype):
    # each step is M times the density of the likeliest component: the product must not overflow
    K, M, n = 2, 8, 3000
    X = rng.normal(size=(n, 1)).astype(dtype)
    log_weights = np.full(K * M, -np.log(M))
    actual = passes.chain_gaussian(
        X, np.full(K, 0.5), np.array([[stay, 1 - stay], [1 - stay, stay]]), log_weights,
        np.zeros((K * M, 1)), np.ones(K * M), "spherical", np.array([0, n]), n_mix=M, n_threads=2)
    expected = -0.5 * (X.astype(float)**2 + np.log(2 * np.pi)).sum()
    assert_allclose(actual[0], [expected], rtol={"f4": 1e-6, "f8": 1e-12}[dtype])
    assert_allclose(actual[3], n / (K * M), rtol={"f4": 1e-5, "f8": 1e-11}[dtype])


@pytest.mark.parametrize("covariance_type", reference.COVARIANCE_TYPES)
def test_gaussian_far_from_what_can_be(simd, rng, covariance_type):
    start, trans = np.array([0.5, 0.5, 0]), np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0, 0, 1.0]])
    means, factors = gaussians(6, 2, covariance_type, rng)
    log_weights = np.log(rng.dirichlet(np.ones(2), 3)).ravel()
    X = rng.normal(size=(60, 2))
    X[::7] = means[4] = 200
    check_gaussian(X, start, trans, log_weights, means, factors, covariance_type, [20, 30, 10],
                   np.array([1.0, 2, 0.5]), 2)


@pytest.mark.parametrize(("K", "S"), [(1, 1), (2, 3), (8, 5), (16, 20), (11, 300)])
def test_symbols(simd, rng, K, S):
    lengths = rng.integers(1, 80, 15)
    codes = rng.integers(0, S, lengths.sum()).astype(np.int32)
    codes[rng.random(len(codes)) < 0.1] = -1
    start, trans = chain(K, rng)
    emission = rng.dirichlet(np.ones(S), K) if S > 1 else np.ones((K, 1))
    weight = rng.uniform(0, 3, 15)
    log_b = np.where(codes[:, None] < 0, 0, np.log(emission.T[codes]))
    norms, starts, transitions, resp = reference.chain_statistics(
        log_b, start, trans, lengths, weight)
    resp = resp * np.repeat(weight, lengths)[:, None]
    counts = np.array([resp[codes == s].sum(axis=0) for s in range(S)]).T
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    actual = passes.chain_symbols(codes, start, trans, emission, offsets, weight, n_threads=2)
    for one, two in zip(actual, (norms, starts, transitions, counts)):
        assert_allclose(one, two, rtol=1e-11, atol=1e-12)


def test_symbols_that_cannot_be(simd):
    emission = np.array([[0.5, 0.5, 0], [0.0, 1, 0]])
    start, trans = np.array([0, 1.0]), np.array([[0.5, 0.5], [0.0, 1]])
    codes = np.array([1, 0, 1, 1, -1, 2, 1, 1], np.int32)
    norms, starts, transitions, counts = passes.chain_symbols(
        codes, start, trans, emission, np.array([0, 2, 4, 6, 8]), None, n_threads=1)
    assert_array_equal(norms, [-np.inf, 0, -np.inf, 0])
    assert_array_equal(starts, [0, 2])
    assert_array_equal(transitions, [[0, 0], [0, 2]])
    assert_array_equal(counts, [[0, 0, 0], [0, 4, 0]])


# --- long ones -----------------------------------------------------------------------------

@pytest.mark.parametrize("stay", [0.9, 1 - 1e-9])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_long_sequence(simd, rng, stay, dtype):
    n, K = 7000, 3
    trans = np.full((K, K), (1 - stay) / 2) + np.eye(K) * (stay - (1 - stay) / 2)
    log_b = (rng.normal(size=(n, K)) * 0.5).astype(dtype)
    check(log_b, np.ones(K) / 3, trans, [n - 2000, 2000], tolerance=RTOL[dtype] * 10)
    paths, logs = kernels.viterbi(log_b, np.ones(K) / 3, trans)
    expected = reference.best_paths(log_b, np.ones(K) / 3, trans)
    assert_array_equal(paths, expected[0])
    assert_allclose(logs, expected[1], rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_long_gaussian_sequences(simd, rng, covariance_type, dtype):
    K, D, lengths = 3, 2, [3000, 10, 2000]
    start, trans = chain(K, rng)
    means, factors = gaussians(K, D, covariance_type, rng)
    X = (means[rng.integers(0, K, sum(lengths))] + rng.normal(size=(sum(lengths), D))).astype(dtype)
    check_gaussian(X, start, trans, np.zeros(K), means, factors, covariance_type, lengths,
                   np.array([2.0, 1, 0.5]))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    results = [passes.chain_gaussian(X, start, trans, np.zeros(K), means, factors, covariance_type,
                                     offsets, None, n_threads=n) for n in (1, 2, 3)]
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert_array_equal(one, two)


def test_long_sequences_of_symbols(simd, rng):
    K, S, n = 5, 4, 4000
    start, trans = chain(K, rng)
    emission = rng.dirichlet(np.ones(S), K)
    emission[:2, 0] = 0
    emission /= emission.sum(axis=1, keepdims=True)
    codes = rng.integers(-1, S, n).astype(np.int32)
    with np.errstate(divide="ignore"):
        log_b = np.where(codes[:, None] < 0, 0, np.log(emission.T[codes]))
    expected = reference.chain_statistics(log_b, start, trans)
    actual = passes.chain_symbols(codes, start, trans, emission, np.array([0, n]), n_threads=2)
    assert_allclose(actual[0], expected[0], rtol=1e-13)
    assert_allclose(actual[1], expected[1], atol=1e-12)
    assert_allclose(actual[2], expected[2], rtol=1e-10, atol=1e-12)
    counts = [expected[3][codes == s].sum(axis=0) for s in range(S)]
    assert_allclose(actual[3], np.transpose(counts), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("row", [10, 2500, 4999])
def test_a_surprise_in_a_long_sequence(simd, rng, row):
    trans = np.array([[0.7, 0.3, 1e-120], [0.4, 0.6, 0], [0.5, 0.5, 1e-120]])
    log_b = rng.normal(size=(5000, 3))
    log_b[row, 2] = 5000
    check(log_b, [0.5, 0.5, 0], trans, tolerance=1e-10)
    trans[0, 2] = 0
    actual = check(log_b, [0.5, 0.5, 0], trans, tolerance=1e-10)
    assert actual.log_likelihoods[0] > -np.inf
    log_b[row, :2] = -np.inf
    actual = check(np.tile(log_b, (2, 1)), [0.5, 0.5, 0], trans, [5000, 5000])
    assert_array_equal(actual.transitions, 0)


def test_a_state_that_is_lost_on_the_way_to_a_cut(simd):
    # behind a cut, each of the steps may be far less probable than from another state
    trans = 10.0 ** np.array([[-62, 0, -242, -111], [-85, 0, -235, -131], [-248, -264, -50, 0],
                              [-36, 0, -140, -25]])
    trans /= trans.sum(axis=1, keepdims=True)
    log_b = np.cumsum(np.random.default_rng(61).normal(size=(770, 4)), axis=0) * 3
    check(log_b, np.full(4, 0.25), trans, tolerance=1e-9)


def test_states_left_for_long(simd, rng):
    # what was known of states that are left is far below the smallest number after a while
    K = 4
    trans = np.triu(np.ones((K, K)))
    trans /= trans.sum(axis=1, keepdims=True)
    log_b = rng.normal(size=(4000, K)) * 0.3
    log_b[3900:, 0] += 1
    check(log_b, np.ones(K) / K, trans, tolerance=1e-9)
    log_b[2000:, 0] += 40
    check(log_b, np.ones(K) / K, trans, tolerance=1e-9)


# --- paths and errors ----------------------------------------------------------------------

def test_ties_go_to_the_lowest_state(simd):
    for K in (2, 5, 300):
        paths, logs = kernels.viterbi(np.zeros((50, K)), np.ones(K) / K, np.ones((K, K)) / K)
        assert_array_equal(paths, 0)
        assert_allclose(logs, -50 * np.log(K), rtol=1e-13)
    assert paths.dtype == np.int32


def test_paths_of_many_states(simd, rng):
    start, trans = chain(300, rng)
    log_b = rng.normal(size=(40, 300)) * 5
    assert_array_equal(kernels.viterbi(log_b, start, trans)[0],
                       reference.best_paths(log_b, start, trans)[0])


@pytest.mark.parametrize(("changes", "message"), [
    ({"log_density": np.array([[0, np.nan]])}, "log_density contains nan, .* row 0, column 1"),
    ({"log_density": np.array([[0, 1], [np.inf, 0]])}, "log_density contains inf.*row 1, column 0"),
    ({"log_density": np.empty((0, 2))}, "at least one row"),
    ({"log_density": np.zeros(3)}, "2-d"),
    ({"startprob": [1.0]}, "startprob must have shape"),
    ({"startprob": [0.5, 0.6]}, "startprob must sum to one, got 1.1"),
    ({"startprob": [1.5, -0.5]}, "startprob must not be negative, got -0.5 at index 1"),
    ({"startprob": [np.nan, 1]}, "startprob contains nan"),
    ({"transmat": np.eye(3)}, "transmat must have shape"),
    ({"transmat": [[1, 0], [0, 0]]}, "transmat must sum to one in every row, got 0.0 in row 1"),
    ({"transmat": [[1, 0], [2, -1]]}, r"transmat must not be negative, got -1.0 at index \(1, 1\)"),
    ({"lengths": []}, "lengths must be a sequence of positive integers"),
    ({"lengths": [4, 0]}, "lengths must be positive, got 0 for sequence 1"),
    ({"lengths": [1.5, 2.5]}, "lengths must be positive integers"),
    ({"lengths": [2, 3]}, "lengths must sum to the number of rows, 4, got 5"),
    ({"lengths": [[4]]}, "lengths must be a sequence"),
    ({"n_threads": 0}, "n_threads"),
])
@pytest.mark.parametrize("name", ["chain_statistics", "viterbi"])
def test_errors(name, changes, message):
    arguments = {"log_density": np.zeros((4, 2)), "startprob": [0.5, 0.5],
                 "transmat": np.full((2, 2), 0.5), "lengths": None, **changes}
    with pytest.raises(ValueError, match=message):
        getattr(kernels, name)(**arguments)


def test_weights_are_checked():
    for weight, message in (([1, -1], "must not be negative, got -1.0 for sequence 1"),
                            ([1], "must have shape"), ([1, np.nan], "contains nan")):
        with pytest.raises(ValueError, match="sequence_weight " + message):
            kernels.chain_statistics(np.zeros((4, 2)), [0.5, 0.5], np.eye(2), [2, 2],
                                     sequence_weight=weight)
