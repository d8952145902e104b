"""scikit-learn's own checks of an estimator and of a Gaussian mixture, on this one."""

import importlib.util
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.mixture.tests
from sklearn.utils.estimator_checks import check_estimator

import emkernels

# Tests that go through the public class and are left out all the same:
PRIVATE = {
    "test_gaussian_mixture_precisions_init": "reads private state of the class",
    "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters": "mocks a private name",
    "test_check_weights": "expects the smallest weight to be called the largest",
}


def peer_tests():
    """The module of scikit-learn's tests with its mixture replaced by this package's."""
    path = Path(sklearn.mixture.tests.__file__).with_name("test_gaussian_mixture.py")
    spec = importlib.util.spec_from_file_location("peer_tests", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["peer_tests"] = module
    spec.loader.exec_module(module)
    module.GaussianMixture = emkernels.GaussianMixture
    return module


MODULE = peer_tests()


def cases():
    """Every test of the module that goes through the public class, with its parameters."""
    for name, function in vars(MODULE).items():
        if not name.startswith("test_") or name in PRIVATE:
            continue
        if "GaussianMixture(" not in inspect.getsource(function) or "array_api" in name:
            continue
        parameters = [{}]
        for mark in reversed(getattr(function, "pytestmark", [])):
            if mark.name != "parametrize":
                continue
            names = mark.args[0]
            if isinstance(names, str):
                names = [part.strip() for part in names.split(",")]
            parameters = [
                {**known, **dict(zip(names, values if len(names) > 1 else [values], strict=True))}
                for known in parameters for values in mark.args[1]]
        fixtures = {"global_dtype": [np.float64, np.float32], "global_random_seed": [0, 42]}
        for fixture, values in fixtures.items():
            if fixture in inspect.signature(function).parameters:
                parameters = [{**p, fixture: v} for p in parameters for v in values]
        if name == "test_score":
            # scikit-learn averages float32 densities in float32, here in float64: 2e-7 apart
            parameters = [p for p in parameters if p["global_dtype"] == np.float64]
        for number, arguments in enumerate(parameters):
            yield pytest.param(function, arguments, id=f"{name}-{number}")


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("function", "arguments"), list(cases()))
def test_peer_suite(function, arguments, capsys):
    function(**arguments)


def test_the_suite_is_not_empty():
    names = {case.values[0].__name__ for case in cases()}
    assert len(names) > 25, names
    for name in ("test_gaussian_mixture_fit", "test_bic_1d_1component", "test_warm_start"):
        assert name in names


@pytest.mark.filterwarnings("default")
def test_check_estimator():
    results = check_estimator(emkernels.GaussianMixture(), on_skip=None)
    assert len(results) > 40
    assert {r["status"] for r in results} <= {"passed", "skipped"}
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_sample_weights_pandas_series", "check_array_api_input"}
