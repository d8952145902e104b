"""Docstrings of all public names, by the codes of numpydoc and four rules of the house.

docstrings.py [PREFIX ...]: of names that begin so; all where none is given. Looks at the package
that is installed, fits every estimator once, and takes a few seconds.
"""

import ast
import collections
import dataclasses
import importlib
import inspect
import pydoc
import sys
import warnings
from pathlib import Path

import numpy as np
from numpydoc.docscrape import NumpyDocString, get_doc_object
from numpydoc.validate import Validator, validate
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (else not to be seen)

import emkernels

MODULES = (
    "emkernels", "emkernels.data", "emkernels.distributed", "emkernels.em", "emkernels.image",
    "emkernels.kernels", "emkernels.models.chains", "emkernels.models.classes",
    "emkernels.models.factors", "emkernels.models.imputation", "emkernels.models.missing",
    "emkernels.models.mixture", "emkernels.plotting", "emkernels.ray", "emkernels.spark",
    "emkernels.statistics",
)
# What methods return, and what a loop of one's own needs.
BESIDES = (
    "emkernels._results.NamedMatrix",
    "emkernels.em.protocol.Model", "emkernels.em.protocol.Source",
    "emkernels.em.protocol.Statistics",
    "emkernels.models.classes.covariates.ClassCovariates",
    "emkernels.models.classes.distal.DistalOutcome",
    "emkernels.models.factors.errors.StandardErrors",
    "emkernels.models.factors.parallel.ParallelAnalysis",
    "emkernels.models.factors.rotation.Rotation", "emkernels.models.factors.rotation.rotate",
    "emkernels.models.imputation.information.Uncertainty",
)
CODES = {
    "GL01", "GL02", "GL03", "GL05", "GL06", "GL07", "GL08", "GL09", "GL10",     # form and order
    "SS01", "SS02", "SS03", "SS04", "SS06",     # the first sentence
    "PR01", "PR02", "PR03", "PR04", "PR05", "PR06", "PR07", "PR08", "PR09", "PR10",
    "RT01", "RT02", "RT03", "RT04", "RT05", "YD01",
    "SA01", "SA02", "SA03", "SA04", "EX01",
}
# Left out: SS05, which takes nouns that end in s for verbs; ES01, a name that one sentence explains
# needs no second.
# Methods are shown by the examples of their class, and by what stands beside them on its page.
OF_FUNCTIONS_AND_CLASSES = {"SA01", "EX01"}
# Cython takes the last line break away.
OF_PYTHON = {"GL02"}
# Users make them and hand them over; their methods are for the loop.
HANDED_OVER = {"emkernels.data.Journal", "emkernels.em.Progress"}


def members(cls):
    """Public methods and properties of ours, those that are inherited too."""
    for name in dir(cls):
        where = next((base for base in cls.__mro__ if name in vars(base)), None)
        if name.startswith("_") or where is None or not where.__module__.startswith("emkernels"):
            continue
        item = vars(where)[name]
        if callable(item) or isinstance(item, (property, classmethod, staticmethod)):
            yield name, f"{where.__module__}.{where.__qualname__}.{name}"


def public():
    """Import paths of what is public, each object once: (path, whether it is a member)."""
    seen = set()
    modules = [importlib.import_module(name) for name in MODULES]
    paths = [f"{module.__name__}.{name}" for module in modules for name in module.__all__]
    for path in (*paths, *BESIDES):
        item = pydoc.locate(path)
        if item is None:
            raise LookupError(f"there is no {path}")
        if not callable(item) or id(item) in seen:
            continue
        seen.add(id(item))
        yield path, False
        if not inspect.isclass(item) or path in HANDED_OVER:
            continue
        for member, source in members(item):
            if source not in seen:
                seen.add(source)
                yield f"{path}.{member}", True


def is_result(item):
    """A class whose objects users read and do not build, and protocols: Attributes are all."""
    if not inspect.isclass(item) or issubclass(item, BaseEstimator):
        return False
    document = NumpyDocString(inspect.getdoc(item) or "")
    return getattr(item, "_is_protocol", False) or bool(
        document["Attributes"] and not document["Parameters"])


