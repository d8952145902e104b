"""Noise: a component of constant density beside those of a mixture."""

import pickle
import warnings

import numpy as np
import pytest
import reference
from incomplete_problems import answer, incomplete, moments
from numpy.testing import assert_allclose, assert_array_equal
from problems import problem
from reference import COVARIANCE_TYPES
from sklearn.datasets import load_iris

from emkernels import (
    GaussianMixture,
    SufficientStatistics,
    compare_clusterings,
    select_mixture,
)
from emkernels.components.gaussian.structures import LETTERED, is_within
from emkernels.components.uniform import Uniform, uniform_of
from emkernels.data import Rows
from emkernels.em import EMWarning
from emkernels.kernels import passes
from emkernels.models.archives import read_archive, write_archive
from emkernels.starts.noise import cleaned

IRIS = load_iris().data
SPECIES = load_iris().target
MCLUST = {"VVV": "full", "EEE": "tied", "VVI": "diag", "VII": "spherical"}


def clutter(seed=0, n_features=2, n_noise=80):
    """Two clusters of 150 rows and noise about them, and what each row is."""
    rng = np.random.default_rng(seed)
    X = np.concatenate([
        rng.normal(size=(150, n_features)), 0.4 * rng.normal(size=(150, n_features)) + 5,
        rng.uniform(-8, 12, size=(n_noise, n_features))])
    return X, np.repeat([0, 1, -1], [150, 150, n_noise])


# --- the kernels -----------------------------------------------------------------------------

SHAPES = [(1, 1, 1), (700, 1, 3), (33, 2, 1), (1000, 2, 4), (700, 3, 2), (300, 4, 2), (33, 5, 1),
          (1100, 8, 5), (7, 13, 2), (600, 33, 3)]


