"""Bytes, JSON texts and archives with a little changed in them."""

import copy
import io
import json
import struct
import warnings
import zipfile

import numpy as np

NUMBERS = (b"0", b"-1", b"1e400", b"NaN", b"Infinity", b"null", b"true", b"[]", b"{}", b'"x"',
           b"99999999999999999999", b"1e5", b"[[1]]", b'"\\ud800"', b"9" * 5000, b"[" * 2000)
# of headers of models: what some value may be, and what an attribute may be called
VALUES = [None, True, False, 0, 1, -1, 2, 7, 10**6, 2**31, 2**63, 10**30, -0.5, "", "x",
          "full", "a" * 300, [], {}, [1], {"float": "nan"}, {"float": "inf"}, {"float": "-inf"},
          {"float": "0x1p9999"}, {"float": 3}, {"array": "array0"}, {"array": "array1"},
          {"array": "none"}, {"list": []},
          {"list": [1, {"list": []}]}, {"tuple": [{"float": "0x1p1"}]}, {"dict": [[1, 2]]},
          {"dict": [[{"list": []}, 2]]}, {"dict": 3}, {"set": [[1]]}, {"object": ["Pace", {}]},
          {"object": "Pace"}, {"scalar": "array0"}, {"objects": [1, 2], "shape": [10**12]},
          {"objects": [], "shape": [0, 10**12]}, {"absent": 1}, {"objects": [], "shape": "ab"}]
NAMES = ["fit", "__class__", "__dict__", "predict", "save_", "n_parameters_", "a b_", "_stream",
         "means_", "_fitted", "callback", "n_components", "_sklearn_output_config", "classes_"]


def mutated(rng, data):
    """Bits, bytes, parts and lengths, one to sixteen of them."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        if not data:
            break
        kind, at = rng.integers(8), int(rng.integers(len(data)))
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
        elif kind == 5:
            data[at:at] = data[at:at + int(rng.integers(1, 99))]
        elif kind == 6:     # the directory of an archive is at its end: sizes and places
            data[max(0, len(data) - int(rng.integers(1, 400)))] = int(
                rng.choice([0, 255, rng.integers(256)]))
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


# --- files of models: a header of JSON beside arrays, checksums being right ----------------------


def parts(data):
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(arrays.pop("header").tobytes()), arrays


def joined(header, arrays, text=None):
    text = json.dumps(header) if text is None else text
    file = io.BytesIO()
    np.savez(file, **arrays, header=np.frombuffer(text.encode(), np.uint8))
    return file.getvalue()


def members_changed(rng, data):
    header, arrays = parts(data)
    plain, out, kind = joined(header, arrays), io.BytesIO(), rng.integers(5)
    with zipfile.ZipFile(io.BytesIO(plain)) as old, warnings.catch_warnings():
        warnings.simplefilter("ignore")     # of the same name twice
        how = zipfile.ZIP_DEFLATED if kind == 0 else zipfile.ZIP_STORED
        with zipfile.ZipFile(out, "w", how) as new:
            for info in old.infolist():
                new.writestr(info.filename, old.read(info))
            if kind == 1:
                new.writestr(str(rng.choice(["../../evil.npy", "/etc/x.npy", "a/b.npy", "x.txt",
                                             " ", "header", "ü.npy"])), b"\x93NUMPY" + b"x" * 50)
            elif kind == 2:
                new.writestr(old.infolist()[0].filename, b"twice")
            elif kind == 3:
                new.writestr("bomb.npy", b"\0" * 10**6, zipfile.ZIP_DEFLATED)
            elif kind == 4:
                new.writestr("array999.npy", npy_head(rng))
    return out.getvalue()


def npy_head(rng):
    shape = rng.choice(["(10**9,)", "(1000000000000,)", "(-1,)", "((((", "(3", "(2, 3)", "()"])
    descr = rng.choice(["'<f8'", "'|O'", "[('a', '<f8')]", "'<U99999999'", "'<f3'",
                        "__import__('os')"])
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 48


def places(value, at=()):
    """Where values are in a header."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(
        value, list) else ()
    for key, each in items:
        yield from places(each, (*at, key))


def _value(rng):
    # the next change may be in it, and the next case must not know
    return copy.deepcopy(VALUES[rng.integers(len(VALUES))])


def header_changed(rng, data):
    header, arrays = parts(data)
    for _ in range(rng.integers(1, 3)):
        known = [at for at in places(header) if at]
        at = known[rng.integers(len(known))]
        inside = header
        for key in at[:-1]:
            inside = inside[key]
        kind = rng.integers(4)
        if kind == 0 and isinstance(inside, dict):
            inside[str(rng.choice(NAMES))] = inside.pop(at[-1])
        elif kind == 1:
            del inside[at[-1]]
        elif kind == 2 and isinstance(inside, dict):
            inside[str(rng.choice(NAMES))] = _value(rng)
        else:
            inside[at[-1]] = _value(rng)
    text = None
    if rng.integers(20) == 0:
        text = ["[" * 10**5, "{}", "[]", "NaN", '{"version": ' + "9" * 9999 + "}", '"'][
            rng.integers(6)]
    return joined(header, arrays, text)


def arrays_changed(rng, data):
    header, arrays = parts(data)
    if arrays:
        for _ in range(rng.integers(1, 3)):
            name = list(arrays)[rng.integers(len(arrays))]
            arrays[name] = array_changed(rng, arrays[name])
    return joined(header, arrays)


def array_changed(rng, values):
    kind = rng.integers(8)
    if kind == 0:
        if values.dtype.kind == "U":
            return values.astype("U1")
        return values.astype(str(rng.choice(["f4", "i8", "U9", "c16", "?", "u1", "f8"])))
    if kind == 1:
        return np.resize(values, tuple(rng.integers(0, 4, rng.integers(4))))
    if kind == 2:
        return values[..., None]
    if kind == 3:
        return values[:rng.integers(values.shape[0] + 1)] if values.ndim else values
    if kind == 4:
        return values.T[::-1] if values.ndim else values
    if values.size and values.dtype.kind in "iuf":
        values, spoiled = values.copy(), [0, -1, 1, 3, 1e-300, -1e300, 1e300]
        if values.dtype.kind == "f":
            spoiled += [np.nan, np.inf, -np.inf]
        with np.errstate(over="ignore"):
            values.flat[rng.integers(values.size)] = np.array(spoiled[
                rng.integers(len(spoiled))]).astype(values.dtype)
    return values


CHANGES = (mutated_archive, mutated_archive, members_changed, header_changed, arrays_changed)
