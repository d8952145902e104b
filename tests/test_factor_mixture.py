"""Mixtures of factor analysers: updates, fits, methods, degenerate tables."""

import numpy as np
import pandas as pd
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning

from emkernels import FactorAnalysis, GaussianMixture, MixtureOfFactorAnalyzers
from emkernels.em import DegenerateWarning, EMWarning

quiet = pytest.mark.filterwarnings("ignore::emkernels.em.EMWarning",
                                   "ignore::sklearn.exceptions.ConvergenceWarning")
WINE = load_wine().data
GAPS = WINE.copy()
GAPS[np.random.default_rng(0).random(WINE.shape) < 0.15] = np.nan
GAPS[7] = np.nan


def start(K, q, D, seed=0, shared=False):
    rng = np.random.default_rng(seed)
    noise = rng.uniform(0.5, 2.0, size=(K, D))
    noise = np.repeat(noise[:1], K, axis=0) if shared else noise
    means, components = rng.normal(size=(K, D)), rng.normal(size=(K, q, D))
    return rng.dirichlet(np.full(K, 5.0)), means, components, noise


def from_start(values, shared=False, **options):
    weights, means, components, noise = values
    return MixtureOfFactorAnalyzers(
        len(weights), components.shape[1], shared_noise=shared, weights_init=weights,
        means_init=means, components_init=components,
        noise_variance_init=noise[0] if shared else noise, **options)


def table(n, D, seed=0, gaps=False):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, D)) @ rng.normal(size=(D, D)) + 3 * rng.integers(0, 2, n)[:, None]
    if gaps:
        X[rng.random(X.shape) < 0.2] = np.nan
        X[3] = np.nan
    return X


# --- updates ------------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("n", "D", "K", "q"), [(60, 7, 3, 2), (30, 20, 2, 4), (50, 3, 2, 5)])
def test_updates_are_those_of_dense_covariances(n, D, K, q, shared, gaps):
    X = table(n, D, gaps=gaps)
    weight = np.random.default_rng(1).uniform(0.2, 2.0, n)
    values = start(K, q, D, shared=shared)
    bounds = []
    model = from_start(values, shared, max_iter=3, tol=0, min_uniqueness=1e-9).fit(
        X, sample_weight=weight)
    for _ in range(3):
        norm, _ = reference.factor_mixture_e_step(X, *values)
        bounds.append(weight @ norm / weight.sum())
        values = reference.factor_mixture_update(X, weight, *values, 0.0, shared)
    assert_allclose(model.lower_bounds_, bounds, rtol=1e-10)
    for found, expected in zip((model.weights_, model.means_, model.components_), values):
        assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
    assert model.noise_variance_.shape == ((D,) if shared else (K, D))
    assert_allclose(np.broadcast_to(model.noise_variance_, (K, D)), values[3], rtol=1e-8)
    norm, resp = reference.factor_mixture_e_step(X, *values)
    assert_allclose(model.score_samples(X), norm, rtol=1e-9, atol=1e-9)
    assert_allclose(model.predict_proba(X), resp, atol=1e-9)
    assert_allclose(model.score(X, sample_weight=weight), weight @ norm / weight.sum())


@quiet
def test_the_bound_is_of_all_rows_and_shared_noise_is_averaged_first():
    X = table(60, 5)
    values = start(3, 2, 5, shared=True)
    floor = 0.3 * X.var(axis=0)
    model = from_start(values, True, max_iter=1, tol=0, min_uniqueness=0.3).fit(X)
    begin = (*values[:3], np.maximum(values[3], floor))
    free = reference.factor_mixture_update(X, None, *begin, 0.0, True)[3][0]
    assert (free < floor).any() and (free > floor).any()
    assert_allclose(model.noise_variance_, np.maximum(free, floor), rtol=1e-9)
    assert_array_equal(model.heywood_, np.argwhere(np.tile(free < floor, (3, 1))))


