"""What would crash or be silently wrong: patterns by hand, one memory, sums that overflow."""

import pickle

import numpy as np
import pytest
from incomplete_problems import incomplete
from numpy.testing import assert_array_equal
from problems import problem, unaligned

from emkernels import kernels
from emkernels.kernels import MissingPatterns, missing_patterns
from emkernels.kernels.passes import trusted_patterns

N, D, K = 40, 3, 2


# --- patterns by hand -----------------------------------------------------------------------------


def by_hand(**changes):
    """Arguments of patterns of five rows of three columns."""
    return {"n_features": 3, "order": [0, 3, 1, 4, 2], "offsets": [0, 2, 4, 5],
            "bits": [[0], [4], [3]], **changes}


def test_patterns_by_hand_are_those_of_rows():
    X = np.array([[1, 1, 1], [1, 1, np.nan], [np.nan, np.nan, 1], [1, 1, 1], [1, 1, np.nan]])
    made, found = MissingPatterns(**by_hand()), missing_patterns(X)
    for name in ("order", "offsets", "masks", "n_missing", "counts"):
        assert_array_equal(getattr(made, name), getattr(found, name))
    model = ([0.5, 0.5], np.zeros((2, 3)), [1.0, 2.0], "spherical")
    for a, b in zip(kernels.incomplete_statistics(X, *model, patterns=made),
                    kernels.incomplete_statistics(X, *model, patterns=found)):
        assert_array_equal(a, b)


def test_given_arrays_are_copied():
    order = np.array([0, 3, 1, 4, 2], np.int32)
    made = MissingPatterns(**by_hand(order=order))
    order[:] = 10**6
    assert made.order.max() == 4
    with pytest.raises(AttributeError, match="order of MissingPatterns cannot be changed"):
        made.order = order


@pytest.mark.parametrize("changes, match", [
    ({"order": [0, 3, 1, 4, 10**6]}, "order must hold rows 0 to 4, got 1000000 at index 4"),
    ({"order": [0, 3, 1, 4, -1]}, "order must hold rows 0 to 4, got -1 at index 4"),
    ({"order": [0, 3, 1, 4, 4]}, "order must hold every row once, row 2 is not there"),
    ({"order": [3, 0, 1, 4, 2]}, "rows of a pattern in their order, at index 1"),
    ({"order": [0.0, 3.0, 1.0, 4.0, 2.0]}, "order must hold integers, got float64"),
    ({"order": [[0, 3, 1, 4, 2]]}, r"order must have shape \(any,\), got \(1, 5\)"),
    ({"order": [0, 3, 1, 4, 2**40]}, "order must fit into int32"),
    ({"order": [0, 3, 1, 4]}, "offsets must rise from 0 to the 4 rows"),
    ({"offsets": [0, 2, 4, 6]}, "offsets must rise from 0 to the 5 rows"),
    ({"offsets": [1, 2, 4, 5]}, "offsets must rise"),
    ({"offsets": [0, 4, 2, 5]}, "offsets must rise"),
    ({"offsets": [0, 2, 2, 5]}, "offsets must rise"),
    ({"offsets": []}, "offsets must rise"),
    # whose differences wrap around to positive ones
    ({"offsets": [0, 2**63 - 1, -2**63 + 6, 5]}, "offsets must rise"),
    ({"offsets": [0, 2, 5]}, r"bits must have shape \(2, 1\), got \(3, 1\)"),
    ({"bits": [[0], [4]]}, r"bits must have shape \(3, 1\), got \(2, 1\)"),
    ({"bits": [0, 4, 3]}, r"bits must have shape \(3, 1\), got \(3,\)"),
    ({"bits": [[0], [-4], [3]]}, "bits must fit into uint64"),
    ({"bits": [[0], [8], [3]]}, "bits are set beyond the 3 columns"),
    ({"bits": [[3], [4], [0]]}, "bits must be sorted"),
    ({"bits": [[0], [0], [3]]}, "bits must have every pattern once"),
    ({"n_features": 65}, r"bits must have shape \(3, 2\)"),
    ({"n_features": -1}, "n_features must not be negative"),
    ({"largest": np.nan}, "largest must be a finite absolute value"),
])
def test_patterns_of_no_rows_are_refused(changes, match):
    with pytest.raises((ValueError, TypeError), match=match):
        MissingPatterns(**by_hand(**changes))


