"""Small matrices in one thread: the threads of a BLAS spin for each other, which takes ten times
the time, and on a busy machine a thousand times."""

import contextlib
import functools
import threading

import threadpoolctl

# matrices with more rows than this are worth several threads
SMALL = 512

_lock = threading.Lock()
_users = 0
_limits = None


@functools.cache
def _libraries():
    return threadpoolctl.ThreadpoolController().select(user_api="blas")


@contextlib.contextmanager
def one_thread(n_rows):
    """NumPy's and SciPy's linear algebra in one thread, where matrices of `n_rows` are small.

    The number of threads is one of the process: whoever comes first changes it, and the last to
    leave puts it back.
    """
    global _users, _limits
    if n_rows > SMALL:
        yield
        return
    with _lock:
        if _users == 0:
            _limits = _libraries().limit(limits=1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limits.restore_original_limits()
                _limits = None


def in_one_thread(function):
    """A function whose first argument has rows `X`, with linear algebra as of :func:`one_thread`
    where its columns are few; without `X` as it is."""
    @functools.wraps(function)
    def inner(problem, *arguments, **options):
        X = getattr(problem, "X", None)
        with one_thread(SMALL + 1 if X is None else X.shape[1]):
            return function(problem, *arguments, **options)
    return inner