@quiet
@pytest.mark.parametrize("acceleration", [None, "squarem"])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("X", [WINE, GAPS], ids=["complete", "gaps"])
def test_the_objective_never_falls(X, shared, acceleration):
    weight = np.random.default_rng(0).uniform(0.1, 3.0, len(X))
    model = MixtureOfFactorAnalyzers(
        3, 2, shared_noise=shared, acceleration=acceleration, max_iter=60, tol=0, random_state=0,
        min_uniqueness=0.2).fit(X, sample_weight=weight)
    assert len(model.heywood_)      # with the bound at work
    bounds = np.array(model.lower_bounds_)
    assert (np.diff(bounds) >= -1e-12 * np.abs(bounds[1:])).all()
    assert bounds[-1] > bounds[0] + 0.1


# --- what it comes to ---------------------------------------------------------------------------


@pytest.mark.parametrize("q", [1, 2])
def test_one_component_is_factor_analysis(q):
    model = MixtureOfFactorAnalyzers(
        1, q, tol=1e-12, max_iter=5000, acceleration="squarem", min_uniqueness=1e-8,
        random_state=0).fit(WINE)
    expected = FactorAnalysis(q).fit(WINE)
    assert_allclose(model.score(WINE), expected.score(WINE), rtol=1e-9)
    assert_allclose(model.noise_variance_[0], expected.noise_variance_, rtol=2e-3)
    assert_allclose(model.get_covariance(0), expected.get_covariance(), rtol=1e-2, atol=1e-2)
    assert model.n_parameters_ == expected.n_parameters_
    assert_allclose(model.bic(WINE), expected.bic(WINE), rtol=1e-9)


def test_one_component_with_gaps_is_factor_analysis():
    model = MixtureOfFactorAnalyzers(
        1, 2, tol=1e-12, max_iter=5000, acceleration="squarem", min_uniqueness=1e-8,
        random_state=0).fit(GAPS)
    expected = FactorAnalysis(2).fit(GAPS)
    assert_allclose(model.score(GAPS), expected.score(GAPS), rtol=1e-8)
    assert_allclose(model.score_samples(GAPS), expected.score_samples(GAPS), rtol=0.05, atol=0.05)


@quiet
def test_many_factors_are_full_covariances():
    """Of three columns one factor is any covariance: the mixture's maximum is the same."""
    X = load_iris().data[:, :3]
    full = GaussianMixture(2, reg_covar=0, tol=1e-12, max_iter=2000, random_state=0).fit(X)
    model = MixtureOfFactorAnalyzers(
        2, 2, weights_init=full.weights_, means_init=full.means_, tol=1e-12, max_iter=5000,
        acceleration="squarem", min_uniqueness=1e-10, random_state=0).fit(X)
    assert_allclose(model.score(X), full.score(X), rtol=1e-6)
    assert_allclose(model.covariances_, full.covariances_, atol=5e-3)


def test_float32():
    X = WINE.astype(np.float32)
    options = {"tol": 1e-5, "max_iter": 500, "random_state": 0, "min_uniqueness": 1e-2}
    a, b = (MixtureOfFactorAnalyzers(3, 2, **options).fit(data) for data in (X, WINE))
    assert_allclose(a.score(X), b.score(WINE), rtol=1e-4)
    assert a.score_samples(X).dtype == a.predict_proba(X).dtype == np.float32
    assert_array_equal(a.predict(X), b.predict(WINE))


@quiet
@pytest.mark.parametrize("X", [WINE, GAPS], ids=["complete", "gaps"])
def test_weights_repeat_rows_and_zero_leaves_them_out(X):
    weight = np.random.default_rng(2).integers(0, 3, len(X)).astype(float)
    repeated = np.repeat(X, weight.astype(int), axis=0)
    values = start(2, 2, X.shape[1])
    values = (values[0], WINE[[0, 100]], WINE.std(axis=0) * values[2], WINE.var(axis=0) * values[3])
    a = from_start(values, max_iter=20).fit(X, sample_weight=weight)
    b = from_start(values, max_iter=20).fit(repeated)
    assert_allclose(a.lower_bounds_, b.lower_bounds_, rtol=1e-9)
    assert_allclose(a.noise_variance_, b.noise_variance_, rtol=1e-6)
    spoiled = X.copy()
    spoiled[weight == 0] = 1e9
    c = MixtureOfFactorAnalyzers(2, 2, random_state=0).fit(X, sample_weight=weight)
    d = MixtureOfFactorAnalyzers(2, 2, random_state=0).fit(spoiled, sample_weight=weight)
    assert_array_equal(c.means_, d.means_)


