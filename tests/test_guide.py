"""What the guide shows runs as it stands, and prints what the page says."""

import importlib.util
import os
import pydoc
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib
import pytest
from matplotlib import pyplot

import emkernels
from emkernels.cli._main import main

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"
PAGES = sorted([*DOCS.glob("guide/*.md"), *DOCS.glob("coming/*.md")])
BLOCK = re.compile(r"^```(python|sh|cython|text)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
# too large for the extra `test`; blocks that do not import it need nothing of those that do
LARGE = "numba"
# folders of pages that the build of the site writes; ci/check_site.py follows links to them
MADE = ("api", "cli", "gallery")


def blocks(page):
    """(language, text, line) of each block of one page that is run or compared."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        yield match[1], match[2], text.count("\n", 0, match.start()) + 1


def steps(page):
    """(language, text, line, output that the page shows or None): a text block is the output of
    the block just before it."""
    found = []
    for language, text, line in blocks(page):
        if language != "text":
            found.append([language, text, line, None])
        elif found and found[-1][3] is None:
            found[-1][3] = text
    return found


def build_module(source, folder):
    """The module `em_step` of a page's Cython, compiled quickly into a folder."""
    (folder / "em_step.pyx").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "Cython.Build.Cythonize", "-i", "em_step.pyx"], cwd=folder,
        env={**os.environ, "CFLAGS": "-O0",
             "PYTHONPATH": str(Path(emkernels.__file__).parents[1])},
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_page(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    names, left_out = {"__name__": "__main__"}, []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for language, text, line, shown in steps(page):
                if f"from {LARGE} " in text and importlib.util.find_spec(LARGE) is None:
                    left_out.append(line)
                    continue
                if language == "cython":
                    build_module(text, tmp_path)
                elif language == "sh":
                    for command in text.splitlines():
                        words = shlex.split(command, comments=True)
                        if words[:1] == ["emkernels"]:
                            assert main(words[1:]) == 0, command
                else:
                    # (line numbers of the page in tracebacks)
                    exec(compile("\n" * line + text, str(page), "exec"), names)
                out = "\n".join(row.rstrip() for row in capsys.readouterr().out.splitlines())
                if shown is not None:
                    assert out.strip("\n") == shown.strip("\n"), f"{page.name}, line {line}"
    finally:
        sys.modules.pop("em_step", None)
        pyplot.close("all")
        matplotlib.use(before)
    if left_out:
        pytest.skip(f"all passed but the block of line {left_out[0]}, which needs {LARGE}")


def test_the_cython_of_the_guide_is_the_example():
    (source,) = [text for language, text, _ in blocks(DOCS / "guide" / "kernels.md")
                 if language == "cython"]
    example = CHECKOUT / "examples" / "cython_client" / "em_step.pyx"
    assert example.read_text(encoding="utf-8") == source


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_links(page):
    """Pages and names that a page points at are there."""
    text = page.read_text(encoding="utf-8")
    prose = BLOCK.sub("", text)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", prose):
        path = Path(os.path.normpath(page.parent / target))
        assert path.exists() or path.relative_to(DOCS).parts[0] in MADE, target
    for name in re.findall(r"\{(?:class|func|mod|exc)\}`~?(emkernels[\w.]*)`", prose):
        pydoc.locate(name) or pytest.fail(f"{name} is not there")
