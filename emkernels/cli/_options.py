"""Options that commands share, and how their values are read."""

import argparse
import csv

# the largest number of clusters, and how many numbers may be tried
_MOST, _TRIED = 1_000_000, 1000


def integer(low, high=None):
    """A type for argparse: an integer of at least `low` (and at most `high`)."""
    def read(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < low or (high is not None and value > high):
            limit = f"from {low} to {high}" if high is not None else f"of {low} or more"
            raise argparse.ArgumentTypeError(f"needs a whole number {limit}, got {text!r}")
        return value
    return read


def threads(text):
    """A number of threads, or -1 for all."""
    return -1 if text.strip() == "-1" else integer(1)(text)


def real(text):
    """A number of 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"needs a number of 0 or more, got {text!r}")
    return value


def sizes(text):
    """``3``, ``2:10`` (both ends included) or ``2,4,8`` as a list."""
    found = []
    try:
        for part in text.split(","):
            first, colon, last = part.partition(":")
            numbers = range(int(first), int(last if colon else first) + 1)
            if numbers and (numbers[-1] > _MOST or len(found) + len(numbers) > _TRIED):
                raise argparse.ArgumentTypeError(
                    f"takes numbers up to {_MOST}, and {_TRIED} of them, got {text!r}")
            found += numbers
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError(
            f"needs a number (3), a range (2:10) or a list (2,4,8) of 1 or more, got {text!r}")
    return list(dict.fromkeys(found))


def names(text):
    """``a,b``; a name with a comma between double quotes."""
    found = [name for name in next(csv.reader([text], skipinitialspace=True), []) if name]
    if not found:
        raise argparse.ArgumentTypeError(f"needs names with commas between them, got {text!r}")
    return found


def choices(allowed):
    """A type: some of the allowed words, with commas between them."""
    def read(text):
        found = names(text)
        for name in found:
            if name not in allowed:
                raise argparse.ArgumentTypeError(
                    f"knows {', '.join(allowed)}, not {name!r}")
        return found
    return read


def one_character(text):
    """A separator; ``\\t`` and ``tab`` are a tab."""
    text = {"\\t": "\t", "tab": "\t"}.get(text, text)
    if len(text) != 1 or not text.isascii() or text in '"\r\n\0':
        raise argparse.ArgumentTypeError(f"needs one character, got {text!r}")
    return text


def encoding(text):
    """The name of a text encoding."""
    try:
        "".encode(text)
    except (LookupError, ValueError):
        raise argparse.ArgumentTypeError(
            f"there is no text encoding {text!r}; try utf-8, latin-1, cp1252, utf-16"
        ) from None
    return text


def add_common(parser, *, seed=True):
    """--seed, --threads, --json and --quiet."""
    group = parser.add_argument_group("running")
    if seed:
        group.add_argument("--seed", type=integer(0, 2**32 - 1), default=0, metavar="N",
                           help="start of the random numbers (default 0): the same command gives "
                                "the same bytes")
    group.add_argument("--threads", type=threads, default=None, metavar="N",
                       help="threads to use, -1 for every CPU (default: the CPUs that this "
                            "process may use); the result does not depend on it")
    group.add_argument("--json", action="store_true",
                       help="print the result as JSON instead of tables")
    group.add_argument("--quiet", action="store_true",
                       help="no report and no progress bar; warnings and errors stay")


def add_output(parser, formats, *, required=True, note=""):
    """-o and --force."""
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--output", required=required, metavar="OUT",
                       help=f"file to write: {formats}{note}")
    group.add_argument("--force", action="store_true",
                       help="write OUT even where it exists (never over the input)")
    return group


def add_table(parser, kind="column of numbers"):
    """The input table, which of its columns to use, and how its text is written.

    kind : str
        What a column is that is used by default.
    """
    parser.add_argument("input", metavar="IN",
                        help="table: .csv, .tsv (either with .gz too) or .parquet; - is standard "
                             "input")
    group = parser.add_argument_group("columns")
    group.add_argument("--columns", type=names, metavar="A,B", default=None,
                       help=f"use these columns only (default: every {kind} that has a name); "
                            "no other is held in memory")
    group.add_argument("--ignore", type=names, metavar="A,B", default=None,
                       help=f"use every {kind} but these")
    group.add_argument("--missing-values", action="append", metavar="X", default=[],
                       help="a value that stands for a missing one, as in --missing-values -999; "
                            "may be given again. Empty cells, NA, NaN, null and the like always do")
    group = parser.add_argument_group("CSV and TSV, as read and as written")
    group.add_argument("--sep", type=one_character, metavar="C",
                       help="what stands between cells (default: as a first line sep=; says, "
                            "else a comma, a tab in .tsv)")
    group.add_argument("--decimal", choices=(".", ","), default=".",
                       help="decimal mark (default: a point)")
    group.add_argument("--encoding", type=encoding, default="utf-8", metavar="NAME",
                       help="encoding of the text (default: utf-8)")
    group.add_argument("--header", action="store_true", default=None,
                       help="line 1 is the header even though it looks like numbers")
    group.add_argument("--no-header", action="store_false", dest="header", default=None,
                       help="line 1 is a row like the others: the columns are called x0, x1, ..., "
                            "and a CSV or TSV file that is written has no header either")
    group = parser.add_argument_group("standard input and output")
    group.add_argument("--format", choices=("csv", "csv.gz", "tsv", "tsv.gz", "parquet"),
                       default="csv",
                       help="what - is, as IN and as OUT (default: csv). A report, or what --json "
                            "prints, goes to standard error where the table goes to standard "
                            "output")
