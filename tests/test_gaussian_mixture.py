"""GaussianMixture: parity with scikit-learn, published values, and what goes beyond."""

import itertools
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Peer

from emkernels import GaussianMixture, select_mixture
from emkernels.em import EMWarning

TYPES = ("full", "tied", "diag", "spherical")


def blobs(n=400, d=3, k=3, separation=2.0, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(k, d)) * separation
    return centers[rng.integers(k, size=n)] + rng.normal(size=(n, d)) @ np.diag(
        np.linspace(0.5, 1.5, d))


def start_for(X, k, covariance_type, seed=0):
    rng = np.random.default_rng(seed)
    d = X.shape[1]
    precisions = {"full": np.repeat(np.eye(d)[None], k, axis=0), "tied": np.eye(d),
                  "diag": np.ones((k, d)), "spherical": np.ones(k)}[covariance_type]
    return {"weights_init": np.full(k, 1 / k), "precisions_init": precisions,
            "means_init": X[rng.choice(len(X), k, replace=False)]}


# from this start a component of wine ends in a plane, and so does the peer's
@pytest.mark.filterwarnings("ignore:collapsed")
@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("data", ["blobs", "iris", "wine"])
def test_same_fit_as_scikit_learn_from_the_same_start(covariance_type, data):
    X = {"blobs": blobs, "iris": lambda: load_iris().data, "wine": lambda: load_wine().data}[data]()
    options = {"covariance_type": covariance_type, "tol": 1e-5, "max_iter": 500,
               **start_for(X, 3, covariance_type)}
    ours, peer = GaussianMixture(3, **options).fit(X), Peer(3, **options).fit(X)
    assert ours.n_iter_ == peer.n_iter_
    assert ours.converged_ == peer.converged_
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_",
                 "lower_bounds_" if hasattr(peer, "lower_bounds_") else "lower_bound_"):
        assert_allclose(getattr(ours, name), getattr(peer, name), rtol=1e-8,
                        atol=1e-8 * np.abs(getattr(peer, name)).max(), err_msg=name)
    for method in ("score_samples", "predict_proba", "score", "bic", "aic"):
        assert_allclose(getattr(ours, method)(X), getattr(peer, method)(X), rtol=1e-8, atol=1e-10)
    assert_array_equal(ours.predict(X), peer.predict(X))


@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "random", "random_from_data"])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_same_fit_as_scikit_learn_from_the_same_seed(covariance_type, init_params):
    if covariance_type == "tied" and init_params in ("k-means++", "random_from_data"):
        # scikit-learn divides the scatter of all rows by the number of seeds and takes it
        # about the origin; here it is the covariance of all rows
        expected = np.cov(load_iris().data.T, bias=True)
        start = GaussianMixture(3, covariance_type="tied", init_params=init_params, max_iter=0,
                                random_state=1, reg_covar=0).fit(load_iris().data)
        assert_allclose(start.covariances_, expected, rtol=1e-12)
        return
    X = load_iris().data
    options = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 1}
    ours, peer = GaussianMixture(3, **options).fit(X), Peer(3, **options).fit(X)
    assert ours.n_iter_ == peer.n_iter_
    assert_allclose(ours.means_, peer.means_, rtol=1e-8)
    # the first bound, under variances of 1e-6, keeps only 7 digits in scikit-learn's diag and
    # spherical types, which subtract squares
    if not hasattr(peer, "lower_bounds_"):      # before scikit-learn 1.7
        assert_allclose(ours.lower_bound_, peer.lower_bound_, rtol=1e-8)
        return
    assert_allclose(ours.lower_bounds_[0], peer.lower_bounds_[0], rtol=1e-7)
    assert_allclose(ours.lower_bounds_[1:], peer.lower_bounds_[1:], rtol=1e-8)


def test_published_likelihoods_of_iris():
    # mclust's BIC table of iris, model VVV: -829.9782, -574.0178, -580.8399 for 1, 2, 3
    # components (its BIC is the negative of this one)
    X = load_iris().data
    for k, bic in ((1, 829.9782), (2, 574.0178), (3, 580.8399)):
        model = GaussianMixture(k, reg_covar=0, tol=1e-10, max_iter=2000, n_init=5,
                                random_state=0).fit(X)
        assert_allclose(model.bic(X), bic, rtol=0, atol=1.5e-3)    # mclust stops earlier


