"""What the README and the recipes of the site show runs as it stands."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from importlib import resources
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import tifffile
from matplotlib import pyplot
from skimage.io import imsave
from sklearn.datasets import load_iris, load_sample_image

import emkernels
from emkernels import kernels
from emkernels.cli._demo.factors import psychology_table
from emkernels.cli._main import COMMANDS, main, make_parser

CHECKOUT = Path(__file__).resolve().parents[1]
README = CHECKOUT / "README.md"
RECIPES = CHECKOUT / "docs" / "recipes.md"
TEXT = README.read_text(encoding="utf-8") + RECIPES.read_text(encoding="utf-8")
# (compiled quickly: what is compiled is to work)
ENVIRONMENT = {**os.environ, "CFLAGS": "-O0",
               "PYTHONPATH": str(Path(emkernels.__file__).parents[1])}

# heading, text below it, heading, ...
_parts = re.split(r"^##+ (.*)\n", TEXT, flags=re.MULTILINE)
SECTIONS = dict(zip(_parts[1::2], _parts[2::2]))
FROM_CYTHON = "Kernels from Cython"
FROM_NUMBA = "Kernels from numba"


def blocks(heading, language):
    return re.findall(rf"```{language}\n(.*?)```", SECTIONS[heading], flags=re.DOTALL)


def run(*command, folder):
    done = subprocess.run([sys.executable, *command], cwd=folder, env=ENVIRONMENT, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to be in, without a display."""
    monkeypatch.chdir(tmp_path)
    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    yield tmp_path
    pyplot.close("all")
    matplotlib.use(before)


def execute(heading):
    """The names that the Python of one section leaves behind, in one session of its own."""
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for block in blocks(heading, "python"):
            exec(compile(block, heading, "exec"), names)
    return names


PYTHON = [heading for heading in SECTIONS if blocks(heading, "python")]


def test_the_recipes_are_there():
    assert PYTHON[:13] == ["In Python", "A mixture", "Missing values", "Multiple imputation",
                          "Models that last", "Factors", "Latent classes",
                          "States of a sequence", "Outliers, and other shapes",
                          "Larger than memory", "Segmentation", FROM_CYTHON, FROM_NUMBA]
    assert sum(len(blocks(heading, "python")) for heading in PYTHON) == TEXT.count("```python\n")
    assert len(_parts[1::2]) == len(SECTIONS), "two sections of one heading"


@pytest.mark.parametrize("heading", [
    heading for heading in PYTHON if heading not in (FROM_CYTHON, FROM_NUMBA)])
def test_python(heading, folder, capsys):
    names = execute(heading)
    printed = capsys.readouterr().out
    if heading == "In Python":
        assert "K-means and EM" in printed and "20 imputations" in printed
        assert not np.isnan(names["filled"]).any()
        assert np.load("labels.npy").shape == (50_000,)
    elif heading == "A mixture":
        assert names["mean"].shape == (150, 2)
        assert "n_components" in printed
    elif heading == "Missing values":
        assert "Little's test" in printed and np.isnan(names["X"]).any()
    elif heading == "Multiple imputation":
        assert printed.count("20 imputations") == 2 and len(names["tables"]) == 20
        assert names["pooled"].names == ("Intercept", "age", "bmi", "bp")
    elif heading == "Models that last":
        np.testing.assert_array_equal(names["back"].means_, names["gm"].means_)
    elif heading == "Factors":
        assert "Parallel analysis: 3" in printed
        assert names["scores"].shape == (301, 3) and not np.isnan(names["filled"]).any()
    elif heading == "Latent classes":
        assert "entropy n_best" in printed and "democrat" in printed
        assert names["lca"].standard_errors(names["bills"]).weights.shape == (3,)
        assert names["lca"].weights_.shape == (3,)
        # two classes have hardly anybody of the other party
        of = pd.crosstab(names["lca"].predict(names["bills"]), names["votes"].party)
        assert (of.max(axis=1) / of.sum(axis=1) > 0.9).sum() == 2
    elif heading == "States of a sequence":
        bics = [float(line.split()[1]) for line in printed.splitlines()[:3]]
        assert np.argmin(bics) == 1 and "1899" in printed
        assert (folder / "nile.png").stat().st_size > 5000
        assert names["no_way_back"].transmat_[1].tolist() == [0, 1]
    elif heading == "Outliers, and other shapes":
        assert 3 < names["t"].dfs_[0] < 3.5
        assert (names["t"].outlier_weight(names["body"]) < 0.2).sum() == 2
        assert names["noisy"].weights_.shape == (3,) and "VVV" in printed
    elif heading == "Larger than memory":
        gm, X = names["gm"], names["X"]
        assert (gm.n_blocks_, gm.n_rows_) == (6, 60_000) and "True" in printed
        labels = np.load("labels.npy", mmap_mode="r")
        np.testing.assert_array_equal(labels, gm.predict(X))
        np.testing.assert_array_equal(
            labels, pd.read_parquet("probabilities.parquet").to_numpy().argmax(axis=1))
        np.testing.assert_allclose(
            np.sort(names["stream"].means_[:, 0]), np.sort(gm.means_[:, 0]), atol=0.3)
    elif heading == "Segmentation":
        assert set(np.unique(names["result"].labels)) == set(range(5))
    elif heading == "Kernels from Python":
        assert names["total"].weight == pytest.approx(150)
    elif heading == "Your own EM":
        result, X = names["result"], names["X"]
        weights, means, variance = result.parameters
        gaps = ((X[:, None] - means) ** 2).sum(axis=2)
        joint = np.log(weights) - gaps / variance / 2 - 2 * np.log(2 * np.pi * variance)
        resp = np.exp(joint - joint.max(axis=1, keepdims=True))
        resp /= resp.sum(axis=1, keepdims=True)
        # where EM stands still, the parameters are the moments of their own posteriors
        np.testing.assert_allclose(resp.mean(axis=0), weights, atol=1e-3)
        np.testing.assert_allclose((resp * gaps).sum() / X.size, variance, rtol=1e-3)
        assert names["chunks"].n_iter == result.n_iter
    elif heading == "Pictures":
        assert (folder / "mixture.png").stat().st_size > 5000
    else:
        assert "K-means and EM" in printed


