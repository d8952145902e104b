"""Starts on standardised columns, cheap starts, and EM that stops when nothing is left to gain."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.mixture import GaussianMixture as Peer

from emkernels import GaussianMixture, select_mixture
from emkernels.components.gaussian.arguments import check_init_params
from emkernels.components.gaussian.density import GaussianComponents
from emkernels.components.gaussian.moments import column_scaling
from emkernels.components.gaussian.priors import CovariancePrior
from emkernels.components.gaussian.structures import structure_of
from emkernels.data import Rows
from emkernels.latent.mixture import Mixture
from emkernels.models.mixture.selection import CAREFUL
from emkernels.starts import sampled
from emkernels.starts.mixture import Given, start_parameters
from emkernels.starts.sampled import SampledStarts, draw_rows

TYPES = ("full", "tied", "diag", "spherical")


def channels(seed=0):
    """A logarithmic channel with two populations, 6.7 deviations apart, beside a linear one."""
    rng = np.random.default_rng(seed)
    return np.r_[np.c_[rng.normal(2, 0.3, 800), rng.normal(6e4, 8e3, 800)],
                 np.c_[rng.normal(4, 0.3, 800), rng.normal(6e4, 8e3, 800)]]


def small_class(seed=0):
    """Three classes five deviations apart, with shares of 78, 21 and 0.8 %."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2], [3120, 840, 32])
    return (np.array([1200, 1500, 1800.])[truth] + rng.normal(0, 60, len(truth)))[:, None], truth


def test_starts_see_columns_of_small_numbers():
    X, truth = channels(), np.repeat([0, 1], 800)
    model = GaussianMixture(2, random_state=0, init_scaling="standard").fit(X)
    labels = model.predict(X)
    assert (labels == truth).mean() in (0.0, 1.0)
    right = GaussianMixture(2, means_init=[[2, 6e4], [4, 6e4]]).fit(X)
    assert_allclose(model.lower_bound_, right.lower_bound_, atol=1e-6)
    assert GaussianMixture(2, random_state=0).fit(X).lower_bound_ < right.lower_bound_ - 0.5
    for factor in (1, [1e-6, 1e6]):
        assert select_mixture(X * factor, range(1, 4), random_state=0).best.n_components == 2


def test_cheap_starts_find_a_small_class():
    for seed in range(4):
        X, truth = small_class(seed)
        right = GaussianMixture(3, means_init=[[1200.], [1500.], [1800.]], tol=1e-8,
                                max_iter=2000).fit(X)
        model = GaussianMixture(3, random_state=0, **CAREFUL).fit(X)
        assert_allclose(model.lower_bound_, right.lower_bound_, atol=2e-5)
        labels = model.means_.ravel().argsort().argsort()[model.predict(X)]
        assert (labels == right.predict(X)).mean() > 0.999
        found = 2 * ((labels == 2) & (truth == 2)).sum() / ((labels == 2).sum() + 32)
        assert found > 0.85     # Dice
    assert GaussianMixture(3, random_state=0).fit(X).lower_bound_ < right.lower_bound_ - 0.01


