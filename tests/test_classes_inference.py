"""Standard errors, tests and three-step methods of latent classes, against derivatives by numbers,
closed forms and other models."""

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logsumexp, softmax
from scipy.stats import chi2, norm

from emkernels import LatentClassAnalysis, blrt, select_classes
from emkernels.components.categorical import ClassComponents, Classes
from emkernels.data.items import Items
from emkernels.em import EMWarning
from emkernels.models.classes import batched, bootstrap
from emkernels.models.classes.assigned import Assigned
from emkernels.models.classes.information import Layout, information, row_scores


def answers(rng, n, probs, weights, missing=0.0):
    """Binary answers of classes with these probabilities of 1, and the classes."""
    probs = np.asarray(probs)
    z = rng.choice(len(weights), n, p=weights)
    X = (rng.random((n, probs.shape[1])) < probs[z]).astype(float)
    X[rng.random(X.shape) < missing] = np.nan
    return X, z


THREE = [[0.85] * 6, [0.15] * 6, [0.85] * 3 + [0.15] * 3]
FIT = {"n_init": 12, "tol": 1e-13, "max_iter": 20_000, "random_state": 0}


@pytest.fixture(scope="module")
def three():
    rng = np.random.default_rng(5)
    X, z = answers(rng, 700, THREE, [0.4, 0.35, 0.25], 0.08)
    return X, z, LatentClassAnalysis(3, **FIT).fit(X)


@pytest.fixture(scope="module")
def apart():
    """Classes that nobody takes for one another."""
    rng = np.random.default_rng(8)
    X, z = answers(rng, 400, [[0.98] * 12, [0.02] * 12, [0.98] * 6 + [0.02] * 6],
                   [0.5, 0.3, 0.2])
    model = LatentClassAnalysis(3, **FIT).fit(X)
    assert model.predict_proba(X).max(axis=1).min() > 1 - 1e-4
    return X, model.predict(X), model


# --- standard errors ----------------------------------------------------------------------


def test_information_is_the_second_derivatives_in_many_digits():
    """At parameters that are no maximum, with a missing answer and a missing number."""
    mpmath.mp.dps = 40
    codes = np.array([[0, 2], [1, 255], [1, 0], [0, 1]], np.uint8)
    numbers = np.array([[0.3], [-1.2], [np.nan], [2.0]])
    w = np.array([1.0, 2.0, 0.5, 3.0])
    weights = np.array([0.3, 0.7])
    tables = [np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([[0.1, 0.4, 0.5], [0.3, 0.3, 0.4]])]
    means, variances = np.array([[0.5, -0.7]]), np.array([[0.8, 1.7]])
    classes = Classes(np.concatenate([t.T for t in tables]), means, variances)
    layout = Layout([2, 3], 2, 1)
    start = layout.joined(weights, classes)

    def log_likelihood(*theta):
        t = [list(theta[k * layout.width:(k + 1) * layout.width]) for k in range(2)]
        total = mpmath.mpf(0)
        for row, x, weight in zip(codes, numbers[:, 0], w, strict=True):
            density = mpmath.mpf(0)
            for p in t:
                f = p[0] * p[1 + row[0]]
                if row[1] != 255:
                    f *= p[3 + row[1]]
                if not np.isnan(x):
                    f *= mpmath.exp(-(mpmath.mpf(x) - p[6])**2 / 2 / p[7]) / mpmath.sqrt(
                        2 * mpmath.pi * p[7])
                density += f
            total += mpmath.mpf(weight) * mpmath.log(density)
        return total

    items = Items(codes, [np.arange(2), np.arange(3)], numbers, w, n_threads=1)
    resp = ClassComponents([2, 3], reg_covar=np.zeros(1)).rows(
        items, weights, classes, "resp")["resp"]
    gradient, matrix = information(layout, weights, classes, codes, numbers, resp, w)
    units = layout.units(weights, classes)
    rng = np.random.default_rng(0)
    pairs = {tuple(sorted(pair)) for pair in rng.integers(0, layout.size, (14, 2)).tolist()}
    pairs |= {(0, 8), (6, 7), (7, 7), (0, 0), (15, 15), (14, 7)}
    for i, j in pairs:
        n = [0] * layout.size
        n[i] += 1
        n[j] += 1
        expected = -mpmath.diff(log_likelihood, tuple(start), tuple(n))
        found = matrix[i, j] / units[i] / units[j]
        assert abs(found - float(expected)) < 1e-10 * max(1, abs(float(expected))), (i, j)
    for i in (0, 1, 5, 6, 7, 8, 15):
        n = [0] * layout.size
        n[i] = 1
        expected = float(mpmath.diff(log_likelihood, tuple(start), tuple(n)))
        assert abs(gradient[i] / units[i] - expected) < 1e-11 * max(1, abs(expected))
    scores = row_scores(layout, weights, classes, codes, numbers, resp)
    np.testing.assert_allclose(w @ scores, gradient, rtol=1e-12)


