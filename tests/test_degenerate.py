"""Components that are no group of rows: found, named, and not chosen."""

import re
import warnings

import numpy as np
import pytest
from em_maps import Map, loop
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris

from emkernels import GaussianMixture, compare_clusterings, select_mixture
from emkernels.components.gaussian.degenerate import (
    Examination,
    Spikes,
    _smallest_share,
    find_spikes,
    total_covariance_of,
)
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.priors import CovariancePrior
from emkernels.components.gaussian.structures import Full, structure_of
from emkernels.data import Rows
from emkernels.data.summary import Rounding
from emkernels.em import DegenerateFitError, EMWarning
from emkernels.latent.mixture import MixtureParameters
from emkernels.models.mixture import selection
from emkernels.models.mixture.fitted import parameters_of
from emkernels.models.mixture.selection import CAREFUL, Candidate, split_components

TYPES = ("full", "tied", "diag", "spherical")


def amounts(n=600, seed=0):
    """Amounts of which three in five are zero, beside two columns that say nothing."""
    rng = np.random.default_rng(seed)
    amount = np.where(rng.random(n) < 0.6, 0.0, rng.lognormal(3, 0.5, n))
    return np.c_[rng.normal(size=n), amount, rng.normal(size=n) * 5]


def texts(caught):
    return [str(each.message) for each in caught]


