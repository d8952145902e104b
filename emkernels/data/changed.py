"""What a source that changes between passes raises."""


class Changed(Exception):
    """A block is not what it was; its number, where who raises it knows that."""

    def __init__(self, what, block=None):
        super().__init__(what)
        self.block = block