def by_differences(model, log_likelihood, shift=1e-4):
    """Standard errors of the weights and probabilities by the delta method, from differences of
    the log-likelihood in logits."""
    tables = [model.weights_[None], *model.response_probs_]
    theta = np.concatenate([np.log(t[:, 1:] / t[:, :1]).ravel() for t in tables])

    def parameters(theta):
        out, at = [], 0
        for t in tables:
            size = t.shape[0] * (t.shape[1] - 1)
            logits = theta[at:at + size].reshape(t.shape[0], -1)
            at += size
            out.append(softmax(np.hstack([np.zeros((len(t), 1)), logits]), axis=1))
        return out

    def value(theta):
        weights, *probs = parameters(theta)
        return log_likelihood(weights[0], probs)

    q = len(theta)
    steps = shift * np.eye(q)
    hessian = np.array([[
        (value(theta + a + b) - value(theta + a - b) - value(theta - a + b) + value(theta - a - b))
        for b in steps] for a in steps]) / (4 * shift**2)
    flat = lambda theta: np.concatenate([t.ravel() for t in parameters(theta)])     # noqa: E731
    jacobian = np.array([(flat(theta + s) - flat(theta - s)) / (2 * shift) for s in steps]).T
    return np.sqrt(np.diagonal(jacobian @ np.linalg.inv(-hessian) @ jacobian.T))


def test_standard_errors_are_those_of_differences(three):
    X, _, model = three
    found = model.standard_errors(X)

    def log_likelihood(weights, probs):
        logs = np.log(weights) + np.zeros((len(X), 1))
        for j, table in enumerate(probs):
            seen = ~np.isnan(X[:, j])
            logs[seen] += np.log(table[:, X[seen, j].astype(int)].T)
        return logsumexp(logs, axis=1).sum()

    expected = by_differences(model, log_likelihood)
    own = np.concatenate([found.weights, *(t.ravel() for t in found.response_probs)])
    assert [t.shape for t in found.response_probs] == [(3, 2)] * 6
    np.testing.assert_allclose(own, expected, rtol=3e-4)


def test_standard_errors_of_one_class_are_those_of_proportions_and_normals():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 3, 200), rng.normal(2, 3, 200)])
    X[:30, 0], X[170:, 1] = np.nan, np.nan
    model = LatentClassAnalysis(1, continuous=[1], reg_covar=0, tol=1e-14).fit(X)
    found = model.standard_errors(X)
    p = model.response_probs_[0]
    np.testing.assert_allclose(found.response_probs[0], np.sqrt(p * (1 - p) / 170), rtol=1e-10)
    v = model.variances_
    np.testing.assert_allclose(found.means, np.sqrt(v / 170), rtol=1e-8)
    np.testing.assert_allclose(found.variances, v * np.sqrt(2 / 170), rtol=1e-8)
    assert np.isnan(found.weights).all()


def test_probabilities_at_the_boundary_are_held():
    """What is left is a model with fewer parameters: two classes, one of which always says 1."""
    rng = np.random.default_rng(2)
    X, _ = answers(rng, 500, [[1.0, 0.9, 0.8, 0.85], [0.1, 0.2, 0.3, 0.2]], [0.5, 0.5])
    probs = [np.array([[0.0, 1.0], [0.8, 0.2]]), *[np.array([[0.2, 0.8], [0.8, 0.2]])] * 3]
    model = LatentClassAnalysis(2, response_probs_init=probs, n_init=1, tol=1e-14,
                                max_iter=10_000).fit(X)
    found = model.standard_errors(X)
    assert model.response_probs_[0][0, 1] == 1
    assert np.isnan(found.response_probs[0][0]).all()
    rest = [found.weights, found.response_probs[0][1], *found.response_probs[1:]]
    assert all(np.isfinite(each).all() and (each > 0).all() for each in rest)
    # rows that answer 0 to the first are of the second class, for certain
    n, k = len(X), model.weights_[1]
    first = X[:, 0] == 0
    patterns, counts = np.unique(X, axis=0, return_counts=True)

    def minus(theta):
        pi, a, *b = 1 / (1 + np.exp(-theta))
        p, q = np.array(b).reshape(2, 3)
        one = (1 - pi) * (patterns[:, 0]) * np.prod(
            np.where(patterns[:, 1:] == 1, p, 1 - p), axis=1)
        two = pi * np.where(patterns[:, 0] == 1, a, 1 - a) * np.prod(
            np.where(patterns[:, 1:] == 1, q, 1 - q), axis=1)
        return -counts @ np.log(one + two)

    logit = lambda p: np.log(p / (1 - p))       # noqa: E731
    start = np.array([logit(k), logit(model.response_probs_[0][1, 1]),
                      *(logit(t[c, 1]) for c in (0, 1) for t in model.response_probs_[1:])])
    h = 1e-4 * np.eye(len(start))
    matrix = np.array([[(minus(start + a + b) - minus(start + a - b) - minus(start - a + b)
                         + minus(start - a - b)) for b in h] for a in h]) / 4e-8
    error = np.sqrt(np.linalg.inv(matrix)[0, 0]) * k * (1 - k)
    np.testing.assert_allclose(found.weights, [error, error], rtol=1e-5)
    assert n * k > first.sum()


def test_a_weight_of_two_is_the_row_twice(three):
    X, _, model = three
    w = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)
    again = LatentClassAnalysis(3, **FIT).fit(X, sample_weight=w)
    weighed = again.standard_errors(X, sample_weight=w)
    whole = again.standard_errors(np.repeat(X, w.astype(int), axis=0))
    np.testing.assert_allclose(weighed.weights, whole.weights, rtol=1e-10)
    z = np.random.default_rng(1).normal(size=(len(X), 2))
    z[3] = np.nan
    rows = np.repeat(np.arange(len(X)), w.astype(int))
    for method in ("ml", "bch"):
        for assignment in ("modal", "proportional"):
            options = {"method": method, "assignment": assignment}
            with pytest.warns(EMWarning, match="left out"):
                one = again.covariates(X, z, sample_weight=w, **options)
                two = again.covariates(X[rows], z[rows], **options)
            np.testing.assert_allclose(one.coef, two.coef, atol=1e-8)
            np.testing.assert_allclose(one.standard_errors, two.standard_errors, rtol=1e-6)
            with pytest.warns(EMWarning, match="left out"):
                one = again.distal(X, z[:, 0], sample_weight=w, **options)
                two = again.distal(X[rows], z[rows, 0], **options)
            np.testing.assert_allclose(one.means, two.means, atol=1e-8)
            np.testing.assert_allclose(one.standard_errors, two.standard_errors, rtol=1e-6)


