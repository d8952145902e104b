"""FactorAnalysis of rows that lack nothing: the maximum, against R, scikit-learn, closed forms and
differences; degenerate tables; what a fit keeps."""

import pickle
import re
import warnings

import numpy as np
import pytest
import reference
import sklearn.decomposition
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from emkernels import EMWarning, FactorAnalysis, select_factors
from emkernels.components.factors import profile, starts, updates
from emkernels.components.factors.moments import Dense, Wide

# R's ability.cov: Smith, S. A., Stanley, G., Psychological Reports 52, 1983
ABILITY = np.array([
    [24.641, 5.991, 33.520, 6.023, 20.755, 29.701],
    [5.991, 6.700, 18.137, 1.782, 4.936, 7.204],
    [33.520, 18.137, 149.831, 19.424, 31.430, 50.753],
    [6.023, 1.782, 19.424, 12.711, 4.757, 9.075],
    [20.755, 4.936, 31.430, 4.757, 52.604, 66.762],
    [29.701, 7.204, 50.753, 9.075, 66.762, 135.292]])
# R's attitude: Chatterjee, S., Price, B., Regression Analysis by Example, 1977
ATTITUDE = np.fromstring("""
43 51 30 39 61 92 45 63 64 51 54 63 73 47 71 70 68 69 76 86 48 61 63 45 47 54 84 35
81 78 56 66 71 83 47 43 55 49 44 54 49 34 58 67 42 56 66 68 35 71 75 50 55 70 66 41
72 82 72 67 71 83 31 67 61 45 47 62 80 41 64 53 53 58 58 67 34 67 60 47 39 59 74 41
69 62 57 42 55 63 25 68 83 83 45 59 77 35 77 77 54 72 79 77 46 81 90 50 72 60 54 36
74 85 64 69 79 79 63 65 60 65 75 55 80 60 65 70 46 57 75 85 46 50 58 68 54 64 78 52
50 40 33 34 43 64 33 64 61 52 62 66 80 41 53 66 52 50 63 80 37 40 37 42 58 50 57 49
63 54 42 48 66 75 33 66 77 66 63 88 76 72 78 75 58 74 80 78 49 48 57 44 45 51 83 38
85 85 71 71 77 74 55 82 82 39 59 64 78 39""", sep=" ").reshape(30, 7)
IRIS = datasets.load_iris().data
WINE = datasets.load_wine().data


def rows_with(covariance, n):
    """n rows that have this covariance, with divisor n."""
    Q = np.random.default_rng(0).normal(size=(n, len(covariance)))
    Q = np.linalg.qr(Q - Q.mean(axis=0))[0]
    return np.sqrt(n) * Q @ np.linalg.cholesky(covariance).T + 10


# what R 4.2 prints of factanal(..., rotation="none", control=list(nstart=50, opt=list(factr=1))):
# criteria["objective"], which is log |Sigma| + tr(Sigma^-1 R) - log |R| - D, and the uniquenesses
FACTANAL = {
    "ability, 1": (rows_with(ABILITY, 112), 1, 0.69934503535378, [
        0.53459892, 0.85257900, 0.74818565, 0.91012781, 0.23171611, 0.27974112]),
    "ability, 2": (rows_with(ABILITY, 112), 2, 0.057160216836975, [
        0.455224172, 0.589332165, 0.218179561, 0.769421450, 0.052451757, 0.333588334]),
    "attitude, 1": (ATTITUDE, 1, 0.98112436932965, [
        0.27328235, 0.18596103, 0.64870012, 0.46608239, 0.41478368, 0.93943835, 0.85723293]),
    "attitude, 2": (ATTITUDE, 2, 0.22343678342904, [
        0.209727715, 0.132335516, 0.641015205, 0.396383435, 0.317739614, 0.896856325,
        0.036615942]),
    "attitude, 3": (ATTITUDE, 3, 0.086514125724257, [
        0.227449892, 0.080170349, 0.639372040, 0.005, 0.238775352, 0.771123850, 0.299379811]),
    "iris, 1": (IRIS, 1, 0.58501299341, [0.24022872324, 0.82186525720, 0.005, 0.06933342345]),
}


def fitted(X, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EMWarning)
        return FactorAnalysis(*args, **options).fit(X)


