"""Latent class analysis against a slow EM, closed forms and published values."""

import itertools

import numpy as np
import pandas as pd
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from emkernels import EMWarning, LatentClassAnalysis, select_classes
from emkernels.data.items import Groups, Items, distinct_rows


def problem(seed=0, n=60, n_items=4, n_classes=3, p=0, missing=0.2):
    rng = np.random.default_rng(seed)
    levels = rng.integers(2, 5, n_items)
    codes = np.column_stack([rng.integers(0, L, n) for L in levels])
    for j, L in enumerate(levels):
        codes[:L, j] = np.arange(L)
    codes[rng.random(codes.shape) < missing] = -1
    for j, L in enumerate(levels):
        codes[-L:, j] = np.arange(L)
    numbers = rng.normal(size=(n, p)) * 3 + 5
    numbers[rng.random(numbers.shape) < missing] = np.nan
    weights = rng.dirichlet(np.ones(n_classes))
    probs = [rng.dirichlet(np.ones(L), n_classes) for L in levels]
    means, variances = rng.normal(size=(n_classes, p)) + 5, rng.uniform(1, 3, (n_classes, p))
    X = np.where(codes < 0, np.nan, codes).astype(float)
    return np.hstack([X, numbers]), codes, numbers, weights, probs, means, variances


@pytest.mark.parametrize(("n_classes", "p"), [(1, 0), (3, 0), (3, 2), (9, 1)])
@pytest.mark.parametrize("weighted", [False, True])
def test_steps_are_those_of_a_slow_em(n_classes, p, weighted):
    X, codes, numbers, weights, probs, means, variances = problem(1, n_classes=n_classes, p=p)
    w = np.random.default_rng(3).uniform(0.1, 3, len(X)) if weighted else None
    init = {"means_init": means, "variances_init": variances} if p else {}
    model = LatentClassAnalysis(
        n_classes, continuous=range(4, 4 + p), n_init=1, tol=0, max_iter=5, weights_init=weights,
        response_probs_init=probs, reg_covar=0, **init)
    with pytest.warns() as said:
        model.fit(X, sample_weight=w)
    assert "did not converge in 5 iterations" in str(said[0].message)
    more = (numbers, means, variances) if p else (None, None, None)
    expected = reference.class_em(codes, weights, probs, 5, w, 1.0, *more)
    total = len(X) if w is None else w.sum()
    np.testing.assert_allclose(model.lower_bounds_, np.array(expected[4]) / total, rtol=1e-12)
    np.testing.assert_allclose(model.weights_, expected[0], rtol=1e-11)
    for own, other in zip(model.response_probs_, expected[1], strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-10, atol=1e-14)
    if p:
        np.testing.assert_allclose(model.means_, expected[2], rtol=1e-11)
        np.testing.assert_allclose(model.variances_, expected[3], rtol=1e-10)
    joint = reference.class_rows(codes, model.weights_, model.response_probs_, numbers,
                                 model.means_, model.variances_)
    resp, norm = reference.responsibilities(joint)
    np.testing.assert_allclose(model.score_samples(X), norm, rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X), resp, rtol=1e-9, atol=1e-13)
    np.testing.assert_array_equal(model.predict(X), resp.argmax(axis=1))


def test_a_prior_is_in_the_steps_and_in_the_objective():
    X, codes, _, weights, probs, *_ = problem(2)
    model = LatentClassAnalysis(3, n_init=1, tol=0, max_iter=4, weights_init=weights,
                                response_probs_init=probs, response_concentration=1.5)
    with pytest.warns(match="did not converge"):
        model.fit(X)
    expected = reference.class_em(codes, weights, probs, 4, None, 1.5)
    for own, other in zip(model.response_probs_, expected[1], strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-11)
    first = expected[4][0] + 0.5 * sum(np.log(table).sum() for table in probs)
    np.testing.assert_allclose(model.lower_bounds_[0], first / len(X), rtol=1e-12)
    assert (np.diff(model.lower_bounds_) > 0).all()