def test_what_is_not_identified_or_not_at_a_maximum_is_said(three):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (300, 2))
    with pytest.warns(EMWarning, match="has rank 3, and 5 parameters are free"):
        model = LatentClassAnalysis(2, random_state=0).fit(X)
    with pytest.raises(ValueError, match="too many classes for these items"):
        model.standard_errors(X)
    X, _, model = three
    with pytest.warns(EMWarning, match="not at a maximum"):
        model.standard_errors(X[:400])
    with pytest.raises(ValueError, match="sample_weight"):
        model.standard_errors(X, sample_weight=np.ones(3))


def test_errors_of_a_prior_are_those_of_the_posterior():
    """One item and class: a Dirichlet posterior, whose curvature at the mode is known."""
    x = np.repeat([0, 1, 2], [50, 30, 20])[:, None]
    model = LatentClassAnalysis(1, response_concentration=3.0).fit(x)
    found = model.standard_errors(x).response_probs[0]
    p = np.array([52, 32, 22]) / 106
    np.testing.assert_allclose(found[0], np.sqrt(p * (1 - p) / 106), rtol=1e-10)


# --- the bootstrap test -------------------------------------------------------------------


def test_statistic_and_p_value(three):
    X, _, model = three
    result = blrt(X, 3, n_bootstrap=19, random_state=1)
    fits = [LatentClassAnalysis(c, **{**FIT, "n_init": 30}).fit(X) for c in (2, 3)]
    logs = [fit.score(X) * len(X) for fit in fits]
    np.testing.assert_allclose(result.log_likelihoods, logs, rtol=1e-9)
    np.testing.assert_allclose(result.statistic, 2 * (logs[1] - logs[0]), rtol=1e-6)
    assert result.bootstrap_statistics.shape == (19,) and result.p_value == 1 / 20
    large = (result.bootstrap_statistics >= result.statistic).sum()
    assert result.p_value == (1 + large) / 20 and "3 classes" in str(result)
    four = blrt(X, 4, n_bootstrap=19, random_state=1)
    assert four.p_value == (1 + (four.bootstrap_statistics >= four.statistic).sum()) / 20
    assert four.p_value > 0.05 and four.n_negative == 0


def test_same_bits_of_the_test_for_every_number_of_threads(three):
    X, _, _ = three
    one, two = (blrt(X[:150], 2, n_bootstrap=9, n_init=3, random_state=4, n_threads=t)
                for t in (1, 3))
    np.testing.assert_array_equal(one.bootstrap_statistics, two.bootstrap_statistics)
    assert one.statistic == two.statistic


def test_drawn_tables_have_the_gaps_levels_and_probabilities_of_the_fit():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 3, 4000), rng.normal(size=4000)])
    X[0, 0] = 7                             # a level that most samples lack
    X[rng.random(X.shape) < 0.2] = np.nan
    table = bootstrap._Table(X, [1], None)
    fit = table.fit(table.items(1), 2, 4, np.random.RandomState(0), 1e-6)
    codes, numbers = table._draw(*fit[1:], np.random.RandomState(1))
    np.testing.assert_array_equal(codes == 255, np.isnan(X[:, :1]))
    np.testing.assert_array_equal(np.isnan(numbers), np.isnan(X[:, 1:]))
    shares = np.bincount(codes[codes[:, 0] != 255, 0], minlength=4) / (codes != 255).sum()
    np.testing.assert_allclose(shares, fit[2].probs @ fit[1], atol=0.03)
    seen = numbers[~np.isnan(numbers)]
    mean = fit[1] @ fit[2].means[0]
    second = fit[1] @ (fit[2].variances[0] + fit[2].means[0] ** 2)
    np.testing.assert_allclose([seen.mean(), (seen**2).mean()], [mean, second], atol=0.1)
    result = blrt(X[:300], 2, continuous=[1], n_bootstrap=5, n_init=2)
    assert np.isfinite(result.bootstrap_statistics).all()


@pytest.mark.parametrize("scale", [1e-5, 1e5])
def test_units_of_numbers_do_not_matter_to_the_test(scale):
    rng = np.random.default_rng(1)
    X, z = answers(rng, 200, [[0.9] * 4, [0.2] * 4], [0.4, 0.6])
    y = 2.0 * z + rng.normal(size=200)
    one, other = (blrt(np.column_stack([X, s * y]), 2, continuous=[4], n_bootstrap=3, n_init=3)
                  for s in (1, scale))
    np.testing.assert_allclose(one.statistic, other.statistic, rtol=1e-6)
    np.testing.assert_allclose(one.bootstrap_statistics, other.bootstrap_statistics, rtol=1e-2)


def test_variances_that_collapse_are_no_maxima_of_the_test():
    """A class on one of the rounded values is as likely as the variance is small."""
    rng = np.random.default_rng(1)
    X, _ = answers(rng, 300, [[0.9] * 4, [0.2] * 4], [0.4, 0.6])
    A = np.column_stack([X, np.round(rng.normal(3, 1, 300))])
    result = blrt(A, 3, continuous=[4], n_bootstrap=9, n_init=5)
    fits = [LatentClassAnalysis(c, continuous=[4], random_state=0).fit(A) for c in (2, 3)]
    logs = [fit.score(A) * len(A) for fit in fits]
    np.testing.assert_allclose(result.statistic, 2 * (logs[1] - logs[0]), atol=1e-3)
    assert result.p_value > 0.2


