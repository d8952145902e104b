"""Rotated loadings: the fit they keep, the criteria that are at their best, and R's numbers."""

import numpy as np
import pytest
from rotated import ROTATED
from scipy.linalg import expm

from emkernels.components.factors import oblimin, rotations
from emkernels.em import EMWarning
from emkernels.models.factors.rotation import KAISER, OBLIQUE, ROTATIONS, canonical, rotate

DATA = ("ability", "swiss", "harman")
ORTHOGONAL = tuple(method for method in ROTATIONS if method not in OBLIQUE)
SEARCHED = ("varimax", "quartimax", "oblimin")


def some_loadings(n_columns=12, q=4, seed=0):
    """Nearly simple loadings on axes of no meaning."""
    random = np.random.default_rng(seed)
    L = random.normal(scale=0.15, size=(n_columns, q))
    L[np.arange(n_columns), np.arange(n_columns) % q] += 0.7
    return L @ np.linalg.qr(random.normal(size=(q, q)))[0]


def normalised(L):
    return L / np.sqrt(np.square(L).sum(axis=1, keepdims=True))


def criterion(L, method):
    """As the docstring has it, by loops; the larger the better."""
    n_columns, q = L.shape
    if method == "oblimin":
        return -sum((L[:, j] ** 2 * L[:, k] ** 2).sum() for j in range(q) for k in range(j))
    fourth = sum(L[i, j] ** 4 for i in range(n_columns) for j in range(q))
    if method == "quartimax":
        return fourth
    return fourth - sum((L[:, j] ** 2).sum() ** 2 for j in range(q)) / n_columns


# --- R --------------------------------------------------------------------------------------

@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(("method", "kaiser", "name"), [
    ("varimax", None, "varimax"), ("varimax", False, "varimax raw"), ("promax", None, "promax"),
    ("oblimin", None, "oblimin"), ("oblimin", True, "oblimin kaiser"),
    ("quartimax", None, "quartimax")])
def test_loadings_and_correlations_are_those_of_r(data, method, kaiser, name):
    found = rotate(ROTATED[data, "loadings"], method, kaiser=kaiser)
    np.testing.assert_allclose(found.loadings, ROTATED[data, name], atol=3e-6)
    if method in OBLIQUE:
        np.testing.assert_allclose(found.correlation, ROTATED[data, f"{name} correlation"],
                                   atol=3e-6)
    assert found.converged


def test_factor_analyzer_agrees():
    pytest.importorskip("factor_analyzer")
    from factor_analyzer.rotator import Rotator
    L = ROTATED["harman", "loadings"]
    for method, kaiser in (("varimax", True), ("varimax", False), ("quartimax", False),
                           ("oblimin", False), ("promax", False)):
        rotator = Rotator(method=method, normalize=kaiser, max_iter=1000, tol=1e-7)
        theirs = rotator.fit_transform(L)
        order, signs = canonical(theirs)
        np.testing.assert_allclose(
            rotate(L, method, kaiser=kaiser).loadings, theirs[:, order] * signs, atol=1e-5)


