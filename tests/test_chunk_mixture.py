"""Mixtures fitted to blocks of rows, against the fit of the same rows in memory."""

import pickle
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from emkernels import GaussianMixture, SufficientStatistics
from emkernels.components.gaussian.reference import Reference
from emkernels.data import Chunks, Rows
from emkernels.kernels.dispatch import available_levels, own_simd_level, simd_level
from emkernels.models.mixture.preparing import prepare

TYPES = ("full", "tied", "diag", "spherical", "EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE",
         "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")
NAMES = ("weights_", "means_", "covariances_")


def clusters(n=600, d=3, k=3, gap=3.0, missing=0.0, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    centres = gap * rng.normal(size=(k, d))
    X = (centres[rng.integers(k, size=n)] + rng.normal(size=(n, d))).astype(dtype)
    X[rng.random(X.shape) < missing] = np.nan
    return X, centres


def begun(X, centres, **options):
    """A mixture with a given start and a given number of iterations."""
    k, d = centres.shape
    n_iter = options.pop("n_iter", 6)
    type_ = options.setdefault("covariance_type", "full")
    one = {"tied": np.eye(d), "diag": np.ones((k, d)), "spherical": np.ones(k)}
    options.setdefault("weights_init", np.full(k, 1 / k))
    precisions = one.get(type_, np.repeat(np.eye(d)[None], k, axis=0))
    return GaussianMixture(
        k, means_init=centres + 0.2, precisions_init=precisions, max_iter=n_iter, tol=0,
        callback=lambda state: state.n_iter == n_iter, **options)


def same(one, other, rtol=1e-10):
    assert_allclose(one.lower_bounds_, other.lower_bounds_, rtol=rtol)
    for name in NAMES:
        a, b = getattr(one, name), getattr(other, name)
        assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


def equal(one, other):
    assert one.lower_bounds_ == other.lower_bounds_
    for name in NAMES:
        assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_blocks_are_the_table(covariance_type, missing):
    X, centres = clusters(missing=missing)
    X[7] = np.nan if missing else X[7]      # a row without any value
    model = begun(X, centres, covariance_type=covariance_type)
    whole = pickle.loads(pickle.dumps(model.set_params(callback=None))).set_params(
        callback=begun(X, centres).callback)
    whole.fit(X)
    model.set_params(callback=whole.callback)
    model.fit_chunks(lambda: iter(np.split(X, [50, 51, 51, 400])))
    same(model, whole)
    assert (model.n_blocks_, model.n_rows_) == (5, 600)
    assert not hasattr(whole, "n_blocks_")
    # another reader, other threads, another layout: the same bits
    other = begun(X, centres, covariance_type=covariance_type, n_threads=1)
    other.fit_chunks([part.copy(order="F") for part in np.split(X, [50, 51, 51, 400])])
    equal(model, other)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_rows_without_any_value_say_nothing(covariance_type):
    X, centres = clusters(missing=0.2)
    kept = X[~np.isnan(X).all(axis=1)]
    X[::7] = np.nan
    other = X[~np.isnan(X).all(axis=1)]
    with_, without = (begun(table, centres, covariance_type=covariance_type).fit(table)
                      for table in (X, other))
    assert len(other) < len(kept)
    for name in NAMES:
        assert_allclose(getattr(with_, name), getattr(without, name), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("options", [
    {"noise": True}, {"covariance_prior": "empirical"}, {"weight_concentration": 2.0},
    {"acceleration": "squarem", "n_iter": 30}, {"reg_covar": "auto"}, {"fixed": ("means",)},
    {"covariance_type": "tied", "noise": 1e-4}, {"covariance_type": "VVE", "reg_covar": "auto"}],
    ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_options_mean_the_same(options, missing):
    X, centres = clusters(missing=missing)
    weight = np.linspace(0, 2, len(X))
    if options.get("noise"):
        options = {**options, "weights_init": [0.3, 0.3, 0.3, 0.1]}
    options = dict(options)
    whole = begun(X, centres, **options).fit(X, sample_weight=weight)
    blocks = begun(X, centres, **options).fit_chunks(X, sample_weight=weight, chunk_rows=70)
    same(blocks, whole, 1e-9)
    if options.get("noise"):
        assert blocks.noise_log_density_ == pytest.approx(whole.noise_log_density_, rel=1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "VVV"])
def test_sorted_blocks(covariance_type, dtype):
    """Rows of components far apart are visited by component, in blocks too."""
    X, centres = clusters(2000, 9, 6, gap=8.0, dtype=dtype)
    whole = begun(X, centres, covariance_type=covariance_type, n_iter=9).fit(X)
    fits = []
    for n_threads in (1, 2):
        model = begun(X, centres, covariance_type=covariance_type, n_iter=9, n_threads=n_threads)
        fits.append(model.fit_chunks(X, chunk_rows=350))
    equal(*fits)
    same(fits[0], whole, 1e-10 if dtype == np.float64 else 1e-5)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_what_is_kept_of_blocks_changes_no_bit(covariance_type, monkeypatch):
    X, centres = clusters(4000, 9, 6, gap=8.0)
    made = []
    for name in ("order", "scatter"):
        method = getattr(Reference, name)
        monkeypatch.setattr(Reference, name, lambda self, rows, *more, method=method: (
            made.append(rows.lasting), method(self, rows, *more))[1])
    kept = begun(X, centres, covariance_type=covariance_type).fit_chunks(X, chunk_rows=700)
    assert made and any(made)       # it was used, and something was kept
    monkeypatch.setattr("emkernels.data.memory.Memory.keep", lambda *arguments: None)
    forgotten = begun(X, centres, covariance_type=covariance_type).fit_chunks(X, chunk_rows=700)
    equal(kept, forgotten)


def test_patterns_are_found_once_where_there_is_room(monkeypatch):
    from emkernels.data import checks
    X, centres = clusters(2000, 9, missing=0.2)
    found, find = [], checks.missing_patterns
    monkeypatch.setattr(checks, "missing_patterns", lambda *arguments: (
        found.append(1), find(*arguments))[1])
    model = begun(X, centres).fit_chunks(X, chunk_rows=500)
    few = len(found)
    monkeypatch.setattr("emkernels.data.memory.Memory.keep", lambda *arguments: None)
    again = begun(X, centres).fit_chunks(X, chunk_rows=500)
    assert few < len(found) - few
    equal(model, again)
    patterns = find(X)
    before = patterns.nbytes
    assert before >= patterns.order.nbytes + patterns.offsets.nbytes
    begun(X, centres).fit(Rows(X, patterns=patterns))
    assert patterns.nbytes > before         # with the order that passes visit rows in


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_blocks_of_one_row(missing):
    X, centres = clusters(60, missing=missing)
    whole = begun(X, centres).fit(X)
    same(begun(X, centres).fit_chunks(X, chunk_rows=1), whole)
    equal(begun(X, centres).fit_chunks(X, chunk_rows=60),
          begun(X, centres).fit_chunks(X, chunk_rows=1000))


def test_weights_stand_for_rows():
    X, centres = clusters(200)
    weight = np.random.default_rng(1).integers(0, 4, len(X))
    twice = np.repeat(X, weight, axis=0)
    same(begun(X, centres).fit_chunks(X, sample_weight=weight, chunk_rows=33),
         begun(X, centres).fit_chunks(twice, chunk_rows=57))


def test_far_from_zero():
    X, centres = clusters(600)
    near = begun(X, centres).fit_chunks(X, chunk_rows=100)
    far = begun(X + 2.0**30, centres + 2.0**30).fit_chunks(X + 2.0**30, chunk_rows=100)
    assert_allclose(far.covariances_, near.covariances_, rtol=1e-6)


def test_starts_depend_on_the_seed_and_the_rows_alone():
    X, _ = clusters(22000, 2, gap=9.0)
    options = {"n_components": 3, "random_state": 3, "n_init": 2, "max_iter": 10, "tol": 1e-4}
    some = GaussianMixture(**options).fit_chunks(X, chunk_rows=4096)
    other = GaussianMixture(**options).fit_chunks(np.split(X, [10, 20000]))
    assert_allclose(some.means_, other.means_, rtol=1e-9)
    whole = GaussianMixture(**options).fit(X)
    assert some.lower_bound_ == pytest.approx(whole.lower_bound_, abs=1e-3)
    short = GaussianMixture(**{**options, "n_init": 8}, short_iter=5, init_scaling="standard")
    assert short.fit_chunks(X, chunk_rows=4096).lower_bound_ == pytest.approx(
        whole.lower_bound_, abs=1e-3)


def test_a_file_says_how_many_blocks_there_were(tmp_path):
    X, centres = clusters()
    model = begun(X, centres).fit_chunks(X, chunk_rows=100)
    model.save(tmp_path / "mixture")
    again = GaussianMixture.load(tmp_path / "mixture")
    assert (again.n_blocks_, again.n_rows_) == (6, 600)


def test_the_same_start_where_a_start_sees_all_rows():
    X, _ = clusters(300, 2)
    for kind in ("kmeans", "k-means++", "random_from_data"):
        whole = GaussianMixture(3, init_params=kind, random_state=4).fit(X)
        blocks = GaussianMixture(3, init_params=kind, random_state=4).fit_chunks(X, chunk_rows=37)
        same(blocks, whole)


def test_a_source_that_changes_is_found():
    X = np.random.default_rng(0).normal(size=(100, 3))

    def changed(how):
        other = X.copy()
        if how == "columns":
            other[:, [0, 1]] = other[:, [1, 0]]
        elif how == "rows":
            other[[3, 4]] = other[[4, 3]]
        elif how == "cells":
            other[5, 0], other[6, 0] = other[6, 0], other[5, 0]
        else:
            other[50, 1] = np.nextafter(other[50, 1], 9)
        return other

    for how in ("columns", "rows", "cells", "one bit"):
        passes = iter([X, X, changed(how)])
        with pytest.raises(ValueError, match="block 1 in pass 2"):
            begun(X, X[:2]).fit_chunks(lambda: iter([X, next(passes)]))


def test_a_warm_start_goes_on_with_blocks():
    X, centres = clusters()
    model = begun(X, centres, warm_start=True).fit(X)
    before = model.lower_bound_
    model.fit_chunks(X, chunk_rows=100)
    assert model.lower_bound_ > before


# --- what is under it -------------------------------------------------------------------------


def test_statistics_carry_what_they_have_counted():
    X, centres = clusters(100, 5)
    chunks = Chunks(X, chunk_rows=10)
    model = begun(X, centres)
    mixture, given = prepare(model, chunks, False)
    statistics = chunks.reduce(mixture.accumulate, model_parameters(mixture, given))
    assert statistics.pairs > 0
    again = SufficientStatistics.from_bytes(statistics.to_bytes())
    assert again.pairs == statistics.pairs and again.n_rows == 100


def model_parameters(mixture, given):
    from emkernels.latent.mixture import MixtureParameters
    return MixtureParameters(given.weights, given.gaussians(mixture.components.structure))


@pytest.mark.skipif(len(available_levels()) < 2, reason="one SIMD level only")
def test_a_thread_has_a_level_of_its_own():
    X, centres = clusters(2000, 5)
    before, seen = simd_level(), {}

    def fit(level):
        with own_simd_level(level):
            seen[level] = simd_level(), begun(X, centres).fit(X).means_

    threads = [threading.Thread(target=fit, args=(level,)) for level in available_levels()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert simd_level() == before
    for level in available_levels():
        assert seen[level][0] == level
        with own_simd_level(level):
            assert_array_equal(begun(X, centres).fit(X).means_, seen[level][1])
    with pytest.raises(ValueError, match="cannot be used"), own_simd_level("v9"):
        pass


@pytest.mark.skipif(len(available_levels()) < 2, reason="one SIMD level only")
def test_the_level_of_a_fit_stays():
    X, centres = clusters(2000, 5)
    first, other = available_levels()[:2]
    with own_simd_level(first):
        wanted = begun(X, centres).fit_chunks(X, chunk_rows=300)
    with own_simd_level(first):
        chunks = Chunks(X, chunk_rows=300)
    model = begun(X, centres)
    with own_simd_level(other):
        model._fit_source(chunks)
    equal(model, wanted)
