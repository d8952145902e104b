"""How commands measure: contenders take turns, so that a slow moment of the machine meets both."""

import math
import time

# rounds: of what takes long, and of the rest
FEWEST, MOST = 2, 5
# seconds: what is quicker runs again and again in its turn
TURN = 0.02


def take_turns(contenders, budget):
    """Shortest times of some contenders.

    Every second round goes backwards: threads that the one before has left spinning slow down
    each contender as often as the others.

    Parameters
    ----------
    contenders : list of callable
    budget : float
        Seconds. There are five rounds, or as many as fit, two at least.

    Returns
    -------
    best : list of float
        The shortest time of each, in seconds.
    results : list
        What each returned the last time.
    n_rounds : int
    """
    best, results = [math.inf] * len(contenders), [None] * len(contenders)
    began = time.perf_counter()
    for n_rounds in range(1, MOST + 1):
        for at in list(range(len(contenders)))[::1 if n_rounds % 2 else -1]:
            spent = 0.0
            while spent < TURN:
                before = time.perf_counter()
                results[at] = contenders[at]()
                seconds = time.perf_counter() - before
                best[at] = min(best[at], seconds)
                spent += seconds
        elapsed = time.perf_counter() - began
        if n_rounds >= FEWEST and elapsed * (n_rounds + 1) / n_rounds > budget:
            break
    return best, results, n_rounds


def rounds_said(counts):
    """How often the contenders of some rows took turns, in words."""
    fewest, most = min(counts), max(counts)
    return f"{fewest} rounds" if fewest == most else f"{fewest} to {most} rounds"


def duration(seconds):
    """A time in three digits."""
    if seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.3g} s"


def times(ratio):
    """A ratio in two digits: more of them do not come back the next time."""
    if ratio < 0.95:
        return f"{ratio:.2f}x"
    return f"{ratio:.1f}x" if ratio < 9.95 else f"{float(f'{ratio:.1e}'):.0f}x"
