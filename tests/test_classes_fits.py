"""Maxima of latent classes: published ones, whether they are reached, determined, degenerate."""

import decimal
import itertools
import math
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import reference
from test_classes_references import TITANIC

from emkernels import LatentClassAnalysis
from emkernels.components.categorical import ClassComponents, Classes
from emkernels.data.items import Items
from emkernels.em import DegenerateFitError, DegenerateWarning, EMWarning
from emkernels.models.classes import examination
from emkernels.models.classes.examination import generic, jacobian_rank


def table(text):
    """Rows of patterns and how many have them."""
    pairs = [each.split() for each in text.split(";")]
    patterns = np.array([[int(digit) for digit in pattern] for pattern, _ in pairs])
    return np.repeat(patterns, [int(count) for _, count in pairs], axis=0)


# 7 pathologists on 118 slides (A. Agresti, Categorical Data Analysis, 2002, table 13.1)
CARCINOMA = table(
    "0000000 34;0000100 2;0100000 6;0100001 1;0100100 4;0100101 5;1000000 2;1010101 1;1100000 2;"
    "1100001 1;1100100 2;1100101 7;1100111 1;1101001 1;1101101 2;1101111 3;1110101 13;1110111 5;"
    "1111101 10;1111111 16")
# role conflict, 216 respondents (S. A. Stouffer, J. Toby, American Journal of Sociology 56, 1951)
VALUES = table(
    "1111 42;1112 23;1121 6;1122 25;1211 6;1212 24;1221 7;1222 38;2111 1;2112 4;2121 1;2122 6;"
    "2211 2;2212 9;2221 2;2222 20")
# cheating among 319 students (C. M. Dayton, Latent Class Scaling Analysis, 1998)
CHEATING = table(
    "0000 207;0001 46;0010 7;0011 5;0100 13;0101 4;0110 1;0111 2;1000 10;1001 3;1010 1;1011 2;"
    "1100 11;1101 4;1110 1;1111 2")
# section 6 of the Law School Admission Test (R. D. Bock, M. Lieberman, Psychometrika 35, 1970)
LSAT6 = table(
    "00000 3;00001 6;00010 2;00011 11;00100 1;00101 1;00110 3;00111 4;01000 1;01001 8;01011 16;"
    "01101 3;01110 2;01111 15;10000 10;10001 29;10010 14;10011 81;10100 3;10101 28;10110 15;"
    "10111 80;11000 16;11001 56;11010 21;11011 173;11100 11;11101 61;11110 28;11111 298")


@pytest.mark.parametrize(("X", "n_classes", "expected"), [
    (CARCINOMA, 2, -317.2568), (CARCINOMA, 3, -293.7050), (CARCINOMA, 4, -289.2858),
    (VALUES, 2, -504.4677), (CHEATING, 2, -440.0271)])
def test_maxima_that_polca_prints(X, n_classes, expected):
    """D. A. Linzer, J. B. Lewis, Journal of Statistical Software 42, 2011, and its manual."""
    model = LatentClassAnalysis(n_classes, random_state=0).fit(X)
    assert round(model.lower_bound_ * len(X), 4) == expected
    np.testing.assert_allclose(model.score(X) * len(X), expected, atol=6e-5)
    assert model.converged_ and model.identified_


@pytest.mark.parametrize(("X", "n_classes"), [(LSAT6, 2), (LSAT6, 3), (LSAT6, 5), (CARCINOMA, 5)])
def test_nothing_is_left_to_gain(X, n_classes):
    """Where EM takes thousands of steps, hundreds of the slow oracle's add nothing."""
    model = LatentClassAnalysis(n_classes, random_state=0, n_init=8).fit(X)     # without a warning
    kinds, counts = np.unique(X, axis=0, return_counts=True)
    *_, history = reference.class_em(kinds, model.weights_, model.response_probs_, 30, counts)
    np.testing.assert_allclose(history[0], model.lower_bound_ * len(X), rtol=1e-12)
    assert history[-1] - history[0] < 1e-7
    assert (np.diff(model.lower_bounds_) > -1e-12).all()


