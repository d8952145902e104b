"""Every public name has its place on the site: what the build would end with, in a second."""

import importlib
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
FOLDER = Path(__file__).parents[1] / "docs" / "_ext"


def test_every_public_name_has_a_page(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    pages = importlib.import_module("api_pages")
    monkeypatch.delitem(sys.modules, "api_pages")
    texts = {f"{module}.{name}": pages._page(module, name) for module, name in pages.pages()}
    assert len(texts) > 100
    for full, text in texts.items():
        assert text.startswith(full.rpartition(".")[2] + "\n==="), full
        assert len(text.split()) > 5, full
