"""Commands on tables that are read again in every pass: the same output, whatever fits."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from cli_files import read_csv, run

from emkernels.cli import _memory, _numbers
from emkernels.cli._main import main

ROWS, BLOCK = 900, 120     # of the table; of a block of its five columns


def table():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, ROWS)
    X = rng.normal(size=(ROWS, 4)) + 6 * np.eye(3, 4)[group]
    X[rng.random(X.shape) < 0.05] = np.nan
    X[7] = np.nan
    frame = pd.DataFrame(np.round(X, 3), columns=list("abcd"))
    frame.insert(1, "word", np.where(group == 0, "x", 'y, "z"'))
    frame["late"] = np.arange(ROWS) % 5 + 0.5
    frame["one"], frame["none"] = 3, ""
    frame["text"] = frame["late"].astype(str)
    frame.loc[800, "text"] = "n. d."       # text, as only the seventh block shows
    return frame


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the table, of several blocks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_numbers, "BLOCK_CELLS", 5 * BLOCK)
    monkeypatch.setattr(_numbers, "FEWEST_ROWS", 1)
    frame = table()
    frame.to_csv("t.csv", index=False)
    frame.to_csv("t.csv.gz", index=False)
    frame["none"] = np.full(ROWS, np.nan)
    frame.to_parquet("t.parquet", row_group_size=107)
    return tmp_path


def outcome(capsys, *words):
    """The output of a command, as bytes, and its result without where it was written."""
    assert main([*words, "--json", "-o", "out.csv", "--force"]) == 0
    printed = capsys.readouterr()
    with open("out.csv", "rb") as file:
        return file.read(), printed.out, printed.err


def little(monkeypatch):
    monkeypatch.setattr(_memory, "available_bytes", lambda: 10_000)


COMMANDS = {
    "mixtures": ["cluster", "-k", "1:2", "--starts", "2", "--covariance", "full,EEI"],
    "noise": ["cluster", "-k", "2", "--starts", "2", "--noise", "--standardize"],
    "students": ["cluster", "-k", "2", "--starts", "1", "--method", "t", "--max-iter", "9"],
    "kmeans": ["cluster", "-k", "3", "--columns", "late,one", "--method", "kmeans"],
    "labels": ["cluster", "-k", "2", "--starts", "3", "--only-labels", "--ignore", "c"],
    "normal": ["impute", "--clip"],
    "ridge": ["impute", "--prior", "ridge", "--missing-values", "0.5"],
    "mixture": ["impute", "--model", "mixture", "-k", "2", "--starts", "2"],
}


@pytest.mark.parametrize("name, path", [
    *((name, "t.csv") for name in COMMANDS), ("labels", "t.csv.gz"), ("labels", "t.parquet"),
    ("normal", "t.parquet")])
def test_the_output_is_the_same_whatever_fits(name, path, folder, capsys, monkeypatch):
    command, *words = COMMANDS[name]
    held, report, said = outcome(capsys, command, path, *words)
    assert "read again" not in said
    little(monkeypatch)
    again, other, said = outcome(capsys, command, path, *words)
    assert f"{path}: needs about " in said and "are read again in every pass" in said
    assert again == held and other == report


def test_blocks_that_are_forced(folder, capsys):
    words = ["cluster", "t.csv", *COMMANDS["labels"][1:]]
    assert outcome(capsys, *words)[:2] == outcome(capsys, *words, "--chunks")[:2]


@pytest.mark.parametrize("path", ["t.csv", "t.parquet"])
def test_description(path, folder, capsys, monkeypatch):
    assert main(["describe", path, "--json"]) == 0
    held = capsys.readouterr().out
    little(monkeypatch)
    assert main(["describe", path, "--json"]) == 0
    assert capsys.readouterr().out == held
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert main(["describe", path, "--json"]) == 0       # in memory, as one block
    whole, blocks = json.loads(capsys.readouterr().out), json.loads(held)
    assert whole["patterns"] == blocks["patterns"] and whole["text"] == blocks["text"]
    for mine, theirs in zip(whole["columns"], blocks["columns"], strict=True):
        assert mine.pop("name") == theirs.pop("name")
        assert list(mine.values()) == pytest.approx(list(theirs.values()), rel=1e-12)
    assert whole["little"] == pytest.approx(blocks["little"], rel=1e-6)


def test_blocks_are_near_the_whole(folder, capsys, monkeypatch):
    words = ["impute", "t.csv"]
    blocks = outcome(capsys, *words)[0]
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    whole = outcome(capsys, *words)[0]
    with open("blocks.csv", "wb") as file:
        file.write(blocks)
    mine, theirs = read_csv("out.csv"), read_csv("blocks.csv")
    pd.testing.assert_frame_equal(mine, theirs, rtol=1e-9)
    observed = read_csv("t.csv", dtype=str, keep_default_na=False)
    same = read_csv("blocks.csv", dtype=str, keep_default_na=False) == observed
    assert same.to_numpy()[(observed != "").to_numpy()].all()
    assert len(whole.splitlines()) == ROWS + 1


def test_a_parquet_file_keeps_its_types(folder, capsys, monkeypatch):
    assert run("impute", "t.parquet", "-o", "held.parquet", "--quiet") == 0
    little(monkeypatch)
    assert run("impute", "t.parquet", "-o", "again.parquet", "--quiet") == 0
    held, again = pq.read_table("held.parquet"), pq.read_table("again.parquet")
    assert held.equals(again) and held.schema.equals(again.schema, check_metadata=True)


def test_standard_input_is_read_once(folder, capsys, monkeypatch):
    held = outcome(capsys, "impute", "t.csv")[0]
    with open("t.csv", "rb") as file:
        monkeypatch.setattr("sys.stdin", type("Input", (), {"buffer": file})())
        little(monkeypatch)
        monkeypatch.setattr("emkernels.cli._held.MEMORY", 1000)
        again, _, said = outcome(capsys, "impute", "-")
    assert again == held and "standard input: is kept in a file in " in said


def test_checkpoints(folder, capsys):
    words = ["cluster", "t.csv", "-k", "2:3", "--starts", "2", "--max-iter", "9"]
    held, report, _ = outcome(capsys, *words)
    checkpoint = ["--checkpoint", "fit.checkpoint"]
    assert outcome(capsys, *words, *checkpoint)[:2] == (held, report)
    assert main([*words, *checkpoint]) == 2
    assert "--checkpoint fit.checkpoint: the file exists; --resume" in capsys.readouterr().err
    assert outcome(capsys, *words, *checkpoint, "--resume")[:2] == (held, report)
    assert main(["cluster", "t.csv", "-k", "2:4", *checkpoint, "--resume"]) == 2
    assert "the checkpoint" in capsys.readouterr().err
    assert main(["impute", "t.csv", "-o", "x.csv", *checkpoint, "--resume"]) == 2
    assert "a fit with command='cluster', and now it is 'impute'" in capsys.readouterr().err
    with open("fit.checkpoint", "r+b") as file:
        file.truncate(100)
    assert main([*words, *checkpoint, "--resume"]) == 2
    assert "checkpoint" in capsys.readouterr().err




@pytest.mark.parametrize("words", [
    ["cluster", "t.csv", "-k", "2"], ["cluster", "t.csv", "-k", "2:3", "--method", "t"]])
def test_a_checkpoint_of_a_table_that_was_changed_since(words, folder, capsys):
    """All that is asked for is in it, so that no pass over the rows sees them."""
    outcome(capsys, *words, "--checkpoint", "fit.checkpoint")
    with open("t.csv") as file:
        lines = file.readlines()
    lines[5:7] = lines[6:4:-1]
    with open("t.csv", "w") as file:
        file.writelines(lines)
    assert main([*words, "--checkpoint", "fit.checkpoint", "--resume"]) == 2
    assert "is of other rows: block 0" in capsys.readouterr().err


def test_what_was_ended_goes_on(folder, capsys, monkeypatch):
    """A command that ends in its middle makes only the passes again that were not over."""
    words = ["cluster", "t.csv", "-k", "2", "--starts", "1", "--chunks", "--max-iter", "9"]
    held, report, _ = outcome(capsys, *words)
    passes = _numbers.Reread.parts
    made = []

    def parts(self):
        made.append(1)
        if len(made) == stop:
            raise KeyboardInterrupt
        return passes(self)

    monkeypatch.setattr(_numbers.Reread, "parts", parts)
    stop = None
    outcome(capsys, *words)
    n_passes = len(made)
    made.clear()
    stop = n_passes // 2
    assert main([*words, "--checkpoint", "fit.checkpoint"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "emkernels: interrupted; --checkpoint fit.checkpoint --resume goes on")
    made.clear()
    stop = None
    again = outcome(capsys, *words, "--checkpoint", "fit.checkpoint", "--resume")
    assert again[:2] == (held, report)
    assert len(made) < n_passes


@pytest.mark.parametrize("words, text", [
    (["impute", "t.csv", "-o", "x.csv", "-m", "2", "--chunks"], "-m draws from all rows"),
    (["cluster", "t.csv", "-k", "2", "--resume"], "--resume needs --checkpoint FILE"),
    (["cluster", "t.csv", "-k", "2", "--checkpoint", "./t.csv", "--resume"], "file of its own"),
    (["cluster", "t.csv", "-k", "2", "--checkpoint", "x", "-o", "./x", "--only-labels",
      "--format", "csv"], "file of its own"),
    (["cluster", "t.csv", "-k", "2", "--checkpoint", "no/where"], "there is no folder"),
    (["cluster", "t.csv", "-k", "2", "--checkpoint", "."], "is a folder, and should be a file"),
    (["describe", "."], "is a folder, not a table; fit_chunks in Python"),
    (["cluster", "t.csv", "-k", "2", "--method", "kmeans", "--chunks"],
     "has missing values, and --method kmeans needs them all"),
    (["cluster", "t.csv", "-k", "2", "--columns", "a,text", "--chunks"],
     'line 802, column "text": "n. d." is not a number'),
    (["cluster", "t.csv", "-k", "2", "--columns", "none,a", "--chunks"],
     'column "none" has no value in any row'),
])
def test_refused(words, text, folder, capsys):
    assert main(words) == 2
    assert text in capsys.readouterr().err


def test_draws_are_of_rows_in_memory(folder, capsys, monkeypatch):
    """The draws of a table of several blocks are those of one."""
    blocks = outcome(capsys, "impute", "t.csv", "-m", "2")[0]
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert outcome(capsys, "impute", "t.csv", "-m", "2")[0] == blocks
    little(monkeypatch)
    assert main(["impute", "t.csv", "-o", "x.csv", "-m", "2"]) == 2
    assert "of memory, and 10 kB are free" in capsys.readouterr().err


def test_the_file_changes_between_passes(folder, capsys, monkeypatch):
    passes = _numbers.Reread.parts

    def parts(self):
        frame = pd.read_parquet("t.parquet")
        frame.loc[700, "a"] = len(made)
        frame.to_parquet("t.parquet")
        made.append(1)
        return passes(self)

    made = []
    monkeypatch.setattr(_numbers.Reread, "parts", parts)
    assert main(["impute", "t.parquet", "-o", "x.csv", "--chunks"]) == 2
    assert "t.parquet: the source has changed: block 7 in pass 1" in capsys.readouterr().err
    assert not (folder / "x.csv").exists()
