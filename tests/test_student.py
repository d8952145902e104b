"""StudentTMixture against textbook EM, R's MASS, and the likelihood itself."""

import pickle
import warnings

import mpmath
import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import digamma
from sklearn.datasets import load_iris

from emkernels import GaussianMixture, StudentTMixture
from emkernels.components.gaussian.structures import COVARIANCE_TYPES, structure_of
from emkernels.components.student import (
    LEAST_DF,
    MOST_DF,
    StudentComponents,
    Students,
    df_roots,
)
from emkernels.data import Rows
from emkernels.em import DegenerateFitError
from emkernels.models.student.estimator import StudentTMixture as Estimator

IRIS = load_iris().data
# Brownlee's stack loss plant data, as in R's datasets
STACKLOSS = np.array([
    [80, 27, 89, 42], [80, 27, 88, 37], [75, 25, 90, 37], [62, 24, 87, 28], [62, 22, 87, 18],
    [62, 23, 87, 18], [62, 24, 93, 19], [62, 24, 93, 20], [58, 23, 87, 15], [58, 18, 80, 14],
    [58, 18, 89, 14], [58, 17, 88, 13], [58, 18, 82, 11], [58, 19, 93, 12], [50, 18, 89, 8],
    [50, 18, 86, 7], [50, 19, 72, 8], [50, 19, 79, 8], [50, 20, 80, 9], [56, 20, 82, 15],
    [70, 20, 91, 15]], float)
OLD = ("full", "tied", "diag", "spherical")
EXACT = {"tol": 1e-14, "reg_covar": 0.0, "max_iter": 3000, "acceleration": "squarem"}


