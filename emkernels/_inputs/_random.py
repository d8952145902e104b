"""Random states."""

import numpy as np


def as_random_state(random_state):
    """A RandomState from whatever people call one; a Generator gives the seed of it."""
    if random_state is None or random_state is np.random:
        return np.random.mtrand._rand
    if isinstance(random_state, np.random.RandomState):
        return random_state
    if isinstance(random_state, np.random.Generator):
        return np.random.RandomState(int(random_state.integers(2**32)))
    if isinstance(random_state, (bool, np.bool_)) or not isinstance(
            random_state, (int, np.integer)):
        raise ValueError(
            "random_state must be None, an integer, a RandomState or a Generator, "
            f"got {random_state!r}")
    return np.random.RandomState(random_state)