def fitted(model, X, **options):
    """A model and what its fit warned about."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, **options)
    return model, texts(caught)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_a_spike_on_one_value_is_named_in_every_unit(covariance_type, unit, dtype):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(amounts() * unit, columns=["a", "amount", "c"], dtype=dtype)
    model, said = fitted(GaussianMixture(
        2, covariance_type=covariance_type, random_state=0, reg_covar="auto"), frame)
    zeros = model.means_[:, 1].argmin()
    assert_array_equal(model.degenerate_components_, [zeros])
    (text,) = [text for text in said if text.startswith("collapsed")]
    assert f"component {zeros} in column 'amount'" in text and "covariance_prior" in text
    with pytest.warns(EMWarning, match="'amount'"):
        GaussianMixture(2, covariance_type=covariance_type, random_state=0,
                        reg_covar=1e-6 * unit**2).fit(frame)


def test_a_spike_need_not_lie_along_a_column():
    rng = np.random.default_rng(0)
    line = rng.normal(size=300)
    X = np.r_[np.c_[line, 3 - line], rng.normal(size=(300, 2)) * 3 + [8, 8]]
    model, said = fitted(GaussianMixture(2, random_state=0), X)
    flat = model.means_.sum(axis=1).argmin()
    assert_array_equal(model.degenerate_components_, [flat])
    assert np.diagonal(model.covariances_[flat]).min() > 0.5
    assert any(f"component {flat} in the columns 0, 1" in text
               or f"component {flat} in the columns 1, 0" in text for text in said)


@pytest.mark.parametrize(("share", "found"), [(3e-7, True), (1e-5, False)])
def test_less_than_a_millionth_of_the_variance_is_a_spike_whatever_reg_covar_is(share, found):
    rng = np.random.default_rng(1)
    X = np.r_[rng.normal(size=(500, 2)), np.c_[rng.normal(size=500),
                                              9 + np.sqrt(share * 21.25) * rng.normal(size=500)]]
    start = {"means_init": [[0, 0], [0, 9]], "weights_init": [0.5, 0.5],
             "precisions_init": [np.eye(2), np.diag([1, 1 / (share * 21.25)])]}
    model, said = fitted(GaussianMixture(2, reg_covar=0, **start), X)
    assert_array_equal(model.degenerate_components_, [1] if found else [])
    assert bool(said) == found


def test_subnormal_values_have_no_steps_and_no_warning():
    assert_array_equal(Rounding.of(np.array([[0.0], [5e-324], [1.0]])).steps, [0])


def test_rows_of_no_weight_have_no_rounding():
    rng = np.random.default_rng(2)
    X, weight = rng.integers(0, 9, size=(300, 2)).astype(float), np.ones(300)
    X[::7] += rng.random((43, 2))
    weight[::7] = 0
    for found in (Rows(X, sample_weight=weight), Rows(X[weight > 0])):
        assert_allclose(found.rounding().steps, [1 / 12, 1 / 12])
    assert_array_equal(Rows.read(X).rounding().steps, [0, 0])


def test_values_in_steps_and_far_from_zero_have_a_rounding():
    rng = np.random.default_rng(2)
    whole = np.r_[rng.random(400) < 0.02, rng.integers(5, 60, 200)].astype(float)
    X = np.c_[whole, np.r_[rng.normal(size=400), rng.normal(size=200) + 8]]
    model, _ = fitted(GaussianMixture(2, random_state=0, reg_covar=0), X)
    narrow = model.means_[:, 0].argmin()        # its variance, 0.02, is below that of 1 / 12
    assert 1e-3 < model.covariances_[narrow, 0, 0] < 1 / 12
    assert_array_equal(model.degenerate_components_, [narrow])
    # a prior bounds what a narrow component gains
    assert not len(fitted(GaussianMixture(
        2, random_state=0, reg_covar=0, covariance_prior="empirical"),
        X)[0].degenerate_components_)
    # with the variance of rounding added, a single value is as likely as it should be
    honest, _ = fitted(GaussianMixture(2, random_state=0, reg_covar=1 / 12), X)
    assert honest.covariances_[:, 0, 0].min() < 0.2 and not len(honest.degenerate_components_)
    rounding = Rounding.of(X)
    assert_allclose(rounding.steps, [1 / 12, 0], rtol=1e-10)
    assert (rounding.precision < 1e-20).all()

    def least(reg_covar, prior=None):
        return Spikes(Rows.read(X), Full(reg_covar=reg_covar, prior=prior)).least

    assert_allclose(least(0.1), [rounding.precision[0], 1], rtol=1e-10)
    assert_allclose(least(1e-3), [1 / 12, 1e-2], rtol=1e-10)
    assert_allclose(least(1e-3, CovariancePrior(1.0, np.eye(2))), [1e-2, 1e-2], rtol=1e-10)
    far = Rounding.of(np.array([[1e8], [1e8 + 1], [np.nan]])).precision
    assert_allclose(far, (8 * 2.0**-52 * 1e8) ** 2, rtol=1e-6)
    assert Rounding.of(X.astype(np.float32)).precision[0] > 1e-10
    tenths = np.round(rng.normal(size=(300, 1)), 1)
    assert_allclose(Rounding.of(tenths).steps, 0.01 / 12, rtol=1e-6)
    assert_allclose(Rounding.of(tenths.astype(np.float32)).steps, 0.01 / 12, rtol=1e-3)


def test_what_is_narrow_but_real_is_no_spike():
    X = load_iris().data
    for covariance_type in TYPES:
        for k in (1, 2, 3, 4):
            model = GaussianMixture(k, covariance_type=covariance_type, random_state=0)
            model, said = fitted(model, X)
            assert not len(model.degenerate_components_) and not any("collapsed" in t for t in said)
    rng = np.random.default_rng(0)
    close = np.r_[rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) * 0.02 + 3]
    for scale in (1e-6, 1.0, 1e6):
        model, said = fitted(GaussianMixture(2, reg_covar="auto", random_state=0), close * scale)
        assert said == [] and not len(model.degenerate_components_)


def is_spike(own, total, bound):
    """By trying directions of the plane, the rule as it is written; None where it is close."""
    angles = np.linspace(0, np.pi, 5001)
    # directions in units in which the own covariance is round see the narrow ones well
    root = np.linalg.cholesky(np.linalg.inv(own))
    v = np.c_[np.cos(angles), np.sin(angles)] @ root.T
    v = np.r_[v, np.c_[np.cos(angles), np.sin(angles)]]
    of = [((v @ m) * v).sum(axis=1) for m in (own, total, np.diag(bound))]
    strict = ((of[0] <= 0.99 * of[2]) & (of[0] <= 0.0099 * of[1])) | (of[0] <= 0.99e-6 * of[1])
    loose = ((of[0] <= 1.01 * of[2]) & (of[0] <= 0.0101 * of[1])) | (of[0] <= 1.01e-6 * of[1])
    return True if strict.any() else None if loose.any() else False


@pytest.mark.parametrize("seed", range(6))
def test_spikes_by_trying_every_direction(seed):
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(100):
        k = 3
        roots = rng.normal(size=(k, 2, 2)) * 10 ** rng.uniform(-4, 0, (k, 2, 1))
        covariances = roots @ roots.transpose(0, 2, 1) + 1e-12 * np.eye(2)
        factors = np.linalg.cholesky(np.linalg.inv(covariances))
        # upper triangular U with U U' the precision
        factors = np.array([np.linalg.inv(np.linalg.cholesky(c)).T for c in covariances])
        p = MixtureParameters(np.full(k, 1 / k), Gaussians(
            Full(), rng.normal(size=(k, 2)), covariances, factors))
        reg, rounding = 10 ** rng.uniform(-9, -4, 2), 10 ** rng.uniform(-12, -5, 2)
        total = total_covariance_of(p)
        expected = {i: is_spike(c, total, np.maximum(10 * reg, rounding))
                    for i, c in enumerate(covariances)}
        found = find_spikes(p, np.maximum(10 * reg, rounding))
        for i in range(k):
            if expected[i] is not None:
                assert (i in found) == expected[i]
                seen.append(expected[i])
    assert 30 < sum(seen) < len(seen) - 30


def test_a_spike_beside_columns_whose_bounds_are_tiny():
    """Bounds of columns that come in steps are those of their precision, 1e-29 and less."""
    rng = np.random.default_rng(3)
    total, found = np.eye(6), []
    for _ in range(50):
        spread = np.linalg.qr(rng.normal(size=(6, 6)))[0]
        narrow = (spread * [1, 0.3, 0.1, 0.5, 0.8, 0.2]) @ spread.T
        narrow[1] *= 3e-3
        narrow[:, 1] *= 3e-3
        covariances = np.array([narrow, total])
        least = np.array([1e-5, 1e-5, 1e-29, 4e-29, 1e-5, 2e-29])
        parameters = MixtureParameters(np.array([0.3, 0.7]), Gaussians(
            structure_of("full"), np.zeros((2, 6)), covariances,
            structure_of("full").factors(covariances)))
        found.append(find_spikes(parameters, least))
    assert all(each.keys() == {0} and each[0][0] == [1] for each in found)


@pytest.mark.parametrize("covariance_type", ["diag", "spherical"])
def test_spikes_along_columns(covariance_type):
    rng = np.random.default_rng(0)
    k, d, seen = 3, 2, []
    for _ in range(200):
        own = 10 ** rng.uniform(-8, 0, (k, 1 if covariance_type == "spherical" else d))
        weights, least = rng.dirichlet(np.ones(k)), 10 ** rng.uniform(-6, -2, d)
        means = rng.normal(size=(k, d)) * 10 ** rng.uniform(-2, 3, d)
        each = np.broadcast_to(own, (k, d))
        total = weights @ (each + means**2) - (weights @ means) ** 2
        variances = own if covariance_type == "diag" else own[:, 0]
        found = find_spikes(
            MixtureParameters(weights, Gaussians(
                structure_of(covariance_type), means, variances, variances**-0.5)), least)
        narrow = ((each <= least) & (each <= 1e-2 * total)) | (each <= 1e-6 * total)
        assert sorted(found) == np.flatnonzero(narrow.any(axis=1)).tolist()
        for i, (columns, share) in found.items():
            assert sorted(columns) == np.flatnonzero(narrow[i]).tolist()
            assert_allclose(share, np.sqrt((each[i] / total).min()), rtol=1e-10)
        seen.append(len(found))
    assert set(seen) == {0, 1, 2, 3}


def test_a_spike_of_a_tied_covariance_is_one_of_every_component():
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=300), np.repeat([0.0, 10], 150)]
    model, said = fitted(GaussianMixture(2, covariance_type="tied", random_state=0), X)
    assert_array_equal(model.degenerate_components_, [0, 1])
    assert "component 0 in column 1" in said[0] and "component 1 in column 1" in said[0]


@pytest.mark.parametrize("covariance_type", TYPES)
def test_a_small_variance_is_no_spike_where_the_data_have_no_more(covariance_type):
    """Five times reg_covar, and half of what the column has."""
    rng = np.random.default_rng(0)
    X = 2e-3 * (rng.normal(size=(300, 2)) + np.repeat([0.0, 2], 150)[:, None])
    model, said = fitted(GaussianMixture(2, covariance_type=covariance_type, random_state=0), X)
    assert model.degenerate_components_.size == 0
    assert "reg_covar=1e-06 is not small" in said[-1]
    assert not any("collapsed" in text for text in said)


def test_the_total_covariance_is_that_of_the_rows():
    X = load_iris().data
    for covariance_type in TYPES:
        model = GaussianMixture(3, covariance_type=covariance_type, reg_covar=0, random_state=0,
                                max_iter=3, tol=0)
        model, _ = fitted(model, X)
        total = total_covariance_of(parameters_of(model))
        expected = np.cov(X.T, bias=True)
        if covariance_type in ("full", "tied"):
            assert_allclose(total, expected, rtol=1e-10)
        elif covariance_type == "diag":
            assert_allclose(np.diag(total), np.diag(expected), rtol=1e-10)
        else:
            assert_allclose(np.trace(total), np.trace(expected), rtol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_components_in_another_order_are_named_by_their_new_numbers(seed):
    """The comparison with K-means numbers the components as the clusters."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = compare_clusterings(amounts(), 2, random_state=seed,
                                     init_params="random_from_data")
    spike = result.mixture.covariances_[:, 1, 1].argmin()
    assert_array_equal(result.mixture.degenerate_components_, [spike])
    (text,) = [text for text in texts(caught) if text.startswith("collapsed")]
    assert f"component {spike} in column" in text
    # component i was order[i]
    found = Examination(spikes={0: [1]}, deviations={0: 0.1}, dead=[2], twins=[(0, 1)])
    other = found.reordered([1, 2, 0])
    assert (other.spikes, other.deviations) == ({2: [1]}, {2: 0.1})
    assert (other.dead, other.twins) == ([1], [(0, 2)])


