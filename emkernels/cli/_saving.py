"""Models in files, as commands write and read them."""

import os

import emkernels
from emkernels.cli._formats import STREAM
from emkernels.cli._messages import CommandError
from emkernels.cli._output import check_output


def add_option(group):
    """--save."""
    group.add_argument("--save", metavar="MODEL",
                       help="file for the model, which emkernels predict and emkernels.load in "
                            "Python read (no pickle; --force writes over one)")


def check(options):
    """CommandError, before any work, where MODEL cannot be written."""
    path = options.save
    if path is None:
        return
    if path == STREAM:
        raise CommandError("--save needs the name of a file, not -")
    if options.output not in (None, STREAM) and (
            os.path.realpath(path) == os.path.realpath(options.output)):
        raise CommandError(f"--save {path}: is OUT, too")
    if getattr(options, "standardize", False):
        # a model of standardised columns would be silently wrong about others
        raise CommandError("--save is not for --standardize: the model would be one of "
                           "standardised columns, in the units of the table K-means, factors with "
                           "one variance and most covariances have none, and a file holds no "
                           "scales; save without --standardize, or standardise the table first")
    check_output(path, [options.input], force=options.force)


def write(options, model, console):
    """The model into its file, where one was asked for."""
    if options.save is None:
        return
    model.save(options.save)
    console.say(f"{options.save}: the model, a {type(model).__name__}")


def read(path):
    """The estimator of a file; CommandError for anything else."""
    try:
        return emkernels.load(path)
    except ValueError as error:
        raise CommandError(str(error)) from None
