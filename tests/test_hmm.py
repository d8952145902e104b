"""Hidden Markov models against sums over every path, written-out steps and finite differences."""

import numpy as np
import pytest
from chains_reference import baum_welch_step, expectations, log_densities, path_log_probs
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

from emkernels import CategoricalHMM, GaussianHMM, MixtureHMM

TYPES = ("full", "tied", "diag", "spherical")


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
