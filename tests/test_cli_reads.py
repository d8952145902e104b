"""How often a command looks at its input, and at the rows that it has read: once."""

import builtins
import gzip
import io
import json
import os
import sys
import tempfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet
import pytest
from cli_files import run

import emkernels
from emkernels.cli import _csv, _held

SHORT = "--starts 1 --max-iter 2"
IMPUTE = ("impute IN -o OUT", "impute IN -o OUT -m 5", "impute IN -o OUT --columns a,b --clip",
          f"impute IN -o OUT --model mixture -m 3 {SHORT}")
ONCE = ("describe IN", f"cluster IN -k 2 {SHORT}", f"cluster IN -k 2 -o OUT --only-labels {SHORT}",
        "describe IN --columns a,c")
CLUSTER = (f"cluster IN -k 2 -o OUT {SHORT}", f"cluster IN -k 1:2 -o OUT --standardize {SHORT}")
FORMATS = ("csv", "csv.gz", "tsv", "tsv.gz", "parquet")


@pytest.fixture
def frame(rng):
    """Numbers, some missing, that stand for a warning that names a line; words; whole numbers."""
    X = np.round(rng.normal(size=(600, 3)) @ rng.normal(size=(3, 3)), 3)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[300:310, :2] = -999
    table = pd.DataFrame(X, columns=list("abc"))
    return table.assign(note=[f'a "word",\n{i}' for i in range(600)], n=np.arange(600) % 7)


def write(frame, path):
    name = str(path)
    if name.endswith("parquet"):
        frame.to_parquet(path)
    else:
        text = frame.to_csv(sep="\t" if ".tsv" in name else ",", index=False).encode()
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)


class Reads:
    """How often files were opened and how many of their bytes were read; how many bytes of text
    were parsed."""

    def __init__(self, monkeypatch):
        self.opened, self.bytes, self.by_arrow, self.parsed = {}, {}, [], 0
        reads, opener, kind = self, builtins.open, pyarrow.parquet.ParquetFile

        class Counting(io.FileIO):
            def readinto(self, buffer):
                n = super().readinto(buffer)
                reads.bytes[self.name] += n
                return n

            def readall(self):
                content = super().readall()
                reads.bytes[self.name] += len(content)
                return content

        def counting(file, mode="r", *arguments, **options):
            if mode != "rb" or not isinstance(file, str):
                return opener(file, mode, *arguments, **options)
            reads.opened[file] = reads.opened.get(file, 0) + 1
            reads.bytes.setdefault(file, 0)
            return io.BufferedReader(Counting(file))

        def parquet(source, *arguments, **options):
            if isinstance(source, str):
                reads.by_arrow.append(source)
            return kind(source, *arguments, **options)

        read_csv = pyarrow.csv.read_csv

        def parsing(source, **options):
            reads.parsed += source.size()
            return read_csv(source, **options)

        monkeypatch.setattr(builtins, "open", counting)
        monkeypatch.setattr(pyarrow.parquet, "ParquetFile", parquet)
        monkeypatch.setattr(pyarrow.csv, "read_csv", parsing)


def command(words, path, out):
    return [{"IN": path, "OUT": out}.get(word, word) for word in words.split()]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("words", IMPUTE + ONCE + CLUSTER)
def test_a_table_is_read_once(words, format_, frame, tmp_path, monkeypatch, capsys):
    path = str(tmp_path / f"in.{format_}")
    write(frame, tmp_path / f"in.{format_}")
    size = os.path.getsize(path)
    reads = Reads(monkeypatch)
    assert run(*command(words, path, tmp_path / f"out.{format_}"), "--quiet") == 0
    # the first of them is on a line that is told, which asks for the text once more
    line = "row 301" if format_ == "parquet" else "line 602"
    assert f"first on {line}" in capsys.readouterr().err or "a,c" in words
    assert reads.opened[path] == 1
    if format_ == "parquet" and words in ONCE:
        # Arrow takes the columns that it needs from the file
        assert reads.by_arrow == [path] and reads.bytes[path] == 0
    else:
        assert reads.by_arrow == [] and reads.bytes[path] == size
    text = frame.to_csv(index=False)
    assert reads.parsed == (0 if format_ == "parquet" else len(text))


@pytest.mark.parametrize("content, words", [
    ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells"), ("a,b\n1,2\n3,é\n", "line 3: byte 0xe9"),
    ("a,b\n1,2\n3,inf\n", "line 3"), ('a,b\n1,2\n3,"4\n', "a double quote is opened")])
