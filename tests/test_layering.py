"""Imports go down only, and none hides in a function."""

import ast
import re
from pathlib import Path

import pytest

import emkernels

# the checkout where there is one: a wheel holds no .pyx
CHECKOUT = Path(__file__).resolve().parents[1] / "emkernels"
PACKAGE = CHECKOUT if CHECKOUT.is_dir() else Path(emkernels.__file__).parent
FLOORS = {
    "_simd": 0, "kernels": 1, "statistics": 2, "em": 2, "models": 3, "image": 4, "plotting": 4,
    "distributed": 4, "comparison": 4, "cli": 4, "__main__": 4, "_config": 4,
    "_callers": 0, "_extras": 0, "_inputs": 0, "_one_thread": 0,
}
SOURCES = sorted(
    path for pattern in ("*.py", "*.pyi", "*.pyx", "*.pxd", "*.pxi")
    for path in PACKAGE.rglob(pattern))


def floor(module):
    """Of a dotted name below emkernels; the bare package is below everything."""
    parts = module.split(".")
    return FLOORS[parts[1]] if len(parts) > 1 else -1


def name_of(path):
    parts = [PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of_python(path):
    package = name_of(path) if path.stem == "__init__" else name_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
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


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
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
    for function in ast.walk(ast.parse(path.read_text())):
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


@pytest.mark.parametrize("path", [p for p in SOURCES if p.suffix == ".pxi"], ids=lambda p: p.name)
def test_texts_that_are_included_are_compiled_once_for_each_level(path):
    """Elsewhere a subject is a module, with its own .pxd."""
    assert path.parent.name == "_simd"


@pytest.mark.skipif(PACKAGE != CHECKOUT, reason="a wheel holds no .pyx")
def test_a_compiled_module_fits_in_a_head():
    assert [f"{path.name}: {n} lines" for path in SOURCES if path.suffix in (".pyx", ".pxd")
            if (n := len(path.read_text().splitlines())) > 400] == []