def test_starts_side_by_side_are_those_alone():
    """The kernel whose lanes are starts does what that whose lanes are classes does."""
    from emkernels.components.categorical import ClassComponents, Classes

    X, *_ = problem(4, n=200, p=2)
    items = Items.read(X, continuous=[4, 5], n_threads=1)
    components = ClassComponents(items.n_levels, reg_covar=np.full(2, 1e-6))
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(3), 11).T
    probs = np.concatenate([np.stack([rng.dirichlet(np.ones(L), 3).T for _ in range(11)], -1)
                            for L in items.n_levels])
    classes = Classes(probs, rng.normal(size=(2, 3, 11)) + 5, rng.uniform(1, 2, (2, 3, 11)))
    together = components.mixed(items, weights, classes)
    for s in range(11):
        alone = components.mixed(items, np.ascontiguousarray(weights[:, s]), classes.start(s))
        np.testing.assert_allclose(together.counts[:, s], alone.counts, rtol=1e-12)
        np.testing.assert_allclose(together.sums[..., s], alone.sums, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(together.numbers[..., s], alone.numbers, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(together.log_likelihood[s], alone.log_likelihood, rtol=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_equal_rows_are_counted(n_classes):
    rng = np.random.default_rng(0)
    p = np.array([[0.1] * 6, [0.9] * 6, [0.9] * 3 + [0.1] * 3])[rng.integers(0, n_classes, 300)]
    X = (rng.random((300, 6)) < p).astype(int)
    kinds, counts = np.unique(X, axis=0, return_counts=True)
    options = {"random_state": 0, "n_init": 3, "tol": 1e-8, "max_iter": 5000}
    whole = LatentClassAnalysis(n_classes, **options).fit(X)
    kept = LatentClassAnalysis(n_classes, **options).fit(kinds, sample_weight=counts)
    np.testing.assert_allclose(whole.lower_bound_, kept.lower_bound_, rtol=1e-6)
    np.testing.assert_allclose(whole.predict_proba(kinds), kept.predict_proba(kinds), atol=0.02)


def test_one_class_is_the_marginals():
    X, codes, *_ = problem(5)
    model = LatentClassAnalysis(1).fit(X)
    for j, table in enumerate(model.response_probs_):
        seen = codes[codes[:, j] >= 0, j]
        np.testing.assert_allclose(table[0], np.bincount(seen) / len(seen), rtol=1e-13)
    assert model.entropy_ == 1 and model.n_parameters_ == sum(
        len(each) - 1 for each in model.categories_)


def test_distinct_rows_in_the_order_of_their_first():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (500, 4)).astype(np.uint8)
    first, inverse = distinct_rows(codes)
    kinds = [tuple(row) for row in codes.tolist()]
    assert [kinds[i] for i in first] == list(dict.fromkeys(kinds))
    np.testing.assert_array_equal(codes[first][inverse], codes)


def test_groups_of_items_are_reversible():
    n_levels = [2, 3, 4, 255, 1, 5, 2]
    groups = Groups.of(n_levels)
    assert list(itertools.chain(*groups.members)) == list(range(7))
    assert max(groups.sizes) <= 256
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, n + 1, 400) for n in n_levels])
    answers = np.where(codes == n_levels, 255, codes).astype(np.uint8)
    grouped = groups.codes(answers)
    for g, group in enumerate(groups.members):
        rest = grouped[:, g].astype(int)
        for j in reversed(group):
            np.testing.assert_array_equal(rest % (n_levels[j] + 1), codes[:, j])
            rest //= n_levels[j] + 1


@pytest.mark.parametrize("n_threads", [2, 3])
def test_same_bits_for_every_number_of_threads(n_threads):
    X, *_ = problem(6, n=3000, n_items=7, p=2)
    fits = [LatentClassAnalysis(3, continuous=[7, 8], random_state=0, n_threads=t, n_init=6,
                                tol=10).fit(X) for t in (1, n_threads)]
    assert fits[0].lower_bounds_ == fits[1].lower_bounds_
    np.testing.assert_array_equal(fits[0].predict_proba(X), fits[1].predict_proba(X))