@pytest.mark.parametrize("covariance_type", TYPES)
def test_a_fit_does_not_depend_on_units(covariance_type):
    """Up to rounding, and for 'spherical' only where all columns have the same unit."""
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(size=(120, 3)) * s + m for s, m in ((1, 0), (0.6, 3), (1.5, 7))])
    units = np.array([1e-5, 1.0, 1e4]) if covariance_type != "spherical" else np.full(3, 1e-4)
    fits = [GaussianMixture(3, covariance_type=covariance_type, random_state=0, **CAREFUL).fit(Y)
            for Y in (X, X * units)]
    # the best of the starts may be another that comes to the same, components in another order
    order = [fit.means_[:, 1].argsort() for fit in fits]
    labels = [order[i].argsort()[fits[i].predict(Y)] for i, Y in enumerate((X, X * units))]
    assert_allclose(fits[1].means_[order[1]] / units, fits[0].means_[order[0]], rtol=1e-5)
    assert_allclose(fits[1].lower_bound_ + np.log(units).sum(), fits[0].lower_bound_, atol=1e-7)
    assert_array_equal(labels[1], labels[0])


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("missing", [False, True])
def test_standardised_starts_come_back_in_raw_units(covariance_type, missing):
    """With all labels known a start is one M-step, which does not depend on units."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3)) * [1, 100, 0.01] + [0, 1e4, 5]
    known = np.repeat([0, 1, 2], 30).astype(np.int32)
    X[known == 1] += 2 * X.std(axis=0)
    weight = rng.uniform(1, 2, 90)
    if missing:
        X[rng.random(X.shape) < 0.2] = np.nan
    scale = {"full": np.diag([1.0, 1e4, 1e-4]) + 1e-5, "tied": np.diag([1.0, 1e4, 1e-4]) + 1e-5,
             "diag": np.array([1.0, 1e4, 1e-4]), "spherical": np.array(1e3)}[covariance_type]
    reg = 5.0 if covariance_type == "spherical" else np.array([0.1, 50.0, 1e-4])
    rows = Rows.read(X).with_(sample_weight=weight, known=known)
    mixture = Mixture(GaussianComponents(structure_of(
        covariance_type, reg_covar=reg, prior=CovariancePrior(4.0, scale))))
    random_state = np.random.RandomState(0)
    raw = start_parameters(rows, mixture, 3, "kmeans", random_state, Given())
    options = {"standardise": True, "avoid_spikes": True}
    starts = SampledStarts(rows, mixture, 3, ("kmeans",), random_state, Given(), **options)
    assert not np.allclose(starts.scaling.scale, 1)
    back = starts(0)
    assert_allclose(back.weights, raw.weights, rtol=1e-12)
    assert_allclose(back.means, raw.means, rtol=1e-10)
    assert_allclose(back.precisions_cholesky, raw.precisions_cholesky, rtol=1e-8,
                    atol=1e-10 * np.abs(raw.precisions_cholesky).max())
    # and given parameters go there and back
    own = Given(raw.weights, raw.means, raw.precisions_cholesky)
    back = SampledStarts(rows, mixture, 3, ("kmeans",), random_state, own, **options)(0)
    for name in ("weights", "means", "precisions_cholesky"):
        assert_allclose(getattr(back, name), getattr(own, name), rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_scalings_are_weighted_means_and_deviations(dtype):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(500, 3)) * [1, 10, 0.1] + [0, 1e3, 1]).astype(dtype)
    X[:, 2] = 7
    weight = rng.integers(0, 3, 500).astype(float)
    mean = np.average(X, axis=0, weights=weight)
    variance = np.average((X - mean) ** 2, axis=0, weights=weight)
    rows = Rows.read(X).with_(sample_weight=weight)
    found = column_scaling(rows, structure_of("full"))
    assert_allclose(found.center, mean, rtol=1e-6)
    assert_allclose(found.scale, [np.sqrt(variance[0]), np.sqrt(variance[1]), 1], rtol=1e-4)
    assert_allclose(column_scaling(rows, structure_of("spherical")).scale,
                    np.sqrt(variance.mean()), rtol=1e-4)
    X[::3, 1] = np.nan      # of what is observed
    seen = ~np.isnan(X[:, 1])
    mean = np.average(X[seen, 1].astype(float), weights=weight[seen])
    found = column_scaling(Rows.read(X).with_(sample_weight=weight), structure_of("full"))
    assert_allclose(found.center[1], mean, rtol=1e-6)
    assert_allclose(found.scale[1] ** 2, np.average(
        (X[seen, 1] - mean) ** 2, weights=weight[seen]), rtol=1e-4)


def test_rows_are_drawn_by_weight_and_from_every_column(monkeypatch):
    monkeypatch.setattr(sampled, "START_ROWS", 500)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2))
    X[:-3, 1] = np.nan          # three rows have the last column
    table = Rows.read(X)
    rows, weight = draw_rows(table, np.random.RandomState(0))
    assert weight is None and 500 <= len(rows) <= 535 and set(rows[-3:]) == {3997, 3998, 3999}
    given = np.r_[np.full(2000, 3.0), np.full(1000, 1.0), np.zeros(1000)]
    given[-3:] = 1e-3
    rows, weight = draw_rows(table.with_(sample_weight=given), np.random.RandomState(0))
    assert (given[rows] > 0).all() and (np.diff(rows) > 0).all()
    heavy = weight[rows < 2000].sum() / weight.sum()
    assert_allclose(heavy, 6 / 7, atol=0.05)
    # drawn rows count how often, the few of every column what they were expected to
    assert weight[-1] < 1e-3 and (weight >= 1).sum() > 300
    assert_allclose(weight.sum(), 500, atol=10)
    known = np.full(4000, -1)
    known[[5, 17]] = 0
    assert {5, 17} <= set(draw_rows(table.labelled(known), np.random.RandomState(1))[0])


def test_cheap_starts_look_at_a_sample_and_end_with_all_rows(monkeypatch):
    X = np.concatenate([np.random.default_rng(k).normal(size=(700, 2)) + 6 * k for k in range(3)])
    whole = GaussianMixture(3, random_state=0, **CAREFUL).fit(X)
    monkeypatch.setattr(sampled, "START_ROWS", 150)
    seen = []

    def callback(state):
        seen.append(state.n_iter)

    part = GaussianMixture(3, random_state=0, callback=callback, **CAREFUL).fit(X)
    assert_allclose(np.sort(part.means_, axis=0), np.sort(whole.means_, axis=0), atol=1e-3)
    assert seen == list(range(1, part.n_iter_ + 1))        # of the last run alone
    weight = np.r_[np.ones(1400), np.zeros(700)]
    two = GaussianMixture(2, random_state=0, **CAREFUL).fit(X, sample_weight=weight)
    assert_allclose(np.sort(two.means_[:, 0]), [0, 6], atol=0.2)


def test_kinds_of_starts_take_turns(monkeypatch):
    seen = []
    real = sampled.start_parameters

    def spy(rows, mixture, n_components, kind, *more):
        seen.append(kind)
        return real(rows, mixture, n_components, kind, *more)

    monkeypatch.setattr(sampled, "start_parameters", spy)
    X = np.random.default_rng(0).normal(size=(60, 2))
    kinds = ("random", "kmeans")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        GaussianMixture(2, n_init=5, init_params=kinds, init_scaling="standard", max_iter=1,
                        random_state=0).fit(X)
        assert seen == ["random", "kmeans", "random", "kmeans", "random"]
        seen.clear()
        GaussianMixture(2, n_init=5, init_params=kinds, short_iter=2, random_state=0).fit(X)
    assert sorted(seen) == ["kmeans"] * 2 + ["random"] * 3
    assert check_init_params("random") == ("random",)
    for bad, match in ((("kmeans", "k-means"), "not 'k-means'"), ((), "no kind"),
                       (("kmeans", 3), "not 3")):
        with pytest.raises(ValueError, match=match):
            GaussianMixture(2, init_params=bad).fit(X)


def test_the_best_of_all_starts_wins():
    """Of starts that end apart, the best is had, whichever kind it is of."""
    X, _ = small_class(0)
    ends = []
    for kind in ("kmeans", "k-means++", "random_from_data"):
        ends += [GaussianMixture(3, random_state=s, init_params=kind, tol=1e-8, max_iter=3000,
                                 acceleration="squarem").fit(X).lower_bound_ for s in range(6)]
    assert np.ptp(ends) > 0.01
    best = GaussianMixture(3, random_state=0, **CAREFUL).fit(X).lower_bound_
    assert best > max(ends) - 2e-5


@pytest.mark.parametrize("missing", [False, True])
def test_cheap_starts_have_the_same_bits_for_every_number_of_threads(missing):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(300, 3)) + 3 * k for k in range(3)])
    if missing:
        X[rng.random(X.shape) < 0.1] = np.nan
    options = {**CAREFUL, "n_init": 6}      # two of each kind
    fits = [GaussianMixture(3, random_state=0, n_threads=n, **options).fit(X) for n in (1, 2, 5)]
    for fit in fits[1:]:
        assert_array_equal(fit.means_, fits[0].means_)
        assert_array_equal(fit.covariances_, fits[0].covariances_)


@pytest.mark.parametrize("acceleration", [None, "squarem"])
def test_distance_is_judged_on_what_is_left(acceleration):
    """Overlapping components: a step below tol is far from the maximum, a distance is not."""
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(size=(600, 1)), rng.normal(size=(300, 1)) * 1.5 + 2.5]
    start = {"means_init": [[0.0], [2.0]], "weights_init": [0.5, 0.5],
             "precisions_init": np.ones((2, 1, 1))}
    options = {"reg_covar": 0, "max_iter": 20000, **start}
    limit = GaussianMixture(2, tol=1e-13, convergence="parameters", **options).fit(X)

    def short_by(model):
        return max(np.abs((model.means_ - limit.means_).ravel() / np.sqrt(
            limit.covariances_.ravel())).max(), np.abs(model.weights_ / limit.weights_ - 1).max())

    near = GaussianMixture(2, tol=1e-3, convergence="distance", acceleration=acceleration,
                           **options).fit(X)
    assert near.converged_ and short_by(near) < 2e-3
    step = GaussianMixture(2, tol=1e-3, convergence="parameters", **options).fit(X)
    assert step.converged_ and short_by(step) > 1e-2
    assert GaussianMixture(2, tol=1e-3, **options).fit(X).n_iter_ < near.n_iter_
    # the unit of weights does not matter
    heavy = GaussianMixture(2, tol=1e-3, convergence="distance", acceleration=acceleration,
                            **options).fit(X, sample_weight=np.full(900, 1024.0))
    assert heavy.n_iter_ == near.n_iter_
    assert_allclose(heavy.means_, near.means_, rtol=1e-12)


def test_new_parameters_are_saved_and_checked(tmp_path):
    X = channels()[::8]
    model = GaussianMixture(2, random_state=0, **CAREFUL).fit(X)
    model.save(tmp_path / "m.npz")
    loaded = GaussianMixture.load(tmp_path / "m.npz")
    assert loaded.get_params() == model.get_params()
    assert_array_equal(loaded.degenerate_components_, model.degenerate_components_)
    for bad in ({"init_scaling": "robust"}, {"short_iter": 0}, {"reg_covar": "small"},
                {"convergence": "never"}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            GaussianMixture(2, **bad).fit(X)


# --- weights, labels and given values in a start ----------------------------------------------

def started(n_components=2, **options):
    """A mixture with the parameters that EM begins with."""
    return GaussianMixture(n_components, max_iter=0, **options)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("init_params", ["random_from_data", "k-means++"])
def test_a_first_seed_is_a_row_drawn_by_weight(init_params, missing):
    """Three rows of four have the weights 1, 2 and 7."""
    X = np.c_[[0.0, 10, 20, 40], np.zeros(4)]
    if missing:
        X[0, 1] = np.nan
    drawn = np.array([
        started(1, init_params=init_params, random_state=seed).fit(
            X, sample_weight=[1, 2, 7, 0]).means_[0, 0] for seed in range(300)])
    counts = (drawn[:, None] == X[:, 0]).sum(axis=0)
    assert counts.sum() == 300 and counts[3] == 0
    expected = np.array([30, 60, 210])
    assert ((counts[:3] - expected) ** 2 / expected).sum() < 13.8    # chi-squared, p = 0.001


@pytest.mark.parametrize("missing", [False, True])
def test_the_next_seed_is_a_row_far_from_the_first(missing):
    """Two of a thousand rows are far away, so one of them is all but always a seed."""
    X = np.random.default_rng(0).normal(size=(1000, 2))
    X[[17, 600], 0] += 1e4
    if missing:
        X[::3, 1] = np.nan
    for seed in range(10):
        means = started(init_params="k-means++", random_state=seed).fit(X).means_
        assert (means[:, 0] > 9e3).sum() == 1


@pytest.mark.parametrize("missing", [False, True])
def test_a_seed_beside_known_rows_is_drawn_by_weight_and_distance(missing):
    """Of the rows without a label, 10 has the weight 8, -30 the weight 1, and an outlier none; so
    has the one row that is labelled as the other component, which is no row of it then."""
    X = np.c_[[0.0, 60, -60, 10, -30, 1000, 1001], np.zeros(7)]
    if missing:
        X[0, 1] = np.nan
    drawn = np.array([
        started(random_state=seed).fit(
            X, labels=[0, 0, 0, -1, -1, -1, 1], sample_weight=[1, 1, 1, 8, 1, 0, 0]).means_[1, 0]
        for seed in range(300)])
    assert set(drawn.round(9)) <= {10, -30}
    share = 8 * 10**2 / (8 * 10**2 + 30**2)
    if missing:
        share *= share      # the better of two draws is taken, that is -30
    assert abs((drawn > 0).mean() - share) < 3.5 * np.sqrt(share * (1 - share) / 300)


def test_distances_of_incomplete_rows_count_for_all_columns():
    """A row at 10 in the one column it has is as far away as one at (10, -10), and so drawn as
    often; it is the seed where both draws are it. What a seed lacks is the column's mean."""
    X = np.array([[0.0, 0], [0, 0], [0, 0], [10, np.nan], [10, -10]])
    seeds = np.array([started(random_state=seed).fit(
        X, labels=[0, 0, 0, -1, -1]).means_[1] for seed in range(300)])
    assert_array_equal(seeds[:, 0], 10)
    assert set(seeds[:, 1]) == {-10, -2.5}
    assert abs((seeds[:, 1] == -2.5).mean() - 0.25) < 3.5 * np.sqrt(0.25 * 0.75 / 300)


