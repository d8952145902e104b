"""Every script of examples/ runs as it stands, away from the checkout."""

import contextlib
import io
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from PIL import Image

import emkernels

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.rglob("*.py"))
NAMES = [script.relative_to(EXAMPLES).as_posix() for script in SCRIPTS]


def in_a_process(script, folder, *arguments):
    environment = {**os.environ, "CFLAGS": "-O0", "MPLBACKEND": "Agg",
                   "PYTHONPATH": str(Path(emkernels.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-W", "error", str(script), *arguments], cwd=folder,
                          env=environment, capture_output=True, text=True, timeout=300,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def start(script, folder, *arguments):
    """What it prints. Those that change no module are run here, where all is imported."""
    if script.name == "run.py":
        return in_a_process(script, folder, *arguments)
    before = mpl.get_backend()
    with (pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out,
          warnings.catch_warnings()):
        warnings.simplefilter("error")
        patch.chdir(folder)
        patch.setattr(sys, "argv", [str(script), *arguments])
        mpl.use("Agg")
        try:
            runpy.run_path(str(script), run_name="__main__")
        finally:
            pyplot.close("all")
            mpl.use(before)
    return out.getvalue()


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """name -> (what it printed, its folder); each script runs once."""
    found = {}

    def get(name):
        if name not in found:
            folder, elsewhere = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("cwd")
            found[name] = start(EXAMPLES / name, elsewhere, str(folder)), folder
            assert not list(elsewhere.iterdir()), "something is outside of the folder asked for"
        return found[name]
    return get


def numbers(pattern, text):
    return [float(value) for value in re.search(pattern, text).groups()]


def test_there_are_examples():
    assert len(SCRIPTS) >= 7


@pytest.mark.parametrize("name", NAMES)
def test_script(name, outcome):
    printed, folder = outcome(name)
    source = (EXAMPLES / name).read_text(encoding="utf-8")
    assert len(source.splitlines()) < 60
    assert printed.strip() and "nan" not in printed.split()
    pictures = list(folder.glob("*.png"))
    assert len(pictures) >= source.count("savefig(")
    for picture in pictures:
        assert np.asarray(Image.open(picture).convert("L")).std() > 5, f"{picture.name} is empty"


@pytest.mark.parametrize("name", NAMES)
def test_listed(name):
    assert f"]({name})" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_every_link_of_the_list_is_there():
    targets = re.findall(r"\]\((.*?)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8"))
    assert all((EXAMPLES / target).is_file() for target in targets)


def test_current_folder_by_default(tmp_path):
    in_a_process(EXAMPLES / "kmeans_and_em.py", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kmeans_and_em.png"]


# --- what they say -------------------------------------------------------------------------

def test_counted_rows_are_the_rows(outcome):
    assert numbers(r"means differ by (\S+)", outcome("mixture.py")[0])[0] < 1e-4


def test_mixture_fills_in_best(outcome):
    errors = re.findall(r"error of .*?: (\S+) cm", outcome("missing_values.py")[0])
    assert sorted(errors, reverse=True) == errors and len(errors) == 3


def test_little(outcome):
    chance, cause = re.findall(r" p = (\S+)", outcome("missing_values.py")[0])
    assert float(chance) > 0.05 > 1e-6 > float(cause)


def test_pooling_is_nearer_than_complete_rows(outcome):
    printed = outcome("multiple_imputation.py")[0]
    for name in ("intercept", "age", "bp", "bmi", "s5"):
        truth, _, alone, _, pooled, _ = numbers(
            rf"\n{name} " + r"\s+(\S+) \+-\s+(\S+)" * 3, printed)
        assert abs(pooled - truth) < abs(alone - truth), name


def test_pooled_results_of_statsmodels(outcome):
    printed = outcome("statsmodels_pooled.py")[0]
    for name in ("Intercept", "age", "bmi", "bp", "s5"):
        truth, least, _, most, pooled, error = numbers(
            rf"\n{name} " + r"\s+(\S+) \+-\s+(\S+)" * 3, printed)
        # no surer than with nothing missing, surer than of few rows, and about right
        assert least <= error < most and abs(pooled - truth) < error, name


def test_holes_leave_the_factors_as_they_are(outcome):
    printed = outcome("factors.py")[0]
    congruences = [float(text) for text in re.findall(r"congruence (\S+)", printed)]
    assert len(congruences) == 3 and min(congruences) > 0.95
    assert numbers(r"by the factors: (\S+) standard", printed)[0] < 0.9


def test_classes_tell_hidden_votes(outcome):
    printed = outcome("latent_classes.py")[0]
    classes, plain = map(float, re.findall(r": (\S+) % right", printed))
    assert classes > 75 and plain < 60
    democrats = [int(n) for n in re.findall(r"^\d +(\d+) +\d+$", printed, re.MULTILINE)]
    assert sum(democrats) == 267 and min(democrats) < 20


def test_the_flow_of_the_nile_changes_once(outcome):
    printed = outcome("states.py")[0]
    bics = [float(text) for text in re.findall(r"BIC (\S+)", printed)]
    assert np.argmin(bics) == 1
    assert re.findall(r"change in (\d+)", printed) == ["1899", "1899"]


def test_shares_of_the_dye(outcome):
    printed = outcome("image_segmentation.py")[0]
    kmeans, em, smooth = (float(share) for share in re.findall(r": (\S+) % of the", printed))
    assert kmeans < 35 and 55 < em < 65 and 35 < smooth < 65
    lonely = [float(share) for share in re.findall(r"neighbours: (\S+) %", printed)]
    assert lonely[2] < lonely[1] / 2


def test_em_finds_the_growers_better(outcome):
    kmeans, em = re.findall(r"growers (\S+)", outcome("kmeans_and_em.py")[0])
    assert float(em) > float(kmeans)


def test_chunks_are_the_whole(outcome):
    printed = outcome("streaming.py")[0]
    assert numbers(r"means differ by (\S+)", printed)[0] < 1e-4
    assert "killed and resumed: the same bits True" in printed
    counts = re.search(r"component: (.*)", printed)[1].split(", ")
    assert sum(map(int, counts)) == 2 * 427 * 640


def test_a_structure_of_ones_own_is_what_scipy_finds(outcome):
    printed = outcome("shared_variance.py")[0]
    whole, chunks = map(float, re.findall(r"log-likelihood (\S+),", printed))
    (scipys,) = numbers(r"by SciPy: (\S+)", printed)
    assert whole == pytest.approx(scipys, abs=1e-5) and chunks == pytest.approx(whole, abs=1e-5)


def test_the_compiled_kernel_is_the_kernel(outcome):
    own, package = numbers(
        r"passes: (\S+), by GaussianMixture: (\S+)", outcome("cython_client/run.py")[0])
    assert own == pytest.approx(package, abs=1e-6)