def test_starts_on_their_way_to_a_collapse_end_no_others():
    """Where they pass by they are likelier than any maximum without a collapse."""
    rng = np.random.default_rng(1)
    X, _ = answers(rng, 300, [[0.9] * 4, [0.2] * 4], [0.4, 0.6])
    A = np.column_stack([X, np.where(rng.random(300) < 0.3, 0, rng.normal(3, 1, 300))])
    table = bootstrap._Table(A, [4], None)
    value, weights, classes = table.fit(table.items(1), 3, 20, np.random.RandomState(0), 1e-9)
    model = LatentClassAnalysis(
        3, continuous=[4], n_init=1, weights_init=weights, means_init=classes.means.T,
        variances_init=classes.variances.T,
        response_probs_init=[part.T for part in np.split(classes.probs, 4)]).fit(A)
    np.testing.assert_allclose(model.score(A) * 300, value, rtol=1e-6)
    assert model.variances_.min() > 1e-2


def test_weights_of_the_test_are_numbers_of_rows(three):
    X, _, _ = three
    w = np.random.default_rng(0).integers(0, 3, 200)
    one = blrt(X[:200], 2, n_bootstrap=3, n_init=4, sample_weight=w)
    two = blrt(np.repeat(X[:200], w, axis=0), 2, n_bootstrap=3, n_init=4)
    np.testing.assert_allclose(one.statistic, two.statistic, rtol=1e-8)
    with pytest.raises(ValueError, match=r"whole numbers here.* got"):
        blrt(X[:200], 2, sample_weight=np.full(200, 0.5))


def test_ends_of_accelerated_steps_are_maxima_of_em(three):
    X, _, model = three
    table = bootstrap._Table(X, None, None)
    items = table.items(1)
    rng = np.random.RandomState(0)
    value, weights, classes = batched.maxima(
        items, table.components, batched.random_batch(items, table.components, 3, 20, rng),
        tol=1e-9)
    np.testing.assert_allclose(value, model.score(X) * len(X), rtol=1e-10)
    np.testing.assert_allclose(np.sort(weights), np.sort(model.weights_), atol=1e-4)
    for table_ in np.split(classes.probs, 6):
        np.testing.assert_allclose(table_.sum(axis=0), 1, rtol=1e-12)


def test_negative_statistics_are_said():
    with pytest.warns(EMWarning, match="1 of 3 bootstrap statistics is negative"):
        result = bootstrap._result(-10.0, -8.0, np.array([1.0, -0.5, 6.0]), 2)
    assert result.p_value == 0.5 and result.n_negative == 1
    with pytest.warns(EMWarning, match="the statistic is negative"):
        bootstrap._result(-10.0, -11.0, np.array([1.0]), 2)


@pytest.mark.parametrize(("arguments", "error", "match"), [
    ({"n_classes": 1}, ValueError, "at least 2"),
    ({"n_classes": 2.5}, (TypeError, ValueError), "n_classes"),
    ({"n_classes": True}, (TypeError, ValueError), "n_classes"),
    ({"n_bootstrap": 0}, ValueError, "n_bootstrap"),
    ({"n_init": 0}, ValueError, "n_init"),
    ({"n_threads": 0}, ValueError, "n_threads"),
    ({"random_state": "a"}, ValueError, "random_state"),
    ({"continuous": [9]}, ValueError, "continuous"),
    ({"sample_weight": [1.0, -1.0]}, ValueError, "sample_weight"),
])
def test_bad_arguments_of_the_test(arguments, error, match):
    with pytest.raises(error, match=match):
        blrt([[0, 1], [1, 0]], **{"n_classes": 2, **arguments})


def test_ctrl_c_ends_the_test(three, monkeypatch):
    X, _, _ = three
    calls = []

    def interrupted(*arguments, **options):
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap._Table, "drawn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        blrt(X, 2, n_bootstrap=500, n_init=2, n_threads=2)
    assert len(calls) < 500


# --- three steps --------------------------------------------------------------------------


def test_classes_that_are_apart_are_known(apart):
    """Then the third step is an ordinary one: means of groups, a logit of known classes."""
    X, z, model = apart
    rng = np.random.default_rng(0)
    y = np.array([1.0, 3.0, -2.0])[z] + rng.normal(size=len(z)) * np.array([1, 2, 0.5])[z]
    counts = np.bincount(z)
    means = np.bincount(z, y) / counts
    variances = np.bincount(z, (y - means[z]) ** 2) / counts
    level = np.array(["a", "b", "c"])[(rng.random(len(z))[:, None] > np.array(
        [[0.2, 0.5], [0.4, 0.9], [0.1, 0.2]])[z]).sum(axis=1)]
    shares = np.array([[(level[z == k] == name).mean() for name in "abc"] for k in range(3)])
    for method in ("bch", "ml"):
        found = model.distal(X, y, method=method)
        np.testing.assert_allclose(found.means, means, atol=2e-3)
        np.testing.assert_allclose(found.variances, variances, rtol=5e-3)
        np.testing.assert_allclose(found.standard_errors, np.sqrt(variances / counts), rtol=5e-3)
        found = model.distal(X, level, method=method)
        assert found.levels.tolist() == ["a", "b", "c"] and found.means is None
        np.testing.assert_allclose(found.probs, shares, atol=2e-3)
        np.testing.assert_allclose(
            found.standard_errors, np.sqrt(shares * (1 - shares) / counts[:, None]), rtol=1e-2)
    x = rng.normal(size=(len(z), 2)) * [1, 50] + [0, 1e4]
    x[:, 0] += 0.7 * z

    def minus(beta):
        eta = np.column_stack([np.zeros(len(z)),
                               np.c_[np.ones(len(z)), (x - [0, 1e4]) / [1, 50]]
                               @ beta.reshape(2, 3).T])
        return -log_softmax(eta, axis=1)[np.arange(len(z)), z].sum()

    end = minimize(minus, np.zeros(6), method="BFGS", options={"gtol": 1e-6}).x.reshape(2, 3)
    for method in ("bch", "ml"):
        found = model.covariates(X, x, method=method)
        np.testing.assert_allclose(found.coef[:, 1:] * [1, 50], end[:, 1:], atol=5e-3)
        np.testing.assert_allclose(found.coef[:, 0] + 1e4 * found.coef[:, 2], end[:, 0], atol=5e-3)
        assert found.classes.tolist() == [1, 2] and found.reference == 0


