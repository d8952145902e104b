"""The command line, a page a command, from the parser that prints its `--help`."""

import argparse
import os
import re
from pathlib import Path

from api_pages import keep

from emkernels.cli._main import make_parser

WIDTH = 88


def commands(parser):
    """name -> parser of each command."""
    (action,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


OPTION = re.compile(r"(?<![^\s(])(--?[a-z][a-z-]*)(?=[\s.,;:)]|$)")


def _literal(text):
    """Text that is no reST, and options, which no line ends within."""
    text = re.sub(r"([*`|\\]|_(?=\W|$))", r"\\\1", text)
    return OPTION.sub(r":flag:`\1`", text)


def _code(text, language="text"):
    return [f".. code-block:: {language}", "", *(f"   {line}" for line in text.splitlines()), ""]


def _usage(parser):
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(WIDTH)      # what argparse breaks lines by
    try:
        return parser.format_usage().removeprefix("usage: ").rstrip()
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _paragraphs(text):
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        lines = paragraph.splitlines()
        if any(line.startswith("  ") for line in lines):
            head = [line for line in lines if not line.startswith("  ")]
            if head:
                yield [_literal(" ".join(head)), ""]
            yield _code("\n".join(line[2:] for line in lines if line.startswith("  ")), "sh")
        else:
            yield [_literal(" ".join(lines)), ""]


def _names(parser, action):
    """How an argument is written: -k K, --clusters K."""
    formatter = parser._get_formatter()
    return formatter._format_action_invocation(action)


def _options(parser):
    for group in parser._action_groups:
        actions = [a for a in group._group_actions if a.help != argparse.SUPPRESS
                   and not isinstance(a, argparse._SubParsersAction)]
        if not actions:
            continue
        title = {"positional arguments": "arguments", "options": "help"}.get(
            group.title, group.title)
        title = title[:1].upper() + title[1:]
        yield [title, "-" * len(title), ""]
        for action in actions:
            said = parser._get_formatter()._expand_help(action) if action.help else ""
            yield [f"``{_names(parser, action)}``", f"   {_literal(said)}", ""]


def page(name, parser):
    title = f"emkernels {name}"
    lines = [".. role:: flag(literal)", "   :class: flag", "", title, "=" * len(title), ""]
    for part in _paragraphs(parser.description):
        lines += part
    lines += _code(_usage(parser), "text")
    epilog = parser.epilog.strip()
    examples, _, rest = epilog.removeprefix("examples:\n").partition("\n\n")
    lines += ["Examples", "--------", "", *_code(
        "\n".join(line.strip() for line in examples.splitlines()), "sh")]
    for part in _options(parser):
        lines += part
    if rest:
        lines += ["What it prints", "--------------", ""]
        for part in _paragraphs(rest):
            lines += part
    return "\n".join(lines)


def index(parser):
    lines = [".. role:: flag(literal)", "   :class: flag", "",
             "Command line", "============", "", _literal(parser.description), "",
             "Needs ``pip install 'emkernels[cli]'``. What these pages say is what ``emkernels "
             "COMMAND --help`` prints.", "", *_code(_usage(parser), "text")]
    (action,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    lines += [".. list-table::", "   :widths: 20 80", ""]
    for choice in action._choices_actions:
        lines += [f"   * - :doc:`{choice.dest}`", f"     - {_literal(choice.help)}"]
    lines += [""]
    for part in _paragraphs(parser.epilog):
        lines += part
    lines += [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in commands(parser)), ""]
    return "\n".join(lines)


def write(app):
    folder = Path(app.srcdir) / "cli"
    parser = make_parser()
    keep(folder / "index.rst", index(parser))
    for name, command in commands(parser).items():
        keep(folder / f"{name}.rst", page(name, command))
    for old in folder.glob("*.rst"):
        if old.stem not in {"index", *commands(parser)}:
            old.unlink()


def setup(app):
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
