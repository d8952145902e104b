"""Mend the stubs after a change of signatures: python ci/stubs.py [MODULE ...]

What a stub says of parameters that are still there stays, and so does all that is written in it by
hand. What is new gets the annotation that the same name has in other stubs, or what its docstring
says, or ``Incomplete``, to be replaced by hand: tests/test_stubs.py lets none pass. MODULE: only
these; one that has no stub gets one.
"""

import ast
import collections
import dataclasses
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import stub_files as stubs

import emkernels

WIDTH = 100
OURS = {"BaseEstimator": "Estimator", "TransformerMixin": "Transformer"}
P = inspect.Parameter
RETURNS = {"__init__": "None", "__len__": "int", "__eq__": "bool", "__contains__": "bool",
           "fit": "Self", "fit_chunks": "Self", "partial_fit": "Self"}
WORDS = (       # of docstrings, what is looked for first coming first; "" where others may follow
    (r"^list of dict", "list[dict[str, Any]]"), (r"^(?:list|tuple) of str", "list[str]"),
    (r"^list of ndarray", "list[Floats]"), (r"^list of (?:float|int)", "list[float]"),
    (r"ndarray\b.*\bint32", "Labels"), (r"ndarray\b.*\bint(?:64)?\b", "Ints"),
    (r"ndarray\b.*\bbool", "Flags"), (r"ndarray of str", "Names"),
    (r"float or ndarray|ndarray.* or float", "float | Floats"), (r"ndarray", "Floats"),
)
MORE = (
    (r"array-like|data frame|table|series", "ArrayLike"), (r"\bChunks\b", "Source"),
    (r"RandomState|Generator", "RandomState"), (r"\bint\b", "int"), (r"\bfloat\b", "float"),
    (r"\bbool\b", "bool"), (r"\bstr\b", "str"), (r"\bpath\b", "Path"), (r"callable", "Callback"),
    (r"\bself\b", "Self"),
)


def said(doc, name):
    """The type of a parameter, an attribute or (name "Returns") of what comes back, in words."""
    doc = inspect.cleandoc(doc or "").replace("\\\n", "")
    if name == "Returns":
        found = re.search(r"^Returns\n-+\n(?:\w+ : )?(.*)", doc, re.MULTILINE)
    else:
        found = re.search(rf"^(?:\w+, )*{name}(?:, \w+)* : (.*)", doc, re.MULTILINE)
    return found[1] if found else None


def of_words(words, default=P.empty):
    """An annotation for a type in words, or None."""
    if not words:
        return None
    first = [each for pattern, each in WORDS if re.search(pattern, words)][:1]
    rest = re.sub(r"default=.*", "", words)
    choices = re.findall(r"'([^']*)'", rest)
    found = first or [each for pattern, each in MORE if re.search(pattern, rest)]
    if "RandomState" in found:
        found = [each for each in found if each != "int"]
    if choices:
        options = one_of(choices)
        found = [f"Sequence[{options}]"] if "tuple of {" in words else found + [options]
        found += [f"Sequence[{options}]"] if "tuple of these" in words else []
    none = default is None or "None" in words or "optional" in words
    return " | ".join(found + ["None"] * none) if found else None