@quiet
def test_bits_do_not_depend_on_threads():
    X = np.random.default_rng(0).normal(size=(1500, 30)) + 4 * (np.arange(1500) % 3)[:, None]
    fits = [MixtureOfFactorAnalyzers(3, 2, n_threads=n, random_state=0, max_iter=10, tol=0).fit(X)
            for n in (1, 2, 5)]
    for other in fits[1:]:
        assert other.lower_bounds_ == fits[0].lower_bounds_
        assert_array_equal(other.components_, fits[0].components_)


@quiet
def test_units_of_the_columns_do_not_matter():
    unit = 10.0 ** np.linspace(-100, 100, WINE.shape[1])
    a, b = (MixtureOfFactorAnalyzers(2, 2, random_state=0).fit(X) for X in (WINE, WINE * unit))
    assert_allclose(b.means_, a.means_ * unit, rtol=1e-6)
    assert_allclose(b.noise_variance_, a.noise_variance_ * unit**2, rtol=1e-5)
    shifted = MixtureOfFactorAnalyzers(2, 2, random_state=0).fit(WINE + 1e8)
    assert_allclose(shifted.lower_bound_, a.lower_bound_, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::emkernels.em.DegenerateWarning")
def test_digits_better_than_diagonal():
    """The figure: fewer bits for digits than mixtures of independent columns."""
    X = load_digits().data
    X = X[:, X.std(axis=0) > 0.5]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    factors = MixtureOfFactorAnalyzers(10, 4, min_uniqueness=1e-2, random_state=0,
                                       max_iter=500).fit(X)
    diag = GaussianMixture(10, covariance_type="diag", reg_covar=1e-2, random_state=0,
                           max_iter=500).fit(X)
    assert factors.bic(X) < diag.bic(X) - 5000


@quiet
def test_twenty_components_of_wide_rows():
    rng = np.random.default_rng(0)
    kinds = rng.integers(20, size=2500)
    X = 2 * rng.normal(size=(20, 784))[kinds] + rng.normal(size=(2500, 1)) + rng.normal(
        size=(2500, 784))
    model = MixtureOfFactorAnalyzers(20, 3, random_state=0, max_iter=5).fit(X.astype("f4"))
    assert model.components_.shape == (20, 3, 784)
    found = model.predict(X.astype("f4"))
    share = np.mean([np.bincount(found[kinds == k]).max() / (kinds == k).sum() for k in range(20)])
    assert share > 0.95


# --- methods --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    return MixtureOfFactorAnalyzers(3, 2, random_state=0, min_uniqueness=1e-2,
                                    max_iter=500).fit(GAPS)


def test_parameters_are_counted(fitted):
    D, K, q = 13, 3, 2
    assert fitted.n_parameters_ == K - 1 + K * D + K * (D * q - 1) + K * D
    shared = MixtureOfFactorAnalyzers(
        K, q, shared_noise=True, random_state=0, max_iter=500).fit(WINE)
    assert shared.n_parameters_ == K - 1 + K * D + K * (D * q - 1) + D
    assert shared.noise_variance_.shape == (D,)
    with pytest.warns(EMWarning, match="n_factors=5 is more than the 2 columns that vary"):
        wide = MixtureOfFactorAnalyzers(2, 5, random_state=0, max_iter=500).fit(WINE[:, :2])
    assert wide.n_parameters_ == 1 + 4 + 2 * (4 - 1) + 4


def test_criteria(fitted):
    total = fitted.score_samples(GAPS).sum()
    assert_allclose(fitted.bic(GAPS), -2 * total + fitted.n_parameters_ * np.log(len(GAPS)))
    assert_allclose(fitted.aic(GAPS), -2 * total + 2 * fitted.n_parameters_)
    resp = fitted.predict_proba(GAPS)
    entropy = -(resp * np.log(np.where(resp > 0, resp, 1))).sum()
    assert_allclose(fitted.icl(GAPS), fitted.bic(GAPS) + 2 * entropy)


