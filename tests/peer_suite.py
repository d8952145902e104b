"""scikit-learn's own tests of an estimator, run on this package's."""

import importlib.util
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import issparse


def load(package, file, **replaced):
    """The module of scikit-learn's tests in a package, with names of it replaced."""
    name = f"peer_{Path(file).stem}"
    path = Path(package.__file__).with_name(file)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    vars(module).update(replaced)
    return module


def expanded(function):
    """The arguments of every case of a parametrised test."""
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
    return parameters


def is_sparse(value):
    """Sparse rows, or a class of them."""
    return issparse(value) or (inspect.isclass(value) and value.__module__.startswith("scipy"))


def cases(module, uses, left_out, classes=None):
    """Every test of the module whose source has one of the words `uses`, with its parameters.

    classes maps classes among the parameters to those that stand in for them, None to leave
    the case out; cases of sparse rows are left out.
    """
    classes = classes or {}
    for name, function in vars(module).items():
        if not name.startswith("test_") or name in left_out:
            continue
        if not any(word in inspect.getsource(function) for word in uses):
            continue
        number = 0
        for arguments in expanded(function):
            stand_ins = {key: classes[value] for key, value in arguments.items()
                         if inspect.isclass(value) and value in classes}
            if None in stand_ins.values() or any(map(is_sparse, arguments.values())):
                continue
            yield pytest.param(function, {**arguments, **stand_ins}, id=f"{name}-{number}")
            number += 1