def one_of(choices):
    """A Literal, or the name that it has."""
    for node in ast.parse((stubs.FOLDER / "_typing.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and getattr(
                getattr(node.value, "value", None), "id", "") == "Literal":
            options = node.value.slice
            options = options.elts if isinstance(options, ast.Tuple) else [options]
            if {each.value for each in options} == set(choices):
                return node.target.id
    return f"Literal[{', '.join(map(json.dumps, dict.fromkeys(choices)))}]"


def blocks(name):
    return f"OfBlocks[{'Ints' if name == 'predict_chunks' else 'Reals'}]"


class Known:
    """Annotations that the stubs there are have, by name."""

    def __init__(self):
        self.parameters = collections.defaultdict(collections.Counter)
        self.returns = collections.defaultdict(collections.Counter)
        self.places = dict.fromkeys(
            ("Any", "Literal", "NamedTuple", "Protocol", "Self", "overload"), "typing")
        self.places |= {"ArrayLike": "numpy.typing", "NDArray": "numpy.typing",
                        "Axes": "matplotlib.axes", "DataFrame": "pandas"}
        self.places |= {"Callable": "collections.abc", "Iterable": "collections.abc",
                        "Sequence": "collections.abc", "dataclass": "dataclasses"}
        for path in stubs.FOLDER.rglob("*.pyi"):
            if path.parent.name == "kernels" or path.name == "_typing.pyi":
                continue
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom):
                    self.places |= {each.name: node.module for each in node.names
                                    if each.asname is None}
                if isinstance(node, ast.ClassDef):
                    self.places[node.name] = stubs.module_of(path)
                if isinstance(node, ast.AnnAssign):
                    self.parameters[node.target.id][
                        ast.get_source_segment(text, node.annotation)] += 1
                if isinstance(node, ast.FunctionDef):
                    for each in [*node.args.args, *node.args.kwonlyargs]:
                        if each.annotation:
                            found = ast.get_source_segment(text, each.annotation)
                            self.parameters[each.arg][found] += 1
                    if node.returns:
                        self.returns[node.name][ast.get_source_segment(text, node.returns)] += 1

        tree = ast.parse((stubs.FOLDER / "_typing.pyi").read_text(encoding="utf-8"))
        own = ast.Module([node for node in tree.body if not isinstance(node, ast.ImportFrom)], [])
        self.places |= dict.fromkeys(stubs.names_of(own) - {"np"}, "emkernels._typing")

    def imports(self, module, text):
        """The text with imports of names that it uses and does not have."""
        tree = ast.parse(text)
        lacks = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        lacks -= stubs.names_of(tree)
        lines = {f"from {self.places[name]} import {name}" for name in lacks
                 if self.places.get(name, module) != module}
        lines |= {"import numpy as np"} if "np" in lacks else set()
        return "".join(line + "\n" for line in sorted(lines)) + text

    def of(self, table, name):
        found = [each for each, _ in table[name].most_common() if "Incomplete" not in each]
        return found[0] if found else None


def guess(name, default, doc, known):
    words = of_words(said(doc, name), default)
    kind = type(default)
    plain = kind.__name__ if kind in (bool, int, float, str) else None
    if words is not None and re.search(r"\{.*'", said(doc, name)):     # options differ
        found = words
    else:
        found = known.of(known.parameters, name) or words or plain or "Incomplete"
    if default is None and "None" not in found and found != "Incomplete":
        found += " | None"
    return found


def literal(default):
    """How a stub shows a default."""
    if isinstance(default, str):
        return json.dumps(default) if not default.startswith("$") else "..."
    if default is None or isinstance(default, (bool, int)):
        return repr(default)
    if isinstance(default, float) and default - default == 0:
        return repr(default)
    if isinstance(default, tuple) and "..." not in map(literal, default):
        return f"({', '.join(map(literal, default))}{',' * (len(default) == 1)})"
    return "..."


def definition(name, kind, function, indent, doc, known, old=None, text=""):
    """The text of a function in a stub; annotations of `old`, a node of a text, are kept."""
    before = {}
    if old is not None:
        every = [*old.args.posonlyargs, *old.args.args, *old.args.kwonlyargs]
        every += [each for each in (old.args.vararg, old.args.kwarg) if each]
        before = {each.arg: each.annotation for each in every}
    if kind == "blocks":
        return f"{' ' * indent}{name}: {blocks(name)}"
    doc = inspect.getdoc(function) if name != "__init__" else doc
    parts, seen_star = [], False
    for i, (label, how, default) in enumerate(stubs.parameters(function)):
        if i == 0 and label in ("self", "cls"):
            parts.append(label)
            continue
        star = {P.VAR_POSITIONAL: "*", P.VAR_KEYWORD: "**"}.get(how, "")
        if how is P.KEYWORD_ONLY and not seen_star:
            parts.append("*")
        seen_star = seen_star or how in (P.KEYWORD_ONLY, P.VAR_POSITIONAL)
        if before.get(label) is not None:
            annotation = ast.get_source_segment(text, before[label])
        elif name.endswith("_request"):
            annotation = "bool | str | None"
        elif star:
            annotation = "Any"
        else:
            annotation = guess(label, default, doc, known)
        part = f"{star}{label}: {annotation}"
        parts.append(part if default is P.empty else f"{part} = {literal(default)}")
    if old is not None and old.returns is not None:
        returns = ast.get_source_segment(text, old.returns)
    else:
        returns = (RETURNS.get(name) or known.of(known.returns, name)
                   or of_words(said(doc, "Returns")) or "Incomplete")
        returns = "Self" if name.endswith("_request") else returns
    pad = " " * indent
    head = f"{pad}@{kind}\n" if kind in ("property", "classmethod", "staticmethod") else ""
    line = f"{pad}def {name}({', '.join(parts)}) -> {returns}: ..."
    if len(line) > WIDTH:
        inner = "".join(f"{pad}    {part},\n" for part in parts)
        line = f"{pad}def {name}(\n{inner}{pad}) -> {returns}: ..."
    return head + line


