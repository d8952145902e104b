"""Commands that save models, and `predict`, which applies them to other tables."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_files import air_quality, complaint, iris, process, read_csv, result, run

import emkernels
from emkernels import FactorAnalysis, GaussianImputer, GaussianMixture, KMeans
from emkernels.cli import main


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return iris(tmp_path / "iris.csv")


@pytest.fixture
def air(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return air_quality(tmp_path / "air.csv")


@pytest.mark.parametrize("more", [(), ("--noise",), ("--method", "t"), ("--method", "kmeans"),
                                  ("--covariance", "VVI,diag")])
def test_the_same_table_gets_the_same_clusters(flowers, capsys, more):
    found = result(capsys, "cluster", "iris.csv", "-k", 3, "-o", "one.csv", "--save", "model.emk",
                   *more)
    assert found["saved"] == "model.emk"
    again = result(capsys, "predict", "model.emk", "iris.csv", "-o", "two.csv")
    one, two = read_csv("one.csv"), read_csv("two.csv")
    pd.testing.assert_frame_equal(one, two, rtol=1e-12)
    assert again["sizes"] == found["sizes"] and again["matched"] == "name"
    assert again["noise"] == (found["noise"] and found["noise"]["rows"])
    assert again["added"] == [name for name in one if name.startswith("cluster")]
    model = emkernels.load("model.emk")
    assert again["model"] == type(model).__name__
    np.testing.assert_array_equal(model.predict(flowers), one["cluster"])


def test_columns_are_found_by_name(flowers, capsys):
    run("cluster", "iris.csv", "-k", 2, "--save", "model.emk", "--quiet")
    table = read_csv("iris.csv")
    table[table.columns[::-1]].assign(other=7).to_csv("turned.csv", index=False)
    result(capsys, "predict", "model.emk", "turned.csv", "-o", "turned-out.csv")
    result(capsys, "predict", "model.emk", "iris.csv", "-o", "out.csv")
    turned, out = read_csv("turned-out.csv"), read_csv("out.csv")
    pd.testing.assert_frame_equal(turned[out.columns], out)
    assert (turned["other"] == 7).all()
    table.drop(columns="petal width").to_csv("less.csv", index=False)
    assert complaint(capsys, "predict", "model.emk", "less.csv", "-o", "o.csv") == (
        'less.csv: has no column "petal width", which model.emk was fitted to')
    table.assign(**{"petal width": "wide"}).to_csv("text.csv", index=False)
    assert '"petal width"' in complaint(capsys, "predict", "model.emk", "text.csv", "-o", "o.csv")
    assert "--columns and --ignore are for models that do not" in complaint(
        capsys, "predict", "model.emk", "iris.csv", "-o", "o.csv", "--columns", "species")
    # names of columns that the table has already
    assert 'has a column "cluster" already' in complaint(
        capsys, "predict", "model.emk", "out.csv", "-o", "o.csv")
    found = result(capsys, "predict", "model.emk", "out.csv", "-o", "o.csv", "--name", "group",
                   "--only-labels")
    assert list(read_csv("o.csv")) == found["added"] == ["group", "group_0", "group_1"]


def test_the_model_is_not_written_over(flowers, capsys):
    run("cluster", "iris.csv", "-k", 2, "--save", "model.csv", "--quiet")
    capsys.readouterr()
    before = Path("model.csv").read_bytes()
    assert complaint(capsys, "predict", "model.csv", "iris.csv", "-o", "model.csv", "--force") == (
        "model.csv: is the input model.csv, which is never overwritten")
    assert Path("model.csv").read_bytes() == before


def test_a_model_that_knows_no_names(flowers, capsys):
    GaussianMixture(2, random_state=0).fit(flowers.to_numpy()).save("model.emk")
    assert run("predict", "model.emk", "iris.csv", "-o", "out.csv") == 0
    out, err = capsys.readouterr()
    assert "matched by position" in out
    assert 'model.emk: knows no names of columns: takes "sepal length", "sepal width"' in err
    labels = emkernels.load("model.emk").predict(flowers.to_numpy())
    np.testing.assert_array_equal(read_csv("out.csv")["cluster"], labels)
    assert complaint(capsys, "predict", "model.emk", "iris.csv", "-o", "o.csv", "--ignore",
                     "petal width") == (
        "model.emk: was fitted to 4 columns without names, and iris.csv has 3 columns of numbers: "
        "--columns says which")
    # --columns says in which order, too
    turned = flowers.columns[::-1]
    assert run("predict", "model.emk", "iris.csv", "-o", "turned.csv", "--columns",
               ",".join(turned)) == 0
    labels = emkernels.load("model.emk").predict(flowers[turned].to_numpy())
    np.testing.assert_array_equal(read_csv("turned.csv")["cluster"], labels)
    capsys.readouterr()
    assert complaint(capsys, "predict", "model.emk", "iris.csv", "-o", "o.csv", "--columns",
                     "petal width") == ('model.emk: was fitted to 4 columns without names, and '
                                        '--columns says "petal width"')


def test_models_that_give_frames_in_python(flowers, capsys):
    """And OUT is not MODEL."""
    for name, model in (("arrays", FactorAnalysis(1, noise="isotropic")),
                        ("frames", FactorAnalysis(1, noise="isotropic").set_output(
                            transform="pandas"))):
        model.fit(flowers).save(f"{name}.csv")
        assert run("predict", f"{name}.csv", "iris.csv", "-o", f"out-{name}.csv") == 0
    capsys.readouterr()
    pd.testing.assert_frame_equal(read_csv("out-arrays.csv"), read_csv("out-frames.csv"))
    assert complaint(
        capsys, "predict", "frames.csv", "iris.csv", "-o", "frames.csv", "--force") == (
        "frames.csv: is the input frames.csv, which is never overwritten")
    assert complaint(capsys, "predict", "frames.csv", "iris.csv", "-o", "o.csv", "--name", " ") == (
        "--name needs a name")


@pytest.mark.parametrize("more", [(), ("--model", "mixture", "-k", 2), ("--clip",)])
def test_imputers(air, capsys, more):
    found = result(capsys, "impute", "air.csv", "-o", "one.csv", "--save", "filler.emk", *more)
    assert found["saved"] == "filler.emk"
    again = result(capsys, "predict", "filler.emk", "air.csv", "-o", "two.csv")
    one, two = read_csv("one.csv"), read_csv("two.csv")
    pd.testing.assert_frame_equal(one, two, rtol=1e-12)
    assert again["filled"] == again["missing"] == found["missing"] > 0
    assert again["added"] == [] and again["sizes"] is None
    # one row, of which a column has nothing
    read_csv("air.csv").iloc[[4]].to_csv("row.csv", index=False)
    result(capsys, "predict", "filler.emk", "row.csv", "-o", "row-out.csv")
    pd.testing.assert_frame_equal(read_csv("row-out.csv"), one.iloc[[4]].reset_index(drop=True),
                                  check_dtype=False)
    assert "is an imputer, which adds no column" in complaint(
        capsys, "predict", "filler.emk", "air.csv", "-o", "o.csv", "--name", "x")


def test_an_imputer_from_python(air, capsys):
    imputer = GaussianImputer(missing_values=-1, add_indicator=True)
    frame = air.fillna(-1).assign(same=3.0)[["same", *air.columns[::-1]]]
    imputer.fit(frame).save("filler.emk")
    air.assign(same=3.0).to_csv("air.csv", index=False)
    found = result(capsys, "predict", "filler.emk", "air.csv", "-o", "out.csv")
    assert found["filled"] == found["missing"] == air.isna().to_numpy().sum()
    expected = imputer.transform(frame)[:, 1:frame.shape[1]][:, ::-1]
    np.testing.assert_allclose(read_csv("out.csv")[list(air)], expected, rtol=1e-12)


def test_missing_values_in_clusters(air, capsys):
    run("cluster", "air.csv", "-k", 2, "-o", "one.csv", "--save", "m.emk", "--quiet")
    result(capsys, "predict", "m.emk", "air.csv", "-o", "two.csv")
    assert Path("one.csv").read_text() == Path("two.csv").read_text()
    KMeans(2, random_state=0).fit(air.dropna()).save("k.emk")
    assert complaint(capsys, "predict", "k.emk", "air.csv", "-o", "o.csv").startswith(
        'air.csv: column "ozone" has missing values, and K-means needs them all')


@pytest.mark.parametrize("command, more", [
    ("cluster", ("-k", 2)), ("impute", ("-o", "x.csv")), ("states", ("-k", 2))])
def test_rows_without_values_are_told(air, capsys, command, more):
    run(command, "air.csv", *more, "--save", "model.emk", "--quiet")
    model = emkernels.load("model.emk")
    table = read_csv("air.csv").astype(dict.fromkeys(model.feature_names_in_, float))
    before = result(capsys, "predict", "model.emk", "air.csv", "-o", "out.csv")
    table.loc[[3, 8], list(model.feature_names_in_)] = np.nan
    table.to_csv("empty.csv", index=False)
    found = result(capsys, "predict", "model.emk", "empty.csv", "-o", "out.csv", "--force")
    assert found["rows_without_values"] == before["rows_without_values"] + 2
    capsys.readouterr()
    run("predict", "model.emk", "empty.csv", "-o", "out.csv", "--force")
    assert "rows without any value: what the model says of them rests on" in capsys.readouterr().out


def test_factors(flowers, capsys):
    run("factors", "iris.csv", "-k", 1, "-o", "one.csv", "--save", "f.emk", "--quiet")
    result(capsys, "predict", "f.emk", "iris.csv", "-o", "two.csv")
    pd.testing.assert_frame_equal(read_csv("one.csv"), read_csv("two.csv"), rtol=1e-9)


def test_what_cannot_be_saved_or_read(flowers, capsys):
    for command in ("cluster", "factors"):
        said = complaint(capsys, command, "iris.csv", "-k", 2, "--standardize", "--save", "m.emk")
        assert said.startswith("--save is not for --standardize: ")
        assert said.endswith("save without --standardize, or standardise the table first")
    assert "--save needs the name of a file" in complaint(
        capsys, "cluster", "iris.csv", "-k", 2, "--save", "-")
    assert "is OUT, too" in complaint(
        capsys, "cluster", "iris.csv", "-k", 2, "-o", "x.csv", "--save", "./x.csv")
    assert "is the input iris.csv, which is never overwritten" in complaint(
        capsys, "cluster", "iris.csv", "-k", 2, "--save", "iris.csv", "--force")
    run("cluster", "iris.csv", "-k", 2, "--save", "m.emk", "--quiet")
    capsys.readouterr()
    assert complaint(capsys, "cluster", "iris.csv", "-k", 2, "--save", "m.emk") == (
        "m.emk: exists; --force writes over it")
    assert run("cluster", "iris.csv", "-k", 2, "--save", "m.emk", "--force", "--quiet") == 0
    capsys.readouterr()
    assert complaint(capsys, "predict", "iris.csv", "iris.csv", "-o", "o.csv").startswith(
        "iris.csv is not an estimator saved by emkernels, or it is damaged: ")
    assert complaint(capsys, "predict", "none.emk", "iris.csv", "-o", "o.csv").startswith(
        "none.emk: ")


def test_standard_input_and_output(flowers):
    run("cluster", "iris.csv", "-k", 2, "--save", "m.emk", "--quiet")
    run("predict", "m.emk", "iris.csv", "-o", "out.csv", "--quiet")
    with open("iris.csv", "rb") as table:
        done = process("predict", "m.emk", "-", "-o", "-", stdin=table)
    assert done.stdout == Path("out.csv").read_text()


# --- completions --------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_name_everything(shell, capsys):
    assert main(["completions", shell]) == 0
    text = capsys.readouterr().out
    for word in ("impute", "predict", "completions", "covariance", "standardize", "kmeans",
                 "checkpoint"):
        assert word in text
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text.encode(), check=True)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(("line", "wanted", "not_wanted"), [
    (["emkernels", "c"], {"cluster", "classes", "completions"}, {"impute"}),
    (["emkernels", "cluster", "--met"], {"--method"}, {"--model"}),
    (["emkernels", "cluster", "--method", ""], {"em", "t", "kmeans", "mclust"}, {"--save"}),
    (["emkernels", "predict", "--on"], {"--only-labels"}, set()),
    (["emkernels", "completions", ""], {"bash", "zsh", "fish"}, set()),
    (["emkernels", "cluster", "iri"], {"iris.csv"}, set())])
def test_bash_completes(flowers, capsys, line, wanted, not_wanted):
    main(["completions", "bash"])
    words = " ".join(f"'{word}'" for word in line)
    script = (capsys.readouterr().out + f"COMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; "
              'compopt() { :; }; _emkernels; printf "%s\\n" "${COMPREPLY[@]}"')
    found = set(subprocess.run(["bash", "-c", script], capture_output=True, text=True,
                               check=True).stdout.split())
    assert wanted <= found and not found & not_wanted


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_names_with_spaces(flowers, capsys):
    Path("two words.csv").write_text("a\n1\n")
    main(["completions", "bash"])
    script = (capsys.readouterr().out + "COMP_WORDS=(emkernels describe two); COMP_CWORD=2; "
              'compopt() { :; }; _emkernels; printf "%s|" "${COMPREPLY[@]}"')
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True,
                          check=True).stdout == "two words.csv|"
