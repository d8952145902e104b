"""Bad arguments of the kernels of incomplete rows are named; patterns of other rows do no harm."""

import numpy as np
import pytest
from incomplete_problems import DESIGNS, incomplete, missing_mask
from numpy.testing import assert_array_equal
from problems import LAYOUTS, problem
from reference import COVARIANCE_TYPES

from emkernels import kernels
from emkernels.kernels.passes import incomplete_pass, incomplete_rows

N, D, K = 40, 3, 2
NAMES = ("incomplete_statistics", "incomplete_e_step", "conditional_moments", "conditional_draws")


def good(name):
    p = incomplete(N, D, K)
    arguments = {"X": p.X, "weights": p.weights, "means": p.means,
                 "precisions_cholesky": p.factors}
    if name == "conditional_draws":
        arguments |= {"normals": np.zeros(np.isnan(p.X).sum()), "uniforms": np.full(N, 0.5)}
    return arguments


def call(name, **changes):
    return getattr(kernels, name)(**{**good(name), **changes})


def test_good_arguments_are_good():
    for name in NAMES:
        call(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinity(simd, name, dtype, bad, tmp_path):
    X = incomplete(N, D, K).X.astype(dtype)
    patterns = kernels.missing_patterns(X)
    row, column = np.argwhere(~np.isnan(X))[50]
    X[row, column] = bad
    for layout in ("fortran", "both", "unaligned", "read-only"):
        for given in (None, patterns):
            with pytest.raises(ValueError,
                               match=rf"X contains infinity.*row {row}, column {column}$"):
                call(name, X=LAYOUTS[layout](X, tmp_path), patterns=given)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad, error, message", [
    (np.zeros(3), ValueError, "X must be a 2-d array"),
    (np.zeros((0, 3)), ValueError, "X must have at least one row"),
    (np.zeros((3, 0)), ValueError, "X must have at least one row"),
    (np.zeros((N, D), complex), TypeError, "X must hold real numbers"),
    (np.full((N, D), {}), TypeError, "column 0 of X is not numeric: {} at row 0"),
], ids=repr)
def test_not_a_matrix(name, bad, error, message):
    with pytest.raises(error, match=message):
        call(name, X=bad)


@pytest.mark.parametrize("name", NAMES)
def test_model(name):
    for bad, error, message in [
            ({"means": np.zeros((K, D + 1))}, ValueError, "means must have shape"),
            ({"means": np.zeros(D)}, ValueError, "means must have 2 dimension"),
            ({"means": np.full((K, D), np.nan)}, ValueError, "means contains nan"),
            ({"means": None}, TypeError, "means must hold real numbers"),
            ({"weights": [0.5]}, ValueError, r"weights must have shape \(2,\)"),
            ({"weights": [1.5, -0.5]}, ValueError, "weights must not be negative"),
            ({"weights": [0, 0]}, ValueError, "weights must have a positive sum"),
            ({"weights": [np.nan, 1]}, ValueError, "weights contains nan"),
            ({"covariance_type": "round"}, ValueError, "covariance_type must be 'full'"),
            ({"covariance_type": None}, ValueError, "covariance_type must be 'full'")]:
        with pytest.raises(error, match=message):
            call(name, **bad)
    for covariance_type in COVARIANCE_TYPES:
        factors = problem(N, D, K, covariance_type).factors
        call(name, precisions_cholesky=factors, covariance_type=covariance_type)
        for bad, message in [
                (factors[..., :-1], "must have shape"), (factors[None], "dimension"),
                (np.full(factors.shape, np.nan), "contains nan"),
                (-factors, "must have a positive diagonal")]:
            with pytest.raises(ValueError, match=f"precisions_cholesky .*{message}"):
                call(name, precisions_cholesky=bad, covariance_type=covariance_type)
    far = np.zeros((K, D))
    far[1, 2] = 1e39
    with pytest.raises(ValueError, match="means .*float32"):
        call(name, X=incomplete(N, D, K).X.astype("f4"), means=far)


@pytest.mark.parametrize("name", NAMES[2:])
def test_weights_may_be_left_out_for_one_component_only(name):
    with pytest.raises(ValueError, match="weights must be given for 2 components"):
        call(name, weights=None)


@pytest.mark.parametrize("name", NAMES)
def test_n_threads(name):
    for bad in (0, -2):
        with pytest.raises(ValueError, match=f"n_threads must be .* got {bad}"):
            call(name, n_threads=bad)
    for bad in (1.5, True, "2"):
        with pytest.raises(TypeError, match="n_threads must be None, -1 or a positive integer"):
            call(name, n_threads=bad)
    for fine in (None, -1, 1, np.int8(2), 2**40):
        call(name, n_threads=fine)