# --- the fit ----------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ROTATIONS)
@pytest.mark.parametrize("kaiser", [True, False])
@pytest.mark.parametrize(("n_columns", "q"), [(3, 1), (6, 2), (12, 4), (30, 7), (3, 5)])
def test_the_fit_stays(method, kaiser, n_columns, q):
    L = some_loadings(n_columns, q)
    found = rotate(L, method, kaiser=kaiser)
    fit, T = L @ L.T, found.matrix
    np.testing.assert_allclose(found.loadings @ found.correlation @ found.loadings.T, fit,
                               rtol=0, atol=1e-12 * np.abs(fit).max())
    np.testing.assert_allclose(L, found.loadings @ T.T, rtol=0, atol=1e-12)
    np.testing.assert_allclose(T.T @ T, found.correlation, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(np.diagonal(found.correlation), 1)
    if method in ORTHOGONAL:
        np.testing.assert_array_equal(found.correlation, np.eye(q))


def test_factors_and_scores_turn_by_the_matrix():
    L, z = some_loadings(), np.random.default_rng(1).normal(size=(5, 4))
    for method in ROTATIONS:
        found = rotate(L, method)
        np.testing.assert_allclose(z @ found.matrix @ found.loadings.T, z @ L.T, atol=1e-12)


# --- the criteria ------------------------------------------------------------------------------

@pytest.mark.parametrize("method", SEARCHED)
@pytest.mark.parametrize("kaiser", [True, False])
@pytest.mark.parametrize("data", [*DATA, "made"])
def test_no_random_axes_are_better(method, kaiser, data):
    L = some_loadings() if data == "made" else ROTATED[data, "loadings"]
    A = normalised(L) if kaiser else L / np.abs(L).max()
    found, q = rotate(L, method, kaiser=kaiser), L.shape[1]
    best = criterion(A @ np.linalg.inv(found.matrix.T), method)
    assert best == pytest.approx(-found.criterion if method == "oblimin" else found.criterion)
    random = np.random.default_rng(0)
    T = random.normal(size=(10_000, q, q))
    if method == "oblimin":
        T /= np.sqrt(np.square(T).sum(axis=1, keepdims=True))
        # most random axes are far away: half of them are near the best
        T[::2] = found.matrix + 0.1 * T[::2]
        T /= np.sqrt(np.square(T).sum(axis=1, keepdims=True))
        others = -oblimin.oblimin_criterion(A @ np.linalg.inv(T).transpose(0, 2, 1))
    else:
        T = np.linalg.qr(T)[0]
        others = rotations.orthomax_criterion(A @ T, 1.0 if method == "varimax" else 0.0)
        assert criterion(A @ T[0], method) == pytest.approx(others[0])
    assert others.max() < best


@pytest.mark.parametrize("method", SEARCHED)
@pytest.mark.parametrize("kaiser", [True, False])
def test_the_end_is_level(method, kaiser):
    """Central differences along every direction in which the axes may move, and below beside it."""
    L = ROTATED["harman", "loadings"]
    A = normalised(L) if kaiser else L
    found, q, h = rotate(L, method, kaiser=kaiser), 4, 1e-4
    scale = (np.square(A).sum(axis=1) ** 2).sum()
    here = criterion(A @ np.linalg.inv(found.matrix.T), method)
    for j in range(q):
        for k in range(q):
            if j == k:
                continue
            E = np.zeros((q, q))
            E[j, k], E[k, j] = h, -h
            ends = []
            for sign in (1, -1):
                if method == "oblimin":
                    T = found.matrix.copy()
                    T[:, k] += sign * h * T[:, j]
                    T /= np.sqrt(np.square(T).sum(axis=0))
                else:
                    T = found.matrix @ expm(sign * E)
                ends.append(criterion(A @ np.linalg.inv(T.T), method))
            assert abs(ends[0] - ends[1]) / (2 * h) < 2e-7 * scale
            assert max(ends) < here


def test_two_factors_turn_to_the_best_of_all_angles():
    L = some_loadings(7, 2)
    for method in ORTHOGONAL:
        found = rotate(L, method, n_init=1)
        A = normalised(L) if KAISER[method] else L / np.abs(L).max()
        angles = np.linspace(0, np.pi / 2, 2001)
        turns = np.array([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in angles])
        values = [criterion(A @ turn, method) for turn in turns]
        assert max(values) <= found.criterion <= max(values) + 1e-5


def test_a_minimum_is_left():
    """All slopes are zero where every row lies between the axes."""
    L = np.array([[1.0, 1, 0], [1, -1, 0], [0.5, 0.5, 0], [0, 0, 0.7], [0, 0, 0.6]])
    for method in ("varimax", "quartimax", "oblimin"):
        found = rotate(L, method, n_init=3)
        assert ((np.abs(found.loadings) > 1e-7).sum(axis=1) == 1).all(), method


def test_several_starts_find_more_than_one():
    for method, seed, sign in (("varimax", 5, 1), ("quartimax", 7, 1), ("oblimin", 7, -1)):
        L = np.random.default_rng(seed).normal(size=(30, 12))
        one = rotate(L, method, n_init=1)
        many = rotate(L, method, n_init=20)
        assert sign * many.criterion > sign * one.criterion + 1e-3
        assert 1 <= many.n_best < 20 and one.n_best == 1
    assert many.n_init == 20


def test_simple_structure_is_found():
    simple = np.kron(np.eye(3), [[0.8], [0.7], [0.6], [0.5]])
    correlation = np.array([[1, 0.3, 0.5], [0.3, 1, 0.2], [0.5, 0.2, 1]])
    L = simple @ np.linalg.cholesky(correlation)
    found = rotate(L, "oblimin")
    np.testing.assert_allclose(found.loadings, simple, atol=1e-5)
    np.testing.assert_allclose(found.correlation, correlation, atol=1e-5)
    turned = simple @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    for method in ROTATIONS:
        np.testing.assert_allclose(rotate(turned, method).loadings, simple, atol=1e-7)


# --- conventions ---------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ROTATIONS)
def test_axes_of_the_loadings_do_not_matter(method):
    L = some_loadings()
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(4, 4)))[0]
    one, other = rotate(L, method), rotate(L @ turn, method, random_state=1)
    np.testing.assert_allclose(one.loadings, other.loadings, atol=1e-6)
    np.testing.assert_allclose(one.correlation, other.correlation, atol=1e-6)