def test_kinds_of_values():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({
        "size": pandas.Categorical(["small", "large", None, "small", "large", "small"],
                                   categories=["small", "middle", "large"]),
        "n": pandas.array([3, 1, None, 3, 1, 3], dtype="Int64"),
        "yes": [True, False, True, None, False, True],
        "x": [1.0, 9.0, 2.0, np.nan, 8.0, 1.5]})
    model = LatentClassAnalysis(2, continuous=["x"], random_state=0).fit(frame)
    assert [each.tolist() for each in model.categories_] == [
        ["small", "large"], [1, 3], [False, True]]
    filled = model.impute(frame)
    assert filled[2].tolist()[:2] == ["small", 3] and 0 < filled[3, 3] < 3
    with pytest.raises(ValueError, match="column 'size' of X has the value 'middle' at row 0"):
        model.predict(frame.assign(size="middle"))
    sampled, classes = model.sample(50)
    assert sampled.shape == (50, 4) and set(classes) <= {0, 1}
    assert set(sampled[:, 0]) <= {"small", "large"}


@pytest.mark.parametrize("order", [[10, 2, 7], [3, -1, 5], [2.5, 0.5, 1.0], [True, False]])
def test_categories_of_numbers_in_any_order(order, tmp_path):
    values = np.array(order)[[0, 1, 2 % len(order), 1] * 10]
    other = np.array(["x", "y"] * 20)
    model = LatentClassAnalysis(2, random_state=0, max_iter=5, tol=0.5).fit(
        pd.DataFrame({"a": pd.Categorical(values, categories=order), "b": other}))
    assert model.categories_[0].tolist() == order
    model.save(tmp_path / "model.emk")
    assert LatentClassAnalysis.load(tmp_path / "model.emk").categories_[0].tolist() == order
    # the same values as numbers, and a gap among them
    plain = pd.DataFrame({"a": values, "b": other})
    resp = model.predict_proba(plain)
    gap = plain.astype({"a": float})
    gap.loc[0, "a"] = np.nan
    assert_array_equal(model.predict_proba(gap)[1:], resp[1:])
    by_b = model.weights_ * model.response_probs_[1][:, 0]
    assert_allclose(model.predict_proba(gap)[0], by_b / by_b.sum(), rtol=1e-12)
    level = order.index(values[0])
    both = by_b * model.response_probs_[0][:, level]
    assert_allclose(resp[0], both / both.sum(), rtol=1e-12)


def test_codes_of_half_precision():
    codes = np.random.default_rng(0).integers(0, 3, (40, 4))
    found, expected = (LatentClassAnalysis(2, random_state=0, n_init=2).fit(codes.astype(dtype))
                       for dtype in (np.float16, np.float64))
    assert found.lower_bound_ == expected.lower_bound_
    assert found.predict(codes.astype(np.float16)).tolist() == expected.predict(codes).tolist()


def test_levels_with_more_digits_than_a_float_keep_them():
    few = 2**60 + np.random.default_rng(0).integers(0, 2, (60, 3))
    model = LatentClassAnalysis(2, random_state=0, n_init=3).fit(few)
    gaps = few.astype(object)
    gaps[::2, 1] = None
    assert {*model.impute(gaps).ravel()} == {*model.sample(99)[0].ravel()} == {2**60, 2**60 + 1}
    assert model.impute(gaps)[1].tolist() == few[1].tolist()


@pytest.mark.parametrize(("X", "options", "text"), [
    ([[1, np.inf], [0, 1.0]], {}, r"X is infinite \(inf\) at row 0, column 1"),
    ([[{}, 1], [0, 1]], {}, "column 0 of X holds {} at row 0"),
    (np.arange(300)[:, None], {}, "column 0 of X has 300 levels"),
    ([[None, 1], [None, 0]], {}, "X has no observed value in column 0"),
    ([[1, 0], [0, 1]], {"continuous": [2]}, "names column 2 of X, which has 2"),
    ([[1, 0], [0, 1]], {"continuous": ["a"]}, "'a', which is no column of X"),
    ([[1, "a"], [0, "b"]], {"continuous": [1]}, "column 1 of X is not numeric: 'a' at row 0"),
    ([[1, 0], [0, 1]], {"weights_init": [0.5, 0.6]}, "weights_init must sum to one, got 1.1"),
    ([[1, 0], [0, 1]], {"response_probs_init": [np.full((2, 2), 0.5)]}, "each of the 2 items"),
    ([[1, 0], [0, 1]], {"response_probs_init": [np.full((2, 2), 0.4)] * 2},
     "every row of response_probs_init of item 0 must sum to one, got 0.8 in row 0"),
    ([[1, 0], [0, 1]], {"response_probs_init": [np.full((2, 2), 0.5), None]},
     "a table for every item, got None"),
    ([[1, 0], [0, 1]], {"response_concentration": 0.5}, "response_concentration"),
])
def test_errors_name_what_is_wrong(X, options, text):
    model = LatentClassAnalysis(2, **options)
    with pytest.raises(ValueError, match=text):
        model.fit(X)
    assert not hasattr(model, "weights_")


