"""Streams that are closed, narrow or of few characters, and requests to end."""

import gzip
import io
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
from cli_files import air_quality, piped, process, read_csv, run

import emkernels
from emkernels.cli import _main, _rewriting, main
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
        command = ["info"] if unbuffered else ["describe", tmp_path / "air.csv"]
        done = process(*command, capture_output=False, stdout=full, stderr=-1)
    assert (done.returncode, done.stderr) == (2, "emkernels: No space left on device\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_in_every_encoding(encoding, tmp_path, monkeypatch):
    (tmp_path / "in.csv").write_text("ü,€\n1,2\n,3\n4,5\n2,2\n", encoding="utf-8")
    status, out, err = piped(
        monkeypatch, "describe", tmp_path / "in.csv", "--json", encoding=encoding)
    assert (status, err) == (0, b"")
    found = json.loads(out.decode(encoding))
    assert [column["name"] for column in found["columns"]] == ["ü", "€"]
    assert ("€".encode() in out) == (encoding == "utf-8")


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

    monkeypatch.setattr(_rewriting.CsvWriter, "write", write)
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


# --- tables from standard input and to standard output -------------------------------------------

def test_a_table_through_pipes(tmp_path, monkeypatch):
    air_quality(tmp_path / "air.csv")
    content = (tmp_path / "air.csv").read_bytes()
    assert run("impute", tmp_path / "air.csv", "-o", tmp_path / "out.csv", "--quiet") == 0
    whole = (tmp_path / "out.csv").read_bytes()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    done = process("impute", "-", "-o", "-", input=content, text=False)
    assert (done.returncode, done.stdout) == (0, whole)
    # the report makes room for the table
    assert b"standard input: 153 rows" in done.stderr and b"standard output: written" in done.stderr
    assert os.listdir(tmp_path / "temporary") == []
    status, out, err = piped(monkeypatch, "impute", "-", "-o", "-", "--json", input=content)
    found = json.loads(err)
    assert (status, out) == (0, whole)
    assert (found["input"], found["output"], found["rows"]) == ("-", "-", 153)
    _, out, _ = piped(monkeypatch, "describe", "-", "--json", input=content)
    assert json.loads(out)["missing"] == 44
    _, out, _ = piped(monkeypatch, "cluster", "-", "-k", "2", "-o", "-", "--only-labels", "--quiet",
                      input=content)
    assert out.split()[0] == b"cluster" and len(out.split()) == 154


@pytest.mark.parametrize("format_", ["csv", "csv.gz", "tsv", "tsv.gz", "parquet"])
def test_formats_of_pipes(format_, tmp_path, monkeypatch):
    frame = air_quality(tmp_path / "air.csv")
    name = tmp_path / f"air.{format_}"
    if format_ == "parquet":
        frame.to_parquet(name)
    else:
        sep = "\t" if "tsv" in format_ else ","
        read_csv(tmp_path / "air.csv").to_csv(name, sep=sep, index=False)
    status, out, err = piped(monkeypatch, "impute", "-", "-o", "-", "--format", format_, "--quiet",
                             input=name.read_bytes())
    assert (status, err) == (0, b"")
    if format_ == "parquet":
        (tmp_path / "got.parquet").write_bytes(out)
        assert not pd.read_parquet(tmp_path / "got.parquet").isna().any(axis=None)
    else:
        assert run("impute", name, "-o", tmp_path / f"whole.{format_}", "--quiet") == 0
        assert out == (tmp_path / f"whole.{format_}").read_bytes()


@pytest.mark.parametrize("content, words", [
    (b"", "standard input: is empty; a table begins with a line of column names"),
    (b"a,b\n1,x\n", 'standard input: has 1 row, and 2 are needed at least'),
    (b"PAR1", "standard input: is a Parquet file; say --format parquet"),
    (gzip.compress(b"a,b\n1,2\n", mtime=0), "standard input: is compressed; say --format csv.gz"),
    (b"a,b\n1,2\n1,inf\n", 'standard input: line 3, column "b": infinite')])
def test_bad_standard_input(content, words, monkeypatch):
    status, out, err = piped(monkeypatch, "impute", "-", "-o", "-", input=content)
    assert (status, out) == (2, b"")
    assert err.decode().startswith(f"emkernels: {words}")


def test_closed_standard_input_and_output(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert run("describe", "-") == 2
    assert capsys.readouterr().err == "emkernels: standard input: is closed\n"
    air_quality(tmp_path / "air.csv")
    monkeypatch.setattr(sys, "stdout", None)
    assert run("impute", tmp_path / "air.csv", "-o", "-", "--quiet") == 2
    assert capsys.readouterr().err == "emkernels: standard output: is closed\n"


# --- nobody reads --------------------------------------------------------------------------------

# the others in the one of the tests, where there is less to import
IN_A_PROCESS = {"--help", "info", "describe air.csv", "impute air.csv -o -"}


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")     # it is standard output
@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("arguments, unbuffered", [(arguments.split(), "") for arguments in (
    "--help", "info", "describe air.csv", "describe air.csv --json", "impute air.csv -o out.csv",
    "impute air.csv -o -", "impute air.csv -o - --format parquet", "cluster air.csv -k 2",
    "cluster air.csv -k 2 -o - --quiet", "segment in.png -o out.png")]
    + [(["describe", "air.csv"], "1")], ids=" ".join)
def test_nobody_reads_standard_output(arguments, unbuffered, tmp_path, monkeypatch, capsys):
    """As a shell has it of programs that end by SIGPIPE, and without a word."""
    air_quality(tmp_path / "air.csv")
    pytest.importorskip("PIL.Image").fromarray(
        np.random.default_rng(0).integers(0, 255, (12, 12, 3), np.uint8)).save(tmp_path / "in.png")
    reading, writing = os.pipe()
    os.close(reading)
    if " ".join(arguments) in IN_A_PROCESS and not unbuffered:
        with open(writing, "w") as stream:
            done = process(*arguments, capture_output=False, stdout=stream, stderr=-1, cwd=tmp_path,
                           env={"PYTHONUNBUFFERED": ""})
        status, said = done.returncode, done.stderr
    else:
        monkeypatch.chdir(tmp_path)
        with monkeypatch.context() as during, open(writing, "wb", 0) as pipe:
            stream = io.TextIOWrapper(
                pipe if unbuffered else io.BufferedWriter(pipe), write_through=bool(unbuffered))
            during.setattr(sys, "stdout", stream)
            status = run(*arguments)
            stream.close()      # the interpreter's last flush says nothing either
        said = capsys.readouterr().err
    assert status == 141
    lines = [line for line in said.splitlines() if "warning" not in line]
    if "-" in arguments:        # the report is there
        lines = [line for line in lines if "Error" in line or "Traceback" in line]
    assert lines == []


def test_help_tells_the_statuses(capsys):
    assert main(["--help"]) == 0
    assert "141 nobody reads the output any more" in capsys.readouterr().out


def test_describe_prints_what_it_has_before_it_tests(tmp_path, monkeypatch, capsys):
    air_quality(tmp_path / "air.csv")
    flushed = []
    monkeypatch.setattr(
        emkernels, "little_mcar_test", lambda X: flushed.append(capsys.readouterr().out) or (
            _ for _ in ()).throw(ValueError("stop")))
    assert run("describe", tmp_path / "air.csv") == 0
    assert "ozone" in flushed[0] and "37" in flushed[0]
    assert capsys.readouterr().out == "Little's test could not be done: stop\n"