@pytest.mark.parametrize("name", FACTANAL)
def test_factanal(name):
    X, q, objective, uniquenesses = FACTANAL[name]
    model = fitted(X, q, min_uniqueness=0.005)
    S = np.cov(X.T, bias=True)
    D = len(S)
    found = -2 * model.score(X) - D * np.log(2 * np.pi) - np.linalg.slogdet(S)[1] - D
    assert_allclose(found, objective, rtol=1e-8)
    assert_allclose(model.noise_variance_ / np.diag(S), uniquenesses, atol=2e-6)
    assert_allclose(model.communalities_, 1 - np.array(uniquenesses), atol=2e-3)
    assert list(model.heywood_) == [j for j, u in enumerate(uniquenesses) if u == 0.005]


def test_scores_of_factanal():
    """factanal(attitude, 2, scores=..., rotation="none")$scores[1:3, ]; there the factors have the
    scale of columns with divisor n - 1."""
    model = FactorAnalysis(2).fit(ATTITUDE)
    expected = {
        "regression": [[-0.1821444086, -1.5421487992], [0.2759153903, -0.3987332845],
                       [0.6468013666, 0.3260637397]],
        "bartlett": [[-0.1882190629, -1.6824516992], [0.2851173779, -0.4350095739],
                     [0.6683726831, 0.3557286387]]}
    for method, scores in expected.items():
        found = model.transform(ATTITUDE, method=method)[:3] / np.sqrt(30 / 29)
        # canonical factors up to their signs
        assert_allclose(np.abs(found), np.abs(scores), atol=2e-4)      # R stops early
        assert_array_equal(FactorAnalysis(2, scores=method).fit_transform(ATTITUDE),
                           model.transform(ATTITUDE, method))


@pytest.mark.parametrize(("X", "q"), [(IRIS, 1), (WINE, 3), (ATTITUDE, 2)])
def test_scikit_learns_maximum_is_not_higher(X, q):
    model = fitted(X, q)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = sklearn.decomposition.FactorAnalysis(
            q, tol=1e-9, max_iter=5000, svd_method="lapack").fit(X)
    assert model.score(X) >= theirs.score(X) - 1e-9
    # the same functions of the same parameters
    theirs.components_, theirs.noise_variance_ = model.components_, model.noise_variance_
    assert_allclose(model.score_samples(X), theirs.score_samples(X), rtol=1e-6)
    assert_allclose(model.transform(X), theirs.transform(X), atol=1e-6)
    assert_allclose(model.get_covariance(), theirs.get_covariance(), rtol=1e-10)


def test_several_maxima():
    """From the squared multiple correlations, and from psi = 1, one ends lower."""
    best = fitted(IRIS, 2).score(IRIS)
    assert best > fitted(IRIS, 2, n_init=1).score(IRIS) + 5e-3
    assert_allclose(best, -2.5940401639949, atol=1e-9)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_derivatives(q, rng):
    R = np.corrcoef(WINE.T)
    x = np.log(rng.uniform(0.2, 0.8, len(R)))
    point = profile.evaluate(Dense(R), x, q)
    L = profile.loadings(point)
    assert_allclose(point.value, updates.discrepancy(Dense(R), L, np.exp(x)), rtol=1e-12)
    step = 1e-5 * np.eye(len(R))
    ends = [[profile.evaluate(Dense(R), x + s * e, q) for s in (1, -1)] for e in step]
    gradient = [(a.value - b.value) / 2e-5 for a, b in ends]
    assert_allclose(point.gradient, gradient, atol=1e-8)
    hessian = [(a.gradient - b.gradient) / 2e-5 for a, b in ends]
    assert_allclose(profile.hessian(Dense(R), point), hessian, atol=1e-8)


def test_digits_beside_tiny_uniquenesses(rng):
    R = np.corrcoef(IRIS.T)
    x = np.log([0.3, 0.8, 1e-8, 0.1])
    point = profile.evaluate(Dense(R), x, 2)
    sigma = reference.factor_covariance(profile.loadings(point), np.exp(x))
    inverse = np.linalg.inv(sigma)
    assert_allclose(point.value, np.linalg.slogdet(sigma)[1] + np.trace(inverse @ R), rtol=1e-12)
    assert_allclose(point.gradient, np.exp(x) * np.diag(inverse @ (sigma - R) @ inverse),
                    rtol=1e-6, atol=1e-12)