def of_numpydoc(path, member):
    item = Validator._load_obj(path)
    left_out = OF_FUNCTIONS_AND_CLASSES if member else set()
    if is_result(item):
        left_out = left_out | {"PR01"}
    if path.startswith("emkernels.kernels."):
        left_out = left_out | OF_PYTHON
    for code, message in validate(path)["errors"]:
        if code in CODES and code not in left_out:
            yield code, message


def see_also(path):
    """What See Also names is there."""
    document = get_doc_object(Validator._load_obj(path))
    parents = [path.rsplit(".", n)[0] for n in range(1, path.count(".") + 1)]
    for entries, _ in document["See Also"]:
        for name, _ in entries:
            if all(pydoc.locate(each) is None
                   for each in (name, *(f"{parent}.{name}" for parent in parents))):
                yield "see-also", f"there is no {name}"


def raises(path):
    """Functions, and methods of estimators that take rows, say what they raise."""
    item, parent = (Validator._load_obj(each) for each in (path, path.rpartition(".")[0]))
    if inspect.isclass(item) or isinstance(item, property):
        return
    document = get_doc_object(item)
    names = [each.name for each in document["Parameters"]]
    if inspect.isclass(parent) and not (issubclass(parent, BaseEstimator) and "X" in names):
        return
    if names and not document["Raises"] and not document["Warns"]:
        yield "raises", "it has no section Raises"


def stored():
    """Names of attributes that some line of the package stores."""
    for path in Path(emkernels.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield node.attr


STORED = set(stored())


def attributes_of(cls):
    """Fitted attributes: of an estimator after `fit` and after `fit_chunks`, and its properties."""
    rng = np.random.default_rng(0)
    of_codes = cls in (emkernels.LatentClassAnalysis, emkernels.CategoricalHMM)
    X = rng.integers(0, 3, (60, 4)) if of_codes else rng.normal(size=(60, 4))
    X = X[:, :1] if cls is emkernels.CategoricalHMM else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        there = {*vars(cls().fit(X)), *vars(cls().fit_chunks([X]))}
    there |= {name for name in dir(cls) if isinstance(getattr(cls, name), property)}
    return {name for name in there if name[0] != "_" and name.endswith("_")}


def attributes(path):
    """Attributes says what an object has, and of what type, and it has what Attributes says."""
    cls = Validator._load_obj(path)
    told = set()
    for attribute in NumpyDocString(inspect.getdoc(cls) or "")["Attributes"]:
        told |= {name.strip() for name in attribute.name.split(",")}
        if not attribute.type:
            yield "attributes", f"{attribute.name} has no type"
    if issubclass(cls, BaseEstimator):
        there = attributes_of(cls)
        possible = there | STORED
    elif dataclasses.is_dataclass(cls) or hasattr(cls, "_fields"):
        there = {field for field in getattr(cls, "_fields", None) or (
            each.name for each in dataclasses.fields(cls)) if field[0] != "_"}
        possible = there | STORED | set(dir(cls))
    else:
        return
    for name in sorted(there - told):
        yield "attributes", f"{name} is not in Attributes"
    for name in sorted(told - possible):
        yield "attributes", f"there is no {name}"


def main(prefixes):
    counts, n_names = collections.Counter(), 0
    for path, member in public():
        if prefixes and not any(path.startswith(prefix) for prefix in prefixes):
            continue
        n_names += 1
        found = [*of_numpydoc(path, member), *see_also(path), *raises(path)]
        if inspect.isclass(Validator._load_obj(path)):
            found += attributes(path)
        for code, message in found:
            counts[code] += 1
            print(f"{path}: {code} {message}")
    print(f"docstrings: {n_names} names, {len(CODES)} codes, {counts.total()} errors",
          *(f"{code} {n}" for code, n in sorted(counts.items())), sep="  ")
    return bool(counts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
