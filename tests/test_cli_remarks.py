"""What the commands say of a table's columns: spellings, codes, numbers of rows, empty cells."""

import shlex

import numpy as np
import pandas as pd
import pytest
from cli_files import complaint, result, run

from emkernels.cli._spellings import among_numbers


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def frame(n=40, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) @ rng.normal(size=(3, 3))
    return pd.DataFrame(X.round(2) + [10.0, 50.0, 0.0], columns=["bp", "weight", "score"])


def warned(capsys, *arguments):
    """What a command that succeeds warns of, without the beginnings of the lines."""
    assert run(*arguments, "--quiet") == 0
    out, err = capsys.readouterr()
    assert out == ""
    return [line.removeprefix("emkernels: warning: ") for line in err.splitlines()]


COMMANDS = [("impute", "t.csv", "-o", "out.csv", "--force"), ("describe", "t.csv"),
            ("cluster", "t.csv", "-k", "1", "--covariance", "diag")]


# --- text that may be numbers ----------------------------------------------------------------

@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("cell, option", [
    ("-", "-"), (".", "."), ("?", "'?'"), ("<LOD", "'<LOD'"), ("n.d.", "n.d."), ("oops", "oops"),
    ("--", "' --'"), ("---", "' ---'"), ("-x", "' -x'")])
def test_a_spelling_of_nothing_is_one_line(command, cell, option, folder, capsys):
    table = frame().astype(str)
    table.loc[2, "bp"] = table.loc[5, "weight"] = table.loc[9, "weight"] = cell
    table.to_csv("t.csv", index=False)
    assert warned(capsys, *command) == [
        f't.csv: line 4, column "bp" (and "weight"): "{cell}" is not a number, so the columns are '
        f"left as they are; does it stand for a missing value (--missing-values {option})?"]
    # what is advised works
    assert warned(capsys, *command, *shlex.split(f"--missing-values {option}")) == []
    assert warned(capsys, *command, f"--missing-values={cell}") == []


@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
def test_many_cells_of_nothing(share, folder, capsys):
    """However many there are."""
    table = frame().astype(str)
    table.loc[:int(share * 40), "bp"] = "-"
    table.to_csv("t.csv", index=False)
    assert 'column "bp": "-" is not a number' in warned(capsys, "describe", "t.csv")[0]


@pytest.mark.parametrize("cells, words", [
    (["12 kg", "13.5 kg"], '"12 kg" is not a number, so the column is left as it is; without the '
                           'unit "kg" in its cells it would be used'),
    (["12°C", "-3°C"], 'without the unit "°C"'),
    (["$12", "$1.50"], 'without the unit "$"'),
    (["30.3%", "5 %"], '"30.3%" is not a number, so the column is left as it is; without the % in '
                       "its cells it would be used"),
    (["TRUE", "FALSE"], "1 and 0 in place of TRUE and FALSE would be used"),
    (["1,234", "2,500,000"], "commas between thousands have to be taken out"),
    (["1 234", "2 500 000"], "what stands between its thousands has to be taken out"),
    (["1'234", "2'500.5"], "what stands between its thousands has to be taken out"),
    (["1,5", "2,5"], "is the comma its decimal mark? --decimal ,"),
    (["<0.5", "1.5"], "is it a limit of detection? Each such spelling is taken for missing by a "
                      "--missing-values of its own, as '<0.5'"),
])
def test_numbers_in_other_spellings(cells, words, folder, capsys):
    frame().assign(note=cells * 20).to_csv("t.csv", index=False)
    line, = warned(capsys, "impute", "t.csv", "-o", "out.csv")
    assert 'column "note": ' in line and words in line
    with pytest.raises(ValueError, match="could not convert"):
        float(cells[0])


@pytest.mark.parametrize("cells", [
    ["M", "F"], ["north", "-"], ["yes", "no"], ["2020-01-02", "2020-01-03"], ["12:30", "13:00"],
    ["3A", "4B"], ["T", "F"], ["A1", "A2"], ["10-20", "20-30"], ["unknown", "blue"],
    ["12 Main St", "3 Oak Rd"], ["1/2", "3/4"]])