def test_gradient_is_zero_at_the_maximum():
    model = FactorAnalysis(2).fit(ATTITUDE)
    S, sigma = np.cov(ATTITUDE.T, bias=True), model.get_covariance()
    inverse = np.linalg.inv(sigma)
    left = inverse @ (sigma - S) @ inverse
    scale = np.sqrt(np.diag(S))
    assert_allclose(np.diag(left) * scale**2, 0, atol=1e-7)
    assert_allclose(model.components_ @ left * scale, 0, atol=1e-7)
    assert_allclose(model.get_precision(), inverse, rtol=1e-9)


def test_canonical_form():
    for model in (FactorAnalysis(3, min_uniqueness=0.005), FactorAnalysis(2, noise="isotropic")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EMWarning)
            model.fit(WINE)
        L = model.components_ / np.sqrt(model.noise_variance_)
        inner = L @ L.T
        assert_allclose(inner, np.diag(np.diag(inner)), atol=1e-8 * inner.max())
        assert (np.diff(np.diag(inner)) < 0).all()
        assert (model.components_.sum(axis=1) >= 0).all()


def test_units_and_shifts_do_not_matter():
    units, shift = np.array([1e100, 1.0, 1e-150, 1e50, 1e-30, 1e10, 3.0]), 1.0
    plain = FactorAnalysis(2).fit(ATTITUDE)
    scaled = FactorAnalysis(2).fit(ATTITUDE * units)
    assert_allclose(scaled.noise_variance_ / units**2, plain.noise_variance_, rtol=1e-5)
    assert_allclose(scaled.score(ATTITUDE * units), plain.score(ATTITUDE) - np.log(units).sum(),
                    rtol=1e-10)
    assert_allclose(np.abs(scaled.transform(ATTITUDE * units)), np.abs(plain.transform(ATTITUDE)),
                    atol=1e-5)
    shift = FactorAnalysis(2).fit(ATTITUDE + 1e8)
    assert_allclose(shift.noise_variance_, plain.noise_variance_, rtol=1e-5)
    assert_allclose(shift.score(ATTITUDE + 1e8), plain.score(ATTITUDE), rtol=1e-9)


@pytest.mark.parametrize("X", [
    (ATTITUDE * 1e12).astype(np.float32), (ATTITUDE * 1e-25).astype(np.float32),
    ATTITUDE.astype(np.float32)], ids=["large", "small", "plain"])
def test_float32(X):
    model = FactorAnalysis(2).fit(X)
    assert model.transform(X).dtype == np.float32
    assert_allclose(model.noise_variance_, FactorAnalysis(2).fit(
        X.astype(float)).noise_variance_, rtol=1e-3)


def test_weights(rng):
    weight = rng.integers(0, 4, len(ATTITUDE)).astype(float)
    repeated = np.repeat(ATTITUDE, weight.astype(int), axis=0)
    for noise in ("diagonal", "isotropic"):
        one = fitted(repeated, 2, noise=noise)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EMWarning)
            two = FactorAnalysis(2, noise=noise).fit(ATTITUDE, sample_weight=weight)
        assert_allclose(two.get_covariance(), one.get_covariance(), rtol=1e-6)
        assert_allclose(two.mean_, one.mean_, rtol=1e-12)
        assert_allclose(two.lower_bound_, one.lower_bound_, rtol=1e-10)
        assert_allclose(two.bic(ATTITUDE, sample_weight=weight), one.bic(repeated), rtol=1e-10)


# --- isotropic noise ------------------------------------------------------------------------


@pytest.mark.parametrize("q", [1, 2, 3])
def test_principal_components(q):
    model = FactorAnalysis(q, noise="isotropic").fit(IRIS)
    # the model of scikit-learn's PCA has the divisor n - 1
    n = len(IRIS)
    theirs = sklearn.decomposition.PCA(q).fit(
        np.r_[IRIS, IRIS.mean(axis=0, keepdims=True)])      # divisor n, the same scatter
    assert isinstance(model.noise_variance_, float)
    assert_allclose(model.noise_variance_, theirs.noise_variance_, rtol=1e-10)
    assert_allclose(model.get_covariance(), theirs.get_covariance(), atol=1e-12)
    assert_allclose(model.score(IRIS), theirs.score(IRIS), rtol=1e-10)
    assert model.n_parameters_ == 4 + 4 * q - q * (q - 1) // 2 + 1
    assert n == 150 and model.converged_


