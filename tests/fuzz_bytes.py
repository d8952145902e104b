"""Cases of the bytes of SufficientStatistics with something changed in them."""

import functools
import json
import zlib

import numpy as np
from fuzz_cases import COUNTS, TYPES, Finding, mixture_of, unheard
from fuzz_mutations import VALUES, mutated, mutated_json

from emkernels import SufficientStatistics


@functools.cache
def statistics():
    X = np.random.default_rng(0).normal(size=(50, 3))
    return [SufficientStatistics.from_data(X, *mixture_of(np.random.default_rng(1), 2, 3, t), t)
            for t in TYPES]


def case(seed):
    """Magic, a checksum of what follows, the length of a JSON text, the text, numbers."""
    rng = np.random.default_rng(seed)
    original = statistics()[rng.integers(len(TYPES))]
    data = original.to_bytes()
    start = data.index(b"{") - 8
    kind = rng.random()
    if kind < 0.3:
        changed = mutated(rng, data)
    else:
        payload = data[start + 4:]
        if kind < 0.6:
            payload = mutated(rng, payload)
        else:
            size = int.from_bytes(payload[:4], "little")
            text, body = payload[4:4 + size], payload[4 + size:]
            text = mutated_json(rng, text) if kind < 0.8 else header_of_values(rng, text)
            if rng.integers(3) == 0:
                body = np.frombuffer(body, "<f8").copy()
                body[rng.integers(len(body))] = rng.choice([np.nan, np.inf, -1.0])
                body = body.tobytes()
            payload = len(text).to_bytes(4, "little") + text + body
        changed = data[:start] + zlib.crc32(payload).to_bytes(4, "little") + payload
    with unheard():
        try:
            found = SufficientStatistics.from_bytes(changed)
        except ValueError as error:
            COUNTS["refused"] += 1
            if not str(error):
                raise Finding("from_bytes: ValueError without a message") from error
            return
        except Exception as error:
            raise Finding(f"from_bytes: {type(error).__name__}: {error!s:.150}") from error
        if kind < 0.3 and found != original:
            raise Finding("from_bytes: other values although the checksum was left alone")
        COUNTS["equal" if found == original else "other values"] += 1
        use(found)


def header_of_values(rng, text):
    """The header with other values, some of them such as there might be."""
    header = json.loads(text)
    for _ in range(rng.integers(1, 3)):
        key = str(rng.choice([*header, "noise", "pairs"]))
        if rng.integers(4):
            header[key] = VALUES[rng.integers(len(VALUES))]
            if key == "shape" and rng.integers(2):
                header[key] = rng.integers(-1, 3, 2).tolist()
        else:
            header.pop(key, None)
    return json.dumps(header).encode()


def use(found):
    if found.n_components < 1 or found.n_features < 1:
        raise Finding(f"from_bytes: {found.n_components} components of {found.n_features} columns")
    try:
        again = SufficientStatistics.from_bytes(found.to_bytes())
    except Exception as error:
        raise Finding(f"to_bytes and back: {type(error).__name__}: {error}") from error
    if again != found:
        raise Finding("to_bytes and back: other values")