def test_newton_steps_go_where_em_goes():
    start = {"weights_init": [0.4, 0.3, 0.3], "response_probs_init": [
        [[a, 1 - a], [b, 1 - b], [c, 1 - c]] for a, b, c in (
            (0.5, 0.2, 0.1), (0.2, 0.7, 0.1), (0.3, 0.2, 0.6), (0.5, 0.4, 0.2), (0.4, 0.1, 0.2))]}
    for concentration in (None, 1.3):
        options = {**start, "n_init": 1, "max_iter": 100_000,
                   "response_concentration": concentration, "tol": 1e-8}
        fast = LatentClassAnalysis(3, **options).fit(LSAT6)
        slow = LatentClassAnalysis(3, **options, acceleration=None).fit(LSAT6)
        assert fast.n_iter_ < 200 < slow.n_iter_
        np.testing.assert_allclose(fast.lower_bound_, slow.lower_bound_, rtol=1e-13)
        np.testing.assert_allclose(fast.weights_, slow.weights_, atol=1e-5)


def test_the_start_is_the_fit_where_there_is_no_step():
    probs = [np.array([[0.9, 0.1], [0.2, 0.8]])] * 7
    model = LatentClassAnalysis(2, n_init=1, max_iter=0, weights_init=[0.3, 0.7],
                                response_probs_init=probs).fit(CARCINOMA)
    np.testing.assert_array_equal(model.weights_, [0.3, 0.7])
    np.testing.assert_array_equal(model.response_probs_, probs)


# --- order, boundary --------------------------------------------------------------------------