def test_as_many_components_as_columns():
    with pytest.warns(EMWarning, match="not identified"):
        model = FactorAnalysis(4, noise="isotropic").fit(IRIS)
    assert_allclose(model.get_covariance(), np.cov(IRIS.T, bias=True), rtol=1e-9)
    values = np.linalg.eigvalsh(np.cov(IRIS.T, bias=True))
    assert_allclose(model.noise_variance_, values[0], rtol=1e-9)


def test_more_columns_than_rows(rng):
    X = rng.normal(size=(20, 600))
    X[:, :300] += rng.normal(size=(20, 1)) * 2
    model = FactorAnalysis(2, noise="isotropic").fit(X)
    values = np.linalg.svd(X - X.mean(axis=0), compute_uv=False) ** 2 / 20
    assert_allclose(model.noise_variance_, values[2:].sum() / 598, rtol=1e-10)
    with pytest.warns(EMWarning, match="no more than the 600"):
        model = FactorAnalysis(1).fit(X)
    assert np.isfinite(model.score(X)) and np.isfinite(model.transform(X)).all()
    # the matrix of the rows has the same eigenpairs
    Z = (X - X.mean(axis=0)) / X.std(axis=0) / np.sqrt(20)
    x = np.log(rng.uniform(0.2, 0.9, 600))
    wide, dense = (profile.evaluate(moments, x, 3) for moments in (Wide(Z), Dense(Z.T @ Z)))
    assert_allclose(wide.value, dense.value, rtol=1e-10)
    assert_allclose(wide.gradient, dense.gradient, atol=1e-6)


def test_many_columns(rng):
    """Leading eigenpairs alone, and Lawley's matrix, lead to a maximum as well."""
    q, D = 3, 140
    L = rng.normal(size=(q, D))
    X = rng.normal(size=(400, q)) @ L + rng.normal(size=(400, D)) * rng.uniform(0.5, 2, D)
    model = FactorAnalysis(q).fit(X)
    S, sigma = np.cov(X.T, bias=True), model.get_covariance()
    inverse = np.linalg.inv(sigma)
    assert_allclose(np.diag(inverse @ (sigma - S) @ inverse) * model.noise_variance_, 0, atol=1e-4)
    point = profile.evaluate(Dense(np.corrcoef(X.T)), np.log(rng.uniform(0.3, 1, D)), q)
    A = np.corrcoef(X.T) / np.sqrt(np.outer(np.exp(point.x), np.exp(point.x)))
    assert_allclose(point.values, np.linalg.eigvalsh(A)[::-1][:q], rtol=1e-10)


# --- EM -------------------------------------------------------------------------------------


@pytest.mark.parametrize("isotropic", [False, True])
def test_em_steps(isotropic, rng):
    """max_iter=k is k plain steps from the start that is given."""
    components = rng.normal(size=(2, 7)) * 3
    noise = 40.0 if isotropic else rng.uniform(20, 80, 7)
    with pytest.warns(ConvergenceWarning):
        model = FactorAnalysis(
            2, noise="isotropic" if isotropic else "diagonal", method="em", n_init=1, tol=0,
            max_iter=6, components_init=components, noise_variance_init=noise).fit(ATTITUDE)
    mean, components, noise, history = reference.factor_em(
        ATTITUDE, ATTITUDE.mean(axis=0), components, np.broadcast_to(noise, 7), 6,
        isotropic=isotropic)
    assert_allclose(model.get_covariance(), reference.factor_covariance(components, noise),
                    rtol=1e-10)
    assert_allclose(model.lower_bounds_, history, rtol=1e-12)
    assert model.n_iter_ == 6 and (np.diff(history) > 0).all()


@pytest.mark.parametrize("acceleration", [None, "squarem"])
def test_em_ends_at_the_maximum_of_newton(acceleration):
    model = FactorAnalysis(1, method="em", n_init=1, acceleration=acceleration).fit(ATTITUDE)
    best = FactorAnalysis(1).fit(ATTITUDE)
    assert model.converged_ and model.n_iter_ > best.n_iter_
    assert_allclose(model.get_covariance(), best.get_covariance(), rtol=1e-4)
    assert_allclose(model.score(ATTITUDE), best.score(ATTITUDE), atol=1e-8)