def test_patterns_of_a_subclass_are_refused():
    class Longer(MissingPatterns):
        n_patterns = 10**7

    X = np.array([[1, 1, 1], [1, 1, np.nan], [np.nan, np.nan, 1], [1, 1, 1], [1, 1, np.nan]])
    with pytest.raises(TypeError, match="must come from missing_patterns, got Longer"):
        kernels.incomplete_statistics(X, [1.0], np.zeros((1, 3)), [1.0], "spherical",
                                      patterns=Longer(**by_hand()))


def test_patterns_made_here_are_not_checked_again(monkeypatch):
    from emkernels.kernels import grouping
    monkeypatch.setattr(grouping, "_checked", None)
    found = missing_patterns(incomplete(203, 13, 3).X)
    trusted_patterns(found.n_features, found.order, found.offsets, found._bits)
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(found))


# --- one memory for input and output -----------------------------------------------------------


def overlapping(shape, dtype, other):
    """An array of `shape` that begins in the middle of `other`'s memory."""
    wanted = np.dtype(dtype).itemsize * int(np.prod(shape))
    room = np.zeros(other.nbytes + wanted, np.uint8)
    inside = room[:other.nbytes].view(other.dtype).reshape(other.shape)
    inside[...] = other
    first = other.nbytes // 16 * 8
    return inside, room[first:first + wanted].view(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kernel, name", [
    ("log_density", "X"), ("log_density", "means"), ("log_density", "precisions_cholesky"),
    ("responsibilities", "log_prob"), ("responsibilities", "log_weights"),
    ("kmeans_statistics", "X"), ("kmeans_statistics", "centers"),
    ("kmeans_statistics", "sample_weight"), ("potts_statistics", "X")])
def test_output_over_input_is_refused(simd, kernel, name, dtype):
    p = problem(N, D, K)
    X = p.X.astype(dtype)
    arguments = {
        "log_density": {"X": X, "means": p.means, "precisions_cholesky": p.factors},
        "responsibilities": {"log_prob": X, "log_weights": np.zeros(D)},
        "kmeans_statistics": {"X": X, "centers": p.means, "sample_weight": np.ones(N)},
        "potts_statistics": {"X": X, "weights": p.weights, "means": p.means, "shape": (N,),
                             "precisions_cholesky": p.factors, "smoothness": 1.0},
    }[kernel]
    shape, kind, out = {
        "log_density": ((N, K), dtype, "out"), "responsibilities": ((N, D), dtype, "out"),
        "kmeans_statistics": ((N,), "i4", "out"), "potts_statistics": ((N, K), dtype, "resp"),
    }[kernel]
    arguments[name], arguments[out] = overlapping(shape, kind, arguments[name])
    before = arguments[name].copy()
    with pytest.raises(ValueError, match=f"{out} must be an array of its own, it overlaps {name}"):
        getattr(kernels, kernel)(**arguments)
    assert_array_equal(arguments[name], before)


# --- sums that overflow ---------------------------------------------------------------------------


def far(dtype):
    """Rows of one column far to both sides, and one near; squares of them are infinite."""
    size = 1e30 if dtype == "f4" else 1e200
    # many, for a sum that is infinite stays so when what is added is finite before it is rounded
    X = np.tile([[size, -size], [-size, -size], [0.5, 0.25]], (200, 1)).astype(dtype)
    return X, {"means": np.zeros((1, 2)), "precisions_cholesky": np.eye(2)[None]}


def kernels_of_sums(dtype):
    X, model = far(dtype)
    mixture, resp = {"X": X, "weights": [1.0], **model}, np.ones((len(X), 1), dtype)
    return {
        "em_statistics": mixture, "incomplete_statistics": mixture,
        "weighted_moments": {"X": X, "resp": resp, "centers": model["means"]},
        "potts_statistics": {**mixture, "shape": (len(X),), "smoothness": 0.0, "resp": resp},
        "student_statistics": {**mixture, "dfs": [4.0]},
        "factor_statistics": {"X": X, "weights": [1.0], "means": model["means"],
                              "components": [[[1.0, -1.0]]], "noise_variance": np.ones((1, 2))},
    }


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kernel", ["em_statistics", "weighted_moments", "incomplete_statistics",
                                    "potts_statistics"])
