"""Cases of files of models with something changed in them: refused, or a model that works."""

import copy
import functools
import time
import tracemalloc

import numpy as np
from fuzz_cases import COUNTS, Finding, scratch, unheard
from fuzz_mutations import CHANGES, mutated
from saved_models import MODELS, STREAMS, answers, fitted

import emkernels

SLOW = 10       # seconds for one file of some kB


@functools.cache
def originals():
    """A folder, and of every estimator its class, rows and the bytes of its file."""
    folder, found = scratch(), []
    path = folder / "whole.emk"

    def add(model, rows):
        model.save(path)
        found.append((type(model), rows, path.read_bytes()))

    for name in MODELS:
        add(*fitted(name))
    for model in map(copy.deepcopy, STREAMS.values()):
        rows = fitted("K-means")[1]
        for part in np.array_split(np.arange(len(rows)), 3):
            model.partial_fit(rows.iloc[part])
        add(model, rows)
    return folder, found


def case(seed):
    """A file of any model, read by its class or by whoever reads all."""
    rng = np.random.default_rng(seed)
    with unheard():         # of members that are there twice
        folder, found = originals()
        cls, rows, data = found[rng.integers(len(found))]
        change = CHANGES[rng.integers(len(CHANGES))] if rng.random() < 0.7 else mutated
        path = folder / "changed.emk"
        path.write_bytes(change(rng, data))
        name = cls.__name__
        model = read(name, cls.load if rng.random() < 0.5 else emkernels.load, path)
        if model is None:
            COUNTS[f"{name} refused"] += 1
        else:
            COUNTS[f"{name} loaded"] += 1
            use(name, model, rows, path)


def read(name, load, path):
    """What is read, None where it is refused in words, in little memory and time."""
    begun, size = time.monotonic(), path.stat().st_size
    model = None
    tracemalloc.start()
    try:
        model = load(path)
    except ValueError as error:
        if str(path) not in str(error):
            raise Finding(f"load of a {name}: the file is not named: {error!s:.150}") from error
        if len(str(error)) > 1000:
            raise Finding(f"load of a {name}: a message of {len(str(error))} letters") from error
    except Exception as error:
        raise Finding(f"load of a {name}: {type(error).__name__}: {error!s:.150}") from error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    if time.monotonic() - begun > SLOW:
        raise Finding(f"load of a {name}: {time.monotonic() - begun:.0f} s")
    if peak > 30 * size + 3_000_000:
        raise Finding(f"load of a {name}: {peak} bytes of memory for a file of {size}")
    return model


def use(name, model, rows, path):
    """A model that was loaded answers, goes on and is saved, or says in words why it does not."""
    try:
        found = answers(model, rows)
        if hasattr(model, "partial_fit"):
            model.partial_fit(rows)
        model.save(path)
        repr(model)
    except (ValueError, TypeError) as error:        # as of other columns; both are documented
        COUNTS[f"{name} loaded, an answer refused"] += 1
        if not str(error):
            raise Finding(f"{name}: {type(error).__name__} without a message") from error
        return
    except Exception as error:
        raise Finding(f"a loaded {name}: {type(error).__name__}: {error!s:.150}") from error
    for method in ("predict_proba", "transform", "predict"):
        answer = np.asarray(found.get(method, 0))
        if answer.dtype.kind == "f" and np.isnan(answer).any():
            raise Finding(f"{method} of a loaded {name} gives NaN")