def test_the_history():
    for options in ({}, {"method": "em", "max_iter": 50}, {"noise": "isotropic", "method": "em"}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = FactorAnalysis(2, **options).fit(ATTITUDE)
        assert (np.diff(model.lower_bounds_) >= -1e-12).all()
        assert model.lower_bounds_[-1] == model.lower_bound_
        assert len(model.lower_bounds_) == model.n_iter_
    model = FactorAnalysis(2).fit(ATTITUDE)
    assert_allclose(model.lower_bound_, model.score(ATTITUDE), rtol=1e-10)
    with pytest.warns(ConvergenceWarning):
        model = FactorAnalysis(2, tol=0, max_iter=40).fit(ATTITUDE)
    assert model.n_iter_ == 40
    assert_allclose(model.lower_bound_, model.score(ATTITUDE), rtol=1e-13)


def test_a_start_of_newton_may_be_given():
    best = FactorAnalysis(2).fit(ATTITUDE)
    for given in ({"noise_variance_init": best.noise_variance_},
                  {"components_init": best.components_}):
        model = FactorAnalysis(2, n_init=1, **given).fit(ATTITUDE)
        assert model.n_iter_ <= 5
        assert_allclose(model.score(ATTITUDE), best.score(ATTITUDE), rtol=1e-10)


# --- rotation -------------------------------------------------------------------------------


@pytest.mark.parametrize("rotation", ["varimax", "quartimax", "promax", "oblimin"])
def test_rotation_leaves_the_fit(rotation):
    plain, model = fitted(ATTITUDE, 3), fitted(ATTITUDE, 3, rotation=rotation)
    assert_allclose(model.get_covariance(), plain.get_covariance(), rtol=1e-8)
    assert_allclose(model.score_samples(ATTITUDE), plain.score_samples(ATTITUDE), rtol=1e-7)
    assert_allclose(model.communalities_, plain.communalities_, rtol=1e-10)
    T, phi = model.rotation_matrix_, model.factor_correlation_
    assert_allclose(model.components_.T, plain.components_.T @ np.linalg.inv(T.T), atol=1e-8)
    assert_allclose(phi, T.T @ T, atol=1e-10)
    assert_allclose(np.diag(phi), 1, atol=1e-12)
    # scores in rows are turned by T, and rows that they stand for stay
    scores = model.transform(ATTITUDE)
    assert_allclose(scores, plain.transform(ATTITUDE) @ T, atol=1e-6)
    assert_allclose(model.inverse_transform(scores), plain.inverse_transform(
        plain.transform(ATTITUDE)), rtol=1e-7)
    assert_allclose(model.transform(ATTITUDE, "bartlett"),
                    plain.transform(ATTITUDE, "bartlett") @ T, atol=1e-6)
    expected = reference.factor_scores(
        ATTITUDE[:4], model.mean_, model.components_, model.noise_variance_, phi)
    assert_allclose(scores[:4], expected[0], atol=1e-6)
    assert_allclose(model.posterior_covariance(), expected[1][0], atol=1e-7)
    assert (model.components_.sum(axis=1) >= 0).all()
    with pytest.raises(NotImplementedError, match="rotation=None"):
        model.standard_errors(ATTITUDE)


# --- tables that have no maximum, or hardly any ------------------------------------------------


def check_finite(model, X):
    for name in ("components_", "noise_variance_", "mean_", "communalities_", "lower_bound_"):
        assert np.isfinite(getattr(model, name)).all(), name
    for values in (model.transform(X), model.transform(X, "bartlett"), model.score_samples(X),
                   model.get_covariance(), model.get_precision(), model.posterior_covariance()):
        assert np.isfinite(values).all()


@pytest.mark.parametrize("noise", ["diagonal", "isotropic"])
@pytest.mark.parametrize("q", [1, 2, 5, 7])
@pytest.mark.parametrize("table", [
    "constant", "equal columns", "collinear", "few rows", "two rows", "one column"])
def test_degenerate_tables(table, q, noise, rng):
    X = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 5)) + rng.normal(size=(60, 5)) / 2
    if table == "constant":
        X[:, 2] = 3.3
    elif table == "equal columns":
        X[:, 2] = X[:, 1]
    elif table == "collinear":
        X[:, 2] = X[:, 0] + X[:, 1]
    elif table == "one column":
        X = X[:, :1]
    else:
        X = X[:4 if table == "few rows" else 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EMWarning)
        model = FactorAnalysis(q, noise=noise).fit(X)
    check_finite(model, X)
    assert (np.diff(model.lower_bounds_) >= -1e-8).all()
    assert model.score(X) == pytest.approx(model.lower_bound_, abs=1e-6)


