"""The E-step of a mixture of factor analysers against dense covariances."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from emkernels import kernels


def problem(n, D, K, q, dtype):
    rng = np.random.default_rng(D)
    means, components = rng.normal(size=(K, D)), rng.normal(size=(K, q, D))
    X = means[rng.integers(K, size=n)] + rng.normal(size=(n, D))
    return (X.astype(dtype), rng.dirichlet(np.ones(K)), means.astype(dtype).astype(float),
            components, rng.uniform(0.5, 2, size=(K, D)))


def expected_sums(X, weights, means, components, noise, sample_weight):
    norm, resp = reference.factor_mixture_e_step(X, weights, means, components, noise)
    out = []
    for r, mean, L, psi in zip(sample_weight * resp.T, means, components, noise):
        e, solved = X - mean, np.linalg.inv(L.T @ L + np.diag(psi)) @ L.T
        m, C = e @ solved, np.eye(len(L)) - L @ solved
        out.append((r.sum(), r @ e, r @ e**2, (r * m.T) @ e, r @ m, (r * m.T) @ m + r.sum() * C))
    return [np.array(each) for each in zip(*out)] + [sample_weight @ norm]


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize(("n", "D", "K", "q"), [
    (1, 1, 1, 1), (40, 3, 2, 1), (33, 16, 3, 2), (70, 17, 2, 7), (50, 40, 4, 12), (9, 2, 2, 5)])
def test_statistics_and_rows(simd, n, D, K, q, dtype):
    X, *model = problem(n, D, K, q, dtype)
    weight = np.random.default_rng(0).uniform(0, 2, n)
    found = kernels.factor_statistics(X, *model, weight)
    near = 1e-11 if dtype == "f8" else 1e-4
    for name, value, right in zip(found._fields, found,
                                  expected_sums(X.astype(float), *model, weight)):
        assert np.shape(value) == np.shape(right)
        assert_allclose(value, right, rtol=near, atol=near * np.abs(right).max(), err_msg=name)
    norm, resp = reference.factor_mixture_e_step(X.astype(float), *model)
    rows = kernels.factor_e_step(X, *model, want=["labels", "log_prob_norm", "resp"])
    assert_array_equal(rows[0], resp.argmax(axis=1))
    for value, right in zip(rows[1:], (norm, resp)):
        assert value.dtype == X.dtype
        assert_allclose(value, right, rtol=10 * near, atol=near)
    many = kernels.factor_statistics(X, *model, weight, n_threads=4)
    assert all(np.array_equal(a, b) for a, b in zip(found, many))


def test_loadings_much_larger_than_the_noise(simd):
    X, weights, means, components, noise = problem(20, 6, 2, 2, "f8")
    sums = kernels.factor_statistics(X, weights, means, components, noise * 1e-7)
    right = expected_sums(X, weights, means, components, noise * 1e-7, np.ones(20))
    assert_allclose(sums.log_likelihood, right[-1], rtol=1e-6)
    assert_allclose(sums.factors, right[4], rtol=1e-5, atol=1e-5)


def test_errors_are_named():
    X, *model = problem(20, 3, 2, 1, "f8")
    names = ("weights", "means", "components", "noise_variance")
    for name, value, match in (
            ("weights", [0.5, -0.5], "weights must not be negative"),
            ("means", np.zeros((2, 4)), "means must have shape"),
            ("components", np.zeros((2, 3)), r"components must have 3 dimension"),
            ("components", np.zeros((2, 0, 3)), "at least one factor"),
            ("components", np.full((2, 1, 3), 1e200), "too large beside noise_variance"),
            ("components", np.full((2, 1, 3), np.nan), "components contains nan"),
            ("noise_variance", np.ones(3), "noise_variance must have 2 dimension"),
            ("noise_variance", np.zeros((2, 3)), "noise_variance must be positive")):
        changed = {**dict(zip(names, model)), name: value}
        for face in (kernels.factor_statistics, kernels.factor_e_step):
            with pytest.raises(ValueError, match=match):
                face(X, **changed)
    for bad in (np.nan, np.inf):
        X[7, 2] = bad
        with pytest.raises(ValueError, match="row 7, column 2"):
            kernels.factor_e_step(X, *model)
    with pytest.raises(ValueError, match="want knows"):
        kernels.factor_e_step(X, *model, want=["pull"])
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        kernels.factor_statistics(X[:5], *model, -np.ones(5))