def test_missing_values_are_imputed(fitted):
    out = fitted.impute(GAPS)
    seen = ~np.isnan(GAPS)
    assert_array_equal(out[seen], GAPS[seen])
    assert np.isnan(GAPS[7]).all()
    assert_allclose(out[7], fitted.weights_ @ fitted.means_)
    i = int(np.flatnonzero(~seen.all(axis=1) & seen.any(axis=1))[0])
    o, m = seen[i], ~seen[i]
    expected = 0
    for k, resp in enumerate(fitted.predict_proba(GAPS)[i]):
        covariance, mean = fitted.get_covariance(k), fitted.means_[k]
        expected = expected + resp * (mean[m] + covariance[np.ix_(m, o)] @ np.linalg.solve(
            covariance[np.ix_(o, o)], GAPS[i, o] - mean[o]))
    assert_allclose(out[i, m], expected, rtol=1e-8)
    assert_array_equal(fitted.impute(WINE), WINE)


def test_rows_with_nothing_have_the_weights(fitted):
    assert_allclose(fitted.predict_proba(GAPS)[7], fitted.weights_, rtol=1e-12)
    assert_allclose(fitted.score_samples(GAPS)[7], 0, atol=1e-14)


def test_samples_are_of_the_mixture(fitted):
    X, y = fitted.sample(20_000)
    assert_allclose(np.bincount(y) / len(y), fitted.weights_, atol=0.02)
    unit = WINE.std(axis=0)
    for k in range(3):
        own = X[y == k]
        assert_allclose(own.mean(axis=0) / unit, fitted.means_[k] / unit, atol=0.1)
        assert_allclose(np.cov(own, rowvar=False) / unit / unit[:, None],
                        fitted.get_covariance(k) / unit / unit[:, None], atol=0.12)
    with pytest.raises(ValueError, match="at least one sample"):
        fitted.sample(0)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("X", [WINE, GAPS], ids=["whole", "gaps"])
def test_factors_of_the_most_probable_component(fitted, X, dtype):
    X = X.astype(dtype)
    z, labels = fitted.transform(X), fitted.predict(X)
    assert z.dtype == dtype
    assert len(np.unique(labels)) == 3
    for i, k in enumerate(labels):
        o = ~np.isnan(X[i])
        L, psi = fitted.components_[k][:, o], fitted.noise_variance_[k, o]
        expected = np.linalg.solve(np.eye(len(L)) + (L / psi) @ L.T,
                                   (L / psi) @ (X[i, o] - fitted.means_[k, o]))
        assert_allclose(z[i], expected, rtol=1e-9 if dtype == "f8" else 1e-3, atol=1e-4 * (
            dtype == "f4"))


@quiet
def test_factors_have_names_and_go_by_the_fit():
    X = pd.DataFrame(WINE, columns=[f"c{j}" for j in range(13)]).assign(one=1.0)
    model = MixtureOfFactorAnalyzers(2, 3, random_state=0)
    z = model.fit_transform(X, sample_weight=np.arange(178) % 3)
    names = [f"mixtureoffactoranalyzers{j}" for j in range(3)]
    assert_array_equal(z, model.transform(X))
    assert model.get_feature_names_out().tolist() == names
    model.set_params(n_factors=1)
    z = model.set_output(transform="pandas").transform(X[5:])
    assert z.columns.tolist() == names
    assert_array_equal(z.index, X.index[5:])
    with pytest.raises(ValueError, match="one"):
        model.transform(X.drop(columns="one"))


def test_covariances_on_request(fitted):
    assert "covariances_" not in vars(fitted)
    assert_allclose(fitted.covariances_[1], fitted.components_[1].T @ fitted.components_[1]
                    + np.diag(fitted.noise_variance_[1]))
    for k in (-1, 3):
        with pytest.raises(ValueError, match=r"0 \.\. 2"):
            fitted.get_covariance(k)


