"""Hidden Markov models against sums over every path, written-out steps and finite differences."""

import numpy as np
import pytest
from chains_reference import baum_welch_step, expectations, log_densities, path_log_probs
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

from emkernels import CategoricalHMM, GaussianHMM, MixtureHMM
from emkernels.data.sequences import Sequences
from emkernels.em import DegenerateWarning
from emkernels.kernels import passes
from emkernels.starts import chains

TYPES = ("full", "tied", "diag", "spherical")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_part_of_a_fit_keeps_to_its_threads(monkeypatch):
    asked, own = [], passes.own_n_threads
    monkeypatch.setattr(passes, "own_n_threads", lambda n: asked.append(n) or own(n))
    X = np.random.default_rng(0).normal(size=(300, 3))
    GaussianHMM(2, n_threads=1, n_init=1, max_iter=2, tol=0, random_state=0).fit(X)
    assert set(asked) == {1}


def covariances(rng, covariance_type, shape, d):
    """Any of the type."""
    a = rng.normal(size=(*shape, d, d))
    full = a @ np.swapaxes(a, -1, -2) + np.eye(d)
    if covariance_type == "tied":
        return np.array(np.broadcast_to(full.reshape(-1, d, d)[0], full.shape))
    if covariance_type == "diag":
        return full * np.eye(d)
    if covariance_type == "spherical":
        return full[..., :1, :1] * np.eye(d)
    return full


