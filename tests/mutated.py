"""Files and bytes of models, changed at random.

    python tests/mutated.py [N] [SEED]

N files (10,000) of all estimators and bytes of statistics, each changed: bits, cuts, and pieces of
the bytes that are repeated or gone; members of the zip that are unknown, twice there, compressed or
of names that lead elsewhere; numbers, types, shapes and names in the header and the arrays, the
checksums being right. Each must be read, or refused by ValueError that names the file; what was
read must do its work, or say why not.
"""

import copy
import io
import json
import sys
import tempfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from saved_models import MODELS, STREAMS, answers, fitted

import emkernels
from emkernels import SufficientStatistics

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


def parts(data):
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(arrays.pop("header").tobytes()), arrays


def joined(header, arrays, text=None):
    text = json.dumps(header) if text is None else text
    file = io.BytesIO()
    np.savez(file, **arrays, header=np.frombuffer(text.encode(), np.uint8))
    return file.getvalue()


def bytes_changed(data, rng):
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at, kind = int(rng.integers(len(data))), rng.integers(6)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at] = int(rng.integers(256))
        elif kind == 2:
            data = data[:at] or bytearray(b"P")
        elif kind == 3:
            data[at:at] = data[at:at + int(rng.integers(1, 99))]
        elif kind == 4:
            del data[at:at + int(rng.integers(1, 99))]
            data = data or bytearray(b"P")
        else:
            # the directory at the end is where sizes and places are
            at = max(0, len(data) - int(rng.integers(1, 400)))
            data[at] = int(rng.choice([0, 255, rng.integers(256)]))
    return bytes(data)


def members_changed(data, rng):
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


def header_changed(data, rng):
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
            inside[str(rng.choice(NAMES))] = VALUES[rng.integers(len(VALUES))]
        else:
            inside[at[-1]] = VALUES[rng.integers(len(VALUES))]
    text = None
    if rng.integers(20) == 0:
        text = ["[" * 10**5, "{}", "[]", "NaN", '{"version": ' + "9" * 9999 + "}", '"'][
            rng.integers(6)]
    return joined(header, arrays, text)


def arrays_changed(data, rng):
    header, arrays = parts(data)
    if arrays:
        for _ in range(rng.integers(1, 3)):
            name = list(arrays)[rng.integers(len(arrays))]
            arrays[name] = array_changed(arrays[name], rng)
    return joined(header, arrays)


def array_changed(values, rng):
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


CHANGES = (bytes_changed, members_changed, header_changed, arrays_changed)


def originals(folder):
    """Bytes of files of everything, and rows for each."""
    found = []
    for name in MODELS:
        model, rows = fitted(name)
        model.save(folder / "model.emk")
        found.append(((folder / "model.emk").read_bytes(), rows))
    for model in map(copy.deepcopy, STREAMS.values()):
        rows = fitted("K-means")[1]
        for part in np.array_split(np.arange(len(rows)), 3):
            model.partial_fit(rows.iloc[part])
        model.save(folder / "model.emk")
        found.append(((folder / "model.emk").read_bytes(), rows))
    return found


def statistics_changed(rng):
    """Bytes of statistics with a checksum that is right, and another header."""
    import zlib

    X = rng.normal(size=(9, 2))
    data = SufficientStatistics.from_data(X, [1.0], [[0.0, 0.0]], np.eye(2)[None]).to_bytes()
    payload = data[12:]
    size = int.from_bytes(payload[:4], "little")
    header, body = json.loads(payload[4:4 + size]), payload[4 + size:]
    for _ in range(rng.integers(1, 3)):
        key = str(rng.choice([*header, "noise", "pairs"]))
        if rng.integers(4):
            header[key] = VALUES[rng.integers(len(VALUES))]
            if key == "shape" and rng.integers(2):
                header[key] = rng.integers(-1, 3, 2).tolist()
        else:
            header.pop(key, None)
    if rng.integers(3) == 0:
        body = np.frombuffer(body, "<f8").copy()
        body[rng.integers(len(body))] = rng.choice([np.nan, np.inf, -1.0])
        body = body.tobytes()
    head = json.dumps(header).encode()
    payload = len(head).to_bytes(4, "little") + head + body
    return data[:8] + zlib.crc32(payload).to_bytes(4, "little") + payload


def trial(data, rows, path):
    """What is wrong with how these bytes are read, None where nothing is."""
    path.write_bytes(data)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    model = None
    try:
        model = emkernels.load(path)
    except ValueError as error:
        if str(path) not in str(error):
            return f"the file is not named: {error}"
    except Exception as error:
        return f"load raises {type(error).__name__}: {error}"
    peak = tracemalloc.get_traced_memory()[1] - before
    if peak > 30 * len(data) + 3_000_000:
        return f"load takes {peak} bytes of memory for a file of {len(data)}"
    if model is None:
        return None
    try:
        answers(model, rows)
        if hasattr(model, "partial_fit"):
            model.partial_fit(rows)
        model.save(path)
    except (ValueError, TypeError) as error:        # as of other columns; both are documented
        return None if str(error) else "an error without a word"
    except Exception as error:
        return f"{type(model).__name__} of it raises {type(error).__name__}: {error}"
    return None


def bytes_trial(data):
    """The same of bytes of statistics."""
    try:
        SufficientStatistics.from_bytes(data)
    except ValueError:
        return None
    except Exception as error:
        return f"from_bytes raises {type(error).__name__}: {error}"
    return None


def run(n, seed, folder):
    """Findings of so many files."""
    rng, found = np.random.default_rng(seed), []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        files, path = originals(folder), folder / "mutated.emk"
        tracemalloc.start()
        try:
            for i in range(n):
                if i % 10 == 0:
                    wrong = bytes_trial(statistics_changed(rng))
                else:
                    data, rows = files[rng.integers(len(files))]
                    change = CHANGES[rng.integers(len(CHANGES))]
                    wrong = trial(change(data, rng), rows, path)
                    wrong = wrong and f"{change.__name__}: {wrong}"
                if wrong:
                    found.append((i, wrong))
        finally:
            tracemalloc.stop()
    return found


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(pd.Timestamp.now().value % 10**6)
    with tempfile.TemporaryDirectory() as folder:
        findings = run(n, seed, Path(folder))
    for i, text in findings:
        print(f"{i}: {text[:300]}")
    print(f"{n} files of seed {seed}: {len(findings)} findings")
    sys.exit(bool(findings))