@pytest.mark.parametrize("assignment", ["modal", "proportional"])
def test_weights_of_bch_give_back_the_sizes_of_the_classes(three, assignment):
    X, _, model = three
    resp = model.predict_proba(X)
    assigned = Assigned.of(resp, np.ones(len(X)), assignment)
    np.testing.assert_allclose(assigned.errors.sum(axis=1), 1, rtol=1e-12)
    weights = assigned.corrected()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-10)
    np.testing.assert_allclose(weights.sum(axis=0), resp.sum(axis=0), rtol=1e-10)
    assert (weights < 0).any()


@pytest.mark.parametrize("assignment", ["modal", "proportional"])
def test_an_outcome_of_levels_is_the_same_by_both_methods(three, assignment):
    """A table of assigned classes and levels has as many free cells as there are parameters."""
    X, z, model = three
    y = (np.random.default_rng(1).random(len(z)) < np.array([0.3, 0.6, 0.5])[z]).astype(int)
    one, two = (model.distal(X, y, method=method, assignment=assignment, categorical=True)
                for method in ("bch", "ml"))
    np.testing.assert_allclose(one.probs, two.probs, atol=1e-5)
    np.testing.assert_allclose(one.standard_errors, two.standard_errors, rtol=1e-3)
    np.testing.assert_allclose(one.statistic, two.statistic, rtol=1e-2)
    assert one.df == two.df == 2
    pair = next(row for row in one.pairwise if row["classes"] == (0, 2))
    difference = one.probs[2] - one.probs[0]
    v = one.covariance
    variance = v[1, 1] + v[5, 5] - 2 * v[1, 5]
    np.testing.assert_allclose(pair["statistic"], difference[1] ** 2 / variance, rtol=1e-8)
    np.testing.assert_allclose(pair["p_value"], chi2.sf(pair["statistic"], 1), rtol=1e-10)


def objective(assigned, method, logs):
    """Of the third step, for each row, of log probabilities of the classes."""
    if method == "bch":
        return (assigned.corrected() * logs).sum(axis=1)
    joint = logs[:, None, :] + np.log(assigned.errors.T)        # (n, s, t)
    return (assigned.shares * logsumexp(joint, axis=2)).sum(axis=1)


