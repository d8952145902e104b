"""Tables in text."""


def p_text(p, equal=""):
    """A p-value in words; a number cannot say how far below its range one is."""
    return f"{equal}{p:.4g}" if p >= 1e-300 else "< 1e-300"


def number_text(x):
    """Four decimals, of what is small three digits: it is of a unit, and not nothing."""
    return f"{x:.4f}" if not 0 < abs(x) < 1e-3 else f"{x:.2e}"


def text_table(rows, left=(0,)):
    """Rows of texts in columns; those in `left` begin at the left."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(
        text.ljust(width) if at in left else text.rjust(width)
        for at, (text, width) in enumerate(zip(row, widths))).rstrip() for row in rows)
