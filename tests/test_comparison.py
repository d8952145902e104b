"""K-means and EM side by side."""

import doctest
import math
from unittest import mock

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

import emkernels.comparison
from emkernels import ClusteringComparison, GaussianMixture, KMeans, compare_clusterings


def stripes(n=300, seed=0):
    """Three long clusters, one above the other."""
    truth = np.repeat([0, 1, 2], n)
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3 * n, 2)) * [6, 0.4] + np.c_[0 * truth, 3 * truth], truth


@pytest.fixture(scope="module")
def result():
    return compare_clusterings(stripes()[0], 3, random_state=0)


def test_long_clusters_are_found_by_em_and_not_by_kmeans(result):
    truth = stripes()[1]
    assert adjusted_rand_score(truth, result.kmeans_labels) < 0.2
    assert adjusted_rand_score(truth, result.mixture_labels) > 0.99
    assert result.adjusted_rand < 0.2
    assert result.mixture_bic < result.kmeans_bic - 1000
    for row in result.table:
        assert 12 < row["elongation"] < 18
        assert_allclose(row["spread"], math.sqrt(6 * 0.4), rtol=0.1)


def test_iris():
    X, truth = load_iris(return_X_y=True)
    result = compare_clusterings(X, 3, random_state=0)
    assert isinstance(result, ClusteringComparison)
    assert_allclose(adjusted_rand_score(truth, result.kmeans_labels), 0.716, atol=5e-4)
    assert_allclose(adjusted_rand_score(truth, result.mixture_labels), 0.904, atol=5e-4)
    assert_allclose(result.mixture_bic, 580.84, atol=0.01)
    assert [row["mixture_rows"] for row in result.table] == [45, 50, 55]
    assert result.feature_names == ["x0", "x1", "x2", "x3"]
    assert result.kmeans_seconds > 0
    assert result.mixture_seconds > 0


@pytest.mark.parametrize("type_", ["full", "tied", "diag", "spherical", "EEI", "EEE", "VVE"])
@pytest.mark.parametrize("start", ["kmeans", "random_from_data"])
def test_the_mixture_keeps_its_fit_in_the_order_of_the_clusters(type_, start):
    X, _ = stripes(100)
    X = np.concatenate([X, X + [40, 0]])
    result = compare_clusterings(
        X, 4, covariance_type=type_, random_state=3, init_params=start)
    alone = GaussianMixture(
        4, covariance_type=type_, random_state=3, tol=1e-6, max_iter=1000, init_params=start)
    alone.fit(X)
    assert_array_equal(result.kmeans.labels_, KMeans(4, random_state=3, n_init=1).fit(X).labels_)
    if start == "random_from_data":
        assert (result.mixture.weights_ != alone.weights_).any()     # there is something to order
    assert_allclose(result.mixture.score_samples(X), alone.score_samples(X), rtol=1e-12)
    assert_allclose(np.sort(result.mixture.weights_), np.sort(alone.weights_), rtol=1e-12)
    assert_array_equal(result.mixture.predict(X), result.mixture_labels)
    assert_allclose(result.mixture_bic, alone.bic(X), rtol=1e-12)
    # the best of all orders
    overlap = np.array([[((result.kmeans_labels == a) & (result.mixture_labels == b)).sum()
                         for b in range(4)] for a in range(4)])
    assert_array_equal([row["common_rows"] for row in result.table], overlap.diagonal())
    for order in np.array(np.meshgrid(*[range(4)] * 4)).reshape(4, -1).T:
        if len(set(order)) == 4:
            assert overlap[range(4), order].sum() <= overlap.trace()


