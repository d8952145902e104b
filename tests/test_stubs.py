"""The .pyi files say what the modules are."""

import ast
import dataclasses
import importlib
import inspect
from pathlib import Path

import pytest
import stub_files

import emkernels
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


@pytest.mark.parametrize("name", MODULES)
def test_capsules_of_compiled_functions(name):
    capsules = getattr(MODULES[name], "__pyx_capi__", {})
    declared = "__pyx_capi__" in stub_files.names_of(stub(name))
    assert declared == any(each.endswith("_f64") for each in capsules)


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


# --- the stubs beside Python ---------------------------------------------------------------

MEND = "python ci/stubs.py mends it (CONTRIBUTING.md, Types)"


def text_of(module):
    path = stub_files.stub_of(module)
    assert path.exists(), f"{module} has no stub: {MEND}"
    return path.read_text(encoding="utf-8")


def check_functions(have, wanted, where):
    """Every wanted function is there, none is too much, and their signatures are those of run
    time."""
    for name, (kind, function) in wanted.items():
        nodes = have.get(name)
        assert nodes, f"{where}{name} is not in the stub: {MEND}"
        if kind in ("property", "classmethod", "staticmethod"):
            assert stub_files.decorators(nodes[0]) == {kind}, f"{where}{name} is a {kind}: {MEND}"
        assert not stub_files.disagree(nodes, function), (
            f"{where}{name} has another signature than its stub: {MEND}")
    for name, nodes in have.items():
        for node in nodes:
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            lacks = [a.arg for a in every if a.annotation is None and a.arg not in ("self", "cls")]
            assert not lacks and node.returns is not None, f"{where}{name}: no type of {lacks}"


def test_every_public_name_is_in_the_stub_of_the_package():
    tree = ast.parse((FOLDER.parent / "__init__.pyi").read_text(encoding="utf-8"))
    places = {alias.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom)
              for alias in node.names}
    names = set(emkernels.__all__) | set(emkernels._MODULES)
    assert set(places) | {"__version__"} == names, MEND
    for name in names - {"__version__"} - set(emkernels._MODULES):
        item = getattr(emkernels, name)
        assert item is getattr(importlib.import_module(places[name]), name)
        assert places[name] == stub_files.place_of(name), f"{name}: {MEND}"


@pytest.mark.parametrize("module", stub_files.stubbed())
def test_stub(module):
    text = text_of(module)
    assert "Incomplete" not in text, "say by hand what ci/stubs.py did not know"
    there, tree = importlib.import_module(module), ast.parse(text)
    wanted = stub_files.wanted(there)
    plain = {name: ("function", item) for name, item in wanted.items()
             if not inspect.isclass(item)}
    check_functions(stub_files.functions(tree.body), plain, f"{module}.")
    found = stub_files.classes(tree)
    for name, node in found.items():
        owner = getattr(there, name, None)
        assert owner is not None or name.startswith("_"), f"there is no {module}.{name}: {MEND}"
        if owner is None:
            continue
        check_bases(owner, node)
        have = stub_files.functions(node.body)
        annotated = stub_files.attributes(node)
        members = stub_files.members(owner)
        blocks = {each for each, (kind, _) in members.items() if kind == "blocks"}
        assert blocks <= set(annotated), f"{name} lacks {blocks - set(annotated)}: {MEND}"
        check_functions(have, {each: members[each] for each in members.keys() - blocks},
                        f"{name}.")
        gone = [each for each in have if not hasattr(owner, each)]
        assert not gone, f"{name} has no {gone}: {MEND}"
        fields = [field.name for field in dataclasses.fields(owner)] if dataclasses.is_dataclass(
            owner) else vars(owner).get("_fields")
        if fields is not None:
            assert list(annotated) == list(fields), f"fields of {name}: {MEND}"
        if stub_files.is_estimator(owner):
            check_parameters(owner, have["__init__"][0], annotated)
    for name, item in wanted.items():
        assert name in found or not inspect.isclass(item), f"{module}.{name} has no stub: {MEND}"


def check_bases(owner, node):
    """What a class inherits from stands in its stub; scikit-learn's are what _typing.pyi makes of
    them."""
    typed = {"BaseEstimator": "Estimator", "TransformerMixin": "Transformer", "tuple": "NamedTuple"}
    have = {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases}
    wanted = {typed.get(base.__name__, base.__name__) for base in owner.__bases__}
    assert have - {"Generic"} == wanted - {"object"}, (
        f"bases of {owner.__name__}: mend them by hand")


def check_parameters(owner, node, annotated):
    """Parameters of an estimator are attributes of the same type."""
    for argument in [*node.args.args[1:], *node.args.kwonlyargs]:
        assert argument.arg in annotated, f"{owner.__name__}.{argument.arg}: {MEND}"
        assert ast.unparse(annotated[argument.arg]) == ast.unparse(argument.annotation), (
            f"{owner.__name__}.{argument.arg} is of another type than its parameter")


def test_the_signature_of_outputs_of_blocks():
    tree = ast.parse((FOLDER.parent / "_typing.pyi").read_text(encoding="utf-8"))
    calls = stub_files.functions(stub_files.classes(tree)["OfBlocks"].body)["__call__"]
    function = stub_files.members(emkernels.KMeans)["predict_chunks"][1]
    assert not stub_files.disagree(calls, function)


@pytest.mark.parametrize("change", [
    lambda X, y=None, *, extra=1: None,             # one more
    lambda X, *, y=None: None,                      # of another kind
    lambda X, y=0: None,                            # another default
    lambda X, y: None,                              # none
    lambda X: None])
def test_a_forgotten_parameter_is_seen(change):
    node = ast.parse("def f(X: int, y: object = None) -> None: ...").body
    assert not stub_files.disagree(node, lambda X, y=None: None)
    assert stub_files.disagree(node, change)
