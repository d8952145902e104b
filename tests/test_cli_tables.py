"""Tables in and out: formats, encodings, what is carried along, what is left as it was."""

import csv
import gzip
import os
import stat
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_files import air_quality, read_csv, result, run

from emkernels import GaussianImputer, KMeans
from emkernels.cli import _csv

TEXT = '''name,x,"y, or z",when,flag,
"Smith, J.",1,2.50,2024-01-01,TRUE,a
O'Neil,,3,2024-01-02,FALSE,b
"says ""hi""",007,+4.0e0,,TRUE,
"two
lines",5,NA,2024-01-04,,d
é,-6.25,1,2024-01-05,TRUE,e
'''


def records(path, encoding="utf-8", sep=","):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", encoding=encoding, newline="") as file:
        return list(csv.reader(file, delimiter=sep))


def table(path):
    path.write_text(TEXT, encoding="utf-8")
    return records(path)


def completed(before):
    """The cells of TEXT with what the class puts in."""
    frame = pd.DataFrame({"x": [1, np.nan, 7, 5, -6.25], "y, or z": [2.5, 3, 4, np.nan, 1]})
    filled = GaussianImputer(random_state=0).fit_transform(frame)
    after = [list(row) for row in before]
    after[2][1], after[4][2] = float(filled[1, 0]), float(filled[3, 1])
    return after


def assert_same_cells(found, expected):
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected):
        assert len(row) == len(wanted)
        for cell, want in zip(row, wanted):
            # to the last digit
            assert (float(cell) == want) if isinstance(want, float) else (cell == want)


@pytest.mark.parametrize("name, sep", [
    ("out.csv", ","), ("out.tsv", "\t"), ("out.csv.gz", ","), ("OUT.CSV", ","), ("o.tsv.gz", "\t")])
def test_cells_that_are_there_stay_as_they_are(name, sep, tmp_path):
    before = table(tmp_path / "in.csv")
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / name, "--quiet") == 0
    assert_same_cells(records(tmp_path / name, sep=sep), completed(before))


@pytest.mark.parametrize("name", ["in.csv.gz", "in.tsv", "in.tsv.gz"])
def test_reading_what_was_written(name, tmp_path):
    before = table(tmp_path / "in.csv")
    sep = "\t" if "tsv" in name else ","
    opener = gzip.open if name.endswith("gz") else open
    with opener(tmp_path / name, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=sep).writerows(before)
    assert run("impute", tmp_path / name, "-o", tmp_path / "out.csv", "--quiet") == 0
    assert_same_cells(records(tmp_path / "out.csv"), completed(before))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig", "utf-16-le"])
def test_encodings(encoding, tmp_path):
    before = table(tmp_path / "plain.csv")
    with open(tmp_path / "in.csv", "w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(before)
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--quiet",
               "--encoding", encoding) == 0
    assert_same_cells(records(tmp_path / "out.csv", encoding), completed(before))


def test_a_mark_at_the_beginning_needs_no_option(tmp_path):
    """UTF-8 with the mark that spreadsheets put first."""
    (tmp_path / "in.csv").write_text("x,y\n1,2\n3,\n4,5\n6,1\n", encoding="utf-8-sig")
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--quiet",
               "--columns", "x,y") == 0
    assert records(tmp_path / "out.csv")[0] == ["x", "y"]


def test_separator_and_decimal_comma(tmp_path):
    (tmp_path / "in.csv").write_text("x;y;note\n1,5;2,5;a,b\n;3,5;c\n2,25;;d\n0,1;7;\n5;1;f\n")
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--quiet",
               "--sep", ";", "--decimal", ",", "--prior", "ridge") == 0
    rows = records(tmp_path / "out.csv", sep=";")
    X = np.array([[1.5, 2.5], [np.nan, 3.5], [2.25, np.nan], [0.1, 7], [5, 1]])
    filled = GaussianImputer(prior="ridge").fit_transform(X)
    assert rows[1] == ["1,5", "2,5", "a,b"] and rows[3][0] == "2,25"
    assert float(rows[2][0].replace(",", ".")) == filled[1, 0]
    assert float(rows[3][1].replace(",", ".")) == filled[2, 1]


def test_windows_line_ends_and_blank_lines(tmp_path):
    (tmp_path / "in.csv").write_bytes(b"x,y\r\n1,2\r\n\r\n3,\r\n4,5\r\n6,1\r\n\r\n")
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--quiet") == 0
    assert [row[0] for row in records(tmp_path / "out.csv")] == ["x", "1", "3", "4", "6"]


