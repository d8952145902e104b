"""The command for latent classes: what it finds is what the class does, and what it prints."""

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from cli_files import complaint, read_csv, result, run
from PIL import Image

from emkernels import LatentClassAnalysis

VOTES = files("emkernels.cli._demo").joinpath("votes.csv")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def survey(n=300, seed=0, gaps=0.1):
    """Two kinds of people: three questions, a grade from 1 to 5, and their age."""
    rng = np.random.default_rng(seed)
    kind = rng.random(n) < 0.4
    frame = pd.DataFrame({
        "music": np.where(rng.random(n) < np.where(kind, 0.9, 0.2), "jazz", "rock"),
        "owner": np.where(rng.random(n) < np.where(kind, 0.8, 0.3), "yes", "no"),
        "grade": np.clip(rng.normal(np.where(kind, 4, 2), 1).round(), 1, 5),
        "early": np.where(rng.random(n) < np.where(kind, 0.7, 0.2), "yes", "no"),
        "age": rng.normal(np.where(kind, 60, 30), 8).round(1)})
    return frame.mask(rng.random(frame.shape) < gaps)


def table_of(out, head):
    """The lines below a heading, split, up to an empty one."""
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(head))
    end = lines.index("", at) if "" in lines[at:] else len(lines)
    return [line.split() for line in lines[at + 1:end]]


# --- the class ----------------------------------------

def test_classes_of_votes_are_those_of_the_class(folder, capsys):
    frame = read_csv(VOTES)
    frame.to_csv("votes.csv", index=False)
    found = result(capsys, "classes", "votes.csv", "-k", "1:3", "--ignore", "party", "--seed", "2",
                   "--starts", "10", "-o", "out.csv")
    bills = frame.drop(columns="party")
    models = [LatentClassAnalysis(k, n_init=10, random_state=2).fit(bills) for k in (1, 2, 3)]
    for candidate, model in zip(found["candidates"], models, strict=True):
        for name in ("bic", "aic", "abic", "caic", "icl"):
            assert candidate[name] == pytest.approx(getattr(model, name)(bills), rel=1e-12)
        assert candidate["log_likelihood"] == pytest.approx(435 * model.score(bills), rel=1e-12)
        assert candidate["parameters"] == model.n_parameters_ == model.n_classes * 17 - 1
        assert candidate["spare"] == 2**16 - 1 - model.n_parameters_
        assert candidate["starts_at_best"] == model.n_best_ and candidate["converged"]
    best = models[found["k"] - 1]
    assert found["k"] == 3 and found["criterion"] == "bic"
    np.testing.assert_allclose(found["shares"], best.weights_)
    for mine, own in zip(found["response_probs"], best.response_probs_, strict=True):
        np.testing.assert_allclose(mine, own, atol=1e-12)
    assert found["missing"] == 392 and found["rows_without_values"] == 1
    assert [item["levels"] for item in found["items"]] == 16 * [["no", "yes"]]
    seen = (bills["crime"].dropna() == "yes").mean()
    at = list(bills).index("crime")
    np.testing.assert_allclose(found["observed_probs"][at], [1 - seen, seen])
    out = read_csv("out.csv")
    resp = best.predict_proba(bills)
    pd.testing.assert_frame_equal(out[list(frame)], frame)
    np.testing.assert_array_equal(out["class"], best.predict(bills))
    np.testing.assert_allclose(out[[f"class_{c}" for c in range(3)]], resp, atol=1e-12)
    np.testing.assert_allclose(out["class_probability"], resp.max(axis=1), atol=1e-12)
    assert found["sizes"] == np.bincount(best.predict(bills)).tolist()
    residuals = best.bivariate_residuals(bills)
    np.testing.assert_allclose(np.array(found["bivariate_residuals"], float), residuals, rtol=1e-9)
    assert found["identified"] is True
    # two of the three are parties
    by_party = pd.crosstab(out["class"], out["party"])
    assert by_party.max(axis=1).sum() > 0.85 * 435


