"""What the stubs (.pyi) of the package say and should say: for test_stubs.py and ci/stubs.py.

A module has a stub where it defines a public name, a class that such a one inherits from, or where
somebody has put one: results of functions have theirs by that.
"""

import ast
import dataclasses
import functools
import importlib
import inspect
from pathlib import Path

import emkernels

FOLDER = Path(emkernels.__file__).parent
MODULES = ("comparison", "data", "distributed", "em", "em.progress", "image",
           "plotting", "ray", "spark", "statistics")
# beside constructors, what people write an operator for
OPERATORS = {"__add__", "__array__", "__call__", "__contains__", "__enter__", "__eq__", "__exit__",
             "__getitem__", "__init__", "__iter__", "__len__", "__radd__"}
P = inspect.Parameter


def module_of(path):
    parts = path.relative_to(FOLDER.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def stub_of(module):
    """The path of a module's stub."""
    source = Path(importlib.import_module(module).__file__)
    return source.with_name(source.name.partition(".")[0] + ".pyi")


def place_of(name):
    """The module of a name of the package; a constant knows none itself."""
    return getattr(getattr(emkernels, name), "__module__", emkernels._PUBLIC[name])


def exported():
    """Every public name: (module, name) -> object."""
    found = {("emkernels", name): getattr(emkernels, name) for name in emkernels.__all__}
    for module in MODULES:
        there = importlib.import_module(f"emkernels.{module}")
        for name in getattr(there, "__all__", None) or list(public(there)):
            found[there.__name__, name] = getattr(there, name)
    return found


def estimators():
    return [item for (module, _), item in sorted(exported().items())
            if module == "emkernels" and hasattr(item, "get_params")]


def stubbed():
    """Names of the modules that have a stub or should; of the compiled ones see test_stubs.py."""
    found = {getattr(item, "__module__", None) or "" for item in needed()}
    found |= {module_of(path) for path in FOLDER.rglob("*.pyi") if path.with_suffix(".py").exists()}
    return sorted(name for name in found
                  if name.startswith("emkernels.") and not name.startswith("emkernels.kernels"))


def public(module):
    """Classes and functions that a module defines."""
    return {name: item for name, item in vars(module).items()
            if not name.startswith("_") and getattr(item, "__module__", "") == module.__name__
            and callable(item)}


@functools.cache
def needed():
    """What stubs must have: public names, and classes that such inherit from."""
    found = []
    for item in exported().values():
        found += item.__mro__ if inspect.isclass(item) else [item]
    return found


def wanted(module):
    """The same of one module, with its results, by name."""
    return {name: item for name, item in public(module).items()
            if any(item is each for each in needed()) or is_result(item)}


def is_result(item):
    return dataclasses.is_dataclass(item) or hasattr(item, "_fields")


def members(owner):
    """The methods and properties that a class itself has for others: name -> (kind, function)."""
    found = {}
    for name, item in vars(owner).items():
        if name.startswith("_") and name not in OPERATORS:
            continue
        if name == "__init__" and getattr(owner, "_is_protocol", False):
            continue
        if name in ("__init__", "__eq__") and (dataclasses.is_dataclass(owner)
                                               or hasattr(owner, "_fields")):
            continue
        kind = kind_of(item)
        if kind == "available":
            continue
        if kind is not None and not (name.endswith("_request") and not is_estimator(owner)):
            found[name] = kind, function_of(owner, name, item)
    if is_estimator(owner):     # outputs of blocks, where the model has such an output
        for base in owner.__mro__:
            ours = base.__module__.startswith("emkernels.")
            for name, item in vars(base).items() if ours else ():
                if kind_of(item) == "available" and item.check(owner):
                    found[name] = "blocks", item.fn
    return found


def is_estimator(owner):
    return any(owner is each for each in estimators())


def kind_of(item):
    if isinstance(item, (property, functools.cached_property)):
        return "property"
    if isinstance(item, (classmethod, staticmethod)):
        return type(item).__name__
    if type(item).__name__ == "_AvailableIfDescriptor":
        return "available"
    if type(item).__name__ == "RequestMethod" or inspect.isfunction(item):
        return "method"
    return None


def function_of(owner, name, item):
    if isinstance(item, property):
        return item.fget
    if isinstance(item, functools.cached_property):
        return item.func
    if isinstance(item, (classmethod, staticmethod)):
        return item.__func__
    return item if inspect.isfunction(item) else getattr(owner, name)


def parameters(function):
    """(name, kind, default) of every parameter at run time."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def declared(node):
    """The same of a stub; a default that is no literal is ``...``."""
    arguments = node.args
    places = [(a, P.POSITIONAL_ONLY) for a in arguments.posonlyargs]
    places += [(a, P.POSITIONAL_OR_KEYWORD) for a in arguments.args]
    values = [None] * (len(places) - len(arguments.defaults)) + arguments.defaults
    found = [(a.arg, kind, default_of(value)) for (a, kind), value in zip(places, values)]
    if arguments.vararg:
        found.append((arguments.vararg.arg, P.VAR_POSITIONAL, P.empty))
    found += [(a.arg, P.KEYWORD_ONLY, default_of(value))
              for a, value in zip(arguments.kwonlyargs, arguments.kw_defaults)]
    if arguments.kwarg:
        found.append((arguments.kwarg.arg, P.VAR_KEYWORD, P.empty))
    return found


def default_of(value):
    """A default as a stub shows it; ``...`` where it is no literal."""
    return P.empty if value is None else ast.literal_eval(value)


def differ(stub, actual):
    """Whether two lists of parameters differ, in names, kinds, or defaults."""
    return len(stub) != len(actual) or any(
        one[:2] != two[:2] or (one[2] is P.empty) != (two[2] is P.empty)
        or (one[2] is not ... and one[2] != two[2]) for one, two in zip(stub, actual))


def disagree(nodes, function):
    """Whether definitions in a stub differ from what is at run time: one in names, kinds and
    defaults; overloads in names, and in defaults where they have them."""
    actual = parameters(function)
    if len(nodes) == 1:
        return differ(declared(nodes[0]), actual)
    defaults = {name: default for name, _, default in actual}
    return any({name for name, _, _ in declared(node)} != set(defaults) or any(
        default not in (P.empty, ..., defaults[name]) for name, _, default in declared(node))
        for node in nodes)


def decorators(node):
    return {ast.unparse(item).rpartition(".")[2] for item in node.decorator_list}


def functions(body):
    """name -> its definitions, of which an overloaded one has several."""
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(node)
    return found


def attributes(node):
    """name -> annotation, of the attributes that the stub of a class declares."""
    return {item.target.id: item.annotation for item in node.body
            if isinstance(item, ast.AnnAssign)}


def classes(tree):
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def names_of(tree):
    """Names that the text of a stub defines or imports."""
    found = set()
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {each.asname or each.name for each in node.names}
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            found.add(node.target.id)
        elif isinstance(node, ast.Assign):
            found |= {each.id for each in node.targets}
    return found
