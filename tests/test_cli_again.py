"""`predict` with models of classes and of states: what the commands that fitted them have said."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_files import complaint, process, read_csv, result, run

import emkernels
from emkernels import CategoricalHMM, GaussianHMM, LatentClassAnalysis, MixtureHMM


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def people(n=200):
    """Answers of texts, of codes, of yes and no, and an age; with gaps."""
    rng = np.random.default_rng(1)
    kind = rng.random(n) < 0.4
    frame = pd.DataFrame({
        "music": np.where(rng.random(n) < np.where(kind, 0.9, 0.2), "jazz", "rock"),
        "grade": np.clip(rng.normal(np.where(kind, 4, 2), 1).round(), 1, 5),
        "mixed": np.where(rng.random(n) < np.where(kind, 0.8, 0.3), "1", "x"),
        "early": rng.random(n) < np.where(kind, 0.7, 0.2),
        "age": rng.normal(np.where(kind, 60, 30), 8).round(1)})
    return frame.astype(object).mask(rng.random(frame.shape) < 0.1)


def animals(lengths=(40, 30, 50), gaps=0.05):
    """Steps and moods of animals, by the hour."""
    rng = np.random.default_rng(3)
    n = sum(lengths)
    state = np.cumsum(rng.random(n) < 0.1) % 2
    frame = pd.DataFrame({
        "animal": np.repeat(list("CAB"), lengths), "hour": np.concatenate(
            [np.arange(k) for k in lengths]),
        "step": rng.normal(4 * state, 1).round(3), "turn": rng.normal(state, 1).round(3)})
    frame["mood"] = np.where(rng.random(n) < 0.2 + 0.6 * state, "wild", "calm")
    for name in ("step", "turn", "mood"):
        frame[name] = frame[name].mask(rng.random(n) < gaps)
    return frame


# --- classes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_same_table_gets_the_same_classes(capsys, ending):
    frame = people().assign(mixed=lambda table: table["mixed"].astype("string"))
    frame = frame.astype({"grade": float, "age": float, "early": "boolean"})
    getattr(frame, f"to_{ending}")(f"t.{ending}", index=False)
    found = result(capsys, "classes", f"t.{ending}", "-k", 2, "--continuous", "age", "--starts", 5,
                   "-o", f"one.{ending}", "--save", "m.emk")
    again = result(capsys, "predict", "m.emk", f"t.{ending}", "-o", f"two.{ending}")
    read = getattr(pd, f"read_{ending}")
    one = read(f"one.{ending}")
    pd.testing.assert_frame_equal(one, read(f"two.{ending}"), rtol=1e-12)
    assert again["added"] == ["class", "class_probability", "class_0", "class_1"]
    assert again["sizes"] == found["sizes"] and again["matched"] == "name"
    assert again["missing"] == found["missing"] == frame.isna().to_numpy().sum()
    assert again["columns"] == list(frame) and again["sequences"] is None
    assert again["model"] == "LatentClassAnalysis"
    assert run("predict", "m.emk", f"t.{ending}", "-o", f"two.{ending}", "--force") == 0
    out = capsys.readouterr().out
    assert "class  rows" in out and str(found["sizes"][0]) in out


def test_answers_are_those_of_the_fit(capsys):
    """In other files they may look otherwise: digits that are texts, bools, rows of one answer."""
    frame = people()
    frame.to_csv("t.csv", index=False)
    run("classes", "t.csv", "-k", 2, "--columns", "music,grade,mixed,early", "--starts", 5,
        "-o", "one.csv", "--save", "m.emk", "--quiet")
    one = read_csv("one.csv", dtype={"mixed": str})
    digits = frame["mixed"].isin(["1"])      # here the column is of numbers
    part = frame[digits].iloc[:, ::-1].assign(name="ü")
    part.to_csv("digits.csv", index=False)
    part.astype({"grade": "Int64", "mixed": "Int64", "early": "boolean", "age": float}).to_parquet(
        "digits.parquet", index=False)
    for name, read in (("digits.csv", pd.read_csv), ("digits.parquet", pd.read_parquet)):
        out = name.replace("digits", "out")
        result(capsys, "predict", "m.emk", name, "-o", out, "--only-labels", "--name", "kind")
        found = read(out)
        assert list(found) == ["kind", "kind_probability", "kind_0", "kind_1"]
        np.testing.assert_allclose(found, one.loc[digits, ["class", "class_probability", "class_0",
                                                           "class_1"]], rtol=1e-12)
    # rows without any answer: the shares
    pd.DataFrame(columns=frame.columns, index=[0], dtype=object).to_csv("none.csv", index=False)
    result(capsys, "predict", "m.emk", "none.csv", "-o", "none-out.csv", "--only-labels")
    np.testing.assert_allclose(read_csv("none-out.csv").iloc[0, 2:],
                               emkernels.load("m.emk").weights_, rtol=1e-12)


def test_answers_that_the_model_does_not_know(capsys):
    frame = people()
    frame.to_csv("t.csv", index=False)
    run("classes", "t.csv", "-k", 2, "--continuous", "age", "--starts", 5, "--save", "m.emk",
        "--quiet")
    capsys.readouterr()
    assert complaint(capsys, "classes", "t.csv", "-k", 2, "--save", "m.emk") == (
        "m.emk: exists; --force writes over it")
    for column, value, words in (
            ("music", "opera", '"opera" is no answer that m.emk knows, which are "jazz", "rock"; '
             "does it stand for a missing value (--missing-values opera)?"),
            ("grade", 9, '"9" is no answer that m.emk knows, which are "1", "2", "3", "4", "5"; '),
            ("grade", "best", '"best" is no answer that m.emk knows, which are "1", "2"'),
            ("mixed", 7, '"7" is no answer that m.emk knows, which are "1", "x"')):
        new = frame.copy()
        new.loc[[4, 9], column] = value
        new.to_csv("new.csv", index=False)
        said = complaint(capsys, "predict", "m.emk", "new.csv", "-o", "o.csv")
        assert said.startswith(f'new.csv: line 6: column "{column}": {words}'), said
        found = result(capsys, "predict", "m.emk", "new.csv", "-o", f"{value}.csv",
                       "--missing-values", value)
        gone = new.copy()
        gone.loc[[4, 9], column] = np.nan
        assert found["missing"] == gone.isna().to_numpy().sum() and found["warnings"] == []
    frame.assign(age=frame["age"].where(frame.index != 5, "old")).to_csv("new.csv", index=False)
    assert complaint(capsys, "predict", "m.emk", "new.csv", "-o", "o.csv") == (
        'new.csv: line 7, column "age": "old" is not a number, as m.emk has them')
    frame.drop(columns="music").to_csv("new.csv", index=False)
    assert 'has no column "music"' in complaint(
        capsys, "predict", "m.emk", "new.csv", "-o", "o.csv")
    assert "--by is for models of states" in complaint(
        capsys, "predict", "m.emk", "t.csv", "-o", "o.csv", "--by", "music")


def test_a_stream_of_answers():
    people().to_csv("t.csv", index=False)
    run("classes", "t.csv", "-k", 2, "--continuous", "age", "--starts", 5, "-o", "one.csv",
        "--save", "m.emk", "--quiet")
    with open("t.csv", "rb") as table:
        done = process("predict", "m.emk", "-", "-o", "-", stdin=table)
    assert done.stdout == Path("one.csv").read_text() and "class  rows" in done.stderr


def test_classes_from_python(capsys):
    frame = people()[["music", "grade", "age"]].astype({"grade": float, "age": float})
    frame.to_csv("t.csv", index=False)
    model = LatentClassAnalysis(2, continuous=[2], n_init=5, random_state=0).fit(
        frame.to_numpy(object))
    model.save("m.emk")
    found = result(capsys, "predict", "m.emk", "t.csv", "-o", "o.csv", "--only-labels")
    assert found["matched"] == "position" and found["columns"] == list(frame)
    np.testing.assert_allclose(read_csv("o.csv").iloc[:, 2:], model.predict_proba(
        frame.to_numpy(object)), rtol=1e-12)
    assert "was fitted to 3 columns without names, and t.csv has 2 columns: --columns" in complaint(
        capsys, "predict", "m.emk", "t.csv", "-o", "x.csv", "--ignore", "age")


# --- states -------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [
    ("--by", "animal", "--order", "hour", "--columns", "step,turn"), ("--columns", "step,turn"),
    ("--by", "animal", "--order", "hour", "--symbols", "mood"), ("--symbols", "mood")])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_same_table_gets_the_same_states(capsys, more, ending):
    frame = animals().sample(frac=1, random_state=0)
    getattr(frame, f"to_{ending}")(f"t.{ending}", index=False)
    found = result(capsys, "states", f"t.{ending}", "-k", 2, "--starts", 2, *more, "-o",
                   f"one.{ending}", "--save", "m.emk")
    again = result(capsys, "predict", "m.emk", f"t.{ending}", "-o", f"two.{ending}")
    read = getattr(pd, f"read_{ending}")
    one = read(f"one.{ending}")
    pd.testing.assert_frame_equal(one, read(f"two.{ending}"), rtol=1e-12)
    assert again["sizes"] == found["sizes"] and again["sequences"] == found["sequences"]
    assert again["missing"] == found["missing"] > 0 and again["columns"] == found["columns"]
    assert again["by"] == ("animal" if "--by" in more else None) and again["impossible"] == 0
    assert again["added"] == ["state", "state_probability", "state_0", "state_1"]
    assert again["matched"] == "name" and again["warnings"] == []
    result(capsys, "predict", "m.emk", f"t.{ending}", "-o", f"alone.{ending}", "--only-labels")
    pd.testing.assert_frame_equal(read(f"alone.{ending}"), one[again["added"]], rtol=1e-12)


def test_other_tables_of_sequences(capsys):
    frame = animals()
    frame.to_csv("t.csv", index=False)
    run("states", "t.csv", "-k", 2, "--starts", 2, "--by", "animal", "--order", "hour", "--ignore",
        "mood", "-o", "one.csv", "--save", "m.emk", "--quiet")
    capsys.readouterr()
    one = read_csv("one.csv")
    last = frame["animal"] == "B"
    # one animal, whose name is not there, turned around; and columns of other names
    new = frame[last].drop(columns="animal").iloc[::-1, ::-1]
    new.to_csv("new.csv", index=False)
    found = result(capsys, "predict", "m.emk", "new.csv", "-o", "out.csv")
    assert found["warnings"] == ['new.csv: has no column "animal", by which m.emk had the rows '
                                 "(--by): they are one sequence"]
    assert found["order"] == "hour" and found["by"] is None and found["sequences"] == 1
    pd.testing.assert_frame_equal(
        read_csv("out.csv").iloc[::-1].reset_index(drop=True)[["state", "state_0"]],
        one.loc[last, ["state", "state_0"]].reset_index(drop=True), rtol=1e-12)
    frame.rename(columns={"animal": "who", "hour": "when"}).to_csv("who.csv", index=False)
    found = result(capsys, "predict", "m.emk", "who.csv", "-o", "out2.csv", "--by", "who",
                   "--order", "when")
    assert found["warnings"] == [] and found["sequences"] == 3
    np.testing.assert_allclose(read_csv("out2.csv")["state_1"], one["state_1"], rtol=1e-12)
    frame.iloc[:1].to_csv("row.csv", index=False)       # one row, which has what is a constant
    assert result(capsys, "predict", "m.emk", "row.csv", "-o", "row-out.csv")["rows"] == 1
    assert "has states of numbers: --symbols is not for it" in complaint(
        capsys, "predict", "m.emk", "t.csv", "-o", "o.csv", "--symbols", "mood")
    assert "need columns of their own" in complaint(
        capsys, "predict", "m.emk", "t.csv", "-o", "o.csv", "--by", "step")
    frame.assign(animal=frame["animal"].mask(frame.index == 3)).to_csv("gap.csv", index=False)
    assert complaint(capsys, "predict", "m.emk", "gap.csv", "-o", "o.csv") == (
        'gap.csv: line 5: column "animal" (--by) has no value')


def test_symbols_that_the_model_does_not_know(capsys):
    frame = animals()
    frame.to_csv("t.csv", index=False)
    run("states", "t.csv", "-k", 2, "--starts", 2, "--by", "animal", "--symbols", "mood", "--save",
        "m.emk", "--quiet")
    capsys.readouterr()
    model = emkernels.load("m.emk")
    assert model.table_ == {"by": "animal", "order": None, "symbols": "mood",
                            "levels": ["calm", "wild"]}
    assert "table_" not in vars(model.fit(np.zeros((5, 1))))
    # a table in which one of the two occurs has the codes of the fit
    frame.assign(mood="wild").to_csv("wild.csv", index=False)
    result(capsys, "predict", "m.emk", "wild.csv", "-o", "out.csv", "--only-labels")
    resp = emkernels.load("m.emk").predict_proba(np.ones((120, 1)), lengths=[40, 30, 50])
    np.testing.assert_allclose(read_csv("out.csv")["state_0"], resp[:, 0], rtol=1e-12)
    frame.assign(mood=frame["mood"].where(frame.index != 7, "odd")).to_csv("new.csv", index=False)
    assert complaint(capsys, "predict", "m.emk", "new.csv", "-o", "o.csv").startswith(
        'new.csv: line 9: column "mood": "odd" is no answer that m.emk knows, which are "calm", '
        '"wild"; does it stand for a missing value')
    frame.drop(columns="mood").to_csv("new.csv", index=False)
    assert complaint(capsys, "predict", "m.emk", "new.csv", "-o", "o.csv") == (
        'new.csv: has no column "mood", which m.emk was fitted to; --symbols names another')


@pytest.mark.filterwarnings("ignore:.*did not converge", "ignore:collapsed")
def test_states_from_python(capsys):
    frame = animals(gaps=0)
    frame["code"] = (frame["mood"] == "wild").astype(int)
    numbers = frame[["step", "turn"]]
    numbers.to_csv("numbers.csv", index=False)
    frame.to_csv("t.csv", index=False)
    for model in (GaussianHMM(2, n_init=2, random_state=0),
                  MixtureHMM(2, 2, n_init=2, random_state=0, max_iter=20)):
        model.fit(numbers.to_numpy(), lengths=[40, 30, 50]).save("m.emk")
        found = result(capsys, "predict", "m.emk", "t.csv", "--columns", "step,turn", "--by",
                       "animal", "-o", "o.csv", "--force")
        assert found["matched"] == "position"
        np.testing.assert_allclose(
            read_csv("o.csv")[["state_0", "state_1"]],
            model.predict_proba(numbers.to_numpy(), [40, 30, 50]), rtol=1e-12)
    assert "was fitted to 2 columns without names, and t.csv has 4 columns of numbers" in complaint(
        capsys, "predict", "m.emk", "t.csv", "-o", "x.csv")
    model = CategoricalHMM(2, n_init=2, random_state=0).fit(frame[["code"]])
    model.save("c.emk")
    result(capsys, "predict", "c.emk", "t.csv", "-o", "c.csv")
    np.testing.assert_allclose(read_csv("c.csv")["state_0"],
                               model.predict_proba(frame[["code"]])[:, 0], rtol=1e-12)
    model.fit(frame[["code"]].to_numpy()).save("n.emk")
    assert "knows no name of its column of symbols, and t.csv has 6 columns: --sym" in complaint(
        capsys, "predict", "n.emk", "t.csv", "-o", "x.csv")
    found = result(capsys, "predict", "n.emk", "t.csv", "--symbols", "code", "-o", "n.csv")
    assert found["columns"] == ["code"]
    pd.testing.assert_frame_equal(read_csv("n.csv"), read_csv("c.csv"))
    frame[["code"]].to_csv("code.csv", index=False)
    assert run("predict", "n.emk", "code.csv", "-o", "x.csv", "--force") == 0
    assert 'knows no name of its column of symbols: takes "code"' in capsys.readouterr().err


def test_sequences_that_are_impossible(capsys):
    model = CategoricalHMM(2, n_init=1, random_state=0).fit([[0], [1], [0], [1], [2]] * 2)
    model.startprob_, model.transmat_ = np.array([1.0, 0.0]), np.eye(2)
    model.emissionprob_ = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    model.save("m.emk")
    pd.DataFrame({"who": list("aabb"), "code": [0, 1, 0, 2]}).to_csv("t.csv", index=False)
    found = result(capsys, "predict", "m.emk", "t.csv", "-o", "o.csv", "--by", "who", "--symbols",
                   "code")
    assert found["impossible"] == 2 and found["sizes"] == [2, 0]
    assert found["warnings"] == ["t.csv: 2 rows in sequences that are impossible by m.emk: their "
                                 "state is -1"]
    out = read_csv("o.csv")
    assert out["state"].tolist() == [0, 0, -1, -1]
    assert out["state_probability"].tolist() == [1, 1, 0, 0]


@pytest.mark.filterwarnings("ignore:.*did not converge")
@pytest.mark.parametrize("table", [
    3, {}, {"by": 1, "order": None, "symbols": None, "levels": None},
    {"by": None, "order": None, "symbols": "mood", "levels": None},
    {"by": None, "order": None, "symbols": "mood", "levels": ["a"]},
    {"by": None, "order": None, "symbols": "mood", "levels": ["a", "a"]},
    {"by": None, "order": None, "symbols": "mood", "levels": ["a", ()]}])
def test_files_that_say_another_table(folder, table):
    model = CategoricalHMM(2, n_init=1, random_state=0, max_iter=3)
    model.fit([[0], [1], [0], [1]] * 2)
    model.table_ = table
    with pytest.raises(ValueError, match="CategoricalHMM cannot be saved: .*table_"):
        model.save("m.emk")