def test_cython(folder, monkeypatch):
    (source,) = blocks(FROM_CYTHON, "cython")
    # the example is this very code
    example = CHECKOUT / "examples" / "cython_client" / "em_step.pyx"
    assert example.read_text(encoding="utf-8") == source
    (folder / "em_step.pyx").write_text(source, encoding="utf-8")
    (command,) = re.findall(r"^`cythonize (.*?)`", SECTIONS[FROM_CYTHON], flags=re.MULTILINE)
    run("-m", "Cython.Build.Cythonize", *shlex.split(command), folder=folder)
    monkeypatch.syspath_prepend(folder)
    names = execute(FROM_CYTHON)
    del sys.modules["em_step"]
    counts, _, _ = names["moments"]
    assert counts.sum() == pytest.approx(150)


def test_numba():
    """The kernel called from compiled code gives the bits of the kernel called from Python."""
    pytest.importorskip("numba")
    names = execute(FROM_NUMBA)
    gm, statistics = names["gm"], names["statistics"]
    model = gm.weights_, gm.means_, gm.precisions_cholesky_
    for X in (names["X"], np.asfortranarray(names["X"]), np.repeat(names["X"], 2, axis=0)[::-2]):
        for found, value in zip(statistics(X, *model), kernels.em_statistics(X, *model)):
            np.testing.assert_array_equal(found, value)


# --- the command line ----------------------------------------------------------------------

COMMAND_TEXT = "".join(blocks("Command line", "sh")).splitlines()
LINES = [shlex.split(line) for line in COMMAND_TEXT if line.strip() and line[0] != "#"]
# they measure: whole minutes
MEASURING = ("bench", "demo")


def written(line):
    return line[line.index("-o") + 1] if "-o" in line else None


@pytest.fixture
def files(folder):
    """The files that the lines read."""
    table = load_iris(as_frame=True).data[::2]
    holes = np.random.default_rng(0).random(table.shape) < 0.1
    table.mask(holes).to_csv(folder / "survey.csv", index=False)
    emkernels.GaussianMixture(2, random_state=0).fit(table).save(folder / "groups.emk")
    values, names = psychology_table()
    tests = pd.DataFrame(values, columns=names)
    tests.mask(np.random.default_rng(0).random(tests.shape) < 0.1).to_csv(
        folder / "tests.csv", index=False)
    for name in ("votes.csv", "nile.csv"):
        shutil.copy(resources.files("emkernels.cli._demo").joinpath(name), folder)
    photo = load_sample_image("china.jpg")
    imsave(folder / "photo.jpg", photo[::2, ::2])
    bands = np.concatenate([photo, 255 - photo[..., :1]], axis=-1)[::4, ::4].astype(np.uint16) * 40
    tifffile.imwrite(folder / "bands.tif", bands, photometric="minisblack",
                     planarconfig="contig")
    return folder


def test_lines_can_be_pasted_into_zsh():
    """There, where comments are words, one behind a command is its argument, one of its own is a
    command that is not found, and an apostrophe waits for another."""
    for line in COMMAND_TEXT:
        assert "#" not in line or re.fullmatch(r"#[\w ,-]*", line), line


def test_every_command_is_shown():
    shown = {line[1] for line in LINES} | set(
        re.findall(r"`emkernels ([a-z]+)`", SECTIONS["Command line"]))
    assert shown == {module.__name__.rpartition(".")[2] for module in COMMANDS}
    for line in LINES:
        assert line[0] == "emkernels"
        make_parser().parse_args(line[1:])      # those that measure, too


@pytest.mark.parametrize("line", [
    pytest.param(line, marks=pytest.mark.slow if line[1] in MEASURING else (),
                 id=" ".join(line[1:])) for line in LINES])
def test_line(line, files, capsys):
    if "--save" in line:        # for the others it is there
        (files / line[line.index("--save") + 1]).unlink()
    assert main(line[1:]) == 0
    out, err = capsys.readouterr()
    assert out.strip() and not err
    if written(line):
        assert (files / written(line)).stat().st_size > 0


def test_files_that_are_named():
    """The README is read where no file lies beside it, so it names files and links to none."""
    text = README.read_text(encoding="utf-8")
    named = re.findall(r"`((?:docs/|benchmarks/)?[\w./]+\.(?:md|py|cff))`", text)
    assert len(named) >= 7
    for name in named:
        assert (CHECKOUT / name).exists(), name
    assert not re.findall(r"\]\((?!https?:)", text)


def test_the_figure_is_drawn_to_scale():
    bars = re.findall(r"(#+) +(\d+) ms", SECTIONS["How fast"])
    slowest = float(bars[-1][1])
    assert len(bars) == 3
    for bar, milliseconds in bars:
        wanted = float(milliseconds) / slowest * len(bars[-1][0])
        assert abs(len(bar) - wanted) <= 0.6, milliseconds


def test_it_is_short():
    assert len(README.read_bytes()) <= 16 * 1024
