"""Weights that are read beside the blocks they are of."""

import contextlib

import numpy as np

from emkernels import _inputs

_NONE = object()


class Weighted:
    """Blocks of one reader, and their weights of another."""

    weight_name = None

    def __init__(self, values, weights, given):
        self.values, self.weights, self.given = values, weights, given
        self.volatile = values.volatile or weights.volatile
        self.resident = values.resident

    def identity(self):
        both = self.values.identity(), self.weights.identity()
        return None if None in both else {"values": both[0], "weights": both[1]}

    def blocks(self, start=0):
        number = start
        with contextlib.closing(self.values.blocks(start)) as values, \
                contextlib.closing(self.weights.blocks(start)) as weights:
            while True:
                block, weight = next(values, _NONE), next(weights, _NONE)
                if block is _NONE or weight is _NONE:
                    break
                yield block[0], as_weight(weight[0])
                block = weight = None
                number += 1
            if block is not weight:
                few, many = (("sample_weight", "source") if weight is _NONE
                             else ("source", "sample_weight"))
                raise ValueError(f"{many} has a block {number}, and {few} has {number} "
                                 f"block{'s' * (number != 1)} only: there is a block of weights "
                                 "for each block of rows")


class ArrayWeights:
    """Weights of all rows, cut as the rows are.

    Parameters
    ----------
    weight : array-like of shape (n_rows,)
    lengths : callable
        Gives the rows of each block.
    """

    volatile = False

    def __init__(self, weight, lengths):
        lengths = list(lengths)
        self.weight, self.ends = as_weight(weight), np.cumsum([0, *lengths])
        if self.weight.shape != (self.ends[-1],):
            raise ValueError(f"sample_weight must have shape ({self.ends[-1]},), got "
                             f"{self.weight.shape}")

    def identity(self):
        return None

    def blocks(self, start=0):
        for first, end in zip(self.ends[start:-1], self.ends[start + 1:]):
            yield self.weight[first:end], None


def as_weight(values):
    """Weights as an array of one axis."""
    array = _inputs.as_rows(values, "sample_weight", missing=False)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
