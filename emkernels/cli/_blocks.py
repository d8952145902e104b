"""Tables that are fitted block by block: the options, the blocks, checkpoints and progress."""

import contextlib
import os

import emkernels
from emkernels.cli._messages import CommandError
from emkernels.cli._numbers import BLOCK_CELLS
from emkernels.em.progress import Passes
from emkernels.kernels import dispatch

# options that decide what a fit is; others may differ where one is resumed
DECISIVE = ("command", "clusters", "method", "covariance", "criterion", "standardize", "starts",
            "reg_covar", "prior", "noise", "model", "components", "clip", "seed")
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
                            "ended can go on; takes --chunks for granted")
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
    for name in (options.input, getattr(options, "output", None)):
        if name is not None and os.path.realpath(name) == os.path.realpath(options.checkpoint):
            raise CommandError(f"--checkpoint {options.checkpoint}: is the table that is read or "
                               "written; it needs a file of its own")
    if os.path.isdir(options.checkpoint):
        raise CommandError(f"--checkpoint {options.checkpoint}: is a folder, and should be a file")
    if not options.resume and os.path.lexists(options.checkpoint):
        raise CommandError(f"--checkpoint {options.checkpoint}: the file exists; --resume goes on "
                           "from it, another name begins anew")


def asked(options):
    """`blocks` of :func:`emkernels.cli._tables.read_numbers`."""
    return options.chunks or options.checkpoint is not None


class Asked:
    """What a checkpoint is of: a command, as an estimator describes itself."""

    def __init__(self, options):
        self.random_state = getattr(options, "seed", None)
        self._options = options

    def get_params(self, deep=False):
        return {name: getattr(self._options, name, None) for name in DECISIVE}


@contextlib.contextmanager
def fitting(options, console, numbers, change=None, *, memory=False):
    """What is to be fitted: rows, or blocks of rows with their progress and a checkpoint.

    memory : bool
        All rows at once, however many there are.
    """
    if memory or not numbers.over_blocks:
        yield numbers.rows(numbers.X if change is None else change(numbers.X))
        return
    with contextlib.ExitStack() as stack:
        journal, level = None, dispatch.simd_level()
        if options.checkpoint is not None:
            journal = stack.enter_context(
                emkernels.data.Journal(options.checkpoint, Asked(options), options.resume))
            level = journal.level or level
        stack.enter_context(dispatch.own_simd_level(level))
        progress = Passes(console.passed) if console.draws else None
        with console.progress("looking through the rows"):
            chunks = emkernels.data.Chunks(
                numbers.frames(change), n_threads=options.threads, journal=journal,
                progress=progress)
        yield chunks
        chunks.verify()     # where all that was asked for was in the checkpoint


@contextlib.contextmanager
def saying_how_to_go_on(options):
    """KeyboardInterrupt has a note where a checkpoint is left."""
    try:
        yield
    except KeyboardInterrupt as end:
        checkpoint = getattr(options, "checkpoint", None)
        if checkpoint is not None and os.path.exists(checkpoint):
            end.add_note(f"--checkpoint {checkpoint} --resume goes on")
        raise


def fitted(model, rows):
    """The model, fitted to rows or to blocks of rows."""
    return model.fit_chunks(rows) if isinstance(rows, emkernels.data.Chunks) else model.fit(rows)
