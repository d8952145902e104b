"""What the cases of fuzz.py are made of: arrays in odd places, odd values, and what is wrong."""

import atexit
import collections
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

TYPES = ("full", "tied", "diag", "spherical")
REFUSALS = (ValueError, TypeError, MemoryError)      # what is documented to be raised
COUNTS = collections.Counter()                       # what the cases have come to


def scratch():
    """A folder that goes with the process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class Finding(Exception):
    """A promise that was not kept."""


@contextmanager
def unheard():
    """Warnings, NumPy's among them, are of no interest here."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def attempt(name, call):
    """What a call gives, or ("refused", type, message) where it refuses."""
    try:
        return call()
    except REFUSALS as error:
        if not str(error):
            raise Finding(f"{name}: {type(error).__name__} without a message") from error
        return ("refused", type(error).__name__, str(error))


def refused(answer):
    return len(answer) == 3 and isinstance(answer[0], str) and answer[0] == "refused"


def same(a, b):
    return np.asarray(a).tobytes() == np.asarray(b).tobytes()


def compare(name, first, other, how):
    """A finding where two answers of one question have not the same bits."""
    if refused(first) or refused(other) or len(first) != len(other):
        if first is not other and (refused(first) != refused(other) or first != other):
            raise Finding(f"{name}: {how} another answer: {told(first)} / {told(other)}")
        return
    for a, b in zip(first, other):
        if not same(a, b):
            raise Finding(f"{name}: {how} other bits")


def told(answer):
    return f"{answer[1]}: {answer[2]:.100}" if refused(answer) else "done"


def no_nan(name, answer):
    for i, a in enumerate(answer):
        if a is not None and np.asarray(a).dtype.kind == "f" and np.isnan(a).any():
            raise Finding(f"{name}: NaN in part {i} of the answer")


class Unchanged:
    """Arrays that a call must leave as they are."""

    def __init__(self, **arrays):
        self.arrays = {name: a for name, a in arrays.items() if isinstance(a, np.ndarray)}
        self.before = {name: a.tobytes() for name, a in self.arrays.items()}

    def check(self, name):
        for what, array in self.arrays.items():
            if array.tobytes() != self.before[what]:
                raise Finding(f"{name}: {what} was changed")


# --- arrays -------------------------------------------------------------------------------------


def layout(rng, a):
    """The same values, or fewer, in another place in memory."""
    kind = rng.integers(9)
    if kind == 0:
        return np.asfortranarray(a)
    if kind in (1, 2, 3):
        rows, columns = rng.integers(1, 4, 2).tolist()
        base = np.full((a.shape[0] * rows, a.shape[1] * columns), 1, a.dtype)
        view = base[::rows * (-1 if kind != 2 else 1), ::columns * (-1 if kind == 3 else 1)]
        view[...] = a
        return view
    if kind == 4:           # unaligned
        view = np.empty(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
        view[...] = a
        return view
    if kind == 5:
        a = a.copy()
        a.flags.writeable = False
        return a
    if kind == 6:           # rows that are one and the same row
        return np.broadcast_to(a[:1], a.shape)
    if kind == 7 and a.shape[1] > 1:
        return np.broadcast_to(a[:, :1], a.shape)
    return a


def values(rng, shape, dtype):
    """Numbers of all sizes, none of them NaN; infinite ones where they do not fit into dtype."""
    kind = rng.integers(10)
    x = rng.normal(size=shape)
    if kind == 0:
        x *= 10.0 ** rng.integers(-300, 300)
    elif kind == 1:
        x *= 1e-310
    elif kind == 2:
        x = np.where(rng.random(shape) < 0.3, -0.0, x)
    elif kind == 3:
        x = rng.choice([0, -0.0, 1, 1e300, -1e300, 5e-324, 1e-40, 3e38, -3e38, 1e154], size=shape)
    elif kind == 4:
        x = np.round(x * 2)
    elif kind == 5:
        x += 1e8
    elif kind == 6:
        x = np.zeros(shape)
    if np.dtype(dtype).kind in "iub":
        x = np.clip(np.nan_to_num(x * 3), -9e18, 9e18).astype("i8")
        if rng.random() < 0.1:
            x = np.full(shape, np.iinfo("i8").max)
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def weights_of(rng, n):
    """sample_weight, of every kind; None half of the time. And whether it is an ordinary one."""
    kind = rng.integers(8)
    if kind == 0:
        return np.where(rng.random(n) < 0.3, 0, rng.uniform(0, 3, n)), True
    if kind == 1:
        return values(rng, (n,), "f8"), False
    if kind == 2:
        return rng.integers(0, 3, n), True
    if kind == 3:
        return np.broadcast_to(np.float32(0.5), (n,)), True
    return None, True


def mixture_of(rng, n_components, n_features, type_):
    """Weights, means and factors of precisions."""
    full = np.triu(rng.normal(size=(n_components, n_features, n_features)), 1)
    full *= 0.3 / np.sqrt(n_features)
    full += np.eye(n_features) * rng.uniform(0.5, 2, (n_components, n_features, 1))
    factors = {"full": full, "tied": full[0], "diag": full.diagonal(0, 1, 2).copy(),
               "spherical": full[:, 0, 0].copy()}[type_]
    weights = rng.dirichlet(np.ones(n_components))
    if rng.random() < 0.1 and n_components > 1:
        weights[0] = 0
        weights /= weights.sum()
    return weights, rng.normal(size=(n_components, n_features)), factors
