"""The command for states: what it finds is what the models do, and what it prints."""

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from cli_files import complaint, read_csv, result, run
from PIL import Image

from emkernels import CategoricalHMM, GaussianHMM

NILE = files("emkernels.cli._demo").joinpath("nile.csv")
PARAMETERS = {"random_state": 0}
GAUSSIAN = {**PARAMETERS, "reg_covar": "auto"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def herd(lengths=(60, 40, 50), seed=0, gaps=0.05):
    """Steps and turns of animals that rest or walk, some of them not seen."""
    rng, parts = np.random.default_rng(seed), []
    for name, n in zip("ABCDEFGH", lengths):
        state = np.cumsum(rng.random(n) < 0.15) % 2
        parts.append(pd.DataFrame({
            "animal": name, "hour": np.arange(n), "step": rng.normal(1 + 3 * state, 0.5),
            "turn": rng.normal(1 - state, 0.4)}))
    frame = pd.concat(parts, ignore_index=True)
    frame[["step", "turn"]] = frame[["step", "turn"]].mask(rng.random((len(frame), 2)) < gaps)
    return frame


def table_of(out, head):
    """The lines below a heading, split, up to an empty one."""
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(head))
    end = lines.index("", at) if "" in lines[at:] else len(lines)
    return [line.split() for line in lines[at + 1:end]]


def check_written(out, model, X, lengths, rows=slice(None), name="state"):
    """States and probabilities are those of the model, its rows being these of the file."""
    resp, path = model.predict_proba(X, lengths), model.decode(X, lengths)[1]
    at = np.arange(len(out))[rows]
    np.testing.assert_array_equal(out[name].to_numpy()[at], path)
    columns = [f"{name}_{c}" for c in range(resp.shape[1])]
    np.testing.assert_allclose(out[columns].to_numpy()[at], resp, atol=1e-12)
    np.testing.assert_allclose(out[f"{name}_probability"].to_numpy()[at],
                               resp[np.arange(len(path)), path], atol=1e-12)


# --- the models ----------------------------------------

def test_states_of_the_nile_are_those_of_the_model(folder, capsys):
    frame = read_csv(NILE)
    frame.to_csv("nile.csv", index=False)
    found = result(capsys, "states", "nile.csv", "-k", "1:3", "-o", "out.csv", "--ignore", "year")
    flow = frame[["flow"]]
    models = [GaussianHMM(k, **GAUSSIAN).fit(flow) for k in (1, 2, 3)]
    for candidate, model in zip(found["candidates"], models, strict=True):
        assert candidate["bic"] == pytest.approx(model.bic(flow), rel=1e-12)
        assert candidate["aic"] == pytest.approx(model.aic(flow), rel=1e-12)
        assert candidate["log_likelihood"] == pytest.approx(model.score(flow), rel=1e-12)
        assert candidate["error"] is None and candidate["converged"] == model.converged_
    best = models[1]
    assert (found["k"], found["covariance"], found["sequences"]) == (2, "diag", 1)
    for name in ("means", "transmat", "startprob"):
        np.testing.assert_allclose(found[name], getattr(best, f"{name}_"))
    np.testing.assert_allclose(np.square(found["deviations"])[:, 0], best.covars_[:, 0, 0])
    stay = np.diagonal(best.transmat_)
    for duration, p in zip(found["durations"], stay):
        assert duration == (None if p == 1 else pytest.approx(1 / (1 - p)))
    out = read_csv("out.csv")
    pd.testing.assert_frame_equal(out[["year", "flow"]], frame)
    check_written(out, best, flow, None)
    # the flow fell when the first dam at Aswan was begun
    (change,) = np.flatnonzero(np.diff(out["state"]))
    assert out["year"][change + 1] == 1899
    assert found["visits"] == [1, 1] and found["sizes"] == np.bincount(out["state"]).tolist()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_sequences_by_name(folder, capsys, ending):
    frame = herd()
    getattr(frame, f"to_{ending}")(f"t.{ending}", index=False)
    found = result(capsys, "states", f"t.{ending}", "-k", "2", "--by", "animal", "--ignore",
                   "hour", "--covariance", "full", "-o", f"o.{ending}", "--name", "s")
    X = frame[["step", "turn"]]
    model = GaussianHMM(2, covariance_type="full", **GAUSSIAN).fit(X, lengths=[60, 40, 50])
    np.testing.assert_allclose(found["means"], model.means_, rtol=1e-9)
    assert (found["sequences"], found["lengths"]) == (3, [40, 60])
    assert found["missing"] == int(X.isna().sum().sum()) > 0
    assert found["columns"] == ["step", "turn"] and not found["gathered"]
    out = getattr(pd, f"read_{ending}")(f"o.{ending}")
    pd.testing.assert_frame_equal(out[list(frame)], frame)
    check_written(out, model, X, [60, 40, 50], name="s")
    assert sum(found["visits"]) == 3 + sum(
        int((np.diff(part) != 0).sum()) for _, part in out.groupby("animal")["s"])