def test_float32_is_close_to_float64():
    X = blobs(2000, 5, 4)
    options = start_for(X, 4, "full")
    wide = GaussianMixture(4, max_iter=30, tol=0, **options)
    narrow = GaussianMixture(4, max_iter=30, tol=0, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        wide.fit(X)
        narrow.fit(X.astype(np.float32))
    assert narrow.means_.dtype == np.float32
    assert_allclose(narrow.means_, wide.means_, atol=2e-3)
    assert abs(narrow.lower_bound_ - wide.lower_bound_) < 2e-6


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize(("dtype", "shift", "bound"), [("f8", 1e8, 1e-8), ("f4", 1e3, 1e-3)])
def test_shifted_data_keeps_its_covariance(covariance_type, dtype, shift, bound):
    X = (np.random.default_rng(0).normal(size=(2000, 3)) + shift).astype(dtype)
    stored = X.astype(np.longdouble)
    centred = stored - stored.mean(axis=0)
    expected = (centred.T @ centred / len(X)).astype(float)
    expected = {"full": expected[None], "tied": expected, "diag": np.diag(expected)[None],
                "spherical": np.array([np.trace(expected) / 3])}[covariance_type]
    model = GaussianMixture(1, covariance_type=covariance_type, reg_covar=0).fit(X)
    assert np.abs(model.covariances_ - expected).max() / np.abs(expected).max() < bound


def test_tied_clusters_far_apart_keep_their_covariance():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2))
    X[300:] += 1e9
    model = GaussianMixture(2, covariance_type="tied", random_state=0, reg_covar=0)
    with warnings.catch_warnings():
        # columns of 1e9 hold 7 digits of unit variance: the objective moves by as much
        warnings.simplefilter("ignore", EMWarning)
        model.fit(X)
    parts = np.concatenate([X[:300] - X[:300].mean(0), X[300:] - X[300:].mean(0)])
    assert_allclose(model.covariances_, parts.T @ parts / 600, rtol=1e-6)


# --- weights, labels, fixed parameters, priors ----------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_integer_weights_are_repeated_rows(covariance_type):
    X = blobs(150)
    weight = np.random.default_rng(1).integers(0, 4, size=len(X))
    options = {"covariance_type": covariance_type, "tol": 1e-8, "max_iter": 300,
               **start_for(X, 3, covariance_type)}
    weighted = GaussianMixture(3, **options).fit(X, sample_weight=weight)
    repeated = GaussianMixture(3, **options).fit(np.repeat(X, weight, axis=0))
    assert weighted.n_iter_ == repeated.n_iter_
    for name in ("weights_", "means_", "covariances_", "lower_bound_"):
        assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-10, atol=1e-10)
    rows = np.repeat(X, weight, axis=0)
    for name in ("bic", "aic", "icl", "score"):
        assert_allclose(getattr(weighted, name)(X, sample_weight=weight),
                        getattr(repeated, name)(rows), rtol=1e-10)


def test_labels_hold_rows_in_their_component():
    X = blobs(300, separation=1.0)
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(300) < 0.3, rng.integers(3, size=300), -1)
    model = GaussianMixture(3, tol=1e-9, max_iter=2000, random_state=0).fit(X, labels=labels)
    # a fixed point of EM with one-hot responsibilities in the labelled rows
    resp = model.predict_proba(X)
    resp[labels >= 0] = np.eye(3)[labels[labels >= 0]]
    assert_allclose(model.weights_, resp.mean(axis=0), atol=1e-4)
    assert_allclose(model.means_, resp.T @ X / resp.sum(axis=0)[:, None], atol=1e-3)
    joint = np.log(model.weights_) + np.stack(
        [multivariate_normal(m, c).logpdf(X) for m, c in zip(
            model.means_, model.covariances_, strict=True)], axis=1)
    known = joint[labels >= 0, labels[labels >= 0]].sum()
    free = np.logaddexp.reduce(joint[labels < 0], axis=1).sum()
    assert_allclose(model.lower_bound_, (known + free) / 300, rtol=1e-6)
    assert np.all(np.diff(model.lower_bounds_) > -1e-8)


def test_labels_name_components_in_any_order_and_leave_some_free():
    X = np.concatenate([np.random.default_rng(0).normal(size=(100, 2)) + c
                        for c in ([0, 0], [20, 0], [0, 20])])
    labels = np.full(300, -1)
    labels[:5], labels[100:105] = 2, 0
    model = GaussianMixture(3, random_state=0).fit(X, labels=labels)
    assert_allclose(model.means_, [[20, 0], [0, 20], [0, 0]], atol=0.5)


# what is fixed may lie where no row is
@pytest.mark.filterwarnings("ignore:component 2 without a row")
@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("fixed", [("means",), ("weights",), ("covariances",),
                                   ("means", "covariances")])
