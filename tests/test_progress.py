"""Bars in notebooks, and candidates that are fitted side by side."""

import functools
import io
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

import emkernels as ek
from emkernels.em.bars import Steps

tqdm = pytest.importorskip("tqdm")
RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(100, 3)), RNG.normal(size=(100, 3)) + 5])
ANSWERS = (RNG.random((200, 5)) < np.repeat([0.2, 0.8], 100)[:, None]).astype(int)


class Shell:
    config = {"IPKernelApp": {}}


@pytest.fixture
def notebook(monkeypatch):
    """A notebook as tqdm takes it for one; bars are drawn into the text that this gives."""
    out = io.StringIO()
    ipython, auto = types.ModuleType("IPython"), types.ModuleType("tqdm.auto")
    ipython.get_ipython = Shell
    auto.tqdm = functools.partial(tqdm.std.tqdm, file=out, mininterval=0)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    return out


@pytest.mark.filterwarnings("ignore:.*converge")
def test_iterations_are_a_bar(notebook, capsys):
    model = ek.GaussianMixture(2, n_init=2, verbose=1, random_state=0).fit(X)
    text = notebook.getvalue()
    assert "start 1/2" in text and "start 2/2" in text and "lower bound" in text
    last = text.rstrip().rpartition("\r")[2]
    assert "100%" in last and "converged" in last and model.converged_
    assert capsys.readouterr().out == ""


def test_a_start_that_collapses_is_a_bar_that_says_so(notebook):
    progress = ek.em.Progress(1, 10, 2, 50)
    for init in range(2):
        progress.start(init)
        progress.step(1, -3.0, 1.0)
        progress.end(None)
    assert notebook.getvalue().count("collapsed") >= 2
    assert "start 2/2: 100%" in notebook.getvalue()


def test_passes_and_iterations_share_a_bar(notebook, capsys):
    ek.GaussianMixture(2, verbose=1, random_state=0).fit_chunks(X, chunk_rows=50)
    text = notebook.getvalue()
    assert "survey" in text and "pass 1" in text and "200/200" in text
    out = capsys.readouterr().out
    assert "rows/s" in out and "Initialization 0" not in out


def test_without_tqdm_as_on_any_stream(notebook, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "tqdm.auto")
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "tqdm")
    ek.GaussianMixture(2, verbose=1, random_state=0).fit(X)
    assert "Initialization converged." in capsys.readouterr().out and not notebook.getvalue()


def test_outside_of_a_notebook_there_is_no_bar(capsys):
    ek.GaussianMixture(2, verbose=1, random_state=0).fit(X)
    assert capsys.readouterr().out.startswith("Initialization 0\n")


# --- candidates ------------------------------------------------------------------------------

def test_steps(notebook):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    with Steps(4) as steps:
        steps.step("three")
    assert "1/4" in notebook.getvalue() and "three" in notebook.getvalue()
    out = Terminal()
    with Steps(2, stream=out) as steps:
        steps.step("a")
        steps.step("b")
    assert out.getvalue().endswith("2/2 b\x1b[K\r\x1b[K")
    out, seen = io.StringIO(), []
    with Steps(2, stream=out) as steps:
        steps.step("a")
    with Steps(2, lambda *told: seen.append(told), out) as steps:
        steps.step("b")
    with Steps(2, False, out) as steps:
        steps.step("c")
    assert out.getvalue() == "1/2 a\n" and seen == [(1, 2, "b")]


def state(kind):
    np.random.seed(5)
    return {"number": 3, "state": np.random.RandomState(3), "generator": np.random.default_rng(3),
            "none": None}[kind]


@pytest.mark.filterwarnings("ignore::emkernels.em.EMWarning")
@pytest.mark.parametrize("kind", ["number", "state", "generator", "none"])
def test_mixtures_have_the_same_bits_for_every_number_of_jobs(kind, capsys):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    found, seen = [], []
    for n_jobs in (None, 2):
        random_state = state(kind)
        result = ek.select_mixture(
            frame, range(1, 4), ("full", "EII"), n_init=2, random_state=random_state, n_jobs=n_jobs,
            progress=lambda *told: seen.append(told))
        # what was given stays what it was
        assert result.best.random_state is random_state
        assert result.best.feature_names_in_.tolist() == ["a", "b", "c"]
        found.append((result.table, result.best.means_.tobytes(),
                      result.best.covariances_.tobytes(), str(result)))
    assert found[0] == found[1]
    assert [told[:2] for told in seen] == [(i, 6) for i in range(1, 7)] * 2
    assert seen[0][2].startswith("n_components 1, full: BIC ")
    assert capsys.readouterr().out == ""


