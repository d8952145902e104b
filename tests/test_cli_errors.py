"""What whoever types a command can get wrong: one line, exit status 2, nothing written."""

import contextlib
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from cli_files import ROOT, air_quality, complaint, run

from emkernels.cli import _csv, _held, _memory, _output, _parquet, _rewriting, _tables
from emkernels.cli._formats import Stored
from emkernels.cli._messages import CommandError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder; nothing but what the test wrote is there at its end."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


CASES = [
    (b"", "t.csv: is empty; a table begins with a line of column names"),
    (b"\n\n", "t.csv: is empty; a table begins with a line of column names"),
    (b"a,b\n", "t.csv: has a header and no rows"),
    (b"a,b", "t.csv: has a header and no rows"),
    (b"1,2\n3,4\n5,6\n", "t.csv: line 1 has numbers and not the names of columns"),
    (b"a,b,c\n1,2,3\n4,5\n", "t.csv: line 3 has 2 cells, and the header has 3 names"),
    (b"a,b,c\n1,2,3\n\n4,5,6,7\n", "t.csv: line 4 has 4 cells, and the header has 3 names"),
    (b'a,b\n"1\n1",2\n3,4,5\n', "t.csv: line 4 has 3 cells, and the header has 2 names"),
    (b'a,b\n1,2\n3,"4\n5,6\n7,8\n', "t.csv: line 3: a double quote is opened and not closed"),
    (b"a,b\n1,2\n3,inf\n4,\n", 't.csv: line 3, column "b": infinite, or too large a number'),
    (b"a,b\n1,2\n3,4\n\n-1e999,5\n", 't.csv: line 5, column "a": infinite'),
    (b"a,b\nx,y\nz,w\n", 't.csv: no column is of numbers: "a", "b"'),
    (b"a,b\n,\nNA,\n", 't.csv: column "a" has no value in any row'),
    (b"a,b\n1,2\n", "t.csv: has 1 row, and 2 are needed at least"),
    (b"a,a\n1,2\n3,4\n", 't.csv: 2 columns are called "a"; give each a name of its own'),
    (b"a;b\n1;2\n", "t.csv: line 1 has one column, and ';' in it"),
    (b"a\tb\n1\t2\n", "t.csv: line 1 has one column, and tab in it"),
    ("a,b\n1,2\n3,é\n".encode("latin-1"), "t.csv: line 3: byte 0xe9 is not utf-8 text; try "
                                          "--encoding cp1252 (or latin-1)"),
    ("a,ö\n1,2\n".encode("latin-1"), "t.csv: line 1: byte 0xf6 is not utf-8 text"),
    ("a,b\n1,2\n".encode("utf-16"), "t.csv: is UTF-16 text; say --encoding utf-16"),
    ("a,b\n1,2\n".encode("utf-32"), "t.csv: is UTF-32 text; say --encoding utf-32"),
    (b"a,b\n" + 200_000 * b"z" + b",2\n3\n", "t.csv: line 3 has 1 cell, and the header has 2"),
    (b"PAR1....", "t.csv: is a Parquet file; its name should end in .parquet"),
    (b"PK\x03\x04....", "t.csv: is a spreadsheet or an archive; save the table as CSV"),
    (gzip.compress(b"a,b\n1,2\n", mtime=0), "t.csv: is compressed; its name should end in .csv.gz"),
    (b"a,b\n1,2\n-1e200,5\n3,\n", 't.csv: line 3, column "a": infinite, or too large a number '
                                  "(above 1e+140)"),
]


@pytest.mark.parametrize("content, words", CASES)
def test_bad_csv(content, words, folder, capsys):
    (folder / "t.csv").write_bytes(content)
    assert complaint(capsys, "impute", "t.csv", "-o", "out.csv").startswith(words)
    assert os.listdir(folder) == ["t.csv"]