def test_rows_that_are_not_together_and_out_of_order(folder, capsys):
    """Shuffled rows are gathered by name, and put in order by a column."""
    frame = herd()
    shuffled = frame.sample(frac=1, random_state=1)
    shuffled.to_csv("t.csv", index=False)
    names = list(dict.fromkeys(shuffled["animal"]))
    ordered = pd.concat([frame[frame["animal"] == name] for name in names])
    lengths = [int((frame["animal"] == name).sum()) for name in names]
    found = result(capsys, "states", "t.csv", "-k", "2", "--by", "animal", "--order", "hour", "-o",
                   "o.csv")
    model = GaussianHMM(2, **GAUSSIAN).fit(ordered[["step", "turn"]], lengths=lengths)
    place = {row: at for at, row in enumerate(shuffled.index)}
    check_written(read_csv("o.csv"), model, ordered[["step", "turn"]], lengths,
                  [place[row] for row in ordered.index])
    assert found["gathered"] and found["warnings"] == [] and found["time"] == "hour"
    found = result(capsys, "states", "t.csv", "-k", "2", "--by", "animal", "--columns", "step")
    gathered = pd.concat([shuffled[shuffled["animal"] == name] for name in names])[["step"]]
    model = GaussianHMM(2, **GAUSSIAN).fit(gathered, lengths=lengths)
    np.testing.assert_allclose(found["means"], model.means_, rtol=1e-9)
    (line,) = found["warnings"]
    assert "were not together: the rows of each sequence are gathered, in the order of the" in line


def test_dates_and_numbers_say_the_order(folder, capsys):
    frame = herd(lengths=(60,)).drop(columns=["animal", "hour"])
    frame["when"] = pd.date_range("2020-01-01", periods=60, freq="D")
    means = GaussianHMM(2, **GAUSSIAN).fit(frame[["step", "turn"]]).means_
    shuffled = frame.sample(frac=1, random_state=0)
    shuffled.to_parquet("t.parquet", index=False)
    shuffled.assign(when=frame["when"].dt.strftime("%Y-%m-%d")).to_csv("t.csv", index=False)
    for name in ("t.parquet", "t.csv"):
        found = result(capsys, "states", name, "-k", "2", "--order", "when")
        np.testing.assert_allclose(found["means"], means, rtol=1e-9)


def test_a_column_that_ascends_is_the_time(folder, capsys):
    herd().to_csv("t.csv", index=False)
    found = result(capsys, "states", "t.csv", "-k", "2", "--by", "animal")
    assert found["columns"] == ["step", "turn"] and found["time"] == "hour"
    (line,) = found["warnings"]
    assert line == ('t.csv: column "hour" ascends from row to row: it is taken for the time, and '
                    "tells states nothing; --columns names those to use")
    asked = result(capsys, "states", "t.csv", "-k", "2", "--by", "animal", "--columns",
                   "hour,step", "--max-iter", "5")
    assert asked["columns"] == ["hour", "step"]


