"""How messages name lists."""


def some(names, most=6):
    """The first few of a list, in words."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
