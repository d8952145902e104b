"""GaussianMixture on rows with missing values, against EM row by row in NumPy."""

import pickle

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, load_wine

from emkernels import GaussianMixture, select_mixture

TYPES = ("full", "tied", "diag", "spherical")
STARTS = ("kmeans", "k-means++", "random", "random_from_data")


def knocked_out(X, share=0.15, seed=0):
    X = X.copy()
    X[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    return X


@pytest.fixture(scope="module")
def rows():
    """Two clusters of 120 rows, 15 % missing, two rows without any value."""
    rng = np.random.default_rng(3)
    mix = rng.normal(size=(2, 3, 3)) * 0.4 + np.eye(3)
    parts = [rng.normal(size=(60, 3)) @ mix[k] + 3 * k for k in range(2)]
    X = knocked_out(np.concatenate(parts))
    X[[7, 90]] = np.nan
    return X


def start(X, k, covariance_type):
    means = np.nanmean(X, axis=0) + np.linspace(-1, 1, k)[:, None] * np.nanstd(X, axis=0)
    precision = np.diag(1 / np.nanvar(X, axis=0))
    precisions = {
        "full": np.repeat(precision[None], k, axis=0), "tied": precision,
        "diag": np.repeat(np.diag(precision)[None], k, axis=0),
        "spherical": np.full(k, np.trace(precision) / len(precision)),
    }[covariance_type]
    return {"weights_init": np.full(k, 1 / k), "means_init": means,
            "precisions_init": precisions, "covariance_type": covariance_type}


def factors(covariances, covariance_type):
    if covariance_type in ("diag", "spherical"):
        return covariances**-0.5
    return np.swapaxes(np.linalg.inv(np.linalg.cholesky(covariances)), -1, -2)


def slow_em(X, k, covariance_type, n_iter, weight=None):
    """Parameters and log-likelihoods of plain EM, one row after the other."""
    given = start(X, k, covariance_type)
    weights, means = given["weights_init"], given["means_init"]
    covariances = given["precisions_init"]**-1.0 if covariance_type in ("diag", "spherical") else (
        np.linalg.inv(given["precisions_init"]))
    weight = np.ones(len(X)) if weight is None else weight
    # rows without any value are left out: they only slow EM down
    seen = ~np.isnan(X).all(axis=1)
    trace = []
    for _ in range(n_iter):
        counts, first, second, log_likelihood = reference.incomplete_statistics(
            X[seen], weights, means, factors(covariances, covariance_type), covariance_type,
            weight[seen])
        trace.append(log_likelihood / weight.sum())
        offset = first / counts[:, None]
        weights, means = counts / counts.sum(), means + offset
        outer = counts[:, None, None] * offset[:, :, None] * offset[:, None, :]
        if covariance_type == "full":
            covariances = (second - outer) / counts[:, None, None]
        elif covariance_type == "tied":
            covariances = (second - outer.sum(axis=0)) / counts.sum()
        elif covariance_type == "diag":
            covariances = second / counts[:, None] - offset**2
        else:
            covariances = (second / counts - (offset**2).sum(axis=1)) / X.shape[1]
    return weights, means, covariances, trace


@pytest.mark.filterwarnings("ignore:Best performing")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_iterations_are_those_of_plain_em(rows, covariance_type, weighted):
    weight = np.random.default_rng(0).integers(0, 3, len(rows)).astype(float) if weighted else None
    expected = slow_em(rows, 2, covariance_type, 12, weight)
    model = GaussianMixture(2, reg_covar=0, tol=0, max_iter=12, **start(rows, 2, covariance_type))
    model.fit(rows, sample_weight=weight)
    found = (model.weights_, model.means_, model.covariances_, model.lower_bounds_)
    for a, b in zip(found, expected):
        assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    assert np.diff(model.lower_bounds_).min() >= -1e-12 * abs(model.lower_bound_)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_rows_are_those_of_the_oracle(rows, covariance_type):
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(rows)
    p = model.weights_, model.means_, model.precisions_cholesky_, covariance_type
    log_prob = reference.incomplete_log_density(rows, *p[1:])
    resp, norm = reference.responsibilities(log_prob, np.log(p[0]))
    assert_allclose(model.predict_proba(rows), resp, atol=1e-10)
    assert_array_equal(model.predict(rows), resp.argmax(axis=1))
    assert_allclose(model.score_samples(rows), norm, atol=1e-10)
    assert_allclose(model.score(rows), norm.mean())
    assert_allclose(model.score_samples(rows)[7], 0, atol=1e-12)
    assert_allclose(model.predict_proba(rows)[7], model.weights_)
    n_parameters = model._n_parameters()
    bic = -2 * norm.sum() + n_parameters * np.log(len(rows))
    assert_allclose(model.bic(rows), bic)
    assert_allclose(model.aic(rows), -2 * norm.sum() + 2 * n_parameters)
    entropy = -(resp * np.log(np.where(resp > 0, resp, 1))).sum()
    assert_allclose(model.icl(rows), bic + 2 * entropy, rtol=1e-9)
    imputed = model.impute(rows)
    expected, _ = reference.conditional_moments(rows, *p)
    assert_allclose(imputed, expected, rtol=1e-9, atol=1e-9)
    seen = ~np.isnan(rows)
    assert imputed[seen].tobytes() == rows[seen].tobytes()
    assert_allclose(imputed[7], model.weights_ @ model.means_)


def test_impute_of_complete_rows_is_a_copy(rows):
    model = GaussianMixture(2, random_state=0).fit(rows)
    complete = rows[~np.isnan(rows).any(axis=1)]
    out = model.impute(complete)
    assert_array_equal(out, complete)
    assert not np.shares_memory(out, complete)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_a_weight_of_two_is_the_row_twice(rows, covariance_type):
    weight = np.random.default_rng(1).integers(0, 3, len(rows))
    options = {"max_iter": 30, "tol": 1e-6, **start(rows, 2, covariance_type)}
    a = GaussianMixture(2, **options).fit(rows, sample_weight=weight)
    b = GaussianMixture(2, **options).fit(np.repeat(rows, weight, axis=0))
    assert_allclose(a.means_, b.means_, rtol=1e-9)
    assert_allclose(a.covariances_, b.covariances_, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_squarem_reaches_the_same_maximum_and_never_falls(rows, covariance_type):
    options = {"reg_covar": 0, "tol": 1e-12, "max_iter": 5000, **start(rows, 2, covariance_type)}
    plain = GaussianMixture(2, **options).fit(rows)
    fast = GaussianMixture(2, acceleration="squarem", **options).fit(rows)
    assert_allclose(fast.lower_bound_, plain.lower_bound_, rtol=0, atol=1e-9)
    assert_allclose(fast.means_, plain.means_, atol=1e-3)
    for model in (plain, fast):
        assert np.diff(model.lower_bounds_).min() >= -1e-12 * abs(model.lower_bound_)


def test_the_gradient_is_zero_at_the_maximum(rows):
    model = GaussianMixture(2, reg_covar=0, tol=1e-14, max_iter=5000, acceleration="squarem",
                            convergence="parameters", **start(rows, 2, "full"))
    with np.errstate(all="ignore"):
        model.fit(rows)

    def value(means):
        log_prob = reference.incomplete_log_density(rows, means, model.precisions_cholesky_)
        return reference.responsibilities(log_prob, np.log(model.weights_))[1].sum()

    for k in range(2):
        for d in range(3):
            step = np.zeros((2, 3))
            step[k, d] = 1e-5
            slope = (value(model.means_ + step) - value(model.means_ - step)) / 2e-5
            assert abs(slope) < 1e-5


@pytest.mark.parametrize("covariance_type", TYPES)
def test_known_labels(rows, covariance_type):
    truth = np.repeat([0, 1], 60)
    labels = np.full(len(rows), -1)
    labels[::4] = truth[::4]
    labels[7] = 0       # a row without any value, whose component is known
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0)
    model.fit(rows, labels=labels)
    assert (model.predict(rows) == truth).mean() > 0.9
    with pytest.raises(ValueError, match="labels"):
        model.fit(rows, labels=np.full(len(rows), 5))


def test_a_component_without_known_rows(rows):
    labels = np.where(np.arange(len(rows)) < 20, 0, -1)
    model = GaussianMixture(2, random_state=0).fit(rows, labels=labels)
    assert (model.predict(rows) == np.repeat([0, 1], 60)).mean() > 0.9


@pytest.mark.filterwarnings("ignore:Best performing")
# 13 columns and 59 rows a component; and chance alone tells no component from another
@pytest.mark.filterwarnings("ignore:collapsed")
@pytest.mark.filterwarnings("ignore:the components .* are the same")
@pytest.mark.parametrize("load", [load_iris, load_wine], ids=["iris", "wine"])
@pytest.mark.parametrize("init_params", STARTS)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_every_start_on_real_tables(load, init_params, covariance_type):
    X, y = load(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    Y = knocked_out(X)
    model = GaussianMixture(3, covariance_type=covariance_type, init_params=init_params,
                            random_state=0).fit(Y)
    single = GaussianMixture(3, covariance_type=covariance_type, init_params=init_params,
                             random_state=0).fit(Y.astype(np.float32))
    assert single.means_.dtype == np.float32
    assert_allclose(single.lower_bound_, model.lower_bound_, atol=0.05)
    missing = np.isnan(Y)
    error = np.sqrt(np.mean((model.impute(Y) - X)[missing] ** 2))
    assert error < 1.05 * np.sqrt(np.mean(X[missing] ** 2))     # the column means
    if init_params == "kmeans":
        hits = max((model.predict(Y) == np.array(order)[y]).mean() for order in
                   [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
        assert hits > 0.8


@pytest.mark.parametrize("init_params", STARTS)
def test_the_same_bits_for_every_number_of_threads(rows, init_params):
    X = np.concatenate([rows + 0.01 * i for i in range(40)])
    fits = [GaussianMixture(3, init_params=init_params, random_state=0, n_threads=n, max_iter=5,
                            tol=1e9).fit(X) for n in (1, 2, 3)]
    for other in fits[1:]:
        assert other.means_.tobytes() == fits[0].means_.tobytes()
        assert other.covariances_.tobytes() == fits[0].covariances_.tobytes()


@pytest.mark.parametrize("covariance_type", TYPES)
def test_covariance_priors(rows, covariance_type):
    for prior in ("empirical", (5.0, 0.5)):
        model = GaussianMixture(2, covariance_type=covariance_type, reg_covar=0, tol=1e-10,
                                max_iter=2000, covariance_prior=prior, weight_concentration=2.0,
                                random_state=0).fit(rows)
        assert np.diff(model.lower_bounds_).min() >= -1e-12 * abs(model.lower_bound_)
        assert np.isfinite(model.covariances_).all()


def test_save_load_and_warm_start(rows, tmp_path):
    model = GaussianMixture(2, random_state=0, warm_start=True).fit(rows)
    model.save(tmp_path / "mixture.npz")
    loaded = GaussianMixture.load(tmp_path / "mixture.npz")
    assert_array_equal(loaded.predict_proba(rows), model.predict_proba(rows))
    assert_array_equal(pickle.loads(pickle.dumps(model)).impute(rows), model.impute(rows))
    before = model.lower_bound_
    assert model.fit(rows).lower_bound_ >= before - 1e-12
    complete = rows[~np.isnan(rows).any(axis=1)]
    model.fit(complete)     # from the parameters of incomplete rows


def test_tables(rows):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    frame["b"] = frame["b"].astype("Float64")       # its missing values are pandas.NA
    a = GaussianMixture(2, random_state=0).fit(frame)
    b = GaussianMixture(2, random_state=0).fit(rows)
    assert_array_equal(a.means_, b.means_)
    assert_array_equal(a.predict(frame), b.predict(rows))
    assert a.__sklearn_tags__().input_tags.allow_nan


def test_empty_rows_change_nothing(rows):
    more = np.concatenate([rows, np.full((50, 3), np.nan)])
    for covariance_type in ("full", "tied"):
        options = {"tol": 1e-9, "max_iter": 3000, **start(rows, 2, covariance_type)}
        a, b = (GaussianMixture(2, **options).fit(X) for X in (rows, more))
        # tol is for one row, and there are more of them
        assert_allclose(a.means_, b.means_, atol=1e-5)
        assert_allclose(b.lower_bound_ * len(more), a.lower_bound_ * len(rows), rtol=1e-7)


def test_a_column_that_is_seen_under_the_last_of_many_patterns():
    """4096 patterns are looked at together, those that lack most at the end."""
    bits = (np.arange(2**13 - 1)[:, None] >> np.arange(13)) & 1
    X = np.random.default_rng(0).normal(size=(2**13 - 1, 14))
    X[:, 1:][bits == 1] = np.nan
    X[:, 0] = np.nan
    X[-1, 0] = 3.0
    X[-1, 2:] = np.nan
    X[-1, 1] = 1.0
    assert GaussianMixture(1, max_iter=0).fit(X).means_[0, 0] == 3
    X[-1, 0] = np.nan
    with pytest.raises(ValueError, match="no observed value in column 0"):
        GaussianMixture(1, max_iter=0).fit(X)


def test_one_component_is_the_normal_distribution():
    rng = np.random.default_rng(0)
    X = knocked_out(rng.normal(size=(80, 3)) @ rng.normal(size=(3, 3)), 0.2)
    mean, covariance, trace = reference.gaussian_em(X, 400)
    model = GaussianMixture(1, reg_covar=0, tol=1e-13, max_iter=3000).fit(X)
    assert_allclose(model.means_[0], mean, atol=1e-6)
    assert_allclose(model.covariances_[0], covariance, atol=1e-6)
    assert_allclose(model.lower_bound_ * len(X), trace[-1], rtol=1e-9)


def test_the_number_of_components_is_found(rows):
    result = select_mixture(rows, range(1, 4), random_state=0)
    assert result.best.n_components == 2


@pytest.mark.parametrize("n_seen", [0, 1])
def test_a_cluster_that_misses_a_column_keeps_its_usual_variance(n_seen):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    X[200:, 0] += 20
    X[:, 1] = 3 * X[:, 2] + rng.normal(size=400) + 10
    usual = X[:, 1].var()
    X[200 + n_seen:, 1] = np.nan
    model = GaussianMixture(2, random_state=0).fit(X)
    far = model.predict([[20, 10, 0]])[0]
    assert 0.3 * usual < model.covariances_[far, 1, 1] < 3 * usual
    assert model.predict([[20, 13, 1], [20, np.nan, 1], [0, 13, 1]]).tolist() == [far, far, 1 - far]