def test_fixed_parameters_stay(covariance_type, fixed):
    X = blobs()
    start = start_for(X, 3, covariance_type)
    model = GaussianMixture(3, covariance_type=covariance_type, fixed=fixed, tol=1e-7,
                            max_iter=500, reg_covar=0, **start).fit(X)
    names = {"means": "means", "weights": "weights", "covariances": "precisions"}
    for name in fixed:
        assert_allclose(getattr(model, names[name] + "_"), start[names[name] + "_init"],
                        rtol=1e-12)
    assert np.all(np.diff(model.lower_bounds_) > -1e-12 * 10)
    if "covariances" in fixed:
        return
    # a fixed point: covariances about the means, wherever these are
    resp = model.predict_proba(X)
    full = np.array([(r[:, None] * (X - m)).T @ (X - m) / r.sum()
                     for r, m in zip(resp.T, model.means_)])
    diagonals = np.diagonal(full, axis1=1, axis2=2)
    expected = {"full": full, "tied": np.tensordot(resp.mean(axis=0), full, 1), "diag": diagonals,
                "spherical": diagonals.mean(axis=1)}[covariance_type]
    assert_allclose(model.covariances_, expected, atol=2e-3)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_priors_are_in_the_objective(covariance_type):
    """At a maximum of log-likelihood + log prior, finite differences vanish."""
    X = blobs(200, 2, 2)
    prior = (4.0, 0.7)
    model = GaussianMixture(2, covariance_type=covariance_type, covariance_prior=prior,
                            weight_concentration=3.0, reg_covar=0, tol=1e-13, max_iter=5000,
                            random_state=0).fit(X)
    assert np.all(np.diff(model.lower_bounds_) > -1e-12 * 10)
    covariance = model.covariances_

    def full(c, k):
        return {"full": lambda: c[k], "tied": lambda: c, "diag": lambda: np.diag(c[k]),
                "spherical": lambda: c[k] * np.eye(2)}[covariance_type]()

    def objective(w, m, c):
        joint = np.log(w) + np.stack(
            [multivariate_normal(m[k], full(c, k)).logpdf(X) for k in range(2)], axis=1)
        value = np.logaddexp.reduce(joint, axis=1).sum() + 2 * np.log(w).sum()
        dof, scale = prior
        if covariance_type in ("full", "tied"):
            for matrix in c if covariance_type == "full" else [c]:
                value += -0.5 * (dof + 3) * np.linalg.slogdet(matrix)[1]
                value += -0.5 * scale * np.trace(np.linalg.inv(matrix))
        else:
            value += np.sum(-0.5 * (dof + 2) * np.log(c) - 0.5 * scale / c)
        return value

    best = objective(model.weights_, model.means_, covariance)
    assert_allclose(model.lower_bound_ * 200, best, rtol=1e-9)
    step = 1e-5
    for index in np.ndindex(model.means_.shape):
        moved = model.means_.copy()
        moved[index] += step
        up = objective(model.weights_, moved, covariance)
        moved[index] -= 2 * step
        assert abs(up - objective(model.weights_, moved, covariance)) / (2 * step) < 1e-2
    for factor in (1 + step, 1 - step):
        assert objective(model.weights_, model.means_, covariance * factor) <= best + 1e-7
    shifted = model.weights_ + [step, -step]
    assert objective(shifted, model.means_, covariance) <= best + 1e-7


def test_a_concentration_of_one_says_nothing_of_a_weight_of_nothing():
    """(1 - 1) log 0 is no number; the objective of the start has log 1 and the likelihood."""
    X = blobs(50, 2, 1)
    start = {"weights_init": [1.0, 0.0], "means_init": [[0.0, 0.0], [9.0, 9.0]],
             "precisions_init": [np.eye(2)] * 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)    # a component without a row
        model = GaussianMixture(2, weight_concentration=[3.0, 1.0], max_iter=1, **start).fit(X)
    assert_allclose(model.lower_bound_, multivariate_normal(np.zeros(2)).logpdf(X).mean())