@pytest.mark.parametrize("method", ["ml", "bch"])
@pytest.mark.parametrize("assignment", ["modal", "proportional"])
def test_covariates_are_at_the_maximum_with_errors_by_differences(three, method, assignment):
    X, z, model = three
    rng = np.random.default_rng(3)
    x = rng.normal(size=(len(z), 2))
    x[:, 0] += np.array([0.0, 0.8, -0.5])[model.predict(X)]
    found = model.covariates(X, x, method=method, assignment=assignment, reference=1,
                             first_step=False)
    assert found.classes.tolist() == [0, 2]
    assigned = Assigned.of(model.predict_proba(X), np.ones(len(X)), assignment)
    A = np.c_[np.ones(len(x)), x]

    def rows(beta):
        b = beta.reshape(2, 3)
        eta = np.stack([A @ b[0], np.zeros(len(A)), A @ b[1]], axis=1)
        return objective(assigned, method, log_softmax(eta, axis=1))

    best = minimize(lambda b: -rows(b).sum(), np.zeros(6), method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(found.coef.ravel(), best.x, atol=2e-6)
    np.testing.assert_allclose(found.log_likelihood, -best.fun, rtol=1e-10)
    h = 1e-4 * np.eye(6)
    at = found.coef.ravel()
    scores = np.array([(rows(at + s) - rows(at - s)) / 2e-4 for s in h]).T
    hessian = np.array([[(rows(at + a + b) - rows(at + a - b) - rows(at - a + b)
                          + rows(at - a - b)).sum() for b in h] for a in h]) / 4e-8
    inverse = np.linalg.inv(-hessian)
    np.testing.assert_allclose(found.covariance, inverse @ scores.T @ scores @ inverse, rtol=2e-4,
                               atol=1e-8)
    np.testing.assert_allclose(found.p_values, 2 * norm.sf(np.abs(found.z)), rtol=1e-8)
    at = [1, 4]
    statistic = found.coef[:, 1] @ np.linalg.solve(
        found.covariance[np.ix_(at, at)], found.coef[:, 1])
    np.testing.assert_allclose(found.tests[0]["statistic"], statistic, rtol=1e-9)
    assert found.tests[0]["df"] == 2 and found.names == ["intercept", "Z0", "Z1"]
    assert "Z1" in str(found)


@pytest.mark.parametrize("assignment", ["modal", "proportional"])
def test_normal_outcomes_are_at_the_maximum_with_errors_by_differences(three, assignment):
    X, z, model = three
    rng = np.random.default_rng(7)
    y = 10 + np.array([0.0, 2.0, -2.0])[model.predict(X)] + rng.normal(size=len(z))
    found = model.distal(X, y, method="ml", assignment=assignment, first_step=False)
    assigned = Assigned.of(model.predict_proba(X), np.ones(len(X)), assignment)

    def rows(theta):
        pi = log_softmax(np.r_[0, theta[:2]])
        logs = pi + norm.logpdf(y[:, None], theta[2:5], np.exp(theta[5:] / 2))
        joint = logs[:, None, :] + np.log(assigned.errors.T)
        return (assigned.shares * logsumexp(joint, axis=2)).sum(axis=1)

    start = np.r_[np.log(model.weights_[1:] / model.weights_[0]), found.means,
                  np.log(found.variances)]
    best = minimize(lambda b: -rows(b).sum(), start, method="BFGS", options={"gtol": 1e-6})
    np.testing.assert_allclose(found.means, best.x[2:5], atol=2e-5)
    np.testing.assert_allclose(np.log(found.variances), best.x[5:], atol=5e-5)
    h = 1e-4 * np.eye(8)
    scores = np.array([(rows(best.x + s) - rows(best.x - s)) / 2e-4 for s in h]).T
    hessian = np.array([[(rows(best.x + a + b) - rows(best.x + a - b) - rows(best.x - a + b)
                          + rows(best.x - a - b)).sum() for b in h] for a in h]) / 4e-8
    inverse = np.linalg.inv(-hessian)
    expected = (inverse @ scores.T @ scores @ inverse)[2:5, 2:5]
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-3, atol=1e-7)
    difference = found.means[1:] - found.means[0]
    turn = np.array([[-1, 1, 0], [-1, 0, 1]])
    statistic = difference @ np.linalg.solve(turn @ found.covariance @ turn.T, difference)
    np.testing.assert_allclose(found.statistic, statistic, rtol=1e-8)
    assert found.df == 2 and "Wald" in str(found)


@pytest.mark.parametrize("assignment", ["modal", "proportional"])
def test_errors_of_three_steps_are_those_of_rows_that_weigh_a_little_more(assignment):
    """All three steps again for a weight a little larger and smaller, row after row: the moves of
    the estimates, squared and added up, are their covariance."""
    rng = np.random.default_rng(11)
    X, z = answers(rng, 45, [[0.85] * 4, [0.2] * 4], [0.6, 0.4])
    X[3, 1] = np.nan
    extra = rng.normal(size=45)
    X = np.column_stack([X, extra + 2 * z])
    x, y = rng.normal(size=45) + 0.8 * z, rng.normal(size=45) + z
    level = (rng.random(45) < np.array([0.3, 0.7])[z]).astype(int)
    y[7] = np.nan
    options = {"continuous": [4], "reg_covar": 0, "tol": 1e-15, "max_iter": 5000}
    model = LatentClassAnalysis(2, n_init=5, random_state=0, **options).fit(X)
    init = {"weights_init": model.weights_, "response_probs_init": model.response_probs_,
            "means_init": model.means_, "variances_init": model.variances_}

    def estimates(model, weight):
        found = {}
        for method in ("bch", "ml"):
            more = {"method": method, "assignment": assignment, "sample_weight": weight}
            found[method, "x"] = model.covariates(X, x, **more)
            with pytest.warns(EMWarning, match="left out"):
                found[method, "y"] = model.distal(X, y, **more)
            found[method, "level"] = model.distal(X, level, categorical=True, **more)
        return found

    def values(found):
        return {key: np.ravel(each.coef if key[1] == "x" else each.means if key[1] == "y"
                              else each.probs) for key, each in found.items()}

    covariances = dict.fromkeys(estimates(model, None), 0)
    h = 0.01
    for i in range(len(X)):
        moved = []
        for sign in (1, -1):
            weight = np.ones(len(X))
            weight[i] += sign * h
            again = LatentClassAnalysis(2, n_init=1, **options, **init).fit(
                X, sample_weight=weight)
            moved.append(values(estimates(again, weight)))
        for key in covariances:
            step = (moved[0][key] - moved[1][key]) / (2 * h)
            covariances[key] = covariances[key] + np.outer(step, step)
    for key, found in estimates(model, None).items():
        np.testing.assert_allclose(found.covariance, covariances[key], rtol=2e-3, atol=1e-5,
                                   err_msg=str(key))


@pytest.mark.parametrize("method", ["ml", "bch"])
def test_covariates_with_far_values_have_their_maximum(method):
    """Linear predictors of hundreds in a few rows are none of classes that are told apart."""
    rng = np.random.default_rng(1)
    x = np.exp(2 * rng.normal(size=2000))
    z = rng.random(2000) < expit(0.5 * x - 1)
    X = rng.random((2000, 8)) < np.where(z, 0.95, 0.05)[:, None]
    model = LatentClassAnalysis(2, n_init=3, random_state=0).fit(X)
    found = model.covariates(X, x, method=method)
    sign = 1 if model.response_probs_[0][1, 1] > 0.5 else -1
    assert np.abs(0.5 * x).max() > 200
    np.testing.assert_allclose(sign * found.coef, [[-1, 0.5]], atol=0.2)
    with pytest.raises(ValueError, match="likelihood has no maximum"):
        model.covariates(X, np.column_stack([x, model.predict(X)]), method=method)


