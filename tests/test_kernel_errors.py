"""Bad input gives an error that names the argument, and leaves `out` as it was."""

import decimal

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from problems import problem, read_only, strided, unaligned
from reference import COVARIANCE_TYPES

from emkernels import kernels
from emkernels.kernels import arrays, dispatch

N, D, K = 40, 3, 2


def good(name):
    """Arguments that the kernel takes."""
    p = problem(N, D, K)
    model = {"means": p.means, "precisions_cholesky": p.factors}
    return {
        "log_density": {"X": p.X, **model},
        "em_statistics": {"X": p.X, "weights": p.weights, **model},
        "e_step": {"X": p.X, "weights": p.weights, **model},
        "weighted_moments": {"X": p.X, "resp": np.full((N, K), 0.5), "centers": p.means},
        "kmeans_statistics": {"X": p.X, "centers": p.means},
        "kmeans_plusplus": {"X": p.X, "n_clusters": 2, "random_state": 0},
        "responsibilities": {"log_prob": p.X},
    }[name]


def call(name, **changes):
    return getattr(kernels, name)(**{**good(name), **changes})


ON_ROWS = ["log_density", "em_statistics", "e_step", "weighted_moments", "kmeans_statistics",
           "kmeans_plusplus"]
WITH_MODEL = ["log_density", "em_statistics", "e_step"]
WITH_WEIGHTS = ["em_statistics", "weighted_moments", "kmeans_statistics", "kmeans_plusplus"]
ALL = [*ON_ROWS, "responsibilities"]


def test_good_arguments_are_good():
    for name in ALL:
        call(name)


