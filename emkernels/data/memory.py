"""What is kept of blocks from pass to pass, as long as it is little."""


class Memory:
    """Small things of each block, at most so many bytes together.

    What does not fit is forgotten, and made again in the next pass.
    """

    def __init__(self, n_bytes):
        self.room, self.kept = n_bytes, {}

    def of(self, block):
        """What is kept of a block, a dict of (key, array) by name."""
        return dict(self.kept.get(block, {}))

    def keep(self, block, things):
        """Remember these instead of what was."""
        before = sum(array.nbytes for _, array in self.kept.pop(block, {}).values())
        self.room += before
        needed = sum(array.nbytes for _, array in things.values())
        if things and needed <= self.room:
            self.kept[block] = things
            self.room -= needed
