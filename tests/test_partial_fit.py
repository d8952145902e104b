"""Streams of batches: stepwise EM of mixtures and imputers, K-means with exact counts."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_digits
from streams import TYPES, groups, same, start_of, streamed

from emkernels import GaussianImputer, GaussianMixture, KMeans
from emkernels.components.gaussian.structures import COVARIANCE_TYPES
from emkernels.em.stepwise import Pace

# --- how much a batch counts -------------------------------------------------------------------


def test_pace():
    pace = Pace()
    for t in range(1, 8):
        assert pace.share(10.0, 0.6, 10) == pytest.approx((t + 10) ** -0.6)
        assert pace.share(10.0, 1.0, 0) == pytest.approx(1 / t)
        pace = pace.after(10.0, 10)
    assert pace.share(1.0, 0.6, 10) == pytest.approx(18**-0.6 * 8 / 71)
    assert pace.share(1e9, 0.6, 10) == pytest.approx(1, abs=1e-6)    # all that there is
    assert pace.share(60.0, 0.6, 0) == 0.5


# --- mixtures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("gap, limit", [(3.0, 3e-3), (1.2, 1e-2)])
@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("name", TYPES)
def test_one_sweep_comes_near_batch_em(gap, limit, missing, name):
    X = groups(60_000, gap, seed=2, missing=missing)
    options = {"n_components": 3, "covariance_type": name, "random_state": 0}
    found = streamed(GaussianMixture(**options), X, 200)
    batch = GaussianMixture(**options, tol=1e-6, max_iter=300, acceleration="squarem").fit(X)
    assert batch.score(X) - found.score(X) < limit
    assert found.n_iter_ == 200 and found.converged_ is False
    assert_allclose(found.lower_bound_, found.score(X), atol=0.05)
    assert len(found.lower_bounds_) == 200 and found.lower_bounds_[-1] == found.lower_bound_


@pytest.mark.parametrize("name", COVARIANCE_TYPES)
def test_every_type_with_a_start_of_single_rows(name):
    X = groups(3000, 6, seed=1)
    fit = GaussianMixture(3, covariance_type=name, random_state=0, max_iter=300).fit(X)
    start = {**start_of(fit), "means_init": fit.means_ + 0.3}
    model = GaussianMixture(3, covariance_type=name, **start)
    for row in X[:20]:
        model.partial_fit(row[None])
    assert model.n_iter_ == 20
    streamed(model, X[20:], 60)
    assert fit.score(X) - model.score(X) < 0.03
    assert_allclose(model.weights_.sum(), 1)
    assert np.mean(model.predict(X) == fit.predict(X)) > 0.98
    assert model.n_parameters_ == fit.n_parameters_


def test_exact_sums():
    """exponent 1, offset 0: where the E-step has no choice all rows count the same."""
    X = groups(1000, shift=1e6)
    weight = np.random.default_rng(0).integers(0, 3, 1000) * 0.7
    model = GaussianMixture(step_exponent=1, step_offset=0, reg_covar=0)
    for part in np.split(np.arange(1000), [40, 41, 45, 700]):
        model.partial_fit(X[part], sample_weight=weight[part])
    whole = GaussianMixture(reg_covar=0).fit(X, sample_weight=weight)
    assert_allclose(model.means_, whole.means_, rtol=1e-15)
    assert_allclose(model.covariances_, whole.covariances_, rtol=1e-10)


def test_one_step_by_hand():
    X, batch = groups(5000), groups(1000, seed=5)
    fit = GaussianMixture(3, random_state=0, reg_covar=0).fit(X)
    start = start_of(fit)
    model = GaussianMixture(3, reg_covar=0, **start).partial_fit(batch)
    share = 11**-0.6
    resp = fit.predict_proba(batch) * share / 1000
    counts = (1 - share) * fit.weights_ + resp.sum(axis=0)
    means = ((1 - share) * fit.weights_[:, None] * fit.means_ + resp.T @ batch) / counts[:, None]
    assert_allclose(model.weights_, counts, rtol=1e-10)
    assert_allclose(model.means_, means, rtol=1e-9)
    for k in range(3):
        old, gaps = fit.means_[k] - means[k], batch - means[k]
        covariance = ((1 - share) * fit.weights_[k] * (fit.covariances_[k] + np.outer(old, old))
                      + (resp[:, k, None] * gaps).T @ gaps) / counts[k]
        assert_allclose(model.covariances_[k], covariance, rtol=1e-8, atol=1e-10)
    # after a fit: the fit is the first of two batches
    after = copy.deepcopy(fit).partial_fit(batch)
    share = 12**-0.6 * 2 * 1000 / 6000
    resp = fit.predict_proba(batch) * share / 1000
    assert_allclose(after.weights_, (1 - share) * fit.weights_ + resp.sum(axis=0), rtol=1e-10)
    assert after.n_iter_ == 2


def test_one_row_moves_little():
    X = groups(20_000)
    model = streamed(GaussianMixture(3, random_state=0), X, 20)
    before = model.means_
    model.partial_fit(np.full((1, 3), 30.0))
    assert 0 < np.abs(model.means_ - before).max() < 0.1
    thousand = streamed(GaussianMixture(3, random_state=0), X, 20)
    thousand.partial_fit(np.full((1000, 3), 30.0) + groups(1000, 0))
    assert np.abs(thousand.means_ - before).max() > 3


@pytest.mark.parametrize("model, tolerance", [
    (GaussianMixture(3, random_state=0), 0.3), (GaussianImputer(), 0.3),
    (KMeans(3, random_state=0, step_exponent=0.6, step_offset=10), 0.5)])
def test_a_drift_is_followed(model, tolerance):
    for t in range(150):
        X = groups(300, seed=3)[np.random.default_rng(t).permutation(300)] + 0.1 * t
        model.partial_fit(X)
    means = {"GaussianMixture": lambda: model.weights_ @ model.means_,
             "GaussianImputer": lambda: model.location_,
             "KMeans": lambda: model._stream.counts @ model.cluster_centers_}
    # behind by about what the stream has moved in 1 / g batches
    lag = 0.1 * 160**0.6
    assert_allclose(means[type(model).__name__](), X.mean(axis=0), atol=lag + tolerance)
    assert np.abs(means[type(model).__name__]() - (X.mean(axis=0) - 0.1 * 75)).min() > 3


def test_bits():
    X = groups(4000, missing=0.1)
    for make in (lambda n: GaussianMixture(3, random_state=0, n_threads=n),
                 lambda n: GaussianImputer(n_threads=n)):
        one, *others = (streamed(make(n), X, 10) for n in (1, 2, 3))
        for each in others:
            same(one, each)
    X = groups(4000)
    same(*(streamed(KMeans(3, random_state=0, n_threads=n), X, 10) for n in (1, 3)))


def test_after_fits_of_each_kind():
    X = groups(2000)
    for fitted in (GaussianMixture(3, random_state=0).fit(X),
                   GaussianMixture(3, random_state=0).fit_chunks(X, chunk_rows=300)):
        before = fitted.means_
        fitted.partial_fit(X[:200])
        assert 0 < np.abs(fitted.means_ - before).max() < 0.2
        assert not hasattr(fitted, "n_blocks_")
    model = KMeans(3, random_state=0, step_exponent=1.0, step_offset=0).fit(X)
    counts = np.bincount(model.labels_)
    expected = model.cluster_centers_.copy()
    labels = model.predict(X[:7] + 0.1)
    model.partial_fit(X[:7] + 0.1)
    for k in range(3):
        own = X[:7][labels == k] + 0.1
        expected[k] = (counts[k] * expected[k] + own.sum(axis=0)) / (counts[k] + len(own))
    assert_allclose(model.cluster_centers_, expected, rtol=1e-12)
    assert not hasattr(model, "labels_")
    imputer = GaussianImputer().fit(np.column_stack([X, np.full(2000, 5.0)]))
    imputer.partial_fit(np.column_stack([X[:50], np.full(50, 5.0)]))
    with pytest.raises(ValueError, match="column 3 had one value or none in the fit, and has 7"):
        imputer.partial_fit(np.column_stack([X[:50], np.full(50, 7.0)]))


def test_priors_noise_and_what_is_fixed():
    X = groups(3000, seed=4)
    rng = np.random.default_rng(0)
    outliers = rng.uniform(-30, 30, size=(300, 3))
    options = {"n_components": 3, "random_state": 0}
    both = rng.permutation(np.concatenate([X, outliers]))
    model = streamed(GaussianMixture(noise=60.0**-3, **options), both, 11)
    assert_allclose(model.weights_[-1], 300 / 3300, atol=0.04)
    fit = GaussianMixture(noise=True, **options).fit(both)
    assert fit.score(both) - streamed(copy.deepcopy(fit), both, 11).score(both) < 0.01
    # priors weigh what they weigh in a fit of all rows
    prior = {"covariance_prior": (2000.0, 1500.0), "weight_concentration": 500.0}
    whole = GaussianMixture(**options, **prior, tol=1e-8, max_iter=500).fit(X)
    parts = streamed(GaussianMixture(**options, **prior), X, 60)
    assert_allclose(parts.weights_, whole.weights_, atol=0.03)
    assert_allclose(parts.covariances_, whole.covariances_, atol=0.12)
    plain = GaussianMixture(**options).fit(X)
    assert np.abs(plain.covariances_ - whole.covariances_).max() > 0.15
    fixed = GaussianMixture(3, fixed=("means", "weights"), **start_of(plain))
    streamed(fixed, X + 0.5, 10)
    assert_array_equal(fixed.means_, plain.means_)
    assert_array_equal(fixed.weights_, plain.weights_)
    assert np.abs(fixed.covariances_ - plain.covariances_).max() > 0.05
    for more in ({"reg_covar": "auto"}, {"covariance_prior": "empirical"},
                 {"init_scaling": "standard"}, {"n_init": 3, "short_iter": 2}):
        model = streamed(GaussianMixture(**options, **more), X, 20)
        assert plain.score(X) - model.score(X) < 0.05
        model = GaussianMixture(3, **more, **start_of(plain)).partial_fit(X[:1])
        assert_allclose(model.means_.mean(), plain.means_.mean(), atol=2)


def test_small_first_batches():
    X = groups(6000)
    whole = GaussianMixture(3, random_state=0).fit(X)
    for size in (3, 5, 20):
        model = GaussianMixture(3, random_state=0)
        for first in range(0, len(X), size):
            model.partial_fit(X[first:first + size])
            if first > 1500:
                break
        assert np.isfinite(model.score(X)) and whole.score(X) - model.score(X) < 2.5


# --- K-means ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_the_centres_of_mini_batch_kmeans(weighted):
    X = load_digits().data
    rng = np.random.default_rng(0)
    X = X[rng.permutation(len(X))]
    theirs = MiniBatchKMeans(10, init=X[:10], n_init=1, reassignment_ratio=0)
    ours = KMeans(10, init=X[:10], step_exponent=1.0, step_offset=0)
    for part in np.split(X, [10, 60, 61, 64, 1000]):
        weight = rng.uniform(size=len(part)) if weighted else None
        score = None if not hasattr(ours, "n_iter_") else ours.score(part, sample_weight=weight)
        ours.partial_fit(part, sample_weight=weight)
        assert score is None or ours.inertia_ == pytest.approx(-score)
        theirs.partial_fit(part, sample_weight=weight)
        assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-10, atol=1e-12)
    assert ours.n_iter_ == 6 and ours.converged_ is False
    assert_array_equal(ours.predict(X), theirs.predict(X))


def test_kmeans_of_one_batch_is_the_fit():
    X = groups(500)
    a, b = KMeans(3, random_state=0).partial_fit(X), KMeans(3, random_state=0).fit(X)
    assert_array_equal(a.cluster_centers_, b.cluster_centers_)
    X = groups(20_000, seed=8)
    near = streamed(KMeans(3, random_state=0), X, 40)
    assert near.score(X) > 1.02 * KMeans(3, random_state=0).fit(X).score(X)
    far = streamed(KMeans(3, random_state=0), groups(2000) + 1e8, 20)
    here = streamed(KMeans(3, random_state=0), (groups(2000) + 1e8) - 1e8, 20)
    assert_allclose(np.sort(far.cluster_centers_ - 1e8, axis=0),
                    np.sort(here.cluster_centers_, axis=0), atol=1e-6)


# --- the imputer --------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [None, "ridge"])
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_imputer_near_batch_em(prior, shift):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 4)) @ rng.normal(size=(4, 4)) + shift
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    X[::50] = np.nan
    whole, parts = GaussianImputer(prior=prior).fit(X), streamed(
        GaussianImputer(prior=prior), X, 200)
    there = ~np.isnan(X).all(axis=1)
    assert (whole.score_samples(X[there]) - parts.score_samples(X[there])).mean() < 3e-3
    assert_allclose(parts.transform(X[:100]) - shift, whole.transform(X[:100]) - shift, atol=0.5)
    assert_allclose(parts.log_likelihood_, whole.log_likelihood_, rtol=0.02)
    assert parts.n_iter_ == 200 and len(parts.lower_bounds_) == 200 and not parts.converged_
    assert len(parts.sample(X[:20], 2, method="augmentation", training_data=X[:200],
                            burn_in=2, thinning=1, random_state=0)) == 2
    # every row counts the same: nearer
    exact = streamed(GaussianImputer(prior=prior, step_exponent=1, step_offset=0), X, 200)
    assert_allclose(exact.location_, whole.location_, atol=0.02)


def test_imputer_with_another_sign_for_missing():
    X = groups(500, missing=0.2)
    a = streamed(GaussianImputer(), X, 5)
    b = streamed(GaussianImputer(missing_values=-1.0), np.where(np.isnan(X), -1.0, X), 5)
    same(a, b)
    assert_array_equal(a.transform(X[:9]), b.transform(np.where(np.isnan(X[:9]), -1.0, X[:9])))