def test_files(fitted, tmp_path):
    fitted.save(tmp_path / "model.npz")
    back = MixtureOfFactorAnalyzers.load(tmp_path / "model.npz")
    assert_array_equal(back.score_samples(GAPS), fitted.score_samples(GAPS))
    assert_array_equal(back.impute(GAPS), fitted.impute(GAPS))
    assert back.get_params() == fitted.get_params()
    assert back.n_parameters_ == fitted.n_parameters_
    with pytest.raises(ValueError, match="not a FactorAnalysis"):
        FactorAnalysis.load(tmp_path / "model.npz")


def test_callback_and_history():
    seen = []
    model = MixtureOfFactorAnalyzers(
        2, 1, random_state=0, callback=lambda s: seen.append(s.lower_bound) or len(seen) == 4)
    model.fit(WINE)
    assert model.lower_bounds_ == seen and model.n_iter_ == 4 and not model.converged_


@quiet
def test_starts():
    """Every kind of start, several of them, and any part of one that is given."""
    for kind in ("kmeans", "k-means++", "random", "random_from_data"):
        for X in (WINE, GAPS):
            model = MixtureOfFactorAnalyzers(3, 2, init_params=kind, random_state=0).fit(X)
            assert np.isfinite(model.lower_bound_)
    options = {"init_params": "random", "random_state": 0, "max_iter": 300}
    one = MixtureOfFactorAnalyzers(3, 1, **options).fit(WINE)
    many = MixtureOfFactorAnalyzers(3, 1, n_init=5, **options).fit(WINE)
    assert many.lower_bound_ >= one.lower_bound_
    weights, means, components, noise = start(3, 2, 13)
    components, noise = components * WINE.std(axis=0), noise * WINE.var(axis=0)
    for given in ({"weights_init": weights}, {"means_init": WINE[:3]},
                  {"components_init": components}, {"noise_variance_init": noise},
                  {"means_init": WINE[:3], "components_init": components}):
        model = MixtureOfFactorAnalyzers(3, 2, random_state=0, max_iter=0, **given).fit(WINE)
        for name, value in given.items():
            assert_allclose(getattr(model, name.replace("_init", "_")), value, rtol=1e-12)
        assert np.isfinite(model.score(WINE))


# --- what cannot be -------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("name", ["constant", "duplicate", "collinear", "wide", "distinct",
                                  "single", "few", "sparse", "more factors"])
def test_degenerate_tables(name, dtype):
    rng = np.random.default_rng(0)
    base = rng.normal(size=(40, 5))
    X = {"constant": np.c_[base, np.ones(40)], "duplicate": np.c_[base, base[:, 0]],
         "collinear": np.c_[base, base[:, 0] + base[:, 1]], "wide": rng.normal(size=(6, 30)),
         "distinct": np.repeat(rng.normal(size=(3, 4)), 5, axis=0), "single": base[:, :1],
         "few": rng.normal(size=(3, 4)), "more factors": base[:, :2],
         "sparse": np.where(rng.random((40, 5)) < 0.8, np.nan, base)}[name].astype(dtype)
    for K, q in ((1, 1), (3, 2), (2, 7)):
        model = MixtureOfFactorAnalyzers(K, q, random_state=0, max_iter=30, tol=0).fit(X)
        for values in (model.weights_, model.means_, model.components_, model.noise_variance_,
                       model.score_samples(X), model.predict_proba(X), model.impute(X)):
            assert np.isfinite(values).all()
        bounds = np.array(model.lower_bounds_)
        precision = 1e-12 if dtype == "f8" else 1e-5
        assert (np.diff(bounds) >= -precision * np.maximum(1, np.abs(bounds[1:]))).all()


def test_columns_of_one_value_are_left_out():
    X = np.c_[WINE[:, :4], np.full(len(WINE), 7.0)]
    with pytest.warns(EMWarning, match="column 4 has one value only: left out"):
        model = MixtureOfFactorAnalyzers(2, 1, random_state=0, max_iter=500).fit(X)
    other = MixtureOfFactorAnalyzers(2, 1, random_state=0, max_iter=500).fit(X[:, :4])
    assert_array_equal(model.means_[:, 4], 7)
    assert_array_equal(model.noise_variance_[:, 4], 0)
    assert_allclose(model.score_samples(X), other.score_samples(X[:, :4]), rtol=1e-10)
    assert model.n_parameters_ == other.n_parameters_
    gap = X[:1].copy()
    gap[0, 4] = np.nan
    assert model.impute(gap)[0, 4] == 7


