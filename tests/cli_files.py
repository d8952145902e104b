"""Tables as files, and the command line as tests call it."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from packaging.version import Version
from tables import AIRQUALITY

import emkernels
from emkernels.cli import main

ROOT = str(Path(emkernels.__file__).parents[1])


def text_of(value):
    return "" if np.isnan(value) else f"{value:g}"


def air_quality(path, *, missing="NA"):
    """The table as CSV (with a column of text in the middle); the numbers as a data frame."""
    lines = [",".join([*AIRQUALITY.names[:3], "place", *AIRQUALITY.names[3:]])]
    for row in AIRQUALITY.X:
        cells = [text_of(value) or missing for value in row]
        lines.append(",".join([*cells[:3], "New York", *cells[3:]]))
    path.write_text("\n".join(lines) + "\n")
    return pd.DataFrame(AIRQUALITY.X.copy(), columns=list(AIRQUALITY.names))


def iris(path):
    """The flowers as CSV with their species; the measures as a data frame."""
    from sklearn.datasets import load_iris

    data = load_iris(as_frame=True)
    frame = data.data.rename(columns=lambda name: name.removesuffix(" (cm)"))
    frame.assign(species=data.target_names[data.target]).to_csv(path, index=False)
    return frame


def read_csv(source, **options):
    """What pandas reads, every number the one that was written: before 3.1 it was so when asked
    for, else a bit off."""
    if Version(pd.__version__) < Version("3.1"):
        options["float_precision"] = "round_trip"
    return pd.read_csv(source, **options)


def run(*arguments):
    """The exit status of a command."""
    return main([str(argument) for argument in arguments])


def result(capsys, *arguments):
    """What a command that succeeds prints with --json."""
    assert run(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def complaint(capsys, *arguments):
    """The one line of a command that fails, without its beginning; nothing else is printed."""
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("emkernels: ") and err.endswith("\n") and err.count("\n") == 1, err
    return err.removeprefix("emkernels: ").rstrip("\n")


class Pipe(io.RawIOBase):
    """Keeps the bytes that are written to it, and cannot be gone back in."""

    def __init__(self):
        self.content = bytearray()

    def writable(self):
        return True

    def write(self, part):
        self.content += part
        return len(part)


def piped(patch, *arguments, input=b"", encoding="utf-8"):
    """The exit status of a command, and the bytes of its standard output and error.

    The input, of less than 4 kB, comes through a pipe too.
    """
    reading, writing = os.pipe()
    os.write(writing, input)
    os.close(writing)
    out, err = Pipe(), Pipe()
    with patch.context() as during, open(reading, encoding=encoding) as stdin:
        during.setattr(sys, "stdin", stdin)
        for name, pipe in (("stdout", out), ("stderr", err)):
            during.setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(pipe), encoding))
        status = run(*arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    return status, bytes(out.content), bytes(err.content)


def process(*arguments, **options):
    """A command in a process of its own."""
    options = {"capture_output": True, "text": True, "timeout": 120, "check": False, **options}
    environment = {**os.environ, "PYTHONPATH": ROOT, **options.pop("env", {})}
    return subprocess.run([sys.executable, "-m", "emkernels", *map(str, arguments)],
                          env=environment, **options)