def of_joint(log_prob, weights, log_noise):
    """Posteriors with the noise last, and log densities."""
    joint = np.column_stack([log_prob + np.log(weights),
                             np.broadcast_to(log_noise, len(log_prob))])
    return reference.responsibilities(joint)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_complete_rows(simd, shape, covariance_type, dtype):
    """One pass with noise of one density, and of one for each row, some of them far denser than
    any component; rows that are known are not noise."""
    p = problem(*shape, covariance_type, dtype, 3.0)
    n, D, K = shape
    tolerance = {"f4": 2e-4, "f8": 1e-11}[dtype]
    log_prob = reference.log_density(p.X, p.means, p.factors, covariance_type)
    rng = np.random.default_rng(5)
    level = np.median((log_prob + np.log(p.weights)).max(axis=1))
    known = np.where(rng.random(n) < 0.3, rng.integers(K, size=n), -1).astype(np.int32)
    for noise in (np.array([level]), level + rng.normal(size=n) * 40):
        resp, norm = of_joint(log_prob, p.weights, noise)
        got = passes.complete_rows(
            p.X, p.weights, p.means, p.factors, covariance_type,
            ("resp", "log_prob_norm", "labels"), noise=noise)
        assert_allclose(got[0], resp, atol=tolerance)
        assert_allclose(got[1], norm, atol=tolerance * (1 + np.abs(norm).max()))
        labels, = passes.complete_rows(     # alone, where work is left out
            p.X, p.weights, p.means, p.factors, covariance_type, ("labels",), noise=noise)
        assert_array_equal(labels, got[2])
        best = np.where(got[2] < 0, K, got[2])
        assert (resp[np.arange(n), best] >= resp.max(axis=1) - tolerance).all()
        for given in (None, known):
            if given is not None:
                sure = given >= 0
                resp[sure] = np.eye(K + 1)[given[sure]]
                norm[sure] = (log_prob + np.log(p.weights))[sure, given[sure]]
            for weight in (None, p.sample_weight):
                w = np.ones(n) if weight is None else weight
                results = [passes.em_pass(
                    p.X, p.weights, p.means, p.factors, covariance_type, weight, known=given,
                    noise=noise, n_threads=threads) for threads in (1, 3)]
                for a, b in zip(*results, strict=True):
                    assert_array_equal(a, b)
                counts, first, second, total, _, in_noise = results[0]
                expected = reference.weighted_moments(
                    p.X, resp[:, :K], p.means, covariance_type, w)
                for a, b in zip((counts, first, second), expected, strict=True):
                    assert_allclose(a, b, atol=tolerance * (1 + np.abs(b).max()))
                assert_allclose(in_noise, w @ resp[:, K], atol=tolerance * n)
                assert_allclose(total, w @ norm, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("design", ["chance", "few"])
def test_incomplete_rows(simd, covariance_type, dtype, design):
    for shape in ((200, 3, 2), (300, 7, 3)):
        p = incomplete(*shape, covariance_type, dtype, design)
        n, D, K = shape
        tolerance = {"f4": 2e-4, "f8": 1e-11}[dtype]
        a = answer(p.X, p.means, p.factors, covariance_type)
        noise = np.random.default_rng(1).normal(size=n) * 5 - 1.5 * (~np.isnan(p.X)).sum(axis=1)
        resp, norm = of_joint(a.log_prob, p.weights, noise)
        patterns = Rows.read(p.X).all_patterns
        model = p.weights, p.means, p.factors, covariance_type
        out = passes.incomplete_rows(
            p.X, *model, patterns, ("resp", "log_prob_norm", "labels"), noise=noise)
        assert_allclose(out["resp"], resp, atol=tolerance)
        assert_allclose(out["log_prob_norm"], norm, atol=tolerance * 100)
        best = np.where(out["labels"] < 0, K, out["labels"])
        assert (resp[np.arange(n), best] >= resp.max(axis=1) - tolerance).all()
        w = p.sample_weight
        counts, first, second, total, _, in_noise = passes.incomplete_pass(
            p.X, *model, w, patterns, noise=noise)
        expected = moments(a, resp[:, :K] * w[:, None], p.means, covariance_type)
        for x, y in zip((counts, first, second), expected, strict=True):
            assert_allclose(x, y, atol=tolerance * (1 + np.abs(y).max()))
        assert_allclose(in_noise, w @ resp[:, K], atol=tolerance * n)
        assert_allclose(total, w @ norm, rtol=tolerance)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("n_features", [2, 9])
def test_rows_so_far_that_every_density_overflows_are_noise(simd, n_features, covariance_type,
                                                            dtype):
    p = problem(40, n_features, 3, covariance_type, dtype)
    X = p.X.copy()
    far = {"f4": [1e30, -1e38], "f8": [1e200, -1e308]}[dtype]
    X[3], X[17] = far
    noise = np.array([-3.25])
    resp, norm, labels = passes.complete_rows(
        X, p.weights, p.means, p.factors, covariance_type, ("resp", "log_prob_norm", "labels"),
        noise=noise)
    assert_array_equal(resp[[3, 17]], [[0, 0, 0, 1]] * 2)
    assert_array_equal(norm[[3, 17]], -3.25)
    assert_array_equal(labels[[3, 17]], -1)
    gaps = X.copy()
    gaps[::5, 0] = np.nan
    out = passes.incomplete_rows(
        gaps, p.weights, p.means, p.factors, covariance_type, Rows.read(gaps).all_patterns,
        ("resp", "log_prob_norm"), noise=noise)
    assert_array_equal(out["resp"][[3, 17]], [[0, 0, 0, 1]] * 2)
    assert_array_equal(out["log_prob_norm"][[3, 17]], -3.25)
    # without any weight of noise they are of the nearest component, as ever
    nothing, = passes.complete_rows(X, p.weights, p.means, p.factors, covariance_type, ("resp",),
                                    noise=np.array([-np.inf]))
    plain, = passes.complete_rows(X, p.weights, p.means, p.factors, covariance_type, ("resp",))
    assert_array_equal(nothing, np.column_stack([plain, np.zeros(40)]))


# --- the volume ------------------------------------------------------------------------------


@pytest.mark.parametrize("columns, volume", [
    # hypvol() of mclust 6.0.0 for R's iris
    ([0, 1, 2, 3], 27.2411996222705), ([2, 3], 6.97574179229629), ([0, 1], 8.62465667944534),
    ([0], 3.6), ([1, 2, 3], 14.9877150081936)])
def test_the_volume_is_mclusts(columns, volume):
    X = IRIS[:, columns]
    for shift in (0, 1e7):
        found = uniform_of(Rows.read(X + shift))
        assert_allclose(np.exp(-found.log_density), volume, rtol=1e-12 if shift == 0 else 1e-7)
        assert_allclose(np.prod(found.box[1] - found.box[0]), volume, rtol=1e-12 + shift * 1e-13)
        assert_allclose(found.centre - shift, (X.min(axis=0) + X.max(axis=0)) / 2, atol=1e-7)
        assert (found.box[0] >= (X + shift).min(axis=0) - 1e-9 * (1 + shift)).all()
    scaled = uniform_of(Rows.read(X * 1e100))
    assert_allclose(scaled.log_density, -np.log(volume) - len(columns) * np.log(1e100), rtol=1e-12)


def test_rows_without_weight_do_not_count_for_the_volume():
    X = np.concatenate([IRIS, [[100.0, 100, 100, 100]]])
    weight = np.append(np.ones(150), 0)
    found = uniform_of(Rows.read(X).weighed(weight))
    assert found.log_density == uniform_of(Rows.read(IRIS)).log_density
    # a weight of two is a row twice
    twice = np.where(np.arange(150) % 3 == 0, 2.0, 1.0)
    assert_allclose(uniform_of(Rows.read(IRIS).weighed(twice)).log_density,
                    uniform_of(Rows.read(np.repeat(IRIS, twice.astype(int), axis=0))).log_density,
                    rtol=1e-12)
    one, two = (GaussianMixture(2, noise=True, random_state=0, tol=1e-12, max_iter=500).fit(
        data, sample_weight=w) for data, w in ((X, weight), (IRIS, None)))
    assert_allclose(one.lower_bound_, two.lower_bound_, rtol=1e-9)


@pytest.mark.parametrize("X, named", [
    (np.column_stack([IRIS, np.ones(150)]), "column 4 without two different values"),
    (np.column_stack([IRIS[:, :2], IRIS[:, 0] - 3 * IRIS[:, 1]]), "columns .* determine each"),
    (IRIS[:4] + np.eye(4), "determine each other"),
])
def test_boxes_without_volume(X, named):
    with pytest.raises(ValueError, match=named) as caught:
        GaussianMixture(noise=True).fit(X)
    assert "give the density" in str(caught.value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GaussianMixture(noise=0.01).fit(X)
    assert np.isfinite(model.score(X))
    assert_allclose(np.prod(model.noise_box_[1] - model.noise_box_[0]), 100, rtol=1e-9)


def test_columns_without_a_value_of_any_weight():
    X = IRIS.copy()
    X[:, 1] = np.nan
    X[3, 1], weight = 2.0, np.ones(150)
    weight[3] = 0
    with pytest.raises(ValueError, match="column 1 without two different values"):
        GaussianMixture(2, noise=True).fit(X, sample_weight=weight)


def test_columns_of_very_different_scale_have_a_volume():
    X = IRIS * [1, 1e-30, 1e40, 1]
    found = uniform_of(Rows.read(X))
    widths = IRIS.max(axis=0) - IRIS.min(axis=0)
    assert_allclose(-found.log_density, np.log(widths).sum() + 10 * np.log(10), rtol=1e-12)


@pytest.mark.parametrize("noise", [0, -1.0, np.inf, np.nan, "True", [1.0]])
def test_noise_that_cannot_be(noise):
    model = GaussianMixture(noise=noise)
    with pytest.raises(ValueError, match="noise"):
        model.fit(IRIS)
    assert not hasattr(model, "weights_")


def test_weights_that_cannot_be():
    for weights, text in (([0.5, 0.5], "must have 3 weights, the last .* that of the noise"),
                          ([0.0, 0, 1], "no weight"), ([0.5, 0.4, 0.2], "normalized")):
        with pytest.raises(ValueError, match=text):
            GaussianMixture(2, noise=True, weights_init=weights).fit(IRIS)
    with pytest.raises(ValueError, match="weight_concentration"):
        GaussianMixture(2, noise=True, weight_concentration=[2, 2]).fit(IRIS)
    with pytest.raises(ValueError, match="labels"):
        GaussianMixture(2, noise=True).fit(IRIS, labels=np.full(150, 2))


# --- the fit ---------------------------------------------------------------------------------


def start_of(X, resp, covariance_type):
    """weights_init, means_init and precisions_init: the M-step of responsibilities, noise last."""
    K, D = resp.shape[1] - 1, X.shape[1]
    counts = resp[:, :K].sum(axis=0)
    means = resp[:, :K].T @ X / counts[:, None]
    scatter = np.array([(resp[:, k, None] * (X - means[k])).T @ (X - means[k]) for k in range(K)])
    return {"weights_init": resp.sum(axis=0) / resp.sum(), "means_init": means,
            "precisions_init": {
                "full": lambda: np.linalg.inv(scatter / counts[:, None, None]),
                "tied": lambda: np.linalg.inv(scatter.sum(axis=0) / counts.sum()),
                "diag": lambda: counts[:, None] / np.diagonal(scatter, axis1=1, axis2=2),
                "spherical": lambda: D * counts / np.trace(scatter, axis1=1, axis2=2),
            }[covariance_type]()}


def slow_em(X, start, covariance_type, log_density, n_iter, weight):
    """Plain EM of rows that may lack values: weights, means and the bounds of the iterations.
    log_density (n,): of the noise."""
    weights, means, precisions = (start[f"{name}_init"] for name in (
        "weights", "means", "precisions"))
    K, D = means.shape
    if covariance_type in ("full", "tied"):
        factors = np.linalg.cholesky(np.linalg.inv(precisions))
        factors = np.swapaxes(np.linalg.inv(factors), -1, -2)
    else:
        factors = np.sqrt(precisions)
    bounds = []
    for _ in range(n_iter):
        a = answer(X, means, factors, covariance_type)
        resp, norm = of_joint(a.log_prob, weights[:K], np.log(weights[K]) + log_density)
        bounds.append(norm @ weight / weight.sum())
        resp = resp * weight[:, None]
        counts, first, second = moments(a, resp[:, :K], means, "full")
        offsets = first / counts[:, None]
        second = second - counts[:, None, None] * offsets[:, :, None] * offsets[:, None, :]
        means, weights = means + offsets, resp.sum(axis=0) / weight.sum()
        if covariance_type == "full":
            covariances = second / counts[:, None, None]
        elif covariance_type == "tied":
            covariances = second.sum(axis=0) / counts.sum()
        if covariance_type in ("full", "tied"):
            factors = np.swapaxes(np.linalg.inv(np.linalg.cholesky(covariances)), -1, -2)
        elif covariance_type == "diag":
            factors = np.sqrt(counts[:, None] / np.diagonal(second, axis1=1, axis2=2))
        else:
            factors = np.sqrt(D * counts / np.trace(second, axis1=1, axis2=2))
    return weights, means, np.array(bounds)


@pytest.mark.filterwarnings("ignore:Best performing initialization")
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("noise", [True, 0.004])
def test_updates_are_those_of_plain_em(covariance_type, gaps, noise):
    X, kind = clutter(1, 3)
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.5, 2, size=len(X))
    resp = np.eye(3)[kind] * 0.8 + 0.2 / 3
    start = start_of(X, resp, covariance_type)
    low, high = X.min(axis=0), X.max(axis=0)
    if gaps:
        missing = rng.random(X.shape) < 0.15
        missing[missing.all(axis=1), 0] = False
        X = np.where(missing, np.nan, X)
        X[5] = np.nan
        weight[5] = 0       # a row without any value says nothing
        low, high = np.nanmin(X, axis=0), np.nanmax(X, axis=0)
        scale = 1.0 if noise is True else (1 / noise / np.prod(high - low)) ** (1 / 3)
        log_density = np.isfinite(X) @ -np.log(scale * (high - low))
    else:
        density = uniform_of(Rows.read(X).weighed(weight), None if noise is True else noise)
        log_density = np.full(len(X), density.log_density)
    weights, means, bounds = slow_em(X, start, covariance_type, log_density, 6, weight)
    model = GaussianMixture(2, covariance_type=covariance_type, noise=noise, reg_covar=0, tol=0,
                            max_iter=6, **start).fit(X, sample_weight=weight)
    if gaps and noise is True:
        assert_allclose(model.noise_box_, [low, high])
    assert_allclose(model.lower_bounds_, bounds, rtol=1e-9)
    assert_allclose(model.weights_, weights, rtol=1e-9)
    assert_allclose(model.means_, means, rtol=1e-9, atol=1e-9)


def noisy_iris(columns, n_noise, width):
    """Rows of iris, and some spread evenly over a box `width` times as wide, by the multiples of
    square roots: the same in any language. The responsibilities of a start."""
    X = IRIS[:, columns]
    low, high = X.min(axis=0), X.max(axis=0)
    roots = np.sqrt([2, 3, 5, 7])[:X.shape[1]]
    u = np.arange(1, n_noise + 1)[:, None] * roots % 1
    X = np.concatenate([X, (low + high) / 2 + (u - 0.5) * (high - low) * width])
    return X, np.eye(4)[np.append(SPECIES, np.full(n_noise, 3))]


NOISY = {"four": ([0, 1, 2, 3], 40, 2), "petals": ([2, 3], 25, 1.5), "sepals": ([0, 1], 30, 2)}
# mclust 6.0.0 on R 4.2: me(data, modelName, z, Vinv = hypvol(data, reciprocal = TRUE), control =
# emControl(tol = 1e-15)) from the species: volume, log-likelihood, nMclustParams, -BIC and the
# weight of noise
ENDS = [
    ("four", "VVV", 1632.76899264212, -573.220656976723, 46, 1387.80442127, 0.2127762613),
    ("four", "EEE", 1632.76899264212, -646.250596396557, 26, 1428.92381867, 0.2146788067),
    ("four", "VVI", 1632.76899264212, -695.598868355671, 28, 1538.11441073, 0.2306190648),
    ("four", "VII", 1632.76899264212, -762.41210378075, 19, 1624.51766493, 0.2716732885),
    ("petals", "VVV", 27.4708981473849, -269.636033087885, 19, 637.40299968, 0.1490303756),
    ("petals", "EEE", 27.4708981473849, -310.084222157284, 13, 687.310661976, 0.2272037899),
    ("petals", "VVI", 27.4708981473849, -295.23584846906, 16, 673.108272521, 0.1532161974),
    ("petals", "VII", 27.4708981473849, -317.29941311221, 13, 701.741043885, 0.2048276377),
    ("sepals", "VVV", 30.6600799433484, -377.66197662743, 19, 853.990133422, 0.1634313368),
    ("sepals", "EEE", 30.6600799433484, -386.226019640331, 13, 839.960478342, 0.2212065328),
    ("sepals", "VVI", 30.6600799433484, -393.959848214786, 16, 871.007006044, 0.2098534491),
    ("sepals", "VII", 30.6600799433484, -403.332642355584, 13, 874.173723773, 0.2341370003),
    ("four", "EII", 1632.76899264212, -772.785279445906, 17, 1634.76996812, 0.2658534926),
    ("four", "EEI", 1632.76899264212, -746.586875705443, 20, 1598.11423285, 0.2570396528),
    ("four", "VEI", 1632.76899264212, -727.82052376239, 22, 1571.07557711, 0.2358143231),
    ("four", "EVI", 1632.76899264212, -720.299527875205, 26, 1577.02168163, 0.2504133),
    ("four", "VEE", 1632.76899264212, -628.224690957198, 28, 1403.36605593, 0.2173013425),
    ("four", "EVE", 1632.76899264212, -625.052338113067, 32, 1418.00944654, 0.2170928923),
    ("four", "VVE", 1632.76899264212, -607.306715432303, 34, 1393.01224932, 0.2167198716),
    ("four", "EEV", 1632.76899264212, -603.069825712676, 38, 1405.52656617, 0.2277709651),
    ("four", "VEV", 1632.76899264212, -578.894839299128, 40, 1367.67064148, 0.2103193067),
    ("four", "EVV", 1632.76899264212, -596.861415833095, 44, 1424.59189084, 0.2182932534),
    ("petals", "EII", 27.4708981473849, -352.33426997506, 11, 761.481185663, 0.2533742974),
    ("petals", "EEI", 27.4708981473849, -336.91795288537, 12, 735.813337458, 0.2226610599),
    ("petals", "VEI", 27.4708981473849, -296.095874422147, 14, 664.498752479, 0.1611039926),
    ("petals", "EVI", 27.4708981473849, -336.042948796257, 14, 744.392901227, 0.2278705131),
    ("petals", "VEE", 27.4708981473849, -278.408617978499, 15, 634.289025566, 0.1549107374),
    ("petals", "EVE", 27.4708981473849, -304.853549001682, 15, 687.178887612, 0.2246523676),
    ("petals", "VVE", 27.4708981473849, -271.595384704178, 17, 630.992130965, 0.1491801677),
    ("petals", "EEV", 27.4708981473849, -313.833141826788, 15, 705.138073262, 0.1760847914),
    ("petals", "VEV", 27.4708981473849, -277.032586084429, 17, 641.866533726, 0.1572088454),
    ("petals", "EVV", 27.4708981473849, -302.546066283113, 17, 692.893494123, 0.2268649149),
    ("sepals", "EII", 30.6600799433484, -405.700178121452, 11, 868.522881603, 0.2511966971),
    ("sepals", "EEI", 30.6600799433484, -400.489639710794, 12, 863.294761632, 0.2215690663),
    ("sepals", "VEI", 30.6600799433484, -400.282351255845, 14, 873.266098424, 0.224915293),
    ("sepals", "EVI", 30.6600799433484, -394.014963584596, 14, 860.731323082, 0.2093500756),
    ("sepals", "VEE", 30.6600799433484, -386.17004858215, 15, 850.234449928, 0.2174634253),
    ("sepals", "EVE", 30.6600799433484, -385.897528105709, 15, 849.689408975, 0.2207174635),
    ("sepals", "VVE", 30.6600799433484, -383.72746283501, 17, 855.735192135, 0.171789794),
    ("sepals", "EEV", 30.6600799433484, -378.94817951797, 15, 835.790711799, 0.1909587316),
    ("sepals", "VEV", 30.6600799433484, -375.429803143778, 17, 839.139872753, 0.1724158454),
    ("sepals", "EVV", 30.6600799433484, -377.49267175578, 17, 843.265609977, 0.1923579588),
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: " ".join(end[:2]))
def test_fits_end_where_mclust_ends(end):
    name, model_name, volume, log_likelihood, n_parameters, bic, weight = end
    X, resp = noisy_iris(*NOISY[name])
    covariance_type = MCLUST.get(model_name, model_name)
    kind = covariance_type if model_name in MCLUST else "full"      # of the precisions given
    model = GaussianMixture(
        3, covariance_type=covariance_type, noise=True, reg_covar=0, tol=1e-14, max_iter=20_000,
        **start_of(X, resp, kind)).fit(X)
    assert_allclose(-model.noise_log_density_, np.log(volume), rtol=1e-12)
    assert model.n_parameters_ == n_parameters
    assert np.diff(model.lower_bounds_).min() > -1e-12
    total = model.score_samples(X).sum()
    assert_allclose(model.bic(X), -2 * total + n_parameters * np.log(len(X)), rtol=1e-12)
    if model_name == "VVE":     # mclust's end is not stationary
        assert total > log_likelihood
        return
    assert_allclose(total, log_likelihood, rtol=1e-11)
    assert_allclose(model.bic(X), bic, rtol=1e-10)
    assert_allclose(model.weights_[-1], weight, rtol=1e-5)
    assert_allclose(model.aic(X), -2 * log_likelihood + 2 * n_parameters, rtol=1e-11)
    resp = model.predict_proba(X)
    entropy = -(resp * np.log(np.where(resp > 0, resp, 1))).sum()
    assert_allclose(model.icl(X), model.bic(X) + 2 * entropy, rtol=1e-11)


@pytest.mark.parametrize("acceleration", [None, "squarem"])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_bounds_do_not_fall_and_bits_do_not_depend_on_threads(covariance_type, acceleration, dtype):
    X = clutter(3)[0].astype(dtype)
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X).astype(dtype)
    for rows in (X, gaps):
        one, three = (GaussianMixture(
            2, covariance_type=covariance_type, noise=True, reg_covar=0, tol=1e-7, max_iter=500,
            acceleration=acceleration, random_state=0, n_threads=n).fit(rows) for n in (1, 3))
        assert np.diff(one.lower_bounds_).min() > (-1e-12 if dtype == "f8" else -1e-6)
        assert one.converged_ and one.means_.dtype == dtype
        for name in ("weights_", "means_", "covariances_", "noise_box_", "lower_bounds_"):
            assert_array_equal(getattr(one, name), getattr(three, name))
        assert_array_equal(one.predict_proba(rows), three.predict_proba(rows))


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_noise_is_found(covariance_type):
    """From starts that know nothing of it."""
    X, kind = clutter(4)
    model = GaussianMixture(2, covariance_type=covariance_type, noise=True, random_state=0)
    labels = model.fit_predict(X)
    assert_array_equal(labels, model.predict(X))
    assert set(labels) == {-1, 0, 1}
    assert (labels[kind < 0] == -1).mean() > 0.8 and (labels[kind >= 0] == -1).mean() < 0.1
    order = np.argsort(model.means_[:, 0])
    atol = 0.35 if covariance_type == "tied" else 0.2
    assert_allclose(model.means_[order], [[0, 0], [5, 5]], atol=atol)
    proba = model.predict_proba(X)
    assert proba.shape == (len(X), 3)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    best = proba.argmax(axis=1)
    assert_array_equal(labels, np.where(best == 2, -1, best))
    assert_allclose(model.weights_.sum(), 1) and model.weights_.shape == (3,)
    # and in most of the rows
    many, kinds = clutter(5, n_noise=1500)
    labels = GaussianMixture(2, noise=True, random_state=0).fit_predict(many)
    assert (labels[kinds < 0] == -1).mean() > 0.8 and (labels[kinds >= 0] == -1).mean() < 0.2


