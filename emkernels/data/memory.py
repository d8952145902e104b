"""What is kept of blocks from pass to pass, as long as it is little."""

import threading

# Of all memories: it is held for a moment, and memories with one each could not be pickled.
LOCK = threading.Lock()


class Memory:
    """Small things of each block, at most so many bytes together.

    What does not fit is forgotten, and made again in the next pass. Threads may share it: a pass
    takes what there is of a block and may change it, so that nobody else sees it half changed.
    """

    def __init__(self, n_bytes):
        self.n_bytes = self.room = n_bytes
        self.kept = {}

    def widen(self, n_bytes):
        """Let there be room for so many bytes."""
        with LOCK:
            more = max(0, n_bytes - self.n_bytes)
            self.n_bytes, self.room = self.n_bytes + more, self.room + more

    def take(self, block):
        """What is kept of a block, a dict of (key, thing) by name."""
        with LOCK:
            things = self.kept.pop(block, {})
            self.room += _size(things)
        return things

    def keep(self, block, things):
        """Remember these instead of what was, as far as there is room."""
        self.take(block)
        with LOCK:
            for name, (key, thing) in things.items():
                if thing.nbytes <= self.room:
                    self.kept.setdefault(block, {})[name] = key, thing
                    self.room -= thing.nbytes


def _size(things):
    return sum(thing.nbytes for _, thing in things.values())