def test_means_of_bch_by_hand(three):
    X, z, model = three
    y = np.random.default_rng(7).normal(size=len(z)) + 1e8
    found = model.distal(X, y, first_step=False)
    w = Assigned.of(model.predict_proba(X), np.ones(len(X)), "modal").corrected()
    e = y - 1e8
    means = (w.T @ e) / w.sum(axis=0)
    np.testing.assert_allclose(found.means - 1e8, means, atol=3e-8)
    np.testing.assert_allclose(
        found.variances, [(w[:, k] @ (e - means[k]) ** 2) / w[:, k].sum() for k in range(3)],
        rtol=1e-6)
    influence = w * (e[:, None] - means) / w.sum(axis=0)
    np.testing.assert_allclose(found.covariance, influence.T @ influence, rtol=1e-6, atol=1e-12)


def test_answers_of_yes_and_no_are_levels(three):
    X, z, model = three
    for outcome in (z > 0, (z > 0).tolist(), pd.Series(z > 0), pd.Series(z > 0, dtype="boolean")):
        assert model.distal(X, outcome, method="ml").levels.tolist() == [False, True]
    gaps = pd.Series(z > 0, dtype="boolean").mask(np.arange(len(z)) < 3)
    with pytest.warns(EMWarning, match="3 of 700 rows are left out"):
        assert model.distal(X, gaps, method="ml").levels.tolist() == [False, True]
    frame = pd.DataFrame(X == 1).astype("boolean").mask(np.isnan(X))
    fit = LatentClassAnalysis(2, n_init=2, random_state=0).fit(frame)
    assert fit.categories_[0].tolist() == [False, True] and fit.categories_[0].dtype == bool
    assert fit.lower_bound_ == LatentClassAnalysis(2, n_init=2, random_state=0).fit(X).lower_bound_


@pytest.mark.parametrize("method", ["ml", "bch"])
def test_units_of_an_outcome_do_not_matter(three, method):
    X, z, model = three
    y = z + np.random.default_rng(0).normal(size=len(X))
    one = model.distal(X, y, method=method)
    for scale, shift, rtol in ((1e-150, 0, 1e-9), (1e100, 0, 1e-9), (1, 1e6, 1e-6)):
        other = model.distal(X, scale * y + shift, method=method)
        np.testing.assert_allclose((other.means - shift) / scale, one.means, rtol=rtol, atol=1e-9)
        np.testing.assert_allclose(other.variances / scale**2, one.variances, rtol=rtol)
        np.testing.assert_allclose(other.standard_errors / scale, one.standard_errors, rtol=rtol)
        np.testing.assert_allclose(other.statistic, one.statistic, rtol=rtol)


def test_rows_without_an_outcome_are_left_out_and_said(three):
    X, z, model = three
    y = z + np.random.default_rng(0).normal(size=700)
    y[::7] = np.nan
    with pytest.warns(EMWarning, match="100 of 700 rows are left out, of which outcome"):
        found = model.distal(X, y)
    assert found.n_left_out == 100 and found.n_samples == 600 and "100 left out" in str(found)
    texts = pd.Series(pd.Categorical(np.where(z == 1, "yes", "no"), ["yes", "no", "never"]))
    texts[:10] = None
    with pytest.warns(EMWarning, match="10 of 700"):
        assert model.distal(X, texts, method="ml").levels.tolist() == ["yes", "no"]
    frame = pd.DataFrame({"age": np.arange(700.0), "sex": z == 1})
    frame.loc[3, "age"] = np.nan
    with pytest.warns(EMWarning, match="1 of 700"):
        assert model.covariates(X, frame[["age"]]).names == ["intercept", "age"]
    with pytest.warns(EMWarning, match="1 of 700"):
        assert model.covariates(X, frame["age"]).names == ["intercept", "age"]


def test_what_bch_cannot_do_is_said():
    rng = np.random.default_rng(1)
    X, z = answers(rng, 200, [[0.8] * 4, [0.3] * 4], [0.5, 0.5])
    model = LatentClassAnalysis(2, **FIT).fit(X)
    y = (model.predict(X) == 1).astype(int)         # what was assigned, not what is
    with pytest.warns(EMWarning, match=r"not within 0 \.\. 1"):
        found = model.distal(X, y, categorical=True)
    assert (found.probs > 1).any() or (found.probs < 0).any()
    for method in ("ml", "bch"):
        with pytest.raises(ValueError, match="has no maximum"):
            model.covariates(X, y, method=method)
    same = model.distal(X, ["a"] * 200)
    assert same.statistic == 0 and same.df == 0 and same.p_value == 1
    with pytest.warns(EMWarning, match="variance of class"):
        model.distal(X, np.where(y == 1, 5.0, -5.0))


@pytest.mark.parametrize(("arguments", "error", "match"), [
    ({"method": "wls"}, ValueError, "method must be one of"),
    ({"assignment": "soft"}, ValueError, "assignment must be one of"),
    ({"reference": 3}, ValueError, "reference must be one of the classes 0"),
    ({"reference": -1}, ValueError, "reference"),
    ({"first_step": "no"}, ValueError, "first_step must be True or False, got 'no'"),
    ({"Z": np.zeros(700)}, ValueError, "'Z0' is constant"),
    ({"Z": np.zeros(5)}, ValueError, "Z has 5 rows, and X has 700"),
    ({"Z": np.full(700, np.inf)}, ValueError, "Z contains infinity"),
    ({"Z": np.full(700, np.nan)}, ValueError, "no row has all of Z"),
    ({"Z": np.full(700, "a")}, ValueError, "Z"),
    ({"Z": np.zeros((700, 2, 2))}, ValueError, "Z"),
    ({"sample_weight": np.full(700, -1.0)}, ValueError, "sample_weight"),
])
def test_bad_arguments_of_covariates(three, arguments, error, match):
    X, _, model = three
    Z = np.random.default_rng(0).normal(size=(700, 2))
    with pytest.raises(error, match=match):
        model.covariates(X, **{"Z": Z, **arguments})


