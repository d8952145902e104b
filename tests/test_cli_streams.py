"""Streams that are closed, narrow or of few characters, and requests to end."""

import json
import os
import re
import signal
import sys
import threading
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from cli_files import air_quality, process, run

from emkernels.cli import _main, _tables, main
from emkernels.cli._console import Console


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_closed_streams(name, tmp_path, monkeypatch, capsys):
    """As under a shell's `>&-`: Python has None for them."""
    air_quality(tmp_path / "air.csv")
    monkeypatch.setattr(sys, name, None)
    assert run("describe", tmp_path / "air.csv") == 0
    monkeypatch.setattr(sys, name, None)
    assert run("describe", tmp_path / "no.csv") == 2
    # what belongs to one stream does not turn up in the other
    out, err = capsys.readouterr()
    assert (out == "") if name == "stdout" else (err == "" and "no.csv" not in out)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_on_a_full_disk(unbuffered, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    air_quality(tmp_path / "air.csv")
    with open("/dev/full", "w") as full:
        done = process("describe", tmp_path / "air.csv", capture_output=False, stdout=full,
                       stderr=-1)
    assert (done.returncode, done.stderr) == (2, "emkernels: No space left on device\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_in_every_encoding(encoding, tmp_path):
    (tmp_path / "in.csv").write_text("ü,€\n1,2\n,3\n4,5\n2,2\n", encoding="utf-8")
    done = process("describe", tmp_path / "in.csv", "--json", text=False,
                   env={"PYTHONIOENCODING": encoding})
    found = json.loads(done.stdout.decode(encoding))
    assert [column["name"] for column in found["columns"]] == ["ü", "€"]
    assert ("€".encode() in done.stdout) == (encoding == "utf-8")


def test_controls_of_a_terminal_are_not_obeyed(tmp_path, capsys):
    assert run("describe", tmp_path / "a\x1b[31m.csv") == 2
    assert "a\\x1b[31m.csv: No such file" in capsys.readouterr().err
    (tmp_path / "in.csv").write_text('"a\x1b[31m\nb",y\n1,2\n,3\n4,5\n2,2\n')
    assert run("describe", tmp_path / "in.csv") == 0
    assert "\na\\x1b[31m b " in capsys.readouterr().out


@pytest.mark.parametrize("width", [20, 60, 80])
def test_numbers_do_not_fold_in_a_narrow_terminal(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    numbers = ["12.345", "64.6 %", *["-1.2345e-10"] * 4]
    with mock.patch.object(sys.stdout, "isatty", lambda: True):
        Console().table(["a long name of a column", *(f"mean number_{i}" for i in range(6))],
                        [["text text text text", *numbers]])
    found = [re.split("  +", line)[1:] for line in capsys.readouterr().out.splitlines()]
    assert numbers in found
    assert len(found) > 3       # the heads fold, and the text


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", None)])
def test_ended_while_writing(number, tmp_path, monkeypatch, capsys):
    air_quality(tmp_path / "air.csv")
    seen = []

    def write(self, arrays):
        seen.extend(os.listdir(tmp_path))
        signal.raise_signal(number)

    monkeypatch.setattr(_tables.CsvWriter, "write", write)
    assert run("impute", tmp_path / "air.csv", "-o", tmp_path / "out.csv") == 128 + number
    assert capsys.readouterr() == ("", "emkernels: interrupted\n")
    assert any(name.startswith(".emkernels-") for name in seen)
    assert os.listdir(tmp_path) == ["air.csv"]
    assert signal.getsignal(number) == signal.SIG_DFL


def test_signals_that_are_somebody_elses(monkeypatch):
    """What is ignored stays ignored, and threads may not handle signals."""
    during = []
    monkeypatch.setattr(
        _main.info, "run", lambda *_: during.append(signal.getsignal(signal.SIGTERM)))
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert main(["info", "--json"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(main(["info", "--json"])))
    thread.start()
    thread.join()
    assert statuses == [0] and during == [signal.SIG_IGN, before]


def test_responsibilities_that_do_not_fit(tmp_path, monkeypatch, capsys):
    path = tmp_path / "in.csv"
    pd.DataFrame(np.random.default_rng(0).normal(size=(50, 1)), columns=["x"]).to_csv(
        path, index=False)
    monkeypatch.setattr("emkernels.cli._memory.available_bytes", lambda: 6_000)
    more = ["-k", "2,20", "--covariance", "diag", "--quiet"]
    assert run("cluster", path, *more, "-o", tmp_path / "out.csv") == 2
    # 50 rows, 20 clusters, 8 bytes
    assert "needs about 8 kB of memory, and 6 kB are free; use fewer -k, or --only-labels" in (
        capsys.readouterr().err)
    assert run("cluster", path, *more, "-o", tmp_path / "out.csv", "--only-labels") == 0
