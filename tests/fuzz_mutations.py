"""Bytes, JSON texts and archives with a little changed in them."""

import io
import json
import struct
import zipfile

import numpy as np

NUMBERS = (b"0", b"-1", b"1e400", b"NaN", b"Infinity", b"null", b"true", b"[]", b"{}", b'"x"',
           b"99999999999999999999", b"1e5", b"[[1]]", b'"\\ud800"', b"9" * 5000, b"[" * 2000)


def mutated(rng, data):
    """Bits, bytes, parts and lengths, one to sixteen of them."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        if not data:
            break
        kind, at = rng.integers(6), int(rng.integers(len(data)))
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at] = int(rng.integers(256))
        elif kind == 2:
            del data[at:at + int(rng.integers(1, 40))]
        elif kind == 3:
            data[at:at] = rng.bytes(int(rng.integers(1, 20)))
        elif kind == 4:
            data[at:at + 4] = struct.pack("<I", int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1])))
        else:
            del data[at:]
    return bytes(data)


def _places(value):
    """Where a value of a JSON text stands: its holder and key."""
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def mutated_json(rng, text):
    """Values replaced, names dropped or doubled, or bytes changed."""
    if rng.random() < 0.3:
        return mutated(rng, text)
    value = json.loads(text)
    places = list(_places(value))
    for _ in range(int(rng.integers(1, 3))):
        holder, key = places[rng.integers(len(places))]
        if isinstance(holder, dict) and rng.random() < 0.2:
            holder.pop(key, None)
        elif isinstance(holder, dict) and rng.random() < 0.1:
            holder["x" * int(rng.integers(1, 9))] = holder.get(key)
        elif isinstance(holder, dict) or key < len(holder):
            holder[key] = f"@@{rng.integers(len(NUMBERS))}@@"
    text = json.dumps(value).encode()
    for i, number in enumerate(NUMBERS):
        text = text.replace(b'"@@%d@@"' % i, number)
    return text


def _npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def mutated_array(rng, array):
    kind = rng.integers(9)
    if kind == 0:
        return array.astype(rng.choice(["f4", "i8", "c16", "U8", ">f8", "?"]))
    if kind == 1:
        return array.reshape(-1)
    if kind == 2:
        return array[..., :1]
    if kind == 3:
        return array * rng.choice([-1, 0, 1e300, np.nan, np.inf])
    if kind == 4:
        return array.reshape(*array.shape, 1)
    if kind == 5:
        return array[:0]
    if kind == 6:
        return np.asfortranarray(array)
    if kind == 7:       # one number
        array = array.copy()
        array.reshape(-1)[rng.integers(array.size)] = rng.choice([-1, 0, 1e300, np.nan, 1e-320])
        return array
    return -np.abs(array)


def _mutated_member(rng, data):
    """A member of an archive: a text in an array, an array, or any bytes."""
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError):
        return mutated_json(rng, data) if data[:1] == b"{" else mutated(rng, data)
    if array.dtype == np.uint8 and array.tobytes()[:1] == b"{" and rng.random() < 0.85:
        return _npy(np.frombuffer(mutated_json(rng, array.tobytes()), np.uint8))
    if rng.random() < 0.6:
        try:
            with np.errstate(all="ignore"):
                return _npy(mutated_array(rng, array))
        except (ValueError, TypeError, IndexError, OverflowError):
            pass
    return mutated(rng, data)


def mutated_archive(rng, data):
    """The same archive with one member changed, its checksum made right, or without it."""
    source = zipfile.ZipFile(io.BytesIO(data))
    names = source.namelist()
    header = [name for name in names if name.startswith("header")] or names
    chosen = header[0] if rng.random() < 0.4 else names[rng.integers(len(names))]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as made:
        for name in names:
            member = source.read(name)
            if name == chosen:
                if rng.random() < 0.05:
                    continue
                member = _mutated_member(rng, member)
                if rng.random() < 0.03:
                    made.writestr(name.replace("e", "\\/.."[rng.integers(4)]), member)
            made.writestr(name, member)
    return out.getvalue()