@pytest.mark.parametrize("content, columns, words", [
    (b"a,b\n1,2\n3,x\n", "a,b", 't.csv: line 3, column "b": "x" is not a number'),
    (b'a,t,b\n1,"u\nv",2\n\n3,w,x\n', "b", 't.csv: line 5, column "b": "x" is not a number'),
    (b'a,b\n"1,5",2\n"2,5",3\n', "a", 't.csv: line 2, column "a": "1,5" is not a number; is the '
                                      "comma its decimal mark? --decimal ,"),
    (b'a,b\n"-1,250",2\n"2,5",3\n', "a", 't.csv: line 2, column "a": "-1,250" is not a number; is '
        "the comma its decimal mark (--decimal ,)? One between thousands has to be taken out"),
    (b'a,b\n"1,234,567",2\n1,3\n', "a", 't.csv: line 2, column "a": "1,234,567" is not a number; '
                                       "commas between thousands have to be taken out"),
    (b"a,b\n1,2\n", "c", 't.csv: there is no column "c"; there are "a", "b"'),
    (b"age,b\n1,2\n", "agee", 't.csv: there is no column "agee"; did you mean "age"?'),
    (b"a,a\n1,2\n3,4\n", "a", 't.csv: 2 columns are called "a": it does not say which'),
    (b"a,b\n1,\n3,NA\n", "a,b", 't.csv: column "b" has no value in any row'),
])
@pytest.mark.parametrize("command", [["impute", "-o", "out.csv"], ["cluster", "-k", "1"],
                                     ["describe"]])
def test_bad_columns(content, columns, words, command, folder, capsys):
    (folder / "t.csv").write_bytes(content)
    assert complaint(capsys, *command, "t.csv", "--columns", columns).startswith(words)
    assert os.listdir(folder) == ["t.csv"]


def test_all_columns_ignored(folder, capsys):
    (folder / "t.csv").write_text("a,b\n1,2\n3,4\n")
    assert complaint(capsys, "describe", "t.csv", "--ignore", "a,b") == (
        "t.csv: --ignore leaves no column to use")
    assert 'no column "c"' in complaint(capsys, "describe", "t.csv", "--ignore", "c")


def test_a_word_among_numbers_is_pointed_out(folder, capsys):
    """The column is left as it is, which its owner may not have meant."""
    (folder / "t.csv").write_text("a,b\n" + "1,2\n2,3\n" * 4 + "3,oops\n4,5\n")
    assert run("impute", "t.csv", "-o", "out.csv") == 0
    out, err = capsys.readouterr()
    assert err == ('emkernels: warning: t.csv: line 10, column "b": "oops" is not a number, so the '
                   "column is left as it is; does it stand for a missing value "
                   "(--missing-values oops)?\n")
    assert 'columns text, left as they are: "b"' in out


def test_a_column_written_in_another_way_is_pointed_out(folder, capsys):
    (folder / "t.csv").write_text('a,b\n"1,5",2\n"2,5",3\n,4\n1,1\n')
    assert run("impute", "t.csv", "-o", "out.csv", "--quiet") == 0
    assert capsys.readouterr().err == (
        'emkernels: warning: t.csv: line 2, column "a": "1,5" is not a number, so the column is '
        "left as it is; is the comma its decimal mark? --decimal ,\n")


@pytest.mark.parametrize("cell", ["1.234", "1.234,5", "1.234.567", "1.5"])
def test_points_where_the_comma_is_the_decimal_mark(cell, folder, capsys):
    """1.234 may be a thousand."""
    (folder / "t.csv").write_text(f"a;b\n1,5;2\n{cell};3\n2;1\n")
    assert complaint(capsys, "describe", "t.csv", "--sep", ";", "--decimal", ",", "--columns",
                     "a") == (f't.csv: line 3, column "a": "{cell}" is not a number; --decimal , '
                              "takes no points")


def test_a_word_after_a_block_of_numbers(folder, capsys, monkeypatch):
    monkeypatch.setattr(_csv, "_BLOCK", 64)
    (folder / "t.csv").write_text("a,b\n" + "1,2\n2,\n" * 40 + "3,x\n4,y\n" * 40)
    assert run("describe", "t.csv") == 0
    out, err = capsys.readouterr()
    assert 'line 82, column "b": "x" is not a number' in err
    assert 'column "b": text, 40 missing' in out


