"""Blocks that a callable makes."""

import contextlib

import numpy as np

from emkernels.data.readers.memory import picked
from emkernels.data.readers.picking import names_in


class CallableReader:
    """What a callable returns, anew in every pass, read in the thread that asks for it."""

    volatile, resident = True, False

    def __init__(self, source, columns=None, weight_name=None, chunk_rows=None, name="source"):
        if chunk_rows is not None:
            raise ValueError("chunk_rows means nothing for a callable: what its iterator gives is "
                             "a block")
        self.source, self.columns, self.name = source, columns, name
        self.weight_name = weight_name

    def identity(self):
        return None

    def blocks(self, start=0):
        made = self.source()
        is_table = isinstance(made, np.ndarray) or names_in(made) is not None
        if is_table or not hasattr(made, "__iter__"):
            raise TypeError(f"{self.name} is a callable that returns {type(made).__name__}, where "
                            "an iterator of tables is needed, one for each block"
                            + ("; if it is the only block, return [table]" if is_table else ""))
        closing = (contextlib.closing(made) if hasattr(made, "close")
                   else contextlib.nullcontext())
        with closing:
            i = -1
            for block in made:      # enumerate would hold the last one
                i += 1
                if i >= start:
                    yield picked(block, i, self.columns, self.weight_name)
                block = None        # before the next is made
