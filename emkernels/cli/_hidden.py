"""Columns that say which class or state a row is in: their options, names, and what is written."""

import numpy as np

from emkernels.cli import _options as options_of
from emkernels.cli import _saving as saving
from emkernels.cli._formats import FORMATS
from emkernels.cli._messages import CommandError
from emkernels.cli._plots import add_plot, check_plot
from emkernels.cli._rewriting import check_names
from emkernels.cli._tables import check_target


def add_output(parser, one, many, drawn):
    """-o, --only-labels, --name and --plot."""
    group = options_of.add_output(
        parser, f"{FORMATS}; - is standard output", required=False,
        note="; without it the tables are only printed")
    group.add_argument("--only-labels", action="store_true",
                       help=f"write the column of {many} alone")
    group.add_argument("--name", default=one, metavar="NAME",
                       help=f"name of the column of {many} (default: {one})")
    saving.add_option(group)
    add_plot(group, drawn)


def check_output(options):
    """CommandError, before any work, where what is asked for cannot be written."""
    if options.output is None:
        if options.only_labels:
            raise CommandError("--only-labels needs -o OUT")
        if options.force and options.plot is None and options.save is None:
            raise CommandError("--force needs -o OUT or --plot FILE")
    else:
        if not options.name.strip():
            raise CommandError("--name needs a name")
        check_target(options)
    check_plot(options)
    saving.check(options)


def carries(options):
    """Whether the table itself is written, with columns more."""
    return options.output is not None and not options.only_labels


def check_new_names(source, options, most):
    """CommandError where the table has a column of a name that is to be added."""
    if carries(options):
        names = added_names(options.name, most)
        check_names(source, names, "--name says another for the new one")


def added_names(name, k):
    """What the columns are called that are added for `k` classes or states."""
    return [name, f"{name}_probability", *(f"{name}_{c}" for c in range(k))]


def new_columns(names, labels, resp):
    """The columns that are written; those of `names` alone, the first or all."""
    values = [labels.astype(np.int64)]
    if len(names) > 1:
        values += [resp[np.arange(len(labels)), labels], *resp.T]
    return dict(zip(names, values, strict=True))


def names_of(options, k):
    """The names of the columns that are written."""
    return added_names(options.name, k) if carries(options) else [options.name]