@pytest.mark.parametrize("cell", ["a\rb", "a\r\nb", "a\nb", "\r", "\0", "z" * 200_000, ' a"b '])
def test_cells_that_need_care(cell, tmp_path):
    before = [["t", "x", "y"], [cell, "1", "2"], ["u", "3", "4"], ["v", "5", "1"]]
    with open(tmp_path / "in.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(before)
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--quiet") == 0
    assert records(tmp_path / "out.csv") == before


def test_all_columns_of_a_name_are_ignored(tmp_path, capsys):
    (tmp_path / "in.csv").write_text("x,x,y,z\n1,1,2,3\n2,,3,\n2,4,5,2\n1,2,2,7\n")
    found = result(capsys, "impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv",
                   "--ignore", "x")
    assert [column["name"] for column in found["columns"]] == ["y", "z"]
    assert records(tmp_path / "out.csv")[2][:3] == ["2", "", "3"]


def test_blank_lines_of_one_column_are_missing_values(tmp_path):
    (tmp_path / "in.csv").write_text("x\n1\n\n3\n5\n")
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--quiet") == 0
    assert records(tmp_path / "out.csv") == [["x"], ["1"], ["3"], ["3"], ["5"]]


def test_rows_of_many_columns(tmp_path, capsys, monkeypatch):
    """What is parsed at once grows with the header."""
    monkeypatch.setattr(_csv, "_BLOCK", 1024)
    names = [f"c{i}" for i in range(500)]
    (tmp_path / "in.csv").write_text(",".join(names) + "\n" + "".join(
        ",".join(["1.25", *["1234567.8"] * 499]) + "\n" for _ in range(20)))
    found = result(capsys, "describe", tmp_path / "in.csv", "--columns", "c0,c499")
    assert [column["observed"] for column in found["columns"]] == [20, 20]


@pytest.mark.parametrize("text", ["", "NA", "n/a", "NaN", "nan", "NULL", "None", "<NA>", "#N/A",
                                  " NA ", "  "])
def test_words_for_missing(text, tmp_path, capsys):
    (tmp_path / "in.csv").write_text(f"x,y\n1,2\n3,{text}\n4,5\n6,1\n")
    found = result(capsys, "describe", tmp_path / "in.csv")
    assert [column["missing"] for column in found["columns"]] == [0, 1]


def test_markers_of_missing_values(tmp_path, capsys):
    (tmp_path / "in.csv").write_text("id,x,y\n001,-999,2\n002,3,4.10\n003,?,-999.0\n004,6,7\n"
                                     "005,8,1\n")
    found = result(capsys, "impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv",
                   "--missing-values", "-999", "--missing-values", "?", "--ignore", "id")
    assert [column["missing"] for column in found["columns"]] == [2, 1]
    rows = records(tmp_path / "out.csv")
    # identifiers keep their zeros, numbers their digits
    assert [row[0] for row in rows[1:]] == ["001", "002", "003", "004", "005"]
    assert rows[2] == ["002", "3", "4.10"] and "-999" not in str(rows) and "?" not in str(rows)


def test_markers_in_parquet(tmp_path, capsys):
    frame = pd.DataFrame({"x": [-999, 3, 5, 6], "y": [2.0, 4.1, -999.0, 7.0]})
    frame.to_parquet(tmp_path / "in.parquet")
    found = result(capsys, "describe", tmp_path / "in.parquet", "--missing-values", "-999")
    assert [column["missing"] for column in found["columns"]] == [1, 1]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_marker_counts(ending, tmp_path, capsys):
    # in other spellings than in the table
    frame = pd.DataFrame({"x": [-999.0, 3, 5, 777, 6], "y": [2, 4.1, -999.0, 7, 777]})
    (frame.to_csv if ending == "csv" else frame.to_parquet)(tmp_path / f"in.{ending}", index=False)
    found = result(capsys, "describe", tmp_path / f"in.{ending}", "--missing-values", "-999",
                   "--missing-values", "7.77e2")
    assert [column["missing"] for column in found["columns"]] == [2, 2]
    assert [column["max"] for column in found["columns"]] == [6, 7]


def test_row_names_are_not_used(tmp_path, capsys):
    (tmp_path / "in.csv").write_text(',x,y\n"1",2,3\n"2",,4\n"3",5,9\n"4",7,1\n')
    found = result(capsys, "impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert [column["name"] for column in found["columns"]] == ["x", "y"]
    assert [row[0] for row in records(tmp_path / "out.csv")] == ["", "1", "2", "3", "4"]


def test_numbers_as_names(tmp_path, capsys):
    (tmp_path / "in.csv").write_text("2019,2020\n1,2\n3,4\n5,\n")
    found = result(capsys, "describe", tmp_path / "in.csv", "--header")
    assert [column["name"] for column in found["columns"]] == ["2019", "2020"]


def test_names_with_commas(tmp_path, capsys):
    table(tmp_path / "in.csv")
    found = result(capsys, "describe", tmp_path / "in.csv", "--columns", '"y, or z",x')
    assert [column["name"] for column in found["columns"]] == ["x", "y, or z"]


def test_many_blocks(tmp_path, monkeypatch):
    """The same file in small pieces, with a column of text whose cells hold line breaks."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3)) @ rng.normal(size=(3, 3))
    X[rng.random(X.shape) < 0.1] = np.nan
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame.insert(1, "text", [f'line\n"{i}"' if i % 7 else f"t{i}" for i in range(3000)])
    frame.to_csv(tmp_path / "in.csv", index=False)
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "whole.csv", "--quiet") == 0
    monkeypatch.setattr(_csv, "_BLOCK", 2048)
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "parts.csv", "--quiet") == 0
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    out = read_csv(tmp_path / "whole.csv")
    assert list(out.columns) == list(frame.columns) and (out["text"] == frame["text"]).all()
    expected = GaussianImputer(random_state=0).fit_transform(frame[["a", "b", "c"]])
    np.testing.assert_array_equal(out[["a", "b", "c"]].to_numpy(), expected)


def test_labels_of_many_blocks_are_those_of_their_rows(tmp_path):
    """Three batches: the third begins where the first two end."""
    X = np.random.default_rng(0).random((150_000, 1))
    pd.DataFrame(X, columns=["x"]).to_parquet(tmp_path / "in.parquet")
    wanted = KMeans(2, random_state=0).fit(X).labels_
    command = ("cluster", tmp_path / "in.parquet", "-k", "2", "--method", "kmeans", "--quiet", "-o")
    assert run(*command, tmp_path / "out.parquet") == 0
    out = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_array_equal(out["x"], X[:, 0])
    np.testing.assert_array_equal(out["cluster"], wanted)
    assert run(*command, tmp_path / "labels.parquet", "--only-labels") == 0
    labels = pd.read_parquet(tmp_path / "labels.parquet")
    assert list(labels) == ["cluster"]
    np.testing.assert_array_equal(labels["cluster"], wanted)


def test_copies_of_many_blocks(tmp_path, monkeypatch):
    """Every copy begins again with the first row."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    frame["a"] += 2 * frame["b"]
    frame = frame.mask(rng.random(frame.shape) < 0.1)
    frame.to_csv(tmp_path / "in.csv", index=False)
    monkeypatch.setattr(_csv, "_BLOCK", 2048)
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "-m", "2",
               "--quiet") == 0
    out = read_csv(tmp_path / "out.csv")
    assert list(out[".imp"]) == [1] * 300 + [2] * 300
    assert list(out[".id"]) == 2 * list(range(1, 301))
    imputer = GaussianImputer().fit(frame)
    for i, seed in enumerate(np.random.SeedSequence(0).spawn(2)):
        np.testing.assert_array_equal(
            out.loc[out[".imp"] == i + 1, ["a", "b"]],
            imputer.sample(frame, 1, random_state=seed)[0])


# --- Parquet ---------------------------------------------------------------------------------

def typed_frame():
    return pd.DataFrame({
        "count": pd.array([1, 2, None, 4, 9], dtype="Int64"),
        "whole": np.array([1, 5, 2, 9, 3], dtype=np.int16),
        "when": pd.to_datetime(["2024-01-01"] * 4 + [None]),
        "small": np.array([0.5, 1.5, np.nan, 2.5, 0.1], dtype=np.float32),
        "kind": pd.Categorical(["a", "b", None, "a", "b"]),
        "real": [1.5, np.nan, 2.5, 0.1, 4.5],
        "flag": [True, False, True, None, False],
    })


def test_parquet_keeps_types_and_order(tmp_path):
    frame = typed_frame()
    frame.to_parquet(tmp_path / "in.parquet")
    assert run("impute", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--quiet",
               "--prior", "ridge") == 0
    before, after = (pq.read_schema(tmp_path / name) for name in ("in.parquet", "out.parquet"))
    assert after.names == before.names
    assert after.field("count").type == pa.float64()        # it has fractions now
    for name in set(before.names) - {"count"}:
        assert after.field(name).type == before.field(name).type
    out = pd.read_parquet(tmp_path / "out.parquet")
    for name in ("whole", "when", "kind", "flag"):
        pd.testing.assert_series_equal(out[name], pd.read_parquet(tmp_path / "in.parquet")[name])
    used = frame[["count", "whole", "small", "real"]].astype(float)
    expected = GaussianImputer(prior="ridge").fit_transform(used)
    np.testing.assert_array_equal(out["count"], expected[:, 0])
    np.testing.assert_array_equal(out["small"], expected[:, 2].astype(np.float32))
    np.testing.assert_array_equal(out["real"], expected[:, 3])


def test_text_from_whole_numbers_and_decimals_of_parquet(tmp_path):
    """What is there keeps its digits, and what is filled in has fractions."""
    pq.write_table(pa.table({
        "n": pa.array([2**60 + 1, 2**60 + 3, None, 2**60 + 7]),
        "small": pa.array([1, None, 3, 9], pa.uint8()),
        "price": pa.array([Decimal("1.10"), Decimal("3.30"), Decimal("2.00"), None])},
    ), tmp_path / "in.parquet")
    more = ["--columns", "small,price", "--prior", "ridge", "--quiet"]
    X = np.array([[1, 1.1], [np.nan, 3.3], [3, 2], [9, np.nan]])
    filled = GaussianImputer(prior="ridge").fit_transform(X)
    for decimal in ".,":
        assert run("impute", tmp_path / "in.parquet", "-o", tmp_path / "out.csv", *more,
                   "--decimal", decimal, "--sep", ";", "--force") == 0
        rows = records(tmp_path / "out.csv", sep=";")[1:]
        assert [row[0] for row in rows] == [str(2**60 + 1), str(2**60 + 3), "", str(2**60 + 7)]
        assert [row[1] for row in rows[::2]] == ["1", "3"]
        assert [row[2] for row in rows[:3]] == [
            text.replace(".", decimal) for text in ("1.10", "3.30", "2.00")]
        assert [float(rows[1][1].replace(",", ".")), float(rows[3][2].replace(",", "."))] == [
            filled[1, 0], filled[3, 1]]
    assert run("impute", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", *more) == 0
    out = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_array_equal(out[["small", "price"]], filled)


def test_long_whole_numbers_keep_their_digits(tmp_path):
    (tmp_path / "in.csv").write_text("id,x,y\n9007199254740993,1,2\n 007 ,,3\n-5,4,5\n+8,2,2\n")
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.parquet", "--quiet") == 0
    out = pd.read_parquet(tmp_path / "out.parquet")
    assert out["id"].dtype == np.int64
    (tmp_path / "in.csv").write_text("id,x,y\n9007199254740993,1,2\n007,,3\n-5,4,5\n8,2,2\n")
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.parquet", "--quiet",
               "--force") == 0
    assert list(pd.read_parquet(tmp_path / "out.parquet")["id"]) == [9007199254740993, 7, -5, 8]


def test_float32_stays_float32_in_the_model(tmp_path, rng):
    X = (rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3))).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    frame = pd.DataFrame(X, columns=list("abc"))
    frame.to_parquet(tmp_path / "in.parquet")
    assert run("impute", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--quiet") == 0
    out = pd.read_parquet(tmp_path / "out.parquet")
    assert (out.dtypes == np.float32).all()
    np.testing.assert_array_equal(out.to_numpy(), GaussianImputer().fit_transform(X))


def test_index_of_a_data_frame(tmp_path, capsys):
    frame = typed_frame()[["whole", "real"]].set_index(pd.Index([10, 20, 30, 40, 50], name="key"))
    frame.to_parquet(tmp_path / "in.parquet")
    found = result(capsys, "impute", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet")
    assert [column["name"] for column in found["columns"]] == ["whole", "real"]
    assert pd.read_parquet(tmp_path / "out.parquet").index.equals(frame.index)


def test_parquet_from_csv(tmp_path):
    frame = air_quality(tmp_path / "air.csv")
    assert run("impute", tmp_path / "air.csv", "-o", tmp_path / "out.parquet", "--quiet") == 0
    out = pd.read_parquet(tmp_path / "out.parquet")
    assert list(out.columns) == ["ozone", "solar_r", "wind", "place", "temp", "month", "day"]
    assert [str(out[name].dtype) for name in ("ozone", "wind", "temp", "day")] == [
        "float64", "float64", "int64", "int64"]
    assert (out["place"] == "New York").all()
    np.testing.assert_array_equal(
        out[list(frame.columns)].to_numpy(float), GaussianImputer().fit_transform(frame))


def test_columns_that_are_not_used_shift_no_types(tmp_path):
    frame = pd.DataFrame({"nothing": np.nan, "real": np.arange(20) / 8, "one": 0.5,
                          "whole": np.arange(20) % 7, "other": np.sqrt(np.arange(20))})
    frame.to_csv(tmp_path / "in.csv", index=False)
    for command in (["impute"], ["cluster", "-k", "2", "--method", "kmeans"]):
        assert run(*command, tmp_path / "in.csv", "-o", tmp_path / "out.parquet", "--quiet",
                   "--force") == 0
        out = pd.read_parquet(tmp_path / "out.parquet")
        assert [str(out[name].dtype) for name in ("real", "whole", "other")] == [
            "float64", "int64", "float64"]
        for name in ("real", "whole", "other"):
            np.testing.assert_array_equal(out[name], frame[name])
        assert out["nothing"].isna().all()


def test_numbers_that_no_whole_number_holds(tmp_path, monkeypatch):
    """Whole ones beyond 2^63, and a fraction in the first of many blocks."""
    frame = pd.DataFrame({
        "large": np.arange(400) * 1e17, "early": np.r_[0.5, np.arange(399.0)],
        "whole": np.arange(400) % 90, "filled": np.r_[np.nan, np.arange(399.0)]})
    assert frame["large"].max() > 2**63
    texts = frame.astype(object)
    texts["large"] = [str(i * 10**17) for i in range(400)]
    texts["whole"] = frame["whole"].map(str)
    texts.to_csv(tmp_path / "in.csv", index=False)
    monkeypatch.setattr(_csv, "_BLOCK", 2048)
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.parquet", "--quiet") == 0
    out = pd.read_parquet(tmp_path / "out.parquet")
    assert [str(kind) for kind in out.dtypes] == ["float64", "float64", "int64", "float64"]
    for name in ("large", "early", "whole"):
        np.testing.assert_array_equal(out[name], frame[name])
    np.testing.assert_array_equal(out["filled"][1:], frame["filled"][1:])


def test_csv_from_parquet(tmp_path):
    typed_frame().to_parquet(tmp_path / "in.parquet")
    assert run("impute", tmp_path / "in.parquet", "-o", tmp_path / "out.csv", "--quiet",
               "--prior", "ridge", "--ignore", "count") == 0
    rows = records(tmp_path / "out.csv")
    assert rows[0] == list(typed_frame().columns)
    assert [row[0] for row in rows[1:]] == ["1", "2", "", "4", "9"]
    # a float32 as short as it can be read back
    assert rows[1][3:6] == ["0.5", "a", "1.5"] and rows[5][3] == "0.1"
    assert rows[1][2].startswith("2024-01-01") and rows[5][2] == ""
    assert [row[6] for row in rows[1:]] == ["true", "false", "true", "", "false"]


def test_numbers_in_text(tmp_path):
    """Whole numbers have no point, and nothing is written as -0."""
    values = pa.array([1.0, -0.0, 0.1, 1e20, np.nan, None, 1 / 3])
    assert _csv.as_text(values).to_pylist() == [
        "1", "0", "0.1", "1e+20", "", "", "0.3333333333333333"]
    assert _csv.as_text(values, ",").to_pylist()[2] == "0,1"
    assert _csv.as_text(pa.array([0.1], pa.float32())).to_pylist() == ["0.1"]
    assert _csv.as_text(pa.array([[1, 2], None])).to_pylist() == ["[1, 2]", ""]


# --- files -----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
@pytest.mark.parametrize("more", [[], ["-m", "3"]])
def test_the_same_bytes_every_time(name, more, tmp_path):
    air_quality(tmp_path / "air.csv")
    written = []
    for threads in (1, 2):
        assert run("impute", tmp_path / "air.csv", "-o", tmp_path / name, "--force", "--quiet",
                   "--threads", threads, *more) == 0
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_permissions_are_those_of_a_new_file(tmp_path):
    air_quality(tmp_path / "air.csv")
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            assert run("impute", tmp_path / "air.csv", "-o", tmp_path / f"{mask}.csv",
                       "--quiet") == 0
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / f"{mask}.csv").stat().st_mode) == mode


