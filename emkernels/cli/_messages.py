"""What the command line says when something is wrong: one line each."""

import contextlib
import difflib

import numpy as np


class CommandError(Exception):
    """Something that whoever typed the command can mend; its text is the line that they read."""


# what the classes call their parameters, and what the command line does
_OPTIONS = {"prior='ridge'": "--prior ridge", "max_iter": "--max-iter", "n_components": "-k",
            "n_init": "--starts", "n_classes": "-k", "resume=True": "--resume",
            "covariance_prior='empirical'": "--prior empirical",
            "reg_covar='auto'": "--reg-covar auto", "reg_covar": "--reg-covar",
            "n_segments=": "-k ", "color_space='lab'": "--color-space lab",
            "missing_values": "--missing-values", "method='em'": "--method em",
            "noise=True": "--noise", ", or give the density of the noise, one over a volume "
            "(noise=0.01)": "",
            "channel_axis=-1": "--alpha no", "alpha=False": "--alpha no", "nodata=": "--nodata=",
            "smaller tol": "smaller --tol", "--max-iter or tol": "--max-iter or --tol",
            "--max-iter, tol": "--max-iter, --tol", "and tol is": "and --tol is",
            "min_uniqueness": "--min-uniqueness",
            ": give means_init and covars_init, or take fewer states": ": use fewer -k"}

# what would not be printed, but obeyed by a terminal
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def one_line(text, longest=500):
    """The text without line breaks, and not without end."""
    text = " ".join(str(text).split()).translate(_CONTROLS)
    return text if len(text) <= longest else text[:longest - 3] + "..."


def in_options(text):
    """What the classes say, in the names of the command line."""
    for name, option in _OPTIONS.items():
        text = text.replace(name, option)
    return one_line(text)


def why(error):
    """The reason that an OSError has."""
    return one_line(error.strerror or error)


@contextlib.contextmanager
def about(path):
    """What the classes refuse inside becomes a CommandError about a file."""
    try:
        # numbers near the limits are refused by name; what numpy says of them on the way is less
        with np.errstate(all="ignore"):
            yield
    except ValueError as error:
        raise CommandError(f"{path}: {in_options(str(error))}") from error


def listed(names, most=6):
    """The first few of some names, in words."""
    shown = ", ".join(map(str, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def quoted(text):
    """A name between double quotes, as the messages have it."""
    return f'"{one_line(text, 60)}"'


def not_among(name, names):
    """``there is no column "x"``, and which it may have been."""
    near = difflib.get_close_matches(name, names, 1) or [n for n in names if n.strip() == name]
    return f"there is no column {quoted(name)}" + (
        f"; did you mean {quoted(near[0])}?" if near else
        f"; there are {listed([quoted(n) for n in names])}")


def count(n, one, many=None):
    """``1 row``, ``2 rows``."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def say_left_out(console, result, their):
    """Columns that were not used, rows without any value (what `their` result is), the file.

    Parameters
    ----------
    console : Console
    result : dict
        The command's: kept (text, empty, constant), rows_without_values, output.
    their : str
    """
    for what, names in result["kept"].items():
        if names:
            words = {"text": "text", "empty": "without any value",
                     "constant": "with one value only"}[what]
            console.say(f"columns not used, {words}: {listed([quoted(name) for name in names])}")
    n = result["rows_without_values"]
    if n:
        console.say(f"{count(n, 'row')} without any value: {'its' if n == 1 else 'their'} {their}")
    if result["output"]:
        console.say(f"{result['output']}: written")
