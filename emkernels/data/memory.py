"""What is kept of blocks from pass to pass, as long as it is little."""

import threading

# Of all memories: it is held for a moment, and memories with one each could not be pickled.
LOCK = threading.Lock()


class Memory:
    """Small things of each block, at most so many bytes together.

    What does not fit is forgotten, and made again in the next pass. Threads may share it.
    """

    def __init__(self, n_bytes):
        self.room, self.kept = n_bytes, {}

    def of(self, block):
        """What is kept of a block, a dict of (key, array) by name."""
        return dict(self.kept.get(block, {}))

    def keep(self, block, things):
        """Remember these instead of what was."""
        needed = sum(array.nbytes for _, array in things.values())
        with LOCK:
            before = sum(array.nbytes for _, array in self.kept.pop(block, {}).values())
            self.room += before
            if things and needed <= self.room:
                self.kept[block] = things
                self.room -= needed
