"""What goes wrong with a fit, and how it is said."""

from emkernels._callers import warn


class DegenerateFitError(ValueError):
    """A start collapsed: no finite parameters maximise the expected log-likelihood."""


class EMWarning(UserWarning):
    """The objective of an EM fit fell, or starts were dropped."""


class DegenerateWarning(EMWarning):
    """Components that describe no group of rows: spikes, dead ones, twins; or a regularisation
    that hides what there is."""


def warn_about(result, precision, *, reason=""):
    """One warning for an objective that fell beyond rounding, one for dropped starts."""
    if result.largest_fall > precision * max(1.0, abs(result.lower_bound)):
        warn(f"the objective fell by up to {result.largest_fall:.2g} in an iteration{reason}",
             EMWarning)
    if result.n_failed:
        warn(f"{result.n_failed} start(s) collapsed and were dropped", EMWarning)
