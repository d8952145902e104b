"""Numbers by themselves."""

from numbers import Real
from operator import index

import numpy as np


def whole(value, name, least=1):
    """An int of at least `least` (None: any); True, 2.0 and '2' are none."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    try:
        value = index(value)
    except TypeError:       # an array that is no one number
        raise TypeError(
            f"{name} must be a whole number, got an array of shape {value.shape}") from None
    if least is not None and value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return value


def real(value, name):
    """The value where it is a real number; True and texts are none."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    return value


def switch(value, name):
    """The value where it is True or False; 1 and None are none, and the text "no" would be True."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def float64(values):
    """Parameters as kernels read them, whatever they were when they were put in: float64, in C
    order, aligned; copied only where they are not."""
    return np.require(values, np.float64, ["C_CONTIGUOUS", "ALIGNED"])