@pytest.mark.parametrize("line, words", [
    ("1,1e300,2", 'column "b": infinite, or too large a number'),
    ("1,2,x", 'column "c": "x" is not a number, so the column is left as it is'),
    ("1,2", "has 2 cells, and the header has 3 names"),
    ('1,2,"3', "a double quote is opened and not closed")])
def test_places_beyond_the_first_blocks(line, words, folder, capsys):
    usual = [f"{row / 7:.20f},0.{row:040d},2\n" for row in range(1000)]
    lines = ["a,b,c\n"] + 150 * usual
    lines[139_999] = line + "\n"
    assert sum(map(len, lines)) > 2 * _csv._BLOCK       # in three pieces
    (folder / "t.csv").write_text("".join(lines))
    run("describe", "t.csv", "--quiet")
    assert f"line 140000{' ' if words.startswith('has') else ', ' if 'col' in words else ': '}" + (
        words) in capsys.readouterr().err


def test_rows_of_parquet_beyond_the_first_blocks(folder, capsys):
    values = np.zeros(150_000)
    values[::2] = 1
    values[[139_999, 140_005]] = np.inf
    pd.DataFrame({"a": values}).to_parquet("t.parquet")
    assert complaint(capsys, "describe", "t.parquet").startswith(
        't.parquet: row 140000, column "a": infinite')


@pytest.mark.parametrize("command", [["describe"], ["impute", "-o", "o.csv"]])
def test_a_quote_that_stays_open_behind_the_sample(command, folder, capsys):
    """pyarrow takes a file that ends within quotes: the rest of it would be one cell of text."""
    (folder / "t.csv").write_text(
        "a,b,t\n" + "1,2,u\n,3,v\n" * 600 + '3,4,"w\n' + "5,6,x\n" * 50)
    assert complaint(capsys, *command, "t.csv") == (
        "t.csv: line 1202: a double quote is opened and not closed")
    assert os.listdir(folder) == ["t.csv"]


# --- other formats -------------------------------------------------------------------------

def parquet(path, **columns):
    pd.DataFrame(columns).to_parquet(path)


def test_bad_parquet(folder, capsys):
    (folder / "t.parquet").write_bytes(b"PAR1 nothing more")
    line = complaint(capsys, "describe", "t.parquet")
    assert line.startswith("t.parquet: is no Parquet file, or a damaged one: ")
    parquet("t.parquet", a=[1.0, np.inf, 2.0], b=[1, 2, 3])
    assert complaint(capsys, "describe", "t.parquet") == (
        't.parquet: row 2, column "a": infinite, or too large a number (above 1e+140)')
    parquet("t.parquet", a=["x", "y"], b=[1, 2])
    assert complaint(capsys, "describe", "t.parquet", "--columns", "a").startswith(
        't.parquet: column "a": is of type ')
    assert complaint(capsys, "describe", "t.parquet", "--missing-values", "x") == (
        "t.parquet: no number equals --missing-values x")
    parquet("t.parquet", a=np.empty(0), b=np.empty(0))
    assert complaint(capsys, "describe", "t.parquet") == "t.parquet: has columns and no rows"


def test_parquet_damaged_in_the_middle(folder, capsys):
    rng = np.random.default_rng(0)
    parquet("t.parquet", **{name: rng.normal(size=5000) for name in "abc"})
    content = bytearray((folder / "t.parquet").read_bytes())
    content[10:4000] = bytes(3990)
    (folder / "t.parquet").write_bytes(content)
    line = complaint(capsys, "impute", "t.parquet", "-o", "out.parquet")
    assert line.startswith("t.parquet: is no Parquet file, or a damaged one: ")
    assert os.listdir(folder) == ["t.parquet"]