def test_errors_are_named():
    for X, match in ((np.ones((5, 3)), "no column of X varies"),
                     (np.array([[1.0, 2.0], [np.inf, 3.0]]), "infinity"),
                     (WINE[:2], "n_components")):
        with pytest.raises(ValueError, match=match):
            MixtureOfFactorAnalyzers(3).fit(X)
    weight = np.zeros(len(WINE))
    weight[3] = 1
    with pytest.raises(ValueError, match="1 sample"):
        MixtureOfFactorAnalyzers().fit(WINE, sample_weight=weight)
    for name, value, match in (
            ("weights_init", [0.5, 0.6], "normalized"), ("means_init", [[0.0] * 13], "means"),
            ("components_init", np.zeros((2, 1, 12)), "components_init must have shape"),
            ("noise_variance_init", np.zeros((2, 13)), "positive, got 0.0 for component 0, column"),
            ("noise_variance_init", np.ones(13), "noise_variance_init must have shape"),
            ("components_init", np.full((2, 1, 13), np.nan), "components_init contains NaN"),
            ("init_params", "nothing", "init_params"), ("min_uniqueness", 0.0, "min_uniqueness"),
            ("n_factors", 0, "n_factors"), ("shared_noise", "yes", "shared_noise")):
        model = MixtureOfFactorAnalyzers(2, 1)
        with pytest.raises(ValueError, match=match):
            model.set_params(**{name: value}).fit(WINE)
        assert not hasattr(model, "weights_")
    names = pd.DataFrame(np.ones((2, 2)), columns=["b", "a"])
    with pytest.raises(ValueError, match="means_init"):
        MixtureOfFactorAnalyzers(2, means_init=names).fit(
            pd.DataFrame(WINE[:, :2], columns=["a", "b"]))


@pytest.mark.parametrize("given", [
    {"means_init": np.full((2, 13), 1e200)}, {"components_init": np.full((2, 1, 13), 1e200)}])
def test_starts_beyond_all_numbers_are_one_error(given):
    with pytest.raises(ValueError, match="component|loadings"):
        MixtureOfFactorAnalyzers(2, random_state=0, **given).fit(WINE)


def test_a_failed_fit_changes_nothing(fitted):
    before = dict(vars(fitted))
    with pytest.raises(ValueError, match="infinity"):
        fitted.fit(np.full((5, 13), np.inf))
    assert vars(fitted).keys() == before.keys()
    assert all(vars(fitted)[name] is before[name] for name in before)


def test_what_is_said():
    rng = np.random.default_rng(0)
    with pytest.warns(ConvergenceWarning, match="did not converge in 2 iterations"):
        MixtureOfFactorAnalyzers(2, max_iter=2, tol=0, random_state=0).fit(WINE)
    spike = np.vstack([rng.normal(size=(60, 4)), np.full((5, 4), 30.0)])
    with pytest.warns(DegenerateWarning, match="collapsed"):
        MixtureOfFactorAnalyzers(2, random_state=0).fit(spike)
    with pytest.warns(DegenerateWarning, match="component.* collapsed"):
        MixtureOfFactorAnalyzers(2, random_state=0, max_iter=500).fit(np.vstack([
            rng.normal(size=(60, 1)), np.full((50, 1), 30.0)]))
    base = rng.normal(size=(200, 3))
    X = pd.DataFrame(np.c_[base, base[:, 0]], columns=list("abcd"))
    with pytest.warns(EMWarning, match="factors explain column '[ad]' in component 0"):
        MixtureOfFactorAnalyzers(1, 1, random_state=0, max_iter=500).fit(X)
    # a bound that was set to be reached
    model = MixtureOfFactorAnalyzers(1, 1, random_state=0, max_iter=500, min_uniqueness=1e-2)
    assert len(model.fit(X).heywood_)