@pytest.mark.parametrize("method", ROTATIONS)
def test_order_and_signs(method):
    found = rotate(some_loadings(), method)
    explained = np.square(found.loadings).sum(axis=0)
    assert (np.diff(explained) <= 0).all() and (found.loadings.sum(axis=0) >= 0).all()
    again = rotate(found.loadings, method) if method in ORTHOGONAL else found
    np.testing.assert_allclose(again.loadings, found.loadings, atol=1e-7)


def test_equal_factors_come_in_the_order_of_their_columns():
    L = np.kron(np.eye(3), [[-0.8], [-0.6]])
    for seed in range(5):
        found = rotate(L[:, ::-1], "varimax", random_state=seed)
        np.testing.assert_allclose(found.loadings, -L, atol=1e-12)


def test_a_factor_that_adds_up_to_nothing_has_its_largest_loading_positive():
    order, signs = canonical(np.array([[-0.5, 0.1], [0.5, -0.3], [0, 0.1]]))
    assert order.tolist() == [0, 1] and signs.tolist() == [-1, -1]


@pytest.mark.parametrize("method", ROTATIONS)
@pytest.mark.parametrize("size", [1e100, 1e-150])
def test_units_do_not_matter(method, size):
    L = some_loadings()
    found, scaled = rotate(L, method), rotate(L * size, method)
    np.testing.assert_allclose(scaled.loadings / size, found.loadings, atol=1e-7)
    np.testing.assert_allclose(scaled.correlation, found.correlation, atol=1e-7)


@pytest.mark.parametrize("method", ROTATIONS)
@pytest.mark.parametrize("kaiser", [True, False])
def test_with_scales_the_units_of_columns_do_not_matter(method, kaiser):
    L, units = some_loadings(), 10.0 ** np.random.default_rng(0).uniform(-100, 100, size=12)
    one = rotate(L, method, kaiser=kaiser)
    other = rotate(L * units[:, None], method, kaiser=kaiser, scale=units)
    signs = np.sign((one.matrix * other.matrix).sum(axis=0))
    np.testing.assert_allclose(other.loadings * signs / units[:, None], one.loadings, atol=1e-7)
    np.testing.assert_allclose(other.matrix * signs, one.matrix, atol=1e-7)
    assert (other.loadings.sum(axis=0) >= 0).all()