def attributes_of(owner, known):
    """Lines for what objects of a class have: constructor parameters and what docstrings list."""
    doc = inspect.getdoc(owner) or ""
    lines = {}
    if dataclasses.is_dataclass(owner):
        for field in dataclasses.fields(owner):
            annotation = guess(field.name, P.empty, doc, known)
            default = "" if field.default is dataclasses.MISSING and (
                field.default_factory is dataclasses.MISSING) else " = ..."
            lines[field.name] = f"{annotation}{default}"
        return lines
    if "_fields" in vars(owner):
        return {name: guess(name, P.empty, doc, known) for name in owner._fields}
    if stubs.is_estimator(owner):
        for name, _, default in stubs.parameters(owner.__init__)[1:]:
            lines[name] = guess(name, default, doc, known)
    section = re.search(r"^Attributes\n-+\n((?:.|\n)*?)(?=^\w.*\n---|\Z)", doc, re.MULTILINE)
    for names in re.findall(r"^(\w[\w, ]*) : ", section[1] if section else "", re.MULTILINE):
        for name in names.split(", "):
            if not hasattr(owner, name):
                lines[name] = (known.of(known.parameters, name) or of_words(said(doc, name))
                               or "Incomplete")
    return lines


def new_class(owner, known):
    lines = []
    if dataclasses.is_dataclass(owner):
        frozen = owner.__dataclass_params__.frozen
        lines.append("@dataclass(frozen=True)" if frozen else "@dataclass")
    bases = [OURS.get(base.__name__, base.__name__)
             for base in owner.__bases__ if base is not object]
    if "_fields" in vars(owner):
        bases = ["NamedTuple"]
    lines.append(f"class {owner.__name__}" + (f"({', '.join(bases)})" if bases else "") + ":")
    lines += [f"    {name}: {text}" for name, text in attributes_of(owner, known).items()]
    for name, (kind, function) in stubs.members(owner).items():
        lines.append(definition(name, kind, function, 4, inspect.getdoc(owner), known))
    if lines[-1].endswith(":"):
        lines[-1] += " ..."
    return "\n".join(lines)


def imports_of(module, owner):
    for base in owner.__bases__:
        if base.__module__ not in ("builtins", "typing", module) and base.__name__ not in OURS:
            yield f"from {base.__module__} import {base.__name__}"


def new_stub(module, known):
    there = importlib.import_module(module)
    names = stubs.wanted(there)
    imports = dict.fromkeys(line for item in names.values() if inspect.isclass(item)
                            for line in imports_of(module, item))
    body = [new_class(item, known) if inspect.isclass(item) else
            definition(name, "function", item, 0, None, known)
            for name, item in names.items()]
    return "\n".join([*sorted(imports), "", *body]) + "\n"