def test_texts_are_symbols(folder, capsys):
    rng = np.random.default_rng(0)
    state = np.cumsum(rng.random(200) < 0.05) % 2
    words = np.where(rng.random(200) < 0.2 + 0.6 * state, "wet", "dry").astype(object)
    words[[3, 50]] = None
    frame = pd.DataFrame({"day": np.repeat(["x", "y"], 100), "weather": words})
    frame.to_csv("t.csv", index=False)
    found = result(capsys, "states", "t.csv", "-k", "2", "--by", "day", "-o", "o.csv")
    assert found["warnings"] == ['t.csv: column "weather" is of texts: its values are symbols '
                                 "(--symbols)"]
    codes = frame["weather"].map({"dry": 0.0, "wet": 1.0}).to_numpy()[:, None]
    model = CategoricalHMM(2, n_symbols=2, **PARAMETERS).fit(codes, lengths=[100, 100])
    np.testing.assert_allclose(found["emissionprob"], model.emissionprob_, rtol=1e-9)
    assert found["symbols"] == ["dry", "wet"] and found["missing"] == 2
    assert found["means"] is None and found["covariance"] is None
    out = read_csv("o.csv")
    check_written(out, model, codes, [100, 100])
    pd.testing.assert_frame_equal(out[["day", "weather"]], read_csv("t.csv"))
    assert run("states", "t.csv", "-k", "2", "--by", "day", "--symbols", "weather") == 0
    text, err = capsys.readouterr()
    rows = table_of(text, "how likely each symbol is in each state")
    assert rows[0] == ["weather", "state", "0", "state", "1"] and err == ""
    assert rows[1] == ["dry", *(f"{100 * p:.1f}" for p in model.emissionprob_[:, 0])]
    # codes are symbols where that is said
    frame["code"] = codes[:, 0] + 7
    frame.to_csv("c.csv", index=False)
    again = result(capsys, "states", "c.csv", "-k", "2", "--by", "day", "--symbols", "code")
    assert again["symbols"] == [7, 8]
    np.testing.assert_allclose(again["transmat"], found["transmat"])


def test_options(folder, capsys):
    frame = herd(gaps=0)
    frame.to_csv("t.csv", index=False)
    X, lengths = frame[["step", "turn"]], [60, 40, 50]
    for options, parameters in (
            (["--covariance", "tied"], {"covariance_type": "tied"}),
            (["--covariance", "spherical"], {"covariance_type": "spherical"}),
            (["--starts", "2", "--tol", "1e-4", "--max-iter", "33"],
             {"n_init": 2, "tol": 1e-4, "max_iter": 33})):
        found = result(capsys, "states", "t.csv", "-k", "2", "--by", "animal", "--columns",
                       "step,turn", *options)
        model = GaussianHMM(2, **{**GAUSSIAN, **parameters}).fit(X, lengths=lengths)
        np.testing.assert_allclose(found["means"], model.means_, rtol=1e-9)
    found = result(capsys, "states", "t.csv", "-k", "1:3", "--by", "animal", "--ignore", "hour",
                   "--criterion", "aic", "-o", "o.csv", "--only-labels")
    assert list(read_csv("o.csv")) == ["state"]
    assert found["k"] == 1 + int(np.argmin([c["aic"] for c in found["candidates"]]))


# --- what is printed ----------------------------------------