@pytest.mark.parametrize("missing", [False, True])
def test_the_scatter_of_a_start_from_seeds_is_that_of_all_rows_by_weight(missing):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2)) @ [[2, 1], [0, 1]]
    weight = np.repeat([1.0, 3.0], 40)
    X[40:] *= 5
    if missing:
        X[3:60:3, 1] = np.nan
    seen = ~np.isnan(X)
    mean = np.array([np.average(X[s, d], weights=weight[s]) for d, s in enumerate(seen.T)])
    gaps = np.where(seen, X - mean, 0)
    # every entry from the rows that have both columns
    full = (weight[:, None] * gaps).T @ gaps / ((weight[:, None] * seen).T @ seen)
    expected = {"full": [full, full], "tied": full, "diag": [full.diagonal()] * 2,
                "spherical": np.full(2, full.trace() / 2)}
    for covariance_type in TYPES:
        model = started(covariance_type=covariance_type, init_params="random_from_data",
                        reg_covar=0, random_state=0).fit(X, sample_weight=weight)
        assert_allclose(model.covariances_, expected[covariance_type], rtol=1e-10)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("given", [("means",), ("weights",), ("precisions",),
                                   ("weights", "means"), ("means", "precisions")])
def test_a_start_with_some_values_given_is_scikit_learns(given, covariance_type):
    """The others are those of K-means: covariances about its means, not about the given ones."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(60, 2)) + 20 * k for k in range(2)])
    precisions = {"full": [np.eye(2)] * 2, "tied": np.eye(2), "diag": np.ones((2, 2)),
                  "spherical": np.ones(2)}[covariance_type]
    values = {"means": [[3.0, 0.0], [18.0, 21.0]], "weights": [0.2, 0.8],
              "precisions": precisions}
    options = {"covariance_type": covariance_type, "random_state": 0, "max_iter": 1,
               **{f"{name}_init": values[name] for name in given}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, peer = (Model(2, **options).fit(X) for Model in (GaussianMixture, Peer))
    order, theirs = (np.argsort(model.means_[:, 0]) for model in (ours, peer))
    assert_allclose(ours.lower_bound_, peer.lower_bound_, rtol=1e-9)
    assert_allclose(ours.means_[order], peer.means_[theirs], rtol=1e-9)
    assert_allclose(ours.weights_[order], peer.weights_[theirs], rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_known_rows_without_any_value_count_in_a_start(weighted):
    X = np.r_[np.random.default_rng(0).normal(size=(6, 2)), np.full((4, 2), np.nan)]
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1, 0, -1])
    weight = np.arange(1.0, 11) if weighted else np.ones(10)
    model = started().fit(X, labels=labels, sample_weight=weight if weighted else None)
    known = labels >= 0
    shares = np.bincount(labels[known], weight[known])
    assert_allclose(model.weights_, shares / shares.sum(), rtol=1e-12)
    for k in range(2):
        own = np.flatnonzero(labels[:6] == k)
        assert_allclose(model.means_[k], np.average(X[own], axis=0, weights=weight[own]))


def test_a_start_on_some_of_the_rows_has_their_labels():
    """Of 25,000 rows some 20,000 are looked at."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 25_000)
    X = rng.normal(size=(25_000, 2)) + 3.0 * labels[:, None]
    model = started(init_scaling="standard", random_state=0).fit(
        X, labels=np.where(rng.random(25_000) < 0.9, labels, -1))
    assert_allclose(model.means_, [[0, 0], [3, 3]], atol=0.05)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("unit", [0.25, 8.0])
