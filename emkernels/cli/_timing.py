"""How commands measure: contenders take turns, so that a slow moment of the machine meets both."""

import math
import time


def take_turns(contenders, budget):
    """Shortest times of some contenders.

    Parameters
    ----------
    contenders : list of callable
    budget : float
        Seconds. There are five turns, or as many as fit, one at least.

    Returns
    -------
    best : list of float
        The shortest time of each, in seconds.
    results : list
        What each returned the last time.
    """
    best, results = [math.inf] * len(contenders), [None] * len(contenders)
    began = time.perf_counter()
    for turn in range(1, 6):
        for at, contender in enumerate(contenders):
            before = time.perf_counter()
            results[at] = contender()
            best[at] = min(best[at], time.perf_counter() - before)
        if (time.perf_counter() - began) * (turn + 1) / turn > budget:
            break
    return best, results