def test_nothing_is_found_where_there_is_no_noise():
    X = clutter(6, n_noise=0)[0]
    model = GaussianMixture(2, noise=True, random_state=0).fit(X)
    plain = GaussianMixture(2, random_state=0).fit(X)
    assert model.weights_[-1] < 0.05
    order = np.argsort(model.means_[:, 0])
    assert_allclose(model.means_[order], plain.means_[np.argsort(plain.means_[:, 0])], atol=0.05)


def test_cleaned_rows():
    X, kind = clutter(7, 4)
    rows = Rows.read(X).labelled(np.where(np.arange(380) == 379, 1, -1).astype(np.int32))
    clean, share = cleaned(rows, np.random.RandomState(0))
    left_out = clean.sample_weight == 0
    assert (left_out[kind < 0][:-1]).mean() > 0.9 and left_out[kind >= 0].mean() < 0.1
    assert not left_out[379] and 0.15 < share < 0.3
    assert cleaned(Rows.read(X[:4]), None) == (None, 0.0)
    gaps = X.copy()
    gaps[:, 1] = np.nan
    assert cleaned(Rows.read(gaps), None) == (None, 0.0)


def test_many_rows_are_begun_from_some(monkeypatch):
    from emkernels.starts import noise

    monkeypatch.setattr(noise, "ROWS", 200)
    monkeypatch.setattr(noise, "TRIAL_ROWS", 250)
    X, kind = clutter(8)
    for weight in (None, np.where(np.arange(380) % 9 == 0, 0.0, 2.0)):
        labels = GaussianMixture(2, noise=True, random_state=0).fit_predict(X, sample_weight=weight)
        assert (labels[kind < 0] == -1).mean() > 0.8 and (labels[kind >= 0] == -1).mean() < 0.1


