"""How many factors: the numbers of R's psych, and tables with gaps, weights and few rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

from emkernels import GaussianImputer, parallel_analysis
from emkernels.data import Rows

WINE = load_wine().data
# psych 2.2.9, fa.parallel(wine, n.iter=4000, SMC=TRUE, quant=0.95): eigenvalues, and the quantiles
# of those of simulated and of resampled tables, with which a few thousand draws agree to 0.005
PSYCH = {
    "components": (
        [4.705850, 2.496974, 1.446072, 0.918974, 0.853228, 0.641657, 0.551028, 0.348497, 0.288880,
         0.250902, 0.225789, 0.168770, 0.103378],
        [1.5893, 1.4351, 1.3262, 1.2409, 1.1626, 1.0919, 1.0289, 0.9657, 0.9085, 0.8494, 0.7907,
         0.7309, 0.6636],
        [1.5921, 1.4338, 1.3272, 1.2385, 1.1625, 1.0945, 1.0289, 0.9684, 0.9088, 0.8510, 0.7920,
         0.7309, 0.6607], 3),
    "factors": (
        [4.362906, 2.089288, 1.009274, 0.451604, 0.262222, 0.182117, 0.027989, -0.037831, -0.061923,
         -0.096178, -0.146896, -0.203383, -0.235266],
        [0.6882, 0.5250, 0.4103, 0.3175, 0.2336, 0.1584, 0.0883, 0.0240, -0.0360, -0.0945, -0.1518,
         -0.2087, -0.2687],
        [0.6906, 0.5272, 0.4104, 0.3146, 0.2340, 0.1615, 0.0913, 0.0255, -0.0348, -0.0937, -0.1505,
         -0.2091, -0.2696], 6)}


def two_factors(n=300, seed=0):
    random = np.random.default_rng(seed)
    loadings = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    return random.normal(size=(n, 2)) @ loadings + random.normal(size=(n, 6))


def with_gaps(X, share=0.2, seed=1):
    X = X.copy()
    X[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    return X


@pytest.mark.parametrize("kind", PSYCH)
def test_numbers_are_those_of_psych(kind):
    eigenvalues, simulated, resampled, n = PSYCH[kind]
    for method, thresholds in ("normal", simulated), ("permute", resampled):
        found = parallel_analysis(WINE, n_draws=2000, kind=kind, method=method)
        np.testing.assert_allclose(found.eigenvalues, eigenvalues, atol=1e-6)
        np.testing.assert_allclose(found.thresholds, thresholds, atol=0.02)
        assert np.abs(found.thresholds - thresholds).mean() < 0.004
        assert found.n_components == n


def test_short_draws_are_those_of_whole_tables():
    """Bartlett's decomposition beside rows: weights of 1 take the long way."""
    short = parallel_analysis(WINE, n_draws=2000)
    long = parallel_analysis(WINE, n_draws=2000, sample_weight=np.ones(len(WINE)), random_state=1)
    np.testing.assert_allclose(short.means, long.means, atol=0.01)
    np.testing.assert_allclose(short.thresholds, long.thresholds, atol=0.02)
    assert not np.array_equal(short.means, long.means)


def test_gaps_raise_the_thresholds_and_are_drawn_as_they_are():
    X = with_gaps(two_factors(120), 0.3)
    for method in ("normal", "permute"):
        gaps = parallel_analysis(X, method=method)
        whole = parallel_analysis(two_factors(120), method=method)
        assert gaps.n_missing == np.isnan(X).sum() and whole.n_missing == 0
        assert gaps.thresholds[0] > whole.thresholds[0] + 0.05
        assert gaps.n_components == 2
    C = GaussianImputer().fit(X).covariance_
    scale = np.sqrt(np.diagonal(C))
    np.testing.assert_allclose(
        gaps.eigenvalues, np.linalg.eigvalsh(C / np.outer(scale, scale))[::-1], atol=1e-4)


def test_independent_columns_have_no_components():
    """The first eigenvalue of noise is above the 95th percentile in one table of twenty."""
    random = np.random.default_rng(0)
    found = [parallel_analysis(with_gaps(random.normal(size=(50, 4)), 0.2, seed), n_draws=20,
                               random_state=seed).n_components for seed in range(20)]
    assert sum(n > 0 for n in found) <= 5


def test_units_shifts_and_precision_do_not_matter():
    X = two_factors()
    found = parallel_analysis(X)
    units = 10.0 ** np.array([-100, 50, 0, 3, -7, 60])
    other = parallel_analysis(X * units + np.array([0, 0, 1e6, 0, 0, 0]))
    np.testing.assert_allclose(other.eigenvalues, found.eigenvalues, atol=1e-9)
    np.testing.assert_array_equal(other.thresholds, found.thresholds)
    single = parallel_analysis(X.astype(np.float32))
    np.testing.assert_allclose(single.eigenvalues, found.eigenvalues, atol=1e-5)
    assert single.eigenvalues.dtype == np.float64