def test_the_report(folder, capsys):
    frame = herd()
    frame.loc[7, ["step", "turn"]] = np.nan
    frame.assign(word="w", one=1).to_csv("t.csv", index=False)
    assert run("states", "t.csv", "-k", "1:3", "--by", "animal", "--order", "hour", "-o",
               "o.csv") == 0
    out, err = capsys.readouterr()
    n = int(frame[["step", "turn"]].isna().sum().sum())
    assert err == "" and out.startswith(
        f"t.csv: 3 sequences of 40 to 60 rows (A, B, C), 2 columns used (step, turn), {n} values "
        "missing\n")
    model = GaussianHMM(2, **GAUSSIAN).fit(frame[["step", "turn"]], lengths=[60, 40, 50])
    states = table_of(out, "state  rows")
    for c, row in enumerate(states):
        assert float(row[5]) == pytest.approx(1 / (1 - model.transmat_[c, c]), abs=0.06)
        assert row[6:] == [f"{value:.5g}" for at in (0, 1) for value in (
            model.means_[c, at], np.sqrt(model.covars_[c, at, at]))]
    moves = table_of(out, "from a state (line) to the next (column)")
    assert moves[0] == ["state", "start", "to", "0", "to", "1"]
    for row, p in zip(moves[1:], model.transmat_, strict=True):
        assert row[2:] == [f"{100 * value:.1f}" for value in p]
    assert 'columns not used, text: "word"' in out
    assert 'columns not used, with one value only: "one"' in out
    assert "1 row without any value: its state is told by the rows around" in out
    assert out.endswith("o.csv: written\n")


def test_poor_choices_are_said(folder, capsys):
    herd().to_csv("t.csv", index=False)
    command = ("states", "t.csv", "--by", "animal", "--ignore", "hour", "--quiet")
    assert run(*command, "-k", "1:2") == 0
    assert "the number of states chosen, 2, is the largest that was tried" in (
        capsys.readouterr().err)
    assert run(*command, "-k", "2", "--max-iter", "1") == 0
    assert "not converge in 1 iteration: a larger --max-iter gives it more" in (
        capsys.readouterr().err)


def test_small_units_and_states_on_one_value(folder, capsys):
    rng = np.random.default_rng(0)
    state = np.arange(300) // 50 % 2
    x = np.where(state, rng.normal(4, 1, 300), rng.normal(0, 1, 300))
    found = []
    for scale in (1.0, 1e-100):
        pd.DataFrame({"x": x * scale}).to_csv("t.csv", index=False)
        found.append(result(capsys, "states", "t.csv", "-k", "2"))
    np.testing.assert_allclose(found[1]["means"], np.multiply(found[0]["means"], 1e-100),
                               rtol=1e-6)
    rng = np.random.default_rng(0)
    x = np.where(state, rng.gamma(3, 2, 300), rng.normal(0, 1, 300))
    x[rng.random(300) < 0.3] = 0
    pd.DataFrame({"x": x}).to_csv("z.csv", index=False)
    found = result(capsys, "states", "z.csv", "-k", "1:3")
    assert [c["collapsed"] for c in found["candidates"]] == [False, True, True]
    assert found["candidates"][2]["remarks"] == "collapsed" and found["k"] > 1
    assert any("z.csv: collapsed: state " in text for text in found["warnings"])


def test_bytes_are_those_of_any_number_of_threads(folder):
    herd().to_csv("t.csv", index=False)
    for n in "12":
        assert run("states", "t.csv", "-k", "2", "--by", "animal", "--order", "hour", "--quiet",
                   "--starts", "2", "--tol", "1e-4", "--threads", n, "-o", f"{n}.csv") == 0
    assert (folder / "1.csv").read_bytes() == (folder / "2.csv").read_bytes()


@pytest.mark.parametrize("symbols", [False, True])
def test_plot(folder, capsys, symbols):
    frame = herd()
    if symbols:
        frame["word"] = np.where(frame["step"] > 2, "far", "near")
    frame.to_csv("t.csv", index=False)
    command = ("states", "t.csv", "-k", "2", "--by", "animal", "--order", "hour", "--plot",
               "p.png", *(["--symbols", "word"] if symbols else []))
    assert run(*command) == 0
    assert capsys.readouterr().out.endswith("p.png: written\n")
    before = (folder / "p.png").read_bytes()
    assert run(*command, "--force", "--quiet") == 0
    assert (folder / "p.png").read_bytes() == before
    with Image.open("p.png") as picture:
        assert len(picture.convert("RGB").getcolors(2**24)) > 50


