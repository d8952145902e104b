"""The examples in the docstrings; compiled functions have to be asked for theirs."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import emkernels
from emkernels import kernels


def docstrings(module):
    """Of a module; doctest does not find compiled functions, classes and methods by itself."""
    if module.__file__.endswith(".py"):
        yield from doctest.DocTestFinder().find(module)
        return
    for name, item in vars(module).items():
        if getattr(item, "__module__", None) != module.__name__ or not callable(item):
            continue
        for path, each in [(name, item), *((f"{name}.{key}", value) for key, value in (
                vars(item).items() if inspect.isclass(item) else ()))]:
            text = inspect.getdoc(each)
            if text:
                yield PARSER.get_doctest(text, {}, f"{module.__name__}.{path}", None, None)


def documented():
    """The docstrings with examples of every module, by module and name."""
    for found in pkgutil.walk_packages(emkernels.__path__, "emkernels."):
        if not found.name.startswith(("emkernels._simd", "emkernels.__main__")):
            module = importlib.import_module(found.name)
            for each in docstrings(module):
                if each.examples:
                    yield each.name, each
    yield "emkernels", PARSER.get_doctest(emkernels.__doc__, {}, "emkernels", None, None)


PARSER = doctest.DocTestParser()
EXAMPLES = dict(documented())
PUBLIC = [name for name in kernels.__all__ if not inspect.isclass(getattr(kernels, name))]
# the functions that check arguments have no formula and no source
WITH_SOURCE = [name for name in PUBLIC if not name.startswith("check_")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name):
    report, runner = [], doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    EXAMPLES[name].globs = {}
    with np.printoptions():
        runner.run(EXAMPLES[name], out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_the_walk_finds_examples():
    """Of estimators, their methods, results, compiled functions and compiled classes."""
    assert {
        "emkernels.distributed", "emkernels.em.protocol.Model",
        "emkernels.image._segment.segment_image",
        "emkernels.kernels.mixture.em_statistics", "emkernels.kernels.grouping.MissingPatterns",
        "emkernels.models.factors.fitted.FittedFactors.sample",
        "emkernels.models.mixture.estimator.GaussianMixture"} <= EXAMPLES.keys()


@pytest.mark.parametrize("name", WITH_SOURCE)
def test_every_kernel_has_an_example(name):
    function = getattr(kernels, name)
    assert f"{function.__module__}.{name}" in EXAMPLES


@pytest.mark.parametrize("name", WITH_SOURCE)
def test_every_section_is_there(name):
    text = inspect.getdoc(getattr(kernels, name))
    for section in ("Parameters", "Returns", "Raises", "References", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section
    for parameter in inspect.signature(getattr(kernels, name)).parameters:
        assert parameter in text
