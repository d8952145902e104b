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
    """A function of a model and a source of rows, with linear algebra as of :func:`one_thread`
    where the columns are few; as it is where the source does not say how many there are."""
    @functools.wraps(function)
    def inner(model, source, *arguments, **options):
        with one_thread(getattr(source, "n_features", SMALL + 1)):
            return function(model, source, *arguments, **options)
    return inner
