"""The fourteen families of three letters: their M-steps, and mixtures of them."""

import pickle
import warnings

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris

from emkernels import (
    GaussianMixture,
    GaussianMixtureImputer,
    SufficientStatistics,
    compare_clusterings,
    select_mixture,
)
from emkernels.components.gaussian import CovariancePrior, structure_of
from emkernels.components.gaussian.structures import LETTERED, same_as
from emkernels.em import DegenerateFitError, EMWarning

NAMES = list(LETTERED)
IRIS = load_iris()
SPECIES = IRIS.target

# Log-likelihoods that mclust 6.0.0 ends with on iris, me(iris[, 1:4], modelName, unmap(partition))
# with emControl(eps = 0, tol = 1e-12), from setosa against the others and from the species.
MCLUST = {
    "EII": (-536.652471381, -401.802175789), "VII": (-478.559095769, -384.314095061),
    "EEI": (-488.914818690, -361.425522043), "VEI": (-443.066687377, -339.468727261),
    "EVI": (-463.569029639, -340.085580737), "VVI": (-386.185346934, -306.860460508),
    "EEE": (-296.447574769, -256.354043126), "VEE": (-278.057149777, -237.560162796),
    "EVE": (-273.496150571, -234.140235060), "VVE": (-244.971848656, -215.240870338),
    "EEV": (-259.666908523, -214.850378874), "VEV": (-215.725972234, -186.073283404),
    "EVV": (-259.016421310, -205.535880818), "VVV": (-214.354704371, -180.185477131),
}
# its nMclustParams(name, d, G), d = 1, 2, 5 and G = 1, 2, 4
N_PARAMETERS = {
    "EII": (2, 4, 8, 3, 6, 12, 6, 12, 24), "VII": (2, 5, 11, 3, 7, 15, 6, 13, 27),
    "EEI": (2, 4, 8, 4, 7, 13, 10, 16, 28), "VEI": (2, 5, 11, 4, 8, 16, 10, 17, 31),
    "EVI": (2, 4, 8, 4, 8, 16, 10, 20, 40), "VVI": (2, 5, 11, 4, 9, 19, 10, 21, 43),
    "EEE": (2, 4, 8, 5, 8, 14, 20, 26, 38), "VEE": (2, 5, 11, 5, 9, 17, 20, 27, 41),
    "EVE": (2, 4, 8, 5, 9, 17, 20, 30, 50), "VVE": (2, 5, 11, 5, 10, 20, 20, 31, 53),
    "EEV": (2, 4, 8, 5, 9, 17, 20, 36, 68), "VEV": (2, 5, 11, 5, 10, 20, 20, 37, 71),
    "EVV": (2, 4, 8, 5, 10, 20, 20, 40, 80), "VVV": (2, 5, 11, 5, 11, 23, 20, 41, 83),
}


def parts_of(X, labels):
    """What an M-step makes of a partition, without constraints: weights, means, covariances."""
    n = np.bincount(labels)
    means = np.array([X[labels == k].mean(axis=0) for k in range(len(n))])
    d = X.shape[1]
    covariances = np.array([np.cov(X[labels == k].T, bias=True).reshape(d, d)
                            for k in range(len(n))])
    return n / n.sum(), means, covariances


def from_partition(name, X, labels, **options):
    weights, means, covariances = parts_of(X, labels)
    options = {"reg_covar": 0, "tol": 1e-12, "max_iter": 5000, **options}
    return GaussianMixture(
        len(weights), covariance_type=name, weights_init=weights, means_init=means,
        precisions_init=np.linalg.inv(covariances), **options).fit(X)


def total_log_likelihood(model, X):
    densities = [np.log(w) + multivariate_normal(mean, sigma).logpdf(X) for w, mean, sigma in zip(
        model.weights_, model.means_, model.covariances_)]
    return np.logaddexp.reduce(densities).sum()


def is_of(name, covariances, tol=1e-8):
    """Whether covariances are as the letters say, or more special."""
    found, order = reference.letters(covariances, tol), {"I": 0, "E": 1, "V": 2}
    return all(order[a] <= order[b] for a, b in zip(found, name))


