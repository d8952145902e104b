"""Small matrices in one thread: the threads of a BLAS spin for each other, which takes ten times
the time, and on a busy machine a thousand times."""

import contextlib
import functools
import threading

import threadpoolctl

# matrices with more rows than this are worth several threads
SMALL = 512

_lock = threading.Lock()


@functools.cache
def _libraries():
    return threadpoolctl.ThreadpoolController().select(user_api="blas")


@contextlib.contextmanager
def one_thread(n_rows):
    """NumPy's and SciPy's linear algebra in one thread, where matrices of `n_rows` are small.

    The number of threads is mostly one of the process, and only who has set it may put it back:
    the first caller does both. Who comes meanwhile leaves it alone, and has the one thread for as
    long as the first.
    """
    if n_rows > SMALL or not _lock.acquire(blocking=False):
        yield
        return
    try:
        with _libraries().limit(limits=1):
            yield
    finally:
        _lock.release()


def in_one_thread(function):
    """A function whose first argument has rows `X`, with linear algebra as of :func:`one_thread`
    where its columns are few; without `X` as it is."""
    @functools.wraps(function)
    def inner(problem, *arguments, **options):
        X = getattr(problem, "X", None)
        with one_thread(SMALL + 1 if X is None else X.shape[1]):
            return function(problem, *arguments, **options)
    return inner
