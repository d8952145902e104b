"""Where a table is and of what format: the name of a file says it, --format for ``-``."""

import os
import sys

from emkernels.cli._held import Held
from emkernels.cli._messages import CommandError

TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".tab", ".tab.gz")
PARQUET = (".parquet", ".pq")
FORMATS = ".csv, .tsv (either with .gz too) or .parquet"
STREAM = "-"


def format_of(path, options):
    """The ending that says the format; CommandError where there is none."""
    if path == STREAM:
        return f".{options.format}"
    name = path.lower()
    for ending in sorted((*TEXT, *PARQUET), key=len, reverse=True):
        if name.endswith(ending):
            return ending
    suffix = os.path.splitext(path)[1]
    what = f"unknown format {suffix}" if suffix else "its name does not end in a format"
    raise CommandError(f"{path}: {what}; tables are {FORMATS}")


class Stored:
    """Where a table is, and what it holds.

    Attributes
    ----------
    path : str
    shown : str
        What messages call it.
    format : str
        An ending.
    held : Held
    """

    def __init__(self, path, options):
        if path != STREAM and os.path.isdir(path):
            raise CommandError(f"{path}: is a folder, not a table; fit_chunks in Python takes a "
                               "folder of Parquet files")
        self.path, self.shown, self.format = path, path, format_of(path, options)
        if path == STREAM:
            self.shown = "standard input"
            stream = getattr(sys.stdin, "buffer", None)
            if stream is None:
                raise CommandError(f"{self.shown}: is closed")
        else:
            if os.path.exists(path) and not os.path.isfile(path):
                raise CommandError(f"{path}: is not a regular file (- is standard input)")
            # whatever the format, the same words for a file that is not there
            stream = open(path, "rb")       # noqa: SIM115 (Held closes it)
        self.held = Held(stream, self.shown, regular=path != STREAM)

    def should_be(self, format_):
        """What to do where the content is of another format."""
        return (f"say --format {format_}" if self.shown != self.path else
                f"its name should end in .{format_}")
