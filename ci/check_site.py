"""Looks at a site: check_site.py OUT. Every public name and every command has a page, every link
within the site leads somewhere, every picture is there, no page is empty and nothing is loaded from
the net."""

import importlib
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from emkernels.cli._main import COMMANDS

MODULES = ("emkernels", "emkernels.kernels", "emkernels.plotting", "emkernels.data",
           "emkernels.em", "emkernels.distributed", "emkernels.spark", "emkernels.ray")
PAGES = ("index", "install", "ten_minutes", "guide/index", "coming/index", "gallery/index",
         "api/index", "cli/index", "benchmarks", "numerics", "scale", "overview", "recipes",
         "beside_others", "changelog", "contributing", "citing")
# made by Sphinx, without text of ours
OF_SPHINX = {"search.html", "genindex.html", "py-modindex.html", "webpack-macros.html"}
LEAST_WORDS = 15


class Page(HTMLParser):
    """Links, pictures, names of places, and the words of the article."""

    def __init__(self, path):
        super().__init__()
        self.links, self.pictures, self.places, self.loaded = [], [], set(), []
        self.words, self.depth = 0, 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if "id" in found:
            self.places.add(found["id"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag == "img" and found.get("src"):
            self.pictures.append(found["src"])
        elif tag == "script" and found.get("src"):
            self.loaded.append(found["src"])
        elif tag == "link" and "stylesheet" in (found.get("rel") or ""):
            self.loaded.append(found["href"])
        if tag == "article" and self.depth == 0:
            self.depth = 1
        elif tag == "article":
            self.depth += 1

    def handle_endtag(self, tag):
        if tag == "article":
            self.depth -= 1

    def handle_data(self, data):
        if self.depth:
            self.words += len(data.split())


def local(base, target):
    """(path, place) of a link within the site; None for another site."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    path = base if not parts.path else (base.parent / unquote(parts.path)).resolve()
    return path, unquote(parts.fragment)


def wanted():
    yield from PAGES
    for module in MODULES:
        for name in importlib.import_module(module).__all__:
            if name != "__version__":
                yield f"api/{module}.{name}"
    for module in COMMANDS:
        yield f"cli/{module.__name__.rpartition('.')[2]}"


def problems(out):
    files = {path.resolve(): Page(path) for path in sorted(out.rglob("*.html"))
             if "_static" not in path.relative_to(out).parts}
    for name in wanted():
        if not (out / f"{name}.html").exists():
            yield f"no page {name}"
    for path, page in files.items():
        name = path.relative_to(out).as_posix()
        if page.words < LEAST_WORDS and name not in OF_SPHINX:
            yield f"{name}: empty ({page.words} words)"
        for target in page.loaded:
            if local(path, target) is None:
                yield f"{name}: loads {target}"
        for target in page.pictures + page.loaded + page.links:
            found = local(path, target)
            if found is None:
                continue
            file, place = found
            # nor what lies beside the site, nor a folder, of which a file system shows no page
            if not file.is_file() or out not in file.parents:
                yield f"{name}: {target} is not there"
            elif place and file in files and place not in files[file].places:
                yield f"{name}: no such place: {target}"
    if not any(page.pictures for page in files.values()):
        yield "not a single picture"


if __name__ == "__main__":
    out = Path(sys.argv[1]).resolve()
    found = list(problems(out))
    print(*found, sep="\n")
    print(f"site: {len(list(out.rglob('*.html')))} pages, {len(found)} problems")
    sys.exit(bool(found))