def test_units_of_columns_do_not_matter():
    X = clutter(9)[0]
    scale = np.array([1e-3, 1e4])
    for more in ({"init_scaling": "standard"}, {"init_scaling": "standard", "n_init": 6,
                                                "short_iter": 3}):
        options = {"reg_covar": "auto", "noise": True, "random_state": 0, "tol": 1e-10,
                   "max_iter": 500, **more}
        one, two = (GaussianMixture(2, **options).fit(data) for data in (X, X * scale))
        # (the principal axes do depend on them; here the box is along the columns)
        assert_allclose(two.noise_log_density_, one.noise_log_density_ - np.log(10), rtol=1e-12)
        assert_allclose(two.lower_bound_, one.lower_bound_ - np.log(10), rtol=1e-8)
        assert_allclose(np.sort(two.weights_), np.sort(one.weights_), rtol=1e-4)
        given = GaussianMixture(2, **{**options, "noise": 0.01}).fit(X)
        other = GaussianMixture(2, **{**options, "noise": 0.001}).fit(X * scale)
        assert_allclose(np.sort(other.weights_), np.sort(given.weights_), rtol=1e-4)


@pytest.mark.parametrize("covariance_type", ["spherical", "EII", "VEI", "VVE", "EEV"])
@pytest.mark.parametrize("init_params", ["kmeans", "k-means++"])
def test_starts_in_units_of_the_columns(covariance_type, init_params):
    """Where the family has one unit for all columns, too."""
    X, kind = clutter(16)
    for more in ({}, {"n_init": 4, "short_iter": 3}):
        model = GaussianMixture(2, covariance_type=covariance_type, noise=True, random_state=0,
                                init_scaling="standard", init_params=init_params, **more)
        labels = model.fit_predict(X)
        assert (labels[kind < 0] == -1).mean() > 0.8 and (labels[kind >= 0] == -1).mean() < 0.1
        gaps = np.where(np.random.default_rng(1).random(X.shape) < 0.05, np.nan, X)
        labels = model.fit_predict(gaps)
        assert (labels[kind < 0] == -1).mean() > 0.6 and (labels[kind >= 0] == -1).mean() < 0.1