def test_text_that_is_text_is_left_in_peace(cells, folder, capsys):
    frame().assign(note=cells * 20).to_csv("t.csv", index=False)
    assert warned(capsys, "impute", "t.csv", "-o", "out.csv") == []


def test_the_cell_that_is_shown_is_of_the_kind_that_is_explained():
    assert among_numbers(["odd", "5%", "6%"], ".") == (
        1, "; without the % in its cells it would be used", 1)
    assert among_numbers(["odd", "even"], ".") == (0, "", 2)


def test_a_column_that_was_asked_for_is_refused_with_the_same_help(folder, capsys):
    frame().assign(dose=["12 kg", "13 kg"] * 20).to_csv("t.csv", index=False)
    assert complaint(capsys, "impute", "t.csv", "-o", "o.csv", "--columns", "bp,dose") == (
        't.csv: line 2, column "dose": "12 kg" is not a number; without the unit "kg" in its '
        "cells it would be used")


def test_true_and_false_in_parquet(folder, capsys):
    frame().assign(flag=[True, False] * 20).to_parquet("t.parquet")
    assert warned(capsys, "impute", "t.parquet", "-o", "out.csv") == [
        't.parquet: column "flag": is of type bool, not of numbers, so the column is left as it '
        "is; as whole numbers, 1 and 0, it would be used"]


# --- numbers that may stand for missing values -------------------------------------------------

@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("code, which", [
    (-999, "smallest"), (-99, "smallest"), (-9, "smallest"), (999, "largest"),
    (9999, "largest"), (99, "largest")])
def test_codes_in_several_columns(command, code, which, folder, capsys):
    table = frame()
    table["score"] = np.arange(40) % 5 + 1
    table["bp"] = table["bp"].abs() / 10
    table.loc[[3, 8], "bp"] = table.loc[1, "score"] = code
    table.to_csv("t.csv", index=False)
    line, = warned(capsys, *command)
    assert line == (
        f't.csv: {code} is the {which} value, far from the others, of the columns "bp", "score" '
        f"(first on line 3); if it stands for a missing value, say --missing-values {code}")
    assert warned(capsys, *command, "--missing-values", code) == []


def test_several_codes_in_one_table(folder, capsys):
    table = frame()
    for code in (-999, -99):
        rows = [4, 7] if code == -999 else [5, 9]
        table.loc[rows, ["bp", "weight"]] = code
    table.to_csv("t.csv", index=False)
    lines = warned(capsys, "describe", "t.csv")
    assert [line.split()[1] for line in lines] == ["-999", "-99"]
    assert "-999 is the smallest value," in lines[0]
    assert "-99 is among the smallest values," in lines[1]


@pytest.mark.parametrize("column, values", [
    ("percent", np.linspace(0, 99, 40)), ("age", np.r_[np.linspace(18.5, 80, 39), 99]),
    ("cold", np.r_[np.linspace(-8.5, 20, 39), -9]),
    ("price", np.r_[np.linspace(1, 700.5, 39), 999]),
    ("wide", np.r_[np.random.default_rng(0).normal(0, 300, 39), -999])])
def test_numbers_that_only_look_like_codes(column, values, folder, capsys):
    """The same in two columns, and near the others."""
    frame().assign(**{column: values, f"{column}_2": values[::-1]}).to_csv("t.csv", index=False)
    assert warned(capsys, "describe", "t.csv") == []


def test_a_code_in_one_column_may_be_a_value(folder, capsys):
    table = frame()
    table.loc[3, "bp"] = -999
    table.to_csv("t.csv", index=False)
    assert warned(capsys, "describe", "t.csv") == []


# --- numbers of rows ---------------------------------------------------------------------------

@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("name", [
    "id", "ID", "Id", "patient_id", "PatientID", "index", "Unnamed: 0", "row", "a number"])
