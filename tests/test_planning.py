"""How passes are dealt out to threads, and large models, whose threads share panels of rows."""

import signal

import numpy as np
import pytest
import reference
from incomplete_problems import answer, incomplete, moments
from numpy.testing import assert_array_equal
from problems import problem
from test_kernels import LOG_DENSITY, MOMENTS, RESP, assert_moments, assert_near, moment_scales

from emkernels import kernels
from emkernels.kernels import missing_patterns, threads
from emkernels.kernels.passes import em_pass, incomplete_pass
from emkernels.kernels.planning import plan_of, shares

THREADS = (1, 2, 3, 7, 16, 32)
DTYPES = ("f4", "f8")
# as large models are met: rows, features, components; and the extra memory in MB that four threads
# took when each group of rows had sums of its own: sums of all groups and scratch
FORMER = {(60_000, 64, 256, "full"): 21.6, (20_000, 128, 256, "full"): 73.0,
          (100_000, 64, 1024, "diag"): 21.1, (20_000, 256, 16, "full"): 22.4,
          (5_000, 512, 8, "full"): 43.0, (4_000, 784, 10, "full"): 116.0}
LARGE = list(FORMER)
# the least that share panels: like these; wide ones whose triangles are cut into bands; features
# that fill no register tile; one row; less than a tile; several panels
SHARED = [(500, 64, 32, "full"), (300, 128, 9, "full"), (150, 64, 512, "diag"),
          (150, 64, 512, "spherical"), (450, 390, 1, "full"), (300, 301, 3, "full"),
          (400, 47, 60, "full"), (1, 64, 32, "full"), (7, 30, 150, "full"),
          (2200, 45, 64, "full")]
several = pytest.mark.skipif(not threads.has_openmp(), reason="needs OpenMP")


def shape_id(shape):
    return " ".join(map(str, shape))


def same(function):
    """The result, which must have the same bits on any number of threads."""
    results = [function(n) for n in THREADS]
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_array_equal(a, b)
    return results[0]


# --- the plan ----------------------------------------------------------------------------

@several
@pytest.mark.parametrize("shape", LARGE, ids=shape_id)
def test_large_models_use_all_threads(shape):
    plan = plan_of(*shape, n_threads=32)
    assert plan.shared and plan.n_threads == 32 and plan.n_groups == 1
    efficiency, least = shares(plan)
    assert efficiency >= (0.95 if shape[2] >= 256 else 0.75)    # few panels, and bands
    assert least >= 0.7


@several
@pytest.mark.parametrize("shape", [(48_186, 418, 1, "full"), (37_851, 243, 3, "full"),
                                   (34_560, 253, 4, "full"), (52_875, 272, 3, "full")],
                         ids=shape_id)
def test_few_wide_components_use_many_threads(shape):
    for n in (8, 16, 32):
        assert shares(plan_of(*shape, n_threads=n)).efficiency >= 0.8