def test_equal_columns_share_what_they_are():
    X = np.c_[ATTITUDE, ATTITUDE[:, 0]]
    with pytest.warns(EMWarning, match="columns 0, 7 are explained entirely"):
        model = FactorAnalysis(2).fit(X)
    assert list(model.heywood_) == [0, 7]
    assert_allclose(model.components_[:, 0], model.components_[:, 7], atol=1e-6)
    S = np.cov(X.T, bias=True)
    assert_allclose(model.noise_variance_[[0, 7]], 1e-8 * np.diag(S)[[0, 7]], rtol=1e-3)
    # beside a factor that is the column, the other explains what the rest have left in common
    assert_allclose(np.diag(model.get_covariance()), np.diag(S), rtol=1e-3)


def test_a_constant_column_is_left_out():
    X = np.insert(ATTITUDE, 3, 7.0, axis=1)
    with pytest.warns(EMWarning, match="column 3 has one value only"):
        model = FactorAnalysis(2).fit(X)
    plain = FactorAnalysis(2).fit(ATTITUDE)
    others = np.delete(np.arange(8), 3)
    assert_allclose(model.components_[:, others], plain.components_, rtol=1e-8)
    assert not model.components_[:, 3].any() and model.noise_variance_[3] == 0
    assert model.mean_[3] == 7 and model.n_parameters_ == plain.n_parameters_
    assert_allclose(model.score_samples(X), plain.score_samples(ATTITUDE), rtol=1e-10)
    assert np.isnan(model.standard_errors(X).mean[3])


def test_a_switch_of_no_rotation_is_told():
    with pytest.warns(EMWarning, match="kaiser=True is for a rotation"):
        FactorAnalysis(kaiser=True).fit(ATTITUDE)


def test_what_cannot_be_fitted():
    with pytest.raises(ValueError, match="no column of X varies"):
        FactorAnalysis().fit(np.ones((10, 3)))
    with pytest.raises(ValueError, match="minimum of 2"):
        FactorAnalysis().fit(ATTITUDE, sample_weight=np.eye(30)[0])
    with pytest.raises(ValueError, match="column 1 varies by .* Rescale"):
        FactorAnalysis().fit(ATTITUDE * [1, 1e-170, 1, 1, 1, 1, 1])
    for name, value, text in (
            ("components_init", np.ones((2, 7)), r"\(1, 7\)"),
            ("components_init", np.full((1, 7), np.nan), "got nan for factor 0, column 0"),
            ("noise_variance_init", [1, 1, 0, 1, 1, 1, 1], "positive and finite, got 0 for .* 2"),
            ("noise_variance_init", np.ones(6), r"\(7,\)")):
        with pytest.raises(ValueError, match=text):
            FactorAnalysis(**{name: value}).fit(ATTITUDE)
    with pytest.raises(ValueError, match="one number"):
        FactorAnalysis(noise="isotropic", noise_variance_init=np.arange(1.0, 8)).fit(ATTITUDE)
    with pytest.raises(ValueError, match="'regression' or 'bartlett'"):
        FactorAnalysis().fit(ATTITUDE).transform(ATTITUDE, "mean")
    with pytest.raises(ValueError, match=r"\(n_samples, 1\)"):
        FactorAnalysis().fit(ATTITUDE).inverse_transform(ATTITUDE)


def test_too_many_factors_are_said():
    for columns, q, text in (
            (4, 2, "2 factors of 4 varying columns are not identified: .* at most 1 is$"),
            (6, 4, "4 factors of 6 varying columns are not identified: .* at most 3 are$"),
            (2, 1, "1 factor of 2 varying columns is not identified: .* one factor needs 3 "
                   "columns$")):
        rows = rows_with(ABILITY[:columns, :columns], 50)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            FactorAnalysis(q, min_uniqueness=0.1).fit(rows)
        assert any(re.search(text, str(each.message)) for each in said)