@pytest.mark.parametrize("method", ["normal", "permute"])
@pytest.mark.parametrize("gaps", [False, True])
def test_the_same_bits(method, gaps):
    X = with_gaps(two_factors(200)) if gaps else two_factors(200)
    options = {"method": method, "n_draws": 5}
    one = parallel_analysis(X, random_state=3, n_threads=1, **options)
    for threads in (2, 5):
        other = parallel_analysis(X, random_state=3, n_threads=threads, **options)
        np.testing.assert_array_equal(one.thresholds, other.thresholds)
        np.testing.assert_array_equal(one.eigenvalues, other.eigenvalues)
    rows = parallel_analysis(Rows.read(X), random_state=3, **options)
    np.testing.assert_array_equal(rows.thresholds, one.thresholds)
    other = parallel_analysis(X, random_state=4, **options)
    assert not np.array_equal(other.thresholds, one.thresholds)


def test_rows_without_weight_are_absent_and_weights_count():
    X, weight = two_factors(), np.ones(300)
    weight[200:] = 0
    X[250] = 1e6
    for Y in (X, with_gaps(X)):
        for method in ("normal", "permute"):
            one = parallel_analysis(Y, method=method, n_draws=20, sample_weight=weight)
            other = parallel_analysis(Y[:200], method=method, n_draws=20,
                                      sample_weight=weight[:200])
            np.testing.assert_array_equal(one.thresholds, other.thresholds)
            np.testing.assert_array_equal(one.eigenvalues, other.eigenvalues)
    weight = np.repeat([1.0, 3.0], 150)
    twice = np.concatenate([two_factors(), *2 * [two_factors()[150:]]])
    np.testing.assert_allclose(
        parallel_analysis(two_factors(), sample_weight=weight).eigenvalues,
        parallel_analysis(twice).eigenvalues, atol=1e-12)


def test_few_rows():
    X = np.random.default_rng(0).normal(size=(6, 9))
    for method in ("normal", "permute"):
        found = parallel_analysis(X, method=method)
        np.testing.assert_allclose(found.eigenvalues[5:], 0, atol=1e-12)
        assert np.isfinite(found.thresholds).all()
    with pytest.raises(ValueError, match="the 9 columns of 6 rows determine each other"):
        parallel_analysis(X, kind="factors")
    X = np.column_stack([two_factors(), two_factors()[:, 0]])
    assert parallel_analysis(X).n_components >= 1
    with pytest.raises(ValueError, match="the 7 columns of 300 rows determine each other"):
        parallel_analysis(X, kind="factors")


def test_all_may_be_above():
    """Where the last eigenvalue is above, too, which takes a low percentile."""
    found = parallel_analysis(np.random.default_rng(0).normal(size=(1000, 2)), percentile=1)
    assert (found.eigenvalues > found.thresholds).all() and found.n_components == 2


def test_what_is_printed():
    found = parallel_analysis(pd.DataFrame(WINE), n_draws=50, percentile=90, method="permute")
    lines = str(found).splitlines()
    assert lines[0] == "Parallel analysis: 3 components (50 permuted tables)"
    assert lines[1].split("  ")[-1].strip() == "90 % of draws"
    assert [line.endswith("*") for line in lines[2:6]] == [True, True, True, False]
    assert lines[2].split()[:2] == ["1", "4.7059"]
    assert lines[-1].split() == ["...", "3", "more"] and len(lines) == 13


def test_wrong_input_is_named():
    X = two_factors(20)
    for options, error, text in (
            ({"n_draws": 0}, ValueError, "n_draws must be at least 1"),
            ({"n_draws": 2.5}, TypeError, "n_draws must be a whole number"),
            ({"percentile": 101}, ValueError, "percentile must be from 1 to 100"),
            ({"percentile": 0.95}, ValueError, "did you mean 95"),
            ({"percentile": "95"}, TypeError, "percentile must be a number"),
            ({"kind": "pca"}, ValueError, "kind must be one of components, factors"),
            ({"method": None}, ValueError, "method must be one of normal, permute"),
            ({"n_threads": 0}, ValueError, "n_threads must be at least 1"),
            ({"sample_weight": np.ones(3)}, ValueError, "sample_weight"),
            ({"random_state": "a"}, ValueError, "random_state")):
        with pytest.raises(error, match=text):
            parallel_analysis(X, **options)
    with pytest.raises(ValueError, match="at least 2 columns, got 1"):
        parallel_analysis(X[:, :1])
    with pytest.raises(ValueError, match="at least 3 rows, got 2"):
        parallel_analysis(X[:2])
    frame = pd.DataFrame(X, columns=list("abcdef"))
    with pytest.raises(ValueError, match="column 'c' has one value only"):
        parallel_analysis(frame.assign(c=1.0))
    with pytest.raises(ValueError, match="c"):
        parallel_analysis(frame.assign(c=np.nan))
    with pytest.raises(ValueError, match="infinity"):
        parallel_analysis(frame.assign(c=np.inf))