def test_with_rows_of_one_length_the_units_of_columns_do_not_matter():
    L, units = some_loadings(), 10.0 ** np.random.default_rng(0).uniform(-100, 100, size=(12, 1))
    for method in SEARCHED:
        one, other = (rotate(each, method, kaiser=True) for each in (L, L * units))
        assert other.criterion == pytest.approx(one.criterion)
        np.testing.assert_allclose(np.sort(np.abs(other.loadings / units)),
                                   np.sort(np.abs(one.loadings)), atol=1e-7)


@pytest.mark.parametrize("method", ROTATIONS)
def test_the_same_start_of_random_numbers_gives_the_same_bits(method):
    L = some_loadings(30, 8)
    one = rotate(L, method, random_state=7)
    for seed in (7, np.random.RandomState(7)):
        other = rotate(L, method, random_state=seed)
        np.testing.assert_array_equal(one.loadings, other.loadings)
        np.testing.assert_array_equal(one.matrix, other.matrix)
    np.testing.assert_array_equal(rotate(L, method).loadings, rotate(L, method).loadings)


def test_constant_columns_may_have_no_scale():
    L = some_loadings()
    L[0] = 0
    scale = np.ones(12)
    scale[0] = 0
    np.testing.assert_array_equal(rotate(L, "varimax", scale=scale).loadings,
                                  rotate(L, "varimax").loadings)


# --- few factors, few rows, and none -------------------------------------------------------------

@pytest.mark.parametrize("method", ROTATIONS)
@pytest.mark.parametrize("kaiser", [True, False])
def test_rows_and_factors_of_zeros(method, kaiser):
    L = some_loadings()
    L[3] = 0
    found = rotate(np.insert(L, 2, 0, axis=1), method, kaiser=kaiser)
    np.testing.assert_array_equal(found.loadings[3], 0)
    np.testing.assert_array_equal(found.loadings[:, 4], 0)
    alone = rotate(L, method, kaiser=kaiser)
    np.testing.assert_allclose(found.loadings[:, :4], alone.loadings, atol=1e-6)
    np.testing.assert_allclose(found.correlation[:4, :4], alone.correlation, atol=1e-6)
    np.testing.assert_allclose(found.correlation[4], [0, 0, 0, 0, 1], atol=1e-12)


@pytest.mark.parametrize("method", ROTATIONS)
def test_one_factor_and_no_loadings(method):
    L = np.array([[-0.5], [-0.7], [0.1]])
    found = rotate(L, method)
    np.testing.assert_array_equal(found.loadings, -L)
    assert found.matrix.tolist() == [[-1]] and found.correlation.tolist() == [[1]]
    found = rotate(np.zeros((4, 2)), method)
    np.testing.assert_array_equal(found.loadings, 0)
    np.testing.assert_array_equal(found.matrix, np.eye(2))


def test_loadings_of_lower_rank_keep_the_fit():
    L = some_loadings(9, 2) @ np.random.default_rng(0).normal(size=(2, 4))
    for method in ROTATIONS:
        found = rotate(L, method)
        np.testing.assert_allclose(found.loadings @ found.correlation @ found.loadings.T, L @ L.T,
                                   atol=1e-12)
        np.testing.assert_array_equal(found.loadings[:, 2:], 0)


@pytest.mark.parametrize("method", ROTATIONS)
def test_rows_that_are_small_beside_others_are_kept(method):
    L = np.array([[1e100, 0], [2e100, 0], [0, 1.0], [0, 2.0]])
    found = rotate(L, method)
    np.testing.assert_allclose(np.abs(found.loadings), L)


def test_promax_without_oblique_axes_says_so(monkeypatch):
    monkeypatch.setattr(rotations, "promax", lambda *_: None)
    with pytest.warns(EMWarning, match="varimax are kept"):
        found = rotate(some_loadings(), "promax")
    np.testing.assert_allclose(found.loadings, rotate(some_loadings(), "varimax").loadings,
                               atol=1e-12)