@pytest.mark.filterwarnings("ignore:Best performing initialization")
def test_options_of_the_mixture_go_for_noise_too():
    X, kind = clutter(10)
    start = start_of(X, np.eye(3)[kind], "full")
    # fixed weights
    model = GaussianMixture(2, noise=True, fixed=("weights",), **{
        **start, "weights_init": [0.25, 0.25, 0.5]}).fit(X)
    assert_array_equal(model.weights_, [0.25, 0.25, 0.5])
    assert model.n_parameters_ == 2 * 2 + 2 * 3 + 1
    # a prior of the weights: the M-step by hand
    model = GaussianMixture(2, noise=True, weight_concentration=[1, 1, 51], tol=0, max_iter=1,
                            reg_covar=0, **start).fit(X)
    plain = GaussianMixture(2, noise=True, tol=0, max_iter=1, reg_covar=0, **start).fit(X)
    counts = plain.weights_ * len(X) + [0, 0, 50]
    assert_allclose(model.weights_, counts / counts.sum(), rtol=1e-12)
    # a warm start goes on
    half = GaussianMixture(2, noise=True, tol=0, max_iter=5, warm_start=True, **start).fit(X)
    half.fit(X)
    whole = GaussianMixture(2, noise=True, tol=0, max_iter=10, **start).fit(X)
    assert_allclose(half.weights_, whole.weights_, rtol=1e-12)
    assert_allclose(half.lower_bound_, whole.lower_bound_, rtol=1e-12)
    with pytest.raises(ValueError, match="warm_start cannot go on.*noise"):
        half.set_params(noise=None, weights_init=None).fit(X)
    # a prior of the covariances is there, and the bound is that of both
    prior = GaussianMixture(2, noise=True, covariance_prior="empirical", reg_covar=0, tol=1e-9,
                            max_iter=500, random_state=0).fit(X)
    assert np.diff(prior.lower_bounds_).min() > -1e-12
    # other stopping rules
    for convergence in ("parameters", "distance"):
        found = GaussianMixture(2, noise=True, convergence=convergence, tol=1e-6, max_iter=500,
                                random_state=0).fit(X)
        assert found.converged_
        assert_allclose(found.lower_bound_, GaussianMixture(
            2, noise=True, tol=1e-12, max_iter=500, random_state=0).fit(X).lower_bound_, rtol=1e-8)


