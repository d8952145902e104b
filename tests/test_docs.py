"""What the site is made of is complete; ci/docs.sh builds it and looks at it."""

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import emkernels
from emkernels.cli._main import make_parser

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"
OTHERS = ("emkernels.kernels", "emkernels.plotting", "emkernels.data", "emkernels.em",
          "emkernels.distributed", "emkernels.spark", "emkernels.ray")


@pytest.fixture(scope="module", autouse=True)
def extensions():
    sys.path.insert(0, str(DOCS / "_ext"))
    before = set(sys.modules)
    yield
    sys.path.remove(str(DOCS / "_ext"))
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(DOCS) in sys.modules[name].__file__:
            del sys.modules[name]


def test_every_public_name_has_a_page():
    pages = importlib.import_module("api_pages").pages()
    wanted = [(module, name) for module in ("emkernels", *OTHERS)
              for name in importlib.import_module(module).__all__ if name != "__version__"]
    assert not set(wanted) - set(pages)
    assert len(pages) == len(set(pages))


def test_a_name_without_a_group_is_said(monkeypatch):
    pages = importlib.import_module("api_pages")
    monkeypatch.setattr(emkernels, "__all__", [*emkernels.__all__, "new"])
    with pytest.raises(ValueError, match=r"in no group: \['new'\]"):
        pages.groups("emkernels")


def test_a_page_of_a_class_has_its_methods_and_no_others():
    text = importlib.import_module("api_pages")._page("emkernels", "GaussianMixture")
    for name in ("fit", "predict", "score_samples", "fit_chunks", "predict_chunks"):
        assert f".. automethod:: GaussianMixture.{name}\n" in text
    # of scikit-learn; and one that depends on a method that there is not
    assert ".. automethod:: GaussianMixture.get_params" not in text
    assert "GaussianMixture.transform_chunks" not in text


def test_every_command_has_its_options():
    cli = importlib.import_module("cli_pages")
    for name, command in cli.commands(make_parser()).items():
        page = cli.page(name, command)
        for action in command._actions:
            for option in action.option_strings:
                assert option in page, (name, option)
        # what is written in the help, but for what reST needs
        words = re.sub(r"\\(.)", r"\1", re.sub(r":flag:`(.*?)`", r"\1", page)).split()
        assert not set(command.description.split()) - set(words), name


def test_every_page_is_in_the_contents():
    contents = (DOCS / "index.md").read_text(encoding="utf-8").partition("{toctree}")[2].split()
    for path in DOCS.glob("*.md"):
        assert path.stem in contents or path.stem == "index", path.name
    chapters = importlib.import_module("chapters")
    for folder in chapters.CHAPTERS:
        assert chapters.MARK in (DOCS / folder / "index.md").read_text(encoding="utf-8")
        there = {path.stem for path in (DOCS / folder).glob("*.md")} - {"index"}
        assert set(chapters.pages(DOCS, folder)) == there


def test_curves_are_measured_and_drawn(tmp_path):
    """The script that measures them, at tiny sizes, and the picture of what it has kept."""
    kept = tmp_path / "kept.json"
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / "benchmarks" / "curves.py"), "--quick", "-o", str(kept)],
        cwd=tmp_path, text=True, capture_output=True, check=False,
        env={**os.environ, "PYTHONSAFEPATH": "",    # it imports what lies beside it
             "PYTHONPATH": str(Path(emkernels.__file__).parents[1])})
    assert done.returncode == 0, done.stderr
    found = json.loads(kept.read_text())
    figures = importlib.import_module("figures")
    text = figures.machine(found) + figures.curves(found, tmp_path)
    for task, title in figures.TITLES.items():
        assert title in text and (tmp_path / f"curves_{task}.png").stat().st_size > 5000
    assert "show that the script runs, and no speed" in text
    # what is kept in docs/ can be drawn too
    figures.curves(json.loads((DOCS / "benchmarks.json").read_text()), tmp_path)


def test_every_example_is_in_the_gallery():
    examples = importlib.import_module("examples")
    folder = CHECKOUT / "examples"
    assert set(examples.names(folder)) == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    for name in examples.names(folder):
        source = (folder / name).read_text(encoding="utf-8")
        made = examples.in_cells(examples.titled(source, examples.TITLES.get(name)))
        title, line = made.splitlines()[1:3]
        assert len(title) == len(line) <= 50 and set(line) == {"="}
        compile(made, name, "exec")


def test_names_of_other_packages_are_there():
    """A link to a name that its package does not have is a dead one."""
    inventories = importlib.import_module("inventories")
    for file in sorted((DOCS / "inventories").glob("*.txt")):
        missing = [name for name, _, _ in inventories.entries(file)
                   if not inventories.there(name)]
        assert not missing, file.name


def test_one_version():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    citation = (CHECKOUT / "CITATION.cff").read_text(encoding="utf-8")
    (version,) = re.findall(r"^version: (\S+)$", citation, re.MULTILINE)
    (licence,) = re.findall(r"^license: (\S+)$", citation, re.MULTILINE)
    assert (version, licence) == (project["version"], project["license"])
