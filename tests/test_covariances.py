"""Scatters and factors of all components, against NumPy, LAPACK and mpmath."""

import mpmath
import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from emkernels import GaussianMixture
from emkernels.components.gaussian.structures import Full, Tied
from emkernels.data import Rows
from emkernels.em import DegenerateFitError
from emkernels.kernels import passes
from emkernels.kernels.threads import own_n_threads

# around the widths of steps and panels of every level (8 and 24, 4 and 12, 4)
SIZES = [*range(1, 27), 35, 36, 37, 47, 48, 49, 71, 72, 73, 95, 100, 130]


def covariances_of(k, d, rng):
    roots = rng.normal(size=(k, d, d + 5))
    return roots @ np.swapaxes(roots, 1, 2) / (d + 5) + 0.1 * np.eye(d)


@pytest.mark.parametrize("d", SIZES)
def test_factors_are_those_of_lapack(simd, d, rng):
    covariances = covariances_of(3, d, rng)
    factors, failed = passes.precision_factors(covariances)
    assert failed == -1
    wanted = [reference.precision_factor(each) for each in covariances]
    assert_allclose(factors, wanted, rtol=0, atol=1e-13 * np.abs(wanted).max())
    assert not np.tril(factors, -1).any()


def test_only_the_lower_triangle_is_read(simd, rng):
    covariances = covariances_of(2, 30, rng)
    wanted, _ = passes.precision_factors(covariances)
    spoilt = np.where(np.tri(30, dtype=bool), covariances, np.nan)
    assert_array_equal(passes.precision_factors(spoilt)[0], wanted)


def test_any_layout(simd, rng):
    covariances = covariances_of(4, 19, rng)
    wanted, _ = passes.precision_factors(covariances)
    wide = np.zeros((4, 19, 40))
    wide[:, :, ::2][:, :, :19] = covariances
    for each in (np.asfortranarray(covariances), wide[:, :, ::2][:, :, :19],
                 covariances[::-1][::-1]):
        assert_array_equal(passes.precision_factors(each)[0], wanted)


def test_nothing_to_factor():
    for shape in ((0, 3, 3), (2, 0, 0)):
        factors, failed = passes.precision_factors(np.empty(shape))
        assert factors.shape == shape and failed == -1


@pytest.mark.parametrize("k, d", [(1, 530), (2, 450), (5, 100), (40, 24)])
def test_the_same_bits_for_every_number_of_threads(simd, k, d, rng):
    covariances = covariances_of(k, d, rng)
    wanted, _ = passes.precision_factors(covariances, 1)
    assert_allclose(wanted[-1].T @ covariances[-1] @ wanted[-1], np.eye(d), rtol=0, atol=1e-11)
    for n_threads in (2, 3, 7, 32):
        assert_array_equal(passes.precision_factors(covariances, n_threads)[0], wanted)


def exact_factor(covariance):
    with mpmath.workdps(60):
        lower = mpmath.cholesky(mpmath.matrix(covariance.tolist()), tol=0)
        return np.array(mpmath.inverse(lower).T.tolist(), float)


@pytest.mark.parametrize("scale", [1.0, 1e150, 1e-145])
def test_ill_conditioned_covariances_keep_what_lapack_keeps(simd, scale):
    # Hilbert's matrix, whose columns then have units of any size
    d = 9
    index = np.arange(d)
    units = scale ** np.linspace(0.9, 1.0, d)
    covariance = units[:, None] * units / (1.0 + index[:, None] + index)
    truth = exact_factor(covariance)
    factor, failed = passes.precision_factors(covariance[None])
    assert failed == -1 and np.isfinite(factor).all()
    unit = np.abs(truth).max(axis=1, keepdims=True)
    error, bound = np.abs((factor[0] - truth) / unit).max(), np.abs(
        (reference.precision_factor(covariance) - truth) / unit).max()
    assert error <= 4 * bound + 1e-13
    assert_allclose(factor[0], truth, rtol=0, atol=np.abs(truth).max() * 1e-4)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("d", [1, 5, 60])
