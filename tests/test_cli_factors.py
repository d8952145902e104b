"""The command for factors: what it finds is what the class does, and what it prints."""

import numpy as np
import pandas as pd
import pytest
from cli_files import complaint, read_csv, result, run
from sklearn.datasets import load_wine

from emkernels import FactorAnalysis, parallel_analysis

WINE = load_wine(as_frame=True).data.rename(columns=lambda name: name.replace("/", "_"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def two_factors(n=200, seed=0):
    """Six columns: the first three of one factor, the others of another, which correlate."""
    random = np.random.default_rng(seed)
    z = random.normal(size=(n, 2)) @ np.array([[1, 0.5], [0, np.sqrt(0.75)]])
    X = np.repeat(z, 3, axis=1) + 0.7 * random.normal(size=(n, 6))
    return pd.DataFrame(X * [1, 10, 0.1, 1, 1, 1], columns=list("abcdef"))


def gappy(frame, share=0.1, seed=1):
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def table_of(out, head):
    """The lines below a heading, split, up to an empty one."""
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(head))
    return [line.split() for line in lines[at + 1:lines.index("", at)]]


# --- the class ----------------------------------------

@pytest.mark.filterwarnings("ignore:column.*Heywood")
def test_scores_and_tables_are_those_of_the_class(folder, capsys):
    frame = gappy(WINE)
    frame.assign(grower="x").to_csv("wine.csv", index=False)
    found = result(capsys, "factors", "wine.csv", "-k", "1:4", "--rotation", "oblimin",
                   "--seed", "3", "-o", "out.csv")
    models = [FactorAnalysis(k, rotation="oblimin", random_state=3, acceleration="squarem").fit(
        frame) for k in range(1, 5)]
    for candidate, model in zip(found["candidates"], models, strict=True):
        assert candidate["k"] == model.n_components and candidate["error"] is None
        assert candidate["bic"] == pytest.approx(model.bic(frame), rel=1e-12)
        assert candidate["aic"] == pytest.approx(model.aic(frame), rel=1e-12)
        assert candidate["parameters"] == model.n_parameters_
        assert candidate["log_likelihood"] == pytest.approx(model.score(frame) * 178)
        k = model.n_components
        assert candidate["degrees_of_freedom"] == ((13 - k)**2 - (13 + k)) / 2
        assert candidate["converged"] and candidate["iterations"] == model.n_iter_
    best = min(models, key=lambda model: model.bic(frame))
    assert (found["k"], found["chosen_by"]) == (best.n_components, "bic")
    scale = np.sqrt(np.diagonal(best.get_covariance()))
    np.testing.assert_allclose(found["loadings"], best.components_.T / scale[:, None], rtol=1e-9)
    np.testing.assert_allclose(found["communalities"], best.communalities_)
    np.testing.assert_allclose(found["uniquenesses"], best.noise_variance_ / scale**2, rtol=1e-6)
    np.testing.assert_allclose(found["correlations"], best.factor_correlation_)
    np.testing.assert_allclose(found["sums_of_squares"], np.square(found["loadings"]).sum(axis=0))
    out = read_csv("out.csv")
    names = [f"factor_{j + 1}" for j in range(best.n_components)]
    assert list(out) == [*WINE, "grower", *names] and (out["grower"] == "x").all()
    np.testing.assert_allclose(out[names], best.transform(frame), atol=1e-12)
    pd.testing.assert_frame_equal(out[list(WINE)], frame)
    assert found["missing"] == frame.isna().sum().sum() and found["kept"]["text"] == ["grower"]
    assert (found["rotation"], found["kaiser"], found["parallel"]) == ("oblimin", None, None)


@pytest.mark.filterwarnings("ignore:column.*Heywood")
def test_options(folder, capsys):
    two_factors().to_csv("t.csv", index=False)
    for options, parameters in (
            (["--rotation", "varimax"], {"rotation": "varimax"}),
            (["--rotation", "varimax", "--kaiser", "no"], {"rotation": "varimax", "kaiser": False}),
            (["--rotation", "quartimax", "--kaiser", "yes"],
             {"rotation": "quartimax", "kaiser": True}),
            (["--rotation", "promax"], {"rotation": "promax"}),
            (["--noise", "isotropic"], {"noise": "isotropic"}),
            (["--scores", "bartlett"], {"scores": "bartlett"}),
            (["--min-uniqueness", "0.3"], {"min_uniqueness": 0.3}),
            (["--starts", "2", "--tol", "1e-9", "--max-iter", "77"],
             {"n_init": 2, "tol": 1e-9, "max_iter": 77})):
        found = result(capsys, "factors", "t.csv", "-k", "2", "-o", "o.csv", "--only-scores",
                       "--name", "f", "--force", *options)
        model = FactorAnalysis(2, **parameters).fit(two_factors())
        out = read_csv("o.csv")
        assert list(out) == ["f_1", "f_2"]
        np.testing.assert_allclose(out, model.transform(two_factors()), atol=1e-9)
        assert (found["k"], found["chosen_by"], len(found["candidates"])) == (2, None, 1)
        assert found["kaiser"] == parameters.get("kaiser")
        assert found["scores"] == parameters.get("scores", "regression")


def test_standardised_columns_matter_to_isotropic_noise_only(folder, capsys):
    two_factors().to_csv("t.csv", index=False)
    plain, scaled = (result(capsys, "factors", "t.csv", "-k", "2", *more)
                     for more in ([], ["--standardize"]))
    # signs are such that loadings in the units of the columns add up to 0 or more
    np.testing.assert_allclose(np.abs(plain["loadings"]), np.abs(scaled["loadings"]), atol=1e-5)
    found = result(capsys, "factors", "t.csv", "-k", "2", "--noise", "isotropic", "--standardize")
    frame = two_factors()
    model = FactorAnalysis(2, noise="isotropic").fit(frame / frame.std(ddof=0))
    np.testing.assert_allclose(found["communalities"], model.communalities_)
    other = result(capsys, "factors", "t.csv", "-k", "2", "--noise", "isotropic")
    assert np.abs(np.subtract(other["communalities"], found["communalities"])).max() > 0.1
    assert found["candidates"][0]["degrees_of_freedom"] == 21 - (6 * 2 - 1 + 1)


def test_the_share_that_scores_know(folder, capsys):
    """The squared correlation of a factor with its scores, by drawing both."""
    two_factors(400).to_csv("t.csv", index=False)
    found = result(capsys, "factors", "t.csv", "-k", "2", "--rotation", "oblimin")
    model = FactorAnalysis(2, rotation="oblimin").fit(two_factors(400))
    random = np.random.default_rng(0)
    z = random.normal(size=(200_000, 2)) @ np.linalg.cholesky(model.factor_correlation_).T
    X = z @ model.components_ + random.normal(size=(200_000, 6)) * np.sqrt(model.noise_variance_)
    scores = model.transform(pd.DataFrame(X + model.mean_, columns=list("abcdef")))
    for j in range(2):
        r = np.corrcoef(z[:, j], scores[:, j])[0, 1]
        assert found["score_r2"][j] == pytest.approx(r**2, abs=0.01)


# --- how many ----------------------------------------

def test_parallel_analysis_chooses_where_nothing_else_does(folder, capsys):
    frame = gappy(two_factors())
    frame.to_csv("t.csv", index=False)
    found = result(capsys, "factors", "t.csv", "--parallel", "--seed", "4")
    expected = parallel_analysis(frame, random_state=4)
    assert (found["k"], found["chosen_by"]) == (2, "parallel")
    for name in ("eigenvalues", "thresholds", "means"):
        np.testing.assert_allclose(found["parallel"][name], getattr(expected, name))
    assert found["parallel"]["n_components"] == 2
    found = result(capsys, "factors", "t.csv", "--parallel", "-k", "1")
    assert (found["k"], found["chosen_by"]) == (1, None) and found["parallel"]
    assert run("factors", "t.csv", "--parallel") == 0
    out = capsys.readouterr().out
    assert "parallel analysis: 2 components above 95 % of 100 random tables" in out
    noise = pd.DataFrame(np.random.default_rng(2).normal(size=(100, 5)))
    noise.add_prefix("c").to_csv("noise.csv", index=False)
    assert "no eigenvalue is above those of random tables" in complaint(
        capsys, "factors", "noise.csv", "--parallel")


def test_models_that_are_not_identified_are_not_chosen(folder, capsys):
    two_factors().to_csv("t.csv", index=False)
    found = result(capsys, "factors", "t.csv", "-k", "1:5")
    assert [c["degrees_of_freedom"] for c in found["candidates"]] == [9, 4, 0, -3, -5]
    assert found["k"] == 2
    assert run("factors", "t.csv", "-k", "1:5") == 0
    out, err = capsys.readouterr()
    rows = table_of(out, "factors  parameters")
    assert ["chosen" in row or "chosen," in row for row in rows] == [False, True, *3 * [False]]
    for k, row in (4, rows[3]), (5, rows[4]):
        assert row[:4] == [str(k), "-3" if k == 4 else "-5", "no", "fit:"]
    assert err == ""
    assert run("factors", "t.csv", "-k", "1:2", "--quiet") == 0
    out, err = capsys.readouterr()
    assert out == "" and "the number of factors chosen, 2, is the largest that was tried" in err


def test_only_models_that_are_not_identified(folder, capsys):
    two_factors().to_csv("t.csv", index=False)
    assert run("factors", "t.csv", "-k", "4", "--quiet") == 0
    assert "warning: 4 factors of 6 varying columns are not identified" in capsys.readouterr().err


# --- what is printed ----------------------------------------

def test_the_report(folder, capsys):
    frame = gappy(two_factors())
    frame.iloc[5] = np.nan
    frame.assign(word="w", void=np.nan, one=1).to_csv("t.csv", index=False)
    assert run("factors", "t.csv", "-k", "1:3", "--rotation", "oblimin", "-o", "o.csv") == 0
    out, err = capsys.readouterr()
    n = int(frame.isna().sum().sum())
    assert f"{n} values of 1200 missing ({n / 12:.3g} %): rows count by what they have" in out
    loadings = table_of(out, "loadings on 2 factors (oblimin); those below 0.3 are blank")
    assert loadings[0] == ["column", "factor", "1", "factor", "2", "communality", "uniqueness"]
    assert [len(row) for row in loadings[1:7]] == [4] * 6        # the other loading is blank
    model = FactorAnalysis(2, rotation="oblimin", acceleration="squarem").fit(frame)
    for row, shared in zip(loadings[1:7], model.communalities_, strict=True):
        assert row[2:] == [f"{shared:.3f}", f"{1 - shared:.3f}"]
    assert loadings[7][:3] == ["sum", "of", "squares"]
    correlations = table_of(out, "correlations of the factors")
    assert correlations[1][2:] == ["1.000"]
    assert correlations[2][2:] == [f"{model.factor_correlation_[0, 1]:.3f}", "1.000"]
    assert 'columns not used, text: "word"' in out
    assert 'columns not used, without any value: "void"' in out
    assert 'columns not used, with one value only: "one"' in out
    assert "1 row without any value: its scores are 0" in out
    assert out.endswith("o.csv: written\n") and err == ""
    scores = read_csv("o.csv")[["factor_1", "factor_2"]]
    assert (scores.iloc[5] == 0).all() and np.isfinite(scores).all(axis=None)


def test_cutoff_sort_and_shares(folder, capsys):
    two_factors().iloc[:, [0, 3, 1, 4, 2, 5]].to_csv("t.csv", index=False)
    command = ("factors", "t.csv", "-k", "2", "--rotation", "varimax", "--cutoff", "0")
    assert run(*command) == 0
    out = capsys.readouterr().out
    rows = table_of(out, "loadings on 2 factors (varimax)")
    assert "blank" not in out and "correlations of the factors" not in out
    assert [row[0] for row in rows[1:7]] == list("adbecf") and all(len(r) == 5 for r in rows[1:7])
    L = np.array([row[1:3] for row in rows[1:7]], float)
    assert rows[8][:3] == ["share", "of", "variance"]
    np.testing.assert_allclose(np.array(rows[8][3:7:2], float),
                               100 * np.square(L).sum(axis=0) / 6, atol=0.1)
    assert float(rows[8][7]) == pytest.approx(100 * np.square(L).sum() / 6, abs=0.1)
    assert run(*command, "--sort") == 0
    rows = table_of(capsys.readouterr().out, "loadings on 2 factors")
    assert {row[0] for row in rows[1:4]} in ({"a", "b", "c"}, {"d", "e", "f"})
    L = np.abs(np.array([row[1:3] for row in rows[1:7]], float))
    assert (np.diff(L[:3, 0]) <= 0).all() and (np.diff(L[3:, 1]) <= 0).all()


def test_heywood_columns_are_named(folder, capsys):
    frame = two_factors()
    frame["g"] = frame["a"] + frame["d"]
    frame.to_csv("t.csv", index=False)
    assert run("factors", "t.csv", "-k", "3") == 0
    out, err = capsys.readouterr()
    assert err.startswith("emkernels: warning: column") and "Heywood case" in err
    found = result(capsys, "factors", "t.csv", "-k", "2:3")
    assert found["heywood"] == found["candidates"][found["k"] - 2]["heywood"] != []
    assert set(found["heywood"]) <= set(frame)


def test_standard_output_and_quiet(folder, capsys):
    two_factors().to_csv("t.csv", index=False)
    assert run("factors", "t.csv", "-k", "2", "-o", "-", "--only-scores", "--quiet") == 0
    out, err = capsys.readouterr()
    assert out.startswith("factor_1,factor_2\n") and out.count("\n") == 201 and err == ""


# --- what is refused ----------------------------------------

def test_wrong_commands_and_tables(folder, capsys):
    frame = two_factors()
    frame.to_csv("t.csv", index=False)
    for more, words in (
            ([], "factors needs -k K, or --parallel to find out how many"),
            (["-k", "2", "--kaiser", "yes"], "--kaiser is for a --rotation"),
            (["-k", "2", "--only-scores"], "--only-scores needs -o OUT"),
            (["-k", "2", "--force"], "--force needs -o OUT"),
            (["-k", "2", "--scores", "bartlett"], "--scores needs -o OUT"),
            (["-k", "1:6"], "t.csv: -k 6 is too many for the 6 columns that are used"),
            (["-k", "2", "--columns", "a,b"], "-k 2 is too many for the 2 columns that are used"),
            (["-k", "1", "--columns", "a"], 't.csv: one column of numbers is used ("a")'),
            (["-k", "2", "--columns", "a,x"], 'there is no column "x"'),
            (["-k", "2", "-o", "t.csv", "--force"], "is the input t.csv"),
            (["-k", "2", "-o", "o.xlsx"], "unknown format .xlsx"),
            (["-k", "2", "-o", "o.csv", "--name", " "], "--name needs a name")):
        assert words in complaint(capsys, "factors", "t.csv", *more)
    frame.assign(factor_2=0).to_csv("again.csv", index=False)
    assert 'has a column "factor_2" already' in complaint(
        capsys, "factors", "again.csv", "-k", "2", "-o", "o.csv")
    frame[:2].to_csv("few.csv", index=False)
    assert "few.csv: has 2 rows, and 3 are needed" in complaint(
        capsys, "factors", "few.csv", "-k", "1")
    (frame * 0 + 1).to_csv("same.csv", index=False)
    assert "every column of numbers has one value only" in complaint(
        capsys, "factors", "same.csv", "-k", "1")
    assert [path.name for path in folder.iterdir() if path.name.startswith("o.")] == []