def never_falls(model, slack=1e-12):
    bounds = np.array(model.lower_bounds_)
    return (np.diff(bounds) >= -slack * np.abs(bounds[1:])).all()


def scatters(k, d, seed, spread=1.0):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(k, d, d)) * np.exp(spread * rng.normal(size=(k, 1, 1)))
    counts = rng.uniform(5, 60, size=k)
    return counts[:, None, None] * (roots @ np.swapaxes(roots, 1, 2) + 0.05 * np.eye(d)), counts


def statistics_of(structure, spreads, counts):
    k, d = spreads.shape[:2]
    return SufficientStatistics(structure.kernel, np.zeros((k, d)), counts, np.zeros((k, d)),
                                np.array(structure.second_of(spreads)))


def m_step(structure, spreads, counts, previous=None):
    zeros = np.zeros(spreads.shape[:2])
    covariances, factors, _ = structure.maximise(
        statistics_of(structure, spreads, counts), counts, zeros, zeros, previous=previous)
    return structure.outer(covariances, *spreads.shape[:2]), factors


# --- M-steps --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k, seed", [(3, 0), (2, 1)])
def test_an_m_step_is_the_best_of_the_family(name, k, seed):
    spreads, counts = scatters(k, 3, seed)
    mine, _ = m_step(structure_of(name), spreads, counts)
    best = reference.fitted_family(name, spreads, counts)
    assert is_of(name, mine) and is_of(name, best)
    assert reference.deviance(mine, spreads, counts) <= (
        reference.deviance(best, spreads, counts) + 1e-7)
    assert_allclose(mine, best, rtol=1e-3, atol=1e-4 * np.abs(best).max())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k, d", [(1, 3), (2, 2), (4, 5), (3, 20)])
def test_an_m_step_goes_on_from_the_last_and_never_up(name, k, d):
    """Also from covariances that have nothing to do with the scatters; and no member of the family
    nearby is better."""
    structure = structure_of(name)
    spreads, counts = scatters(k, d, 1, 0.3)
    others, _ = scatters(k, d, 2, 0.3)
    far, factors = m_step(structure, others, counts)
    found, near = m_step(structure, spreads, counts, factors)
    again, _ = m_step(structure, spreads, counts, near)
    value = reference.deviance(found, spreads, counts)
    assert value <= reference.deviance(far, spreads, counts)
    assert reference.deviance(again, spreads, counts) <= value + 1e-10 * abs(value)
    assert is_of(name, found, 1e-7)
    rng = np.random.default_rng(3)
    for _ in range(5):
        noise = rng.normal(size=spreads.shape) * 1e-3
        moved, _ = m_step(structure, spreads + counts[:, None, None] * (
            noise @ np.swapaxes(noise, 1, 2)), counts, near)
        assert reference.deviance(moved, spreads, counts) >= value - 1e-9 * abs(value)