def test_choices_count_the_columns_that_vary():
    """And where no more factors are identified, there are no more to try."""
    rows = np.column_stack([rows_with(ABILITY[:6, :6], 50), np.full(50, 3.0)])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "column 6 has one value only")
        warnings.filterwarnings("ignore", "column.* explained entirely")
        found = select_factors(rows, [2, 3, 4])
        assert [row["degrees_of_freedom"] for row in found.table] == [4, 0, -3]
        assert found.table[2]["error"]
        # no word of more than three
        three = rows_with(ABILITY[:6, :6], 50) * 1e3
        select_factors(np.tile(three, (9000, 1)), [2, 3])


# --- what a fit keeps ----------------------------------------------------------------------------


def test_threads_and_layouts_have_the_same_bits():
    X = np.tile(WINE, (40, 1)) + np.random.default_rng(0).normal(size=(len(WINE) * 40, 13))
    for options in ({}, {"noise": "isotropic"}, {"rotation": "oblimin"}):
        one, two, three = (FactorAnalysis(3, n_threads=n, **options).fit(Z)
                           for n, Z in ((1, X), (3, X), (2, np.asfortranarray(X))))
        for other in (two, three):
            assert_array_equal(one.components_, other.components_)
            assert_array_equal(one.noise_variance_, other.noise_variance_)
            assert_array_equal(one.transform(X[:50]), other.transform(X[:50]))


def test_files_and_pickles(tmp_path):
    for options in ({}, {"noise": "isotropic"}, {"rotation": "promax"}):
        model = FactorAnalysis(2, **options).fit(ATTITUDE)
        model.save(tmp_path / "model.npz")
        for back in (FactorAnalysis.load(tmp_path / "model.npz"),
                     pickle.loads(pickle.dumps(model))):
            assert_array_equal(back.transform(ATTITUDE), model.transform(ATTITUDE))
            assert_array_equal(back.score_samples(ATTITUDE), model.score_samples(ATTITUDE))
            assert back.get_params() == model.get_params()
            assert back.n_parameters_ == model.n_parameters_
            assert_array_equal(back.heywood_, model.heywood_)


def test_pipelines_and_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ATTITUDE, columns=list("abcdefg"))
    pipe = make_pipeline(FactorAnalysis(2, scores="bartlett")).set_output(transform="pandas")
    out = pipe.fit_transform(frame)
    assert list(out.columns) == ["factoranalysis0", "factoranalysis1"]
    assert list(pipe.get_feature_names_out()) == list(out.columns)
    with pytest.warns(EMWarning, match="columns 'a', 'b' are explained"):
        FactorAnalysis(1).fit(frame.assign(b=frame.a))


@pytest.mark.parametrize("options", [
    {"n_components": 2}, {"n_components": 2, "rotation": "oblimin"},
    {"n_components": 3, "noise": "isotropic"}])
def test_samples_have_the_moments_of_the_model(options):
    model = fitted(WINE / WINE.std(axis=0), **options)
    X = model.sample(40_000)
    assert X.shape == (40_000, 13)
    assert X.dtype == model.components_.dtype
    assert_allclose(X.mean(axis=0), model.mean_, atol=0.03)
    assert_allclose(np.cov(X, rowvar=False), model.get_covariance(), atol=0.05)
    assert_array_equal(model.sample(5), model.sample(5, random_state=0))
    assert (model.sample(5) != model.sample(5, random_state=np.random.default_rng(1))).all()
    assert model.sample().shape == (1, 13)


def test_samples_of_columns_of_one_value():
    model = fitted(np.column_stack([IRIS, np.full(150, 7.0)]))
    assert (model.sample(20)[:, 4] == 7).all()
    for wrong, error, text in ((0, ValueError, "n_samples must be at least 1, got 0"),
                               (2.5, TypeError, "n_samples must be a whole number, got 2.5"),
                               (IRIS, TypeError, r"whole number, got an array of shape \(150, 4")):
        with pytest.raises(error, match=text):
            model.sample(wrong)
    with pytest.raises(ValueError, match="random_state must be None, an integer"):
        model.sample(3, random_state="a")
    assert_array_equal(model.standardized_components_[:, 4], 0)


