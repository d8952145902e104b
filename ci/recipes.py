"""Write the Python of README.md and docs/**/*.md into modules: python ci/recipes.py FOLDER

A session is a section of the README or of docs/recipes.md, or another page of docs: its blocks
go into one module. Lines keep their numbers, so that what is said of a module is said of the page.
"""

import re
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```\s*(?:python|\{code-block\} python)\s*\n(.*?)^```", re.DOTALL | re.M)


def sessions(page):
    """(first character, last) of the parts of a page that are sessions of their own."""
    text = page.read_text(encoding="utf-8")
    if page.name not in ("README.md", "recipes.md"):
        return [(0, len(text))]
    starts = [found.start() for found in re.finditer(r"^##+ ", text, re.MULTILINE)]
    return list(zip([0, *starts], [*starts, len(text)]))


def recipes(page):
    text = page.read_text(encoding="utf-8")
    for first, last in sessions(page):
        lines = []
        for block in FENCE.finditer(text, first, last):
            lines += [""] * (text.count("\n", 0, block.start(1)) - len(lines))
            lines += block[1].splitlines()
        if lines:
            yield "\n".join(lines) + "\n"


def main(folder):
    folder = Path(folder)
    for page in [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]:
        name = re.sub(r"\W", "_", str(page.relative_to(CHECKOUT).with_suffix("")))
        for number, text in enumerate(recipes(page)):
            (folder / f"{name}_{number}.py").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