def test_bad_arguments_of_outcomes(three):
    X, _, model = three
    y = np.zeros(700)
    for outcome, match in ((y[:5], "outcome has 5 rows"), (y * np.nan, "no row has an outcome"),
                           (y + np.inf, r"^outcome is infinite \(inf\) at row 0"),
                           (np.zeros((700, 2)), "outcome must be a 1-d array")):
        with pytest.raises(ValueError, match=match):
            model.distal(X, outcome)
    with pytest.raises(ValueError, match=r"^outcome is not numeric: 'a' at row 0"):
        model.distal(X, ["a"] * 700, categorical=False)
    with pytest.raises(ValueError, match=r"index of outcome .* row 0 is 699, that of X 0\."):
        model.distal(pd.DataFrame(X), pd.Series(y, index=np.arange(700)[::-1]))
    with pytest.raises(ValueError, match="has no variance"):
        model.distal(X, y, method="ml")
    with pytest.raises(ValueError, match="categorical must be"):
        model.distal(X, y, categorical="yes")
    with pytest.raises(ValueError, match="outcome has 700 levels, and at most 255"):
        model.distal(X, [f"s{i}" for i in range(700)])
    empty = LatentClassAnalysis(
        3, n_init=1, weights_init=[0.5, 0.5, 0], response_probs_init=[
            np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]])] * X.shape[1]).fit(X)
    with pytest.raises(ValueError, match="class 2 has no rows"):
        empty.distal(X, y)
    with pytest.raises(ValueError, match="one class"):
        LatentClassAnalysis(1).fit(X).distal(X, y)


# --- choice -------------------------------------------------------------------------------


def test_selection_is_the_fits_one_by_one(three):
    X, _, _ = three
    options = {"n_init": 10, "tol": 1e-9, "max_iter": 5000, "random_state": 0}
    result = select_classes(X, range(1, 5), **options)
    assert result.best.n_classes == result.chosen["n_classes"] == 3
    for row in result.table:
        model = LatentClassAnalysis(row["n_classes"], **options).fit(X)
        assert row["n_parameters"] == model.n_parameters_ and row["n_best"] == model.n_best_
        np.testing.assert_allclose(row["log_likelihood"], model.score(X) * len(X), rtol=1e-12)
        for name in ("bic", "aic", "abic", "caic", "icl"):
            np.testing.assert_allclose(row[name], getattr(model, name)(X), rtol=1e-10)
        assert row["entropy"] == model.entropy_ and row["error"] is None and row["blrt"] is None
    assert str(result).count("\n") == 4 and " *" in str(result)
    w = np.random.default_rng(0).integers(0, 3, len(X))
    with pytest.warns(EMWarning, match="the largest that was tried"):
        tested = select_classes(X, [2, 1, 2, 3], "aic", sample_weight=w, n_bootstrap=9, n_init=5,
                                random_state=0, max_iter=5000)
    assert [row["n_classes"] for row in tested.table] == [2, 1, 3]
    assert [row["blrt"] is None for row in tested.table] == [False, True, False]
    assert tested.table[0]["blrt"] == 0.1
    model = LatentClassAnalysis(3, n_init=5, random_state=0, max_iter=5000).fit(
        X, sample_weight=w)
    np.testing.assert_allclose(tested.table[2]["aic"], model.aic(X, sample_weight=w), rtol=1e-10)


def test_choices_at_the_ends_and_bad_arguments(three):
    X, _, _ = three
    with pytest.warns(EMWarning, match="the largest that was tried"):
        select_classes(X, [1, 2], n_init=5, random_state=0)
    for arguments, match in (({"criterion": "dic"}, "criterion must be one of"),
                             ({"n_classes": 0}, "n_classes"), ({"n_classes": []}, "n_classes"),
                             ({"n_classes": "23"}, "n_classes"), ({"tol": -1}, "tol"),
                             ({"n_bootstrap": -1}, "n_bootstrap")):
        with pytest.raises((ValueError, TypeError), match=match):
            select_classes(X, **arguments)


def test_results_in_small_units_are_not_written_as_nothing():
    rng = np.random.default_rng(0)
    income = rng.normal(30_000, 15_000, 400)
    high = rng.random(400) < 1 / (1 + np.exp(2 - income / 15_000))
    X = (rng.random((400, 5)) < np.where(high, 0.9, 0.2)[:, None]).astype(int)
    model = LatentClassAnalysis(2, random_state=0).fit(X)
    found = model.covariates(X, income)
    last = str(found).splitlines()[-1].split()
    np.testing.assert_allclose(
        [float(last[2]), float(last[3])], [found.coef[0, 1], found.standard_errors[0, 1]],
        rtol=5e-3)
    small = model.distal(X, income * 1e-9)
    line = str(small).splitlines()[2].split()
    np.testing.assert_allclose([float(each) for each in line[1:]], [
        small.means[0], small.standard_errors[0], small.variances[0]], rtol=5e-3)