def test_items_that_look_like_numbers():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 3, (90, 3)), rng.normal(size=90).round(1)]).astype(float)
    n = len(set(X[:, 3]))
    assert n > 20
    text = (f"^column 3 has {n} levels in 90 rows, not all of them whole numbers, .* "
            "name the column in continuous=$")
    with pytest.warns(EMWarning, match=text):
        LatentClassAnalysis(1).fit(X)
    with pytest.warns(EMWarning, match=text):
        LatentClassAnalysis(1).fit_chunks(X, chunk_rows=40)
    with pytest.warns(EMWarning, match=text):
        select_classes(X, 1)
    LatentClassAnalysis(1, continuous=[3]).fit(X)
    for few in (np.floor(X * 10), np.where(X > 0, 2.5, 1.0), X.astype(str)):
        LatentClassAnalysis(1).fit(few)         # whole numbers, two values, texts: items
    with pytest.warns(EMWarning, match="^column 0 has 6 levels in 20 rows"):
        LatentClassAnalysis(1).fit(np.tile(np.arange(10) % 6 / 4, 2)[:, None])


def test_a_start_of_float32_sums_to_one_as_well_as_it_can():
    thirds = np.full(3, 1 / 3, np.float32)
    assert abs(thirds.sum(dtype=np.float64) - 1) > 1e-8
    model = LatentClassAnalysis(3, weights_init=thirds, n_init=1, max_iter=0, random_state=0)
    X = np.indices((2, 2, 2, 2, 2)).reshape(5, -1).T
    np.testing.assert_allclose(model.fit(X).weights_, 1 / 3, rtol=1e-15)


def test_more_classes_than_rows_and_one_level():
    model = LatentClassAnalysis(4, random_state=0)
    with pytest.warns(EMWarning, match="has rank 1, and 7 parameters are free"):
        model.fit([["a", 1], ["a", 2]])
    assert not model.identified_
    assert np.isfinite(model.lower_bound_) and np.isclose(model.weights_.sum(), 1)
    np.testing.assert_allclose(model.score([["a", 1], ["a", 2]]), np.log(0.5), atol=1e-6)


def test_starts_without_variance_at_once_are_dropped():
    A = np.column_stack([np.tile([0, 1], 9), np.repeat([0.0, 0.0, 0.0, 5.0, 7.0, 9.0], 3)])
    model = LatentClassAnalysis(2, continuous=[1], reg_covar=0, n_init=20, random_state=0)
    with pytest.warns(EMWarning) as said:
        model.fit(A)
    assert any("were dropped" in str(each.message) for each in said)
    assert 1 <= model.n_best_ <= 5


def test_starts_with_a_collapsed_variance_have_not_reached_the_best():
    rng = np.random.default_rng(1)
    z = rng.random(300) < 0.4
    X = rng.random((300, 4)) < np.where(z, 0.9, 0.2)[:, None]
    ends = {}
    model = LatentClassAnalysis(
        4, continuous=[4], n_init=5, random_state=0,
        callback=lambda state: ends.__setitem__(state.init, state.lower_bound))
    model.fit(np.column_stack([X, np.round(rng.normal(3, 1, 300))]))
    above = sum(end > model.lower_bound_ + 1 for end in ends.values())
    assert above and model.n_best_ == sum(
        end >= model.lower_bound_ - 1e-6 for end in ends.values()) - above


def test_rows_of_weight_0_are_absent():
    X, *_ = problem(7, n=120)
    w = np.r_[np.ones(100), np.zeros(20)]
    a = LatentClassAnalysis(2, random_state=0).fit(X, sample_weight=w)
    b = LatentClassAnalysis(2, random_state=0).fit(X[:100])
    assert a.lower_bounds_ == b.lower_bounds_


def test_files(tmp_path):
    X, *_ = problem(8, p=1)
    model = LatentClassAnalysis(2, continuous=[4], random_state=0).fit(X)
    model.save(tmp_path / "classes.npz")
    again = LatentClassAnalysis.load(tmp_path / "classes.npz")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