@several
@pytest.mark.parametrize("shape", LARGE, ids=shape_id)
def test_there_is_one_copy_of_the_sums(shape):
    n, D, K, covariance_type = shape
    plan = plan_of(*shape, n_threads=32)
    sums = 8 * (K + K * D + K * (D * (D + 1) // 2 if covariance_type == "full" else D) + 2)
    assert plan.sum_bytes == sums
    assert plan.sum_bytes + plan.scratch_bytes + plan.panel_bytes <= 1e6 * FORMER[shape]


@pytest.mark.parametrize("shape", [*LARGE, (200_000, 16, 32, "full"), (4000, 784, 10, "full"),
                                   (10**6, 2, 8, "diag"), (1000, 8, 4, "tied")], ids=shape_id)
@pytest.mark.parametrize("missing", [0, 1])
def test_a_plan_depends_on_the_shape_alone(shape, missing):
    plans = [plan_of(*shape, n_threads=n, missing=missing) for n in THREADS]
    for n, plan in zip(THREADS, plans, strict=True):
        assert plan.n_threads <= n
        # how much a thread does at a time may depend on threads, how sums are added up may not
        own = {"n_threads": 0, "scratch_bytes": 0, "panel_bytes": 0, "steps": []}
        own |= {"n_units": 0, "n_bands": 0} if plan.shared else {"n_steps": 0}
        assert plan._replace(**own) == plans[0]._replace(**own)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [
    (1, 64, 32, "full"), (33, 64, 32, "full"), (50_000, 64, 3000, "full"),
    (20_000, 256, 16, "full"), (4096, 5, 6250, "full"), (100_000, 64, 1024, "diag"),
    (100_001, 16, 32, "full"), (10**6, 2, 8, "full"), (1000, 8, 4, "tied")], ids=shape_id)
def test_every_row_and_every_sum_is_dealt_out_once(simd, shape, dtype):
    n, _, K, _ = shape
    plan = plan_of(*shape, dtype, n_threads=4)
    assert len(plan.steps) == plan.n_steps      # no step without a row
    given = {}
    for step in plan.steps:
        for part, piece in step:
            assert piece > 0
            given[part] = given.get(part, 0) + piece
    if plan.shared:
        assert given == {"densities": n, "moments": pytest.approx(n, rel=1e-12)}
    else:
        assert given == {"both": n}


@several
def test_small_sums_have_groups_for_many_threads():
    plan = plan_of(10**6, 2, 8, n_threads=60)
    assert not plan.shared and plan.n_groups > 64
    assert shares(plan).efficiency > 0.8


# what four threads took when there were eight groups of rows: 43 MB
@several
@pytest.mark.parametrize("missing, most", [(39, 33e6), (78, 43e6)])
@pytest.mark.parametrize("n", [20_000, 4_000])
def test_an_imputer_of_wide_rows_uses_all_threads(n, missing, most):
    plan = plan_of(n, 784, 1, missing=missing, n_threads=32)
    assert plan.shared and plan.n_threads >= 30 and plan.n_groups == 1
    efficiency, least = shares(plan, 32)
    assert efficiency >= 0.75 and least >= 0.75
    assert plan.sum_bytes + plan.scratch_bytes + plan.panel_bytes <= most


@several
@pytest.mark.parametrize("shape, missing, most", [
    ((20_000, 784, 10), 78, 136e6), ((20_000, 784, 10), 39, 136e6), ((20_000, 512, 4), 50, 47e6),
    ((20_000, 300, 8), 30, 42e6)], ids=str)
def test_several_wide_components_with_gaps_use_all_threads(shape, missing, most):
    """A panel is of few tiles, whose densities are made by component; the memory is what four
    threads with groups of rows take."""
    plan = plan_of(*shape, missing=missing, n_threads=32)
    assert plan.shared and plan.n_threads == 32 and plan.n_groups == 1
    efficiency, least = shares(plan)
    assert efficiency >= 0.7 and least >= 0.5
    assert plan.sum_bytes + plan.scratch_bytes + plan.panel_bytes <= most


def test_shares_are_those_of_a_list_schedule():
    plan = plan_of(100, 2, 2, n_threads=1)._replace(
        n_threads=2, steps=[[("moments", 3), *[("densities", 1)] * 3], [("both", 2)]])
    # 3 | 1 1 1, then 2 | nothing: as long as 5, of 8 in all
    assert shares(plan) == pytest.approx((8 / 10, 2 * 3 / 8))
    assert shares(plan, 4) == pytest.approx((8 / 20, 0))


@pytest.mark.parametrize("changed, message", [
    ({"n_samples": 0}, "n_samples must be at least 1, got 0"),
    ({"n_components": -1}, "n_components must be at least 1"),
    ({"covariance_type": "round"}, "covariance_type must be"),
    ({"dtype": "float16"}, "dtype must be 'float64' or 'float32', got 'float16'"),
    ({"missing": 3}, "missing must be 0 to n_features, got 3"),
    ({"n_threads": 0}, "n_threads must be")])
def test_a_shape_that_cannot_be_one(changed, message):
    with pytest.raises(ValueError, match=message):
        plan_of(**{"n_samples": 10, "n_features": 2, "n_components": 2} | changed)


# --- what large models give -----------------------------------------------------------------

@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHARED, ids=shape_id)
class TestSharedPanels:
    @pytest.fixture
    def p(self, shape, dtype):
        assert plan_of(*shape, "float32" if dtype == "f4" else "float64").shared
        return problem(*shape, dtype)

    def test_em_statistics(self, p, shape, dtype):
        *moments, log_likelihood = same(lambda n: kernels.em_statistics(
            p.X, p.weights, p.means, p.factors, shape[3], p.sample_weight, n_threads=n))
        expected = reference.em_statistics(
            p.X, p.weights, p.means, p.factors, shape[3], p.sample_weight)
        ones = np.ones((len(p.X), len(p.means)))
        scales = [s + 1 for s in moment_scales(p.X, ones, p.means, shape[3], p.sample_weight)]
        assert_moments(moments, expected[:3], scales, RESP[dtype] / 10)
        norm = reference.responsibilities(
            reference.log_density(p.X, p.means, p.factors, shape[3]), np.log(p.weights))[1]
        assert_near(log_likelihood, expected[3],
                    LOG_DENSITY[dtype] * (1 + 2 * np.abs(norm) @ p.sample_weight))

    def test_given_responsibilities_and_labels(self, p, shape, dtype):
        rng, K = np.random.default_rng(3), len(p.means)
        soft = rng.dirichlet(np.full(K, 0.5), size=len(p.X)).astype(dtype)
        for resp in (soft, rng.integers(-1, K, size=len(p.X))):
            moments = same(lambda n, resp=resp: kernels.weighted_moments(
                p.X, resp, p.means, shape[3], p.sample_weight, n_threads=n))
            expected = reference.weighted_moments(
                p.X, resp, p.means, shape[3], p.sample_weight)
            scales = moment_scales(p.X, resp, p.means, shape[3], p.sample_weight)
            assert_moments(moments, expected, scales, MOMENTS[dtype])

    def test_known_components_and_noise(self, p, shape, dtype):
        rng, (n, K) = np.random.default_rng(4), (len(p.X), len(p.means))
        joint = reference.log_density(p.X, p.means, p.factors, shape[3]) + np.log(p.weights)
        known = np.where(rng.random(n) < 0.3, rng.integers(K, size=n), -1).astype(np.int32)
        noise = np.quantile(joint.max(axis=1), 0.5) + rng.normal(size=n)
        labels = np.empty(n, np.int32)
        *moments, log_likelihood, _, weight = same(lambda threads: em_pass(
            p.X, p.weights, p.means, p.factors, shape[3], p.sample_weight, known=known,
            noise=noise, labels=labels, n_threads=threads))
        all_ = np.column_stack([joint, noise])
        is_known = known >= 0
        chosen = joint[is_known, known[is_known]]
        all_[is_known] = -np.inf
        all_[is_known, known[is_known]] = chosen
        resp, norm = reference.responsibilities(all_)
        expected = reference.weighted_moments(
            p.X, resp[:, :K], p.means, shape[3], p.sample_weight)
        scales = [s + 1 for s in moment_scales(
            p.X, np.ones((n, K)), p.means, shape[3], p.sample_weight)]
        assert_moments(moments, expected, scales, RESP[dtype] / 10)
        assert_near(log_likelihood, p.sample_weight @ norm,
                    LOG_DENSITY[dtype] * (1 + 2 * p.sample_weight @ np.abs(norm)))
        assert_near(weight, p.sample_weight @ resp[:, K], RESP[dtype] * n)
        wanted = resp.argmax(axis=1)
        assert_array_equal(labels, np.where(wanted == K, -1, wanted))