# --- what is refused ----------------------------------------

def test_wrong_commands_and_tables(folder, capsys):
    frame = herd(lengths=(10, 10))
    frame.to_csv("t.csv", index=False)
    for more, words in (
            (["--by", "x"], 't.csv: there is no column "x"'),
            (["--order", "x"], 't.csv: there is no column "x"'),
            (["--symbols", "x"], 't.csv: there is no column "x"'),
            (["--columns", "step,x"], 't.csv: there is no column "x"'),
            (["--by", "animal", "--order", "animal"], "need columns of their own"),
            (["--by", "animal", "--columns", "animal,step"], "--by and --columns both name"),
            (["--order", "hour", "--ignore", "hour"], "--order and --ignore both name"),
            (["--symbols", "animal", "--columns", "step"], "--symbols is a column of its own"),
            (["--symbols", "animal", "--covariance", "full"], "--covariance is for columns of"),
            (["--columns", "animal"], 'column "animal": "A" is not a number'),
            (["--ignore", "hour,step,turn,animal"], "--ignore leaves no column to use"),
            (["--only-labels"], "--only-labels needs -o OUT"),
            (["--force"], "--force needs -o OUT or --plot FILE"),
            (["--plot", "p.gif"], "p.gif: pictures are .png, .pdf, .svg"),
            (["-o", "t.csv", "--force"], "is the input t.csv"),
            (["-o", "o.csv", "--name", ""], "--name needs a name")):
        assert words in complaint(capsys, "states", "t.csv", "-k", "2", *more)
    frame.assign(state=0).to_csv("again.csv", index=False)
    assert 'has a column "state" already; --name says another' in complaint(
        capsys, "states", "again.csv", "-k", "2", "-o", "o.csv")
    frame.loc[4, "animal"] = None
    frame.to_csv("gap.csv", index=False)
    assert 'gap.csv: line 6: column "animal" (--by) has no value' in complaint(
        capsys, "states", "gap.csv", "-k", "2", "--by", "animal")
    frame["hour"] = frame["hour"].where(frame.index != 2)
    frame.to_csv("gap.csv", index=False)
    assert 'gap.csv: line 4: column "hour" (--order) has no value' in complaint(
        capsys, "states", "gap.csv", "-k", "2", "--order", "hour")
    (folder / "empty.csv").write_text("a,b\n")
    assert "empty.csv: has a header and no rows" in complaint(
        capsys, "states", "empty.csv", "-k", "2", "--by", "a")
    pd.DataFrame({"a": [1.0] * 9}).to_csv("same.csv", index=False)
    assert "no column is left that varies: there is nothing to tell states apart by" in complaint(
        capsys, "states", "same.csv", "-k", "2")
    words = [f"w{i}" for i in range(100)]
    pd.DataFrame({"a": words}).to_csv("many.csv", index=False)
    assert ('column "a" has 100 different values in 100 rows: too many for symbols') in complaint(
        capsys, "states", "many.csv", "-k", "2", "--symbols", "a")
    assert [path.name for path in folder.iterdir() if path.name.startswith(("o.", "p."))] == []


def test_the_same_time_twice_is_said(folder, capsys):
    frame = herd(gaps=0)
    frame.loc[5, "hour"] = 4
    frame.to_csv("t.csv", index=False)
    found = result(capsys, "states", "t.csv", "-k", "2", "--by", "animal", "--order", "hour")
    assert found["warnings"] == ['t.csv: line 7: the same "hour" as a row before, of the same '
                                 "sequence: such rows stay as in the file"]