# --- dead components, twins, few rows, reg_covar ----------------------------------------------

def test_dead_components_and_twins_are_named():
    X = load_iris().data
    model, said = fitted(GaussianMixture(
        3, means_init=[X[0], X[60], [1e6] * 4], random_state=0), X)
    assert said == ["component 2 without a row: use fewer components, or another start"]
    model, said = fitted(GaussianMixture(
        3, means_init=[X[0], X[60], X[60]], weights_init=[0.4, 0.3, 0.3],
        precisions_init=np.repeat(np.eye(4)[None], 3, axis=0)), X)
    assert_array_equal(model.means_[1], model.means_[2])
    assert ["the components 1 and 2 are the same" in text for text in said] == [True]
    # nothing is said of a weight of nothing that the user wants
    _, said = fitted(GaussianMixture(
        2, weights_init=[1.0, 0.0], means_init=X[[0, 60]], precisions_init=[np.eye(4)] * 2,
        fixed=("weights", "means", "covariances")), X)
    assert said == []
    _, said = fitted(GaussianMixture(2, random_state=0), np.full((50, 3), 7.0))
    assert any("component 1 without a row" in text for text in said)
    assert any("the columns 0, 1, 2 with one value only" in text for text in said)


@pytest.mark.parametrize("short", [None, 3])
@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "random", "random_from_data"])
def test_fewer_rows_of_positive_weight_than_components_are_said(init_params, short):
    X, weight = load_iris().data, (np.arange(150) < 2) * 1.0
    for gaps in (False, True):
        if gaps:
            X[::7, 1] = np.nan
        model, said = fitted(GaussianMixture(
            3, random_state=0, init_params=init_params, short_iter=short, n_init=2), X,
            sample_weight=weight)
        assert any("component" in text and re.search("2 rows(?: have)? .*positive weight|"
                   "positive weight, 2", text) for text in said)
        assert_allclose(model.weights_ @ model.means_, np.nanmean(X[:2], axis=0), rtol=1e-6)


