"""Every family of covariances keeps what a structure promises."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from emkernels import SufficientStatistics
from emkernels.components.gaussian import (
    CovariancePrior,
    GaussianComponents,
    Gaussians,
    structure_of,
)
from emkernels.components.gaussian.structures import COVARIANCE_TYPES, LETTERED, PLAIN
from emkernels.data import Rows
from emkernels.em import DegenerateFitError

K, D = 3, 4


def covariances_of(structure, seed=0, k=K, d=D):
    """Covariances of the family, and each as a matrix."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(k, d, d))
    matrices = roots @ np.swapaxes(roots, 1, 2) + 0.5 * np.eye(d)
    scatter, divisor, _ = structure.divided(
        np.array(structure.second_of(matrices)), np.ones(k), d)
    own = structure.bare.imposed(scatter, divisor, d)
    return own, np.array([structure.matrix(own, j, d) for j in range(k)])


@pytest.fixture(params=COVARIANCE_TYPES)
def structure(request):
    return structure_of(request.param)


@pytest.fixture(params=PLAIN)
def plain(request):
    """One that constrains nothing beyond one matrix for all or one each."""
    return structure_of(request.param)


def has_floor(structure):
    try:
        structure.with_(floor=1.0)
    except ValueError:
        return False
    return True


def test_shapes_and_numbers(structure):
    own, matrices = covariances_of(structure)
    assert own.shape == structure.shape(K, D) and matrices.shape == (K, D, D)
    if structure.name in PLAIN:
        # a symmetric matrix has d (d + 1) / 2 numbers, the others are its diagonal or one of it
        alone = {2: D * (D + 1) // 2, 1: D, 0: 1}[structure.n_axes]
        assert structure.n_parameters(K, D) == alone * (1 if structure.shared else K)
    assert len(structure.each(own)) == (1 if structure.shared else K)
    order = np.array([2, 0, 1, 1])
    moved = structure.reordered(own, order)
    assert moved.shape == structure.shape(4, D)
    for new, old in enumerate(order):
        assert_array_equal(structure.matrix(moved, new, D), matrices[old])
    users = structure.outer(own, K, D)
    assert users.shape == structure.outer_shape(K, D)
    if structure.name in LETTERED:
        assert_array_equal(users, matrices)
    assert_array_equal(structure.inner(users), own)
    weights = np.array([0.2, 0.5, 0.3])
    assert_allclose(structure.within(weights, own, D), np.einsum("k,kde->de", weights, matrices))
    for j in range(2):
        assert_allclose(structure.matrix(structure.repeated(matrices[0], 2), j, D), matrices[0])
    # whoever shares less than a kernel takes has its matrices of it
    assert structure.kernel in PLAIN
    assert structure.shape(K, D) == structure_of(structure.kernel).shape(K, D)


def test_factors_and_precisions(structure):
    own, matrices = covariances_of(structure)
    factors = structure.factors(own)
    assert factors.flags.c_contiguous and factors.shape == own.shape
    assert_allclose(structure.from_factors(factors), own, rtol=1e-10)
    precisions = structure.precisions(factors)
    as_matrices = np.array([structure.matrix(precisions, k, D) for k in range(K)])
    assert_allclose(as_matrices, np.linalg.inv(matrices), rtol=1e-9, atol=1e-12)
    assert_allclose(structure.from_precisions(precisions), factors, rtol=1e-9, atol=1e-12)
    users = structure.outer(precisions, K, D)
    assert_allclose(structure.check_precisions(users.tolist(), K, D), users)
    assert_allclose(structure.start_factors(users, None), factors, rtol=1e-7, atol=1e-10)
    if not structure.diagonal:      # upper triangular U with U U' the precision
        assert_array_equal(np.tril(factors, -1), 0)
    with pytest.raises(ValueError, match="shape"):
        structure.check_precisions(np.ones((7, 7, 7)), K, D)
    with pytest.raises(ValueError, match="positive"):
        structure.check_precisions(-users, K, D)
    with pytest.raises(DegenerateFitError):
        structure.factors(np.zeros_like(own))


def test_vectors_stand_for_factors(structure):
    own, _ = covariances_of(structure)
    factors = structure.factors(own)
    vector = np.concatenate(structure.to_vector(factors))
    # (families that are no flat space have none of their own)
    assert len(vector) == (
        K * D * (D + 1) // 2 if structure.one_unit else structure.n_parameters(K, D))
    assert_allclose(structure.from_vector(vector, factors.shape), factors,
                    rtol=1e-7 if structure.one_unit else 1e-12, atol=1e-10)
    # any vector at all
    other = structure.from_vector(np.random.default_rng(1).normal(size=len(vector)), factors.shape)
    np.linalg.cholesky([structure.matrix(structure.from_factors(other), k, D) for k in range(K)])
    assert structure.from_vector(np.full(len(vector), 1e4), factors.shape) is None


def test_units(structure):
    one_unit = structure.n_axes == 0 or structure.one_unit
    scale = np.full(D, 3.0) if one_unit else np.array([1e-3, 1.0, 5.0, 1e3])
    own, matrices = covariances_of(structure)
    raw = own * structure.units(scale)
    for k in range(K):
        assert_allclose(structure.matrix(raw, k, D), matrices[k] * np.outer(scale, scale))
    assert_allclose(structure.factors_to_raw(structure.factors(own), scale),
                    structure.factors(raw), rtol=1e-9, atol=1e-12)
    if structure.name in LETTERED:      # the units leave it in the family
        back = structure.start_factors(np.linalg.inv(structure.outer(raw, K, D)), None)
        assert_allclose(structure.from_factors(back), raw, rtol=1e-6)
    assert_allclose(structure.variance_units(scale) * np.ones(D), scale**2)
    deviations, units = structure.deviations(own)
    for k in range(K):
        assert_allclose(np.broadcast_to(deviations, (K, D))[k], np.sqrt(np.diag(matrices[k])))
    assert_allclose((own / units).max(), 1)
    variances = np.array([1.0, 2.0, 3.0, 6.0])
    pooled = np.full(D, 3.0) if structure.n_axes == 0 else variances
    assert_allclose(structure.pooled(variances), pooled)
    common = np.full(D, 3.0) if one_unit else variances
    assert_allclose(structure.common_scale(np.sqrt(variances)), np.sqrt(common))


def test_some_columns(structure):
    own, matrices = covariances_of(structure)
    columns = np.array([3, 0])
    part = structure.select(own, columns)
    for k in range(K):
        assert_allclose(structure.matrix(part, k, 2), matrices[k][np.ix_(columns, columns)])
    inside = np.array([1, 2, 4, 5])
    wide = structure.embed(own, inside, 7)
    if structure.n_axes:
        assert_array_equal(structure.select(wide, inside), own)
        assert structure.matrix(wide, 0, 7)[0].any() == 0
    directions = np.random.default_rng(0).normal(size=(D, 2))
    expected = np.swapaxes(directions.T @ matrices @ directions, 1, 2)
    assert_allclose(np.broadcast_to(structure.projected(own, directions), (K, 2, 2)), expected)


@pytest.mark.parametrize("prior, ridge", [(False, 0.0), (True, 0.0), (True, 0.3)])
def test_an_m_step_has_the_moments_of_the_rows(plain, prior, ridge):
    """About other centres than the means, of rows in one component each."""
    structure, rng = plain, np.random.default_rng(0)
    n = np.array([40, 25, 60])
    labels = np.repeat(np.arange(K), n)
    X = rng.normal(size=(n.sum(), D)) @ rng.normal(size=(D, D)) + labels[:, None]
    centers = rng.normal(size=(K, D))
    gaps = X - centers[labels]
    spreads = np.array([gaps[labels == k].T @ gaps[labels == k] for k in range(K)])
    first = np.array([gaps[labels == k].sum(axis=0) for k in range(K)])
    statistics = SufficientStatistics(
        structure.name, centers, n, first, structure.second_of(spreads))
    scale = np.diag([1.0, 2.0, 3.0, 4.0])
    made = structure.with_(reg_covar=ridge)
    dof = 0
    if prior:
        dof = 5.0
        made = made.with_(prior=CovariancePrior(dof, structure.of_matrix(scale)))
    found, factors, lifted = made.maximise(
        statistics, n.astype(float), first / n[:, None], centers + first / n[:, None])
    assert not lifted
    assert_allclose(structure.from_factors(factors), found, rtol=1e-9)
    own = [np.cov(X[labels == k].T, bias=True) * n[k] for k in range(K)]
    for k in range(K):
        # for variances every one has the prior; one of all columns has as many rows as cells
        if structure.n_axes == 2:
            scatter, count, more = own[k], n[k], dof + D + 1
            if structure.shared:
                scatter, count = sum(own), n.sum()
            expected = (scatter + prior * scale) / (count + prior * more)
        elif structure.n_axes == 1:
            expected = np.diag((np.diag(own[k]) + prior * np.diag(scale))
                               / (n[k] + prior * (dof + 2)))
        else:
            expected = np.eye(D) * (np.trace(own[k]) + prior * np.trace(scale) / D) / (
                n[k] * D + prior * (dof + 2))
        assert_allclose(structure.matrix(found, k, D), expected + ridge * np.eye(D), rtol=1e-10)
    if not prior:
        assert_allclose(found, statistics.covariances(), rtol=1e-10)


def test_means_that_stay_are_what_covariances_are_about(structure):
    """Of one component, which has no one to share with."""
    rng = np.random.default_rng(0)
    X, n = rng.normal(size=(50, D)) + 1, np.array([50.0])
    stay = rng.normal(size=(1, D))
    gaps = X - stay
    first, spreads = gaps.sum(axis=0)[None], (gaps.T @ gaps)[None]
    statistics = SufficientStatistics(
        structure.kernel, stay, n, first, structure.second_of(spreads))
    offsets = first / n[:, None]
    found, *_ = structure.maximise(statistics, n, offsets, stay, residual=offsets)
    expected = structure.of_matrix(gaps.T @ gaps / 50)
    assert_allclose(found if structure.shared else found[0], expected, rtol=1e-9)


def test_the_floor_lifts_what_is_below_and_nothing_else(structure):
    if not has_floor(structure):
        with pytest.raises(ValueError, match=f"covariances {structure.name} have no floor"):
            structure.with_(floor=1.0)
        return
    own, matrices = covariances_of(structure)
    low = structure.with_(floor=1e-9)
    assert low.lift(own) is own
    floor = float(np.median(np.linalg.eigvalsh(matrices)) * 1.01)
    high = structure.with_(floor=floor)
    lifted = high.lift(own)
    assert lifted is not own
    for k in range(K):
        values, vectors = np.linalg.eigh(matrices[k])
        expected = (vectors * np.maximum(values, floor)) @ vectors.T
        assert_allclose(structure.matrix(lifted, k, D), expected, rtol=1e-9)
    covariances, factors = high.raised(structure.factors(own))
    assert_allclose(structure.from_factors(factors), lifted, rtol=1e-9)
    assert covariances is not None
    same, kept = low.raised(structure.factors(own))
    assert same is None and kept is not None


def test_the_log_prior_is_that_of_the_inverse_wishart(structure):
    """Up to a constant: the difference of two covariances is that of SciPy's densities."""
    stats = pytest.importorskip("scipy.stats")
    scale, dof = np.diag([1.0, 2.0, 0.5, 3.0]), 9.0
    prior = CovariancePrior(dof, structure.of_matrix(scale))
    values, expected = [], []
    for seed in range(3):
        own, matrices = covariances_of(structure, seed)
        values.append(structure.with_(prior=prior).log_prior(structure.factors(own), D))
        once = structure.name in ("EII", "EEI")     # one set of variances, repeated
        if structure.n_axes == 2:
            # for an inverse Wishart of dof degrees the exponent has dof + d + 1
            each = matrices[:1] if structure.shared else matrices
            expected.append(sum(stats.invwishart(dof, scale).logpdf(m) for m in each))
        else:
            gammas = stats.invgamma(dof / 2, scale=np.broadcast_to(prior.scale, own.shape) / 2)
            expected.append(gammas.logpdf(own)[: 1 if once else None].sum())
    assert_allclose(np.diff(values), np.diff(expected), rtol=1e-9)


def test_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="'full', .* 'spherical', or one of EII, .*, got 'round'"):
        structure_of("round")


def test_a_start_of_any_layout_and_precision_is_read_or_refused():
    rng = np.random.default_rng(0)
    rows = Rows.read(rng.normal(size=(60, D)))
    structure = structure_of("spherical")
    means, weights, factors = rng.normal(size=(K, D)).round(2), np.array([0.25, 0.25, 0.5]), (
        np.array([1.0, 0.5, 2.0]))

    def log_likelihood(weights=weights, means=means, factors=factors):
        gaussians = Gaussians(structure, means, None, factors)
        return GaussianComponents(structure).mixed(rows, weights, gaussians).log_likelihood

    expected = sum(
        np.logaddexp.reduce([np.log(w) - 0.5 * u**2 * ((x - m) ** 2).sum()
                             + D * np.log(u / np.sqrt(2 * np.pi))
                             for w, m, u in zip(weights, means, factors)]) for x in rows.X)
    assert_allclose(log_likelihood(), expected, rtol=1e-12)
    for other in ({"means": np.asfortranarray(means)}, {"factors": factors.astype(np.float32)},
                  {"weights": weights.tolist()}, {"weights": np.repeat(weights, 2)[::2]}):
        assert_allclose(log_likelihood(**other), expected, rtol=1e-12)
    for other, match in (
            ({"weights": weights[:2]}, r"weights must have shape \(3,\), got \(2,\)"),
            ({"means": means[:, :2]}, r"means must have shape \(n_components, 4\)"),
            ({"factors": np.array(1.0)}, r"precisions_cholesky must have shape \(3,\)")):
        with pytest.raises(ValueError, match=match):
            log_likelihood(**other)
