"""Sufficient statistics as bytes: a checksum, a JSON header and little-endian float64 arrays."""

import json
import math
import zlib

import numpy as np

from emkernels.components.gaussian.structures import kernel_structure

_MAGIC = b"EMKSTAT1"
_HEADER = 4096      # bytes; what JSON makes of a text takes thirty times as much
ARRAYS = ("centers", "counts", "first", "second")
SCALARS = ("n_rows", "total", "noise", "pairs")


def written(statistics):
    """The bytes of statistics."""
    header = {"covariance_type": statistics.covariance_type,
              "shape": list(statistics.centers.shape),
              "log_likelihood": float.hex(statistics.log_likelihood)}
    if statistics.total is not None:
        header.update(total=float.hex(float(statistics.total)), n_rows=statistics.n_rows)
    for name in ("noise", "pairs"):
        if getattr(statistics, name) is not None:
            header[name] = float.hex(float(getattr(statistics, name)))
    header = json.dumps(header).encode()
    body = b"".join(getattr(statistics, name).astype("<f8").tobytes() for name in ARRAYS)
    payload = len(header).to_bytes(4, "little") + header + body
    return _MAGIC + zlib.crc32(payload).to_bytes(4, "little") + payload


def read(data):
    """What the bytes say, by name; ValueError where they are no such statistics."""
    try:
        data = bytes(memoryview(data))
    except TypeError:
        raise TypeError(f"data must be bytes, got {type(data).__name__}") from None
    start = len(_MAGIC) + 4
    if data[: len(_MAGIC)] != _MAGIC or len(data) < start + 4:
        raise ValueError("these bytes are not sufficient statistics of emkernels")
    payload = data[start:]
    if zlib.crc32(payload) != int.from_bytes(data[len(_MAGIC) : start], "little"):
        raise ValueError("the sufficient statistics are damaged: the checksum differs")
    size = int.from_bytes(payload[:4], "little")
    if size > _HEADER:
        raise ValueError(f"the sufficient statistics are damaged: a header of {size} bytes")
    try:
        return _parts(json.loads(payload[4 : 4 + size]), payload[4 + size :])
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError,
            MemoryError) as error:
        what = f"they have no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"the sufficient statistics are damaged: {what}") from error


def _parts(header, body):
    """Of a header and the bytes of the arrays."""
    type_, shape = header["covariance_type"], header["shape"]
    if not (isinstance(type_, str) and isinstance(shape, list) and len(shape) == 2
            and all(type(n) is int and n > 0 for n in shape)):
        raise ValueError("a covariance type, or numbers of components and columns, that are none")
    second = kernel_structure(type_).shape(*shape)
    shapes = dict(zip(ARRAYS, (tuple(shape), (shape[0],), tuple(shape), second), strict=True))
    if len(body) != 8 * sum(map(math.prod, shapes.values())):
        raise ValueError("the length differs")
    values, out = np.frombuffer(body, dtype="<f8"), {"covariance_type": type_}
    for name, own in shapes.items():
        out[name] = values[:math.prod(own)].reshape(own).astype(np.float64)
        values = values[math.prod(own):]
    out["log_likelihood"] = float.fromhex(header["log_likelihood"])
    for name in SCALARS:
        value = header.get(name)
        if value is not None and name != "n_rows":
            value = float.fromhex(value)
        if value is not None and not (type(value) in (int, float) and abs(value) < math.inf):
            raise ValueError(f"{name} is no number")
        out[name] = value
    return out