def test_table_by_hand(result):
    X = result.X
    resp = result.mixture.predict_proba(X)
    assert_array_equal(result.soft, resp.max(axis=1) < 0.9)
    assert_allclose(result.soft_share, result.soft.mean())
    for j, row in enumerate(result.table):
        mine = result.mixture_labels == j
        assert row["cluster"] == j
        assert row["kmeans_rows"] == (result.kmeans_labels == j).sum()
        assert row["mixture_rows"] == mine.sum()
        assert_allclose(row["mixture_share"], mine.mean())
        values = np.linalg.eigvalsh(result.mixture.covariances_[j])
        assert_allclose(row["elongation"], np.sqrt(values[1] / values[0]))
        assert_allclose(row["spread"], np.linalg.det(result.mixture.covariances_[j]) ** 0.25)
        assert_allclose(row["soft_share"], result.soft[mine].mean())


@pytest.mark.parametrize("weighted", [False, True])
def test_the_mixture_that_kmeans_implies(weighted):
    X, _ = stripes(80)
    X[::3, 1] += 1      # soft rows
    weight = np.random.default_rng(1).random(len(X)) if weighted else np.ones(len(X))
    result = compare_clusterings(X, 3, sample_weight=weight if weighted else None, random_state=0)
    labels, centers = result.kmeans_labels, result.kmeans.cluster_centers_
    variance = (weight * ((X - centers[labels]) ** 2).sum(axis=1)).sum() / (2 * weight.sum())
    terms = [np.log(weight[labels == k].sum() / weight.sum())
             + multivariate_normal(centers[k], variance).logpdf(X) for k in range(3)]
    expected = -2 * weight @ logsumexp(terms, axis=0) + 9 * np.log(weight.sum())
    assert_allclose(result.kmeans_bic, expected, rtol=1e-10)
    assert_allclose(sum(row["kmeans_share"] for row in result.table), 1)
    assert result.soft.any()
    assert_allclose(result.soft_share, weight[result.soft].sum() / weight.sum())
    for k, row in enumerate(result.table):
        mine = result.mixture_labels == k
        assert_allclose(row["mixture_share"], weight[mine].sum() / weight.sum())
        assert_allclose(row["soft_share"], weight[mine & result.soft].sum() / weight[mine].sum())


def test_rows_that_are_certain_are_never_soft():
    # of groups this far apart every responsibility is 1, or what float32 has next to it
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1)) + np.repeat([0, 60, 120], 100)[:, None]
    result = compare_clusterings(X, 3, soft_below=1.0, random_state=0)
    assert (result.mixture.predict_proba(X).max(axis=1) == 1).all()
    assert not result.soft.any() and result.soft_share == 0
    assert [row["soft_share"] for row in result.table] == [0, 0, 0]
    # and all others are
    X[:, 0] = np.linspace(0, 20, 300)
    result = compare_clusterings(X, 3, soft_below=1.0, random_state=0)
    resp = result.mixture.predict_proba(X).max(axis=1)
    assert 0 < result.soft.sum() == (resp < 1).sum()


def test_rows_past_the_first_block():
    # those of the second block are a cluster of their own
    rng = np.random.default_rng(0)
    n = np.array([50_000, 12_000, 5_000])
    truth = np.repeat([0, 1, 2], n)
    X = np.array([0.0, 4.0, 20.0])[truth, None] + rng.normal(size=(n.sum(), 1))
    weight = np.where(np.arange(n.sum()) % 2, 0.5, 2.0)
    result = compare_clusterings(X, 3, sample_weight=weight, random_state=0, tol=1e-3)
    assert_array_equal(result.soft, result.mixture.predict_proba(X).max(axis=1) < 0.9)
    assert result.soft.any()
    centers, labels = result.kmeans.cluster_centers_[:, 0], result.kmeans_labels
    variance = weight @ (X[:, 0] - centers[labels]) ** 2 / weight.sum()
    shares = np.bincount(labels, weight) / weight.sum()
    joint = np.log(shares) + norm(centers, np.sqrt(variance)).logpdf(X)
    expected = -2 * weight @ logsumexp(joint, axis=1) + 6 * np.log(weight.sum())
    assert_allclose(result.kmeans_bic, expected, rtol=1e-10)
    assert_allclose([row["kmeans_share"] for row in result.table], shares, rtol=1e-12)