def problem(seed, covariance_type="full", *, n_states=3, n_mix=1, d=2, lengths=(5, 1, 4),
            missing=0.0):
    """Short sequences, and parameters to begin with."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(n, d)) * 2 for n in lengths]
    for part in X:
        part[rng.random(part.shape) < missing] = np.nan
    if missing:
        X[0][1] = np.nan
    return X, (rng.dirichlet(np.ones(n_states)), rng.dirichlet(np.ones(n_states), n_states),
               rng.dirichlet(np.ones(n_mix), n_states), rng.normal(size=(n_states, n_mix, d)),
               covariances(rng, covariance_type, (n_states, n_mix), d))


def model_of(parameters, covariance_type, **options):
    """The estimator with these `*_init`."""
    startprob, transmat, weights, means, covars = parameters
    given = {"startprob_init": startprob, "transmat_init": transmat}
    options = {"reg_covar": 0.0, "covariance_type": covariance_type, **options}
    if weights.shape[1] == 1:
        return GaussianHMM(len(startprob), means_init=means[:, 0], covars_init=covars[:, 0],
                           **given, **options)
    return MixtureHMM(*weights.shape, weights_init=weights, means_init=means, covars_init=covars,
                      **given, **options)


def put(model, parameters):
    """The parameters by hand, without a fit."""
    model.startprob_, model.transmat_ = parameters[:2]
    if isinstance(model, MixtureHMM):
        model.weights_, model.means_, model.covars_ = parameters[2:]
    else:
        model.means_, model.covars_ = (each[:, 0] for each in parameters[3:])
    return model


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("n_mix", [1, 2])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_everything_is_what_all_paths_say(covariance_type, n_mix, missing):
    X, parameters = problem(1, covariance_type, n_mix=n_mix, missing=missing)
    class_ = GaussianHMM if n_mix == 1 else MixtureHMM
    model = put(class_(covariance_type=covariance_type), parameters)
    startprob, transmat = parameters[:2]
    total, joint, proba, path = 0.0, 0.0, [], []
    for part in X:
        log_b = logsumexp(log_densities(part, *parameters[2:]), axis=2)
        value, posteriors, _ = expectations(log_b, startprob, transmat)
        paths, values = path_log_probs(log_b, startprob, transmat)
        total, joint = total + value, joint + values.max()
        proba.append(posteriors)
        path.append(paths[values.argmax()])
    rows, lengths = np.concatenate(X), [len(part) for part in X]
    assert_allclose(model.score(rows, lengths), total, rtol=1e-12)
    log_likelihood, posteriors = model.score_samples(rows, lengths)
    assert_allclose(log_likelihood, total, rtol=1e-12)
    assert_allclose(posteriors, np.concatenate(proba), atol=1e-12)
    assert_array_equal(model.predict_proba(X), posteriors)
    log_prob, states = model.decode(X)
    assert_allclose(log_prob, joint, rtol=1e-12)
    assert_array_equal(states, np.concatenate(path))
    assert_array_equal(model.predict(rows, lengths), states)
    k, d = len(startprob), rows.shape[1]
    free = {"full": k * n_mix * d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": k * n_mix * d,
            "spherical": k * n_mix}[covariance_type]
    p = k - 1 + k * (k - 1) + k * (n_mix - 1) + k * n_mix * d + free
    assert model.n_parameters_ == p
    assert_allclose(model.aic(rows, lengths), -2 * total + 2 * p)
    assert_allclose(model.bic(rows, lengths), -2 * total + p * np.log(len(rows)))


@pytest.mark.parametrize("weights", [None, [0.5, 3.0, 2.0]])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("n_mix", [1, 2])
@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:collapsed")
def test_a_step_is_that_of_baum_and_welch(covariance_type, n_mix, missing, weights):
    X, parameters = problem(2, covariance_type, n_mix=n_mix, missing=missing)
    total, expected = baum_welch_step(X, parameters, covariance_type, weights)
    model = model_of(parameters, covariance_type, max_iter=1).fit(X, sample_weight=weights)
    rows = np.dot([len(part) for part in X], np.ones(3) if weights is None else weights)
    assert_allclose(model.lower_bound_, total / rows, rtol=1e-12)
    found = [model.startprob_, model.transmat_]
    if n_mix > 1:
        found += [model.weights_, model.means_, model.covars_]
    else:
        found += [np.ones((3, 1)), model.means_[:, None], model.covars_[:, None]]
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one, other, rtol=1e-9, atol=1e-12)


# --- fits ---------------------------------------------------------------------------------

def series(seed=0, n=300, n_states=3, d=2, missing=0.0):
    """Rows of a chain of some states, and its states."""
    rng = np.random.default_rng(seed)
    transmat = 0.8 * np.eye(n_states) + 0.2 / n_states
    states = np.zeros(n, int)
    for t in range(1, n):
        states[t] = rng.choice(n_states, p=transmat[states[t - 1]])
    X = rng.normal(size=(n, d)) * (1 + 0.5 * states[:, None]) + 4 * states[:, None]
    X[rng.random(X.shape) < missing] = np.nan
    return X, states


PRIORS = {"startprob_concentration": 2.0, "transmat_concentration": 1.5,
          "covariance_prior": (4.0, 0.5)}


@pytest.mark.parametrize("options", [
    {}, PRIORS, {"fixed": ("means",)}, {"fixed": ("covars", "startprob")},
    {"fixed": ["transmat"]}, {"acceleration": "squarem"}], ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("n_mix", [1, 2])
@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_objective_never_falls(covariance_type, n_mix, missing, options):
    X, _ = series(3, 120, missing=missing)
    parameters = list(problem(4, covariance_type, n_mix=n_mix)[1])
    parameters[3] = parameters[3] + 4 * np.arange(3)[:, None, None]
    parameters[4] = 4 * parameters[4]
    if n_mix > 1 and "covariance_prior" in options:
        options = {**options, "weight_concentration": 1.5}
    model = model_of(parameters, covariance_type, max_iter=25, **options)
    model.fit(X, lengths=[50, 1, 69])
    assert len(model.lower_bounds_) > 5
    assert np.diff(model.lower_bounds_).min() >= -1e-12 * abs(model.lower_bound_)
    for name in options.get("fixed", ()):
        assert_array_equal(getattr(model, f"{name}_"), getattr(model, f"{name}_init"))


def log_prior(model, priors):
    """Of the fitted parameters, written out."""
    value = 0.0
    for name, concentration in (("startprob_", priors.get("startprob_concentration")),
                                ("transmat_", priors.get("transmat_concentration"))):
        if concentration:
            value += (concentration - 1) * np.log(getattr(model, name)).sum()
    if "covariance_prior" in priors:
        dof, scale = priors["covariance_prior"]
        d = model.means_.shape[-1]
        for covar in model.covars_.reshape(-1, d, d):
            value -= (dof + d + 1) / 2 * np.linalg.slogdet(covar)[1] + scale * np.trace(
                np.linalg.inv(covar)) / 2
    return value


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("priors", [{}, PRIORS], ids=["none", "priors"])
def test_a_fit_ends_where_the_gradient_is_zero(priors, missing):
    """Derivatives along every parameter by differences, on the simplex and of matrices."""
    X, _ = series(5, 200, n_states=2, missing=missing)
    lengths = [90, 110]
    model = GaussianHMM(2, "full", reg_covar=0, tol=1e-14, max_iter=5000, random_state=0,
                        **priors).fit(X, lengths=lengths)
    assert model.converged_
    if priors:
        assert_allclose(model.lower_bound_ * 200,
                        model.score(X, lengths) + log_prior(model, priors), rtol=1e-9)
    point = {name: getattr(model, name) for name in ("startprob_", "transmat_", "means_",
                                                     "covars_")}

    def along(name, direction, size):
        values = []
        for sign in (1, -1):
            setattr(model, name, point[name] + sign * size * direction)
            values.append(model.score(X, lengths) + log_prior(model, priors))
        setattr(model, name, point[name])
        return (values[0] - values[1]) / (2 * size)

    slopes = []
    for k in range(2):
        move = np.zeros((2, 2))
        move[k] = [1, -1]
        slopes.append(along("transmat_", move, 1e-6))
        for d in range(2):
            move = np.zeros((2, 2))
            move[k, d] = 1
            slopes.append(along("means_", move, 1e-5))
            for e in range(d + 1):
                move = np.zeros((2, 2, 2))
                move[k, d, e] = move[k, e, d] = 1
                slopes.append(along("covars_", move, 1e-5))
    if priors:
        slopes.append(along("startprob_", np.array([1.0, -1]), 1e-6))
    assert np.abs(slopes).max() < 2e-4, slopes


def test_zeros_stay_and_do_not_count():
    X, _ = series(6)
    left_to_right = np.array([[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1.0]])
    model = GaussianHMM(3, startprob_init=[1, 0, 0], transmat_init=left_to_right,
                        random_state=0).fit(X, lengths=[100] * 3)
    assert_array_equal(model.startprob_, [1, 0, 0])
    assert_array_equal(model.transmat_ == 0, left_to_right == 0)
    assert model.n_parameters_ == 0 + 2 + 6 + 6
    accelerated = GaussianHMM(3, startprob_init=[1, 0, 0], transmat_init=left_to_right,
                              acceleration="squarem", transmat_concentration=2.0,
                              random_state=0).fit(X, lengths=[100] * 3)
    assert_array_equal(accelerated.transmat_ == 0, left_to_right == 0)
    for states in (model.predict(X, [100] * 3), accelerated.predict(X, [100] * 3)):
        assert (np.diff(states.reshape(3, 100)) >= 0).all()


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_states_that_are_never_visited_stay(covariance_type, missing):
    X, _ = series(7, missing=missing)
    transmat = np.array([[0.9, 0.1, 0], [0.1, 0.9, 0], [0.2, 0.3, 0.5]])
    covars = np.repeat(3 * np.eye(2)[None], 3, axis=0)
    model = GaussianHMM(3, covariance_type, startprob_init=[0.5, 0.5, 0], transmat_init=transmat,
                        means_init=[[0, 0], [8, 8], [1e-3, 1 / 3]], covars_init=covars,
                        reg_covar=0).fit(X)
    assert_array_equal(model.transmat_[2], transmat[2])
    assert_array_equal(model.means_[2], [1e-3, 1 / 3])
    if covariance_type != "tied":
        assert_array_equal(model.covars_[2], covars[2])
    assert all(np.isfinite(getattr(model, f"{name}_")).all() for name in model._names)
    assert np.isfinite(model.score(X))


def test_an_impossible_sequence():
    codes = np.array([[0], [1], [0], [0], [1], [1]])
    options = {"startprob_init": [1, 0], "transmat_init": [[0, 1], [0, 1.0]],
               "emissionprob_init": [[1, 0], [0, 1.0]]}
    model = CategoricalHMM(2, **options)
    with pytest.raises(ValueError, match="sequence 1 is impossible.*startprob_init"):
        model.fit(codes, lengths=[2, 2, 2])
    assert not hasattr(model, "startprob_")
    with pytest.raises(ValueError, match="sequence 2 is impossible"):
        model.fit(codes, lengths=[2, 2, 2], sample_weight=[1, 0, 1])
    model.fit(codes, lengths=[2, 2, 2], sample_weight=[1, 0, 0])
    assert model.score(codes[:2]) == 0
    assert model.score(codes, [2, 2, 2]) == -np.inf
    log_likelihood, posteriors = model.score_samples(codes, [2, 2, 2])
    assert log_likelihood == -np.inf
    assert_array_equal(posteriors, [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0], [0, 0]])
    assert model.decode(codes, [2, 2, 2])[0] == -np.inf


def test_weights_are_copies_of_sequences():
    X, _ = series(8, 60, missing=0.1)
    parts = [X[:20], X[20:25], X[25:]]
    parameters = problem(9, "full")[1]
    for missing in (False, True):
        own = parts if missing else [np.nan_to_num(part) for part in parts]
        options = {"covariance_prior": (4, 1.0), "max_iter": 300, "tol": 1e-6}
        once = model_of(parameters, "full", **options).fit(own, sample_weight=[1, 2, 0])
        twice = model_of(parameters, "full", **options).fit([own[0], own[1], own[1]])
        assert_allclose(once.lower_bounds_, twice.lower_bounds_, rtol=1e-9)
        assert_allclose(once.covars_, twice.covars_, rtol=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_a_shift_costs_no_digits(covariance_type, missing):
    X, _ = series(10, missing=missing)
    X = np.round(X * 1024) / 1024       # so that the shift is exact
    options = {"random_state": 0, "reg_covar": 0.0, "n_init": 2}
    near = GaussianHMM(3, covariance_type, **options).fit(X)
    far = GaussianHMM(3, covariance_type, **options).fit(X + 2.0**27)
    assert_allclose(far.covars_, near.covars_, rtol=1e-5, atol=1e-6)
    assert_allclose(far.means_ - 2.0**27, near.means_, atol=1e-5)
    assert_allclose(far.score(X + 2.0**27), near.score(X), rtol=1e-8)


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_float32(missing):
    X, _ = series(11, missing=missing)
    X = X.astype(np.float32)
    single = GaussianHMM(3, "full", random_state=0, tol=1e-6).fit(X)
    double = GaussianHMM(3, "full", random_state=0, tol=1e-6).fit(X.astype(np.float64))
    assert_allclose(single.score(X), double.score(X.astype(np.float64)), rtol=1e-4)
    assert_allclose(single.means_, double.means_, atol=2e-2)
    assert single.means_.dtype == np.float64


def test_max_iter_0_leaves_the_start():
    X, _ = series(12)
    parameters = problem(13, "spherical")[1]
    model = model_of(parameters, "spherical", max_iter=0).fit(X)
    assert_array_equal(model.transmat_, parameters[1])
    assert_array_equal(model.covars_, parameters[4][:, 0])
    assert model.n_iter_ == 0 and model.lower_bounds_ == []
    for class_ in (GaussianHMM, MixtureHMM):
        started = class_(3, max_iter=0, random_state=0).fit(X)
        assert np.isfinite(started.score(X))


def test_starts_that_float32_has_rounded():
    X, _ = series(12)
    thirds = np.full(3, 1 / 3, np.float32)
    assert abs(thirds.astype(float).sum() - 1) > 1e-8
    for options in ({"fixed": ("startprob", "transmat")}, {"max_iter": 0}):
        model = GaussianHMM(3, startprob_init=thirds, transmat_init=np.tile(thirds, (3, 1)),
                            random_state=0, **options).fit(X)
        assert_array_equal(model.startprob_, thirds)
        even = GaussianHMM(3)
        even.startprob_, even.transmat_ = np.full(3, 1 / 3), np.full((3, 3), 1 / 3)
        even.means_, even.covars_ = model.means_, model.covars_
        assert_allclose(model.score(X), even.score(X), rtol=1e-13)
    # what rounding adds to a probability is nothing that a step takes away again
    codes = np.tile([0, 1, 2], 50)[:, None]
    model = CategoricalHMM(3, startprob_init=thirds, transmat_init=np.tile(thirds, (3, 1)),
                           emissionprob_init=np.tile(thirds, (3, 1))).fit(codes)
    assert (np.diff(model.lower_bounds_) > -1e-12).all()
    assert_allclose(model.lower_bounds_[0], -np.log(3), rtol=1e-13)


def test_a_subset_of_the_start():
    X, states = series(14)
    model = GaussianHMM(3, "full", means_init=[[8, 8], [0, 0], [4, 4]], random_state=0).fit(X)
    assert (np.array([1, 2, 0])[states] == model.predict(X)).mean() > 0.85
    covars = np.repeat(np.eye(2)[None], 3, axis=0)
    model = GaussianHMM(3, covars_init=covars, transmat_init=np.full((3, 3), 1 / 3),
                        fixed=("transmat", "covars"), random_state=0).fit(X)
    assert_array_equal(model.covars_, covars)
    assert_array_equal(model.transmat_, np.full((3, 3), 1 / 3))
    assert model.n_parameters_ == 2 + 6


# --- small and odd ------------------------------------------------------------------------

def test_sequences_of_length_one():
    X, _ = series(15, 40)
    model = GaussianHMM(2, random_state=0).fit(X, lengths=np.ones(40, int))
    assert_allclose(model.transmat_.sum(axis=1), 1)
    log_densities_ = [logsumexp(np.log(model.startprob_) + log_densities(
        x[None], np.ones((2, 1)), model.means_[:, None], model.covars_[:, None])[0, :, 0])
        for x in X]
    assert_allclose(model.score(X, np.ones(40, int)), np.sum(log_densities_))


def test_one_symbol_and_one_state():
    model = CategoricalHMM(2, random_state=0).fit(np.zeros((5, 1)))
    assert_array_equal(model.emissionprob_, [[1], [1]])
    assert_allclose(model.score(np.zeros((7, 1))), 0, atol=1e-12)
    X, _ = series(16, 50)
    alone = GaussianHMM(1, "full", reg_covar=0).fit(X)
    assert_array_equal(alone.transmat_, [[1]])
    assert_allclose(alone.means_[0], X.mean(axis=0))
    assert_allclose(alone.covars_[0], np.cov(X.T, bias=True))


def test_an_absorbing_state():
    X = np.r_[np.zeros(20), 5 * np.ones(20)][:, None] + 0.1 * np.random.default_rng(0).normal(
        size=(40, 1))
    model = GaussianHMM(2, transmat_init=[[0.5, 0.5], [0, 1]], random_state=0).fit(X)
    assert_array_equal(model.transmat_[1], [0, 1])
    assert_array_equal(model.predict(X), np.repeat([0, 1], 20))


@pytest.mark.parametrize("X", [
    np.ones((10, 2)), np.full((1, 2), 3.0), [[np.nan, np.nan], [1, 2], [np.nan, np.nan]],
    np.repeat([[0.0, 1], [0, 5]], 6, axis=0)], ids=["constant", "row", "gaps", "two values"])
@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.filterwarnings("ignore::emkernels.em.DegenerateWarning")
@pytest.mark.filterwarnings("ignore::emkernels.em.EMWarning")
def test_rows_that_hardly_vary(X, covariance_type):
    n_states = min(2, int((~np.isnan(X)).all(axis=1).sum()), len(X))
    for model in (GaussianHMM(n_states, covariance_type, random_state=0),
                  MixtureHMM(1, n_states, covariance_type=covariance_type, random_state=0)):
        model.fit(X)
        assert np.isfinite(model.score(X))
        assert all(np.isfinite(getattr(model, f"{name}_")).all() for name in model._names)
        assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_what_cannot_be_fitted_says_so():
    with pytest.raises(ValueError, match="ill-defined empirical covariance"):
        GaussianHMM(2, reg_covar=0).fit(np.ones((10, 2)))


# --- what goes with a fit -------------------------------------------------------------------

@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_the_same_bits_for_every_number_of_threads(missing):
    X, _ = series(17, 400, missing=missing)
    lengths = [150, 1, 249]
    codes = np.nan_to_num(X[:, :1].round() % 4)
    fits = []
    for n_threads in (1, 2, 3):
        model = GaussianHMM(3, "full", random_state=0, n_threads=n_threads).fit(
            X, lengths=lengths)
        symbols = CategoricalHMM(2, random_state=0, n_threads=n_threads, max_iter=50,
                                 tol=1e-4).fit(codes, lengths=lengths)
        fits.append([model.lower_bounds_, model.covars_, model.predict_proba(X, lengths),
                     model.decode(X, lengths)[1], symbols.lower_bounds_, symbols.emissionprob_])
    for other in fits[1:]:
        for one, its in zip(fits[0], other, strict=True):
            assert_array_equal(one, its)


def test_states_are_in_order():
    X, _ = series(18)
    for seed in range(3):
        model = GaussianHMM(3, random_state=seed, n_init=4).fit(X)
        assert (np.diff(model.means_[:, 0]) > 0).all()
        assert model.score(X) == pytest.approx(model.lower_bound_ * len(X), rel=1e-6)
        mixed = MixtureHMM(3, 2, random_state=seed, n_init=2, max_iter=30, tol=1e-3).fit(X)
        assert (np.diff((mixed.weights_[..., None] * mixed.means_).sum(axis=1)[:, 0]) > 0).all()
    codes = np.random.default_rng(0).integers(0, 3, (60, 1))
    model = CategoricalHMM(2, random_state=0, n_init=3, tol=1e-4).fit(codes)
    assert model.emissionprob_[0, 0] > model.emissionprob_[1, 0]


def test_files_of_parameters_put_in_by_hand(tmp_path):
    parameters = problem(19, "full")[1]
    model = put(GaussianHMM(3, "full"), parameters)
    model.save(tmp_path / "hand.npz")
    again = GaussianHMM.load(tmp_path / "hand.npz")
    X = np.concatenate(problem(19)[0])
    assert again.score(X) == model.score(X)
    codes = np.array([[0], [1], [1], [0], [2], [2], [1], [0]])
    fitted = CategoricalHMM(2, fixed=("startprob",), random_state=0).fit(codes)
    fitted.save(tmp_path / "fitted.npz")
    again = CategoricalHMM.load(tmp_path / "fitted.npz")
    assert again.bic(codes) == fitted.bic(codes)
    assert again.lower_bounds_ == fitted.lower_bounds_


def test_samples_are_of_the_model():
    model = MixtureHMM()
    model.startprob_, model.transmat_ = [0, 1.0], [[0.7, 0.3], [0.4, 0.6]]
    model.weights_ = [[1.0, 0], [0.25, 0.75]]
    model.means_ = [[[0.0], [99]], [[10], [20]]]
    model.covars_ = np.array([[[[1.0]], [[1]]], [[[4]], [[0.25]]]])
    X, states = model.sample(20_000, random_state=0)
    assert X.shape == (20_000, 1) and states[0] == 1
    moves = np.zeros((2, 2))
    np.add.at(moves, (states[:-1], states[1:]), 1)
    assert_allclose(moves / moves.sum(axis=1)[:, None], model.transmat_, atol=0.02)
    assert X[states == 0].max() < 10
    assert_allclose([X[states == 0].mean(), X[states == 0].std()], [0, 1], atol=0.04)
    far = X[states == 1][X[states == 1] > 16]
    assert_allclose([len(far) / (states == 1).sum(), far.mean(), far.std()], [0.75, 20, 0.5],
                    atol=0.03)
    assert_array_equal(model.sample(5, 3)[0], model.sample(5, np.random.RandomState(3))[0])
    model.random_state = 7
    assert_array_equal(model.sample(5)[0], model.sample(5, 7)[0])
    symbols = CategoricalHMM()
    symbols.startprob_, symbols.transmat_, symbols.emissionprob_ = [1.0], [[1.0]], [[0.2, 0, 0.8]]
    codes, _ = symbols.sample(5000, 0)
    assert_array_equal(np.array(list("abc"))[codes] == "b", False)     # they can index
    assert_allclose(np.bincount(codes[:, 0]) / 5000, [0.2, 0, 0.8], atol=0.02)


def test_a_callback_sees_the_iterations():
    X, _ = series(20)
    seen = []
    model = GaussianHMM(3, random_state=0, n_init=1, tol=0,
                        callback=lambda state: seen.append(state.lower_bound) or len(seen) == 4)
    model.fit(X)
    assert seen == model.lower_bounds_ and model.n_iter_ == 4 and not model.converged_


def test_priors_of_symbols():
    codes = np.array([0, 0, 1, 0, 2, 2, 1, 2, 0, 0])[:, None]
    model = CategoricalHMM(2, random_state=0, emissionprob_concentration=1.5, tol=1e-12,
                           max_iter=5000).fit(codes)
    assert (model.emissionprob_ > 0).all()
    assert_allclose(model.lower_bound_ * 10,
                    model.score(codes) + 0.5 * np.log(model.emissionprob_).sum(), rtol=1e-9)
    assert np.diff(model.lower_bounds_).min() > -1e-14
    one = CategoricalHMM(1, emissionprob_concentration=[[1, 2, 3]]).fit(codes)
    assert_allclose(one.emissionprob_, [np.array([5, 2 + 1, 3 + 2]) / 13])


def test_a_step_with_symbols():
    rng = np.random.default_rng(21)
    parts = [rng.integers(0, 3, (n, 1)).astype(float) for n in (5, 1, 4)]
    parts[0][2] = np.nan
    startprob, transmat = rng.dirichlet(np.ones(2)), rng.dirichlet(np.ones(2), 2)
    table = rng.dirichlet(np.ones(3), 2)
    weights, starts, moves, counts = [1.0, 2.0, 0.5], 0, 0, np.zeros((2, 3))
    for w, part in zip(weights, parts, strict=True):
        log_b = np.array([[0.0, 0.0] if np.isnan(x) else np.log(table[:, int(x)])
                          for x in part[:, 0]])
        _, posteriors, transitions = expectations(log_b, startprob, transmat)
        starts, moves = starts + w * posteriors[0], moves + w * transitions
        for x, own in zip(part[:, 0], posteriors, strict=True):
            if not np.isnan(x):
                counts[:, int(x)] += w * own
    model = CategoricalHMM(2, startprob_init=startprob, transmat_init=transmat,
                           emissionprob_init=table, tol=0, callback=lambda state: True)
    model.fit(parts, sample_weight=weights)
    assert_allclose(model.startprob_, starts / starts.sum(), rtol=1e-12)
    assert_allclose(model.transmat_, moves / moves.sum(axis=1)[:, None], rtol=1e-12)
    assert_allclose(model.emissionprob_, counts / counts.sum(axis=1)[:, None], rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-100, 3.0, 1e39])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_the_unit_of_weights_does_not_matter(missing, dtype, unit):
    X = series(22, 200, missing=missing)[0].astype(dtype)
    fits = [GaussianHMM(2, "full", random_state=0, n_init=2, tol=1e-6).fit(
        X, lengths=[80, 120], sample_weight=[u, 2 * u]) for u in (1, unit)]
    tolerance = 1e-3 if dtype == "f4" else 1e-7
    assert_allclose(fits[1].means_, fits[0].means_, rtol=tolerance, atol=tolerance)
    assert_allclose(fits[1].lower_bound_, fits[0].lower_bound_, rtol=tolerance)


@pytest.mark.parametrize("whole", [False, True])
def test_starts_look_at_some_rows(whole, monkeypatch):
    monkeypatch.setattr(chains, "START_ROWS", 200)
    monkeypatch.setattr(chains, "WINDOW", 20)
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 60, 80)
    X = np.arange(lengths.sum(), dtype=float)[:, None]
    weight = rng.uniform(1, 2, 80)
    sequences = Sequences.read(X, lengths, sample_weight=weight)
    some = chains.excerpt(sequences, whole)
    assert 100 <= some.n_rows <= 400 and some.lengths.min() >= 1
    for s, (first, end) in enumerate(zip(some.offsets[:-1], some.offsets[1:], strict=True)):
        part = some.rows.X[first:end, 0].astype(int)
        assert (np.diff(part) == 1).all()
        own = np.searchsorted(sequences.offsets, part, "right") - 1
        assert (own == own[0]).all() and some.sequence_weight[s] == weight[own[0]]
        assert not whole or len(part) == lengths[own[0]]
    assert len(np.unique(some.rows.X)) == some.n_rows
    X, states = series(23, 900, n_states=2)
    options = {"startprob_init": [0.5, 0.5]} if whole else {}
    model = GaussianHMM(2, random_state=0, n_init=6, **options).fit(X, lengths=[90] * 10)
    hits = (model.predict(X, [90] * 10) == states).mean()
    assert max(hits, 1 - hits) > 0.95


def test_what_starts_have_not_seen_is_not_impossible(monkeypatch):
    monkeypatch.setattr(chains, "START_ROWS", 200)
    monkeypatch.setattr(chains, "WINDOW", 20)
    rng = np.random.default_rng(0)
    state = np.arange(2000) // 100 % 2
    codes = np.where(rng.random(2000) < 0.9, state, 1 - state)[:, None]
    seen = chains.excerpt(Sequences.read(np.arange(2000.0)[:, None]), False).rows.X.astype(int)
    at = np.setdiff1d(np.arange(2000), seen)[70]
    codes[at] = 2
    model = CategoricalHMM(2, n_init=6, random_state=0).fit(codes)
    one = CategoricalHMM(2, n_init=1, random_state=0).fit(codes)
    assert_allclose(model.score(codes), one.score(codes), rtol=1e-6)
    assert model.emissionprob_[:, 2].max() > 1e-4
    # states far apart, of which one comes after another in these rows only
    path = np.tile([0, 0, 1, 1, 2, 2, 1, 1], 250)
    path[at:at + 2] = 0, 2
    X = 1e4 * path[:, None] + rng.normal(size=(2000, 1))
    model = GaussianHMM(3, n_init=6, random_state=0).fit(X)
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (path[:-1], path[1:]), 1)
    assert_allclose(model.transmat_, pairs / pairs.sum(axis=1, keepdims=True), atol=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_levels_far_apart_are_no_collapse(covariance_type):
    rng = np.random.default_rng(0)
    path = rng.integers(0, 3, 600)
    X = np.column_stack([1e4 * path, np.zeros(600)]) + rng.normal(size=(600, 2))
    if covariance_type == "spherical":
        X = X[:, :1]
    model = GaussianHMM(3, covariance_type, random_state=0).fit(X)
    own = np.array([X[path == k].mean(axis=0) for k in range(3)])
    assert_allclose(model.means_, own, rtol=1e-9)
    assert_array_equal(model.predict(X), path)


@pytest.mark.parametrize("n_states", [2, 3])
@pytest.mark.parametrize("runs", [1, 20])
def test_levels_without_noise_are_found_and_said(n_states, runs):
    rng = np.random.default_rng(1)
    path = np.repeat(rng.permutation(np.arange(600 // runs) % n_states), runs)
    model = GaussianHMM(n_states, random_state=0)
    with pytest.warns(DegenerateWarning, match="collapsed: state 0"):
        model.fit(path[:, None])
    assert_allclose(model.means_[:, 0], np.arange(n_states), atol=1e-9)
    assert_array_equal(model.predict(path[:, None]), path)


def test_a_level_without_noise_beside_one_with():
    rng = np.random.default_rng(0)
    path = np.repeat(rng.permutation(np.arange(30) % 2), 20)
    X = np.where(path, rng.normal(5, 1, 600), 0)[:, None]
    model = GaussianHMM(2, random_state=0)
    with pytest.warns(DegenerateWarning, match="collapsed: state 0"):
        model.fit(X)
    assert_array_equal(model.predict(X), path)


def test_control_c_leaves_the_last_step():
    X, _ = series(24)

    def stop(state):
        if state.n_iter == 3:
            raise KeyboardInterrupt

    model = GaussianHMM(3, random_state=0, tol=0, callback=stop)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert len(model.lower_bounds_) == 3 and not model.converged_
    assert np.isfinite(model.score(X))


def test_rows_far_out_in_float32():
    X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    model = GaussianHMM(2, random_state=0).fit(X)
    X[5] = 1e20
    assert np.isfinite(model.score(X))
    assert model.score_samples(X)[0] == pytest.approx(model.score(X), rel=1e-12)
    assert (model.predict(X) >= 0).all()
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("n_components", [1, 2])
@pytest.mark.parametrize("covariance_type", ["diag", "tied"])
def test_rows_of_float32_come_to_an_end(covariance_type, n_components):
    # their bounds rise and fall by more than tol for ever; that it did not converge is an error
    for seed in range(8, 12):
        rng = np.random.default_rng(seed)
        X = np.concatenate([rng.normal(size=(150, 2)), rng.normal(4, 1, (150, 2))])
        model = GaussianHMM(n_components, covariance_type=covariance_type, random_state=0)
        exact = model.fit(X).score(X)
        assert model.fit(X.astype(np.float32)).converged_ and model.n_iter_ < 100
        assert_allclose(model.score(X), exact, rtol=1e-7)