def test_sample_weight():
    name, ones = NAMES[0], np.ones(N)
    for bad, message in [
            (np.r_[-1, ones[1:]], "sample_weight must not be negative, got -1.0 at row 0"),
            (np.r_[ones[1:], np.nan], "sample_weight contains nan"),
            (np.zeros(N), "sample_weight must have a positive sum"),
            (ones[1:], r"sample_weight must have shape \(40,\)")]:
        with pytest.raises(ValueError, match=message):
            call(name, sample_weight=bad)
    with pytest.raises(TypeError, match="sample_weight must hold real numbers"):
        call(name, sample_weight=ones.astype(complex))


def test_want():
    for bad in ("banana", "imputed"):
        with pytest.raises(ValueError, match=f"want may name .* got '{bad}'"):
            call("incomplete_e_step", want=[bad])
    assert call("incomplete_e_step", want=[]) == ()


def test_random_numbers():
    name, n = "conditional_draws", good("conditional_draws")["normals"].size
    for bad, message in [
            ({"normals": np.zeros(n + 1)}, rf"normals must have shape \({n},\)"),
            ({"normals": np.zeros(n - 1)}, rf"normals must have shape \({n},\)"),
            ({"normals": np.zeros((n, 1))}, "normals must have 1 dimension"),
            ({"normals": np.full(n, np.nan)}, "normals contains nan"),
            ({"uniforms": None}, "uniforms must be given for more than one component"),
            ({"uniforms": np.zeros(N - 1)}, r"uniforms must have shape \(40,\)"),
            ({"uniforms": np.full(N, 1.0)}, r"uniforms must lie in \[0, 1\)"),
            ({"uniforms": np.full(N, -1e-9)}, r"uniforms must lie in \[0, 1\)"),
            ({"uniforms": np.full(N, np.nan)}, "uniforms contains nan")]:
        with pytest.raises(ValueError, match=message):
            call(name, **bad)


@pytest.mark.parametrize("name", NAMES)
def test_patterns(simd, name):
    X = incomplete(N, D, K).X
    for bad in (np.isnan(X), "patterns", 1, []):
        with pytest.raises(TypeError, match="patterns must come from missing_patterns, got"):
            call(name, patterns=bad)
    for other in (X[:-1], np.concatenate([X, X]), X[:, :-1], np.c_[X, X]):
        with pytest.raises(ValueError, match=r"patterns are of an array of shape .*X has \(40, 3"):
            call(name, patterns=kernels.missing_patterns(other))
    for row, column in np.argwhere(np.isnan(X))[[0, -1]]:
        other = X.copy()
        other[row, column] = 0
        with pytest.raises(ValueError, match=f"patterns are not those of X: row {row} differs"):
            call(name, patterns=kernels.missing_patterns(other))
    wide = kernels.missing_patterns(X.astype("f4"))      # of the same cells
    for a, b in zip(call(name), call(name, patterns=wide)):
        assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("D, share", [(1, 0.5), (5, 0.2), (13, 0.7), (70, 0.05), (70, 0.97)])
def test_patterns_of_other_rows_do_no_harm(simd, D, share, dtype):
    """Inside, where patterns are not checked: whatever comes out, nothing is written elsewhere."""
    p = problem(300, D, 2, "full", dtype)
    rng = np.random.default_rng(0)
    arrays = [np.where(missing_mask(300, D, design, share, rng), np.nan, p.X).astype(dtype)
              for design in DESIGNS]
    arrays += [p.X, np.full_like(p.X, np.nan), np.where(np.arange(300)[:, None] < 3, np.nan, p.X)]
    for X in arrays:
        for other in arrays:
            patterns = kernels.missing_patterns(other)
            for covariance_type in ("full", "diag"):
                factors = p.factors if covariance_type == "full" else np.ones((2, D))
                model = (p.weights, p.means, factors, covariance_type)
                counts = incomplete_pass(X, *model, None, patterns, leave_empty_out=True)[0]
                assert counts.shape == (2,)
                incomplete_rows(X, *model, patterns, ("resp", "labels", "log_prob_norm"))


def test_patterns_of_another_shape_are_refused_inside():
    p = incomplete(N, D, K)
    for other in (p.X[:-1], np.c_[p.X, p.X]):
        patterns = kernels.missing_patterns(other)
        with pytest.raises(ValueError, match="patterns are of an array of shape"):
            incomplete_pass(p.X, p.weights, p.means, p.factors, "full", None, patterns)
        with pytest.raises(ValueError, match="patterns are of an array of shape"):
            incomplete_rows(p.X, p.weights, p.means, p.factors, "full", patterns, ("resp",))