def test_order_of_the_classes():
    model = LatentClassAnalysis(3, random_state=3).fit(CARCINOMA)
    assert (np.diff(model.weights_) < 0).all()
    again = LatentClassAnalysis(3, random_state=8).fit(CARCINOMA)
    np.testing.assert_allclose(again.weights_, model.weights_, atol=1e-6)
    for one, other in zip(again.response_probs_, model.response_probs_, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_equal_weights_go_by_the_first_item():
    X = [["b", 0, 0], ["b", 0, 0], ["a", 1, 1], ["a", 1, 1]]
    for seed in range(4):
        model = LatentClassAnalysis(2, random_state=seed).fit(X)
        np.testing.assert_allclose(model.weights_, 0.5, atol=1e-8)
        np.testing.assert_allclose(model.response_probs_[0], [[1, 0], [0, 1]], atol=1e-8)


def test_zeros_of_a_start_stay_and_count():
    probs = [np.array([[1.0, 0.0], [0.5, 0.5]])] + [np.array([[0.9, 0.1], [0.3, 0.7]])] * 6
    model = LatentClassAnalysis(2, n_init=1, response_probs_init=probs).fit(CARCINOMA)
    np.testing.assert_array_equal(model.response_probs_[0][0], [1, 0])
    assert model.n_parameters_ == 1 + 2 * 7
    with pytest.raises(ValueError, match="row 46 of X has probability 0 under the start"):
        LatentClassAnalysis(2, n_init=1, response_probs_init=[
            np.array([[1.0, 0.0], [1.0, 0.0]]), *probs[1:]]).fit(
                np.r_[CARCINOMA[:46], CARCINOMA[-5:]])


def test_a_row_that_no_class_gives():
    model = LatentClassAnalysis(1).fit([[0, 0], [1, 0]])
    assert model.score_samples([[0, None]]) == math.log(0.5)
    model.response_probs_[1][:] = 0         # by hand: nothing gives it
    assert model.score_samples([[0, 0]]) == -np.inf
    np.testing.assert_array_equal(model.predict_proba([[0, 0]]), [[1.0]])


# --- what rows determine ----------------------------------------------------------------------


def pattern_jacobian(n_levels, weights, probs):
    """Derivatives of the probabilities of all patterns by free parameters, by differences."""
    first = [weights[:-1], *(p[:, :-1].ravel() for p in probs)]
    cuts = np.cumsum([len(part) for part in first])[:-1]

    def probabilities(x):
        w, *rest = np.split(x, cuts)
        w = np.append(w, 1 - w.sum())
        tables = [np.c_[p.reshape(len(w), -1), 1 - p.reshape(len(w), -1).sum(axis=1)] for p in rest]
        return np.array([sum(w[k] * math.prod(t[k, a] for t, a in zip(tables, pattern, strict=True))
                             for k in range(len(w)))
                         for pattern in itertools.product(*map(range, n_levels))])

    x = np.concatenate(first)
    return np.array([(probabilities(x + e) - probabilities(x - e)) / 2e-4
                     for e in 1e-4 * np.eye(len(x))]).T


@pytest.mark.parametrize(("n_levels", "n_classes", "determined"), [
    ((2, 2), 2, False), ((2, 2, 2), 2, True), ((2, 2, 2, 2), 3, False), ((2,) * 5, 3, True),
    ((3, 3, 2), 3, True), ((4, 4), 2, False), ((2,) * 5, 1, True), ((3, 2, 2), 3, False)])
def test_ranks_are_those_of_differences(n_levels, n_classes, determined):
    rng = np.random.default_rng(3)
    weights = rng.dirichlet(np.full(n_classes, 5))
    probs = [rng.dirichlet(np.full(n, 2), n_classes) for n in n_levels]
    expected = np.linalg.matrix_rank(pattern_jacobian(n_levels, weights, probs), tol=1e-5)
    codes = np.column_stack([rng.integers(0, n, 60) for n in n_levels]).astype(np.uint8)
    codes[:9, 0] = 255
    items = Items(codes, [np.arange(n) for n in n_levels], n_threads=1)
    classes = Classes(np.concatenate([p.T for p in probs]), *np.zeros((2, 0, n_classes)))
    rank, free = jacobian_rank(items, ClassComponents(n_levels), weights, classes)
    assert free == n_classes - 1 + n_classes * sum(n - 1 for n in n_levels)
    assert rank == expected
    assert (rank == free) == determined
    if generic(n_levels, n_classes):
        assert determined


def test_what_is_not_determined_is_said():
    rng = np.random.default_rng(0)
    with pytest.warns(EMWarning, match="rank 3, and 8 parameters are free.*fewer classes"):
        model = LatentClassAnalysis(3, random_state=1, acceleration=None, tol=1e-3).fit(
            rng.integers(0, 2, (200, 2)))
    assert model.identified_ is False
    # three classes of four binary items: L. A. Goodman, Biometrika 61, 1974
    with pytest.warns(EMWarning, match="rank 1., and 1. parameters are free"):
        LatentClassAnalysis(3, random_state=0).fit(VALUES)
    # far too many to look at the matrix
    with pytest.warns(EMWarning, match="items have too few levels"):
        LatentClassAnalysis(300, random_state=0, n_init=1, max_iter=30, tol=10).fit(
            rng.integers(0, 2, (100, 4)))


def test_only_zeros_that_could_as_well_be_larger_count():
    """Fits end with zeros; those whose derivative is negative belong there."""
    with pytest.warns(EMWarning, match="rank .., and .. parameters are free"):
        model = LatentClassAnalysis(5, random_state=0).fit(TITANIC)
    probs = np.concatenate([each.T for each in model.response_probs_])
    n_levels = [each.shape[1] for each in model.response_probs_]
    codes, counts = np.unique(TITANIC, axis=0, return_counts=True)
    levels = [np.unique(item) for item in TITANIC.T]
    codes = np.stack([np.searchsorted(a, b) for a, b in zip(levels, codes.T)], axis=1)
    items = Items(codes.astype(np.uint8), levels, sample_weight=counts.astype(float), n_threads=1)
    components, held = ClassComponents(n_levels), probs <= 1e-5
    classes = Classes(probs, *np.zeros((2, 0, 5)))
    resting = examination._resting(items, components, model.weights_, classes, held)
    first = np.concatenate([[0], np.cumsum(n_levels)])

    def log_likelihood(p):
        return counts @ np.log(np.prod(p[first[:-1] + codes], axis=1) @ model.weights_)

    at = log_likelihood(probs)
    for row, k in np.argwhere(held):
        item = np.searchsorted(first, row, "right") - 1
        own, moved = slice(first[item], first[item + 1]), probs.copy()
        moved[own, k] *= 1 - 1e-6
        moved[row, k] += 1e-6
        slope = (log_likelihood(moved) - at) / (1e-6 * counts.sum() * model.weights_[k])
        assert resting[row, k] == (slope > -1e-3)
    assert 0 < resting.sum() < held.sum()


@pytest.mark.parametrize("rows", [
    [[0, 0], [1, 1]], [[0] * 5, [1, 1, 0, 0, 0], [1] * 5], np.eye(3, dtype=int)], ids=str)
def test_a_maximum_of_zeros_that_belong_there_is_one(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LatentClassAnalysis(len(rows), random_state=0).fit(np.repeat(rows, 20, axis=0))
    assert model.identified_


def test_zeros_that_are_given_stay():
    rng = np.random.default_rng(0)
    probs = np.array([[1, 1, 1, 1], [0] * 4, [0.3, 0.5, 0.4, 0.6]])
    X = (rng.random((2000, 4)) < probs[rng.choice(3, 2000, p=[0.3, 0.3, 0.4])]).astype(int)
    start = [np.stack([1 - p, p], axis=1) for p in probs.T]
    assert LatentClassAnalysis(3, response_probs_init=start).fit(X).identified_


# --- residuals and criteria -------------------------------------------------------------------


def test_bivariate_residuals_by_hand():
    rng = np.random.default_rng(1)
    X = rng.integers(0, 3, (200, 4)).astype(float)
    X[:, 3] = 1
    X[:, 1] = np.where(rng.random(200) < 0.6, X[:, 0], X[:, 1])
    X[rng.random(X.shape) < 0.2] = np.nan
    X[0] = 0, 1, 2, 1
    w = rng.uniform(0.5, 2, 200)
    model = LatentClassAnalysis(2, random_state=0).fit(X, sample_weight=w)
    found = model.bivariate_residuals(X, sample_weight=w)
    resp = model.predict_proba(X)
    for i in range(4):
        for j in range(4):
            if i == j or 3 in (i, j):
                assert np.isnan(found[i, j])
                continue
            both = ~np.isnan(X[:, i]) & ~np.isnan(X[:, j])
            total = 0.0
            for a in range(3):
                for b in range(3):
                    observed = w[both & (X[:, i] == a) & (X[:, j] == b)].sum()
                    expected = sum(
                        (w * resp[:, k])[both].sum() * model.response_probs_[i][k, a]
                        * model.response_probs_[j][k, b] for k in range(2))
                    total += (observed - expected) ** 2 / expected
            np.testing.assert_allclose(found[i, j], total / 4, rtol=1e-10)


def test_criteria_and_entropy():
    model = LatentClassAnalysis(3, random_state=0).fit(CARCINOMA)
    L, p, n = model.score(CARCINOMA) * 118, 2 + 3 * 7, 118
    assert model.n_parameters_ == p
    np.testing.assert_allclose(
        [model.bic(CARCINOMA), model.aic(CARCINOMA), model.abic(CARCINOMA), model.caic(CARCINOMA)],
        [-2 * L + p * math.log(n), -2 * L + 2 * p, -2 * L + p * math.log((n + 2) / 24),
         -2 * L + p * (math.log(n) + 1)], rtol=1e-13)
    r = model.predict_proba(CARCINOMA)
    entropy = -sum(x * math.log(x) for x in r.ravel() if x > 0)
    np.testing.assert_allclose(model.entropy_, 1 - entropy / (118 * math.log(3)), rtol=1e-9)
    np.testing.assert_allclose(model.icl(CARCINOMA), model.bic(CARCINOMA) + 2 * entropy, rtol=1e-12)
    assert 1 <= model.n_best_ <= 5


# --- numbers beside the items -----------------------------------------------------------------


def mixed_table(seed=0, n=150):
    rng = np.random.default_rng(seed)
    z = rng.random(n) < 0.4
    items = rng.random((n, 3)) < np.where(z, 0.8, 0.2)[:, None]
    return np.c_[items, rng.normal(size=(n, 2)) + 3 * z[:, None]]


@pytest.mark.parametrize(("scale", "shift"), [
    (1e-130, 0), (1e-20, 0), (1e100, 0), (1, 1e8), (1e-3, -1e5)])
def test_units_of_the_numbers_do_not_matter(scale, shift):
    X = mixed_table()
    model = LatentClassAnalysis(2, continuous=[3, 4], random_state=0).fit(X)
    other = X.copy()
    other[:, 3] = X[:, 3] * scale + shift
    moved = LatentClassAnalysis(2, continuous=[3, 4], random_state=0).fit(other)
    digits = 1e-6 if shift else 1e-9
    np.testing.assert_allclose(moved.weights_, model.weights_, rtol=digits)
    np.testing.assert_allclose((moved.means_[:, 0] - shift) / scale, model.means_[:, 0],
                               rtol=digits, atol=digits)
    np.testing.assert_allclose(moved.variances_[:, 0] / scale / scale, model.variances_[:, 0],
                               rtol=10 * digits)
    np.testing.assert_allclose(moved.score(other) + math.log(scale), model.score(X), rtol=1e-6)


def test_numbers_alone():
    X = mixed_table()[:, 3:]
    model = LatentClassAnalysis(2, continuous=[0, 1], random_state=0).fit(X)
    assert model.n_parameters_ == 1 + 2 * 2 * 2 and model.response_probs_ == []
    np.testing.assert_allclose(model.weights_ @ model.means_, X.mean(axis=0), rtol=1e-6)
    assert model.impute(np.full((1, 2), np.nan)).shape == model.sample(1)[0].shape == (1, 2)


def test_numbers_of_float32_are_their_own_values():
    X = mixed_table().astype(np.float32)
    a = LatentClassAnalysis(2, continuous=[3, 4], random_state=0).fit(X)
    b = LatentClassAnalysis(2, continuous=[3, 4], random_state=0).fit(X.astype(float))
    assert a.lower_bounds_ == b.lower_bounds_


def test_a_class_on_one_value_is_said():
    X = np.c_[np.r_[np.zeros(20), 1.0], np.r_[np.arange(20.0), 1000.0]]
    with pytest.warns(DegenerateWarning, match=r"class 1 in column 1\): a class sits on one value"):
        model = LatentClassAnalysis(2, continuous=[1], random_state=0).fit(X)
    assert model.variances_[1, 0] == pytest.approx(1e-6 * X[:, 1].var())
    with pytest.raises(DegenerateFitError, match="no variance in a column of numbers"):
        LatentClassAnalysis(2, continuous=[1], random_state=0, reg_covar=0).fit(X)


def test_starts_that_do_not_collapse_are_better():
    """The likeliest start has a class on the value that three rows share, and is not kept."""
    X = mixed_table(n=80)
    X[:3, 3] = X[0, 3]
    with warnings.catch_warnings():
        warnings.simplefilter("error", DegenerateWarning)
        model = LatentClassAnalysis(2, continuous=[3, 4], random_state=0, reg_covar=1e-12).fit(X)
    assert (model.variances_ > 0.1).all()


@pytest.mark.parametrize(("change", "options", "text"), [
    (lambda x: x * 0 + 5, {"reg_covar": 0}, "column 3 of X has one value, and reg_covar=0"),
    (lambda x: x * 1e-150, {}, "column 3 of X is too small"),
    (lambda x: x * 1e160, {}, "column 3 of X is too large"),
    (lambda x: x * np.nan, {}, "X has no observed value in column 3"),
])
def test_columns_of_numbers_that_cannot_be(change, options, text):
    X = mixed_table()
    X[:, 3] = change(X[:, 3])
    with pytest.raises(ValueError, match=text):
        LatentClassAnalysis(2, continuous=[3, 4], **options).fit(X)


def test_a_constant_column_tells_nothing():
    X = mixed_table()
    a = LatentClassAnalysis(2, continuous=[3, 4], random_state=0).fit(np.insert(X, 5, 2.5, axis=1),)
    b = LatentClassAnalysis(2, continuous=[3, 4, 5], random_state=0).fit(
        np.insert(X, 5, 2.5, axis=1))
    np.testing.assert_allclose(a.weights_, b.weights_, rtol=1e-6)
    np.testing.assert_array_equal(b.means_[:, 2], 2.5)


# --- what a level can be ----------------------------------------------------------------------


def test_levels_are_sorted_numbers_first():
    X = np.array([["b", 2.5], ["a", 1], [3, "x"], [decimal.Decimal("0.5"), None]], dtype=object)
    model = LatentClassAnalysis(1).fit(X)
    assert [each.tolist() for each in model.categories_] == [[0.5, 3, "a", "b"], [1, 2.5, "x"]]


def test_tables_of_text_of_any_kind():
    frame = pd.DataFrame({"a": list("xyzxyzxx"), "b": ["p", None, "q", "p", "q", "q", "p", "p"],
                          "c": [1.0, 2, 1, 2, 2, 1, 1, np.nan]})
    expected = LatentClassAnalysis(1).fit(frame)
    for other in (pl.from_pandas(frame), pa.Table.from_pandas(frame), frame.astype("category"),
                  frame.astype({"a": "string[pyarrow]"})):
        model = LatentClassAnalysis(1).fit(other)
        assert model.lower_bound_ == expected.lower_bound_
        assert [each.tolist() for each in model.categories_] == [
            each.tolist() for each in expected.categories_]
        assert list(model.feature_names_in_) == ["a", "b", "c"]


@pytest.mark.parametrize(("X", "text"), [
    ([[[1], 2], [3, 4]], r"X holds \[1\] at row 0, column 0, where one value is needed"),
    ([[1, 2], [3, (4, 5)]], r"X holds \(4, 5\) at row 1, column 1, where one value is needed"),
])
def test_cells_of_several_values(X, text):
    with pytest.raises(ValueError, match=text):
        LatentClassAnalysis(2).fit(X)


def test_levels_that_files_do_not_hold(tmp_path):
    dates = pd.DataFrame({"day": pd.to_datetime(["2020-01-01", "2021-01-01", "2020-01-01"])})
    model = LatentClassAnalysis(1).fit(dates)
    np.testing.assert_allclose(model.response_probs_[0], [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(model.score_samples(dates[1:2]), math.log(1 / 3))
    with pytest.raises(TypeError, match=r"column 'day' has levels of type datetime.*astype\(str\)"):
        model.save(tmp_path / "model.npz")


@pytest.mark.parametrize("continuous", [None, [4]])
def test_what_is_given_wholly_is_the_one_start(continuous):
    """Whatever n_init is: nothing of it is drawn."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (100, 5)).astype(float)
    n_items = 4 if continuous else 5
    given = {"continuous": continuous, "weights_init": [0.4, 0.6], "max_iter": 1, "tol": 0,
             "response_probs_init": [rng.dirichlet([1, 1], 2) for _ in range(n_items)]}
    if continuous:
        given |= {"means_init": [[0.2], [0.7]], "variances_init": [[1.0], [2.0]]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        default, one = (LatentClassAnalysis(2, **given, **more).fit(X)
                        for more in ({}, {"n_init": 1}))
        start = LatentClassAnalysis(2, **{**given, "max_iter": 0}).fit(X)
        drawn = LatentClassAnalysis(2, n_init=50, max_iter=0, random_state=3).fit(X)
        first = LatentClassAnalysis(2, n_init=1, max_iter=0, random_state=3).fit(X)
    np.testing.assert_array_equal(default.weights_, one.weights_)
    np.testing.assert_array_equal(default.response_probs_, one.response_probs_)
    np.testing.assert_array_equal(start.weights_, [0.4, 0.6])
    np.testing.assert_allclose(start.response_probs_, given["response_probs_init"], rtol=1e-15)
    np.testing.assert_array_equal(drawn.weights_, first.weights_)
    np.testing.assert_array_equal(drawn.response_probs_, first.response_probs_)