def test_rows_that_are_known_are_not_noise():
    X, kind = clutter(11)
    labels = np.where(kind == 0, 0, -1)
    labels[300:310] = 1         # of the noise
    model = GaussianMixture(2, noise=True, random_state=0).fit(X, labels=labels)
    sure = labels >= 0
    rows = Rows.read(X).labelled(labels.astype(np.int32))
    parameters = model._parameters()
    from emkernels.components.gaussian import GaussianComponents
    from emkernels.latent.mixture import Mixture

    statistics = Mixture(GaussianComponents(parameters.structure)).accumulate(rows, parameters)
    resp = model.predict_proba(X)
    assert_allclose(statistics.noise, resp[~sure, 2].sum(), rtol=1e-12)
    resp[sure] = np.eye(3)[labels[sure]]
    assert_allclose(statistics.counts, resp[:, :2].sum(axis=0), rtol=1e-12)


def test_statistics_know_the_weight_of_noise():
    from emkernels.components.gaussian import GaussianComponents
    from emkernels.latent.mixture import Mixture

    X = clutter(12)[0]
    model = GaussianMixture(2, noise=True, random_state=0).fit(X)
    parameters = model._parameters()
    mixture = Mixture(GaussianComponents(parameters.structure))
    rows = Rows.read(X).weighed(np.linspace(0.1, 3, len(X)))
    whole, first, second = (mixture.accumulate(part, parameters) for part in (
        rows, rows.take(slice(0, 100)), rows.take(slice(100, None))))
    both = first + second
    for one in (both, SufficientStatistics.from_bytes(both.to_bytes()),
                pickle.loads(pickle.dumps(both)), (2 * both) * 0.5, both.copy(),
                SufficientStatistics.zeros("full", both.centers) + both):
        assert_allclose(one.noise, whole.noise, rtol=1e-12)
        assert_allclose(one.counts, whole.counts, rtol=1e-12)
    assert_allclose(whole.noise + whole.counts.sum(), rows.total)
    assert both == both.copy() and both != SufficientStatistics.trusted(
        "full", both.centers, both.counts, both.first, both.second, both.log_likelihood)
    plain = SufficientStatistics.zeros("full", both.centers)
    assert plain.noise is None and SufficientStatistics.from_bytes(plain.to_bytes()).noise is None
    assert b"noise" not in plain.to_bytes()
    assert_allclose(mixture.maximise(whole, parameters).weights.sum(), 1)


