"""What is kept of blocks from pass to pass, as long as it is little."""


class Memory:
    """Small things of each block, at most so many bytes together.

    What does not fit is forgotten, and made again in the next pass.
    """

    def __init__(self, n_bytes):
        self.room, self.kept = n_bytes, {}

    def of(self, block):
        """What is kept of a block, a dict of (key, thing) by name."""
        return dict(self.kept.get(block, {}))

    def keep(self, block, things):
        """Remember these instead of what was, as far as there is room."""
        self.room += sum(thing.nbytes for _, thing in self.kept.pop(block, {}).values())
        for name, (key, thing) in things.items():
            if thing.nbytes <= self.room:
                self.kept.setdefault(block, {})[name] = key, thing
                self.room -= thing.nbytes