def fitted(X, *arguments, sample_weight=None, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return StudentTMixture(*arguments, random_state=0, **parameters).fit(
            X, sample_weight=sample_weight)


def groups(n=400, D=2, seed=0, df=4.0):
    """Two clusters with tails."""
    rng = np.random.default_rng(seed)
    X = rng.standard_t(df, size=(n, D))
    X[: n // 3] += 8
    return X


def gaps(X, share=0.15, seed=1):
    X = X.copy()
    X[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    return X[~np.isnan(X).all(axis=1)]


# --- one component -------------------------------------------------------------------------

def test_values_of_r():
    """MASS::cov.trob(stackloss, nu = 5, tol = 1e-12)."""
    model = fitted(STACKLOSS, df=5, reg_covar=0, tol=0, max_iter=200)
    assert_allclose(model.means_[0], [58.95182726, 20.78823347, 86.05285062, 16.06974330],
                    rtol=1e-9)
    assert_allclose(model.scatters_[0], [
        [60.18299849, 16.948024164, 18.521658581, 61.95032413],
        [16.94802416, 8.062791972, 5.597113116, 20.40256586],
        [18.52165858, 5.597113116, 24.421591094, 16.87037489],
        [61.95032413, 20.402565857, 16.870374895, 72.38242425]], rtol=1e-8)


def test_values_of_r_with_weights():
    """cov.trob(stackloss, wt = w, nu = 3) divides by the number of rows, as here by the weight;
    so the same rows, repeated."""
    weight = np.array([1, 2, 0, 3, 1, 1, 1, 1, 2, 1, 1, 1, 1, 4, 1, 1, 1, 1, 1, 1, 1])
    one = fitted(STACKLOSS, df=3, sample_weight=weight, **EXACT)
    other = fitted(np.repeat(STACKLOSS, weight, axis=0), df=3, **EXACT)
    for name in ("means_", "scatters_", "lower_bound_"):
        assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-8)


@pytest.mark.parametrize("X", [IRIS, STACKLOSS], ids=["iris", "stackloss"])
def test_tails_lighter_than_normal_end_at_the_bound(X):
    model = fitted(X, **EXACT)
    assert model.dfs_[0] == MOST_DF and model.converged_
    normal = GaussianMixture(reg_covar=0).fit(X)
    assert_allclose(model.means_, normal.means_, rtol=1e-5)
    assert_allclose(model.covariances_, normal.covariances_, rtol=1e-4)
    assert_allclose(model.lower_bound_, normal.score(X), rtol=1e-6)


def test_location_and_scatter_are_robust(rng):
    X = rng.normal(size=(300, 3)) @ np.diag([1.0, 5.0, 0.2])
    spoilt = np.concatenate([X, rng.normal(size=(20, 3)) * 1e6])
    model = fitted(spoilt, df=2)
    assert_allclose(model.means_[0], 0, atol=0.6)
    assert (model.outlier_weight(spoilt)[300:] < 1e-3).all()
    # (the scatter of a t distribution is less than that of the normal rows)
    ratio = np.diag(model.scatters_[0]) / [1, 25, 0.04]
    assert (ratio > 0.4).all() and (ratio < 1.2).all()


# --- likelihood ------------------------------------------------------------------------------

def likelihood_of(model, X):
    return reference.student_log_likelihood(
        X, model.weights_, model.means_, model.scatters_, model.dfs_) / len(X)


@pytest.mark.parametrize("df", [None, "shared", 3.0, [2.0, 30.0]], ids=str)
@pytest.mark.parametrize("missing", [False, True])
def test_the_end_is_stationary(missing, df):
    """Finite differences of the observed likelihood along every parameter."""
    X = gaps(groups(150)) if missing else groups(150)
    model = fitted(X, 2, df=df, **EXACT)
    w, m, S, dfs = model.weights_, model.means_, model.scatters_, model.dfs_
    assert_allclose(model.lower_bound_, likelihood_of(model, X), rtol=1e-9)
    free = 0 if isinstance(df, (float, list)) else 1 if df == "shared" else 2
    n = 1 + 4 + 6 + free

    def at(v):
        weights = np.array([w[0] + v[0], w[1] - v[0]])
        scatters = np.array([s + [[a, b], [b, c]] for s, (a, b, c) in zip(
            S, v[5:11].reshape(2, 3))])
        return reference.student_log_likelihood(
            X, weights, m + v[1:5].reshape(2, 2), scatters,
            dfs * np.exp(np.resize(v[11:], 2) if free else 0)) / len(X)

    for direction in np.eye(n):
        assert abs(at(1e-5 * direction) - at(-1e-5 * direction)) / 2e-5 < 2e-6, direction


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("df", [None, "shared", 0.8], ids=str)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_the_likelihood_never_falls(covariance_type, df, missing):
    X = gaps(IRIS) if missing else IRIS
    means = [[6.6, 3.0, 5.5, 2.0], [5.0, 3.4, 1.5, 0.25]]
    for acceleration in (None, "squarem"):
        bounds = fitted(X, 2, covariance_type, df, reg_covar=0, tol=0, max_iter=40,
                        means_init=means, acceleration=acceleration).lower_bounds_
        assert np.diff(bounds).min() > -1e-12


@pytest.mark.parametrize("covariance_type", [t for t in COVARIANCE_TYPES if t not in OLD])
def test_structures_of_three_letters(covariance_type):
    """Those that are one of the four, and between those that have less and more; scatters are of
    the family."""
    X = groups(300, 3)
    means = np.array([[8.0] * 3, [0.0] * 3])
    options = {"means_init": means, "reg_covar": 0, "df": 5.0, "tol": 1e-11}
    model = fitted(X, 2, covariance_type, **options)
    same = {"VVV": "full", "EEE": "tied", "VVI": "diag", "VII": "spherical"}.get(covariance_type)
    if same is not None:
        other = fitted(X, 2, same, **options)
        assert_allclose(model.lower_bound_, other.lower_bound_, rtol=1e-10)
        assert_allclose(model.scatters_, other.scatters_, rtol=1e-4, atol=1e-5)
    low, high = (fitted(X, 2, t, **options).lower_bound_ for t in ("EII", "full"))
    assert low - 1e-8 <= model.lower_bound_ <= high + 1e-8
    volumes = np.linalg.det(model.scatters_)
    assert covariance_type[0] == "V" or np.isclose(*volumes)
    assert covariance_type[2] != "I" or np.allclose(
        model.scatters_, model.scatters_ * np.eye(3), atol=1e-9)
    lengths = np.linalg.eigvalsh(model.scatters_) / np.cbrt(volumes)[:, None]
    assert covariance_type[1] == "V" or np.allclose(*lengths, rtol=1e-6)


def test_textbook_em_has_the_same_end():
    X = groups(60)
    model = fitted(X, 2, df=[3.0, 6.0], **EXACT)
    start = model.weights_, model.means_ + 0.1, model.scatters_ * 1.2
    w, m, S = reference.student_em(X, *start, np.array([3.0, 6.0]), 70)
    assert_allclose(w, model.weights_, rtol=1e-6)
    assert_allclose(m, model.means_, rtol=1e-6, atol=1e-6)
    assert_allclose(S, model.scatters_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("covariance_type", ["tied"])
def test_one_step_of_shared_volumes_is_textbook_em(covariance_type):
    """Where the components share their volume, scatters are divided by responsibilities."""
    X = groups(100)
    given = {"weights_init": [0.4, 0.6], "means_init": [[7.0, 8.0], [0.0, 1.0]],
             "scatters_init": np.repeat(np.diag([2.0, 3.0])[None], 2, axis=0)}
    model = fitted(X, 2, covariance_type, [3.0, 9.0], tol=0, max_iter=1, reg_covar=0, **given)
    counts, pulls, first, second, *_ = reference.student_statistics(
        X, *map(np.array, given.values()), [3.0, 9.0])
    offsets = first / pulls[:, None]
    assert_allclose(model.weights_, counts / 100, rtol=1e-12)
    assert_allclose(model.means_, given["means_init"] + offsets, rtol=1e-12)
    right = sum(s - p * np.outer(o, o) for s, p, o in zip(second, pulls, offsets)) / 100
    assert_allclose(model.scatters_, [right, right], rtol=1e-11)


def test_steps_continue():
    """max_iter = k is k plain updates from what is given."""
    X, keys = groups(200), ("weights_init", "means_init", "scatters_init")
    values = [0.5, 0.5], [[7.0, 7.0], [1.0, 0.0]], np.repeat(np.eye(2)[None], 2, axis=0)
    options = {"tol": 0.0, "df": [4.0, 2.0]}
    three = fitted(X, 2, max_iter=3, **options, **dict(zip(keys, values)))
    for _ in range(3):
        one = fitted(X, 2, max_iter=1, **options, **dict(zip(keys, values)))
        values = one.weights_, one.means_, one.scatters_
    for name in ("weights_", "means_", "scatters_"):
        assert_allclose(getattr(one, name), getattr(three, name), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("given", [
    {"means_init": [[8.0, 8.0], [0.0, 0.0]]}, {"weights_init": [0.25, 0.75]},
    {"scatters_init": [np.eye(2), 2 * np.eye(2)]}])
def test_what_is_given_begins_so(given):
    start = fitted(groups(), 2, max_iter=0, **given)
    (name, value), = given.items()
    assert_allclose(getattr(start, name.replace("_init", "_")), value, rtol=1e-12)


@pytest.mark.parametrize("covariance_type", OLD)
def test_scatters_are_made_of_the_structure(covariance_type):
    matrices = np.array([[[2.0, 0.5], [0.5, 4.0]], [[6.0, 0.0], [0.0, 8.0]]])
    found = fitted(groups(), 2, covariance_type, max_iter=0, scatters_init=matrices).scatters_
    right = {"full": matrices, "tied": [[[4, 0.25], [0.25, 6]]] * 2,
             "diag": [np.diag([2, 4]), np.diag([6, 8])],
             "spherical": [3 * np.eye(2), 7 * np.eye(2)]}[covariance_type]
    assert_allclose(found, right, rtol=1e-12)


# --- degrees of freedom ------------------------------------------------------------------------

def test_roots_of_the_degrees_of_freedom():
    """Against bisection with 50 digits."""
    for d, bend in ((1, -0.3), (3, -0.01), (8, -1e-7), (2, -1e-11)):
        found = df_roots(np.eye(d + 1)[None, d] * 10, np.array([10 * bend]), np.array([5.0]))[0]
        with mpmath.workdps(50):
            low, high = mpmath.mpf("0.01"), mpmath.mpf(10) ** 8
            for _ in range(100):
                nu = mpmath.sqrt(low * high)
                a, b = (nu + d) / 2, nu / 2
                above = (mpmath.digamma(a) - mpmath.log(a) - mpmath.digamma(b) + mpmath.log(b)
                         + mpmath.mpf(bend)) > 0
                low, high = (nu, high) if above else (low, nu)
            right = low
        assert_allclose(found, float(right), rtol=1e-11)
    assert df_roots(np.array([[0, 5.0]]), np.array([-1e-30]), np.array([5.0])) == MOST_DF
    assert df_roots(np.array([[0, 5.0]]), np.array([-50.0]), np.array([5.0])) == LEAST_DF


def test_the_observed_score_vanishes(rng):
    """What maximises the likelihood in df at the other parameters (Liu & Rubin 1995)."""
    X = rng.standard_t(3, size=(500, 1))
    model = fitted(X, reg_covar=0, tol=0, max_iter=400)
    df, u = model.dfs_[0], model.outlier_weight(X)
    score = (digamma((df + 1) / 2) - digamma(df / 2) - np.log((df + 1) / df) + 1
             + (np.log(u) - u).mean())
    assert abs(score) < 1e-10
    shape, loc, scale = stats.t.fit(X[:, 0])
    assert_allclose([df, model.means_[0, 0], model.scatters_[0, 0, 0]], [shape, loc, scale**2],
                    rtol=1e-3)


def test_degrees_that_are_estimated(rng):
    n = 6000
    X = np.concatenate([rng.standard_t(2, size=(n, 1)) * [[1, 1]], rng.normal(size=(n, 2)) + 30])
    X[:n] = rng.normal(size=(n, 2)) / np.sqrt(rng.chisquare(3, size=(n, 1)) / 3)
    model = fitted(X, 2)
    heavy = model.means_[:, 0].argmin()
    assert 2.6 < model.dfs_[heavy] < 3.5 and model.dfs_[1 - heavy] > 50
    shared = fitted(X, 2, df="shared")
    assert shared.dfs_[0] == shared.dfs_[1] and 3 < shared.dfs_[0] < 50
    assert model.n_parameters_ == 1 + 4 + 6 + 2 and shared.n_parameters_ == 1 + 4 + 6 + 1
    assert fitted(X, 2, df=4).n_parameters_ == 1 + 4 + 6
    assert fitted(X, 2, "tied", 4).n_parameters_ == 1 + 4 + 3


@pytest.mark.parametrize("df", [1e9, np.inf, 1e300])
@pytest.mark.parametrize("covariance_type", OLD)
def test_many_fixed_degrees_are_the_normal(covariance_type, df):
    given = {"means_init": [[8.0, 8.0], [0.0, 0.0]], "tol": 1e-10, "max_iter": 200}
    X = groups()
    model = fitted(X, 2, covariance_type, df, **given)
    normal = GaussianMixture(2, covariance_type=covariance_type, random_state=0, **given).fit(X)
    assert_allclose(model.lower_bound_, normal.lower_bound_, rtol=1e-7)
    assert_allclose(model.means_, normal.means_, rtol=1e-4, atol=1e-4)
    assert_array_equal(model.dfs_, df)
    assert np.isfinite(model.covariances_).all()


@pytest.mark.parametrize("df", [1e-3, 0.1])
def test_few_fixed_degrees(df):
    model = fitted(groups(), df=df)
    assert np.isfinite(model.lower_bound_) and np.isfinite(model.score_samples(groups())).all()
    assert_array_equal(model.dfs_, [df])


def test_covariances_are_infinite_where_there_are_none():
    model = fitted(groups(), 2, df=[2.0, 5.0], means_init=[[8.0, 8.0], [0.0, 0.0]])
    assert np.isinf(model.covariances_[0]).all()
    assert_allclose(model.covariances_[1], model.scatters_[1] * 5 / 3, rtol=1e-14)


# --- rows, weights, precision ---------------------------------------------------------------

def test_outlier_weight_of_one_component():
    X = groups(100, 3)
    model = fitted(X, df=4)
    gap = X - model.means_[0]
    q = np.einsum("nd,de,ne->n", gap, np.linalg.inv(model.scatters_[0]), gap)
    assert_allclose(model.outlier_weight(X), (4 + 3) / (4 + q), rtol=1e-12)
    assert_allclose(
        model.score_samples(X),
        stats.multivariate_t.logpdf(X, model.means_[0], model.scatters_[0], 4), rtol=1e-12)


def test_outlier_weight_of_a_mixture():
    """The posterior mean of u; with gaps, of the observed values."""
    X = gaps(groups(80, 3))
    model = fitted(X, 2)
    joint, u, filled, _ = reference.student_rows(
        X, model.weights_, model.means_, model.scatters_, model.dfs_)
    resp, norm = reference.responsibilities(joint)
    assert_allclose(model.outlier_weight(X), (resp * u).sum(axis=1), rtol=1e-8)
    assert_allclose(model.predict_proba(X), resp, rtol=1e-6, atol=1e-9)
    assert_allclose(model.score_samples(X), norm, rtol=1e-8)
    right = np.einsum("nk,nkd->nd", resp, filled + model.means_)
    assert_allclose(model.impute(X), np.where(np.isnan(X), right, X), rtol=1e-7)


@pytest.mark.parametrize("missing", [False, True])
def test_weights(missing):
    X = gaps(groups(90)) if missing else groups(90)
    weight = np.arange(len(X)) % 3
    options = {"means_init": [[8.0, 8.0], [0.0, 0.0]], "tol": 0, "max_iter": 60}
    one = fitted(X, 2, sample_weight=weight, **options)
    other = fitted(np.repeat(X, weight, axis=0), 2, **options)
    absent = fitted(X[weight > 0], 2, sample_weight=weight[weight > 0], **options)
    for name in ("weights_", "means_", "scatters_", "dfs_"):
        assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6)
        assert_array_equal(getattr(one, name), getattr(absent, name))
    spoilt = X.copy()
    spoilt[weight == 0] = 1e6
    again = fitted(spoilt, 2, sample_weight=weight, max_iter=5)
    assert_array_equal(again.means_, fitted(X, 2, sample_weight=weight, max_iter=5).means_)
    assert_allclose(one.score(X, sample_weight=weight), one.lower_bound_, rtol=1e-4)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("covariance_type", OLD)
def test_same_bits_for_every_number_of_threads(covariance_type, missing):
    X = groups(1500, 5)
    X = gaps(X) if missing else X
    means = np.array([np.full(5, 8.0), np.zeros(5)])
    one, two = (fitted(X, 2, covariance_type, max_iter=4, means_init=means, n_threads=n)
                for n in (1, 2))
    for name in ("weights_", "means_", "scatters_", "dfs_", "lower_bounds_"):
        assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize(("dtype", "shift", "near"), [("f8", 1e8, 1e-8), ("f4", 1e3, 1e-3)])
@pytest.mark.parametrize("covariance_type", OLD)
def test_shifts_cost_no_digits(covariance_type, dtype, shift, near):
    """The rows as they are stored, and the same in float64 about zero."""
    X = (groups(500) + shift).astype(dtype)
    exact = X.astype(np.float64) - shift
    options = {"tol": 0, "max_iter": 40, "reg_covar": 0, "df": 3.0}
    means = np.array([[8.0, 8.0], [0.0, 0.0]])
    one = fitted(X, 2, covariance_type, means_init=means + shift, **options)
    other = fitted(exact, 2, covariance_type, means_init=means, **options)
    scale = np.sqrt(np.einsum("kdd->kd", other.scatters_))
    bound = near * scale[:, :, None] * scale[:, None, :]
    assert (np.abs(one.scatters_ - other.scatters_) <= bound).all()
    assert_allclose(one.means_ - shift, other.means_, atol=near)
    assert_allclose(one.weights_, other.weights_, rtol=near)


def test_float32_estimates_degrees_of_freedom():
    X = groups(3000, 4)
    one, other = (fitted(X.astype(dtype), 2, tol=0, max_iter=80) for dtype in ("f4", "f8"))
    assert_allclose(one.dfs_, other.dfs_, rtol=1e-3)
    assert one.score_samples(X.astype("f4")).dtype == np.float32


@pytest.mark.parametrize("scale", [1e-150, 1e-9, 1e9, 1e100])
def test_units_of_the_columns(scale):
    options = {"reg_covar": "auto", "df": 3.0, "tol": 0, "max_iter": 20}
    one, other = fitted(groups() * scale, **options), fitted(groups(), **options)
    assert_allclose(one.means_, other.means_ * scale, rtol=1e-8, atol=1e-8 * scale)
    assert_allclose(one.scatters_ / scale / scale, other.scatters_, rtol=1e-8)


def test_parts_of_rows_add_up():
    """Statistics of parts, merged, are those of the whole, and survive a pickle."""
    model = fitted(groups(), 2)
    from_all, parts = [], []
    for X, found in ((groups(), from_all), (groups()[:150], parts), (groups()[150:], parts)):
        components = StudentComponents(structure_of("full"))
        parameters = Students(structure_of("full"), model.means_, None,
                              model.precisions_cholesky_, model.dfs_)
        found.append(components.mixed(Rows.read(X), model.weights_, parameters))
    merged = pickle.loads(pickle.dumps(parts[0])).merge(parts[1])
    for name in ("counts", "first", "second", "pulls", "sizes", "bends", "log_likelihood", "total"):
        assert_allclose(getattr(merged, name), getattr(from_all[0], name), rtol=1e-11, atol=1e-11)
    assert_allclose(from_all[0].means(), model.means_, rtol=1e-4, atol=1e-4)
    assert_allclose(from_all[0].covariances(), model.scatters_, rtol=1e-3)


# --- starts, degenerate tables ---------------------------------------------------------------

@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("far", [30.0, 1e3, 1e6])
def test_outliers_do_not_rule_the_start(far, missing, rng):
    centres = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])
    X = centres[rng.integers(3, size=400)] + rng.normal(size=(400, 2))
    X[:15] = rng.normal(size=(15, 2)) * far
    X = gaps(X, 0.05) if missing else X
    model = fitted(X, 3, tol=1e-5)
    distance = np.linalg.norm(model.means_[:, None] - centres, axis=2)
    assert (distance.min(axis=0) < 0.5).all()


@pytest.mark.parametrize("X", [
    np.ones((20, 2)), np.c_[np.arange(20.0), np.ones(20)], np.c_[np.arange(20.0), np.arange(20.0)],
    np.repeat(np.eye(3), 7, axis=0), np.eye(5)[:3], np.r_[np.ones((19, 1)), [[5.0]]]],
    ids=["equal", "constant", "collinear", "duplicates", "wide", "all but one"])
@pytest.mark.parametrize("covariance_type", OLD)
@pytest.mark.parametrize("n_components", [1, 2])
@pytest.mark.parametrize("df", [None, 1.0])
def test_degenerate_tables(X, covariance_type, n_components, df):
    for reg_covar in (1e-6, 0.0):
        try:
            model = fitted(X, n_components, covariance_type, df, reg_covar=reg_covar)
        except DegenerateFitError:
            continue
        for name in ("weights_", "means_", "scatters_", "dfs_", "lower_bound_"):
            assert np.isfinite(getattr(model, name)).all()
        assert np.isfinite(model.score_samples(X)).all()


def test_a_spike_is_named(rng):
    X = rng.normal(size=(100, 2))
    X[:30] = 4.0
    model = StudentTMixture(2, random_state=0)
    with pytest.warns(Warning) as heard:
        model.fit(X)
    assert any("collapsed" in str(w.message) and "covariance_prior" not in str(w.message)
               for w in heard)
    assert len(model.degenerate_components_) == 1


@pytest.mark.parametrize("df, half", [(0.01, False), (None, True)])
def test_a_collapse_of_all_is_no_constant_column(df, half, rng):
    X = rng.normal(size=(60, 3))
    if half:
        X = np.concatenate([np.zeros((60, 3)), X])
    X = np.column_stack([X, np.full(len(X), 7.0)])
    model = StudentTMixture(df=df)
    with pytest.warns(Warning) as heard:
        model.fit(X)
    texts = [str(w.message) for w in heard]
    assert any(text.startswith("collapsed: component 0 in the columns 0, 1, 2") for text in texts)
    assert any(text.startswith("column 3 with one value only") for text in texts)
    assert model.degenerate_components_.tolist() == [0]


@pytest.mark.parametrize("mean, scatter", [(0.0, 1e-300), (1e5, 1e-8)])
def test_starts_far_from_all_rows(mean, scatter, rng):
    X = rng.standard_t(3, size=(100, 3))
    model = StudentTMixture(reg_covar=0, tol=1e-12).fit(X)
    far = StudentTMixture(reg_covar=0, tol=1e-12, means_init=[[mean] * 3],
                          scatters_init=[np.eye(3) * scatter]).fit(X)
    assert_allclose(far.lower_bound_, model.lower_bound_, rtol=1e-10)
    assert np.diff(far.lower_bounds_).min() > -1e-9
    with pytest.raises(DegenerateFitError, match="where the model takes one"):
        far.set_params(means_init=[[1e150] * 3], scatters_init=[np.eye(3) * 1e-200]).fit(X)


# --- faces -------------------------------------------------------------------------------------

def test_the_class_is_public():
    assert StudentTMixture is Estimator and StudentTMixture().get_params()["n_components"] == 1


@pytest.mark.parametrize(("parameters", "text"), [
    ({"df": 0}, "df"), ({"df": "own"}, "df"), ({"df": [1.0, 2.0]}, r"df must be a number or have"),
    ({"df": [-1.0]}, "df must be positive, got -1 for component 0"),
    ({"df": [np.nan]}, "df must be positive"),
    ({"covariance_type": "round"}, "covariance_type"), ({"reg_covar": -1.0}, "reg_covar"),
    ({"scatters_init": np.eye(2)}, r"scatters_init must have shape \(1, 2, 2\)"),
    ({"scatters_init": [[[1.0, 2.0], [2.0, 1.0]]]}, "that of component 0 is not"),
    ({"scatters_init": [[[1.0, np.nan], [2.0, 1.0]]]}, "NaN"),
    ({"means_init": [[1.0]]}, "means"), ({"weights_init": [0.5]}, "normalized"),
    ({"n_components": 1000}, "n_samples >= n_components"),
])
def test_errors_before_any_work(parameters, text):
    model = StudentTMixture(**parameters)
    with pytest.raises(ValueError, match=text):
        model.fit(groups())
    assert not hasattr(model, "means_")


def test_save_and_load(tmp_path):
    X = gaps(groups(100))
    model = fitted(X, 2, "tied", "shared")
    model.save(tmp_path / "t.npz")
    back = StudentTMixture.load(tmp_path / "t.npz")
    assert back.get_params() == model.get_params()
    for name in ("weights_", "means_", "scatters_", "covariances_", "dfs_", "lower_bounds_"):
        assert_array_equal(getattr(back, name), getattr(model, name))
    for method in ("score_samples", "predict", "predict_proba", "outlier_weight", "impute", "bic",
                   "aic", "icl"):
        assert_array_equal(getattr(back, method)(X), getattr(model, method)(X))
    with pytest.raises(ValueError, match="not a StudentTMixture"):
        GaussianMixture(2, random_state=0).fit(groups()).save(tmp_path / "g.npz")
        StudentTMixture.load(tmp_path / "g.npz")


def test_criteria():
    X = groups(100)
    model = fitted(X, 2)
    total = model.score_samples(X).sum()
    assert_allclose(model.aic(X), -2 * total + 2 * model.n_parameters_)
    assert_allclose(model.bic(X), -2 * total + np.log(100) * model.n_parameters_)
    resp = model.predict_proba(X)
    assert_allclose(model.icl(X), model.bic(X) - 2 * (resp * np.log(resp)).sum(), rtol=1e-9)
    assert_array_equal(fitted(X, 2).fit_predict(X), model.predict(X))


def test_samples():
    """Their distances follow an F distribution (Kolmogorov and Smirnov)."""
    model = fitted(groups(), df=3)
    X, labels = model.sample(4000)
    assert_array_equal(labels, 0)
    gap = X - model.means_[0]
    q = np.einsum("nd,de,ne->n", gap, np.linalg.inv(model.scatters_[0]), gap)
    assert stats.kstest(q / 2, stats.f(2, 3).cdf).pvalue > 1e-3
    many = fitted(groups(), 2).sample(50)
    assert many[0].shape == (50, 2) and set(many[1]) <= {0, 1}


def test_callback_and_history():
    seen = []
    fitted(groups(), 2, callback=lambda state: seen.append(state.lower_bound) or len(seen) == 4)
    assert len(seen) == 4


def test_several_starts_keep_the_best():
    X = groups(300)
    many = fitted(X, 3, n_init=3, init_params=("kmeans", "random", "k-means++"), tol=1e-5)
    assert many.lower_bound_ >= fitted(X, 3, tol=1e-5).lower_bound_ - 1e-9
