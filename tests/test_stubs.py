"""The .pyi files say what the compiled modules are."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

from emkernels import kernels

# beside the compiled modules, so that an installation has them too
FOLDER = Path(kernels.__file__).parent
MODULES = {path.stem: importlib.import_module(f"emkernels.kernels.{path.stem}")
           for path in sorted(FOLDER.glob("*.pyi"))}
P = inspect.Parameter


def stub(name):
    return ast.parse((FOLDER / f"{name}.pyi").read_text())


def functions(name):
    return [node for node in stub(name).body if isinstance(node, ast.FunctionDef)]


def parameters_of(node):
    """(name, kind, default) of every parameter of a stub."""
    arguments = node.args
    assert not arguments.posonlyargs and not arguments.vararg and not arguments.kwarg
    defaults = [P.empty] * (len(arguments.args) - len(arguments.defaults))
    defaults += [ast.literal_eval(value) for value in arguments.defaults]
    found = [(a.arg, P.POSITIONAL_OR_KEYWORD, d) for a, d in zip(arguments.args, defaults)]
    return found + [
        (a.arg, P.KEYWORD_ONLY, P.empty if value is None else ast.literal_eval(value))
        for a, value in zip(arguments.kwonlyargs, arguments.kw_defaults)]


@pytest.mark.parametrize("module, node", [
    (name, node) for name in MODULES for node in functions(name)],
    ids=lambda value: getattr(value, "name", value))
def test_signature(module, node):
    signature = inspect.signature(getattr(MODULES[module], node.name))
    actual = [(p.name, p.kind, p.default) for p in signature.parameters.values()]
    assert parameters_of(node) == actual
    assert node.returns is not None
    for argument in [*node.args.args, *node.args.kwonlyargs]:
        assert argument.annotation is not None, argument.arg


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_has_a_stub(name):
    module = MODULES[name]
    public = {n for n, item in vars(module).items()
              if not n.startswith("_") and getattr(item, "__module__", "") == module.__name__}
    declared = {node.name for node in stub(name).body
                if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert declared == public


def test_every_module_has_its_declarations():
    compiled = {path.name.partition(".")[0] for path in FOLDER.iterdir()
                if path.suffix in (".so", ".pyd")}
    assert compiled == set(MODULES)
    assert compiled == {path.stem for path in FOLDER.glob("*.pxd")} - {"__init__"}


def test_a_face_that_takes_factors_says_which():
    texts = {path.name: path.read_text() for path in FOLDER.glob("*.pxd")}
    takes = {name for name, text in texts.items() if "double *precisions_cholesky" in text}
    assert takes >= {"mixture.pxd", "incomplete.pxd", "potts.pxd", "gaussians.pxd"}
    for name in takes:
        words = texts[name].split('"""')[1]
        assert "upper triangular factors U with U U' = precision" in words, name
        assert "1 / sqrt(variance)" in words, name


def test_every_kernel_has_a_stub():
    declared = {node.name for name in MODULES for node in stub(name).body
                if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert declared >= set(kernels.__all__)


@pytest.mark.parametrize("module, node, alias", [
    (name, node, alias) for name in MODULES for node in stub(name).body
    if isinstance(node, ast.ImportFrom) for alias in node.names if alias.asname],
    ids=lambda value: getattr(value, "asname", None) or getattr(value, "module", value))
def test_names_kept_at_their_old_place(module, node, alias):
    """`import x as x` in a stub hands a name on."""
    there = importlib.import_module(node.module)
    assert getattr(MODULES[module], alias.asname) is getattr(there, alias.name)


@pytest.mark.parametrize("module, node", [
    (name, node) for name in MODULES for node in stub(name).body
    if isinstance(node, ast.ClassDef) and any(
        getattr(base, "id", None) == "NamedTuple" for base in node.bases)],
    ids=lambda value: getattr(value, "name", value))
def test_fields_of_named_tuples(module, node):
    fields = tuple(item.target.id for item in node.body if isinstance(item, ast.AnnAssign))
    assert fields == getattr(MODULES[module], node.name)._fields


def test_the_package_is_marked_as_typed():
    assert (FOLDER.parent / "py.typed").exists()
