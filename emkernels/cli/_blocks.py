"""Tables that are fitted block by block: the options, the blocks, checkpoints and progress."""

import contextlib
import os

import emkernels
from emkernels.cli._messages import CommandError
from emkernels.cli._numbers import BLOCK_CELLS

HELP = f"""\
a table of more than {BLOCK_CELLS:,} numbers is fitted a block of so many after the other, and one
that does not fit in memory is read again in every pass over its rows; the result is the same"""


def add_options(parser):
    """--chunks, --checkpoint and --resume."""
    group = parser.add_argument_group("tables larger than memory", HELP)
    group.add_argument("--chunks", action="store_true",
                       help="read the rows again in every pass, block by block, even where they "
                            "fit in memory (default: where they do not)")
    group.add_argument("--checkpoint", metavar="FILE",
                       help="keep in FILE what the passes have found, so that a command that was "
                            "ended can go on; a second fit has FILE.2, and so on. Takes --chunks "
                            "for granted")
    group.add_argument("--resume", action="store_true",
                       help="go on from the checkpoint, where there is one: the result is the "
                            "same as without a break")


def check(options):
    """CommandError, before any work, where the options do not go together."""
    if options.checkpoint is None:
        if options.resume:
            raise CommandError("--resume needs --checkpoint FILE")
        return
    folder = os.path.dirname(os.path.abspath(options.checkpoint))
    if not os.path.isdir(folder):
        raise CommandError(f"--checkpoint {options.checkpoint}: there is no folder {folder}")
    if not options.resume and os.path.lexists(options.checkpoint):
        raise CommandError(f"--checkpoint {options.checkpoint}: the file exists; --resume goes on "
                           "from it")


def asked(options):
    """`blocks` of :func:`emkernels.cli._tables.read_numbers`."""
    return options.chunks or options.checkpoint is not None


@contextlib.contextmanager
def fitting(options, console, numbers, change=None, *, memory=False):
    """What is to be fitted: rows, or blocks of rows with their progress and checkpoints.

    memory : bool
        All rows at once, however many there are.
    """
    yield numbers.rows(numbers.X) if memory else numbers.source(options.threads, change)


def fitted(model, rows):
    """The model, fitted to rows or to blocks of rows."""
    return model.fit_chunks(rows) if isinstance(rows, emkernels.data.Chunks) else model.fit(rows)