def test_rows_far_out_with_gaps_go_to_the_nearest_component():
    """Where every density is nothing; quietly."""
    X = np.random.default_rng(0).normal(size=(200, 5))
    X[100:] += 50
    for unit in (1, 1e-100):
        model = MixtureOfFactorAnalyzers(2, 1, random_state=0, max_iter=500).fit(X * unit)
        near = np.zeros((2, 5))
        near[:, 0], near[:, 1:] = np.nan, [[1e7], [-1e7]]
        near *= unit
        for far in (near * 1e148, near * 1e196):
            assert_array_equal(model.score_samples(far), -np.inf)
            assert_array_equal(model.predict(far), model.predict(near))
            assert_array_equal(model.predict_proba(far).sum(axis=1), 1)
            assert np.isfinite(model.impute(far)).all()


def test_columns_of_which_no_square_is_a_number():
    X = WINE[:, :3] * [1, 1e-160, 1]
    with pytest.raises(ValueError, match="column 1 varies by"):
        MixtureOfFactorAnalyzers(2).fit(X)
    with pytest.raises(ValueError, match="column 1 varies by"):
        MixtureOfFactorAnalyzers(2, min_uniqueness=1e-20).fit(WINE[:, :3] * [1, 1e-150, 1])


def test_densities_add_up_to_one():
    """Over a grid of two columns."""
    model = MixtureOfFactorAnalyzers(2, 1, random_state=0, max_iter=500).fit(WINE[:, :2])
    low, high = WINE[:, :2].min(axis=0) - 5, WINE[:, :2].max(axis=0) + 5
    axes = [np.linspace(a, b, 200) for a, b in zip(low, high)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    cell = np.prod((high - low) / 199)
    assert_allclose(np.exp(logsumexp(model.score_samples(grid))) * cell, 1, rtol=1e-3)


@quiet
@pytest.mark.parametrize("missing", [False, True])
def test_float32_rows_far_from_zero(missing):
    """The float32 numbers of rows 2**20 deviations out, fitted in float64, say what is right."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    X = 0.2 * rng.normal(size=(400, 8)) + 2 * rng.normal(size=(3, 8))[labels] + np.einsum(
        "nq,nqd->nd", rng.normal(size=(400, 2)), rng.normal(size=(3, 2, 8))[labels])
    X[:, :6] += 2.0**20
    X = X.astype(np.float32)
    if missing:
        X[rng.uniform(size=X.shape) < 0.05] = np.nan
    far, right = (MixtureOfFactorAnalyzers(3, 2, random_state=0, tol=0, max_iter=150).fit(data)
                  for data in (X, X.astype(np.float64)))
    assert np.diff(far.lower_bounds_).min() > -1e-4         # (without an origin 2e-3)
    assert_allclose(far.lower_bounds_[-1], right.lower_bounds_[-1], atol=1e-4)
    assert_allclose(far.score(X), right.score(X.astype(np.float64)), atol=1e-4)
    assert_array_equal(far.predict(X), right.predict(X.astype(np.float64)))
    assert_allclose(far.means_, right.means_, atol=1e-2)
    full, seen = far.impute(X), ~np.isnan(X)
    assert full.dtype == np.float32
    assert_array_equal(full[seen], X[seen])
    assert_allclose(full, right.impute(X.astype(np.float64)), atol=0.2)
    # what is given is of the rows as they are
    again = MixtureOfFactorAnalyzers(
        3, 2, max_iter=0, weights_init=right.weights_, means_init=right.means_,
        components_init=right.components_, noise_variance_init=right.noise_variance_).fit(X)
    assert_allclose(again.means_, right.means_, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_callbacks_see_means_as_they_are(dtype):
    X = (np.random.default_rng(0).normal(size=(300, 4)) + 1e4).astype(dtype)
    seen = []
    with pytest.warns(ConvergenceWarning):
        model = MixtureOfFactorAnalyzers(
            2, 1, max_iter=4, tol=0, random_state=0,
            callback=lambda state: seen.append(state.parameters.components.means)).fit(X)
    assert_allclose(seen[-1], model.means_, rtol=1e-7)


def test_fit_transform_keeps_the_index():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"),
                         index=np.arange(60) + 5)
    model = MixtureOfFactorAnalyzers(2, 1, random_state=0).set_output(transform="pandas")
    pd.testing.assert_frame_equal(model.fit_transform(frame), model.transform(frame))
