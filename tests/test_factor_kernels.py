"""The fused pass of factor analysers, against dense covariances, on every SIMD level."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from emkernels.components.factors.mixed import Analysers, FactorComponents
from emkernels.data import Rows
from emkernels.kernels.dispatch import available_levels, set_simd_level, simd_level
from emkernels.latent.mixture import Mixture

SHAPES = [(1, 1, 1, 1), (70, 3, 2, 1), (33, 16, 3, 5), (150, 37, 4, 3), (90, 17, 2, 11),
          (300, 130, 7, 6), (40, 2, 3, 4)]


@pytest.fixture(params=available_levels())
def level(request):
    before = simd_level()
    set_simd_level(request.param)
    yield request.param
    set_simd_level(before)


def problem(n, D, K, q, seed=0, apart=1.0):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(K, size=n)
    weights = rng.dirichlet(np.full(K, 5.0))
    means = apart * rng.normal(size=(K, D))
    components = rng.normal(size=(K, q, D))
    noise = rng.uniform(0.3, 2.0, size=(K, D))
    X = means[kinds] + np.einsum("nq,nqd->nd", rng.normal(size=(n, q)), components[kinds])
    X += rng.normal(size=(n, D)) * np.sqrt(noise[kinds])
    return X, weights, means, components, noise


def family_of(X):
    scale = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    return FactorComponents(X.mean(axis=0), scale, 1e-6 * scale)


def parts_of(means, components, noise):
    return Analysers(means, components, np.sqrt(noise))


def sums_of(X, weight, resp, means, components, noise):
    """What the pass adds up, about the means and in units of the noise."""
    out = {}
    K, q, D = components.shape
    r = resp if weight is None else resp * weight[:, None]
    out["counts"] = r.sum(axis=0)
    for name, shape in (("first", (K, D)), ("square", (K, D)), ("cross", (K, q, D)),
                        ("second", (K, q, q)), ("factors", (K, q))):
        out[name] = np.empty(shape)
    for k in range(K):
        unit = np.sqrt(noise[k])
        L, e = components[k] / unit, (X - means[k]) / unit
        inner = np.linalg.inv(np.eye(q) + L @ L.T)
        z = e @ L.T @ inner
        out["first"][k], out["square"][k] = r[:, k] @ e, r[:, k] @ e**2
        out["cross"][k] = (z * r[:, k:k + 1]).T @ e
        out["factors"][k] = r[:, k] @ z
        out["second"][k] = (z * r[:, k:k + 1]).T @ z + r[:, k].sum() * inner
    return out


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_and_densities(shape, dtype, level):
    X, weights, means, components, noise = problem(*shape)
    X = X.astype(dtype)
    means = means.astype(dtype).astype(float)
    weight = np.random.default_rng(1).uniform(0.2, 2.0, len(X)) if len(X) > 1 else None
    rows = Rows.read(X).weighed(weight)
    family, parts = family_of(X.astype(float)), parts_of(means, components, noise)
    found = family.mixed(rows, weights, parts)
    norm, resp = reference.factor_mixture_e_step(X.astype(float), weights, means, components, noise)
    expected = sums_of(X.astype(float), weight, resp, means, components, noise)
    precision = 1e-11 if dtype == "f8" else 2e-4
    w = np.ones(len(X)) if weight is None else weight
    assert_allclose(found.log_likelihood, w @ norm, rtol=precision)
    for name, values in expected.items():
        assert_allclose(getattr(found, name), values, rtol=precision,
                        atol=precision * np.abs(values).max())
    out = family.each(rows, weights, parts, ("log_prob_norm", "resp", "labels"))
    assert out["log_prob_norm"].dtype == X.dtype
    assert_allclose(out["log_prob_norm"], norm, rtol=precision, atol=precision)
    assert_allclose(out["resp"], resp, atol=precision)
    assert_array_equal(out["labels"][resp.max(axis=1) > 0.51],
                       resp.argmax(axis=1)[resp.max(axis=1) > 0.51])


def test_bits_do_not_depend_on_threads(level):
    X, weights, means, components, noise = problem(2000, 40, 5, 3)
    parts = parts_of(means, components, noise)
    found = []
    for n_threads in (1, 2, 3, 7):
        rows = Rows.read(X).with_(n_threads=n_threads)
        for _ in range(3):      # in an order of the labels from the second pass on
            last = family_of(X).mixed(rows, weights, parts)
        found.append(last)
    for other in found[1:]:
        assert other.log_likelihood == found[0].log_likelihood
        for name in other.SUMS:
            assert_array_equal(getattr(other, name), getattr(found[0], name))


@pytest.mark.parametrize("apart", [0.3, 3.0, 30.0])
def test_what_is_left_out_does_not_matter(apart):
    """Hints from the pass before and another order of the rows change rounding only."""
    X, weights, means, components, noise = problem(700, 64, 6, 2, apart=apart)
    family, parts = family_of(X), parts_of(means, components, noise)
    rows = Rows.read(X)
    first = family.mixed(rows, weights, parts)
    again = family.mixed(rows, weights, parts)
    assert_array_equal(np.sort(rows.kept["analysers", 6]["order"]), np.arange(700))
    wrong = Rows.read(X)
    wrong.kept["analysers", 6] = {"labels": np.random.default_rng(3).integers(
        6, size=len(X)).astype(np.int32)}
    hinted = family.mixed(wrong, weights, parts)
    norm, resp = reference.factor_mixture_e_step(X, weights, means, components, noise)
    for each in (first, again, hinted):
        assert_allclose(each.log_likelihood, norm.sum(), rtol=1e-12)
        assert_allclose(each.counts, resp.sum(axis=0), rtol=1e-10)
        assert_allclose(each.cross, first.cross, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("apart", [0.1, 2.0])
def test_views_of_wide_rows(apart, dtype, level):
    """Components told apart along a few directions: what remains is what matters."""
    X, weights, means, components, noise = problem(400, 200, 6, 3, apart=apart)
    X = (X + 1e3).astype(dtype)
    means = (means + 1e3).astype(dtype).astype(float)
    family, parts = family_of(X.astype(float)), parts_of(means, components, noise)
    rows = Rows.read(X)
    first = family.mixed(rows, weights, parts)
    again = family.mixed(rows, weights, parts)
    views = rows.kept["analysers", 6]["views"]
    assert views.rows.shape == (400, 16) and views.rows.dtype == X.dtype
    precision = 1e-10 if dtype == "f8" else 1e-3
    for name in first.SUMS:
        assert_allclose(getattr(again, name), getattr(first, name), rtol=precision,
                        atol=precision * np.abs(getattr(first, name)).max())
    assert_allclose(again.log_likelihood, first.log_likelihood, rtol=precision)
    # the distance along views is at most the whole
    _, at, whiteners = views.of(means, parts)
    for k in range(6):
        short = (((views.rows.astype(float) - at[k]) @ whiteners[k].T) ** 2).sum(axis=1)
        covariance = components[k].T @ components[k] + np.diag(noise[k])
        gap = X.astype(float) - means[k]
        whole = np.einsum("nd,nd->n", gap, np.linalg.solve(covariance, gap.T).T)
        assert (short <= whole * (1 + (1e-9 if dtype == "f8" else 1e-2))).all()
        assert short.mean() > 1


@pytest.mark.parametrize(("dtype", "precision"), [("f8", 1e-9), ("f4", 2e-3)])
@pytest.mark.parametrize("ratio", [1e-4, 1e-8])
def test_tiny_noise(ratio, dtype, precision, level):
    """Distances do not cancel where noise is tiny beside what the factors explain."""
    rng = np.random.default_rng(0)
    L, noise = rng.normal(size=(1, 2, 12)), np.full((1, 12), ratio)
    X = (rng.normal(size=(50, 2)) @ L[0] + np.sqrt(ratio) * rng.normal(size=(50, 12))).astype(dtype)
    out = family_of(X.astype(float)).each(
        Rows.read(X), np.ones(1), parts_of(np.zeros((1, 12)), L, noise), ("log_prob_norm",))
    # by a basis: what the factors leave, and what they take
    u, s, _ = np.linalg.svd(L[0].T)
    variances = np.r_[s**2 + ratio, np.full(10, ratio)]
    turned = X.astype(np.float64) @ u
    expected = -0.5 * (turned**2 / variances + np.log(2 * np.pi * variances)).sum(axis=1)
    assert_allclose(out["log_prob_norm"], expected, rtol=precision)


def test_rows_far_out(level):
    """Distances that overflow leave the nearest component, and no NaN."""
    means = np.array([[0.0, 0.0, 0.0], [10.0, 10.0, 10.0]])
    parts = parts_of(means, np.full((2, 1, 3), 0.5), np.ones((2, 3)))
    for X in (np.array([[1e200, 1e200, 2e200], [-1e160, 0, 0], [0.0, 1.0, 0.0]]),
              np.array([[1e30, 1e30, 2e30], [-1e25, 0, 0], [0.0, 1.0, 0.0]], "f4")):
        family = FactorComponents(np.zeros(3), np.ones(3), np.full(3, 1e-3))
        out = family.each(Rows.read(X), np.full(2, 0.5), parts, ("log_prob_norm", "resp", "labels"))
        assert not np.isnan(out["resp"]).any()
        assert_allclose(out["resp"].sum(axis=1), 1)
        assert not np.isnan(out["log_prob_norm"]).any()
        assert np.isfinite(out["log_prob_norm"][2])
        found = family.mixed(Rows.read(X), np.full(2, 0.5), parts)
        assert not np.isnan(found.log_likelihood)


@pytest.mark.parametrize("layout", ["C", "F", "steps", "unaligned"])
@pytest.mark.parametrize("width", [21, 32])
def test_layouts(layout, width, level):
    X, weights, means, components, noise = problem(60, width, 3, 2)
    parts, family = parts_of(means, components, noise), family_of(X)
    expected = family.mixed(Rows.read(X), weights, parts)
    if layout == "F":
        other = np.asfortranarray(X)
    elif layout == "steps":
        other = np.zeros((120, 3 * width))[::2, ::3]
        other[:] = X
    elif layout == "unaligned":
        other = np.frombuffer(bytearray(X.nbytes + 1), dtype="u1")[1:].view("f8").reshape(X.shape)
        other[:] = X
    else:
        other = X.copy()
    found = family.mixed(Rows.read(other), weights, parts)
    for name in found.SUMS:
        assert_array_equal(getattr(found, name), getattr(expected, name))


def test_weights_of_nothing():
    """A component of weight zero is nowhere, and stays as it is."""
    X, _, means, components, noise = problem(50, 6, 3, 2)
    parts, family = parts_of(means, components, noise), family_of(X)
    mixture = Mixture(family)
    found = family.mixed(Rows.read(X), np.array([0.5, 0.0, 0.5]), parts)
    assert found.counts[1] == 0
    new = family.maximise(found, parts)
    assert_array_equal(new.means[1], means[1])
    assert_allclose(mixture.weights(found)[1], 0, atol=1e-15)


def test_statistics_add_up():
    X, weights, means, components, noise = problem(80, 9, 2, 2)
    parts, family = parts_of(means, components, noise), family_of(X)
    whole = family.mixed(Rows.read(X), weights, parts)
    half = family.mixed(Rows.read(X[:30]), weights, parts)
    half.merge(family.mixed(Rows.read(X[30:]), weights, parts))
    for name in whole.SUMS:
        assert_allclose(getattr(half, name), getattr(whole, name), rtol=1e-12, atol=1e-10)
    assert half.total == 80 and half.weight == pytest.approx(80)
    with pytest.raises(ValueError, match="different centres"):
        half.merge(family.mixed(Rows.read(X), weights, parts_of(means + 1, components, noise)))