# rows, features, components, share of values missing: mixed tiles, and tiles of one pattern
GAPS = [(150, 370, 1, 0.1), (70, 370, 1, 0.3), (30, 370, 1, 0.6), (200, 150, 8, 0.02),
        (1, 370, 1, 0.1), (60, 265, 2, 0.03)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", GAPS, ids=shape_id)
def test_rows_with_gaps_share_panels(simd, shape, dtype):
    n, D, K, share = shape
    if share <= 0.1:    # else no tile is mixed, of which a plan without rows does not know
        assert plan_of(n, D, K, "full", "float32" if dtype == "f4" else "float64",
                       missing=int(share * D)).shared
    p = problem(n, D, K, "full", dtype)
    X = p.X.copy()
    X[np.random.default_rng(5).random(X.shape) < share] = np.nan
    if n == 60:     # nearly all and all are missing, beside mixed tiles
        X[5:7], X[7, 1:], X[8, :200] = np.nan, np.nan, np.nan
    *moments, log_likelihood = same(lambda threads: kernels.incomplete_statistics(
        X, p.weights, p.means, p.factors, "full", p.sample_weight, n_threads=threads))
    expected = reference.incomplete_statistics(
        X, p.weights, p.means, p.factors, "full", p.sample_weight)
    exact = dtype == "f8"
    for found, wanted in zip(moments, expected, strict=False):
        scale = np.abs(wanted).max() + 1
        np.testing.assert_allclose(found, wanted, rtol=0, atol=scale * (1e-10 if exact else 1e-3))
    assert log_likelihood == pytest.approx(expected[3], rel=1e-10 if exact else 1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("separation", [0.05, 1])
def test_components_share_the_tiles_of_rows_with_gaps(simd, separation, dtype):
    """Some rows known, some far out, some empty, with a noise."""
    n, D, name = 60, 150, "float32" if dtype == "f4" else "float64"

    def in_parts(K):
        plan = plan_of(n, D, K, "full", name, missing=45)
        return plan.shared and len(plan.steps[0]) > plan.n_blocks

    K = next(filter(in_parts, (6, 8, 12, 16, 20, 30)))      # tiles differ with the level
    p = incomplete(n, D, K, "full", dtype, "chance", 0.3, separation)
    rng = np.random.default_rng(6)
    X = p.X.copy()
    X[5], X[40:45] = np.nan, X[40]
    known = np.where(rng.random(n) < 0.3, rng.integers(K, size=n), -1).astype(np.int32)
    a = answer(X, p.means, p.factors, "full")
    joint = a.log_prob + np.log(p.weights)
    noise = np.quantile(joint.max(axis=1), 0.5) + rng.normal(size=n)
    together = np.column_stack([joint, noise])
    together[(known >= 0)[:, None] & (known[:, None] != np.arange(K + 1))] = -np.inf
    resp, norm = reference.responsibilities(together)
    w = p.sample_weight
    expected = moments(a, resp[:, :K] * w[:, None], p.means, "full")
    patterns = missing_patterns(X)
    *found, total, _, in_noise = same(lambda threads: incomplete_pass(
        X, p.weights, p.means, p.factors, "full", w, patterns, known=known, noise=noise,
        n_threads=threads))
    tolerance = {"f4": 2e-3, "f8": 1e-10}[dtype]
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * (1 + np.abs(y).max()))
    assert total == pytest.approx(w @ norm, rel=tolerance)
    assert in_noise == pytest.approx(w @ resp[:, K], abs=tolerance * n)
    X[7] = np.where(np.isnan(X[7]), np.nan, {"f4": 1e30, "f8": 1e200}[dtype])   # all overflow
    *_, total, _, in_noise = same(lambda threads: incomplete_pass(
        X, p.weights, p.means, p.factors, "full", None, patterns, noise=noise,
        n_threads=threads))
    assert in_noise >= 1 - tolerance and np.isfinite(total)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(300, 64, 32, "full"), (200, 301, 3, "full"),
                                   (200, 64, 512, "diag")], ids=shape_id)
