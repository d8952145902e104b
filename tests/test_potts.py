"""The mean-field kernel against plain NumPy, on every level."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from problems import problem
from reference import COVARIANCE_TYPES

from emkernels import kernels
from emkernels.kernels.passes import potts_grid, potts_pass


def case(shape, n_features, n_components, covariance_type, dtype, holes=0.0, masked=0.0):
    n = int(np.prod(shape))
    p = problem(n, n_features, n_components, covariance_type, dtype)
    rng = np.random.default_rng(n)
    X = p.X.copy()
    X[rng.random(X.shape) < holes] = np.nan
    mask = rng.random(n) >= masked if masked else None
    resp = rng.dirichlet(np.ones(n_components), size=n).astype(dtype)
    return X, (p.weights, p.means, p.factors, covariance_type), resp, mask


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape, n_features, holes, masked", [
    ((9, 11), 1, 0, 0), ((30, 17), 3, 0.1, 0.2), ((40,), 2, 0, 0.1), ((5, 6, 7), 6, 0.05, 0.3),
    ((1, 1), 2, 0, 0), ((3, 1, 50), 5, 0.2, 0)])
def test_against_numpy(simd, shape, n_features, holes, masked, dtype, covariance_type):
    X, model, resp, mask = case(shape, n_features, 3, covariance_type, dtype, holes, masked)
    expected = resp.astype(np.float64)
    wanted = reference.potts_statistics(
        X, *model, shape=shape, smoothness=0.7, resp=expected, mask=mask)
    got = kernels.potts_statistics(X, *model, shape=shape, smoothness=0.7, resp=resp, mask=mask)
    tolerance = 1e-10 if dtype == "f8" else 3e-4
    assert_allclose(resp, expected, atol=tolerance)
    for a, b in zip(got, wanted):
        assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, np.abs(b).max()))


def test_without_smoothness_it_is_the_e_step(simd):
    X, model, resp, _ = case((25, 40), 3, 4, "full", "f8")
    got = kernels.potts_statistics(X, *model, shape=(25, 40), smoothness=0.0, resp=resp)
    plain = kernels.em_statistics(X, *model)
    assert_allclose(resp, kernels.e_step(X, *model, want=["resp"])[0], atol=1e-12)
    for a, b in zip(got, plain):
        assert_allclose(a, b, rtol=1e-10, atol=1e-9)
    assert_allclose(got.log_likelihood, got.free_energy, rtol=1e-10)
    assert_allclose(got.prior, len(X) * model[0], rtol=1e-10)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_pixels_with_a_known_component_keep_it(simd, dtype):
    X, (weights, means, factors, type_), resp, mask = case(
        (20, 30), 2, 3, "full", dtype, 0.05, 0.2)
    known = np.where(np.random.default_rng(0).random(600) < 0.2, np.arange(600) % 3, -1)
    known = known.astype(np.int32)
    potts_pass(X, weights, means, factors, type_, potts_grid((20, 30), mask, 600), 0.7, resp,
                known=known)
    sure = (known >= 0) & mask
    assert_array_equal(resp[sure], np.eye(3)[known[sure]])
    free = (known < 0) & mask
    assert_allclose(resp[free].sum(axis=1), 1, rtol=1e-5)


def test_same_bits_for_every_number_of_threads(simd):
    X, model, start, mask = case((90, 110), 3, 4, "full", "f4", 0.05, 0.1)
    results = []
    for n_threads in (1, 2, 3, 7):
        resp = start.copy()
        found = kernels.potts_statistics(X, *model, shape=(90, 110), smoothness=1.5, resp=resp,
                                         mask=mask, n_threads=n_threads)
        results.append((resp, *found))
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert_array_equal(a, b)


def test_the_free_energy_never_falls():
    X, model, resp, mask = case((40, 50), 2, 3, "full", "f8", 0.1, 0.1)
    energies = [kernels.potts_statistics(X, *model, shape=(40, 50), smoothness=1.0, resp=resp,
                                         mask=mask).free_energy for _ in range(20)]
    assert np.diff(energies).min() > -1e-12 * abs(energies[-1])
    assert energies[-1] > energies[0]


def test_pixels_outside_the_mask_are_neither_read_nor_written():
    X, model, resp, mask = case((20, 20), 2, 3, "full", "f8", 0, 0.3)
    resp[~mask], X[~mask] = np.nan, 1e200
    kernels.potts_statistics(X, *model, shape=(20, 20), smoothness=1.0, resp=resp, mask=mask)
    assert np.isnan(resp[~mask]).all()
    assert_allclose(resp[mask].sum(axis=1), 1)


@pytest.mark.parametrize("change, message", [
    ({"shape": (3, 7)}, "X has 20 rows, a grid of shape"),
    ({"shape": (4, 5, 1, 1)}, "shape must have 1 to 3"),
    ({"smoothness": -1.0}, "smoothness must be"),
    ({"smoothness": np.nan}, "smoothness must be"),
    ({"resp": np.full((20, 3), 2.0)}, "probabilities"),
    ({"resp": np.full((20, 2), 0.5)}, "resp must have shape"),
    ({"resp": np.full((20, 3), 0.3, "f4")}, "float64"),
    ({"resp": None}, "resp must be a numpy array"),
    ({"mask": np.ones(20)}, "mask must be boolean"),
    ({"mask": np.ones(19, bool)}, "mask must be boolean"),
])
def test_bad_arguments(change, message):
    X, model, resp, _ = case((4, 5), 2, 3, "full", "f8")
    arguments = {"shape": (4, 5), "smoothness": 1.0, "resp": resp} | change
    with pytest.raises((ValueError, TypeError), match=message):
        kernels.potts_statistics(X, *model, **arguments)


def test_an_infinity_is_named():
    X, model, resp, _ = case((4, 5), 2, 3, "full", "f8")
    X[7, 1] = -np.inf
    before = resp.copy()
    with pytest.raises(ValueError, match="row 7, column 1"):
        kernels.potts_statistics(X, *model, shape=(4, 5), smoothness=1.0, resp=resp)
    assert_array_equal(resp, before)


@pytest.mark.parametrize("bad, error, words", [
    ({"smoothness": 1e9}, ValueError, "smoothness must be a number from 0 to 1e"),
    ({"smoothness": None}, ValueError, "smoothness must be a number from 0 to 1e"),
    ({"shape": 4}, TypeError, "shape must be a tuple of integers, got 4"),
    ({"shape": (2.5, 2)}, TypeError, "shape must be a tuple of integers"),
    ({"resp": np.zeros((4, 2))}, ValueError, "resp must hold probabilities"),
    ({"resp": np.full((4, 2), 0.9)}, ValueError, "resp must hold probabilities"),
])
def test_more_bad_arguments(bad, error, words):
    arguments = {"shape": (2, 2), "smoothness": 1.0, "resp": np.full((4, 2), 0.5)} | bad
    with pytest.raises(error, match=words):
        kernels.potts_statistics(np.zeros((4, 1)), [0.5, 0.5], [[0.0], [1.0]],
                                 np.ones((2, 1, 1)), **arguments)