def test_damaged_gzip(folder, capsys):
    (folder / "t.csv.gz").write_bytes(b"a,b\n1,2\n")
    assert complaint(capsys, "describe", "t.csv.gz").startswith("t.csv.gz: is damaged: ")
    rows = "".join(f"{i},{i * i}\n" for i in range(20000))
    whole = gzip.compress(("a,b\n" + rows).encode())
    (folder / "t.csv.gz").write_bytes(whole[:len(whole) // 2])
    assert complaint(capsys, "describe", "t.csv.gz").startswith("t.csv.gz: is damaged: ")


# --- paths ---------------------------------------------------------------------------------

def test_inputs_that_are_no_table(folder, capsys):
    for name in ("no.csv", "no.csv.gz", "no.parquet"):
        assert complaint(capsys, "describe", name) == f"{name}: No such file or directory"
    assert complaint(capsys, "describe", "t.xlsx") == (
        "t.xlsx: unknown format .xlsx; tables are .csv, .tsv (either with .gz too) or .parquet")
    assert "its name does not end in a format" in complaint(capsys, "describe", "table")
    (folder / "folder.csv").mkdir()
    assert complaint(capsys, "describe", "folder.csv") == (
        "folder.csv: is a folder, not a table; fit_chunks in Python takes a folder of Parquet "
        "files")
    os.mkfifo(folder / "pipe.csv")
    assert complaint(capsys, "describe", "pipe.csv") == (
        "pipe.csv: is not a regular file (- is standard input)")


def test_outputs_that_cannot_be(folder, capsys):
    air_quality(folder / "air.csv")

    def line(output, *more):
        return complaint(capsys, "impute", "air.csv", "-o", output, *more)

    assert line("no/out.csv") == f"no/out.csv: there is no folder {os.path.realpath('no')}"
    assert line("out.xls").startswith("out.xls: unknown format .xls; tables are ")
    (folder / "folder.csv").mkdir()
    assert line("folder.csv").startswith("folder.csv: is a folder")
    os.mkfifo(folder / "pipe.csv")
    assert line("pipe.csv", "--force") == "pipe.csv: is not a regular file"
    (folder / "old.csv").write_text("precious")
    assert line("old.csv") == "old.csv: exists; --force writes over it"
    assert (folder / "old.csv").read_text() == "precious"
    assert run("impute", "air.csv", "-o", "old.csv", "--force", "--quiet") == 0
    assert (folder / "old.csv").read_text().startswith("ozone,")


def test_never_over_the_input(folder, capsys):
    air_quality(folder / "air.csv")
    content = (folder / "air.csv").read_bytes()
    (folder / "link.csv").symlink_to("air.csv")
    os.link("air.csv", "hard.csv")
    (folder / "sub").mkdir()
    for source, target in (("air.csv", "air.csv"), ("air.csv", "link.csv"), ("link.csv", "air.csv"),
                           ("air.csv", "hard.csv"), ("air.csv", "sub/../air.csv"),
                           ("link.csv", "hard.csv")):
        line = complaint(capsys, "impute", source, "-o", target, "--force")
        assert line == f"{target}: is the input {source}, which is never overwritten"
    assert (folder / "air.csv").read_bytes() == content


def test_a_file_that_appears_meanwhile_is_kept(folder):
    with (pytest.raises(CommandError, match=r"out.csv: exists; --force"),
          _output.replacing("out.csv", [], force=False) as file):
        file.write(b"new")
        (folder / "out.csv").write_text("another's")
    assert (folder / "out.csv").read_text() == "another's"
    assert os.listdir(folder) == ["out.csv"]


def test_an_input_that_changes_after_it_was_read(folder, monkeypatch):
    """It counts as it was."""
    air_quality(folder / "air.csv")
    assert run("impute", "air.csv", "-o", "before.csv", "-m", "2", "--quiet") == 0
    write_table = _rewriting.write_table

    def slow(*arguments, **options):
        with open("air.csv", "r+") as file:
            file.write("1,2,3,x,4,5,6\n")
            file.truncate()
        os.unlink("air.csv")
        return write_table(*arguments, **options)

    monkeypatch.setattr("emkernels.cli.impute.write_table", slow)
    assert run("impute", "air.csv", "-o", "out.csv", "-m", "2", "--quiet") == 0
    assert (folder / "out.csv").read_bytes() == (folder / "before.csv").read_bytes()


def test_an_input_that_changes_while_it_is_read(folder, capsys, monkeypatch):
    air_quality(folder / "air.csv")
    with open("air.csv", "a") as file:      # more than a buffer
        file.write("1,2,3,x,4,5,6\n" * 5000)
    monkeypatch.setattr(_held, "_PART", 1000)
    check_kind = _csv.CsvSource._check_kind

    def slow(source):
        check_kind(source)
        with open("air.csv", "a") as file:
            file.write("1,2,3,x,4,5,6\n")

    monkeypatch.setattr(_csv.CsvSource, "_check_kind", slow)
    for command in (["describe", "air.csv"], ["impute", "air.csv", "-o", "out.csv"]):
        assert complaint(capsys, *command) == "air.csv: changed while it was being worked on"
    assert os.listdir(folder) == ["air.csv"]


# --- failures while writing ----------------------------------------------------------------

@pytest.mark.parametrize("name, writer", [
    ("out.csv", _csv.CsvWriter), ("out.csv.gz", _csv.CsvWriter),
    ("out.parquet", _parquet.ParquetWriter)])
@pytest.mark.parametrize("error, status, words", [
    (OSError(28, "No space left on device"), 2, "NAME: No space left on device"),
    (KeyboardInterrupt(), 130, "interrupted"),
    (MemoryError(), 2, "not enough memory"),
])
def test_nothing_half_written(name, writer, error, status, words, folder, capsys, monkeypatch):
    air_quality(folder / "air.csv")
    (folder / name).write_text("what was there")
    seen = []

    def write(self, arrays):
        seen.extend(os.listdir(folder))
        raise error

    monkeypatch.setattr(writer, "write", write)
    assert run("impute", "air.csv", "-o", name, "--force") == status
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and words.replace("NAME", name) in err
    assert any(file.startswith(".emkernels-") for file in seen)
    assert sorted(os.listdir(folder)) == sorted(["air.csv", name])
    assert (folder / name).read_text() == "what was there"


@pytest.fixture(scope="module")
def written_to_a_full_disk(tmp_path_factory):
    """(Status, standard output, standard error) of each name of an output, and what is left."""
    folder, code = tmp_path_factory.mktemp("full"), """
        import contextlib, io, json, resource, sys
        from emkernels.cli import main
        found = {}
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        for name in sys.argv[1:]:
            with (contextlib.redirect_stdout(io.StringIO()) as out,
                  contextlib.redirect_stderr(io.StringIO()) as err):
                status = main(["impute", "air.csv", "-o", name])
            found[name] = status, out.getvalue(), err.getvalue()
        print(json.dumps(found))
    """
    air_quality(folder / "air.csv")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *FULL], cwd=folder, check=True,
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ROOT})
    return json.loads(done.stdout), os.listdir(folder)