def test_weights_and_starts_go_to_both_fits():
    X = np.random.default_rng(0).normal(size=(300, 2))
    weight = np.r_[np.full(150, 0.1), np.full(150, 3.0)]
    X[:150] += 3
    found = {}
    for given, n_init in ((weight, 1), (None, 1), (weight, 4)):
        result = compare_clusterings(X, 4, sample_weight=given, random_state=2, n_init=n_init,
                                     covariance_type="diag", tol=1e-3)
        kmeans = KMeans(4, random_state=2, n_init=n_init).fit(X, sample_weight=given)
        mixture = GaussianMixture(4, covariance_type="diag", random_state=2, n_init=n_init,
                                  max_iter=1000).fit(X, sample_weight=given)
        assert_array_equal(result.kmeans.cluster_centers_, kmeans.cluster_centers_)
        assert result.kmeans.inertia_ == kmeans.inertia_
        assert_allclose(np.sort(result.mixture.weights_), np.sort(mixture.weights_), rtol=1e-12)
        assert_allclose(result.mixture_bic, mixture.bic(X, sample_weight=given), rtol=1e-12)
        found[given is None, n_init] = kmeans.inertia_, mixture.lower_bound_
    # each was seen by either fit
    assert len({inertia for inertia, _ in found.values()}) == 3
    assert len({bound for _, bound in found.values()}) == 3


def test_clusters_are_matched_by_what_rows_weigh():
    rng = np.random.default_rng(38)
    X = rng.normal(size=(120, 2)) * [6, 0.4] + np.c_[np.zeros(120), np.repeat([0, 3, 6], 40)]
    weight = rng.lognormal(0, 1.5, size=120)
    result = compare_clusterings(X, 3, sample_weight=weight, random_state=0, tol=1e-3)

    def best(w):
        overlap = [[w[(result.kmeans_labels == a) & (result.mixture_labels == b)].sum()
                    for b in range(3)] for a in range(3)]
        return list(linear_sum_assignment(overlap, maximize=True)[1])

    assert best(weight) == [0, 1, 2] != best(np.ones(120))
    # rows are counted all the same
    for k, row in enumerate(result.table):
        assert row["kmeans_rows"] == (result.kmeans_labels == k).sum()
        assert row["mixture_rows"] == (result.mixture_labels == k).sum()
        both = (result.kmeans_labels == k) & (result.mixture_labels == k)
        assert row["common_rows"] == both.sum()


@pytest.mark.filterwarnings("ignore:collapsed")         # rows that repeat
def test_no_variance_and_single_precision():
    X = np.repeat(np.random.default_rng(0).normal(size=(3, 2)), 40, axis=0) * 1e3
    result = compare_clusterings(X, 3, random_state=0, reg_covar=1e-3)
    assert not np.isnan(result.kmeans_bic)
    exact = compare_clusterings(np.repeat([[0.0], [8.0]], 40, axis=0), 2, random_state=0)
    assert exact.kmeans_bic == -np.inf
    assert "-inf" in str(exact)
    assert [row["elongation"] for row in exact.table] == [1, 1]
    single = compare_clusterings(stripes()[0].astype("f4"), 3, random_state=0)
    assert single.mixture.means_.dtype == single.kmeans.cluster_centers_.dtype == np.float32
    assert adjusted_rand_score(stripes()[1], single.mixture_labels) > 0.99


def test_one_cluster():
    result = compare_clusterings(stripes()[0], 1, random_state=0)
    assert result.adjusted_rand == 1
    assert result.soft_share == 0
    assert result.table[0]["common_rows"] == 900


def test_same_for_every_number_of_threads_and_every_run():
    X, _ = stripes(2000)
    results = [compare_clusterings(X, 3, random_state=np.random.RandomState(4), n_threads=t)
               for t in (1, 2, 3)]
    for other in results[1:]:
        assert other.table == results[0].table
        assert other.kmeans_bic == results[0].kmeans_bic
        assert other.mixture_bic == results[0].mixture_bic
        assert_array_equal(other.soft, results[0].soft)