def test_numbers_beside_items(folder, capsys):
    frame = survey()
    frame.to_csv("t.csv", index=False)
    found = result(capsys, "classes", "t.csv", "-k", "2", "--continuous", "age", "-o", "o.parquet",
                   "--starts", "5")
    model = LatentClassAnalysis(2, continuous=["age"], n_init=5, random_state=0).fit(frame)
    np.testing.assert_allclose(found["means"], model.means_)
    np.testing.assert_allclose(found["deviations"], np.sqrt(model.variances_))
    assert [item["name"] for item in found["items"]] == ["music", "owner", "grade", "early"]
    assert [item["kind"] for item in found["items"]] == ["text", "text", "number", "text"]
    assert found["continuous"] == ["age"] and found["candidates"][0]["spare"] is None
    out = pd.read_parquet("o.parquet")
    np.testing.assert_array_equal(out["class"], model.predict(frame))
    assert out["age"].dtype == np.float64 and out["age"].isna().equals(frame["age"].isna())
    assert out["music"].isna().equals(frame["music"].isna())


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_of_patterns_are_their_rows(folder, capsys, ending):
    rows = survey(gaps=0)[["music", "owner", "grade", "early"]]
    patterns = rows.value_counts().rename("seen").reset_index()
    for name, frame in (("rows", rows), ("patterns", patterns)):
        getattr(frame, f"to_{ending}")(f"{name}.{ending}", index=False)
    whole = result(capsys, "classes", f"rows.{ending}", "-k", "1:3")
    short = result(capsys, "classes", f"patterns.{ending}", "-k", "1:3", "--weights", "seen")
    assert short["total"] == 300 and short["rows"] == len(patterns) and short["weights"] == "seen"
    for one, other in zip(whole["candidates"], short["candidates"], strict=True):
        assert one["bic"] == pytest.approx(other["bic"], abs=1e-3)
    np.testing.assert_allclose(whole["sizes"], short["sizes"])
    np.testing.assert_allclose(whole["observed_probs"][2], short["observed_probs"][2])


def test_categories_keep_their_order_and_bools_are_answers(folder, capsys):
    frame = survey(gaps=0)
    frame["music"] = pd.Categorical(frame["music"], ["rock", "jazz", "folk"])
    frame["owner"] = frame["owner"] == "yes"
    frame.to_parquet("t.parquet", index=False)
    found = result(capsys, "classes", "t.parquet", "-k", "2", "--columns",
                   "music,owner,grade,early")
    assert [item["levels"] for item in found["items"]] == [
        ["rock", "jazz"], [False, True], [1, 2, 3, 4, 5], ["no", "yes"]]


def test_options(folder, capsys):
    frame = survey()[["music", "owner", "grade", "early"]]
    frame.to_csv("t.csv", index=False)
    for options, parameters in (
            (["--concentration", "2"], {"response_concentration": 2.0}),
            (["--tol", "1e-4", "--max-iter", "77"], {"tol": 1e-4, "max_iter": 77})):
        found = result(capsys, "classes", "t.csv", "-k", "2", "--starts", "7", *options)
        model = LatentClassAnalysis(2, n_init=7, random_state=0, **parameters).fit(frame)
        np.testing.assert_allclose(found["shares"], model.weights_, rtol=1e-9)
    found = result(capsys, "classes", "t.csv", "-k", "1:3", "--criterion", "aic", "-o", "o.csv",
                   "--only-labels", "--name", "kind")
    assert list(read_csv("o.csv")) == ["kind"]
    assert found["k"] == 1 + int(np.argmin([c["aic"] for c in found["candidates"]]))


def test_bytes_are_those_of_any_number_of_threads(folder):
    survey().to_csv("t.csv", index=False)
    for n in "12":
        assert run("classes", "t.csv", "-k", "2:3", "--quiet", "--threads", n, "-o", f"{n}.csv",
                   "--starts", "3", "--tol", "1e-5",
                   "--continuous", "age") == 0
    assert (folder / "1.csv").read_bytes() == (folder / "2.csv").read_bytes()