@pytest.mark.filterwarnings("ignore::emkernels.em.EMWarning")
def test_classes_and_factors_side_by_side():
    for select, rows, more in ((ek.select_classes, ANSWERS, {"n_init": 3}),
                               (ek.select_factors, X, {})):
        one, two = (select(rows, [1, 2], random_state=0, n_jobs=n_jobs, **more)
                    for n_jobs in (None, 2))
        pd.testing.assert_frame_equal(one.to_pandas(), two.to_pandas())
        assert str(one) == str(two)


@pytest.mark.filterwarnings("ignore::emkernels.em.EMWarning")
def test_the_backend_of_joblib_that_people_choose():
    with joblib.parallel_config("threading", n_jobs=2):
        two = ek.select_mixture(X, [1, 2, 3], n_init=2, random_state=0)
    assert two.table == ek.select_mixture(X, [1, 2, 3], n_init=2, random_state=0).table


@pytest.mark.filterwarnings("ignore::emkernels.em.EMWarning")
def test_a_callback_in_other_processes_is_said():
    def no_end(state):      # of a module that other processes need not find
        return False

    wide = np.hstack([X, X[::-1]])
    for select, rows, more in ((ek.select_mixture, X, {"n_init": 2}),
                               (ek.select_factors, wide, {}),
                               (ek.select_classes, ANSWERS, {"n_init": 3})):
        with pytest.warns(UserWarning, match="callback is called in the processes of n_jobs: what"):
            select(rows, [1, 2], random_state=0, n_jobs=2, callback=no_end, **more)
    seen = []       # in threads it is seen
    with joblib.parallel_config("threading", n_jobs=2):
        ek.select_mixture(X, [1, 2], n_init=2, random_state=0, callback=seen.append)
    assert seen


@pytest.mark.filterwarnings("ignore::emkernels.em.EMWarning")
def test_no_more_processes_than_candidates():
    options = {"n_init": 1, "random_state": 0}
    many = ek.select_mixture(X, [1, 2], n_jobs=100_000, **options)
    assert many.table == ek.select_mixture(X, [1, 2], **options).table


def test_candidates_that_cannot_be_fitted_are_told(capsys):
    rows = np.repeat([[0.0], [1.0]], 3, axis=0)
    with pytest.raises(ek.em.DegenerateFitError):
        ek.select_mixture(rows, [2], reg_covar=0, n_init=1, random_state=0, progress=True,
                          init_params="kmeans")
    assert capsys.readouterr().out.startswith("1/1 ")


@pytest.mark.parametrize(("more", "error", "text"), [
    ({"n_jobs": 0}, ValueError, "n_jobs must be 1 or more"),
    ({"n_jobs": 1.5}, TypeError, "n_jobs must be a whole number"),
    ({"n_jobs": True}, TypeError, "n_jobs must be a whole number"),
    ({"progress": "yes"}, TypeError, "progress must be True, False or a function"),
    ({"n_jobs": 2, "tol": -1.0}, ValueError, "'tol' parameter"),
    ({"n_jobs": 2, "colour": 1}, TypeError, "colour"),
])
def test_errors(more, error, text):
    for select in (ek.select_mixture, ek.select_factors):
        with pytest.raises(error, match=text):
            select(X, [1, 2], **more)
    if "tol" not in more:
        with pytest.raises(error, match=text):
            ek.select_classes(ANSWERS, [1, 2], **more)


def test_blocks_take_no_jobs():
    with pytest.raises(ValueError, match="n_jobs is for rows in memory"):
        ek.select_mixture(ek.data.Chunks(X, chunk_rows=50), [1, 2], n_jobs=2)


CODE = """
import numpy as np, emkernels
if __name__ == "__main__":
    X = np.random.default_rng(0).normal(size=(20_000, 4))
    try:
        emkernels.select_mixture(X, range(5, 40), random_state=0, n_jobs=2, n_init=1, tol=0,
                                 short_iter=None, callback=lambda state: print(flush=True))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_the_workers(tmp_path):
    """(An iteration in a worker says that they are at work.)"""
    script = tmp_path / "script.py"
    script.write_text(CODE)
    environment = {**os.environ, "PYTHONPATH": str(Path(ek.__file__).parents[1])}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL, env=environment, cwd=tmp_path,
                          start_new_session=True) as process:
        try:
            assert process.stdout.readline() == "\n"
            process.send_signal(signal.SIGINT)
            # the pipe ends when the workers have let go of it
            assert "interrupted" in process.communicate(timeout=60)[0]
        finally:
            process.kill()
    assert process.returncode == 0
