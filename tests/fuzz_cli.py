"""Cases of the command line on tables and pictures with something changed in them."""

import contextlib
import functools
import gzip
import io
import tempfile
import time
from pathlib import Path

import numpy as np
from fuzz_cases import COUNTS, Finding
from fuzz_mutations import mutated

from emkernels.cli import main

SLOW = 30       # seconds for one command on a file of some kB
TOKENS = (b"nan", b"1e999", b"\x00", b'"', b"\xff\xfe", b"\r", b"\xe2\x80\xa8", b"1,2,3,4", b"-inf",
          b"9" * 400, b"0x10", b"1_0", b"=cmd()", b"\n\n\n", b"", b"True")


@functools.cache
def files():
    import pandas as pd
    from PIL import Image
    folder, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    X = rng.normal(size=(12, 3))
    X[rng.random(X.shape) < 0.2] = np.nan
    frame = pd.DataFrame(X, columns=list("abc"))
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.tsv", index=False, sep="\t")
    frame.to_csv(folder / "t.csv.gz", index=False)
    frame.to_parquet(folder / "t.parquet")
    Image.fromarray(rng.integers(0, 255, (8, 9, 3)).astype("u1")).save(folder / "t.png")
    Image.fromarray(rng.integers(0, 255, (8, 9)).astype("u1")).save(folder / "t.jpg")
    return folder, {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def changed(rng, name, whole):
    if name in ("t.csv", "t.tsv") and rng.random() < 0.4:
        separator = b"\t" if name == "t.tsv" else b","
        parts = whole[name].split(separator)
        parts[rng.integers(len(parts))] = TOKENS[rng.integers(len(TOKENS))]
        return separator.join(parts)
    if name == "t.csv.gz" and rng.random() < 0.5:
        return gzip.compress(mutated(rng, whole["t.csv"]))
    return mutated(rng, whole[name])


def case(seed):
    folder, whole = files()
    rng = np.random.default_rng(seed)
    name = sorted(whole)[rng.integers(len(whole))]
    path = folder / ("changed" + name[1:])
    path.write_bytes(changed(rng, name, whole))
    table = ["-o", str(folder / "out.csv"), "--force"]
    if name in ("t.png", "t.jpg"):
        command = ["segment", str(path), "-k", "2", "-o", str(folder / "out.png"),
                   "--force"]
    else:
        command = [
            ["describe", str(path)],
            ["impute", str(path), *table],
            ["cluster", str(path), "-k", "2", *table],
            ["classes", str(path), "-k", "2", *table],
            ["states", str(path), "-k", "2", *table],
            ["factors", str(path), "-k", "1", *table]][rng.integers(6)]
    run(command, f"{command[0]} of a changed {name[2:]}")


def run(command, name):
    out, err, begun = io.StringIO(), io.StringIO(), time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(command)
        except SystemExit as stop:
            status = stop.code
        except BaseException as error:
            raise Finding(f"{name}: {type(error).__name__}: {error!s:.200}") from error
    status, said = status or 0, err.getvalue()
    COUNTS[f"{command[0]} status {status}"] += 1
    if time.monotonic() - begun > SLOW:
        raise Finding(f"{name}: {time.monotonic() - begun:.0f} s")
    if status not in (0, 2) or "Traceback" in said + out.getvalue():
        raise Finding(f"{name}: status {status}: {said:.200}")
    if status == 2 and len([line for line in said.splitlines() if line.strip()]) != 1:
        raise Finding(f"{name}: status 2 and not one line: {said!r:.300}")
