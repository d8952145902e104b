"""Standard errors of FactorAnalysis: the observed information, bordered."""

import warnings

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose
from test_factor_analysis import ATTITUDE, IRIS
from test_factor_missing import GAPS

from emkernels import EMWarning, FactorAnalysis
from emkernels.data import Rows
from emkernels.models.factors import errors


def numerical_information(X, weight, vector, q, isotropic, picked=None):
    """Negative second differences of the log-likelihood, all or between some parameters."""
    D = X.shape[1]

    def f(t):
        noise = t[-1:] if isotropic else t[-D:]
        return -weight @ reference.factor_log_density(
            X, t[:D], t[D:D + q * D].reshape(q, D), noise)

    steps = np.diag(2e-4 * np.maximum(np.abs(vector), 0.1))
    steps = steps if picked is None else steps[picked]
    out = np.empty((len(steps),) * 2)
    for a in range(len(steps)):
        for b in range(a + 1):
            ends = [sa * sb * f(vector + sa * steps[a] + sb * steps[b])
                    for sa in (1, -1) for sb in (1, -1)]
            out[a, b] = out[b, a] = sum(ends) / (4 * steps[a].sum() * steps[b].sum())
    return out


def bordered(information, border):
    """Square roots of the diagonal of the upper left block of the inverse of [[I, B'], [B, 0]]."""
    k, p = len(border), len(information)
    whole = np.block([[information, border.T], [border, np.zeros((k, k))]])
    return np.sqrt(np.diag(np.linalg.inv(whole))[:p])


