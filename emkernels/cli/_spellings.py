"""How numbers and missing values are spelt that are not read as such, and what would help."""

import re
import shlex
from collections import Counter

# what people write where nothing was measured; the empty cell, NA and the like are known anyway
UNKNOWN = frozenset((
    "-", "--", "---", ".", "..", "...", "?", "??", "*", "**", "/", "\\", "_", "#value!", "#div/0!",
    "#ref!", "#num!", "#null!", "n.a.", "n.d.", "nd", "n/d", "missing", "unknown", "unk",
    "undefined", "nil", "<lod", "<loq", "lod", "loq", "bdl"))
# with commas between thousands, and with other things
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_SPACED = re.compile(r"[+-]?\d{1,3}([ '\u2019_\u00a0\u2009\u202f]\d{3})+([.,]\d*)?")
_LIMIT = re.compile(r"[<>≤≥]=?\s*\d+([.,]\d*)?")
_UNIT = re.compile(r"[+-]?\d+(?:[.,]\d+)?\s*([^\W\d_]{1,8}|[^\W\d_]*[°²³/$€£¥][\w°²³/]*)"
                   r"|([$€£¥])\s*[+-]?\d+(?:[.,]\d+)?")
_COMMAS = "; commas between thousands have to be taken out"
_EITHER = ("; is the comma its decimal mark (--decimal ,)? One between thousands has to be taken "
           "out")
# cells that are looked at
_SAMPLE = 1000


def is_number(text, decimal):
    """Whether pyarrow would read the text as a number (infinity is one)."""
    text = text.strip()
    if decimal != ".":
        text = text.replace(".", "_").replace(decimal, ".")
    try:
        value = float(text)
    except ValueError:
        return False
    return "_" not in text and text.isascii() and value == value


def among_numbers(texts, decimal):
    """What to say of the cells of a column that are no numbers.

    Parameters
    ----------
    texts : list of str
    decimal : str

    Returns
    -------
    at : int
        Which of them to show.
    help_ : str
        How it could be read, "; ..." or "".
    n_strange : float
        How many of them nothing is known about.
    """
    sample = texts[:_SAMPLE]
    units = Counter(_unit(text) for text in sample)
    unit, n = units.most_common(1)[0]
    unit = unit if n >= 0.8 * len(sample) else None
    found = [_help(text, decimal, unit) for text in sample]
    helps = Counter(filter(None, found))
    if _COMMAS in helps:        # one such cell tells what the others mean
        del helps[_EITHER]
    help_ = helps.most_common(1)[0][0] if helps else ""
    return found.index(help_) if help_ else 0, help_, len(texts) * found.count("") / len(sample)


def _help(text, decimal, unit):
    if text.lower() in ("true", "false"):
        return "; 1 and 0 in place of TRUE and FALSE would be used"
    if text.lower() in UNKNOWN:
        return stands_for_missing(text)
    if _LIMIT.fullmatch(text):
        return ("; is it a limit of detection? Each such spelling is taken for missing by a "
                f"--missing-values of its own, as {shlex.quote(text)}")
    if text.endswith("%") and is_number(text[:-1], decimal):
        return "; without the % in its cells it would be used"
    if decimal == ",":
        if is_number(text, ".") or is_number(text.replace(".", ""), ","):
            return "; --decimal , takes no points"
    else:
        thousands, comma = _THOUSANDS.fullmatch(text), is_number(text, ",")
        if thousands and comma:
            return _EITHER
        if thousands:
            return _COMMAS
        if comma:
            return "; is the comma its decimal mark? --decimal ,"
    if _SPACED.fullmatch(text):
        return "; what stands between its thousands has to be taken out"
    if unit and _unit(text) == unit:
        return f'; without the unit "{unit}" in its cells it would be used'
    return ""


def stands_for_missing(text):
    """The question whether a cell does, with an option that argparse takes."""
    # what begins with a dash is an option to argparse, but for - and after a space, which is
    # taken off again
    text = f" {text}" if text.startswith("-") and text != "-" else text
    return f"; does it stand for a missing value (--missing-values {shlex.quote(text)})?"


def _unit(text):
    match = _UNIT.fullmatch(text)
    return match and (match[1] or match[2])
