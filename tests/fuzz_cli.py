"""Cases of the command line on tables and pictures with something changed in them."""

import contextlib
import functools
import gzip
import io
import time

import numpy as np
from fuzz_cases import COUNTS, Finding, scratch, unheard
from fuzz_mutations import mutated, mutated_archive

from emkernels.cli import main

SLOW = 30       # seconds for one command on a file of some kB
TOKENS = (b"nan", b"1e999", b"\x00", b'"', b"\xff\xfe", b"\r", b"\xe2\x80\xa8", b"1,2,3,4", b"-inf",
          b"9" * 400, b"0x10", b"1_0", b"=cmd()", b"\n\n\n", b"", b"True")


@functools.cache
def files():
    import pandas as pd
    from PIL import Image
    folder, rng = scratch(), np.random.default_rng(0)
    X = rng.normal(size=(12, 3))
    X[rng.random(X.shape) < 0.2] = np.nan
    frame = pd.DataFrame(X, columns=list("abc"))
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.tsv", index=False, sep="\t")
    frame.to_csv(folder / "t.csv.gz", index=False)
    frame.to_parquet(folder / "t.parquet")
    frame["who"], frame["mood"] = np.repeat(["x", "y"], 6), rng.choice(["wild", "calm"], 12)
    frame["grade"] = rng.integers(1, 4, 12)
    for ending in ("csv", "parquet"):
        getattr(frame, f"to_{ending}")(folder / f"texts.{ending}", index=False)
    Image.fromarray(rng.integers(0, 255, (8, 9, 3)).astype("u1")).save(folder / "t.png")
    Image.fromarray(rng.integers(0, 255, (8, 9)).astype("u1")).save(folder / "t.jpg")
    return folder, {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@functools.cache
def models():
    """Files of models that were fitted to the tables, by the endings of their names."""
    folder, _ = files()
    table, kept = str(folder / "texts.csv"), scratch()
    for command in (
            ["impute", "-o", str(kept / "out.csv"), "--columns", "a,b"],
            ["cluster", "-k", "2", "--columns", "a,b,c"],
            ["factors", "-k", "1", "--columns", "a,b,c"],
            ["classes", "-k", "2", "--columns", "mood,grade", "--continuous", "a", "--starts", "2"],
            ["states", "-k", "2", "--columns", "a,b", "--by", "who", "--starts", "1"],
            ["states", "-k", "2", "--symbols", "mood", "--order", "grade", "--starts", "1"]):
        path = kept / f"{len(list(kept.iterdir()))}.emk"
        run([command[0], table, *command[1:], "--save", str(path)], f"{command[0]} --save")
    return sorted(kept.glob("*.emk"))


def changed(rng, name, whole):
    if name.endswith((".csv", ".tsv")) and rng.random() < 0.4:
        separator = b"\t" if name.endswith(".tsv") else b","
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
    path = folder / f"changed.{name.partition('.')[2]}"
    path.write_bytes(changed(rng, name, whole))
    table = ["-o", str(folder / "out.csv"), "--force"]
    if name.startswith("texts"):
        model, out = models()[rng.integers(len(models()))], table
        if rng.random() < 0.2:
            path.write_bytes(whole[name])
            model, data = folder / "changed.emk", model.read_bytes()
            with unheard():     # of members that are there twice
                model.write_bytes(mutated_archive(rng, data))
        if rng.random() < 0.2 and not model.read_bytes().count(b"Imputer"):
            out = [*table, "--only-labels"]
        command = ["predict", str(model), str(path), *out]
    elif name in ("t.png", "t.jpg"):
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
    run(command, f"{command[0]} of a changed {name.partition('.')[2]}")


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
    # warnings of what was read before may go before it
    lines = [line for line in said.splitlines() if line.strip()
             and not line.startswith("emkernels: warning: ")]
    if status == 2 and len(lines) != 1:
        raise Finding(f"{name}: status 2 and not one line: {said!r:.300}")