def test_densities_of_incomplete_rows_are_made_once_a_fit(monkeypatch):
    X = clutter()[0]
    X[::7, 0] = np.nan
    made = []
    real = Uniform.log_densities

    def log_densities(self, rows):
        made.append(rows)
        return real(self, rows)

    monkeypatch.setattr(Uniform, "log_densities", log_densities)
    options = {"noise": 1e-3, "random_state": 0, "tol": 0}
    counts = []
    for max_iter in 3, 12:
        made.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            GaussianMixture(2, max_iter=max_iter, **options).fit(X)
        counts.append(len(made))
    assert counts[0] == counts[1]
    # rows that have been seen with other noise are none the wiser
    rows = Rows.read(X)
    for density in 1e-3, 1e-2:
        model = GaussianMixture(2, **{**options, "noise": density}, max_iter=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert model.fit(rows).lower_bound_ == model.fit(X).lower_bound_


# --- what a fitted one does ------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    model = GaussianMixture(2, noise=True, random_state=0, tol=1e-8, max_iter=500)
    return model.fit(clutter(13)[0])


def test_densities(fitted):
    from scipy.stats import multivariate_normal

    X = np.concatenate([clutter(13)[0], [[1e6, 0.0], [1e200, -1e200]]])
    density = sum(w * multivariate_normal(m, c).pdf(X[:-1]) for w, m, c in zip(
        fitted.weights_, fitted.means_, fitted.covariances_))
    density += fitted.weights_[2] * np.exp(fitted.noise_log_density_)
    assert_allclose(fitted.score_samples(X)[:-1], np.log(density), rtol=1e-10)
    # the density is the same far outside of the box
    assert_allclose(fitted.score_samples(X)[-2:],
                    np.log(fitted.weights_[2]) + fitted.noise_log_density_)
    assert_array_equal(fitted.predict(X)[-2:], -1)


def test_rows_with_missing_values_have_the_density_of_edges(fitted):
    low, high = fitted.noise_box_
    assert_allclose(-np.log(high - low).sum(), fitted.noise_log_density_, rtol=1e-12)
    X = np.array([[1e9, np.nan], [np.nan, 1e9], [np.nan, np.nan], [0.0, np.nan]])
    w = np.log(fitted.weights_[2])
    assert_allclose(fitted.score_samples(X)[:3], [
        w - np.log(high[0] - low[0]), w - np.log(high[1] - low[1]), 0.0], atol=1e-12)
    proba = fitted.predict_proba(X)
    assert_allclose(proba[2], fitted.weights_)
    # of what is missing the mean is that of the components and of the box
    imputed = fitted.impute(X)
    centre = (low + high) / 2
    assert_allclose(imputed[0], [1e9, centre[1]])
    assert_allclose(imputed[2], fitted.weights_ @ np.vstack([fitted.means_, centre]))
    assert_allclose(imputed[3, 1], proba[3] @ [
        *(m[1] + c[1, 0] / c[0, 0] * (0 - m[0]) for m, c in zip(
            fitted.means_, fitted.covariances_)), centre[1]], rtol=1e-10)
    assert fitted.impute(X.astype("f4")).dtype == np.float32
    for far in (1e308, np.float32(3e38)):       # whose conditional means overflow
        row = np.array([[far, np.nan]])
        assert_allclose(fitted.impute(row)[0, 1], centre[1], rtol=1e-6)
    whole = clutter(13)[0]
    assert_array_equal(fitted.impute(whole), whole)


@pytest.mark.parametrize("noise", [True, 0.001])
def test_samples(noise):
    X = clutter(14)[0]
    model = GaussianMixture(2, noise=noise, random_state=0).fit(X)
    rows, labels = model.sample(20_000)
    assert rows.shape == (20_000, 2) and set(labels) == {-1, 0, 1}
    for k in (0, 1, -1):
        assert_allclose((labels == k).mean(), model.weights_[k], atol=0.01)
    drawn = rows[labels == -1]
    low, high = model.noise_box_
    assert ((drawn >= low) & (drawn <= high)).all()
    assert_allclose(drawn.mean(axis=0), (low + high) / 2, atol=0.03 * (high - low).max())
    assert_allclose(drawn.std(axis=0), (high - low) / np.sqrt(12), rtol=0.05)
    assert_allclose(np.prod(high - low), np.exp(-model.noise_log_density_), rtol=1e-12)
    if noise is not True:
        assert_allclose(model.noise_log_density_, np.log(noise), rtol=1e-14)
        widths = X.max(axis=0) - X.min(axis=0)
        assert_allclose((high - low) / widths, np.sqrt(1000 / np.prod(widths)))


def test_conditional_mixtures_leave_noise_out(fitted):
    plain = GaussianMixture(2)
    plain._set_parameters(fitted._parameters().without_noise())
    plain.n_features_in_, plain.converged_, plain.n_iter_ = 2, True, 1
    plain.degenerate_components_ = fitted.degenerate_components_
    assert_allclose(plain.weights_.sum(), 1)
    X = np.array([[0.3], [5.0], [np.nan]])
    for method, arguments in (("marginal", ([1],)), ("condition", ([0], [0.3])),
                              ("regress", ([0], X))):
        with pytest.warns(EMWarning, match=f"{method} leaves the noise out") as caught:
            ours = getattr(fitted, method)(*arguments)
        assert len(caught) == 1
        theirs = getattr(plain, method)(*arguments)
        if method == "regress":
            for a, b in zip(ours, theirs, strict=True):
                assert_allclose(a, b)
            continue
        assert_allclose(ours.weights_, theirs.weights_)
        assert_allclose(ours.means_, theirs.means_)
        assert not hasattr(ours, "noise_box_") and ours.predict_proba([[1.0]]).shape == (1, 2)


def test_files(fitted, tmp_path):
    X = clutter(13)[0]
    fitted.save(tmp_path / "noise.npz")
    for back in (GaussianMixture.load(tmp_path / "noise.npz"), pickle.loads(pickle.dumps(fitted))):
        assert back.noise is True
        assert_array_equal(back.noise_box_, fitted.noise_box_)
        assert back.noise_log_density_ == fitted.noise_log_density_
        assert_array_equal(back.predict_proba(X), fitted.predict_proba(X))
        assert back.bic(X) == fitted.bic(X)
    header, arrays = read_archive(tmp_path / "noise.npz")
    box = header["state"]["noise_box_"]["array"]
    write_archive(tmp_path / "bad.npz", header, {**arrays, box: arrays[box][::-1]})
    with pytest.raises(ValueError, match="the box of noise is none"):
        GaussianMixture.load(tmp_path / "bad.npz")
    # a fit without noise forgets it
    again = pickle.loads(pickle.dumps(fitted)).set_params(noise=None).fit(X)
    assert not hasattr(again, "noise_box_") and again.predict_proba(X).shape[1] == 2
    assert GaussianMixture(2, noise=False, random_state=0).fit(X).weights_.shape == (2,)


def test_a_component_that_collapses_beside_noise_is_named():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.uniform(size=(200, 2)), np.full((30, 2), 0.5)])
    with pytest.warns(UserWarning, match="collapsed: component 0"):
        model = GaussianMixture(1, noise=True, means_init=[[0.5, 0.5]], reg_covar=1e-8,
                                precisions_init=[np.eye(2) * 1e4], weights_init=[0.1, 0.9],
                                max_iter=500).fit(X)
    assert_array_equal(model.degenerate_components_, [0])
    assert_allclose(model.weights_, [30 / 230, 200 / 230], atol=1e-3)