def test_the_first_component_without_a_factor_is_named(simd, d, n_threads, rng):
    spoils = {"zero": 0.0, "negative": -1.0, "NaN": np.nan, "too small": 1e-307}
    for name, value in spoils.items():
        for where in {0, d // 2, d - 1}:
            covariances = covariances_of(5, d, rng)
            for k in (2, 4):
                covariances[k, where, :] = covariances[k, :, where] = 0
                covariances[k, where, where] = value
            assert passes.precision_factors(covariances, n_threads)[1] == 2, (name, where)
            with pytest.raises(DegenerateFitError, match="covariance of component 2 is not pos"):
                Full().factors(covariances)
    with pytest.raises(DegenerateFitError, match="Here the tied covariance is not positive"):
        Tied().factors(-np.eye(d))


def test_the_first_of_large_ones_is_named(rng):
    """Where threads share a matrix."""
    covariances = covariances_of(2, 450, rng)
    covariances[1, 449] *= 2
    covariances[1, 449, 449] = 0.0
    for n_threads in (1, 8):
        assert passes.precision_factors(covariances, n_threads)[1] == 1


def test_columns_that_depend_on_others_have_no_factor(simd, rng):
    X = rng.normal(size=(50, 30))
    X[:, 29] = X[:, 3] - X[:, 8]
    assert passes.precision_factors(-np.cov(X.T)[None])[1] == 0
    singular = np.diag([1.0] * 29 + [0.0])
    assert passes.precision_factors(singular[None])[1] == 0


@pytest.mark.parametrize("d", [1, 2, 31, 32, 33, 70])
def test_scatters(d, rng):
    k = 3
    second, counts = covariances_of(k, d, rng), rng.uniform(1, 9, k)
    offsets, residual = rng.normal(size=(2, k, d))
    plain = second - counts[:, None, None] * offsets[:, :, None] * offsets[:, None, :]
    lower = np.where(np.tri(d, dtype=bool), second, np.nan)
    for n_threads in (1, 3):
        found = passes.scatters(lower, counts, offsets, n_threads=n_threads)
        assert_allclose(found, plain, rtol=0, atol=1e-14 * np.abs(plain).max())
        assert_array_equal(found, np.swapaxes(found, 1, 2))
        more = counts[:, None, None] * residual[:, :, None] * residual[:, None, :]
        found = passes.scatters(lower, counts, offsets, residual, n_threads)
        assert_allclose(found, plain + more, rtol=0, atol=1e-14 * np.abs(plain + more).max())


def test_scatters_share_nothing_and_change_nothing(rng):
    second = covariances_of(2, 5, rng)
    before, zeros = second.copy(), np.zeros((2, 5))
    found = passes.scatters(second, np.ones(2), zeros)
    assert not np.shares_memory(found, second)
    found[:] = 0
    assert_array_equal(second, before)


def test_an_m_step_has_the_threads_of_the_pass(rng, monkeypatch):
    X = rng.normal(size=(900, 3))
    seen, real = [], passes.own_n_threads

    def noted(n_threads):
        seen.append(n_threads)
        return real(n_threads)

    monkeypatch.setattr(passes, "own_n_threads", noted)
    GaussianMixture(2, n_threads=1, tol=0.1, random_state=0).fit(X)
    assert seen and set(seen) == {1}
    seen.clear()
    # a table of few cells, whatever is asked for
    GaussianMixture(2, n_threads=3, tol=0.1, random_state=0).fit(X[:100])
    assert set(seen) == {1} and Rows.read(X[:100]).n_threads == 1


def test_threads_of_ones_own_end_with_the_block():
    with pytest.raises(ValueError, match="n_threads must be"), own_n_threads(0):
        pass
    with pytest.raises(KeyError), own_n_threads(2):
        with own_n_threads(None):       # goes on with those that there are
            pass
        raise KeyError