def test_weights_in_any_unit_say_the_same():
    X = load_iris().data
    for unit in (1e-30, 1.0, 1e20):
        _, said = fitted(GaussianMixture(3, means_init=[X[0], X[60], [1e6] * 4]), X,
                         sample_weight=np.full(150, unit))
        assert said == ["component 2 without a row: use fewer components, or another start"]


def returns(n=1000, seed=0):
    """Daily returns: two regimes, deviations of 5e-5 and 2e-4."""
    rng = np.random.default_rng(seed)
    return np.r_[rng.normal(5e-6, 5e-5, 7 * n // 10), rng.normal(-1e-5, 2e-4, 3 * n // 10)][:, None]


def test_a_reg_covar_that_drowns_a_column_is_said_and_auto_is_not():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.c_[returns(), np.random.default_rng(1).normal(size=1000)],
                         columns=["r", "x"])
    for covariance_type in ("full", "tied", "diag"):
        _, said = fitted(GaussianMixture(2, covariance_type=covariance_type, random_state=0),
                         frame)
        assert any("reg_covar=1e-06 is not small against the variance of column 'r'" in text
                   and "reg_covar='auto'" in text for text in said)
        _, said = fitted(GaussianMixture(2, covariance_type=covariance_type, random_state=0,
                                         reg_covar="auto"), frame)
        assert not any("not small" in text for text in said)
    model = GaussianMixture(2, reg_covar="auto", random_state=0, tol=1e-6, max_iter=1000)
    deviations = np.sort(np.sqrt(model.fit(returns(20_000)).covariances_.ravel()))
    assert_allclose(deviations, [5e-5, 2e-4], rtol=0.05)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_auto_is_a_millionth_of_the_variances(covariance_type):
    X = load_iris().data * [1, 1e3, 1e-3, 1] + [0, 1e5, 0, 0]
    gaps = []
    for reg_covar in (0.0, "auto"):
        model = GaussianMixture(1, covariance_type=covariance_type, reg_covar=reg_covar).fit(X)
        gaps.append(np.diag(model.covariances_[0]) if covariance_type == "full" else
                    np.diag(model.covariances_) if covariance_type == "tied" else
                    model.covariances_[0])
    expected = 1e-6 * X.var(axis=0)
    if covariance_type == "spherical":
        expected = expected.mean()
    assert_allclose(gaps[1] - gaps[0], expected, rtol=1e-6)
    incomplete = np.r_[X, np.full((1, 4), np.nan)]
    model = GaussianMixture(1, covariance_type=covariance_type, reg_covar="auto", tol=0,
                            max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        covariance = model.fit(incomplete).covariances_
    diagonal = covariance[0] if covariance_type != "tied" else covariance
    diagonal = np.diag(diagonal) if np.ndim(diagonal) == 2 else diagonal
    assert_allclose(diagonal, gaps[1], rtol=2e-8)       # reg_covar itself is 1e-6 of it


def test_a_start_without_spikes_is_better_than_a_likelier_one_with():
    class Two(Map):
        """Starts that end at 0 or at 1, the higher one degenerate."""

        def step(self, parameters):
            return parameters

        def value(self, parameters):
            return parameters

    for limit, best in ((0.5, 0.0), (-1, 1.0), (2, 1.0)):
        for order in ([0.0, 1.0], [1.0, 0.0]):
            problem = Two()
            problem.is_degenerate = lambda parameters: parameters > limit
            result = loop(problem, order.__getitem__, n_init=2)
            assert result.parameters == best


# --- choosing ------------------------------------------------------------------------------

def test_collapsed_mixtures_are_marked_and_not_chosen_in_any_unit():
    X = amounts()
    choices = []
    for factor in (1.0, 1e-3, np.array([1e3, 1, 1e-3])):
        with pytest.warns(EMWarning, match="have a lower bic .* but collapsed components .in 1"):
            result = select_mixture(X * factor, range(1, 5), random_state=0)
        table = result.table
        assert not table[0]["degenerate"] and all(row["degenerate"] for row in table[1:])
        assert table[1]["degenerate_columns"] == ["1"]
        assert min(table, key=lambda row: row["bic"]) is not result.chosen
        assert str(result).count("*") == 1 and str(result).count("collapsed: ") == 3
        choices.append(result.best.n_components)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            free = select_mixture(X * factor, range(1, 5), random_state=0, allow_degenerate=True)
        assert free.best.n_components == min(
            free.table, key=lambda row: row["bic"])["n_components"] > 1
    assert choices == [1, 1, 1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        only = select_mixture(X, [2, 3], random_state=0)
    assert any("every candidate has collapsed components" in text for text in texts(caught))
    with warnings.catch_warnings(record=True) as single:
        warnings.simplefilter("always")
        select_mixture(X, 3, random_state=0)
    assert [text[:10] for text in texts(single)] == ["collapsed:"]
    # nor does the largest say that there may be more
    assert not any("there may be more" in text for text in texts(caught))
    assert only.chosen is min(only.table, key=lambda row: row["bic"])


def test_a_smaller_fit_in_float32_can_be_gone_on_from_where_columns_nearly_depend_on_each_other():
    X = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    model = GaussianMixture(1).fit(X)
    factor = np.array([[1, -1e4], [0, 1e4]])
    model.precisions_cholesky_ = factor[None].astype(np.float32)
    # 1 + 1e8 is 1e8 in float32: what is left is singular
    model.precisions_ = (factor @ factor.T)[None].astype(np.float32)
    start = split_components(model, 2)
    assert_allclose(start["precisions_init"], [factor @ factor.T] * 2, rtol=1e-12)
    GaussianMixture(2, **start).fit(X)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_the_heaviest_components_are_split_along_their_longest_axis(covariance_type):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(500, 2)) @ [[3, 1], [0, 1]],
                        rng.normal(size=(90, 2)) + 20])
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(X)
    heavy, light = model.weights_.argsort()[::-1]
    start = split_components(model, 3)
    mine = [heavy, 2]
    assert_allclose(start["weights_init"][mine], model.weights_[heavy] / 2)
    assert_allclose(start["weights_init"][light], model.weights_[light])
    assert_allclose(start["means_init"][light], model.means_[light])
    assert_allclose(start["means_init"][mine].mean(axis=0), model.means_[heavy])
    covariance = {"full": lambda c: c[heavy], "tied": lambda c: c,
                  "diag": lambda c: np.diag(c[heavy]),
                  "spherical": lambda c: c[heavy] * np.eye(2)}[covariance_type](model.covariances_)
    step = np.diff(start["means_init"][mine], axis=0)[0]
    longest = np.linalg.eigvalsh(covariance)[-1]
    assert_allclose(step @ step, longest)       # each half a deviation away
    assert_allclose(step @ covariance @ step, longest**2)
    four = split_components(model, 4)       # one half is the heaviest, and split again
    quarters = np.isclose(four["weights_init"], model.weights_[heavy] / 4)
    assert_array_equal(np.flatnonzero(quarters), sorted([heavy, 3]))
    for each, origin in ((start, [0, 1, heavy]), (four, [0, 1, heavy, heavy])):
        order = slice(None) if covariance_type == "tied" else origin
        assert_allclose(each["precisions_init"], model.precisions_[order], rtol=1e-9)


