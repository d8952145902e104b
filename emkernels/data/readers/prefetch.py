"""The next block is read while the last is in work."""

import contextlib
import threading
from queue import SimpleQueue

_END = object()


class _Stopped(Exception):
    """Nobody wants more."""


def prefetched(produce, slots=(None, None)):
    """Items that a thread makes, one ahead of the one in use.

    Parameters
    ----------
    produce : callable
        ``produce(take)`` is an iterator of pairs of an item and its slot. It has a slot from
        ``take()``, which waits until one is free, before it makes the item.
    slots : tuple
        As many items are there at most; what a slot is, the producer knows. That of an item is
        free when the next is asked for.

    Yields
    ------
    item
        An error of the producer is raised where the item would have been. Whatever ends the
        iteration, the thread has ended when it has.
    """
    free, ready, ended = SimpleQueue(), SimpleQueue(), threading.Event()
    for slot in slots:
        free.put(slot)

    def take():
        slot = free.get()
        if ended.is_set():
            raise _Stopped
        return slot

    def run():
        try:
            with contextlib.closing(produce(take)) as items:
                for made in items:
                    ready.put(made)
                    made = None
            ready.put(_END)
        except _Stopped:
            pass
        except BaseException as error:
            ready.put(error)

    thread = threading.Thread(target=run, name="emkernels-reader", daemon=True)
    thread.start()
    try:
        while True:
            made = ready.get()
            if made is _END:
                break
            if isinstance(made, BaseException):
                raise made
            item, slot = made
            made = None
            yield item
            item = None
            free.put(slot)
    finally:
        item = made = None
        ended.set()
        free.put(_END)
        thread.join()
