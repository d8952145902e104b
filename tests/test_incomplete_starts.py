"""What mixtures of incomplete rows start from, and what EM promises of them on any data."""

import warnings

import numpy as np
import pytest
import reference
from incomplete_problems import incomplete
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from emkernels import GaussianMixture
from emkernels.data import Rows
from emkernels.data.available import available, divisors, observed_means, pairwise_covariances
from emkernels.data.summary import ColumnSummary
from emkernels.em import DegenerateFitError
from emkernels.kernels import passes
from emkernels.starts.observed import observed_kmeans, observed_seeds

TYPES = reference.COVARIANCE_TYPES
DTYPES = ("f4", "f8")
STARTS = ("kmeans", "k-means++", "random", "random_from_data")


def observed_distances(X, centers):
    X = np.asarray(X, float)
    return np.nansum((X[:, None] - centers) ** 2, axis=2)


def gaps(X, share=0.2, seed=0):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


# --- the passes of a start -----------------------------------------------------------------

@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1, 1e-9, 1e9])
@pytest.mark.parametrize("n, D, K", [(1, 1, 1), (203, 1, 3), (1003, 3, 2), (500, 13, 5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_kmeans_pass(simd, n, D, K, scale, dtype, weighted):
    """Rows belong to their nearest centre whole, whatever the scale of the columns."""
    p = incomplete(n, D, K, "spherical", dtype, "chance", 0.3)
    X = (p.X * scale).astype(dtype)
    centers = (p.means * scale).astype(dtype).astype(float)
    weight = np.where(p.sample_weight > 0, p.sample_weight, 0) if weighted and n > 1 else None
    distances = observed_distances(X, centers)
    found = passes.observed_distances(X, centers)
    rounding = 2e-6 if dtype == "f4" else 1e-14
    assert found.dtype == dtype
    assert_allclose(found, distances, rtol=10 * rounding)
    results = []
    for n_threads in (1, 2, 3):
        labels = np.empty(n, np.int32)
        found = passes.observed_kmeans_pass(X, centers, labels, weight, n_threads)
        results.append((*found, labels))
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert_array_equal(a, b)
    observed, sums, inertia, labels = results[0]
    chosen = distances[np.arange(n), labels]
    assert_allclose(chosen, distances.min(axis=1), rtol=10 * rounding)
    w = np.ones(n) if weight is None else weight
    one_hot = (labels[:, None] == np.arange(K)) * w[:, None]
    seen = ~np.isnan(X)
    diff = np.where(seen[:, None], X[:, None].astype(float) - centers, 0)
    assert_allclose(observed, one_hot.T @ seen, rtol=10 * rounding)
    expected = np.einsum("nk,nkd->kd", one_hot, diff)
    size = np.einsum("nk,nkd->kd", one_hot, np.abs(diff))
    assert np.all(np.abs(sums - expected) <= rounding * size)
    assert inertia == pytest.approx(w @ chosen, rel=10 * rounding)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("D", [1, 3, 5, 13])
def test_available_moments(simd, D, dtype):
    """Under labels and under responsibilities, of the pairs that are observed."""
    p = incomplete(500, D, 3, "spherical", dtype, "chance", 0.4)
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 3, size=500).astype(np.int32)
    soft = rng.dirichlet(np.ones(3), size=500).astype(dtype)
    seen = ~np.isnan(p.X)
    rounding = 1e-5 if dtype == "f4" else 1e-13
    for resp in (labels, soft):
        weights = (labels[:, None] == np.arange(3)) if resp.ndim == 1 else resp.astype(float)
        weights = weights * p.sample_weight[:, None]
        weight, products = passes.available_moments(p.X, resp, p.means, p.sample_weight, 2)
        assert_allclose(weight, np.einsum("nk,nd,ne->kde", weights, seen, seen), rtol=rounding)
        diff = np.where(seen[:, None], p.X[:, None].astype(float) - p.means, 0)
        assert_allclose(products, np.einsum("nk,nkd,nke->kde", weights, diff, diff),
                        rtol=rounding, atol=500 * rounding)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift", [0, 1e3])
def test_observed_means(dtype, shift):
    p = incomplete(500, 4, 1, "full", dtype, "chance", 0.4)
    X = (p.X + shift).astype(dtype)
    X[:, 3] = np.nan
    rows = Rows.read(X).with_(sample_weight=p.sample_weight)
    mean, weight = observed_means(rows)
    weight = weight * rows.unit
    seen = ~np.isnan(X)
    assert_allclose(weight, p.sample_weight @ seen, rtol=1e-6)
    expected = p.sample_weight @ np.where(seen, X.astype(float), 0)[:, :3] / weight[:3]
    assert_allclose(mean[:3], expected, rtol=1e-12 if dtype == "f8" else 1e-6)
    assert mean[3] == 0 and weight[3] == 0
    late = Rows.read(np.concatenate([np.full((1500, 4), np.nan), X]).astype(dtype)).with_(
        sample_weight=np.r_[np.ones(1500), p.sample_weight])
    assert_allclose(observed_means(late)[0], mean, rtol=1e-12 if dtype == "f8" else 1e-6)
    unweighted, _ = observed_means(Rows.read(X[:, :3]))
    assert_allclose(unweighted, np.nanmean(X[:, :3].astype(float), axis=0), rtol=1e-6)


def test_a_weight_that_is_no_number_is_not_taken_for_none(monkeypatch):
    """Only a kernel's fault makes one of checked rows; it once passed for a weight of 1."""
    fault = "a fault of emkernels, .* not a number at "
    assert_array_equal(divisors(np.array([2.0, 0.0])), [2, 1])
    weight, products = np.full((1, 2, 2), 3.0), np.eye(2)[None]
    assert_allclose(available(weight, products)[0], np.eye(2) / 3)
    weight[0, 1, 0] = np.nan
    with pytest.raises(RuntimeError, match=fault + r"\[0, 1, 0\]"):
        available(weight, products)
    rows = Rows.read(np.random.default_rng(0).normal(size=(20, 3)))
    monkeypatch.setattr(passes, "available_moments", lambda *args: (
        np.full((1, 3, 3), np.nan), np.ones((1, 3, 3))))
    monkeypatch.setattr(passes, "observed_kmeans_pass", lambda *args: (
        np.array([[5.0, np.nan, 5.0]]), np.zeros((1, 3)), 0.0))
    with pytest.raises(RuntimeError, match=fault):
        pairwise_covariances(rows, np.zeros(20, np.int32), np.zeros((1, 3)))
    with pytest.raises(RuntimeError, match=fault + r"\[1\]"):
        observed_means(rows)
    with pytest.raises(RuntimeError, match=fault):
        ColumnSummary.of_moments(*[np.ones(2)] * 3, np.array([np.nan, 1]), np.ones(2), np.ones(2))


def test_pairwise_covariances_are_positive_definite():
    """Columns that are nearly equal where seen together, and a pair that never is."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3)) * [1, 10, 100]
    X[:, 1] = 10 * X[:, 0] + 1e-9 * X[:, 1]
    X[:30, 0], X[30:60, 1], X[60:, 2] = np.nan, np.nan, np.nan
    X[:30, 2] = -10 * X[:30, 1]
    X[30:60, 2] = 100 * X[30:60, 0]
    mean = np.nanmean(X, axis=0)
    labels = np.zeros(90, np.int32)
    (covariance,) = pairwise_covariances(Rows.read(X), labels, mean[None])
    assert_allclose(np.diag(covariance), np.nanvar(X, axis=0), rtol=1e-12)
    deviations = np.sqrt(np.diag(covariance))
    values = np.linalg.eigvalsh(covariance / np.outer(deviations, deviations))
    assert values[0] == pytest.approx(1e-2, rel=1e-6)
    never = X.copy()
    never[:, 2] = np.where(np.isnan(X[:, 1]), X[:, 2], np.nan)
    (covariance,) = pairwise_covariances(Rows.read(never), labels, mean[None])
    assert covariance[1, 2] == 0
    np.linalg.cholesky(covariance)


def test_kmeans_of_separate_clusters_finds_them():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 200)
    centers = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9.0]])
    for scale in (1.0, 1e-9, 1e9):
        for dtype in DTYPES:
            X = (gaps(centers[truth] + rng.normal(size=(800, 3))) * scale).astype(dtype)
            rows = Rows.read(X)
            mean = observed_means(rows)[0]
            for seed in range(5):
                seeds = observed_seeds(rows, 4, mean, np.random.RandomState(seed))
                labels, found = observed_kmeans(rows, seeds)
                order = np.linalg.norm(found[:, None] - centers * scale, axis=2).argmin(axis=1)
                assert sorted(order) == [0, 1, 2, 3]
                assert (order[labels] == truth)[(~np.isnan(X)).all(axis=1)].mean() > 0.99
                assert_allclose(found, centers[order] * scale, atol=0.8 * scale)


# --- fits ----------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("init_params", STARTS)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_a_fit_does_not_depend_on_the_scale(covariance_type, init_params, dtype):
    X = gaps(load_iris().data - load_iris().data.mean(axis=0)).astype(dtype)
    options = {"covariance_type": covariance_type, "init_params": init_params, "reg_covar": 0,
               "random_state": 0, "max_iter": 8, "tol": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = GaussianMixture(3, **options).fit(X)
        other = GaussianMixture(3, **options).fit(X * X.dtype.type(2.0**-40))
    scale = 2.0**-40     # a power of two: not a bit of a value is lost
    rounding = 1e-6 if dtype == "f8" else 5e-2
    assert_allclose(other.means_ / scale, one.means_, atol=rounding)
    assert_allclose(other.weights_, one.weights_, atol=rounding)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init_params", STARTS[:3])
def test_rows_without_any_value_start_nothing(covariance_type, init_params):
    X = gaps(load_iris().data)
    X = X[~np.isnan(X).all(axis=1)]
    more = np.concatenate([X, np.full((150, 4), np.nan)])
    options = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 0,
               "max_iter": 0}
    a, b = (GaussianMixture(3, **options).fit(rows) for rows in (X, more))
    assert_allclose(b.weights_, a.weights_, rtol=1e-12)
    assert_allclose(b.means_, a.means_, rtol=1e-12)
    assert_allclose(b.covariances_, a.covariances_, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_known_labels_are_those_of_plain_em(covariance_type):
    """Some rows known, of them one without any value; EM row by row from the same start."""
    rng = np.random.default_rng(1)
    X = gaps(rng.normal(size=(60, 2)) + np.repeat([0, 2], 30)[:, None], 0.3)
    X[5], X[6] = np.nan, np.nan
    known = np.where(rng.random(60) < 0.4, rng.integers(0, 2, size=60), -1)
    known[5], known[6] = 1, -1
    start = {"weights_init": [0.4, 0.6], "means_init": np.array([[0.0, 0], [2, 2]])}
    one = {"full": np.repeat(np.eye(2)[None], 2, axis=0), "tied": np.eye(2),
           "diag": np.ones((2, 2)), "spherical": np.ones(2)}[covariance_type]
    weights, means, factors, bounds = np.array([0.4, 0.6]), start["means_init"], one, []
    for _ in range(8):
        covariances = reference.full_covariances(factors, covariance_type, 2, 2)
        joint = reference.incomplete_log_density(X, means, factors, covariance_type)
        joint = joint + np.log(weights)
        joint[(known >= 0)[:, None] & (known[:, None] != [0, 1])] = -np.inf
        resp, norm = reference.responsibilities(joint)
        bounds.append(norm.mean())
        first, second = np.zeros((2, 2)), np.zeros((2, 2, 2))
        for k in range(2):
            for x, r in zip(X, resp[:, k]):
                _, filled, conditional = reference.observed_block(x, means[k], covariances[k])
                first[k] += r * (filled - means[k])
                second[k] += r * (np.outer(filled - means[k], filled - means[k]) + conditional)
        counts = resp.sum(axis=0)
        offsets = first / counts[:, None]
        scatter = second - counts[:, None, None] * offsets[:, :, None] * offsets[:, None]
        weights, means = counts / counts.sum(), means + offsets
        if covariance_type == "tied":
            covariance = scatter.sum(axis=0) / counts.sum()
        else:
            covariance = scatter / counts[:, None, None]
        diagonal = np.diagonal(scatter / counts[:, None, None], axis1=1, axis2=2)
        factors = {"full": lambda: np.swapaxes(np.linalg.inv(np.linalg.cholesky(covariance)), 1, 2),
                   "tied": lambda: np.linalg.inv(np.linalg.cholesky(covariance)).T,
                   "diag": lambda: diagonal**-0.5,
                   "spherical": lambda: diagonal.mean(axis=1)**-0.5}[covariance_type]()
    model = GaussianMixture(2, covariance_type=covariance_type, reg_covar=0, tol=0, max_iter=8,
                            precisions_init=one, **start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, labels=known)
    assert_allclose(model.lower_bounds_, bounds, rtol=1e-10)
    assert_allclose(model.weights_, weights, rtol=1e-10)
    assert_allclose(model.means_, means, rtol=1e-9, atol=1e-10)
    assert_allclose(reference.full_covariances(model.precisions_cholesky_, covariance_type, 2, 2),
                    reference.full_covariances(factors, covariance_type, 2, 2),
                    rtol=1e-9, atol=1e-10)


@pytest.mark.filterwarnings("ignore:collapsed")          # few rows, many gaps
@pytest.mark.filterwarnings("ignore:component . without a row")
@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("prior", [None, "empirical"])
@pytest.mark.parametrize("acceleration", [None, "squarem"])
def test_objective_never_falls(covariance_type, prior, acceleration):
    """No step down beyond rounding, without reg_covar, on random tables with random gaps."""
    finished = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        n, d, k = int(rng.integers(40, 120)), int(rng.integers(2, 5)), int(rng.integers(1, 4))
        data = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d) * 10
        model = GaussianMixture(k, covariance_type=covariance_type, reg_covar=0, tol=0,
                                covariance_prior=prior, max_iter=300, random_state=seed,
                                acceleration=acceleration)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                model.fit(gaps(data, rng.uniform(0.05, 0.4), seed))
            except ValueError as error:
                # without a prior the likelihood is unbounded: some tables collapse
                assert prior is None and "ill-defined" in str(error)
                continue
        bounds = np.array(model.lower_bounds_)
        finished += 1
        fall = -np.diff(bounds) / np.maximum(1, np.abs(bounds[1:]))
        assert fall.max() <= 1e-12
    assert finished >= (5 if prior is None else 8)


@pytest.mark.filterwarnings("ignore:the objective fell")     # by reg_covar
@pytest.mark.filterwarnings("ignore:reg_covar=1e-06 is not small")
@pytest.mark.filterwarnings("ignore:column 2 with one value only")
@pytest.mark.filterwarnings("ignore:the columns .* with one value only")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_a_variance_on_its_way_to_zero_is_a_collapse(covariance_type, dtype):
    """Missing values keep a share of it in every step, so that it never is zero."""
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=(80, 2)), np.full(80, 3.25)]
    if covariance_type == "spherical":
        X[:, :2] = 1.5
    X = gaps(X, 0.3).astype(dtype)
    with pytest.raises(DegenerateFitError, match="ill-defined empirical covariance"):
        GaussianMixture(1, covariance_type=covariance_type, reg_covar=0, tol=0,
                        max_iter=300).fit(X)
    for options in ({"reg_covar": 1e-6}, {"reg_covar": 0, "covariance_prior": (5.0, 0.1)}):
        model = GaussianMixture(1, covariance_type=covariance_type, max_iter=300, **options)
        assert np.isfinite(model.fit(X).covariances_).all()


@pytest.mark.parametrize("covariance_type", TYPES)
def test_float32_is_close_to_float64_from_the_same_start(covariance_type):
    X = gaps(load_iris().data)
    centers = np.array([X[i::3][~np.isnan(X[i::3]).any(axis=1)][0] for i in range(3)])
    precisions = {"full": np.repeat(np.eye(4)[None], 3, axis=0), "tied": np.eye(4),
                  "diag": np.ones((3, 4)), "spherical": np.ones(3)}[covariance_type]
    model = GaussianMixture(3, covariance_type=covariance_type, max_iter=20, tol=0,
                            weights_init=np.full(3, 1 / 3), means_init=centers,
                            precisions_init=precisions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wide = model.fit(X)
        wide, bounds = wide.means_, np.array(wide.lower_bounds_)
        narrow = model.fit(X.astype("f4"))
    assert_allclose(narrow.means_, wide, atol=5e-3)
    assert np.abs(narrow.lower_bounds_ - bounds).max() < 1e-4
    assert narrow.impute(X.astype("f4")).dtype == np.float32


@pytest.mark.parametrize("covariance_type", TYPES)
def test_marginals_and_conditions_say_what_incomplete_rows_say(covariance_type):
    """A row with gaps has the density and the posterior of the mixture of its columns."""
    X = gaps(load_iris().data)
    model = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
    row = load_iris().data[:1].copy()
    row[0, [1, 3]] = np.nan
    marginal = model.marginal([0, 2])
    assert_allclose(model.score_samples(row), marginal.score_samples(row[:, [0, 2]]), rtol=1e-10)
    conditional = model.condition([0, 2], row[0, [0, 2]])
    assert_allclose(model.predict_proba(row)[0], conditional.weights_, rtol=1e-9)
    assert_allclose(model.impute(row)[0, [1, 3]], conditional.weights_ @ conditional.means_,
                    rtol=1e-9)
    assert_allclose(model.regress([0, 2], row[:, [0, 2]])[0][0], model.impute(row)[0, [1, 3]],
                    rtol=1e-9)
    with pytest.raises(ValueError, match="NaN"):
        model.condition([0], [np.nan])
    # column 1 of the row is not known: column 0 alone decides
    mean, covariance = model.regress([0, 1], row[:, [0, 1]])
    alone = model.regress([0], row[:, [0]])
    assert_allclose(mean, alone[0][:, 1:], rtol=1e-9)
    assert_allclose(covariance, alone[1][:, 1:, 1:], rtol=1e-9)


def test_rows_in_any_layout_are_read_in_place():
    X = gaps(load_iris().data)
    wanted = GaussianMixture(3, random_state=0).fit(X)
    strided = np.zeros((300, 8))
    strided[::2, ::2] = X
    for rows in (np.asfortranarray(X), strided[::2, ::2], X[::-1][::-1], X.copy()):
        rows.setflags(write=False)
        before = rows.tobytes()
        fit = GaussianMixture(3, random_state=0).fit(rows)
        assert_array_equal(fit.means_, wanted.means_)
        assert_array_equal(fit.impute(rows), wanted.impute(X))
        assert rows.tobytes() == before


def test_criteria_of_many_rows_are_summed_in_parts():
    rng = np.random.default_rng(0)
    X = gaps(rng.normal(size=(70_000, 2)), 0.2)
    model = GaussianMixture(2, random_state=0, max_iter=5, tol=1e9).fit(X)
    total = model.score_samples(X).sum()
    assert_allclose(model.aic(X), -2 * total + 2 * model._n_parameters(), rtol=1e-12)
    weight = rng.integers(0, 3, size=len(X))
    assert_allclose(model.bic(X, sample_weight=weight),
                    model.bic(np.repeat(X, weight, axis=0)), rtol=1e-12)