def test_a_tied_variance_is_lost_only_if_it_is_below_the_rounding_of_every_component():
    """One component at zero with variance 1, one at a number whose rounding is 16."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 2))
    X[200:, 1] = 2.0**57
    X[::7, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)    # narrow beside the distance of the two
        model = GaussianMixture(
            2, covariance_type="tied", reg_covar=0, means_init=[[0, 0], [0, 2.0**57]],
            weights_init=[0.5, 0.5], precisions_init=np.eye(2), max_iter=3).fit(X)
    assert_allclose(model.covariances_[1, 1], 200 * X[:200, 1].var() / 240, rtol=1e-10)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_the_empirical_prior_is_a_covariance_of_all_rows(covariance_type, missing):
    """dof = p + 2, scale = S / K^(2/p), S the weighted covariance (of pairs of observed values),
    for 'diag' its diagonal, for 'spherical' the mean of that. C. Fraley, A. E. Raftery, Journal of
    Classification 24, 2007."""
    X = blobs(120, 3, 2) @ [[1, 0.5, 0], [0, 1, 0.5], [0, 0, 3]]
    weight = np.repeat([1.0, 4.0], 60)
    if missing:
        X[::5, 1] = np.nan
    seen = ~np.isnan(X)
    mean = np.array([np.average(X[s, d], weights=weight[s]) for d, s in enumerate(seen.T)])
    gaps = np.where(seen, X - mean, 0)
    scale = (weight[:, None] * gaps).T @ gaps / ((weight[:, None] * seen).T @ seen) / 3 ** (2 / 3)
    options = {"covariance_type": covariance_type, "random_state": 0, "max_iter": 4, "tol": 1e3}
    ours, written = (GaussianMixture(3, covariance_prior=prior, **options).fit(
        X, sample_weight=weight) for prior in ("empirical", (5.0, scale)))
    assert_allclose(ours.covariances_, written.covariances_, rtol=1e-10, atol=1e-12)
    assert_allclose(ours.lower_bound_, written.lower_bound_, rtol=1e-10)


def test_covariance_prior_keeps_a_collapsing_component():
    X = np.concatenate([np.zeros((5, 2)), blobs(50, 2, 1)])
    model = GaussianMixture(2, reg_covar=0, covariance_prior="empirical", random_state=0).fit(X)
    assert np.isfinite(model.covariances_).all()
    assert np.linalg.eigvalsh(model.covariances_).min() > 0


# --- the loop --------------------------------------------------------------------------


def test_squarem_reaches_the_same_maximum_in_fewer_passes():
    X = blobs(1000, 3, 4, separation=1.0, seed=4)
    options = {"tol": 1e-10, "max_iter": 20000, "reg_covar": 0, **start_for(X, 4, "full")}
    plain = GaussianMixture(4, **options).fit(X)
    fast = GaussianMixture(4, acceleration="squarem", **options).fit(X)
    assert fast.converged_
    assert fast.n_iter_ < 0.3 * plain.n_iter_       # 0.38 where steps do not grow
    assert fast.lower_bound_ > plain.lower_bound_ - 1e-6
    assert np.all(np.diff(fast.lower_bounds_) >= 0)


@pytest.mark.parametrize(("covariance_type", "options"), [
    ("full", {"init_params": "random", "random_state": 11}),
    ("VVV", {"init_params": "random", "random_state": 11}),
    ("VVV", {"init_scaling": "standard", "random_state": 9})])
def test_squarem_does_not_collapse_where_plain_steps_do_not(covariance_type, options):
    """On iris leaps from these starts lead into a spike, or to no covariance at all."""
    X = load_iris().data
    options = {"covariance_type": covariance_type, "tol": 1e-6, "max_iter": 500, "reg_covar": 0,
               **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EMWarning)
        plain = GaussianMixture(3, **options).fit(X)
        fast = GaussianMixture(3, acceleration="squarem", **options).fit(X)
    assert len(fast.degenerate_components_) <= len(plain.degenerate_components_)
    assert fast.lower_bound_ >= plain.lower_bound_ - 1e-5
    assert np.diff(fast.lower_bounds_).min() >= 0


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("acceleration", [None, "squarem"])
def test_convergence_by_parameters(covariance_type, acceleration):
    X = blobs(300, 2, 2)
    model = GaussianMixture(
        2, covariance_type=covariance_type, convergence="parameters", tol=1e-9, max_iter=5000,
        acceleration=acceleration, reg_covar=0, random_state=0).fit(X)
    assert model.converged_
    again = GaussianMixture(
        2, covariance_type=covariance_type, max_iter=1, tol=1.0, reg_covar=0,
        weights_init=model.weights_ / model.weights_.sum(), means_init=model.means_,
        precisions_init=model.precisions_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        again.fit(X)
    assert_allclose(again.means_, model.means_, atol=1e-7)
    assert_allclose(again.covariances_, model.covariances_, atol=1e-7)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_change_is_the_largest_of_all_parameters_in_their_own_units(covariance_type):
    """Of a weight relative to itself, of a mean in standard deviations, of a covariance relative
    to the two variances: EM stops at the first iteration that changes less than tol."""
    X = blobs(300, 2, 2, separation=1.0) * [1, 50]
    seen, options = [], {"covariance_type": covariance_type, "convergence": "parameters",
                         "max_iter": 60, "random_state": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        GaussianMixture(2, tol=0, callback=lambda state: seen.append(state.parameters),
                        **options).fit(X)
    changes = []
    for old, new in itertools.pairwise(seen):
        a, b = ({"full": lambda c: c, "tied": lambda c: np.array([c, c]),
                 "diag": lambda c: np.array([np.diag(v) for v in c]),
                 "spherical": lambda c: np.multiply.outer(c, np.eye(2))}[covariance_type](
                     p.covariances) for p in (old, new))
        units = np.sqrt(np.diagonal(b, axis1=1, axis2=2))
        changes.append(max(np.abs(1 - old.weights / new.weights).max(),
                           (np.abs(new.means - old.means) / units).max(),
                           (np.abs(b - a) / (units[:, :, None] * units[:, None, :])).max()))
    for i in (3, 10, 30):
        tol = 1.01 * changes[i]
        first = next(j for j, change in enumerate(changes) if change < tol)
        assert GaussianMixture(2, tol=tol, **options).fit(X).n_iter_ == first + 2


def test_callback_sees_every_iteration_and_can_stop():
    seen = []

    def callback(state):
        seen.append(state)
        return state.n_iter == 4

    X = blobs()
    model = GaussianMixture(3, tol=0, callback=callback, random_state=0).fit(X)
    assert [state.n_iter for state in seen] == [1, 2, 3, 4]
    assert model.n_iter_ == 4
    assert_array_equal(model.lower_bounds_, [state.lower_bound for state in seen])
    assert not model.converged_
    # the last that it saw are those of the model, and those before begin its last step
    last, before = seen[-1].parameters, seen[-2].parameters
    assert_array_equal(last.weights, model.weights_)
    assert_array_equal(last.means, model.means_)
    assert_array_equal(last.covariances, model.covariances_)
    density = logsumexp(np.log(before.weights) + np.stack([
        multivariate_normal(mean, covariance).logpdf(X)
        for mean, covariance in zip(before.means, before.covariances)], axis=1), axis=1)
    assert_allclose(seen[-1].lower_bound, density.mean(), rtol=1e-10)


def test_a_collapsed_start_is_dropped(monkeypatch):
    from emkernels.em import DegenerateFitError
    from emkernels.models.mixture import estimator as module

    calls = []

    def sometimes(*args):
        calls.append(args)
        if len(calls) in (1, 3):
            raise DegenerateFitError("collapsed")
        return original(*args)

    original = module.start_parameters
    monkeypatch.setattr(module, "start_parameters", sometimes)
    X = blobs()
    with pytest.warns(EMWarning, match="2 start"):
        model = GaussianMixture(3, n_init=4, random_state=0).fit(X)
    assert model.converged_
    monkeypatch.setattr(module, "start_parameters", lambda *args: sometimes(*[calls.clear()]))
    with pytest.raises(ValueError, match="collapsed"):
        GaussianMixture(3, n_init=1, random_state=0).fit(X)


def test_ctrl_c_leaves_the_last_good_parameters():
    X = blobs()

    def callback(state):
        if state.n_iter == 3:
            raise KeyboardInterrupt

    model = GaussianMixture(3, tol=0, callback=callback, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.n_iter_ == 3
    assert len(model.lower_bounds_) == 3
    assert not model.converged_
    assert np.isfinite(model.score(X))
    untouched = GaussianMixture(3, random_state=0, callback=lambda state: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        untouched.fit(X)
    assert not hasattr(untouched, "means_")


def test_verbose_prints_plain_lines_to_a_pipe(capsys):
    GaussianMixture(3, verbose=2, verbose_interval=1, random_state=0).fit(blobs())
    out = capsys.readouterr().out
    assert out.startswith("Initialization 0\n  Iteration 1")
    assert "Initialization converged." in out
    assert "\r" not in out


def test_a_fall_of_the_objective_is_reported():
    X = blobs(200, 2, 2)
    with pytest.warns(EMWarning, match="reg_covar"):
        GaussianMixture(2, reg_covar=0.3, tol=1e-6, max_iter=500, random_state=0).fit(X)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_bits_do_not_depend_on_threads_or_runs(covariance_type):
    X = blobs(20_000, 9, 5, separation=4.0)
    fits = [GaussianMixture(5, covariance_type=covariance_type, n_threads=n, random_state=0).fit(X)
            for n in (1, 2, 3, 2)]
    for fit in fits[1:]:
        for name in ("weights_", "means_", "covariances_", "lower_bounds_"):
            assert_array_equal(getattr(fit, name), getattr(fits[0], name))
        assert_array_equal(fit.predict_proba(X), fits[0].predict_proba(X))


def test_separated_data_is_exact():
    """Sorted passes and skipped work give scikit-learn's fit."""
    X = blobs(3000, 12, 8, separation=6.0)
    options = {"tol": 0, "max_iter": 12, **start_for(X, 8, "full", seed=5)}
    ours, peer = GaussianMixture(8, **options), Peer(8, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours.fit(X)
        peer.fit(X)
    if hasattr(peer, "lower_bounds_"):      # from scikit-learn 1.7 on
        assert_allclose(ours.lower_bounds_, peer.lower_bounds_, rtol=1e-12)
    assert_allclose(ours.lower_bound_, peer.lower_bound_, rtol=1e-12)
    assert_allclose(ours.means_, peer.means_, rtol=1e-8, atol=1e-8)


def test_fit_reads_the_array_in_place():
    base = blobs(1001, 5)
    reference = GaussianMixture(3, random_state=0).fit(base[:500, :3].copy())
    strided = np.zeros((1000, 6))
    strided[::2, ::2] = base[:500, :3]
    for X in (np.asfortranarray(base[:500, :3]), strided[::2, ::2], base[:500, :3]):
        X.setflags(write=False)
        fit = GaussianMixture(3, random_state=0).fit(X)
        assert_array_equal(fit.means_, reference.means_)


# --- derived mixtures, selection, files --------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_marginal_and_condition_agree_with_the_joint_density(covariance_type):
    X = blobs(400, 4)
    model = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
    marginal = model.marginal([2, 0])
    values = X[7, [2, 0]]
    conditional = model.condition([2, 0], values)
    rows = X[:20].copy()
    rows[:, [2, 0]] = values
    joint = model.score_samples(rows)
    assert_allclose(
        joint, marginal.score_samples(values[None]) + conditional.score_samples(rows[:, [1, 3]]),
        rtol=1e-9)
    mean, covariance = model.regress([2, 0], X[:50][:, [2, 0]])
    assert_allclose(mean[7], conditional.weights_ @ conditional.means_, rtol=1e-9)
    drawn, _ = conditional.set_params(random_state=0).sample(200_000)
    assert_allclose(covariance[7], np.cov(drawn.T), atol=0.05)


@pytest.mark.filterwarnings("ignore:the objective fell", "ignore:collapsed")
@pytest.mark.parametrize("covariance_type", ["full", "VVV", "VEV"])
def test_parts_of_a_nearly_singular_fit_in_float32(covariance_type):
    """Covariances rounded to float32 need not be positive definite: their factors tell."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    X[:, 3] = X[:, 0] + X[:, 1] - X[:, 2] + 1e-4 * rng.normal(size=300)
    X[150:] += 5
    model = GaussianMixture(2, covariance_type=covariance_type, reg_covar=0, random_state=0).fit(X)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):     # as of float32
        setattr(model, name, getattr(model, name).astype(np.float32))
    covariances = model.covariances_.astype(float)
    lengths = np.linalg.eigvalsh(covariances)       # the least is lost in what float32 rounds
    assert (lengths[:, 0] < np.finfo(np.float32).eps * lengths[:, -1]).all()
    columns = np.array([3, 0, 2, 1])
    whole = model.marginal(columns)
    assert_allclose(whole.covariances_, covariances[:, columns[:, None], columns], rtol=1e-3)
    # the variance of the last column given the others is one over its precision, about 1e-4
    given = model.condition([0, 1, 2], X[7, :3])
    deviations = np.sqrt(given.covariances_[:, 0, 0])
    assert_allclose(deviations, 1 / model.precisions_cholesky_[:, 3, 3], rtol=1e-3)
    assert_allclose(deviations, 1e-4, rtol=0.5)
    assert_allclose(given.weights_ @ given.means_, X[7, 3], atol=2e-3)
    mean, covariance = model.regress([0, 1, 2], X[:20, :3])
    assert_allclose(mean[:, 0], X[:20, 3], atol=2e-3)
    assert_allclose(covariance[:, 0, 0], 9e-8, rtol=1)
    given = model.condition([1], X[7, [1]])
    slope = covariances[:, [0, 2, 3], 1] / covariances[:, 1, 1, None]
    assert_allclose(given.means_, model.means_[:, [0, 2, 3]] + slope * (
        X[7, 1] - model.means_[:, 1])[:, None], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_columns_in_any_order_and_from_the_end(covariance_type):
    X = blobs(200, 4)
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(X)
    for columns, same in (([-1], [3]), ([-2, 0], [2, 0]), ([3, -4], [3, 0])):
        values = X[:5, same]
        assert_array_equal(model.marginal(columns).means_, model.means_[:, same])
        assert_allclose(model.marginal(columns).score_samples(values),
                        model.marginal(same).score_samples(values), rtol=1e-14)
        assert_array_equal(model.condition(columns, values[0]).means_,
                           model.condition(same, values[0]).means_)
        for ours, theirs in zip(model.regress(columns, values), model.regress(same, values)):
            assert_array_equal(ours, theirs)
    for bad, message in (([0, -4], "twice"), ([-5], "no column -5"), ([4], "no column 4")):
        with pytest.raises(ValueError, match=message):
            model.marginal(bad)


def test_columns_by_name():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(blobs(), columns=["a", "b", "c"])
    model = GaussianMixture(2, random_state=0).fit(frame)
    assert_array_equal(model.marginal(["c", "a"]).feature_names_in_, ["c", "a"])
    with pytest.raises(ValueError, match="'z'"):
        model.marginal(["z"])


def test_sample_has_the_moments_of_the_model():
    for covariance_type in TYPES:
        model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(
            np.concatenate([blobs(200, 2, 1), 0.3 * blobs(100, 2, 1) + 6]))
        X, y = model.sample(200_000)
        assert_allclose(np.bincount(y) / len(y), model.weights_, atol=0.01)
        for k in range(2):
            covariance = {"full": lambda c: c[k], "tied": lambda c: c,
                          "diag": lambda c: np.diag(c[k]),
                          "spherical": lambda c: c[k] * np.eye(2)}[covariance_type](
                              model.covariances_)
            assert_allclose(X[y == k].mean(axis=0), model.means_[k], atol=0.03)
            assert_allclose(np.cov(X[y == k].T), covariance, atol=0.05)
        assert_allclose(model.score(X), model.set_params(random_state=1).score(
            model.sample(200_000)[0]), atol=0.02)


def test_selection_finds_the_number_of_components():
    X = np.concatenate([blobs(300, 2, 1), blobs(300, 2, 1) + 12, blobs(300, 2, 1) - 12])
    result = select_mixture(X, range(2, 5), ("full", "spherical"), random_state=0)
    assert (result.best.n_components, result.best.covariance_type) == (3, "full")
    assert len(result.table) == 6


@pytest.mark.filterwarnings("ignore:the number of components chosen")
def test_every_criterion_chooses_by_its_own_formula():
    """Two groups that overlap, in a shape that a Gaussian does not have: each criterion has
    another minimum, of the number of components and of the covariance type."""
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(size=(150, 2)) * [1, 3], rng.normal(size=(80, 2)) + [2.2, 1],
                        rng.standard_t(4, size=(60, 2)) + [0, 9]])
    sizes, types = range(1, 6), ("full", "diag")
    chosen = {}
    for criterion in ("bic", "aic", "icl"):
        result = select_mixture(X, sizes, types, criterion, random_state=0)
        row, best = result.chosen, result.best
        assert row is min(result.table, key=lambda row: row[criterion])
        assert not any(row["degenerate"] for row in result.table)
        assert (row["n_components"], row["covariance_type"]) == (
            best.n_components, best.covariance_type)
        log_likelihood, resp = best.score_samples(X).sum(), best.predict_proba(X)
        k, d = best.n_components, 2
        p = k * (1 + d + (d * (d + 1) // 2 if best.covariance_type == "full" else d)) - 1
        value = -2 * log_likelihood + p * (2 if criterion == "aic" else np.log(len(X)))
        if criterion == "icl":
            value -= 2 * (resp * np.log(np.maximum(resp, 1e-300))).sum()
        assert_allclose(row[criterion], value, rtol=1e-10)
        marked = [line for line in str(result).splitlines() if " *" in line]
        assert len(marked) == 1
        assert marked[0].split()[:2] == [str(best.n_components), best.covariance_type]
        chosen[criterion] = best.n_components, best.covariance_type
    assert len(set(chosen.values())) == 3, chosen


def test_criteria_of_many_rows_weigh_every_block():
    """65,536 rows are looked at together."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70_000, 1))
    X[::3] += 3
    weight = rng.integers(0, 3, 70_000).astype(float)
    weight[:65_536] *= 0.5
    model = GaussianMixture(2, random_state=0, max_iter=5, tol=1).fit(X, sample_weight=weight)
    gaps = np.column_stack([X, np.where(np.arange(70_000) % 1000 < 700, np.nan, X[:, 0])])
    wide = GaussianMixture(2, means_init=[[0, 0], [3, 0]], precisions_init=[np.eye(2)] * 2,
                           weights_init=[0.5, 0.5], max_iter=0).fit(np.ones((2, 2)))
    for fitted, rows, p in ((model, X, 5), (wide, gaps, 11)):
        density, resp = fitted.score_samples(rows), fitted.predict_proba(rows)
        bic = -2 * weight @ density + p * np.log(weight.sum())
        entropy = -weight @ (resp * np.log(np.maximum(resp, 1e-300))).sum(axis=1)
        assert_allclose(fitted.bic(rows, sample_weight=weight), bic, rtol=1e-12)
        assert_allclose(fitted.icl(rows, sample_weight=weight), bic + 2 * entropy, rtol=1e-12)


def test_icl_is_bic_plus_the_entropy():
    X = blobs(300, separation=1.0)
    model = GaussianMixture(3, random_state=0).fit(X)
    resp = model.predict_proba(X)
    entropy = -(resp * np.log(np.maximum(resp, 1e-300))).sum()
    assert_allclose(model.icl(X), model.bic(X) + 2 * entropy, rtol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_save_and_load(tmp_path, covariance_type):
    X = blobs()
    model = GaussianMixture(
        3, covariance_type=covariance_type, random_state=7, covariance_prior=(5.0, 1.0),
        fixed=("means",), means_init=X[:3], callback=lambda state: False).fit(X)
    path = tmp_path / "mixture.npz"
    model.save(path)
    loaded = GaussianMixture.load(path)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.lower_bounds_ == model.lower_bounds_
    ours, theirs = model.get_params(), loaded.get_params()
    assert theirs.pop("callback") is None and ours.pop("callback") is not None
    assert_array_equal(theirs.pop("means_init"), ours.pop("means_init"))
    assert theirs == ours
    assert [p.name for p in tmp_path.iterdir()] == ["mixture.npz"]
    data = path.read_bytes()
    middle = data.index(model.covariances_.tobytes()) + 5
    for damaged in (data[:200], data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
                    b"", b"hello", np.zeros(3).tobytes()):
        (tmp_path / "bad").write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged"):
            GaussianMixture.load(tmp_path / "bad")
    np.savez(tmp_path / "foreign.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="not a GaussianMixture saved"):
        GaussianMixture.load(tmp_path / "foreign.npz")
    with pytest.raises(FileNotFoundError):
        GaussianMixture.load(tmp_path / "missing.npz")


def test_warm_start_goes_on():
    X = blobs()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        once = GaussianMixture(3, max_iter=6, tol=0, random_state=0).fit(X)
        twice = GaussianMixture(3, max_iter=3, tol=0, random_state=0, warm_start=True).fit(X).fit(X)
    assert_allclose(twice.means_, once.means_, rtol=1e-12)
    twice.set_params(n_components=2)
    with pytest.raises(ValueError, match="warm_start"):
        twice.fit(X)
    square = GaussianMixture(3, covariance_type="tied", warm_start=True, random_state=0).fit(X)
    with pytest.raises(ValueError, match="warm_start"):
        square.set_params(covariance_type="diag").fit(X)


def test_warm_start_on_other_data_reports_no_fall():
    X = blobs()
    model = GaussianMixture(3, warm_start=True, random_state=0).fit(X)
    before, ended = model.score(1.5 * X), model.lower_bound_
    start = {"weights_init": model.weights_, "means_init": model.means_,
             "precisions_init": model.precisions_}
    model.fit(1.5 * X)
    # it begins from what it had, far below where it ended on the other rows
    assert_allclose(model.lower_bounds_[0], before, rtol=1e-10)
    assert before < ended - 0.5
    assert model.converged_ and np.diff(model.lower_bounds_).min() > 0
    other = GaussianMixture(3, **start).fit(1.5 * X)
    assert_allclose(model.lower_bounds_, other.lower_bounds_, rtol=1e-8)
    assert_allclose(model.means_, other.means_, rtol=1e-6, atol=1e-6)


def test_fixed_parameters_survive_acceleration_and_are_not_counted():
    X = blobs(300, 2, 3)
    start = start_for(X, 3, "full")
    start["weights_init"] = np.array([0.2, 0.3, 0.5000005])
    model = GaussianMixture(3, fixed=("weights", "means"), acceleration="squarem", tol=1e-8,
                            max_iter=500, **start).fit(X)
    assert_array_equal(model.weights_, start["weights_init"])
    assert_array_equal(model.means_, start["means_init"])
    assert_allclose(model.bic(X), -2 * model.score(X) * 300 + 9 * np.log(300))


@pytest.mark.filterwarnings("ignore:the number of components chosen, 2, is the largest")
def test_frames_need_no_second_look():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(blobs(), columns=["a", "b", "c"])
    result = select_mixture(frame, [1, 2], criterion="icl", random_state=0)
    assert_allclose(result.best.icl(frame), min(row["icl"] for row in result.table))


def test_rows_of_no_weight_start_nothing():
    X = np.concatenate([blobs(200, 2, 2), np.full((50, 2), 30.0)])
    weight = np.r_[np.ones(200), np.zeros(50)]
    for seed in range(8):
        for init_params in ("random_from_data", "k-means++", "kmeans"):
            model = GaussianMixture(3, init_params=init_params, random_state=seed, max_iter=300,
                                    reg_covar=1e-2)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                model.fit(X, sample_weight=weight)
            assert model.weights_.min() > 0
    labels = np.full(250, -1)
    labels[240] = 0
    GaussianMixture(2, random_state=0).fit(X, sample_weight=weight, labels=labels)


def test_empirical_prior_of_collinear_shifted_columns():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 300))
    for shift in (0, 1e3):
        X = np.stack([a, b, a + b, 2 * a], axis=1) + shift
        model = GaussianMixture(2, covariance_prior="empirical", random_state=0, max_iter=500)
        model.fit(X)
        assert np.isfinite(model.covariances_).all()


@pytest.mark.parametrize("shift", [0.0, 1e3, 1e4])
def test_tied_float32_keeps_its_scatter(shift):
    from emkernels.kernels import weighted_moments

    rng = np.random.default_rng(0)
    labels = rng.choice(3, p=[0.8, 0.1, 0.1], size=5000)
    X = (rng.normal(size=(5000, 2)) + 6 * labels[:, None] + shift).astype(np.float32)
    centers = np.array([X[labels == k].mean(axis=0, dtype=float) for k in range(3)])
    second = weighted_moments(X, labels, centers, "tied").second
    d = X.astype(float) - centers.astype(np.float32).astype(float)[labels]
    assert_allclose(second, d.T @ d, rtol=2e-5, atol=2e-5 * len(X))


def test_names_may_be_strings_of_numpy():
    X = load_iris().data
    options = {"covariance_type": "full", "init_params": "k-means++", "random_state": 0}
    plain = GaussianMixture(2, **options).fit(X)
    ours = GaussianMixture(
        2, **{name: np.str_(v) if isinstance(v, str) else v for name, v in options.items()}).fit(X)
    assert ours.score(X) == plain.score(X)
    X[3, 1] = np.nan
    assert GaussianMixture(2, covariance_type=np.str_("diag"), random_state=0).fit(X).converged_


@pytest.mark.parametrize("unit", [1e-300, 1e-14, 1e9, 1e300])
def test_the_unit_of_weights_does_not_matter(unit):
    X = load_iris().data
    weight = np.random.default_rng(0).random(len(X))
    plain = GaussianMixture(3, random_state=0).fit(X, sample_weight=weight)
    scaled = GaussianMixture(3, random_state=0).fit(X, sample_weight=unit * weight)
    assert_allclose(scaled.means_, plain.means_, rtol=1e-10)
    assert_allclose(scaled.lower_bound_, plain.lower_bound_, rtol=1e-10)
    assert scaled.n_iter_ == plain.n_iter_


def test_weights_whose_sums_overflow_are_refused():
    X = load_iris().data
    X[3, 2] = np.nan
    weight = np.ones(len(X))
    weight[7] = 1e306
    with pytest.raises(ValueError, match=r"sample_weight is too large: with 1e\+306 at row 7"):
        GaussianMixture(2).fit(X, sample_weight=weight)


@pytest.mark.parametrize("eps", [5e-4, 6.05e-4])
def test_parts_of_float32_fits_have_the_digits_of_the_fit(eps):
    rng = np.random.default_rng(55)
    base = rng.normal(size=300)
    X = np.column_stack([base, base + eps * rng.normal(size=300), rng.normal(size=300)])
    X = X.astype(np.float32)
    model = GaussianMixture(1, reg_covar=0).fit(X)
    assert model.marginal([0, 1, 2]).score(X) == pytest.approx(model.score(X), abs=1e-5)
    C = np.linalg.inv(np.float64(model.precisions_cholesky_[0]) @ model.precisions_cholesky_[0].T)
    given = model.condition([0], [0.0]).covariances_[0, 0, 0]
    assert given == pytest.approx(C[1, 1] - C[0, 1]**2 / C[0, 0], rel=1e-3)
    model.covariances_ = model.covariances_ * np.float32(4)     # those that are set count
    assert model.condition([0], [0.0]).covariances_[0, 1, 1] == pytest.approx(
        4 * C[2, 2], rel=0.1)