def test_a_density_that_has_nothing_to_do_with_the_data():
    X = clutter(17)[0]
    for scale, noise in ((1e100, 0.01), (1, 1e300), (1, 1e-300), (1, 5e-324)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model = GaussianMixture(2, noise=noise, random_state=0, reg_covar="auto",
                                    init_scaling="standard").fit(X * scale)
        assert np.isfinite(model.score(X * scale)) and np.isfinite(model.sample(9)[0]).all()
        assert_allclose(model.noise_log_density_, np.log(noise), rtol=1e-12)
        assert_allclose(model.weights_[-1], noise >= 0.01, atol=1e-9)


def test_choices():
    X = clutter(15)[0]
    result = select_mixture(X, range(1, 5), noise=True, random_state=0, n_init=6)
    assert result.best.n_components == 2
    assert [row["n_parameters"] for row in result.table] == [7, 13, 19, 25]
    likelihoods = [row["log_likelihood"] for row in result.table]
    assert (np.diff(likelihoods) > -1e-3).all()
    plain = select_mixture(X, [2], random_state=0, n_init=6)
    assert result.chosen["bic"] < plain.chosen["bic"]
    with pytest.raises(ValueError, match="compare_clusterings takes no noise"):
        compare_clusterings(X, 2, noise=True)


@pytest.mark.parametrize("covariance_type", ["EII", "EEI", "VVV"])
def test_one_component_beside_noise_has_several_maxima(covariance_type):
    """Chosen from all the starts, not from the first."""
    starts = [GaussianMixture(1, covariance_type=covariance_type, noise=True, random_state=seed,
                              init_params="random_from_data", reg_covar="auto", max_iter=1000)
              for seed in range(5)]
    best = max(model.fit(IRIS).score(IRIS) for model in starts)
    row = select_mixture(IRIS, [1], covariance_type, noise=True, random_state=0).chosen
    assert row["log_likelihood"] > 150 * best - 0.01


def test_wider_families_are_not_less_likely():
    """One with all the covariances of another goes on from it."""
    for X, sizes, noise in ((IRIS, [4], None), (clutter(3)[0], [1, 2], True)):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* is the largest that was tried", EMWarning)
            found = select_mixture(X, sizes, "all", noise=noise, random_state=1, n_init=3)
        rows = {(row["covariance_type"], row["n_components"]): row for row in found.table}
        for narrow, k in rows:
            for wide in (wide for wide, _ in rows if is_within(narrow, wide)):
                if not rows[narrow, k]["degenerate"]:
                    assert rows[wide, k]["log_likelihood"] > (
                        rows[narrow, k]["log_likelihood"] - 0.01), (narrow, wide, k)
    assert sorted(name for name in LETTERED if is_within(name, "VEE")) == [
        "EEE", "EEI", "EII", "VEI", "VII"]
    assert not is_within("diag", "VVV")


def test_pictures(fitted):
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    from emkernels.plotting import plot_mixture, plot_responsibilities

    X = clutter(13)[0]
    for columns in ((0, 1), 0):
        ax = plot_mixture(fitted, X, columns=columns, density=columns != 0)
        texts = [text.get_text() for text in ax.get_legend().get_texts()]
        assert any(text.startswith("noise (") for text in texts)
        ax = plot_responsibilities(fitted, X, columns=columns)
        texts = [text.get_text() for text in ax.get_legend().get_texts()]
        assert texts[:3] == ["0", "1", "noise"]
        pyplot.close("all")
    ax = plot_mixture(fitted, X)
    noise = fitted.predict(X) == -1
    colors = ax.collections[0].get_facecolors()
    grey = np.abs(colors[:, :3] - colors[noise][0, :3]).max(axis=1) < 1e-12
    assert_array_equal(grey, noise)
    pyplot.close("all")


def test_a_box_of_a_far_column_has_two_corners():
    X = 1e12 + np.random.default_rng(0).normal(size=(40, 1))
    X[3] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EMWarning)
        model = GaussianMixture(1, noise=1e8, random_state=0).fit(X)
    assert model.noise_box_[1, 0] > model.noise_box_[0, 0]
    assert np.isfinite(model.weights_).all() and np.isfinite(model.score_samples(X)).all()