def test_the_unit_of_weights_does_not_matter_to_a_start(unit, covariance_type):
    """A cluster of three rows has a covariance of its own, where values are missing too; but
    in a column of which it has one value, the variance of all rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) * [1, 4, 1]
    X[57:, :2] += 100
    X[:57:3, 1] = X[58:, 2] = np.nan
    plain = started(covariance_type=covariance_type, random_state=0).fit(X)
    weight = np.full(61, unit)
    weight[60] = 0
    other = started(covariance_type=covariance_type, random_state=0).fit(
        np.concatenate([X, X[:1]]), sample_weight=weight)
    for name in ("weights_", "means_", "covariances_"):
        assert_allclose(getattr(other, name), getattr(plain, name), rtol=1e-10, atol=1e-12)
    if covariance_type == "full":
        variances = np.diagonal(plain.covariances_[plain.means_[:, 0].argmax()])
        assert_allclose(variances, np.r_[X[57:, :2].var(axis=0), np.nanvar(X[:, 2])] + 1e-6)


@pytest.mark.parametrize("scaling", [None, "standard"])
def test_a_start_of_incomplete_rows_has_the_prior_of_the_weights(scaling):
    X = np.random.default_rng(0).normal(size=(40, 2))
    X[::4, 1] = np.nan
    model = started(init_scaling=scaling, weight_concentration=[11.0, 6.0]).fit(
        X, labels=np.repeat([0, 1], [10, 30]))
    assert_allclose(model.weights_, np.array([20, 35]) / 55, rtol=1e-12)


@pytest.mark.parametrize("fixed", ["weights", "means", "covariances"])
def test_short_runs_of_starts_leave_what_is_fixed(fixed):
    X = np.random.default_rng(0).normal(size=(200, 2)) * [1, 100] + [0, 1e3]
    given = {"weights": [0.3, 0.7], "means": [[-1.0, 900], [1, 1100]],
             "precisions": [np.diag([1, 1e-4]), np.diag([2, 1e-3])]}
    name = "precisions" if fixed == "covariances" else fixed
    model = GaussianMixture(2, fixed=(fixed,), n_init=4, short_iter=3, init_scaling="standard",
                            random_state=0, reg_covar=0, tol=1, **{f"{name}_init": given[name]})
    assert_allclose(getattr(model.fit(X), f"{name}_"), given[name], rtol=1e-10)


@pytest.mark.parametrize("heavy", [slice(0, 65_536), slice(65_536, None)])
def test_a_start_by_chance_weighs_the_rows_of_every_block(heavy):
    """Responsibilities are drawn for so many rows at a time."""
    X = np.random.default_rng(0).normal(size=(70_000, 1))
    X[65_536:] += 1000
    weight = np.zeros(70_000)
    weight[heavy] = 1 + np.arange(70_000)[heavy] % 2
    model = started(init_params="random", random_state=0).fit(X, sample_weight=weight)
    assert_allclose(model.weights_, 0.5, atol=0.02)
    mean = np.average(X[:, 0], weights=weight)
    assert_allclose(model.means_, mean, atol=0.15)
    assert_allclose(model.covariances_, np.average((X[:, 0] - mean) ** 2, weights=weight),
                    rtol=0.1)