def test_every_level_shares_panels_alike(simd, shape, dtype):
    p = problem(*shape, dtype)
    *moments, _ = kernels.em_statistics(
        p.X, p.weights, p.means, p.factors, shape[3], p.sample_weight, n_threads=2)
    expected = reference.em_statistics(
        p.X, p.weights, p.means, p.factors, shape[3], p.sample_weight)
    ones = np.ones((len(p.X), len(p.means)))
    scales = [s + 1 for s in moment_scales(p.X, ones, p.means, shape[3], p.sample_weight)]
    assert_moments(moments, expected[:3], scales, RESP[dtype] / 10)


def test_rows_that_fill_their_panels_exactly():
    """No panel is left over, whatever the rounding of tiles to blocks does."""
    n, D, K = 4096, 5, 6250
    p = problem(n, D, K, "full", "f8")
    counts = kernels.em_statistics(p.X, p.weights, p.means, p.factors, n_threads=2).counts
    assert counts.sum() == pytest.approx(n, rel=1e-12)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals of POSIX")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_signal_ends_a_pass_before_its_panel(n_threads):
    """A panel of a large model takes long: a signal is looked for between its pieces."""
    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    n, D, K = 6000, 400, 80
    rng = np.random.default_rng(0)
    X, means = rng.normal(size=(n, D)), rng.normal(size=(K, D))
    factors = np.repeat(np.eye(D)[None], K, axis=0)
    labels = np.full(n, -2, np.int32)
    plan = plan_of(n, D, K)
    assert plan.shared and plan.n_blocks * plan.block_rows > 500
    before = signal.signal(signal.SIGALRM, stop)
    try:
        with pytest.raises(Stop):
            signal.setitimer(signal.ITIMER_REAL, 0.03)
            em_pass(X, np.full(K, 1 / K), means, factors, "full", None, labels=labels,
                    n_threads=n_threads)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (labels != -2).sum() < plan.n_blocks * plan.block_rows