@pytest.mark.parametrize("avoid", [True, False])
def test_a_sound_fit_below_a_smaller_one_is_not_given_for_a_spike(avoid):
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(size=150), rng.normal(8, size=100), np.full(60, 8.0)][:, None]

    def fit(n_components, **options):
        model = GaussianMixture(n_components, random_state=0, **options)
        row = {"n_components": n_components, "covariance_type": "full"}
        rows = Rows.read(X)
        return Candidate(row, *selection._fit(model, rows, avoid), rows, avoid)

    smaller, poor = fit(2), fit(3, init_params="random", max_iter=1)
    assert not poor.row["degenerate"]
    assert poor.row["log_likelihood"] < smaller.row["log_likelihood"]
    before = poor.model
    poor.go_on_from(smaller, {**CAREFUL, "random_state": 0})
    assert (poor.model is before) == avoid
    assert bool(poor.row["degenerate"]) != avoid


def test_a_choice_at_the_edge_is_said():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(100, 2)) + 10 * k for k in range(4)])
    with pytest.warns(EMWarning, match="chosen, 3, is the largest that was tried"):
        assert select_mixture(X, range(1, 4), random_state=0).best.n_components == 3
    with pytest.warns(EMWarning, match="chosen, 4, is the smallest that was tried"):
        assert select_mixture(X, range(4, 6), random_state=0).best.n_components == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert select_mixture(X, range(1, 6), random_state=0).best.n_components == 4
        assert select_mixture(X, 3, random_state=0).best.n_components == 3