def test_a_faulty_table_is_read_once(content, words, tmp_path, monkeypatch, capsys):
    path = tmp_path / "in.csv"
    path.write_bytes(content.encode("latin-1"))
    reads = Reads(monkeypatch)
    assert run("describe", path) == 2
    assert words in capsys.readouterr().err
    assert (reads.opened[str(path)], reads.bytes[str(path)]) == (1, len(content))


@pytest.mark.parametrize("format_", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("words", ["impute - -o OUT -m 2", "describe -",
                                   f"cluster - -k 2 -o OUT {SHORT}"])
def test_standard_input_is_read_once(words, format_, frame, tmp_path, monkeypatch):
    path = tmp_path / f"in.{format_}"
    write(frame, path)
    content = path.read_bytes()
    outs = [tmp_path / f"{name}.{format_}" for name in ("whole", "stream")]
    assert run(*command(words.replace("-", str(path), 1), "", outs[0]), "--quiet") == 0
    stream = io.BytesIO(content)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
    monkeypatch.setattr(tempfile, "mkstemp", None)      # it fits into memory
    reads = Reads(monkeypatch)
    assert run(*command(words, "", outs[1]), "--format", format_, "--quiet") == 0
    assert stream.read() == b"" and not stream.closed
    assert reads.opened == {} and reads.by_arrow == []
    monkeypatch.undo()
    assert outs[0].exists() == outs[1].exists() == ("OUT" in words)
    if outs[0].exists():
        assert outs[0].read_bytes() == outs[1].read_bytes()


@pytest.mark.parametrize("format_", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("from_stream", [False, True])
def test_a_large_table_lies_in_a_temporary_file(from_stream, format_, frame, tmp_path, monkeypatch):
    """Larger than what is kept in memory: the same bytes, each of the file's read once."""
    path, folder = tmp_path / f"in.{format_}", tmp_path / "temporary"
    folder.mkdir()
    write(frame, path)
    assert run("impute", path, "-o", tmp_path / f"whole.{format_}", "-m", 2, "--quiet") == 0
    content = path.read_bytes()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for module in (_held, _csv):
        monkeypatch.setattr(module, "MEMORY", 3000)
    monkeypatch.setattr(_held, "_PART", 1000)
    seen, fit = [], emkernels.GaussianImputer.fit

    def watched(*arguments):
        seen.extend(os.path.getsize(folder / name) for name in os.listdir(folder))
        return fit(*arguments)

    monkeypatch.setattr(emkernels.GaussianImputer, "fit", watched)
    reads = Reads(monkeypatch)
    out = tmp_path / f"large.{format_}"
    if from_stream:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        assert run("impute", "-", "-o", out, "-m", 2, "--quiet", "--format", format_) == 0
    else:
        assert run("impute", path, "-o", out, "-m", 2, "--quiet") == 0
        assert (reads.opened[str(path)], reads.bytes[str(path)]) == (1, len(content))
    assert seen == [len(content)] and os.listdir(folder) == []
    assert out.read_bytes() == (tmp_path / f"whole.{format_}").read_bytes()


def test_a_temporary_file_that_does_not_fit(frame, tmp_path, monkeypatch, capsys):
    write(frame, tmp_path / "in.csv")

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(_held, "MEMORY", 3000)
    monkeypatch.setattr(_held.os, "fdopen", lambda number, mode: os.close(number) or Full())
    assert run("describe", tmp_path / "in.csv") == 2
    assert capsys.readouterr().err == (
        f"emkernels: {tmp_path / 'in.csv'}: does not fit into {tmp_path} (No space left on "
        "device); TMPDIR names another folder\n")
    assert os.listdir(tmp_path) == ["in.csv"]


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="a count that Linux keeps")
@pytest.mark.parametrize("format_", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("words", [
    "impute IN -o OUT -m 3", f"cluster IN -k 2 -o OUT {SHORT}", "describe IN"])
def test_what_the_system_has_read(words, format_, tmp_path, rng):
    """Whoever opens the file, and in which language."""
    X = rng.normal(size=(10_000, 3)) @ rng.normal(size=(3, 3))
    X[rng.random(X.shape) < 0.1] = np.nan
    path = tmp_path / f"in.{format_}"
    write(pd.DataFrame(X, columns=list("abc")), path)

    def so_far():
        with open("/proc/self/io") as file:
            return int(file.readline().split()[1])

    for name in ("first", "second"):        # the first time modules are read too
        before = so_far()
        assert run(*command(words, path, tmp_path / f"{name}.{format_}"), "--quiet") == 0
    size, read = os.path.getsize(path), so_far() - before
    assert size > 200_000 and 0.9 * size < read < size + 100_000


@pytest.mark.parametrize("name", ["in.png", "in.jpg", "in.tif", "in.bmp", "in.ppm", "16.png"])
def test_a_picture_is_read_once(name, tmp_path, monkeypatch, rng):
    image = pytest.importorskip("PIL.Image")
    pixels = rng.integers(0, 255, (120, 130, 3), np.uint8)
    if name == "16.png":
        codecs = pytest.importorskip("imagecodecs")
        (tmp_path / name).write_bytes(codecs.png_encode(pixels.astype(np.uint16) * 257))
    else:
        image.fromarray(pixels).save(tmp_path / name)
    mask = np.full(pixels.shape[:2], 255, np.uint8)
    image.fromarray(mask).save(tmp_path / "mask.png")
    seeds = mask.copy()
    seeds[:4, :4] = 0
    image.fromarray(seeds).save(tmp_path / "seeds.png")
    reads = Reads(monkeypatch)
    paths = [str(tmp_path / each) for each in (name, "mask.png", "seeds.png")]
    assert run("segment", paths[0], "-o", tmp_path / "out.png", "-k", 2, "--mask", paths[1],
               "--labels", paths[2], "--quiet", "--max-iter", 2) == 0
    for path in paths:
        size = os.path.getsize(path)
        assert reads.opened[path] == 1
        # the tags of a TIFF are looked up here and there, through a buffer
        most = size + 40_000 if path.endswith("tif") else size
        assert 0.9 * size < reads.bytes[path] <= most


# --- the rows that were read ----------------------------------------------------------------

MODELS = (*IMPUTE, f"impute IN -o OUT --model mixture {SHORT}", *ONCE, *CLUSTER,
          f"cluster IN -k 1:3 --covariance full,diag -o OUT --columns a,b {SHORT}")
COMPLETE = ("describe IN", "impute IN -o OUT", "impute IN -o OUT -m 3", *CLUSTER,
            "cluster IN -k 2 --method kmeans", "cluster IN -k 2 -o OUT --method kmeans",
            "cluster IN -k 2 -o OUT --method kmeans --standardize")


def once(line, frame, looks, tmp_path):
    """What a command looks for, once, and in how many columns."""
    path = tmp_path / "in.parquet"
    write(frame, path)
    words = [{"IN": path, "OUT": tmp_path / "out.csv"}.get(word, word) for word in line.split()]
    assert run(*words) == 0
    (what, (n_rows, n_columns)), = looks
    assert n_rows == len(frame)
    return what, n_columns


@pytest.mark.parametrize("line", MODELS)
def test_incomplete_rows_are_looked_through_once(line, frame, looks, tmp_path):
    found = once(line, frame, looks, tmp_path)
    assert found == ("patterns", 2 if "--columns" in line else 4)


@pytest.mark.parametrize("line", COMPLETE)
def test_complete_rows_are_looked_through_once(line, frame, looks, tmp_path):
    assert once(line, frame.fillna(0.5), looks, tmp_path) == ("finite", 4)


@pytest.mark.parametrize("line", ["describe IN", "impute IN -o OUT", "impute IN -o OUT -m 2",
                                  CLUSTER[0]])
def test_a_column_of_one_value_costs_no_second_look(line, frame, looks, tmp_path):
    frame.insert(1, "one", np.where(frame["c"].isna(), np.nan, 7.0))
    # clusters are looked for in the other columns only
    assert once(line, frame, looks, tmp_path) == ("patterns", 4 if "cluster" in line else 5)


def test_without_a_column_the_test_is_that_of_the_others(frame, tmp_path, capsys):
    """The patterns of the other columns are those of all, without a look at them."""
    frame = frame.replace(-999, np.nan)[["a", "b", "c", "n"]]
    results = []
    for table in (frame, frame.assign(one=np.where(frame["n"] == 3, np.nan, 7.0)),
                  frame.assign(one=7.0)[["one", "a", "b", "c", "n"]]):
        write(table, tmp_path / "in.parquet")
        assert run("describe", tmp_path / "in.parquet", "--json") == 0
        results.append(json.loads(capsys.readouterr().out)["little"])
    assert results[0] == results[1] == results[2]
    assert results[0]["p_value"] == emkernels.little_mcar_test(frame).p_value