# --- what is printed ----------------------------------------

def test_the_report(folder, capsys):
    frame = survey()
    frame.iloc[5] = np.nan
    frame.insert(0, "id", np.arange(300))
    frame.assign(one="x", void=np.nan).to_csv("t.csv", index=False)
    assert run("classes", "t.csv", "-k", "1:3", "-o", "o.csv") == 0
    out, err = capsys.readouterr()
    assert err == "" and out.startswith("t.csv: 300 rows, 4 items (music, owner, grade, early)\n")
    assert 'numbers taken as codes, in no order: "grade" (--continuous' in out
    missing = int(frame[["music", "owner", "grade", "early"]].isna().sum().sum())
    assert f"{missing} answers of 1200 missing ({missing / 12:.3g} %)" in out
    for words in ('with one value only: "one"', 'without any value: "void"',
                  'which only tell rows apart (--columns names those to use): "id"',
                  'of more than 20 different values (--most-levels; --continuous for numbers that '
                  'are no codes): "age"'):
        assert f"columns not used, {words}" in out
    assert "1 row without any value: its class is the one with the largest share" in out
    assert out.endswith("o.csv: written\n")
    model = LatentClassAnalysis(2, random_state=0).fit(
        frame[["music", "owner", "grade", "early"]])
    rows = table_of(out, "how likely each answer is in each class")
    assert rows[0] == ["item", "answer", "all", "class", "0", "class", "1"]
    assert rows[1] == ["share", "of", "the", "class",
                       *(f"{100 * share:.1f}" for share in model.weights_)]
    assert rows[3][:2] == ["music", "jazz"] and rows[4][0] == "rock"
    for row, probs in zip(rows[7:12], model.response_probs_[2].T, strict=True):
        assert row[-2:] == [f"{100 * p:.1f}" for p in probs]
    assert f"entropy {model.entropy_:.3f}: 1 where" in out
    assert "not independent" not in out


def test_pairs_that_depend_on_each_other_are_named(folder, capsys):
    frame = survey(gaps=0)[["music", "owner", "early"]]
    frame.assign(again=frame["early"]).to_csv("t.csv", index=False)
    assert run("classes", "t.csv", "-k", "1") == 0
    line = next(line for line in capsys.readouterr().out.splitlines()
                if line.startswith("not independent within classes"))
    assert "early and again (300)" in line


def test_bootstrap(folder, capsys):
    survey(150).to_csv("t.csv", index=False)
    found = result(capsys, "classes", "t.csv", "-k", "1:2", "--ignore", "age", "--bootstrap", "4",
                   "--starts", "2")
    assert [c["bootstrap_p"] for c in found["candidates"]] == [None, 0.2]
    assert run("classes", "t.csv", "-k", "1:2", "--ignore", "age", "--bootstrap", "4", "--starts",
               "2") == 0
    assert "bootstrap p" in capsys.readouterr().out


def test_many_levels_are_put_together(folder, capsys):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"town": rng.choice([f"t{i:02}" for i in range(15)], 400),
                          "yes": rng.choice(["y", "n"], 400)})
    frame.to_csv("t.csv", index=False)
    assert run("classes", "t.csv", "-k", "1") == 0
    rows = table_of(capsys.readouterr().out, "how likely each answer is")
    town = rows[3:11]
    assert town[0][0] == "town" and town[7][:2] == ["(8", "others)"]
    assert sum(float(row[-1]) for row in town) == pytest.approx(100, abs=0.5)
    found = result(capsys, "classes", "t.csv", "-k", "1", "--most-levels", "10")
    assert found["kept"]["many"] == ["town"]