@pytest.mark.parametrize("name", ON_ROWS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row, column", [(0, 0), (17, 1), (N - 1, D - 1)])
def test_not_finite(simd, name, dtype, bad, row, column):
    X = problem(N, D, K).X.astype(dtype)
    X[row, column] = bad
    X[row:, -1] = bad if column == D - 1 else X[row:, -1]
    for layout in (X, np.asfortranarray(X), strided(X, 2, -2), unaligned(X)):
        with pytest.raises(ValueError, match=rf"X .*row {row}, column {column}$"):
            call(name, X=layout)


@pytest.mark.parametrize("name", ON_ROWS)
def test_not_finite_in_a_long_array(name):
    X = np.zeros((70001, 3))
    X[70000, 2] = np.nan
    changes = {"resp": np.zeros(70001, int)} if name == "weighted_moments" else {}
    with pytest.raises(ValueError, match=r"X .*row 70000, column 2$"):
        call(name, X=X, **changes)


@pytest.mark.parametrize("name", ON_ROWS)
@pytest.mark.parametrize("bad, error, message", [
    (np.zeros(3), ValueError, "X must be a 2-d array, got 1 dim"),
    (np.float64(1), ValueError, "X must be a 2-d array, got 0 dim"),
    (np.zeros((2, 3, 4)), ValueError, "X must be a 2-d array, got 3 dim"),
    (np.zeros((0, 3)), ValueError, r"X must have at least one row.*\(0, 3\)"),
    (np.zeros((3, 0)), ValueError, r"X must have at least one row.*\(3, 0\)"),
    ([], ValueError, "X must be a 2-d array"),
    (np.zeros((N, D), complex), TypeError, "X must hold real numbers, got dtype complex128"),
    (np.full((N, D), {}), TypeError, "column 0 of X is not numeric: {} at row 0"),
    ([[0.0, 1.0, "a"]], TypeError, "column 2 of X is not numeric: 'a' at row 0"),
    ([[0.0, 1.0], [1.0]], ValueError, "X is not rectangular: row 1 has shape"),
    (np.ma.masked_equal(np.eye(D), 0), TypeError, "X is a masked array.* row 0, column 1"),
    (scipy.sparse.eye_array(D), TypeError, r"X is sparse.*X.toarray\(\)"),
    (np.full((N, D), "1"), TypeError, "X must hold real numbers, got dtype <U1"),
    (np.zeros((N, D), "M8[s]"), TypeError, "X must hold real numbers, got dtype datetime64"),
    (np.zeros((N, D), "f8,f8"), TypeError, "X must hold real numbers"),
    (None, TypeError, "X must hold real numbers, got dtype object"),
    ({}, TypeError, "X must hold real numbers, got dtype object"),
], ids=repr)
def test_not_a_matrix(name, bad, error, message):
    with pytest.raises(error, match=message):
        call(name, X=bad)


@pytest.mark.parametrize("name, argument", [
    *[(name, "means") for name in WITH_MODEL],
    ("weighted_moments", "centers"), ("kmeans_statistics", "centers")])
def test_means(name, argument):
    for bad, message in [
            (np.zeros((K, D + 1)), rf"{argument} must have shape \(any, {D}\), got \(2, 4\)"),
            (np.zeros(D), f"{argument} must have 2 dimension"),
            (np.full((K, D), np.nan), rf"{argument} contains nan at index"),
            (np.array([[0, 0, 0], [0, np.inf, 0]]), rf"{argument} contains inf at index .*1.*1")]:
        with pytest.raises(ValueError, match=message):
            call(name, **{argument: bad})
    for bad in (np.zeros((K, D), complex), np.full((K, D), "a"), None):
        with pytest.raises(TypeError, match=f"{argument} must hold real numbers"):
            call(name, **{argument: bad})


@pytest.mark.parametrize("name", WITH_MODEL)
def test_no_components(name):
    changes = {} if name == "log_density" else {"weights": np.zeros(0)}
    with pytest.raises(ValueError, match="means must have at least one row"):
        call(name, means=np.zeros((0, D)), precisions_cholesky=np.zeros((0, D, D)), **changes)


@pytest.mark.parametrize("name, argument", [
    ("weighted_moments", "centers"), ("kmeans_statistics", "centers")])
def test_no_centers(name, argument):
    changes = {"resp": np.full(N, -1)} if name == "weighted_moments" else {}
    with pytest.raises(ValueError, match="centers must have at least one row"):
        call(name, centers=np.zeros((0, D)), **changes)


@pytest.mark.parametrize("name", ["em_statistics", "weighted_moments"])
def test_means_beyond_float32(name):
    X = problem(N, D, K).X.astype("f4")
    argument = "centers" if name == "weighted_moments" else "means"
    far = np.zeros((K, D))
    far[1, 2] = 1e39
    with pytest.raises(ValueError, match=rf"{argument} .*float32"):
        call(name, X=X, **{argument: far})


@pytest.mark.parametrize("name", WITH_MODEL)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_factors(name, covariance_type):
    factors = problem(N, D, K, covariance_type).factors
    call(name, precisions_cholesky=factors, covariance_type=covariance_type)
    for bad, message in [
            (factors[..., :-1], "must have shape"), (factors[None], "must have . dimension"),
            (np.full(factors.shape, np.nan), "contains nan"),
            (np.full(factors.shape, np.inf), "contains inf"),
            (np.zeros(factors.shape), "must have a positive diagonal"),
            (-factors, "must have a positive diagonal")]:
        with pytest.raises(ValueError, match=f"precisions_cholesky {message}"):
            call(name, precisions_cholesky=bad, covariance_type=covariance_type)
    last = factors.copy()
    last[(-1,) * last.ndim] = 0
    which = ", component 1 has not" if covariance_type == "full" else ""
    with pytest.raises(ValueError, match=f"must have a positive diagonal{which}"):
        call(name, precisions_cholesky=last, covariance_type=covariance_type)
    with pytest.raises(TypeError, match="precisions_cholesky must hold real numbers"):
        call(name, precisions_cholesky=factors.astype(complex), covariance_type=covariance_type)


@pytest.mark.parametrize("name", [*WITH_MODEL, "weighted_moments"])
@pytest.mark.parametrize("bad", ["banana", "FULL", "", None, 0, ["full"]])
def test_covariance_type(name, bad):
    with pytest.raises(ValueError, match="covariance_type must be 'full', 'tied', 'diag' or 'sph"):
        call(name, covariance_type=bad)


@pytest.mark.parametrize("name", ["em_statistics", "e_step"])
def test_mixture_weights(name):
    for bad, message in [
            ([0.5], r"weights must have shape \(2,\), got \(1,\)"),
            ([[0.5, 0.5]], "weights must have 1 dimension"),
            ([1.5, -0.5], "weights must not be negative, got -0.5 for component 1"),
            ([0, 0], "weights must have a positive sum"),
            ([0.5, np.nan], r"weights contains nan at index"),
            ([np.inf, 0.5], r"weights contains inf at index")]:
        with pytest.raises(ValueError, match=message):
            call(name, weights=bad)


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_sample_weight(name):
    ones = np.ones(N)
    for row, value, message in [
            (5, -1.0, r"sample_weight must not be negative, got -1.0 at row 5"),
            (7, np.nan, r"sample_weight contains nan at index .*7"),
            (39, np.inf, r"sample_weight contains inf at index .*39")]:
        weight = ones.copy()
        weight[row] = value
        with pytest.raises(ValueError, match=message):
            call(name, sample_weight=weight)
    for bad, message in [
            (np.zeros(N), "sample_weight must have a positive sum"),
            (np.ones(N - 1), r"sample_weight must have shape \(40,\), got \(39,\)"),
            (np.ones((N, 1)), r"sample_weight must have 1 dimension"),
            (2.0, "sample_weight must have")]:
        with pytest.raises(ValueError, match=message):
            call(name, sample_weight=bad)
    for bad in (ones.astype(complex), np.full(N, "1")):
        with pytest.raises(TypeError, match="sample_weight must hold real numbers"):
            call(name, sample_weight=bad)
    with pytest.raises(TypeError, match="sample_weight is a masked array.* row 3"):
        call(name, sample_weight=np.ma.masked_array(ones, np.arange(N) == 3))


@pytest.mark.parametrize("name", WITH_WEIGHTS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_weights_of_any_type_and_unit(name, dtype):
    """Statistics are linear in the weights, from 1e-100 to 1e39, also of float32 rows."""
    X = problem(N, D, K).X.astype(dtype)
    plain = 1.0 + np.arange(N) % 3
    expected = call(name, X=X, sample_weight=plain)
    for weight in (plain.astype(object), [decimal.Decimal(int(w)) for w in plain],
                   plain.astype("f4"), plain.astype(int)):
        for part, other in zip(call(name, X=X, sample_weight=weight), expected, strict=True):
            assert_array_equal(part, other)
    for unit in (1e-100, 1e-46, 1e-20, 1e39):
        found = call(name, X=X, sample_weight=unit * plain)
        for field, part, other in zip(getattr(found, "_fields", "xx"), found, expected,
                                      strict=True):
            linear = field in ("counts", "first", "second", "sums", "log_likelihood", "inertia")
            other = np.asarray(other, np.float64)
            size = np.abs(other).max() or 1
            assert_allclose(np.asarray(part, np.float64) / (unit if linear else 1), other,
                            rtol=0, atol=size * (1e-5 if dtype == "f4" else 1e-13))


@pytest.mark.parametrize("name", ALL)
def test_n_threads(name):
    for bad in (0, -2, -100):
        with pytest.raises(ValueError, match=f"n_threads must be .* got {bad}"):
            call(name, n_threads=bad)
    for bad in (1.5, True, False, "2", [1], np.True_):
        with pytest.raises(TypeError, match="n_threads must be None, -1 or a positive integer"):
            call(name, n_threads=bad)
    for fine in (None, -1, 1, np.int8(2), 2**40):
        call(name, n_threads=fine)


@pytest.mark.parametrize("name", ["log_density", "responsibilities", "kmeans_statistics"])
def test_out(name):
    shape = {"log_density": (N, K), "responsibilities": (N, D), "kmeans_statistics": (N,)}[name]
    dtype = np.dtype(np.int32 if name == "kmeans_statistics" else np.float64)
    right = np.zeros(shape, dtype)
    call(name, out=right.copy())
    wider = np.zeros(shape, "f4" if dtype == np.float64 else np.int64)
    for bad, message in [
            (np.zeros((N + 1, *shape[1:]), dtype), "out must have shape"),
            (wider, "out must have shape .* dtype"),
            (right.astype(dtype.newbyteorder("S")), "out must have shape .* dtype"),
            (np.repeat(right, 2, axis=0)[::2], "out must be C-contiguous and aligned"),
            (unaligned(right), "out must be C-contiguous and aligned"),
            (read_only(right), "out is read-only")]:
        before = bad.copy()
        with pytest.raises(ValueError, match=message):
            call(name, out=bad)
        assert_array_equal(bad, before)
    if right.ndim == 2:
        with pytest.raises(ValueError, match="out must be C-contiguous"):
            call(name, out=np.asfortranarray(right))
    with pytest.raises(TypeError, match="out must be a numpy array, got list"):
        call(name, out=right.tolist())


def test_out_is_untouched_on_error():
    X = problem(N, D, K).X.copy()
    X[N - 1, 0] = np.nan
    out, labels = np.full((N, K), 7.0), np.full(N, 7, np.int32)
    resp = np.full((N, D), 7.0)
    for name, changes in [
            ("log_density", {"X": X, "out": out}),
            ("log_density", {"means": np.zeros((K, D + 1)), "out": out}),
            ("kmeans_statistics", {"X": X, "out": labels}),
            ("kmeans_statistics", {"sample_weight": -np.ones(N), "out": labels}),
            ("responsibilities", {"log_prob": X, "out": resp}),
            ("responsibilities", {"log_weights": np.full(D, -np.inf), "out": resp})]:
        with pytest.raises(ValueError):
            call(name, **changes)
    for array in (out, labels, resp):
        assert (array == 7).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_log_prob(dtype):
    log_prob = np.zeros((N, D), dtype)
    for bad in (np.nan, np.inf):
        wrong = log_prob.copy()
        wrong[11, 2] = bad
        wrong[12, 0] = np.inf
        with pytest.raises(ValueError, match=f"log_prob contains {bad}, .*row 11, column 2$"):
            kernels.responsibilities(wrong)
    for bad, message in [
            (np.zeros(D + 1), r"log_weights must have shape \(3,\), got \(4,\)"),
            (np.full(D, -np.inf), "log_weights must be .*not all -inf"),
            ([0, np.nan, 0], "log_weights must be .*not NaN"),
            ([0, np.inf, 0], r"log_weights must be below \+inf")]:
        with pytest.raises(ValueError, match=message):
            kernels.responsibilities(log_prob, bad)
    with pytest.raises(TypeError, match="log_weights must hold real numbers"):
        kernels.responsibilities(log_prob, np.zeros(D, complex))
    with pytest.raises(ValueError, match="log_prob must be a 2-d array"):
        kernels.responsibilities(log_prob[0])
    with pytest.raises(TypeError, match="log_prob must hold real numbers"):
        kernels.responsibilities(log_prob.astype(complex))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_sums_of_log_prob_and_log_weights_that_overflow(dtype):
    largest = np.finfo(dtype).max
    with pytest.raises(ValueError, match="log_weights"):
        kernels.responsibilities(np.full((3, 2), largest, dtype), [float(largest), 0.0])


def test_resp():
    for bad, message in [
            (np.zeros((N, K + 1)), r"resp must have shape \(40, 2\), got \(40, 3\)"),
            (np.zeros((N - 1, K)), r"resp must have shape \(40, 2\), got \(39, 2\)"),
            (np.zeros((N, K, 1)), "resp must be a 2-d array"),
            (np.full((N, K), np.nan), "resp contains NaN or infinity, first at row 0, column 0"),
            (np.full((N, K), -0.1), "resp must not be negative, first at row 0, column 0")]:
        with pytest.raises(ValueError, match=message):
            call("weighted_moments", resp=bad)
    labels = np.zeros(N, int)
    for dtype in (np.int32, np.int64, np.int8):
        for value in (K, -2, 100):
            wrong = labels.astype(dtype)
            wrong[13] = value
            message = f"resp must lie in -1 .. 1, got {value} at row 13"
            with pytest.raises(ValueError, match=message):
                call("weighted_moments", resp=wrong)
    wrong = labels.astype(np.int64)
    wrong[13] = 2**32
    with pytest.raises(ValueError, match="resp must lie in .* at row 13"):
        call("weighted_moments", resp=wrong)
    with pytest.raises(ValueError, match="resp must lie in"):
        call("weighted_moments", resp=np.full(N, 2**63, np.uint64))
    with pytest.raises(ValueError, match=r"resp must have shape \(40,\), got \(39,\)"):
        call("weighted_moments", resp=labels[:-1])
    with pytest.raises(ValueError, match="resp must hold integers, got 0.5 at row 0"):
        call("weighted_moments", resp=labels + 0.5)


def test_n_clusters():
    for bad in (0, -1, N + 1):
        message = f"n_clusters must lie in 1 .. n_samples = 40, got {bad}"
        with pytest.raises(ValueError, match=message):
            call("kmeans_plusplus", n_clusters=bad)
    for bad in (2.0, True, "2", None):
        with pytest.raises(TypeError, match="n_clusters must be an integer"):
            call("kmeans_plusplus", n_clusters=bad)
    for bad in (0, -1, 2**61, 2**62):
        with pytest.raises(ValueError, match=r"n_local_trials must lie in 1 \.\. 65536"):
            call("kmeans_plusplus", n_local_trials=bad)
    for bad in (1.5, "2", True):
        with pytest.raises(TypeError, match="n_local_trials must be a positive integer"):
            call("kmeans_plusplus", n_local_trials=bad)
    for bad in ("seed", 1.5):
        with pytest.raises(TypeError, match="random_state must be"):
            call("kmeans_plusplus", random_state=bad)


def test_want():
    with pytest.raises(ValueError, match="want may name .* got 'banana'"):
        call("e_step", want=["banana"])
    assert call("e_step", want=[]) == ()


def test_helpers(simd):
    X = np.zeros((3, 2), np.float32)
    arrays.check_finite(X)
    X[2, 1] = np.nan
    with pytest.raises(ValueError, match="table contains NaN or infinity.*row 2, column 1"):
        arrays.check_finite(X, "table")
    assert arrays.check_sample_weight([1, 2], 2).dtype == np.float64
    assert arrays.check_sample_weight(None, 2) is None
    with pytest.raises(ValueError, match="at row 1"):
        arrays.check_sample_weight([1, -2], 2)
    assert_array_equal(arrays.check_labels([0, -1], 2, 1), [0, -1])
    with pytest.raises(ValueError, match="y must lie in -1 .. 0, got 1 at row 0"):
        arrays.check_labels([1, 0], 2, 1, "y")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_check_finite_in_threads(simd, dtype):
    """What it says does not depend on threads, which look at pieces of X."""
    X = np.zeros((40_000, 20), dtype)
    X[39_000, 3], X[5, 2] = -7, 6
    for layout in (X, np.asfortranarray(X), X[:, ::-1]):
        assert {arrays.check_finite(layout, "X", n) for n in (1, 2, 5, None)} == {7}
    X[[39_999, 20_011, 20_010], [0, 1, 2]] = np.inf, np.nan, -np.inf
    for layout in (X, np.asfortranarray(X)):
        for n in (1, 2, 5):
            with pytest.raises(ValueError, match="first at row 20010, column 2"):
                arrays.check_finite(layout, "X", n)
    with pytest.raises(ValueError, match="n_threads must be"):
        arrays.check_finite(X, "X", 0)


def test_unknown_simd_level():
    before = dispatch.simd_level()
    with pytest.raises(ValueError, match="SIMD level 'v9' cannot be used.*baseline"):
        dispatch.set_simd_level("v9")
    assert dispatch.simd_level() == before


def test_check_finite_of_other_things():
    with pytest.raises(ValueError, match="X must be a 2-d array"):
        arrays.check_finite(np.zeros(3))
    with pytest.raises(TypeError, match="table must hold real numbers"):
        arrays.check_finite(None, "table")
    arrays.check_finite(np.zeros((2, 2), int))
    with pytest.raises(ValueError, match="row 1, column 0"):
        arrays.check_finite(np.array([[0], [np.nan]], dtype=np.dtype("f8").newbyteorder("S")))