def test_numbers_of_rows_are_said_and_used(command, name, folder, capsys):
    table = frame()
    table.insert(0, name, 1000 + np.random.default_rng(1).permutation(40))
    table.to_csv("t.csv", index=False)
    option = f"'{name}'" if " " in name else name
    assert warned(capsys, *command) == [
        f't.csv: column "{name}" looks like an identifier, and is used like the others; --ignore '
        f"{option} leaves it out"]
    assert warned(capsys, *command, "--ignore", name) == []
    assert warned(capsys, *command, "--columns", f"{name},bp,weight") == []
    found = result(capsys, *command)
    assert name in str(found["columns"]) and len(found["warnings"]) == 1


def test_an_id_that_comes_again_is_one_too(folder, capsys):
    frame().assign(site_id=np.arange(40) % 7, school_id=np.arange(40) % 3).to_csv(
        "t.csv", index=False)
    assert warned(capsys, "describe", "t.csv") == [
        't.csv: columns "site_id", "school_id" look like identifiers, and are used like the '
        "others; --ignore site_id,school_id leaves them out"]


@pytest.mark.parametrize("name, values", [
    ("humid", np.arange(40) % 5), ("covid", np.arange(40) % 2), ("Acid", np.arange(40) % 9),
    ("body_mass_index", np.arange(40) % 9), ("count", np.arange(40) // 2),
    ("change", np.arange(40) - 20), ("x", np.arange(40) + 0.5),
    ("few", [*range(15), *[np.nan] * 25])])
def test_measures_are_no_numbers_of_rows(name, values, folder, capsys):
    frame().assign(**{name: values}).to_csv("t.csv", index=False)
    assert warned(capsys, "describe", "t.csv") == []


def test_large_counts_of_many_columns_are_no_numbers_of_rows(folder, capsys):
    rng = np.random.default_rng(0)
    counts = {name: 10**6 + 997 * rng.permutation(40) for name in ("jobs", "men", "women")}
    frame().assign(**counts).to_csv("t.csv", index=False)
    assert warned(capsys, "describe", "t.csv") == []
    frame().assign(**counts, running=rng.permutation(40)).to_csv("t.csv", index=False)
    assert ['column "running" looks' in line for line in warned(capsys, "describe", "t.csv")] == [
        True]
    frame().assign(jobs=counts["jobs"]).to_csv("t.csv", index=False)
    assert len(warned(capsys, "describe", "t.csv")) == 1


# --- cells that stay empty ---------------------------------------------------------------------

@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_cells_that_stay_empty_are_counted(ending, folder, capsys):
    table = frame().assign(sex=["f", None, "m", None] * 10, nothing=np.nan, left=[1.5, None] * 20)
    table.loc[3:5, "bp"] = np.nan
    (table.to_csv if ending == "csv" else table.to_parquet)(f"t.{ending}", index=False)
    command = ("impute", f"t.{ending}", "-o", f"out.{ending}", "--ignore", "left", "--force")
    # in the order of the table
    expected = [{"name": "sex", "cells": 20, "reason": "text"},
                {"name": "nothing", "cells": 40, "reason": "no value"},
                {"name": "left", "cells": 20, "reason": "not used"}]
    for more in ([], ["-m", "3"]):
        found = result(capsys, *command, *more)
        assert found["left_empty"] == {"cells": 80, "columns": expected}
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    assert read(f"out.{ending}").isna().sum().sum() == 3 * 80
    assert run(*command) == 0
    assert ('80 cells stay empty: 40 of "nothing" (no value), 20 of "sex" (text), 20 of "left" '
            "(not used)\n") in capsys.readouterr().out
    assert run(*command, "-m", "2") == 0
    assert "80 cells stay empty in every copy: " in capsys.readouterr().out


def test_nothing_stays_empty(folder, capsys):
    table = frame()
    table.loc[3, "bp"] = np.nan
    table.to_csv("t.csv", index=False)
    assert result(capsys, "impute", "t.csv", "-o", "out.csv")["left_empty"] == {
        "cells": 0, "columns": []}
    assert run("impute", "t.csv", "-o", "out.csv", "--force") == 0
    assert "empty" not in capsys.readouterr().out
