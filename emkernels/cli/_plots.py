"""--plot FILE: a figure beside what a command writes."""

import os

from emkernels._extras import optional
from emkernels.cli._messages import CommandError
from emkernels.cli._output import check_output, replacing

ENDINGS = (".png", ".pdf", ".svg")
# a file of the same numbers has the same bytes: none says when it was made
_DATES = {".pdf": {"CreationDate": None, "ModDate": None}, ".svg": {"Date": None}, ".png": {}}


def add_plot(group, what):
    """--plot."""
    group.add_argument("--plot", metavar="FILE", default=None,
                       help=f"draw {what} into FILE ({', '.join(ENDINGS)}); needs the extra plot")


def check_plot(options):
    """CommandError, before any work, where the picture cannot be written."""
    if options.plot is None:
        return
    optional("matplotlib", "--plot", "plot")
    if _ending(options.plot) not in ENDINGS:
        raise CommandError(f"{options.plot}: pictures are {', '.join(ENDINGS)}")
    target = check_output(options.plot, [options.input], force=options.force)
    if options.output is not None and target == os.path.realpath(options.output):
        raise CommandError(f"{options.plot}: is OUT already")


def write_plot(options, draw, size):
    """Let ``draw(axes)`` draw into a figure of its own, and write it.

    size : (width, height)
        In inches.
    """
    if options.plot is None:
        return
    figure = optional("matplotlib.figure", "--plot", "plot").Figure(
        figsize=size, layout="constrained")
    draw(figure.subplots())
    ending = _ending(options.plot)
    with (replacing(options.plot, [options.input], force=options.force) as file,
          optional("matplotlib", "--plot", "plot").rc_context({"svg.hashsalt": "emkernels"})):
        figure.savefig(file, format=ending[1:], dpi=150, metadata=_DATES[ending])


def _ending(path):
    return os.path.splitext(path)[1].lower()