def test_singular_axes_are_no_obstacle():
    """No numbers are no step downwards."""
    L = some_loadings(12, 3)
    start = np.eye(3)
    start[:, 1] = start[:, 0] * np.cos(1e-9) + start[:, 1] * np.sin(1e-9)
    found = oblimin.oblimin(L, np.stack([start]))
    assert found.converged
    assert found.criterion == pytest.approx(rotate(L, "oblimin", kaiser=False).criterion * (
        np.abs(L).max() ** 4))
    assert np.isnan(oblimin._on_axes(L, np.ones((3, 3)))).all()


@pytest.mark.parametrize("q", [2, 4])
def test_derivatives_of_oblimin(q):
    """Beside differences, away from the end and with axes that are far from orthogonal."""
    random = np.random.default_rng(0)
    L, T = random.normal(size=(9, q)), random.normal(size=(q, q))
    T /= np.sqrt(np.square(T).sum(axis=0))

    def value(e):
        moved = T @ (np.eye(q) + e.reshape(q, q))
        moved /= np.sqrt(np.square(moved).sum(axis=0))
        return oblimin.oblimin_criterion(L @ np.linalg.inv(moved.T))

    slope, bend, size = oblimin._quadratic(L @ np.linalg.inv(T.T), T.T @ T)
    free, h, one = np.flatnonzero(~np.eye(q, dtype=bool)), 1e-4, np.eye(q * q)
    slopes = [(value(h * one[a]) - value(-h * one[a])) / (2 * h) for a in free]
    np.testing.assert_allclose(slope[free], slopes, atol=1e-6 * np.abs(slope).max())
    bends = [[(value(h * (one[a] + one[b])) - value(h * (one[a] - one[b]))
               - value(h * (one[b] - one[a])) + value(-h * (one[a] + one[b]))) / (4 * h * h)
              for a in free] for b in free]
    np.testing.assert_allclose(bend[np.ix_(free, free)], bends, atol=1e-6 * np.abs(bend).max())
    assert (size[free] > 0).all()


def test_both_methods_end_at_the_same():
    L = ROTATED["harman", "loadings"]
    total = rotations.total_of(L)
    T, value, slope = oblimin._newton(L, np.eye(4), total, 100)
    others, values, _ = oblimin._projected(L, np.eye(4)[None], total, 5000)
    assert slope == 0 and values[0] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(others[0], T, atol=1e-7)


def test_weak_factors_take_no_longer():
    """Along the slopes of the elements of T this took tens of thousands of steps."""
    random = np.random.default_rng(1)
    L = random.normal(size=(28, 8)) * 10.0 ** random.uniform(-3, 0, size=8)
    for kaiser in (True, False):
        found = rotate(L, "oblimin", kaiser=kaiser, n_init=3)
        assert found.converged
        A = normalised(L) if kaiser else L / np.abs(L).max()
        assert oblimin._newton(A, np.eye(8), rotations.total_of(A), 300)[2] == 0


# --- what is refused -----------------------------------------------------------------------------

def test_wrong_input_is_named():
    L = some_loadings()
    for method in ("Varimax", "equamax", None, 3):
        with pytest.raises(ValueError, match="rotation must be one of varimax, quartimax, promax"):
            rotate(L, method)
    for wrong in (L[0], L[None], L[:, :0], [["a"]]):
        with pytest.raises(ValueError, match="loadings must be numbers in two dimensions"):
            rotate(wrong, "varimax")
    L[2, 1] = np.nan
    with pytest.raises(ValueError, match="got nan in row 2, factor 1"):
        rotate(L, "varimax")
    with pytest.raises(TypeError, match="kaiser must be True, False or None, got 'yes'"):
        rotate(some_loadings(), "varimax", kaiser="yes")
    for scale in (np.ones(11), -np.ones(12), np.full(12, np.inf)):
        with pytest.raises(ValueError, match="scale must be 12 finite numbers of 0 or more"):
            rotate(some_loadings(), "varimax", scale=scale)
    with pytest.raises(ValueError, match="n_init must be at least 1"):
        rotate(some_loadings(), "varimax", n_init=0)