def test_poor_choices_are_said(folder, capsys):
    frame = survey(gaps=0)[["music", "owner"]]
    frame.to_csv("t.csv", index=False)
    assert run("classes", "t.csv", "-k", "2", "--quiet") == 0
    err = capsys.readouterr().err
    assert "the rows do not determine the classes" in err
    assert run("classes", "t.csv", "-k", "1:3") == 0
    rows = table_of(capsys.readouterr().out, "classes  parameters")
    assert ["chosen" in row for row in rows] == [True, False, False]
    assert [" ".join(row) for row in rows[1:]] == [
        f"{k} no fit: {n} parameters more than patterns of answers tell"
        for k, n in ((2, 2), (3, 5))]
    survey(gaps=0).to_csv("s.csv", index=False)
    assert run("classes", "s.csv", "-k", "2", "--max-iter", "2", "--quiet") == 0
    err = capsys.readouterr().err
    assert "not converge" in err and "--max-iter" in err
    assert run("classes", "s.csv", "-k", "1:2", "--quiet") == 0
    assert "the number of classes chosen, 2, is the largest that was tried" in (
        capsys.readouterr().err)


def test_texts_that_may_be_meant_otherwise(folder, capsys):
    (folder / "t.csv").write_text(
        "a,b,grade,count\n" + 30 * "yes,?,1,5\nYes,no,2,6\nno,yes,x,7\nno,no,3,5\n")
    assert run("classes", "t.csv", "-k", "1", "--quiet") == 0
    err = capsys.readouterr().err
    assert '"Yes" and "yes" are different answers' in err
    assert 'column "b": "?" is an answer like the others; does it stand for a missing value' in err
    assert 'line 4, column "grade": "x" is not a number, so its cells are taken for texts' in err
    assert 'column "count" is an item like the others; if it says how often' in err
    found = result(capsys, "classes", "t.csv", "-k", "1", "--missing-values", "?",
                   "--missing-values", "x", "--weights", "count")
    assert found["missing"] == 60 and found["warnings"] == [
        't.csv: column "a": "Yes" and "yes" are different answers']
    assert [item["kind"] for item in found["items"]] == ["text", "text", "number"]


def test_none_is_an_answer_among_texts_and_missing_among_numbers(folder, capsys):
    (folder / "t.csv").write_text("a,b\n" + 20 * "None,1\nSome,2\nLots,1\nNA,None\n")
    found = result(capsys, "classes", "t.csv", "-k", "1")
    assert [item["levels"] for item in found["items"]] == [["Lots", "None", "Some"], [1, 2]]
    assert [item["missing"] for item in found["items"]] == [20, 20]
    assert '"None" is an answer like the others' in found["warnings"][0]
    found = result(capsys, "classes", "t.csv", "-k", "1", "--missing-values", "None")
    assert [item["missing"] for item in found["items"]] == [40, 20] and not found["warnings"]


def test_markers_of_missing_answers_are_pointed_at(folder, capsys):
    rng = np.random.default_rng(0)
    X = rng.integers(1, 4, (60, 3)).astype(float)
    X[rng.random(X.shape) < 0.1] = -99
    pd.DataFrame(X, columns=list("abc")).to_csv("t.csv", index=False)
    assert run("classes", "t.csv", "-k", "1", "--quiet") == 0
    assert "--missing-values -99" in capsys.readouterr().err
    found = result(capsys, "classes", "t.csv", "-k", "1", "--missing-values", "-99")
    assert found["missing"] == (X == -99).sum() and found["items"][0]["levels"] == [1, 2, 3]


# --- pictures ----------------------------------------

@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plot(folder, capsys, ending):
    survey().to_csv("t.csv", index=False)
    command = ("classes", "t.csv", "-k", "2", "--continuous", "age", "--plot", f"p.{ending}")
    assert run(*command) == 0
    assert capsys.readouterr().out.endswith(f"p.{ending}: written\n")
    before = (folder / f"p.{ending}").read_bytes()
    assert run(*command, "--force", "--quiet") == 0
    assert (folder / f"p.{ending}").read_bytes() == before
    if ending == "png":
        with Image.open("p.png") as picture:
            assert len(picture.convert("RGB").getcolors(2**24)) > 50


