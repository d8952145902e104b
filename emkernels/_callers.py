"""Whose line a warning is about."""

import sys

# frameworks that call methods for people: decorators, pipelines, searches, parallel jobs
INNER = {"emkernels", "sklearn", "joblib"}


def user_level():
    """The `stacklevel` of a warning that its caller raises, so that it names the first line outside
    of this package and of scikit-learn: a number written down fits one way to get there only.
    """
    frame, level = sys._getframe(1), 1
    while (frame.f_back is not None
           and frame.f_globals.get("__name__", "").partition(".")[0] in INNER):
        frame, level = frame.f_back, level + 1
    return level
