"""The compiled faces: a client that cimports them, and their addresses for ctypes."""

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from incomplete_problems import incomplete
from numpy.testing import assert_allclose, assert_array_equal
from problems import problem
from reference import COVARIANCE_TYPES

from emkernels import kernels
from emkernels.kernels import cluster, factors, mixture
from emkernels.kernels import incomplete as incomplete_module
from emkernels.kernels import potts as potts_module

HERE = Path(__file__).parent / "cimport_client"
ROOT = str(Path(kernels.__file__).parents[2])


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("client")
    for name in ("client.pyx", "setup.py"):
        shutil.copy(HERE / name, folder)
    built = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"], cwd=folder, capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": ROOT, "CFLAGS": "-O0"})
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = [p for p in folder.iterdir() if p.suffix in (".so", ".pyd")]
    spec = importlib.util.spec_from_file_location("client", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Fortran order, so that strides are passed on
def rows(p):
    return np.asfortranarray(p.X)


@pytest.mark.parametrize("n_threads", [1, 2])
class TestClient:
    def test_log_density(self, client, n_threads):
        p = problem(500, 5, 2)
        out = np.zeros((500, 2))
        assert client.log_density(rows(p), p.means, p.factors, out, n_threads) == 0
        assert_array_equal(out, kernels.log_density(p.X, p.means, p.factors))

    def test_responsibilities(self, client, n_threads):
        log_prob = np.ascontiguousarray(problem(500, 5, 2).X)
        log_weights = np.log(np.full(5, 0.2))
        resp, norm = np.zeros((500, 5)), np.zeros(500)
        assert client.responsibilities(log_prob, log_weights, resp, norm, n_threads) == 0
        expected = kernels.responsibilities(log_prob, log_weights)
        assert_array_equal(resp, expected[0])
        assert_array_equal(norm, expected[1])

    def test_weighted_moments(self, client, n_threads):
        p = problem(500, 5, 2, "full", "f4")
        resp = np.random.default_rng(0).dirichlet([1, 1], size=500).astype("f4")
        targets = np.zeros(2), np.zeros((2, 5)), np.zeros((2, 5, 5))
        expected = kernels.weighted_moments(p.X, resp, p.means, "full", p.sample_weight)
        for times in (1, 2):
            assert client.weighted_moments(
                rows(p), resp, p.means, p.sample_weight, *targets, n_threads) == 0
            for target, value in zip(targets, expected):
                assert_array_equal(target, times * value)     # adds into its outputs

    def test_em_statistics(self, client, n_threads):
        p = problem(500, 5, 2, "tied")
        targets = np.zeros(2), np.zeros((2, 5)), np.zeros((5, 5)), np.zeros(1)
        expected = kernels.em_statistics(p.X, p.weights, p.means, p.factors, "tied")
        for times in (1, 2):
            assert client.em_statistics(
                rows(p), p.weights, p.means, p.factors, *targets, n_threads) == 0
            for target, value in zip(targets, expected):
                assert_array_equal(target, times * np.reshape(value, target.shape))

    def test_student_statistics(self, client, n_threads):
        p, narrow = problem(500, 5, 2), problem(500, 5, 2, "full", "f4")
        dfs = np.array([3.0, 40.0])
        model = narrow.weights.copy(), narrow.means.copy(), narrow.factors.copy(), dfs
        targets = np.zeros((2, 2)), np.zeros((2, 2, 5)), np.zeros((2, 2, 5, 5)), np.zeros((2, 16))
        assert client.student_statistics(rows(p), rows(narrow), *model, *targets, n_threads) == 0
        for i, X in enumerate((p.X, narrow.X)):
            expected = kernels.student_statistics(X, *model)
            for target, name in zip(targets, ("pulls", "first", "second")):
                assert_array_equal(target[i], getattr(expected, name))
            assert targets[3][i, 0] == expected.log_likelihood
            assert_array_equal(targets[3][i, 2:14].reshape(2, 6), expected.sizes)
            assert_array_equal(targets[3][i, 14:], expected.bends)

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_factor_statistics(self, client, n_threads, weighted, dtype):
        p = problem(500, 5, 2, "full", dtype)
        X, weight = p.X, p.sample_weight if weighted else None
        rng = np.random.default_rng(0)
        deviations, loadings = rng.uniform(0.5, 2, (2, 5)), rng.normal(size=(2, 3, 5))
        whiteners = np.linalg.inv(np.linalg.cholesky(
            np.eye(3) + loadings @ np.swapaxes(loadings, 1, 2)))
        components, noise = loadings * deviations[:, None], deviations**2
        means = p.means.astype(dtype).astype(float)
        shapes = 2, (2, 5), (2, 5), (2, 3, 5), (2, 3), (2, 3, 3), 1
        targets = [np.zeros(shape) for shape in shapes]
        expected = kernels.factor_statistics(
            X, p.weights, means, components, noise, weight)
        for times in (1, 2):        # adds into its outputs
            assert client.factor_statistics(
                rows(p), p.weights, means, deviations, loadings, np.tril(whiteners) + np.triu(
                    np.full((3, 3), np.nan), 1), weight, *targets, n_threads) == 0
            for target, value in zip(targets, expected):
                wanted = times * np.reshape(value, target.shape)
                assert_allclose(target, wanted, rtol=1e-5 if dtype == "f4" else 1e-11,
                                atol=1e-3 if dtype == "f4" else 1e-11)

    def test_kmeans_statistics(self, client, n_threads):
        p = problem(500, 5, 2, "spherical")
        labels = np.zeros(500, np.intc)
        targets = np.zeros(2), np.zeros((2, 5)), np.zeros(1)
        assert client.kmeans_statistics(rows(p), p.means, labels, *targets, n_threads) == 0
        expected = kernels.kmeans_statistics(p.X, p.means)
        for target, value in zip((labels, *targets), expected):
            assert_array_equal(target, np.reshape(value, target.shape))

    def test_kmeans_plusplus(self, client, n_threads):
        p = problem(500, 5, 2, "spherical")
        uniforms = np.random.RandomState(0).uniform(size=1 + 3 * 2)
        indices = np.zeros(4, np.intp)
        assert client.kmeans_plusplus(rows(p), uniforms, 2, indices, n_threads) == 0
        expected = kernels.kmeans_plusplus(p.X, 4, random_state=0, n_local_trials=2)[1]
        assert_array_equal(indices, expected)

    @pytest.mark.parametrize("masked", [True, False])
    def test_potts_statistics(self, client, n_threads, masked):
        p = problem(480, 5, 2, "tied")
        mask = np.arange(480) % 7 > 0 if masked else None
        field, resp = np.full((480, 2), 0.5), np.full((480, 2), 0.5)
        expected = kernels.potts_statistics(
            p.X, p.weights, p.means, p.factors, "tied", shape=(20, 24), smoothness=0.7,
            resp=field, mask=mask)
        targets = np.zeros(2), np.zeros((2, 5)), np.zeros((5, 5)), np.zeros(1)
        assert client.potts_statistics(
            rows(p), np.array([1, 20, 24]), None if mask is None else mask.view(np.uint8), 0.7,
            p.weights, p.means, p.factors, resp, *targets, n_threads) == 0
        assert_array_equal(resp, field)
        for target, value in zip(targets, expected):
            assert_array_equal(target, np.reshape(value, target.shape))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("design", ["chance", "few"])
class TestIncompleteClient:
    """Rows with missing values; the faces for Python find or check the patterns themselves."""

    def test_missing_patterns(self, client, design, dtype):
        X = incomplete(500, 5, 2, "full", dtype, design, 0.4).X
        order, offsets = np.full(500, -1, np.intc), np.full(501, -1, np.longlong)
        for layout in (X, np.asfortranarray(X), X[::-1][::-1]):
            status, n = client.missing_patterns(layout, order, offsets)
            expected = kernels.missing_patterns(X)
            assert (status, n) == (0, expected.n_patterns)
            assert_array_equal(order, expected.order)
            assert_array_equal(offsets[:n + 1], expected.offsets)
            assert (offsets[n + 1:] == -1).all()
        infinite = X.copy()
        infinite[499, 4] = -np.inf
        before = order.copy(), offsets.copy()
        assert client.missing_patterns(infinite, order, offsets)[0] == -3
        assert_array_equal(order, before[0])
        assert_array_equal(offsets, before[1])

    @pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
    def test_incomplete_statistics(self, client, design, dtype, covariance_type):
        p = incomplete(500, 5, 2, covariance_type, dtype, design, 0.4)
        X, patterns = np.asfortranarray(p.X), kernels.missing_patterns(p.X)
        code, factors = COVARIANCE_TYPES.index(covariance_type), p.factors.ravel()
        for weight in (None, p.sample_weight):
            expected = kernels.incomplete_statistics(
                p.X, p.weights, p.means, p.factors, covariance_type, weight)
            for order, offsets in ((None, None), (patterns.order, patterns.offsets)):
                targets = (np.zeros(2), np.zeros((2, 5)), np.zeros(expected.second.size),
                           np.zeros(1))
                for times, n_threads in ((1, 1), (2, 2)):    # adds into its outputs
                    assert client.incomplete_statistics(
                        X, p.weights, p.means, factors, code, weight, order, offsets, *targets,
                        n_threads) == 0
                    for target, value in zip(targets, expected):
                        wanted = times * np.reshape(value, target.shape)
                        # sums over components and columns are added term by term
                        assert_allclose(target, wanted, rtol=0 if times == 1 else 1e-14)
        infinite, targets = p.X.copy(), [np.full_like(target, 7) for target in targets]
        infinite[499, 4] = np.inf
        assert client.incomplete_statistics(
            infinite, p.weights, p.means, factors, code, None, None, None, *targets, 1) == -3
        assert all((target == 7).all() for target in targets)

    @pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
    @pytest.mark.parametrize("n_components", [1, 2])
    def test_conditional_moments(self, client, design, dtype, covariance_type, n_components):
        p = incomplete(500, 5, n_components, covariance_type, dtype, design, 0.4)
        X, patterns = np.asfortranarray(p.X), kernels.missing_patterns(p.X)
        code, factors = COVARIANCE_TYPES.index(covariance_type), p.factors.ravel()
        expected = kernels.conditional_moments(
            p.X, p.means, p.factors, covariance_type, p.weights, covariances=True)
        blocks = expected.offsets[:-1].copy()       # one for each row, no end
        for n_threads, weights in ((1, p.weights), (2, p.weights if n_components > 1 else None)):
            for order, offsets in ((None, None), (patterns.order, patterns.offsets)):
                imputed = np.zeros((500, 5), dtype)
                covariances = np.full(expected.offsets[-1], np.nan)
                assert client.conditional_moments(
                    X, weights, p.means, factors, code, order, offsets, imputed, blocks,
                    covariances, n_threads) == 0
                assert_array_equal(imputed, expected.imputed)
                assert_array_equal(covariances, expected.covariances)
                alone = np.zeros((500, 5), dtype)
                assert client.conditional_moments(
                    X, weights, p.means, factors, code, order, offsets, alone, None, None,
                    n_threads) == 0
                assert_array_equal(alone, expected.imputed)
        infinite = p.X.copy()
        infinite[0, 0] = np.inf
        assert client.conditional_moments(
            infinite, p.weights, p.means, factors, code, None, None, imputed, None, None, 1) == -3


# --- the table of capsules, as numba and cffi would use it --------------------------------

C_TYPES = {"double": ctypes.c_double, "float": ctypes.c_float, "int": ctypes.c_int,
           "Py_ssize_t": ctypes.c_ssize_t, "long": ctypes.c_longlong}


def c_function(module, name):
    """A ctypes function from the capsule of a compiled kernel, whose name is its signature."""
    capsule = module.__pyx_capi__[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    signature = get_name(capsule)
    returns, arguments = re.fullmatch(r"(\w+) \((.*)\)", signature.decode()).groups()
    types = []
    for argument in arguments.split(", "):
        base = argument.replace("const", "").replace("*", "").split()[0]
        types.append(ctypes.c_void_p if "*" in argument else C_TYPES[base])
    prototype = ctypes.CFUNCTYPE(C_TYPES[returns], *types)
    return prototype(get_pointer(capsule, signature))


def test_every_kernel_is_in_the_table():
    for module, names in [
            (mixture, ("log_density", "responsibilities", "weighted_moments", "em_statistics")),
            (cluster, ("kmeans_statistics", "kmeans_plusplus")),
            (incomplete_module, ("missing_patterns", "incomplete_statistics",
                                 "conditional_moments")),
            (factors, ("factor_statistics",)),
            (potts_module, ("potts_statistics",))]:
        assert set(module.__pyx_capi__) == {f"{n}_{p}" for n in names for p in ("f32", "f64")}
        for name in module.__pyx_capi__:
            c_function(module, name)


@pytest.mark.parametrize("suffix, dtype", [("f32", "f4"), ("f64", "f8")])
def test_log_density_by_ctypes(suffix, dtype):
    p = problem(500, 3, 2, "diag", dtype)
    X, out = np.ascontiguousarray(p.X[::-1]), np.zeros((500, 2), dtype)
    function = c_function(mixture, f"log_density_{suffix}")
    last = X.ctypes.data + 499 * X.strides[0]
    # rows backwards: strides may be negative
    status = function(last, 500, 3, -3, 1, p.means.ctypes.data, p.factors.ctypes.data, 2, 2,
                      out.ctypes.data, 2)
    assert status == 0
    assert_array_equal(out, kernels.log_density(p.X, p.means, p.factors, "diag"))


@pytest.mark.parametrize("suffix, dtype", [("f32", "f4"), ("f64", "f8")])
def test_em_statistics_by_ctypes(suffix, dtype):
    p = problem(500, 3, 2, "spherical", dtype)
    targets = np.zeros(2), np.zeros((2, 3)), np.zeros(2), np.zeros(1)
    status = c_function(mixture, f"em_statistics_{suffix}")(
        p.X.ctypes.data, 500, 3, 3, 1, p.weights.ctypes.data, p.means.ctypes.data,
        p.factors.ctypes.data, 2, 3, p.sample_weight.ctypes.data,
        *(t.ctypes.data for t in targets), 1)
    assert status == 0
    expected = kernels.em_statistics(
        p.X, p.weights, p.means, p.factors, "spherical", p.sample_weight)
    for target, value in zip(targets, expected):
        assert_array_equal(target, np.reshape(value, target.shape))


def test_kmeans_by_ctypes():
    p = problem(500, 3, 2, "spherical", "f4")
    counts, sums, inertia = np.zeros(2), np.zeros((2, 3)), np.zeros(1)
    status = c_function(cluster, "kmeans_statistics_f32")(
        p.X.ctypes.data, 500, 3, 3, 1, p.means.ctypes.data, 2, None, None,
        counts.ctypes.data, sums.ctypes.data, inertia.ctypes.data, 1)
    assert status == 0
    expected = kernels.kmeans_statistics(p.X, p.means)
    for target, value in zip((counts, sums, inertia), expected[1:]):
        assert_array_equal(target, np.reshape(value, target.shape))


@pytest.mark.parametrize("suffix, dtype", [("f32", "f4"), ("f64", "f8")])
def test_incomplete_rows_by_ctypes(suffix, dtype):
    """As a compiled caller goes about it: the patterns once, then both kernels with them."""
    p = incomplete(500, 3, 2, "diag", dtype, "few", 0.5)
    order, offsets = np.zeros(500, np.intc), np.zeros(501, np.longlong)
    n_patterns, shape = ctypes.c_ssize_t(), (p.X.ctypes.data, 500, 3, 3, 1)
    assert c_function(incomplete_module, f"missing_patterns_{suffix}")(
        *shape, order.ctypes.data, offsets.ctypes.data, ctypes.byref(n_patterns)) == 0
    patterns = kernels.missing_patterns(p.X)
    assert n_patterns.value == patterns.n_patterns
    assert_array_equal(order, patterns.order)
    model = (p.weights.ctypes.data, p.means.ctypes.data, p.factors.ctypes.data, 2, 2)
    targets = np.zeros(2), np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(1)
    imputed, covariances = np.zeros((500, 3), dtype), np.zeros((np.isnan(p.X).sum(1) ** 2).sum())
    expected = kernels.incomplete_statistics(p.X, p.weights, p.means, p.factors, "diag")
    moments = kernels.conditional_moments(
        p.X, p.means, p.factors, "diag", p.weights, covariances=True)
    for found in ((order.ctypes.data, offsets.ctypes.data, n_patterns.value), (None, None, 0)):
        for target in targets:
            target[:] = 0
        assert c_function(incomplete_module, f"incomplete_statistics_{suffix}")(
            *shape, *model, None, *found, *(t.ctypes.data for t in targets), 1) == 0
        for target, value in zip(targets, expected):
            assert_array_equal(target, np.reshape(value, target.shape))
        assert c_function(incomplete_module, f"conditional_moments_{suffix}")(
            *shape, *model, *found, imputed.ctypes.data, moments.offsets.ctypes.data,
            covariances.ctypes.data, 2) == 0
        assert_array_equal(imputed, moments.imputed)
        assert_array_equal(covariances, moments.covariances)


@pytest.mark.parametrize("suffix, dtype", [("f32", "f4"), ("f64", "f8")])
def test_potts_statistics_by_ctypes(suffix, dtype):
    p = problem(480, 3, 2, "full", dtype)
    mask = np.arange(480) % 7 > 0
    resp = np.full((480, 2), 0.5, dtype)
    expected_resp = resp.copy()
    expected = kernels.potts_statistics(
        p.X, p.weights, p.means, p.factors, "full", shape=(6, 8, 10), smoothness=0.7,
        resp=expected_resp, mask=mask)
    targets = np.zeros(2), np.zeros((2, 3)), np.zeros((2, 3, 3)), np.zeros(1)
    shape = np.array([6, 8, 10], np.intp)
    status = c_function(potts_module, f"potts_statistics_{suffix}")(
        p.X.ctypes.data, shape.ctypes.data, 3, 3, 1, mask.ctypes.data, 0.7, p.weights.ctypes.data,
        p.means.ctypes.data, p.factors.ctypes.data, 2, 0, resp.ctypes.data,
        *(t.ctypes.data for t in targets), 2)
    assert status == 0
    assert_array_equal(resp, expected_resp)
    for target, value in zip(targets, expected):
        assert_array_equal(target, np.reshape(value, target.shape))