@pytest.mark.parametrize("name", ["VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV"])
def test_a_prior_is_of_every_matrix_and_the_step_is_best_with_it(name):
    """Scale and degrees of freedom stand for scatters and counts: against the objective itself."""
    spreads, counts = scatters(3, 3, 5)
    scale, dof = np.diag([1.0, 3.0, 2.0]) + 0.5, 6.0
    structure = structure_of(name)
    more = 2 if structure.diagonal else 4       # of variances each has the prior of one column
    structure = structure.with_(prior=CovariancePrior(dof, structure.of_matrix(scale)))
    mine, factors = m_step(structure, spreads, counts)
    expected = reference.fitted_family(name, spreads + scale, counts + dof + more)
    assert_allclose(mine, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())

    def penalised(covariances, factors):
        return (-0.5 * reference.deviance(covariances, spreads, counts)
                + structure.log_prior(factors, 3))

    best = structure.start_factors(np.linalg.inv(expected), None)
    assert penalised(mine, factors) >= penalised(expected, best) - 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_the_ridge_stays_in_the_family(name):
    spreads, counts = scatters(3, 4, 7)
    ridge = np.array([0.5, 0.1, 2.0, 1.0])
    structure = structure_of(name)
    if structure.n_axes == 0:
        ridge = 0.5
    mine, _ = m_step(structure.with_(reg_covar=ridge), spreads, counts)
    assert is_of(name, mine)
    raised = spreads + counts[:, None, None] * np.diag(ridge * np.ones(4))
    assert_allclose(mine, m_step(structure, raised, counts)[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_any_vector_is_a_member(name):
    structure = structure_of(name)
    _, factors = m_step(structure, *scatters(3, 4, 0))
    n = len(np.concatenate(structure.to_vector(factors)))
    for seed in range(5):
        vector = np.random.default_rng(seed).normal(size=n)
        found = structure.from_factors(structure.from_vector(vector, factors.shape))
        assert is_of(name, structure.outer(found, 3, 4), 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_scatters_that_are_singular_have_a_step_or_a_named_error(name):
    spreads, counts = scatters(3, 4, 0)
    flat = spreads.copy()
    flat[1, :, 0] = flat[1, 0] = 0          # one component has no extent along a column
    for case, errors in ((flat, {"VVI", "EVI", "VVV", "EVV", "EVE", "VVE"}),
                         (spreads * np.array([1, 0, 1])[:, None, None], set(NAMES) - {
                             "EII", "EEI", "EEE", "EEV"}),
                         (spreads * 0, set(NAMES))):
        try:
            found, _ = m_step(structure_of(name), case, counts)
        except DegenerateFitError as error:
            assert name in errors and "covariance" in str(error)
        else:
            assert name not in errors or np.linalg.eigvalsh(found).min() > 0
            assert np.isfinite(found).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1e-140, 1e-100, 1e100, 1e140])
def test_the_size_of_variances_does_not_matter(name, size):
    spreads, counts = scatters(3, 4, 0)
    expected, _ = m_step(structure_of(name), spreads, counts)
    found, factors = m_step(structure_of(name), size * spreads, counts)
    again, _ = m_step(structure_of(name), size * spreads, counts, factors)
    for each in (found, again):
        assert_allclose(each / size, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


# --- mixtures -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_em_ends_where_mclust_does(name):
    for labels, theirs in zip((np.minimum(SPECIES, 1), SPECIES), MCLUST[name]):
        model = from_partition(name, IRIS.data, labels)
        mine = total_log_likelihood(model, IRIS.data)
        assert_allclose(model.lower_bound_ * 150, mine, rtol=1e-9)
        # where axes are common and volumes free, mclust's end has a slope
        if name == "VVE":
            assert mine > theirs + 0.1
        else:
            assert_allclose(mine, theirs, rtol=1e-8)
        assert model.converged_ and never_falls(model) and is_of(name, model.covariances_, 1e-6)


def test_the_parameters_are_counted_as_mclust_does():
    rng = np.random.default_rng(0)
    for name, expected in N_PARAMETERS.items():
        counts = iter(expected)
        for d in (1, 2, 5):
            X = rng.normal(size=(60, d))
            for k in (1, 2, 4):
                model = GaussianMixture(k, covariance_type=name, max_iter=0).fit(X)
                assert model.n_parameters_ == next(counts)
    X = rng.normal(size=(30, 3))
    for name, n in {"full": 12, "tied": 6, "diag": 6, "spherical": 2}.items():
        model = GaussianMixture(2, covariance_type=name, max_iter=0).fit(X)
        assert model.n_parameters_ == 1 + 6 + n
    fixed = GaussianMixture(2, covariance_type="VEE", means_init=X[:2], fixed=("means",),
                            max_iter=0).fit(X)
    assert fixed.n_parameters_ == 1 + 7
    with pytest.raises(AttributeError, match="n_parameters_"):
        _ = GaussianMixture().n_parameters_


def tables():
    rng = np.random.default_rng(3)
    X = IRIS.data.copy()
    yield "complete", X, {}
    yield "weights", X, {"sample_weight": rng.uniform(0, 2, size=len(X)).round(1)}
    yield "shifted", X + 1e6, {}
    labels = np.where(rng.uniform(size=len(X)) < 0.2, SPECIES, -1)
    yield "labels", X, {"labels": labels}
    holes = X.copy()
    holes[rng.uniform(size=X.shape) < 0.15] = np.nan
    yield "nan", holes, {}
    yield "float32", X.astype(np.float32), {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", range(6))
def test_the_objective_never_falls_and_the_family_is_kept(name, case):
    kind, X, more = list(tables())[case]
    for options in ({}, {"acceleration": "squarem"}, {"covariance_prior": "empirical"},
                    {"covariance_prior": "empirical", "acceleration": "squarem"}):
        if kind == "float32" and options:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = GaussianMixture(3, covariance_type=name, reg_covar=0, tol=1e-9, max_iter=60,
                                    random_state=0, **options).fit(X, **more)
        single = kind == "float32"
        assert never_falls(model, 1e-6 if single else 1e-10 if kind == "shifted" else 1e-12)
        assert is_of(name, model.covariances_, 1e-4 if single else 1e-6)
        assert model.covariances_.shape == model.precisions_.shape == (3, 4, 4)
        assert model.precisions_cholesky_.shape == (3, 4, 4)
        for u, p, s in zip(model.precisions_cholesky_, model.precisions_, model.covariances_):
            assert_allclose(u @ u.T, p, rtol=1e-3 if single else 1e-7, atol=1e-8 * np.abs(p).max())
            assert_allclose(p @ s, np.eye(4), atol=1e-2 if single else 1e-6)


@pytest.mark.parametrize("name", [*NAMES, "full", "tied"])
def test_matrices_are_symmetric_to_the_last_digit(name):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)) + 100 * rng.normal(size=5)
    scale = np.cov(X.T)
    scale[0, 1] *= 1 + 1e-9     # as good as symmetric
    for options in ({}, {"init_params": "random"}, {"covariance_prior": (9.0, scale)}):
        model = GaussianMixture(3, covariance_type=name, random_state=0, max_iter=4, tol=0,
                                **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X)
        for matrices in (model.covariances_, model.precisions_):
            assert_array_equal(matrices, np.swapaxes(matrices, -1, -2))


@pytest.mark.parametrize("pair", [("VII", "spherical"), ("VVI", "diag"), ("EEE", "tied"),
                                  ("VVV", "full")])
def test_four_of_them_are_those_of_scikit_learn(pair):
    lettered, plain = (
        GaussianMixture(3, covariance_type=name, random_state=0).fit(IRIS.data) for name in pair)
    assert lettered.lower_bounds_ == plain.lower_bounds_
    structure = plain._structure
    for k in range(3):
        assert_array_equal(lettered.covariances_[k],
                           structure.matrix(plain.covariances_, k, 4))
    assert_array_equal(lettered.predict_proba(IRIS.data), plain.predict_proba(IRIS.data))
    assert lettered.n_parameters_ == plain.n_parameters_


@pytest.mark.parametrize("name", NAMES)
def test_what_a_fit_can_do(name, tmp_path):
    X = IRIS.data
    model = GaussianMixture(3, covariance_type=name, random_state=0, reg_covar=0).fit(X)
    log_joint = np.array([np.log(w) + multivariate_normal(m, s).logpdf(X) for w, m, s in zip(
        model.weights_, model.means_, model.covariances_)]).T
    assert_allclose(model.score_samples(X), np.logaddexp.reduce(log_joint, axis=1), rtol=1e-9)
    assert_array_equal(model.predict(X), log_joint.argmax(axis=1))
    model.save(tmp_path / "model")
    for other in (GaussianMixture.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        for attribute in ("covariances_", "precisions_", "precisions_cholesky_", "means_"):
            assert_array_equal(getattr(other, attribute), getattr(model, attribute))
        assert_array_equal(other.predict_proba(X), model.predict_proba(X))
        assert other.n_parameters_ == model.n_parameters_
    # a long draw has the moments of the components
    model.weights_ = np.array([0.0, 0.0, 1.0])
    drawn, labels = model.sample(20_000)
    assert (labels == 2).all()
    assert_allclose(np.cov(drawn.T), model.covariances_[2],
                    atol=0.05 * np.abs(model.covariances_[2]).max())


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_a_mixture_are_of_an_honest_family(name):
    X = IRIS.data
    model = GaussianMixture(3, covariance_type=name, random_state=0, reg_covar=0).fit(X)
    columns, others = [2, 0], [1, 3]
    marginal = model.marginal(columns)
    assert_allclose(marginal.covariances_, model.covariances_[:, columns][:, :, columns])
    assert is_of(marginal.covariance_type, marginal.covariances_, 1e-6)
    given = model.condition(columns, X[0, columns])
    S, mu = model.covariances_, model.means_
    for k in range(3):
        gain = S[k][np.ix_(others, columns)] @ np.linalg.inv(S[k][np.ix_(columns, columns)])
        assert_allclose(given.covariances_[k],
                        S[k][np.ix_(others, others)] - gain @ S[k][np.ix_(columns, others)],
                        atol=1e-12)
        assert_allclose(given.means_[k], mu[k, others] + gain @ (X[0, columns] - mu[k, columns]))
    assert is_of(given.covariance_type, given.covariances_, 1e-6)
    kept = {"EII", "VII", "EEI", "VEI", "VVI", "EEE", "VEE", "VVV"}
    for part in (marginal, given):
        assert part.covariance_type == (
            name if name in kept else "VVI" if name == "EVI" else "VVV")
        assert part.score_samples(X[:3, :2]).shape == (3,)
    mean, covariance = model.regress(columns, X[:2, columns])
    assert_allclose(mean[0], given.weights_ @ given.means_)
    assert covariance.shape == (2, 2, 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_warm_start_goes_on(name):
    once = GaussianMixture(3, covariance_type=name, random_state=0, max_iter=9, tol=0, reg_covar=0)
    twice = GaussianMixture(3, covariance_type=name, random_state=0, max_iter=4, tol=0,
                            reg_covar=0, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        once.fit(IRIS.data)
        twice.fit(IRIS.data).set_params(max_iter=5).fit(IRIS.data)
    assert_allclose(twice.covariances_, once.covariances_, rtol=1e-6, atol=1e-9)
    assert_allclose(twice.lower_bound_, once.lower_bound_, rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_given_precisions_are_brought_into_the_family(name):
    """What is of it stays, what is not becomes the M-step of the components; the first bound is
    that of the family, so that no step falls from it."""
    weights, means, covariances = parts_of(IRIS.data, SPECIES)
    options = {"covariance_type": name, "reg_covar": 0, "max_iter": 2, "tol": 10,
               "weights_init": weights, "means_init": means}
    outside = GaussianMixture(
        3, precisions_init=np.linalg.inv(covariances), **options).fit(IRIS.data)
    structure = structure_of(name)
    made, _ = m_step(structure, 50 * covariances, np.full(3, 50.0))
    inside = GaussianMixture(3, precisions_init=np.linalg.inv(made), **options).fit(IRIS.data)
    model = GaussianMixture(3)
    model.weights_, model.means_, model.covariances_ = weights, means, made
    for each in (outside, inside):
        assert never_falls(each)
        assert_allclose(each.lower_bounds_[0] * 150, total_log_likelihood(model, IRIS.data),
                        rtol=1e-9)
    fixed = GaussianMixture(3, precisions_init=np.linalg.inv(made), fixed=("covariances",),
                            **{**options, "max_iter": 5}).fit(IRIS.data)
    assert_allclose(fixed.covariances_, made, rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match=rf"{name} precision' should have the shape of \(3, 4, 4"):
        GaussianMixture(3, covariance_type=name, precisions_init=np.eye(4)).fit(IRIS.data)
    for bad in (-np.linalg.inv(covariances), np.triu(np.linalg.inv(covariances))):
        with pytest.raises(ValueError, match=f"{name} precision' should be symmetric, positive-"):
            GaussianMixture(3, covariance_type=name, precisions_init=bad).fit(IRIS.data)


@pytest.mark.parametrize("name", NAMES)
def test_starts_of_standardised_columns_are_fits_of_raw_ones(name):
    """K-means sees columns that count the same; the family is that of the columns as they are."""
    scale = np.array([1.0, 100.0, 1e-2, 10.0])
    X = IRIS.data * scale
    model = GaussianMixture(
        3, covariance_type=name, random_state=0, init_scaling="standard", n_init=3, short_iter=5,
        init_params=("kmeans", "random_from_data"), reg_covar="auto", tol=1e-8,
        max_iter=500).fit(X)
    assert is_of(name, model.covariances_, 1e-5)
    assert_allclose(model.lower_bound_ * 150, total_log_likelihood(model, X), rtol=1e-5)
    structure = structure_of(name)
    if not structure.one_unit and structure.n_axes:
        same = GaussianMixture(**model.get_params()).fit(IRIS.data)
        assert_allclose(model.covariances_ / np.outer(scale, scale), same.covariances_,
                        rtol=1e-4, atol=1e-5)


def test_single_rows_begin_with_the_covariance_of_all():
    for name in NAMES:
        model = GaussianMixture(3, covariance_type=name, init_params="k-means++", max_iter=0,
                                random_state=0).fit(IRIS.data)
        spread = np.trace(model.covariances_, axis1=1, axis2=2)
        assert_allclose(spread, np.trace(np.cov(IRIS.data.T, bias=True)), rtol=1e-4)


def test_one_column():
    """The letters of shape and axes say nothing then: E and V of mclust, whose E ends at
    -177.470665742 from the species."""
    X = np.random.default_rng(0).normal(size=(300, 1)) * np.repeat([1.0, 3.0, 2.0], 100)[:, None]
    X[100:, 0] += 8
    labels = np.repeat([0, 1], [100, 200])
    for name in NAMES:
        model = from_partition(name, X, labels)
        plain = from_partition(name[0] + "II", X, labels)
        assert_allclose(model.lower_bound_, plain.lower_bound_, rtol=1e-10)
        assert_allclose(model.covariances_, plain.covariances_, rtol=1e-5)
        assert model.covariances_.shape == (2, 1, 1)
        if name[0] == "E":
            model = from_partition(name, IRIS.data[:, :1], SPECIES)
            assert_allclose(model.lower_bound_ * 150, -177.470665742, rtol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_the_bits_are_those_of_every_number_of_threads(name):
    X = np.random.default_rng(0).normal(size=(3000, 4)) * [1, 2, 3, 4]
    X[::2] += 3
    one, two = (GaussianMixture(2, covariance_type=name, random_state=0, n_threads=n).fit(X)
                for n in (1, 2))
    assert one.lower_bounds_ == two.lower_bounds_
    assert_array_equal(one.covariances_, two.covariances_)


@pytest.mark.parametrize("name", ["EVE", "VVE", "EEV", "VEV"])
def test_columns_of_very_different_scales_may_stand_in_any_order(name):
    X = IRIS.data * [1e8, 1e3, 1, 1e-4]
    fits = []
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        model = from_partition(name, X[:, order], SPECIES, max_iter=40, tol=1e-9)
        assert never_falls(model, 1e-11)
        fits.append(model.lower_bounds_)
    for bounds in fits[1:]:
        assert_allclose(bounds[-1], fits[0][-1], rtol=1e-8)


@pytest.mark.parametrize("name", ["VEE", "EVE", "VVE", "EEV", "VEV", "EVV"])
def test_columns_that_determine_each_other_are_no_fit(name):
    structure = structure_of(name)
    for seed in range(20):
        X = np.random.default_rng(seed).normal(size=(40, 3))
        for columns in ((X[:, 0], X[:, 1], X[:, 0]), (X[:, 0], X[:, 1], X[:, 0] + 3 * X[:, 1]),
                        (X[:, 0], X[:, 1], np.zeros(40))):
            table = np.column_stack(columns)
            spreads = np.array([np.cov(table[part].T) for part in (slice(20), slice(20, 40))])
            with pytest.raises(DegenerateFitError, match="not positive definite"):
                m_step(structure, spreads, np.full(2, 20.0))


def test_collapsed_components_are_found():
    """Sixty rows on a plane: a spike where the family allows it and a start finds it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    X[:60, 2] = 9
    spiky = set()
    for name in NAMES:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = GaussianMixture(2, covariance_type=name, random_state=0, tol=1e-6,
                                    max_iter=200).fit(X)
        assert np.isfinite(model.covariances_).all()
        texts = [str(each.message) for each in caught]
        assert any("collapsed" in text for text in texts) == bool(
            len(model.degenerate_components_))
        if len(model.degenerate_components_):
            spiky.add(name)
    assert {"VVI", "VVV", "VVE"} <= spiky and not spiky & {"EII", "EEI", "EEE", "VEE"}


# --- a choice among them --------------------------------------------------------------------


def test_all_types_are_tried_and_those_that_are_the_same_once():
    fits = []

    def watch(state):
        fits.append(state.n_iter)

    with pytest.warns(EMWarning, match="2, is the largest that was tried"):
        result = select_mixture(
            IRIS.data, [1, 2], "all", random_state=0, n_init=3, callback=watch)
    assert len(result.table) == 28
    # two components are the famous answer; VEV of BIC 561.7284 is that of mclust
    assert (result.best.n_components, result.best.covariance_type) == (2, "VEV")
    assert_allclose(result.chosen["bic"], 561.728, atol=0.01)
    assert sum(n == 1 for n in fits) == 14 + 3
    for row in result.table:
        n = row["n_components"]
        assert row["error"] is None and row["below"] is None
        expected = structure_of(row["covariance_type"]).n_parameters(n, 4) + 5 * n - 1
        assert row["n_parameters"] == expected
        twin = next(other for other in result.table if other["n_components"] == n and
                    other["covariance_type"] == same_as(row["covariance_type"], n, 4))
        assert twin["bic"] == row["bic"]
    single = select_mixture(IRIS.data, 1, ["VVV", "VEV", "EII"], random_state=0)
    assert single.best.covariance_type == "VVV"        # the first of those that are the same
    assert [row["log_likelihood"] for row in single.table[:2]] == [
        single.table[0]["log_likelihood"]] * 2
    again = select_mixture(IRIS.data, 2, ["full", "VEV", "VVE"], random_state=0, n_init=3)
    assert again.best.covariance_type == "VEV"
    assert [row["covariance_type"] for row in again.table] == ["full", "VEV", "VVE"]


def test_of_one_column_there_are_two_types():
    X = IRIS.data[:, 2:3]
    result = select_mixture(X, [1, 2, 3], "all", random_state=0, n_init=3)
    rows = {(row["n_components"], row["covariance_type"]): row for row in result.table}
    assert len(rows) == 42
    for name in NAMES:
        for n in (2, 3):
            assert rows[n, name]["bic"] == rows[n, name[0] + "II"]["bic"]
        assert rows[1, name]["bic"] == rows[1, "EII"]["bic"]
    assert result.best.covariance_type in ("EII", "VII")


def test_more_components_go_on_from_fewer_in_every_family():
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(size=(40, 2)) * [1, 3], rng.normal(size=(40, 2)) + 6])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in NAMES:
            result = select_mixture(X, [1, 2, 3, 4], name, random_state=0, n_init=1,
                                    init_params="random", max_iter=30)
            values = [row["log_likelihood"] for row in result.table]
            assert (np.diff(values) > -1e-2).all(), (name, values)


def test_who_does_not_take_them_says_so():
    with pytest.raises(ValueError, match="'covariance_type' parameter of GaussianMixtureImputer"):
        GaussianMixtureImputer(2, covariance_type="VEE").fit(IRIS.data)
    with pytest.raises(ValueError, match="'diag' or 'spherical', got 'VEE'"):
        SufficientStatistics("VEE", IRIS.data[:2])
    with pytest.raises(ValueError, match="covariance_types must be some of .*EII.*, or 'all', got"):
        select_mixture(IRIS.data, 2, ["VVV", "XXX"])
    with pytest.raises(ValueError, match=r"must be a str among \{'full', 'tied', 'diag', 's"):
        GaussianMixture(covariance_type="vvv").fit(IRIS.data)
    for types in (None, 3):
        with pytest.raises(ValueError, match="covariance_types must be some of"):
            select_mixture(IRIS.data, 2, types)


def test_a_comparison_with_k_means_takes_them():
    result = compare_clusterings(IRIS.data, 3, covariance_type="VEV", random_state=0)
    covariances = result.mixture.covariances_
    assert covariances.shape == (3, 4, 4)
    values = np.linalg.eigvalsh(covariances)
    assert_allclose([row["elongation"] for row in result.table],
                    np.sqrt(values[:, -1] / values[:, 0]), rtol=1e-6)