# --- what is refused ----------------------------------------

def test_wrong_commands_and_tables(folder, capsys):
    frame = survey()
    frame.to_csv("t.csv", index=False)
    for more, words in (
            (["--columns", "music,x"], 't.csv: there is no column "x"'),
            (["--continuous", "x"], 't.csv: there is no column "x"'),
            (["--weights", "x"], 't.csv: there is no column "x"'),
            (["--continuous", "music"], 'column "music" is not of numbers: "jazz" is none'),
            (["--weights", "music"], 'column "music" is not of numbers'),
            (["--weights", "age"], 'the --weights column "age" has no value; each row needs'),
            (["--weights", "age", "--continuous", "age"], "--weights and --continuous both name"),
            (["--ignore", "age", "--continuous", "age"], '--ignore names "age", which another'),
            (["--columns", "age", "--continuous", "age"], "there is no column of answers beside"),
            (["--ignore", "music,owner,grade,early"],
             'no column is left that may be an item: "age" (too many different values)'),
            (["--only-labels"], "--only-labels needs -o OUT"),
            (["--force"], "--force needs -o OUT or --plot FILE"),
            (["--most-levels", "256"], "needs a whole number from 1 to 255"),
            (["--concentration", "0.5"], "needs a number of 1 or more"),
            (["--plot", "p.jpg"], "p.jpg: pictures are .png, .pdf, .svg"),
            (["--plot", "no/p.png"], "no/p.png: there is no folder"),
            (["-o", "p.png", "--plot", "p.png"], "unknown format .png"),
            (["-o", "t.csv", "--force"], "is the input t.csv"),
            (["-o", "o.csv", "--name", " "], "--name needs a name")):
        assert words in complaint(capsys, "classes", "t.csv", "-k", "2", *more)
    frame.assign(class_1=0).to_csv("again.csv", index=False)
    assert 'has a column "class_1" already; --name says another' in complaint(
        capsys, "classes", "again.csv", "-k", "2", "-o", "o.csv")
    frame.assign(w=-1).to_csv("w.csv", index=False)
    assert 'line 2: the --weights column "w" has -1' in complaint(
        capsys, "classes", "w.csv", "-k", "2", "--weights", "w")
    frame.assign(w=0).to_csv("w.csv", index=False)
    assert "w.csv: every row has --weights 0" in complaint(
        capsys, "classes", "w.csv", "-k", "2", "--weights", "w")
    pd.DataFrame({"a": np.arange(1000.0), "b": 500 * ["x", "y"]}).to_csv("many.csv", index=False)
    assert ('column "a" has 1000 different values, and an item 255 at most; is it a column of '
            "numbers (--continuous)?") in complaint(
                capsys, "classes", "many.csv", "-k", "2", "--columns", "a,b")
    (folder / "empty.csv").write_text("a,b\n")
    assert "empty.csv: has a header and no rows" in complaint(
        capsys, "classes", "empty.csv", "-k", "2")
    frame.assign(void=np.nan).to_csv("void.csv", index=False)
    assert 'column "void" has no value in any row' in complaint(
        capsys, "classes", "void.csv", "-k", "2", "--columns", "music,void")
    (folder / "same.csv").write_text("a,a\nx,y\ny,x\n")
    assert '2 columns are called "a"' in complaint(capsys, "classes", "same.csv", "-k", "2")
    frame.assign(when=pd.Timestamp("2020-01-01")).to_parquet("t.parquet")
    assert result(capsys, "classes", "t.parquet", "-k", "1")["kept"]["others"] == ["when"]
    assert 'column "when" is neither of texts nor of numbers' in complaint(
        capsys, "classes", "t.parquet", "-k", "1", "--columns", "when,music")
    assert [path.name for path in folder.iterdir() if path.name.startswith(("o.", "p."))] == []