@pytest.mark.parametrize("isotropic", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
def test_the_bordered_information(gaps, isotropic, rng):
    X = (GAPS if gaps else ATTITUDE)[:, :4] / 10
    q = 2 if isotropic else 1
    weight = rng.uniform(0.5, 2, len(X))
    model = FactorAnalysis(q, noise="isotropic" if isotropic else "diagonal", tol=1e-9).fit(
        X, sample_weight=weight)
    found = model.standard_errors(X, sample_weight=weight)
    vector = np.r_[model.mean_, model.components_.ravel(), model.noise_variance_]
    border = np.zeros((q * (q - 1) // 2, len(vector)))
    if q == 2:      # of L' L, off the diagonal
        border[0, 4:8], border[0, 8:12] = model.components_[1], model.components_[0]
    expected = bordered(numerical_information(X, weight, vector, q, isotropic), border)
    assert_allclose(found.mean, expected[:4], rtol=1e-4)
    assert_allclose(found.components.ravel(), expected[4:4 + 4 * q], rtol=1e-4)
    assert_allclose(found.noise_variance, expected[-1] if isotropic else expected[-4:], rtol=1e-4)
    assert isinstance(found.noise_variance, float) == isotropic


@pytest.mark.parametrize("gaps", [False, True])
def test_isotropic_noise_at_its_bound_is_known(gaps):
    """It has no error, and those of the others are as if it was known."""
    X = (GAPS if gaps else ATTITUDE)[:, :4] / 10
    with pytest.warns(EMWarning, match="the noise variance is at its bound"):
        model = FactorAnalysis(2, noise="isotropic", min_uniqueness=0.5, tol=1e-9).fit(X)
    assert_allclose(model.heywood_, range(4))
    found = model.standard_errors(X)
    assert isinstance(found.noise_variance, float) and np.isnan(found.noise_variance)
    vector = np.r_[model.mean_, model.components_.ravel(), model.noise_variance_]
    alive = np.r_[:4, 4 + np.flatnonzero(vector[4:12])]     # (a factor may be empty)
    information = numerical_information(X, np.ones(len(X)), vector, 2, True)
    border = np.zeros((1, 13))
    border[0, 4:8], border[0, 8:12] = model.components_[1], model.components_[0]
    border = border[(border != 0).any(axis=1)][:, alive]
    expected = bordered(information[np.ix_(alive, alive)], border)
    values = np.r_[found.mean, found.components.ravel()]
    assert_allclose(values[alive], expected, rtol=1e-4)
    assert len(alive) >= 8
    # noise that is not at its bound has an error
    free = FactorAnalysis(2, noise="isotropic").fit(X)
    assert len(free.heywood_) == 0 and free.standard_errors(X).noise_variance > 0


def test_two_factors_of_diagonal_noise(rng):
    """The condition depends on the noise variances."""
    L = np.array([[2.0, 1.8, 1.5, 1.2, 1.0, 0.8], [0.5, -1.0, 0.8, -0.6, 1.2, -0.9]])
    X = rng.normal(size=(120, 2)) @ L + rng.normal(size=(120, 6))
    X[:30, 0] = np.nan
    model = FactorAnalysis(2, tol=1e-9).fit(X)
    vector = np.r_[model.mean_, model.components_.ravel(), model.noise_variance_]

    def condition(t):
        a, b = t[6:18].reshape(2, 6)
        return (a * b / t[18:]).sum()

    steps = 1e-6 * np.eye(24)
    border = np.array([[(condition(vector + e) - condition(vector - e)) / 2e-6 for e in steps]])
    information = errors.information(Rows.read(X), model.mean_, model.components_,
                                     model.noise_variance_, np.ones(6))
    picked = [0, 5, 6, 11, 12, 17, 18, 23]
    assert_allclose(information[np.ix_(picked, picked)], numerical_information(
        X, np.ones(120), vector, 2, False, picked), rtol=1e-4, atol=2e-3)
    expected = bordered(information, border)
    found = model.standard_errors(X)
    assert_allclose(np.r_[found.mean, found.components.ravel(), found.noise_variance], expected,
                    rtol=1e-6)


@pytest.mark.parametrize("noise", ["diagonal", "isotropic"])
def test_a_simulation(noise):
    """They are how much estimates differ from sample to sample."""
    rng = np.random.default_rng(1)
    L = np.array([[2.0, 1.8, 1.5, 1.2, 1.0, 0.8], [0.9, -1.0, 0.8, -0.6, 0.7, -0.9]])
    psi = np.ones(6) if noise == "isotropic" else np.array([0.8, 0.6, 1.0, 0.7, 0.9, 1.1])
    options = {"noise": noise, "n_init": 1}
    estimates, variances = [], []
    for _ in range(250):
        X = rng.normal(size=(400, 2)) @ L + rng.normal(size=(400, 6)) * np.sqrt(psi)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EMWarning)
            model = FactorAnalysis(2, **options).fit(X)
        # the sign is that of a sum, which is near zero for one factor
        signs = np.sign((model.components_ * np.linalg.svd(
            L / np.sqrt(psi), full_matrices=False)[2] * [[-1], [1]]).sum(axis=1))
        estimates.append(np.r_[model.mean_, (model.components_ * signs[:, None]).ravel(),
                               np.atleast_1d(model.noise_variance_)])
        found = model.standard_errors(X)
        variances.append(np.r_[found.mean, found.components.ravel(),
                               np.atleast_1d(found.noise_variance)] ** 2)
    ratio = np.sqrt(np.mean(variances, axis=0)) / np.std(estimates, axis=0)
    # the deviation of 250 estimates is known to 4.5 %
    assert (np.abs(np.log(ratio)) < 0.15).all() and abs(np.log(ratio).mean()) < 0.04


def test_means_of_rows_that_lack_nothing():
    model = FactorAnalysis(2).fit(ATTITUDE)
    found = model.standard_errors(ATTITUDE)
    assert_allclose(found.mean, np.sqrt(np.diag(model.get_covariance()) / 30), rtol=1e-6)
    # twice the rows, half the variance; other units, other errors
    twice = FactorAnalysis(2).fit(ATTITUDE, sample_weight=np.full(30, 2.0))
    for name in ("mean", "components", "noise_variance"):
        assert_allclose(getattr(twice.standard_errors(ATTITUDE, np.full(30, 2.0)), name),
                        getattr(found, name) / np.sqrt(2), rtol=1e-4)
    units = np.array([1e100, 1.0, 1e-140, 1e50, 1e-30, 1e10, 3.0])
    scaled = FactorAnalysis(2).fit(ATTITUDE * units).standard_errors(ATTITUDE * units)
    assert_allclose(scaled.components / units, found.components, rtol=1e-3)


def test_columns_at_the_bound():
    """The others are those of a model in which these noise variances are known."""
    with pytest.warns(EMWarning, match="Heywood"):
        model = FactorAnalysis(1).fit(IRIS)
    assert list(model.heywood_) == [2]
    found = model.standard_errors(IRIS)
    assert np.isnan(found.noise_variance[2])
    assert np.isfinite(found.noise_variance[[0, 1, 3]]).all()
    assert np.isfinite(found.components).all() and np.isfinite(found.mean).all()
    # the factor is the column: regressions on it
    slope = np.cov(IRIS.T)[2] / np.cov(IRIS.T)[2, 2]
    left = (IRIS - IRIS.mean(axis=0)) - np.outer(IRIS[:, 2] - IRIS[:, 2].mean(), slope)
    for j in (0, 1, 3):
        psi = (left[:, j] ** 2).mean()
        assert_allclose(model.noise_variance_[j], psi, rtol=1e-6)
        assert_allclose(found.noise_variance[j], psi * np.sqrt(2 / 150), rtol=1e-3)


def test_what_rows_do_not_determine():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EMWarning)
        model = FactorAnalysis(3, min_uniqueness=0.01).fit(ATTITUDE[:, :4])
    with pytest.raises(ValueError, match="not positive definite"):
        model.standard_errors(ATTITUDE[:, :4])
