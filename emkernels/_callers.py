"""Whose line a warning is about."""

import contextlib
import sys
import warnings
from contextvars import ContextVar

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


_listener = ContextVar("listener", default=None)


def warn(text, category):
    """Warn the user, at their line; or tell who listens in this thread."""
    heard = _listener.get()
    if heard is None:
        warnings.warn(text, category, stacklevel=user_level())
    else:
        heard.append((text, category))


@contextlib.contextmanager
def listening():
    """A list of what :func:`warn` is told inside, (text, category), of which no user is warned.

    Filters of warnings are those of the process, so that changing them for a while, as
    `warnings.catch_warnings` does, silences other threads, and for good where two overlap.
    """
    heard = []
    token = _listener.set(heard)
    try:
        yield heard
    finally:
        _listener.reset(token)
