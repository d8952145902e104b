"""The examples in the docstrings; compiled functions have to be asked for theirs."""

import doctest
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

import emkernels
from emkernels import kernels


def documented():
    for path in sorted(Path(kernels.__file__).parent.glob("*.pyi")):
        module = importlib.import_module(f"emkernels.kernels.{path.stem}")
        yield module.__name__, module
        for name, item in vars(module).items():
            if callable(item) and item.__module__ == module.__name__:
                yield f"{module.__name__}.{name}", item


ITEMS = dict(documented())
PUBLIC = [name for name in kernels.__all__ if not inspect.isclass(getattr(kernels, name))]
# the functions that check arguments have nothing to show
WITH_EXAMPLE = [name for name in PUBLIC if not name.startswith("check_")]


def examples(name):
    return doctest.DocTestParser().get_doctest(
        inspect.getdoc(ITEMS[name]) or "", {}, name, None, None)


@pytest.mark.parametrize("name", [name for name in ITEMS if examples(name).examples])
def test_examples(name):
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    with np.printoptions():
        runner.run(examples(name), out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_every_kernel_has_an_example(name):
    function = getattr(kernels, name)
    assert examples(f"{function.__module__}.{name}").examples


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_every_section_is_there(name):
    text = inspect.getdoc(getattr(kernels, name))
    for section in ("Parameters", "Returns", "Raises", "References", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section
    for parameter in inspect.signature(getattr(kernels, name)).parameters:
        assert parameter in text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [
    name for name in emkernels.__all__
    if inspect.isclass(getattr(emkernels, name)) or inspect.isfunction(getattr(emkernels, name))])
def test_examples_of_public_names(name):
    report, runner = [], doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    with np.printoptions():
        for each in doctest.DocTestFinder().find(getattr(emkernels, name), name, globs={}):
            runner.run(each, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
