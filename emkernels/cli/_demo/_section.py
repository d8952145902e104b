"""What a section of the demo consists of, and how it writes its numbers."""

from dataclasses import dataclass, field

from emkernels._extras import optional


@dataclass
class Section:
    """Something shown: a table, what it means, and pictures.

    Attributes
    ----------
    name : str
        Its key in the JSON result.
    title, text, verdict : str
        The head; what was done; what came out.
    heads : list of str
    rows : list of list of str
        The table as printed.
    records : list of dict
        The table in numbers.
    left : tuple of int
        Columns of words.
    pictures : list of (str, str, matplotlib.figure.Figure)
        File name, caption and figure.
    """

    name: str
    title: str
    text: str
    heads: list
    rows: list
    records: list
    left: tuple = (0,)
    verdict: str = ""
    pictures: list = field(default_factory=list)


def new_figure(width, height):
    """A figure in inches that belongs to no window and no pyplot."""
    return optional("matplotlib.figure", "emkernels demo", "demo").Figure(
        figsize=(width, height), layout="constrained")
