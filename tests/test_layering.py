"""The laws of the house: imports go down only, none hides in a function, and every room keeps its
own matters to itself."""

import ast
import functools
import importlib
import re
from pathlib import Path

import pytest

import emkernels

# the checkout where there is one: a wheel holds no .pyx
CHECKOUT = Path(__file__).resolve().parents[1] / "emkernels"
PACKAGE = CHECKOUT if CHECKOUT.is_dir() else Path(emkernels.__file__).parent
FLOORS = {
    "_simd": 0, "_callers": 0, "_extras": 0, "_inputs": 0, "_one_thread": 0, "_results": 0,
    "_words": 0,
    "kernels": 1, "em": 1, "data": 2, "components": 3, "latent": 4, "starts": 5, "models": 6,
    "statistics": 6, "plotting": 7, "image": 8, "comparison": 8, "cli": 9, "__main__": 9,
    "_config": 9, "distributed": 9, "spark": 9, "ray": 9,
}
MOST_LINES, MOST_PARAMETERS = 400, 8
SKLEARNS = {"_parameter_constraints", "_validate_params"}     # names of scikit-learn
TYPES = {"full", "tied", "diag", "spherical"}
SOURCES = sorted(
    path for pattern in ("*.py", "*.pyi", "*.pyx", "*.pxd", "*.pxi")
    for path in PACKAGE.rglob(pattern))


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text())


def floor(module):
    """Of a dotted name below emkernels; the bare package is below everything."""
    parts = module.split(".")
    return FLOORS[parts[1]] if len(parts) > 1 else -1


def name_of(path):
    parts = [PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of_python(path):
    package = name_of(path) if path.stem == "__init__" else name_of(path).rpartition(".")[0]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[:len(package.split(".")) - node.level + 1]
                base = ".".join([*up, base] if base else up)
            # `from package import module` names a module too
            yield from (f"{base}.{alias.name}" if base == "emkernels" else base
                        for alias in node.names)


def imports_of_cython(path):
    text = re.sub(r"\\\n", " ", path.read_text())
    for line in text.splitlines():
        found = re.match(r"\s*from\s+(\S+)\s+c?import\s+(.*)", line)
        if found:
            assert not found[1].startswith("."), f"{path}: write the import of {line} in full"
            first = found[2].strip("( ").split(",")[0].split()[0] if found[2].strip("( ") else ""
            yield f"emkernels.{first}" if found[1] == "emkernels" else found[1]
        found = re.match(r"\s*c?import\s+([\w.]+)", line)
        if found:
            yield found[1]


def imports_of(path):
    reader = imports_of_python if path.suffix in (".py", ".pyi") else imports_of_cython
    return [name for name in reader(path) if name.split(".")[0] == "emkernels"]


# stubs of Python name types of whatever floor; at run time there are none
@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.suffix != ".pyi" or p.parent.name == "kernels"],
    ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    here = floor(name_of(path))
    for name in imports_of(path):
        if name.split(".")[1:2] and name.split(".")[1] not in FLOORS:
            assert (hasattr(emkernels, name.split(".")[1])), f"{path} imports {name}, of no floor"
            continue
        assert floor(name) <= here, f"{path} (floor {here}) imports {name} (floor {floor(name)})"


def test_the_walk_sees_the_imports():
    seen = {path.name: imports_of(path) for path in SOURCES}
    assert "emkernels._simd.table" in seen["driver.pxd"]
    if PACKAGE == CHECKOUT:
        assert "emkernels._simd.table" in seen["mixture.pyx"]
        assert "emkernels.kernels.driver" in seen["cluster.pyx"]
    assert "emkernels.kernels.mixture" in imports_of(PACKAGE / "kernels" / "__init__.py")
    assert sum(map(len, seen.values())) > 20


def test_the_package_itself_imports_nothing_of_its_own():
    assert imports_of(PACKAGE / "__init__.py") == []


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.suffix == ".py"], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_own_import_inside_a_function(path):
    for function in ast.walk(tree_of(path)):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = ["emkernels" if node.level else node.module]
                assert not any(name.split(".")[0] == "emkernels" for name in names), (
                    f"{path}:{node.lineno}")


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.parent.name == "_simd"], ids=lambda p: p.name)
def test_block_kernels_know_no_threads_and_no_python(path):
    text = path.read_text()
    for word in ("prange", "openmp", "with gil", "malloc", "numpy"):
        assert word not in text, f"{path}: {word}"


# --- what stays in its room -----------------------------------------------------------------

def room(module):
    """The folder below emkernels that a module is in, or the module."""
    return module.split(".")[1] if "." in module else ""


PYTHON = [path for path in SOURCES if path.suffix == ".py"]
IDS = {"ids": lambda p: str(p.relative_to(PACKAGE))}


def is_own(name):
    return name.startswith("_") and not name.startswith("__")