def test_sums_that_are_no_number_are_an_error(simd, kernel, dtype):
    """The products of the two columns are infinite with opposite signs."""
    with pytest.raises(ValueError, match="sums over X overflow, second is not a number at"):
        getattr(kernels, kernel)(**kernels_of_sums(dtype)[kernel])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kernel", ["student_statistics", "factor_statistics"])
def test_other_sums_are_numbers_or_an_error(simd, kernel, dtype):
    """Far rows have no pull, and factors take a part of them."""
    for size in (1.0, 1e8, 1e100 if dtype == "f8" else 1e8):
        arguments = kernels_of_sums(dtype)[kernel]
        arguments["X"] = arguments["X"] * np.dtype(dtype).type(size)
        try:
            sums = getattr(kernels, kernel)(**arguments)
        except ValueError as error:
            assert "sums over X overflow" in str(error)
        else:
            assert not any(np.isnan(part).any() for part in sums)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_infinite_sums_are_returned(simd, dtype):
    X, model = far(dtype)
    second = kernels.em_statistics(np.abs(X), [1.0], **model).second
    assert np.isposinf(second).all()


def test_kmeans_sums_that_are_no_number(simd):
    """Of float32 rows the sums fit into float64."""
    most = np.finfo("f8").max
    X = np.repeat([[most], [-most]], 5000, axis=0)
    with pytest.raises(ValueError, match="sums over X overflow, sums is not a number"):
        kernels.kmeans_statistics(X, [[0.0]])
    X = np.sign(X).astype("f4") * np.finfo("f4").max
    assert np.isfinite(kernels.kmeans_statistics(X, [[0.0]]).sums).all()


def test_conditional_values_that_are_no_number(simd):
    """Coefficients of opposite signs, by which two far values are multiplied."""
    most = np.finfo("f8").max
    precision = np.array([[3.0, 0.0, -2.0], [0.0, 3.0, 2.0], [-2.0, 2.0, 4.0]])
    factor = np.linalg.cholesky(precision[::-1, ::-1])[::-1, ::-1]
    X = np.array([[most, most, np.nan]] * 3)
    model = ([[-most, -most, 0.0]], np.ascontiguousarray(factor)[None])
    with pytest.raises(ValueError, match="row 0, column 2 given the observed values overflows"):
        kernels.conditional_moments(X, *model)
    with pytest.raises(ValueError, match="row 0, column 2 given the observed values overflows"):
        kernels.conditional_draws(X, *model, normals=np.zeros(3))


def test_labels_are_not_looked_through(monkeypatch):
    """Sums alone may overflow; there are as many labels as rows."""
    X, seen = np.arange(2000.0).reshape(-1, 2), []
    isnan = np.isnan
    monkeypatch.setattr(np, "isnan", lambda a: seen.append(np.size(a)) or isnan(a))
    kernels.kmeans_statistics(X, X[:3])
    assert seen and max(seen) < 10


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("type_", ["full", "tied"])
def test_student_rows_of_factors_whose_squares_overflow(simd, dtype, type_):
    """Infinitely far, as for normal components, and no NaN."""
    factors = np.array([[1, -1e300], [0, 1e150]])
    found = kernels.student_e_step(
        np.array([[0, np.nan]], dtype), [1.0], [[0.0, 0.0]],
        factors[None] if type_ == "full" else factors, [3.0], type_,
        want=("resp", "log_prob_norm", "pull"))
    assert [part.ravel().tolist() for part in found] == [[1], [-np.inf], [0]]


def test_what_is_not_aligned_is_copied():
    weights, labels = np.arange(5.0), np.array([0, 2, -1, 1, 0], np.int32)
    for check, given in ((lambda w: kernels.check_sample_weight(w, 5), weights),
                         (lambda y: kernels.check_labels(y, 5, 3), labels)):
        array = unaligned(given)
        assert not array.flags.aligned
        checked = check(array)
        assert checked.flags.aligned and checked.dtype == given.dtype
        assert_array_equal(checked, given)
        assert check(given) is given