FULL = ("out.csv", "out.csv.gz", "out.parquet")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of resources")
@pytest.mark.parametrize("name", FULL)
def test_a_full_disk(name, written_to_a_full_disk):
    """A limit of the size of files fails as a full disk does."""
    found, left = written_to_a_full_disk
    assert found[name] == [2, "", f"emkernels: {name}: File too large\n"]
    assert left == ["air.csv"]


@pytest.fixture
def nobody():
    """A folder that its owner may use, and a way to be somebody without rights."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)

    @contextlib.contextmanager
    def without_rights():
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(before)

    yield folder, without_rights
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of POSIX")
def test_permission(nobody, capsys):
    folder, without_rights = nobody
    air_quality(folder / "air.csv")
    # what is imported when used is imported as oneself
    assert run("impute", folder / "air.csv", "-o", folder / "out.csv", "--quiet") == 0
    (folder / "air.csv").chmod(0o000)
    with without_rights():
        line = complaint(capsys, "describe", folder / "air.csv")
    assert line == f"{folder / 'air.csv'}: Permission denied"
    (folder / "air.csv").chmod(0o644)
    folder.chmod(0o555)
    with without_rights():
        line = complaint(capsys, "impute", folder / "air.csv", "-o", folder / "new.csv")
    assert line == f"{folder / 'new.csv'}: the folder {folder} may not be written to"


def test_characters_that_an_encoding_has_not(folder, capsys):
    parquet("t.parquet", a=[1.0, 2.0, None, 5.0], b=["x", "€", "y", "z"])
    assert complaint(capsys, "impute", "t.parquet", "-o", "out.csv", "--encoding", "latin-1") == (
        'out.csv: "€" does not exist in latin-1; leave --encoding out for utf-8')
    assert os.listdir(folder) == ["t.parquet"]


# --- memory --------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["air.csv", "air.csv.gz", "air.parquet"])
def test_too_large_for_the_memory(name, folder, capsys, monkeypatch):
    frame = air_quality(folder / "air.csv")
    if name.endswith("gz"):
        (folder / name).write_bytes(gzip.compress((folder / "air.csv").read_bytes()))
    elif name.endswith("parquet"):
        frame.to_parquet(name)
    read = []
    monkeypatch.setattr(_tables, "_read", lambda *_: read.append(1))
    monkeypatch.setattr(_memory, "available_bytes", lambda: 20_000)
    line = complaint(capsys, "factors", name, "-k", "1")
    # 153 rows of 6 numbers, 8 bytes each, 5 times
    assert line == (f"{name}: needs about 36.7 kB of memory, and 20 kB are free; use fewer "
                    "--columns, a Parquet file of float32 columns, or some of the rows")
    assert not read
    monkeypatch.undo()
    os.chdir(folder)
    monkeypatch.setattr(_memory, "available_bytes", lambda: 20_000)
    assert run("factors", name, "-k", "1", "--columns", "ozone,wind,temp", "--quiet") == 0


def test_guess_of_the_rows(tmp_path):
    options = SimpleNamespace(encoding="utf-8", sep=None, decimal=".", header=None,
                              missing_values=[])
    rng = np.random.default_rng(0)
    path = str(tmp_path / "long.csv")
    pd.DataFrame(rng.normal(size=(20_000, 4)), columns=list("abcd")).assign(
        t="word").to_csv(path, index=False)
    rows, numbers = _csv.CsvSource(Stored(path, options), options).estimate()
    assert rows == pytest.approx(20_000, rel=0.05) and numbers == [0, 1, 2, 3]
    with open(path, "rb") as plain, gzip.open(path + ".gz", "wb") as zipped:
        zipped.write(plain.read())
    rows, _ = _csv.CsvSource(Stored(path + ".gz", options), options).estimate()
    assert rows == pytest.approx(20_000, rel=0.1)


def groups(root, lines, files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal: 900 kB\nMemAvailable: 800 kB\n")
    (root / "proc/self/cgroup").write_text(lines)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize("lines, files, expected", [
    ("", {}, 800 * 1024),
    ("0::/\n", {"memory.max": "max\n", "memory.current": "5\n"}, 800 * 1024),
    ("0::/a/b\n", {"a/memory.max": "5000\n", "a/memory.current": "3000\n",
                   "a/memory.stat": "anon 1\ninactive_file 500\n",
                   "a/b/memory.max": "max\n", "a/b/memory.current": "1\n"}, 2500),
    ("0::/outside\n", {"memory.max": "4000\n", "memory.current": "5000\n"}, 0),
    ("4:cpu:/x\n5:memory:/c\n", {
        "memory/c/memory.limit_in_bytes": "9000\n", "memory/c/memory.usage_in_bytes": "8000\n",
        "memory/c/memory.stat": "total_inactive_file 100\n"}, 1100),
])
def test_memory_that_is_left(lines, files, expected, tmp_path):
    groups(tmp_path, lines, files)
    assert _memory.available_bytes(str(tmp_path)) == expected


def test_memory_elsewhere(tmp_path):
    assert _memory.available_bytes(str(tmp_path)) is None       # nothing tells
    assert _memory.available_bytes() > 1e6
    _memory.check_fits("x", 10, "nothing")


def test_sizes_in_words():
    words = [_memory.size_text(n) for n in (12, 12_300, 4_560_000, 7.89e9, 1.2e13)]
    assert words == ["12 bytes", "12.3 kB", "4.56 MB", "7.89 GB", "12 TB"]