def test_a_link_leads_to_the_file_that_is_written(tmp_path):
    air_quality(tmp_path / "air.csv")
    (tmp_path / "folder").mkdir()
    (tmp_path / "out.csv").symlink_to(tmp_path / "folder" / "real.csv")
    assert run("impute", tmp_path / "air.csv", "-o", tmp_path / "out.csv", "--quiet") == 0
    assert (tmp_path / "out.csv").is_symlink()
    assert len(records(tmp_path / "folder" / "real.csv")) == 154
    assert sorted(os.listdir(tmp_path)) == ["air.csv", "folder", "out.csv"]


# --- headers -------------------------------------------------------------------------------------

def test_a_table_without_a_header(tmp_path, capsys):
    (tmp_path / "in.csv").write_text("1,2,a\n3,,b\n4,5,\n2,2,d\n")
    found = result(capsys, "impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv",
                   "--no-header", "--prior", "ridge")
    assert found["rows"] == 4
    assert [column["name"] for column in found["columns"]] == ["x0", "x1"]
    assert found["left_empty"]["columns"] == [{"name": "x2", "cells": 1, "reason": "text"}]
    X = np.array([[1, 2], [3, np.nan], [4, 5], [2, 2]])
    filled = GaussianImputer(prior="ridge").fit_transform(X)
    # nor has what is written one
    assert_same_cells(records(tmp_path / "out.csv"), [
        ["1", "2", "a"], ["3", float(filled[1, 1]), "b"], ["4", "5", ""], ["2", "2", "d"]])
    assert run("cluster", tmp_path / "in.csv", "-k", "2", "--no-header", "--quiet", "--ignore",
               "x1", "-o", tmp_path / "labels.csv", "--only-labels") == 0
    assert len(records(tmp_path / "labels.csv")) == 4
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "out.parquet", "--no-header",
               "--prior", "ridge", "--quiet") == 0
    assert list(pd.read_parquet(tmp_path / "out.parquet").columns) == ["x0", "x1", "x2"]