def mended(module, text, known):
    """The text of a stub with what has changed at run time, and words for what that was."""
    there, tree = importlib.import_module(module), ast.parse(text)
    lines, edits, news = text.splitlines(), [], []

    def look(members, body, where, indent, doc, end):
        have = stubs.functions(body)
        for name, (kind, function) in members.items():
            nodes = have.get(name, [])
            if not nodes:
                if name in where[1]:        # an attribute for what is a property at run time
                    continue
                edits.append((end, end, definition(name, kind, function, indent, doc, known)))
                news.append(f"new {where[0]}{name}")
            elif not stubs.disagree(nodes, function):
                continue
            elif len(nodes) > 1:
                news.append(f"overloads of {where[0]}{name}: mend them by hand")
            else:
                first = min([nodes[0].lineno, *(d.lineno for d in nodes[0].decorator_list)]) - 1
                edits.append((first, nodes[0].end_lineno, definition(
                    name, kind, function, indent, doc, known, nodes[0], text)))
                news.append(f"changed {where[0]}{name}")
        for name, nodes in have.items():
            if name not in members and where[2](name):
                for node in nodes:
                    first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
                    edits.append((first, node.end_lineno, None))
                news.append(f"gone {where[0]}{name}")

    names, found = stubs.wanted(there), stubs.classes(tree)
    look({name: ("function", item) for name, item in names.items() if not inspect.isclass(item)},
         tree.body, ("", (), lambda name: not hasattr(there, name)), 0, None, len(lines))
    for name, owner in names.items():
        if not inspect.isclass(owner):
            continue
        if name not in found:
            edits.append((len(lines), len(lines), new_class(owner, known)))
            news.append(f"new class {name}: its bases may want an import")
            continue
        node = found[name]
        have = stubs.attributes(node)
        look(stubs.members(owner), node.body,
             (f"{name}.", have, lambda each, owner=owner: not hasattr(owner, each)), 4,
             inspect.getdoc(owner), node.end_lineno)
        last = max([item.end_lineno for item in node.body if isinstance(item, ast.AnnAssign)],
                   default=node.body[0].lineno - 1)
        missing = {each: line for each, line in attributes_of(owner, known).items()
                   if each not in have and (each in parameters_of(owner) or not inherited(
                       owner, each))}
        for each, line in missing.items():
            edits.append((last, last, f"    {each}: {line}"))
            news.append(f"new {name}.{each}")
    for first, last, replacement in sorted(edits, key=lambda edit: edit[0], reverse=True):
        lines[first:last] = [] if replacement is None else replacement.splitlines()
    return "\n".join(lines) + "\n", news


def parameters_of(owner):
    if stubs.is_estimator(owner):
        return [name for name, _, _ in stubs.parameters(owner.__init__)]
    return [field.name for field in dataclasses.fields(owner)] if dataclasses.is_dataclass(
        owner) else []


def inherited(owner, name):
    """Whether the stub of a base declares an attribute."""
    shared = stubs.classes(ast.parse((stubs.FOLDER / "_typing.pyi").read_text(encoding="utf-8")))
    if stubs.is_estimator(owner) and name in stubs.attributes(shared["Estimator"]):
        return True
    for base in owner.__mro__[1:]:
        if base.__module__.startswith("emkernels."):
            path = stubs.stub_of(base.__module__)
            if path.exists():
                node = stubs.classes(ast.parse(path.read_text(encoding="utf-8"))).get(base.__name__)
                if node is not None and name in stubs.attributes(node):
                    return True
    return False


def tidy(text):
    """The text as ruff has it."""
    for what in (["check", "--fix-only", "--select", "I,RUF022"], ["format"]):
        command = [sys.executable, "-m", "ruff", *what, "-q", "--stdin-filename", "stub.pyi", "-"]
        text = subprocess.run(
            command, input=text, capture_output=True, text=True, check=True).stdout
    return text


def package():
    """The stub of the package: its names, from the modules that define them."""
    lines = [f"from emkernels import {name} as {name}" for name in emkernels._MODULES]
    lines += [f"from {stubs.place_of(name)} import {name} as {name}"
              for name in emkernels.__all__ if not name.startswith("_")]
    names = "".join(f"    {json.dumps(name)},\n" for name in emkernels.__all__)
    return tidy("\n".join([*lines, "", "__version__: str", f"__all__ = [\n{names}]", ""]))


def main(modules):
    path = stubs.FOLDER / "__init__.pyi"
    if not path.exists() or path.read_text(encoding="utf-8") != package():
        path.write_text(package(), encoding="utf-8")
        print(f"{path.relative_to(stubs.FOLDER.parent)}: names of the package")
    known = Known()
    for module in modules or stubs.stubbed():
        path = stubs.stub_of(module)
        if path.exists():
            text, news = mended(module, path.read_text(encoding="utf-8"), known)
        else:
            text, news = new_stub(module, known), ["new"]
        full = known.imports(module, text)
        if full != text or news:
            text = tidy(full)
            path.write_text(text, encoding="utf-8")
            print(f"{path.relative_to(stubs.FOLDER.parent)}: {'; '.join(news)}"
                  + ("  <- Incomplete" if "Incomplete" in text else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
