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
from numpy.testing import assert_array_equal
from problems import problem

from emkernels import kernels
from emkernels.kernels import cluster, mixture

HERE = Path(__file__).parent / "cimport_client"
ROOT = str(Path(kernels.__file__).parents[2])


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("client")
    for name in ("client.pyx", "setup.py"):
        shutil.copy(HERE / name, folder)
    built = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"], cwd=folder, capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": ROOT})
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


# --- the table of capsules, as numba and cffi would use it --------------------------------

C_TYPES = {"double": ctypes.c_double, "float": ctypes.c_float, "int": ctypes.c_int,
           "Py_ssize_t": ctypes.c_ssize_t}


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
            (cluster, ("kmeans_statistics", "kmeans_plusplus"))]:
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