@pytest.mark.parametrize("rotation", [None, "promax"])
def test_standardised_loadings(rotation):
    model = fitted(WINE, 3, rotation=rotation)
    L, Phi = model.standardized_components_, model.factor_correlation_
    assert L.shape == (3, 13)
    assert_allclose(np.einsum("qd,qr,rd->d", L, Phi, L), model.communalities_, rtol=1e-10)
    same = fitted((WINE - 5) / WINE.std(axis=0), 3, rotation=rotation)
    # the variances of the model are those of the rows; the signs go by units
    assert_allclose(np.abs(same.components_), np.abs(L), atol=2e-5)
    with pytest.raises(AttributeError):
        FactorAnalysis().standardized_components_  # noqa: B018


def test_callbacks():
    seen = []
    model = FactorAnalysis(2, n_init=1, callback=seen.append).fit(ATTITUDE)
    assert [state.lower_bound for state in seen] == model.lower_bounds_
    model = FactorAnalysis(2, callback=lambda state: state.n_iter == 2).fit(ATTITUDE)
    assert model.n_iter_ == 2 and not model.converged_


def test_criteria():
    model = FactorAnalysis(2).fit(ATTITUDE)
    total, p = 30 * model.score(ATTITUDE), 7 + 14 - 1 + 7
    assert model.n_parameters_ == p
    assert_allclose(model.bic(ATTITUDE), -2 * total + p * np.log(30))
    assert_allclose(model.aic(ATTITUDE), -2 * total + 2 * p)


def test_starts_are_of_the_columns():
    R = np.corrcoef(IRIS.T)
    for i in range(5):
        x = starts.start(Dense(R), 2, i, np.random.RandomState(0))
        scaled = starts.start(Dense(R * 4), 2, i, np.random.RandomState(0))
        assert (x <= 1e-12).all()
        assert_allclose(scaled, x + np.log(4), rtol=1e-10)
    # the two columns of petals are correlated most
    assert list(np.argsort(starts.of_pairs(Dense(R), 1))[:2]) in ([2, 3], [3, 2])


# --- how many ---------------------------------------------------------------------------------


def test_select_factors():
    result = select_factors(rows_with(ABILITY, 112), range(1, 5))
    assert result.best.n_components == 2
    # (D - q)^2 - (D + q) over two: 9, 4, 0, -3
    assert [row["degrees_of_freedom"] for row in result.table] == [9, 4, 0, -3]
    assert result.table[3]["error"] and "more parameters" in str(result)
    row = result.chosen
    assert_allclose(row["bic"], result.best.bic(rows_with(ABILITY, 112)))
    assert " *" in str(result).splitlines()[2]
    with pytest.warns(EMWarning, match="is the largest that was tried"):
        by_aic = select_factors(rows_with(ABILITY, 112), [1, 2], "aic", rotation="varimax")
    assert by_aic.best.rotation == "varimax" and by_aic.criterion == "aic"
    for bad in ((), "12", [0], True, [1.5]):
        with pytest.raises(ValueError, match="n_components"):
            select_factors(ATTITUDE, bad)
    with pytest.raises(ValueError, match="criterion"):
        select_factors(ATTITUDE, 1, "icl")


@pytest.mark.parametrize("acceleration", [None, "squarem"])
@pytest.mark.parametrize("wide", [False, True])
def test_em_never_falls_beside_noise_variances_near_zero(wide, acceleration, rng):
    X = rng.normal(size=(3, 300)) if wide else np.c_[ATTITUDE, ATTITUDE[:, 0], ATTITUDE[:, 0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = FactorAnalysis(2, method="em", n_init=1, tol=0, max_iter=200,
                               acceleration=acceleration).fit(X)
    assert len(model.heywood_)
    assert np.diff(model.lower_bounds_).min() > -3e-15 * X.shape[1] * abs(model.lower_bound_)


def test_selection_does_not_count_columns_of_one_value():
    X = np.c_[ATTITUDE[:, :4], np.ones(len(ATTITUDE))]
    with pytest.warns(EMWarning, match="one value only"):
        found = select_factors(X, [1, 2])
    assert [row["degrees_of_freedom"] for row in found.table] == [2, -1]
    assert found.best.n_components == 1 and found.table[1]["error"]