def test_more_components_than_rows_are_left_out():
    X = np.r_[np.random.default_rng(0).normal(size=(10, 1)), [[30.0], [31], [32], [33]]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = select_mixture(X, [1, 2, 14, 15, 40], ("full", "spherical"), random_state=0)
    errors = [row["error"] for row in result.table]
    assert errors[3] == errors[4] == errors[9] == "more components than the 14 rows"
    assert errors[:3] == [None] * 3 and result.best.n_components in (1, 2)
    with pytest.raises(ValueError, match="n_samples >= n_components"):
        select_mixture(X, [15, 20], random_state=0)


@pytest.mark.parametrize("criterion", ["bic", "aic", "icl"])
def test_the_criterion_chooses(criterion):
    """Overlapping groups, for which the three criteria differ."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(250, 1)), rng.normal(size=(250, 1)) * 0.5 + 2,
                        rng.standard_t(4, size=(150, 1)) * 0.7 + 8])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = select_mixture(X, range(1, 6), criterion=criterion, random_state=0)
    sound = [row for row in result.table if not row["degenerate"]]
    assert result.chosen is min(sound, key=lambda row: row[criterion])
    others = {name: min(sound, key=lambda row: row[name]) for name in ("bic", "aic", "icl")}
    assert len({row["n_components"] for row in others.values()}) == 3


def test_no_more_rows_than_columns_have_nothing_to_converge_to():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(14, 15)) @ rng.normal(size=(15, 15))
    X[rng.random(X.shape) < 0.2] = np.nan
    passes = []
    for options in ({}, {"max_iter": 150}, {"covariance_prior": "empirical"}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = select_mixture(X, 1, random_state=0, **options)
        passes.append((result.best.n_iter_, result.best.converged_))
    assert passes[:2] == [(100, False), (150, False)] and passes[2][1]


def test_what_an_automatic_reg_covar_takes_is_no_news():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    X = np.c_[X, X.sum(axis=1) + 1e-3 * rng.normal(size=300)]
    X[rng.random(X.shape) < 0.1] = np.nan
    falls = {}
    for reg_covar in (1e-6, "auto"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = GaussianMixture(reg_covar=reg_covar, tol=1e-9, max_iter=500,
                                    acceleration="squarem").fit(X)
        assert (np.diff(model.lower_bounds_) < -1e-8).any()
        falls[reg_covar] = [text for text in texts(caught) if text.startswith("the objective fell")]
    assert len(falls[1e-6]) == 1 and "as covariance_prior='empirical' would be" in falls[1e-6][0]
    assert not falls["auto"]


def test_candidates_are_named_and_come_once():
    X = np.random.default_rng(0).normal(size=(50, 2))
    for bad in ("auto", "1:8", 2.0, None, True, 0, [1, 2.5], [1, 0], [2, "3"]):
        with pytest.raises(ValueError, match="n_components must be .*, got "):
            select_mixture(X, bad)
    with pytest.raises(ValueError, match="covariance_types must be some of .*, got 'fulll'"):
        select_mixture(X, 2, ["full", "fulll"])
    result = select_mixture(X, [1, 1, np.int64(1)], ["full", "full"], random_state=0)
    assert len(result.table) == 1 and str(result).count("*") == 1


def test_one_component_is_no_components():
    X = np.round(np.random.default_rng(0).normal(size=(200, 2)))
    with pytest.warns(EMWarning, match="than the chosen one of 1 component, but collapsed comp"):
        select_mixture(X, [1, 4, 6], random_state=0)


def test_a_fit_that_cannot_be_is_an_error_still():
    with pytest.raises(DegenerateFitError):
        select_mixture(np.full((20, 2), 3.0), [2], reg_covar=0, random_state=0)


def test_a_fit_below_a_smaller_one_goes_on_from_it_or_says_so():
    class Candidate:
        def __init__(self, k, log_likelihood, then=None, degenerate=()):
            self.row = {"n_components": k, "log_likelihood": log_likelihood, "below": None,
                        "degenerate": list(degenerate)}
            self.then, self.asked = then, None

        def go_on_from(self, other, options):
            self.asked = other.row["n_components"]
            self.row["log_likelihood"] = max(self.then, self.row["log_likelihood"])

    fits = [Candidate(5, -60.0), Candidate(1, -100.0), Candidate(2, -90.0),
            Candidate(3, -95.0, then=-80.0), Candidate(4, -93.0, then=-91.0),
            Candidate(6, 500.0, degenerate=[2]), Candidate(7, -60.0005)]
    selection._raise_falls(fits, {})
    found = {fit.row["n_components"]: fit for fit in fits}
    assert {k: fit.asked for k, fit in found.items()} == {
        1: None, 2: None, 3: 2, 4: 3, 5: None, 6: None, 7: None}
    assert {k: fit.row["below"] for k, fit in found.items()} == {
        1: None, 2: None, 3: None, 4: 3, 5: None, 6: None, 7: None}
    assert selection.SelectionResult.remarks({**found[4].row, "error": None}) == (
        "a poor maximum: likelier with 3")
    # given starts are not replaced
    lower = [Candidate(1, -1.0), Candidate(2, -5.0)]
    selection._raise_falls(lower, {"means_init": [[0]]})
    assert lower[1].asked is None and lower[1].row["below"] == 1


def test_likelihoods_of_starts_by_chance_do_not_fall():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(60, 2)) + rng.uniform(-15, 15, 2) for _ in range(6)])
    options = {"n_init": 1, "short_iter": None, "init_params": "random", "tol": 1e-4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(4):
            table = select_mixture(X, range(1, 7), random_state=seed, **options).table
            heights = [row["log_likelihood"] for row in table if not row["degenerate"]]
            assert (np.diff(heights) > -1e-2).all() or any(row["below"] for row in table)


def test_the_smallest_share_of_several_that_are_equal():
    """A covariance that is a part of the total everywhere: eigenvalues equal to rounding."""
    rng = np.random.default_rng(0)
    for _ in range(600):
        rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
        total = (rotation * 10 ** rng.uniform(-1, 1, 5)) @ rotation.T
        share, direction = _smallest_share(
            1e-8 * total, total, np.diag(1 / np.sqrt(np.diagonal(total))))
        assert_allclose(share, 1e-8, rtol=1e-9)
        assert_allclose(direction @ (1e-8 * total) @ direction,
                        share * (direction @ total @ direction), rtol=1e-9)