def test_lines_are_counted_from_the_first_without_a_header(tmp_path, capsys):
    (tmp_path / "in.csv").write_text("1,2\n3,x\n4,5\n2,2\n")
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / "o.csv", "--no-header",
               "--columns", "x0,x1") == 2
    assert 'line 2, column "x1": "x" is not a number' in capsys.readouterr().err
    (tmp_path / "in.csv").write_text("1,2\n3,4\n4,5,6\n2,2\n")
    assert run("describe", tmp_path / "in.csv", "--no-header") == 2
    assert "line 3 has 3 cells, and line 1 has 2" in capsys.readouterr().err


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n'])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_line_that_names_the_separator(first, encoding, tmp_path, capsys):
    """Spreadsheets write and obey it."""
    (tmp_path / "in.csv").write_bytes((first + "a;b;t\n1,5;2;x,y\n;3;z\n4,5;5;\n2;1,5;w\n").encode(
        encoding))
    more = ["--decimal", ",", "--prior", "ridge", "--encoding", encoding]
    found = result(capsys, "impute", tmp_path / "in.csv", "-o", tmp_path / "out.csv", *more)
    assert [column["name"] for column in found["columns"]] == ["a", "b"]
    assert found["rows"] == 4 and found["missing"] == 1
    rows = records(tmp_path / "out.csv", encoding=encoding, sep=";")
    assert rows[:2] == [["a", "b", "t"], ["1,5", "2", "x,y"]] and len(rows) == 5
    X = np.array([[1.5, 2], [np.nan, 3], [4.5, 5], [2, 1.5]])
    assert float(rows[2][0].replace(",", ".")) == GaussianImputer(prior="ridge").fit_transform(
        X)[1, 0]


def test_a_separator_that_is_named_in_the_file_and_lines(tmp_path, capsys):
    (tmp_path / "in.csv").write_text("sep=|\na|b\n1|2\n3|x\n4|5\n")
    assert run("describe", tmp_path / "in.csv", "--columns", "a,b") == 2
    assert 'line 4, column "b"' in capsys.readouterr().err
    (tmp_path / "in.csv").write_text("sep=|\n1|2\n3|4\n4|5|6\n")
    assert run("describe", tmp_path / "in.csv", "--no-header") == 2
    assert "line 4 has 3 cells, and line 2 has 2" in capsys.readouterr().err
    # a name that only looks like it
    (tmp_path / "in.csv").write_text("sep=,b\n1,2\n3,4\n4,5\n")
    assert result(capsys, "describe", tmp_path / "in.csv")["columns"][0]["name"] == "sep="