# a fit that is cut short warns, too
@pytest.mark.filterwarnings("ignore:Best performing:sklearn.exceptions.ConvergenceWarning")
def test_what_is_printed(result):
    text = str(result)
    assert repr(result) == text
    lines = text.splitlines()
    assert max(map(len, lines)) <= 90
    assert lines == [line.rstrip() for line in lines]
    assert lines[0] == "K-means and EM (full covariances): 900 rows, 2 columns, 3 clusters"
    assert f"Adjusted Rand index of the two: {result.adjusted_rand:.3f}" in lines
    assert f"below 0.9): {result.soft.sum()} (" in text
    assert [int(line.split()[0]) for line in lines[-3:]] == [0, 1, 2]
    assert int(lines[-1].split()[2]) == result.table[2]["mixture_rows"]
    cut = compare_clusterings(result.X[:300], 2, random_state=0, max_iter=2, tol=0)
    assert "not converged" in str(cut)


def test_frames(result):
    pandas = pytest.importorskip("pandas")
    frame = result.to_frame()
    assert frame.index.name == "cluster"
    assert_array_equal(frame["kmeans_rows"], [row["kmeans_rows"] for row in result.table])
    table = pandas.DataFrame(result.X, columns=["length", "width"])
    named = compare_clusterings(table, 3, random_state=0)
    assert named.feature_names == ["length", "width"]
    assert named.table == result.table


def test_bad_input():
    X, _ = stripes(20)
    holes = X.copy()
    holes[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3, column 1. K-means needs complete rows"):
        compare_clusterings(holes, 3)
    with pytest.raises(ValueError, match="soft_below must be above 0 and at most 1, got 1.5"):
        compare_clusterings(X, 3, soft_below=1.5)
    with pytest.raises(ValueError, match="soft_below must be above 0 and at most 1, got 'a'"):
        compare_clusterings(X, 3, soft_below="a")
    with pytest.raises(ValueError, match="'n_clusters' parameter of KMeans"):
        compare_clusterings(X, 0)
    with pytest.raises(ValueError, match="n_clusters=61"):
        compare_clusterings(X, 61)
    with pytest.raises(ValueError, match="'covariance_type' parameter"):
        compare_clusterings(X, 3, covariance_type="round")
    with pytest.raises(ValueError, match="negative"):
        compare_clusterings(X, 3, sample_weight=-np.ones(60))
    with pytest.raises(TypeError, match="unexpected keyword"):
        compare_clusterings(X, 3, colour="red")


def test_example():
    outcome = doctest.testmod(emkernels.comparison)
    assert outcome.attempted > 4
    assert outcome.failed == 0


@pytest.mark.parametrize("bad", [
    {"covariance_type": "bogus"}, {"tol": -1}, {"max_iter": -3}, {"n_init": "auto"},
    {"reg_covar": -1}, {"init_params": "x"}, {"means_init": np.zeros((5, 2))}])
def test_nothing_is_fitted_with_bad_parameters(bad):
    X = np.random.default_rng(0).normal(size=(50, 2))
    with (mock.patch("emkernels.comparison._timed_fit", side_effect=AssertionError),
          pytest.raises((ValueError, TypeError), match=next(iter(bad)).removesuffix("_init"))):
        compare_clusterings(X, 2, **bad)


@pytest.mark.filterwarnings("ignore:collapsed")         # rows that repeat
@pytest.mark.filterwarnings("ignore:reg_covar=0.001 is not small")
def test_rows_on_their_centres_have_no_bic():
    X = np.random.default_rng(0).normal(size=(3, 2)).repeat(7, axis=0)
    result = compare_clusterings(X, 3, random_state=0, reg_covar=1e-3)
    assert result.kmeans_bic == -np.inf


def test_one_cluster_is_one():
    text = str(compare_clusterings(np.random.default_rng(0).normal(size=(50, 2)), 1))
    assert "1 cluster\n" in text