def defined_in(tree):
    """Names with an underscore that a module makes: functions, classes, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and is_own(node.name):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and is_own(node.id):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(
                node.attr):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and is_own(node.value):
            yield node.value        # of __slots__


@functools.cache
def rooms():
    """In which rooms each of these names is made."""
    found = {}
    for path in PYTHON:
        for name in defined_in(tree_of(path)):
            found.setdefault(name, set()).add(room(name_of(path)))
    return found


@pytest.mark.parametrize("path", PYTHON, **IDS)
def test_names_with_an_underscore_stay_in_their_room(path):
    here = room(name_of(path))
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emkernels"):
            names = [*node.module.split(".")[2:], *(alias.name for alias in node.names)]
            if node.module != "emkernels":
                private = [name for name in names if is_own(name)]
                assert not private or room(node.module) == here, (
                    f"{path}:{node.lineno} imports {private} of {node.module}")
        # what is some other room's own, and not called by a name that this one has, too
        if isinstance(node, ast.Attribute) and is_own(node.attr):
            makers = rooms().get(node.attr, set())
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            assert here in makers or not makers or own or node.attr in SKLEARNS, (
                f"{path}:{node.lineno} uses {node.attr} of {', '.join(sorted(makers))}")


@pytest.mark.parametrize("path", PYTHON, **IDS)
def test_a_covariance_type_is_compared_in_structures_only(path):
    if "structures" in path.parts:
        return
    for node in ast.walk(tree_of(path)):
        found = []
        if isinstance(node, ast.Compare):
            found = [each.value for part in (node.left, *node.comparators)
                     for each in ast.walk(part) if isinstance(each, ast.Constant)]
        elif isinstance(node, ast.MatchValue):
            found = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
        elif isinstance(node, ast.Dict):        # which a type picks from
            found = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            found = found if len(set(found) & TYPES) > 1 else []
        assert not TYPES & {value for value in found if isinstance(value, str)}, (
            f"{path}:{node.lineno} asks which covariance type it has: structures/ can answer")


@pytest.mark.parametrize("path", PYTHON, **IDS)
def test_missing_values_are_looked_for_at_the_door_only(path):
    """Where rows come in; the kernels for those who call them; and X that need not be rows."""
    where = str(path.relative_to(PACKAGE)).replace("\\", "/")
    if where.startswith(("data/", "kernels/")) or where in (
            "components/gaussian/statistics.py", "models/mixture/conditional.py",
            "plotting/_patterns.py"):
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert name not in ("missing_patterns", "check_finite", "patterns_where_missing"), (
                f"{path}:{node.lineno}")


def test_texts_to_include_are_block_loops():
    """They are compiled once for each level; elsewhere a subject is a module, with its own .pxd."""
    assert not [path for path in SOURCES if path.suffix == ".pxi" and path.parent.name != "_simd"]


def lines_of_code(path):
    """Lines without docstrings, which are texts in three quotes that begin a line."""
    code = re.sub(r'^ *r?"""(.*?)"""[ ]*\n', "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return len(code.splitlines())


@pytest.mark.skipif(PACKAGE != CHECKOUT, reason="a wheel holds no .pyx")
def test_a_compiled_module_fits_in_a_head():
    assert [f"{path.name}: {n} lines" for path in SOURCES if path.suffix in (".pyx", ".pxd")
            if (n := lines_of_code(path)) > MOST_LINES] == []


@pytest.mark.parametrize("path", PYTHON, **IDS)
def test_files_fit_in_a_head(path):
    assert lines_of_code(path) <= MOST_LINES


@functools.cache
def public_faces():
    """Functions and constructors that users call with names of arguments."""
    modules = [emkernels, *map(importlib.import_module, (
        "emkernels.em", "emkernels.data", "emkernels.plotting", "emkernels.kernels"))]
    return {name for module in modules for name in module.__all__}


@pytest.mark.parametrize("path", PYTHON, **IDS)
def test_below_a_public_face_there_are_few_parameters(path):
    public = public_faces()
    of_public = {id(method) for node in ast.walk(tree_of(path))
                 if isinstance(node, ast.ClassDef) and node.name in public
                 for method in node.body if isinstance(method, ast.FunctionDef)
                 and (not is_own(method.name))}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef) and id(node) not in of_public and (
                node.name not in public):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [each.arg for each in arguments if each.arg not in ("self", "cls")]
            assert len(names) <= MOST_PARAMETERS, f"{path}:{node.lineno} {node.name}: {names}"


def test_the_laws_can_be_broken():
    """They are seen to find what they look for."""
    loop, segment = PACKAGE / "em" / "loop.py", PACKAGE / "image" / "_segment.py"
    assert 150 < lines_of_code(loop) < len(loop.read_text().splitlines()) - 100
    assert lines_of_code(segment) <= MOST_LINES < len(segment.read_text().splitlines())
    assert {"_fitted_type", "_parameters", "_look"} <= rooms().keys()
    assert rooms()["_look"] == {"data"} and "models" in rooms()["_fitted_type"]
    assert "GaussianMixture" in public_faces() and "run_em" in public_faces()
